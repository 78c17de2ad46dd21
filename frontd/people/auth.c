/*
 * Happy path: auth_admit() finds that the connection brings what it brought before, and that nothing has changed: is_same().
 *
 * Failure modes: everything that is not a good credential is 401 with what is wrong, but never whether a user of that name
 * exists; a password that is not known yet, or a directory that is being written, makes the connection wait.
 */
#include "frontd/people/auth.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/sha.h>

#include "frontd/people/attempt.h"
#include "frontd/frontd.h"
#include "frontd/http/authorization.h"
#include "frontd/serve.h"
#include "frontd/tls/names.h"
#include "shm/diag.h"

#define PASSWORD_BYTES_MIN 8

_Static_assert(IDENTITY_KEY_BYTES == SHA256_DIGEST_LENGTH, "keys are SHA-256");
_Static_assert(IDENTITY_KEY_BYTES == ATTEMPT_KEY_BYTES, "of passwords too");
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

static enum auth_answer __attribute__((format(printf, 2, 3)))
refuse(struct frontd *frontd, const char *detail, ...)
{
	va_list arguments;

	va_start(arguments, detail);
	problem_of_outcome_list(&frontd->call.problem, OUTCOME_UNAUTHORIZED, detail, arguments);
	va_end(arguments);
	return AUTH_REFUSED;
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

/* The connection's identity is good as it is. */
static bool
is_fresh(const struct frontd *frontd, const struct identity *identity)
{
	return identity->generation == directory_generation(&frontd->directory) && frontd->world.now_ms < identity->look_ms;
}

static bool
is_same(const struct conn *conn, struct http_slice value)
{
	const struct identity *identity = conn->identity;

	return identity != NULL && identity->header_bytes == value.len &&
	    (value.ptr != NULL) == (identity->principal.kind != PRINCIPAL_CERTIFICATE) &&
	    is_same_text(identity->text, value.ptr, value.len);
}

/* Nobody waits for it; when there is no room the next use will tell. */
static void
touch(struct frontd *frontd, struct identity *identity)
{
	const struct shard_link *link = &frontd->submits.links[0];
	struct credential_touch_request *frame = link->again == NULL && link->waiting == NULL ?
	    submit_reserve(frontd, 0, sizeof(*frame)) : NULL;

	if (frame == NULL)
		return;
	frame->id = identity->principal.credential_id;
	submit_push(frontd, 0, frame, sizeof(*frame), OP_CREDENTIAL_TOUCH, 0);
	identity_touched(frontd, identity);
}

static enum auth_answer
grant(struct frontd *frontd, struct conn *conn, struct identity *identity)
{
	identity_join(frontd, conn, identity);
	if (frontd->world.now_ms >= identity->touch_ms)
		touch(frontd, identity);
	frontd->call.principal = &identity->principal;
	return AUTH_GRANTED;
}

/* Somebody has brought it before: is it still good?  DONE false: look for it anew. */
static enum auth_answer
look_again(struct frontd *frontd, struct conn *conn, struct identity *identity, bool *is_done)
{
	const char *why;

	*is_done = true;
	if (is_fresh(frontd, identity))
		return grant(frontd, conn, identity);
	/* Of a password also that it was checked not too long ago. */
	bool is_stale = identity->principal.kind == PRINCIPAL_PASSWORD && frontd->world.now_ms >= identity->checked_until_ms;

	switch (is_stale ? IDENTITY_ENDED : identity_look(frontd, identity, &why)) {
	case IDENTITY_GOOD:
		return grant(frontd, conn, identity);
	case IDENTITY_NOT_NOW:
		return AUTH_NOT_NOW;
	case IDENTITY_ENDED:
		break;
	}
	if (is_stale)
		why = "";
	/* Its connections are ended, unless they have to bring it again only; but this one is answered by what comes now. */
	if (conn->identity == identity)
		identity_leave_kept(conn);
	identity_end(frontd, identity, why);
	*is_done = *why != '\0';
	return *is_done ? refuse(frontd, "%s", why) : AUTH_NOT_NOW;
}

/* ---- Bearer ---- */

static enum auth_answer
admit_bearer(struct frontd *frontd, struct conn *conn, struct http_slice header, struct http_slice token)
{
	uint8_t key[IDENTITY_KEY_BYTES];
	struct credential_entry credential;
	struct user_entry user;
	bool is_done;

	SHA256((const unsigned char *)token.ptr, token.len, key);
	for (enum principal_kind kind = PRINCIPAL_TOKEN; kind <= PRINCIPAL_SESSION; kind++) {
		struct identity *identity = identity_find(frontd, kind, key);

		if (identity == NULL)
			continue;
		enum auth_answer answer = look_again(frontd, conn, identity, &is_done);
		if (is_done)
			return answer;
	}
	uint64_t generation = directory_generation(&frontd->directory);
	enum directory_look look = directory_credential_by_hash(&frontd->directory, key, &credential, &user);
	if (look == DIRECTORY_NOT_NOW)
		return AUTH_NOT_NOW;
	if (look == DIRECTORY_NONE)
		return refuse(frontd, "this token is not known: it was revoked, or has expired");
	const char *fault = identity_fault(&credential, &user, frontd->world.now_ms);
	if (fault != NULL)
		return refuse(frontd, "%s", fault);
	return grant(frontd, conn, identity_make(frontd, &(struct identity_source){
		.kind = credential.config.kind == CREDENTIAL_SESSION ? PRINCIPAL_SESSION : PRINCIPAL_TOKEN,
		.key = key, .header = header, .user = &user, .credential = &credential, .generation = generation }));
}

/* ---- passwords and certificates ---- */

static enum auth_answer
refuse_password(struct frontd *frontd, struct http_slice user)
{
	frontd->call.tried = user;
	return refuse(frontd, "user name or password is wrong");
}

static enum auth_answer
answer_of(enum attempt_state state)
{
	switch (state) {
	case ATTEMPT_WAITS:
		return AUTH_WAITS;
	case ATTEMPT_NOT_NOW:
		return AUTH_NOT_NOW;
	case ATTEMPT_REFUSED:
		return AUTH_REFUSED;
	default:
		return AUTH_GRANTED;
	}
}

/* The password was right for the user as he was then; is he still the same? */
static enum auth_answer
make_password(struct frontd *frontd, struct conn *conn, const struct identity_source *source,
    const struct attempt_result *result, struct http_slice name)
{
	struct identity_source whole = *source;
	struct user_entry user;

	whole.generation = directory_generation(&frontd->directory);
	whole.user = &user;
	switch (directory_user_by_uid(&frontd->directory, result->uid, &user)) {
	case DIRECTORY_NOT_NOW:
		return AUTH_NOT_NOW;
	case DIRECTORY_NONE:
		return refuse_password(frontd, name);
	case DIRECTORY_FOUND:
		break;
	}
	if (user.config.is_disabled || user.password_etag != result->password_etag)
		return refuse_password(frontd, name);
	return grant(frontd, conn, identity_make(frontd, &whole));
}

static enum auth_answer
admit_basic(struct frontd *frontd, struct conn *conn, struct http_slice header, const struct http_authorization *basic)
{
	struct attempt_wish wish = { .user = basic->user, .given = basic->password };
	struct attempt_result result;
	uint8_t key[ATTEMPT_KEY_BYTES];
	bool is_done;

	attempt_key(frontd, &wish, key);
	struct identity *identity = identity_find(frontd, PRINCIPAL_PASSWORD, key);
	if (identity != NULL) {
		enum auth_answer answer = look_again(frontd, conn, identity, &is_done);

		if (is_done)
			return answer;
	}
	enum attempt_state state = attempt_ask(frontd, conn, key, &wish, &result, &frontd->call.problem);
	if (state != ATTEMPT_DONE)
		return answer_of(state);
	if (!result.is_right)
		return refuse_password(frontd, basic->user);
	return make_password(frontd, conn, &(struct identity_source){ .kind = PRINCIPAL_PASSWORD, .key = key, .header = header },
	    &result, basic->user);
}

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
admit_certificate(struct frontd *frontd, struct conn *conn, struct http_slice user_name)
{
	struct attempt_wish wish = { .user = user_name };
	struct queue_name name = { .bytes = (uint8_t)wish.user.len };
	uint8_t key[IDENTITY_KEY_BYTES];
	struct user_entry user;
	bool is_done;

	attempt_key(frontd, &wish, key);
	struct identity *identity = identity_find(frontd, PRINCIPAL_CERTIFICATE, key);
	if (identity != NULL) {
		enum auth_answer answer = look_again(frontd, conn, identity, &is_done);

		if (is_done)
			return answer;
	}
	memcpy(name.text, wish.user.ptr, wish.user.len);
	uint64_t generation = directory_generation(&frontd->directory);
	switch (directory_user_by_name(&frontd->directory, &name, &user)) {
	case DIRECTORY_NOT_NOW:
		return AUTH_NOT_NOW;
	case DIRECTORY_NONE:
		return refuse(frontd, "there is no user for this client certificate");
	case DIRECTORY_FOUND:
		break;
	}
	if (user.config.is_disabled)
		return refuse(frontd, "the user of this client certificate is disabled");
	return grant(frontd, conn, identity_make(frontd, &(struct identity_source){ .kind = PRINCIPAL_CERTIFICATE, .key = key,
		.user = &user, .generation = generation }));
}

/* ---- a request ---- */

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
		return admit_bearer(frontd, conn, header, authorization.token);
	case HTTP_CREDENTIALS_BASIC:
		answer = admit_basic(frontd, conn, header, &authorization);
		if (answer == AUTH_REFUSED) { /* its text goes with the scratch */
			memcpy(frontd->tried, authorization.user.ptr, authorization.user.len);
			frontd->call.tried = (struct http_slice){ .ptr = frontd->tried, .len = authorization.user.len };
		}
		explicit_bzero(scratch, sizeof(scratch));
		return answer;
	case HTTP_CREDENTIALS_OTHER:
		return refuse(frontd, "Authorization is neither Bearer nor Basic");
	case HTTP_CREDENTIALS_MALFORMED:
		return refuse(frontd, "Authorization is not well-formed");
	case HTTP_CREDENTIALS_NONE:
		break;
	}
	size_t count = tls_peer_names(frontd, conn, &names);
	struct http_slice certified = auth_map_certificate(names, count);
	if (certified.ptr != NULL)
		return admit_certificate(frontd, conn, certified);
	if (frontd->call.entry == ENTRY_OPTIONAL)
		return AUTH_GRANTED;
	return refuse(frontd, "this takes Authorization: Bearer or Basic");
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
	if (is_same(conn, header) && is_fresh(frontd, conn->identity)) {
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
		return refuse_password(frontd, asked->user);
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
		return answer_of(state);
	if (asked->current.ptr != NULL && !result.is_right) {
		if (frontd->call.memo.route->right == RIGHT_LOGIN)
			return refuse_password(frontd, asked->user);
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
