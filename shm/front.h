/*
 * front: region front.I.E, the rings of frontd I in its incarnation E.  New for every incarnation: nobody ever resets a
 * cursor.  For each worker a request ring (frontd -> worker) and a reply ring (worker -> frontd); for persistd a fetch ring
 * (frontd -> persistd) and a body ring (persistd -> frontd).
 *
 *   header page | struct front_shared (cursors) | rings, each at a page boundary, mapped twice
 *
 * Rights: frontd I, workers and persistd read and write it; nobody else.
 */
#ifndef SHM_FRONT_H
#define SHM_FRONT_H

#include <stdint.h>

#include "shm/region.h"
#include "shm/ring.h"

struct front_pair {
	struct ring_shared request;
	struct ring_shared reply;
};

struct front_shared {
	struct front_pair worker[WORKER_MAX];
	struct ring_shared fetch; /* frontd -> persistd: struct fetch_request */
	struct ring_shared body;  /* persistd -> frontd: struct fetch_reply */
};

/* Sizes, all powers of two >= 4096. */
struct front_geometry {
	uint32_t workers;
	uint32_t request_bytes;
	uint32_t reply_bytes;
	uint32_t fetch_bytes;
	uint32_t body_bytes;
};

/* Ask for the bytes of one record (header, attributes, body) that has left the stream ring. */
struct fetch_request {
	struct frame_header header; /* op 0; id comes back */
	uint64_t lsn;
	uint32_t shard;
	uint32_t record_bytes;      /* <= FETCH_BYTES_MAX */
};

/* OUTCOME_OK and the bytes, or MESSAGE_CORRUPT / NOT_FOUND / INTERNAL without. */
struct fetch_reply {
	struct frame_header header; /* op = enum outcome */
	uint32_t record_bytes;
	uint32_t reserved;
	char bytes[];
};

struct front {
	struct region region;
	struct front_shared *shared;
	struct front_geometry geometry;
	void *request_bytes[WORKER_MAX]; /* mirrored mappings; NULL where not mapped */
	void *reply_bytes[WORKER_MAX];
	void *fetch_bytes;
	void *body_bytes;
};

uint64_t front_layout_hash(void);
size_t front_size_bytes(const struct front_geometry *geometry);

/* "front.I.E" into name[64]. */
void front_name(char name[64], uint32_t index, uint64_t epoch);

/* The supervisor's: make the region.  0, or -1 and a diag.  identity: uuid and boot id of the store; the rest is filled in. */
int front_create(const char *instance, uint32_t index, uint64_t epoch, const struct front_geometry *geometry,
    const struct region_identity *store);

/*
 * Map it.  `worker` >= 0: only that worker's pair (workers); FRONT_MAP_ALL: everything (frontd); FRONT_MAP_FETCH: only the
 * fetch and body rings (persistd).  0, or -1 with errno as region_attach().
 */
#define FRONT_MAP_ALL (-1)
#define FRONT_MAP_FETCH (-2)
int front_attach(struct front *front, const char *instance, uint32_t index, uint64_t epoch,
    const struct front_geometry *geometry, const struct region_identity *store, int worker);
void front_detach(struct front *front);

#endif
