/* SPDX-License-Identifier: BSD-3-Clause */
/* mq: it has no options, and its classes neither. */
#include "tc/qdisc_codec.h"

static int
mq_parse(const struct nlattr *options, void *conf, struct error *err)
{
	return 0;
}

static void
mq_put(struct nl_msgs *msgs, const void *conf)
{
}

static const struct class_codec mq_class_codec = { .top_is_root = true };
static const struct qdisc_codec mq_codec = {
	.kind = "mq",
	.parse = mq_parse,
	.put = mq_put,
	.classes = &mq_class_codec,
	.one_reference = true,
};
QDISC_CODEC_REGISTER(mq_codec)
