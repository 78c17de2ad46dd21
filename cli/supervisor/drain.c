#include "cli/supervisor/drain.h"

#include <assert.h>

enum drain
drain_next(enum drain drain, const struct drain_facts *facts)
{
	bool is_over = facts->fronts_are_down && facts->persistd_is_down && facts->workers_are_down;

	assert(drain != DRAIN_NONE);

	if (drain == DRAIN_OVER || is_over)
		return DRAIN_OVER;
	if (drain == DRAIN_KILL || facts->is_forced || facts->lasted_ns > DRAIN_MAX_NS)
		return DRAIN_KILL;
	switch (drain) {
	case DRAIN_FRONTS:
		return facts->fronts_are_down ? DRAIN_JOURNAL : DRAIN_FRONTS;
	case DRAIN_JOURNAL:
		if (facts->persistd_is_down)
			return DRAIN_WORKERS;
		return facts->worker_is_lost ? DRAIN_KILL : DRAIN_JOURNAL;
	default:
		return DRAIN_WORKERS;
	}
}

const char *
drain_name(enum drain drain)
{
	static const char *const names[] = {
		[DRAIN_NONE] = "serving",
		[DRAIN_FRONTS] = "waiting for the frontds to finish their requests",
		[DRAIN_JOURNAL] = "waiting for persistd to write everything",
		[DRAIN_WORKERS] = "ending the workers",
		[DRAIN_KILL] = "killing all",
		[DRAIN_OVER] = "all processes have ended",
	};

	return names[drain];
}
