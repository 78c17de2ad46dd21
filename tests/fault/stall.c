/*
 * Processes that hang (SIGSTOP) instead of dying: what was promised still holds, new work is refused before it piles up
 * without bound, and all goes on when they do.
 */
#include <signal.h>

#include "tests/harness/client.h"
#include "tests/harness/deadline.h"
#include "tests/harness/trial.h"
#include "tests/harness/unit.h"

static const char *const two_of_each[] = { "server.processes=2", "worker.shards=2", "worker.stream_ring=8MiB", NULL };

enum { TEST_SECONDS = 120, CLIENTS = 24, BODY_BYTES = 512 * 1024 };

START_TEST(while_persistd_hangs_publishes_are_refused_once_the_ring_is_full)
{
	struct client clients[CLIENTS], consumer;
	char *body = malloc(BODY_BYTES);
	unsigned refused = 0, stored = 0;
	struct broker broker;

	ck_assert_ptr_nonnull(body);
	memset(body, 'x', BODY_BYTES);
	broker_up(&broker, two_of_each);
	client_open(&consumer, broker.port);
	client_queue(&consumer, "q", "{}");
	client_publish(&consumer, "q", "before");
	broker_signal(&broker, SLOT_PERSIST, SIGSTOP);

	/* 12 MiB for a ring of 8: some of them have to be told within their patience. */
	for (unsigned i = 0; i < CLIENTS; i++) {
		client_open(&clients[i], broker.port);
		client_request(&clients[i], "POST /v1/queues/q/messages", NULL, body, BODY_BYTES);
	}
	uint64_t deadline_ms = deadline_in(CLIENT_TIMEOUT_MS);
	bool answered[CLIENTS] = { false };
	while (refused == 0) {
		ck_assert_msg(clock_ms() < deadline_ms, "no publish is refused");
		for (unsigned i = 0; i < CLIENTS; i++) {
			struct response *answer = answered[i] ? NULL : client_try_answer(&clients[i], 20);

			if (answer == NULL)
				continue;
			expect_problem(answer, 503, "busy");
			answered[i] = true;
			refused++;
		}
	}
	/* A lease waits for nothing. */
	expect_status(client_receive(&consumer, "q", "{}"), 200);

	broker_signal(&broker, SLOT_PERSIST, SIGCONT);
	for (unsigned i = 0; i < CLIENTS; i++) {
		struct response *answer = answered[i] ? NULL : client_answer(&clients[i]);

		if (answer != NULL && answer->status == 201)
			stored++;
		else if (answer != NULL)
			expect_problem(answer, 503, "busy");
		client_close(&clients[i]);
	}
	ck_assert_uint_ge(stored, 1);
	ck_assert_int_eq(response_number(client_do(&consumer, "GET /v1/queues/q"), "stats.ready"), stored);
	client_publish(&consumer, "q", "after");
	client_close(&consumer);
	free(body);
	broker_free(&broker);
}
END_TEST

START_TEST(no_publish_is_answered_while_persistd_hangs)
{
	struct broker broker;
	struct client client;

	broker_up(&broker, NULL);
	client_open(&client, broker.port);
	client_queue(&client, "q", "{}");
	broker_signal(&broker, SLOT_PERSIST, SIGSTOP);
	client_request(&client, "POST /v1/queues/q/messages", NULL, "x", 1);
	struct response *answer = client_try_answer(&client, 500);
	ck_assert_msg(answer == NULL || answer->status == 503, "status %u before the message was on disk", answer->status);
	broker_signal(&broker, SLOT_PERSIST, SIGCONT);
	if (answer == NULL)
		expect_status(client_answer(&client), 201);
	client_close(&client);
	broker_free(&broker);
}
END_TEST

START_TEST(processes_that_hang_for_a_while_harm_nobody)
{
	static const uint32_t slots[] = { SLOT_WORKER(0), SLOT_WORKER(1), SLOT_FRONT(0), SLOT_FRONT(1), SLOT_PERSIST };
	struct trial_options options = { .broker = two_of_each,
		.load = { .publishers = 8, .consumers = 2, .lease = "10s" } };
	struct trial trial;

	trial_begin(&trial, &options);
	for (unsigned i = 0; i < sizeof(slots) / sizeof(slots[0]); i++) {
		load_run(trial.load, 100);
		broker_signal(&trial.broker, slots[i], SIGSTOP);
		load_run(trial.load, 400);
		broker_signal(&trial.broker, slots[i], SIGCONT);
	}
	load_run(trial.load, 100);
	for (unsigned i = 0; i < sizeof(slots) / sizeof(slots[0]); i++)
		ck_assert_uint_eq(broker_role(&trial.broker, slots[i]).epoch, 1);
	ck_assert_uint_eq(load_counts(trial.load).resets, 0);
	trial_end(&trial);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("fault/stall");
	TCase *tcase = tcase_create("stall");

	tcase_set_timeout(tcase, TEST_SECONDS);
	tcase_add_test(tcase, while_persistd_hangs_publishes_are_refused_once_the_ring_is_full);
	tcase_add_test(tcase, no_publish_is_answered_while_persistd_hangs);
	tcase_add_test(tcase, processes_that_hang_for_a_while_harm_nobody);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
