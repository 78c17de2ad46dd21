#include "frontd/api/digest.h"

#include <openssl/evp.h>

#include "frontd/http/text.h"

/* The value of one member, `:base64:` (RFC 8941 byte sequence): the base64, or ptr == NULL. */
static struct http_slice
byte_sequence(struct http_slice value)
{
	while (value.len > 0 && (value.ptr[value.len - 1] == ' ' || value.ptr[value.len - 1] == '\t'))
		value.len--;
	if (value.len < 2 || value.ptr[0] != ':' || value.ptr[value.len - 1] != ':')
		return (struct http_slice){ .ptr = NULL };
	return (struct http_slice){ .ptr = value.ptr + 1, .len = value.len - 2 };
}

static bool
member_check(struct api_call *call, struct http_slice value, const char *name, const EVP_MD *algorithm)
{
	unsigned char given[EVP_MAX_MD_SIZE + 4], computed[EVP_MAX_MD_SIZE];
	unsigned computed_bytes = 0;
	struct http_slice encoded = byte_sequence(value);

	if (encoded.ptr == NULL || encoded.len / 4 * 3 > sizeof(given))
		return api_refuse(call, OUTCOME_BAD_HEADER, "Content-Digest: %s is not :base64:", name);
	size_t given_bytes = text_base64_decode(encoded, (struct http_span){ .ptr = (char *)given, .len = sizeof(given) });
	if (given_bytes != (size_t)EVP_MD_get_size(algorithm))
		return api_refuse(call, OUTCOME_BAD_HEADER, "Content-Digest: %s has the wrong length", name);
	if (EVP_Digest(call->body.len == 0 ? "" : call->body.ptr, call->body.len, computed, &computed_bytes, algorithm, NULL) !=
	    1)
		return api_refuse(call, OUTCOME_INTERNAL, "%s cannot be computed", name);
	if (computed_bytes != given_bytes || memcmp(computed, given, given_bytes) != 0)
		return api_refuse(call, OUTCOME_BAD_DIGEST, "%s of the body received is another", name);
	return true;
}

/* "sha-256=:...:, sha-512=:...:". */
static bool
field_check(struct api_call *call, struct http_slice rest)
{
	while (rest.len > 0) {
		const char *comma = memchr(rest.ptr, ',', rest.len);
		struct http_slice member = { rest.ptr, comma == NULL ? rest.len : (size_t)(comma - rest.ptr) };

		rest.ptr += member.len + (comma != NULL);
		rest.len -= member.len + (comma != NULL);
		while (member.len > 0 && (member.ptr[0] == ' ' || member.ptr[0] == '\t')) {
			member.ptr++;
			member.len--;
		}
		const char *equals = member.len == 0 ? NULL : memchr(member.ptr, '=', member.len);
		if (equals == NULL)
			return api_refuse(call, OUTCOME_BAD_HEADER, "Content-Digest is not a list of algorithm=:base64:");
		struct http_slice name = { member.ptr, (size_t)(equals - member.ptr) };
		struct http_slice value = { equals + 1, member.len - name.len - 1 };
		if (http_slice_is(name, "sha-256") && !member_check(call, value, "sha-256", EVP_sha256()))
			return false;
		if (http_slice_is(name, "sha-512") && !member_check(call, value, "sha-512", EVP_sha512()))
			return false;
	}
	return true;
}

bool
digest_check(struct api_call *call)
{
	const struct http_field *field;
	size_t from = 0;

	while ((field = http_next_field(call->request, "content-digest", &from)) != NULL)
		if (!field_check(call, field->value))
			return false;
	return true;
}
