#include "frontd/people/credential.h"

#include <string.h>

#include <openssl/sha.h>

#include "frontd/people/attempt.h"
#include "frontd/frontd.h"
#include "frontd/http/authorization.h"

_Static_assert(IDENTITY_KEY_BYTES == SHA256_DIGEST_LENGTH, "keys are SHA-256");
_Static_assert(IDENTITY_KEY_BYTES == ATTEMPT_KEY_BYTES, "of passwords too");

enum auth_answer
credential_refuse(struct frontd *frontd, const char *detail, ...)
{
	va_list arguments;

	va_start(arguments, detail);
	problem_of_outcome_list(&frontd->call.problem, OUTCOME_UNAUTHORIZED, detail, arguments);
	va_end(arguments);
	return AUTH_REFUSED;
}

bool
credential_is_fresh(const struct frontd *frontd, const struct identity *identity)
{
	return identity->generation == directory_generation(&frontd->directory) &&
	    frontd->world.now_ms < identity->look_ms;
}

/* Nobody waits for it; when there is no room the next use will tell. */
static void
touch(struct frontd *frontd, struct identity *identity)
{
	const struct shard_link *link = &frontd->submits.links[0];
	struct credential_touch_request *frame = link->again == NULL && link->waiting == NULL
	    ? submit_reserve(frontd, 0, sizeof(*frame))
	    : NULL;

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
	if (credential_is_fresh(frontd, identity))
		return grant(frontd, conn, identity);
	/* Of a password also that it was checked not too long ago. */
	bool is_stale = identity->principal.kind == PRINCIPAL_PASSWORD &&
	    frontd->world.now_ms >= identity->checked_until_ms;

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
	/* Its connections are ended, unless they have to bring it again only; but this one is
	 * answered by what comes now. */
	if (conn->identity == identity)
		identity_leave_kept(conn);
	identity_end(frontd, identity, why);
	*is_done = *why != '\0';
	return *is_done ? credential_refuse(frontd, "%s", why) : AUTH_NOT_NOW;
}

/* ---- Bearer ---- */

enum auth_answer
credential_bearer(
    struct frontd *frontd, struct conn *conn, struct http_slice header, struct http_slice token)
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
	enum directory_look look =
	    directory_credential_by_hash(&frontd->directory, key, &credential, &user);
	if (look == DIRECTORY_NOT_NOW)
		return AUTH_NOT_NOW;
	if (look == DIRECTORY_NONE)
		return credential_refuse(
		    frontd, "this token is not known: it was revoked, or has expired");
	const char *fault = identity_fault(&credential, &user, frontd->world.now_ms);
	if (fault != NULL)
		return credential_refuse(frontd, "%s", fault);
	return grant(frontd, conn,
	    identity_make(frontd,
		&(struct identity_source){ .kind = credential.config.kind == CREDENTIAL_SESSION
			? PRINCIPAL_SESSION
			: PRINCIPAL_TOKEN,
		    .key = key,
		    .header = header,
		    .user = &user,
		    .credential = &credential,
		    .generation = generation }));
}

/* ---- passwords and certificates ---- */

enum auth_answer
credential_refuse_password(struct frontd *frontd, struct http_slice user)
{
	frontd->call.tried = user;
	return credential_refuse(frontd, "user name or password is wrong");
}

enum auth_answer
credential_answer_of(enum attempt_state state)
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
		return credential_refuse_password(frontd, name);
	case DIRECTORY_FOUND:
		break;
	}
	if (user.config.is_disabled || user.password_etag != result->password_etag)
		return credential_refuse_password(frontd, name);
	return grant(frontd, conn, identity_make(frontd, &whole));
}

enum auth_answer
credential_basic(struct frontd *frontd, struct conn *conn, struct http_slice header,
    const struct http_authorization *basic)
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
	enum attempt_state state =
	    attempt_ask(frontd, conn, key, &wish, &result, &frontd->call.problem);
	if (state != ATTEMPT_DONE)
		return credential_answer_of(state);
	if (!result.is_right)
		return credential_refuse_password(frontd, basic->user);
	return make_password(frontd, conn,
	    &(struct identity_source){ .kind = PRINCIPAL_PASSWORD, .key = key, .header = header },
	    &result, basic->user);
}

enum auth_answer
credential_certificate(struct frontd *frontd, struct conn *conn, struct http_slice user_name)
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
		return credential_refuse(frontd, "there is no user for this client certificate");
	case DIRECTORY_FOUND:
		break;
	}
	if (user.config.is_disabled)
		return credential_refuse(frontd, "the user of this client certificate is disabled");
	return grant(frontd, conn,
	    identity_make(frontd,
		&(struct identity_source){ .kind = PRINCIPAL_CERTIFICATE,
		    .key = key,
		    .user = &user,
		    .generation = generation }));
}
