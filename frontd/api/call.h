/*
 * call: one API request on its way through this folder, which does no I/O:
 *
 *   routes_resolve() target -> route, and whether credentials are needed
 *                    (or api_known_give(), of a head that came before)
 *   (the caller finds out who asks: call->principal, or a problem 401)
 *   routes_admit()   head -> a problem (404, 405, 403, 406, 413, 415, unknown headers), or not    before the body is read
 *   route->plan()    head and body -> shard and size of the request frame, or a problem
 *   route->fill()    -> the bytes of the frame, in room lent by the caller
 *   route->answer()  reply frame -> answer; may ask for one more frame (route->refill)
 *   route->local()   instead of the last three, for what is answered without a worker; plan, if there is one, comes before it
 *
 * A call lives while it is planned and filled; what has to be known until the reply is put into its memo.
 *
 * A plan that needs a password checked or hashed says so in call->password.  Then the connection waits until a thread has done
 * that, the call is made anew from its bytes, and plan is called again before fill finds the result.
 */
#ifndef FRONTD_API_CALL_H
#define FRONTD_API_CALL_H

#include <stdbool.h>
#include <stdint.h>

#include "frontd/api/answer.h"
#include "frontd/api/cursor.h"
#include "frontd/api/people/principal.h"
#include "frontd/api/problem.h"
#include "frontd/http/authorization.h"
#include "frontd/http/parse.h"
#include "frontd/http/target.h"
#include "shm/directory.h"
#include "shm/durable.h"
#include "shm/frame.h"
#include "shm/limits.h"
#include "shm/ops.h"
#include "shm/people.h"
#include "shm/registry.h"
#include "shm/stats.h"
#include "shm/usage.h"

/* Who may see /metrics; the words of metrics.access, in its order. */
enum metrics_access { METRICS_ADMIN, METRICS_USERS, METRICS_ANY, METRICS_OFF };

struct api_call;
struct api_memo;
struct api_route;

/* What the world looks like now; borrowed for one call. */
struct api_world {
	uint64_t now_ms;           /* broker time */
	uint32_t shard_count;
	uint64_t body_bytes_max;
	const char *unready;       /* why a publish would be refused; NULL: it would not */
	enum outcome unready_outcome;
	uint64_t session_idle_ms;  /* of a new session */
	uint64_t session_max_ms;
	uint8_t cursor_key[CURSOR_KEY_BYTES];
	const struct stats_shared *stats[SLOT_MAX]; /* NULL: there is no such process */
	const struct directory *directory;
	const struct usage *usages; /* of SLOT_MAX slots; NULL: nobody counts */
	enum metrics_access metrics_access;
	uint32_t metrics_queues_max; /* of /metrics/queues; 0: there is no such thing */
	/* Of calls that are answered without a worker, and of replies. */
	uint64_t now_ns;
	const struct registry_shared *registry;
	const struct durable_shared *durable;
	uint64_t *snapshots_asked;   /* this process's counter, which persistd looks at */
	uint64_t undurable_bytes[WORKER_MAX]; /* of each shard's records: not on disk yet */
};

/* One delivered message's bytes. */
struct api_body {
	const char *attributes;    /* attributes_bytes of the delivery, then the body */
	enum outcome outcome;      /* OK, or why it cannot be delivered */
};

struct api_reply {
	const struct reply *frame; /* borrowed for the call */
	const struct api_body *bodies; /* of a receive, one for each delivery */
	const struct api_world *world;
	uint64_t now_ms;
};

enum api_answered { API_ANSWERED, API_ASK_AGAIN };

/*
 * What a call takes, besides a right on the queue that its path names (enum right; without a name: on all queues).  RIGHT_NONE:
 * nothing, anybody may.
 */
enum api_right {
	RIGHT_SELF = 1 << 8,   /* a credential that is not narrowed by scopes; whose things they are the worker checks */
	RIGHT_ADMIN = 1 << 9,
	RIGHT_LOGIN = 1 << 10, /* credentials in Authorization, or in the body: then call->principal is NULL */
	RIGHT_ANYBODY = 1 << 11, /* any good credential */
	RIGHT_METRICS = 1 << 12, /* who metrics.access lets, with scopes `*`, `metrics`, or `admin` of an admin */
	RIGHT_QUEUE_METRICS = 1 << 13, /* as RIGHT_BROWSE on all queues; `metrics` of an admin has that too */
};

/* Does a call need credentials? */
enum api_entry { ENTRY_REQUIRED, ENTRY_OPTIONAL, ENTRY_OPEN };

enum api_body_kind {
	BODY_NONE,    /* up to 8 KiB are read and dropped */
	BODY_JSON,    /* an object; may be absent */
	BODY_PATCH,   /* a JSON merge patch */
	BODY_PAYLOAD, /* any type */
};

struct api_route {
	enum http_method method;
	const char *pattern;
	unsigned right;            /* enum right or enum api_right */
	enum api_body_kind body;
	enum op op;                /* OP_NONE: local */
	const char *params;        /* names of query parameters, blank before each: " limit cursor" */
	bool (*plan)(struct api_call *call);
	uint32_t (*fill)(struct api_call *call, void *frame); /* bytes used; 0: refused after all, call->problem */
	enum api_answered (*answer)(struct api_memo *memo, const struct api_reply *reply, struct answer *answer);
	uint32_t (*refill)(struct api_memo *memo, void *frame);
	void (*local)(struct api_call *call, struct answer *answer);
};

struct queue_listing;

/* What is remembered of a request until its reply.  Freed by api_memo_release(). */
struct api_memo {
	const struct api_route *route;
	struct queue_listing *listing; /* pages so far of a queue list */
	union {
		uint64_t etag;         /* GET: If-None-Match; 0 none */
		uint64_t uid;          /* grants: whose; 0: there is no such user */
	};
	struct caller caller;          /* who asks, for the frames; from authorize() */
	uint32_t credential;           /* slot of his token or session + 1; 0: none */
	uint32_t shard;
	uint32_t wait_ms;
	uint16_t preferred_wait_s;     /* Prefer: wait=; 0 none */
	bool wants_raw;                /* receive: application/octet-stream */
	bool wants_openmetrics;        /* metrics: application/openmetrics-text */
	bool is_batch;
	bool is_head;
	bool keep_alive;
	uint8_t minor_version;
	uint8_t rights;                /* PUT of a grant */
	uint8_t name_bytes;
	char name[NAME_MAX_BYTES];     /* of the queue or user; of a new token or session its secret */
};

/* Between plan and fill of a publish. */
struct publish_plan {
	uint64_t delay_ms;
	uint64_t not_before_ms;
	struct publish_batch *batch;   /* NULL: one raw message */
	uint32_t attributes_bytes;
	char attributes[ATTRIBUTES_BYTES_MAX];
};

struct receive_plan {
	uint64_t lease_ms;
	uint32_t max;
};

struct settle_plan {
	uint64_t lease_ms;
	enum nack_mode mode;
	uint32_t count;
	struct receipt *receipts;      /* into `receipt` or on the heap */
	struct receipt receipt;
};

/* What has to be so before something is changed (condition.h). */
struct condition {
	enum config_condition what;
	uint64_t etag;
	uint64_t owner;                /* with FIELD_OWNER */
};

struct queue_plan {
	struct queue_config config;
	uint32_t fields;
	struct condition condition;
	uint64_t owner;                /* with FIELD_OWNER */
};

/* A page of a list (pages.h). */
struct page {
	uint64_t place;                /* where it begins, 0: at the beginning */
	uint32_t limit;                /* 1..PAGE_LIMIT_MAX */
	struct http_slice prefix;      /* of names; empty: all */
	uint64_t uid;                  /* who asks */
	enum cursor_list list;
};

struct user_plan {
	struct user_config config;
	uint32_t fields;
	struct condition condition;
	struct user_entry shown;       /* GET */
	char room[2][HTTP_PASSWORD_MAX]; /* for passwords with escapes */
};

struct credential_plan {
	struct credential_config config;
	uint64_t id;                   /* DELETE */
	uint64_t uid;                  /* whose; 0: everybody's */
	struct http_slice user;        /* as given in the query; ptr NULL: not */
	struct page page;
	char room[2][HTTP_PASSWORD_MAX];
};

struct purge_plan {
	uint32_t states;
	uint64_t older_than_ms;
};

/* Passwords: what plan asks for, and what fill finds. */
struct api_password {
	/* By plan; borrowed until it returns.  ptr NULL: not asked. */
	struct http_slice user;        /* whose password `current` should be; a wrong one is refused by the caller of plan */
	struct http_slice current;
	struct http_slice fresh;       /* to be hashed */

	/* For fill. */
	uint64_t verified_uid;         /* user and current are right: his uid */
	uint64_t verified_etag;        /* and the etag of the password that was checked */
	char hash[PASSWORD_HASH_BYTES_MAX + 1]; /* of fresh, as crypt(3) writes it, NUL-terminated */
};

#define KNOWN_ATTRIBUTES_MAX 256u

/*
 * What a head was found to say when it came before: all that its bytes decide by themselves.  Of a
 * publish also what publish_plan() made of it.
 */
struct api_known {
	struct api_memo memo;          /* without caller and credential */
	enum api_entry entry;
	uint64_t body_max;
	bool is_planned;               /* memo has name, shard and is_batch, and the rest is set */
	uint32_t attributes_bytes;
	uint64_t delay_ms;
	char attributes[KNOWN_ATTRIBUTES_MAX];
};

struct api_call {
	/* Set by the caller. */
	const struct http_request *request;
	const struct http_target *target;
	const struct api_world *world;
	struct http_slice body;
	uint32_t waiter_slot;
	const struct principal *principal; /* NULL: nobody knows; only where the entry is open or optional */
	struct http_slice tried;       /* the user name of a login that was refused */

	/* By routes_resolve(), or by api_known_give() in its place. */
	struct api_known *known;       /* NULL: the head did not come before */
	enum api_entry entry;
	unsigned methods;              /* bits of those the path takes */

	/* By routes_admit() and plan. */
	bool is_planned;               /* plan was called: api_call_end() has something to free */
	bool is_not_now;               /* plan returned false because the directory is being written: try again */
	struct api_memo memo;
	struct problem problem;        /* when refused */
	uint64_t body_max;             /* more is 413 */
	uint32_t frame_bytes;          /* room the frame needs at most, a multiple of 8 */
	struct api_password password;
	union {
		struct publish_plan publish;
		struct receive_plan receive;
		struct settle_plan settle;
		struct queue_plan queue;
		struct page page;
		struct purge_plan purge;
		struct user_plan user;
		struct credential_plan credential;
	};
};

/* Remember the call, which was admitted, / resolve it as what is remembered. */
void api_known_take(struct api_known *known, const struct api_call *call);
void api_known_give(struct api_known *known, struct api_call *call);

/* Frees what plan allocated. */
void api_call_end(struct api_call *call);
void api_memo_release(struct api_memo *memo);

/* Sets call->problem; returns false, so that a check reads `return api_refuse(...)`. */
bool api_refuse(struct api_call *call, enum outcome outcome, const char *detail, ...) __attribute__((format(printf, 3, 4)));

/* Plan has to be called again, soon: `return api_not_now(call)`. */
bool api_not_now(struct api_call *call);

/* The answer to a reply that refuses: a worker says why, the memo about what. */
void api_answer_refusal(const struct api_memo *memo, unsigned outcome, struct answer *answer);

/* The segment `position` of the path as queue name: into the memo, with its shard; or a problem. */
bool api_take_queue(struct api_call *call, size_t position);
bool api_name_is_valid(struct http_slice name);

/* Fills the name of a queue or user in a frame. */
void api_put_name(struct http_slice from, struct queue_name *name);

/* Fills caller and queue name of a frame from the memo. */
void api_put_queue(const struct api_memo *memo, struct queue_request *frame);

#endif
