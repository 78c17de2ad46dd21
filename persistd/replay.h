/*
 * replay: a cold start of shards.  Streams the records of the journal, bodies left out, through a shard's replay ring to its
 * worker, and then says where the stream goes on: first those of the newest complete snapshot, if there is one, then, from
 * the same segment on, those behind its SNAPSHOT_BEGUN; without one all of them.  Each shard reads the journal on its own; a
 * step moves at most REPLAY_SLICE_BYTES of the journal, so that commits of other shards go on meanwhile.
 *
 *   IDLE --replay_wanted is new--> SNAPSHOT --SNAPSHOT_ENDED sent--> RECORDS --END sent--> IDLE
 *                                  (or RECORDS at once)   a newer replay_wanted begins again from anywhere
 */
#ifndef PERSISTD_REPLAY_H
#define PERSISTD_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "persistd/journal.h"
#include "persistd/reader.h"
#include "persistd/snapshots.h"
#include "shm/role.h"
#include "shm/stream.h"

#define REPLAY_SLICE_BYTES (1u << 20)
#define REPLAY_READ_BYTES (4u << 20) /* at once: the others wait for as long as that takes */

enum replay_pass { REPLAY_IDLE, REPLAY_THE_SNAPSHOT, REPLAY_THE_RECORDS };

struct shard_replay {
	uint64_t serving;          /* the request being served or served last; 0: none yet */
	enum replay_pass pass;
	uint64_t begun_lsn;        /* of the snapshot; 0: there is none */
	bool is_reading;           /* the reader is open */
	bool is_blocked;           /* the ring was full */
	struct reader reader;
	struct ring ring;
	const char *bytes;         /* rest of the range being sent; borrowed from the reader */
	uint64_t bytes_left;
	uint64_t lsn;              /* of the next record */
	uint64_t records;
	bool has_generation;       /* the current generation has been given to this shard */
};

struct replays {
	struct role *role;
	struct journal *journal;
	const struct snapshots *snapshots;
	const struct stream *streams;
	uint32_t shards;
	struct shard_replay shard[WORKER_MAX];
};

/* What a predecessor was serving is not gone on with: its worker sees that persistd's epoch changed, and asks anew. */
void replays_open(struct replays *replays, struct role *role, struct journal *journal, const struct snapshots *snapshots,
    const struct stream *streams, bool is_cold);
void replays_close(struct replays *replays);

/* A slice for each shard that wants one.  True if anything moved. */
bool replays_step(struct replays *replays);

/* Some worker wants something new. */
bool replays_have_news(const struct replays *replays);

/* Some shard is being replayed, or wants to be. */
bool replays_are_running(const struct replays *replays);

/* Some ring is full: its worker's progress does not always wake us. */
bool replays_are_blocked(const struct replays *replays);

#endif
