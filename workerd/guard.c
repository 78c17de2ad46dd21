#include "workerd/guard.h"

#include <signal.h>

bool
guard_is_poison(const struct worker *worker, uint32_t front)
{
	const struct guard *guard = &worker->shard.shared->guard;

	if (guard->crashes < GUARD_CRASHES_MAX)
		return false;
	return guard->crash_front == front && guard->crash_epoch == guard->epoch && guard->crash_position == guard->position;
}

static bool
is_crash(uint32_t signal_number)
{
	return signal_number == SIGSEGV || signal_number == SIGABRT || signal_number == SIGBUS || signal_number == SIGILL ||
	    signal_number == SIGFPE || signal_number == SIGTRAP || signal_number == SIGSYS;
}

void
guard_recover(struct worker *worker, uint32_t last_signal)
{
	struct guard *guard = &worker->shard.shared->guard;
	bool is_same = guard->crash_position == guard->position && guard->crash_front == guard->front &&
	    guard->crash_epoch == guard->epoch;

	if (guard->position == 0 || !is_crash(last_signal) || guard->front >= FRONT_MAX)
		goto idle;
	/* Consumed already: it died between its commit and guard_end(). */
	if (front_of(worker, (uint32_t)guard->front)->request_head + 1 != guard->position)
		goto idle;
	if (!is_same) {
		guard->crashes = 0;
		compiler_barrier();
		guard->crash_position = guard->position;
		guard->crash_front = guard->front;
		guard->crash_epoch = guard->epoch;
		compiler_barrier();
	}
	guard->crashes++;
idle:
	compiler_barrier();
	guard->position = 0;
}
