/* SPDX-License-Identifier: BSD-3-Clause */
/* The options of basic filters, TCA_BASIC_*. */
#include <weir/filter/basic.h>

#include "tc/ematch.h"

_Static_assert(sizeof(struct basic_conf) <= sizeof(((struct filter_options *)NULL)->conf), "the conf has room");

static int
basic_parse(const struct nlattr *nest, struct filter_options *options, struct error *err)
{
	struct basic_conf *conf = (void *)&options->conf;
	const struct nlattr *tb[TCA_BASIC_MAX + 1];
	int rc;

	if ((rc = nl_get_nest(nest, tb, TCA_BASIC_MAX, err)) != 0 ||
		(rc = nl_get_u32(tb[TCA_BASIC_CLASSID], 0, &conf->classid, "classid", err)) != 0 ||
		(rc = ematches_parse(tb[TCA_BASIC_EMATCHES], options->matches, &conf->n_matches, err)) != 0 ||
		(rc = actions_parse(tb[TCA_BASIC_ACT], &options->actions, err)) != 0 ||
		(rc = bare_police_parse(tb[TCA_BASIC_POLICE], &options->actions, err)) != 0)
		return rc;
	options->classid = conf->classid;
	conf->matches = options->matches;
	conf->actions = options->actions.specs;
	conf->n_actions = options->actions.n;
	return 0;
}

static void
basic_put(struct nl_msgs *msgs, const struct control *control, const struct filter_info *info)
{
	size_t nest = nl_nest_start(msgs, TCA_OPTIONS);
	const struct action_list *actions = basic_actions(info->filter);
	const struct ematch *matches;
	unsigned int n;

	if (basic_classid(info->filter) != 0)
		nl_put_u32(msgs, TCA_BASIC_CLASSID, basic_classid(info->filter));
	actions_put(msgs, TCA_BASIC_ACT, actions, control->now(control));
	bare_police_put(msgs, TCA_BASIC_POLICE, actions, control->now(control));
	matches = basic_matches(info->filter, &n);
	ematches_put(msgs, TCA_BASIC_EMATCHES, matches, n);
	nl_nest_end(msgs, nest);
	bare_police_put_stats(msgs, actions, control->now(control));
}

static bool
basic_save(const struct save *save, const struct filter_info *info)
{
	const struct action_list *actions;
	const struct ematch *matches;
	unsigned int n;

	if (info->filter == NULL)
		return false;
	fprintf(save->out, " handle 0x%x basic", info->handle);
	matches = basic_matches(info->filter, &n);
	actions = basic_actions(info->filter);
	ematches_save(save->out, matches, n);
	/* tc does not take a match as the last word. */
	if (basic_classid(info->filter) != 0 || action_list_count(actions) == 0)
		save_classid(save->out, "classid", basic_classid(info->filter));
	save_actions(save, actions);
	return true;
}

static const struct filter_codec basic_codec = {
	.kind = "basic",
	.parse = basic_parse,
	.put = basic_put,
	.save = basic_save,
	.newest_first = true,
};
FILTER_CODEC_REGISTER(basic_codec)
