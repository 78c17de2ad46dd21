/*
 * auth: who asks?  Called when a request's head is whole, before anything of its body is taken and before 100 Continue.
 *
 *   Authorization: Bearer   SHA-256 of the token, looked up in the directory               identity.h remembers it
 *   Authorization: Basic    the password is checked by a thread, the connection waits      attempt.h
 *   no Authorization        the client's certificate, if it has one that names a user
 *
 * A credential that ends (revoked, expired, user disabled or deleted, password changed) ends within a second: a parked long poll
 * is answered 401, what is under way is still answered, and the connection is closed.  docs/security.md says more.
 */
#ifndef FRONTD_AUTH_H
#define FRONTD_AUTH_H

#include <stdbool.h>
#include <stdint.h>

#include "frontd/http/slice.h"

struct conn;
struct frontd;

enum auth_answer {
	AUTH_GRANTED,   /* call->principal says who; NULL where that need not be known */
	AUTH_REFUSED,   /* call->problem */
	AUTH_NOT_NOW,   /* the directory is being written: try again as for room in a ring */
	AUTH_WAITS,     /* the connection waits for a password: it will be tried again */
};

/* 0, or -1 and a diag. */
int auth_open(struct frontd *frontd);
void auth_close(struct frontd *frontd);

/* For frontd->call, resolved, of frontd->request. */
enum auth_answer auth_admit(struct frontd *frontd, struct conn *conn);

/* Is there password work that plan has asked for (call->password)?  GRANTED: there is none, or it is done. */
enum auth_answer auth_password(struct frontd *frontd, struct conn *conn);

/* The identity of this connection ended: identity.c has taken it away.  why "": it only has to bring its credential again. */
void auth_ended(struct frontd *frontd, struct conn *conn, const char *why);

/* The connection is closed. */
void auth_forget(struct frontd *frontd, struct conn *conn);

/* ---- client certificates ---- */

enum auth_certificates { AUTH_CERTIFICATES_OFF, AUTH_CERTIFICATES_SAN, AUTH_CERTIFICATES_CN };

#define CERTIFICATE_NAMES_MAX 16u

/* What a verified certificate calls its owner; borrowed. */
struct certificate_names {
	struct http_slice names[CERTIFICATE_NAMES_MAX]; /* DNS and e-mail of the subject's alternative names */
	unsigned count;
	struct http_slice common_name; /* ptr NULL: none */
};

/*
 * The user a certificate stands for; ptr NULL: none.  SAN: the one alternative name that could be a user's (API.md, names); when
 * there are several different ones it says nothing, for which of them would count is the issuer's chance.
 */
struct http_slice auth_map_certificate(enum auth_certificates mode, const struct certificate_names *names);

/* After a handshake whose client certificate was verified: requests without Authorization are this user's. */
void auth_certificate(struct frontd *frontd, struct conn *conn, struct http_slice user);

#endif
