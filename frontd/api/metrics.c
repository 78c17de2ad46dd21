/*
 * Happy path: metrics_get() goes through the families, one after the other, and for each through
 * the processes or shards it is about.  What is read is a moment's; nothing is locked, nobody is
 * asked.
 */
#include "frontd/api/metrics.h"

#include "frontd/api/exposition.h"
#include "shm/version.h"

/* What the pieces below share. */
struct scrape {
	struct exposition x;
	const struct api_world *world;
	const struct registry_shared *registry;
};

static void
family(struct scrape *scrape, const char *name, enum metric_type type, enum metric_unit unit,
    const char *help)
{
	exposition_family(
	    &scrape->x, &(struct metric){ .name = name, .type = type, .unit = unit, .help = help });
}

/* ---- processes ---- */

static const char *
role_of(uint32_t slot, uint32_t *index)
{
	*index = 0;
	if (slot == SLOT_SUPERVISOR)
		return "supervisor";
	if (slot == SLOT_PERSIST)
		return "persistd";
	*index = slot - (slot < SLOT_WORKER(0) ? SLOT_FRONT(0) : SLOT_WORKER(0));
	return slot < SLOT_WORKER(0) ? "frontd" : "workerd";
}

static struct metric_labels
labels_of(uint32_t slot)
{
	uint32_t index;
	struct http_slice role = http_slice_of(role_of(slot, &index));

	return (struct metric_labels){
		.name = "role", .value = role, .index = "index", .number = index
	};
}

static enum slot_state
state_of(const struct scrape *scrape, uint32_t slot)
{
	return (enum slot_state)(load_relaxed(&scrape->registry->slot[slot].state_epoch) & 0xff);
}

static bool
is_there(const struct scrape *scrape, uint32_t slot)
{
	return state_of(scrape, slot) != SLOT_EMPTY;
}

/* The words of a label of which one is so. */
struct words {
	const char *label;
	const char *(*name_of)(uint64_t);
	unsigned count;
};

static const struct words state_words = { "state", slot_state_name, SLOT_STATE_COUNT };
static const struct words phase_words = { "phase", stats_phase_name, PHASE_COUNT };
static const struct words journal_words = { "state", journal_state_name, JOURNAL_STATE_COUNT };

/* 1 for the one that is so now, 0 for the others. */
static void
put_states(
    struct scrape *scrape, struct metric_labels labels, const struct words *words, uint64_t now)
{
	labels.other = words->label;
	for (unsigned i = 0; i < words->count; i++) {
		labels.other_value = words->name_of(i);
		exposition_sample(&scrape->x, &labels, now == i);
	}
}

static void
put_process_states(struct scrape *scrape)
{
	family(scrape, "process_state", METRIC_GAUGE, UNIT_NONE,
	    "1 for the state that the supervisor has the process in");
	for (uint32_t slot = 0; slot < SLOT_MAX; slot++)
		if (is_there(scrape, slot))
			put_states(scrape, labels_of(slot), &state_words, state_of(scrape, slot));
	family(scrape, "process_phase", METRIC_GAUGE, UNIT_NONE,
	    "1 for what the process says it is doing");
	for (uint32_t slot = 0; slot < SLOT_SUPERVISOR; slot++)
		if (is_there(scrape, slot) && scrape->world->stats[slot] != NULL)
			put_states(scrape, labels_of(slot), &phase_words,
			    load_relaxed(&scrape->world->stats[slot]->phase));
}

/* What put_processes() shows of one process; is_own: only what has statistics shows it. */
static void
put_each(struct scrape *scrape, bool is_own,
    uint64_t (*value_of)(const struct scrape *scrape, uint32_t slot))
{
	for (uint32_t slot = 0; slot < SLOT_MAX; slot++) {
		struct metric_labels labels = labels_of(slot);

		if (is_there(scrape, slot) && (!is_own || scrape->world->stats[slot] != NULL))
			exposition_sample(&scrape->x, &labels, value_of(scrape, slot));
	}
}

static uint64_t
restarts_of(const struct scrape *scrape, uint32_t slot)
{
	return load_relaxed(&scrape->registry->slot[slot].restarts);
}

static uint64_t
start_of(const struct scrape *scrape, uint32_t slot)
{
	return load_relaxed(&scrape->registry->slot[slot].started_ms);
}

/* One that has begun its turn after ours is no age. */
static uint64_t
heartbeat_age_of(const struct scrape *scrape, uint32_t slot)
{
	uint64_t now_ns = scrape->world->now_ns,
		 heartbeat_ns = load_relaxed(&scrape->world->stats[slot]->heartbeat_ns);

	return now_ns > heartbeat_ns ? now_ns - heartbeat_ns : 0;
}

static void
put_processes(struct scrape *scrape)
{
	put_process_states(scrape);
	family(scrape, "process_restarts", METRIC_COUNTER, UNIT_NONE,
	    "how often the process was started again");
	put_each(scrape, false, restarts_of);
	family(scrape, "process_start_time", METRIC_GAUGE, UNIT_MS,
	    "when this incarnation of the process was started, Unix time");
	put_each(scrape, false, start_of);
	family(scrape, "process_heartbeat_age", METRIC_GAUGE, UNIT_NS,
	    "time since the process last showed a sign of life");
	put_each(scrape, true, heartbeat_age_of);
}

/* ---- rows of stats.def ---- */

static void
put_row(struct scrape *scrape, const struct stat_row *row)
{
	static const struct {
		uint32_t from, to;
	} slots[] = {
		[STAT_FRONT] = { SLOT_FRONT(0), SLOT_WORKER(0) },
		[STAT_WORKER] = { SLOT_WORKER(0), SLOT_PERSIST },
		[STAT_PERSIST] = { SLOT_PERSIST, SLOT_PERSIST + 1 },
	};
	char name[METRIC_NAME_BYTES];
	struct metric metric = metric_of_row(row, name);

	exposition_family(&scrape->x, &metric);
	for (uint32_t slot = slots[row->role].from; slot < slots[row->role].to; slot++) {
		const char *stats = (const char *)scrape->world->stats[slot];
		struct metric_labels labels = labels_of(slot);
		struct histogram copy;

		if (stats == NULL)
			continue;
		if (row->kind != STAT_HISTOGRAM) {
			exposition_sample(&scrape->x, &labels,
			    load_relaxed((const uint64_t *)(stats + row->offset)));
			continue;
		}
		histogram_read((const struct histogram *)(stats + row->offset), &copy);
		exposition_histogram(&scrape->x, &labels, &copy);
	}
}

/* ---- the journal ---- */

static void
put_journal(struct scrape *scrape)
{
	const struct durable_shared *durable = scrape->world->durable;
	const struct metric_labels none = { .name = NULL };
	uint32_t shards = scrape->world->shard_count;

	family(scrape, "journal_state", METRIC_GAUGE, UNIT_NONE,
	    "1 for the state of the journal; only `ok` is good");
	put_states(scrape, none, &journal_words, load_acquire(&durable->journal_state));
	family(scrape, "journal_batch_index", METRIC_GAUGE, UNIT_NONE,
	    "number of the last batch on stable storage");
	exposition_sample(&scrape->x, &none, load_relaxed(&durable->batch_index));
	family(scrape, "journal_segment_index", METRIC_GAUGE, UNIT_NONE,
	    "number of the segment being written");
	exposition_sample(&scrape->x, &none, load_relaxed(&durable->segment));
	family(scrape, "durable_lsn", METRIC_GAUGE, UNIT_NONE,
	    "records of the shard before this byte are on stable storage");
	for (uint32_t w = 0; w < shards; w++)
		exposition_sample(&scrape->x,
		    &(struct metric_labels){ .index = "shard", .number = w },
		    load_relaxed(&durable->shard[w].lsn));
	family(scrape, "undurable", METRIC_GAUGE, UNIT_BYTES,
	    "records of the shard that are not on stable storage yet");
	for (uint32_t w = 0; w < shards; w++)
		exposition_sample(&scrape->x,
		    &(struct metric_labels){ .index = "shard", .number = w },
		    scrape->world->undurable_bytes[w]);
}

/* ---- tables: how large they are; how full, say the rows *_used ---- */

static void
put_tables(struct scrape *scrape)
{
	const struct geometry *geometry = &scrape->registry->geometry;
	const struct shard_geometry *shard = &geometry->shard;
	const struct directory *directory = scrape->world->directory;
	const struct {
		const char *name;
		uint64_t value;
		const char *help;
	} rows[] = {
		{ "messages_limit", shard->messages,
		    "messages that one shard has room for (worker.messages)" },
		{ "queues_limit", shard->queues,
		    "queues that one shard has room for (worker.queues)" },
		{ "waiters_limit", (uint64_t)shard->waiters_per_front * geometry->fronts,
		    "receivers that can wait in one shard (worker.waiters, for each frontd)" },
		{ "grants_limit", shard->grants,
		    "grants that one shard has room for (worker.grants)" },
		{ "users", directory_user_count(directory), "users" },
		{ "users_limit", shard->users, "users that there is room for (auth.users)" },
		{ "credentials", directory_credential_count(directory),
		    "tokens and sessions, also those that are over and not yet swept away" },
		{ "credentials_limit", shard->credentials,
		    "tokens and sessions that there is room for (auth.credentials)" },
		{ "shards", scrape->world->shard_count, "shards, each with tables of its own" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		family(scrape, rows[i].name, METRIC_GAUGE, UNIT_NONE, rows[i].help);
		exposition_sample(
		    &scrape->x, &(struct metric_labels){ .name = NULL }, rows[i].value);
	}
}

static void
put_broker(struct scrape *scrape)
{
	const struct metric_labels none = { .name = NULL };
	uint64_t started_ms = load_relaxed(&scrape->registry->slot[SLOT_SUPERVISOR].started_ms);
	uint64_t now_ms = scrape->world->now_ms;

	family(scrape, "build_info", METRIC_GAUGE, UNIT_NONE, "always 1; which version this is");
	exposition_sample(&scrape->x,
	    &(struct metric_labels){ .name = "version", .value = HTTP_LITERAL(CHASQUI_VERSION) },
	    1);
	family(scrape, "ready", METRIC_GAUGE, UNIT_NONE,
	    "1: GET /readyz is 200; 0: a publish would be refused");
	exposition_sample(&scrape->x, &none, scrape->world->unready == NULL);
	family(scrape, "uptime", METRIC_GAUGE, UNIT_MS, "time since `chasqui up` was started");
	exposition_sample(&scrape->x, &none, now_ms > started_ms ? now_ms - started_ms : 0);
}

void
metrics_get(struct api_call *call, struct answer *answer)
{
	struct scrape scrape = { .world = call->world, .registry = call->world->registry };

	exposition_begin(&scrape.x, answer, call->memo.wants_openmetrics);
	put_broker(&scrape);
	put_processes(&scrape);
	put_journal(&scrape);
	put_tables(&scrape);
	for (unsigned i = 0; i < stat_row_count; i++)
		put_row(&scrape, &stat_rows[i]);
	exposition_end(&scrape.x);
}
