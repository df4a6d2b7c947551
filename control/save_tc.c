/* SPDX-License-Identifier: BSD-3-Clause */
/* Qdiscs, classes and filters as tc lines. What is a kind's own is its codec's to print. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdlib.h>

#include <linux/if_ether.h>

#include "save.h"
#include "tc/codec.h"
#include "tc/qdisc_codec.h"
#include "tc/tc.h"

struct tc_save {
	const struct save *save;
	const struct port *port;
	struct error *err;
	char parent[24]; /* of the filters that are printed */
	const struct chain *chain; /* theirs */
	bool leaders; /* only filters that others lead to are printed, or only the others */
	/* of a group whose newest filter is asked first: to be printed from the last one on */
	char **kept;
	size_t n_kept;
};

/* ---- filters --------------------------------------------------------------------- */

static void
print_kept(struct tc_save *ts)
{
	while (ts->n_kept != 0) {
		fprintf(ts->save->out, "%s\n", ts->kept[--ts->n_kept]);
		free(ts->kept[ts->n_kept]);
	}
	free(ts->kept);
	ts->kept = NULL;
}

/* Takes the text. */
static int
keep(struct tc_save *ts, char *text)
{
	char **kept = realloc(ts->kept, (ts->n_kept + 1) * sizeof(*kept));

	if (kept == NULL) {
		free(text);
		return error_code(ts->err, ENOMEM);
	}
	ts->kept = kept;
	kept[ts->n_kept++] = text;
	return 0;
}

/* Any time constant from this one on, and less than twice as long, has the same weight. */
static void
print_estimator(FILE *out, const struct tc_estimator *spec)
{
	uint32_t interval_ms;

	if (spec == NULL)
		return;
	interval_ms = 250u << (spec->interval + 2);
	fprintf(out, " est %ums %" PRIu64 "ms", interval_ms, (uint64_t)interval_ms << spec->ewma_log);
}

/* The estimator of its actions stands before what they are, so a filter's own words are printed apart, too. */
static bool
print_filter(FILE *out, const struct tc_save *ts, const struct filter_info *info, bool *said)
{
	const struct tc_estimator *estimator = NULL;
	struct save_part part;

	if (!save_part_start(&part, ts->save))
		return false;
	part.save.estimator = &estimator;
	*said = filter_codec_find(info->kind)->save(&part.save, info);
	fprintf(out, "%stc filter add dev %s parent %s protocol ", save_part_end(&part),
		shell_word(ts->port->name).text, ts->parent);
	if (info->protocol == htons(ETH_P_ALL))
		fputs("all", out);
	else
		fprintf(out, "0x%04x", ntohs(info->protocol));
	if (info->chain != 0)
		fprintf(out, " chain %u", info->chain);
	fprintf(out, " pref %u", info->preference);
	print_estimator(out, estimator);
	fputs(part.text, out);
	free(part.text);
	return true;
}

/* A filter goes into a line of its own, so it is printed apart and kept if there is something to keep. */
static int
save_filter(void *arg, const struct filter_info *info)
{
	struct tc_save *ts = arg;
	const struct filter_codec *codec = filter_codec_find(info->kind);
	bool printed, said = false;
	char *text = NULL;
	size_t bytes = 0;
	FILE *line;

	if (info->filter == NULL)
		print_kept(ts);
	if ((codec->leads != NULL && codec->leads(info)) != ts->leaders)
		return 0;
	line = open_memstream(&text, &bytes);
	if (line == NULL)
		return error_code(ts->err, ENOMEM);
	printed = print_filter(line, ts, info, &said);
	fclose(line);
	if (!printed) {
		free(text);
		return error_code(ts->err, ENOMEM);
	}
	if (said && codec->newest_first)
		return keep(ts, text);
	if (said)
		fprintf(ts->save->out, "%s\n", text);
	free(text);
	return 0;
}

static int
save_index(void *arg, uint32_t index, bool named)
{
	const struct tc_save *ts = arg;
	struct chain_template template = chain_template_of(ts->chain, index);
	struct save_part part;

	if (!named)
		return 0;
	if (!save_part_start(&part, ts->save))
		return error_code(ts->err, ENOMEM);
	if (template.kind != NULL)
		filter_codec_find(template.kind)->save_template(&part.save, template.conf);
	fprintf(ts->save->out, "%stc chain add dev %s parent %s chain %u", save_part_end(&part),
		shell_word(ts->port->name).text, ts->parent, index);
	fprintf(ts->save->out, "%s\n", part.text);
	free(part.text);
	return 0;
}

static int
save_chain(struct tc_save *ts, const struct chain *chain, uint32_t parent)
{
	if (chain == NULL)
		return 0;
	snprintf(ts->parent, sizeof(ts->parent), "%x:%x", TC_H_MAJ(parent) >> 16, TC_H_MIN(parent));
	ts->chain = chain;
	int rc = chain_walk_indices(chain, save_index, ts);

	if (rc != 0)
		return rc;
	ts->leaders = true;
	rc = chain_walk(chain, save_filter, ts);
	ts->leaders = false;
	if (rc == 0)
		rc = chain_walk(chain, save_filter, ts);
	print_kept(ts);
	return rc;
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

	/* A root class comes with its qdisc. */
	if (codec == NULL || codec->save == NULL || c->classid == c->qdisc->handle)
		return 0;
	ops->get_conf(c, conf);
	/* Rows of a table are there from the start. */
	fprintf(ts->save->out, "tc class %s dev %s parent %x:%x classid %x:%x",
		ops->change_row != NULL ? "change" : "add", shell_word(ts->port->name).text, TC_H_MAJ(c->classid) >> 16,
		c->parent != NULL ? TC_H_MIN(c->parent->classid) : 0, TC_H_MAJ(c->classid) >> 16, TC_H_MIN(c->classid));
	print_estimator(ts->save->out, sched_estimator_spec(c->estimator));
	fprintf(ts->save->out, " %s", c->qdisc->ops->kind);
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
	if (stab == NULL)
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
	fprintf(out, "tc qdisc add dev %s", shell_word(ts->port->name).text);
	if (q->parent != NULL)
		save_classid(out, "parent", q->place != 0 ? q->place : q->parent->classid);
	else
		fputs(" root", out);
	fprintf(out, " handle %x:", q->handle >> 16);
	print_stab(out, q->stab);
	print_estimator(out, sched_estimator_spec(q->estimator));
	fprintf(out, " %s", q->ops->kind);
	if (codec->save != NULL) {
		q->ops->get_conf(q, conf);
		codec->save(out, conf);
	}
	putc('\n', out);
	if (codec->save_more != NULL) {
		char change[128];

		snprintf(change, sizeof(change), "tc qdisc change dev %s handle %x: %s",
			shell_word(ts->port->name).text, q->handle >> 16, q->ops->kind);
		codec->save_more(out, change, conf);
	}
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

const char *
save_queue_kind(const struct qdisc *q)
{
	return q->ops->shown_leaf == NULL ? NULL : q->ops->shown_leaf(sched_class_find(q, q->handle | 1))->ops->kind;
}

/* mq's queues are made with it: for them the default is what it was then. */
static int
save_root(struct tc_save *ts, const struct qdisc *root)
{
	const char *usual = router_default_qdisc(ts->save->router), *kind = save_queue_kind(root);
	bool other = kind != NULL && strcmp(kind, usual) != 0;
	int rc;

	if (other)
		tc_save_default_qdisc(ts->save->out, kind);
	rc = save_qdisc(ts, root);
	if (other)
		tc_save_default_qdisc(ts->save->out, usual);
	return rc;
}

static int
save_port_tc(void *arg, struct port *port)
{
	const struct tc_walk *walk = arg;
	struct tc_save ts = { .save = walk->save, .port = port, .err = walk->err };
	const struct qdisc *root = sched_root(port->tree);
	int rc = 0;

	/* The root that a link has by default has no handle. */
	if (root != NULL && root->handle != 0 && !root->ops->binds_port)
		rc = save_root(&ts, root);
	if (rc != 0 || port_hook_kind(port) == NULL)
		return rc;
	fprintf(walk->save->out, "tc qdisc add dev %s", shell_word(port->name).text);
	print_estimator(walk->save->out, port_hook_estimator(port));
	fprintf(walk->save->out, " %s\n", port_hook_kind(port));
	rc = save_chain(&ts, port->ingress, chain_parent(port->ingress));
	return rc != 0 || port->egress == NULL ? rc : save_chain(&ts, port->egress, chain_parent(port->egress));
}

static int
save_bound_root(void *arg, struct port *port)
{
	const struct save *save = arg;
	const struct qdisc *root = sched_root(port->tree);

	if (root != NULL && root->ops->binds_port)
		fprintf(save->out, "tc qdisc add dev %s root handle %x: %s\n", shell_word(port->name).text,
			root->handle >> 16, root->ops->kind);
	return 0;
}

void
save_bound_roots(const struct save *save)
{
	port_walk(save->router, save_bound_root, (void *)(uintptr_t)save);
}

int
save_tc(const struct save *save, struct error *err)
{
	struct tc_walk walk = { save, err };

	if (save_own_actions(save) != 0)
		return error_code(err, ENOMEM);
	return port_walk(save->router, save_port_tc, &walk);
}
