#include "tests/harness/history.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "shm/hash.h"

uint64_t
clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void
history_init(struct history *history, const struct history_queue *queues, unsigned queue_count, unsigned client_count,
    uint64_t slack_us)
{
	assert(queue_count <= HISTORY_QUEUES_MAX);
	*history = (struct history){ .queue_count = queue_count, .client_count = client_count, .slack_us = slack_us };
	memcpy(history->queues, queues, queue_count * sizeof(queues[0]));
	history->lists = calloc(client_count, sizeof(history->lists[0]));
	assert(history->lists != NULL);
}

void
history_free(struct history *history)
{
	for (unsigned i = 0; i < history->client_count; i++)
		free(history->lists[i].events);
	free(history->lists);
	history->lists = NULL;
	history->client_count = 0;
}

void
history_add(struct history *history, const struct history_event *event)
{
	struct history_list *list = &history->lists[event->client];

	assert(event->client < history->client_count && event->queue < history->queue_count);
	assert(event->begin_us <= event->end_us);
	if (list->count == list->capacity) {
		list->capacity = list->capacity * 2 + 1024;
		list->events = realloc(list->events, list->capacity * sizeof(list->events[0]));
		assert(list->events != NULL);
	}
	list->events[list->count++] = *event;
}

void
history_cut(struct history *history, uint64_t begin_us, uint64_t end_us)
{
	assert(begin_us <= end_us && history->cut_count < HISTORY_CUTS_MAX);
	assert(history->cut_count == 0 || history->cuts[history->cut_count - 1].end_us <= begin_us);
	history->cuts[history->cut_count++] = (struct history_cut){ begin_us, end_us };
}

void
history_describe(const struct history *history, const struct history_event *event, char text[256])
{
	static const char *const ops[] = { "publish", "delivery", "receive", "ack", "nack", "extend", "purge", "delete" };
	static const char *const outcomes[] = { "ok", "refused", "stale", "unknown" };
	int n = snprintf(text, 256, "%" PRIu64 " %" PRIu64 " client %u %s %s %s", event->begin_us, event->end_us,
	    event->client, history->queues[event->queue].name, ops[event->op], outcomes[event->outcome]);
	char *end = text + n;
	size_t room = 256 - (size_t)n;

	switch ((enum history_op)event->op) {
	case EVENT_SENT:
		snprintf(end, room, " message %08x count %u", event->message, event->count);
		break;
	case EVENT_DELIVERED:
		snprintf(end, room, " message %08x place %u receipt %016" PRIx64 " id %016" PRIx64
		    " lease %" PRIu64 " deliveries %u acquired %u%s", event->message, event->place, event->receipt,
		    event->id, event->lease_us, event->delivery_count, event->acquire_count,
		    event->is_altered ? " ALTERED" : "");
		break;
	case EVENT_ACKED:
	case EVENT_NACKED:
	case EVENT_EXTENDED:
		snprintf(end, room, " message %08x receipt %016" PRIx64 " lease %" PRIu64, event->message,
		    event->receipt, event->lease_us);
		break;
	case EVENT_NOTHING_CAME:
	case EVENT_PURGED:
	case EVENT_DELETED:
		break;
	}
}

bool
history_dump(const struct history *history, const char *path, const char *comment)
{
	FILE *file = fopen(path, "we");
	char text[256];

	if (file == NULL)
		return false;
	fprintf(file, "# %s\n# begin_us end_us client queue operation outcome ...\n", comment);
	for (unsigned i = 0; i < history->cut_count; i++)
		fprintf(file, "%" PRIu64 " %" PRIu64 " power cut\n", history->cuts[i].begin_us, history->cuts[i].end_us);
	for (unsigned i = 0; i < history->client_count; i++) {
		for (size_t k = 0; k < history->lists[i].count; k++) {
			history_describe(history, &history->lists[i].events[k], text);
			fprintf(file, "%s\n", text);
		}
	}
	return fclose(file) == 0;
}

/* --- bodies --- */

/* "storm SEED MESSAGE LENGTH CHECKSUM " in hexadecimal digits. */
enum { BODY_HEAD_BYTES = 6 + 17 + 9 + 9 + 17 };

/* The head that belongs before what follows it in body; who wears another's number gets another checksum, too. */
static void
body_head(uint64_t seed, uint32_t message, const char *body, size_t body_bytes, char head[BODY_HEAD_BYTES + 1])
{
	uint64_t checksum = hash_bytes(&(uint64_t[]){ seed, message, body_bytes }, 24) ^
	    hash_bytes(body + BODY_HEAD_BYTES, body_bytes - BODY_HEAD_BYTES);

	snprintf(head, BODY_HEAD_BYTES + 1, "storm %016" PRIx64 " %08x %08x %016" PRIx64 " ", seed, message,
	    (unsigned)body_bytes, checksum);
}

void
storm_body(uint64_t seed, uint32_t message, char *body, size_t body_bytes)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	uint64_t state = hash_bytes(&(uint64_t[]){ seed, message }, 16);
	char head[BODY_HEAD_BYTES + 1];

	assert(body_bytes >= STORM_BODY_BYTES_MIN);
	for (size_t i = BODY_HEAD_BYTES; i < body_bytes; i++) {
		/* Knuth's MMIX generator: each message has a text of its own. */
		state = state * 6364136223846793005u + 1442695040888963407u;
		body[i] = letters[state >> 58];
	}
	body_head(seed, message, body, body_bytes, head);
	memcpy(body, head, BODY_HEAD_BYTES);
}

bool
storm_body_read(uint64_t seed, const char *body, size_t body_bytes, uint32_t *message, bool *is_altered)
{
	char begin[sizeof("storm ") + 16 + 1 + 8], head[BODY_HEAD_BYTES + 1];
	uint64_t its_seed;

	if (body_bytes < STORM_BODY_BYTES_MIN)
		return false;
	snprintf(begin, sizeof(begin), "%.*s", (int)sizeof(begin) - 1, body);
	if (sscanf(begin, "storm %16" SCNx64 " %8x", &its_seed, message) != 2 || its_seed != seed)
		return false;
	body_head(seed, *message, body, body_bytes, head);
	*is_altered = memcmp(head, body, BODY_HEAD_BYTES) != 0;
	return true;
}
