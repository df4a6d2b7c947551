/* SPDX-License-Identifier: BSD-3-Clause */
/* matchall: one filter, which every packet matches; tc-matchall(8). */
#ifndef WEIR_FILTER_MATCHALL_H
#define WEIR_FILTER_MATCHALL_H

#include <stdint.h>

#include <weir/classify.h>

struct matchall_conf {
	uint32_t classid; /* 0: none */
	uint32_t flags; /* TCA_CLS_FLAGS_*: kept for dumps */
	const struct action_spec *actions;
	unsigned int n_actions;
};

/* Fills all but the actions. */
void matchall_get_conf(const void *filter, struct matchall_conf *conf);
const struct action_list *matchall_actions(const void *filter);
uint64_t matchall_hits(const void *filter); /* packets */

#endif
