/* SPDX-License-Identifier: BSD-3-Clause */
/* drr: the qdisc has no options, its classes have TCA_DRR_QUANTUM. */
#include <weir/qdisc/drr.h>

#include "tc/qdisc_codec.h"

static int
drr_parse(const struct nlattr *options, void *conf, struct error *err)
{
	return 0;
}

static void
drr_put(struct nl_msgs *msgs, const void *conf)
{
}

static int
drr_class_parse(const struct nlattr *options, void *conf, struct error *err)
{
	const struct nlattr *tb[TCA_DRR_MAX + 1];
	struct drr_class_conf *c = conf;
	int rc;

	if (options == NULL)
		return error_set(err, EINVAL, "DRR options are required for this operation");
	if ((rc = nl_get_nest(options, tb, TCA_DRR_MAX, err)) != 0)
		return rc;
	c->has_quantum = tb[TCA_DRR_QUANTUM] != NULL;
	return nl_get_u32(tb[TCA_DRR_QUANTUM], 0, &c->quantum, "drr quantum", err);
}

static void
drr_class_put(struct nl_msgs *msgs, const void *conf)
{
	const struct drr_class_conf *c = conf;
	size_t nest = nl_nest_start(msgs, TCA_OPTIONS);

	nl_put_u32(msgs, TCA_DRR_QUANTUM, c->quantum);
	nl_nest_end(msgs, nest);
}

static void
drr_class_save(FILE *out, const void *conf)
{
	const struct drr_class_conf *c = conf;

	fprintf(out, " quantum %u", c->quantum);
}

static void
drr_class_put_xstats(struct nl_msgs *msgs, uint16_t attr, const void *xstats)
{
	const struct drr_class_xstats *x = xstats;
	struct tc_drr_stats wire = { .deficit = x->deficit };

	nl_put(msgs, attr, &wire, sizeof(wire));
}

static const struct class_codec drr_class_codec = {
	.parse = drr_class_parse,
	.put = drr_class_put,
	.save = drr_class_save,
	.put_xstats = drr_class_put_xstats,
	.xstats_size = sizeof(struct drr_class_xstats),
	.top_is_root = true,
};
static const struct qdisc_codec drr_codec = {
	.kind = "drr",
	.parse = drr_parse,
	.put = drr_put,
	.classes = &drr_class_codec,
};
QDISC_CODEC_REGISTER(drr_codec)
