/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A distribution of delays. Each value is kept, so that quantiles are exact, until there are DELAYS_EXACT_MAX; from
 * then on values are counted in buckets whose width is 1/2,048 of the value (the log-linear histogram of G. Tene's
 * HdrHistogram).
 */
#include <stdlib.h>
#include <string.h>

#include "replay.h"

#define DELAYS_EXACT_MAX (1u << 22)
#define MANTISSA_BITS    11
#define BUCKETS          ((64 - MANTISSA_BITS + 1) << MANTISSA_BITS)

static unsigned int
bucket_of(uint64_t ns)
{
	if (ns < (1u << MANTISSA_BITS))
		return ns;
	unsigned int shift = 63 - __builtin_clzll(ns) - MANTISSA_BITS;

	return ((shift + 1) << MANTISSA_BITS) + ((ns >> shift) & ((1u << MANTISSA_BITS) - 1));
}

/* The greatest value of the bucket. */
static uint64_t
bucket_top(unsigned int bucket)
{
	if (bucket < (1u << MANTISSA_BITS))
		return bucket;
	unsigned int shift = (bucket >> MANTISSA_BITS) - 1;
	uint64_t mantissa = (bucket & ((1u << MANTISSA_BITS) - 1)) | (1u << MANTISSA_BITS);

	return ((mantissa + 1) << shift) - 1;
}

static void
change_to_buckets(struct delays *d)
{
	uint64_t *buckets = calloc(BUCKETS, sizeof(*buckets));

	if (buckets == NULL)
		abort();
	for (uint64_t i = 0; i < d->count; i++)
		buckets[bucket_of(d->samples[i])]++;
	free(d->samples);
	d->samples = NULL;
	d->buckets = buckets;
}

static void
keep(struct delays *d, uint64_t ns)
{
	if (d->count == d->size) {
		d->size = d->size == 0 ? 256 : d->size * 2;
		d->samples = realloc(d->samples, d->size * sizeof(*d->samples));
		if (d->samples == NULL)
			abort();
	}
	d->samples[d->count] = ns;
}

void
delays_add(struct delays *d, uint64_t ns)
{
	if (d->buckets == NULL && d->count == DELAYS_EXACT_MAX)
		change_to_buckets(d);
	if (d->buckets != NULL)
		d->buckets[bucket_of(ns)]++;
	else
		keep(d, ns);
	d->min = d->count == 0 || ns < d->min ? ns : d->min;
	d->max = ns > d->max ? ns : d->max;
	d->sum += ns;
	d->count++;
	d->sorted = false;
}

static int
compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

uint64_t
delays_quantile(struct delays *d, unsigned int ten_thousandths)
{
	uint64_t rank = (uint64_t)(((unsigned __int128)d->count * ten_thousandths + 9999) / 10000), seen = 0;

	if (d->count == 0)
		return 0;
	if (rank == 0)
		rank = 1;
	if (d->buckets == NULL) {
		if (!d->sorted)
			qsort(d->samples, d->count, sizeof(*d->samples), compare);
		d->sorted = true;
		return d->samples[rank - 1];
	}
	for (unsigned int i = 0; i < BUCKETS; i++) {
		seen += d->buckets[i];
		if (seen >= rank)
			return bucket_top(i) < d->max ? bucket_top(i) : d->max;
	}
	return d->max;
}

uint64_t
delays_mean(const struct delays *d)
{
	return d->count == 0 ? 0 : (uint64_t)((d->sum + d->count / 2) / d->count);
}

void
delays_free(struct delays *d)
{
	free(d->samples);
	free(d->buckets);
}
