/* SPDX-License-Identifier: BSD-3-Clause */
/* The options of route filters, TCA_ROUTE4_*. */
#include <weir/filter/route.h>

#include "tc/codec.h"

_Static_assert(sizeof(struct route_conf) <= sizeof(((struct filter_options *)NULL)->conf), "the conf has room");

static int
route_parse(const struct nlattr *nest, struct filter_options *options, struct error *err)
{
	struct route_conf *conf = (void *)&options->conf;
	const struct nlattr *tb[TCA_ROUTE4_MAX + 1];
	int rc;

	if ((rc = nl_get_nest(nest, tb, TCA_ROUTE4_MAX, err)) != 0 ||
		(rc = nl_get_u32(tb[TCA_ROUTE4_TO], 0, &conf->to, "realm", err)) != 0 ||
		(rc = nl_get_u32(tb[TCA_ROUTE4_FROM], 0, &conf->from, "realm", err)) != 0 ||
		(rc = nl_get_u32(tb[TCA_ROUTE4_IIF], 0, &conf->fromif, "fromif", err)) != 0 ||
		(rc = nl_get_u32(tb[TCA_ROUTE4_CLASSID], 0, &conf->classid, "classid", err)) != 0 ||
		(rc = actions_parse(tb[TCA_ROUTE4_ACT], &options->actions, err)) != 0 ||
		(rc = bare_police_parse(tb[TCA_ROUTE4_POLICE], &options->actions, err)) != 0)
		return rc;
	options->classid = conf->classid;
	conf->has_to = tb[TCA_ROUTE4_TO] != NULL;
	conf->has_from = tb[TCA_ROUTE4_FROM] != NULL;
	conf->has_fromif = tb[TCA_ROUTE4_IIF] != NULL;
	conf->has_classid = tb[TCA_ROUTE4_CLASSID] != NULL;
	conf->actions = options->actions.specs;
	conf->n_actions = options->actions.n;
	return 0;
}

static void
route_put(struct nl_msgs *msgs, const struct control *control, const struct filter_info *info)
{
	const struct action_list *actions = route_actions(info->filter);
	size_t nest = nl_nest_start(msgs, TCA_OPTIONS);
	struct route_conf conf;

	route_get_conf(info->filter, &conf);
	if (conf.has_to)
		nl_put_u32(msgs, TCA_ROUTE4_TO, conf.to);
	if (conf.has_from)
		nl_put_u32(msgs, TCA_ROUTE4_FROM, conf.from);
	if (conf.has_fromif)
		nl_put_u32(msgs, TCA_ROUTE4_IIF, conf.fromif);
	if (conf.has_classid)
		nl_put_u32(msgs, TCA_ROUTE4_CLASSID, conf.classid);
	actions_put(msgs, TCA_ROUTE4_ACT, actions, control->now(control));
	bare_police_put(msgs, TCA_ROUTE4_POLICE, actions, control->now(control));
	nl_nest_end(msgs, nest);
	bare_police_put_stats(msgs, actions, control->now(control));
}

static bool
route_save(const struct save *save, const struct filter_info *info)
{
	struct route_conf conf;
	const struct port *port;

	if (info->filter == NULL)
		return false;
	route_get_conf(info->filter, &conf);
	port = port_find(save->router, conf.fromif);
	/* A filter of a port that is gone matches nothing, and cannot be named. */
	if (conf.has_fromif && port == NULL)
		return false;
	fputs(" route", save->out);
	if (conf.has_from)
		fprintf(save->out, " from %u", conf.from);
	if (conf.has_fromif)
		fprintf(save->out, " fromif %s", port->name);
	if (conf.has_to)
		fprintf(save->out, " to %u", conf.to);
	if (conf.has_classid)
		save_classid(save->out, "classid", conf.classid);
	save_actions(save, route_actions(info->filter));
	return true;
}

static const struct filter_codec route_codec = {
	.kind = "route",
	.parse = route_parse,
	.put = route_put,
	.save = route_save,
};
FILTER_CODEC_REGISTER(route_codec)
