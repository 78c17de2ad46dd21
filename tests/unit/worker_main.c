/*
 * The whole of a worker as a thread, with the test as supervisor and persistd: what it says to the others while its shard is
 * being loaded.
 */
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "shm/clock.h"
#include "shm/diag.h"
#include "tests/harness/unit.h"
#include "workerd/worker.h"

#define WAIT_NS 10000000000ull

static const struct geometry geometry = {
	.fronts = 1,
	.workers = 1,
	.shard = { .messages = 4096, .queues = 16, .fronts = 1, .waiters_per_front = 16 },
	.stream = { .stream_bytes = 8u << 20, .replay_bytes = 128u << 10 },
	.front = { .workers = 1, .request_bytes = 8u << 20, .reply_bytes = 128u << 10, .fetch_bytes = 4096,
		.body_bytes = 2u << 20 },
};
static struct worker worker;
static struct role role;
static struct registry registry;
static struct durable durable;
static struct stream stream;
static pthread_t thread;

static void *
worker_thread(void *nothing)
{
	ck_assert_int_eq(worker_main(&worker, &role), 0);
	return nothing;
}

static void
slot_set(uint32_t slot, uint64_t epoch, enum slot_state state)
{
	store_release(&registry.shared->slot[slot].state_epoch, slot_word(epoch, state));
}

static void
setup(void)
{
	const uint32_t slots[] = { SLOT_FRONT(0), SLOT_WORKER(0), SLOT_PERSIST };
	struct region_identity store = { .store_uuid = "worker test" };

	diag_init("unit", "workerd", 0, DIAG_ERROR);
	memset(&role, 0, sizeof(role));
	memset(&worker, 0, sizeof(worker));
	leftovers_instance(role.instance, sizeof(role.instance));
	ck_assert_int_eq(region_boot_id(store.boot_id), 0);
	ck_assert_int_eq(registry_create(role.instance, &store), 0);
	ck_assert_int_eq(registry_attach(&registry, role.instance, &store, REGION_READ_WRITE), 0);
	registry.shared->geometry = geometry;
	registry.shared->clock_offset_ns = clock_wall_offset_ns();
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(stats_create(role.instance, slots[i], &store), 0);
	slot_set(SLOT_PERSIST, 1, SLOT_LIVE);
	ck_assert_int_eq(durable_create(role.instance, 1, &store), 0);
	ck_assert_int_eq(durable_attach(&durable, role.instance, 1, &store, REGION_READ_WRITE), 0);
	ck_assert_int_eq(directory_create(role.instance, &geometry.shard, &store), 0);
	ck_assert_int_eq(usage_create(role.instance, SLOT_WORKER(0), geometry.shard.users, &store), 0);
	ck_assert_int_eq(shard_create(role.instance, 0, &geometry.shard, &store), 0);
	ck_assert_int_eq(stream_create(role.instance, 0, &geometry.stream, &store), 0);
	ck_assert_int_eq(stream_attach(&stream, role.instance, 0, &geometry.stream, &store, STREAM_PERSIST), 0);
	role.kind = ROLE_WORKER;
	role.epoch = 1;
	role.is_thread = true;
	for (uint32_t slot = 0; slot < SLOT_MAX; slot++)
		role.event_fd[slot] = eventfd(0, EFD_CLOEXEC);
	ck_assert_int_eq(role_attach(&role), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, worker_thread, NULL), 0);
}

static void
teardown(void)
{
	store_relaxed(&worker.stop, 1);
	park_poke(role.event_fd[role.slot]);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	role_detach(&role);
	stream_detach(&stream);
	durable_detach(&durable);
	registry_detach(&registry);
	region_unlink_all(role.instance, "");
	for (uint32_t slot = 0; slot < SLOT_MAX; slot++)
		close(role.event_fd[slot]);
}

#define UNTIL(condition)                                                                            \
	do {                                                                                        \
		uint64_t until_deadline_ = now_ns() + WAIT_NS;                                      \
		while (!(condition))                                                                \
			ck_assert_msg(now_ns() < until_deadline_, "waited too long for " #condition); \
	} while (0)

/* The journal is empty. */
static void
replay_nothing(void)
{
	struct stream_shared *shared = stream.shared;
	struct ring ring;

	UNTIL(load_acquire(&shared->replay_wanted) != 0);
	store_release(&durable.shared->shard[0].lsn, LSN_FIRST);
	ring_init(&ring, &shared->replay, stream.replay_bytes, stream.replay_size_bytes);
	struct replay_end *end = ring_reserve(&ring, sizeof(*end));
	*end = (struct replay_end){ .header = { .bytes = sizeof(*end), .op = REPLAY_END }, .lsn = LSN_FIRST, .generation = 1 };
	ring_push(&ring, sizeof(*end));
	ring_post(&ring);
	store_release(&shared->replay_serving, load_relaxed(&shared->replay_wanted));
}

START_TEST(a_frontd_that_dies_while_a_shard_is_loaded_need_not_wait_for_it)
{
	struct stats_shared *stats = role.stats.shared;

	UNTIL(load_acquire(&stream.shared->replay_wanted) != 0);
	slot_set(SLOT_FRONT(0), 3, SLOT_DEAD);
	UNTIL(load_acquire(&stats->closed_epoch[0]) == 3);
	ck_assert_uint_eq(load_acquire(&stats->ready_epoch), 0);

	/* Its successor is there before the shard is. */
	ck_assert_int_eq(front_create(role.instance, 0, 4, &geometry.front, &role.store), 0);
	slot_set(SLOT_FRONT(0), 4, SLOT_STARTING);
	replay_nothing();
	UNTIL(load_acquire(&stats->ready_epoch) == 1);
	UNTIL(load_relaxed(&worker.shard.root->fronts[0].state) == FRONT_OPEN);
	ck_assert_uint_eq(load_relaxed(&worker.shard.root->fronts[0].epoch), 4);
	slot_set(SLOT_FRONT(0), 4, SLOT_DEAD);
	park_poke(role.event_fd[role.slot]);
	UNTIL(load_acquire(&stats->closed_epoch[0]) == 4);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("worker_main");
	TCase *tcase = tcase_create("main");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_frontd_that_dies_while_a_shard_is_loaded_need_not_wait_for_it);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
