#include <ctype.h>
#include <stdlib.h>

#include "frontd/api/routes.h"
#include "tests/unit/front_world.h"

/* ---- what is found means what the parser says ---- */

static struct frontd *frontd;
static struct conn conn;

static void
setup_alone(void)
{
	frontd = calloc(1, sizeof(*frontd));
	ck_assert_ptr_nonnull(frontd);
	ck_assert_int_eq(heads_open(frontd), 0);
	frontd->world.body_bytes_max = 8u << 20;
	frontd->shard_count = frontd->world.shard_count = 1;
	conn = (struct conn){ .fd = -1 };
}

static void
teardown_alone(void)
{
	heads_close(frontd);
	free(frontd);
}

/* Parsed, resolved and shown to heads_learn() until that must have taken it. */
static void
learn(const char *head)
{
	struct api_call *call = &frontd->call;
	size_t scan_from = 0;

	frontd->request = &frontd->parsed;
	enum http_result result = http_parse_head(head, strlen(head), &scan_from, frontd->request);
	ck_assert_int_eq(result, HTTP_DONE);
	result = http_target_parse(frontd->request->origin_form,
	    (struct http_span){ frontd->target_scratch, sizeof(frontd->target_scratch) },
	    &frontd->target);
	ck_assert_int_eq(result, HTTP_DONE);
	*call = (struct api_call){ .request = frontd->request, .target = &frontd->target,
		.world = &frontd->world, .principal = &principal_anybody };
	routes_resolve(call);
	ck_assert(routes_admit(call));
	for (int i = 0; i < 100; i++)
		heads_learn(frontd, &conn, head);
}

static void
same_slice(struct http_slice found, struct http_slice parsed)
{
	ck_assert_int_eq(found.ptr == NULL, parsed.ptr == NULL);
	ck_assert_uint_eq(found.len, parsed.len);
	if (parsed.len != 0)
		ck_assert_mem_eq(found.ptr, parsed.ptr, parsed.len);
}

/*
 * Found: then the parser says the same of it, but for the text of the length.  Returns whether it
 * was found.
 */
static bool
check(const char *bytes, size_t count)
{
	static struct http_request parsed;
	size_t scan_from = 0;
	struct head *head = heads_find(frontd, &conn, bytes, count);

	if (head == NULL)
		return false;
	const struct http_request *found = &head->request;
	ck_assert_int_eq(http_parse_head(bytes, count, &scan_from, &parsed), HTTP_DONE);
	ck_assert_int_eq(found->method, parsed.method);
	ck_assert_uint_eq(found->minor_version, parsed.minor_version);
	ck_assert_uint_eq(found->head_bytes, parsed.head_bytes);
	ck_assert_uint_eq(found->content_length, parsed.content_length);
	ck_assert_int_eq(found->has_body, parsed.has_body);
	ck_assert_int_eq(found->keep_alive, parsed.keep_alive);
	ck_assert_int_eq(found->is_chunked, parsed.is_chunked);
	ck_assert_int_eq(found->expect_continue, parsed.expect_continue);
	same_slice(found->origin_form, parsed.origin_form);
	ck_assert_uint_eq(found->field_count, parsed.field_count);
	for (size_t i = 0; i < parsed.field_count; i++) {
		same_slice(found->fields[i].name, parsed.fields[i].name);
		if (parsed.fields[i].known != HTTP_CONTENT_LENGTH)
			same_slice(found->fields[i].value, parsed.fields[i].value);
	}
	return true;
}

#define PUBLISH(queue) "POST /v1/queues/" queue "/messages HTTP/1.1\r\nHost: h\r\n"

static const char *const kept[] = {
	PUBLISH("orders") "Content-Type: text/plain\r\nContent-Length: 12\r\nMq-Attr-a: b\r\n\r\n",
	PUBLISH("orders") "Content-Length: 12\r\n\r\n",
	"\r\nPOST /v1/queues/o%72ders/messages HTTP/1.1\r\ncontent-length:7\r\n"
	"Authorization: Bearer abcdefghijklmnop\r\nHost: h\r\n\r\n",
	"POST /v1/queues/orders/messages:receive HTTP/1.1\r\nHost: h\r\n\r\n",
	"POST http://h/v1/queues/orders/messages HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n"
	"Content-Length: 100\r\n\r\n",
};

START_TEST(every_head_one_byte_away_is_read_as_the_parser_reads_it)
{
	const char *head = kept[_i];
	size_t count = strlen(head);
	char bytes[HEAD_BYTES_MAX + 64];
	unsigned found = 0;

	learn(head);
	ck_assert(check(head, count));
	for (size_t at = 0; at < count; at++) {
		ck_assert(!check(head, at)); /* cut off */
		for (int value = 0; value < 256; value++) {
			memcpy(bytes, head, count);
			bytes[at] = (char)value; /* another */
			found += check(bytes, count);
			memcpy(bytes + at + 1, head + at, count - at); /* one more */
			found += check(bytes, count + 1);
		}
		memcpy(bytes, head, at);
		memcpy(bytes + at, head + at + 1, count - at - 1); /* one less */
		found += check(bytes, count - 1);
	}
	ck_assert_uint_gt(found, 0); /* itself at least, and other lengths */
}
END_TEST

START_TEST(a_length_is_any_number_the_parser_takes_and_no_other)
{
	static const char *const lengths[] = { "0", "1", "10", "999999999", "1000000000",
		"99999999999999999999", "00", "012", "", "-1", "+1", "1 ", " 1", "0x1", "1,1" };
	char bytes[HEAD_BYTES_MAX];

	learn(kept[0]);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		int count = snprintf(bytes, sizeof(bytes), PUBLISH("orders") "Content-Type: "
		    "text/plain\r\nContent-Length: %s\r\nMq-Attr-a: b\r\n\r\n", lengths[i]);
		bool is_found = check(bytes, (size_t)count);

		ck_assert_msg(is_found == (i < 4), "\"%s\" %s", lengths[i],
		    is_found ? "was found" : "was not found");
	}
}
END_TEST

START_TEST(what_is_secret_dated_or_about_the_body_is_not_kept)
{
	static const char *const heads[] = {
		PUBLISH("q") "Authorization: Basic YTpi\r\nContent-Length: 1\r\n\r\n",
		PUBLISH("q") "Content-Digest: sha-256=:AA==:\r\nContent-Length: 1\r\n\r\n",
		PUBLISH("q") "Mq-Not-Before: 2026-01-31T08:15:00Z\r\nContent-Length: 1\r\n\r\n",
		PUBLISH("q") "Expect: 100-continue\r\nContent-Length: 1\r\n\r\n",
		PUBLISH("q") "Transfer-Encoding: chunked\r\n\r\n",
		"GET /v1/queues/q HTTP/1.1\r\nHost: h\r\n\r\n",
		"DELETE /v1/queues/q/leases/000000000008000000002 HTTP/1.1\r\nHost: h\r\n\r\n",
	};

	learn(heads[_i]);
	ck_assert_ptr_null(heads_find(frontd, &conn, heads[_i], strlen(heads[_i])));
}
END_TEST

START_TEST(a_change_of_the_configuration_forgets_all)
{
	learn(kept[0]);
	ck_assert(check(kept[0], strlen(kept[0])));
	heads_forget(frontd);
	ck_assert(!check(kept[0], strlen(kept[0])));
}
END_TEST

START_TEST(more_heads_than_there_is_room_for_push_out_the_oldest)
{
	char head[HEAD_BYTES_MAX];

	for (unsigned i = 0; i < 3 * HEADS_MAX; i++) {
		snprintf(head, sizeof(head), PUBLISH("q%u") "Content-Length: 1\r\n\r\n", i);
		learn(head);
		ck_assert(check(head, strlen(head)));
	}
	struct conn other = { .fd = -1 };
	/* Of another connection: the one found last. */
	ck_assert_ptr_nonnull(heads_find(frontd, &other, head, strlen(head)));
	snprintf(head, sizeof(head), PUBLISH("q0") "Content-Length: 1\r\n\r\n");
	for (unsigned i = 0; i < HEADS_MAX; i++) {
		other.head = (uint8_t)i;
		ck_assert_ptr_null(heads_find(frontd, &other, head, strlen(head)));
	}
}
END_TEST

/* ---- served ---- */

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

/* Publish this, and see it in the frame as it would be without any heads before. */
static void
publish(const char *fields, const char *body, const char *attributes, size_t attributes_bytes)
{
	client_text(&client, PUBLISH("q") "%sContent-Length: %zu\r\n\r\n", fields, strlen(body));
	for (size_t at = 0; at < strlen(body); at += 10000)
		client_text(&client, "%.10000s", body + at);
	const struct publish_request *request = world_take(OP_PUBLISH);
	const struct publish_item *item = (const struct publish_item *)(request + 1);

	ck_assert_uint_eq(request->count, 1);
	ck_assert_uint_eq(request->queue.name.bytes, 1);
	bool is_late = strstr(fields, "Mq-Delay") != NULL;
	ck_assert_uint_eq(item->delay_ms, is_late ? 30000 : DELAY_DEFAULT);
	ck_assert_uint_eq(item->attributes_bytes, attributes_bytes);
	ck_assert_uint_eq(item->body_bytes, strlen(body));
	ck_assert_mem_eq(item + 1, attributes, attributes_bytes);
	ck_assert_mem_eq((const char *)(item + 1) + attributes_bytes, body, strlen(body));
	world_published(1, 0);
	ck_assert_int_eq(client_answer(&client)->status, 201);
}

START_TEST(each_publish_has_its_own_body_and_the_attributes_of_its_head)
{
	static const char plain[] = "\014\012\0Content-Typetext/plain";
	static const char plane[] = "\014\012\0Content-Typetext/plane";
	static char long_body[70000]; /* more than a receive buffer: its head is looked at twice */

	memset(long_body, 'l', sizeof(long_body) - 1);
	for (int i = 0; i < 3; i++) {
		publish("", "one", "", 0);
		publish("Content-Type: text/plain\r\n", "second", plain, 25);
		publish("Content-Type: text/plain\r\n", "a third one", plain, 25);
		publish("Content-Type: text/plane\r\n", "fourth", plane, 25);
		publish("Mq-Delay: 30s\r\n", "late", "", 0);
		publish("Content-Type: text/plain\r\n", "", plain, 25);
		publish("Content-Type: text/plain\r\n", long_body, plain, 25);
	}
}
END_TEST

START_TEST(a_body_that_is_too_large_is_refused_whatever_came_before)
{
	publish("", "one", "", 0);
	publish("", "two", "", 0);
	client_text(&client, PUBLISH("q") "Content-Length: 88888888\r\n\r\n");
	ck_assert_int_eq(client_answer(&client)->status, 413);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("front_heads");
	TCase *alone = tcase_create("alone"), *served = tcase_create("served");

	tcase_add_checked_fixture(alone, setup_alone, teardown_alone);
	tcase_set_timeout(alone, 30);
	tcase_add_loop_test(alone, every_head_one_byte_away_is_read_as_the_parser_reads_it, 0,
	    sizeof(kept) / sizeof(kept[0]));
	tcase_add_test(alone, a_length_is_any_number_the_parser_takes_and_no_other);
	tcase_add_loop_test(alone, what_is_secret_dated_or_about_the_body_is_not_kept, 0, 7);
	tcase_add_test(alone, a_change_of_the_configuration_forgets_all);
	tcase_add_test(alone, more_heads_than_there_is_room_for_push_out_the_oldest);
	suite_add_tcase(suite, alone);
	tcase_add_checked_fixture(served, setup, teardown);
	tcase_set_timeout(served, 30);
	tcase_add_test(served, each_publish_has_its_own_body_and_the_attributes_of_its_head);
	tcase_add_test(served, a_body_that_is_too_large_is_refused_whatever_came_before);
	suite_add_tcase(suite, served);
	return suite;
}

UNIT_MAIN(suite)
