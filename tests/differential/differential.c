/*
 *	differential generate SEED COUNT > inputs
 *	differential compare inputs NAME=lines...
 *
 * Happy path: generate_input() takes a few valid requests and spoils them in a few places.  compare_input() reads the input by
 * frontd/http into `ours` and, for each of the others, lays its line beside: whatever request we found, it has to have found
 * too, word for word.
 *
 * Failure: a difference is printed with the input, and the exit status is 1.
 */
#include <assert.h>
#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontd/http/chunk.h"
#include "frontd/http/parse.h"

enum { INPUT_MAX = 8192, LINE_MAX_BYTES = 6 * INPUT_MAX, OTHERS_MAX = 4, SHOWN_MAX = 20, BODY_MAX = INPUT_MAX };

/* ---- generate ---- */

static uint64_t random_state;

/* xorshift64*, S. Vigna. */
static unsigned
draw(unsigned below)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (unsigned)((random_state * UINT64_C(2685821657736338717) >> 33) % below);
}

#define PICK(list) ((list)[draw(sizeof(list) / sizeof((list)[0]))])

static const char *const request_lines[] = { "GET / HTTP/1.1\r\n", "POST /v1/queues/q/messages HTTP/1.1\r\n", "PUT /a?b=c&d=%20 HTTP/1.1\r\n",
	"DELETE /v1/queues/q/leases/0 HTTP/1.1\r\n", "PATCH /x HTTP/1.1\r\n", "HEAD / HTTP/1.1\r\n", "OPTIONS * HTTP/1.1\r\n",
	"GET http://x/a HTTP/1.1\r\n", "GET / HTTP/1.0\r\n", "POST /a HTTP/1.0\r\n", "\r\nGET / HTTP/1.1\r\n" };

static const char *const fields[] = { "Content-Type: text/plain\r\n", "A: b\r\n", "Accept: */*\r\n", "X-Empty:\r\n", "X-Blank: \t v \t\r\n",
	"X-High: \xc3\xa9\xff\r\n", "Connection: close\r\n", "Connection: keep-alive\r\n", "Connection: Keep-Alive, x\r\n",
	"Expect: 100-continue\r\n", "Upgrade: h2c\r\n", "Connection: Upgrade\r\n", "Mq-Delay: 1s\r\n", "Prefer: wait=1\r\n", "Trailer: X\r\n",
	"TE: trailers\r\n", "Proxy-Connection: close\r\n", "Content-Encoding: gzip\r\n", "Cookie: a=b; c=\"d\"\r\n", "X!#$%&'*+-.^_`|~: t\r\n",
	"Keep-Alive: timeout=5\r\n", "If-Match: \"x\"\r\n" };

static const char *const bodies[] = { "\r\n", "\r\n", "Content-Length: 0\r\n\r\n", "Content-Length: 5\r\n\r\nhello", "Content-Length: 05\r\n\r\nhello",
	"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n00a\r\n0123456789\r\n0\r\n\r\n",
	"Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nX: y\r\n\r\n", "transfer-encoding: CHUNKED\r\n\r\n0\r\n\r\n",
	"Content-Length: 43\r\n\r\nGET /inner HTTP/1.1\r\nHost: x\r\nA: 01234567\r\n\r\n" };

/* What has split parsers before. */
static const char *const splinters[] = { "\r\n", "\n", "\r", " ", "\t", ":", ",", ";", "\"", "=", "\x0b", "\x0c", "\x85", "\xa0", "\x7f", "0", "1",
	"-", "+", "0x", "_", "%0d%0a", "#", "?", "*", "/", "//", "@", "Host: x\r\n", "Host: y\r\n", "Content-Length: 5\r\n", "Content-Length: 0\r\n",
	"Content-Length: 5, 5\r\n", "Content-Length : 5\r\n", "Transfer-Encoding: chunked\r\n", "Transfer-Encoding: identity\r\n",
	"Transfer-Encoding: gzip, chunked\r\n", "Transfer-Encoding: chunked, identity\r\n", "Transfer-Encoding:\tchunked\r\n", "chunked", "xchunked",
	"close", "keep-alive", "upgrade", "websocket", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "0\r\n\r\n", "5\r\nhello\r\n",
	"ffffffff", "fffffffffffffff0", "100000000", ";ext", ";ext=\"v\"", " ;ext", "\r\n ", "\r\n\t", "X: y\r\n", "Upgrade: websocket\r\n",
	"Connection: upgrade\r\n", "Connection: close\r\n", "Expect: 100-continue\r\n", "CONNECT", "PRI", "SOURCE", "M-SEARCH", "QUERY" };

struct input {
	size_t count;
	char bytes[INPUT_MAX];
};

static void
append(struct input *input, const char *text)
{
	size_t len = strlen(text);

	if (input->count + len > INPUT_MAX / 2)
		return;
	memcpy(input->bytes + input->count, text, len);
	input->count += len;
}

/* Replace `gone` bytes at `at` by these. */
static void
splice(struct input *input, size_t at, size_t gone, const char *bytes, size_t count)
{
	if (gone > input->count - at)
		gone = input->count - at;
	if (input->count - gone + count > INPUT_MAX)
		return;
	memmove(input->bytes + at + count, input->bytes + at + gone, input->count - at - gone);
	memcpy(input->bytes + at, bytes, count);
	input->count += count - gone;
}

static void
spoil(struct input *input)
{
	size_t at = draw((unsigned)input->count + 1);
	const char *splinter = PICK(splinters);
	char byte = (char)draw(256), copy[64];
	size_t count = 1 + draw(sizeof(copy) - 1);

	switch (draw(6)) {
	case 0:
		splice(input, at, 1, &byte, 1);
		break;
	case 1:
		splice(input, at, 1 + draw(4), NULL, 0);
		break;
	case 2:
	case 3:
		splice(input, at, draw(3), splinter, strlen(splinter));
		break;
	case 4: {
		/* At the begin of a line. */
		char *end = memchr(input->bytes + at, '\n', input->count - at);

		if (end != NULL)
			splice(input, (size_t)(end - input->bytes) + 1, 0, splinter, strlen(splinter));
		break;
	}
	default:
		if (count > input->count - at)
			count = input->count - at;
		memcpy(copy, input->bytes + at, count);
		splice(input, draw((unsigned)input->count + 1), 0, copy, count);
	}
}

static void
generate_input(struct input *input)
{
	input->count = 0;
	for (unsigned requests = 1 + draw(3); requests > 0; requests--) {
		append(input, PICK(request_lines));
		if (draw(40) != 0)
			append(input, "Host: x\r\n");
		for (unsigned n = draw(4); n > 0; n--)
			append(input, PICK(fields));
		append(input, PICK(bodies));
	}
	for (unsigned n = draw(4); n > 0; n--)
		spoil(input);
}

static int
generate(uint64_t seed, unsigned count)
{
	static struct input input;

	random_state = seed * 2 + 1;
	while (count-- > 0) {
		generate_input(&input);
		const unsigned char size[4] = { 0, 0, (unsigned char)(input.count >> 8), (unsigned char)input.count };
		if (fwrite(size, 4, 1, stdout) != 1 || (input.count != 0 && fwrite(input.bytes, input.count, 1, stdout) != 1))
			return 2;
	}
	return fflush(stdout) == 0 ? 0 : 2;
}

/* ---- compare ---- */

static char *
put_hex(char *at, const char *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		at += sprintf(at, "%02x", (unsigned char)bytes[i]);
	return at;
}

static char *
put_lower(char *at, struct http_slice text)
{
	for (size_t i = 0; i < text.len; i++)
		at += sprintf(at, "%02x", (unsigned)tolower((unsigned char)text.ptr[i]));
	return at;
}

static char *
put_request(char *at, const struct http_request *request, const char *body, size_t body_bytes)
{
	at += sprintf(at, "%s ", http_method_name(request->method));
	at = put_hex(at, request->target.ptr, request->target.len);
	at += sprintf(at, " 1.%u ", request->minor_version);
	for (size_t i = 0; i < request->field_count; i++) {
		const struct http_field *field = &request->fields[i];

		at = put_lower(at, field->name);
		at = put_hex(at, ":", 1);
		/* Codings have no case, and h11 gives them in lower case. */
		at = field->known == HTTP_TRANSFER_ENCODING ? put_lower(at, field->value) :
		    put_hex(at, field->value.ptr, field->value.len);
		at = put_hex(at, "\n", 1);
	}
	if (request->field_count == 0)
		*at++ = '-';
	*at++ = ' ';
	at = body_bytes != 0 ? put_hex(at, body, body_bytes) : stpcpy(at, "-");
	*at++ = '\t';
	*at = '\0';
	return at;
}

static bool
wants_upgrade(const struct http_request *request)
{
	size_t from = 0;

	return http_next_field(request, "upgrade", &from) != NULL;
}

enum exception { EXCEPTION_NONE, EXCEPTION_UPGRADE, EXCEPTION_1_0, EXCEPTION_LEADING, EXCEPTION_COUNT };
static const char *const exception_names[] = { "none", "upgrade", "keep-alive of 1.0", "leading line" };

struct ours {
	unsigned count;         /* requests found */
	char line[LINE_MAX_BYTES];
	size_t ends[256];       /* in line, behind each */
	bool upgrades[256];
	bool is_1_0[256];
	bool is_led[256];       /* an empty line stands before it */
};

static void
read_ours(const struct input *input, struct ours *ours)
{
	static struct http_request request;
	static char body[BODY_MAX];
	size_t used = 0;
	char *at = ours->line;

	ours->count = 0;
	*at = '\0';
	while (used < input->count && ours->count < 256) {
		const char *bytes = input->bytes + used;
		size_t count = input->count - used, scan_from = 0, body_bytes;

		if (http_parse_head(bytes, count, &scan_from, &request) != HTTP_DONE)
			return;
		struct http_slice in = { .ptr = bytes + request.head_bytes, .len = count - request.head_bytes };
		const char *content = in.ptr;
		if (request.is_chunked) {
			struct http_span out = { .ptr = body, .len = sizeof(body) };
			struct http_chunk chunk;

			http_chunk_init(&chunk, sizeof(body));
			if (http_chunk_decode(&chunk, &in, &out) != HTTP_DONE)
				return;
			content = body;
			body_bytes = (size_t)chunk.body_bytes;
			used += (size_t)(in.ptr - bytes);
		} else {
			if (request.content_length > in.len)
				return;
			body_bytes = (size_t)request.content_length;
			used += request.head_bytes + body_bytes;
		}
		at = put_request(at, &request, content, body_bytes);
		ours->upgrades[ours->count] = wants_upgrade(&request);
		ours->is_1_0[ours->count] = request.minor_version == 0;
		ours->is_led[ours->count] = bytes[0] == '\r';
		ours->ends[ours->count++] = (size_t)(at - ours->line);
		if (!request.keep_alive)
			return;
	}
}

/* How the other's line differs; NULL: it does not. */
static const char *
difference(const struct ours *ours, const char *line, enum exception *exception)
{
	size_t begin = 0;

	*exception = EXCEPTION_NONE;
	for (unsigned i = 0; i < ours->count; begin = ours->ends[i++]) {
		size_t len = ours->ends[i] - begin;

		if (strncmp(line + begin, ours->line + begin, len) == 0)
			continue;
		/* Its last word: E, K, N or U. */
		if (line[begin] == '\0' || (line[begin + 1] != '\0' && line[begin + 1] != '\n'))
			return "another meaning";
		if (i > 0 && ours->upgrades[i - 1] && line[begin] == 'U')
			*exception = EXCEPTION_UPGRADE;
		else if (i > 0 && ours->is_1_0[i - 1] && line[begin] == 'K')
			*exception = EXCEPTION_1_0;
		else if (ours->is_led[i] && line[begin] == 'E')
			*exception = EXCEPTION_LEADING;
		if (*exception != EXCEPTION_NONE)
			return NULL;
		return line[begin] == 'E' ? "refused there" : line[begin] == 'N' ? "not whole there" : "closed there";
	}
	return NULL;
}

static void
show(const struct input *input)
{
	printf("  \"");
	for (size_t i = 0; i < input->count; i++) {
		unsigned char c = (unsigned char)input->bytes[i];

		if (c == '\r')
			printf("\\r");
		else if (c == '\n')
			printf("\\n");
		else if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (isprint(c))
			putchar(c);
		else
			printf("\\%03o", c);
	}
	printf("\"\n");
}

struct other {
	const char *name;
	FILE *lines;
	char *line;
	size_t capacity;
	unsigned differences;
	unsigned exceptions[EXCEPTION_COUNT];
};

static bool
read_input(FILE *file, struct input *input)
{
	unsigned char size[4];

	if (fread(size, 4, 1, file) != 1)
		return false;
	input->count = (size_t)size[2] << 8 | size[3];
	assert(size[0] == 0 && size[1] == 0 && input->count <= INPUT_MAX);
	return input->count == 0 || fread(input->bytes, input->count, 1, file) == 1;
}

static void
compare_input(const struct input *input, const struct ours *ours, struct other *other)
{
	enum exception exception;
	ssize_t n = getline(&other->line, &other->capacity, other->lines);

	if (n <= 0) {
		printf("%s ended early\n", other->name);
		exit(2);
	}
	const char *what = difference(ours, other->line, &exception);
	other->exceptions[exception]++;
	if (what == NULL || other->differences++ >= SHOWN_MAX)
		return;
	printf("%s: %s\n", other->name, what);
	show(input);
	printf("  ours:   %s\n  theirs: %s", ours->line, other->line);
}

static int
compare(const char *inputs, char **names, int other_count)
{
	static struct input input;
	static struct ours ours;
	struct other others[OTHERS_MAX] = { 0 };
	unsigned long count = 0, accepted = 0, requests = 0, differences = 0;
	FILE *file = fopen(inputs, "rb");

	assert(file != NULL && other_count <= OTHERS_MAX);
	for (int i = 0; i < other_count; i++) {
		char *path = strchr(names[i], '=');

		assert(path != NULL);
		*path = '\0';
		others[i] = (struct other){ .name = names[i], .lines = fopen(path + 1, "r") };
		assert(others[i].lines != NULL);
	}
	while (read_input(file, &input)) {
		read_ours(&input, &ours);
		count++;
		accepted += ours.count != 0;
		requests += ours.count;
		for (int i = 0; i < other_count; i++)
			compare_input(&input, &ours, &others[i]);
	}
	printf("%lu inputs, %lu begin with a request that we accept, %lu such requests\n", count, accepted, requests);
	for (int i = 0; i < other_count; i++) {
		printf("%s: %u differences", others[i].name, others[i].differences);
		for (unsigned e = 1; e < EXCEPTION_COUNT; e++)
			printf("; %s %u", exception_names[e], others[i].exceptions[e]);
		printf("\n");
		differences += others[i].differences;
		free(others[i].line);
		fclose(others[i].lines);
	}
	fclose(file);
	/* A generator whose requests nobody takes would compare nothing. */
	return differences == 0 && count != 0 && accepted > count / 5 ? 0 : 1;
}

int
main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "generate") == 0)
		return generate(strtoull(argv[2], NULL, 10), (unsigned)strtoul(argv[3], NULL, 10));
	if (argc >= 4 && strcmp(argv[1], "compare") == 0)
		return compare(argv[2], argv + 3, argc - 3);
	fprintf(stderr, "usage: differential generate SEED COUNT > inputs; differential compare inputs NAME=lines...\n");
	return 2;
}
