/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * RED's average, as tc tells it. From avpkt, burst and bandwidth tc works out the weight, as a logarithm, and a table
 * of 256 bytes: entry i is the logarithm, to the base e and rounded down, of the factor by which the average falls
 * while the queue is empty for i * 2^Scell_log ticks. That is i * 2^Scell_log * -ln(1 - w) / s, where s is the time in
 * which the link sends avpkt bytes: Floyd and Jacobson's (1 - w)^m for m = idle time / s. 31 stands for "all of it".
 * (Seen of tc 6.1, which tells s in whole microseconds; where that is 0, the entries are 0 but for the last.)
 */
#include <math.h>

#include "tc/qdisc_codec.h"
#include "tc/red_options.h"
#include "tc/ticks.h"

#define DECAY_MAX 31 /* of an entry */
#define AVPKT_MAX 1000 /* of what is saved */

/* The slope of the line of which the entries are the whole parts, from all of them together. */
static double
decay_per_cell(const uint8_t *table)
{
	double low = 0, high = DECAY_MAX + 1;

	for (unsigned int i = 1; i < RED_STAB_SIZE && table[i] < DECAY_MAX; i++) {
		low = fmax(low, (double)table[i] / i);
		high = fmin(high, (table[i] + 1.0) / i);
	}
	if (low == 0)
		return (double)DECAY_MAX / (RED_STAB_SIZE - 1);
	return low < high ? (low + high) / 2 : low;
}

int
red_stab_parse(const struct nlattr *stab, struct red_params *params, struct error *err)
{
	uint8_t table[RED_STAB_SIZE];
	double decay;
	int rc;

	if (stab == NULL)
		return error_code(err, EINVAL);
	if ((rc = struct_parse(stab, table, sizeof(table), "red: table of idle times", err)) != 0)
		return rc;
	for (unsigned int i = 0; i < RED_STAB_SIZE; i++)
		if (table[i] > DECAY_MAX)
			return error_set(err, EINVAL, "red: an idle time of %u halvings; there are at most %u",
				table[i], DECAY_MAX);
	decay = ldexp(decay_per_cell(table) / M_LN2, 64 - params->scell_log - TICK_SHIFT);
	params->idle_decay = decay < 0x1p63 ? (uint64_t)decay : UINT64_C(1) << 63;
	return 0;
}

uint32_t
red_max_p_from_plog(const struct red_params *params, uint8_t plog)
{
	uint64_t range = params->max_bytes > params->min_bytes ? params->max_bytes - params->min_bytes : 1;
	uint64_t max_p = range * (plog < 32 ? UINT32_MAX >> plog : 0);

	return max_p < UINT32_MAX ? (uint32_t)max_p : UINT32_MAX;
}

/*
 * The weight that tc finds for a burst, both in packets of avpkt: the largest w, a power of 2, at which the average is
 * not above min after that many packets into an empty queue (Floyd and Jacobson's equation 3).
 */
static unsigned int
weight_log_for(double min, unsigned int burst)
{
	double beyond = burst + 1 - min;
	unsigned int log = 1;

	while (log < 31 && beyond > (1 - pow(1 - ldexp(1, -(int)log), burst)) * ldexp(1, (int)log))
		log++;
	return log;
}

/* A burst from the middle of those that give the weight. */
static unsigned int
burst_for(double min, unsigned int weight_log)
{
	unsigned int first = (unsigned int)min + 1, last;

	while (weight_log_for(min, first) < weight_log)
		first++;
	last = first;
	while (weight_log_for(min, last + 1) <= weight_log)
		last++;
	return first + (last - first) / 2;
}

/* The time of a packet in microseconds: a whole number, of which the table tells three digits for certain. */
static double
packet_time(const struct red_params *params)
{
	double microseconds = -log2(1 - ldexp(1, -params->weight_log)) / ldexp((double)params->idle_decay, -64) / 1000;
	double digit = microseconds < 1000 ? 1 : pow(10, floor(log10(microseconds)) - 2);

	return fmax(1, rint(microseconds / digit) * digit);
}

void
red_save_params(FILE *out, const struct red_params *params)
{
	unsigned int avpkt = params->min_bytes / 16 < AVPKT_MAX ? params->min_bytes / 16 + 1 : AVPKT_MAX;

	fprintf(out, " min %u max %u avpkt %u burst %u probability %.9f", params->min_bytes, params->max_bytes, avpkt,
		burst_for((double)params->min_bytes / avpkt, params->weight_log),
		fmin((double)params->max_p / 4294967296.0, 0.999999999));
	/* tc takes the whole microseconds. */
	if (params->weight_log != 0)
		fprintf(out, " bandwidth %.0fbps", ceil(avpkt * 1e6 / (packet_time(params) + 0.5)));
}
