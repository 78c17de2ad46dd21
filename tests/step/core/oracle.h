/*
 * oracle: performs one script three ways and judges.  Natively, for reference.  Single-stepped: after each instruction that
 * changed the shared memory, a copy is recovered as a restarted worker would, and must be whole and either as before the
 * open transaction or, once its commit is stored, as after.  Resumed: from some of these copies the script is played to its end,
 * which must be that of the reference, answers and stream included.
 */
#ifndef TESTS_STEP_ORACLE_H
#define TESTS_STEP_ORACLE_H

#include <stdint.h>

#include "tests/step/core/play.h"

/* What came of a script; in memory shared with the process that reports. */
struct verdict {
	uint64_t steps;         /* instructions */
	uint64_t states;        /* crash states: the memory had changed; recovered, checked, compared */
	uint64_t open_states;   /* of these, with a transaction open */
	uint64_t transactions;  /* committed */
	uint64_t nested;        /* crashes inside the recovery of a crash state */
	uint64_t resumed;       /* played to the end from there */
	uint64_t undo_words_max;
	double seconds;
	char wrong[512];        /* empty: all is well */
};

struct oracle_plan {
	uint32_t stride;        /* try every stride-th changed state; 1: all */
	uint32_t resume_stride; /* play to the end from every such state tried */
	bool is_native_only;    /* no stepping (a sanitizer's build) */
};

/* Uses this process up: an assertion of the engine ends it. */
void oracle_judge(const struct script *script, const struct oracle_plan *plan, struct verdict *verdict);

#endif
