/*
 * The cleaner, in a journal without processes: what is needed of old segments is copied, these are
 * dropped, and every message that is needed can be read, whatever happens in between.
 */
#include "persistd/cleaner.h"
#include "shm/image.h"
#include "tests/unit/persist_world.h"

enum { MESSAGES_MAX = 20000, IMAGES_PER_RECORD = 300, TURNS_MAX = 200000 };

static struct world world;
static struct cleaner cleaner;
static struct stats_shared stats;
static uint64_t now, random_state;
static bool is_held;       /* nothing is cleaned yet */

/* What clients have: messages that wait. */
static struct message {
	uint64_t lsn;
	uint32_t shard, body_bytes;
	bool is_live;
} messages[MESSAGES_MAX];
static uint32_t message_count;

static uint64_t
any(uint64_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % below;
}

static void
cleaner_begin(void)
{
	memset(&stats, 0, sizeof(stats));
	ck_assert_int_eq(cleaner_open(&cleaner, &world.file.backend, &world.journal, &world.snapshots, &stats), 0);
}

static void
open_all(const struct journal_position *warm)
{
	ck_assert_int_eq(world_open_with(&world, warm, 2), 0);
	cleaner_begin();
}

static void
crash(void)
{
	/* Reads that are under way end in its memory. */
	struct disk_completion completion;

	while (disk_pending(world.disk) > 0) {
		disk_park(world.disk, -1, 100);
		while (disk_reap(world.disk, &completion))
			;
	}
	cleaner_close(&cleaner);
	world_crash(&world);
}

static void
setup(void)
{
	world_make(&world);
	now = 1000000000;
	random_state = 88172645463325252ull;
	message_count = 0;
	is_held = false;
	open_all(NULL);
}

static void
teardown(void)
{
	world_remove(&world);
}

/* --- a turn, as persist.c makes it --- */

static bool
reap(void)
{
	struct disk_completion completion;
	struct backend *backend = &world.file.backend;
	const struct flight *flight;
	bool has_moved = false;

	while (disk_reap(world.disk, &completion)) {
		has_moved = true;
		if (completion.tag.user == DISK_COMMIT)
			ck_assert_int_eq(journal_land(&world.journal, completion.tag.number, completion.result, now), 0);
		else if (completion.tag.user == DISK_SPARE)
			ck_assert_int_eq(backend->ops->completed(backend, completion.result, now), 0);
		else if (completion.tag.user == DISK_WINDOW)
			backend->ops->window_completed(backend, completion.tag.number, completion.result);
		else if (completion.tag.user == DISK_FETCH && completion.tag.number == CLEANER_FETCH) {
			backend->ops->fetched(backend, completion.tag.number);
			cleaner_completed(&cleaner, completion.result);
		}
	}
	while ((flight = journal_next_durable(&world.journal)) != NULL)
		world_landed(&world, flight);
	return has_moved;
}

static bool
clean(void)
{
	bool has_moved, has_waited;

	if (is_held)
		return false;
	has_moved = cleaner_step(&cleaner, now);
	if (!cleaner_is_due(&cleaner, &has_waited) || journal_free(&world.journal) == NULL)
		return has_moved;
	cleaner_fill(&cleaner, journal_free(&world.journal), world.journal.sealed.index + 1);
	journal_append(&world.journal, 1700000000000, BATCH_COPY, now);
	return true;
}

/* Before a segment is said to be clean what was needed in it is durable elsewhere. */
static void
check_clean(void)
{
	for (uint32_t i = 0; i < message_count; i++) {
		const struct message *message = &messages[i];
		struct lsn_location at;

		if (!message->is_live)
			continue;
		at = world_location(&world, message->shard, message->lsn, message->body_bytes);
		ck_assert_msg(at.segment >= cleaner.next_segment || world.file.is_indexing,
		    "segment %" PRIu64 " is clean, and message %u lies in %" PRIu64,
		    cleaner.next_segment - 1, i, at.segment);
	}
}

static bool
turn(void)
{
	uint64_t cleaned = stats.segments_cleaned;
	struct backend *backend = &world.file.backend;
	bool has_moved = reap();
	uint64_t floor;

	now += 1000000;
	has_moved |= clean();
	if (stats.segments_cleaned != cleaned)
		check_clean();
	floor = snapshots_floor(&world.snapshots, false);
	if (floor != 0)
		backend->ops->trim(backend, floor, world.journal.durable.index);
	has_moved |= journal_push(&world.journal, now);
	has_moved |= backend->ops->step(backend, now) > 0;
	if (disk_pending(world.disk) > 0)
		disk_park(world.disk, -1, 100);
	return has_moved || disk_pending(world.disk) > 0;
}

/* Until there is nothing to clean any more. */
static void
settle(void)
{
	unsigned quiet = 0, turns = 0;

	/* As long as it takes the cleaner to look again. */
	while (quiet < 150) {
		quiet = turn() ? 0 : quiet + 1;
		ck_assert_uint_lt(++turns, TURNS_MAX);
	}
	ck_assert(cleaner.state == CLEANER_IDLE || cleaner.state == CLEANER_BLOCKED);
}

/* --- what clients do --- */

static struct batch *
free_batch(void)
{
	while (journal_free(&world.journal) == NULL)
		(void)turn();
	return journal_free(&world.journal);
}

static void
publish(uint32_t shard, uint32_t body_bytes, bool is_live)
{
	(void)free_batch();
	ck_assert_uint_lt(message_count, MESSAGES_MAX);
	messages[message_count++] = (struct message){ .lsn = world_append(&world, shard, body_bytes), .shard = shard,
		.body_bytes = body_bytes, .is_live = is_live };
}

/* About so many bytes that nobody needs. */
static void
publish_dead(uint32_t shard, uint64_t bytes)
{
	for (uint64_t done = 0; done < bytes; done += 2000000) {
		(void)free_batch();
		world_append_large(&world, shard, 2000000);
	}
}

static void
image_put(char *to, uint32_t i)
{
	struct image_message image = { .image = { .kind = IMAGE_MESSAGE, .bytes = sizeof(image), .idx = i }, .seq = i + 1,
		.lsn = messages[i].lsn, .body_bytes = messages[i].body_bytes };

	memcpy(to, &image, sizeof(image));
}

/* One record of images, from message `*next` on.  Its size; 0: there are no more. */
static uint32_t
images_put(char *to, uint64_t lsn, uint64_t begun_lsn, uint32_t shard, uint32_t *next)
{
	struct snapshot_images_record record = { .record = { .type = RECORD_SNAPSHOT_IMAGES, .flags = RECORD_LAST, .lsn = lsn },
		.begun_lsn = begun_lsn };
	uint32_t bytes = sizeof(record);

	for (; *next < message_count && record.count < IMAGES_PER_RECORD; ++*next) {
		if (messages[*next].shard != shard || !messages[*next].is_live)
			continue;
		image_put(to + bytes, *next);
		bytes += sizeof(struct image_message);
		record.count++;
	}
	record.record.bytes = bytes;
	memcpy(to, &record, sizeof(record));
	return record.count > 0 ? bytes : 0;
}

/* A snapshot of a shard as it is now, in one batch. */
static void
snapshot(uint32_t shard)
{
	struct batch *batch = free_batch();
	uint64_t lsn = world.journal.sealed.lsn[shard];
	struct snapshot_begun_record begun = { .record = { .bytes = sizeof(begun), .type = RECORD_SNAPSHOT_BEGUN,
		.flags = RECORD_LAST, .lsn = lsn } };
	char *to = batch_end(batch);
	uint32_t bytes = sizeof(begun), next = 0, more;
	uint64_t images = 0;

	memcpy(to, &begun, sizeof(begun));
	while ((more = images_put(to + bytes, lsn + bytes, lsn, shard, &next)) > 0) {
		images += ((struct snapshot_images_record *)(to + bytes))->count;
		bytes += more;
	}
	struct snapshot_ended_record ended = { .record = { .bytes = sizeof(ended), .type = RECORD_SNAPSHOT_ENDED,
		.flags = RECORD_LAST, .lsn = lsn + bytes }, .begun_lsn = lsn, .images = images };
	memcpy(to + bytes, &ended, sizeof(ended));
	batch_add(batch, shard, lsn, bytes + (uint32_t)sizeof(ended));
	journal_append(&world.journal, 1700000000000, 0, now);
}

static void
snapshot_all(void)
{
	for (uint32_t s = 0; s < WORLD_SHARDS; s++)
		snapshot(s);
}

/* The older of two snapshots begins behind all that was written so far. */
static void
snapshot_twice(void)
{
	publish_dead(0, SEGMENT_BYTES_MIN); /* so that the segment is another one */
	snapshot_all();
	snapshot_all();
}

/* --- what has to be so --- */

static void
expect_all(void)
{
	ck_assert_int_eq(world_settle_at(&world, now), 0);
	for (uint32_t i = 0; i < message_count; i++) {
		if (messages[i].is_live)
			world_fetch(&world, messages[i].shard, messages[i].lsn, messages[i].body_bytes);
	}
}

/* What lies below the older snapshots is at most twice what is needed of it and four segments. */
static void
expect_bound(void)
{
	uint64_t begun = snapshots_begun_segment(&world.snapshots, false), bytes = 0, live = 0;

	for (uint32_t i = 0; i < world.file.catalog.count && world.file.catalog.entries[i].number < begun; i++) {
		bytes += world.file.catalog.entries[i].file_bytes;
		live += snapshots_live(&world.snapshots, world.file.catalog.entries[i].number, false).bytes;
	}
	ck_assert_msg(bytes <= 2 * live + 4 * SEGMENT_BYTES_MIN, "%" PRIu64 " bytes in segments below %" PRIu64 ", where %" PRIu64
	    " are needed", bytes, begun, live);
}

static uint64_t
oldest(void)
{
	return world.file.catalog.entries[0].number;
}

/* Some old messages on both shards, and so much behind them that it has to be cleaned. */
static void
publish_old(uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		publish(i % WORLD_SHARDS, 10 + (uint32_t)any(5000), i % 3 != 2);
	publish_dead(1, 7 * SEGMENT_BYTES_MIN);
	snapshot_twice();
}

START_TEST(one_old_message_does_not_keep_the_journal)
{
	publish(0, 1000, true);
	publish_dead(0, 7 * SEGMENT_BYTES_MIN);
	publish_dead(1, SEGMENT_BYTES_MIN);
	snapshot_twice();
	uint64_t begun = snapshots_begun_segment(&world.snapshots, false);
	ck_assert_uint_eq(oldest(), 1);
	settle();
	begun = snapshots_begun_segment(&world.snapshots, false);
	ck_assert_uint_eq(oldest(), begun);
	ck_assert_uint_eq(stats.copied_bytes, RECORD_PUBLISHED_BYTES + 1000);
	expect_bound();
	expect_all();
	for (unsigned start = 0; start < 4; start++) {
		struct journal_position warm = world.journal.durable;

		crash();
		open_all(start % 2 == 0 ? NULL : &warm);
		while (world.file.is_indexing)
			(void)turn();
		ck_assert_uint_ge(oldest(), begun);
		ck_assert_mem_eq(world.journal.durable.lsn, warm.lsn, sizeof(warm.lsn));
		expect_all();
	}
	crash();
}
END_TEST

START_TEST(while_there_is_little_to_gain_nothing_is_copied)
{
	publish(0, 1000, true);
	publish_dead(0, 2 * SEGMENT_BYTES_MIN);
	snapshot_twice();
	settle();
	ck_assert_uint_eq(stats.copied_bytes, 0);
	ck_assert_uint_eq(oldest(), 1);
	crash();
}
END_TEST

START_TEST(of_all_shards_what_is_needed_is_copied_and_nothing_else)
{
	uint64_t needed = 0;

	publish_old(300);
	for (uint32_t i = 0; i < message_count; i++)
		needed += messages[i].is_live ? RECORD_PUBLISHED_BYTES + FRAME_ALIGN(messages[i].body_bytes) : 0;
	settle();
	ck_assert_uint_eq(stats.copied_bytes, needed);
	ck_assert_uint_gt(oldest(), 1);
	expect_bound();
	expect_all();
	crash();
}
END_TEST

START_TEST(a_copy_is_copied_again_when_its_segment_is_the_oldest)
{
	publish_old(50);
	settle();
	uint64_t once = stats.copied_bytes;
	for (unsigned round = 0; round < 3; round++) {
		uint64_t before = oldest();

		publish_dead(0, 8 * SEGMENT_BYTES_MIN);
		snapshot_twice();
		settle();
		ck_assert_uint_gt(oldest(), before);
		expect_bound();
		expect_all();
		if (round == 1) {
			crash();
			open_all(NULL);
			expect_all();
			stats.copied_bytes = 3 * once;
		}
	}
	ck_assert_uint_eq(stats.copied_bytes, 4 * once);
	crash();
}
END_TEST

START_TEST(what_is_gone_meanwhile_is_copied_for_nothing_and_dropped_the_next_time)
{
	publish_old(30);
	for (uint32_t i = 0; i < message_count; i++)
		messages[i].is_live = false;
	settle();
	ck_assert_uint_gt(stats.copied_bytes, 0);
	uint64_t copied = stats.copied_bytes;
	publish_dead(0, 8 * SEGMENT_BYTES_MIN);
	snapshot_twice();
	snapshot_all();
	settle();
	ck_assert_uint_eq(stats.copied_bytes, copied);
	ck_assert_uint_eq(oldest(), snapshots_begun_segment(&world.snapshots, false));
	crash();
}
END_TEST

/* A list that is too small for a segment: several times through the images. */
START_TEST(with_little_memory_it_takes_more_rounds)
{
	survivors_free(&cleaner.survivors);
	ck_assert_int_eq(survivors_init(&cleaner.survivors, 7), 0);
	publish_old(100);
	settle();
	ck_assert_uint_gt(oldest(), 1);
	expect_bound();
	expect_all();
	crash();
}
END_TEST

START_TEST(a_record_larger_than_a_slice_is_copied)
{
	publish(1, 1000000, true);
	publish(1, 5, true);
	publish_dead(1, 7 * SEGMENT_BYTES_MIN);
	snapshot_twice();
	settle();
	ck_assert_uint_gt(oldest(), 1);
	expect_all();
	crash();
}
END_TEST

START_TEST(dying_at_any_moment_of_cleaning_loses_nothing_and_cleaning_is_begun_again)
{
	unsigned died = 0;

	is_held = true;
	publish_old(250);
	ck_assert_int_eq(world_settle_at(&world, now), 0);
	is_held = false;
	for (unsigned moment = 0; cleaner.state != CLEANER_IDLE || stats.copied_bytes == 0; moment++) {
		struct journal_position warm;

		for (unsigned i = 0; i < 1 + moment && (cleaner.state != CLEANER_IDLE || stats.copied_bytes == 0); i++)
			(void)turn();
		if (cleaner.state == CLEANER_IDLE && stats.copied_bytes != 0)
			break;
		warm = world.journal.durable;
		crash();
		open_all(moment % 2 == 0 ? NULL : &warm);
		while (world.file.is_indexing)
			(void)turn();
		expect_all();
		died++;
	}
	ck_assert_uint_gt(died, 5);
	settle();
	ck_assert_uint_gt(oldest(), 1);
	expect_bound();
	expect_all();
	crash();
}
END_TEST

START_TEST(a_damaged_record_is_not_copied_and_its_segment_stays)
{
	publish(0, 3000, true);
	publish(0, 3000, true);
	ck_assert_int_eq(world_settle_at(&world, now), 0);
	struct lsn_location at = world_location(&world, 0, messages[1].lsn, 3000);
	publish_dead(0, 7 * SEGMENT_BYTES_MIN);
	snapshot_twice();
	ck_assert_int_eq(world_settle_at(&world, now), 0);
	world_flip_bit(&world, "0000000000000001.seg", at.offset + 2000);
	diag_set_level(DIAG_ERROR + 1);
	settle();
	ck_assert_int_eq(cleaner.state, CLEANER_BLOCKED);
	ck_assert_uint_eq(oldest(), 1);
	ck_assert(world_exists(&world, "0000000000000001.seg"));
	/* When it is deleted, cleaning goes on. */
	messages[1].is_live = false;
	snapshot_twice();
	snapshot_all();
	settle();
	ck_assert_uint_gt(oldest(), 1);
	expect_bound();
	expect_all();
	crash();
}
END_TEST

START_TEST(a_damaged_snapshot_is_not_believed)
{
	char name[SEGMENT_NAME_BYTES];
	struct lsn_location at;

	publish(0, 3000, true);
	publish_dead(0, 7 * SEGMENT_BYTES_MIN);
	snapshot_twice();
	ck_assert_int_eq(world_settle_at(&world, now), 0);
	ck_assert(lsn_index_find(&world.file.live, 0, world.snapshots.shard[0].older.begun_lsn, 8, &at));
	segment_name(name, at.segment);
	/* The LSN in the image. */
	world_flip_bit(&world, name, at.offset + sizeof(struct snapshot_begun_record) + sizeof(struct snapshot_images_record) + 17);
	diag_set_level(DIAG_ERROR + 1);
	settle();
	ck_assert_int_eq(cleaner.state, CLEANER_BLOCKED);
	ck_assert_uint_eq(oldest(), 1);
	expect_all();
	snapshot_twice();
	settle();
	ck_assert_uint_gt(oldest(), 1);
	expect_all();
	crash();
}
END_TEST

START_TEST(on_a_full_disk_cleaning_makes_room)
{
	struct backend *backend = &world.file.backend;

	is_held = true;
	publish_old(30);
	/* Before anything was cleaned the disk is full: what is left is the reserve. */
	world_fault(&world, IO_ALLOCATE, 1, -ENOSPC, UINT32_MAX);
	world.is_for_ever = true;
	for (unsigned i = 0; !backend->ops->is_full(backend); i++) {
		ck_assert_uint_lt(i, 20);
		publish_dead(0, 1000000);
		ck_assert_int_eq(world_settle_at(&world, now), 0);
	}
	ck_assert_uint_eq(oldest(), 1);
	is_held = false;
	settle();
	ck_assert_uint_gt(oldest(), 1);
	ck_assert(!backend->ops->is_full(backend));
	expect_all();
	crash();
}
END_TEST

START_TEST(clients_that_leave_no_room_but_the_reserve_are_not_deprived_of_it)
{
	struct backend *backend = &world.file.backend;
	bool has_waited;

	is_held = true;
	publish_old(30);
	world_fault(&world, IO_ALLOCATE, 1, -ENOSPC, UINT32_MAX);
	world.is_for_ever = true;
	ck_assert_int_eq(world_settle_at(&world, now), 0); /* what was being made when the disk became full */
	while (backend->ops->room_bytes(backend) > SEGMENT_BYTES_MIN / 2) {
		(void)free_batch();
		world_append_large(&world, 0, 1000000);
		ck_assert_int_eq(world_settle_at(&world, now), 0);
	}
	is_held = false;
	settle();
	ck_assert(!cleaner_is_due(&cleaner, &has_waited));
	ck_assert_uint_eq(stats.copied_bytes, 0);
	ck_assert_uint_eq(oldest(), 1);
	crash();
}
END_TEST

/* Messages come and go at random, snapshots and deaths in between. */
START_TEST(whatever_happens_what_is_needed_is_there_and_the_journal_stays_small)
{
	for (unsigned round = 0; round < 60; round++) {
		for (uint32_t i = 0; i < 40; i++)
			publish((uint32_t)any(WORLD_SHARDS), (uint32_t)any(any(20) == 0 ? 100000 : 3000), true);
		publish_dead((uint32_t)any(WORLD_SHARDS), any(3 * SEGMENT_BYTES_MIN));
		for (uint32_t i = 0; i < message_count; i++)
			messages[i].is_live = messages[i].is_live && any(10) != 0;
		for (uint32_t s = 0; s < WORLD_SHARDS; s++) {
			if (any(2) == 0)
				snapshot(s);
		}
		for (uint64_t i = any(2000); i > 0; i--)
			(void)turn();
		if (any(4) == 0) {
			ck_assert_int_eq(world_settle_at(&world, now), 0);
			struct journal_position warm = world.journal.durable;

			crash();
			open_all(any(2) == 0 ? &warm : NULL);
			while (world.file.is_indexing)
				(void)turn();
		}
		if (round % 4 == 0)
			expect_all();
	}
	snapshot_twice();
	settle();
	expect_bound();
	expect_all();
	crash();
}
END_TEST

static Suite *
cleaner_suite(void)
{
	Suite *suite = suite_create("persistd/cleaner");
	TCase *tests = tcase_create("cleaner");

	tcase_set_timeout(tests, 120);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, one_old_message_does_not_keep_the_journal);
	tcase_add_test(tests, while_there_is_little_to_gain_nothing_is_copied);
	tcase_add_test(tests, of_all_shards_what_is_needed_is_copied_and_nothing_else);
	tcase_add_test(tests, a_copy_is_copied_again_when_its_segment_is_the_oldest);
	tcase_add_test(tests, what_is_gone_meanwhile_is_copied_for_nothing_and_dropped_the_next_time);
	tcase_add_test(tests, with_little_memory_it_takes_more_rounds);
	tcase_add_test(tests, a_record_larger_than_a_slice_is_copied);
	tcase_add_test(tests, dying_at_any_moment_of_cleaning_loses_nothing_and_cleaning_is_begun_again);
	tcase_add_test(tests, a_damaged_record_is_not_copied_and_its_segment_stays);
	tcase_add_test(tests, a_damaged_snapshot_is_not_believed);
	tcase_add_test(tests, on_a_full_disk_cleaning_makes_room);
	tcase_add_test(tests, clients_that_leave_no_room_but_the_reserve_are_not_deprived_of_it);
	tcase_add_test(tests, whatever_happens_what_is_needed_is_there_and_the_journal_stays_small);
	suite_add_tcase(suite, tests);
	return suite;
}

UNIT_MAIN(cleaner_suite)
