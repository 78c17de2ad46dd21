/*
 * users: create, change and remove users.
 *
 * Happy path: as for queues: x_decide() looks and fills in the whole user as he will be, the record says so, its apply makes
 * it so.  A user is removed in one step; his credentials are over with him and are swept away later (credentials.c), his
 * queues stay without him, his grants give nothing.
 * Failure modes: who is no admin may only set his own password; the last enabled admin stays one.
 */
#include <string.h>

#include "workerd/answer.h"
#include "workerd/append.h"
#include "workerd/apply.h"
#include "workerd/dispatch.h"
#include "workerd/people.h"

void
user_write(struct worker *worker, enum record_type type, struct user_entry *user, uint16_t flags)
{
	struct user_record *record = append_begin(worker, type, sizeof(*record));

	assert(type == RECORD_USER_CREATED || type == RECORD_USER_CHANGED);
	record->user = *user;
	append_end(worker, record, sizeof(*record), flags);
	record_apply(&worker->shard, &record->record);
	people_changed_user(worker, user->uid, type == RECORD_USER_CHANGED);
}

void
user_created_apply(struct shard *shard, const struct record *record)
{
	user_take(shard, &((const struct user_record *)record)->user);
}

void
user_changed_apply(struct shard *shard, const struct record *record)
{
	user_set(shard, &((const struct user_record *)record)->user);
}

/* --- USER_PUT and USER_PATCH --- */

/* What a PUT or PATCH comes to. */
struct user_change {
	struct user_entry user;
	bool is_new;
	bool is_same; /* nothing to write */
};

static bool
is_enabled_admin(const struct user_config *config)
{
	return config->role == USER_ROLE_ADMIN && !config->is_disabled;
}

/* Without being an admin: his own password, and nothing else. */
static bool
may_change(const struct user_request *wish, bool is_patch, const struct user *user)
{
	if (wish->caller.flags & CALLER_ADMIN)
		return true;
	return is_patch && user != NULL && user->entry.uid == wish->caller.uid &&
	    wish->fields == USER_FIELD_PASSWORD;
}

static bool
condition_holds(uint32_t condition, uint64_t etag, const struct user *user)
{
	if (condition == CONDITION_IF_MATCH)
		return user != NULL && user->entry.etag == etag;
	return condition != CONDITION_IF_ABSENT || user == NULL;
}

/* The configuration that is wanted: of a PUT all that is not given is as of a new user, but the password is kept. */
static struct user_config
config_wanted(const struct user_request *wish, bool is_patch, const struct user *user)
{
	struct user_config config = user_config_default(&wish->name);

	if (user != NULL)
		user_config_merge(
		    &config, &user->entry.config, is_patch ? UINT32_MAX : USER_FIELD_PASSWORD);
	user_config_merge(&config, &wish->config, wish->fields);
	return config;
}

/* A user who is there: what follows from another configuration. */
static enum outcome
change_decide(const struct shard *shard, const struct user *user, struct user_change *change)
{
	const struct user_config *old = &user->entry.config, *new = &change->user.config;
	bool is_other_password = old->password_bytes != new->password_bytes ||
	    memcmp(old->password, new->password, sizeof(old->password)) != 0;

	if (is_enabled_admin(old) && !is_enabled_admin(new) &&
	    !user_is_admin_beside(shard, user->entry.uid))
		return OUTCOME_LAST_ADMIN;
	change->is_same = memcmp(old, new, sizeof(*old)) == 0;
	change->user.etag = shard->root->stream_tail; /* where the record will be */
	if (is_other_password)
		change->user.password_etag = change->user.etag;
	if (is_other_password || (new->is_disabled && !old->is_disabled))
		change->user.void_to[CREDENTIAL_SESSION] = shard->root->credential_counter;
	return OUTCOME_OK;
}

static enum outcome
birth_decide(const struct shard *shard, const struct user_request *wish, struct user_change *change)
{
	struct user_entry *user = &change->user;

	user->name = wish->name;
	user->uid = user_next_uid(shard);
	user->etag = shard->root->stream_tail;
	user->password_etag = user->config.password_bytes > 0 ? user->etag : 0;
	user->created_ms = shard->root->now_ms;
	return user->uid != 0 ? OUTCOME_CREATED : OUTCOME_TOO_MANY_USERS;
}

static enum outcome
user_decide(const struct shard *shard, const struct user_request *wish, bool is_patch,
    struct user_change *change)
{
	const struct user *user = user_find(shard, &wish->name);

	*change = (struct user_change){ .is_new = user == NULL };
	if (wish->condition > CONDITION_IF_ABSENT)
		return OUTCOME_BAD_REQUEST;
	if (!may_change(wish, is_patch, user))
		return OUTCOME_FORBIDDEN;
	if (is_patch && user == NULL)
		return OUTCOME_NO_USER;
	if (!condition_holds(wish->condition, wish->etag, user))
		return OUTCOME_PRECONDITION_FAILED;
	if (user != NULL)
		change->user = user->entry;
	change->user.config = config_wanted(wish, is_patch, user);
	if (!user_config_is_valid(&change->user.config))
		return OUTCOME_BAD_FIELD;
	return user != NULL ? change_decide(shard, user, change)
	                    : birth_decide(shard, wish, change);
}

static enum served
answer_user(struct worker *worker, const struct request *request, struct user_reply *reply,
    const struct user_change *change)
{
	reply->user = user_of_uid(&worker->shard, change->user.uid)->entry;
	answer_end(worker, request->from,
	    &(struct answer){ .reply = &reply->reply,
	        .bytes = sizeof(*reply),
	        .outcome = change->is_new ? OUTCOME_CREATED : OUTCOME_OK,
	        .lsn = worker->shard.root->stream_tail });
	return SERVED;
}

/* These say what is so: not before it is on disk. */
static bool
is_about_state(enum outcome outcome)
{
	return outcome == OUTCOME_PRECONDITION_FAILED || outcome == OUTCOME_NO_USER ||
	    outcome == OUTCOME_NO_TOKEN || outcome == OUTCOME_NO_SESSION;
}

enum served
people_refuse(struct worker *worker, const struct request *request, enum outcome outcome)
{
	return answer_outcome(worker, request->from, outcome,
	    is_about_state(outcome) ? worker->shard.root->stream_tail : 0);
}

static enum served
user_serve(struct worker *worker, const struct request *request, bool is_patch)
{
	struct user_request wish;
	struct user_change change;
	uint64_t offset = 0;

	if (worker->shard.geometry.users == 0 ||
	    !request_read(request, &offset, &wish, sizeof(wish)))
		return answer_refusal(worker, request, OUTCOME_BAD_REQUEST);
	enum outcome outcome = request_name(&wish.name);
	if (outcome == OUTCOME_OK)
		outcome = user_decide(&worker->shard, &wish, is_patch, &change);
	if (outcome != OUTCOME_OK && outcome != OUTCOME_CREATED)
		return people_refuse(worker, request, outcome);
	struct user_reply *reply = answer_begin(worker, request->from, sizeof(*reply));
	if (reply == NULL || !append_fits(worker, sizeof(struct user_record)))
		return SERVE_LATER;
	if (!change.is_same)
		user_write(worker, change.is_new ? RECORD_USER_CREATED : RECORD_USER_CHANGED,
		    &change.user, RECORD_LAST);
	return answer_user(worker, request, reply, &change);
}

enum served
user_put_serve(struct worker *worker, const struct request *request)
{
	return user_serve(worker, request, false);
}

enum served
user_patch_serve(struct worker *worker, const struct request *request)
{
	return user_serve(worker, request, true);
}

/* --- USER_DELETE --- */

static enum outcome
user_delete_decide(const struct shard *shard, const struct user_delete_request *wish, uint64_t *uid)
{
	const struct user *user = user_find(shard, &wish->name);

	if (wish->condition >= CONDITION_IF_ABSENT)
		return OUTCOME_BAD_REQUEST;
	if (!(wish->caller.flags & CALLER_ADMIN))
		return OUTCOME_FORBIDDEN;
	if (user == NULL)
		return OUTCOME_NO_USER;
	if (!condition_holds(wish->condition, wish->etag, user))
		return OUTCOME_PRECONDITION_FAILED;
	if (is_enabled_admin(&user->entry.config) && !user_is_admin_beside(shard, user->entry.uid))
		return OUTCOME_LAST_ADMIN;
	*uid = user->entry.uid;
	return OUTCOME_OK;
}

enum served
user_delete_serve(struct worker *worker, const struct request *request)
{
	struct user_delete_request wish;
	uint64_t offset = 0, uid = 0;

	if (worker->shard.geometry.users == 0 ||
	    !request_read(request, &offset, &wish, sizeof(wish)))
		return answer_refusal(worker, request, OUTCOME_BAD_REQUEST);
	enum outcome outcome = request_name(&wish.name);
	if (outcome == OUTCOME_OK)
		outcome = user_delete_decide(&worker->shard, &wish, &uid);
	if (outcome != OUTCOME_OK)
		return people_refuse(worker, request, outcome);
	struct reply *reply = answer_begin(worker, request->from, sizeof(*reply));
	if (reply == NULL || !append_fits(worker, sizeof(struct user_deleted_record)))
		return SERVE_LATER;

	struct user_deleted_record *record = append_begin(
	    worker, RECORD_USER_DELETED, sizeof(*record));
	record->uid = uid;
	append_end(worker, record, sizeof(*record), RECORD_LAST);
	user_deleted_apply(&worker->shard, &record->record);
	people_changed_user(worker, uid, true);
	answer_end(worker, request->from,
	    &(struct answer){ .reply = reply,
	        .bytes = sizeof(*reply),
	        .outcome = OUTCOME_OK,
	        .lsn = worker->shard.root->stream_tail });
	return SERVED;
}

void
user_deleted_apply(struct shard *shard, const struct record *record)
{
	user_free(shard, ((const struct user_deleted_record *)record)->uid);
}
