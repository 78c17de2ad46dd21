/*
 * Any visible ASCII as a request target: what comes out lies in the target or in the scratch room,
 * is valid UTF-8 without CTLs, has no dot segment and no parameter twice, and as many segments as
 * there are raw slashes.
 */

#include "frontd/http/target.h"

#include <assert.h>
#include <stdlib.h>

#include "frontd/http/grammar.h"
#include "frontd/http/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t count);

static void
assert_text(struct http_slice slice, struct http_slice target, struct http_span scratch)
{
	bool is_raw = slice.ptr >= target.ptr && slice.ptr + slice.len <= target.ptr + target.len;
	bool is_decoded = slice.ptr >= scratch.ptr &&
	    slice.ptr + slice.len <= scratch.ptr + scratch.len;

	assert(is_raw || is_decoded);
	assert(text_is_utf8(slice));
	for (size_t i = 0; i < slice.len; i++)
		assert(!http_is_ctl(slice.ptr[i]) && slice.ptr[i] != '\t');
}

static void
assert_sound(const struct http_target *target, struct http_slice form, struct http_span scratch)
{
	size_t slash_count = 0;

	for (size_t i = 0; i < form.len && form.ptr[i] != '?'; i++)
		slash_count += form.ptr[i] == '/';
	if (target->segment_count > 0)
		assert(target->segment_count == slash_count);
	for (size_t i = 0; i < target->segment_count; i++) {
		assert_text(target->segments[i], form, scratch);
		assert(!http_slice_is(target->segments[i], "."));
		assert(!http_slice_is(target->segments[i], ".."));
	}
	if (target->verb.ptr != NULL) {
		assert_text(target->verb, form, scratch);
		assert(target->verb.len > 0);
	}
	for (size_t i = 0; i < target->param_count; i++) {
		assert_text(target->params[i].name, form, scratch);
		assert_text(target->params[i].value, form, scratch);
		assert(target->params[i].name.len > 0);
		for (size_t j = 0; j < i; j++)
			assert(!http_slice_equal(target->params[i].name, target->params[j].name));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t count)
{
	struct http_target target;
	struct http_slice form = { .ptr = (const char *)input, .len = count };

	for (size_t i = 0; i < count; i++)
		if (!http_is(HTTP_CLASS_TARGET, (char)input[i]))
			return 0;
	struct http_span scratch = { .ptr = malloc(count), .len = count };
	if (http_target_parse(form, scratch, &target) == HTTP_DONE)
		assert_sound(&target, form, scratch);
	free(scratch.ptr);
	return 0;
}
