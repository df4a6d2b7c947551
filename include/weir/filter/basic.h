/* SPDX-License-Identifier: BSD-3-Clause */
/* basic: extended matches; tc-basic(8). */
#ifndef WEIR_FILTER_BASIC_H
#define WEIR_FILTER_BASIC_H

#include <weir/filter/ematch.h>

struct basic_conf {
	uint32_t classid; /* 0: none */
	const struct ematch *matches;
	unsigned int n_matches; /* 0: every packet matches */
	const struct action_spec *actions;
	unsigned int n_actions;
};

uint32_t basic_classid(const void *filter);
const struct ematch *basic_matches(const void *filter, unsigned int *n);
const struct action_list *basic_actions(const void *filter);

#endif
