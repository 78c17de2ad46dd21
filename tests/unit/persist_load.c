/*
 * What was written through the journal is read back after a cold start, over segments, epochs and crashes.
 */
#include "tests/unit/persist_world.h"

static struct world world;

static void
setup(void)
{
	world_make(&world);
}

static void
teardown(void)
{
	world_remove(&world);
}

START_TEST(a_new_store_opens_empty_and_opens_empty_again)
{
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(world_open(&world), 0);
		ck_assert_uint_eq(world.journal.durable.index, 0);
		ck_assert_uint_eq(world.journal.durable.lsn[0], LSN_FIRST);
		ck_assert_uint_eq(world.journal.epoch, (uint64_t)i + 1);
		ck_assert_uint_eq(world.store.current.generation, (uint64_t)i + 1);
		world_crash(&world);
	}
}
END_TEST

START_TEST(everything_acknowledged_is_there_after_each_of_many_cold_starts)
{
	uint64_t lsn[40][2];

	for (unsigned start = 0; start < 8; start++) {
		ck_assert_int_eq(world_open(&world), 0);
		ck_assert_uint_eq(world.journal.durable.index, start * 5);
		for (unsigned i = 0; i < start * 5; i++)
			world_fetch(&world, i % 2, lsn[i][0], (uint32_t)lsn[i][1]);
		for (unsigned i = start * 5; i < start * 5 + 5; i++) {
			lsn[i][1] = 1 + i * 777;
			lsn[i][0] = world_append(&world, i % 2, (uint32_t)lsn[i][1]);
			if (journal_free(&world.journal) == NULL)
				ck_assert_int_eq(world_settle(&world), 0);
		}
		ck_assert_int_eq(world_settle(&world), 0);
		world_crash(&world);
	}
}
END_TEST

START_TEST(the_journal_goes_on_through_many_segments)
{
	ck_assert_int_eq(world_open(&world), 0);
	for (unsigned i = 0; i < 20; i++) {
		world_append_large(&world, i % 2, 2500000);
		ck_assert_int_eq(world_settle(&world), 0);
	}
	ck_assert_uint_ge(world.file.segments.opened, 7);
	struct journal_position before = world.journal.durable;
	world_crash(&world);
	ck_assert_int_eq(world_open(&world), 0);
	ck_assert_uint_eq(world.journal.durable.index, 20);
	ck_assert_mem_eq(world.journal.durable.lsn, before.lsn, sizeof(before.lsn));
	world_fetch(&world, 1, LSN_FIRST, 1000000);
	world_crash(&world);
}
END_TEST

START_TEST(batches_that_may_only_be_in_a_cache_are_written_again_before_anything_is_built_on_them)
{
	ck_assert_int_eq(world_open(&world), 0);
	uint64_t first = world_append(&world, 0, 100), second = world_append(&world, 1, 5000);
	world_crash(&world);

	ck_assert_int_eq(world_open(&world), 0);
	ck_assert_uint_eq(world.journal.durable.index, 2);
	ck_assert_uint_eq(world.journal.opened.rewritten, 2);
	/* They stand in the new segment now: the old one may lose them. */
	world_flip_bit(&world, "0000000000000001.seg", BLOCK_BYTES + 300);
	world_fetch(&world, 0, first, 100);
	world_fetch(&world, 1, second, 5000);
	world_write(&world, 0, 10);
	world_crash(&world);
	ck_assert_int_eq(world_open(&world), 0);
	ck_assert_uint_eq(world.journal.durable.index, 3);
	world_fetch(&world, 1, second, 5000);
	world_crash(&world);
}
END_TEST

START_TEST(a_clean_stop_is_recognised_once)
{
	ck_assert_int_eq(world_open(&world), 0);
	world_write(&world, 0, 10);
	ck_assert_ptr_nonnull(journal_free(&world.journal));
	journal_append(&world.journal, 1, BATCH_CLEAN, now_ns());
	ck_assert_int_eq(world_settle(&world), 0);
	world_crash(&world);

	ck_assert_int_eq(world_open(&world), 0);
	ck_assert(world.journal.opened.is_clean);
	world_write(&world, 0, 10);
	world_crash(&world);
	ck_assert_int_eq(world_open(&world), 0);
	ck_assert(!world.journal.opened.is_clean);
	world_crash(&world);
}
END_TEST

START_TEST(a_warm_start_goes_on_from_where_acknowledgement_stood_and_voids_the_rest)
{
	ck_assert_int_eq(world_open(&world), 0);
	uint64_t kept = world_append(&world, 0, 100);
	ck_assert_int_eq(world_settle(&world), 0);
	struct journal_position warm = world.journal.durable;
	(void)world_append(&world, 0, 200);
	(void)world_append(&world, 0, 300);
	world_crash(&world);

	/* The stream ring still has what came after `kept`, perhaps in other batches. */
	ck_assert_int_eq(world_open_with(&world, &warm, 2), 0);
	uint64_t again = world_append(&world, 0, 4567);
	ck_assert_int_eq(world_settle(&world), 0);
	ck_assert_uint_eq(again, warm.lsn[0]);
	world_fetch(&world, 0, kept, 100);
	world_fetch(&world, 0, again, 4567);
	ck_assert_uint_eq(world.store.current.generation, 1);
	world_crash(&world);

	ck_assert_int_eq(world_open(&world), 0);
	ck_assert_uint_eq(world.journal.durable.index, 2);
	world_fetch(&world, 0, kept, 100);
	world_fetch(&world, 0, again, 4567);
	world_crash(&world);
}
END_TEST

START_TEST(warm_starts_in_a_row_without_a_batch_leave_a_journal_that_opens)
{
	struct journal_position warm;

	ck_assert_int_eq(world_open(&world), 0);
	world_write(&world, 1, 10);
	for (int i = 0; i < 5; i++) {
		warm = world.journal.durable;
		world_crash(&world);
		ck_assert_int_eq(world_open_with(&world, &warm, 2), 0);
	}
	world_write(&world, 1, 20);
	world_crash(&world);
	ck_assert_int_eq(world_open(&world), 0);
	ck_assert_uint_eq(world.journal.durable.index, 2);
	world_crash(&world);
}
END_TEST

START_TEST(a_second_persistd_on_the_same_directory_is_refused)
{
	struct store other;

	ck_assert_int_eq(world_open(&world), 0);
	diag_set_level(DIAG_ERROR);
	ck_assert_int_eq(store_open(&other, world.directory, NULL, 0, STORE_LOCK_ALL), EXIT_LOCKED);
	world_crash(&world);
}
END_TEST

START_TEST(another_number_of_shards_is_refused)
{
	struct store store;

	ck_assert_int_eq(world_open(&world), 0);
	world_crash(&world);
	ck_assert_int_eq(store_open(&store, world.directory, NULL, WORLD_SHARDS + 1, STORE_LOCK_PERSISTD), EXIT_CONFIG);
}
END_TEST

static Suite *
load_suite(void)
{
	Suite *suite = suite_create("persistd/loader");
	TCase *tests = tcase_create("loader");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, a_new_store_opens_empty_and_opens_empty_again);
	tcase_add_test(tests, everything_acknowledged_is_there_after_each_of_many_cold_starts);
	tcase_add_test(tests, the_journal_goes_on_through_many_segments);
	tcase_add_test(tests, batches_that_may_only_be_in_a_cache_are_written_again_before_anything_is_built_on_them);
	tcase_add_test(tests, a_clean_stop_is_recognised_once);
	tcase_add_test(tests, a_warm_start_goes_on_from_where_acknowledgement_stood_and_voids_the_rest);
	tcase_add_test(tests, warm_starts_in_a_row_without_a_batch_leave_a_journal_that_opens);
	tcase_add_test(tests, a_second_persistd_on_the_same_directory_is_refused);
	tcase_add_test(tests, another_number_of_shards_is_refused);
	suite_add_tcase(suite, tests);
	return suite;
}

UNIT_MAIN(load_suite)
