#include "frontd/api/cursor.h"

#include <assert.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <string.h>

#include "frontd/api/ids.h"

/* The two halves of the block: where, and what must be found beside it when it is opened again. */
struct block {
	uint64_t place;
	uint64_t proof;
};

void
cursor_key(const uint8_t store_uuid[16], uint8_t key[CURSOR_KEY_BYTES])
{
	static const char purpose[] = "chasqui: cursors of lists";
	uint8_t text[sizeof(purpose) + 16], hash[SHA256_DIGEST_LENGTH];

	memcpy(text, purpose, sizeof(purpose));
	memcpy(text + sizeof(purpose), store_uuid, 16);
	SHA256(text, sizeof(text), hash);
	memcpy(key, hash, CURSOR_KEY_BYTES);
}

static struct block
encipher(const uint8_t key[CURSOR_KEY_BYTES], struct block block, bool is_sealing)
{
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	struct block result;
	int bytes = 0;

	/* It fails without memory only, and then the process is started again. */
	assert(context != NULL);
	int is_done = EVP_CipherInit_ex(context, EVP_aes_128_ecb(), NULL, key, NULL, is_sealing) &&
	    EVP_CIPHER_CTX_set_padding(context, 0) &&
	    EVP_CipherUpdate(context, (unsigned char *)&result, &bytes,
		(const unsigned char *)&block, sizeof(block));
	assert(is_done);
	assert(bytes == sizeof(result));
	EVP_CIPHER_CTX_free(context);
	return result;
}

static uint64_t
proof_of(const struct cursor *cursor)
{
	return cursor->uid ^ (uint64_t)cursor->list << 62;
}

void
cursor_seal(
    const uint8_t key[CURSOR_KEY_BYTES], const struct cursor *cursor, char out[CURSOR_BYTES])
{
	struct block sealed = encipher(
	    key, (struct block){ .place = cursor->place, .proof = proof_of(cursor) }, true);

	base32_format(sealed.place, sealed.proof, out, CURSOR_BYTES);
}

bool
cursor_open(const uint8_t key[CURSOR_KEY_BYTES], struct http_slice text, struct cursor *cursor)
{
	struct block sealed;

	if (text.len != CURSOR_BYTES || !base32_parse(text, 64, &sealed.place, &sealed.proof))
		return false;
	struct block opened = encipher(key, sealed, false);

	cursor->place = opened.place;
	return opened.proof == proof_of(cursor);
}
