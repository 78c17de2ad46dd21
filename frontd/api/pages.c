#include "frontd/api/pages.h"

#include <assert.h>

#include "frontd/http/units.h"

#define LIMIT_DEFAULT 100
#define PATH_BYTES_MAX (64 + NAME_MAX_BYTES)

static bool
take_cursor(const struct api_call *call, struct http_slice text, struct page *page)
{
	struct cursor cursor = { .uid = page->uid, .list = page->list };

	if (!cursor_open(call->world->cursor_key, text, &cursor))
		return false;
	page->place = cursor.place;
	return true;
}

bool
pages_take(struct api_call *call, enum cursor_list list, uint64_t place_end, struct page *page)
{
	struct http_slice limit = http_target_param(call->target, "limit");
	struct http_slice cursor = http_target_param(call->target, "cursor");
	uint64_t number = LIMIT_DEFAULT;

	*page = (struct page){ .list = list, .uid = call->principal->uid,
		.prefix = http_target_param(call->target, "prefix") };
	if (limit.ptr != NULL &&
	    (!number_parse(limit, &number) || number < 1 || number > PAGE_LIMIT_MAX))
		return api_refuse(call, OUTCOME_BAD_QUERY, "limit: 1 to %d", PAGE_LIMIT_MAX);
	if (cursor.ptr != NULL &&
	    (!take_cursor(call, cursor, page) || page->place >= place_end))
		return api_refuse(call, OUTCOME_BAD_QUERY,
		    "cursor: only as given in Link, to this user, by this list");
	if (page->prefix.len != 0 && !api_name_is_valid(page->prefix))
		return api_refuse(call, OUTCOME_BAD_QUERY, "prefix: the beginning of a name");
	page->limit = (uint32_t)number;
	return true;
}

void
pages_put_next(struct answer *answer, const struct api_world *world, const char *path,
    const struct page *page, uint64_t place)
{
	const struct cursor cursor = { .place = place, .uid = page->uid, .list = page->list };
	char link[PATH_BYTES_MAX + 64 + CURSOR_BYTES + NUMBER_BYTES_MAX + NAME_MAX_BYTES],
	    *at = link;

	assert(strlen(path) <= PATH_BYTES_MAX);
	*at++ = '<';
	at = stpcpy(at, path);
	*at++ = strchr(path, '?') != NULL ? '&' : '?';
	at = stpcpy(at, "cursor=");
	cursor_seal(world->cursor_key, &cursor, at);
	at += CURSOR_BYTES;
	at = stpcpy(at, "&limit=");
	at += number_format(page->limit, at);
	if (page->prefix.len != 0) {
		at = stpcpy(at, "&prefix=");
		at = mempcpy(at, page->prefix.ptr, page->prefix.len);
	}
	at = stpcpy(at, ">; rel=\"next\"");
	assert(at < link + sizeof(link));
	http_write_field(&answer->head, "Link", (struct http_slice){ link, (size_t)(at - link) });
}
