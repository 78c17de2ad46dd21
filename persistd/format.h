/*
 * format: every byte that persistd puts on disk.  docs/format.md tells the same for people with a hex dump.
 *
 *   DIR/store                              text: "chasqui-store 3", uuid, shards, created; replaced atomically
 *   DIR/lock                               byte 0 is locked by the supervisor, 1 by persistd, 2 by backups (OFD)
 *   DIR/journal/current                    struct current_file: what has to exist; replaced atomically
 *   DIR/journal/0000000000000001.seg ...   segments, numbered without gaps from current.floor to current.highest
 *   DIR/journal/spare.N, used.N            waits to become a segment: zero-filled; one that was a segment before (spare.h)
 *   DIR/journal/starter                    zero-filled, the next epoch begins in it;  making.tmp, starter.tmp: not whole yet
 *
 * A segment is zero-filled before it gets its number, and then holds
 *
 *   0      segment header, alone in its 4 KiB block
 *   4096   batch | padding to 4 KiB | batch | padding | ... | zeros, or what a recycled file held before
 *
 * and a batch is
 *
 *   0      struct batch_header
 *   128    struct batch_range[ranges]
 *   header_bytes   payload: for each range its bytes, verbatim from the stream of its shard, whole transactions
 *   ...    zeros up to total_bytes, a multiple of 4 KiB
 *
 * Integers are little-endian (asserted below).  A hash is XXH3-64, seed 0, and stands first: it covers what follows it.
 *
 * Invariants (reader.c and loader.c test them and cite the number)
 *   F1  Batch indices grow by one, 1 being the first of a store, over all segments and epochs.
 *   F2  A batch names the hash of the batch before it; its own hash covers header, ranges and, by payload_hash, payload.
 *   F3  durable_index < index: the last batch that was acknowledged when this one was handed to the disk.  So batches after
 *       the durable_index of the last whole batch may be torn or missing, and no others.
 *   F4  A segment's header says after which batch it goes on.  The segments after it may say the same or more, unless they
 *       are of a newer epoch: then batches of older epochs beyond continues_index are void.
 *   F5  A segment's header is written with its first batch; only in the first segment of an epoch it is there before.  That
 *       one may be there before `current` knows its epoch, which no other epoch gets then; nothing in it counts yet.
 *   F6  All segments from current.floor to current.highest exist, and nothing is acknowledged in a segment before current
 *       says so on stable storage.  So a missing last segment is seen.
 *   F7  A segment that is begun is a file of segment_bytes, and all batches up to current.durable_index are whole.  So a
 *       journal that was cut off is seen, as far as that goes; after a clean stop it is the last batch.
 *   F8  Ranges of one shard follow each other without gap from LSN_FIRST (from the first batch kept, once segments are
 *       trimmed).  Those of batches of copies (BATCH_COPY) stand outside of this.
 *   F9  If current.floor is not 1, each shard has a complete snapshot (shm/record.h) in what is kept, and so are the records of
 *       all messages that have an image in it.  What stood in segments below the floor is needed by nobody.
 *   F10 A segment may be a recycled file: behind its batches lie old ones, whole and of this store.  None of them has the index,
 *       the previous hash and the epoch that the next batch would have (F1, F2, F4), and none is evidence (F3), for they
 *       were before the floor; an old header in it names another number.
 *   F11 A range of a batch of copies begins with the record of range.lsn.  It holds PUBLISHED records of its shard, verbatim, back to
 *       back but not of one piece: each names its own LSN, they ascend, and lie below where the stream of the shard stands.
 *       The newest copy of a record counts.
 */
#ifndef PERSISTD_FORMAT_H
#define PERSISTD_FORMAT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/limits.h"

#define FORMAT_VERSION 1u
#define BLOCK_BYTES 4096u
#define BLOCK_ALIGN(n) (((n) + BLOCK_BYTES - 1) & ~(uint64_t)(BLOCK_BYTES - 1))

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the journal is little-endian, and so are we");

#define SEGMENT_MAGIC 0x6765736971736163ull /* "casqiseg" */
#define BATCH_MAGIC 0x7461626971736163ull   /* "casqibat" */
#define CURRENT_MAGIC 0x7275636971736163ull /* "casqicur" */

struct segment_header {
	uint64_t hash;            /*   0  over bytes 8..127 */
	uint64_t magic;           /*   8 */
	uint32_t version;         /*  16 */
	uint32_t reserved;        /*  20 */
	uint8_t store_uuid[16];   /*  24 */
	uint64_t number;          /*  40  also its file name */
	uint64_t epoch;           /*  48  of all its batches */
	uint64_t continues_index; /*  56  its first batch is the one after this */
	uint64_t continues_hash;  /*  64  0 before the first batch of a store */
	uint64_t durable_index;   /*  72  acknowledged when this header was handed to the disk */
	uint64_t segment_bytes;   /*  80  of the file */
	uint64_t time_ms;         /*  88  broker time */
	uint64_t reserved_2[4];   /*  96 */
};
_Static_assert(sizeof(struct segment_header) == 128, "segment header: format");
_Static_assert(offsetof(struct segment_header, time_ms) == 88, "segment header: format");

enum batch_flags {
	BATCH_CLEAN = 1,   /* a clean stop: no ranges, and everything before it is durable */
	BATCH_WITNESS = 2, /* no ranges: written when the journal fell idle, to say that what is before it was acknowledged */
	BATCH_COPY = 4,    /* records that were copied forward (F11) */
};

struct batch_header {
	uint64_t hash;            /*   0  over bytes 8..header_bytes-1: the batch's name in the chain */
	uint64_t magic;           /*   8 */
	uint16_t version;         /*  16 */
	uint16_t flags;           /*  18  enum batch_flags */
	uint32_t ranges;          /*  20  0..WORKER_MAX */
	uint8_t store_uuid[16];   /*  24 */
	uint64_t epoch;           /*  40 */
	uint64_t index;           /*  48 */
	uint64_t durable_index;   /*  56 */
	uint64_t time_ms;         /*  64  broker time */
	uint64_t previous_hash;   /*  72 */
	uint64_t payload_hash;    /*  80  over payload_bytes */
	uint32_t header_bytes;    /*  88  with the ranges; multiple of 8 */
	uint32_t payload_bytes;   /*  92  multiple of 8 */
	uint32_t total_bytes;     /*  96  multiple of 4096 */
	uint32_t reserved;        /* 100 */
	uint64_t reserved_2[3];   /* 104 */
};
_Static_assert(sizeof(struct batch_header) == 128, "batch header: format");
_Static_assert(offsetof(struct batch_header, header_bytes) == 88, "batch header: format");

struct batch_range {
	uint64_t lsn;   /* of the first byte; the first byte of a record (F11: of the first one) */
	uint32_t bytes; /* multiple of 8, never 0 */
	uint32_t shard;
};
_Static_assert(sizeof(struct batch_range) == 16, "batch range: format");

#define BATCH_HEADER_BYTES_MAX (sizeof(struct batch_header) + WORKER_MAX * sizeof(struct batch_range))
_Static_assert(BATCH_HEADER_BYTES_MAX <= BLOCK_BYTES, "one read of a block gets every batch header whole");
_Static_assert(BATCH_HEADER_BYTES_MAX + TXN_RECORD_BYTES_MAX <= BATCH_BYTES_MAX, "the largest transaction fits into a batch");

/* DIR/journal/current */
struct current_file {
	uint64_t hash;          /*   0  over bytes 8..127 */
	uint64_t magic;         /*   8 */
	uint32_t version;       /*  16 */
	uint32_t reserved;      /*  20 */
	uint8_t store_uuid[16]; /*  24 */
	uint64_t epoch;         /*  40  of the last persistd that opened the journal */
	uint64_t floor;         /*  48  lowest segment that has to exist */
	uint64_t highest;       /*  56  highest segment that has to exist; floor - 1: none */
	uint64_t generation;    /*  64  counts cold starts */
	uint64_t durable_index; /*  72  a batch that was acknowledged when this was written, with all before it; 0: not known */
	uint64_t reserved_2[6]; /*  80 */
};
_Static_assert(sizeof(struct current_file) == 128, "current: format");
_Static_assert(offsetof(struct current_file, durable_index) == 72, "current: format");

/* Smallest segment: the header, and the largest batch with room to spare.  A new epoch begins with one of this size. */
#define SEGMENT_BYTES_MIN (8ull << 20)
_Static_assert(BLOCK_BYTES + BLOCK_ALIGN(BATCH_BYTES_MAX) <= SEGMENT_BYTES_MIN, "a segment holds the largest batch");

/* Batches in flight at most; as many may have to be rewritten at a cold start. */
#define IN_FLIGHT_MAX 8u

#define SEGMENT_NAME_FORMAT "%016" PRIu64 ".seg"
#define SEGMENT_NAME_BYTES 32

#endif
