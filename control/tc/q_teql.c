/* SPDX-License-Identifier: BSD-3-Clause */
/* teql0 has no options. */
#include "tc/qdisc_codec.h"

static int
teql_parse(const struct nlattr *options, void *conf, struct error *err)
{
	return 0;
}

static void
teql_put(struct nl_msgs *msgs, const void *conf)
{
}

static const struct qdisc_codec teql_codec = {
	.kind = "teql0",
	.parse = teql_parse,
	.put = teql_put,
};
QDISC_CODEC_REGISTER(teql_codec)
