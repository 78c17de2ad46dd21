/*
 * attributes: what is added comes back byte-exact, what does not fit is refused, and no bytes whatever lead the walk out of
 * its bounds.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/harness/unit.h"

#include "shm/attributes.h"
#include "shm/limits.h"

static char bytes[ATTRIBUTES_BYTES_MAX];
static uint32_t used;

static bool
add(const char *name, const char *value)
{
	return attributes_add(bytes, &used, sizeof(bytes), name, strlen(name), value, strlen(value));
}

START_TEST(attributes_come_back_in_order_byte_exact)
{
	struct attribute attribute;
	uint32_t position = 0;

	ck_assert(add("content-type", "text/plain; charset=utf-8"));
	ck_assert(add("Mq-Attr-Colour", ""));
	ck_assert(attributes_add(bytes, &used, sizeof(bytes), "b", 1, "\0\xff\r\n", 4));

	ck_assert(attributes_next(bytes, used, &position, &attribute));
	ck_assert_uint_eq(attribute.name_bytes, 12);
	ck_assert_mem_eq(attribute.name, "content-type", 12);
	ck_assert_uint_eq(attribute.value_bytes, 25);
	ck_assert_mem_eq(attribute.value, "text/plain; charset=utf-8", 25);
	ck_assert(attributes_next(bytes, used, &position, &attribute));
	ck_assert_mem_eq(attribute.name, "Mq-Attr-Colour", 14);
	ck_assert_uint_eq(attribute.value_bytes, 0);
	ck_assert(attributes_next(bytes, used, &position, &attribute));
	ck_assert_uint_eq(attribute.value_bytes, 4);
	ck_assert_mem_eq(attribute.value, "\0\xff\r\n", 4);
	ck_assert(!attributes_next(bytes, used, &position, &attribute));
	ck_assert_uint_eq(position, used);
}
END_TEST

START_TEST(no_attributes_are_an_empty_list)
{
	struct attribute attribute;
	uint32_t position = 0;

	ck_assert(!attributes_next(bytes, 0, &position, &attribute));
	ck_assert_uint_eq(position, 0);
}
END_TEST

START_TEST(what_cannot_be_stored_is_refused_and_changes_nothing)
{
	static char longest[UINT16_MAX + 1];

	ck_assert(!attributes_add(bytes, &used, sizeof(bytes), "", 0, "v", 1));
	ck_assert(!attributes_add(bytes, &used, sizeof(bytes), longest, 256, "v", 1));
	ck_assert(!attributes_add(bytes, &used, sizeof(bytes), "n", 1, longest, UINT16_MAX + 1));
	ck_assert_uint_eq(used, 0);
}
END_TEST

START_TEST(the_last_byte_of_the_capacity_can_be_used_and_not_one_more)
{
	ck_assert(attributes_add(bytes, &used, 8, "abc", 3, "de", 2));
	ck_assert_uint_eq(used, 8);
	ck_assert(!attributes_add(bytes, &used, 8, "a", 1, "", 0));
	used = 0;
	ck_assert(!attributes_add(bytes, &used, 8, "abc", 3, "def", 3));
	used = 9; /* beyond its capacity: a caller's confusion must not become a write */
	ck_assert(!attributes_add(bytes, &used, 8, "a", 1, "", 0));
}
END_TEST

/* True if the bytes are a list from end to end; each attribute lies within them. */
static bool
is_list(const char *list, uint32_t total)
{
	struct attribute attribute;
	uint32_t position = 0, before = 0;

	while (attributes_next(list, total, &position, &attribute)) {
		ck_assert_uint_gt(position, before);
		ck_assert_uint_le(position, total);
		ck_assert_uint_ge(attribute.name_bytes, 1);
		ck_assert(attribute.name >= list + before);
		ck_assert(attribute.value + attribute.value_bytes <= list + total);
		before = position;
	}
	return position == total;
}

START_TEST(a_list_cut_anywhere_but_between_attributes_is_no_list)
{
	ck_assert(add("first", "one"));
	uint32_t first = used;
	ck_assert(add("second", "two"));
	for (uint32_t total = 0; total <= used; total++)
		ck_assert_int_eq(is_list(bytes, total), total == 0 || total == first || total == used);
}
END_TEST

START_TEST(any_bytes_are_walked_within_their_bounds)
{
	srandom(1);
	for (unsigned round = 0; round < 200000; round++) {
		uint32_t total = (uint32_t)random() % 64;
		char *exact = malloc(total); /* so that a sanitizer sees one byte too far */

		for (uint32_t i = 0; i < total; i++)
			exact[i] = (char)(random() % 3 == 0 ? random() : random() % 6);
		(void)is_list(exact, total);
		free(exact);
	}
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("shm/attributes");
	TCase *tcase = tcase_create("attributes");

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, attributes_come_back_in_order_byte_exact);
	tcase_add_test(tcase, no_attributes_are_an_empty_list);
	tcase_add_test(tcase, what_cannot_be_stored_is_refused_and_changes_nothing);
	tcase_add_test(tcase, the_last_byte_of_the_capacity_can_be_used_and_not_one_more);
	tcase_add_test(tcase, a_list_cut_anywhere_but_between_attributes_is_no_list);
	tcase_add_test(tcase, any_bytes_are_walked_within_their_bounds);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
