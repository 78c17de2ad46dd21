/*
 * submit: frames into the request rings.  Room in the ring is the admission of a request: without it the connection waits a
 * little in a bounded list and is then answered 503 busy.  Frames are posted once a turn, and each peer is woken once.
 *
 * Frames that are not a client's request (the cancel of a long poll, receipts given back, the next page of a list) wait in a
 * list of their own until there is room.
 */
#ifndef FRONTD_SUBMIT_H
#define FRONTD_SUBMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/limits.h"
#include "shm/ring.h"

struct conn;
struct exchange;
struct frontd;
struct receipt;

#define SUBMIT_WAITING_MAX 256u                      /* connections of one shard that wait for room */
#define SUBMIT_WAIT_NS (20ull * 1000 * 1000)         /* that long, while the worker lives */
#define SUBMIT_WAIT_DOWN_NS (5ull * 1000 * 1000 * 1000) /* while its successor is on its way */

struct shard_link {
	struct ring request;
	struct ring reply;
	bool is_touched;                 /* frames were pushed or replies taken: post, wake */
	struct conn *waiting, **waiting_end;
	uint32_t waiting_count;
	struct exchange *again, **again_end;
	struct exchange *held, *held_last; /* by lsn (await.c) */
	struct exchange *cancelled, **cancelled_end;
	uint64_t consumed_position;      /* how far the worker had read the requests */
	uint64_t consumed_ns;            /* when we saw that */
};

struct submits {
	struct shard_link links[WORKER_MAX];
	uint32_t waiting_count;          /* over all shards */
	uint32_t held_count;
	uint32_t changes_asked;          /* exchanges whose reply may have to be held */
	uint32_t again_count;
	uint32_t full_shard;             /* whose ring had no room for the last request */
	bool wants_directory;            /* not room: region directory, which worker 0 is writing, or was when it died */
	bool is_retrying;                /* the request at hand has waited: it goes before new ones */
	bool is_late;                    /* and it has waited long enough */
};

void submit_init(struct frontd *frontd);

/* Room for a frame of `bytes`, or NULL.  Borrowed until submit_push(), or until given up. */
void *submit_reserve(struct frontd *frontd, uint32_t shard, uint32_t bytes);
/* The reserved frame is whole, with op and id in its header. */
void submit_push(struct frontd *frontd, uint32_t shard, void *frame, uint32_t bytes, uint16_t op, uint64_t id);

/* The connection's request found no room: wait for it.  False: too many wait already (answer busy). */
bool submit_wait(struct frontd *frontd, struct conn *conn, uint32_t shard);
void submit_unwait(struct frontd *frontd, struct conn *conn);

/* Put into a ring what has been waiting. */
void submit_retry(struct frontd *frontd);

/* exchange->state says what has to be sent: AGAIN, CANCELLING or RELEASING.  Now, or as soon as there is room. */
void submit_again(struct frontd *frontd, struct exchange *exchange);

/* Give leased messages back for a client that has gone.  Takes the exchange. */
void submit_release(struct frontd *frontd, struct exchange *exchange, const struct receipt *receipts, uint32_t count);

/* End of the turn: post each touched ring once, fence, wake whoever sleeps. */
void submit_post(struct frontd *frontd);

#endif
