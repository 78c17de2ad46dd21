#ifndef FRONTD_HTTP_SLICE_H
#define FRONTD_HTTP_SLICE_H

/*
 * slice: bytes that belong to somebody else.  A slice borrows from the buffer it was cut from and
 * is good only as long as those bytes stay where they are.  ptr == NULL means "absent", which is
 * not the same as empty. span: the same for room to write into.
 */

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "frontd/http/grammar.h"

struct http_slice {
	const char	*ptr;
	size_t		 len;
};

struct http_span {
	char		*ptr;
	size_t		 len;
};

#define HTTP_LITERAL(text) ((struct http_slice){ .ptr = (text), .len = sizeof(text) - 1 })

static inline struct http_slice
http_slice_of(const char *text)
{
	return (struct http_slice){ .ptr = text, .len = strlen(text) };
}

static inline bool
http_slice_equal(struct http_slice slice, struct http_slice other)
{
	if (slice.len != other.len)
		return false;
	return slice.len == 0 || memcmp(slice.ptr, other.ptr, slice.len) == 0;
}

/* Byte for byte the same as text? */
static inline bool
http_slice_is(struct http_slice slice, const char *text)
{
	return http_slice_equal(slice, http_slice_of(text));
}

/*
 * The first len bytes of slice against lower, which may hold only [a-z0-9-], in whatever case the
 * slice has.  Setting bit 5 folds A-Z and moves no byte other than a CTL onto one of [a-z0-9-];
 * parsed names and values hold no CTL but tab, which becomes ')'.  So one OR is exact here, and
 * needs no table; eight bytes a step, the last of which may have been looked at before.
 */
static inline bool
http_slice_folds(struct http_slice slice, const char *lower, size_t len)
{
	if (slice.len < len)
		return false;
	if (len < 8) {
		for (size_t i = 0; i < len; i++)
			if ((slice.ptr[i] | 0x20) != lower[i])
				return false;
		return true;
	}
	for (size_t i = 0; i + 8 < len; i += 8)
		if ((http_word_at(slice.ptr + i) | HTTP_EACH_BYTE(0x20)) != http_word_at(lower + i))
			return false;
	return (http_word_at(slice.ptr + len - 8) | HTTP_EACH_BYTE(0x20)) == http_word_at(lower + len - 8);
}

/* Is a parsed field name or value this word, in any case?  Word: only [a-z0-9-]. */
static inline bool
http_slice_is_word(struct http_slice slice, const char *word)
{
	size_t len = strlen(word);

	return slice.len == len && http_slice_folds(slice, word, len);
}

/*
 * Does a parsed field name begin with this prefix ("mq-attr-"), in any case?  Prefix: only
 * [a-z0-9-].
 */
static inline bool
http_slice_has_prefix(struct http_slice slice, const char *prefix)
{
	return http_slice_folds(slice, prefix, strlen(prefix));
}

#endif
