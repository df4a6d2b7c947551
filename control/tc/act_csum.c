/* SPDX-License-Identifier: BSD-3-Clause */
/* The options of csum, TCA_CSUM_*. */
#include <weir/action/csum.h>

#include "tc/codec.h"
#include "tc/qdisc_codec.h"

static int
csum_parse(const struct nlattr *options, void *to, uint32_t *index, bool *given, struct error *err)
{
	const struct nlattr *tb[TCA_CSUM_MAX + 1];
	struct csum_conf *conf = to;
	struct tc_csum parms;
	int rc = nl_get_nest(options, tb, TCA_CSUM_MAX, err);

	if (rc != 0)
		return rc;
	if (tb[TCA_CSUM_PARMS] == NULL)
		return error_set(err, EINVAL, "csum: which checksums is missing, as in 'csum iph tcp'");
	rc = struct_parse(tb[TCA_CSUM_PARMS], &parms, sizeof(parms), "csum", err);
	if (rc != 0)
		return rc;
	conf->action = parms.action;
	conf->sums = parms.update_flags;
	*index = parms.index;
	*given = true;
	return 0;
}

static void
csum_put(struct nl_msgs *msgs, const struct action *action)
{
	struct action_head head;
	struct csum_conf conf;

	action_ops_of(action)->get_conf(action, &conf);
	head = action_head_of(action, conf.action);
	struct tc_csum parms = {
		.index = head.index,
		.action = head.action,
		.refcnt = head.refcnt,
		.bindcnt = head.bindcnt,
		.update_flags = conf.sums,
	};

	nl_put(msgs, TCA_CSUM_PARMS, &parms, sizeof(parms));
}

static void
csum_save(const struct save *save, const void *conf)
{
	static const char *const words[] = { "iph", "icmp", "igmp", "tcp", "udp", "udplite", "sctp" };
	const struct csum_conf *c = conf;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if ((c->sums & (1u << i)) != 0)
			fprintf(save->out, " %s", words[i]);
	save_verdict(save->out, c->action);
}

static const struct action_codec csum_codec = {
	.kind = "csum",
	.conf_size = sizeof(struct csum_conf),
	.parse = csum_parse,
	.put = csum_put,
	.save = csum_save,
	.times_attr = TCA_CSUM_TM,
};
ACTION_CODEC_REGISTER(csum_codec)
