/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_QDISC_TBF_H
#define WEIR_QDISC_TBF_H

#include <stdint.h>

#include <weir/rate.h>

/* tbf: tc-tbf(8). */
struct tbf_conf {
	struct rate_conf rate, peak; /* peak.Bps 0: none */
	uint32_t limit_bytes; /* of the inner bfifo */
	uint64_t burst_ns; /* the bucket as time at the rate, as tc sends it (ticks); used if burst_bytes is 0 */
	uint32_t burst_bytes; /* TCA_TBF_BURST */
	uint64_t mtu_ns; /* the peak rate's bucket */
	uint32_t mtu_bytes; /* TCA_TBF_PBURST */
};

#endif
