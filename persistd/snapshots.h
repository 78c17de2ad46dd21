/*
 * snapshots: which snapshots of each shard the journal holds, and what of the journal they need.
 *
 * A snapshot stands in its shard's stream as records SNAPSHOT_BEGUN, SNAPSHOT_IMAGES ..., SNAPSHOT_ENDED, written by the
 * worker between others (shm/record.h).  Who loads it needs what lies behind its SNAPSHOT_BEGUN, and of what lies before
 * only the PUBLISHED records of messages that have an image in it: their bodies are nowhere else.
 *
 *   none --SNAPSHOT_BEGUN--> running --SNAPSHOT_ENDED, and all images were seen--> newer --the next one ends--> older
 *              running --another SNAPSHOT_BEGUN, or an image is missing--> forgotten
 *
 * Two are kept: what only the older one needs is dropped, so that damage to the newer leaves a way back (`check --repair`).
 *
 * What a message needs lies where its newest copy is (copies.h).  A copy that is made later than a snapshot began lies behind
 * its beginning, where nothing is dropped because of it: so it need not be counted, and snapshots_cleaned() is all they hear of it.
 *
 * Fed with all batches that are durable, in order: by the loader with what it finds, by retain with what is written.  After
 * a warm start what was there before comes in the background: until then (is_behind) nothing is concluded.
 */
#ifndef PERSISTD_SNAPSHOTS_H
#define PERSISTD_SNAPSHOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "persistd/batch.h"
#include "persistd/copies.h"
#include "shm/image.h"
#include "shm/record.h"

/* What a snapshot needs of one segment: records of messages that wait or are leased. */
struct live_segment {
	uint64_t bytes;
	uint64_t messages;
};

struct live {
	struct live_segment *segments;  /* of the numbers first, first + 1, ... */
	uint64_t first;
	uint32_t count, capacity;
};

struct journal_snapshot {
	uint64_t begun_lsn;             /* 0: there is none */
	uint64_t begun_ms;              /* broker time */
	uint64_t ended_lsn;             /* of its SNAPSHOT_ENDED; 0: it runs */
	uint64_t images;
	uint64_t bytes;                 /* of its records */
	uint64_t begun_bytes;           /* snapshots.bytes when it began */
	struct live live;
	uint64_t *unplaced;             /* LSNs of messages whose copy was not seen yet: it may lie further on */
	uint32_t unplaced_count, unplaced_capacity;
};

struct shard_snapshots {
	struct journal_snapshot older, newer, running;
	uint64_t first_lsn;             /* the lowest that was seen; 0: none yet */
};

/* Where each shard's stream stood when a segment began; 0: not known, no batch of the shard came before. */
struct segment_mark {
	uint64_t segment;
	uint64_t lsn[WORKER_MAX];
};

struct snapshots {
	uint32_t shards;
	const struct copies *copies;    /* borrowed from whoever reads the journal; NULL: nothing was ever copied */
	bool is_loading;                /* what there is is being read: copies come after what they are of */
	bool is_behind;                 /* warm: what was there before is still being read */
	bool is_blind;                  /* it cannot be read, or memory was short: nothing more is concluded */
	uint64_t bytes;                 /* of all batches that were seen */
	uint64_t completed;             /* snapshots that ended while we looked */
	uint64_t given_up;              /* that never ended */
	uint64_t lost;                  /* messages that the newest ones have, and whose record was nowhere when all was loaded */
	struct segment_mark *marks;     /* in order of segments */
	uint32_t mark_count, mark_capacity;
	struct shard_snapshots shard[WORKER_MAX];
};

/* For what is being loaded: snapshots_settle() ends that.  `copies` is set afterwards. */
void snapshots_init(struct snapshots *snapshots, uint32_t shards);
void snapshots_free(struct snapshots *snapshots);

/* Segment `number` goes on from here: lsn[shards].  In any order of segments. */
void snapshots_segment(struct snapshots *snapshots, uint64_t number, const uint64_t *lsn);

/* A batch lies in that segment; the streams stood at lsn[shards] before it.  Counts it; does not look into it. */
void snapshots_place(struct snapshots *snapshots, const struct batch_header *header, uint64_t segment, const uint64_t *lsn);

/*
 * Look for SNAPSHOT_* records in a batch whose payload is whole.  False where it holds no records.  Copies in batches before it
 * have to be in their index already.
 */
bool snapshots_read(struct snapshots *snapshots, const struct batch_header *header, const char *payload);

/* All there is has been read: count `lost`. */
void snapshots_settle(struct snapshots *snapshots);

/* Nothing in this segment is needed any more: what was has been copied. */
void snapshots_cleaned(struct snapshots *snapshots, uint64_t segment);

/* The image at bytes[0 .. available), or NULL where there is none. */
const struct image *snapshots_image_at(const char *bytes, uint32_t available);

/* The size of the record that a message was published with. */
static inline uint32_t
snapshots_message_bytes(const struct image_message *message)
{
	return RECORD_PUBLISHED_BYTES + (uint32_t)(((uint64_t)message->attributes_bytes + message->body_bytes + 7) & ~7ull);
}

/* The newest complete snapshot of a shard, NULL if there is none.  Borrowed until the next batch. */
const struct journal_snapshot *snapshots_newest(const struct snapshots *snapshots, uint32_t shard);

/* True if each shard has a complete one; else *shard is the first that has none. */
bool snapshots_are_complete(const struct snapshots *snapshots, uint32_t *shard);

/* The segment where the record at `lsn` was first written; 0 where that is not in what is kept of the journal. */
uint64_t snapshots_segment_of(const struct snapshots *snapshots, uint32_t shard, uint64_t lsn);

/*
 * The lowest segment that is needed whole: the one that holds SNAPSHOT_BEGUN of the older snapshot of some shard; with
 * `by_newer` of the newer.  Below it are only records of messages.  0: not known, as not every shard has such a snapshot.
 */
uint64_t snapshots_begun_segment(const struct snapshots *snapshots, bool by_newer);

/* What the older (or newer) snapshots of all shards need of a segment below that. */
struct live_segment snapshots_live(const struct snapshots *snapshots, uint64_t segment, bool by_newer);

/* The lowest segment that is needed at all: those before it hold nothing that is.  0: not known. */
uint64_t snapshots_floor(const struct snapshots *snapshots, bool by_newer);

/* Segments below `floor` are gone. */
void snapshots_forget(struct snapshots *snapshots, uint64_t floor);

/* What the newest snapshots need of records before them. */
uint64_t snapshots_live_bytes(const struct snapshots *snapshots);

/* Bytes of the last complete snapshots of all shards: what it costs to make them all once more. */
uint64_t snapshots_cost(const struct snapshots *snapshots);

#endif
