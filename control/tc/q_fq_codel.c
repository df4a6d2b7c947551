/* SPDX-License-Identifier: BSD-3-Clause */
/* fq_codel: nested TCA_FQ_CODEL_*. */
#include <weir/qdisc/fq_codel.h>

#include "tc/q_codel.h"

static int
parse_times(const struct nlattr **tb, struct fq_codel_conf *c, struct error *err)
{
	int rc = codel_get_time(
		tb[TCA_FQ_CODEL_TARGET], CODEL_TARGET, &c->given, &c->times.target_ns, "fq_codel target", err);

	if (rc == 0)
		rc = codel_get_time(tb[TCA_FQ_CODEL_INTERVAL], CODEL_INTERVAL, &c->given, &c->times.interval_ns,
			"fq_codel interval", err);
	if (rc == 0)
		rc = codel_get_time(tb[TCA_FQ_CODEL_CE_THRESHOLD], CODEL_CE_THRESHOLD, &c->given,
			&c->times.ce_threshold_ns, "fq_codel ce_threshold", err);
	return rc;
}

static int
parse_selector(const struct nlattr **tb, struct fq_codel_conf *c, struct error *err)
{
	const struct nlattr *selector = tb[TCA_FQ_CODEL_CE_THRESHOLD_SELECTOR],
			    *mask = tb[TCA_FQ_CODEL_CE_THRESHOLD_MASK];
	int rc = nl_get_u8(selector, 0, &c->ce_selector, "fq_codel ce_threshold_selector", err);

	if (rc == 0)
		rc = nl_get_u8(mask, 0, &c->ce_mask, "fq_codel ce_threshold_mask", err);
	if (rc == 0 && (selector != NULL || mask != NULL))
		c->given |= FQ_CODEL_CE_SELECTOR;
	return rc;
}

static int
fq_codel_parse(const struct nlattr *options, void *conf, struct error *err)
{
	const struct nlattr *tb[TCA_FQ_CODEL_MAX + 1];
	struct fq_codel_conf *c = conf;
	uint32_t ecn = 0;
	const struct {
		uint16_t attr;
		uint32_t flag;
		uint32_t *value;
		const char *what;
	} numbers[] = {
		{ TCA_FQ_CODEL_LIMIT, CODEL_LIMIT, &c->limit, "fq_codel limit" },
		{ TCA_FQ_CODEL_ECN, CODEL_ECN, &ecn, "fq_codel ecn" },
		{ TCA_FQ_CODEL_FLOWS, FQ_CODEL_FLOWS, &c->flows, "fq_codel flows" },
		{ TCA_FQ_CODEL_QUANTUM, FQ_CODEL_QUANTUM, &c->quantum, "fq_codel quantum" },
		{ TCA_FQ_CODEL_DROP_BATCH_SIZE, FQ_CODEL_DROP_BATCH, &c->drop_batch, "fq_codel drop_batch" },
		{ TCA_FQ_CODEL_MEMORY_LIMIT, FQ_CODEL_MEMORY_LIMIT, &c->memory_limit, "fq_codel memory_limit" },
	};
	int rc = nl_get_nest(options, tb, TCA_FQ_CODEL_MAX, err);

	for (unsigned int i = 0; rc == 0 && i < RTE_DIM(numbers); i++)
		rc = codel_get_number(
			tb[numbers[i].attr], numbers[i].flag, &c->given, numbers[i].value, numbers[i].what, err);
	if (rc == 0)
		rc = parse_times(tb, c, err);
	if (rc == 0)
		rc = parse_selector(tb, c, err);
	c->times.ecn = ecn != 0;
	return rc;
}

static void
fq_codel_put(struct nl_msgs *msgs, const void *conf)
{
	const struct fq_codel_conf *c = conf;
	size_t nest = nl_nest_start(msgs, TCA_OPTIONS);

	nl_put_u32(msgs, TCA_FQ_CODEL_TARGET, codel_us(c->times.target_ns));
	nl_put_u32(msgs, TCA_FQ_CODEL_LIMIT, c->limit);
	nl_put_u32(msgs, TCA_FQ_CODEL_INTERVAL, codel_us(c->times.interval_ns));
	nl_put_u32(msgs, TCA_FQ_CODEL_ECN, c->times.ecn);
	nl_put_u32(msgs, TCA_FQ_CODEL_QUANTUM, c->quantum);
	nl_put_u32(msgs, TCA_FQ_CODEL_DROP_BATCH_SIZE, c->drop_batch);
	nl_put_u32(msgs, TCA_FQ_CODEL_MEMORY_LIMIT, c->memory_limit);
	nl_put_u32(msgs, TCA_FQ_CODEL_FLOWS, c->flows);
	if ((c->given & CODEL_CE_THRESHOLD) != 0) {
		nl_put_u32(msgs, TCA_FQ_CODEL_CE_THRESHOLD, codel_us(c->times.ce_threshold_ns));
		nl_put_u8(msgs, TCA_FQ_CODEL_CE_THRESHOLD_SELECTOR, c->ce_selector);
		nl_put_u8(msgs, TCA_FQ_CODEL_CE_THRESHOLD_MASK, c->ce_mask);
	}
	nl_nest_end(msgs, nest);
}

static void
fq_codel_save(FILE *out, const void *conf)
{
	const struct fq_codel_conf *c = conf;

	fprintf(out, " limit %u flows %u quantum %u memory_limit %u drop_batch %u", c->limit, c->flows, c->quantum,
		c->memory_limit, c->drop_batch);
	codel_save_times(out, &c->times, c->given);
	if (c->ce_mask != 0)
		fprintf(out, " ce_threshold_selector %#x/%#x", c->ce_selector, c->ce_mask);
}

static void
fq_codel_put_xstats(struct nl_msgs *msgs, uint16_t attr, const void *xstats)
{
	const struct fq_codel_xstats *x = xstats;
	struct tc_fq_codel_xstats wire = {
		.type = TCA_FQ_CODEL_XSTATS_QDISC,
		.qdisc_stats = {
			.maxpacket = x->largest_bytes,
			.drop_overlimit = x->limit_drops,
			.ecn_mark = x->ecn_marks,
			.new_flow_count = x->new_flows,
			.new_flows_len = x->new_flows_length,
			.old_flows_len = x->old_flows_length,
			.ce_mark = x->ce_marks,
			.memory_usage = x->memory_bytes,
			.drop_overmemory = x->memory_drops,
		},
	};

	nl_put(msgs, attr, &wire, sizeof(wire));
}

static void
fq_codel_class_put_xstats(struct nl_msgs *msgs, uint16_t attr, const void *xstats)
{
	const struct fq_codel_class_xstats *x = xstats;
	struct tc_fq_codel_xstats wire = {
		.type = TCA_FQ_CODEL_XSTATS_CLASS,
		.class_stats = {
			.deficit = x->deficit,
			.ldelay = codel_us(x->queue.delay_ns),
			.count = x->queue.count,
			.lastcount = x->queue.last_count,
			.dropping = x->queue.dropping,
			.drop_next = codel_drop_next_us(&x->queue),
		},
	};

	nl_put(msgs, attr, &wire, sizeof(wire));
}

static const struct class_codec fq_codel_class_codec = {
	.put_xstats = fq_codel_class_put_xstats,
	.xstats_size = sizeof(struct fq_codel_class_xstats),
	.queue_only = true,
};
static const struct qdisc_codec fq_codel_codec = {
	.kind = "fq_codel",
	.parse = fq_codel_parse,
	.put = fq_codel_put,
	.save = fq_codel_save,
	.put_xstats = fq_codel_put_xstats,
	.xstats_size = sizeof(struct fq_codel_xstats),
	.classes = &fq_codel_class_codec,
};
QDISC_CODEC_REGISTER(fq_codel_codec)
