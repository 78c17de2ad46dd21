#include "frontd/address.h"

#include <string.h>

#include "tests/harness/unit.h"

static struct addresses addresses;

static void
setup(void)
{
	ck_assert_int_eq(addresses_open(&addresses, 16), 0);
}

static void
teardown(void)
{
	addresses_free(&addresses);
}

static struct client_address
ipv4(uint32_t number)
{
	return (struct client_address){ .family = 4, .port = (uint16_t)(1024 + number),
		.bytes = { 10, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number } };
}

START_TEST(an_ipv4_address_is_counted_whole_and_its_port_does_not_matter)
{
	struct client_address one = ipv4(1), same = ipv4(1), other = ipv4(2);

	same.port++;
	addresses_add(&addresses, &one);
	addresses_add(&addresses, &same);
	ck_assert_uint_eq(addresses_count(&addresses, &one), 2);
	ck_assert_uint_eq(addresses_count(&addresses, &other), 0);
	addresses_remove(&addresses, &one);
	addresses_remove(&addresses, &same);
	ck_assert_uint_eq(addresses_count(&addresses, &one), 0);
	ck_assert_uint_eq(addresses.used, 0);
}
END_TEST

START_TEST(an_ipv6_address_is_counted_by_its_64)
{
	struct client_address one = { .family = 6, .bytes = { 0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 1 } }, near = one, far = one;

	near.bytes[15] = 9;
	far.bytes[7] = 2;
	addresses_add(&addresses, &one);
	ck_assert_uint_eq(addresses_count(&addresses, &near), 1);
	ck_assert_uint_eq(addresses_count(&addresses, &far), 0);
}
END_TEST

START_TEST(what_is_not_known_is_not_counted)
{
	struct client_address nobody = { .family = 0 };

	addresses_add(&addresses, &nobody);
	ck_assert_uint_eq(addresses_count(&addresses, &nobody), 0);
	addresses_remove(&addresses, &nobody);
	ck_assert_uint_eq(addresses.used, 0);
}
END_TEST

/* Against an array of counts: as full as it may be, so that searches and holes meet. */
START_TEST(the_table_counts_as_an_array_does)
{
	enum { PLACES = 700, STEPS = 200000 };
	static uint32_t wanted[PLACES];
	uint32_t random = 12345;

	memset(wanted, 0, sizeof(wanted));
	addresses.capacity = 1024; /* what is behind is not touched */
	for (unsigned step = 0; step < STEPS; step++) {
		random = random * 1664525 + 1013904223;
		uint32_t place = (random >> 8) % PLACES;
		struct client_address address = ipv4(place);

		if (wanted[place] != 0 && (random >> 30) != 0) {
			addresses_remove(&addresses, &address);
			wanted[place]--;
		} else if (addresses.used < 500 || wanted[place] != 0) {
			addresses_add(&addresses, &address);
			wanted[place]++;
		}
		if (step % 1000 != 0)
			continue;
		for (uint32_t i = 0; i < PLACES; i++) {
			address = ipv4(i);
			ck_assert_uint_eq(addresses_count(&addresses, &address), wanted[i]);
		}
	}
}
END_TEST

START_TEST(addresses_are_written_as_people_write_them)
{
	struct client_address v4 = ipv4(7), v6 = { .family = 6, .port = 443, .bytes = { 0x20, 1, 0xd, 0xb8, [15] = 7 } };
	char text[ADDRESS_TEXT_BYTES];

	address_format(&v4, text);
	ck_assert_str_eq(text, "10.0.0.7:1031");
	address_format(&v6, text);
	ck_assert_str_eq(text, "[2001:db8::7]:443");
	address_format(&(struct client_address){ .family = 0 }, text);
	ck_assert_str_eq(text, "");
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("front_address");
	TCase *tcase = tcase_create("address");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, an_ipv4_address_is_counted_whole_and_its_port_does_not_matter);
	tcase_add_test(tcase, an_ipv6_address_is_counted_by_its_64);
	tcase_add_test(tcase, what_is_not_known_is_not_counted);
	tcase_add_test(tcase, the_table_counts_as_an_array_does);
	tcase_add_test(tcase, addresses_are_written_as_people_write_them);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
