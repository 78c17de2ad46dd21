#include "workerd/people.h"

#include "shm/atomic.h"

static void
add(struct worker *worker, uint64_t id, bool is_user, bool takes_away)
{
	struct people_changes *changes = &worker->changes;

	changes->takes_away |= takes_away;
	if (changes->count == CHANGES_MAX)
		changes->is_all = true;
	else
		changes->items[changes->count++] = (struct people_change){ .id = id,
			.is_user = is_user };
}

void
people_changed_user(struct worker *worker, uint64_t uid, bool takes_away)
{
	add(worker, uid, true, takes_away);
}

void
people_changed_credential(struct worker *worker, uint64_t id, bool takes_away)
{
	add(worker, id, false, takes_away);
}

void
people_changed_all(struct worker *worker)
{
	worker->changes.is_all = true;
	worker->changes.takes_away = true;
}

static void
mirror_user(struct worker *worker, uint32_t slot)
{
	const struct user *user = user_at(&worker->shard, slot);

	directory_put_user(&worker->directory, slot, user->is_used ? &user->entry : NULL);
}

static void
mirror_credential(struct worker *worker, uint32_t slot)
{
	const struct credential *credential = credential_at(&worker->shard, slot);

	directory_put_credential(
	    &worker->directory, slot, credential->is_used ? &credential->entry : NULL);
}

static void
mirror_all(struct worker *worker)
{
	const struct shard_root *root = worker->shard.root;

	directory_clear(&worker->directory);
	for (uint32_t slot = 0; slot < root->users.high; slot++)
		mirror_user(worker, slot);
	for (uint32_t slot = 0; slot < root->credentials.high; slot++)
		mirror_credential(worker, slot);
}

static void
mirror_some(struct worker *worker, const struct people_changes *changes)
{
	for (uint32_t i = 0; i < changes->count; i++) {
		if (changes->items[i].is_user)
			mirror_user(worker, USER_SLOT(changes->items[i].id));
		else
			mirror_credential(worker, CREDENTIAL_SLOT(changes->items[i].id));
	}
}

void
people_mirror(struct worker *worker)
{
	struct people_changes *changes = &worker->changes;

	assert(!txn_is_open(&worker->shard.txn));
	if ((changes->count == 0 && !changes->is_all) || worker->index != 0 || worker->directory.shared == NULL)
		return;
	directory_begin(&worker->directory);
	if (changes->is_all)
		mirror_all(worker);
	else
		mirror_some(worker, changes);
	directory_end(&worker->directory, worker->shard.root->stream_tail, changes->takes_away);
	changes->count = 0;
	changes->is_all = false;
	changes->takes_away = false;
}
