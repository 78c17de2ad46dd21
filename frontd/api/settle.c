#include "frontd/api/settle.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "frontd/api/ids.h"
#include "frontd/api/json.h"

/* Longest `reason` of a nack.  Checked and let go: it will be kept as the dead_reason of dead letters, once there are any. */
#define REASON_BYTES_MAX 1024u

/*
 * Reads the fields that go with the operation; `receipts` is NULL where there are none in the body.  It stays as it is if they
 * are not given.
 */
static bool
take_fields(struct api_call *call, struct scan *receipts)
{
	enum op op = call->memo.route->op;
	struct settle_plan *plan = &call->settle;
	uint64_t mode = NACK_RELEASE;
	struct scan_string reason = { .at = NULL };
	struct json_rule rules[4], *lease = NULL;
	size_t count = 0;

	plan->lease_ms = DELAY_DEFAULT;
	if (receipts != NULL)
		rules[count++] = (struct json_rule){ "receipts", .kind = JSON_RULE_ARRAY, .inner = receipts };
	if (op == OP_EXTEND) {
		lease = &rules[count];
		rules[count++] = (struct json_rule){ "lease", .kind = JSON_RULE_DURATION, .max = LEASE_MS_MAX,
			.number = &plan->lease_ms };
	} else if (op == OP_NACK) {
		rules[count++] = (struct json_rule){ "mode", .kind = JSON_RULE_CHOICE, .choices = "release fail dead",
			.number = &mode };
		rules[count++] = (struct json_rule){ "delay", .kind = JSON_RULE_DURATION, .max = DELAY_MS_MAX,
			.number = &plan->lease_ms };
		rules[count++] = (struct json_rule){ "reason", .kind = JSON_RULE_TEXT, .text = &reason };
	}
	if (!json_take_body(call, rules, count))
		return false;
	if (lease != NULL && lease->seen != JSON_GIVEN)
		return api_refuse(call, OUTCOME_BAD_FIELD, "lease: must be given, such as \"30s\"");
	if (reason.bytes > REASON_BYTES_MAX)
		return api_refuse(call, OUTCOME_BAD_FIELD, "reason: is longer than 1024 bytes");
	if (mode > NACK_FAIL)
		return api_refuse(call, OUTCOME_NOT_SUPPORTED, "mode \"dead\"");
	plan->mode = (enum nack_mode)mode;
	return true;
}

static void
plan_frame(struct api_call *call)
{
	call->frame_bytes = (uint32_t)(sizeof(struct settle_request) + call->settle.count * sizeof(struct receipt));
}

bool
settle_plan_one(struct api_call *call)
{
	struct settle_plan *plan = &call->settle;

	plan->receipts = &plan->receipt;
	plan->count = 1;
	plan->lease_ms = DELAY_DEFAULT;
	plan->mode = NACK_RELEASE;
	if (!api_take_queue(call, 2))
		return false;
	if (!receipt_parse(call->target->segments[4], call->memo.shard, &plan->receipt))
		return api_refuse(call, OUTCOME_BAD_RECEIPT, NULL);
	if (call->memo.route->op != OP_ACK && !take_fields(call, NULL))
		return false;
	plan_frame(call);
	return true;
}

/* How many elements has the array that is open? */
static size_t
count_elements(struct scan array)
{
	size_t count = 0;

	for (; scan_next(&array); count++)
		(void)scan_leave(&array, array.depth); /* it was checked when it was passed over */
	return count;
}

static bool
take_receipt(struct scan *receipts, uint32_t shard, struct receipt *receipt)
{
	struct scan_value value;
	char room[RECEIPT_BYTES];

	if (!scan_next(receipts) || !scan_value(receipts, &value) || value.kind != SCAN_STRING)
		return false;
	struct http_slice text = scan_text(&value.string, (struct http_span){ room, sizeof(room) });
	return text.ptr != NULL && receipt_parse(text, shard, receipt);
}

bool
settle_plan_batch(struct api_call *call)
{
	struct settle_plan *plan = &call->settle;
	struct scan receipts = { .at = NULL };

	plan->receipts = NULL;
	if (!api_take_queue(call, 2) || !take_fields(call, &receipts))
		return false;
	size_t count = receipts.at == NULL ? 0 : count_elements(receipts);
	if (count == 0 || count > SETTLE_BATCH_MAX)
		return api_refuse(call, OUTCOME_BAD_FIELD, "receipts: 1 to %d of them", SETTLE_BATCH_MAX);
	plan->count = (uint32_t)count;
	plan->receipts = calloc(plan->count, sizeof(plan->receipts[0]));
	assert(plan->receipts != NULL);
	for (size_t i = 0; i < count; i++)
		if (!take_receipt(&receipts, call->memo.shard, &plan->receipts[i]))
			return api_refuse(call, OUTCOME_BAD_RECEIPT, "receipts[%zu]", i);
	plan_frame(call);
	return true;
}

uint32_t
settle_fill(struct api_call *call, void *frame)
{
	struct settle_request *request = frame;
	struct settle_plan *plan = &call->settle;

	api_put_queue(&call->memo, &request->queue);
	request->lease_ms = plan->lease_ms;
	request->mode = plan->mode;
	request->count = plan->count;
	memcpy(request + 1, plan->receipts, plan->count * sizeof(plan->receipts[0]));
	return call->frame_bytes;
}

enum api_answered
settle_answer_one(struct api_memo *memo, const struct api_reply *reply, struct answer *answer)
{
	const struct settle_reply *settled = (const struct settle_reply *)reply->frame;

	assert(settled->count == 1);
	if (settled->settled[0].outcome != OUTCOME_OK) {
		answer_outcome(answer, settled->settled[0].outcome, NULL);
	} else if (memo->route->op == OP_EXTEND) {
		answer_put(answer, "{\"lease_expires_at\":");
		answer_put_time(answer, settled->settled[0].lease_ends_ms);
		answer_put(answer, "}\n");
		answer_head(answer, 200, ANSWER_JSON);
		answer_end(answer);
	} else {
		answer_empty(answer, 204);
	}
	return API_ANSWERED;
}

enum api_answered
settle_answer_batch(struct api_memo *memo, const struct api_reply *reply, struct answer *answer)
{
	const struct settle_reply *settled = (const struct settle_reply *)reply->frame;

	answer_put(answer, "{\"results\":[");
	for (uint32_t i = 0; i < settled->count; i++) {
		const struct settled *one = &settled->settled[i];
		const struct outcome_text *text = outcome_text(one->outcome);

		answer_put(answer, i == 0 ? "{\"status\":" : ",{\"status\":");
		if (one->outcome != OUTCOME_OK) {
			answer_put_number(answer, text->status);
			answer_put(answer, ",\"code\":\"");
			answer_put(answer, text->slug);
			answer_put(answer, "\"");
		} else if (memo->route->op == OP_EXTEND) {
			answer_put(answer, "200,\"lease_expires_at\":");
			answer_put_time(answer, one->lease_ends_ms);
		} else {
			answer_put(answer, "204");
		}
		answer_put(answer, "}");
	}
	answer_put(answer, "]}\n");
	answer_head(answer, 200, ANSWER_JSON);
	answer_end(answer);
	return API_ANSWERED;
}
