/* SPDX-License-Identifier: BSD-3-Clause */
#include "ip.h"

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct words {
	char *word[64];
	unsigned int count, at;
};

static const char *
next(struct words *w)
{
	if (w->at >= w->count)
		fail_msg("a word is missing after '%s'", w->word[w->count - 1]);
	return w->word[w->at++];
}

static bool
takes(struct words *w, const char *word)
{
	if (w->at >= w->count || strcmp(w->word[w->at], word) != 0)
		return false;
	w->at++;
	return true;
}

static uint32_t
number(struct words *w)
{
	return (uint32_t)strtoul(next(w), NULL, 0);
}

struct ip_addr
ip_parse(const char *text, uint8_t *family)
{
	struct ip_addr a = { .halves = { 0, 0 } };

	*family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;
	if (inet_pton(*family, text, &a) != 1)
		fail_msg("not an address: %s", text);
	return a;
}

static struct ip_prefix
prefix(const char *text)
{
	struct ip_prefix p = { 0 };
	char copy[64], *slash;

	if (strcmp(text, "default") == 0)
		return (struct ip_prefix){ .family = AF_INET };
	if (strcmp(text, "default6") == 0)
		return (struct ip_prefix){ .family = AF_INET6 };
	snprintf(copy, sizeof(copy), "%s", text);
	slash = strchr(copy, '/');
	if (slash != NULL)
		*slash = '\0';
	p.addr = ip_parse(copy, &p.family);
	p.length = slash != NULL ? (uint8_t)atoi(slash + 1) : ip_family_bits(p.family);
	return p;
}

static const char *const type_names[] = { "unspec", "unicast", "local", "broadcast", "anycast", "multicast",
	"blackhole", "unreachable", "prohibit", "throw", "nat", "xresolve" };

static int
link_command(struct rib *rib, struct words *w, struct error *err)
{
	struct rib_link link = { .mtu = 1500, .flags = IFF_BROADCAST };

	if (takes(w, "del")) {
		rib_link_remove(rib, number(w));
		return 0;
	}
	snprintf(link.name, sizeof(link.name), "%s", next(w));
	link.ifindex = number(w);
	if (takes(w, "up"))
		link.flags |= IFF_UP | IFF_RUNNING;
	else if (!takes(w, "down"))
		fail_msg("link: up or down");
	while (w->at < w->count) {
		if (takes(w, "loopback"))
			link.flags |= IFF_LOOPBACK;
		else if (takes(w, "noarp"))
			link.flags |= IFF_NOARP;
		else if (takes(w, "nocarrier"))
			link.flags &= ~(uint32_t)IFF_RUNNING;
		else if (takes(w, "mtu"))
			link.mtu = number(w);
		else
			fail_msg("link: what is '%s'?", next(w));
	}
	return rib_link_set(rib, &link, err);
}

static int
address_command(struct rib *rib, struct words *w, struct error *err)
{
	bool replace = takes(w, "replace"), del = !replace && takes(w, "del");
	struct rib_address a = { .flags = IFA_F_PERMANENT };
	struct ip_prefix p;
	uint8_t family;

	if (!replace && !del && !takes(w, "add"))
		fail_msg("address: add, replace or del");
	bool bare = strchr(w->word[w->at], '/') == NULL;

	p = prefix(next(w));
	a.family = p.family;
	a.prefix_length = p.length;
	a.local = p.addr;
	if (!del || !bare)
		a.peer = p.addr;
	while (w->at < w->count) {
		if (takes(w, "peer")) {
			p = prefix(next(w));
			a.peer = p.addr;
			a.prefix_length = p.length;
		} else if (takes(w, "brd")) {
			if (takes(w, "+"))
				a.broadcast.v4 = a.local.v4 | rte_cpu_to_be_32(a.prefix_length == 0 ? UINT32_MAX
									       : a.prefix_length > 30
										       ? 0
										       : UINT32_MAX >> a.prefix_length);
			else
				a.broadcast = ip_parse(next(w), &family);
			if (a.prefix_length > 30)
				a.broadcast.v4 = 0;
		} else if (takes(w, "scope")) {
			a.scope = (uint8_t)number(w);
		} else if (takes(w, "metric")) {
			a.metric = number(w);
		} else if (takes(w, "noprefixroute")) {
			a.flags |= IFA_F_NOPREFIXROUTE;
		} else if (takes(w, "dev")) {
			a.ifindex = number(w);
		} else {
			fail_msg("address: what is '%s'?", next(w));
		}
	}
	return del ? rib_address_remove(rib, &a, err) : rib_address_add(rib, &a, replace, err);
}

static void
hop_words(struct words *w, struct rib_hop *hop)
{
	for (;;) {
		if (takes(w, "via"))
			hop->gateway = ip_parse(next(w), &hop->gateway_family);
		else if (takes(w, "dev"))
			hop->ifindex = number(w);
		else if (takes(w, "weight"))
			hop->weight = (uint8_t)(number(w) - 1);
		else if (takes(w, "onlink"))
			hop->flags |= RTNH_F_ONLINK;
		else if (takes(w, "realm"))
			hop->realm = number(w);
		else
			return;
	}
}

/* The defaults that iproute2 fills in. */
static void
route_defaults(struct rib_route *r, bool del, bool scope_set)
{
	if (r->table == 0)
		r->table = r->type == RTN_LOCAL || r->type == RTN_BROADCAST || r->type == RTN_ANYCAST ? RT_TABLE_LOCAL
												      : RT_TABLE_MAIN;
	if (!del && r->protocol == 0)
		r->protocol = RTPROT_BOOT;
	if (scope_set)
		return;
	if (del)
		r->scope = RT_SCOPE_NOWHERE;
	else if (r->type == RTN_LOCAL)
		r->scope = RT_SCOPE_HOST;
	else if (r->type == RTN_BROADCAST || r->type == RTN_ANYCAST || r->type == RTN_MULTICAST)
		r->scope = RT_SCOPE_LINK;
	else if (r->type == RTN_UNICAST && r->hop_count == 1 && r->hops[0].gateway_family == 0 &&
		 r->hops[0].ifindex != 0)
		r->scope = RT_SCOPE_LINK;
}

static uint16_t
route_verb(const char *verb)
{
	static const struct {
		const char *name;
		uint16_t flags;
	} verbs[] = {
		{ "add", CHANGE_CREATE | CHANGE_EXCLUSIVE },
		{ "append", CHANGE_CREATE | CHANGE_APPEND },
		{ "prepend", CHANGE_CREATE },
		{ "change", CHANGE_REPLACE },
		{ "replace", CHANGE_CREATE | CHANGE_REPLACE },
		{ "del", 0 },
	};

	for (unsigned int i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verbs[i].name, verb) == 0)
			return verbs[i].flags;
	fail_msg("route: what is '%s'?", verb);
	return 0;
}

static int
route_command(struct rib *rib, struct words *w, struct error *err)
{
	const char *verb = next(w);
	uint16_t flags = route_verb(verb);
	struct rib_hop hops[RIB_NEXTHOPS_MAX + 1] = { 0 };
	bool del = strcmp(verb, "del") == 0, scope_set = false;
	struct rib_route r = { .type = del ? RTN_UNSPEC : RTN_UNICAST, .hops = hops };

	for (unsigned int i = 1; i < sizeof(type_names) / sizeof(type_names[0]); i++)
		if (takes(w, type_names[i]))
			r.type = (uint8_t)i;
	r.dst = prefix(next(w));
	while (w->at < w->count) {
		unsigned int at = w->at;

		if (takes(w, "nexthop")) {
			hop_words(w, &hops[r.hop_count++]);
			continue;
		}
		hop_words(w, &hops[0]);
		if (w->at > at)
			r.hop_count = hops[0].ifindex != 0 || hops[0].gateway_family != 0 || hops[0].realm != 0;
		else if (takes(w, "src"))
			r.prefsrc = ip_parse(next(w), &(uint8_t){ 0 }), r.prefsrc_set = 1;
		else if (takes(w, "metric"))
			r.priority = number(w);
		else if (takes(w, "tos"))
			r.tos = (uint8_t)number(w);
		else if (takes(w, "table"))
			r.table = number(w);
		else if (takes(w, "proto"))
			r.protocol = (uint8_t)number(w);
		else if (takes(w, "scope"))
			r.scope = (uint8_t)number(w), scope_set = true;
		else if (takes(w, "mtu"))
			r.metrics[RTAX_MTU] = number(w), r.metrics_set |= 1u << RTAX_MTU;
		else
			fail_msg("route: what is '%s'?", next(w));
	}
	route_defaults(&r, del, scope_set);
	return del ? rib_route_delete(rib, &r, err) : rib_route_add(rib, &r, flags, err);
}

static int
rule_command(struct rib *rib, struct words *w, struct error *err)
{
	bool del = strcmp(next(w), "del") == 0;
	struct rib_rule r = {
		.family = AF_INET, .action = del ? FR_ACT_UNSPEC : FR_ACT_TO_TBL, .suppress_prefix_length = -1
	};

	if (takes(w, "-6"))
		r.family = AF_INET6;
	if (!del)
		r.table = RT_TABLE_MAIN;
	while (w->at < w->count) {
		if (takes(w, "not"))
			r.invert = true;
		else if (takes(w, "from"))
			r.src = prefix(next(w));
		else if (takes(w, "to"))
			r.dst = prefix(next(w));
		else if (takes(w, "fwmark"))
			r.mark = number(w), r.mark_mask = UINT32_MAX;
		else if (takes(w, "mask"))
			r.mark_mask = number(w);
		else if (takes(w, "tos"))
			r.tos = (uint8_t)number(w);
		else if (takes(w, "iif"))
			snprintf(r.iif, sizeof(r.iif), "%s", next(w));
		else if (takes(w, "oif"))
			snprintf(r.oif, sizeof(r.oif), "%s", next(w));
		else if (takes(w, "ipproto"))
			r.ip_protocol = (uint8_t)number(w);
		else if (takes(w, "sport"))
			r.sport_low = (uint16_t)number(w), r.sport_high = (uint16_t)number(w);
		else if (takes(w, "dport"))
			r.dport_low = (uint16_t)number(w), r.dport_high = (uint16_t)number(w);
		else if (takes(w, "pref"))
			r.priority = number(w), r.priority_set = true;
		else if (takes(w, "table"))
			r.table = number(w);
		else if (takes(w, "goto"))
			r.go_to = number(w), r.action = FR_ACT_GOTO, r.table = 0;
		else if (takes(w, "suppress"))
			r.suppress_prefix_length = (int32_t)number(w);
		else if (takes(w, "realms"))
			r.realm = number(w);
		else if (takes(w, "blackhole"))
			r.action = FR_ACT_BLACKHOLE, r.table = 0;
		else if (takes(w, "unreachable"))
			r.action = FR_ACT_UNREACHABLE, r.table = 0;
		else if (takes(w, "prohibit"))
			r.action = FR_ACT_PROHIBIT, r.table = 0;
		else if (takes(w, "nop"))
			r.action = FR_ACT_NOP, r.table = 0;
		else
			fail_msg("rule: what is '%s'?", next(w));
	}
	return del ? rib_rule_delete(rib, &r, err) : rib_rule_add(rib, &r, CHANGE_CREATE | CHANGE_EXCLUSIVE, err);
}

struct ip_answer
ip_command(struct rib *rib, const char *line)
{
	char copy[512], *save = NULL;
	struct error err = { 0 };
	struct words w = { 0 };
	struct ip_answer answer = { 0 };
	int status = 0;

	snprintf(copy, sizeof(copy), "%s", line);
	for (char *word = strtok_r(copy, " \t", &save); word != NULL; word = strtok_r(NULL, " \t", &save))
		w.word[w.count++] = word;
	if (takes(&w, "link"))
		status = link_command(rib, &w, &err);
	else if (takes(&w, "address"))
		status = address_command(rib, &w, &err);
	else if (takes(&w, "route"))
		status = route_command(rib, &w, &err);
	else if (takes(&w, "rule"))
		status = rule_command(rib, &w, &err);
	else
		fail_msg("what is '%s'?", line);
	if (status != 0) {
		assert_int_equal(status, -err.code);
		answer.code = err.code;
		snprintf(answer.msg, sizeof(answer.msg), "%s", err.msg);
	}
	return answer;
}

struct text {
	const struct rib *rib;
	char buffer[65536];
	size_t length;
	bool with_table;
};

static struct text text;

__attribute__((format(printf, 1, 2))) static void
put(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	text.length += (size_t)vsnprintf(text.buffer + text.length, sizeof(text.buffer) - text.length, format, args);
	va_end(args);
}

static const char *
address_text(uint8_t family, const struct ip_addr *a)
{
	static char buffer[4][INET6_ADDRSTRLEN];
	static unsigned int turn;
	char *b = buffer[turn++ % 4];

	return inet_ntop(family, a, b, INET6_ADDRSTRLEN);
}

static void
put_hop(uint8_t family, const struct rib_hop *hop)
{
	const struct rib_link *link = rib_link_find(text.rib, hop->ifindex);

	if (hop->gateway_family != AF_UNSPEC)
		put(" via %s%s", hop->gateway_family == family ? "" : "inet6 ",
			address_text(hop->gateway_family, &hop->gateway));
	put(" dev %s", link == NULL ? "?" : link->name);
}

static void
put_flags(uint32_t flags)
{
	put("%s%s%s", flags & RTNH_F_DEAD ? " dead" : "", flags & RTNH_F_ONLINK ? " onlink" : "",
		flags & RTNH_F_LINKDOWN ? " linkdown" : "");
}

static int
put_route(void *arg, const struct rib_route *r)
{
	uint8_t family = r->dst.family;

	if (r->type != RTN_UNICAST)
		put("%s ", type_names[r->type]);
	if (r->dst.length == 0)
		put("default");
	else if (r->dst.length == ip_family_bits(family))
		put("%s", address_text(family, &r->dst.addr));
	else
		put("%s/%u", address_text(family, &r->dst.addr), r->dst.length);
	if (r->tos != 0)
		put(" tos 0x%02x", r->tos);
	if (r->hop_count == 1)
		put_hop(family, &r->hops[0]);
	if (text.with_table && r->table != RT_TABLE_MAIN)
		put(r->table == RT_TABLE_LOCAL ? " table local" : " table %u", r->table);
	if (r->protocol == RTPROT_KERNEL)
		put(" proto kernel");
	if (r->scope != RT_SCOPE_UNIVERSE)
		put(" scope %s", r->scope == RT_SCOPE_LINK ? "link" : r->scope == RT_SCOPE_HOST ? "host" : "?");
	if (r->prefsrc_set)
		put(" src %s", address_text(family, &r->prefsrc));
	if (r->priority != 0)
		put(" metric %u", r->priority);
	if (r->metrics_set >> RTAX_MTU & 1)
		put(" mtu %u", r->metrics[RTAX_MTU]);
	put_flags(r->flags);
	for (uint16_t i = 0; r->hop_count > 1 && i < r->hop_count; i++) {
		put("\n\tnexthop");
		put_hop(family, &r->hops[i]);
		put(" weight %u", r->hops[i].weight + 1);
		put_flags(r->hops[i].flags);
	}
	put("\n");
	return 0;
}

const char *
ip_routes(const struct rib *rib, uint8_t family, uint32_t table)
{
	struct rib_route_filter filter = { .family = family, .table = table };

	text.rib = rib;
	text.length = 0;
	text.buffer[0] = '\0';
	text.with_table = table == 0;
	rib_route_walk(rib, &filter, put_route, NULL);
	return text.buffer;
}

static int
put_rule(void *arg, const struct rib_rule *r)
{
	static const char *const actions[] = { "?", "lookup", "goto", "nop", "?", "?", "blackhole", "unreachable",
		"prohibit" };

	put("%u: %sfrom ", r->priority, r->invert ? "not " : "");
	if (r->src.length == 0)
		put("all");
	else
		put("%s/%u", address_text(r->family, &r->src.addr), r->src.length);
	if (r->dst.length != 0)
		put(" to %s/%u", address_text(r->family, &r->dst.addr), r->dst.length);
	if (r->mark != 0 || r->mark_mask != 0)
		put(" fwmark 0x%x/0x%x", r->mark, r->mark_mask);
	if (r->iif[0] != '\0')
		put(" iif %s%s", r->iif, r->flags & FIB_RULE_IIF_DETACHED ? " [detached]" : "");
	if (r->oif[0] != '\0')
		put(" oif %s%s", r->oif, r->flags & FIB_RULE_OIF_DETACHED ? " [detached]" : "");
	put(" %s", actions[r->action]);
	if (r->action == FR_ACT_TO_TBL)
		put(" %u", r->table);
	if (r->action == FR_ACT_GOTO)
		put(" %u%s", r->go_to, r->flags & FIB_RULE_UNRESOLVED ? " [unresolved]" : "");
	if (r->suppress_prefix_length >= 0)
		put(" suppress_prefixlength %d", r->suppress_prefix_length);
	put("\n");
	return 0;
}

const char *
ip_rules(const struct rib *rib, uint8_t family)
{
	text.length = 0;
	text.buffer[0] = '\0';
	rib_rule_walk(rib, family, put_rule, NULL);
	return text.buffer;
}

static int
put_address(void *arg, const struct rib_address *a)
{
	put("%u: %s", a->ifindex, address_text(a->family, &a->local));
	if (!ip_addr_equal(&a->local, &a->peer))
		put(" peer %s", address_text(a->family, &a->peer));
	put("/%u", a->prefix_length);
	if (a->broadcast.v4 != 0)
		put(" brd %s", address_text(a->family, &a->broadcast));
	put("%s\n", a->flags & IFA_F_SECONDARY ? " secondary" : "");
	return 0;
}

const char *
ip_addresses(const struct rib *rib, uint8_t family)
{
	text.length = 0;
	text.buffer[0] = '\0';
	rib_address_walk(rib, 0, family, put_address, NULL);
	return text.buffer;
}

const char *
ip_get(const struct rib *rib, const char *dst, const char *src, uint8_t tos, uint32_t mark)
{
	struct rib_key key = { .iif = 1, .dsfield = tos, .mark = mark };
	struct rib_result result;
	struct rib_route route;
	struct rib_hop hop;
	struct error err;
	const struct rib_nexthop *nexthop;
	int status;

	key.dst = ip_parse(dst, &key.family);
	if (src != NULL)
		key.src = ip_parse(src, &key.family);
	status = rib_route_get(rib, &key, &route, &hop, &err);
	rib_lookup(rib, &key, 1, &result);
	text.rib = rib;
	text.length = 0;
	text.buffer[0] = '\0';
	if (status != 0) {
		put("%s", strerrorname_np(-status));
		if (result.type == RTN_UNICAST || result.type == RTN_LOCAL)
			put(" differ: rib_lookup found type %u", result.type);
		return text.buffer;
	}
	nexthop = rib_nexthop(rib, result.nexthop);
	if (result.type != route.type || result.prefix_length != route.dst.length || nexthop == NULL ||
		nexthop->ifindex != hop.ifindex || nexthop->gateway_family != hop.gateway_family ||
		!ip_addr_equal(&nexthop->gateway, &hop.gateway))
		put("differ: ");
	put("%s", route.type == RTN_UNICAST ? dst : type_names[route.type]);
	put_hop(route.dst.family, &hop);
	put(" table %u", route.table);
	return text.buffer;
}

void
ip_script(struct rib *rib, const char *script)
{
	char line[512], expected[300], got[300];

	while (*script != '\0') {
		struct ip_answer answer;
		size_t length = strcspn(script, "\n");

		snprintf(line, sizeof(line), "%.*s", (int)length, script);
		script += length + (script[length] == '\n');
		if (line[0] == '\0')
			continue;
		answer = ip_command(rib, line);
		expected[0] = '\0';
		if (script[0] == '!') {
			length = strcspn(script, "\n");
			snprintf(expected, sizeof(expected), "%.*s", (int)length, script);
			script += length + (script[length] == '\n');
		}
		got[0] = '\0';
		if (answer.code != 0)
			snprintf(got, sizeof(got), "! %s%s%s", strerrorname_np(answer.code),
				answer.msg[0] == '\0' ? "" : " ", answer.msg);
		if (strcmp(expected, got) != 0)
			fail_msg("%s\n  expected: %s\n  got:      %s", line, expected, got);
	}
}
