/*
 * certificate: what [tls] names (certificate, key, authorities of clients) put into a context of
 * OpenSSL.  The supervisor does it to find out whether the files are good, a frontd to serve with
 * them: so what the one accepts the other can use.
 */
#ifndef CONF_CERTIFICATE_H
#define CONF_CERTIFICATE_H

#include <stddef.h>

#include <openssl/types.h>

#include "conf/conf.h"

/* PEM.  name stands for it in errors: "tls.key = /etc/chasqui/key.pem". */
struct certificate_text {
	const char *name;
	const char *text;
	size_t bytes;
};

/*
 * The chain, and the key that belongs to its first certificate.  0, or -1 and the error, with cause
 * and cure.
 */
int certificate_use(SSL_CTX *context, const struct certificate_text *chain,
    const struct certificate_text *key, struct conf_error *error);

/* Clients are asked for a certificate of one of these authorities. */
int certificate_ask_clients(SSL_CTX *context, const struct certificate_text *authorities,
    bool is_required, struct conf_error *error);

#endif
