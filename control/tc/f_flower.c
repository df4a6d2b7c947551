/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The options of flower filters, TCA_FLOWER_*. What a field is, in messages, in the key and in tc's words, is one line
 * of a table; what is not there is another, of what is refused by name.
 */
#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>

#include <linux/if_ether.h>

#include <weir/filter/flower.h>

#include "tc/codec.h"

_Static_assert(sizeof(struct flower_conf) <= sizeof(((struct filter_options *)NULL)->conf), "the conf has room");

/* Of which packets an attribute speaks; it is not looked at for others, as on Linux. */
enum when { ALWAYS, IP, IP4, IP6, ARP, TCP, UDP, SCTP, ICMP4, ICMP6 };

#define ARP_REQUEST 1 /* RFC 826 */
#define IP_FLAGS    (TCA_FLOWER_KEY_FLAGS_IS_FRAGMENT | TCA_FLOWER_KEY_FLAGS_FRAG_IS_FIRST)

enum words { NUMBER, HEX, PROTOCOL, MAC, ADDRESS4, ADDRESS6, ARP_OP };

struct field {
	uint16_t attr, mask_attr; /* mask_attr 0: all bits are asked for */
	enum when when;
	uint8_t offset, bytes; /* in the key */
	const char *word; /* tc's */
	enum words words;
};

#define PLACE(field) offsetof(union flower_key, field), sizeof(((union flower_key *)NULL)->field)
#define MASKED(attr) TCA_FLOWER_KEY_##attr, TCA_FLOWER_KEY_##attr##_MASK
#define WHOLE(attr)  TCA_FLOWER_KEY_##attr, 0

/* In the order in which tc must read them: the protocol before what is known of it only. */
static const struct field fields[] = {
	{ MASKED(ETH_DST), ALWAYS, PLACE(to), "dst_mac", MAC },
	{ MASKED(ETH_SRC), ALWAYS, PLACE(from), "src_mac", MAC },
	{ WHOLE(NUM_OF_VLANS), ALWAYS, PLACE(n_tags), "num_of_vlans", NUMBER },
	{ WHOLE(IP_PROTO), IP, PLACE(ip_proto), "ip_proto", PROTOCOL },
	{ MASKED(IP_TOS), IP, PLACE(tos), "ip_tos", HEX },
	{ MASKED(IP_TTL), IP, PLACE(ttl), "ip_ttl", NUMBER },
	{ MASKED(IPV4_SRC), IP4, PLACE(source[0]), "src_ip", ADDRESS4 },
	{ MASKED(IPV4_DST), IP4, PLACE(destination[0]), "dst_ip", ADDRESS4 },
	{ MASKED(IPV6_SRC), IP6, PLACE(source), "src_ip", ADDRESS6 },
	{ MASKED(IPV6_DST), IP6, PLACE(destination), "dst_ip", ADDRESS6 },
	{ MASKED(TCP_SRC), TCP, PLACE(source_port), "src_port", NUMBER },
	{ MASKED(TCP_DST), TCP, PLACE(destination_port), "dst_port", NUMBER },
	{ MASKED(TCP_FLAGS), TCP, PLACE(tcp_flags), "tcp_flags", HEX },
	{ MASKED(UDP_SRC), UDP, PLACE(source_port), "src_port", NUMBER },
	{ MASKED(UDP_DST), UDP, PLACE(destination_port), "dst_port", NUMBER },
	{ MASKED(SCTP_SRC), SCTP, PLACE(source_port), "src_port", NUMBER },
	{ MASKED(SCTP_DST), SCTP, PLACE(destination_port), "dst_port", NUMBER },
	{ MASKED(ICMPV4_TYPE), ICMP4, PLACE(icmp_type), "type", NUMBER },
	{ MASKED(ICMPV4_CODE), ICMP4, PLACE(icmp_code), "code", NUMBER },
	{ MASKED(ICMPV6_TYPE), ICMP6, PLACE(icmp_type), "type", NUMBER },
	{ MASKED(ICMPV6_CODE), ICMP6, PLACE(icmp_code), "code", NUMBER },
	{ MASKED(ARP_SIP), ARP, PLACE(arp_source), "arp_sip", ADDRESS4 },
	{ MASKED(ARP_TIP), ARP, PLACE(arp_destination), "arp_tip", ADDRESS4 },
	{ MASKED(ARP_OP), ARP, PLACE(arp_op), "arp_op", ARP_OP },
	{ MASKED(ARP_SHA), ARP, PLACE(arp_from), "arp_sha", MAC },
	{ MASKED(ARP_THA), ARP, PLACE(arp_to), "arp_tha", MAC },
};

static const struct {
	uint16_t first, last;
	const char *what;
} refused[] = {
	{ TCA_FLOWER_KEY_ENC_KEY_ID, TCA_FLOWER_KEY_ENC_IPV6_DST_MASK, "enc_...: headers of tunnels are not kept" },
	{ TCA_FLOWER_KEY_ENC_UDP_SRC_PORT, TCA_FLOWER_KEY_ENC_UDP_DST_PORT_MASK,
		"enc_...: headers of tunnels are not kept" },
	{ TCA_FLOWER_KEY_MPLS_TTL, TCA_FLOWER_KEY_MPLS_LABEL, "mpls_...: there is no MPLS here" },
	{ TCA_FLOWER_KEY_ENC_IP_TOS, TCA_FLOWER_KEY_ENC_OPTS_MASK, "enc_...: headers of tunnels are not kept" },
	{ TCA_FLOWER_KEY_CT_STATE, TCA_FLOWER_KEY_CT_LABELS_MASK, "ct_...: there is no connection tracking here" },
	{ TCA_FLOWER_KEY_MPLS_OPTS, TCA_FLOWER_KEY_MPLS_OPTS, "mpls: there is no MPLS here" },
	{ TCA_FLOWER_KEY_HASH, TCA_FLOWER_KEY_HASH_MASK, "hash: packets have no such hash here" },
	{ TCA_FLOWER_KEY_PPPOE_SID, TCA_FLOWER_KEY_PPP_PROTO, "pppoe_sid, ppp_proto: there is no PPPoE here" },
	{ TCA_FLOWER_KEY_L2TPV3_SID, TCA_FLOWER_KEY_L2TPV3_SID, "l2tpv3_sid: there is no L2TP here" },
};

static bool
holds(enum when when, const union flower_key *key)
{
	bool ip4 = key->eth_type == htons(ETH_P_IP), ip6 = key->eth_type == htons(ETH_P_IPV6);

	switch (when) {
	case IP4:
		return ip4;
	case IP6:
		return ip6;
	case ARP:
		return key->eth_type == htons(ETH_P_ARP) || key->eth_type == htons(ETH_P_RARP);
	case TCP:
		return (ip4 || ip6) && key->ip_proto == IPPROTO_TCP;
	case UDP:
		return (ip4 || ip6) && key->ip_proto == IPPROTO_UDP;
	case SCTP:
		return (ip4 || ip6) && key->ip_proto == IPPROTO_SCTP;
	case ICMP4:
		return ip4 && key->ip_proto == IPPROTO_ICMP;
	case ICMP6:
		return ip6 && key->ip_proto == IPPROTO_ICMPV6;
	case IP:
		return ip4 || ip6;
	default:
		return true;
	}
}

/* ---- reading ---- */

static int
copy(const struct nlattr *attr, uint8_t *to, uint8_t bytes, const char *word, struct error *err)
{
	if (mnl_attr_get_payload_len(attr) < bytes)
		return error_set(err, ERANGE, "flower: %s has %u bytes, %u are wanted", word,
			mnl_attr_get_payload_len(attr), bytes);
	memcpy(to, mnl_attr_get_payload(attr), bytes);
	return 0;
}

static int
parse_field(const struct nlattr **tb, const struct field *field, struct flower_conf *conf, struct error *err)
{
	uint8_t *key = conf->key.bytes + field->offset, *mask = conf->mask.bytes + field->offset;
	int rc;

	if (tb[field->attr] == NULL || !holds(field->when, &conf->key))
		return 0;
	if (field->when != ARP && (field->words == ADDRESS4 || field->words == ADDRESS6)) {
		conf->key.ip_flags |= FLOWER_HAS_ADDRESSES;
		conf->mask.ip_flags |= FLOWER_HAS_ADDRESSES;
	}
	memset(mask, 0xff, field->bytes);
	if ((rc = copy(tb[field->attr], key, field->bytes, field->word, err)) != 0)
		return rc;
	return field->mask_attr != 0 && tb[field->mask_attr] != NULL
		       ? copy(tb[field->mask_attr], mask, field->bytes, field->word, err)
		       : 0;
}

static bool
is_tag(rte_be16_t type)
{
	return type == htons(ETH_P_8021Q) || type == htons(ETH_P_8021AD);
}

/* A tag's VLAN and priority, where they are asked for. */
static int
parse_tag(const struct nlattr *id, const struct nlattr *priority, rte_be16_t *key, rte_be16_t *mask, struct error *err)
{
	uint16_t vlan;
	uint8_t prio;
	int rc;

	if ((rc = nl_get_u16(id, 0, &vlan, "vlan_id", err)) != 0 ||
		(rc = nl_get_u8(priority, 0, &prio, "vlan_prio", err)) != 0)
		return rc;
	if (vlan > 0xfff || prio > 7)
		return error_set(err, ERANGE, "flower: VLAN %u, priority %u; at most 4095 and 7", vlan, prio);
	*mask = htons((uint16_t)((id != NULL ? 0xfff : 0) | (priority != NULL ? 0xe000 : 0)));
	*key = htons((uint16_t)(vlan | prio << 13));
	return 0;
}

static int
get_type(const struct nlattr *attr, rte_be16_t *type, bool *there, struct error *err)
{
	*there = attr != NULL;
	return nl_get_u16(attr, 0, type, "type of Ethernet", err);
}

/* The types of the frame and of what is behind its tags, from the outside in. */
static int
parse_types(const struct nlattr **tb, struct flower_conf *conf, struct error *err)
{
	union flower_key *key = &conf->key, *mask = &conf->mask;
	rte_be16_t type;
	bool there;
	int rc = get_type(tb[TCA_FLOWER_KEY_ETH_TYPE], &type, &there, err);

	if (rc == 0 && there && is_tag(type)) {
		key->tag_type = type;
		mask->tag_type = 0xffff;
		if ((rc = parse_tag(tb[TCA_FLOWER_KEY_VLAN_ID], tb[TCA_FLOWER_KEY_VLAN_PRIO], &key->tag, &mask->tag,
			     err)) != 0)
			return rc;
		rc = get_type(tb[TCA_FLOWER_KEY_VLAN_ETH_TYPE], &type, &there, err);
		conf->has_tag_eth_type = there;
	}
	if (rc == 0 && there && conf->has_tag_eth_type && is_tag(type)) {
		key->inner_tag_type = type;
		mask->inner_tag_type = 0xffff;
		if ((rc = parse_tag(tb[TCA_FLOWER_KEY_CVLAN_ID], tb[TCA_FLOWER_KEY_CVLAN_PRIO], &key->inner_tag,
			     &mask->inner_tag, err)) != 0)
			return rc;
		rc = get_type(tb[TCA_FLOWER_KEY_CVLAN_ETH_TYPE], &type, &there, err);
		conf->has_inner_tag_eth_type = there;
	}
	if (rc == 0 && there) {
		key->eth_type = type;
		mask->eth_type = 0xffff;
	}
	return rc;
}

static int
parse_range(const struct nlattr *least, const struct nlattr *most, struct flower_ports *ports, struct error *err)
{
	rte_be16_t from, to;
	int rc;

	if (least == NULL || most == NULL)
		return 0;
	if ((rc = nl_get_u16(least, 0, &from, "port", err)) != 0 || (rc = nl_get_u16(most, 0, &to, "port", err)) != 0)
		return rc;
	*ports = (struct flower_ports){ ntohs(from), ntohs(to) };
	if (ports->least >= ports->most)
		return error_set(err, EINVAL, "Invalid range of ports: %u to %u; min must be less than max",
			ports->least, ports->most);
	return 0;
}

/* `ip_flags`: a word of which two bits mean something. The key has one bit more, of its own. */
static int
parse_flags(const struct nlattr **tb, struct flower_conf *conf, struct error *err)
{
	rte_be32_t flags, mask;
	int rc;

	if (tb[TCA_FLOWER_KEY_FLAGS] == NULL)
		return 0;
	if (tb[TCA_FLOWER_KEY_FLAGS_MASK] == NULL)
		return error_set(err, EINVAL, "Missing flags mask");
	if ((rc = nl_get_u32(tb[TCA_FLOWER_KEY_FLAGS], 0, &flags, "ip_flags", err)) != 0 ||
		(rc = nl_get_u32(tb[TCA_FLOWER_KEY_FLAGS_MASK], 0, &mask, "mask of ip_flags", err)) != 0)
		return rc;
	conf->key.ip_flags |= (uint8_t)(ntohl(flags) & IP_FLAGS);
	conf->mask.ip_flags |= (uint8_t)(ntohl(mask) & IP_FLAGS);
	return 0;
}

static int
parse_keys(const struct nlattr **tb, struct flower_conf *conf, struct error *err)
{
	int rc = parse_types(tb, conf, err);

	for (size_t i = 0; rc == 0 && i < RTE_DIM(fields); i++)
		rc = parse_field(tb, &fields[i], conf, err);
	if (rc == 0)
		rc = parse_flags(tb, conf, err);
	if (rc != 0)
		return rc;
	if ((rc = parse_range(tb[TCA_FLOWER_KEY_PORT_SRC_MIN], tb[TCA_FLOWER_KEY_PORT_SRC_MAX],
		     &conf->ports[FLOWER_SOURCE], err)) != 0 ||
		(rc = parse_range(tb[TCA_FLOWER_KEY_PORT_DST_MIN], tb[TCA_FLOWER_KEY_PORT_DST_MAX],
			 &conf->ports[FLOWER_DESTINATION], err)) != 0)
		return rc;
	return 0;
}

static int
refuse(const struct nlattr **tb, struct error *err)
{
	for (size_t i = 0; i < RTE_DIM(refused); i++)
		for (uint16_t attr = refused[i].first; attr <= refused[i].last; attr++)
			if (tb[attr] != NULL)
				return error_set(err, EOPNOTSUPP, "flower: %s", refused[i].what);
	return 0;
}

static int
flower_parse(const struct nlattr *nest, struct filter_options *options, struct error *err)
{
	struct flower_conf *conf = (void *)&options->conf;
	const struct nlattr *tb[TCA_FLOWER_MAX + 1];
	int rc;

	if ((rc = nl_get_nest(nest, tb, TCA_FLOWER_MAX, err)) != 0 || (rc = refuse(tb, err)) != 0 ||
		(rc = nl_get_u32(tb[TCA_FLOWER_CLASSID], 0, &conf->classid, "classid", err)) != 0 ||
		(rc = nl_get_u32(tb[TCA_FLOWER_FLAGS], 0, &conf->flags, "flags", err)) != 0 ||
		(rc = indev_parse(options->control, tb[TCA_FLOWER_INDEV], &conf->key.in_port, err)) != 0)
		return rc;
	if (tb[TCA_FLOWER_INDEV] != NULL)
		conf->mask.in_port = UINT32_MAX;
	if ((rc = parse_keys(tb, conf, err)) != 0 ||
		(rc = actions_parse(tb[TCA_FLOWER_ACT], &options->actions, err)) != 0 ||
		(rc = hardware_flags_check("flower", conf->flags, &options->actions, err)) != 0)
		return rc;
	options->classid = conf->classid;
	conf->actions = options->actions.specs;
	conf->n_actions = options->actions.n;
	return 0;
}

/* ---- writing ---- */

static bool
is_asked(const struct flower_conf *conf, const struct field *field)
{
	const uint8_t *mask = conf->mask.bytes + field->offset;
	uint8_t any = 0;

	for (unsigned int i = 0; i < field->bytes; i++)
		any |= mask[i];
	return any != 0 && holds(field->when, &conf->key);
}

static void
put_field(struct nl_msgs *msgs, const struct field *field, const struct flower_conf *conf)
{
	nl_put(msgs, field->attr, conf->key.bytes + field->offset, field->bytes);
	if (field->mask_attr != 0)
		nl_put(msgs, field->mask_attr, conf->mask.bytes + field->offset, field->bytes);
}

static void
put_tag(struct nl_msgs *msgs, uint16_t id_attr, uint16_t priority_attr, rte_be16_t tag, rte_be16_t mask)
{
	if ((mask & htons(0xfff)) != 0)
		nl_put_u16(msgs, id_attr, ntohs(tag) & 0xfff);
	if ((mask & htons(0xe000)) != 0)
		nl_put_u8(msgs, priority_attr, (uint8_t)(ntohs(tag) >> 13));
}

static void
put_types(struct nl_msgs *msgs, const struct flower_conf *conf)
{
	const union flower_key *key = &conf->key, *mask = &conf->mask;

	put_tag(msgs, TCA_FLOWER_KEY_VLAN_ID, TCA_FLOWER_KEY_VLAN_PRIO, key->tag, mask->tag);
	put_tag(msgs, TCA_FLOWER_KEY_CVLAN_ID, TCA_FLOWER_KEY_CVLAN_PRIO, key->inner_tag, mask->inner_tag);
	if (mask->eth_type == 0)
		return;
	nl_put_u16(msgs, TCA_FLOWER_KEY_ETH_TYPE, key->eth_type);
	if (conf->has_tag_eth_type)
		nl_put_u16(msgs, TCA_FLOWER_KEY_VLAN_ETH_TYPE,
			mask->inner_tag_type != 0 ? key->inner_tag_type : key->eth_type);
	if (conf->has_inner_tag_eth_type)
		nl_put_u16(msgs, TCA_FLOWER_KEY_CVLAN_ETH_TYPE, key->eth_type);
}

static void
put_ports(struct nl_msgs *msgs, uint16_t least, uint16_t most, const struct flower_ports *ports)
{
	if (ports->most == 0)
		return;
	nl_put_u16(msgs, least, htons(ports->least));
	nl_put_u16(msgs, most, htons(ports->most));
}

static void
put_keys(struct nl_msgs *msgs, const struct control *control, const struct flower_conf *conf)
{
	indev_put(msgs, control, TCA_FLOWER_INDEV, conf->key.in_port);
	put_types(msgs, conf);
	for (size_t i = 0; i < RTE_DIM(fields); i++)
		if (is_asked(conf, &fields[i]))
			put_field(msgs, &fields[i], conf);
	put_ports(msgs, TCA_FLOWER_KEY_PORT_SRC_MIN, TCA_FLOWER_KEY_PORT_SRC_MAX, &conf->ports[FLOWER_SOURCE]);
	put_ports(msgs, TCA_FLOWER_KEY_PORT_DST_MIN, TCA_FLOWER_KEY_PORT_DST_MAX, &conf->ports[FLOWER_DESTINATION]);
	if ((conf->mask.ip_flags & IP_FLAGS) != 0) {
		nl_put_u32(msgs, TCA_FLOWER_KEY_FLAGS, htonl(conf->key.ip_flags & IP_FLAGS));
		nl_put_u32(msgs, TCA_FLOWER_KEY_FLAGS_MASK, htonl(conf->mask.ip_flags & IP_FLAGS));
	}
}

static void
flower_put_template(struct nl_msgs *msgs, const struct control *control, const void *conf)
{
	size_t nest = nl_nest_start(msgs, TCA_OPTIONS);

	put_keys(msgs, control, conf);
	nl_nest_end(msgs, nest);
}

static void
flower_put(struct nl_msgs *msgs, const struct control *control, const struct filter_info *info)
{
	const struct flower_conf *conf = flower_get_conf(info->filter);
	size_t nest = nl_nest_start(msgs, TCA_OPTIONS);

	if (conf->classid != 0)
		nl_put_u32(msgs, TCA_FLOWER_CLASSID, conf->classid);
	put_keys(msgs, control, conf);
	nl_put_u32(msgs, TCA_FLOWER_FLAGS, conf->flags | TCA_CLS_FLAGS_NOT_IN_HW);
	actions_put(msgs, TCA_FLOWER_ACT, flower_actions(info->filter), control->now(control));
	nl_nest_end(msgs, nest);
}

/* ---- words ---- */

static unsigned int
number(const uint8_t *bytes, uint8_t n)
{
	return n == 1 ? bytes[0] : (unsigned int)bytes[0] << 8 | bytes[1];
}

static void
save_mac(FILE *out, const uint8_t *mac)
{
	fprintf(out, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static void
save_address(FILE *out, int family, const uint8_t *address, const uint8_t *mask, uint8_t bytes)
{
	char text[INET6_ADDRSTRLEN];
	unsigned int length = 0;

	for (uint8_t i = 0; i < bytes; i++)
		length += (unsigned int)__builtin_popcount(mask[i]);
	inet_ntop(family, address, text, sizeof(text));
	fprintf(out, "%s/%u", text, length);
}

/* By the names that tc has; it takes other numbers to be hexadecimal. */
static void
save_protocol(FILE *out, unsigned int protocol)
{
	static const char *const names[] = { [IPPROTO_TCP] = "tcp",
		[IPPROTO_UDP] = "udp",
		[IPPROTO_SCTP] = "sctp",
		[IPPROTO_ICMP] = "icmp",
		[IPPROTO_ICMPV6] = "icmpv6" };

	if (protocol < RTE_DIM(names) && names[protocol] != NULL)
		fputs(names[protocol], out);
	else
		fprintf(out, "%x", protocol);
}

static void
save_field(FILE *out, const struct field *field, const struct flower_conf *conf)
{
	const uint8_t *key = conf->key.bytes + field->offset, *mask = conf->mask.bytes + field->offset;
	unsigned int all = field->bytes == 1 ? 0xff : 0xffff, value = number(key, field->bytes);
	bool masked = number(mask, field->bytes) != all;

	fprintf(out, " %s ", field->word);
	switch (field->words) {
	case MAC:
		save_mac(out, key);
		fputc('/', out);
		save_mac(out, mask);
		break;
	case ADDRESS4:
		save_address(out, AF_INET, key, mask, field->bytes);
		break;
	case ADDRESS6:
		save_address(out, AF_INET6, key, mask, field->bytes);
		break;
	case PROTOCOL:
		save_protocol(out, value);
		break;
	case ARP_OP:
		fputs(value == ARP_REQUEST ? "request" : "reply", out);
		break;
	case HEX:
		fprintf(out, masked ? "0x%x/0x%x" : "0x%x", value, number(mask, field->bytes));
		break;
	case NUMBER:
		fprintf(out, masked ? "%u/0x%x" : "%u", value, number(mask, field->bytes));
		break;
	}
}

static void
save_tag(FILE *out, const char *letter, rte_be16_t tag, rte_be16_t mask, rte_be16_t type, bool has_type)
{
	if ((mask & htons(0xfff)) != 0)
		fprintf(out, " %svlan_id %u", letter, ntohs(tag) & 0xfff);
	if ((mask & htons(0xe000)) != 0)
		fprintf(out, " %svlan_prio %u", letter, ntohs(tag) >> 13);
	if (has_type)
		fprintf(out, " %svlan_ethtype 0x%04x", letter, ntohs(type));
}

static void
save_flags(FILE *out, const struct flower_conf *conf)
{
	static const struct {
		uint8_t bit;
		const char *word;
	} flags[] = { { TCA_FLOWER_KEY_FLAGS_IS_FRAGMENT, "frag" },
		{ TCA_FLOWER_KEY_FLAGS_FRAG_IS_FIRST, "firstfrag" } };
	const char *before = " ip_flags ";

	for (size_t i = 0; i < RTE_DIM(flags); i++)
		if ((conf->mask.ip_flags & flags[i].bit) != 0) {
			fprintf(out, "%s%s%s", before, (conf->key.ip_flags & flags[i].bit) != 0 ? "" : "no",
				flags[i].word);
			before = "/";
		}
}

static void
save_ports(FILE *out, const char *word, const struct flower_ports *ports)
{
	if (ports->most != 0)
		fprintf(out, " %s %u-%u", word, ports->least, ports->most);
}

/* An address under a prefix of 0 bits, where no other is asked for. */
static void
save_any_address(FILE *out, const struct flower_conf *conf)
{
	static const rte_be32_t none[4];

	if ((conf->mask.ip_flags & FLOWER_HAS_ADDRESSES) != 0 && memcmp(conf->mask.source, none, sizeof(none)) == 0 &&
		memcmp(conf->mask.destination, none, sizeof(none)) == 0)
		fputs(holds(IP4, &conf->key) ? " src_ip 0.0.0.0/0" : " src_ip ::/0", out);
}

static void
save_keys(const struct save *save, const struct flower_conf *conf)
{
	FILE *out = save->out;

	indev_save(save, conf->key.in_port);
	save_tag(out, "", conf->key.tag, conf->mask.tag,
		conf->mask.inner_tag_type != 0 ? conf->key.inner_tag_type : conf->key.eth_type, conf->has_tag_eth_type);
	save_tag(out, "c", conf->key.inner_tag, conf->mask.inner_tag, conf->key.eth_type, conf->has_inner_tag_eth_type);
	for (size_t i = 0; i < RTE_DIM(fields); i++)
		if (is_asked(conf, &fields[i]))
			save_field(out, &fields[i], conf);
	save_any_address(out, conf);
	save_ports(out, "src_port", &conf->ports[FLOWER_SOURCE]);
	save_ports(out, "dst_port", &conf->ports[FLOWER_DESTINATION]);
	save_flags(out, conf);
}

static void
flower_save_template(const struct save *save, const void *template)
{
	const struct flower_conf *conf = template;
	rte_be16_t type = conf->mask.tag_type != 0 ? conf->key.tag_type : conf->key.eth_type;

	fprintf(save->out, " protocol 0x%04x flower", type != 0 ? ntohs(type) : ETH_P_ALL);
	save_keys(save, conf);
}

static bool
flower_save(const struct save *save, const struct filter_info *info)
{
	const struct flower_conf *conf;
	FILE *out = save->out;

	if (info->filter == NULL)
		return false;
	conf = flower_get_conf(info->filter);
	fprintf(out, " handle 0x%x flower", info->handle);
	save_keys(save, conf);
	if ((conf->flags & TCA_CLS_FLAGS_SKIP_HW) != 0)
		fputs(" skip_hw", out);
	if (conf->classid != 0)
		save_classid(out, "classid", conf->classid);
	save_actions(save, flower_actions(info->filter));
	return true;
}

static const struct filter_codec flower_codec = {
	.kind = "flower",
	.parse = flower_parse,
	.put = flower_put,
	.save = flower_save,
	.put_template = flower_put_template,
	.save_template = flower_save_template,
};
FILTER_CODEC_REGISTER(flower_codec)
