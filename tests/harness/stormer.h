#ifndef TESTS_HARNESS_STORMER_H
#define TESTS_HARNESS_STORMER_H

/*
 * stormer: the clients of a storm, each a thread with a connection of its own that does one thing after the other and writes
 * into the history what it heard.  A connection that breaks is opened again; a publish is never sent twice, an ack that was
 * not answered is.
 *
 *  publisher  single messages and batches, small and large, some delayed, to queues at random
 *  pulse      one small message after the other to one queue: whoever measures pauses looks at these
 *  consumer   receives (long polls too), then acks, nacks, extends, forgets; tries receipts that are over
 *  remover    purges and deletes the one queue that is there for it
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/harness/history.h"

enum { PULSES = 4, PUBLISHERS = 3, CONSUMERS = 4, REMOVERS = 1,
	STORMERS = PULSES + PUBLISHERS + CONSUMERS + REMOVERS };

enum storm_phase { STORM_BLOWS, STORM_DRAINS, STORM_IS_OVER };

/* How many queues there are of each kind, in this order. */
enum storm_queue { QUEUE_PLAIN, QUEUE_BATCHES, QUEUE_MEMORY, QUEUE_DELAYED, QUEUE_REMOVED, QUEUE_PULSE, QUEUE_PULSE_TOO,
	STORM_QUEUES };

struct stormers;

/*
 * Make the queues of a broker with so many workers (each has at least one pulse queue) and start all threads.  The history
 * is initialised here and read when they have been joined.
 */
struct stormers *stormers_begin(uint64_t seed, uint16_t port, unsigned workers, struct history *history);

/* The broker has started again elsewhere. */
void stormers_set_port(struct stormers *stormers, uint16_t port);

/*
 * The storm is over: publish no more, receive and ack until all queues are empty; then end the threads.  NULL, or what went
 * wrong.
 */
const char *stormers_drain(struct stormers *stormers, unsigned timeout_ms);

struct stormer_counts {
	uint64_t operations;            /* requests that were sent */
	uint64_t unknown;               /* of these: without an answer that says how it went */
	uint64_t messages;              /* sent */
	uint64_t deliveries;
	uint64_t stale;                 /* 410 */
	unsigned silent;                /* connections that gave no answer for too long, which no fault excuses */
	char strange[256];              /* an answer that no broker may give; "" */
};
struct stormer_counts stormers_counts(const struct stormers *stormers);

/* After stormers_drain(). */
void stormers_free(struct stormers *stormers);

#endif
