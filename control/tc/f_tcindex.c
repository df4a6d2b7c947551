/* SPDX-License-Identifier: BSD-3-Clause */
/* The options of tcindex filters, TCA_TCINDEX_*. Linux tells nobody of the settings but the class and the actions. */
#include <weir/filter/tcindex.h>

#include "tc/codec.h"

_Static_assert(sizeof(struct tcindex_conf) <= sizeof(((struct filter_options *)NULL)->conf), "the conf has room");

static int
tcindex_parse(const struct nlattr *nest, struct filter_options *options, struct error *err)
{
	struct tcindex_conf *conf = (void *)&options->conf;
	const struct nlattr *tb[TCA_TCINDEX_MAX + 1];
	uint32_t fall_through;
	uint16_t mask;
	int rc;

	if ((rc = nl_get_nest(nest, tb, TCA_TCINDEX_MAX, err)) != 0 ||
		(rc = nl_get_u32(tb[TCA_TCINDEX_HASH], 0, &conf->hash, "hash", err)) != 0 ||
		(rc = nl_get_u16(tb[TCA_TCINDEX_MASK], 0, &mask, "mask", err)) != 0 ||
		(rc = nl_get_u32(tb[TCA_TCINDEX_SHIFT], 0, &conf->shift, "shift", err)) != 0 ||
		(rc = nl_get_u32(tb[TCA_TCINDEX_FALL_THROUGH], 0, &fall_through, "fall_through", err)) != 0 ||
		(rc = nl_get_u32(tb[TCA_TCINDEX_CLASSID], 0, &conf->classid, "classid", err)) != 0 ||
		(rc = actions_parse(tb[TCA_TCINDEX_ACT], &options->actions, err)) != 0)
		return rc;
	if (tb[TCA_TCINDEX_POLICE] != NULL)
		return error_set(err, EOPNOTSUPP,
			"tcindex: 'police' is not offered here; shape with a class, or drop with 'action drop'");
	options->classid = conf->classid;
	conf->mask = mask;
	conf->fall_through = fall_through != 0;
	conf->has_hash = tb[TCA_TCINDEX_HASH] != NULL;
	conf->has_mask = tb[TCA_TCINDEX_MASK] != NULL;
	conf->has_shift = tb[TCA_TCINDEX_SHIFT] != NULL;
	conf->has_fall_through = tb[TCA_TCINDEX_FALL_THROUGH] != NULL;
	conf->has_classid = tb[TCA_TCINDEX_CLASSID] != NULL;
	conf->actions = options->actions.specs;
	conf->n_actions = options->actions.n;
	return 0;
}

static void
tcindex_put(struct nl_msgs *msgs, const struct control *control, const struct filter_info *info)
{
	size_t nest = nl_nest_start(msgs, TCA_OPTIONS);

	if (tcindex_classid(info->filter) != 0)
		nl_put_u32(msgs, TCA_TCINDEX_CLASSID, tcindex_classid(info->filter));
	actions_put(msgs, TCA_TCINDEX_ACT, tcindex_actions(info->filter), control->now(control));
	nl_nest_end(msgs, nest);
}

/* The settings are all filters': each brings them. Where there is none, the group by itself is a classifier. */
static bool
tcindex_save(const struct save *save, const struct filter_info *info)
{
	FILE *out = save->out;
	struct tcindex_settings settings;

	if (info->filter == NULL && !tcindex_is_empty(info->group))
		return false;
	tcindex_get_settings(info->group, &settings);
	if (info->filter != NULL)
		fprintf(out, " handle 0x%x", info->handle);
	fprintf(out, " tcindex hash %u mask 0x%x shift %u %s", settings.hash, settings.mask, settings.shift,
		settings.fall_through ? "fall_through" : "pass_on");
	if (info->filter == NULL)
		return true;
	if (tcindex_classid(info->filter) != 0)
		save_classid(out, "classid", tcindex_classid(info->filter));
	save_actions(save, tcindex_actions(info->filter));
	return true;
}

static const struct filter_codec tcindex_codec = {
	.kind = "tcindex",
	.parse = tcindex_parse,
	.put = tcindex_put,
	.save = tcindex_save,
};
FILTER_CODEC_REGISTER(tcindex_codec)
