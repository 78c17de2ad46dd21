/*
 * A cold start that begins with a snapshot: what goes on behind it, what is refused, and the replay
 * ring around it.
 */
#include <signal.h>

#include "shm/atomic.h"
#include "shm/diag.h"
#include "shm/state/check.h"
#include "shm/state/digest.h"
#include "shm/state/names.h"
#include "tests/harness/engine.h"
#include "tests/harness/loading.h"
#include "tests/harness/stocked.h"
#include "tests/harness/unit.h"
#include "workerd/load.h"
#include "workerd/replay.h"

static const struct engine_options options = { .messages = 8000, .fronts = 2 };
static struct engine *engine;
static struct loading loading;

static void
setup(void)
{
	diag_set_level(DIAG_ERROR);
	engine = stocked_open(&options);
	loading_open(&loading, &options);
	loading_follow(&loading, engine);
}

static void
teardown(void)
{
	loading_close(&loading);
	engine_close(engine);
}

/* A snapshot of the engine, written turn by turn and followed: it is in loading.snapshot. */
static void
take_snapshot(void)
{
	engine->stream_shared->snapshot_wanted++;
	do {
		(void)worker_turn(&engine->worker, engine->now_ms);
		engine->durable->shard[0].lsn = engine->stream_shared->tail;
		loading_follow(&loading, engine);
	} while (engine->worker.is_imaging);
	ck_assert_uint_gt(loading.loaded, 0);
}

/* The loaded shard serves from here on. */
static struct engine *
go_on(void)
{
	struct engine *cold = loading.engine;

	cold->durable->shard[0].lsn = loading.next_lsn;
	replay_finish(&cold->worker,
	    &(struct replay_end){ .lsn = loading.next_lsn, .generation = 3, .is_clean = 1 });
	cold->now_ms = engine->now_ms;
	for (uint32_t i = 0; i < options.fronts; i++)
		engine_join_front(cold, i);
	return cold;
}

START_TEST(what_was_being_removed_goes_on_being_removed)
{
	struct queue_entry entry;

	loading.is_bare = true;
	stocked_begin_jobs(engine);
	take_snapshot();
	const struct shard_root *root = loading.engine->worker.shard.root;
	ck_assert_uint_eq(root->job_count, 2);
	struct engine *cold = go_on();
	engine_run(cold);
	ck_assert_uint_eq(root->job_count, 0);
	ck_assert_ptr_null(engine_check(cold));
	ck_assert_int_eq(engine_get(cold, "other", &entry), OUTCOME_NO_QUEUE);
	ck_assert_int_eq(engine_get(cold, STOCKED_QUEUE, &entry), OUTCOME_OK);
	ck_assert_uint_eq(entry.stats.delayed, 0);
	ck_assert_uint_gt(entry.stats.ready, 0);
	ck_assert_uint_gt(entry.stats.dead, 0);
	ck_assert_int_eq(engine_put(cold, "other", NULL, 0), OUTCOME_CREATED);
}
END_TEST

static const struct queue *
queue_of(const struct engine *of, const char *name)
{
	const struct queue_name wanted = engine_name(name);

	return queue_at(&of->worker.shard, names_find(&of->worker.shard, &wanted));
}

/* Each in a higher slot than the one before. */
static bool
lies_in_order(const struct engine *of, const struct list *list)
{
	uint32_t at = list->head, next;

	for (; (next = msg_at(&of->worker.shard, at)->link.next) != NIL; at = next) {
		if (next < at)
			return false;
	}
	return true;
}

START_TEST(what_was_delayed_together_comes_in_its_order)
{
	struct delivery got[10];
	uint64_t removed, seq = 0;
	uint32_t count;

	/*
	 * Slots that were used before are taken in another order than they lie: most of the table
	 * was filled once.
	 */
	ck_assert_int_eq(engine_put(engine, "used", NULL, 0), OUTCOME_CREATED);
	for (unsigned i = 0; i < 7; i++)
		ck_assert_int_eq(
		    engine_publish(engine, "used", "x", DELAY_DEFAULT, 1000), OUTCOME_OK);
	for (unsigned i = 0; i < 200; i++) {
		ck_assert_int_eq(engine_receive(engine, "used", 7, 60000, got, &count), OUTCOME_OK);
		for (uint32_t k = 0; k < count; k++)
			ck_assert_int_eq(engine_settle(engine, OP_ACK, "used",
					     &got[(k * 3 + 1) % 7], 0, NACK_RELEASE),
			    OUTCOME_OK);
	}
	ck_assert_int_eq(engine_purge(engine, "used", PURGE_READY, &removed), OUTCOME_OK);
	ck_assert_int_eq(engine_put(engine, "later", NULL, 0), OUTCOME_CREATED);
	ck_assert_int_eq(engine_publish(engine, "later", "x", 5000, 200), OUTCOME_OK);
	ck_assert(!lies_in_order(engine, &queue_of(engine, "later")->lists[MSG_DELAYED]));
	loading_follow(&loading, engine);
	take_snapshot();
	struct engine *cold = go_on();
	engine_pass(cold, 6000);
	ck_assert_ptr_null(engine_check(cold));
	for (unsigned i = 0; i < 20; i++) {
		ck_assert_int_eq(engine_receive(cold, "later", 10, 60000, got, &count), OUTCOME_OK);
		for (uint32_t k = 0; k < count; k++) {
			ck_assert_uint_gt(got[k].seq, seq);
			seq = got[k].seq;
		}
	}
}
END_TEST

/* --- what is refused --- */

struct refusal {
	const char *what;
	void (*spoil)(struct loading_bytes *bytes);
};

static struct record *
record_of(struct loading_bytes *bytes, uint16_t type)
{
	for (size_t at = 0; at < bytes->count;) {
		struct record *record = (struct record *)(bytes->bytes + at);

		if (record->type == type)
			return record;
		at += record->bytes;
	}
	abort();
}

static void
cut(struct loading_bytes *bytes, struct record *record)
{
	char *at = (char *)record, *next = at + record->bytes;

	bytes->count -= record->bytes;
	memmove(at, next, (size_t)(bytes->bytes + bytes->count - at));
}

static void
no_beginning(struct loading_bytes *bytes)
{
	cut(bytes, record_of(bytes, RECORD_SNAPSHOT_BEGUN));
}

static void
no_piece(struct loading_bytes *bytes)
{
	cut(bytes, record_of(bytes, RECORD_SNAPSHOT_IMAGES));
}

static void
begins_twice(struct loading_bytes *bytes)
{
	record_of(bytes, RECORD_SNAPSHOT_IMAGES)->type = RECORD_SNAPSHOT_BEGUN;
}

static void
another_record(struct loading_bytes *bytes)
{
	record_of(bytes, RECORD_SNAPSHOT_IMAGES)->type = RECORD_ACKED;
}

static void
another_piece(struct loading_bytes *bytes)
{
	((struct snapshot_images_record *)record_of(bytes, RECORD_SNAPSHOT_IMAGES))->begun_lsn -= 8;
}

static void
another_end(struct loading_bytes *bytes)
{
	((struct snapshot_ended_record *)record_of(bytes, RECORD_SNAPSHOT_ENDED))->begun_lsn += 8;
}

static void
count_of_end(struct loading_bytes *bytes)
{
	((struct snapshot_ended_record *)record_of(bytes, RECORD_SNAPSHOT_ENDED))->images--;
}

static void
one_image_less(struct loading_bytes *bytes)
{
	((struct snapshot_images_record *)record_of(bytes, RECORD_SNAPSHOT_IMAGES))->count--;
}

static void
one_image_more(struct loading_bytes *bytes)
{
	((struct snapshot_images_record *)record_of(bytes, RECORD_SNAPSHOT_IMAGES))->count++;
}

static struct image *
first_image(struct loading_bytes *bytes)
{
	return (struct image *)((struct snapshot_images_record *)record_of(
				    bytes, RECORD_SNAPSHOT_IMAGES) +
				1);
}

static void
a_slot_twice(struct loading_bytes *bytes)
{
	struct image *first = first_image(bytes),
		     *second = (struct image *)((char *)first + first->bytes);

	second->idx = first->idx;
}

static void
a_slot_too_high(struct loading_bytes *bytes)
{
	first_image(bytes)->idx =
	    ((struct snapshot_begun_record *)record_of(bytes, RECORD_SNAPSHOT_BEGUN))
		->root.messages.high;
}

static void
no_such_kind(struct loading_bytes *bytes)
{
	first_image(bytes)->kind = IMAGE_KIND_COUNT;
}

static void
a_size_too_large(struct loading_bytes *bytes)
{
	first_image(bytes)->bytes += 8;
}

static void
a_link_too_high(struct loading_bytes *bytes)
{
	struct image *image = first_image(bytes);
	struct image_link *link = image->kind == IMAGE_MESSAGE
				      ? &((struct image_message *)image)->link
				      : &((struct image_message_free *)image)->link;

	link->next = 1u << 30;
}

static void
a_table_too_large(struct loading_bytes *bytes)
{
	((struct snapshot_begun_record *)record_of(bytes, RECORD_SNAPSHOT_BEGUN))
	    ->root.messages.high = 8001;
}

static void
back_in_time(struct loading_bytes *bytes)
{
	record_of(bytes, RECORD_SNAPSHOT_ENDED)->lsn = LSN_FIRST;
}

static void
a_seq_too_high(struct loading_bytes *bytes)
{
	((struct snapshot_begun_record *)record_of(bytes, RECORD_SNAPSHOT_BEGUN))->root.next_seq =
	    2;
}

static void
a_free_list_too_short(struct loading_bytes *bytes)
{
	((struct snapshot_begun_record *)record_of(bytes, RECORD_SNAPSHOT_BEGUN))
	    ->root.messages.free.count--;
}

static const struct refusal refusals[] = {
	{ "no SNAPSHOT_BEGUN", no_beginning },
	{ "a piece is missing", no_piece },
	{ "SNAPSHOT_BEGUN twice", begins_twice },
	{ "another record in it", another_record },
	{ "a piece of another one", another_piece },
	{ "the end of another one", another_end },
	{ "an end that counts less", count_of_end },
	{ "a piece longer than its images", one_image_less },
	{ "a piece shorter than its images", one_image_more },
	{ "a slot twice", a_slot_twice },
	{ "a slot above the mark", a_slot_too_high },
	{ "an unknown kind", no_such_kind },
	{ "a wrong size", a_size_too_large },
	{ "a link out of the table", a_link_too_high },
	{ "more slots than this broker has", a_table_too_large },
	{ "LSNs that go back", back_in_time },
	{ "messages from the future", a_seq_too_high },
	{ "a free list that is longer than it says", a_free_list_too_short },
};

static struct loading_bytes
copy_of(const struct loading_bytes *bytes)
{
	struct loading_bytes copy = {
		.bytes = malloc(bytes->count), .count = bytes->count, .size = bytes->count
	};

	ck_assert_ptr_nonnull(copy.bytes);
	memcpy(copy.bytes, bytes->bytes, bytes->count);
	return copy;
}

START_TEST(what_is_no_snapshot_is_refused)
{
	const struct refusal *refusal = &refusals[_i];
	struct loading_bytes spoilt;

	take_snapshot();
	spoilt = copy_of(&loading.snapshot);
	refusal->spoil(&spoilt);
	ck_assert_msg(
	    loading_load(loading.engine, &spoilt) != NULL, "%s: it was loaded", refusal->what);
	/* A good one is no worse for it. */
	ck_assert_ptr_null(loading_load(loading.engine, &loading.snapshot));
	free(spoilt.bytes);
}
END_TEST

START_TEST(damage_is_refused_or_leaves_a_whole_shard)
{
	uint64_t random = 88172645463325252ull;
	unsigned refused = 0;

	take_snapshot();
	for (unsigned trial = 0; trial < 3000; trial++) {
		struct loading_bytes spoilt = copy_of(&loading.snapshot);
		struct snapshot_begun_record *begun = (void *)spoilt.bytes;

		for (unsigned hits = 1 + trial % 3; hits > 0; hits--) {
			random ^= random << 13, random ^= random >> 7, random ^= random << 17;
			size_t at =
			    sizeof(struct record) + random % (spoilt.count - sizeof(struct record));
			/* Not the heads of records: their lengths are what persistd walks by. */
			spoilt.bytes[at] ^= (char)(1u << (random >> 40) % 8);
		}
		size_t at = 0;
		while (at < spoilt.count) {
			size_t good = at + ((struct record *)(loading.snapshot.bytes + at))->bytes;

			memcpy(
			    spoilt.bytes + at, loading.snapshot.bytes + at, sizeof(struct record));
			at = good;
		}
		ck_assert_uint_eq(begun->record.type, RECORD_SNAPSHOT_BEGUN);
		const char *wrong = loading_load(loading.engine, &spoilt);
		refused += wrong != NULL;
		if (wrong == NULL)
			ck_assert_ptr_null(shard_check(&loading.engine->worker.shard, NULL));
		free(spoilt.bytes);
	}
	ck_assert_uint_gt(refused, 300);
}
END_TEST

/* --- through the replay ring --- */

#define RING_BYTES (1u << 20)

static char ring_bytes[2 * RING_BYTES];
static struct ring ring;

static void
serve(struct engine *cold)
{
	memset(&cold->stream_shared->replay, 0, sizeof(cold->stream_shared->replay));
	ring_init(&ring, &cold->stream_shared->replay, ring_bytes, RING_BYTES);
	store_release(&cold->stream_shared->replay_serving, cold->stream_shared->replay_wanted);
}

static void
ask(struct engine *cold)
{
	cold->worker.stream.replay_bytes = ring_bytes;
	cold->worker.stream.replay_size_bytes = RING_BYTES;
	replay_begin(&cold->worker);
	serve(cold);
}

static void
send(uint16_t op, const void *body, uint32_t bytes)
{
	struct frame_header *frame = ring_reserve(&ring, sizeof(*frame) + bytes);

	ck_assert_ptr_nonnull(frame);
	*frame = (struct frame_header){ .bytes = (uint32_t)sizeof(*frame) + bytes, .op = op };
	memcpy(frame + 1, body, bytes);
	ring_push(&ring, frame->bytes);
	ring_post(&ring);
}

/* So many records at `at`; where the next one is. */
static size_t
send_records(uint16_t op, const struct loading_bytes *from, size_t at, unsigned count)
{
	for (; count > 0 && at < from->count; count--) {
		const struct record *record = (const struct record *)(from->bytes + at);
		uint32_t bytes =
		    record->type == RECORD_PUBLISHED ? RECORD_PUBLISHED_BYTES : record->bytes;

		send(op, record, bytes);
		at += bytes;
	}
	return at;
}

static void
send_end(struct engine *cold)
{
	struct replay_end end = { .lsn = loading.next_lsn, .generation = 2, .is_clean = 1 };

	cold->durable->shard[0].lsn = end.lsn;
	send(REPLAY_END, &end.lsn, sizeof(end) - sizeof(end.header));
}

START_TEST(the_replay_ring_brings_a_snapshot_and_what_came_after)
{
	struct engine *cold = loading.engine;

	loading.is_bare = true;
	engine->stream_shared->snapshot_wanted++;
	(void)worker_turn(&engine->worker, engine->now_ms);
	ck_assert_int_eq(
	    engine_publish(engine, STOCKED_QUEUE, "after", DELAY_DEFAULT, 3), OUTCOME_OK);
	loading_follow(&loading, engine);
	ck_assert_uint_eq(loading.loaded, 1);
	ck_assert_uint_gt(loading.above.count, 0);

	ask(cold);
	(void)send_records(REPLAY_SNAPSHOT, &loading.snapshot, 0, UINT32_MAX);
	(void)send_records(REPLAY_RECORD, &loading.above, 0, UINT32_MAX);
	ck_assert_int_eq(replay_step(&cold->worker, 64), REPLAY_PROGRESS);
	ck_assert_uint_eq(shard_digest(&cold->worker.shard), shard_digest(&engine->worker.shard));
	send_end(cold);
	ck_assert_int_eq(replay_step(&cold->worker, 64), REPLAY_DONE);
	ck_assert_uint_eq(cold->worker.shard.shared->state, SHARD_READY);
	ck_assert_ptr_null(shard_check(&cold->worker.shard, NULL));
	ck_assert(cold->worker.changes.is_all);
	/* And a snapshot of it can be taken. */
	cold->durable->shard[0].lsn = cold->worker.shard.root->stream_tail;
	cold->now_ms = engine->now_ms;
	cold->stream_shared->snapshot_wanted++;
	engine_run(cold);
	ck_assert_uint_eq(cold->stats->snapshots_ended, 1);
}
END_TEST

START_TEST(a_load_that_is_interrupted_begins_anew)
{
	struct engine *cold = loading.engine;

	take_snapshot();
	ask(cold);
	uint64_t wanted = cold->stream_shared->replay_wanted;
	(void)send_records(REPLAY_SNAPSHOT, &loading.snapshot, 0, 2);
	ck_assert_int_eq(replay_step(&cold->worker, 64), REPLAY_PROGRESS);
	/* Not even the end of the journal may come now. */
	send_end(cold);
	ck_assert_int_eq(replay_step(&cold->worker, 64), REPLAY_WAITS);
	ck_assert_uint_eq(cold->stream_shared->replay_wanted, wanted + 1);
	serve(cold);
	size_t at = send_records(REPLAY_SNAPSHOT, &loading.snapshot, 0, UINT32_MAX);
	ck_assert_uint_eq(at, loading.snapshot.count);
	send_end(cold);
	ck_assert_int_eq(replay_step(&cold->worker, 64), REPLAY_DONE);
	ck_assert_uint_eq(cold->worker.shard.root->next_seq, engine->worker.shard.root->next_seq);
	ck_assert_ptr_null(shard_check(&cold->worker.shard, NULL));
}
END_TEST

START_TEST(a_snapshot_behind_records_makes_no_sense)
{
	struct engine *cold = loading.engine;

	take_snapshot();
	ask(cold);
	uint64_t wanted = cold->stream_shared->replay_wanted;
	const struct record *first =
	    (const struct record *)stream_at(&engine->worker.stream, LSN_FIRST);
	send(REPLAY_RECORD, first, first->bytes);
	(void)send_records(REPLAY_SNAPSHOT, &loading.snapshot, 0, 1);
	ck_assert_int_eq(replay_step(&cold->worker, 64), REPLAY_WAITS);
	ck_assert_uint_eq(cold->stream_shared->replay_wanted, wanted + 1);
	/* Nor does a second one behind the first. */
	serve(cold);
	(void)send_records(REPLAY_SNAPSHOT, &loading.snapshot, 0, UINT32_MAX);
	(void)send_records(REPLAY_SNAPSHOT, &loading.snapshot, 0, 1);
	ck_assert_int_eq(replay_step(&cold->worker, 64), REPLAY_WAITS);
	ck_assert_uint_eq(cold->stream_shared->replay_wanted, wanted + 2);
}
END_TEST

START_TEST(a_snapshot_that_is_no_shard_ends_the_replay)
{
	struct engine *cold = loading.engine;

	take_snapshot();
	a_seq_too_high(&loading.snapshot);
	ask(cold);
	(void)send_records(REPLAY_SNAPSHOT, &loading.snapshot, 0, UINT32_MAX);
	ck_assert_int_eq(replay_step(&cold->worker, 64), REPLAY_CORRUPT);
	ck_assert_uint_eq(cold->worker.shard.shared->state, SHARD_REPLAYING);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("worker_load");
	TCase *tcase = tcase_create("load");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, what_was_being_removed_goes_on_being_removed);
	tcase_add_test(tcase, what_was_delayed_together_comes_in_its_order);
	tcase_add_loop_test(tcase, what_is_no_snapshot_is_refused, 0,
	    (int)(sizeof(refusals) / sizeof(refusals[0])));
	tcase_add_test(tcase, damage_is_refused_or_leaves_a_whole_shard);
	tcase_add_test(tcase, the_replay_ring_brings_a_snapshot_and_what_came_after);
	tcase_add_test(tcase, a_load_that_is_interrupted_begins_anew);
	tcase_add_test(tcase, a_snapshot_behind_records_makes_no_sense);
	tcase_add_test(tcase, a_snapshot_that_is_no_shard_ends_the_replay);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
