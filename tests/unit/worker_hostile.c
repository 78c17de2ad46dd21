/*
 * A worker and a frontd that was taken over, side by side: frames change while they are read.  What tests/fuzz/frames.c cannot
 * do, since it would not be the same twice.  Under a sanitizer the same, slower; CHASQUI_SOAK_SECONDS makes it longer.
 */
#include <pthread.h>

#include "shm/atomic.h"
#include "shm/hash.h"
#include "shm/record.h"
#include "tests/harness/attack.h"
#include "tests/harness/deadline.h"
#include "tests/harness/engine.h"
#include "tests/harness/trial.h"
#include "tests/harness/unit.h"

enum { HONEST, HOSTILE, FRONTS, WAITERS = 16, ATTACK_MS = 2000, TEST_SECONDS = 60,
	PAUSE_LOOPS = 3000 };

static struct engine *engine;

/* Turns bits over in what was posted last. */
struct flipper {
	uint64_t seed;
	uint64_t flips;
	uint32_t stop;
};

static void *
flip(void *context)
{
	struct flipper *flipper = context;
	struct attack_source source = { .seed = flipper->seed };
	struct engine_front *front = &engine->fronts[HOSTILE];

	while (!load_relaxed(&flipper->stop)) {
		uint64_t tail = load_relaxed(&front->pair.request.tail);
		char *byte = front->request_bytes + ((tail - attack_choose(&source, 2048)) & (engine->request_ring_bytes - 1));

		store_relaxed(byte, (char)(load_relaxed(byte) ^ 1 << attack_choose(&source, 8)));
		flipper->flips++;
		/* Faster, and hardly a frame's length would live long enough for the rest to be looked at. */
		for (unsigned wait = 0; wait < PAUSE_LOOPS; wait++)
			compiler_barrier();
	}
	return NULL;
}

static void
expect_whole(void)
{
	const struct shard_front *root = &engine->worker.shard.root->fronts[HOSTILE];

	/* Its own copies of our cursors are its to spoil. */
	engine->fronts[HOSTILE].pair.request.head = root->request_head;
	engine->fronts[HOSTILE].pair.reply.tail = root->reply_tail;
	const char *wrong = engine_check(engine);
	ck_assert_msg(wrong == NULL, "%s", wrong);
}

/* Front 0 publishes, receives just that, whole, and acknowledges it. */
static void
expect_served(unsigned round)
{
	struct delivery delivery;
	char body[64];
	uint32_t count;

	snprintf(body, sizeof(body), "message %u of an honest frontd", round);
	ck_assert_int_eq(engine_publish(engine, "honest", body, DELAY_DEFAULT, 1), OUTCOME_OK);
	ck_assert_int_eq(engine_receive(engine, "honest", 1, 10000, &delivery, &count), OUTCOME_OK);
	const struct published_record *record =
	    (const struct published_record *)stream_at(&engine->worker.stream, delivery.lsn);
	ck_assert_uint_eq(delivery.body_bytes, strlen(body));
	ck_assert_mem_eq(record + 1, body, strlen(body));
	ck_assert_uint_eq(record->payload_hash, hash_bytes(body, strlen(body)));
	ck_assert_int_eq(engine_settle(engine, OP_ACK, "honest", &delivery, 0, NACK_RELEASE), OUTCOME_OK);
	ck_assert_int_eq(engine_receive(engine, "honest", 1, 10000, &delivery, &count), OUTCOME_EMPTY);
}

START_TEST(frames_that_change_while_they_are_read_harm_nobody_else)
{
	unsigned seconds = soak_seconds(), rounds = 0, fronts = 1;
	struct attack_source source = { .seed = clock_ms() | 1 };
	struct flipper flipper = { .seed = source.seed ^ 0x5555 };
	uint64_t deadline_ms = deadline_in(seconds != 0 ? seconds * 1000ull / 4 : ATTACK_MS);
	struct attack attack;
	pthread_t thread;

#ifdef __SANITIZE_THREAD__
	printf("skipped: what is tried here is a data race\n");
	return;
#endif
	printf("seed %llu\n", (unsigned long long)source.seed);
	engine = engine_open(&(struct engine_options){ .fronts = FRONTS, .waiters_per_front = WAITERS, .messages = 20000 });
	struct engine_front *front = &engine->fronts[HOSTILE];
	const struct front_rings rings = { .pair = &front->pair, .request_bytes = front->request_bytes,
		.reply_bytes = front->reply_bytes, .request_size_bytes = engine->request_ring_bytes,
		.reply_size_bytes = engine->reply_ring_bytes };
	ck_assert_int_eq(engine_put(engine, "honest", NULL, 0), OUTCOME_CREATED);
	ck_assert_int_eq(engine_put(engine, "h0", NULL, 0), OUTCOME_CREATED);
	attack_begin(&attack, &source, &rings, WAITERS);
	ck_assert_int_eq(pthread_create(&thread, NULL, flip, &flipper), 0);
	for (; clock_ms() < deadline_ms; rounds++) {
		for (unsigned i = 0; i < 8; i++)
			attack_step(&attack, 2);
		engine_pass(engine, 3);
		(void)attack_take_replies(&attack);
		if (rounds % 4 == 0)
			expect_served(rounds);
		if (rounds % 64 == 0)
			(void)engine_purge(engine, "h0", PURGE_READY | PURGE_DELAYED | PURGE_DEAD | PURGE_LEASED, &(uint64_t){ 0 });
		if (rounds % 256 == 0)
			expect_whole();
		if (engine->worker.shard.root->fronts[HOSTILE].state == FRONT_CLOSED) {
			engine_replace_front(engine, HOSTILE);
			attack_begin(&attack, &source, &rings, WAITERS);
			fronts++;
		}
	}
	store_relaxed(&flipper.stop, 1);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	expect_whole();
	expect_served(rounds);
	printf("%u rounds, %u incarnations, %llu flips\n", rounds, fronts, (unsigned long long)flipper.flips);
	ck_assert_uint_gt(fronts, 1);
	engine_close(engine);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("worker_hostile");
	TCase *tcase = tcase_create("hostile");

	tcase_set_timeout(tcase, TEST_SECONDS + soak_seconds());
	tcase_add_test(tcase, frames_that_change_while_they_are_read_harm_nobody_else);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
