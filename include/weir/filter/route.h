/* SPDX-License-Identifier: BSD-3-Clause */
/* route: the realms that routing gave the packet decide; tc-route(8). */
#ifndef WEIR_FILTER_ROUTE_H
#define WEIR_FILTER_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/classify.h>

#define ROUTE_REALM_MAX   255u
#define ROUTE_IFINDEX_MAX 0x7fffu

struct route_conf {
	bool has_to, has_from, has_fromif; /* not given: any */
	uint32_t to, from; /* realms of the routes to the destination and to the source */
	uint32_t fromif; /* ifindex that the packet arrived on; not together with from */
	bool has_classid; /* else a filter that is there keeps its own */
	uint32_t classid;
	const struct action_spec *actions;
	unsigned int n_actions;
};

/* Fills all but the actions. */
void route_get_conf(const void *filter, struct route_conf *conf);
const struct action_list *route_actions(const void *filter);

#endif
