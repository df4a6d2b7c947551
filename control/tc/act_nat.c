/* SPDX-License-Identifier: BSD-3-Clause */
/* The options of nat, TCA_NAT_*. */
#include <arpa/inet.h>

#include <weir/action/nat.h>

#include "tc/codec.h"
#include "tc/qdisc_codec.h"

static int
nat_parse(const struct nlattr *options, void *to, uint32_t *index, bool *given, struct error *err)
{
	const struct nlattr *tb[TCA_NAT_MAX + 1];
	struct nat_conf *conf = to;
	struct tc_nat parms;
	int rc = nl_get_nest(options, tb, TCA_NAT_MAX, err);

	if (rc != 0)
		return rc;
	if (tb[TCA_NAT_PARMS] == NULL)
		return error_set(err, EINVAL, "nat: its addresses are missing, as in 'nat ingress 192.0.2.1 10.0.0.1'");
	rc = struct_parse(tb[TCA_NAT_PARMS], &parms, sizeof(parms), "nat", err);
	if (rc != 0)
		return rc;
	*conf = (struct nat_conf){
		.action = parms.action,
		.flags = parms.flags & TCA_NAT_FLAG_EGRESS,
		.old_addr = parms.old_addr,
		.new_addr = parms.new_addr,
		.mask = parms.mask,
	};
	*index = parms.index;
	*given = true;
	return 0;
}

static void
nat_put(struct nl_msgs *msgs, const struct action *action)
{
	struct action_head head;
	struct nat_conf conf;

	action_ops_of(action)->get_conf(action, &conf);
	head = action_head_of(action, conf.action);
	struct tc_nat parms = {
		.index = head.index,
		.action = head.action,
		.refcnt = head.refcnt,
		.bindcnt = head.bindcnt,
		.old_addr = conf.old_addr,
		.new_addr = conf.new_addr,
		.mask = conf.mask,
		.flags = conf.flags,
	};

	nl_put(msgs, TCA_NAT_PARMS, &parms, sizeof(parms));
}

static void
nat_save(const struct save *save, const void *conf)
{
	const struct nat_conf *c = conf;
	char old[INET_ADDRSTRLEN], new[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &c->old_addr, old, sizeof(old));
	inet_ntop(AF_INET, &c->new_addr, new, sizeof(new));
	fprintf(save->out, " %s %s/%d %s", c->flags != 0 ? "egress" : "ingress", old, __builtin_popcount(c->mask), new);
	save_verdict(save->out, c->action);
}

static const struct action_codec nat_codec = {
	.kind = "nat",
	.conf_size = sizeof(struct nat_conf),
	.parse = nat_parse,
	.put = nat_put,
	.save = nat_save,
	.times_attr = TCA_NAT_TM,
};
ACTION_CODEC_REGISTER(nat_codec)
