/*
 * The ends of what there is: descriptors, locked memory, shared memory, the tables, the stream ring, a disk that takes seconds;
 * and clocks that jump.  Each is answered clearly, harms nobody who stays within, and is over without a restart when its
 * cause is.
 */
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "tests/harness/client.h"
#include "tests/harness/deadline.h"
#include "tests/harness/trial.h"
#include "tests/harness/unit.h"

enum { TEST_SECONDS = 120, MIB = 1 << 20, NOBODY = 65534, SHORT_MS = 300, DAY_S = 86400 };

static bool
is_sanitized(void)
{
	const char *san = getenv("SAN");

	return san != NULL && san[0] != '\0';
}

static void
expect_retry(struct response *answer, unsigned status, const char *code)
{
	expect_problem(answer, status, code);
	ck_assert_msg(response_field(answer, "Retry-After") != NULL, "%s without Retry-After", code);
}

/* --- descriptors --- */

enum { DESCRIPTORS = 400, CONNECTIONS = DESCRIPTORS - 160, MORE = 8 };

START_TEST(without_descriptors_new_clients_wait_and_the_others_are_served)
{
	struct rlimit limit = { DESCRIPTORS, DESCRIPTORS };
	struct client clients[CONNECTIONS + MORE];
	struct broker broker;
	unsigned served = 0;

	broker_init(&broker, NULL);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0); /* of this test's process: each has its own */
	broker_start(&broker);
	broker_wait_log(&broker, "the limit of open files is 400: 240 connections at most");
	for (unsigned i = 0; i < CONNECTIONS + MORE; i++) {
		client_open(&clients[i], broker.port);
		client_text(&clients[i], "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
		if (i < CONNECTIONS)
			expect_status(client_answer(&clients[i]), 200);
	}
	broker_wait_log(&broker, "240 connections are open, as many as there may be");
	/* A batch of accepts may go beyond the limit before it is stopped. */
	for (unsigned i = CONNECTIONS; i < CONNECTIONS + MORE; i++)
		served += client_try_answer(&clients[i], SHORT_MS / MORE) != NULL;
	ck_assert_uint_lt(served, MORE);
	expect_status(client_do(&clients[0], "GET /readyz"), 200);
	client_queue(&clients[0], "q", "{}");
	client_publish(&clients[0], "q", "served all the same");
	/* Who waited is served when others go. */
	for (unsigned i = 1; i <= MORE; i++)
		client_close(&clients[i]);
	for (unsigned i = CONNECTIONS + served; i < CONNECTIONS + MORE; i++)
		expect_status(client_answer(&clients[i]), 200);
	expect_status(client_receive(&clients[CONNECTIONS + MORE - 1], "q", "{}"), 200);
	ck_assert_uint_eq(broker_role(&broker, SLOT_FRONT(0)).epoch, 1);
	for (unsigned i = 0; i < CONNECTIONS + MORE; i++) {
		if (i < 1 || i > MORE)
			client_close(&clients[i]);
	}
	broker_free(&broker);
}
END_TEST

START_TEST(a_start_without_enough_descriptors_says_what_to_raise)
{
	struct rlimit limit = { 200, 200 };
	struct broker broker;
	int exit_status = 0;

	broker_init(&broker, NULL);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert(!broker_try_start(&broker, &exit_status));
	ck_assert_int_eq(exit_status, EX_OSERR);
	broker_wait_log(&broker, "raise the limit of open files (ulimit -n)");
	ck_assert_uint_eq(broker_regions(&broker), 0);
	broker_free(&broker);
}
END_TEST

/* --- locked memory --- */

/* This process, and the broker that it starts, are nobody's from here on.  False, and why, where that cannot be. */
static bool
become_nobody(const struct broker *broker)
{
	char program[512];

	broker_program(program, "chasqui");
	if (geteuid() != 0) {
		printf("skipped: only root can become somebody else\n");
		return false;
	}
	ck_assert_int_eq(chown(broker->directory, NOBODY, NOBODY), 0);
	ck_assert_int_eq(chown(broker->data, NOBODY, NOBODY), 0);
	ck_assert_int_eq(setgroups(0, NULL), 0);
	ck_assert_int_eq(setresgid(NOBODY, NOBODY, NOBODY), 0);
	ck_assert_int_eq(setresuid(NOBODY, NOBODY, NOBODY), 0);
	if (access(program, X_OK) == 0)
		return true;
	printf("skipped: nobody may not run %s\n", program);
	return false;
}

/*
 * What counts towards it differs from kernel to kernel: where it is enough, all serve.  On Linux 6.18 nothing starts persistd, and
 * 16 KiB, which it takes, leave nothing for a frontd.
 */
START_TEST(without_locked_memory_an_ordinary_user_is_served_or_told_what_to_raise)
{
	static const rlim_t limits[] = { 16384, 0 };
	struct broker broker;
	struct client client;
	int exit_status = 0;

	broker_init(&broker, NULL);
	if (!become_nobody(&broker)) {
		broker_free(&broker);
		return;
	}
	for (unsigned i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		ck_assert_int_eq(setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){ limits[i], limits[i] }), 0);
		if (broker_try_start(&broker, &exit_status)) {
			client_open(&client, broker.port);
			expect_status(client_json(&client, "{}", "PUT /v1/queues/q%u", i), 201);
			client_close(&client);
			broker_stop(&broker);
			continue;
		}
		char says[60];
		/* Whichever process comes first to its ring says it. */
		snprintf(says, sizeof(says), "limit %llu", (unsigned long long)limits[i]);
		ck_assert_int_eq(exit_status, EX_CONFIG);
		broker_wait_log(&broker, says);
		broker_wait_log(&broker, "set LimitMEMLOCK=infinity");
		ck_assert_uint_eq(broker_regions(&broker), 0);
	}
	broker_free(&broker);
}
END_TEST

/* `chasqui` of a folder of its own: strace in front of the real one. */
static bool
put_strace_before(const struct broker *broker, const char *inject)
{
	char program[512], path[200], folder[200];
	FILE *script;

	if (system("strace -qq -o /dev/null true") != 0) {
		printf("skipped: strace cannot be run or may not trace\n");
		return false;
	}
	broker_program(program, "chasqui");
	char *real = realpath(program, NULL);
	ck_assert_ptr_nonnull(real);
	snprintf(folder, sizeof(folder), "%s/bin", broker->directory);
	snprintf(path, sizeof(path), "%s/bin/chasqui", broker->directory);
	ck_assert_int_eq(mkdir(folder, 0755), 0);
	script = fopen(path, "w");
	ck_assert_ptr_nonnull(script);
	/* A build with leak detection cannot be traced while it looks for leaks. */
	fprintf(script, "#!/bin/sh\nexport ASAN_OPTIONS=\"$ASAN_OPTIONS:detect_leaks=0\"\n"
	    "exec strace -f -qq -o /dev/null -e trace=io_uring_setup -e inject=%s '%s' \"$@\"\n", inject, real);
	ck_assert_int_eq(fclose(script), 0);
	ck_assert_int_eq(chmod(path, 0755), 0);
	ck_assert_int_eq(setenv("CHASQUI_BIN", folder, 1), 0);
	free(real);
	return true;
}

START_TEST(a_kernel_that_gives_no_locked_memory_ends_the_start_with_cause_and_cure)
{
	struct broker broker;
	int exit_status = 0;

	broker_init(&broker, NULL);
	if (put_strace_before(&broker, "io_uring_setup:error=ENOMEM")) {
		ck_assert(!broker_try_start(&broker, &exit_status));
		ck_assert_int_eq(exit_status, EX_CONFIG);
		broker_wait_log(&broker, "locked memory");
		broker_wait_log(&broker, "set LimitMEMLOCK=infinity or `--ulimit memlock=-1:-1`");
		ck_assert_uint_eq(broker_regions(&broker), 0);
	}
	broker_free(&broker);
}
END_TEST

/* --- shared memory --- */

START_TEST(a_start_without_enough_shared_memory_says_so_and_leaves_none_behind)
{
	struct broker broker;
	struct client client;
	int exit_status = 0;

	broker_init(&broker, NULL);
	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("chasqui-test", "/dev/shm", "tmpfs", 0, "size=32m,mode=1777") != 0) {
		printf("skipped: cannot have a /dev/shm of its own (root is needed)\n");
		broker_free(&broker);
		return;
	}
	ck_assert(!broker_try_start(&broker, &exit_status));
	ck_assert_int_eq(exit_status, EX_OSERR);
	broker_wait_log(&broker, "/dev/shm");
	broker_wait_log(&broker, "worker.messages");
	ck_assert_uint_eq(broker_regions(&broker), 0);

	ck_assert_int_eq(mount("chasqui-test", "/dev/shm", "tmpfs", MS_REMOUNT, "size=512m,mode=1777"), 0);
	broker_start(&broker);
	client_open(&client, broker.port);
	client_queue(&client, "q", "{}");
	client_publish(&client, "q", "x");
	client_close(&client);
	broker_free(&broker);
}
END_TEST

/* --- tables --- */

enum { MESSAGES = 1024, QUEUES = 16, WAITERS = 16 };

static const char *const small_tables[] = { "worker.messages=1024", "worker.queues=16", "worker.waiters=16", NULL };

static const char lines_type[] = "Content-Type: application/x-ndjson\r\n";

static struct response *
publish_lines(struct client *client, unsigned count)
{
	static const char line[] = "{\"body\":\"x\"}\n";
	char *batch = malloc(count * strlen(line) + 1);

	ck_assert_ptr_nonnull(batch);
	batch[0] = '\0';
	for (unsigned i = 0; i < count; i++)
		memcpy(batch + i * strlen(line), line, strlen(line) + 1);
	struct response *answer = client_ask(client, "POST /v1/queues/q/messages", lines_type, batch);
	free(batch);
	return answer;
}

START_TEST(one_message_too_many_is_refused_and_one_less_makes_room)
{
	struct response *answer;
	struct broker broker;
	struct client client;

	broker_up(&broker, small_tables);
	client_open(&client, broker.port);
	client_queue(&client, "q", "{}");
	answer = publish_lines(&client, 512);
	expect_status(answer, 200);
	answer = publish_lines(&client, 511);
	expect_status(answer, 200);
	/* All or nothing: of two for the last place neither is stored. */
	expect_retry(publish_lines(&client, 2), 503, "shard-full");
	client_publish(&client, "q", "the last");
	expect_retry(client_ask(&client, "POST /v1/queues/q/messages", NULL, "x"), 503, "shard-full");
	ck_assert_int_eq(response_number(client_do(&client, "GET /v1/queues/q"), "stats.ready"), MESSAGES);
	answer = client_receive(&client, "q", "{}");
	expect_status(client_do(&client, "DELETE /v1/queues/q/leases/%s", response_text(answer, "messages.0.receipt")), 204);
	client_publish(&client, "q", "again");
	expect_retry(client_ask(&client, "POST /v1/queues/q/messages", NULL, "x"), 503, "shard-full");
	client_close(&client);
	broker_free(&broker);
}
END_TEST

START_TEST(one_queue_too_many_is_refused_and_one_less_makes_room)
{
	struct broker broker;
	struct client client;
	char name[16];

	broker_up(&broker, small_tables);
	client_open(&client, broker.port);
	for (unsigned i = 0; i < QUEUES; i++) {
		snprintf(name, sizeof(name), "q%u", i);
		client_queue(&client, name, "{}");
	}
	expect_retry(client_json(&client, "{}", "PUT /v1/queues/more"), 503, "too-many-queues");
	expect_status(client_json(&client, "{\"lease\":\"9s\"}", "PATCH /v1/queues/q0"), 200);
	expect_status(client_do(&client, "DELETE /v1/queues/q0"), 204);
	/* Its slot is free when its messages are gone: soon. */
	uint64_t deadline_ms = deadline_in(CLIENT_TIMEOUT_MS);
	struct response *answer;
	while (answer = client_json(&client, "{}", "PUT /v1/queues/more"), answer->status != 201) {
		expect_retry(answer, 503, "too-many-queues");
		ck_assert(deadline_pause(deadline_ms));
	}
	expect_retry(client_json(&client, "{}", "PUT /v1/queues/q0"), 503, "too-many-queues");
	client_close(&client);
	broker_free(&broker);
}
END_TEST

static void
poll_begin(struct client *client, uint16_t port)
{
	client_open(client, port);
	client_request(client, "POST /v1/queues/q/messages:receive", "Prefer: wait=60\r\n", NULL, 0);
}

static void
wait_waiters(struct client *client, int64_t count)
{
	uint64_t deadline_ms = deadline_in(CLIENT_TIMEOUT_MS);

	while (response_number(client_do(client, "GET /v1/queues/q"), "stats.waiters") != count)
		ck_assert(deadline_pause(deadline_ms));
}

START_TEST(one_waiter_too_many_is_refused_and_one_less_makes_room)
{
	struct client polls[WAITERS], client, more;
	struct broker broker;

	broker_up(&broker, small_tables);
	/* A place to wait belongs to a connection: the first have one, these polls. */
	for (unsigned i = 0; i < WAITERS; i++) {
		client_open(&polls[i], broker.port);
		expect_status(client_do(&polls[i], "GET /livez"), 200);
	}
	client_open(&client, broker.port);
	client_queue(&client, "q", "{}");
	for (unsigned i = 0; i < WAITERS; i++)
		client_request(&polls[i], "POST /v1/queues/q/messages:receive", "Prefer: wait=60\r\n", NULL, 0);
	wait_waiters(&client, WAITERS);
	expect_retry(client_ask(&client, "POST /v1/queues/q/messages:receive", "Prefer: wait=60\r\n", NULL), 503, "too-many-waiters");
	/* Who does not wait is served. */
	expect_status(client_do(&client, "POST /v1/queues/q/messages:receive"), 204);
	client_close(&polls[3]);
	wait_waiters(&client, WAITERS - 1);
	poll_begin(&more, broker.port);
	wait_waiters(&client, WAITERS);
	for (unsigned i = 0; i < WAITERS; i++)
		client_publish(&client, "q", "x");
	for (unsigned i = 0; i < WAITERS; i++) {
		if (i != 3)
			expect_status(client_answer(&polls[i]), 200);
	}
	expect_status(client_answer(&more), 200);
	for (unsigned i = 0; i < WAITERS; i++) {
		if (i != 3)
			client_close(&polls[i]);
	}
	client_close(&more);
	client_close(&client);
	broker_free(&broker);
}
END_TEST

START_TEST(a_queues_own_limits_are_its_own_affair)
{
	struct response *answer;
	struct broker broker;
	struct client client;

	broker_up(&broker, NULL);
	client_open(&client, broker.port);
	client_queue(&client, "q", "{\"max_messages\":3,\"max_in_flight\":1}");
	client_queue(&client, "other", "{}");
	for (unsigned i = 0; i < 3; i++)
		client_publish(&client, "q", "x");
	expect_retry(client_ask(&client, "POST /v1/queues/q/messages", NULL, "x"), 429, "queue-full");
	client_publish(&client, "other", "x");
	answer = client_receive(&client, "q", "{}");
	expect_status(answer, 200);
	char receipt[80];
	snprintf(receipt, sizeof(receipt), "%s", response_text(answer, "messages.0.receipt"));
	expect_retry(client_receive(&client, "q", "{}"), 429, "in-flight-limit");
	expect_status(client_do(&client, "DELETE /v1/queues/q/leases/%s", receipt), 204);
	expect_status(client_receive(&client, "q", "{}"), 200);
	client_publish(&client, "q", "x");
	client_close(&client);
	broker_free(&broker);
}
END_TEST

/* --- the stream ring --- */

enum { BODY_BYTES = 512 * 1024, PUBLISHERS = 16 };

/*
 * persistd stands still.  What fits into the ring waits for it, what does not is told so, and so is who asks whether the broker is
 * ready; who receives and settles goes on in the part that is kept for him.
 */
START_TEST(a_persistd_that_stands_still_is_told_to_all_and_forgotten_when_it_goes_on)
{
	static const char *const options[] = { "worker.stream_ring=8MiB", NULL };
	struct client publishers[PUBLISHERS], client, settler;
	unsigned waiting = PUBLISHERS, stored = 0;
	bool answered[PUBLISHERS] = { false };
	char *body = malloc(BODY_BYTES), receipt[80];
	struct broker broker;

	ck_assert_ptr_nonnull(body);
	memset(body, 'x', BODY_BYTES);
	broker_up(&broker, options);
	client_open(&client, broker.port);
	client_open(&settler, broker.port);
	client_queue(&client, "q", "{}");
	client_queue(&client, "hot", "{}");
	client_publish(&client, "hot", "one");
	client_publish(&client, "hot", "two");
	expect_status(client_do(&client, "GET /readyz"), 200);
	broker_signal(&broker, SLOT_PERSIST, SIGSTOP);

	for (unsigned i = 0; i < PUBLISHERS; i++) {
		client_open(&publishers[i], broker.port);
		client_request(&publishers[i], "POST /v1/queues/q/messages", NULL, body, BODY_BYTES);
	}
	/* 8 MiB for a ring of 8, a quarter of it kept for others. */
	uint64_t deadline_ms = deadline_in(CLIENT_TIMEOUT_MS);
	while (waiting > PUBLISHERS - 4) {
		ck_assert_msg(clock_ms() < deadline_ms, "%u publishes are not refused", waiting);
		for (unsigned i = 0; i < PUBLISHERS; i++) {
			struct response *answer = answered[i] ? NULL : client_try_answer(&publishers[i], 10);

			if (answer == NULL)
				continue;
			expect_retry(answer, 503, "busy");
			answered[i] = true;
			waiting--;
		}
	}
	while (client_do(&client, "GET /readyz")->status == 200)
		ck_assert_msg(deadline_pause(deadline_ms), "ready, though nothing can be published");
	expect_retry(client_do(&client, "GET /readyz"), 503, "busy");
	expect_status(client_do(&client, "GET /livez"), 200);
	/* A lease waits for nothing.  Its end does, and comes when the disk does. */
	struct response *answer = client_receive(&client, "hot", "{}");
	expect_status(answer, 200);
	ck_assert_str_eq(response_text(answer, "messages.0.body"), "one");
	snprintf(receipt, sizeof(receipt), "DELETE /v1/queues/hot/leases/%s", response_text(answer, "messages.0.receipt"));
	client_request(&settler, receipt, NULL, NULL, 0);
	answer = client_try_answer(&settler, SHORT_MS);
	ck_assert_msg(answer == NULL, "status %u before anything is on disk", answer->status);
	answer = client_receive(&client, "hot", "{}");
	expect_status(answer, 200);
	ck_assert_str_eq(response_text(answer, "messages.0.body"), "two");

	broker_signal(&broker, SLOT_PERSIST, SIGCONT);
	expect_status(client_answer(&settler), 204);
	for (unsigned i = 0; i < PUBLISHERS; i++) {
		if (!answered[i]) {
			expect_status(client_answer(&publishers[i]), 201);
			stored++;
		}
		client_close(&publishers[i]);
	}
	ck_assert_uint_eq(stored, waiting);
	while (client_do(&client, "GET /readyz")->status != 200)
		ck_assert_msg(deadline_pause(deadline_ms), "not ready, though all is on disk");
	ck_assert_int_eq(response_number(client_do(&client, "GET /v1/queues/q"), "stats.ready"), stored);
	for (unsigned i = 0; i < stored; i++) {
		answer = client_receive(&client, "q", "{}");
		expect_status(answer, 200);
		ck_assert_int_eq(memcmp(response_text(answer, "messages.0.body"), body, BODY_BYTES), 0);
	}
	client_publish(&client, "q", "after");
	ck_assert_uint_eq(broker_role(&broker, SLOT_PERSIST).epoch, 1);
	ck_assert_uint_eq(broker_role(&broker, SLOT_WORKER(0)).epoch, 1);
	client_close(&settler);
	client_close(&client);
	free(body);
	broker_free(&broker);
}
END_TEST

/* --- a slow disk --- */

enum { WRITE_MS = 2000 };

/* strace, which lets each of persistd's calls that carries a write return so much later. */
static pid_t
slow_down(pid_t persist)
{
	char target[16], inject[120], path[200], line[200];
	unsigned tracer = 0;
	int status;
	pid_t pid;

	snprintf(target, sizeof(target), "%d", (int)persist);
	snprintf(inject, sizeof(inject), "inject=io_uring_enter,pwrite64,pwritev2,fdatasync:delay_exit=%d", WRITE_MS * 1000);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		int null_fd = open("/dev/null", O_WRONLY);

		(void)dup2(null_fd, 2); /* it says that it attaches, or why not */
		execlp("strace", "strace", "-f", "-qq", "-o", "/dev/null", "-p", target, "-e",
		    "trace=io_uring_enter,pwrite64,pwritev2,fdatasync", "-e", inject, (char *)NULL);
		_exit(127);
	}
	snprintf(path, sizeof(path), "/proc/%d/status", (int)persist);
	for (uint64_t deadline_ms = deadline_in(CLIENT_TIMEOUT_MS); tracer == 0;) {
		if (waitpid(pid, &status, WNOHANG) == pid) {
			printf("skipped: strace cannot be run or may not attach (exit status %#x)\n", status);
			return -1;
		}
		ck_assert_msg(deadline_pause(deadline_ms), "strace does not attach");
		FILE *file = fopen(path, "re");
		ck_assert_ptr_nonnull(file);
		while (fgets(line, sizeof(line), file) != NULL)
			(void)sscanf(line, "TracerPid: %u", &tracer); /* the other lines do not match */
		fclose(file);
	}
	return pid;
}

START_TEST(a_disk_that_takes_seconds_delays_what_it_keeps_and_nothing_else)
{
	struct client client, publisher;
	struct broker broker;
	int status;

	broker_up(&broker, NULL);
	client_open(&client, broker.port);
	client_open(&publisher, broker.port);
	client_queue(&client, "q", "{}");
	client_queue(&client, "memory", "{\"durability\":\"memory\"}");
	client_publish(&client, "q", "before");
	pid_t strace = slow_down(broker_pid(&broker, SLOT_PERSIST));
	if (strace > 0) {
		uint64_t began_ms = clock_ms();

		client_request(&publisher, "POST /v1/queues/q/messages", NULL, "slow", 4);
		ck_assert_uint_eq(client_publish(&client, "memory", "needs no disk")->status, 202);
		expect_status(client_receive(&client, "memory", "{}"), 200);
		expect_status(client_receive(&client, "q", "{}"), 200);
		ck_assert_uint_lt(clock_ms() - began_ms, WRITE_MS);
		expect_status(client_answer(&publisher), 201);
		ck_assert_uint_ge(clock_ms() - began_ms, WRITE_MS);
		ck_assert_int_eq(kill(strace, SIGTERM), 0);
		ck_assert_int_eq(waitpid(strace, &status, 0), strace);
		/* The call that it delays now may have to end first. */
		client_publish(&client, "q", "after");
		began_ms = clock_ms();
		client_publish(&client, "q", "as ever");
		ck_assert_uint_lt(clock_ms() - began_ms, WRITE_MS);
		ck_assert_int_eq(response_number(client_do(&client, "GET /v1/queues/q"), "stats.ready"), 3);
		ck_assert_uint_eq(broker_role(&broker, SLOT_PERSIST).epoch, 1);
	}
	client_close(&publisher);
	client_close(&client);
	broker_free(&broker);
}
END_TEST

/* --- clocks --- */

static char wall_path[200];

/* Whatever the broker runs from here on goes by this wall clock.  False, and why, where that cannot be. */
static bool
take_wall_clock(const struct broker *broker)
{
	char library[400], self[300] = "";
	char *slash;

	if (is_sanitized()) {
		printf("skipped: a sanitizer wants to be loaded first\n");
		return false;
	}
	ck_assert_int_gt(readlink("/proc/self/exe", self, sizeof(self) - 1), 0);
	slash = strrchr(self, '/');
	ck_assert_ptr_nonnull(slash);
	*slash = '\0';
	snprintf(library, sizeof(library), "%s/wall_clock.so", self);
	ck_assert_msg(access(library, R_OK) == 0, "there is no %s; run make tests", library);
	snprintf(wall_path, sizeof(wall_path), "%s/wall", broker->directory);
	ck_assert_int_eq(setenv("WALL_CLOCK_FILE", wall_path, 1), 0);
	ck_assert_int_eq(setenv("LD_PRELOAD", library, 1), 0);
	return true;
}

static void
set_wall_clock(long seconds)
{
	char path[220];
	FILE *file;

	snprintf(path, sizeof(path), "%s.new", wall_path);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fprintf(file, "%ld", seconds);
	ck_assert_int_eq(fclose(file), 0);
	ck_assert_int_eq(rename(path, wall_path), 0);
}

/* What date a time of ours says it is, in seconds: 2026-11-23T13:41:11.878Z. */
static double
seconds_of(const char *text)
{
	struct tm tm = { 0 };
	double fraction = 0;
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);

	ck_assert_msg(rest != NULL && sscanf(rest, "%lf", &fraction) == 1, "not a time: %s", text);
	return (double)timegm(&tm) + fraction;
}

static double
publish_time(struct client *client, const char *queue)
{
	return seconds_of(response_text(client_publish(client, queue, "x"), "enqueued_at"));
}

/* A lease of 600 ms, a delay of 600 ms and a wait of 600 ms, begun together, while the clock jumps: each takes its time. */
static void
expect_times_stand(struct broker *broker, long jump_s)
{
	struct client client, poll;
	uint64_t deadline_ms = deadline_in(CLIENT_TIMEOUT_MS);

	client_open(&client, broker->port);
	client_open(&poll, broker->port);
	expect_status(client_json(&client, "{}", "POST /v1/queues/leased:purge"), 200);
	expect_status(client_json(&client, "{}", "POST /v1/queues/delayed:purge"), 200);
	double before_s = publish_time(&client, "leased");
	uint64_t began_ms = clock_ms();
	expect_status(client_receive(&client, "leased", "{\"lease\":\"600ms\"}"), 200);
	expect_status(client_ask(&client, "POST /v1/queues/delayed/messages", "Mq-Delay: 600ms\r\n", "x"), 201);
	client_request(&poll, "POST /v1/queues/empty/messages:receive", "Content-Type: application/json\r\n", "{\"wait\":\"600ms\"}", 16);
	set_wall_clock(jump_s);
	expect_status(client_receive(&client, "leased", "{}"), 204);
	expect_status(client_receive(&client, "delayed", "{}"), 204);
	ck_assert_msg(clock_ms() - began_ms < 600, "the machine is too slow to tell");
	double after_s = publish_time(&client, "times");
	ck_assert_msg(after_s >= before_s && after_s - before_s < 60, "%.3f s passed", after_s - before_s);
	expect_status(client_answer(&poll), 204);
	ck_assert_msg(clock_ms() - began_ms >= 600 && clock_ms() - began_ms < 20000, "a wait of 600 ms took %llu",
	    (unsigned long long)(clock_ms() - began_ms));
	while (client_receive(&client, "leased", "{}")->status != 200)
		ck_assert_msg(deadline_pause(deadline_ms), "the lease does not end");
	while (client_receive(&client, "delayed", "{}")->status != 200)
		ck_assert_msg(deadline_pause(deadline_ms), "the delay does not end");
	client_close(&poll);
	client_close(&client);
}

/*
 * Forward and back by a day under a running broker; then it stops, and comes up a day behind its own last record; and a day
 * ahead.  Times of messages never go back, and leases, delays and waits take as long as they say.
 */
START_TEST(a_wall_clock_that_jumps_moves_no_lease_delay_or_wait)
{
	static const char *const queues[] = { "leased", "delayed", "empty", "times" };
	static const struct {
		long before_s, jump_s;
	} runs[] = { { 0, DAY_S }, { 0, -DAY_S }, { DAY_S, 0 } };
	/* The library reads a file each time it is asked for the date, which no sandbox allows. */
	static const char *const options[] = { "sandbox.mode=off", NULL };
	struct broker broker;
	struct client client;
	double last_s = 0;

	broker_init(&broker, options);
	if (!take_wall_clock(&broker)) {
		broker_free(&broker);
		return;
	}
	for (unsigned run = 0; run < sizeof(runs) / sizeof(runs[0]); run++) {
		/* The third begins a day ahead, after a clean stop; the one before it ended where the first began. */
		set_wall_clock(runs[run].before_s);
		broker_start(&broker);
		client_open(&client, broker.port);
		for (unsigned i = 0; run == 0 && i < 4; i++)
			client_queue(&client, queues[i], "{}");
		double now_s = publish_time(&client, "times");
		ck_assert_msg(now_s >= last_s, "the time of messages went back by %.3f s", last_s - now_s);
		expect_times_stand(&broker, runs[run].jump_s);
		last_s = publish_time(&client, "times");
		client_close(&client);
		broker_stop(&broker);
	}
	/* A day behind the last record: it goes on from there, and says so. */
	set_wall_clock(0);
	broker_start(&broker);
	broker_wait_log(&broker, "behind the last record; its time goes on from there");
	client_open(&client, broker.port);
	double now_s = publish_time(&client, "times");
	ck_assert_msg(now_s >= last_s, "the time of messages went back by %.3f s", last_s - now_s);
	ck_assert_msg(now_s < last_s + 60, "the time of messages jumped by %.3f s", now_s - last_s);
	client_close(&client);
	expect_times_stand(&broker, 0);
	broker_free(&broker);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("fault/limits");
	TCase *tcase = tcase_create("limits");

	tcase_set_timeout(tcase, TEST_SECONDS);
	tcase_add_test(tcase, without_descriptors_new_clients_wait_and_the_others_are_served);
	tcase_add_test(tcase, a_start_without_enough_descriptors_says_what_to_raise);
	tcase_add_test(tcase, without_locked_memory_an_ordinary_user_is_served_or_told_what_to_raise);
	tcase_add_test(tcase, a_kernel_that_gives_no_locked_memory_ends_the_start_with_cause_and_cure);
	tcase_add_test(tcase, a_start_without_enough_shared_memory_says_so_and_leaves_none_behind);
	tcase_add_test(tcase, one_message_too_many_is_refused_and_one_less_makes_room);
	tcase_add_test(tcase, one_queue_too_many_is_refused_and_one_less_makes_room);
	tcase_add_test(tcase, one_waiter_too_many_is_refused_and_one_less_makes_room);
	tcase_add_test(tcase, a_queues_own_limits_are_its_own_affair);
	tcase_add_test(tcase, a_persistd_that_stands_still_is_told_to_all_and_forgotten_when_it_goes_on);
	tcase_add_test(tcase, a_disk_that_takes_seconds_delays_what_it_keeps_and_nothing_else);
	tcase_add_test(tcase, a_wall_clock_that_jumps_moves_no_lease_delay_or_wait);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
