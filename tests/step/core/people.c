#include "tests/step/core/people.h"

#include <string.h>

static struct queue_name
name_of(const char *text)
{
	struct queue_name name = { .bytes = (uint8_t)strlen(text) };

	memcpy(name.text, text, name.bytes);
	return name;
}

/* What follows the caller in a request. */
#define BODY(request) (char *)&(request) + offsetof(__typeof__(request), caller) + sizeof(struct caller), \
	(uint32_t)(sizeof(request) - offsetof(__typeof__(request), caller) - sizeof(struct caller))

uint64_t
play_user(struct play *play, enum op op, const char *name, const struct user_config *config,
    uint32_t fields)
{
	struct user_request request = {
		.name = name_of(name), .config = *config, .fields = fields
	};

	return play_post(play, op, BODY(request));
}

uint64_t
play_user_make(struct play *play, const char *name, enum user_role role)
{
	struct user_config config = { .role = (uint8_t)role };

	return play_user(play, OP_USER_PUT, name, &config, USER_FIELD_ROLE);
}

uint64_t
play_user_delete(struct play *play, const char *name)
{
	struct user_delete_request request = { .name = name_of(name) };

	return play_post(play, OP_USER_DELETE, BODY(request));
}

uint64_t
play_credential(
    struct play *play, uint64_t uid, enum credential_kind kind, char secret, uint64_t idle_ms)
{
	struct credential_request request = { .credential = { .uid = uid,
		                                  .kind = (uint8_t)kind,
		                                  .idle_ms = idle_ms,
		                                  .name = name_of("played"),
		                                  .scopes_bytes = 1,
		                                  .scopes = "*" } };

	memset(request.credential.hash, secret, sizeof(request.credential.hash));
	return play_post(play, OP_CREDENTIAL_CREATE, BODY(request));
}

uint64_t
play_revoke(struct play *play, uint64_t id, enum credential_kind kind)
{
	struct credential_revoke_request request = { .id = id, .kind = kind };

	return play_post(play, OP_CREDENTIAL_REVOKE, BODY(request));
}

uint64_t
play_revoke_all(struct play *play, uint64_t uid, enum credential_kind kind)
{
	struct credential_revoke_all_request request = { .uid = uid, .kind = kind };

	return play_post(play, OP_CREDENTIAL_REVOKE_ALL, BODY(request));
}

uint64_t
play_touch(struct play *play, uint64_t id)
{
	return play_post(play, OP_CREDENTIAL_TOUCH, &id, sizeof(id));
}

uint64_t
play_grant(struct play *play, enum op op, const char *queue, uint64_t uid, uint32_t rights)
{
	struct {
		struct queue_name name;
		uint64_t uid;
		uint32_t rights, reserved;
	} body = { .name = name_of(queue), .uid = uid, .rights = rights };

	_Static_assert(
	    sizeof(body) == sizeof(struct grant_request) - offsetof(struct queue_request, name),
	    "the same");
	return play_post(play, op, &body, sizeof(body));
}

uint64_t
play_grant_list(struct play *play, const char *queue)
{
	struct queue_name name = name_of(queue);

	return play_post(play, OP_GRANT_LIST, &name, sizeof(name));
}

void
play_ask_admin(struct play *play, enum bootstrap_mode mode, char secret)
{
	struct registry registry = { .shared = play->world->registry };
	uint8_t hash[CREDENTIAL_HASH_BYTES];

	if (play_is_past(play))
		return;
	memset(hash, secret, sizeof(hash));
	registry_ask_admin(&registry, mode, hash);
}

static struct directory
directory_of(const struct play *play)
{
	struct directory directory;

	directory_view(&directory, play->world->directory, &play->world->geometry);
	return directory;
}

bool
play_shows_user(struct play *play, uint64_t uid)
{
	const struct directory directory = directory_of(play);
	struct user_entry user;

	return play_is_past(play) ||
	    directory_user_by_uid(&directory, uid, &user) == DIRECTORY_FOUND;
}

bool
play_shows_credential(struct play *play, uint64_t id)
{
	const struct directory directory = directory_of(play);
	struct credential_entry credential;

	return play_is_past(play) ||
	    directory_credential_by_id(&directory, id, &credential) == DIRECTORY_FOUND;
}
