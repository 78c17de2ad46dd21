#include "tests/harness/blows.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "tests/harness/trial.h"

enum { KILLS = 50, SOAK_KILLS = 200, SOAK_USUAL_S = 600 };

unsigned
blows_told(const char *name, unsigned otherwise)
{
	const char *text = getenv(name);

	return text != NULL ? (unsigned)strtoul(text, NULL, 10) : otherwise;
}

unsigned
blows_kills(void)
{
	return blows_told("STORM_KILLS", soak_seconds() != 0 ? SOAK_KILLS : KILLS);
}

unsigned
blows_seeds(unsigned few, unsigned in_soak)
{
	unsigned wanted = in_soak * soak_seconds() / SOAK_USUAL_S;

	return blows_told("STORM_SEEDS", wanted > few ? wanted : few);
}

void
blows_choose_seed(void)
{
	char seed[24];

	snprintf(seed, sizeof(seed), "%llu",
	    (unsigned long long)time(NULL) * 1000 + (unsigned)getpid() % 1000);
	(void)setenv("STORM_SEED", seed, 0); /* it has one already: that */
}

uint64_t
blows_seed(int number)
{
	return strtoull(getenv("STORM_SEED"), NULL, 10) + (unsigned)number;
}

void
blows_add(struct chaos_counts *sum, const struct chaos_counts *more)
{
	for (unsigned i = 0; i < CHAOS_ROLES; i++)
		sum->kills[i] += more->kills[i];
	sum->in_recovery += more->in_recovery;
	sum->stops += more->stops;
	sum->warm += more->warm;
	sum->cold += more->cold;
	sum->clean += more->clean;
}

void
blows_print(const struct chaos_counts *counts)
{
	printf("%u kills:", chaos_kills(counts));
	for (unsigned i = 0; i < CHAOS_ROLES; i++)
		printf(" %s %u", chaos_role_name((enum chaos_role)i), counts->kills[i]);
	printf(" (%u in recovery); %u stops; starts: %u warm, %u cold, %u clean", counts->in_recovery,
	    counts->stops, counts->warm, counts->cold, counts->clean);
}
