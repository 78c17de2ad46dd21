/*
 * Storm: random processes killed, hung and started again, warm and cold, at random moments under load, with an oracle of
 * every message.  20 s in `make test`; STORM_SECONDS, or in `make soak` CHASQUI_SOAK_SECONDS.  STORM_SEED repeats the
 * choices of a run (not its timing, which is the kernel's).
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "shm/atomic.h"
#include "tests/harness/broker.h"
#include "tests/harness/client.h"
#include "tests/harness/deadline.h"
#include "tests/harness/load.h"
#include "tests/harness/oracle.h"
#include "tests/harness/trial.h"
#include "tests/harness/unit.h"

enum { THREADS = 3, STORM_SECONDS_DEFAULT = 20, MESSAGES_A_SECOND = 20000, DRAIN_MS = 120000, TURN_MS = 20 };

static const char *const options[] = { "server.processes=2", "worker.shards=2", "worker.messages=2000000",
	"worker.stream_ring=8MiB", "log.level=warning", NULL };

/* One client: a thread with its own queue, load and oracle. */
struct stormer {
	pthread_t thread;
	char queue[16];
	struct oracle *oracle;
	struct load *load;
	const uint32_t *is_over;
	bool is_drained;
};

struct storm {
	struct broker broker;
	uint64_t random;
	struct stormer stormers[THREADS];
	uint32_t is_over;               /* written here, read by the threads */
	unsigned kills[SLOT_MAX];
	unsigned hangs;
	unsigned warm_starts;
	unsigned cold_starts;
};

/* splitmix64, Sebastiano Vigna, public domain. */
static uint64_t
chance(struct storm *storm, uint64_t below)
{
	uint64_t z = storm->random += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (z ^ z >> 31) % below;
}

static void *
stormer_run(void *argument)
{
	struct stormer *stormer = argument;

	while (load_relaxed(stormer->is_over) == 0)
		load_run(stormer->load, TURN_MS);
	stormer->is_drained = load_drain(stormer->load, DRAIN_MS);
	return NULL;
}

static void
stormers_begin(struct storm *storm, uint32_t messages_max)
{
	struct client client;

	client_open(&client, storm->broker.port);
	for (unsigned i = 0; i < THREADS; i++) {
		struct stormer *stormer = &storm->stormers[i];
		struct oracle_options oracle = { .seed = storm->random + i, .messages_max = messages_max,
			.body_bytes_min = 30, .body_bytes_max = 3000 };
		struct load_options load = { .port = storm->broker.port, .queue = stormer->queue, .publishers = 6,
			.consumers = 3, .batch = i == 0 ? 10 : 1, .receive_max = 20, .lease = "2s", .wait = "1s" };

		snprintf(stormer->queue, sizeof(stormer->queue), "storm-%u", i);
		client_queue(&client, stormer->queue, "{}");
		stormer->is_over = &storm->is_over;
		stormer->oracle = oracle_new(&oracle);
		stormer->load = load_open(&load, stormer->oracle);
		ck_assert_int_eq(pthread_create(&stormer->thread, NULL, stormer_run, stormer), 0);
	}
	client_close(&client);
}

static uint32_t
random_slot(struct storm *storm)
{
	static const uint32_t slots[] = { SLOT_FRONT(0), SLOT_FRONT(1), SLOT_WORKER(0), SLOT_WORKER(1), SLOT_WORKER(0),
		SLOT_WORKER(1), SLOT_PERSIST, SLOT_PERSIST };

	return slots[chance(storm, sizeof(slots) / sizeof(slots[0]))];
}

/* A signal to whatever runs in a slot, also when it has only just started. */
static bool
signal_slot(struct storm *storm, uint32_t slot, int signal)
{
	struct broker_role role = broker_role(&storm->broker, slot);

	return (role.state == SLOT_LIVE || role.state == SLOT_STARTING) && role.pid > 0 &&
	    getpgid(role.pid) == storm->broker.pid && kill(role.pid, signal) == 0;
}

static void
pause_ms(uint64_t ms)
{
	uint64_t until_ms = deadline_in(ms);

	while (deadline_pause(until_ms))
		;
}

static void
hang_one(struct storm *storm)
{
	uint32_t slot = random_slot(storm);

	if (!signal_slot(storm, slot, SIGSTOP))
		return;
	storm->hangs++;
	pause_ms(20 + chance(storm, 250));
	(void)signal_slot(storm, slot, SIGCONT); /* nobody else kills it meanwhile, but it may have asserted */
}

static void
start_again(struct storm *storm, bool is_cold)
{
	if (chance(storm, 4) == 0)
		broker_kill_supervisor(&storm->broker);
	else
		broker_kill_all(&storm->broker);
	if (is_cold)
		broker_wipe(&storm->broker);
	storm->cold_starts += is_cold;
	storm->warm_starts += !is_cold;
	broker_start(&storm->broker);
	for (unsigned i = 0; i < THREADS; i++)
		load_set_port(storm->stormers[i].load, storm->broker.port);
}

static void
blow_once(struct storm *storm)
{
	uint64_t what = chance(storm, 100);

	if (what < 70) {
		uint32_t slot = random_slot(storm);

		storm->kills[slot] += signal_slot(storm, slot, SIGKILL);
	} else if (what < 84) {
		hang_one(storm);
	} else {
		start_again(storm, what >= 92);
	}
	pause_ms(chance(storm, 3) == 0 ? chance(storm, 10) : chance(storm, 400));
}

static void
wait_calm(const struct storm *storm)
{
	static const uint32_t slots[] = { SLOT_FRONT(0), SLOT_FRONT(1), SLOT_WORKER(0), SLOT_WORKER(1), SLOT_PERSIST };

	for (unsigned i = 0; i < sizeof(slots) / sizeof(slots[0]); i++)
		(void)broker_pid(&storm->broker, slots[i]); /* waits until it lives */
}

static void
report(const struct storm *storm)
{
	printf("killed: frontd %u, workerd %u, persistd %u; hung: %u; all killed and started again: %u warm, %u cold\n",
	    storm->kills[SLOT_FRONT(0)] + storm->kills[SLOT_FRONT(1)],
	    storm->kills[SLOT_WORKER(0)] + storm->kills[SLOT_WORKER(1)], storm->kills[SLOT_PERSIST], storm->hangs,
	    storm->warm_starts, storm->cold_starts);
	for (unsigned i = 0; i < THREADS; i++) {
		struct oracle_counts counts = oracle_counts(storm->stormers[i].oracle);
		struct load_counts load = load_counts(storm->stormers[i].load);

		printf("%s: %u sent, %u acknowledged, %llu deliveries, %u acked, %u acks unknown, %llu resets, %llu overloads, "
		    "longest publish %llu ms\n", storm->stormers[i].queue, counts.sent, counts.acknowledged,
		    (unsigned long long)counts.deliveries, counts.acked, counts.ack_unknown, (unsigned long long)load.resets,
		    (unsigned long long)load.overloads, (unsigned long long)load.publish_max_ms);
	}
	fflush(stdout);
}

static unsigned
storm_seconds(void)
{
	const char *text = getenv("STORM_SECONDS");

	if (text != NULL)
		return (unsigned)strtoul(text, NULL, 10);
	return soak_seconds() != 0 ? soak_seconds() : STORM_SECONDS_DEFAULT;
}

START_TEST(a_storm_of_kills_and_hangs_breaks_no_promise)
{
	static struct storm storm;
	const char *told = getenv("STORM_SEED");
	uint64_t seed = told != NULL ? strtoull(told, NULL, 10) : (uint64_t)time(NULL) * 1000 + (uint64_t)getpid() % 1000;
	unsigned seconds = storm_seconds();
	uint64_t until_ms;

	printf("seed %llu, %u s\n", (unsigned long long)seed, seconds);
	fflush(stdout);
	storm.random = seed;
	broker_up(&storm.broker, options);
	stormers_begin(&storm, seconds * MESSAGES_A_SECOND);
	until_ms = deadline_in(seconds * 1000);
	while (clock_ms() < until_ms)
		blow_once(&storm);
	wait_calm(&storm);
	store_relaxed(&storm.is_over, 1);
	for (unsigned i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_join(storm.stormers[i].thread, NULL), 0);
	report(&storm);
	for (unsigned i = 0; i < THREADS; i++) {
		struct stormer *stormer = &storm.stormers[i];
		const char *verdict = oracle_verdict(stormer->oracle);

		ck_assert_msg(verdict[0] == '\0', "seed %llu, %s:\n%s", (unsigned long long)seed, stormer->queue, verdict);
		ck_assert_msg(stormer->is_drained, "seed %llu, %s: a publish is not answered", (unsigned long long)seed,
		    stormer->queue);
		load_close(stormer->load);
		oracle_free(stormer->oracle);
	}
	broker_free(&storm.broker);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("storm/storm");
	TCase *tcase = tcase_create("storm");

	tcase_set_timeout(tcase, storm_seconds() + DRAIN_MS / 1000 + 60);
	tcase_add_test(tcase, a_storm_of_kills_and_hangs_breaks_no_promise);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
