/*
 * Who may do what with a queue.  Grants live with their queue, in its shard, by uid; names are for
 * the clients' sake.
 *
 * A name that no user has goes to the worker as uid 0: only who manages the queue is told that
 * there is no such user, and nobody else can try names out.
 */
#include "frontd/api/json.h"
#include "frontd/api/people/people.h"
#include "frontd/api/words.h"
#include "shm/pattern.h"

#define RIGHTS_BYTES_MAX 64 /* of all four, with blanks */
#define RIGHTS_WANTED "publish, consume, browse or manage"

static unsigned
right_of(const char *word, size_t bytes)
{
	for (unsigned right = RIGHT_PUBLISH; right <= RIGHT_MANAGE; right <<= 1)
		if (strlen(right_name(right)) == bytes &&
		    memcmp(right_name(right), word, bytes) == 0)
			return right;
	return RIGHT_NONE;
}

static bool
right_is_valid(const char *word, size_t bytes)
{
	return right_of(word, bytes) != RIGHT_NONE;
}

static bool
take_rights(struct api_call *call)
{
	struct scan array;
	char list[RIGHTS_BYTES_MAX];
	struct json_rule rules[] = { { "rights", JSON_RULE_ARRAY, .inner = &array } };
	struct words words = { .field = "rights", .wanted = RIGHTS_WANTED,
		.is_valid = right_is_valid, .list = list,
		.list_bytes_max = sizeof(list) };
	size_t at = 0, bytes;
	const char *word;

	if (!json_take_body(call, rules, 1))
		return false;
	if (rules[0].seen == JSON_GIVEN && !words_take(call, &array, &words))
		return false;
	if (rules[0].seen != JSON_GIVEN || words.count == 0)
		return api_refuse(call, OUTCOME_BAD_FIELD,
		    "rights: one at least of " RIGHTS_WANTED "; DELETE takes all away");
	call->memo.rights = RIGHT_NONE;
	while (pattern_next(list, words.list_bytes, &at, &word, &bytes))
		call->memo.rights |= (uint8_t)right_of(word, bytes);
	return true;
}

/* Whose grant: memo.uid, 0 if there is no such user. */
static bool
take_user(struct api_call *call)
{
	struct http_slice text = call->target->segments[4];
	struct user_entry user = { .uid = 0 };
	struct queue_name name;

	if (!api_name_is_valid(text))
		return api_refuse(call, OUTCOME_BAD_NAME, NULL);
	api_put_name(text, &name);
	if (directory_user_by_name(call->world->directory, &name, &user) == DIRECTORY_NOT_NOW)
		return api_not_now(call);
	call->memo.uid = user.uid;
	return true;
}

bool
grant_plan(struct api_call *call)
{
	call->frame_bytes = sizeof(struct grant_request);
	return api_take_queue(call, 2) && take_user(call);
}

bool
grant_put_plan(struct api_call *call)
{
	return grant_plan(call) && take_rights(call);
}

bool
grant_list_plan(struct api_call *call)
{
	call->frame_bytes = sizeof(struct queue_request);
	return api_take_queue(call, 2);
}

uint32_t
grant_fill(struct api_call *call, void *frame)
{
	struct grant_request *request = frame;

	api_put_queue(&call->memo, &request->queue);
	request->uid = call->memo.uid;
	request->rights = call->memo.rights;
	request->reserved = 0;
	return sizeof(*request);
}

uint32_t
grant_list_fill(struct api_call *call, void *frame)
{
	api_put_queue(&call->memo, frame);
	return sizeof(struct queue_request);
}

/* ---- answers ---- */

void
rights_put(struct answer *answer, unsigned rights)
{
	bool is_first = true;

	answer_put(answer, "[");
	for (unsigned right = RIGHT_PUBLISH; right <= RIGHT_MANAGE; right <<= 1) {
		if ((rights & right) == 0)
			continue;
		answer_put(answer, is_first ? "\"" : ",\"");
		answer_put(answer, right_name(right));
		answer_put(answer, "\"");
		is_first = false;
	}
	answer_put(answer, "]");
}

static void
put_grant(struct answer *answer, const struct queue_name *user, unsigned rights)
{
	answer_put(answer, "{\"user\":");
	people_put_name(answer, user);
	answer_put(answer, ",\"rights\":");
	rights_put(answer, rights);
	answer_put(answer, "}");
}

static void
answer_grant(struct answer *answer, unsigned status, const struct queue_name *user, unsigned rights)
{
	put_grant(answer, user, rights);
	answer_put(answer, "\n");
	answer_head(answer, status, ANSWER_JSON);
	answer_end(answer);
}

enum api_answered
grant_put_answer(struct api_memo *memo, const struct api_reply *reply, struct answer *answer)
{
	struct queue_name user;

	/* It was there when it was asked for; who is deleted meanwhile has no name any more. */
	if (people_name(reply->world, memo->uid, &user) == DIRECTORY_NONE)
		answer_outcome(answer, OUTCOME_NO_USER, NULL);
	else
		answer_grant(answer, reply->frame->header.op == OUTCOME_CREATED ? 201 : 200, &user,
		    memo->rights);
	return API_ANSWERED;
}

enum api_answered
grant_get_answer(struct api_memo *memo, const struct api_reply *reply, struct answer *answer)
{
	const struct grant_list_reply *found = (const struct grant_list_reply *)reply->frame;
	struct queue_name user;

	for (uint32_t i = 0; i < found->count; i++) {
		if (memo->uid == 0 || found->grants[i].uid != memo->uid)
			continue;
		if (people_name(reply->world, memo->uid, &user) != DIRECTORY_FOUND)
			break;
		answer_grant(answer, 200, &user, found->grants[i].rights);
		return API_ANSWERED;
	}
	answer_outcome(answer, OUTCOME_NO_GRANT, NULL);
	return API_ANSWERED;
}

enum api_answered
grant_list_answer(struct api_memo *memo, const struct api_reply *reply, struct answer *answer)
{
	const struct grant_list_reply *found = (const struct grant_list_reply *)reply->frame;
	bool is_first = true;

	(void)memo;
	answer_put(answer, "{\"grants\":[");
	for (uint32_t i = 0; i < found->count; i++) {
		struct queue_name user;

		switch (people_name(reply->world, found->grants[i].uid, &user)) {
		case DIRECTORY_NOT_NOW:
			answer_outcome(answer, OUTCOME_RECOVERING, NULL);
			return API_ANSWERED;
		case DIRECTORY_NONE:
			continue; /* gone: it gives nothing to anybody */
		case DIRECTORY_FOUND:
			break;
		}
		answer_put(answer, is_first ? "" : ",");
		put_grant(answer, &user, found->grants[i].rights);
		is_first = false;
	}
	answer_put(answer, "]}\n");
	answer_head(answer, 200, ANSWER_JSON);
	answer_end(answer);
	return API_ANSWERED;
}
