/*
 * exposition: figures as a scraper reads them, in the text format of Prometheus (0.0.4) or
 *OpenMetrics 1.0.0; they differ in little, and the caller need not know which it is:
 *
 *	exposition_family(&x, &(struct metric){ "queue_ready", METRIC_GAUGE, UNIT_NONE, "..." });
 *	exposition_sample(&x, &(struct metric_labels){ "queue", name }, 7);      ->
 *chasqui_queue_ready{queue="q"} 7
 *	...
 *	exposition_end(&x);
 *
 * All samples of a family stand together, so its family comes first and once.
 *
 * https://prometheus.io/docs/instrumenting/exposition_formats/ and the OpenMetrics specification
 */
#ifndef FRONTD_API_EXPOSITION_H
#define FRONTD_API_EXPOSITION_H

#include <stdbool.h>
#include <stdint.h>

#include "frontd/api/answer.h"
#include "shm/histogram.h"
#include "shm/stats.h"

#define EXPOSITION_TEXT "text/plain"
#define EXPOSITION_OPENMETRICS "application/openmetrics-text"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

/* What values are given in; they are shown in seconds and bytes, as scrapers want them. */
enum metric_unit { UNIT_NONE, UNIT_BYTES, UNIT_MS, UNIT_NS };

/* A family.  Its name is shown with chasqui_ before and _seconds, _bytes and _total behind. */
struct metric {
	const char *name;
	enum metric_type type;
	enum metric_unit unit;
	const char *help;
};

/*
 * Of one sample: up to two, and one whose value is a number; NULL: not there.  Values are escaped.
 */
struct metric_labels {
	const char *name;
	struct http_slice value;
	const char *other;
	const char *other_value;
	const char *index; /* name of the label with a number */
	uint64_t number;
};

#define METRIC_NAME_BYTES 80

struct exposition {
	struct answer *answer;
	bool is_openmetrics;
	struct metric family; /* the last one begun */
	char name[METRIC_NAME_BYTES]; /* of it, without _total */
};

/* As a family: bytes_sent is sent_bytes there, and so on. */
struct metric metric_of_row(const struct stat_row *row, char name[static METRIC_NAME_BYTES]);

void exposition_begin(struct exposition *x, struct answer *answer, bool is_openmetrics);
void exposition_family(struct exposition *x, const struct metric *family);
void exposition_sample(struct exposition *x, const struct metric_labels *labels, uint64_t value);
void exposition_histogram(
    struct exposition *x, const struct metric_labels *labels, const struct histogram *histogram);

/* The answer is whole: 200 with the right Content-Type. */
void exposition_end(struct exposition *x);

#endif
