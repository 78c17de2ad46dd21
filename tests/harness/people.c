#include "tests/harness/people.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "shm/hash.h"

/* Post what was drafted; the outcome of its answer. */
static enum outcome
ask(struct engine *engine)
{
	const struct reply *reply;

	engine_post(engine, 0);
	engine_run(engine);
	reply = engine_reply(engine, 0);
	if (reply == NULL)
		abort();
	return (enum outcome)reply->header.op;
}

struct caller
people_admin(void)
{
	return (struct caller){ .flags = CALLER_ADMIN | CALLER_MAY_CREATE };
}

struct caller
people_user(uint64_t uid)
{
	return (struct caller){ .uid = uid };
}

struct user_config
people_config(enum user_role role, const char *password, const char *creates)
{
	struct user_config config = { .role = (uint8_t)role };

	if (password != NULL) {
		config.password_bytes = (uint8_t)strlen(password);
		memcpy(config.password, password, config.password_bytes);
	}
	if (creates != NULL) {
		config.creates_bytes = (uint16_t)strlen(creates);
		memcpy(config.creates, creates, config.creates_bytes);
	}
	return config;
}

static enum outcome
configure(struct engine *engine, enum op op, const char *name, const struct user_config *config,
    uint32_t fields)
{
	struct user_request *request = engine_frame(
	    engine, 0, op, ++engine->next_id, sizeof(*request));

	request->name = engine_name(name);
	request->config = *config;
	request->fields = fields;
	return ask(engine);
}

enum outcome
people_put(
    struct engine *engine, const char *name, const struct user_config *config, uint32_t fields)
{
	return configure(engine, OP_USER_PUT, name, config, fields);
}

enum outcome
people_patch(
    struct engine *engine, const char *name, const struct user_config *config, uint32_t fields)
{
	return configure(engine, OP_USER_PATCH, name, config, fields);
}

enum outcome
people_delete(struct engine *engine, const char *name)
{
	struct user_delete_request *request = engine_frame(
	    engine, 0, OP_USER_DELETE, ++engine->next_id, sizeof(*request));

	request->name = engine_name(name);
	return ask(engine);
}

uint64_t
people_make(struct engine *engine, const char *name, enum user_role role)
{
	struct user_config config = people_config(role, NULL, NULL);

	if (people_put(engine, name, &config, USER_FIELD_ROLE) != OUTCOME_CREATED)
		abort();
	return ((struct user_reply *)(void *)engine->reply)->user.uid;
}

void
people_hash(const char *secret, uint8_t hash[CREDENTIAL_HASH_BYTES])
{
	uint64_t words[CREDENTIAL_HASH_BYTES / 8];

	for (unsigned i = 0; i < CREDENTIAL_HASH_BYTES / 8; i++)
		words[i] = hash_bytes(secret, strlen(secret)) + i;
	memcpy(hash, words, sizeof(words));
}

struct credential_config
people_credential(uint64_t uid, enum credential_kind kind, const char *secret, const char *scopes)
{
	struct credential_config config = {
		.uid = uid, .kind = (uint8_t)kind, .name = engine_name("by hand")
	};

	assert(strlen(scopes) <= sizeof(config.scopes));
	people_hash(secret, config.hash);
	config.scopes_bytes = (uint16_t)strlen(scopes);
	memcpy(config.scopes, scopes, config.scopes_bytes);
	return config;
}

enum outcome
people_create(struct engine *engine, const struct credential_config *config)
{
	struct credential_request *request =
	    engine_frame(engine, 0, OP_CREDENTIAL_CREATE, ++engine->next_id, sizeof(*request));

	request->credential = *config;
	return ask(engine);
}

uint64_t
people_credential_id(
    struct engine *engine, uint64_t uid, enum credential_kind kind, const char *secret)
{
	struct credential_config config = people_credential(uid, kind, secret, "*");

	if (people_create(engine, &config) != OUTCOME_CREATED)
		abort();
	return ((struct credential_reply *)(void *)engine->reply)->credential.id;
}

enum outcome
people_revoke(struct engine *engine, uint64_t id, enum credential_kind kind)
{
	struct credential_revoke_request *request =
	    engine_frame(engine, 0, OP_CREDENTIAL_REVOKE, ++engine->next_id, sizeof(*request));

	request->id = id;
	request->kind = kind;
	return ask(engine);
}

enum outcome
people_revoke_all(struct engine *engine, uint64_t uid, enum credential_kind kind)
{
	struct credential_revoke_all_request *request =
	    engine_frame(engine, 0, OP_CREDENTIAL_REVOKE_ALL, ++engine->next_id, sizeof(*request));

	request->uid = uid;
	request->kind = kind;
	return ask(engine);
}

void
people_touch(struct engine *engine, uint64_t id)
{
	struct credential_touch_request *request =
	    engine_frame(engine, 0, OP_CREDENTIAL_TOUCH, ++engine->next_id, sizeof(*request));

	request->id = id;
	engine_post(engine, 0);
	engine_run(engine);
}

enum outcome
people_grant(struct engine *engine, enum op op, const char *queue, uint64_t uid, uint32_t rights)
{
	struct grant_request *request = engine_frame(
	    engine, 0, op, ++engine->next_id, sizeof(*request));

	request->queue.name = engine_name(queue);
	request->uid = uid;
	request->rights = rights;
	return ask(engine);
}

enum outcome
people_grants(struct engine *engine, const char *queue)
{
	struct queue_request *request = engine_frame(
	    engine, 0, OP_GRANT_LIST, ++engine->next_id, sizeof(*request));

	request->name = engine_name(queue);
	return ask(engine);
}
