/*
 * waiter: a receiver that waits for a message: the parked RECEIVE of one connection.  The table is partitioned: slot
 * front * waiters_per_front + the connection's index, chosen by the frontd.  Waiters are not replayed: a cold start has none.
 *
 * Invariants (shard_check):
 *  V1  a parked waiter is in the list of its queue, which is not FREE, and its timer is armed; a free one is in none
 *  V2  a front's waiter_count is the number of its parked waiters; a CLOSED front has none
 */
#ifndef SHM_STATE_WAITER_H
#define SHM_STATE_WAITER_H

#include <stdint.h>

#include "shm/people.h"
#include "shm/state/list.h"
#include "shm/state/wheel.h"

struct waiter {
	uint64_t request_id;
	uint64_t uid;           /* who waits: his right is looked at again when he is served */
	struct timer timer;     /* when it is answered EMPTY */
	struct link link;       /* in its queue's waiters */
	uint32_t lease_ms;      /* as asked; WAITER_LEASE_DEFAULT for LEASE_DEFAULT */
	uint32_t queue_idx;
	uint32_t bytes_max;
	uint16_t max;
	uint8_t is_parked;
	uint8_t is_admin;
};
#define WAITER_LEASE_DEFAULT UINT32_MAX
_Static_assert(LEASE_MS_MAX < WAITER_LEASE_DEFAULT, "a lease fits into a waiter");
_Static_assert(sizeof(struct waiter) == 64, "a waiter takes one cache line");

struct shard;

struct waiter_birth {
	uint64_t request_id;
	struct caller caller;
	uint64_t lease_ms;      /* LEASE_DEFAULT: the queue's */
	uint64_t due_ms;
	uint32_t queue_idx;
	uint32_t bytes_max;
	uint16_t max;
};

/* Park in slot idx, which is free. */
void waiter_park(struct shard *shard, uint32_t idx, const struct waiter_birth *birth);

/* As it was asked. */
uint64_t waiter_lease_ms(const struct waiter *waiter);
struct caller waiter_caller(const struct waiter *waiter);

/* Out of its queue; the slot is free. */
void waiter_leave(struct shard *shard, uint32_t idx);

/* It could not be answered now (its reply ring is full): try again at due_ms. */
void waiter_postpone(struct shard *shard, uint32_t idx, uint64_t due_ms);

#endif
