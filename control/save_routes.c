/* SPDX-License-Identifier: BSD-3-Clause */
/* Routes and rules as ip lines. */
#include <arpa/inet.h>

#include "save.h"

/* ---- routes ---------------------------------------------------------------------------------- */

/* ip-route(8)'s words for RTAX_*, in its units. */
static const struct {
	unsigned int metric;
	const char *word;
	bool is_time; /* milliseconds */
	unsigned int unit; /* the value for 1 ms */
} metric_words[] = {
	{ RTAX_MTU, "mtu", false, 1 },
	{ RTAX_WINDOW, "window", false, 1 },
	{ RTAX_RTT, "rtt", true, 8 }, /* in eighths of a millisecond */
	{ RTAX_RTTVAR, "rttvar", true, 4 },
	{ RTAX_SSTHRESH, "ssthresh", false, 1 },
	{ RTAX_CWND, "cwnd", false, 1 },
	{ RTAX_ADVMSS, "advmss", false, 1 },
	{ RTAX_REORDERING, "reordering", false, 1 },
	{ RTAX_HOPLIMIT, "hoplimit", false, 1 },
	{ RTAX_INITCWND, "initcwnd", false, 1 },
	{ RTAX_RTO_MIN, "rto_min", true, 1 },
	{ RTAX_INITRWND, "initrwnd", false, 1 },
	{ RTAX_QUICKACK, "quickack", false, 1 },
};

struct route_save {
	const struct save *save;
	bool through_gateways; /* those whose gateway must be reachable first */
};

static const char *
type_word(uint8_t type)
{
	static const char *const words[RTN_MAX + 1] = {
		[RTN_LOCAL] = "local ",
		[RTN_BROADCAST] = "broadcast ",
		[RTN_ANYCAST] = "anycast ",
		[RTN_MULTICAST] = "multicast ",
		[RTN_BLACKHOLE] = "blackhole ",
		[RTN_UNREACHABLE] = "unreachable ",
		[RTN_PROHIBIT] = "prohibit ",
		[RTN_THROW] = "throw ",
	};

	return type <= RTN_MAX && words[type] != NULL ? words[type] : "";
}

static void
print_realm(FILE *out, uint32_t realm)
{
	if (realm != 0)
		fprintf(out, " realm %u/%u", realm >> 16, realm & 0xffff);
}

static void
print_hop(const struct save *save, uint8_t family, const struct rib_hop *hop)
{
	char text[64];

	if (hop->gateway_family != AF_UNSPEC)
		fprintf(save->out, " via %s%s", hop->gateway_family == family ? "" : "inet6 ",
			save_ip(hop->gateway_family, &hop->gateway, text));
	if (hop->ifindex != 0)
		fprintf(save->out, " dev %s", save_port_name(save, hop->ifindex).text);
	if (hop->flags & RTNH_F_ONLINK)
		fputs(" onlink", save->out);
	print_realm(save->out, hop->realm);
}

static void
print_metrics(FILE *out, const struct rib_route *route)
{
	for (size_t i = 0; i < sizeof(metric_words) / sizeof(metric_words[0]); i++) {
		unsigned int metric = metric_words[i].metric;
		bool locked = (route->metrics_set & (1u << RTAX_LOCK)) && (route->metrics[RTAX_LOCK] & (1u << metric));

		if (!(route->metrics_set & (1u << metric)))
			continue;
		/* Times lock themselves: rto_min always, the others when asked for. */
		fprintf(out, " %s %s%u%s", metric_words[i].word, locked && metric != RTAX_RTO_MIN ? "lock " : "",
			route->metrics[metric] / metric_words[i].unit, metric_words[i].is_time ? "ms" : "");
	}
	if (route->metrics_set & (1u << RTAX_FEATURES) && route->metrics[RTAX_FEATURES] & RTAX_FEATURE_ECN)
		fputs(" features ecn", out);
}

static bool
has_gateway(const struct rib_route *route)
{
	for (uint16_t i = 0; i < route->hop_count; i++)
		if (route->hops[i].gateway_family != AF_UNSPEC)
			return true;
	return false;
}

static int
save_route(void *arg, const struct rib_route *route)
{
	const struct route_save *rs = arg;
	const struct save *save = rs->save;
	FILE *out = save->out;
	char text[64];

	/* The kernel's own (RTPROT_KERNEL) come with the addresses. */
	if (route->protocol == RTPROT_KERNEL || has_gateway(route) != rs->through_gateways)
		return 0;
	/*
	 * Appended, so that several to one prefix keep their order; an IPv6 one would become another hop of the first.
	 */
	fprintf(out, "ip %sroute %s %s", route->dst.family == AF_INET6 ? "-6 " : "",
		route->dst.family == AF_INET6 ? "add" : "append", type_word(route->type));
	fprintf(out, "%s/%u", save_ip(route->dst.family, &route->dst.addr, text), route->dst.length);
	if (route->tos != 0)
		fprintf(out, " tos 0x%02x", route->tos);
	if (route->hop_count == 1)
		print_hop(save, route->dst.family, &route->hops[0]);
	fprintf(out, " table %u proto %u", route->table, route->protocol);
	if (route->dst.family == AF_INET)
		fprintf(out, " scope %u", route->scope);
	if (route->priority != 0)
		fprintf(out, " metric %u", route->priority);
	if (route->prefsrc_set)
		fprintf(out, " src %s", save_ip(route->dst.family, &route->prefsrc, text));
	print_metrics(out, route);
	for (uint16_t i = 0; route->hop_count > 1 && i < route->hop_count; i++) {
		fputs(" nexthop", out);
		print_hop(save, route->dst.family, &route->hops[i]);
		fprintf(out, " weight %u", route->hops[i].weight + 1u);
	}
	putc('\n', out);
	return 0;
}

void
save_routes(const struct save *save)
{
	const struct rib_route_filter all = { .family = AF_UNSPEC };
	struct route_save rs = { .save = save };

	rib_route_walk(router_rib(save->router), &all, save_route, &rs);
	rs.through_gateways = true;
	rib_route_walk(router_rib(save->router), &all, save_route, &rs);
}

/* ---- rules ----------------------------------------------------------------------------------- */

/* The rules that a router starts with: ip-rule(8). IPv6 has no table `default`. */
static const struct {
	uint8_t family;
	uint32_t priority, table;
} first_rules[] = {
	{ AF_INET, 0, RT_TABLE_LOCAL },
	{ AF_INET, 32766, RT_TABLE_MAIN },
	{ AF_INET, 32767, RT_TABLE_DEFAULT },
	{ AF_INET6, 0, RT_TABLE_LOCAL },
	{ AF_INET6, 32766, RT_TABLE_MAIN },
};

enum { FIRST_RULES = sizeof(first_rules) / sizeof(first_rules[0]) };

struct rule_save {
	const struct save *save;
	bool seen[FIRST_RULES];
};

static bool
is_first_rule(struct rule_save *rs, const struct rib_rule *rule)
{
	for (unsigned int i = 0; i < FIRST_RULES; i++) {
		if (rule->protocol == RTPROT_KERNEL && rule->family == first_rules[i].family &&
			rule->priority == first_rules[i].priority && rule->table == first_rules[i].table) {
			rs->seen[i] = true;
			return true;
		}
	}
	return false;
}

static void
print_range(FILE *out, const char *word, uint32_t low, uint32_t high)
{
	if (low == high)
		fprintf(out, " %s %u", word, low);
	else
		fprintf(out, " %s %u-%u", word, low, high);
}

static void
print_selectors(FILE *out, const struct rib_rule *rule)
{
	char text[64];

	if (rule->invert)
		fputs(" not", out);
	fprintf(out, " from %s/%u", save_ip(rule->family, &rule->src.addr, text), rule->src.length);
	if (rule->dst.length != 0)
		fprintf(out, " to %s/%u", save_ip(rule->family, &rule->dst.addr, text), rule->dst.length);
	if (rule->tos != 0)
		fprintf(out, " tos 0x%02x", rule->tos);
	if (rule->mark != 0 || rule->mark_mask != 0)
		fprintf(out, " fwmark 0x%x/0x%x", rule->mark, rule->mark_mask);
	if (rule->iif[0] != '\0')
		fprintf(out, " iif %s", shell_word(rule->iif).text);
	if (rule->oif[0] != '\0')
		fprintf(out, " oif %s", shell_word(rule->oif).text);
	if (rule->ip_protocol != 0)
		fprintf(out, " ipproto %u", rule->ip_protocol);
	if (rule->sport_high != 0)
		print_range(out, "sport", rule->sport_low, rule->sport_high);
	if (rule->dport_high != 0)
		print_range(out, "dport", rule->dport_low, rule->dport_high);
	if (rule->uid_set)
		fprintf(out, " uidrange %u-%u", rule->uid_low, rule->uid_high);
}

static int
save_rule(void *arg, const struct rib_rule *rule)
{
	struct rule_save *rs = arg;
	FILE *out = rs->save->out;

	if (is_first_rule(rs, rule))
		return 0;
	fprintf(out, "ip %srule add", rule->family == AF_INET6 ? "-6 " : "");
	print_selectors(out, rule);
	fprintf(out, " pref %u protocol %u", rule->priority, rule->protocol);
	if (rule->realm != 0)
		fprintf(out, " realms %u/%u", rule->realm >> 16, rule->realm & 0xffff);
	if (rule->suppress_prefix_length >= 0)
		fprintf(out, " suppress_prefixlength %d", rule->suppress_prefix_length);
	switch (rule->action) {
	case FR_ACT_GOTO:
		fprintf(out, " goto %u\n", rule->go_to);
		break;
	case FR_ACT_NOP:
		fputs(" nop\n", out);
		break;
	case FR_ACT_BLACKHOLE:
		fputs(" blackhole\n", out);
		break;
	case FR_ACT_UNREACHABLE:
		fputs(" unreachable\n", out);
		break;
	case FR_ACT_PROHIBIT:
		fputs(" prohibit\n", out);
		break;
	default:
		fprintf(out, " lookup %u\n", rule->table);
	}
	return 0;
}

void
save_rules(const struct save *save)
{
	struct rule_save rs = { .save = save };

	rib_rule_walk(router_rib(save->router), AF_INET, save_rule, &rs);
	rib_rule_walk(router_rib(save->router), AF_INET6, save_rule, &rs);
	/* Those of the start that were deleted. */
	for (unsigned int i = 0; i < FIRST_RULES; i++)
		if (!rs.seen[i])
			fprintf(save->out, "ip %srule del pref %u table %u\n",
				first_rules[i].family == AF_INET6 ? "-6 " : "", first_rules[i].priority,
				first_rules[i].table);
}
