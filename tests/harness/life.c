#include "tests/harness/life.h"

#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shm/record.h"
#include "tests/harness/client.h"
#include "tests/harness/power.h"

enum { BODY_MAX = 200000, BATCH_MAX = 7, AT_ONCE = 8, QUEUES = 5, QUEUES_CONSUMED = 4, KEPT = 80 };

const char *const life_options[] = { "worker.shards=2", "worker.messages=20000", "worker.queues=16",
	"worker.stream_ring=8MiB", "data.ready_bytes=128MiB", NULL };
/* Fewer ready ones, so that dropped ones have their turn. */
const char *const life_trimmed_options[] = { "worker.shards=2", "worker.messages=20000", "worker.queues=16",
	"worker.stream_ring=8MiB", "data.snapshot_bytes=1MiB", "data.ready_bytes=24MiB", NULL };
/* On both shards.  What is in the last one stays there. */
static const char *const queues[QUEUES] = { "one", "two", "three", "four", "kept" };

uint64_t
life_any(struct life *life, uint64_t below)
{
	life->random ^= life->random << 13;
	life->random ^= life->random >> 7;
	life->random ^= life->random << 17;
	return life->random % below;
}

/* The body of a message says its number; the rest, and its length, follow from that. */
static uint32_t
body_of(uint32_t number, char *body)
{
	uint32_t mixed = number * 2654435761u, bytes = mixed % 16 == 0 ? mixed / 16 % BODY_MAX : mixed / 16 % 3000;
	uint32_t count = (uint32_t)sprintf(body, "message %08" PRIu32 " ", number);

	for (; count < bytes; count++)
		body[count] = (char)('a' + (count * 7 + number) % 26);
	body[count] = '\0';
	return count;
}

/* The number in a body that is whole; UINT32_MAX: it is not one of ours as it was sent. */
static uint32_t
number_of(const char *body, size_t bytes)
{
	static char wanted[BODY_MAX + 100];
	uint32_t number;

	if (bytes < 17 || sscanf(body, "message %08" SCNu32, &number) != 1 || number >= LIFE_MESSAGES_MAX)
		return UINT32_MAX;
	return body_of(number, wanted) == bytes && memcmp(wanted, body, bytes) == 0 ? number : UINT32_MAX;
}

/* --- recording --- */

static void
publish_begin(struct life *life, struct client *client, uint32_t *publish)
{
	static char text[BATCH_MAX * (BODY_MAX + 100)], body[BODY_MAX + 100];
	uint32_t count = life_any(life, 4) == 0 ? 2 + (uint32_t)life_any(life, BATCH_MAX - 1) : 1;
	struct life_publish *published = &life->publishes[*publish = life->publish_count++];
	size_t bytes = 0;
	char request[80];

	ck_assert_uint_lt(life->messages + count, LIFE_MESSAGES_MAX);
	*published = (struct life_publish){ .first = life->messages, .count = count };
	for (uint32_t i = 0; i < count; i++) {
		uint32_t body_bytes = body_of(published->first + i, body);

		if (count == 1)
			memcpy(text, body, bytes = body_bytes);
		else
			bytes += (size_t)sprintf(text + bytes, "{\"body\":\"%s\"}\n", body);
	}
	life->messages += count;
	bool is_kept = life->kind == LIFE_CLEANED && life->messages <= KEPT;
	snprintf(request, sizeof(request), "POST /v1/queues/%s/messages",
	    queues[is_kept ? QUEUES - 1 : life_any(life, QUEUES_CONSUMED)]);
	client_request(client, request, count == 1 ? "Content-Type: text/plain\r\n" : "Content-Type: application/x-ndjson\r\n", text,
	    bytes);
}

static void
publish_end(struct life *life, struct client *client, uint32_t publish)
{
	struct response *answer = client_answer(client);

	/* While persistd is away its journal takes nothing. */
	if (answer->status == 503)
		return;
	ck_assert_msg(answer->status == 200 || answer->status == 201, "status %u: %.300s", answer->status, answer->body);
	life->publishes[publish].answered = io_log_tail(life->io);
}

static void
consume(struct life *life, struct client *client)
{
	const char *queue = queues[life_any(life, QUEUES_CONSUMED)];
	char request[120];

	snprintf(request, sizeof(request), "POST /v1/queues/%s/messages:receive", queue);
	struct response *answer = client_ask(client, request, "Accept: application/octet-stream\r\n", NULL);
	if (answer->status != 200)
		return;
	uint32_t number = number_of(answer->body, answer->body_bytes);
	ck_assert_uint_ne(number, UINT32_MAX);
	life->ack_sent[number] = io_log_tail(life->io) + 1;
	if (client_do(client, "DELETE /v1/queues/%s/leases/%s", queue, response_field(answer, "Mq-Receipt"))->status == 204)
		life->ack_answered[number] = io_log_tail(life->io);
}

struct crowd {
	struct client clients[AT_ONCE], consumer;
};

static void
crowd_open(struct crowd *crowd, uint16_t port)
{
	for (unsigned i = 0; i < AT_ONCE; i++)
		client_open(&crowd->clients[i], port);
	client_open(&crowd->consumer, port);
}

static void
crowd_close(struct crowd *crowd)
{
	for (unsigned i = 0; i < AT_ONCE; i++)
		client_close(&crowd->clients[i]);
	client_close(&crowd->consumer);
}

static void
work(struct life *life, struct crowd *crowd, uint64_t bytes)
{
	uint32_t publish[AT_ONCE];
	uint64_t end = io_log_tail(life->io) + bytes;

	while (io_log_tail(life->io) < end && life->messages + 2 * AT_ONCE * BATCH_MAX < LIFE_MESSAGES_MAX) {
		unsigned at_once = 1 + (unsigned)life_any(life, AT_ONCE);

		for (unsigned i = 0; i < at_once; i++)
			publish_begin(life, &crowd->clients[i], &publish[i]);
		for (unsigned i = 0; i < at_once; i++)
			publish_end(life, &crowd->clients[i], publish[i]);
		unsigned consumed = life->kind != LIFE_GROWS ? at_once * 3 : life_any(life, 3) == 0;

		for (unsigned i = 0; i < consumed; i++)
			consume(life, &crowd->consumer);
		/* Now and then long enough for a witness. */
		if (life_any(life, 100) == 0)
			(void)client_try_answer(&crowd->consumer, 60);
	}
}

/* So that something is on its way to the disk when somebody is killed. */
static void
ask_much(struct life *life, struct crowd *crowd)
{
	uint32_t publish;

	for (unsigned i = 0; i < AT_ONCE; i++)
		publish_begin(life, &crowd->clients[i], &publish);
}

void
life_use_wrapped(const char *log)
{
	char program[512], directory[600];

	unsetenv("CHASQUI_TEST_IO");
	broker_program(program, "chasqui");
	*strrchr(program, '/') = '\0';
	if (strcmp(strrchr(program, '/'), "/bin") == 0) {
		snprintf(directory, sizeof(directory), "%s/../faults", program);
		setenv("CHASQUI_BIN", directory, 1);
	}
	if (log != NULL)
		setenv("CHASQUI_TEST_IO", log, 1);
}

struct life *
life_record(const char *log, uint64_t seed, uint64_t bytes, enum life_kind kind)
{
	bool is_trimmed = kind != LIFE_GROWS;
	uint64_t first = is_trimmed ? bytes * 2 / 3 : bytes / 3, rest = (bytes - first) / 2;
	struct life *life = calloc(1, sizeof(*life));
	struct broker broker;
	struct crowd crowd;

	ck_assert_ptr_nonnull(life);
	life->random = seed * 0x9e3779b97f4a7c15ull | 1;
	life->kind = kind;
	broker_init(&broker, is_trimmed ? life_trimmed_options : life_options);
	life->io = io_log_create(log, broker.data);
	ck_assert_msg(life->io != NULL, "%s: %s", log, strerror(errno));
	life->io->is_recording = 1;
	life_use_wrapped(log);
	broker_start(&broker);
	client_open(&crowd.consumer, broker.port);
	for (unsigned i = 0; i < QUEUES; i++)
		client_queue(&crowd.consumer, queues[i], "{\"lease\":\"60s\"}");
	client_close(&crowd.consumer);
	crowd_open(&crowd, broker.port);
	work(life, &crowd, first);
	ask_much(life, &crowd);
	broker_wait_live(&broker, SLOT_PERSIST, broker_kill(&broker, SLOT_PERSIST));
	crowd_close(&crowd);
	crowd_open(&crowd, broker.port);
	work(life, &crowd, rest);
	ask_much(life, &crowd);
	broker_kill_all(&broker);
	crowd_close(&crowd);
	broker_wipe(&broker);
	broker_start(&broker);
	crowd_open(&crowd, broker.port);
	work(life, &crowd, rest);
	crowd_close(&crowd);
	broker_stop(&broker);
	broker_free(&broker);
	return life;
}

/* --- holding it against others --- */

unsigned
life_check_answers(const struct life *life)
{
	struct power power;
	unsigned count = 0, answered = 0;
	uint64_t *end = calloc(LIFE_MESSAGES_MAX, sizeof(*end));
	uint32_t *shard = calloc(LIFE_MESSAGES_MAX, sizeof(*shard)), next = 0;

	ck_assert(end != NULL && shard != NULL);
	power_open(&power, life->io);
	while (power_step(&power))
		;
	for (uint32_t b = 0; b < power.batch_count; b++) {
		const struct batch_header *header = power.batches[b];
		const char *bytes = (const char *)header + header->header_bytes;

		for (uint32_t i = 0; i < header->ranges; i++) {
			const struct batch_range *range = &batch_ranges(header)[i];

			for (uint32_t at = 0; at < range->bytes;) {
				const struct published_record *record = (const struct published_record *)(bytes + at);
				const char *body = bytes + at + RECORD_PUBLISHED_BYTES + record->attributes_bytes;
				uint32_t number = record->record.type == RECORD_PUBLISHED ? number_of(body, record->body_bytes) :
				    UINT32_MAX;

				if (number != UINT32_MAX) {
					end[number] = range->lsn + at + record->record.bytes;
					shard[number] = range->shard;
				}
				at += record->record.bytes;
			}
			bytes += range->bytes;
		}
	}
	power_close(&power);
	power_open(&power, life->io);
	bool has_more = true;
	while (has_more) {
		has_more = power_step(&power);
		/* Publishes were answered one after the other, but not in order of their numbers. */
		for (uint32_t p = next; p < life->publish_count && p < next + 2 * AT_ONCE; p++) {
			const struct life_publish *published = &life->publishes[p];
			uint32_t last = published->first + published->count - 1;

			if (published->answered != power.at)
				continue;
			ck_assert_msg(end[last] != 0, "message %" PRIu32 " was answered and is in no batch", last);
			ck_assert_msg(power.announced.lsn[shard[last]] >= end[last], "message %" PRIu32 " was answered 201 before it was durable",
			    last);
			count++;
		}
		while (next < life->publish_count && (life->publishes[next].answered == 0 ||
		    life->publishes[next].answered <= power.at))
			next++;
	}
	for (uint32_t p = 0; p < life->publish_count; p++)
		answered += life->publishes[p].answered != 0;
	ck_assert_uint_eq(count, answered);
	power_close(&power);
	free(end);
	free(shard);
	return count;
}

static char complaint[300];

/* The first thing that is wrong. */
static void __attribute__((format(printf, 1, 2)))
wrong(const char *format, ...)
{
	va_list arguments;

	if (complaint[0] != '\0')
		return;
	va_start(arguments, format);
	vsnprintf(complaint, sizeof(complaint), format, arguments);
	va_end(arguments);
}

const char *
life_check_broker(const struct life *life, const struct broker *broker, uint64_t at, unsigned *acknowledged)
{
	uint8_t *seen = calloc(LIFE_MESSAGES_MAX, 1);
	struct response *answer;
	struct client client;

	ck_assert_ptr_nonnull(seen);
	complaint[0] = '\0';
	*acknowledged = 0;
	client_open(&client, broker->port);
	for (unsigned q = 0; q < QUEUES; q++) {
		char request[80];

		snprintf(request, sizeof(request), "POST /v1/queues/%s/messages:receive", queues[q]);
		while ((answer = client_ask(&client, request, "Accept: application/octet-stream\r\n", NULL))->status == 200) {
			uint32_t number = number_of(answer->body, answer->body_bytes);

			if (number == UINT32_MAX) {
				wrong("a body that nobody sent: %.60s", answer->body);
				continue;
			}
			if (seen[number]++ != 0)
				wrong("message %" PRIu32 " came twice", number);
			if (life->ack_answered[number] != 0 && life->ack_answered[number] <= at)
				wrong("message %" PRIu32 " came back after its acknowledgement", number);
		}
		/* The queue itself may not have been there yet. */
		ck_assert_msg(answer->status == 204 || answer->status == 404, "status %u: %.300s", answer->status, answer->body);
	}
	client_close(&client);
	for (uint32_t p = 0; p < life->publish_count; p++) {
		const struct life_publish *published = &life->publishes[p];
		uint32_t there = 0, settled = 0;

		for (uint32_t n = published->first; n < published->first + published->count; n++) {
			there += seen[n];
			settled += seen[n] == 0 && life->ack_sent[n] != 0 && life->ack_sent[n] <= at;
		}
		bool is_answered = published->answered != 0 && published->answered <= at;
		*acknowledged += is_answered;
		if (is_answered && there + settled != published->count)
			wrong("of publish %" PRIu32 " (%" PRIu32 " messages, answered 201 before the cut) %" PRIu32 " are there", p,
			    published->count, there);
		if (there != 0 && there + settled != published->count)
			wrong("publish %" PRIu32 " is there by half: %" PRIu32 " of %" PRIu32, p, there, published->count);
	}
	free(seen);
	return complaint[0] != '\0' ? complaint : NULL;
}
