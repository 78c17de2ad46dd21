#include "shm/usage.h"

#include <string.h>

#include "tests/harness/unit.h"

enum { USERS = 8 };

static struct usage_entry entries[USERS];
static struct usage usage;

static void
setup(void)
{
	memset(entries, 0, sizeof(entries));
	usage_view(&usage, entries, USERS);
}

START_TEST(what_is_added_is_said_of_that_user_alone)
{
	usage_add(&usage, USER_UID(1, 3), &(struct usage_entry){ .queues = 2, .stored_bytes = 100, .connections = 1 });
	usage_add(&usage, USER_UID(1, 3), &(struct usage_entry){ .queues = (uint64_t)-1 });
	usage_add_bytes(&usage, USER_UID(1, 3), 11);
	usage_add_bytes(&usage, USER_UID(1, 3), (uint64_t)-1);
	struct usage_entry said = usage_of(&usage, USER_UID(1, 3));
	ck_assert_uint_eq(said.queues, 1);
	ck_assert_uint_eq(said.stored_bytes, 110);
	ck_assert_uint_eq(said.connections, 1);
	ck_assert_uint_eq(usage_of(&usage, USER_UID(2, 4)).stored_bytes, 0);
	ck_assert_uint_eq(usage_of(&usage, 0).stored_bytes, 0);
	ck_assert_uint_eq(usage_of(&usage, USER_UID(9, USERS)).stored_bytes, 0);
}
END_TEST

START_TEST(a_slot_passes_to_the_next_user_empty_and_not_back)
{
	usage_add_bytes(&usage, USER_UID(1, 3), 100);
	usage_add_bytes(&usage, USER_UID(5, 3), 7);
	ck_assert_uint_eq(usage_of(&usage, USER_UID(1, 3)).stored_bytes, 0);
	ck_assert_uint_eq(usage_of(&usage, USER_UID(5, 3)).stored_bytes, 7);
	usage_add_bytes(&usage, USER_UID(1, 3), (uint64_t)-100); /* a message of a queue that the first one left */
	ck_assert_uint_eq(usage_of(&usage, USER_UID(5, 3)).stored_bytes, 7);
}
END_TEST

START_TEST(cleared_it_says_nothing)
{
	usage_add_bytes(&usage, USER_UID(1, 3), 100);
	usage_clear(&usage);
	ck_assert_uint_eq(usage_of(&usage, USER_UID(1, 3)).stored_bytes, 0);
	ck_assert_uint_eq(entries[3].uid, 0);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("shm_usage");
	TCase *tcase = tcase_create("usage");

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, what_is_added_is_said_of_that_user_alone);
	tcase_add_test(tcase, a_slot_passes_to_the_next_user_empty_and_not_back);
	tcase_add_test(tcase, cleared_it_says_nothing);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
