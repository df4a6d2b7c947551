/* SPDX-License-Identifier: BSD-3-Clause */
/* The registry of the disciplines' codecs and what several of them share. */
#include <inttypes.h>
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

void
save_rate(FILE *out, const char *word, const struct rate_conf *rate)
{
	fprintf(out, " %s %" PRIu64 "bps", word, rate->Bps); /* tc's bps is bytes per second */
}

void
save_packet_size(FILE *out, const struct rate_conf *rate)
{
	if (rate->overhead != 0)
		fprintf(out, " overhead %d", (int16_t)rate->overhead);
	if (rate->mpu != 0)
		fprintf(out, " mpu %u", rate->mpu);
	if (rate->linklayer == TC_LINKLAYER_ATM)
		fputs(" linklayer atm", out);
}

uint64_t
save_bucket_bytes(uint64_t ns, uint64_t Bps)
{
	const uint64_t second = 1000000000;

	return (uint64_t)(((unsigned __int128)ns * Bps + second - 1) / second);
}
