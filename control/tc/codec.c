/* SPDX-License-Identifier: BSD-3-Clause */
/* The registry of the disciplines' codecs and what several of them share. */
#include <stdlib.h>
#include <string.h>

#include "tc/qdisc_codec.h"

static const struct qdisc_codec *codecs[64];
static unsigned int codec_count;

void
qdisc_codec_register(const struct qdisc_codec *codec)
{
	if (codec_count == RTE_DIM(codecs) || qdisc_codec_find(codec->kind) != NULL)
		abort();
	codecs[codec_count++] = codec;
}

const struct qdisc_codec *
qdisc_codec_find(const char *kind)
{
	for (unsigned int i = 0; i < codec_count; i++)
		if (strcmp(codecs[i]->kind, kind) == 0)
			return codecs[i];
	return NULL;
}

int
struct_parse(const struct nlattr *attr, void *to, size_t size, const char *what, struct error *err)
{
	if (mnl_attr_get_payload_len(attr) < size)
		return error_set(err, EINVAL, "%s: %u bytes where at least %zu are needed", what,
			mnl_attr_get_payload_len(attr), size);
	memcpy(to, mnl_attr_get_payload(attr), size);
	return 0;
}

int
rate_parse(const struct tc_ratespec *spec, const struct nlattr *rate64, struct rate_conf *rate, struct error *err)
{
	int rc = nl_get_u64(rate64, spec->rate, &rate->Bps, "rate", err);

	rate->overhead = spec->overhead;
	rate->mpu = spec->mpu;
	/*
	 * Before tc told the link layer it was to be guessed from the rate table (tc-stab(8)); Ethernet is the only
	 * other one.
	 */
	rate->linklayer =
		spec->linklayer & TC_LINKLAYER_MASK ? spec->linklayer & TC_LINKLAYER_MASK : TC_LINKLAYER_ETHERNET;
	return rc;
}

void
rate_put(const struct rate_conf *rate, struct tc_ratespec *spec)
{
	*spec = (struct tc_ratespec){
		.linklayer = rate->linklayer,
		.overhead = rate->overhead,
		.cell_align = -1,
		.mpu = rate->mpu,
		.rate = rate->Bps > UINT32_MAX ? UINT32_MAX : (uint32_t)rate->Bps,
	};
}
