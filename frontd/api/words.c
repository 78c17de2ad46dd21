#include "frontd/api/words.h"

#include "shm/pattern.h"

#define WORD_BYTES_MAX 160 /* longer than any that is valid */

/* One element; ptr NULL: it is no string, or too long to be valid. */
static struct http_slice
take_word(struct scan *array, char room[WORD_BYTES_MAX])
{
	struct scan_value value;

	if (!scan_value(array, &value) || value.kind != SCAN_STRING)
		return (struct http_slice){ .ptr = NULL };
	return scan_text(&value.string, (struct http_span){ room, WORD_BYTES_MAX });
}

bool
words_take(struct api_call *call, struct scan *array, struct words *words)
{
	char room[WORD_BYTES_MAX];

	words->list_bytes = 0;
	memset(words->list, 0, words->list_bytes_max);
	for (words->count = 0; scan_next(array); words->count++) {
		struct http_slice word = take_word(array, room);

		/* A blank would make two of it. */
		if (word.ptr == NULL || word.len == 0 || memchr(word.ptr, ' ', word.len) != NULL ||
		    !words->is_valid(word.ptr, word.len))
			return api_refuse(call, OUTCOME_BAD_FIELD, "%s[%zu]: %s", words->field,
			    words->count, words->wanted);
		if (words->list_bytes + 1 + word.len > words->list_bytes_max)
			return api_refuse(call, OUTCOME_BAD_FIELD, "%s: more than %zu bytes in all",
			    words->field, words->list_bytes_max);
		if (words->count != 0)
			words->list[words->list_bytes++] = ' ';
		memcpy(words->list + words->list_bytes, word.ptr, word.len);
		words->list_bytes += word.len;
	}
	return true; /* what is wrong with the text was found when the array was passed over */
}

void
words_put(struct answer *answer, const char *list, size_t list_bytes)
{
	size_t at = 0, word_bytes;
	const char *word;
	bool is_first = true;

	answer_put(answer, "[");
	for (; pattern_next(list, list_bytes, &at, &word, &word_bytes); is_first = false) {
		if (!is_first)
			answer_put(answer, ",");
		answer_put_string(answer, (struct http_slice){ word, word_bytes });
	}
	answer_put(answer, "]");
}
