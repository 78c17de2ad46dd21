/* chasqui stats: every row of stats.def, of each process and summed over its role.  Shared memory only. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/arguments.h"
#include "cli/instance.h"
#include "cli/print.h"
#include "cli/verbs.h"
#include "shm/atomic.h"
#include "shm/histogram.h"
#include "shm/limits.h"
#include "shm/stats.h"

/* The processes of one role. */
struct role_stats {
	const char *name;
	enum stat_role role;
	struct stats stats[FRONT_MAX];
	uint32_t index[FRONT_MAX];
	unsigned count;
};
_Static_assert(WORKER_MAX <= FRONT_MAX, "a role has at most FRONT_MAX processes");

static void
attach_role(struct role_stats *role, const struct registry *registry, const char *instance, uint32_t first_slot,
    uint32_t slot_count)
{
	struct region_identity store = registry_identity(registry);

	for (uint32_t i = 0; i < slot_count; i++) {
		if (stats_attach(&role->stats[role->count], instance, first_slot + i, &store, REGION_READ_ONLY) == 0)
			role->index[role->count++] = i;
	}
}

static const void *
field_of(const struct stats *stats, const struct stat_row *row)
{
	return (const char *)stats->shared + row->offset;
}

static json_t *
json_of_histogram(const struct histogram *histogram)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I}", "count", (json_int_t)histogram_count(histogram), "p50",
	    (json_int_t)histogram_quantile(histogram, 0.5), "p99", (json_int_t)histogram_quantile(histogram, 0.99), "p999",
	    (json_int_t)histogram_quantile(histogram, 0.999), "max", (json_int_t)histogram_quantile(histogram, 1.0));
}

/* One process's value of a row; it is added to *sum or to the buckets of *whole. */
static json_t *
value_of(const struct stats *stats, const struct stat_row *row, uint64_t *sum, struct histogram *whole)
{
	struct histogram copy;
	uint64_t value;

	if (row->kind != STAT_HISTOGRAM) {
		value = load_relaxed((const uint64_t *)field_of(stats, row));
		*sum += value;
		return json_integer((json_int_t)value);
	}
	histogram_read(field_of(stats, row), &copy);
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		whole->bucket[i] += copy.bucket[i];
	return json_of_histogram(&copy);
}

/* {"name", "unit", "help", "sum", "processes": {"0": ..., "1": ...}} */
static json_t *
json_of_row(const struct role_stats *role, const struct stat_row *row)
{
	struct histogram whole = { 0 };
	json_t *processes = json_object();
	uint64_t sum = 0;
	char index[16];

	for (unsigned i = 0; i < role->count; i++) {
		snprintf(index, sizeof(index), "%u", role->index[i]);
		json_object_set_new(processes, index, value_of(&role->stats[i], row, &sum, &whole));
	}
	return json_pack("{s:s, s:s, s:s, s:o, s:o}", "name", row->name, "unit", row->unit, "help", row->help, "sum",
	    row->kind == STAT_HISTOGRAM ? json_of_histogram(&whole) : json_integer((json_int_t)sum), "processes", processes);
}

static json_t *
json_of_role(const struct role_stats *role)
{
	json_t *counters = json_array();
	json_t *histograms = json_array();

	for (unsigned i = 0; i < stat_row_count; i++) {
		if (stat_rows[i].role == role->role)
			json_array_append_new(stat_rows[i].kind == STAT_HISTOGRAM ? histograms : counters,
			    json_of_row(role, &stat_rows[i]));
	}
	return json_pack("{s:s, s:i, s:o, s:o}", "role", role->name, "processes", (int)role->count, "counters", counters,
	    "histograms", histograms);
}

static void
print_role(const struct role_stats *role, const json_t *json)
{
	static const struct column histogram_columns[] = {
		{ "HISTOGRAM", "name" }, { "COUNT", "sum.count" }, { "P50", "sum.p50" }, { "P99", "sum.p99" },
		{ "P999", "sum.p999" },  { "MAX", "sum.max" },     { "UNIT", "unit" },   { "MEANING", "help" },
	};
	struct column columns[FRONT_MAX + 4] = { { "COUNTER", "name" }, { "SUM", "sum" } };
	char titles[FRONT_MAX][32];
	char keys[FRONT_MAX][32];
	size_t count = 2;

	/* With one process its column would only repeat the sum. */
	for (unsigned i = 0; role->count > 1 && i < role->count; i++) {
		snprintf(titles[i], sizeof(titles[i]), "#%u", role->index[i]);
		snprintf(keys[i], sizeof(keys[i]), "processes.%u", role->index[i]);
		columns[count++] = (struct column){ titles[i], keys[i] };
	}
	columns[count++] = (struct column){ "UNIT", "unit" };
	columns[count++] = (struct column){ "MEANING", "help" };
	printf("%s, %u of it\n", role->name, role->count);
	print_table(json_object_get(json, "counters"), columns, count);
	if (json_array_size(json_object_get(json, "histograms")) > 0)
		print_table(json_object_get(json, "histograms"), histogram_columns,
		    sizeof(histogram_columns) / sizeof(histogram_columns[0]));
}

int
verb_stats(int argc, char **argv)
{
	struct role_stats roles[] = {
		{ .name = "frontd", .role = STAT_FRONT },
		{ .name = "workerd", .role = STAT_WORKER },
		{ .name = "persistd", .role = STAT_PERSIST },
	};
	struct arguments arguments;
	struct registry registry;
	json_t *json;

	if (!arguments_parse(&arguments, "ij", argc, argv) || arguments.word_count != 0)
		return verb_usage("stats");
	if (!instance_attach(&registry, arguments.instance))
		return CLI_NOT_RUNNING;
	attach_role(&roles[0], &registry, arguments.instance, SLOT_FRONT(0), FRONT_MAX);
	attach_role(&roles[1], &registry, arguments.instance, SLOT_WORKER(0), WORKER_MAX);
	attach_role(&roles[2], &registry, arguments.instance, SLOT_PERSIST, 1);
	json = json_pack("{s:s, s:[]}", "instance", arguments.instance, "roles");
	for (unsigned i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
		json_t *role = json_of_role(&roles[i]);

		if (!arguments.is_json)
			print_role(&roles[i], role);
		if (!arguments.is_json && i + 1 < sizeof(roles) / sizeof(roles[0]))
			putchar('\n');
		json_array_append_new(json_object_get(json, "roles"), role);
		for (unsigned k = 0; k < roles[i].count; k++)
			stats_detach(&roles[i].stats[k]);
	}
	if (arguments.is_json)
		print_json(json);
	json_decref(json);
	registry_detach(&registry);
	return CLI_OK;
}
