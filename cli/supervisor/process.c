#include "cli/supervisor/process.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>

#define NEVER PROCESS_STATE_COUNT

static const enum process_state table[PROCESS_STATE_COUNT][PROCESS_EVENT_COUNT] = {
	[PROCESS_DOWN] = {
		[PROCESS_START] = PROCESS_CLOSING,
		[PROCESS_CLOSED] = NEVER,
		[PROCESS_DUE] = NEVER,
		[PROCESS_READY] = NEVER,
		[PROCESS_DIED] = NEVER,
		[PROCESS_RETIRE] = PROCESS_DOWN,
	},
	[PROCESS_CLOSING] = {
		[PROCESS_START] = NEVER,
		[PROCESS_CLOSED] = PROCESS_BACKOFF,
		[PROCESS_DUE] = NEVER,
		[PROCESS_READY] = NEVER,
		[PROCESS_DIED] = NEVER,
		[PROCESS_RETIRE] = PROCESS_DOWN,
	},
	[PROCESS_BACKOFF] = {
		[PROCESS_START] = NEVER,
		[PROCESS_CLOSED] = NEVER,
		[PROCESS_DUE] = PROCESS_STARTING,
		[PROCESS_READY] = NEVER,
		[PROCESS_DIED] = NEVER,
		[PROCESS_RETIRE] = PROCESS_DOWN,
	},
	[PROCESS_STARTING] = {
		[PROCESS_START] = NEVER,
		[PROCESS_CLOSED] = NEVER,
		[PROCESS_DUE] = NEVER,
		[PROCESS_READY] = PROCESS_LIVE,
		[PROCESS_DIED] = PROCESS_CLOSING,
		[PROCESS_RETIRE] = PROCESS_DOWN,
	},
	[PROCESS_LIVE] = {
		[PROCESS_START] = NEVER,
		[PROCESS_CLOSED] = NEVER,
		[PROCESS_DUE] = NEVER,
		[PROCESS_READY] = NEVER,
		[PROCESS_DIED] = PROCESS_CLOSING,
		[PROCESS_RETIRE] = PROCESS_DOWN,
	},
};

enum process_state
process_next(enum process_state state, enum process_event event)
{
	assert(state < PROCESS_STATE_COUNT && event < PROCESS_EVENT_COUNT);
	assert(table[state][event] != NEVER);

	return table[state][event];
}

struct death
death_of(int wait_status, bool was_live, uint64_t lived_ns)
{
	return (struct death){
		.signal = WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : 0,
		.exit_code = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 0,
		.was_live = was_live,
		.lived_ns = lived_ns,
	};
}

static const char *
exit_code_text(int code)
{
	switch (code) {
	case EX_DATAERR:
		return " (damaged data)";
	case EX_SOFTWARE:
		return " (internal error)";
	case EX_TEMPFAIL:
		return " (locked by another)";
	case EX_CONFIG:
		return " (wrong configuration or system)";
	case 127:
		return " (could not be run)";
	default:
		return "";
	}
}

void
death_text(const struct death *death, char text[DEATH_TEXT_BYTES])
{
	if (death->signal != 0)
		snprintf(text, DEATH_TEXT_BYTES, "was killed by signal %d (%s)", death->signal, strsignal(death->signal));
	else
		snprintf(text, DEATH_TEXT_BYTES, "exited with %d%s", death->exit_code, exit_code_text(death->exit_code));
}

uint64_t
backoff_after(unsigned *quick_deaths, const struct death *death)
{
	uint64_t wait_ns = BACKOFF_FIRST_NS;

	if (death->was_live && death->lived_ns >= BACKOFF_LONG_LIFE_NS)
		*quick_deaths = 0;
	if (death->was_live && death->signal == SIGKILL)
		return 0;
	if ((*quick_deaths)++ == 0)
		return 0;
	for (unsigned n = 2; n < *quick_deaths && wait_ns < BACKOFF_MAX_NS; n++)
		wait_ns *= 2;
	return wait_ns < BACKOFF_MAX_NS ? wait_ns : BACKOFF_MAX_NS;
}

bool
death_is_final(const struct death *death)
{
	return death->signal == 0 && (death->exit_code == EX_CONFIG || death->exit_code == EX_DATAERR);
}
