#ifndef TESTS_HARNESS_EXPOSITION_H
#define TESTS_HARNESS_EXPOSITION_H

/*
 * exposition: reads a page of metrics as strictly as the formats are written (Prometheus text
 * 0.0.4, OpenMetrics 1.0.0), which is stricter than any scraper is.
 */

#include <stdbool.h>
#include <stddef.h>

enum {
	EXPOSITION_FAMILIES = 160,
	EXPOSITION_SAMPLES = 4096,
	EXPOSITION_NAME = 96,
	EXPOSITION_LABELS = 200,
	EXPOSITION_HELP = 200
};

struct exposition_family {
	char name[EXPOSITION_NAME]; /* as TYPE says it */
	char type[16];
	char help[EXPOSITION_HELP];
	char unit[16];
	unsigned samples;
};

struct exposition_sample {
	unsigned family;
	char name[EXPOSITION_NAME];
	char labels[EXPOSITION_LABELS]; /* `role="frontd",index="0"` */
	double value;
};

struct exposition_page {
	bool is_openmetrics;
	unsigned family_count, sample_count;
	struct exposition_family families[EXPOSITION_FAMILIES];
	struct exposition_sample samples[EXPOSITION_SAMPLES];
	char complaint[400];
};

/*
 * Read a page.  NULL, or what is wrong with it: borrowed from the page.  Each family has HELP and
 * TYPE once and before its samples, which stand together; names, labels and values are well-formed
 * and no sample comes twice; buckets are cumulative, in order, and end with +Inf, which is the
 * count.
 */
const char *exposition_read(struct exposition_page *page, const char *text, bool is_openmetrics);

/* The family of this name; NULL: there is none. */
const struct exposition_family *
exposition_find(const struct exposition_page *page, const char *name);

/* The sum over all samples of that name whose labels have this text in them; fails the test if
 * none. */
double exposition_sum(const struct exposition_page *page, const char *name, const char *label);

#endif
