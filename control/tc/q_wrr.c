/* SPDX-License-Identifier: BSD-3-Clause */
/* wrr: nested TCA_WRR_*, whose one other end is ../shim/tc/wrr.c: what is on the wire is the config itself. */
#include <weir/qdisc/wrr.h>

#include "tc/qdisc_codec.h"

static int
parse_one(const struct nlattr *options, uint16_t type, void *conf, size_t size, struct error *err)
{
	const struct nlattr *tb[TCA_WRR_LAST + 1];
	int rc = nl_get_nest(options, tb, TCA_WRR_LAST, err);

	if (rc != 0 || tb[type] == NULL)
		return rc;
	return struct_parse(tb[type], conf, size, "wrr", err);
}

static int
wrr_parse(const struct nlattr *options, void *conf, struct error *err)
{
	return parse_one(options, TCA_WRR_CONF, conf, sizeof(struct wrr_conf), err);
}

static int
wrr_class_parse(const struct nlattr *options, void *conf, struct error *err)
{
	return options == NULL ? 0 : parse_one(options, TCA_WRR_CLASS, conf, sizeof(struct wrr_class_conf), err);
}

static void
put_one(struct nl_msgs *msgs, uint16_t type, const void *conf, size_t size)
{
	size_t nest = nl_nest_start(msgs, TCA_OPTIONS);

	nl_put(msgs, type, conf, size);
	nl_nest_end(msgs, nest);
}

static void
wrr_put(struct nl_msgs *msgs, const void *conf)
{
	put_one(msgs, TCA_WRR_CONF, conf, sizeof(struct wrr_conf));
}

static void
wrr_class_put(struct nl_msgs *msgs, const void *conf)
{
	put_one(msgs, TCA_WRR_CLASS, conf, sizeof(struct wrr_class_conf));
}

/* Hosts come and go: their classes are not saved. */
static void
wrr_save(FILE *out, const void *conf)
{
	static const char *const keys[] = { [WRR_IP] = "ip", [WRR_MAC] = "mac", [WRR_MASQ] = "masq" };
	const struct wrr_conf *c = conf;

	fprintf(out, " %s %s classes %u quantum %u wmode1 %u wmode2 %u", c->direction == WRR_SOURCE ? "sour" : "dest",
		keys[c->key], c->classes, c->quantum, c->modes[0], c->modes[1]);
	for (unsigned int i = 0; i < WRR_WEIGHTS; i++) {
		const struct wrr_weight *weight = &c->weights[i];
		const double one = (double)WRR_ONE;

		fprintf(out,
			" weight%u %.17g weight%u.min %.17g weight%u.max %.17g weight%u.decr %.17g weight%u.incr %.17g",
			i + 1, (double)weight->value / one, i + 1, (double)weight->min / one, i + 1,
			(double)weight->max / one, i + 1, (double)weight->decr / one, i + 1,
			(double)weight->incr / one);
	}
}

static const struct class_codec wrr_class_codec = {
	.parse = wrr_class_parse,
	.put = wrr_class_put,
};
static const struct qdisc_codec wrr_codec = {
	.kind = "wrr",
	.parse = wrr_parse,
	.put = wrr_put,
	.save = wrr_save,
	.classes = &wrr_class_codec,
};
QDISC_CODEC_REGISTER(wrr_codec)
