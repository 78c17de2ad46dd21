/*
 * fetch: the bytes of delivered messages.  A body is copied out of the shard's stream ring while it is still there; else
 * persistd reads it back from the journal, over the fetch and body rings.  Every body is checked against its record's hash
 * before it is delivered (P7): a bad hot copy is tried cold, a bad cold one is never delivered.
 */
#ifndef FRONTD_FETCH_H
#define FRONTD_FETCH_H

#include <stdbool.h>
#include <stdint.h>

#include "frontd/api/call.h"
#include "shm/ring.h"

struct exchange;
struct frontd;

enum fetch_body_state { FETCH_TO_ASK, FETCH_ASKED, FETCH_DONE };

/* One receive of which at least one body is on disk. */
struct fetch {
	struct fetch *next;          /* of those at work, or free */
	struct exchange *exchange;
	uint32_t index;
	uint32_t generation;
	uint32_t missing;
	uint64_t held_bytes;         /* of the budget: the records, and room for the answer */
	char *bytes;                 /* records, one behind the other at offsets[] */
	struct receive_reply *reply; /* a copy: the ring has moved on */
	uint32_t offsets[RECEIVE_BATCH_MAX];
	uint8_t states[RECEIVE_BATCH_MAX]; /* enum fetch_body_state */
	struct api_body bodies[RECEIVE_BATCH_MAX];
};

struct fetches {
	struct ring request;
	struct ring body;
	struct fetch **slots;
	uint32_t slot_count;
	struct fetch *free;
	struct fetch *active;
	bool is_touched;             /* frames pushed or taken: post and wake persistd */
	bool has_unasked;
	uint64_t persist_epoch;      /* the last persistd that was asked for all that was outstanding */
	char *scratch;               /* where hot bodies are gathered; what is larger than most receives is given back at once */
	uint32_t scratch_bytes;
};

void fetch_init(struct frontd *frontd);

/*
 * The exchange's receive was answered with deliveries: get their bodies, then answer it (await_answer), now or later.  The
 * reply is borrowed for the call.
 */
void fetch_begin(struct frontd *frontd, struct exchange *exchange, const struct receive_reply *reply);

/* Take what persistd sent; ask what had no room; ask again what a dead persistd took with it. */
void fetch_replies(struct frontd *frontd);

/* End of the turn.  True if persistd has to be woken. */
bool fetch_post(struct frontd *frontd);

bool fetch_has_replies(struct frontd *frontd);
void fetch_free_all(struct frontd *frontd);

#endif
