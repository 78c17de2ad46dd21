#include "tests/step/core/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shm/atomic.h"

#define PAGE_BYTES 4096u

static size_t
page_up(size_t bytes)
{
	return (bytes + PAGE_BYTES - 1) & ~(size_t)(PAGE_BYTES - 1);
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
	world->directory = part(world, &at, directory_size_bytes(&world->geometry));
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
	is_different |= copy_if_different(
	    to->directory, from->directory, directory_size_bytes(&from->geometry));
	for (unsigned i = 0; i < WORLD_FRONTS; i++)
		is_different |= copy_if_different(&to->front[i]->worker[0], &from->front[i]->worker[0], sizeof(struct front_pair));
	is_different |= copy_if_different(to->stats->closed_epoch, from->stats->closed_epoch, sizeof(to->stats->closed_epoch));
	/* What others tell the worker is no change of its own. */
	to->durable->shard[0] = from->durable->shard[0];
	memcpy(to->registry->slot, from->registry->slot, WORLD_FRONTS * sizeof(struct slot));
	to->registry->bootstrap = from->registry->bootstrap;
	return is_different;
}

bool
world_copy_state(const struct world *to, const struct world *from)
{
	bool is_different = copy_entries(&((struct shard_shared *)to->shard)->undo, &((struct shard_shared *)from->shard)->undo, 0);

	return copy_words(to, from) || is_different;
}

void
world_written(const struct world *world, struct world_part parts[WORLD_PARTS])
{
	parts[0] = (struct world_part){ world->shard, (size_t)((char *)world->front[0] - (char *)world->shard) };
	for (unsigned i = 0; i < WORLD_FRONTS; i++)
		parts[1 + i] = (struct world_part){ (char *)world->front[i], page_up(sizeof(struct front_shared)) };
	/* Of the statistics nothing is acted upon but which fronts are closed. */
	parts[1 + WORLD_FRONTS] = (struct world_part){ (char *)world->stats, PAGE_BYTES };
	_Static_assert(
	    WORLD_PARTS == 2 + WORLD_FRONTS, "shard, stream and directory, fronts, statistics");
	_Static_assert(offsetof(struct stats_shared, closed_epoch) + sizeof(uint64_t[FRONT_MAX]) <= PAGE_BYTES, "in the first page");
}

/*
 * A page with entries of the undo log: before those, one that counts, the one being written, and the rest, which means nothing
 * and may be of any earlier life.
 */
static enum world_change
follow_entries(const struct world *to, const struct world *from, size_t at)
{
	const struct undo_log *log = &((const struct shard_shared *)from->shard)->undo;
	size_t entries = offsetof(struct shard_shared, undo.entries), end = at + PAGE_BYTES;
	size_t newest = entries + load_relaxed(&log->count) * sizeof(log->entries[0]), rest = newest + sizeof(log->entries[0]);
	size_t words = entries > at ? entries - at : 0;
	bool is_different = words > 0 && memcmp(to->base + at, from->base + at, words) != 0;
	enum world_change change = WORLD_SAME;

	for (size_t byte = at + words; byte < rest && byte < end; byte += 8) {
		if (memcmp(to->base + byte, from->base + byte, 8) == 0)
			continue;
		if (byte < newest)
			change = WORLD_OLD_ENTRY;
		is_different = true;
	}
	memcpy(to->base + at, from->base + at, PAGE_BYTES);
	return change == WORLD_SAME && is_different ? WORLD_CHANGED : change;
}

enum world_change
world_follow(const struct world *to, const struct world *from, const char *page)
{
	size_t at = (size_t)(page - from->base), entries = offsetof(struct shard_shared, undo.entries);
	size_t bytes = PAGE_BYTES;

	if (at + PAGE_BYTES > entries && at < entries + sizeof(((struct undo_log *)NULL)->entries))
		return follow_entries(to, from, at);
	if (page == (const char *)from->stats) {
		at += offsetof(struct stats_shared, closed_epoch);
		bytes = sizeof(to->stats->closed_epoch);
	}
	return copy_if_different(to->base + at, from->base + at, bytes) ? WORLD_CHANGED : WORLD_SAME;
}

/* What is between two cursors of a mirrored ring. */
static void
copy_ring(char *to, const char *from, uint64_t size, uint64_t begin, uint64_t end)
{
	uint64_t at = begin & (size - 1);

	memcpy(to + at, from + at, end - begin < size ? end - begin : size);
}

void
world_copy(const struct world *to, const struct world *from)
{
	const struct shard_root *root = &((const struct shard_shared *)from->shard)->root;
	const struct world_log *log = from->log;
	uint64_t first = log->first_lsn;

	world_copy_state(to, from);
	memcpy(to->stats, from->stats, sizeof(*to->stats));
	memcpy(to->durable, from->durable, sizeof(*to->durable));
	memcpy(to->registry, from->registry, sizeof(*to->registry));
	memcpy(to->log, log, offsetof(struct world_log, replies) + log->used_bytes);
	copy_ring(to->stream_bytes, from->stream_bytes, WORLD_STREAM_BYTES, first,
	    root->stream_tail > first ? root->stream_tail : first);
	for (unsigned i = 0; i < WORLD_FRONTS; i++) {
		const struct ring_shared *request = &from->front[i]->worker[0].request, *reply = &from->front[i]->worker[0].reply;

		copy_ring(to->request_bytes[i], from->request_bytes[i], WORLD_REQUEST_BYTES, request->head, request->tail);
		copy_ring(to->reply_bytes[i], from->reply_bytes[i], WORLD_REPLY_BYTES, reply->head,
		    root->fronts[i].reply_tail > reply->tail ? root->fronts[i].reply_tail : reply->tail);
	}
	compiler_barrier(); /* the compiler does not know that the rings are mapped twice */
}

void
world_soil(const struct world *world)
{
	const struct shard_root *root = &((const struct shard_shared *)world->shard)->root;
	const uint64_t some = 8192;
	uint64_t tail = root->stream_tail, mask = WORLD_STREAM_BYTES - 1;

	for (unsigned i = 0; i < WORLD_FRONTS; i++) {
		uint64_t head = world->front[i]->worker[0].reply.head, end = root->fronts[i].reply_tail;

		if (end - head <= WORLD_REPLY_BYTES)
			memset(world->reply_bytes[i] + (end & (WORLD_REPLY_BYTES - 1)), 0xa5, WORLD_REPLY_BYTES - (end - head));
	}
	/* The stream is the journal, too: no record is soiled. */
	if (tail + some - world->log->first_lsn <= WORLD_STREAM_BYTES)
		memset(world->stream_bytes + (tail & mask), 0xa5, some);
	compiler_barrier();
}
