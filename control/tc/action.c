/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lists of actions in filters, and RTM_NEWACTION, RTM_DELACTION, RTM_GETACTION: what `tc actions` says. Messages and
 * their order are those that Linux 6.1 was seen to give.
 */
#include <stdlib.h>
#include <string.h>

#include <linux/gen_stats.h>

#include <weir/dataplane.h>

#include "tc/codec.h"
#include "tc/tc.h"

static const struct action_codec *codecs[32];

void
action_codec_register(const struct action_codec *codec)
{
	for (size_t i = 0; i < RTE_DIM(codecs); i++)
		if (codecs[i] == NULL && codec->conf_size <= ACTION_CONF_MAX) {
			codecs[i] = codec;
			return;
		}
	abort();
}

static const struct action_codec *
find_codec(const char *kind)
{
	for (size_t i = 0; i < RTE_DIM(codecs) && codecs[i] != NULL; i++)
		if (strcmp(codecs[i]->kind, kind) == 0)
			return codecs[i];
	return NULL;
}

struct action_head
action_head_of(const struct action *action, int32_t verdict)
{
	return (struct action_head){
		.index = action_index(action),
		.action = verdict,
		.refcnt = (int)action_refs(action),
		.bindcnt = (int)action_binds(action),
	};
}

/* ---- parsing --------------------------------------------------------------------------------- */

static int
parse_details(const struct nlattr *const *tb, struct action_spec *spec, struct error *err)
{
	struct nla_bitfield32 flags;

	if (tb[TCA_ACT_COOKIE] != NULL) {
		unsigned int bytes = mnl_attr_get_payload_len(tb[TCA_ACT_COOKIE]);

		if (bytes > ACTION_COOKIE_MAX)
			return error_set(err, EINVAL, "Cookie size above the maximum: %u bytes, %d are possible", bytes,
				ACTION_COOKIE_MAX);
		memcpy(spec->cookie, mnl_attr_get_payload(tb[TCA_ACT_COOKIE]), bytes);
		spec->cookie_bytes = (uint8_t)bytes;
	}
	if (tb[TCA_ACT_FLAGS] != NULL) {
		if (mnl_attr_get_payload_len(tb[TCA_ACT_FLAGS]) < sizeof(flags))
			return error_set(err, EINVAL, "action flags: %u bytes, %zu are needed",
				mnl_attr_get_payload_len(tb[TCA_ACT_FLAGS]), sizeof(flags));
		memcpy(&flags, mnl_attr_get_payload(tb[TCA_ACT_FLAGS]), sizeof(flags));
		spec->flags = flags.value & flags.selector;
	}
	return 0;
}

static int
parse_one(const struct nlattr *nest, struct actions *actions, struct error *err)
{
	struct action_spec *spec = &actions->specs[actions->n];
	char *kind = actions->kinds[actions->n];
	void *conf = &actions->confs[actions->n];
	const struct nlattr *tb[TCA_ACT_MAX + 1];
	const struct action_codec *codec;
	bool given = false;
	int rc;

	memset(spec, 0, sizeof(*spec));
	memset(conf, 0, ACTION_CONF_MAX);
	spec->estimator = actions->has_estimator ? &actions->estimator : NULL;
	if ((rc = nl_get_nest(nest, tb, TCA_ACT_MAX, err)) != 0)
		return rc;
	if (tb[TCA_ACT_KIND] == NULL)
		return error_set(err, EINVAL, "TC action kind must be specified");
	if ((rc = nl_get_string(tb[TCA_ACT_KIND], kind, sizeof(actions->kinds[0]), "action kind", err)) != 0)
		return rc;
	codec = find_codec(kind);
	if (codec == NULL || action_find_ops(kind) == NULL)
		return error_set(err, ENOENT, "Failed to load TC action module: there is no action '%s' here", kind);
	if (tb[TCA_ACT_OPTIONS] == NULL && tb[TCA_ACT_INDEX] == NULL)
		return error_set(err, EINVAL, "action %s: its options are missing", kind);
	if (tb[TCA_ACT_OPTIONS] != NULL &&
		(rc = codec->parse(tb[TCA_ACT_OPTIONS], conf, &spec->index, &given, err)) != 0)
		return rc;
	if (given && codec->check != NULL && (rc = codec->check(actions->control, conf, err)) != 0)
		return rc;
	if ((rc = nl_get_u32(tb[TCA_ACT_INDEX], spec->index, &spec->index, "action index", err)) != 0)
		return rc;
	spec->kind = kind;
	spec->conf = given ? conf : NULL;
	return parse_details(tb, spec, err);
}

int
actions_parse(const struct nlattr *attr, struct actions *actions, struct error *err)
{
	const struct nlattr *tb[ACTIONS_MAX + 1];
	int rc = nl_get_nest(attr, tb, ACTIONS_MAX, err);

	actions->n = 0;
	for (unsigned int i = 1; rc == 0 && i <= ACTIONS_MAX && tb[i] != NULL; i++) {
		rc = parse_one(tb[i], actions, err);
		actions->n++;
	}
	return rc;
}

int
bare_police_parse(const struct nlattr *attr, struct actions *actions, struct error *err)
{
	struct action_spec *spec = &actions->specs[0];
	bool given;

	if (attr == NULL)
		return 0;
	actions->n = 1;
	memset(spec, 0, sizeof(*spec));
	memset(&actions->confs[0], 0, ACTION_CONF_MAX);
	strcpy(actions->kinds[0], "police");
	spec->kind = actions->kinds[0];
	spec->conf = &actions->confs[0];
	spec->estimator = actions->has_estimator ? &actions->estimator : NULL;
	spec->bare = true;
	return find_codec(spec->kind)->parse(attr, &actions->confs[0], &spec->index, &given, err);
}

/* ---- printing -------------------------------------------------------------------------------- */

/* struct tcf_t counts in clock ticks of 10 ms (USER_HZ). */
#define NS_PER_CLOCK 10000000

static void
put_times(struct nl_msgs *msgs, uint16_t attr, const struct action *action, const struct action_stats *stats,
	uint64_t now)
{
	uint64_t created = action_created_ns(action), used = RTE_MAX(created, stats->last_used_ns);
	struct tcf_t times = {
		.install = (now - RTE_MIN(now, created)) / NS_PER_CLOCK,
		.lastuse = (now - RTE_MIN(now, used)) / NS_PER_CLOCK,
		.firstuse = stats->packets != 0 ? (now - RTE_MIN(now, stats->first_used_ns)) / NS_PER_CLOCK : 0,
	};

	nl_put(msgs, attr, &times, sizeof(times));
}

static void
put_stats(struct nl_msgs *msgs, const struct action *action, const struct action_stats *stats, uint64_t now)
{
	struct action_rate rate = action_rate(action, now);
	struct {
		uint64_t bytes;
		uint32_t packets, pad;
	} basic = { stats->bytes, (uint32_t)stats->packets,
		0 }; /* libnl wants 16 bytes, more than struct gnet_stats_basic has */
	struct gnet_stats_queue queue = { .drops = (uint32_t)stats->drops, .overlimits = (uint32_t)stats->overlimits };
	size_t nest = nl_nest_start(msgs, TCA_ACT_STATS);

	nl_put(msgs, TCA_STATS_BASIC, &basic, sizeof(basic));
	if (action_estimator(action) != NULL)
		tc_put_rate(msgs, rate.Bps, rate.pps);
	nl_put(msgs, TCA_STATS_QUEUE, &queue, sizeof(queue));
	if (stats->packets > UINT32_MAX)
		nl_put_u64(msgs, TCA_STATS_PKT64, stats->packets);
	nl_nest_end(msgs, nest);
}

static void
put_options(struct nl_msgs *msgs, uint16_t attr, const struct action *action, uint64_t now)
{
	const struct action_codec *codec = find_codec(action_ops_of(action)->kind);
	size_t nest = nl_nest_start(msgs, attr);
	struct action_stats stats;

	action_stats_sum(action, &stats);
	codec->put(msgs, action);
	put_times(msgs, codec->times_attr, action, &stats, now);
	nl_nest_end(msgs, nest);
}

static void
put_one(struct nl_msgs *msgs, uint16_t attr, const struct action *action, uint64_t now)
{
	size_t nest = nl_nest_start(msgs, attr);
	unsigned int cookie_bytes;
	const uint8_t *cookie = action_cookie(action, &cookie_bytes);
	struct action_stats stats;

	action_stats_sum(action, &stats);
	nl_put_string(msgs, TCA_ACT_KIND, action_ops_of(action)->kind);
	put_stats(msgs, action, &stats, now);
	if (cookie_bytes != 0)
		nl_put(msgs, TCA_ACT_COOKIE, cookie, cookie_bytes);
	if (action_flags(action) != 0) {
		struct nla_bitfield32 flags = { action_flags(action), action_flags(action) };

		nl_put(msgs, TCA_ACT_FLAGS, &flags, sizeof(flags));
	}
	nl_put_u32(msgs, TCA_ACT_IN_HW_COUNT, 0);
	put_options(msgs, TCA_ACT_OPTIONS, action, now);
	nl_nest_end(msgs, nest);
}

void
actions_put(struct nl_msgs *msgs, uint16_t attr, const struct action_list *list, uint64_t now)
{
	size_t nest;

	if (action_list_count(list) == 0 || action_list_bare(list))
		return;
	nest = nl_nest_start(msgs, attr);
	for (unsigned int i = 0; i < action_list_count(list); i++)
		put_one(msgs, (uint16_t)(i + 1), action_list_at(list, i), now);
	nl_nest_end(msgs, nest);
}

void
bare_police_put(struct nl_msgs *msgs, uint16_t attr, const struct action_list *list, uint64_t now)
{
	if (action_list_bare(list))
		put_options(msgs, attr, action_list_at(list, 0), now);
}

void
bare_police_put_stats(struct nl_msgs *msgs, const struct action_list *list, uint64_t now)
{
	struct action_stats stats;
	struct action_rate rate;

	if (!action_list_bare(list))
		return;
	action_stats_sum(action_list_at(list, 0), &stats);
	rate = action_rate(action_list_at(list, 0), now);
	struct tc_stats old = {
		.bytes = stats.bytes,
		.packets = (uint32_t)stats.packets,
		.drops = (uint32_t)stats.drops,
		.overlimits = (uint32_t)stats.overlimits,
		.bps = (uint32_t)RTE_MIN(rate.Bps, UINT32_MAX),
		.pps = (uint32_t)RTE_MIN(rate.pps, UINT32_MAX),
	};

	nl_put(msgs, TCA_STATS, &old, sizeof(old));
}

/* ---- saving -----------------------------------------------------------------------------------*/

const char *
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

void
save_verdict(FILE *out, int32_t action)
{
	const char *word = verdict_word(action);

	if (word != NULL)
		fprintf(out, " %s", word);
	else
		fprintf(out, " %s %u", TC_ACT_EXT_CMP(action, TC_ACT_JUMP) ? "jump" : "goto chain",
			(unsigned int)(action & TC_ACT_EXT_VAL_MASK));
}

/* Its filters make it. */
static bool
is_bound_only(const struct action *action)
{
	return action_refs(action) == action_binds(action);
}

static void
save_one(const struct save *save, const struct action *action, bool with_cookie)
{
	const struct action_ops *ops = action_ops_of(action);
	_Alignas(16) char conf[ops->conf_size];
	const uint8_t *cookie;
	unsigned int cookie_bytes;

	ops->get_conf(action, conf);
	fprintf(save->out, " %s", ops->kind);
	find_codec(ops->kind)->save(save, conf);
	fprintf(save->out, " index %u", action_index(action));
	cookie = action_cookie(action, &cookie_bytes);
	if (!with_cookie)
		cookie_bytes = 0;
	if (cookie_bytes != 0)
		fputs(" cookie ", save->out);
	for (unsigned int i = 0; i < cookie_bytes; i++)
		fprintf(save->out, "%02x", cookie[i]);
	if ((action_flags(action) & TCA_ACT_FLAGS_NO_PERCPU_STATS) != 0)
		fputs(" no_percpu", save->out);
}

void
save_actions(const struct save *save, const struct action_list *list)
{
	for (unsigned int i = 0; i < action_list_count(list); i++) {
		const struct tc_estimator *estimator = action_estimator(action_list_at(list, i));

		if (estimator != NULL && save->estimator != NULL && *save->estimator == NULL)
			*save->estimator = estimator;
		if (!action_list_bare(list))
			fputs(" action", save->out);
		/* tc gives a cookie to all actions behind it, too: one that stands by itself has it already. */
		save_one(save, action_list_at(list, i), is_bound_only(action_list_at(list, i)));
	}
}

static int
save_own(void *arg, const struct action *action)
{
	const struct save *save = arg;
	struct save_part part;

	if (is_bound_only(action))
		return 0;
	if (!save_part_start(&part, save))
		return -ENOMEM;
	save_one(&part.save, action, true);
	fprintf(save->out, "%stc actions add action", save_part_end(&part));
	fprintf(save->out, "%s\n", part.text);
	free(part.text);
	return 0;
}

int
save_own_actions(const struct save *save)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < RTE_DIM(codecs) && codecs[i] != NULL; i++)
		rc = action_walk(codecs[i]->kind, save_own, (void *)(uintptr_t)save);
	return rc;
}

/* ---- tc actions ------------------------------------------------------------------------------ */

static uint64_t
now_of(const struct nl_request *req)
{
	const struct control *c = req->context;

	return c->now(c);
}

static void
notify(const struct nl_request *req, struct nl_msgs *msgs)
{
	nl_notify(req->server, RTNLGRP_TC, msgs, req);
	nl_msgs_destroy(msgs);
}

static int
action_new(struct nl_request *req, struct error *err)
{
	const struct control *c = req->context;
	struct actions actions = { .control = c };
	struct nl_msgs *msgs;
	size_t nest;
	int rc = actions_parse(req->attrs[TCA_ACT_TAB], &actions, err);

	if (rc != 0)
		return rc;
	if (actions.n == 0)
		return error_set(err, EINVAL, "Netlink action attributes missing");
	msgs = nl_msgs_create();
	nl_msg_begin(msgs, RTM_NEWACTION, req->header->nlmsg_flags, sizeof(struct tcamsg));
	nest = nl_nest_start(msgs, TCA_ACT_TAB);
	for (unsigned int i = 0; i < actions.n; i++) {
		const struct action *made;

		rc = action_add(router_rcu(c->router), &actions.specs[i], nl_change(req), now_of(req), &made, err);
		if (rc != 0) {
			/* All or none, as on Linux: those that this message made go again. */
			while ((req->header->nlmsg_flags & NLM_F_REPLACE) == 0 && i-- > 0)
				action_delete(actions.specs[i].kind, actions.specs[i].index, NULL);
			nl_msgs_destroy(msgs);
			return rc;
		}
		actions.specs[i].index = action_index(made);
		put_one(msgs, (uint16_t)(i + 1), made, now_of(req));
	}
	nl_nest_end(msgs, nest);
	nl_msg_end(msgs);
	notify(req, msgs);
	return 0;
}

struct flush {
	uint32_t *indices;
	unsigned int n;
	bool bound; /* one was met that filters use */
};

static int
note_for_flush(void *arg, const struct action *action)
{
	struct flush *flush = arg;

	/* As on Linux, the first that is in use ends it. */
	if (action_binds(action) != 0 || flush->bound) {
		flush->bound = true;
	} else {
		uint32_t *more = realloc(flush->indices, (flush->n + 1) * sizeof(*more));

		if (more == NULL)
			return -ENOMEM;
		flush->indices = more;
		flush->indices[flush->n++] = action_index(action);
	}
	return 0;
}

static int
flush_kind(struct nl_request *req, const char *kind, struct error *err)
{
	struct flush flush = { 0 };
	int rc;

	if (action_find_ops(kind) == NULL)
		return error_set(err, ENOENT, "Cannot flush unknown TC action");
	rc = action_walk(kind, note_for_flush, &flush);
	for (unsigned int i = 0; rc == 0 && i < flush.n; i++)
		rc = action_delete(kind, flush.indices[i], err);
	free(flush.indices);
	if (rc == -ENOMEM)
		return error_code(err, ENOMEM);
	if (rc == 0 && flush.n == 0 && flush.bound)
		return error_code(err, EPERM);
	if (rc == 0 && flush.bound)
		error_warn(err, "Unable to flush all TC actions");
	return rc;
}

/* The kind and index of one entry of a RTM_GETACTION or RTM_DELACTION. */
static int
parse_name(const struct nlattr *nest, char kind[16], uint32_t *index, struct error *err)
{
	const struct nlattr *tb[TCA_ACT_MAX + 1];
	int rc = nl_get_nest(nest, tb, TCA_ACT_MAX, err);

	if (rc != 0)
		return rc;
	if (tb[TCA_ACT_KIND] == NULL)
		return error_set(err, EINVAL, "TC action kind must be specified");
	if ((rc = nl_get_string(tb[TCA_ACT_KIND], kind, 16, "action kind", err)) != 0)
		return rc;
	return nl_get_u32(tb[TCA_ACT_INDEX], 0, index, "action index", err);
}

/* For each action that the message names: put into msgs, and with `delete` deleted if all of them may be. */
static int
for_each_named(struct nl_request *req, struct nl_msgs *msgs, bool delete, struct error *err)
{
	const struct nlattr *tb[ACTIONS_MAX + 1];
	uint32_t index;
	char kind[16];
	int rc = nl_get_nest(req->attrs[TCA_ACT_TAB], tb, ACTIONS_MAX, err);

	if (rc == 0 && tb[1] == NULL)
		return error_set(err, EINVAL, "Netlink action attributes missing");
	for (unsigned int i = 1; rc == 0 && i <= ACTIONS_MAX && tb[i] != NULL; i++) {
		const struct action *action;

		if ((rc = parse_name(tb[i], kind, &index, err)) != 0)
			return rc;
		action = action_find(kind, index);
		if (action == NULL)
			return error_set(err, ENOENT, "TC action with specified index not found");
		put_one(msgs, (uint16_t)i, action, now_of(req));
		if (delete &&action_binds(action) != 0)
			return error_set(err, EPERM,
				"Failed to delete TC action: filters use %s index %u; delete them first", kind, index);
	}
	for (unsigned int i = 1; delete &&rc == 0 && i <= ACTIONS_MAX && tb[i] != NULL; i++)
		if ((rc = parse_name(tb[i], kind, &index, err)) == 0)
			rc = action_delete(kind, index, err);
	return rc;
}

static int
answer_named(struct nl_request *req, struct nl_msgs *msgs, uint16_t type, bool delete, struct error *err)
{
	size_t nest;
	int rc;

	nl_msg_begin(msgs, type, 0, sizeof(struct tcamsg));
	nest = nl_nest_start(msgs, TCA_ACT_TAB);
	rc = for_each_named(req, msgs, delete, err);
	if (rc != 0) {
		nl_msg_cancel(msgs);
		return rc;
	}
	nl_nest_end(msgs, nest);
	nl_msg_end(msgs);
	return 0;
}

static int
action_del(struct nl_request *req, struct error *err)
{
	const struct nlattr *tb[ACTIONS_MAX + 1];
	struct nl_msgs *msgs;
	uint32_t index;
	char kind[16];
	int rc;

	if ((req->header->nlmsg_flags & NLM_F_ROOT) != 0) {
		if ((rc = nl_get_nest(req->attrs[TCA_ACT_TAB], tb, ACTIONS_MAX, err)) != 0 ||
			(rc = parse_name(tb[1], kind, &index, err)) != 0)
			return rc;
		return flush_kind(req, kind, err);
	}
	msgs = nl_msgs_create();
	rc = answer_named(req, msgs, RTM_DELACTION, true, err);
	if (rc != 0)
		nl_msgs_destroy(msgs);
	else
		notify(req, msgs);
	return rc;
}

static int
action_get(struct nl_request *req, struct error *err)
{
	return answer_named(req, req->reply, RTM_NEWACTION, false, err);
}

/*
 * A dump goes in messages of so many actions: tc reads one message into 32 KiB, and an action takes half a KiB at most.
 */
#define ACTIONS_PER_MESSAGE 32

struct dump {
	struct nl_request *req;
	unsigned int per_message;
	unsigned int n; /* in the message that is open */
	unsigned int at; /* of all */
	unsigned int total;
	size_t nest;
};

static int
count_one(void *arg, const struct action *action)
{
	((struct dump *)arg)->total++;
	return 0;
}

static int
dump_one(void *arg, const struct action *action)
{
	struct dump *d = arg;
	struct nl_msgs *msgs = d->req->reply;

	if (d->n == 0) {
		unsigned int left = d->total - d->at;

		nl_msg_begin(msgs, RTM_NEWACTION, 0, sizeof(struct tcamsg));
		nl_put_u32(msgs, TCA_ROOT_COUNT, RTE_MIN(left, d->per_message));
		d->nest = nl_nest_start(msgs, TCA_ACT_TAB);
	}
	put_one(msgs, (uint16_t)d->n, action, now_of(d->req));
	d->at++;
	if (++d->n == d->per_message || d->at == d->total) {
		nl_nest_end(msgs, d->nest);
		nl_msg_end(msgs);
		d->n = 0;
	}
	return 0;
}

static int
action_dump(struct nl_request *req, struct error *err)
{
	const struct nlattr *tb[ACTIONS_MAX + 1];
	struct dump d = { .req = req };
	const struct action_codec *codec;
	uint32_t index;
	char kind[16];
	int rc;

	if ((rc = nl_get_nest(req->attrs[TCA_ACT_TAB], tb, ACTIONS_MAX, err)) != 0 ||
		(rc = parse_name(tb[1], kind, &index, err)) != 0)
		return rc;
	codec = find_codec(kind);
	d.per_message = codec != NULL && codec->per_message != 0 ? codec->per_message : ACTIONS_PER_MESSAGE;
	action_walk(kind, count_one, &d);
	return action_walk(kind, dump_one, &d);
}

static const struct nl_handler action_handlers[] = {
	{ RTM_NEWACTION, sizeof(struct tcamsg), TCA_ROOT_MAX, NL_WRITE, .do_one = action_new },
	{ RTM_DELACTION, sizeof(struct tcamsg), TCA_ROOT_MAX, NL_WRITE, .do_one = action_del },
	{ RTM_GETACTION, sizeof(struct tcamsg), TCA_ROOT_MAX, 0, .do_one = action_get, .dump = action_dump },
};
NL_REGISTER(action_handlers)
