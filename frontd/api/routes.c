/*
 * Happy path: routes_admit() finds the row by path and method, then asks in the order in which a client would want to know:
 * is it there (404), does it take this method (405), are query and headers known (400), can we speak so that the client
 * understands (406), do we understand what it sends (415), is that not too much (413).
 */
#include "frontd/api/routes.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "frontd/api/headers.h"
#include "frontd/api/media.h"
#include "frontd/api/operation.h"
#include "frontd/api/publish.h"
#include "frontd/api/queues.h"
#include "frontd/api/receive.h"
#include "frontd/api/settle.h"

#define DROPPED_BODY_MAX (8u << 10)
#define JSON_BODY_MAX (1u << 20)

#define QUEUES "/v1/queues"
#define QUEUE QUEUES "/{q}"
#define LEASES QUEUE "/leases"

/* The busiest first.  A path may stand here several times, once for each method. */
static const struct api_route routes[] = {
	{ .method = HTTP_POST, .pattern = QUEUE "/messages", .right = RIGHT_PUBLISH, .body = BODY_PAYLOAD, .op = OP_PUBLISH,
	  .plan = publish_plan, .fill = publish_fill, .answer = publish_answer },
	{ .method = HTTP_POST, .pattern = QUEUE "/messages:receive", .right = RIGHT_CONSUME, .body = BODY_JSON, .op = OP_RECEIVE,
	  .plan = receive_plan, .fill = receive_fill, .answer = receive_answer },
	{ .method = HTTP_DELETE, .pattern = LEASES "/{r}", .right = RIGHT_CONSUME, .op = OP_ACK,
	  .plan = settle_plan_one, .fill = settle_fill, .answer = settle_answer_one },
	{ .method = HTTP_PATCH, .pattern = LEASES "/{r}", .right = RIGHT_CONSUME, .body = BODY_PATCH, .op = OP_EXTEND,
	  .plan = settle_plan_one, .fill = settle_fill, .answer = settle_answer_one },
	{ .method = HTTP_POST, .pattern = LEASES "/{r}:nack", .right = RIGHT_CONSUME, .body = BODY_JSON, .op = OP_NACK,
	  .plan = settle_plan_one, .fill = settle_fill, .answer = settle_answer_one },
	{ .method = HTTP_POST, .pattern = LEASES ":ack", .right = RIGHT_CONSUME, .body = BODY_JSON, .op = OP_ACK,
	  .plan = settle_plan_batch, .fill = settle_fill, .answer = settle_answer_batch },
	{ .method = HTTP_POST, .pattern = LEASES ":nack", .right = RIGHT_CONSUME, .body = BODY_JSON, .op = OP_NACK,
	  .plan = settle_plan_batch, .fill = settle_fill, .answer = settle_answer_batch },
	{ .method = HTTP_POST, .pattern = LEASES ":extend", .right = RIGHT_CONSUME, .body = BODY_JSON, .op = OP_EXTEND,
	  .plan = settle_plan_batch, .fill = settle_fill, .answer = settle_answer_batch },
	{ .method = HTTP_PUT, .pattern = QUEUE, .right = RIGHT_MANAGE, .body = BODY_JSON, .op = OP_QUEUE_PUT,
	  .plan = queue_put_plan, .fill = queue_config_fill, .answer = queue_answer },
	{ .method = HTTP_PATCH, .pattern = QUEUE, .right = RIGHT_MANAGE, .body = BODY_PATCH, .op = OP_QUEUE_PATCH,
	  .plan = queue_patch_plan, .fill = queue_config_fill, .answer = queue_answer },
	{ .method = HTTP_GET, .pattern = QUEUE, .right = RIGHT_BROWSE, .op = OP_QUEUE_GET,
	  .plan = queue_get_plan, .fill = queue_name_fill, .answer = queue_answer },
	{ .method = HTTP_DELETE, .pattern = QUEUE, .right = RIGHT_MANAGE, .op = OP_QUEUE_DELETE,
	  .plan = queue_delete_plan, .fill = queue_name_fill, .answer = queue_delete_answer },
	{ .method = HTTP_GET, .pattern = QUEUES, .right = RIGHT_BROWSE, .op = OP_QUEUE_LIST, .params = " limit cursor prefix",
	  .plan = queue_list_plan, .fill = queue_list_fill, .answer = queue_list_answer, .refill = queue_list_refill },
	{ .method = HTTP_POST, .pattern = QUEUE ":purge", .right = RIGHT_MANAGE, .body = BODY_JSON, .op = OP_PURGE,
	  .plan = purge_plan, .fill = purge_fill, .answer = purge_answer },
	{ .method = HTTP_GET, .pattern = "/v1/stats", .right = RIGHT_BROWSE, .local = operation_stats },
	{ .method = HTTP_GET, .pattern = "/livez", .local = operation_livez },
	{ .method = HTTP_GET, .pattern = "/readyz", .local = operation_readyz },
};

#define ROUTE_COUNT (sizeof(routes) / sizeof(routes[0]))

static const struct api_route options_route = { .method = HTTP_OPTIONS, .pattern = "*", .local = routes_options };

/* One segment of a pattern against one of the path; *at is moved behind it. */
static bool
segment_matches(const char **at, struct http_slice segment)
{
	size_t len = strcspn(*at, "/:");
	bool is_wild = **at == '{';
	bool matches = is_wild ? segment.len != 0 : segment.len == len && memcmp(*at, segment.ptr, len) == 0;

	*at += len;
	return matches;
}

static bool
pattern_matches(const char *at, const struct http_target *target)
{
	for (size_t i = 0; i < target->segment_count; i++) {
		if (*at++ != '/' || !segment_matches(&at, target->segments[i]))
			return false;
	}
	if (*at == ':')
		return target->verb.ptr != NULL && http_slice_is(target->verb, at + 1);
	return *at == '\0' && target->verb.ptr == NULL && target->segment_count != 0;
}

/* Bits of the methods a path takes; the row for `method`, if there is one. */
static unsigned
routes_find(const struct http_target *target, enum http_method method, const struct api_route **found)
{
	unsigned methods = 0;

	*found = NULL;
	for (size_t i = 0; i < ROUTE_COUNT; i++) {
		if (!pattern_matches(routes[i].pattern, target))
			continue;
		methods |= 1u << routes[i].method;
		if (routes[i].method == method || (method == HTTP_HEAD && routes[i].method == HTTP_GET)) {
			*found = &routes[i];
			return methods;
		}
	}
	return methods;
}

static void
allow_format(char allow[static 56], unsigned methods)
{
	size_t used = 0;

	if (methods & 1u << HTTP_GET)
		methods |= 1u << HTTP_HEAD;
	methods |= 1u << HTTP_OPTIONS;
	allow[0] = '\0';
	for (unsigned method = 0; method < HTTP_METHOD_COUNT; method++)
		if (methods & 1u << method)
			used += (size_t)snprintf(allow + used, 56 - used, "%s%s", used == 0 ? "" : ", ",
			    http_method_name((enum http_method)method));
	assert(used < 56);
}

static bool
params_check(struct api_call *call)
{
	const char *known = call->memo.route->params;

	for (size_t i = 0; i < call->target->param_count; i++) {
		struct http_slice name = call->target->params[i].name;
		bool is_known = false;

		for (const char *at = known; at != NULL && *at == ' ' && !is_known; at += 1 + strcspn(at + 1, " "))
			is_known = strcspn(at + 1, " ") == name.len && memcmp(at + 1, name.ptr, name.len) == 0;
		if (!is_known)
			return api_refuse(call, OUTCOME_BAD_QUERY, "there is no query parameter %.*s here",
			    (int)(name.len < 80 ? name.len : 80), name.ptr);
	}
	return true;
}

/* The raw form is for those who name it and like it no less than JSON; where both are named alike, JSON it is. */
static bool
wants_raw(const struct http_request *request)
{
	unsigned raw = media_quality(request, ANSWER_RAW), json = media_quality(request, ANSWER_JSON);

	if (!media_is_named(request, ANSWER_RAW))
		return false;
	return raw > json || (raw == json && !media_is_named(request, ANSWER_JSON));
}

static bool
accept_check(struct api_call *call)
{
	if (call->memo.route->op == OP_RECEIVE && wants_raw(call->request)) {
		call->memo.wants_raw = true;
		return true;
	}
	if (media_quality(call->request, ANSWER_JSON) > 0)
		return true;
	return api_refuse(call, OUTCOME_NOT_ACCEPTABLE, "%s", call->memo.route->op == OP_RECEIVE ?
	    "this answers in application/json or application/octet-stream" : "this answers in application/json");
}

static bool
body_check(struct api_call *call)
{
	struct http_slice type = call->request->known[HTTP_CONTENT_TYPE];
	uint64_t max = call->world->body_bytes_max;

	switch (call->memo.route->body) {
	case BODY_NONE:
		max = DROPPED_BODY_MAX;
		break;
	case BODY_JSON:
	case BODY_PATCH:
		if (max > JSON_BODY_MAX)
			max = JSON_BODY_MAX;
		if (call->request->has_body && type.ptr != NULL && !media_is(type, ANSWER_JSON) &&
		    !(call->memo.route->body == BODY_PATCH && media_is(type, "application/merge-patch+json")))
			return api_refuse(call, OUTCOME_UNSUPPORTED_TYPE,
			    "this takes Content-Type: application/json (with curl: --json, not -d)");
		break;
	case BODY_PAYLOAD:
		if (!publish_is_batch(call->request) && max > BODY_BYTES_MAX)
			max = BODY_BYTES_MAX;
		break;
	}
	call->body_max = max;
	if (call->request->content_length > max)
		return api_refuse(call, OUTCOME_TOO_LARGE, "%llu bytes, at most %llu are taken here",
		    (unsigned long long)call->request->content_length, (unsigned long long)max);
	return true;
}

bool
routes_admit(struct api_call *call)
{
	const struct http_request *request = call->request;
	const struct api_route *route;
	bool is_options = request->method == HTTP_OPTIONS;
	bool is_everything = http_slice_is(request->origin_form, "*");
	unsigned methods = routes_find(call->target, request->method, &route);

	memset(&call->memo, 0, sizeof(call->memo));
	call->memo.is_head = request->method == HTTP_HEAD;
	call->memo.keep_alive = request->keep_alive;
	call->memo.minor_version = (uint8_t)request->minor_version;
	call->memo.caller = (struct caller){ .flags = CALLER_ADMIN |
		    CALLER_MAY_CREATE }; /* auth.mode = off */
	call->body_max = DROPPED_BODY_MAX;
	if (methods == 0 && !is_everything)
		return api_refuse(call, OUTCOME_NOT_FOUND, "there is no resource %.*s",
		    (int)(request->origin_form.len < 120 ? request->origin_form.len : 120), request->origin_form.ptr);
	if (is_options)
		route = &options_route;
	if (route == NULL) {
		api_refuse(call, OUTCOME_METHOD_NOT_ALLOWED, NULL);
		allow_format(call->problem.allow, methods);
		return false;
	}
	call->memo.route = route;
	if (is_options)
		return body_check(call);
	return params_check(call) && headers_check(call) && accept_check(call) && body_check(call);
}

void
routes_options(struct api_call *call, struct answer *answer)
{
	const struct api_route *none;
	bool is_everything = http_slice_is(call->request->origin_form, "*");
	unsigned methods = is_everything ? (1u << HTTP_METHOD_COUNT) - 1 : routes_find(call->target, HTTP_OPTIONS, &none);
	char allow[56];

	allow_format(allow, methods);
	answer_head(answer, 204, NULL);
	http_write_field(&answer->head, "Allow", http_slice_of(allow));
	answer_end(answer);
}
