/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HTB: sending. Who is over a bucket waits in a timer wheel and stands in no ring. Each turn's leaf is charged once,
 * and what a few turns ahead will touch is fetched meanwhile: the class with its leaf, then what waits there behind the
 * first packets.
 *
 *   wheel --due--> row:  first  +1  +2    +3     ...      +8
 *                        served         queue        class and leaf
 */
#include <rte_branch_prediction.h>
#include <rte_prefetch.h>

#include "fifo.h"
#include "htb.h"

/*
 * A class that was asked to pay more than it had, because its children's rates add up to more than its own, forgets
 * debts beyond this.
 */
#define DEBT_MAX_NS UINT64_C(60000000000)

#define DUE_BURST   64 /* classes taken out of the wheel at a time */
#define CLASS_AHEAD 8 /* turns in a row of leaves, before which a class and its leaf are fetched */
#define QUEUE_AHEAD 3
#define LOOK_MAX_NS UINT64_C(4096) /* as far ahead as is looked for who will be due */

/* ---- buckets and modes */

static inline int64_t
filled(int64_t tokens, int64_t earned, int64_t depth)
{
	tokens += earned;
	return tokens > depth ? depth : tokens;
}

static inline int64_t
paid(int64_t tokens, int64_t cost)
{
	const int64_t debt_max = (int64_t)(DEBT_MAX_NS << TOKENS_SHIFT);

	tokens -= cost;
	return tokens < -debt_max ? -debt_max : tokens;
}

/* Time that has gone back, as when a change was made a little after the `now` of a burst, earns nothing twice. */
static inline void
count_buckets(struct htb_class *cl, uint64_t now)
{
	uint64_t ns;

	if (now <= cl->counted_ns)
		return;
	ns = now - cl->counted_ns;
	int64_t earned = (int64_t)((ns < DEBT_MAX_NS ? ns : DEBT_MAX_NS) << TOKENS_SHIFT);

	cl->tokens = filled(cl->tokens, earned, cl->depth);
	cl->ceil_tokens = filled(cl->ceil_tokens, earned, cl->ceil_depth);
	cl->counted_ns = now;
}

void
htb_count(struct htb_class *cl, uint64_t now)
{
	count_buckets(cl, now);
}

/* By what the buckets held when they were counted. */
static inline enum htb_mode
mode_of(const struct htb_class *cl)
{
	return cl->ceil_tokens < 0 ? HTB_CANNOT_SEND : cl->tokens < 0 ? HTB_MAY_BORROW : HTB_CAN_SEND;
}

static inline uintptr_t
wait_of(const struct htb_class *cl, unsigned int wait)
{
	return (uintptr_t)cl | (unsigned int)cl->prio << HTB_WAIT_PRIO_SHIFT | wait;
}

static inline struct htb_class *
class_of_wait(uintptr_t who)
{
	return (struct htb_class *)(who & ~(uintptr_t)HTB_WAIT_BITS);
}

static inline unsigned int
prio_of_wait(uintptr_t who)
{
	return (who & HTB_WAIT_BITS) >> HTB_WAIT_PRIO_SHIFT;
}

/*
 * To be told when its mode ends if nothing more is sent. A wait that is there already is left: debts only grow
 * meanwhile, so it goes off early, and the mode is looked at anew.
 */
static inline void
arm(struct htb *h, struct htb_class *cl)
{
	unsigned int wait = cl->mode;

	if (wait == HTB_CAN_SEND)
		return;
	if (wait == HTB_CANNOT_SEND && cl->level == 0 && cl->busy != 0 && cl->tokens >= cl->ceil_tokens)
		wait = HTB_WAIT_ROW;
	if ((cl->armed & (1u << wait | 1u << cl->mode)) != 0)
		return;
	cl->armed |= (uint8_t)(1u << wait);
	wheel_add(&h->wheel,
		cl->counted_ns + ns_from_tokens(-(cl->mode == HTB_CANNOT_SEND ? cl->ceil_tokens : cl->tokens)),
		wait_of(cl, wait));
}

static void
change_mode(struct qdisc *q, struct htb *h, struct htb_class *cl, enum htb_mode mode)
{
	if (mode == HTB_CANNOT_SEND) {
		cl->overlimits++;
		q->overlimits++;
	}
	if (cl->busy != 0)
		htb_deactivate_prios(h, cl, cl->busy);
	cl->mode = (uint8_t)mode;
	if (cl->busy != 0)
		htb_activate_prios(h, cl, cl->busy);
}

static inline void
review_mode(struct qdisc *q, struct htb *h, struct htb_class *cl)
{
	enum htb_mode mode = mode_of(cl);

	if (likely(mode == cl->mode))
		return;
	change_mode(q, h, cl, mode);
	arm(h, cl);
}

/* ---- waiting */

/* Its leaf qdisc, a shaper itself, gives nothing for now. */
static void
park(struct htb *h, struct htb_class *cl, uint64_t until_ns)
{
	htb_deactivate_prios(h, cl, cl->busy);
	cl->busy = 0;
	cl->parked = true;
	htb_more(cl)->parked_ns = until_ns;
	if (until_ns == SCHED_NEVER)
		return;
	if ((cl->armed & 1u << HTB_WAIT_PARKED) != 0) {
		if (htb_more(cl)->armed_ns <= until_ns)
			return;
		wheel_remove(&h->wheel, wait_of(cl, HTB_WAIT_PARKED));
	}
	cl->armed |= 1u << HTB_WAIT_PARKED;
	htb_more(cl)->armed_ns = until_ns;
	wheel_add(&h->wheel, until_ns, wait_of(cl, HTB_WAIT_PARKED));
}

void
htb_unpark(struct htb *h, struct htb_class *cl)
{
	cl->parked = false;
	htb_leaf_busy(h, cl);
}

static void
parked_is_due(struct htb *h, struct htb_class *cl, uint64_t now)
{
	if (!cl->parked)
		return;
	if (htb_more(cl)->parked_ns <= now)
		htb_unpark(h, cl);
	else
		park(h, cl, htb_more(cl)->parked_ns);
}

static void
is_due(struct qdisc *q, struct htb *h, uintptr_t who, uint64_t now)
{
	struct htb_class *cl = class_of_wait(who);
	unsigned int wait = who & HTB_WAIT_MASK;

	cl->armed &= (uint8_t) ~(1u << wait);
	if (wait == HTB_WAIT_PARKED) {
		parked_is_due(h, cl, now);
		return;
	}
	/* It is on its way to its row, or there. */
	if ((cl->armed & 1u << HTB_WAIT_ROW) != 0)
		return;
	count_buckets(cl, now);
	review_mode(q, h, cl);
	/* It may have gone off early. */
	arm(h, cl);
}

/* With a leaf that stands beside it. */
static inline void
prefetch_class(const struct htb_class *cl)
{
	class_prefetch(htb_class_of(cl));
}

void
htb_take_out(struct htb *h, struct htb_class *cl)
{
	struct htb_class *parent = htb_parent(cl);

	for (unsigned int wait = 0; wait < HTB_WAITS; wait++) {
		if ((cl->armed & 1u << wait) != 0)
			wheel_remove(&h->wheel, wait_of(cl, wait));
	}
	cl->armed = 0;
	htb_deactivate_prios(h, cl, cl->busy);
	/* It may stand there without its mode saying so. */
	if (cl->level == 0)
		htb_row_remove(h, cl, cl->prio);
	for (unsigned int prio = 0; parent != NULL && prio < HTB_PRIOS; prio++) {
		struct htb_ring *ring = &htb_more(parent)->inner->rings[prio];

		if (ring->returning != 0 && htb_class_at(h, ring->returning) == cl)
			ring->returning = 0;
	}
}

void
htb_put_in(struct htb *h, struct htb_class *cl, uint64_t now)
{
	count_buckets(cl, now);
	cl->mode = (uint8_t)mode_of(cl);
	arm(h, cl);
	htb_activate_prios(h, cl, cl->busy);
	if (cl->parked)
		park(h, cl, htb_more(cl)->parked_ns);
}

/* ---- paying */

/* To be paid by pay_bills. */
static inline void
bill(struct htb *h, struct htb_class *cl, uint64_t bytes, uint32_t packets)
{
	if (htb_more(cl)->bill_packets == 0)
		h->billed[cl->level][h->billed_count[cl->level]++] = cl;
	htb_more(cl)->bill_bytes += bytes;
	htb_more(cl)->bill_packets += packets;
}

/* What packets of `bytes` cost a class. */
struct cost {
	int64_t rate, ceil; /* tokens */
};

static inline struct cost
cost_of(const struct htb_class *cl, uint64_t bytes)
{
	int64_t cost = rate_cost(&cl->rate, bytes);

	/* Very often they are the same. */
	return (struct cost){ .rate = cost,
		.ceil = rates_equal(&cl->rate, &cl->ceil) ? cost : rate_cost(&cl->ceil, bytes) };
}

/*
 * An inner class, for packets below it: the lender, at `level`, and all above it pay in full; below it only the ceil
 * buckets pay.
 */
static inline void
charge_inner(struct qdisc *q, struct htb *h, struct htb_class *cl, uint64_t bytes, uint32_t packets, unsigned int level,
	uint64_t now)
{
	struct cost cost = cost_of(cl, bytes);

	count_buckets(cl, now);
	if (cl->level >= level) {
		cl->tokens = paid(cl->tokens, cost.rate);
		htb_more(cl)->lends += cl->level == level ? packets : 0;
	} else {
		cl->borrows += packets;
	}
	cl->ceil_tokens = paid(cl->ceil_tokens, cost.ceil);
	htb_more(cl)->sent_bytes += bytes;
	htb_more(cl)->sent_packets += packets;
	review_mode(q, h, cl);
}

/*
 * What leaves send at their own rate is charged to the classes above them together, when a burst is done or somebody is
 * to borrow: only then does it matter whether these are over a bucket. Each level's bill goes on to the next, so the
 * root class pays once.
 */
static void
pay_bills(struct qdisc *q, struct htb *h, uint64_t now)
{
	for (unsigned int level = 1; level < HTB_LEVELS; level++) {
		for (unsigned int i = 0; i < h->billed_count[level]; i++) {
			struct htb_class *cl = h->billed[level][i], *parent = htb_parent(cl);
			uint64_t bytes = htb_more(cl)->bill_bytes;
			uint32_t packets = htb_more(cl)->bill_packets;

			htb_more(cl)->bill_bytes = 0;
			htb_more(cl)->bill_packets = 0;
			if (parent != NULL)
				bill(h, parent, bytes, packets);
			charge_inner(q, h, cl, bytes, packets, 0, now);
		}
		h->billed_count[level] = 0;
	}
}

/*
 * Packets of the leaf cl have left at the expense of its ancestor at `level`, or of itself at level 0. What is borrowed
 * does not count against one's own rate.
 */
static inline void
charge(struct qdisc *q, struct htb *h, struct htb_class *cl, uint32_t bytes, uint32_t packets, unsigned int level,
	struct cost cost, uint64_t now)
{
	struct htb_class *parent = htb_parent(cl);

	cl->ceil_tokens = paid(cl->ceil_tokens, cost.ceil);
	if (likely(level == 0)) {
		cl->tokens = paid(cl->tokens, cost.rate);
		review_mode(q, h, cl);
		if (parent != NULL)
			bill(h, parent, bytes, packets);
		return;
	}
	/* A leaf's packets that were not borrowed for are those that it has sent itself. */
	cl->borrows += packets;
	htb_more(cl)->lends -= packets;
	review_mode(q, h, cl);
	for (; parent != NULL; parent = htb_parent(parent))
		charge_inner(q, h, parent, bytes, packets, level, now);
}

/* Deficit round robin (Shreedhar and Varghese 1995), with the quantum added when the turn ends: true. */
static inline bool
use_deficit(struct htb_class *cl, uint32_t bytes, unsigned int level)
{
	const int64_t least =
		INT32_MIN / 2; /* a quantum below the packets' size lets the debt grow: enough is enough */
	int32_t *deficit = level == 0 ? &cl->deficit : &htb_more(cl)->deficits[level];
	int64_t left = (int64_t)*deficit - bytes;
	bool ended = left < 0;

	if (ended)
		left += cl->quantum;
	*deficit = (int32_t)(left < least ? least : left);
	return ended;
}

/*
 * How many packets cl's leaf may be asked for at once, with the same outcome as if it were asked for each: all that it
 * has, where its turn and its buckets last for them; else one. *cost is then what all cost.
 */
static inline uint16_t
packets_at_once(const struct htb *h, const struct htb_class *cl, const struct qdisc *leaf, unsigned int level,
	uint16_t room, struct cost *cost)
{
	int64_t bytes = (int64_t)leaf->backlog_bytes;

	if (leaf->backlog_pkts == 1 || level != 0 || bytes > cl->deficit || h->adjusted != 0)
		return 1;
	*cost = cost_of(cl, (uint64_t)bytes);
	return cl->tokens < cost->rate || cl->ceil_tokens < cost->ceil ? 1 : room;
}

/* ---- looking ahead */

/* One that stands elsewhere: its class must be there. */
static inline void
prefetch_leaf(const struct htb_class *cl)
{
	const struct class *c = htb_class_of(cl);

	if (unlikely(c->leaf != class_room(c)) && c->leaf != NULL)
		qdisc_prefetch_self(c->leaf);
}

/* What its leaf, which must be there, will touch to give a packet; the packet itself is for who sends it to fetch. */
static inline void
prefetch_queue(const struct htb_class *cl)
{
	const struct qdisc *leaf = htb_class_of(cl)->leaf;

	if (likely(leaf != NULL && leaf->plain))
		fifo_prefetch(qdisc_priv(leaf));
	else if (leaf != NULL)
		qdisc_prefetch(leaf, 0);
}

static inline const struct htb_class *
seen(const struct htb_look_ahead *ahead, unsigned int steps_ago)
{
	return ahead->seen[(ahead->count - steps_ago) % HTB_AHEAD];
}

static inline void
look_further(const struct htb *h, struct htb_look_ahead *ahead)
{
	const struct htb_class *cl = NULL;
	uint32_t next;

	/* No next one: the scout has left the ring. */
	if (ahead->scout != 0 && likely((next = h->turns[ahead->scout].next) != 0)) {
		cl = htb_class_at(h, ahead->scout);
		prefetch_class(cl);
		ahead->seen_in_ring++;
		ahead->scout = next == ahead->ring->current ? 0 : next;
	} else {
		ahead->scout = 0;
	}
	ahead->seen[ahead->count++ % HTB_AHEAD] = cl;
}

/*
 * Before each turn in `ring`. Who is seen may leave the ring before his turn comes, or others come: what is fetched is
 * only more or less useful then. A ring that was seen to its end is looked at again when as many turns have passed.
 */
static inline void
look_ahead(struct htb *h, const struct htb_ring *ring)
{
	struct htb_look_ahead *ahead = &h->ahead;
	const struct htb_class *cl;

	if (unlikely(ahead->ring != ring || (ahead->scout == 0 && ahead->seen_in_ring == 0))) {
		ahead->ring = ring;
		ahead->scout = ring->current;
		ahead->seen_in_ring = 0;
		for (unsigned int i = 0; i < HTB_AHEAD - 4 && ahead->scout != 0; i++)
			look_further(h, ahead);
	} else {
		look_further(h, ahead);
	}
	ahead->seen_in_ring -= ahead->seen_in_ring != 0;
	cl = seen(ahead, 6);
	if (cl != NULL)
		prefetch_leaf(cl);
	cl = seen(ahead, 9);
	if (cl != NULL)
		prefetch_queue(cl);
}

/* ---- sending */

/* At most n packets of cl's leaf; *bytes of them. */
static inline uint16_t
take_packets(struct htb *h, struct htb_class *cl, struct qdisc *leaf, struct rte_mbuf **pkts, uint16_t n,
	uint64_t *bytes, struct htb_sums *sums, uint64_t now)
{
	uint64_t before = leaf->sent_bytes;
	uint16_t got;

	if (likely(leaf->plain)) {
		got = fifo_give(leaf, pkts, n, &sums->bytes);
		sums->packets += got;
		if (leaf->backlog_pkts == 0)
			htb_leaf_idle(h, cl);
	} else {
		got = qdisc_dequeue(leaf, pkts, n, now);
	}
	*bytes = leaf->sent_bytes - before;
	return got;
}

/* One turn of cl's, or a part of it: returns how many packets it gave. */
static inline uint16_t
serve_leaf(struct qdisc *q, struct htb *h, struct htb_class *cl, struct rte_mbuf **pkts, uint16_t n, unsigned int level,
	unsigned int prio, struct htb_sums *sums, uint64_t now)
{
	struct qdisc *leaf = htb_class_of(cl)->leaf;
	uint64_t backlog = leaf->backlog_bytes, bytes;
	struct cost cost;

	count_buckets(cl, now);
	uint16_t wanted = packets_at_once(h, cl, leaf, level, n, &cost);
	uint16_t got = take_packets(h, cl, leaf, pkts, wanted, &bytes, sums, now);

	if (unlikely(got == 0)) {
		/* It may have dropped all that it held (CoDel), and is out of the ring then. */
		if (cl->busy != 0)
			park(h, cl, qdisc_next_event(leaf, now));
		return 0;
	}
	if (wanted == 1 || bytes != backlog)
		cost = cost_of(cl, bytes);
	bool ended = use_deficit(cl, (uint32_t)bytes, level);

	/* In a row, who cannot send any more has left it by himself. */
	if (level == 0) {
		charge(q, h, cl, (uint32_t)bytes, got, level, cost, now);
		ended &= cl->mode == HTB_CAN_SEND;
	}
	if (ended)
		htb_pass_turn(h, cl, prio);
	if (level != 0)
		charge(q, h, cl, (uint32_t)bytes, got, level, cost, now);
	return got;
}

/* ---- who is due */

/* The ends of waits at `now`. Leaves that go to their row unseen are not touched: they are fetched before their turn. */
static void
wake(struct qdisc *q, struct htb *h, uint64_t now)
{
	uintptr_t due[DUE_BURST];
	unsigned int count;

	while ((count = wheel_pop(&h->wheel, now, due, DUE_BURST)) != 0) {
		for (unsigned int i = 0; i < count; i++) {
			if (unlikely((due[i] & HTB_WAIT_MASK) != HTB_WAIT_ROW))
				prefetch_class(class_of_wait(due[i]));
		}
		for (unsigned int i = 0; i < count; i++) {
			if (likely((due[i] & HTB_WAIT_MASK) == HTB_WAIT_ROW))
				htb_row_add(h, class_of_wait(due[i]), prio_of_wait(due[i]));
			else
				is_due(q, h, due[i], now);
		}
	}
}

/* Whose turn it is in a leaf row; NULL: who came unseen cannot send after all, or has nothing to send any more. */
static inline struct htb_class *
first_of_row(struct qdisc *q, struct htb *h, unsigned int prio, uint64_t now)
{
	const struct htb_row *row = &h->leaf_rows[prio];
	const struct htb_class *ahead = htb_row_at(row, CLASS_AHEAD);
	struct htb_class *cl = htb_round_at(&row->now, 0);

	if (ahead != NULL)
		prefetch_class(ahead);
	ahead = htb_row_at(row, QUEUE_AHEAD);
	if (ahead != NULL)
		prefetch_queue(ahead);
	if (likely(cl->mode == HTB_CAN_SEND))
		return cl;
	cl->armed &= (uint8_t) ~(1u << HTB_WAIT_ROW);
	count_buckets(cl, now);
	if (likely(cl->busy != 0 && mode_of(cl) == HTB_CAN_SEND)) {
		cl->mode = HTB_CAN_SEND;
		return cl;
	}
	htb_row_remove(h, cl, prio);
	review_mode(q, h, cl);
	arm(h, cl);
	return NULL;
}

/*
 * For the next call, if that comes as long after this one as this one after the last: the first who will have a turn
 * then.
 */
static void
prefetch_next_call(struct htb *h, uint64_t now)
{
	uint64_t step = RTE_MIN(now - h->served_ns, LOOK_MAX_NS);
	uintptr_t later[CLASS_AHEAD];
	unsigned int n;

	h->served_ns = now;
	if (h->busy_levels != 0)
		return;
	n = wheel_look(&h->wheel, now, now + step, later, RTE_DIM(later));
	for (unsigned int i = 0; i < n; i++)
		prefetch_class(class_of_wait(later[i]));
}

/* The leaf whose turn it is; NULL: it turned out that it is somebody else's. */
static inline struct htb_class *
next_turn(struct qdisc *q, struct htb *h, unsigned int level, unsigned int prio, uint64_t now)
{
	const struct htb_ring *ring;
	struct htb_class *cl;

	if (likely(level == 0))
		return first_of_row(q, h, prio, now);
	cl = htb_next_leaf(h, level, prio);
	/* A leaf is in a ring of classes that may borrow. */
	ring = htb_ring_of(cl, prio);
	if (ring->count > HTB_FEW)
		look_ahead(h, ring);
	return cl;
}

uint16_t
htb_serve(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	struct htb *h = qdisc_priv(q);
	struct htb_sums sums = { 0 };
	unsigned int turns = 0;
	uint16_t got = 0;

	wake(q, h, now);
	while (got < n) {
		unsigned int level, prio;
		struct htb_class *cl;

		if ((h->busy_levels & 1) == 0)
			pay_bills(q, h, now);
		if (h->busy_levels == 0)
			break;
		level = (unsigned int)__builtin_ctz(h->busy_levels);
		prio = (unsigned int)__builtin_ctz(h->busy_rows[level]);
		cl = next_turn(q, h, level, prio, now);
		if (unlikely(cl == NULL))
			continue;
		got += serve_leaf(q, h, cl, pkts + got, n - got, level, prio, &sums, now);
		if (++turns == HTB_BURST || h->adjusted != 0) {
			pay_bills(q, h, now);
			turns = 0;
		}
	}
	pay_bills(q, h, now);
	qdisc_left_below(q, sums.packets, sums.bytes, now);
	prefetch_next_call(h, now);
	return got;
}
