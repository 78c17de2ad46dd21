/*
 * Happy path: auth_admit() finds that the connection brings what it brought before, and that nothing has changed: is_same().
 *
 * Failure modes: everything that is not a good credential is 401 with what is wrong, but never whether a user of that name
 * exists; a password that is not known yet, or a directory that is being written, makes the connection wait.
 */
#include "frontd/people/auth.h"

#include <string.h>

#include "frontd/frontd.h"
#include "frontd/http/authorization.h"
#include "frontd/people/attempt.h"
#include "frontd/people/credential.h"
#include "frontd/serve.h"
#include "frontd/tls/names.h"

#define PASSWORD_BYTES_MIN 8

_Static_assert(HTTP_USER_MAX == NAME_MAX_BYTES, "as long as a user's name");

int
auth_open(struct frontd *frontd)
{
	/* Also with auth.mode = off: then nobody has to say who he is, but users can be made, with their passwords. */
	return attempts_open(frontd);
}

void
auth_close(struct frontd *frontd)
{
	attempts_close(frontd);
	identities_free_all(frontd);
}

/* ---- the same as before ---- */

/* In a time that depends on the length only: connections that a proxy shares are others' too. */
static bool
is_same_text(const char *one, const char *other, size_t count)
{
	uint64_t difference = 0, left, right;

	if (count < sizeof(left)) {
		for (size_t i = 0; i < count; i++)
			difference |= (uint64_t)(one[i] ^ other[i]);
		return difference == 0;
	}
	/* Words; the last one overlaps. */
	for (size_t at = 0; at < count; at += sizeof(left)) {
		size_t from = at + sizeof(left) <= count ? at : count - sizeof(left);

		memcpy(&left, one + from, sizeof(left));
		memcpy(&right, other + from, sizeof(right));
		difference |= left ^ right;
	}
	return difference == 0;
}

static bool
is_same(const struct conn *conn, struct http_slice value)
{
	const struct identity *identity = conn->identity;

	return identity != NULL && identity->header_bytes == value.len &&
	    (value.ptr != NULL) == (identity->principal.kind != PRINCIPAL_CERTIFICATE) &&
	    is_same_text(identity->text, value.ptr, value.len);
}

/* ---- a request ---- */

struct http_slice
auth_map_certificate(const struct tls_name *names, size_t count)
{
	struct http_slice found = { .ptr = NULL };

	for (size_t i = 0; i < count; i++) {
		struct http_slice name = http_slice_of(names[i].text);

		if (!api_name_is_valid(name))
			continue; /* an address of e-mail never is; its issuer may give both */
		if (found.ptr != NULL && !http_slice_equal(found, name))
			return (struct http_slice){ .ptr = NULL };
		found = name;
	}
	return found;
}

static enum auth_answer
admit_anew(struct frontd *frontd, struct conn *conn, struct http_slice header)
{
	char scratch[HTTP_BASIC_MAX + 2];
	struct http_authorization authorization;
	const struct tls_name *names = NULL;
	enum auth_answer answer;

	http_authorization_parse(header, (struct http_span){ .ptr = scratch, .len = sizeof(scratch) }, &authorization);
	switch (authorization.kind) {
	case HTTP_CREDENTIALS_BEARER:
		return credential_bearer(frontd, conn, header, authorization.token);
	case HTTP_CREDENTIALS_BASIC:
		answer = credential_basic(frontd, conn, header, &authorization);
		if (answer == AUTH_REFUSED) { /* its text goes with the scratch */
			memcpy(frontd->tried, authorization.user.ptr, authorization.user.len);
			frontd->call.tried = (struct http_slice){ .ptr = frontd->tried, .len = authorization.user.len };
		}
		explicit_bzero(scratch, sizeof(scratch));
		return answer;
	case HTTP_CREDENTIALS_OTHER:
		return credential_refuse(frontd, "Authorization is neither Bearer nor Basic");
	case HTTP_CREDENTIALS_MALFORMED:
		return credential_refuse(frontd, "Authorization is not well-formed");
	case HTTP_CREDENTIALS_NONE:
		break;
	}
	size_t count = tls_peer_names(frontd, conn, &names);
	struct http_slice certified = auth_map_certificate(names, count);
	if (certified.ptr != NULL)
		return credential_certificate(frontd, conn, certified);
	if (frontd->call.entry == ENTRY_OPTIONAL)
		return AUTH_GRANTED;
	return credential_refuse(frontd, "this takes Authorization: Bearer or Basic");
}

enum auth_answer
auth_admit(struct frontd *frontd, struct conn *conn)
{
	struct http_slice header = frontd->request->known[HTTP_AUTHORIZATION];

	frontd->call.principal = NULL;
	frontd->call.tried = (struct http_slice){ .ptr = NULL };
	if (!frontd->limits.auth_is_required) {
		frontd->call.principal = &principal_anybody;
		return AUTH_GRANTED;
	}
	if (frontd->call.entry == ENTRY_OPEN)
		return AUTH_GRANTED;
	if (is_same(conn, header) && credential_is_fresh(frontd, conn->identity)) {
		frontd->call.principal = &conn->identity->principal;
		return AUTH_GRANTED;
	}
	return admit_anew(frontd, conn, header);
}

/* ---- passwords that a plan asks for ---- */

static enum auth_answer
check_wish(struct frontd *frontd, const struct api_password *asked)
{
	if (asked->fresh.ptr != NULL &&
	    (asked->fresh.len < PASSWORD_BYTES_MIN || !http_password_is_valid(asked->fresh))) {
		problem_of_outcome(&frontd->call.problem, OUTCOME_BAD_FIELD,
		    "a password has %u to %u bytes and no control characters", PASSWORD_BYTES_MIN, HTTP_PASSWORD_MAX);
		return AUTH_REFUSED;
	}
	/* Longer than any there can be: said at once, for it tells nothing. */
	if (asked->current.ptr != NULL && (asked->current.len > HTTP_PASSWORD_MAX || asked->user.len > NAME_MAX_BYTES ||
	    memchr(asked->current.ptr, '\0', asked->current.len) != NULL))
		return credential_refuse_password(frontd, asked->user);
	return AUTH_GRANTED;
}

enum auth_answer
auth_password(struct frontd *frontd, struct conn *conn)
{
	struct api_password *asked = &frontd->call.password;
	struct attempt_wish wish = { .user = asked->user, .given = asked->current, .fresh = asked->fresh };
	struct attempt_result result;
	uint8_t key[ATTEMPT_KEY_BYTES];

	if (asked->current.ptr == NULL && asked->fresh.ptr == NULL)
		return AUTH_GRANTED;
	if (check_wish(frontd, asked) != AUTH_GRANTED)
		return AUTH_REFUSED;
	attempt_key(frontd, &wish, key);
	enum attempt_state state = attempt_ask(frontd, conn, key, &wish, &result, &frontd->call.problem);
	if (state == ATTEMPT_REFUSED)
		frontd->call.tried = asked->user;
	if (state != ATTEMPT_DONE)
		return credential_answer_of(state);
	if (asked->current.ptr != NULL && !result.is_right) {
		if (frontd->call.memo.route->right == RIGHT_LOGIN)
			return credential_refuse_password(frontd, asked->user);
		frontd->call.tried = asked->user;
		problem_of_outcome(&frontd->call.problem, OUTCOME_FORBIDDEN, "the current password is wrong");
		return AUTH_REFUSED;
	}
	asked->verified_uid = result.uid;
	asked->verified_etag = result.password_etag;
	memcpy(asked->hash, result.hash, sizeof(asked->hash));
	explicit_bzero(&result, sizeof(result));
	return AUTH_GRANTED;
}

/* ---- the end of an identity, and of a connection ---- */

void
auth_ended(struct frontd *frontd, struct conn *conn, const char *why)
{
	struct problem problem;

	if (*why == '\0' || conn->state == CONN_CLOSING)
		return;
	if (conn->poll != NULL) {
		problem_of_outcome(&problem, OUTCOME_UNAUTHORIZED, "%s", why);
		serve_end_poll(frontd, conn, &problem);
		conn_finish(frontd, conn);
	} else if (conn->state == CONN_BODY) {
		serve_refuse_outcome(frontd, conn, OUTCOME_UNAUTHORIZED, why);
	} else if (conn->store_used == 0 && !conn->is_direct) {
		conn_finish(frontd, conn);
	} /* else there is more from it, which brings its credential again and is answered 401 */
}

void
auth_forget(struct frontd *frontd, struct conn *conn)
{
	attempt_forget(frontd, conn);
	identity_leave(frontd, conn);
}
