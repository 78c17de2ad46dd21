/*
 * tls_names: who a client is by its certificate, which was verified in the handshake (or in the one
 * that its ticket is from).
 */
#ifndef FRONTD_TLS_NAMES_H
#define FRONTD_TLS_NAMES_H

#include <stddef.h>

#include <openssl/types.h>

struct conn;
struct frontd;

enum tls_name_kind { TLS_NAME_DNS, TLS_NAME_EMAIL, TLS_NAME_URI, TLS_NAME_CN };

/*
 * Printable ASCII without spaces; ends with a NUL.  A name of a certificate that is anything else
 * is left out.
 */
struct tls_name {
	enum tls_name_kind kind;
	const char *text;
};

struct tls_names;

/* Those of the peer's certificate; NULL: it has shown none, or one without names.  Owned. */
struct tls_names *tls_names_of(const SSL *ssl);
void tls_names_free(struct tls_names *names);

/*
 * The names by which this connection's client may be looked up as a user, as tls.client_users says:
 * those of subjectAltName in their order, or the common name.  Returns how many; *names is borrowed
 * for the life of the connection.  0 on a plain connection, without a certificate, and with
 * tls.client_users = off.
 */
size_t tls_peer_names(const struct frontd *frontd, const struct conn *conn,
    const struct tls_name **names);

#endif
