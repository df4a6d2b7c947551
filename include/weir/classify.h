/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Filter chains, classifiers and actions: "what is it?"
 *
 * A chain belongs to a qdisc, a class or an ingress hook. It holds groups of filters in the order of their preference
 * (`prio` or `pref` on the command line); a group is all filters of one kind for one (pref, protocol), each with a
 * handle, as tc-u32(8) and tc(8) describe. The control thread changes a chain; workers read it under RCU.
 */
#ifndef WEIR_CLASSIFY_H
#define WEIR_CLASSIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/pkt_cls.h>

#include <weir/change.h>
#include <weir/error.h>
#include <weir/packet.h>
#include <weir/rcu.h>

struct chain;
struct filter_group;
struct tc_estimator;

/*
 * What a chain says of a packet. `action` is TC_ACT_UNSPEC (no filter decided), TC_ACT_OK (one did: see classid) or
 * TC_ACT_SHOT (it goes no further here: classify_shot drops it, or sends it where an action wants it). What else
 * Linux's actions may answer is brought down to these: PIPE is OK, RECLASSIFY asks the chain anew, STOLEN, QUEUED and
 * TRAP are SHOT.
 */
struct verdict {
	int32_t action;
	uint32_t classid; /* major:minor that the filter named; 0: none */
};

struct classify_ctx;

/*
 * Where actions send packets, copies or the packet itself: to any port, as if it were to leave there or (to_ingress)
 * had arrived there. Nothing happens at once: what is sent goes on at the worker's next turn, so that no action, chain
 * or tree is entered while it is at work. The data plane has it.
 */
struct classify_outlet {
	/* Is there such a port, up and with carrier? */
	bool (*open)(const struct classify_ctx *ctx, uint32_t ifindex);
	/*
	 * Takes m, on its way to pkt.out_port (PKT_TO_INGRESS), and drops it by name where it cannot go on. Its link
	 * header is in place, whichever hook it comes from; where a port has none, it is removed.
	 */
	void (*send)(const struct classify_ctx *ctx, struct rte_mbuf *m);
};

/* Who classifies, where and when. */
struct classify_ctx {
	uint64_t now;
	unsigned int worker; /* index, below WORKERS_MAX: picks the worker's own counters */
	uint32_t ifindex; /* the port whose hook or tree asks */
	bool ingress; /* actions count bytes from the network header on, as Linux does at the ingress hook */
	bool moved; /* by a change of the tree: what is not pure has had these packets before and says nothing now */
	struct pkt_sink *sink; /* this worker's, where what an action drops and makes is counted */
	const struct classify_outlet *outlet; /* NULL: all ports are closed */
	void *outlet_arg;
};

/*
 * For actions. Sends a copy of m to a port, or says that m itself is to go there: then the answer is to be
 * TC_ACT_STOLEN, and who asked the chain calls classify_shot. False: the port is not open, or no buffer is free for a
 * copy.
 */
bool classify_mirror(const struct classify_ctx *ctx, struct rte_mbuf *m, uint32_t ifindex, bool to_ingress);
bool classify_redirect(const struct classify_ctx *ctx, struct rte_mbuf *m, uint32_t ifindex, bool to_ingress);
/*
 * For who asked a chain, and got TC_ACT_SHOT for m, which it gives up: true if it was sent elsewhere; false if it is to
 * be dropped (as DROP_FILTER).
 */
bool classify_shot(const struct classify_ctx *ctx, struct rte_mbuf *m);

#define WORKERS_MAX 64

/* Of what is random in filters and actions that are made from now on (weir/random.h). Control thread. */
void classify_seed(uint64_t seed);

/* ---- chains: what sched/ and dataplane/ use ----------------------------------------------------- */

/* NULL when memory is out. */
struct chain *chain_create(struct rcu *rcu);
/* Control thread; nobody may find the chain any more. Readers that still hold it are waited for by rcu_defer. */
void chain_destroy(struct chain *chain);
/*
 * How many filters of the chain, and of those that it is joined with, name this class as target: a class with any may
 * not be deleted. Control thread, O(1).
 */
uint32_t chain_uses_class(const struct chain *chain, uint32_t classid);

/* No filter at all: nothing to ask. Any thread. */
bool chain_empty(const struct chain *chain);
/*
 * Its filters only give verdicts, marks and priorities: it may run on the rx worker, before the packet's owner is
 * known.
 */
bool chain_pure(const struct chain *chain);

/*
 * Asks the chain about a burst; results[i] is for pkts[i]. Filters and actions may set mark, priority, tc_index and
 * so on in struct pkt. Packets are never dropped or kept: SHOT is a verdict that the caller carries out.
 */
void chain_classify(const struct chain *chain, const struct classify_ctx *ctx, struct rte_mbuf **pkts, uint16_t n,
	struct verdict *results);

/* ---- chains: what control/ uses ----------------------------------------------------------------- */

/* The handle (major << 16) of the qdisc that owns it: `fw` without options takes marks with this major as classids. */
void chain_set_handle(struct chain *chain, uint32_t handle);
/* What tcm_parent said when its last filter was added: dumps repeat it, whatever name of the hook was asked for. */
void chain_set_parent(struct chain *chain, uint32_t parent);
uint32_t chain_parent(const struct chain *chain);
/* Makes an empty chain share u32's tables with `elder`: all chains of a qdisc and its classes have them together. */
void chain_join(struct chain *chain, struct chain *elder);

/* One filter as a message names it. */
struct filter_spec {
	uint32_t preference; /* 0: Linux's choice (0xc000 downwards from the first one) */
	uint16_t protocol; /* ethertype, network order; 0: only legal to delete or list; htons(ETH_P_ALL): any */
	uint32_t handle; /* 0: none given */
	const char *kind; /* NULL: not given (delete, get) */
	const void *conf; /* of the kind; NULL where no options were given */
	uint64_t now; /* for the ages of actions */
	uint32_t chain; /* 0 is where classification starts; others are reached by `goto chain` */
};

struct filter_info { /* of a filter or, handle 0, of its group: what a dump prints */
	uint32_t chain;
	uint32_t preference;
	uint16_t protocol;
	uint32_t handle;
	const char *kind;
	const struct filter_group *group;
	const void *filter; /* the classifier's own; NULL for the group's line */
};

/* flags: CHANGE_CREATE, CHANGE_EXCLUSIVE (weir/change.h). Errors as Linux: EEXIST, ENOENT, EINVAL ... with sentences.
 * info (may be NULL) tells what was made or changed, for the notification. */
int chain_filter_add(struct chain *chain, const struct filter_spec *spec, uint16_t flags, struct filter_info *info,
	struct error *err);
/*
 * One filter (handle given), a whole group (preference, no handle) or, preference 0, the whole of spec->chain. `gone`
 * (may be NULL) is told of each before it goes: of what stays, too, where the deletion then fails.
 */
int chain_filter_delete(struct chain *chain, const struct filter_spec *spec,
	void (*gone)(void *arg, const struct filter_info *info), void *arg, struct error *err);
int chain_filter_get(
	const struct chain *chain, const struct filter_spec *spec, struct filter_info *info, struct error *err);
/*
 * Chains within the chain: `tc chain`. One is there from its first filter to its last, or from its adding to its
 * deletion, which takes its filters along.
 */
bool chain_has(const struct chain *chain, uint32_t index);
/* With a template all its filters are of that kind and ask for nothing that the template's conf does not ask for. */
struct chain_template {
	const char *kind; /* NULL: none */
	const void *conf; /* copied; its actions are not looked at */
};
int chain_add(struct chain *chain, uint32_t index, const struct chain_template *template, struct error *err);
struct chain_template chain_template_of(const struct chain *chain, uint32_t index);
int chain_delete(struct chain *chain, uint32_t index, void (*gone)(void *arg, const struct filter_info *info),
	void *arg, struct error *err);
/* In the order in which they came; `named`: by chain_add. */
int chain_walk_indices(const struct chain *chain, int (*visit)(void *arg, uint32_t index, bool named), void *arg);
/* Groups in order, each followed by its filters, as `tc filter show` prints them. */
int chain_walk(const struct chain *chain, int (*visit)(void *arg, const struct filter_info *info), void *arg);

/* ---- classifiers -------------------------------------------------------------------------------- */

/*
 * A kind of classifier; registered by FILTER_REGISTER. Its conf struct is in include/weir/filter/KIND.h, its codec in
 * control/tc/.
 */
struct filter_ops {
	const char *kind;
	size_t size; /* of a group's private state */
	int (*init)(struct filter_group *group, struct error *err);
	void (*destroy)(struct filter_group *group);
	/*
	 * Makes (existing NULL) or changes a filter. *handle is the one asked for, 0: choose; it is set. conf NULL:
	 * an empty filter was asked for, which some kinds accept. *made gets the filter. Publishes by pointer swap;
	 * the old goes by rcu_defer.
	 */
	int (*change)(struct filter_group *group, void *existing, uint32_t *handle, const void *conf, void **made,
		struct error *err);
	/* May it go? NULL: any may. Then remove makes it so; *last: the group is empty now and is to go too. */
	int (*check_remove)(const struct filter_group *group, const void *filter, struct error *err);
	int (*remove)(struct filter_group *group, void *filter, bool *last, struct error *err);
	void *(*find)(const struct filter_group *group, uint32_t handle);
	int (*walk)(const struct filter_group *group, int (*visit)(void *arg, uint32_t handle, const void *filter),
		void *arg);
	/*
	 * Asks the filters in order about each packet; all are of the group's protocol and n is at most
	 * CLASSIFY_BURST. Sets results[i] (all start as UNSPEC) if one decides, to any TC_ACT_*. A matching filter
	 * whose actions say UNSPEC (continue) lets the next one be asked.
	 */
	void (*classify)(const struct filter_group *group, const struct classify_ctx *ctx, struct rte_mbuf **pkts,
		uint16_t n, struct verdict *results);
	bool (*pure)(const struct filter_group *group);
	/* Templates: bytes of the kind's conf, 0: it has none; does a filter's conf keep to it? */
	size_t template_bytes;
	bool (*fits)(const void *template, const void *conf);
};

#define CLASSIFY_BURST 64

void *filter_group_priv(const struct filter_group *group);
struct rcu *filter_group_rcu(const struct filter_group *group);
uint32_t filter_group_preference(const struct filter_group *group);
uint32_t filter_group_handle(const struct filter_group *group); /* of the qdisc */
/* A filter's target: counted for chain_uses_class. classid 0 is none. */
void filter_group_bind(struct filter_group *group, uint32_t classid);
void filter_group_unbind(struct filter_group *group, uint32_t classid);
/*
 * A word that is u32's own, one for all chains of a qdisc and its classes: their hash tables, which any of them may
 * link to. NULL at first.
 */
void **filter_group_u32_tables(const struct filter_group *group);
uint64_t filter_group_now(const struct filter_group *group); /* of the change in course */
/* Workers whose counters must have room: those that report quiescence, 1 without RCU. */
unsigned int rcu_workers(const struct rcu *rcu);

void filter_register(const struct filter_ops *ops);
const struct filter_ops *filter_find_ops(const char *kind);

#define FILTER_REGISTER(ops)                                                                                           \
	__attribute__((constructor)) static void filter_register_##ops(void)                                           \
	{                                                                                                              \
		filter_register(&(ops));                                                                               \
	}

/* ---- actions ------------------------------------------------------------------------------------ */

struct action;

/* A kind of action; registered by ACTION_REGISTER. conf structs are in include/weir/action/KIND.h. */
struct action_ops {
	const char *kind;
	size_t size; /* of an action's private state */
	bool (*pure)(const struct action *action); /* only gives verdicts, marks, priorities; NULL: yes */
	/*
	 * Fills, or changes while packets pass: what must be switched together is one word or swapped by pointer. conf
	 * is never NULL.
	 */
	int (*init)(struct action *action, const void *conf, struct error *err);
	void (*destroy)(struct action *action); /* NULL: nothing to free */
	/* Acts on one packet that matched; returns TC_ACT_*: PIPE goes on to the list's next action, others end it. */
	int32_t (*act)(
		struct action *action, const struct classify_ctx *ctx, struct rte_mbuf *m, struct verdict *result);
	void (*get_conf)(const struct action *action, void *conf);
	size_t conf_size;
	void (*port_gone)(struct action *action, uint32_t ifindex); /* it was removed; NULL: it knows no ports */
};

/* One writer per worker; summed by action_stats_sum. */
struct action_stats {
	uint64_t packets, bytes, drops, overlimits;
	uint64_t first_used_ns, last_used_ns; /* 0: never */
};

#define ACTION_COOKIE_MAX 16 /* bytes */

/* An action as a filter's options name it: kind, index (0: new) and conf. */
struct action_spec {
	const char *kind;
	uint32_t index;
	const void *conf; /* NULL: only the index was given */
	const struct tc_estimator *estimator; /* its rate is averaged so (tc's `est`); NULL: not at all */
	uint32_t flags; /* TCA_ACT_FLAGS_*: kept for dumps */
	uint8_t cookie[ACTION_COOKIE_MAX]; /* kept for dumps */
	uint8_t cookie_bytes;
	bool bare; /* a filter's own `police`, which is no list: kept for dumps */
};

#define ACTIONS_MAX 32 /* of one filter: TCA_ACT_MAX_PRIO */

/*
 * A list of actions that a filter owns. An action with an index that exists already is shared; what the spec says of
 * it is then ignored, as on Linux. Releasing a list unbinds its actions now and frees by rcu_defer.
 */
struct action_list;
int action_list_create(struct filter_group *group, const struct action_spec *specs, unsigned int n,
	struct action_list **list, struct error *err);
void action_list_release(struct action_list *list); /* NULL: nothing */
bool action_list_pure(const struct action_list *list); /* NULL is pure */
/* Runs the list on one packet; with list NULL the answer is TC_ACT_OK. `result` holds the filter's classid. */
int32_t
action_list_run(struct action_list *list, const struct classify_ctx *ctx, struct rte_mbuf *m, struct verdict *result);
unsigned int action_list_count(const struct action_list *list);
bool action_list_bare(const struct action_list *list); /* see action_spec */
const struct action *action_list_at(const struct action_list *list, unsigned int i);

/* Actions by themselves, as `tc actions` has them. flags: CHANGE_*. *made may be NULL. */
int action_add(struct rcu *rcu, const struct action_spec *spec, uint16_t flags, uint64_t now,
	const struct action **made, struct error *err);
const struct action *action_find(const char *kind, uint32_t index);
/* EPERM while a filter is bound to it. */
int action_delete(const char *kind, uint32_t index, struct error *err);
/* In the order of their indices. */
int action_walk(const char *kind, int (*visit)(void *arg, const struct action *action), void *arg);

/* A port was removed, and its ifindex may become another's: tells all actions that name ports. */
void actions_port_gone(uint32_t ifindex);

const struct action_ops *action_ops_of(const struct action *action);
uint32_t action_index(const struct action *action);
uint32_t action_refs(const struct action *action); /* bound filters, and one if it stands by itself */
uint32_t action_binds(const struct action *action);
uint32_t action_flags(const struct action *action);
const uint8_t *action_cookie(const struct action *action, unsigned int *bytes);
void *action_priv(const struct action *action);
void action_stats_sum(const struct action *action, struct action_stats *sum);
/* What it was made with; NULL: nothing, and its rates are 0. */
const struct tc_estimator *action_estimator(const struct action *action);
struct action_rate {
	uint64_t Bps, pps;
};
struct action_rate action_rate(const struct action *action, uint64_t now); /* averages; any thread */
struct action_stats *
action_stats_of(struct action *action, unsigned int worker); /* for act(): overlimits and the like */
uint64_t action_created_ns(const struct action *action);
struct rcu *action_rcu(const struct action *action);
/* In init: may the action answer so (EINVAL), and may it where it has a second answer? */
int action_check_verdict(const struct action *action, int32_t verdict, struct error *err);
int action_check_fallback(const struct action *action, int32_t verdict, struct error *err);

void action_register(const struct action_ops *ops);
const struct action_ops *action_find_ops(const char *kind);

#define ACTION_REGISTER(ops)                                                                                           \
	__attribute__((constructor)) static void action_register_##ops(void)                                           \
	{                                                                                                              \
		action_register(&(ops));                                                                               \
	}

#endif
