/*
 * blows: what all storms are told by the environment (STORM_SEED, STORM_SEEDS, STORM_KILLS), and the count of what they did to
 * the broker.
 */
#ifndef TESTS_HARNESS_BLOWS_H
#define TESTS_HARNESS_BLOWS_H

#include <stdint.h>

#include "tests/harness/chaos.h"

/* The number in the environment, or another. */
unsigned blows_told(const char *name, unsigned otherwise);

/* Until how many kills each storm blows. */
unsigned blows_kills(void);

/* How many storms: `few`, or in a soak run in_soak for each 600 s of it. */
unsigned blows_seeds(unsigned few, unsigned in_soak);

/* Before the first storm: the same first seed for all, whatever the clock says by then. */
void blows_choose_seed(void);

/* Of the storm with that number. */
uint64_t blows_seed(int number);

void blows_add(struct chaos_counts *sum, const struct chaos_counts *more);

/* `n kills: frontd n ...`, without an end of line. */
void blows_print(const struct chaos_counts *counts);

#endif
