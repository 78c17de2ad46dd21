/*
 * engine: how the stepper puts a worker on a world.  The only file here that knows how workerd is put together.
 */
#ifndef TESTS_STEP_ENGINE_H
#define TESTS_STEP_ENGINE_H

#include "tests/step/core/world.h"
#include "workerd/worker.h"

/* A new, empty shard on a zeroed world, whose stream begins at first_lsn; the registry says that frontds are starting. */
void engine_begin(struct worker *worker, struct world *world, uint64_t now_ms, uint64_t first_lsn);

/* A worker that knows of the world what a restarted one learns; changes nothing. */
void engine_attach(struct worker *worker, struct world *world);

/*
 * What a restarted worker does before it serves: roll back, validate, mirror; a shard that is not READY is built anew: emptied and
 * replayed.  NULL, or what is wrong with the shard.
 */
const char *engine_recover(struct worker *worker);

/* A cold start in two steps: empty the shard; replay every durable record, which are all in the stream ring still. */
void engine_empty(struct worker *worker);
void engine_replay(struct worker *worker);

/* Until nothing more is to be done; false if it never ends. */
bool engine_run(struct worker *worker, uint64_t now_ms);

#endif
