/*
 * audit_line: what of a request goes into the audit log, and how it is written there.  docs/security.md has the fields.  No
 * I/O here: frontd/audit writes.
 *
 * Nothing of a body, a query or a header gets into a line, so no secret does: the path's wildcards are names and ids.  Who
 * puts a token where its id belongs does not find it in the log either.
 */
#ifndef FRONTD_API_AUDIT_LINE_H
#define FRONTD_API_AUDIT_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frontd/api/call.h"
#include "frontd/http/slice.h"

#define AUDIT_OBJECT_BYTES 192     /* longer ones are cut; names are not that long */
#define AUDIT_REQUEST_BYTES 40     /* "19b2f0c3a41.0.1523" */
#define AUDIT_LINE_BYTES_MAX 2560

/* What is known when the request comes and gone when it is answered. */
struct audit_note {
	enum http_method method;
	const char *pattern;       /* of its route; NULL: it has none */
	uint64_t credential;       /* id of the token or session; 0: none */
	uint16_t object_bytes;
	uint8_t user_bytes;
	bool is_tried;             /* the user is who somebody said he is, and nothing proved it */
	char object[AUDIT_OBJECT_BYTES];
	char user[NAME_MAX_BYTES];
};

struct audit_line {
	uint64_t time_ms;
	const char *request;       /* its id */
	struct http_slice user;    /* ptr NULL: nobody was let in */
	struct http_slice tried;   /* ptr NULL: no name was given; else of a login that was refused */
	uint64_t credential;       /* 0: none, or a password */
	const char *from;          /* "" when not known */
	enum http_method method;
	const char *pattern;
	struct http_slice object;  /* len 0: the route names none */
	unsigned status;
	const char *code;
};

/* True for what changes something that is not a message: queues, users, credentials, grants. */
bool audit_is_admin(const struct api_route *route);

/* True for what a health check asks: nobody wants a line for each. */
bool audit_is_probe(const struct api_route *route);

/* True for refusals that are written down whatever was asked. */
bool audit_is_failure(unsigned status, const char *code);

/* From a call whose target was parsed. */
void audit_note_take(struct audit_note *note, const struct api_call *call);

/* One line with its LF, at most AUDIT_LINE_BYTES_MAX.  Its length. */
size_t audit_line_format(const struct audit_line *line, char out[AUDIT_LINE_BYTES_MAX]);

/* A line about the log itself: `count` lines were left out, and why. */
size_t audit_gap_format(uint64_t time_ms, uint64_t count, const char *why, char out[AUDIT_LINE_BYTES_MAX]);

#endif
