/*
 * Happy path: routes_resolve() finds the row by path and method; once it is known who asks, routes_admit() asks in the order in
 * which a client would want to know: is it there (404), does it take this method (405), may he (403), are query and headers
 * known (400), can we speak so that the client understands (406), do we understand what it sends (415), is that not too much
 * (413).
 */
#include "frontd/api/routes.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "frontd/api/exposition.h"
#include "frontd/api/headers.h"
#include "frontd/api/list.h"
#include "frontd/api/media.h"
#include "frontd/api/metrics.h"
#include "frontd/api/operation.h"
#include "frontd/api/pages.h"
#include "frontd/api/people/authorize.h"
#include "frontd/api/people/people.h"
#include "frontd/api/publish.h"
#include "frontd/api/queues.h"
#include "frontd/api/receive.h"
#include "frontd/api/settle.h"

#define DROPPED_BODY_MAX (8u << 10)
#define JSON_BODY_MAX (1u << 20)

#define QUEUES "/v1/queues"
#define QUEUE QUEUES "/{q}"
#define LEASES QUEUE "/leases"
#define GRANTS QUEUE "/grants"
#define USERS "/v1/users"
#define TOKENS "/v1/tokens"
#define SESSIONS "/v1/sessions"
#define METRICS "/metrics"

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
	{ .method = HTTP_GET, .pattern = QUEUES, .right = RIGHT_BROWSE, .op = OP_QUEUE_LIST, .params = PAGES_PARAMS,
	  .plan = queue_list_plan, .fill = queue_list_fill, .answer = queue_list_answer, .refill = queue_list_refill },
	{ .method = HTTP_POST, .pattern = QUEUE ":purge", .right = RIGHT_MANAGE, .body = BODY_JSON, .op = OP_PURGE,
	  .plan = purge_plan, .fill = purge_fill, .answer = purge_answer },
	{ .method = HTTP_GET, .pattern = GRANTS, .right = RIGHT_MANAGE, .op = OP_GRANT_LIST,
	  .plan = grant_list_plan, .fill = grant_list_fill, .answer = grant_list_answer },
	{ .method = HTTP_GET, .pattern = GRANTS "/{u}", .right = RIGHT_MANAGE, .op = OP_GRANT_LIST,
	  .plan = grant_plan, .fill = grant_list_fill, .answer = grant_get_answer },
	{ .method = HTTP_PUT, .pattern = GRANTS "/{u}", .right = RIGHT_MANAGE, .body = BODY_JSON, .op = OP_GRANT_PUT,
	  .plan = grant_put_plan, .fill = grant_fill, .answer = grant_put_answer },
	{ .method = HTTP_DELETE, .pattern = GRANTS "/{u}", .right = RIGHT_MANAGE, .op = OP_GRANT_DELETE,
	  .plan = grant_plan, .fill = grant_fill, .answer = people_answer_done },
	{ .method = HTTP_GET, .pattern = USERS "/me", .right = RIGHT_ANYBODY, .plan = user_me_plan, .local = user_me },
	{ .method = HTTP_GET, .pattern = USERS, .right = RIGHT_ADMIN, .params = PAGES_PARAMS,
	  .plan = user_list_plan, .local = user_list },
	{ .method = HTTP_GET, .pattern = USERS "/{u}", .right = RIGHT_SELF, .plan = user_get_plan, .local = user_get },
	{ .method = HTTP_PUT, .pattern = USERS "/{u}", .right = RIGHT_ADMIN, .body = BODY_JSON, .op = OP_USER_PUT,
	  .plan = user_put_plan, .fill = user_fill, .answer = user_answer },
	{ .method = HTTP_PATCH, .pattern = USERS "/{u}", .right = RIGHT_SELF, .body = BODY_PATCH, .op = OP_USER_PATCH,
	  .plan = user_patch_plan, .fill = user_fill, .answer = user_answer },
	{ .method = HTTP_DELETE, .pattern = USERS "/{u}", .right = RIGHT_ADMIN, .op = OP_USER_DELETE,
	  .plan = user_delete_plan, .fill = user_delete_fill, .answer = people_answer_done },
	{ .method = HTTP_POST, .pattern = TOKENS, .right = RIGHT_SELF, .body = BODY_JSON, .op = OP_CREDENTIAL_CREATE,
	  .plan = token_create_plan, .fill = token_create_fill, .answer = credential_answer },
	{ .method = HTTP_GET, .pattern = TOKENS, .right = RIGHT_SELF, .params = " limit cursor user",
	  .plan = token_list_plan, .local = token_list },
	{ .method = HTTP_DELETE, .pattern = TOKENS "/{id}", .right = RIGHT_SELF, .op = OP_CREDENTIAL_REVOKE,
	  .plan = token_revoke_plan, .fill = credential_revoke_fill, .answer = people_answer_done },
	{ .method = HTTP_POST, .pattern = SESSIONS, .right = RIGHT_LOGIN, .body = BODY_JSON, .op = OP_CREDENTIAL_CREATE,
	  .plan = session_create_plan, .fill = session_create_fill, .answer = credential_answer },
	{ .method = HTTP_GET, .pattern = SESSIONS, .right = RIGHT_SELF, .params = " limit cursor user",
	  .plan = session_list_plan, .local = session_list },
	{ .method = HTTP_DELETE, .pattern = SESSIONS, .right = RIGHT_SELF, .op = OP_CREDENTIAL_REVOKE_ALL, .params = " user",
	  .plan = session_revoke_all_plan, .fill = session_revoke_all_fill, .answer = people_answer_done },
	{ .method = HTTP_DELETE, .pattern = SESSIONS "/{id}", .right = RIGHT_SELF, .op = OP_CREDENTIAL_REVOKE,
	  .plan = session_revoke_plan, .fill = credential_revoke_fill, .answer = people_answer_done },
	{ .method = HTTP_GET, .pattern = "/v1/snapshots", .right = RIGHT_ADMIN, .local = operation_snapshots },
	{ .method = HTTP_POST, .pattern = "/v1/snapshots", .right = RIGHT_ADMIN, .local = operation_snapshot },
	{ .method = HTTP_GET, .pattern = "/v1/stats", .right = RIGHT_ADMIN, .local = operation_stats },
	{ .method = HTTP_GET, .pattern = METRICS, .right = RIGHT_METRICS, .local = metrics_get },
	{ .method = HTTP_GET, .pattern = METRICS "/queues", .right = RIGHT_QUEUE_METRICS, .op = OP_QUEUE_LIST, .params = " prefix",
	  .plan = queue_metrics_plan, .fill = queue_metrics_fill, .answer = queue_metrics_answer, .refill = queue_list_refill },
	{ .method = HTTP_GET, .pattern = "/livez", .local = operation_livez },
	{ .method = HTTP_GET, .pattern = "/readyz", .local = operation_readyz },
};

#define ROUTE_COUNT (sizeof(routes) / sizeof(routes[0]))

static const struct api_route options_route = { .method = HTTP_OPTIONS, .pattern = "*", .local = routes_options };

/* One segment of a pattern against one of the path; *at is moved behind it. */
static bool
segment_matches(const char **at, struct http_slice segment)
{
	bool is_wild = **at == '{';
	size_t len = 0;

	while ((*at)[len] != '/' && (*at)[len] != ':' && (*at)[len] != '\0')
		len++;
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

/* The row for that path and method, or NULL. */
static const struct api_route *
routes_find(const struct http_target *target, enum http_method method)
{
	if (method == HTTP_HEAD)
		method = HTTP_GET;
	for (size_t i = 0; i < ROUTE_COUNT; i++)
		if (routes[i].method == method && pattern_matches(routes[i].pattern, target))
			return &routes[i];
	return NULL;
}

/* Bits of the methods a path takes. */
static unsigned
routes_methods(const struct http_target *target)
{
	unsigned methods = 0;

	for (size_t i = 0; i < ROUTE_COUNT; i++)
		if (pattern_matches(routes[i].pattern, target))
			methods |= 1u << routes[i].method;
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

/* Plain text, unless the other is named and liked no less. */
static bool
accept_metrics(struct api_call *call)
{
	unsigned text = media_quality(call->request, EXPOSITION_TEXT);
	unsigned openmetrics = media_quality(call->request, EXPOSITION_OPENMETRICS);

	call->memo.wants_openmetrics = openmetrics > 0 &&
	    (text == 0 || (openmetrics >= text && media_is_named(call->request, EXPOSITION_OPENMETRICS)));
	return text > 0 || openmetrics > 0 || api_refuse(call, OUTCOME_NOT_ACCEPTABLE,
	    "this answers in text/plain (Prometheus 0.0.4) or application/openmetrics-text (1.0.0)");
}

static bool
accept_check(struct api_call *call)
{
	if (call->memo.route->right & (RIGHT_METRICS | RIGHT_QUEUE_METRICS))
		return accept_metrics(call);
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
length_check(struct api_call *call)
{
	if (call->request->content_length <= call->body_max)
		return true;
	return api_refuse(call, OUTCOME_TOO_LARGE, "%llu bytes, at most %llu are taken here",
	    (unsigned long long)call->request->content_length, (unsigned long long)call->body_max);
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
	return length_check(call);
}

static bool
is_everything(const struct api_call *call)
{
	return http_slice_is(call->request->origin_form, "*");
}

/* What is not there is nobody's business below /v1: without credentials one does not learn which paths exist. */
static enum api_entry
entry_of(const struct api_call *call)
{
	const struct api_route *route = call->memo.route;
	const struct http_target *target = call->target;

	if (route == NULL)
		return !is_everything(call) && target->segment_count != 0 && http_slice_is(target->segments[0], "v1") ? ENTRY_REQUIRED : ENTRY_OPEN;
	switch (route->right) {
	case RIGHT_NONE:
		return ENTRY_OPEN;
	case RIGHT_METRICS:
		return call->world->metrics_access == METRICS_ANY ? ENTRY_OPEN : ENTRY_REQUIRED;
	case RIGHT_LOGIN:
		return ENTRY_OPTIONAL;
	default:
		return ENTRY_REQUIRED;
	}
}

void
routes_begin(struct api_call *call)
{
	const struct http_request *request = call->request;

	memset(&call->memo, 0, sizeof(call->memo));
	call->memo.is_head = request->method == HTTP_HEAD;
	call->memo.keep_alive = request->keep_alive;
	call->memo.minor_version = (uint8_t)request->minor_version;
	call->body_max = DROPPED_BODY_MAX;
}

/* Metrics that are switched off are not there. */
static bool
is_switched_off(const struct api_world *world, const struct http_target *target)
{
	if (target->segment_count == 0 || !http_slice_is(target->segments[0], "metrics"))
		return false;
	return world->metrics_access == METRICS_OFF || (target->segment_count > 1 && world->metrics_queues_max == 0);
}

void
routes_resolve(struct api_call *call)
{
	routes_begin(call);
	if (is_switched_off(call->world, call->target)) {
		call->methods = 0;
		call->entry = ENTRY_OPEN;
		return;
	}
	call->memo.route = routes_find(call->target, call->request->method);
	call->methods = call->memo.route != NULL ? 1u << call->memo.route->method : routes_methods(call->target);
	call->entry = entry_of(call);
}

bool
routes_admit(struct api_call *call)
{
	const struct http_request *request = call->request;
	bool is_options = request->method == HTTP_OPTIONS;

	if (call->known != NULL)
		return authorize(call) && length_check(call);
	if (call->methods == 0 && !is_everything(call))
		return api_refuse(call, OUTCOME_NOT_FOUND, "there is no resource %.*s",
		    (int)(request->origin_form.len < 120 ? request->origin_form.len : 120), request->origin_form.ptr);
	if (is_options)
		call->memo.route = &options_route;
	if (call->memo.route == NULL) {
		api_refuse(call, OUTCOME_METHOD_NOT_ALLOWED, NULL);
		allow_format(call->problem.allow, call->methods);
		return false;
	}
	if (!authorize(call))
		return false;
	if (is_options)
		return body_check(call);
	return params_check(call) && headers_check(call) && accept_check(call) && body_check(call);
}

const struct api_route *
routes_row(unsigned index)
{
	return index < ROUTE_COUNT ? &routes[index] : NULL;
}

void
routes_options(struct api_call *call, struct answer *answer)
{
	char allow[56];

	allow_format(allow, is_everything(call) ? (1u << HTTP_METHOD_COUNT) - 1 : call->methods);
	answer_head(answer, 204, NULL);
	http_write_field(&answer->head, "Allow", http_slice_of(allow));
	answer_end(answer);
}
