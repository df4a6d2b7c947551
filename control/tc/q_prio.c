/* SPDX-License-Identifier: BSD-3-Clause */
/* prio and pfifo_fast: struct tc_prio_qopt. */
#include <string.h>

#include <weir/qdisc/prio.h>

#include "tc/qdisc_codec.h"

static int
prio_parse(const struct nlattr *options, void *conf, struct error *err)
{
	struct prio_conf *c = conf;
	struct tc_prio_qopt opt;

	if (struct_parse(options, &opt, sizeof(opt), "prio", err) != 0)
		return -EINVAL;
	c->bands = (uint32_t)opt.bands;
	memcpy(c->priomap, opt.priomap, sizeof(c->priomap));
	return 0;
}

static void
prio_put(struct nl_msgs *msgs, const void *conf)
{
	const struct prio_conf *c = conf;
	struct tc_prio_qopt opt = { .bands = (int)c->bands };

	memcpy(opt.priomap, c->priomap, sizeof(opt.priomap));
	nl_put(msgs, TCA_OPTIONS, &opt, sizeof(opt));
}

static void
prio_save(FILE *out, const void *conf)
{
	const struct prio_conf *c = conf;

	fprintf(out, " bands %u priomap", c->bands);
	for (unsigned int i = 0; i <= TC_PRIO_MAX; i++)
		fprintf(out, " %u", c->priomap[i]);
}

/* pfifo_fast takes no options; Linux ignores what a client sends all the same. */
static int
pfifo_fast_parse(const struct nlattr *options, void *conf, struct error *err)
{
	return 0;
}

static const struct class_codec prio_class_codec = { 0 };
static const struct qdisc_codec prio_codec = {
	.kind = "prio",
	.parse = prio_parse,
	.put = prio_put,
	.save = prio_save,
	.classes = &prio_class_codec,
};
static const struct qdisc_codec pfifo_fast_codec = { .kind = "pfifo_fast", .parse = pfifo_fast_parse, .put = prio_put };
QDISC_CODEC_REGISTER(prio_codec)
QDISC_CODEC_REGISTER(pfifo_fast_codec)
