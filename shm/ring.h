/*
 * ring: a stream of frames from one process to one other.  The producer may die at any instruction: what it was writing
 * lies beyond the tail and is never seen.  Tail has one writer, head the other.  Nothing blocks.
 *
 * Bytes lie in a mirrored mapping, so no frame wraps; frames are 8-byte aligned and begin with struct frame_header.
 * Cursors are 64-bit, free running.  A process keeps its own cursor in `struct ring` (private memory, or copied there from
 * its transaction); the shared ones are what the other side reads.
 *
 * Whoever commits cursors in a transaction (workerd) does not use ring_post()/ring_drop(): it sets the cursor word in its
 * shard, commits, and then mirrors it here with ring_mirror_tail()/ring_mirror_head().
 */
#ifndef SHM_RING_H
#define SHM_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/limits.h"

/* The two shared cursors; lies in a region. */
struct ring_shared {
	_Alignas(CACHE_LINE_PAIR) uint64_t tail; /* written by the producer */
	_Alignas(CACHE_LINE_PAIR) uint64_t head; /* written by the consumer */
};
_Static_assert(sizeof(struct ring_shared) == 2 * CACHE_LINE_PAIR, "ring cursors keep to their own lines");

/* Every frame begins so. */
struct frame_header {
	uint32_t bytes;     /* of the whole frame, a multiple of 8 */
	uint16_t op;        /* enum op in requests, enum outcome in replies */
	uint16_t flags;
	uint64_t id;        /* the requester's; comes back in the reply.  0: no reply is wanted */
};
_Static_assert(sizeof(struct frame_header) == 16, "frame header: format");

/* One process's view of one ring. */
struct ring {
	struct ring_shared *shared;
	char *bytes;       /* mirrored: bytes[0 .. 2*size_bytes) */
	uint64_t size_bytes;
	uint64_t tail;     /* producer: own tail; consumer: the tail last read */
	uint64_t head;     /* consumer: own head; producer: the head last read */
};

static inline char *
ring_at(const struct ring *ring, uint64_t position)
{
	return ring->bytes + (position & (ring->size_bytes - 1));
}

/* size_bytes is a power of two.  Both cursors are taken from the shared words. */
void ring_init(struct ring *ring, struct ring_shared *shared, void *mirrored_bytes, uint64_t size_bytes);

/* --- producer --- */

/* Bytes that may be written now; reads the consumer's head only when the last one read does not suffice for `wanted`. */
uint64_t ring_room(struct ring *ring, uint64_t wanted_bytes);

/*
 * After a ring_reserve() that gave NULL: the head last read is one that no consumer can have come to.  It has no room until it
 * takes that back; whoever can do without this consumer gives it up.
 */
static inline bool
ring_head_lies(const struct ring *ring)
{
	return ring->tail - ring->head > ring->size_bytes;
}

/*
 * Room for a frame of frame_bytes (multiple of 8, <= size), or NULL when the ring is full.  Borrowed until ring_post().
 * May be called again without posting: it gives the same place.
 */
void *ring_reserve(struct ring *ring, uint64_t frame_bytes);

/* Advance the private tail past a reserved frame; nothing is visible yet. */
void ring_push(struct ring *ring, uint64_t frame_bytes);

/* Make all pushed frames visible: one store-release for a batch. */
void ring_post(struct ring *ring);

/* Store-release `tail` as the shared tail (committed elsewhere). */
void ring_mirror_tail(struct ring *ring, uint64_t tail);

/* --- consumer --- */

enum ring_peek { RING_EMPTY, RING_FRAME, RING_LIES };

/*
 * Look at the next frame at the private head.  *header is a copy taken before it was validated: the producer may still
 * write to it.  *frame points at the frame itself (hostile bytes).  RING_LIES: the tail or the length is impossible; the
 * producer is broken or hostile and must be killed.  Frames are at least sizeof(struct frame_header) and at most
 * frame_bytes_max.
 */
enum ring_peek ring_peek(struct ring *ring, uint32_t frame_bytes_max, struct frame_header *header, const void **frame);

/* Step the private head over a frame; the producer does not see it yet. */
void ring_skip(struct ring *ring, uint32_t frame_bytes);

/* Give everything skipped back to the producer: one store-release. */
void ring_drop(struct ring *ring);

/* Store-release `head` as the shared head (committed elsewhere). */
void ring_mirror_head(struct ring *ring, uint64_t head);

#endif
