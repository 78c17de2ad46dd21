#ifndef TESTS_HARNESS_LIFE_H
#define TESTS_HARNESS_LIFE_H

/*
 * life: a life of a broker under load, recorded twice: what its persistd did to the data directory (io_log.h), and what its
 * clients had been answered when.  The two are held against each other, and against what a broker has after a power cut.
 */

#include <stdbool.h>
#include <stdint.h>

#include "tests/harness/broker.h"
#include "tests/harness/io_log.h"

enum { LIFE_MESSAGES_MAX = 20000, LIFE_SHARDS = 2 };

/* For broker_init(): of the recorded broker, and of one that gets its directory. */
extern const char *const life_options[], *const life_trimmed_options[];

/* A publish: messages first .. first + count - 1, all or none. */
struct life_publish {
	uint32_t first, count;
	uint64_t answered;      /* position in the log when 201 was there; 0: never */
};

/* What becomes of the journal, see life_record(). */
enum life_kind { LIFE_GROWS, LIFE_TRIMMED, LIFE_CLEANED };

struct life {
	struct io_shared *io;
	enum life_kind kind;
	uint64_t random;
	uint32_t messages;
	struct life_publish publishes[LIFE_MESSAGES_MAX];
	uint32_t publish_count;
	uint64_t ack_sent[LIFE_MESSAGES_MAX], ack_answered[LIFE_MESSAGES_MAX];
};

/*
 * Run it, with the recording in a file `log`: load; persistd killed under it; load; all killed and shared memory gone; load; a
 * clean stop.  The recording becomes about so long.  A life that is trimmed consumes what it publishes and makes snapshots all
 * the time, so that segments are dropped, removed and used again.  One that is cleaned does the same, but for the first messages,
 * which nobody takes: they have to be copied forward again and again.
 */
struct life *life_record(const char *log, uint64_t seed, uint64_t bytes, enum life_kind kind);

/* Output commit, as clients saw it: fails the test if a 201 came before its record was announced.  How many came. */
unsigned life_check_answers(const struct life *life);

/*
 * Receive all that a broker has which was started after a power cut at that position of the log.  NULL when every promise
 * was kept, else which was not.  *acknowledged: publishes that had been answered by then.
 */
const char *life_check_broker(const struct life *life, const struct broker *broker, uint64_t at,
    unsigned *acknowledged);

/* A number below this, of its seed. */
uint64_t life_any(struct life *life, uint64_t below);

/*
 * From now on brokers of this program run the persistd that io_wrap.c is linked into, with this file; NULL: without one.
 */
void life_use_wrapped(const char *log);

#endif
