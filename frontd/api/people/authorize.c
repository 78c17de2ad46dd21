#include "frontd/api/people/authorize.h"

#include "shm/pattern.h"

/* Rights are on queues, and the queue is the third segment of every path that names one: /v1/queues/{q}... */
static struct http_slice
queue_of(const struct api_call *call)
{
	if (call->memo.route->right & RIGHTS_ALL && call->target->segment_count > 2)
		return call->target->segments[2];
	return (struct http_slice){ .ptr = "", .len = 0 };
}

static bool
authorize_queue(struct api_call *call, unsigned right, struct http_slice queue)
{
	if (principal_may(call->principal, right, queue))
		return true;
	if (queue.len == 0)
		return api_refuse(call, OUTCOME_FORBIDDEN, "the scopes of this token do not have %s:* (all queues)",
		    right_name(right));
	return api_refuse(call, OUTCOME_FORBIDDEN, "the scopes of this token do not have %s:%.*s", right_name(right),
	    (int)(queue.len < NAME_MAX_BYTES ? queue.len : NAME_MAX_BYTES), queue.ptr);
}

static bool
authorize_metrics(struct api_call *call)
{
	const struct principal *principal = call->principal;

	if (!principal->has_metrics && !principal->is_admin)
		return api_refuse(call, OUTCOME_FORBIDDEN, "the scopes of this token are not * and have neither admin nor metrics");
	return principal->has_admin_role || call->world->metrics_access == METRICS_USERS ||
	    api_refuse(call, OUTCOME_FORBIDDEN, "this is for admins (metrics.access)");
}

static bool
authorize_right(struct api_call *call, struct http_slice queue)
{
	const struct principal *principal = call->principal;
	unsigned right = call->memo.route->right;

	if (principal == NULL)
		return call->entry != ENTRY_REQUIRED || api_refuse(call, OUTCOME_UNAUTHORIZED, NULL);
	switch (right) {
	case RIGHT_NONE:
	case RIGHT_LOGIN:
	case RIGHT_ANYBODY:
		return true;
	case RIGHT_SELF:
		return principal->is_whole || principal->is_admin ||
		    api_refuse(call, OUTCOME_FORBIDDEN, "the scopes of this token are not * (all that its user may)");
	case RIGHT_ADMIN:
		return principal->is_admin || api_refuse(call, OUTCOME_FORBIDDEN, principal->has_admin_role ?
		    "the scopes of this token are not * and do not have admin" : "this is for admins");
	case RIGHT_METRICS:
		return authorize_metrics(call);
	case RIGHT_QUEUE_METRICS:
		return (principal->has_admin_role && principal->has_metrics) ||
		    authorize_queue(call, RIGHT_BROWSE, queue);
	default:
		return authorize_queue(call, right, queue);
	}
}

bool
authorize(struct api_call *call)
{
	const struct principal *principal = call->principal;
	struct http_slice queue = queue_of(call);
	unsigned right = call->memo.route->right;

	if (!authorize_right(call, queue))
		return false;
	if (principal == NULL)
		return true;
	/* About a queue the scopes have spoken already; about people an admin needs a credential that says so. */
	bool is_admin = right & (RIGHTS_ALL | RIGHT_QUEUE_METRICS) ? principal->has_admin_role : principal->is_admin;

	call->memo.caller = (struct caller){ .uid = principal->uid, .flags = is_admin ? CALLER_ADMIN : 0 };
	if (principal->credential_id != 0)
		call->memo.credential = CREDENTIAL_SLOT(principal->credential_id) + 1;
	if (call->memo.route->op == OP_QUEUE_PUT && (is_admin ||
	    pattern_list_matches(principal->creates.ptr, principal->creates.len, queue.ptr, queue.len)))
		call->memo.caller.flags |= CALLER_MAY_CREATE;
	return true;
}
