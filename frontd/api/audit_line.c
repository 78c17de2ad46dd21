#include "frontd/api/audit_line.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "frontd/api/ids.h"
#include "frontd/api/people/principal.h"
#include "frontd/http/text.h"
#include "frontd/http/units.h"

bool
audit_is_admin(const struct api_route *route)
{
	if (route->method == HTTP_GET || route->method == HTTP_HEAD || route->method == HTTP_OPTIONS)
		return false;
	return route->right != RIGHT_NONE && route->right != RIGHT_PUBLISH && route->right != RIGHT_CONSUME &&
	    route->right != RIGHT_BROWSE;
}

bool
audit_is_probe(const struct api_route *route)
{
	return strncmp(route->pattern, "/v1/", 4) != 0;
}

bool
audit_is_failure(unsigned status, const char *code)
{
	return status == 401 || status == 403 || code == outcome_text(OUTCOME_TOO_MANY_LOGINS)->slug;
}

/* As much of text as there is room for, not cut within a character. */
static uint16_t
take_text(char *into, size_t room, struct http_slice text)
{
	size_t len = text.len < room ? text.len : room;

	while (len > 0 && len < text.len && ((unsigned char)text.ptr[len] & 0xc0) == 0x80)
		len--;
	if (len != 0) /* what is not there has no address, which memcpy() may not be given */
		memcpy(into, text.ptr, len);
	return (uint16_t)len;
}

/* A token or a session's secret, not its id. */
static bool
looks_secret(struct http_slice text)
{
	return text.len >= 40 && (memcmp(text.ptr, "mq_", 3) == 0 || memcmp(text.ptr, "mqs_", 4) == 0);
}

/* What stands in the path where the pattern has {..}, with a slash between. */
void
audit_note_take(struct audit_note *note, const struct api_call *call)
{
	const struct api_route *route = call->memo.route;
	const struct http_target *target = call->target;
	size_t segment = 0;

	*note = (struct audit_note){ .method = call->request->method, .pattern = route != NULL ? route->pattern : NULL };
	struct http_slice user = call->principal != NULL ? call->principal->name : call->tried;
	note->is_tried = call->principal == NULL && user.ptr != NULL;
	note->user_bytes = (uint8_t)take_text(note->user, sizeof(note->user), user);
	note->credential = call->principal != NULL ? call->principal->credential_id : 0;
	for (const char *at = note->pattern; at != NULL && (at = strchr(at, '/')) != NULL; segment++) {
		if (*++at != '{' || segment >= target->segment_count)
			continue;
		if (note->object_bytes != 0 && note->object_bytes < AUDIT_OBJECT_BYTES)
			note->object[note->object_bytes++] = '/';
		struct http_slice text = target->segments[segment];
		note->object_bytes += take_text(note->object + note->object_bytes, AUDIT_OBJECT_BYTES - note->object_bytes,
		    looks_secret(text) ? HTTP_LITERAL("(secret)") : text);
	}
}

/* ---- the line ---- */

/* Where it is written; the room was reckoned to suffice. */
struct pen {
	char *at;
	char *end;
};

static void
pen_text(struct pen *pen, const char *text)
{
	size_t len = strlen(text);

	assert((size_t)(pen->end - pen->at) >= len);
	pen->at = mempcpy(pen->at, text, len);
}

static void
pen_string(struct pen *pen, struct http_slice text)
{
	pen_text(pen, "\"");
	size_t written = text_json_escape(text, (struct http_span){ .ptr = pen->at, .len = (size_t)(pen->end - pen->at) });
	assert(written != TEXT_FAILED);
	pen->at += written;
	pen_text(pen, "\"");
}

static void
pen_number(struct pen *pen, uint64_t number)
{
	assert(pen->end - pen->at >= NUMBER_BYTES_MAX);
	pen->at += number_format(number, pen->at);
}

static void
pen_begin(struct pen *pen, uint64_t time_ms)
{
	pen_text(pen, "{\"time\":\"");
	assert(pen->end - pen->at >= RFC3339_BYTES);
	pen->at += rfc3339_format(time_ms < TIME_MS_MAX ? time_ms : TIME_MS_MAX, pen->at);
	pen_text(pen, "\"");
}

/* A member that is a text, or null. */
static void
pen_member(struct pen *pen, const char *name, struct http_slice text)
{
	pen_text(pen, name);
	if (text.ptr == NULL || !text_is_utf8(text))
		pen_text(pen, "null");
	else
		pen_string(pen, text);
}

_Static_assert(6 * (AUDIT_OBJECT_BYTES + NAME_MAX_BYTES) + 520 <= AUDIT_LINE_BYTES_MAX, "six bytes for each, escaped");

size_t
audit_line_format(const struct audit_line *line, char out[AUDIT_LINE_BYTES_MAX])
{
	struct pen pen = { .at = out, .end = out + AUDIT_LINE_BYTES_MAX };
	static const struct http_slice none = { .ptr = NULL };

	pen_begin(&pen, line->time_ms);
	pen_member(&pen, ",\"request\":", http_slice_of(line->request));
	pen_member(&pen, ",\"user\":", line->user);
	if (line->tried.ptr != NULL)
		pen_member(&pen, ",\"tried\":", line->tried);
	char credential[ID_BYTES];
	id_format(line->credential, credential);
	pen_member(&pen, ",\"credential\":", line->credential == 0 ? none : (struct http_slice){ credential, sizeof(credential) });
	pen_member(&pen, ",\"from\":", line->from[0] == '\0' ? none : http_slice_of(line->from));
	pen_text(&pen, ",\"verb\":\"");
	pen_text(&pen, http_method_name(line->method));
	pen_text(&pen, " ");
	pen_text(&pen, line->pattern != NULL ? line->pattern : "-");
	pen_text(&pen, "\"");
	pen_member(&pen, ",\"object\":", line->object.len == 0 ? none : line->object);
	pen_text(&pen, ",\"status\":");
	pen_number(&pen, line->status);
	pen_member(&pen, ",\"code\":", http_slice_of(line->code));
	pen_text(&pen, "}\n");
	return (size_t)(pen.at - out);
}

size_t
audit_gap_format(uint64_t time_ms, uint64_t count, const char *why, char out[AUDIT_LINE_BYTES_MAX])
{
	struct pen pen = { .at = out, .end = out + AUDIT_LINE_BYTES_MAX };

	pen_begin(&pen, time_ms);
	pen_member(&pen, ",\"event\":\"lines-left-out\",\"why\":", http_slice_of(why));
	pen_text(&pen, ",\"count\":");
	pen_number(&pen, count);
	pen_text(&pen, "}\n");
	return (size_t)(pen.at - out);
}
