/*
 * Segments: made ahead without holding up commits, complete on disk before anything is acknowledged in them, and gone or
 * replaced when an epoch begins.
 */
#include "tests/unit/persist_world.h"

static struct world world;

static void
setup(void)
{
	world_make(&world);
	ck_assert_int_eq(world_open(&world), 0);
}

static void
teardown(void)
{
	world_crash(&world);
	world_remove(&world);
}

static const struct spares *
spares(void)
{
	return &world.file.segments.spares;
}

START_TEST(the_next_segment_is_zero_numbered_and_in_current_before_it_is_used)
{
	struct current_file current;
	char block[BLOCK_BYTES], zeros[BLOCK_BYTES] = "";

	ck_assert_int_eq(world_settle(&world), 0);
	ck_assert(spares()->has_next);
	ck_assert_uint_eq(spares()->next.number, 2);
	int fd = world_file(&world, "0000000000000002.seg");
	ck_assert_int_eq(lseek(fd, 0, SEEK_END), SEGMENT_BYTES_MIN);
	for (uint64_t at = 0; at < SEGMENT_BYTES_MIN; at += sizeof(block)) {
		ck_assert_int_eq(pread(fd, block, sizeof(block), (off_t)at), sizeof(block));
		ck_assert_mem_eq(block, zeros, sizeof(block));
	}
	close(fd);
	fd = world_file(&world, "current");
	ck_assert_int_eq(read(fd, &current, sizeof(current)), sizeof(current));
	close(fd);
	ck_assert_uint_eq(current.highest, 2);
	ck_assert_uint_eq(current.epoch, 1);
}
END_TEST

START_TEST(blocks_of_a_spare_are_written_and_not_only_reserved)
{
	struct stat status;

	ck_assert_int_eq(world_settle(&world), 0);
	int fd = world_file(&world, "0000000000000002.seg");
	ck_assert_int_eq(fstat(fd, &status), 0);
	ck_assert_int_ge((uint64_t)status.st_blocks * 512, SEGMENT_BYTES_MIN);
	/* Reserved blocks that were never written are a hole to SEEK_HOLE. */
	ck_assert_int_eq(lseek(fd, 0, SEEK_HOLE), SEGMENT_BYTES_MIN);
	close(fd);
}
END_TEST

START_TEST(commits_go_on_while_a_spare_is_being_filled)
{
	unsigned commits = 0;

	/* A commit for each slice of the fill, and the fill gets done. */
	while (!spares()->has_next) {
		struct disk_completion completion;

		if (journal_is_idle(&world.journal)) {
			(void)world_append(&world, 0, 10);
			commits++;
		}
		(void)world.file.backend.ops->step(&world.file.backend, now_ns());
		disk_park(world.disk, -1, 100);
		while (disk_reap(world.disk, &completion)) {
			if (completion.tag.user == DISK_COMMIT)
				ck_assert_int_eq(journal_land(&world.journal, completion.tag.number, completion.result, 1), 0);
			else
				ck_assert_int_eq(spares_completed(&world.file.segments.spares, completion.result, 1), 0);
		}
		while (journal_next_durable(&world.journal) != NULL)
			;
	}
	ck_assert_uint_ge(commits, 8);
}
END_TEST

START_TEST(the_first_batch_of_a_segment_brings_its_header_in_one_write)
{
	ck_assert_int_eq(world_settle(&world), 0);
	while (world.file.segments.active.number == 1) {
		world_append_large(&world, 0, 3000000);
		ck_assert_int_eq(world_settle(&world), 0);
	}
	const struct segment_entry *entry = catalog_find(&world.file.catalog, 2);
	ck_assert_ptr_nonnull(entry);
	ck_assert_uint_eq(entry->header.continues_index, world.journal.durable.index - 1);

	struct catalog seen;
	ck_assert_int_eq(catalog_read(&seen, &world.store), 0);
	ck_assert(catalog_find(&seen, 2)->is_begun);
	ck_assert_mem_eq(&catalog_find(&seen, 2)->header, &entry->header, sizeof(entry->header));
	catalog_free(&seen);
}
END_TEST

START_TEST(an_epoch_takes_no_file_over_that_a_dead_process_may_still_be_writing_to)
{
	struct stat before, after;
	char path[128];

	ck_assert_int_eq(world_settle(&world), 0);
	world_write(&world, 0, 10);
	snprintf(path, sizeof(path), "%s/journal/0000000000000002.seg", world.directory);
	ck_assert_int_eq(stat(path, &before), 0);
	/* As a write in flight does: so the number of the inode is not given to the next file. */
	int held_fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(held_fd, 0);
	ck_assert(world_exists(&world, "spare.2"));
	world_crash(&world);
	ck_assert_int_eq(world_open(&world), 0);
	ck_assert_uint_eq(world.file.segments.active.number, 2);
	ck_assert_int_eq(stat(path, &after), 0);
	ck_assert_uint_ne(before.st_ino, after.st_ino);
	close(held_fd);
	ck_assert_int_eq(world_settle(&world), 0);
	ck_assert(!world_exists(&world, "spare.2"));
}
END_TEST

START_TEST(the_catalog_says_what_counts_in_each_segment)
{
	struct catalog catalog = { 0 };

	for (uint64_t number = 1; number <= 4; number++) {
		/* Segment 3 begins an epoch that voids what follows batch 5, wherever it is. */
		struct segment_header header = { .number = number, .epoch = number < 3 ? 1 : 2,
			.continues_index = number == 3 ? 5 : number * 3 - 3 };

		ck_assert_int_eq(catalog_append(&catalog, &header), 0);
	}
	ck_assert_uint_eq(catalog_limit(&catalog, 0), 3);
	ck_assert_uint_eq(catalog_limit(&catalog, 1), 5);
	ck_assert_uint_eq(catalog_limit(&catalog, 2), 9);
	ck_assert_uint_eq(catalog_limit(&catalog, 3), UINT64_MAX);

	struct current_file current = { .floor = 1, .highest = 4 };
	uint64_t missing;
	ck_assert(catalog_is_complete(&catalog, &current, &missing));
	current.highest = 5;
	ck_assert(!catalog_is_complete(&catalog, &current, &missing));
	ck_assert_uint_eq(missing, 5);
	catalog_cut(&catalog, 3);
	ck_assert_uint_eq(catalog.count, 2);
	catalog_free(&catalog);
}
END_TEST

static Suite *
segment_suite(void)
{
	Suite *suite = suite_create("persistd/segment");
	TCase *tests = tcase_create("segment");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, the_next_segment_is_zero_numbered_and_in_current_before_it_is_used);
	tcase_add_test(tests, blocks_of_a_spare_are_written_and_not_only_reserved);
	tcase_add_test(tests, commits_go_on_while_a_spare_is_being_filled);
	tcase_add_test(tests, the_first_batch_of_a_segment_brings_its_header_in_one_write);
	tcase_add_test(tests, an_epoch_takes_no_file_over_that_a_dead_process_may_still_be_writing_to);
	tcase_add_test(tests, the_catalog_says_what_counts_in_each_segment);
	suite_add_tcase(suite, tests);
	return suite;
}

UNIT_MAIN(segment_suite)
