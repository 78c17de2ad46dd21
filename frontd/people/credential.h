/*
 * credential: what came in Authorization, or a client certificate, judged: is it good, and whose is
 * it? auth.h asks, for each request that does not bring the same as the one before it.
 *
 * Somebody has brought it before: identity.h remembers.  Else a token is looked up by its hash, a
 * password is checked by a thread (attempt.h), a certificate's name is looked up.
 */
#ifndef FRONTD_CREDENTIAL_H
#define FRONTD_CREDENTIAL_H

#include "frontd/people/attempt.h"
#include "frontd/people/auth.h"

struct http_authorization;
struct identity;

/* header: the whole of Authorization, by which the next request is known again. */
enum auth_answer credential_bearer(
    struct frontd *frontd, struct conn *conn, struct http_slice header, struct http_slice token);
enum auth_answer credential_basic(struct frontd *frontd, struct conn *conn,
    struct http_slice header, const struct http_authorization *basic);
/* user_name: auth_map_certificate() */
enum auth_answer
credential_certificate(struct frontd *frontd, struct conn *conn, struct http_slice user_name);

/* An identity is good as it is: nothing has changed since it was looked at. */
bool credential_is_fresh(const struct frontd *frontd, const struct identity *identity);

/* AUTH_REFUSED, and call->problem with this detail. */
enum auth_answer credential_refuse(struct frontd *frontd, const char *detail, ...)
    __attribute__((format(printf, 2, 3)));
enum auth_answer credential_refuse_password(struct frontd *frontd, struct http_slice user);

/* What attempt.h says, in auth.h's words. */
enum auth_answer credential_answer_of(enum attempt_state state);

#endif
