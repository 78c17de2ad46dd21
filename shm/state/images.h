/*
 * images: the slots of a shard's tables as images (shm/image.h), and back.  Which slots, when and
 * where to is the business of workerd/snapshot and workerd/load.
 *
 * All slots of all tables are numbered through, so that one map can say which of them were seen:
 * the messages first.
 */
#ifndef SHM_STATE_IMAGES_H
#define SHM_STATE_IMAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/image.h"
#include "shm/state/shard.h"

enum image_of {
	IMAGES_MESSAGES,
	IMAGES_QUEUES,
	IMAGES_GRANTS,
	IMAGES_USERS,
	IMAGES_CREDENTIALS,
	IMAGES_TABLES
};

/* One slot, of whatever table. */
union image_slot {
	struct msg msg;
	struct queue queue;
	struct grant grant;
	struct user user;
	struct credential credential;
};

/* The slots of one table below its high-water mark as of when this was taken. */
struct image_slots {
	char *first;
	uint32_t stride_bytes;
	uint32_t high;
	uint64_t number;           /* of slot 0 */
};

/* Of all tables, by enum image_of; returns how many slots lie below the marks. */
uint64_t image_slots_of(const struct shard *shard, struct image_slots slots[IMAGES_TABLES]);

/* How many numbers there are in a shard of this size. */
uint64_t image_numbers(const struct shard_geometry *geometry);

/* The largest image of a slot of this table. */
uint32_t image_bytes_max(enum image_of table);

/*
 * `slot` (the table's own, or a copy) as the image of slot idx, at most IMAGE_BYTES_MAX; returns
 * its size.
 */
uint32_t image_write(enum image_of table, uint32_t idx, const void *slot, void *to);

void image_root_write(const struct shard *shard, struct image_root *root);

/* --- back: into a formatted shard that is REPLAYING, by plain stores --- */

/* What is counted and the high-water marks.  False if it cannot be of a shard of this size. */
bool image_root_load(struct shard *shard, const struct image_root *root);

/*
 * Which slot it is of, the root being loaded: its table and *number.  False if kind, size or index
 * make no sense.  `image` is whole: its bytes are there.
 */
bool image_place(
    const struct shard *shard, const struct image *image, enum image_of *table, uint64_t *number);

/* Store it.  False if a value in it is out of bounds; image_place() said where it goes. */
bool image_load(struct shard *shard, const struct image *image);

/*
 * All slots below the marks are loaded: names, indices and timers are derived.  NULL, or why that
 * cannot be; jobs are the caller's, and shard_check() has the last word.
 */
const char *images_derive(struct shard *shard);

#endif
