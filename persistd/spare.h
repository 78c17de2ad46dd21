/*
 * spare: makes segments ahead of their use, in slices, so that no commit ever waits for one to be zero-filled, renamed or
 * written into `current`; nor does a successor.  One operation is under way at a time, through the ring.
 *
 *   IDLE --spares_step()--> ALLOCATING -> IDLE                                  a file is half made: making.fd
 *   IDLE --spares_step(), at its pace--> FILLING -> IDLE, or SYNCING -> IDLE                     with another slice
 *   IDLE --spares_step(), at its pace--> FILLING -> SYNCING -> NAMING -> IDLE      one spare more, or the starter
 *   IDLE --spares_step()--> NUMBERING -> DIRECTORY -> CURRENT_WRITING -> CURRENT_SYNCING ->
 *                           CURRENT_RENAMING -> CURRENT_DIRECTORY -> IDLE                         `next` is ready
 *   IDLE --spares_step(), after spares_write_current()--> CURRENT_WRITING -> ... -> IDLE    `floor` is on the disk
 *   IDLE --spares_drop()--> RECYCLING -> IDLE                                a segment below it is a spare again
 *   IDLE --spares_drop()--> REMOVING -> IDLE                                                        or is removed
 *   IDLE --spares_step()--> REMOVING -> IDLE             a spare is one too many, or one that nobody may use
 *   IDLE --spares_step()--> FREEING -> IDLE                                             blocks of a removed file
 *   any --spares_completed(ENOSPC)--> IDLE, and after a second again: a file anew, `next` and current from where they stood
 *   any --spares_completed(another error)--> BROKEN
 *
 * Why zero-filled and not only allocated: a write into allocated, unwritten blocks has to change the file's map too, which
 * doubles the time of a commit (98-116 us against 202-265 us, 4 KiB, ext4).
 *
 * How many: at least `spare_segments`, which are made whatever else there is to do, for they are also what is left when the
 * disk is full.  Up to `ready_bytes` in all are made while nothing is committed (pace.h), and dropped segments are kept: a
 * broker that has run for a while fills nothing.  They never take more than a twentieth of what the file system has
 * left, looked at each second: who else needs the room gets it.
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
 * still on its way into one that is called spare.N or starter.  Nor into used.N: it lay below the floor, so all that its
 * process wrote into it was durable, and nobody before that had it.  Into `next` and the segments something
 * may be.  After a reboot, when names may have come back in any state, none of them is used.
 */
#ifndef PERSISTD_SPARE_H
#define PERSISTD_SPARE_H

#include <stdbool.h>
#include <stdint.h>

#include "persistd/catalog.h"
#include "persistd/disk.h"
#include "persistd/pace.h"
#include "persistd/store.h"

/* So many may be asked for, */
#define SPARE_MAX 64
/* and so many more stay when segments are dropped, which happens to several at once: else zeros would be written in between. */
#define SPARE_RECYCLED 4u
/* All of them: 8 GiB of the smallest segments, 64 GiB of the usual ones. */
#define SPARE_POOL_MAX 1024u
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
/* Files of zeros. */
#define SPARE_PREFIX "spare."

/* An open segment, or a file that will be one. */
struct segment_file {
	int fd;                /* -1: none */
	uint64_t number;       /* 0: none yet */
	uint64_t bytes;
	uint64_t used_bytes;   /* where the next batch goes */
};

/* A file that waits for its number. */
struct spare_file {
	uint64_t serial;       /* of its name spare.N or used.N */
	bool was_used;         /* was a segment before, of the process that called it so */
};

struct spare_options {
	uint64_t segment_bytes;
	uint32_t spare_segments; /* how many to keep beside `next`, at least */
	uint64_t ready_bytes;    /* how much to keep, `next` included, where there is plenty of room */
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
	enum spare_state again;          /* what found no space and is begun again at retry_ns; SPARE_IDLE: nothing */
	struct spare_file pool[SPARE_POOL_MAX]; /* each of segment_bytes */
	uint32_t count;
	uint32_t target;                 /* how many to have in the pool; room may be short of what the options say */
	uint64_t looked_ns;              /* when to find target out again */
	struct spare_file old[SPARE_POOL_MAX];  /* of a predecessor, to be removed */
	uint32_t old_count;
	struct segment_file next;        /* fd -1: there is none, not even one on its way */
	struct spare_file numbering;     /* what it was before */
	bool has_next;                   /* it is complete */
	bool has_starter;
	bool was_taken;                  /* a `next`: from then on the starter comes before another */
	struct discard discards[DISCARDS_MAX];
	uint32_t discard_count;

	struct segment_file making;      /* fd -1: none is half made */
	bool is_starter;                 /* what is being made */
	uint64_t filled_bytes;
	uint64_t synced_bytes;           /* of them, with a sync of its own */
	struct spare_file entering;      /* RECYCLING */
	struct pace pace;
	uint64_t serial;
	void *zeros;
	bool wants_current;              /* store->current has changed */
	uint64_t floor;                  /* current.floor, as it is on stable storage */
	int current_fd;                  /* current.tmp being written */
	struct current_file *current;    /* a copy of store->current on its way to the disk */
	char from[SPARE_NAME_BYTES], to[SPARE_NAME_BYTES]; /* of the rename, or removal, under way */
	bool is_full;                    /* the last attempt to make what has to be there found no space */
	uint64_t retry_ns;
};

/* 0, or -1 and a diag.  Looks at nothing in the directory yet. */
int spares_open(struct spares *spares, struct store *store, struct disk *disk, const struct spare_options *options);
void spares_close(struct spares *spares);

/*
 * What a predecessor prepared: after a cold start none of it is used; after a warm one the spares are ours, without a look into
 * them.  The starter stays where it is.  What is not used is removed, spares in the background.  0, or -1 and a diag.
 */
int spares_inherit(struct spares *spares, bool is_cold);

/*
 * The file `name` is about to lose its name: keep it open until its blocks were given back in the background, so that
 * nobody waits for it (4 ms for 8 MiB of ext4, and 100 when its journal is busy).  Where that cannot be, do nothing.
 */
void spares_hold(struct spares *spares, const char *name);

/* Give back now, and wait for it, what is on its way out: its room is needed.  True if there was something. */
bool spares_make_room(struct spares *spares);

/* Give the descriptors back of what spares_hold() holds. */
void spares_let_go(struct spares *spares);

/* How large the pool should be when the file system has `free_bytes` left; asked by spares_step() each second. */
void spares_aim(struct spares *spares, uint64_t free_bytes);

/* So many may be in the pool: what is more is removed, and what is dropped then as well. */
uint32_t spares_count_max(const struct spares *spares);

/* Begin the next operation if none is under way and one is due.  True if it did. */
bool spares_step(struct spares *spares, uint64_t now_ns);

/* The operation under way has ended.  0; -1 after a diag when it failed for another reason than lack of space. */
int spares_completed(struct spares *spares, int32_t result, uint64_t now_ns);

/* What clients have the disk do: for the pace of filling. */
void spares_commit(struct spares *spares, const struct segment_file *active, uint64_t bytes);
void spares_land(struct spares *spares);

/* Take `next`.  False if it is not ready. */
bool spares_take(struct spares *spares, struct segment_file *file);

/* What the segments that are ready can hold, `next` included; and what it would be if nothing was left to make. */
uint64_t spares_room_bytes(const struct spares *spares);
uint64_t spares_wanted_bytes(const struct spares *spares);

/* Only the reserve is left, and no more can be made: publishes should be refused. */
bool spares_is_disk_full(const struct spares *spares);

/* True while journal/current must not be written by anybody else. */
bool spares_is_writing_current(const struct spares *spares);

/* Nanoseconds until spares_step() is worth calling, UINT64_MAX if only a completion changes anything. */
uint64_t spares_due_ns(const struct spares *spares, uint64_t now_ns);

void spare_name(char name[SPARE_NAME_BYTES], const struct spare_file *file);

/* Have store->current written as it is when its turn comes; spares->floor tells when that is done. */
void spares_write_current(struct spares *spares);

/*
 * Begin to drop a segment below spares->floor; `is_ours`: this process began it.  False: something else is under way or
 * comes first, ask again.
 */
bool spares_drop(struct spares *spares, uint64_t number, uint64_t bytes, bool is_ours);

#endif
