#include "shm/outcome.h"

static const struct outcome_text texts[OUTCOME_COUNT] = {
#define X(name, slug, status, title) [OUTCOME_##name] = { slug, title, status },
#include "shm/outcomes.def"
#undef X
};

const struct outcome_text *
outcome_text(unsigned outcome)
{
	return &texts[outcome < OUTCOME_COUNT ? outcome : OUTCOME_INTERNAL];
}
