/*
 * Snapshots in the journal: which count, what they need, and that what they do not need goes and is not missed.
 */
#include <stdio.h>

#include "persistd/check.h"
#include "tests/unit/persist_world.h"

enum { LIVE_MAX = 64, BODY = 900000 };

/* A message that still waits, as a worker would know it. */
struct waiting {
	uint64_t lsn;
	uint32_t body_bytes;
};

static struct world world;
static struct waiting waiting[WORLD_SHARDS][LIVE_MAX];
static uint32_t waiting_count[WORLD_SHARDS];

static void
setup(void)
{
	world_make(&world);
	memset(waiting_count, 0, sizeof(waiting_count));
	ck_assert_int_eq(world_open(&world), 0);
}

static void
teardown(void)
{
	world_crash(&world);
	world_remove(&world);
}

static void
again(void)
{
	world_crash(&world);
	ck_assert_int_eq(world_open(&world), 0);
}

static int
check_quietly(bool repairs)
{
	int said = dup(STDOUT_FILENO), nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);

	fflush(stdout);
	ck_assert_int_ge(dup2(nothing, STDOUT_FILENO), 0);
	int code = check_main(world.directory, repairs);
	fflush(stdout);
	ck_assert_int_ge(dup2(said, STDOUT_FILENO), 0);
	close(nothing);
	close(said);
	return code;
}

/* --- a worker's streams --- */

static void
publish(uint32_t shard, uint32_t body_bytes, bool is_kept)
{
	uint64_t lsn = world_append(&world, shard, body_bytes);

	ck_assert_int_eq(world_settle(&world), 0);
	if (!is_kept)
		return;
	ck_assert_uint_lt(waiting_count[shard], LIVE_MAX);
	waiting[shard][waiting_count[shard]++] = (struct waiting){ .lsn = lsn, .body_bytes = body_bytes };
}

/* Segments go by, full of messages that nobody needs. */
static void
pass_segments(uint32_t shard, unsigned count)
{
	uint64_t last = world.file.segments.active.number + count;

	while (world.file.segments.active.number < last)
		publish(shard, BODY, false);
}

static void
images(uint32_t shard, uint64_t begun_lsn, const struct waiting *messages, uint32_t count)
{
	_Alignas(8) static char rest[sizeof(struct snapshot_images_record) + LIVE_MAX * sizeof(struct image_message)];
	uint32_t head[4] = { (uint32_t)begun_lsn, (uint32_t)(begun_lsn >> 32), count, 0 };
	uint32_t at = sizeof(head);

	memcpy(rest, head, sizeof(head));
	for (uint32_t i = 0; i < count; i++, at += (uint32_t)sizeof(struct image_message)) {
		struct image_message message = { .image = { .kind = IMAGE_MESSAGE, .bytes = sizeof(message), .idx = i },
			.lsn = messages[i].lsn, .body_bytes = messages[i].body_bytes };

		memcpy(rest + at, &message, sizeof(message));
	}
	world_append_record(&world, shard, RECORD_SNAPSHOT_IMAGES, rest, at);
}

/* A whole snapshot of a shard, as its waiting messages are. */
static uint64_t
snapshot(uint32_t shard)
{
	uint64_t begun_lsn = world_snapshot_begin(&world, shard);

	images(shard, begun_lsn, waiting[shard], waiting_count[shard]);
	world_snapshot_end(&world, shard, begun_lsn, waiting_count[shard]);
	return begun_lsn;
}

static void
snapshot_all(void)
{
	for (uint32_t s = 0; s < WORLD_SHARDS; s++)
		(void)snapshot(s);
}

static void
fetch_waiting(void)
{
	for (uint32_t s = 0; s < WORLD_SHARDS; s++) {
		for (uint32_t i = 0; i < waiting_count[s]; i++)
			world_fetch(&world, s, waiting[s][i].lsn, waiting[s][i].body_bytes);
	}
}

static unsigned
files(const char *pattern)
{
	char path[128];
	struct dirent *found;
	unsigned count = 0;

	snprintf(path, sizeof(path), "%s/journal", world.directory);
	DIR *directory = opendir(path);
	ck_assert_ptr_nonnull(directory);
	while ((found = readdir(directory)) != NULL)
		count += strstr(found->d_name, pattern) != NULL;
	closedir(directory);
	return count;
}

/* --- which count --- */

START_TEST(a_snapshot_counts_when_its_end_is_there_and_no_image_is_missing)
{
	uint64_t first, second, third;

	publish(0, 100, true);
	publish(0, 200, true);
	ck_assert_ptr_null(snapshots_newest(&world.snapshots, 0));
	first = world_snapshot_begin(&world, 0);
	images(0, first, waiting[0], 1);
	ck_assert_ptr_null(snapshots_newest(&world.snapshots, 0));
	world_snapshot_end(&world, 0, first, 2); /* one is missing */
	ck_assert_ptr_null(snapshots_newest(&world.snapshots, 0));
	ck_assert_uint_eq(world.snapshots.given_up, 1);

	second = snapshot(0);
	ck_assert_uint_eq(snapshots_newest(&world.snapshots, 0)->begun_lsn, second);
	ck_assert_uint_eq(snapshots_newest(&world.snapshots, 0)->images, 2);
	ck_assert_uint_eq(world.snapshots.shard[0].older.begun_lsn, 0);
	/* One that is begun and another that is told to the end. */
	(void)world_snapshot_begin(&world, 0);
	third = snapshot(0);
	ck_assert_uint_eq(snapshots_newest(&world.snapshots, 0)->begun_lsn, third);
	ck_assert_uint_eq(world.snapshots.shard[0].older.begun_lsn, second);
	ck_assert_uint_eq(world.snapshots.given_up, 2);
	/* Images and an end of a snapshot that nobody began. */
	images(0, second, waiting[0], 2);
	world_snapshot_end(&world, 0, second, 2);
	ck_assert_uint_eq(snapshots_newest(&world.snapshots, 0)->begun_lsn, third);
	ck_assert_ptr_null(snapshots_newest(&world.snapshots, 1));
}
END_TEST

START_TEST(a_cold_and_a_warm_start_find_the_same_snapshots_as_who_wrote_them)
{
	uint64_t older, newer;

	publish(0, 5000, true);
	pass_segments(0, 2);
	older = snapshot(0);
	publish(0, 7000, true);
	pass_segments(1, 1);
	newer = snapshot(0);
	(void)world_snapshot_begin(&world, 0);
	for (unsigned start = 0; start < 3; start++) {
		const struct shard_snapshots *shard = &world.snapshots.shard[0];

		ck_assert_uint_eq(shard->older.begun_lsn, older);
		ck_assert_uint_eq(shard->newer.begun_lsn, newer);
		ck_assert_uint_eq(shard->newer.images, 2);
		ck_assert_uint_eq(snapshots_live(&world.snapshots, 1, false).messages, 1);
		ck_assert_uint_eq(snapshots_live(&world.snapshots, 1, false).bytes, RECORD_PUBLISHED_BYTES + 5000);
		ck_assert_uint_eq(snapshots_live(&world.snapshots, 3, true).messages, 1);
		ck_assert_uint_eq(snapshots_segment_of(&world.snapshots, 0, older), 3);
		struct journal_position warm = world.journal.durable;
		world_crash(&world);
		ck_assert_int_eq(start == 1 ? world_open(&world) : world_open_with(&world, &warm, 2), 0);
		if (start != 1) {
			ck_assert(world.snapshots.is_behind);
			ck_assert_uint_eq(snapshots_floor(&world.snapshots, false), 0);
			publish(0, 10, false);
		}
		ck_assert_int_eq(world_settle(&world), 0);
		ck_assert(!world.snapshots.is_behind);
	}
}
END_TEST

START_TEST(a_message_that_the_journal_does_not_hold_is_lost_and_the_others_are_not)
{
	struct waiting lost = { .lsn = LSN_FIRST - 8, .body_bytes = 100 };
	uint64_t begun = world_snapshot_begin(&world, 0);

	images(0, begun, &lost, 1);
	world_snapshot_end(&world, 0, begun, 1);
	ck_assert_ptr_nonnull(snapshots_newest(&world.snapshots, 0));
	struct journal_position warm = world.journal.durable;
	for (unsigned cold = 0; cold < 2; cold++) {
		diag_set_level(DIAG_ERROR);
		world_crash(&world);
		ck_assert_int_eq(cold != 0 ? world_open(&world) : world_open_with(&world, &warm, 2), 0);
		ck_assert_int_eq(world_settle(&world), 0);
		ck_assert_ptr_nonnull(snapshots_newest(&world.snapshots, 0));
		ck_assert_uint_eq(world.snapshots.lost, 1);
	}
}
END_TEST

/* --- what they need --- */

START_TEST(nothing_goes_before_each_shard_has_two_snapshots)
{
	pass_segments(0, 3);
	(void)snapshot(0);
	(void)snapshot(1);
	(void)snapshot(0);
	ck_assert_uint_eq(snapshots_floor(&world.snapshots, false), 0);
	(void)snapshot(1);
	ck_assert_uint_eq(snapshots_floor(&world.snapshots, false), 4);
}
END_TEST

START_TEST(segments_go_up_to_the_first_that_holds_a_waiting_message_and_the_rest_is_there_after_any_start)
{
	struct backend_range gone = { .lsn = LSN_FIRST, .shard = 0, .bytes = RECORD_PUBLISHED_BYTES + FRAME_ALIGN(BODY) };
	const char *here;

	pass_segments(0, 4);
	publish(1, 4321, true);
	uint64_t holds = world.file.segments.active.number;
	pass_segments(0, 3);
	snapshot_all();
	publish(0, 77, true);
	snapshot_all();
	ck_assert_uint_eq(snapshots_floor(&world.snapshots, false), holds);
	world_trim(&world);
	ck_assert_uint_eq(world.store.current.floor, holds);
	ck_assert_uint_eq(world.file.catalog.entries[0].number, holds);
	ck_assert(!world_exists(&world, "0000000000000001.seg"));
	ck_assert(world.file.backend.ops->fetch(&world.file.backend, 5, &gone, world.directory, &here) == BACKEND_NONE);
	fetch_waiting();
	for (unsigned start = 0; start < 4; start++) {
		struct journal_position before = world.journal.durable;

		world_crash(&world);
		ck_assert_int_eq(check_quietly(false), 0);
		ck_assert_int_eq(start % 2 == 0 ? world_open(&world) : world_open_with(&world, &before, 2), 0);
		ck_assert_uint_eq(world.journal.durable.index, before.index);
		ck_assert_mem_eq(world.journal.durable.lsn, before.lsn, WORLD_SHARDS * sizeof(before.lsn[0]));
		ck_assert_int_eq(world_settle(&world), 0);
		ck_assert(world.file.backend.ops->fetch(&world.file.backend, 5, &gone, world.directory, &here) == BACKEND_NONE);
		fetch_waiting();
		publish(0, 33, true);
	}
}
END_TEST

START_TEST(the_disk_use_stays_the_same_however_much_goes_through)
{
	unsigned most = 0;

	for (unsigned i = 0; i < 12; i++) {
		pass_segments(i % 2, 2);
		publish(i % 2, 50 + i, false);
		snapshot_all();
		if (i < 2)
			continue;
		world_trim(&world);
		if (files(".seg") + files("spare.") + files("used.") > most)
			most = files(".seg") + files("spare.") + files("used.");
		if (i % 4 == 3)
			again();
	}
	ck_assert_uint_gt(world.store.current.floor, 15);
	/* Two rounds of two segments, the one being written, the next, the spare one, and up to four recycled. */
	ck_assert_uint_le(most, 11);
	again();
	ck_assert_int_eq(world_settle(&world), 0);
}
END_TEST

START_TEST(nothing_is_dropped_under_somebody_who_reads)
{
	struct backend *backend = &world.file.backend;
	struct reader reader;
	unsigned batches = 0;

	pass_segments(0, 3);
	snapshot_all();
	snapshot_all();
	ck_assert_int_eq(backend->ops->read(backend, &reader, 0), 0);
	world_trim(&world);
	ck_assert_uint_eq(world.file.catalog.entries[0].number, 1);
	reader.stop_index = world.journal.durable.index;
	while (reader_next(&reader) == READER_BATCH)
		batches++;
	ck_assert_uint_eq(batches, world.journal.durable.index);
	backend->ops->read_end(backend, &reader);
	world_trim(&world);
	ck_assert_uint_eq(world.file.catalog.entries[0].number, 4);
}
END_TEST

/* Its record may lie elsewhere by now, and the file be written again before the read has come. */
START_TEST(nothing_is_dropped_under_a_body_that_is_being_read)
{
	uint32_t bytes = RECORD_PUBLISHED_BYTES + FRAME_ALIGN(BODY);
	struct backend_range range = { .lsn = LSN_FIRST, .shard = 0, .bytes = bytes };
	struct backend *backend = &world.file.backend;
	char *seen = calloc(2, bytes), *wanted = seen + bytes;
	const char *here;

	ck_assert_ptr_nonnull(seen);
	pass_segments(0, 3);
	snapshot_all();
	snapshot_all();
	ck_assert_int_eq(backend->ops->fetch(backend, 5, &range, seen, &here), BACKEND_FETCHING);
	world_trim(&world);
	ck_assert_uint_eq(world.store.current.floor, 4);
	ck_assert_uint_eq(world.file.catalog.entries[0].number, 1);
	ck_assert(world_exists(&world, "0000000000000001.seg"));

	ck_assert_uint_eq(world_record(wanted, LSN_FIRST, BODY), bytes);
	ck_assert_mem_eq(seen, wanted, bytes);
	backend->ops->fetched(backend, 5);
	ck_assert_int_eq(world_settle(&world), 0);
	ck_assert_uint_eq(world.file.catalog.entries[0].number, 4);
	free(seen);
}
END_TEST

/* --- recycled files --- */

START_TEST(recycled_segments_are_full_of_old_batches_and_none_of_them_counts)
{
	uint64_t recycled = 0;

	for (unsigned i = 0; i < 8; i++) {
		/* Small ones among large, so that old batches lie where new ones end. */
		pass_segments(0, 1);
		publish(1, 100 + i, i % 3 == 0);
		world_append_large(&world, 0, 3000000);
		ck_assert_int_eq(world_settle(&world), 0);
		if (i % 3 == 0)
			waiting_count[1] = 0;
		snapshot_all();
		if (i == 0)
			continue;
		world_trim(&world);
		recycled += world.file.segments.spares.count > 1;
	}
	ck_assert_uint_gt(recycled, 0);
	/* What is taken next is a recycled file, and the journal ends in the middle of its old batches. */
	pass_segments(0, 3);
	for (unsigned i = 0; i < 20; i++) {
		struct journal_position before = world.journal.durable;

		ck_assert_uint_gt(world.store.current.floor, 3);
		world_crash(&world);
		ck_assert_int_eq(check_quietly(false), 0);
		ck_assert_int_eq(world_open(&world), 0);
		ck_assert_uint_eq(world.journal.durable.index, before.index);
		ck_assert_mem_eq(world.journal.durable.lsn, before.lsn, WORLD_SHARDS * sizeof(before.lsn[0]));
		fetch_waiting();
		publish(i % 2, 100 * i, false);
	}
}
END_TEST

START_TEST(a_file_that_a_predecessor_wrote_to_is_removed_and_not_used_again)
{
	pass_segments(0, 3);
	struct journal_position warm = world.journal.durable;
	world_crash(&world);
	ck_assert_int_eq(world_open_with(&world, &warm, 2), 0);
	ck_assert_int_eq(world_settle(&world), 0);
	snapshot_all();
	snapshot_all();
	uint32_t before = world.file.segments.spares.count;
	world_trim(&world);
	ck_assert_uint_ge(world.store.current.floor, 4);
	ck_assert_uint_eq(world.file.segments.spares.count, before);
	/* Our own are: the first of our epoch has the size of all others here. */
	pass_segments(0, 2);
	snapshot_all();
	snapshot_all();
	world_trim(&world);
	ck_assert_uint_gt(world.file.segments.spares.count, before);
}
END_TEST

START_TEST(a_segment_of_another_size_is_removed_and_not_used_again)
{
	struct spares *spares = &world.file.segments.spares;

	pass_segments(0, 3);
	snapshot_all();
	snapshot_all();
	spares->options.segment_bytes += BLOCK_BYTES;
	uint32_t before = spares->count;
	world_trim(&world);
	ck_assert_uint_eq(world.file.catalog.entries[0].number, 4);
	ck_assert_uint_eq(spares->count, before);
	spares->options.segment_bytes -= BLOCK_BYTES;
}
END_TEST

START_TEST(what_was_dropped_and_not_removed_goes_with_the_next_start)
{
	pass_segments(0, 4);
	snapshot_all();
	snapshot_all();
	/* The floor is on the disk, and then it is dark. */
	world.store.current.floor = snapshots_floor(&world.snapshots, false);
	ck_assert_int_eq(store_save_current(&world.store), 0);
	ck_assert(world_exists(&world, "0000000000000002.seg"));
	again();
	ck_assert(!world_exists(&world, "0000000000000002.seg"));
	ck_assert_uint_eq(world.file.catalog.entries[0].number, 5);
	ck_assert_int_eq(check_quietly(false), EXIT_LOCKED);
}
END_TEST

/* --- damage --- */

START_TEST(a_trimmed_journal_without_a_complete_snapshot_is_damaged_and_names_the_shard)
{
	pass_segments(0, 3);
	snapshot_all();
	snapshot_all();
	world_trim(&world);
	world_crash(&world);
	/* A floor that is higher than the snapshots allow, as no trim leaves it. */
	struct store store;
	ck_assert_int_eq(store_open(&store, world.directory, NULL, WORLD_SHARDS, STORE_LOCK_PERSISTD), 0);
	ck_assert_uint_eq(store.current.floor, 4);
	store_close(&store);
	ck_assert_int_eq(world_open(&world), 0);
	pass_segments(0, 3);
	world.store.current.floor = world.file.segments.active.number;
	ck_assert_int_eq(store_save_current(&world.store), 0);
	world_crash(&world);
	ck_assert_int_eq(world_open(&world), EXIT_CORRUPT);
	ck_assert_ptr_nonnull(strstr(world.file.loader.finding.text, "no complete snapshot of shard 0"));
	world_crash(&world);
	ck_assert_int_eq(check_quietly(false), EXIT_CORRUPT);
	ck_assert_int_eq(check_quietly(true), EXIT_CORRUPT);
	/* For the teardown. */
	world_remove(&world);
	world_make(&world);
	ck_assert_int_eq(world_open(&world), 0);
}
END_TEST

START_TEST(damage_to_the_newer_snapshot_leaves_the_older_one_to_repair_from)
{
	char name[SEGMENT_NAME_BYTES];
	uint64_t older[WORLD_SHARDS];

	publish(0, 500, false);
	pass_segments(0, 3);
	publish(1, 600, true);
	for (uint32_t s = 0; s < WORLD_SHARDS; s++)
		older[s] = snapshot(s);
	pass_segments(1, 2);
	segment_name(name, world.file.segments.active.number);
	uint64_t offset = world.file.segments.active.used_bytes;
	snapshot_all();
	world_trim(&world);
	ck_assert_uint_gt(world.store.current.floor, 1);
	world_write(&world, 0, 10);
	world_crash(&world);
	world_flip_bit(&world, name, offset + 300);
	ck_assert_int_eq(world_open(&world), EXIT_CORRUPT);
	world_crash(&world);
	ck_assert_int_eq(check_quietly(true), 0);
	ck_assert_int_eq(world_open(&world), 0);
	for (uint32_t s = 0; s < WORLD_SHARDS; s++)
		ck_assert_uint_eq(snapshots_newest(&world.snapshots, s)->begun_lsn, older[s]);
	fetch_waiting();
	/* With only one left nothing goes until there is another. */
	ck_assert_uint_eq(snapshots_floor(&world.snapshots, false), 0);
}
END_TEST

static Suite *
snapshots_suite(void)
{
	Suite *suite = suite_create("persistd/snapshots");
	TCase *tests = tcase_create("snapshots");

	tcase_set_timeout(tests, 120);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, a_snapshot_counts_when_its_end_is_there_and_no_image_is_missing);
	tcase_add_test(tests, a_cold_and_a_warm_start_find_the_same_snapshots_as_who_wrote_them);
	tcase_add_test(tests, a_message_that_the_journal_does_not_hold_is_lost_and_the_others_are_not);
	tcase_add_test(tests, nothing_goes_before_each_shard_has_two_snapshots);
	tcase_add_test(tests, segments_go_up_to_the_first_that_holds_a_waiting_message_and_the_rest_is_there_after_any_start);
	tcase_add_test(tests, the_disk_use_stays_the_same_however_much_goes_through);
	tcase_add_test(tests, nothing_is_dropped_under_somebody_who_reads);
	tcase_add_test(tests, nothing_is_dropped_under_a_body_that_is_being_read);
	tcase_add_test(tests, recycled_segments_are_full_of_old_batches_and_none_of_them_counts);
	tcase_add_test(tests, a_file_that_a_predecessor_wrote_to_is_removed_and_not_used_again);
	tcase_add_test(tests, a_segment_of_another_size_is_removed_and_not_used_again);
	tcase_add_test(tests, what_was_dropped_and_not_removed_goes_with_the_next_start);
	tcase_add_test(tests, a_trimmed_journal_without_a_complete_snapshot_is_damaged_and_names_the_shard);
	tcase_add_test(tests, damage_to_the_newer_snapshot_leaves_the_older_one_to_repair_from);
	suite_add_tcase(suite, tests);
	return suite;
}

UNIT_MAIN(snapshots_suite)
