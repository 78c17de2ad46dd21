/*
 * record: one effect on one shard, as it stands in the stream ring and in the journal.  It states what happened (chosen
 * slots, computed deadlines), never what was asked, so that applying it needs no clock, no chance and no configuration.
 *
 * Records are 8-byte aligned and follow each other without gaps; lsn is the position of the first byte in the shard's
 * stream.  The last record of a transaction carries RECORD_LAST: the journal keeps or drops transactions whole.
 */
#ifndef SHM_RECORD_H
#define SHM_RECORD_H

#include <stdint.h>

#include "shm/frame.h"
#include "shm/image.h"
#include "shm/ops.h"
#include "shm/queue_config.h"

#define RECORD_LAST 1u

/* The first LSN of a stream: 0 means "no record". */
#define LSN_FIRST 4096u

struct record {
	uint32_t bytes;  /* whole, multiple of 8 */
	uint16_t type;   /* enum record_type */
	uint16_t flags;
	uint64_t lsn;
	uint64_t time_ms; /* broker time; never goes back in a shard */
};
_Static_assert(sizeof(struct record) == 24, "record header: format");

struct queue_created_record {
	struct record record;
	struct queue_config config;
	struct queue_name name;
	uint64_t etag;
	uint32_t queue_idx;
	uint32_t reserved;
	uint64_t owner;
};

struct queue_changed_record {
	struct record record;
	struct queue_config config;
	uint64_t etag;
	uint32_t queue_idx;
	uint32_t reserved;
	uint64_t owner;
};

/* QUEUE_DELETING, QUEUE_FREED, PURGE_ENDED */
struct queue_idx_record {
	struct record record;
	uint32_t queue_idx;
	uint32_t reserved;
};

struct published_record {
	struct record record;
	uint64_t seq;
	uint64_t visible_ms;       /* 0: ready at once */
	uint64_t payload_hash;     /* XXH3-64 of attributes and body: checked at every delivery */
	uint32_t queue_idx;
	uint32_t msg_idx;
	uint32_t attributes_bytes;
	uint32_t body_bytes;
	/* attributes, body, zero padding to 8 */
};
#define RECORD_PUBLISHED_BYTES 64u
_Static_assert(sizeof(struct published_record) == RECORD_PUBLISHED_BYTES, "published record: format");

struct leased_item {
	uint64_t seq;
	uint32_t msg_idx;
	uint32_t reserved;
};

struct leased_record {
	struct record record;
	uint64_t first_token;      /* item k has first_token + k */
	uint64_t lease_ends_ms;
	uint32_t queue_idx;
	uint32_t count;
	struct leased_item items[];
};

struct settled_item {
	uint64_t seq;
	uint64_t when_ms;          /* EXTENDED: lease ends; RELEASED: visible again (0 at once); else 0 */
	uint32_t msg_idx;
	uint8_t to_state;          /* RELEASED: enum msg_state: READY, DELAYED or DEAD */
	uint8_t counts_failure;    /* RELEASED: fail_count + 1 */
	uint8_t cause;             /* RELEASED: enum release_cause */
	uint8_t reserved;
};

enum release_cause { RELEASE_NACK, RELEASE_FAIL, RELEASE_EXPIRED, RELEASE_DUE };

/* ACKED, EXTENDED, RELEASED, REMOVED */
struct settled_record {
	struct record record;
	uint32_t queue_idx;
	uint32_t count;
	struct settled_item items[];
};

struct purge_begun_record {
	struct record record;
	uint64_t older_than_ms;
	uint64_t seq_below;        /* messages published later stay */
	uint32_t queue_idx;
	uint32_t states;
};

struct restarted_record {
	struct record record;
	uint64_t generation;       /* high 16 bits of lease tokens from now on */
};

/* USER_CREATED, USER_CHANGED: the whole user as he is from now on. */
struct user_record {
	struct record record;
	struct user_entry user;
};

struct user_deleted_record {
	struct record record;
	uint64_t uid;
};

struct credential_created_record {
	struct record record;
	struct credential_entry credential;
	uint32_t is_bootstrap;     /* 1: it is the one that the supervisor asked for (registry.h) */
	uint32_t reserved;
};

/* last_used_ms is the record's time. */
struct credential_touched_record {
	struct record record;
	uint64_t id;
};

struct credentials_removed_record {
	struct record record;
	uint32_t count;
	uint32_t reserved;
	uint64_t ids[];
};

struct grant_changed_record {
	struct record record;
	uint64_t uid;
	uint32_t queue_idx;
	uint32_t grant_idx;
	uint32_t rights;           /* 0: the grant is gone */
	uint32_t reserved;
};

/*
 * A snapshot is known by the LSN of its SNAPSHOT_BEGUN: the state is that of all records below it, and whoever loads it goes
 * on with the records above, those between BEGUN and ENDED included.  Each of its records is a transaction of its own.  It is
 * complete when ENDED is there and the images that came between, each of another slot, are as many as it says; a worker that
 * dies or has no room leaves one without an end, and the next SNAPSHOT_BEGUN takes its place.
 */
struct snapshot_begun_record {
	struct record record;
	struct image_root root;
};
_Static_assert(sizeof(struct snapshot_begun_record) == 216, "snapshot begun: format");

struct snapshot_images_record {
	struct record record;
	uint64_t begun_lsn;
	uint32_t count;            /* of images that follow */
	uint32_t reserved;
	/* struct image and its body, each a multiple of 8 */
};
_Static_assert(sizeof(struct snapshot_images_record) == 40, "snapshot images: format");

#define SNAPSHOT_RECORD_BYTES_MAX (32u << 10)

struct snapshot_ended_record {
	struct record record;
	uint64_t begun_lsn;
	uint64_t images;           /* in all SNAPSHOT_IMAGES of this snapshot */
};
_Static_assert(sizeof(struct snapshot_ended_record) == 40, "snapshot ended: format");

#endif
