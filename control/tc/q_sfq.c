/* SPDX-License-Identifier: BSD-3-Clause */
/* sfq: struct tc_sfq_qopt or, with its later options, struct tc_sfq_qopt_v1. */
#include <weir/qdisc/sfq.h>

#include "tc/qdisc_codec.h"

#define SFQ_DEPTH_DEFAULT 127
#define SFQ_FLOWS_DEFAULT 128

static int
sfq_parse(const struct nlattr *options, void *conf, struct error *err)
{
	struct sfq_conf *c = conf;
	struct tc_sfq_qopt_v1 opt = { 0 };
	bool v1 = mnl_attr_get_payload_len(options) >= sizeof(opt);
	int rc = struct_parse(options, &opt, v1 ? sizeof(opt) : sizeof(opt.v0), "sfq", err);

	if (rc != 0)
		return rc;
	c->quantum = opt.v0.quantum;
	c->perturb_s = opt.v0.perturb_period;
	c->limit = opt.v0.limit;
	c->divisor = opt.v0.divisor;
	c->flows = opt.v0.flows;
	c->has_v1 = v1;
	c->depth = opt.depth;
	c->headdrop = opt.headdrop != 0;
	c->redflowlimit = opt.limit;
	c->qth_min = opt.qth_min;
	c->qth_max = opt.qth_max;
	c->red_wlog = opt.Wlog;
	c->red_plog = opt.Plog;
	c->red_scell_log = opt.Scell_log;
	c->red_flags = opt.flags;
	c->red_max_p = opt.max_P;
	return 0;
}

static void
sfq_put(struct nl_msgs *msgs, const void *conf)
{
	const struct sfq_conf *c = conf;
	struct tc_sfq_qopt_v1 opt = {
		.v0 = {
			.quantum = c->quantum,
			.perturb_period = c->perturb_s,
			.limit = c->limit,
			.divisor = c->divisor,
			.flows = c->flows,
		},
		.depth = c->depth,
		.headdrop = c->headdrop,
		.limit = c->redflowlimit,
		.qth_min = c->qth_min,
		.qth_max = c->qth_max,
		.Wlog = c->red_wlog,
		.Plog = c->red_plog,
		.Scell_log = c->red_scell_log,
		.flags = c->red_flags,
		.max_P = c->red_max_p,
		.stats = {
			.prob_drop = c->red_stats.prob_drop,
			.forced_drop = c->red_stats.forced_drop,
			.prob_mark = c->red_stats.prob_mark,
			.forced_mark = c->red_stats.forced_mark,
			.prob_mark_head = c->red_stats.prob_mark_head,
			.forced_mark_head = c->red_stats.forced_mark_head,
		},
	};

	nl_put(msgs, TCA_OPTIONS, &opt, sizeof(opt));
}

static void
sfq_save(FILE *out, const void *conf)
{
	const struct sfq_conf *c = conf;

	fprintf(out, " quantum %u perturb %d divisor %u", c->quantum, c->perturb_s, c->divisor);
	/* One that is asked for bounds the flows, too. */
	if (c->limit != SFQ_DEPTH_DEFAULT)
		fprintf(out, " limit %u", c->limit);
	/*
	 * These ask for the long form of the options, under which the others' bounds differ: only where they are not
	 * the defaults.
	 */
	if (c->depth != SFQ_DEPTH_DEFAULT)
		fprintf(out, " depth %u", c->depth);
	if (c->flows != SFQ_FLOWS_DEFAULT)
		fprintf(out, " flows %u", c->flows);
	if (c->headdrop)
		fputs(" headdrop", out);
	if (c->qth_min != 0)
		fprintf(out, " redflowlimit %u min %u max %u probability %.9f%s%s", c->redflowlimit, c->qth_min,
			c->qth_max, (double)c->red_max_p / 4294967296.0, c->red_flags & TC_RED_ECN ? " ecn" : "",
			c->red_flags & TC_RED_HARDDROP ? " harddrop" : "");
}

static void
sfq_class_put_xstats(struct nl_msgs *msgs, uint16_t attr, const void *xstats)
{
	const struct sfq_class_xstats *x = xstats;
	struct tc_sfq_xstats wire = { .allot = x->allot };

	nl_put(msgs, attr, &wire, sizeof(wire));
}

static const struct class_codec sfq_class_codec = {
	.put_xstats = sfq_class_put_xstats,
	.xstats_size = sizeof(struct sfq_class_xstats),
	.queue_only = true,
};
static const struct qdisc_codec sfq_codec = {
	.kind = "sfq",
	.parse = sfq_parse,
	.put = sfq_put,
	.save = sfq_save,
	.classes = &sfq_class_codec,
};
QDISC_CODEC_REGISTER(sfq_codec)
