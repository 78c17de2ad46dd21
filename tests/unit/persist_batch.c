/*
 * batch: what is sealed is recognised, whatever else is not; whole transactions are found in a stream.
 */
#include <string.h>

#include "persistd/batch.h"
#include "shm/record.h"
#include "tests/harness/unit.h"

static const uint8_t uuid[16] = "0123456789abcde";
static struct batch batch;

static uint32_t
put(char *to, uint64_t lsn, uint32_t extra, uint16_t flags)
{
	struct record record = { .bytes = (uint32_t)sizeof(record) + extra, .type = RECORD_ACKED, .flags = flags, .lsn = lsn };

	memset(to, 'x', record.bytes);
	memcpy(to, &record, sizeof(record));
	return record.bytes;
}

static void
setup(void)
{
	struct batch_place place = { .store_uuid = uuid, .epoch = 3, .index = 7, .durable_index = 5, .previous_hash = 99,
		.time_ms = 1 };

	ck_assert_int_eq(batch_init(&batch, 4), 0);
	batch_add(&batch, 2, 4096, put(batch_end(&batch), 4096, 40, RECORD_LAST));
	batch_add(&batch, 0, 8192, put(batch_end(&batch), 8192, 400, RECORD_LAST));
	(void)batch_seal(&batch, &place);
}

static void
teardown(void)
{
	batch_release(&batch);
}

START_TEST(a_sealed_batch_is_recognised_and_says_what_it_holds)
{
	const struct batch_header *header = batch.header;

	ck_assert(batch_header_is_whole(header, header->total_bytes, uuid));
	ck_assert(batch_payload_is_whole(header));
	ck_assert_uint_eq(header->index, 7);
	ck_assert_uint_eq(header->ranges, 2);
	ck_assert_uint_eq(batch_ranges(header)[0].shard, 2);
	ck_assert_uint_eq(batch_ranges(header)[1].lsn, 8192);
	ck_assert_uint_eq(header->total_bytes, BLOCK_BYTES);
	ck_assert_uint_eq(header->payload_bytes, 64 + 424);
}
END_TEST

START_TEST(every_flipped_bit_is_seen_except_in_the_padding)
{
	unsigned char *bytes = (unsigned char *)batch.header;
	uint32_t used = batch.header->header_bytes + batch.header->payload_bytes;

	for (uint32_t bit = 0; bit < used * 8; bit++) {
		bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
		ck_assert_msg(!batch_header_is_whole(bytes, BLOCK_BYTES, uuid) || !batch_payload_is_whole(batch.header),
		    "bit %u of the batch can be flipped", bit);
		bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
	}
}
END_TEST

START_TEST(a_batch_of_another_store_is_none)
{
	uint8_t other[16] = "fedcba987654321";

	ck_assert(!batch_header_is_whole(batch.header, BLOCK_BYTES, other));
}
END_TEST

START_TEST(a_header_that_is_cut_off_is_none)
{
	for (size_t available = 0; available < batch.header->header_bytes; available++)
		ck_assert(!batch_header_is_whole(batch.header, available, uuid));
}
END_TEST

START_TEST(a_batch_used_again_leaves_nothing_of_its_former_payload_in_the_padding)
{
	struct batch_place place = { .store_uuid = uuid, .epoch = 3, .index = 8, .durable_index = 7 };

	batch_reset(&batch);
	ck_assert(batch_is_empty(&batch));
	batch_add(&batch, 1, 4096, put(batch_end(&batch), 4096, 0, RECORD_LAST));
	(void)batch_seal(&batch, &place);
	for (char *at = batch_end(&batch); at < (char *)batch.header + BLOCK_BYTES; at++)
		ck_assert_int_eq(*at, 0);
}
END_TEST

START_TEST(transactions_are_cut_at_their_ends_and_never_inside)
{
	char bytes[512];
	uint32_t one = put(bytes, 4096, 8, 0), two = one + put(bytes + one, 4096 + one, 16, RECORD_LAST);
	uint32_t three = two + put(bytes + two, 4096 + two, 0, RECORD_LAST), four = three + put(bytes + three, 4096 + three, 64, 0);
	bool is_sound;

	for (uint32_t available = 0; available <= four; available += 8) {
		uint64_t expected = available >= three ? three : available >= two ? two : 0;

		ck_assert_uint_eq(batch_transactions(bytes, available, 4096, false, &is_sound), expected);
		ck_assert(is_sound);
	}
	ck_assert_uint_eq(batch_transactions(bytes, four, 4096, true, &is_sound), two);
}
END_TEST

START_TEST(bytes_that_are_no_records_are_said_to_be_unsound)
{
	char bytes[256];
	bool is_sound;

	uint32_t one = put(bytes, 4096, 8, RECORD_LAST);
	memset(bytes + one, 0, sizeof(bytes) - one);
	ck_assert_uint_eq(batch_transactions(bytes, sizeof(bytes), 4096, false, &is_sound), one);
	ck_assert(!is_sound);
	/* The right record in the wrong place. */
	ck_assert_uint_eq(batch_transactions(bytes, one, 8192, false, &is_sound), 0);
	ck_assert(!is_sound);
}
END_TEST

START_TEST(a_published_record_whose_lengths_disagree_is_none)
{
	struct published_record record = { .record = { .bytes = 64 + 16, .type = RECORD_PUBLISHED, .lsn = 4096 },
		.attributes_bytes = 3, .body_bytes = 9 };
	char bytes[96] = "";

	memcpy(bytes, &record, sizeof(record));
	ck_assert_uint_eq(batch_record_bytes(bytes, sizeof(bytes), 4096), 80);
	record.body_bytes = 17;
	memcpy(bytes, &record, sizeof(record));
	ck_assert_uint_eq(batch_record_bytes(bytes, sizeof(bytes), 4096), 0);
	record.body_bytes = UINT32_MAX;
	record.attributes_bytes = 13;
	memcpy(bytes, &record, sizeof(record));
	ck_assert_uint_eq(batch_record_bytes(bytes, sizeof(bytes), 4096), 0);
}
END_TEST

/* A batch of copies of records at these LSNs, 80 bytes each. */
static void
copy(const uint64_t *lsns, uint32_t count, uint16_t type)
{
	struct batch_place place = { .store_uuid = uuid, .epoch = 3, .index = 8, .durable_index = 7, .flags = BATCH_COPY };

	batch_reset(&batch);
	for (uint32_t i = 0; i < count; i++) {
		struct published_record record = { .record = { .bytes = 80, .type = type, .lsn = lsns[i] }, .body_bytes = 13 };

		memset(batch_end(&batch) + i * 80, 0, 80);
		memcpy(batch_end(&batch) + i * 80, &record, sizeof(record));
	}
	batch_add(&batch, 1, lsns[0], count * 80);
	(void)batch_seal(&batch, &place);
}

START_TEST(copies_name_their_own_places_and_ascend_and_lie_below_the_end_of_their_stream)
{
	const uint64_t good[] = { 4096, 4176, 8192 }, twice[] = { 4096, 4096 }, within[] = { 4096, 4168 }, back[] = { 8192, 4096 };
	uint64_t below[WORKER_MAX] = { 0, 8272 };

	copy(good, 3, RECORD_PUBLISHED);
	ck_assert(batch_header_is_whole(batch.header, BLOCK_BYTES, uuid));
	ck_assert(batch_copies_are_sound(batch.header, below));
	below[1] = 0;
	ck_assert(batch_copies_are_sound(batch.header, below));
	below[1] = 8264;
	ck_assert(!batch_copies_are_sound(batch.header, below));
	below[1] = 8272;
	copy(good, 3, RECORD_ACKED);
	ck_assert(!batch_copies_are_sound(batch.header, below));
	copy(twice, 2, RECORD_PUBLISHED);
	ck_assert(!batch_copies_are_sound(batch.header, below));
	copy(within, 2, RECORD_PUBLISHED);
	ck_assert(!batch_copies_are_sound(batch.header, below));
	copy(back, 2, RECORD_PUBLISHED);
	ck_assert(!batch_copies_are_sound(batch.header, below));
	copy(good, 3, RECORD_PUBLISHED);
	((struct batch_range *)batch_ranges(batch.header))->lsn = 4104;
	ck_assert(!batch_copies_are_sound(batch.header, below));
}
END_TEST

static Suite *
batch_suite(void)
{
	Suite *suite = suite_create("persistd/batch");
	TCase *tests = tcase_create("batch");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, a_sealed_batch_is_recognised_and_says_what_it_holds);
	tcase_add_test(tests, every_flipped_bit_is_seen_except_in_the_padding);
	tcase_add_test(tests, a_batch_of_another_store_is_none);
	tcase_add_test(tests, a_header_that_is_cut_off_is_none);
	tcase_add_test(tests, a_batch_used_again_leaves_nothing_of_its_former_payload_in_the_padding);
	tcase_add_test(tests, transactions_are_cut_at_their_ends_and_never_inside);
	tcase_add_test(tests, bytes_that_are_no_records_are_said_to_be_unsound);
	tcase_add_test(tests, a_published_record_whose_lengths_disagree_is_none);
	tcase_add_test(tests, copies_name_their_own_places_and_ascend_and_lie_below_the_end_of_their_stream);
	suite_add_tcase(suite, tests);
	return suite;
}

UNIT_MAIN(batch_suite)
