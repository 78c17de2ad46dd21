#ifndef TESTS_UNIT_FRONT_WORLD_H
#define TESTS_UNIT_FRONT_WORLD_H

/*
 * front_world: a frontd as a thread, in regions of its own.  The test itself plays the supervisor, the one worker and
 * persistd, step by step: it takes frames out of the request ring and answers them when it likes.
 */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "frontd/frontd.h"
#include "shm/clock.h"
#include "shm/diag.h"
#include "shm/directory.h"
#include "shm/hash.h"
#include "shm/usage.h"
#include "tests/harness/client.h"
#include "tests/harness/hashing.h"
#include "tests/harness/unit.h"

#define WORLD_TIMEOUT_NS (10 * NS_PER_S)
#define WORLD_STREAM_BYTES (8u << 20)

static struct world {
	char instance[INSTANCE_MAX_BYTES + 1];
	struct role role;
	struct front_limits limits;
	int listen_fd;
	uint16_t port;
	pthread_t thread;
	int exit_code;

	struct registry registry;   /* writable: the supervisor's */
	struct front front;         /* the other side of the rings */
	struct ring request, reply, fetch, body;
	struct durable durable;
	struct stream stream;
	struct stats worker_stats;
	struct waker front_waker;
	struct hashing hashing;     /* runs */
	char last[FRAME_BYTES_MAX]; /* a copy of the frame taken last */
} world;

static inline void
world_slot(uint32_t slot, uint64_t epoch, enum slot_state state)
{
	store_release(&world.registry.shared->slot[slot].state_epoch, slot_word(epoch, state));
}

static inline void
world_regions(void)
{
	struct region_identity store = { .store_uuid = "front test" };
	struct geometry geometry = {
		.fronts = 1, .workers = 1,
		.shard = { .messages = 1024, .queues = 16, .fronts = 1, .waiters_per_front = 1024, .users = 64, .credentials = 256 },
		.stream = { .stream_bytes = WORLD_STREAM_BYTES, .replay_bytes = 128u << 10 },
		.front = { .workers = 1, .request_bytes = 8u << 20, .reply_bytes = 256u << 10, .fetch_bytes = 4096,
			.body_bytes = 4u << 20 },
	};

	ck_assert_int_eq(region_boot_id(store.boot_id), 0);
	leftovers_instance(world.instance, sizeof(world.instance));
	ck_assert_int_eq(registry_create(world.instance, &store), 0);
	ck_assert_int_eq(registry_attach(&world.registry, world.instance, &store, REGION_READ_WRITE), 0);
	world.registry.shared->geometry = geometry;
	world.registry.shared->clock_offset_ns = clock_wall_offset_ns();
	const uint32_t slots[] = { SLOT_FRONT(0), SLOT_WORKER(0), SLOT_PERSIST };
	for (size_t i = 0; i < 3; i++) {
		ck_assert_int_eq(stats_create(world.instance, slots[i], &store), 0);
		world_slot(slots[i], 1, SLOT_LIVE);
	}
	ck_assert_int_eq(directory_create(world.instance, &geometry.shard, &store), 0);
	ck_assert_int_eq(usage_create(world.instance, SLOT_FRONT(0), geometry.shard.users, &store), 0);
	ck_assert_int_eq(usage_create(world.instance, SLOT_WORKER(0), geometry.shard.users, &store), 0);
	ck_assert_int_eq(durable_create(world.instance, 1, &store), 0);
	ck_assert_int_eq(durable_attach(&world.durable, world.instance, 1, &store, REGION_READ_WRITE), 0);
	world.durable.shared->journal_state = JOURNAL_OK;
	ck_assert_int_eq(stream_create(world.instance, 0, &geometry.stream, &store), 0);
	ck_assert_int_eq(stream_attach(&world.stream, world.instance, 0, &geometry.stream, &store, STREAM_WORKER), 0);
	world.stream.shared->tail = world.stream.shared->reserve = LSN_FIRST;
	ck_assert_int_eq(front_create(world.instance, 0, 1, &geometry.front, &store), 0);
	ck_assert_int_eq(front_attach(&world.front, world.instance, 0, 1, &geometry.front, &store, FRONT_MAP_ALL), 0);
	ring_init(&world.request, &world.front.shared->worker[0].request, world.front.request_bytes[0], geometry.front.request_bytes);
	ring_init(&world.reply, &world.front.shared->worker[0].reply, world.front.reply_bytes[0], geometry.front.reply_bytes);
	ring_init(&world.fetch, &world.front.shared->fetch, world.front.fetch_bytes, geometry.front.fetch_bytes);
	ring_init(&world.body, &world.front.shared->body, world.front.body_bytes, geometry.front.body_bytes);
}

static inline void
world_listen(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);

	world.listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(world.listen_fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(world.listen_fd, 1024), 0);
	ck_assert_int_eq(getsockname(world.listen_fd, (struct sockaddr *)&address, &length), 0);
	world.port = ntohs(address.sin_port);
}

static inline void *
world_thread(void *nothing)
{
	world.exit_code = frontd_run(&world.role, &world.limits, world.listen_fd);
	return nothing;
}

/* Defaults, to be changed before world_start(). */
static inline void
world_setup(void)
{
	world = (struct world){
		.limits = {
			.connections_max = 256, .pipeline_max = 8, .receive_buffers = 64,
			.head_timeout_ns = 10 * NS_PER_S, .body_timeout_ns = 10 * NS_PER_S, .body_rate = 1024,
			.idle_timeout_ns = 60 * NS_PER_S, .send_timeout_ns = 30 * NS_PER_S, .linger_ns = NS_PER_S,
			.body_bytes_max = 8u << 20, .body_memory_bytes = 64u << 20,
			.login_failures = 10, .login_window_ns = 300 * NS_PER_S,
		},
	};
	world_regions();
	world_listen();
	world.role.kind = ROLE_FRONT;
	world.role.epoch = 1;
	world.role.is_thread = true;
	memcpy(world.role.instance, world.instance, sizeof(world.instance));
	for (uint32_t slot = 0; slot < SLOT_MAX; slot++)
		world.role.event_fd[slot] = eventfd(0, EFD_CLOEXEC);
	ck_assert_int_eq(role_attach(&world.role), 0);
	world.front_waker = (struct waker){ .word = &world.role.stats.shared->parked,
		.event_fd = world.role.event_fd[SLOT_FRONT(0)] };
	hashing_open(&world.hashing, 1, world.role.event_fd[SLOT_FRONT(0)]);
	world.limits.password_source = hashing_source(&world.hashing);
	hashing_start(&world.hashing);
}

static inline void
world_start(void)
{
	ck_assert_int_eq(pthread_create(&world.thread, NULL, world_thread, NULL), 0);
}

static inline void
world_wake(void)
{
	park_fence();
	park_wake(&world.front_waker);
}

/* A clean stop; every connection of the test is closed already. */
static inline void
world_stop(void)
{
	store_release(&world.registry.shared->is_draining, 1);
	ck_assert_int_eq(pthread_join(world.thread, NULL), 0);
	ck_assert_int_eq(world.exit_code, 0);
	hashing_stop(&world.hashing);
	hashing_close(&world.hashing);
	role_detach(&world.role);
	region_unlink_all(world.instance, "");
}

/* The next request frame, copied; fails the test when none comes. */
static inline const void *
world_take(enum op op)
{
	uint64_t until_ns = now_ns() + WORLD_TIMEOUT_NS;
	struct frame_header header;
	const void *frame;

	while (ring_peek(&world.request, FRAME_BYTES_MAX, &header, &frame) != RING_FRAME) {
		ck_assert_msg(now_ns() < until_ns, "no request frame came");
		usleep(200);
	}
	memcpy(world.last, frame, header.bytes);
	ring_skip(&world.request, header.bytes);
	ring_drop(&world.request);
	world_wake();
	ck_assert_int_eq(header.op, op);
	return world.last;
}

/* Answer the request taken last (or the one of this id). */
static inline void
world_reply_id(uint64_t id, enum outcome outcome, uint64_t lsn, void *reply, uint32_t bytes)
{
	void *frame = ring_reserve(&world.reply, FRAME_ALIGN(bytes));

	ck_assert_ptr_nonnull(frame);
	memcpy(frame, reply, bytes);
	((struct reply *)frame)->header = (struct frame_header){ .bytes = FRAME_ALIGN(bytes), .op = (uint16_t)outcome, .id = id };
	((struct reply *)frame)->lsn = lsn;
	ring_push(&world.reply, FRAME_ALIGN(bytes));
	ring_post(&world.reply);
	world_wake();
}

static inline uint64_t
world_id(void)
{
	return ((const struct frame_header *)world.last)->id;
}

static inline void
world_reply(enum outcome outcome, uint64_t lsn, void *reply, uint32_t bytes)
{
	world_reply_id(world_id(), outcome, lsn, reply, bytes);
}

static inline void
world_refuse(enum outcome outcome)
{
	struct reply reply = { 0 };

	world_reply(outcome, 0, &reply, sizeof(reply));
}

/* The answer to the publish of one message with this id. */
static inline void
world_published_id(uint64_t id, uint64_t seq, uint64_t lsn)
{
	_Alignas(8) char bytes[sizeof(struct publish_reply) + sizeof(struct published)] = { 0 };
	struct publish_reply *reply = (struct publish_reply *)bytes;

	reply->count = 1;
	reply->published[0] = (struct published){ .seq = seq, .enqueued_ms = 1769847300042, .visible_ms = 1769847300042,
		.msg_idx = 7 };
	world_reply_id(id, OUTCOME_OK, lsn, reply, sizeof(bytes));
}

static inline void
world_published(uint64_t seq, uint64_t lsn)
{
	world_published_id(world_id(), seq, lsn);
}

static inline void
world_durable(uint64_t lsn)
{
	store_release(&world.durable.shared->shard[0].lsn, lsn);
	park_fence();
	park_wake_durable(&world.front_waker);
}

/* A publish record in the stream ring, as a worker writes it: its delivery. */
static inline struct delivery
world_record(uint64_t seq, const char *attributes, uint32_t attributes_bytes, const void *body, uint32_t body_bytes)
{
	uint64_t lsn = world.stream.shared->tail;
	uint32_t bytes = FRAME_ALIGN(RECORD_PUBLISHED_BYTES + attributes_bytes + body_bytes);
	char *at = stream_at(&world.stream, lsn);
	struct published_record record = {
		.record = { .bytes = bytes, .type = RECORD_PUBLISHED, .flags = RECORD_LAST, .lsn = lsn },
		.seq = seq, .attributes_bytes = attributes_bytes, .body_bytes = body_bytes,
	};

	store_relaxed(&world.stream.shared->reserve, lsn + bytes);
	fence_release();
	memset(at, 0, bytes);
	memcpy(at + RECORD_PUBLISHED_BYTES, attributes, attributes_bytes);
	memcpy(at + RECORD_PUBLISHED_BYTES + attributes_bytes, body, body_bytes);
	record.payload_hash = hash_bytes(at + RECORD_PUBLISHED_BYTES, attributes_bytes + body_bytes);
	memcpy(at, &record, sizeof(record));
	store_release(&world.stream.shared->tail, lsn + bytes);
	return (struct delivery){ .lsn = lsn, .seq = seq, .token = 1000 + seq, .enqueued_ms = 1769847300042,
		.first_delivered_ms = 1769847300043, .lease_ends_ms = 1769847330043, .msg_idx = (uint32_t)seq,
		.attributes_bytes = attributes_bytes, .body_bytes = body_bytes, .delivery_count = 1 };
}

/* Answer the receive of this id with one delivery. */
static inline void
world_deliver(uint64_t id, struct delivery delivery)
{
	_Alignas(8) char bytes[sizeof(struct receive_reply) + sizeof(struct delivery)] = { 0 };
	struct receive_reply *reply = (struct receive_reply *)bytes;

	reply->count = 1;
	reply->deliveries[0] = delivery;
	world_reply_id(id, OUTCOME_OK, 0, reply, sizeof(bytes));
}

#endif
