/*
 * When a snapshot is asked for, and when it is asked for again; what is dropped follows from those that came.
 */
#include "persistd/retain.h"
#include "shm/atomic.h"
#include "tests/unit/persist_world.h"

#define MINUTE 60000000000ull
#define LOOK 100000000ull

static struct world world;
static struct role role;
static struct registry_shared registry;
static struct stats_shared stats;
static struct stream_shared shared[WORLD_SHARDS];
static struct stream streams[WORLD_SHARDS];
static struct retain retain;
static uint64_t now;

static void
setup(void)
{
	world_make(&world);
	ck_assert_int_eq(world_open(&world), 0);
	role = (struct role){ .geometry.workers = WORLD_SHARDS, .registry.shared = &registry, .stats.shared = &stats };
	registry.is_draining = 0;
	for (uint32_t s = 0; s < WORLD_SHARDS; s++) {
		shared[s] = (struct stream_shared){ 0 };
		streams[s].shared = &shared[s];
	}
	retain = (struct retain){ .role = &role, .journal = &world.journal, .streams = streams, .snapshot_bytes = 4u << 20,
		.segment_bytes = SEGMENT_BYTES_MIN };
	retain_init(&retain);
	now = 1000 * MINUTE;
	retain_open(&retain, now);
	diag_set_level(DIAG_ERROR);
}

static void
teardown(void)
{
	retain_free(&retain);
	world_crash(&world);
	world_remove(&world);
}

/* Until nothing is on its way; what became durable goes to retain. */
static void
settle(void)
{
	const struct flight *flight;
	struct disk_completion completion;

	/* At each turn, above all while a batch waits for a segment that is only made: nobody else goes on with that. */
	while (world.file.backend.ops->step(&world.file.backend, now_ns()) > 0 || !journal_is_idle(&world.journal) ||
	    disk_pending(world.disk) > 0) {
		(void)journal_push(&world.journal, 1);
		disk_park(world.disk, -1, disk_pending(world.disk) > 0 ? 100 : 1);
		while (disk_reap(world.disk, &completion)) {
			if (completion.tag.user == DISK_COMMIT)
				ck_assert_int_eq(journal_land(&world.journal, completion.tag.number, completion.result, 1), 0);
			else
				ck_assert_int_eq(world.file.backend.ops->completed(&world.file.backend, completion.result, 1), 0);
		}
		while ((flight = journal_next_durable(&world.journal)) != NULL) {
			retain_batch(&retain, flight);
			world_landed(&world, flight);
		}
	}
}

static void
grow(uint32_t shard, uint32_t bytes)
{
	world_append_large(&world, shard, bytes);
	settle();
}

static int
step(uint64_t later_ns)
{
	now += later_ns;
	return retain_step(&retain, now);
}

static void
append(uint32_t shard, uint16_t type, const void *rest, uint32_t rest_bytes)
{
	struct batch *batch = journal_free(&world.journal);
	uint64_t lsn = world.journal.sealed.lsn[shard];
	struct record record = { .bytes = (uint32_t)sizeof(record) + rest_bytes, .type = type, .flags = RECORD_LAST, .lsn = lsn };

	ck_assert_ptr_nonnull(batch);
	memcpy(batch_end(batch), &record, sizeof(record));
	memcpy(batch_end(batch) + sizeof(record), rest, rest_bytes);
	batch_add(batch, shard, lsn, record.bytes);
	journal_append(&world.journal, 1, 0, 1);
	settle();
}

/* What a worker does that is asked. */
static void
snapshot(uint32_t shard)
{
	static const struct image_root root;
	uint64_t rest[2] = { world.journal.sealed.lsn[shard], 0 };

	append(shard, RECORD_SNAPSHOT_BEGUN, &root, sizeof(root));
	append(shard, RECORD_SNAPSHOT_ENDED, rest, sizeof(rest));
}

START_TEST(each_shard_is_asked_when_the_journal_grew_enough_one_after_the_other)
{
	ck_assert_int_eq(step(LOOK), -1);
	grow(0, 2000000);
	ck_assert_int_eq(step(LOOK), -1);
	grow(0, 3000000);
	/* Whichever it is that grew: the other one's snapshot is as old. */
	int first = step(LOOK);
	ck_assert(first == (int)SLOT_WORKER(0) || first == (int)SLOT_WORKER(1));
	uint32_t one = (uint32_t)first - SLOT_WORKER(0), other = 1 - one;
	ck_assert_uint_eq(shared[one].snapshot_wanted, 1);
	ck_assert_int_eq(step(LOOK), -1);
	ck_assert_uint_eq(shared[other].snapshot_wanted, 0);
	snapshot(one);
	ck_assert_int_eq(step(1), (int)SLOT_WORKER(other));
	snapshot(other);
	ck_assert_int_eq(step(1), -1);
	ck_assert_int_eq(step(LOOK), -1);
	ck_assert_uint_eq(stats.snapshots, 2);
	ck_assert_uint_eq(shared[0].snapshot_wanted + shared[1].snapshot_wanted, 2);
}
END_TEST

START_TEST(after_a_minute_less_growth_is_enough_and_none_is_not)
{
	retain.snapshot_bytes = 64ull << 20;
	grow(0, 4000000);
	grow(0, 4000000);
	grow(0, 1000000);
	ck_assert_int_eq(step(LOOK), -1);
	ck_assert_int_eq(step(MINUTE / 2), -1);
	int slot = step(MINUTE / 2);
	ck_assert_int_ne(slot, -1);
	snapshot((uint32_t)slot - SLOT_WORKER(0));
	slot = step(1);
	ck_assert_int_ne(slot, -1);
	snapshot((uint32_t)slot - SLOT_WORKER(0));
	for (unsigned i = 0; i < 20; i++)
		ck_assert_int_eq(step(MINUTE), -1);
}
END_TEST

START_TEST(one_more_is_asked_for_where_it_lets_segments_go_though_nothing_grows)
{
	for (unsigned i = 0; i < 12; i++)
		grow(0, 4000000);
	for (uint32_t i = 0; i < WORLD_SHARDS; i++)
		snapshot((uint32_t)step(LOOK) - SLOT_WORKER(0));
	ck_assert_int_eq(step(1), -1);
	settle();
	ck_assert_uint_eq(world.store.current.floor, 1);
	for (uint32_t i = 0; i < WORLD_SHARDS; i++) {
		int slot = step(MINUTE);

		ck_assert_int_ne(slot, -1);
		snapshot((uint32_t)slot - SLOT_WORKER(0));
	}
	ck_assert_int_eq(step(1), -1);
	settle();
	ck_assert_uint_ge(world.store.current.floor, 5);
	ck_assert_uint_eq(stats.segments_dropped, 0); /* as of the last look */
	ck_assert_int_eq(step(LOOK), -1);
	ck_assert_uint_eq(stats.segments_dropped, world.store.current.floor - 1);
	for (unsigned i = 0; i < 20; i++)
		ck_assert_int_eq(step(MINUTE), -1);
}
END_TEST

START_TEST(who_does_not_end_it_is_asked_again_after_a_minute_and_who_goes_on_is_not)
{
	static const struct image_root root;

	grow(0, 3000000);
	grow(0, 3000000);
	uint32_t shard = (uint32_t)step(LOOK) - SLOT_WORKER(0);
	append(shard, RECORD_SNAPSHOT_BEGUN, &root, sizeof(root));
	uint64_t head[2] = { retain.snapshots.shard[shard].running.begun_lsn, 1 };
	struct { uint64_t head[2]; struct { struct image image; uint64_t link; } free; } rest = { { head[0], head[1] },
		{ { IMAGE_QUEUE_FREE, sizeof(rest.free), 0 }, 0 } };
	ck_assert_int_eq(step(MINUTE - 1), -1);
	append(shard, RECORD_SNAPSHOT_IMAGES, &rest, sizeof(rest));
	ck_assert_int_eq(step(2), -1);
	ck_assert_int_eq(step(MINUTE - 1), -1);
	ck_assert_uint_eq(retain.given_up, 0);
	(void)step(MINUTE);
	ck_assert_uint_eq(retain.given_up, 1);
	/* The other one comes first; then it is its turn again. */
	snapshot(1 - shard);
	ck_assert_int_eq(step(1), (int)SLOT_WORKER(shard));
	ck_assert_uint_eq(shared[shard].snapshot_wanted, 2);
}
END_TEST

START_TEST(nobody_is_asked_while_the_broker_stops_or_what_there_is_is_not_known)
{
	grow(0, 3000000);
	grow(0, 3000000);
	store_relaxed(&registry.is_draining, 1);
	ck_assert_int_eq(step(MINUTE), -1);
	store_relaxed(&registry.is_draining, 0);
	retain.snapshots.is_behind = true;
	ck_assert_int_eq(step(MINUTE), -1);
	retain.snapshots.is_behind = false;
	ck_assert_int_ne(step(MINUTE), -1);
}
END_TEST

static Suite *
retain_suite(void)
{
	Suite *suite = suite_create("persistd/retain");
	TCase *tests = tcase_create("retain");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, each_shard_is_asked_when_the_journal_grew_enough_one_after_the_other);
	tcase_add_test(tests, after_a_minute_less_growth_is_enough_and_none_is_not);
	tcase_add_test(tests, one_more_is_asked_for_where_it_lets_segments_go_though_nothing_grows);
	tcase_add_test(tests, who_does_not_end_it_is_asked_again_after_a_minute_and_who_goes_on_is_not);
	tcase_add_test(tests, nobody_is_asked_while_the_broker_stops_or_what_there_is_is_not_known);
	suite_add_tcase(suite, tests);
	return suite;
}

UNIT_MAIN(retain_suite)
