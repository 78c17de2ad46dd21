/*
 * Hostile clients beside a well-behaved one, which must not notice: no error, no answer later than 250 ms (or than three times
 * the worst of a quiet run just before, on a machine that is busy with something else), and the frontd's memory does not grow
 * by more than 16 MiB, of which 8 are configured for bodies.  Each kind of tests/harness/siege for a moment, then all of
 * them at once with 10,000 idle connections; `make soak` the mixture for as long as asked.  HOSTILE_KIND=NAME runs one kind.
 *
 * Times are of queues with durability "memory", for the disk has its own; `durable` is shown and not judged.
 */
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

#include "tests/harness/siege.h"
#include "tests/harness/broker.h"
#include "tests/harness/client.h"
#include "tests/harness/deadline.h"
#include "tests/harness/trial.h"
#include "tests/harness/unit.h"

enum { TEST_SECONDS = 250, WORST_MS = 250, GROWTH_BYTES = 16 << 20, IDLE_MANY = 10000,
	DESCRIPTORS = 14000, KIND_MS = 600, MIXTURE_MS = 4000, SAMPLES_MAX = 1 << 16, UPLOAD_BYTES = 200000, WAIT_CLOSED_MS = 20000 };

/* What a well-behaved client does, each with its times. */
#define ACTIONS(X) X(PUBLISH, "publish") X(RECEIVE, "receive") X(ACK, "ack") X(POLL, "poll") X(UPLOAD, "upload") \
	X(CONNECT, "connect") X(DURABLE, "durable")

enum action {
#define X(name, text) ACTION_##name,
	ACTIONS(X)
#undef X
	ACTION_COUNT
};

static const char *const action_names[] = {
#define X(name, text) text,
	ACTIONS(X)
#undef X
};

struct times {
	unsigned count;
	uint32_t us[SAMPLES_MAX];
};

static struct times times[ACTION_COUNT];
static struct broker broker;
static uint64_t memory_peak;

/* A sanitizer keeps what is freed, and takes its time: then only errors are judged. */
static bool
is_sanitized(void)
{
	const char *san = getenv("SAN");

#ifdef __SANITIZE_ADDRESS__
	return true;
#endif
	return san != NULL && san[0] != '\0';
}

static uint64_t
clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Private memory of the frontd: what it shares with the other processes is of fixed size. */
static uint64_t
front_memory(void)
{
	char path[64], line[256];
	unsigned long kib, total = 0;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)broker_pid(&broker, SLOT_FRONT(0)));
	FILE *file = fopen(path, "r");
	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, "Private_Clean: %lu", &kib) == 1 || sscanf(line, "Private_Dirty: %lu", &kib) == 1)
			total += kib;
	fclose(file);
	ck_assert_uint_gt(total, 0);
	if (total * 1024 > memory_peak)
		memory_peak = total * 1024;
	return total * 1024;
}

/* The answer to what was just sent, and how long it took since then. */
static struct response *
timed(enum action action, struct client *client, uint64_t began_us)
{
	struct response *answer = client_answer(client);
	struct times *list = &times[action];

	if (list->count < SAMPLES_MAX)
		list->us[list->count++] = (uint32_t)(clock_us() - began_us);
	return answer;
}

static struct response *
ask(enum action action, struct client *client, const char *request, const char *body, size_t body_bytes)
{
	uint64_t began_us = clock_us();

	client_request(client, request, NULL, body, body_bytes);
	return timed(action, client, began_us);
}

/* One round of all it does. */
static void
good_round(struct client *client, struct client *poller, const char *upload)
{
	char path[128];
	struct client fresh;

	expect_status(ask(ACTION_PUBLISH, client, "POST /v1/queues/good/messages", "hello", 5), 202);
	struct response *answer = ask(ACTION_RECEIVE, client, "POST /v1/queues/good/messages:receive", NULL, 0);
	expect_status(answer, 200);
	snprintf(path, sizeof(path), "DELETE /v1/queues/good/leases/%s", response_text(answer, "messages.0.receipt"));
	expect_status(ask(ACTION_ACK, client, path, NULL, 0), 204);

	client_request(poller, "POST /v1/queues/polled/messages:receive", "Prefer: wait=30\r\n", NULL, 0);
	uint64_t began_us = clock_us();
	client_request(client, "POST /v1/queues/polled/messages", NULL, "x", 1);
	answer = timed(ACTION_POLL, poller, began_us);
	expect_status(answer, 200);
	expect_status(client_answer(client), 202);
	snprintf(path, sizeof(path), "DELETE /v1/queues/polled/leases/%s", response_text(answer, "messages.0.receipt"));
	expect_status(client_do(poller, "%s", path), 204);

	expect_status(ask(ACTION_UPLOAD, client, "POST /v1/queues/uploads/messages", upload, UPLOAD_BYTES), 202);
	answer = client_ask(client, "POST /v1/queues/uploads/messages:receive", "Accept: application/octet-stream\r\n", NULL);
	expect_status(answer, 200);
	ck_assert_uint_eq(answer->body_bytes, UPLOAD_BYTES);
	expect_status(client_do(client, "DELETE /v1/queues/uploads/leases/%s", response_field(answer, "Mq-Receipt")), 204);

	began_us = clock_us();
	client_open(&fresh, broker.port);
	client_request(&fresh, "GET /livez", NULL, NULL, 0);
	expect_status(timed(ACTION_CONNECT, &fresh, began_us), 200);
	client_close(&fresh);

	expect_status(ask(ACTION_DURABLE, client, "POST /v1/queues/durable/messages", "hello", 5), 201);
}

static int
compare(const void *a, const void *b)
{
	uint32_t one = *(const uint32_t *)a, other = *(const uint32_t *)b;

	return (one > other) - (one < other);
}

/* A line of what was seen; the worst, in us, of all but what waits for the disk. */
static uint32_t
times_report(const char *name)
{
	uint32_t worst = 0;

	printf("%-15s", name);
	for (unsigned action = 0; action < ACTION_COUNT; action++) {
		struct times *list = &times[action];

		ck_assert_uint_gt(list->count, 0);
		qsort(list->us, list->count, sizeof(list->us[0]), compare);
		uint32_t last = list->us[list->count - 1];
		printf(" %s %.1f/%.1f", action_names[action], list->us[(list->count - 1) * 99 / 100] / 1000.0, last / 1000.0);
		if (action != ACTION_DURABLE && last > worst)
			worst = last;
	}
	printf(" ms (p99/worst of %u)", times[0].count);
	return worst;
}

/* Be good for so long; the worst time in us. */
static uint32_t
be_good(const char *name, unsigned ms)
{
	uint64_t deadline_ms = deadline_in(ms), sample_ms = 0;
	struct client client, poller;
	char *upload = malloc(UPLOAD_BYTES);

	ck_assert_ptr_nonnull(upload);
	memset(upload, 'u', UPLOAD_BYTES);
	for (unsigned action = 0; action < ACTION_COUNT; action++)
		times[action].count = 0;
	client_open(&client, broker.port);
	client_open(&poller, broker.port);
	do {
		good_round(&client, &poller, upload);
		if (clock_ms() >= sample_ms) {
			(void)front_memory();
			sample_ms = clock_ms() + 50;
		}
	} while (clock_ms() < deadline_ms);
	client_close(&client);
	client_close(&poller);
	free(upload);
	return times_report(name);
}

static uint64_t
connections_open(void)
{
	struct client client;

	client_open(&client, broker.port);
	struct response *answer = client_do(&client, "GET /v1/stats");
	expect_status(answer, 200);
	uint64_t open = (uint64_t)(response_number(answer, "frontd.connections_accepted") -
	    response_number(answer, "frontd.connections_closed"));
	client_close(&client);
	return open;
}

/* All that the attackers had is given back. */
static void
wait_closed(void)
{
	uint64_t deadline_ms = deadline_in(WAIT_CLOSED_MS);

	while (connections_open() > 4)
		ck_assert_msg(deadline_pause(deadline_ms), "%llu connections stay open", (unsigned long long)connections_open());
}

/* The good client among these for so long. */
static void
endure(const char *name, const unsigned connections[SIEGE_COUNT], unsigned ms, uint64_t seed)
{
	struct siege attack;
	uint64_t before = front_memory();

	uint32_t control_us = be_good("(quiet)", ms / 4);
	printf("\n");
	memory_peak = 0;
	siege_start(&attack, broker.port, connections, seed);
	uint32_t worst_us = be_good(name, ms);
	struct siege_counts counts = siege_stop(&attack);
	wait_closed();
	uint64_t after = front_memory();
	printf("; %llu opened, %llu open, %llu ended by us, %llu refused, %.1f MB in, %.1f MB out; memory %.1f, %.1f, %.1f MiB\n",
	    (unsigned long long)counts.opened, (unsigned long long)counts.open, (unsigned long long)counts.ended,
	    (unsigned long long)counts.refused, (double)counts.bytes_sent / 1e6, (double)counts.bytes_read / 1e6,
	    (double)before / 1048576, (double)memory_peak / 1048576, (double)after / 1048576);
	fflush(stdout);
	uint32_t allowed_us = control_us * 3 > WORST_MS * 1000 ? control_us * 3 : WORST_MS * 1000;
	ck_assert_msg(is_sanitized() || worst_us <= allowed_us, "%s: the good client waited %.1f ms (quiet: %.1f ms)", name, worst_us / 1000.0,
	    control_us / 1000.0);
	ck_assert_uint_gt(counts.opened, 0);
	ck_assert_uint_ge(counts.open, connections[SIEGE_IDLE]);
}

static void
setup(void)
{
	static const char *const options[] = { "server.body_memory=8MiB", "server.receive_buffers=64",
		"server.max_connections=12000", "log.level=warning", "worker.waiters=16384", NULL };
	static const char *const memory_queues[] = { "good", "polled", "uploads", "junk", "empty", "large" };
	struct rlimit limit = { DESCRIPTORS, DESCRIPTORS };
	struct client client;
	char *large = malloc(1 << 20);

	ck_assert_ptr_nonnull(large);
	memset(large, 'l', 1 << 20);
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
		ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
		limit.rlim_cur = limit.rlim_max;
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	}
	broker_up(&broker, options);
	client_open(&client, broker.port);
	for (unsigned i = 0; i < sizeof(memory_queues) / sizeof(memory_queues[0]); i++)
		client_queue(&client, memory_queues[i], "{\"durability\":\"memory\"}");
	client_queue(&client, "durable", "{}");
	for (unsigned i = 0; i < 100; i++) {
		char name[16];

		snprintf(name, sizeof(name), "listed-%u", i);
		client_queue(&client, name, "{}");
	}
	for (unsigned i = 0; i < 3; i++)
		expect_status(client_ask_bytes(&client, "POST /v1/queues/large/messages", NULL, large, 1 << 20), 202);
	client_close(&client);
	free(large);
}

static void
teardown(void)
{
	char *log = broker_log(&broker);

	/* Whatever they sent, nothing of it was executed that should not be, and nobody died of it. */
	ck_assert_msg(strstr(log, "assert") == NULL && strstr(log, "error") == NULL, "%s", log);
	ck_assert_uint_eq(broker_role(&broker, SLOT_FRONT(0)).epoch, 1);
	ck_assert_uint_eq(broker_role(&broker, SLOT_WORKER(0)).epoch, 1);
	ck_assert_uint_eq(broker_role(&broker, SLOT_PERSIST).epoch, 1);
	free(log);
	broker_free(&broker);
}

static uint64_t
seed(void)
{
	const char *text = getenv("STORM_SEED");
	uint64_t number = text != NULL ? strtoull(text, NULL, 10) : (uint64_t)clock_us();

	printf("seed %llu\n", (unsigned long long)number);
	return number;
}

static void
expect_nothing_smuggled(void)
{
	struct client client;

	client_open(&client, broker.port);
	expect_status(client_do(&client, "GET /v1/queues/smuggled"), 404);
	client_close(&client);
}

static void
expect_bounded(uint64_t before, uint64_t peak)
{
	ck_assert_msg(is_sanitized() || peak <= before + GROWTH_BYTES, "memory grew from %.1f to %.1f MiB",
	    (double)before / 1048576, (double)peak / 1048576);
}

START_TEST(a_good_client_does_not_notice_one_kind_of_hostile_ones)
{
	const char *only = getenv("HOSTILE_KIND");
	uint64_t number = seed();

	setup();
	(void)be_good("(warming up)", 300);
	printf("\n");
	uint64_t before = front_memory();
	for (unsigned kind = 0; kind < SIEGE_COUNT; kind++) {
		unsigned connections[SIEGE_COUNT] = { 0 };

		connections[kind] = siege_connections((enum siege_kind)kind);
		if (only != NULL && strcmp(only, siege_name((enum siege_kind)kind)) != 0)
			continue;
		endure(siege_name((enum siege_kind)kind), connections, KIND_MS, number + kind);
		expect_bounded(before, memory_peak);
	}
	expect_nothing_smuggled();
	teardown();
}
END_TEST

START_TEST(a_good_client_does_not_notice_all_of_them_and_10_000_idle_connections)
{
	unsigned connections[SIEGE_COUNT], ms = soak_seconds() != 0 ? soak_seconds() * 1000 : MIXTURE_MS;
	uint64_t number = seed();

	setup();
	(void)be_good("(warming up)", 300);
	printf("\n");
	uint64_t before = front_memory();
	for (unsigned kind = 0; kind < SIEGE_COUNT; kind++)
		connections[kind] = siege_connections((enum siege_kind)kind) / 4 + 1;
	connections[SIEGE_IDLE] = IDLE_MANY;
	endure("all", connections, ms, number);
	expect_bounded(before, memory_peak);
	expect_nothing_smuggled();
	teardown();
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("fault/hostile");
	TCase *tcase = tcase_create("hostile");

	tcase_set_timeout(tcase, TEST_SECONDS + soak_seconds() * 2);
	tcase_add_test(tcase, a_good_client_does_not_notice_one_kind_of_hostile_ones);
	tcase_add_test(tcase, a_good_client_does_not_notice_all_of_them_and_10_000_idle_connections);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
