/*
 * clock: what time it is.  Two scales: a monotonic one for deadlines inside a process (now_ns), and broker time in
 * milliseconds since the Unix epoch (clock_ms), which is CLOCK_BOOTTIME plus an offset fixed when the regions were made,
 * so that setting the wall clock neither ends leases early nor keeps them for ever.
 */
#ifndef SHM_CLOCK_H
#define SHM_CLOCK_H

#include <stdint.h>

/* Monotonic nanoseconds (CLOCK_BOOTTIME: suspended time counts).  About 20 ns. */
uint64_t now_ns(void);

/* Wall clock minus boot clock now: what the supervisor writes into the registry when it makes the regions. */
int64_t clock_wall_offset_ns(void);

/* Broker time in milliseconds for an offset taken from the registry. */
static inline uint64_t
clock_ms(uint64_t boottime_ns, int64_t offset_ns)
{
	return (boottime_ns + (uint64_t)offset_ns) / 1000000;
}

/* Tests only: now_ns() answers `fixed_ns` until called again with 0. */
void clock_freeze(uint64_t fixed_ns);

#endif
