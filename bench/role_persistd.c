/*
 * role_persistd: a persistd at work, one thread, always the same work: for bench/instructions, which counts its instructions.
 *
 *   role_persistd publish MESSAGES
 *
 * Whenever it would sleep and all is on disk, TOGETHER records of 1 KiB are put into its shard's stream.  disk_park() is
 * wrapped for that: the other side plays before it sleeps.
 */
#include <sys/eventfd.h>

#include "persistd/persist.h"
#include "shm/atomic.h"
#include "shm/durable.h"
#include "shm/registry.h"
#include "shm/stream.h"
#include "tests/unit/persist_world.h"

#define TOGETHER 16
#define BODY_BYTES 1024

void __real_disk_park(struct disk *disk, int wake_fd, uint32_t timeout_ms);
void __wrap_disk_park(struct disk *disk, int wake_fd, uint32_t timeout_ms);

static const struct geometry geometry = {
	.fronts = 1,
	.workers = WORLD_SHARDS,
	.stream = { .stream_bytes = 16u << 20, .replay_bytes = 128u << 10 },
	.front = { .workers = WORLD_SHARDS, .request_bytes = 4096, .reply_bytes = 4096, .fetch_bytes = 4096,
		.body_bytes = 2u << 20 },
};

static struct {
	struct world world;        /* its directory */
	char instance[32];
	struct role role;
	struct registry registry;
	struct durable durable;
	struct stream stream;      /* of shard 0 */
	unsigned long left;        /* messages */
} play;

static void
regions_make(void)
{
	struct region_identity store = { .store_uuid = { 0 } };

	ck_assert_int_eq(store_open(&play.world.store, play.world.directory, NULL, WORLD_SHARDS, STORE_LOCK_NONE), 0);
	memcpy(store.store_uuid, play.world.store.uuid, 16);
	store_close(&play.world.store);
	ck_assert_int_eq(region_boot_id(store.boot_id), 0);
	ck_assert_int_eq(registry_create(play.instance, &store), 0);
	ck_assert_int_eq(registry_attach(&play.registry, play.instance, &store, REGION_READ_WRITE), 0);
	play.registry.shared->geometry = geometry;
	memcpy(play.registry.shared->store_uuid, store.store_uuid, 16);
	play.registry.shared->clock_offset_ns = clock_wall_offset_ns();
	ck_assert_int_eq(durable_create(play.instance, WORLD_SHARDS, &store), 0);
	ck_assert_int_eq(durable_attach(&play.durable, play.instance, WORLD_SHARDS, &store, REGION_READ_ONLY), 0);
	for (uint32_t w = 0; w < WORLD_SHARDS; w++) {
		ck_assert_int_eq(stream_create(play.instance, w, &geometry.stream, &store), 0);
		ck_assert_int_eq(stats_create(play.instance, SLOT_WORKER(w), &store), 0);
	}
	ck_assert_int_eq(stream_attach(&play.stream, play.instance, 0, &geometry.stream, &store, STREAM_WORKER), 0);
	ck_assert_int_eq(stats_create(play.instance, SLOT_FRONT(0), &store), 0);
	ck_assert_int_eq(stats_create(play.instance, SLOT_PERSIST, &store), 0);
}

static void
finish(void)
{
	region_unlink_all(play.instance, "");
	world_remove(&play.world);
	exit(0);
}

/* Not inlined: what it does is not counted. */
__attribute__((noinline)) void
role_play(void)
{
	uint64_t durable = load_acquire(&play.durable.shared->shard[0].lsn), tail = play.stream.shared->tail;

	if (durable == 0)
		return; /* the journal is not open yet */
	if (tail == 0)
		tail = durable;
	else if (durable < tail)
		return;
	if (play.left == 0)
		finish();
	for (int i = 0; i < TOGETHER; i++) {
		uint32_t bytes = RECORD_PUBLISHED_BYTES + FRAME_ALIGN(BODY_BYTES);

		store_release(&play.stream.shared->reserve, tail + bytes);
		(void)world_record(stream_at(&play.stream, tail), tail, BODY_BYTES);
		tail += bytes;
	}
	store_release(&play.stream.shared->tail, tail);
	play.left -= play.left < TOGETHER ? play.left : TOGETHER;
	park_poke(play.role.event_fd[SLOT_PERSIST]);
}

void
__wrap_disk_park(struct disk *disk, int wake_fd, uint32_t timeout_ms)
{
	role_play();
	__real_disk_park(disk, wake_fd, timeout_ms);
}

START_TEST(play_all)
{
	struct persist_options options = { .segment_bytes = 64u << 20, .batch_bytes = BATCH_BYTES_TARGET, .in_flight = 2,
		.spare_segments = 2, .snapshot_bytes = 256ull << 20, .direct = DISK_DIRECT_AUTO };

	world_make(&play.world);
	snprintf(play.instance, sizeof(play.instance), "role%ld", (long)getpid());
	regions_make();
	options.directory = play.world.directory;
	play.role.kind = ROLE_PERSIST;
	play.role.epoch = 1;
	play.role.is_thread = true;
	snprintf(play.role.instance, sizeof(play.role.instance), "%s", play.instance);
	for (uint32_t slot = 0; slot < SLOT_MAX; slot++)
		play.role.event_fd[slot] = eventfd(0, EFD_CLOEXEC);
	ck_assert_int_eq(role_attach(&play.role), 0);
	ck_abort_msg("persistd ended with %d", persist_main(&play.role, &options));
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("role_persistd");
	TCase *tcase = tcase_create("play");

	tcase_add_test(tcase, play_all);
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(int argc, char **argv)
{
	if (argc != 3 || strcmp(argv[1], "publish") != 0 || (play.left = strtoul(argv[2], NULL, 10)) == 0) {
		fprintf(stderr, "usage: role_persistd publish MESSAGES\n");
		return 2;
	}
	setenv("CK_FORK", "no", 1); /* Check's assertions are used, not its processes */
	return unit_run(suite);
}
