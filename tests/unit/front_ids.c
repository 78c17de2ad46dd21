#include "frontd/api/ids.h"
#include "tests/harness/unit.h"

START_TEST(a_message_id_sorts_by_time_then_shard_then_sequence)
{
	struct message_id ids[] = {
		{ .enqueued_ms = 1000, .shard = 3, .seq = 9, .msg_idx = 5 },
		{ .enqueued_ms = 1000, .shard = 3, .seq = 0x123456789a, .msg_idx = 0 },
		{ .enqueued_ms = 1000, .shard = 4, .seq = 0, .msg_idx = 0 },
		{ .enqueued_ms = 1001, .shard = 0, .seq = 0, .msg_idx = UINT32_MAX },
	};
	char texts[4][MESSAGE_ID_BYTES];

	for (size_t i = 0; i < 4; i++)
		message_id_format(&ids[i], texts[i]);
	for (size_t i = 1; i < 4; i++)
		ck_assert_int_lt(memcmp(texts[i - 1], texts[i], MESSAGE_ID_BYTES), 0);
}
END_TEST

START_TEST(a_receipt_is_read_as_it_was_written)
{
	struct receipt receipts[] = { { .token = UINT64_MAX, .msg_idx = UINT32_MAX }, { .token = 1, .msg_idx = 0 },
		{ .token = 0x0001000000000002, .msg_idx = 77 } }, again;
	char text[RECEIPT_BYTES];

	for (size_t i = 0; i < 3; i++) {
		receipt_format(&receipts[i], 31, text);
		ck_assert(receipt_parse((struct http_slice){ text, RECEIPT_BYTES }, 31, &again));
		ck_assert_uint_eq(again.token, receipts[i].token);
		ck_assert_uint_eq(again.msg_idx, receipts[i].msg_idx);
	}
}
END_TEST

START_TEST(a_receipt_of_another_shard_has_no_token)
{
	struct receipt receipt = { .token = 5, .msg_idx = 7 };
	char text[RECEIPT_BYTES];

	receipt_format(&receipt, 1, text);
	ck_assert(receipt_parse((struct http_slice){ text, RECEIPT_BYTES }, 0, &receipt));
	ck_assert_uint_eq(receipt.token, 0);
}
END_TEST

START_TEST(what_is_no_receipt_is_refused)
{
	static const char *const bad[] = { "", "00000000000000000000", "0000000000000000000000", "ZZZZZZZZZZZZZZZZZZZZZ",
		"00000000000000000000i", "00000000000000000000a", "0000000000 0000000000" };
	struct receipt receipt;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!receipt_parse(http_slice_of(bad[i]), 0, &receipt), "%s", bad[i]);
}
END_TEST

START_TEST(an_id_is_any_64_bits)
{
	uint64_t values[] = { 0, 1, UINT64_MAX, 0x00000003ffffffff }, again;
	char text[ID_BYTES];

	for (size_t i = 0; i < 4; i++) {
		id_format(values[i], text);
		ck_assert(id_parse((struct http_slice){ text, ID_BYTES }, &again));
		ck_assert_uint_eq(again, values[i]);
	}
	ck_assert(!id_parse(http_slice_of("ZZZZZZZZZZZZZ"), &again));
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("front_ids");
	TCase *tcase = tcase_create("front_ids");

	tcase_add_test(tcase, a_message_id_sorts_by_time_then_shard_then_sequence);
	tcase_add_test(tcase, a_receipt_is_read_as_it_was_written);
	tcase_add_test(tcase, a_receipt_of_another_shard_has_no_token);
	tcase_add_test(tcase, what_is_no_receipt_is_refused);
	tcase_add_test(tcase, an_id_is_any_64_bits);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
