/*
 * words: JSON arrays of words (patterns, scopes, rights) to what is stored of them: the words with
 * one blank between.
 */
#ifndef FRONTD_API_WORDS_H
#define FRONTD_API_WORDS_H

#include "frontd/api/call.h"
#include "frontd/api/scan.h"

struct words {
	const char *field;      /* its name in problems */
	const char *wanted;     /* what a word should have been, in problems */
	bool (*is_valid)(const char *word, size_t bytes);
	char *list;             /* where to; all of it is set, zeros behind the words */
	size_t list_bytes_max;
	size_t list_bytes;      /* out */
	size_t count;           /* out */
};

/* Take the array that is open apart; or a problem that names the word. */
bool words_take(struct api_call *call, struct scan *array, struct words *words);

/* The list as JSON array. */
void words_put(struct answer *answer, const char *list, size_t list_bytes);

#endif
