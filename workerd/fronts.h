/*
 * fronts: how a worker stands with each frontd's region front.I.E.
 *
 *            registry: STARTING(E)        registry: DEAD(E), or the ring lies          the job has dropped its waiters
 *   CLOSED ------------------------> OPEN ------------------------------------> CLOSING ------------------------> CLOSED
 *            fronts_poll, front_open      front_close, once what was posted       job                 front_retire: closed_epoch
 *                                         is executed
 *
 * For the supervisor: stats.closed_epoch[i] == E while front i is DEAD(E) means that this worker is done with front.i.E.  The
 * same while it is LIVE(E) means that this worker gave it up (its frames were impossible, or the shard was loaded anew and the
 * cursors are lost): frontd i has to be killed.
 */
#ifndef WORKERD_FRONTS_H
#define WORKERD_FRONTS_H

#include "workerd/worker.h"

/* Where the rings of one front lie; the byte ranges are mirrored mappings. */
struct front_rings {
	struct front_pair *pair;
	void *request_bytes;
	void *reply_bytes;
	uint64_t request_size_bytes;
	uint64_t reply_size_bytes;
};

/* Use these rings for front i from where the shard's root stands. */
void front_bind(struct worker *worker, uint32_t front, const struct front_rings *rings);

/* A new incarnation, its rings bound and untouched: a transaction.  Tests and fronts_poll(). */
void front_open(struct worker *worker, uint32_t front, uint64_t epoch);

/* It wrote into its rings what no frontd writes: nothing of it is read any more, the next turn closes it. */
void front_lies(struct worker *worker, uint32_t front, const char *what);

/* Everything posted is executed, or nothing more can be: begin to close.  A transaction. */
void front_close(struct worker *worker, uint32_t front);

/*
 * While the shard is being loaded and no front is mapped: a frontd that died has nothing of ours, and its successor need not
 * wait for us.
 */
void fronts_disown(struct worker *worker);

/* At a warm start: map what the root says is open. */
void fronts_resume(struct worker *worker);

/* Follow the registry.  True if anything changed. */
bool fronts_poll(struct worker *worker);

/* True if the registry says something that fronts_poll() has not acted upon. */
bool fronts_have_news(const struct worker *worker);

/* True if no front is open or closing. */
bool fronts_are_closed(const struct worker *worker);

#endif
