/*
 * spare: makes segments ahead of their use, in slices, so that no commit ever waits for one to be zero-filled, renamed or
 * written into `current`; nor does a successor.  One operation is under way at a time, through the ring.
 *
 *   IDLE --spares_step()--> ALLOCATING -> FILLING ... FILLING -> SYNCING -> NAMING -> IDLE        one spare more, or the starter
 *   IDLE --spares_step()--> NUMBERING -> DIRECTORY -> CURRENT_WRITING -> CURRENT_SYNCING ->
 *                           CURRENT_RENAMING -> CURRENT_DIRECTORY -> IDLE                         `next` is ready
 *   IDLE --spares_step(), after spares_write_current()--> CURRENT_WRITING -> ... -> IDLE           `floor` is on the disk
 *   IDLE --spares_drop()--> RECYCLING -> IDLE                                       a segment below it is a spare again
 *   IDLE --spares_drop()--> REMOVING -> IDLE                                                            or is removed
 *   IDLE --spares_step()--> FREEING -> IDLE                                                       blocks of a removed file
 *   any --spares_completed(ENOSPC)--> IDLE or CURRENT_WAITING, and again after a second
 *   any --spares_completed(another error)--> BROKEN
 *
 * Why zero-filled and not only allocated: a write into allocated, unwritten blocks has to change the file's map too, which
 * doubles the time of a commit (98-116 us against 202-265 us, 4 KiB, ext4).
 *
 * A spare gets its number before it is needed: `next` is the file that the journal goes on in, complete with its directory
 * entry and with `current` saying that it must exist (F6), so that to change over costs nothing.
 *
 * A segment that is no longer needed becomes a spare as it is, with its old batches: nothing has to be zero-filled, and none of
 * them can be taken for a new one (reader.c: epoch, index and chain; catalog.c: number).  But only one that this process began:
 * a write of a dead predecessor may land in its files at any time yet, and there is no asking for how long.  In an unlinked
 * file it does no harm.
 *
 * What a successor may use: a file is called making.tmp until it is zero-filled and synced, so nothing of a dead process is
 * still on its way into one that is called spare.N or starter.  Into `next`, the segments and used.N, which was one, something
 * may be.  After a reboot, when names may have come back in any state, none of them is used.
 */
#ifndef PERSISTD_SPARE_H
#define PERSISTD_SPARE_H

#include <stdbool.h>
#include <stdint.h>

#include "persistd/catalog.h"
#include "persistd/disk.h"
#include "persistd/store.h"

#define SPARE_MAX 64
/* So many more than were asked for stay as spares when segments are dropped, which happens to several at once. */
#define SPARE_RECYCLED 4u
#define SPARE_NAME_BYTES 32
#define DISCARDS_MAX 16

/* The file that the next epoch is going to begin in: zeros, synced, SEGMENT_BYTES_MIN. */
#define STARTER_READY "starter"
/* The one that an epoch is just beginning in. */
#define STARTER_TAKEN "starter.tmp"
/* What is not zero-filled yet. */
#define MAKING_NAME "making.tmp"
/* Segments that were dropped: spares for who wrote them. */
#define USED_PREFIX "used."

/* An open segment, or a file that will be one. */
struct segment_file {
	int fd;                /* -1: none */
	uint64_t number;       /* 0: none yet */
	uint64_t bytes;
	uint64_t used_bytes;   /* where the next batch goes */
	uint64_t serial;       /* of its name spare.N or used.N, before it has a number */
	bool was_used;         /* was a segment before, of this process */
};

struct spare_options {
	uint64_t segment_bytes;
	uint32_t spare_segments; /* how many to keep beside `next` */
	enum disk_direct direct;
};

enum spare_state {
	SPARE_IDLE,
	SPARE_ALLOCATING,
	SPARE_FILLING,
	SPARE_SYNCING,
	SPARE_NAMING,
	SPARE_FREEING,
	SPARE_NUMBERING,
	SPARE_DIRECTORY,
	SPARE_RECYCLING,
	SPARE_REMOVING,
	SPARE_CURRENT_WAITING,
	SPARE_CURRENT_WRITING,
	SPARE_CURRENT_SYNCING,
	SPARE_CURRENT_RENAMING,
	SPARE_CURRENT_DIRECTORY,
	SPARE_BROKEN,
};

/* A file without a name, whose blocks are still to be given back. */
struct discard {
	int fd;
	uint64_t bytes;
};

struct spares {
	struct store *store;
	struct disk *disk;
	struct spare_options options;
	enum spare_state state;
	struct segment_file pool[SPARE_MAX + SPARE_RECYCLED];
	uint32_t count;
	struct segment_file next;
	bool has_next;
	bool has_starter;
	struct discard discards[DISCARDS_MAX];
	uint32_t discard_count;

	struct segment_file making;          /* or being recycled */
	bool is_starter;                     /* what is being made */
	uint64_t filled_bytes;
	bool was_taken;                  /* `next`, since the last step */
	uint64_t taken_ns, lasted_ns;    /* when the last one was, and how long the one before it had lasted */
	uint64_t serial;
	void *zeros;
	bool wants_current;              /* store->current has changed */
	uint64_t floor;                  /* current.floor, as it is on stable storage */
	int current_fd;                  /* current.tmp being written */
	struct current_file *current;    /* a copy of store->current on its way to the disk */
	char from[SPARE_NAME_BYTES], to[SPARE_NAME_BYTES]; /* of the rename, or removal, under way */
	bool is_full;                    /* the last attempt found no space */
	uint64_t retry_ns;
};

/* 0, or -1 and a diag.  Looks at nothing in the directory yet. */
int spares_open(struct spares *spares, struct store *store, struct disk *disk, const struct spare_options *options);
void spares_close(struct spares *spares);

/*
 * What a predecessor prepared: after a cold start all of it is removed; after a warm one the spares are ours, and what was being
 * made is removed.  The starter stays where it is.  0, or -1 and a diag.
 */
int spares_inherit(struct spares *spares, bool is_cold);

/*
 * The file `name` is about to lose its name: keep it open until its blocks were given back in the background, so that
 * nobody waits for it (4 ms for 8 MiB of ext4, and 100 when its journal is busy).  Where that cannot be, do nothing.
 */
void spares_hold(struct spares *spares, const char *name);

/* Give back now, and wait for it, what spares_hold() holds: its room is needed. */
void spares_make_room(struct spares *spares);

/* Begin the next operation if none is under way and one is due.  True if it did. */
bool spares_step(struct spares *spares, uint64_t now_ns);

/* The operation under way has ended.  0; -1 after a diag when it failed for another reason than lack of space. */
int spares_completed(struct spares *spares, int32_t result, uint64_t now_ns);

/* Take `next`.  False if it is not ready. */
bool spares_take(struct spares *spares, struct segment_file *file);

/* What the segments that are ready can hold, `next` included. */
uint64_t spares_room_bytes(const struct spares *spares);

/* Only the reserve is left, and no more can be made: publishes should be refused. */
bool spares_is_disk_full(const struct spares *spares);

/* True while journal/current must not be written by anybody else. */
bool spares_is_writing_current(const struct spares *spares);

/* Nanoseconds until spares_step() is worth calling, UINT64_MAX if only a completion changes anything. */
uint64_t spares_due_ns(const struct spares *spares, uint64_t now_ns);

void spare_name(char name[SPARE_NAME_BYTES], uint64_t serial);

/* Have store->current written as it is when its turn comes; spares->floor tells when that is done. */
void spares_write_current(struct spares *spares);

/*
 * Begin to drop a segment below spares->floor; `is_ours`: this process began it.  False: something else is under way or
 * comes first, ask again.
 */
bool spares_drop(struct spares *spares, uint64_t number, uint64_t bytes, bool is_ours);

#endif
