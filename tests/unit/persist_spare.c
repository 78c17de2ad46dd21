/*
 * Spares: how many lie ready and when they are made, what a successor takes over, and what a
 * full disk does to them.
 */
#include "tests/unit/persist_world.h"

enum { READY = 6 };

static struct world world;

static void
setup(void)
{
	world_make(&world);
	world.ready_bytes = READY * SEGMENT_BYTES_MIN;
	ck_assert_int_eq(world_open(&world), 0);
}

static void
teardown(void)
{
	world_crash(&world);
	world_remove(&world);
}

static struct spares *
spares(void)
{
	return &world.file.segments.spares;
}

static unsigned
files(const char *part)
{
	unsigned count = 0;
	char path[128];
	struct dirent *entry;

	snprintf(path, sizeof(path), "%s/journal", world.directory);
	DIR *directory = opendir(path);
	ck_assert_ptr_nonnull(directory);
	while ((entry = readdir(directory)) != NULL)
		count += strstr(entry->d_name, part) != NULL;
	closedir(directory);
	return count;
}

static unsigned
open_files(void)
{
	unsigned count = 0;
	DIR *directory = opendir("/proc/self/fd");

	ck_assert_ptr_nonnull(directory);
	while (readdir(directory) != NULL)
		count++;
	closedir(directory);
	return count;
}

/* Write until the journal goes on in the next segment; there has to be one. */
static void
pass_segment(void)
{
	uint64_t number = world.file.segments.active.number;

	while (world.file.segments.active.number == number) {
		world_append_large(&world, 0, 3000000);
		ck_assert_int_eq(world_settle(&world), 0);
	}
}

/* Segments go by and are dropped. */
static void
recycle(unsigned segments)
{
	for (unsigned i = 0; i < segments; i++)
		pass_segment();
	for (unsigned i = 0; i < 2; i++) {
		for (uint32_t s = 0; s < WORLD_SHARDS; s++)
			world_snapshot_end(&world, s, world_snapshot_begin(&world, s), 0);
	}
	world_trim(&world);
}

/* --- how many, and when --- */

START_TEST(where_nobody_writes_all_of_it_is_made_ready)
{
	struct backend *backend = &world.file.backend;

	ck_assert_int_eq(world_settle(&world), 0);
	ck_assert(spares()->has_next);
	ck_assert_uint_eq(files("spare."), READY - 1);
	(void)backend->ops->step(backend, now_ns());
	ck_assert_uint_eq(backend->ready_bytes, READY * SEGMENT_BYTES_MIN);
	ck_assert_uint_eq(backend->ready_wanted_bytes, READY * SEGMENT_BYTES_MIN);
	/* And again what is taken. */
	pass_segment();
	ck_assert_uint_eq(files("spare."), READY - 1);
}
END_TEST

START_TEST(while_clients_write_only_what_has_to_be_there_is_made)
{
	uint64_t now = now_ns();

	/* A commit that takes for ever. */
	spares_commit(spares(), &world.file.segments.active, BLOCK_BYTES);
	ck_assert_int_eq(world_settle_at(&world, now), 0);
	ck_assert(spares()->has_next && spares()->has_starter);
	ck_assert_uint_eq(files("spare."), 1);
	ck_assert(!world_exists(&world, MAKING_NAME));
	spares_land(spares());
	ck_assert_int_eq(world_settle_at(&world, now + 2000000000), 0);
	ck_assert_uint_eq(files("spare."), READY - 1);
}
END_TEST

START_TEST(a_file_that_is_half_made_when_clients_come_keeps_nobody_waiting)
{
	uint64_t now = now_ns();

	ck_assert_int_eq(world_settle_at(&world, now), 0);
	spares()->target++;
	spares()->looked_ns = UINT64_MAX;
	while (spares()->filled_bytes == 0 || spares()->making.fd < 0) {
		(void)world.file.backend.ops->step(&world.file.backend, now);
		disk_park(world.disk, -1, 100);
		ck_assert_int_ge(world_reap(&world, now), 0);
	}
	ck_assert_uint_lt(spares()->filled_bytes, SEGMENT_BYTES_MIN);
	spares_commit(spares(), &world.file.segments.active, BLOCK_BYTES);
	uint64_t filled_bytes = spares()->filled_bytes;
	/* Segments are numbered, dropped and used again meanwhile. */
	recycle(2);
	ck_assert_uint_gt(files(USED_PREFIX), 0);
	ck_assert(world_exists(&world, MAKING_NAME));
	ck_assert_uint_eq(spares()->filled_bytes, filled_bytes);
	spares_land(spares());
	ck_assert_int_eq(world_settle(&world), 0);
	ck_assert(!world_exists(&world, MAKING_NAME));
}
END_TEST

/* Else a disk that they fill has none, and no successor could begin. */
START_TEST(who_uses_up_each_segment_as_it_comes_does_not_keep_the_starter_away)
{
	struct backend *backend = &world.file.backend;
	struct segment_file taken;

	for (unsigned i = 0; i < 3; i++) {
		while (!spares_take(spares(), &taken)) {
			(void)backend->ops->step(backend, now_ns());
			disk_park(world.disk, -1, 100);
			ck_assert_int_ge(world_reap(&world, now_ns()), 0);
		}
		disk_close_fd(taken.fd);
	}
	ck_assert(spares()->has_starter);
	ck_assert(world_exists(&world, STARTER_READY));
}
END_TEST

START_TEST(dropped_segments_are_kept_up_to_what_is_to_lie_ready)
{
	ck_assert_int_eq(world_settle(&world), 0);
	recycle(3);
	ck_assert_uint_gt(files(USED_PREFIX), 0);
	ck_assert_uint_le(spares()->count, READY - 1 + SPARE_RECYCLED);
	/* From now on nothing is made: what is dropped is enough. */
	unsigned zeros = files(SPARE_PREFIX);
	for (unsigned i = 0; i < 5; i++) {
		recycle(2);
		ck_assert_uint_le(files(SPARE_PREFIX), zeros);
		zeros = files(SPARE_PREFIX);
	}
	ck_assert_uint_le(files(USED_PREFIX) + files(SPARE_PREFIX), READY - 1 + SPARE_RECYCLED);
}
END_TEST

START_TEST(it_takes_a_twentieth_of_what_is_free_and_gives_it_back)
{
	ck_assert_int_eq(world_settle(&world), 0);
	spares()->looked_ns = UINT64_MAX;
	/* What is ready counts as free. */
	spares_aim(spares(), 20ull * 3 * SEGMENT_BYTES_MIN);
	ck_assert_uint_eq(spares()->target, 2);
	spares_aim(spares(), 20ull * 1000 * SEGMENT_BYTES_MIN);
	ck_assert_uint_eq(spares()->target, READY - 1);
	spares_aim(spares(), 0);
	ck_assert_uint_eq(spares()->target, 1);
	ck_assert_int_eq(world_settle(&world), 0);
	ck_assert_uint_eq(files(SPARE_PREFIX), 1 + SPARE_RECYCLED);
	ck_assert_uint_eq(spares()->count, 1 + SPARE_RECYCLED);
}
END_TEST

/* --- successors --- */

START_TEST(a_successor_takes_over_all_that_lies_ready)
{
	ck_assert_int_eq(world_settle(&world), 0);
	recycle(3);
	uint32_t zeros = files(SPARE_PREFIX), used = files(USED_PREFIX);
	ck_assert_uint_gt(zeros, 0);
	ck_assert_uint_gt(used, 0);
	struct journal_position warm = world.journal.durable;
	world_crash(&world);
	ck_assert_int_eq(world_open_with(&world, &warm, 2), 0);
	ck_assert_uint_eq(spares()->count, zeros + used);
	ck_assert_uint_eq(spares()->old_count, 0);
	ck_assert_uint_eq(files(SPARE_PREFIX), zeros);
	ck_assert_uint_eq(files(USED_PREFIX), used);
	/* All of it is written, and read. */
	for (unsigned i = 0; i < READY + 2; i++)
		pass_segment();
	struct journal_position before = world.journal.durable;
	world_crash(&world);
	ck_assert_int_eq(world_open(&world), 0);
	ck_assert_uint_eq(world.journal.durable.index, before.index);
}
END_TEST

START_TEST(a_cold_start_uses_none_of_it_and_waits_for_none_to_go)
{
	ck_assert_int_eq(world_settle(&world), 0);
	recycle(3);
	uint32_t before = files(SPARE_PREFIX) + files(USED_PREFIX);
	world_crash(&world);
	ck_assert_int_eq(world_open(&world), 0);
	ck_assert_uint_eq(spares()->count, 0);
	ck_assert_uint_eq(spares()->old_count, before);
	ck_assert_uint_eq(files(SPARE_PREFIX) + files(USED_PREFIX), before);
	ck_assert_int_eq(world_settle(&world), 0);
	ck_assert_uint_eq(spares()->old_count, 0);
	ck_assert_uint_eq(files(SPARE_PREFIX), READY - 1);
	ck_assert_uint_eq(files(USED_PREFIX), 0);
	ck_assert_uint_eq(spares()->count, READY - 1);
}
END_TEST

/* --- a full disk --- */

START_TEST(no_space_for_what_nobody_needs_is_no_fault)
{
	uint64_t now = now_ns();

	/* The first for `next`, the starter, and one spare; then there is room for no more. */
	world_fault(&world, IO_ALLOCATE, 4, -ENOSPC, UINT32_MAX);
	world.is_for_ever = true;
	ck_assert_int_eq(world_settle_at(&world, now), 0);
	ck_assert(!spares()->is_full);
	ck_assert_uint_eq(files(SPARE_PREFIX), 1);
	ck_assert(!world_exists(&world, MAKING_NAME));
	ck_assert_uint_eq(spares_wanted_bytes(spares()), spares_room_bytes(spares()));
	unsigned tried = world.seen;
	ck_assert_int_eq(world_settle_at(&world, now + 30000000000), 0);
	ck_assert_uint_eq(world.seen, tried);
	world.nth = 0;
	ck_assert_int_eq(world_settle_at(&world, now + 70000000000), 0);
	ck_assert_uint_eq(files(SPARE_PREFIX), READY - 1);
}
END_TEST

/* _i: which operation of those that give a spare its number finds no space. */
START_TEST(no_space_while_a_spare_gets_its_number_loses_no_file)
{
	static const struct { enum io_op op; unsigned nth; } steps[] = {
		{ IO_RENAME, 1 }, { IO_SYNC, 1 }, { IO_SYNC, 2 }, { IO_RENAME, 2 }, { IO_SYNC, 3 },
	};
	struct stat before, after;
	uint64_t now = now_ns(), number;

	ck_assert_int_eq(world_settle_at(&world, now), 0);
	spares()->target = 1; /* nothing else is renamed */
	spares()->looked_ns = UINT64_MAX;
	unsigned open_before = open_files(), ready = files(SPARE_PREFIX) + files(".seg");
	number = spares()->next.number;
	int directory_fd = world.store.journal_fd;
	char name[SPARE_NAME_BYTES];
	spare_name(name, &spares()->pool[0]);
	ck_assert_int_eq(fstatat(directory_fd, name, &before, 0), 0);
	/* Nothing of it happens, and again a second later. */
	world_fault(&world, steps[_i].op, steps[_i].nth, -ENOSPC, 0);
	while (world.file.segments.active.number < number) {
		world_append_large(&world, 0, 3000000);
		ck_assert_int_eq(world_settle_at(&world, now), 0);
	}
	ck_assert(!spares()->has_next);
	ck_assert(spares()->is_full);
	ck_assert_uint_ge(world.seen, 1);
	world_fault(&world, steps[_i].op, 1, -ENOSPC, 0);
	ck_assert_int_eq(world_settle_at(&world, now + 1500000000), 0);
	ck_assert(!spares()->has_next);
	ck_assert_uint_eq(world.seen, 1);
	world.nth = 0;
	ck_assert_int_eq(world_settle_at(&world, now + 3000000000), 0);
	ck_assert(spares()->has_next);
	ck_assert(!spares()->is_full);
	ck_assert_uint_eq(spares()->next.number, number + 1);
	ck_assert_uint_eq(files(SPARE_PREFIX) + files(".seg"), ready);
	ck_assert_uint_eq(spares()->count, files(SPARE_PREFIX));
	ck_assert_int_eq(fstat(spares()->next.fd, &after), 0);
	ck_assert_uint_eq(after.st_ino, before.st_ino);
	segment_name(name, number + 1);
	ck_assert_int_eq(fstatat(directory_fd, name, &after, 0), 0);
	ck_assert_uint_eq(after.st_ino, before.st_ino);
	/* The segment before the one that is written stays open. */
	ck_assert_uint_le(open_files(), open_before + 1);
	pass_segment();
	ck_assert_uint_eq(world.file.segments.active.number, number + 1);
}
END_TEST

START_TEST(a_rename_that_took_place_although_it_failed_costs_one_spare)
{
	uint64_t now = now_ns(), number;

	ck_assert_int_eq(world_settle_at(&world, now), 0);
	number = spares()->next.number;
	world_fault(&world, IO_RENAME, 1, -ENOSPC, UINT32_MAX);
	while (world.file.segments.active.number < number) {
		world_append_large(&world, 0, 3000000);
		ck_assert_int_eq(world_settle_at(&world, now), 0);
	}
	ck_assert(spares()->is_full);
	ck_assert_int_eq(world_settle_at(&world, now + 3000000000), 0);
	ck_assert(spares()->has_next);
	ck_assert_uint_eq(spares()->next.number, number + 1);
	ck_assert_uint_eq(spares()->count, files(SPARE_PREFIX));
	for (unsigned i = 0; i < READY; i++)
		pass_segment();
	struct journal_position before = world.journal.durable;
	world_crash(&world);
	ck_assert_int_eq(world_open(&world), 0);
	ck_assert_uint_eq(world.journal.durable.index, before.index);
}
END_TEST

/* --- backups --- */

START_TEST(while_a_backup_reads_the_lock_is_asked_for_once_in_a_while)
{
	struct backend *backend = &world.file.backend;
	uint64_t now = now_ns();
	struct store reading;

	ck_assert_int_eq(world_settle(&world), 0);
	ck_assert_int_eq(store_open(&reading, world.directory, NULL, 0, STORE_LOCK_BACKUP), 0);
	recycle(3);
	ck_assert_uint_eq(world.file.catalog.entries[0].number, 1);
	uint64_t retry_ns = world.file.trim_retry_ns;
	ck_assert_uint_gt(retry_ns, now);
	store_close(&reading);
	(void)backend->ops->step(backend, retry_ns - 1);
	ck_assert_uint_eq(world.file.catalog.entries[0].number, 1);
	ck_assert(!world.file.is_trimming);
	ck_assert_int_eq(world_settle_at(&world, retry_ns), 0);
	ck_assert_uint_eq(world.file.catalog.entries[0].number, 4);
	ck_assert(!world.file.is_trimming);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("persistd/spare");
	TCase *tests = tcase_create("spare");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, where_nobody_writes_all_of_it_is_made_ready);
	tcase_add_test(tests, while_clients_write_only_what_has_to_be_there_is_made);
	tcase_add_test(tests, a_file_that_is_half_made_when_clients_come_keeps_nobody_waiting);
	tcase_add_test(tests, who_uses_up_each_segment_as_it_comes_does_not_keep_the_starter_away);
	tcase_add_test(tests, dropped_segments_are_kept_up_to_what_is_to_lie_ready);
	tcase_add_test(tests, it_takes_a_twentieth_of_what_is_free_and_gives_it_back);
	tcase_add_test(tests, a_successor_takes_over_all_that_lies_ready);
	tcase_add_test(tests, a_cold_start_uses_none_of_it_and_waits_for_none_to_go);
	tcase_add_test(tests, no_space_for_what_nobody_needs_is_no_fault);
	tcase_add_loop_test(tests, no_space_while_a_spare_gets_its_number_loses_no_file, 0, 5);
	tcase_add_test(tests, a_rename_that_took_place_although_it_failed_costs_one_spare);
	tcase_add_test(tests, while_a_backup_reads_the_lock_is_asked_for_once_in_a_while);
	suite_add_tcase(suite, tests);
	return suite;
}

UNIT_MAIN(suite)
