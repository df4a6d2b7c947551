/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * CBQ: timers and sending. A leaf sends at its own expense as long as its turn lasts and it is not over its limit; the
 * classes above it are charged when the burst is done, each with all that is its at once. What a leaf's turn will touch
 * is fetched some turns before.
 *
 *   wheel --due--> row:  first  +1  +2    +3     ...      +12
 *                        served         queue        class and leaf
 */
#include <rte_branch_prediction.h>
#include <rte_prefetch.h>

#include "cbq.h"
#include "cbq_estimator.h"
#include "leaf.h"

#define DUE_BURST   64 /* classes taken out of the wheel at a time */
#define CLASS_AHEAD 12 /* turns in a row of leaves, before which a class and its leaf are fetched */
#define QUEUE_AHEAD 3
#define LOOK_MAX_NS UINT64_C(4096) /* as far ahead as is looked for who will be due */

/* ---- waiting */

static inline uintptr_t
wait_of(const struct cbq_class *cl, enum cbq_wait wait)
{
	return (uintptr_t)cl | (cl->prio - 1u) << CBQ_WAIT_PRIO_SHIFT | wait;
}

static inline unsigned int
prio_of_wait(uintptr_t who)
{
	return 1 + ((who & CBQ_WAIT_BITS) >> CBQ_WAIT_PRIO_SHIFT);
}

static inline struct cbq_class *
class_of_wait(uintptr_t who)
{
	return (struct cbq_class *)(who & ~(uintptr_t)CBQ_WAIT_BITS);
}

static inline enum cbq_wait
wait_for_limit(const struct cbq_class *cl)
{
	return cl->level == 0 && cl->bounded ? CBQ_WAIT_ROW : CBQ_WAIT_LIMIT;
}

/* A wait that is there already is left: it goes off early, and the class is looked at anew. */
void
cbq_arm(struct cbq *h, struct cbq_class *cl)
{
	if (cl->armed || !cl->lends)
		return;
	cl->armed = true;
	wheel_add(&h->wheel, cl->until_ns, wait_of(cl, wait_for_limit(cl)));
}

/* Its leaf qdisc, a shaper itself, gives nothing for now. */
static void
park(struct cbq *h, struct cbq_class *cl, uint64_t until_ns)
{
	cbq_leaf_idle(h, cl);
	cl->parked = true;
	parking_wait(&cbq_more(cl)->parking, &h->wheel, wait_of(cl, CBQ_WAIT_PARKED), until_ns);
}

void
cbq_unpark(struct cbq *h, struct cbq_class *cl, uint64_t now)
{
	cl->parked = false;
	cbq_leaf_busy(h, cl, now);
}

void
cbq_disarm(struct cbq *h, struct cbq_class *cl)
{
	if (cl->armed && (wait_for_limit(cl) != CBQ_WAIT_ROW || !cbq_row_remove(h, cl)))
		wheel_remove(&h->wheel, wait_of(cl, wait_for_limit(cl)));
	cl->armed = false;
	parking_leave(&cbq_more(cl)->parking, &h->wheel, wait_of(cl, CBQ_WAIT_PARKED));
}

static void
is_due(struct cbq *h, uintptr_t who, uint64_t now)
{
	struct cbq_class *cl = class_of_wait(who);

	if ((who & CBQ_WAIT_MASK) != CBQ_WAIT_PARKED) {
		cl->armed = false;
		if (cl->busy != 0)
			cbq_review(h, cl, now);
	} else {
		struct parking *parking = &cbq_more(cl)->parking;

		parking->armed = false;
		if (cl->parked && parking_is_over(parking, &h->wheel, who, now))
			cbq_unpark(h, cl, now);
	}
}

static inline void
prefetch_class(const struct cbq_class *cl)
{
	class_prefetch(cbq_class_of(cl));
	rte_prefetch0(&cl->avgidle);
}

/* Where turns are made longer for those that there are, who comes is looked at. */
static inline bool
goes_to_row(const struct cbq *h, uintptr_t who)
{
	return (who & CBQ_WAIT_MASK) == CBQ_WAIT_ROW && likely(h->prios[prio_of_wait(who)].scale.boost == 0);
}

/*
 * Leaves that go to their row unseen are not touched: they are fetched before their turn. Of the others, all that are
 * due at a time are fetched together.
 */
static void
run_timers(struct cbq *h, uint64_t now)
{
	uintptr_t due[DUE_BURST];
	unsigned int n;

	while ((n = wheel_pop(&h->wheel, now, due, DUE_BURST)) != 0) {
		for (unsigned int i = 0; i < n; i++) {
			if (unlikely(!goes_to_row(h, due[i])))
				prefetch_class(class_of_wait(due[i]));
		}
		for (unsigned int i = 0; i < n; i++) {
			unsigned int prio = prio_of_wait(due[i]);

			if (unlikely(!goes_to_row(h, due[i]))) {
				is_due(h, due[i], now);
				continue;
			}
			row_round_join(row_end(&h->leaf_rows[prio]), class_of_wait(due[i]));
			h->prios[prio].busy++;
			cbq_row_is_busy(h, prio);
		}
	}
}

/*
 * Brings the leaves nearer to the processor that will have the first turns when their waits are over at `now`: there
 * are no turns before theirs to do it in.
 */
static void
fetch_first(const struct cbq *h, uint64_t now)
{
	uintptr_t who[CLASS_AHEAD];
	unsigned int count =
		now - h->served_ns > LOOK_MAX_NS ? 0 : wheel_look(&h->wheel, h->served_ns, now, who, RTE_DIM(who));

	for (unsigned int i = 0; i < count; i++)
		prefetch_class(class_of_wait(who[i]));
}

/* ---- looking ahead */

static inline const struct class *
seen(const struct cbq_look_ahead *ahead, unsigned int steps_ago)
{
	return ahead->seen[(ahead->count - steps_ago) % CBQ_AHEAD];
}

static inline void
fetch_ahead(const struct row *row)
{
	const struct row_round *round = &row->now;

	/* Of a gap, nothing is fetched that there is. */
	if (likely(round->count > CLASS_AHEAD))
		prefetch_class(row_round_at(round, CLASS_AHEAD));
	if (likely(round->count > QUEUE_AHEAD)) {
		const struct cbq_class *cl = row_round_at(round, QUEUE_AHEAD);

		if (likely(cl != NULL))
			leaf_prefetch_queue(cbq_class_of(cl));
	}
}

/*
 * Before each turn in `ring`: the class a dozen turns on is fetched, then its leaf, that one's first entry and the
 * packet. Who is seen may leave the ring before his turn comes, or others come: what is fetched is only more or less
 * useful then.
 */
static inline void
look_ahead(const struct cbq *h, struct cbq_look_ahead *ahead, const struct turn_ring *ring)
{
	uint32_t next = h->turns[ahead->scout].next;
	const struct class *c = NULL;

	ahead->turn = ring->current;
	if (unlikely(ahead->ring != ring || next == 0)) {
		ahead->ring = ring;
		next = ring->current;
		for (unsigned int i = 0; i < CBQ_AHEAD - 4; i++)
			next = h->turns[next].next;
	}
	ahead->scout = next;
	if (likely(next <= CBQ_MINORS)) {
		c = cbq_class_at(h, next);
		prefetch_class(class_priv(c));
	}
	ahead->seen[ahead->count++ % CBQ_AHEAD] = c;
	if ((c = seen(ahead, 6)) != NULL)
		leaf_prefetch(c);
	if ((c = seen(ahead, 9)) != NULL)
		leaf_prefetch_queue(c);
}

/* ---- charging the classes above */

/* "A class's usage is that of all of its descendants": who has to pay, too, what cl has paid for; NULL: nobody. */
static inline struct cbq_class *
payer_above(const struct cbq *h, const struct cbq_class *cl)
{
	return cl->isolated ? NULL : cbq_parent(h, cl);
}

static inline void
charge_inner(struct cbq *h, struct cbq_class *cl, uint64_t bytes, bool waited, uint64_t now)
{
	struct cbq_more *more = cbq_more(cl);

	more->sent_bytes += bytes;
	more->sent_packets++;
	cbq_charge(cl, bytes, waited, now);
	if (cl->busy != 0)
		cbq_review(h, cl, now);
}

/* cl has sent at the expense of a class above it, and is charged itself: those between them pay, too. */
static inline void
charge_borrowed(struct cbq *h, struct cbq_class *cl, struct cbq_class *lender, uint64_t bytes, uint64_t now)
{
	while (cl != lender) {
		cl = cl->isolated ? lender : cbq_parent(h, cl);
		charge_inner(h, cl, bytes, cl == lender || cl->busy != 0, now);
	}
	while ((cl = payer_above(h, cl)) != NULL)
		charge_inner(h, cl, bytes, cl->busy != 0, now);
}

static void
pay_in_order(struct cbq *h, uint64_t now)
{
	unsigned int count = h->bill_count;

	/* Who gets to a ring by that finds nothing left to pay. */
	h->bill_count = 0;
	for (unsigned int i = 0; i < count; i++) {
		const struct cbq_bill *bill = &h->bills[i];

		for (uint32_t k = bill->first; k < bill->first + bill->count; k++) {
			for (struct cbq_class *cl = bill->cl; cl != NULL; cl = payer_above(h, cl))
				charge_inner(h, cl, h->billed[k], cl->busy != 0, now);
		}
	}
}

static inline void
charge_burst(struct cbq_class *cl, const uint32_t *bytes, unsigned int n, uint64_t now)
{
	struct cbq_more *more = cbq_more(cl);

	cbq_charge_burst(cl, bytes, n, cl->busy != 0, now);
	for (unsigned int i = 0; i < n; i++)
		more->sent_bytes += bytes[i];
	more->sent_packets += n;
}

/* One bill more, or a longer last one: cl's, of these packets. */
static inline void
add_bill(struct cbq *h, struct cbq_class *cl, uint32_t first, uint32_t count)
{
	struct cbq_bill *next = &h->bills[h->bill_count];

	if (h->bill_count != 0 && next[-1].cl == cl && next[-1].first + next[-1].count == first) {
		next[-1].count += count;
		return;
	}
	*next = (struct cbq_bill){ .cl = cl, .first = first, .count = count };
	h->bill_count++;
}

/*
 * Level by level, so that each class has together, and in order, what is charged to it: the same comes of it as packet
 * by packet, as long as no class above leaves is in a row, so that none can leave it by that.
 */
static void
pay_together(struct cbq *h, uint64_t now)
{
	for (unsigned int level = 1; h->bill_count != 0; level++) {
		unsigned int count = h->bill_count;

		h->bill_count = 0;
		for (unsigned int i = 0; i < count; i++) {
			struct cbq_bill bill = h->bills[i];
			struct cbq_class *payer = bill.cl;

			if (payer->level == level) {
				charge_burst(payer, h->billed + bill.first, bill.count, now);
				payer = payer_above(h, payer);
			}
			if (payer != NULL)
				add_bill(h, payer, bill.first, bill.count);
		}
	}
}

void
cbq_pay_bills(struct cbq *h, uint64_t now)
{
	if (likely(h->busy_levels <= 1))
		pay_together(h, now);
	else
		pay_in_order(h, now);
	h->billed_count = 0;
}

/* ---- sending */

/* Its leaf gave nothing: it waits, or it has dropped all that it held (CoDel), and is out of the ring then. */
static __rte_noinline uint16_t
park_if_busy(struct cbq *h, struct cbq_class *cl, uint64_t now)
{
	const struct qdisc *leaf = cbq_class_of(cl)->leaf;

	if (leaf->backlog_pkts != 0)
		park(h, cl, qdisc_next_event(leaf, now));
	return 0;
}

/* A packet of a class whose turn it is to borrow from lender, or to send from its own queue; 0: it gives none. */
static uint16_t
serve_borrower(struct cbq *h, struct cbq_class *cl, struct cbq_class *lender, struct rte_mbuf **pkts,
	struct leaf_sums *sums, uint64_t now)
{
	uint64_t bytes;

	if (unlikely(cl->deficit <= 0)) {
		cbq_use_turn(h, cl, 0);
		return 0;
	}
	if (unlikely(leaf_give(cbq_class_of(cl), pkts, 1, &bytes, sums, now) == 0))
		return park_if_busy(h, cl, now);
	cbq_use_turn(h, cl, bytes);
	if (lender != cl) {
		cbq_more(cl)->borrows++;
		cbq_more(lender)->borrows++;
	}
	cbq_charge(cl, bytes, true, now);
	if (cl->busy != 0)
		cbq_review(h, cl, now);
	charge_borrowed(h, cl, lender, bytes, now);
	return 1;
}

/* Who is first in a row came there unseen: false, and he is out of it, if he cannot send or has nothing to send. */
static inline bool
welcome(struct cbq *h, struct cbq_class *cl, uint64_t now)
{
	cl->armed = false;
	if (likely(cl->busy != 0 && cbq_under_limit(cl, now))) {
		cl->standing = CBQ_OWN;
		return true;
	}
	cbq_row_remove_first(h, cl->prio);
	if (cl->busy != 0)
		cbq_arm(h, cl);
	return false;
}

/* The next packet of cl's leaf, if it gives one; that a plain leaf is empty by that is for the caller to see. */
static inline bool
give(const struct cbq_class *cl, struct rte_mbuf **pkts, uint32_t *bytes, struct leaf_sums *sums, uint64_t now)
{
	struct qdisc *leaf = cbq_class_of(cl)->leaf;
	uint64_t before = leaf->sent_bytes;

	if (likely(leaf->plain)) {
		pkts[0] = fifo_give_one(leaf, bytes);
		sums->packets++;
		sums->bytes += *bytes;
		return true;
	}
	if (qdisc_dequeue(leaf, pkts, 1, now) == 0)
		return false;
	*bytes = (uint32_t)(leaf->sent_bytes - before);
	return true;
}

/* The first leaf of a row has sent, and its turn goes on: unless it is empty, over its limit or the turn is over. */
static inline void
go_on(struct cbq *h, struct cbq_class *cl, bool over, bool ended, uint64_t now)
{
	unsigned int prio = cl->prio;
	/* One that is not plain has told itself that it is empty. */
	bool in_row = cl->busy != 0;

	if (cbq_class_of(cl)->leaf->backlog_pkts == 0)
		cl->busy = 0;
	if (over && cl->busy != 0 && !cl->bounded) {
		cbq_review(h, cl, now);
		return;
	}
	/* Be it that it is empty or over its limit: which of them cannot be guessed. */
	if (in_row && (over || cl->busy == 0))
		cbq_row_remove_first(h, prio);
	else if (in_row && ended)
		cl->place = row_pass(&h->leaf_rows[prio]);
	if (over && cl->busy != 0) {
		cl->standing = CBQ_WAITS;
		cbq_made_to_wait(cl);
		cbq_arm(h, cl);
	}
}

/*
 * The turn of the first leaf in a row, or a part of it, at its own expense: at most n packets, and returns how many.
 * Each is charged to it by itself, and the first that leaves it over its limit is the last.
 */
static inline uint16_t
serve_row(struct cbq *h, struct cbq_class *cl, struct rte_mbuf **pkts, uint16_t n, struct leaf_sums *sums, uint64_t now)
{
	struct qdisc *leaf = cbq_class_of(cl)->leaf;
	struct cbq_prio *p = &h->prios[cl->prio];
	int64_t deficit, avgidle, gap, cost;
	struct cbq_class *payer;
	bool exact, over;
	uint16_t got = 0;
	uint32_t bytes;

	fetch_ahead(&h->leaf_rows[cl->prio]);
	if (cl->standing != CBQ_OWN && unlikely(!welcome(h, cl, now)))
		return 0;
	deficit = cl->deficit;
	if (unlikely(deficit <= 0)) {
		cbq_use_turn(h, cl, 0);
		return 0;
	}
	if (unlikely(h->billed_count == CBQ_BURST))
		cbq_pay_bills(h, now);
	n = leaf->plain ? RTE_MIN(n, CBQ_BURST - h->billed_count) : 1;
	avgidle = cl->avgidle;
	gap = cbq_gap(cl, now);
	exact = cbq_is_exact(cl, true, now);
	do {
		if (unlikely(!give(cl, pkts + got, &bytes, sums, now)))
			return park_if_busy(h, cl, now);
		h->billed[h->billed_count + got] = bytes;
		deficit -= (int64_t)bytes << 16;
		cost = rate_cost(&cl->rate, bytes);
		avgidle = cbq_average(cl, avgidle, gap, cost, exact);
		gap = 0;
		over = avgidle < (cl->regulated ? cost : 0);
	} while (++got < n && deficit > 0 && !over && leaf->backlog_pkts != 0);
	cbq_charged(cl, avgidle, cost - avgidle, now);
	cl->deficit = deficit > 0 ? deficit : deficit + turn_length(&p->scale, cbq_quantum(h, cl));
	turn_scale_used(&p->scale, p->busy, true);
	payer = payer_above(h, cl);
	if (payer != NULL && got > 1)
		add_bill(h, payer, h->billed_count, got - 1u);
	h->billed_count += got - 1u;
	/*
	 * Who is to borrow asks those above as they were before this packet, and waits for them when they pay for it.
	 */
	go_on(h, cl, over, deficit <= 0, now);
	if (payer != NULL) {
		h->billed[h->billed_count] = bytes;
		add_bill(h, payer, h->billed_count++, 1);
	}
	return got;
}

uint16_t
cbq_serve(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	struct cbq *h = qdisc_priv(q);
	struct leaf_sums sums = { 0 };
	bool top_level = cbq_top_level();
	uint16_t got = 0;

	fetch_first(h, now);
	h->served_ns = now;
	run_timers(h, now);
	while (got < n && h->busy_levels != 0) {
		unsigned int level = (unsigned int)__builtin_ctz(h->busy_levels);
		unsigned int prio = (unsigned int)__builtin_ctz(h->busy_rows[level]);
		struct cbq_class *cl, *lender;
		const struct turn_ring *ring;
		uint16_t sent;

		if (unlikely(top_level))
			cbq_choose_row(h, &level, &prio);
		if (likely(level == 0)) {
			cl = row_first(&h->leaf_rows[prio]);
			sent = serve_row(h, cl, pkts + got, top_level ? 1 : n - got, &sums, now);
		} else if (h->bill_count != 0) {
			cbq_pay_bills(h, now);
			continue;
		} else {
			cl = cbq_next_borrower(h, level, prio, &lender, &ring);
			if (h->prios[prio].busy > CBQ_FEW && ring->current != h->ahead.turn)
				look_ahead(h, &h->ahead, ring);
			sent = serve_borrower(h, cl, lender, pkts + got, &sums, now);
		}
		got += sent;
		if (unlikely(top_level) && sent != 0) {
			cbq_pay_bills(h, now);
			cbq_note_sent(h, cl, now);
		}
	}
	cbq_pay_bills(h, now);
	qdisc_left_below(q, sums.packets, sums.bytes, now);
	return got;
}
