/*
 * Any bytes as a chunked body: output never exceeds input or the limit, and every way to split
 * input and output gives the same body, the same end and the same result.
 */

#include "frontd/http/chunk.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t count);

enum { BODY_MAX = 1000 };

struct outcome {
	enum http_result	result;
	size_t			in_used;
	size_t			body_bytes;
	char			body[BODY_MAX];
};

static size_t
smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Every call gets in_step bytes, in a buffer of just that size, and out_step bytes of room. */
static void
decode(const char *bytes, size_t count, size_t in_step, size_t out_step, struct outcome *outcome)
{
	struct http_chunk chunk;

	http_chunk_init(&chunk, BODY_MAX);
	*outcome = (struct outcome){ .result = HTTP_NEED_MORE };
	while (outcome->result == HTTP_NEED_MORE && outcome->in_used < count) {
		size_t in_bytes = smaller(count - outcome->in_used, in_step);
		size_t out_bytes = smaller(BODY_MAX - outcome->body_bytes, out_step);
		char *copy = malloc(in_bytes);
		memcpy(copy, bytes + outcome->in_used, in_bytes);
		struct http_slice in = { .ptr = copy, .len = in_bytes };
		struct http_span out = {
			.ptr = outcome->body + outcome->body_bytes, .len = out_bytes
		};
		outcome->result = http_chunk_decode(&chunk, &in, &out);
		assert(in.ptr + in.len == copy + in_bytes && out.len <= out_bytes);
		assert(in.len < in_bytes || out.len < out_bytes);
		outcome->in_used += in_bytes - in.len;
		outcome->body_bytes += out_bytes - out.len;
		assert(chunk.body_bytes == outcome->body_bytes);
		assert(outcome->body_bytes <= outcome->in_used);
		free(copy);
	}
}

static void
decode_in_place(const char *bytes, size_t count, const struct outcome *expected)
{
	char *copy = malloc(count + 1);
	struct http_slice in = { .ptr = copy, .len = count };
	struct http_span out = { .ptr = copy, .len = count };
	struct http_chunk chunk;

	memcpy(copy, bytes, count);
	http_chunk_init(&chunk, BODY_MAX);
	assert(http_chunk_decode(&chunk, &in, &out) == expected->result);
	assert(chunk.body_bytes == expected->body_bytes);
	assert(memcmp(copy, expected->body, expected->body_bytes) == 0);
	free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t count)
{
	static struct outcome whole, split;
	const char *bytes = (const char *)input;

	if (count > 8192)
		return 0;
	decode(bytes, count, count, BODY_MAX, &whole);
	assert(whole.result < HTTP_RESULT_COUNT);
	size_t step = count > 0 ? 1 + input[count - 1] % count : 1;
	for (size_t i = 0; i < 2; i++) {
		decode(bytes, count, i == 0 ? 1 : step, 1 + step % 7, &split);
		assert(split.result == whole.result && split.in_used == whole.in_used);
		assert(split.body_bytes == whole.body_bytes);
		assert(memcmp(split.body, whole.body, whole.body_bytes) == 0);
	}
	decode_in_place(bytes, count, &whole);
	return 0;
}
