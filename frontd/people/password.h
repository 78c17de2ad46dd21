/*
 * password: passwords to be hashed and checked, by a process of its own (frontd/hasher/) that stands
 * behind everybody else: the loop never waits for it, and other clients keep their latency while a
 * hundred people log in (docs/performance.md).
 *
 *   loop:    password_reserve() -> fills the ask -> password_submit() -> ...
 *   hasher:  ... works on it -> finished, wakes the loop
 *   loop:    password_done() -> password_result() -> password_drop()
 *
 * A ring of jobs with one writer for each cursor (shm/passwords.h).  The hasher may be killed: the
 * supervisor runs another, which begins the same job again.  It may be stopped, or get no CPU:
 * password_look() tells when to stop waiting.  All memory is taken at the start, and an ask is
 * wiped when it is dropped.
 */
#ifndef FRONTD_PASSWORD_H
#define FRONTD_PASSWORD_H

#include <stdbool.h>
#include <stdint.h>

#include "frontd/http/authorization.h"
#include "shm/passwords.h"

/*
 * Nothing was finished for so long, or eight times as long as the last one took: who waits is told
 * to come again.
 */
#define PASSWORD_PATIENCE_NS_MIN 10000000000ull
#define PASSWORD_PATIENCE_NS_MAX 60000000000ull

struct password;

/* Where the jobs are, and what wakes the hasher; borrowed. */
struct password_source {
	int asks_fd, answers_fd, event_fd;
};

/* NULL and a diag when it cannot be. */
struct password *password_open(const struct password_source *source);
void password_close(struct password *password);

/*
 * Room for a job, zeroed, or NULL: too many wait.  Borrowed until password_submit(), or until given
 * up.  *index: its place.
 */
struct password_ask *password_reserve(struct password *password, uint32_t *index);
void password_submit(struct password *password, uint64_t now_ns);

/* Nobody waits any more for this job, which was submitted and not dropped. */
void password_abandon(struct password *password, uint32_t index);

/*
 * Is the oldest job done?  Jobs are done in their order.  It stays until password_drop(), which
 * wipes it.
 */
bool password_done(const struct password *password, uint32_t *index);
/* Of one that is done. */
struct password_result password_result(const struct password *password, uint32_t index);
void password_drop(struct password *password);

/*
 * Now and then: true when the jobs have stopped going on since the last look; they may go on some
 * time.
 */
bool password_look(struct password *password, uint64_t now_ns);
bool password_is_stuck(const struct password *password);

/* How long one submitted now would take, from what the last ones took. */
uint32_t password_wait_ms(const struct password *password);

#endif
