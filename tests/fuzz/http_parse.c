/*
 * Any bytes as a request head: slices lie in the head, limits hold, and a head that comes in two
 * parts, split where the bytes themselves say, gets the same result.
 */

#include "frontd/http/parse.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t count);

static void
assert_inside(struct http_slice slice, const char *bytes, size_t count)
{
	assert(slice.ptr >= bytes && slice.ptr <= bytes + count);
	assert(slice.len <= (size_t)(bytes + count - slice.ptr));
}

static void
assert_sound(const struct http_request *request, const char *bytes, size_t count)
{
	size_t head_bytes = request->head_bytes;

	assert(head_bytes <= count && head_bytes <= HTTP_HEAD_MAX);
	assert(memcmp(bytes + head_bytes - 4, "\r\n\r\n", 4) == 0);
	assert_inside(request->target, bytes, head_bytes);
	assert_inside(request->origin_form, bytes, head_bytes);
	assert(request->target.len <= HTTP_TARGET_MAX && request->origin_form.len > 0);
	assert(request->field_count <= HTTP_FIELD_MAX);
	for (size_t i = 0; i < request->field_count; i++) {
		const struct http_field *field = &request->fields[i];
		assert_inside(field->name, bytes, head_bytes);
		assert_inside(field->value, bytes, head_bytes);
		assert(field->name.len > 0);
		assert(memchr(field->name.ptr, ':', field->name.len) == NULL);
		assert(memchr(field->value.ptr, '\r', field->value.len) == NULL);
		assert(memchr(field->value.ptr, '\n', field->value.len) == NULL);
		if (field->known != HTTP_OTHER)
			assert(request->known[field->known].ptr != NULL);
	}
	assert(request->minor_version <= 1 && request->method < HTTP_METHOD_COUNT);
	assert(request->minor_version == 0 || request->known[HTTP_HOST].ptr != NULL);
	assert(!request->is_chunked || request->known[HTTP_CONTENT_LENGTH].ptr == NULL);
	assert(request->content_length <= INT64_MAX);
	assert(request->has_body == (request->is_chunked || request->content_length > 0));
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t count)
{
	static struct http_request whole, again;
	const char *bytes = (const char *)input;
	size_t scan_from = 0;

	enum http_result expected = http_parse_head(bytes, count, &scan_from, &whole);
	assert(expected < HTTP_RESULT_COUNT && scan_from <= count);
	if (expected == HTTP_DONE)
		assert_sound(&whole, bytes, count);
	if (http_is_refusal(expected))
		assert(http_problem_of(expected).status >= 400);

	size_t split = count > 0 ? (input[count / 2] * 257u + input[count - 1]) % count : 0;
	char *first = malloc(split + 1);
	memcpy(first, bytes, split);
	scan_from = 0;
	enum http_result result = http_parse_head(first, split, &scan_from, &again);
	free(first);
	if (result == HTTP_NEED_MORE)
		result = http_parse_head(bytes, count, &scan_from, &again);
	assert(result == expected);
	if (result == HTTP_DONE)
		assert(again.head_bytes == whole.head_bytes &&
		    again.field_count == whole.field_count);
	return 0;
}
