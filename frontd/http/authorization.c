#include "frontd/http/authorization.h"

#include <assert.h>

#include "frontd/http/text.h"

/* Any CTL, tab too: in Basic they are forbidden, and nobody types them. */
static bool
has_ctl(struct http_slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
			return true;
	return false;
}

bool
http_password_is_valid(struct http_slice password)
{
	return password.len != 0 && password.len <= HTTP_PASSWORD_MAX && !has_ctl(password) && text_is_utf8(password);
}

/* b64token of RFC 6750. */
static bool
is_token(struct http_slice token)
{
	size_t len = token.len;

	while (len != 0 && token.ptr[len - 1] == '=')
		len--;
	if (len == 0 || token.len > HTTP_TOKEN_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = token.ptr[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
		    c == '_' || c == '~' || c == '+' || c == '/'))
			return false;
	}
	return true;
}

static bool
take_basic(struct http_slice encoded, struct http_span scratch, struct http_authorization *authorization)
{
	if (encoded.len > TEXT_BASE64_BYTES(HTTP_BASIC_MAX))
		return false;
	size_t len = text_base64_decode(encoded, scratch);
	if (len == TEXT_FAILED)
		return false;
	const char *colon = memchr(scratch.ptr, ':', len);
	if (colon == NULL)
		return false;
	authorization->user = (struct http_slice){ .ptr = scratch.ptr, .len = (size_t)(colon - scratch.ptr) };
	authorization->password = (struct http_slice){ .ptr = colon + 1, .len = len - authorization->user.len - 1 };
	return authorization->user.len != 0 && authorization->user.len <= HTTP_USER_MAX &&
	    authorization->password.len <= HTTP_PASSWORD_MAX && !has_ctl((struct http_slice){ scratch.ptr, len });
}

void
http_authorization_parse(struct http_slice value, struct http_span scratch, struct http_authorization *authorization)
{
	*authorization = (struct http_authorization){ .kind = HTTP_CREDENTIALS_NONE };
	if (value.ptr == NULL)
		return;
	assert(scratch.len >= HTTP_BASIC_MAX + 2);
	const char *blank = memchr(value.ptr, ' ', value.len);
	size_t scheme_len = blank == NULL ? value.len : (size_t)(blank - value.ptr);
	struct http_slice scheme = { .ptr = value.ptr, .len = scheme_len };
	struct http_slice word = { .ptr = value.ptr + scheme_len, .len = value.len - scheme_len };

	if (word.len != 0) {
		word.ptr++;
		word.len--;
	}
	authorization->kind = HTTP_CREDENTIALS_MALFORMED;
	if (http_slice_is_word(scheme, "bearer")) {
		if (!is_token(word))
			return;
		authorization->kind = HTTP_CREDENTIALS_BEARER;
		authorization->token = word;
	} else if (http_slice_is_word(scheme, "basic")) {
		if (take_basic(word, scratch, authorization))
			authorization->kind = HTTP_CREDENTIALS_BASIC;
	} else {
		authorization->kind = HTTP_CREDENTIALS_OTHER;
	}
}
