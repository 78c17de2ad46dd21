/*
 * credentials: tokens and sessions: made, used, revoked, and swept away when they are over.
 *
 * Happy path: a frontd brings the hash of a secret that it has drawn; it is stored, shown in the directory, and found there
 * at each use.  Once a minute or so a use is reported (CREDENTIAL_TOUCH).
 * Failure modes: all of a kind are revoked by one word of the user (void_to), those of a user who is gone by his being gone,
 * and those that expire by the clock: none of that needs them to be found first.  The sweep, a few slots at a time between
 * requests, takes out of the table what is over; where it stands is in the root, so that a successor goes on from there.
 */
#include <string.h>

#include "shm/atomic.h"
#include "workerd/answer.h"
#include "workerd/append.h"
#include "workerd/apply.h"
#include "workerd/dispatch.h"
#include "workerd/people.h"

/* Slots looked at in one step, steps this far apart, at most so many removed in one: a table of 4096 takes half a second. */
#define SWEEP_SCAN_MAX 512
#define SWEEP_REMOVE_MAX 32
#define SWEEP_EVERY_MS 50

static bool
may_act_for(const struct caller *caller, uint64_t uid)
{
	return (caller->flags & CALLER_ADMIN) || (caller->uid == uid && uid != 0);
}

/* --- CREDENTIAL_CREATE --- */

void
credential_write(struct worker *worker, struct credential_entry *credential, bool is_bootstrap)
{
	struct credential_created_record *record = append_begin(
	    worker, RECORD_CREDENTIAL_CREATED, sizeof(*record));

	credential->id = credential_next_id(&worker->shard);
	credential->created_ms = worker_now(worker);
	credential->last_used_ms = worker_now(worker);
	assert(credential->id != 0);
	record->credential = *credential;
	record->is_bootstrap = is_bootstrap;
	record->reserved = 0;
	append_end(worker, record, sizeof(*record), RECORD_LAST);
	credential_created_apply(&worker->shard, &record->record);
	people_changed_credential(worker, credential->id, false);
}

void
credential_created_apply(struct shard *shard, const struct record *record)
{
	const struct credential_created_record *created = (const struct credential_created_record *)
	    record;
	uint64_t words[4];

	_Static_assert(
	    sizeof(words) == sizeof(created->credential.config.hash), "a hash is four words");
	assert(created->is_bootstrap <= 1);
	credential_take(shard, &created->credential);
	if (!created->is_bootstrap)
		return;
	memcpy(words, created->credential.config.hash, sizeof(words));
	for (unsigned i = 0; i < 4; i++)
		txn_set(&shard->txn, &shard->root->bootstrap_hash[i], words[i]);
}

static enum outcome
credential_decide(const struct shard *shard, const struct credential_request *wish)
{
	const struct credential_config *config = &wish->credential;
	const struct user *user = user_of_uid(shard, config->uid);

	if (!may_act_for(&wish->caller, config->uid))
		return OUTCOME_FORBIDDEN;
	if (!credential_config_is_valid(config))
		return OUTCOME_BAD_FIELD;
	if (user == NULL)
		return OUTCOME_NO_USER;
	if (user->entry.config.is_disabled ||
	    (wish->password_etag != 0 && wish->password_etag != user->entry.password_etag))
		return OUTCOME_UNAUTHORIZED;
	if (credential_find(shard, config->hash) != NULL)
		return OUTCOME_BAD_FIELD; /* 256 bits of chance do not come twice: somebody repeats himself */
	return credential_next_id(shard) != 0 ? OUTCOME_CREATED : OUTCOME_TOO_MANY_CREDENTIALS;
}

enum served
credential_create_serve(struct worker *worker, const struct request *request)
{
	struct credential_request wish;
	uint64_t offset = 0;

	if (worker->shard.geometry.users == 0 ||
	    !request_read(request, &offset, &wish, sizeof(wish)))
		return answer_refusal(worker, request, OUTCOME_BAD_REQUEST);
	enum outcome outcome = credential_decide(&worker->shard, &wish);
	if (outcome != OUTCOME_CREATED)
		return people_refuse(worker, request, outcome);
	struct credential_reply *reply = answer_begin(worker, request->from, sizeof(*reply));
	if (reply == NULL || !append_fits(worker, sizeof(struct credential_created_record)))
		return SERVE_LATER;
	struct credential_entry credential = { .config = wish.credential };
	credential_write(worker, &credential, false);
	reply->credential = credential;
	answer_end(worker, request->from,
	    &(struct answer){ .reply = &reply->reply,
	        .bytes = sizeof(*reply),
	        .outcome = OUTCOME_CREATED,
	        .lsn = worker->shard.root->stream_tail });
	return SERVED;
}

/* --- CREDENTIALS_REMOVED --- */

static uint32_t
removed_bytes(uint32_t count)
{
	return (uint32_t)(sizeof(struct credentials_removed_record) + count * sizeof(uint64_t));
}

static void
credentials_remove(struct worker *worker, const uint64_t ids[], uint32_t count, bool takes_away)
{
	struct credentials_removed_record *record = append_begin(
	    worker, RECORD_CREDENTIALS_REMOVED, removed_bytes(count));

	assert(count > 0 && count <= SWEEP_REMOVE_MAX);
	record->count = count;
	record->reserved = 0;
	for (uint32_t i = 0; i < count; i++) {
		record->ids[i] = ids[i];
		people_changed_credential(worker, ids[i], takes_away);
	}
	append_end(worker, record, removed_bytes(count), RECORD_LAST);
	credentials_removed_apply(&worker->shard, &record->record);
}

void
credentials_removed_apply(struct shard *shard, const struct record *record)
{
	const struct credentials_removed_record *removed =
	    (const struct credentials_removed_record *)record;

	assert(removed->count > 0 && removed->count <= SWEEP_REMOVE_MAX);
	for (uint32_t i = 0; i < removed->count; i++)
		credential_free(shard, removed->ids[i]);
}

/* --- CREDENTIAL_REVOKE and CREDENTIAL_REVOKE_ALL --- */

static enum outcome
revoke_decide(const struct shard *shard, const struct credential_revoke_request *wish)
{
	const struct credential *credential = credential_of_id(shard, wish->id);

	if (wish->kind >= CREDENTIAL_KIND_COUNT)
		return OUTCOME_BAD_REQUEST;
	if (credential == NULL || credential->entry.config.kind != wish->kind ||
	    !may_act_for(&wish->caller, credential->entry.config.uid))
		return wish->kind == CREDENTIAL_TOKEN ? OUTCOME_NO_TOKEN : OUTCOME_NO_SESSION;
	return OUTCOME_OK;
}

enum served
credential_revoke_serve(struct worker *worker, const struct request *request)
{
	struct credential_revoke_request wish;
	uint64_t offset = 0;

	if (worker->shard.geometry.users == 0 ||
	    !request_read(request, &offset, &wish, sizeof(wish)))
		return answer_refusal(worker, request, OUTCOME_BAD_REQUEST);
	enum outcome outcome = revoke_decide(&worker->shard, &wish);
	if (outcome != OUTCOME_OK)
		return people_refuse(worker, request, outcome);
	struct reply *reply = answer_begin(worker, request->from, sizeof(*reply));
	if (reply == NULL || !append_fits(worker, removed_bytes(1)))
		return SERVE_LATER;
	credentials_remove(worker, &wish.id, 1, true);
	answer_end(worker, request->from,
	    &(struct answer){ .reply = reply,
	        .bytes = sizeof(*reply),
	        .outcome = OUTCOME_OK,
	        .lsn = worker->shard.root->stream_tail });
	return SERVED;
}

static enum outcome
revoke_all_decide(const struct shard *shard, const struct credential_revoke_all_request *wish)
{
	if (wish->kind >= CREDENTIAL_KIND_COUNT)
		return OUTCOME_BAD_REQUEST;
	if (!may_act_for(&wish->caller, wish->uid))
		return OUTCOME_FORBIDDEN;
	return user_of_uid(shard, wish->uid) != NULL ? OUTCOME_OK : OUTCOME_NO_USER;
}

enum served
credential_revoke_all_serve(struct worker *worker, const struct request *request)
{
	struct credential_revoke_all_request wish;
	uint64_t offset = 0;

	if (worker->shard.geometry.users == 0 ||
	    !request_read(request, &offset, &wish, sizeof(wish)))
		return answer_refusal(worker, request, OUTCOME_BAD_REQUEST);
	enum outcome outcome = revoke_all_decide(&worker->shard, &wish);
	if (outcome != OUTCOME_OK)
		return people_refuse(worker, request, outcome);
	struct reply *reply = answer_begin(worker, request->from, sizeof(*reply));
	if (reply == NULL || !append_fits(worker, sizeof(struct user_record)))
		return SERVE_LATER;
	struct user_entry user = user_of_uid(&worker->shard, wish.uid)->entry;
	user.void_to[wish.kind] = worker->shard.root->credential_counter;
	user_write(worker, RECORD_USER_CHANGED, &user, RECORD_LAST);
	answer_end(worker, request->from,
	    &(struct answer){ .reply = reply,
	        .bytes = sizeof(*reply),
	        .outcome = OUTCOME_OK,
	        .lsn = worker->shard.root->stream_tail });
	return SERVED;
}

/* --- CREDENTIAL_TOUCH --- */

enum served
credential_touch_serve(struct worker *worker, const struct request *request)
{
	struct credential_touch_request wish;
	uint64_t offset = 0;

	/* Nobody waits for it: what is not there any more, or finds no room, is passed over. */
	if (!request_read(request, &offset, &wish, sizeof(wish))) {
		stat_add(&worker->stats->frames_refused, 1);
		return SERVED;
	}
	const struct credential *credential = credential_of_id(&worker->shard, wish.id);
	if (credential == NULL || credential->entry.last_used_ms >= worker_now(worker) ||
	    !append_fits(worker, sizeof(struct credential_touched_record)))
		return SERVED;
	struct credential_touched_record *record = append_begin(
	    worker, RECORD_CREDENTIAL_TOUCHED, sizeof(*record));
	record->id = wish.id;
	append_end(worker, record, sizeof(*record), RECORD_LAST);
	credential_touched_apply(&worker->shard, &record->record);
	people_changed_credential(worker, wish.id, false);
	return SERVED;
}

void
credential_touched_apply(struct shard *shard, const struct record *record)
{
	credential_touch(
	    shard, ((const struct credential_touched_record *)record)->id, record->time_ms);
}

/* --- the sweep --- */

static bool
is_over(const struct worker *worker, uint32_t slot)
{
	const struct credential *credential = credential_at(&worker->shard, slot);
	const struct user *user;

	if (!credential->is_used)
		return false;
	user = user_of_uid(&worker->shard, credential->entry.config.uid);
	return credential_is_over(
	    &credential->entry, user != NULL ? &user->entry : NULL, worker_now(worker));
}

/* Where and when the next look begins: at once, where there may be many. */
static void
sweep_plan(const struct worker *worker, uint32_t slot, bool may_be_more, uint32_t *next_slot,
    uint64_t *next_ms)
{
	*next_slot = slot < worker->shard.root->credentials.high ? slot : 0;
	*next_ms = worker_now(worker) + (may_be_more ? 0 : SWEEP_EVERY_MS);
}

bool
credentials_sweep(struct worker *worker)
{
	struct shard_root *root = worker->shard.root;
	uint32_t slot = root->sweep_slot, count = 0;
	uint64_t ids[SWEEP_REMOVE_MAX], next_ms;

	if (table_used(&root->credentials) == 0 || worker_now(worker) < root->sweep_next_ms)
		return false;
	for (uint32_t seen = 0;
	     seen < SWEEP_SCAN_MAX && slot < root->credentials.high && count < SWEEP_REMOVE_MAX;
	     seen++, slot++) {
		if (is_over(worker, slot))
			ids[count++] = credential_at(&worker->shard, slot)->entry.id;
	}
	if (count > 0 && !append_fits(worker, removed_bytes(count)))
		return false;
	sweep_plan(worker, slot, count == SWEEP_REMOVE_MAX, &slot, &next_ms);
	if (count == 0) {
		store_relaxed(&root->sweep_slot, slot);
		store_relaxed(&root->sweep_next_ms, next_ms);
		return false;
	}
	txn_set(&worker->shard.txn, &root->sweep_slot, slot);
	txn_set(&worker->shard.txn, &root->sweep_next_ms, next_ms);
	/* Whoever remembers one of them knows himself that it is over, or the generation grew when it was made void. */
	credentials_remove(worker, ids, count, false);
	worker_commit(worker);
	return true;
}
