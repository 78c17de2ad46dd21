/* chasqui status: who runs, in which incarnation, and how the journal is.  Shared memory only. */
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/arguments.h"
#include "cli/instance.h"
#include "cli/print.h"
#include "cli/verbs.h"
#include "conf/cpus.h"
#include "shm/atomic.h"
#include "shm/durable.h"
#include "shm/limits.h"
#include "shm/sandbox/sandbox.h"
#include "shm/stats.h"

static json_t *
time_of(uint64_t time_ms)
{
	time_t seconds = (time_t)(time_ms / 1000);
	char text[64];
	struct tm utc;

	if (time_ms == 0 || gmtime_r(&seconds, &utc) == NULL)
		return json_null();
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
	return json_sprintf("%s.%03uZ", text, (unsigned)(time_ms % 1000));
}

/* Where the kernel lets it run now, which is more than what we asked for when it was refused. */
static json_t *
cpus_of(pid_t pid)
{
	char text[64];
	cpu_set_t cpus;

	if (pid <= 0 || sched_getaffinity(pid, sizeof(cpus), &cpus) != 0)
		return json_null();
	cpus_format(&cpus, text, sizeof(text));
	return json_string(text);
}

/* The layers that are in force, as words. */
static json_t *
sandbox_of(uint64_t layers)
{
	static const char *const words[] = {
#define X(name, text) text,
		SANDBOX_LAYERS(X)
#undef X
	};
	char text[128] = "";

	for (unsigned i = 0; i < SANDBOX_LAYER_COUNT; i++) {
		size_t used = strlen(text);

		if (layers & 1u << i)
			snprintf(text + used, sizeof(text) - used, "%s%s", used == 0 ? "" : ",", words[i]);
	}
	return json_string(text[0] == '\0' ? "off" : text);
}

/* What the process says of itself in its statistics. */
static void
add_phase(json_t *process, const struct registry *registry, const char *instance, uint32_t slot)
{
	struct region_identity store = registry_identity(registry);
	struct stats stats;

	if (slot == SLOT_SUPERVISOR || stats_attach(&stats, instance, slot, &store, REGION_READ_ONLY) != 0)
		return;
	json_object_set_new(process, "phase", json_string(stats_phase_name(load_relaxed(&stats.shared->phase))));
	json_object_set_new(process, "sandbox", sandbox_of(load_relaxed(&stats.shared->sandbox)));
	json_object_set_new(process, "progress", json_integer((json_int_t)load_relaxed(&stats.shared->progress)));
	stats_detach(&stats);
}

static json_t *
process_of(const struct slot *slot, const char *role, uint32_t index)
{
	/* The other words belong to this state.  Pairs with the supervisor's store_release. */
	uint64_t word = load_acquire(&slot->state_epoch);
	enum slot_state state = (enum slot_state)(word & 0xff);
	uint64_t epoch = word >> 8;
	const char *state_name = slot_state_name(state);
	json_t *process;

	if (state == SLOT_EMPTY && slot->pid == 0)
		return NULL;
	/* The registry is the supervisor's word; when that died too, the kernel knows better. */
	if (state != SLOT_DEAD && slot->pid > 0 && !instance_pid_is_alive(slot->pid))
		state_name = "gone";
	process = json_pack("{s:s, s:i, s:i, s:I, s:s, s:i, s:i, s:i}", "role", role, "index", (int)index, "pid", slot->pid,
	    "epoch", (json_int_t)epoch, "state", state_name, "restarts", (int)slot->restarts, "last_signal",
	    (int)slot->last_signal, "last_status", slot->last_status);
	json_object_set_new(process, "started_at", time_of(slot->started_ms));
	json_object_set_new(process, "cpus", cpus_of(state == SLOT_DEAD ? 0 : slot->pid));
	return process;
}

/* How much lies ready to be written, of what is going to. */
static void
add_ready(json_t *journal, const struct region_identity *store, const char *instance)
{
	struct stats stats;

	if (stats_attach(&stats, instance, SLOT_PERSIST, store, REGION_READ_ONLY) != 0)
		return;
	json_object_set_new(journal, "ready_bytes", json_integer((json_int_t)load_relaxed(&stats.shared->ready_bytes)));
	json_object_set_new(journal, "ready_wanted_bytes", json_integer((json_int_t)load_relaxed(&stats.shared->ready_wanted_bytes)));
	stats_detach(&stats);
}

/* The processes of the slots, and behind each frontd its hasher, which has no slot and tells nothing of itself. */
static void
add_processes(json_t *processes, const struct registry *registry, const char *instance)
{
	for (uint32_t number = 0; number < SLOT_MAX; number++) {
		uint32_t index;
		const char *role = instance_role(number, &index);
		json_t *process = process_of(&registry->shared->slot[number], role, index);

		if (process == NULL)
			continue;
		add_phase(process, registry, instance, number);
		json_array_append_new(processes, process);
		if (number >= FRONT_MAX)
			continue;
		process = process_of(&registry->shared->hasher[number], "hasher", number);
		if (process != NULL)
			json_array_append_new(processes, process);
	}
}

static json_t *
journal_of(const struct registry *registry, const char *instance)
{
	struct region_identity store = registry_identity(registry);
	uint32_t workers = registry->shared->geometry.workers;
	struct durable durable;
	json_t *journal;

	if (durable_attach(&durable, instance, workers, &store, REGION_READ_ONLY) != 0)
		return json_null();
	/* The lsns belong to this state.  Pairs with persistd's store_release of journal_state. */
	uint32_t state = load_acquire(&durable.shared->journal_state);

	journal = json_pack("{s:s, s:I, s:I, s:I, s:[]}", "state", journal_state_name(state), "epoch",
	    (json_int_t)durable.shared->persist_epoch, "batch", (json_int_t)load_relaxed(&durable.shared->batch_index),
	    "segment", (json_int_t)load_relaxed(&durable.shared->segment), "durable_lsn");
	for (uint32_t w = 0; w < workers && w < WORKER_MAX; w++)
		json_array_append_new(json_object_get(journal, "durable_lsn"),
		    json_integer((json_int_t)load_relaxed(&durable.shared->shard[w].lsn)));
	durable_detach(&durable);
	add_ready(journal, &store, instance);
	return journal;
}

/* null: nothing is served there. */
static json_t *
address_of(const char *listen)
{
	return listen[0] != '\0' ? json_string(listen) : json_null();
}

static void
print_status(const json_t *status)
{
	static const struct column columns[] = {
		{ "ROLE", "role" },   { "INDEX", "index" },       { "PID", "pid" },
		{ "EPOCH", "epoch" }, { "STATE", "state" },       { "PHASE", "phase" },
		{ "RESTARTS", "restarts" }, { "SIGNAL", "last_signal" }, { "CPUS", "cpus" }, { "STARTED", "started_at" },
		{ "SANDBOX", "sandbox" },
	};
	const json_t *journal = json_object_get(status, "journal");

	const char *plain = json_string_value(json_object_get(status, "listen"));
	const char *tls = json_string_value(json_object_get(status, "listen_tls"));

	printf("broker %s %s", json_string_value(json_object_get(status, "instance")),
	    json_string_value(json_object_get(status, "state")));
	if (plain != NULL)
		printf(", http://%s", plain);
	if (tls != NULL)
		printf(", https://%s", tls);
	printf("\n");
	if (json_is_object(journal))
		printf("journal %s, segment %" JSON_INTEGER_FORMAT ", batch %" JSON_INTEGER_FORMAT ", %" JSON_INTEGER_FORMAT
		    " of %" JSON_INTEGER_FORMAT " MiB ready\n",
		    json_string_value(json_object_get(journal, "state")), json_integer_value(json_object_get(journal, "segment")),
		    json_integer_value(json_object_get(journal, "batch")),
		    json_integer_value(json_object_get(journal, "ready_bytes")) >> 20,
		    json_integer_value(json_object_get(journal, "ready_wanted_bytes")) >> 20);
	printf("%s\n", json_string_value(json_object_get(status, "placement")));
	printf("hashers %s\n", json_string_value(json_object_get(status, "hashers")));
	print_table(json_object_get(status, "processes"), columns, sizeof(columns) / sizeof(columns[0]));
}

int
verb_status(int argc, char **argv)
{
	struct arguments arguments;
	struct registry registry;
	const char *state = "running";
	json_t *status;

	if (!arguments_parse(&arguments, "ij", argc, argv) || arguments.word_count != 0)
		return verb_usage("status");
	if (!instance_attach(&registry, arguments.instance))
		return CLI_NOT_RUNNING;
	if (instance_supervisor(&registry) == 0)
		state = "not running (its shared memory is kept for a warm start)";
	else if (load_relaxed(&registry.shared->is_draining) != 0)
		state = "stopping";
	status = json_pack("{s:s, s:s, s:o, s:o, s:s, s:s, s:o, s:[]}", "instance", arguments.instance, "state", state, "listen",
	    address_of(registry.shared->listen), "listen_tls", address_of(registry.shared->listen_tls), "placement",
	    registry.shared->placement, "hashers", registry.shared->hashers, "journal", journal_of(&registry, arguments.instance), "processes");
	add_processes(json_object_get(status, "processes"), &registry, arguments.instance);
	if (arguments.is_json)
		print_json(status);
	else
		print_status(status);
	json_decref(status);
	bool is_running = instance_supervisor(&registry) != 0;

	registry_detach(&registry);
	return is_running ? CLI_OK : CLI_NOT_RUNNING;
}
