/* SPDX-License-Identifier: BSD-3-Clause */
/* RTM_NEWRULE, RTM_DELRULE, RTM_GETRULE: the routing policy database, ip-rule(8). */
#include <arpa/inet.h>
#include <netinet/ip.h>

#include "codec.h"
#include "events.h"

/* ---- to the wire ----------------------------------------------------------------------------- */

struct goto_search {
	uint32_t priority;
	bool found;
};

static int
match_priority(void *arg, const struct rib_rule *rule)
{
	struct goto_search *search = arg;

	search->found = rule->priority == search->priority;
	return search->found;
}

static uint32_t
rule_flags(const struct router *router, const struct rib_rule *rule)
{
	uint32_t flags = rule->invert ? FIB_RULE_INVERT : 0;

	if (rule->iif[0] != '\0' && port_find_name(router, rule->iif) == NULL)
		flags |= FIB_RULE_IIF_DETACHED;
	if (rule->oif[0] != '\0' && port_find_name(router, rule->oif) == NULL)
		flags |= FIB_RULE_OIF_DETACHED;
	if (rule->action == FR_ACT_GOTO) {
		struct goto_search search = { .priority = rule->go_to };
		struct router *r = (struct router *)(uintptr_t)router;

		rib_rule_walk(router_rib(r), rule->family, match_priority, &search);
		if (!search.found)
			flags |= FIB_RULE_UNRESOLVED;
	}
	return flags;
}

static void
put_port_range(struct nl_msgs *msgs, uint16_t attr, uint16_t low, uint16_t high)
{
	const struct fib_rule_port_range range = { .start = low, .end = high };

	if (low != 0 || high != 0)
		nl_put(msgs, attr, &range, sizeof(range));
}

static void
put_selectors(struct nl_msgs *msgs, const struct rib_rule *rule)
{
	if (rule->iif[0] != '\0')
		nl_put_string(msgs, FRA_IIFNAME, rule->iif);
	if (rule->oif[0] != '\0')
		nl_put_string(msgs, FRA_OIFNAME, rule->oif);
	if (rule->mark != 0)
		nl_put_u32(msgs, FRA_FWMARK, rule->mark);
	if (rule->mark != 0 || rule->mark_mask != 0)
		nl_put_u32(msgs, FRA_FWMASK, rule->mark_mask);
	if (rule->uid_set)
		nl_put(msgs, FRA_UID_RANGE,
			&(struct fib_rule_uid_range){ .start = rule->uid_low, .end = rule->uid_high },
			sizeof(struct fib_rule_uid_range));
	put_port_range(msgs, FRA_SPORT_RANGE, rule->sport_low, rule->sport_high);
	put_port_range(msgs, FRA_DPORT_RANGE, rule->dport_low, rule->dport_high);
	if (rule->ip_protocol != 0)
		nl_put_u8(msgs, FRA_IP_PROTO, rule->ip_protocol);
	if (rule->dst.length != 0)
		put_ip(msgs, FRA_DST, rule->family, &rule->dst.addr);
	if (rule->src.length != 0)
		put_ip(msgs, FRA_SRC, rule->family, &rule->src.addr);
	if (rule->realm != 0)
		nl_put_u32(msgs, FRA_FLOW, rule->realm);
}

void
put_rule(struct nl_msgs *msgs, const struct router *router, const struct rib_rule *rule, uint16_t type, uint16_t flags)
{
	struct fib_rule_hdr *header;

	nl_msg_begin(msgs, type, flags, sizeof(*header));
	header = nl_msg_body(msgs);
	header->family = rule->family;
	header->dst_len = rule->dst.length;
	header->src_len = rule->src.length;
	header->tos = rule->tos;
	header->table = rule->table < 256 ? (uint8_t)rule->table : RT_TABLE_COMPAT;
	header->action = rule->action;
	header->flags = rule_flags(router, rule);
	nl_put_u32(msgs, FRA_TABLE, rule->table);
	nl_put_u32(msgs, FRA_SUPPRESS_PREFIXLEN, (uint32_t)rule->suppress_prefix_length);
	nl_put_u8(msgs, FRA_PROTOCOL, rule->protocol);
	if (rule->action == FR_ACT_GOTO)
		nl_put_u32(msgs, FRA_GOTO, rule->go_to);
	if (rule->priority != 0)
		nl_put_u32(msgs, FRA_PRIORITY, rule->priority);
	put_selectors(msgs, rule);
	nl_msg_end(msgs);
}

/* ---- from the wire --------------------------------------------------------------------------- */

static int
parse_prefix(const struct nlattr *attr, uint8_t family, uint8_t length, const char *what, struct ip_prefix *prefix,
	struct error *err)
{
	prefix->family = family;
	prefix->length = length;
	if (length > ip_family_bits(family))
		return error_set(err, EINVAL, "%s: a prefix of %u bits is too long", what, length);
	if (attr == NULL)
		return length == 0 ? 0 : error_set(err, EINVAL, "%s: a prefix length without an address", what);
	if (get_ip(attr, family, &prefix->addr, what, err) < 0)
		return -err->code;
	clear_host_bits(&prefix->addr, length);
	return 0;
}

static int
parse_port_range(const struct nlattr *attr, const char *what, uint16_t *low, uint16_t *high, struct error *err)
{
	struct fib_rule_port_range range;

	if (attr == NULL)
		return 0;
	if (mnl_attr_get_payload_len(attr) != sizeof(range))
		return error_set(err, EINVAL, "Invalid %s range", what);
	memcpy(&range, mnl_attr_get_payload(attr), sizeof(range));
	if (range.start == 0 || range.end == 0 || range.start > range.end)
		return error_set(err, EINVAL, "Invalid %s range", what);
	*low = range.start;
	*high = range.end;
	return 0;
}

static int
parse_uid_range(const struct nlattr *attr, struct rib_rule *rule, struct error *err)
{
	struct fib_rule_uid_range range;

	if (attr == NULL)
		return 0;
	if (mnl_attr_get_payload_len(attr) != sizeof(range))
		return error_set(err, EINVAL, "Invalid uid range");
	memcpy(&range, mnl_attr_get_payload(attr), sizeof(range));
	if (range.start > range.end)
		return error_set(err, EINVAL, "Invalid uid range");
	rule->uid_set = true;
	rule->uid_low = range.start;
	rule->uid_high = range.end;
	return 0;
}

static int
parse_mark(const struct nlattr **attrs, struct rib_rule *rule, struct error *err)
{
	/* A mark without a mask must agree in all bits; one of 0 without a mask is no selector. */
	uint32_t mask = attrs[FRA_FWMARK] != NULL ? UINT32_MAX : 0;

	if (nl_get_u32(attrs[FRA_FWMARK], 0, &rule->mark, "FRA_FWMARK", err) < 0 ||
		nl_get_u32(attrs[FRA_FWMASK], mask, &rule->mark_mask, "FRA_FWMASK", err) < 0)
		return -err->code;
	return 0;
}

/* What a rule may say in Linux and not here. Absent, or the value that says nothing, is fine. */
static int
check_unsupported(const struct nlattr **attrs, struct error *err)
{
	uint32_t group;
	uint8_t l3mdev;

	if (nl_get_u8(attrs[FRA_L3MDEV], 0, &l3mdev, "FRA_L3MDEV", err) < 0 ||
		nl_get_u32(attrs[FRA_SUPPRESS_IFGROUP], UINT32_MAX, &group, "FRA_SUPPRESS_IFGROUP", err) < 0)
		return -err->code;
	if (l3mdev != 0)
		return error_set(err, EOPNOTSUPP, "l3mdev: VRFs are not supported; name a table");
	if (group != UINT32_MAX)
		return error_set(err, EOPNOTSUPP, "suppress_ifgroup is not supported; suppress_prefixlength is");
	if (attrs[FRA_TUN_ID] != NULL)
		return error_set(err, EOPNOTSUPP, "tun_id is not supported as a selector");
	return 0;
}

static int
check_tos(const struct fib_rule_hdr *header, struct error *err)
{
	if (header->family != AF_INET)
		return 0;
	if (header->tos & 0x03)
		return error_set(err, EINVAL, "Invalid dsfield (tos): ECN bits must be 0");
	if (header->tos & ~IPTOS_TOS_MASK)
		return error_set(err, EINVAL, "Invalid tos");
	return 0;
}

static int
parse_rule(const struct nl_request *req, struct rib_rule *rule, struct error *err)
{
	const struct fib_rule_hdr *header = req->body;
	const struct nlattr **attrs = req->attrs;
	uint32_t suppress;

	*rule = (struct rib_rule){ .family = header->family,
		.action = header->action,
		.invert = (header->flags & FIB_RULE_INVERT) != 0,
		.tos = header->tos };
	if (check_family(header->family, err) < 0 || check_unsupported(attrs, err) < 0 || check_tos(header, err) < 0 ||
		parse_prefix(attrs[FRA_SRC], header->family, header->src_len, "from", &rule->src, err) < 0 ||
		parse_prefix(attrs[FRA_DST], header->family, header->dst_len, "to", &rule->dst, err) < 0 ||
		nl_get_u32(attrs[FRA_TABLE], header->table, &rule->table, "FRA_TABLE", err) < 0 ||
		nl_get_u32(attrs[FRA_PRIORITY], 0, &rule->priority, "FRA_PRIORITY", err) < 0 ||
		nl_get_u32(attrs[FRA_GOTO], 0, &rule->go_to, "FRA_GOTO", err) < 0 ||
		nl_get_u32(attrs[FRA_FLOW], 0, &rule->realm, "FRA_FLOW", err) < 0 ||
		nl_get_u32(attrs[FRA_SUPPRESS_PREFIXLEN], UINT32_MAX, &suppress, "FRA_SUPPRESS_PREFIXLEN", err) < 0 ||
		nl_get_u8(attrs[FRA_PROTOCOL], RTPROT_UNSPEC, &rule->protocol, "FRA_PROTOCOL", err) < 0 ||
		nl_get_u8(attrs[FRA_IP_PROTO], 0, &rule->ip_protocol, "FRA_IP_PROTO", err) < 0 ||
		nl_get_string(attrs[FRA_IIFNAME], rule->iif, sizeof(rule->iif), "FRA_IIFNAME", err) < 0 ||
		nl_get_string(attrs[FRA_OIFNAME], rule->oif, sizeof(rule->oif), "FRA_OIFNAME", err) < 0 ||
		parse_mark(attrs, rule, err) < 0 || parse_uid_range(attrs[FRA_UID_RANGE], rule, err) < 0 ||
		parse_port_range(attrs[FRA_SPORT_RANGE], "sport", &rule->sport_low, &rule->sport_high, err) < 0 ||
		parse_port_range(attrs[FRA_DPORT_RANGE], "dport", &rule->dport_low, &rule->dport_high, err) < 0)
		return -err->code;
	rule->priority_set = attrs[FRA_PRIORITY] != NULL;
	rule->suppress_prefix_length = (int32_t)suppress;
	return 0;
}

static int
check_action(const struct rib_rule *rule, struct error *err)
{
	switch (rule->action) {
	case FR_ACT_TO_TBL:
		if (rule->table == RT_TABLE_UNSPEC)
			return error_set(err, EINVAL, "A rule that looks up needs a table other than 0");
		return 0;
	case FR_ACT_GOTO:
		if (rule->go_to == 0)
			return error_set(err, EINVAL, "Invalid goto target");
		if (rule->priority_set && rule->go_to <= rule->priority)
			return error_set(err, EINVAL, "Backward goto not supported");
		return 0;
	case FR_ACT_NOP:
	case FR_ACT_BLACKHOLE:
	case FR_ACT_UNREACHABLE:
	case FR_ACT_PROHIBIT:
		return 0;
	default:
		return error_set(err, EOPNOTSUPP,
			"Rule action %u is not supported; use lookup, goto, nop, blackhole, unreachable or prohibit",
			rule->action);
	}
}

static int
rule_new_served(struct nl_request *req, struct error *err)
{
	struct rib_rule rule;

	if (parse_rule(req, &rule, err) < 0 || check_action(&rule, err) < 0)
		return -err->code;
	return rib_rule_add(rib_of(req), &rule, nl_change(req), err);
}

static int
rule_new(struct nl_request *req, struct error *err)
{
	return events_caused_by(req, rule_new_served, err);
}

static int
rule_delete_served(struct nl_request *req, struct error *err)
{
	struct rib_rule rule;

	if (parse_rule(req, &rule, err) < 0)
		return -err->code;
	return rib_rule_delete(rib_of(req), &rule, err);
}

static int
rule_delete(struct nl_request *req, struct error *err)
{
	return events_caused_by(req, rule_delete_served, err);
}

static int
dump_rule(void *arg, const struct rib_rule *rule)
{
	struct nl_request *req = arg;

	put_rule(req->reply, control_of(req)->router, rule, RTM_NEWRULE, 0);
	return 0;
}

static int
rule_dump(struct nl_request *req, struct error *err)
{
	const struct fib_rule_hdr *header = req->body;

	if (req->strict && (header->dst_len != 0 || header->src_len != 0 || header->tos != 0 || header->table != 0 ||
				   header->action != 0 || header->flags != 0))
		return error_set(err, EINVAL, "Invalid values in header for fib rule dump request");
	if (header->family != AF_UNSPEC)
		return check_family(header->family, err) < 0
			       ? -err->code
			       : rib_rule_walk(rib_of(req), header->family, dump_rule, req);
	rib_rule_walk(rib_of(req), AF_INET, dump_rule, req);
	return rib_rule_walk(rib_of(req), AF_INET6, dump_rule, req);
}

static const struct nl_handler rule_handlers[] = {
	{ RTM_NEWRULE, sizeof(struct fib_rule_hdr), FRA_MAX, NL_WRITE, rule_new, NULL },
	{ RTM_DELRULE, sizeof(struct fib_rule_hdr), FRA_MAX, NL_WRITE, rule_delete, NULL },
	{ RTM_GETRULE, sizeof(struct fib_rule_hdr), FRA_MAX, 0, NULL, rule_dump },
};
NL_REGISTER(rule_handlers)
