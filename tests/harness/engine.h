#ifndef TESTS_HARNESS_ENGINE_H
#define TESTS_HARNESS_ENGINE_H

/*
 * engine: a worker over memory of its own, called as a function: no process, no clock, no disk.  The test plays frontd (it
 * posts requests and reads replies), persistd (everything is durable at once, unless it says otherwise) and time.
 */

#include <stdbool.h>
#include <stdint.h>

#include "shm/frame.h"
#include "workerd/worker.h"

struct engine_front {
	struct front_pair pair;
	char *request_bytes;     /* mirrored */
	char *reply_bytes;
	struct ring request;     /* the frontd's side */
	struct ring reply;
};

struct engine {
	struct worker worker;
	struct shard_geometry geometry;
	void *shard_memory;
	void *snapshot_memory;
	struct stream_shared *stream_shared;
	struct durable_shared *durable;
	void *directory_memory;  /* region `directory`, which the worker keeps: &worker.directory */
	struct usage_entry *usage_memory; /* region usage.SLOT of the worker */
	struct stats_shared *stats;
	struct engine_front *fronts;
	uint64_t request_ring_bytes, reply_ring_bytes;
	uint64_t now_ms;
	uint64_t next_id;
	struct caller caller;    /* who asks from here on; an admin at first */
	bool is_disk_slow;       /* durable LSN stays where it is */
	/* The last reply read, and its body. */
	_Alignas(8) char reply[REPLY_BYTES_MAX];
};

/* Sizes; 0 takes a small default. */
struct engine_options {
	uint32_t messages, queues, fronts, waiters_per_front, grants, users, credentials;
	uint64_t stream_bytes, request_ring_bytes, reply_ring_bytes;
	bool is_fresh;           /* leave the shard FRESH: no cold start was run */
};

/* A READY shard, its fronts open in epoch 1, at time 1,000,000,000,000 ms. */
struct engine *engine_open(const struct engine_options *options);
void engine_close(struct engine *engine);

/* Memory for a ring: mapped twice, as region_map_mirrored() does it.  Given; 2 * bytes to be unmapped. */
char *engine_mirrored(size_t bytes);

/* Turn until nothing is left to do (bounded); then all is durable, unless is_disk_slow. */
void engine_run(struct engine *engine);
/* The same, `ms` later. */
void engine_pass(struct engine *engine, uint64_t ms);

/* As after a SIGKILL: private cursors forgotten, open transaction undone, warm start, full check. */
void engine_restart(struct engine *engine, uint32_t last_signal);

/* A front of an engine that was fresh, and is READY now. */
void engine_join_front(struct engine *engine, uint32_t index);

/* A front that was closed comes again, as the supervisor has it. */
void engine_replace_front(struct engine *engine, uint32_t index);

/* NULL, or what shard_check says, mirrors included, and whether what each user has was kept right (owners.h). */
const char *engine_check(struct engine *engine);

/* Room for a frame of front 0.. to be filled in after its header; engine_post() makes it visible.  Asserts that it fits. */
void *engine_frame(struct engine *engine, uint32_t front, enum op op, uint64_t id, uint32_t bytes);
void engine_post(struct engine *engine, uint32_t front);

/* The next reply of a front, copied to engine->reply; NULL if there is none. */
struct reply *engine_reply(struct engine *engine, uint32_t front);

/* --- whole requests of front 0: post, run, read the reply.  Each gives the outcome; details are in engine->reply --- */

struct queue_name engine_name(const char *text);
enum outcome engine_put(struct engine *engine, const char *queue, const struct queue_config *config, uint32_t fields);
enum outcome engine_get(struct engine *engine, const char *queue, struct queue_entry *entry);
enum outcome engine_delete(struct engine *engine, const char *queue);
enum outcome engine_purge(struct engine *engine, const char *queue, uint32_t states, uint64_t *removed);
/* `count` messages with this body. */
enum outcome engine_publish(struct engine *engine, const char *queue, const char *body, uint64_t delay_ms, uint32_t count);
/* Posts only; id of the request.  The reply is up to engine_reply(). */
uint64_t engine_post_publish(struct engine *engine, uint32_t front, const char *queue, const char *body,
    uint64_t delay_ms, uint32_t count);
uint64_t engine_post_receive(struct engine *engine, uint32_t front, const char *queue, uint32_t max, uint64_t lease_ms,
    uint32_t wait_ms, uint32_t slot);
uint64_t engine_post_settle(struct engine *engine, uint32_t front, enum op op, const char *queue,
    const struct receipt *receipts, uint32_t count, uint64_t ms, enum nack_mode mode);
/* Not waiting.  deliveries[max], *count. */
enum outcome engine_receive(struct engine *engine, const char *queue, uint32_t max, uint64_t lease_ms,
    struct delivery *deliveries, uint32_t *count);
/* One receipt; its own outcome. */
enum outcome engine_settle(struct engine *engine, enum op op, const char *queue, const struct delivery *delivery,
    uint64_t ms, enum nack_mode mode);

#endif
