/*
 * park: one sleep costs a waker one signal, nobody who is awake is signalled, and two threads that sleep and wake each
 * other ten thousand times never miss a wake-up.
 */
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/harness/unit.h"

#include "shm/atomic.h"
#include "shm/park.h"

static uint64_t word;
static int event_fd;
static struct waker waker;

static void
setup(void)
{
	word = 0;
	event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	ck_assert_int_ge(event_fd, 0);
	waker = (struct waker){ .word = &word, .event_fd = event_fd };
}

static void
teardown(void)
{
	close(event_fd);
}

/* How often the eventfd was written since it was last asked. */
static uint64_t
signals_seen(void)
{
	uint64_t count = 0;

	return read(event_fd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

START_TEST(nobody_who_is_awake_is_signalled)
{
	park_fence();
	ck_assert(!park_wake(&waker));
	park_begin(&word, false);
	park_end(&word);
	ck_assert(!park_wake(&waker));
	ck_assert_uint_eq(signals_seen(), 0);
}
END_TEST

START_TEST(one_sleep_costs_one_signal_and_the_next_sleep_another)
{
	for (uint64_t sleep = 1; sleep <= 3; sleep++) {
		park_begin(&word, false);
		ck_assert(park_wake(&waker));
		ck_assert(!park_wake(&waker));
		ck_assert(!park_wake(&waker));
		ck_assert_uint_eq(signals_seen(), 1);
		ck_assert_uint_eq(waker.signals, sleep);
		park_end(&word);
		ck_assert(!park_wake(&waker));
	}
}
END_TEST

START_TEST(persistd_wakes_only_who_waits_for_the_disk)
{
	park_begin(&word, false);
	ck_assert(!park_wake_durable(&waker));
	ck_assert(park_wake(&waker));
	park_end(&word);
	park_begin(&word, true);
	ck_assert(park_wake_durable(&waker));
	ck_assert(!park_wake_durable(&waker));
	park_end(&word);
	park_begin(&word, true);
	ck_assert(park_wake(&waker));
	ck_assert_uint_eq(signals_seen(), 3);
}
END_TEST

START_TEST(a_new_waker_signals_a_sleep_that_its_predecessor_signalled)
{
	struct waker successor = { .word = &word, .event_fd = event_fd };

	park_begin(&word, false);
	ck_assert(park_wake(&waker));
	ck_assert(park_wake(&successor));
	ck_assert_uint_eq(signals_seen(), 2);
}
END_TEST

START_TEST(a_new_sleeper_goes_on_with_its_predecessors_sequence)
{
	park_begin(&word, true); /* and dies parked */
	ck_assert(park_wake(&waker));
	uint64_t signalled = word;
	park_begin(&word, false); /* its successor sleeps without park_end() before */
	ck_assert_uint_ne(word, signalled);
	ck_assert_uint_eq(word & PARK_AWAITS_DURABLE, 0);
	ck_assert(park_wake(&waker));
}
END_TEST

START_TEST(a_poke_wakes_whoever_sleeps_and_a_full_counter_is_no_trouble)
{
	park_poke(event_fd);
	ck_assert_uint_eq(signals_seen(), 1);

	uint64_t almost_full = UINT64_MAX - 1;
	ck_assert_int_eq(write(event_fd, &almost_full, sizeof(almost_full)), sizeof(almost_full));
	park_poke(event_fd);
	ck_assert_uint_eq(signals_seen(), UINT64_MAX - 1);
}
END_TEST

/* Two threads pass one number to and fro; each sleeps without a cap when it has nothing to do. */
#define PASSES 20000

struct runner {
	uint64_t parked;
	uint64_t number;       /* written by this one, read by the other */
	int event_fd;
	struct runner *other;
	struct waker waker;    /* of the other */
	uint64_t lost;         /* wakes that never came */
};

static bool
runner_has_work(struct runner *runner, uint64_t wanted)
{
	return load_acquire(&runner->other->number) >= wanted;
}

static void
runner_wait(struct runner *runner, uint64_t wanted)
{
	struct pollfd poll_fd = { .fd = runner->event_fd, .events = POLLIN };
	uint64_t count;

	while (!runner_has_work(runner, wanted)) {
		park_begin(&runner->parked, false);
		if (!runner_has_work(runner, wanted) && poll(&poll_fd, 1, 2000) == 0 && !runner_has_work(runner, wanted))
			runner->lost++;
		park_end(&runner->parked);
		(void)!read(runner->event_fd, &count, sizeof(count)); /* EAGAIN: it was not signalled */
	}
}

static void *
runner_run(void *arg)
{
	struct runner *runner = arg;

	for (uint64_t n = 1; n <= PASSES; n++) {
		store_release(&runner->number, n);
		park_fence();
		park_wake(&runner->waker);
		runner_wait(runner, n);
	}
	return NULL;
}

START_TEST(two_threads_that_wake_each_other_never_miss_one)
{
	static struct runner runners[2];
	pthread_t threads[2];

	for (unsigned i = 0; i < 2; i++) {
		runners[i].other = &runners[!i];
		runners[i].event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	}
	for (unsigned i = 0; i < 2; i++)
		runners[i].waker = (struct waker){ .word = &runners[!i].parked, .event_fd = runners[!i].event_fd };
	for (unsigned i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, runner_run, &runners[i]), 0);
	for (unsigned i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	ck_assert_uint_eq(runners[0].lost + runners[1].lost, 0);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("shm/park");
	TCase *park = tcase_create("park");

	tcase_add_checked_fixture(park, setup, teardown);
	tcase_set_timeout(park, 60);
	tcase_add_test(park, nobody_who_is_awake_is_signalled);
	tcase_add_test(park, one_sleep_costs_one_signal_and_the_next_sleep_another);
	tcase_add_test(park, persistd_wakes_only_who_waits_for_the_disk);
	tcase_add_test(park, a_new_waker_signals_a_sleep_that_its_predecessor_signalled);
	tcase_add_test(park, a_new_sleeper_goes_on_with_its_predecessors_sequence);
	tcase_add_test(park, a_poke_wakes_whoever_sleeps_and_a_full_counter_is_no_trouble);
	tcase_add_test(park, two_threads_that_wake_each_other_never_miss_one);
	suite_add_tcase(suite, park);
	return suite;
}

UNIT_MAIN(suite)
