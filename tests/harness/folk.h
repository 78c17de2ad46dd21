#ifndef TESTS_HARNESS_FOLK_H
#define TESTS_HARNESS_FOLK_H

/*
 * folk: the users of a broker in a storm.  Each keeper changes what some users are and have, one thing after the other: makes and
 * revokes tokens, wide and narrow, begins and ends sessions, changes passwords, disables users, removes them and makes
 * them anew, gives rights on queues and takes them away.  Probers take any credential that is or was good and try what it
 * is good for, or is not.  All of it goes into the rights (tests/harness/rights.h).
 */

#include <stdint.h>

#include "tests/harness/rights.h"

enum { KEEPERS = 5, PROBERS = 7, FOLK_CLIENTS = KEEPERS + PROBERS };

struct folk_counts {
	uint64_t changes;               /* asked for */
	uint64_t uses;
	uint64_t unknown;               /* of both: without an answer that says how it went */
	uint64_t honoured, refused;
	uint64_t given;                 /* messages that were received */
	unsigned silent;                /* connections without an answer for too long, which no fault excuses */
	char strange[256];              /* an answer that no broker may give; "" */
};

struct folk;

/* Makes users and queues and starts all threads.  admin: a token.  rights are initialised here and read after folk_end(). */
struct folk *folk_begin(uint64_t seed, uint16_t port, const char *admin, struct rights *rights);

/* The broker has started again elsewhere. */
void folk_set_port(struct folk *folk, uint16_t port);

/* Ends the threads; what they did. */
struct folk_counts folk_end(struct folk *folk);

void folk_free(struct folk *folk);

#endif
