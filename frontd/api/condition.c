#include "frontd/api/condition.h"

#define ETAG_BYTES 18 /* 16 hexadecimal digits in quotes */

static void
etag_format(uint64_t etag, char out[ETAG_BYTES])
{
	out[0] = '"';
	for (int i = 0; i < 16; i++)
		out[1 + i] = "0123456789abcdef"[etag >> (60 - 4 * i) & 15];
	out[17] = '"';
}

static bool
etag_parse(struct http_slice text, uint64_t *etag)
{
	char again[ETAG_BYTES];

	if (text.len != ETAG_BYTES)
		return false;
	*etag = 0;
	for (size_t i = 1; i < ETAG_BYTES - 1; i++) {
		char c = text.ptr[i];
		*etag = *etag << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	etag_format(*etag, again);
	return memcmp(again, text.ptr, ETAG_BYTES) == 0;
}

static bool
take_match(struct api_call *call, struct http_slice match, struct condition *condition)
{
	if (http_slice_is(match, "*")) {
		if (call->memo.route->method != HTTP_PUT)
			return true; /* to change what is not there is a 404 anyway */
		return api_refuse(call, OUTCOME_NOT_SUPPORTED, "If-Match: * on PUT; give the ETag");
	}
	if (memchr(match.ptr, ',', match.len) != NULL)
		return api_refuse(call, OUTCOME_NOT_SUPPORTED, "If-Match: a list; give one ETag");
	/* A tag that we never gave out matches nothing; 0 is none of ours. */
	if (!etag_parse(match, &condition->etag))
		condition->etag = 0;
	condition->what = CONDITION_IF_MATCH;
	return true;
}

bool
condition_take(struct api_call *call, struct condition *condition)
{
	struct http_slice match = call->request->known[HTTP_IF_MATCH];
	struct http_slice none = call->request->known[HTTP_IF_NONE_MATCH];

	*condition = (struct condition){ .what = CONDITION_NONE };
	if (match.ptr != NULL && none.ptr != NULL)
		return api_refuse(call, OUTCOME_BAD_HEADER,
		    "If-Match and If-None-Match exclude each other");
	if (none.ptr != NULL &&
	    (!http_slice_is(none, "*") || call->memo.route->method == HTTP_DELETE))
		return api_refuse(call, OUTCOME_BAD_HEADER,
		    "If-None-Match: only * on PUT and PATCH means something");
	if (none.ptr != NULL)
		condition->what = CONDITION_IF_ABSENT;
	return match.ptr == NULL || take_match(call, match, condition);
}

void
condition_take_known(struct api_call *call)
{
	struct http_slice none = call->request->known[HTTP_IF_NONE_MATCH];

	/* A proxy that compressed made it weak, which is enough here. */
	if (none.len > 2 && memcmp(none.ptr, "W/", 2) == 0) {
		none.ptr += 2;
		none.len -= 2;
	}
	if (none.ptr == NULL || !etag_parse(none, &call->memo.etag))
		call->memo.etag = 0;
}

bool
condition_is_known(const struct api_memo *memo, uint64_t etag)
{
	return memo->etag != 0 && memo->etag == etag;
}

void
condition_put_etag(struct answer *answer, uint64_t etag)
{
	char text[ETAG_BYTES];

	etag_format(etag, text);
	http_write_field(&answer->head, "ETag", (struct http_slice){ text, sizeof(text) });
}
