#ifndef FRONTD_HTTP_FIELD_H
#define FRONTD_HTTP_FIELD_H

/*
 * field: one header line, and what the fields of a request mean together.  The parts of the head
 * parser; only parse.c calls them.
 */

#include "frontd/http/parse.h"

/*
 * Reads the field line at *cursor and moves *cursor behind its CRLF.  The bytes up to end hold a
 * line end, and each LF in them follows a CR.  DONE or a refusal.
 */
enum http_result http_field_parse(const char **cursor, const char *end, struct http_field *field);

/* A host name or address with an optional port, and nothing else? */
bool http_host_is_valid(struct http_slice host);

/* Is word (lower case) an element of this comma-separated list, in any case? */
bool http_list_has(struct http_slice list, const char *word);

/*
 * Transfer-Encoding: DONE for exactly "chunked"; another well-formed list of codings is unknown
 * (501); anything else, chunked twice included, is bad (400).
 */
enum http_result http_codings_check(struct http_slice codings);

#endif
