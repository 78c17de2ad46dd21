#ifndef TESTS_HARNESS_DEADLINE_H
#define TESTS_HARNESS_DEADLINE_H

/*
 * deadline: tests wait for what they want to see, never for a time; the deadline only says when waiting has become a
 * failure.
 */

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

static inline uint64_t
clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static inline uint64_t
deadline_in(uint64_t ms)
{
	return clock_ms() + ms;
}

/* For poll(): 0 once it has passed. */
static inline int
deadline_left_ms(uint64_t deadline_ms)
{
	uint64_t now_ms = clock_ms();

	return now_ms >= deadline_ms ? 0 : (int)(deadline_ms - now_ms);
}

/* Between two looks.  False when the deadline has passed: `while (!is_so()) ck_assert(deadline_pause(deadline_ms));` */
static inline bool
deadline_pause(uint64_t deadline_ms)
{
	const struct timespec pause = { .tv_nsec = 2000000 };

	nanosleep(&pause, NULL);
	return clock_ms() < deadline_ms;
}

#endif
