/* SPDX-License-Identifier: BSD-3-Clause */
/* fw: the packet's firewall mark is the filter's handle; tc-fw(8). */
#ifndef WEIR_FILTER_FW_H
#define WEIR_FILTER_FW_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/classify.h>

/*
 * The handle is the mark to look for. With no filter in it a group takes the mark itself as classid, if its major is 0
 * or the qdisc's
 * (tc-fw(8), "the mark as class").
 */
struct fw_conf {
	bool has_classid;
	uint32_t classid;
	/* one for all filters of a group: which bits of the mark are compared; all where none is given */
	bool has_mask;
	uint32_t mask;
	uint32_t in_port; /* ifindex that the packet must have arrived on; 0: any */
	const struct action_spec *actions;
	unsigned int n_actions;
};

/* Fills all but `actions`. */
void fw_get_conf(const struct filter_group *group, const void *filter, struct fw_conf *conf);
const struct action_list *fw_actions(const void *filter);

#endif
