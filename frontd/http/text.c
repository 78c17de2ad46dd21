#include "frontd/http/text.h"

#include "frontd/http/grammar.h"

/* Unicode, table 3-7: the range of the second byte keeps overlong forms, surrogates and too large values out. */
size_t
text_sequence_bytes(const char *text, size_t count)
{
	const unsigned char *at = (const unsigned char *)text;
	unsigned char low = 0x80, high = 0xbf;
	size_t len;

	if (at[0] < 0x80)
		return 1;
	if (at[0] < 0xc2 || at[0] > 0xf4)
		return 0;
	if (at[0] < 0xe0) {
		len = 2;
	} else if (at[0] < 0xf0) {
		len = 3;
		if (at[0] == 0xe0)
			low = 0xa0;
		else if (at[0] == 0xed)
			high = 0x9f;
	} else {
		len = 4;
		if (at[0] == 0xf0)
			low = 0x90;
		else if (at[0] == 0xf4)
			high = 0x8f;
	}
	if (len > count || at[1] < low || at[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

/* 64 bytes at a time, as vectors: a plain run of them is most of a message.  Signed, bytes from 0x80 on are below the blank. */
typedef signed char vector __attribute__((vector_size(16)));
typedef uint64_t halves __attribute__((vector_size(16)));

static inline vector
vector_at(const char *at)
{
	vector bytes;

	memcpy(&bytes, at, sizeof(bytes));
	return bytes;
}

/* With bit 1 turned over a quote is the blank, the blank a quote, and what was below the blank is so still: one comparison. */
static inline vector
special_bytes(vector bytes)
{
	_Static_assert(('"' ^ 2) == ' ', "and the others from ' ' to '#' are above it");

	return ((bytes ^ 2) <= ' ') | (bytes == '\\');
}

static inline bool
has_special(const char *at)
{
	halves marks = (halves)(special_bytes(vector_at(at)) | special_bytes(vector_at(at + 16)) |
	    special_bytes(vector_at(at + 32)) | special_bytes(vector_at(at + 48)));

	return (marks[0] | marks[1]) != 0;
}

const char *
text_skip_plain(const char *at, const char *end)
{
	while (end - at >= 64 && !has_special(at))
		at += 64;
	return at;
}

bool
text_is_utf8(struct http_slice text)
{
	const char *at = text.ptr, *end = text.ptr + text.len;

	at = text_skip_plain(at, end);
	while (at < end) {
		if (end - at >= 8 && (http_word_at(at) & HTTP_EACH_BYTE(0x80)) == 0) {
			at += 8;
			continue;
		}
		size_t len = text_sequence_bytes(at, (size_t)(end - at));
		if (len == 0)
			return false;
		at += len;
	}
	return true;
}

/* The first byte in [at, end) that a JSON string cannot hold as it is, or end. */
static const char *
find_escaped(const char *at, const char *end)
{
	at = text_skip_plain(at, end);
	while (end - at >= 8) {
		uint64_t word = http_word_at(at);
		uint64_t marks = http_bytes_below(word, 0x20) | http_bytes_equal(word, '"') |
		    http_bytes_equal(word, '\\');
		if (marks != 0)
			return at + http_first_mark(marks);
		at += 8;
	}
	while (at < end && (unsigned char)*at >= 0x20 && *at != '"' && *at != '\\')
		at++;
	return at;
}

/* Returns the length of the escape of c. */
static size_t
escape(char c, char out[6])
{
	static const char letters[0x20] = {
		['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'
	};
	unsigned char byte = (unsigned char)c;

	out[0] = '\\';
	if (byte >= 0x20 || letters[byte] != 0) {
		out[1] = byte >= 0x20 ? c : letters[byte];
		return 2;
	}
	memcpy(out + 1, "u00", 3);
	out[4] = (char)('0' + (byte >> 4));
	out[5] = "0123456789abcdef"[byte & 0xf];
	return 6;
}

size_t
text_json_escape(struct http_slice text, struct http_span out)
{
	const char *at = text.ptr, *end = text.ptr + text.len;
	size_t count = 0;
	char sequence[6];

	while (at < end) {
		const char *stop = find_escaped(at, end);
		size_t run = (size_t)(stop - at);
		if (run > out.len - count)
			return TEXT_FAILED;
		memcpy(out.ptr + count, at, run);
		count += run;
		at = stop;
		if (at == end)
			break;
		size_t len = escape(*at++, sequence);
		if (len > out.len - count)
			return TEXT_FAILED;
		memcpy(out.ptr + count, sequence, len);
		count += len;
	}
	return count;
}

static const char base64_digits[64] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t
text_base64_encode(struct http_slice bytes, struct http_span out)
{
	const unsigned char *at = (const unsigned char *)bytes.ptr;
	size_t left = bytes.len, count = 0;

	if (left > SIZE_MAX / 2 || TEXT_BASE64_BYTES(left) > out.len)
		return TEXT_FAILED;
	for (; left >= 3; left -= 3, at += 3) {
		uint32_t group = (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];
		out.ptr[count++] = base64_digits[group >> 18];
		out.ptr[count++] = base64_digits[group >> 12 & 63];
		out.ptr[count++] = base64_digits[group >> 6 & 63];
		out.ptr[count++] = base64_digits[group & 63];
	}
	if (left > 0) {
		uint32_t group = (uint32_t)at[0] << 16 | (left == 2 ? (uint32_t)at[1] << 8 : 0);
		out.ptr[count++] = base64_digits[group >> 18];
		out.ptr[count++] = base64_digits[group >> 12 & 63];
		out.ptr[count++] = left == 2 ? base64_digits[group >> 6 & 63] : '=';
		out.ptr[count++] = '=';
	}
	return count;
}

/* 0..63 plus 1, so that what is not named is 0 and no digit. */
static const unsigned char base64_value_plus_1[256] = {
	['A'] = 1, ['B'] = 2, ['C'] = 3, ['D'] = 4, ['E'] = 5, ['F'] = 6, ['G'] = 7,
	['H'] = 8, ['I'] = 9, ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14,
	['O'] = 15, ['P'] = 16, ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21,
	['V'] = 22, ['W'] = 23, ['X'] = 24, ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28,
	['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32, ['g'] = 33, ['h'] = 34, ['i'] = 35,
	['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40, ['o'] = 41, ['p'] = 42,
	['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48, ['w'] = 49,
	['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
	['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63,
	['/'] = 64,
};

/* Adds the digit to group, six bits at a time. */
static bool
take_digit(uint32_t *group, char c)
{
	unsigned value = base64_value_plus_1[(unsigned char)c];

	*group = *group << 6 | ((value - 1) & 63);
	return value != 0;
}

/* The last four characters, which may be padded.  Returns the bytes they make, or TEXT_FAILED. */
static size_t
decode_last(const char *at, char out[3])
{
	size_t padding = (at[3] == '=') + (size_t)(at[3] == '=' && at[2] == '=');
	uint32_t group = 0;

	for (size_t i = 0; i < 4 - padding; i++)
		if (!take_digit(&group, at[i]))
			return TEXT_FAILED;
	group <<= 6 * padding;
	if (padding > 0 && (group & ((1u << 8 * padding) - 1)) != 0)
		return TEXT_FAILED;
	for (size_t i = 0; i < 3 - padding; i++)
		out[i] = (char)(group >> (16 - 8 * i));
	return 3 - padding;
}

size_t
text_base64_decode(struct http_slice text, struct http_span out)
{
	size_t count = 0;
	char tail[3];

	if (text.len == 0)
		return 0;
	if (text.len % 4 != 0)
		return TEXT_FAILED;
	const char *at = text.ptr, *last = text.ptr + text.len - 4;
	for (; at < last; at += 4) {
		uint32_t group = 0;
		bool is_good = true;
		for (size_t i = 0; i < 4; i++)
			is_good &= take_digit(&group, at[i]);
		if (!is_good || out.len - count < 3)
			return TEXT_FAILED;
		out.ptr[count++] = (char)(group >> 16);
		out.ptr[count++] = (char)(group >> 8);
		out.ptr[count++] = (char)group;
	}
	size_t tail_bytes = decode_last(last, tail);
	if (tail_bytes == TEXT_FAILED || tail_bytes > out.len - count)
		return TEXT_FAILED;
	memcpy(out.ptr + count, tail, tail_bytes);
	return count + tail_bytes;
}
