#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/protocols/protocols.h"

#define PRIORITY 1024
#define LEASE_S 120

size_t
beanstalk_answer(const char *bytes, size_t count)
{
	const char *end = memchr(bytes, '\n', count);
	unsigned long id, body = 0;

	if (end == NULL)
		return 0;
	if (strncmp(bytes, "RESERVED ", 9) == 0) {
		if (sscanf(bytes, "RESERVED %lu %lu", &id, &body) != 2)
			return TRAFFIC_BROKEN;
		body += 2; /* its line end */
	}
	size_t whole = (size_t)(end - bytes) + 1 + body;
	return whole <= count ? whole : 0;
}

static int
beanstalk_hello(struct traffic_connection *connection)
{
	const char *queue = connection->traffic->options.queue;
	size_t count;

	if (!connection->is_consumer) {
		traffic_printf(connection, "use %s\r\n", queue);
		return traffic_exchange(connection, traffic_whole_line, &count) != NULL ? 0 : -1;
	}
	traffic_printf(connection, "watch %s\r\nignore default\r\n", queue);
	if (traffic_exchange(connection, traffic_whole_line, &count) == NULL || traffic_exchange(connection, traffic_whole_line, &count) == NULL)
		return -1;
	return 0;
}

static void
beanstalk_publish(struct traffic_connection *connection, uint64_t due_ns)
{
	traffic_printf(connection, "put %d 0 %d %u\r\n", PRIORITY, LEASE_S, connection->traffic->options.size);
	traffic_put_body(connection, due_ns);
	traffic_put(connection, "\r\n", 2);
	traffic_pend(connection, due_ns, 'P');
}

/* It has no batch: `batch` reserves are sent behind one another. */
static void
beanstalk_reserve(struct traffic_connection *connection)
{
	bool waits = connection->traffic->options.mode == TRAFFIC_E2E;

	traffic_printf(connection, waits ? "reserve\r\n" : "reserve-with-timeout 0\r\n");
	traffic_pend(connection, connection->traffic->now_ns, 'R');
}

static void
beanstalk_receive(struct traffic_connection *connection)
{
	/* traffic_again() asks for one; the first time there is room for all. */
	uint32_t want = traffic_is_pending(connection) || connection->is_idle ? 1 : connection->traffic->options.batch;

	/* A waiting reserve holds up what is sent behind it, acknowledgements too. */
	if (connection->traffic->options.mode == TRAFFIC_E2E)
		want = 1;
	for (uint32_t i = 0; i < want; i++)
		beanstalk_reserve(connection);
}

static size_t
beanstalk_take(struct traffic_connection *connection, const char *bytes, size_t count)
{
	size_t whole = beanstalk_answer(bytes, count);
	uint64_t asked_ns;
	uint8_t kind;

	if (whole == 0 || whole == TRAFFIC_BROKEN)
		return whole;
	if (!traffic_is_pending(connection)) {
		traffic_fail(connection->traffic, "beanstalkd: an answer nobody asked for: %.*s", (int)(whole < 100 ? whole : 100), bytes);
		return TRAFFIC_BROKEN;
	}
	asked_ns = traffic_pop(connection, &kind);
	if (strncmp(bytes, "INSERTED", 8) == 0) {
		traffic_published(connection, asked_ns);
	} else if (strncmp(bytes, "RESERVED", 8) == 0) {
		const char *body = (const char *)memchr(bytes, '\n', whole) + 1;

		traffic_received(connection, body, whole - (size_t)(body - bytes));
		traffic_printf(connection, "delete %lu\r\n", strtoul(bytes + 9, NULL, 10));
		traffic_pend(connection, asked_ns, 'D');
	} else if (strncmp(bytes, "DELETED", 7) == 0) {
		traffic_acked(connection, asked_ns, 1);
		traffic_again(connection);
	} else if (strncmp(bytes, "TIMED_OUT", 9) == 0) {
		traffic_empty(connection);
	} else {
		traffic_refused(connection, bytes, whole);
		if (kind != 'P')
			traffic_again(connection);
	}
	return whole;
}

const struct traffic_driver protocol_beanstalk = {
	.name = "beanstalk",
	.hello = beanstalk_hello,
	.publish = beanstalk_publish,
	.receive = beanstalk_receive,
	.take = beanstalk_take,
};
