/*
 * Happy path: engine_begin() once, then engine_run() again and again; in another life engine_attach(), engine_recover().
 * One function is replaced when linking (rules.mk: --wrap), all else runs as released: front_attach() cannot find a region
 * by its name here, so it finds it in the world.
 */
#include "tests/step/core/engine.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "shm/atomic.h"
#include "workerd/fronts.h"
#include "workerd/recover.h"
#include "workerd/replay.h"
#include "workerd/snapshot.h"

#define TURNS_MAX 10000

int __wrap_front_attach(struct front *front, const char *instance, uint32_t index, uint64_t epoch,
    const struct front_geometry *geometry, const struct region_identity *store, int worker);
void __wrap_front_detach(struct front *front);

static struct world *
world_of(const char *instance)
{
	return (struct world *)(uintptr_t)(instance - offsetof(struct world, role.instance));
}

int
__wrap_front_attach(struct front *front, const char *instance, uint32_t index, uint64_t epoch,
    const struct front_geometry *geometry, const struct region_identity *store, int worker)
{
	const struct world *world = world_of(instance);

	(void)store;
	if (world->registry->slot[SLOT_FRONT(index)].state_epoch >> 8 != epoch) {
		errno = ENOENT;
		return -1;
	}
	memset(front, 0, sizeof(*front));
	front->geometry = *geometry;
	front->shared = world->front[index];
	front->request_bytes[worker] = world->request_bytes[index];
	front->reply_bytes[worker] = world->reply_bytes[index];
	return 0;
}

void
__wrap_front_detach(struct front *front)
{
	memset(front, 0, sizeof(*front));
}

/* What a worker needs for snapshots, private memory: each worker's own, for one that is stepped goes on while others recover. */
static void *
snapshot_memory(const struct worker *worker, const struct shard_geometry *geometry)
{
	static struct {
		const struct worker *worker;
		void *memory;
		size_t bytes;
	} given[8];
	size_t bytes = snapshot_memory_bytes(geometry);

	for (unsigned i = 0; i < 8; i++) {
		if (given[i].worker == worker && given[i].bytes >= bytes)
			return given[i].memory;
		if (given[i].worker != NULL)
			continue;
		given[i].worker = worker;
		given[i].bytes = bytes;
		given[i].memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		assert(given[i].memory != MAP_FAILED);
		return given[i].memory;
	}
	assert(!"more workers than the stepper has");
	return NULL;
}

void
engine_attach(struct worker *worker, struct world *world)
{
	struct role *role = &world->role;

	role->kind = ROLE_WORKER;
	role->slot = SLOT_WORKER(0);
	role->registry.shared = world->registry;
	role->geometry.front = (struct front_geometry){ .workers = 1, .request_bytes = WORLD_REQUEST_BYTES,
		.reply_bytes = WORLD_REPLY_BYTES };

	worker_init(worker, 0, 1);
	worker->role = role;
	shard_view(&worker->shard, world->shard, &world->geometry);
	worker->stream = (struct stream){ .shared = world->stream, .bytes = world->stream_bytes,
		.size_bytes = WORLD_STREAM_BYTES, .replay_bytes = world->replay_bytes, .replay_size_bytes = WORLD_REPLAY_BYTES };
	worker->durable.shared = world->durable;
	worker->stats = world->stats;
	directory_view(&worker->directory, world->directory, &world->geometry);
	snapshot_init(worker, snapshot_memory(worker, &world->geometry));
}

void
engine_empty(struct worker *worker)
{
	struct role *role = worker->role;

	worker->role = NULL; /* there is no persistd to be asked for a journal */
	replay_begin(worker);
	worker->role = role;
}

void
engine_replay(struct worker *worker)
{
	struct role *role = worker->role;
	const struct world *world = world_of(role->instance);
	const struct replay_end end = { .lsn = world->durable->shard[0].lsn, .generation = world->log->generation,
		.is_clean = world->log->is_clean };

	worker->role = NULL;
	for (uint64_t lsn = world->log->first_lsn; lsn < end.lsn;) {
		const struct record *record = (const struct record *)stream_at(&worker->stream, lsn);

		assert(record->lsn == lsn);
		replay_record(worker, record);
		lsn += record->bytes;
	}
	replay_finish(worker, &end);
	worker->role = role;
}

static void
engine_start_cold(struct worker *worker)
{
	engine_empty(worker);
	engine_replay(worker);
}

void
engine_begin(struct worker *worker, struct world *world, uint64_t now_ms, uint64_t first_lsn)
{
	world->durable->shard[0].lsn = first_lsn;
	world->log->first_lsn = first_lsn;
	world->log->generation = 1;
	world->log->is_clean = 1;
	for (unsigned i = 0; i < WORLD_FRONTS; i++)
		world->registry->slot[SLOT_FRONT(i)].state_epoch = slot_word(1, SLOT_STARTING);
	engine_attach(worker, world);
	engine_start_cold(worker);
	store_relaxed(&worker->shard.root->now_ms, now_ms);
	worker_mirror(worker);
	world->durable->shard[0].lsn = world->stream->tail;
}

const char *
engine_recover(struct worker *worker)
{
	const uint64_t *state = &worker->shard.shared->state;
	bool was_ready = load_relaxed(state) == SHARD_READY, is_warm = was_ready && recover_warm(worker, 0);

	if (was_ready && load_relaxed(state) == SHARD_CORRUPT)
		return "it was marked CORRUPT";
	if (!is_warm)
		engine_start_cold(worker);
	fronts_resume(worker);
	worker->durable_lsn = load_acquire(&worker->durable.shared->shard[0].lsn);
	worker_mirror(worker);
	return NULL;
}

bool
engine_run(struct worker *worker, uint64_t now_ms)
{
	/* Whose frames come first must not depend on how often a worker was restarted, or no two lives were alike. */
	worker->front_first = 0;
	for (unsigned turns = 0; turns < TURNS_MAX; turns++) {
		if (!worker_turn(worker, now_ms))
			return true;
	}
	return false;
}
