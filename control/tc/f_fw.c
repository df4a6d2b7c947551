/* SPDX-License-Identifier: BSD-3-Clause */
/* The options of fw filters, TCA_FW_*. */
#include "tc/codec.h"

static int
fw_parse(const struct nlattr *nest, struct filter_options *options, struct error *err)
{
	struct fw_conf *conf = &options->conf.fw;
	const struct nlattr *tb[TCA_FW_MAX + 1];
	int rc;

	if ((rc = nl_get_nest(nest, tb, TCA_FW_MAX, err)) != 0 ||
		(rc = nl_get_u32(tb[TCA_FW_CLASSID], 0, &conf->classid, "classid", err)) != 0 ||
		(rc = nl_get_u32(tb[TCA_FW_MASK], 0, &conf->mask, "mask of the mark", err)) != 0 ||
		(rc = indev_parse(options->control, tb[TCA_FW_INDEV], &conf->in_port, err)) != 0 ||
		(rc = actions_parse(tb[TCA_FW_ACT], &options->actions, err)) != 0 ||
		(rc = bare_police_parse(tb[TCA_FW_POLICE], &options->actions, err)) != 0)
		return rc;
	options->classid = conf->classid;
	conf->has_classid = tb[TCA_FW_CLASSID] != NULL;
	conf->has_mask = tb[TCA_FW_MASK] != NULL;
	conf->actions = options->actions.specs;
	conf->n_actions = options->actions.n;
	return 0;
}

static void
fw_put(struct nl_msgs *msgs, const struct control *control, const struct filter_info *info)
{
	size_t nest = nl_nest_start(msgs, TCA_OPTIONS);
	struct fw_conf conf;

	fw_get_conf(info->group, info->filter, &conf);
	if (conf.has_classid)
		nl_put_u32(msgs, TCA_FW_CLASSID, conf.classid);
	indev_put(msgs, control, TCA_FW_INDEV, conf.in_port);
	if (conf.has_mask)
		nl_put_u32(msgs, TCA_FW_MASK, conf.mask);
	actions_put(msgs, TCA_FW_ACT, fw_actions(info->filter), control->now(control));
	bare_police_put(msgs, TCA_FW_POLICE, fw_actions(info->filter), control->now(control));
	nl_nest_end(msgs, nest);
	bare_police_put_stats(msgs, fw_actions(info->filter), control->now(control));
}

static bool
fw_save(const struct save *save, const struct filter_info *info)
{
	FILE *out = save->out;
	struct fw_conf conf;

	if (info->filter == NULL)
		return false;
	fw_get_conf(info->group, info->filter, &conf);
	fprintf(out, " handle 0x%x", info->handle);
	if (conf.has_mask)
		fprintf(out, "/0x%x", conf.mask);
	fputs(" fw", out);
	indev_save(save, conf.in_port);
	if (conf.has_classid)
		save_classid(out, "classid", conf.classid);
	save_actions(save, fw_actions(info->filter));
	return true;
}

static const struct filter_codec fw_codec = {
	.kind = "fw",
	.parse = fw_parse,
	.put = fw_put,
	.save = fw_save,
};
FILTER_CODEC_REGISTER(fw_codec)
