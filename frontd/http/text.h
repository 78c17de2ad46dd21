#ifndef FRONTD_HTTP_TEXT_H
#define FRONTD_HTTP_TEXT_H

/*
 * text: bytes as UTF-8, as JSON strings and as base64.  The writers return the number of bytes
 * written, or TEXT_FAILED when they do not fit or the input is not what it should be; then out
 * holds rubbish.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frontd/http/slice.h"

#define TEXT_FAILED SIZE_MAX

/*
 * Well-formed UTF-8 (RFC 3629: no surrogates, nothing overlong, nothing above U+10FFFF)?  8 ASCII
 * bytes a step.
 */
bool text_is_utf8(struct http_slice text);

/* Behind the blocks of 64 bytes at `at` that hold printable ASCII only, no quote and no backslash. */
const char *text_skip_plain(const char *at, const char *end);

/* Bytes of the character at text, of which there are count > 0; 0 when it is not well-formed UTF-8. */
size_t text_sequence_bytes(const char *text, size_t count);

/*
 * The inside of a JSON string, without the quotes (RFC 8259).  The text must be valid UTF-8,
 * which is not checked.  6 * text.len bytes of room always suffice; text that needs no escape
 * takes text.len.
 */
size_t text_json_escape(struct http_slice text, struct http_span out);

/* Bytes of base64 for count bytes. */
#define TEXT_BASE64_BYTES(count) (((count) + 2) / 3 * 4)

/* Standard alphabet, padded. */
size_t text_base64_encode(struct http_slice bytes, struct http_span out);

/*
 * Strict: standard alphabet, padding required, unused bits zero, no blanks.  So each value has
 * one spelling. text.len / 4 * 3 bytes of room always suffice.  Decoding in place (out.ptr ==
 * text.ptr) is allowed.
 */
size_t text_base64_decode(struct http_slice text, struct http_span out);

#endif
