/*
 * The whole of persistd as a thread, with the test as worker, frontd and supervisor: what is posted to a stream becomes durable,
 * is fetched back, is replayed after a cold start; a clean stop is clean.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

#include "persistd/persist.h"
#include "shm/atomic.h"
#include "shm/durable.h"
#include "shm/outcome.h"
#include "shm/registry.h"
#include "shm/stream.h"
#include "tests/unit/persist_world.h"

#define WAIT_NS 10000000000ull

static struct world world; /* its directory */
static char instance[32];
static struct region_identity store;
static const struct geometry geometry = {
	.fronts = 2, /* the second one lives in one test only */
	.workers = WORLD_SHARDS,
	.stream = { .stream_bytes = 8u << 20, .replay_bytes = 128u << 10 },
	.front = { .workers = WORLD_SHARDS, .request_bytes = 4096, .reply_bytes = 4096, .fetch_bytes = 4096,
		.body_bytes = 2u << 20 },
};
static struct registry registry;
static struct durable durable;
static struct stream streams[WORLD_SHARDS];
static struct stats worker_stats[WORLD_SHARDS];
static struct front front;
static struct ring fetch_ring, body_ring;
static int event_fd[SLOT_MAX];
static pthread_t thread;
static pid_t process;
static struct io_hook hook;

static void
slot_set(uint32_t slot, uint64_t epoch, enum slot_state state)
{
	store_release(&registry.shared->slot[slot].state_epoch, slot_word(epoch, state));
	park_poke(event_fd[SLOT_PERSIST]);
}

/* As the supervisor does at a cold start. */
static void
regions_make(void)
{
	region_unlink_all(instance, "");
	ck_assert_int_eq(registry_create(instance, &store), 0);
	ck_assert_int_eq(registry_attach(&registry, instance, &store, REGION_READ_WRITE), 0);
	registry.shared->geometry = geometry;
	memcpy(registry.shared->store_uuid, store.store_uuid, 16);
	registry.shared->clock_offset_ns = clock_wall_offset_ns();
	ck_assert_int_eq(durable_create(instance, WORLD_SHARDS, &store), 0);
	ck_assert_int_eq(durable_attach(&durable, instance, WORLD_SHARDS, &store, REGION_READ_ONLY), 0);
	for (uint32_t w = 0; w < WORLD_SHARDS; w++) {
		ck_assert_int_eq(stream_create(instance, w, &geometry.stream, &store), 0);
		ck_assert_int_eq(stream_attach(&streams[w], instance, w, &geometry.stream, &store, STREAM_WORKER), 0);
		ck_assert_int_eq(stats_create(instance, SLOT_WORKER(w), &store), 0);
		ck_assert_int_eq(stats_attach(&worker_stats[w], instance, SLOT_WORKER(w), &store, REGION_READ_WRITE), 0);
	}
	ck_assert_int_eq(stats_create(instance, SLOT_FRONT(0), &store), 0);
	ck_assert_int_eq(stats_create(instance, SLOT_FRONT(1), &store), 0);
	ck_assert_int_eq(stats_create(instance, SLOT_PERSIST, &store), 0);
	ck_assert_int_eq(front_create(instance, 0, 1, &geometry.front, &store), 0);
	ck_assert_int_eq(front_attach(&front, instance, 0, 1, &geometry.front, &store, FRONT_MAP_FETCH), 0);
	ring_init(&fetch_ring, &front.shared->fetch, front.fetch_bytes, geometry.front.fetch_bytes);
	ring_init(&body_ring, &front.shared->body, front.body_bytes, geometry.front.body_bytes);
}

static void
regions_drop(void)
{
	for (uint32_t w = 0; w < WORLD_SHARDS; w++) {
		stream_detach(&streams[w]);
		stats_detach(&worker_stats[w]);
	}
	front_detach(&front);
	durable_detach(&durable);
	registry_detach(&registry);
	region_unlink_all(instance, "");
}

static int
persistd_run(void)
{
	static struct role role;
	struct persist_options options = { .directory = world.directory, .segment_bytes = SEGMENT_BYTES_MIN,
		.batch_bytes = BATCH_BYTES_TARGET, .in_flight = 2, .spare_segments = 2, .snapshot_bytes = 256ull << 20, .direct = DISK_DIRECT_AUTO };

	memset(&role, 0, sizeof(role));
	role.kind = ROLE_PERSIST;
	role.epoch = 1;
	role.is_thread = true;
	snprintf(role.instance, sizeof(role.instance), "%s", instance);
	memcpy(role.event_fd, event_fd, sizeof(event_fd));
	if (role_attach(&role) != 0)
		return EXIT_JOURNAL;
	int code = persist_main(&role, &options);
	role_detach(&role);
	return code;
}

static void *
persistd_thread(void *argument)
{
	(void)argument;
	return (void *)(intptr_t)persistd_run();
}

static void
persistd_start(void)
{
	ck_assert_int_eq(pthread_create(&thread, NULL, persistd_thread, NULL), 0);
}

/* As a process that can be killed. */
static void
persistd_fork(void)
{
	process = fork();
	if (process == 0)
		_exit(persistd_run());
}

static void
persistd_kill(void)
{
	int status;

	ck_assert_int_eq(kill(process, SIGKILL), 0);
	ck_assert_int_eq(waitpid(process, &status, 0), process);
	ck_assert(WIFSIGNALED(status));
}

static void
setup(void)
{
	hook = (struct io_hook){ 0 };
	io_wrap_hook(&hook);
	world_make(&world);
	leftovers_instance(instance, sizeof(instance));
	ck_assert_int_eq(store_open(&world.store, world.directory, NULL, WORLD_SHARDS, STORE_LOCK_NONE), 0);
	memcpy(store.store_uuid, world.store.uuid, 16);
	store_close(&world.store);
	ck_assert_int_eq(region_boot_id(store.boot_id), 0);
	for (uint32_t slot = 0; slot < SLOT_MAX; slot++)
		event_fd[slot] = eventfd(0, EFD_CLOEXEC);
	regions_make();
}

static void
teardown(void)
{
	regions_drop();
	world_remove(&world);
	for (uint32_t slot = 0; slot < SLOT_MAX; slot++)
		close(event_fd[slot]);
}

/* --- the worker's part --- */

#define UNTIL(condition)                                                                            \
	do {                                                                                        \
		uint64_t until_deadline_ = now_ns() + WAIT_NS;                                      \
		while (!(condition))                                                                \
			ck_assert_msg(now_ns() < until_deadline_, "waited too long for " #condition); \
	} while (0)

static void
worker_begin(void)
{
	for (uint32_t w = 0; w < WORLD_SHARDS; w++) {
		UNTIL(load_acquire(&durable.shared->shard[w].lsn) != 0);
		if (load_relaxed(&streams[w].shared->tail) == 0)
			store_release(&streams[w].shared->tail, load_relaxed(&durable.shared->shard[w].lsn));
	}
}

static uint64_t
worker_publish(uint32_t shard, uint32_t body_bytes)
{
	uint64_t tail = streams[shard].shared->tail;
	uint32_t bytes = RECORD_PUBLISHED_BYTES + FRAME_ALIGN(body_bytes);

	UNTIL(tail + bytes - load_acquire(&durable.shared->shard[shard].lsn) <= streams[shard].size_bytes);
	store_release(&streams[shard].shared->reserve, tail + bytes);
	ck_assert_uint_eq(world_record(stream_at(&streams[shard], tail), tail, body_bytes), bytes);
	store_release(&streams[shard].shared->tail, tail + bytes);
	park_poke(event_fd[SLOT_PERSIST]);
	return tail;
}

static void
worker_wait_durable(void)
{
	for (uint32_t w = 0; w < WORLD_SHARDS; w++)
		UNTIL(load_acquire(&durable.shared->shard[w].lsn) == streams[w].shared->tail);
}

/* Ask for a replay and see every record that lies below `end`; gives END. */
static struct replay_end
worker_replay(uint32_t shard, uint64_t wanted, uint64_t *records)
{
	struct stream *stream = &streams[shard];
	struct frame_header header;
	uint64_t lsn = LSN_FIRST;
	struct ring ring;
	const void *frame;

	store_release(&stream->shared->replay_wanted, wanted);
	park_poke(event_fd[SLOT_PERSIST]);
	UNTIL(load_acquire(&stream->shared->replay_serving) == wanted);
	ring_init(&ring, &stream->shared->replay, stream->replay_bytes, stream->replay_size_bytes);
	for (*records = 0;; ++*records) {
		UNTIL(ring_peek(&ring, REPLAY_FRAME_BYTES_MAX, &header, &frame) == RING_FRAME);
		if (header.op == REPLAY_END)
			return *(const struct replay_end *)frame;
		const struct record *record = (const struct record *)((const char *)frame + sizeof(header));
		ck_assert_uint_eq(record->lsn, lsn);
		ck_assert_uint_eq(header.bytes, sizeof(header) + RECORD_PUBLISHED_BYTES);
		lsn += record->bytes;
		ring_skip(&ring, header.bytes);
		ring_drop(&ring);
	}
}

/* --- the frontd's part --- */

static uint32_t
front_fetch(uint32_t shard, uint64_t lsn, uint32_t record_bytes, char *to)
{
	struct fetch_request *request = ring_reserve(&fetch_ring, sizeof(*request));
	struct frame_header header;
	const void *frame;

	ck_assert_ptr_nonnull(request);
	*request = (struct fetch_request){ .header = { .bytes = sizeof(*request), .id = lsn + 1 }, .lsn = lsn, .shard = shard,
		.record_bytes = record_bytes };
	ring_push(&fetch_ring, sizeof(*request));
	ring_post(&fetch_ring);
	park_poke(event_fd[SLOT_PERSIST]);
	UNTIL(ring_peek(&body_ring, FETCH_BYTES_MAX + 64, &header, &frame) == RING_FRAME);
	const struct fetch_reply *reply = frame;
	ck_assert_uint_eq(header.id, lsn + 1);
	if (to != NULL)
		memcpy(to, reply->bytes, reply->record_bytes);
	ring_skip(&body_ring, header.bytes);
	ring_drop(&body_ring);
	return header.op;
}

static void
stop_cleanly(void)
{
	void *code;

	store_release(&registry.shared->is_draining, 1);
	slot_set(SLOT_FRONT(0), 1, SLOT_DEAD);
	for (uint32_t w = 0; w < WORLD_SHARDS; w++)
		store_release(&worker_stats[w].shared->phase, PHASE_DRAINED);
	park_poke(event_fd[SLOT_PERSIST]);
	ck_assert_int_eq(pthread_join(thread, &code), 0);
	ck_assert_int_eq((int)(intptr_t)code, 0);
}

START_TEST(what_is_posted_becomes_durable_is_fetched_and_replayed_after_a_clean_stop)
{
	uint64_t lsn[500], records;
	char *seen = calloc(2, 2000), *wanted = seen + 2000;

	slot_set(SLOT_FRONT(0), 1, SLOT_LIVE);
	persistd_start();
	worker_begin();
	for (unsigned i = 0; i < 500; i++)
		lsn[i] = worker_publish(i % 2, 1 + i);
	worker_wait_durable();
	ck_assert_uint_eq(load_acquire(&durable.shared->journal_state), JOURNAL_OK);
	for (unsigned i = 0; i < 500; i += 17) {
		uint32_t bytes = world_record(wanted, lsn[i], 1 + i);

		ck_assert_uint_eq(front_fetch(i % 2, lsn[i], bytes, seen), OUTCOME_OK);
		ck_assert_mem_eq(seen, wanted, bytes);
	}
	/* Strangers' LSNs, lengths and shards. */
	ck_assert_uint_eq(front_fetch(0, lsn[400] + 8, 72, NULL), OUTCOME_MESSAGE_CORRUPT);
	ck_assert_uint_eq(front_fetch(0, 1ull << 40, 72, NULL), OUTCOME_NOT_FOUND);
	ck_assert_uint_eq(front_fetch(7, lsn[0], 72, NULL), OUTCOME_BAD_REQUEST);
	ck_assert_uint_eq(front_fetch(0, lsn[0], FETCH_BYTES_MAX + 8, NULL), OUTCOME_BAD_REQUEST);
	uint64_t end = streams[0].shared->tail;
	stop_cleanly();

	regions_drop();
	regions_make();
	persistd_start();
	struct replay_end got = worker_replay(0, 1, &records);
	ck_assert_uint_eq(records, 250);
	ck_assert_uint_eq(got.lsn, end);
	ck_assert_uint_eq(got.is_clean, 1);
	ck_assert_uint_eq(got.generation, 2);
	(void)worker_replay(1, 1, &records);
	ck_assert_uint_eq(records, 250);
	/* A shard that is thrown away again is another generation. */
	got = worker_replay(0, 2, &records);
	ck_assert_uint_eq(got.generation, 3);
	worker_begin();
	stop_cleanly();
	free(seen);
}
END_TEST

/* A disk that takes longer for a write than an idle journal waits for its witness. */
static int32_t
slow_while_draining(void *context, enum io_op op, struct disk_tag tag, uint32_t *bytes)
{
	struct timespec pause = { .tv_nsec = 80000000 };

	(void)context;
	(void)bytes;
	if (op == IO_WRITE && tag.user == DISK_COMMIT && load_relaxed(&registry.shared->is_draining) != 0)
		(void)nanosleep(&pause, NULL);
	return 0;
}

START_TEST(a_clean_stop_is_clean_on_a_slow_disk_too)
{
	uint64_t records;

	hook.inject = slow_while_draining;
	slot_set(SLOT_FRONT(0), 1, SLOT_LIVE);
	persistd_start();
	worker_begin();
	(void)worker_publish(0, 100);
	worker_wait_durable();
	stop_cleanly(); /* the marker flies while the witness for that batch falls due */

	regions_drop();
	regions_make();
	persistd_start();
	ck_assert_uint_eq(worker_replay(0, 1, &records).is_clean, 1);
	worker_begin();
	stop_cleanly();
}
END_TEST

START_TEST(a_dead_frontd_is_let_go_of_and_its_successor_is_served)
{
	struct stats stats;

	slot_set(SLOT_FRONT(0), 1, SLOT_STARTING);
	persistd_start();
	worker_begin();
	uint64_t lsn = worker_publish(0, 100);
	worker_wait_durable();
	ck_assert_int_eq(stats_attach(&stats, instance, SLOT_PERSIST, &store, REGION_READ_ONLY), 0);
	ck_assert_uint_eq(front_fetch(0, lsn, 64 + 104, NULL), OUTCOME_OK);
	slot_set(SLOT_FRONT(0), 1, SLOT_DEAD);
	UNTIL(load_acquire(&stats.shared->closed_epoch[0]) == 1);

	front_detach(&front);
	region_unlink(instance, "front.0.1");
	ck_assert_int_eq(front_create(instance, 0, 2, &geometry.front, &store), 0);
	ck_assert_int_eq(front_attach(&front, instance, 0, 2, &geometry.front, &store, FRONT_MAP_FETCH), 0);
	ring_init(&fetch_ring, &front.shared->fetch, front.fetch_bytes, geometry.front.fetch_bytes);
	ring_init(&body_ring, &front.shared->body, front.body_bytes, geometry.front.body_bytes);
	slot_set(SLOT_FRONT(0), 2, SLOT_STARTING);
	ck_assert_uint_eq(front_fetch(0, lsn, 64 + 104, NULL), OUTCOME_OK);
	stats_detach(&stats);
	stop_cleanly();
}
END_TEST

START_TEST(a_frontd_that_takes_no_bodies_holds_up_no_other)
{
	const uint32_t body_bytes = 1000000, bytes = RECORD_PUBLISHED_BYTES + body_bytes;
	struct front other;
	struct ring ring;

	slot_set(SLOT_FRONT(0), 1, SLOT_LIVE);
	persistd_start();
	worker_begin();
	uint64_t lsn = worker_publish(0, body_bytes);
	worker_wait_durable();
	ck_assert_int_eq(front_create(instance, 1, 1, &geometry.front, &store), 0);
	ck_assert_int_eq(front_attach(&other, instance, 1, 1, &geometry.front, &store, FRONT_MAP_FETCH), 0);
	ring_init(&ring, &other.shared->fetch, other.fetch_bytes, geometry.front.fetch_bytes);
	for (unsigned i = 0; i < geometry.front.fetch_bytes / sizeof(struct fetch_request); i++) {
		struct fetch_request *request = ring_reserve(&ring, sizeof(*request));

		*request = (struct fetch_request){ .header = { .bytes = sizeof(*request), .id = i + 1 }, .lsn = lsn,
			.record_bytes = bytes };
		ring_push(&ring, sizeof(*request));
	}
	ring_post(&ring);
	slot_set(SLOT_FRONT(1), 1, SLOT_LIVE);
	UNTIL(load_acquire(&other.shared->body.tail) != 0);
	for (unsigned i = 0; i < 40; i++)
		ck_assert_uint_eq(front_fetch(0, lsn, bytes, NULL), OUTCOME_OK);
	slot_set(SLOT_FRONT(1), 1, SLOT_DEAD);
	front_detach(&other);
	stop_cleanly();
}
END_TEST

START_TEST(persistd_killed_again_and_again_goes_on_where_it_was)
{
	uint64_t records;

	slot_set(SLOT_FRONT(0), 1, SLOT_LIVE);
	srandom(11);
	for (unsigned round = 0; round < 10; round++) {
		unsigned count = (unsigned)(random() % 3000);

		persistd_fork();
		worker_begin();
		for (unsigned i = 0; i < count; i++)
			(void)worker_publish((uint32_t)(random() % 2), (uint32_t)(random() % 3000));
		persistd_kill();
	}
	persistd_start();
	worker_wait_durable();
	uint64_t end = streams[0].shared->tail;
	ck_assert_uint_eq(worker_replay(0, 1, &records).lsn, end);
	stop_cleanly();

	/* From the journal alone. */
	uint64_t seen;
	regions_drop();
	regions_make();
	persistd_start();
	ck_assert_uint_eq(worker_replay(0, 1, &seen).lsn, end);
	ck_assert_uint_eq(seen, records);
	worker_begin();
	stop_cleanly();
}
END_TEST

static Suite *
main_suite(void)
{
	Suite *suite = suite_create("persistd");
	TCase *tests = tcase_create("persistd");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, what_is_posted_becomes_durable_is_fetched_and_replayed_after_a_clean_stop);
	tcase_add_test(tests, a_clean_stop_is_clean_on_a_slow_disk_too);
	tcase_add_test(tests, a_dead_frontd_is_let_go_of_and_its_successor_is_served);
	tcase_add_test(tests, a_frontd_that_takes_no_bodies_holds_up_no_other);
	tcase_add_test(tests, persistd_killed_again_and_again_goes_on_where_it_was);
	suite_add_tcase(suite, tests);
	return suite;
}

UNIT_MAIN(main_suite)
