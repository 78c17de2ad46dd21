/*
 * The tables of people and grants.  As in check.c: every index is looked at before it is followed, and the counts have to add up.
 */
#include "shm/state/check_people.h"

#include "shm/people.h"

/* A free list: within bounds, links that agree, and as long as it says. */
static bool
free_list_is_whole(const struct table *table, const struct link_table *links,
    bool (*is_used)(const struct shard *, uint32_t), const struct shard *shard)
{
	uint32_t walked = 0, prev = NIL;

	if (table->high > links->slot_count)
		return false;
	for (uint32_t at = table->free.head; at != NIL; at = link_at(links, at)->next) {
		if (at >= table->high || ++walked > table->free.count ||
		    link_at(links, at)->prev != prev || is_used(shard, at))
			return false;
		prev = at;
	}
	return walked == table->free.count && table->free.tail == prev;
}

static bool
user_is_used(const struct shard *shard, uint32_t idx)
{
	return shard->users[idx].is_used != 0;
}

static bool
credential_is_used(const struct shard *shard, uint32_t idx)
{
	return shard->credentials[idx].is_used != 0;
}

static bool
grant_is_used(const struct shard *shard, uint32_t idx)
{
	return shard->grants[idx].rights != 0;
}

/* Every chain: within bounds, of used slots only, and in all as many as are used. */
static bool
index_is_whole(const struct table_index *index, uint32_t high, uint32_t used,
    bool (*is_used)(const struct shard *, uint32_t), const struct shard *shard)
{
	uint32_t found = 0;

	for (uint32_t bucket = 0; bucket < index->bucket_count; bucket++) {
		for (uint32_t at = index->buckets[bucket]; at != NIL; at = *index_next(index, at)) {
			if (at >= high || ++found > used || !is_used(shard, at))
				return false;
		}
	}
	return found == used;
}

static const char *
check_users(const struct shard *shard)
{
	const struct shard_root *root = shard->root;
	uint32_t used = 0;

	if (!free_list_is_whole(&root->users, &shard->user_links, user_is_used, shard))
		return "P1: the free list of users is broken";
	for (uint32_t idx = 0; idx < root->users.high; idx++)
		used += user_is_used(shard, idx);
	if (used != table_used(&root->users))
		return "P1: a user slot is neither used nor in the free list";
	if (!index_is_whole(&shard->user_index, root->users.high, used, user_is_used, shard))
		return "P2: a chain of users leads astray";
	for (uint32_t idx = 0; idx < root->users.high; idx++) {
		const struct user *user = &shard->users[idx];

		if (!user->is_used)
			continue;
		if (user->entry.name.bytes > NAME_MAX_BYTES ||
		    user_find(shard, &user->entry.name) != user)
			return "P2: a user is not found by his name";
		if (USER_SLOT(user->entry.uid) != idx || USER_NUMBER(user->entry.uid) == 0 ||
		    USER_NUMBER(user->entry.uid) > root->user_counter)
			return "P2: a user has a uid that was never given";
		if (!user_config_is_valid(&user->entry.config))
			return "P3: a user's configuration is out of bounds";
		for (unsigned kind = 0; kind < CREDENTIAL_KIND_COUNT; kind++) {
			if (user->entry.void_to[kind] > root->credential_counter)
				return "P3: credentials are void that were never made";
		}
	}
	return NULL;
}

static const char *
check_credentials(const struct shard *shard)
{
	const struct shard_root *root = shard->root;
	uint32_t used = 0;

	if (!free_list_is_whole(
	        &root->credentials, &shard->credential_links, credential_is_used, shard))
		return "C1: the free list of credentials is broken";
	for (uint32_t idx = 0; idx < root->credentials.high; idx++)
		used += credential_is_used(shard, idx);
	if (used != table_used(&root->credentials))
		return "C1: a credential slot is neither used nor in the free list";
	if (!index_is_whole(
	        &shard->credential_index, root->credentials.high, used, credential_is_used, shard))
		return "C2: a chain of credentials leads astray";
	for (uint32_t idx = 0; idx < root->credentials.high; idx++) {
		const struct credential *credential = &shard->credentials[idx];

		if (!credential->is_used)
			continue;
		if (credential_find(shard, credential->entry.config.hash) != credential)
			return "C2: a credential is not found by its hash";
		if (CREDENTIAL_SLOT(credential->entry.id) != idx ||
		    CREDENTIAL_NUMBER(credential->entry.id) == 0 ||
		    CREDENTIAL_NUMBER(credential->entry.id) > root->credential_counter)
			return "C2: a credential has an id that was never given";
		if (!credential_config_is_valid(&credential->entry.config))
			return "C3: a credential's configuration is out of bounds";
	}
	return NULL;
}

/* Adds what the lists of grants hold. */
static const char *
check_queue_grants(const struct shard *shard, uint32_t queue_idx, uint32_t *listed)
{
	const struct list *grants = &shard->queues[queue_idx].grants;
	uint32_t walked = 0, prev = NIL;

	for (uint32_t at = grants->head; at != NIL; at = shard->grants[at].link.next) {
		const struct grant *grant = &shard->grants[at];

		if (at >= shard->root->grants.high || ++walked > grants->count ||
		    grant->link.prev != prev)
			return "G1: a queue's list of grants is broken";
		if (grant->rights == 0 || grant->rights > RIGHTS_ALL || grant->uid == 0 ||
		    grant->queue_idx != queue_idx)
			return "G2: a grant gives nothing, or belongs to another queue";
		if (grant_find(shard, queue_idx, grant->uid) != at)
			return "G2: a grant is not found by its queue and user";
		prev = at;
	}
	if (walked != grants->count || grants->tail != prev)
		return "G1: a queue's list of grants is broken";
	*listed += walked;
	return NULL;
}

static const char *
check_grants(const struct shard *shard)
{
	const struct shard_root *root = shard->root;
	uint32_t used = 0, listed = 0;

	if (!free_list_is_whole(&root->grants, &shard->grant_links, grant_is_used, shard))
		return "G1: the free list of grants is broken";
	for (uint32_t idx = 0; idx < root->grants.high; idx++)
		used += grant_is_used(shard, idx);
	if (used != table_used(&root->grants))
		return "G1: a grant slot is neither used nor in the free list";
	if (!index_is_whole(&shard->grant_index, root->grants.high, used, grant_is_used, shard))
		return "G2: a chain of grants leads astray";
	for (uint32_t idx = 0; idx < root->queues_high; idx++) {
		const char *wrong = shard->queues[idx].state == QUEUE_FREE
		    ? NULL
		    : check_queue_grants(shard, idx, &listed);

		if (wrong != NULL)
			return wrong;
	}
	return listed == used ? NULL : "G1: a grant is in no queue's list";
}

const char *
check_people(const struct shard *shard)
{
	const char *wrong = check_grants(shard);

	if (wrong == NULL)
		wrong = check_users(shard);
	if (wrong == NULL)
		wrong = check_credentials(shard);
	return wrong;
}
