/*
 * frame: what a frontd and a worker say to each other over the rings of front.i.  Every frame begins with struct
 * frame_header (ring.h): op in requests, enum outcome in replies; the reply carries the request's id.  Structs follow each
 * other 8-byte aligned; a variable part is padded with zeros to 8.
 *
 * The worker treats every byte of a request as hostile: it copies a struct to locals, then checks it (workerd/dispatch).
 * A frontd trusts the replies of workers.
 */
#ifndef SHM_FRAME_H
#define SHM_FRAME_H

#include <stdint.h>

#include "shm/limits.h"
#include "shm/name.h"
#include "shm/people.h"
#include "shm/queue_config.h"
#include "shm/ring.h"

#define FRAME_ALIGN(n) (((n) + 7u) & ~7u)

/*
 * Header of all requests that name a queue.  To a caller who has no right at all on it the queue does not exist: NO_QUEUE, as
 * for a name that nobody has.  With some right, but not the one that is needed: FORBIDDEN.
 */
struct queue_request {
	struct frame_header header;
	struct caller caller;
	struct queue_name name;
};
_Static_assert(sizeof(struct queue_request) == 120, "request: format");

/* Header of all replies. */
struct reply {
	struct frame_header header; /* op = enum outcome */
	uint64_t lsn;               /* leave only when durable.lsn[w] >= lsn; 0: at once */
};
_Static_assert(sizeof(struct reply) == 24, "reply: format");

/*
 * --- QUEUE_PUT, QUEUE_PATCH -> CREATED or OK with struct queue_reply ---
 * A PUT by one who has no right to manage the queue, or may not create it (CALLER_MAY_CREATE), is FORBIDDEN either way: it does
 * not tell whether there is one.
 */
enum config_condition { CONDITION_NONE, CONDITION_IF_MATCH, CONDITION_IF_ABSENT /* If-None-Match: * */ };

struct queue_config_request {
	struct queue_request queue;
	struct queue_config config;
	uint32_t fields;       /* enum queue_config_field, of those given */
	uint32_t condition;    /* enum config_condition */
	uint64_t etag;         /* for CONDITION_IF_MATCH */
	uint64_t owner;        /* with FIELD_OWNER, which only admins may give; else a new queue is the caller's */
};

/* --- QUEUE_GET (struct queue_request) -> OK with struct queue_reply --- */
/* Monotonic counts, and how things stand.  Also the totals kept in the queue table. */
struct queue_stats {
	uint64_t ready, delayed, leased, dead, waiters, bytes;
	uint64_t published, delivered, acked, expired, released, failed, removed;
	uint64_t oldest_ready_ms; /* enqueued_ms of the head of the ready list, 0: none */
	uint64_t oldest_lease_ms; /* when the oldest of the leases was given, 0: none */
};

struct queue_entry {
	struct queue_name name;
	struct queue_config config;
	struct queue_stats stats;
	uint64_t etag;        /* changes with each change of the configuration; unique over delete and create */
	uint64_t created_ms;
	uint64_t owner;       /* uid; 0: nobody's.  He may be gone since */
	uint32_t rights;      /* enum right: the caller's */
	uint32_t grant_count;
};

struct queue_reply {
	struct reply reply;
	uint64_t now_ms;
	struct queue_entry queue;
};

/* --- QUEUE_LIST -> OK with struct queue_list_reply and `count` entries: of the queues that the caller may browse --- */
struct queue_list_request {
	struct frame_header header;
	struct caller caller;
	uint32_t from_idx;     /* slot of the queue table to begin at */
	uint32_t limit;        /* 1..QUEUE_LIST_PAGE_MAX entries; fewer may come because of QUEUE_LIST_SCAN_MAX */
	struct queue_name prefix; /* bytes may be 0 */
};

struct queue_list_reply {
	struct reply reply;
	uint64_t now_ms;
	uint32_t count;
	uint32_t next_idx;     /* where to go on; UINT32_MAX: that was all */
	struct queue_entry queues[];
};
_Static_assert(sizeof(struct queue_list_reply) + QUEUE_LIST_PAGE_MAX * sizeof(struct queue_entry) <= REPLY_BYTES_MAX,
    "a page of the queue list fits into a reply");

/* --- QUEUE_DELETE (struct queue_request) -> OK --- */

/* --- PUBLISH -> OK with struct publish_reply and `count` published --- */
struct publish_request {
	struct queue_request queue;
	uint32_t count;        /* 1..PUBLISH_BATCH_MAX; then that many struct publish_item, each followed by its bytes */
	uint32_t reserved;
};

struct publish_item {
	uint64_t delay_ms;     /* DELAY_DEFAULT: the queue's */
	uint64_t not_before_ms; /* 0: none; broker time.  Wins over delay_ms */
	uint32_t attributes_bytes; /* encoded as attributes.h */
	uint32_t body_bytes;
	/* attributes, then body, then padding to 8 */
};
#define DELAY_DEFAULT UINT64_MAX

struct published {
	uint64_t seq;
	uint64_t enqueued_ms;
	uint64_t visible_ms;
	uint32_t msg_idx;
	uint32_t reserved;
};

struct publish_reply {
	struct reply reply;    /* lsn 0 where the queue's durability is memory */
	uint32_t count;
	uint32_t is_memory;    /* answer 202 */
	struct published published[];
};
_Static_assert(sizeof(struct publish_reply) + PUBLISH_BATCH_MAX * sizeof(struct published) <= REPLY_BYTES_MAX,
    "the largest publish reply fits into a reply");

/* --- RECEIVE -> OK with struct receive_reply, or EMPTY; a parked one is answered later, with the same id --- */
struct receive_request {
	struct queue_request queue;
	uint64_t lease_ms;     /* LEASE_DEFAULT: the queue's */
	uint32_t max;          /* 1..RECEIVE_BATCH_MAX */
	uint32_t wait_ms;      /* 0..WAIT_MS_MAX */
	uint32_t waiter_slot;  /* where to wait: the connection's index, < waiters per front; must be free */
	uint32_t bytes_max;    /* stop early when bodies and attributes exceed it (at least one is given) */
};
#define LEASE_DEFAULT UINT64_MAX

struct delivery {
	uint64_t lsn;          /* of the publish record: attributes and body begin RECORD_PUBLISHED_BYTES further */
	uint64_t seq;
	uint64_t token;        /* of the receipt */
	uint64_t enqueued_ms;
	uint64_t first_delivered_ms;
	uint64_t lease_ends_ms;
	uint32_t msg_idx;
	uint32_t attributes_bytes;
	uint32_t body_bytes;
	uint32_t delivery_count; /* fail_count + 1 */
	uint32_t acquire_count;
	uint32_t reserved;
};
_Static_assert(sizeof(struct delivery) == 72, "delivery: format");

struct receive_reply {
	struct reply reply;    /* lsn 0: a lease is not waited for */
	uint32_t count;
	uint32_t shard;
	struct delivery deliveries[];
};

/* --- RECEIVE_CANCEL: header.id is the id of the parked RECEIVE; no reply.  Whoever loses the race gets the RECEIVE's reply --- */
struct receive_cancel_request {
	struct frame_header header;
	uint32_t waiter_slot;
	uint32_t reserved;
};

/* --- ACK, EXTEND, NACK -> OK with struct settle_reply and `count` outcomes --- */
struct receipt {
	uint64_t token;
	uint32_t msg_idx;
	uint32_t reserved;
};

enum nack_mode { NACK_RELEASE, NACK_FAIL };

struct settle_request {
	struct queue_request queue;
	uint64_t lease_ms;     /* EXTEND: from now; NACK: delay (DELAY_DEFAULT: release 0, fail the queue's backoff) */
	uint32_t mode;         /* NACK: enum nack_mode */
	uint32_t count;        /* 1..SETTLE_BATCH_MAX; then that many struct receipt */
};

struct settled {
	uint32_t outcome;      /* OK or LEASE_EXPIRED */
	uint32_t reserved;
	uint64_t lease_ends_ms; /* EXTEND */
};

struct settle_reply {
	struct reply reply;
	uint32_t count;
	uint32_t reserved;
	struct settled settled[];
};
_Static_assert(sizeof(struct settle_reply) + SETTLE_BATCH_MAX * sizeof(struct settled) <= REPLY_BYTES_MAX,
    "the largest settle reply fits into a reply");

/* --- PURGE -> OK with struct purge_reply: those the queue held when it began; they are invisible at once --- */
enum purge_state { PURGE_READY = 1, PURGE_DELAYED = 2, PURGE_DEAD = 4, PURGE_LEASED = 8 };

struct purge_request {
	struct queue_request queue;
	uint32_t states;       /* enum purge_state, or'ed; not 0 */
	uint32_t reserved;
	uint64_t older_than_ms; /* only messages enqueued before this (broker time); 0: all */
};

struct purge_reply {
	struct reply reply;
	uint64_t removed;      /* how many messages were removed; the reply comes when the job is done */
};

/* --- GRANT_PUT (CREATED or OK), GRANT_DELETE (OK or NO_GRANT) -> struct reply; the caller has to be able to manage the queue --- */
struct grant_request {
	struct queue_request queue;
	uint64_t uid;          /* whom; not 0.  That there is such a user the frontd has seen */
	uint32_t rights;       /* GRANT_PUT: enum right, or'ed, not 0: all that he has from now on */
	uint32_t reserved;
};

/* --- GRANT_LIST (struct queue_request) -> OK with struct grant_list_reply and `count` grants, those of gone users too --- */
struct grant_entry {
	uint64_t uid;
	uint32_t rights;
	uint32_t reserved;
};

struct grant_list_reply {
	struct reply reply;
	uint64_t owner;
	uint32_t count;
	uint32_t reserved;
	struct grant_entry grants[];
};
_Static_assert(sizeof(struct grant_list_reply) + QUEUE_GRANTS_MAX * sizeof(struct grant_entry) <= REPLY_BYTES_MAX,
    "the grants of a queue fit into a reply");

/*
 * --- people: to shard 0 only (others: BAD_REQUEST) ---
 * Looking is done in region `directory` (directory.h).  Who is no admin may set his own password (the frontd has verified the
 * present one) and make and revoke his own credentials; else FORBIDDEN.
 */

/* --- USER_PUT, USER_PATCH -> CREATED or OK with struct user_reply; LAST_ADMIN: no enabled admin would be left --- */
struct user_request {
	struct frame_header header;
	struct caller caller;
	struct queue_name name;
	struct user_config config;
	uint32_t fields;       /* enum user_field, of those given */
	uint32_t condition;    /* enum config_condition */
	uint64_t etag;         /* for CONDITION_IF_MATCH */
};

struct user_reply {
	struct reply reply;
	struct user_entry user;
};

/* --- USER_DELETE -> OK, NO_USER or LAST_ADMIN; his credentials are worth nothing from then on --- */
struct user_delete_request {
	struct frame_header header;
	struct caller caller;
	struct queue_name name;
	uint32_t condition;    /* enum config_condition but IF_ABSENT */
	uint32_t reserved;
	uint64_t etag;
};

/*
 * --- CREDENTIAL_CREATE -> CREATED with struct credential_reply; NO_USER, TOO_MANY_CREDENTIALS ---
 * UNAUTHORIZED: the user was disabled, or the password that was verified for this was changed meanwhile.
 */
struct credential_request {
	struct frame_header header;
	struct caller caller;
	struct credential_config credential;
	uint64_t password_etag; /* the user's, when his password was verified; 0: it was not */
};

struct credential_reply {
	struct reply reply;
	struct credential_entry credential;
};

/* --- CREDENTIAL_REVOKE -> OK; NO_TOKEN or NO_SESSION, also where it is another's and the caller no admin --- */
struct credential_revoke_request {
	struct frame_header header;
	struct caller caller;
	uint64_t id;
	uint32_t kind;         /* enum credential_kind: an id of the other kind is not found */
	uint32_t reserved;
};

/* --- CREDENTIAL_REVOKE_ALL -> OK or NO_USER: all of one kind that the user has by now --- */
struct credential_revoke_all_request {
	struct frame_header header;
	struct caller caller;
	uint64_t uid;
	uint32_t kind;
	uint32_t reserved;
};

/* --- CREDENTIAL_TOUCH: it was used just now; no reply --- */
struct credential_touch_request {
	struct frame_header header;
	uint64_t id;
};

#endif
