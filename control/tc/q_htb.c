/* SPDX-License-Identifier: BSD-3-Clause */
/* htb: nested TCA_HTB_*. Buckets travel as ticks at their rate; rate tables are ignored. */
#include <weir/qdisc/htb.h>

#include "tc/qdisc_codec.h"
#include "tc/ticks.h"

#define HTB_VERSION 0x30011 /* 3.17, as tc -d prints it */

static int
htb_parse(const struct nlattr *options, void *conf, struct error *err)
{
	const struct nlattr *tb[TCA_HTB_MAX + 1];
	struct htb_conf *c = conf;
	struct tc_htb_glob glob;
	int rc = nl_get_nest(options, tb, TCA_HTB_MAX, err);

	if (rc != 0)
		return rc;
	if (tb[TCA_HTB_INIT] == NULL)
		return error_code(err, EINVAL);
	if ((rc = struct_parse(tb[TCA_HTB_INIT], &glob, sizeof(glob), "htb", err)) != 0)
		return rc;
	if (tb[TCA_HTB_OFFLOAD] != NULL)
		return error_set(err, EOPNOTSUPP, "hw-tc-offload ethtool feature flag must be on");
	c->version = glob.version;
	c->rate2quantum = glob.rate2quantum;
	c->defcls = glob.defcls;
	c->debug = glob.debug;
	c->has_direct_qlen = tb[TCA_HTB_DIRECT_QLEN] != NULL;
	return nl_get_u32(tb[TCA_HTB_DIRECT_QLEN], 0, &c->direct_qlen, "htb direct_qlen", err);
}

static void
htb_put(struct nl_msgs *msgs, const void *conf)
{
	const struct htb_conf *c = conf;
	struct tc_htb_glob glob = {
		.version = HTB_VERSION,
		.rate2quantum = c->rate2quantum,
		.defcls = c->defcls,
		.direct_pkts = c->direct_pkts,
	};
	size_t nest = nl_nest_start(msgs, TCA_OPTIONS);

	nl_put(msgs, TCA_HTB_INIT, &glob, sizeof(glob));
	nl_put_u32(msgs, TCA_HTB_DIRECT_QLEN, c->direct_qlen);
	nl_nest_end(msgs, nest);
}

static int
htb_class_parse(const struct nlattr *options, void *conf, struct error *err)
{
	const struct nlattr *tb[TCA_HTB_MAX + 1];
	struct htb_class_conf *c = conf;
	struct tc_htb_opt opt;
	int rc;

	if (options == NULL)
		return error_code(err, EINVAL);
	if ((rc = nl_get_nest(options, tb, TCA_HTB_MAX, err)) != 0)
		return rc;
	if (tb[TCA_HTB_PARMS] == NULL)
		return error_code(err, EINVAL);
	if ((rc = struct_parse(tb[TCA_HTB_PARMS], &opt, sizeof(opt), "htb", err)) != 0)
		return rc;
	if ((rc = rate_parse(&opt.rate, tb[TCA_HTB_RATE64], &c->rate, err)) != 0)
		return rc;
	if ((rc = rate_parse(&opt.ceil, tb[TCA_HTB_CEIL64], &c->ceil, err)) != 0)
		return rc;
	c->burst_ns = ns_from_ticks(opt.buffer);
	c->cburst_ns = ns_from_ticks(opt.cbuffer);
	c->quantum = opt.quantum;
	c->prio = opt.prio;
	return 0;
}

static void
htb_class_put(struct nl_msgs *msgs, const void *conf)
{
	const struct htb_class_conf *c = conf;
	struct tc_htb_opt opt = {
		.buffer = ticks_from_ns(c->burst_ns),
		.cbuffer = ticks_from_ns(c->cburst_ns),
		.quantum = c->quantum,
		.level = c->level,
		.prio = c->prio,
	};
	size_t nest = nl_nest_start(msgs, TCA_OPTIONS);

	rate_put(&c->rate, &opt.rate);
	rate_put(&c->ceil, &opt.ceil);
	nl_put(msgs, TCA_HTB_PARMS, &opt, sizeof(opt));
	if (c->rate.Bps > UINT32_MAX)
		nl_put_u64(msgs, TCA_HTB_RATE64, c->rate.Bps);
	if (c->ceil.Bps > UINT32_MAX)
		nl_put_u64(msgs, TCA_HTB_CEIL64, c->ceil.Bps);
	nl_nest_end(msgs, nest);
}

/* Signed ticks in 32 bits: a class deep in debt shows the most that fits. */
static uint32_t
token_ticks(int64_t ns)
{
	int64_t ticks = ns / (1 << TICK_SHIFT);

	if (ticks > INT32_MAX)
		return INT32_MAX;
	return (uint32_t)(ticks < INT32_MIN ? INT32_MIN : (int32_t)ticks);
}

static void
htb_class_put_xstats(struct nl_msgs *msgs, uint16_t attr, const void *xstats)
{
	const struct htb_class_xstats *x = xstats;
	struct tc_htb_xstats wire = {
		.lends = x->lends,
		.borrows = x->borrows,
		.giants = x->giants,
		.tokens = token_ticks(x->tokens_ns),
		.ctokens = token_ticks(x->ctokens_ns),
	};

	nl_put(msgs, attr, &wire, sizeof(wire));
}

static void
htb_save(FILE *out, const void *conf)
{
	const struct htb_conf *c = conf;

	fprintf(out, " default %x r2q %u", c->defcls, c->rate2quantum);
	if (c->has_direct_qlen)
		fprintf(out, " direct_qlen %u", c->direct_qlen);
}

static void
htb_class_save(FILE *out, const void *conf)
{
	const struct htb_class_conf *c = conf;

	save_rate(out, "rate", &c->rate);
	save_rate(out, "ceil", &c->ceil);
	fprintf(out, " burst %" PRIu64 " cburst %" PRIu64, save_bucket_bytes(c->burst_ns, c->rate.Bps),
		save_bucket_bytes(c->cburst_ns, c->ceil.Bps));
	if (c->level == 0)
		fprintf(out, " prio %u quantum %u", c->prio, c->quantum);
	save_packet_size(out, &c->rate);
}

static const struct class_codec htb_class_codec = {
	.parse = htb_class_parse,
	.put = htb_class_put,
	.save = htb_class_save,
	.put_xstats = htb_class_put_xstats,
	.xstats_size = sizeof(struct htb_class_xstats),
	.top_is_root = true,
};
static const struct qdisc_codec htb_codec = {
	.kind = "htb",
	.parse = htb_parse,
	.put = htb_put,
	.save = htb_save,
	.classes = &htb_class_codec,
};
QDISC_CODEC_REGISTER(htb_codec)
