/*
 * people: users, credentials and grants by whole requests of an engine's front 0, asked by engine->caller.  Each gives the
 * outcome; details are in engine->reply.
 */
#ifndef TESTS_HARNESS_PEOPLE_H
#define TESTS_HARNESS_PEOPLE_H

#include "tests/harness/engine.h"

/* Who asks from now on. */
struct caller people_admin(void);
struct caller people_user(uint64_t uid);

/* A configuration with these texts; NULL: empty. */
struct user_config people_config(enum user_role role, const char *password, const char *creates);

enum outcome people_put(struct engine *engine, const char *name, const struct user_config *config, uint32_t fields);
enum outcome people_patch(struct engine *engine, const char *name, const struct user_config *config, uint32_t fields);
enum outcome people_delete(struct engine *engine, const char *name);

/* A new user without a password; his uid. */
uint64_t people_make(struct engine *engine, const char *name, enum user_role role);

/* A SHA-256 to tell credentials apart by; not of anything. */
void people_hash(const char *secret, uint8_t hash[CREDENTIAL_HASH_BYTES]);
struct credential_config people_credential(uint64_t uid, enum credential_kind kind, const char *secret, const char *scopes);
enum outcome people_create(struct engine *engine, const struct credential_config *config);
enum outcome people_revoke(struct engine *engine, uint64_t id, enum credential_kind kind);
enum outcome people_revoke_all(struct engine *engine, uint64_t uid, enum credential_kind kind);
void people_touch(struct engine *engine, uint64_t id);

/* A new one that lasts; its id. */
uint64_t people_credential_id(struct engine *engine, uint64_t uid, enum credential_kind kind, const char *secret);

enum outcome people_grant(struct engine *engine, enum op op, const char *queue, uint64_t uid, uint32_t rights);
enum outcome people_grants(struct engine *engine, const char *queue);

#endif
