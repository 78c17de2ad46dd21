/*
 * gather: whole transactions of all shards, as many as a batch takes, and nobody is forgotten.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "persistd/gather.h"
#include "shm/atomic.h"
#include "tests/harness/unit.h"

#define SHARDS 3
#define BATCH_TARGET 16384u

static char instance[32];
static const struct region_identity store = { .store_uuid = { 7 }, .boot_id = { 8 } };
static const struct stream_geometry geometry = { .stream_bytes = 8u << 20, .replay_bytes = 4096 };
static struct stream workers[SHARDS], streams[SHARDS];
static struct gather gather;
static struct batch batch;
static struct journal_position position;

static void
name_instance(void)
{
	leftovers_instance(instance, sizeof(instance));
}

/* Also after a test that ended by a signal. */
static void
remove_instance(void)
{
	region_unlink_all(instance, "");
}

static void
setup(void)
{
	position = (struct journal_position){ 0 };
	for (uint32_t s = 0; s < SHARDS; s++) {
		ck_assert_int_eq(stream_create(instance, s, &geometry, &store), 0);
		ck_assert_int_eq(stream_attach(&workers[s], instance, s, &geometry, &store, STREAM_WORKER), 0);
		ck_assert_int_eq(stream_attach(&streams[s], instance, s, &geometry, &store, STREAM_PERSIST), 0);
		position.lsn[s] = LSN_FIRST;
		workers[s].shared->tail = LSN_FIRST;
	}
	gather = (struct gather){ .streams = streams, .shards = SHARDS, .batch_bytes = BATCH_TARGET };
	ck_assert_int_eq(batch_init(&batch, SHARDS), 0);
}

static void
teardown(void)
{
	batch_release(&batch);
	for (uint32_t s = 0; s < SHARDS; s++) {
		stream_detach(&workers[s]);
		stream_detach(&streams[s]);
	}
}

/* A transaction of `count` records of `bytes` each. */
static void
post(uint32_t shard, uint32_t count, uint32_t bytes)
{
	uint64_t tail = workers[shard].shared->tail;

	for (uint32_t i = 0; i < count; i++, tail += bytes) {
		struct record record = { .bytes = bytes, .type = RECORD_ACKED, .flags = i + 1 == count ? RECORD_LAST : 0, .lsn = tail };

		memcpy(stream_at(&workers[shard], tail), &record, sizeof(record));
	}
	store_release(&workers[shard].shared->tail, tail);
}

/* Gather once, step over it; how many bytes of `shard` it took. */
static uint64_t
take(uint32_t shard)
{
	uint64_t before = position.lsn[shard];

	batch_reset(&batch);
	(void)gather_fill(&gather, &batch, &position);
	journal_position_add(&position, batch.header, 1);
	return position.lsn[shard] - before;
}

START_TEST(nothing_new_is_no_batch)
{
	batch_reset(&batch);
	ck_assert(!gather_has_news(&gather, &position));
	ck_assert(!gather_fill(&gather, &batch, &position));
}
END_TEST

START_TEST(a_worker_that_has_not_begun_is_no_news)
{
	workers[1].shared->tail = 0;
	ck_assert(!gather_has_news(&gather, &position));
}
END_TEST

START_TEST(records_are_wanted_while_somebody_waits_for_them)
{
	post(1, 3, 64);
	ck_assert(gather_has_news(&gather, &position));
	ck_assert(!gather_is_wanted(&gather, &position));
	ck_assert(gather_has_bytes(&gather, &position, 3 * 64));
	ck_assert(!gather_has_bytes(&gather, &position, 3 * 64 + 1));
	store_relaxed(&workers[1].shared->wanted, LSN_FIRST + 64);
	ck_assert(gather_is_wanted(&gather, &position));
	(void)take(1);
	ck_assert(!gather_is_wanted(&gather, &position));
}
END_TEST

START_TEST(all_shards_go_into_one_batch)
{
	for (uint32_t s = 0; s < SHARDS; s++)
		post(s, 3, 64 + 8 * s);
	(void)take(0);
	ck_assert_uint_eq(batch.header->ranges, 3);
	for (uint32_t s = 0; s < SHARDS; s++)
		ck_assert_uint_eq(position.lsn[s], workers[s].shared->tail);
}
END_TEST

START_TEST(a_transaction_is_never_cut)
{
	for (unsigned i = 0; i < 10; i++)
		post(0, 3, 1000);
	ck_assert_uint_eq(take(0), 5 * 3000);
	ck_assert_uint_eq(take(0), 5 * 3000);
	ck_assert_uint_eq(take(0), 0);
}
END_TEST

START_TEST(a_transaction_larger_than_a_batch_goes_alone)
{
	post(0, 1, 64);
	post(0, 4, 1u << 20);
	post(0, 1, 64);
	ck_assert_uint_eq(take(0), 64);
	ck_assert_uint_eq(take(0), 4u << 20);
	ck_assert_uint_eq(batch.header->ranges, 1);
	ck_assert_uint_eq(take(0), 64);
}
END_TEST

START_TEST(a_busy_shard_does_not_starve_the_others)
{
	post(2, 1, 8000);
	for (unsigned i = 0; i < 500; i++)
		post(0, 1, 8000);
	for (unsigned i = 0; i < 3 && position.lsn[2] == LSN_FIRST; i++)
		(void)take(0);
	ck_assert_uint_eq(position.lsn[2], workers[2].shared->tail);
}
END_TEST

START_TEST(a_stream_without_records_kills_persistd_before_it_reaches_the_disk)
{
	memset(stream_at(&workers[0], LSN_FIRST), 0xff, 64);
	store_release(&workers[0].shared->tail, LSN_FIRST + 64);
	(void)take(0);
}
END_TEST

static Suite *
gather_suite(void)
{
	Suite *suite = suite_create("persistd/gather");
	TCase *tests = tcase_create("gather");

	tcase_add_unchecked_fixture(tests, name_instance, remove_instance);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, nothing_new_is_no_batch);
	tcase_add_test(tests, a_worker_that_has_not_begun_is_no_news);
	tcase_add_test(tests, records_are_wanted_while_somebody_waits_for_them);
	tcase_add_test(tests, all_shards_go_into_one_batch);
	tcase_add_test(tests, a_transaction_is_never_cut);
	tcase_add_test(tests, a_transaction_larger_than_a_batch_goes_alone);
	tcase_add_test(tests, a_busy_shard_does_not_starve_the_others);
	tcase_add_test_raise_signal(tests, a_stream_without_records_kills_persistd_before_it_reaches_the_disk, 6 /* SIGABRT */);
	suite_add_tcase(suite, tests);
	return suite;
}

UNIT_MAIN(gather_suite)
