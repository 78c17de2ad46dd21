/*
 * cpus: lists as the kernel writes them, and what server.placement may say.
 */
#include "tests/harness/unit.h"

#include "conf/cpus.h"

START_TEST(a_list_comes_back_as_the_kernel_would_write_it)
{
	static const char *const lists[][2] = { { "0", "0" }, { "0-3,8", "0-3,8" }, { "3,1,2", "1-3" }, { "7-7", "7" },
		{ "1023", "1023" } };
	cpu_set_t cpus;
	char text[32];

	for (unsigned i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		ck_assert_msg(cpus_parse(lists[i][0], strlen(lists[i][0]), &cpus), "%s", lists[i][0]);
		cpus_format(&cpus, text, sizeof(text));
		ck_assert_str_eq(text, lists[i][1]);
	}
	CPU_ZERO(&cpus);
	cpus_format(&cpus, text, sizeof(text));
	ck_assert_str_eq(text, "");
}
END_TEST

START_TEST(what_does_not_fit_says_so)
{
	cpu_set_t cpus;
	char text[12];

	ck_assert(cpus_parse("0,2,4,6,8,10,12,14", 18, &cpus));
	cpus_format(&cpus, text, sizeof(text));
	ck_assert_str_eq(text, "0,2,4,6,...");
}
END_TEST

START_TEST(what_is_no_list_is_refused)
{
	static const char *const lists[] = { "", ",", "1,", ",1", "-1", "3-1", "1-", "a", "1 2", "1024", "99999999999" };
	cpu_set_t cpus;

	for (unsigned i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		ck_assert_msg(!cpus_parse(lists[i], strlen(lists[i]), &cpus), "`%s` was taken", lists[i]);
}
END_TEST

START_TEST(a_placement_is_one_of_three)
{
	static const char *const wrong[] = { "", "on", "auto off", "frontd", "frontd=", "frontd=1 frontd=2", "broker=1", "workerd=x",
		" frontd=1", "frontd=1;workerd=2" };
	struct placement_lists lists;

	ck_assert(placement_lists_parse("auto", &lists));
	ck_assert_int_eq(lists.mode, PLACEMENT_AUTO);
	ck_assert(placement_lists_parse("off", &lists));
	ck_assert_int_eq(lists.mode, PLACEMENT_OFF);
	ck_assert(placement_lists_parse("persistd=5  frontd=0-3", &lists));
	ck_assert_int_eq(lists.mode, PLACEMENT_LISTS);
	ck_assert_int_eq(CPU_COUNT(&lists.front), 4);
	ck_assert_int_eq(CPU_COUNT(&lists.worker), 0);
	ck_assert(CPU_ISSET(5, &lists.persist));
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		ck_assert_msg(!placement_lists_parse(wrong[i], &lists), "`%s` was taken", wrong[i]);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("conf/cpus");
	TCase *cpus = tcase_create("cpus");

	tcase_add_test(cpus, a_list_comes_back_as_the_kernel_would_write_it);
	tcase_add_test(cpus, what_does_not_fit_says_so);
	tcase_add_test(cpus, what_is_no_list_is_refused);
	tcase_add_test(cpus, a_placement_is_one_of_three);
	suite_add_tcase(suite, cpus);
	return suite;
}

UNIT_MAIN(suite)
