/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Token buckets kept as time: how long a packet keeps a link of some rate busy, in units of 2^-16 ns.
 *
 * At 40 gbit a byte takes a fifth of a nanosecond, at 8 kbit a millisecond: 16 bits of fraction make the error of one
 * packet less than 2e-6 of the shortest one, and 47 bits of whole nanoseconds hold a day and a half. The cost is the
 * length times 1 / rate as a fixed-point number of 46 bits, rounded up: a bucket never gives more than its rate, and
 * never less by more than the rounding, which is one unit a packet and 2^-45 of what is sent.
 */
#ifndef WEIR_RATE_H
#define WEIR_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/pkt_sched.h>

/* A rate as tc gives it: bytes per second, and what a packet is taken to cost, as in struct tc_ratespec. */
struct rate_conf {
	uint64_t Bps;
	uint16_t overhead; /* signed in tc: bytes added to each packet */
	uint16_t mpu; /* bytes that a packet counts at least */
	uint8_t linklayer; /* TC_LINKLAYER_ETHERNET, TC_LINKLAYER_ATM */
};

#define TOKENS_SHIFT 16
#define TOKENS_MAX   (INT64_MAX / 4) /* four of them may be added up */
#define NS_MAX       ((uint64_t)TOKENS_MAX >> TOKENS_SHIFT)

struct rate {
	uint64_t inverse; /* tokens a byte times 2^shift, rounded up: 2^46 at most */
	uint8_t shift; /* 0..63 */
	bool adjusted; /* overhead, mpu or ATM cells count */
	bool atm;
	uint16_t overhead, mpu; /* bytes */
};

static inline int64_t
tokens_from_ns(uint64_t ns)
{
	return (int64_t)((ns < NS_MAX ? ns : NS_MAX) << TOKENS_SHIFT);
}

/* Rounded up: the time at which that many tokens are there for certain. */
static inline uint64_t
ns_from_tokens(int64_t tokens)
{
	return tokens <= 0 ? 0 : ((uint64_t)tokens + (1 << TOKENS_SHIFT) - 1) >> TOKENS_SHIFT;
}

#define RATE_INVERSE_BITS 46 /* 2^46 tokens are a second and a little: a byte at 1 byte a second takes no shift */

/* Bps must not be 0. */
static inline void
rate_init(struct rate *rate, const struct rate_conf *conf)
{
	const unsigned __int128 second = (unsigned __int128)1000000000 << TOKENS_SHIFT;
	unsigned int shift = 63;
	unsigned __int128 inverse;

	/* As many bits of precision as fit. */
	while ((inverse = ((second << shift) + conf->Bps - 1) / conf->Bps) > UINT64_C(1) << RATE_INVERSE_BITS)
		shift--;
	rate->inverse = (uint64_t)inverse;
	rate->shift = (uint8_t)shift;
	rate->atm = conf->linklayer == TC_LINKLAYER_ATM;
	rate->overhead = conf->overhead;
	rate->mpu = conf->mpu;
	rate->adjusted = rate->atm || conf->overhead != 0 || conf->mpu != 0;
}

static inline bool
rates_equal(const struct rate *a, const struct rate *b)
{
	return a->inverse == b->inverse && a->shift == b->shift && !a->adjusted && !b->adjusted;
}

/* More bytes than a product of 63 bits has room for. */
static inline int64_t
rate_cost_of_many(const struct rate *rate, uint64_t length)
{
	unsigned __int128 product = (unsigned __int128)length * rate->inverse;

	product = (product >> rate->shift) + ((product & ((UINT64_C(1) << rate->shift) - 1)) != 0);
	return product > (uint64_t)TOKENS_MAX ? TOKENS_MAX : (int64_t)product;
}

/* Tokens that a packet of `bytes` costs. */
static inline int64_t
rate_cost(const struct rate *rate, uint64_t bytes)
{
	uint64_t length = bytes;

	if (rate->adjusted) {
		length += rate->overhead;
		if (length < rate->mpu)
			length = rate->mpu;
		/* AAL5 fills cells of 48 bytes, each 53 on the line. */
		if (rate->atm)
			length = (length + 47) / 48 * 53;
	}
	if (__builtin_expect(length >> (63 - RATE_INVERSE_BITS) != 0, 0))
		return rate_cost_of_many(rate, length);
	/* A right shift of what is negative rounds away from zero. */
	return -(-(int64_t)(length * rate->inverse) >> rate->shift);
}

#endif
