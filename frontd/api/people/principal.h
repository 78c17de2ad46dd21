/*
 * principal: who a request comes from, and what his credential lets him do.  Made by frontd/people/identity, borrowed for a call.
 */
#ifndef FRONTD_API_PRINCIPAL_H
#define FRONTD_API_PRINCIPAL_H

#include <stdbool.h>
#include <stdint.h>

#include "frontd/http/slice.h"
#include "shm/people.h"

enum principal_kind {
	PRINCIPAL_ANYBODY,     /* auth.mode = off */
	PRINCIPAL_TOKEN,
	PRINCIPAL_SESSION,
	PRINCIPAL_PASSWORD,    /* Basic */
	PRINCIPAL_CERTIFICATE,
};

struct principal {
	uint64_t uid;          /* 0: ANYBODY */
	uint64_t user_etag;
	uint64_t password_etag; /* PASSWORD: of the one that was checked */
	uint64_t credential_id; /* of TOKEN and SESSION, else 0 */
	enum principal_kind kind;
	bool has_admin_role;
	bool is_admin;         /* has the role, and his credential's scopes are `*` or hold `admin` */
	bool has_metrics;      /* his scopes are `*` or hold `metrics` */
	bool is_whole;         /* his credential is not narrowed: scopes `*` */
	struct http_slice name;
	struct http_slice scopes;
	struct http_slice creates; /* patterns of queues he may create */
};

/* Everybody, when auth.mode = off. */
extern const struct principal principal_anybody;

/* His credential's scopes have this one right on the queue.  name.len == 0: on all queues. */
bool principal_may(const struct principal *principal, unsigned right, struct http_slice queue);

#endif
