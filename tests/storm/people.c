/*
 * A storm over users: their tokens, sessions, passwords and rights on queues are given and taken away while everything is
 * killed, stopped and started again, warm and cold; then it is checked who was let in (tests/harness/rights.h).
 *
 *   STORM_SEED=n       the first seed (else from the clock); each storm takes the next one
 *   STORM_SEEDS=n      how many storms (else 2; in `make soak` 20 for each 600 of CHASQUI_SOAK_SECONDS)
 *   STORM_KILLS=n      each blows until so many kills were done (else 50; in `make soak` 200)
 */
#include <inttypes.h>
#include <sys/mman.h>

#include "tests/harness/blows.h"
#include "tests/harness/deadline.h"
#include "tests/harness/folk.h"
#include "tests/harness/trial.h"
#include "tests/harness/unit.h"

enum { SEEDS = 2, SOAK_SEEDS = 20, TOKEN_BYTES = 64 };

/* Of all storms: shared memory, for each storm is a process of its own. */
struct totals {
	unsigned seeds;
	struct chaos_counts chaos;
	struct folk_counts folk;
	uint64_t checks[RIGHTS_RULES];
	uint64_t over_cuts;
};
static struct totals *totals;

static void
add_totals(const struct chaos_counts *chaos, const struct folk_counts *folk, const struct rights_verdict *verdict)
{
	totals->seeds++;
	blows_add(&totals->chaos, chaos);
	totals->folk.changes += folk->changes;
	totals->folk.uses += folk->uses;
	totals->folk.unknown += folk->unknown;
	totals->folk.honoured += folk->honoured;
	totals->folk.refused += folk->refused;
	totals->folk.given += folk->given;
	totals->over_cuts += verdict->over_cuts;
	for (unsigned i = 0; i < RIGHTS_RULES; i++)
		totals->checks[i] += verdict->checks[i];
}

static void
print_counts(const struct chaos_counts *chaos, const struct folk_counts *folk, const uint64_t *checks, uint64_t over_cuts)
{
	blows_print(chaos);
	printf("; %" PRIu64 " changes, %" PRIu64 " uses, %" PRIu64 " of both unknown; %" PRIu64
	    " honoured, %" PRIu64 " refused, %" PRIu64 " messages; checks:",
	    folk->changes, folk->uses, folk->unknown, folk->honoured, folk->refused, folk->given);
	for (unsigned i = 0; i < RIGHTS_RULES; i++)
		printf(" %s %" PRIu64, rights_rule_name((enum rights_rule)i), checks[i]);
	printf(" (%" PRIu64 " over a power cut)\n", over_cuts);
	fflush(stdout);
}

static void
moved(void *argument, uint16_t port)
{
	folk_set_port(argument, port);
}

static void
admin_token(const struct broker *broker, char token[TOKEN_BYTES])
{
	char path[256];

	snprintf(path, sizeof(path), "%s/admin-token", broker->data);
	FILE *file = fopen(path, "r");
	ck_assert_msg(file != NULL, "there is no %s", path);
	ck_assert_ptr_nonnull(fgets(token, TOKEN_BYTES, file));
	fclose(file);
	token[strcspn(token, "\n")] = '\0';
}

START_TEST(a_storm_lets_nobody_in_who_was_shut_out_and_shuts_nobody_out)
{
	static const char *const options[] = { "auth.mode=required", "auth.password_cost=1", "auth.login_failures=1000000", NULL };
	uint64_t seed = blows_seed(_i);
	static struct chaos chaos;
	static struct history history;  /* of power cuts only */
	static struct rights rights;
	static struct rights_verdict verdict;
	char token[TOKEN_BYTES];

	printf("seed %" PRIu64 ": ", seed);
	chaos = (struct chaos){ .history = &history, .moved = moved, .only = ROLE_SUPERVISOR, .options = options };
	(void)chaos_begin(&chaos, seed);
	admin_token(&chaos.broker, token);
	struct folk *folk = folk_begin(seed, chaos.broker.port, token, &rights);
	chaos.argument = folk;
	while (chaos_kills(&chaos.counts) < blows_kills())
		chaos_blow(&chaos);
	chaos_calm(&chaos);
	struct folk_counts counts = folk_end(folk);
	rights_check(&rights, history.cuts, history.cut_count, &verdict);
	print_counts(&chaos.counts, &counts, verdict.checks, verdict.over_cuts);
	add_totals(&chaos.counts, &counts, &verdict);
	ck_assert_msg(verdict.breach_count == 0, "%s\nagain: STORM_SEED=%" PRIu64
	    " STORM_SEEDS=1 STORM_KILLS=%u build/tests/storm_people", verdict.text, seed, blows_kills());
	ck_assert_msg(counts.strange[0] == '\0', "%s (seed %" PRIu64 ")", counts.strange, seed);
	ck_assert_msg(counts.silent == 0, "a request was not answered at all (seed %" PRIu64 ")", seed);
	folk_free(folk);
	rights_free(&rights);
	broker_free(&chaos.broker);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("storm/people");
	TCase *tcase = tcase_create("people");

	tcase_set_timeout(tcase, blows_kills() + 120);
	tcase_add_loop_test(tcase, a_storm_lets_nobody_in_who_was_shut_out_and_shuts_nobody_out, 0, (int)blows_seeds(SEEDS, SOAK_SEEDS));
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
	printf("sum: %u storms: ", totals->seeds);
	print_counts(&totals->chaos, &totals->folk, totals->checks, totals->over_cuts);
	return status;
}
