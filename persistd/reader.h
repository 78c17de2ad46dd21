/*
 * reader: walks the batches of a journal in order, through segments and epochs, and says where the walk ends.  It does not
 * judge the end: whether that is the tail after a power cut or a hole is for loader.c.  Blocking reads into private memory;
 * one batch at a time.
 *
 * Who reads much at once reads past the page cache: a large direct read into huge pages is cut into many requests that the disk
 * has before it at the same time (about 2 GB/s where buffered reads with their read-ahead came to 0.55), and nothing is copied.
 */
#ifndef PERSISTD_READER_H
#define PERSISTD_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "persistd/batch.h"
#include "persistd/catalog.h"

enum reader_step {
	READER_BATCH,   /* the next one is in reader->header */
	READER_STOP,    /* stop_index is reached */
	READER_MISSING, /* the next one is not where it should be: reader->segment, offset, reason */
	READER_FAILED,  /* the disk refused to read; a diag was made */
};

struct reader {
	const struct store *store;
	const struct catalog *catalog;
	bool verifies_payload;
	uint32_t direct_bytes;         /* read so much at once past the page cache, where the file system can; 0: through
	                                  it.  Set before the first step */
	uint64_t stop_index;           /* go no further; may be raised by the caller between steps */

	uint64_t index;                /* of the batch read last, or after which the journal begins */
	uint64_t hash;                 /* its hash */
	uint64_t segment;              /* number of the segment that the next batch should be in */
	uint64_t offset;               /* and where */
	const char *reason;            /* READER_MISSING: what is wrong there */

	const struct batch_header *header; /* READER_BATCH: borrowed until the next step */
	uint64_t header_offset;        /* of that batch in segment header_segment */
	uint64_t header_segment;

	uint32_t entry;                /* of the catalog */
	uint64_t limit;                /* catalog_limit(entry), valid while the catalog has limit_count entries */
	uint32_t limit_count;
	int fd;
	bool is_direct;                /* fd */
	char *buffer;
	uint64_t buffer_offset;        /* what of the file it holds */
	uint64_t buffer_bytes;
	uint64_t buffer_stop;          /* stop_index when it was read: batches beyond were not durable yet */
};

#define READER_SLICE_BYTES (1u << 20)       /* what is read at once through the page cache */
#define READER_DIRECT_BYTES_MAX (16u << 20) /* larger ones are not faster */
#define READER_BUFFER_BYTES READER_DIRECT_BYTES_MAX /* taken as far as it is used */
_Static_assert(READER_BUFFER_BYTES >= BLOCK_ALIGN(BATCH_BYTES_MAX), "the largest batch fits into the buffer");

/* From the first segment on.  `catalog` may grow while reading.  0, or -1 without memory. */
int reader_open(struct reader *reader, const struct store *store, const struct catalog *catalog, bool verifies_payload);
/* Begin with that segment instead, which is begun.  Before the first step. */
void reader_begin_at(struct reader *reader, uint64_t segment);
void reader_close(struct reader *reader);

/*
 * Open a segment as this reader reads it, *is_direct says how; for its buffer, of which reader_slice_bytes() are to be read at once.
 * Descriptor, or -1 with errno.
 */
int reader_open_segment(const struct reader *reader, const struct segment_entry *entry, bool *is_direct);
uint32_t reader_slice_bytes(const struct reader *reader, bool is_direct);

/* At most one batch, and at most one read of direct_bytes, READER_SLICE_BYTES or a batch. */
enum reader_step reader_next(struct reader *reader);

/* The payload of the batch read last. */
static inline const char *
reader_payload(const struct reader *reader)
{
	return (const char *)reader->header + reader->header->header_bytes;
}

#endif
