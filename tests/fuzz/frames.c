/*
 * Whatever a frontd writes into the rings that it shares with a worker: the worker lives, its shard keeps every invariant, and
 * another frontd is served as ever.  The input chooses the attack (tests/harness/attack.h), when the worker looks, when
 * time passes, when the worker dies and comes again; a front that was given up for its lies is replaced, as the supervisor does.
 *
 * With AddressSanitizer everything in the request ring but the posted window is poisoned while the worker looks at it.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shm/hash.h"
#include "shm/record.h"
#include "tests/harness/attack.h"
#include "tests/harness/engine.h"
#include "workerd/fronts.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(HAS_ASAN)
#include <sanitizer/asan_interface.h>
#else
#define __asan_poison_memory_region(at, bytes) ((void)(at), (void)(bytes))
#define __asan_unpoison_memory_region(at, bytes) ((void)(at), (void)(bytes))
#endif

enum { HOSTILE, HONEST, FRONTS, WAITERS = 4, STEPS_MAX = 200, TURNS_MAX = 400 };

/* The tables are small, so that they fill. */
static const struct engine_options options = { .messages = 64, .queues = 6, .fronts = FRONTS, .waiters_per_front = WAITERS,
	.stream_bytes = 256 << 10, .request_ring_bytes = 64 << 10, .reply_ring_bytes = 64 << 10 };
/* It is nobody's business but the honest frontd's. */
#define QUEUE "the.honest.one"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static struct front_rings
rings_of(struct engine *engine)
{
	struct engine_front *front = &engine->fronts[HOSTILE];

	return (struct front_rings){ .pair = &front->pair, .request_bytes = front->request_bytes,
		.reply_bytes = front->reply_bytes, .request_size_bytes = engine->request_ring_bytes,
		.reply_size_bytes = engine->reply_ring_bytes };
}

/*
 * Only what is posted may be read, or was when the worker last read the tail.  A tail that lies shows nothing; but one that lies
 * by what the worker has not taken yet tells the truth when it has, and then may show all there is.
 */
static void
fence(struct engine *engine, bool is_up)
{
	struct engine_front *front = &engine->fronts[HOSTILE];
	uint64_t size = engine->request_ring_bytes, head = engine->worker.shard.root->fronts[HOSTILE].request_head;
	uint64_t known = engine->worker.fronts[HOSTILE].request.tail, tail = front->pair.request.tail;
	uint64_t posted = tail - head, seen = known - head;

	__asan_unpoison_memory_region(front->request_bytes, 2 * size);
	if (!is_up || (posted > size && tail - known <= size))
		return;
	__asan_poison_memory_region(front->request_bytes, 2 * size);
	posted = posted <= size && posted > seen ? posted : seen;
	if (posted <= size)
		__asan_unpoison_memory_region(front->request_bytes + (head & (size - 1)), posted);
}

static void
look(struct engine *engine)
{
	unsigned turns = 0;

	fence(engine, true);
	while (worker_turn(&engine->worker, engine->now_ms)) {
		assert(turns++ < TURNS_MAX);
		engine->durable->shard[0].lsn = engine->stream_shared->tail;
	}
	engine->durable->shard[0].lsn = engine->stream_shared->tail;
	fence(engine, false);
}

static void
check(struct engine *engine)
{
	struct shard_front *root = &engine->worker.shard.root->fronts[HOSTILE];
	struct engine_front *front = &engine->fronts[HOSTILE];

	/* Its own copies of our cursors are its to spoil: engine_check() is not to hold them against the shard. */
	front->pair.request.head = root->request_head;
	front->pair.reply.tail = root->reply_tail;
	const char *wrong = engine_check(engine);
	if (wrong == NULL)
		wrong = directory_check(&engine->worker.directory);
	if (wrong != NULL) {
		fprintf(stderr, "%s\n", wrong);
		abort();
	}
}

/* --- the honest one --- */

static struct reply *
ask(struct engine *engine)
{
	engine_post(engine, HONEST);
	look(engine);
	return engine_reply(engine, HONEST);
}

static struct queue_request *
frame(struct engine *engine, enum op op, uint32_t bytes)
{
	struct queue_request *request = engine_frame(engine, HONEST, op, ++engine->next_id, bytes);

	request->name = engine_name(QUEUE);
	return request;
}

/* One of its own, and two for the other to play with. */
static void
make_queues(struct engine *engine)
{
	static const char *const names[] = { QUEUE, "h0", "h1" };

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		frame(engine, OP_QUEUE_PUT, sizeof(struct queue_config_request))->name = engine_name(names[i]);
		struct reply *reply = ask(engine);
		assert(reply != NULL && reply->header.op == OUTCOME_CREATED);
	}
}

/* Publish, receive, compare, acknowledge: the others may at most have taken the last slot of the table. */
static void
honest_round(struct engine *engine)
{
	const char body[] = "not to be touched";
	struct publish_request *publish =
	    (void *)frame(engine, OP_PUBLISH, sizeof(*publish) + sizeof(struct publish_item) + sizeof(body));
	struct publish_item *item = (struct publish_item *)(publish + 1);

	publish->count = 1;
	item->body_bytes = sizeof(body);
	memcpy(item + 1, body, sizeof(body));
	struct reply *reply = ask(engine);
	assert(reply != NULL);
	if (reply->header.op == OUTCOME_SHARD_FULL)
		return;
	assert(reply->header.op == OUTCOME_OK);
	uint64_t seq = ((struct publish_reply *)reply)->published[0].seq;

	struct receive_request *receive = (void *)frame(engine, OP_RECEIVE, sizeof(*receive));
	receive->lease_ms = 1000;
	receive->max = 2;
	receive->bytes_max = UINT32_MAX;
	reply = ask(engine);
	assert(reply != NULL && reply->header.op == OUTCOME_OK);
	struct receive_reply *received = (struct receive_reply *)reply;
	assert(received->count == 1 && received->deliveries[0].seq == seq);
	const struct published_record *record =
	    (const struct published_record *)stream_at(&engine->worker.stream, received->deliveries[0].lsn);
	assert(record->body_bytes == sizeof(body) && memcmp(record + 1, body, sizeof(body)) == 0);
	assert(record->payload_hash == hash_bytes(body, sizeof(body)));

	struct receipt receipt = { .token = received->deliveries[0].token, .msg_idx = received->deliveries[0].msg_idx };
	struct settle_request *settle = (void *)frame(engine, OP_ACK, sizeof(*settle) + sizeof(receipt));
	settle->count = 1;
	memcpy(settle + 1, &receipt, sizeof(receipt));
	reply = ask(engine);
	assert(reply != NULL && reply->header.op == OUTCOME_OK);
	assert(((struct settle_reply *)reply)->settled[0].outcome == OUTCOME_OK);
}

/* --- the attack --- */

static void
restart(struct engine *engine)
{
	struct engine_front *front = &engine->fronts[HOSTILE];
	struct ring_shared request = front->pair.request, reply = front->pair.reply;

	engine_restart(engine, 0);
	/* engine_restart() mirrors our cursors; the hostile words stay as they were. */
	front->pair.request.tail = request.tail;
	front->pair.reply.head = reply.head;
}

static void
step(struct engine *engine, struct attack *attack, struct attack_source *source)
{
	switch (attack_choose(source, 16)) {
	case 0:
	case 1:
		look(engine);
		return;
	case 2:
		look(engine);
		(void)attack_take_replies(attack);
		return;
	case 3:
		engine->now_ms += attack_choose(source, 256);
		look(engine);
		return;
	case 4:
		honest_round(engine);
		return;
	case 5:
		if (attack_choose(source, 8) == 0) {
			restart(engine);
			check(engine);
		}
		return;
	default:
		attack_step(attack, 24);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct attack_source source = { .bytes = bytes, .left = count };
	struct engine *engine = engine_open(&options);
	struct front_rings rings = rings_of(engine);
	struct attack attack;

	make_queues(engine);
	attack_begin(&attack, &source, &rings, WAITERS);
	for (unsigned i = 0; i < STEPS_MAX && !attack_is_used_up(&source); i++) {
		step(engine, &attack, &source);
		if (engine->worker.shard.root->fronts[HOSTILE].state == FRONT_CLOSED) {
			engine_replace_front(engine, HOSTILE);
			attack_begin(&attack, &source, &rings, WAITERS);
		}
	}
	look(engine);
	check(engine);
	honest_round(engine);
	restart(engine);
	check(engine);
	engine_close(engine);
	return 0;
}
