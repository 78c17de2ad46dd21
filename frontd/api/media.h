/*
 * media: what a client sends and what it wants back: Content-Type, Accept, Prefer.
 */
#ifndef FRONTD_API_MEDIA_H
#define FRONTD_API_MEDIA_H

#include <stdbool.h>
#include <stdint.h>

#include "frontd/http/parse.h"

/* Is a Content-Type this media type ("application/json"), whatever its parameters? */
bool media_is(struct http_slice content_type, const char *type);

/* How welcome a media type is by all Accept fields together: 0 (not at all) to 1000; 1000 without Accept, or when it is empty. */
unsigned media_quality(const struct http_request *request, const char *type);

/* Is it named in Accept in full, not by a wildcard, and not refused? */
bool media_is_named(const struct http_request *request, const char *type);

/* Prefer: wait=N in seconds.  False: there is none. */
bool media_prefers_wait(const struct http_request *request, uint64_t *seconds);

#endif
