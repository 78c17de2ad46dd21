#ifndef TESTS_HARNESS_SIEGE_H
#define TESTS_HARNESS_SIEGE_H

/*
 * siege: many hostile clients in one process of its own, at the lowest priority (in life they have their own machines).  Each
 * kind is one way to be a nuisance; a connection that the broker ends is opened again.  What they do follows from the seed.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* X(NAME, connections in `make test`, what it does) */
#define SIEGE_KINDS(X) \
	X(SLOW_HEAD, 300, "a byte of the head now and then") \
	X(SLOW_BODY, 300, "a byte of the body now and then") \
	X(HELD_BODY, 100, "half a megabyte of a body, and then nothing") \
	X(HUGE_LENGTH, 200, "announces all that may be announced, or more, and sends little") \
	X(SLOW_READER, 100, "asks for long lists and reads a byte now and then") \
	X(DEAF_RECEIVER, 50, "receives large messages again and again and reads nothing") \
	X(ENDLESS_HEAD, 50, "header fields without end") \
	X(ENDLESS_CHUNKS, 50, "chunks of one byte with extensions") \
	X(RESET, 100, "goes by a reset, anywhere in a request") \
	X(RESET_POLL, 100, "goes by a reset behind a long poll") \
	X(HALF_CLOSE, 200, "ends its side at once and stays") \
	X(PIPELINE, 20, "hundreds of requests at once, good and bad") \
	X(GARBAGE, 50, "bytes at random") \
	X(SMUGGLE, 50, "requests with two meanings") \
	X(BAD_NAME, 50, "names with dots, NUL, slashes and no UTF-8") \
	X(DEEP_JSON, 20, "brackets without end") \
	X(WIDE_JSON, 8, "a megabyte of small values") \
	X(IDLE, 1000, "nothing at all")

enum siege_kind {
#define X(name, connections, text) SIEGE_##name,
	SIEGE_KINDS(X)
#undef X
	SIEGE_COUNT
};

const char *siege_name(enum siege_kind kind);
unsigned siege_connections(enum siege_kind kind);

/* Written by the attackers, read by the test. */
struct siege_counts {
	uint64_t opened;
	uint64_t refused;       /* connect() failed */
	uint64_t ended;         /* by the broker */
	uint64_t bytes_sent;
	uint64_t bytes_read;
	uint64_t open;          /* now */
};

struct siege {
	pid_t pid;
	volatile struct siege_counts *counts;  /* shared with the process */
};

/* connections[kind] of each kind. */
void siege_start(struct siege *attack, uint16_t port, const unsigned connections[SIEGE_COUNT], uint64_t seed);

/* Fails the test if the attackers had died by themselves. */
struct siege_counts siege_stop(struct siege *attack);

#endif
