/*
 * backend: where batches are kept.  `file` (backend_file) is the only one yet; a replicated log would be another, so the
 * journal knows no files: an append is conditional on epoch and index, what is stored is found out by resolve, and trimming
 * is an explicit call.
 *
 * All calls come from the one thread of persistd.  Completions of what was queued come through the ring of disk.h.
 */
#ifndef PERSISTD_BACKEND_H
#define PERSISTD_BACKEND_H

#include <stdbool.h>
#include <stdint.h>

#include "persistd/batch.h"
#include "persistd/journal_position.h"
#include "persistd/loader.h"
#include "persistd/snapshots.h"

struct backend;

/* How a journal is opened: what to go on from. */
struct backend_open {
	const struct journal_position *warm; /* where acknowledgement stood, known from shared memory; NULL: cold */
	uint64_t epoch_min;                  /* the new epoch is at least this */
	uint64_t time_ms;
	struct snapshots *snapshots;         /* borrowed: what is found is put there, and what is dropped taken out */
};

/* How it was found. */
struct backend_opened {
	struct journal_position position;    /* behind everything that is stored and durable now */
	uint64_t epoch;                      /* ours */
	uint64_t rewritten;                  /* batches that were written again because they may only have been in a cache */
	bool is_clean;                       /* cold: the last batch was the marker of a clean stop */
};

enum backend_append {
	BACKEND_SUBMITTED, /* a completion {DISK_COMMIT, flight} follows */
	BACKEND_WAIT,      /* no room yet: offer it again after a completion or a second */
};

enum backend_fetch {
	BACKEND_HERE,      /* *here are the bytes, until the next call */
	BACKEND_FETCHING,  /* a completion {DISK_FETCH, number} follows */
	BACKEND_COMING,    /* a read that brings them is under way: ask again when something has completed */
	BACKEND_LATER,     /* the index is not complete yet: ask again */
	BACKEND_NONE,      /* no batch holds these bytes */
	BACKEND_FAILED,    /* a batch does, but it cannot be got at now; after a diag */
};

/* Reads of fetch() under way at most: those for frontds (fetch.h) and the cleaner's. */
#define BACKEND_FETCHES 17

struct backend_range {
	uint64_t lsn;
	uint32_t shard;
	uint32_t bytes;
};

struct backend_ops {
	/*
	 * Find what is stored, judge its end (resolve), fence off older writers (acquire a new epoch).  0, or after a diag an
	 * exit code of store.h.
	 */
	int (*open)(struct backend *backend, const struct backend_open *open, struct backend_opened *opened);

	/*
	 * Queue a sealed batch of this epoch; batches come in order of index.  The batch is borrowed until the
	 * completion; its queued_bytes say what that has to report.
	 */
	enum backend_append (*append)(struct backend *backend, struct batch *batch, uint32_t flight);

	/*
	 * Read batches in order from the beginning of a segment (0: the first one kept).  0, or -1 and a diag.  Nothing is
	 * dropped until read_end(), which closes the reader.
	 */
	int (*read)(struct backend *backend, struct reader *reader, uint64_t segment);
	void (*read_end)(struct backend *backend, struct reader *reader);

	/* This batch, which was queued as that flight, and all before it are durable. */
	void (*landed)(struct backend *backend, const struct batch *batch, uint32_t flight);

	/* Where such a range lies; false if that is not known. */
	bool (*locate)(struct backend *backend, const struct backend_range *range, struct lsn_location *at);

	/*
	 * The stream bytes [lsn, lsn + bytes) of a shard: here, or a read of them into private memory is queued, as {DISK_FETCH,
	 * number} with a number below BACKEND_FETCHES that is not under way.
	 */
	enum backend_fetch (*fetch)(struct backend *backend, uint32_t number, const struct backend_range *range, void *to,
	    const char **here);

	/* The read that was queued as `number` is over; until then its segment is not dropped. */
	void (*fetched)(struct backend *backend, uint32_t number);

	/* A completion {DISK_WINDOW, number}. */
	void (*window_completed)(struct backend *backend, uint32_t number, int32_t result);

	/*
	 * Segments below `floor`, which has batches, are not needed any more; durable_index is known to be durable.  Begins to drop
	 * them, if nobody reads: step() and completed() go on with it.
	 */
	void (*trim)(struct backend *backend, uint64_t floor, uint64_t durable_index);

	/* A little background work, if some is due.  1: did something; 0: nothing to do; -1: failed, after a diag. */
	int (*step)(struct backend *backend, uint64_t now_ns);

	/* A completion {DISK_SPARE}.  0, or -1 after a diag. */
	int (*completed)(struct backend *backend, int32_t result, uint64_t now_ns);

	/* How long step() may wait, in ns. */
	uint64_t (*due_ns)(const struct backend *backend, uint64_t now_ns);

	/* How much can be appended before another segment has to be made. */
	uint64_t (*room_bytes)(const struct backend *backend);

	/* What a segment takes of the disk. */
	uint64_t (*file_bytes)(const struct backend *backend, uint64_t segment);

	/* Only reserved space is left. */
	bool (*is_full)(const struct backend *backend);

	/*
	 * A clean stop: all batches up to durable_index have to be found from now on.  False: not now, ask again.  Where it cannot
	 * be written down a diag says so: the journal is whole all the same.
	 */
	bool (*seal)(struct backend *backend, uint64_t durable_index);

	/* A number for a cold start of one shard, never given before; durable on return.  0: not now, ask again. */
	uint64_t (*new_generation)(struct backend *backend);

	void (*close)(struct backend *backend);
};

struct backend {
	const struct backend_ops *ops;
	const uint8_t *store_uuid;
	bool reads_direct;         /* whoever reads much may do so past the page cache */
	uint32_t shards;
	uint64_t generation;       /* of the last cold start */
	uint64_t segment;          /* being written, for the operator */
	uint64_t segment_bytes;    /* of those that are made */
	uint64_t segments_opened;
	uint64_t segments_dropped;
	uint64_t segments_kept;    /* of the journal, the one being written included */
	uint64_t ready_bytes;      /* prepared to be written */
	uint64_t ready_wanted_bytes; /* as much as there is going to be when nothing else has to be done */
};

#endif
