/*
 * Looking at users: from the directory, which is a copy of what shard 0 has, made before anybody
 * hears of a change.
 */
#include "frontd/api/condition.h"
#include "frontd/api/pages.h"
#include "frontd/api/people/people.h"
#include "frontd/api/ids.h"
#include "frontd/api/words.h"

#define BATCH 16u         /* users copied at once */
#define SCAN_MAX 4096u    /* slots looked at for one page, so that a list never stalls the loop */

static void
put_quotas(struct answer *answer, const struct user_quotas *quotas)
{
	const struct {
		const char *name;
		uint64_t value;
	} rows[] = {
		{ ",\"quotas\":{\"queues\":", quotas->queues },
		{ ",\"stored_bytes\":", quotas->stored_bytes },
		{ ",\"connections\":", quotas->connections },
		{ ",\"messages_per_second\":", quotas->messages_per_second },
		{ ",\"bytes_per_second\":", quotas->bytes_per_second },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		answer_put(answer, rows[i].name);
		if (rows[i].value == 0)
			answer_put(answer, "null");
		else
			answer_put_number(answer, rows[i].value);
	}
	answer_put(answer, "}");
}

/* What he has of what his quotas limit; not part of the ETag. */
static void
put_usage(struct answer *answer, const struct api_world *world, uint64_t uid)
{
	if (world->usages == NULL)
		return;
	struct usage_entry used = usage_total(world->usages, uid);
	answer_put(answer, ",\"usage\":{\"queues\":");
	answer_put_number(answer, used.queues);
	answer_put(answer, ",\"stored_bytes\":");
	answer_put_number(answer, used.stored_bytes);
	answer_put(answer, ",\"connections\":");
	answer_put_number(answer, used.connections);
	answer_put(answer, "}");
}

void
user_put_json(struct answer *answer, const struct user_entry *user, bool is_open)
{
	const struct user_config *config = &user->config;

	answer_put(answer, "{\"name\":");
	answer_put_string(answer, (struct http_slice){ user->name.text, user->name.bytes });
	answer_put(answer, ",\"role\":");
	answer_put(answer, config->role == USER_ROLE_ADMIN ? "\"admin\"" : "\"user\"");
	answer_put(answer, config->is_disabled ? ",\"disabled\":true" : ",\"disabled\":false");
	answer_put(answer,
	    config->password_bytes != 0 ? ",\"has_password\":true" : ",\"has_password\":false");
	answer_put(answer, ",\"creates\":");
	words_put(answer, config->creates, config->creates_bytes);
	put_quotas(answer, &config->quotas);
	answer_put(answer, ",\"created_at\":");
	answer_put_time(answer, user->created_ms);
	if (!is_open)
		answer_put(answer, "}");
}

bool
user_get_plan(struct api_call *call)
{
	condition_take_known(call);
	if (!user_take_name(call, 2, false))
		return false;
	struct http_slice name = { call->memo.name, call->memo.name_bytes };
	return call->principal->is_admin ? people_find(call, name, &call->user.shown)
	    : people_find_self(call, &call->user.shown);
}

void
user_get(struct api_call *call, struct answer *answer)
{
	const struct user_entry *user = &call->user.shown;

	if (condition_is_known(&call->memo, user->etag)) {
		answer_head(answer, 304, NULL);
	} else {
		user_put_json(answer, user, true);
		put_usage(answer, call->world, user->uid);
		answer_put(answer, "}\n");
		answer_head(answer, 200, ANSWER_JSON);
	}
	condition_put_etag(answer, user->etag);
	answer_end(answer);
}

/* ---- who am I ---- */

bool
user_me_plan(struct api_call *call)
{
	return call->principal->uid == 0 || people_find_self(call, &call->user.shown);
}

static const char *
kind_name(enum principal_kind kind)
{
	switch (kind) {
	case PRINCIPAL_TOKEN:
		return "token";
	case PRINCIPAL_SESSION:
		return "session";
	case PRINCIPAL_PASSWORD:
		return "password";
	case PRINCIPAL_CERTIFICATE:
		return "certificate";
	case PRINCIPAL_ANYBODY:
		break;
	}
	return "none";
}

static void
put_credential(struct answer *answer, const struct principal *principal, uint64_t expires_ms)
{
	char id[ID_BYTES];

	answer_put(answer, ",\"credential\":{\"kind\":\"");
	answer_put(answer, kind_name(principal->kind));
	answer_put(answer, "\"");
	if (principal->credential_id != 0) {
		id_format(principal->credential_id, id);
		answer_put(answer, ",\"id\":");
		answer_put_string(answer, (struct http_slice){ id, sizeof(id) });
	}
	answer_put(answer, ",\"scopes\":");
	words_put(answer, principal->scopes.ptr, principal->scopes.len);
	answer_put(answer, ",\"expires_at\":");
	answer_put_time(answer, expires_ms);
	answer_put(answer, "}}\n");
}

/* 0: never, or it is gone by now. */
static uint64_t
expiry_of(const struct api_call *call)
{
	struct credential_entry credential;
	uint64_t id = call->principal->credential_id;

	if (id == 0 ||
	    directory_credential_by_id(call->world->directory, id, &credential) != DIRECTORY_FOUND)
		return 0;
	uint64_t ends_ms = credential_ends_ms(&credential);
	return ends_ms == UINT64_MAX ? 0 : ends_ms;
}

void
user_me(struct api_call *call, struct answer *answer)
{
	if (call->principal->uid == 0) {
		answer_put(answer, "{\"name\":null,\"role\":\"admin\"");
	} else {
		user_put_json(answer, &call->user.shown, true);
		put_usage(answer, call->world, call->user.shown.uid);
	}
	put_credential(answer, call->principal, expiry_of(call));
	answer_head(answer, 200, ANSWER_JSON);
	answer_end(answer);
}

/* ---- the list ---- */

bool
user_list_plan(struct api_call *call)
{
	return pages_take(call, CURSOR_USERS, DIRECTORY_NIL, &call->page) && people_can_look(call);
}

static bool
has_prefix(const struct queue_name *name, struct http_slice prefix)
{
	return prefix.len == 0 ||
	    (name->bytes >= prefix.len && memcmp(name->text, prefix.ptr, prefix.len) == 0);
}

void
user_list(struct api_call *call, struct answer *answer)
{
	const struct page *wish = &call->page;
	struct user_entry users[BATCH];
	struct directory_page page = { .from = (uint32_t)wish->place };
	uint32_t put = 0;

	answer_put(answer, "{\"users\":[");
	while (put < wish->limit && page.from != DIRECTORY_NIL &&
	    page.from - wish->place < SCAN_MAX) {
		page.limit = wish->limit - put < BATCH ? wish->limit - put : BATCH;
		if (directory_users(call->world->directory, &page, users) == DIRECTORY_NOT_NOW) {
			answer_outcome(answer, OUTCOME_RECOVERING, NULL);
			return;
		}
		for (uint32_t i = 0; i < page.count; i++) {
			if (!has_prefix(&users[i].name, wish->prefix))
				continue;
			answer_put(answer, put++ != 0 ? "," : "");
			user_put_json(answer, &users[i], false);
		}
	}
	answer_put(answer, "]}\n");
	answer_head(answer, 200, ANSWER_JSON);
	if (page.from != DIRECTORY_NIL)
		pages_put_next(answer, call->world, "/v1/users", wish, page.from);
	answer_end(answer);
}
