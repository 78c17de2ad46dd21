/*
 * process: the life of one supervised process as a table, and what to make of a death.  Nothing here touches the world;
 * supervise.c does what the states ask for.
 *
 *           START           CLOSED             DUE              READY
 *   DOWN ----------> CLOSING ------> BACKOFF ---------> STARTING -----> LIVE
 *    ^                 ^  ^                                 |             |
 *    |   RETIRE        |  +---------------------------------+             |
 *    +-- (from all)    +--------------------------------------------------+  DIED
 *
 *   CLOSING   its peers put the dead incarnation behind them: frontds only, the others pass at once
 *   BACKOFF   waits before it is run again: 0 for a first death
 *   STARTING  runs, and is not ready
 *   DOWN      runs no more and is not wanted
 */
#ifndef CLI_PROCESS_H
#define CLI_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

enum process_state { PROCESS_DOWN, PROCESS_CLOSING, PROCESS_BACKOFF, PROCESS_STARTING, PROCESS_LIVE, PROCESS_STATE_COUNT };

enum process_event {
	PROCESS_START,  /* it is wanted */
	PROCESS_CLOSED, /* no peer holds anything of the dead incarnation */
	PROCESS_DUE,    /* the back-off is over */
	PROCESS_READY,  /* it serves */
	PROCESS_DIED,   /* the kernel said so, and it is wanted again */
	PROCESS_RETIRE, /* it runs no more, and is not wanted */
	PROCESS_EVENT_COUNT
};

/* The state after; asserts that the event can happen there. */
enum process_state process_next(enum process_state state, enum process_event event);

/* How a process ended. */
struct death {
	int signal;        /* 0: it exited */
	int exit_code;     /* if it exited */
	bool was_live;
	uint64_t lived_ns; /* since it was LIVE */
};

/* Reads what waitpid() gave. */
struct death death_of(int wait_status, bool was_live, uint64_t lived_ns);

/* "was killed by signal 9 (Killed)", "exited with 78 (wrong configuration)". */
#define DEATH_TEXT_BYTES 128
void death_text(const struct death *death, char text[DEATH_TEXT_BYTES]);

/*
 * Back-off: only what dies again and again by itself is kept waiting.  A first death costs no wait; then 10 ms, doubling to
 * 5 s.  A life of a second wipes it out.  SIGKILL of a process that served comes from outside and counts for nothing.
 */
#define BACKOFF_FIRST_NS 10000000ull
#define BACKOFF_MAX_NS 5000000000ull
#define BACKOFF_LONG_LIFE_NS 1000000000ull

/* How long to wait now; *quick_deaths is kept up to date. */
uint64_t backoff_after(unsigned *quick_deaths, const struct death *death);

/* True if running it again cannot help: its exit code says that configuration or data are at fault. */
bool death_is_final(const struct death *death);

/* During the first start an operator watches: after so many quick deaths we say so and give up. */
#define START_TRIES 5

#endif
