/* SPDX-License-Identifier: BSD-3-Clause */
/* The options of matchall, TCA_MATCHALL_*. */
#include <weir/filter/matchall.h>

#include "tc/codec.h"

_Static_assert(sizeof(struct matchall_conf) <= sizeof(((struct filter_options *)NULL)->conf), "the conf has room");

static int
matchall_parse(const struct nlattr *nest, struct filter_options *options, struct error *err)
{
	struct matchall_conf *conf = (void *)&options->conf;
	const struct nlattr *tb[TCA_MATCHALL_MAX + 1];
	int rc;

	if ((rc = nl_get_nest(nest, tb, TCA_MATCHALL_MAX, err)) != 0 ||
		(rc = nl_get_u32(tb[TCA_MATCHALL_CLASSID], 0, &conf->classid, "classid", err)) != 0 ||
		(rc = nl_get_u32(tb[TCA_MATCHALL_FLAGS], 0, &conf->flags, "flags", err)) != 0 ||
		(rc = actions_parse(tb[TCA_MATCHALL_ACT], &options->actions, err)) != 0 ||
		(rc = hardware_flags_check("matchall", conf->flags, &options->actions, err)) != 0)
		return rc;
	options->classid = conf->classid;
	conf->actions = options->actions.specs;
	conf->n_actions = options->actions.n;
	return 0;
}

static void
matchall_put(struct nl_msgs *msgs, const struct control *control, const struct filter_info *info)
{
	size_t nest = nl_nest_start(msgs, TCA_OPTIONS);
	struct tc_matchall_pcnt counts = { .rhit = matchall_hits(info->filter) };
	struct matchall_conf conf;

	matchall_get_conf(info->filter, &conf);
	if (conf.classid != 0)
		nl_put_u32(msgs, TCA_MATCHALL_CLASSID, conf.classid);
	nl_put_u32(msgs, TCA_MATCHALL_FLAGS, conf.flags | TCA_CLS_FLAGS_NOT_IN_HW);
	nl_put(msgs, TCA_MATCHALL_PCNT, &counts, sizeof(counts));
	actions_put(msgs, TCA_MATCHALL_ACT, matchall_actions(info->filter), control->now(control));
	nl_nest_end(msgs, nest);
}

static bool
matchall_save(const struct save *save, const struct filter_info *info)
{
	struct matchall_conf conf;

	if (info->filter == NULL)
		return false;
	matchall_get_conf(info->filter, &conf);
	fprintf(save->out, " handle 0x%x matchall", info->handle);
	if (conf.classid != 0)
		save_classid(save->out, "classid", conf.classid);
	save_actions(save, matchall_actions(info->filter));
	return true;
}

static const struct filter_codec matchall_codec = {
	.kind = "matchall",
	.parse = matchall_parse,
	.put = matchall_put,
	.save = matchall_save,
};
FILTER_CODEC_REGISTER(matchall_codec)
