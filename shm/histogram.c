#include "shm/histogram.h"

#include "shm/atomic.h"

/* Values below 8 have a bucket each; above, 8 buckets for each power of two. */
static unsigned
bucket_of(uint64_t value)
{
	if (value < HISTOGRAM_SUB)
		return (unsigned)value;
	unsigned octave = 63u - (unsigned)__builtin_clzll(value);
	unsigned sub = (unsigned)(value >> (octave - 3)) & (HISTOGRAM_SUB - 1);
	return (octave - 2) * HISTOGRAM_SUB + sub;
}

void
histogram_add_many(struct histogram *histogram, uint64_t value, uint64_t times)
{
	uint64_t *bucket = &histogram->bucket[bucket_of(value)];

	/* One writer; whoever reads may miss the newest. */
	store_relaxed(&histogram->sum, load_relaxed(&histogram->sum) + value * times);
	store_relaxed(bucket, load_relaxed(bucket) + times);
}

void
histogram_add(struct histogram *histogram, uint64_t value)
{
	histogram_add_many(histogram, value, 1);
}

void
histogram_read(const struct histogram *histogram, struct histogram *copy)
{
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		copy->bucket[i] = load_relaxed(&histogram->bucket[i]);
	copy->sum = load_relaxed(&histogram->sum);
}

uint64_t
histogram_count(const struct histogram *histogram)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		count += histogram->bucket[i];
	return count;
}

uint64_t
histogram_bound(unsigned bucket)
{
	if (bucket < HISTOGRAM_SUB)
		return bucket;
	unsigned octave = bucket / HISTOGRAM_SUB + 2;
	unsigned sub = bucket % HISTOGRAM_SUB;
	uint64_t width = 1ull << (octave - 3);
	return (1ull << octave) + sub * width + width - 1;
}

uint64_t
histogram_quantile(const struct histogram *histogram, double q)
{
	uint64_t count = histogram_count(histogram), seen = 0;
	uint64_t rank = (uint64_t)(q * (double)count);

	if (count == 0)
		return 0;
	if (rank >= count)
		rank = count - 1;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += histogram->bucket[i];
		if (seen > rank)
			return histogram_bound(i);
	}
	return UINT64_MAX;
}
