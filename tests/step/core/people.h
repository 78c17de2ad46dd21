/*
 * people: what a script can ask about users, credentials and grants.  Each posts one request and returns its id.
 */
#ifndef TESTS_STEP_PEOPLE_H
#define TESTS_STEP_PEOPLE_H

#include "tests/step/core/play.h"

uint64_t play_user(struct play *play, enum op op, const char *name, const struct user_config *config, uint32_t fields);
uint64_t play_user_delete(struct play *play, const char *name);
/* Without a password. */
uint64_t play_user_make(struct play *play, const char *name, enum user_role role);

/* One that ends after so long without use; 0: it lasts.  `secret` tells it from others. */
uint64_t play_credential(struct play *play, uint64_t uid, enum credential_kind kind, char secret, uint64_t idle_ms);
uint64_t play_revoke(struct play *play, uint64_t id, enum credential_kind kind);
uint64_t play_revoke_all(struct play *play, uint64_t uid, enum credential_kind kind);
uint64_t play_touch(struct play *play, uint64_t id);

uint64_t play_grant(struct play *play, enum op op, const char *queue, uint64_t uid, uint32_t rights);
uint64_t play_grant_list(struct play *play, const char *queue);

/* The supervisor asks for an admin, whose token has this secret. */
void play_ask_admin(struct play *play, enum bootstrap_mode mode, char secret);

/* What is in the directory now; unknown (true) of what a resumed life skips. */
bool play_shows_user(struct play *play, uint64_t uid);
bool play_shows_credential(struct play *play, uint64_t id);

#endif
