/* Tokens and sessions: showing them, without their secrets, which nobody has; and ending them. */
#include "frontd/api/ids.h"
#include "frontd/api/pages.h"
#include "frontd/api/people/people.h"
#include "frontd/api/words.h"

#define BATCH 16u       /* credentials copied at once */
#define SCAN_MAX 4096u  /* slots looked at for one page, so that a list never stalls the loop */

/* ---- one ---- */

void
credential_put_json(struct answer *answer, const struct credential_entry *credential,
    const struct queue_name *user, struct http_slice secret, uint64_t current)
{
	const struct credential_config *config = &credential->config;
	char id[ID_BYTES];

	id_format(credential->id, id);
	answer_put(answer, "{\"id\":");
	answer_put_string(answer, (struct http_slice){ id, sizeof(id) });
	answer_put(answer, ",\"user\":");
	people_put_name(answer, user);
	if (config->kind == CREDENTIAL_TOKEN) {
		answer_put(answer, ",\"name\":");
		answer_put_string(answer,
		    (struct http_slice){ config->name.text, config->name.bytes });
		answer_put(answer, ",\"scopes\":");
		words_put(answer, config->scopes, config->scopes_bytes);
	} else if (secret.ptr == NULL) {
		answer_put(answer, ",\"current\":");
		answer_put(answer, credential->id == current ? "true" : "false");
	}
	if (secret.ptr != NULL) {
		answer_put(answer, ",\"token\":");
		answer_put_string(answer, secret);
	}
	answer_put(answer, ",\"created_at\":");
	answer_put_time(answer, credential->created_ms);
	answer_put(answer, ",\"expires_at\":");
	answer_put_time(answer, config->expires_ms);
	if (config->kind == CREDENTIAL_SESSION) {
		answer_put(answer, ",\"idle_expires_at\":");
		answer_put_time(answer,
		    config->idle_ms != 0 ? credential->last_used_ms + config->idle_ms : 0);
	}
	answer_put(answer, ",\"last_used_at\":");
	answer_put_time(answer,
	    credential->last_used_ms != credential->created_ms ? credential->last_used_ms : 0);
	answer_put(answer, "}");
}

/* ---- lists ---- */

/*
 * ?user=: whose; without it the own ones.  With auth.mode = off there are no own ones, and all are
 * shown.
 */
static bool
take_user(struct api_call *call)
{
	struct credential_plan *plan = &call->credential;
	struct user_entry user;

	plan->user = http_target_param(call->target, "user");
	plan->uid = call->principal->uid;
	if (plan->user.ptr == NULL)
		return true;
	if (!call->principal->is_admin && !people_is_self(call, plan->user))
		return api_refuse(call, OUTCOME_FORBIDDEN,
		    "user: what others have is for admins to see");
	if (!call->principal->is_admin)
		return true;
	if (!people_find(call, plan->user, &user))
		return false;
	plan->uid = user.uid;
	return true;
}

static bool
list_plan(struct api_call *call, enum cursor_list list)
{
	return pages_take(call, list, DIRECTORY_NIL, &call->credential.page) && take_user(call) &&
	    people_can_look(call);
}

bool
token_list_plan(struct api_call *call)
{
	return list_plan(call, CURSOR_TOKENS);
}

bool
session_list_plan(struct api_call *call)
{
	return list_plan(call, CURSOR_SESSIONS);
}

/* Those of one batch that are good.  user: the last one looked up. */
static bool
put_batch(struct api_call *call, const struct credential_entry *credentials, uint32_t count,
    struct user_entry *user, struct answer *answer, uint32_t *put)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct credential_entry *credential = &credentials[i];
		enum directory_look look = DIRECTORY_FOUND;

		if (user->uid != credential->config.uid)
			look = directory_user_by_uid(call->world->directory, credential->config.uid,
			    user);
		if (look == DIRECTORY_NOT_NOW)
			return false;
		if (look == DIRECTORY_NONE ||
		    !credential_is_good(credential, user, call->world->now_ms))
			continue;
		answer_put(answer, (*put)++ != 0 ? "," : "");
		credential_put_json(answer, credential, &user->name,
		    (struct http_slice){ .ptr = NULL }, call->principal->credential_id);
	}
	return true;
}

static void
head_next(struct api_call *call, const char *path, uint32_t next, struct answer *answer)
{
	const struct credential_plan *plan = &call->credential;
	char with_user[32 + NAME_MAX_BYTES], *at = stpcpy(with_user, path);

	if (plan->user.ptr != NULL) {
		at = stpcpy(at, "?user=");
		/* A name: it has nothing to escape. */
		at = mempcpy(at, plan->user.ptr, plan->user.len);
	}
	*at = '\0';
	pages_put_next(answer, call->world, with_user, &plan->page, next);
}

static void
list(struct api_call *call, enum credential_kind kind, const char *path, struct answer *answer)
{
	const struct directory_wish wish = { .uid = call->credential.uid, .kind = kind };
	const struct page *limits = &call->credential.page;
	struct credential_entry credentials[BATCH];
	struct directory_page page = { .from = (uint32_t)limits->place };
	struct user_entry user = { .uid = 0 };
	uint32_t put = 0;

	answer_put(answer, kind == CREDENTIAL_TOKEN ? "{\"tokens\":[" : "{\"sessions\":[");
	while (put < limits->limit && page.from != DIRECTORY_NIL &&
	    page.from - limits->place < SCAN_MAX) {
		page.limit = limits->limit - put < BATCH ? limits->limit - put : BATCH;
		if (directory_credentials(call->world->directory, &wish, &page, credentials) ==
			DIRECTORY_NOT_NOW ||
		    !put_batch(call, credentials, page.count, &user, answer, &put)) {
			answer_outcome(answer, OUTCOME_RECOVERING, NULL);
			return;
		}
	}
	answer_put(answer, "]}\n");
	answer_head(answer, 200, ANSWER_JSON);
	if (page.from != DIRECTORY_NIL)
		head_next(call, path, page.from, answer);
	answer_end(answer);
}

void
token_list(struct api_call *call, struct answer *answer)
{
	list(call, CREDENTIAL_TOKEN, "/v1/tokens", answer);
}

void
session_list(struct api_call *call, struct answer *answer)
{
	list(call, CREDENTIAL_SESSION, "/v1/sessions", answer);
}

/* ---- ending ---- */

static bool
revoke_plan(struct api_call *call, enum credential_kind kind)
{
	struct http_slice id = call->target->segments[2];

	call->frame_bytes = sizeof(struct credential_revoke_request);
	call->memo.shard = 0;
	call->credential.config.kind = (uint8_t)kind;
	if (kind == CREDENTIAL_SESSION && http_slice_is(id, "current")) {
		call->credential.id = call->principal->credential_id;
		return call->principal->kind == PRINCIPAL_SESSION ||
		    api_refuse(call, OUTCOME_NO_SESSION, "this request came without a session");
	}
	if (id_parse(id, &call->credential.id) && call->credential.id != 0)
		return true;
	return api_refuse(call, kind == CREDENTIAL_TOKEN ? OUTCOME_NO_TOKEN : OUTCOME_NO_SESSION,
	    NULL);
}

bool
token_revoke_plan(struct api_call *call)
{
	return revoke_plan(call, CREDENTIAL_TOKEN);
}

bool
session_revoke_plan(struct api_call *call)
{
	return revoke_plan(call, CREDENTIAL_SESSION);
}

uint32_t
credential_revoke_fill(struct api_call *call, void *frame)
{
	struct credential_revoke_request *request = frame;

	request->caller = call->memo.caller;
	request->id = call->credential.id;
	request->kind = call->credential.config.kind;
	request->reserved = 0;
	return sizeof(*request);
}

/* All sessions of a user: to be logged out everywhere. */
bool
session_revoke_all_plan(struct api_call *call)
{
	call->frame_bytes = sizeof(struct credential_revoke_all_request);
	call->memo.shard = 0;
	if (!take_user(call))
		return false;
	return call->credential.uid != 0 ||
	    api_refuse(call, OUTCOME_BAD_QUERY, "user: whose sessions are to end");
}

uint32_t
session_revoke_all_fill(struct api_call *call, void *frame)
{
	struct credential_revoke_all_request *request = frame;

	request->caller = call->memo.caller;
	request->uid = call->credential.uid;
	request->kind = CREDENTIAL_SESSION;
	request->reserved = 0;
	return sizeof(*request);
}
