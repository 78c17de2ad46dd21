#include "frontd/api/exposition.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "frontd/http/units.h"

/*
 * How values of a unit are shown: with so many decimals; and a histogram's buckets end at 2^first -
 * 1,
 * ... 2^last - 1, the same for ever, for a scraper subtracts what it saw before.
 */
static const struct unit {
	const char *name; /* "": none */
	unsigned decimals;
	unsigned first, last;
} units[] = {
	[UNIT_NONE] = { "", 0, 1, 20 },
	[UNIT_BYTES] = { "bytes", 0, 7, 23 },
	[UNIT_MS] = { "seconds", 3, 1, 31 }, /* 1 ms to 24 days */
	[UNIT_NS] = { "seconds", 9, 12, 36 }, /* 4 us to 68 s */
};

static enum metric_unit
unit_of(const char *text)
{
	if (strcmp(text, "ns") == 0)
		return UNIT_NS;
	if (strcmp(text, "ms") == 0)
		return UNIT_MS;
	return strcmp(text, "bytes") == 0 ? UNIT_BYTES : UNIT_NONE;
}

struct metric
metric_of_row(const struct stat_row *row, char name[static METRIC_NAME_BYTES])
{
	static const enum metric_type types[] = {
		[STAT_COUNTER] = METRIC_COUNTER,
		[STAT_GAUGE] = METRIC_GAUGE,
		[STAT_HISTOGRAM] = METRIC_HISTOGRAM,
	};
	bool leads = strncmp(row->name, "bytes_", 6) == 0; /* the unit is to stand behind */

	snprintf(name, METRIC_NAME_BYTES, "%s", row->name + (leads ? 6 : 0));
	return (struct metric){ .name = name,
		.type = types[row->kind],
		.unit = unit_of(row->unit),
		.help = row->help };
}

void
exposition_begin(struct exposition *x, struct answer *answer, bool is_openmetrics)
{
	*x = (struct exposition){ .answer = answer, .is_openmetrics = is_openmetrics };
}

/* ---- pieces ---- */

/* In HELP and in the value of a label.  is_quoted: a quote would end it; the older format escapes
 * none in HELP. */
static void
put_escaped(struct answer *answer, struct http_slice text, bool is_quoted)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '\n')
			answer_put(answer, "\\n");
		else if (text.ptr[i] == '\\')
			answer_put(answer, "\\\\");
		else if (text.ptr[i] == '"' && is_quoted)
			answer_put(answer, "\\\"");
		else
			answer_put_bytes(answer, text.ptr + i, 1);
	}
}

/* value / 10^decimals, exactly. */
static void
put_decimal(struct answer *answer, uint64_t value, unsigned decimals)
{
	uint64_t scale = 1;
	char text[2 * NUMBER_BYTES_MAX + 2];
	size_t used;

	for (unsigned i = 0; i < decimals; i++)
		scale *= 10;
	used = number_format(value / scale, text);
	if (decimals != 0)
		used += (size_t)snprintf(text + used, sizeof(text) - used, ".%0*llu", (int)decimals,
		    (unsigned long long)(value % scale));
	answer_put_bytes(answer, text, used);
}

static void
put_label(struct answer *answer, bool *is_first, const char *name, struct http_slice value)
{
	answer_put(answer, *is_first ? "{" : ",");
	*is_first = false;
	answer_put(answer, name);
	answer_put(answer, "=\"");
	put_escaped(answer, value, true);
	answer_put(answer, "\"");
}

/* The name with its ending and labels, up to the value.  bound: of a bucket, NULL: none. */
static void
put_start(
    struct exposition *x, const char *ending, const struct metric_labels *labels, const char *bound)
{
	char number[NUMBER_BYTES_MAX];
	bool is_first = true;

	answer_put(x->answer, x->name);
	answer_put(x->answer, ending);
	if (labels->name != NULL)
		put_label(x->answer, &is_first, labels->name, labels->value);
	if (labels->index != NULL)
		put_label(x->answer, &is_first, labels->index,
		    (struct http_slice){ number, number_format(labels->number, number) });
	if (labels->other != NULL)
		put_label(x->answer, &is_first, labels->other, http_slice_of(labels->other_value));
	if (bound != NULL)
		put_label(x->answer, &is_first, "le", http_slice_of(bound));
	answer_put(x->answer, is_first ? " " : "} ");
}

static void
put_line(struct exposition *x, const char *what, const char *ending)
{
	answer_put(x->answer, "# ");
	answer_put(x->answer, what);
	answer_put(x->answer, " ");
	answer_put(x->answer, x->name);
	answer_put(x->answer, ending);
	answer_put(x->answer, " ");
}

/* ---- families and samples ---- */

/* _seconds or _bytes behind the name, unless it ends so. */
static void
name_make(char name[static METRIC_NAME_BYTES], const struct metric *family)
{
	const char *unit = units[family->unit].name;
	size_t len = strlen(family->name), unit_len = strlen(unit);
	bool has_it = len >= unit_len && strcmp(family->name + len - unit_len, unit) == 0;
	int written = snprintf(name, METRIC_NAME_BYTES, "chasqui_%s%s%s", family->name,
	    has_it ? "" : "_", has_it ? "" : unit);

	assert(written > 0 && written < METRIC_NAME_BYTES);
}

void
exposition_family(struct exposition *x, const struct metric *family)
{
	static const char *const types[] = {
		[METRIC_COUNTER] = "counter\n",
		[METRIC_GAUGE] = "gauge\n",
		[METRIC_HISTOGRAM] = "histogram\n",
	};
	/* The older format calls a counter as its sample, OpenMetrics leaves the _total away. */
	const char *ending = family->type == METRIC_COUNTER && !x->is_openmetrics ? "_total" : "";

	x->family = *family;
	name_make(x->name, family);
	put_line(x, "HELP", ending);
	put_escaped(x->answer, http_slice_of(family->help), x->is_openmetrics);
	answer_put(x->answer, "\n");
	put_line(x, "TYPE", ending);
	answer_put(x->answer, types[family->type]);
	if (x->is_openmetrics && family->unit != UNIT_NONE) {
		put_line(x, "UNIT", "");
		answer_put(x->answer, units[family->unit].name);
		answer_put(x->answer, "\n");
	}
}

void
exposition_sample(struct exposition *x, const struct metric_labels *labels, uint64_t value)
{
	assert(x->family.type != METRIC_HISTOGRAM);

	put_start(x, x->family.type == METRIC_COUNTER ? "_total" : "", labels, NULL);
	put_decimal(x->answer, value, units[x->family.unit].decimals);
	answer_put(x->answer, "\n");
}

/* "0.004095": the bound 2^octave - 1 in the unit shown, always with a decimal, which OpenMetrics
 * wants of numbers. */
static void
bound_format(const struct unit *unit, unsigned octave, char text[static 2 * NUMBER_BYTES_MAX])
{
	uint64_t bound = (1ull << octave) - 1, scale = 1;

	for (unsigned i = 0; i < unit->decimals; i++)
		scale *= 10;
	int written =
	    snprintf(text, 2 * NUMBER_BYTES_MAX, "%llu.%0*llu", (unsigned long long)(bound / scale),
		unit->decimals != 0 ? (int)unit->decimals : 1, (unsigned long long)(bound % scale));
	/* No zeros at the end but one. */
	while (text[written - 1] == '0' && text[written - 2] != '.')
		text[--written] = '\0';
}

static void
put_bucket(
    struct exposition *x, const struct metric_labels *labels, const char *bound, uint64_t count)
{
	put_start(x, "_bucket", labels, bound);
	answer_put_number(x->answer, count);
	answer_put(x->answer, "\n");
}

void
exposition_histogram(
    struct exposition *x, const struct metric_labels *labels, const struct histogram *histogram)
{
	const struct unit *unit = &units[x->family.unit];
	char bound[2 * NUMBER_BYTES_MAX];
	uint64_t seen = 0, count = histogram_count(histogram);
	unsigned bucket = 0;

	assert(x->family.type == METRIC_HISTOGRAM);
	for (unsigned octave = unit->first; octave <= unit->last; octave++) {
		/* A bucket of ours never lies across a power of two. */
		while (histogram_bound(bucket) < 1ull << octave)
			seen += histogram->bucket[bucket++];
		bound_format(unit, octave, bound);
		put_bucket(x, labels, bound, seen);
	}
	put_bucket(x, labels, "+Inf", count);
	put_start(x, "_sum", labels, NULL);
	put_decimal(x->answer, histogram->sum, unit->decimals);
	answer_put(x->answer, "\n");
	put_start(x, "_count", labels, NULL);
	answer_put_number(x->answer, count);
	answer_put(x->answer, "\n");
}

void
exposition_end(struct exposition *x)
{
	if (x->is_openmetrics)
		answer_put(x->answer, "# EOF\n");
	answer_head(x->answer, 200,
	    x->is_openmetrics ? EXPOSITION_OPENMETRICS "; version=1.0.0; charset=utf-8"
			      : EXPOSITION_TEXT "; version=0.0.4; charset=utf-8");
	http_write_field(&x->answer->head, "Vary", HTTP_LITERAL("Accept"));
	answer_end(x->answer);
}
