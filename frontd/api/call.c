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

void
api_put_queue(const struct api_memo *memo, struct queue_request *frame)
{
	frame->caller = memo->caller;
	memset(&frame->name, 0, sizeof(frame->name));
	frame->name.bytes = memo->name_bytes;
	memcpy(frame->name.text, memo->name, memo->name_bytes);
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
