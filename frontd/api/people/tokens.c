/*
 * Making tokens and sessions.  The secret is drawn when the frame is filled, waits in the memo for
 * the worker's reply, and leaves with the answer; nobody keeps it.
 */
#include <assert.h>

#include "frontd/api/ids.h"
#include "frontd/api/json.h"
#include "frontd/api/pages.h"
#include "frontd/api/people/people.h"
#include "frontd/api/people/secret.h"
#include "frontd/api/words.h"
#include "frontd/http/text.h"
#include "shm/pattern.h"

#define SCOPE_WANTED \
	"publish, consume, browse, manage or * with a colon and a pattern (publish:orders.#), or " \
	"admin, metrics, or *"

/* ---- tokens ---- */

static bool
take_scopes(struct api_call *call, struct scan *array)
{
	struct credential_config *config = &call->credential.config;
	struct words words = { .field = "scopes", .wanted = SCOPE_WANTED,
		.is_valid = scopes_are_valid, .list = config->scopes,
		.list_bytes_max = sizeof(config->scopes) };

	if (!words_take(call, array, &words))
		return false;
	config->scopes_bytes = (uint16_t)words.list_bytes;
	return words.count != 0 || api_refuse(call, OUTCOME_BAD_FIELD,
	    "scopes: at least one; without the field all: [\"*\"]");
}

/* For people: any text that can be printed. */
static bool
take_label(struct api_call *call, const struct scan_string *text)
{
	char room[NAME_MAX_BYTES];
	struct http_slice label = scan_text(text, (struct http_span){ room, sizeof(room) });

	if (label.ptr == NULL || label.len == 0 || label.len > NAME_MAX_BYTES)
		return api_refuse(call, OUTCOME_BAD_FIELD,
		    "name: 1 to %d bytes, to know the token by", NAME_MAX_BYTES);
	for (size_t i = 0; i < label.len; i++)
		if ((unsigned char)label.ptr[i] < 0x20 || label.ptr[i] == 0x7f)
			return api_refuse(call, OUTCOME_BAD_FIELD, "name: no control characters");
	api_put_name(label, &call->credential.config.name);
	return true;
}

/* Whose it will be: the one who asks, or, by an admin, anybody. */
static bool
take_owner(struct api_call *call, const struct json_rule *user)
{
	char room[NAME_MAX_BYTES];
	struct user_entry entry;

	if (user->seen != JSON_GIVEN) {
		call->credential.config.uid = call->principal->uid;
		return call->principal->uid != 0 ||
		    api_refuse(call, OUTCOME_BAD_FIELD, "user: whose token it is to be");
	}
	struct http_slice name = scan_text(user->text, (struct http_span){ room, sizeof(room) });
	if (name.ptr == NULL)
		return api_refuse(call, OUTCOME_BAD_NAME, NULL);
	if (!call->principal->is_admin && !people_is_self(call, name))
		return api_refuse(call, OUTCOME_FORBIDDEN,
		    "tokens of others are for admins to make");
	if (!people_find(call, name, &entry))
		return false;
	if (entry.config.is_disabled)
		return api_refuse(call, OUTCOME_BAD_FIELD, "user: %.*s is disabled", (int)name.len,
		    name.ptr);
	call->credential.config.uid = entry.uid;
	return true;
}

bool
token_create_plan(struct api_call *call)
{
	struct credential_config *config = &call->credential.config;
	struct scan_string name, user;
	struct scan scopes;
	uint64_t expires_in = 0;
	struct json_rule rules[] = {
		{ "name", JSON_RULE_TEXT, .text = &name },
		{ "scopes", JSON_RULE_ARRAY, true, .inner = &scopes },
		{ "expires_in", JSON_RULE_DURATION, true, .min = 1, .max = DELAY_MS_MAX,
		    .number = &expires_in },
		{ "user", JSON_RULE_TEXT, true, .text = &user },
	};

	call->frame_bytes = sizeof(struct credential_request);
	call->memo.shard = 0;
	*config = (struct credential_config){ .kind = CREDENTIAL_TOKEN, .scopes = "*",
		.scopes_bytes = 1 };
	if (!json_take_body(call, rules, sizeof(rules) / sizeof(rules[0])))
		return false;
	if (rules[0].seen != JSON_GIVEN)
		return api_refuse(call, OUTCOME_BAD_FIELD,
		    "name: must be given, to know the token by");
	if (rules[2].seen == JSON_GIVEN)
		config->expires_ms = call->world->now_ms + expires_in;
	return take_label(call, &name) &&
	    (rules[1].seen != JSON_GIVEN || take_scopes(call, &scopes)) &&
	    take_owner(call, &rules[3]);
}

/* ---- sessions ---- */

/* The slice is good as long as the call. */
static bool
take_text(struct api_call *call, const char *field, const struct scan_string *text,
    char room[HTTP_PASSWORD_MAX], struct http_slice *slice)
{
	*slice = scan_text(text, (struct http_span){ room, HTTP_PASSWORD_MAX });
	return slice->ptr != NULL ||
	    api_refuse(call, OUTCOME_BAD_FIELD, "%s: more than %d bytes", field, HTTP_PASSWORD_MAX);
}

/* Name and password in the body: call->password asks for their check. */
static bool
take_login(struct api_call *call)
{
	struct scan_string user, password;
	struct json_rule rules[] = {
		{ "user", JSON_RULE_TEXT, .text = &user },
		{ "password", JSON_RULE_TEXT, .text = &password },
	};
	bool is_in_header = call->principal != NULL && call->principal->kind == PRINCIPAL_PASSWORD;

	if (!json_take_body(call, rules, 2))
		return false;
	bool is_in_body = rules[0].seen == JSON_GIVEN || rules[1].seen == JSON_GIVEN;
	if (is_in_header && is_in_body)
		return api_refuse(call, OUTCOME_BAD_FIELD,
		    "user and password: here or in Authorization, not in both");
	if (is_in_header) {
		call->credential.config.uid = call->principal->uid;
		return true;
	}
	if (rules[0].seen != JSON_GIVEN || rules[1].seen != JSON_GIVEN)
		return api_refuse(call, OUTCOME_UNAUTHORIZED,
		    "user and password are wanted, in the body or as Basic");
	return take_text(call, "user", &user, call->credential.room[0], &call->password.user) &&
	    take_text(call, "password", &password, call->credential.room[1],
		&call->password.current);
}

bool
session_create_plan(struct api_call *call)
{
	struct credential_config *config = &call->credential.config;
	const struct principal *principal = call->principal;

	call->frame_bytes = sizeof(struct credential_request);
	call->memo.shard = 0;
	/* Else who found a token could go on when it has ended. */
	if (principal != NULL &&
	    (principal->kind == PRINCIPAL_TOKEN || principal->kind == PRINCIPAL_SESSION))
		return api_refuse(call, OUTCOME_FORBIDDEN,
		    "a session begins with a password, not with a token");
	*config = (struct credential_config){ .kind = CREDENTIAL_SESSION, .scopes = "*",
		.scopes_bytes = 1,
		.idle_ms = call->world->session_idle_ms };
	config->expires_ms = call->world->now_ms + call->world->session_max_ms;
	return take_login(call);
}

/* ---- both ---- */

static uint32_t
credential_fill(struct api_call *call, struct credential_request *request)
{
	struct credential_config *config = &call->credential.config;

	call->memo.name_bytes = secret_draw((enum credential_kind)config->kind, call->memo.name);
	secret_hash(call->memo.name, call->memo.name_bytes, config->hash);
	request->caller = call->memo.caller;
	request->credential = *config;
	request->password_etag = 0;
	return sizeof(*request);
}

uint32_t
token_create_fill(struct api_call *call, void *frame)
{
	return credential_fill(call, frame);
}

uint32_t
session_create_fill(struct api_call *call, void *frame)
{
	struct credential_request *request = frame;

	bool is_in_body = call->password.user.ptr != NULL;

	if (is_in_body)
		call->credential.config.uid = call->password.verified_uid;
	(void)credential_fill(call, request);
	/* If the password was changed since, this login is none. */
	request->password_etag = is_in_body ? call->password.verified_etag
	    : call->principal->password_etag;
	/* Who logs in makes it himself. */
	request->caller = (struct caller){ .uid = call->credential.config.uid };
	return sizeof(*request);
}

enum api_answered
credential_answer(struct api_memo *memo, const struct api_reply *reply, struct answer *answer)
{
	const struct credential_entry *made =
	    &((const struct credential_reply *)reply->frame)->credential;
	bool is_session = made->config.kind == CREDENTIAL_SESSION;
	char location[sizeof("/v1/sessions/") + ID_BYTES], *at;
	struct queue_name user;

	answer->made_id = made->id;
	answer->made_uid = made->config.uid;
	(void)people_name(reply->world, made->config.uid, &user);
	credential_put_json(answer, made, &user,
	    (struct http_slice){ memo->name, memo->name_bytes }, 0);
	explicit_bzero(memo->name, sizeof(memo->name));
	memo->name_bytes = 0;
	answer_put(answer, "\n");
	answer_head(answer, 201, ANSWER_JSON);
	at = stpcpy(location, is_session ? "/v1/sessions/" : "/v1/tokens/");
	id_format(made->id, at);
	at += ID_BYTES;
	http_write_field(&answer->head, "Location",
	    (struct http_slice){ location, (size_t)(at - location) });
	http_write_field(&answer->head, "Cache-Control", HTTP_LITERAL("no-store"));
	answer_end(answer);
	return API_ANSWERED;
}
