/* SPDX-License-Identifier: BSD-3-Clause */
/* red: nested TCA_RED_*. */
#include <weir/qdisc/red.h>

#include "tc/qdisc_codec.h"
#include "tc/red_options.h"

#define RED_FLAGS (TC_RED_ECN | TC_RED_HARDDROP | TC_RED_ADAPTATIVE | TC_RED_NODROP)

/* The flags have a byte in the parameters, whose other bits say nothing, or an attribute. */
static int
parse_flags(const struct nlattr *attr, uint8_t old_flags, uint8_t *flags, struct error *err)
{
	struct nla_bitfield32 given;
	int rc;

	*flags = old_flags & TC_RED_HISTORIC_FLAGS;
	if (attr == NULL)
		return 0;
	if ((rc = struct_parse(attr, &given, sizeof(given), "red flags", err)) != 0)
		return rc;
	if (old_flags != 0)
		return error_set(err, EINVAL,
			"sch_red: flags should be passed either through qopt, or through a dedicated attribute");
	if ((given.selector & ~(uint32_t)RED_FLAGS) != 0 || (given.value & ~given.selector) != 0)
		return error_set(err, EINVAL, "red: of the flags %#x only %#x are known", given.value, RED_FLAGS);
	*flags = (uint8_t)(given.value & given.selector);
	return 0;
}

static int
red_parse(const struct nlattr *options, void *conf, struct error *err)
{
	const struct nlattr *tb[TCA_RED_MAX + 1];
	struct red_conf *c = conf;
	struct tc_red_qopt opt;
	int rc = nl_get_nest(options, tb, TCA_RED_MAX, err);

	if (rc != 0)
		return rc;
	if (tb[TCA_RED_PARMS] == NULL || tb[TCA_RED_STAB] == NULL)
		return error_code(err, EINVAL);
	if (tb[TCA_RED_EARLY_DROP_BLOCK] != NULL || tb[TCA_RED_MARK_BLOCK] != NULL)
		return error_set(err, EOPNOTSUPP,
			"red: qevents (early_drop, mark) are not offered; filters may stand at the discipline above");
	if ((rc = struct_parse(tb[TCA_RED_PARMS], &opt, sizeof(opt), "red", err)) != 0)
		return rc;
	c->limit_bytes = opt.limit;
	c->params = (struct red_params){
		.min_bytes = opt.qth_min, .max_bytes = opt.qth_max, .weight_log = opt.Wlog, .scell_log = opt.Scell_log
	};
	if ((rc = red_stab_parse(tb[TCA_RED_STAB], &c->params, err)) != 0)
		return rc;
	if ((rc = nl_get_u32(tb[TCA_RED_MAX_P], 0, &c->params.max_p, "red probability", err)) != 0)
		return rc;
	if (c->params.max_p == 0)
		c->params.max_p = red_max_p_from_plog(&c->params, opt.Plog);
	return parse_flags(tb[TCA_RED_FLAGS], opt.flags, &c->flags, err);
}

static void
red_put(struct nl_msgs *msgs, const void *conf)
{
	const struct red_conf *c = conf;
	struct tc_red_qopt opt = {
		.limit = c->limit_bytes,
		.qth_min = c->params.min_bytes,
		.qth_max = c->params.max_bytes,
		.Wlog = c->params.weight_log,
		.Scell_log = c->params.scell_log,
		.flags = c->flags & TC_RED_HISTORIC_FLAGS,
	};
	struct nla_bitfield32 flags = { .value = c->flags, .selector = RED_FLAGS };
	size_t nest = nl_nest_start(msgs, TCA_OPTIONS);

	nl_put(msgs, TCA_RED_PARMS, &opt, sizeof(opt));
	nl_put_u32(msgs, TCA_RED_MAX_P, c->params.max_p);
	nl_put(msgs, TCA_RED_FLAGS, &flags, sizeof(flags));
	nl_nest_end(msgs, nest);
}

static void
red_save(FILE *out, const void *conf)
{
	const struct red_conf *c = conf;

	fprintf(out, " limit %u", c->limit_bytes);
	red_save_params(out, &c->params);
	fprintf(out, "%s%s%s%s", c->flags & TC_RED_ECN ? " ecn" : "", c->flags & TC_RED_HARDDROP ? " harddrop" : "",
		c->flags & TC_RED_ADAPTATIVE ? " adaptive" : "", c->flags & TC_RED_NODROP ? " nodrop" : "");
}

static void
red_put_xstats(struct nl_msgs *msgs, uint16_t attr, const void *xstats)
{
	const struct red_xstats *x = xstats;
	struct tc_red_xstats wire = {
		.early = x->prob_drop + x->forced_drop,
		.pdrop = x->limit_drop,
		.marked = x->prob_mark + x->forced_mark,
	};

	nl_put(msgs, attr, &wire, sizeof(wire));
}

static const struct class_codec red_class_codec = { .silent = true };
static const struct qdisc_codec red_codec = {
	.kind = "red",
	.parse = red_parse,
	.put = red_put,
	.save = red_save,
	.put_xstats = red_put_xstats,
	.xstats_size = sizeof(struct red_xstats),
	.classes = &red_class_codec,
};
QDISC_CODEC_REGISTER(red_codec)
