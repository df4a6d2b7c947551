/* SPDX-License-Identifier: BSD-3-Clause */
/* RTM_NEWTCLASS, RTM_DELTCLASS, RTM_GETTCLASS: what `tc class` says. */
#include <stdlib.h>
#include <string.h>

#include "tc/tc.h"

static uint32_t
shown_parent(const struct class *c, const struct class_codec *codec)
{
	if (c->parent != NULL)
		return c->parent->classid;
	/* Minor 0 is the qdisc's own class (cbq's link, hfsc's root), or a row like the others (dsmark). */
	bool own = TC_H_MIN(c->classid) == 0 && c->qdisc->ops->classes->reset_row == NULL;

	return codec->top_is_root || own ? TC_H_ROOT : c->qdisc->handle;
}

static void
put_class(struct nl_msgs *msgs, uint16_t type, const struct port *port, const struct class *c)
{
	static const struct class_codec none = { 0 };
	const struct class_ops *ops = c->qdisc->ops->classes;
	const struct qdisc_codec *qdisc_codec = qdisc_codec_find(c->qdisc->ops->kind);
	const struct class_codec *codec = qdisc_codec->classes != NULL ? qdisc_codec->classes : &none;
	bool has_xstats = codec->put_xstats != NULL && ops->get_xstats != NULL;
	union tc_conf conf = { 0 }, xstats = { 0 };
	struct sched_stats stats;

	nl_msg_begin(msgs, type, 0, sizeof(struct tcmsg));
	*(struct tcmsg *)nl_msg_body(msgs) = (struct tcmsg){
		.tcm_family = AF_UNSPEC,
		.tcm_ifindex = (int)port->ifindex,
		.tcm_parent = shown_parent(c, codec),
		.tcm_handle = c->classid,
		.tcm_info = c->leaf != NULL ? c->leaf->handle : 0,
	};
	nl_put_string(msgs, TCA_KIND, c->qdisc->ops->kind);
	if (codec->put != NULL) {
		ops->get_conf(c, &conf);
		codec->put(msgs, &conf);
	}
	if (!codec->silent) {
		class_get_stats(c, &stats);
		if (has_xstats)
			ops->get_xstats(c, &xstats);
		(codec->queue_only ? tc_put_queue_stats : tc_put_stats)(
			msgs, &stats, class_get_rate(c), codec->put_xstats, has_xstats ? &xstats : NULL);
	} else {
		/* Empty, as on Linux: tc ends the class's entry with an empty line for it. */
		nl_nest_end(msgs, nl_nest_start(msgs, TCA_STATS2));
	}
	nl_msg_end(msgs);
}

static void
notify(const struct nl_request *req, struct nl_msgs *msgs)
{
	if (nl_msgs_bytes(msgs) != 0)
		nl_notify(req->server, RTNLGRP_TC, msgs, req);
	nl_msgs_destroy(msgs);
}

struct dump {
	struct nl_msgs *msgs;
	const struct port *port;
	uint32_t parent; /* 0: all */
};

static int
dump_class(void *arg, struct class *c)
{
	const struct class_ops *ops = c->qdisc->ops->classes;
	struct dump *d = arg;

	if (ops->is_listed == NULL || ops->is_listed(c))
		put_class(d->msgs, RTM_NEWTCLASS, d->port, c);
	return 0;
}

static int
dump_qdisc(void *arg, struct qdisc *q)
{
	struct dump *d = arg;

	if (q->ops->classes == NULL ||
		(q->ops->classes->leaf_optional && sched_class_find(q, q->handle | 1)->leaf == NULL))
		return 0;
	/* 'class show root' names no qdisc, and lists none. */
	if (d->parent != 0 && TC_H_MAJ(d->parent) != q->handle)
		return 0;
	return sched_class_walk(q, dump_class, d);
}

static int
class_dump(struct nl_request *req, struct error *err)
{
	const struct tcmsg *tcm = req->body;
	struct dump d = { .msgs = req->reply, .parent = tcm->tcm_parent };
	struct port *port;

	/* Linux answers a device that is not there with an empty list. */
	if (tc_port(req, &port, err) != 0) {
		*err = (struct error){ 0 };
		return 0;
	}
	d.port = port;
	return sched_qdisc_walk(port->tree, dump_qdisc, &d);
}

/*
 * The qdisc, the class id and the parent that a message means: a part left out is taken from the other or from the root
 * qdisc, and the majors must agree.
 */
struct class_request {
	struct port *port;
	struct qdisc *q;
	uint32_t classid, parentid;
	struct class *c; /* NULL: not there yet */
};

/* With the words of the bare errno, which scripts may look for. */
static int
not_there(const struct class_request *r, struct error *err)
{
	return error_set(err, ENOENT, "No such file or directory: there is no class %x:%x", TC_H_MAJ(r->classid) >> 16,
		TC_H_MIN(r->classid));
}

static int
request_start(struct class_request *r, const struct nl_request *req, struct error *err)
{
	const struct tcmsg *tcm = req->body;
	const struct qdisc *root;
	uint32_t major = TC_H_MAJ(tcm->tcm_handle);
	int rc;

	*r = (struct class_request){ .classid = tcm->tcm_handle, .parentid = tcm->tcm_parent };
	if ((rc = tc_port(req, &r->port, err)) != 0)
		return rc;
	root = sched_root(r->port->tree);
	if (r->parentid != TC_H_ROOT) {
		uint32_t parent_major = TC_H_MAJ(r->parentid);

		if (major != 0 && parent_major != 0 && major != parent_major)
			return error_set(err, EINVAL, "Class %x:%x cannot be below %x:%x: both must be of one qdisc",
				major >> 16, TC_H_MIN(r->classid), parent_major >> 16, TC_H_MIN(r->parentid));
		if (major == 0)
			major = parent_major;
	}
	if (major == 0 && root != NULL)
		major = root->handle;
	if (r->parentid != TC_H_ROOT && r->parentid != 0)
		r->parentid = TC_H_MAKE(major, r->parentid);
	r->q = major == 0 ? NULL : sched_qdisc_find(r->port->tree, major);
	if (r->q == NULL)
		return error_set(err, ENOENT, "No such file or directory: there is no qdisc %x: for a class to be of",
			major >> 16);
	if (r->q->ops->classes == NULL)
		return error_set(err, EINVAL, "Qdisc \"%s\" %x: has no classes: classes go under htb, for one",
			r->q->ops->kind, r->q->handle >> 16);
	if (r->classid == 0 && r->parentid == TC_H_ROOT)
		r->classid = major;
	else if (r->classid != 0)
		r->classid = TC_H_MAKE(major, r->classid);
	r->c = sched_class_find(r->q, r->classid);
	return 0;
}

/* One class into msgs: the object, or the row of the snapshot that has this id. */
struct one_class {
	struct nl_msgs *msgs;
	uint16_t type;
	const struct class_request *request;
};

static int
put_row(void *arg, struct class *row)
{
	const struct one_class *one = arg;

	if (row->classid == one->request->classid)
		put_class(one->msgs, one->type, one->request->port, row);
	return 0;
}

static void
put_one(struct nl_msgs *msgs, uint16_t type, const struct class_request *r)
{
	struct one_class one = { msgs, type, r };

	if (r->q->ops->classes->change_row != NULL)
		sched_class_walk(r->q, put_row, &one);
	else
		put_class(msgs, type, r->port, r->c);
}

/* The hooks' classes, ffff:1 and the like, are names and nothing else. */
static bool
of_hook(const struct class_request *r, const struct nl_request *req)
{
	const struct tcmsg *tcm = req->body;

	return r->port != NULL && port_hook_kind(r->port) != NULL && TC_H_MAJ(tcm->tcm_handle) == TC_H_MAJ(TC_H_CLSACT);
}

static int
class_new(struct nl_request *req, struct error *err)
{
	uint16_t flags = req->header->nlmsg_flags;
	const struct class_codec *codec;
	struct class_spec spec;
	struct class_request r;
	union tc_conf conf = { 0 };
	struct tc_estimator rate;
	bool rate_given;
	char kind[32];
	int rc;

	if ((rc = nl_get_string(req->attrs[TCA_KIND], kind, sizeof(kind), "class kind", err)) != 0 ||
		(rc = request_start(&r, req, err)) != 0)
		return rc == -ENOENT && of_hook(&r, req) ? error_code(err, EOPNOTSUPP) : rc;
	if (r.c == NULL && (flags & NLM_F_CREATE) == 0)
		return not_there(&r, err);
	if (r.c != NULL && (flags & NLM_F_EXCL) != 0)
		return error_set(err, EEXIST, "File exists: class %x:%x is there; change or replace alters it",
			TC_H_MAJ(r.classid) >> 16, TC_H_MIN(r.classid));
	codec = qdisc_codec_find(r.q->ops->kind)->classes;
	if (codec == NULL || codec->parse == NULL)
		return error_code(err, EOPNOTSUPP);
	if (kind[0] != '\0' && strcmp(kind, r.q->ops->kind) != 0)
		return error_set(err, EINVAL, "Qdisc %x: is %s, its classes take the options of %s, not of %s",
			r.q->handle >> 16, r.q->ops->kind, r.q->ops->kind, kind);
	if ((rc = tc_parse_rate(req->attrs[TCA_RATE], &rate, &rate_given, err)) != 0)
		return rc;
	if (r.q->ops->classes->conf_size > sizeof(conf))
		abort();
	if ((rc = codec->parse(req->attrs[TCA_OPTIONS], &conf, err)) != 0)
		return rc;
	spec = (struct class_spec){ .parentid = r.parentid, .classid = r.classid, .conf = &conf };
	rc = r.c == NULL ? sched_class_add(r.q, &spec, &r.c, err) : sched_class_change(r.c, &spec, err);
	if (rc == 0 && rate_given && r.q->ops->classes->change_row == NULL) /* rows have none */
		rc = sched_class_estimate(r.c, &rate, err);
	if (rc == 0) {
		struct nl_msgs *msgs = nl_msgs_create();

		put_one(msgs, RTM_NEWTCLASS, &r);
		notify(req, msgs);
	}
	return rc;
}

static int
class_delete(struct nl_request *req, struct error *err)
{
	struct class_request r;
	struct nl_msgs *msgs;
	int rc = request_start(&r, req, err);

	if (rc != 0)
		return rc;
	if (r.c == NULL)
		return not_there(&r, err);
	msgs = nl_msgs_create();
	put_one(msgs, RTM_DELTCLASS, &r);
	rc = r.q->ops->classes->reset_row != NULL ? sched_class_reset(r.q, r.classid, err)
						  : sched_class_delete(r.c, err);
	if (rc != 0)
		nl_msgs_destroy(msgs);
	else
		notify(req, msgs);
	return rc;
}

static int
class_get(struct nl_request *req, struct error *err)
{
	struct class_request r;
	int rc = request_start(&r, req, err);

	if (rc != 0)
		return rc;
	if (r.c == NULL)
		return not_there(&r, err);
	put_one(req->reply, RTM_NEWTCLASS, &r);
	return 0;
}

static const struct nl_handler class_handlers[] = {
	{ RTM_NEWTCLASS, sizeof(struct tcmsg), TCA_MAX, NL_WRITE, .do_one = class_new },
	{ RTM_DELTCLASS, sizeof(struct tcmsg), TCA_MAX, NL_WRITE, .do_one = class_delete },
	{ RTM_GETTCLASS, sizeof(struct tcmsg), TCA_MAX, 0, .do_one = class_get, .dump = class_dump },
};
NL_REGISTER(class_handlers)
