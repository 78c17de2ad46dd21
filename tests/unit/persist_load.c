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

/* --- copies --- */

enum { OLD = 6, OLD_BYTES = 300 };

static uint64_t old[OLD];

/* Some records, then so much that the segment they are in is behind us; every second of them is copied. */
static void
write_and_copy(void)
{
	const uint64_t copied[] = { 0, 2, 4 };
	uint64_t lsns[3];

	ck_assert_int_eq(world_open(&world), 0);
	for (unsigned i = 0; i < OLD; i++) {
		old[i] = world_append(&world, 1, OLD_BYTES);
		ck_assert_int_eq(world_settle(&world), 0);
	}
	for (unsigned i = 0; i < 6; i++) {
		world_append_large(&world, 0, 3000000);
		ck_assert_int_eq(world_settle(&world), 0);
	}
	struct journal_position before = world.journal.sealed;
	for (unsigned i = 0; i < 3; i++)
		lsns[i] = old[copied[i]];
	world_copy(&world, 1, lsns, 3, OLD_BYTES);
	ck_assert_mem_eq(world.journal.sealed.lsn, before.lsn, sizeof(before.lsn));
}

/* Copied ones are in a later segment than the others, and all can be read. */
static void
expect_copied(void)
{
	for (unsigned i = 0; i < OLD; i++) {
		world_fetch(&world, 1, old[i], OLD_BYTES);
		ck_assert_int_eq(world_location(&world, 1, old[i], OLD_BYTES).segment == 1, i % 2 == 1);
	}
}

START_TEST(a_copy_is_where_its_record_is_read_from_once_it_is_durable)
{
	write_and_copy();
	for (unsigned i = 0; i < OLD; i++)
		ck_assert_uint_eq(world_location(&world, 1, old[i], OLD_BYTES).segment, 1);
	ck_assert_int_eq(world_settle(&world), 0);
	expect_copied();
	world_crash(&world);
}
END_TEST

START_TEST(copies_are_found_after_a_cold_start_and_the_streams_go_on_as_if_there_were_none)
{
	write_and_copy();
	ck_assert_int_eq(world_settle(&world), 0);
	struct journal_position before = world.journal.durable;
	world_crash(&world);
	for (unsigned start = 0; start < 3; start++) {
		/* Each writes the copies again, for no later batch says that they were durable; the newest place counts. */
		ck_assert_int_eq(world_open(&world), 0);
		ck_assert_uint_eq(world.journal.opened.rewritten, 1);
		ck_assert_mem_eq(world.journal.durable.lsn, before.lsn, sizeof(before.lsn));
		ck_assert_uint_eq(world_location(&world, 1, old[0], OLD_BYTES).segment, before.segment + 1 + start);
		expect_copied();
		world_crash(&world);
	}
}
END_TEST

START_TEST(copies_are_found_after_a_warm_start_when_the_index_is_there_again)
{
	write_and_copy();
	ck_assert_int_eq(world_settle(&world), 0);
	struct journal_position warm = world.journal.durable;
	world_crash(&world);
	ck_assert_int_eq(world_open_with(&world, &warm, 2), 0);
	ck_assert_mem_eq(world.journal.durable.lsn, warm.lsn, sizeof(warm.lsn));
	ck_assert_uint_eq(world_location(&world, 1, old[0], OLD_BYTES).segment, 0);
	struct backend_range range = { .lsn = old[0], .shard = 1, .bytes = RECORD_PUBLISHED_BYTES + FRAME_ALIGN(OLD_BYTES) };
	char *to = malloc(range.bytes);
	const char *here;
	ck_assert_int_eq(world.file.backend.ops->fetch(&world.file.backend, 5, &range, to, &here), BACKEND_LATER);
	free(to);
	while (world.file.is_indexing)
		(void)world.file.backend.ops->step(&world.file.backend, 0);
	expect_copied();
	world_crash(&world);
}
END_TEST

START_TEST(a_copy_of_a_copy_is_the_one_that_counts_whatever_start_comes_between)
{
	for (unsigned cold = 0; cold < 2; cold++) {
		uint64_t lsns[] = { 0, 0 };

		write_and_copy();
		ck_assert_int_eq(world_settle(&world), 0);
		for (unsigned i = 0; i < 4; i++) {
			world_append_large(&world, 0, 3000000);
			ck_assert_int_eq(world_settle(&world), 0);
		}
		lsns[0] = old[2];
		lsns[1] = old[3];
		world_copy(&world, 1, lsns, 2, OLD_BYTES);
		ck_assert_int_eq(world_settle(&world), 0);
		struct journal_position warm = world.journal.durable;
		uint64_t first = world_location(&world, 1, old[0], OLD_BYTES).segment;
		ck_assert_uint_gt(world_location(&world, 1, old[2], OLD_BYTES).segment, first);
		world_crash(&world);
		ck_assert_int_eq(cold != 0 ? world_open(&world) : world_open_with(&world, &warm, 2), 0);
		for (unsigned i = 0; i < OLD; i++)
			world_fetch(&world, 1, old[i], OLD_BYTES);
		ck_assert_uint_eq(world_location(&world, 1, old[0], OLD_BYTES).segment, first);
		ck_assert_uint_gt(world_location(&world, 1, old[2], OLD_BYTES).segment, first);
		ck_assert_uint_gt(world_location(&world, 1, old[3], OLD_BYTES).segment, first);
		ck_assert_uint_eq(world_location(&world, 1, old[1], OLD_BYTES).segment, 1);
		world_crash(&world);
		world_remove(&world);
		world_make(&world);
	}
}
END_TEST

START_TEST(a_batch_of_copies_that_names_what_was_never_written_is_damage)
{
	ck_assert_int_eq(world_open(&world), 0);
	world_write(&world, 0, 10);
	uint64_t beyond = world.journal.durable.lsn[0] + 4096;
	world_copy(&world, 0, &beyond, 1, 10);
	ck_assert_int_eq(world_settle(&world), 0);
	world_crash(&world);
	ck_assert_int_eq(world_open(&world), EXIT_CORRUPT);
	ck_assert_ptr_nonnull(strstr(world.file.loader.finding.text, "does not continue the streams"));
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
	tcase_add_test(tests, a_copy_is_where_its_record_is_read_from_once_it_is_durable);
	tcase_add_test(tests, copies_are_found_after_a_cold_start_and_the_streams_go_on_as_if_there_were_none);
	tcase_add_test(tests, copies_are_found_after_a_warm_start_when_the_index_is_there_again);
	tcase_add_test(tests, a_copy_of_a_copy_is_the_one_that_counts_whatever_start_comes_between);
	tcase_add_test(tests, a_batch_of_copies_that_names_what_was_never_written_is_damage);
	tcase_add_test(tests, a_second_persistd_on_the_same_directory_is_refused);
	tcase_add_test(tests, another_number_of_shards_is_refused);
	suite_add_tcase(suite, tests);
	return suite;
}

UNIT_MAIN(load_suite)
