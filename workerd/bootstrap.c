#include "workerd/people.h"

#include <string.h>

#include "shm/atomic.h"
#include "shm/diag.h"
#include "workerd/append.h"

static const struct queue_name admin_name = { .bytes = 5, .text = "admin" };

static bool
is_called_for(const struct shard *shard, const struct bootstrap *asked)
{
	const struct shard_root *root = shard->root;

	if (asked->mode != BOOTSTRAP_IF_NONE && asked->mode != BOOTSTRAP_ALWAYS)
		return false;
	/* Done before: it may have been revoked since, and must not come back with the next start. */
	if (memcmp(root->bootstrap_hash, asked->hash, sizeof(asked->hash)) == 0 ||
	    credential_find(shard, asked->hash) != NULL)
		return false;
	return asked->mode == BOOTSTRAP_ALWAYS || table_used(&root->users) == 0;
}

/* The user `admin`, an enabled admin.  0: the table is full. */
static uint64_t
make_admin(struct worker *worker)
{
	const struct shard *shard = &worker->shard;
	const struct user *present = user_find(shard, &admin_name);
	struct user_entry admin = { .name = admin_name,
		.uid = user_next_uid(shard),
		.etag = shard->root->stream_tail,
		.created_ms = worker_now(worker),
		.config = user_config_default(&admin_name) };

	if (present != NULL && present->entry.config.role == USER_ROLE_ADMIN &&
	    !present->entry.config.is_disabled)
		return present->entry.uid;
	if (present != NULL)
		admin = present->entry;
	if (admin.uid == 0)
		return 0;
	admin.etag = shard->root->stream_tail;
	admin.config.role = USER_ROLE_ADMIN;
	admin.config.is_disabled = 0;
	user_write(worker, present != NULL ? RECORD_USER_CHANGED : RECORD_USER_CREATED, &admin, 0);
	return admin.uid;
}

bool
bootstrap_make(struct worker *worker, const struct bootstrap *asked)
{
	struct credential_entry token = { .config = { .kind = CREDENTIAL_TOKEN,
		                              .scopes_bytes = 1,
		                              .scopes = "*",
		                              .name = { .bytes = 9, .text = "bootstrap" } } };

	assert(!txn_is_open(&worker->shard.txn));
	if (!is_called_for(&worker->shard, asked))
		return true;
	if (!append_fits(
	        worker, sizeof(struct user_record) + sizeof(struct credential_created_record)))
		return false;
	if (credential_next_id(&worker->shard) == 0) {
		diag(DIAG_ERROR,
		    "no admin token can be made: the table of credentials is full; raise "
		    "auth.credentials");
		return true;
	}
	token.config.uid = make_admin(worker);
	if (token.config.uid == 0) {
		diag(DIAG_ERROR,
		    "no admin can be made: the table of users is full; raise auth.users");
		return true;
	}
	memcpy(token.config.hash, asked->hash, sizeof(token.config.hash));
	credential_write(worker, &token, true);
	worker_commit(worker);
	diag(DIAG_INFO, "user admin has a new token");
	return true;
}

bool
bootstrap_step(struct worker *worker)
{
	const struct bootstrap *bootstrap;
	struct bootstrap asked;

	if (worker->role == NULL || worker->shard.geometry.users == 0)
		return false;
	bootstrap = &worker->role->registry.shared->bootstrap;
	if (load_relaxed(&bootstrap->number) == worker->bootstrap_number)
		return false;
	registry_asked_admin(&worker->role->registry, &asked);
	if (asked.mode == BOOTSTRAP_NONE || !bootstrap_make(worker, &asked))
		return false;
	worker->bootstrap_number = asked.number;
	return true;
}
