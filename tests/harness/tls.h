#ifndef TESTS_HARNESS_TLS_H
#define TESTS_HARNESS_TLS_H

/*
 * tls: certificates that are made for a test and go with it, and TLS for the client of client.h, by
 * OpenSSL; the test decides what is offered, and what happens between the bytes.
 */

#include <stdbool.h>
#include <stdint.h>

#include "tests/harness/broker.h"
#include "tests/harness/client.h"

/* Runs openssl.  An authority, NAME.pem and NAME.key in directory. */
void tls_make_authority(const char *directory, const char *name);

/*
 * A certificate of that authority: NAME.pem and NAME.key.  subject: "/CN=alice"; alternatives:
 * "DNS:localhost,IP:127.0.0.1", NULL: none; days may be negative: it has expired.
 */
struct tls_wish {
	const char *authority;
	const char *subject;
	const char *alternatives;
	int days;
};
void tls_make_certificate(const char *directory, const char *name, const struct tls_wish *wish);

/*
 * A broker with HTTPS on a free port.  In its directory: the authority `ca`, and the certificate
 * `server` of it, for localhost and 127.0.0.1, which it serves with.  options: as broker_init(), at
 * most 15; broker_start() is left to the test.
 */
void tls_broker_init(struct broker *broker, const char *const *options);

/* How a client speaks. */
struct tls_dialog {
	const char *directory;     /* of the files below */
	const char *authority;     /* whom it believes; NULL: anybody */
	const char *certificate;   /* its own; NULL: none */
	const char *protocols;     /* ALPN: "h2 http/1.1"; NULL: none is offered */
	int version;               /* TLS1_2_VERSION or TLS1_3_VERSION, and no other; 0: any */
	bool drips;                /* each byte of ciphertext in a packet of its own */
	struct ssl_session_st *session; /* to resume; NULL: none.  Borrowed */
};

/* Connects and shakes hands; fails the test when that does not work. */
void tls_client_open(struct client *client, uint16_t port, const struct tls_dialog *dialog);

/*
 * The same, where it may fail: true, or the client is closed and *alert is the number of the
 * broker's alert, 0: none came.
 */
bool tls_client_try(struct client *client, uint16_t port, const struct tls_dialog *dialog,
    int *alert);

/*
 * Connects and says only the first `count` bytes of its hello; then the test goes on by hand,
 * without TLS.
 */
void tls_client_begin(struct client *client, uint16_t port, size_t count);

/*
 * The newest session that the broker has given this client a ticket for; owned, SSL_SESSION_free().
 * NULL: none.
 */
struct ssl_session_st *tls_client_session(struct client *client);

/* Was the handshake made short by a ticket? */
bool tls_client_resumed(const struct client *client);

/* close_notify, and the connection stays. */
void tls_client_goodbye(struct client *client);

/* Wait for the end; true: close_notify came before it. */
bool tls_client_heard_goodbye(struct client *client);

/* What OpenSSL last said was wrong; static. */
const char *tls_client_error(const struct client *client);

/* The number of the broker's alert that ended it; 0: none. */
int tls_client_alert(const struct client *client);

/* TLS 1.3: new keys for both directions.  False: the connection has ended. */
bool tls_client_update_key(struct client *client);

/* TLS 1.2: shake hands again.  True: the broker did. */
bool tls_client_renegotiate(struct client *client);

/* The serial number of the broker's certificate, in hexadecimal. */
void tls_client_peer_serial(const struct client *client, char text[64]);

/* client.c's own: as send() and recv() on the socket. */
ssize_t tls_client_write(struct client *client, const char *bytes, size_t count);
ssize_t tls_client_read(struct client *client, char *room, size_t room_bytes);
bool tls_client_has_bytes(const struct client *client);
void tls_client_free(struct client *client);

#endif
