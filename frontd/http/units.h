#ifndef FRONTD_HTTP_UNITS_H
#define FRONTD_HTTP_UNITS_H

/*
 * units: numbers, durations, sizes and times as people and clients write them.  The parsers take
 * the whole slice or nothing: no blanks, no sign, no fraction, nothing that overflows; false
 * leaves the result untouched.  The formatters return the length and put no NUL behind it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frontd/http/slice.h"

enum {
	NUMBER_BYTES_MAX = 20,
	DURATION_BYTES_MAX = 22,
	RFC3339_BYTES = 24,
	HTTP_DATE_BYTES = 29
};

/* 9999-12-31T23:59:59.999Z: the last time that can be written. */
#define TIME_MS_MAX UINT64_C(253402300799999)

/* Digits only, at most 2^63 - 1. */
bool number_parse(struct http_slice text, uint64_t *number);
size_t number_format(uint64_t number, char out[NUMBER_BYTES_MAX]);

/* "250ms", "30s", "5m", "12h", "7d"; always with its unit; at most 2^63 - 1 ms. */
bool duration_parse(struct http_slice text, uint64_t *ms);

/* In the largest unit that divides it: 90000 -> "90s", 0 -> "0s". */
size_t duration_format(uint64_t ms, char out[DURATION_BYTES_MAX]);

/* "65536", "64KiB", "1MiB", "2GiB", "1TiB". */
bool size_parse(struct http_slice text, uint64_t *bytes);

/*
 * RFC 3339 date-time, 1970 to 9999, as ms since the epoch.  "Z" or an offset; a fraction of 1 to
 * 9 digits is cut to ms; a leap second is refused.
 */
bool rfc3339_parse(struct http_slice text, uint64_t *time_ms);

/* "2026-01-31T08:15:00.042Z"; asserts time_ms <= TIME_MS_MAX. */
size_t rfc3339_format(uint64_t time_ms, char out[RFC3339_BYTES]);

/* "Sat, 31 Jan 2026 08:15:00 GMT", for the Date header; asserts time_ms <= TIME_MS_MAX. */
size_t http_date_format(uint64_t time_ms, char out[HTTP_DATE_BYTES]);

#endif
