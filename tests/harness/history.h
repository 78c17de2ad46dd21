#ifndef TESTS_HARNESS_HISTORY_H
#define TESTS_HARNESS_HISTORY_H

/*
 * history: what clients asked and heard, one event for each message that an operation named, with the times at which the
 * request went out and its answer was there.  Each client appends to a list of its own, so that nobody waits for anybody;
 * the checker reads it when all are done.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	HISTORY_QUEUES_MAX = 16,
	HISTORY_CUTS_MAX = 4096,
	HISTORY_SEQUENCE_BITS = 20      /* of a message's number; the bits above are the client that sends it */
};

enum history_op {
	EVENT_SENT,                        /* a publish: `count` messages from `message` on */
	EVENT_DELIVERED,                   /* one message of a receive's answer; `place` in it */
	EVENT_NOTHING_CAME,                /* a receive without messages, or without an answer */
	EVENT_ACKED,
	EVENT_NACKED,
	EVENT_EXTENDED,
	EVENT_PURGED,                      /* a queue, whole */
	EVENT_DELETED                      /* a queue */
};

enum history_outcome {
	HEARD_OK,
	HEARD_REFUSED,                  /* it did not happen and will not */
	HEARD_STALE,                    /* 410: the lease has ended */
	HEARD_NOTHING                   /* reset before the answer, or a 5xx: it may have happened, or may yet */
};

struct history_event {
	uint64_t begin_us;              /* before the first byte of the request */
	uint64_t end_us;                /* after the last byte of the answer */
	uint64_t receipt;               /* hash of it; 0: none */
	uint64_t id;                    /* delivered: hash of the message id */
	uint64_t lease_us;              /* delivered, extended: asked for */
	uint32_t message;
	uint32_t count;
	uint32_t place;
	uint32_t delivery_count;
	uint32_t acquire_count;
	uint16_t client;
	uint8_t queue;
	uint8_t op;                     /* enum history_op */
	uint8_t outcome;                /* enum history_outcome */
	bool is_altered;                /* delivered: not the body that was sent */
};

struct history_queue {
	const char *name;               /* borrowed */
	bool is_memory;                 /* `durability: memory`: a power cut may take from it and give back to it */
	bool is_unordered;              /* its messages have delays */
};

/* A power cut: all killed and the shared memory gone.  What was asked in between is on neither side. */
struct history_cut {
	uint64_t begin_us;
	uint64_t end_us;
};

struct history_list {
	struct history_event *events;
	size_t count;
	size_t capacity;
};

struct history {
	struct history_queue queues[HISTORY_QUEUES_MAX];
	unsigned queue_count;
	unsigned client_count;
	struct history_list *lists;     /* one for each client */
	struct history_cut cuts[HISTORY_CUTS_MAX];
	unsigned cut_count;
	uint64_t slack_us;              /* how far the broker's clock may stand behind ours: the longest stop of a worker */
};

void history_init(struct history *history, const struct history_queue *queues, unsigned queue_count,
    unsigned client_count, uint64_t slack_us);
void history_free(struct history *history);

/* Called by the thread of event->client only. */
void history_add(struct history *history, const struct history_event *event);

/* Called by the one thread that cuts the power, in the order of time. */
void history_cut(struct history *history, uint64_t begin_us, uint64_t end_us);

/* All events, a line each, clients one after the other; comment goes first.  False and errno. */
bool history_dump(const struct history *history, const char *path, const char *comment);

/* One event as text, for a complaint or the dump. */
void history_describe(const struct history *history, const struct history_event *event, char text[256]);

/* The clock of histories. */
uint64_t clock_us(void);

static inline uint32_t
message_number(uint32_t client, uint32_t sequence)
{
	return client << HISTORY_SEQUENCE_BITS | sequence;
}

static inline uint32_t
message_sender(uint32_t message)
{
	return message >> HISTORY_SEQUENCE_BITS;
}

/* --- bodies that tell what they are --- */

enum { STORM_BODY_BYTES_MIN = 64 };

/* Printable text of this length: seed, message, length, checksum, and what the checksum is of. */
void storm_body(uint64_t seed, uint32_t message, char *body, size_t body_bytes);

/* Whose body this is, and whether it is whole; false when it names no message of this seed. */
bool storm_body_read(uint64_t seed, const char *body, size_t body_bytes, uint32_t *message, bool *is_altered);

#endif
