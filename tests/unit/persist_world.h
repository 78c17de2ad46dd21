/*
 * persist_world: a journal in a directory of its own, without processes: what the unit tests of persistd/ play with.  "Crash"
 * means: closed without another word, as a power cut leaves it but for what the test takes away from the files itself.
 */
#ifndef TESTS_UNIT_PERSIST_WORLD_H
#define TESTS_UNIT_PERSIST_WORLD_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "persistd/backend_file.h"
#include "persistd/journal.h"
#include "persistd/snapshots.h"
#include "shm/clock.h"
#include "shm/diag.h"
#include "shm/hash.h"
#include "shm/image.h"
#include "shm/record.h"
#include "tests/harness/io_log.h"
#include "tests/harness/unit.h"

#define WORLD_SHARDS 2

struct world {
	char directory[64];
	struct store store;
	struct disk *disk;
	struct backend_file file;
	struct journal journal;
	struct snapshots snapshots;
	uint64_t ready_bytes;           /* 0: no more than must be */
	struct journal_position landed; /* before the next batch that becomes durable */
	struct io_hook hook;
	/* The fault: of the commits (or operations of `op`) from now on, number `nth` (1..) ends so. */
	enum io_op op;
	unsigned nth, seen;
	int32_t result;        /* reported; 0: what really happened */
	uint32_t bytes;        /* really written; UINT32_MAX: all */
	bool is_for_ever;      /* every one from nth on */
};

static int32_t
world_inject(void *context, enum io_op op, struct disk_tag tag, uint32_t *bytes)
{
	struct world *world = context;

	if (world->nth == 0 || op != world->op || (op == IO_WRITE && tag.user != DISK_COMMIT))
		return 0;
	world->seen++;
	if (world->seen != world->nth && !(world->is_for_ever && world->seen > world->nth))
		return 0;
	if (world->bytes != UINT32_MAX)
		*bytes = world->bytes;
	return world->result;
}

static inline void
world_fault(struct world *world, enum io_op op, unsigned nth, int32_t result, uint32_t bytes)
{
	world->op = op;
	world->nth = nth;
	world->seen = 0;
	world->result = result;
	world->bytes = bytes;
	world->is_for_ever = false;
}

/* A directory in the build's temporary place: on a disk, for O_DIRECT. */
static inline void
world_make(struct world *world)
{
	const char *base = getenv("TMPDIR");

	memset(world, 0, sizeof(*world));
	snprintf(world->directory, sizeof(world->directory), "%s/chasqui.XXXXXX", base != NULL && strlen(base) < 40 ? base : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(world->directory));
	diag_init("unit", "persistd", 0, DIAG_ERROR);
}

static inline void
world_remove(struct world *world)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", world->directory);
	ck_assert_int_eq(system(command), 0);
}

/* Open it as persistd does.  0, or the exit code. */
static inline int
world_open_with(struct world *world, const struct journal_position *warm, uint32_t in_flight)
{
	struct spare_options options = { .segment_bytes = SEGMENT_BYTES_MIN, .spare_segments = 1,
		.ready_bytes = world->ready_bytes, .direct = DISK_DIRECT_AUTO };
	struct backend_open open = { .warm = warm, .time_ms = 1700000000000, .snapshots = &world->snapshots };
	int code = store_open(&world->store, world->directory, NULL, WORLD_SHARDS, STORE_LOCK_PERSISTD);

	if (code != 0)
		return code;
	world->nth = 0;
	world->hook = (struct io_hook){ .inject = world_inject, .context = world };
	io_wrap_hook(&world->hook);
	world->disk = disk_open(true);
	ck_assert_ptr_nonnull(world->disk);
	ck_assert_int_eq(backend_file_init(&world->file, &world->store, world->disk, &options), 0);
	ck_assert_int_eq(journal_init(&world->journal, &world->file.backend, in_flight), 0);
	snapshots_init(&world->snapshots, WORLD_SHARDS);
	code = journal_open(&world->journal, &open);
	world->landed = world->journal.durable;
	return code;
}

static inline int
world_open(struct world *world)
{
	return world_open_with(world, NULL, 2);
}

static inline void
world_crash(struct world *world)
{
	struct disk_completion completion;

	/* What the kernel has, it finishes: a test that wants it torn says so by a fault. */
	while (disk_pending(world->disk) > 0) {
		disk_park(world->disk, -1, 100);
		while (disk_reap(world->disk, &completion))
			;
	}
	world->file.backend.ops->close(&world->file.backend);
	disk_close(world->disk);
	journal_close(&world->journal);
	snapshots_free(&world->snapshots);
	store_close(&world->store);
}

/* As retain_batch(). */
static inline void
world_landed(struct world *world, const struct flight *flight)
{
	const struct batch_header *header = flight->batch.header;

	snapshots_place(&world->snapshots, header, flight->segment, world->landed.lsn);
	if (!world->snapshots.is_behind)
		ck_assert(snapshots_read(&world->snapshots, header, flight->batch.payload));
	journal_position_add(&world->landed, header, flight->segment);
}

/* Handle what has completed.  1: something had; 0: nothing; -1: the journal failed. */
static inline int
world_reap(struct world *world, uint64_t now)
{
	struct disk_completion completion;
	const struct flight *flight;
	int result = 0, failed = 0;

	while (disk_reap(world->disk, &completion)) {
		result = 1;
		if (completion.tag.user == DISK_COMMIT)
			failed |= journal_land(&world->journal, completion.tag.number, completion.result, now);
		else if (completion.tag.user == DISK_SPARE)
			failed |= world->file.backend.ops->completed(&world->file.backend, completion.result, now);
	}
	while ((flight = journal_next_durable(&world->journal)) != NULL)
		world_landed(world, flight);
	return failed != 0 ? -1 : result;
}

/* What waits for its turn beside clients is due so soon; not what waits for room on the disk. */
#define WORLD_SOON_NS 100000000ull

/* Until nothing is on its way and no background work is due at `now` or soon after.  -1: the journal failed. */
static inline int
world_settle_at(struct world *world, uint64_t now)
{
	for (;;) {
		int step = world->file.backend.ops->step(&world->file.backend, now);
		bool has_pushed = journal_push(&world->journal, now);
		int reaped = world_reap(world, now);

		if (step < 0 || reaped < 0)
			return -1;
		if (step == 0 && !has_pushed && reaped == 0 && disk_pending(world->disk) == 0) {
			uint64_t due_ns = world->file.backend.ops->due_ns(&world->file.backend, now);

			if (due_ns > WORLD_SOON_NS)
				return 0;
			now += due_ns;
		}
		if (disk_pending(world->disk) > 0)
			disk_park(world->disk, -1, 100);
	}
}

static inline int
world_settle(struct world *world)
{
	return world_settle_at(world, now_ns());
}

/* A PUBLISHED record with a body that can be told from others.  Its size. */
static inline uint32_t
world_record(char *to, uint64_t lsn, uint32_t body_bytes)
{
	struct published_record record = { .record = { .type = RECORD_PUBLISHED, .flags = RECORD_LAST, .lsn = lsn,
		.time_ms = 1700000000000 }, .seq = lsn, .body_bytes = body_bytes };

	record.record.bytes = RECORD_PUBLISHED_BYTES + FRAME_ALIGN(body_bytes);
	memset(to, 0, record.record.bytes);
	for (uint32_t i = 0; i < body_bytes; i++)
		to[RECORD_PUBLISHED_BYTES + i] = (char)(lsn + i * 7);
	record.payload_hash = hash_bytes(to + RECORD_PUBLISHED_BYTES, body_bytes);
	memcpy(to, &record, sizeof(record));
	return record.record.bytes;
}

/* Append one batch of one record; returns its LSN.  There has to be a free flight. */
static inline uint64_t
world_append(struct world *world, uint32_t shard, uint32_t body_bytes)
{
	struct batch *batch = journal_free(&world->journal);
	uint64_t lsn = world->journal.sealed.lsn[shard];

	ck_assert_ptr_nonnull(batch);
	batch_add(batch, shard, lsn, world_record(batch_end(batch), lsn, body_bytes));
	journal_append(&world->journal, 1700000000000, 0, now_ns());
	return lsn;
}

/* A batch of about `bytes`, in records of at most the largest body. */
static inline void
world_append_large(struct world *world, uint32_t shard, uint32_t bytes)
{
	struct batch *batch = journal_free(&world->journal);
	uint64_t lsn = world->journal.sealed.lsn[shard];
	uint32_t size = 0;

	ck_assert_ptr_nonnull(batch);
	while (size < bytes)
		size += world_record(batch_end(batch) + size, lsn + size, 1000000);
	batch_add(batch, shard, lsn, size);
	journal_append(&world->journal, 1700000000000, 0, now_ns());
}

/* Append a batch of copies of `count` records of a shard, which ascend, with bodies of that size. */
static inline void
world_copy(struct world *world, uint32_t shard, const uint64_t *lsns, uint32_t count, uint32_t body_bytes)
{
	struct batch *batch = journal_free(&world->journal);
	uint32_t size = 0;

	ck_assert_ptr_nonnull(batch);
	for (uint32_t i = 0; i < count; i++)
		size += world_record(batch_end(batch) + size, lsns[i], body_bytes);
	batch_add(batch, shard, lsns[0], size);
	journal_append(&world->journal, 1700000000000, BATCH_COPY, now_ns());
}

/* Where a record lies. */
static inline struct lsn_location
world_location(struct world *world, uint32_t shard, uint64_t lsn, uint32_t body_bytes)
{
	uint32_t bytes = RECORD_PUBLISHED_BYTES + FRAME_ALIGN(body_bytes);
	struct lsn_location at = { 0 };

	if (!copies_find(&world->file.copies, shard, lsn, bytes, &at) &&
	    !lsn_index_find(&world->file.live, shard, lsn, bytes, &at))
		(void)lsn_index_find(&world->file.old, shard, lsn, bytes, &at);
	return at;
}

/* Append and make durable. */
static inline void
world_write(struct world *world, uint32_t shard, uint32_t body_bytes)
{
	(void)world_append(world, shard, body_bytes);
	ck_assert_int_eq(world_settle(world), 0);
}

/* Append a record of that type, with `rest` behind its head, and make it durable. */
static inline void
world_append_record(struct world *world, uint32_t shard, uint16_t type, const void *rest, uint32_t rest_bytes)
{
	struct batch *batch = journal_free(&world->journal);
	uint64_t lsn = world->journal.sealed.lsn[shard];
	struct record record = { .bytes = (uint32_t)sizeof(record) + rest_bytes, .type = type, .flags = RECORD_LAST, .lsn = lsn,
		.time_ms = 1700000000000 };

	ck_assert_ptr_nonnull(batch);
	memcpy(batch_end(batch), &record, sizeof(record));
	memcpy(batch_end(batch) + sizeof(record), rest, rest_bytes);
	batch_add(batch, shard, lsn, record.bytes);
	journal_append(&world->journal, 1700000000000, 0, now_ns());
	ck_assert_int_eq(world_settle(world), 0);
}

/* SNAPSHOT_BEGUN.  Its LSN. */
static inline uint64_t
world_snapshot_begin(struct world *world, uint32_t shard)
{
	static const struct image_root root;
	uint64_t lsn = world->journal.sealed.lsn[shard];

	world_append_record(world, shard, RECORD_SNAPSHOT_BEGUN, &root, sizeof(root));
	return lsn;
}

static inline void
world_snapshot_end(struct world *world, uint32_t shard, uint64_t begun_lsn, uint64_t images)
{
	uint64_t rest[2] = { begun_lsn, images };

	world_append_record(world, shard, RECORD_SNAPSHOT_ENDED, rest, sizeof(rest));
}

/* Have dropped what the snapshots allow. */
static inline void
world_trim(struct world *world)
{
	uint64_t floor = snapshots_floor(&world->snapshots, false);

	ck_assert_uint_ne(floor, 0);
	world->file.backend.ops->trim(&world->file.backend, floor, world->journal.durable.index);
	ck_assert_int_eq(world_settle(world), 0);
}

/* Read a record back as a fetch does, and see that it is the one that was written. */
static inline void
world_fetch(struct world *world, uint32_t shard, uint64_t lsn, uint32_t body_bytes)
{
	uint32_t bytes = RECORD_PUBLISHED_BYTES + FRAME_ALIGN(body_bytes);
	char *seen = calloc(2, bytes), *wanted = seen + bytes;
	struct backend *backend = &world->file.backend;
	struct backend_range range = { .lsn = lsn, .shard = shard, .bytes = bytes };
	struct disk_completion completion;
	enum backend_fetch found;
	const char *here = NULL;

	ck_assert_ptr_nonnull(seen);
	while (world->file.is_indexing)
		(void)backend->ops->step(backend, 0);
	found = backend->ops->fetch(backend, 5, &range, seen, &here);
	while (found == BACKEND_COMING || found == BACKEND_FETCHING) {
		disk_park(world->disk, -1, 100);
		if (!disk_reap(world->disk, &completion))
			continue;
		if (completion.tag.user == DISK_WINDOW)
			backend->ops->window_completed(backend, completion.tag.number, completion.result);
		if (completion.tag.user == DISK_FETCH) {
			backend->ops->fetched(backend, completion.tag.number);
			ck_assert_int_eq(completion.result, (int)bytes);
			break;
		}
		if (found == BACKEND_COMING)
			found = backend->ops->fetch(backend, 5, &range, seen, &here);
	}
	ck_assert(found == BACKEND_HERE || found == BACKEND_FETCHING);
	ck_assert_uint_eq(world_record(wanted, lsn, body_bytes), bytes);
	ck_assert_mem_eq(found == BACKEND_HERE ? here : seen, wanted, bytes);
	free(seen);
}

/* --- taking files to pieces --- */

static inline int
world_file(const struct world *world, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/journal/%s", world->directory, name);
	int fd = open(path, O_RDWR);
	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	return fd;
}

static inline void
world_flip_bit(const struct world *world, const char *name, uint64_t offset)
{
	int fd = world_file(world, name);
	char byte;

	ck_assert_int_eq(pread(fd, &byte, 1, (off_t)offset), 1);
	byte ^= 4;
	ck_assert_int_eq(pwrite(fd, &byte, 1, (off_t)offset), 1);
	close(fd);
}

static inline void
world_unlink(const struct world *world, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/journal/%s", world->directory, name);
	ck_assert_int_eq(unlink(path), 0);
}

static inline bool
world_exists(const struct world *world, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/journal/%s", world->directory, name);
	return access(path, F_OK) == 0;
}

#endif
