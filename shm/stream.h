/*
 * stream: region stream.W, the records of shard W on their way to the disk, and back from it at a cold start.
 *
 * The stream ring is addressed by LSN: the byte of LSN n lies at n & (size - 1), mirrored.  The worker appends beyond
 * `tail`; persistd copies [durable, tail) into the journal; a frontd copies bodies out of what has not been overwritten.
 * Only what is durable (durable.h) is ever overwritten.
 *
 * The replay ring brings the records of the journal back, bodies left out: persistd -> worker, struct replay_frame.
 *
 * Rights: frontd reads; its own worker reads and writes; persistd reads, and writes only the replay side.
 */
#ifndef SHM_STREAM_H
#define SHM_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/record.h"
#include "shm/region.h"
#include "shm/ring.h"

/* That many bytes which nobody waits for are told to persistd all the same. */
#define STREAM_LAZY_BYTES (256u << 10)

struct stream_shared {
	/* Written by the worker, after commit, once a batch: records below are whole. */
	_Alignas(CACHE_LINE_PAIR) uint64_t tail;
	/*
	 * Written by the worker before tail: somebody waits until records below are durable.  Those above are leases and what
	 * queues of `durability = memory` hold: they ride along with the next batch, or wait for a while.
	 */
	uint64_t wanted;
	/*
	 * Written by the worker before it writes there: bytes below reserve - size may be overwritten.  A reader copies, then
	 * (load-acquire fence) checks lsn + size >= reserve.
	 */
	_Alignas(CACHE_LINE_PAIR) uint64_t reserve;
	/*
	 * Written by the worker: it wants the journal from its beginning through the replay ring.  A new value is a new request,
	 * which voids the one before.  0: never asked.
	 */
	_Alignas(CACHE_LINE_PAIR) uint64_t replay_wanted;
	/* Written by persistd: which request it is serving; the ring's cursors were reset before this was stored. */
	_Alignas(CACHE_LINE_PAIR) uint64_t replay_serving;
	/*
	 * Written by persistd: it wants a snapshot.  Each new value asks for one more; a worker that comes up takes what it finds
	 * for done, and one that has no room or dies leaves its snapshot without an end: who misses it asks again.
	 */
	uint64_t snapshot_wanted;
	struct ring_shared replay;
};

/*
 * A frame of the replay ring: op REPLAY_RECORD and the record, for PUBLISHED only its fixed part (attributes and body are
 * not needed to rebuild the tables); or op REPLAY_END and what follows it.  Before all others there may come the records of
 * one complete snapshot, from SNAPSHOT_BEGUN to SNAPSHOT_ENDED and nothing else, in frames REPLAY_SNAPSHOT; the
 * REPLAY_RECORDs behind them are then those above its SNAPSHOT_BEGUN.
 */
enum replay_op { REPLAY_RECORD = 1, REPLAY_END = 2, REPLAY_SNAPSHOT = 3 };

struct replay_end {
	struct frame_header header;
	uint64_t lsn;         /* where the stream goes on */
	uint64_t generation;  /* this cold start's number, 1.., durable: never repeats for a store */
	uint64_t is_clean;    /* the store was closed by a clean stop: leases stand */
};

/* The largest frame: a SETTLE batch, without bodies. */
#define REPLAY_FRAME_BYTES_MAX (64u << 10)
_Static_assert(sizeof(struct settled_record) + SETTLE_BATCH_MAX * sizeof(struct settled_item) + 16 <= REPLAY_FRAME_BYTES_MAX,
    "the largest record without a body fits into a replay frame");
_Static_assert(SNAPSHOT_RECORD_BYTES_MAX + 16 <= REPLAY_FRAME_BYTES_MAX, "a piece of a snapshot fits into a replay frame");

struct stream_geometry {
	uint64_t stream_bytes; /* powers of two */
	uint64_t replay_bytes;
};

struct stream {
	struct region region;
	struct stream_shared *shared;
	char *bytes;         /* mirrored stream ring */
	uint64_t size_bytes;
	char *replay_bytes;  /* mirrored; NULL for a frontd */
	uint64_t replay_size_bytes;
};

uint64_t stream_layout_hash(void);
size_t stream_size_bytes(const struct stream_geometry *geometry);

/* The supervisor's.  Sets tail = reserve = 0: a worker without a tail is cold and asks for a replay. */
int stream_create(const char *instance, uint32_t shard, const struct stream_geometry *geometry,
    const struct region_identity *store);

enum stream_user { STREAM_WORKER, STREAM_PERSIST, STREAM_FRONT };
int stream_attach(struct stream *stream, const char *instance, uint32_t shard, const struct stream_geometry *geometry,
    const struct region_identity *store, enum stream_user user);
void stream_detach(struct stream *stream);

static inline char *
stream_at(const struct stream *stream, uint64_t lsn)
{
	return stream->bytes + (lsn & (stream->size_bytes - 1));
}

/*
 * Copy `count` bytes at `lsn` into `to`.  False if they have been overwritten (ask persistd) or were never written.
 * Any number of readers at any time.
 */
bool stream_copy(const struct stream *stream, uint64_t lsn, void *to, uint32_t count);

#endif
