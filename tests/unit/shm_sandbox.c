/*
 * sandbox: each layer by itself, in a child: what it takes away and what it leaves.  All of them
 * together, from inside the daemons: tests/fault/sandbox.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/harness/unit.h"

#include "shm/sandbox/landlock.h"
#include "shm/sandbox/sandbox.h"

/* Exit codes of a child besides 0, what was wanted, and numbers of errno. */
enum { NOT_THERE = 200, WRONG };

static char folder[64], inside[80], outside[80];

static void
make_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	close(fd);
}

static void
setup(void)
{
	snprintf(folder, sizeof(folder), "/tmp/chasqui-unit-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(inside, sizeof(inside), "%s/data", folder);
	ck_assert_int_eq(mkdirat(AT_FDCWD, inside, 0700), 0);
	snprintf(inside, sizeof(inside), "%s/data/file", folder);
	snprintf(outside, sizeof(outside), "%s/file", folder);
	make_file(inside);
	make_file(outside);
}

static void
teardown(void)
{
	char path[80];

	unlink(inside);
	unlink(outside);
	snprintf(path, sizeof(path), "%s/data/new", folder);
	unlink(path);
	snprintf(path, sizeof(path), "%s/data", folder);
	rmdir(path);
	rmdir(folder);
}

/* The wait status of a child that does this. */
static int
status_of(int (*what)(void))
{
	int status;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		_exit(what());
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

static void
expect_done(int (*what)(void))
{
	int status = status_of(what);

	if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_THERE) {
		printf("skipped: this kernel or container does not have it\n");
		return;
	}
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "ended with status %#x",
	    (unsigned)status);
}

/* --- files --- */

static bool
enter_files(int directory_fd)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && landlock_enter(directory_fd) > 0;
}

static bool
is_refused(int fd)
{
	return fd < 0 && errno == EACCES;
}

static int
no_files(void)
{
	int open_before = open(outside, O_RDWR);

	if (!enter_files(-1))
		return NOT_THERE;
	if (!is_refused(open(outside, O_RDONLY)) || !is_refused(open("/etc/passwd", O_RDONLY)) ||
	    !is_refused(open("/proc/self/maps", O_RDONLY)) ||
	    !is_refused(open("/dev/shm", O_RDONLY)) || !is_refused(unlink(outside)))
		return WRONG;
	return write(open_before, "x", 1) == 1 ? 0 : WRONG;
}

static int
one_directory(void)
{
	char path[80];
	int fd;

	snprintf(path, sizeof(path), "%s/data", folder);
	fd = open(path, O_RDONLY | O_DIRECTORY);
	if (!enter_files(fd))
		return NOT_THERE;
	if (!is_refused(open(outside, O_RDONLY)) || !is_refused(openat(fd, "../file", O_RDONLY)) ||
	    !is_refused(openat(fd, "../new", O_WRONLY | O_CREAT, 0600)) ||
	    !is_refused(symlinkat("x", fd, "link")))
		return WRONG;
	if (openat(fd, "file", O_RDWR) < 0 || openat(fd, "new", O_WRONLY | O_CREAT, 0600) < 0)
		return WRONG;
	return renameat(fd, "new", fd, "newer") == 0 && unlinkat(fd, "newer", 0) == 0 ? 0 : WRONG;
}

START_TEST(without_a_directory_no_file_can_be_opened_and_what_is_open_stays_so)
{
	expect_done(no_files);
}
END_TEST

START_TEST(with_a_directory_what_is_below_it_can_be_used_and_nothing_beside_it)
{
	expect_done(one_directory);
}
END_TEST

/* --- system calls --- */

#ifndef CHASQUI_SANITIZED /* a sanitizer needs system calls of its own */

static const struct sandbox_call calls[] = { CALL(getpeername), CALL(uname) };
static const struct sandbox_policy policy = { .calls = calls, .call_count = 2, .directory_fd = -1 };

static bool
enter_calls(void)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && sandbox_filter(&policy) == 0;
}

/* Refused as if the kernel did not have it; the process goes on. */
static int
unknown_calls(void)
{
	if (!enter_calls())
		return NOT_THERE;
	if (open("/etc/passwd", O_RDONLY) != -1 || errno != ENOSYS)
		return WRONG;
	if (syscall(1000) != -1 || errno != ENOSYS)
		return WRONG;
	if (mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
	    MAP_FAILED)
		return WRONG;
	return fork() == -1 && errno == ENOSYS ? 0 : WRONG;
}

static int
listed_calls(void)
{
	char name[512];

	if (!enter_calls())
		return NOT_THERE;
	/* Not ENOSYS: the kernel was asked. */
	return syscall(SYS_uname, name) == 0 && getpeername(0, NULL, NULL) == -1 && errno != ENOSYS
	    ? 0
	    : WRONG;
}

static void *
be_a_thread(void *context)
{
	/* It inherited the filter. */
	*(int *)context = open("/etc/passwd", O_RDONLY) == -1 && errno == ENOSYS;
	return NULL;
}

static int
thread(void)
{
	pthread_t thread;
	int is_refused = 0;

	if (!enter_calls())
		return NOT_THERE;
	return pthread_create(&thread, NULL, be_a_thread, &is_refused) == 0 &&
	        pthread_join(thread, NULL) == 0 && is_refused
	    ? 0
	    : WRONG;
}

static int
hostile_call(void)
{
	if (!enter_calls())
		return NOT_THERE;
	(void)socket(AF_INET, SOCK_STREAM, 0); /* its end is the answer */
	return WRONG;
}

static int
own_end(void)
{
	if (!enter_calls())
		return NOT_THERE;
	abort();
}

START_TEST(a_call_that_is_not_listed_is_refused_and_the_process_goes_on)
{
	expect_done(unknown_calls);
}
END_TEST

START_TEST(a_call_of_the_policy_is_allowed)
{
	expect_done(listed_calls);
}
END_TEST

START_TEST(a_thread_can_be_made_and_is_inside)
{
	expect_done(thread);
}
END_TEST

START_TEST(what_only_an_attacker_asks_for_is_the_end)
{
	int status = status_of(hostile_call);

	ck_assert_msg(
	    WIFSIGNALED(status) ? WTERMSIG(status) == SIGSYS : WEXITSTATUS(status) == NOT_THERE,
	    "ended with status %#x", (unsigned)status);
}
END_TEST

START_TEST(an_assertion_still_ends_the_process_as_it_should)
{
	int status = status_of(own_end);

	ck_assert_msg(
	    WIFSIGNALED(status) ? WTERMSIG(status) == SIGABRT : WEXITSTATUS(status) == NOT_THERE,
	    "ended with status %#x", (unsigned)status);
}
END_TEST

#endif

static Suite *
suite(void)
{
	Suite *suite = suite_create("shm/sandbox/sandbox");
	TCase *files = tcase_create("files"), *filter = tcase_create("calls");

	tcase_add_checked_fixture(files, setup, teardown);
	tcase_add_test(files, without_a_directory_no_file_can_be_opened_and_what_is_open_stays_so);
	tcase_add_test(files, with_a_directory_what_is_below_it_can_be_used_and_nothing_beside_it);
	suite_add_tcase(suite, files);
#ifndef CHASQUI_SANITIZED
	tcase_add_test(filter, a_call_that_is_not_listed_is_refused_and_the_process_goes_on);
	tcase_add_test(filter, a_call_of_the_policy_is_allowed);
	tcase_add_test(filter, a_thread_can_be_made_and_is_inside);
	tcase_add_test(filter, what_only_an_attacker_asks_for_is_the_end);
	tcase_add_test(filter, an_assertion_still_ends_the_process_as_it_should);
#endif
	suite_add_tcase(suite, filter);
	return suite;
}

UNIT_MAIN(suite)
