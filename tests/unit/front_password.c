#include "frontd/people/password.h"

#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "shm/atomic.h"
#include "shm/park.h"
#include "tests/harness/deadline.h"
#include "tests/harness/unit.h"

enum { COST = 1, WAIT_MS = 60000 };

static uint64_t parked;
static int event_fd;
static struct password *password;

static void
setup(void)
{
	event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ck_assert_int_ge(event_fd, 0);
	password = password_open(COST, (struct password_wake){ .parked = &parked, .event_fd = event_fd });
	ck_assert_ptr_nonnull(password);
}

static void
teardown(void)
{
	password_close(password);
	close(event_fd);
}

static struct password_job *
reserve(void)
{
	uint32_t index;
	struct password_job *job = password_reserve(password, &index);

	ck_assert_ptr_nonnull(job);
	ck_assert_ptr_eq(password_job(password, index), job);
	return job;
}

/* The oldest job, done; sleeps as the loop does. */
static struct password_job *
await(void)
{
	uint64_t deadline_ms = deadline_in(WAIT_MS), count;
	uint32_t index;

	for (;;) {
		park_begin(&parked, false);
		bool is_done = password_done(password, &index);
		while (!is_done && read(event_fd, &count, sizeof(count)) < 0)
			ck_assert_msg(deadline_pause(deadline_ms), "no wake-up came");
		park_end(&parked);
		if (is_done)
			return password_job(password, index);
	}
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
	struct password_job *job = reserve();

	job->wants_hash = true;
	text(job->fresh, fresh);
	password_submit(password);
	job = await();
	ck_assert(!job->has_failed);
	memcpy(hash, job->hash, sizeof(job->hash));
	password_drop(password);
}

static bool
check(const char *given, const char *stored)
{
	struct password_job *job = reserve();

	job->wants_check = true;
	text(job->given, given);
	text(job->stored, stored);
	password_submit(password);
	job = await();
	bool is_right = job->is_right;
	ck_assert(!job->has_failed);
	password_drop(password);
	return is_right;
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
		struct password_job *job = reserve();

		job->wants_check = job->wants_hash = true;
		text(job->given, is_right ? "old one" : "old two");
		text(job->stored, hash);
		text(job->fresh, "new one");
		password_submit(password);
		job = await();
		ck_assert_int_eq(job->is_right, is_right);
		ck_assert_int_eq(job->hash[0] != '\0', is_right);
		password_drop(password);
	}
}
END_TEST

START_TEST(when_too_many_wait_there_is_no_room_and_later_there_is)
{
	uint32_t index;

	for (unsigned i = 0; i < PASSWORD_JOBS_MAX; i++) {
		struct password_job *job = reserve();

		job->wants_hash = true;
		snprintf(job->fresh, sizeof(job->fresh), "password %u", i);
		password_submit(password);
	}
	ck_assert_ptr_null(password_reserve(password, &index));
	ck_assert_uint_ge(password_wait_ms(password), 1);
	for (unsigned i = 0; i < PASSWORD_JOBS_MAX; i++) {
		struct password_job *job = await();
		char expected[32];

		snprintf(expected, sizeof(expected), "password %u", i);
		ck_assert_str_eq(job->fresh, expected);
		ck_assert_int_eq(job->hash[0], '$');
		password_drop(password);
		ck_assert_ptr_nonnull(password_reserve(password, &index));
	}
	ck_assert(!password_done(password, &index));
}
END_TEST

START_TEST(a_dropped_job_leaves_nothing_in_memory)
{
	static const struct password_job nothing;
	char hash[PASSWORD_HASH_BYTES_MAX + 1];
	struct password_job *job = reserve();

	make("a secret", hash);
	ck_assert_int_eq(memcmp(job, &nothing, sizeof(nothing)), 0);
}
END_TEST

START_TEST(what_is_abandoned_is_not_begun)
{
	/* The first keeps the thread busy while the others are abandoned. */
	for (unsigned i = 0; i < 8; i++) {
		struct password_job *job = reserve();

		job->wants_hash = true;
		text(job->fresh, "x");
		store_relaxed(&job->is_abandoned, i != 0);
		password_submit(password);
	}
	for (unsigned i = 0; i < 8; i++) {
		ck_assert_int_eq(await()->hash[0] != '\0', i == 0);
		password_drop(password);
	}
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
	tcase_add_test(tcase, nobody_costs_as_much_time_as_somebody);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
