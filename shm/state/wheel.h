/*
 * wheel: timers of one table (messages, or waiters), in five levels of 256 buckets.  A tick is 4 ms, so level 0 spans one
 * second, level 1 four minutes, level 2 nineteen hours, level 3 199 days and level 4 139 years of ticks since the Unix epoch:
 * every deadline has a place, none has to be parked beyond the horizon.
 *
 * A timer lies in the level of the highest 8-bit digit in which its tick differs from the wheel's, in the bucket of its own
 * digit there.  When the wheel comes to the first tick of such a bucket, the bucket is moved down, one timer a transaction;
 * within one bucket order is kept, so equal deadlines fire in the order they were set.
 * After Varghese and Lauck, scheme 7; the placing by differing digit is that of the Linux kernel before 4.8.
 *
 * Invariants (shard_check):
 *  W1  a timer's bucket number is that of the list it is in
 *  W2  a level-0 timer's tick is the bucket's; of a higher one, the digits above its level are the wheel's and the digit of
 *      its level is the bucket's
 *  W3  an occupied bit is set iff its bucket holds a timer
 *  W4  no timer lies before the wheel's tick
 */
#ifndef SHM_STATE_WHEEL_H
#define SHM_STATE_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/state/list.h"

#define WHEEL_LEVELS 5
#define WHEEL_BUCKETS 256
#define WHEEL_TICK_MS 4
#define WHEEL_NEVER UINT64_MAX

/* In each slot of the table. */
struct timer {
	uint64_t due_ms;   /* meaningful while armed */
	struct link link;
	uint32_t bucket;   /* 0: not armed; else 1 + level * 256 + bucket */
	uint32_t reserved;
};
_Static_assert(sizeof(struct timer) == 24, "timer: format");

/* In the shard's root. */
struct wheel {
	uint64_t tick;     /* of level 0; what is due at it has not fired yet.  Grows only past an empty bucket */
	uint64_t count;    /* timers armed */
	uint64_t occupied[WHEEL_LEVELS][WHEEL_BUCKETS / 64];
	struct list buckets[WHEEL_LEVELS][WHEEL_BUCKETS];
};

/* A wheel and the timers that hang in it.  Private memory. */
struct wheel_view {
	struct wheel *wheel;
	struct txn *txn;
	struct link_table links; /* of the timers' links */
};

/* Empty, by plain stores. */
void wheel_init(struct wheel *wheel, uint64_t now_ms);

/* The timer of slot idx, which is not armed, fires at due_ms (or at once if that has passed). */
void wheel_arm(const struct wheel_view *view, uint32_t idx, uint64_t due_ms);

/* Nothing, if it is not armed. */
void wheel_disarm(const struct wheel_view *view, uint32_t idx);

/* What wheel_step() found. */
enum wheel_step {
	WHEEL_IDLE,  /* nothing more until wheel_next_ms() */
	WHEEL_MOVED, /* the wheel moved on or a timer moved down: commit, and call again */
	WHEEL_DUE,   /* *idx is due: disarm it in the transaction that acts on it.  Nothing was changed */
};

/* One small step towards now_ms. */
enum wheel_step wheel_step(const struct wheel_view *view, uint64_t now_ms, uint32_t *idx);

/* When wheel_step() next has something to do; WHEEL_NEVER if no timer is armed. */
uint64_t wheel_next_ms(const struct wheel *wheel);

/* For shard_check: the text of the first invariant that fails, or NULL. */
const char *wheel_check(const struct wheel_view *view);

static inline struct timer *
timer_at(const struct wheel_view *view, uint32_t idx)
{
	return (struct timer *)((char *)link_at(&view->links, idx) - offsetof(struct timer, link));
}

#endif
