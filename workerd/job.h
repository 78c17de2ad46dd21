/*
 * job: long work as a record in the shard's root and slices between requests, each slice a transaction.  A worker that dies
 * in between goes on with the next slice.
 *
 *   JOB_PURGE        begun by PURGE_BEGUN       remove what it covers, PURGE_ENDED, answer the requester
 *   JOB_DELETE       begun by QUEUE_DELETING    dismiss waiters, remove messages, QUEUE_FREED
 *   JOB_CLOSE_FRONT  begun when a frontd died and its requests are executed: drop its waiters, then FRONT_CLOSED
 *   JOB_END_LEASES   begun by a cold start: end what was leased before it
 */
#ifndef WORKERD_JOB_H
#define WORKERD_JOB_H

#include "workerd/worker.h"

/* Work on queues: a free place that requests may use, or NIL. */
uint32_t job_next_free(const struct shard *shard);

/* Within an apply: take job_next_free() for a queue; end the job of a queue. */
void job_begin(struct shard *shard, enum job_kind kind, uint32_t queue_idx);
void job_end_of_queue(struct shard *shard, uint32_t queue_idx);

/* Who is answered when the queue's purge is done. */
void job_set_requester(struct worker *worker, uint32_t queue_idx, struct addressee requester);

/* Within an open transaction. */
void job_begin_close_front(struct shard *shard, uint32_t front);
void job_begin_end_leases(struct shard *shard, uint64_t generation);

/* One slice of one job.  False if there is none, or it has no room to go on. */
bool job_run(struct worker *worker);

/* purge.c: slices of the two kinds that remove messages. */
bool purge_slice(struct worker *worker, struct job *job);
bool delete_slice(struct worker *worker, struct job *job);

#endif
