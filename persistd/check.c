#include "persistd/check.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "persistd/loader.h"
#include "persistd/records.h"
#include "persistd/segment.h"
#include "persistd/store.h"
#include "shm/diag.h"

struct check {
	struct store store;
	struct catalog catalog;
	struct loader loader;
	struct snapshots snapshots;
	struct copies copies;
	struct records records;
	bool is_corrupt;         /* loader.finding says what and where */
};

static void
print_bad_message(void *context, uint32_t shard, uint64_t lsn)
{
	const struct check *check = context;

	printf("%s/journal/" SEGMENT_NAME_FORMAT " at offset %" PRIu64 ": message of shard %" PRIu32 ", LSN %" PRIu64
	    " does not match its checksum; it will not be delivered\n", check->store.directory, check->loader.reader.header_segment,
	    check->loader.reader.header_offset, shard, lsn);
}

/* --- examine --- */

/* Read everything.  0, or an exit code; what was found is in check. */
static int
examine(struct check *check, bool ignores_missing)
{
	struct loader *loader = &check->loader;
	enum loader_step step;

	check->records = (struct records){ .bad = print_bad_message, .context = check };
	check->is_corrupt = false;
	if (loader_open(loader, &check->store, &check->catalog, NULL, LOADER_TO_THE_END) != 0)
		return EXIT_JOURNAL;
	loader->ignores_missing = ignores_missing;
	snapshots_free(&check->snapshots);
	copies_free(&check->copies);
	snapshots_init(&check->snapshots, check->store.shards);
	check->snapshots.copies = loader->copies = &check->copies;
	loader->snapshots = &check->snapshots;
	do {
		step = loader_step(loader);
		if (step == LOADER_MORE && !records_add(&check->records, loader->reader.header)) {
			printf("%s/journal/" SEGMENT_NAME_FORMAT " at offset %" PRIu64 ": the batch is whole but holds no records\n",
			    check->store.directory, loader->reader.header_segment, loader->reader.header_offset);
			return EXIT_CORRUPT;
		}
	} while (step == LOADER_MORE);
	snapshots_settle(&check->snapshots);
	if (check->snapshots.lost > 0)
		printf("%" PRIu64 " messages of the newest snapshots are nowhere: they had been copied behind what was "
		    "damaged once; they will not be delivered\n", check->snapshots.lost);
	check->is_corrupt = step == LOADER_CORRUPT;
	if (check->is_corrupt)
		printf("damaged: %s\n", loader->finding.text);
	return step == LOADER_FAILED ? EXIT_JOURNAL : 0;
}

static void
report(const struct check *check)
{
	const struct loader *loader = &check->loader;

	printf("%s: %" PRIu32 " segments, %" PRIu64 " batches up to index %" PRIu64 ", %" PRIu64 " records, %" PRIu64 " messages",
	    check->store.directory, check->catalog.count, loader->batches, loader->position.index,
	    check->records.records, check->records.messages);
	if (check->records.copies > 0)
		printf(", %" PRIu64 " copies of older ones", check->records.copies);
	printf("%s\n", loader->is_clean ? ", closed cleanly" : "");
	for (uint32_t s = 0; s < check->store.shards; s++) {
		const struct journal_snapshot *newest = snapshots_newest(&check->snapshots, s);

		if (newest != NULL)
			printf("the newest snapshot of shard %" PRIu32 " is at LSN %" PRIu64 ": %" PRIu64 " images, %" PRIu64 " bytes\n", s,
			    newest->begun_lsn, newest->images, newest->bytes);
	}
	if (!check->is_corrupt && loader->reader.reason != NULL && !loader->is_clean)
		printf("the journal ends at " SEGMENT_NAME_FORMAT ", offset %" PRIu64 "\n", loader->reader.segment, loader->reader.offset);
}

/* --- repair --- */

/* One whole batch behind the damage. */
static void
print_dropped(uint64_t segment, uint64_t offset, const struct batch_header *header)
{
	const struct batch_range *ranges = batch_ranges(header);

	printf("drops batch %" PRIu64 " in " SEGMENT_NAME_FORMAT " at offset %" PRIu64 "%s:", header->index, segment, offset,
	    (header->flags & BATCH_COPY) != 0 ? " (copies of older messages)" : "");
	for (uint32_t i = 0; i < header->ranges; i++)
		printf(" shard %" PRIu32 " LSN %" PRIu64 "..%" PRIu64, ranges[i].shard, ranges[i].lsn, ranges[i].lsn + ranges[i].bytes);
	printf("\n");
}

/* All whole batches of one segment that come after the last one kept.  -1 after a diag. */
static int
print_dropped_segment(struct check *check, uint64_t number, uint64_t from, uint64_t *count)
{
	char name[SEGMENT_NAME_BYTES], *buffer = check->loader.reader.buffer; /* the reader has come to its end */
	int64_t bytes = 0;

	segment_name(name, number);
	int fd = disk_open_read(check->store.journal_fd, name, DISK_READ_THROUGH);
	for (uint64_t at = from; fd >= 0; at += (uint64_t)bytes) {
		bytes = disk_read(fd, buffer, READER_SLICE_BYTES, at);
		if (bytes <= 0)
			break;
		for (int64_t i = 0; i + BLOCK_BYTES <= bytes; i += BLOCK_BYTES) {
			const struct batch_header *header = (const struct batch_header *)(buffer + i);

			if (!batch_header_is_whole(header, BLOCK_BYTES, check->store.uuid) || header->index <= check->loader.position.index)
				continue;
			print_dropped(number, at + (uint64_t)i, header);
			++*count;
		}
	}
	if (fd < 0 || bytes < 0) {
		diag_errno("cannot read %s/journal/%s", check->store.directory, name);
		disk_close_fd(fd);
		return -1;
	}
	disk_close_fd(fd);
	return 0;
}

static int
print_all_dropped(struct check *check)
{
	const struct loader *loader = &check->loader;
	uint64_t count = 0;

	for (uint32_t i = 0; i < check->catalog.count; i++) {
		uint64_t number = check->catalog.entries[i].number;

		if (number < loader->reader.segment)
			continue;
		if (print_dropped_segment(check, number, number == loader->reader.segment ? loader->reader.offset : 0, &count) != 0)
			return -1;
	}
	printf("drops %" PRIu64 " whole batches behind batch %" PRIu64 ", and what was damaged\n", count, loader->position.index);
	return 0;
}

/* Segments behind the last batch that is kept stay as files under another name. */
static int
set_aside(struct check *check, uint64_t last_segment)
{
	char name[SEGMENT_NAME_BYTES], aside[SEGMENT_NAME_BYTES + 16];

	for (uint32_t i = check->catalog.count; i > 0 && check->catalog.entries[i - 1].number > last_segment; i--) {
		segment_name(name, check->catalog.entries[i - 1].number);
		snprintf(aside, sizeof(aside), "%s.dropped", name);
		if (disk_rename(check->store.journal_fd, name, aside) != 0) {
			diag_errno("cannot rename %s/journal/%s", check->store.directory, name);
			return -1;
		}
		printf("renamed %s to %s\n", name, aside);
	}
	catalog_cut(&check->catalog, last_segment + 1);
	return disk_sync(check->store.journal_fd);
}

/* What can be known of `current` when the file itself is gone. */
static void
rebuild_current(struct check *check)
{
	struct current_file *current = &check->store.current;
	uint32_t count = check->catalog.count;

	if (check->store.has_current)
		return;
	current->floor = count > 0 ? check->catalog.entries[0].number : 1;
	current->highest = current->floor - 1;
	for (uint32_t i = 0; i < count; i++) {
		if (check->catalog.entries[i].header.epoch > current->epoch)
			current->epoch = check->catalog.entries[i].header.epoch;
	}
	printf("rebuilds journal/current: segments from %" PRIu64 ", epoch %" PRIu64 "\n", current->floor, current->epoch);
}

/* Begin an epoch after the last good batch, exactly as a start does. */
static int
cut(struct check *check)
{
	struct loader *loader = &check->loader;
	struct spare_options options = { .segment_bytes = SEGMENT_BYTES_MIN, .spare_segments = 1, .direct = DISK_DIRECT_AUTO };
	struct journal_position position = loader->position;
	struct segments segments;
	struct epoch_start start = { .epoch = catalog_next_epoch(&check->catalog, &check->store.current), .time_ms = (uint64_t)time(NULL) * 1000,
		.continues_index = loader->durable_index, .continues_hash = loader->durable_hash,
		.last_segment = loader->position.segment, .pending = loader->pending, .pending_count = loader->pending_count,
		.is_cold = true };

	if (check->store.current.generation < check->records.generation)
		check->store.current.generation = check->records.generation;
	position.index = start.continues_index;
	position.hash = start.continues_hash;
	if (segments_open(&segments, &check->store, NULL, &check->catalog, &options) != 0)
		return EXIT_JOURNAL;
	int code = segments_begin_epoch(&segments, &start, &position) == 0 ? 0 : EXIT_JOURNAL;
	segments_close(&segments);
	if (code == 0)
		printf("repaired: the journal goes on after batch %" PRIu64 " in segment %" PRIu64 "\n", position.index, position.segment);
	return code;
}

static int
repair(struct check *check)
{
	uint32_t shard;
	int code;

	rebuild_current(check);
	if (check->catalog.count == 0 || check->catalog.entries[0].number != check->store.current.floor) {
		printf("the first segment is missing: what is left cannot be understood without it; restore a backup\n");
		return EXIT_CORRUPT;
	}
	loader_close(&check->loader);
	/* Again, to find how far one can read although something is missing. */
	if ((code = examine(check, true)) != 0)
		return code;
	if (check->store.current.floor > 1 && !snapshots_are_complete(&check->snapshots, &shard)) {
		printf("older segments were dropped, and what is left before the damage has no complete snapshot of shard %" PRIu32
		    ": it cannot be understood; restore a backup\n", shard);
		return EXIT_CORRUPT;
	}
	if (print_all_dropped(check) != 0 || set_aside(check, check->loader.position.segment) != 0)
		return EXIT_JOURNAL;
	return cut(check);
}

int
check_main(const char *directory, bool repairs)
{
	static struct check check; /* the process's one context */
	int code;

	check = (struct check){ 0 };
	code = store_open(&check.store, directory, NULL, 0, STORE_LOCK_ALL);
	if (code != 0)
		return code;
	if (catalog_read(&check.catalog, &check.store) != 0) {
		store_close(&check.store);
		return EXIT_JOURNAL;
	}
	code = examine(&check, false);
	if (code == 0)
		report(&check);
	if (code == 0 && check.is_corrupt) {
		code = repairs ? repair(&check) : EXIT_CORRUPT;
		if (!repairs)
			printf("nothing was changed; --repair cuts the journal there, and says what that drops\n");
	}
	if (code == 0 && check.records.bad_messages + check.snapshots.lost > 0)
		code = EXIT_CORRUPT;
	loader_close(&check.loader);
	snapshots_free(&check.snapshots);
	copies_free(&check.copies);
	catalog_free(&check.catalog);
	store_close(&check.store);
	return code;
}
