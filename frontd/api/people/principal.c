#include "frontd/api/people/principal.h"

#include "shm/pattern.h"

const struct principal principal_anybody = {
	.kind = PRINCIPAL_ANYBODY,
	.has_admin_role = true,
	.is_admin = true,
	.has_metrics = true,
	.is_whole = true,
	.name = { .ptr = "", .len = 0 },
	.scopes = { .ptr = "*", .len = 1 },
	.creates = { .ptr = "*", .len = 1 },
};

bool
principal_may(const struct principal *principal, unsigned right, struct http_slice queue)
{
	/* Of the patterns only those that mean everything mean the empty name. */
	return principal->is_whole ||
	    scopes_allow(principal->scopes.ptr, principal->scopes.len, right, queue.ptr, queue.len);
}
