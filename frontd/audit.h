/*
 * audit: the audit log, as far as this process writes it.  The supervisor opens the file and hands over descriptors
 * (cli/supervisor/audit_file); nobody here knows its name.
 *
 *   exchange_answer_end() --the answer carries a request id--> audit_named()
 *   await_ready() --> audit_answered(): its line goes to `pending` --> once a turn audit_flush(): one WRITE of whole lines,
 *   O_APPEND, one in flight --> audit_written(): answers that waited for their line may leave
 *
 * The answer to an admin action waits until its line is on stable storage (RWF_DSYNC); other lines are written without
 * anybody waiting.  A line that no memory or no rate is left for is counted, and the count is written: no gap is silent.
 */
#ifndef FRONTD_AUDIT_H
#define FRONTD_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frontd/api/audit_line.h"

struct exchange;
struct frontd;

enum exchange_audit {
	AUDIT_NONE,
	AUDIT_LINE,   /* a line is written; nobody waits for it */
	AUDIT_ADMIN,  /* its answer leaves after its line */
};

/* Of lines: what waits, and as much again in flight.  Half of it is for admin actions. */
#define AUDIT_BUFFER_BYTES (1u << 20)
#define AUDIT_ADMINS_MAX 192u      /* of them under way at once; the others are answered busy */
#define AUDIT_FAILURES_PER_SECOND 1000u

struct audit {
	bool is_on;
	bool is_failed;            /* the last WRITE did: admin actions are refused, unless the configuration says go on */
	bool is_flying;
	bool flying_is_torn;       /* a part of its first line was written: an end of line goes first */
	bool wants_sync;           /* among the pending ones is an admin action's */
	bool flying_syncs;
	int fd, control_fd;
	int next_fd;               /* to be used when what is in flight has landed; -1: none */
	uint64_t generation;       /* of the registry, as last seen */
	char *pending;             /* AUDIT_BUFFER_BYTES each, with a byte in front */
	char *flying;
	size_t pending_bytes, flying_bytes, flying_start;
	uint64_t appended, written; /* bytes of lines, since the start of this process */
	uint64_t retry_ns;
	uint32_t admins;           /* exchanges that are AUDIT_ADMIN: asked, or waiting for their line */
	struct exchange *waiting, **waiting_end; /* by position */
	uint64_t no_room, too_many; /* lines left out, and why, since the log last said so */
	uint64_t window_ns;        /* since when failures are counted */
	uint32_t window_count;
	uint64_t gap_ns;           /* when a gap was last written */
	uint64_t started_ms;
	uint64_t number;           /* of the next request id */
	char next_id[AUDIT_REQUEST_BYTES];
};

/* Takes the descriptors that the supervisor gave; where there is none (fd <= 0) nothing is written down. */
void audit_open(struct frontd *frontd, int fd, int control_fd);
void audit_free(struct frontd *frontd);

/* Is this admin action to be refused now, for it could not be written down?  OUTCOME_OK: no. */
enum outcome audit_refusal(const struct frontd *frontd);

/* The request at hand becomes this exchange: whether and how it is written down. */
void audit_begin(struct frontd *frontd, struct exchange *exchange);

/* This exchange refuses the request at hand, for call->problem. */
void audit_refused(struct frontd *frontd, struct exchange *exchange);

/* The heir answers instead. */
void audit_inherit(struct exchange *heir, struct exchange *exchange);

/* Its answer carries a request id. */
void audit_named(struct frontd *frontd, struct exchange *exchange, const struct answer *answer);

/* exchange->audit is not NONE and its answer may leave: write its line.  True: it has to wait for that. */
bool audit_answered(struct frontd *frontd, struct exchange *exchange);

/* It ends without an answer. */
void audit_forget(struct frontd *frontd, struct exchange *exchange);

/* Once a turn. */
void audit_flush(struct frontd *frontd);
/* The WRITE completed. */
void audit_written(struct frontd *frontd, int result);
/* Now and then: try again after a failure, take a new descriptor, say what was left out. */
void audit_tick(struct frontd *frontd);

/* Nothing waits and nothing is in flight. */
bool audit_is_idle(const struct frontd *frontd);

#endif
