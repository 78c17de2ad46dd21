/*
 * Happy path: find_end() waits for the empty line, parse_request_line() and parse_fields() read the
 * lines once and note the known fields, understand() says what they mean together.  Failure: the
 * first refusal is the result.  The order of the checks depends on the bytes alone, never on how
 * they arrived, because nothing but line ends is looked at before the head is whole.
 */

#include "frontd/http/parse.h"

#include <assert.h>
#include <strings.h>

#include "frontd/http/field.h"
#include "frontd/http/grammar.h"
#include "frontd/http/units.h"

enum {
	REQUEST_LINE_MAX = HTTP_TARGET_MAX + sizeof("OPTIONS  HTTP/1.1\r\n") - 1,
	VERSION_LINE_BYTES = sizeof(" HTTP/1.1\r\n") - 1
};

static const struct http_slice methods[HTTP_METHOD_COUNT] = {
	[HTTP_GET] = { "GET", 3 },
	[HTTP_HEAD] = { "HEAD", 4 },
	[HTTP_POST] = { "POST", 4 },
	[HTTP_PUT] = { "PUT", 3 },
	[HTTP_PATCH] = { "PATCH", 5 },
	[HTTP_DELETE] = { "DELETE", 6 },
	[HTTP_OPTIONS] = { "OPTIONS", 7 },
};

/* What a second field of the name is; HTTP_DONE (all others): allowed. */
static const enum http_result repeated[HTTP_KNOWN_COUNT] = {
	[HTTP_HOST] = HTTP_REPEATED_HOST,
	[HTTP_CONTENT_TYPE] = HTTP_REPEATED_FIELD,
	[HTTP_CONTENT_LENGTH] = HTTP_REPEATED_CONTENT_LENGTH,
	[HTTP_TRANSFER_ENCODING] = HTTP_BAD_TRANSFER_ENCODING,
	[HTTP_AUTHORIZATION] = HTTP_REPEATED_FIELD,
	[HTTP_IF_MATCH] = HTTP_REPEATED_FIELD,
	[HTTP_IF_NONE_MATCH] = HTTP_REPEATED_FIELD,
	[HTTP_IDEMPOTENCY_KEY] = HTTP_REPEATED_FIELD,
	[HTTP_EXPECT] = HTTP_BAD_EXPECT,
};

/* One empty line is allowed before the request line (RFC 9112 2.2). */
static size_t
leading_bytes(const char *bytes, size_t count)
{
	return count >= 2 && bytes[0] == '\r' && bytes[1] == '\n' ? 2 : 0;
}

/*
 * The length of the head.  A bare LF is refused as soon as it comes, and so is a first byte that
 * cannot begin a method (a TLS hello on the plain port), because a peer that sends those may wait
 * for ever for our answer.
 */
static enum http_result
find_end(const char *bytes, size_t count, size_t *scan_from, size_t *head_bytes)
{
	size_t limit = count < HTTP_HEAD_MAX ? count : HTTP_HEAD_MAX;
	size_t first = leading_bytes(bytes, count);

	if (count == 0 || (count == 1 && bytes[0] == '\r'))
		return HTTP_NEED_MORE;
	if (first < limit && !http_is(HTTP_CLASS_TOKEN, bytes[first]))
		return HTTP_BAD_METHOD;

	size_t at = *scan_from > first ? *scan_from : first;
	const char *lf;
	while ((lf = memchr(bytes + at, '\n', limit - at)) != NULL) {
		at = (size_t)(lf - bytes) + 1;
		if (lf[-1] != '\r')
			return HTTP_BARE_LF;
		if (lf[-2] == '\n') {
			*head_bytes = at;
			return HTTP_DONE;
		}
	}
	*scan_from = limit;
	if (limit < HTTP_HEAD_MAX)
		return HTTP_NEED_MORE;
	if (memchr(bytes + first, '\n', REQUEST_LINE_MAX) == NULL)
		return HTTP_TARGET_TOO_LONG;
	return HTTP_HEAD_TOO_LARGE;
}

static bool
find_method(struct http_slice name, enum http_method *method)
{
	for (size_t i = 0; i < HTTP_METHOD_COUNT; i++) {
		if (http_slice_equal(name, methods[i])) {
			*method = (enum http_method)i;
			return true;
		}
	}
	return false;
}

static enum http_result
parse_version(const char *at, const char *end, struct http_request *request)
{
	if (end - at < VERSION_LINE_BYTES || memcmp(at, " HTTP/", 6) != 0)
		return HTTP_BAD_VERSION;
	if (!http_is_digit(at[6]) || at[7] != '.' || !http_is_digit(at[8]))
		return HTTP_BAD_VERSION;
	if (at[9] != '\r' || at[10] != '\n')
		return HTTP_BAD_VERSION;
	if (at[6] != '1' || at[8] > '1')
		return HTTP_UNSUPPORTED_VERSION;
	request->minor_version = (unsigned)(at[8] - '0');
	return HTTP_DONE;
}

static enum http_result
parse_request_line(const char **cursor, const char *end, struct http_request *request)
{
	const char *method = *cursor, *at = method;

	while (http_is(HTTP_CLASS_TOKEN, *at))
		at++;
	if (*at != ' ')
		return HTTP_BAD_METHOD;
	struct http_slice name = { .ptr = method, .len = (size_t)(at - method) };

	const char *target = ++at;
	while (http_is(HTTP_CLASS_TARGET, *at))
		at++;
	if (at == target || (*at != ' ' && *at != '\r'))
		return HTTP_BAD_TARGET;
	request->target = (struct http_slice){ .ptr = target, .len = (size_t)(at - target) };
	if (request->target.len > HTTP_TARGET_MAX)
		return HTTP_TARGET_TOO_LONG;

	enum http_result result = parse_version(at, end, request);
	if (result != HTTP_DONE)
		return result;
	*cursor = at + VERSION_LINE_BYTES;
	return find_method(name, &request->method) ? HTTP_DONE : HTTP_UNKNOWN_METHOD;
}

/* The name's length leaves at most three candidates. */
static enum http_known
find_known(struct http_slice name)
{
	static const struct {
		const char	*name;
		enum http_known	 known;
	} by_len[18][3] = {
		[4] = { { "host", HTTP_HOST } },
		[6] = { { "accept", HTTP_ACCEPT }, { "prefer", HTTP_PREFER },
		    { "expect", HTTP_EXPECT } },
		[7] = { { "upgrade", HTTP_UPGRADE } },
		[8] = { { "if-match", HTTP_IF_MATCH } },
		[10] = { { "connection", HTTP_CONNECTION } },
		[12] = { { "content-type", HTTP_CONTENT_TYPE } },
		[13] = { { "authorization", HTTP_AUTHORIZATION },
		    { "if-none-match", HTTP_IF_NONE_MATCH } },
		[14] = { { "content-length", HTTP_CONTENT_LENGTH } },
		[15] = { { "idempotency-key", HTTP_IDEMPOTENCY_KEY } },
		[16] = { { "proxy-connection", HTTP_PROXY_CONNECTION } },
		[17] = { { "transfer-encoding", HTTP_TRANSFER_ENCODING } },
	};

	if (name.len >= sizeof(by_len) / sizeof(by_len[0]))
		return HTTP_OTHER;
	for (size_t i = 0; i < 3 && by_len[name.len][i].name != NULL; i++)
		if (http_slice_folds(name, by_len[name.len][i].name, name.len))
			return by_len[name.len][i].known;
	return HTTP_OTHER;
}

static enum http_result
parse_fields(const char **cursor, const char *end, struct http_request *request)
{
	const char *at = *cursor;

	request->field_count = 0;
	memset(request->known, 0, sizeof(request->known));
	while (*at != '\r') {
		if (request->field_count == HTTP_FIELD_MAX)
			return HTTP_TOO_MANY_FIELDS;
		struct http_field *field = &request->fields[request->field_count];
		enum http_result result = http_field_parse(&at, end, field);
		if (result != HTTP_DONE)
			return result;
		request->field_count++;
		field->known = find_known(field->name);
		if (field->known == HTTP_OTHER)
			continue;
		struct http_slice *slot = &request->known[field->known];
		if (slot->ptr == NULL)
			*slot = field->value;
		else if (repeated[field->known] != HTTP_DONE)
			return repeated[field->known];
	}
	if (at[1] != '\n')
		return HTTP_BARE_CR;
	*cursor = at + 2;
	return HTTP_DONE;
}

/* Is word in any of the fields of this kind? */
static bool
any_field_has(const struct http_request *request, enum http_known known, const char *word)
{
	if (request->known[known].ptr == NULL)
		return false;
	for (size_t i = 0; i < request->field_count; i++) {
		const struct http_field *field = &request->fields[i];
		if (field->known == known && http_list_has(field->value, word))
			return true;
	}
	return false;
}

/* Host, and the target that has to agree with it. */
static enum http_result
understand_target(struct http_request *request)
{
	struct http_slice host = request->known[HTTP_HOST], target = request->target;

	if (host.ptr == NULL && request->minor_version == 1)
		return HTTP_NO_HOST;
	if (host.ptr != NULL && !http_host_is_valid(host))
		return HTTP_BAD_HOST;

	request->origin_form = target;
	if (target.ptr[0] == '/')
		return HTTP_DONE;
	if (http_slice_is(target, "*"))
		return request->method == HTTP_OPTIONS ? HTTP_DONE : HTTP_BAD_TARGET_FORM;

	size_t scheme_bytes = 7;
	if (target.len > 8 && strncasecmp(target.ptr, "https://", 8) == 0)
		scheme_bytes = 8;
	else if (target.len <= 7 || strncasecmp(target.ptr, "http://", 7) != 0)
		return HTTP_BAD_TARGET_FORM;
	const char *authority = target.ptr + scheme_bytes;
	const char *path = memchr(authority, '/', target.len - scheme_bytes);
	if (path == NULL)
		return HTTP_BAD_TARGET_FORM;
	size_t authority_bytes = (size_t)(path - authority);
	if (host.ptr == NULL || authority_bytes != host.len ||
	    strncasecmp(authority, host.ptr, host.len) != 0)
		return HTTP_TARGET_NOT_HOST;
	request->origin_form.ptr = path;
	request->origin_form.len = target.len - scheme_bytes - authority_bytes;
	return HTTP_DONE;
}

/*
 * The two fields that say where the body ends may not even be followed by blanks: parsers have
 * been seen to disagree about "chunked ".
 */
static bool
ends_its_line(struct http_slice value)
{
	return value.ptr[value.len] == '\r';
}

static enum http_result
understand_length(struct http_request *request)
{
	struct http_slice length = request->known[HTTP_CONTENT_LENGTH];
	struct http_slice codings = request->known[HTTP_TRANSFER_ENCODING];

	request->content_length = 0;
	request->is_chunked = codings.ptr != NULL;
	if (request->is_chunked) {
		if (request->minor_version == 0)
			return HTTP_TRANSFER_ENCODING_IN_1_0;
		if (length.ptr != NULL)
			return HTTP_TWO_LENGTHS;
		if (!ends_its_line(codings))
			return HTTP_BAD_TRANSFER_ENCODING;
		enum http_result result = http_codings_check(codings);
		if (result != HTTP_DONE)
			return result;
	}
	if (length.ptr != NULL) {
		if (!ends_its_line(length) || !number_parse(length, &request->content_length))
			return HTTP_BAD_CONTENT_LENGTH;
	}
	request->has_body = request->is_chunked || request->content_length > 0;
	return HTTP_DONE;
}

/*
 * What is to happen with the connection.  Proxy-Connection is in no RFC, but llhttp closes for it,
 * and where others may close we do.  A 1.0 client's Expect is ignored (RFC 9110 10.1.1).
 */
static enum http_result
understand_connection(struct http_request *request)
{
	struct http_slice expect = request->known[HTTP_EXPECT];

	request->keep_alive = request->minor_version == 1 ||
	    any_field_has(request, HTTP_CONNECTION, "keep-alive");
	if (any_field_has(request, HTTP_CONNECTION, "close") ||
	    any_field_has(request, HTTP_PROXY_CONNECTION, "close"))
		request->keep_alive = false;

	if (expect.ptr != NULL && !http_slice_is_word(expect, "100-continue"))
		return HTTP_BAD_EXPECT;
	request->expect_continue = expect.ptr != NULL && request->has_body &&
	    request->minor_version == 1;

	request->wants_websocket = any_field_has(request, HTTP_UPGRADE, "websocket") &&
	    any_field_has(request, HTTP_CONNECTION, "upgrade");
	if (!request->wants_websocket)
		return HTTP_DONE;
	if (request->method != HTTP_GET || request->minor_version != 1)
		return HTTP_BAD_UPGRADE;
	return HTTP_DONE;
}

enum http_result
http_parse_head(const char *bytes, size_t count, size_t *scan_from, struct http_request *request)
{
	enum http_result result;

	assert(*scan_from <= count);
	result = find_end(bytes, count, scan_from, &request->head_bytes);
	if (result != HTTP_DONE)
		return result;

	const char *at = bytes + leading_bytes(bytes, count);
	const char *end = bytes + request->head_bytes;
	if ((result = parse_request_line(&at, end, request)) != HTTP_DONE)
		return result;
	if ((result = parse_fields(&at, end, request)) != HTTP_DONE)
		return result;
	assert(at == end);

	if ((result = understand_target(request)) != HTTP_DONE)
		return result;
	if ((result = understand_length(request)) != HTTP_DONE)
		return result;
	return understand_connection(request);
}

const struct http_field *
http_next_field(const struct http_request *request, const char *name, size_t *from)
{
	size_t len = strlen(name);

	while (*from < request->field_count) {
		const struct http_field *field = &request->fields[(*from)++];
		if (field->name.len == len && http_slice_folds(field->name, name, len))
			return field;
	}
	return NULL;
}

const char *
http_method_name(enum http_method method)
{
	assert(method < HTTP_METHOD_COUNT);
	return methods[method].ptr;
}
