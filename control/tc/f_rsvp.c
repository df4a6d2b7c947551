/* SPDX-License-Identifier: BSD-3-Clause */
/* The options of rsvp and rsvp6 filters, TCA_RSVP_*. */
#include <arpa/inet.h>
#include <string.h>

#include <weir/filter/rsvp.h>

#include "tc/codec.h"

_Static_assert(sizeof(struct rsvp_conf) <= sizeof(((struct filter_options *)NULL)->conf), "the conf has room");
_Static_assert(sizeof(struct rsvp_pinfo) == 28, "as it is in messages");

/* *there stays false where attr is NULL. Linux answers to a short one, which is tc's `any`, with ERANGE. */
static int
parse_address(const struct nlattr *attr, uint32_t bytes, uint32_t *address, bool *there, struct error *err)
{
	if (attr == NULL)
		return 0;
	if (mnl_attr_get_payload_len(attr) < bytes)
		return error_set(err, ERANGE,
			"rsvp: an address of %u bytes, %u are wanted; leave out a sender that is any",
			mnl_attr_get_payload_len(attr), bytes);
	memcpy(address, mnl_attr_get_payload(attr), bytes);
	*there = true;
	return 0;
}

static int
parse(const struct nlattr *nest, uint32_t address_bytes, struct filter_options *options, struct error *err)
{
	struct rsvp_conf *conf = (void *)&options->conf;
	const struct nlattr *tb[TCA_RSVP_MAX + 1];
	int rc;

	if ((rc = nl_get_nest(nest, tb, TCA_RSVP_MAX, err)) != 0 ||
		(rc = nl_get_u32(tb[TCA_RSVP_CLASSID], 0, &conf->classid, "classid", err)) != 0 ||
		(rc = parse_address(tb[TCA_RSVP_DST], address_bytes, conf->session, &conf->has_session, err)) != 0 ||
		(rc = parse_address(tb[TCA_RSVP_SRC], address_bytes, conf->sender, &conf->has_sender, err)) != 0 ||
		(rc = actions_parse(tb[TCA_RSVP_ACT], &options->actions, err)) != 0 ||
		(rc = bare_police_parse(tb[TCA_RSVP_POLICE], &options->actions, err)) != 0)
		return rc;
	if (tb[TCA_RSVP_PINFO] != NULL) {
		if (mnl_attr_get_payload_len(tb[TCA_RSVP_PINFO]) < sizeof(conf->pinfo))
			return error_set(err, EINVAL, "rsvp: %u bytes of ports and protocol, %zu are wanted",
				mnl_attr_get_payload_len(tb[TCA_RSVP_PINFO]), sizeof(conf->pinfo));
		memcpy(&conf->pinfo, mnl_attr_get_payload(tb[TCA_RSVP_PINFO]), sizeof(conf->pinfo));
	}
	conf->has_classid = tb[TCA_RSVP_CLASSID] != NULL;
	options->classid = conf->pinfo.tunnelhdr == 0 ? conf->classid : 0;
	conf->actions = options->actions.specs;
	conf->n_actions = options->actions.n;
	return 0;
}

static int
rsvp_parse(const struct nlattr *nest, struct filter_options *options, struct error *err)
{
	return parse(nest, 4, options, err);
}

static int
rsvp6_parse(const struct nlattr *nest, struct filter_options *options, struct error *err)
{
	return parse(nest, 16, options, err);
}

static uint16_t
address_bytes(const struct filter_info *info)
{
	return strcmp(info->kind, "rsvp6") == 0 ? 16 : 4;
}

static void
rsvp_put(struct nl_msgs *msgs, const struct control *control, const struct filter_info *info)
{
	size_t nest = nl_nest_start(msgs, TCA_OPTIONS);
	const struct action_list *actions = rsvp_actions(info->filter);
	struct rsvp_conf conf;

	rsvp_get_conf(info->filter, &conf);
	nl_put(msgs, TCA_RSVP_DST, conf.session, address_bytes(info));
	nl_put(msgs, TCA_RSVP_PINFO, &conf.pinfo, sizeof(conf.pinfo));
	if (conf.has_classid)
		nl_put_u32(msgs, TCA_RSVP_CLASSID, conf.classid);
	if (conf.has_sender)
		nl_put(msgs, TCA_RSVP_SRC, conf.sender, address_bytes(info));
	actions_put(msgs, TCA_RSVP_ACT, actions, control->now(control));
	bare_police_put(msgs, TCA_RSVP_POLICE, actions, control->now(control));
	nl_nest_end(msgs, nest);
	bare_police_put_stats(msgs, actions, control->now(control));
}

static void
save_address(FILE *out, const char *word, const struct filter_info *info, const uint32_t *address)
{
	char text[INET6_ADDRSTRLEN];

	inet_ntop(address_bytes(info) == 16 ? AF_INET6 : AF_INET, address, text, sizeof(text));
	fprintf(out, " %s %s", word, text);
}

/* Any port is a word under a mask; behind the address, without a slash. */
static void
save_port(FILE *out, const struct rsvp_port *port)
{
	if (port->mask != 0)
		fprintf(out, " u32 0x%08x mask 0x%08x at %d", ntohl(port->key), ntohl(port->mask), port->offset);
}

static bool
rsvp_save(const struct save *save, const struct filter_info *info)
{
	FILE *out = save->out;
	struct rsvp_conf conf;

	if (info->filter == NULL)
		return false;
	rsvp_get_conf(info->filter, &conf);
	fprintf(out, " %s ipproto %u", info->kind, conf.pinfo.protocol);
	save_address(out, "session", info, conf.session);
	save_port(out, &conf.pinfo.session);
	if (conf.has_sender) {
		save_address(out, "sender", info, conf.sender);
		save_port(out, &conf.pinfo.sender);
	}
	if (conf.pinfo.tunnelid != 0)
		fprintf(out, " tunnelid %u", conf.pinfo.tunnelid);
	if (conf.pinfo.tunnelhdr != 0)
		fprintf(out, " tunnel %u skip %u", conf.classid, conf.pinfo.tunnelhdr);
	else if (conf.has_classid)
		save_classid(out, "classid", conf.classid);
	save_actions(save, rsvp_actions(info->filter));
	return true;
}

static const struct filter_codec rsvp_codec = {
	.kind = "rsvp",
	.parse = rsvp_parse,
	.put = rsvp_put,
	.save = rsvp_save,
};
FILTER_CODEC_REGISTER(rsvp_codec)

static const struct filter_codec rsvp6_codec = {
	.kind = "rsvp6",
	.parse = rsvp6_parse,
	.put = rsvp_put,
	.save = rsvp_save,
};
FILTER_CODEC_REGISTER(rsvp6_codec)
