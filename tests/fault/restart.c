/*
 * Everything killed at once, and started again: warm, with the shared memory that was left, and cold, without it.
 */
#include <signal.h>

#include "shm/atomic.h"
#include "shm/stats.h"
#include "tests/harness/client.h"
#include "tests/harness/deadline.h"
#include "tests/harness/trial.h"
#include "tests/harness/unit.h"

static const char *const two_of_each[] = { "server.processes=2", "worker.shards=2", NULL };

enum { TEST_SECONDS = 120, COLD_MESSAGES = 20000 };

START_TEST(all_killed_at_once_come_back_warm)
{
	struct trial_options options = { .broker = two_of_each, .load = { .publishers = 16, .consumers = 4 } };
	struct trial trial;

	trial_begin(&trial, &options);
	for (unsigned round = 0; round < 3; round++) {
		load_run(trial.load, 200);
		broker_kill_all(&trial.broker);
		trial_restart(&trial);
	}
	load_run(trial.load, 200);
	trial_end(&trial);
}
END_TEST

START_TEST(all_killed_at_once_come_back_cold)
{
	struct trial_options options = { .broker = two_of_each, .load = { .publishers = 16, .consumers = 4 } };
	struct trial trial;

	trial_begin(&trial, &options);
	for (unsigned round = 0; round < 3; round++) {
		load_run(trial.load, 200);
		broker_kill_all(&trial.broker);
		broker_wipe(&trial.broker);
		trial_restart(&trial);
	}
	load_run(trial.load, 200);
	trial_end(&trial);
}
END_TEST

START_TEST(a_backlog_is_all_there_and_in_order_after_a_cold_start)
{
	struct trial_options options = { .broker = two_of_each,
		.oracle = { .messages_max = COLD_MESSAGES, .body_bytes_min = 1024, .body_bytes_max = 1024, .is_fifo = true },
		.load = { .publishers = 4, .consumers = 1, .batch = 50, .receive_max = 100, .lease = "60s" } };
	struct trial trial;

	trial_begin(&trial, &options);
	ck_assert(load_publish_only(trial.load, 60000));
	ck_assert_uint_eq(oracle_counts(trial.oracle).acknowledged, COLD_MESSAGES);
	broker_kill_all(&trial.broker);
	broker_wipe(&trial.broker);
	trial_restart(&trial);
	trial_end(&trial);
}
END_TEST

START_TEST(warm_leases_and_delays_stand_and_memory_queues_too)
{
	char receipt[80];
	struct response *answer;
	struct broker broker;
	struct client client;

	broker_up(&broker, NULL);
	client_open(&client, broker.port);
	client_queue(&client, "disk", "{}");
	client_queue(&client, "memory", "{\"durability\":\"memory\"}");
	client_publish(&client, "disk", "leased");
	expect_status(client_ask(&client, "POST /v1/queues/disk/messages", "Mq-Delay: 1h\r\n", "late"), 201);
	client_publish(&client, "memory", "in memory only");
	answer = client_receive(&client, "disk", "{\"lease\":\"1h\"}");
	snprintf(receipt, sizeof(receipt), "%s", response_text(answer, "messages.0.receipt"));
	client_close(&client);
	broker_kill_all(&broker);
	broker_start(&broker);
	client_open(&client, broker.port);
	answer = client_receive(&client, "memory", "{}");
	expect_status(answer, 200);
	ck_assert_str_eq(response_text(answer, "messages.0.body"), "in memory only");
	answer = client_do(&client, "GET /v1/queues/disk");
	ck_assert_int_eq(response_number(answer, "stats.leased"), 1);
	ck_assert_int_eq(response_number(answer, "stats.delayed"), 1);
	expect_status(client_do(&client, "DELETE /v1/queues/disk/leases/%s", receipt), 204);
	client_close(&client);
	broker_free(&broker);
}
END_TEST

START_TEST(a_cold_start_ends_leases_and_keeps_counts_and_configuration)
{
	char receipt[80];
	struct response *answer;
	struct broker broker;
	struct client client;

	broker_up(&broker, NULL);
	client_open(&client, broker.port);
	client_queue(&client, "q", "{\"lease\":\"1h\",\"max_deliveries\":7,\"backoff\":{\"max\":\"0s\"}}");
	client_publish(&client, "q", "first");
	client_publish(&client, "q", "second");
	for (unsigned i = 0; i < 2; i++) {
		answer = client_receive(&client, "q", "{}");
		snprintf(receipt, sizeof(receipt), "%s", response_text(answer, "messages.0.receipt"));
		expect_status(client_json(&client, "{\"mode\":\"fail\"}", "POST /v1/queues/q/leases/%s:nack", receipt), 204);
	}
	answer = client_receive(&client, "q", "{}");
	expect_status(answer, 200);
	ck_assert_int_eq(response_number(answer, "messages.0.delivery_count"), 3);
	snprintf(receipt, sizeof(receipt), "%s", response_text(answer, "messages.0.receipt"));
	/* A lease is not waited for by the receive that gives it; this is, and comes behind it. */
	client_publish(&client, "q", "third");
	client_close(&client);
	broker_kill_all(&broker);
	broker_wipe(&broker);
	broker_start(&broker);
	client_open(&client, broker.port);
	expect_problem(client_do(&client, "DELETE /v1/queues/q/leases/%s", receipt), 410, "lease-expired");
	answer = client_do(&client, "GET /v1/queues/q");
	ck_assert_int_eq(response_number(answer, "max_deliveries"), 7);
	ck_assert_int_eq(response_number(answer, "stats.leased"), 0);
	ck_assert_int_eq(response_number(answer, "stats.published"), 3);
	answer = client_receive(&client, "q", "{\"max\":3,\"wait\":\"20s\"}");
	ck_assert_str_eq(response_text(answer, "messages.0.body"), "first");
	ck_assert_int_ge(response_number(answer, "messages.0.delivery_count"), 3);
	client_close(&client);
	broker_free(&broker);
}
END_TEST

START_TEST(time_goes_on_when_the_clock_is_behind_the_journal)
{
	struct response *answer;
	struct registry registry;
	struct broker broker;
	struct client client;

	broker_up(&broker, NULL);
	/* This boot has a wrong date; the next one's is right, or the other way round. */
	ck_assert_int_eq(registry_attach(&registry, broker.instance, NULL, REGION_READ_WRITE), 0);
	registry.shared->clock_offset_ns += 86400ll * 1000000000;
	registry_detach(&registry);
	client_open(&client, broker.port);
	client_queue(&client, "q", "{\"lease\":\"300ms\"}");
	client_publish(&client, "q", "of tomorrow");
	client_close(&client);
	broker_kill_all(&broker);
	broker_wipe(&broker);
	broker_start(&broker);
	client_open(&client, broker.port);
	expect_status(client_ask(&client, "POST /v1/queues/q/messages", "Mq-Delay: 100ms\r\n", "late"), 201);
	answer = client_receive(&client, "q", "{}");
	ck_assert_str_eq(response_text(answer, "messages.0.body"), "of tomorrow");
	answer = client_receive(&client, "q", "{\"wait\":\"10s\",\"lease\":\"1h\"}");
	expect_status(answer, 200);
	ck_assert_str_eq(response_text(answer, "messages.0.body"), "late");
	answer = client_receive(&client, "q", "{\"wait\":\"10s\"}");
	ck_assert_str_eq(response_text(answer, "messages.0.body"), "of tomorrow");
	ck_assert_int_eq(response_number(answer, "messages.0.delivery_count"), 2);
	/* A worker that comes back keeps the time it had. */
	uint64_t epoch = broker_kill(&broker, SLOT_WORKER(0));
	broker_wait_live(&broker, SLOT_WORKER(0), epoch);
	expect_status(client_receive(&client, "q", "{\"wait\":\"100ms\"}"), 204);
	client_close(&client);
	broker_free(&broker);
}
END_TEST

START_TEST(a_frontd_that_was_given_up_and_does_not_see_it_is_ended)
{
	struct region_identity store;
	struct registry registry;
	struct broker broker;
	struct client client;
	struct stats stats;

	broker_up(&broker, NULL);
	struct broker_role role = broker_role(&broker, SLOT_FRONT(0));
	ck_assert_int_eq(registry_attach(&registry, broker.instance, NULL, REGION_READ_ONLY), 0);
	store = registry_identity(&registry);
	ck_assert_int_eq(stats_attach(&stats, broker.instance, SLOT_WORKER(0), &store, REGION_READ_WRITE), 0);
	broker_signal(&broker, SLOT_FRONT(0), SIGSTOP);
	store_release(&stats.shared->closed_epoch[0], role.epoch); /* as its worker does when it posts nonsense */
	broker_wait_live(&broker, SLOT_FRONT(0), role.epoch);
	broker_wait_log(&broker, "was given up by workerd.0");
	client_open(&client, broker.port);
	client_queue(&client, "q", "{}");
	client_close(&client);
	stats_detach(&stats);
	registry_detach(&registry);
	broker_free(&broker);
}
END_TEST

START_TEST(the_death_of_the_supervisor_ends_all_and_a_new_one_starts_warm)
{
	struct trial_options options = { .broker = two_of_each, .load = { .publishers = 8, .consumers = 2 } };
	struct trial trial;
	pid_t front;

	trial_begin(&trial, &options);
	load_run(trial.load, 200);
	front = broker_pid(&trial.broker, SLOT_FRONT(0));
	broker_kill_supervisor(&trial.broker);
	uint64_t deadline_ms = deadline_in(BROKER_STOP_MS);
	while (kill(front, 0) == 0)
		ck_assert_msg(deadline_pause(deadline_ms), "frontd lives on without its supervisor");
	trial_restart(&trial);
	load_run(trial.load, 200);
	trial_end(&trial);
}
END_TEST

START_TEST(a_kill_during_the_cold_start_is_only_a_cold_start_more)
{
	struct trial_options options = { .broker = two_of_each,
		.oracle = { .messages_max = COLD_MESSAGES, .body_bytes_min = 256, .body_bytes_max = 256 },
		.load = { .publishers = 4, .consumers = 1, .batch = 100, .receive_max = 100, .lease = "60s" } };
	struct trial trial;

	trial_begin(&trial, &options);
	ck_assert(load_publish_only(trial.load, 60000));
	broker_kill_all(&trial.broker);
	for (unsigned round = 0; round < 4; round++) {
		broker_wipe(&trial.broker);
		broker_launch(&trial.broker);
		uint64_t until_ms = deadline_in(20 + round * 30);
		while (deadline_pause(until_ms))
			;
		broker_kill_group(&trial.broker);
	}
	broker_wipe(&trial.broker);
	trial_restart(&trial);
	trial_end(&trial);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("fault/restart");
	TCase *tcase = tcase_create("restart");

	tcase_set_timeout(tcase, TEST_SECONDS);
	tcase_add_test(tcase, all_killed_at_once_come_back_warm);
	tcase_add_test(tcase, all_killed_at_once_come_back_cold);
	tcase_add_test(tcase, a_backlog_is_all_there_and_in_order_after_a_cold_start);
	tcase_add_test(tcase, warm_leases_and_delays_stand_and_memory_queues_too);
	tcase_add_test(tcase, a_cold_start_ends_leases_and_keeps_counts_and_configuration);
	tcase_add_test(tcase, time_goes_on_when_the_clock_is_behind_the_journal);
	tcase_add_test(tcase, a_frontd_that_was_given_up_and_does_not_see_it_is_ended);
	tcase_add_test(tcase, the_death_of_the_supervisor_ends_all_and_a_new_one_starts_warm);
	tcase_add_test(tcase, a_kill_during_the_cold_start_is_only_a_cold_start_more);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
