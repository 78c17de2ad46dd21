/*
 * histogram: log-linear, 8 buckets an octave (error <= 12.5 %), 64 octaves, 4 KiB.  One writer; readers count the buckets
 * themselves, so there is no count that could tear; `sum` is for averages and may be one value ahead of them.  Never reset:
 * subtract two samples.
 * Layout after HdrHistogram's idea of sub-buckets within powers of two.
 */
#ifndef SHM_HISTOGRAM_H
#define SHM_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB 8
#define HISTOGRAM_BUCKETS 512

struct histogram {
	uint64_t bucket[HISTOGRAM_BUCKETS];
	uint64_t sum; /* of all values, exact */
};

/* Count `value` once.  About 2 ns, no lock prefix. */
void histogram_add(struct histogram *histogram, uint64_t value);

/* The same `times` times. */
void histogram_add_many(struct histogram *histogram, uint64_t value, uint64_t times);

/* A copy that can be read at leisure. */
void histogram_read(const struct histogram *histogram, struct histogram *copy);

uint64_t histogram_count(const struct histogram *histogram);

/* The upper bound of the bucket that holds the q-quantile (0 < q <= 1) of a copy; 0 if it is empty. */
uint64_t histogram_quantile(const struct histogram *histogram, double q);

/* Upper bound (inclusive) of a bucket. */
uint64_t histogram_bound(unsigned bucket);

#endif
