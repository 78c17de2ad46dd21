/*
 * image: one slot of a shard's tables as it stood at a moment, as a snapshot in the stream and the
 * journal holds it (workerd/snapshot).  A format of its own, not the slot's bytes: the tables may
 * be laid out anew, what is on disk may not.
 *
 * In it is what cannot be derived: of a used slot what it says and its place in its list, of a free
 * one its place in the free list and, of a message, the tombstone.  Waiters, fronts, jobs, wheels,
 * indices and the serve list follow from the rest or are empty after a cold start.
 */
#ifndef SHM_IMAGE_H
#define SHM_IMAGE_H

#include <stdint.h>

#include "shm/people.h"
#include "shm/queue_config.h"

/* Values are on disk: appended to, never renumbered. */
enum image_kind {
	IMAGE_NONE,
	IMAGE_MESSAGE,
	IMAGE_MESSAGE_FREE,
	IMAGE_QUEUE,
	IMAGE_QUEUE_FREE,
	IMAGE_GRANT,
	IMAGE_GRANT_FREE,
	IMAGE_USER,
	IMAGE_USER_FREE,
	IMAGE_CREDENTIAL,
	IMAGE_CREDENTIAL_FREE,
	IMAGE_KIND_COUNT
};

/* Indices of slots; UINT32_MAX: none. */
struct image_link {
	uint32_t prev, next;
};

struct image_list {
	uint32_t head, tail;
	uint32_t count;
	uint32_t reserved;
};

/*
 * Slots that were ever used (those at or above `high` have no image), and the free ones among them.
 */
struct image_table {
	struct image_list free;
	uint32_t high;
	uint32_t reserved;
};
_Static_assert(sizeof(struct image_table) == 24, "image of a table: format");

/* What is said once: in SNAPSHOT_BEGUN. */
struct image_root {
	uint64_t next_seq;
	uint64_t lease_counter;
	uint64_t now_ms;
	uint64_t user_counter;
	uint64_t credential_counter;
	uint64_t bootstrap_hash[4];
	struct image_table messages, queues, grants, users, credentials;
};
_Static_assert(sizeof(struct image_root) == 192, "image of the root: format");

/* Each image begins so, 8-byte aligned. */
struct image {
	uint16_t kind;   /* enum image_kind */
	uint16_t bytes;  /* whole, a multiple of 8 */
	uint32_t idx;    /* slot in its table */
};
_Static_assert(sizeof(struct image) == 8, "image header: format");

struct image_message {
	struct image image;
	uint64_t seq;
	uint64_t lsn;              /* of its PUBLISHED record: the body stays there */
	uint64_t enqueued_ms;
	uint64_t since_ms;
	uint64_t first_delivered_ms;
	uint64_t token;
	uint64_t due_ms;           /* LEASED, DELAYED: its timer; else 0 */
	struct image_link link;
	uint32_t queue_idx;
	uint32_t attributes_bytes;
	uint32_t body_bytes;
	uint32_t fail_count;
	uint32_t acquire_count;
	uint8_t state;             /* enum msg_state but FREE */
	uint8_t reserved[3];
};
_Static_assert(sizeof(struct image_message) == 96, "image of a message: format");

struct image_message_free {
	struct image image;
	uint64_t token;
	struct image_link link;
	uint32_t queue_idx;
	uint8_t flags;             /* MSG_ACKED: a tombstone */
	uint8_t reserved[3];
};
_Static_assert(sizeof(struct image_message_free) == 32, "image of a free message: format");

/* QUEUE_FREE, GRANT_FREE, USER_FREE, CREDENTIAL_FREE */
struct image_free {
	struct image image;
	struct image_link link;
};
_Static_assert(sizeof(struct image_free) == 16, "image of a free slot: format");

/* Lists of messages in a queue's image, in this order: READY, LEASED, DELAYED, DEAD. */
#define IMAGE_QUEUE_LISTS 4

struct image_queue {
	struct image image;
	struct queue_name name;
	uint64_t owner;
	struct queue_config config;
	uint64_t etag;
	uint64_t created_ms;
	uint64_t bytes;
	uint64_t purge_seq_below;
	uint64_t purge_older_than_ms;
	uint64_t published, delivered, acked, expired, released, failed, removed;
	struct image_list lists[IMAGE_QUEUE_LISTS];
	struct image_list grants;
	uint32_t return_hint;
	uint32_t purge_states;
	uint8_t state;             /* enum queue_state: LIVE or DELETING */
	uint8_t reserved[7];
};
_Static_assert(sizeof(struct image_queue) == 368, "image of a queue: format");

struct image_grant {
	struct image image;
	uint64_t uid;
	struct image_link link;
	uint32_t queue_idx;
	uint32_t rights;
};
_Static_assert(sizeof(struct image_grant) == 32, "image of a grant: format");

struct image_user {
	struct image image;
	struct user_entry entry;
};
_Static_assert(sizeof(struct image_user) == 832, "image of a user: format");

struct image_credential {
	struct image image;
	struct credential_entry entry;
};
_Static_assert(sizeof(struct image_credential) == 696, "image of a credential: format");

#define IMAGE_BYTES_MAX 832u

#endif
