/* SPDX-License-Identifier: BSD-3-Clause */
/* The options of mirred, TCA_MIRRED_*. */
#include <weir/action/mirred.h>

#include "tc/codec.h"
#include "tc/qdisc_codec.h"

static int
mirred_parse(const struct nlattr *options, void *to, uint32_t *index, bool *given, struct error *err)
{
	const struct nlattr *tb[TCA_MIRRED_MAX + 1];
	struct mirred_conf *conf = to;
	struct tc_mirred parms;
	int rc = nl_get_nest(options, tb, TCA_MIRRED_MAX, err);

	if (rc != 0)
		return rc;
	if (tb[TCA_MIRRED_PARMS] == NULL)
		return error_set(err, EINVAL, "act_mirred: Missing required mirred parameters");
	rc = struct_parse(tb[TCA_MIRRED_PARMS], &parms, sizeof(parms), "mirred", err);
	if (rc != 0)
		return rc;
	conf->action = parms.action;
	conf->way = (uint32_t)parms.eaction;
	conf->ifindex = parms.ifindex;
	*index = parms.index;
	*given = true;
	return 0;
}

static int
mirred_check(const struct control *control, const void *conf, struct error *err)
{
	const struct mirred_conf *c = conf;

	if (c->ifindex != 0 && port_find(control->router, c->ifindex) == NULL)
		return error_code(err, ENODEV);
	return 0;
}

static void
mirred_put(struct nl_msgs *msgs, const struct action *action)
{
	struct action_head head;
	struct mirred_conf conf;

	action_ops_of(action)->get_conf(action, &conf);
	head = action_head_of(action, conf.action);
	struct tc_mirred parms = {
		.index = head.index,
		.action = head.action,
		.refcnt = head.refcnt,
		.bindcnt = head.bindcnt,
		.eaction = (int)conf.way,
		.ifindex = conf.ifindex,
	};

	nl_put(msgs, TCA_MIRRED_PARMS, &parms, sizeof(parms));
}

static void
mirred_save(const struct save *save, const void *conf)
{
	static const char *const ways[] = {
		[TCA_EGRESS_REDIR] = "egress redirect",
		[TCA_EGRESS_MIRROR] = "egress mirror",
		[TCA_INGRESS_REDIR] = "ingress redirect",
		[TCA_INGRESS_MIRROR] = "ingress mirror",
	};
	const struct mirred_conf *c = conf;

	fprintf(save->out, " %s dev %s", ways[c->way], save_port_name(save, c->ifindex).text);
	if (c->way == TCA_EGRESS_MIRROR || c->way == TCA_INGRESS_MIRROR)
		save_verdict(save->out, c->action);
}

static const struct action_codec mirred_codec = {
	.kind = "mirred",
	.conf_size = sizeof(struct mirred_conf),
	.parse = mirred_parse,
	.check = mirred_check,
	.put = mirred_put,
	.save = mirred_save,
	.times_attr = TCA_MIRRED_TM,
};
ACTION_CODEC_REGISTER(mirred_codec)
