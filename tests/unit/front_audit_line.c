#include "frontd/api/audit_line.h"

#include <jansson.h>
#include <string.h>

#include "frontd/api/routes.h"
#include "tests/harness/unit.h"

static struct http_request request;
static struct http_target target;
static struct api_world world = { .shard_count = 1, .body_bytes_max = 1u << 20 };
static struct api_call call;
static char scratch[HTTP_TARGET_MAX];
static struct audit_note note;

/* The note of a request with this head line. */
static void
ask(const char *line)
{
	static char head[HTTP_TARGET_MAX + 100];
	size_t scan_from = 0;

	snprintf(head, sizeof(head), "%s HTTP/1.1\r\nHost: h\r\n\r\n", line);
	ck_assert_int_eq(http_parse_head(head, strlen(head), &scan_from, &request), HTTP_DONE);
	ck_assert_int_eq(http_target_parse(request.origin_form, (struct http_span){ scratch, sizeof(scratch) }, &target), HTTP_DONE);
	call = (struct api_call){ .request = &request, .target = &target, .world = &world, .principal = &principal_anybody };
	routes_resolve(&call);
	(void)routes_admit(&call); /* one that is refused is noted as well */
	audit_note_take(&note, &call);
}

static struct audit_line
plain_line(void)
{
	return (struct audit_line){ .time_ms = 1769847300042, .request = "abc.0.1", .from = "10.0.0.7:1031", .method = HTTP_PUT,
		.pattern = "/v1/queues/{q}", .object = HTTP_LITERAL("orders"), .status = 201, .code = "ok" };
}

START_TEST(a_line_is_one_json_object_and_ends_in_a_line_end)
{
	static const char wanted[] = "{\"time\":\"2026-01-31T08:15:00.042Z\",\"request\":\"abc.0.1\",\"user\":\"alice\",\"credential\":\"000000000002D\","
	    "\"from\":\"10.0.0.7:1031\",\"verb\":\"PUT /v1/queues/{q}\",\"object\":\"orders\",\"status\":201,\"code\":\"ok\"}\n";
	struct audit_line line = plain_line();
	char text[AUDIT_LINE_BYTES_MAX];

	line.user = HTTP_LITERAL("alice");
	line.credential = 77;
	size_t bytes = audit_line_format(&line, text);
	ck_assert_uint_eq(bytes, sizeof(wanted) - 1);
	ck_assert_mem_eq(text, wanted, bytes);
}
END_TEST

START_TEST(what_is_not_known_is_null)
{
	struct audit_line line = plain_line();
	char text[AUDIT_LINE_BYTES_MAX];

	line.from = "";
	line.pattern = NULL;
	line.object.len = 0;
	text[audit_line_format(&line, text) - 1] = '\0';
	ck_assert_ptr_nonnull(strstr(text, "\"user\":null,\"credential\":null,\"from\":null,\"verb\":\"PUT -\",\"object\":null,"));
}
END_TEST

START_TEST(the_longest_line_has_room_and_stays_json)
{
	static char object[AUDIT_OBJECT_BYTES], user[NAME_MAX_BYTES];
	struct audit_line line = plain_line();
	char text[AUDIT_LINE_BYTES_MAX];

	memset(object, 1, sizeof(object)); /* six bytes each when escaped */
	memset(user, 2, sizeof(user));
	line.object = (struct http_slice){ object, sizeof(object) };
	line.user = (struct http_slice){ user, sizeof(user) };
	line.credential = line.status = UINT32_MAX;
	line.pattern = "/v1/queues/{q}/leases/{receipt}/and/as/much/again/as/any/route/has/today";
	size_t bytes = audit_line_format(&line, text);
	json_t *json = json_loadb(text, bytes, 0, NULL);
	ck_assert_ptr_nonnull(json);
	ck_assert_uint_eq(json_string_length(json_object_get(json, "object")), sizeof(object));
	json_decref(json);
	ck_assert_uint_lt(bytes, AUDIT_LINE_BYTES_MAX);
}
END_TEST

START_TEST(text_that_is_none_is_left_out)
{
	struct audit_line line = plain_line();
	char text[AUDIT_LINE_BYTES_MAX];

	line.user = (struct http_slice){ "\xff\xfe", 2 };
	text[audit_line_format(&line, text) - 1] = '\0';
	ck_assert_ptr_nonnull(strstr(text, "\"user\":null"));
}
END_TEST

START_TEST(the_object_is_what_stands_in_the_path_where_the_route_has_a_wildcard)
{
	ask("PUT /v1/queues/orders?x=secret");
	ck_assert_int_eq(note.method, HTTP_PUT);
	ck_assert_str_eq(note.pattern, "/v1/queues/{q}");
	ck_assert_uint_eq(note.object_bytes, 6);
	ck_assert_mem_eq(note.object, "orders", 6);
	ask("DELETE /v1/queues/orders/leases/0001");
	ck_assert_mem_eq(note.object, "orders/0001", note.object_bytes);
	ck_assert_uint_eq(note.object_bytes, 11);
	ask("GET /v1/queues");
	ck_assert_uint_eq(note.object_bytes, 0);
	ask("GET /no/such/thing");
	ck_assert_ptr_null(note.pattern);
	ck_assert_uint_eq(note.object_bytes, 0);
}
END_TEST

START_TEST(a_long_object_is_cut_between_characters)
{
	char line[800] = "PUT /v1/queues/";

	for (unsigned i = 0; i < 100; i++)
		strcat(line, "%C3%A4x"); /* three bytes when decoded, the cut falls behind a first one */
	ask(line);
	ck_assert_uint_le(note.object_bytes, AUDIT_OBJECT_BYTES);
	ck_assert_uint_ge(note.object_bytes, AUDIT_OBJECT_BYTES - 1);
	ck_assert(((unsigned char)note.object[note.object_bytes - 1] & 0xc0) != 0xc0);
}
END_TEST

START_TEST(a_secret_where_an_id_belongs_is_not_written_down)
{
	ask("DELETE /v1/queues/mq_0123456789012345678901234567890123456789012");
	ck_assert_uint_eq(note.object_bytes, 8);
	ck_assert_mem_eq(note.object, "(secret)", 8);
}
END_TEST

START_TEST(what_changes_queues_is_an_admin_action_and_messages_are_not)
{
	static const struct {
		const char *line;
		bool is_admin;
	} rows[] = {
		{ "PUT /v1/queues/q", true }, { "PATCH /v1/queues/q", true }, { "DELETE /v1/queues/q", true },
		{ "POST /v1/queues/q:purge", true }, { "GET /v1/queues/q", false }, { "GET /v1/queues", false },
		{ "HEAD /v1/queues/q", false }, { "OPTIONS /v1/queues/q", false }, { "POST /v1/queues/q/messages", false },
		{ "POST /v1/queues/q/messages:receive", false }, { "DELETE /v1/queues/q/leases/r", false },
		{ "POST /v1/queues/q/leases:ack", false }, { "GET /v1/stats", false }, { "GET /livez", false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ask(rows[i].line);
		ck_assert_ptr_nonnull(call.memo.route);
		ck_assert_msg(audit_is_admin(call.memo.route) == rows[i].is_admin, "%s", rows[i].line);
	}
	ask("GET /livez");
	ck_assert(audit_is_probe(call.memo.route));
	ask("GET /v1/stats");
	ck_assert(!audit_is_probe(call.memo.route));
}
END_TEST

START_TEST(refused_credentials_are_failures_and_full_queues_are_not)
{
	for (unsigned i = 0; i < OUTCOME_COUNT; i++) {
		const struct outcome_text *text = outcome_text(i);
		bool wanted = i == OUTCOME_UNAUTHORIZED || i == OUTCOME_FORBIDDEN || i == OUTCOME_TOO_MANY_LOGINS;

		ck_assert_msg(audit_is_failure(text->status, text->slug) == wanted, "%s", text->slug);
	}
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("front_audit_line");
	TCase *tcase = tcase_create("audit_line");

	tcase_add_test(tcase, a_line_is_one_json_object_and_ends_in_a_line_end);
	tcase_add_test(tcase, what_is_not_known_is_null);
	tcase_add_test(tcase, the_longest_line_has_room_and_stays_json);
	tcase_add_test(tcase, text_that_is_none_is_left_out);
	tcase_add_test(tcase, the_object_is_what_stands_in_the_path_where_the_route_has_a_wildcard);
	tcase_add_test(tcase, a_long_object_is_cut_between_characters);
	tcase_add_test(tcase, a_secret_where_an_id_belongs_is_not_written_down);
	tcase_add_test(tcase, what_changes_queues_is_an_admin_action_and_messages_are_not);
	tcase_add_test(tcase, refused_credentials_are_failures_and_full_queues_are_not);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
