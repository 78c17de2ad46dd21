/*
 * people: users, credentials and what is done about them beside requests: in shard 0 only.
 *
 * Whoever changes the tables says so here, within the transaction; people_mirror() copies what was changed into region
 * `directory`, after the commit and before anybody is shown an answer.
 */
#ifndef WORKERD_PEOPLE_H
#define WORKERD_PEOPLE_H

#include "shm/registry.h"
#include "workerd/worker.h"

/* This slot is another now; takes_away: somebody may do less than before. */
void people_changed_user(struct worker *worker, uint64_t uid, bool takes_away);
void people_changed_credential(struct worker *worker, uint64_t id, bool takes_away);

/* Everything is to be copied: at a start. */
void people_changed_all(struct worker *worker);

/* Between transactions. */
void people_mirror(struct worker *worker);

/* Record and apply a user as he is from now on, or that he is gone.  The caller asked append_fits(). */
void user_write(struct worker *worker, enum record_type type, struct user_entry *user, uint16_t flags);

/* The same for a new credential: its id is chosen here. */
void credential_write(struct worker *worker, struct credential_entry *credential, bool is_bootstrap);

/* Some credentials that are over, if it is time to look: a transaction.  True if any were swept away. */
bool credentials_sweep(struct worker *worker);

/* A refusal; what it says about users and credentials is said when that is on disk. */
enum served people_refuse(struct worker *worker, const struct request *request, enum outcome outcome);

/* What the supervisor may have asked for (registry.h): a transaction.  True if it was done. */
bool bootstrap_step(struct worker *worker);

/* Make an admin with a token of this hash, unless that was done before or is not called for.  False: no room, come again. */
bool bootstrap_make(struct worker *worker, const struct bootstrap *asked);

#endif
