#include "shm/state/list.h"
#include "tests/harness/unit.h"

#define SLOTS 8

struct slot {
	uint64_t before;
	struct link link;
};

static struct {
	struct undo_log log;
	struct list list;
	struct slot slots[SLOTS];
} region;

static struct txn txn;
static struct link_table table;

static void
setup(void)
{
	memset(&region, 0, sizeof(region));
	list_init(&region.list);
	txn = (struct txn){ .base = (char *)&region, .size_bytes = sizeof(region), .log = &region.log };
	table = (struct link_table){ (char *)&region.slots[0].link, sizeof(struct slot), SLOTS };
}

/* The list as digits, walked forward, and checked backward. */
static const char *
contents(void)
{
	static char text[SLOTS + 1];
	unsigned n = 0;
	uint32_t prev = NIL;

	for (uint32_t at = region.list.head; at != NIL; at = region.slots[at].link.next) {
		ck_assert_uint_eq(region.slots[at].link.prev, prev);
		text[n++] = (char)('0' + at);
		prev = at;
	}
	ck_assert_uint_eq(region.list.tail, prev);
	ck_assert_uint_eq(region.list.count, n);
	text[n] = '\0';
	return text;
}

static void
append(const char *digits)
{
	for (; *digits != '\0'; digits++)
		list_append(&txn, &table, &region.list, (uint32_t)(*digits - '0'));
}

START_TEST(appended_slots_keep_their_order)
{
	append("314");
	ck_assert_str_eq(contents(), "314");
}
END_TEST

START_TEST(a_slot_goes_in_front_of_another)
{
	append("31");
	list_insert_before(&txn, &table, &region.list, 1, 5);
	list_insert_before(&txn, &table, &region.list, 3, 7);
	ck_assert_str_eq(contents(), "7351");
}
END_TEST

START_TEST(slots_are_removed_from_head_middle_and_tail)
{
	append("01234");
	list_remove(&txn, &table, &region.list, 2);
	ck_assert_str_eq(contents(), "0134");
	list_remove(&txn, &table, &region.list, 0);
	list_remove(&txn, &table, &region.list, 4);
	ck_assert_str_eq(contents(), "13");
	list_remove(&txn, &table, &region.list, 1);
	list_remove(&txn, &table, &region.list, 3);
	ck_assert_str_eq(contents(), "");
}
END_TEST

START_TEST(every_change_can_be_undone)
{
	append("01234");
	txn_commit(&txn);
	list_remove(&txn, &table, &region.list, 2);
	append("2");
	list_remove(&txn, &table, &region.list, 0);
	list_insert_before(&txn, &table, &region.list, 4, 0);
	txn_rollback(&txn);
	ck_assert_str_eq(contents(), "01234");
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("state_list");
	TCase *tcase = tcase_create("list");

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, appended_slots_keep_their_order);
	tcase_add_test(tcase, a_slot_goes_in_front_of_another);
	tcase_add_test(tcase, slots_are_removed_from_head_middle_and_tail);
	tcase_add_test(tcase, every_change_can_be_undone);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
