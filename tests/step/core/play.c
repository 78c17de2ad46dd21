/*
 * Happy path: a script posts requests, play_run() steps or runs the engine, then stands in for the rest of the broker:
 * persistd makes durable what the stream's tail shows, each frontd takes its answers into the log.
 * Failure modes: an expectation that does not hold leaves its text in play->wrong; from then on nothing is done any more.
 */
#include "tests/step/core/play.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "shm/atomic.h"
#include "tests/step/core/engine.h"

#define ALL_FIELDS (2 * FIELD_BACKOFF_JITTER - 1)

static void __attribute__((format(printf, 2, 3)))
fail(struct play *play, const char *format, ...)
{
	va_list args;

	if (play->wrong != NULL)
		return;
	va_start(args, format);
	vsnprintf(play->wrong_text, sizeof(play->wrong_text), format, args);
	va_end(args);
	play->wrong = play->wrong_text;
}

/* What comes before the run that is resumed is in the world already, and nothing is done after a failure. */
static bool
is_past(const struct play *play)
{
	return play->wrong != NULL || play->runs < play->resumed_run;
}

void
play_perform(struct play *play, const struct script *script)
{
	play->script = script;
	play->now_ms = script->start_ms != 0 ? script->start_ms : PLAY_START_MS;
	play->next_id = 1;
	play->runs = 0;
	play->front = 0;
	play->is_slow = false;
	play->is_stalled = false;
	play->is_quiet = false;
	play->caller = (struct caller){ .flags = CALLER_ADMIN | CALLER_MAY_CREATE };
	play->note_count = 0;
	play->wrong = NULL;
	play->resumed_run = play->world->log->runs_begun;
	script->perform(play);
	/* Everything settles: no transaction is left to time. */
	play_run(play);
}

/* --- the rest of the broker --- */

static enum slot_state
front_state(const struct world *world, unsigned front, uint64_t *epoch)
{
	uint64_t word = load_relaxed(&world->registry->slot[SLOT_FRONT(front)].state_epoch);

	*epoch = word >> 8;
	return (enum slot_state)(word & 0xff);
}

static void
take_answers(struct play *play, unsigned front)
{
	struct world_log *log = play->world->log;
	struct ring ring;
	struct frame_header header;
	const void *frame;

	ring_init(&ring, &play->world->front[front]->worker[0].reply, play->world->reply_bytes[front], WORLD_REPLY_BYTES);
	ring.tail = ring.head; /* look at the shared one */
	for (;;) {
		switch (ring_peek(&ring, REPLY_BYTES_MAX, &header, &frame)) {
		case RING_EMPTY:
			ring_drop(&ring);
			return;
		case RING_LIES:
			fail(play, "run %lu: the worker posted a reply that is none", play->runs);
			return;
		case RING_FRAME:
			break;
		}
		if (log->used_bytes + header.bytes > WORLD_LOG_BYTES) {
			fail(play, "the log of answers is full");
			return;
		}
		memcpy(log->replies + log->used_bytes, frame, header.bytes);
		log->used_bytes += header.bytes;
		ring_skip(&ring, header.bytes);
	}
}

/* From here to engine_to_rest() the engine is stepped. */
static void
engine_step_begin(struct play *play)
{
	if (play->begin != NULL && !play->is_quiet)
		play->begin();
}

/* Let it come to rest; then everybody else has his turn. */
static void
engine_to_rest(struct play *play)
{
	struct world *world = play->world;
	bool has_ended = engine_run(play->worker, play->now_ms);
	uint64_t epoch;

	compiler_barrier();
	if (play->end != NULL && !play->is_quiet)
		play->end();
	if (!has_ended)
		fail(play, "run %lu: the worker does not come to rest", play->runs);
	if (!play->is_stalled)
		store_release(&world->durable->shard[0].lsn, load_acquire(&world->stream->tail));
	for (unsigned i = 0; i < WORLD_FRONTS; i++) {
		if (front_state(world, i, &epoch) != SLOT_DEAD && !(i == 0 && play->is_slow))
			take_answers(play, i);
	}
	world->log->ends[play->runs] = world->log->used_bytes;
}

void
play_run(struct play *play)
{
	play->runs++;
	assert(play->runs < WORLD_RUNS_MAX);
	if (is_past(play))
		return;
	play->world->log->runs_begun = play->runs;
	engine_step_begin(play);
	engine_to_rest(play);
}

void
play_snapshot(struct play *play)
{
	uint64_t *wanted = &play->world->stream->snapshot_wanted;

	if (!is_past(play))
		store_relaxed(wanted, *wanted + 1);
}

static void
front_begin(struct world *world, unsigned front)
{
	uint64_t epoch;

	(void)front_state(world, front, &epoch);
	memset(world->front[front], 0, sizeof(*world->front[front]));
	store_release(&world->registry->slot[SLOT_FRONT(front)].state_epoch, slot_word(epoch + 1, SLOT_STARTING));
}

static void
start_cold(struct play *play, bool is_clean, bool are_fronts_new)
{
	struct world *world = play->world;
	bool is_begun = ++play->runs == play->resumed_run;

	if (is_past(play))
		return;
	if (!is_begun) {
		for (unsigned i = 0; i < WORLD_FRONTS && are_fronts_new; i++)
			front_begin(world, i);
		world->log->generation++;
		world->log->is_clean = is_clean;
		world->log->runs_begun = play->runs;
		store_relaxed(&((struct shard_shared *)world->shard)->state, SHARD_CORRUPT);
		engine_attach(play->worker, world);
		if (!play->script->steps_emptying)
			engine_empty(play->worker);
		engine_step_begin(play);
		if (play->script->steps_emptying)
			engine_empty(play->worker);
		engine_replay(play->worker);
	}
	engine_to_rest(play);
}

void
play_cold_start(struct play *play, bool is_clean)
{
	start_cold(play, is_clean, true);
}

void
play_reload(struct play *play)
{
	start_cold(play, false, false);
}

void
play_front_replaced(struct play *play, unsigned front)
{
	if (!is_past(play))
		front_begin(play->world, front);
}

void
play_journal(struct play *play, enum journal_state state)
{
	play->is_stalled = state == JOURNAL_STARTING || state == JOURNAL_FAILED;
	if (!is_past(play))
		store_release(&play->world->durable->journal_state, state);
}

void
play_restart(struct play *play)
{
	bool is_begun = ++play->runs == play->resumed_run;

	if (is_past(play))
		return;
	if (!is_begun) {
		play->world->log->runs_begun = play->runs;
		engine_step_begin(play);
		engine_attach(play->worker, play->world);
		const char *trouble = engine_recover(play->worker);
		if (trouble != NULL)
			fail(play, "run %lu: a restarted worker finds that %s", play->runs, trouble);
	}
	engine_to_rest(play);
}

bool
play_is_past(const struct play *play)
{
	return is_past(play);
}

const struct shard_root *
play_root(const struct play *play)
{
	return &((const struct shard_shared *)play->world->shard)->root;
}

uint64_t
play_note(struct play *play, uint64_t seen)
{
	struct world_log *log = play->world->log;
	unsigned number = play->note_count++;

	assert(number < WORLD_NOTES_MAX);
	if (!is_past(play))
		log->notes[number] = seen;
	return log->notes[number];
}

void
play_advance(struct play *play, uint64_t ms)
{
	play->now_ms += ms;
}

void
play_front_dies(struct play *play, unsigned front)
{
	uint64_t epoch;

	if (is_past(play))
		return;
	(void)front_state(play->world, front, &epoch);
	store_release(&play->world->registry->slot[SLOT_FRONT(front)].state_epoch, slot_word(epoch, SLOT_DEAD));
}

void
play_front_returns(struct play *play, unsigned front)
{
	struct world *world = play->world;
	uint64_t epoch;

	if (is_past(play))
		return;
	if (front_state(world, front, &epoch) != SLOT_DEAD || load_acquire(&world->stats->closed_epoch[front]) != epoch) {
		fail(play, "run %lu: the worker has not closed frontd %u", play->runs, front);
		return;
	}
	front_begin(world, front);
}

/* --- requests --- */

/* A frame under construction, in private memory. */
struct draft {
	struct frame_header header;
	char bytes[WORLD_REQUEST_BYTES / 2];
	uint32_t used_bytes;
};

static void
draft_begin(const struct play *play, struct draft *draft, enum op op)
{
	memset(draft, 0, sizeof(*draft));
	draft->header.op = (uint16_t)op;
	if (op == OP_NONE || op == OP_RECEIVE_CANCEL || op == OP_CREDENTIAL_TOUCH)
		return;
	*(struct caller *)(void *)draft->bytes = play->caller;
	draft->used_bytes = sizeof(struct caller);
}

static void
draft_add(struct draft *draft, const void *bytes, uint32_t count)
{
	assert(draft->used_bytes + count <= sizeof(draft->bytes) - 8);

	memcpy(draft->bytes + draft->used_bytes, bytes, count);
	draft->used_bytes += FRAME_ALIGN(count);
}

static void
draft_add_name(struct draft *draft, const char *text)
{
	struct queue_name name = { .bytes = (uint8_t)strlen(text) };

	memcpy(name.text, text, name.bytes);
	draft_add(draft, &name, sizeof(name));
}

/* As large as it says, or a header that lies. */
static void
frame_post(struct play *play, const struct draft *draft)
{
	struct world *world = play->world;
	struct ring ring;

	if (is_past(play))
		return;
	ring_init(&ring, &world->front[play->front]->worker[0].request, world->request_bytes[play->front],
	    WORLD_REQUEST_BYTES);
	uint32_t bytes = (uint32_t)sizeof(draft->header) + draft->used_bytes;
	char *frame = ring_reserve(&ring, bytes);
	if (frame == NULL) {
		fail(play, "the request ring is full");
		return;
	}
	memcpy(frame, &draft->header, sizeof(draft->header));
	memcpy(frame + sizeof(draft->header), draft->bytes, draft->used_bytes);
	ring_push(&ring, bytes);
	ring_post(&ring);
}

static void
draft_post(struct play *play, struct draft *draft)
{
	draft->header.bytes = (uint32_t)sizeof(draft->header) + draft->used_bytes;
	frame_post(play, draft);
}

static struct draft draft;

/* Numbered in the order of the script, posted or not. */
static uint64_t
post(struct play *play)
{
	uint64_t id = play->next_id++;

	draft.header.id = id;
	draft_post(play, &draft);
	return id;
}

static uint64_t
post_config(struct play *play, enum op op, const char *queue, const struct queue_config *config, uint32_t fields)
{
	struct queue_config_request request = { .fields = fields };

	request.config = *config;
	draft_begin(play, &draft, op);
	draft_add_name(&draft, queue);
	draft_add(&draft, &request.config, (uint32_t)(sizeof(request) - sizeof(request.queue)));
	return post(play);
}

uint64_t
play_queue_put(struct play *play, const char *queue, const struct queue_config *config)
{
	struct queue_config defaults = queue_config_default();

	/* Jitter is chance, and chance is not the same in another life. */
	defaults.backoff_jitter_ppm = 0;
	return post_config(play, OP_QUEUE_PUT, queue, config != NULL ? config : &defaults, ALL_FIELDS);
}

uint64_t
play_queue_patch(struct play *play, const char *queue, const struct queue_config *config, uint32_t fields)
{
	return post_config(play, OP_QUEUE_PATCH, queue, config, fields);
}

static uint64_t
post_named(struct play *play, enum op op, const char *queue)
{
	draft_begin(play, &draft, op);
	draft_add_name(&draft, queue);
	return post(play);
}

uint64_t
play_queue_get(struct play *play, const char *queue)
{
	return post_named(play, OP_QUEUE_GET, queue);
}

uint64_t
play_queue_delete(struct play *play, const char *queue)
{
	return post_named(play, OP_QUEUE_DELETE, queue);
}

uint64_t
play_queue_list(struct play *play, uint32_t from_idx, uint32_t limit, const char *prefix)
{
	struct queue_list_request request = { .from_idx = from_idx, .limit = limit };

	draft_begin(play, &draft, OP_QUEUE_LIST);
	draft_add(&draft, &request.from_idx, 8);
	draft_add_name(&draft, prefix);
	return post(play);
}

uint64_t
play_publish(struct play *play, const char *queue, uint32_t count, uint64_t delay_ms)
{
	struct publish_request request = { .count = count };

	draft_begin(play, &draft, OP_PUBLISH);
	draft_add_name(&draft, queue);
	draft_add(&draft, &request.count, 8);
	for (uint32_t i = 0; i < count; i++) {
		char text[48] = "\1\1\0nv"; /* the attribute n = v, then the body */
		int body_bytes = snprintf(text + 5, sizeof(text) - 5, "message %lu.%u", play->next_id, i);
		struct publish_item item = { .delay_ms = delay_ms, .attributes_bytes = 5, .body_bytes = (uint32_t)body_bytes };

		draft_add(&draft, &item, sizeof(item));
		draft_add(&draft, text, 5 + (uint32_t)body_bytes);
	}
	return post(play);
}

uint64_t
play_publish_bytes(struct play *play, const char *queue, uint32_t body_bytes)
{
	static const char zeros[WORLD_REQUEST_BYTES / 2];
	struct publish_request request = { .count = 1 };
	struct publish_item item = { .body_bytes = body_bytes };

	draft_begin(play, &draft, OP_PUBLISH);
	draft_add_name(&draft, queue);
	draft_add(&draft, &request.count, 8);
	draft_add(&draft, &item, sizeof(item));
	draft_add(&draft, zeros, body_bytes);
	return post(play);
}

uint64_t
play_receive(struct play *play, const char *queue, struct play_receive wanted)
{
	struct receive_request request = { .lease_ms = wanted.lease_ms, .max = wanted.max, .wait_ms = wanted.wait_ms,
		.waiter_slot = wanted.waiter_slot, .bytes_max = RECEIVE_BODY_BYTES_MAX };

	draft_begin(play, &draft, OP_RECEIVE);
	draft_add_name(&draft, queue);
	draft_add(&draft, &request.lease_ms, (uint32_t)(sizeof(request) - sizeof(request.queue)));
	return post(play);
}

void
play_receive_cancel(struct play *play, uint64_t id, uint32_t waiter_slot)
{
	struct receive_cancel_request request = { .waiter_slot = waiter_slot };

	draft_begin(play, &draft, OP_RECEIVE_CANCEL);
	draft_add(&draft, &request.waiter_slot, 8);
	draft.header.id = id;
	draft_post(play, &draft);
}

uint64_t
play_purge(struct play *play, const char *queue, uint32_t states)
{
	struct purge_request request = { .states = states };

	draft_begin(play, &draft, OP_PURGE);
	draft_add_name(&draft, queue);
	draft_add(&draft, &request.states, (uint32_t)(sizeof(request) - sizeof(request.queue)));
	return post(play);
}

uint64_t
play_settle(struct play *play, enum op op, const char *queue, const struct play_receipts *receipts,
    struct play_settle how)
{
	struct settle_request request = { .lease_ms = how.lease_ms, .mode = how.mode, .count = receipts->count };

	draft_begin(play, &draft, op);
	draft_add_name(&draft, queue);
	draft_add(&draft, &request.lease_ms, (uint32_t)(sizeof(request) - sizeof(request.queue)));
	draft_add(&draft, receipts->items, receipts->count * (uint32_t)sizeof(receipts->items[0]));
	return post(play);
}

uint64_t
play_ack(struct play *play, const char *queue, const struct play_receipts *receipts)
{
	return play_settle(play, OP_ACK, queue, receipts, (struct play_settle){ 0 });
}

uint64_t
play_post(struct play *play, enum op op, const void *bytes, uint32_t count)
{
	draft_begin(play, &draft, op);
	draft_add(&draft, bytes, count);
	return post(play);
}

uint64_t
play_raw(struct play *play, uint16_t op, const void *bytes, uint32_t count)
{
	draft_begin(play, &draft, OP_NONE);
	draft.header.op = op;
	draft_add(&draft, bytes, count);
	return post(play);
}

void
play_lie(struct play *play)
{
	draft_begin(play, &draft, OP_QUEUE_GET);
	draft.header.bytes = 12;
	frame_post(play, &draft);
}

/* --- answers --- */

const struct reply *
play_reply(struct play *play, uint64_t id)
{
	const struct world_log *log = play->world->log;
	/* In the past nothing is known of what came later, or a script would not do again what it did. */
	uint64_t end = play->runs < play->resumed_run ? log->ends[play->runs] : log->used_bytes;

	for (uint64_t at = 0; at < end;) {
		const struct reply *reply = (const struct reply *)(log->replies + at);

		if (reply->header.id == id)
			return reply;
		at += reply->header.bytes;
	}
	return NULL;
}

struct play_receipts
play_receipts(struct play *play, uint64_t receive_id)
{
	const struct receive_reply *reply = (const struct receive_reply *)play_reply(play, receive_id);
	struct play_receipts receipts = { 0 };

	if (reply == NULL || reply->reply.header.op != OUTCOME_OK)
		return receipts;
	for (; receipts.count < reply->count; receipts.count++) {
		receipts.items[receipts.count].token = reply->deliveries[receipts.count].token;
		receipts.items[receipts.count].msg_idx = reply->deliveries[receipts.count].msg_idx;
	}
	return receipts;
}

void
play_expect_that(struct play *play, bool is_so, const char *what)
{
	if (!is_past(play) && !is_so)
		fail(play, "run %lu: it is not so that %s", play->runs, what);
}

void
play_expect(struct play *play, uint64_t id, enum outcome outcome)
{
	const struct reply *reply = play_reply(play, id);

	if (is_past(play))
		return;
	if (reply == NULL)
		fail(play, "run %lu: request %lu was not answered, expected: %s", play->runs, id, outcome_text(outcome)->slug);
	else if (reply->header.op != outcome)
		fail(play, "run %lu: request %lu was answered %s, expected: %s", play->runs, id,
		    outcome_text(reply->header.op)->slug, outcome_text(outcome)->slug);
}

void
play_expect_none(struct play *play, uint64_t id)
{
	const struct reply *reply = play_reply(play, id);

	if (!is_past(play) && reply != NULL)
		fail(play, "run %lu: request %lu was answered %s, expected: no answer", play->runs, id,
		    outcome_text(reply->header.op)->slug);
}

void
play_expect_delivered(struct play *play, uint64_t id, uint32_t count)
{
	play_expect(play, id, OUTCOME_OK);
	uint32_t delivered = play_receipts(play, id).count;

	if (!is_past(play) && delivered != count)
		fail(play, "run %lu: request %lu brought %u messages, expected: %u", play->runs, id, delivered, count);
}

void
play_expect_stats(struct play *play, const char *queue, uint64_t ready, uint64_t delayed, uint64_t leased,
    uint64_t dead)
{
	uint64_t id = play_queue_get(play, queue);

	play_run(play);
	play_expect(play, id, OUTCOME_OK);
	if (is_past(play))
		return;
	const struct queue_stats *stats = &((const struct queue_reply *)play_reply(play, id))->queue.stats;
	if (stats->ready != ready || stats->delayed != delayed || stats->leased != leased || stats->dead != dead)
		fail(play, "run %lu: queue %s has %lu ready, %lu delayed, %lu leased, %lu dead; expected: %lu, %lu, %lu, %lu",
		    play->runs, queue, stats->ready, stats->delayed, stats->leased, stats->dead, ready, delayed, leased, dead);
}
