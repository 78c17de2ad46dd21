/*
 * shard: region shard.W, the state of one shard: queues, messages, waiters, timers.  Written by workerd W only; every word
 * that counts is changed through txn_set(), so that a SIGKILL leaves it before or after a transaction (shm/txn.h).
 *
 *   header page (region.h) | struct shard_shared | queues | name buckets | messages | waiters      (each at a page boundary)
 *   | grants | grant buckets | users | user buckets | credentials | credential buckets
 *
 * What may be written plainly, outside the undo log:
 *  - words of struct shard_shared that say so below;
 *  - the fields of a FREE slot but its link, state, token, flags and queue: they are reachable (free list, tombstones); the rest
 *    of a free slot means nothing, so what a killed transaction left there means nothing either.
 *  - while REPLAYING, whole slots out of a snapshot (images.h): a worker that dies then formats again.
 * A slot at or above its table's high-water mark means nothing and is not touched: memory is paid for as it is used.
 *
 * Links are indices into typed tables; nothing here is a pointer.
 */
#ifndef SHM_STATE_SHARD_H
#define SHM_STATE_SHARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/ops.h"
#include "shm/region.h"
#include "shm/registry.h"
#include "shm/state/credential.h"
#include "shm/state/grant.h"
#include "shm/state/list.h"
#include "shm/state/message.h"
#include "shm/state/queue.h"
#include "shm/state/table.h"
#include "shm/state/user.h"
#include "shm/state/waiter.h"
#include "shm/state/wheel.h"
#include "shm/txn.h"
#include "shm/usage.h"

/*
 *   FRESH --shard_format--> REPLAYING --replay ends--> READY --shard_check fails--> CORRUPT --shard_format--> REPLAYING
 *
 * A worker that finds REPLAYING formats again: a half replayed shard is worth nothing.
 */
enum shard_state { SHARD_FRESH, SHARD_REPLAYING, SHARD_READY, SHARD_CORRUPT };

/* How this shard stands with a frontd's region front.I.E. */
enum front_state { FRONT_CLOSED, FRONT_OPEN, FRONT_CLOSING /* its requests are drained, a job drops its waiters */ };

struct shard_front {
	uint64_t epoch;         /* the last one opened */
	uint64_t request_head;  /* authoritative: requests below are executed */
	uint64_t reply_tail;    /* authoritative: replies below are whole */
	uint32_t state;         /* enum front_state */
	uint32_t waiter_count;
};

/* Long work, done in slices between requests; each slice is a transaction (workerd/job). */
enum job_kind { JOB_NONE, JOB_PURGE, JOB_DELETE, JOB_CLOSE_FRONT, JOB_END_LEASES };

struct job {
	uint64_t kind;          /* enum job_kind */
	uint64_t cursor;        /* slot to look at next */
	uint64_t done_count;    /* messages removed so far */
	uint64_t subject;       /* PURGE, DELETE: queue; CLOSE_FRONT: front; END_LEASES: the generation whose leases stand */
	uint64_t request_id;    /* whom to answer at the end; 0: nobody */
	uint64_t front_epoch;
	uint32_t front;
	uint32_t reserved;
};

/* Jobs that requests begin, then one for each front, then the one of a cold start. */
#define JOB_REQUEST_MAX 64
#define JOB_FRONT(i) (JOB_REQUEST_MAX + (i))
#define JOB_LEASES (JOB_REQUEST_MAX + FRONT_MAX)
#define JOB_MAX (JOB_LEASES + 1)

/*
 * Which request is being executed: written plainly, so that it outlives the rollback.  A request during which the worker
 * died twice by a crash signal is answered POISON (workerd/guard).
 */
struct guard {
	uint64_t position;      /* request_head + 1 while it is executed, 0: none */
	uint64_t epoch;
	uint64_t front;
	uint64_t crashes;       /* how often the one below crashed us */
	uint64_t crash_position;
	uint64_t crash_epoch;
	uint64_t crash_front;
	uint64_t reserved;
};

/* Invariants (shard_check), see also message.h, queue.h, waiter.h, wheel.h, user.h, credential.h, grant.h:
 *  S1  no transaction is open
 *  S2  next_seq and lease_counter are not 0; stream_tail is a multiple of 8, 0 only before READY
 *  S3  high-water marks are within the tables; the free lists hold exactly the FREE slots below them
 *  S4  mirrors <= cursors: what others were shown was committed
 *  S5  job_count is the number of jobs that are not NONE
 *  S6  a wheel's count is the number of timers armed
 */
struct shard_root {
	uint64_t now_ms;         /* plain store between transactions: broker time, never goes back */
	uint64_t next_seq;
	uint64_t lease_counter;  /* the last token given; high 16 bits: generation of the cold start */
	uint64_t stream_tail;    /* authoritative: the LSN after the last record */
	uint32_t messages_high;  /* slots ever used */
	uint32_t queues_high;
	uint32_t job_count;
	uint32_t job_next;       /* plain: where the round robin over jobs goes on */
	struct list messages_free;
	struct list queues_free;
	struct table grants;
	/* Shard 0 only: people. */
	uint64_t sweep_next_ms;  /* plain, and in a transaction that sweeps: when credentials are looked at again */
	uint32_t sweep_slot;     /* the same: where that look begins */
	uint32_t reserved;
	struct table users;
	struct table credentials;
	uint64_t user_counter;       /* the number in the last uid given */
	uint64_t credential_counter; /* the number in the last id given */
	uint64_t bootstrap_hash[4];  /* of the last token made for the supervisor; all 0: none */
	struct list serve;       /* queues that have both messages and waiters */
	struct shard_front fronts[FRONT_MAX];
	struct job jobs[JOB_MAX];
	struct wheel message_wheel;
	struct wheel waiter_wheel;
};

struct shard_shared {
	uint64_t state;          /* enum shard_state; READY is set in a transaction, the others plainly */
	uint64_t formats;        /* plain: how often it was formatted */
	uint64_t reserved[6];
	struct guard guard;      /* plain */
	struct shard_root root;
	_Alignas(CACHE_LINE_PAIR) struct undo_log undo;
};

/* One process's view of a shard.  Private memory; not to be copied, its parts point at each other. */
struct shard {
	struct shard_shared *shared;
	struct shard_root *root;
	struct queue *queues;
	uint32_t *name_buckets;  /* NIL: empty */
	struct msg *msgs;
	struct waiter *waiters;
	struct grant *grants;
	struct user *users;
	struct credential *credentials;
	uint32_t name_bucket_count; /* a power of two */
	uint32_t waiter_count;      /* fronts * waiters_per_front */
	struct shard_geometry geometry;
	struct txn txn;
	struct link_table msg_links, queue_links, waiter_links, grant_links, user_links, credential_links;
	struct table_index grant_index, user_index, credential_index;
	struct wheel_view message_wheel, waiter_wheel;
	size_t size_bytes;       /* from shared on */
	struct usage *usage;     /* owners.h; NULL: nobody counts */
	struct region region;    /* base NULL where the memory is the caller's */
};

uint64_t shard_layout_hash(void);

/* Without the region's header page. */
size_t shard_size_bytes(const struct shard_geometry *geometry);

/* View caller's memory of shard_size_bytes(), aligned to a page: a test's buffer, or a copy of a region.  Changes nothing. */
void shard_view(struct shard *shard, void *memory, const struct shard_geometry *geometry);

/* The supervisor's: the region `shard.W`, zero-filled, that is FRESH. */
int shard_create(const char *instance, uint32_t index, const struct shard_geometry *geometry,
    const struct region_identity *store);
/* 0, or -1 and errno as region_attach(). */
int shard_attach(struct shard *shard, const char *instance, uint32_t index, const struct shard_geometry *geometry,
    const struct region_identity *store, enum region_access access);
void shard_detach(struct shard *shard);

/*
 * Empty it: no queues, no messages, sequence 1, all fronts CLOSED.  State REPLAYING at the end; a kill inside is
 * repaired by formatting again.  Tables are not cleared: a slot is written whole when it is first taken.
 */
void shard_format(struct shard *shard, uint64_t now_ms);

static inline struct msg *
msg_at(const struct shard *shard, uint32_t idx)
{
	assert(idx < shard->geometry.messages);

	return &shard->msgs[idx];
}

static inline struct queue *
queue_at(const struct shard *shard, uint32_t idx)
{
	assert(idx < shard->geometry.queues);

	return &shard->queues[idx];
}

static inline struct waiter *
waiter_at(const struct shard *shard, uint32_t idx)
{
	assert(idx < shard->waiter_count);

	return &shard->waiters[idx];
}

static inline struct grant *
grant_at(const struct shard *shard, uint32_t idx)
{
	assert(idx < shard->geometry.grants);

	return &shard->grants[idx];
}

static inline struct user *
user_at(const struct shard *shard, uint32_t idx)
{
	assert(idx < shard->geometry.users);

	return &shard->users[idx];
}

static inline struct credential *
credential_at(const struct shard *shard, uint32_t idx)
{
	assert(idx < shard->geometry.credentials);

	return &shard->credentials[idx];
}

/*
 * What the caller may do with a queue: enum right, or'ed.  On the way of every publish: the owner is found by one comparison.
 * uid 0 is nobody: it owns nothing, though queues may have no owner.
 */
static inline uint32_t
queue_rights(const struct shard *shard, const struct queue *queue, const struct caller *caller)
{
	if ((caller->uid == queue->owner && caller->uid != 0) || (caller->flags & CALLER_ADMIN))
		return RIGHTS_ALL;
	return grant_rights(shard, (uint32_t)(queue - shard->queues), caller->uid);
}

static inline uint32_t
msg_idx_of(const struct shard *shard, const struct msg *msg)
{
	return (uint32_t)(msg - shard->msgs);
}

static inline uint32_t
queue_idx_of(const struct shard *shard, const struct queue *queue)
{
	return (uint32_t)(queue - shard->queues);
}

#endif
