/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cbq: nested TCA_CBQ_*, the same of the qdisc, whose options are its root class's, and of a class. Rate tables are
 * ignored: times are exact.
 */
#include <weir/qdisc/cbq.h>

#include "tc/qdisc_codec.h"
#include "tc/ticks.h"

static int
parse_rate(const struct nlattr *tb[], struct cbq_conf *c, struct error *err)
{
	struct tc_ratespec spec;
	int rc;

	if (tb[TCA_CBQ_RATE] == NULL)
		return 0;
	if ((rc = struct_parse(tb[TCA_CBQ_RATE], &spec, sizeof(spec), "cbq rate", err)) != 0)
		return rc;
	c->given |= CBQ_RATE;
	c->cell_log = spec.cell_log;
	return rate_parse(&spec, NULL, &c->rate, err);
}

static int
parse_link_sharing(const struct nlattr *tb[], struct cbq_conf *c, struct error *err)
{
	static const uint32_t given[][2] = {
		{ TCF_CBQ_LSS_FLAGS, CBQ_FLAGS },
		{ TCF_CBQ_LSS_EWMA, CBQ_EWMA },
		{ TCF_CBQ_LSS_MAXIDLE, CBQ_MAXIDLE },
		{ TCF_CBQ_LSS_MINIDLE, CBQ_MINIDLE },
		{ TCF_CBQ_LSS_OFFTIME, CBQ_OFFTIME },
		{ TCF_CBQ_LSS_AVPKT, CBQ_AVPKT },
	};
	struct tc_cbq_lssopt lss;
	int rc;

	if (tb[TCA_CBQ_LSSOPT] == NULL)
		return 0;
	if ((rc = struct_parse(tb[TCA_CBQ_LSSOPT], &lss, sizeof(lss), "cbq link sharing", err)) != 0)
		return rc;
	c->given |= CBQ_LINK_SHARING;
	for (unsigned int i = 0; i < RTE_DIM(given); i++) {
		if ((lss.change & given[i][0]) != 0)
			c->given |= given[i][1];
	}
	c->bounded = (lss.flags & TCF_CBQ_LSS_BOUNDED) != 0;
	c->isolated = (lss.flags & TCF_CBQ_LSS_ISOLATED) != 0;
	c->ewma_log = lss.ewma_log;
	c->maxidle_ns = ns_from_ticks(lss.maxidle);
	c->minidle_ns = ns_from_ticks(lss.minidle);
	c->offtime_ns = ns_from_ticks(lss.offtime);
	c->avpkt = lss.avpkt;
	return 0;
}

static int
parse_turns(const struct nlattr *tb[], struct cbq_conf *c, struct error *err)
{
	struct tc_cbq_wrropt wrr;
	int rc;

	if (tb[TCA_CBQ_WRROPT] == NULL)
		return 0;
	if ((rc = struct_parse(tb[TCA_CBQ_WRROPT], &wrr, sizeof(wrr), "cbq turns", err)) != 0)
		return rc;
	c->given |= CBQ_WRR;
	c->prio = wrr.priority;
	c->allot = wrr.allot;
	c->weight = wrr.weight;
	return 0;
}

static int
parse_split(const struct nlattr *tb[], struct cbq_conf *c, struct error *err)
{
	struct tc_cbq_fopt fopt;
	int rc;

	if (tb[TCA_CBQ_FOPT] == NULL)
		return 0;
	if ((rc = struct_parse(tb[TCA_CBQ_FOPT], &fopt, sizeof(fopt), "cbq split", err)) != 0)
		return rc;
	c->given |= CBQ_SPLIT;
	c->split = fopt.split;
	c->defmap = fopt.defmap;
	c->defchange = fopt.defchange;
	return 0;
}

static int
parse(const struct nlattr *options, struct cbq_conf *c, struct error *err)
{
	const struct nlattr *tb[TCA_CBQ_MAX + 1];
	struct tc_cbq_ovl ovl;
	int rc = nl_get_nest(options, tb, TCA_CBQ_MAX, err);

	if (rc != 0)
		return rc;
	if (tb[TCA_CBQ_POLICE] != NULL)
		return error_set(err, EOPNOTSUPP, "cbq: a class has no policer; put one on a filter");
	if (tb[TCA_CBQ_OVL_STRATEGY] != NULL) {
		if ((rc = struct_parse(tb[TCA_CBQ_OVL_STRATEGY], &ovl, sizeof(ovl), "cbq overlimit", err)) != 0)
			return rc;
		if (ovl.strategy != TC_CBQ_OVL_CLASSIC)
			return error_set(err, EOPNOTSUPP,
				"cbq: overlimit strategy %u; a class over its limit is delayed, strategy 0",
				ovl.strategy);
	}
	if ((rc = parse_rate(tb, c, err)) != 0 || (rc = parse_link_sharing(tb, c, err)) != 0 ||
		(rc = parse_turns(tb, c, err)) != 0)
		return rc;
	return parse_split(tb, c, err);
}

static int
cbq_parse(const struct nlattr *options, void *conf, struct error *err)
{
	return parse(options, conf, err);
}

static int
cbq_class_parse(const struct nlattr *options, void *conf, struct error *err)
{
	if (options == NULL)
		return error_set(err, EINVAL, "CBQ options are required for this operation");
	return parse(options, conf, err);
}

static void
cbq_put(struct nl_msgs *msgs, const void *conf)
{
	const struct cbq_conf *c = conf;
	struct tc_cbq_lssopt lss = {
		.change = UINT8_MAX,
		.flags = (uint8_t)((c->bounded ? TCF_CBQ_LSS_BOUNDED : 0) | (c->isolated ? TCF_CBQ_LSS_ISOLATED : 0)),
		.ewma_log = c->ewma_log,
		.level = c->level,
		.maxidle = ticks_from_ns(c->maxidle_ns),
		.minidle = ticks_from_ns(c->minidle_ns),
		.offtime = ticks_from_ns(c->offtime_ns),
		.avpkt = c->avpkt,
	};
	struct tc_cbq_wrropt wrr = {
		.priority = c->prio,
		.cpriority = c->prio,
		.allot = c->allot,
		.weight = c->weight,
	};
	struct tc_cbq_fopt fopt = { .split = c->split, .defmap = c->defmap, .defchange = c->defchange };
	struct tc_ratespec rate;
	size_t nest = nl_nest_start(msgs, TCA_OPTIONS);

	rate_put(&c->rate, &rate);
	rate.cell_log = c->cell_log;
	nl_put(msgs, TCA_CBQ_LSSOPT, &lss, sizeof(lss));
	nl_put(msgs, TCA_CBQ_RATE, &rate, sizeof(rate));
	nl_put(msgs, TCA_CBQ_WRROPT, &wrr, sizeof(wrr));
	if ((c->given & CBQ_SPLIT) != 0)
		nl_put(msgs, TCA_CBQ_FOPT, &fopt, sizeof(fopt));
	nl_nest_end(msgs, nest);
}

/* ---- weir save */

/*
 * tc says maxidle and offtime by packets that may follow each other at the link's rate, and takes maxburst and minburst
 * for them: the formulas of Floyd's "Notes on Class-Based Queueing: Setting Parameters", 1996, with g = 1 -
 * 2^-ewma_log.
 */
struct bursts {
	double gap_ns; /* by which a packet of avpkt takes longer at the class's rate than at the link's */
	double packet_ns; /* what it takes at the link's */
	double g;
};

static double
power(double g, unsigned int n)
{
	double product = 1;

	for (; n != 0; n--)
		product *= g;
	return product;
}

static double
maxidle_of(const struct bursts *b, unsigned int maxburst)
{
	double g = power(b->g, maxburst);

	return b->gap_ns > 0 ? b->gap_ns * (1 - g) / g : b->packet_ns * (1 - b->g);
}

static double
offtime_of(const struct bursts *b, unsigned int minburst)
{
	double g = power(b->g, minburst - 1);

	return b->gap_ns * (1 + (1 - g) / g / (1 - b->g));
}

/* The number of packets that comes nearest. */
static unsigned int
packets_for(const struct bursts *b, double (*time_of)(const struct bursts *b, unsigned int packets), double ns)
{
	unsigned int packets = 1;

	while (packets < 1000 && (time_of(b, packets) + time_of(b, packets + 1)) / 2 < ns &&
		time_of(b, packets + 1) > time_of(b, packets))
		packets++;
	return packets;
}

static void
cbq_save(FILE *out, const void *conf)
{
	const struct cbq_conf *c = conf;

	save_rate(out, "bandwidth", &c->rate);
	fprintf(out, " avpkt %u cell %u ewma %u", c->avpkt, 1u << c->cell_log, c->ewma_log);
	save_packet_size(out, &c->rate);
}

static void
cbq_class_save(FILE *out, const void *conf)
{
	const struct cbq_conf *c = conf;
	const struct rate_conf link = { .Bps = c->link_Bps };
	struct bursts b = { .packet_ns = c->avpkt * 1e9 / (double)link.Bps, .g = 1 - 1.0 / (1u << c->ewma_log) };
	double scale = 1u << c->ewma_log;

	b.gap_ns = c->avpkt * 1e9 / (double)c->rate.Bps - b.packet_ns;
	save_rate(out, "bandwidth", &link);
	save_rate(out, "rate", &c->rate);
	fprintf(out, " allot %u weight %u prio %u avpkt %u cell %u ewma %u", c->allot, c->weight, c->prio, c->avpkt,
		1u << c->cell_log, c->ewma_log);
	save_packet_size(out, &c->rate);
	if ((c->given & CBQ_MAXIDLE) != 0)
		fprintf(out, " maxburst %u", packets_for(&b, maxidle_of, (double)c->maxidle_ns / scale));
	if (c->offtime_ns != 0)
		fprintf(out, " minburst %u", packets_for(&b, offtime_of, (double)c->offtime_ns));
	if (c->minidle_ns != CBQ_MINIDLE_NONE)
		fprintf(out, " minidle %u", ticks_from_ns(c->minidle_ns));
	fprintf(out, "%s%s", c->bounded ? " bounded" : "", c->isolated ? " isolated" : "");
	if ((c->given & CBQ_SPLIT) != 0)
		fprintf(out, " split %x:%x defmap %x", TC_H_MAJ(c->split) >> 16, TC_H_MIN(c->split), c->defmap);
}

static int32_t
signed_ticks(int64_t ns)
{
	int64_t ticks = ns / (1 << TICK_SHIFT);

	if (ticks > INT32_MAX)
		return INT32_MAX;
	return ticks < INT32_MIN ? INT32_MIN : (int32_t)ticks;
}

static void
cbq_put_xstats(struct nl_msgs *msgs, uint16_t attr, const void *xstats)
{
	const struct cbq_xstats *x = xstats;
	struct tc_cbq_xstats wire = {
		.borrows = x->borrows,
		.overactions = x->overactions,
		.avgidle = signed_ticks(x->avgidle_ns),
		.undertime = signed_ticks(x->undertime_ns),
	};

	nl_put(msgs, attr, &wire, sizeof(wire));
}

static const struct class_codec cbq_class_codec = {
	.parse = cbq_class_parse,
	.put = cbq_put,
	.save = cbq_class_save,
	.put_xstats = cbq_put_xstats,
	.xstats_size = sizeof(struct cbq_xstats),
};
static const struct qdisc_codec cbq_codec = {
	.kind = "cbq",
	.parse = cbq_parse,
	.put = cbq_put,
	.save = cbq_save,
	.put_xstats = cbq_put_xstats,
	.xstats_size = sizeof(struct cbq_xstats),
	.classes = &cbq_class_codec,
};
QDISC_CODEC_REGISTER(cbq_codec)
