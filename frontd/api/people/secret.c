#include "frontd/api/people/secret.h"

#include <assert.h>
#include <openssl/sha.h>
#include <string.h>
#include <sys/random.h>

#define RANDOM_BYTES 32

/* RFC 4648, section 5, without padding. */
static char *
base64url(const uint8_t bytes[RANDOM_BYTES], char *at)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	uint32_t bits = 0;
	unsigned count = 0;

	for (unsigned i = 0; i < RANDOM_BYTES; i++) {
		bits = bits << 8 | bytes[i];
		for (count += 8; count >= 6; count -= 6)
			*at++ = digits[bits >> (count - 6) & 63];
	}
	*at++ = digits[bits << (6 - count) & 63];
	return at;
}
_Static_assert(RANDOM_BYTES * 8 % 6 != 0, "the last digit holds what is left");

uint8_t
secret_draw(enum credential_kind kind, char text[SECRET_TEXT_BYTES_MAX])
{
	uint8_t random[RANDOM_BYTES];
	char *at = stpcpy(text, kind == CREDENTIAL_SESSION ? "mqs_" : "mq_");
	ssize_t got = getrandom(random, sizeof(random), 0);

	/* For so few bytes it cannot fail, once the machine is up. */
	assert(got == (ssize_t)sizeof(random));
	at = base64url(random, at);
	explicit_bzero(random, sizeof(random));
	return (uint8_t)(at - text);
}

void
secret_hash(const char *text, uint32_t bytes, uint8_t hash[CREDENTIAL_HASH_BYTES])
{
	_Static_assert(SHA256_DIGEST_LENGTH == CREDENTIAL_HASH_BYTES, "SHA-256");

	(void)SHA256((const unsigned char *)text, bytes, hash);
}
