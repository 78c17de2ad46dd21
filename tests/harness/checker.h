#ifndef TESTS_HARNESS_CHECKER_H
#define TESTS_HARNESS_CHECKER_H

/*
 * checker: holds a history against what Chasqui promises (docs/durability.md).  The history has to end with a drain: every
 * queue received and acknowledged until it was empty.  What was not answered may have happened or not; a rule speaks only
 * where both would break it.
 *
 *  LOST      a message whose publish was answered is acknowledged in the end, or may have been; or was purged
 *  UNSENT    what is delivered was sent, to this queue, was not refused, and is one message (one id)
 *  ALTERED   its body is what was sent
 *  REVENANT  nothing is delivered by a receive that was sent after the ack's, the purge's or the delete's answer
 *  ORDER     of one connection's messages a later one is not delivered while an earlier one waits and was never leased
 *  COUNT     delivery_count of a message never goes down, acquire_count rises with every lease
 *  RECEIPT   no receipt is honoured twice, nor after its message was given to another, released or went through a power
 *            cut; none is given out twice
 *  HALF      of a batch all messages are there or none, also when nobody heard how it went (what is not on disk yet may be
 *            delivered, and taken back by a power cut with its whole batch)
 *  SHARED    nobody else is given a message while its lease stands
 *  REVOKED   a receipt is not stale while its lease stands
 *
 * Leases end with a power cut, and it takes back what no answered change of the same queue has carried to disk (COUNT); from
 * and to memory queues it may take and give everything (LOST, REVENANT, COUNT, HALF are then asked on each side of it).
 */

#include "tests/harness/history.h"

enum checker_rule {
	RULE_LOST,
	RULE_UNSENT,
	RULE_ALTERED,
	RULE_REVENANT,
	RULE_ORDER,
	RULE_COUNT,
	RULE_RECEIPT,
	RULE_HALF,
	RULE_SHARED,
	RULE_REVOKED,
	RULES
};

enum { VERDICT_TEXT_BYTES = 8192 };

struct verdict {
	unsigned breaches[RULES];
	unsigned breach_count;
	uint64_t checks[RULES];         /* how often each rule was asked: a rule that never was has proved nothing */
	size_t text_bytes;
	char text[VERDICT_TEXT_BYTES];  /* the first breaches, with their events */
};

const char *checker_rule_name(enum checker_rule rule);

void checker_run(const struct history *history, struct verdict *verdict);

#endif
