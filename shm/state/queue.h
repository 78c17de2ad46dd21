/*
 * queue: one queue of the shard: configuration, one list of messages for each state, receivers that wait, counts.
 *
 *         queue_take()         queue_begin_delete()            queue_free()
 *   FREE -------------> LIVE ----------------------> DELETING ------------> FREE
 *
 * DELETING: the name is gone, nobody can reach it; a job removes its messages.
 *
 * Invariants (shard_check):
 *  Q1  a LIVE queue is found by its name in the hash table; FREE and DELETING ones are not in it
 *  Q2  bytes is the sum of attributes and bodies of its messages
 *  Q3  a LIVE queue with ready messages, waiters, room under max_in_flight and no purge of ready ones is on the serve list
 *  Q4  to_serve iff it is on the serve list
 *  Q5  purge_states is not 0 or the state DELETING iff exactly one job works on it
 *  Q6  a FREE queue has no waiters, no messages and no grants
 *  Q7  each slot below queues_high is LIVE or DELETING, or FREE and in the free list
 */
#ifndef SHM_STATE_QUEUE_H
#define SHM_STATE_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/frame.h"
#include "shm/queue_config.h"
#include "shm/state/list.h"
#include "shm/state/message.h"

enum queue_state { QUEUE_FREE, QUEUE_LIVE, QUEUE_DELETING };

/* Monotonic counts of one queue. */
struct queue_totals {
	uint64_t published, delivered, acked, expired, released, failed, removed;
};

struct queue {
	struct queue_name name;
	uint64_t owner;               /* uid; 0: nobody's, admins manage it.  He may be gone */
	struct queue_config config;
	uint64_t etag;                /* LSN of the record that last set the configuration */
	uint64_t created_ms;
	uint64_t bytes;               /* attributes and bodies of all its messages */
	uint64_t purge_seq_below;     /* while purge_states != 0: what a receive does not see any more */
	uint64_t purge_older_than_ms; /* 0: any age */
	struct queue_totals totals;
	struct list lists[MSG_STATE_COUNT]; /* by enum msg_state; [MSG_FREE] is empty */
	struct list waiters;          /* oldest first */
	struct list grants;           /* who else has rights on it */
	struct link link;             /* in the free list, or, while to_serve, in the serve list */
	uint32_t hash_next;           /* next queue of the same hash bucket, NIL: last */
	uint32_t return_hint;         /* the message that last returned to ready by seq, or NIL; may be stale */
	uint32_t purge_states;        /* enum purge_state of the running purge, 0: none */
	uint8_t state;                /* enum queue_state */
	uint8_t to_serve;             /* 1: on the serve list */
	uint8_t reserved[50];
};
_Static_assert(sizeof(struct queue) % 64 == 0, "queue slots keep to cache lines");

struct shard;

/* The slot that the next queue_take() has to name, or NIL when the table is full. */
uint32_t queue_next_free(const struct shard *shard);

/* What is known of a queue when it is made. */
struct queue_birth {
	const struct queue_name *name;
	const struct queue_config *config;
	uint64_t etag;
	uint64_t owner;
	uint64_t time_ms;
};

/* Take slot idx == queue_next_free(), LIVE, empty, findable by its name, without grants. */
void queue_take(struct shard *shard, uint32_t idx, const struct queue_birth *birth);
void queue_set_config(struct shard *shard, struct queue *queue, const struct queue_config *config, uint64_t etag);

/* It is his from now on, with what is in it. */
void queue_set_owner(struct shard *shard, struct queue *queue, uint64_t owner);

/* The name is gone from here on.  Messages and waiters are left to the caller's job. */
void queue_begin_delete(struct shard *shard, uint32_t idx);

/* A DELETING queue without messages and waiters gives its slot back. */
void queue_free(struct shard *shard, uint32_t idx);

/* Put it on the serve list if somebody waits for what it can give.  Called after each change that may make it so. */
void queue_offer(struct shard *shard, uint32_t idx);

/* Off the serve list. */
void queue_unoffer(struct shard *shard, uint32_t idx);

/* How many more leases max_in_flight allows. */
uint32_t queue_lease_room(const struct queue *queue);

/* All messages, in whatever state. */
uint64_t queue_message_count(const struct queue *queue);

/* True if a purge under way covers the message: it is not given out any more. */
bool queue_purges(const struct queue *queue, const struct msg *msg);

#endif
