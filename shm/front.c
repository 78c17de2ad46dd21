#include "shm/front.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "shm/handed.h"
#include "shm/hash.h"

/* Where each ring of a front region lies. */
struct front_offsets {
	size_t request[WORKER_MAX];
	size_t reply[WORKER_MAX];
	size_t fetch;
	size_t body;
	size_t end;
};

static size_t
page_up(size_t bytes)
{
	return (bytes + 4095) & ~(size_t)4095;
}

static struct front_offsets
front_offsets(const struct front_geometry *geometry)
{
	struct front_offsets at = { .end = REGION_HEADER_BYTES + page_up(sizeof(struct front_shared)) };

	for (uint32_t w = 0; w < geometry->workers; w++) {
		at.request[w] = at.end;
		at.end += geometry->request_bytes;
		at.reply[w] = at.end;
		at.end += geometry->reply_bytes;
	}
	at.fetch = at.end;
	at.end += geometry->fetch_bytes;
	at.body = at.end;
	at.end += geometry->body_bytes;
	return at;
}

uint64_t
front_layout_hash(void)
{
	const uint64_t layout[] = { sizeof(struct front_shared), sizeof(struct fetch_request), sizeof(struct fetch_reply),
		sizeof(struct frame_header), WORKER_MAX, 1 /* version */ };

	return hash_bytes(layout, sizeof(layout));
}

size_t
front_size_bytes(const struct front_geometry *geometry)
{
	return front_offsets(geometry).end;
}

void
front_name(char name[64], uint32_t index, uint64_t epoch)
{
	snprintf(name, 64, "front.%u.%llu", index, (unsigned long long)epoch);
}

static struct region_identity
front_identity(const struct front_geometry *geometry, const struct region_identity *store, uint64_t epoch)
{
	struct region_identity identity = *store;

	identity.layout_hash = front_layout_hash();
	identity.geometry = hash_bytes(geometry, sizeof(*geometry));
	identity.epoch = epoch;
	return identity;
}

int
front_create(const char *instance, uint32_t index, uint64_t epoch, const struct front_geometry *geometry,
    const struct region_identity *store)
{
	struct region_identity identity = front_identity(geometry, store, epoch);
	char name[64];

	front_name(name, index, epoch);
	return region_create(instance, name, front_size_bytes(geometry), &identity);
}

int
front_attach(struct front *front, const char *instance, uint32_t index, uint64_t epoch,
    const struct front_geometry *geometry, const struct region_identity *store, int worker)
{
	struct region_identity identity = front_identity(geometry, store, epoch);
	struct front_offsets at = front_offsets(geometry);
	char name[64];

	memset(front, 0, sizeof(*front));
	front->geometry = *geometry;
	front_name(name, index, epoch);
	if (region_attach(&front->region, instance, name, &identity, REGION_READ_WRITE) != 0)
		return -1;
	front->shared = (struct front_shared *)((char *)front->region.base + REGION_HEADER_BYTES);

	for (uint32_t w = 0; w < geometry->workers; w++) {
		if (worker != FRONT_MAP_ALL && worker != (int)w)
			continue;
		front->request_bytes[w] =
		    region_map_mirrored(instance, name, at.request[w], geometry->request_bytes, REGION_READ_WRITE);
		front->reply_bytes[w] =
		    region_map_mirrored(instance, name, at.reply[w], geometry->reply_bytes, REGION_READ_WRITE);
		if (front->request_bytes[w] == NULL || front->reply_bytes[w] == NULL)
			goto fail;
	}
	if (worker == FRONT_MAP_ALL || worker == FRONT_MAP_FETCH) {
		front->fetch_bytes = region_map_mirrored(instance, name, at.fetch, geometry->fetch_bytes, REGION_READ_WRITE);
		front->body_bytes = region_map_mirrored(instance, name, at.body, geometry->body_bytes, REGION_READ_WRITE);
		if (front->fetch_bytes == NULL || front->body_bytes == NULL)
			goto fail;
	}
	handed_forget(name); /* it is mapped once */
	return 0;

fail:;
	int saved = errno;
	front_detach(front);
	errno = saved;
	return -1;
}

void
front_detach(struct front *front)
{
	for (uint32_t w = 0; w < front->geometry.workers; w++) {
		region_unmap_mirrored(front->request_bytes[w], front->geometry.request_bytes);
		region_unmap_mirrored(front->reply_bytes[w], front->geometry.reply_bytes);
	}
	region_unmap_mirrored(front->fetch_bytes, front->geometry.fetch_bytes);
	region_unmap_mirrored(front->body_bytes, front->geometry.body_bytes);
	region_detach(&front->region);
	memset(front, 0, sizeof(*front));
}
