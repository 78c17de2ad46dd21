/*
 * JetStream.  A consumer's pull asks for a batch; messages come with a subject to acknowledge to; each acknowledgement carries
 * a subject of ours, and what comes there is its answer.  A status instead of messages (HMSG) ends a pull that found too few.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/protocols/protocols.h"

#define PULL_WAIT_NS "5000000000"

struct nats_state {
	uint32_t expected;        /* messages of the pull still to come */
	uint32_t acks;            /* not answered yet */
	uint32_t acked;
	uint64_t asked_ns;
};

size_t
nats_operation(const char *bytes, size_t count)
{
	const char *end = memchr(bytes, '\n', count), *last;
	size_t whole;

	if (end == NULL)
		return 0;
	whole = (size_t)(end - bytes) + 1;
	if (strncmp(bytes, "MSG ", 4) == 0 || strncmp(bytes, "HMSG ", 5) == 0) {
		last = memrchr(bytes, ' ', (size_t)(end - bytes));
		whole += strtoul(last + 1, NULL, 10) + 2;
	}
	return whole <= count ? whole : 0;
}

static size_t
whole_operation(struct traffic_connection *connection, const char *bytes, size_t count)
{
	(void)connection; /* the signature of traffic_exchange() */
	return nats_operation(bytes, count);
}

/* Read until an operation begins with `wanted`.  NULL after traffic_fail(). */
static const char *
await(struct traffic_connection *connection, const char *wanted, size_t *count)
{
	const char *answer;

	while ((answer = traffic_exchange(connection, whole_operation, count)) != NULL) {
		if (strncmp(answer, wanted, strlen(wanted)) == 0)
			return answer;
		if (strncmp(answer, "-ERR", 4) == 0) {
			traffic_fail(connection->traffic, "nats: %.*s", (int)*count, answer);
			return NULL;
		}
	}
	return NULL;
}

static int
nats_hello(struct traffic_connection *connection)
{
	size_t count;

	if (await(connection, "INFO", &count) == NULL)
		return -1;
	traffic_printf(connection,
	    "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true,\"lang\":\"c\",\"version\":\"0\","
	    "\"protocol\":1}\r\nSUB _INBOX.%u.* 1\r\nPING\r\n",
	    connection->index);
	return await(connection, "PONG", &count) != NULL ? 0 : -1;
}

static int
ask_api(struct traffic_connection *connection, const char *subject, const char *json)
{
	const char *answer;
	size_t count;

	traffic_printf(connection, "PUB %s _INBOX.%u.x %zu\r\n%s\r\n", subject, connection->index, strlen(json), json);
	answer = await(connection, "MSG", &count);
	if (answer == NULL)
		return -1;
	if (memmem(answer, count, "\"error\"", 7) != NULL)
		return traffic_fail(connection->traffic, "nats: %.*s", (int)(count < 240 ? count : 240), answer);
	return 0;
}

static int
nats_make(struct traffic_connection *connection)
{
	const struct traffic_options *options = &connection->traffic->options;
	char subject[256], json[512];

	if (nats_hello(connection) != 0)
		return -1;
	snprintf(subject, sizeof(subject), "$JS.API.STREAM.CREATE.S_%.80s", options->queue);
	snprintf(json, sizeof(json),
	    "{\"name\":\"S_%.80s\",\"subjects\":[\"s.%.80s\"],\"retention\":\"workqueue\",\"storage\":\"%.16s\",\"max_consumers\":-1,"
	    "\"max_msgs\":-1,\"max_bytes\":-1,\"max_age\":0,\"num_replicas\":1,\"discard\":\"old\"}",
	    options->queue, options->queue, *options->argument != '\0' ? options->argument : "file");
	if (ask_api(connection, subject, json) != 0)
		return -1;
	snprintf(subject, sizeof(subject), "$JS.API.CONSUMER.DURABLE.CREATE.S_%.80s.C", options->queue);
	snprintf(json, sizeof(json),
	    "{\"stream_name\":\"S_%.80s\",\"config\":{\"durable_name\":\"C\",\"ack_policy\":\"explicit\",\"deliver_policy\":\"all\","
	    "\"replay_policy\":\"instant\",\"max_ack_pending\":65536,\"max_waiting\":4096}}",
	    options->queue);
	return ask_api(connection, subject, json);
}

static void
nats_publish(struct traffic_connection *connection, uint64_t due_ns)
{
	const struct traffic_options *options = &connection->traffic->options;

	traffic_printf(connection, "PUB s.%s _INBOX.%u.p %u\r\n", options->queue, connection->index, options->size);
	traffic_put_body(connection, due_ns);
	traffic_put(connection, "\r\n", 2);
	traffic_pend(connection, due_ns, 'P');
}

static void
nats_receive(struct traffic_connection *connection)
{
	const struct traffic_options *options = &connection->traffic->options;
	struct nats_state *state = connection->state;
	char json[96];
	int count = snprintf(json, sizeof(json), "{\"batch\":%u,%s}", options->batch,
	    options->mode == TRAFFIC_E2E ? "\"expires\":" PULL_WAIT_NS : "\"no_wait\":true");

	traffic_printf(connection, "PUB $JS.API.CONSUMER.MSG.NEXT.S_%s.C _INBOX.%u.m %d\r\n%s\r\n", options->queue,
	    connection->index, count, json);
	*state = (struct nats_state){ .expected = options->batch, .asked_ns = connection->traffic->now_ns };
}

/* Of "MSG subject sid reply bytes" the reply is where to acknowledge. */
static void
acknowledge(struct traffic_connection *connection, const char *bytes, const char *line_end)
{
	struct nats_state *state = connection->state;
	const char *at = bytes, *end;

	for (int word = 0; word < 3 && at != NULL; word++) {
		at = memchr(at, ' ', (size_t)(line_end - at));
		at = at != NULL ? at + 1 : NULL;
	}
	end = at != NULL ? memchr(at, ' ', (size_t)(line_end - at)) : NULL;
	if (end == NULL) {
		traffic_fail(connection->traffic, "nats: a message without a subject to acknowledge to");
		return;
	}
	traffic_printf(connection, "PUB %.*s _INBOX.%u.a 4\r\n+ACK\r\n", (int)(end - at), at, connection->index);
	state->acks++;
}

static void
settle(struct traffic_connection *connection)
{
	struct nats_state *state = connection->state;

	if (state->expected > 0 || state->acks > 0)
		return;
	if (state->acked == 0) {
		traffic_empty(connection);
		return;
	}
	traffic_acked(connection, state->asked_ns, state->acked);
	traffic_again(connection);
}

static void
take_consumed(struct traffic_connection *connection, const char *bytes, size_t whole)
{
	struct nats_state *state = connection->state;
	const char *line_end = memchr(bytes, '\n', whole);

	if (bytes[0] == 'H') { /* 404 no messages, 408 the wait is over */
		state->expected = 0;
	} else if (strncmp(bytes + 4, "_INBOX", 6) == 0) {
		state->acks--;
		state->acked++;
	} else {
		state->expected--;
		traffic_received(connection, line_end + 1, whole - (size_t)(line_end + 1 - bytes));
		acknowledge(connection, bytes, line_end);
	}
	settle(connection);
}

static void
take_published(struct traffic_connection *connection, const char *bytes, size_t whole)
{
	uint64_t due_ns = traffic_pop(connection, NULL);

	if (bytes[0] == 'H' || memmem(bytes, whole, "\"error\"", 7) != NULL)
		traffic_refused(connection, bytes, whole);
	else
		traffic_published(connection, due_ns);
}

static size_t
nats_take(struct traffic_connection *connection, const char *bytes, size_t count)
{
	size_t whole = nats_operation(bytes, count);

	if (whole == 0)
		return 0;
	if (strncmp(bytes, "PING", 4) == 0) {
		traffic_printf(connection, "PONG\r\n");
	} else if (strncmp(bytes, "-ERR", 4) == 0) {
		traffic_fail(connection->traffic, "nats: %.*s", (int)whole, bytes);
		return TRAFFIC_BROKEN;
	} else if (bytes[0] == 'M' || bytes[0] == 'H') {
		if (connection->is_consumer)
			take_consumed(connection, bytes, whole);
		else
			take_published(connection, bytes, whole);
	}
	return whole;
}

const struct traffic_driver protocol_nats = {
	.name = "nats",
	.state_bytes = sizeof(struct nats_state),
	.make = nats_make,
	.hello = nats_hello,
	.publish = nats_publish,
	.receive = nats_receive,
	.take = nats_take,
};
