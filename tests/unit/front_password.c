#include "frontd/people/password.h"

#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "shm/atomic.h"
#include "tests/harness/deadline.h"
#include "tests/harness/hashing.h"
#include "tests/harness/unit.h"

enum { COST = 1, WAIT_MS = 60000 };

static int event_fd;
static struct hashing hashing;
static struct password *password;

static void
setup(void)
{
	event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ck_assert_int_ge(event_fd, 0);
	hashing_open(&hashing, COST, event_fd);
	hashing_start(&hashing);
	password = password_open(&(struct password_source){ hashing.files.asks_fd, hashing.files.answers_reading_fd,
	    hashing.hasher.event_fd });
	ck_assert_ptr_nonnull(password);
}

static void
teardown(void)
{
	hashing_stop(&hashing);
	password_close(password);
	hashing_close(&hashing);
	close(event_fd);
}

static struct password_ask *
reserve(void)
{
	uint32_t index;
	struct password_ask *ask = password_reserve(password, &index);

	ck_assert_ptr_nonnull(ask);
	return ask;
}

static void
submit(void)
{
	password_submit(password, (clock_ms() * 1000000));
}

/* The oldest job, done; sleeps as the loop does.  Its place. */
static uint32_t
await(void)
{
	uint64_t deadline_ms = deadline_in(WAIT_MS), count;
	uint32_t index;

	while (!password_done(password, &index)) {
		while (read(event_fd, &count, sizeof(count)) < 0)
			ck_assert_msg(deadline_pause(deadline_ms), "no wake-up came");
	}
	return index;
}

/* Its result; then it is dropped. */
static struct password_result
await_result(void)
{
	struct password_result result = password_result(password, await());

	password_drop(password);
	return result;
}

static void
text(char *to, const char *from)
{
	memcpy(to, from, strlen(from) + 1);
}

/* What crypt(3) makes of it. */
static void
make(const char *fresh, char hash[PASSWORD_HASH_BYTES_MAX + 1])
{
	struct password_ask *ask = reserve();

	ask->wants_hash = true;
	text(ask->fresh, fresh);
	submit();
	struct password_result result = await_result();
	ck_assert(!result.has_failed);
	memcpy(hash, result.hash, sizeof(result.hash));
}

static bool
check(const char *given, const char *stored)
{
	struct password_ask *ask = reserve();

	ask->wants_check = true;
	text(ask->given, given);
	text(ask->stored, stored);
	submit();
	struct password_result result = await_result();
	ck_assert(!result.has_failed);
	return result.is_right != 0;
}

START_TEST(a_hash_is_yescrypt_and_is_of_its_password_only)
{
	char hash[PASSWORD_HASH_BYTES_MAX + 1], other[PASSWORD_HASH_BYTES_MAX + 1];

	make("two llamas", hash);
	make("two llamas", other);
	ck_assert(strncmp(hash, "$y$", 3) == 0);
	ck_assert_msg(strcmp(hash, other) != 0, "the same salt twice");
	ck_assert_ptr_null(strstr(hash, "llama"));
	ck_assert(check("two llamas", hash));
	ck_assert(check("two llamas", other));
	ck_assert(!check("two llama", hash));
	ck_assert(!check("two llamas ", hash));
	ck_assert(!check("", hash));
}
END_TEST

START_TEST(nobody_has_no_right_password)
{
	ck_assert(!check("anything", ""));
	ck_assert(!check("", ""));
	ck_assert(!check("*0", "*0"));
	ck_assert(!check("rubbish", "rubbish"));
}
END_TEST

START_TEST(a_new_password_is_hashed_only_when_the_old_one_is_right)
{
	char hash[PASSWORD_HASH_BYTES_MAX + 1];

	make("old one", hash);
	for (int is_right = 0; is_right <= 1; is_right++) {
		struct password_ask *ask = reserve();

		ask->wants_check = ask->wants_hash = true;
		text(ask->given, is_right ? "old one" : "old two");
		text(ask->stored, hash);
		text(ask->fresh, "new one");
		submit();
		struct password_result result = await_result();
		ck_assert_int_eq(result.is_right, is_right);
		ck_assert_int_eq(result.hash[0] != '\0', is_right);
	}
}
END_TEST

START_TEST(when_too_many_wait_there_is_no_room_and_later_there_is)
{
	uint32_t index;

	for (unsigned i = 0; i < PASSWORD_JOBS_MAX; i++) {
		struct password_ask *ask = reserve();

		ask->wants_hash = true;
		snprintf(ask->fresh, sizeof(ask->fresh), "password %u", i);
		submit();
	}
	ck_assert_ptr_null(password_reserve(password, &index));
	ck_assert_uint_ge(password_wait_ms(password), 1);
	for (unsigned i = 0; i < PASSWORD_JOBS_MAX; i++) {
		index = await();
		ck_assert_uint_eq(index, i % PASSWORD_JOBS_MAX);
		ck_assert_int_eq(password_result(password, index).hash[0], '$');
		password_drop(password);
		ck_assert_ptr_nonnull(password_reserve(password, &index));
	}
	ck_assert(!password_done(password, &index));
}
END_TEST

START_TEST(a_dropped_job_leaves_nothing_in_memory)
{
	static const struct password_ask nothing;
	static const struct crypt_data no_crypt;
	char hash[PASSWORD_HASH_BYTES_MAX + 1];
	struct password_ask *ask = reserve();

	make("a secret", hash);
	ck_assert_int_eq(memcmp(ask, &nothing, sizeof(nothing)), 0);
	/* What the hasher had of it was wiped before the job was done. */
	ck_assert_int_eq(memcmp(&hashing.hasher.ask, &nothing, sizeof(nothing)), 0);
	ck_assert_int_eq(memcmp(&hashing.hasher.crypt, &no_crypt, sizeof(no_crypt)), 0);
}
END_TEST

START_TEST(what_is_abandoned_is_not_begun)
{
	hashing_stop(&hashing);
	for (unsigned i = 0; i < 8; i++) {
		struct password_ask *ask = reserve();

		ask->wants_hash = true;
		text(ask->fresh, "x");
		submit();
		if (i != 0)
			password_abandon(password, i);
	}
	hashing_start(&hashing);
	for (unsigned i = 0; i < 8; i++) {
		struct password_result result = await_result();

		ck_assert_int_eq(result.hash[0] != '\0', i == 0);
		ck_assert_int_eq(result.was_skipped, i != 0);
	}
}
END_TEST

START_TEST(what_a_hasher_left_is_done_by_the_next)
{
	uint32_t index;

	hashing_stop(&hashing);
	for (unsigned i = 0; i < 4; i++) {
		struct password_ask *ask = reserve();

		ask->wants_hash = true;
		text(ask->fresh, "x");
		submit();
	}
	/* Killed in the middle of the first: it was begun, and is not finished. */
	hashing.hasher.answers->begun = hashing.hasher.answers->tries = 1;
	ck_assert(!password_done(password, &index));
	hashing_start(&hashing);
	for (unsigned i = 0; i < 4; i++)
		ck_assert_int_eq(await_result().hash[0], '$');
}
END_TEST

START_TEST(a_job_that_kills_hashers_is_given_up_and_the_next_is_done)
{
	hashing_stop(&hashing);
	for (unsigned i = 0; i < 2; i++) {
		struct password_ask *ask = reserve();

		ask->wants_hash = true;
		text(ask->fresh, "x");
		submit();
	}
	hashing.hasher.answers->begun = 1;
	hashing.hasher.answers->tries = HASHER_TRIES;
	hashing_start(&hashing);
	for (unsigned i = 0; i < 2; i++) {
		struct password_result result = await_result();

		ck_assert_int_eq(result.has_failed, i == 0);
		ck_assert_int_eq(result.hash[0] != '\0', i != 0);
	}
}
END_TEST

START_TEST(a_hasher_that_hangs_is_noticed_once_and_not_when_it_goes_on)
{
	uint64_t since_ns = (clock_ms() * 1000000);

	hashing_stop(&hashing);
	ck_assert(!password_look(password, since_ns));
	/* Nothing to do is no hanging. */
	ck_assert(!password_look(password, since_ns + 1000 * PASSWORD_PATIENCE_NS_MAX));
	for (unsigned i = 0; i < 2; i++) {
		struct password_ask *ask = reserve();

		ask->wants_hash = true;
		text(ask->fresh, "x");
		password_submit(password, since_ns);
	}
	ck_assert(!password_look(password, since_ns));
	ck_assert(!password_look(password, since_ns + PASSWORD_PATIENCE_NS_MIN));
	ck_assert(password_look(password, since_ns + PASSWORD_PATIENCE_NS_MIN + 1));
	ck_assert(password_is_stuck(password));
	ck_assert(!password_look(password, since_ns + 2 * PASSWORD_PATIENCE_NS_MIN));
	ck_assert(password_is_stuck(password));
	hashing_start(&hashing);
	(void)await_result(); /* the other may be done or not */
	ck_assert(!password_look(password, since_ns + 3 * PASSWORD_PATIENCE_NS_MIN));
	ck_assert(!password_is_stuck(password));
	(void)await_result();
}
END_TEST

START_TEST(numbers_of_a_hasher_that_was_taken_over_are_not_believed)
{
	struct password_answers *answers = hashing.hasher.answers;
	uint32_t index;

	hashing_stop(&hashing);
	memset(answers, 0xff, sizeof(*answers));
	ck_assert(!password_done(password, &index));
	ck_assert_uint_eq(strlen(password_result(password, 0).hash), PASSWORD_HASH_BYTES_MAX);
	ck_assert_uint_le(password_wait_ms(password), PASSWORD_PATIENCE_NS_MAX / 1000000 + 1);
	struct password_ask *ask = reserve();
	ask->wants_hash = true;
	submit();
	for (uint64_t number = 2; number < 1000; number++) {
		answers->finished = number;
		ck_assert(!password_done(password, &index));
	}
	memset(answers, 0, sizeof(*answers));
	hashing_start(&hashing);
	(void)await_result();
}
END_TEST

static uint64_t
cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

START_TEST(nobody_costs_as_much_time_as_somebody)
{
	char hash[PASSWORD_HASH_BYTES_MAX + 1];
	uint64_t somebody_ns = 0, nobody_ns = 0;

	/* Of processor time, and in turns: other work on the machine is not in it. */
	make("the right one", hash);
	for (unsigned i = 0; i < 40; i++) {
		uint64_t since = cpu_ns();
		ck_assert(!check("a wrong one", hash));
		uint64_t between = cpu_ns();
		ck_assert(!check("a wrong one", ""));
		somebody_ns += between - since;
		nobody_ns += cpu_ns() - between;
	}
	ck_assert_msg(nobody_ns * 10 > somebody_ns * 8 && somebody_ns * 10 > nobody_ns * 8, "%llu us somebody, %llu us nobody",
	    (unsigned long long)somebody_ns / 1000, (unsigned long long)nobody_ns / 1000);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("front_password");
	TCase *tcase = tcase_create("password");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_hash_is_yescrypt_and_is_of_its_password_only);
	tcase_add_test(tcase, nobody_has_no_right_password);
	tcase_add_test(tcase, a_new_password_is_hashed_only_when_the_old_one_is_right);
	tcase_add_test(tcase, when_too_many_wait_there_is_no_room_and_later_there_is);
	tcase_add_test(tcase, a_dropped_job_leaves_nothing_in_memory);
	tcase_add_test(tcase, what_is_abandoned_is_not_begun);
	tcase_add_test(tcase, what_a_hasher_left_is_done_by_the_next);
	tcase_add_test(tcase, a_job_that_kills_hashers_is_given_up_and_the_next_is_done);
	tcase_add_test(tcase, a_hasher_that_hangs_is_noticed_once_and_not_when_it_goes_on);
	tcase_add_test(tcase, numbers_of_a_hasher_that_was_taken_over_are_not_believed);
	tcase_add_test(tcase, nobody_costs_as_much_time_as_somebody);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
