/*
 * Every place where a client can write a number, with every number that has ever surprised a program: what is in bounds is
 * taken and shown again as it is, everything else is a 4xx; never a 5xx, never another number.  `inputs` names them all: a
 * new one belongs into it.
 */
#include <ctype.h>
#include <stdio.h>

#include "frontd/http/units.h"
#include "tests/harness/session.h"
#include "tests/harness/unit.h"

static struct client *const client = &session.client;

static const char *const values[] = { "0", "1", "2", "10", "100", "101", "1000", "1001", "65535", "65536", "-1", "-0", "+1", "1e3",
	"1E400", "1.5", "1.0", ".5", "1.", "2147483647", "2147483648", "4294967295", "4294967296", "4294967297",
	"9223372036854775807", "9223372036854775808", "18446744073709551615", "18446744073709551616", "18446744073709551617",
	"-2147483649", "-9223372036854775808", "-9223372036854775809", "1234567890123456789012345678901234567890",
	"0000000000000000001", "00000000000000000001", "007", "0x10", "0b1", "0o7", " 1", "1 ", "1 1", "", "1_000", "1,000", "1;", "'1'",
	"NaN", "Infinity", "-Infinity", "true", "[]", "{}", "\"1\"", "\xef\xbc\x91", "\xd9\xa1", "1\xc2\xa0", "%31", "1%00" };

enum notation {
	JSON_WHOLE,     /* a JSON number without fraction and exponent */
	JSON_SIZE,      /* the same, or a text of digits and perhaps a unit */
	JSON_FRACTION,  /* a JSON number from 0 to 1 */
	DIGITS,         /* 1 to 19 digits */
	PORT,           /* 1 to 5 digits */
	ANYTHING        /* a number means nothing special there: any answer but a 5xx */
};

struct input {
	const char *name;
	enum notation notation;
	uint64_t min, max;      /* of the number as written */
	unsigned status;        /* of the answer, when it is in bounds */
	const char *request;    /* each of the three may hold one %s for the number */
	const char *fields;
	const char *body;
	const char *shown;      /* a member of the answer that shows it; NULL: none */
	uint64_t factor;        /* ... of the unit that stands behind it: 0 or the milliseconds of a duration */
};

#define YEARS_S (3653ull * 24 * 3600)
#define PUT_QUEUE "PUT /v1/queues/numbers"
#define JSON_TYPE "Content-Type: application/json\r\n"
static const char receive[] = "POST /v1/queues/full/messages:receive";
#define STALE "000000000000000000000"

static const struct input inputs[] = {
	{ "lease", DIGITS, 0, 12 * 3600, 200, PUT_QUEUE, JSON_TYPE, "{\"lease\":\"%ss\"}", "lease", 1000 },
	{ "lease in days", DIGITS, 0, 0, 200, PUT_QUEUE, JSON_TYPE, "{\"lease\":\"%sd\"}", "lease", 86400000 },
	{ "lease in ms", DIGITS, 0, 12 * 3600 * 1000, 200, PUT_QUEUE, JSON_TYPE, "{\"lease\":\"%sms\"}", "lease", 1 },
	{ "delay", DIGITS, 0, YEARS_S, 200, PUT_QUEUE, JSON_TYPE, "{\"delay\":\"%ss\"}", "delay", 1000 },
	{ "max_deliveries", JSON_WHOLE, 1, 1000000, 200, PUT_QUEUE, JSON_TYPE, "{\"max_deliveries\":%s}", "max_deliveries", 0 },
	{ "max_messages", JSON_WHOLE, 1, INT64_MAX, 200, PUT_QUEUE, JSON_TYPE, "{\"max_messages\":%s}", "max_messages", 0 },
	{ "max_bytes", JSON_SIZE, 1, INT64_MAX, 200, PUT_QUEUE, JSON_TYPE, "{\"max_bytes\":%s}", "max_bytes", 0 },
	{ "max_bytes as text", DIGITS, 1, INT64_MAX, 200, PUT_QUEUE, JSON_TYPE, "{\"max_bytes\":\"%s\"}", "max_bytes", 0 },
	{ "max_bytes in TiB", DIGITS, 1, INT64_MAX >> 40, 200, PUT_QUEUE, JSON_TYPE, "{\"max_bytes\":\"%sTiB\"}", NULL, 0 },
	{ "max_message_bytes", JSON_SIZE, 1, 1 << 20, 200, PUT_QUEUE, JSON_TYPE, "{\"max_message_bytes\":%s}", "max_message_bytes", 0 },
	{ "max_in_flight", JSON_WHOLE, 1, UINT32_MAX, 200, PUT_QUEUE, JSON_TYPE, "{\"max_in_flight\":%s}", "max_in_flight", 0 },
	{ "backoff.min", DIGITS, 0, 600, 200, PUT_QUEUE, JSON_TYPE, "{\"backoff\":{\"min\":\"%ss\"}}", "backoff.min", 1000 },
	{ "backoff.max", DIGITS, 0, YEARS_S, 200, PUT_QUEUE, JSON_TYPE, "{\"backoff\":{\"max\":\"%ss\"}}", "backoff.max", 1000 },
	{ "backoff.jitter", JSON_FRACTION, 0, 1, 200, PUT_QUEUE, JSON_TYPE, "{\"backoff\":{\"jitter\":%s}}", NULL, 0 },
	{ "patched lease", DIGITS, 0, 12 * 3600, 200, "PATCH /v1/queues/numbers", JSON_TYPE, "{\"lease\":\"%ss\"}", "lease", 1000 },
	{ "patched max_in_flight", JSON_WHOLE, 1, UINT32_MAX, 200, "PATCH /v1/queues/numbers", JSON_TYPE, "{\"max_in_flight\":%s}",
	    "max_in_flight", 0 },
	{ "If-Match", ANYTHING, 0, 0, 412, "PATCH /v1/queues/numbers", JSON_TYPE "If-Match: %s\r\n", "{}", NULL, 0 },
	{ "If-Match, quoted", ANYTHING, 0, 0, 412, "PATCH /v1/queues/numbers", JSON_TYPE "If-Match: \"%s\"\r\n", "{}", NULL, 0 },
	{ "If-None-Match", ANYTHING, 0, 0, 200, "GET /v1/queues/numbers", "If-None-Match: W/\"%s\"\r\n", NULL, NULL, 0 },
	{ "Mq-Delay", DIGITS, 0, YEARS_S, 201, "POST /v1/queues/sink/messages", "Mq-Delay: %ss\r\n", "x", NULL, 0 },
	{ "Mq-Not-Before, year", ANYTHING, 0, 0, 201, "POST /v1/queues/sink/messages", "Mq-Not-Before: %s-01-31T08:15:00Z\r\n", "x", NULL, 0 },
	{ "Mq-Not-Before, fraction", ANYTHING, 0, 0, 201, "POST /v1/queues/sink/messages", "Mq-Not-Before: 2026-01-31T08:15:00.%sZ\r\n", "x",
	    NULL, 0 },
	{ "Mq-Not-Before, offset", ANYTHING, 0, 0, 201, "POST /v1/queues/sink/messages", "Mq-Not-Before: 1970-01-01T00:00:00+%s\r\n", "x",
	    NULL, 0 },
	{ "delay in a batch", DIGITS, 0, YEARS_S, 200, "POST /v1/queues/sink/messages", "Content-Type: application/x-ndjson\r\n",
	    "{\"body\":\"x\",\"delay\":\"%ss\"}\n", NULL, 0 },
	{ "not_before in a batch", ANYTHING, 0, 0, 200, "POST /v1/queues/sink/messages", "Content-Type: application/x-ndjson\r\n",
	    "{\"body\":\"x\",\"not_before\":\"%s-01-31T08:15:00Z\"}\n", NULL, 0 },
	{ "a message that is a number", ANYTHING, 0, 0, 200, "POST /v1/queues/sink/messages",
	    "Content-Type: application/vnd.mq.batch+json\r\n", "{\"messages\":[%s]}", NULL, 0 },
	{ "max", JSON_WHOLE, 1, 100, 200, receive, JSON_TYPE, "{\"lease\":\"0s\",\"max\":%s}", NULL, 0 },
	{ "lease of a receive", DIGITS, 0, 0, 200, receive, JSON_TYPE, "{\"lease\":\"%sd\"}", NULL, 0 },
	{ "wait", DIGITS, 0, 60, 200, receive, JSON_TYPE, "{\"lease\":\"0s\",\"wait\":\"%ss\"}", NULL, 0 },
	{ "Prefer: wait", ANYTHING, 0, 0, 200, receive, JSON_TYPE "Prefer: wait=%s\r\n", "{\"lease\":\"0s\"}", NULL, 0 },
	{ "Accept: q", ANYTHING, 0, 0, 200, receive, JSON_TYPE "Accept: application/json;q=%s\r\n", "{\"lease\":\"0s\"}", NULL, 0 },
	{ "receipt", ANYTHING, 0, 0, 410, "DELETE /v1/queues/numbers/leases/%s", NULL, NULL, NULL, 0 },
	{ "receipt in a list", ANYTHING, 0, 0, 200, "POST /v1/queues/numbers/leases:ack", JSON_TYPE, "{\"receipts\":[%s]}", NULL, 0 },
	{ "lease of an extension", DIGITS, 0, 12 * 3600, 410, "PATCH /v1/queues/numbers/leases/" STALE, JSON_TYPE, "{\"lease\":\"%ss\"}", NULL, 0 },
	{ "delay of a nack", DIGITS, 0, YEARS_S, 410, "POST /v1/queues/numbers/leases/" STALE ":nack", JSON_TYPE, "{\"delay\":\"%ss\"}", NULL, 0 },
	{ "lease of extensions", DIGITS, 0, 12 * 3600, 200, "POST /v1/queues/numbers/leases:extend", JSON_TYPE,
	    "{\"receipts\":[\"" STALE "\"],\"lease\":\"%ss\"}", NULL, 0 },
	{ "delay of nacks", DIGITS, 0, YEARS_S, 200, "POST /v1/queues/numbers/leases:nack", JSON_TYPE,
	    "{\"receipts\":[\"" STALE "\"],\"delay\":\"%ss\"}", NULL, 0 },
	{ "limit", DIGITS, 1, 1000, 200, "GET /v1/queues?limit=%s", NULL, NULL, NULL, 0 },
	{ "cursor", ANYTHING, 0, 0, 200, "GET /v1/queues?cursor=%s", NULL, NULL, NULL, 0 },
	{ "cursor of full length", ANYTHING, 0, 0, 200, "GET /v1/queues?cursor=ZZZZZZZZZZZZ%s", NULL, NULL, NULL, 0 },
	{ "older_than", DIGITS, 0, INT64_MAX / 1000, 200, "POST /v1/queues/numbers:purge", JSON_TYPE, "{\"older_than\":\"%ss\"}", NULL, 0 },
	{ "older_than in ms", DIGITS, 0, INT64_MAX, 200, "POST /v1/queues/numbers:purge", JSON_TYPE, "{\"older_than\":\"%sms\"}", NULL, 0 },
	{ "Mq-Attr", ANYTHING, 0, 0, 201, "POST /v1/queues/sink/messages", "Mq-Attr-%s: 1\r\n", "x", NULL, 0 },
};

/* Decimal digits alone, without overflow; false: no such number. */
static bool
whole(const char *text, size_t digits_max, uint64_t *number)
{
	size_t len = strspn(text, "0123456789");

	if (len == 0 || len > digits_max || text[len] != '\0')
		return false;
	*number = strtoull(text, NULL, 10);
	while (*text == '0' && len > 1) {
		text++;
		len--;
	}
	return len < 19 || (len == 19 && strcmp(text, "9223372036854775807") <= 0);
}

/* Does the number, as written, have to be taken? */
static bool
is_valid(const struct input *input, const char *text, uint64_t *number)
{
	bool is_number = false;

	switch (input->notation) {
	case JSON_SIZE:
	case JSON_WHOLE:
		is_number = strcmp(text, "-0") == 0 ? (*number = 0, true) : (text[0] != '0' || text[1] == '\0') && whole(text, 19, number);
		/* Blanks belong to JSON. */
		if (strcmp(text, " 1") == 0 || strcmp(text, "1 ") == 0)
			is_number = (*number = 1, true);
		if (input->notation == JSON_SIZE && strcmp(text, "\"1\"") == 0)
			is_number = (*number = 1, true);
		break;
	case JSON_FRACTION:
		return strcmp(text, "0") == 0 || strcmp(text, "-0") == 0 || strcmp(text, "1") == 0 || strcmp(text, "1.0") == 0 ||
		    strcmp(text, " 1") == 0 || strcmp(text, "1 ") == 0;
	case DIGITS:
		/* Blanks before the value of a header field are none of it. */
		is_number = whole(text[0] == ' ' && input->fields != NULL && strstr(input->fields, "%s") != NULL ? text + 1 : text, 19,
		    number);
		/* In a query it is decoded first. */
		if (strstr(input->request, "?limit") != NULL && strcmp(text, "%31") == 0)
			is_number = (*number = 1, true);
		break;
	case PORT:
		is_number = whole(text, 5, number);
		break;
	case ANYTHING:
		break;
	}
	return is_number && *number >= input->min && *number <= input->max;
}

/* Into a request line: what may not stand there is escaped, but '%' is left to mean something. */
static void
escape(const char *text, char out[256])
{
	for (; *text != '\0'; text++)
		out += isgraph((unsigned char)*text) && *text != '#' && *text != '/' ? sprintf(out, "%c", *text) :
		    sprintf(out, "%%%02x", (unsigned char)*text);
	*out = '\0';
}

/* Into a JSON text inside quotes. */
static const char *
quoted(const char *text, bool is_in_quotes)
{
	return is_in_quotes && strchr(text, '"') != NULL ? "\\\"1\\\"" : text;
}

static void
fill(char *out, size_t room, const char *format, const char *text)
{
	const char *place = strstr(format, "%s");

	if (place == NULL)
		snprintf(out, room, "%s", format);
	else
		snprintf(out, room, "%.*s%s%s", (int)(place - format), format, text, place + 2);
}

static void
expect_shown(const struct input *input, struct response *answer, const char *text, uint64_t number)
{
	uint64_t shown;

	if (input->shown == NULL)
		return;
	if (input->factor == 0) {
		shown = (uint64_t)response_number(answer, input->shown);
	} else {
		const char *duration = response_text(answer, input->shown);

		ck_assert(duration_parse(http_slice_of(duration), &shown));
		number *= input->factor;
	}
	ck_assert_msg(shown == number, "%s = %s is shown as %llu", input->name, text, (unsigned long long)shown);
}

static void
try_value(const struct input *input, const char *text)
{
	char request[256], fields[512], body[512], escaped[256];
	bool is_in_quotes = input->body != NULL && strstr(input->body, "\"%s") != NULL;
	uint64_t number = 0;
	bool is_wanted = is_valid(input, text, &number);

	escape(text, escaped);
	fill(request, sizeof(request), input->request, escaped);
	fill(fields, sizeof(fields), input->fields != NULL ? input->fields : "", text);
	fill(body, sizeof(body), input->body != NULL ? input->body : "", quoted(text, is_in_quotes));
	struct response *answer = client_ask(client, request, fields, input->body != NULL ? body : NULL);
	if (input->notation == ANYTHING) {
		ck_assert_msg(answer->status >= 200 && answer->status < 500, "%s = %s: status %u: %s", input->name,
		    text, answer->status, answer->body);
		return;
	}
	if (!is_wanted) {
		ck_assert_msg(answer->status >= 400 && answer->status < 500 && answer->status != input->status,
		    "%s = '%s' should be refused: status %u: %s", input->name, text, answer->status, answer->body);
		return;
	}
	bool is_empty = input->request == receive && answer->status == 204; /* the message is on its way back */
	ck_assert_msg(is_empty || answer->status == input->status, "%s = %s: status %u instead of %u: %s", input->name, text, answer->status,
	    input->status, answer->body);
	expect_shown(input, answer, text, number);
}

START_TEST(a_number_is_taken_as_it_is_or_refused)
{
	client_queue(client, "numbers", "{}");
	client_queue(client, "sink", "{}");
	client_queue(client, "full", "{\"max_deliveries\":1000000}");
	client_publish(client, "full", "x");
	for (unsigned i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++)
		for (unsigned v = 0; v < sizeof(values) / sizeof(values[0]); v++)
			try_value(&inputs[i], values[v]);
	ck_assert_uint_eq(broker_role(&session.broker, SLOT_FRONT(0)).epoch, 1);
	ck_assert_uint_eq(broker_role(&session.broker, SLOT_WORKER(0)).epoch, 1);
}
END_TEST

/* A publish whose head ends with this text, and so many bytes behind it. */
static unsigned
publish_status(const char *head, const char *text, const char *tail, uint64_t body_bytes)
{
	char *body = calloc(1, body_bytes + 1);
	struct client other;

	ck_assert_ptr_nonnull(body);
	client_open(&other, session.broker.port);
	client_text(&other, "POST /v1/queues/lengths/messages HTTP/1.1\r\n%s%s%s", head, text, tail);
	client_send(&other, body, body_bytes);
	if (strstr(head, "chunked") != NULL)
		client_text(&other, body_bytes != 0 ? "\r\n0\r\n\r\n" : "\r\n");
	unsigned status = client_answer(&other)->status;
	client_close(&other);
	free(body);
	return status;
}

START_TEST(the_length_of_a_body_is_taken_as_it_is_or_refused)
{
	client_queue(client, "lengths", "{\"durability\":\"memory\"}");
	for (unsigned v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
		const char *text = values[v];
		uint64_t number = 0;
		bool is_number = whole(text[0] == ' ' ? text + 1 : text, 19, &number);
		unsigned wanted = !is_number ? 400 : number > 1 << 20 ? 413 : 202;
		unsigned status = publish_status("Host: x\r\nContent-Length: ", text, "\r\n\r\n", wanted == 202 ? number : 0);

		ck_assert_msg(status == wanted, "Content-Length: %s: %u instead of %u", text, status, wanted);
	}
}
END_TEST

START_TEST(the_size_of_a_chunk_is_taken_as_it_is_or_refused)
{
	expect_status(client_json(client, "{\"durability\":\"memory\"}", "PUT /v1/queues/lengths"), 200);
	for (unsigned v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
		const char *text = values[v];
		size_t digits = strspn(text, "0123456789abcdefABCDEF");
		bool is_number = digits > 0 && digits <= 8 && text[digits] == '\0';
		uint64_t number = is_number ? strtoull(text, NULL, 16) : 0;
		unsigned wanted = !is_number ? 400 : number > 1 << 20 ? 413 : 202;
		unsigned status = publish_status("Host: x\r\nTransfer-Encoding: chunked\r\n\r\n", text, "\r\n", wanted == 202 ? number : 0);

		ck_assert_msg(status == wanted, "chunk size %s: %u instead of %u", text, status, wanted);
	}
}
END_TEST

START_TEST(the_port_of_a_host_is_taken_or_refused)
{
	static const struct input port = { "port", PORT, 0, 65535, 202, "", NULL, NULL, NULL, 0 };

	expect_status(client_json(client, "{\"durability\":\"memory\"}", "PUT /v1/queues/lengths"), 200);
	for (unsigned v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
		uint64_t number;
		bool is_ended = values[v][0] != '\0' && strcmp(values[v], "1 ") == 0; /* blanks behind a value are none of it */
		unsigned wanted = is_ended || is_valid(&port, values[v], &number) ? 202 : 400;
		unsigned status = publish_status("Content-Length: 0\r\nHost: x:", values[v], "\r\n\r\n", 0);

		ck_assert_msg(status == wanted, "Host: x:%s: %u instead of %u", values[v], status, wanted);
	}
}
END_TEST

START_TEST(a_preference_is_met_as_far_as_it_may_be)
{
	static const struct { const char *wait, *applied; } cases[] = { { "60", "wait=60" }, { "61", "wait=60" },
		{ "4294967297", "wait=60" }, { "9223372036854775807", "wait=60" }, { "9223372036854775808", NULL }, { "-1", NULL },
		{ "1e3", NULL }, { "0", NULL }, { "007", "wait=7" } };
	char fields[128];

	client_queue(client, "preferred", "{\"max_deliveries\":1000000}");
	client_publish(client, "preferred", "x");
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(fields, sizeof(fields), "Prefer: wait=%s\r\n" JSON_TYPE, cases[i].wait);
		struct response *answer = client_ask(client, "POST /v1/queues/preferred/messages:receive", fields, "{\"lease\":\"0s\"}");
		/* Who does not wait may find the message on its way back. */
		ck_assert_msg(answer->status == (cases[i].applied == NULL && answer->status == 204 ? 204 : 200), "wait=%s: %u %s", cases[i].wait, answer->status, answer->body);
		const char *applied = response_field(answer, "Preference-Applied");
		ck_assert_msg(cases[i].applied == NULL ? applied == NULL : applied != NULL && strcmp(applied, cases[i].applied) == 0,
		    "wait=%s: %s", cases[i].wait, applied);
	}
}
END_TEST

static Suite *
suite(void)
{
	TCase *tcase;
	Suite *suite = session_suite("http/numbers", NULL, &tcase);

	tcase_add_test(tcase, a_number_is_taken_as_it_is_or_refused);
	tcase_add_test(tcase, the_length_of_a_body_is_taken_as_it_is_or_refused);
	tcase_add_test(tcase, the_size_of_a_chunk_is_taken_as_it_is_or_refused);
	tcase_add_test(tcase, the_port_of_a_host_is_taken_or_refused);
	tcase_add_test(tcase, a_preference_is_met_as_far_as_it_may_be);
	return suite;
}

UNIT_MAIN(suite)
