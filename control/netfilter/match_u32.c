/* SPDX-License-Identifier: BSD-3-Clause */
#include <linux/netfilter/xt_u32.h>

#include <weir/netfilter/matches.h>

#include "netfilter/codec.h"

static int
decode_test(const struct xt_u32_test *info, struct netfilter_u32_test *test, struct error *err)
{
	if (info->nnums == 0 || info->nnums > XT_U32_MAXSIZE + 1 || info->nvalues == 0 ||
		info->nvalues > XT_U32_MAXSIZE + 1)
		return error_set(err, EINVAL, "match u32: %u numbers and %u values in a test; 1 to %d of each are",
			info->nnums, info->nvalues, XT_U32_MAXSIZE + 1);
	test->n_locations = info->nnums;
	test->n_values = info->nvalues;
	for (unsigned int i = 0; i < info->nnums; i++) {
		if (i > 0 && info->location[i].nextop > XT_U32_AT)
			return error_set(err, EINVAL, "match u32: there is no operation %u", info->location[i].nextop);
		test->locations[i].number = info->location[i].number;
		test->locations[i].op = i > 0 ? (enum netfilter_u32_op)info->location[i].nextop : NETFILTER_U32_AND;
	}
	for (unsigned int i = 0; i < info->nvalues; i++) {
		test->values[i].min = info->value[i].min;
		test->values[i].max = info->value[i].max;
	}
	return 0;
}

static int
u32_decode(const void *data, void *conf, struct error *err)
{
	const struct xt_u32 *info = data;
	struct netfilter_u32_conf *c = conf;

	if (info->ntests == 0 || info->ntests > XT_U32_MAXSIZE + 1)
		return error_set(err, EINVAL, "match u32: %u tests; 1 to %d are", info->ntests, XT_U32_MAXSIZE + 1);
	c->n = info->ntests;
	c->invert = info->invert != 0;
	for (unsigned int i = 0; i < c->n; i++) {
		int code = decode_test(&info->tests[i], &c->tests[i], err);

		if (code != 0)
			return code;
	}
	return 0;
}

static const struct xt_codec u32_codec = {
	.side = XT_MATCH,
	.name = "u32",
	.revision = 0,
	.bytes = sizeof(struct xt_u32),
	.own_bytes = sizeof(struct xt_u32),
	.conf_bytes = sizeof(struct netfilter_u32_conf),
	.decode = u32_decode,
};
XT_REGISTER(u32_codec)
