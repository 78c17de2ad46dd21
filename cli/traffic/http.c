#include "cli/traffic/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define KIND_PUBLISH 'P'
#define KIND_RECEIVE 'R'
#define KIND_ACK 'A'
#define RECEIPT_BYTES_MAX 64
#define QUEUE_DIGITS 6            /* of QUEUE-000000 */
#define HEAD_BYTES 2048
#define E2E_WAIT "10s"            /* consumers of an open loop are long polls */

/* Requests that differ only in a stamp and a queue's number are made once, and patched in the output. */
struct template {
	char *bytes;
	size_t count;
	size_t number_at;         /* of the queue; 0: none */
	size_t stamp_at;          /* 0: none */
};

struct http {
	struct template publish;
	struct template receive;
	uint32_t next_queue;
};

struct http_state {
	uint64_t asked_ns;        /* when what is being acknowledged was asked for */
};

/* --- replies --- */

static size_t
content_length(const char *head, const char *end)
{
	for (const char *line = memchr(head, '\n', (size_t)(end - head)); line != NULL && line < end;
	     line = memchr(line, '\n', (size_t)(end - line))) {
		line++;
		if ((line[0] | 0x20) == 'c' && strncasecmp(line, "content-length:", 15) == 0)
			return strtoul(line + 15, NULL, 10);
	}
	return 0;
}

size_t
http_reply_read(const char *bytes, size_t count, struct http_reply *reply)
{
	const char *end = memmem(bytes, count, "\r\n\r\n", 4);

	if (count >= 5 && memcmp(bytes, "HTTP/", 5) != 0)
		return TRAFFIC_BROKEN;
	if (end == NULL)
		return 0;
	if (end - bytes < 12 || bytes[8] != ' ')
		return TRAFFIC_BROKEN;
	reply->status = (unsigned)(bytes[9] - '0') * 100 + (unsigned)(bytes[10] - '0') * 10 + (unsigned)(bytes[11] - '0');
	reply->head_bytes = (size_t)(end - bytes) + 4;
	reply->body_bytes = reply->status == 204 ? 0 : content_length(bytes, end + 2);
	return count >= reply->head_bytes + reply->body_bytes ? reply->head_bytes + reply->body_bytes : 0;
}

/* --- requests --- */

static const char *
authority_of(const struct traffic *traffic)
{
	return traffic->options.authority != NULL ? traffic->options.authority : traffic->options.host;
}

static const char *
authorization_of(const struct traffic *traffic)
{
	return traffic->options.authorization != NULL ? traffic->options.authorization : "";
}

/* The body of a publish.  Owned; NULL without memory. */
static char *
publish_body(const struct traffic *traffic, size_t *count)
{
	const struct traffic_options *options = &traffic->options;
	char *body = malloc((options->size + 16ul) * options->batch + 32);
	char *at = body;

	if (body == NULL)
		return NULL;
	if (options->batch == 1) {
		at = mempcpy(at, traffic->body, options->size);
	} else {
		at = stpcpy(at, "{\"messages\":[");
		for (uint32_t i = 0; i < options->batch; i++) {
			at = stpcpy(at, i == 0 ? "{\"body\":\"" : ",{\"body\":\"");
			at = mempcpy(at, traffic->body, options->size);
			at = stpcpy(at, "\"}");
		}
		at = stpcpy(at, "]}");
	}
	*count = (size_t)(at - body);
	return body;
}

/* {method} /v1/queues/{queue}{rest}, with a body that may be of any bytes. */
static int
template_make(struct traffic *traffic, struct template *template, const char *const call[2], const char *type, const char *body,
    size_t body_bytes)
{
	const struct traffic_options *options = &traffic->options;
	bool is_spread = options->queues != 0;
	char head[HEAD_BYTES];
	int head_bytes = snprintf(head, sizeof(head),
	    "%s /v1/queues/%s%s%s HTTP/1.1\r\nHost: %s\r\n%sContent-Type: %s\r\n%sContent-Length: %zu\r\n\r\n", call[0],
	    options->queue, is_spread ? "-000000" : "", call[1], authority_of(traffic), authorization_of(traffic), type,
	    options->is_raw && template == &((struct http *)traffic->shared)->receive ? "Accept: application/octet-stream\r\n" : "",
	    body_bytes);

	if (head_bytes < 0 || head_bytes >= HEAD_BYTES)
		return traffic_fail(traffic, "the names of queue or host are too long");
	template->count = (size_t)head_bytes + body_bytes;
	template->bytes = malloc(template->count);
	if (template->bytes == NULL)
		return traffic_fail(traffic, "out of memory");
	memcpy(mempcpy(template->bytes, head, (size_t)head_bytes), body, body_bytes);
	if (is_spread)
		template->number_at = strlen(call[0]) + strlen(" /v1/queues/") + strlen(options->queue) + 1;
	return 0;
}

static int
make_publish(struct traffic *traffic)
{
	const struct traffic_options *options = &traffic->options;
	struct template *template = &((struct http *)traffic->shared)->publish;
	bool is_batch = options->batch > 1;
	size_t count;
	char *body = publish_body(traffic, &count);
	int code;

	if (body == NULL)
		return traffic_fail(traffic, "out of memory");
	code = template_make(traffic, template, (const char *const[2]){ "POST", "/messages" },
	    is_batch ? "application/vnd.mq.batch+json" : "text/plain", body, count);
	if (code == 0 && !is_batch)
		template->stamp_at = template->count - count + 2;
	free(body);
	return code;
}

static void
queue_body(const struct traffic *traffic, char body[64])
{
	const char *durability = traffic->options.argument;

	if (*durability == '\0')
		strcpy(body, "{}");
	else
		snprintf(body, 64, "{\"durability\":\"%.16s\"}", durability);
}

static int
http_open(struct traffic *traffic)
{
	const struct traffic_options *options = &traffic->options;
	struct http *http = calloc(1, sizeof(*http));
	char body[64];

	traffic->shared = http;
	if (http == NULL)
		return traffic_fail(traffic, "out of memory");
	if (options->is_raw && options->batch > 1)
		return traffic_fail(traffic, "raw bodies come one at a time: no batch");
	if (options->mode == TRAFFIC_QUEUES) {
		queue_body(traffic, body);
		return template_make(traffic, &http->publish, (const char *const[2]){ "PUT", "" }, "application/json", body,
		    strlen(body));
	}
	if (make_publish(traffic) != 0)
		return -1;
	if (options->queues != 0)
		return 0; /* only publishes are spread */
	snprintf(body, sizeof(body), "{\"max\":%u%s}", options->batch, options->mode == TRAFFIC_E2E ? ",\"wait\":\"" E2E_WAIT "\"" : "");
	return template_make(traffic, &http->receive, (const char *const[2]){ "POST", "/messages:receive" }, "application/json",
	    body, strlen(body));
}

static void
http_close(struct traffic *traffic)
{
	struct http *http = traffic->shared;

	if (http == NULL)
		return;
	free(http->publish.bytes);
	free(http->receive.bytes);
	free(http);
}

static size_t
whole_reply(struct traffic_connection *connection, const char *bytes, size_t count)
{
	struct http_reply reply;
	size_t whole = http_reply_read(bytes, count, &reply);

	if (whole == TRAFFIC_BROKEN)
		traffic_fail(connection->traffic, "what answers is no HTTP server");
	return whole;
}

static int
http_make(struct traffic_connection *connection)
{
	struct traffic *traffic = connection->traffic;
	struct http_reply reply;
	const char *answer;
	char body[64];
	size_t count;

	queue_body(traffic, body);
	traffic_printf(connection,
	    "PUT /v1/queues/%.80s HTTP/1.1\r\nHost: %.200s\r\n%sContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
	    traffic->options.queue, authority_of(traffic), authorization_of(traffic), strlen(body), body);
	answer = traffic_exchange(connection, whole_reply, &count);
	if (answer == NULL)
		return -1;
	(void)http_reply_read(answer, count, &reply); /* whole: whole_reply() said so */
	if (reply.status / 100 != 2)
		return traffic_fail(traffic, "cannot make the queue: %.*s", (int)(count < 240 ? count : 240), answer);
	return 0;
}

static void
http_publish(struct traffic_connection *connection, uint64_t due_ns)
{
	struct http *http = connection->traffic->shared;
	const struct template *template = &http->publish;
	char *at = traffic_room(connection, template->count);

	memcpy(at, template->bytes, template->count);
	if (template->stamp_at != 0)
		traffic_stamp(at + template->stamp_at, due_ns);
	if (template->number_at != 0) {
		uint32_t number = http->next_queue++ % connection->traffic->options.queues;

		for (int i = QUEUE_DIGITS - 1; i >= 0; i--, number /= 10)
			at[template->number_at + (size_t)i] = (char)('0' + number % 10);
	}
	traffic_pend(connection, due_ns, KIND_PUBLISH);
}

static void
http_receive(struct traffic_connection *connection)
{
	const struct template *template = &((struct http *)connection->traffic->shared)->receive;

	traffic_put(connection, template->bytes, template->count);
	traffic_pend(connection, connection->traffic->now_ns, KIND_RECEIVE);
}

/* --- what a receive gave --- */

struct text {
	const char *at;
	size_t count;
};

/* The next "key":"value" at or after *at; the value, and *at behind it. */
static bool
next_value(const char **at, const char *end, const char *key, struct text *value)
{
	size_t key_bytes = strlen(key);
	const char *found = memmem(*at, (size_t)(end - *at), key, key_bytes);
	const char *quote;

	if (found == NULL)
		return false;
	value->at = found + key_bytes;
	quote = memchr(value->at, '"', (size_t)(end - value->at));
	if (quote == NULL)
		return false;
	value->count = (size_t)(quote - value->at);
	*at = quote;
	return true;
}

static void
ack_one(struct traffic_connection *connection, struct text receipt)
{
	const struct traffic_options *options = &connection->traffic->options;

	traffic_printf(connection, "DELETE /v1/queues/%s/leases/%.*s HTTP/1.1\r\nHost: %s\r\n%s\r\n", options->queue,
	    (int)receipt.count, receipt.at, authority_of(connection->traffic), authorization_of(connection->traffic));
	traffic_pend(connection, connection->traffic->now_ns, KIND_ACK);
}

static void
ack_batch(struct traffic_connection *connection, const char *body, const char *end)
{
	const struct traffic_options *options = &connection->traffic->options;
	char receipts[(RECEIPT_BYTES_MAX + 3) * 100 + 32];
	char *at = stpcpy(receipts, "{\"receipts\":[");
	const char *first = at;
	struct text receipt;

	while (next_value(&body, end, "\"receipt\":\"", &receipt) && receipt.count <= RECEIPT_BYTES_MAX &&
	       at + receipt.count + 8 < receipts + sizeof(receipts)) {
		at = stpcpy(at, at == first ? "\"" : ",\"");
		at = mempcpy(at, receipt.at, receipt.count);
		at = stpcpy(at, "\"");
	}
	at = stpcpy(at, "]}");
	traffic_printf(connection,
	    "POST /v1/queues/%s/leases:ack HTTP/1.1\r\nHost: %s\r\n%sContent-Type: application/json\r\n"
	    "Content-Length: %zu\r\n\r\n",
	    options->queue, authority_of(connection->traffic), authorization_of(connection->traffic),
	    (size_t)(at - receipts));
	traffic_put(connection, receipts, (size_t)(at - receipts));
	traffic_pend(connection, connection->traffic->now_ns, KIND_ACK);
}

static void
received_raw(struct traffic_connection *connection, const char *head, const struct http_reply *reply)
{
	static const char key[] = "\r\nMq-Receipt: ";
	const char *at = memmem(head, reply->head_bytes, key, sizeof(key) - 1);
	struct text receipt;

	if (at == NULL) {
		traffic_fail(connection->traffic, "a raw message without Mq-Receipt");
		traffic_again(connection);
		return;
	}
	receipt.at = at + sizeof(key) - 1;
	receipt.count = strcspn(receipt.at, "\r");
	traffic_received(connection, head + reply->head_bytes, reply->body_bytes);
	ack_one(connection, receipt);
}

static void
received_json(struct traffic_connection *connection, const char *body, size_t count)
{
	const char *end = body + count, *at = body;
	bool is_batch = connection->traffic->options.batch > 1;
	struct text value;

	while (next_value(&at, end, "\"body\":\"", &value))
		traffic_received(connection, value.at, value.count);
	at = body;
	if (is_batch) {
		ack_batch(connection, body, end);
	} else if (next_value(&at, end, "\"receipt\":\"", &value) && value.count <= RECEIPT_BYTES_MAX) {
		ack_one(connection, value);
	} else {
		traffic_fail(connection->traffic, "a message without a receipt");
		traffic_again(connection);
	}
}

static void
take_receive(struct traffic_connection *connection, const char *bytes, const struct http_reply *reply, uint64_t asked_ns)
{
	struct http_state *state = connection->state;

	if (reply->status == 204) {
		traffic_empty(connection);
		return;
	}
	state->asked_ns = asked_ns;
	if (connection->traffic->options.is_raw)
		received_raw(connection, bytes, reply);
	else
		received_json(connection, bytes + reply->head_bytes, reply->body_bytes);
}

/* A batch answers 200 with a status for each receipt. */
static void
take_ack(struct traffic_connection *connection, const char *bytes, const struct http_reply *reply)
{
	const struct http_state *state = connection->state;
	const char *at = bytes + reply->head_bytes, *end = at + reply->body_bytes;
	uint64_t acked = reply->status == 204;

	while ((at = memmem(at, (size_t)(end - at), "\"status\":", 9)) != NULL) {
		at += 9;
		if (end - at >= 3 && memcmp(at, "204", 3) == 0)
			acked++;
		else
			traffic_refused(connection, at, (size_t)(end - at));
	}
	traffic_acked(connection, state->asked_ns, acked);
	traffic_again(connection);
}

static size_t
http_take(struct traffic_connection *connection, const char *bytes, size_t count)
{
	struct http_reply reply;
	size_t whole = http_reply_read(bytes, count, &reply);
	uint64_t asked_ns;
	uint8_t kind;

	if (whole == 0 || whole == TRAFFIC_BROKEN)
		return whole;
	if (!traffic_is_pending(connection)) {
		traffic_fail(connection->traffic, "an answer nobody asked for: %.*s", (int)(whole < 200 ? whole : 200), bytes);
		return TRAFFIC_BROKEN;
	}
	asked_ns = traffic_pop(connection, &kind);
	if (reply.status / 100 != 2) {
		traffic_refused(connection, bytes, whole);
		if (kind != KIND_PUBLISH)
			traffic_again(connection);
	} else if (kind == KIND_PUBLISH) {
		traffic_published(connection, asked_ns);
	} else if (kind == KIND_RECEIVE) {
		take_receive(connection, bytes, &reply, asked_ns);
	} else {
		take_ack(connection, bytes, &reply);
	}
	return whole;
}

const struct traffic_driver traffic_http = {
	.name = "http",
	.state_bytes = sizeof(struct http_state),
	.open = http_open,
	.close = http_close,
	.make = http_make,
	.publish = http_publish,
	.receive = http_receive,
	.take = http_take,
};
