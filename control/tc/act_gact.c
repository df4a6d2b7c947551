/* SPDX-License-Identifier: BSD-3-Clause */
/* The options of gact, TCA_GACT_*. */
#include <string.h>

#include "tc/codec.h"

static int
gact_parse(const struct nlattr *options, void *to, uint32_t *index, bool *given, struct error *err)
{
	const struct nlattr *tb[TCA_GACT_MAX + 1];
	struct gact_conf *conf = to;
	struct tc_gact parms;
	struct tc_gact_p random;
	int rc = nl_get_nest(options, tb, TCA_GACT_MAX, err);

	if (rc != 0)
		return rc;
	if (tb[TCA_GACT_PARMS] == NULL || mnl_attr_get_payload_len(tb[TCA_GACT_PARMS]) < sizeof(parms))
		return error_set(err, EINVAL,
			"gact: its parameters are missing or too short; say what to do, as in 'action drop'");
	memcpy(&parms, mnl_attr_get_payload(tb[TCA_GACT_PARMS]), sizeof(parms));
	*index = parms.index;
	*given = true;
	conf->action = parms.action;
	if (tb[TCA_GACT_PROB] == NULL)
		return 0;
	if (mnl_attr_get_payload_len(tb[TCA_GACT_PROB]) < sizeof(random))
		return error_set(err, EINVAL, "gact: what 'random' says is too short");
	memcpy(&random, mnl_attr_get_payload(tb[TCA_GACT_PROB]), sizeof(random));
	conf->random_type = random.ptype;
	conf->every = random.pval;
	conf->random_action = random.paction;
	return 0;
}

static void
gact_put(struct nl_msgs *msgs, const struct action *action)
{
	struct action_head head;
	struct gact_conf conf;

	action_ops_of(action)->get_conf(action, &conf);
	head = action_head_of(action, conf.action);
	nl_put(msgs, TCA_GACT_PARMS, &head, sizeof(head));
	if (conf.random_type != PGACT_NONE) {
		struct tc_gact_p random = {
			.ptype = conf.random_type, .pval = conf.every, .paction = conf.random_action
		};

		nl_put(msgs, TCA_GACT_PROB, &random, sizeof(random));
	}
}

static void
gact_save(const struct save *save, const void *conf)
{
	FILE *out = save->out;
	const struct gact_conf *c = conf;

	save_verdict(out, c->action);
	if (c->random_type != PGACT_NONE) {
		fprintf(out, " random %s", c->random_type == PGACT_NETRAND ? "netrand" : "determ");
		save_verdict(out, c->random_action);
		fprintf(out, " %u", c->every);
	}
}

static const struct action_codec gact_codec = {
	.kind = "gact",
	.conf_size = sizeof(struct gact_conf),
	.parse = gact_parse,
	.put = gact_put,
	.save = gact_save,
	.times_attr = TCA_GACT_TM,
};
ACTION_CODEC_REGISTER(gact_codec)
