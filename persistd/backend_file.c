#include "persistd/backend_file.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "shm/diag.h"

/* How often to ask whether a backup has ended that segments wait for. */
#define TRIM_RETRY_NS 100000000ull

/* Background indexing after a warm start: so much at a time, then the loop has its turn (about 0.2 ms). */
#define INDEX_SLICE_BYTES (256u << 10)

static struct backend_file *
self(struct backend *backend)
{
	return (struct backend_file *)backend;
}

/* --- open --- */

static int
corrupt(const struct loader *loader)
{
	diag(DIAG_ERROR, "the journal is damaged: %s.  Nothing was changed; `chasqui check --repair` says what it would drop",
	    loader->finding.text);
	return EXIT_CORRUPT;
}

/* All that was there has been read. */
static void
loaded(struct backend_file *file)
{
	if (file->snapshots == NULL)
		return;
	snapshots_settle(file->snapshots);
	if (file->snapshots->lost > 0)
		diag(DIAG_ERROR, "%" PRIu64 " messages will not be delivered: their copies were dropped with what was damaged",
		    file->snapshots->lost);
}

/* Cold: read everything, judge the end. */
static int
resolve(struct backend_file *file)
{
	struct loader *loader = &file->loader;
	enum loader_step step;

	if (loader_open(loader, file->store, &file->catalog, &file->old, LOADER_TO_THE_END) != 0)
		return EXIT_JOURNAL;
	if (!file->backend.reads_direct)
		loader->reader.direct_bytes = 0;
	loader->copies = &file->copies;
	loader->snapshots = file->snapshots;
	do
		step = loader_step(loader);
	while (step == LOADER_MORE);
	if (step == LOADER_CORRUPT)
		return corrupt(loader);
	if (step == LOADER_FAILED)
		return EXIT_JOURNAL;
	diag(DIAG_INFO, "journal of %s: %" PRIu64 " batches up to index %" PRIu64 " in %" PRIu32 " segments%s", file->store->directory,
	    loader->batches, loader->position.index, file->catalog.count, loader->is_clean ? ", closed cleanly" : "");
	return 0;
}

static int
open_cold(struct backend_file *file, const struct backend_open *open, struct backend_opened *opened, uint64_t epoch)
{
	struct loader *loader = &file->loader;
	int code = resolve(file);

	if (code != 0)
		goto out;
	struct epoch_start start = { .epoch = epoch, .time_ms = open->time_ms, .continues_index = loader->durable_index,
		.continues_hash = loader->durable_hash, .last_segment = loader->position.segment, .pending = loader->pending,
		.pending_count = loader->pending_count, .is_cold = true, .index = &file->old, .copies = &file->copies };

	opened->position = loader->position;
	opened->position.index = loader->durable_index;
	opened->position.hash = loader->durable_hash;
	opened->is_clean = loader->is_clean;
	opened->rewritten = loader->pending_count;
	for (uint32_t i = loader->pending_count; i > 0; i--)
		journal_position_back(&opened->position, &loader->pending[i - 1].header);
	if (file->snapshots != NULL)
		snapshots_segment(file->snapshots, start.last_segment + 1, opened->position.lsn);
	code = segments_begin_epoch(&file->segments, &start, &opened->position) == 0 ? 0 : EXIT_JOURNAL;
	if (code == 0 && opened->position.index != loader->position.index)
		assert(!"the rewritten batches are those that were found");
out:
	loader_close(loader);
	return code;
}

static int
open_warm(struct backend_file *file, const struct backend_open *open, struct backend_opened *opened, uint64_t epoch)
{
	uint64_t missing;
	struct epoch_start start = { .epoch = epoch, .time_ms = open->time_ms, .continues_index = open->warm->index,
		.continues_hash = open->warm->hash, .last_segment = open->warm->segment };

	if (!file->store->has_current || !catalog_is_complete(&file->catalog, &file->store->current, &missing) ||
	    file->store->current.highest < open->warm->segment) {
		diag(DIAG_ERROR, "%s/journal is not the one that was being written: segments or `current` are missing",
		    file->store->directory);
		return EXIT_CORRUPT;
	}
	opened->position = *open->warm;
	if (file->snapshots != NULL)
		snapshots_segment(file->snapshots, start.last_segment + 1, opened->position.lsn);
	if (segments_begin_epoch(&file->segments, &start, &opened->position) != 0)
		return EXIT_JOURNAL;
	if (open->warm->index == 0)
		return 0;
	/* Fetches of old bodies wait for the index; nothing else does. */
	if (loader_open(&file->loader, file->store, &file->catalog, &file->old, open->warm->index) != 0)
		return EXIT_JOURNAL;
	file->loader.copies = &file->copies;
	file->loader.snapshots = file->snapshots;
	file->is_indexing = true;
	if (file->snapshots != NULL)
		file->snapshots->is_behind = true;
	return 0;
}

static int
file_open(struct backend *backend, const struct backend_open *open, struct backend_opened *opened)
{
	struct backend_file *file = self(backend);
	*opened = (struct backend_opened){ 0 };
	file->snapshots = open->snapshots;
	if (file->snapshots != NULL)
		file->snapshots->copies = &file->copies;
	if (catalog_read(&file->catalog, file->store) != 0)
		return EXIT_JOURNAL;
	uint64_t epoch = catalog_next_epoch(&file->catalog, &file->store->current);
	if (epoch < open->epoch_min)
		epoch = open->epoch_min;
	int code = open->warm != NULL ? open_warm(file, open, opened, epoch) : open_cold(file, open, opened, epoch);
	opened->epoch = epoch;
	backend->generation = file->store->current.generation;
	backend->segment = file->segments.active.number;
	backend->segments_opened = file->segments.opened;
	backend->segments_kept = file->catalog.count;
	if (!file->is_indexing)
		loaded(file);
	/* What was there before is durable by now. */
	file->durable = (struct lsn_location){ .segment = file->segments.active.number, .offset = file->segments.active.used_bytes };
	return code;
}

/* --- append --- */

static enum backend_append
file_append(struct backend *backend, struct batch *batch, uint32_t flight)
{
	struct backend_file *file = self(backend);
	struct disk_tag tag = { .user = DISK_COMMIT, .number = flight };

	if (!segments_write(&file->segments, batch, tag))
		return BACKEND_WAIT;
	const struct segment_file *active = &file->segments.active;
	/* Copies count when they are durable (file_landed). */
	if ((batch->header->flags & BATCH_COPY) == 0 &&
	    lsn_index_add(&file->live, batch->header, active->number, active->used_bytes - batch->header->total_bytes) != 0)
		diag(DIAG_ERROR, "bodies of batch %" PRIu64 " cannot be read back until the next start", batch->header->index);
	file->flown[flight] = (struct lsn_location){ .segment = active->number, .offset = active->used_bytes };
	backend->segment = active->number;
	backend->segments_opened = file->segments.opened;
	backend->segments_kept = file->catalog.count;
	return BACKEND_SUBMITTED;
}

static void
file_landed(struct backend *backend, const struct batch *batch, uint32_t flight)
{
	struct backend_file *file = self(backend);
	struct lsn_location end = file->flown[flight];

	file->durable = end;
	spares_land(&file->segments.spares);
	/* Until now fetches read the older place; should there be no memory for the new one, what was copied is lost to them. */
	if ((batch->header->flags & BATCH_COPY) != 0 &&
	    copies_add(&file->copies, batch->header, end.segment, end.offset - batch->header->total_bytes) != 0)
		abort(); /* said; the successor reads it from the journal */
}

/* --- reading --- */

static int
file_read(struct backend *backend, struct reader *reader, uint64_t segment)
{
	struct backend_file *file = self(backend);

	if (reader_open(reader, file->store, &file->catalog, false) != 0)
		return -1;
	if (segment != 0)
		reader_begin_at(reader, segment);
	file->readers++;
	return 0;
}

static void
file_read_end(struct backend *backend, struct reader *reader)
{
	struct backend_file *file = self(backend);

	assert(file->readers > 0);
	reader_close(reader);
	file->readers--;
}

static void
read_fd_close(struct backend_file *file, struct read_fd *slot)
{
	if (slot->segment == 0)
		return;
	/* A queued read knows the descriptor only by number: the kernel must have it before it is closed. */
	disk_submit(file->disk);
	if (slot->window_fd != slot->fd)
		disk_close_fd(slot->window_fd);
	disk_close_fd(slot->fd);
	*slot = (struct read_fd){ 0 };
}

/* Descriptors of that segment; NULL with errno. */
static const struct read_fd *
read_fd(struct backend_file *file, uint64_t segment)
{
	struct read_fd *slot = &file->read_fds[segment % READ_FDS];
	char name[SEGMENT_NAME_BYTES];

	if (slot->segment == segment)
		return slot;
	segment_name(name, segment);
	int fd = disk_open_read(file->store->journal_fd, name, DISK_READ_EXACT);
	if (fd < 0)
		return NULL;
	read_fd_close(file, slot);
	int window_fd = disk_open_read_direct(file->store->journal_fd, name);
	*slot = (struct read_fd){ .segment = segment, .fd = fd, .window_fd = window_fd >= 0 ? window_fd : fd };
	return slot;
}

/* How far a segment holds nothing that is still being written. */
static uint64_t
readable_end(const struct backend_file *file, uint64_t segment)
{
	if (segment == file->durable.segment)
		return file->durable.offset;
	return segment < file->durable.segment ? UINT64_MAX : 0;
}

/* Where a range lies: its newest copy, or where it was written first.  False: nowhere that is known (yet). */
static bool
file_locate(struct backend *backend, const struct backend_range *range, struct lsn_location *at)
{
	struct backend_file *file = self(backend);

	return copies_find(&file->copies, range->shard, range->lsn, range->bytes, at) ||
	    lsn_index_find(&file->live, range->shard, range->lsn, range->bytes, at) ||
	    lsn_index_find(&file->old, range->shard, range->lsn, range->bytes, at);
}

static enum backend_fetch
file_fetch(struct backend *backend, uint32_t number, const struct backend_range *range, void *to, const char **here)
{
	struct backend_file *file = self(backend);
	struct lsn_location at;

	if (!file_locate(backend, range, &at))
		return file->is_indexing && range->lsn < lsn_index_first(&file->live, range->shard) ? BACKEND_LATER : BACKEND_NONE;
	const struct read_fd *fds = read_fd(file, at.segment);
	if (fds == NULL) {
		diag_errno("cannot open segment %" PRIu64 " of %s/journal", at.segment, file->store->directory);
		return BACKEND_FAILED;
	}
	struct window_range wanted = { .segment = at.segment, .offset = at.offset, .bytes = range->bytes,
		.end = readable_end(file, at.segment), .fd = fds->window_fd };
	switch (windows_find(&file->windows, file->disk, &wanted, here)) {
	case WINDOW_HERE:
		return BACKEND_HERE;
	case WINDOW_COMING:
		return BACKEND_COMING;
	case WINDOW_EXACT:
		break;
	}
	assert(number < BACKEND_FETCHES && file->fetching[number] == 0);
	file->fetching[number] = at.segment;
	disk_queue_read(file->disk, (struct disk_tag){ .user = DISK_FETCH, .number = number }, fds->fd, to, range->bytes, at.offset);
	return BACKEND_FETCHING;
}

static void
file_fetched(struct backend *backend, uint32_t number)
{
	struct backend_file *file = self(backend);

	assert(number < BACKEND_FETCHES && file->fetching[number] != 0);
	file->fetching[number] = 0;
}

/*
 * A record may have been copied since its read was queued.  If the file were punched or written again now, the read would bring
 * something else, and a good message would be called corrupt.  Windows need no such care: nobody asks for a segment that is gone.
 */
static bool
is_being_fetched(const struct backend_file *file, uint64_t segment)
{
	for (uint32_t i = 0; i < BACKEND_FETCHES; i++) {
		if (file->fetching[i] == segment)
			return true;
	}
	return false;
}

static void
file_window_completed(struct backend *backend, uint32_t number, int32_t result)
{
	windows_completed(&self(backend)->windows, number, result);
}

/* --- trim --- */

static void
read_fd_forget(struct backend_file *file, uint64_t segment)
{
	struct read_fd *slot = &file->read_fds[segment % READ_FDS];

	windows_forget(&file->windows, segment);
	if (slot->segment == segment)
		read_fd_close(file, slot);
}

static void
file_trim(struct backend *backend, uint64_t floor, uint64_t durable_index)
{
	struct backend_file *file = self(backend);
	struct current_file *current = &file->store->current;
	const struct segment_entry *entry = catalog_find(&file->catalog, floor);

	assert(entry != NULL && entry->is_begun);
	if (floor <= current->floor || file->readers > 0 || file->is_indexing)
		return;
	/* First they need not exist, then they do not. */
	current->floor = floor;
	if (current->durable_index < durable_index)
		current->durable_index = durable_index;
	spares_write_current(&file->segments.spares);
}

/* Segments may go: no backup reads them.  One that hangs must not stop the broker: without space it loses what it reads. */
static bool
trim_begin(struct backend_file *file, uint64_t now_ns)
{
	if (!file->is_trimming && now_ns >= file->trim_retry_ns) {
		file->is_trimming = store_trim_begin(file->store);
		file->trim_retry_ns = now_ns + TRIM_RETRY_NS;
	}
	return file->is_trimming || spares_is_disk_full(&file->segments.spares);
}

/* The last file is gone, or has its new name. */
static void
trim_end(struct backend_file *file)
{
	enum spare_state state = file->segments.spares.state;

	if (!file->is_trimming || state == SPARE_REMOVING || state == SPARE_RECYCLING)
		return;
	store_trim_end(file->store);
	file->is_trimming = false;
	file->trim_retry_ns = 0;
}

/* Drop the lowest segment, if it is below a floor that is on stable storage. */
static bool
trim_step(struct backend_file *file, uint64_t now_ns)
{
	struct spares *spares = &file->segments.spares;
	const struct segment_entry *entry = &file->catalog.entries[0];

	if (file->catalog.count == 0 || entry->number >= spares->floor || file->readers > 0) {
		trim_end(file);
		return false;
	}
	if (is_being_fetched(file, entry->number) || !trim_begin(file, now_ns))
		return false;
	bool is_ours = entry->is_begun && entry->header.epoch == file->segments.epoch;
	if (!spares_drop(spares, entry->number, entry->file_bytes, is_ours))
		return false;
	read_fd_forget(file, entry->number);
	catalog_drop(&file->catalog, 1);
	lsn_index_forget(&file->old, spares->floor);
	lsn_index_forget(&file->live, spares->floor);
	copies_forget(&file->copies, spares->floor);
	if (file->snapshots != NULL)
		snapshots_forget(file->snapshots, spares->floor);
	file->backend.segments_dropped++;
	file->backend.segments_kept = file->catalog.count;
	return true;
}

/* --- in the background --- */

static void
index_slice(struct backend_file *file)
{
	struct loader *loader = &file->loader;
	enum loader_step step = LOADER_MORE;

	for (uint64_t bytes = 0; bytes < INDEX_SLICE_BYTES && step == LOADER_MORE;) {
		step = loader_step(loader);
		if (step == LOADER_MORE)
			bytes += loader->reader.header->total_bytes;
	}
	if (step == LOADER_MORE)
		return;
	if (step == LOADER_CORRUPT)
		diag(DIAG_ERROR, "the journal is damaged: %s.  Bodies stored from there on cannot be read back", loader->finding.text);
	loader_close(loader);
	file->is_indexing = false;
	loaded(file);
	if (file->snapshots != NULL) {
		file->snapshots->is_behind = false;
		file->snapshots->is_blind |= step != LOADER_DONE;
	}
}

static int
file_step(struct backend *backend, uint64_t now_ns)
{
	struct backend_file *file = self(backend);
	int did = trim_step(file, now_ns) || spares_step(&file->segments.spares, now_ns) ? 1 : 0;

	if (file->segments.spares.state == SPARE_BROKEN)
		return -1;
	backend->ready_bytes = spares_room_bytes(&file->segments.spares);
	backend->ready_wanted_bytes = spares_wanted_bytes(&file->segments.spares);
	if (file->is_indexing) {
		index_slice(file);
		did = 1;
	}
	if (copies_sweep(&file->copies))
		did = 1;
	return did;
}

static int
file_completed(struct backend *backend, int32_t result, uint64_t now_ns)
{
	return spares_completed(&self(backend)->segments.spares, result, now_ns);
}

static uint64_t
file_due_ns(const struct backend *backend, uint64_t now_ns)
{
	const struct backend_file *file = (const struct backend_file *)backend;

	return file->is_indexing || file->copies.is_sweeping ? 0 : spares_due_ns(&file->segments.spares, now_ns);
}

static uint64_t
file_room_bytes(const struct backend *backend)
{
	const struct segment_file *active = &((const struct backend_file *)backend)->segments.active;

	return active->bytes - active->used_bytes + spares_room_bytes(&((const struct backend_file *)backend)->segments.spares);
}

static uint64_t
file_file_bytes(const struct backend *backend, uint64_t segment)
{
	const struct segment_entry *entry = catalog_find(&((const struct backend_file *)backend)->catalog, segment);

	return entry != NULL ? entry->file_bytes : 0;
}

static bool
file_is_full(const struct backend *backend)
{
	return spares_is_disk_full(&((const struct backend_file *)backend)->segments.spares);
}

static uint64_t
file_new_generation(struct backend *backend)
{
	struct backend_file *file = self(backend);

	if (spares_is_writing_current(&file->segments.spares))
		return 0;
	file->store->current.generation++;
	if (store_save_current(file->store) != 0) {
		file->store->current.generation--;
		return 0;
	}
	backend->generation = file->store->current.generation;
	return backend->generation;
}

static bool
file_seal(struct backend *backend, uint64_t durable_index)
{
	struct backend_file *file = self(backend);

	if (spares_is_writing_current(&file->segments.spares))
		return false;
	file->store->current.durable_index = durable_index;
	(void)store_save_current(file->store); /* said */
	return true;
}

static void
file_close(struct backend *backend)
{
	struct backend_file *file = self(backend);

	if (file->is_indexing)
		loader_close(&file->loader);
	for (uint32_t i = 0; i < READ_FDS; i++)
		read_fd_close(file, &file->read_fds[i]);
	segments_close(&file->segments);
	windows_free(&file->windows); /* a read that is under way ends when this thread next enters the ring: never */
	lsn_index_free(&file->old);
	lsn_index_free(&file->live);
	copies_free(&file->copies);
	catalog_free(&file->catalog);
}

static const struct backend_ops file_ops = {
	.open = file_open,
	.append = file_append,
	.read = file_read,
	.read_end = file_read_end,
	.landed = file_landed,
	.locate = file_locate,
	.fetch = file_fetch,
	.fetched = file_fetched,
	.window_completed = file_window_completed,
	.trim = file_trim,
	.step = file_step,
	.completed = file_completed,
	.due_ns = file_due_ns,
	.room_bytes = file_room_bytes,
	.file_bytes = file_file_bytes,
	.is_full = file_is_full,
	.seal = file_seal,
	.new_generation = file_new_generation,
	.close = file_close,
};

int
backend_file_init(struct backend_file *file, struct store *store, struct disk *disk, const struct spare_options *options)
{
	*file = (struct backend_file){ .backend = { .ops = &file_ops, .store_uuid = store->uuid, .shards = store->shards,
		.reads_direct = options->direct != DISK_DIRECT_OFF, .segment_bytes = options->segment_bytes },
		.store = store, .disk = disk };
	lsn_index_init(&file->old);
	lsn_index_init(&file->live);
	copies_init(&file->copies);
	return segments_open(&file->segments, store, disk, &file->catalog, options);
}
