#ifndef TESTS_HARNESS_RIGHTS_H
#define TESTS_HARNESS_RIGHTS_H

/*
 * rights: who was let in while a broker was in trouble, and the rules that it is held against.  A fact is one thing that is given
 * and taken away: a token, a session, a password, that a user may come in at all, a right on a queue.  One client changes a
 * fact, one change after the other; others use it meanwhile.
 *
 *  ENDED     no credential is honoured that was asked for more than a second after its end was answered
 *  TRESPASS  nobody publishes to a queue or is given one of its messages without right: not after taking the right away was
 *            answered, and not with a token that is narrower
 *  STANDS    what was given, and answered so, is honoured, whatever was killed meanwhile, until somebody takes it away
 *
 * A change that was not answered may have happened or not, and may yet until `late_us` after it was asked: a rule speaks
 * only where all of that would break it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/harness/history.h"

enum rights_rule { RIGHTS_ENDED, RIGHTS_TRESPASS, RIGHTS_STANDS, RIGHTS_RULES };

enum rights_kind { FACT_CREDENTIAL, FACT_RIGHT };

/* Never given to anybody: what a use needs that lies beyond its token's scopes. */
enum { FACT_NEVER };

enum rights_op { RIGHTS_GAVE, RIGHTS_TOOK, RIGHTS_USED };

enum { RIGHTS_NEEDS_MAX = 4, RIGHTS_CLIENTS_MAX = 32, RIGHTS_FACTS_MAX = 1 << 17, RIGHTS_TEXT_BYTES = 8192 };

struct rights_event {
	uint64_t begin_us;              /* of a use: before the first byte of it, or of the newest message that it brought */
	uint64_t end_us;
	uint32_t needs[RIGHTS_NEEDS_MAX]; /* facts; of a change only the first */
	uint8_t need_count;
	uint8_t op;                     /* enum rights_op */
	uint8_t outcome;                /* HEARD_OK, HEARD_REFUSED, HEARD_NOTHING */
	uint16_t status;                /* for the reader of a complaint */
	char what[20];                  /* the same */
};

struct rights_list {
	struct rights_event *events;
	size_t count;
	size_t capacity;
};

struct rights {
	uint64_t late_us;
	uint32_t fact_count;            /* any thread adds */
	uint8_t kinds[RIGHTS_FACTS_MAX];
	struct rights_list lists[RIGHTS_CLIENTS_MAX]; /* each appended to by one thread */
};

void rights_init(struct rights *rights, uint64_t late_us);
void rights_free(struct rights *rights);

/* A new fact, not given yet. */
uint32_t rights_fact(struct rights *rights, enum rights_kind kind);

/* Called by one thread for each client. */
void rights_add(struct rights *rights, unsigned client, const struct rights_event *event);

struct rights_verdict {
	unsigned breaches[RIGHTS_RULES];
	unsigned breach_count;
	uint64_t checks[RIGHTS_RULES];  /* how often each rule was asked and could say something */
	uint64_t over_cuts;             /* of STANDS: where a power cut lay between the giving and the use */
	size_t text_bytes;
	char text[RIGHTS_TEXT_BYTES];   /* the first breaches */
};

const char *rights_rule_name(enum rights_rule rule);

/* cuts: of the same storm, in the order of time. */
void rights_check(const struct rights *rights, const struct history_cut *cuts, unsigned cut_count,
    struct rights_verdict *verdict);

#endif
