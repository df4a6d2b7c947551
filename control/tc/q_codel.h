/* SPDX-License-Identifier: BSD-3-Clause */
/* What the codecs of codel and fq_codel share: times are microseconds in netlink and in scripts. */
#ifndef WEIR_CONTROL_Q_CODEL_H
#define WEIR_CONTROL_Q_CODEL_H

#include <weir/qdisc/codel.h>

#include "tc/qdisc_codec.h"

/* Reads a time, if it is there, and notes that in *given. */
static inline int
codel_get_time(
	const struct nlattr *attr, uint32_t flag, uint32_t *given, uint64_t *ns, const char *what, struct error *err)
{
	uint32_t us;
	int rc = nl_get_u32(attr, 0, &us, what, err);

	if (rc == 0 && attr != NULL) {
		*ns = (uint64_t)us * 1000;
		*given |= flag;
	}
	return rc;
}

/* Likewise a number. */
static inline int
codel_get_number(
	const struct nlattr *attr, uint32_t flag, uint32_t *given, uint32_t *value, const char *what, struct error *err)
{
	int rc = nl_get_u32(attr, *value, value, what, err);

	if (rc == 0 && attr != NULL)
		*given |= flag;
	return rc;
}

static inline uint32_t
codel_us(uint64_t ns)
{
	return (uint32_t)(ns / 1000);
}

/* What tc must be told for the same number of 1.024 us: it is rounded down again. */
static inline uint32_t
codel_us_to_save(uint64_t ns)
{
	return (uint32_t)((ns + 999) / 1000);
}

static inline void
codel_save_times(FILE *out, const struct codel_times *times, uint32_t given)
{
	fprintf(out, " target %uus interval %uus", codel_us_to_save(times->target_ns),
		codel_us_to_save(times->interval_ns));
	if ((given & CODEL_CE_THRESHOLD) != 0)
		fprintf(out, " ce_threshold %uus", codel_us_to_save(times->ce_threshold_ns));
	fprintf(out, times->ecn ? " ecn" : " noecn");
}

/* Signed, as tc shows it. */
static inline int32_t
codel_drop_next_us(const struct codel_queue_xstats *queue)
{
	return (int32_t)(queue->drop_next_ns / 1000);
}

#endif
