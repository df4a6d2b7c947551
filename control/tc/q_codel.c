/* SPDX-License-Identifier: BSD-3-Clause */
/* codel: nested TCA_CODEL_*. */
#include "tc/q_codel.h"

static int
codel_parse(const struct nlattr *options, void *conf, struct error *err)
{
	const struct nlattr *tb[TCA_CODEL_MAX + 1];
	struct codel_conf *c = conf;
	uint32_t ecn = 0;
	int rc = nl_get_nest(options, tb, TCA_CODEL_MAX, err);

	if (rc != 0 ||
		(rc = codel_get_time(tb[TCA_CODEL_TARGET], CODEL_TARGET, &c->given, &c->times.target_ns, "codel target",
			 err)) != 0 ||
		(rc = codel_get_time(tb[TCA_CODEL_INTERVAL], CODEL_INTERVAL, &c->given, &c->times.interval_ns,
			 "codel interval", err)) != 0 ||
		(rc = codel_get_time(tb[TCA_CODEL_CE_THRESHOLD], CODEL_CE_THRESHOLD, &c->given,
			 &c->times.ce_threshold_ns, "codel ce_threshold", err)) != 0 ||
		(rc = codel_get_number(tb[TCA_CODEL_LIMIT], CODEL_LIMIT, &c->given, &c->limit, "codel limit", err)) !=
			0 ||
		(rc = codel_get_number(tb[TCA_CODEL_ECN], CODEL_ECN, &c->given, &ecn, "codel ecn", err)) != 0)
		return rc;
	c->times.ecn = ecn != 0;
	return 0;
}

static void
codel_put(struct nl_msgs *msgs, const void *conf)
{
	const struct codel_conf *c = conf;
	size_t nest = nl_nest_start(msgs, TCA_OPTIONS);

	nl_put_u32(msgs, TCA_CODEL_TARGET, codel_us(c->times.target_ns));
	nl_put_u32(msgs, TCA_CODEL_LIMIT, c->limit);
	nl_put_u32(msgs, TCA_CODEL_INTERVAL, codel_us(c->times.interval_ns));
	nl_put_u32(msgs, TCA_CODEL_ECN, c->times.ecn);
	if ((c->given & CODEL_CE_THRESHOLD) != 0)
		nl_put_u32(msgs, TCA_CODEL_CE_THRESHOLD, codel_us(c->times.ce_threshold_ns));
	nl_nest_end(msgs, nest);
}

static void
codel_save(FILE *out, const void *conf)
{
	const struct codel_conf *c = conf;

	fprintf(out, " limit %u", c->limit);
	codel_save_times(out, &c->times, c->given);
}

static void
codel_put_xstats(struct nl_msgs *msgs, uint16_t attr, const void *xstats)
{
	const struct codel_xstats *x = xstats;
	struct tc_codel_xstats wire = {
		.maxpacket = x->largest_bytes,
		.count = x->queue.count,
		.lastcount = x->queue.last_count,
		.ldelay = codel_us(x->queue.delay_ns),
		.drop_next = codel_drop_next_us(&x->queue),
		.drop_overlimit = x->limit_drops,
		.ecn_mark = x->ecn_marks,
		.dropping = x->queue.dropping,
		.ce_mark = x->ce_marks,
	};

	nl_put(msgs, attr, &wire, sizeof(wire));
}

static const struct qdisc_codec codel_codec = {
	.kind = "codel",
	.parse = codel_parse,
	.put = codel_put,
	.save = codel_save,
	.put_xstats = codel_put_xstats,
	.xstats_size = sizeof(struct codel_xstats),
};
QDISC_CODEC_REGISTER(codel_codec)
