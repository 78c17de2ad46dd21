/*
 * Happy path: fetch_begin() copies every body from the stream ring into scratch and answers at once.  When one has left the
 * ring, the lot moves to a struct fetch on the heap, fetch_ask() sends a request for each missing one, fetch_replies() fills
 * them in, and fetch_finish() answers.
 *
 * Failure modes: persistd dies, with requests that it took and did not answer: fetch_replies() sees that another one lives and
 * asks it for all that is still missing (a reply that comes twice finds its body done); tests/models/fetch.pml shows that this
 * is enough.  The client goes away meanwhile: fetch_finish() gives the messages back.
 */
#include "frontd/fetch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "frontd/api/headers.h"
#include "frontd/await.h"
#include "frontd/frontd.h"
#include "frontd/memory.h"
#include "shm/diag.h"
#include "shm/hash.h"
#include "shm/record.h"

#define SCRATCH_KEPT_BYTES (256u << 10)

/* 32 bit generation | 24 bit slot | 8 bit which body. */
static uint64_t
fetch_id(const struct fetch *fetch, uint32_t body)
{
	return (uint64_t)fetch->generation << 32 | fetch->index << 8 | body;
}
_Static_assert(RECEIVE_BATCH_MAX <= 256, "a body's number fits into its fetch id");

void
fetch_init(struct frontd *frontd)
{
	struct front *front = &frontd->front;

	ring_init(&frontd->fetches.request, &front->shared->fetch, front->fetch_bytes, front->geometry.fetch_bytes);
	ring_init(&frontd->fetches.body, &front->shared->body, front->body_bytes, front->geometry.body_bytes);
}

static uint32_t
record_bytes(const struct delivery *delivery)
{
	return FRAME_ALIGN(RECORD_PUBLISHED_BYTES + delivery->attributes_bytes + delivery->body_bytes);
}

/* Is this the record of this delivery, whole and unchanged since the worker wrote it, with attributes that can be shown? */
static bool
record_is_good(const char *bytes, const struct delivery *delivery)
{
	struct published_record record;

	memcpy(&record, bytes, sizeof(record));
	return record.record.type == RECORD_PUBLISHED && record.record.lsn == delivery->lsn && record.seq == delivery->seq &&
	    record.attributes_bytes == delivery->attributes_bytes && record.body_bytes == delivery->body_bytes &&
	    record.payload_hash == hash_bytes(bytes + RECORD_PUBLISHED_BYTES, delivery->attributes_bytes + delivery->body_bytes) &&
	    headers_stored_are_sound(bytes + RECORD_PUBLISHED_BYTES, delivery->attributes_bytes);
}

static void
body_done(struct api_body *body, const char *record, enum outcome outcome)
{
	body->outcome = outcome;
	body->attributes = outcome == OUTCOME_OK ? record + RECORD_PUBLISHED_BYTES : NULL;
}

static bool
copy_hot(struct frontd *frontd, uint32_t shard, const struct delivery *delivery, char *to)
{
	if (!stream_copy(&frontd->streams[shard], delivery->lsn, to, record_bytes(delivery)))
		return false;
	if (!record_is_good(to, delivery)) {
		diag(DIAG_WARNING, "shard %u, LSN %llu: the copy in memory does not match its checksum, or its attributes "
		    "are none; reading it from the journal", shard, (unsigned long long)delivery->lsn);
		return false;
	}
	stat_add(&frontd->stats->bodies_hot, 1);
	return true;
}

static struct fetch *
fetch_new(struct frontd *frontd)
{
	struct fetches *fetches = &frontd->fetches;
	struct fetch *fetch = fetches->free;

	if (fetch != NULL) {
		fetches->free = fetch->next;
	} else {
		fetch = calloc(1, sizeof(*fetch));
		fetches->slots = realloc(fetches->slots, (fetches->slot_count + 1) * sizeof(struct fetch *));
		assert(fetch != NULL);
		assert(fetches->slots != NULL);
		fetch->index = fetches->slot_count;
		fetches->slots[fetches->slot_count++] = fetch;
	}
	fetch->generation++;
	fetch->next = fetches->active;
	fetches->active = fetch;
	return fetch;
}

static void
fetch_ask(struct frontd *frontd, struct fetch *fetch)
{
	struct fetches *fetches = &frontd->fetches;

	for (uint32_t i = 0; i < fetch->reply->count; i++) {
		if (fetch->states[i] != FETCH_TO_ASK)
			continue;
		struct fetch_request *request = ring_reserve(&fetches->request, sizeof(*request));
		if (request == NULL) {
			fetches->has_unasked = true;
			return;
		}
		*request = (struct fetch_request){
			.header = { .bytes = sizeof(*request), .id = fetch_id(fetch, i) },
			.lsn = fetch->reply->deliveries[i].lsn,
			.shard = fetch->reply->shard,
			.record_bytes = record_bytes(&fetch->reply->deliveries[i]),
		};
		ring_push(&fetches->request, sizeof(*request));
		fetches->is_touched = true;
		fetch->states[i] = FETCH_ASKED;
	}
}

/* Room for one receive's records in the scratch area. */
static char *
scratch_room(struct frontd *frontd, uint32_t bytes)
{
	struct fetches *fetches = &frontd->fetches;

	if (fetches->scratch_bytes < bytes) {
		free(fetches->scratch);
		fetches->scratch_bytes = bytes < SCRATCH_KEPT_BYTES ? SCRATCH_KEPT_BYTES : bytes;
		fetches->scratch = malloc(fetches->scratch_bytes);
		assert(fetches->scratch != NULL);
	}
	return fetches->scratch;
}

/* The lot of a moment is no measure for the next. */
static void
scratch_trim(struct frontd *frontd)
{
	struct fetches *fetches = &frontd->fetches;

	if (fetches->scratch_bytes <= SCRATCH_KEPT_BYTES)
		return;
	free(fetches->scratch);
	fetches->scratch = NULL;
	fetches->scratch_bytes = 0;
}

/*
 * Does a persistd live that was not asked for all that is missing?  One serves before the supervisor says so, and may be dead by
 * then: so also the first one that we see live counts, and its predecessor may have taken what it never heard of.
 */
static bool
persistd_is_another(struct frontd *frontd)
{
	enum slot_state state;
	uint64_t epoch;

	registry_slot(&frontd->role->registry, SLOT_PERSIST, &state, &epoch);
	if (state != SLOT_LIVE || epoch == frontd->fetches.persist_epoch)
		return false;
	frontd->fetches.persist_epoch = epoch;
	return true;
}

/* Some bodies are cold: the lot moves to the heap. */
static void
fetch_cold(struct frontd *frontd, struct exchange *exchange, const struct receive_reply *reply, const uint32_t *offsets,
    const struct api_body *bodies, uint32_t total_bytes)
{
	if (frontd->fetches.active == NULL)
		(void)persistd_is_another(frontd); /* nothing is outstanding that it had to be asked for */
	struct fetch *fetch = fetch_new(frontd);
	size_t reply_bytes = sizeof(*reply) + reply->count * sizeof(reply->deliveries[0]);

	fetch->exchange = exchange;
	fetch->missing = 0;
	fetch->held_bytes = memory_twice(frontd, total_bytes);
	fetch->bytes = malloc(total_bytes);
	fetch->reply = malloc(reply_bytes);
	assert(fetch->bytes != NULL);
	assert(fetch->reply != NULL);
	memory_hold(frontd, NULL, fetch->held_bytes); /* for as long as persistd takes, not the client */
	memcpy(fetch->reply, reply, reply_bytes);
	for (uint32_t i = 0; i < reply->count; i++) {
		bool is_hot = bodies[i].outcome == OUTCOME_OK;

		if (is_hot)
			memcpy(fetch->bytes + offsets[i], frontd->fetches.scratch + offsets[i], record_bytes(&reply->deliveries[i]));
		fetch->offsets[i] = offsets[i];
		fetch->states[i] = is_hot ? FETCH_DONE : FETCH_TO_ASK;
		fetch->missing += !is_hot;
		body_done(&fetch->bodies[i], fetch->bytes + offsets[i], bodies[i].outcome);
	}
	exchange->state = EXCHANGE_FETCHING;
	fetch_ask(frontd, fetch);
}

void
fetch_begin(struct frontd *frontd, struct exchange *exchange, const struct receive_reply *reply)
{
	uint32_t offsets[RECEIVE_BATCH_MAX], total_bytes = 0, cold = 0;
	struct api_body bodies[RECEIVE_BATCH_MAX];

	assert(reply->count >= 1 && reply->count <= RECEIVE_BATCH_MAX);
	assert(reply->shard < frontd->shard_count);
	for (uint32_t i = 0; i < reply->count; i++) {
		offsets[i] = total_bytes;
		total_bytes += record_bytes(&reply->deliveries[i]);
	}
	if (!memory_has_room_twice(frontd, exchange->conn, total_bytes)) {
		await_give_back(frontd, exchange, reply, OUTCOME_BUSY);
		return;
	}
	char *scratch = scratch_room(frontd, total_bytes);
	for (uint32_t i = 0; i < reply->count; i++) {
		bool is_hot = copy_hot(frontd, reply->shard, &reply->deliveries[i], scratch + offsets[i]);

		body_done(&bodies[i], scratch + offsets[i], is_hot ? OUTCOME_OK : OUTCOME_NOT_FOUND);
		cold += !is_hot;
	}
	if (cold != 0)
		fetch_cold(frontd, exchange, reply, offsets, bodies, total_bytes);
	else
		await_answer(frontd, exchange, &(struct api_reply){
		    .world = &frontd->world, .frame = &reply->reply, .bodies = bodies });
	scratch_trim(frontd);
}

/* All bodies are here, or will never be. */
static void
fetch_finish(struct frontd *frontd, struct fetch *fetch)
{
	struct fetches *fetches = &frontd->fetches;
	struct exchange *exchange = fetch->exchange;

	for (struct fetch **at = &fetches->active; *at != NULL; at = &(*at)->next)
		if (*at == fetch) {
			*at = fetch->next;
			break;
		}
	memory_release(frontd, NULL, fetch->held_bytes); /* the answer holds what it takes */
	if (exchange->conn == NULL)
		await_give_back(frontd, exchange, fetch->reply, OUTCOME_OK);
	else
		await_answer(frontd, exchange, &(struct api_reply){ .world = &frontd->world, .frame = &fetch->reply->reply,
		    .bodies = fetch->bodies });
	free(fetch->bytes);
	free(fetch->reply);
	fetch->bytes = NULL;
	fetch->reply = NULL;
	fetch->exchange = NULL;
	fetch->generation++;
	fetch->next = fetches->free;
	fetches->free = fetch;
}

/* What persistd says about one body. */
static enum outcome
take_record(struct frontd *frontd, struct fetch *fetch, uint32_t body, const struct fetch_reply *reply)
{
	const struct delivery *delivery = &fetch->reply->deliveries[body];
	char *to = fetch->bytes + fetch->offsets[body];
	enum outcome outcome = (enum outcome)reply->header.op;

	if (outcome == OUTCOME_OK && reply->record_bytes != record_bytes(delivery))
		outcome = OUTCOME_MESSAGE_CORRUPT;
	if (outcome == OUTCOME_OK) {
		assert(sizeof(*reply) + reply->record_bytes <= reply->header.bytes);
		memcpy(to, reply->bytes, reply->record_bytes);
		if (!record_is_good(to, delivery))
			outcome = OUTCOME_MESSAGE_CORRUPT;
	}
	if (outcome == OUTCOME_OK) {
		stat_add(&frontd->stats->bodies_cold, 1);
		return OUTCOME_OK;
	}
	stat_add(&frontd->stats->bodies_corrupt, 1);
	diag(DIAG_ERROR, "shard %u, LSN %llu: the stored message cannot be delivered: %s", fetch->reply->shard,
	    (unsigned long long)delivery->lsn, outcome_text(outcome)->title);
	return outcome == OUTCOME_NOT_FOUND ? OUTCOME_MESSAGE_CORRUPT : outcome;
}

static void
fetch_take(struct frontd *frontd, const struct fetch_reply *reply)
{
	struct fetches *fetches = &frontd->fetches;
	uint32_t slot = (uint32_t)reply->header.id >> 8, body = (uint32_t)reply->header.id & 0xff;

	if (slot >= fetches->slot_count)
		return;
	struct fetch *fetch = fetches->slots[slot];
	if (fetch->exchange == NULL || fetch->generation != (uint32_t)(reply->header.id >> 32) || body >= fetch->reply->count ||
	    fetch->states[body] == FETCH_DONE)
		return; /* asked twice over a restart of persistd */
	body_done(&fetch->bodies[body], fetch->bytes + fetch->offsets[body], take_record(frontd, fetch, body, reply));
	fetch->states[body] = FETCH_DONE;
	if (--fetch->missing == 0)
		fetch_finish(frontd, fetch);
}

static void
fetch_ask_all(struct frontd *frontd, bool again)
{
	frontd->fetches.has_unasked = false;
	for (struct fetch *fetch = frontd->fetches.active; fetch != NULL; fetch = fetch->next) {
		for (uint32_t i = 0; again && i < fetch->reply->count; i++)
			if (fetch->states[i] == FETCH_ASKED)
				fetch->states[i] = FETCH_TO_ASK;
		fetch_ask(frontd, fetch);
	}
}

void
fetch_replies(struct frontd *frontd)
{
	struct fetches *fetches = &frontd->fetches;
	struct frame_header header;
	const void *frame;
	enum ring_peek peek;
	bool took = false;

	while ((peek = ring_peek(&fetches->body, FETCH_BYTES_MAX + sizeof(struct fetch_reply), &header, &frame)) == RING_FRAME) {
		fetch_take(frontd, frame);
		ring_skip(&fetches->body, header.bytes);
		took = true;
	}
	assert(peek == RING_EMPTY); /* persistd is trusted; if it lies, nothing can be right any more */
	if (took) {
		ring_drop(&fetches->body);
		fetches->is_touched = true;
	}
	bool again = fetches->active != NULL && persistd_is_another(frontd);
	if (again || fetches->has_unasked)
		fetch_ask_all(frontd, again);
}

bool
fetch_post(struct frontd *frontd)
{
	if (!frontd->fetches.is_touched)
		return false;
	ring_post(&frontd->fetches.request);
	frontd->fetches.is_touched = false;
	return true;
}

bool
fetch_has_replies(struct frontd *frontd)
{
	struct frame_header header;
	const void *frame;

	return ring_peek(&frontd->fetches.body, FETCH_BYTES_MAX + sizeof(struct fetch_reply), &header, &frame) != RING_EMPTY;
}

void
fetch_free_all(struct frontd *frontd)
{
	struct fetches *fetches = &frontd->fetches;

	for (uint32_t i = 0; i < fetches->slot_count; i++) {
		free(fetches->slots[i]->bytes);
		free(fetches->slots[i]->reply);
		free(fetches->slots[i]);
	}
	free(fetches->slots);
	free(fetches->scratch);
}
