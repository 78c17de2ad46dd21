#include "shm/state/user.h"

#include <string.h>

#include "shm/hash.h"
#include "shm/state/names.h"
#include "shm/state/shard.h"

static uint64_t
name_hash(const struct queue_name *name)
{
	return hash_bytes(name->text, name->bytes);
}

const struct user *
user_find(const struct shard *shard, const struct queue_name *name)
{
	assert(name->bytes <= NAME_MAX_BYTES);

	uint32_t idx = *index_bucket(&shard->user_index, name_hash(name));
	for (; idx != NIL; idx = *index_next(&shard->user_index, idx)) {
		const struct user *user = user_at(shard, idx);

		if (user->entry.name.bytes == name->bytes &&
		    memcmp(user->entry.name.text, name->text, name->bytes) == 0)
			return user;
	}
	return NULL;
}

const struct user *
user_of_uid(const struct shard *shard, uint64_t uid)
{
	uint32_t idx = USER_SLOT(uid);

	if (uid == 0 || idx >= shard->root->users.high)
		return NULL;
	const struct user *user = user_at(shard, idx);
	return user->is_used && user->entry.uid == uid ? user : NULL;
}

uint64_t
user_next_uid(const struct shard *shard)
{
	uint32_t idx = table_next_free(&shard->root->users, shard->geometry.users);

	if (idx == NIL || shard->root->user_counter == UINT32_MAX)
		return 0;
	return USER_UID(shard->root->user_counter + 1, idx);
}

bool
user_is_admin_beside(const struct shard *shard, uint64_t uid)
{
	for (uint32_t idx = 0; idx < shard->root->users.high; idx++) {
		const struct user *user = user_at(shard, idx);

		if (user->is_used && user->entry.uid != uid &&
		    user->entry.config.role == USER_ROLE_ADMIN && !user->entry.config.is_disabled)
			return true;
	}
	return false;
}

void
user_index_add(struct shard *shard, uint32_t idx)
{
	const struct user *user = user_at(shard, idx);

	assert(user->is_used);
	index_add(&shard->txn, &shard->user_index, name_hash(&user->entry.name), idx);
}

void
user_take(struct shard *shard, const struct user_entry *entry)
{
	uint32_t idx = USER_SLOT(entry->uid);
	struct user *user = user_at(shard, idx);

	assert(USER_NUMBER(entry->uid) == shard->root->user_counter + 1);
	assert(name_is_valid(&entry->name));
	assert(user_config_is_valid(&entry->config));
	assert(user_find(shard, &entry->name) == NULL);
	table_take(&shard->txn, &shard->user_links, &shard->root->users, idx);
	user->entry = *entry; /* plainly: of a free slot nothing has a meaning but its link */
	txn_set(&shard->txn, &user->is_used, 1);
	txn_set(&shard->txn, &shard->root->user_counter, USER_NUMBER(entry->uid));
	user_index_add(shard, idx);
}

void
user_set(struct shard *shard, const struct user_entry *entry)
{
	uint64_t words[sizeof(*entry) / 8];
	struct user *user = user_at(shard, USER_SLOT(entry->uid));
	uint64_t *into = (uint64_t *)(void *)&user->entry;

	_Static_assert(sizeof(*entry) % 8 == 0, "set by words");
	_Static_assert(sizeof(*entry) / 8 < UNDO_WORDS_FIXED, "a user fits into the undo log");
	assert(user->is_used && user->entry.uid == entry->uid);
	assert(memcmp(&user->entry.name, &entry->name, sizeof(entry->name)) == 0);
	assert(user_config_is_valid(&entry->config));
	memcpy(words, entry, sizeof(words));
	for (unsigned i = 0; i < sizeof(words) / 8; i++) {
		if (into[i] != words[i])
			txn_set(&shard->txn, &into[i], words[i]);
	}
}

void
user_free(struct shard *shard, uint64_t uid)
{
	uint32_t idx = USER_SLOT(uid);
	struct user *user = user_at(shard, idx);

	assert(user->is_used && user->entry.uid == uid);
	index_remove(&shard->txn, &shard->user_index, name_hash(&user->entry.name), idx);
	txn_set(&shard->txn, &user->is_used, 0);
	table_give(&shard->txn, &shard->user_links, &shard->root->users, idx);
}
