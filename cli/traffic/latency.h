/*
 * latency: a histogram fine enough for ratios: 64 buckets an octave, so a quantile is off by at most 1.6 % (shm/histogram, made
 * to live in every process's statistics, has 8).  40 KiB; private to one thread.
 * Layout after HdrHistogram's idea of sub-buckets within powers of two.
 */
#ifndef TRAFFIC_LATENCY_H
#define TRAFFIC_LATENCY_H

#include <stdint.h>

#define LATENCY_SUB_BITS 6
#define LATENCY_SUB (1u << LATENCY_SUB_BITS)
#define LATENCY_BUCKETS ((64u - LATENCY_SUB_BITS + 1) * LATENCY_SUB)

struct latency {
	uint64_t count;
	uint64_t max_ns;
	uint64_t bucket[LATENCY_BUCKETS];
};

void latency_add(struct latency *latency, uint64_t ns, uint64_t times);

/* The q-quantile (0 < q <= 1) in microseconds: the middle of its bucket, never above the largest value; 0 if it is empty. */
double latency_quantile_us(const struct latency *latency, double q);

#endif
