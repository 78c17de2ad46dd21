#include "tests/harness/exposition.h"

#include <check.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_BYTES = 600, NONE = UINT32_MAX };

struct reading {
	struct exposition_page *page;
	unsigned family; /* that is open, NONE at first */
	bool is_over; /* # EOF was there */
};

static bool __attribute__((format(printf, 2, 3)))
complain(struct exposition_page *page, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(page->complaint, sizeof(page->complaint), format, arguments);
	va_end(arguments);
	return false;
}

static size_t
name_bytes(const char *text)
{
	size_t len = 0;

	while (isalpha((unsigned char)text[len]) || text[len] == '_' || text[len] == ':' ||
	    (len > 0 && isdigit((unsigned char)text[len])))
		len++;
	return len;
}

static bool
ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

const struct exposition_family *
exposition_find(const struct exposition_page *page, const char *name)
{
	for (unsigned i = 0; i < page->family_count; i++)
		if (strcmp(page->families[i].name, name) == 0)
			return &page->families[i];
	return NULL;
}

/* ---- comments ---- */

/* The family that this line is about: the one that is open, or a new one. */
static struct exposition_family *
family_of(struct reading *reading, const char *name)
{
	struct exposition_page *page = reading->page;

	if (reading->family != NONE && strcmp(page->families[reading->family].name, name) == 0) {
		if (page->families[reading->family].samples == 0)
			return &page->families[reading->family];
		complain(page, "%s is described after its samples", name);
		return NULL;
	}
	if (exposition_find(page, name) != NULL || page->family_count == EXPOSITION_FAMILIES) {
		complain(page, "%s comes a second time, or there is no room", name);
		return NULL;
	}
	reading->family = page->family_count++;
	struct exposition_family *family = &page->families[reading->family];
	memset(family, 0, sizeof(*family));
	snprintf(family->name, sizeof(family->name), "%s", name);
	return family;
}

static bool
help_is_escaped(const struct exposition_page *page, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '"' && page->is_openmetrics)
			return false;
		if (*text != '\\')
			continue;
		text++;
		if (*text != '\\' && *text != 'n' && !(*text == '"' && page->is_openmetrics))
			return false;
	}
	return true;
}

static bool
type_is_known(const char *type)
{
	return strcmp(type, "counter") == 0 || strcmp(type, "gauge") == 0 ||
	    strcmp(type, "histogram") == 0;
}

static bool
read_comment(struct reading *reading, const char *line)
{
	struct exposition_page *page = reading->page;
	char what[8], name[EXPOSITION_NAME], type[16];
	int at = 0;

	if (page->is_openmetrics && strcmp(line, "# EOF") == 0)
		return reading->is_over = true;
	if (sscanf(line, "# %7[A-Z] %95[a-zA-Z0-9_:] %n", what, name, &at) != 2 || at == 0 ||
	    name_bytes(name) != strlen(name))
		return complain(page, "no comment: %s", line);
	struct exposition_family *family = family_of(reading, name);
	if (family == NULL)
		return false;
	if (strcmp(what, "HELP") == 0 && family->help[0] == '\0' && line[at] != '\0') {
		snprintf(family->help, sizeof(family->help), "%s", line + at);
		return help_is_escaped(page, line + at) || complain(page, "not escaped: %s", line);
	}
	if (sscanf(line + at, "%15s", type) != 1 || line[at + (int)strlen(type)] != '\0')
		return complain(page, "one word is wanted at the end: %s", line);
	if (strcmp(what, "TYPE") == 0 && family->type[0] == '\0' && type_is_known(type)) {
		strcpy(family->type, type);
		/* Here the two formats differ. */
		return strcmp(type, "counter") != 0 ||
		    ends_with(name, "_total") != page->is_openmetrics ||
		    complain(page, "_total: %s", line);
	}
	if (strcmp(what, "UNIT") == 0 && page->is_openmetrics && family->unit[0] == '\0') {
		strcpy(family->unit, type);
		return (ends_with(name, type) && name[strlen(name) - strlen(type) - 1] == '_') ||
		    complain(page, "the name does not end with its unit: %s", line);
	}
	return complain(page, "unknown or twice: %s", line);
}

/* ---- samples ---- */

/* The length of `a="x",b="y"`; SIZE_MAX: it is none. */
static size_t
labels_bytes(const char *text)
{
	const char *at = text;

	for (;;) {
		size_t len = name_bytes(at);

		if (len == 0 || memchr(at, ':', len) != NULL || strncmp(at + len, "=\"", 2) != 0)
			return SIZE_MAX;
		for (at += len + 2; *at != '"'; at++) {
			if (*at == '\0' || *at == '\n')
				return SIZE_MAX;
			if (*at == '\\' && strchr("\\\"n", *++at) == NULL)
				return SIZE_MAX;
		}
		at++;
		if (*at != ',')
			return (size_t)(at - text);
		at++;
	}
}

/* May a sample of this family be called so? */
static bool
sample_fits(
    const struct exposition_page *page, const struct exposition_family *family, const char *name)
{
	size_t len = strlen(family->name);
	const char *end = name + len;

	if (strncmp(name, family->name, len) != 0)
		return false;
	if (strcmp(family->type, "histogram") == 0)
		return strcmp(end, "_bucket") == 0 || strcmp(end, "_sum") == 0 ||
		    strcmp(end, "_count") == 0;
	if (strcmp(family->type, "counter") == 0 && page->is_openmetrics)
		return strcmp(end, "_total") == 0;
	return *end == '\0';
}

static bool
is_there_before(const struct exposition_page *page, const struct exposition_sample *sample)
{
	for (unsigned i = page->sample_count; i-- > 0 && page->samples[i].family == sample->family;)
		if (strcmp(page->samples[i].name, sample->name) == 0 &&
		    strcmp(page->samples[i].labels, sample->labels) == 0)
			return true;
	return false;
}

static bool
read_sample(struct reading *reading, const char *line)
{
	struct exposition_page *page = reading->page;
	struct exposition_sample sample = { .family = reading->family };
	size_t len = name_bytes(line), labels = 0;
	const char *at = line + len;
	char *end;

	if (len == 0 || len >= EXPOSITION_NAME || page->sample_count == EXPOSITION_SAMPLES)
		return complain(page, "no sample, or no room: %s", line);
	memcpy(sample.name, line, len);
	if (*at == '{') {
		labels = labels_bytes(at + 1);
		if (labels >= EXPOSITION_LABELS || at[1 + labels] != '}')
			return complain(page, "labels: %s", line);
		memcpy(sample.labels, at + 1, labels);
		at += labels + 2;
	}
	if (*at++ != ' ')
		return complain(page, "no blank before the value: %s", line);
	sample.value = strtod(at, &end);
	if (end == at || *end != '\0' || isspace((unsigned char)*at))
		return complain(page, "no value: %s", line);
	if (reading->family == NONE)
		return complain(page, "without a family: %s", line);
	struct exposition_family *family = &page->families[reading->family];
	if (family->help[0] == '\0' || family->type[0] == '\0' ||
	    !sample_fits(page, family, sample.name))
		return complain(page, "its family is not described, or is another: %s", line);
	if (sample.value < 0 && strcmp(family->type, "gauge") != 0)
		return complain(page, "below zero: %s", line);
	if (is_there_before(page, &sample))
		return complain(page, "a second time: %s", line);
	family->samples++;
	page->samples[page->sample_count++] = sample;
	return true;
}

/* ---- histograms ---- */

/* Cuts `,le="x"` or `le="x"` off the labels; the bound, NAN: there is none. */
static bool
cut_bound(const char *labels, char *others, double *bound)
{
	const char *le = labels;
	char *end;

	/* `role="` is none. */
	while ((le = strstr(le, "le=\"")) != NULL && le != labels && le[-1] != ',')
		le++;
	if (le == NULL)
		return false;
	snprintf(
	    others, EXPOSITION_LABELS, "%.*s", (int)(le == labels ? 0 : le - 1 - labels), labels);
	*bound = strtod(le + 4, &end);
	return strcmp(end, "\"") == 0;
}

/* From sample *i on: the buckets, count and sum of one set of labels. */
static bool
check_histogram(struct exposition_page *page, const char *name, unsigned *i)
{
	char others[EXPOSITION_LABELS] = "", first[EXPOSITION_LABELS] = "",
	     wanted[EXPOSITION_NAME + 8];
	double bound = -1, last = -1, seen = 0;
	unsigned from = *i, has_sum = 0, has_count = 0;

	for (; *i < page->sample_count && ends_with(page->samples[*i].name, "_bucket"); ++*i) {
		const struct exposition_sample *bucket = &page->samples[*i];

		if (!cut_bound(bucket->labels, others, &bound))
			return complain(
			    page, "a bucket of %s without le: %s", name, bucket->labels);
		if (*i == from)
			strcpy(first, others);
		else if (strcmp(first, others) != 0)
			break;
		if (bound <= last || bucket->value < seen)
			return complain(
			    page, "buckets of %s out of order: %s", name, bucket->labels);
		last = bound;
		seen = bucket->value;
	}
	if (*i == from || last * 0 == 0)
		return complain(page, "the last bucket of %s is not +Inf", name);
	for (; *i < page->sample_count && strcmp(page->samples[*i].labels, first) == 0; ++*i) {
		snprintf(wanted, sizeof(wanted), "%s_count", name);
		if (strcmp(page->samples[*i].name, wanted) == 0) {
			has_count++;
			if (page->samples[*i].value != seen)
				return complain(page, "+Inf of %s is not its count", name);
		}
		snprintf(wanted, sizeof(wanted), "%s_sum", name);
		has_sum += strcmp(page->samples[*i].name, wanted) == 0;
	}
	return (has_count == 1 && has_sum == 1) || complain(page, "%s: no count or no sum", name);
}

static bool
check_histograms(struct exposition_page *page)
{
	for (unsigned i = 0; i < page->sample_count;) {
		const struct exposition_family *family = &page->families[page->samples[i].family];

		if (strcmp(family->type, "histogram") != 0)
			i++;
		else if (!check_histogram(page, family->name, &i))
			return false;
	}
	return true;
}

const char *
exposition_read(struct exposition_page *page, const char *text, bool is_openmetrics)
{
	struct reading reading = { .page = page, .family = NONE };
	char line[LINE_BYTES];

	page->is_openmetrics = is_openmetrics;
	page->family_count = page->sample_count = 0;
	for (const char *end; *text != '\0'; text = end + 1) {
		end = strchr(text, '\n');
		if (end == NULL || end == text || end - text >= LINE_BYTES || reading.is_over) {
			complain(page, "empty, too long, without an end or behind it: %.80s", text);
			return page->complaint;
		}
		snprintf(line, sizeof(line), "%.*s", (int)(end - text), text);
		if (!(line[0] == '#' ? read_comment(&reading, line) : read_sample(&reading, line)))
			return page->complaint;
	}
	for (unsigned i = 0; i < page->family_count; i++)
		if (page->families[i].type[0] == '\0' || page->families[i].help[0] == '\0') {
			complain(page, "%s has no TYPE or no HELP", page->families[i].name);
			return page->complaint;
		}
	if (is_openmetrics && !reading.is_over) {
		complain(page, "there is no # EOF");
		return page->complaint;
	}
	return check_histograms(page) ? NULL : page->complaint;
}

double
exposition_sum(const struct exposition_page *page, const char *name, const char *label)
{
	double sum = 0;
	unsigned count = 0;

	for (unsigned i = 0; i < page->sample_count; i++)
		if (strcmp(page->samples[i].name, name) == 0 &&
		    strstr(page->samples[i].labels, label) != NULL) {
			sum += page->samples[i].value;
			count++;
		}
	ck_assert_msg(count != 0, "there is no sample %s{%s}", name, label);
	return sum;
}
