/*
 * replay: build a shard from its journal.  persistd sends the records through the replay ring, the worker applies them by the
 * functions that serve requests.
 *
 *   replay_begin: format, replay_wanted = a new number
 *   replay_step:  waits for replay_serving to be that number, applies frames; REPLAY_END: RESTARTED record, shard READY
 *
 * If the persistd that serves it dies, or what comes makes no sense, it begins again with a new number.
 */
#ifndef WORKERD_REPLAY_H
#define WORKERD_REPLAY_H

#include "workerd/worker.h"

enum replay_step {
	REPLAY_WAITS,     /* nothing has come */
	REPLAY_PROGRESS,
	REPLAY_DONE,      /* the shard is READY */
	REPLAY_CORRUPT,   /* the snapshot it begins with is no shard: another time it would be the same */
};

/* Empty the shard and ask persistd for its journal. */
void replay_begin(struct worker *worker);

/* Apply up to frames_max frames. */
enum replay_step replay_step(struct worker *worker, uint32_t frames_max);

/* Apply one record that was read back, in a transaction of its own, and let the wheel follow its time. */
void replay_record(struct worker *worker, const struct record *record);

/* All records are applied: the stream goes on at end->lsn, leases end unless the stop was clean.  The shard is READY. */
void replay_finish(struct worker *worker, const struct replay_end *end);

#endif
