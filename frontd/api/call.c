#include "frontd/api/call.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "frontd/api/publish.h"
#include "frontd/api/queues.h"
#include "shm/hash.h"

bool
api_refuse(struct api_call *call, enum outcome outcome, const char *detail, ...)
{
	va_list arguments;

	va_start(arguments, detail);
	problem_of_outcome_list(&call->problem, outcome, detail, arguments);
	va_end(arguments);
	return false;
}

void
api_known_take(struct api_known *known, const struct api_call *call)
{
	known->memo = call->memo;
	known->memo.caller = (struct caller){ .uid = 0 };
	known->memo.credential = 0;
	known->entry = call->entry;
	known->body_max = call->body_max;
	known->is_planned = false;
}

void
api_known_give(struct api_known *known, struct api_call *call)
{
	call->known = known;
	call->memo = known->memo;
	call->entry = known->entry;
	call->body_max = known->body_max;
}

bool
api_name_is_valid(struct http_slice name)
{
	if (name.len == 0 || name.len > NAME_MAX_BYTES || name.ptr[0] == '.')
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
		    c == '-'))
			return false;
	}
	return true;
}

bool
api_take_queue(struct api_call *call, size_t position)
{
	assert(position < call->target->segment_count);

	struct http_slice name = call->target->segments[position];
	if (!api_name_is_valid(name))
		return api_refuse(call, OUTCOME_BAD_NAME, NULL);
	memcpy(call->memo.name, name.ptr, name.len);
	call->memo.name_bytes = (uint8_t)name.len;
	call->memo.shard = hash_shard(name.ptr, name.len, call->world->shard_count);
	return true;
}

bool
api_not_now(struct api_call *call)
{
	call->is_not_now = true;
	return false;
}

void
api_put_name(struct http_slice from, struct queue_name *name)
{
	assert(from.len <= NAME_MAX_BYTES);

	memset(name, 0, sizeof(*name));
	name->bytes = (uint8_t)from.len;
	if (from.len != 0)
		memcpy(name->text, from.ptr, from.len);
}

void
api_put_queue(const struct api_memo *memo, struct queue_request *frame)
{
	frame->caller = memo->caller;
	api_put_name((struct http_slice){ memo->name, memo->name_bytes }, &frame->name);
}

/* Which right is missing. */
static void
answer_forbidden(const struct api_memo *memo, struct answer *answer)
{
	unsigned right = memo->route->right;

	if ((right & RIGHTS_ALL) == 0 || memo->name_bytes == 0)
		answer_outcome(answer, OUTCOME_FORBIDDEN, NULL);
	else if (memo->route->op == OP_QUEUE_PUT)
		answer_outcome(answer, OUTCOME_FORBIDDEN, "queue %.*s: it is not yours to manage, and not a name that you may create",
		    memo->name_bytes, memo->name);
	else
		answer_outcome(answer, OUTCOME_FORBIDDEN, "queue %.*s: the right %s is missing", memo->name_bytes, memo->name,
		    right_name(right));
}

void
api_answer_refusal(const struct api_memo *memo, unsigned outcome, struct answer *answer)
{
	if (outcome == OUTCOME_FORBIDDEN) {
		answer_forbidden(memo, answer);
		return;
	}
	if (memo->route->op == OP_GRANT_PUT && memo->uid == 0 && outcome == OUTCOME_BAD_FIELD) {
		answer_outcome(answer, OUTCOME_NO_USER, NULL); /* the queue is the caller's to manage, so this may be told */
		return;
	}
	if (outcome == OUTCOME_QUOTA_EXCEEDED) {
		answer_outcome(answer, outcome, "%s of the owner of queue %.*s", memo->route->op == OP_PUBLISH ? "stored_bytes" : "queues",
		    memo->name_bytes, memo->name);
		return;
	}
	switch (memo->route->op) {
	case OP_CREDENTIAL_CREATE: /* what stands for a name there is a secret */
	case OP_CREDENTIAL_REVOKE:
	case OP_CREDENTIAL_REVOKE_ALL:
		answer_outcome(answer, outcome, NULL);
		break;
	case OP_USER_PUT:
	case OP_USER_PATCH:
	case OP_USER_DELETE:
		answer_outcome(answer, outcome, "user %.*s", memo->name_bytes, memo->name);
		break;
	default: /* about a queue, or all of them */
		answer_outcome(answer, outcome, memo->name_bytes == 0 ? NULL : "queue %.*s", memo->name_bytes, memo->name);
	}
}

void
api_call_end(struct api_call *call)
{
	const struct api_route *route = call->memo.route;

	if (call->is_planned && route->op == OP_PUBLISH)
		publish_end(call);
	if (call->is_planned && (route->op == OP_ACK || route->op == OP_NACK || route->op == OP_EXTEND) &&
	    call->settle.receipts != &call->settle.receipt)
		free(call->settle.receipts);
	call->is_planned = false;
	memset(&call->memo, 0, sizeof(call->memo));
}

void
api_memo_release(struct api_memo *memo)
{
	queue_listing_free(memo->listing);
	memo->listing = NULL;
}
