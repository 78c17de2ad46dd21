/*
 * process: the life of a supervised process, what a death means, and how long its successor waits.
 */
#include <signal.h>
#include <sysexits.h>

#include "tests/harness/unit.h"

#include "cli/supervisor/process.h"

#define LIVED_LONG (2 * BACKOFF_LONG_LIFE_NS)

/* Wait statuses as the kernel encodes them. */
#define EXITED(code) ((code) << 8)
#define KILLED(signal) (signal)

static enum process_state
after(enum process_state state, const enum process_event *events, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		state = process_next(state, events[i]);
	return state;
}

START_TEST(a_first_start_takes_the_same_steps_as_a_restart)
{
	const enum process_event first[] = { PROCESS_START, PROCESS_CLOSED, PROCESS_DUE, PROCESS_READY };
	const enum process_event again[] = { PROCESS_DIED, PROCESS_CLOSED, PROCESS_DUE, PROCESS_READY };

	ck_assert_int_eq(after(PROCESS_DOWN, first, 4), PROCESS_LIVE);
	ck_assert_int_eq(after(PROCESS_LIVE, again, 4), PROCESS_LIVE);
	ck_assert_int_eq(process_next(PROCESS_DOWN, PROCESS_START), process_next(PROCESS_LIVE, PROCESS_DIED));
}
END_TEST

START_TEST(one_that_dies_while_it_starts_is_closed_before_it_is_run_again)
{
	ck_assert_int_eq(process_next(PROCESS_STARTING, PROCESS_DIED), PROCESS_CLOSING);
}
END_TEST

START_TEST(from_every_state_it_can_be_retired)
{
	for (int state = 0; state < PROCESS_STATE_COUNT; state++)
		ck_assert_int_eq(process_next((enum process_state)state, PROCESS_RETIRE), PROCESS_DOWN);
}
END_TEST

START_TEST(what_cannot_happen_is_a_bug)
{
	process_next(PROCESS_DOWN, PROCESS_READY);
}
END_TEST

START_TEST(a_wait_status_becomes_a_death)
{
	struct death killed = death_of(KILLED(SIGSEGV), true, 5), exited = death_of(EXITED(78), false, 0);
	char text[DEATH_TEXT_BYTES];

	ck_assert_int_eq(killed.signal, SIGSEGV);
	ck_assert(killed.was_live);
	death_text(&killed, text);
	ck_assert_str_eq(text, "was killed by signal 11 (Segmentation fault)");
	ck_assert_int_eq(exited.signal, 0);
	ck_assert_int_eq(exited.exit_code, 78);
	death_text(&exited, text);
	ck_assert_str_eq(text, "exited with 78 (wrong configuration or system)");
}
END_TEST

START_TEST(only_wrong_configuration_and_damaged_data_are_final)
{
	for (int code = 0; code < 128; code++) {
		struct death death = death_of(EXITED(code), false, 0);

		ck_assert_msg(death_is_final(&death) == (code == EX_CONFIG || code == EX_DATAERR), "exit code %d", code);
	}
	/* Signal numbers are not exit codes. */
	ck_assert(!death_is_final(&(struct death){ .signal = SIGKILL, .exit_code = EX_CONFIG }));
}
END_TEST

START_TEST(a_first_death_costs_no_wait_and_repeated_ones_wait_longer)
{
	const struct death quick = { .signal = SIGSEGV };
	const uint64_t expected_ms[] = { 0, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5000, 5000, 5000 };
	unsigned quick_deaths = 0;

	for (unsigned i = 0; i < sizeof(expected_ms) / sizeof(expected_ms[0]); i++) {
		uint64_t wait_ns = backoff_after(&quick_deaths, &quick);

		ck_assert_msg(wait_ns == expected_ms[i] * 1000000, "death %u waits %lu ns", i, (unsigned long)wait_ns);
	}
}
END_TEST

START_TEST(the_wait_stays_bounded_however_often_it_dies)
{
	const struct death quick = { .exit_code = 1 };
	unsigned quick_deaths = 0;

	for (unsigned i = 0; i < 100000; i++)
		ck_assert_uint_le(backoff_after(&quick_deaths, &quick), BACKOFF_MAX_NS);
}
END_TEST

START_TEST(a_life_of_some_length_wipes_the_back_off_out)
{
	const struct death quick = { .signal = SIGABRT, .was_live = true, .lived_ns = 1000 };
	const struct death late = { .signal = SIGABRT, .was_live = true, .lived_ns = LIVED_LONG };
	unsigned quick_deaths = 0;

	for (unsigned i = 0; i < 8; i++)
		backoff_after(&quick_deaths, &quick);
	ck_assert_uint_eq(backoff_after(&quick_deaths, &late), 0);
	ck_assert_uint_eq(backoff_after(&quick_deaths, &quick), BACKOFF_FIRST_NS);
}
END_TEST

START_TEST(being_killed_while_serving_is_nobodys_fault)
{
	const struct death kill = { .signal = SIGKILL, .was_live = true, .lived_ns = 1000 };
	unsigned quick_deaths = 0;

	for (unsigned i = 0; i < 50; i++)
		ck_assert_uint_eq(backoff_after(&quick_deaths, &kill), 0);
	ck_assert_uint_eq(quick_deaths, 0);
}
END_TEST

START_TEST(being_killed_before_it_serves_counts_like_any_death)
{
	const struct death kill = { .signal = SIGKILL };
	unsigned quick_deaths = 0;

	ck_assert_uint_eq(backoff_after(&quick_deaths, &kill), 0);
	ck_assert_uint_eq(backoff_after(&quick_deaths, &kill), BACKOFF_FIRST_NS);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("cli/supervisor/process");
	TCase *process = tcase_create("process");

	tcase_add_test(process, a_first_start_takes_the_same_steps_as_a_restart);
	tcase_add_test(process, one_that_dies_while_it_starts_is_closed_before_it_is_run_again);
	tcase_add_test(process, from_every_state_it_can_be_retired);
	tcase_add_test_raise_signal(process, what_cannot_happen_is_a_bug, SIGABRT);
	tcase_add_test(process, a_wait_status_becomes_a_death);
	tcase_add_test(process, only_wrong_configuration_and_damaged_data_are_final);
	tcase_add_test(process, a_first_death_costs_no_wait_and_repeated_ones_wait_longer);
	tcase_add_test(process, the_wait_stays_bounded_however_often_it_dies);
	tcase_add_test(process, a_life_of_some_length_wipes_the_back_off_out);
	tcase_add_test(process, being_killed_while_serving_is_nobodys_fault);
	tcase_add_test(process, being_killed_before_it_serves_counts_like_any_death);
	suite_add_tcase(suite, process);
	return suite;
}

UNIT_MAIN(suite)
