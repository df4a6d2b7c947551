/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Queueing disciplines, classes and the tree that they form on an egress port: "when does it leave?"
 *
 * Time is an argument: nobody here reads a clock. All times are nanoseconds, all rates bytes per second, all sizes
 * bytes on the wire as tc counts them (the frame from its Ethernet header on, without FCS, after a stab's adjustment).
 *
 * One worker, the port's owner, enqueues, dequeues and executes changes. The control thread is the only one that asks
 * for changes: it validates and allocates, then has the owner link the result through sched_host.run. Structure (who is
 * whose child) changes only there, so that control may walk the tree at any time; counters have one writer and may be
 * read by anyone.
 */
#ifndef WEIR_SCHED_H
#define WEIR_SCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/pkt_sched.h>

#include <rte_prefetch.h>

#include <weir/classify.h>
#include <weir/error.h>
#include <weir/packet.h>
#include <weir/rcu.h>

struct fifo_conf;
struct pkt_queue;

#define SCHED_NEVER UINT64_MAX

struct qdisc;
struct class;
struct estimator;
struct sched_tree;

/* ---- the tree, as dataplane/ sees it ----------------------------------------------------------------------------- */

/*
 * Told of what happens to packets: replay's report and the property tests. NULL on a live router. `q` is the discipline
 * that holds the packet.
 */
struct sched_observer {
	void (*queued)(void *arg, const struct qdisc *q, struct rte_mbuf *m, uint64_t now);
	void (*left)(void *arg, const struct qdisc *q, struct rte_mbuf *m,
		uint64_t now); /* leaf first, then its ancestors */
	void (*dropped)(void *arg, const struct qdisc *q, struct rte_mbuf *m, enum drop_reason reason);
	void *arg;
};

/* What the tree needs of the port that it serves. */
struct sched_host {
	uint32_t ifindex;
	uint32_t mtu; /* bytes of a frame's payload; sched_set_mtu changes it */
	uint32_t tx_queue_len; /* packets: the default limit of FIFOs */
	struct pkt_sink *sink; /* the owner's, where drops are counted */
	struct rcu *rcu;
	/* Has fn(arg) executed by the owner between two bursts and waits for it; NULL: there is only this thread. */
	void (*run)(void *host_arg, void (*fn)(void *arg), void *arg);
	void *host_arg;
	uint64_t (*now)(void *host_arg); /* for changes that come from control */
	/*
	 * Control, before a root of a kind that ties the port to another one (teql0) is put there: may it be? NULL:
	 * yes. Then (owner) the root is another one; NULL: nobody wants to know.
	 */
	int (*bind)(void *host_arg, const char *kind, struct error *err);
	void (*root_changed)(void *host_arg);
	const struct sched_observer *observer;
	uint64_t seed; /* of what is random: SFQ's perturbation */
	/*
	 * Trees of the port's transmit queues, which mq stands for: each has a default root that stays, and a worker of
	 * its own. One more thing is asked of `run` then: nobody touches any of them while fn runs. Fewer than two:
	 * there can be no mq.
	 */
	struct sched_tree *const *lanes;
	unsigned int lane_count;
};

/* A tree without a root (noqueue): sched_set_default_root gives it one. */

int sched_tree_create(const struct sched_host *host, struct sched_tree **tree, struct error *err);
/*
 * The kind that stands at the root where nothing was configured (pfifo_fast; NULL: noqueue). Where the root is a
 * default one, or none, it is put there at once, with handle 0: not listed as configured, replaced by any qdisc add,
 * and back when the root is deleted.
 */
int sched_set_default_root(struct sched_tree *tree, const char *kind, struct error *err);
/* The next default root is of this kind, which is there, if the tree has one at all; what stands now stays. */
void sched_set_next_default(struct sched_tree *tree, const char *kind);
/* May a kind be a default, without options? -ENOENT: there is none of the name; -EINVAL: not this one. */
int sched_check_default(const char *kind, struct error *err);
/* Everything queued is dropped with `reason` first. */
void sched_tree_destroy(struct sched_tree *tree, enum drop_reason reason);
void sched_set_mtu(struct sched_tree *tree, uint32_t mtu);
void sched_set_tx_queue_len(struct sched_tree *tree, uint32_t packets);
void sched_set_sink(struct sched_tree *tree, struct pkt_sink *sink); /* the tree has another owner, and is empty */

/*
 * Finds the leaf of each packet: leaf, generation and PKT_CLASSIFIED (or PKT_SHOT) in struct pkt. On the rx worker,
 * under RCU. A stateful chain on the way leaves the packet unclassified, and sched_enqueue classifies it.
 */
void sched_classify(struct sched_tree *tree, const struct classify_ctx *ctx, struct rte_mbuf **pkts, uint16_t n);

/*
 * Owner only. Takes all n packets: each is queued or dropped with a reason. Returns how many were queued. Without a
 * root qdisc (noqueue) nothing may be enqueued.
 */
uint16_t sched_enqueue(struct sched_tree *tree, const struct classify_ctx *ctx, struct rte_mbuf **pkts, uint16_t n);
/* Owner only. At most n packets that may leave at `now`, in order. */
uint16_t sched_dequeue(struct sched_tree *tree, struct rte_mbuf **pkts, uint16_t n, uint64_t now);
/* Earliest time at which sched_dequeue could give a packet: now if it can already, SCHED_NEVER if nothing is queued. */
uint64_t sched_next_event(const struct sched_tree *tree, uint64_t now);
uint32_t sched_backlog(const struct sched_tree *tree); /* packets */
bool sched_has_root(const struct sched_tree *tree); /* false: noqueue */
/*
 * True where a packet may go straight to the device while the tree is empty: the root is a FIFO kind, and there is one.
 * The caller then counts it by sched_bypassed; `bytes` are those of all n frames.
 */
bool sched_can_bypass(const struct sched_tree *tree);
void sched_bypassed(struct sched_tree *tree, struct rte_mbuf **pkts, uint16_t n, uint64_t bytes, uint64_t now);
/*
 * Owner only, live, where the link is free: of packets that come while the tree is empty, those that could leave at
 * once do so without having been queued. Returns how many: they stand first in pkts now, and the others, to be
 * enqueued, behind them. Order is kept among either.
 */
uint16_t sched_pass(struct sched_tree *tree, const struct classify_ctx *ctx, struct rte_mbuf **pkts, uint16_t n);
struct qdisc *sched_root(const struct sched_tree *tree);
bool sched_uses_lanes(const struct sched_tree *tree); /* its root is mq: packets go to the trees of the lanes instead */
/* In host.run, before fn: packets to be queued anew by the change that fn is, before those that it moves. */
void sched_take_back(struct sched_tree *tree, struct rte_mbuf **pkts, uint16_t n);

/* ---- the tree, as control/ sees it (control thread) -------------------------------------------------------------- */

/* Size table: what TCA_STAB says (tc-stab(8)). */
struct sched_stab {
	bool set;
	struct tc_sizespec spec;
	uint16_t *data; /* spec.tsize entries; the qdisc makes a copy */
};

/*
 * parent: TC_H_ROOT, or the classid under which the qdisc is a leaf. handle: major << 16; 0: chosen as Linux does
 * (8001: upwards). conf: the kind's (include/weir/qdisc/KIND.h); NULL: no options given, the kind's defaults or its
 * refusal.
 */
struct qdisc_spec {
	uint32_t parent, handle;
	const char *kind;
	const void *conf;
	const struct sched_stab *stab; /* NULL: none */
};

#define SCHED_DEPTH_MAX 8 /* qdiscs from the root to a leaf; what a class has by itself is not counted */

/*
 * Makes a qdisc and grafts it in the place of what is there; what that held is moved to it in order (limits do not bite
 * on a move). *made may be NULL.
 */
int sched_qdisc_add(struct sched_tree *tree, const struct qdisc_spec *spec, struct qdisc **made, struct error *err);
int sched_qdisc_change(struct qdisc *q, const void *conf, struct error *err);
/* Of a change: its size table, or none (set is false), in the place of the one that is there. */
int sched_qdisc_set_stab(struct qdisc *q, const struct sched_stab *stab, struct error *err);
/*
 * Deletes it with all below; its parent gets its default leaf (or the port its default root) and what was queued is
 * moved there.
 */
int sched_qdisc_delete(struct qdisc *q, struct error *err);
struct qdisc *sched_qdisc_find(const struct sched_tree *tree, uint32_t handle);
/*
 * The qdisc grafted under a classid (or TC_H_ROOT); NULL. A leaf that the discipline made by itself is not listed in
 * dumps (handle 0) but found here.
 */
struct qdisc *sched_qdisc_at(const struct sched_tree *tree, uint32_t parent);
int sched_qdisc_walk(const struct sched_tree *tree, int (*visit)(void *arg, struct qdisc *q), void *arg);

/*
 * Classes. parentid: the parent class or the qdisc's handle (0 is the same); classid 0: the discipline chooses one, if
 * it does that. Errors as Linux's, with sentences. conf: the kind's class conf.
 */
struct class_spec {
	uint32_t parentid, classid;
	const void *conf;
};
int sched_class_add(struct qdisc *q, const struct class_spec *spec, struct class **made, struct error *err);
int sched_class_change(struct class *c, const struct class_spec *spec, struct error *err);
int sched_class_delete(struct class *c,
	struct error *err); /* EBUSY while it has children or filters point to it; packets are moved, not lost */
/* What stands for the deletion of a class where classes are rows (class_ops.reset_row). */
int sched_class_reset(struct qdisc *q, uint32_t classid, struct error *err);
struct class *sched_class_find(const struct qdisc *q, uint32_t classid);
int sched_class_walk(const struct qdisc *q, int (*visit)(void *arg, struct class *c), void *arg);

/*
 * The chain where filters with this parent live, made on demand: parent is TC_H_ROOT/0 (the root qdisc), a handle or a
 * classid. NULL with err: no such parent (EINVAL), classless (EOPNOTSUPP).
 */
struct chain *sched_chain(struct sched_tree *tree, uint32_t parent, struct error *err);
/* To be called after each change of a chain of the tree: what was classified before is classified again. */
void sched_chain_changed(struct sched_tree *tree);

struct sched_stats {
	uint64_t bytes, packets; /* that left */
	uint64_t drops, overlimits, requeues;
	uint64_t backlog_bytes;
	uint32_t backlog_pkts;
};
void qdisc_get_stats(const struct qdisc *q, struct sched_stats *stats);
void class_get_stats(const struct class *c, struct sched_stats *stats);

/*
 * Rate estimators (tc's `est`): TCA_RATE's struct says how often to sample and how to weigh. One goes with its qdisc or
 * class; a second one takes its place and goes on from its averages.
 */
struct sched_rate {
	bool set; /* there is an estimator */
	uint64_t Bps, pps;
};
int sched_estimator_check(const struct tc_estimator *spec, struct error *err);
int sched_qdisc_estimate(struct qdisc *q, const struct tc_estimator *spec, struct error *err);
int sched_class_estimate(struct class *c, const struct tc_estimator *spec, struct error *err);
struct sched_rate qdisc_get_rate(const struct qdisc *q);
struct sched_rate class_get_rate(const struct class *c);
/* NULL for NULL, which is none. */
const struct tc_estimator *sched_estimator_spec(const struct estimator *e);

/* ---- a discipline ------------------------------------------------------------------------------------------------ */

/*
 * Enqueue owns the packets it is given: it queues each or drops it with a reason; it returns how many it queued.
 * Dequeue gives at most n that may leave at `now`; it may give none though there is backlog: the parent then parks that
 * child until its next_event. init runs in the control thread, before the data path can see the qdisc; change is run by
 * the owner, between two bursts, and so may touch anything of the qdisc. It may create classes (class_create) and
 * remove them (class_remove).
 */
struct qdisc_ops {
	const char *kind;
	/*
	 * of the discipline's own state, behind struct qdisc, aligned to 32 bytes; the first 96 of it are fetched ahead
	 */
	size_t size;
	size_t conf_size;
	int (*init)(struct qdisc *q, const void *conf, uint64_t now,
		struct error *err); /* conf NULL: no options were given */
	int (*change)(struct qdisc *q, const void *conf, uint64_t now, struct error *err); /* NULL: EOPNOTSUPP */
	void (*destroy)(struct qdisc *q); /* its queue is empty by then; NULL: nothing to free */
	uint16_t (*enqueue)(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now);
	uint16_t (*dequeue)(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now);
	/*
	 * sched_pass of a root without backlog, of at most 64 packets that are classified: with all that enqueue and
	 * dequeue would count. NULL: all are queued.
	 */
	uint16_t (*pass)(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now);
	struct rte_mbuf *(*peek)(struct qdisc *q,
		uint64_t now); /* what dequeue(..., 1, now) would give, still queued; NULL: see qdisc_peek */
	/*
	 * Bytes of the next packets that dequeue would give, at most n: for who pays for them first. NULL: see
	 * qdisc_peek_bytes.
	 */
	uint16_t (*peek_bytes)(const struct qdisc *q, uint32_t *bytes, uint16_t n);
	uint16_t (*flush)(
		struct qdisc *q, struct rte_mbuf **pkts, uint16_t n); /* queued packets in order, whatever the time */
	uint64_t (*next_event)(const struct qdisc *q, uint64_t now);
	/*
	 * Brings what the next dequeue will touch nearer to the processor; NULL: there is nothing to know ahead. q's
	 * hot line and the first line of its state are there. step 0 fetches what these point to, step 1, somewhat
	 * later, what that points to: the packet.
	 */
	void (*prefetch)(const struct qdisc *q, unsigned int step);
	void (*get_conf)(const struct qdisc *q, void *conf); /* as a dump prints it */
	void (*get_xstats)(
		const struct qdisc *q, void *xstats); /* the kind's struct in weir/qdisc/KIND.h; NULL: none */
	void (*refresh)(
		struct qdisc *q); /* control, owner in a change: counters that it keeps elsewhere; NULL: all are here */
	bool bypass; /* an empty one may be bypassed */
	bool binds_port; /* init calls qdisc_bind_port: another link cannot go up before it is there */
	bool plain_fifo; /* its state is sched/fifo.h's, and its limit counts packets */
	bool uses_lanes; /* mq */
	/* Dumps list its classes' leaves, whoever made them: what stands for c's. NULL: only those with a handle. */
	const struct qdisc *(*shown_leaf)(const struct class *c);
	/* (owner) q stands at its place now, and what is to move there comes next; NULL: it need not know. */
	void (*placed)(struct qdisc *q);
	const struct class_ops *classes; /* NULL where the discipline is classless */
};

/*
 * A classful discipline's classes. The core keeps struct class objects (made by add), finds them by minor and walks
 * them. Operations marked (owner) run between two bursts or on the data path.
 */
struct class_ops {
	size_t size; /* of a class's own state */
	size_t conf_size;
	/*
	 * Validate and fill the class; parent NULL: directly under the qdisc. NULL: classes come with the qdisc (prio,
	 * tbf): EOPNOTSUPP.
	 */
	int (*init)(struct class *c, struct class *parent, const void *conf, uint64_t now, struct error *err);
	int (*change)(struct class *c, const void *conf, uint64_t now, struct error *err); /* (owner) */
	void (*link)(struct class *c); /* (owner) makes it part of the discipline: init has allocated what that takes */
	int (*check_delete)(const struct class *c, struct error *err);
	void (*unlink)(struct class *c); /* (owner) it is empty by then */
	void (*destroy)(
		struct class *c); /* nobody can see it any more, or init has refused it; NULL: nothing to free */
	/*
	 * One level of classification: for each packet the class of q it goes to, by its slot (class_slot),
	 * PKT_LEAF_NONE: none (default action of the discipline: HTB's direct queue, an unclassified drop). May set
	 * PKT_SHOT. Rx worker or owner, under RCU.
	 */
	void (*classify)(const struct qdisc *q, const struct classify_ctx *ctx, struct rte_mbuf **pkts, uint16_t n,
		uint32_t *leaves);
	/*
	 * classify remembers what it has seen (wrr's hosts) or changes it (dsmark): it is asked at the owner, once a
	 * packet
	 */
	bool at_owner;
	/* (owner) the leaf qdisc of c turned from empty to busy, or from busy to empty. */
	void (*activate)(struct class *c, uint64_t now);
	void (*deactivate)(struct class *c, uint64_t now);
	/*
	 * (owner) c->leaf is another one, or it or something below it has changed: when it can give a packet must be
	 * asked anew. NULL: nothing is remembered of that.
	 */
	void (*grafted)(struct class *c, uint64_t now);
	bool (*may_graft)(const struct class *c, struct error *err); /* NULL: yes */
	/*
	 * The FIFO that stands in c when what was grafted there is deleted: its kind, and conf to fill. NULL: a pfifo
	 * of the port's queue length.
	 */
	const char *(*default_leaf)(const struct class *c, struct fifo_conf *conf);
	/*
	 * A class with children has no leaf qdisc: it goes with the first child, and a default one comes back when the
	 * last child goes.
	 */
	bool inner_without_leaf;
	/*
	 * Its class, made without a leaf, does without one (netem): it is listed while it has one, and when that is
	 * deleted nothing takes its place.
	 */
	bool leaf_optional;
	/* Control: the id of a class that is asked for without one, 0 if all are in use. NULL: it is refused. */
	uint32_t (*choose_id)(struct qdisc *q);
	/* errno for who wants a class at the root, where the discipline has one of its own; 0: may be */
	int root_taken;
	bool no_filters; /* nothing to choose: no chain may be attached (tbf) */
	const char *no_class_filters; /* why a chain may not be attached to a class; NULL: it may */
	/*
	 * There is one class, made in init, and any minor finds it, as on Linux: what is grafted at 1:7 takes its
	 * leaf's place.
	 */
	bool any_minor;
	/*
	 * (owner) Of a discipline with any_minor that keeps something by minor all the same (dsmark's marks): change or
	 * reset that. `snapshot` lists it. NULL: nothing is kept.
	 */
	int (*change_row)(struct qdisc *q, uint32_t minor, const void *conf, struct error *err);
	int (*reset_row)(struct qdisc *q, uint32_t minor, struct error *err);
	bool (*is_listed)(const struct class *c); /* NULL: each is; else dumps leave the others out */
	void (*get_conf)(const struct class *c, void *conf);
	void (*get_xstats)(const struct class *c, void *xstats);
	void (*get_stats)(const struct class *c, struct sched_stats *stats); /* NULL: those of its leaf qdisc */
	/*
	 * (owner) For a discipline whose classes come and go with its traffic (SFQ's flows) or are rows of a table
	 * (dsmark), so that the core keeps no objects of them: fills at most max classes, zeroed and stride bytes
	 * apart, in the order of their ids, for a dump; returns how many. NULL: the core's objects.
	 */
	uint32_t (*snapshot)(struct qdisc *q, void *classes, size_t stride, uint32_t max);
	/* How many snapshot may fill, asked by control; NULL: one for each queued packet. */
	uint32_t (*snapshot_max)(const struct qdisc *q);
};

/*
 * What is cold stands in front, then what a call by ops needs. The counters that each packet changes take half a cache
 * line, and the discipline's own state begins in the other half: a packet of a FIFO that is filled without calls
 * touches this line alone.
 */
struct qdisc {
	/* cold */
	uint64_t overlimits, requeues, drops_total;
	uint64_t *drops; /* DROP__COUNT of them, elsewhere: so that thousands of qdiscs stand close together */
	uint32_t handle; /* major << 16; 0: made by its parent, not listed */
	uint32_t place; /* the classid under which it was asked for, as dumps name it; 0: its parent's */
	struct chain *chain; /* NULL: no filters yet */
	struct sched_stab *stab; /* its own size table; NULL: none */
	struct class_table *class_table; /* core's: classes by minor */
	/*
	 * What leaves before all that the discipline has: the packet that a peek took through dequeue, and those that a
	 * change moved here before there was a class for them; all are still counted in the backlog. See holds.
	 */
	struct rte_mbuf *held;
	struct pkt_queue *ahead; /* NULL where classes come with the discipline */
	struct qdisc *next_listed; /* core's: all of the tree, as they were made */
	struct estimator *estimator; /* NULL: none */
	/* for calls */
	const struct qdisc_ops *ops;
	struct sched_tree *tree;
	struct class *parent; /* the class whose leaf it is; NULL: the root */
	const struct sched_stab *sizes; /* the nearest size table on the way to the root; NULL: none */
	/* hot */
	_Alignas(64) uint64_t backlog_bytes;
	uint64_t sent_bytes, sent_packets;
	uint32_t backlog_pkts;
	bool holds; /* held is not NULL, or something is in ahead */
	/* a plain_fifo without size table or observer: its parent may use sched/fifo.h instead of its ops */
	bool plain;
	_Alignas(32) uint8_t priv[];
};

/* Hot is the half of a cache line that lies before the discipline's own state; that begins in the other half. */
struct class
{
	/* cold */
	struct class *next; /* core's: all of the qdisc, as they were made */
	struct chain *chain; /* filters attached to this class; NULL: none yet */
	struct estimator *estimator; /* NULL: none */
	uint64_t past_drops, past_bytes, past_packets; /* dropped and sent by leaf qdiscs that it had before */
	uint32_t children : 31; /* classes that have it as parent */
	uint32_t room_taken : 1; /* core's: its leaf stands in the room before the class, see tree.h */
	uint32_t classid;
	uint32_t slot; /* in the tree: pkt.leaf */
	uint32_t born; /* the tree's generation when it was made: by slot, what is of an earlier one means another */
	/* hot */
	_Alignas(64) struct qdisc *qdisc; /* whose class it is */
	struct qdisc *leaf; /* the qdisc grafted here; NULL for inner classes */
	struct class *parent; /* NULL: directly under the qdisc */
	/*
	 * the discipline's, for what is not touched often: where there are thousands, classes are to stand close
	 * together
	 */
	void *more;
	_Alignas(32) uint8_t priv[];
};

static inline void *
qdisc_priv(const struct qdisc *q)
{
	return (void *)(uintptr_t)q->priv;
}

static inline void *
class_priv(const struct class *c)
{
	return (void *)(uintptr_t)c->priv;
}

/* What pkt.leaf says of packets for c. */
static inline uint32_t
class_slot(const struct class *c)
{
	return c == NULL ? PKT_LEAF_NONE : c->slot;
}

void qdisc_register(const struct qdisc_ops *ops);
const struct qdisc_ops *qdisc_find_ops(const char *kind);
const struct qdisc_ops *qdisc_ops_at(unsigned int i); /* the i-th kind; NULL: there are fewer */

#define QDISC_REGISTER(ops)                                                                                            \
	__attribute__((constructor)) static void qdisc_register_##ops(void)                                            \
	{                                                                                                              \
		qdisc_register(&(ops));                                                                                \
	}

/* ---- for disciplines: the only ways by which a backlog changes --------------------------------------------------- */

/* What a size table makes of a packet of `bytes` (tc-stab(8)). */
uint32_t sched_stab_bytes(const struct sched_stab *stab, uint32_t bytes);

/* Bytes of the frame that m will be, with an 802.1Q tag to be inserted. */
static inline uint32_t
pkt_frame_bytes(const struct rte_mbuf *m)
{
	return m->pkt_len + ((m->ol_flags & RTE_MBUF_F_TX_VLAN) != 0 ? 4 : 0);
}

/* Bytes of m as q counts them: the frame's, adjusted by the nearest stab on the way to the root. */
static inline uint32_t
pkt_bytes(const struct qdisc *q, const struct rte_mbuf *m)
{
	uint32_t bytes = pkt_frame_bytes(m);

	return likely(q->sizes == NULL) ? bytes : sched_stab_bytes(q->sizes, bytes);
}

/*
 * Bytes by which m was counted when it was queued, whatever has changed since. qdisc_queued keeps them in a word of the
 * mbuf's first cache line that nobody else uses from there to the device (fdir.hi is the NIC's to write on receive).
 */
static inline uint32_t
pkt_queued_bytes(const struct rte_mbuf *m)
{
	return m->hash.fdir.hi;
}

/* Bytes of m as q counts them, kept for pkt_queued_bytes: to be called of each packet before qdisc_queued_burst. */
static inline uint32_t
qdisc_count_bytes(const struct qdisc *q, struct rte_mbuf *m)
{
	return m->hash.fdir.hi = pkt_bytes(q, m);
}

/* q (a leaf) has taken m. Adjusts all ancestors and tells them of empty -> busy. */
void qdisc_queued(struct qdisc *q, struct rte_mbuf *m);
/* q (a leaf) has taken all n of these, `bytes` together; n may be 0. */
void qdisc_queued_burst(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t bytes);
/* m leaves q (a leaf) at `now`: sent counters and backlogs of q and all its ancestors; busy -> empty. */
void qdisc_left(struct qdisc *q, struct rte_mbuf *m, uint64_t now);
/* All n of these, `bytes` together, leave q (a leaf); n may be 0. */
void qdisc_left_burst(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t bytes, uint64_t now);
/* m, which was not queued yet, is dropped here and freed. */
void qdisc_drop(struct qdisc *q, struct rte_mbuf *m, enum drop_reason reason);
/* m, which was not queued yet and of which a filter said SHOT: it is dropped, or goes where an action sends it. */
void qdisc_shot(struct qdisc *q, struct rte_mbuf *m);
/* m, which was queued in q, is dropped and freed: backlogs are adjusted. */
void qdisc_drop_queued(struct qdisc *q, struct rte_mbuf *m, enum drop_reason reason);
/* m, which was queued in q, is taken out by flush: backlogs are adjusted, nothing is counted. */
void qdisc_unqueued(struct qdisc *q, struct rte_mbuf *m);
/*
 * `packets` that q had queued, `bytes` together, have been given to a qdisc below it, which has queued or dropped them
 * already: q and those above count them once again, and none of them turns empty by it.
 */
void qdisc_handed_down(struct qdisc *q, uint32_t packets, uint64_t bytes);
/* q, a discipline that is to hold it or drop it, has made a packet: it is counted as generated. */
void qdisc_generated(struct qdisc *q);
/* (owner) What was found out about packets that were held back, for q or below, is found again if it is stale. */
void qdisc_classify_held(const struct qdisc *q, struct rte_mbuf **pkts, uint16_t n);
/* Who enqueues at the moment, for a discipline that asks filters of its own (SFQ's flows). Valid inside enqueue. */
const struct classify_ctx *qdisc_ctx(const struct qdisc *q);
/*
 * True while packets are moved by a change of configuration: limits do not bite then. A moved packet is told to the
 * observer as queued again.
 */
bool qdisc_moving(const struct qdisc *q);
/* The class of q on the way to the packet's leaf; NULL: none (the discipline's default; check PKT_SHOT first). */
struct class *qdisc_class_of(const struct qdisc *q, const struct rte_mbuf *m);
/*
 * (owner) m, which a change moves to q and no class of it is for, leaves before all that has one: q may be a tree that
 * is still being built, and what waited before is not lost by that.
 */
void qdisc_put_ahead(struct qdisc *q, struct rte_mbuf *m);
/* The MTU and tx queue length of the port. */
uint32_t qdisc_mtu(const struct qdisc *q);
uint32_t qdisc_tx_queue_len(const struct qdisc *q);
uint64_t qdisc_random(struct qdisc *q); /* from the tree's seed */
/* In init of a kind that works only together with another port: sched_host.bind is asked. */
int qdisc_bind_port(const struct qdisc *q, struct error *err);
/*
 * A class that comes with the discipline (bands), made in init: its leaf is `kind` with conf. leaf_kind NULL: it has
 * none. With the qdisc's own handle as classid it is the root class of hfsc, which stands above those that name no
 * parent.
 */
int class_create(struct qdisc *q, uint32_t classid, const char *leaf_kind, const void *leaf_conf, struct class **made,
	struct error *err);
/*
 * (owner, in change) Takes such a class away again: what it holds is enqueued anew when the change is done; memory is
 * freed later.
 */
void class_remove(struct class *c);
/* Zeroed memory from the tree's arena, in control, and back: for what a discipline has many of. NULL: out of memory. */
void *qdisc_alloc(struct qdisc *q, size_t bytes);
void qdisc_dealloc(struct qdisc *q, void *object, size_t bytes);
struct qdisc *qdisc_default_leaf(struct class *c, struct error *err); /* class_ops.default_leaf's, with handle 0 */

/*
 * What a discipline calls of its children: they know of packets that a peek took out and holds. Never call a child's
 * ops->dequeue, peek, flush or next_event directly.
 */
uint16_t qdisc_dequeue_held(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now);
uint16_t qdisc_flush(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n);
/*
 * What qdisc_dequeue(q, .., 1, now) would give; NULL: none now. A kind without peek is dequeued from, and the packet is
 * held.
 */
struct rte_mbuf *qdisc_peek(struct qdisc *q, uint64_t now);

/* What the next packets of q count, at most n; 0 where q is empty or only qdisc_peek can tell. */
static inline uint16_t
qdisc_peek_bytes(const struct qdisc *q, uint32_t *bytes, uint16_t n)
{
	return q->ops->peek_bytes == NULL || q->holds ? 0 : q->ops->peek_bytes(q, bytes, n);
}

static inline uint16_t
qdisc_enqueue(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	return q->ops->enqueue(q, pkts, n, now);
}

static inline uint16_t
qdisc_dequeue(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	return likely(!q->holds) ? q->ops->dequeue(q, pkts, n, now) : qdisc_dequeue_held(q, pkts, n, now);
}

/*
 * Ahead of a dequeue, in this order and with other work between: the qdisc itself, then steps 0 and 1
 * (qdisc_ops.prefetch).
 */
static inline void
qdisc_prefetch_self(const struct qdisc *q)
{
	rte_prefetch0(&q->ops);
	rte_prefetch0(&q->backlog_bytes);
	rte_prefetch0(q->priv + 32);
}

static inline void
qdisc_prefetch(const struct qdisc *q, unsigned int step)
{
	if (q->ops->prefetch != NULL)
		q->ops->prefetch(q, step);
}

static inline uint64_t
qdisc_next_event(const struct qdisc *q, uint64_t now)
{
	return likely(!q->holds) ? q->ops->next_event(q, now) : now;
}

#endif
