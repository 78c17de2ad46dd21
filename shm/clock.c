#include "shm/clock.h"

#include <assert.h>
#include <time.h>

static uint64_t frozen_ns;

static uint64_t
clock_read_ns(clockid_t clock)
{
	struct timespec t;
	int rc = clock_gettime(clock, &t);

	assert(rc == 0);
	(void)rc;
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t
now_ns(void)
{
	return frozen_ns != 0 ? frozen_ns : clock_read_ns(CLOCK_BOOTTIME);
}

int64_t
clock_wall_offset_ns(void)
{
	return (int64_t)(clock_read_ns(CLOCK_REALTIME) - clock_read_ns(CLOCK_BOOTTIME));
}

void
clock_freeze(uint64_t fixed_ns)
{
	frozen_ns = fixed_ns;
}
