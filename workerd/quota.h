/*
 * quota: what a user may own, over all shards: queues, and bytes in them.  It is the owner who pays for what is in a queue,
 * whoever publishes, and a worker is the first who knows the owner; so these two are decided here.  Rates and connections are a
 * frontd's (frontd/people/quota).
 *
 * Each worker shows what it has of each user (shm/usage.h); the sum is behind by what the other shards take meanwhile, so W
 * shards can go beyond a quota by one request of each that is under way at the same time, not by more.
 */
#ifndef WORKERD_QUOTA_H
#define WORKERD_QUOTA_H

#include "workerd/worker.h"

/* Map what this worker shows and what it reads.  0, or -1 and a diag. */
int quota_attach(struct worker *worker);
void quota_detach(struct worker *worker);

/* Count from the tables, and keep the count from here on: at a start, before anything is served. */
void quota_recount(struct worker *worker);

/* QUOTA_EXCEEDED if this user would own more than he may with so much more; 0: nobody, who has no quota. */
enum outcome quota_decide_queue(const struct worker *worker, uint64_t uid);
enum outcome quota_decide_bytes(const struct worker *worker, uint64_t uid, uint64_t bytes);

#endif
