#include "frontd/http/text.h"
#include "tests/unit/front_world.h"
#include "shm/attributes.h"

static struct client client;

static void
setup(void)
{
	world_setup();
	world_start();
	client_open(&client, world.port);
}

/* A cold start: frontd is there first. */
static void
setup_without_persistd(void)
{
	world_setup();
	world_slot(SLOT_PERSIST, 1, SLOT_STARTING);
	world_start();
	client_open(&client, world.port);
}

static void
teardown(void)
{
	client_close(&client);
	world_stop();
}

START_TEST(a_message_is_delivered_out_of_the_stream_ring)
{
	char attributes[200];
	uint32_t bytes = 0;

	ck_assert(attributes_add(attributes, &bytes, sizeof(attributes), "Content-Type", 12, "text/plain", 10));
	ck_assert(attributes_add(attributes, &bytes, sizeof(attributes), "Mq-Attr-tenant", 14, "a\"b", 3));
	ck_assert(attributes_add(attributes, &bytes, sizeof(attributes), "ce-id", 5, "7", 1));
	struct delivery delivery = world_record(3, attributes, bytes, "say \"hi\"\n", 9);

	client_request(&client, "POST /v1/queues/q/messages:receive", "Content-Type: application/json\r\n",
	    "{\"max\":5,\"lease\":\"1m\",\"wait\":\"2s\"}", 34);
	const struct receive_request *request = world_take(OP_RECEIVE);
	ck_assert_uint_eq(request->max, 5);
	ck_assert_uint_eq(request->lease_ms, 60000);
	ck_assert_uint_eq(request->wait_ms, 2000);
	world_deliver(world_id(), delivery);
	struct response *answer = client_answer(&client);
	expect_status(answer, 200);
	ck_assert_str_eq(response_text(answer, "messages.0.body"), "say \"hi\"\n");
	ck_assert_str_eq(response_text(answer, "messages.0.content_type"), "text/plain");
	ck_assert_str_eq(response_text(answer, "messages.0.attributes.tenant"), "a\"b");
	ck_assert_str_eq(response_text(answer, "messages.0.headers.ce-id"), "7");
	ck_assert_int_eq(response_number(answer, "messages.0.delivery_count"), 1);
}
END_TEST

/* Bodies that are plain for a while: 64 bytes of that are not looked at again. */
START_TEST(what_needs_escapes_behind_a_plain_run_has_them)
{
	char body[256], base64[512];

	for (size_t at = 60; at < 132; at += 4) {
		memset(body, 'x', sizeof(body));
		memcpy(body + at, "\"\\\n\xc3\xa9", 5);
		client_request(&client, "POST /v1/queues/q/messages:receive", NULL, NULL, 0);
		world_take(OP_RECEIVE);
		world_deliver(world_id(), world_record(3, "", 0, body, at + 5));
		const char *text = response_text(client_answer(&client), "messages.0.body");
		ck_assert_uint_eq(strlen(text), at + 5);
		ck_assert_mem_eq(text, body, at + 5);

		body[at] = '\xff';
		client_request(&client, "POST /v1/queues/q/messages:receive", NULL, NULL, 0);
		world_take(OP_RECEIVE);
		world_deliver(world_id(), world_record(3, "", 0, body, at + 5));
		size_t count = text_base64_encode((struct http_slice){ body, at + 5 }, (struct http_span){ base64, sizeof(base64) });
		text = response_text(client_answer(&client), "messages.0.body_base64");
		ck_assert_uint_eq(strlen(text), count);
		ck_assert_mem_eq(text, base64, count);
	}
}
END_TEST

START_TEST(a_body_that_is_not_text_comes_as_base64_and_raw_as_it_was)
{
	struct delivery delivery = world_record(3, "", 0, "\xff\x00\x01", 3);

	client_request(&client, "POST /v1/queues/q/messages:receive", NULL, NULL, 0);
	world_take(OP_RECEIVE);
	world_deliver(world_id(), delivery);
	ck_assert_str_eq(response_text(client_answer(&client), "messages.0.body_base64"), "/wAB");

	client_request(&client, "POST /v1/queues/q/messages:receive", "Accept: application/octet-stream\r\nPrefer: wait=3\r\n", NULL, 0);
	const struct receive_request *request = world_take(OP_RECEIVE);
	ck_assert_uint_eq(request->wait_ms, 3000);
	world_deliver(world_id(), delivery);
	struct response *answer = client_answer(&client);
	expect_status(answer, 200);
	ck_assert_uint_eq(answer->body_bytes, 3);
	ck_assert_mem_eq(answer->body, "\xff\x00\x01", 3);
	ck_assert_str_eq(response_field(answer, "Preference-Applied"), "wait=3");
	ck_assert_str_eq(response_field(answer, "Mq-Delivery-Count"), "1");
	ck_assert_str_eq(response_field(answer, "Content-Type"), "application/octet-stream");
}
END_TEST

/* The record is gone from the ring: what persistd is asked for. */
static struct fetch_request
take_fetch(void)
{
	uint64_t until_ns = now_ns() + WORLD_TIMEOUT_NS;
	struct fetch_request request;
	struct frame_header header;
	const void *frame;

	while (ring_peek(&world.fetch, sizeof(request), &header, &frame) != RING_FRAME) {
		ck_assert_msg(now_ns() < until_ns, "no fetch came");
		usleep(200);
	}
	memcpy(&request, frame, sizeof(request));
	ring_skip(&world.fetch, header.bytes);
	ring_drop(&world.fetch);
	return request;
}

static void
give_fetched(uint64_t id, enum outcome outcome, const void *record, uint32_t record_bytes)
{
	uint32_t bytes = FRAME_ALIGN((uint32_t)sizeof(struct fetch_reply) + record_bytes);
	struct fetch_reply *reply = ring_reserve(&world.body, bytes);

	ck_assert_ptr_nonnull(reply);
	*reply = (struct fetch_reply){ .header = { .bytes = bytes, .op = (uint16_t)outcome, .id = id }, .record_bytes = record_bytes };
	memcpy(reply->bytes, record, record_bytes);
	ring_push(&world.body, bytes);
	ring_post(&world.body);
	world_wake();
}

static char record[256];
static uint32_t record_size;

/* A message whose record has left the ring; its bytes are in `record`. */
static struct delivery
cold_record(void)
{
	struct delivery delivery = world_record(9, "", 0, "from disk", 9);

	record_size = FRAME_ALIGN(RECORD_PUBLISHED_BYTES + 9);
	memcpy(record, stream_at(&world.stream, delivery.lsn), record_size);
	store_release(&world.stream.shared->reserve, delivery.lsn + WORLD_STREAM_BYTES + 8);
	return delivery;
}

/* What a publish would have refused, stored by a frontd that was taken over: it must not become part of our answer. */
START_TEST(attributes_that_no_publish_stores_are_not_delivered)
{
	static const struct {
		const char *name, *value;
	} bad[] = { { "Mq-Attr-x", "1\r\nMq-Receipt: 2" }, { "Content-Type", "text/plain\r\n\r\nbody" }, { "Content-Length", "0" },
		{ "content-type", "text/plain" }, { "Mq-Attr-a b", "1" }, { "Mq-Attr-", "1" }, { "ce-id", "\xff\xfe" },
		{ "Mq-Receipt", "1" }, { "x", "1" } };
	static const char *const accepts[] = { NULL, "Accept: application/octet-stream\r\n" };

	for (unsigned i = 0; i < 2 * (sizeof(bad) / sizeof(bad[0]) + 1); i++) {
		const char *fields = accepts[i % 2];
		char attributes[200] = "\x01\xff\xff";
		uint32_t bytes = 0;

		if (i / 2 < sizeof(bad) / sizeof(bad[0]))
			ck_assert(attributes_add(attributes, &bytes, sizeof(attributes), bad[i / 2].name, strlen(bad[i / 2].name),
			    bad[i / 2].value, strlen(bad[i / 2].value)));
		else
			bytes = 4; /* they do not end where they should */
		struct delivery delivery = world_record(i + 1, attributes, bytes, "body", 4);
		char stored[256];

		record_size = FRAME_ALIGN(RECORD_PUBLISHED_BYTES + bytes + 4);
		memcpy(stored, stream_at(&world.stream, delivery.lsn), record_size);
		client_request(&client, "POST /v1/queues/q/messages:receive", fields, NULL, 0);
		world_take(OP_RECEIVE);
		world_deliver(world_id(), delivery);
		give_fetched(take_fetch().header.id, OUTCOME_OK, stored, record_size);
		expect_problem(client_answer(&client), 500, "message-corrupt");
	}
}
END_TEST

START_TEST(a_body_that_has_left_the_ring_is_fetched_from_persistd)
{
	struct delivery delivery = cold_record();

	client_request(&client, "POST /v1/queues/q/messages:receive", NULL, NULL, 0);
	world_take(OP_RECEIVE);
	world_deliver(world_id(), delivery);
	struct fetch_request request = take_fetch();
	ck_assert_uint_eq(request.lsn, delivery.lsn);
	ck_assert_uint_eq(request.record_bytes, record_size);
	give_fetched(request.header.id, OUTCOME_OK, record, record_size);
	ck_assert_str_eq(response_text(client_answer(&client), "messages.0.body"), "from disk");
}
END_TEST

START_TEST(a_new_persistd_is_asked_again_and_two_answers_are_one)
{
	struct delivery delivery = cold_record();

	client_request(&client, "POST /v1/queues/q/messages:receive", NULL, NULL, 0);
	world_take(OP_RECEIVE);
	world_deliver(world_id(), delivery);
	struct fetch_request first = take_fetch();
	world_slot(SLOT_PERSIST, 2, SLOT_LIVE);
	struct fetch_request second = take_fetch();
	ck_assert_uint_eq(first.header.id, second.header.id);
	give_fetched(first.header.id, OUTCOME_OK, record, record_size);
	give_fetched(first.header.id, OUTCOME_OK, record, record_size);
	ck_assert_str_eq(response_text(client_answer(&client), "messages.0.body"), "from disk");
	ck_assert_int_eq(client_do(&client, "GET /livez")->status, 200);
}
END_TEST

/*
 * A persistd takes requests before the supervisor says that it is live, and longer before a frontd sees that.  One that is killed
 * between took them along, and the frontd never knew of it.
 */
START_TEST(a_persistd_that_died_before_it_was_known_to_live_is_followed_by_one_that_is_asked)
{
	struct delivery delivery = cold_record();

	client_request(&client, "POST /v1/queues/q/messages:receive", NULL, NULL, 0);
	world_take(OP_RECEIVE);
	world_deliver(world_id(), delivery);
	struct fetch_request first = take_fetch();
	world_slot(SLOT_PERSIST, 1, SLOT_DEAD);
	world_slot(SLOT_PERSIST, 2, SLOT_STARTING);
	world_slot(SLOT_PERSIST, 2, SLOT_LIVE);
	struct fetch_request second = take_fetch();
	ck_assert_uint_eq(first.header.id, second.header.id);
	give_fetched(second.header.id, OUTCOME_OK, record, record_size);
	ck_assert_str_eq(response_text(client_answer(&client), "messages.0.body"), "from disk");
}
END_TEST

START_TEST(a_corrupt_copy_in_memory_is_read_from_disk_and_a_corrupt_one_on_disk_is_never_delivered)
{
	struct delivery delivery = cold_record();

	client_request(&client, "POST /v1/queues/q/messages:receive", NULL, NULL, 0);
	world_take(OP_RECEIVE);
	world_deliver(world_id(), delivery);
	record[RECORD_PUBLISHED_BYTES] ^= 1;
	give_fetched(take_fetch().header.id, OUTCOME_OK, record, record_size);
	expect_problem(client_answer(&client), 500, "message-corrupt");

	delivery = world_record(10, "", 0, "hot", 3);
	store_release(&world.stream.shared->reserve, world.stream.shared->tail);
	uint32_t bytes = FRAME_ALIGN(RECORD_PUBLISHED_BYTES + 3);
	char good[128];
	memcpy(good, stream_at(&world.stream, delivery.lsn), bytes);
	*(stream_at(&world.stream, delivery.lsn) + RECORD_PUBLISHED_BYTES) = 'H';
	client_request(&client, "POST /v1/queues/q/messages:receive", NULL, NULL, 0);
	world_take(OP_RECEIVE);
	world_deliver(world_id(), delivery);
	give_fetched(take_fetch().header.id, OUTCOME_OK, good, bytes);
	ck_assert_str_eq(response_text(client_answer(&client), "messages.0.body"), "hot");
}
END_TEST

START_TEST(a_parked_client_that_goes_away_is_cancelled)
{
	client_request(&client, "POST /v1/queues/q/messages:receive", "Prefer: wait=30\r\n", NULL, 0);
	world_take(OP_RECEIVE);
	uint64_t id = world_id();
	uint32_t slot = ((const struct receive_request *)(const void *)world.last)->waiter_slot;
	client_close(&client);
	const struct receive_cancel_request *cancel = world_take(OP_RECEIVE_CANCEL);
	ck_assert_uint_eq(cancel->header.id, id);
	ck_assert_uint_eq(cancel->waiter_slot, slot);
	client_open(&client, world.port);
}
END_TEST

START_TEST(messages_leased_for_a_client_that_has_gone_are_given_back)
{
	struct delivery delivery = world_record(3, "", 0, "x", 1);

	client_request(&client, "POST /v1/queues/q/messages:receive", "Prefer: wait=30\r\n", NULL, 0);
	world_take(OP_RECEIVE);
	uint64_t id = world_id();
	client_reset(&client);
	world_take(OP_RECEIVE_CANCEL);
	world_deliver(id, delivery); /* it was on its way */
	const struct settle_request *request = world_take(OP_NACK);
	ck_assert_uint_eq(request->queue.header.id, 0);
	ck_assert_uint_eq(request->queue.name.bytes, 1);
	ck_assert_int_eq(request->queue.name.text[0], 'q');
	ck_assert_uint_eq(request->mode, NACK_RELEASE);
	ck_assert_uint_eq(request->count, 1);
	ck_assert_uint_eq(((const struct receipt *)(request + 1))->token, delivery.token);
	client_open(&client, world.port);
}
END_TEST

START_TEST(a_worker_that_was_stopped_for_seconds_may_still_have_answered_before_the_cancel)
{
	struct delivery delivery = world_record(3, "", 0, "x", 1);
	uint64_t until_ns = now_ns() + 1500000000;
	struct frame_header header;
	const void *frame;

	client_request(&client, "POST /v1/queues/q/messages:receive", "Prefer: wait=30\r\n", NULL, 0);
	world_take(OP_RECEIVE);
	uint64_t id = world_id();
	client_reset(&client);
	while (ring_peek(&world.request, FRAME_BYTES_MAX, &header, &frame) != RING_FRAME || now_ns() < until_ns)
		usleep(1000); /* the cancel lies there */
	world_take(OP_RECEIVE_CANCEL);
	usleep(300000); /* it is seen as consumed, and the answer is not seen yet */
	world_deliver(id, delivery);
	const struct settle_request *request = world_take(OP_NACK);
	ck_assert_uint_eq(((const struct receipt *)(request + 1))->token, delivery.token);
	client_open(&client, world.port);
}
END_TEST

START_TEST(requests_behind_a_parked_one_wait_for_its_answer)
{
	client_request(&client, "POST /v1/queues/q/messages:receive", "Prefer: wait=30\r\n", NULL, 0);
	world_take(OP_RECEIVE);
	client_text(&client, "GET /livez HTTP/1.1\r\nHost: h\r\n\r\nGET /livez HTTP/1.1\r\nHost: h\r\n\r\n");
	ck_assert_ptr_null(client_try_answer(&client, 50));
	world_refuse(OUTCOME_EMPTY);
	struct response *answer = client_answer(&client);
	ck_assert_int_eq(answer->status, 204);
	ck_assert_str_eq(response_field(answer, "Preference-Applied"), "wait=30");
	ck_assert_int_eq(client_answer(&client)->status, 200);
	ck_assert_int_eq(client_answer(&client)->status, 200);
}
END_TEST

START_TEST(a_stop_answers_parked_clients_204_and_refuses_new_requests)
{
	static struct client idle;

	client_open(&idle, world.port);
	client_request(&idle, "POST /v1/queues/q/messages", NULL, "x", 1);
	world_take(OP_PUBLISH);
	uint64_t publish = world_id();
	client_request(&client, "POST /v1/queues/q/messages:receive", "Prefer: wait=30\r\n", NULL, 0);
	world_take(OP_RECEIVE);
	store_release(&world.registry.shared->is_draining, 1);
	struct response *answer = client_answer(&client);
	ck_assert_int_eq(answer->status, 204);
	ck_assert(answer->is_closing);
	world_take(OP_RECEIVE_CANCEL);
	client_text(&idle, "POST /v1/queues/q/messages HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\na");
	while (load_acquire(&world.role.stats.shared->http_requests) < 3)
		usleep(200);
	world_published_id(publish, 1, 0);
	ck_assert_int_eq(client_answer(&idle)->status, 201);
	expect_problem(client_answer(&idle), 503, "shutting-down");
	client_close(&idle);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("front_receive");
	TCase *tcase = tcase_create("front_receive");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, a_message_is_delivered_out_of_the_stream_ring);
	tcase_add_test(tcase, what_needs_escapes_behind_a_plain_run_has_them);
	tcase_add_test(tcase, a_body_that_is_not_text_comes_as_base64_and_raw_as_it_was);
	tcase_add_test(tcase, attributes_that_no_publish_stores_are_not_delivered);
	tcase_add_test(tcase, a_body_that_has_left_the_ring_is_fetched_from_persistd);
	tcase_add_test(tcase, a_new_persistd_is_asked_again_and_two_answers_are_one);
	tcase_add_test(tcase, a_corrupt_copy_in_memory_is_read_from_disk_and_a_corrupt_one_on_disk_is_never_delivered);
	tcase_add_test(tcase, a_parked_client_that_goes_away_is_cancelled);
	tcase_add_test(tcase, messages_leased_for_a_client_that_has_gone_are_given_back);
	tcase_add_test(tcase, a_worker_that_was_stopped_for_seconds_may_still_have_answered_before_the_cancel);
	tcase_add_test(tcase, requests_behind_a_parked_one_wait_for_its_answer);
	tcase_add_test(tcase, a_stop_answers_parked_clients_204_and_refuses_new_requests);
	suite_add_tcase(suite, tcase);

	TCase *early = tcase_create("before persistd");
	tcase_add_checked_fixture(early, setup_without_persistd, teardown);
	tcase_set_timeout(early, 30);
	tcase_add_test(early, a_persistd_that_died_before_it_was_known_to_live_is_followed_by_one_that_is_asked);
	suite_add_tcase(suite, early);
	return suite;
}

UNIT_MAIN(suite)
