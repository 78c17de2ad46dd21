/*
 * AMQP 0-9-1, one channel a connection.  Methods are class and method number, as in the specification's tables; a content is a
 * method, a header frame and body frames.
 */
#include <stdio.h>
#include <string.h>

#include "bench/protocols/protocols.h"

#define METHOD(class, method) ((uint32_t)(class) << 16 | (method))
#define CONNECTION_START METHOD(10, 10)
#define CONNECTION_START_OK METHOD(10, 11)
#define CONNECTION_TUNE METHOD(10, 30)
#define CONNECTION_TUNE_OK METHOD(10, 31)
#define CONNECTION_OPEN METHOD(10, 40)
#define CONNECTION_OPEN_OK METHOD(10, 41)
#define CONNECTION_CLOSE METHOD(10, 50)
#define CHANNEL_OPEN METHOD(20, 10)
#define CHANNEL_OPEN_OK METHOD(20, 11)
#define CHANNEL_CLOSE METHOD(20, 40)
#define QUEUE_DECLARE METHOD(50, 10)
#define QUEUE_DECLARE_OK METHOD(50, 11)
#define BASIC_QOS METHOD(60, 10)
#define BASIC_QOS_OK METHOD(60, 11)
#define BASIC_CONSUME METHOD(60, 20)
#define BASIC_PUBLISH METHOD(60, 40)
#define BASIC_DELIVER METHOD(60, 60)
#define BASIC_ACK METHOD(60, 80)
#define BASIC_NACK METHOD(60, 120)
#define CONFIRM_SELECT METHOD(85, 10)
#define CONFIRM_SELECT_OK METHOD(85, 11)

enum { FRAME_METHOD = 1, FRAME_HEADER = 2, FRAME_BODY = 3, FRAME_HEAD_BYTES = 7, FRAME_END = 0xce };

#define FRAME_BYTES_LIMIT 131072u
#define TAGS 1024u                /* a power of two above TRAFFIC_WINDOW_MAX */

struct amqp_state {
	uint64_t due_ns[TAGS];    /* of the publish with this delivery tag; 0: confirmed */
	uint64_t next_tag;        /* the next publish has this; the first has 1 */
	uint64_t first_open;      /* all below are confirmed */
	uint64_t delivery_tag;    /* of the message that is arriving */
	uint64_t body_bytes;      /* of it, still to come */
	bool is_first_part;
};

/* --- bytes --- */

static char *
put8(char *at, unsigned value)
{
	*at = (char)value;
	return at + 1;
}

static char *
put16(char *at, unsigned value)
{
	return put8(put8(at, value >> 8), value & 0xff);
}

static char *
put32(char *at, uint32_t value)
{
	return put16(put16(at, value >> 16), value & 0xffff);
}

static char *
put64(char *at, uint64_t value)
{
	return put32(put32(at, (uint32_t)(value >> 32)), (uint32_t)value);
}

static char *
put_short(char *at, const char *text)
{
	size_t count = strlen(text);

	return mempcpy(put8(at, (unsigned)count), text, count);
}

static char *
put_long(char *at, const void *bytes, size_t count)
{
	return mempcpy(put32(at, (uint32_t)count), bytes, count);
}

static uint32_t
get32(const char *at)
{
	const unsigned char *byte = (const unsigned char *)at;

	return (uint32_t)byte[0] << 24 | (uint32_t)byte[1] << 16 | (uint32_t)byte[2] << 8 | byte[3];
}

static uint64_t
get64(const char *at)
{
	return (uint64_t)get32(at) << 32 | get32(at + 4);
}

size_t
amqp_frame(const char *bytes, size_t count)
{
	size_t whole;

	if (count < FRAME_HEAD_BYTES)
		return 0;
	whole = FRAME_HEAD_BYTES + (size_t)get32(bytes + 3) + 1;
	if (bytes[0] < FRAME_METHOD || bytes[0] > 8 || whole > FRAME_BYTES_LIMIT + 8)
		return TRAFFIC_BROKEN;
	if (count < whole)
		return 0;
	return (unsigned char)bytes[whole - 1] == FRAME_END ? whole : TRAFFIC_BROKEN;
}

static void
put_frame(struct traffic_connection *connection, unsigned type, unsigned channel, const char *payload, size_t count)
{
	char head[FRAME_HEAD_BYTES];

	put32(put16(put8(head, type), channel), (uint32_t)count);
	traffic_put(connection, head, sizeof(head));
	traffic_put(connection, payload, count);
	traffic_put(connection, "\xce", 1);
}

/* --- hands are shaken --- */

static size_t
whole_frame(struct traffic_connection *connection, const char *bytes, size_t count)
{
	size_t whole = amqp_frame(bytes, count);

	if (whole == TRAFFIC_BROKEN)
		traffic_fail(connection->traffic, "what answers speaks no AMQP 0-9-1");
	return whole;
}

static int
await(struct traffic_connection *connection, uint32_t wanted)
{
	const char *frame;
	size_t count;

	while ((frame = traffic_exchange(connection, whole_frame, &count)) != NULL) {
		uint32_t method = frame[0] == FRAME_METHOD ? get32(frame + FRAME_HEAD_BYTES) : 0;

		if (method == wanted)
			return 0;
		if (method == CONNECTION_CLOSE || method == CHANNEL_CLOSE)
			return traffic_fail(connection->traffic, "amqp: refused: %.*s", (int)(count > 15 ? count - 15 : 0), frame + 14);
	}
	return -1;
}

static int
open_channel(struct traffic_connection *connection)
{
	char bytes[128], *at;

	traffic_put(connection, "AMQP\0\0\x9\x1", 8);
	if (await(connection, CONNECTION_START) != 0)
		return -1;
	at = put32(put32(bytes, CONNECTION_START_OK), 0); /* an empty table: who we are */
	at = put_long(put_short(at, "PLAIN"), "\0guest\0guest", 12);
	at = put_short(at, "en_US");
	put_frame(connection, FRAME_METHOD, 0, bytes, (size_t)(at - bytes));
	if (await(connection, CONNECTION_TUNE) != 0)
		return -1;
	at = put16(put32(put16(put32(bytes, CONNECTION_TUNE_OK), 2047), FRAME_BYTES_LIMIT), 0);
	put_frame(connection, FRAME_METHOD, 0, bytes, (size_t)(at - bytes));
	at = put8(put8(put_short(put32(bytes, CONNECTION_OPEN), "/"), 0), 0);
	put_frame(connection, FRAME_METHOD, 0, bytes, (size_t)(at - bytes));
	if (await(connection, CONNECTION_OPEN_OK) != 0)
		return -1;
	at = put8(put32(bytes, CHANNEL_OPEN), 0);
	put_frame(connection, FRAME_METHOD, 1, bytes, (size_t)(at - bytes));
	return await(connection, CHANNEL_OPEN_OK);
}

static int
amqp_make(struct traffic_connection *connection)
{
	const struct traffic_options *options = &connection->traffic->options;
	char bytes[256], table[64], *at = table;

	if (open_channel(connection) != 0)
		return -1;
	if (strcmp(options->argument, "quorum") == 0)
		at = put_long(put8(put_short(table, "x-queue-type"), 'S'), "quorum", 6);
	size_t table_bytes = (size_t)(at - table);
	at = put8(put_short(put16(put32(bytes, QUEUE_DECLARE), 0), options->queue), 2 /* durable */);
	at = put_long(at, table, table_bytes);
	put_frame(connection, FRAME_METHOD, 1, bytes, (size_t)(at - bytes));
	return await(connection, QUEUE_DECLARE_OK);
}

static int
amqp_hello(struct traffic_connection *connection)
{
	struct amqp_state *state = connection->state;
	char bytes[64], *at;

	if (open_channel(connection) != 0)
		return -1;
	state->next_tag = state->first_open = 1;
	if (!connection->is_consumer) {
		at = put8(put32(bytes, CONFIRM_SELECT), 0);
		put_frame(connection, FRAME_METHOD, 1, bytes, (size_t)(at - bytes));
		return await(connection, CONFIRM_SELECT_OK);
	}
	at = put8(put16(put32(put32(bytes, BASIC_QOS), 0), connection->traffic->options.batch), 0);
	put_frame(connection, FRAME_METHOD, 1, bytes, (size_t)(at - bytes));
	return await(connection, BASIC_QOS_OK);
}

/* --- messages --- */

static void
amqp_publish(struct traffic_connection *connection, uint64_t due_ns)
{
	const struct traffic_options *options = &connection->traffic->options;
	struct amqp_state *state = connection->state;
	unsigned delivery_mode = strcmp(options->argument, "transient") == 0 ? 1 : 2;
	char bytes[256], *at;

	at = put8(put_short(put8(put16(put32(bytes, BASIC_PUBLISH), 0), 0), options->queue), 0);
	put_frame(connection, FRAME_METHOD, 1, bytes, (size_t)(at - bytes));
	at = put8(put16(put64(put16(put16(bytes, 60), 0), options->size), 0x1000), delivery_mode);
	put_frame(connection, FRAME_HEADER, 1, bytes, (size_t)(at - bytes));
	for (uint32_t sent = 0; sent < options->size;) {
		uint32_t part = options->size - sent, most = FRAME_BYTES_LIMIT - 8;

		part = part < most ? part : most;
		if (part == options->size) {
			traffic_put(connection, bytes, (size_t)(put32(put16(put8(bytes, FRAME_BODY), 1), part) - bytes));
			traffic_put_body(connection, due_ns);
			traffic_put(connection, "\xce", 1);
		} else {
			put_frame(connection, FRAME_BODY, 1, connection->traffic->body + sent, part);
		}
		sent += part;
	}
	state->due_ns[state->next_tag++ % TAGS] = due_ns;
}

/* Once: the server pushes from then on.  traffic_again() has nothing to do. */
static void
amqp_receive(struct traffic_connection *connection)
{
	struct amqp_state *state = connection->state;
	char bytes[256], *at;

	if (state->delivery_tag != 0)
		return;
	at = put_short(put_short(put16(put32(bytes, BASIC_CONSUME), 0), connection->traffic->options.queue), "");
	at = put32(put8(at, 8 /* no answer */), 0);
	put_frame(connection, FRAME_METHOD, 1, bytes, (size_t)(at - bytes));
}

static void
confirm(struct traffic_connection *connection, uint64_t tag, bool is_good)
{
	struct amqp_state *state = connection->state;
	uint64_t *due_ns = &state->due_ns[tag % TAGS];

	if (*due_ns == 0)
		return;
	if (is_good)
		traffic_published(connection, *due_ns);
	else
		traffic_refused(connection, "basic.nack", 10);
	*due_ns = 0;
}

/* `multiple` confirms all up to the tag; else they come in any order. */
static void
take_confirm(struct traffic_connection *connection, const char *arguments, bool is_good)
{
	struct amqp_state *state = connection->state;
	uint64_t tag = get64(arguments);

	if (arguments[8] & 1) {
		for (; state->first_open <= tag; state->first_open++)
			confirm(connection, state->first_open, is_good);
		return;
	}
	confirm(connection, tag, is_good);
	while (state->first_open < state->next_tag && state->due_ns[state->first_open % TAGS] == 0)
		state->first_open++;
}

static void
take_body(struct traffic_connection *connection, const char *body, size_t count)
{
	struct amqp_state *state = connection->state;
	char bytes[16], *at;

	if (state->is_first_part)
		traffic_received(connection, body, count);
	state->is_first_part = false;
	state->body_bytes -= count < state->body_bytes ? count : state->body_bytes;
	if (state->body_bytes > 0)
		return;
	at = put8(put64(put32(bytes, BASIC_ACK), state->delivery_tag), 0);
	put_frame(connection, FRAME_METHOD, 1, bytes, (size_t)(at - bytes));
	traffic_acked(connection, 0, 1);
}

static size_t
amqp_take(struct traffic_connection *connection, const char *bytes, size_t count)
{
	struct amqp_state *state = connection->state;
	size_t whole = amqp_frame(bytes, count);
	const char *payload = bytes + FRAME_HEAD_BYTES;

	if (whole == 0 || whole == TRAFFIC_BROKEN)
		return whole;
	if (bytes[0] == FRAME_HEADER) {
		state->body_bytes = get64(payload + 4);
		state->is_first_part = true;
	} else if (bytes[0] == FRAME_BODY) {
		take_body(connection, payload, whole - FRAME_HEAD_BYTES - 1);
	} else if (bytes[0] == FRAME_METHOD) {
		uint32_t method = get32(payload);

		if (method == BASIC_ACK || method == BASIC_NACK)
			take_confirm(connection, payload + 4, method == BASIC_ACK);
		else if (method == BASIC_DELIVER)
			state->delivery_tag = get64(payload + 5 + (unsigned char)payload[4]);
		else if (method == CONNECTION_CLOSE || method == CHANNEL_CLOSE) {
			traffic_fail(connection->traffic, "amqp: closed: %.*s", (int)whole - 15, bytes + 14);
			return TRAFFIC_BROKEN;
		}
	}
	return whole;
}

const struct traffic_driver protocol_amqp = {
	.name = "amqp",
	.state_bytes = sizeof(struct amqp_state),
	.make = amqp_make,
	.hello = amqp_hello,
	.publish = amqp_publish,
	.receive = amqp_receive,
	.take = amqp_take,
};
