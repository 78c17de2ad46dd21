#include "persistd/pace.h"

#include <assert.h>

/*
 * Beside commits, while a segment lasts for less than a second, large slices: the end of each
 * costs a kernel thread a change of the file's map (250 MB of zeros took 75 ms of CPU in slices
 * of 256 KiB and 15 ms in these).  While one lasts longer, small ones.
 */
#define SLICE_BYTES_FAST PACE_SLICE_BYTES_MAX
#define SLICE_BYTES_SLOW (64u << 10)
/* With nobody there.  Who comes meanwhile waits for one of them. */
#define SLICE_BYTES_QUIET (256u << 10)

#define QUIET_NS 5000000ull
#define WINDOW_NS 100000000ull
/* A rate over less than this says nothing. */
#define WINDOW_NS_MIN 10000000ull
#define SECOND_NS 1000000000ull

/* No slower than this: a spare is also what is left when the disk is full. */
#define BYTES_PER_SECOND_MIN (64ull << 20)

void
pace_commit(struct pace *pace, uint64_t bytes, uint64_t left_bytes)
{
	pace->written_bytes += bytes;
	pace->left_bytes = left_bytes;
	pace->flying++;
}

void
pace_land(struct pace *pace)
{
	assert(pace->flying > 0);

	pace->flying--;
}

static uint64_t
per_second(uint64_t bytes, uint64_t ns)
{
	return (uint64_t)((double)bytes * (double)SECOND_NS / (double)ns);
}

void
pace_look(struct pace *pace, uint64_t now_ns)
{
	uint64_t bytes = pace->written_bytes - pace->window_bytes, ns = now_ns - pace->window_ns;

	if (pace->flying > 0 || pace->written_bytes != pace->seen_bytes)
		pace->busy_ns = now_ns;
	pace->seen_bytes = pace->written_bytes;
	if (pace->window_ns != 0 && ns < WINDOW_NS)
		return;
	/* A burst counts at once, and is forgotten in some tenths of a second. */
	uint64_t rate = pace->window_ns != 0 ? per_second(bytes, ns) : 0;
	uint64_t slower = (3 * pace->rate + rate) / 4;
	pace->rate = rate > slower ? rate : slower;
	pace->window_ns = now_ns;
	pace->window_bytes = pace->written_bytes;
}

uint64_t
pace_quiet_in_ns(const struct pace *pace, uint64_t now_ns)
{
	if (pace->flying > 0)
		return UINT64_MAX;
	if (pace->busy_ns == 0)
		return 0;
	uint64_t quiet_ns = now_ns - pace->busy_ns;
	return quiet_ns >= QUIET_NS ? 0 : QUIET_NS - quiet_ns;
}

/* The rate of the last windows, or of the one that is still open where that is higher. */
static uint64_t
rate_now(const struct pace *pace, uint64_t now_ns)
{
	uint64_t ns = now_ns - pace->window_ns, bytes = pace->written_bytes - pace->window_bytes;
	uint64_t rate = per_second(bytes, ns > WINDOW_NS_MIN ? ns : WINDOW_NS_MIN);

	return rate > pace->rate ? rate : pace->rate;
}

uint32_t
pace_slice_bytes(const struct pace *pace, uint64_t segment_bytes, uint64_t now_ns)
{
	if (pace_quiet_in_ns(pace, now_ns) == 0)
		return SLICE_BYTES_QUIET;
	return rate_now(pace, now_ns) >= segment_bytes ? SLICE_BYTES_FAST : SLICE_BYTES_SLOW;
}

uint64_t
pace_due_ns(const struct pace *pace, uint64_t ready_bytes, uint64_t missing_bytes,
    uint32_t slice_bytes, uint64_t now_ns)
{
	uint64_t rate = rate_now(pace, now_ns), quiet_ns = pace_quiet_in_ns(pace, now_ns);
	double gap_ns = (double)slice_bytes * (double)SECOND_NS / (double)BYTES_PER_SECOND_MIN;

	assert(missing_bytes > 0);

	if (quiet_ns == 0)
		return 0;
	if (rate > 0) {
		double lasts_ns = (double)(pace->left_bytes + ready_bytes) / (double)rate * (double)SECOND_NS;
		double needed_ns = lasts_ns / 2 * slice_bytes / (double)missing_bytes;

		if (needed_ns < gap_ns)
			gap_ns = needed_ns;
	}
	uint64_t since_ns = now_ns - pace->sliced_ns;
	uint64_t due_ns = since_ns >= (uint64_t)gap_ns ? 0 : (uint64_t)gap_ns - since_ns;
	return due_ns < quiet_ns ? due_ns : quiet_ns;
}
