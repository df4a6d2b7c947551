/* SPDX-License-Identifier: BSD-3-Clause */
/* dsmark: nested TCA_DSMARK_*. */
#include <weir/qdisc/dsmark.h>

#include "tc/qdisc_codec.h"

static int
dsmark_parse(const struct nlattr *options, void *conf, struct error *err)
{
	const struct nlattr *tb[TCA_DSMARK_MAX + 1];
	struct dsmark_conf *c = conf;
	int rc = nl_get_nest(options, tb, TCA_DSMARK_MAX, err);

	if (rc != 0)
		return rc;
	if ((rc = nl_get_u16(tb[TCA_DSMARK_INDICES], 0, &c->indices, "dsmark indices", err)) != 0)
		return rc;
	c->has_default_index = tb[TCA_DSMARK_DEFAULT_INDEX] != NULL;
	c->set_tc_index = tb[TCA_DSMARK_SET_TC_INDEX] != NULL;
	return nl_get_u16(tb[TCA_DSMARK_DEFAULT_INDEX], 0, &c->default_index, "dsmark default_index", err);
}

static void
dsmark_put(struct nl_msgs *msgs, const void *conf)
{
	const struct dsmark_conf *c = conf;
	size_t nest = nl_nest_start(msgs, TCA_OPTIONS);

	nl_put_u16(msgs, TCA_DSMARK_INDICES, c->indices);
	if (c->has_default_index)
		nl_put_u16(msgs, TCA_DSMARK_DEFAULT_INDEX, c->default_index);
	if (c->set_tc_index)
		nl_put(msgs, TCA_DSMARK_SET_TC_INDEX, NULL, 0);
	nl_nest_end(msgs, nest);
}

static void
dsmark_save(FILE *out, const void *conf)
{
	const struct dsmark_conf *c = conf;

	fprintf(out, " indices %u", c->indices);
	if (c->has_default_index)
		fprintf(out, " default_index %u", c->default_index);
	if (c->set_tc_index)
		fputs(" set_tc_index", out);
}

static int
dsmark_class_parse(const struct nlattr *options, void *conf, struct error *err)
{
	const struct nlattr *tb[TCA_DSMARK_MAX + 1] = { 0 };
	struct dsmark_class_conf *c = conf;
	int rc = options == NULL ? 0 : nl_get_nest(options, tb, TCA_DSMARK_MAX, err);

	if (rc != 0 || (rc = nl_get_u8(tb[TCA_DSMARK_MASK], 0, &c->mask, "dsmark mask", err)) != 0)
		return rc;
	c->has_mask = tb[TCA_DSMARK_MASK] != NULL;
	c->has_value = tb[TCA_DSMARK_VALUE] != NULL;
	return nl_get_u8(tb[TCA_DSMARK_VALUE], 0, &c->value, "dsmark value", err);
}

static void
dsmark_class_put(struct nl_msgs *msgs, const void *conf)
{
	const struct dsmark_class_conf *c = conf;
	size_t nest = nl_nest_start(msgs, TCA_OPTIONS);

	nl_put_u8(msgs, TCA_DSMARK_MASK, c->mask);
	nl_put_u8(msgs, TCA_DSMARK_VALUE, c->value);
	nl_nest_end(msgs, nest);
}

static void
dsmark_class_save(FILE *out, const void *conf)
{
	const struct dsmark_class_conf *c = conf;

	fprintf(out, " mask 0x%02x value 0x%02x", c->mask, c->value);
}

static const struct class_codec dsmark_class_codec = {
	.parse = dsmark_class_parse,
	.put = dsmark_class_put,
	.save = dsmark_class_save,
	.silent = true,
};
static const struct qdisc_codec dsmark_codec = {
	.kind = "dsmark",
	.parse = dsmark_parse,
	.put = dsmark_put,
	.save = dsmark_save,
	.classes = &dsmark_class_codec,
};
QDISC_CODEC_REGISTER(dsmark_codec)
