/*
 * secret: what a token or a session is known by.  256 random bits as text, given to the client
 * once; kept is its SHA-256, of the whole text.  So much randomness needs no salt and no slow hash.
 */
#ifndef FRONTD_API_SECRET_H
#define FRONTD_API_SECRET_H

#include <stdint.h>

#include "shm/people.h"

#define SECRET_TEXT_BYTES_MAX 47 /* "mqs_" and 43 characters of base64url */

/* A new one, "mq_..." of a token or "mqs_..." of a session; its length.  No end mark. */
uint8_t secret_draw(enum credential_kind kind, char text[SECRET_TEXT_BYTES_MAX]);

void secret_hash(const char *text, uint32_t bytes, uint8_t hash[CREDENTIAL_HASH_BYTES]);

#endif
