/*
 * retain: how much of the journal is kept: asks the workers for snapshots, and has dropped what the last two of each shard do
 * not need.
 *
 *   ask    when the journal grew by data.snapshot_bytes since the last snapshot of a shard began; earlier, but not within a
 *          minute, when it grew at all or when one more would let segments go.  Always only when it grew by three times
 *          what the snapshots of all shards take, so that they are at most a third of what is written; one shard at a time.
 *          At once when an admin wants them (POST /v1/snapshots: a counter of the frontds grows).
 *          A worker that died, or had no room, leaves a snapshot without an end: after a minute it is asked again.
 *   drop   all segments before the first that the older complete snapshot of some shard needs (snapshots.h).
 */
#ifndef PERSISTD_RETAIN_H
#define PERSISTD_RETAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "persistd/journal.h"
#include "persistd/snapshots.h"
#include "shm/durable.h"
#include "shm/role.h"
#include "shm/stream.h"

struct retain {
	struct role *role;
	struct journal *journal;
	const struct stream *streams;
	struct snapshots snapshots;
	uint64_t snapshot_bytes, segment_bytes; /* options */
	struct journal_position seen;    /* behind the last batch */
	uint64_t looked_ns, looked_bytes; /* when we last looked: snapshots.bytes then */
	uint64_t completed;              /* snapshots.completed, when we last looked for what can go */
	uint64_t given_up;               /* snapshots that were asked for and did not come */
	struct durable_shared *durable;  /* where the newest ones are announced; NULL: nowhere (a test) */
	uint64_t admins_asked;           /* stats.snapshots_asked of all frontds, as last seen */
	uint64_t wanted;                 /* bits of shards that an admin wants one of */
	/* The one that is asked for. */
	bool is_asked;
	uint32_t shard;
	uint64_t before_lsn;             /* begun_lsn of the newest before */
	uint64_t images;                 /* of the running one, when it last moved */
	uint64_t moved_ns;
	uint64_t asked_ns[WORKER_MAX];   /* when last */
};

/*
 * Before the journal is opened: retain->snapshots is for backend_open.  Role, journal, streams (borrowed) and the options are set,
 * all else is zero.
 */
void retain_init(struct retain *retain);
void retain_free(struct retain *retain);

/* The journal is open. */
void retain_open(struct retain *retain, uint64_t now_ns);

/* A batch became durable; in order. */
void retain_batch(struct retain *retain, const struct flight *flight);

/* Once a turn; cheap.  Returns the slot of a worker that has to be woken, or -1. */
int retain_step(struct retain *retain, uint64_t now_ns);

#endif
