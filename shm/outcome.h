/*
 * outcome: how a request ended (outcomes.def).  Carried unchanged from the worker's decision to the client.
 */
#ifndef SHM_OUTCOME_H
#define SHM_OUTCOME_H

enum outcome {
#define X(name, slug, status, title) OUTCOME_##name,
#include "shm/outcomes.def"
#undef X
	OUTCOME_COUNT
};

struct outcome_text {
	const char *slug;
	const char *title;
	unsigned status;
};

/* Borrowed for ever; an outcome that does not exist (a hostile frame) reads as OUTCOME_INTERNAL. */
const struct outcome_text *outcome_text(unsigned outcome);

#endif
