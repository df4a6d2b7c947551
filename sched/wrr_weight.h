/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * WRR's weights: a class has two, each within 0 < min <= weight <= max <= 1, and its share goes by their product. In
 * mode 1 a weight falls by decr with each byte that its class sends, and rises by incr with each second; one may be
 * made quick and the other slow.
 */
#ifndef WEIR_SCHED_WRR_WEIGHT_H
#define WEIR_SCHED_WRR_WEIGHT_H

#include "wrr.h"

/* As wrr_class.grows has it. */
static inline uint64_t
wrr_growth(const struct wrr_weight *weight)
{
	return (uint64_t)(((unsigned __int128)weight->incr << 32) / 1000000000);
}

static inline uint64_t
wrr_grown(const struct wrr_weight *weight, uint64_t grows, uint64_t ns)
{
	unsigned __int128 growth = (unsigned __int128)grows * ns >> 32;

	if (weight->value >= weight->max || growth >= weight->max - weight->value)
		return weight->max;
	return weight->value + (uint64_t)growth;
}

/* Up to now. */
static inline void
wrr_count(const struct wrr *w, struct wrr_class *cl, uint64_t now)
{
	if (now <= cl->counted_ns)
		return;
	for (unsigned int i = 0; i < WRR_WEIGHTS; i++) {
		if (w->conf.modes[i] != 0)
			cl->weights[i].value = wrr_grown(&cl->weights[i], cl->grows[i], now - cl->counted_ns);
	}
	cl->counted_ns = now;
}

static inline void
wrr_use(const struct wrr *w, struct wrr_class *cl, uint64_t bytes, uint64_t now)
{
	wrr_count(w, cl, now);
	for (unsigned int i = 0; i < WRR_WEIGHTS; i++) {
		struct wrr_weight *weight = &cl->weights[i];
		unsigned __int128 loss = (unsigned __int128)weight->decr * bytes;

		if (w->conf.modes[i] == 0)
			continue;
		weight->value = weight->value <= weight->min || loss >= weight->value - weight->min
					? weight->min
					: weight->value - (uint64_t)loss;
	}
}

/* Bytes of its turn times 2^48. */
static inline unsigned __int128
wrr_quantum(const struct wrr *w, const struct wrr_class *cl)
{
	uint64_t weight = (uint64_t)((unsigned __int128)cl->weights[0].value * cl->weights[1].value >> 63);

	return (unsigned __int128)weight * w->conf.quantum >> 15;
}

#endif
