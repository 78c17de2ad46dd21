/*
 * append: records at the end of the stream ring.  What is written lies beyond the tail until the transaction commits, so it
 * needs no undo; only stream_tail in the root is logged.
 */
#ifndef WORKERD_APPEND_H
#define WORKERD_APPEND_H

#include "shm/record.h"
#include "workerd/worker.h"

/* Bytes that may be written without touching what is not durable yet. */
uint64_t append_room(struct worker *worker, uint64_t wanted_bytes);

/* True if records of so many bytes fit.  If not, the turn counts as blocked. */
bool append_fits(struct worker *worker, uint64_t bytes);

/*
 * Where the next record goes, its header filled in but for `bytes`.  The caller has asked append_fits().  At most bytes_max
 * are written by the caller; append_end() says how many.
 */
void *append_begin(struct worker *worker, enum record_type type, uint32_t bytes_max);

/* It is whole: a multiple of 8.  RECORD_LAST in flags ends the transaction's records. */
void append_end(struct worker *worker, void *record, uint32_t bytes, uint16_t flags);

/* Room that a publish must leave, so that settling goes on while the disk is slow. */
static inline uint64_t
append_reserve_bytes(const struct worker *worker)
{
	return worker->stream.size_bytes / 4;
}

#endif
