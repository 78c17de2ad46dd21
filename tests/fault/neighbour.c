/*
 * A hostile neighbour: one of two frontds is taken over and writes into its rings whatever it likes (tests/harness/attack.h),
 * while somebody flips bytes under the eyes of those who read them.  It is given up, killed and replaced, round after round;
 * workers and persistd live, and a client of the other frontd sees no error and gets each of its messages, whole and once.
 *
 * The frontd is stopped, and this process maps its region as it does: what it could write, we can.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "shm/atomic.h"
#include "shm/stats.h"
#include "tests/harness/attack.h"
#include "tests/harness/client.h"
#include "tests/harness/deadline.h"
#include "tests/harness/trial.h"
#include "tests/harness/unit.h"

enum { TEST_SECONDS = 120, HOSTILE = 0, HONEST = 1, WORKERS = 2, COLD = 24, COLD_BYTES = 512 * 1024, ATTACK_MS = 8000,
	ROUND_STEPS_MAX = 4000, REPLACED_MS = 10000, OUTPUT_BYTES = 20000 };

static const char *const options[] = { "server.processes=2", "worker.shards=2", "worker.stream_ring=8MiB", NULL };

/* What the attacker has done, read when its thread has ended. */
struct attacker {
	const struct broker *broker;
	uint64_t seed;
	uint64_t until_ms;
	uint64_t frames, lies, fetches, rounds;
	uint64_t replaced_max_ms;   /* from the first lie that can be seen to the next incarnation */
	const char *trouble;        /* NULL: none */
};

/* --- its region --- */

static bool
map_front(const struct broker *broker, uint64_t epoch, struct front *front)
{
	struct region_identity store;
	struct registry registry;
	bool is_mapped;

	if (registry_attach(&registry, broker->instance, NULL, REGION_READ_ONLY) != 0)
		return false;
	store = registry_identity(&registry);
	is_mapped = front_attach(front, broker->instance, HOSTILE, epoch, &registry.shared->geometry.front, &store,
	    FRONT_MAP_ALL) == 0;
	registry_detach(&registry);
	return is_mapped;
}

/* Bytes of what was posted change while they are read. */
struct flipper {
	const struct front *front;
	uint64_t seed;
	uint32_t stop;
};

static void *
flip(void *context)
{
	struct flipper *flipper = context;
	struct attack_source source = { .seed = flipper->seed };

	while (!load_relaxed(&flipper->stop)) {
		for (uint32_t w = 0; w < WORKERS; w++) {
			const struct front *front = flipper->front;
			uint64_t tail = load_relaxed(&front->shared->worker[w].request.tail);
			uint64_t at = (tail - attack_choose(&source, 4096)) & (front->geometry.request_bytes - 1);
			char *byte = (char *)front->request_bytes[w] + at;

			store_relaxed(byte, (char)(load_relaxed(byte) ^ 1 << attack_choose(&source, 8)));
		}
	}
	return NULL;
}

/* --- one incarnation, from its beginning to its end --- */

static bool
wait_replaced(struct attacker *attacker, uint64_t epoch)
{
	uint64_t began_ms = clock_ms(), deadline_ms = deadline_in(REPLACED_MS);
	struct broker_role role;

	while (role = broker_role(attacker->broker, SLOT_FRONT(HOSTILE)), role.epoch == epoch || role.state != SLOT_LIVE)
		if (!deadline_pause(deadline_ms))
			return false;
	if (clock_ms() - began_ms > attacker->replaced_max_ms)
		attacker->replaced_max_ms = clock_ms() - began_ms;
	return true;
}

/* A lie that nobody can overlook, where chance brought none. */
static void
lie_at_last(const struct front *front, uint64_t round)
{
	switch (round % 4) {
	case 0: /* beyond the ring */
		store_release(&front->shared->worker[round % WORKERS].request.tail, UINT64_MAX / 2);
		return;
	case 1:
		store_release(&front->shared->fetch.tail, front->shared->fetch.head + front->geometry.fetch_bytes + 8);
		return;
	case 2: { /* a frame that says it is longer than all that was posted */
		struct ring ring;

		ring_init(&ring, &front->shared->worker[0].request, front->request_bytes[0], front->geometry.request_bytes);
		((struct frame_header *)ring_at(&ring, ring.tail))->bytes = FRAME_BYTES_MAX + 8;
		store_release(&ring.shared->tail, ring.tail + 64);
		return;
	}
	default: /* behind the head */
		store_release(&front->shared->worker[1].request.tail, front->shared->worker[1].request.head - 8);
	}
}

/* It dies with half a frame in its ring: written, and shown by a tail that the rest of it never came up to. */
static void
die_within_a_frame(const struct front *front, pid_t pid)
{
	struct ring ring;

	ring_init(&ring, &front->shared->worker[0].request, front->request_bytes[0], front->geometry.request_bytes);
	struct publish_request *request = (struct publish_request *)ring_at(&ring, ring.tail);
	request->queue.header = (struct frame_header){ .bytes = 4096, .op = OP_PUBLISH, .id = 1 };
	request->count = 3;
	store_release(&ring.shared->tail, ring.tail + 4096);
	(void)kill(pid, SIGKILL); /* it may be dead already */
}

static bool
is_given_up(const struct broker *broker, uint64_t epoch)
{
	struct broker_role role = broker_role(broker, SLOT_FRONT(HOSTILE));

	return role.epoch != epoch || role.state != SLOT_LIVE;
}

static bool
attack_incarnation(struct attacker *attacker, struct attack_source *source)
{
	static const struct timespec pace = { .tv_nsec = 100000 };
	struct broker_role role = broker_role(attacker->broker, SLOT_FRONT(HOSTILE));
	struct attack attacks[WORKERS];
	struct attack_fetch fetch;
	struct front front;
	pthread_t thread;

	/* The first rounds tell no lies: then all that is wrong is within the frames. */
	uint32_t lies = attacker->rounds < 2 ? 0 : 4;
	if (kill(role.pid, SIGSTOP) != 0 || !map_front(attacker->broker, role.epoch, &front)) {
		attacker->trouble = "cannot take the frontd over";
		return false;
	}
	for (uint32_t w = 0; w < WORKERS; w++) {
		struct front_rings rings = { .pair = &front.shared->worker[w], .request_bytes = front.request_bytes[w],
			.reply_bytes = front.reply_bytes[w], .request_size_bytes = front.geometry.request_bytes,
			.reply_size_bytes = front.geometry.reply_bytes };

		attack_begin(&attacks[w], source, &rings, 4096);
	}
	attack_fetch_begin(&fetch, source, &front);
	fetch.lsn_end = LSN_FIRST + COLD * (uint64_t)COLD_BYTES;
	struct flipper flipper = { .front = &front, .seed = source->seed | 1 };
	bool flips = attacker->rounds % 2 == 1 && pthread_create(&thread, NULL, flip, &flipper) == 0;
	for (unsigned step = 0; step < ROUND_STEPS_MAX && clock_ms() < attacker->until_ms; step++) {
		attack_step(&attacks[step % WORKERS], lies);
		if (step % 4 == 0)
			attack_fetch_step(&fetch, lies);
		if (step % 16 == 0) {
			for (uint32_t w = 0; w < WORKERS; w++)
				(void)attack_take_replies(&attacks[w]); /* what it does not understand it leaves */
			attack_fetch_take(&fetch);
			(void)nanosleep(&pace, NULL);
		}
		if (step % 256 == 0 && is_given_up(attacker->broker, role.epoch))
			break;
	}
	if (attacker->rounds % 5 == 4)
		die_within_a_frame(&front, role.pid);
	else
		lie_at_last(&front, attacker->rounds);
	bool is_replaced = wait_replaced(attacker, role.epoch);
	store_relaxed(&flipper.stop, 1);
	if (flips)
		(void)pthread_join(thread, NULL);
	for (uint32_t w = 0; w < WORKERS; w++) {
		attacker->frames += attacks[w].frames;
		attacker->lies += attacks[w].lies;
	}
	attacker->fetches += fetch.frames;
	front_detach(&front);
	attacker->rounds++;
	if (!is_replaced)
		attacker->trouble = "the hostile frontd is not replaced";
	return is_replaced;
}

static void *
attack_rounds(void *context)
{
	struct attacker *attacker = context;
	struct attack_source source = { .seed = attacker->seed };

	while (clock_ms() < attacker->until_ms && attack_incarnation(attacker, &source))
		;
	store_release(&attacker->until_ms, 0);
	return NULL;
}

/* --- the good client --- */

static uint64_t
accepted_by(const struct broker *broker, uint32_t slot)
{
	struct stats_shared stats;

	broker_stats(broker, slot, &stats);
	return stats.connections_accepted;
}

/* A connection that the honest frontd has: the kernel spreads them by a hash. */
static void
open_at_the_honest(const struct broker *broker, struct client *client)
{
	for (unsigned tries = 0; tries < 200; tries++) {
		uint64_t before = accepted_by(broker, SLOT_FRONT(HONEST));

		client_open(client, broker->port);
		expect_status(client_do(client, "GET /livez"), 200);
		if (accepted_by(broker, SLOT_FRONT(HONEST)) > before)
			return;
		client_close(client);
	}
	ck_abort_msg("no connection comes to frontd %d", HONEST);
}

/* Its body says which it is. */
static void
body_of(char *body, uint32_t bytes, uint64_t number)
{
	int head = snprintf(body, bytes, "message %llu of the good client ", (unsigned long long)number);

	memset(body + head, 'a' + (int)(number % 26), bytes - (uint32_t)head);
}

struct good {
	struct client client;
	char *body;
	uint64_t published, received;
	uint64_t slowest_ms;
};

static void
good_publish(struct good *good, const char *queue, uint32_t bytes)
{
	char request[100];

	snprintf(request, sizeof(request), "POST /v1/queues/%s/messages", queue);
	body_of(good->body, bytes, good->published++);
	expect_status(client_ask_bytes(&good->client, request, "Content-Type: text/plain\r\nMq-Attr-n: 1\r\n", good->body, bytes), 201);
}

/* The next of the queue, as it was published, and then it is gone. */
static void
good_receive(struct good *good, const char *queue, uint32_t bytes, uint64_t number)
{
	struct response *answer = client_do(&good->client, "POST /v1/queues/%s/messages:receive", queue);

	expect_status(answer, 200);
	body_of(good->body, bytes, number);
	ck_assert_uint_eq(strlen(response_text(answer, "messages.0.body")), bytes);
	ck_assert_int_eq(memcmp(response_text(answer, "messages.0.body"), good->body, bytes), 0);
	ck_assert_str_eq(response_text(answer, "messages.0.attributes.n"), "1");
	ck_assert_int_eq(response_number(answer, "messages.0.delivery_count"), 1);
	expect_status(client_do(&good->client, "DELETE /v1/queues/%s/leases/%s", queue,
	    response_text(answer, "messages.0.receipt")), 204);
	good->received++;
}

static void
good_round(struct good *good, uint64_t round)
{
	static const char *const queues[] = { "good.one", "good.two" };
	const char *queue = queues[round % 2];
	uint64_t began_ms = clock_ms(), number = good->published;

	good_publish(good, queue, 100 + (uint32_t)(round % 50) * 40);
	good_receive(good, queue, 100 + (uint32_t)(round % 50) * 40, number);
	if (clock_ms() - began_ms > good->slowest_ms)
		good->slowest_ms = clock_ms() - began_ms;
}

static void
expect_never_restarted(const struct broker *broker, const char *log)
{
	static const uint32_t slots[] = { SLOT_WORKER(0), SLOT_WORKER(1), SLOT_PERSIST, SLOT_FRONT(HONEST) };

	for (unsigned i = 0; i < sizeof(slots) / sizeof(slots[0]); i++)
		ck_assert_msg(broker_role(broker, slots[i]).epoch == 1, "slot %u died:\n%s", slots[i], log);
}

START_TEST(a_frontd_that_writes_what_it_likes_into_its_rings_harms_nobody_else)
{
	static char output[OUTPUT_BYTES];
	unsigned seconds = soak_seconds();
	const char *seed = getenv("STORM_SEED");
	struct attacker attacker = { .seed = seed != NULL ? strtoull(seed, NULL, 0) | 1 : clock_ms() | 1 };
	struct good good = { .body = malloc(COLD_BYTES) };
	struct broker broker;
	pthread_t thread;
	uint64_t round = 0, given = 0, unfit = 0;

	printf("seed %llu\n", (unsigned long long)attacker.seed);
	ck_assert_ptr_nonnull(good.body);
	broker_up(&broker, options);
	open_at_the_honest(&broker, &good.client);
	client_queue(&good.client, "good.one", "{}");
	client_queue(&good.client, "good.two", "{}");
	client_queue(&good.client, "cold", "{}");
	for (unsigned i = 0; i < 4; i++) {
		char name[] = "h0";

		name[1] = (char)('0' + i);
		client_queue(&good.client, name, "{\"lease\":\"1s\"}");
	}
	/* More than the stream ring holds: these come from the disk, while the other asks for what it likes there. */
	for (unsigned i = 0; i < COLD; i++)
		good_publish(&good, "cold", COLD_BYTES);

	attacker.broker = &broker;
	attacker.until_ms = deadline_in(seconds != 0 ? seconds * 1000ull / 2 : ATTACK_MS);
	ck_assert_int_eq(pthread_create(&thread, NULL, attack_rounds, &attacker), 0);
	for (unsigned cold = 0; clock_ms() < load_acquire(&attacker.until_ms); round++) {
		good_round(&good, round);
		if (round % 20 == 0 && cold < COLD)
			good_receive(&good, "cold", COLD_BYTES, cold++);
		/* What it stored for others to receive is theirs to show, or to refuse: not to die of. */
		if (round % 10 == 0) {
			unsigned status = client_do(&good.client, "POST /v1/queues/h%llu/messages:receive",
			    (unsigned long long)round / 10 % 4)->status;
			ck_assert_msg(status == 200 || status == 204 || status == 500 || status == 404 || status == 429,
			    "status %u of a receive of what the other stored", status);
			given += status == 200;
			unfit += status == 500;
		}
	}
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	char *log = broker_log(&broker);
	ck_assert_msg(attacker.trouble == NULL, "%s:\n%s", attacker.trouble, log);
	expect_never_restarted(&broker, log);
	printf("%llu rounds, %llu frames, %llu fetches, %llu lies; the good client: %llu published, %llu received, slowest "
	    "round %llu ms; replaced after at most %llu ms; of what the other stored %llu "
	    "answers, %llu refused; %zu bytes of log\n", (unsigned long long)attacker.rounds,
	    (unsigned long long)attacker.frames, (unsigned long long)attacker.fetches, (unsigned long long)attacker.lies,
	    (unsigned long long)good.published, (unsigned long long)good.received, (unsigned long long)good.slowest_ms,
	    (unsigned long long)attacker.replaced_max_ms, (unsigned long long)given, (unsigned long long)unfit,
	    strlen(log));
	ck_assert_uint_ge(attacker.rounds, 4);
	ck_assert_uint_ge(attacker.frames, 1000);
	free(log);

	/* Everything as it stands, shards and journal, is whole; and all that the good client has left is there. */
	uint64_t left = good.published - good.received;
	ck_assert_uint_le(left, COLD);
	client_close(&good.client);
	broker_kill_all(&broker);
	char directory[200];
	snprintf(directory, sizeof(directory), "data.directory=%s", broker.data);
	const char *const check[] = { "check", "-i", broker.instance, "-o", directory, "-o", "auth.mode=off", NULL };
	int code = broker_command(output, sizeof(output), check);
	ck_assert_msg(code == 0, "check says %d:\n%s", code, output);
	ck_assert_ptr_nonnull(strstr(output, "whole"));
	broker_start(&broker);
	client_open(&good.client, broker.port);
	for (uint64_t number = COLD - left; number < COLD; number++)
		good_receive(&good, "cold", COLD_BYTES, number);
	expect_status(client_do(&good.client, "POST /v1/queues/cold/messages:receive"), 204);
	expect_status(client_do(&good.client, "POST /v1/queues/good.one/messages:receive"), 204);
	expect_status(client_do(&good.client, "POST /v1/queues/good.two/messages:receive"), 204);
	client_close(&good.client);
	free(good.body);
	broker_free(&broker);
}
END_TEST

/*
 * Workers and persistd die while the frontd that was taken over lives: their successors attach a region whose cursors, or whose
 * header, are not theirs to believe.  No shard may be thought damaged for it.
 */
START_TEST(successors_do_not_believe_what_the_hostile_one_left_in_its_region)
{
	static const uint32_t slots[] = { SLOT_WORKER(0), SLOT_WORKER(1), SLOT_PERSIST };
	struct good good = { .body = malloc(COLD_BYTES) };
	struct attack_source source = { .seed = clock_ms() | 1 };
	struct broker broker;

	ck_assert_ptr_nonnull(good.body);
	broker_up(&broker, options);
	open_at_the_honest(&broker, &good.client);
	client_queue(&good.client, "good.one", "{}");
	client_queue(&good.client, "good.two", "{}");
	good_publish(&good, "good.two", 1000);
	for (unsigned round = 0; round < 4; round++) {
		struct broker_role role = broker_role(&broker, SLOT_FRONT(HOSTILE));
		struct front front;

		ck_assert_int_eq(kill(role.pid, SIGSTOP), 0);
		ck_assert(map_front(&broker, role.epoch, &front));
		for (size_t i = 0; i < sizeof(*front.shared) / 8; i++)
			store_relaxed((uint64_t *)front.shared + i, round % 2 == 0 ? attack_choose(&source, UINT32_MAX) : UINT64_MAX - 7);
		for (size_t i = 0; round >= 2 && i < REGION_HEADER_BYTES; i++)
			store_relaxed((char *)front.region.base + i, (char)attack_choose(&source, 256));
		for (unsigned i = 0; i < sizeof(slots) / sizeof(slots[0]); i++)
			broker_wait_live(&broker, slots[i], broker_kill(&broker, slots[i]));
		broker_wait_live(&broker, SLOT_FRONT(HOSTILE), role.epoch);
		front_detach(&front);
		good_round(&good, 0);
	}
	good_receive(&good, "good.two", 1000, 0);
	char *log = broker_log(&broker);
	ck_assert_msg(strstr(log, "is loaded anew") == NULL, "a shard was thought damaged:\n%s", log);
	free(log);
	ck_assert_uint_eq(broker_role(&broker, SLOT_FRONT(HONEST)).epoch, 1);
	client_close(&good.client);
	free(good.body);
	broker_free(&broker);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("fault/neighbour");
	TCase *tcase = tcase_create("neighbour");

	tcase_set_timeout(tcase, TEST_SECONDS + soak_seconds());
	tcase_add_test(tcase, a_frontd_that_writes_what_it_likes_into_its_rings_harms_nobody_else);
	tcase_add_test(tcase, successors_do_not_believe_what_the_hostile_one_left_in_its_region);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
