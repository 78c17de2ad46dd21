#include "tests/unit/people_world.h"

#include "shm/usage.h"

#define TOKEN "mq_0123456789012345678901234567890123456789012"
#define OTHER "mq_abcdefghijabcdefghijabcdefghijabcdefghijabc"

static struct client client;
static struct user_entry alice;
static struct usage elsewhere; /* what worker 0 shows, played by the test */

static void
setup(void)
{
	people_setup();
	alice = people_user(1, "alice", USER_ROLE_USER, NULL);
	people_credential(1, TOKEN, &alice, "*");
	ck_assert_int_eq(usage_attach(&elsewhere, world.instance, SLOT_WORKER(0), world.registry.shared->geometry.shard.users,
	    &world.role.store, REGION_READ_WRITE), 0);
}

static void
teardown(void)
{
	client_close(&client);
	usage_detach(&elsewhere);
	people_teardown();
}

static void
begin(struct user_quotas quotas)
{
	alice.config.quotas = quotas;
	people_show_user(1, &alice);
	world_start();
	client_open(&client, world.port);
}

static void
ask(struct client *from, const char *token, const char *type, const char *body)
{
	client_text(from, "POST /v1/queues/q/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: %s\r\n"
	    "Content-Length: %zu\r\n\r\n%s", token, type, strlen(body), body);
}

/* One that is let in. */
static struct response *
publish(const char *body)
{
	ask(&client, TOKEN, "text/plain", body);
	world_take(OP_PUBLISH);
	world_published(1, 0);
	struct response *answer = client_answer(&client);
	expect_status(answer, 201);
	return answer;
}

static struct response *
publish_refused(void)
{
	ask(&client, TOKEN, "text/plain", "x");
	struct response *answer = client_answer(&client);
	expect_problem(answer, 429, "quota-exceeded");
	return answer;
}

START_TEST(who_has_no_rate_is_told_of_none)
{
	begin((struct user_quotas){ .queues = 5 });
	for (unsigned i = 0; i < 50; i++) {
		struct response *answer = publish("x");

		ck_assert_ptr_null(response_field(answer, "RateLimit"));
		ck_assert_ptr_null(response_field(answer, "RateLimit-Policy"));
	}
}
END_TEST

START_TEST(more_messages_in_a_second_than_allowed_are_refused_and_told_when_to_come_again)
{
	uint64_t begin_ns = now_ns();
	unsigned let_in = 0;

	begin((struct user_quotas){ .messages_per_second = 5 });
	struct response *answer = publish("x");
	ck_assert_str_eq(response_field(answer, "RateLimit-Policy"), "\"messages\";q=5;w=1");
	ck_assert_str_eq(response_field(answer, "RateLimit"), "\"messages\";r=4;t=1");
	for (let_in = 1; let_in < 100; let_in++) {
		ask(&client, TOKEN, "text/plain", "x");
		while ((answer = client_try_answer(&client, 1)) == NULL) {
			struct frame_header header;
			const void *frame;

			if (ring_peek(&world.request, FRAME_BYTES_MAX, &header, &frame) != RING_FRAME)
				continue;
			world_take(OP_PUBLISH);
			world_published(1, 0);
		}
		if (answer->status == 429)
			break;
	}
	/* Five at once, and one more for each 200 ms that went by. */
	uint64_t most = 5 + (now_ns() - begin_ns) * 5 / NS_PER_S + 1;
	ck_assert_uint_ge(let_in, 5);
	ck_assert_uint_le(let_in, most);
	expect_problem(answer, 429, "quota-exceeded");
	ck_assert_str_eq(response_field(answer, "Retry-After"), "1");
	ck_assert_int_le(response_number(answer, "retry_after_ms"), 201);
	ck_assert_int_ge(response_number(answer, "retry_after_ms"), 1);
	ck_assert_ptr_nonnull(strstr(response_text(answer, "detail"), "messages_per_second is 5"));
	ck_assert_ptr_nonnull(strstr(response_field(answer, "RateLimit"), "\"messages\";r=0;t="));
	usleep((useconds_t)response_number(answer, "retry_after_ms") * 1000);
	publish("x");
}
END_TEST

START_TEST(a_batch_costs_what_is_in_it_also_when_it_is_more_than_a_second_holds)
{
	_Alignas(8) char bytes[sizeof(struct publish_reply) + 30 * sizeof(struct published)] = { 0 };
	struct publish_reply *reply = (struct publish_reply *)bytes;
	char body[30 * 16] = "";

	begin((struct user_quotas){ .messages_per_second = 10 });
	for (unsigned i = 0; i < 30; i++)
		strcat(body, "{\"body\":\"x\"}\n");
	ask(&client, TOKEN, "application/x-ndjson", body);
	const struct publish_request *request = world_take(OP_PUBLISH);
	ck_assert_uint_eq(request->count, 30);
	reply->count = 30;
	world_reply(OUTCOME_OK, 0, reply, sizeof(bytes));
	expect_status(client_answer(&client), 200);
	struct response *answer = publish_refused();
	/* 30 messages are three seconds' worth: one second was there, two are owed, and a tenth for the next message. */
	ck_assert_int_gt(response_number(answer, "retry_after_ms"), 1500);
	ck_assert_int_le(response_number(answer, "retry_after_ms"), 2101);
	ck_assert_ptr_nonnull(response_field(answer, "Retry-After"));
}
END_TEST

START_TEST(bytes_are_counted_by_the_body)
{
	static char body[3001];

	begin((struct user_quotas){ .messages_per_second = 1000, .bytes_per_second = 1000 });
	memset(body, 'x', 3000);
	struct response *answer = publish(body);
	ck_assert_str_eq(response_field(answer, "RateLimit-Policy"), "\"messages\";q=1000;w=1, \"bytes\";q=1000;w=1;qu=\"content-bytes\"");
	ck_assert_ptr_nonnull(strstr(response_field(answer, "RateLimit"), ", \"bytes\";r=0;t=3"));
	answer = publish_refused();
	ck_assert_ptr_nonnull(strstr(response_text(answer, "detail"), "bytes_per_second is 1000"));
	ck_assert_int_gt(response_number(answer, "retry_after_ms"), 1500);
}
END_TEST

START_TEST(what_is_refused_costs_nothing_and_a_new_quota_counts_at_once)
{
	begin((struct user_quotas){ .messages_per_second = 1 });
	publish("x");
	for (unsigned i = 0; i < 20; i++)
		ck_assert_int_le(response_number(publish_refused(), "retry_after_ms"), 1001);
	alice.config.quotas.messages_per_second = 0;
	people_show_user(1, &alice);
	for (unsigned i = 0; i < 20; i++)
		publish("x");
}
END_TEST

START_TEST(other_requests_and_other_users_have_no_part_in_it)
{
	struct user_entry bob = people_user(2, "bob", USER_ROLE_USER, NULL);
	static struct client other;

	people_credential(2, OTHER, &bob, "*");
	begin((struct user_quotas){ .messages_per_second = 1 });
	publish("x");
	publish_refused();
	client_text(&client, "GET /v1/queues/q HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", TOKEN);
	world_take(OP_QUEUE_GET);
	world_refuse(OUTCOME_NO_QUEUE);
	expect_status(client_answer(&client), 404);
	client_open(&other, world.port);
	ask(&other, OTHER, "text/plain", "x");
	world_take(OP_PUBLISH);
	world_published(1, 0);
	expect_status(client_answer(&other), 201);
	client_close(&other);
}
END_TEST

/* ---- connections ---- */

/* Ask for a queue: LET_IN, as the worker has none, or what the frontd says. */
enum { LET_IN = 404 };

static unsigned
look(struct client *from, const char *token)
{
	struct frame_header header;
	struct response *answer;
	const void *frame;

	client_text(from, "GET /v1/queues/q HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", token);
	while ((answer = client_try_answer(from, 1)) == NULL) {
		if (ring_peek(&world.request, FRAME_BYTES_MAX, &header, &frame) != RING_FRAME)
			continue;
		world_take(OP_QUEUE_GET);
		world_refuse(OUTCOME_NO_QUEUE);
	}
	return answer->status;
}

START_TEST(one_connection_more_than_allowed_is_refused_and_closed)
{
	struct client more[3];

	begin((struct user_quotas){ .connections = 3 });
	ck_assert_uint_eq(look(&client, TOKEN), LET_IN);
	for (unsigned i = 0; i < 3; i++)
		client_open(&more[i], world.port);
	ck_assert_uint_eq(look(&more[0], TOKEN), LET_IN);
	ck_assert_uint_eq(look(&more[1], TOKEN), LET_IN);
	ck_assert_uint_eq(look(&client, TOKEN), LET_IN); /* its own is counted once */
	ck_assert_uint_eq(look(&more[2], TOKEN), 429);
	expect_problem(&more[2].response, 429, "quota-exceeded");
	ck_assert_ptr_nonnull(strstr(response_text(&more[2].response, "detail"), "connections is 3"));
	client_expect_close(&more[2]);
	client_close(&more[2]);
	client_close(&more[0]);
	uint64_t until_ns = now_ns() + WORLD_TIMEOUT_NS;
	do { /* until the frontd has seen it go */
		ck_assert_uint_lt(now_ns(), until_ns);
		client_close(&more[2]);
		client_open(&more[2], world.port);
	} while (look(&more[2], TOKEN) != LET_IN);
	client_close(&more[1]);
	client_close(&more[2]);
}
END_TEST

START_TEST(connections_with_other_frontds_count_as_well)
{
	begin((struct user_quotas){ .connections = 3 });
	usage_add(&elsewhere, alice.uid, &(struct usage_entry){ .connections = 3 });
	ck_assert_uint_eq(look(&client, TOKEN), 429);
}
END_TEST

START_TEST(a_connection_that_brings_another_user_is_his_from_then_on)
{
	struct user_entry bob = people_user(2, "bob", USER_ROLE_USER, NULL);
	static struct client more;

	people_credential(2, OTHER, &bob, "*");
	begin((struct user_quotas){ .connections = 1 });
	ck_assert_uint_eq(look(&client, TOKEN), LET_IN);
	client_open(&more, world.port);
	ck_assert_uint_eq(look(&more, OTHER), LET_IN);
	ck_assert_uint_eq(look(&client, OTHER), LET_IN);
	ck_assert_uint_eq(look(&more, TOKEN), LET_IN);
	ck_assert_uint_eq(look(&client, TOKEN), 429);
	client_close(&more);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("front_quota");
	TCase *tcase = tcase_create("quota");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, who_has_no_rate_is_told_of_none);
	tcase_add_test(tcase, more_messages_in_a_second_than_allowed_are_refused_and_told_when_to_come_again);
	tcase_add_test(tcase, a_batch_costs_what_is_in_it_also_when_it_is_more_than_a_second_holds);
	tcase_add_test(tcase, bytes_are_counted_by_the_body);
	tcase_add_test(tcase, what_is_refused_costs_nothing_and_a_new_quota_counts_at_once);
	tcase_add_test(tcase, other_requests_and_other_users_have_no_part_in_it);
	tcase_add_test(tcase, one_connection_more_than_allowed_is_refused_and_closed);
	tcase_add_test(tcase, connections_with_other_frontds_count_as_well);
	tcase_add_test(tcase, a_connection_that_brings_another_user_is_his_from_then_on);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
