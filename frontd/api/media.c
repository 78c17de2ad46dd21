#include "frontd/api/media.h"

#include "frontd/http/units.h"

static struct http_slice
trim(struct http_slice text)
{
	while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t')) {
		text.ptr++;
		text.len--;
	}
	while (text.len > 0 && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t'))
		text.len--;
	return text;
}

/* Cuts the part before the first `separator` off *rest. */
static struct http_slice
cut(struct http_slice *rest, char separator)
{
	const char *found = rest->len == 0 ? NULL : memchr(rest->ptr, separator, rest->len);
	struct http_slice part = *rest;

	if (found == NULL) {
		rest->ptr += rest->len;
		rest->len = 0;
	} else {
		part.len = (size_t)(found - rest->ptr);
		rest->ptr += part.len + 1;
		rest->len -= part.len + 1;
	}
	return trim(part);
}

bool
media_is(struct http_slice content_type, const char *type)
{
	size_t len = strlen(type);

	/* '/', '.' and '+' have bit 5 set, so the fold of http_slice_folds() is exact for them too. */
	if (content_type.ptr == NULL || content_type.len < len || !http_slice_folds(content_type, type, len))
		return false;
	/* Parameters may follow; blanks before the type are gone with the field's. */
	while (len < content_type.len && (content_type.ptr[len] == ' ' || content_type.ptr[len] == '\t'))
		len++;
	return len == content_type.len || content_type.ptr[len] == ';';
}

/* "0.25" -> 250.  What is no quality counts as 1000. */
static unsigned
parse_quality(struct http_slice text)
{
	unsigned quality = 0, unit = 1000;

	for (size_t i = 0; i < text.len && i < 5; i++) {
		if (text.ptr[i] == '.')
			continue;
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return 1000;
		quality += unit * (unsigned)(text.ptr[i] - '0');
		unit /= 10;
	}
	return quality < 1000 ? quality : 1000;
}

/* How exactly a media range covers the type: 3 in full, 2 by "type/\*", 1 by "*\/\*", 0 not. */
static unsigned
range_covers(struct http_slice range, const char *type)
{
	size_t major = strcspn(type, "/");

	if (http_slice_is(range, "*/*"))
		return 1;
	if (range.len == strlen(type) && http_slice_folds(range, type, range.len))
		return 3;
	if (range.len == major + 2 && range.ptr[major] == '/' && range.ptr[major + 1] == '*' &&
	    http_slice_folds(range, type, major))
		return 2;
	return 0;
}

/* The most exact range that covers the type, and its quality. */
static unsigned
best_cover(const struct http_request *request, const char *type, unsigned *quality)
{
	const struct http_field *field;
	unsigned best = 0;
	size_t from = 0;

	*quality = 0;
	while ((field = http_next_field(request, "accept", &from)) != NULL) {
		struct http_slice rest = field->value;

		while (rest.len > 0) {
			struct http_slice element = cut(&rest, ',');
			unsigned covers = range_covers(cut(&element, ';'), type), q = 1000;

			while (element.len > 0) {
				struct http_slice param = cut(&element, ';');
				if (http_slice_folds(param, "q", 1) && param.len > 2 && param.ptr[1] == '=')
					q = parse_quality((struct http_slice){ param.ptr + 2, param.len - 2 });
			}
			if (covers > best) {
				best = covers;
				*quality = q;
			}
		}
	}
	return best;
}

unsigned
media_quality(const struct http_request *request, const char *type)
{
	unsigned quality;

	if (request->known[HTTP_ACCEPT].len == 0) /* some send it empty and mean none */
		return 1000;
	best_cover(request, type, &quality);
	return quality;
}

bool
media_is_named(const struct http_request *request, const char *type)
{
	unsigned quality;

	if (request->known[HTTP_ACCEPT].ptr == NULL)
		return false;
	return best_cover(request, type, &quality) == 3 && quality > 0;
}

bool
media_prefers_wait(const struct http_request *request, uint64_t *seconds)
{
	const struct http_field *field;
	size_t from = 0;

	if (request->known[HTTP_PREFER].ptr == NULL)
		return false;
	while ((field = http_next_field(request, "prefer", &from)) != NULL) {
		struct http_slice rest = field->value;

		while (rest.len > 0) {
			struct http_slice element = cut(&rest, ',');
			struct http_slice name = cut(&element, '=');
			struct http_slice value = cut(&element, ';');
			if (http_slice_is_word(name, "wait") && number_parse(value, seconds))
				return true;
		}
	}
	return false;
}
