/*
 * worker: one shard's engine and its loop.  Everything a worker knows of other processes hangs in struct worker, so that a
 * test (or the stepper) can build one over memory of its own and call worker_turn() as a function: no process, no clock.
 *
 * One turn: frames of each front, due timers, credentials that are over, a slice of a job, the serve list, a slice of a
 * snapshot; then the mirrors, once for all of it.
 */
#ifndef WORKERD_WORKER_H
#define WORKERD_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/directory.h"
#include "shm/durable.h"
#include "shm/front.h"
#include "shm/outcome.h"
#include "shm/role.h"
#include "shm/state/images.h"
#include "shm/state/shard.h"
#include "shm/stream.h"

/* Bounds of one turn, so that nobody waits long behind anybody. */
#define TURN_FRAMES_MAX 64      /* of one front */
#define TURN_FRAME_BYTES_MAX (1u << 20)
#define TURN_TIMERS_MAX 256
#define TURN_SERVES_MAX 256
#define TURN_SWEEPS_MAX 16      /* of 32 credentials */

/* Our side of the rings shared with one frontd.  Cursors that count are in the shard's root. */
struct worker_front {
	struct ring request;
	struct ring reply;
	struct front front;      /* the region, where we mapped it ourselves */
	uint64_t slot_word;      /* the registry's, as last acted upon */
	bool is_attached;        /* the rings above can be used */
	bool is_leaving;         /* its frontd is dead: what it posted is executed, then the front is closed */
	bool is_broken;          /* it posted what no frontd posts: nothing more is read, the front is closed */
	bool has_requests;       /* executed since the last mirrors */
	bool has_replies;        /* written since the last mirrors */
	uint64_t reply_lsn_min;  /* lowest LSN these replies wait for; 0: one of them waits for none */
};

/* One item of a publish request, copied out of the frame before it was checked. */
struct publish_part {
	uint64_t visible_ms;
	uint32_t attributes_bytes;
	uint32_t body_bytes;
	uint64_t offset;         /* of the attributes in the frame */
};

/* A slot that a transaction changed: the last entry of the undo log that is about it. */
struct touched {
	uint64_t number;         /* images.h */
	uint32_t entry;
	uint8_t table;           /* enum image_of */
};

/* A snapshot under way (snapshot.h), or one that is loaded (load.h): never both.  Which slots have an image. */
struct snapshot {
	uint64_t asked;          /* snapshot_wanted as last acted upon */
	uint64_t begun_lsn;      /* 0: there is none */
	uint64_t last_lsn;       /* of the record that was loaded last */
	uint64_t images;         /* so far */
	uint64_t slice_tail;     /* of the stream, after the last slice */
	struct image_slots slots[IMAGES_TABLES];
	uint32_t table;          /* enum image_of, and idx: where the next slice goes on */
	uint32_t idx;
	uint64_t *has_image;     /* a bit for each number; NULL: no memory, no snapshots (a test) */
	struct touched *touched; /* the rest is scratch of one commit: the slots it changed, */
	uint32_t *touched_at;    /* a hash table of 1 + index in there, 0: empty, */
	uint32_t *entry_before;  /* for each entry of the log the one before it about the same slot; itself: there is none */
};

/* How a cold start gets on. */
struct replay {
	uint64_t wanted;         /* the number of our request; 0: not replaying */
	uint64_t persist_epoch;  /* of the persistd we asked */
	uint64_t last_lsn;
	struct ring ring;
	bool is_serving;         /* the ring is ours */
};

/* What of the tables of people was changed since region `directory` was last brought up to date (people.h). */
#define CHANGES_MAX 256

struct people_change {
	uint64_t id;             /* uid of a user, or id of a credential */
	bool is_user;
};

struct people_changes {
	bool is_all;             /* more than fit below, or nothing was copied yet */
	bool takes_away;
	uint32_t count;
	struct people_change items[CHANGES_MAX];
};

struct worker {
	struct shard shard;
	struct stream stream;
	struct durable durable;
	struct directory directory; /* worker 0 writes it, the others read; shared NULL: there is none */
	struct usage usages[WORKER_MAX]; /* its own, and to read those of the others; entries NULL: there is none */
	struct people_changes changes;
	struct stats_shared *stats;
	struct role *role;       /* NULL in tests: no registry, nobody to wake */
	uint32_t index;
	struct worker_front fronts[FRONT_MAX];
	struct replay replay;
	struct snapshot snapshot;
	uint64_t ahead_ms;       /* of the registry's clock, which is behind the shard's last record; mostly 0 */
	uint64_t durable_lsn;    /* as last read */
	uint64_t random;         /* state of the jitter's generator, not 0 */
	uint64_t mirrored_tail;  /* of the stream, as last shown */
	uint64_t wanted_lsn;     /* the highest LSN that an answer waits for */
	uint64_t mirrored_wanted;
	uint64_t told_tail;      /* the stream's when persistd was last to be woken */
	uint64_t bootstrap_number; /* of the registry's request, as last acted upon */
	uint32_t front_first;    /* whose frames come first in this turn */
	uint32_t answered;       /* the front that this transaction's reply went to, or NIL */
	uint32_t stop;           /* tests: set by another thread to end worker_main() */
	bool is_imaging;         /* a snapshot runs: commits look at what they change */
	bool is_blocked;         /* this turn left something for want of room: look again soon */
	struct publish_part parts[PUBLISH_BATCH_MAX];
	uint32_t picks[RECEIVE_BATCH_MAX];
	_Alignas(8) char scratch[REPLY_BYTES_MAX]; /* a reply that nobody wants */
};

/* What a request came to. */
enum served {
	SERVED,       /* its effects and its reply are in the transaction: consume it */
	SERVE_LATER,  /* no room for record or reply: nothing was changed, it stays in its ring */
};

/* Whom to answer. */
struct addressee {
	uint64_t id;  /* 0: nobody */
	uint32_t front;
};

/* One request being executed. */
struct request {
	struct addressee from;
	struct frame_header header; /* a copy, checked by the ring */
	const char *frame;          /* in the ring: hostile, may change under our eyes */
};

/* Zero it and set what cannot fail.  Shard, stream, durable and stats are the caller's to fill in. */
void worker_init(struct worker *worker, uint32_t index, uint64_t random_seed);

/* One turn of a READY shard.  True if anything was done: call again before sleeping. */
bool worker_turn(struct worker *worker, uint64_t now_ms);

/* When the next timer wants a turn, broker time; WHEEL_NEVER if none is armed. */
uint64_t worker_next_ms(const struct worker *worker);

/* True if a frame waits in some ring (between park_begin() and sleeping). */
bool worker_has_requests(struct worker *worker);

/* Show others what was committed: stream tail, request heads, reply tails; then wake who sleeps. */
void worker_mirror(struct worker *worker);

/* End the transaction: its single store, then our private cursors follow. */
void worker_commit(struct worker *worker);

/* The shard's broker time. */
static inline uint64_t
worker_now(const struct worker *worker)
{
	return worker->shard.root->now_ms;
}

static inline struct shard_front *
front_of(struct worker *worker, uint32_t front)
{
	assert(front < FRONT_MAX);

	return &worker->shard.root->fronts[front];
}

/*
 * Attach the shard's regions and run until the supervisor ends us (tests: until worker->stop).  Returns an exit code.
 * `worker` is the caller's memory, zeroed.
 */
int worker_main(struct worker *worker, struct role *role);

#endif
