#ifndef FRONTD_HTTP_AUTHORIZATION_H
#define FRONTD_HTTP_AUTHORIZATION_H

/*
 * authorization: the value of an Authorization field (RFC 9110, 6750, 7617), strictly: a scheme, one blank, one word of
 * credentials.  Says what is there, not whether it is right.
 */

#include "frontd/http/slice.h"

enum {
	HTTP_USER_MAX = 80,             /* the longest name a user can have */
	HTTP_PASSWORD_MAX = 256,
	HTTP_TOKEN_MAX = 128,
	/* What Basic decodes to; a longer one is refused before it is decoded. */
	HTTP_BASIC_MAX = HTTP_USER_MAX + 1 + HTTP_PASSWORD_MAX
};

enum http_credentials {
	HTTP_CREDENTIALS_NONE,          /* no such field */
	HTTP_CREDENTIALS_BEARER,
	HTTP_CREDENTIALS_BASIC,
	HTTP_CREDENTIALS_OTHER,         /* a scheme that we do not know */
	HTTP_CREDENTIALS_MALFORMED
};

struct http_authorization {
	enum http_credentials	kind;
	struct http_slice	token;          /* BEARER: borrowed from the value */
	struct http_slice	user;           /* BASIC: in scratch, not empty; no CTL in either of them */
	struct http_slice	password;
};

/*
 * value.ptr == NULL: the field was not sent.  scratch has room for HTTP_BASIC_MAX + 2 bytes (base64 comes in threes) and
 * holds a password afterwards: wipe it.
 */
void http_authorization_parse(struct http_slice value, struct http_span scratch,
    struct http_authorization *authorization);

/* May this be a password?  1 to HTTP_PASSWORD_MAX bytes of UTF-8 without CTL (RFC 7617 could not carry those). */
bool http_password_is_valid(struct http_slice password);

#endif
