/*
 * locks: one supervisor for an instance and for a data directory, and no new one before the old one's processes are gone.
 */
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "tests/harness/unit.h"

#include "cli/supervisor/locks.h"
#include "shm/clock.h"
#include "shm/limits.h"

static char instance[32], path[64];

static void
setup(void)
{
	leftovers_instance(instance, sizeof(instance));
	snprintf(path, sizeof(path), "/dev/shm/chasqui.%s.lock", instance);
}

static void
teardown(void)
{
	unlink(path);
}

/* OFD locks are of descriptions, so one process can be two supervisors. */
START_TEST(a_second_supervisor_is_refused_until_the_first_is_gone)
{
	int first, second;

	ck_assert_int_eq(locks_instance(instance, &first), 0);
	ck_assert_int_eq(locks_instance(instance, &second), EX_UNAVAILABLE);
	close(first);
	ck_assert_int_eq(locks_instance(instance, &second), 0);
	close(second);
}
END_TEST

START_TEST(the_file_names_the_owner)
{
	char text[32] = "";
	int fd;

	ck_assert_int_eq(locks_instance(instance, &fd), 0);
	ck_assert_int_gt(pread(fd, text, sizeof(text) - 1, 0), 0);
	ck_assert_int_eq(atoi(text), getpid());
	close(fd);
}
END_TEST

START_TEST(a_new_supervisor_waits_for_the_processes_of_the_old_one)
{
	int slot_fd = locks_slot(instance, SLOT_WORKER(0)), fd;
	pid_t child;

	ck_assert_int_ge(slot_fd, 0);
	child = fork();
	if (child == 0) {
		usleep(100000); /* what is tested is that somebody waits for us */
		_exit(0);
	}
	close(slot_fd);
	uint64_t begin_ns = now_ns();
	ck_assert_int_eq(locks_instance(instance, &fd), 0);
	ck_assert_uint_ge(now_ns() - begin_ns, 50000000);
	close(fd);
	waitpid(child, NULL, 0);
}
END_TEST

START_TEST(a_slot_is_held_once)
{
	int one = locks_slot(instance, SLOT_PERSIST), other = locks_slot(instance, SLOT_WORKER(1));

	ck_assert_int_ge(one, 0);
	ck_assert_int_ge(other, 0);
	ck_assert_int_eq(locks_slot(instance, SLOT_PERSIST), -1);
	close(one);
	one = locks_slot(instance, SLOT_PERSIST);
	ck_assert_int_ge(one, 0);
	close(one);
	close(other);
}
END_TEST

START_TEST(a_clean_stop_leaves_no_file_and_a_start_makes_a_new_one)
{
	struct stat st;
	int fd;

	ck_assert_int_eq(locks_instance(instance, &fd), 0);
	locks_remove(instance);
	close(fd);
	ck_assert_int_eq(stat(path, &st), -1);
	ck_assert_int_eq(locks_instance(instance, &fd), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	close(fd);
}
END_TEST

START_TEST(a_directory_has_one_broker_whatever_its_name)
{
	char directory[] = "/tmp/chasqui-unit-XXXXXX", lock[64];
	int one, other;

	ck_assert_ptr_nonnull(mkdtemp(directory));
	ck_assert_int_eq(locks_directory(directory, &one), 0);
	int refused = locks_directory(directory, &other);
	close(one);
	snprintf(lock, sizeof(lock), "%s/lock", directory);
	unlink(lock);
	rmdir(directory);
	ck_assert_int_eq(refused, EX_UNAVAILABLE);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("cli/supervisor/locks");
	TCase *locks = tcase_create("locks");

	tcase_add_checked_fixture(locks, setup, teardown);
	tcase_add_test(locks, a_second_supervisor_is_refused_until_the_first_is_gone);
	tcase_add_test(locks, the_file_names_the_owner);
	tcase_add_test(locks, a_new_supervisor_waits_for_the_processes_of_the_old_one);
	tcase_add_test(locks, a_slot_is_held_once);
	tcase_add_test(locks, a_clean_stop_leaves_no_file_and_a_start_makes_a_new_one);
	tcase_add_test(locks, a_directory_has_one_broker_whatever_its_name);
	suite_add_tcase(suite, locks);
	return suite;
}

UNIT_MAIN(suite)
