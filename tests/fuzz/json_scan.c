/*
 * The JSON scanner over any bytes: it takes what jansson takes, strings lie in the text, what stands for them is UTF-8 of the
 * length it said, and reading only the ends comes to the same as reading all.
 */
#include "frontd/api/scan.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "frontd/http/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t count);

static void
assert_string(const struct scan_string *string, struct http_slice text)
{
	char *copy = malloc(string->bytes + 1);

	if (copy == NULL)
		abort();
	assert(string->at > text.ptr && string->at + string->raw_bytes < text.ptr + text.len);
	assert(string->at[-1] == '"' && string->at[string->raw_bytes] == '"');
	assert(string->bytes <= string->raw_bytes);
	copy[string->bytes] = '!';
	scan_copy(string, copy);
	assert(copy[string->bytes] == '!');
	assert(text_is_utf8((struct http_slice){ copy, string->bytes }));
	assert((memchr(copy, '\0', string->bytes) != NULL) == string->has_nul);
	free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t count)
{
	struct http_slice text = { .ptr = (const char *)input, .len = count };
	struct scan scan, rest;
	struct scan_value value;
	json_error_t error;

	scan_begin(&scan, text, 1);
	while (scan.problem == NULL && (scan.is_due || scan.depth > 0)) {
		if (!scan.is_due) {
			if (scan_next(&scan) && scan.objects & 1)
				assert_string(&scan.name, text);
		} else if (scan_value(&scan, &value) && value.kind == SCAN_STRING) {
			assert_string(&value.string, text);
		}
	}
	bool is_good = scan_rest(&scan);
	assert(scan.at >= text.ptr && scan.at <= text.ptr + text.len);
	scan_begin(&rest, text, 1);
	assert(scan_rest(&rest) == is_good);
	assert(rest.problem == scan.problem && rest.at == scan.at);

	/* Duplicate names are for the caller of the scanner; a NUL byte and depth are the differences that are meant. */
	json_t *json = json_loadb((const char *)input, count, JSON_ALLOW_NUL, &error);
	bool is_deep = !is_good && strcmp(scan.problem, "nested too deep") == 0;
	if (memchr(input, '\0', count) != NULL)
		assert(!is_good);
	else if (!is_deep)
		assert(is_good == (json != NULL));
	json_decref(json);
	return 0;
}
