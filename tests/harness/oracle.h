#ifndef TESTS_HARNESS_ORACLE_H
#define TESTS_HARNESS_ORACLE_H

/*
 * oracle: what was promised about each message, and whether it was kept.  The load client tells it every publish, delivery
 * and acknowledgement; it holds what it hears against these rules:
 *
 *  O1  a message whose publish was answered 201 or 202 is delivered and acknowledged in the end
 *  O2  no message is delivered by a receive that was sent after its acknowledgement had succeeded
 *  O3  each body arrives as it was sent
 *  O4  delivery_count never goes down (of receives of which one was sent after the other's answer: answers on two
 *      connections may overtake each other)
 *  O5  of two receipts of one message only one is ever acknowledged
 *  O6  what was refused with a 4xx is never delivered
 *  O7  FIFO, where the test promises one consumer and no lost lease: the messages of one publishing connection come in order
 *
 * A publish that was answered 5xx, or not at all, may have happened or not.  One thread uses an oracle.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ORACLE_NONE = UINT32_MAX };

struct oracle_options {
	uint64_t seed;
	uint32_t messages_max;
	uint32_t body_bytes_min;        /* at least 24 */
	uint32_t body_bytes_max;
	bool is_fifo;
};

enum publish_outcome { PUBLISH_UNSENT, PUBLISH_SENT, PUBLISH_ACKNOWLEDGED, PUBLISH_REFUSED };
enum ack_outcome { ACK_SUCCEEDED, ACK_STALE, ACK_UNKNOWN /* the connection went */ };

struct oracle_counts {
	uint32_t sent;
	uint32_t acknowledged;
	uint32_t refused;
	uint32_t delivered;             /* messages */
	uint64_t deliveries;
	uint32_t acked;
	uint32_t ack_unknown;
	uint32_t owed;                  /* acknowledged publishes whose message was not acked yet */
	uint32_t violations;
};

struct oracle;

struct oracle *oracle_new(const struct oracle_options *options);
void oracle_free(struct oracle *oracle);

/* A publishing connection, for O7. */
uint32_t oracle_stream(struct oracle *oracle);

/* The number of a new message, ORACLE_NONE when all are used up.  It counts as sent. */
uint32_t oracle_next(struct oracle *oracle, uint32_t stream);

bool oracle_is_used_up(const struct oracle *oracle);

/* Its body: printable text without quotes; body has room for oracle_body_bytes_max() + 1.  How many bytes. */
uint32_t oracle_body(const struct oracle *oracle, uint32_t number, char *body);
uint32_t oracle_body_bytes_max(const struct oracle *oracle);

/* Messages numbered from first, published in one request. */
void oracle_published(struct oracle *oracle, uint32_t first, uint32_t count, enum publish_outcome outcome);

/* A message that came; asked_ms: when the receive was sent.  Its number, ORACLE_NONE when it is none of ours. */
uint32_t oracle_delivered(struct oracle *oracle, const char *body, size_t body_bytes, uint32_t delivery_count,
    uint64_t asked_ms);

void oracle_acked(struct oracle *oracle, uint32_t number, const char *receipt, enum ack_outcome outcome);

struct oracle_counts oracle_counts(const struct oracle *oracle);

/* True when every acknowledged publish was acked (O1). */
bool oracle_is_settled(const struct oracle *oracle);

/* True if the message has been delivered at least once. */
bool oracle_has_come(const struct oracle *oracle, uint32_t number);

/* Count a breach that somebody else saw, with a line that says what. */
void oracle_violation(struct oracle *oracle, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The first violations, a line each; "" when there are none and all is settled. */
const char *oracle_verdict(struct oracle *oracle);

#endif
