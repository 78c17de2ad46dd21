/*
 * answer: replies into the ring of the frontd that asked.  Written beyond the reply tail; the tail is a word of the
 * transaction.  One reply a transaction.
 */
#ifndef WORKERD_ANSWER_H
#define WORKERD_ANSWER_H

#include "shm/frame.h"
#include "workerd/worker.h"

/*
 * Room for a reply of up to bytes_max, or NULL: the ring is full, come again later (the turn counts as blocked).  Where
 * nobody is to be answered, or a dead frontd's ring is full, scratch memory: the reply is dropped.
 */
void *answer_begin(struct worker *worker, struct addressee to, uint32_t bytes_max);

/* The reply, whole, of so many bytes (a multiple of 8), ends so and may leave when lsn is durable. */
struct answer {
	struct reply *reply;
	uint32_t bytes;
	enum outcome outcome;
	uint64_t lsn;
};
void answer_end(struct worker *worker, struct addressee to, const struct answer *answer);

/* A reply without more than the outcome.  SERVED or, without room, SERVE_LATER. */
enum served answer_outcome(struct worker *worker, struct addressee to, enum outcome outcome, uint64_t lsn);

/* The same for what changed nothing. */
static inline enum served
answer_refusal(struct worker *worker, const struct request *request, enum outcome outcome)
{
	return answer_outcome(worker, request->from, outcome, 0);
}

/* The LSN that an answer about this queue waits for: all that was appended so far, or 0 where durability is `memory`. */
uint64_t answer_lsn(const struct worker *worker, const struct queue *queue);

#endif
