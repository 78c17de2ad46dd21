/*
 * message: one waiting message, 128 bytes whatever its body; attributes and body lie in the stream at its LSN.
 *
 *                 msg_take()                       msg_move()
 *          FREE ---------------> READY or DELAYED ------------> READY, DELAYED, LEASED, DEAD
 *           ^                                                      |
 *           +------------------------------------------------------+  msg_free()
 *
 * A slot that was freed by an acknowledgement is a tombstone: it keeps its token and queue, so that a repeated acknowledgement
 * is recognised, until the slot is taken again.  Free slots are taken in the order they were freed, and only when
 * TOMBSTONES_MIN of them have gathered or no fresh slot is left, so a tombstone lives for a while even under load.
 *
 * Invariants (shard_check):
 *  M1  each slot below messages_high is in exactly one list: its queue's list of its state, or the free list
 *  M2  prev and next of neighbours agree; a list's head, tail and count are what a walk finds
 *  M3  LEASED and DELAYED have a timer armed, others have not
 *  M4  a used slot's seq is below next_seq and its lsn below stream_tail
 *  M5  LEASED has a token with a counter at or below the shard's; only FREE ones are tombstones
 *  M6  a message's queue is LIVE or DELETING
 */
#ifndef SHM_STATE_MESSAGE_H
#define SHM_STATE_MESSAGE_H

#include <stdint.h>

#include "shm/state/list.h"
#include "shm/state/wheel.h"

enum msg_state { MSG_FREE, MSG_READY, MSG_LEASED, MSG_DELAYED, MSG_DEAD, MSG_STATE_COUNT };

#define MSG_ACKED 1u /* flag of a tombstone */
#define TOMBSTONES_MIN 4096

struct msg {
	uint64_t seq;
	uint64_t lsn;                /* of its publish record */
	uint64_t enqueued_ms;
	uint64_t since_ms;           /* when it came into its present state: READY visible since, LEASED given at */
	uint64_t first_delivered_ms; /* 0: never */
	uint64_t token;              /* of the last lease, also in a tombstone; 0: never leased */
	struct timer timer;          /* LEASED: end of the lease; DELAYED: when it is due */
	struct link link;            /* in its queue's list of its state, or in the free list */
	uint32_t queue_idx;
	uint32_t attributes_bytes;
	uint32_t body_bytes;
	uint32_t fail_count;         /* leases that expired or were nack'ed `fail` */
	uint32_t acquire_count;      /* leases */
	uint8_t state;               /* enum msg_state */
	uint8_t flags;
	uint8_t reserved[26];
};
_Static_assert(sizeof(struct msg) == 128, "P5: 128 bytes a message");

struct shard;

/* How many messages may still be taken. */
uint32_t msg_room(const struct shard *shard);

/* The slot that the next msg_take() has to name, or NIL when the table is full. */
uint32_t msg_next_free(const struct shard *shard);

/* What is known of a message when it is published. */
struct msg_birth {
	uint64_t seq;
	uint64_t lsn;
	uint64_t time_ms;
	uint64_t visible_ms;     /* 0: READY at once; else DELAYED until then */
	uint32_t queue_idx;
	uint32_t attributes_bytes;
	uint32_t body_bytes;
};

/* Take slot idx == msg_next_free() and put it at the end of its queue's ready or delayed list. */
void msg_take(struct shard *shard, uint32_t idx, const struct msg_birth *birth);

/* How a message changes its state. */
struct msg_change {
	enum msg_state state;    /* not FREE */
	uint64_t due_ms;         /* LEASED, DELAYED: its timer; else 0 */
	uint64_t time_ms;
};

/*
 * Into another state: out of one list, into the other, timer set.  LEASED, DELAYED and DEAD append.  READY: from DELAYED
 * appends; from LEASED or DEAD returns by seq, after a bounded walk.
 */
void msg_move(struct shard *shard, uint32_t idx, const struct msg_change *change);

/* LEASED stays LEASED, until due_ms. */
void msg_extend(struct shard *shard, uint32_t idx, uint64_t due_ms);

/* Out of its queue and into the free list; with MSG_ACKED as a tombstone. */
void msg_free(struct shard *shard, uint32_t idx, uint8_t flags);

#endif
