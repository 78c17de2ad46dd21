#include "frontd/people/logins.h"

#include <arpa/inet.h>

#include "frontd/address.h"
#include "tests/harness/unit.h"

#define SECOND 1000000000ull

static const struct login_limits limits = { .failures = 10, .window_ns = 300 * SECOND };
static struct logins *logins;
static uint64_t now;

static uint64_t
place4(const char *text)
{
	struct client_address address = { .family = 4 };

	ck_assert_int_eq(inet_pton(AF_INET, text, address.bytes), 1);
	return address_key(&address);
}

static uint64_t
place6(const char *text)
{
	struct client_address address = { .family = 6 };

	ck_assert_int_eq(inet_pton(AF_INET6, text, address.bytes), 1);
	return address_key(&address);
}

static bool
begin(const char *user, uint64_t place, uint32_t *retry_ms)
{
	return logins_begin(logins, &limits, http_slice_of(user), place, now, retry_ms);
}

/* How many attempts in a row fail before one is not let. */
static unsigned
failures(const char *user, uint64_t place, unsigned most)
{
	uint32_t retry_ms;
	unsigned count = 0;

	while (count < most && begin(user, place, &retry_ms))
		count++;
	return count;
}

static void
setup(void)
{
	logins = logins_open();
	ck_assert_ptr_nonnull(logins);
	now = 1000 * SECOND;
}

static void
teardown(void)
{
	logins_close(logins);
}

START_TEST(so_many_failures_and_then_one_at_a_time)
{
	uint64_t here = place4("10.0.0.1");
	uint32_t retry_ms = 0;

	ck_assert_uint_eq(failures("alice", here, 100), 10);
	ck_assert(!begin("alice", here, &retry_ms));
	ck_assert_uint_eq(retry_ms, 30001);
	now += (uint64_t)retry_ms * 1000000;
	ck_assert_uint_eq(failures("alice", here, 100), 1);
	now += 300 * SECOND;
	ck_assert_uint_eq(failures("alice", here, 100), 10);
}
END_TEST

START_TEST(an_attacker_elsewhere_does_not_lock_the_user_out)
{
	uint32_t retry_ms;

	ck_assert_uint_eq(failures("alice", place4("192.0.2.66"), 100), 10);
	ck_assert(begin("alice", place4("10.0.0.1"), &retry_ms));
}
END_TEST

START_TEST(right_passwords_are_not_counted)
{
	uint64_t here = place4("10.0.0.1");
	uint32_t retry_ms;

	for (int i = 0; i < 1000; i++) {
		ck_assert(begin("alice", here, &retry_ms));
		logins_forgive(logins, &limits, HTTP_LITERAL("alice"), here, true);
	}
	ck_assert_uint_eq(failures("alice", here, 100), 10);
}
END_TEST

START_TEST(many_places_together_are_held_too)
{
	uint32_t retry_ms;
	unsigned let = 0;

	for (unsigned i = 0; i < 250; i++) {
		char address[16];

		snprintf(address, sizeof(address), "192.0.2.%u", i);
		let += failures("alice", place4(address), 2);
	}
	ck_assert_uint_eq(let, 100);
	ck_assert(!begin("alice", place4("10.0.0.1"), &retry_ms));
	ck_assert(begin("bob", place4("10.0.0.1"), &retry_ms));
}
END_TEST

START_TEST(whoever_was_in_from_there_comes_in_though_many_attack)
{
	uint64_t home = place4("10.0.0.1");
	uint32_t retry_ms;

	ck_assert(begin("alice", home, &retry_ms));
	logins_forgive(logins, &limits, HTTP_LITERAL("alice"), home, true);
	for (unsigned i = 0; i < 250; i++) {
		char address[16];

		snprintf(address, sizeof(address), "192.0.2.%u", i);
		(void)failures("alice", place4(address), 2);
	}
	ck_assert(!begin("alice", place4("10.0.0.2"), &retry_ms));
	ck_assert(begin("alice", home, &retry_ms));
	logins_forgive(logins, &limits, HTTP_LITERAL("alice"), home, true);
	/* But guessing from there is counted there. */
	ck_assert_uint_eq(failures("alice", home, 100), 10);
}
END_TEST

START_TEST(one_place_cannot_try_every_user)
{
	unsigned let = 0;

	for (unsigned i = 0; i < 500; i++) {
		char user[16];

		snprintf(user, sizeof(user), "user%u", i);
		let += failures(user, place4("192.0.2.66"), 1);
	}
	ck_assert_uint_eq(let, 100);
}
END_TEST

START_TEST(an_ipv6_client_is_its_network)
{
	uint32_t retry_ms;

	ck_assert_uint_eq(failures("alice", place6("2001:db8::1"), 100), 10);
	ck_assert(!begin("alice", place6("2001:db8::ffff:2"), &retry_ms));
	ck_assert(begin("alice", place6("2001:db8:0:1::1"), &retry_ms));
}
END_TEST

START_TEST(a_flood_of_names_takes_no_memory_and_keeps_those_that_count_most)
{
	uint64_t home = place4("10.0.0.1");
	uint32_t retry_ms;

	(void)failures("alice", home, 10);
	for (unsigned i = 0; i < 20000; i++) {
		uint64_t place = i + 1;
		char user[16];

		snprintf(user, sizeof(user), "user%u", i);
		ck_assert(begin(user, place, &retry_ms));
	}
	/* 30000 counts of one failure each went through 8192 places; those with ten stand. */
	ck_assert(!begin("alice", home, &retry_ms));
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("front_logins");
	TCase *tcase = tcase_create("limits");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, so_many_failures_and_then_one_at_a_time);
	tcase_add_test(tcase, an_attacker_elsewhere_does_not_lock_the_user_out);
	tcase_add_test(tcase, right_passwords_are_not_counted);
	tcase_add_test(tcase, many_places_together_are_held_too);
	tcase_add_test(tcase, whoever_was_in_from_there_comes_in_though_many_attack);
	tcase_add_test(tcase, one_place_cannot_try_every_user);
	tcase_add_test(tcase, an_ipv6_client_is_its_network);
	tcase_add_test(tcase, a_flood_of_names_takes_no_memory_and_keeps_those_that_count_most);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
