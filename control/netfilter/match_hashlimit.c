/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hashlimit, in the three revisions that Linux 6.1 has: 1 counts in ten-thousandths of a second, 2 in millionths, 3 has
 * rates over an interval, too. What the numbers mean was found by asking Linux 6.1.
 */
#include <string.h>

#include <rte_common.h>

#include <linux/netfilter/xt_hashlimit.h>

#include <weir/netfilter/matches.h>

#include "netfilter/codec.h"

#define SECOND_NS UINT64_C(1000000000)
#define FIELDS    (XT_HASHLIMIT_HASH_DIP | XT_HASHLIMIT_HASH_DPT | XT_HASHLIMIT_HASH_SIP | XT_HASHLIMIT_HASH_SPT)
#define MODES_1   (FIELDS | XT_HASHLIMIT_INVERT | XT_HASHLIMIT_BYTES)
#define MODES_3   (MODES_1 | XT_HASHLIMIT_RATE_MATCH)

#define BUCKETS        8192 /* Linux's on a machine of a GB or more */
#define BURST_MAX      (1u << 24) /* iptables takes 1,000,000 */
#define BUCKET_ENTRIES 8 /* entries for each, where no more is said */

_Static_assert((int)NETFILTER_HASHLIMIT_DST == XT_HASHLIMIT_HASH_DIP &&
		       (int)NETFILTER_HASHLIMIT_DPORT == XT_HASHLIMIT_HASH_DPT &&
		       (int)NETFILTER_HASHLIMIT_SRC == XT_HASHLIMIT_HASH_SIP &&
		       (int)NETFILTER_HASHLIMIT_SPORT == XT_HASHLIMIT_HASH_SPT,
	"the same bits");

/* It is a file's, too. */
static int
decode_name(const char *name, size_t size, char *to, struct error *err)
{
	size_t length = strnlen(name, size);

	if (length == size)
		return error_set(err, ENAMETOOLONG, "match hashlimit: the name does not end within %zu bytes", size);
	if (length == 0 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strchr(name, '/') != NULL)
		return error_set(
			err, EINVAL, "match hashlimit: '%.40s' cannot name a table: give a name without slashes", name);
	memcpy(to, name, length + 1);
	return 0;
}

static uint64_t
units_per_second(uint64_t average)
{
	return XT_HASHLIMIT_SCALE_v2 / average;
}

/* A rate in bytes is written as what 16 of them cost, where 2^32 come in a second. */
static uint64_t
bytes_per_second(uint64_t cost)
{
	uint64_t chunks = UINT32_MAX / cost;

	return (chunks - 1) << XT_HASHLIMIT_BYTE_SHIFT;
}

static void
decode_rate(const struct hashlimit_cfg3 *cfg, struct netfilter_hashlimit_conf *c)
{
	c->kind = NETFILTER_HASHLIMIT_RATE;
	c->counts_bytes = (cfg->mode & XT_HASHLIMIT_BYTES) != 0;
	c->interval_ns = cfg->interval * SECOND_NS;
	if (c->counts_bytes) {
		c->rate = bytes_per_second(cfg->avg);
		c->allowance = RTE_MAX(cfg->burst, 1u) * c->rate;
	} else {
		c->rate = units_per_second(cfg->avg);
		c->allowance = cfg->burst + c->rate;
	}
}

static int
decode_limit(const struct hashlimit_cfg3 *cfg, uint64_t scale, struct netfilter_hashlimit_conf *c, struct error *err)
{
	bool bytes = (cfg->mode & XT_HASHLIMIT_BYTES) != 0;

	if (cfg->avg == 0 || (bytes && cfg->avg > UINT32_MAX) || cfg->burst > BURST_MAX)
		return error_set(err, EINVAL,
			"match hashlimit: a cost of %llu and a burst of %llu; give a cost from 1 to %u, a burst to %u",
			(unsigned long long)cfg->avg, (unsigned long long)cfg->burst, UINT32_MAX, BURST_MAX);
	if ((cfg->mode & XT_HASHLIMIT_RATE_MATCH) != 0) {
		decode_rate(cfg, c);
		return 0;
	}
	c->burst = cfg->burst;
	if (bytes) {
		c->kind = NETFILTER_HASHLIMIT_BYTES;
		c->chunk_cost = (uint32_t)cfg->avg;
		return 0;
	}
	c->kind = NETFILTER_HASHLIMIT_PACKETS;
	if (__builtin_mul_overflow(cfg->avg, SECOND_NS / scale, &c->interval_ns))
		return error_set(err, ERANGE, "match hashlimit: a packet in %llu s is too rare",
			(unsigned long long)(cfg->avg / scale));
	return 0;
}

static int
decode(const struct hashlimit_cfg3 *cfg, uint32_t modes, uint64_t scale, struct netfilter_hashlimit_conf *c,
	struct error *err)
{
	uint32_t buckets = cfg->size != 0 ? cfg->size : BUCKETS;

	if ((cfg->mode & ~modes) != 0)
		return error_set(err, EINVAL, "match hashlimit: unknown modes 0x%x", cfg->mode & ~modes);
	if (cfg->srcmask > 32 || cfg->dstmask > 32)
		return error_set(err, EINVAL, "match hashlimit: masks of %u and %u bits; an address has 32",
			cfg->srcmask, cfg->dstmask);
	if (cfg->expire == 0 || cfg->gc_interval == 0)
		return error_set(err, EINVAL,
			"match hashlimit: htable-expire and htable-gcinterval are milliseconds, 1 at least");
	c->fields = cfg->mode & FIELDS;
	c->above = (cfg->mode & XT_HASHLIMIT_INVERT) != 0;
	c->src_prefix = cfg->srcmask;
	c->dst_prefix = cfg->dstmask;
	c->expire_ms = cfg->expire;
	c->collect_ms = cfg->gc_interval;
	c->entries = cfg->max;
	if (c->entries == 0)
		c->entries = (uint32_t)RTE_MIN(
			(uint64_t)buckets * BUCKET_ENTRIES, (uint64_t)NETFILTER_HASHLIMIT_ENTRIES_MAX);
	c->entries = RTE_MAX(c->entries, buckets);
	return decode_limit(cfg, scale, c, err);
}

/* Revisions 1 and 2 have the same settings, in words of other sizes. */
#define WIDEN(cfg)                                                                                                     \
	((struct hashlimit_cfg3){                                                                                      \
		.avg = (cfg)->avg,                                                                                     \
		.burst = (cfg)->burst,                                                                                 \
		.mode = (cfg)->mode,                                                                                   \
		.size = (cfg)->size,                                                                                   \
		.max = (cfg)->max,                                                                                     \
		.gc_interval = (cfg)->gc_interval,                                                                     \
		.expire = (cfg)->expire,                                                                               \
		.srcmask = (cfg)->srcmask,                                                                             \
		.dstmask = (cfg)->dstmask,                                                                             \
	})

static int
decode_1(const void *data, void *conf, struct error *err)
{
	const struct xt_hashlimit_mtinfo1 *info = data;
	struct netfilter_hashlimit_conf *c = conf;
	int code = decode_name(info->name, sizeof(info->name), c->name, err);

	return code == 0 ? decode(&WIDEN(&info->cfg), MODES_1, XT_HASHLIMIT_SCALE, c, err) : code;
}

static int
decode_2(const void *data, void *conf, struct error *err)
{
	const struct xt_hashlimit_mtinfo2 *info = data;
	struct netfilter_hashlimit_conf *c = conf;
	int code = decode_name(info->name, sizeof(info->name), c->name, err);

	return code == 0 ? decode(&WIDEN(&info->cfg), MODES_1, XT_HASHLIMIT_SCALE_v2, c, err) : code;
}

static int
decode_3(const void *data, void *conf, struct error *err)
{
	const struct xt_hashlimit_mtinfo3 *info = data;
	struct netfilter_hashlimit_conf *c = conf;
	int code = decode_name(info->name, sizeof(info->name), c->name, err);

	if (code == 0 && (info->cfg.mode & XT_HASHLIMIT_RATE_MATCH) != 0 && info->cfg.interval == 0)
		return error_set(err, EINVAL, "match hashlimit: a rate over 0 seconds; give 1 at least");
	return code == 0 ? decode(&info->cfg, MODES_3, XT_HASHLIMIT_SCALE_v2, c, err) : code;
}

/* The same conf, whatever the revision. */
static const struct xt_codec hashlimit_codec_1 = {
	.side = XT_MATCH,
	.name = "hashlimit",
	.revision = 1,
	.bytes = sizeof(struct xt_hashlimit_mtinfo1),
	.own_bytes = offsetof(struct xt_hashlimit_mtinfo1, hinfo),
	.conf_bytes = sizeof(struct netfilter_hashlimit_conf),
	.decode = decode_1,
};
XT_REGISTER(hashlimit_codec_1)

static const struct xt_codec hashlimit_codec_2 = {
	.side = XT_MATCH,
	.name = "hashlimit",
	.revision = 2,
	.bytes = sizeof(struct xt_hashlimit_mtinfo2),
	.own_bytes = offsetof(struct xt_hashlimit_mtinfo2, hinfo),
	.conf_bytes = sizeof(struct netfilter_hashlimit_conf),
	.decode = decode_2,
};
XT_REGISTER(hashlimit_codec_2)

static const struct xt_codec hashlimit_codec_3 = {
	.side = XT_MATCH,
	.name = "hashlimit",
	.revision = 3,
	.bytes = sizeof(struct xt_hashlimit_mtinfo3),
	.own_bytes = offsetof(struct xt_hashlimit_mtinfo3, hinfo),
	.conf_bytes = sizeof(struct netfilter_hashlimit_conf),
	.decode = decode_3,
};
XT_REGISTER(hashlimit_codec_3)
