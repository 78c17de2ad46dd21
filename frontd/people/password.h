/*
 * password: hashing and checking passwords (yescrypt, libcrypt) costs tens of milliseconds by design, so a thread of its own
 * does it, one job after the other, at the lowest priority there is: the loop never waits for it, and other clients keep
 * their latency while a hundred people log in (docs/security.md has the figures).
 *
 *   loop:    password_reserve() -> fills the job -> password_submit() ...           password_done() -> password_drop()
 *   thread:                          ... password_work() -> finished, wakes the loop
 *
 * A ring of jobs with one writer for each cursor, as between processes: no lock that a thread of low priority could hold while
 * the loop wants it.  All memory is taken at the start, and a job's is wiped when it is dropped.
 */
#ifndef FRONTD_PASSWORD_H
#define FRONTD_PASSWORD_H

#include <stdbool.h>
#include <stdint.h>

#include "frontd/http/authorization.h"
#include "shm/limits.h"

#define PASSWORD_JOBS_MAX 128u  /* more at once are 503 busy: the last of them waits that many times the cost of one */

struct password;

struct password_job {
	/* Set by the loop; texts end with a NUL. */
	bool wants_check;
	bool wants_hash;
	char given[HTTP_PASSWORD_MAX + 1];  /* to be checked */
	char stored[PASSWORD_HASH_BYTES_MAX + 1];   /* against this; "": there is none, which takes as long and never matches */
	char fresh[HTTP_PASSWORD_MAX + 1];  /* to be hashed; not when the check fails */

	/* By the thread. */
	bool is_right;                      /* the check; never true of what was abandoned */
	bool has_failed;                    /* crypt() itself failed: no memory */
	bool was_skipped;                   /* it was abandoned before it was begun */
	char hash[PASSWORD_HASH_BYTES_MAX + 1];

	bool is_abandoned;                  /* loop to thread, at any time: nobody waits for it any more, do not begin it */
};

struct password_wake {
	const uint64_t *parked;             /* of the loop; borrowed */
	int event_fd;                       /* borrowed */
};

/* Start the thread.  cost: 1 to 11, each step doubles time or memory.  NULL and a diag when it cannot be. */
struct password *password_open(unsigned cost, struct password_wake wake);
/* Waits for the job that is being worked on, no more. */
void password_close(struct password *password);

/* Room for a job, zeroed, or NULL: too many wait.  Borrowed until password_submit(), or until given up.  *index: its number. */
struct password_job *password_reserve(struct password *password, uint32_t *index);
void password_submit(struct password *password);

/* A job that was submitted and not dropped, by its number. */
struct password_job *password_job(struct password *password, uint32_t index);

/* Is the oldest job done?  Jobs are done in their order.  It stays until password_drop(), which wipes it. */
bool password_done(const struct password *password, uint32_t *index);
void password_drop(struct password *password);

/* How long one submitted now would take, from what the last ones took. */
uint32_t password_wait_ms(const struct password *password);

#endif
