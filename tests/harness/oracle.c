#include "tests/harness/oracle.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/harness/deadline.h"

enum { VERDICT_BYTES = 4000, BODY_HEAD_BYTES = 22 };

struct message {
	uint64_t acked_ms;              /* when its acknowledgement succeeded; 0: not yet */
	uint64_t acked_receipt;         /* hash of the receipt that did it */
	uint64_t counted_ms;            /* when delivery_count was seen to rise */
	uint32_t stream;
	uint32_t delivery_count;        /* highest seen; 0: never delivered */
	uint8_t outcome;                /* enum publish_outcome */
	bool is_ack_unknown;
};

struct oracle {
	struct oracle_options options;
	struct oracle_counts counts;
	uint32_t used;
	struct message *messages;
	uint32_t stream_count;
	uint32_t stream_capacity;
	uint32_t *stream_last;          /* highest number delivered of each, + 1 */
	char *expected;                 /* one body, for comparing */
	size_t verdict_bytes;
	char verdict[VERDICT_BYTES];
};

/* splitmix64, Sebastiano Vigna, public domain. */
static uint64_t
mix(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static uint64_t
text_hash(const char *text)
{
	uint64_t hash = 0;

	for (; *text != '\0'; text++) {
		hash ^= (unsigned char)*text;
		(void)mix(&hash); /* wanted is what it does to the state */
		hash = mix(&hash);
	}
	return hash;
}

struct oracle *
oracle_new(const struct oracle_options *options)
{
	struct oracle *oracle = calloc(1, sizeof(*oracle));

	assert(oracle != NULL);
	assert(options->body_bytes_min > BODY_HEAD_BYTES && options->body_bytes_max >= options->body_bytes_min);
	oracle->options = *options;
	oracle->messages = calloc(options->messages_max, sizeof(*oracle->messages));
	oracle->expected = malloc(options->body_bytes_max + 8);
	assert(oracle->messages != NULL && oracle->expected != NULL);
	return oracle;
}

void
oracle_free(struct oracle *oracle)
{
	if (oracle == NULL)
		return;
	free(oracle->messages);
	free(oracle->stream_last);
	free(oracle->expected);
	free(oracle);
}

uint32_t
oracle_stream(struct oracle *oracle)
{
	if (oracle->stream_count == oracle->stream_capacity) {
		oracle->stream_capacity = oracle->stream_capacity * 2 + 64;
		oracle->stream_last = realloc(oracle->stream_last, oracle->stream_capacity * sizeof(*oracle->stream_last));
		assert(oracle->stream_last != NULL);
	}
	oracle->stream_last[oracle->stream_count] = 0;
	return oracle->stream_count++;
}

uint32_t
oracle_next(struct oracle *oracle, uint32_t stream)
{
	if (oracle->used == oracle->options.messages_max)
		return ORACLE_NONE;
	oracle->messages[oracle->used] = (struct message){ .stream = stream, .outcome = PUBLISH_SENT };
	oracle->counts.sent++;
	return oracle->used++;
}

bool
oracle_is_used_up(const struct oracle *oracle)
{
	return oracle->used == oracle->options.messages_max;
}

uint32_t
oracle_body_bytes_max(const struct oracle *oracle)
{
	return oracle->options.body_bytes_max;
}

uint32_t
oracle_body(const struct oracle *oracle, uint32_t number, char *body)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const struct oracle_options *options = &oracle->options;
	uint64_t state = options->seed + (uint64_t)number * 0x2545f4914f6cdd1d;
	uint32_t spread = options->body_bytes_max - options->body_bytes_min + 1;
	uint32_t body_bytes = options->body_bytes_min + (uint32_t)(mix(&state) % spread);

	snprintf(body, BODY_HEAD_BYTES + 1, "msg %010u %06x ", number, body_bytes & 0xffffff);
	for (uint32_t i = BODY_HEAD_BYTES; i < body_bytes; i += 8) {
		uint64_t bits = mix(&state);

		for (uint32_t k = i; k < body_bytes && k < i + 8; k++, bits >>= 6)
			body[k] = letters[bits & 63];
	}
	return body_bytes;
}

void
oracle_violation(struct oracle *oracle, const char *format, ...)
{
	va_list arguments;
	size_t room = VERDICT_BYTES - oracle->verdict_bytes;
	int n;

	oracle->counts.violations++;
	if (room < 200)
		return;
	va_start(arguments, format);
	n = vsnprintf(oracle->verdict + oracle->verdict_bytes, room - 1, format, arguments);
	va_end(arguments);
	oracle->verdict_bytes += n < 0 ? 0 : (size_t)n < room - 1 ? (size_t)n : room - 2;
	memcpy(oracle->verdict + oracle->verdict_bytes++, "\n", 2);
}

void
oracle_published(struct oracle *oracle, uint32_t first, uint32_t count, enum publish_outcome outcome)
{
	for (uint32_t number = first; number < first + count; number++) {
		struct message *message = &oracle->messages[number];

		assert(message->outcome == PUBLISH_SENT);
		message->outcome = (uint8_t)outcome;
		if (outcome == PUBLISH_ACKNOWLEDGED) {
			oracle->counts.acknowledged++;
			/* A consumer may have been faster than the answer to the publisher. */
			if (message->acked_ms == 0 && !message->is_ack_unknown)
				oracle->counts.owed++;
		}
		if (outcome == PUBLISH_REFUSED) {
			oracle->counts.refused++;
			if (message->delivery_count != 0)
				oracle_violation(oracle, "O6: message %u was refused and had been delivered", number);
		}
	}
}

/* O7: first deliveries of one stream rise. */
static void
check_order(struct oracle *oracle, uint32_t number, const struct message *message)
{
	uint32_t *last = &oracle->stream_last[message->stream];

	if (oracle->options.is_fifo && number + 1 <= *last)
		oracle_violation(oracle, "O7: message %u came after message %u of the same connection", number, *last - 1);
	if (number + 1 > *last)
		*last = number + 1;
}

uint32_t
oracle_delivered(struct oracle *oracle, const char *body, size_t body_bytes, uint32_t delivery_count, uint64_t asked_ms)
{
	struct message *message;
	unsigned number;

	oracle->counts.deliveries++;
	if (body_bytes < BODY_HEAD_BYTES || sscanf(body, "msg %10u ", &number) != 1 || number >= oracle->used) {
		oracle_violation(oracle, "O3: a body that nobody sent: %.*s", (int)(body_bytes < 60 ? body_bytes : 60), body);
		return ORACLE_NONE;
	}
	message = &oracle->messages[number];
	if (oracle_body(oracle, number, oracle->expected) != body_bytes || memcmp(oracle->expected, body, body_bytes) != 0)
		oracle_violation(oracle, "O3: message %u came with another body", number);
	if (message->acked_ms != 0 && asked_ms > message->acked_ms)
		oracle_violation(oracle, "O2: message %u was delivered after it was acked", number);
	if (message->outcome == PUBLISH_REFUSED)
		oracle_violation(oracle, "O6: message %u was refused and is delivered", number);
	if ((delivery_count < message->delivery_count && asked_ms > message->counted_ms) || delivery_count == 0)
		oracle_violation(oracle, "O4: message %u has delivery_count %u after %u", number, delivery_count,
		    message->delivery_count);
	if (message->delivery_count == 0) {
		oracle->counts.delivered++;
		check_order(oracle, number, message);
	}
	if (delivery_count > message->delivery_count) {
		message->delivery_count = delivery_count;
		message->counted_ms = clock_ms();
	}
	return number;
}

void
oracle_acked(struct oracle *oracle, uint32_t number, const char *receipt, enum ack_outcome outcome)
{
	struct message *message = &oracle->messages[number];
	uint64_t hash = text_hash(receipt);
	bool was_owed = message->acked_ms == 0 && !message->is_ack_unknown && message->outcome == PUBLISH_ACKNOWLEDGED;

	if (outcome == ACK_STALE)
		return;
	if (outcome == ACK_UNKNOWN) {
		if (!message->is_ack_unknown && message->acked_ms == 0)
			oracle->counts.ack_unknown++;
		message->is_ack_unknown = true;
	} else if (message->acked_ms == 0) {
		oracle->counts.acked++;
		if (message->is_ack_unknown)
			oracle->counts.ack_unknown--;
		message->acked_ms = clock_ms();
		message->acked_receipt = hash;
	} else if (message->acked_receipt != hash) {
		oracle_violation(oracle, "O5: message %u was acked with two receipts", number);
	}
	if (was_owed)
		oracle->counts.owed--;
}

struct oracle_counts
oracle_counts(const struct oracle *oracle)
{
	return oracle->counts;
}

bool
oracle_is_settled(const struct oracle *oracle)
{
	return oracle->counts.owed == 0;
}

bool
oracle_has_come(const struct oracle *oracle, uint32_t number)
{
	return number < oracle->used && oracle->messages[number].delivery_count > 0;
}

const char *
oracle_verdict(struct oracle *oracle)
{
	unsigned shown = 0;

	for (uint32_t number = 0; number < oracle->used && oracle->counts.owed > 0 && shown < 5; number++) {
		const struct message *message = &oracle->messages[number];

		if (message->outcome == PUBLISH_ACKNOWLEDGED && message->acked_ms == 0 && !message->is_ack_unknown) {
			shown++;
			oracle_violation(oracle, "O1: message %u was acknowledged and %s (%u in all are owed)", number,
			    message->delivery_count == 0 ? "never came" : "came, but could not be acked",
			    oracle->counts.owed);
		}
	}
	return oracle->verdict;
}
