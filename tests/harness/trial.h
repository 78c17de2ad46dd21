#ifndef TESTS_HARNESS_TRIAL_H
#define TESTS_HARNESS_TRIAL_H

/*
 * trial: a broker, a queue and a load on it, with an oracle: the frame of the fault tests.  Something bad is done to the
 * broker in between, and at the end every promise has to be found kept.
 */

#include "tests/harness/broker.h"
#include "tests/harness/load.h"
#include "tests/harness/oracle.h"

enum { TRIAL_DRAIN_MS = 90000 };

/* Seconds of a long run asked for by `make soak` (CHASQUI_SOAK_SECONDS), 0 in `make test`. */
unsigned soak_seconds(void);

struct trial_options {
	const char *const *broker;      /* as broker_init() */
	const char *queue_config;       /* JSON; NULL: {} */
	struct oracle_options oracle;   /* seed 0: from the clock; the rest 0: 200000 messages of 64 to 2000 bytes */
	unsigned drain_ms;              /* 0: TRIAL_DRAIN_MS */
	struct load_options load;       /* port is filled in; queue "trial", batch 1, receive_max 20, lease 2s, wait 1s */
};

struct trial {
	struct broker broker;
	struct trial_options options;
	struct oracle *oracle;
	struct load *load;
};

/* Start the broker, make the queue. */
void trial_begin(struct trial *trial, const struct trial_options *options);

/* Load while slot has not come back with an epoch after this one. */
void trial_wait_live(struct trial *trial, uint32_t slot, uint64_t epoch);

/* Start the broker again and go on with the load there. */
void trial_restart(struct trial *trial);

/*
 * Finish publishing, consume everything, print the counts; fails the test unless every promise was kept.  Stops the broker.
 */
void trial_end(struct trial *trial);

#endif
