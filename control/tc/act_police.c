/* SPDX-License-Identifier: BSD-3-Clause */
/* The options of police, TCA_POLICE_*. The rate tables are what old kernels looked up; the rates say it all. */
#include <inttypes.h>

#include <weir/action/police.h>

#include "tc/codec.h"
#include "tc/qdisc_codec.h"
#include "tc/ticks.h"

/* What an mtu that was not given is: as much as the table of the rate could tell, or anything. */
static uint32_t
default_mtu(const struct tc_ratespec *rate)
{
	return rate->rate != 0 ? UINT32_C(255) << (rate->cell_log & 15) : UINT32_MAX;
}

static int
police_parse(const struct nlattr *options, void *to, uint32_t *index, bool *given, struct error *err)
{
	const struct nlattr *tb[TCA_POLICE_MAX + 1];
	struct police_conf *conf = to;
	struct tc_police parms;
	uint64_t packet_burst;
	uint32_t average;
	int rc = nl_get_nest(options, tb, TCA_POLICE_MAX, err);

	if (rc != 0)
		return rc;
	if (tb[TCA_POLICE_TBF] == NULL)
		return error_code(err, EINVAL);
	if ((rc = struct_parse(tb[TCA_POLICE_TBF], &parms, sizeof(parms), "police", err)) != 0 ||
		(rc = rate_parse(&parms.rate, tb[TCA_POLICE_RATE64], &conf->rate, err)) != 0 ||
		(rc = rate_parse(&parms.peakrate, tb[TCA_POLICE_PEAKRATE64], &conf->peak, err)) != 0 ||
		(rc = nl_get_u64(tb[TCA_POLICE_PKTRATE64], 0, &conf->packets_per_s, "pkts_rate", err)) != 0 ||
		(rc = nl_get_u64(tb[TCA_POLICE_PKTBURST64], 0, &packet_burst, "pkts_burst", err)) != 0 ||
		(rc = nl_get_u32(tb[TCA_POLICE_AVRATE], 0, &average, "avrate", err)) != 0 ||
		(rc = nl_get_u32(tb[TCA_POLICE_RESULT], TC_ACT_OK, (uint32_t *)&conf->conform, "result", err)) != 0)
		return rc;
	conf->average_Bps = average;
	conf->has_average_rate = tb[TCA_POLICE_AVRATE] != NULL;
	conf->exceed = parms.action;
	conf->burst_ns = ns_from_ticks(parms.burst);
	conf->packet_burst_ns = packet_burst << TICK_SHIFT;
	conf->mtu = parms.mtu != 0 ? parms.mtu : default_mtu(&parms.rate);
	*index = parms.index;
	*given = true;
	return 0;
}

static void
police_put(struct nl_msgs *msgs, const struct action *action)
{
	struct police_conf conf;

	action_ops_of(action)->get_conf(action, &conf);
	struct tc_police parms = {
		.index = action_index(action),
		.action = conf.exceed,
		.burst = ticks_from_ns(conf.burst_ns),
		.mtu = conf.mtu,
		.refcnt = (int)action_refs(action),
		.bindcnt = (int)action_binds(action),
	};

	if (conf.rate.Bps != 0)
		rate_put(&conf.rate, &parms.rate);
	if (conf.peak.Bps != 0)
		rate_put(&conf.peak, &parms.peakrate);
	nl_put(msgs, TCA_POLICE_TBF, &parms, sizeof(parms));
	if (conf.rate.Bps > UINT32_MAX)
		nl_put_u64(msgs, TCA_POLICE_RATE64, conf.rate.Bps);
	if (conf.peak.Bps > UINT32_MAX)
		nl_put_u64(msgs, TCA_POLICE_PEAKRATE64, conf.peak.Bps);
	if (conf.packets_per_s != 0) {
		nl_put_u64(msgs, TCA_POLICE_PKTRATE64, conf.packets_per_s);
		nl_put_u64(msgs, TCA_POLICE_PKTBURST64, conf.packet_burst_ns >> TICK_SHIFT);
	}
	if (conf.average_Bps != 0)
		nl_put_u32(msgs, TCA_POLICE_AVRATE, (uint32_t)conf.average_Bps);
	if (conf.conform != TC_ACT_OK)
		nl_put_u32(msgs, TCA_POLICE_RESULT, (uint32_t)conf.conform);
}

static void
police_save(const struct save *save, const void *conf)
{
	FILE *out = save->out;
	const struct police_conf *c = conf;

	if (c->rate.Bps != 0) {
		save_rate(out, "rate", &c->rate);
		fprintf(out, " burst %" PRIu64, save_bucket_bytes(c->burst_ns, c->rate.Bps));
		save_packet_size(out, &c->rate);
	}
	if (c->packets_per_s != 0)
		fprintf(out, " pkts_rate %" PRIu64 " pkts_burst %" PRIu64, c->packets_per_s,
			save_bucket_bytes(c->packet_burst_ns, c->packets_per_s));
	if (c->mtu != UINT32_MAX)
		fprintf(out, " mtu %u", c->mtu);
	if (c->peak.Bps != 0)
		save_rate(out, "peakrate", &c->peak);
	if (c->average_Bps != 0)
		save_rate(out, "avrate", &(struct rate_conf){ .Bps = c->average_Bps });
	fprintf(out, " conform-exceed %s/%s", verdict_word(c->exceed), verdict_word(c->conform));
}

static const struct action_codec police_codec = {
	.kind = "police",
	.conf_size = sizeof(struct police_conf),
	.parse = police_parse,
	.put = police_put,
	.save = police_save,
	.times_attr = TCA_POLICE_TM,
};
ACTION_CODEC_REGISTER(police_codec)
