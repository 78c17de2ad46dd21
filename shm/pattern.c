#include "shm/pattern.h"

#include <string.h>

#include "shm/limits.h"
#include "shm/people.h"

/* A run of bytes that is walked segment by segment; at == bytes + 1 behind the last one. */
struct segments {
	const char *text;
	size_t bytes;
	size_t at;
};

static bool
segments_end(const struct segments *walk)
{
	return walk->at > walk->bytes;
}

static size_t
segment_bytes(const struct segments *walk)
{
	const char *dot = memchr(walk->text + walk->at, '.', walk->bytes - walk->at);

	return dot == NULL ? walk->bytes - walk->at : (size_t)(dot - (walk->text + walk->at));
}

static void
segments_next(struct segments *walk)
{
	walk->at += segment_bytes(walk) + 1;
}

static bool
segment_is(const struct segments *walk, char c)
{
	return !segments_end(walk) && segment_bytes(walk) == 1 && walk->text[walk->at] == c;
}

static bool
segment_means(const struct segments *pattern, const struct segments *name)
{
	size_t bytes;

	if (segments_end(pattern))
		return false;
	if (segment_is(pattern, '*'))
		return true;
	bytes = segment_bytes(pattern);
	return bytes == segment_bytes(name) &&
	    memcmp(pattern->text + pattern->at, name->text + name->at, bytes) == 0;
}

bool
pattern_matches(const char *pattern, size_t pattern_bytes, const char *name, size_t name_bytes)
{
	struct segments p = { .text = pattern, .bytes = pattern_bytes },
	                n = { .text = name, .bytes = name_bytes };
	struct segments p_back = { 0 }, n_back = { 0 };

	if (pattern_bytes == 1 && pattern[0] == '*')
		return true;
	/* As for the `*` of file names: only the last `#` need ever be tried again, so the work is bounded by p * n. */
	while (!segments_end(&n)) {
		if (segment_is(&p, '#')) {
			segments_next(&p);
			p_back = p;
			n_back = n;
		} else if (segment_means(&p, &n)) {
			segments_next(&p);
			segments_next(&n);
		} else if (p_back.text != NULL) {
			segments_next(&n_back);
			n = n_back;
			p = p_back;
		} else {
			return false;
		}
	}
	while (segment_is(&p, '#'))
		segments_next(&p);
	return segments_end(&p);
}

static bool
byte_is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	    c == '_' || c == '-';
}

static bool
segment_is_valid(const struct segments *walk)
{
	size_t bytes = segment_bytes(walk);

	if (segment_is(walk, '*') || segment_is(walk, '#'))
		return true;
	for (size_t i = 0; i < bytes; i++) {
		if (!byte_is_plain(walk->text[walk->at + i]))
			return false;
	}
	return bytes > 0;
}

bool
pattern_is_valid(const char *pattern, size_t pattern_bytes)
{
	struct segments walk = { .text = pattern, .bytes = pattern_bytes };

	if (pattern_bytes == 0 || pattern_bytes > PATTERN_BYTES_MAX)
		return false;
	for (; !segments_end(&walk); segments_next(&walk)) {
		if (!segment_is_valid(&walk))
			return false;
	}
	return true;
}

/* --- lists --- */

bool
pattern_next(const char *list, size_t list_bytes, size_t *at, const char **word, size_t *word_bytes)
{
	const char *blank;

	if (*at >= list_bytes)
		return false;
	*word = list + *at;
	blank = memchr(*word, ' ', list_bytes - *at);
	*word_bytes = blank == NULL ? list_bytes - *at : (size_t)(blank - *word);
	*at += *word_bytes + 1;
	return true;
}

/* Exactly one blank between two words, none at the ends: each word is found, and none is empty. */
static bool
list_is_tidy(const char *list, size_t list_bytes)
{
	return list_bytes == 0 || list[list_bytes - 1] != ' ';
}

bool
pattern_list_matches(const char *list, size_t list_bytes, const char *name, size_t name_bytes)
{
	size_t at = 0, word_bytes;
	const char *word;

	while (pattern_next(list, list_bytes, &at, &word, &word_bytes)) {
		if (pattern_matches(word, word_bytes, name, name_bytes))
			return true;
	}
	return false;
}

bool
pattern_list_is_valid(const char *list, size_t list_bytes)
{
	size_t at = 0, word_bytes;
	const char *word;

	while (pattern_next(list, list_bytes, &at, &word, &word_bytes)) {
		if (!pattern_is_valid(word, word_bytes))
			return false;
	}
	return list_is_tidy(list, list_bytes);
}

/* --- scopes --- */

static bool
word_is(const char *word, size_t word_bytes, const char *text)
{
	return word_bytes == strlen(text) && memcmp(word, text, word_bytes) == 0;
}

/* The rights a word names before its colon, and its pattern; 0: it is no such word. */
static unsigned
scope_split(const char *word, size_t word_bytes, const char **pattern, size_t *pattern_bytes)
{
	const char *colon = memchr(word, ':', word_bytes);
	size_t right_bytes = colon == NULL ? 0 : (size_t)(colon - word);

	if (colon == NULL)
		return RIGHT_NONE;
	*pattern = colon + 1;
	*pattern_bytes = word_bytes - right_bytes - 1;
	if (word_is(word, right_bytes, "*"))
		return RIGHTS_ALL;
	for (unsigned right = RIGHT_PUBLISH; right <= RIGHT_MANAGE; right <<= 1) {
		if (word_is(word, right_bytes, right_name(right)))
			return right;
	}
	return RIGHT_NONE;
}

bool
scopes_allow(
    const char *scopes, size_t scopes_bytes, unsigned right, const char *name, size_t name_bytes)
{
	size_t at = 0, word_bytes, pattern_bytes;
	const char *word, *pattern;

	while (pattern_next(scopes, scopes_bytes, &at, &word, &word_bytes)) {
		if (word_is(word, word_bytes, "*"))
			return true;
		if ((scope_split(word, word_bytes, &pattern, &pattern_bytes) & right) != 0 &&
		    pattern_matches(pattern, pattern_bytes, name, name_bytes))
			return true;
	}
	return false;
}

static bool
scopes_have(const char *scopes, size_t scopes_bytes, const char *text)
{
	size_t at = 0, word_bytes;
	const char *word;

	while (pattern_next(scopes, scopes_bytes, &at, &word, &word_bytes)) {
		if (word_is(word, word_bytes, text))
			return true;
	}
	return false;
}

bool
scopes_are_full(const char *scopes, size_t scopes_bytes)
{
	return scopes_have(scopes, scopes_bytes, "*");
}

bool
scopes_have_admin(const char *scopes, size_t scopes_bytes)
{
	return scopes_are_full(scopes, scopes_bytes) || scopes_have(scopes, scopes_bytes, "admin");
}

bool
scopes_have_metrics(const char *scopes, size_t scopes_bytes)
{
	return scopes_are_full(scopes, scopes_bytes) || scopes_have(scopes, scopes_bytes, "metrics");
}

bool
scopes_are_valid(const char *scopes, size_t scopes_bytes)
{
	size_t at = 0, word_bytes, pattern_bytes;
	const char *word, *pattern;

	while (pattern_next(scopes, scopes_bytes, &at, &word, &word_bytes)) {
		if (word_is(word, word_bytes, "*") || word_is(word, word_bytes, "admin") ||
		    word_is(word, word_bytes, "metrics"))
			continue;
		if (scope_split(word, word_bytes, &pattern, &pattern_bytes) == RIGHT_NONE ||
		    !pattern_is_valid(pattern, pattern_bytes))
			return false;
	}
	return list_is_tidy(scopes, scopes_bytes);
}
