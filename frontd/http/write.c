#include "frontd/http/write.h"

#include <assert.h>

#include "frontd/http/grammar.h"
#include "frontd/http/result.h"
#include "frontd/http/units.h"

static inline void
put(struct http_writer *writer, const char *bytes, size_t count)
{
	if (writer->fault != HTTP_WRITE_OK)
		return;
	if (count > writer->size - writer->len) {
		writer->fault = HTTP_WRITE_NO_ROOM;
		return;
	}
	memcpy(writer->ptr + writer->len, bytes, count);
	writer->len += count;
}

#define PUT_LITERAL(writer, text) put((writer), (text), sizeof(text) - 1)

/* A whole line, with one look at the room that is left; inlined where the name is a literal. */
static inline void
put_line(struct http_writer *writer, const char *name, size_t name_bytes, struct http_slice value)
{
	size_t count = name_bytes + value.len + 2;
	char *at = writer->ptr + writer->len;

	if (writer->fault != HTTP_WRITE_OK)
		return;
	if (count > writer->size - writer->len) {
		writer->fault = HTTP_WRITE_NO_ROOM;
		return;
	}
	memcpy(at, name, name_bytes);
	memcpy(at + name_bytes, value.ptr, value.len);
	memcpy(at + name_bytes + value.len, "\r\n", 2);
	writer->len += count;
}

#define PUT_LINE(writer, name, value) put_line((writer), (name), sizeof(name) - 1, (value))

static void
put_status_line(struct http_writer *writer, unsigned status)
{
	char digits[] = "HTTP/1.1 000 ";
	const char *reason = http_reason(status);

	assert(status >= 100 && status <= 599);
	digits[9] = (char)('0' + status / 100);
	digits[10] = (char)('0' + status / 10 % 10);
	digits[11] = (char)('0' + status % 10);
	put_line(writer, digits, sizeof(digits) - 1, http_slice_of(reason));
}

static void
put_content_length(struct http_writer *writer, uint64_t content_length)
{
	char digits[NUMBER_BYTES_MAX];

	PUT_LINE(writer, "Content-Length: ",
	    ((struct http_slice){ .ptr = digits, .len = number_format(content_length, digits) }));
}

void
http_write_ours(struct http_writer *writer, const char *name, size_t name_bytes, struct http_slice value)
{
	put_line(writer, name, name_bytes, value);
}

void
http_write_begin(struct http_writer *writer, struct http_span room,
    const struct http_response *response)
{
	unsigned status = response->status;

	/* HTTP/1.0 knows no chunks: its body ends with the connection. */
	assert(!response->is_chunked || response->minor_version == 1 || !response->keep_alive);
	*writer = (struct http_writer){ .ptr = room.ptr, .size = room.len };
	put_status_line(writer, status);
	if (response->date.ptr != NULL)
		PUT_LINE(writer, "Date: ", response->date);
	if (!response->keep_alive)
		PUT_LITERAL(writer, "Connection: close\r\n");
	else if (response->minor_version == 0)
		PUT_LITERAL(writer, "Connection: keep-alive\r\n");
	if (response->our_type.ptr != NULL)
		PUT_LINE(writer, "Content-Type: ", response->our_type);
	else if (response->content_type.ptr != NULL)
		http_write_field(writer, "Content-Type", response->content_type);
	if (status < 200 || status == 204 || status == 304)
		return;
	if (!response->is_chunked)
		put_content_length(writer, response->content_length);
	else if (response->minor_version == 1)
		PUT_LITERAL(writer, "Transfer-Encoding: chunked\r\n");
}

void
http_write_field(struct http_writer *writer, const char *name, struct http_slice value)
{
	http_write_field_named(writer, http_slice_of(name), value);
}

void
http_write_field_number(struct http_writer *writer, const char *name, uint64_t number)
{
	char digits[NUMBER_BYTES_MAX];
	size_t count = number_format(number, digits);

	http_write_field(writer, name, (struct http_slice){ .ptr = digits, .len = count });
}

static bool
is_token(struct http_slice name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!http_is(HTTP_CLASS_TOKEN, name.ptr[i]))
			return false;
	return name.len > 0;
}

void
http_write_field_named(struct http_writer *writer, struct http_slice name,
    struct http_slice value)
{
	const char *end = value.ptr + value.len;

	if (writer->fault != HTTP_WRITE_OK)
		return;
	if (!is_token(name) || http_find_ctl(value.ptr, end) != end) {
		writer->fault = HTTP_WRITE_BAD_FIELD;
		return;
	}
	put(writer, name.ptr, name.len);
	PUT_LITERAL(writer, ": ");
	put(writer, value.ptr, value.len);
	PUT_LITERAL(writer, "\r\n");
}

enum http_write_fault
http_write_end(struct http_writer *writer)
{
	PUT_LITERAL(writer, "\r\n");
	return writer->fault;
}

size_t
http_write_chunk_size(char out[18], uint64_t bytes)
{
	size_t len = 1;

	/* A chunk of 0 would end the body. */
	assert(bytes > 0);
	while (len < 16 && bytes >> 4 * len != 0)
		len++;
	for (size_t i = 0; i < len; i++)
		out[i] = "0123456789abcdef"[bytes >> 4 * (len - 1 - i) & 0xf];
	memcpy(out + len, "\r\n", 2);
	return len + 2;
}
