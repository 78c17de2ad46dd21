#ifndef TESTS_HARNESS_LOAD_H
#define TESTS_HARNESS_LOAD_H

/*
 * load: many connections in one thread, publishing to one queue and consuming from it, all of it told to an oracle.  It
 * lives with what a broker in trouble does: a connection that breaks is opened again, a 503 is tried again after a pause,
 * an acknowledgement whose answer was lost is sent again with the same receipt.
 */

#include <stdbool.h>
#include <stdint.h>

#include "tests/harness/oracle.h"

struct load_options {
	uint16_t port;
	const char *queue;              /* exists; borrowed */
	unsigned publishers;            /* connections */
	unsigned consumers;
	unsigned batch;                 /* messages in a publish, 1: raw bodies; else NDJSON */
	unsigned receive_max;           /* 1..100 */
	const char *lease;              /* "10s"; borrowed */
	const char *wait;               /* "1s"; borrowed */
};

struct load_counts {
	uint64_t publish_answers;       /* 2xx */
	uint64_t receive_answers;       /* 2xx */
	uint64_t overloads;             /* 429 and 503 */
	uint64_t resets;                /* connections that broke with a request under way */
	uint64_t publish_max_ms;        /* longest wait of a publish for its answer */
};

struct load;

/* The oracle is borrowed; an answer that no broker may give is a violation there. */
struct load *load_open(const struct load_options *options, struct oracle *oracle);
void load_close(struct load *load);

/* The broker has started again elsewhere.  Any thread. */
void load_set_port(struct load *load, uint16_t port);

/* Serve the connections for so long. */
void load_run(struct load *load, unsigned ms);

/* Publish all that the oracle has, consume nothing meanwhile.  False when that takes too long. */
bool load_publish_only(struct load *load, unsigned timeout_ms);

/* Publish no more; finish what is under way, and consume until all is settled.  False when that takes too long. */
bool load_drain(struct load *load, unsigned timeout_ms);

struct load_counts load_counts(const struct load *load);

#endif
