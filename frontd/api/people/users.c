/*
 * Happy path of a change: the name, the fields and the condition are taken; a new password is
 * hashed, a present one checked by the caller of plan; the worker of shard 0 makes it so, its reply
 * shows the user.
 *
 * Who may what: an admin everything; everybody else the own password.  Whoever changes the own
 * password has to say the one before, for a token that was left lying about is not to become a
 * password.  Of others a user learns nothing, not even whether they exist: 403 either way.
 */
#include <assert.h>

#include "frontd/api/condition.h"
#include "frontd/api/json.h"
#include "frontd/api/people/people.h"
#include "frontd/api/words.h"
#include "shm/pattern.h"

#define CHOICES_ROLE "user admin"
#define FIELDS_QUOTAS (USER_FIELD_QUEUES | USER_FIELD_STORED_BYTES | USER_FIELD_CONNECTIONS | \
	USER_FIELD_MESSAGES_PER_SECOND | USER_FIELD_BYTES_PER_SECOND)
#define PATTERN_WANTED \
	"a pattern of names, such as orders, orders.* (one more word) or orders.# (any more)"

/* ---- names ---- */

bool
people_is_self(const struct api_call *call, struct http_slice name)
{
	return call->principal->uid != 0 && http_slice_equal(call->principal->name, name);
}

bool
user_take_name(struct api_call *call, size_t position, bool may_be_me)
{
	struct http_slice name = call->target->segments[position];

	if (http_slice_is(name, "me")) {
		if (!may_be_me || call->principal->uid == 0)
			return api_refuse(call, OUTCOME_BAD_NAME,
			    "`me` is whoever asks; no user has this name");
		name = call->principal->name;
	}
	if (!api_name_is_valid(name))
		return api_refuse(call, OUTCOME_BAD_NAME, NULL);
	memcpy(call->memo.name, name.ptr, name.len);
	call->memo.name_bytes = (uint8_t)name.len;
	call->memo.shard = 0;
	if (!call->principal->is_admin && !people_is_self(call, name))
		return api_refuse(call, OUTCOME_FORBIDDEN, "other users are for admins to see");
	return true;
}

bool
people_find(struct api_call *call, struct http_slice text, struct user_entry *user)
{
	struct queue_name name;

	if (!api_name_is_valid(text))
		return api_refuse(call, OUTCOME_BAD_NAME, NULL);
	api_put_name(text, &name);
	switch (directory_user_by_name(call->world->directory, &name, user)) {
	case DIRECTORY_FOUND:
		return true;
	case DIRECTORY_NONE:
		return api_refuse(call, OUTCOME_NO_USER, "user %.*s", (int)text.len, text.ptr);
	case DIRECTORY_NOT_NOW:
		break;
	}
	return api_not_now(call);
}

bool
people_can_look(struct api_call *call)
{
	struct user_entry unused;

	return directory_user_by_uid(call->world->directory, 0, &unused) != DIRECTORY_NOT_NOW ||
	    api_not_now(call);
}

bool
people_find_self(struct api_call *call, struct user_entry *user)
{
	const struct principal *principal = call->principal;

	switch (directory_user_by_uid(call->world->directory, principal->uid, user)) {
	case DIRECTORY_FOUND:
		return true;
	case DIRECTORY_NONE:
		return api_refuse(call, OUTCOME_NO_USER, "user %.*s", (int)principal->name.len,
		    principal->name.ptr);
	case DIRECTORY_NOT_NOW:
		break;
	}
	return api_not_now(call);
}

enum directory_look
people_name(const struct api_world *world, uint64_t uid, struct queue_name *name)
{
	struct user_entry user = { .name.bytes = 0 };
	enum directory_look look = DIRECTORY_NONE;

	if (uid != 0)
		look = directory_user_by_uid(world->directory, uid, &user);
	*name = user.name;
	if (look != DIRECTORY_FOUND)
		name->bytes = 0;
	return look;
}

void
people_put_name(struct answer *answer, const struct queue_name *name)
{
	if (name->bytes == 0)
		answer_put(answer, "null");
	else
		answer_put_string(answer, (struct http_slice){ name->text, name->bytes });
}

/* ---- fields ---- */

static bool
take_quotas(struct api_call *call, struct scan *object)
{
	struct user_plan *plan = &call->user;
	struct user_quotas *quotas = &plan->config.quotas;
	struct json_rule rules[] = {
		{ "queues", JSON_RULE_COUNT, true, .min = 1, .max = INT64_MAX,
		    .number = &quotas->queues },
		{ "stored_bytes", JSON_RULE_SIZE, true, .min = 1, .max = INT64_MAX,
		    .number = &quotas->stored_bytes },
		{ "connections", JSON_RULE_COUNT, true, .min = 1, .max = INT64_MAX,
		    .number = &quotas->connections },
		{ "messages_per_second", JSON_RULE_COUNT, true, .min = 1, .max = INT64_MAX,
		    .number = &quotas->messages_per_second },
		{ "bytes_per_second", JSON_RULE_SIZE, true, .min = 1, .max = INT64_MAX,
		    .number = &quotas->bytes_per_second },
	};
	static const uint32_t fields[] = { USER_FIELD_QUEUES, USER_FIELD_STORED_BYTES,
		USER_FIELD_CONNECTIONS, USER_FIELD_MESSAGES_PER_SECOND,
		USER_FIELD_BYTES_PER_SECOND };

	if (!json_take(call, object, rules, 5, "quotas."))
		return false;
	for (size_t i = 0; i < 5; i++)
		if (rules[i].seen != JSON_ABSENT)
			plan->fields |= fields[i];
	return true;
}

static bool
take_creates(struct api_call *call, struct scan *array)
{
	struct user_config *config = &call->user.config;
	struct words words = { .field = "creates", .wanted = PATTERN_WANTED,
		.is_valid = pattern_is_valid, .list = config->creates,
		.list_bytes_max = sizeof(config->creates) };

	if (!words_take(call, array, &words))
		return false;
	config->creates_bytes = (uint16_t)words.list_bytes;
	return true;
}

/* Text of a password into *slice, which is good as long as the call. */
static bool
take_password(struct api_call *call, const char *field, const struct scan_string *text,
    char room[HTTP_PASSWORD_MAX], struct http_slice *slice)
{
	*slice = scan_text(text, (struct http_span){ room, HTTP_PASSWORD_MAX });
	if (slice->ptr == NULL || slice->len > HTTP_PASSWORD_MAX)
		return api_refuse(call, OUTCOME_BAD_FIELD, "%s: more than %d bytes", field,
		    HTTP_PASSWORD_MAX);
	return true;
}

/* Whoever sets the own password has to know the one there is; of others it is not asked. */
static bool
check_own_password(struct api_call *call, const struct json_rule *current)
{
	struct http_slice name = { call->memo.name, call->memo.name_bytes };
	struct user_entry self;

	if (!people_is_self(call, name)) {
		if (current->seen == JSON_GIVEN)
			return api_refuse(call, OUTCOME_BAD_FIELD,
			    "current_password: only with your own new password");
		return true;
	}
	if (!people_find_self(call, &self))
		return false;
	if (current->seen == JSON_GIVEN) {
		call->password.user = name;
		return take_password(call, "current_password", current->text, call->user.room[1],
		    &call->password.current);
	}
	return self.config.password_bytes == 0 ||
	    api_refuse(call, OUTCOME_FORBIDDEN,
		"current_password: your own password is changed by who knows it");
}

static bool
take_passwords(struct api_call *call, const struct json_rule *fresh,
    const struct json_rule *current)
{
	if (fresh->seen == JSON_ABSENT && current->seen == JSON_ABSENT)
		return true;
	if (fresh->seen == JSON_ABSENT)
		return api_refuse(call, OUTCOME_BAD_FIELD,
		    "current_password: only with a new password");
	call->user.fields |= USER_FIELD_PASSWORD;
	if (fresh->seen == JSON_GIVEN &&
	    !take_password(call, "password", fresh->text, call->user.room[0],
		&call->password.fresh))
		return false;
	return check_own_password(call, current);
}

static bool
take_fields(struct api_call *call)
{
	struct user_plan *plan = &call->user;
	struct queue_name name;
	struct scan_string fresh, current;
	struct scan creates, quotas;
	uint64_t role, disabled;
	struct json_rule rules[] = {
		{ "role", JSON_RULE_CHOICE, true, .choices = CHOICES_ROLE, .number = &role },
		{ "disabled", JSON_RULE_FLAG, true, .number = &disabled },
		{ "creates", JSON_RULE_ARRAY, true, .inner = &creates },
		{ "quotas", JSON_RULE_OBJECT, true, .inner = &quotas },
		{ "password", JSON_RULE_TEXT, true, .text = &fresh },
		{ "current_password", JSON_RULE_TEXT, .text = &current },
	};
	static const uint32_t fields[] = { USER_FIELD_ROLE, USER_FIELD_DISABLED,
		USER_FIELD_CREATES };

	api_put_name((struct http_slice){ call->memo.name, call->memo.name_bytes }, &name);
	plan->config = user_config_default(&name);
	plan->fields = 0;
	role = plan->config.role;
	disabled = plan->config.is_disabled;
	if (!json_take_body(call, rules, sizeof(rules) / sizeof(rules[0])))
		return false;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (rules[i].seen != JSON_ABSENT)
			plan->fields |= fields[i];
	plan->config.role = (uint8_t)role;
	plan->config.is_disabled = (uint8_t)disabled;
	if (rules[2].seen == JSON_GIVEN && !take_creates(call, &creates))
		return false;
	if (rules[3].seen == JSON_IS_NULL)
		plan->fields |= FIELDS_QUOTAS;
	if (rules[3].seen == JSON_GIVEN && !take_quotas(call, &quotas))
		return false;
	return take_passwords(call, &rules[4], &rules[5]);
}

/* ---- changes ---- */

bool
user_put_plan(struct api_call *call)
{
	call->frame_bytes = sizeof(struct user_request);
	return user_take_name(call, 2, false) && take_fields(call) &&
	    condition_take(call, &call->user.condition);
}

bool
user_patch_plan(struct api_call *call)
{
	call->frame_bytes = sizeof(struct user_request);
	if (!user_take_name(call, 2, true) || !take_fields(call) ||
	    !condition_take(call, &call->user.condition))
		return false;
	if (!call->principal->is_admin && call->user.fields != USER_FIELD_PASSWORD)
		return api_refuse(call, OUTCOME_FORBIDDEN,
		    "of yourself you can change the password; all else is for admins");
	return true;
}

uint32_t
user_fill(struct api_call *call, void *frame)
{
	struct user_plan *plan = &call->user;
	struct user_request *request = frame;

	if (call->password.fresh.ptr != NULL) {
		size_t bytes = strnlen(call->password.hash, sizeof(plan->config.password));

		assert(bytes != 0);
		memcpy(plan->config.password, call->password.hash, bytes);
		plan->config.password_bytes = (uint8_t)bytes;
	}
	request->caller = call->memo.caller;
	api_put_name((struct http_slice){ call->memo.name, call->memo.name_bytes }, &request->name);
	request->config = plan->config;
	request->fields = plan->fields;
	request->condition = plan->condition.what;
	request->etag = plan->condition.etag;
	return sizeof(*request);
}

enum api_answered
user_answer(struct api_memo *memo, const struct api_reply *reply, struct answer *answer)
{
	const struct user_reply *user = (const struct user_reply *)reply->frame;
	char location[sizeof("/v1/users/") + NAME_MAX_BYTES], *at = stpcpy(location, "/v1/users/");
	bool is_new = user->reply.header.op == OUTCOME_CREATED;

	at = mempcpy(at, memo->name, memo->name_bytes);
	user_put_json(answer, &user->user, false);
	answer_put(answer, "\n");
	answer_head(answer, is_new ? 201 : 200, ANSWER_JSON);
	if (is_new)
		http_write_field(&answer->head, "Location",
		    (struct http_slice){ location, (size_t)(at - location) });
	condition_put_etag(answer, user->user.etag);
	answer_end(answer);
	return API_ANSWERED;
}

bool
user_delete_plan(struct api_call *call)
{
	call->frame_bytes = sizeof(struct user_delete_request);
	return user_take_name(call, 2, false) && condition_take(call, &call->user.condition);
}

uint32_t
user_delete_fill(struct api_call *call, void *frame)
{
	struct user_delete_request *request = frame;

	request->caller = call->memo.caller;
	api_put_name((struct http_slice){ call->memo.name, call->memo.name_bytes }, &request->name);
	request->condition = call->user.condition.what;
	request->reserved = 0;
	request->etag = call->user.condition.etag;
	return sizeof(*request);
}

enum api_answered
people_answer_done(struct api_memo *memo, const struct api_reply *reply, struct answer *answer)
{
	(void)memo;
	(void)reply;
	answer_empty(answer, 204);
	return API_ANSWERED;
}
