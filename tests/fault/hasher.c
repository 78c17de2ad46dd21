/*
 * The process that hashes passwords dies, hangs, or its frontd does: every login gets an answer,
 * nobody else notices, and none is left behind.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frontd/http/text.h"
#include "frontd/people/password.h"
#include "tests/harness/broker.h"
#include "tests/harness/client.h"
#include "tests/harness/deadline.h"
#include "tests/harness/unit.h"

static const char *const options[] = { "auth.mode=required", "auth.login_failures=1000000",
	"auth.login_window=1s", NULL };

enum {
	TEST_SECONDS = 120,
	LOGINS = 60,
	KILLS = 20,
	BURNERS = 20,
	TOKEN_BYTES = 46,
	FIELDS_BYTES = 200,
	GONE_MS = 20000
};

static struct broker broker;
static char admin[FIELDS_BYTES];     /* fields of the admin's requests */
static const char right[] = "user:two llamas", wrong[] = "user:two llama";

static void
basic(const char *who, char fields[FIELDS_BYTES])
{
	size_t used = (size_t)sprintf(fields, "Authorization: Basic ");

	used += text_base64_encode((struct http_slice){ who, strlen(who) },
	    (struct http_span){ fields + used, FIELDS_BYTES - used });
	memcpy(fields + used, "\r\n", 3);
}

static void
ask_login(struct client *client, const char *who)
{
	char fields[FIELDS_BYTES];

	basic(who, fields);
	client_request(client, "GET /v1/queues", fields, NULL, 0);
}

static unsigned
login(const char *who)
{
	struct client client;
	unsigned status;

	client_open(&client, broker.port);
	ask_login(&client, who);
	status = client_answer(&client)->status;
	client_close(&client);
	return status;
}

/* A broker with a user. */
static void
begin(const char *const *with)
{
	char path[200], token[TOKEN_BYTES + 1] = "";
	struct client client;

	broker_up(&broker, with);
	snprintf(path, sizeof(path), "%s/admin-token", broker.data);
	FILE *file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fread(token, 1, TOKEN_BYTES, file), TOKEN_BYTES);
	fclose(file);
	snprintf(admin, sizeof(admin), "Authorization: Bearer %s\r\nContent-Type: application/json\r\n", token);
	client_open(&client, broker.port);
	expect_status(client_ask(&client, "PUT /v1/users/user", admin, "{\"password\":\"two llamas\"}"), 201);
	expect_status(client_ask(&client, "PUT /v1/queues/q", admin, "{}"), 201);
	client_close(&client);
}

static bool
is_gone(pid_t pid)
{
	return kill(pid, 0) != 0 && errno == ESRCH;
}

static void
expect_gone(pid_t pid)
{
	uint64_t deadline_ms = deadline_in(GONE_MS);

	/* Killed, it may have to wait for a CPU to end on: it is behind everybody else. */
	while (!is_gone(pid))
		ck_assert_msg(deadline_pause(deadline_ms), "the hasher, pid %d, is left behind", (int)pid);
}

/* A cgroup with cpu.idle below one of the first of these; false: it cannot be had here. */
static const char *const roots[] = { "/sys/fs/cgroup/cpu", "/sys/fs/cgroup" };

static bool
make_cgroup(char path[64], unsigned root_count)
{
	char file[100];

	for (unsigned i = 0; i < root_count; i++) {
		snprintf(path, 64, "%s/chasqui-test-%d", roots[i], (int)getpid());
		if (mkdir(path, 0700) != 0)
			continue;
		snprintf(file, sizeof(file), "%s/cpu.idle", path);
		if (access(file, W_OK) == 0)
			return true;
		(void)rmdir(path); /* ours, and empty */
	}
	return false;
}

static bool
is_in(pid_t pid, const char *path)
{
	char file[100], line[32];
	bool found = false;

	snprintf(file, sizeof(file), "%s/cgroup.procs", path);
	FILE *procs = fopen(file, "re");
	ck_assert_ptr_nonnull(procs);
	while (fgets(line, sizeof(line), procs) != NULL)
		found |= atoi(line) == (int)pid;
	fclose(procs);
	return found;
}

static void
expect_behind(pid_t pid)
{
	ck_assert_int_eq(sched_getscheduler(pid), SCHED_BATCH);
	ck_assert_int_eq(getpriority(PRIO_PROCESS, (id_t)pid), 19);
}

START_TEST(it_stands_behind_everybody_else_in_the_cgroup_that_is_named)
{
	char path[64], option[100];
	const char *const all[] = { options[0], options[1], options[2], option, NULL };
	bool has_cgroup = make_cgroup(path, 2);
	uint64_t deadline_ms = deadline_in(GONE_MS);

	snprintf(option, sizeof(option), "auth.hasher_cgroup=%s", has_cgroup ? path : "off");
	if (!has_cgroup)
		printf("skipped: no cgroup with cpu.idle can be made here\n");
	begin(all);
	struct broker_role first = broker_hasher(&broker, 0, 0);
	/* It has checked a password, so it has taken its place. */
	ck_assert_uint_eq(login(right), 200);
	expect_behind(first.pid);
	ck_assert_int_eq(kill(first.pid, SIGKILL), 0);
	struct broker_role second = broker_hasher(&broker, 0, first.epoch);
	ck_assert_uint_eq(login(wrong), 401);
	expect_behind(second.pid);
	if (has_cgroup) {
		ck_assert(is_in(second.pid, path));
		ck_assert(!is_in(broker_pid(&broker, SLOT_FRONT(0)), path));
	}
	broker_free(&broker);
	while (has_cgroup && rmdir(path) != 0)
		ck_assert_msg(deadline_pause(deadline_ms), "%s: %s", path, strerror(errno));
}
END_TEST

/* The folder that the broker said at its last start that hashers are in. */
static void
read_folder(char folder[200])
{
	char *log = broker_log(&broker), *at = log, *last = NULL;

	while ((at = strstr(at, "hashers give way to everybody, in cgroup ")) != NULL)
		last = at += strlen("hashers give way to everybody, in cgroup ");
	ck_assert_msg(last != NULL, "no cgroup was made:\n%s", log);
	snprintf(folder, 200, "%.*s", (int)strcspn(last, "\n"), last);
	free(log);
}

/* v1, where it takes but the right to make folders; v2 is in tests/unit/cli_cgroup.c. */
START_TEST(where_it_may_the_broker_makes_a_cgroup_and_leaves_none_behind)
{
	static const char *const automatic[] = { "auth.mode=required",
		"auth.hasher_cgroup=auto", NULL };
	char path[64], folder[200], again[200];

	if (!make_cgroup(path, 1)) {
		printf("skipped: no cgroup v1 with cpu.idle can be made here\n");
		return;
	}
	ck_assert_int_eq(rmdir(path), 0);
	begin(automatic);
	read_folder(folder);
	ck_assert_uint_eq(login(right), 200);
	ck_assert(is_in(broker_hasher(&broker, 0, 0).pid, folder));
	ck_assert(!is_in(broker.pid, folder));
	broker_kill_all(&broker);
	ck_assert_int_eq(access(folder, F_OK), 0); /* nobody was left who could remove it */
	broker_start(&broker);
	read_folder(again);
	ck_assert_str_eq(folder, again);
	ck_assert_uint_eq(login(right), 200);
	ck_assert(is_in(broker_hasher(&broker, 0, 0).pid, folder));
	broker_stop(&broker);
	ck_assert_int_ne(access(folder, F_OK), 0);
	broker_free(&broker);
}
END_TEST

START_TEST(a_cgroup_that_is_not_there_is_said_and_done_without)
{
	static const char *const none[] = { "auth.mode=required", "auth.hasher_cgroup=/no-such-folder", NULL };

	begin(none);
	broker_wait_log(&broker, "cannot use auth.hasher_cgroup /no-such-folder");
	ck_assert_uint_eq(login(right), 200);
	broker_free(&broker);
}
END_TEST

START_TEST(when_it_is_killed_each_login_is_answered_and_checked_by_the_next)
{
	struct client clients[LOGINS];
	unsigned ins = 0, outs = 0, laters = 0;
	uint64_t epoch = 0;
	char who[64];

	begin(options);
	for (unsigned i = 0; i < LOGINS; i++) {
		client_open(&clients[i], broker.port);
		snprintf(who, sizeof(who), "nobody%u:a password", i);
		ask_login(&clients[i], i % 2 == 0 ? right : who);
	}
	for (unsigned i = 0; i < KILLS; i++) {
		struct broker_role role = broker_hasher(&broker, 0, epoch);

		epoch = role.epoch;
		(void)kill(role.pid, SIGKILL); /* or it has ended by itself */
		usleep(20000);
	}
	for (unsigned i = 0; i < LOGINS; i++) {
		unsigned status = client_answer(&clients[i])->status;

		ins += status == 200;
		outs += status == 401;
		laters += status == 503;
		ck_assert_msg(status == 503 || status == (i % 2 == 0 ? 200 : 401), "login %u was answered %u", i, status);
		client_close(&clients[i]);
	}
	printf("%u in, %u refused, %u told to come again\n", ins, outs, laters);
	/* Only a job of which three hashers died is given up. */
	ck_assert_uint_le(laters, LOGINS / 2 + KILLS / 3);
	ck_assert_uint_ge(outs, LOGINS / 2 - KILLS / 3);
	ck_assert_uint_eq(login(right), 200);
	ck_assert_uint_eq(login(wrong), 401);
	ck_assert_uint_eq(broker_role(&broker, SLOT_FRONT(0)).epoch, 1);
	broker_free(&broker);
}
END_TEST

START_TEST(it_goes_with_its_frontd_and_with_the_supervisor)
{
	begin(options);
	struct broker_role first = broker_hasher(&broker, 0, 0);
	uint64_t epoch = broker_kill(&broker, SLOT_FRONT(0));
	broker_wait_live(&broker, SLOT_FRONT(0), epoch);
	expect_gone(first.pid);
	struct broker_role second = broker_hasher(&broker, 0, first.epoch);
	ck_assert_int_ne(first.pid, second.pid);
	ck_assert_uint_eq(login(right), 200);
	ck_assert_uint_eq(login(wrong), 401);
	broker_kill_all(&broker);
	expect_gone(second.pid);
	broker_start(&broker);
	struct broker_role third = broker_hasher(&broker, 0, second.epoch);
	ck_assert_uint_eq(login(right), 200);
	broker_stop(&broker);
	ck_assert(is_gone(third.pid)); /* waited for */
	broker_free(&broker);
}
END_TEST

START_TEST(while_it_hangs_others_are_served_and_logins_are_told_to_come_again)
{
	struct client waiting, other;
	uint64_t begun_ms, patience_ms = PASSWORD_PATIENCE_NS_MAX / 1000000;

	begin(options);
	ck_assert_uint_eq(login(right), 200);
	pid_t pid = broker_hasher(&broker, 0, 0).pid;
	ck_assert_int_eq(kill(pid, SIGSTOP), 0);
	client_open(&waiting, broker.port);
	client_open(&other, broker.port);
	begun_ms = clock_ms();
	ask_login(&waiting, wrong);
	struct response *answer = NULL;
	for (unsigned served = 0; answer == NULL; served++) {
		expect_status(client_ask(&other, "GET /v1/queues/q", admin, NULL), 200);
		ck_assert_msg(clock_ms() - begun_ms < patience_ms + 10000, "no answer; others were served %u times", served);
		answer = client_try_answer(&waiting, 50);
	}
	expect_problem(answer, 503, "busy");
	ck_assert_ptr_nonnull(response_field(answer, "Retry-After"));
	printf("told after %llu ms\n", (unsigned long long)(clock_ms() - begun_ms));
	ck_assert_uint_ge(clock_ms() - begun_ms, PASSWORD_PATIENCE_NS_MIN / 1000000);
	/* The next need not wait to be told; who is known needs no hash. */
	begun_ms = clock_ms();
	ck_assert_uint_eq(login(wrong), 503);
	ck_assert_uint_eq(login(right), 200);
	ck_assert_uint_lt(clock_ms() - begun_ms, PASSWORD_PATIENCE_NS_MIN / 1000000);
	ck_assert_int_eq(kill(pid, SIGCONT), 0);
	uint64_t deadline_ms = deadline_in(GONE_MS);
	while (login(wrong) != 401)
		ck_assert_msg(deadline_pause(deadline_ms), "no login is answered again");
	client_close(&waiting);
	client_close(&other);
	broker_free(&broker);
}
END_TEST

START_TEST(one_without_memory_for_a_hash_says_so_and_goes_on_when_there_is_some)
{
	const struct rlimit none = { 1, RLIM_INFINITY };
	struct rlimit before;

	begin(options);
	struct broker_role hasher = broker_hasher(&broker, 0, 0);
	ck_assert_int_eq(prlimit(hasher.pid, RLIMIT_AS, &none, &before), 0);
	ck_assert_uint_eq(login(right), 503);
	ck_assert_uint_eq(login("nobody:a password"), 503);
	broker_wait_log(&broker, "a password could not be hashed (no memory");
	ck_assert_int_eq(prlimit(hasher.pid, RLIMIT_AS, &before, NULL), 0);
	ck_assert_uint_eq(login(right), 200);
	ck_assert_uint_eq(login(wrong), 401);
	ck_assert_uint_eq(broker_hasher(&broker, 0, 0).epoch, hasher.epoch);
	broker_free(&broker);
}
END_TEST

/* Whether somebody waits for it or not; who waits is answered. */
START_TEST(one_that_is_stopped_is_replaced)
{
	const char *const soon[] = { options[0], options[1], options[2],
		"instance.stuck_timeout=3s", NULL };
	struct client waiting;

	begin(soon);
	struct broker_role first = broker_hasher(&broker, 0, 0);
	ck_assert_int_eq(kill(first.pid, SIGSTOP), 0);
	struct broker_role second = broker_hasher(&broker, 0, first.epoch);
	broker_wait_log(&broker, "hasher.0, pid");
	ck_assert(is_gone(first.pid));
	ck_assert_uint_eq(login(right), 200);
	ck_assert_int_eq(kill(second.pid, SIGSTOP), 0);
	client_open(&waiting, broker.port);
	ask_login(&waiting, wrong);
	ck_assert_uint_eq(client_answer(&waiting)->status, 401);
	client_close(&waiting);
	ck_assert_uint_eq(broker_hasher(&broker, 0, second.epoch).epoch, second.epoch + 1);
	broker_free(&broker);
}
END_TEST

/* One of those that we may use. */
static cpu_set_t
one_cpu(void)
{
	cpu_set_t all, one;
	int cpu = 0;

	ck_assert_int_eq(sched_getaffinity(0, sizeof(all), &all), 0);
	while (!CPU_ISSET(cpu, &all))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	return one;
}

/* Somebody who wants a CPU for himself. */
static pid_t
burn(const cpu_set_t *one)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid != 0)
		return pid;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || sched_setaffinity(0, sizeof(*one), one) != 0)
		_exit(1);
	for (volatile unsigned long turns = 0;; turns++)
		;
}

/* It stands behind everybody else: that its work does not go on is no reason to begin anew. */
START_TEST(one_that_gets_no_cpu_is_not)
{
	const char *const slow[] = { options[0], options[1], options[2],
		"instance.stuck_timeout=3s", "auth.password_cost=8", NULL };
	cpu_set_t one = one_cpu();
	struct client waiting;
	pid_t pids[BURNERS];
	int status;

	begin(slow);
	struct broker_role hasher = broker_hasher(&broker, 0, 0);
	ck_assert_uint_eq(login(right), 200);
	for (unsigned i = 0; i < BURNERS; i++)
		pids[i] = burn(&one);
	ck_assert_int_eq(sched_setaffinity(hasher.pid, sizeof(one), &one), 0);
	/* Whatever nice the burners have. */
	ck_assert_int_eq(sched_setscheduler(hasher.pid, SCHED_IDLE, &(struct sched_param){ 0 }), 0);
	client_open(&waiting, broker.port);
	ask_login(&waiting, wrong);
	/* Twice as long as one may hang, and a little. */
	struct response *answer = client_try_answer(&waiting, 7000);
	if (answer != NULL)
		printf("skipped: it got CPU time enough all the same\n");
	for (unsigned i = 0; i < BURNERS; i++) {
		ck_assert_int_eq(kill(pids[i], SIGKILL), 0);
		ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
	}
	ck_assert_uint_eq((answer != NULL ? answer : client_answer(&waiting))->status, 401);
	client_close(&waiting);
	ck_assert_uint_eq(broker_hasher(&broker, 0, 0).epoch, hasher.epoch);
	broker_free(&broker);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("hasher");
	TCase *tcase = tcase_create("hasher");

	tcase_set_timeout(tcase, TEST_SECONDS);
	tcase_add_test(tcase, it_stands_behind_everybody_else_in_the_cgroup_that_is_named);
	tcase_add_test(tcase, where_it_may_the_broker_makes_a_cgroup_and_leaves_none_behind);
	tcase_add_test(tcase, a_cgroup_that_is_not_there_is_said_and_done_without);
	tcase_add_test(tcase, when_it_is_killed_each_login_is_answered_and_checked_by_the_next);
	tcase_add_test(tcase, it_goes_with_its_frontd_and_with_the_supervisor);
	tcase_add_test(tcase, while_it_hangs_others_are_served_and_logins_are_told_to_come_again);
	tcase_add_test(tcase, one_without_memory_for_a_hash_says_so_and_goes_on_when_there_is_some);
	tcase_add_test(tcase, one_that_is_stopped_is_replaced);
	tcase_add_test(tcase, one_that_gets_no_cpu_is_not);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
