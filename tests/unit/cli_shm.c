/*
 * cli: status, stats and down see a broker through shared memory alone.  The broker here is its regions, made by the test.
 */
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/verbs.h"
#include "shm/atomic.h"
#include "shm/durable.h"
#include "shm/registry.h"
#include "shm/stats.h"
#include "tests/harness/unit.h"
#include "tests/harness/verb.h"

static char instance[INSTANCE_MAX_BYTES + 1];
static struct region_identity store;
static struct registry registry;
static struct stats front[2];

/* What the verb wrote to stdout. */
static char output[1 << 20];

#define RUN(verb, ...) verb_run(verb, (char *[]){ __VA_ARGS__, NULL }, output, sizeof(output))

static void
slot_is(uint32_t slot, enum slot_state state, uint64_t epoch, pid_t pid)
{
	store_release(&registry.shared->slot[slot].state_epoch, slot_word(epoch, state));
	registry.shared->slot[slot].pid = pid;
	registry.shared->slot[slot].started_ms = 1700000000123;
}

static void
broker_make(void)
{
	leftovers_instance(instance, sizeof(instance));
	memset(&store, 0, sizeof(store));
	memset(store.store_uuid, 7, sizeof(store.store_uuid));
	ck_assert_int_eq(region_boot_id(store.boot_id), 0);
	ck_assert_int_eq(registry_create(instance, &store), 0);
	ck_assert_int_eq(registry_attach(&registry, instance, &store, REGION_READ_WRITE), 0);
	ck_assert_int_eq(durable_create(instance, 1, &store), 0);
	registry.shared->geometry.workers = 1;
	registry.shared->geometry.fronts = 2;
	strcpy(registry.shared->listen, "127.0.0.1:4321");
	for (uint32_t i = 0; i < 2; i++) {
		ck_assert_int_eq(stats_create(instance, SLOT_FRONT(i), &store), 0);
		ck_assert_int_eq(stats_attach(&front[i], instance, SLOT_FRONT(i), &store, REGION_READ_WRITE), 0);
	}
	ck_assert_int_eq(stats_create(instance, SLOT_WORKER(0), &store), 0);
	ck_assert_int_eq(stats_create(instance, SLOT_PERSIST, &store), 0);
	slot_is(SLOT_FRONT(0), SLOT_LIVE, 3, getpid());
	slot_is(SLOT_FRONT(1), SLOT_DEAD, 1, 0x3ffffffe);
	slot_is(SLOT_WORKER(0), SLOT_LIVE, 1, 0x3ffffffe);
	slot_is(SLOT_PERSIST, SLOT_STARTING, 2, getpid());
	slot_is(SLOT_SUPERVISOR, SLOT_LIVE, 1, getpid());
}

static void
broker_remove(void)
{
	for (uint32_t i = 0; i < 2; i++)
		stats_detach(&front[i]);
	registry_detach(&registry);
	region_unlink_all(instance, "");
}

static const json_t *
process(const json_t *status, const char *role, int index)
{
	json_t *row;
	size_t i;

	json_array_foreach (json_object_get(status, "processes"), i, row) {
		if (strcmp(json_string_value(json_object_get(row, "role")), role) == 0 &&
		    json_integer_value(json_object_get(row, "index")) == index)
			return row;
	}
	ck_abort_msg("no %s %d in %s", role, index, output);
}

#define TEXT(object, key) json_string_value(json_object_get(object, key))
#define NUMBER(object, key) json_integer_value(json_object_get(object, key))

START_TEST(status_shows_role_index_pid_epoch_and_state_of_each_process)
{
	json_t *status;

	store_relaxed(&front[0].shared->phase, PHASE_SERVING);
	ck_assert_int_eq(RUN(verb_status, "status", "-i", instance, "--json"), CLI_OK);
	status = json_loads(output, 0, NULL);
	ck_assert_msg(status != NULL, "not JSON: %s", output);
	ck_assert_uint_eq(json_array_size(json_object_get(status, "processes")), 5);
	ck_assert_str_eq(TEXT(status, "listen"), "127.0.0.1:4321");
	ck_assert_str_eq(TEXT(status, "state"), "running");
	ck_assert_str_eq(TEXT(json_object_get(status, "journal"), "state"), "starting");
	ck_assert_str_eq(TEXT(process(status, "frontd", 0), "state"), "live");
	ck_assert_str_eq(TEXT(process(status, "frontd", 0), "phase"), "serving");
	ck_assert_str_eq(TEXT(process(status, "frontd", 0), "started_at"), "2023-11-14T22:13:20.123Z");
	ck_assert_int_eq(NUMBER(process(status, "frontd", 0), "epoch"), 3);
	ck_assert_int_eq(NUMBER(process(status, "frontd", 0), "pid"), getpid());
	ck_assert_str_eq(TEXT(process(status, "frontd", 1), "state"), "dead");
	/* The registry says live, the kernel says there is no such process. */
	ck_assert_str_eq(TEXT(process(status, "workerd", 0), "state"), "gone");
	ck_assert_str_eq(TEXT(process(status, "persistd", 0), "state"), "starting");
	ck_assert_str_eq(TEXT(process(status, "supervisor", 0), "state"), "live");
	json_decref(status);

	ck_assert_int_eq(RUN(verb_status, "status", "-i", instance), CLI_OK);
	ck_assert_ptr_nonnull(strstr(output, "http://127.0.0.1:4321"));
	ck_assert_ptr_nonnull(strstr(output, "persistd"));
}
END_TEST

START_TEST(status_of_a_broker_whose_supervisor_is_gone_says_so_and_exits_69)
{
	slot_is(SLOT_SUPERVISOR, SLOT_LIVE, 1, 0x3ffffffe);
	ck_assert_int_eq(RUN(verb_status, "status", "-i", instance), CLI_NOT_RUNNING);
	ck_assert_ptr_nonnull(strstr(output, "not running"));
	ck_assert_int_eq(RUN(verb_down, "down", "-i", instance), CLI_NOT_RUNNING);
}
END_TEST

START_TEST(without_a_broker_every_verb_exits_69)
{
	ck_assert_int_eq(RUN(verb_status, "status", "-i", "no-such-broker"), CLI_NOT_RUNNING);
	ck_assert_int_eq(RUN(verb_stats, "stats", "-i", "no-such-broker"), CLI_NOT_RUNNING);
	ck_assert_int_eq(RUN(verb_down, "down", "-i", "no-such-broker"), CLI_NOT_RUNNING);
	ck_assert_int_eq(RUN(verb_queue, "queue", "ls", "-i", "no-such-broker"), CLI_NOT_RUNNING);
	ck_assert_int_eq(RUN(verb_msg, "msg", "get", "q", "-i", "no-such-broker"), CLI_NOT_RUNNING);
	ck_assert_int_eq(RUN(verb_status, "status", "-i", "../etc"), CLI_NOT_RUNNING);
}
END_TEST

START_TEST(a_wrong_command_line_exits_2)
{
	ck_assert_int_eq(RUN(verb_status, "status", "--nonsense"), CLI_USAGE);
	ck_assert_int_eq(RUN(verb_status, "status", "word"), CLI_USAGE);
	ck_assert_int_eq(RUN(verb_status, "status", "--repair"), CLI_USAGE);
	ck_assert_int_eq(RUN(verb_down, "down", "-i", instance, "--timeout", "soon"), CLI_USAGE);
	ck_assert_int_eq(RUN(verb_queue, "queue"), CLI_USAGE);
	ck_assert_int_eq(RUN(verb_queue, "queue", "show"), CLI_USAGE);
	ck_assert_int_eq(RUN(verb_msg, "msg", "ack", "q"), CLI_USAGE);
	ck_assert_int_eq(RUN(verb_check, "check", "a", "b"), CLI_USAGE);
	ck_assert_int_eq(RUN(verb_check, "check", "-o", "data.nothing=1"), CLI_CONFIG);
}
END_TEST

static const json_t *
row_of(const json_t *stats, unsigned role, const char *list, const char *name)
{
	json_t *row;
	size_t i;

	json_array_foreach (json_object_get(json_array_get(json_object_get(stats, "roles"), role), list), i, row) {
		if (strcmp(TEXT(row, "name"), name) == 0)
			return row;
	}
	ck_abort_msg("no %s in %s", name, output);
}

START_TEST(stats_sums_over_a_role_and_shows_each_process)
{
	const json_t *row;
	json_t *stats;

	stat_add(&front[0].shared->http_requests, 5);
	stat_add(&front[1].shared->http_requests, 7);
	for (unsigned i = 0; i < 199; i++)
		histogram_add(&front[0].shared->publish_to_durable, 1000);
	histogram_add(&front[1].shared->publish_to_durable, 1000000);

	ck_assert_int_eq(RUN(verb_stats, "stats", "-i", instance, "--json"), CLI_OK);
	stats = json_loads(output, 0, NULL);
	ck_assert_msg(stats != NULL, "not JSON: %s", output);
	row = row_of(stats, 0, "counters", "http_requests");
	ck_assert_int_eq(NUMBER(row, "sum"), 12);
	ck_assert_int_eq(NUMBER(json_object_get(row, "processes"), "0"), 5);
	ck_assert_int_eq(NUMBER(json_object_get(row, "processes"), "1"), 7);
	row = row_of(stats, 0, "histograms", "publish_to_durable");
	ck_assert_int_eq(NUMBER(json_object_get(row, "sum"), "count"), 200);
	ck_assert_int_ge(NUMBER(json_object_get(row, "sum"), "p50"), 1000);
	ck_assert_int_lt(NUMBER(json_object_get(row, "sum"), "p99"), 1200);
	ck_assert_int_ge(NUMBER(json_object_get(row, "sum"), "p999"), 1000000);
	ck_assert_int_lt(NUMBER(json_object_get(row, "sum"), "max"), 1200000);
	/* Every row of stats.def is there, in its role. */
	for (unsigned i = 0; i < stat_row_count; i++)
		(void)row_of(stats, stat_rows[i].role, stat_rows[i].kind == STAT_HISTOGRAM ? "histograms" : "counters",
		    stat_rows[i].name);
	json_decref(stats);

	ck_assert_int_eq(RUN(verb_stats, "stats", "-i", instance), CLI_OK);
	ck_assert_ptr_nonnull(strstr(output, "publish_to_durable"));
	ck_assert_ptr_nonnull(strstr(output, "frontd, 2 of it"));
}
END_TEST

/* A child that stands for the supervisor: ends at SIGTERM, or not. */
static pid_t
supervisor_start(bool obeys)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, "chasqui");
		/* Check's own handler would end the test. */
		signal(SIGTERM, obeys ? SIG_DFL : SIG_IGN);
		slot_is(SLOT_SUPERVISOR, SLOT_LIVE, 1, getpid());
		for (;;)
			pause();
	}
	while (load_acquire(&registry.shared->slot[SLOT_SUPERVISOR].pid) != pid)
		usleep(1000);
	return pid;
}

START_TEST(down_ends_the_supervisor_and_waits_for_it)
{
	pid_t pid = supervisor_start(true);
	int status;

	ck_assert_int_eq(RUN(verb_down, "down", "-i", instance), CLI_OK);
	ck_assert_int_eq(waitpid(pid, &status, WNOHANG), pid);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}
END_TEST

START_TEST(down_gives_up_on_a_supervisor_that_does_not_end)
{
	pid_t pid = supervisor_start(false);

	ck_assert_int_eq(RUN(verb_down, "down", "-i", instance, "--timeout", "0"), CLI_FAILED);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
}
END_TEST

START_TEST(down_does_not_signal_a_stranger_who_has_the_pid_now)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, "stranger");
		registry.shared->slot[SLOT_SUPERVISOR].pid = getpid();
		for (;;)
			pause();
	}
	while (load_acquire(&registry.shared->slot[SLOT_SUPERVISOR].pid) != pid)
		usleep(1000);
	ck_assert_int_eq(RUN(verb_down, "down", "-i", instance), CLI_NOT_RUNNING);
	ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), 0);
	kill(pid, SIGKILL);
}
END_TEST

static Suite *
cli_suite(void)
{
	Suite *suite = suite_create("cli by shared memory");
	TCase *verbs = tcase_create("verbs");

	tcase_add_checked_fixture(verbs, broker_make, broker_remove);
	tcase_add_test(verbs, status_shows_role_index_pid_epoch_and_state_of_each_process);
	tcase_add_test(verbs, status_of_a_broker_whose_supervisor_is_gone_says_so_and_exits_69);
	tcase_add_test(verbs, without_a_broker_every_verb_exits_69);
	tcase_add_test(verbs, a_wrong_command_line_exits_2);
	tcase_add_test(verbs, stats_sums_over_a_role_and_shows_each_process);
	tcase_add_test(verbs, down_ends_the_supervisor_and_waits_for_it);
	tcase_add_test(verbs, down_gives_up_on_a_supervisor_that_does_not_end);
	tcase_add_test(verbs, down_does_not_signal_a_stranger_who_has_the_pid_now);
	suite_add_tcase(suite, verbs);
	return suite;
}

UNIT_MAIN(cli_suite)
