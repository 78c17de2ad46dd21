#include "tests/unit/people_world.h"

#include "frontd/people/auth.h"
#include "frontd/http/text.h"
#include "frontd/tls/names.h"

#define BEARER "Authorization: Bearer "
#define TOKEN "mq_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"
#define SESSION "mqs_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"
#define PUBLISH "POST /v1/queues/q/messages"
#define POLL "POST /v1/queues/q/messages:receive"
#define WAIT_20S "{\"wait\":\"20s\"}"

static struct client client, other;
static struct user_entry alice, root;

static void
setup(void)
{
	people_setup();
	alice = people_user(3, "alice", USER_ROLE_USER, "two llamas");
	root = people_user(4, "root", USER_ROLE_ADMIN, NULL);
	world_start();
	client_open(&client, world.port);
	client_open(&other, world.port);
}

static void
teardown(void)
{
	client_close(&client);
	client_close(&other);
	people_teardown();
}

/* "Authorization: Basic ...\r\n". */
static const char *
basic(const char *user_and_password)
{
	static char field[512];
	size_t used = (size_t)sprintf(field, "Authorization: Basic ");

	used += text_base64_encode(http_slice_of(user_and_password), (struct http_span){ field + used, sizeof(field) - used });
	memcpy(field + used, "\r\n", 3);
	return field;
}

/* A publish to q that comes through: who asks, as the frame says. */
static struct caller
publish(struct client *from, const char *fields)
{
	client_request(from, PUBLISH, fields, "x", 1);
	struct caller caller = ((const struct publish_request *)world_take(OP_PUBLISH))->queue.caller;
	world_published(1, 0);
	expect_status(client_answer(from), 201);
	return caller;
}

static struct response *
refused(struct client *from, const char *fields)
{
	return client_ask(from, PUBLISH, fields, "x");
}

static const char *
detail(struct response *answer)
{
	return response_text(answer, "detail");
}

/* Broker time has come to here. */
static void
await_ms(uint64_t until_ms)
{
	while (people_now_ms() < until_ms)
		usleep(2000);
}

START_TEST(without_credentials_only_the_open_routes_answer)
{
	struct response *answer;

	expect_status(client_do(&client, "GET /livez"), 200);
	expect_status(client_do(&client, "GET /readyz"), 200);
	expect_status(client_do(&client, "OPTIONS *"), 204);
	expect_problem(client_do(&client, "GET /v2/queues"), 404, "not-found");
	expect_problem(client_do(&client, "GET /v1/queues"), 401, "unauthorized");
	expect_problem(client_do(&client, "GET /v1/nothing"), 401, "unauthorized");
	expect_problem(client_do(&client, "DELETE /v1/queues"), 401, "unauthorized");
	expect_problem(client_do(&client, "OPTIONS /v1/queues"), 401, "unauthorized");
	answer = refused(&client, NULL);
	expect_problem(answer, 401, "unauthorized");
	ck_assert_str_eq(response_field(answer, "WWW-Authenticate"), "Bearer realm=\"chasqui\"");
	ck_assert_ptr_nonnull(memmem(answer->head, answer->head_bytes, "Basic realm=\"chasqui\", charset=\"UTF-8\"", 38));
}
END_TEST

START_TEST(a_stranger_gets_no_100_continue_and_no_memory_for_a_body)
{
	struct response *answer;

	client_text(&client, PUBLISH " HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 500000\r\n\r\n");
	answer = client_answer(&client);
	expect_problem(answer, 401, "unauthorized");
	ck_assert(answer->is_closing);
}
END_TEST

START_TEST(a_token_says_who_asks)
{
	(void)people_credential(1, TOKEN, &alice, "*");
	struct caller caller = publish(&client, BEARER TOKEN "\r\n");

	ck_assert_uint_eq(caller.uid, alice.uid);
	ck_assert_uint_eq(caller.flags, 0);
	ck_assert_uint_eq(publish(&client, BEARER TOKEN "\r\n").uid, alice.uid);
	ck_assert_uint_eq(publish(&client, "Authorization: bearer " TOKEN "\r\n").uid, alice.uid);
	(void)people_credential(2, "mq_of_root", &root, "*");
	caller = publish(&client, BEARER "mq_of_root\r\n");
	ck_assert_uint_eq(caller.uid, root.uid);
	ck_assert_uint_eq(caller.flags, CALLER_ADMIN);
	expect_problem(refused(&client, BEARER "mq_of_roo\r\n"), 401, "unauthorized");
	expect_problem(refused(&client, NULL), 401, "unauthorized");
	ck_assert_uint_eq(publish(&client, BEARER TOKEN "\r\n").uid, alice.uid);
}
END_TEST

START_TEST(whoever_may_create_a_queue_is_said_to)
{
	(void)people_credential(1, TOKEN, &alice, "*");
	static const struct {
		const char *request;
		bool may;
	} queues[] = { { "PUT /v1/queues/alice", true }, { "PUT /v1/queues/alice.x", true }, { "PUT /v1/queues/bob", false },
		{ "PUT /v1/queues/alice.x.y", true }, { "PUT /v1/queues/alicex", false } };

	for (size_t i = 0; i < sizeof(queues) / sizeof(queues[0]); i++) {
		client_request(&client, queues[i].request, BEARER TOKEN "\r\nContent-Type: application/json\r\n", "{}", 2);
		const struct queue_request *request = world_take(OP_QUEUE_PUT);
		ck_assert_msg(request->caller.flags == (queues[i].may ? CALLER_MAY_CREATE : 0), "%s", queues[i].request);
		world_refuse(OUTCOME_FORBIDDEN);
		expect_problem(client_answer(&client), 403, "forbidden");
	}
}
END_TEST

START_TEST(scopes_narrow_what_a_token_may)
{
	(void)people_credential(1, TOKEN, &alice, "publish:orders.* consume:q browse:#");
	(void)people_credential(2, "mq_of_root", &root, "publish:q");
	expect_problem(refused(&client, BEARER TOKEN "\r\n"), 403, "forbidden");
	ck_assert_ptr_nonnull(strstr(detail(refused(&client, BEARER TOKEN "\r\n")), "publish:q"));
	client_request(&client, "POST /v1/queues/orders.eu/messages", BEARER TOKEN "\r\n", "x", 1);
	world_take(OP_PUBLISH);
	world_published(1, 0);
	expect_status(client_answer(&client), 201);
	client_request(&client, "GET /v1/queues", BEARER TOKEN "\r\n", NULL, 0);
	world_take(OP_QUEUE_LIST);
	world_refuse(OUTCOME_BUSY);
	expect_problem(client_answer(&client), 503, "busy");
	expect_problem(client_ask(&client, "DELETE /v1/queues/q", BEARER TOKEN "\r\n", NULL), 403, "forbidden");
	expect_problem(client_ask(&client, "GET /v1/stats", BEARER TOKEN "\r\n", NULL), 403, "forbidden");
	/* An admin's token is narrowed as well. */
	ck_assert_uint_eq(publish(&client, BEARER "mq_of_root\r\n").flags, CALLER_ADMIN);
	expect_problem(client_ask(&client, "GET /v1/stats", BEARER "mq_of_root\r\n", NULL), 403, "forbidden");
	expect_problem(client_ask(&client, "GET /v1/queues", BEARER "mq_of_root\r\n", NULL), 403, "forbidden");
	(void)people_credential(3, "mq_admin", &root, "admin");
	expect_status(client_ask(&client, "GET /v1/stats", BEARER "mq_admin\r\n", NULL), 200);
	expect_problem(refused(&client, BEARER "mq_admin\r\n"), 403, "forbidden");
}
END_TEST

START_TEST(an_expired_token_is_told_so)
{
	struct credential_entry credential = people_credential(1, TOKEN, &alice, "*");

	credential.config.expires_ms = people_now_ms() + 300;
	people_show_credential(1, &credential, false);
	(void)publish(&client, BEARER TOKEN "\r\n");
	await_ms(credential.config.expires_ms);
	expect_problem(refused(&other, BEARER TOKEN "\r\n"), 401, "unauthorized");
	ck_assert_str_eq(detail(refused(&other, BEARER TOKEN "\r\n")), "this token has expired");
	client_expect_close(&client);
}
END_TEST

START_TEST(a_revoked_token_ends_polls_and_connections_within_a_second)
{
	struct credential_entry credential = people_credential(1, TOKEN, &alice, "*");
	struct response *answer;

	(void)publish(&other, BEARER TOKEN "\r\n");
	client_request(&client, POLL, BEARER TOKEN "\r\n", WAIT_20S, strlen(WAIT_20S));
	world_take(OP_RECEIVE);
	people_show_credential(CREDENTIAL_SLOT(credential.id), NULL, true);
	answer = client_try_answer(&client, 1000);
	ck_assert_msg(answer != NULL, "the long poll goes on");
	expect_problem(answer, 401, "unauthorized");
	ck_assert(answer->is_closing);
	world_take(OP_RECEIVE_CANCEL);
	client_expect_close(&client);
	client_expect_close(&other);
	client_close(&client);
	client_open(&client, world.port);
	expect_problem(refused(&client, BEARER TOKEN "\r\n"), 401, "unauthorized");
}
END_TEST

START_TEST(a_disabled_user_is_out_and_what_concerns_others_leaves_him_in)
{
	(void)people_credential(1, TOKEN, &alice, "*");
	(void)publish(&client, BEARER TOKEN "\r\n");
	root.config.is_disabled = 1;
	people_show_user(4, &root);
	ck_assert_uint_eq(publish(&client, BEARER TOKEN "\r\n").uid, alice.uid);
	alice.config.is_disabled = 1;
	people_show_user(3, &alice);
	client_expect_close(&client);
	client_close(&client);
	client_open(&client, world.port);
	ck_assert_str_eq(detail(refused(&client, BEARER TOKEN "\r\n")), "the user of these credentials is disabled");
	alice.config.is_disabled = 0;
	people_show_user(3, &alice);
	ck_assert_uint_eq(publish(&client, BEARER TOKEN "\r\n").uid, alice.uid);
}
END_TEST

START_TEST(a_role_that_is_taken_away_is_gone_with_the_next_request)
{
	(void)people_credential(1, TOKEN, &root, "*");
	ck_assert_uint_eq(publish(&client, BEARER TOKEN "\r\n").flags, CALLER_ADMIN);
	root.config.role = USER_ROLE_USER;
	people_show_user(4, &root);
	ck_assert_uint_eq(publish(&client, BEARER TOKEN "\r\n").flags, 0);
}
END_TEST

START_TEST(what_he_may_create_changes_with_the_next_request)
{
	(void)people_credential(1, TOKEN, &alice, "*");
	(void)publish(&client, BEARER TOKEN "\r\n");
	(void)publish(&other, BEARER TOKEN "\r\n");
	memcpy(alice.config.creates, "orders.#", 8);
	memset(alice.config.creates + 8, 0, sizeof(alice.config.creates) - 8);
	alice.config.creates_bytes = 8;
	people_show_user(3, &alice);
	client_request(&client, "PUT /v1/queues/orders", BEARER TOKEN "\r\n", NULL, 0);
	ck_assert_uint_eq(((const struct queue_request *)world_take(OP_QUEUE_PUT))->caller.flags, CALLER_MAY_CREATE);
	world_refuse(OUTCOME_BUSY);
	expect_status(client_answer(&client), 503);
	ck_assert_uint_eq(publish(&other, BEARER TOKEN "\r\n").uid, alice.uid); /* it was not closed */
}
END_TEST

START_TEST(the_use_of_a_token_is_told_once_a_minute)
{
	struct credential_entry credential = people_credential(1, TOKEN, &alice, "*");
	struct frame_header header;
	const void *frame;

	credential.last_used_ms = credential.created_ms;
	people_show_credential(1, &credential, false);
	client_request(&client, PUBLISH, BEARER TOKEN "\r\n", "x", 1);
	ck_assert_uint_eq(((const struct credential_touch_request *)world_take(OP_CREDENTIAL_TOUCH))->id, credential.id);
	world_take(OP_PUBLISH);
	world_published(1, 0);
	expect_status(client_answer(&client), 201);
	for (int i = 0; i < 5; i++)
		(void)publish(i & 1 ? &client : &other, BEARER TOKEN "\r\n");
	ck_assert_int_eq(ring_peek(&world.request, FRAME_BYTES_MAX, &header, &frame), RING_EMPTY);
}
END_TEST

START_TEST(a_session_ends_when_it_is_idle_and_lives_while_it_is_used)
{
	struct credential_entry credential = people_credential(1, SESSION, &alice, "*");

	credential.config.idle_ms = 800;
	credential.last_used_ms = people_now_ms();
	people_show_credential(1, &credential, false);
	/* For longer than it may be idle; worker 0 shows what it is told. */
	for (uint64_t until_ms = people_now_ms() + 1500; people_now_ms() < until_ms; usleep(5000)) {
		client_request(&client, PUBLISH, BEARER SESSION "\r\n", "x", 1);
		uint64_t frame_until_ns = now_ns() + WORLD_TIMEOUT_NS;
		struct frame_header header;
		const void *frame;
		while (ring_peek(&world.request, FRAME_BYTES_MAX, &header, &frame) != RING_FRAME)
			ck_assert(now_ns() < frame_until_ns);
		if (header.op == OP_CREDENTIAL_TOUCH) {
			world_take(OP_CREDENTIAL_TOUCH);
			credential.last_used_ms = people_now_ms();
			people_show_credential(1, &credential, false);
		}
		world_take(OP_PUBLISH);
		world_published(1, 0);
		expect_status(client_answer(&client), 201);
	}
	await_ms(credential.last_used_ms + 801);
	ck_assert_str_eq(detail(refused(&other, BEARER SESSION "\r\n")), "this session was not used for too long");
	client_expect_close(&client);
}
END_TEST

START_TEST(a_password_is_checked_once_and_then_known)
{
	uint64_t since_ns, first_ns, later_ns = UINT64_MAX;

	since_ns = now_ns();
	ck_assert_uint_eq(publish(&client, basic("alice:two llamas")).uid, alice.uid);
	first_ns = now_ns() - since_ns;
	for (int i = 0; i < 20; i++) {
		since_ns = now_ns();
		ck_assert_uint_eq(publish(i & 1 ? &client : &other, basic("alice:two llamas")).uid, alice.uid);
		if (now_ns() - since_ns < later_ns)
			later_ns = now_ns() - since_ns;
	}
	ck_assert_msg(later_ns < first_ns, "%llu ns at first, %llu later", (unsigned long long)first_ns, (unsigned long long)later_ns);
	expect_problem(refused(&client, basic("alice:two llama")), 401, "unauthorized");
	expect_problem(refused(&client, basic("alice:")), 401, "unauthorized");
	expect_problem(refused(&client, basic("nobody:two llamas")), 401, "unauthorized");
	expect_problem(refused(&client, basic("root:two llamas")), 401, "unauthorized");
	ck_assert_str_eq(detail(refused(&client, basic("nobody:x"))), detail(refused(&other, basic("alice:x"))));
}
END_TEST

START_TEST(requests_behind_a_password_wait_and_keep_their_order)
{
	client_text(&client, PUBLISH " HTTP/1.1\r\nHost: h\r\n%sContent-Length: 1\r\n\r\na"
	    "GET /livez HTTP/1.1\r\nHost: h\r\n\r\n"
	    PUBLISH " HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nb", basic("alice:two llamas"));
	world_take(OP_PUBLISH);
	world_published(1, 0);
	expect_status(client_answer(&client), 201);
	expect_status(client_answer(&client), 200);
	expect_problem(client_answer(&client), 401, "unauthorized");
}
END_TEST

START_TEST(a_body_that_comes_slowly_waits_behind_the_password)
{
	static char body[200000];

	memset(body, 'x', sizeof(body));
	client_text(&client, PUBLISH " HTTP/1.1\r\nHost: h\r\n%sContent-Length: %zu\r\n\r\n", basic("alice:two llamas"), sizeof(body));
	client_send(&client, body, sizeof(body));
	const struct publish_request *request = world_take(OP_PUBLISH);
	ck_assert_uint_eq(((const struct publish_item *)(request + 1))->body_bytes, sizeof(body));
	world_published(1, 0);
	expect_status(client_answer(&client), 201);
	client_text(&client, PUBLISH " HTTP/1.1\r\nHost: h\r\n%sContent-Length: %zu\r\n\r\n", basic("alice:wrong"), sizeof(body));
	expect_problem(client_answer(&client), 401, "unauthorized");
}
END_TEST

START_TEST(whoever_brings_the_same_password_at_once_waits_for_the_same_hash)
{
	enum { POOL = 40 };
	static struct client pool[POOL];

	/* More than failures are let: each for itself would be too many. */
	for (int i = 0; i < POOL; i++) {
		client_open(&pool[i], world.port);
		client_request(&pool[i], "GET /v1/queues", basic("alice:two llamas"), NULL, 0);
	}
	for (int i = 0; i < POOL; i++) {
		world_take(OP_QUEUE_LIST);
		world_refuse(OUTCOME_BUSY);
	}
	for (int i = 0; i < POOL; i++) {
		expect_status(client_answer(&pool[i]), 503);
		client_close(&pool[i]);
	}
}
END_TEST

START_TEST(too_many_wrong_passwords_are_429_and_a_token_is_not)
{
	struct response *answer;
	char wrong[64];

	for (int i = 0; i < 10; i++) {
		sprintf(wrong, "alice:wrong %d", i);
		expect_problem(refused(&client, basic(wrong)), 401, "unauthorized");
	}
	answer = refused(&client, basic("alice:wrong again"));
	expect_problem(answer, 429, "too-many-logins");
	ck_assert_int_ge(atoi(response_field(answer, "Retry-After")), 25);
	ck_assert_int_le(atoi(response_field(answer, "Retry-After")), 31);
	expect_problem(refused(&client, basic("alice:two llamas")), 429, "too-many-logins");
	(void)people_credential(1, TOKEN, &alice, "*");
	ck_assert_uint_eq(publish(&client, BEARER TOKEN "\r\n").uid, alice.uid);
	expect_problem(refused(&client, basic("bob:x")), 401, "unauthorized");
}
END_TEST

START_TEST(a_new_password_ends_what_the_old_one_opened)
{
	struct user_entry with_new;

	client_request(&client, POLL, basic("alice:two llamas"), WAIT_20S, strlen(WAIT_20S));
	world_take(OP_RECEIVE);
	with_new = people_user(5, "spare", USER_ROLE_USER, "three llamas");
	alice.config.password_bytes = with_new.config.password_bytes;
	memcpy(alice.config.password, with_new.config.password, sizeof(alice.config.password));
	alice.password_etag = alice.etag = ++people.number;
	people_show_user(3, &alice);
	struct response *answer = client_try_answer(&client, 1000);
	ck_assert_msg(answer != NULL, "the long poll goes on");
	expect_problem(answer, 401, "unauthorized");
	expect_problem(refused(&other, basic("alice:two llamas")), 401, "unauthorized");
	world_take(OP_RECEIVE_CANCEL);
	ck_assert_uint_eq(publish(&other, basic("alice:three llamas")).uid, alice.uid);
}
END_TEST

START_TEST(while_the_directory_is_written_requests_wait)
{
	(void)people_credential(1, TOKEN, &alice, "*");
	directory_begin(&people.directory);
	client_request(&client, PUBLISH, BEARER TOKEN "\r\n", "x", 1);
	ck_assert_ptr_null(client_try_answer(&client, 10));
	directory_end(&people.directory, ++people.number, true);
	world_take(OP_PUBLISH);
	world_published(1, 0);
	expect_status(client_answer(&client), 201);
}
END_TEST

START_TEST(while_worker_0_is_away_in_the_middle_of_it_they_wait_longer)
{
	(void)people_credential(1, TOKEN, &alice, "*");
	directory_begin(&people.directory);
	world_slot(SLOT_WORKER(0), 1, SLOT_DEAD);
	world_wake();
	usleep(300000); /* longer than a request waits for room: only what follows decides */
	client_request(&client, PUBLISH, BEARER TOKEN "\r\n", "x", 1);
	ck_assert_ptr_null(client_try_answer(&client, 300));
	world_slot(SLOT_WORKER(0), 2, SLOT_LIVE);
	directory_end(&people.directory, ++people.number, true);
	world_take(OP_PUBLISH);
	world_published(1, 0);
	expect_status(client_answer(&client), 201);
}
END_TEST

START_TEST(a_client_that_goes_while_its_password_is_checked_is_forgotten)
{
	for (int i = 0; i < 30; i++) {
		char wrong[64];

		sprintf(wrong, "nobody%d:x", i);
		client_request(&client, PUBLISH, basic(wrong), "x", 1);
		client_reset(&client);
		client_open(&client, world.port);
	}
	ck_assert_uint_eq(publish(&client, basic("alice:two llamas")).uid, alice.uid);
}
END_TEST

START_TEST(malformed_credentials_are_401)
{
	static const char *const fields[] = { "Authorization:\r\n", "Authorization: Bearer\r\n", "Authorization: Bearer x y\r\n",
		"Authorization: Basic !\r\n", "Authorization: Basic YQ==\r\n", "Authorization: Digest x\r\n", "Authorization: x\r\n" };

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		expect_problem(refused(&client, fields[i]), 401, "unauthorized");
	expect_status(refused(&client, "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n"), 400);
}
END_TEST

START_TEST(a_certificate_names_one_user_or_none)
{
	struct tls_name names[] = { { TLS_NAME_EMAIL, "a@example.org" }, { TLS_NAME_DNS, "alice" }, { TLS_NAME_URI, "alice" },
		{ TLS_NAME_DNS, "carol" } };

	ck_assert_ptr_null(auth_map_certificate(NULL, 0).ptr);
	ck_assert_ptr_null(auth_map_certificate(names, 1).ptr);
	ck_assert(http_slice_is(auth_map_certificate(names, 2), "alice"));
	ck_assert(http_slice_is(auth_map_certificate(names, 3), "alice"));
	ck_assert_ptr_null(auth_map_certificate(names, 4).ptr);
	ck_assert(http_slice_is(auth_map_certificate(&names[3], 1), "carol"));
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("front_auth");
	TCase *tcase = tcase_create("auth");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, without_credentials_only_the_open_routes_answer);
	tcase_add_test(tcase, a_stranger_gets_no_100_continue_and_no_memory_for_a_body);
	tcase_add_test(tcase, a_token_says_who_asks);
	tcase_add_test(tcase, whoever_may_create_a_queue_is_said_to);
	tcase_add_test(tcase, scopes_narrow_what_a_token_may);
	tcase_add_test(tcase, an_expired_token_is_told_so);
	tcase_add_test(tcase, a_revoked_token_ends_polls_and_connections_within_a_second);
	tcase_add_test(tcase, a_disabled_user_is_out_and_what_concerns_others_leaves_him_in);
	tcase_add_test(tcase, a_role_that_is_taken_away_is_gone_with_the_next_request);
	tcase_add_test(tcase, what_he_may_create_changes_with_the_next_request);
	tcase_add_test(tcase, the_use_of_a_token_is_told_once_a_minute);
	tcase_add_test(tcase, a_session_ends_when_it_is_idle_and_lives_while_it_is_used);
	tcase_add_test(tcase, a_password_is_checked_once_and_then_known);
	tcase_add_test(tcase, requests_behind_a_password_wait_and_keep_their_order);
	tcase_add_test(tcase, a_body_that_comes_slowly_waits_behind_the_password);
	tcase_add_test(tcase, whoever_brings_the_same_password_at_once_waits_for_the_same_hash);
	tcase_add_test(tcase, too_many_wrong_passwords_are_429_and_a_token_is_not);
	tcase_add_test(tcase, a_new_password_ends_what_the_old_one_opened);
	tcase_add_test(tcase, while_the_directory_is_written_requests_wait);
	tcase_add_test(tcase, while_worker_0_is_away_in_the_middle_of_it_they_wait_longer);
	tcase_add_test(tcase, a_client_that_goes_while_its_password_is_checked_is_forgotten);
	tcase_add_test(tcase, malformed_credentials_are_401);
	tcase_add_test(tcase, a_certificate_names_one_user_or_none);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
