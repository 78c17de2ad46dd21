#ifndef FRONTD_HTTP_GRAMMAR_H
#define FRONTD_HTTP_GRAMMAR_H

/*
 * grammar: which byte may stand where (RFC 9110, 9112), one table lookup a byte, and searches that
 * take eight bytes a step.
 */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the first byte is the lowest");

enum {
	HTTP_CLASS_TOKEN = 1,           /* methods, field names, chunk extensions */
	HTTP_CLASS_TARGET = 2,          /* visible ASCII but '#' */
	HTTP_CLASS_HOST = 4             /* letters, digits, "-._~": what we take of reg-name */
};

extern const unsigned char http_class[256];

/* 0..15, or 0xff for a byte that is no hexadecimal digit. */
extern const unsigned char http_hex_value[256];

static inline bool
http_is(int class, char c)
{
	return (http_class[(unsigned char)c] & class) != 0;
}

static inline bool
http_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline uint64_t
http_word_at(const char *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

#define HTTP_EACH_BYTE(byte) (UINT64_C(0x0101010101010101) * (byte))

/*
 * The high bit of the first byte below limit (<= 0x80) is set; of later bytes it may be set in
 * error, of earlier ones never.  Bit Twiddling Hacks, S. E. Anderson, "hasless" and "haszero".
 */
static inline uint64_t
http_bytes_below(uint64_t word, unsigned char limit)
{
	return (word - HTTP_EACH_BYTE(limit)) & ~word & HTTP_EACH_BYTE(0x80);
}

static inline uint64_t
http_bytes_equal(uint64_t word, unsigned char byte)
{
	return http_bytes_below(word ^ HTTP_EACH_BYTE(byte), 1);
}

/* Which of the eight bytes is the first one marked?  marks != 0. */
static inline unsigned
http_first_mark(uint64_t marks)
{
	return (unsigned)__builtin_ctzll(marks) / 8;
}

/* A CTL other than tab: it may stand in no field value. */
static inline bool
http_is_ctl(char c)
{
	return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

/* The first CTL other than tab in [at, end), or end. */
static inline const char *
http_find_ctl(const char *at, const char *end)
{
	while (end - at >= 8) {
		uint64_t word = http_word_at(at);
		uint64_t marks = http_bytes_below(word, 0x20) | http_bytes_equal(word, 0x7f);
		if (marks == 0) {
			at += 8;
			continue;
		}
		at += http_first_mark(marks);
		if (*at != '\t')
			return at;
		at++;
	}
	while (at < end && !http_is_ctl(*at))
		at++;
	return at;
}

#endif
