/* SPDX-License-Identifier: BSD-3-Clause */
/* What random early detection does now and then: at the end of an idle time, and twice a second. */
#include "red_average.h"

/* 2^(-i / 32) times 2^32. */
#define POWER_STEPS_LOG 5
static const uint64_t negative_powers[1 << POWER_STEPS_LOG] = {
	UINT64_C(4294967296),
	UINT64_C(4202935003),
	UINT64_C(4112874773),
	UINT64_C(4024744348),
	UINT64_C(3938502376),
	UINT64_C(3854108391),
	UINT64_C(3771522796),
	UINT64_C(3690706840),
	UINT64_C(3611622603),
	UINT64_C(3534232978),
	UINT64_C(3458501653),
	UINT64_C(3384393094),
	UINT64_C(3311872529),
	UINT64_C(3240905930),
	UINT64_C(3171459999),
	UINT64_C(3103502151),
	UINT64_C(3037000500),
	UINT64_C(2971923842),
	UINT64_C(2908241642),
	UINT64_C(2845924021),
	UINT64_C(2784941738),
	UINT64_C(2725266179),
	UINT64_C(2666869345),
	UINT64_C(2609723834),
	UINT64_C(2553802834),
	UINT64_C(2499080105),
	UINT64_C(2445529972),
	UINT64_C(2393127307),
	UINT64_C(2341847524),
	UINT64_C(2291666561),
	UINT64_C(2242560872),
	UINT64_C(2194507417),
};

/* 2^(-fraction / 2^32) times 2^32, with an error of a few units: the table's value times e^-x for the rest. */
static uint64_t
negative_power(uint32_t fraction)
{
	const unsigned int rest_bits = 32 - POWER_STEPS_LOG;
	const uint64_t ln2 = UINT64_C(2977044472); /* times 2^32 */
	uint64_t rest = fraction & ((UINT32_C(1) << rest_bits) - 1);
	uint64_t x = (rest * ln2) >> 32, x2 = (x * x) >> 32; /* below ln 2 / 32: x^4 / 24 is below 2^-26 */
	uint64_t power = (UINT64_C(1) << 32) - x + x2 / 2 - ((x2 * x) >> 32) / 6;

	return (uint64_t)(((unsigned __int128)negative_powers[fraction >> rest_bits] * power) >> 32);
}

void
red_average_idle(struct red_average *average, const struct red_curve *curve, uint64_t idle_ns)
{
	unsigned __int128 halvings = (unsigned __int128)idle_ns * curve->idle_decay;
	uint64_t whole = (uint64_t)(halvings >> 64);

	if (whole > 63)
		average->scaled = 0;
	else
		average->scaled =
			(uint64_t)(((unsigned __int128)average->scaled * negative_power((uint32_t)(halvings >> 32))) >>
				   32) >>
			whole;
}

void
red_curve_set(struct red_curve *curve, uint32_t min_bytes, uint32_t max_bytes, uint32_t max_p, uint8_t weight_log)
{
	*curve = (struct red_curve){ .min_bytes = min_bytes, .max_bytes = max_bytes, .weight_log = weight_log };
	red_curve_set_max_p(curve, max_p);
}

void
red_curve_from_params(struct red_curve *curve, const struct red_params *params)
{
	red_curve_set(curve, params->min_bytes, params->max_bytes, params->max_p, params->weight_log);
	curve->idle_decay = params->idle_decay;
}

int
red_params_check(const char *kind, const struct red_params *params, struct error *err)
{
	if (params->max_bytes < params->min_bytes)
		return error_set(err, EINVAL, "%s: min (%u) must be at most max (%u), a third of it is usual", kind,
			params->min_bytes, params->max_bytes);
	if (params->max_bytes == 0)
		return error_set(err, EINVAL, "%s: with max 0 every packet would be dropped", kind);
	/* The average is kept in units of 2^-weight_log bytes, for which Linux has 32 bits. */
	if (32 - (unsigned int)__builtin_clz(params->max_bytes) + params->weight_log >= 32)
		return error_set(err, EINVAL,
			"%s: max (%u) is too large for an average that moves by 2^-%u; give a smaller max or burst",
			kind, params->max_bytes, params->weight_log);
	if (params->scell_log > 31)
		return error_set(err, EINVAL, "%s: the log of the idle time's cells must be at most 31, not %u", kind,
			params->scell_log);
	return 0;
}

void
red_curve_set_max_p(struct red_curve *curve, uint32_t max_p)
{
	curve->max_p = max_p;
	curve->slope = curve->max_bytes == curve->min_bytes
			       ? 0
			       : ((uint64_t)max_p << RED_SLOPE_BITS) / (curve->max_bytes - curve->min_bytes);
}

void
red_curve_adapt(struct red_curve *curve, uint64_t average_bytes)
{
	const uint32_t half = UINT32_C(1) << 31, hundredth = UINT32_MAX / 100;
	uint64_t range = curve->max_bytes - curve->min_bytes;
	uint32_t max_p = curve->max_p;

	if (average_bytes > curve->min_bytes + range * 6 / 10 && max_p <= half)
		max_p += max_p / 4 < hundredth ? max_p / 4 : hundredth;
	else if (average_bytes < curve->min_bytes + range * 4 / 10 && max_p >= hundredth)
		max_p = (uint32_t)((uint64_t)max_p * 9 / 10);
	if (max_p != curve->max_p)
		red_curve_set_max_p(curve, max_p);
}
