/*
 * Cold receives while persistd is killed several times a second: every body has left memory (a cold start), so that each receive
 * stands or falls with fetches that a dead persistd took along.  Each must be answered, with the bodies that were sent.
 *
 *   COLD_SEED=n    of the schedule (else from the clock)
 *
 * In `make soak` it runs a quarter of CHASQUI_SOAK_SECONDS.  What is lost when is chosen by the seed, when it strikes by the kernel.
 */
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "shm/atomic.h"
#include "tests/harness/broker.h"
#include "tests/harness/client.h"
#include "tests/harness/deadline.h"
#include "tests/harness/history.h"
#include "tests/harness/trial.h"
#include "tests/harness/unit.h"
#include "tests/harness/wire.h"

enum { SECONDS = 6, ANSWER_MS = 15000, RECEIVERS = 6, QUEUES = 4, BATCHES = 12, BATCH = 40, BODY_BYTES = 1500,
	READERS_PAUSE_US = 2000 };

struct receiver {
	pthread_t thread;
	unsigned number;
	struct wire wire;
	uint64_t answered;      /* receives */
	uint64_t deliveries;
	uint64_t busy;          /* 503 */
	uint64_t broken;        /* connections */
	uint64_t worst_us;      /* the longest wait for an answer */
	char wrong[200];        /* "": nothing */
};

static struct {
	struct broker broker;
	uint64_t seed, random;
	uint32_t port;          /* written by the main thread, read by all */
	uint32_t is_over;
	struct receiver receivers[RECEIVERS];
	unsigned kills, cold_starts;
} it;

/* splitmix64, Sebastiano Vigna, public domain. */
static uint64_t
chance(uint64_t below)
{
	uint64_t z = it.random += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (z ^ z >> 31) % below;
}

/* --- receiving --- */

static void
check_bodies(struct receiver *receiver)
{
	json_t *messages = response_member(&receiver->wire.answer, "messages"), *message;
	size_t i;

	json_array_foreach(messages, i, message) {
		json_t *body = json_object_get(message, "body");
		bool is_altered = true;
		uint32_t number;

		receiver->deliveries++;
		if (!json_is_string(body) || !storm_body_read(it.seed, json_string_value(body), json_string_length(body), &number,
		    &is_altered) || is_altered)
			snprintf(receiver->wrong, sizeof(receiver->wrong), "a body that is not what was sent");
	}
}

/* One receive of up to 100; the leases end by themselves at once. */
static void
receive(struct receiver *receiver)
{
	static const char json[] = "{\"max\":100,\"lease\":\"100ms\",\"wait\":\"100ms\"}";
	uint64_t begin_us = clock_us(), took_us;
	char request[256];
	int n = snprintf(request, sizeof(request), "POST /v1/queues/cold-%u/messages:receive HTTP/1.1\r\nHost: x\r\n"
	    "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", receiver->number % QUEUES, sizeof(json) - 1, json);
	enum wire_end end = wire_ask(&receiver->wire, request, (size_t)n, ANSWER_MS);
	unsigned status = receiver->wire.answer.status;

	took_us = clock_us() - begin_us;
	receiver->worst_us = took_us > receiver->worst_us && end != WIRE_BROKE ? took_us : receiver->worst_us;
	if (end == WIRE_SILENT)
		snprintf(receiver->wrong, sizeof(receiver->wrong), "a receive was not answered in %d ms", ANSWER_MS);
	receiver->broken += end == WIRE_BROKE;
	receiver->answered += end == WIRE_ANSWERED;
	if (end != WIRE_ANSWERED || status == 204)
		return;
	receiver->busy += status == 503;
	if (status == 200)
		check_bodies(receiver);
	else if (status != 503)
		snprintf(receiver->wrong, sizeof(receiver->wrong), "answered %u: %.150s", status, receiver->wire.answer.body);
}

static void *
receiver_run(void *argument)
{
	struct receiver *receiver = argument;

	while (load_relaxed(&it.is_over) == 0 && receiver->wrong[0] == '\0') {
		if (wire_open(&receiver->wire, (uint16_t)load_relaxed(&it.port)))
			receive(receiver);
		else
			usleep(READERS_PAUSE_US);
	}
	return NULL;
}

/* --- the broker --- */

static void
publish_all(void)
{
	static char body[BODY_BYTES + 1], lines[BATCH * (BODY_BYTES + 32)];
	struct client client;
	char text[64];
	uint32_t sequence = 0;

	client_open(&client, it.broker.port);
	for (unsigned queue = 0; queue < QUEUES; queue++) {
		snprintf(text, sizeof(text), "cold-%u", queue);
		client_queue(&client, text, "{\"max_deliveries\":1000000,\"backoff\":{\"min\":\"1ms\",\"max\":\"1ms\"}}");
		snprintf(text, sizeof(text), "POST /v1/queues/cold-%u/messages", queue);
		for (unsigned batch = 0; batch < BATCHES; batch++) {
			size_t n = 0;

			for (unsigned i = 0; i < BATCH; i++) {
				size_t body_bytes = STORM_BODY_BYTES_MIN + chance(BODY_BYTES - STORM_BODY_BYTES_MIN);

				storm_body(it.seed, message_number(0, sequence++), body, body_bytes);
				n += (size_t)sprintf(lines + n, "{\"body\":\"%.*s\"}\n", (int)body_bytes, body);
			}
			expect_status(client_ask_bytes(&client, text, "Content-Type: application/x-ndjson\r\n", lines, n), 200);
		}
	}
	client_close(&client);
}

static void
start_cold(void)
{
	broker_kill_all(&it.broker);
	broker_wipe(&it.broker);
	broker_start(&it.broker);
	store_relaxed(&it.port, it.broker.port);
	it.cold_starts++;
}

/* Whatever runs as persistd, also when it has only just started. */
static void
kill_persistd(void)
{
	struct broker_role role = broker_role(&it.broker, SLOT_PERSIST);

	it.kills += role.pid > 0 && kill(role.pid, SIGKILL) == 0;
}

/* Everything is cold; then persistd dies, at first before frontds have looked around, then again and again. */
static void
round_of_kills(void)
{
	start_cold();
	for (unsigned kills = 2 + (unsigned)chance(8), i = 0; i < kills; i++) {
		usleep((useconds_t)(i < 2 || chance(3) == 0 ? chance(15000) : 20000 + chance(80000)));
		kill_persistd();
	}
	usleep((useconds_t)chance(100000));
}

static void
print_counts(void)
{
	struct receiver sum = { 0 };

	for (unsigned i = 0; i < RECEIVERS; i++) {
		const struct receiver *receiver = &it.receivers[i];

		sum.answered += receiver->answered;
		sum.deliveries += receiver->deliveries;
		sum.busy += receiver->busy;
		sum.broken += receiver->broken;
		sum.worst_us = receiver->worst_us > sum.worst_us ? receiver->worst_us : sum.worst_us;
	}
	printf("sum: seed %" PRIu64 ": persistd killed %u times, %u cold starts; %" PRIu64 " receives answered (%" PRIu64 " with 503), %" PRIu64
	    " bodies, %" PRIu64 " connections broken, longest wait %.0f ms\n", it.seed, it.kills, it.cold_starts, sum.answered,
	    sum.busy, sum.deliveries, sum.broken, (double)sum.worst_us / 1e3);
	fflush(stdout);
	ck_assert_uint_ne(it.kills, 0);
	ck_assert_uint_ne(sum.deliveries, 0);
}

static const char *
what_is_wrong(void)
{
	for (unsigned i = 0; i < RECEIVERS; i++) {
		if (it.receivers[i].wrong[0] != '\0')
			return it.receivers[i].wrong;
	}
	return NULL;
}

START_TEST(each_receive_of_cold_bodies_is_answered_however_often_persistd_is_killed)
{
	static const char *const options[] = { "server.processes=2", "worker.shards=2", "worker.stream_ring=8MiB", "front.fetch_ring=4KiB",
		"log.level=error", NULL };
	const char *seed = getenv("COLD_SEED");
	uint64_t until_ms = deadline_in(1000 * (soak_seconds() != 0 ? soak_seconds() / 4 : SECONDS));

	it.seed = it.random = seed != NULL ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL);
	broker_up(&it.broker, options);
	publish_all();
	it.port = it.broker.port;
	for (unsigned i = 0; i < RECEIVERS; i++) {
		it.receivers[i].number = i;
		wire_init(&it.receivers[i].wire);
		ck_assert_int_eq(pthread_create(&it.receivers[i].thread, NULL, receiver_run, &it.receivers[i]), 0);
	}
	while (clock_ms() < until_ms && what_is_wrong() == NULL)
		round_of_kills();
	store_relaxed(&it.is_over, 1);
	for (unsigned i = 0; i < RECEIVERS; i++) {
		ck_assert_int_eq(pthread_join(it.receivers[i].thread, NULL), 0);
		wire_free(&it.receivers[i].wire);
	}
	print_counts();
	ck_assert_msg(what_is_wrong() == NULL, "%s (COLD_SEED=%" PRIu64 " build/tests/storm_cold)", what_is_wrong(), it.seed);
	broker_free(&it.broker);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("storm/cold");
	TCase *tcase = tcase_create("cold");

	tcase_set_timeout(tcase, soak_seconds() + 180);
	tcase_add_test(tcase, each_receive_of_cold_bodies_is_answered_however_often_persistd_is_killed);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
