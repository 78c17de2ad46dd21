/*
 * Happy path: stormers_begin() makes the queues and the threads; each thread runs its kind's turn until the phase says that
 * it is over; stormers_drain() changes the phase, watches the queues run empty and joins.
 *
 * Failure modes: a connection that breaks: what was asked goes into the history as HEARD_NOTHING, and wire_open() is tried
 * until somebody listens.  An answer that no broker may give is noted as strange and fails the storm.
 */
#include "tests/harness/stormer.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "shm/atomic.h"
#include "shm/hash.h"
#include "tests/harness/deadline.h"
#include "tests/harness/wire.h"

enum {
	ANSWER_MS = 15000,              /* the longest wait is 1 s, the longest stop too; a start takes a moment */
	BODY_BYTES_MAX = 300000,
	BATCH_MAX = 100,
	RECEIPT_BYTES = 72,
	OLD_RECEIPTS = 16,
	BACKLOG_MAX = 4000,             /* publishers pause while more is waiting */
	ACK_TRIES = 400,
	PAUSE_US = 3000,                /* before a connection or an overloaded broker is tried again */
	SLACK_US = 1600000              /* the longest SIGSTOP (chaos.h), and what a busy machine adds */
};

enum kind { PULSE, PUBLISHER, CONSUMER, REMOVER };

/* A receipt and what it is for. */
struct held {
	char text[RECEIPT_BYTES];
	uint64_t hash;
	uint32_t message;
	uint8_t queue;
};

struct stormer {
	struct stormers *all;
	pthread_t thread;
	uint16_t number;
	enum kind kind;
	uint64_t random;
	struct wire wire;
	char *request;
	size_t request_bytes;
	size_t request_capacity;
	char *body;
	uint64_t begin_us, end_us;      /* of the last request */
	uint32_t sequence;
	unsigned held_count;
	struct held held[BATCH_MAX];
	unsigned old_count;
	struct held old[OLD_RECEIPTS];
	struct stormer_counts counts;
};

struct stormers {
	uint64_t seed;
	uint32_t port;                  /* written by stormers_set_port(), read by all */
	uint32_t phase;                 /* enum storm_phase; the same */
	uint64_t sent, acked;           /* messages, for the backlog; any thread adds */
	char names[STORM_QUEUES][48];
	struct history *history;
	struct stormer stormers[STORMERS];
};

/* splitmix64, Sebastiano Vigna, public domain. */
static uint64_t
chance(struct stormer *stormer, uint64_t below)
{
	uint64_t z = stormer->random += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (z ^ z >> 31) % below;
}

static void
pause_us(unsigned us)
{
	const struct timespec pause = { .tv_nsec = (long)us * 1000 };

	nanosleep(&pause, NULL);
}

static enum storm_phase
phase_of(const struct stormer *stormer)
{
	return (enum storm_phase)load_relaxed(&stormer->all->phase);
}

/* --- requests --- */

static void
request_room(struct stormer *stormer, size_t bytes)
{
	if (stormer->request_capacity - stormer->request_bytes >= bytes)
		return;
	stormer->request_capacity = (stormer->request_bytes + bytes) * 2;
	stormer->request = realloc(stormer->request, stormer->request_capacity);
	assert(stormer->request != NULL);
}

static void
request_add(struct stormer *stormer, const char *bytes, size_t count)
{
	request_room(stormer, count);
	memcpy(stormer->request + stormer->request_bytes, bytes, count);
	stormer->request_bytes += count;
}

static void __attribute__((format(printf, 2, 3)))
request_print(struct stormer *stormer, const char *format, ...)
{
	va_list arguments;
	int n;

	request_room(stormer, 1024);
	va_start(arguments, format);
	n = vsnprintf(stormer->request + stormer->request_bytes, 1024, format, arguments);
	va_end(arguments);
	assert(n >= 0 && n < 1024);
	stormer->request_bytes += (size_t)n;
}

/* A connected wire, or false after a pause. */
static bool
connected(struct stormer *stormer)
{
	if (wire_open(&stormer->wire, (uint16_t)load_relaxed(&stormer->all->port)))
		return true;
	pause_us(PAUSE_US);
	return false;
}

static void
note_strange(struct stormer *stormer)
{
	const struct response *answer = &stormer->wire.answer;

	if (stormer->counts.strange[0] == '\0')
		snprintf(stormer->counts.strange, sizeof(stormer->counts.strange), "%.60s was answered %u %.150s",
		    stormer->request, answer->status, answer->body);
}

/* Whether this answer may come, other than by 2xx. */
static bool
is_known(unsigned status, enum storm_queue queue)
{
	return status == 503 || status == 410 || (status == 404 && queue == QUEUE_REMOVED);
}

/* Send what was built and wait for its answer: what is known of it now. */
static enum history_outcome
ask(struct stormer *stormer, enum storm_queue queue)
{
	unsigned status;
	enum wire_end end;

	stormer->counts.operations++;
	stormer->begin_us = clock_us();
	end = wire_ask(&stormer->wire, stormer->request, stormer->request_bytes, ANSWER_MS);
	stormer->end_us = clock_us();
	status = stormer->wire.answer.status;
	if (end == WIRE_ANSWERED && status / 100 == 2)
		return HEARD_OK;
	if (end == WIRE_ANSWERED && !is_known(status, queue))
		note_strange(stormer);
	stormer->counts.silent += end == WIRE_SILENT;
	if (end == WIRE_ANSWERED && status == 410)
		return HEARD_STALE;
	if (end == WIRE_ANSWERED && status / 100 == 4)
		return HEARD_REFUSED;
	stormer->counts.unknown++;
	if (end == WIRE_ANSWERED)
		pause_us(PAUSE_US);
	return HEARD_NOTHING;
}

static struct history_event
event_of(const struct stormer *stormer, enum history_op op, enum storm_queue queue, enum history_outcome outcome)
{
	return (struct history_event){ .begin_us = stormer->begin_us, .end_us = stormer->end_us,
		.client = stormer->number, .queue = (uint8_t)queue, .op = (uint8_t)op, .outcome = (uint8_t)outcome };
}

/* Head and body of a request with JSON. */
static void
build(struct stormer *stormer, const char *method, enum storm_queue queue, const char *what, const char *json)
{
	stormer->request_bytes = 0;
	request_print(stormer, "%s /v1/queues/%s%s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
	    "Content-Length: %zu\r\n\r\n", method, stormer->all->names[queue], what, strlen(json));
	request_add(stormer, json, strlen(json));
}

/* --- publishing --- */

static size_t
body_bytes_of(struct stormer *stormer)
{
	uint64_t kind = chance(stormer, 100);
	uint64_t most = kind < 80 ? 600 : kind < 95 ? 4000 : kind < 99 ? 64000 : BODY_BYTES_MAX;

	return STORM_BODY_BYTES_MIN + chance(stormer, most - STORM_BODY_BYTES_MIN);
}

static void
build_single(struct stormer *stormer, enum storm_queue queue, size_t body_bytes)
{
	char delay[40] = "";

	if (queue == QUEUE_DELAYED)
		snprintf(delay, sizeof(delay), "Mq-Delay: %" PRIu64 "ms\r\n", chance(stormer, 300));
	storm_body(stormer->all->seed, message_number(stormer->number, stormer->sequence), stormer->body, body_bytes);
	stormer->request_bytes = 0;
	request_print(stormer, "POST /v1/queues/%s/messages HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n%s"
	    "Content-Length: %zu\r\n\r\n", stormer->all->names[queue], delay, body_bytes);
	request_add(stormer, stormer->body, body_bytes);
}

static void
build_batch(struct stormer *stormer, enum storm_queue queue, uint32_t count)
{
	const char *head = "POST /v1/queues/%s/messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n"
	    "Content-Length: %08zu\r\n\r\n";
	size_t head_bytes;
	char again[400];

	stormer->request_bytes = 0;
	request_print(stormer, head, stormer->all->names[queue], (size_t)0);
	head_bytes = stormer->request_bytes;
	for (uint32_t i = 0; i < count; i++) {
		size_t body_bytes = STORM_BODY_BYTES_MIN + chance(stormer, 2000);

		storm_body(stormer->all->seed, message_number(stormer->number, stormer->sequence + i), stormer->body,
		    body_bytes);
		request_print(stormer, "{");
		if (queue == QUEUE_DELAYED)
			request_print(stormer, "\"delay\":\"%" PRIu64 "ms\",", chance(stormer, 300));
		request_print(stormer, "\"body\":\"");
		request_add(stormer, stormer->body, body_bytes);
		request_print(stormer, "\"}\n");
	}
	/* The length is known now; its digits do not change the head's. */
	snprintf(again, sizeof(again), head, stormer->all->names[queue], stormer->request_bytes - head_bytes);
	memcpy(stormer->request, again, head_bytes);
}

/* Send the publish that was built. */
static void
publish(struct stormer *stormer, enum storm_queue queue, uint32_t count)
{
	struct history_event event = event_of(stormer, EVENT_SENT, queue, ask(stormer, queue));

	event.message = message_number(stormer->number, stormer->sequence);
	event.count = count;
	history_add(stormer->all->history, &event);
	stormer->sequence += count;
	stormer->counts.messages += count;
	__atomic_fetch_add(&stormer->all->sent, count, __ATOMIC_RELAXED);
}

static bool
is_backlogged(const struct stormer *stormer)
{
	return load_relaxed(&stormer->all->sent) > load_relaxed(&stormer->all->acked) + BACKLOG_MAX;
}

static void
publisher_turn(struct stormer *stormer)
{
	static const enum storm_queue queues[] = { QUEUE_PLAIN, QUEUE_BATCHES, QUEUE_MEMORY, QUEUE_DELAYED, QUEUE_REMOVED };
	enum storm_queue queue = queues[chance(stormer, sizeof(queues) / sizeof(queues[0]))];
	uint32_t count = 1;

	if (is_backlogged(stormer)) {
		pause_us(PAUSE_US);
		return;
	}
	if (queue == QUEUE_BATCHES || chance(stormer, 4) == 0)
		count = 2 + (uint32_t)chance(stormer, chance(stormer, 8) == 0 ? BATCH_MAX - 1 : 12);
	if (count == 1)
		build_single(stormer, queue, body_bytes_of(stormer));
	else
		build_batch(stormer, queue, count);
	publish(stormer, queue, count);
}

static void
pulse_turn(struct stormer *stormer)
{
	enum storm_queue queue = stormer->number % 2 == 0 ? QUEUE_PULSE : QUEUE_PULSE_TOO;

	build_single(stormer, queue, STORM_BODY_BYTES_MIN);
	publish(stormer, queue, 1);
	pause_us(1000);
}

/* --- receiving --- */

static void
remember(struct stormer *stormer, const struct held *held)
{
	stormer->old[stormer->old_count++ % OLD_RECEIPTS] = *held;
}

/* One message came. */
static void
take(struct stormer *stormer, struct history_event *event, const char *body, size_t body_bytes, const char *receipt,
    const char *id)
{
	struct held *held = &stormer->held[stormer->held_count];
	bool is_altered = true;

	if (!storm_body_read(stormer->all->seed, body, body_bytes, &event->message, &is_altered))
		event->message = UINT32_MAX; /* nobody sent this */
	event->is_altered = is_altered;
	event->receipt = hash_bytes(receipt, strlen(receipt));
	event->id = hash_bytes(id, strlen(id));
	history_add(stormer->all->history, event);
	stormer->counts.deliveries++;
	*held = (struct held){ .hash = event->receipt, .message = event->message, .queue = event->queue };
	snprintf(held->text, sizeof(held->text), "%s", receipt);
	stormer->held_count++;
}

static const char *
text_or_empty(const char *text)
{
	return text != NULL ? text : "";
}

static void
take_raw(struct stormer *stormer, struct history_event *event)
{
	const struct response *answer = &stormer->wire.answer;
	const char *receipt = text_or_empty(response_field(answer, "Mq-Receipt"));

	event->delivery_count = (uint32_t)atoi(text_or_empty(response_field(answer, "Mq-Delivery-Count")));
	event->acquire_count = (uint32_t)atoi(text_or_empty(response_field(answer, "Mq-Acquire-Count")));
	take(stormer, event, answer->body, answer->body_bytes, receipt,
	    text_or_empty(response_field(answer, "Mq-Message-Id")));
}

static void
take_list(struct stormer *stormer, struct history_event *event)
{
	json_t *messages = response_member(&stormer->wire.answer, "messages"), *message;
	size_t i;

	if (!json_is_array(messages) || json_array_size(messages) > BATCH_MAX) {
		note_strange(stormer);
		return;
	}
	json_array_foreach(messages, i, message) {
		json_t *body = json_object_get(message, "body");

		event->place = (uint32_t)i;
		event->delivery_count = (uint32_t)json_integer_value(json_object_get(message, "delivery_count"));
		event->acquire_count = (uint32_t)json_integer_value(json_object_get(message, "acquire_count"));
		take(stormer, event, text_or_empty(json_string_value(body)), json_string_length(body),
		    text_or_empty(json_string_value(json_object_get(message, "receipt"))),
		    text_or_empty(json_string_value(json_object_get(message, "id"))));
	}
}

static void
receive(struct stormer *stormer, enum storm_queue queue, unsigned lease_ms, unsigned wait_ms)
{
	bool is_raw = chance(stormer, 10) == 0, drains = phase_of(stormer) == STORM_DRAINS;
	uint64_t max = is_raw ? 1 : 1 + chance(stormer, drains || chance(stormer, 3) == 0 ? BATCH_MAX : 10);
	struct history_event event;
	enum history_outcome outcome;
	char json[96];

	int n = snprintf(json, sizeof(json), "{\"max\":%" PRIu64 ",\"lease\":\"%ums\",\"wait\":\"%ums\"}", max, lease_ms,
	    wait_ms);
	stormer->request_bytes = 0;
	request_print(stormer, "POST /v1/queues/%s/messages:receive HTTP/1.1\r\nHost: x\r\nAccept: %s\r\n"
	    "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", stormer->all->names[queue],
	    is_raw ? "application/octet-stream" : "application/json", n, json);
	stormer->held_count = 0;
	outcome = ask(stormer, queue);
	event = event_of(stormer, EVENT_DELIVERED, queue, outcome);
	event.lease_us = (uint64_t)lease_ms * 1000;
	if (outcome == HEARD_OK && stormer->wire.answer.status != 204) {
		if (is_raw)
			take_raw(stormer, &event);
		else
			take_list(stormer, &event);
		return;
	}
	event.op = EVENT_NOTHING_CAME;
	history_add(stormer->all->history, &event);
}

/* --- settling --- */

static void
note_settled(struct stormer *stormer, const struct held *held, enum history_op op, enum history_outcome outcome,
    unsigned lease_ms)
{
	struct history_event event = event_of(stormer, op, held->queue, outcome);

	event.message = held->message;
	event.receipt = held->hash;
	event.lease_us = (uint64_t)lease_ms * 1000;
	history_add(stormer->all->history, &event);
	stormer->counts.stale += outcome == HEARD_STALE;
	if (op == EVENT_ACKED && outcome == HEARD_OK)
		__atomic_fetch_add(&stormer->all->acked, 1, __ATOMIC_RELAXED);
}

/* What goes with the operation, as members of a JSON object. */
static void
wish_of(struct stormer *stormer, enum history_op op, unsigned lease_ms, char json[80])
{
	if (op == EVENT_EXTENDED)
		snprintf(json, 80, "\"lease\":\"%ums\"", lease_ms);
	else if (op == EVENT_NACKED)
		snprintf(json, 80, "\"mode\":\"%s\",\"delay\":\"%" PRIu64 "ms\"",
		    chance(stormer, 2) == 0 ? "fail" : "release", chance(stormer, 2) * chance(stormer, 200));
	else
		json[0] = '\0';
}

static enum history_outcome
settle_one(struct stormer *stormer, enum history_op op, const struct held *held, unsigned lease_ms)
{
	char what[RECEIPT_BYTES + 24], wish[80], json[96];
	enum history_outcome outcome;

	wish_of(stormer, op, lease_ms, wish);
	snprintf(json, sizeof(json), op == EVENT_ACKED ? "%s" : "{%s}", wish);
	snprintf(what, sizeof(what), "/leases/%s%s", held->text, op == EVENT_NACKED ? ":nack" : "");
	build(stormer, op == EVENT_ACKED ? "DELETE" : op == EVENT_EXTENDED ? "PATCH" : "POST", held->queue, what, json);
	outcome = ask(stormer, held->queue);
	note_settled(stormer, held, op, outcome, lease_ms);
	return outcome;
}

/* All that are held, in one request. */
static enum history_outcome
settle_batch(struct stormer *stormer, enum history_op op, unsigned lease_ms)
{
	static const char *const verbs[] = { [EVENT_ACKED] = "ack", [EVENT_NACKED] = "nack", [EVENT_EXTENDED] = "extend" };
	char json[BATCH_MAX * (RECEIPT_BYTES + 4) + 120], what[24], wish[80];
	size_t count = (size_t)sprintf(json, "{\"receipts\":[");
	enum history_outcome outcome;
	json_t *results;

	for (unsigned i = 0; i < stormer->held_count; i++)
		count += (size_t)sprintf(json + count, "%s\"%s\"", i == 0 ? "" : ",", stormer->held[i].text);
	wish_of(stormer, op, lease_ms, wish);
	sprintf(json + count, "]%s%s}", wish[0] != '\0' ? "," : "", wish);
	snprintf(what, sizeof(what), "/leases:%s", verbs[op]);
	build(stormer, "POST", stormer->held[0].queue, what, json);
	outcome = ask(stormer, stormer->held[0].queue);
	results = outcome == HEARD_OK ? response_member(&stormer->wire.answer, "results") : NULL;
	if (outcome == HEARD_OK && json_array_size(results) != stormer->held_count)
		note_strange(stormer);
	for (unsigned i = 0; i < stormer->held_count; i++) {
		json_int_t status = json_integer_value(json_object_get(json_array_get(results, i), "status"));

		if (outcome != HEARD_OK)
			note_settled(stormer, &stormer->held[i], op, outcome, lease_ms);
		else if (status == 410)
			note_settled(stormer, &stormer->held[i], op, HEARD_STALE, lease_ms);
		else if (status / 100 == 2)
			note_settled(stormer, &stormer->held[i], op, HEARD_OK, lease_ms);
		else
			note_strange(stormer);
	}
	return outcome;
}

/* Ack all that are held; what was not answered is asked again, with the same receipts. */
static void
ack_all(struct stormer *stormer)
{
	bool is_single = stormer->held_count == 1 || chance(stormer, 20) == 0;

	for (unsigned first = 0; first < stormer->held_count; first++) {
		enum history_outcome outcome = HEARD_NOTHING;

		for (unsigned tries = 0; outcome == HEARD_NOTHING && tries < ACK_TRIES; tries++) {
			if (!connected(stormer))
				continue;
			outcome = is_single ? settle_one(stormer, EVENT_ACKED, &stormer->held[first], 0)
			    : settle_batch(stormer, EVENT_ACKED, 0);
		}
		if (!is_single)
			return;
	}
}

static void
try_old_receipt(struct stormer *stormer)
{
	static const enum history_op ops[] = { EVENT_ACKED, EVENT_NACKED, EVENT_EXTENDED };
	unsigned count = stormer->old_count < OLD_RECEIPTS ? stormer->old_count : OLD_RECEIPTS;

	if (count > 0)
		(void)settle_one(stormer, ops[chance(stormer, 3)], &stormer->old[chance(stormer, count)], 1000);
}

static void
settle_somehow(struct stormer *stormer)
{
	uint64_t what = chance(stormer, 100);

	remember(stormer, &stormer->held[chance(stormer, stormer->held_count)]);
	if (what < 6)
		return; /* forgotten: the leases end by themselves */
	if (what < 16) {
		(void)settle_batch(stormer, EVENT_NACKED, 0);
		return;
	}
	if (what < 26)
		(void)settle_batch(stormer, EVENT_EXTENDED, 500 + (unsigned)chance(stormer, 2500));
	if (connected(stormer))
		ack_all(stormer);
}

static void
consumer_turn(struct stormer *stormer)
{
	static const unsigned leases_ms[] = { 300, 2500, 3000, 3500 }, waits_ms[] = { 0, 0, 20, 20, 100, 100, 100, 1000 };
	bool drains = phase_of(stormer) == STORM_DRAINS;
	enum storm_queue queue = (enum storm_queue)chance(stormer, STORM_QUEUES);

	if (!drains && chance(stormer, 20) == 0) {
		try_old_receipt(stormer);
		return;
	}
	receive(stormer, queue, drains ? 20000 : leases_ms[chance(stormer, 4)], drains ? 2 : waits_ms[chance(stormer, 8)]);
	if (stormer->held_count == 0 || !connected(stormer))
		return;
	if (drains)
		ack_all(stormer);
	else
		settle_somehow(stormer);
}

/* --- purging and deleting --- */

/* False when it is to be tried again: the queue may still be going. */
static bool
make_queue(struct stormer *stormer, enum storm_queue queue)
{
	build(stormer, "PUT", queue, "", queue == QUEUE_MEMORY
	    ? "{\"durability\":\"memory\",\"max_deliveries\":1000000,\"backoff\":{\"min\":\"1ms\",\"max\":\"50ms\"}}"
	    : "{\"max_deliveries\":1000000,\"backoff\":{\"min\":\"1ms\",\"max\":\"50ms\"}}");
	return ask(stormer, QUEUE_REMOVED) == HEARD_OK;
}

static void
remover_turn(struct stormer *stormer)
{
	bool is_delete = chance(stormer, 3) == 0;
	struct history_event event;
	enum history_outcome outcome;

	pause_us(100000 + (unsigned)chance(stormer, 300000));
	if (!connected(stormer) || phase_of(stormer) != STORM_BLOWS)
		return;
	if (is_delete)
		build(stormer, "DELETE", QUEUE_REMOVED, "", "");
	else
		build(stormer, "POST", QUEUE_REMOVED, ":purge", "{}");
	outcome = ask(stormer, QUEUE_REMOVED);
	event = event_of(stormer, is_delete ? EVENT_DELETED : EVENT_PURGED, QUEUE_REMOVED, outcome);
	history_add(stormer->all->history, &event);
	/* Also when it is not known whether the queue went; a PUT of what is there changes nothing. */
	while (is_delete && phase_of(stormer) != STORM_IS_OVER) {
		if (connected(stormer) && make_queue(stormer, QUEUE_REMOVED))
			return;
	}
}

/* --- all of them --- */

static void *
stormer_run(void *argument)
{
	static void (*const turns[])(struct stormer *) = { [PULSE] = pulse_turn, [PUBLISHER] = publisher_turn,
		[CONSUMER] = consumer_turn, [REMOVER] = remover_turn };
	struct stormer *stormer = argument;
	enum storm_phase last = stormer->kind == CONSUMER ? STORM_DRAINS : STORM_BLOWS;

	while (phase_of(stormer) <= last) {
		if (connected(stormer))
			turns[stormer->kind](stormer);
	}
	return NULL;
}

static enum kind
kind_of(unsigned number)
{
	if (number < PULSES)
		return PULSE;
	if (number < PULSES + PUBLISHERS)
		return PUBLISHER;
	return number < PULSES + PUBLISHERS + CONSUMERS ? CONSUMER : REMOVER;
}

/* Names of this storm alone: whoever comes by the port of another broker finds no queue there. */
static void
name_queues(struct stormers *stormers, unsigned workers)
{
	static const char *const names[STORM_QUEUES] = { "plain", "batches", "memory", "delayed", "removed", "pulse",
		"pulse-too" };

	for (unsigned i = 0; i < STORM_QUEUES; i++) {
		unsigned wanted = i == QUEUE_PULSE_TOO ? workers - 1 : 0, k = 0;
		char *name = stormers->names[i];

		do {
			snprintf(name, sizeof(stormers->names[i]), "%s-%" PRIx64 "-%u", names[i], stormers->seed, k++);
		} while (i >= QUEUE_PULSE && hash_shard(name, strlen(name), workers) != wanted);
	}
}

struct stormers *
stormers_begin(uint64_t seed, uint16_t port, unsigned workers, struct history *history)
{
	struct stormers *stormers = calloc(1, sizeof(*stormers));
	struct history_queue queues[STORM_QUEUES] = { [QUEUE_MEMORY].is_memory = true, [QUEUE_DELAYED].is_unordered = true };

	assert(stormers != NULL);
	*stormers = (struct stormers){ .seed = seed, .port = port, .history = history };
	name_queues(stormers, workers);
	for (unsigned i = 0; i < STORM_QUEUES; i++)
		queues[i].name = stormers->names[i];
	history_init(history, queues, STORM_QUEUES, STORMERS, SLACK_US);
	for (unsigned i = 0; i < STORMERS; i++) {
		struct stormer *stormer = &stormers->stormers[i];

		*stormer = (struct stormer){ .all = stormers, .number = (uint16_t)i, .kind = kind_of(i),
			.random = seed * STORMERS + i, .body = malloc(BODY_BYTES_MAX + 1) };
		assert(stormer->body != NULL);
		wire_init(&stormer->wire);
	}
	for (unsigned i = 0; i < STORM_QUEUES; i++) {
		while (!connected(&stormers->stormers[0]) || !make_queue(&stormers->stormers[0], (enum storm_queue)i))
			;
	}
	for (unsigned i = 0; i < STORMERS; i++) {
		int rc = pthread_create(&stormers->stormers[i].thread, NULL, stormer_run, &stormers->stormers[i]);

		assert(rc == 0);
		(void)rc;
	}
	return stormers;
}

void
stormers_set_port(struct stormers *stormers, uint16_t port)
{
	store_relaxed(&stormers->port, port);
}

/* Messages of a queue, in whatever state; -1: nobody says. */
static int64_t
messages_in(struct stormer *stormer, enum storm_queue queue)
{
	static const char *const states[] = { "ready", "delayed", "leased", "dead" };
	json_t *stats;
	int64_t sum = 0;

	if (!connected(stormer))
		return -1;
	build(stormer, "GET", queue, "", "");
	if (ask(stormer, queue) != HEARD_OK)
		return -1;
	stats = response_member(&stormer->wire.answer, "stats");
	for (unsigned i = 0; i < 4; i++)
		sum += json_integer_value(json_object_get(stats, states[i]));
	return json_is_object(stats) ? sum : -1;
}

static void
join(struct stormers *stormers, enum kind first, enum kind last)
{
	for (unsigned i = 0; i < STORMERS; i++) {
		if (stormers->stormers[i].kind >= first && stormers->stormers[i].kind <= last)
			(void)pthread_join(stormers->stormers[i].thread, NULL); /* each once: it cannot fail */
	}
}

const char *
stormers_drain(struct stormers *stormers, unsigned timeout_ms)
{
	static char complaint[160];
	uint64_t deadline_ms = deadline_in(timeout_ms);
	struct stormer *looker = &stormers->stormers[0];
	bool is_late = false;

	store_relaxed(&stormers->phase, STORM_DRAINS);
	join(stormers, PULSE, PUBLISHER);
	join(stormers, REMOVER, REMOVER);
	complaint[0] = '\0';
	for (unsigned queue = 0; queue < STORM_QUEUES && !is_late;) {
		int64_t left = messages_in(looker, (enum storm_queue)queue);

		if (left == 0) {
			queue++;
			continue;
		}
		is_late = !deadline_pause(deadline_ms);
		if (is_late)
			snprintf(complaint, sizeof(complaint), "%lld messages of %s do not come (-1: no such answer)",
			    (long long)left, stormers->names[queue]);
	}
	store_relaxed(&stormers->phase, STORM_IS_OVER);
	join(stormers, CONSUMER, CONSUMER);
	return is_late ? complaint : NULL;
}

struct stormer_counts
stormers_counts(const struct stormers *stormers)
{
	struct stormer_counts sum = { 0 };

	for (unsigned i = 0; i < STORMERS; i++) {
		const struct stormer_counts *counts = &stormers->stormers[i].counts;

		sum.operations += counts->operations;
		sum.unknown += counts->unknown;
		sum.messages += counts->messages;
		sum.deliveries += counts->deliveries;
		sum.stale += counts->stale;
		sum.silent += counts->silent;
		if (sum.strange[0] == '\0')
			memcpy(sum.strange, counts->strange, sizeof(sum.strange));
	}
	return sum;
}

void
stormers_free(struct stormers *stormers)
{
	for (unsigned i = 0; i < STORMERS; i++) {
		struct stormer *stormer = &stormers->stormers[i];

		wire_free(&stormer->wire);
		free(stormer->request);
		free(stormer->body);
	}
	free(stormers);
}
