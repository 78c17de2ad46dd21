#include "frontd/http/field.h"

#include <arpa/inet.h>

#include "frontd/http/grammar.h"

static inline bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Why the line has no name that ends in ':' at this byte. */
static enum http_result
explain_name(const char *name, const char *at)
{
	if (at == name && is_blank(*at))
		return HTTP_FOLDED_FIELD;
	if (at == name && *at == ':')
		return HTTP_EMPTY_FIELD_NAME;
	if (is_blank(*at))
		return HTTP_BLANK_IN_FIELD_NAME;
	if (*at == '\r' && at[1] == '\n')
		return HTTP_NO_COLON;
	return HTTP_BAD_FIELD_NAME;
}

enum http_result
http_field_parse(const char **cursor, const char *end, struct http_field *field)
{
	const char *name = *cursor, *at = name;

	while (http_is(HTTP_CLASS_TOKEN, *at))
		at++;
	if (at == name || *at != ':')
		return explain_name(name, at);
	field->name = (struct http_slice){ .ptr = name, .len = (size_t)(at - name) };

	do
		at++;
	while (is_blank(*at));
	const char *value = at;
	at = http_find_ctl(at, end);
	if (*at != '\r')
		return HTTP_BAD_FIELD_VALUE;
	if (at[1] != '\n')
		return HTTP_BARE_CR;
	*cursor = at + 2;
	while (at > value && is_blank(at[-1]))
		at--;
	field->value = (struct http_slice){ .ptr = value, .len = (size_t)(at - value) };
	return HTTP_DONE;
}

static bool
port_is_valid(const char *at, const char *end)
{
	unsigned port = 0;

	if (at == end || end - at > 5)
		return false;
	for (; at < end; at++) {
		if (!http_is_digit(*at))
			return false;
		port = port * 10 + (unsigned)(*at - '0');
	}
	return port <= 65535;
}

static bool
address_is_valid(const char *at, const char *end)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr address;
	size_t len = (size_t)(end - at);

	if (len >= sizeof(text))
		return false;
	memcpy(text, at, len);
	text[len] = '\0';
	return inet_pton(AF_INET6, text, &address) == 1;
}

bool
http_host_is_valid(struct http_slice host)
{
	const char *at = host.ptr, *end = host.ptr + host.len;

	if (at < end && *at == '[') {
		const char *close = memchr(at, ']', host.len);
		if (close == NULL || !address_is_valid(at + 1, close))
			return false;
		at = close + 1;
	} else {
		while (at < end && http_is(HTTP_CLASS_HOST, *at))
			at++;
		if (at == host.ptr)
			return false;
	}
	return at == end || (*at == ':' && port_is_valid(at + 1, end));
}

/* Cuts the next element, trimmed and perhaps empty, off the front of list; false at its end. */
static bool
next_element(struct http_slice *list, struct http_slice *element)
{
	if (list->ptr == NULL)
		return false;

	const char *at = list->ptr, *end = at + list->len;
	const char *comma = memchr(at, ',', list->len);
	*list = (struct http_slice){ .ptr = NULL };
	if (comma != NULL) {
		*list = (struct http_slice){ .ptr = comma + 1, .len = (size_t)(end - comma - 1) };
		end = comma;
	}
	while (at < end && is_blank(*at))
		at++;
	while (at < end && is_blank(end[-1]))
		end--;
	*element = (struct http_slice){ .ptr = at, .len = (size_t)(end - at) };
	return true;
}

bool
http_list_has(struct http_slice list, const char *word)
{
	struct http_slice element;

	while (next_element(&list, &element))
		if (http_slice_is_word(element, word))
			return true;
	return false;
}

enum http_result
http_codings_check(struct http_slice codings)
{
	struct http_slice element;
	bool has_other = false;

	if (http_slice_is_word(codings, "chunked"))
		return HTTP_DONE;
	while (next_element(&codings, &element)) {
		if (element.len == 0)
			return HTTP_BAD_TRANSFER_ENCODING;
		for (size_t i = 0; i < element.len; i++)
			if (!http_is(HTTP_CLASS_TOKEN, element.ptr[i]))
				return HTTP_BAD_TRANSFER_ENCODING;
		if (!http_slice_is_word(element, "chunked"))
			has_other = true;
	}
	return has_other ? HTTP_UNKNOWN_TRANSFER_ENCODING : HTTP_BAD_TRANSFER_ENCODING;
}
