#include "frontd/api/queues.h"

#include <assert.h>
#include <string.h>

#include "frontd/api/condition.h"
#include "frontd/api/json.h"
#include "frontd/api/people/people.h"

#define STATES_BYTES_MAX 256 /* of a purge, when they are written with escapes */

/* ---- configuration ---- */

#define CHOICES_DURABILITY "fsync memory"
#define CHOICES_BACKOFF "exponential linear list"

static bool
take_backoff(struct api_call *call, struct scan *object)
{
	struct queue_plan *plan = &call->queue;
	uint64_t type = plan->config.backoff_type, jitter = plan->config.backoff_jitter_ppm;
	struct json_rule rules[] = {
		{ "type", JSON_RULE_CHOICE, true, .choices = CHOICES_BACKOFF, .number = &type },
		{ "min", JSON_RULE_DURATION, true, .max = DELAY_MS_MAX, .number = &plan->config.backoff_min_ms },
		{ "max", JSON_RULE_DURATION, true, .max = DELAY_MS_MAX, .number = &plan->config.backoff_max_ms },
		{ "jitter", JSON_RULE_FRACTION, true, .number = &jitter },
	};
	static const uint32_t fields[] = { FIELD_BACKOFF_TYPE, FIELD_BACKOFF_MIN, FIELD_BACKOFF_MAX, FIELD_BACKOFF_JITTER };

	if (!json_take(call, object, rules, 4, "backoff."))
		return false;
	if (type > BACKOFF_LINEAR)
		return api_refuse(call, OUTCOME_NOT_SUPPORTED, "backoff.type \"list\"");
	for (size_t i = 0; i < 4; i++)
		if (rules[i].seen != JSON_ABSENT)
			plan->fields |= fields[i];
	plan->config.backoff_type = (uint8_t)type;
	plan->config.backoff_jitter_ppm = (uint32_t)jitter;
	/* A patch of one of them is checked by the worker, against the other. */
	bool are_both_known = call->memo.route->op == OP_QUEUE_PUT ||
	    (rules[1].seen != JSON_ABSENT && rules[2].seen != JSON_ABSENT);
	if (are_both_known && plan->config.backoff_min_ms > plan->config.backoff_max_ms)
		return api_refuse(call, OUTCOME_BAD_FIELD, "backoff.min is larger than backoff.max");
	return true;
}

/* Whose the queue is from now on; null: nobody's. */
static bool
take_owner(struct api_call *call, const struct json_rule *rule)
{
	struct queue_plan *plan = &call->queue;
	char room[NAME_MAX_BYTES];
	struct user_entry user = { .uid = 0 };

	if (rule->seen == JSON_ABSENT)
		return true;
	if ((call->memo.caller.flags & CALLER_ADMIN) == 0)
		return api_refuse(call, OUTCOME_FORBIDDEN, "owner: queues are given away by admins");
	plan->fields |= FIELD_OWNER;
	if (rule->seen == JSON_GIVEN &&
	    !people_find(call, scan_text(rule->text, (struct http_span){ room, sizeof(room) }), &user))
		return false;
	plan->owner = user.uid;
	return true;
}

/* The body into call->queue.  null means the default, as RFC 7396 has it for members that are taken away. */
static bool
take_config(struct api_call *call)
{
	struct queue_plan *plan = &call->queue;
	struct queue_config *config = &plan->config;
	uint64_t durability, max_message_bytes, max_in_flight, max_deliveries;
	struct scan_string owner;
	struct scan backoff;

	*plan = (struct queue_plan){ .config = queue_config_default() };
	durability = config->durability;
	max_message_bytes = config->max_message_bytes;
	max_in_flight = config->max_in_flight;
	max_deliveries = config->max_deliveries;
	struct json_rule rules[] = {
		{ "durability", JSON_RULE_CHOICE, true, .choices = CHOICES_DURABILITY, .number = &durability },
		{ "lease", JSON_RULE_DURATION, true, .max = LEASE_MS_MAX, .number = &config->lease_ms },
		{ "delay", JSON_RULE_DURATION, true, .max = DELAY_MS_MAX, .number = &config->delay_ms },
		{ "max_deliveries", JSON_RULE_COUNT, true, .min = 1, .max = 1000000, .number = &max_deliveries },
		{ "max_messages", JSON_RULE_COUNT, true, .min = 1, .max = INT64_MAX, .number = &config->max_messages },
		{ "max_bytes", JSON_RULE_SIZE, true, .min = 1, .max = INT64_MAX, .number = &config->max_bytes },
		{ "max_message_bytes", JSON_RULE_SIZE, true, .min = 1, .max = BODY_BYTES_MAX, .number = &max_message_bytes },
		{ "max_in_flight", JSON_RULE_COUNT, true, .min = 1, .max = UINT32_MAX, .number = &max_in_flight },
		{ "backoff", JSON_RULE_OBJECT, true, .inner = &backoff },
		{ "owner", JSON_RULE_TEXT, true, .text = &owner },
		{ "ttl", .kind = JSON_RULE_LATER }, { "on_expire", .kind = JSON_RULE_LATER },
		{ "dead_letter", .kind = JSON_RULE_LATER }, { "overflow", .kind = JSON_RULE_LATER },
		{ "group_mode", .kind = JSON_RULE_LATER }, { "group_concurrency", .kind = JSON_RULE_LATER },
		{ "priority_levels", .kind = JSON_RULE_LATER }, { "dedup_window", .kind = JSON_RULE_LATER },
		{ "partitions", .kind = JSON_RULE_LATER }, { "paused", .kind = JSON_RULE_LATER },
	};
	static const uint32_t fields[] = { FIELD_DURABILITY, FIELD_LEASE, FIELD_DELAY, FIELD_MAX_DELIVERIES,
		FIELD_MAX_MESSAGES, FIELD_MAX_BYTES, FIELD_MAX_MESSAGE_BYTES, FIELD_MAX_IN_FLIGHT };

	if (!json_take_body(call, rules, sizeof(rules) / sizeof(rules[0])))
		return false;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (rules[i].seen != JSON_ABSENT)
			plan->fields |= fields[i];
	config->durability = (uint8_t)durability;
	config->max_message_bytes = (uint32_t)max_message_bytes;
	config->max_in_flight = (uint32_t)max_in_flight;
	config->max_deliveries = (uint32_t)max_deliveries;
	if (rules[8].seen == JSON_IS_NULL)
		plan->fields |= FIELD_BACKOFF;
	if (rules[8].seen == JSON_GIVEN && !take_backoff(call, &backoff))
		return false;
	return take_owner(call, &rules[9]);
}

bool
queue_put_plan(struct api_call *call)
{
	call->frame_bytes = sizeof(struct queue_config_request);
	return api_take_queue(call, 2) && take_config(call) && condition_take(call, &call->queue.condition);
}

bool
queue_patch_plan(struct api_call *call)
{
	return queue_put_plan(call);
}

bool
queue_get_plan(struct api_call *call)
{
	call->frame_bytes = sizeof(struct queue_request);
	condition_take_known(call);
	return api_take_queue(call, 2);
}

bool
queue_delete_plan(struct api_call *call)
{
	call->frame_bytes = sizeof(struct queue_request);
	if (call->request->known[HTTP_IF_MATCH].ptr != NULL || call->request->known[HTTP_IF_NONE_MATCH].ptr != NULL)
		return api_refuse(call, OUTCOME_NOT_SUPPORTED, "a conditional DELETE");
	return api_take_queue(call, 2);
}

uint32_t
queue_config_fill(struct api_call *call, void *frame)
{
	struct queue_config_request *request = frame;

	api_put_queue(&call->memo, &request->queue);
	request->config = call->queue.config;
	request->fields = call->queue.fields;
	request->condition = call->queue.condition.what;
	request->etag = call->queue.condition.etag;
	request->owner = call->queue.owner;
	return sizeof(*request);
}

uint32_t
queue_name_fill(struct api_call *call, void *frame)
{
	api_put_queue(&call->memo, frame);
	return sizeof(struct queue_request);
}

/* ---- answers ---- */

/* 0 stands for "no limit" and is shown as null, which a PUT takes back. */
static void
put_limit(struct answer *answer, const char *name, uint64_t limit)
{
	answer_put(answer, name);
	if (limit == 0)
		answer_put(answer, "null");
	else
		answer_put_number(answer, limit);
}

static void
put_jitter(struct answer *answer, uint32_t ppm)
{
	char text[10] = "0.000000";

	for (int i = 7; i > 1; i--) {
		text[i] = (char)('0' + ppm % 10);
		ppm /= 10;
	}
	text[0] = (char)('0' + ppm);
	size_t len = 8;
	while (text[len - 1] == '0')
		len--;
	answer_put_bytes(answer, text, text[len - 1] == '.' ? len - 1 : len);
}

static void
put_config(struct answer *answer, const struct queue_config *config)
{
	answer_put(answer, ",\"durability\":");
	answer_put(answer, config->durability == DURABILITY_MEMORY ? "\"memory\"" : "\"fsync\"");
	answer_put(answer, ",\"lease\":");
	answer_put_duration(answer, config->lease_ms);
	answer_put(answer, ",\"delay\":");
	answer_put_duration(answer, config->delay_ms);
	answer_put(answer, ",\"max_deliveries\":");
	answer_put_number(answer, config->max_deliveries);
	answer_put(answer, ",\"backoff\":{\"type\":");
	answer_put(answer, config->backoff_type == BACKOFF_LINEAR ? "\"linear\"" : "\"exponential\"");
	answer_put(answer, ",\"min\":");
	answer_put_duration(answer, config->backoff_min_ms);
	answer_put(answer, ",\"max\":");
	answer_put_duration(answer, config->backoff_max_ms);
	answer_put(answer, ",\"jitter\":");
	put_jitter(answer, config->backoff_jitter_ppm);
	put_limit(answer, "},\"max_messages\":", config->max_messages);
	put_limit(answer, ",\"max_bytes\":", config->max_bytes);
	put_limit(answer, ",\"max_message_bytes\":", config->max_message_bytes);
	put_limit(answer, ",\"max_in_flight\":", config->max_in_flight);
}

static void
put_age(struct answer *answer, const char *name, uint64_t since_ms, uint64_t now_ms)
{
	answer_put(answer, name);
	if (since_ms == 0)
		answer_put(answer, "null");
	else
		answer_put_number(answer, now_ms > since_ms ? now_ms - since_ms : 0);
}

static void
put_stats(struct answer *answer, const struct queue_stats *stats, uint64_t now_ms)
{
	const struct {
		const char *name;
		uint64_t value;
	} rows[] = {
		{ ",\"stats\":{\"ready\":", stats->ready }, { ",\"delayed\":", stats->delayed },
		{ ",\"leased\":", stats->leased }, { ",\"dead\":", stats->dead }, { ",\"waiters\":", stats->waiters },
		{ ",\"bytes\":", stats->bytes }, { ",\"published\":", stats->published },
		{ ",\"delivered\":", stats->delivered }, { ",\"acked\":", stats->acked },
		{ ",\"expired\":", stats->expired }, { ",\"released\":", stats->released },
		{ ",\"failed\":", stats->failed }, { ",\"removed\":", stats->removed },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		answer_put(answer, rows[i].name);
		answer_put_number(answer, rows[i].value);
	}
	put_age(answer, ",\"oldest_ready_age_ms\":", stats->oldest_ready_ms, now_ms);
	put_age(answer, ",\"oldest_lease_age_ms\":", stats->oldest_lease_ms, now_ms);
	answer_put(answer, "}");
}

/* While the directory cannot be read the name is not known, and nothing is said. */
static void
put_owner(struct answer *answer, uint64_t uid, const struct api_world *world)
{
	struct queue_name name;

	if (people_name(world, uid, &name) == DIRECTORY_NOT_NOW)
		return;
	answer_put(answer, ",\"owner\":");
	people_put_name(answer, &name);
}

void
queue_put_json(struct answer *answer, const struct queue_entry *queue, const struct api_world *world, uint64_t now_ms)
{
	assert(queue->name.bytes <= NAME_MAX_BYTES);
	answer_put(answer, "{\"name\":\"");
	answer_put_bytes(answer, queue->name.text, queue->name.bytes);
	answer_put(answer, "\"");
	put_owner(answer, queue->owner, world);
	answer_put(answer, ",\"rights\":");
	rights_put(answer, queue->rights);
	put_config(answer, &queue->config);
	answer_put(answer, ",\"created_at\":");
	answer_put_time(answer, queue->created_ms);
	put_stats(answer, &queue->stats, now_ms);
	answer_put(answer, "}");
}

enum api_answered
queue_answer(struct api_memo *memo, const struct api_reply *reply, struct answer *answer)
{
	const struct queue_reply *queue = (const struct queue_reply *)reply->frame;
	char location[sizeof("/v1/queues/") + NAME_MAX_BYTES] = "/v1/queues/";

	if (condition_is_known(memo, queue->queue.etag)) {
		answer_head(answer, 304, NULL);
	} else {
		bool is_new = queue->reply.header.op == OUTCOME_CREATED;

		queue_put_json(answer, &queue->queue, reply->world, queue->now_ms);
		answer_put(answer, "\n");
		answer_head(answer, is_new ? 201 : 200, ANSWER_JSON);
		memcpy(location + 11, memo->name, memo->name_bytes);
		if (is_new)
			http_write_field(&answer->head, "Location", (struct http_slice){ location, 11u + memo->name_bytes });
	}
	condition_put_etag(answer, queue->queue.etag);
	answer_end(answer);
	return API_ANSWERED;
}

enum api_answered
queue_delete_answer(struct api_memo *memo, const struct api_reply *reply, struct answer *answer)
{
	(void)memo;
	(void)reply;
	answer_empty(answer, 204);
	return API_ANSWERED;
}

/* ---- purge ---- */

bool
purge_plan(struct api_call *call)
{
	static const char *const names[] = { "ready", "delayed", "dead", "leased" };
	struct scan_string state;
	char room[STATES_BYTES_MAX];
	uint64_t older_than = 0;
	struct json_rule rules[] = {
		{ "state", JSON_RULE_TEXT, .text = &state },
		{ "older_than", JSON_RULE_DURATION, .max = INT64_MAX, .number = &older_than },
	};

	call->frame_bytes = sizeof(struct purge_request);
	call->purge = (struct purge_plan){ .states = PURGE_READY | PURGE_DELAYED | PURGE_DEAD | PURGE_LEASED };
	if (!api_take_queue(call, 2) || !json_take_body(call, rules, 2))
		return false;
	if (rules[1].seen == JSON_GIVEN)
		call->purge.older_than_ms = older_than < call->world->now_ms ? call->world->now_ms - older_than : 1;
	if (rules[0].seen != JSON_GIVEN)
		return true;
	struct http_slice states = scan_text(&state, (struct http_span){ room, sizeof(room) });
	call->purge.states = 0;
	for (const char *at = states.ptr, *end = at + states.len; at < end;) {
		const char *comma = memchr(at, ',', (size_t)(end - at));
		size_t len = (size_t)((comma != NULL ? comma : end) - at);
		uint32_t state = 0;

		for (uint32_t i = 0; i < 4; i++)
			if (strlen(names[i]) == len && memcmp(names[i], at, len) == 0)
				state = 1u << i;
		if (state == 0)
			return api_refuse(call, OUTCOME_BAD_FIELD, "state: ready, delayed, leased and dead, with commas between");
		call->purge.states |= state;
		at += len + 1;
	}
	if (call->purge.states == 0)
		return api_refuse(call, OUTCOME_BAD_FIELD, "state: ready, delayed, leased and dead, with commas between");
	return true;
}
_Static_assert(PURGE_READY == 1 && PURGE_DELAYED == 2 && PURGE_DEAD == 4 && PURGE_LEASED == 8, "the order of the names");

uint32_t
purge_fill(struct api_call *call, void *frame)
{
	struct purge_request *request = frame;

	api_put_queue(&call->memo, &request->queue);
	request->states = call->purge.states;
	request->reserved = 0;
	request->older_than_ms = call->purge.older_than_ms;
	return sizeof(*request);
}

enum api_answered
purge_answer(struct api_memo *memo, const struct api_reply *reply, struct answer *answer)
{
	const struct purge_reply *purged = (const struct purge_reply *)reply->frame;

	(void)memo;
	answer_put(answer, "{\"removed\":");
	answer_put_number(answer, purged->removed);
	answer_put(answer, "}\n");
	answer_head(answer, 200, ANSWER_JSON);
	answer_end(answer);
	return API_ANSWERED;
}
