/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is added to forwarding, with it and without, in turns: by packet filter tables (1,000 rules at FORWARD that ban
 * a destination each and that no packet hits, and one at PREROUTING that marks every packet), and by realms.
 */
#include <stdlib.h>

#include <arpa/inet.h>
#include <linux/rtnetlink.h>

#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_malloc.h>

#include <weir/netfilter.h>
#include <weir/netfilter/targets.h>

#include "null_router.h"
#include "report.h"

#define FRAMES (1u << 18)
#define ROUNDS 15
#define RULES  1000

static void
load(struct netfilter *nf, enum netfilter_table_id table, enum netfilter_hook hook,
	const struct netfilter_rule_spec *rules, uint32_t n)
{
	struct netfilter_rule_spec *all = calloc(n + NETFILTER_HOOKS, sizeof(*all));
	struct netfilter_table_spec spec = { .table = table, .rules = all, .n_rules = n + 1 };
	struct error err = { 0 };

	bench_check(all == NULL ? -ENOMEM : 0, "rules", NULL);
	memcpy(all, rules, n * sizeof(*all));
	all[n].target.verdict = NETFILTER_ACCEPT;
	spec.policy[hook] = n;
	for (unsigned int h = 0; h < NETFILTER_HOOKS; h++)
		if (h != hook && (netfilter_table_hooks(table) & 1u << h) != 0) {
			all[spec.n_rules].target.verdict = NETFILTER_ACCEPT;
			spec.first[h] = spec.policy[h] = spec.n_rules++;
		}
	bench_check(netfilter_replace(nf, &spec, NULL, &err), "netfilter_replace", &err);
	free(all);
}

static void
load_tables(struct netfilter *nf)
{
	struct netfilter_mark_target_conf conf = { 1, UINT32_MAX };
	const struct netfilter_rule_spec mark = { .target = { NETFILTER_EXTENSION, 0, "MARK", &conf } };
	struct netfilter_rule_spec *bans = calloc(RULES, sizeof(*bans));

	bench_check(bans == NULL ? -ENOMEM : 0, "rules", NULL);
	for (uint32_t i = 0; i < RULES; i++)
		bans[i] = (struct netfilter_rule_spec){ .selector = { .dst = rte_cpu_to_be_32(0x0a800000 + 77 * i),
								.dst_mask = UINT32_MAX },
			.target.verdict = NETFILTER_DROP };
	load(nf, NETFILTER_FILTER, NETFILTER_FORWARD, bans, RULES);
	load(nf, NETFILTER_MANGLE, NETFILTER_PREROUTING, &mark, 1);
	free(bans);
}

static void
unload_tables(struct netfilter *nf)
{
	netfilter_unload(nf, NETFILTER_FILTER);
	netfilter_unload(nf, NETFILTER_MANGLE);
}

static void
set_tables(struct null_router *n, bool there)
{
	if (there)
		load_tables(router_netfilter(n->router));
	else
		unload_tables(router_netfilter(n->router));
}

/* The network that all packets come from has a route with a realm: each packet's way back is asked for. */
static void
set_realm(struct null_router *n, bool there)
{
	struct rib_hop hop = { .ifindex = n->in->ifindex, .realm = 9 };
	struct rib_route route = {
		.dst = { AF_INET, 25, ip_addr_v4(RTE_BE32(RTE_IPV4(10, 0, 0, 0))) },
		.table = RT_TABLE_MAIN,
		.protocol = RTPROT_BOOT,
		.type = RTN_UNICAST,
		.scope = RT_SCOPE_LINK,
		.hop_count = 1,
		.hops = &hop,
	};
	struct error err = { 0 };

	if (there)
		bench_check(rib_route_add(router_rib(n->router), &route, CHANGE_CREATE, &err), "route", &err);
	else
		bench_check(rib_route_delete(router_rib(n->router), &route, &err), "route", &err);
}

static const struct added_row {
	void (*set)(struct null_router *n, bool there);
	struct report_row row;
} rows[] = {
	{ set_tables, { .name = "forward-1000-iptables",
			      .work = "forward 64 B, 1,000 iptables rules and a mark: more than without tables",
			      .unit = "cycles/packet" } },
	{ set_realm, { .name = "forward-realms",
			     .work = "forward 64 B, a realm on the way back to the sources: more than without",
			     .unit = "cycles/packet" } },
};

static void
report_added(struct null_router *n, const struct added_row *added_row)
{
	const struct report_row *row = &added_row->row;
	double plain[ROUNDS], with[ROUNDS], added[ROUNDS];

	for (unsigned int i = 0; i < ROUNDS; i++) {
		plain[i] = null_router_warm_cycles(FRAMES);
		added_row->set(n, true);
		with[i] = null_router_warm_cycles(FRAMES);
		added_row->set(n, false);
	}
	double before = report_median(plain, ROUNDS);
	for (unsigned int i = 0; i < ROUNDS; i++)
		added[i] = with[i] - before;
	report_note("%s: %.1f in all, %.1f without", row->name, report_median(with, ROUNDS), before);
	report_add(row, added, NULL, ROUNDS);
}

void
report_tables(struct null_router *n, const struct prefix4 *prefixes, size_t count)
{
	uint32_t *destinations;

	if (!report_wanted(rows[0].row.name) && !report_wanted(rows[1].row.name))
		return;
	destinations = calloc(FRAMES, sizeof(*destinations));
	bench_check(destinations == NULL ? -ENOMEM : 0, "destinations", NULL);
	traffic4(TRAFFIC_ZIPF, prefixes, count, destinations, FRAMES, 7);
	struct null_frame *frames = null_frames(destinations, NULL, FRAMES);
	null_router_set_frames(frames, FRAMES);
	for (size_t i = 0; i < RTE_DIM(rows); i++)
		if (report_wanted(rows[i].row.name))
			report_added(n, &rows[i]);
	free(destinations);
	rte_free(frames);
}
