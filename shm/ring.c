#include "shm/ring.h"

#include <assert.h>

#include "shm/atomic.h"

void
ring_init(struct ring *ring, struct ring_shared *shared, void *mirrored_bytes, uint64_t size_bytes)
{
	assert(size_bytes != 0);
	assert((size_bytes & (size_bytes - 1)) == 0);

	*ring = (struct ring){ .shared = shared, .bytes = mirrored_bytes, .size_bytes = size_bytes };
	/* Pairs with the release stores of both sides: frames up to tail are readable. */
	ring->tail = load_acquire(&shared->tail);
	ring->head = load_acquire(&shared->head);
}

uint64_t
ring_room(struct ring *ring, uint64_t wanted_bytes)
{
	uint64_t used = ring->tail - ring->head;

	if (used > ring->size_bytes || ring->size_bytes - used < wanted_bytes) {
		/* The consumer has finished reading what lies before head.  Pairs with ring_drop(), ring_mirror_head(). */
		ring->head = load_acquire(&ring->shared->head);
		used = ring->tail - ring->head;
	}
	/* A head beyond the tail or far behind it is the consumer's lie: it has no room then. */
	return ring_head_lies(ring) ? 0 : ring->size_bytes - used;
}

void *
ring_reserve(struct ring *ring, uint64_t frame_bytes)
{
	assert(frame_bytes % 8 == 0);
	assert(frame_bytes <= ring->size_bytes);

	if (ring_room(ring, frame_bytes) < frame_bytes)
		return NULL;
	return ring_at(ring, ring->tail);
}

void
ring_push(struct ring *ring, uint64_t frame_bytes)
{
	assert(frame_bytes % 8 == 0);
	assert(frame_bytes <= ring->size_bytes);

	ring->tail += frame_bytes;
}

void
ring_post(struct ring *ring)
{
	/* The frames' bytes become visible before the tail that reveals them.  Pairs with ring_peek(). */
	store_release(&ring->shared->tail, ring->tail);
}

void
ring_mirror_tail(struct ring *ring, uint64_t tail)
{
	assert(tail >= ring->tail || ring->tail - tail > ring->size_bytes);

	ring->tail = tail;
	ring_post(ring);
}

enum ring_peek
ring_peek(struct ring *ring, uint32_t frame_bytes_max, struct frame_header *header, const void **frame)
{
	if (ring->tail == ring->head) {
		/* The frame's bytes are read after the tail that reveals them.  Pairs with ring_post(). */
		ring->tail = load_acquire(&ring->shared->tail);
		if (ring->tail == ring->head)
			return RING_EMPTY;
	}
	uint64_t posted = ring->tail - ring->head;
	if (posted > ring->size_bytes || posted < sizeof(*header))
		return RING_LIES;

	const struct frame_header *seen = (const struct frame_header *)ring_at(ring, ring->head);
	/* Each field is read once: the producer may change it between two looks. */
	header->bytes = load_relaxed(&seen->bytes);
	header->op = load_relaxed(&seen->op);
	header->flags = load_relaxed(&seen->flags);
	header->id = load_relaxed(&seen->id);
	if (header->bytes < sizeof(*header) || header->bytes % 8 != 0)
		return RING_LIES;
	if (header->bytes > posted || header->bytes > frame_bytes_max)
		return RING_LIES;
	*frame = seen;
	return RING_FRAME;
}

void
ring_skip(struct ring *ring, uint32_t frame_bytes)
{
	assert(frame_bytes <= ring->tail - ring->head);

	ring->head += frame_bytes;
}

void
ring_drop(struct ring *ring)
{
	/* Our reads of the frames happen before the producer may overwrite them.  Pairs with ring_room(). */
	store_release(&ring->shared->head, ring->head);
}

void
ring_mirror_head(struct ring *ring, uint64_t head)
{
	ring->head = head;
	ring_drop(ring);
}
