#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/protocols/protocols.h"

#define GROUP "g"
#define ID_BYTES 32
#define IDS_MAX 256
#define WAIT_MS "1000"            /* of a consumer in an open loop; then it asks again */

enum step { STEP_READ, STEP_ACK, STEP_DELETE };

struct resp_state {
	enum step step;
	uint32_t count;           /* of what was read */
	uint64_t asked_ns;
};

/* --- values --- */

/* Number behind the type byte; *next is behind the line.  False while the line is not whole. */
static bool
read_line(const char *at, const char *end, long *number, const char **next)
{
	const char *line_end = memchr(at, '\n', (size_t)(end - at));

	if (line_end == NULL)
		return false;
	*number = strtol(at + 1, NULL, 10);
	*next = line_end + 1;
	return true;
}

size_t
resp_value(const char *bytes, size_t count)
{
	const char *at = bytes, *end = bytes + count;
	uint64_t wanted = 1; /* values still to come */
	long number;

	while (wanted > 0) {
		char type;

		if (at >= end)
			return 0;
		type = *at;
		if (strchr("+-:$*", type) == NULL || type == '\0')
			return TRAFFIC_BROKEN;
		if (!read_line(at, end, &number, &at))
			return 0;
		wanted--;
		if (type == '$' && number >= 0)
			at += number + 2;
		else if (type == '*' && number > 0)
			wanted += (uint64_t)number;
		if (at > end)
			return 0;
	}
	return (size_t)(at - bytes);
}

/* Behind the header line of the array or text at `at`. */
static const char *
inside(const char *at, const char *end, long *number)
{
	const char *next = end;

	if (!read_line(at, end, number, &next))
		return end;
	return next;
}

/* --- requests --- */

static void
put_text(struct traffic_connection *connection, const char *text)
{
	traffic_printf(connection, "$%zu\r\n%s\r\n", strlen(text), text);
}

static int
resp_make(struct traffic_connection *connection)
{
	size_t count;
	const char *answer;

	traffic_printf(connection, "*6\r\n");
	put_text(connection, "XGROUP");
	put_text(connection, "CREATE");
	put_text(connection, connection->traffic->options.queue);
	put_text(connection, GROUP);
	put_text(connection, "0");
	put_text(connection, "MKSTREAM");
	answer = traffic_exchange(connection, traffic_whole_line, &count);
	if (answer == NULL)
		return -1;
	if (answer[0] != '+')
		return traffic_fail(connection->traffic, "cannot make the stream: %.*s", (int)count, answer);
	return 0;
}

static void
resp_publish(struct traffic_connection *connection, uint64_t due_ns)
{
	const struct traffic_options *options = &connection->traffic->options;

	traffic_printf(connection, "*5\r\n$4\r\nXADD\r\n$%zu\r\n%s\r\n$1\r\n*\r\n$1\r\nb\r\n$%u\r\n", strlen(options->queue),
	    options->queue, options->size);
	traffic_put_body(connection, due_ns);
	traffic_put(connection, "\r\n", 2);
	traffic_pend(connection, due_ns, 'P');
}

static void
resp_receive(struct traffic_connection *connection)
{
	const struct traffic_options *options = &connection->traffic->options;
	struct resp_state *state = connection->state;
	bool waits = options->mode == TRAFFIC_E2E;
	char number[16];

	traffic_printf(connection, waits ? "*11\r\n" : "*9\r\n");
	put_text(connection, "XREADGROUP");
	put_text(connection, "GROUP");
	put_text(connection, GROUP);
	snprintf(number, sizeof(number), "c%u", connection->index);
	put_text(connection, number);
	put_text(connection, "COUNT");
	snprintf(number, sizeof(number), "%u", options->batch);
	put_text(connection, number);
	if (waits) {
		put_text(connection, "BLOCK");
		put_text(connection, WAIT_MS);
	}
	put_text(connection, "STREAMS");
	put_text(connection, options->queue);
	put_text(connection, ">");
	state->step = STEP_READ;
	state->asked_ns = connection->traffic->now_ns;
}

static void
put_ids(struct traffic_connection *connection, const char *command, const char *group, char ids[][ID_BYTES], uint32_t count)
{
	traffic_printf(connection, "*%u\r\n", 2 + (group != NULL) + count);
	put_text(connection, command);
	put_text(connection, connection->traffic->options.queue);
	if (group != NULL)
		put_text(connection, group);
	for (uint32_t i = 0; i < count; i++)
		put_text(connection, ids[i]);
}

/* *1 [*2 [name, *n [*2 [id, *2 ["b", body]] ...]]]: a whole value, so each part is there. */
static void
take_entries(struct traffic_connection *connection, const char *value, const char *end)
{
	struct resp_state *state = connection->state;
	char ids[IDS_MAX][ID_BYTES];
	long number, entries;
	const char *at = inside(value, end, &number);

	at = inside(at, end, &number);
	at += resp_value(at, (size_t)(end - at)); /* the stream's name */
	at = inside(at, end, &entries);
	state->count = 0;
	for (long i = 0; i < entries && i < IDS_MAX; i++) {
		at = inside(at, end, &number);
		at = inside(at, end, &number);
		snprintf(ids[state->count++], ID_BYTES, "%.*s", (int)number, at);
		at += number + 2;
		at = inside(at, end, &number);
		at += resp_value(at, (size_t)(end - at)); /* the field's name */
		at = inside(at, end, &number);
		traffic_received(connection, at, (size_t)number);
		at += number + 2;
	}
	put_ids(connection, "XACK", GROUP, ids, state->count);
	put_ids(connection, "XDEL", NULL, ids, state->count);
	state->step = STEP_ACK;
}

static void
take_consumed(struct traffic_connection *connection, const char *bytes, size_t whole)
{
	struct resp_state *state = connection->state;

	switch (state->step) {
	case STEP_READ:
		if (bytes[0] == '*' && bytes[1] != '-' && bytes[1] != '0')
			take_entries(connection, bytes, bytes + whole);
		else
			traffic_empty(connection);
		break;
	case STEP_ACK:
		state->step = STEP_DELETE;
		break;
	case STEP_DELETE:
		traffic_acked(connection, state->asked_ns, state->count);
		traffic_again(connection);
		break;
	}
}

static size_t
resp_take(struct traffic_connection *connection, const char *bytes, size_t count)
{
	size_t whole = resp_value(bytes, count);

	if (whole == 0 || whole == TRAFFIC_BROKEN)
		return whole;
	if (bytes[0] == '-') {
		traffic_refused(connection, bytes, whole);
		if (connection->is_consumer) {
			traffic_again(connection);
			return whole;
		}
		(void)traffic_pop(connection, NULL);
	} else if (!connection->is_consumer) {
		traffic_published(connection, traffic_pop(connection, NULL));
	} else {
		take_consumed(connection, bytes, whole);
	}
	return whole;
}

const struct traffic_driver protocol_resp = {
	.name = "resp",
	.state_bytes = sizeof(struct resp_state),
	.make = resp_make,
	.publish = resp_publish,
	.receive = resp_receive,
	.take = resp_take,
};
