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

/* Digit by digit, as the words of ids.h say it. */
static void
format_plainly(uint64_t high, uint64_t low, char *out, unsigned count)
{
	for (unsigned i = count; i-- > 0; low = low >> 5 | high << 59, high >>= 5)
		out[i] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"[low & 31];
}

START_TEST(every_count_of_digits_is_written_and_read_as_digit_by_digit)
{
	uint64_t high = 0x9e3779b97f4a7c15, low = 0xc2b2ae3d27d4eb4f, again_high, again_low;
	char text[26], plain[26];

	for (unsigned i = 0; i < 64 * 14; i++) {
		unsigned count = 13 + i % 14, above = count * 5 > 64 ? count * 5 - 64 : 0;
		uint64_t kept = above >= 64 ? high : high & ((UINT64_C(1) << above) - 1);

		base32_format(high, low, text, count);
		format_plainly(high, low, plain, count);
		ck_assert_mem_eq(text, plain, count);
		ck_assert(base32_parse((struct http_slice){ text, count }, 64, &again_high, &again_low));
		ck_assert_uint_eq(again_high, kept);
		ck_assert_uint_eq(again_low, low);
		text[i % count] = "ILOUa-\0\xff"[i % 8];
		ck_assert(!base32_parse((struct http_slice){ text, count }, 64, &again_high, &again_low));
		high = high * 6364136223846793005 + 1442695040888963407;
		low = low * 6364136223846793005 + high;
	}
}
END_TEST

START_TEST(a_number_of_more_bits_than_fit_is_refused)
{
	uint64_t high, low;

	ck_assert(base32_parse(http_slice_of("7ZZZZZZZZZZZZZZZZZZZZZZZZZ"), 64, &high, &low));
	ck_assert(high == UINT64_MAX && low == UINT64_MAX);
	ck_assert(!base32_parse(http_slice_of("80000000000000000000000000"), 64, &high, &low));
	ck_assert(!base32_parse(http_slice_of("G0000000000000000000000000"), 64, &high, &low));
	ck_assert(!base32_parse(http_slice_of("100000000000000000000000000"), 64, &high, &low));
	ck_assert(!base32_parse(http_slice_of("G00000000000000000000"), 40, &high, &low)); /* of 105 bits, 64 and 40 */
	ck_assert(base32_parse(http_slice_of("F00000000000000000000"), 40, &high, &low));
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
	tcase_add_test(tcase, every_count_of_digits_is_written_and_read_as_digit_by_digit);
	tcase_add_test(tcase, a_number_of_more_bits_than_fit_is_refused);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
