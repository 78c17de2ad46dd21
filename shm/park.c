#include "shm/park.h"

#include <assert.h>
#include <errno.h>
#include <unistd.h>

#include "shm/atomic.h"

void
park_begin(uint64_t *word, bool awaits_durable)
{
	uint64_t sequence = (load_relaxed(word) & ~(uint64_t)(PARK_SEQUENCE - 1)) + PARK_SEQUENCE;

	store_relaxed(word, sequence | PARK_PARKED | (awaits_durable ? PARK_AWAITS_DURABLE : 0));
	/* The word is visible before we look at the rings again.  Pairs with park_fence(). */
	fence_full();
}

void
park_end(uint64_t *word)
{
	store_relaxed(word, load_relaxed(word) & ~(uint64_t)(PARK_SEQUENCE - 1));
}

void
park_fence(void)
{
	/* Pairs with park_begin(): either we see the sleeper parked, or it sees what we posted. */
	fence_full();
}

static bool
park_signal(struct waker *waker, uint64_t required)
{
	/* Ordered by park_fence(). */
	uint64_t seen = load_relaxed(waker->word);

	if ((seen & required) != required || seen == waker->signalled)
		return false;
	park_poke(waker->event_fd);
	waker->signalled = seen;
	waker->signals++;
	return true;
}

bool
park_wake(struct waker *waker)
{
	return park_signal(waker, PARK_PARKED);
}

bool
park_wake_durable(struct waker *waker)
{
	return park_signal(waker, PARK_PARKED | PARK_AWAITS_DURABLE);
}

void
park_poke(int event_fd)
{
	uint64_t one = 1;
	ssize_t n;

	do
		n = write(event_fd, &one, sizeof(one));
	while (n < 0 && errno == EINTR);
	/* EAGAIN: the counter is full, so it is readable and the sleeper wakes all the same. */
	assert(n == sizeof(one) || errno == EAGAIN);
}
