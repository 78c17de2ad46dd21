#ifndef FRONTD_HTTP_CHUNK_H
#define FRONTD_HTTP_CHUNK_H

/*
 * chunk: the decoder of a chunked body.  It may be stopped after any byte and goes on with the
 * next; trailers are checked like header fields and dropped.  Content costs a memmove.
 *
 *	SIZE -> [EXTENSION] -> SIZE_LF -> DATA -> DATA_CR -> DATA_LF -> SIZE     (size > 0)
 *	                          \-> TRAILER_START ... -> LAST_LF -> DONE       (size = 0)
 */

#include <stddef.h>
#include <stdint.h>

#include "frontd/http/result.h"
#include "frontd/http/slice.h"

enum {
	HTTP_CHUNK_DIGITS_MAX = 8,
	HTTP_CHUNK_EXTENSION_MAX = 256, /* all of a message, with their ';' */
	HTTP_TRAILER_MAX = 4 * 1024     /* all of a message, with their line ends */
};

struct http_chunk {
	uint64_t	body_bytes;     /* decoded so far; the caller may read this */
	uint64_t	body_max;
	uint32_t	size;           /* bytes of this chunk that are still to come */
	uint16_t	extension_bytes;
	uint16_t	trailer_bytes;
	uint8_t		trailer_count;
	uint8_t		digit_count;
	uint8_t		name_len;
	uint8_t		state;
	char		name[18];       /* start of a trailer's name: enough to forbid some */
};

/* A decoder for one body of at most body_max bytes. */
void http_chunk_init(struct http_chunk *chunk, uint64_t body_max);

/*
 * Decodes from *in to *out and moves both behind what was used.
 *	HTTP_NEED_MORE	in is used up, or (when in->len > 0) out is full
 *	HTTP_DONE	the body is whole; in begins with what follows it.  Do not call again
 *	otherwise	refused; HTTP_BODY_TOO_LARGE as soon as a chunk promises too much
 * Decoding in place is allowed: out->ptr may be in->ptr, the output never overtakes the input.
 */
enum http_result http_chunk_decode(struct http_chunk *chunk, struct http_slice *in,
    struct http_span *out);

#endif
