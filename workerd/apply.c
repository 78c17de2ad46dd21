#include "workerd/apply.h"

void
record_apply(struct shard *shard, const struct record *record)
{
	switch (record->type) {
#define X(name, value, lower)                 \
	case RECORD_##name:                   \
		lower##_apply(shard, record); \
		return;
#include "shm/records.def"
#undef X
	default:
		assert(!"a record of a type that this build does not know");
	}
}
