#include "shm/state/wheel.h"
#include "tests/harness/unit.h"

#define SLOTS 2000
#define BEGIN_MS 1000000000000ull
#define YEAR_MS (365ull * 24 * 3600 * 1000)

static struct {
	struct undo_log log;
	struct wheel wheel;
	struct timer timers[SLOTS];
} region;

static struct txn txn;
static struct wheel_view view;

static void
setup(void)
{
	memset(&region, 0, sizeof(region));
	wheel_init(&region.wheel, BEGIN_MS);
	txn = (struct txn){ .base = (char *)&region, .size_bytes = sizeof(region), .log = &region.log };
	view = (struct wheel_view){ &region.wheel, &txn,
		{ (char *)&region.timers[0].link, sizeof(struct timer), SLOTS } };
}

static void
teardown(void)
{
	ck_assert_ptr_null(wheel_check(&view));
}

static void
arm(uint32_t idx, uint64_t due_ms)
{
	wheel_arm(&view, idx, due_ms);
	txn_commit(&txn);
}

/* The next timer due at or before now_ms, disarmed; NIL if there is none. */
static uint32_t
fire(uint64_t now_ms)
{
	uint32_t idx;

	for (;;) {
		ck_assert_ptr_null(wheel_check(&view));
		switch (wheel_step(&view, now_ms, &idx)) {
		case WHEEL_IDLE:
			return NIL;
		case WHEEL_MOVED:
			txn_commit(&txn);
			break;
		case WHEEL_DUE:
			wheel_disarm(&view, idx);
			txn_commit(&txn);
			return idx;
		}
	}
}

START_TEST(a_timer_fires_at_its_time_and_not_before)
{
	const uint64_t far_ms[] = { 0, 1, 4, 1000, 1024, 70000, 262144, 3600000, 67108864, YEAR_MS, 10 * YEAR_MS };

	for (unsigned i = 0; i < sizeof(far_ms) / sizeof(far_ms[0]); i++) {
		setup();
		arm(7, BEGIN_MS + far_ms[i]);
		if (far_ms[i] > 0)
			ck_assert_uint_eq(fire(BEGIN_MS + far_ms[i] - 1), NIL);
		ck_assert_uint_eq(fire(BEGIN_MS + far_ms[i] + WHEEL_TICK_MS - 1), 7);
		ck_assert_uint_eq(region.wheel.count, 0);
	}
}
END_TEST

START_TEST(a_time_that_has_passed_fires_at_once)
{
	ck_assert_uint_eq(fire(BEGIN_MS + 50000), NIL);
	arm(3, BEGIN_MS);
	ck_assert_uint_eq(fire(BEGIN_MS + 50000), 3);
}
END_TEST

START_TEST(equal_times_fire_in_the_order_they_were_set)
{
	for (uint32_t i = 0; i < 100; i++)
		arm(i * 3 % 100, BEGIN_MS + 300000);
	for (uint32_t i = 0; i < 100; i++)
		ck_assert_uint_eq(fire(BEGIN_MS + 300004), i * 3 % 100);
}
END_TEST

START_TEST(the_order_of_equal_times_survives_cascades_at_different_moments)
{
	arm(1, BEGIN_MS + 300000);
	ck_assert_uint_eq(fire(BEGIN_MS + 100000), NIL);
	arm(2, BEGIN_MS + 300000);
	ck_assert_uint_eq(fire(BEGIN_MS + 299900), NIL);
	arm(3, BEGIN_MS + 300000);
	ck_assert_uint_eq(fire(BEGIN_MS + 300000), 1);
	ck_assert_uint_eq(fire(BEGIN_MS + 300000), 2);
	ck_assert_uint_eq(fire(BEGIN_MS + 300000), 3);
}
END_TEST

START_TEST(a_disarmed_timer_does_not_fire)
{
	arm(1, BEGIN_MS + 10);
	arm(2, BEGIN_MS + 10);
	wheel_disarm(&view, 1);
	wheel_disarm(&view, 1);
	txn_commit(&txn);
	ck_assert_uint_eq(fire(BEGIN_MS + 20), 2);
	ck_assert_uint_eq(fire(BEGIN_MS + 20), NIL);
}
END_TEST

START_TEST(the_next_time_is_never_late)
{
	ck_assert_uint_eq(wheel_next_ms(&region.wheel), WHEEL_NEVER);
	arm(1, BEGIN_MS + 5 * YEAR_MS);
	/* Waking only when it says so must find the timer in time. */
	uint64_t now_ms = BEGIN_MS, wakes = 0;
	while (fire(now_ms) == NIL) {
		now_ms = wheel_next_ms(&region.wheel);
		ck_assert_uint_le(now_ms, BEGIN_MS + 5 * YEAR_MS + WHEEL_TICK_MS);
		wakes++;
	}
	ck_assert_uint_ge(now_ms, BEGIN_MS + 5 * YEAR_MS);
	ck_assert_uint_le(wakes, 10);
}
END_TEST

START_TEST(many_random_timers_fire_in_order_of_their_ticks)
{
	uint64_t random = 88172645463325252ull, now_ms = BEGIN_MS, last_tick = 0;
	unsigned fired = 0;

	for (uint32_t i = 0; i < SLOTS; i++) {
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		arm(i, BEGIN_MS + random % (1ull << (8 + i % 28)));
	}
	while (fired < SLOTS) {
		uint32_t idx, again = 0;

		while (wheel_step(&view, now_ms, &idx) == WHEEL_MOVED)
			txn_commit(&txn);
		while (wheel_step(&view, now_ms, &idx) == WHEEL_DUE) {
			uint64_t tick = (region.timers[idx].due_ms + 3) / 4;

			ck_assert_uint_le(region.timers[idx].due_ms, now_ms);
			ck_assert_uint_ge(tick, last_tick);
			last_tick = tick;
			wheel_disarm(&view, idx);
			txn_commit(&txn);
			fired++;
			again++;
		}
		if (again == 0)
			now_ms = wheel_next_ms(&region.wheel);
		txn_commit(&txn);
	}
}
END_TEST

START_TEST(a_step_can_be_undone)
{
	uint32_t idx;

	arm(1, BEGIN_MS + 300000);
	arm(2, BEGIN_MS + 300000);
	while (wheel_step(&view, BEGIN_MS + 400000, &idx) == WHEEL_MOVED) {
		uint64_t tick;

		txn_rollback(&txn);
		tick = region.wheel.tick;
		ck_assert_ptr_null(wheel_check(&view));
		(void)wheel_step(&view, BEGIN_MS + 400000, &idx);
		ck_assert_uint_ge(region.wheel.tick, tick);
		txn_commit(&txn);
	}
	ck_assert_uint_eq(fire(BEGIN_MS + 400000), 1);
	ck_assert_uint_eq(fire(BEGIN_MS + 400000), 2);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("state_wheel");
	TCase *tcase = tcase_create("wheel");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, a_timer_fires_at_its_time_and_not_before);
	tcase_add_test(tcase, a_time_that_has_passed_fires_at_once);
	tcase_add_test(tcase, equal_times_fire_in_the_order_they_were_set);
	tcase_add_test(tcase, the_order_of_equal_times_survives_cascades_at_different_moments);
	tcase_add_test(tcase, a_disarmed_timer_does_not_fire);
	tcase_add_test(tcase, the_next_time_is_never_late);
	tcase_add_test(tcase, many_random_timers_fire_in_order_of_their_ticks);
	tcase_add_test(tcase, a_step_can_be_undone);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
