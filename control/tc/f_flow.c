/* SPDX-License-Identifier: BSD-3-Clause */
/* The options of flow filters, TCA_FLOW_*. */
#include <weir/filter/flow.h>

#include "tc/ematch.h"

_Static_assert(sizeof(struct flow_conf) <= sizeof(((struct filter_options *)NULL)->conf), "the conf has room");

static int
flow_parse(const struct nlattr *nest, struct filter_options *options, struct error *err)
{
	struct flow_conf *conf = (void *)&options->conf;
	struct flow_settings *s = &conf->settings;
	const struct {
		uint16_t attr;
		uint32_t has;
		uint32_t *to;
		const char *what;
	} numbers[] = {
		{ TCA_FLOW_KEYS, FLOW_HAS_KEYS, &s->keys, "keys" },
		{ TCA_FLOW_MODE, FLOW_HAS_MODE, &s->mode, "mode" },
		{ TCA_FLOW_MASK, FLOW_HAS_MASK, &s->mask, "and" },
		{ TCA_FLOW_XOR, FLOW_HAS_XOR, &s->xor, "xor" },
		{ TCA_FLOW_RSHIFT, FLOW_HAS_RSHIFT, &s->rshift, "rshift" },
		{ TCA_FLOW_ADDEND, FLOW_HAS_ADDEND, &s->addend, "addend" },
		{ TCA_FLOW_DIVISOR, FLOW_HAS_DIVISOR, &s->divisor, "divisor" },
		{ TCA_FLOW_BASECLASS, FLOW_HAS_BASECLASS, &s->baseclass, "baseclass" },
		{ TCA_FLOW_PERTURB, FLOW_HAS_PERTURB, &s->perturb_s, "perturb" },
	};
	const struct nlattr *tb[TCA_FLOW_MAX + 1];
	int rc = nl_get_nest(nest, tb, TCA_FLOW_MAX, err);

	for (size_t i = 0; rc == 0 && i < RTE_DIM(numbers); i++) {
		if (tb[numbers[i].attr] != NULL)
			conf->has |= numbers[i].has;
		rc = nl_get_u32(tb[numbers[i].attr], 0, numbers[i].to, numbers[i].what, err);
	}
	if (rc == 0 && (conf->has & FLOW_HAS_BASECLASS) != 0 && TC_H_MIN(s->baseclass) == 0)
		return error_set(err, EINVAL, "flow: baseclass %x: names no class; the first one is %x:1",
			TC_H_MAJ(s->baseclass) >> 16, TC_H_MAJ(s->baseclass) >> 16);
	if (rc != 0 || (rc = ematches_parse(tb[TCA_FLOW_EMATCHES], options->matches, &conf->n_matches, err)) != 0 ||
		(rc = actions_parse(tb[TCA_FLOW_ACT], &options->actions, err)) != 0 ||
		(rc = bare_police_parse(tb[TCA_FLOW_POLICE], &options->actions, err)) != 0)
		return rc;
	conf->matches = options->matches;
	conf->actions = options->actions.specs;
	conf->n_actions = options->actions.n;
	return 0;
}

static void
flow_put(struct nl_msgs *msgs, const struct control *control, const struct filter_info *info)
{
	const struct flow_settings *s = flow_get_settings(info->filter);
	size_t nest = nl_nest_start(msgs, TCA_OPTIONS);
	const struct action_list *actions = flow_actions(info->filter);
	const struct ematch *matches;
	unsigned int n;

	nl_put_u32(msgs, TCA_FLOW_KEYS, s->keys);
	nl_put_u32(msgs, TCA_FLOW_MODE, s->mode);
	if (s->mask != UINT32_MAX || s->xor != 0) {
		nl_put_u32(msgs, TCA_FLOW_MASK, s->mask);
		nl_put_u32(msgs, TCA_FLOW_XOR, s->xor);
	}
	if (s->rshift != 0)
		nl_put_u32(msgs, TCA_FLOW_RSHIFT, s->rshift);
	if (s->addend != 0)
		nl_put_u32(msgs, TCA_FLOW_ADDEND, s->addend);
	if (s->divisor != 0)
		nl_put_u32(msgs, TCA_FLOW_DIVISOR, s->divisor);
	nl_put_u32(msgs, TCA_FLOW_BASECLASS, s->baseclass);
	if (s->perturb_s != 0)
		nl_put_u32(msgs, TCA_FLOW_PERTURB, s->perturb_s);
	actions_put(msgs, TCA_FLOW_ACT, actions, control->now(control));
	bare_police_put(msgs, TCA_FLOW_POLICE, actions, control->now(control));
	matches = flow_matches(info->filter, &n);
	ematches_put(msgs, TCA_FLOW_EMATCHES, matches, n);
	nl_nest_end(msgs, nest);
	bare_police_put_stats(msgs, actions, control->now(control));
}

static void
save_keys(FILE *out, uint32_t keys)
{
	static const char *const words[] = { [FLOW_KEY_SRC] = "src",
		[FLOW_KEY_DST] = "dst",
		[FLOW_KEY_PROTO] = "proto",
		[FLOW_KEY_PROTO_SRC] = "proto-src",
		[FLOW_KEY_PROTO_DST] = "proto-dst",
		[FLOW_KEY_IIF] = "iif",
		[FLOW_KEY_PRIORITY] = "priority",
		[FLOW_KEY_MARK] = "mark",
		[FLOW_KEY_RTCLASSID] = "rt-classid",
		[FLOW_KEY_VLAN_TAG] = "vlan-tag",
		[FLOW_KEY_RXHASH] = "rxhash" };
	const char *before = " ";

	for (; keys != 0; keys &= keys - 1) {
		fprintf(out, "%s%s", before, words[__builtin_ctz(keys)]);
		before = ",";
	}
}

static bool
flow_save(const struct save *save, const struct filter_info *info)
{
	const struct flow_settings *s;
	const struct ematch *matches;
	FILE *out = save->out;
	unsigned int n;

	if (info->filter == NULL)
		return false;
	s = flow_get_settings(info->filter);
	fprintf(out, " handle 0x%x flow %s", info->handle, s->mode == FLOW_MODE_HASH ? "hash keys" : "map key");
	save_keys(out, s->keys);
	if (s->mask != UINT32_MAX)
		fprintf(out, " and 0x%x", s->mask);
	if (s->xor != 0)
		fprintf(out, " xor 0x%x", s->xor);
	if (s->rshift != 0)
		fprintf(out, " rshift %u", s->rshift);
	if (s->addend != 0)
		fprintf(out, " addend 0x%x", s->addend);
	if (s->divisor != 0)
		fprintf(out, " divisor %u", s->divisor);
	if (s->perturb_s != 0)
		fprintf(out, " perturb %u", s->perturb_s);
	matches = flow_matches(info->filter, &n);
	ematches_save(out, matches, n);
	save_classid(out, "baseclass", s->baseclass); /* last: tc does not take a match as the last word */
	save_actions(save, flow_actions(info->filter));
	return true;
}

static const struct filter_codec flow_codec = {
	.kind = "flow",
	.parse = flow_parse,
	.put = flow_put,
	.save = flow_save,
};
FILTER_CODEC_REGISTER(flow_codec)
