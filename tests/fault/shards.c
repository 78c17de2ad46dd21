/*
 * Four frontds and four workers: queues spread over the shards, every frontd reaches all of them, one worker's trouble stays
 * its own; and what may change between two starts: the number of frontds, never that of workers, and where they run.
 */
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sysexits.h>

#include "conf/cpus.h"
#include "shm/hash.h"
#include "shm/stats.h"
#include "tests/harness/broker.h"
#include "tests/harness/client.h"
#include "tests/harness/deadline.h"
#include "tests/harness/unit.h"

enum { FRONTS = 4, WORKERS = 4, QUEUES = 40, CLIENTS = 64, NO_ANSWER_MS = 300, TEST_SECONDS = 120 };

static const char *const four_of_each[] = { "server.processes=4", "worker.shards=4", NULL };

static uint32_t
shard_of(const char *queue)
{
	return hash_shard(queue, strlen(queue), WORKERS);
}

/* The lowest of q0, q1, ... that lives in this shard. */
static void
queue_in(uint32_t shard, char queue[16])
{
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(queue, 16, "q%u", i);
		if (shard_of(queue) == shard)
			return;
	}
	ck_abort_msg("no queue of 1000 is in shard %u", shard);
}

static uint64_t
requests_of(const struct broker *broker, uint32_t slot)
{
	struct stats_shared stats;

	broker_stats(broker, slot, &stats);
	return stats.http_requests;
}

static unsigned
count_messages(struct client *client, const char *queue)
{
	return (unsigned)response_number(client_do(client, "GET /v1/queues/%s", queue), "stats.ready");
}

static void
expect_logged(const struct broker *broker, const char *text)
{
	char *log = broker_log(broker);

	ck_assert_msg(strstr(log, text) != NULL, "the log does not say `%s`: %s", text, log);
	free(log);
}

/* --- one broker, four of each --- */

/* The page after this one, in request; false after the last. */
static bool
next_page(const struct response *answer, char request[256])
{
	const char *link = response_field(answer, "Link");

	if (link == NULL)
		return false;
	ck_assert_msg(sscanf(link, "<%200[^>]>", request + snprintf(request, 256, "GET ")) == 1, "%s", link);
	return true;
}

START_TEST(queues_spread_over_the_shards_and_a_list_pages_over_all_of_them)
{
	unsigned in_shard[WORKERS] = { 0 }, seen[QUEUES] = { 0 }, pages = 0;
	char request[256] = "GET /v1/queues?limit=7", name[16];
	struct response *answer;
	struct broker broker;
	struct client client;

	broker_up(&broker, four_of_each);
	client_open(&client, broker.port);
	for (unsigned i = 0; i < QUEUES; i++) {
		snprintf(name, sizeof(name), "q%u", i);
		client_queue(&client, name, "{}");
		in_shard[shard_of(name)]++;
	}
	for (uint32_t w = 0; w < WORKERS; w++)
		ck_assert_msg(in_shard[w] >= 2, "shard %u has %u of %u queues", w, in_shard[w], QUEUES);
	do {
		answer = client_do(&client, "%s", request);
		expect_status(answer, 200);
		ck_assert_uint_le(response_count(answer, "queues"), 7);
		for (size_t i = 0; i < response_count(answer, "queues"); i++) {
			char path[48];

			snprintf(path, sizeof(path), "queues.%zu.name", i);
			seen[strtoul(response_text(answer, path) + 1, NULL, 10)]++;
		}
		pages++;
	} while (next_page(answer, request));
	for (unsigned i = 0; i < QUEUES; i++)
		ck_assert_msg(seen[i] == 1, "q%u was listed %u times", i, seen[i]);
	ck_assert_uint_ge(pages, QUEUES / 7);
	client_close(&client);
	broker_free(&broker);
}
END_TEST

START_TEST(every_frontd_reaches_every_queue)
{
	static struct client clients[CLIENTS];
	struct response *answer;
	struct broker broker;
	char queue[16], receipt[80];

	broker_up(&broker, four_of_each);
	for (unsigned i = 0; i < CLIENTS; i++)
		client_open(&clients[i], broker.port);
	for (uint32_t w = 0; w < WORKERS; w++) {
		queue_in(w, queue);
		client_queue(&clients[w], queue, "{\"lease\":\"1h\"}");
		for (unsigned i = 0; i < CLIENTS; i++)
			client_publish(&clients[i], queue, "x");
	}
	/* The kernel spreads connections by a hash: that one of four gets none of 64 is one case in 25 million. */
	for (uint32_t i = 0; i < FRONTS; i++)
		ck_assert_msg(requests_of(&broker, SLOT_FRONT(i)) > 0, "frontd %u got no connection", i);
	/* Received through one, acknowledged through another; each message once. */
	for (uint32_t w = 0; w < WORKERS; w++) {
		queue_in(w, queue);
		for (unsigned i = 0; i < CLIENTS; i++) {
			answer = client_receive(&clients[i], queue, "{\"max\":1}");
			expect_status(answer, 200);
			ck_assert_int_eq(response_number(answer, "messages.0.delivery_count"), 1);
			snprintf(receipt, sizeof(receipt), "%s", response_text(answer, "messages.0.receipt"));
			expect_status(client_do(&clients[(i + 1) % CLIENTS], "DELETE /v1/queues/%s/leases/%s", queue, receipt), 204);
		}
		expect_status(client_receive(&clients[0], queue, "{\"max\":1}"), 204);
	}
	for (unsigned i = 0; i < CLIENTS; i++)
		client_close(&clients[i]);
	broker_free(&broker);
}
END_TEST

/* Each shard counts its leases by itself, so the first lease of each has the same token and the same slot. */
START_TEST(a_receipt_of_one_shard_is_stale_in_every_other)
{
	char queues[WORKERS][16], receipts[WORKERS][80], json[200];
	struct response *answer;
	struct broker broker;
	struct client client;

	broker_up(&broker, four_of_each);
	client_open(&client, broker.port);
	for (uint32_t w = 0; w < WORKERS; w++) {
		queue_in(w, queues[w]);
		client_queue(&client, queues[w], "{\"lease\":\"1h\"}");
		client_publish(&client, queues[w], "x");
		answer = client_receive(&client, queues[w], "{}");
		snprintf(receipts[w], sizeof(receipts[w]), "%s", response_text(answer, "messages.0.receipt"));
	}
	for (uint32_t w = 0; w < WORKERS; w++) {
		const char *foreign = receipts[(w + 1) % WORKERS];

		expect_problem(client_do(&client, "DELETE /v1/queues/%s/leases/%s", queues[w], foreign), 410, "lease-expired");
		snprintf(json, sizeof(json), "{\"receipts\":[\"%s\"]}", foreign);
		answer = client_json(&client, json, "POST /v1/queues/%s/leases:ack", queues[w]);
		ck_assert_int_eq(response_number(answer, "results.0.status"), 410);
		answer = client_do(&client, "GET /v1/queues/%s", queues[w]);
		ck_assert_int_eq(response_number(answer, "stats.leased"), 1);
	}
	for (uint32_t w = 0; w < WORKERS; w++)
		expect_status(client_do(&client, "DELETE /v1/queues/%s/leases/%s", queues[w], receipts[w]), 204);
	client_close(&client);
	broker_free(&broker);
}
END_TEST

START_TEST(long_polls_of_all_frontds_on_one_queue_get_one_message_each)
{
	static struct client polls[CLIENTS];
	unsigned served = 0;
	struct broker broker;
	struct client client;

	broker_up(&broker, four_of_each);
	client_open(&client, broker.port);
	client_queue(&client, "q", "{\"lease\":\"1h\"}");
	for (unsigned i = 0; i < CLIENTS; i++) {
		client_open(&polls[i], broker.port);
		client_request(&polls[i], "POST /v1/queues/q/messages:receive", "Prefer: wait=60\r\n", NULL, 0);
	}
	uint64_t deadline_ms = deadline_in(CLIENT_TIMEOUT_MS);
	while (response_number(client_do(&client, "GET /v1/queues/q"), "stats.waiters") != CLIENTS)
		ck_assert(deadline_pause(deadline_ms));
	for (unsigned i = 0; i < CLIENTS; i++)
		client_publish(&client, "q", "x");
	for (unsigned i = 0; i < CLIENTS; i++) {
		struct response *answer = client_answer(&polls[i]);

		expect_status(answer, 200);
		served += (unsigned)response_count(answer, "messages");
		client_close(&polls[i]);
	}
	ck_assert_uint_eq(served, CLIENTS);
	client_close(&client);
	broker_free(&broker);
}
END_TEST

START_TEST(one_worker_that_is_away_stops_its_own_shard_only)
{
	char queues[WORKERS][16];
	struct client client, waiting;
	struct broker broker;

	broker_up(&broker, four_of_each);
	client_open(&client, broker.port);
	client_open(&waiting, broker.port);
	for (uint32_t w = 0; w < WORKERS; w++) {
		queue_in(w, queues[w]);
		client_queue(&client, queues[w], "{}");
	}
	for (uint32_t away = 0; away < WORKERS; away++) {
		char request[96];
		uint64_t epoch;

		broker_signal(&broker, SLOT_WORKER(away), SIGSTOP);
		snprintf(request, sizeof(request), "POST /v1/queues/%s/messages", queues[away]);
		client_request(&waiting, request, NULL, "x", 1);
		for (uint32_t w = 0; w < WORKERS; w++) {
			if (w != away)
				client_publish(&client, queues[w], "x");
		}
		ck_assert_msg(client_try_answer(&waiting, NO_ANSWER_MS) == NULL, "a stopped worker answered");
		epoch = broker_kill(&broker, SLOT_WORKER(away));
		expect_status(client_answer(&waiting), 201);
		broker_wait_live(&broker, SLOT_WORKER(away), epoch);
	}
	for (uint32_t w = 0; w < WORKERS; w++) {
		ck_assert_uint_eq(count_messages(&client, queues[w]), WORKERS);
		ck_assert_uint_eq(broker_role(&broker, SLOT_WORKER(w)).epoch, 2);
		ck_assert_uint_eq(broker_role(&broker, SLOT_FRONT(w)).epoch, 1);
	}
	client_close(&waiting);
	client_close(&client);
	broker_free(&broker);
}
END_TEST

/* --- between two starts --- */

static void
publish_to_each(const struct broker *broker, bool is_new)
{
	struct client client;
	char queue[16];

	client_open(&client, broker->port);
	for (uint32_t w = 0; w < WORKERS; w++) {
		queue_in(w, queue);
		if (is_new)
			client_queue(&client, queue, "{}");
		client_publish(&client, queue, "x");
	}
	client_close(&client);
}

static void
expect_in_each(const struct broker *broker, unsigned count)
{
	struct client client;
	char queue[16];

	client_open(&client, broker->port);
	for (uint32_t w = 0; w < WORKERS; w++) {
		queue_in(w, queue);
		ck_assert_uint_eq(count_messages(&client, queue), count);
	}
	client_close(&client);
}

START_TEST(the_number_of_frontds_may_change_and_the_number_of_workers_may_not)
{
	static const char *const fronts[] = { "server.processes=1", "server.processes=8", "server.processes=2" };
	struct broker broker;
	int status;

	broker_up(&broker, four_of_each);
	publish_to_each(&broker, true);
	for (unsigned i = 0; i < 3; i++) {
		/* Cleanly stopped, or all at once: then the memory does not fit and the journal is read. */
		if (i == 1)
			broker_kill_all(&broker);
		else
			broker_stop(&broker);
		broker.options[0] = fronts[i];
		broker_start(&broker);
		ck_assert_uint_eq(broker_geometry(&broker).fronts, strtoul(strchr(fronts[i], '=') + 1, NULL, 10));
		expect_in_each(&broker, i + 1);
		publish_to_each(&broker, false);
	}
	broker_stop(&broker);
	broker.options[1] = "worker.shards=2";
	ck_assert(!broker_try_start(&broker, &status));
	ck_assert_int_eq(status, EX_CONFIG);
	expect_logged(&broker, "set worker.shards = 4 or auto");
	broker.options[1] = "worker.shards=auto";
	broker_start(&broker);
	expect_logged(&broker, "worker.shards = auto: 4, as ");
	ck_assert_uint_eq(broker_geometry(&broker).workers, WORKERS);
	expect_in_each(&broker, 4);
	broker_free(&broker);
}
END_TEST

START_TEST(auto_does_not_throw_away_what_a_warm_start_can_go_on_with)
{
	static const char *const options[] = { "server.processes=3", "worker.shards=4", NULL };
	struct broker broker;
	struct client client;

	broker_up(&broker, options);
	client_open(&client, broker.port);
	client_queue(&client, "q", "{\"lease\":\"1h\"}");
	client_publish(&client, "q", "x");
	expect_status(client_receive(&client, "q", "{}"), 200);
	client_close(&client);
	broker_kill_all(&broker);
	broker.options[0] = "server.processes=auto";
	broker.options[1] = "worker.shards=auto";
	broker_start(&broker);
	expect_logged(&broker, "server.processes = auto: 3, as the shared memory from before was made for");
	ck_assert_uint_eq(broker_geometry(&broker).fronts, 3);
	/* A lease ends in a cold start after kill -9, and stands in a warm one. */
	client_open(&client, broker.port);
	ck_assert_int_eq(response_number(client_do(&client, "GET /v1/queues/q"), "stats.leased"), 1);
	client_close(&client);
	broker_free(&broker);
}
END_TEST

/* --- where they run --- */

static void
expect_cpus(const struct broker *broker, uint32_t slot, const char *wanted)
{
	char text[64];
	cpu_set_t cpus;

	ck_assert_int_eq(sched_getaffinity(broker_pid(broker, slot), sizeof(cpus), &cpus), 0);
	cpus_format(&cpus, text, sizeof(text));
	ck_assert_str_eq(text, wanted);
}

/* Some CPU that we may use, and all of them as text. */
static int
some_cpu(char all[64])
{
	cpu_set_t cpus;
	int cpu = 0;

	ck_assert_int_eq(sched_getaffinity(0, sizeof(cpus), &cpus), 0);
	cpus_format(&cpus, all, 64);
	while (!CPU_ISSET(cpu, &cpus))
		cpu++;
	return cpu;
}

START_TEST(processes_run_where_they_are_told_and_again_after_a_death)
{
	char placement[80], all[64], cpu[16], output[16384];
	const char *options[] = { "server.processes=2", placement, NULL };
	struct broker broker;

	snprintf(cpu, sizeof(cpu), "%d", some_cpu(all));
	snprintf(placement, sizeof(placement), "server.placement=frontd=%s persistd=%s", cpu, cpu);
	broker_up(&broker, options);
	for (unsigned round = 0; round < 2; round++) {
		expect_cpus(&broker, SLOT_FRONT(0), cpu);
		expect_cpus(&broker, SLOT_FRONT(1), cpu);
		expect_cpus(&broker, SLOT_PERSIST, cpu);
		expect_cpus(&broker, SLOT_WORKER(0), all);
		if (round == 0)
			broker_wait_live(&broker, SLOT_PERSIST, broker_kill(&broker, SLOT_PERSIST));
	}
	ck_assert_int_eq(broker_command(output, sizeof(output), (const char *const[]){ "status", "-i", broker.instance, NULL }), 0);
	ck_assert_msg(strstr(output, "2 frontd, 1 workerd; bound as server.placement says") != NULL, "%s", output);
	broker_free(&broker);
}
END_TEST

START_TEST(a_cpu_that_is_not_there_is_a_warning)
{
	static const char *const options[] = { "server.placement=workerd=1023", NULL };
	struct broker broker;
	struct client client;
	char all[64];

	(void)some_cpu(all);
	broker_up(&broker, options);
	expect_logged(&broker, "cannot bind ");
	expect_logged(&broker, " to CPU 1023: Invalid argument; it runs where the kernel likes");
	expect_cpus(&broker, SLOT_WORKER(0), all);
	client_open(&client, broker.port);
	client_queue(&client, "q", "{}");
	client_publish(&client, "q", "x");
	client_close(&client);
	broker_free(&broker);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("fault/shards");
	TCase *four = tcase_create("four of each");
	TCase *starts = tcase_create("starts");
	TCase *places = tcase_create("places");

	tcase_set_timeout(four, TEST_SECONDS);
	tcase_set_timeout(starts, TEST_SECONDS);
	tcase_set_timeout(places, TEST_SECONDS);
	tcase_add_test(four, queues_spread_over_the_shards_and_a_list_pages_over_all_of_them);
	tcase_add_test(four, every_frontd_reaches_every_queue);
	tcase_add_test(four, a_receipt_of_one_shard_is_stale_in_every_other);
	tcase_add_test(four, long_polls_of_all_frontds_on_one_queue_get_one_message_each);
	tcase_add_test(four, one_worker_that_is_away_stops_its_own_shard_only);
	tcase_add_test(starts, the_number_of_frontds_may_change_and_the_number_of_workers_may_not);
	tcase_add_test(starts, auto_does_not_throw_away_what_a_warm_start_can_go_on_with);
	tcase_add_test(places, processes_run_where_they_are_told_and_again_after_a_death);
	tcase_add_test(places, a_cpu_that_is_not_there_is_a_warning);
	suite_add_tcase(suite, four);
	suite_add_tcase(suite, starts);
	suite_add_tcase(suite, places);
	return suite;
}

UNIT_MAIN(suite)
