/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hfsc: struct tc_hfsc_qopt for the qdisc, nested TCA_HFSC_* of struct tc_service_curve for a class: bytes per second
 * in 32 bits (34 gbit at most: tc refuses more) and microseconds.
 */
#include <inttypes.h>
#include <string.h>

#include <weir/qdisc/hfsc.h>

#include "tc/qdisc_codec.h"

#define NS_PER_US 1000

static int
hfsc_parse(const struct nlattr *options, void *conf, struct error *err)
{
	struct hfsc_conf *c = conf;
	struct tc_hfsc_qopt opt;
	int rc = struct_parse(options, &opt, sizeof(opt), "hfsc", err);

	if (rc == 0)
		c->defcls = opt.defcls;
	return rc;
}

static void
hfsc_put(struct nl_msgs *msgs, const void *conf)
{
	const struct hfsc_conf *c = conf;
	struct tc_hfsc_qopt opt = { .defcls = c->defcls };

	nl_put(msgs, TCA_OPTIONS, &opt, sizeof(opt));
}

static void
hfsc_save(FILE *out, const void *conf)
{
	const struct hfsc_conf *c = conf;

	if (c->defcls != 0)
		fprintf(out, " default %x", c->defcls);
}

static int
curve_parse(const struct nlattr *attr, struct hfsc_curve_conf *curve, const char *what, struct error *err)
{
	struct tc_service_curve wire;
	int rc = attr == NULL ? 0 : struct_parse(attr, &wire, sizeof(wire), what, err);

	if (attr != NULL && rc == 0)
		*curve = (struct hfsc_curve_conf){
			.m1_Bps = wire.m1, .d_ns = (uint64_t)wire.d * NS_PER_US, .m2_Bps = wire.m2
		};
	return rc;
}

static int
hfsc_class_parse(const struct nlattr *options, void *conf, struct error *err)
{
	const struct nlattr *tb[TCA_HFSC_MAX + 1];
	struct hfsc_class_conf *c = conf;
	int rc;

	if (options == NULL)
		return error_code(err, EINVAL);
	if ((rc = nl_get_nest(options, tb, TCA_HFSC_MAX, err)) != 0)
		return rc;
	if ((rc = curve_parse(tb[TCA_HFSC_RSC], &c->real_time, "hfsc rt", err)) != 0)
		return rc;
	if ((rc = curve_parse(tb[TCA_HFSC_FSC], &c->link_share, "hfsc ls", err)) != 0)
		return rc;
	return curve_parse(tb[TCA_HFSC_USC], &c->upper_limit, "hfsc ul", err);
}

static uint32_t
wire_rate(uint64_t Bps)
{
	return Bps > UINT32_MAX ? UINT32_MAX : (uint32_t)Bps;
}

static void
curve_put(struct nl_msgs *msgs, uint16_t attr, const struct hfsc_curve_conf *curve)
{
	struct tc_service_curve wire = {
		.m1 = wire_rate(curve->m1_Bps), .d = (uint32_t)(curve->d_ns / NS_PER_US), .m2 = wire_rate(curve->m2_Bps)
	};

	if (curve->m1_Bps != 0 || curve->m2_Bps != 0)
		nl_put(msgs, attr, &wire, sizeof(wire));
}

static void
hfsc_class_put(struct nl_msgs *msgs, const void *conf)
{
	const struct hfsc_class_conf *c = conf;
	size_t nest = nl_nest_start(msgs, TCA_OPTIONS);

	curve_put(msgs, TCA_HFSC_RSC, &c->real_time);
	curve_put(msgs, TCA_HFSC_FSC, &c->link_share);
	curve_put(msgs, TCA_HFSC_USC, &c->upper_limit);
	nl_nest_end(msgs, nest);
}

static void
hfsc_class_put_xstats(struct nl_msgs *msgs, uint16_t attr, const void *xstats)
{
	const struct hfsc_class_xstats *x = xstats;
	struct tc_hfsc_stats wire = {
		.work = x->work, .rtwork = x->real_time_work, .period = x->period, .level = x->level
	};

	nl_put(msgs, attr, &wire, sizeof(wire));
}

static void
save_curve(FILE *out, const char *word, const struct hfsc_curve_conf *curve)
{
	if (curve->m1_Bps == 0 && curve->m2_Bps == 0)
		return;
	fprintf(out, " %s", word);
	if (curve->m1_Bps != 0 || curve->d_ns != 0)
		fprintf(out, " m1 %" PRIu64 "bps d %" PRIu64 "us", curve->m1_Bps, curve->d_ns / NS_PER_US);
	fprintf(out, " m2 %" PRIu64 "bps", curve->m2_Bps);
}

static void
hfsc_class_save(FILE *out, const void *conf)
{
	const struct hfsc_class_conf *c = conf;

	if (memcmp(&c->real_time, &c->link_share, sizeof(c->real_time)) == 0) {
		save_curve(out, "sc", &c->real_time);
	} else {
		save_curve(out, "rt", &c->real_time);
		save_curve(out, "ls", &c->link_share);
	}
	save_curve(out, "ul", &c->upper_limit);
}

static const struct class_codec hfsc_class_codec = {
	.parse = hfsc_class_parse,
	.put = hfsc_class_put,
	.save = hfsc_class_save,
	.put_xstats = hfsc_class_put_xstats,
	.xstats_size = sizeof(struct hfsc_class_xstats),
};
static const struct qdisc_codec hfsc_codec = {
	.kind = "hfsc",
	.parse = hfsc_parse,
	.put = hfsc_put,
	.save = hfsc_save,
	.classes = &hfsc_class_codec,
};
QDISC_CODEC_REGISTER(hfsc_codec)
