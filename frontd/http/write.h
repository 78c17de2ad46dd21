#ifndef FRONTD_HTTP_WRITE_H
#define FRONTD_HTTP_WRITE_H

/*
 * write: the bytes of a response head, into the caller's buffer.  A fault sticks: the calls after
 * it do nothing, and http_write_end() tells it, so that only one place has to look.
 *
 *	http_write_begin(&writer, room, &response);
 *	http_write_field(&writer, "Location", location);
 *	fault = http_write_end(&writer);                -> writer.len bytes at room.ptr
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frontd/http/slice.h"

enum http_write_fault {
	HTTP_WRITE_OK,
	HTTP_WRITE_NO_ROOM,
	HTTP_WRITE_BAD_FIELD            /* a name that is no token, or a CTL in a value */
};

struct http_writer {
	char			*ptr;
	size_t			 size;
	size_t			 len;           /* written so far */
	enum http_write_fault	 fault;
};

struct http_response {
	unsigned		status;
	unsigned		minor_version;  /* of the request: 1.0 must be told of keep-alive */
	bool			keep_alive;
	bool			is_chunked;     /* else content_length; 204 and 304 get neither */
	uint64_t		content_length;
	struct http_slice	content_type;   /* ptr == NULL: none */
	struct http_slice	our_type;       /* instead of content_type: not checked again */
	struct http_slice	date;           /* ptr == NULL: none; see http_date_format() */
};

/* Complete bytes of the interim answer. */
#define HTTP_CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"

/* What follows the last chunk of a chunked body. */
#define HTTP_LAST_CHUNK "0\r\n\r\n"

/* Status line, Date, Connection, Content-Type, and Content-Length or Transfer-Encoding. */
void http_write_begin(struct http_writer *writer, struct http_span room,
    const struct http_response *response);

/* One more field.  The value may hold tab and bytes >= 0x80, no other CTL. */
void http_write_field(struct http_writer *writer, const char *name, struct http_slice value);
void http_write_field_number(struct http_writer *writer, const char *name, uint64_t number);

/* One whose name and value are our own text: not checked again.  `name` is a literal, as in "Location: ". */
#define HTTP_WRITE_OURS(writer, name, value) http_write_ours((writer), (name), sizeof(name) - 1, (value))
void http_write_ours(struct http_writer *writer, const char *name, size_t name_bytes, struct http_slice value);

/* The same for a name that is not ours (Mq-Attr-*, ce-*). */
void http_write_field_named(struct http_writer *writer, struct http_slice name,
    struct http_slice value);

/* The empty line.  After a fault the buffer's content is meaningless. */
enum http_write_fault http_write_end(struct http_writer *writer);

/*
 * Size line of a chunk ("1f\r\n") of bytes > 0; the caller puts CRLF behind its bytes.  Returns
 * its length <= 18.
 */
size_t http_write_chunk_size(char out[18], uint64_t bytes);

#endif
