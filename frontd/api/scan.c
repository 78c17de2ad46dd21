#include "frontd/api/scan.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontd/http/grammar.h"
#include "frontd/http/text.h"

static bool
fail_at(struct scan *scan, const char *at, const char *problem)
{
	scan->at = at;
	scan->problem = problem;
	return false;
}

bool
scan_fail(struct scan *scan, const char *problem)
{
	return scan->problem == NULL ? fail_at(scan, scan->at, problem) : false;
}

void
scan_begin(struct scan *scan, struct http_slice text, unsigned line)
{
	*scan = (struct scan){ .at = text.ptr, .begin = text.ptr, .end = text.ptr + text.len, .line = line, .is_due = true };
}

static inline void
skip_blanks(struct scan *scan)
{
	while (scan->at < scan->end && (*scan->at == ' ' || *scan->at == '\n' || *scan->at == '\r' || *scan->at == '\t'))
		scan->at++;
}

/* ---- strings ---- */

/*
 * The high bit of the first byte that a string does not hold as it is, or that begins a character of more than one byte, is
 * set; of later bytes it may be set in error, of earlier ones never: see http_bytes_below().  What that masks out, bytes from
 * 0x80 on, is wanted here, so it needs no masking.
 */
static inline uint64_t
special_marks(uint64_t word)
{
	uint64_t below_blank = word - HTTP_EACH_BYTE(0x20);
	uint64_t quote = (word ^ HTTP_EACH_BYTE('"')) - HTTP_EACH_BYTE(1);
	uint64_t backslash = (word ^ HTTP_EACH_BYTE('\\')) - HTTP_EACH_BYTE(1);

	return (below_blank | quote | backslash | word) & HTTP_EACH_BYTE(0x80);
}

static inline bool
is_special(char c)
{
	return (unsigned char)c < 0x20 || (unsigned char)c >= 0x80 || c == '"' || c == '\\';
}

static const char *
find_special(const char *at, const char *end)
{
	at = text_skip_plain(at, end);
	while (end - at >= 8) {
		uint64_t marks = special_marks(http_word_at(at));

		if (marks != 0)
			return at + http_first_mark(marks);
		at += 8;
	}
	while (at < end && !is_special(*at))
		at++;
	return at;
}

static bool
take_hex(const char *at, const char *end, uint32_t *unit)
{
	if (end - at < 6 || at[0] != '\\' || at[1] != 'u')
		return false;
	*unit = 0;
	for (int i = 2; i < 6; i++) {
		unsigned char value = http_hex_value[(unsigned char)at[i]];

		if (value > 15)
			return false;
		*unit = *unit << 4 | value;
	}
	return true;
}

/* The escape at `at`: its length, 0 if it is none, and the character it stands for. */
static size_t
take_escape(const char *at, const char *end, uint32_t *character)
{
	static const char characters[128] = {
		['"'] = '"', ['\\'] = '\\', ['/'] = '/', ['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t',
	};
	uint32_t low;

	if (end - at < 2)
		return 0;
	if (at[1] != 'u') {
		*character = (unsigned char)at[1] < 128 ? (unsigned char)characters[(unsigned char)at[1]] : 0;
		return *character != 0 ? 2 : 0;
	}
	if (!take_hex(at, end, character) || (*character >= 0xdc00 && *character <= 0xdfff))
		return 0;
	if (*character < 0xd800 || *character > 0xdbff)
		return 6;
	if (!take_hex(at + 6, end, &low) || low < 0xdc00 || low > 0xdfff)
		return 0;
	*character = 0x10000 + ((*character - 0xd800) << 10) + (low - 0xdc00);
	return 12;
}

static size_t
character_bytes(uint32_t character)
{
	return character < 0x80 ? 1 : character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
}

static char *
put_character(char *out, uint32_t character)
{
	size_t bytes = character_bytes(character);

	if (bytes == 1) {
		*out = (char)character;
		return out + 1;
	}
	for (size_t i = bytes - 1; i > 0; i--, character >>= 6)
		out[i] = (char)(0x80 | (character & 0x3f));
	out[0] = (char)((0xf00 >> bytes & 0xf0) | character);
	return out + bytes;
}

/* The string whose opening quote was read. */
static bool
take_string(struct scan *scan, struct scan_string *string)
{
	const char *at = scan->at, *end = scan->end;
	size_t saved = 0;
	bool has_nul = false;

	for (;;) {
		at = find_special(at, end);
		if (at == end)
			return fail_at(scan, at, "the text ends inside a string");
		if (*at == '"')
			break;
		if (*at == '\\') {
			uint32_t character;
			size_t bytes = take_escape(at, end, &character);

			if (bytes == 0)
				return fail_at(scan, at, "this is no escape, or half a surrogate pair");
			saved += bytes - character_bytes(character);
			has_nul |= character == 0;
			at += bytes;
		} else {
			size_t bytes = 0;

			while (at < end && (unsigned char)*at >= 0x80) {
				bytes = text_sequence_bytes(at, (size_t)(end - at));
				if (bytes == 0)
					return fail_at(scan, at, "this is not UTF-8");
				at += bytes;
			}
			if (bytes == 0)
				return fail_at(scan, at, "a control character must be escaped");
		}
	}
	*string = (struct scan_string){ .at = scan->at, .raw_bytes = (size_t)(at - scan->at),
		.bytes = (size_t)(at - scan->at) - saved, .has_nul = has_nul };
	scan->at = at + 1;
	return true;
}

void
scan_copy(const struct scan_string *string, char *out)
{
	const char *at = string->at, *end = at + string->raw_bytes;

	if (string->bytes == string->raw_bytes) {
		memcpy(out, at, string->bytes);
		return;
	}
	while (at < end) {
		const char *escape = memchr(at, '\\', (size_t)(end - at));
		uint32_t character;

		if (escape == NULL)
			escape = end;
		out = mempcpy(out, at, (size_t)(escape - at));
		if (escape == end)
			break;
		at = escape + take_escape(escape, end, &character);
		assert(at != escape); /* take_string() saw it */
		out = put_character(out, character);
	}
}

struct http_slice
scan_text(const struct scan_string *string, struct http_span room)
{
	if (string->bytes == string->raw_bytes)
		return (struct http_slice){ string->at, string->bytes };
	if (string->bytes > room.len)
		return (struct http_slice){ .ptr = NULL };
	scan_copy(string, room.ptr);
	return (struct http_slice){ room.ptr, string->bytes };
}

bool
scan_is(const struct scan_string *string, const char *word)
{
	char room[64];
	struct http_slice text = scan_text(string, (struct http_span){ room, sizeof(room) });

	return text.ptr != NULL && http_slice_is(text, word);
}

/* ---- numbers and words ---- */

/* Digits from at on, at least one. */
static const char *
skip_digits(struct scan *scan, const char *at)
{
	const char *begin = at;

	while (at < scan->end && http_is_digit(*at))
		at++;
	if (at == begin) {
		fail_at(scan, at, "a digit is wanted");
		return NULL;
	}
	return at;
}

static bool
take_whole(struct scan *scan, const char *end, int64_t *whole)
{
	bool is_negative = *scan->at == '-';
	int64_t number = 0;

	for (const char *at = scan->at + is_negative; at < end; at++) {
		int digit = *at - '0';

		if (__builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, is_negative ? -digit : digit, &number))
			return fail_at(scan, scan->at, "a whole number that is too large");
	}
	*whole = number;
	return true;
}

static bool
take_number(struct scan *scan, struct scan_value *value)
{
	const char *digits = scan->at + (*scan->at == '-'), *at = skip_digits(scan, digits);

	if (at == NULL)
		return false;
	if (*digits == '0' && at > digits + 1)
		return fail_at(scan, digits, "a number with a zero before it");
	value->kind = SCAN_WHOLE;
	if (at < scan->end && *at == '.') {
		value->kind = SCAN_REAL;
		if ((at = skip_digits(scan, at + 1)) == NULL)
			return false;
	}
	if (at < scan->end && (*at == 'e' || *at == 'E')) {
		value->kind = SCAN_REAL;
		at++;
		if (at < scan->end && (*at == '+' || *at == '-'))
			at++;
		if ((at = skip_digits(scan, at)) == NULL)
			return false;
	}
	/* A number is never the root, so a text that ends here is wrong; and strtod() may look at the byte behind it. */
	if (at == scan->end)
		return fail_at(scan, at, "the text ends too early");
	if (value->kind == SCAN_WHOLE && !take_whole(scan, at, &value->whole))
		return false;
	if (value->kind == SCAN_REAL) {
		value->real = strtod(scan->at, NULL);
		if (isinf(value->real))
			return fail_at(scan, scan->at, "a number that is too large");
	}
	scan->at = at;
	return true;
}

static bool
take_word(struct scan *scan, struct http_slice word)
{
	if ((size_t)(scan->end - scan->at) < word.len || memcmp(scan->at, word.ptr, word.len) != 0)
		return fail_at(scan, scan->at, "a value is wanted here");
	scan->at += word.len;
	return true;
}

/* ---- structure ---- */

static bool
open_bracket(struct scan *scan, bool is_object)
{
	if (scan->depth == SCAN_DEPTH_MAX)
		return fail_at(scan, scan->at, "nested too deep");
	scan->at++;
	scan->depth++;
	scan->objects = scan->objects << 1 | is_object;
	scan->is_first = true;
	return true;
}

bool
scan_value(struct scan *scan, struct scan_value *value)
{
	if (scan->problem != NULL)
		return false;
	assert(scan->is_due);

	scan->is_due = false;
	skip_blanks(scan);
	if (scan->at == scan->end)
		return fail_at(scan, scan->at, "the text ends too early");
	char c = *scan->at;
	if (c == '{' || c == '[') {
		value->kind = c == '{' ? SCAN_OBJECT : SCAN_ARRAY;
		return open_bracket(scan, c == '{');
	}
	if (scan->depth == 0)
		return fail_at(scan, scan->at, "an object is wanted here");
	switch (c) {
	case '"':
		value->kind = SCAN_STRING;
		scan->at++;
		return take_string(scan, &value->string);
	case 't':
	case 'f':
		value->kind = SCAN_BOOL;
		value->is_true = c == 't';
		return take_word(scan, c == 't' ? HTTP_LITERAL("true") : HTTP_LITERAL("false"));
	case 'n':
		value->kind = SCAN_NULL;
		return take_word(scan, HTTP_LITERAL("null"));
	default:
		if (c != '-' && !http_is_digit(c))
			return fail_at(scan, scan->at, "a value is wanted here");
		return take_number(scan, value);
	}
}

/* The name of a member and the colon behind it. */
static bool
take_name(struct scan *scan)
{
	const char *begin = scan->at;

	if (scan->at == scan->end || *scan->at != '"')
		return fail_at(scan, scan->at, "a name in quotes is wanted here");
	scan->at++;
	if (!take_string(scan, &scan->name))
		return false;
	if (scan->name.has_nul)
		return fail_at(scan, begin, "a name with U+0000");
	skip_blanks(scan);
	if (scan->at == scan->end || *scan->at != ':')
		return fail_at(scan, scan->at, "a colon is wanted here");
	scan->at++;
	return true;
}

bool
scan_next(struct scan *scan)
{
	bool is_object = scan->objects & 1;

	if (scan->problem != NULL)
		return false;
	assert(scan->depth > 0);
	assert(!scan->is_due);

	skip_blanks(scan);
	if (scan->at == scan->end)
		return fail_at(scan, scan->at, "the text ends too early");
	if (*scan->at == (is_object ? '}' : ']')) {
		scan->at++;
		scan->depth--;
		scan->objects >>= 1;
		scan->is_first = false;
		return false;
	}
	if (!scan->is_first) {
		if (*scan->at != ',')
			return fail_at(scan, scan->at, is_object ? "a comma or '}' is wanted here" :
			    "a comma or ']' is wanted here");
		scan->at++;
		skip_blanks(scan);
	}
	scan->is_first = false;
	if (is_object && !take_name(scan))
		return false;
	scan->is_due = true;
	return true;
}

bool
scan_leave(struct scan *scan, uint32_t depth)
{
	struct scan_value value;

	while (scan->problem == NULL && (scan->is_due || scan->depth > depth)) {
		if (scan->is_due)
			(void)scan_value(scan, &value); /* problem says it */
		else
			(void)scan_next(scan);
	}
	return scan->problem == NULL;
}

bool
scan_rest(struct scan *scan)
{
	if (!scan_leave(scan, 0))
		return false;
	skip_blanks(scan);
	return scan->at == scan->end || fail_at(scan, scan->at, "there is something behind the end");
}

struct scan_place
scan_place(const struct scan *scan)
{
	struct scan_place place = { .line = scan->line, .column = 1 };

	for (const char *at = scan->begin; at < scan->at; at++) {
		if (*at == '\n') {
			place.line++;
			place.column = 1;
		} else if (((unsigned char)*at & 0xc0) != 0x80) {
			place.column++;
		}
	}
	return place;
}
