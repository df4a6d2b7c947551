/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcindex: the class is looked up by the packet's tc_index, which dsmark or an action set; tc-tcindex(8), and
 * W. Almesberger, J. H. Salim and A. Kuznetsov, "Differentiated Services on Linux" (1999), section 4.
 */
#ifndef WEIR_FILTER_TCINDEX_H
#define WEIR_FILTER_TCINDEX_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/classify.h>

#define TCINDEX_HASH_MAX  0x10000u
#define TCINDEX_SHIFT_MAX 16u

/*
 * The key is (tc_index & mask) >> shift, and a filter's handle is the key that it is for. These are one for all filters
 * of a group: what a filter brings anew holds for the others, too.
 */
struct tcindex_settings {
	/*
	 * Above every key that mask and shift can give: handles must be below it then. Otherwise it only says in what
	 * order a dump comes. Default 64.
	 */
	uint32_t hash;
	uint16_t mask; /* default 0xffff */
	uint8_t shift; /* bits, 0..TCINDEX_SHIFT_MAX; default 0 */
	/* a key without a filter is the minor of the class (default); else the next group is asked */
	bool fall_through;
};

struct tcindex_conf {
	bool has_hash, has_mask, has_shift, has_fall_through, has_classid;
	uint32_t hash, mask, shift; /* as they were asked for: checked by the classifier */
	bool fall_through;
	uint32_t classid; /* not given: a filter that is there keeps its own */
	const struct action_spec *actions;
	unsigned int n_actions;
};

bool tcindex_is_empty(const struct filter_group *group); /* no filter in it: the settings decide alone */
void tcindex_get_settings(const struct filter_group *group, struct tcindex_settings *settings);
uint32_t tcindex_classid(const void *filter);
const struct action_list *tcindex_actions(const void *filter);

#endif
