/*
 * txn: after a commit everything stands, after a rollback nothing does, and a rollback that dies at any entry is finished
 * by the next one.
 */
#include <signal.h>
#include <stdint.h>
#include <string.h>

#include "tests/harness/unit.h"

#include "shm/txn.h"

struct nouns {
	uint64_t wide[8];
	uint32_t middle[8];
	uint16_t narrow[8];
	uint8_t thin[8];
	int32_t negative;
	uint32_t after;
};

static struct shard {
	struct undo_log log;
	struct nouns nouns;
} shard, before, open_shard;

static struct txn txn;

static void
setup(void)
{
	for (unsigned i = 0; i < 8; i++) {
		shard.nouns.wide[i] = 0x1111111111111111u * (i + 1);
		shard.nouns.middle[i] = 0x22222222u + i;
		shard.nouns.narrow[i] = (uint16_t)(0x3333u + i);
		shard.nouns.thin[i] = (uint8_t)(0x44u + i);
	}
	shard.nouns.negative = -5;
	shard.nouns.after = 77;
	txn = (struct txn){ .base = (char *)&shard, .size_bytes = sizeof(shard), .log = &shard.log };
	before = shard;
}

/* Words of every size, some of them twice. */
static void
change_everything(void)
{
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 8; i++) {
			txn_set(&txn, &shard.nouns.wide[i], 100u + i + round);
			txn_set(&txn, &shard.nouns.thin[i], (uint8_t)(1 + round));
			txn_add(&txn, &shard.nouns.middle[i], 7u);
			txn_set(&txn, &shard.nouns.narrow[i], (uint16_t)(round * 9));
		}
		txn_set(&txn, &shard.nouns.negative, -6 - (int)round);
	}
}

static void
assert_nouns_are_as_before(void)
{
	ck_assert_mem_eq(&shard.nouns, &before.nouns, sizeof(shard.nouns));
	ck_assert(!txn_is_open(&txn));
}

START_TEST(a_commit_keeps_what_was_set)
{
	ck_assert(!txn_is_open(&txn));
	change_everything();
	ck_assert(txn_is_open(&txn));
	ck_assert_uint_eq(shard.log.count, 2 * (4 * 8 + 1));
	txn_commit(&txn);
	ck_assert(!txn_is_open(&txn));
	txn_rollback(&txn); /* nothing is open, so nothing is undone */
	for (unsigned i = 0; i < 8; i++) {
		ck_assert_uint_eq(shard.nouns.wide[i], 101u + i);
		ck_assert_uint_eq(shard.nouns.middle[i], 0x22222222u + i + 14);
		ck_assert_uint_eq(shard.nouns.narrow[i], 9);
		ck_assert_uint_eq(shard.nouns.thin[i], 2);
	}
	ck_assert_int_eq(shard.nouns.negative, -7);
	ck_assert_uint_eq(shard.nouns.after, 77);
}
END_TEST

START_TEST(a_rollback_brings_every_word_back_even_one_set_twice)
{
	change_everything();
	txn_rollback(&txn);
	assert_nouns_are_as_before();
}
END_TEST

START_TEST(a_transaction_after_a_rollback_is_one_like_any_other)
{
	change_everything();
	txn_rollback(&txn);
	txn_set(&txn, &shard.nouns.after, 78u);
	txn_commit(&txn);
	ck_assert_uint_eq(shard.nouns.after, 78);
	change_everything();
	txn_rollback(&txn);
	ck_assert_uint_eq(shard.nouns.after, 78);
	ck_assert_mem_eq(shard.nouns.wide, before.nouns.wide, sizeof(shard.nouns.wide));
}
END_TEST

START_TEST(a_crash_between_the_entry_and_its_word_leaves_nothing_behind)
{
	change_everything();
	/* The next word is logged and counted, its store never came. */
	txn_log_word(&txn, &shard.nouns.after, sizeof(shard.nouns.after), shard.nouns.after);
	txn_rollback(&txn);
	assert_nouns_are_as_before();
}
END_TEST

START_TEST(a_crash_before_the_entry_counts_leaves_nothing_behind)
{
	change_everything();
	/* Half an entry beyond the count. */
	shard.log.entries[shard.log.count].where = UINT64_MAX;
	txn_rollback(&txn);
	assert_nouns_are_as_before();
}
END_TEST

START_TEST(a_rollback_that_dies_at_any_entry_is_finished_by_the_next)
{
	change_everything();
	open_shard = shard;

	uint64_t entries = shard.log.count;
	for (uint64_t left = 0; left <= entries; left++) {
		shard = open_shard;
		/* What a rollback leaves that died having restored all but `left` entries, the last one's count not yet stored: */
		struct undo_log *log = &shard.log;
		txn_rollback(&txn);
		struct nouns undone = shard.nouns;
		shard = open_shard;
		for (uint64_t n = entries; n > left; n--) {
			const struct undo_entry *entry = &log->entries[n - 1];
			memcpy((char *)&shard + (entry->where >> 8), &entry->old, entry->where & 0xff);
			log->count = n; /* the word is back, its entry still counts */
		}
		txn_rollback(&txn);
		ck_assert_mem_eq(&shard.nouns, &undone, sizeof(undone));
		assert_nouns_are_as_before();
	}
}
END_TEST

START_TEST(the_log_holds_undo_max_words_and_asserts_one_more)
{
	for (uint64_t i = 0; i < UNDO_MAX; i++)
		txn_set(&txn, &shard.nouns.after, (uint32_t)i);
	if (_i == 0) {
		txn_rollback(&txn);
		assert_nouns_are_as_before();
		raise(SIGABRT); /* so that both ways of this test end alike */
	}
	txn_set(&txn, &shard.nouns.after, 0u);
}
END_TEST

START_TEST(a_word_outside_the_region_is_asserted)
{
	static uint64_t stranger;

	txn.size_bytes = sizeof(struct undo_log);
	if (_i == 0)
		txn_set(&txn, &shard.nouns.after, 1u); /* just beyond the end */
	else
		txn_set(&txn, &stranger, 1u);
}
END_TEST

START_TEST(a_damaged_log_is_asserted_and_not_obeyed)
{
	change_everything();
	switch (_i) {
	case 0:
		shard.log.count = UNDO_MAX + 1;
		break;
	case 1:
		shard.log.entries[3].where = sizeof(shard) << 8 | 8;
		break;
	case 2:
		shard.log.entries[3].where |= 3;
		break;
	}
	txn_rollback(&txn);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("shm/txn");
	TCase *tcase = tcase_create("txn");

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, a_commit_keeps_what_was_set);
	tcase_add_test(tcase, a_rollback_brings_every_word_back_even_one_set_twice);
	tcase_add_test(tcase, a_transaction_after_a_rollback_is_one_like_any_other);
	tcase_add_test(tcase, a_crash_between_the_entry_and_its_word_leaves_nothing_behind);
	tcase_add_test(tcase, a_crash_before_the_entry_counts_leaves_nothing_behind);
	tcase_add_test(tcase, a_rollback_that_dies_at_any_entry_is_finished_by_the_next);
	tcase_add_loop_test_raise_signal(tcase, the_log_holds_undo_max_words_and_asserts_one_more, SIGABRT, 0, 2);
	tcase_add_loop_test_raise_signal(tcase, a_word_outside_the_region_is_asserted, SIGABRT, 0, 2);
	tcase_add_loop_test_raise_signal(tcase, a_damaged_log_is_asserted_and_not_obeyed, SIGABRT, 0, 3);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
