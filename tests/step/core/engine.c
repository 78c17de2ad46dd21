/*
 * Happy path: engine_begin() once, then engine_run() again and again; in another life engine_attach(), engine_recover().
 * Two functions are replaced when linking (rules.mk: --wrap), all else runs as released: front_attach() cannot find a region
 * by its name here, so it finds it in the world; shard_check() runs at full speed, since it writes nothing and is long.
 */
#include "tests/step/core/engine.h"

#include <errno.h>
#include <string.h>

#include "shm/atomic.h"
#include "tests/step/core/tracer.h"
#include "workerd/fronts.h"
#include "workerd/recover.h"
#include "workerd/replay.h"

#define TURNS_MAX 10000

int __wrap_front_attach(struct front *front, const char *instance, uint32_t index, uint64_t epoch,
    const struct front_geometry *geometry, const struct region_identity *store, int worker);
void __wrap_front_detach(struct front *front);
const char *__wrap_shard_check(const struct shard *shard, const struct shard_mirrors *mirrors);
const char *__real_shard_check(const struct shard *shard, const struct shard_mirrors *mirrors);

/* Where front_attach() looks. */
static struct world *present;

int
__wrap_front_attach(struct front *front, const char *instance, uint32_t index, uint64_t epoch,
    const struct front_geometry *geometry, const struct region_identity *store, int worker)
{
	(void)instance, (void)store;
	if (present->registry->slot[SLOT_FRONT(index)].state_epoch >> 8 != epoch) {
		errno = ENOENT;
		return -1;
	}
	memset(front, 0, sizeof(*front));
	front->geometry = *geometry;
	front->shared = present->front[index];
	front->request_bytes[worker] = present->request_bytes[index];
	front->reply_bytes[worker] = present->reply_bytes[index];
	return 0;
}

void
__wrap_front_detach(struct front *front)
{
	memset(front, 0, sizeof(*front));
}

const char *
__wrap_shard_check(const struct shard *shard, const struct shard_mirrors *mirrors)
{
	uint64_t is_stepped = load_relaxed(&present->log->is_stepped);

	store_relaxed(&present->log->is_stepped, 0);
	const char *wrong = __real_shard_check(shard, mirrors);
	store_relaxed(&present->log->is_stepped, is_stepped);
	if (is_stepped)
		tracer_mark();
	return wrong;
}

void
engine_attach(struct worker *worker, struct world *world)
{
	static struct role role;

	present = world;
	memset(&role, 0, sizeof(role));
	role.kind = ROLE_WORKER;
	role.slot = SLOT_WORKER(0);
	role.registry.shared = world->registry;
	role.geometry.front = (struct front_geometry){ .workers = 1, .request_bytes = WORLD_REQUEST_BYTES,
		.reply_bytes = WORLD_REPLY_BYTES };

	worker_init(worker, 0, 1);
	worker->role = &role;
	shard_view(&worker->shard, world->shard, &world->geometry);
	worker->stream = (struct stream){ .shared = world->stream, .bytes = world->stream_bytes,
		.size_bytes = WORLD_STREAM_BYTES, .replay_bytes = world->replay_bytes, .replay_size_bytes = WORLD_REPLAY_BYTES };
	worker->durable.shared = world->durable;
	worker->stats = world->stats;
}

void
engine_begin(struct worker *worker, struct world *world, uint64_t now_ms)
{
	world->durable->shard[0].lsn = LSN_FIRST;
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

void
engine_start_cold(struct worker *worker)
{
	struct role *role = worker->role;
	const struct replay_end end = { .lsn = present->durable->shard[0].lsn, .generation = present->log->generation,
		.is_clean = present->log->is_clean };

	worker->role = NULL; /* there is no persistd to be asked for a journal */
	replay_begin(worker);
	for (uint64_t lsn = LSN_FIRST; lsn < end.lsn;) {
		const struct record *record = (const struct record *)stream_at(&worker->stream, lsn);

		assert(record->lsn == lsn);
		replay_record(worker, record);
		lsn += record->bytes;
	}
	replay_finish(worker, &end);
	worker->role = role;
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
