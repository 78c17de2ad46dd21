/*
 * placement: how many frontds and workers a machine is good for, and which CPUs they may run on.  A pure function of what
 * topology.h read; up.c asks it once, before the regions are made.
 *
 * The counts come from what a message costs each role (docs/scaling.md): a frontd is the heavy one, a worker carries the
 * requests of several, and one journal keeps up with what some eight bring.  So auto never takes more than AUTO_FRONTS_MAX and
 * AUTO_WORKERS_MAX; a number in the configuration may.
 *
 *   CPUs     1-2   3-4        5-8        9 and more
 *   F, W     1, 1  n - 1, 1   n - 1, 2   8, 2
 *
 * Bound they are where the machine has caches to spare: all to the same few, in one node.
 *
 * A CPU quota counts like so many CPUs (rounded down), and nothing is bound then: a quota is of time, not of CPUs.
 * With too little shared memory for all that, the counts are those of fewer CPUs.
 */
#ifndef CLI_PLACEMENT_H
#define CLI_PLACEMENT_H

#include <sched.h>
#include <stdint.h>

#include "cli/supervisor/topology.h"
#include "conf/cpus.h"
#include "shm/registry.h"

#define AUTO_FRONTS_MAX 8u
#define AUTO_WORKERS_MAX 2u

struct placement_wish {
	uint32_t fronts;          /* 0: auto */
	uint32_t workers;         /* 0: auto */
	struct placement_lists lists;
	struct geometry sizes;    /* of one process and one pair; its counts are not looked at */
};

struct placement {
	uint32_t fronts;
	uint32_t workers;
	cpu_set_t all;            /* of every process, and so of `chasqui up`: its memory is taken near them; empty: none for all */
	cpu_set_t cpus[SLOT_MAX]; /* of each process; empty: not bound */
	char text[PLACEMENT_TEXT_BYTES]; /* what and why, in one line */
};

void placement_choose(const struct topology *topology, const struct placement_wish *wish, struct placement *placement);

#endif
