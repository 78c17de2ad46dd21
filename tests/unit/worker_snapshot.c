/*
 * A snapshot as a worker writes it, beside its other work: what is in it, and when it waits or is
 * given up.  That it is right whatever is done meanwhile is the matter of tests/replay.
 */
#include <signal.h>

#include "shm/atomic.h"
#include "shm/state/check.h"
#include "shm/state/digest.h"
#include "tests/harness/engine.h"
#include "tests/harness/loading.h"
#include "tests/harness/stocked.h"
#include "tests/harness/unit.h"
#include "workerd/append.h"
#include "workerd/dispatch.h"
#include "workerd/snapshot.h"

static const struct engine_options options = { .messages = 40000, .fronts = 2 };
static struct engine *engine;
static struct loading loading;

static void
setup(void)
{
	engine = stocked_open(&options);
	loading_open(&loading, &options);
	loading_follow(&loading, engine);
}

static void
teardown(void)
{
	ck_assert_ptr_null(engine_check(engine));
	loading_close(&loading);
	engine_close(engine);
}

static void
ask(void)
{
	store_relaxed(
	    &engine->stream_shared->snapshot_wanted, engine->stream_shared->snapshot_wanted + 1);
}

/* So many messages more, none of which is durable when the disk is slow. */
static void
publish_thousands(unsigned thousands)
{
	for (unsigned i = 0; i < thousands; i++) {
		ck_assert_int_eq(
		    engine_publish(engine, STOCKED_QUEUE, "body", DELAY_DEFAULT, 1000), OUTCOME_OK);
		loading_follow(&loading, engine);
	}
}

/* One turn, as persistd and time let it. */
static void
turn(void)
{
	(void)worker_turn(&engine->worker, engine->now_ms);
	engine->durable->shard[0].lsn = engine->stream_shared->tail;
	loading_follow(&loading, engine);
}

static void
begin(void)
{
	ask();
	turn();
	ck_assert(engine->worker.is_imaging);
}

static void
finish(void)
{
	for (int turns = 0; engine->worker.is_imaging; turns++) {
		ck_assert_int_lt(turns, 1000);
		turn();
	}
}

static uint64_t
digest(const struct engine *of)
{
	return shard_digest(&of->worker.shard);
}

START_TEST(nobody_asks_and_nothing_is_written)
{
	uint64_t tail = engine->stream_shared->tail;

	engine_run(engine);
	ck_assert_uint_eq(engine->stream_shared->tail, tail);
	ck_assert_uint_eq(engine->stats->snapshots_begun, 0);
}
END_TEST

START_TEST(every_kind_of_slot_is_in_it_and_each_slot_once)
{
	uint64_t kinds[IMAGE_KIND_COUNT] = { 0 }, images = 0;
	struct image_slots slots[IMAGES_TABLES];
	uint64_t slot_count = image_slots_of(&engine->worker.shard, slots);

	begin();
	finish();
	ck_assert_uint_eq(loading.loaded, 1);
	ck_assert_uint_eq(digest(loading.engine), digest(engine));
	for (size_t at = 0; at < loading.snapshot.count;) {
		const struct snapshot_images_record *record =
		    (const struct snapshot_images_record *)(loading.snapshot.bytes + at);
		const char *image = (const char *)(record + 1);

		for (uint32_t i = 0;
		     record->record.type == RECORD_SNAPSHOT_IMAGES && i < record->count; i++) {
			kinds[((const struct image *)image)->kind]++;
			image += ((const struct image *)image)->bytes;
			images++;
		}
		ck_assert_uint_le(record->record.bytes, SNAPSHOT_RECORD_BYTES_MAX);
		ck_assert_uint_eq(record->record.flags, RECORD_LAST);
		at += record->record.bytes;
	}
	for (unsigned kind = IMAGE_NONE + 1; kind < IMAGE_KIND_COUNT; kind++)
		ck_assert_msg(kinds[kind] > 0, "no image of kind %u", kind);
	ck_assert_uint_eq(images, slot_count);
	ck_assert_uint_eq(engine->stats->snapshot_images, slot_count);
	ck_assert_uint_eq(engine->stats->snapshots_ended, 1);
}
END_TEST

START_TEST(what_is_changed_meanwhile_is_in_it_as_it_was_before)
{
	struct delivery got[10];
	uint64_t before;

	publish_thousands(3);
	loading.is_bare = true;
	begin();
	before = digest(engine);
	/* The last slots that slices would come to: changed before they do. */
	(void)engine_post_publish(engine, 0, STOCKED_QUEUE, "late", DELAY_DEFAULT, 500);
	turn();
	(void)engine_post_receive(engine, 1, STOCKED_QUEUE, 10, 30000, 0, 0);
	turn();
	ck_assert_ptr_nonnull(engine_reply(engine, 1));
	memcpy(got, ((struct receive_reply *)engine->reply)->deliveries, sizeof(got));
	struct receipt receipt = { .token = got[3].token, .msg_idx = got[3].msg_idx };
	(void)engine_post_settle(engine, 1, OP_ACK, STOCKED_QUEUE, &receipt, 1, 0, NACK_RELEASE);
	stocked_begin_jobs(engine);
	turn();
	engine->now_ms += 70000; /* all leases and delays end */
	turn();
	finish();
	ck_assert_uint_eq(loading.loaded, 1);
	ck_assert_uint_ne(digest(engine), before);
	ck_assert_uint_eq(digest(loading.engine), before);
}
END_TEST

START_TEST(slots_that_come_into_use_meanwhile_are_not_in_it)
{
	begin();
	publish_thousands(2);
	finish();
	ck_assert_uint_eq(digest(loading.engine), digest(engine));
	ck_assert_uint_lt(engine->stats->snapshot_images, 1000);
}
END_TEST

START_TEST(the_largest_transactions_fit_beside_their_images)
{
	static struct receipt receipts[SETTLE_BATCH_MAX];
	uint32_t count = 0;

	publish_thousands(8);
	while (count < SETTLE_BATCH_MAX) {
		struct delivery got[RECEIVE_BATCH_MAX];

		ck_assert_int_eq(
		    engine_receive(engine, STOCKED_QUEUE, RECEIVE_BATCH_MAX, 1000000, got, NULL),
		    OUTCOME_OK);
		for (unsigned i = 0; i < RECEIVE_BATCH_MAX; i++)
			receipts[count++] =
			    (struct receipt){ .token = got[i].token, .msg_idx = got[i].msg_idx };
	}
	/* So that neighbours in no list are neighbours here: each touches others too. */
	for (uint32_t i = 0; i < count; i++) {
		struct receipt swap = receipts[i];
		uint32_t with = (uint32_t)(i * 7919ull % count);

		receipts[i] = receipts[with];
		receipts[with] = swap;
	}
	begin();
	(void)engine_post_settle(
	    engine, 0, OP_NACK, STOCKED_QUEUE, receipts, count, 5000, NACK_RELEASE);
	turn();
	(void)engine_post_publish(engine, 0, STOCKED_QUEUE, "body", 4000, PUBLISH_BATCH_MAX);
	turn();
	finish();
	ck_assert_uint_eq(engine->stats->snapshots_given_up, 0);
	ck_assert_uint_eq(digest(loading.engine), digest(engine));
	while (engine_reply(engine, 0) != NULL)
		ck_assert_int_eq(((struct reply *)engine->reply)->header.op, OUTCOME_OK);
}
END_TEST

START_TEST(slices_wait_for_the_disk)
{
	uint64_t durable;

	publish_thousands(20);
	engine->is_disk_slow = true;
	durable = engine->durable->shard[0].lsn;
	ask();
	engine_run(engine);
	ck_assert(engine->worker.is_imaging);
	ck_assert_uint_gt(engine->stream_shared->tail - durable, 256u << 10);
	ck_assert_uint_le(engine->stream_shared->tail - durable, (512u + 32u) << 10);
	/* A client is served meanwhile; its answer waits for no more than that. */
	ck_assert_int_eq(engine_publish(engine, STOCKED_QUEUE, "x", DELAY_DEFAULT, 1), OUTCOME_OK);
	engine->is_disk_slow = false;
	finish();
	ck_assert_uint_eq(digest(loading.engine), digest(engine));
}
END_TEST

START_TEST(it_gets_on_where_clients_alone_keep_the_disk_busy)
{
	uint64_t images = 0;

	publish_thousands(20);
	begin();
	engine->is_disk_slow = true;
	for (unsigned i = 0; i < 10; i++) {
		char body[1000] = "";

		memset(body, 'b', sizeof(body) - 1);
		images = engine->stats->snapshot_images;
		for (unsigned k = 0; k < 6; k++) {
			ck_assert_int_eq(
			    engine_publish(engine, STOCKED_QUEUE, body, DELAY_DEFAULT, 100),
			    OUTCOME_OK);
			loading_follow(&loading, engine);
		}
		ck_assert_uint_gt(engine->stats->snapshot_images, images);
		/* Never less on its way than slices alone would wait for. */
		engine->durable->shard[0].lsn = engine->stream_shared->tail - (1u << 20);
	}
	engine->is_disk_slow = false;
	finish();
	ck_assert_uint_eq(digest(loading.engine), digest(engine));
}
END_TEST

/* Publishes until the ring is as full as publishes make it. */
static void
fill_stream(void)
{
	static char body[20001];

	memset(body, 'b', sizeof(body) - 1);
	while (engine_publish(engine, STOCKED_QUEUE, body, DELAY_DEFAULT, 10) == OUTCOME_OK)
		loading_follow(&loading, engine);
	ck_assert_int_eq(((struct reply *)engine->reply)->header.op, OUTCOME_BUSY);
}

START_TEST(without_room_for_images_it_is_given_up_and_nobody_is_held_up)
{
	unsigned settled = 0;

	publish_thousands(35);
	engine->is_disk_slow = true;
	ask();
	engine_run(engine);
	fill_stream();
	ck_assert(engine->worker.is_imaging);
	for (; engine->worker.is_imaging && settled < 20000; settled++) {
		struct delivery got;

		ck_assert_int_eq(
		    engine_receive(engine, STOCKED_QUEUE, 1, 60000, &got, NULL), OUTCOME_OK);
		ck_assert_int_eq(
		    engine_settle(engine, OP_ACK, STOCKED_QUEUE, &got, 0, NACK_RELEASE),
		    OUTCOME_OK);
	}
	ck_assert(!engine->worker.is_imaging);
	ck_assert_uint_eq(engine->stats->snapshots_given_up, 1);
	ck_assert_uint_ge(
	    append_room(&engine->worker, 1), append_reserve_bytes(&engine->worker) / 4 - 4096);
	engine->is_disk_slow = false;
	engine_run(engine);
	loading_follow(&loading, engine);
	ck_assert_uint_eq(loading.loaded, 0);
	ck_assert_uint_eq(engine->stats->snapshots_ended, 0);
	/* Whoever misses it asks again. */
	begin();
	finish();
	ck_assert_uint_eq(digest(loading.engine), digest(engine));
}
END_TEST

START_TEST(a_worker_that_dies_leaves_it_without_an_end)
{
	publish_thousands(3);
	begin();
	turn();
	engine_restart(engine, SIGKILL);
	ck_assert(!engine->worker.is_imaging);
	engine_run(engine);
	loading_follow(&loading, engine);
	ck_assert_uint_eq(engine->stats->snapshots_begun, 1);
	ck_assert_uint_eq(loading.loaded, 0);
	begin();
	finish();
	ck_assert_uint_eq(engine->stats->snapshots_begun, 2);
	ck_assert_uint_eq(loading.loaded, 1);
	ck_assert_uint_eq(digest(loading.engine), digest(engine));
}
END_TEST

START_TEST(a_commit_that_is_killed_is_undone_with_its_images)
{
	struct worker *worker = &engine->worker;
	struct undo_log *log = worker->shard.txn.log;
	uint64_t tail, bytes = 0, all;

	publish_thousands(3);
	begin();
	all = shard_digest_all(&worker->shard);
	tail = worker->shard.root->stream_tail;
	(void)engine_post_publish(engine, 0, STOCKED_QUEUE, "late", DELAY_DEFAULT, 500);
	memset(log->entries, 0, sizeof(log->entries));
	ck_assert_int_eq(dispatch_one(worker, 0, &bytes), DISPATCH_SERVED);
	ck_assert_uint_gt(worker->shard.root->stream_tail, tail + 500 * RECORD_PUBLISHED_BYTES);
	/* As if the commit's one store had not been done: the entries are there still. */
	while (log->entries[log->count].where != 0)
		log->count++;
	engine_restart(engine, SIGKILL);
	ck_assert_uint_eq(shard_digest_all(&worker->shard), all);
	ck_assert_uint_eq(worker->shard.root->stream_tail, tail);
	engine_run(engine);
	ck_assert_ptr_nonnull(engine_reply(engine, 0));
	ck_assert_int_eq(((struct reply *)engine->reply)->header.op, OUTCOME_OK);
	ck_assert_ptr_null(engine_reply(engine, 0));
}
END_TEST

START_TEST(a_clean_stop_does_not_wait_for_it)
{
	static struct registry_shared registry;
	static struct role role;

	publish_thousands(3);
	begin();
	registry.is_draining = 1;
	role.registry.shared = &registry;
	engine->worker.role = &role;
	ck_assert(!snapshot_step(&engine->worker));
	ck_assert(!engine->worker.is_imaging);
	/* Nor is one begun. */
	ask();
	ck_assert(!snapshot_step(&engine->worker));
	ck_assert(!engine->worker.is_imaging);
	engine->worker.role = NULL;
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("worker_snapshot");
	TCase *tcase = tcase_create("snapshot");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, nobody_asks_and_nothing_is_written);
	tcase_add_test(tcase, every_kind_of_slot_is_in_it_and_each_slot_once);
	tcase_add_test(tcase, what_is_changed_meanwhile_is_in_it_as_it_was_before);
	tcase_add_test(tcase, slots_that_come_into_use_meanwhile_are_not_in_it);
	tcase_add_test(tcase, the_largest_transactions_fit_beside_their_images);
	tcase_add_test(tcase, slices_wait_for_the_disk);
	tcase_add_test(tcase, it_gets_on_where_clients_alone_keep_the_disk_busy);
	tcase_add_test(tcase, without_room_for_images_it_is_given_up_and_nobody_is_held_up);
	tcase_add_test(tcase, a_worker_that_dies_leaves_it_without_an_end);
	tcase_add_test(tcase, a_commit_that_is_killed_is_undone_with_its_images);
	tcase_add_test(tcase, a_clean_stop_does_not_wait_for_it);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
