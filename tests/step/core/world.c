#include "tests/step/core/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shm/atomic.h"

static size_t
page_up(size_t bytes)
{
	return (bytes + 4095) & ~(size_t)4095;
}

/* Hand out the next part of the linear mapping. */
static void *
part(struct world *world, size_t *at, size_t bytes)
{
	void *memory = world->base == NULL ? NULL : world->base + *at;

	*at += page_up(bytes);
	return memory;
}

static void
trouble(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

static char *
mirrored(const struct world *world, size_t *at, size_t bytes)
{
	char *base = mmap(NULL, 2 * bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (base == MAP_FAILED)
		trouble("mmap");
	for (unsigned half = 0; half < 2; half++) {
		if (mmap(base + half * bytes, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, world->fd, (off_t)*at) ==
		    MAP_FAILED)
			trouble("mmap");
	}
	*at += bytes;
	return base;
}

/* Place everything but the rings; the size of that. */
static size_t
world_place(struct world *world)
{
	size_t at = 0;

	world->shard = part(world, &at, shard_size_bytes(&world->geometry));
	world->stream = part(world, &at, sizeof(struct stream_shared));
	for (unsigned i = 0; i < WORLD_FRONTS; i++)
		world->front[i] = part(world, &at, sizeof(struct front_shared));
	world->durable = part(world, &at, sizeof(struct durable_shared));
	world->registry = part(world, &at, sizeof(struct registry_shared));
	world->stats = part(world, &at, sizeof(struct stats_shared));
	world->log = part(world, &at, sizeof(struct world_log));
	return at;
}

void
world_open(struct world *world, const struct shard_geometry *geometry)
{
	*world = (struct world){ .geometry = *geometry };
	size_t at = world_place(world);

	world->size_bytes = at + WORLD_STREAM_BYTES + WORLD_REPLAY_BYTES +
	    WORLD_FRONTS * (WORLD_REQUEST_BYTES + WORLD_REPLY_BYTES);
	world->fd = memfd_create("world", MFD_CLOEXEC);
	if (world->fd < 0 || ftruncate(world->fd, (off_t)world->size_bytes) != 0)
		trouble("memfd");
	world->base = mmap(NULL, world->size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, world->fd, 0);
	if (world->base == MAP_FAILED)
		trouble("mmap");
	(void)world_place(world);
	world->stream_bytes = mirrored(world, &at, WORLD_STREAM_BYTES);
	world->replay_bytes = mirrored(world, &at, WORLD_REPLAY_BYTES);
	for (unsigned i = 0; i < WORLD_FRONTS; i++) {
		world->request_bytes[i] = mirrored(world, &at, WORLD_REQUEST_BYTES);
		world->reply_bytes[i] = mirrored(world, &at, WORLD_REPLY_BYTES);
	}
}

void
world_close(struct world *world)
{
	munmap(world->base, world->size_bytes);
	munmap(world->stream_bytes, 2 * WORLD_STREAM_BYTES);
	munmap(world->replay_bytes, 2 * WORLD_REPLAY_BYTES);
	for (unsigned i = 0; i < WORLD_FRONTS; i++) {
		munmap(world->request_bytes[i], 2 * WORLD_REQUEST_BYTES);
		munmap(world->reply_bytes[i], 2 * WORLD_REPLY_BYTES);
	}
	close(world->fd);
}

void
world_copy(const struct world *to, const struct world *from)
{
	memcpy(to->base, from->base, from->size_bytes);
	compiler_barrier(); /* the compiler does not know that the rings are mapped twice */
}

static bool
copy_if_different(void *to, const void *from, size_t bytes)
{
	if (memcmp(to, from, bytes) == 0)
		return false;
	memcpy(to, from, bytes);
	return true;
}

/* The undo log's entries from `first` on, the one being written too. */
static bool
copy_entries(struct undo_log *to, const struct undo_log *from, uint64_t first)
{
	uint64_t end = load_relaxed(&from->count) + 1;

	if (end > UNDO_MAX)
		end = UNDO_MAX;
	return first < end && copy_if_different(&to->entries[first], &from->entries[first], (end - first) * sizeof(to->entries[0]));
}

/* All but the entries of the undo log. */
static bool
copy_words(const struct world *to, const struct world *from)
{
	size_t shard_bytes = shard_size_bytes(&from->geometry), tables = page_up(sizeof(struct shard_shared));
	bool is_different = copy_if_different(to->shard, from->shard, offsetof(struct shard_shared, undo.entries));

	is_different |= copy_if_different((char *)to->shard + tables, (char *)from->shard + tables, shard_bytes - tables);
	is_different |= copy_if_different(to->stream, from->stream, sizeof(*to->stream));
	for (unsigned i = 0; i < WORLD_FRONTS; i++)
		is_different |= copy_if_different(&to->front[i]->worker[0], &from->front[i]->worker[0], sizeof(struct front_pair));
	is_different |= copy_if_different(to->stats->closed_epoch, from->stats->closed_epoch, sizeof(to->stats->closed_epoch));
	/* What others tell the worker is no change of its own. */
	to->durable->shard[0] = from->durable->shard[0];
	memcpy(to->registry->slot, from->registry->slot, WORLD_FRONTS * sizeof(struct slot));
	return is_different;
}

bool
world_copy_state(const struct world *to, const struct world *from)
{
	bool is_different = copy_entries(&((struct shard_shared *)to->shard)->undo, &((struct shard_shared *)from->shard)->undo, 0);

	return copy_words(to, from) || is_different;
}

bool
world_follow(const struct world *to, const struct world *from)
{
	const struct undo_log *log = &((struct shard_shared *)from->shard)->undo;
	uint64_t count = load_relaxed(&log->count), first = count < 2 ? 0 : count - 2;
	bool is_different = copy_entries(&((struct shard_shared *)to->shard)->undo, log, first);

	return copy_words(to, from) || is_different;
}
