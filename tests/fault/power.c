/*
 * Power loss.  A whole broker under load is recorded: each of persistd's calls on the data directory, with its bytes, and what
 * clients had been answered when.  Then the data directory is rebuilt as a power cut may leave it at any point of the recording
 * (tests/harness/power.h says what may be missing), and read: each message that was acknowledged by then is there with its
 * bytes, only whole transactions are, and the journal opens and goes on.  Some of the cuts are made again inside that
 * recovery, and some are given to a real broker and its clients.
 *
 * A cut that fails leaves its recording and says how to repeat it: POWER_LOG=file POWER_AT=n POWER_SEED=n POWER_NAMES=n.
 */
#include <inttypes.h>
#include <time.h>

#include "tests/harness/deadline.h"
#include "tests/harness/life.h"
#include "tests/harness/power_check.h"
#include "tests/harness/trial.h"
#include "tests/harness/unit.h"

enum { TEST_SECONDS = 3600, SOAK_USUAL_S = 600, CUTS = 80, CUTS_SOAK = 2000, NESTED_EVERY = 20, REAL_CUTS = 2, REAL_CUTS_SOAK = 30,
	PATH_BYTES = 300, RECORDED = 12 << 20, RECORDED_SOAK = 24 << 20,
	RECORDED_TRIMMED = 60 << 20, RECORDED_TRIMMED_SOAK = 90 << 20, RECORDED_CLEANED = 150 << 20 };

static uint64_t
seed_of(const char *name)
{
	const char *text = getenv(name);

	return text != NULL ? strtoull(text, NULL, 10) : (uint64_t)time(NULL);
}

static void
cut_all(const struct io_shared *io, unsigned cuts, uint64_t seed)
{
	uint64_t began_ms = clock_ms();
	unsigned count = 0, nested = 0, places = 0;
	struct power power;

	/* How many places there are where it matters when the power goes. */
	power_open(&power, io);
	while (power_step(&power))
		places += power_is_open(&power);
	power_close(&power);
	power_open(&power, io);
	for (unsigned place = 0; power_step(&power);) {
		if (!power_is_open(&power))
			continue;
		/* Spread over the recording; several chances at a place when there are more cuts than places. */
		unsigned due = (unsigned)((uint64_t)cuts * (place + 1) / places - (uint64_t)cuts * place / places);

		place++;
		for (unsigned i = 0; i < due; i++) {
			power_check(&power, seed + count, count % 4 == 3 ? POWER_NAMES_ANY : POWER_NAMES_IN_ORDER);
			if (++count % NESTED_EVERY == 0)
				nested += power_check_recovery(&power, seed + count, POWER_NAMES_IN_ORDER);
		}
	}
	/* And with nothing on its way, at the end. */
	power_check(&power, seed, POWER_NAMES_IN_ORDER);
	count++;
	printf("power: %u cuts at %u places, %u more inside the recovery, %" PRIu32 " batches, %" PRIu64 " MiB written; %" PRIu64 " ms\n",
	    count, places, nested, power.batch_count, io_log_tail(io) >> 20, clock_ms() - began_ms);
	fflush(stdout);
	power_close(&power);
}

/* Segments that became spares and then segments again. */
static unsigned
count_recycled(const struct io_shared *io)
{
	char names[64][40];
	unsigned count = 0, recycled = 0;

	for (uint64_t at = 0; at < io_log_tail(io);) {
		const struct io_record *record = io_log_at(io, at);

		at += record->bytes;
		if (record->op != IO_RENAME)
			continue;
		if (strstr(record->name, ".seg") != NULL && strncmp(record->to, "used.", 5) == 0 && count < 64)
			snprintf(names[count++], sizeof(names[0]), "%s", record->to);
		for (unsigned i = 0; i < count; i++)
			recycled += strcmp(names[i], record->name) == 0;
	}
	return recycled;
}

/* Batches of copies. */
static unsigned
count_copies(const struct io_shared *io)
{
	struct power power;
	unsigned count = 0;

	power_open(&power, io);
	while (power_step(&power))
		;
	for (uint32_t i = 0; i < power.batch_count; i++)
		count += (power.batches[i]->flags & BATCH_COPY) != 0;
	power_close(&power);
	return count;
}

/* In a soak run so many of what 600 s are given. */
static unsigned
in_soak(unsigned usually, unsigned long_run)
{
	uint64_t wanted = (uint64_t)long_run * soak_seconds() / SOAK_USUAL_S;

	return wanted > usually ? (unsigned)wanted : usually;
}

/* How much is recorded of a life of that kind. */
static uint64_t
recorded_bytes(enum life_kind kind)
{
	bool is_long = soak_seconds() > 0;

	if (kind == LIFE_GROWS)
		return is_long ? RECORDED_SOAK : RECORDED;
	if (kind == LIFE_TRIMMED)
		return is_long ? RECORDED_TRIMMED_SOAK : RECORDED_TRIMMED;
	return RECORDED_CLEANED;
}

/* POWER_LOG: one cut of a recording that is there. */
static void
repeat(const char *log)
{
	uint64_t at = strtoull(getenv("POWER_AT"), NULL, 10), seed = strtoull(getenv("POWER_SEED"), NULL, 10);
	enum power_names names = getenv("POWER_NAMES")[0] == '1' ? POWER_NAMES_ANY : POWER_NAMES_IN_ORDER;
	struct io_shared *io = io_log_map(log);
	struct power power;

	ck_assert_ptr_nonnull(io);
	power_check_use(log, NULL);
	power_open(&power, io);
	while (power.at < at)
		ck_assert(power_step(&power));
	power_check(&power, seed, names);
	(void)power_check_recovery(&power, seed, names);
	power_close(&power);
}

START_TEST(a_power_cut_at_any_moment_keeps_what_was_acknowledged_and_no_half_of_anything)
{
	uint64_t seed = seed_of("POWER_SEED");
	char log[PATH_BYTES];

	power_check_begin(log);
	if (getenv("POWER_LOG") != NULL) {
		repeat(getenv("POWER_LOG"));
		return;
	}
	printf("power: POWER_SEED=%" PRIu64 "\n", seed);
	fflush(stdout);
	/* _i: the journal only grows; or snapshots are made, and what they do not need goes; or is copied first. */
	struct life *life = life_record(log, seed, recorded_bytes((enum life_kind)_i), (enum life_kind)_i);
	unsigned answered = life_check_answers(life), recycled = count_recycled(life->io);
	unsigned copies = count_copies(life->io), restored, trimmed;
	ck_assert_uint_gt(answered, 50);
	const char *text = getenv("POWER_CUTS");
	cut_all(life->io, text != NULL ? (unsigned)atoi(text) : in_soak(CUTS, CUTS_SOAK), seed);
	power_check_counts(&restored, &trimmed);
	printf("power: %u shards rebuilt from snapshots, %u of a trimmed journal, %u segments recycled, %u batches of copies\n", restored,
	    trimmed, recycled, copies);
	if (_i != LIFE_GROWS)
		ck_assert(restored > 0 && trimmed > 0 && recycled > 0);
	ck_assert(copies > 0 || _i != LIFE_CLEANED);
	io_log_unmap(life->io);
	free(life);
	power_check_end();
}
END_TEST

START_TEST(a_broker_whose_power_was_cut_comes_up_with_everything_it_had_acknowledged)
{
	unsigned cuts = in_soak(REAL_CUTS, REAL_CUTS_SOAK);
	uint64_t seed = seed_of("POWER_SEED");
	char log[PATH_BYTES], directory[PATH_BYTES];
	struct power power;

	if (getenv("POWER_LOG") != NULL)
		return;
	power_check_begin(log);
	snprintf(directory, sizeof(directory), "%.*s", (int)(strlen(log) - strlen(".log")), log);
	printf("power: POWER_SEED=%" PRIu64 "\n", seed);
	fflush(stdout);
	struct life *life = life_record(log, seed, recorded_bytes((enum life_kind)_i), (enum life_kind)_i);
	unsetenv("CHASQUI_TEST_IO");
	uint64_t end = io_log_tail(life->io);
	power_open(&power, life->io);
	for (unsigned i = 0; i < cuts; i++) {
		uint64_t at = end / cuts * (i + 1) - life_any(life, end / cuts);
		struct broker broker;

		while (power.at < at && power_step(&power))
			;
		broker_init(&broker, _i == LIFE_GROWS ? life_options : life_trimmed_options);
		power_check_use(NULL, broker.data);
		power_check_cut(&power, seed + i, POWER_NAMES_IN_ORDER);
		broker_start(&broker);
		unsigned acknowledged;
		const char *complaint = life_check_broker(life, &broker, power.at, &acknowledged);
		if (complaint != NULL)
			power_complain("a broker: %s", complaint);
		printf("power: at %" PRIu64 " of %" PRIu64 ": %u publishes were answered 201, and are there\n", power.at, end,
		    acknowledged);
		fflush(stdout);
		broker_stop(&broker);
		broker_free(&broker);
	}
	power_close(&power);
	power_check_use(NULL, directory);
	io_log_unmap(life->io);
	free(life);
	power_check_end();
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("fault/power");
	TCase *tcase = tcase_create("power");

	tcase_set_timeout(tcase, TEST_SECONDS);
	tcase_add_loop_test(tcase, a_power_cut_at_any_moment_keeps_what_was_acknowledged_and_no_half_of_anything, LIFE_GROWS,
	    LIFE_CLEANED + 1);
	tcase_add_loop_test(tcase, a_broker_whose_power_was_cut_comes_up_with_everything_it_had_acknowledged, LIFE_GROWS,
	    LIFE_CLEANED + 1);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
