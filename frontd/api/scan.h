/*
 * scan: a strict pull reader of JSON text (RFC 8259) whose root is an object or an array.  It allocates nothing and keeps
 * nothing but its place, so a copy of it reads the same text again from there.  Every byte is looked at once, eight at a time
 * inside strings, and strings are given as they stand in the text:
 *
 *	scan_begin(&scan, text, 1);
 *	if (scan_value(&scan, &value) && value.kind == SCAN_OBJECT)
 *		while (scan_next(&scan))                     one member: scan.name, then
 *			if (scan_value(&scan, &value)) ...   its value: a scalar, or an object or array that is now open
 *	scan_rest(&scan);                                    whatever was not read is checked too
 *	if (scan.problem != NULL) ...                        the first thing that was wrong, at scan_place()
 *
 * Refused are: what the grammar does not have, strings that are not UTF-8 or hold control characters, halves of surrogate
 * pairs, U+0000 in names (in values it is a character like others), numbers that fit into no int64_t or double, and more than
 * SCAN_DEPTH_MAX open brackets.  A name that comes twice is for the caller to find: scan_fail().  After a problem every call
 * returns false.
 */
#ifndef FRONTD_API_SCAN_H
#define FRONTD_API_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frontd/http/slice.h"

#define SCAN_DEPTH_MAX 16

/* A string, borrowed from the text. */
struct scan_string {
	const char *at;        /* behind its opening quote; NULL: absent */
	size_t raw_bytes;      /* up to the closing one */
	size_t bytes;          /* of UTF-8 it stands for; less than raw_bytes if and only if it has escapes */
	bool has_nul;
};

enum scan_kind { SCAN_OBJECT, SCAN_ARRAY, SCAN_STRING, SCAN_WHOLE, SCAN_REAL, SCAN_BOOL, SCAN_NULL };

struct scan_value {
	enum scan_kind kind;
	union {
		struct scan_string string;
		int64_t whole;
		double real;
		bool is_true;
	};
};

struct scan {
	struct scan_string name;  /* of the member that scan_next() came to */
	const char *problem;      /* NULL: none so far */

	/* Inside. */
	const char *at, *begin, *end;
	unsigned line;            /* of begin */
	uint32_t depth;           /* open brackets */
	uint32_t objects;         /* a bit for each, the innermost lowest: is it a brace? */
	bool is_first;            /* nothing was read of the innermost */
	bool is_due;              /* a value has to come */
};

/* The text is borrowed as long as the scanner, its copies and what they gave are used. */
void scan_begin(struct scan *scan, struct http_slice text, unsigned line);

/* On to the next member or element of the innermost open object or array; false: it ended and is closed, or a problem. */
bool scan_next(struct scan *scan);

/* The value that is due.  An object or an array is open then. */
bool scan_value(struct scan *scan, struct scan_value *value);

/* Read on until no more is open than this: past the value just opened with depth = scan.depth - 1. */
bool scan_leave(struct scan *scan, uint32_t depth);

/* All that is left, to the end of the text. */
bool scan_rest(struct scan *scan);

/* The caller found something wrong with what was read last.  Returns false. */
bool scan_fail(struct scan *scan, const char *problem);

/* Where the scanner stands, both from 1; columns are characters. */
struct scan_place {
	unsigned line, column;
};
struct scan_place scan_place(const struct scan *scan);

/* The string without its escapes; out has room for string->bytes. */
void scan_copy(const struct scan_string *string, char *out);

/* The same as slice: of the text where it has no escapes, else copied into room.  Absent (ptr NULL) if it does not fit. */
struct http_slice scan_text(const struct scan_string *string, struct http_span room);

/* Is it this word, which has at most 64 bytes? */
bool scan_is(const struct scan_string *string, const char *word);

#endif
