/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gred: nested TCA_GRED_*. What holds for all (TCA_GRED_DPS, TCA_GRED_LIMIT) and a virtual queue (TCA_GRED_PARMS,
 * _STAB, _MAX_P, and its flags in TCA_GRED_VQ_LIST) come in messages of their own. A dump has all of them, in arrays of
 * 16, and the counters both in the arrays and, with more of them, in TCA_GRED_VQ_LIST.
 */
#include <weir/qdisc/gred.h>

#include "tc/qdisc_codec.h"
#include "tc/red_options.h"

static int
parse_setup(const struct nlattr *const *tb, struct gred_conf *c, struct error *err)
{
	struct tc_gred_sopt opt;
	int rc = struct_parse(tb[TCA_GRED_DPS], &opt, sizeof(opt), "gred", err);

	if (rc != 0)
		return rc;
	c->setup = true;
	c->queues_count = opt.DPs;
	c->default_queue = opt.def_DP;
	c->grio = opt.grio != 0;
	c->flags = opt.flags;
	c->has_limit = tb[TCA_GRED_LIMIT] != NULL;
	return nl_get_u32(tb[TCA_GRED_LIMIT], 0, &c->limit_bytes, "gred limit", err);
}

/* The flags of queue c->queue, if its entry is in the list. */
static int
parse_flags(const struct nlattr *list, struct gred_conf *c, struct error *err)
{
	for (const struct nlattr *entry = NULL; (entry = nl_next_in(list, entry)) != NULL;) {
		const struct nlattr *tb[TCA_GRED_VQ_MAX + 1];
		uint32_t queue, flags;
		int rc = nl_get_nest(entry, tb, TCA_GRED_VQ_MAX, err);

		if (rc != 0)
			return rc;
		if (tb[TCA_GRED_VQ_DP] == NULL)
			return error_set(err, EINVAL, "sch_gred: virtual queue with no index specified");
		if ((rc = nl_get_u32(tb[TCA_GRED_VQ_DP], 0, &queue, "gred virtual queue", err)) != 0 ||
			(rc = nl_get_u32(tb[TCA_GRED_VQ_FLAGS], 0, &flags, "gred flags", err)) != 0)
			return rc;
		if (queue != c->queue || tb[TCA_GRED_VQ_FLAGS] == NULL)
			continue;
		c->queues[0].has_flags = true;
		c->queues[0].flags = flags > UINT8_MAX ? UINT8_MAX : (uint8_t)flags; /* refused as unknown */
	}
	return 0;
}

static int
parse_queue(const struct nlattr *const *tb, struct gred_conf *c, struct error *err)
{
	struct gred_queue_conf *queue = &c->queues[0];
	struct tc_gred_qopt opt;
	int rc;

	if (tb[TCA_GRED_PARMS] == NULL || tb[TCA_GRED_STAB] == NULL)
		return error_code(err, EINVAL);
	if ((rc = struct_parse(tb[TCA_GRED_PARMS], &opt, sizeof(opt), "gred", err)) != 0)
		return rc;
	c->queue = opt.DP;
	queue->limit_bytes = opt.limit;
	queue->prio = opt.prio;
	queue->params = (struct red_params){
		.min_bytes = opt.qth_min, .max_bytes = opt.qth_max, .weight_log = opt.Wlog, .scell_log = opt.Scell_log
	};
	if ((rc = red_stab_parse(tb[TCA_GRED_STAB], &queue->params, err)) != 0 ||
		(rc = nl_get_u32(tb[TCA_GRED_MAX_P], 0, &queue->params.max_p, "gred probability", err)) != 0)
		return rc;
	if (queue->params.max_p == 0)
		queue->params.max_p = red_max_p_from_plog(&queue->params, opt.Plog);
	return tb[TCA_GRED_VQ_LIST] == NULL ? 0 : parse_flags(tb[TCA_GRED_VQ_LIST], c, err);
}

static int
gred_parse(const struct nlattr *options, void *conf, struct error *err)
{
	const struct nlattr *tb[TCA_GRED_MAX + 1];
	int rc = nl_get_nest(options, tb, TCA_GRED_MAX, err);

	if (rc != 0)
		return rc;
	if (tb[TCA_GRED_PARMS] == NULL && tb[TCA_GRED_STAB] == NULL && tb[TCA_GRED_DPS] != NULL)
		return parse_setup(tb, conf, err);
	return parse_queue(tb, conf, err);
}

static void
put_queue(struct nl_msgs *msgs, unsigned int i, const struct gred_queue_conf *queue)
{
	const struct gred_queue_stats *stats = &queue->stats;
	size_t nest = nl_nest_start(msgs, TCA_GRED_VQ_ENTRY);

	nl_put_u32(msgs, TCA_GRED_VQ_DP, i);
	nl_put_u64(msgs, TCA_GRED_VQ_STAT_BYTES, stats->bytes);
	nl_put_u32(msgs, TCA_GRED_VQ_STAT_PACKETS, stats->packets);
	nl_put_u32(msgs, TCA_GRED_VQ_STAT_BACKLOG, stats->backlog);
	nl_put_u32(msgs, TCA_GRED_VQ_STAT_PROB_DROP, stats->prob_drop);
	nl_put_u32(msgs, TCA_GRED_VQ_STAT_PROB_MARK, stats->prob_mark);
	nl_put_u32(msgs, TCA_GRED_VQ_STAT_FORCED_DROP, stats->forced_drop);
	nl_put_u32(msgs, TCA_GRED_VQ_STAT_FORCED_MARK, stats->forced_mark);
	nl_put_u32(msgs, TCA_GRED_VQ_STAT_PDROP, stats->limit_drop);
	nl_put_u32(msgs, TCA_GRED_VQ_STAT_OTHER, 0);
	nl_put_u32(msgs, TCA_GRED_VQ_FLAGS, queue->flags);
	nl_nest_end(msgs, nest);
}

static struct tc_gred_qopt
old_form(unsigned int i, const struct gred_queue_conf *queue)
{
	if (!queue->configured)
		return (struct tc_gred_qopt){ .DP = GRED_QUEUES_MAX + i }; /* says that there is none */
	return (struct tc_gred_qopt){
		.limit = queue->limit_bytes,
		.qth_min = queue->params.min_bytes,
		.qth_max = queue->params.max_bytes,
		.DP = i,
		.backlog = queue->stats.backlog,
		.qave = queue->stats.average,
		.forced = queue->stats.forced_drop + queue->stats.forced_mark,
		.early = queue->stats.prob_drop + queue->stats.prob_mark,
		.pdrop = queue->stats.limit_drop,
		.Wlog = queue->params.weight_log,
		.Scell_log = queue->params.scell_log,
		.prio = queue->prio,
		.packets = queue->stats.packets,
		.bytesin = (uint32_t)queue->stats.bytes,
	};
}

static void
gred_put(struct nl_msgs *msgs, const void *conf)
{
	const struct gred_conf *c = conf;
	struct tc_gred_sopt opt = {
		.DPs = c->queues_count, .def_DP = c->default_queue, .grio = c->grio, .flags = c->flags
	};
	struct tc_gred_qopt old_forms[GRED_QUEUES_MAX];
	uint32_t max_p[GRED_QUEUES_MAX];
	size_t nest = nl_nest_start(msgs, TCA_OPTIONS), list;

	for (unsigned int i = 0; i < GRED_QUEUES_MAX; i++) {
		max_p[i] = c->queues[i].configured ? c->queues[i].params.max_p : 0;
		old_forms[i] = old_form(i, &c->queues[i]);
	}
	nl_put(msgs, TCA_GRED_DPS, &opt, sizeof(opt));
	nl_put(msgs, TCA_GRED_MAX_P, max_p, sizeof(max_p));
	nl_put_u32(msgs, TCA_GRED_LIMIT, c->limit_bytes);
	nl_put(msgs, TCA_GRED_PARMS, old_forms, sizeof(old_forms));
	list = nl_nest_start(msgs, TCA_GRED_VQ_LIST);
	for (unsigned int i = 0; i < GRED_QUEUES_MAX; i++)
		if (c->queues[i].configured)
			put_queue(msgs, i, &c->queues[i]);
	nl_nest_end(msgs, list);
	nl_nest_end(msgs, nest);
}

static void
save_flags(FILE *out, uint8_t flags)
{
	fprintf(out, "%s%s", flags & TC_RED_ECN ? " ecn" : "", flags & TC_RED_HARDDROP ? " harddrop" : "");
}

static void
save_setup(FILE *out, const struct gred_conf *c, uint32_t limit)
{
	fprintf(out, " setup DPs %u default %u%s limit %u", c->queues_count, c->default_queue, c->grio ? " grio" : "",
		limit);
	save_flags(out, c->flags);
}

/* A limit below that of a virtual queue came later, or it would have bounded that. */
static uint32_t
first_limit(const struct gred_conf *c)
{
	uint32_t limit = c->limit_bytes;

	for (unsigned int i = 0; i < GRED_QUEUES_MAX; i++)
		if (c->queues[i].configured && c->queues[i].limit_bytes > limit)
			limit = c->queues[i].limit_bytes;
	return limit;
}

static void
gred_save(FILE *out, const void *conf)
{
	save_setup(out, conf, first_limit(conf));
}

static void
gred_save_more(FILE *out, const char *change, const void *conf)
{
	const struct gred_conf *c = conf;

	/* The default one first: it gives its prio to those that are given none. */
	for (unsigned int k = 0; k < c->queues_count; k++) {
		unsigned int i = (c->default_queue + k) % c->queues_count;
		const struct gred_queue_conf *queue = &c->queues[i];

		if (!queue->configured)
			continue;
		fprintf(out, "%s DP %u limit %u", change, i, queue->limit_bytes);
		red_save_params(out, &queue->params);
		if (c->grio)
			fprintf(out, " prio %u", queue->prio);
		save_flags(out, queue->flags);
		putc('\n', out);
	}
	if (first_limit(c) == c->limit_bytes)
		return;
	fputs(change, out);
	save_setup(out, c, c->limit_bytes);
	putc('\n', out);
}

static const struct qdisc_codec gred_codec = {
	.kind = "gred", .parse = gred_parse, .put = gred_put, .save = gred_save, .save_more = gred_save_more
};
QDISC_CODEC_REGISTER(gred_codec)
