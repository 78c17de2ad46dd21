/*
 * play: a script and its stage.  A script is a function that posts requests as a frontd would, moves the clock and lets the
 * worker run; the play can perform it natively, single-stepped, or resumed in the midst of run k from a crash state: then
 * everything before run k is skipped, since its effects are in the world already, and answers are read from the log.
 *
 * A script is deterministic: ids, times and sizes depend on nothing but its text and on answers.
 */
#ifndef TESTS_STEP_PLAY_H
#define TESTS_STEP_PLAY_H

#include "shm/frame.h"
#include "shm/outcome.h"
#include "tests/step/core/world.h"
#include "workerd/worker.h"

#define PLAY_START_MS 1700000000000ull

struct play {
	struct world *world;
	struct worker *worker;
	const char *wrong;       /* why it failed: what an expectation saw */
	char wrong_text[200];
	uint64_t now_ms;
	uint64_t next_id;
	uint64_t runs;           /* so far, skipped ones too */
	uint64_t resumed_run;    /* this one was begun by another life; 0: none (runs count from 1) */
	unsigned front;          /* who posts */
	struct caller caller;    /* and for whom: an admin at first */
	bool is_slow;            /* frontd 0 takes no answers for the present: its reply ring fills */
	bool is_stalled;         /* persistd writes nothing for the present: the stream ring fills */
	bool is_quiet;           /* what runs now only sets the stage: it is not stepped */
	unsigned note_count;
	const struct script *script;
	void (*begin)(void);     /* around each run that is to be stepped; NULL: performed natively */
	void (*end)(void);
};

struct script {
	const char *name;
	void (*perform)(struct play *play);
	uint32_t messages;       /* slots of the shard; 0: SCRIPT_MESSAGES */
	uint32_t stride;         /* in `make test` only every stride-th changed state is tried; 0: each */
	bool is_not_resumed;     /* another life ends otherwise: it has lost the snapshot that was under way */
	bool steps_emptying;     /* of a cold start the emptying too: some 45,000 stores, byte by byte */
	uint64_t start_ms;       /* 0: PLAY_START_MS */
	uint64_t first_lsn;      /* where its stream begins; 0: LSN_FIRST */
	unsigned row, column;    /* of a cell of the matrix */
};
#define SCRIPT_MESSAGES 24

/* Perform all of it from the beginning, or from the run that the world's log says was begun.  play->wrong says how it went. */
void play_perform(struct play *play, const struct script *script);

/* --- what a script does --- */

/* Let the worker run until it has nothing more to do, make durable what it wrote, and take the answers. */
void play_run(struct play *play);

void play_advance(struct play *play, uint64_t ms);

/* Frontd `front` dies and comes back: its region is gone, a new one is there. */
void play_front_dies(struct play *play, unsigned front);
void play_front_returns(struct play *play, unsigned front);

/*
 * Everything died, shared memory is gone: new frontds, the shard is built anew from its records (the stream ring stands for
 * the journal).  Not a clean stop: what was leased comes back.
 */
void play_cold_start(struct play *play, bool is_clean);

/* Only the shard is built anew, as one that was found damaged is: the frontds are those that spoke to it before. */
void play_reload(struct play *play);

/* While the worker was dead too, its frontd's next incarnation has begun: no word of the worker's was waited for. */
void play_front_replaced(struct play *play, unsigned front);

/* What persistd says of the journal from now on; STARTING and FAILED: nothing becomes durable. */
void play_journal(struct play *play, enum journal_state state);

/* Persistd wants a snapshot: in the next run it is begun, and ended in the turn after that. */
void play_snapshot(struct play *play);

/* The worker is restarted: attaches, recovers, goes on. */
void play_restart(struct play *play);

/* What is done now was done in another life and is not done again. */
bool play_is_past(const struct play *play);

/* The root of the shard that it plays on.  Not to be believed in what a resumed life skips: see play_note(). */
const struct shard_root *play_root(const struct play *play);

/* What a script saw, for it to act upon: in a resumed life what was seen at that point in the earlier one. */
uint64_t play_note(struct play *play, uint64_t seen);

/* Each posts one request and returns its id. */
uint64_t play_queue_put(struct play *play, const char *queue, const struct queue_config *config);
uint64_t play_queue_patch(struct play *play, const char *queue, const struct queue_config *config, uint32_t fields);
uint64_t play_queue_get(struct play *play, const char *queue);
uint64_t play_queue_list(struct play *play, uint32_t from_idx, uint32_t limit, const char *prefix);
uint64_t play_queue_delete(struct play *play, const char *queue);
uint64_t play_publish(struct play *play, const char *queue, uint32_t count, uint64_t delay_ms);
struct play_receive {
	uint32_t max;
	uint64_t lease_ms;
	uint32_t wait_ms;
	uint32_t waiter_slot;
};
uint64_t play_publish_bytes(struct play *play, const char *queue, uint32_t body_bytes);
uint64_t play_receive(struct play *play, const char *queue, struct play_receive wanted);
void play_receive_cancel(struct play *play, uint64_t id, uint32_t waiter_slot);
uint64_t play_purge(struct play *play, const char *queue, uint32_t states);

/* Receipts of everything delivered by the answer to a receive. */
struct play_receipts {
	uint32_t count;
	struct receipt items[RECEIVE_BATCH_MAX];
};
struct play_receipts play_receipts(struct play *play, uint64_t receive_id);
struct play_settle {
	uint64_t lease_ms;
	enum nack_mode mode;
};
uint64_t play_settle(struct play *play, enum op op, const char *queue, const struct play_receipts *receipts,
    struct play_settle how);
uint64_t play_ack(struct play *play, const char *queue, const struct play_receipts *receipts);

/* Post a request whose part behind the caller is this. */
uint64_t play_post(struct play *play, enum op op, const void *bytes, uint32_t count);

/* Post these bytes as they are: a frame that no frontd would post. */
uint64_t play_raw(struct play *play, uint16_t op, const void *bytes, uint32_t count);

/* Post a frame whose length is impossible. */
void play_lie(struct play *play);

/* The answer to a request, or NULL when there was none. */
const struct reply *play_reply(struct play *play, uint64_t id);

/* --- what it expects; the first failure ends the performance --- */
void play_expect_that(struct play *play, bool is_so, const char *what);
void play_expect(struct play *play, uint64_t id, enum outcome outcome);
void play_expect_none(struct play *play, uint64_t id);
void play_expect_delivered(struct play *play, uint64_t id, uint32_t count);
/* How many messages of a queue are in a state, by the queue's own answer; takes a run. */
void play_expect_stats(struct play *play, const char *queue, uint64_t ready, uint64_t delayed, uint64_t leased,
    uint64_t dead);

#endif
