/*
 * oracle: performs one script three ways and judges.  Natively, for reference.  Single-stepped: after each instruction that
 * changed the shared memory, a copy is recovered as a restarted worker would, and must be whole and either as before the
 * open transaction or, once its commit is stored, as after.  Resumed: from some of these copies the script is played to its end,
 * which must be that of the reference, answers and stream included.
 */
#ifndef TESTS_STEP_ORACLE_H
#define TESTS_STEP_ORACLE_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/step/core/play.h"

/* What came of a script; in memory shared with the process that reports. */
struct verdict {
	uint64_t steps;         /* instructions that stored into shared memory */
	uint64_t changes;       /* of these, how many changed it */
	uint64_t sequence;      /* a hash of what it was changed to, in order */
	uint64_t states;        /* crash states tried: the memory had changed; recovered, checked, compared */
	uint64_t open_states;   /* of these, with a transaction open */
	uint64_t cold_states;   /* of these, while the shard was emptied or replayed */
	uint64_t recoveries;    /* stepped themselves, from the last store before a commit */
	uint64_t recovery_states; /* crash states inside of these, tried like the others */
	uint64_t transactions;  /* committed */
	uint64_t nested;        /* rollbacks of a crash state broken off at one entry and done again */
	uint64_t resumed;       /* played to the end from there */
	uint64_t undo_words_max;
	double seconds;
	bool is_judging;        /* where it died, if it died: in the recovery of a crash state, or in the life that is stepped */
	char where[64];         /* the caller's words, printed with what is wrong */
	char wrong[512];        /* empty: all is well */
};

struct oracle_plan {
	uint32_t stride;        /* try every stride-th changed state; 1: all */
	uint32_t resume_stride; /* play to the end from every such state tried */
	uint32_t nested_stride; /* break off the rollback of every such open state */
	uint32_t recovery_stride; /* step the recovery of every such transaction */
	bool is_native_only;    /* no stepping (a sanitizer's build) */
	bool is_compared;       /* make up verdict.sequence */
	bool is_each;           /* stop at each instruction, not only at those that store: slow, finds the same states */
};

/* An assertion of the engine ends this process, and so does the first thing that is wrong in a stepped life. */
void oracle_judge(const struct script *script, const struct oracle_plan *plan, struct verdict *verdict);

#endif
