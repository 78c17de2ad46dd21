#include "shm/people.h"

#include <assert.h>
#include <string.h>

#include "shm/pattern.h"

const char *
right_name(unsigned right)
{
	switch (right) {
	case RIGHT_PUBLISH:
		return "publish";
	case RIGHT_CONSUME:
		return "consume";
	case RIGHT_BROWSE:
		return "browse";
	case RIGHT_MANAGE:
		return "manage";
	default:
		return "";
	}
}

/* --- users --- */

struct user_config
user_config_default(const struct queue_name *name)
{
	struct user_config config = { .role = USER_ROLE_USER };
	char *at = config.creates;

	_Static_assert(2 * NAME_MAX_BYTES + 3 <= CREATES_BYTES_MAX, "NAME and NAME.# fit");
	assert(name->bytes <= NAME_MAX_BYTES);
	memcpy(at, name->text, name->bytes);
	at += name->bytes;
	*at++ = ' ';
	memcpy(at, name->text, name->bytes);
	at += name->bytes;
	*at++ = '.';
	*at++ = '#';
	config.creates_bytes = (uint16_t)(at - config.creates);
	return config;
}

void
user_config_merge(struct user_config *into, const struct user_config *from, uint32_t fields)
{
	if (fields & USER_FIELD_ROLE)
		into->role = from->role;
	if (fields & USER_FIELD_DISABLED)
		into->is_disabled = from->is_disabled;
	if (fields & USER_FIELD_PASSWORD) {
		into->password_bytes = from->password_bytes;
		memcpy(into->password, from->password, sizeof(into->password));
	}
	if (fields & USER_FIELD_CREATES) {
		into->creates_bytes = from->creates_bytes;
		memcpy(into->creates, from->creates, sizeof(into->creates));
	}
	if (fields & USER_FIELD_QUEUES)
		into->quotas.queues = from->quotas.queues;
	if (fields & USER_FIELD_STORED_BYTES)
		into->quotas.stored_bytes = from->quotas.stored_bytes;
	if (fields & USER_FIELD_CONNECTIONS)
		into->quotas.connections = from->quotas.connections;
	if (fields & USER_FIELD_MESSAGES_PER_SECOND)
		into->quotas.messages_per_second = from->quotas.messages_per_second;
	if (fields & USER_FIELD_BYTES_PER_SECOND)
		into->quotas.bytes_per_second = from->quotas.bytes_per_second;
}

/* What is behind the text is zero, so that equal texts are equal bytes, in records and in a digest. */
static bool
is_zero_from(const char *text, size_t from, size_t bytes)
{
	for (size_t i = from; i < bytes; i++) {
		if (text[i] != 0)
			return false;
	}
	return true;
}

static bool
is_printable(const char *text, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return false;
	}
	return true;
}

bool
user_config_is_valid(const struct user_config *config)
{
	if (config->role > USER_ROLE_ADMIN || config->is_disabled > 1 || config->reserved != 0 ||
	    config->reserved_too != 0)
		return false;
	if (config->password_bytes > PASSWORD_HASH_BYTES_MAX ||
	    config->creates_bytes > CREATES_BYTES_MAX)
		return false;
	return is_printable(config->password, config->password_bytes) &&
	    is_zero_from(config->password, config->password_bytes, sizeof(config->password)) &&
	    is_zero_from(config->creates, config->creates_bytes, sizeof(config->creates)) &&
	    pattern_list_is_valid(config->creates, config->creates_bytes);
}

/* --- credentials --- */

bool
credential_config_is_valid(const struct credential_config *config)
{
	static const uint8_t none[sizeof(config->reserved)];

	if (config->kind >= CREDENTIAL_KIND_COUNT || config->uid == 0 ||
	    config->idle_ms > DELAY_MS_MAX || config->scopes_bytes > SCOPES_BYTES_MAX ||
	    config->name.bytes > NAME_MAX_BYTES ||
	    memcmp(config->reserved, none, sizeof(none)) != 0)
		return false;
	return is_printable(config->name.text, config->name.bytes) &&
	    is_zero_from(config->name.text, config->name.bytes, sizeof(config->name.text)) &&
	    is_zero_from(config->scopes, config->scopes_bytes, sizeof(config->scopes)) &&
	    scopes_are_valid(config->scopes, config->scopes_bytes);
}

uint64_t
credential_ends_ms(const struct credential_entry *credential)
{
	const struct credential_config *config = &credential->config;
	uint64_t ends_ms = config->expires_ms != 0 ? config->expires_ms : UINT64_MAX;
	uint64_t idle_ends_ms = credential->last_used_ms + config->idle_ms;

	return config->idle_ms != 0 && idle_ends_ms < ends_ms ? idle_ends_ms : ends_ms;
}

bool
credential_is_over(
    const struct credential_entry *credential, const struct user_entry *user, uint64_t now_ms)
{
	assert(credential->config.kind < CREDENTIAL_KIND_COUNT);

	return user == NULL || user->uid != credential->config.uid ||
	    CREDENTIAL_NUMBER(credential->id) <= user->void_to[credential->config.kind] ||
	    credential_ends_ms(credential) <= now_ms;
}

bool
credential_is_good(
    const struct credential_entry *credential, const struct user_entry *user, uint64_t now_ms)
{
	return !credential_is_over(credential, user, now_ms) && !user->config.is_disabled;
}
