/*
 * park: how a process sleeps and how it is woken.  Each process has one eventfd (the supervisor's, kept for ever) and one
 * `parked` word in its own statistics region, which only the sleeper writes:
 *
 *   bit 0      1 = parked
 *   bit 1      parked with replies held, or to come, that wait for the disk (frontd): persistd wakes it when something
 *              became durable, and a worker does not for such a reply (worker.c, wake_front)
 *   bits 2..   a sequence number that grows with each sleep, so one sleep costs a producer one signal
 *
 * Sleeper: park_begin() (store, full fence); recheck every source; sleep, at most PARK_MS_MAX; park_end().
 * Waker:   post to its ring; park_fence() once for a batch; park_wake() for each process touched.
 * tests/models/wake.pml shows that no wake is lost, and that it needs the fence and the supervisor's poke on a death.
 */
#ifndef SHM_PARK_H
#define SHM_PARK_H

#include <stdbool.h>
#include <stdint.h>

#define PARK_MS_MAX 250
#define PARK_PARKED 1u
#define PARK_AWAITS_DURABLE 2u
#define PARK_SEQUENCE 4u

/* The sleeper's side.  `word` is this process's own. */
void park_begin(uint64_t *word, bool awaits_durable);
void park_end(uint64_t *word);

/* The waker's side: one for each process that may have to be woken; private memory. */
struct waker {
	const uint64_t *word; /* the sleeper's, mapped read-only */
	int event_fd;
	uint64_t signalled;   /* the value of the word for which we wrote the eventfd */
	uint64_t signals;     /* how many eventfd writes, for the statistics */
};

/* Our posts are visible before we look whether somebody sleeps.  Once for a batch, before the park_wake()s. */
void park_fence(void);

/* Write the eventfd if its owner is parked and was not signalled for this sleep.  True if it wrote. */
bool park_wake(struct waker *waker);

/* The same, only if it parked with PARK_AWAITS_DURABLE. */
bool park_wake_durable(struct waker *waker);

/* Add 1 to an eventfd, whoever sleeps (the supervisor, after every death). */
void park_poke(int event_fd);

#endif
