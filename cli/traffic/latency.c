#include "cli/traffic/latency.h"

/* Values below LATENCY_SUB have a bucket each; above, LATENCY_SUB buckets for each power of two. */
static unsigned
bucket_of(uint64_t ns)
{
	if (ns < LATENCY_SUB)
		return (unsigned)ns;
	unsigned shift = 63u - (unsigned)__builtin_clzll(ns) - LATENCY_SUB_BITS;
	return (shift + 1) * LATENCY_SUB + ((unsigned)(ns >> shift) & (LATENCY_SUB - 1));
}

static double
middle_of(unsigned bucket)
{
	if (bucket < LATENCY_SUB)
		return bucket;
	unsigned shift = bucket / LATENCY_SUB - 1;
	uint64_t least = (uint64_t)(LATENCY_SUB + bucket % LATENCY_SUB) << shift;
	return (double)least + (double)((1ull << shift) - 1) / 2;
}

void
latency_add(struct latency *latency, uint64_t ns, uint64_t times)
{
	latency->count += times;
	latency->bucket[bucket_of(ns)] += times;
	if (ns > latency->max_ns)
		latency->max_ns = ns;
}

double
latency_quantile_us(const struct latency *latency, double q)
{
	uint64_t rank = (uint64_t)(q * (double)latency->count), seen = 0;

	if (latency->count == 0)
		return 0;
	if (rank >= latency->count)
		rank = latency->count - 1;
	for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
		seen += latency->bucket[i];
		if (seen > rank) {
			double ns = middle_of(i);
			return (ns < (double)latency->max_ns ? ns : (double)latency->max_ns) / 1e3;
		}
	}
	return (double)latency->max_ns / 1e3;
}
