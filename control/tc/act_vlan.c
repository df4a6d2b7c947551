/* SPDX-License-Identifier: BSD-3-Clause */
/* The options of vlan, TCA_VLAN_*. */
#include <arpa/inet.h>
#include <string.h>

#include <linux/if_ether.h>

#include <weir/action/vlan.h>

#include "tc/codec.h"
#include "tc/qdisc_codec.h"

static bool
names_tag(int32_t what)
{
	return what == TCA_VLAN_ACT_PUSH || what == TCA_VLAN_ACT_MODIFY;
}

static int
parse_tag(const struct nlattr *const *tb, struct vlan_conf *conf, struct error *err)
{
	int rc;

	if (tb[TCA_VLAN_PUSH_VLAN_ID] == NULL)
		return error_set(err, EINVAL, "vlan: an id is missing, as in 'vlan push id 100'");
	if ((rc = nl_get_u16(tb[TCA_VLAN_PUSH_VLAN_ID], 0, &conf->id, "vlan id", err)) != 0 ||
		(rc = nl_get_u16(tb[TCA_VLAN_PUSH_VLAN_PROTOCOL], conf->protocol, &conf->protocol, "vlan protocol",
			 err)) != 0 ||
		(rc = nl_get_u8(tb[TCA_VLAN_PUSH_VLAN_PRIORITY], 0, &conf->priority, "vlan priority", err)) != 0)
		return rc;
	conf->has_priority = conf->what == TCA_VLAN_ACT_PUSH || tb[TCA_VLAN_PUSH_VLAN_PRIORITY] != NULL;
	return 0;
}

static int
parse_mac(const struct nlattr *attr, uint8_t mac[ETH_ALEN], struct error *err)
{
	if (attr == NULL)
		return error_set(err, EINVAL, "vlan: push_eth needs both dst_mac and src_mac");
	if (mnl_attr_get_payload_len(attr) != ETH_ALEN)
		return error_set(
			err, ERANGE, "vlan: a MAC of %u bytes; it has %d", mnl_attr_get_payload_len(attr), ETH_ALEN);
	memcpy(mac, mnl_attr_get_payload(attr), ETH_ALEN);
	return 0;
}

static int
vlan_parse(const struct nlattr *options, void *to, uint32_t *index, bool *given, struct error *err)
{
	const struct nlattr *tb[TCA_VLAN_MAX + 1];
	struct vlan_conf *conf = to;
	struct tc_vlan parms;
	int rc = nl_get_nest(options, tb, TCA_VLAN_MAX, err);

	if (rc != 0)
		return rc;
	if (tb[TCA_VLAN_PARMS] == NULL)
		return error_set(err, EINVAL, "vlan: what to do is missing: pop, push, modify, pop_eth or push_eth");
	rc = struct_parse(tb[TCA_VLAN_PARMS], &parms, sizeof(parms), "vlan", err);
	if (rc != 0)
		return rc;
	conf->action = parms.action;
	conf->what = parms.v_action;
	conf->protocol = htons(ETH_P_8021Q);
	*index = parms.index;
	*given = true;
	if (names_tag(conf->what))
		return parse_tag(tb, conf, err);
	if (conf->what != TCA_VLAN_ACT_PUSH_ETH)
		return 0;
	rc = parse_mac(tb[TCA_VLAN_PUSH_ETH_DST], conf->dst_mac, err);
	return rc != 0 ? rc : parse_mac(tb[TCA_VLAN_PUSH_ETH_SRC], conf->src_mac, err);
}

static void
vlan_put(struct nl_msgs *msgs, const struct action *action)
{
	struct action_head head;
	struct vlan_conf conf;

	action_ops_of(action)->get_conf(action, &conf);
	head = action_head_of(action, conf.action);
	struct tc_vlan parms = {
		.index = head.index,
		.action = head.action,
		.refcnt = head.refcnt,
		.bindcnt = head.bindcnt,
		.v_action = conf.what,
	};

	nl_put(msgs, TCA_VLAN_PARMS, &parms, sizeof(parms));
	if (names_tag(conf.what)) {
		nl_put(msgs, TCA_VLAN_PUSH_VLAN_ID, &conf.id, sizeof(conf.id));
		nl_put(msgs, TCA_VLAN_PUSH_VLAN_PROTOCOL, &conf.protocol, sizeof(conf.protocol));
		if (conf.has_priority)
			nl_put_u8(msgs, TCA_VLAN_PUSH_VLAN_PRIORITY, conf.priority);
	} else if (conf.what == TCA_VLAN_ACT_PUSH_ETH) {
		nl_put(msgs, TCA_VLAN_PUSH_ETH_DST, conf.dst_mac, sizeof(conf.dst_mac));
		nl_put(msgs, TCA_VLAN_PUSH_ETH_SRC, conf.src_mac, sizeof(conf.src_mac));
	}
}

static void
save_mac(FILE *out, const char *word, const uint8_t mac[ETH_ALEN])
{
	fprintf(out, " %s %02x:%02x:%02x:%02x:%02x:%02x", word, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static void
vlan_save(const struct save *save, const void *conf)
{
	static const char *const words[] = {
		[TCA_VLAN_ACT_POP] = "pop",
		[TCA_VLAN_ACT_PUSH] = "push",
		[TCA_VLAN_ACT_MODIFY] = "modify",
		[TCA_VLAN_ACT_POP_ETH] = "pop_eth",
		[TCA_VLAN_ACT_PUSH_ETH] = "push_eth",
	};
	const struct vlan_conf *c = conf;
	FILE *out = save->out;

	fprintf(out, " %s", words[c->what]);
	if (names_tag(c->what))
		fprintf(out, " id %u protocol %s", c->id, c->protocol == htons(ETH_P_8021Q) ? "802.1Q" : "802.1ad");
	if (names_tag(c->what) && c->has_priority)
		fprintf(out, " priority %u", c->priority);
	if (c->what == TCA_VLAN_ACT_PUSH_ETH) {
		save_mac(out, "dst_mac", c->dst_mac);
		save_mac(out, "src_mac", c->src_mac);
	}
	save_verdict(out, c->action);
}

static const struct action_codec vlan_codec = {
	.kind = "vlan",
	.conf_size = sizeof(struct vlan_conf),
	.parse = vlan_parse,
	.put = vlan_put,
	.save = vlan_save,
	.times_attr = TCA_VLAN_TM,
};
ACTION_CODEC_REGISTER(vlan_codec)
