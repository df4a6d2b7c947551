/* SPDX-License-Identifier: BSD-3-Clause */
/* The options of u32 filters, TCA_U32_*. */
#include <arpa/inet.h>
#include <string.h>

#include "tc/codec.h"

static int
parse_selector(const struct nlattr *attr, struct filter_options *options, struct error *err)
{
	struct u32_conf *conf = &options->conf.u32;
	struct tc_u32_sel selector;
	uint32_t bytes;

	if (attr == NULL)
		return 0;
	bytes = mnl_attr_get_payload_len(attr);
	if (bytes < sizeof(selector))
		return error_set(
			err, EINVAL, "cls_u32: a selector of %u bytes, %zu are its least", bytes, sizeof(selector));
	memcpy(&selector, mnl_attr_get_payload(attr), sizeof(selector));
	if (bytes < sizeof(selector) + selector.nkeys * sizeof(struct tc_u32_key))
		return error_set(err, EINVAL, "cls_u32: %u keys are announced, %u bytes are too few for them",
			selector.nkeys, bytes);
	if (selector.nkeys > U32_KEYS_MAX)
		return error_set(err, EINVAL, "cls_u32: %u matches in one filter, at most %d are possible",
			selector.nkeys, U32_KEYS_MAX);
	if (selector.offshift >= 32)
		return error_set(
			err, EINVAL, "cls_u32: an offset of 16 bits cannot be shifted by %u", selector.offshift);
	for (unsigned int i = 0; i < selector.nkeys; i++) {
		struct tc_u32_key key;

		memcpy(&key, (const uint8_t *)mnl_attr_get_payload(attr) + sizeof(selector) + i * sizeof(key),
			sizeof(key));
		options->keys[i] = (struct u32_key){ key.val, key.mask, key.off, key.offmask };
	}
	conf->has_selector = true;
	conf->selector_flags = selector.flags;
	conf->n_keys = selector.nkeys;
	conf->keys = options->keys;
	conf->jump = (struct u32_jump){
		.hash_mask = selector.hmask,
		.hash_offset = selector.hoff,
		.plus = selector.off,
		.at = selector.offoff,
		.mask = selector.offmask,
		.shift = selector.offshift,
	};
	return 0;
}

static int
parse_divisor(const struct nlattr *attr, uint32_t *divisor, struct error *err)
{
	int rc = nl_get_u32(attr, 0, divisor, "divisor", err);

	if (rc == 0 && attr != NULL && *divisor == 0)
		return error_set(err, EINVAL, "cls_u32: a hash table has one bucket at least, not 0");
	return rc;
}

static int
parse_mark(const struct nlattr *attr, struct u32_conf *conf, struct error *err)
{
	struct tc_u32_mark mark;

	if (attr == NULL)
		return 0;
	if (mnl_attr_get_payload_len(attr) < sizeof(mark))
		return error_set(err, EINVAL, "cls_u32: a mark of %u bytes, %zu are needed",
			mnl_attr_get_payload_len(attr), sizeof(mark));
	memcpy(&mark, mnl_attr_get_payload(attr), sizeof(mark));
	conf->has_mark = true;
	conf->mark_value = mark.val;
	conf->mark_mask = mark.mask;
	return 0;
}

static int
u32_parse(const struct nlattr *nest, struct filter_options *options, struct error *err)
{
	struct u32_conf *conf = &options->conf.u32;
	const struct nlattr *tb[TCA_U32_MAX + 1];
	int rc;

	if ((rc = nl_get_nest(nest, tb, TCA_U32_MAX, err)) != 0 ||
		(rc = parse_divisor(tb[TCA_U32_DIVISOR], &conf->divisor, err)) != 0)
		return rc;
	if (conf->divisor != 0)
		return 0;
	if ((rc = nl_get_u32(tb[TCA_U32_LINK], 0, &conf->link, "link", err)) != 0 ||
		(rc = parse_selector(tb[TCA_U32_SEL], options, err)) != 0 ||
		(rc = parse_mark(tb[TCA_U32_MARK], conf, err)) != 0 ||
		(rc = nl_get_u32(tb[TCA_U32_CLASSID], 0, &conf->classid, "classid", err)) != 0 ||
		(rc = nl_get_u32(tb[TCA_U32_HASH], 0, &conf->table, "hash table", err)) != 0 ||
		(rc = nl_get_u32(tb[TCA_U32_FLAGS], 0, &conf->flags, "flags", err)) != 0 ||
		(rc = indev_parse(options->control, tb[TCA_U32_INDEV], &conf->in_port, err)) != 0 ||
		(rc = actions_parse(tb[TCA_U32_ACT], &options->actions, err)) != 0 ||
		(rc = bare_police_parse(tb[TCA_U32_POLICE], &options->actions, err)) != 0 ||
		(rc = hardware_flags_check("cls_u32", conf->flags, &options->actions, err)) != 0)
		return rc;
	options->classid = conf->classid;
	conf->has_classid = tb[TCA_U32_CLASSID] != NULL;
	conf->has_link = tb[TCA_U32_LINK] != NULL;
	conf->actions = options->actions.specs;
	conf->n_actions = options->actions.n;
	return 0;
}

static void
put_selector(struct nl_msgs *msgs, const struct u32_conf *conf)
{
	struct tc_u32_sel selector = {
		.flags = conf->selector_flags,
		.offshift = conf->jump.shift,
		.nkeys = conf->n_keys,
		.offmask = conf->jump.mask,
		.off = conf->jump.plus,
		.offoff = conf->jump.at,
		.hoff = conf->jump.hash_offset,
		.hmask = conf->jump.hash_mask,
	};
	uint8_t bytes[sizeof(selector) + U32_KEYS_MAX * sizeof(struct tc_u32_key)];

	memcpy(bytes, &selector, sizeof(selector));
	for (unsigned int i = 0; i < conf->n_keys; i++) {
		struct tc_u32_key key = {
			.mask = conf->keys[i].mask,
			.val = conf->keys[i].value,
			.off = conf->keys[i].offset,
			.offmask = conf->keys[i].offset_mask,
		};

		memcpy(bytes + sizeof(selector) + i * sizeof(key), &key, sizeof(key));
	}
	nl_put(msgs, TCA_U32_SEL, bytes, sizeof(selector) + conf->n_keys * sizeof(struct tc_u32_key));
}

static void
put_counts(struct nl_msgs *msgs, const struct u32_conf *conf, const struct u32_counts *counts)
{
	uint64_t put[2 + U32_KEYS_MAX] = { counts->hits, counts->matches }; /* struct tc_u32_pcnt */

	memcpy(put + 2, counts->key_matches, conf->n_keys * sizeof(put[0]));
	nl_put(msgs, TCA_U32_PCNT, put, (2 + conf->n_keys) * sizeof(put[0]));
}

static void
put_filter(struct nl_msgs *msgs, const struct control *control, const struct filter_info *info)
{
	struct u32_counts counts;
	struct u32_conf conf;

	u32_get_conf(info->filter, &conf);
	u32_sum_counts(info->filter, &counts);
	put_selector(msgs, &conf);
	nl_put_u32(msgs, TCA_U32_HASH, conf.table);
	if (conf.has_classid)
		nl_put_u32(msgs, TCA_U32_CLASSID, conf.classid);
	if (conf.has_link)
		nl_put_u32(msgs, TCA_U32_LINK, conf.link);
	nl_put_u32(msgs, TCA_U32_FLAGS, conf.flags | TCA_CLS_FLAGS_NOT_IN_HW);
	if (conf.has_mark) {
		struct tc_u32_mark mark = { conf.mark_value, conf.mark_mask, (uint32_t)counts.mark_matches };

		nl_put(msgs, TCA_U32_MARK, &mark, sizeof(mark));
	}
	actions_put(msgs, TCA_U32_ACT, u32_actions(info->filter), control->now(control));
	bare_police_put(msgs, TCA_U32_POLICE, u32_actions(info->filter), control->now(control));
	indev_put(msgs, control, TCA_U32_INDEV, conf.in_port);
	put_counts(msgs, &conf, &counts);
}

static void
u32_put(struct nl_msgs *msgs, const struct control *control, const struct filter_info *info)
{
	size_t nest = nl_nest_start(msgs, TCA_OPTIONS);

	if (u32_is_table(info->handle))
		nl_put_u32(msgs, TCA_U32_DIVISOR, u32_divisor(info->filter));
	else
		put_filter(msgs, control, info);
	nl_nest_end(msgs, nest);
	if (!u32_is_table(info->handle))
		bare_police_put_stats(msgs, u32_actions(info->filter), control->now(control));
}

/* Filters lead to hash tables. */
static bool
u32_leads(const struct filter_info *info)
{
	return info->filter != NULL && u32_is_table(info->handle);
}

/* Where a filter with a link leads on, in the words of tc-u32(8). */
static void
save_link(FILE *out, const struct u32_conf *conf)
{
	const struct u32_jump *jump = &conf->jump;

	if (conf->has_link)
		fprintf(out, " link %x:", TC_U32_USERHTID(conf->link));
	if (jump->hash_mask != 0)
		fprintf(out, " hashkey mask 0x%08x at %d", ntohl(jump->hash_mask), jump->hash_offset);
	if ((conf->selector_flags & (TC_U32_OFFSET | TC_U32_VAROFFSET | TC_U32_EAT)) == 0)
		return;
	fputs(" offset", out);
	if ((conf->selector_flags & TC_U32_VAROFFSET) != 0)
		fprintf(out, " at %d mask 0x%04x shift %u", jump->at, ntohs(jump->mask), jump->shift);
	if ((conf->selector_flags & TC_U32_OFFSET) != 0 || jump->plus != 0)
		fprintf(out, " plus %u", jump->plus);
	if ((conf->selector_flags & TC_U32_EAT) != 0)
		fputs(" eat", out);
}

static bool
u32_save(const struct save *save, const struct filter_info *info)
{
	FILE *out = save->out;
	struct u32_conf conf;

	if (info->filter == NULL)
		return false;
	if (u32_leads(info)) {
		fprintf(out, " handle %x: u32 divisor %u", TC_U32_USERHTID(info->handle), u32_divisor(info->filter));
		return !u32_is_root(info->filter); /* the root table comes by itself */
	}
	u32_get_conf(info->filter, &conf);
	fputs(" u32", out);
	if (!conf.in_root)
		fprintf(out, " ht %x:%x:", TC_U32_USERHTID(conf.table), TC_U32_HASH(conf.table));
	for (unsigned int i = 0; i < conf.n_keys; i++) {
		const struct u32_key *key = &conf.keys[i];

		fprintf(out, " match u32 0x%08x 0x%08x at %s%d", ntohl(key->value), ntohl(key->mask),
			key->offset_mask != 0 ? "nexthdr+" : "", key->offset);
	}
	if (conf.has_mark)
		fprintf(out, " match mark 0x%x 0x%x", conf.mark_value, conf.mark_mask);
	save_link(out, &conf);
	indev_save(save, conf.in_port);
	if (conf.has_classid)
		save_classid(out, "flowid", conf.classid);
	save_actions(save, u32_actions(info->filter));
	return true;
}

static const struct filter_codec u32_codec = {
	.kind = "u32",
	.parse = u32_parse,
	.put = u32_put,
	.save = u32_save,
	.leads = u32_leads,
};
FILTER_CODEC_REGISTER(u32_codec)
