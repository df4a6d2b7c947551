/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * RTM_NEWQDISC, RTM_DELQDISC, RTM_GETQDISC: what `tc qdisc` says. The order in which parent, handle, kind and flags are
 * looked at, and the sentences, are those that Linux 6.1 was seen to give.
 */
#include <stdlib.h>
#include <string.h>

#include <linux/if_ether.h>

#include "tc/tc.h"

#define HOOK_HANDLE 0xffff0000u /* of ingress and clsact */

/* What a message names: the tree place it speaks of and what is there now. */
struct qdisc_request {
	const struct nl_request *req;
	const struct tcmsg *tcm;
	struct port *port;
	char kind[32]; /* empty: not given */
	bool hook; /* ingress or clsact, not the tree */
	struct qdisc *q; /* at the place; NULL: none, or one nobody configured */
	struct qdisc *builtin; /* at the place, made by its parent (handle 0) */
	struct tc_estimator rate;
	bool rate_given;
};

int
tc_port(const struct nl_request *req, struct port **port, struct error *err)
{
	const struct control *c = req->context;
	const struct tcmsg *tcm = req->body;

	*port = port_find(c->router, (uint32_t)tcm->tcm_ifindex);
	return *port != NULL ? 0 : error_code(err, ENODEV);
}

/*
 * The name of the kind at a port's root as Linux prints it: noqueue where sent packets pass at once, noop on a port
 * that never was up.
 */
static const char *
root_kind(const struct port *port)
{
	const struct qdisc *root = sched_root(port->tree);

	if (root != NULL)
		return root->ops->kind;
	return port->activated ? "noqueue" : "noop";
}

/* ---- dump ------------------------------------------------------------------------------------ */

static void
put_head(struct nl_msgs *msgs, uint16_t type, uint16_t flags, const struct port *port, uint32_t parent, uint32_t handle,
	const char *kind)
{
	nl_msg_begin(msgs, type, flags, sizeof(struct tcmsg));
	*(struct tcmsg *)nl_msg_body(msgs) = (struct tcmsg){
		.tcm_family = AF_UNSPEC,
		.tcm_ifindex = (int)port->ifindex,
		.tcm_parent = parent,
		.tcm_handle = handle,
		.tcm_info = parent == TC_H_ROOT ? 2 : 1,
	};
	nl_put_string(msgs, TCA_KIND, kind);
}

/* At its parent `place`. moving: it comes or goes, and has one reference then on Linux. */
static void
put_qdisc_at(struct nl_msgs *msgs, uint16_t type, uint16_t flags, const struct port *port, uint32_t place,
	const struct qdisc *q, bool moving)
{
	const struct qdisc_codec *codec = qdisc_codec_find(q->ops->kind);
	union tc_conf conf = { 0 }, xstats = { 0 };
	bool has_xstats = codec->put_xstats != NULL && q->ops->get_xstats != NULL;
	struct sched_stats stats;

	put_head(msgs, type, flags, port, place, q->handle, q->ops->kind);
	if (codec->one_reference || moving)
		((struct tcmsg *)nl_msg_body(msgs))->tcm_info = 1;
	q->ops->get_conf(q, &conf);
	codec->put(msgs, &conf);
	nl_put_u8(msgs, TCA_HW_OFFLOAD, 0);
	if (q->stab != NULL) {
		size_t nest = nl_nest_start(msgs, TCA_STAB);

		nl_put(msgs, TCA_STAB_BASE, &q->stab->spec, sizeof(q->stab->spec));
		nl_nest_end(msgs, nest);
	}
	qdisc_get_stats(q, &stats);
	if (has_xstats)
		q->ops->get_xstats(q, &xstats);
	tc_put_stats(msgs, &stats, qdisc_get_rate(q), codec->put_xstats, has_xstats ? &xstats : NULL);
	nl_msg_end(msgs);
}

static void
put_qdisc(struct nl_msgs *msgs, uint16_t type, uint16_t flags, const struct port *port, const struct qdisc *q,
	bool moving)
{
	uint32_t place = q->parent == NULL ? TC_H_ROOT : q->place != 0 ? q->place : q->parent->classid;

	put_qdisc_at(msgs, type, flags, port, place, q, moving);
}

static void
put_bare(struct nl_msgs *msgs, uint16_t type, uint16_t flags, const struct port *port, const char *kind)
{
	struct sched_stats stats = { 0 };

	put_head(msgs, type, flags, port, TC_H_ROOT, 0, kind);
	nl_put_u8(msgs, TCA_HW_OFFLOAD, 0);
	tc_put_stats(msgs, &stats, (struct sched_rate){ 0 }, NULL, NULL);
	nl_msg_end(msgs);
}

/* The port's hook qdisc, which is there. */
static void
put_hook(struct nl_msgs *msgs, uint16_t type, const struct port *port)
{
	struct sched_stats stats;

	put_head(msgs, type, 0, port, TC_H_INGRESS, HOOK_HANDLE, port_hook_kind(port));
	nl_nest_end(msgs, nl_nest_start(msgs, TCA_OPTIONS));
	nl_put_u8(msgs, TCA_HW_OFFLOAD, 0);
	port_hook_stats(port, &stats);
	tc_put_stats(msgs, &stats, port_hook_rate(port), NULL, NULL);
	nl_msg_end(msgs);
}

struct dump {
	struct nl_msgs *msgs;
	const struct port *port;
	uint32_t ifindex; /* 0: all */
	bool invisible; /* also what nobody configured */
};

/* Of mq, whose last queue is listed first. */
struct leaves {
	const struct class *of[WORKERS_MAX];
	unsigned int count;
};

static int
note_leaf(void *arg, struct class *c)
{
	struct leaves *leaves = arg;

	if (leaves->count < WORKERS_MAX)
		leaves->of[leaves->count++] = c;
	return 0;
}

static int
dump_qdisc(void *arg, struct qdisc *q)
{
	struct dump *d = arg;
	struct leaves leaves = { 0 };

	if (q->parent == NULL || q->handle != 0 || d->invisible)
		put_qdisc(d->msgs, RTM_NEWQDISC, 0, d->port, q, false);
	if (q->ops->shown_leaf == NULL)
		return 0;
	sched_class_walk(q, note_leaf, &leaves);
	while (leaves.count != 0) {
		const struct class *c = leaves.of[--leaves.count];

		put_qdisc_at(d->msgs, RTM_NEWQDISC, 0, d->port, c->classid, q->ops->shown_leaf(c), false);
	}
	return 0;
}

static int
dump_port(void *arg, struct port *port)
{
	struct dump *d = arg;

	if (d->ifindex != 0 && d->ifindex != port->ifindex)
		return 0;
	d->port = port;
	if (sched_root(port->tree) != NULL)
		sched_qdisc_walk(port->tree, dump_qdisc, d);
	else if (port->activated) /* Linux does not list noop */
		put_bare(d->msgs, RTM_NEWQDISC, 0, port, "noqueue");
	if (port_hook_kind(port) != NULL)
		put_hook(d->msgs, RTM_NEWQDISC, port);
	return 0;
}

static int
qdisc_dump(struct nl_request *req, struct error *err)
{
	const struct control *c = req->context;
	const struct tcmsg *tcm = req->body;
	struct dump d = {
		.msgs = req->reply,
		.ifindex = (uint32_t)tcm->tcm_ifindex,
		.invisible = req->attrs[TCA_DUMP_INVISIBLE] != NULL,
	};

	return port_walk(c->router, dump_port, &d);
}

/* ---- naming ---------------------------------------------------------------------------------- */

static int
find_at_parent(struct qdisc_request *r, uint32_t parent, struct error *err)
{
	struct qdisc *q;

	if (parent == TC_H_ROOT) {
		q = sched_root(r->port->tree);
	} else {
		struct qdisc *above = sched_qdisc_find(r->port->tree, TC_H_MAJ(parent));

		if (above == NULL)
			return error_set(err, ENOENT, "Failed to find specified qdisc.");
		if (above->ops->classes == NULL)
			return error_set(err, EOPNOTSUPP, "Parent qdisc is not classful.");
		if (sched_class_find(above, parent) == NULL)
			return error_set(err, ENOENT, "Specified class not found.");
		q = sched_qdisc_at(r->port->tree, parent);
	}
	if (q != NULL && q->handle != 0)
		r->q = q;
	else
		r->builtin = q;
	return 0;
}

/* Fills r from the message: port, kind, and what is at the named parent (if one is named). */
static int
request_start(struct qdisc_request *r, const struct nl_request *req, struct error *err)
{
	int rc;

	*r = (struct qdisc_request){ .req = req, .tcm = req->body };
	if ((rc = tc_port(req, &r->port, err)) != 0)
		return rc;
	if ((rc = nl_get_string(req->attrs[TCA_KIND], r->kind, sizeof(r->kind), "qdisc kind", err)) != 0)
		return rc;
	r->hook = r->tcm->tcm_parent == TC_H_INGRESS ||
		  (r->tcm->tcm_parent == 0 && TC_H_MAJ(r->tcm->tcm_handle) == HOOK_HANDLE);
	return 0;
}

/* The qdisc that a delete, a get or a change without parent means. */
static int
find_named(struct qdisc_request *r, const char *by_handle, struct error *err)
{
	const struct tcmsg *tcm = r->tcm;
	int rc;

	if (tcm->tcm_parent != 0) {
		if (tcm->tcm_parent != TC_H_ROOT && TC_H_MAJ(tcm->tcm_parent) == HOOK_HANDLE)
			return error_set(err, ENOENT, "Cannot find specified qdisc on specified device.");
		if (tcm->tcm_parent != TC_H_ROOT && sched_qdisc_find(r->port->tree, TC_H_MAJ(tcm->tcm_parent)) == NULL)
			return error_set(err, ENOENT, "Failed to find qdisc with specified classid.");
		if ((rc = find_at_parent(r, tcm->tcm_parent, err)) != 0)
			return rc;
		if (r->q == NULL && r->builtin == NULL && tcm->tcm_parent != TC_H_ROOT)
			return error_set(err, ENOENT, "Cannot find specified qdisc on specified device.");
		if (tcm->tcm_handle != 0 && (r->q == NULL || r->q->handle != tcm->tcm_handle))
			return error_set(err, EINVAL, "Invalid handle.");
	} else {
		r->q = sched_qdisc_find(r->port->tree, tcm->tcm_handle);
		if (r->q == NULL)
			return error_set(err, ENOENT, "%s", by_handle);
	}
	const struct qdisc *found = r->q != NULL ? r->q : r->builtin;

	if (r->kind[0] != '\0' && found != NULL && strcmp(r->kind, found->ops->kind) != 0)
		return error_set(err, EINVAL, "Invalid qdisc name.");
	return 0;
}

static void
notify(const struct qdisc_request *r, struct nl_msgs *msgs)
{
	nl_notify(r->req->server, RTNLGRP_TC, msgs, r->req);
	nl_msgs_destroy(msgs);
}

/* What goes takes the filters at `parent` with it. */
static void
notify_chain_gone(const struct qdisc_request *r, uint32_t parent)
{
	struct nl_msgs *msgs = nl_msgs_create();

	nl_msg_begin(msgs, RTM_DELCHAIN, 0, sizeof(struct tcmsg));
	*(struct tcmsg *)nl_msg_body(msgs) =
		(struct tcmsg){ .tcm_family = AF_UNSPEC, .tcm_ifindex = (int)r->port->ifindex, .tcm_parent = parent };
	nl_put_u32(msgs, TCA_CHAIN, 0);
	nl_msg_end(msgs);
	notify(r, msgs);
}

/* ---- the hooks: ingress and clsact -------------------------------------------------------------- */

static void
notify_hook(const struct qdisc_request *r, uint16_t type)
{
	struct nl_msgs *msgs = nl_msgs_create();

	put_hook(msgs, type, r->port);
	notify(r, msgs);
}

/* What is at ffff:fff1; ENOENT or, where something was there once, EINVAL. */
static int
find_hook(const struct qdisc_request *r, struct error *err)
{
	if (port_hook_kind(r->port) == NULL)
		return r->port->was_hooked && r->tcm->tcm_handle != 0
			       ? error_set(err, EINVAL, "Invalid handle.")
			       : error_set(err, ENOENT, "Cannot find specified qdisc on specified device.");
	if (r->kind[0] != '\0' && strcmp(r->kind, port_hook_kind(r->port)) != 0)
		return error_set(err, EINVAL, "Invalid qdisc name.");
	return 0;
}

/* Chains that several qdiscs share are not offered; where there are no hooks, Linux has none either. */
static int
refuse_blocks(const struct qdisc_request *r, struct error *err)
{
	bool ingress = r->req->attrs[TCA_INGRESS_BLOCK] != NULL;

	if (!ingress && r->req->attrs[TCA_EGRESS_BLOCK] == NULL)
		return 0;
	if (r->hook)
		return error_set(
			err, EOPNOTSUPP, "shared blocks are not offered here; each port has filters of its own.");
	return error_set(err, EOPNOTSUPP, "%s block sharing is not supported.", ingress ? "Ingress" : "Egress");
}

static int
hook_new(struct qdisc_request *r, struct error *err)
{
	uint16_t flags = r->req->header->nlmsg_flags;
	int rc;

	if (port_hook_kind(r->port) != NULL) {
		if ((flags & NLM_F_EXCL) != 0)
			return error_set(err, EEXIST, "Exclusivity flag on, cannot modify.");
		if ((rc = find_hook(r, err)) != 0 || !r->rate_given)
			return rc;
		if ((rc = port_estimate_hook(r->port, &r->rate, err)) == 0)
			notify_hook(r, RTM_NEWQDISC);
		return rc;
	}
	if ((flags & NLM_F_CREATE) == 0)
		return error_set(err, ENOENT, "Qdisc not found. To create specify NLM_F_CREATE flag.");
	if (sched_qdisc_find(r->port->tree, HOOK_HANDLE) != NULL)
		return error_set(err, EINVAL, "Cannot move an existing qdisc to a different parent.");
	if (strcmp(r->kind, "ingress") != 0 && strcmp(r->kind, "clsact") != 0)
		return qdisc_find_ops(r->kind) == NULL
			       ? error_set(err, ENOENT, "Specified qdisc kind is unknown.")
			       : error_set(
					 err, EINVAL, "Specified parent ID is reserved for ingress and clsact Qdiscs.");
	if ((rc = refuse_blocks(r, err)) != 0 || (rc = port_set_hook(r->port, r->kind, err)) != 0)
		return rc;
	if (r->rate_given && (rc = port_estimate_hook(r->port, &r->rate, err)) != 0) {
		port_set_hook(r->port, NULL, NULL);
		return rc;
	}
	notify_hook(r, RTM_NEWQDISC);
	return 0;
}

static int
hook_delete(struct qdisc_request *r, struct error *err)
{
	int rc = find_hook(r, err);

	if (rc != 0)
		return rc;
	notify_hook(r, RTM_DELQDISC);
	if (!chain_empty(r->port->ingress))
		notify_chain_gone(r, chain_parent(r->port->ingress));
	if (r->port->egress != NULL && !chain_empty(r->port->egress))
		notify_chain_gone(r, chain_parent(r->port->egress));
	return port_set_hook(r->port, NULL, err);
}

/* ffff:fff2 and fff3 are no places for a qdisc, and ingress answers to any minor; ENOENT where there is no hook. */
static int
refuse_below_hook(const struct qdisc_request *r, struct error *err)
{
	const char *kind = port_hook_kind(r->port);
	uint32_t minor = TC_H_MIN(r->tcm->tcm_parent);

	if (kind == NULL)
		return error_set(err, ENOENT, "Failed to find specified qdisc.");
	if (strcmp(kind, "clsact") == 0 && minor != TC_H_MIN_INGRESS && minor != TC_H_MIN_EGRESS)
		return error_set(err, ENOENT, "Specified class not found.");
	return error_set(err, EOPNOTSUPP, "%s holds filters, and no qdisc can stand below it.", kind);
}

/* ---- new, change, replace -------------------------------------------------------------------- */

#define STAB_LOG_MAX 30 /* of a cell's bytes, and of what an entry counts in */

static int
parse_stab(const struct nlattr *attr, struct sched_stab *stab, struct error *err)
{
	const struct nlattr *tb[TCA_STAB_MAX + 1];
	uint32_t bytes;
	int rc;

	if (attr == NULL)
		return 0;
	if ((rc = nl_get_nest(attr, tb, TCA_STAB_MAX, err)) != 0)
		return rc;
	if (tb[TCA_STAB_BASE] == NULL)
		return error_set(err, EINVAL, "Size table base attribute is missing");
	if ((rc = struct_parse(tb[TCA_STAB_BASE], &stab->spec, sizeof(stab->spec), "size table", err)) != 0)
		return rc;
	if (stab->spec.tsize != 0 && tb[TCA_STAB_DATA] == NULL)
		return error_set(err, EINVAL, "Size table data attribute is missing");
	if (stab->spec.cell_log > STAB_LOG_MAX || stab->spec.size_log > STAB_LOG_MAX)
		return error_set(err, EINVAL, "Invalid logarithmic size of size table: %u and %u, at most %d may be",
			stab->spec.cell_log, stab->spec.size_log, STAB_LOG_MAX);
	/* Linux looks at no data beside a spec that announces none. */
	bytes = stab->spec.tsize == 0 ? 0 : mnl_attr_get_payload_len(tb[TCA_STAB_DATA]);
	if (stab->spec.tsize != bytes / sizeof(uint16_t))
		return error_set(err, EINVAL, "Invalid size of size table: %u entries are announced, %zu are there",
			stab->spec.tsize, bytes / sizeof(uint16_t));
	if (bytes != 0) {
		stab->data = malloc(bytes);
		if (stab->data == NULL)
			return error_code(err, ENOMEM);
		memcpy(stab->data, mnl_attr_get_payload(tb[TCA_STAB_DATA]), bytes);
	}
	stab->set = true;
	return 0;
}

/* Options as the kind's conf; *given is NULL where there were none. */
static int
parse_options(const struct nl_request *req, const struct qdisc_ops *ops, union tc_conf *conf, const void **given,
	struct error *err)
{
	const struct nlattr *options = req->attrs[TCA_OPTIONS];

	*given = NULL;
	if (ops->conf_size > sizeof(*conf))
		abort();
	memset(conf, 0, sizeof(*conf));
	/* tc sends an empty nest where there were no options on the command line. */
	if (options == NULL || mnl_attr_get_payload_len(options) == 0)
		return 0;
	*given = conf;
	return qdisc_codec_find(ops->kind)->parse(options, conf, err);
}

/* What `tc monitor` is told when a qdisc gives its place to another. */
struct farewell {
	struct nl_msgs *qdisc; /* NULL: there was none that dumps list */
	uint32_t chain_parent; /* of filters that go with it; 0: none */
};

/* Of what is about to go: a default root, too, though nobody had configured it. */
static struct farewell
note_deleted(const struct qdisc_request *r)
{
	const struct qdisc *old = r->q != NULL || r->tcm->tcm_parent != TC_H_ROOT ? r->q : r->builtin;
	struct farewell farewell = { 0 };

	if (old == NULL)
		return farewell;
	farewell.qdisc = nl_msgs_create();
	put_qdisc(farewell.qdisc, RTM_DELQDISC, 0, r->port, old, true);
	if (old->chain != NULL && !chain_empty(old->chain))
		farewell.chain_parent = old->handle;
	return farewell;
}

static void
notify_grafted(const struct qdisc_request *r, struct farewell farewell, const struct qdisc *made)
{
	struct nl_msgs *msgs = farewell.qdisc != NULL ? farewell.qdisc : nl_msgs_create();

	if (made != NULL)
		put_qdisc(msgs, RTM_NEWQDISC, (uint16_t)(farewell.qdisc != NULL ? NLM_F_REPLACE : 0), r->port, made,
			true);
	notify(r, msgs);
	if (farewell.chain_parent != 0)
		notify_chain_gone(r, farewell.chain_parent);
}

static int
create_and_graft(struct qdisc_request *r, struct error *err)
{
	const struct qdisc_ops *ops = r->kind[0] == '\0' ? NULL : qdisc_find_ops(r->kind);
	struct sched_stab stab = { 0 };
	struct farewell farewell;
	struct qdisc *made;
	union tc_conf conf;
	const void *given;
	int rc;

	if ((r->req->header->nlmsg_flags & NLM_F_CREATE) == 0)
		return error_set(err, ENOENT, "Qdisc not found. To create specify NLM_F_CREATE flag.");
	if (ops == NULL || qdisc_codec_find(r->kind) == NULL)
		return error_set(err, ENOENT, "Specified qdisc kind is unknown.");
	if ((rc = refuse_blocks(r, err)) != 0 || (rc = parse_options(r->req, ops, &conf, &given, err)) != 0 ||
		(rc = parse_stab(r->req->attrs[TCA_STAB], &stab, err)) != 0)
		return rc;
	farewell = note_deleted(r);
	rc = sched_qdisc_add(r->port->tree,
		&(struct qdisc_spec){
			.parent = r->tcm->tcm_parent,
			.handle = TC_H_MAJ(r->tcm->tcm_handle),
			.kind = r->kind,
			.conf = given,
			.stab = stab.set ? &stab : NULL,
		},
		&made, err);
	free(stab.data); /* the scheduler has a copy */
	if (rc != 0) {
		if (farewell.qdisc != NULL)
			nl_msgs_destroy(farewell.qdisc);
		return rc;
	}
	if (r->rate_given)
		rc = sched_qdisc_estimate(made, &r->rate, err);
	notify_grafted(r, farewell, made);
	return rc;
}

static int
change(struct qdisc_request *r, struct error *err)
{
	struct sched_stab stab = { 0 };
	union tc_conf conf;
	struct nl_msgs *msgs;
	const void *given;
	int rc;

	if (r->q == NULL)
		return error_set(err, ENOENT, "Specified qdisc not found.");
	if ((r->req->header->nlmsg_flags & NLM_F_EXCL) != 0)
		return error_set(err, EEXIST, "Exclusivity flag on, cannot modify.");
	if (r->kind[0] != '\0' && strcmp(r->kind, r->q->ops->kind) != 0)
		return error_set(err, EINVAL, "Invalid qdisc name.");
	if ((rc = parse_options(r->req, r->q->ops, &conf, &given, err)) != 0 ||
		(rc = parse_stab(r->req->attrs[TCA_STAB], &stab, err)) != 0)
		return rc;
	if (given != NULL) {
		if (r->q->ops->change == NULL)
			rc = error_set(err, EINVAL, "Change operation not supported by specified qdisc.");
		else
			rc = sched_qdisc_change(r->q, given, err);
	}
	if (rc == 0 && (stab.set || r->q->stab != NULL)) /* a change without one takes it away */
		rc = sched_qdisc_set_stab(r->q, &stab, err);
	if (rc == 0 && r->rate_given)
		rc = sched_qdisc_estimate(r->q, &r->rate, err);
	free(stab.data);
	if (rc != 0)
		return rc;
	msgs = nl_msgs_create();
	put_qdisc(msgs, RTM_NEWQDISC, 0, r->port, r->q, false);
	notify(r, msgs);
	return 0;
}

/* A parent is named and so is a handle, which is not what is there. */
static int
new_with_handle(struct qdisc_request *r, struct error *err)
{
	uint16_t flags = r->req->header->nlmsg_flags;
	struct qdisc *named;

	if (r->q != NULL && (flags & NLM_F_REPLACE) == 0)
		return error_set(err, EEXIST, "NLM_F_REPLACE needed to override.");
	named = sched_qdisc_find(r->port->tree, TC_H_MAJ(r->tcm->tcm_handle));
	if (named == NULL)
		return create_and_graft(r, err);
	if ((flags & NLM_F_EXCL) != 0)
		return error_set(err, EEXIST, "Exclusivity flag on, cannot override.");
	if (r->kind[0] != '\0' && strcmp(r->kind, named->ops->kind) != 0)
		return error_set(err, EINVAL, "Invalid qdisc name.");
	return error_set(err, EINVAL, "Cannot move an existing qdisc to a different parent.");
}

static int
qdisc_new(struct nl_request *req, struct error *err)
{
	uint16_t flags = req->header->nlmsg_flags;
	struct qdisc_request r;
	int rc = request_start(&r, req, err);

	if (rc != 0)
		return rc;
	if ((rc = tc_parse_rate(req->attrs[TCA_RATE], &r.rate, &r.rate_given, err)) != 0)
		return rc;
	if (r.hook)
		return hook_new(&r, err);
	if (r.tcm->tcm_parent == 0) {
		if (r.tcm->tcm_handle == 0)
			return error_set(err, EINVAL, "Handle cannot be zero.");
		r.q = sched_qdisc_find(r.port->tree, TC_H_MAJ(r.tcm->tcm_handle));
		return change(&r, err);
	}
	if (TC_H_MAJ(r.tcm->tcm_parent) == HOOK_HANDLE && r.tcm->tcm_parent != TC_H_ROOT)
		return refuse_below_hook(&r, err);
	if (TC_H_MAJ(r.tcm->tcm_handle) == HOOK_HANDLE && port_hook_kind(r.port) != NULL)
		return error_set(err, EINVAL, "Cannot move an existing qdisc to a different parent.");
	if ((rc = find_at_parent(&r, r.tcm->tcm_parent, err)) != 0)
		return rc;
	if (r.tcm->tcm_handle != 0 && (r.q == NULL || r.q->handle != TC_H_MAJ(r.tcm->tcm_handle)))
		return new_with_handle(&r, err);
	if (r.q == NULL)
		return create_and_graft(&r, err);
	/* `replace` without a handle changes a qdisc of the same kind and takes the place of another. */
	if (r.tcm->tcm_handle == 0 && (flags & NLM_F_CREATE) != 0 && (flags & NLM_F_REPLACE) != 0 &&
		r.kind[0] != '\0' && strcmp(r.kind, r.q->ops->kind) != 0)
		return create_and_graft(&r, err);
	return change(&r, err);
}

static int
qdisc_delete(struct nl_request *req, struct error *err)
{
	struct farewell farewell;
	struct qdisc_request r;
	int rc = request_start(&r, req, err);

	if (rc != 0)
		return rc;
	if (r.hook)
		return hook_delete(&r, err);
	if ((rc = find_named(&r, "Failed to find qdisc with specified handle.", err)) != 0)
		return rc;
	if (r.tcm->tcm_parent == 0)
		return error_set(err, EINVAL, "Classid cannot be zero.");
	if (r.q == NULL)
		return error_set(err, ENOENT, "Cannot delete qdisc with handle of zero.");
	farewell = note_deleted(&r);
	if ((rc = sched_qdisc_delete(r.q, err)) != 0) {
		nl_msgs_destroy(farewell.qdisc);
		return rc;
	}
	notify_grafted(&r, farewell, NULL);
	return 0;
}

static int
qdisc_get(struct nl_request *req, struct error *err)
{
	struct qdisc_request r;
	int rc = request_start(&r, req, err);

	if (rc != 0)
		return rc;
	if (r.hook) {
		if ((rc = find_hook(&r, err)) == 0)
			put_hook(req->reply, RTM_NEWQDISC, r.port);
		return rc;
	}
	if ((rc = find_named(&r, "Failed to find qdisc with specified handle.", err)) != 0)
		return rc;
	if (r.q == NULL && r.builtin == NULL)
		put_bare(req->reply, RTM_NEWQDISC, 0, r.port, root_kind(r.port));
	else
		put_qdisc(req->reply, RTM_NEWQDISC, 0, r.port, r.q != NULL ? r.q : r.builtin, false);
	return 0;
}

static const struct nl_handler qdisc_handlers[] = {
	{ RTM_NEWQDISC, sizeof(struct tcmsg), TCA_MAX, NL_WRITE, .do_one = qdisc_new },
	{ RTM_DELQDISC, sizeof(struct tcmsg), TCA_MAX, NL_WRITE, .do_one = qdisc_delete },
	{ RTM_GETQDISC, sizeof(struct tcmsg), TCA_MAX, 0, .do_one = qdisc_get, .dump = qdisc_dump },
};
NL_REGISTER(qdisc_handlers)
