/* SPDX-License-Identifier: BSD-3-Clause */
/* police: lets pass what keeps to a rate, and does with the rest what is asked. */
#ifndef WEIR_ACTION_POLICE_H
#define WEIR_ACTION_POLICE_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/rate.h>

struct police_conf {
	int32_t exceed,
		conform; /* TC_ACT_*: what becomes of a packet that does not keep to the rate, and of one that does */
	struct rate_conf rate, peak; /* Bps 0: none */
	uint64_t burst_ns; /* the bucket as time at the rate */
	uint32_t mtu; /* bytes: a longer packet exceeds; at the peak rate also the depth of its bucket */
	uint64_t packets_per_s; /* 0: none; not together with rate */
	uint64_t packet_burst_ns; /* its bucket as time at that rate */
	uint64_t average_Bps; /* from this average on all exceeds; 0: none. Not together with rate */
	bool has_average_rate; /* was given, if only as 0: there must be an estimator */
};

#endif
