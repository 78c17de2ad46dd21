/*
 * Authorization values: nothing beyond the value or the scratch is touched, what is taken keeps to its limits, and Basic comes
 * back as the same text when it is written again.
 */
#include "frontd/http/authorization.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "frontd/http/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t count);

static void
assert_basic(struct http_slice value, const char *scratch, const struct http_authorization *authorization)
{
	char again[TEXT_BASE64_BYTES(HTTP_BASIC_MAX)];
	size_t len = authorization->user.len + 1 + authorization->password.len;

	assert(authorization->user.ptr == scratch);
	assert(authorization->user.len >= 1 && authorization->user.len <= HTTP_USER_MAX);
	assert(authorization->password.ptr == scratch + authorization->user.len + 1);
	assert(authorization->password.len <= HTTP_PASSWORD_MAX);
	size_t written = text_base64_encode((struct http_slice){ scratch, len }, (struct http_span){ again, sizeof(again) });
	assert(written == value.len - 6 && memcmp(again, value.ptr + 6, written) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t count)
{
	/* Copies of their own size, so that a sanitizer sees one byte too much. */
	char *bytes = malloc(count + 1), *scratch = malloc(HTTP_BASIC_MAX + 2);
	struct http_authorization authorization;

	if (bytes == NULL || scratch == NULL)
		abort();
	bytes = realloc(bytes, count == 0 ? 1 : count);
	if (count != 0)
		memcpy(bytes, input, count);
	struct http_slice value = { .ptr = bytes, .len = count };
	http_authorization_parse(value, (struct http_span){ .ptr = scratch, .len = HTTP_BASIC_MAX + 2 }, &authorization);
	if (authorization.kind == HTTP_CREDENTIALS_BEARER) {
		assert(authorization.token.len >= 1 && authorization.token.len <= HTTP_TOKEN_MAX);
		assert(authorization.token.ptr + authorization.token.len == bytes + count);
	} else if (authorization.kind == HTTP_CREDENTIALS_BASIC) {
		assert_basic(value, scratch, &authorization);
	}
	free(bytes);
	free(scratch);
	return 0;
}
