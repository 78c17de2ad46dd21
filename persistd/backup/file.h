/*
 * file: every byte of a backup.  It is written and read from front to end, so it may be a file or a
 * pipe.
 *
 *   0      struct backup_header, alone in a block of 4 KiB
 *   4096   batch | padding | batch ...   verbatim as in the journal of one store (format.h), in order
 *   end    struct backup_end, alone in a block
 *
 * Invariants (backup_read_next() tests them)
 *   B1  The first batch goes on after header.continues_index; indices grow by one, each names the
 *       hash of the one before it (F1, F2), and ranges of a shard follow each other (F8, F11).
 *   B2  The end says how many batches there are and what the last one is, and its digest covers
 *       every byte before it, so that a backup that was cut off, altered or put together of two is
 *       seen.  Behind it there is nothing.
 *   B3  What has no end is no backup, whatever it is called.
 *
 * digest: XXH3-64 over {digest so far, XXH3-64 of the next piece}, 0 before the first; pieces are
 * the header's block and each batch with its padding.
 */
#ifndef PERSISTD_BACKUP_FILE_H
#define PERSISTD_BACKUP_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "persistd/format.h"
#include "persistd/records.h"

#define BACKUP_VERSION 1u
#define BACKUP_MAGIC 0x6b61626971736163ull     /* "casqibak" */
#define BACKUP_END_MAGIC 0x646e656971736163ull /* "casqiend" */

struct backup_header {
	uint64_t hash;            /*   0  over bytes 8..127 */
	uint64_t magic;           /*   8 */
	uint32_t version;         /*  16 */
	uint32_t store_version;   /*  20  of DIR/store: which records there may be */
	uint8_t store_uuid[16];   /*  24  of all batches */
	uint32_t shards;          /*  40 */
	uint32_t reserved;        /*  44 */
	uint64_t floor;           /*  48  first segment: above 1 where older ones were dropped */
	uint64_t epoch;           /*  56  as in `current` */
	uint64_t generation;      /*  64  as in `current` */
	uint64_t continues_index; /*  72 */
	uint64_t continues_hash;  /*  80 */
	uint64_t made_ms;         /*  88  wall clock */
	uint64_t reserved_2[4];   /*  96 */
};
_Static_assert(sizeof(struct backup_header) == 128, "backup header: format");
_Static_assert(offsetof(struct backup_header, made_ms) == 88, "backup header: format");

struct backup_end {
	uint64_t hash;            /*   0  over bytes 8..127 */
	uint64_t magic;           /*   8 */
	uint64_t batches;         /*  16 */
	uint64_t bytes;           /*  24  before this block */
	uint64_t digest;          /*  32  of them */
	uint64_t last_index;      /*  40  of the last batch, or continues_index */
	uint64_t last_hash;       /*  48 */
	uint64_t last_ms;         /*  56  broker time of the last batch; 0 without one */
	uint64_t reserved[8];     /*  64 */
};
_Static_assert(sizeof(struct backup_end) == 128, "backup end: format");
_Static_assert(offsetof(struct backup_end, last_ms) == 56, "backup end: format");

/* Where a backup that is written or read has come to: B1 and B2. */
struct backup_chain {
	struct backup_header header;
	struct backup_end end;         /* as it would have to be here; hash and magic are not set */
	uint64_t lsn[WORKER_MAX];      /* where each shard goes on; 0: not known yet */
	struct records records;
};

/* When it was begun, in UTC. */
void backup_made_text(const struct backup_header *header, char text[32]);

/* Sleep until so many bytes since begun_ns are no more than the rate; 0 is no rate. */
void backup_keep_rate(uint64_t begun_ns, uint64_t bytes, uint64_t bytes_per_second);

/* --- writing --- */

struct backup_writer {
	struct backup_chain chain;
	int fd;
	char *buffer;
	size_t buffered_bytes;
	size_t slice_bytes;            /* that go out at a time */
	uint64_t written_bytes;
	uint64_t bytes_per_second;     /* 0: as fast as it goes */
	uint64_t begun_ns;
};

/*
 * Begin one on fd, which is borrowed; if it is a file it may be opened for direct writes.  Hash,
 * magic and version of the header are filled in.  0, or -1 and a diag.
 */
int backup_write_begin(struct backup_writer *writer, int fd, const struct backup_header *header,
    uint64_t bytes_per_second);

/* The next batch, whole and with its padding.  May sleep for the rate.  0, or -1 and a diag. */
int backup_write_batch(struct backup_writer *writer, const struct batch_header *batch);

/* The end.  Nothing is synced.  0, or -1 and a diag. */
int backup_write_end(struct backup_writer *writer);

void backup_write_close(struct backup_writer *writer);

/* --- reading --- */

enum backup_step {
	BACKUP_BATCH,   /* reader->batch: verified, until the next step, may be written to */
	BACKUP_END,     /* it was whole */
	BACKUP_DAMAGED, /* reader->reason, at reader->chain.end.bytes */
	BACKUP_FAILED,  /* errno: the system refused to read */
};

struct backup_reader {
	struct backup_chain chain;
	int fd;
	char *buffer;
	struct batch_header *batch;
	const char *reason;
};

/* Read the header.  BACKUP_BATCH: go on with backup_read_next(). */
enum backup_step backup_read_begin(struct backup_reader *reader, int fd);
enum backup_step backup_read_next(struct backup_reader *reader);
void backup_read_close(struct backup_reader *reader);

#endif
