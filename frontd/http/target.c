/*
 * Happy path: parse_path() cuts at raw '/', takes the verb off the last segment and decodes each;
 * parse_query() cuts at raw '&' and '='.  Cutting comes before decoding, so no escape can make a
 * separator.  Text without '%' is not copied.
 */

#include "frontd/http/target.h"

#include <assert.h>

#include "frontd/http/grammar.h"
#include "frontd/http/text.h"

static struct http_slice
slice_between(const char *begin, const char *end)
{
	return (struct http_slice){ .ptr = begin, .len = (size_t)(end - begin) };
}

static const char *
find(const char *at, const char *end, char c)
{
	const char *found = memchr(at, c, (size_t)(end - at));

	return found != NULL ? found : end;
}

/* Replaces *text by its decoded form, which takes its room from scratch when it differs. */
static enum http_result
decode(struct http_slice *text, struct http_span *scratch)
{
	const char *end = text->ptr + text->len;
	const char *at = find(text->ptr, end, '%');

	if (at == end)
		return HTTP_DONE;
	char *out = scratch->ptr;
	size_t count = (size_t)(at - text->ptr);
	assert(text->len <= scratch->len);
	memcpy(out, text->ptr, count);
	while (at < end) {
		char c = *at++;
		if (c == '%') {
			if (end - at < 2)
				return HTTP_BAD_ESCAPE;
			unsigned high = http_hex_value[(unsigned char)at[0]];
			unsigned low = http_hex_value[(unsigned char)at[1]];
			if (high > 0xf || low > 0xf)
				return HTTP_BAD_ESCAPE;
			c = (char)(high << 4 | low);
			if ((unsigned char)c < 0x20 || c == 0x7f)
				return HTTP_BAD_TARGET_TEXT;
			at += 2;
		}
		out[count++] = c;
	}
	*text = (struct http_slice){ .ptr = out, .len = count };
	scratch->ptr += count;
	scratch->len -= count;
	return text_is_utf8(*text) ? HTTP_DONE : HTTP_BAD_TARGET_TEXT;
}

static enum http_result
take_verb(struct http_slice *segment, struct http_slice *verb)
{
	const char *end = segment->ptr + segment->len;
	const char *begin = end;

	while (begin > segment->ptr && begin[-1] != ':')
		begin--;
	if (begin == segment->ptr)
		return HTTP_DONE;
	*verb = slice_between(begin, end);
	*segment = slice_between(segment->ptr, begin - 1);
	if (verb->len == 0)
		return HTTP_BAD_VERB;
	for (size_t i = 0; i < verb->len; i++)
		if ((verb->ptr[i] < 'a' || verb->ptr[i] > 'z') && verb->ptr[i] != '-')
			return HTTP_BAD_VERB;
	return HTTP_DONE;
}

static enum http_result
parse_path(struct http_slice path, struct http_span *scratch, struct http_target *target)
{
	const char *at = path.ptr + 1, *end = path.ptr + path.len;
	bool has_escape = find(at, end, '%') != end;
	enum http_result result;

	if (at == end)
		return HTTP_DONE;
	for (;;) {
		if (target->segment_count == HTTP_SEGMENT_MAX)
			return HTTP_TOO_MANY_SEGMENTS;
		struct http_slice *segment = &target->segments[target->segment_count++];
		const char *slash = find(at, end, '/');
		*segment = slice_between(at, slash);
		if (slash == end && (result = take_verb(segment, &target->verb)) != HTTP_DONE)
			return result;
		if (has_escape && (result = decode(segment, scratch)) != HTTP_DONE)
			return result;
		if (http_slice_is(*segment, ".") || http_slice_is(*segment, ".."))
			return HTTP_DOT_SEGMENT;
		if (slash == end)
			return HTTP_DONE;
		at = slash + 1;
	}
}

static bool
has_param(const struct http_target *target, struct http_slice name)
{
	for (size_t i = 0; i < target->param_count; i++)
		if (http_slice_equal(target->params[i].name, name))
			return true;
	return false;
}

static enum http_result
parse_query(struct http_slice query, struct http_span *scratch, struct http_target *target)
{
	const char *end = query.ptr + query.len, *stop;
	enum http_result result;

	for (const char *at = query.ptr; at < end; at = stop + 1) {
		stop = find(at, end, '&');
		if (stop == at)
			continue;
		const char *equals = find(at, stop, '=');
		struct http_param param = { .name = slice_between(at, equals) };
		param.value = slice_between(equals < stop ? equals + 1 : stop, stop);
		if (param.name.len == 0)
			return HTTP_BAD_QUERY;
		if ((result = decode(&param.name, scratch)) != HTTP_DONE)
			return result;
		if ((result = decode(&param.value, scratch)) != HTTP_DONE)
			return result;
		if (has_param(target, param.name))
			return HTTP_REPEATED_PARAM;
		if (target->param_count == HTTP_PARAM_MAX)
			return HTTP_TOO_MANY_PARAMS;
		target->params[target->param_count++] = param;
	}
	return HTTP_DONE;
}

enum http_result
http_target_parse(struct http_slice origin_form, struct http_span scratch,
    struct http_target *target)
{
	const char *end = origin_form.ptr + origin_form.len;
	enum http_result result;

	assert(scratch.len >= origin_form.len);
	target->segment_count = 0;
	target->param_count = 0;
	target->verb = (struct http_slice){ .ptr = NULL };
	if (http_slice_is(origin_form, "*"))
		return HTTP_DONE;
	if (origin_form.len == 0 || origin_form.ptr[0] != '/')
		return HTTP_BAD_TARGET_FORM;

	const char *mark = find(origin_form.ptr, end, '?');
	result = parse_path(slice_between(origin_form.ptr, mark), &scratch, target);
	if (result != HTTP_DONE || mark == end)
		return result;
	return parse_query(slice_between(mark + 1, end), &scratch, target);
}

struct http_slice
http_target_param(const struct http_target *target, const char *name)
{
	for (size_t i = 0; i < target->param_count; i++)
		if (http_slice_is(target->params[i].name, name))
			return target->params[i].value;
	return (struct http_slice){ .ptr = NULL };
}
