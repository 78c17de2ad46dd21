#include "shm/stream.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "shm/atomic.h"
#include "shm/hash.h"

#define STREAM_SHARED_BYTES 4096
_Static_assert(sizeof(struct stream_shared) <= STREAM_SHARED_BYTES, "the cursors take one page");

uint64_t
stream_layout_hash(void)
{
	const uint64_t layout[] = { sizeof(struct stream_shared), offsetof(struct stream_shared, wanted),
		offsetof(struct stream_shared, snapshot_wanted), sizeof(struct record), sizeof(struct published_record),
		sizeof(struct replay_end), RECORD_TYPE_COUNT, 1 /* version */ };

	return hash_bytes(layout, sizeof(layout));
}

size_t
stream_size_bytes(const struct stream_geometry *geometry)
{
	return REGION_HEADER_BYTES + STREAM_SHARED_BYTES + geometry->stream_bytes + geometry->replay_bytes;
}

static struct region_identity
stream_identity(const struct stream_geometry *geometry, const struct region_identity *store)
{
	struct region_identity identity = *store;

	identity.layout_hash = stream_layout_hash();
	identity.geometry = hash_bytes(geometry, sizeof(*geometry));
	identity.epoch = 0;
	return identity;
}

int
stream_create(const char *instance, uint32_t shard, const struct stream_geometry *geometry,
    const struct region_identity *store)
{
	struct region_identity identity = stream_identity(geometry, store);
	char name[64];

	snprintf(name, sizeof(name), "stream.%u", shard);
	return region_create(instance, name, stream_size_bytes(geometry), &identity);
}

int
stream_attach(struct stream *stream, const char *instance, uint32_t shard, const struct stream_geometry *geometry,
    const struct region_identity *store, enum stream_user user)
{
	struct region_identity identity = stream_identity(geometry, store);
	enum region_access access = user == STREAM_FRONT ? REGION_READ_ONLY : REGION_READ_WRITE;
	size_t at = REGION_HEADER_BYTES + STREAM_SHARED_BYTES;
	char name[64];

	memset(stream, 0, sizeof(*stream));
	stream->size_bytes = geometry->stream_bytes;
	stream->replay_size_bytes = geometry->replay_bytes;
	snprintf(name, sizeof(name), "stream.%u", shard);
	if (region_attach(&stream->region, instance, name, &identity, access) != 0)
		return -1;
	stream->shared = (struct stream_shared *)((char *)stream->region.base + REGION_HEADER_BYTES);
	/* persistd writes only the replay side of the region: its view of the records is read-only. */
	stream->bytes = region_map_mirrored(instance, name, at, geometry->stream_bytes,
	    user == STREAM_WORKER ? REGION_READ_WRITE : REGION_READ_ONLY);
	if (stream->bytes == NULL)
		goto fail;
	if (user != STREAM_FRONT) {
		stream->replay_bytes = region_map_mirrored(instance, name, at + geometry->stream_bytes, geometry->replay_bytes,
		    REGION_READ_WRITE);
		if (stream->replay_bytes == NULL)
			goto fail;
	}
	return 0;

fail:;
	int saved = errno;
	stream_detach(stream);
	errno = saved;
	return -1;
}

void
stream_detach(struct stream *stream)
{
	region_unmap_mirrored(stream->bytes, stream->size_bytes);
	region_unmap_mirrored(stream->replay_bytes, stream->replay_size_bytes);
	region_detach(&stream->region);
	memset(stream, 0, sizeof(*stream));
}

bool
stream_copy(const struct stream *stream, uint64_t lsn, void *to, uint32_t count)
{
	assert(count <= stream->size_bytes);

	/* The records below tail are whole.  Pairs with the worker's store_release of tail. */
	if (lsn + count > load_acquire(&stream->shared->tail))
		return false;
	if (lsn + stream->size_bytes < load_relaxed(&stream->shared->reserve))
		return false;
	memcpy(to, stream_at(stream, lsn), count);
	/*
	 * If any byte copied was already a newer one, the reserve cursor that was stored before it is visible now.  Pairs with
	 * the fence_release() between the worker's store of reserve and its writes.
	 */
	fence_acquire();
	return lsn + stream->size_bytes >= load_relaxed(&stream->shared->reserve);
}
