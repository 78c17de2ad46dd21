#include "tests/harness/response.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Put bytes behind the first `used_bytes` of *to, and a NUL behind them. */
static void
append(char **to, size_t *capacity, size_t used_bytes, const char *bytes, size_t count)
{
	if (used_bytes + count + 1 > *capacity) {
		*capacity = (used_bytes + count + 1) * 2;
		*to = realloc(*to, *capacity);
		if (*to == NULL)
			abort();
	}
	memcpy(*to + used_bytes, bytes, count);
	(*to)[used_bytes + count] = '\0';
}

/* Cut the head into lines, each ended by NUL. */
static void
cut_head(struct response *response)
{
	for (char *end = response->head; (end = strstr(end, "\r\n")) != NULL; end += 2)
		end[0] = end[1] = '\0';
}

const char *
response_field(const struct response *response, const char *name)
{
	size_t name_bytes = strlen(name);
	const char *line = response->head;

	while (line < response->head + response->head_bytes) {
		if (strncasecmp(line, name, name_bytes) == 0 && line[name_bytes] == ':') {
			line += name_bytes + 1;
			return line + strspn(line, " ");
		}
		line += strlen(line) + 1;
	}
	return NULL;
}

enum part { PART_BAD = -1, PART_MORE = 0, PART_WHOLE = 1 };

/* Join the body's chunks in response->body. */
static enum part
parse_chunks(struct response *response, const char *bytes, size_t count, size_t *used_bytes)
{
	size_t at = 0;

	response->body_bytes = 0;
	for (;;) {
		const char *line_end = memmem(bytes + at, count - at, "\r\n", 2);
		char *digits_end;
		size_t chunk;

		if (line_end == NULL)
			return PART_MORE;
		chunk = strtoul(bytes + at, &digits_end, 16);
		if (digits_end != line_end)
			return PART_BAD;
		at = (size_t)(line_end - bytes) + 2;
		if (count - at < chunk + 2)
			return PART_MORE;
		if (memcmp(bytes + at + chunk, "\r\n", 2) != 0)
			return PART_BAD;
		append(&response->body, &response->body_capacity, response->body_bytes, bytes + at, chunk);
		response->body_bytes += chunk;
		at += chunk + 2;
		if (chunk == 0) {
			*used_bytes = at;
			return PART_WHOLE;
		}
	}
}

static enum part
parse_body(struct response *response, const char *bytes, size_t count, bool is_head, size_t *used_bytes)
{
	const char *length = response_field(response, "Content-Length");
	const char *coding = response_field(response, "Transfer-Encoding");

	if (is_head || response->status / 100 == 1 || response->status == 204 || response->status == 304)
		*used_bytes = 0;
	else if (coding != NULL)
		return strcasecmp(coding, "chunked") == 0 ? parse_chunks(response, bytes, count, used_bytes) : PART_BAD;
	else if (length == NULL)
		return PART_BAD;
	else
		*used_bytes = strtoul(length, NULL, 10);
	if (count < *used_bytes)
		return PART_MORE;
	append(&response->body, &response->body_capacity, 0, bytes, *used_bytes);
	response->body_bytes = *used_bytes;
	return PART_WHOLE;
}

static bool
closes(const struct response *response, unsigned minor_version)
{
	const char *connection = response_field(response, "Connection");

	if (connection == NULL)
		return minor_version == 0;
	return strcasecmp(connection, "keep-alive") != 0;
}

ssize_t
response_parse(struct response *response, const char *bytes, size_t count, bool is_head)
{
	const char *head_end = count > 0 ? memmem(bytes, count, "\r\n\r\n", 4) : NULL;
	size_t body_bytes = 0;
	enum part part;
	unsigned minor_version;

	json_decref(response->json);
	response->json = NULL;
	if (head_end == NULL)
		return PART_MORE;
	response->head_bytes = (size_t)(head_end - bytes) + 4;
	append(&response->head, &response->head_capacity, 0, bytes, response->head_bytes);
	append(&response->body, &response->body_capacity, 0, "", 0);
	response->body_bytes = 0;
	if (sscanf(response->head, "HTTP/1.%1u %3u ", &minor_version, &response->status) != 2)
		return PART_BAD;
	cut_head(response);
	response->is_closing = closes(response, minor_version);
	part = parse_body(response, bytes + response->head_bytes, count - response->head_bytes, is_head, &body_bytes);
	return part == PART_WHOLE ? (ssize_t)(response->head_bytes + body_bytes) : part;
}

void
response_free(struct response *response)
{
	json_decref(response->json);
	free(response->head);
	free(response->body);
	*response = (struct response){ 0 };
}

json_t *
response_member(struct response *response, const char *path)
{
	json_t *node;

	if (response->json == NULL)
		response->json = json_loadb(response->body, response->body_bytes, 0, NULL);
	node = response->json;
	while (node != NULL && *path != '\0') {
		size_t name_bytes = strcspn(path, ".");
		char name[80];

		snprintf(name, sizeof(name), "%.*s", (int)name_bytes, path);
		node = json_is_array(node) ? json_array_get(node, strtoul(name, NULL, 10)) : json_object_get(node, name);
		path += name_bytes;
		path += *path == '.';
	}
	return node;
}

const char *
response_text(struct response *response, const char *path)
{
	const json_t *node = response_member(response, path);

	ck_assert_msg(json_is_string(node), "no text at %s of %u: %.300s", path, response->status, response->body);
	return json_string_value(node);
}

int64_t
response_number(struct response *response, const char *path)
{
	const json_t *node = response_member(response, path);

	ck_assert_msg(json_is_integer(node), "no number at %s of %u: %.300s", path, response->status, response->body);
	return json_integer_value(node);
}

size_t
response_count(struct response *response, const char *path)
{
	const json_t *node = response_member(response, path);

	ck_assert_msg(json_is_array(node), "no array at %s of %u: %.300s", path, response->status, response->body);
	return json_array_size(node);
}

const char *
response_problem_complaint(struct response *response, unsigned status, const char *slug)
{
	static const char *const members[] = { "type", "title", "detail" };
	const char *type = response_field(response, "Content-Type");
	const json_t *code;

	if (response->status != status)
		return "another status";
	if (type == NULL || strcmp(type, "application/problem+json") != 0)
		return "another Content-Type";
	if (json_integer_value(response_member(response, "status")) != (json_int_t)status)
		return "no member `status`, or another number";
	for (unsigned i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		if (!json_is_string(response_member(response, members[i])))
			return "a member of RFC 9457 is missing";
	}
	code = response_member(response, "code");
	if (!json_is_string(code) || strcmp(json_string_value(code), slug) != 0)
		return "another code";
	if ((status == 429 || status == 503) && response_field(response, "Retry-After") == NULL)
		return "no Retry-After";
	return NULL;
}
