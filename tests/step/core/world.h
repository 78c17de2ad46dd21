/*
 * world: all the memory a worker shares with others, as one object that can be mapped, copied and compared: shard, stream,
 * the rings of its frontds, durable LSN, statistics, and how far the play has got.  Rings are mirrored as in the broker, so
 * it is the release code of the engine that runs on it, unchanged.
 */
#ifndef TESTS_STEP_WORLD_H
#define TESTS_STEP_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/directory.h"
#include "shm/durable.h"
#include "shm/front.h"
#include "shm/registry.h"
#include "shm/role.h"
#include "shm/state/shard.h"
#include "shm/stats.h"
#include "shm/stream.h"

#define WORLD_FRONTS 2
#define WORLD_STREAM_BYTES (1u << 19)
#define WORLD_REPLAY_BYTES (1u << 16)
#define WORLD_REQUEST_BYTES (1u << 18)
#define WORLD_REPLY_BYTES REPLY_BYTES_MAX
#define WORLD_LOG_BYTES (1u << 20)
#define WORLD_RUNS_MAX 256
#define WORLD_NOTES_MAX 8

/* What the other processes know: survives the worker, is copied with the world. */
struct world_log {
	uint64_t runs_begun;  /* requests of this many runs have been posted */
	uint64_t used_bytes;  /* of replies, all that came after each run that is over */
	uint64_t ends[WORLD_RUNS_MAX]; /* used_bytes after each run, [0]: 0 */
	uint64_t first_lsn;   /* of the records in the stream ring, which stand for the journal */
	uint64_t generation;  /* of cold starts, as persistd counts them */
	uint64_t is_clean;    /* the last stop was a clean one */
	uint64_t notes[WORLD_NOTES_MAX]; /* what a script saw and has to know in another life (play_note) */
	char replies[WORLD_LOG_BYTES];
};

struct world {
	char *base;
	size_t size_bytes;
	int fd;
	struct shard_geometry geometry;
	void *shard;
	struct stream_shared *stream;
	void *directory;
	struct front_shared *front[WORLD_FRONTS];
	struct durable_shared *durable;
	struct registry_shared *registry;
	struct stats_shared *stats;
	struct world_log *log;
	char *stream_bytes, *replay_bytes; /* mirrored, like the next two */
	char *request_bytes[WORLD_FRONTS];
	char *reply_bytes[WORLD_FRONTS];
	struct role role; /* of the worker that is put on it; private memory */
};

/* Zero-filled, shared with children forked later.  Exits with a message when memory fails. */
void world_open(struct world *world, const struct shard_geometry *geometry);
void world_close(struct world *world);

/*
 * All of it that means anything; both of one geometry.  What lies beyond the tails of rings is left as it is: a worker may not
 * depend on it.
 */
void world_copy(const struct world *to, const struct world *from);

/* Junk into what means nothing: the free part of the reply rings, and some of the stream's. */
void world_soil(const struct world *world);

/*
 * Only what a crash state is made of: the shard with the used part of its undo log, the cursors, and what the worker has told
 * the supervisor.  About 90 KB, 10 us.  True if `to` was different before.
 */
bool world_copy_state(const struct world *to, const struct world *from);

/* The part that a worker writes as words and that others, or its successor, read: whole pages. */
struct world_part {
	char *base;
	size_t bytes;
};
#define WORLD_PARTS 4
void world_written(const struct world *world, struct world_part parts[WORLD_PARTS]);

/*
 * An instruction of the worker on `from` may have changed this page of it: `to`, kept up with each store before, follows.  An
 * entry of the undo log may change only while it is the one being written.
 */
enum world_change { WORLD_SAME, WORLD_CHANGED, WORLD_OLD_ENTRY };
enum world_change world_follow(const struct world *to, const struct world *from, const char *page);

#endif
