/* SPDX-License-Identifier: BSD-3-Clause */
/* tbf: nested TCA_TBF_*. The rate tables (RTAB, PTAB) are what old kernels looked up; the rates say it all. */
#include <inttypes.h>

#include <weir/qdisc/tbf.h>

#include "tc/qdisc_codec.h"
#include "tc/ticks.h"

static int
tbf_parse(const struct nlattr *options, void *conf, struct error *err)
{
	const struct nlattr *tb[TCA_TBF_MAX + 1];
	struct tbf_conf *c = conf;
	struct tc_tbf_qopt opt;
	int rc = nl_get_nest(options, tb, TCA_TBF_MAX, err);

	if (rc != 0)
		return rc;
	if (tb[TCA_TBF_PARMS] == NULL)
		return error_code(err, EINVAL);
	if ((rc = struct_parse(tb[TCA_TBF_PARMS], &opt, sizeof(opt), "tbf", err)) != 0)
		return rc;
	if ((rc = rate_parse(&opt.rate, tb[TCA_TBF_RATE64], &c->rate, err)) != 0)
		return rc;
	if ((rc = rate_parse(&opt.peakrate, tb[TCA_TBF_PRATE64], &c->peak, err)) != 0)
		return rc;
	c->limit_bytes = opt.limit;
	c->burst_ns = ns_from_ticks(opt.buffer);
	c->mtu_ns = ns_from_ticks(opt.mtu);
	if ((rc = nl_get_u32(tb[TCA_TBF_BURST], 0, &c->burst_bytes, "tbf burst", err)) != 0)
		return rc;
	return nl_get_u32(tb[TCA_TBF_PBURST], 0, &c->mtu_bytes, "tbf mtu", err);
}

/*
 * Linux holds the time of a byte as a binary fraction of 32 significant bits, rounded down. What is not a whole one
 * comes out short: the 56 ms of 1540 bytes at 220kbit are told as 55999999 ns, which tc shows as 1539b, and so do we.
 */
static uint64_t
shown_ns(uint64_t ns, uint64_t Bps)
{
	const uint64_t second = 1000000000;
	uint64_t bytes = (uint64_t)(((unsigned __int128)ns * Bps + second / 2) / second);
	unsigned int shift = 0;

	while (((unsigned __int128)second << (shift + 1)) / Bps <= UINT32_MAX)
		shift++;
	return (uint64_t)((unsigned __int128)bytes * (uint64_t)(((unsigned __int128)second << shift) / Bps) >> shift);
}

static void
tbf_put(struct nl_msgs *msgs, const void *conf)
{
	const struct tbf_conf *c = conf;
	struct tc_tbf_qopt opt = {
		.limit = c->limit_bytes,
		.buffer = ticks_from_ns(c->burst_bytes != 0 ? shown_ns(c->burst_ns, c->rate.Bps) : c->burst_ns),
		.mtu = ticks_from_ns(
			c->mtu_bytes != 0 && c->peak.Bps != 0 ? shown_ns(c->mtu_ns, c->peak.Bps) : c->mtu_ns),
	};
	size_t nest = nl_nest_start(msgs, TCA_OPTIONS);

	rate_put(&c->rate, &opt.rate);
	if (c->peak.Bps != 0)
		rate_put(&c->peak, &opt.peakrate);
	nl_put(msgs, TCA_TBF_PARMS, &opt, sizeof(opt));
	if (c->rate.Bps > UINT32_MAX)
		nl_put_u64(msgs, TCA_TBF_RATE64, c->rate.Bps);
	if (c->peak.Bps > UINT32_MAX)
		nl_put_u64(msgs, TCA_TBF_PRATE64, c->peak.Bps);
	nl_nest_end(msgs, nest);
}

static void
tbf_save(FILE *out, const void *conf)
{
	const struct tbf_conf *c = conf;

	save_rate(out, "rate", &c->rate);
	fprintf(out, " burst %" PRIu64 " limit %u",
		c->burst_bytes != 0 ? c->burst_bytes : save_bucket_bytes(c->burst_ns, c->rate.Bps), c->limit_bytes);
	if (c->peak.Bps != 0) {
		save_rate(out, "peakrate", &c->peak);
		fprintf(out, " mtu %" PRIu64,
			c->mtu_bytes != 0 ? c->mtu_bytes : save_bucket_bytes(c->mtu_ns, c->peak.Bps));
	}
	save_packet_size(out, &c->rate);
}

static const struct class_codec tbf_class_codec = { .silent = true };
static const struct qdisc_codec tbf_codec = {
	.kind = "tbf",
	.parse = tbf_parse,
	.put = tbf_put,
	.save = tbf_save,
	.classes = &tbf_class_codec,
};
QDISC_CODEC_REGISTER(tbf_codec)
