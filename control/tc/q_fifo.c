/* SPDX-License-Identifier: BSD-3-Clause */
/* pfifo, bfifo and pfifo_head_drop: struct tc_fifo_qopt. noqueue: nothing, and what a client sends is ignored. */
#include <weir/qdisc/fifo.h>

#include "tc/qdisc_codec.h"

static int
fifo_parse(const struct nlattr *options, void *conf, struct error *err)
{
	struct fifo_conf *c = conf;
	struct tc_fifo_qopt opt;

	if (struct_parse(options, &opt, sizeof(opt), "fifo", err) != 0)
		return -EINVAL;
	c->limit = opt.limit;
	return 0;
}

static void
fifo_put(struct nl_msgs *msgs, const void *conf)
{
	const struct fifo_conf *c = conf;
	struct tc_fifo_qopt opt = { .limit = c->limit };

	nl_put(msgs, TCA_OPTIONS, &opt, sizeof(opt));
}

static void
fifo_save(FILE *out, const void *conf)
{
	fprintf(out, " limit %u", ((const struct fifo_conf *)conf)->limit);
}

static int
noqueue_parse(const struct nlattr *options, void *conf, struct error *err)
{
	return 0;
}

static void
noqueue_put(struct nl_msgs *msgs, const void *conf)
{
}

static const struct qdisc_codec pfifo_codec = {
	.kind = "pfifo", .parse = fifo_parse, .put = fifo_put, .save = fifo_save
};
static const struct qdisc_codec bfifo_codec = {
	.kind = "bfifo", .parse = fifo_parse, .put = fifo_put, .save = fifo_save
};
static const struct qdisc_codec pfifo_head_drop_codec = {
	.kind = "pfifo_head_drop", .parse = fifo_parse, .put = fifo_put, .save = fifo_save
};
static const struct qdisc_codec noqueue_codec = { .kind = "noqueue", .parse = noqueue_parse, .put = noqueue_put };
QDISC_CODEC_REGISTER(pfifo_codec)
QDISC_CODEC_REGISTER(bfifo_codec)
QDISC_CODEC_REGISTER(pfifo_head_drop_codec)
QDISC_CODEC_REGISTER(noqueue_codec)
