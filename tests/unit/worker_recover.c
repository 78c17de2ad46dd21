#include <signal.h>

#include "shm/atomic.h"
#include "shm/state/digest.h"
#include "tests/harness/engine.h"
#include "tests/harness/unit.h"
#include "workerd/dispatch.h"
#include "workerd/guard.h"
#include "workerd/recover.h"
#include "workerd/replay.h"

static struct engine *engine;

static void
setup(void)
{
	engine = engine_open(&(struct engine_options){ .fronts = 2 });
	ck_assert_int_eq(engine_put(engine, "q", NULL, 0), OUTCOME_CREATED);
}

static void
teardown(void)
{
	ck_assert_ptr_null(engine_check(engine));
	engine_close(engine);
}

START_TEST(a_restart_changes_nothing_and_executes_nothing_twice)
{
	uint64_t digest;

	ck_assert_int_eq(engine_publish(engine, "q", "x", DELAY_DEFAULT, 10), OUTCOME_OK);
	digest = shard_digest_all(&engine->worker.shard);
	engine_restart(engine, SIGKILL);
	ck_assert_uint_eq(shard_digest_all(&engine->worker.shard), digest);
	engine_run(engine);
	ck_assert_ptr_null(engine_reply(engine, 0));
	ck_assert_uint_eq(engine->stats->published, 10);
}
END_TEST

START_TEST(what_was_committed_but_not_shown_is_shown_by_the_successor)
{
	uint64_t bytes = 0, id = engine_post_publish(engine, 0, "q", "x", DELAY_DEFAULT, 1);

	ck_assert_int_eq(dispatch_one(&engine->worker, 0, &bytes), DISPATCH_SERVED);
	ck_assert_ptr_null(engine_reply(engine, 0)); /* killed before the mirrors */
	engine_restart(engine, SIGKILL);
	ck_assert_uint_eq(engine_reply(engine, 0)->header.id, id);
	engine_run(engine);
	ck_assert_ptr_null(engine_reply(engine, 0));
	ck_assert_uint_eq(engine->stats->published, 1);
}
END_TEST

START_TEST(an_open_transaction_is_undone_and_its_request_executed_again)
{
	struct shard *shard = &engine->worker.shard;
	uint64_t digest = shard_digest_all(shard);

	txn_set(&shard->txn, &shard->root->next_seq, 99);
	txn_set(&shard->txn, &shard->queues[0].bytes, 1234);
	engine_restart(engine, SIGKILL);
	ck_assert_uint_eq(shard_digest_all(shard), digest);
	ck_assert_uint_eq(engine->stats->rollback_words, 2);
}
END_TEST

START_TEST(a_request_that_crashes_twice_is_answered_poison_and_consumed)
{
	uint64_t id = engine_post_publish(engine, 0, "q", "x", DELAY_DEFAULT, 1);

	for (int crash = 0; crash < 2; crash++) {
		guard_begin(&engine->worker, 0); /* and then it crashed */
		engine_restart(engine, SIGSEGV);
	}
	engine_run(engine);
	struct reply *reply = engine_reply(engine, 0);
	ck_assert_uint_eq(reply->header.id, id);
	ck_assert_int_eq(reply->header.op, OUTCOME_POISON);
	ck_assert_int_eq(engine_publish(engine, "q", "x", DELAY_DEFAULT, 1), OUTCOME_OK);
	ck_assert_uint_eq(engine->stats->published, 1);
}
END_TEST

START_TEST(a_request_during_which_we_were_killed_twice_is_executed)
{
	(void)engine_post_publish(engine, 0, "q", "x", DELAY_DEFAULT, 1);
	for (int crash = 0; crash < 5; crash++) {
		guard_begin(&engine->worker, 0);
		engine_restart(engine, SIGKILL);
	}
	engine_run(engine);
	ck_assert_int_eq(engine_reply(engine, 0)->header.op, OUTCOME_OK);
}
END_TEST

START_TEST(crashes_on_different_requests_are_not_added_up)
{
	for (int i = 0; i < 4; i++) {
		(void)engine_post_publish(engine, 0, "q", "x", DELAY_DEFAULT, 1);
		guard_begin(&engine->worker, 0);
		engine_restart(engine, SIGABRT);
		engine_run(engine);
		ck_assert_int_eq(engine_reply(engine, 0)->header.op, OUTCOME_OK);
	}
}
END_TEST

START_TEST(a_damaged_shard_is_marked_and_not_served)
{
	engine->worker.shard.queues[0].bytes = 77;
	ck_assert(!recover_warm(&engine->worker, SIGKILL));
	ck_assert_uint_eq(engine->worker.shard.shared->state, SHARD_CORRUPT);
	engine->worker.shard.shared->state = SHARD_READY;
	engine->worker.shard.queues[0].bytes = 0;
}
END_TEST

START_TEST(a_ring_that_lies_closes_its_front_and_no_other)
{
	(void)engine_post_receive(engine, 1, "q", 1, LEASE_DEFAULT, 20000, 0);
	engine_run(engine);
	struct frame_header *frame = engine_frame(engine, 1, OP_QUEUE_GET, 1, sizeof(struct queue_request));
	frame->bytes = 12; /* no frame is that small */
	engine_post(engine, 1);
	engine_run(engine);
	ck_assert_uint_eq(engine->worker.shard.root->fronts[1].state, FRONT_CLOSED);
	ck_assert_uint_eq(engine->worker.shard.root->fronts[1].waiter_count, 0);
	ck_assert_int_eq(engine_publish(engine, "q", "x", DELAY_DEFAULT, 1), OUTCOME_OK);
}
END_TEST

START_TEST(a_dead_fronts_requests_are_executed_and_its_waiters_dropped)
{
	struct queue_entry entry;

	for (uint32_t slot = 0; slot < 64; slot++)
		(void)engine_post_receive(engine, 1, "q", 1, LEASE_DEFAULT, 20000, slot);
	engine_run(engine);
	ck_assert_int_eq(engine_put(engine, "other", NULL, 0), OUTCOME_CREATED);
	(void)engine_post_publish(engine, 1, "other", "x", DELAY_DEFAULT, 5);
	(void)engine_post_receive(engine, 1, "other", 5, LEASE_DEFAULT, 0, 0);
	engine->worker.fronts[1].is_leaving = true;
	engine_run(engine);
	ck_assert_uint_eq(engine->worker.shard.root->fronts[1].state, FRONT_CLOSED);
	ck_assert_uint_eq(engine->worker.shard.root->fronts[1].waiter_count, 0);
	ck_assert_int_eq(engine_get(engine, "other", &entry), OUTCOME_OK);
	ck_assert_uint_eq(entry.stats.ready, 5); /* published, and leased to nobody */
}
END_TEST

/* Play persistd: send every record of `from`'s stream, bodies left out, and the end. */
static void
send_journal(struct engine *to, const struct engine *from, struct ring *ring, const struct replay_end *end)
{
	uint64_t lsn = LSN_FIRST;
	enum replay_step step = REPLAY_PROGRESS;

	while (lsn < end->lsn) {
		const struct record *record = (const struct record *)stream_at(&from->worker.stream, lsn);
		uint32_t bytes = record->type == RECORD_PUBLISHED ? RECORD_PUBLISHED_BYTES : record->bytes;
		struct frame_header *frame = ring_reserve(ring, sizeof(*frame) + bytes);

		if (frame == NULL) {
			step = replay_step(&to->worker, 64);
			ck_assert_int_eq(step, REPLAY_PROGRESS);
			continue;
		}
		*frame = (struct frame_header){ .bytes = (uint32_t)sizeof(*frame) + bytes, .op = REPLAY_RECORD };
		memcpy(frame + 1, record, bytes);
		ring_push(ring, frame->bytes);
		ring_post(ring);
		lsn += record->bytes;
	}
	while (ring_reserve(ring, sizeof(*end)) == NULL)
		(void)replay_step(&to->worker, 64);
	memcpy(ring_reserve(ring, sizeof(*end)), end, sizeof(*end));
	ring_push(ring, sizeof(*end));
	ring_post(ring);
	while (step != REPLAY_DONE)
		step = replay_step(&to->worker, 64);
}

START_TEST(a_cold_start_builds_the_same_shard_and_ends_its_leases)
{
	static char bytes[2 << 16];
	struct engine *cold = engine_open(&(struct engine_options){ .is_fresh = true, .fronts = 2 });
	struct delivery got[10];
	struct ring ring;

	ck_assert_int_eq(engine_publish(engine, "q", "x", DELAY_DEFAULT, 20), OUTCOME_OK);
	ck_assert_int_eq(engine_receive(engine, "q", 10, 600000, got, NULL), OUTCOME_OK);
	ck_assert_int_eq(engine_settle(engine, OP_ACK, "q", &got[0], 0, 0), OUTCOME_OK);
	struct replay_end end = { .header = { .bytes = sizeof(end), .op = REPLAY_END }, .lsn = engine->stream_shared->tail,
		.generation = 7 };

	/* A ring that is not mirrored, but larger than what is sent. */
	cold->worker.stream.replay_bytes = bytes;
	cold->worker.stream.replay_size_bytes = 1 << 16;
	replay_begin(&cold->worker);
	ck_assert_int_eq(replay_step(&cold->worker, 64), REPLAY_WAITS);
	ring_init(&ring, &cold->stream_shared->replay, bytes, 1 << 16);
	store_release(&cold->stream_shared->replay_serving, cold->stream_shared->replay_wanted);
	cold->durable->shard[0].lsn = end.lsn;
	send_journal(cold, engine, &ring, &end);

	ck_assert_uint_eq(cold->worker.shard.shared->state, SHARD_READY);
	ck_assert_uint_eq(cold->worker.shard.root->lease_counter >> 48, 7);
	ck_assert_uint_eq(cold->worker.shard.queues[0].lists[MSG_LEASED].count, 9);
	cold->now_ms = engine->now_ms;
	engine_run(cold);
	ck_assert_uint_eq(cold->worker.shard.queues[0].lists[MSG_LEASED].count, 0);
	ck_assert_uint_eq(cold->worker.shard.queues[0].lists[MSG_READY].count, 19);
	ck_assert_uint_eq(msg_at(&cold->worker.shard, cold->worker.shard.queues[0].lists[MSG_READY].head)->fail_count, 1);
	ck_assert_ptr_null(engine_check(cold));
	/* What lies before the end is not in this ring: a reader must not take it for the record. */
	char copy[8];
	ck_assert(!stream_copy(&cold->worker.stream, LSN_FIRST, copy, 8));
	engine_close(cold);
}
END_TEST

START_TEST(a_replay_that_is_interrupted_begins_anew)
{
	static char bytes[2 << 16];
	struct engine *cold = engine_open(&(struct engine_options){ .is_fresh = true, .fronts = 2 });
	struct replay_end end = { .header = { .bytes = sizeof(end), .op = REPLAY_END }, .lsn = engine->stream_shared->tail,
		.generation = 1, .is_clean = 1 };
	struct ring ring;

	cold->worker.stream.replay_bytes = bytes;
	cold->worker.stream.replay_size_bytes = 1 << 16;
	replay_begin(&cold->worker);
	uint64_t wanted = cold->stream_shared->replay_wanted;
	store_release(&cold->stream_shared->replay_serving, wanted);
	ring_init(&ring, &cold->stream_shared->replay, bytes, 1 << 16);
	struct frame_header *frame = ring_reserve(&ring, 48);
	memset(frame, 0, 48);
	*frame = (struct frame_header){ .bytes = 48, .op = 77 };
	ring_push(&ring, 48);
	ring_post(&ring);
	ck_assert_int_eq(replay_step(&cold->worker, 64), REPLAY_WAITS);
	ck_assert_uint_eq(cold->stream_shared->replay_wanted, wanted + 1);

	memset(&cold->stream_shared->replay, 0, sizeof(cold->stream_shared->replay));
	ring_init(&ring, &cold->stream_shared->replay, bytes, 1 << 16);
	store_release(&cold->stream_shared->replay_serving, wanted + 1);
	cold->durable->shard[0].lsn = end.lsn;
	send_journal(cold, engine, &ring, &end);
	ck_assert_uint_eq(cold->worker.shard.root->queues_high, 1);
	engine_close(cold);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("worker_recover");
	TCase *tcase = tcase_create("recover");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_restart_changes_nothing_and_executes_nothing_twice);
	tcase_add_test(tcase, what_was_committed_but_not_shown_is_shown_by_the_successor);
	tcase_add_test(tcase, an_open_transaction_is_undone_and_its_request_executed_again);
	tcase_add_test(tcase, a_request_that_crashes_twice_is_answered_poison_and_consumed);
	tcase_add_test(tcase, a_request_during_which_we_were_killed_twice_is_executed);
	tcase_add_test(tcase, crashes_on_different_requests_are_not_added_up);
	tcase_add_test(tcase, a_damaged_shard_is_marked_and_not_served);
	tcase_add_test(tcase, a_ring_that_lies_closes_its_front_and_no_other);
	tcase_add_test(tcase, a_dead_fronts_requests_are_executed_and_its_waiters_dropped);
	tcase_add_test(tcase, a_cold_start_builds_the_same_shard_and_ends_its_leases);
	tcase_add_test(tcase, a_replay_that_is_interrupted_begins_anew);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
