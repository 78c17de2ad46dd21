/*
 * outcome: each has a slug of its own, an HTTP status that fits it and a title, and a number from a stranger is harmless.
 */
#include <ctype.h>
#include <string.h>

#include "tests/harness/unit.h"

#include "shm/outcome.h"

START_TEST(every_outcome_has_a_slug_of_its_own_a_status_and_a_title)
{
	for (unsigned i = 0; i < OUTCOME_COUNT; i++) {
		const struct outcome_text *text = outcome_text(i);

		ck_assert_ptr_nonnull(text->slug);
		ck_assert_uint_gt(strlen(text->title), 0);
		ck_assert(text->status / 100 == 2 || text->status / 100 == 4 || text->status / 100 == 5);
		for (const char *c = text->slug; *c != '\0'; c++)
			ck_assert(islower((unsigned char)*c) || *c == '-');
		for (unsigned other = 0; other < i; other++)
			ck_assert_str_ne(text->slug, outcome_text(other)->slug);
	}
}
END_TEST

START_TEST(an_outcome_that_does_not_exist_is_an_internal_error)
{
	ck_assert_ptr_eq(outcome_text(OUTCOME_COUNT), outcome_text(OUTCOME_INTERNAL));
	ck_assert_ptr_eq(outcome_text(65535), outcome_text(OUTCOME_INTERNAL));
	ck_assert_uint_eq(outcome_text(OUTCOME_INTERNAL)->status, 500);
}
END_TEST

START_TEST(ok_is_zero_and_the_documented_codes_stand)
{
	ck_assert_int_eq(OUTCOME_OK, 0);
	ck_assert_str_eq(outcome_text(OUTCOME_LEASE_EXPIRED)->slug, "lease-expired");
	ck_assert_uint_eq(outcome_text(OUTCOME_LEASE_EXPIRED)->status, 410);
	ck_assert_str_eq(outcome_text(OUTCOME_DISK_FULL)->slug, "disk-full");
	ck_assert_uint_eq(outcome_text(OUTCOME_DISK_FULL)->status, 503);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("shm/outcome");
	TCase *tcase = tcase_create("outcome");

	tcase_add_test(tcase, every_outcome_has_a_slug_of_its_own_a_status_and_a_title);
	tcase_add_test(tcase, an_outcome_that_does_not_exist_is_an_internal_error);
	tcase_add_test(tcase, ok_is_zero_and_the_documented_codes_stand);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
