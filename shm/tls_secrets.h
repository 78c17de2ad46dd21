/*
 * tls_secrets: what a frontd needs to speak TLS and may not read itself: certificate, key,
 * authorities of clients and the keys of session tickets.  The supervisor writes them into a memory
 * file that frontds inherit (TLS_SECRETS_FD); nobody else has it.
 *
 *   supervisor: tls_secrets_write(generation g)  into half g % 2  -> registry.tls_generation = g
 * (store-release) frontd:     registry.tls_generation (load-acquire) = g        ->
 * tls_secrets_read(g)
 *
 * So what is being read is never written to, unless the reader is two generations late: then it
 * finds another generation than it asked for, and asks again.
 */
#ifndef SHM_TLS_SECRETS_H
#define SHM_TLS_SECRETS_H

#include <stdint.h>

/* One generation of ticket keys: AES-256-CBC and HMAC-SHA256, found by its name. */
struct ticket_key {
	uint8_t name[16];
	uint8_t cipher[32];
	uint8_t mac[32];
};

enum tls_text { TLS_TEXT_CHAIN, TLS_TEXT_KEY, TLS_TEXT_CLIENT_CA, TLS_TEXT_COUNT };

#define TLS_TEXT_BYTES_MAX (512u << 10) /* of all three; the bundle of a distribution has 220 KiB */

struct tls_secrets {
	uint64_t generation;     /* grows with each write */
	uint64_t material;       /* grows when anything but the ticket keys has changed */
	uint32_t client_auth;    /* enum conf_client_auth */
	uint32_t min_version;    /* enum conf_tls_version */
	struct ticket_key current, previous;
	uint32_t bytes[TLS_TEXT_COUNT];
	char text[TLS_TEXT_BYTES_MAX]; /* PEM, one behind the other */
};

/* A text within; *bytes is its length. */
const char *tls_secrets_text(const struct tls_secrets *secrets, enum tls_text which,
    uint32_t *bytes);

/* 0, or -1 with errno. */
int tls_secrets_write(int fd, const struct tls_secrets *secrets);

/* 0; -1 with errno, EAGAIN when this generation is not there any more. */
int tls_secrets_read(int fd, uint64_t generation, struct tls_secrets *secrets);

#endif
