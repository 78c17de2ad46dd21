/*
 * Output commit: no publish is answered before its journal write has come to its end.  Shown in two ways: the data
 * directory's file system is frozen, so that no write can end; and strace holds persistd's system calls back.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/harness/client.h"
#include "tests/harness/deadline.h"
#include "tests/harness/load.h"
#include "tests/harness/oracle.h"
#include "tests/harness/unit.h"
#include "tests/harness/volume.h"

enum { TEST_SECONDS = 120, MIB = 1 << 20, HELD_MS = 400 };

/* Settles, configuration and purges are held as well; a receive and a memory queue are not. */
START_TEST(on_a_frozen_disk_nothing_that_must_last_is_answered)
{
	static const char *const requests[] = { "POST /v1/queues/disk/messages", "PUT /v1/queues/another",
		"POST /v1/queues/disk:purge" };
	struct client client, held[4];
	struct response *answer;
	struct broker broker;
	char receipt[80], settle[200];

	broker_init(&broker, NULL);
	if (!volume_ext4(&broker, 160 * MIB)) {
		broker_free(&broker);
		return;
	}
	broker_start(&broker);
	client_open(&client, broker.port);
	client_queue(&client, "disk", "{}");
	client_queue(&client, "memory", "{\"durability\":\"memory\"}");
	client_publish(&client, "disk", "one");
	client_publish(&client, "disk", "two");
	answer = client_receive(&client, "disk", "{}");
	snprintf(receipt, sizeof(receipt), "%s", response_text(answer, "messages.0.receipt"));
	snprintf(settle, sizeof(settle), "DELETE /v1/queues/disk/leases/%s", receipt);

	volume_freeze(&broker);
	for (unsigned i = 0; i < 4; i++) {
		client_open(&held[i], broker.port);
		client_request(&held[i], i < 3 ? requests[i] : settle, NULL, i == 0 ? "three" : NULL, 5);
	}
	for (unsigned i = 0; i < 4; i++) {
		answer = client_try_answer(&held[i], HELD_MS);
		ck_assert_msg(answer == NULL, "%s: status %u while the disk is frozen", i < 3 ? requests[i] : settle,
		    answer->status);
	}
	ck_assert_uint_eq(client_publish(&client, "memory", "needs no disk")->status, 202);
	expect_status(client_receive(&client, "memory", "{}"), 200);
	volume_thaw(&broker);

	expect_status(client_answer(&held[0]), 201);
	expect_status(client_answer(&held[1]), 201);
	expect_status(client_answer(&held[2]), 200);
	for (unsigned i = 0; i < 4; i++)
		client_close(&held[i]);
	client_close(&client);
	broker_stop(&broker);
	volume_end(&broker);
	broker_free(&broker);
}
END_TEST

/*
 * Leases end, a worker dies and consumers come again while nothing can be written; whatever was answered has to hold when
 * the disk goes on.
 */
START_TEST(a_disk_that_stalls_for_longer_than_the_leases_breaks_no_promise)
{
	static const char *const options[] = { "server.processes=2", "worker.shards=2", NULL };
	struct oracle_options oracle_options = { .seed = 7, .messages_max = 100000, .body_bytes_min = 64,
		.body_bytes_max = 2000 };
	struct load_options load_options = { .queue = "q", .publishers = 16, .consumers = 4, .batch = 1, .receive_max = 20,
		.lease = "500ms", .wait = "1s" };
	struct oracle *oracle;
	struct broker broker;
	struct client client;
	struct load *load;

	broker_init(&broker, options);
	if (!volume_ext4(&broker, 300 * MIB)) {
		broker_free(&broker);
		return;
	}
	broker_start(&broker);
	client_open(&client, broker.port);
	client_queue(&client, "q", "{\"backoff\":{\"max\":\"0s\"},\"max_deliveries\":1000}");
	client_close(&client);
	load_options.port = broker.port;
	oracle = oracle_new(&oracle_options);
	load = load_open(&load_options, oracle);
	for (unsigned round = 0; round < 2; round++) {
		load_run(load, 300);
		volume_freeze(&broker);
		load_run(load, 700);
		broker_wait_live(&broker, SLOT_WORKER(round), broker_kill(&broker, SLOT_WORKER(round)));
		load_run(load, 700);
		volume_thaw(&broker);
	}
	ck_assert_msg(load_drain(load, TEST_SECONDS * 500), "%s", oracle_verdict(oracle));
	ck_assert_str_eq(oracle_verdict(oracle), "");
	ck_assert_uint_gt(oracle_counts(oracle).acknowledged, 100);
	load_close(load);
	oracle_free(oracle);
	broker_stop(&broker);
	volume_end(&broker);
	broker_free(&broker);
}
END_TEST

/*
 * Follow persistd with strace, which delays the return of each of its system calls that can carry or finish a write by
 * HELD_MS: whoever answers before that has not waited for the write.
 */
static pid_t
trace(pid_t target, const char *output_path)
{
	char target_text[16], inject[120];
	pid_t pid;

	snprintf(target_text, sizeof(target_text), "%d", (int)target);
	snprintf(inject, sizeof(inject), "inject=io_uring_enter,pwrite64,pwritev2,fdatasync:delay_exit=%d", HELD_MS * 1000);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		execlp("strace", "strace", "-f", "-ttt", "-T", "-qq", "-o", output_path, "-p", target_text, "-e",
		    "trace=io_uring_enter,pwrite64,pwritev2,fdatasync", "-e", inject, (char *)NULL);
		_exit(127);
	}
	return pid;
}

static bool
is_traced(pid_t pid)
{
	char path[64], line[200];
	unsigned tracer = 0;
	FILE *status;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	status = fopen(path, "re");
	ck_assert_ptr_nonnull(status);
	while (fgets(line, sizeof(line), status) != NULL)
		(void)sscanf(line, "TracerPid: %u", &tracer); /* the other lines do not match */
	fclose(status);
	return tracer != 0;
}

static double
now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

struct window {
	double sent_s;
	double answered_s;
};

/* Of the lines `PID SECONDS call(...) = n <DURATION>`: one that begins after sent and has ended before answered. */
static bool
has_call_within(const char *path, struct window window)
{
	char line[1000];
	bool found = false;
	FILE *file = fopen(path, "re");

	ck_assert_ptr_nonnull(file);
	while (!found && fgets(line, sizeof(line), file) != NULL) {
		const char *duration = strrchr(line, '<');
		double begun_s, took_s;

		if (duration == NULL || sscanf(line, "%*d %lf", &begun_s) != 1 || sscanf(duration, "<%lf>", &took_s) != 1)
			continue;
		/* -T measures to the exit of the call; strace's delay is in front of that. */
		found = begun_s + took_s >= window.sent_s + HELD_MS / 1000.0 && begun_s + took_s <= window.answered_s;
	}
	fclose(file);
	return found;
}

START_TEST(strace_shows_no_answer_before_the_write_has_returned)
{
	struct window windows[5];
	struct broker broker;
	struct client client;
	char path[300];
	pid_t strace, persist;
	int status;

	broker_up(&broker, NULL);
	client_open(&client, broker.port);
	client_queue(&client, "q", "{}");
	persist = broker_pid(&broker, SLOT_PERSIST);
	snprintf(path, sizeof(path), "%s/trace", broker.directory);
	strace = trace(persist, path);
	uint64_t deadline_ms = deadline_in(CLIENT_TIMEOUT_MS);
	while (!is_traced(persist)) {
		if (waitpid(strace, &status, WNOHANG) == strace) {
			printf("skipped: strace cannot be run or may not attach (exit status %#x)\n", status);
			client_close(&client);
			broker_free(&broker);
			return;
		}
		ck_assert_msg(deadline_pause(deadline_ms), "strace does not attach");
	}
	for (unsigned i = 0; i < 5; i++) {
		windows[i].sent_s = now_s();
		client_publish(&client, "q", "x");
		windows[i].answered_s = now_s();
		ck_assert_msg(windows[i].answered_s - windows[i].sent_s >= HELD_MS / 1000.0,
		    "publish %u was answered after %.3f s, before any call of persistd could return", i,
		    windows[i].answered_s - windows[i].sent_s);
	}
	ck_assert_int_eq(kill(strace, SIGTERM), 0);
	ck_assert_int_eq(waitpid(strace, &status, 0), strace);
	for (unsigned i = 0; i < 5; i++)
		ck_assert_msg(has_call_within(path, windows[i]), "strace saw no call return between publish %u and its answer", i);
	client_close(&client);
	broker_free(&broker);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("fault/output_commit");
	TCase *tcase = tcase_create("output_commit");

	tcase_set_timeout(tcase, TEST_SECONDS);
	tcase_add_test(tcase, on_a_frozen_disk_nothing_that_must_last_is_answered);
	tcase_add_test(tcase, a_disk_that_stalls_for_longer_than_the_leases_breaks_no_promise);
	tcase_add_test(tcase, strace_shows_no_answer_before_the_write_has_returned);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
