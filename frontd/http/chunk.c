/*
 * Happy path: http_chunk_decode() moves content in runs and feeds everything else byte by byte to
 * step_size() and step_trailer(), each of which looks at the state, moves it, and says NEED_MORE.
 * Failure: the first byte that fits no state is a refusal and the decoder stays REFUSED.
 */

#include "frontd/http/chunk.h"

#include <assert.h>

#include "frontd/http/grammar.h"
#include "frontd/http/parse.h"

enum state {
	SIZE,                   /* hexadecimal digits */
	EXTENSION_NAME,         /* behind ';': at least one token character */
	EXTENSION_NAME_MORE,
	EXTENSION_VALUE,        /* behind '=': likewise */
	EXTENSION_VALUE_MORE,
	SIZE_LF,
	DATA,
	DATA_CR,
	DATA_LF,
	TRAILER_START,          /* of a trailer line or of the empty line */
	TRAILER_NAME,
	TRAILER_VALUE,
	TRAILER_LF,
	LAST_LF,
	WHOLE,
	REFUSED
};

void
http_chunk_init(struct http_chunk *chunk, uint64_t body_max)
{
	*chunk = (struct http_chunk){ .body_max = body_max, .state = SIZE };
}

static enum http_result
step_extension(struct http_chunk *chunk, char c)
{
	bool is_begun = chunk->state == EXTENSION_NAME_MORE || chunk->state == EXTENSION_VALUE_MORE;
	bool is_name = chunk->state == EXTENSION_NAME || chunk->state == EXTENSION_NAME_MORE;

	if (is_begun && c == '\r') {
		chunk->state = SIZE_LF;
		return HTTP_NEED_MORE;
	}
	if (++chunk->extension_bytes > HTTP_CHUNK_EXTENSION_MAX)
		return HTTP_CHUNK_EXTENSIONS_TOO_LONG;
	if (http_is(HTTP_CLASS_TOKEN, c))
		chunk->state = is_name ? EXTENSION_NAME_MORE : EXTENSION_VALUE_MORE;
	else if (is_begun && c == ';')
		chunk->state = EXTENSION_NAME;
	else if (is_begun && is_name && c == '=')
		chunk->state = EXTENSION_VALUE;
	else
		return HTTP_BAD_CHUNK_EXTENSION;
	return HTTP_NEED_MORE;
}

static enum http_result
step_digit(struct http_chunk *chunk, char c)
{
	unsigned digit = http_hex_value[(unsigned char)c];

	if (digit <= 0xf) {
		if (chunk->digit_count == HTTP_CHUNK_DIGITS_MAX)
			return HTTP_BAD_CHUNK_SIZE;
		chunk->digit_count++;
		chunk->size = chunk->size << 4 | digit;
		return HTTP_NEED_MORE;
	}
	if (chunk->digit_count == 0)
		return HTTP_BAD_CHUNK_SIZE;
	if (c == '\r') {
		chunk->state = SIZE_LF;
		return HTTP_NEED_MORE;
	}
	if (c != ';')
		return HTTP_BAD_CHUNK_SIZE;
	chunk->state = EXTENSION_NAME;
	if (++chunk->extension_bytes > HTTP_CHUNK_EXTENSION_MAX)
		return HTTP_CHUNK_EXTENSIONS_TOO_LONG;
	return HTTP_NEED_MORE;
}

/* Everything between two runs of content. */
static enum http_result
step_size(struct http_chunk *chunk, char c)
{
	switch ((enum state)chunk->state) {
	case SIZE:
		return step_digit(chunk, c);
	case SIZE_LF:
		if (c != '\n')
			return HTTP_BAD_CHUNK_END;
		if (chunk->size > chunk->body_max - chunk->body_bytes)
			return HTTP_BODY_TOO_LARGE;
		chunk->state = chunk->size > 0 ? DATA : TRAILER_START;
		return HTTP_NEED_MORE;
	case DATA_CR:
		if (c != '\r')
			return HTTP_BAD_CHUNK_END;
		chunk->state = DATA_LF;
		return HTTP_NEED_MORE;
	case DATA_LF:
		if (c != '\n')
			return HTTP_BAD_CHUNK_END;
		chunk->state = SIZE;
		chunk->digit_count = 0;
		return HTTP_NEED_MORE;
	default:
		return step_extension(chunk, c);
	}
}

/*
 * For a reader that merges trailers these would change where the message or the connection ends, or
 * whom it addresses; llhttp obeys "Connection: close" there.
 */
static bool
is_forbidden(const struct http_chunk *chunk)
{
	struct http_slice name = { .ptr = chunk->name, .len = chunk->name_len };

	return http_slice_is_word(name, "content-length") ||
	    http_slice_is_word(name, "transfer-encoding") ||
	    http_slice_is_word(name, "connection") || http_slice_is_word(name, "host");
}

static enum http_result
step_trailer_name(struct http_chunk *chunk, char c)
{
	if (http_is(HTTP_CLASS_TOKEN, c)) {
		if (chunk->state == TRAILER_START) {
			if (chunk->trailer_count++ == HTTP_FIELD_MAX)
				return HTTP_TOO_MANY_FIELDS;
			chunk->name_len = 0;
			chunk->state = TRAILER_NAME;
		}
		if (chunk->name_len < sizeof(chunk->name))
			chunk->name[chunk->name_len++] = c;
		return HTTP_NEED_MORE;
	}
	bool is_start = chunk->state == TRAILER_START;
	if (is_start && c == '\r') {
		chunk->state = LAST_LF;
		return HTTP_NEED_MORE;
	}
	if (c == ' ' || c == '\t')
		return is_start ? HTTP_FOLDED_FIELD : HTTP_BLANK_IN_FIELD_NAME;
	if (c == '\r')
		return HTTP_NO_COLON;
	if (c != ':')
		return HTTP_BAD_FIELD_NAME;
	if (is_start)
		return HTTP_EMPTY_FIELD_NAME;
	if (is_forbidden(chunk))
		return HTTP_FORBIDDEN_TRAILER;
	chunk->state = TRAILER_VALUE;
	return HTTP_NEED_MORE;
}

static enum http_result
step_trailer(struct http_chunk *chunk, char c)
{
	if (++chunk->trailer_bytes > HTTP_TRAILER_MAX)
		return HTTP_TRAILERS_TOO_LARGE;
	switch ((enum state)chunk->state) {
	case TRAILER_VALUE:
		if (c == '\r')
			chunk->state = TRAILER_LF;
		else if (http_is_ctl(c))
			return HTTP_BAD_FIELD_VALUE;
		return HTTP_NEED_MORE;
	case TRAILER_LF:
		if (c != '\n')
			return HTTP_BARE_CR;
		chunk->state = TRAILER_START;
		return HTTP_NEED_MORE;
	case LAST_LF:
		if (c != '\n')
			return HTTP_BARE_CR;
		chunk->state = WHOLE;
		return HTTP_DONE;
	default:
		return step_trailer_name(chunk, c);
	}
}

/* As much of the content as is there and has room. */
static void
move_content(struct http_chunk *chunk, struct http_slice *in, struct http_span *out)
{
	size_t count = chunk->size;

	if (count > in->len)
		count = in->len;
	if (count > out->len)
		count = out->len;
	memmove(out->ptr, in->ptr, count);
	in->ptr += count;
	in->len -= count;
	out->ptr += count;
	out->len -= count;
	chunk->body_bytes += count;
	chunk->size -= (uint32_t)count;
	if (chunk->size == 0)
		chunk->state = DATA_CR;
}

enum http_result
http_chunk_decode(struct http_chunk *chunk, struct http_slice *in, struct http_span *out)
{
	assert(chunk->state < WHOLE);
	assert(chunk->body_bytes <= chunk->body_max);

	while (in->len > 0) {
		if (chunk->state == DATA) {
			if (out->len == 0)
				return HTTP_NEED_MORE;
			move_content(chunk, in, out);
			continue;
		}
		char c = *in->ptr++;
		in->len--;
		enum http_result result = chunk->state < TRAILER_START ?
		    step_size(chunk, c) : step_trailer(chunk, c);
		if (result == HTTP_NEED_MORE)
			continue;
		if (result != HTTP_DONE)
			chunk->state = REFUSED;
		return result;
	}
	return HTTP_NEED_MORE;
}
