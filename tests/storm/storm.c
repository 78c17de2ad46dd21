/*
 * Storm: real daemons, clients that write down all they ask and hear, and processes killed, stopped and started again at
 * random, warm and cold; then everything is received, and the checker holds the history against every promise.
 *
 *   STORM_SEED=n       the first seed (else from the clock); each storm takes the next one
 *   STORM_SEEDS=n      how many storms (else 4; in `make soak` 100 for each 600 of CHASQUI_SOAK_SECONDS)
 *   STORM_KILLS=n      each blows until so many kills were done (else 50; in `make soak` 200)
 *   STORM_SECONDS=n    and at least so long (else not)
 *   STORM_CALM=1       kills of single processes only, half a second apart, for STORM_SECONDS: for measuring pauses; each third
 *                      time nobody is killed, and what clients waited for then is printed as that of `nobody`;
 *                      `frontd`, `workerd`, `persistd` or `hasher` instead of 1: only of these
 *
 * A seed repeats what is done, to the same sizes; when it strikes is the kernel's.  A storm that fails leaves its history.
 */
#include <inttypes.h>
#include <sys/mman.h>

#include "tests/harness/blows.h"
#include "tests/harness/checker.h"
#include "tests/harness/deadline.h"
#include "tests/harness/stormer.h"
#include "tests/harness/trial.h"
#include "tests/harness/unit.h"

enum { SEEDS = 4, SOAK_SEEDS = 100, CALM_SECONDS = 25, DRAIN_MS = 60000,
	PAUSES_MAX = 20000 };

/* Pauses that were measured, by role. */
struct pauses {
	unsigned count;
	unsigned unclear;       /* lone kills that met no pulse, or another blow came before the pause was over */
	uint32_t us[PAUSES_MAX];
};

/* Of all storms: shared memory, for each storm is a process of its own. */
struct totals {
	unsigned seeds;
	struct chaos_counts chaos;
	struct stormer_counts clients;
	uint64_t checks[RULES];
	struct pauses pauses[CHAOS_ROLES];
	struct pauses nothing;  /* the same where nobody was killed: what the machine adds */
};
static struct totals *totals;

static bool
is_calm(void)
{
	return getenv("STORM_CALM") != NULL;
}

/* The one to be killed; ROLE_SUPERVISOR: any. */
static enum chaos_role
only_role(void)
{
	const char *name = getenv("STORM_CALM");
	enum chaos_role role = ROLE_FRONTD;

	while (role < ROLE_SUPERVISOR && (name == NULL || strcmp(name, chaos_role_name(role)) != 0))
		role++;
	return role;
}

static unsigned
seconds(void)
{
	return blows_told("STORM_SECONDS", is_calm() ? CALM_SECONDS : 0);
}

static unsigned
kills(void)
{
	return is_calm() ? 0 : blows_kills();
}

/* --- pauses --- */

/* What one pulse saw of a kill at at_us: how long no publish was answered, until until_us.  False: it cannot be said. */
static bool
pause_of(const struct history_list *list, uint64_t from_us, uint64_t at_us, uint64_t until_us, bool must_break,
    uint64_t *pause_us)
{
	uint64_t last_us = 0, longest_us = 0;
	bool is_broken = false;

	for (size_t i = 0; i < list->count; i++) {
		const struct history_event *event = &list->events[i];

		if (event->end_us < from_us)
			continue;
		is_broken |= event->outcome == HEARD_NOTHING && event->end_us >= at_us && event->end_us < until_us;
		if (event->outcome != HEARD_OK)
			continue;
		if (event->end_us > at_us && last_us != 0) {
			uint64_t gap_us = event->end_us - (last_us > at_us ? last_us : at_us);

			longest_us = gap_us > longest_us ? gap_us : longest_us;
		}
		if (event->end_us >= until_us)
			break;
		last_us = event->end_us;
	}
	*pause_us = longest_us;
	/* It was well before, was hit, and is well again. */
	return last_us > at_us && longest_us < until_us - at_us && (is_broken || !must_break);
}

/* The longest pause that any pulse saw, for each kill that had a quiet time before and after. */
static void
measure_pauses(const struct chaos *chaos, const struct history *history)
{
	for (unsigned i = 1; i + 1 < chaos->blow_count; i++) {
		const struct blow *blow = &chaos->blows[i];
		struct pauses *pauses = blow->is_nothing ? &totals->nothing : &totals->pauses[blow->role];
		uint64_t longest_us = 0;

		if ((!blow->is_lone_kill && !blow->is_nothing) || pauses->count == PAUSES_MAX)
			continue;
		for (unsigned pulse = 0; pulse < PULSES; pulse++) {
			uint64_t pause_us;

			if (pause_of(&history->lists[pulse], blow[-1].end_us, blow->begin_us, blow[1].begin_us,
			    blow->is_lone_kill && blow->role == ROLE_FRONTD, &pause_us) && pause_us > longest_us)
				longest_us = pause_us;
		}
		if (longest_us == 0)
			pauses->unclear++;
		else
			pauses->us[pauses->count++] = (uint32_t)longest_us;
	}
}

static int
compare_us(const void *left, const void *right)
{
	const uint32_t *a = left, *b = right;

	return (*a > *b) - (*a < *b);
}

/* --- telling --- */

static void
add_totals(const struct chaos_counts *chaos, const struct stormer_counts *clients, const struct verdict *verdict)
{
	totals->seeds++;
	blows_add(&totals->chaos, chaos);
	totals->clients.operations += clients->operations;
	totals->clients.unknown += clients->unknown;
	totals->clients.messages += clients->messages;
	totals->clients.deliveries += clients->deliveries;
	totals->clients.stale += clients->stale;
	for (unsigned i = 0; i < RULES; i++)
		totals->checks[i] += verdict->checks[i];
}

static void
print_counts(const struct chaos_counts *chaos, const struct stormer_counts *clients, const char *prefix)
{
	blows_print(chaos);
	printf("\n");
	printf("%s%" PRIu64 " operations, %" PRIu64 " unknown; %" PRIu64 " messages, %" PRIu64 " deliveries, %" PRIu64
	    " stale receipts\n", prefix, clients->operations, clients->unknown, clients->messages, clients->deliveries,
	    clients->stale);
}

static void
print_pauses(const char *name, struct pauses *pauses)
{
	if (pauses->count == 0)
		return;
	qsort(pauses->us, pauses->count, sizeof(pauses->us[0]), compare_us);
	printf(" %s p50 %.1f p95 %.1f max %.1f (%u; %u unclear)", name, pauses->us[pauses->count / 2] / 1e3,
	    pauses->us[pauses->count * 95 / 100] / 1e3, pauses->us[pauses->count - 1] / 1e3, pauses->count, pauses->unclear);
}

static void
print_totals(void)
{
	printf("sum: %u storms: ", totals->seeds);
	print_counts(&totals->chaos, &totals->clients, "sum: ");
	printf("sum: checks:");
	for (unsigned i = 0; i < RULES; i++)
		printf(" %s %" PRIu64, checker_rule_name((enum checker_rule)i), totals->checks[i]);
	printf("%s", is_calm() ? "\nsum: pauses, ms:" : "");
	for (unsigned i = 0; i < ROLE_SUPERVISOR && is_calm(); i++)
		print_pauses(chaos_role_name((enum chaos_role)i), &totals->pauses[i]);
	if (is_calm())
		print_pauses("nobody", &totals->nothing);
	printf("\n");
	fflush(stdout);
}

/* --- a storm --- */

static void
moved(void *argument, uint16_t port)
{
	stormers_set_port(argument, port);
}

/* Fail the test, leaving the history. */
static void __attribute__((noreturn))
give_up(uint64_t seed, const struct history *history, const char *what)
{
	const char *base = getenv("TMPDIR");
	char path[300], comment[200];

	snprintf(path, sizeof(path), "%s/chasqui-storm-%" PRIu64 ".history", base != NULL ? base : "/tmp", seed);
	snprintf(comment, sizeof(comment), "again: STORM_SEED=%" PRIu64 " STORM_SEEDS=1 STORM_KILLS=%u build/tests/storm_storm",
	    seed, kills());
	ck_abort_msg("%s\n%s\nhistory: %s", what, comment, history_dump(history, path, comment) ? path : "cannot be written");
}

START_TEST(a_storm_of_kills_and_stops_breaks_no_promise)
{
	uint64_t seed = blows_seed(_i), began_ms = clock_ms(), blown_ms;
	static struct chaos chaos;
	static struct history history;
	static struct verdict verdict;
	struct stormer_counts counts;
	struct stormers *stormers;
	const char *complaint;

	printf("seed %" PRIu64 ": ", seed);
	chaos = (struct chaos){ .history = &history, .moved = moved, .is_calm = is_calm(), .only = only_role() };
	unsigned workers = chaos_begin(&chaos, seed);
	chaos.argument = stormers = stormers_begin(seed, chaos.broker.port, workers, &history);
	while (clock_ms() < began_ms + seconds() * 1000 || chaos_kills(&chaos.counts) < kills())
		chaos_blow(&chaos);
	chaos_calm(&chaos);
	blown_ms = clock_ms();
	complaint = stormers_drain(stormers, DRAIN_MS);
	printf("blew for %.1f s, ran empty in %.1f s\n", (double)(blown_ms - began_ms) / 1e3, (double)(clock_ms() - blown_ms) / 1e3);
	checker_run(&history, &verdict);
	counts = stormers_counts(stormers);
	print_counts(&chaos.counts, &counts, "");
	measure_pauses(&chaos, &history);
	add_totals(&chaos.counts, &counts, &verdict);
	if (verdict.breach_count != 0)
		give_up(seed, &history, verdict.text);
	if (complaint != NULL)
		give_up(seed, &history, complaint);
	if (counts.strange[0] != '\0')
		give_up(seed, &history, counts.strange);
	if (counts.silent != 0)
		give_up(seed, &history, "a request was not answered at all");
	stormers_free(stormers);
	history_free(&history);
	broker_free(&chaos.broker);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("storm/storm");
	TCase *tcase = tcase_create("storm");

	tcase_set_timeout(tcase, seconds() + kills() + DRAIN_MS / 1000 + 120);
	tcase_add_loop_test(tcase, a_storm_of_kills_and_stops_breaks_no_promise, 0, (int)blows_seeds(SEEDS, SOAK_SEEDS));
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	int status;

	blows_choose_seed();
	totals = mmap(NULL, sizeof(*totals), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (totals == MAP_FAILED) {
		perror("mmap");
		return EXIT_FAILURE;
	}
	status = unit_run(suite);
	print_totals();
	return status;
}
