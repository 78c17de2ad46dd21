#ifndef TESTS_HARNESS_CHAOS_H
#define TESTS_HARNESS_CHAOS_H

/*
 * chaos: what is done to a broker in a storm: processes killed and stopped at random, alone, two at once, again while they
 * come back; everything killed and started warm, or cold, or cleanly stopped, or killed while it starts or stops.  The seed
 * decides what is done; when exactly it strikes is the kernel's.
 */

#include <stdbool.h>
#include <stdint.h>

#include "tests/harness/broker.h"
#include "tests/harness/history.h"

enum chaos_role { ROLE_FRONTD, ROLE_WORKERD, ROLE_PERSISTD, ROLE_HASHER_OF_FRONTD, ROLE_SUPERVISOR, ROLE_ALL, CHAOS_ROLES };

enum { STOP_MS_MIN = 50, STOP_MS_MAX = 1000, BLOWS_MAX = 65536 };

/* One thing that was done.  From the first signal to when the last thing that it takes was done. */
struct blow {
	uint64_t begin_us;
	uint64_t end_us;
	bool is_lone_kill;              /* SIGKILL of one process, and nothing else */
	bool is_nothing;                /* nobody was touched: what clients wait for anyway */
	enum chaos_role role;           /* of a lone kill */
};

struct chaos_counts {
	unsigned kills[CHAOS_ROLES];    /* SIGKILL; ROLE_ALL: of all processes at once */
	unsigned in_recovery;           /* of these: of one that was just starting again */
	unsigned stops;                 /* SIGSTOP and SIGCONT */
	unsigned warm, cold, clean;     /* starts after all were killed; after a clean stop */
};

struct chaos {
	struct broker broker;
	uint64_t random;
	bool is_calm;                   /* lone kills only, far apart: for measuring pauses */
	enum chaos_role only;           /* frontd, workerd, persistd or a hasher: no other is killed alone; ROLE_SUPERVISOR: any is */
	const char *const *options;     /* of the broker, beside those that the seed chooses; NULL-ended, or NULL */
	struct history *history;        /* told of power cuts */
	void (*moved)(void *argument, uint16_t port);   /* called when the broker listens elsewhere */
	void *argument;
	struct chaos_counts counts;
	unsigned early[BROKER_HASHER(FRONT_MAX)];       /* killed before it was live, under this supervisor */
	unsigned blow_count;
	struct blow blows[BLOWS_MAX];
};

/* Start a broker whose sizes the seed chooses.  Returns its number of workers. */
unsigned chaos_begin(struct chaos *chaos, uint64_t seed);

/* Do one thing and wait for a moment. */
void chaos_blow(struct chaos *chaos);

/* Wait until all processes serve. */
void chaos_calm(struct chaos *chaos);

unsigned chaos_kills(const struct chaos_counts *counts);
const char *chaos_role_name(enum chaos_role role);

#endif
