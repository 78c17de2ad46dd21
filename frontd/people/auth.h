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
struct tls_name;

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

/*
 * The user that one of these names of a client certificate stands for (tls_peer_names() gives those that count); ptr NULL: none.
 * When several different ones could be users' it is none: which of them would count is the issuer's chance.
 */
struct http_slice auth_map_certificate(const struct tls_name *names, size_t count);

#endif
