/*
 * The index of copied runs: the newest copy of each record is found, and nothing that was forgotten
 * or never copied.
 */
#include "persistd/copies.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "shm/record.h"
#include "tests/harness/unit.h"

enum { SHARD = 3, RECORD = 72, RECORDS = 4000, BATCH_RECORDS = 60 };

static struct copies copies;
static struct batch batch;
static uint64_t random_state;

static void
setup(void)
{
	copies_init(&copies);
	ck_assert_int_eq(batch_init(&batch, WORKER_MAX), 0);
	random_state = 88172645463325252ull;
}

static void
teardown(void)
{
	copies_free(&copies);
	batch_release(&batch);
}

static uint64_t
any(uint64_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % below;
}

/* LSN of record number `i`. */
static uint64_t
lsn_of(uint32_t i)
{
	return LSN_FIRST + (uint64_t)i * RECORD;
}

/* A record for the range that is being made at `to`. */
static void
put(char *to, uint32_t i)
{
	struct published_record record = { .record = { .bytes = RECORD, .type = RECORD_PUBLISHED, .lsn = lsn_of(i) }, .body_bytes = 8 };

	memset(to, 0, RECORD);
	memcpy(to, &record, sizeof(record));
}

/* A batch of copies of these records, which ascend, added as lying at `offset` of `segment`. */
static void
add(const uint32_t *records, uint32_t count, uint64_t segment, uint64_t offset)
{
	batch_reset(&batch);
	for (uint32_t i = 0; i < count; i++)
		put(batch_end(&batch) + i * RECORD, records[i]);
	batch_add(&batch, SHARD, lsn_of(records[0]), count * RECORD);
	batch.header->flags = BATCH_COPY;
	ck_assert_int_eq(copies_add(&copies, batch.header, segment, offset), 0);
}

/* The record is found there, or (segment 0) nowhere. */
static void
expect(uint32_t i, uint64_t segment, uint64_t offset)
{
	struct lsn_location at = { 0 };
	bool is_found = copies_find(&copies, SHARD, lsn_of(i), RECORD, &at);

	ck_assert_msg(is_found == (segment != 0), "record %u is %s", i, is_found ? "found" : "not found");
	if (!is_found)
		return;
	ck_assert_msg(at.segment == segment && at.offset == offset, "record %u is found in %" PRIu64 " at %" PRIu64 " and lies in %"
	    PRIu64 " at %" PRIu64, i, at.segment, at.offset, segment, offset);
}

/* Runs ascend, do not overlap, and are as many as is said. */
static void
check_order(void)
{
	uint64_t runs = 0;

	for (uint32_t s = 0; s < WORKER_MAX; s++) {
		uint64_t end = 0;

		for (uint32_t c = 0; c < copies.shard[s].count; c++) {
			const struct copies_chunk *chunk = copies.shard[s].chunks[c];

			ck_assert_uint_gt(chunk->count, 0);
			ck_assert_uint_le(chunk->count, COPIES_CHUNK_RUNS);
			for (uint32_t i = 0; i < chunk->count; i++) {
				ck_assert_uint_ge(chunk->runs[i].lsn, end);
				ck_assert_uint_gt(chunk->runs[i].bytes, 0);
				end = chunk->runs[i].lsn + chunk->runs[i].bytes;
			}
			runs += chunk->count;
		}
	}
	ck_assert_uint_eq(runs, copies.runs);
}

START_TEST(records_that_follow_each_other_are_one_run_and_found_singly)
{
	const uint32_t records[] = { 5, 6, 7, 20 };
	uint64_t payload = 8192 + batch.header->header_bytes;
	struct lsn_location at;

	add(records, 4, 9, 8192);
	ck_assert_uint_eq(copies.runs, 2);
	for (uint32_t i = 0; i < 4; i++)
		expect(records[i], 9, payload + i * RECORD);
	expect(4, 0, 0);
	expect(8, 0, 0);
	expect(19, 0, 0);
	expect(21, 0, 0);
	ck_assert(copies_find(&copies, SHARD, lsn_of(5), 3 * RECORD, &at));
	ck_assert(!copies_find(&copies, SHARD, lsn_of(5), 4 * RECORD, &at));
	ck_assert(!copies_find(&copies, SHARD + 1, lsn_of(5), RECORD, &at));
}
END_TEST

START_TEST(a_copy_of_a_part_of_a_run_leaves_the_rest_where_it_was)
{
	const uint32_t run[] = { 10, 11, 12, 13, 14 }, middle[] = { 12 }, first[] = { 10 }, last[] = { 14 };
	uint64_t payload = batch.header->header_bytes;

	add(run, 5, 4, 4096);
	add(middle, 1, 5, 4096);
	expect(11, 4, 4096 + payload + RECORD);
	expect(12, 5, 4096 + payload);
	expect(13, 4, 4096 + payload + 3 * RECORD);
	add(first, 1, 6, 4096);
	add(last, 1, 7, 4096);
	expect(10, 6, 4096 + payload);
	expect(11, 4, 4096 + payload + RECORD);
	expect(13, 4, 4096 + payload + 3 * RECORD);
	expect(14, 7, 4096 + payload);
	check_order();
}
END_TEST

START_TEST(what_lies_in_segments_that_are_gone_is_not_found_and_gives_its_memory_back)
{
	uint32_t records[BATCH_RECORDS];

	for (uint32_t first = 0; first + 2 * BATCH_RECORDS < RECORDS; first += 2 * BATCH_RECORDS) {
		for (uint32_t i = 0; i < BATCH_RECORDS; i++)
			records[i] = first + 2 * i; /* a run each */
		add(records, BATCH_RECORDS, 2 + first / 1000, 4096);
	}
	copies_forget(&copies, 4);
	expect(0, 0, 0);
	expect(2 * BATCH_RECORDS, 0, 0);
	expect(3000, 5, 4096 + batch.header->header_bytes);
	while (copies_sweep(&copies))
		;
	check_order();
	expect(3000, 5, 4096 + batch.header->header_bytes);
	copies_forget(&copies, 100);
	while (copies_sweep(&copies))
		;
	ck_assert_uint_eq(copies.runs, 0);
	ck_assert_uint_eq(copies.shard[SHARD].count, 0);
	ck_assert(!copies_sweep(&copies));
}
END_TEST

/* What the index should say. */
static struct { uint64_t segment, offset; } model[RECORDS];

START_TEST(after_any_sequence_of_copies_and_trims_the_newest_copy_is_found_and_no_other)
{
	uint64_t floor = 1, segment = 1, largest = 0;

	memset(model, 0, sizeof(model));
	for (unsigned round = 0; round < 3000; round++) {
		uint32_t records[BATCH_RECORDS], count = 0, i = (uint32_t)any(RECORDS), step = 1 + (uint32_t)any(4);

		for (; i < RECORDS && count < 1 + any(BATCH_RECORDS); i += 1 + (uint32_t)any(step))
			records[count++] = i;
		segment += any(8) == 0;
		if (count == 0)
			continue;
		uint64_t offset = 4096 * (1 + any(100));
		add(records, count, segment, offset);
		for (i = 0; i < count; i++) {
			model[records[i]].segment = segment;
			model[records[i]].offset = offset + batch.header->header_bytes + i * RECORD;
		}
		if (any(40) == 0)
			copies_forget(&copies, floor += any(segment - floor + 1));
		if (any(3) == 0)
			(void)copies_sweep(&copies);
		if (copies.runs > largest)
			largest = copies.runs;
		if (round % 16 != 0)
			continue;
		check_order();
		for (i = 0; i < RECORDS; i++)
			expect(i, model[i].segment >= floor ? model[i].segment : 0, model[i].offset);
	}
	/* So that chunks were split and joined. */
	ck_assert_uint_gt(largest, 3 * COPIES_CHUNK_RUNS);
}
END_TEST

static Suite *
copies_suite(void)
{
	Suite *suite = suite_create("persistd/copies");
	TCase *tests = tcase_create("copies");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, records_that_follow_each_other_are_one_run_and_found_singly);
	tcase_add_test(tests, a_copy_of_a_part_of_a_run_leaves_the_rest_where_it_was);
	tcase_add_test(tests, what_lies_in_segments_that_are_gone_is_not_found_and_gives_its_memory_back);
	tcase_add_test(tests, after_any_sequence_of_copies_and_trims_the_newest_copy_is_found_and_no_other);
	suite_add_tcase(suite, tests);
	return suite;
}

UNIT_MAIN(copies_suite)
