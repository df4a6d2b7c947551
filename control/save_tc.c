/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Qdiscs, classes, filters and actions as tc lines. A qdisc's options are its codec's to print; a filter or an action
 * has a row in one of the tables below, and one without a row ends the report with an error, so that a script is never
 * incomplete in silence.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdlib.h>
#include <linux/if_ether.h>
#include <linux/tc_act/tc_gact.h>
#include <linux/tc_act/tc_skbedit.h>

#include <rte_cycles.h>

#include <weir/action/gact.h>
#include <weir/action/skbedit.h>
#include <weir/filter/fw.h>
#include <weir/filter/tcindex.h>
#include <weir/filter/u32.h>

#include "save.h"
#include "tc/qdisc_codec.h"

struct tc_save {
	const struct save *save;
	const struct port *port;
	struct error *err;
	char parent[24]; /* of the filters that are printed */
	bool u32_tables; /* u32's hash tables are printed, and nothing else: before all filters, which lead there */
};

/* ---- actions and filters --------------------------------------------------------------------- */

static const char *
verdict_word(int32_t action)
{
	static const struct {
		int32_t action;
		const char *word;
	} words[] = {
		{ TC_ACT_OK, "ok" },
		{ TC_ACT_SHOT, "drop" },
		{ TC_ACT_RECLASSIFY, "reclassify" },
		{ TC_ACT_PIPE, "pipe" },
		{ TC_ACT_UNSPEC, "continue" },
		{ TC_ACT_TRAP, "trap" },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (words[i].action == action)
			return words[i].word;
	return NULL;
}

static void
print_verdict(FILE *out, int32_t action)
{
	const char *word = verdict_word(action);

	if (word != NULL)
		fprintf(out, " %s", word);
	else
		fprintf(out, " jump %u", (unsigned int)(action & TC_ACT_EXT_VAL_MASK));
}

static void
print_gact(FILE *out, const void *conf)
{
	const struct gact_conf *c = conf;

	fputs(" gact", out);
	print_verdict(out, c->action);
	if (c->random_type != PGACT_NONE) {
		fprintf(out, " random %s", c->random_type == PGACT_NETRAND ? "netrand" : "determ");
		print_verdict(out, c->random_action);
		fprintf(out, " %u", c->every);
	}
}

static void
print_skbedit(FILE *out, const void *conf)
{
	const struct skbedit_conf *c = conf;

	fputs(" skbedit", out);
	if (c->set & SKBEDIT_F_QUEUE_MAPPING)
		fprintf(out, " queue_mapping %u", c->queue_mapping);
	if (c->set & SKBEDIT_F_PRIORITY)
		fprintf(out, " priority %x:%x", TC_H_MAJ(c->priority) >> 16, TC_H_MIN(c->priority));
	if (c->set & SKBEDIT_F_MARK)
		fprintf(out, " mark 0x%x", c->mark);
	if (c->set & SKBEDIT_F_MASK)
		fprintf(out, "/0x%x", c->mask);
	if (c->set & SKBEDIT_F_PTYPE)
		fprintf(out, " ptype %u", c->packet_type);
	print_verdict(out, c->action);
}

static const struct {
	const char *kind;
	void (*print)(FILE *out, const void *conf);
} action_kinds[] = {
	{ "gact", print_gact },
	{ "skbedit", print_skbedit },
};

static int
save_actions(const struct tc_save *ts, const struct action_list *list)
{
	for (unsigned int i = 0; list != NULL && i < action_list_count(list); i++) {
		const struct action *action = action_list_at(list, i);
		const struct action_ops *ops = action_ops_of(action);
		_Alignas(16) char conf[ops->conf_size];
		size_t k = 0;

		while (k < sizeof(action_kinds) / sizeof(action_kinds[0]) &&
			strcmp(action_kinds[k].kind, ops->kind) != 0)
			k++;
		if (k == sizeof(action_kinds) / sizeof(action_kinds[0]))
			return error_set(ts->err, EOPNOTSUPP, "'save' does not know the action %s", ops->kind);
		ops->get_conf(action, conf);
		fputs(" action", ts->save->out);
		action_kinds[k].print(ts->save->out, conf);
		if (action_index(action) != 0)
			fprintf(ts->save->out, " index %u", action_index(action));
	}
	return 0;
}

static void
print_classid(FILE *out, const char *word, uint32_t classid)
{
	fprintf(out, " %s %x:%x", word, TC_H_MAJ(classid) >> 16, TC_H_MIN(classid));
}

/* Where a filter with a link leads on, in the words of tc-u32(8). */
static void
print_u32_link(FILE *out, const struct u32_conf *conf)
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

static int
save_u32(const struct tc_save *ts, const struct filter_info *info)
{
	FILE *out = ts->save->out;
	struct u32_conf conf;

	if (u32_is_table(info->handle) != ts->u32_tables)
		return 1;
	if (ts->u32_tables) {
		fprintf(out, " handle %x: u32 divisor %u", TC_U32_USERHTID(info->handle), u32_divisor(info->filter));
		return u32_is_root(info->filter); /* the root table comes by itself */
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
	print_u32_link(out, &conf);
	if (conf.in_port != 0)
		fprintf(out, " indev %s", save_port_name(ts->save, conf.in_port));
	if (conf.has_classid)
		print_classid(out, "flowid", conf.classid);
	return save_actions(ts, u32_actions(info->filter));
}

static int
save_fw(const struct tc_save *ts, const struct filter_info *info)
{
	FILE *out = ts->save->out;
	struct fw_conf conf;

	if (ts->u32_tables)
		return 1;
	fw_get_conf(info->filter, &conf);
	fprintf(out, " handle 0x%x", info->handle);
	if (conf.has_mask)
		fprintf(out, "/0x%x", conf.mask);
	fputs(" fw", out);
	if (conf.in_port != 0)
		fprintf(out, " indev %s", save_port_name(ts->save, conf.in_port));
	if (conf.has_classid)
		print_classid(out, "classid", conf.classid);
	return save_actions(ts, fw_actions(info->filter));
}

/* The settings are all filters': each brings them. Where there is none, the group by itself is a classifier. */
static int
save_tcindex(const struct tc_save *ts, const struct filter_info *info)
{
	FILE *out = ts->save->out;
	struct tcindex_settings settings;

	if (ts->u32_tables || (info->filter == NULL && !tcindex_is_empty(info->group)))
		return 1;
	tcindex_get_settings(info->group, &settings);
	if (info->filter != NULL)
		fprintf(out, " handle 0x%x", info->handle);
	fprintf(out, " tcindex hash %u mask 0x%x shift %u %s", settings.hash, settings.mask, settings.shift,
		settings.fall_through ? "fall_through" : "pass_on");
	if (info->filter == NULL)
		return 0;
	if (tcindex_classid(info->filter) != 0)
		print_classid(out, "classid", tcindex_classid(info->filter));
	return save_actions(ts, tcindex_actions(info->filter));
}

static const struct {
	const char *kind;
	int (*save)(const struct tc_save *ts, const struct filter_info *info); /* 1: nothing to save after all */
	bool groups; /* a group by itself is saved, too: filter NULL */
} filter_kinds[] = {
	{ "u32", save_u32, false },
	{ "fw", save_fw, false },
	{ "tcindex", save_tcindex, true },
};

/* A filter goes into a line of its own, so it is printed apart and kept if there is something to keep. */
static int
save_filter(void *arg, const struct filter_info *info)
{
	const struct tc_save *ts = arg;
	FILE *real = ts->save->out;
	struct save line = *ts->save;
	struct tc_save apart = *ts;
	char *text = NULL;
	size_t bytes = 0, k = 0;
	int rc;

	while (k < sizeof(filter_kinds) / sizeof(filter_kinds[0]) && strcmp(filter_kinds[k].kind, info->kind) != 0)
		k++;
	if (k == sizeof(filter_kinds) / sizeof(filter_kinds[0]))
		return error_set(ts->err, EOPNOTSUPP, "'save' does not know the filter %s", info->kind);
	if (info->filter == NULL && !filter_kinds[k].groups)
		return 0;
	line.out = open_memstream(&text, &bytes);
	if (line.out == NULL)
		return error_code(ts->err, ENOMEM);
	apart.save = &line;
	fprintf(line.out, "tc filter add dev %s parent %s protocol ", ts->port->name, ts->parent);
	if (info->protocol == htons(ETH_P_ALL))
		fputs("all", line.out);
	else
		fprintf(line.out, "0x%04x", ntohs(info->protocol));
	fprintf(line.out, " pref %u", info->preference);
	rc = filter_kinds[k].save(&apart, info);
	fclose(line.out);
	if (rc == 0)
		fprintf(real, "%s\n", text);
	free(text);
	return rc < 0 ? rc : 0;
}

static int
save_chain(struct tc_save *ts, const struct chain *chain, uint32_t parent)
{
	if (chain == NULL)
		return 0;
	snprintf(ts->parent, sizeof(ts->parent), "%x:%x", TC_H_MAJ(parent) >> 16, TC_H_MIN(parent));
	ts->u32_tables = true;
	int rc = chain_walk(chain, save_filter, ts);

	ts->u32_tables = false;
	return rc != 0 ? rc : chain_walk(chain, save_filter, ts);
}

/* ---- the tree -------------------------------------------------------------------------------- */

static int save_qdisc(struct tc_save *ts, const struct qdisc *q);

static int
save_class(void *arg, struct class *c)
{
	const struct tc_save *ts = arg;
	const struct class_ops *ops = c->qdisc->ops->classes;
	_Alignas(16) char conf[ops->conf_size != 0 ? ops->conf_size : 1];

	const struct class_codec *codec = qdisc_codec_find(c->qdisc->ops->kind)->classes;

	if (codec == NULL || codec->save == NULL)
		return 0;
	ops->get_conf(c, conf);
	/* Rows of a table are there from the start. */
	fprintf(ts->save->out, "tc class %s dev %s parent %x:%x classid %x:%x %s",
		ops->change_row != NULL ? "change" : "add", ts->port->name, TC_H_MAJ(c->classid) >> 16,
		c->parent != NULL ? TC_H_MIN(c->parent->classid) : 0, TC_H_MAJ(c->classid) >> 16, TC_H_MIN(c->classid),
		c->qdisc->ops->kind);
	codec->save(ts->save->out, conf);
	putc('\n', ts->save->out);
	return 0;
}

static int
save_below_class(void *arg, struct class *c)
{
	struct tc_save *ts = arg;
	int rc = save_chain(ts, c->chain, c->classid);

	/* A leaf without a handle is the one that its class was born with. */
	if (rc == 0 && c->leaf != NULL && c->leaf->handle != 0)
		rc = save_qdisc(ts, c->leaf);
	return rc;
}

static void
print_stab(FILE *out, const struct sched_stab *stab)
{
	if (!stab->set)
		return;
	fprintf(out, " stab overhead %d mpu %u", stab->spec.overhead, stab->spec.mpu);
	if (stab->spec.tsize != 0)
		fprintf(out, " mtu %u tsize %u", stab->spec.mtu, stab->spec.tsize);
	fprintf(out, " linklayer %s", stab->spec.linklayer == TC_LINKLAYER_ATM ? "atm" : "ethernet");
}

static int
save_qdisc(struct tc_save *ts, const struct qdisc *q)
{
	FILE *out = ts->save->out;
	_Alignas(16) char conf[q->ops->conf_size != 0 ? q->ops->conf_size : 1];
	const struct qdisc_codec *codec = qdisc_codec_find(q->ops->kind);
	int rc;

	if (codec == NULL)
		return error_set(ts->err, EOPNOTSUPP, "'save' does not know the qdisc %s", q->ops->kind);
	fprintf(out, "tc qdisc add dev %s", ts->port->name);
	if (q->parent != NULL)
		print_classid(out, "parent", q->place != 0 ? q->place : q->parent->classid);
	else
		fputs(" root", out);
	fprintf(out, " handle %x:", q->handle >> 16);
	print_stab(out, &q->stab);
	fprintf(out, " %s", q->ops->kind);
	if (codec->save != NULL) {
		q->ops->get_conf(q, conf);
		codec->save(out, conf);
	}
	putc('\n', out);
	if (q->ops->classes == NULL)
		return 0;
	rc = sched_class_walk(q, save_class, ts);
	if (rc == 0)
		rc = save_chain(ts, q->chain, q->handle);
	if (rc != 0)
		return rc;
	if (q->ops->classes->any_minor) /* a walk may give rows; the object has the leaf */
		return save_below_class(ts, sched_class_find(q, q->handle));
	return sched_class_walk(q, save_below_class, ts);
}

struct tc_walk {
	const struct save *save;
	struct error *err;
};

static int
save_port_tc(void *arg, struct port *port)
{
	const struct tc_walk *walk = arg;
	struct tc_save ts = { .save = walk->save, .port = port, .err = walk->err };
	const struct qdisc *root = sched_root(port->tree);
	int rc = 0;

	/* The root that a link has by default has no handle. */
	if (root != NULL && root->handle != 0)
		rc = save_qdisc(&ts, root);
	if (rc == 0 && port->ingress != NULL) {
		fprintf(walk->save->out, "tc qdisc add dev %s ingress\n", port->name);
		rc = save_chain(&ts, port->ingress, TC_H_MAKE(TC_H_INGRESS, 0));
	}
	return rc;
}

int
save_tc(const struct save *save, struct error *err)
{
	struct tc_walk walk = { save, err };

	return port_walk(save->router, save_port_tc, &walk);
}
