#include "tests/harness/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shm/atomic.h"
#include "shm/state/check.h"
#include "shm/state/owners.h"
#include "workerd/fronts.h"
#include "workerd/quota.h"
#include "workerd/recover.h"
#include "workerd/replay.h"
#include "workerd/snapshot.h"

#define EPOCH 1
#define BEGIN_MS 1000000000000ull
#define TURNS_MAX 1000000

#define must(condition)                                                                       \
	do {                                                                                  \
		if (!(condition)) {                                                           \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                              \
		}                                                                             \
	} while (0)


static void *
memory_of(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	must(memory != MAP_FAILED);
	return memory;
}

char *
engine_mirrored(size_t bytes)
{
	int fd = memfd_create("engine", MFD_CLOEXEC);
	char *base = mmap(NULL, 2 * bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	must(fd >= 0 && base != MAP_FAILED && ftruncate(fd, (off_t)bytes) == 0);
	for (int half = 0; half < 2; half++)
		must(mmap(base + (size_t)half * bytes, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) !=
		    MAP_FAILED);
	close(fd);
	return base;
}

static uint64_t
or_default(uint64_t value, uint64_t otherwise)
{
	return value != 0 ? value : otherwise;
}

static void
bind_front(struct engine *engine, uint32_t index)
{
	struct engine_front *front = &engine->fronts[index];

	front_bind(&engine->worker, index, &(struct front_rings){
		.pair = &front->pair,
		.request_bytes = front->request_bytes,
		.reply_bytes = front->reply_bytes,
		.request_size_bytes = engine->request_ring_bytes,
		.reply_size_bytes = engine->reply_ring_bytes,
	});
}

void
engine_join_front(struct engine *engine, uint32_t index)
{
	struct engine_front *front = &engine->fronts[index];

	front->request_bytes = engine_mirrored(engine->request_ring_bytes);
	front->reply_bytes = engine_mirrored(engine->reply_ring_bytes);
	bind_front(engine, index);
	front_open(&engine->worker, index, EPOCH);
	ring_init(&front->request, &front->pair.request, front->request_bytes, engine->request_ring_bytes);
	ring_init(&front->reply, &front->pair.reply, front->reply_bytes, engine->reply_ring_bytes);
}

/* The parts of a worker that do not survive a kill. */
static void
attach(struct engine *engine, uint64_t stream_bytes, char *bytes)
{
	struct worker *worker = &engine->worker;

	worker_init(worker, 0, 42);
	shard_view(&worker->shard, engine->shard_memory, &engine->geometry);
	worker->stream.shared = engine->stream_shared;
	worker->stream.bytes = bytes;
	worker->stream.size_bytes = stream_bytes;
	worker->durable.shared = engine->durable;
	worker->stats = engine->stats;
	directory_view(&worker->directory, engine->directory_memory, &engine->geometry);
	usage_view(&worker->usages[0], engine->usage_memory, engine->geometry.users);
	snapshot_init(worker, engine->snapshot_memory);
}

struct engine *
engine_open(const struct engine_options *options)
{
	struct engine *engine = memory_of(sizeof(*engine));
	uint64_t stream_bytes = or_default(options->stream_bytes, 8u << 20);

	engine->geometry = (struct shard_geometry){
		.messages = (uint32_t)or_default(options->messages, 4096),
		.queues = (uint32_t)or_default(options->queues, 16),
		.fronts = (uint32_t)or_default(options->fronts, 1),
		.waiters_per_front = (uint32_t)or_default(options->waiters_per_front, 64),
		.grants = (uint32_t)or_default(options->grants, 64),
		.users = (uint32_t)or_default(options->users, 16),
		.credentials = (uint32_t)or_default(options->credentials, 64),
	};
	engine->request_ring_bytes = or_default(options->request_ring_bytes, 8u << 20);
	engine->reply_ring_bytes = or_default(options->reply_ring_bytes, 1u << 20);
	engine->shard_memory = memory_of(shard_size_bytes(&engine->geometry));
	engine->snapshot_memory = memory_of(snapshot_memory_bytes(&engine->geometry));
	engine->stream_shared = memory_of(sizeof(*engine->stream_shared));
	engine->durable = memory_of(sizeof(*engine->durable));
	engine->stats = memory_of(sizeof(*engine->stats));
	engine->directory_memory = memory_of(directory_size_bytes(&engine->geometry));
	engine->usage_memory = memory_of(engine->geometry.users * sizeof(struct usage_entry));
	engine->fronts = memory_of(engine->geometry.fronts * sizeof(*engine->fronts));
	engine->durable->journal_state = JOURNAL_OK;
	engine->durable->shard[0].lsn = LSN_FIRST;
	engine->now_ms = BEGIN_MS;
	engine->caller = (struct caller){ .flags = CALLER_ADMIN | CALLER_MAY_CREATE };
	attach(engine, stream_bytes, engine_mirrored(stream_bytes));
	if (options->is_fresh)
		return engine;
	shard_format(&engine->worker.shard, engine->now_ms);
	replay_finish(&engine->worker, &(struct replay_end){ .lsn = LSN_FIRST, .generation = 1, .is_clean = 1 });
	quota_recount(&engine->worker);
	for (uint32_t i = 0; i < engine->geometry.fronts; i++)
		engine_join_front(engine, i);
	engine_run(engine);
	return engine;
}

void
engine_close(struct engine *engine)
{
	for (uint32_t i = 0; i < engine->geometry.fronts; i++) {
		if (engine->fronts[i].request_bytes == NULL)
			continue;
		munmap(engine->fronts[i].request_bytes, 2 * engine->request_ring_bytes);
		munmap(engine->fronts[i].reply_bytes, 2 * engine->reply_ring_bytes);
	}
	munmap(engine->worker.stream.bytes, 2 * engine->worker.stream.size_bytes);
	munmap(engine->fronts, engine->geometry.fronts * sizeof(*engine->fronts));
	munmap(engine->stats, sizeof(*engine->stats));
	munmap(engine->durable, sizeof(*engine->durable));
	munmap(engine->stream_shared, sizeof(*engine->stream_shared));
	munmap(engine->directory_memory, directory_size_bytes(&engine->geometry));
	munmap(engine->usage_memory, engine->geometry.users * sizeof(struct usage_entry));
	munmap(engine->snapshot_memory, snapshot_memory_bytes(&engine->geometry));
	munmap(engine->shard_memory, engine->worker.shard.size_bytes);
	munmap(engine, sizeof(*engine));
}

void
engine_run(struct engine *engine)
{
	for (int turn = 0; worker_turn(&engine->worker, engine->now_ms); turn++) {
		must(turn < TURNS_MAX);
		if (!engine->is_disk_slow)
			engine->durable->shard[0].lsn = engine->stream_shared->tail;
	}
	if (!engine->is_disk_slow)
		engine->durable->shard[0].lsn = engine->stream_shared->tail;
}

void
engine_pass(struct engine *engine, uint64_t ms)
{
	engine->now_ms += ms;
	engine_run(engine);
}

void
engine_restart(struct engine *engine, uint32_t last_signal)
{
	struct worker *worker = &engine->worker;
	struct stream stream = worker->stream;

	attach(engine, stream.size_bytes, stream.bytes);
	must(recover_warm(worker, last_signal));
	quota_recount(worker);
	for (uint32_t i = 0; i < engine->geometry.fronts; i++)
		bind_front(engine, i);
	worker_mirror(worker);
}

void
engine_replace_front(struct engine *engine, uint32_t index)
{
	struct engine_front *front = &engine->fronts[index];
	uint64_t epoch = engine->worker.shard.root->fronts[index].epoch + 1;

	must(engine->worker.shard.root->fronts[index].state == FRONT_CLOSED);
	engine->worker.fronts[index] = (struct worker_front){ .is_attached = false };
	memset(&front->pair, 0, sizeof(front->pair));
	bind_front(engine, index);
	front_open(&engine->worker, index, epoch);
	ring_init(&front->request, &front->pair.request, front->request_bytes, engine->request_ring_bytes);
	ring_init(&front->reply, &front->pair.reply, front->reply_bytes, engine->reply_ring_bytes);
}

const char *
engine_check(struct engine *engine)
{
	struct shard_mirrors mirrors;

	recover_mirrors(&engine->worker, &mirrors);
	const char *wrong = shard_check(&engine->worker.shard, &mirrors);
	return wrong != NULL || engine->worker.shard.usage == NULL ? wrong : owners_check(&engine->worker.shard);
}

static bool
engine_has_caller(enum op op)
{
	return op < OP_COUNT && op != OP_RECEIVE_CANCEL && op != OP_CREDENTIAL_TOUCH;
}

void *
engine_frame(struct engine *engine, uint32_t front, enum op op, uint64_t id, uint32_t bytes)
{
	struct frame_header *header = ring_reserve(&engine->fronts[front].request, FRAME_ALIGN(bytes));

	must(header != NULL);
	memset(header, 0, FRAME_ALIGN(bytes));
	*header = (struct frame_header){ .bytes = FRAME_ALIGN(bytes), .op = (uint16_t)op, .id = id };
	if (engine_has_caller(op) && bytes >= sizeof(*header) + sizeof(struct caller))
		((struct queue_request *)(void *)header)->caller = engine->caller;
	ring_push(&engine->fronts[front].request, header->bytes);
	return header;
}

void
engine_post(struct engine *engine, uint32_t front)
{
	ring_post(&engine->fronts[front].request);
}

struct reply *
engine_reply(struct engine *engine, uint32_t front)
{
	struct ring *ring = &engine->fronts[front].reply;
	struct frame_header header;
	const void *frame;

	switch (ring_peek(ring, REPLY_BYTES_MAX, &header, &frame)) {
	case RING_EMPTY:
		return NULL;
	case RING_LIES:
		must(!"a worker posted a reply that makes no sense");
		return NULL;
	case RING_FRAME:
		break;
	}
	memcpy(engine->reply, frame, header.bytes);
	ring_skip(ring, header.bytes);
	ring_drop(ring);
	return (struct reply *)engine->reply;
}

/* --- whole requests --- */

struct queue_name
engine_name(const char *text)
{
	struct queue_name name = { .bytes = (uint8_t)strlen(text) };

	memcpy(name.text, text, name.bytes);
	return name;
}

static enum outcome
finish(struct engine *engine, uint64_t id)
{
	engine_post(engine, 0);
	engine_run(engine);
	struct reply *reply = engine_reply(engine, 0);
	must(reply != NULL);
	must(reply->header.id == id);
	return (enum outcome)reply->header.op;
}

static struct queue_request *
frame_for(struct engine *engine, uint32_t front, enum op op, const char *queue, uint32_t bytes)
{
	struct queue_request *request = engine_frame(engine, front, op, ++engine->next_id, bytes);

	request->name = engine_name(queue);
	return request;
}

enum outcome
engine_put(struct engine *engine, const char *queue, const struct queue_config *config, uint32_t fields)
{
	struct queue_config_request *request = (void *)frame_for(engine, 0, OP_QUEUE_PUT, queue, sizeof(*request));

	if (config != NULL)
		request->config = *config;
	request->fields = config != NULL ? fields : 0;
	return finish(engine, engine->next_id);
}

enum outcome
engine_get(struct engine *engine, const char *queue, struct queue_entry *entry)
{
	(void)frame_for(engine, 0, OP_QUEUE_GET, queue, sizeof(struct queue_request));
	enum outcome outcome = finish(engine, engine->next_id);
	if (outcome == OUTCOME_OK)
		*entry = ((struct queue_reply *)engine->reply)->queue;
	return outcome;
}

enum outcome
engine_delete(struct engine *engine, const char *queue)
{
	(void)frame_for(engine, 0, OP_QUEUE_DELETE, queue, sizeof(struct queue_request));
	return finish(engine, engine->next_id);
}

enum outcome
engine_purge(struct engine *engine, const char *queue, uint32_t states, uint64_t *removed)
{
	struct purge_request *request = (void *)frame_for(engine, 0, OP_PURGE, queue, sizeof(*request));

	request->states = states;
	enum outcome outcome = finish(engine, engine->next_id);
	if (outcome == OUTCOME_OK)
		*removed = ((struct purge_reply *)engine->reply)->removed;
	return outcome;
}

uint64_t
engine_post_publish(struct engine *engine, uint32_t front, const char *queue, const char *body, uint64_t delay_ms,
    uint32_t count)
{
	uint32_t body_bytes = (uint32_t)strlen(body), item_bytes = sizeof(struct publish_item) + FRAME_ALIGN(body_bytes);
	struct publish_request *request =
	    (void *)frame_for(engine, front, OP_PUBLISH, queue, sizeof(*request) + count * item_bytes);
	char *at = (char *)(request + 1);

	request->count = count;
	for (uint32_t i = 0; i < count; i++, at += item_bytes) {
		struct publish_item *item = (struct publish_item *)at;

		item->delay_ms = delay_ms;
		item->body_bytes = body_bytes;
		memcpy(item + 1, body, body_bytes);
	}
	engine_post(engine, front);
	return engine->next_id;
}

enum outcome
engine_publish(struct engine *engine, const char *queue, const char *body, uint64_t delay_ms, uint32_t count)
{
	return finish(engine, engine_post_publish(engine, 0, queue, body, delay_ms, count));
}

uint64_t
engine_post_receive(struct engine *engine, uint32_t front, const char *queue, uint32_t max, uint64_t lease_ms,
    uint32_t wait_ms, uint32_t slot)
{
	struct receive_request *request = (void *)frame_for(engine, front, OP_RECEIVE, queue, sizeof(*request));

	request->lease_ms = lease_ms;
	request->max = max;
	request->wait_ms = wait_ms;
	request->waiter_slot = slot;
	request->bytes_max = RECEIVE_BODY_BYTES_MAX;
	engine_post(engine, front);
	return engine->next_id;
}

enum outcome
engine_receive(struct engine *engine, const char *queue, uint32_t max, uint64_t lease_ms, struct delivery *deliveries,
    uint32_t *count)
{
	enum outcome outcome = finish(engine, engine_post_receive(engine, 0, queue, max, lease_ms, 0, 0));
	struct receive_reply *reply = (struct receive_reply *)engine->reply;
	uint32_t got = outcome == OUTCOME_OK ? reply->count : 0;

	must(got <= max);
	memcpy(deliveries, reply->deliveries, got * sizeof(*deliveries));
	if (count != NULL)
		*count = got;
	return outcome;
}

uint64_t
engine_post_settle(struct engine *engine, uint32_t front, enum op op, const char *queue, const struct receipt *receipts,
    uint32_t count, uint64_t ms, enum nack_mode mode)
{
	struct settle_request *request =
	    (void *)frame_for(engine, front, op, queue, sizeof(*request) + count * (uint32_t)sizeof(*receipts));

	request->lease_ms = ms;
	request->mode = mode;
	request->count = count;
	memcpy(request + 1, receipts, count * sizeof(*receipts));
	engine_post(engine, front);
	return engine->next_id;
}

enum outcome
engine_settle(struct engine *engine, enum op op, const char *queue, const struct delivery *delivery, uint64_t ms,
    enum nack_mode mode)
{
	struct receipt receipt = { .token = delivery->token, .msg_idx = delivery->msg_idx };
	enum outcome outcome = finish(engine, engine_post_settle(engine, 0, op, queue, &receipt, 1, ms, mode));

	if (outcome != OUTCOME_OK)
		return outcome;
	return (enum outcome)((struct settle_reply *)engine->reply)->settled[0].outcome;
}
