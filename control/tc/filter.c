/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * RTM_NEWTFILTER, RTM_DELTFILTER, RTM_GETTFILTER and RTM_GETCHAIN: what `tc filter` and `tc chain` say. The order in
 * which things are looked at, and the sentences, are those that Linux 6.1 was seen to give.
 */
#include <stdlib.h>
#include <string.h>

#include <linux/pkt_sched.h>

#include "tc/codec.h"
#include "tc/tc.h"

#define HOOK_MAJOR 0xffff0000u /* TC_H_INGRESS, TC_H_CLSACT */
#define CHAIN_MAX  0x0fffffffu /* what `goto chain` can say */

static const struct filter_codec *codecs[32];

void
filter_codec_register(const struct filter_codec *codec)
{
	for (size_t i = 0; i < RTE_DIM(codecs); i++)
		if (codecs[i] == NULL) {
			codecs[i] = codec;
			return;
		}
	abort();
}

const struct filter_codec *
filter_codec_find(const char *kind)
{
	for (size_t i = 0; i < RTE_DIM(codecs) && codecs[i] != NULL; i++)
		if (strcmp(codecs[i]->kind, kind) == 0)
			return codecs[i];
	return NULL;
}

int
hardware_flags_check(const char *kind, uint32_t flags, const struct actions *actions, struct error *err)
{
	const uint32_t both = TCA_CLS_FLAGS_SKIP_HW | TCA_CLS_FLAGS_SKIP_SW;

	if ((flags & ~(both | TCA_CLS_FLAGS_VERBOSE)) != 0 || (flags & both) == both)
		return error_set(err, EINVAL, "%s: flags 0x%x; skip_hw or skip_sw may be given, not both", kind, flags);
	if ((flags & TCA_CLS_FLAGS_SKIP_SW) != 0)
		return error_set(err, EOPNOTSUPP,
			"%s: 'skip_sw' leaves the filter to hardware, and no port here has any for it", kind);
	/* An action that stands by itself has its own mind about hardware; the words are Linux's. */
	for (unsigned int i = 0; i < actions->n; i++) {
		const struct action *action = action_find(actions->specs[i].kind, actions->specs[i].index);

		if (action != NULL && action_refs(action) != action_binds(action) &&
			((flags & TCA_CLS_FLAGS_SKIP_HW) != 0) != ((action_flags(action) & TCA_ACT_FLAGS_SKIP_HW) != 0))
			return error_set(err, EINVAL, "Mismatch between action and filter offload flags");
	}
	return 0;
}

void
save_classid(FILE *out, const char *word, uint32_t classid)
{
	fprintf(out, " %s %x:%x", word, TC_H_MAJ(classid) >> 16, TC_H_MIN(classid));
}

int
indev_parse(const struct control *control, const struct nlattr *attr, uint32_t *ifindex, struct error *err)
{
	char name[IF_NAMESIZE];
	const struct port *port;
	int rc;

	*ifindex = 0;
	if (attr == NULL)
		return 0;
	if ((rc = nl_get_string(attr, name, sizeof(name), "Interface name", err)) != 0)
		return rc;
	port = port_find_name(control->router, name);
	if (port == NULL)
		return error_set(err, ENODEV, "Network device not found");
	*ifindex = port->ifindex;
	return 0;
}

void
indev_put(struct nl_msgs *msgs, const struct control *control, uint16_t attr, uint32_t ifindex)
{
	const struct port *port = ifindex != 0 ? port_find(control->router, ifindex) : NULL;

	if (port != NULL)
		nl_put_string(msgs, attr, port->name);
}

void
indev_save(const struct save *save, uint32_t ifindex)
{
	if (ifindex != 0)
		fprintf(save->out, " indev %s", save_port_name(save, ifindex).text);
}

/* ---- messages -------------------------------------------------------------------------------- */

/* Where the filters of a message live. */
struct place {
	const struct control *control;
	const struct nl_request *req;
	const struct tcmsg *tcm;
	struct port *port;
	struct chain *chain;
	struct chain *elder; /* the qdisc's own, where chain is a class's */
	uint32_t parent; /* as dumps name it */
	bool hook; /* ingress or egress, not the tree */
};

static void
put_head(struct nl_msgs *msgs, uint16_t type, uint16_t flags, const struct place *place, uint32_t info)
{
	nl_msg_begin(msgs, type, flags, sizeof(struct tcmsg));
	*(struct tcmsg *)nl_msg_body(msgs) = (struct tcmsg){
		.tcm_family = AF_UNSPEC,
		.tcm_ifindex = (int)place->port->ifindex,
		.tcm_parent = chain_parent(place->chain),
		.tcm_info = info,
	};
}

static void
put_filter(
	struct nl_msgs *msgs, uint16_t type, uint16_t flags, const struct place *place, const struct filter_info *info)
{
	put_head(msgs, type, flags, place, TC_H_MAKE(info->preference << 16, info->protocol));
	((struct tcmsg *)nl_msg_body(msgs))->tcm_handle = info->handle;
	nl_put_string(msgs, TCA_KIND, info->kind);
	nl_put_u32(msgs, TCA_CHAIN, info->chain);
	if (info->filter != NULL)
		filter_codec_find(info->kind)->put(msgs, place->control, info);
	nl_msg_end(msgs);
}

static void
put_chain(struct nl_msgs *msgs, uint16_t type, uint16_t flags, const struct place *place, uint32_t index)
{
	struct chain_template template = chain_template_of(place->chain, index);

	put_head(msgs, type, flags, place, 0);
	/* A chain is said to be the qdisc's, whichever of its hooks or classes was named. */
	((struct tcmsg *)nl_msg_body(msgs))->tcm_parent = TC_H_MAJ(place->parent);
	nl_put_u32(msgs, TCA_CHAIN, index);
	if (template.kind != NULL) {
		nl_put_string(msgs, TCA_KIND, template.kind);
		filter_codec_find(template.kind)->put_template(msgs, place->control, template.conf);
	}
	nl_msg_end(msgs);
}

static void
notify(const struct place *place, struct nl_msgs *msgs)
{
	if (nl_msgs_bytes(msgs) != 0)
		nl_notify(place->req->server, RTNLGRP_TC, msgs, place->req);
	nl_msgs_destroy(msgs);
}

/* A chain comes with its first filter and goes with its last, if it was not asked for: `tc monitor` tells of both. */
static void
notify_chain(const struct place *place, uint16_t type, uint32_t index)
{
	struct nl_msgs *msgs = nl_msgs_create();

	put_chain(msgs, type, type == RTM_NEWCHAIN ? NLM_F_CREATE | NLM_F_EXCL : 0, place, index);
	notify(place, msgs);
}

/* ---- naming ---------------------------------------------------------------------------------- */

static bool
is_hook(uint32_t parent)
{
	return TC_H_MAJ(parent) == HOOK_MAJOR && parent != TC_H_ROOT;
}

/*
 * Of an ingress qdisc any minor names the one hook there is, as on Linux; but for the egress hook's, which Linux takes
 * for ingress too, and the user would not. Of clsact, ffff:fff2 and ffff:fff3 do.
 */
static int
find_hook(struct place *place, struct error *err)
{
	const char *kind = port_hook_kind(place->port);
	uint32_t minor = TC_H_MIN(place->tcm->tcm_parent);

	place->hook = true;
	place->parent = place->tcm->tcm_parent;
	if (kind == NULL)
		return error_set(err, EINVAL, "Parent Qdisc doesn't exists");
	if (strcmp(kind, "clsact") == 0) {
		if (minor == 0)
			return error_code(err, EINVAL);
		if (minor != TC_H_MIN_INGRESS && minor != TC_H_MIN_EGRESS)
			return error_set(err, EINVAL, "Specified class doesn't exist");
	} else if (minor == TC_H_MIN_EGRESS) {
		return error_set(err, EOPNOTSUPP,
			"an ingress qdisc has no egress hook: delete it and add clsact, which has both");
	}
	place->chain = minor == TC_H_MIN_EGRESS ? place->port->egress : place->port->ingress;
	chain_set_handle(place->chain, HOOK_MAJOR);
	return 0;
}

static int
find_in_tree(struct place *place, struct error *err)
{
	uint32_t parent = place->tcm->tcm_parent;
	const struct qdisc *q;

	if (parent == TC_H_ROOT)
		return error_set(err, EINVAL, "Parent Qdisc doesn't exists");
	q = parent == 0 ? sched_root(place->port->tree) : sched_qdisc_find(place->port->tree, TC_H_MAJ(parent));
	if (q == NULL)
		return parent == 0 ? error_set(err, EINVAL, "Qdisc not classful")
				   : error_set(err, EINVAL, "Parent Qdisc doesn't exists");
	if (q->ops->classes == NULL)
		return error_set(err, EINVAL, "Qdisc not classful");
	if (q->ops->classes->classify == NULL &&
		q->ops->classes->snapshot == NULL) /* tbf has a class but nothing to choose */
		return error_set(err, EOPNOTSUPP, "Class doesn't support blocks");
	place->parent = parent == 0 ? q->handle : parent;
	place->chain = sched_chain(place->port->tree, place->parent, err);
	if (place->chain == NULL)
		return err != NULL ? -err->code : -EINVAL;
	place->elder = sched_chain(place->port->tree, q->handle, NULL);
	chain_set_handle(place->chain, q->handle);
	return 0;
}

static int
find_place(struct place *place, const struct nl_request *req, struct error *err)
{
	int rc;

	*place = (struct place){ .control = req->context, .req = req, .tcm = req->body };
	if ((uint32_t)place->tcm->tcm_ifindex == TCM_IFINDEX_MAGIC_BLOCK)
		return error_set(err, EOPNOTSUPP, "shared blocks are not offered here; name a port, as in 'dev eth0'");
	if ((rc = tc_port(req, &place->port, err)) != 0)
		return rc;
	return is_hook(place->tcm->tcm_parent) ? find_hook(place, err) : find_in_tree(place, err);
}

/* What the message says of the filter itself; kind is where its name is copied. */
static int
parse_spec(const struct nl_request *req, struct filter_spec *spec, char kind[32], struct error *err)
{
	const struct control *c = req->context;
	const struct tcmsg *tcm = req->body;
	int rc;

	*spec = (struct filter_spec){
		.preference = TC_H_MAJ(tcm->tcm_info) >> 16,
		.protocol = TC_H_MIN(tcm->tcm_info),
		.handle = tcm->tcm_handle,
		.now = c->now(c),
	};
	if ((rc = nl_get_u32(req->attrs[TCA_CHAIN], 0, &spec->chain, "chain index", err)) != 0)
		return rc;
	if (spec->chain > CHAIN_MAX)
		return error_set(err, EINVAL, "Specified chain index exceeds upper limit");
	if (req->attrs[TCA_KIND] == NULL)
		return 0;
	if ((rc = nl_get_string(req->attrs[TCA_KIND], kind, 32, "filter kind", err)) != 0)
		return rc;
	spec->kind = kind;
	return 0;
}

/* What was classified before the change is classified again. */
static void
changed(const struct place *place)
{
	if (!place->hook)
		sched_chain_changed(place->port->tree);
}

/* ---- new, delete, get ------------------------------------------------------------------------ */

static int
parse_options(const struct nl_request *req, struct filter_spec *spec, struct filter_options *options, struct error *err)
{
	const struct nlattr *nest = req->attrs[TCA_OPTIONS];
	const struct filter_codec *codec;
	int rc;

	if (nest == NULL || spec->kind == NULL)
		return 0;
	codec = filter_codec_find(spec->kind);
	if (codec == NULL)
		return error_set(err, ENOENT, "TC classifier not found: there is no '%s' here", spec->kind);
	options->control = options->actions.control = req->context;
	options->actions.n = 0;
	rc = tc_parse_rate(req->attrs[TCA_RATE], &options->actions.estimator, &options->actions.has_estimator, err);
	if (rc != 0)
		return rc;
	options->classid = 0;
	memset(&options->conf, 0, sizeof(options->conf));
	spec->conf = &options->conf;
	return codec->parse(nest, options, err);
}

/*
 * Linux takes a filter to a class that is not there, for the class may come later, and says nothing: packets go to the
 * qdisc's default meanwhile, and the user wonders. Only where classes are made by hand: PRIO has its bands, SFQ its
 * flows.
 */
static void
warn_of_missing_class(const struct place *place, uint32_t classid, struct error *err)
{
	const struct qdisc *q;

	if (place->hook || TC_H_MIN(classid) == 0 || TC_H_MAJ(classid) != TC_H_MAJ(place->parent))
		return;
	q = sched_qdisc_find(place->port->tree, TC_H_MAJ(classid));
	if (q != NULL && q->ops->classes->init != NULL && sched_class_find(q, classid) == NULL)
		error_warn(err,
			"there is no class %x:%x (yet): what matches goes to the qdisc's default until there is",
			TC_H_MAJ(classid) >> 16, TC_H_MIN(classid));
}

static int
filter_new(struct nl_request *req, struct error *err)
{
	uint16_t flags = req->header->nlmsg_flags;
	struct filter_options options;
	struct filter_info info;
	struct filter_spec spec;
	struct nl_msgs *msgs;
	struct place place;
	char kind[32];
	bool was_there;
	int rc;

	if ((rc = parse_spec(req, &spec, kind, err)) != 0)
		return rc;
	if (spec.preference == 0 && (flags & NLM_F_CREATE) == 0)
		return error_set(err, ENOENT, "Invalid filter command with priority of zero");
	if ((rc = find_place(&place, req, err)) != 0)
		return rc;
	if ((rc = parse_options(req, &spec, &options, err)) != 0)
		return rc;
	was_there = chain_has(place.chain, spec.chain);
	if (place.elder != NULL)
		chain_join(place.chain, place.elder);
	rc = chain_filter_add(place.chain, &spec, nl_change(req), &info, err);
	if (rc != 0)
		return rc;
	chain_set_parent(place.chain, place.parent);
	changed(&place);
	if (!was_there)
		notify_chain(&place, RTM_NEWCHAIN, spec.chain);
	msgs = nl_msgs_create();
	put_filter(msgs, RTM_NEWTFILTER, flags, &place, &info);
	notify(&place, msgs);
	if (spec.conf != NULL)
		warn_of_missing_class(&place, options.classid, err);
	return 0;
}

struct gone {
	const struct place *place;
	struct nl_msgs *msgs;
};

static void
note_gone(void *arg, const struct filter_info *info)
{
	struct gone *gone = arg;

	put_filter(gone->msgs, RTM_DELTFILTER, gone->place->req->header->nlmsg_flags, gone->place, info);
}

static int
filter_delete(struct nl_request *req, struct error *err)
{
	struct filter_spec spec;
	struct place place;
	struct gone gone;
	char kind[32];
	bool was_there;
	int rc;

	if ((rc = parse_spec(req, &spec, kind, err)) != 0)
		return rc;
	if (spec.preference == 0 && (spec.protocol != 0 || spec.handle != 0 || spec.kind != NULL))
		return error_set(err, ENOENT, "Cannot flush filters with protocol, handle or kind set");
	if ((rc = find_place(&place, req, err)) != 0)
		return rc;
	was_there = chain_has(place.chain, spec.chain);
	gone = (struct gone){ &place, nl_msgs_create() };
	rc = chain_filter_delete(place.chain, &spec, note_gone, &gone, err);
	if (rc != 0) {
		nl_msgs_destroy(gone.msgs);
		return rc;
	}
	changed(&place);
	notify(&place, gone.msgs);
	if (was_there && !chain_has(place.chain, spec.chain))
		notify_chain(&place, RTM_DELCHAIN, spec.chain);
	return 0;
}

static int
filter_get(struct nl_request *req, struct error *err)
{
	struct filter_info info;
	struct filter_spec spec;
	struct place place;
	char kind[32];
	int rc;

	if ((rc = parse_spec(req, &spec, kind, err)) != 0)
		return rc;
	if (spec.preference == 0)
		return error_set(err, ENOENT, "Invalid filter command with priority of zero");
	if ((rc = find_place(&place, req, err)) != 0)
		return rc;
	if ((rc = chain_filter_get(place.chain, &spec, &info, err)) != 0)
		return rc;
	put_filter(req->reply, RTM_NEWTFILTER, 0, &place, &info);
	return 0;
}

/* ---- dumps ----------------------------------------------------------------------------------- */

struct dump {
	const struct place *place;
	bool one_chain;
	uint32_t chain;
	uint32_t preference; /* 0: any */
	uint16_t protocol; /* 0: any */
};

static int
dump_one(void *arg, const struct filter_info *info)
{
	const struct dump *d = arg;

	if ((!d->one_chain || d->chain == info->chain) && (d->preference == 0 || d->preference == info->preference) &&
		(d->protocol == 0 || d->protocol == info->protocol))
		put_filter(d->place->req->reply, RTM_NEWTFILTER, 0, d->place, info);
	return 0;
}

static int
dump_chain(void *arg, uint32_t index, bool named)
{
	const struct dump *d = arg;

	(void)named;
	if (!d->one_chain || d->chain == index)
		put_chain(d->place->req->reply, RTM_NEWCHAIN, 0, d->place, index);
	return 0;
}

/* Linux lists nothing, and finds no fault, where there is no such port, parent or chain. */
static int
find_to_list(struct place *place, const struct nl_request *req, struct dump *d, bool *found, struct error *err)
{
	struct filter_spec spec;
	char kind[32];
	int rc = parse_spec(req, &spec, kind, err);

	*found = false;
	if (rc != 0)
		return rc;
	*d = (struct dump){ place, req->attrs[TCA_CHAIN] != NULL, spec.chain, spec.preference, spec.protocol };
	*found = ((const struct tcmsg *)req->body)->tcm_ifindex != 0 &&
		 find_place(place, req, &(struct error){ 0 }) == 0;
	return 0;
}

static int
filter_dump(struct nl_request *req, struct error *err)
{
	struct place place;
	struct dump d;
	bool found;
	int rc = find_to_list(&place, req, &d, &found, err);

	return rc != 0 || !found ? rc : chain_walk(place.chain, dump_one, &d);
}

/* ---- chains ---------------------------------------------------------------------------------- */

static int
chain_dump(struct nl_request *req, struct error *err)
{
	struct place place;
	struct dump d;
	bool found;
	int rc = find_to_list(&place, req, &d, &found, err);

	return rc != 0 || !found ? rc : chain_walk_indices(place.chain, dump_chain, &d);
}

static int
find_chain(
	const struct nl_request *req, struct filter_spec *spec, char kind[32], struct place *place, struct error *err)
{
	int rc = parse_spec(req, spec, kind, err);

	return rc != 0 ? rc : find_place(place, req, err);
}

static int
chain_new(struct nl_request *req, struct error *err)
{
	struct filter_options options;
	struct filter_spec spec = { 0 };
	struct place place;
	char kind[32];
	int rc;

	if ((rc = find_chain(req, &spec, kind, &place, err)) != 0)
		return rc;
	if ((rc = parse_options(req, &spec, &options, err)) != 0)
		return rc;
	const struct chain_template template = { .kind = spec.kind, .conf = spec.conf };

	if ((rc = chain_add(place.chain, spec.chain, &template, err)) != 0)
		return rc;
	chain_set_parent(place.chain, place.parent);
	notify_chain(&place, RTM_NEWCHAIN, spec.chain);
	return 0;
}

static int
chain_del(struct nl_request *req, struct error *err)
{
	struct filter_spec spec;
	struct place place;
	struct gone gone;
	char kind[32];
	int rc;

	if ((rc = find_chain(req, &spec, kind, &place, err)) != 0)
		return rc;
	gone = (struct gone){ &place, nl_msgs_create() };
	rc = chain_delete(place.chain, spec.chain, note_gone, &gone, err);
	if (rc != 0) {
		nl_msgs_destroy(gone.msgs);
		return rc;
	}
	changed(&place);
	notify(&place, gone.msgs);
	notify_chain(&place, RTM_DELCHAIN, spec.chain);
	return 0;
}

static int
chain_get(struct nl_request *req, struct error *err)
{
	struct filter_spec spec;
	struct place place;
	char kind[32];
	int rc;

	if ((rc = find_chain(req, &spec, kind, &place, err)) != 0)
		return rc;
	if (!chain_has(place.chain, spec.chain))
		return error_set(err, EINVAL, "Cannot find specified filter chain");
	put_chain(req->reply, RTM_NEWCHAIN, 0, &place, spec.chain);
	return 0;
}

static const struct nl_handler filter_handlers[] = {
	{ RTM_NEWTFILTER, sizeof(struct tcmsg), TCA_MAX, NL_WRITE, .do_one = filter_new },
	{ RTM_DELTFILTER, sizeof(struct tcmsg), TCA_MAX, NL_WRITE, .do_one = filter_delete },
	{ RTM_GETTFILTER, sizeof(struct tcmsg), TCA_MAX, 0, .do_one = filter_get, .dump = filter_dump },
	{ RTM_NEWCHAIN, sizeof(struct tcmsg), TCA_MAX, NL_WRITE, .do_one = chain_new },
	{ RTM_DELCHAIN, sizeof(struct tcmsg), TCA_MAX, NL_WRITE, .do_one = chain_del },
	{ RTM_GETCHAIN, sizeof(struct tcmsg), TCA_MAX, 0, .do_one = chain_get, .dump = chain_dump },
};
NL_REGISTER(filter_handlers)
