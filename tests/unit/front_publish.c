#include "frontd/api/publish.h"
#include "tests/unit/front_world.h"

static struct client client;

static void
setup(void)
{
	world_setup();
	world_start();
	client_open(&client, world.port);
}

static void
teardown(void)
{
	client_close(&client);
	world_stop();
}

START_TEST(a_publish_is_answered_201_only_when_its_lsn_is_durable)
{
	client_request(&client, "POST /v1/queues/q/messages", "Content-Type: text/plain\r\n", "hello", 5);
	const struct publish_request *request = world_take(OP_PUBLISH);
	ck_assert_uint_eq(request->queue.name.bytes, 1);
	ck_assert_uint_eq(request->count, 1);
	const struct publish_item *item = (const struct publish_item *)(request + 1);
	ck_assert_uint_eq(item->body_bytes, 5);
	ck_assert_mem_eq((const char *)(item + 1) + item->attributes_bytes, "hello", 5);

	world_published(1, 5000);
	ck_assert_ptr_null(client_try_answer(&client, 50));
	world_durable(4999);
	ck_assert_ptr_null(client_try_answer(&client, 50));
	world_durable(5000);
	struct response *answer = client_answer(&client);
	ck_assert_int_eq(answer->status, 201);
	ck_assert_str_eq(answer->body, "{\"id\":\"01KG9HX7YA0000000004000007\",\"enqueued_at\":\"2026-01-31T08:15:00.042Z\","
	    "\"visible_at\":\"2026-01-31T08:15:00.042Z\"}\n");
}
END_TEST

START_TEST(pipelined_answers_leave_in_the_order_of_their_requests)
{
	client_text(&client, "POST /v1/queues/q/messages HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\na"
	    "GET /livez HTTP/1.1\r\nHost: h\r\n\r\n");
	world_take(OP_PUBLISH);
	ck_assert_ptr_null(client_try_answer(&client, 50));
	world_published(1, 0);
	ck_assert_int_eq(client_answer(&client)->status, 201);
	ck_assert_int_eq(client_answer(&client)->status, 200);
}
END_TEST

START_TEST(not_more_requests_than_the_pipeline_allows_are_taken_at_once)
{
	for (int i = 0; i < 20; i++)
		client_text(&client, "POST /v1/queues/q/messages HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n%c", 'a' + i);
	for (int i = 0; i < 20; i++) {
		const struct publish_request *request = world_take(OP_PUBLISH);
		const struct publish_item *item = (const struct publish_item *)(request + 1);
		ck_assert_int_eq(*((const char *)(item + 1) + item->attributes_bytes), 'a' + i);
		ck_assert_uint_le((world.request.tail - world.request.head) / 152, 8);
		world_published((uint64_t)i, 0);
		ck_assert_int_eq(client_answer(&client)->status, 201);
	}
}
END_TEST

static char large[900000];

START_TEST(a_large_body_arrives_whole)
{
	for (size_t i = 0; i < sizeof(large); i++)
		large[i] = (char)(i * 7 + i / 4096);
	client_request(&client, "POST /v1/queues/q/messages", NULL, large, sizeof(large));
	const struct publish_request *request = world_take(OP_PUBLISH);
	const struct publish_item *item = (const struct publish_item *)(request + 1);
	ck_assert_uint_eq(item->body_bytes, sizeof(large));
	ck_assert_int_eq(memcmp((const char *)(item + 1) + item->attributes_bytes, large, sizeof(large)), 0);
	world_published(1, 0);
	ck_assert_int_eq(client_answer(&client)->status, 201);
}
END_TEST

START_TEST(a_chunked_body_and_the_request_behind_it_are_told_apart)
{
	client_text(&client, "POST /v1/queues/q/messages HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\nGET /livez HTTP/1.1\r\nHost: h\r\n\r\n");
	const struct publish_request *request = world_take(OP_PUBLISH);
	const struct publish_item *item = (const struct publish_item *)(request + 1);
	ck_assert_uint_eq(item->body_bytes, 12);
	ck_assert_mem_eq((const char *)(item + 1) + item->attributes_bytes, "hello, world", 12);
	world_published(1, 0);
	ck_assert_int_eq(client_answer(&client)->status, 201);
	ck_assert_int_eq(client_answer(&client)->status, 200);
}
END_TEST

START_TEST(a_request_that_comes_byte_by_byte_is_understood)
{
	client_drip(&client, "POST /v1/queues/q/messages HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "5\r\nhello\r\n0\r\n\r\n");
	world_take(OP_PUBLISH);
	world_published(1, 0);
	ck_assert_int_eq(client_answer(&client)->status, 201);
}
END_TEST

START_TEST(a_client_that_expects_100_is_told_to_go_on)
{
	client_text(&client, "POST /v1/queues/q/messages HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
	ck_assert_int_eq(client_answer(&client)->status, 100);
	client_text(&client, "hello");
	world_take(OP_PUBLISH);
	world_published(1, 0);
	ck_assert_int_eq(client_answer(&client)->status, 201);
}
END_TEST

START_TEST(a_body_that_is_too_large_is_refused_before_100)
{
	client_text(&client, "POST /v1/queues/q/messages HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n"
	    "Expect: 100-continue\r\n\r\n");
	ck_assert_int_eq(client_answer(&client)->status, 413);
	client_expect_close(&client);
}
END_TEST

START_TEST(a_request_that_finds_no_room_waits_and_is_served_when_there_is)
{
	static struct client others[12];

	for (size_t i = 0; i < 12; i++) { /* 10.8 MB into 8 MiB */
		client_open(&others[i], world.port);
		client_request(&others[i], "POST /v1/queues/q/messages", NULL, large, sizeof(large));
	}
	int served = 0, busy = 0;
	for (size_t i = 0; i < 12; i++) {
		struct response *answer = client_try_answer(&others[i], 100);
		if (answer != NULL) {
			ck_assert_int_eq(answer->status, 503);
			busy++;
		}
	}
	ck_assert_int_ge(busy, 1);
	for (size_t i = 0; i + (size_t)busy < 12; i++) {
		world_take(OP_PUBLISH);
		world_published(i, 0);
		served++;
	}
	ck_assert_int_eq(served + busy, 12);
	for (size_t i = 0; i < 12; i++)
		client_close(&others[i]);
}
END_TEST

START_TEST(nothing_is_lost_when_the_worker_is_away_for_a_while)
{
	world_slot(SLOT_WORKER(0), 1, SLOT_DEAD);
	client_request(&client, "POST /v1/queues/q/messages", NULL, "x", 1);
	ck_assert_ptr_null(client_try_answer(&client, 200));
	world_slot(SLOT_WORKER(0), 2, SLOT_LIVE);
	world_take(OP_PUBLISH);
	world_published(1, 0);
	ck_assert_int_eq(client_answer(&client)->status, 201);
}
END_TEST

START_TEST(publishes_are_refused_while_the_journal_has_failed_and_receives_are_not)
{
	store_release(&world.durable.shared->journal_state, JOURNAL_FAILED);
	struct response *answer = client_ask(&client, "POST /v1/queues/q/messages", NULL, "x");
	ck_assert_int_eq(answer->status, 503);
	ck_assert_ptr_nonnull(strstr(answer->body, "\"code\":\"journal-failed\""));
	ck_assert_ptr_nonnull(strstr(answer->body, "\"retry_after_ms\":1000"));
	ck_assert_int_eq(client_do(&client, "GET /readyz")->status, 503);
	client_request(&client, "POST /v1/queues/q/messages:receive", NULL, NULL, 0);
	world_take(OP_RECEIVE);
	world_refuse(OUTCOME_EMPTY);
	ck_assert_int_eq(client_answer(&client)->status, 204);
}
END_TEST

START_TEST(a_reply_for_a_client_that_has_gone_harms_nobody)
{
	client_request(&client, "POST /v1/queues/q/messages", NULL, "x", 1);
	world_take(OP_PUBLISH);
	client_reset(&client);
	client_open(&client, world.port);
	ck_assert_int_eq(client_do(&client, "GET /livez")->status, 200);
	world_published(1, 6000);
	world_durable(7000);
	ck_assert_int_eq(client_do(&client, "GET /livez")->status, 200);
}
END_TEST

/* Of one message, into text; how many bytes. */
static size_t
compose_answer(bool is_memory, const char *name, const char *request_id, char *text)
{
	static char room[ANSWER_ROOM_BYTES];
	_Alignas(8) char bytes[sizeof(struct publish_reply) + sizeof(struct published)] = { 0 };
	struct publish_reply *reply = (struct publish_reply *)bytes;
	struct api_memo memo = { .name_bytes = (uint8_t)strlen(name), .shard = 3 };
	struct answer answer = { .room = room, .date = HTTP_LITERAL("Sat, 31 Jan 2026 08:15:00 GMT"), .minor_version = 1,
		.keep_alive = true, .is_audited = request_id != NULL, .request_id = request_id };

	memcpy(memo.name, name, memo.name_bytes);
	reply->count = 1;
	reply->is_memory = is_memory;
	reply->published[0] = (struct published){ .seq = 77, .enqueued_ms = 1769847300042, .visible_ms = 1769847999999, .msg_idx = 5 };
	answer_init(&answer);
	ck_assert_int_eq(publish_answer(&memo, &(struct api_reply){ .frame = &reply->reply }, &answer), API_ANSWERED);
	ck_assert_uint_eq(answer.status, is_memory ? 202 : 201);
	memcpy(text, answer_start(&answer), answer_bytes(&answer));
	return answer_bytes(&answer);
}

START_TEST(the_usual_answer_is_the_one_that_is_put_together_field_by_field)
{
	static const char id_line[] = "Mq-Request-Id: r\r\n";
	char name[NAME_MAX_BYTES + 1] = "", usual[ANSWER_ROOM_BYTES], other[ANSWER_ROOM_BYTES];

	memset(name, 'n', NAME_MAX_BYTES);
	for (int i = 0; i < 4; i++) {
		bool is_memory = i % 2 != 0;
		size_t count = compose_answer(is_memory, i < 2 ? "q" : name, NULL, usual);
		size_t other_count = compose_answer(is_memory, i < 2 ? "q" : name, "r", other);
		char *line = memmem(other, other_count, id_line, sizeof(id_line) - 1);

		ck_assert_ptr_nonnull(line);
		other_count -= sizeof(id_line) - 1;
		memmove(line, line + sizeof(id_line) - 1, other_count - (size_t)(line - other));
		ck_assert_uint_eq(count, other_count);
		ck_assert_mem_eq(usual, other, count);
	}
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("front_publish");
	TCase *tcase = tcase_create("front_publish");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, a_publish_is_answered_201_only_when_its_lsn_is_durable);
	tcase_add_test(tcase, pipelined_answers_leave_in_the_order_of_their_requests);
	tcase_add_test(tcase, not_more_requests_than_the_pipeline_allows_are_taken_at_once);
	tcase_add_test(tcase, a_large_body_arrives_whole);
	tcase_add_test(tcase, a_chunked_body_and_the_request_behind_it_are_told_apart);
	tcase_add_test(tcase, a_request_that_comes_byte_by_byte_is_understood);
	tcase_add_test(tcase, a_client_that_expects_100_is_told_to_go_on);
	tcase_add_test(tcase, a_body_that_is_too_large_is_refused_before_100);
	tcase_add_test(tcase, a_request_that_finds_no_room_waits_and_is_served_when_there_is);
	tcase_add_test(tcase, nothing_is_lost_when_the_worker_is_away_for_a_while);
	tcase_add_test(tcase, publishes_are_refused_while_the_journal_has_failed_and_receives_are_not);
	tcase_add_test(tcase, a_reply_for_a_client_that_has_gone_harms_nobody);
	tcase_add_test(tcase, the_usual_answer_is_the_one_that_is_put_together_field_by_field);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
