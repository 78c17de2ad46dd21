#include "frontd/api/operation.h"

#include <string.h>

#include "shm/atomic.h"
#include "shm/durable.h"

void
operation_livez(struct api_call *call, struct answer *answer)
{
	(void)call;
	answer_put(answer, "{\"status\":\"alive\"}\n");
	answer_head(answer, 200, ANSWER_JSON);
	answer_end(answer);
}

void
operation_readyz(struct api_call *call, struct answer *answer)
{
	if (call->world->unready != NULL) {
		answer_outcome(answer, call->world->unready_outcome, "%s", call->world->unready);
		return;
	}
	answer_put(answer, "{\"status\":\"ready\"}\n");
	answer_head(answer, 200, ANSWER_JSON);
	answer_end(answer);
}

static bool
slot_has_role(uint32_t slot, enum stat_role role)
{
	switch (role) {
	case STAT_FRONT:
		return slot < SLOT_WORKER(0);
	case STAT_WORKER:
		return slot >= SLOT_WORKER(0) && slot < SLOT_PERSIST;
	case STAT_PERSIST:
		break;
	}
	return slot == SLOT_PERSIST;
}

static uint64_t
sum_row(const struct api_world *world, const struct stat_row *row)
{
	uint64_t sum = 0;

	for (uint32_t slot = 0; slot < SLOT_MAX; slot++)
		if (world->stats[slot] != NULL && slot_has_role(slot, row->role))
			sum += load_relaxed((const uint64_t *)((const char *)world->stats[slot] + row->offset));
	return sum;
}

static void
sum_histogram(const struct api_world *world, const struct stat_row *row, struct histogram *sum)
{
	memset(sum, 0, sizeof(*sum));
	for (uint32_t slot = 0; slot < SLOT_MAX; slot++) {
		struct histogram one;

		if (world->stats[slot] == NULL || !slot_has_role(slot, row->role))
			continue;
		histogram_read((const struct histogram *)((const char *)world->stats[slot] + row->offset), &one);
		for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
			sum->bucket[i] += one.bucket[i];
	}
}

static void
put_histogram(struct answer *answer, const struct api_world *world, const struct stat_row *row)
{
	static const struct {
		const char *name;
		double quantile;
	} quantiles[] = { { ",\"p50\":", 0.5 }, { ",\"p90\":", 0.9 }, { ",\"p99\":", 0.99 }, { ",\"p999\":", 0.999 },
		{ ",\"max\":", 1.0 } };
	struct histogram sum;

	sum_histogram(world, row, &sum);
	answer_put(answer, "{\"unit\":\"");
	answer_put(answer, row->unit);
	answer_put(answer, "\",\"count\":");
	answer_put_number(answer, histogram_count(&sum));
	for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++) {
		answer_put(answer, quantiles[i].name);
		answer_put_number(answer, histogram_quantile(&sum, quantiles[i].quantile));
	}
	answer_put(answer, "}");
}

void
operation_stats(struct api_call *call, struct answer *answer)
{
	static const char *const roles[] = { [STAT_FRONT] = "frontd", [STAT_WORKER] = "workerd", [STAT_PERSIST] = "persistd" };

	for (unsigned role = STAT_FRONT; role <= STAT_PERSIST; role++) {
		bool is_first = true;

		answer_put(answer, role == STAT_FRONT ? "{\"" : "},\"");
		answer_put(answer, roles[role]);
		answer_put(answer, "\":{");
		for (unsigned i = 0; i < stat_row_count; i++) {
			const struct stat_row *row = &stat_rows[i];

			if (row->role != (enum stat_role)role)
				continue;
			answer_put(answer, is_first ? "\"" : ",\"");
			is_first = false;
			answer_put(answer, row->name);
			answer_put(answer, "\":");
			if (row->kind == STAT_HISTOGRAM)
				put_histogram(answer, call->world, row);
			else
				answer_put_number(answer, sum_row(call->world, row));
		}
	}
	answer_put(answer, "}}\n");
	answer_head(answer, 200, ANSWER_JSON);
	answer_end(answer);
}

static void
put_snapshots(struct answer *answer, const struct api_world *world)
{
	for (uint32_t s = 0; s < world->shard_count; s++) {
		struct durable_snapshot newest = durable_snapshot(world->durable, s);

		answer_put(answer, s == 0 ? "{\"snapshots\":[{\"shard\":" : ",{\"shard\":");
		answer_put_number(answer, s);
		if (newest.lsn == 0) {
			answer_put(answer, ",\"newest\":null}");
			continue;
		}
		answer_put(answer, ",\"newest\":{\"lsn\":");
		answer_put_number(answer, newest.lsn);
		answer_put(answer, ",\"begun_at\":");
		answer_put_time(answer, newest.begun_ms);
		answer_put(answer, ",\"bytes\":");
		answer_put_number(answer, newest.bytes);
		answer_put(answer, "}}");
	}
	answer_put(answer, "]}\n");
}

void
operation_snapshots(struct api_call *call, struct answer *answer)
{
	put_snapshots(answer, call->world);
	answer_head(answer, 200, ANSWER_JSON);
	answer_end(answer);
}

void
operation_snapshot(struct api_call *call, struct answer *answer)
{
	uint64_t *asked = call->world->snapshots_asked;

	/* It says nothing but that there is one more: persistd looks at it a few times a second. */
	store_relaxed(asked, load_relaxed(asked) + 1);
	put_snapshots(answer, call->world);
	answer_head(answer, 202, ANSWER_JSON);
	answer_end(answer);
}
