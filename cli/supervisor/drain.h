/*
 * drain: the order in which a broker stops, as a table of facts.  Nothing here touches the world.
 *
 *   NONE --> FRONTS --all frontds down--> JOURNAL --persistd down--> WORKERS --workers down--> OVER
 *      \        |                            |                          |                       ^
 *       +-------+------ forced or late ------+--------------------------+--> KILL --all down----+
 *
 *   FRONTS   no new requests; those that are there are answered, long polls early; the frontds exit
 *   JOURNAL  the workers have executed and closed everything; persistd writes the rest and its clean marker, and exits
 *   WORKERS  nothing is left to do for them: SIGTERM
 *   KILL     SIGKILL for all; shared memory is kept, the next start is warm and loses nothing
 */
#ifndef CLI_DRAIN_H
#define CLI_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

enum drain { DRAIN_NONE, DRAIN_FRONTS, DRAIN_JOURNAL, DRAIN_WORKERS, DRAIN_KILL, DRAIN_OVER };

/* Longer than a frontd gives its slowest client (30 s). */
#define DRAIN_MAX_NS 35000000000ull

struct drain_facts {
	bool fronts_are_down;
	bool persistd_is_down;
	bool workers_are_down;
	bool worker_is_lost; /* one is down that had not drained: persistd would wait for it for ever */
	bool is_forced;      /* the operator asked twice, or there is nothing worth draining */
	uint64_t lasted_ns;  /* since the drain began */
};

/* The phase to be in now; at most one step from `drain`. */
enum drain drain_next(enum drain drain, const struct drain_facts *facts);

const char *drain_name(enum drain drain);

#endif
