#ifndef TESTS_HARNESS_STOCKED_H
#define TESTS_HARNESS_STOCKED_H

/*
 * stocked: an engine whose shard has some of everything: queues, one of them free again; messages
 * in every state, tombstones; users, credentials and grants, some of each gone.
 */

#include "tests/harness/engine.h"

/* The queue with messages in it; more of them may be published. */
#define STOCKED_QUEUE "orders"

struct engine *stocked_open(const struct engine_options *options);

/*
 * A purge of STOCKED_QUEUE's delayed messages and the removal of another queue are under way: no
 * slice was done yet.
 */
void stocked_begin_jobs(struct engine *engine);

#endif
