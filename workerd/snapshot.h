/*
 * snapshot: the whole state of the shard as it was at one moment, told to the stream in pieces
 * while the state goes on.
 *
 *   snapshot_begin():  SNAPSHOT_BEGUN; from here on every slot that was ever used needs an image,
 *                      as it is now
 *   a commit:          slots that the transaction changes and that have no image yet get one first:
 *                      as they were before it, which the undo log still says, in the same
 *                      transaction (snapshot_before_commit)
 *   snapshot_step():   all others, a slice a turn; behind the last one SNAPSHOT_ENDED
 *
 * So the image of a slot is what it was at SNAPSHOT_BEGUN, whichever of the two wrote it.  While no
 * snapshot runs a commit pays one comparison.
 *
 * Nobody waits for a snapshot: slices keep out of the way of what clients wait for, and where a
 * commit finds no room for the images it would have to write, the snapshot is given up.  What is
 * known of a running one is private memory: a worker that dies leaves it without an end.  Whoever
 * misses the end asks again (stream.h: snapshot_wanted).
 */
#ifndef WORKERD_SNAPSHOT_H
#define WORKERD_SNAPSHOT_H

#include "shm/atomic.h"
#include "workerd/worker.h"

/*
 * Memory for the map of slots and for taking an undo log apart, as much as snapshot_init() has to
 * be given.
 */
size_t snapshot_memory_bytes(const struct shard_geometry *geometry);

/* Shard and stream are attached.  Borrows `memory`, zeroed, as long as the worker lives. */
void snapshot_init(struct worker *worker, void *memory);

/* Which slots have an image, by their number (images.h). */
bool snapshot_has(const struct snapshot *snapshot, uint64_t number);
void snapshot_mark(struct snapshot *snapshot, uint64_t number);

/* There is none, and no slot has an image. */
void snapshot_forget(struct worker *worker);

/* One runs, or is asked for.  The load is relaxed: persistd asks, and says nothing else by it. */
static inline bool
snapshot_is_due(const struct worker *worker)
{
	return worker->is_imaging ||
	       load_relaxed(&worker->stream.shared->snapshot_wanted) != worker->snapshot.asked;
}

/*
 * Begin one, or a slice of the one that runs: a transaction.  False if there was no room, or it has
 * to wait.
 */
bool snapshot_step(struct worker *worker);

/*
 * Within the open transaction of a READY shard, before it commits: while one runs
 * (worker->is_imaging).
 */
void snapshot_before_commit(struct worker *worker);

#endif
