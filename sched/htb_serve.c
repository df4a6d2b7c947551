/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HTB: sending. Who is over a bucket waits in a timer wheel and stands in no ring. Each turn's leaf is charged once,
 * and what a few turns ahead will touch is fetched meanwhile: the class with its leaf, then what waits there behind the
 * first packets.
 *
 *   wheel --due--> row:  first  +1  +2    +3     ...      +12
 *                        served         queue        class and leaf
 */
#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_prefetch.h>

#include "fifo.h"
#include "htb_mode.h"
#include "leaf.h"

#define DUE_BURST   128 /* classes taken out of the wheel at a time */
#define CLASS_AHEAD 12 /* turns in a row of leaves, before which a class and its leaf are fetched */
#define QUEUE_AHEAD 3
#define MORE_AHEAD  3 /* waits, before which what else there is of a class is fetched */
#define LOOK_MAX_NS UINT64_C(4096) /* as far ahead as is looked for who will be due */

/* What is left of a turn; with the quantum added, if it ends by that. */
static inline int64_t
use_turn(int64_t deficit, uint64_t quantum, uint32_t bytes, bool *ended)
{
	const int64_t least =
		INT32_MIN / 2; /* a quantum below the packets' size lets the debt grow: enough is enough */
	int64_t left = deficit - bytes;

	*ended = left < 0;
	if (*ended)
		left += (int64_t)quantum;
	return left < least ? least : left;
}

/* Deficit round robin (Shreedhar and Varghese 1995), with the quantum added when the turn ends: true. */
static inline bool
use_deficit(struct htb_class *cl, const struct htb_config *config, uint32_t bytes)
{
	bool ended;

	cl->deficit = (int32_t)use_turn(cl->deficit, config->quantum, bytes, &ended);
	return ended;
}

/*
 * The leaf cl has sent at the expense of its ancestor at `level`: a part of each one's turn that is on the way there.
 */
static inline void
use_deficits(struct htb *h, struct htb_class *cl, unsigned int level, unsigned int prio, uint32_t bytes)
{
	struct htb_more *more = htb_more(cl);
	bool ended;

	more->borrow_deficit = use_turn(more->borrow_deficit, htb_config_of(h, cl)->quantum, bytes, &ended);
	if (ended)
		htb_pass_turn(h, cl, prio);
	while ((cl = htb_parent(cl))->level != level) {
		struct htb_feed *feed = &htb_more(cl)->inner->feeds[prio];

		/* Nobody may be left below it. */
		feed->deficit = use_turn(feed->deficit, RTE_MAX(feed->ring.quanta, bytes), bytes, &ended);
		if (ended)
			htb_pass_turn(h, cl, prio);
	}
}

/*
 * True where all packets of cl's leaf may be asked for at once, with the same outcome as if it were asked for each: its
 * turn and its buckets last for them.
 */
static inline bool
all_at_once(const struct htb *h, const struct htb_class *cl, const struct htb_config *config, const struct qdisc *leaf)
{
	int64_t bytes = (int64_t)leaf->backlog_bytes;
	struct cost cost;

	if (leaf->backlog_pkts == 1 || bytes > cl->deficit || h->adjusted != 0)
		return false;
	cost = cost_of(config, (uint64_t)bytes);
	return htb_tokens(cl->used, h->clock, config->depth) >= cost.rate &&
	       htb_tokens(cl->ceil_used, h->clock, config->ceil_depth) >= cost.ceil;
}

/* ---- looking ahead */

/* What else a borrower touches; its class must be there. */
static inline void
prefetch_more(const struct htb_class *cl)
{
	const struct class *c = htb_class_of(cl);

	rte_prefetch0(c->more);
	leaf_prefetch(c);
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
		class_prefetch(htb_class_of(cl));
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
		prefetch_more(cl);
	cl = seen(ahead, 9);
	if (cl != NULL)
		leaf_prefetch_queue(htb_class_of(cl));
}

/* ---- sending */

/* Its leaf gave nothing: it waits, or it has dropped all that it held (CoDel), and is out of the ring then. */
static __rte_noinline void
park_if_busy(struct htb *h, struct htb_class *cl, uint64_t now)
{
	if (cl->busy != 0)
		htb_park(h, cl, qdisc_next_event(htb_class_of(cl)->leaf, now));
}

/* At most n packets of cl's leaf; *bytes of them. That a plain leaf is empty by that is for the caller to see. */
static __rte_noinline uint16_t
take_packets(
	struct htb_class *cl, struct rte_mbuf **pkts, uint16_t n, uint32_t *bytes, struct leaf_sums *sums, uint64_t now)
{
	struct qdisc *leaf = htb_class_of(cl)->leaf;
	uint16_t got;

	if (unlikely(!leaf->plain)) {
		uint64_t before = leaf->sent_bytes;

		got = qdisc_dequeue(leaf, pkts, n, now);
		*bytes = (uint32_t)(leaf->sent_bytes - before);
		return got;
	}
	got = fifo_give(leaf, pkts, n, bytes);
	sums->packets += got;
	sums->bytes += *bytes;
	return got;
}

/* Mostly there is one to take, and the leaf is plain. */
static inline unsigned int
take(struct htb_class *cl, struct rte_mbuf **pkts, unsigned int n, uint32_t *bytes, struct leaf_sums *sums,
	uint64_t now)
{
	struct qdisc *leaf = htb_class_of(cl)->leaf;

	if (n != 1 || unlikely(!leaf->plain))
		return take_packets(cl, pkts, (uint16_t)n, bytes, sums, now);
	pkts[0] = fifo_give_one(leaf, bytes);
	sums->packets++;
	sums->bytes += *bytes;
	return 1;
}

/* One turn of a leaf that borrows at `level`, or a part of it: returns how many packets it gave. */
static uint16_t
serve_borrower(struct qdisc *q, struct htb *h, unsigned int level, unsigned int prio, struct rte_mbuf **pkts,
	struct leaf_sums *sums, uint64_t now)
{
	struct htb_class *cl = htb_next_leaf(h, level, prio);
	const struct htb_ring *ring = htb_ring_of(cl, prio);
	uint32_t bytes;

	if (ring->count > HTB_FEW)
		look_ahead(h, ring);
	if (unlikely(take(cl, pkts, 1, &bytes, sums, now) == 0)) {
		park_if_busy(h, cl, now);
		return 0;
	}
	use_deficits(h, cl, level, prio, bytes);
	/* A plain leaf that is empty; any other one has told so itself. */
	if (htb_class_of(cl)->leaf->backlog_pkts == 0 && cl->busy != 0)
		htb_leaf_idle(h, cl);
	htb_charge_borrowed(q, h, cl, bytes, 1, level);
	return 1;
}

/* Who is first in a row came there unseen: false, and he is out of it, if he cannot send or has nothing to send. */
static inline bool
welcome(struct qdisc *q, struct htb *h, struct htb_class *cl, unsigned int prio)
{
	cl->armed &= (uint8_t) ~(1u << HTB_WAIT_ROW);
	enum htb_mode mode = mode_now(h, cl);

	if (likely(cl->busy != 0 && mode == HTB_CAN_SEND)) {
		cl->mode = HTB_CAN_SEND;
		return true;
	}
	htb_row_remove_first(h, prio);
	htb_pay_charges(q, h);
	review_mode(q, h, cl, mode);
	arm(h, cl);
	return false;
}

/* A leaf that has left its row has used up a bucket. */
static inline void
exhausted(struct qdisc *q, struct htb *h, struct htb_class *cl, unsigned int prio, enum htb_mode mode)
{
	cl->mode = (uint8_t)mode;
	if (likely(mode == HTB_CANNOT_SEND)) {
		cl->overlimits++;
		q->overlimits++;
		if (likely(wait_of_leaf(cl) == HTB_WAIT_ROW))
			arm_wait(h, cl, prio, HTB_WAIT_ROW, cl->ceil_used);
		else
			arm_wait(h, cl, prio, HTB_CANNOT_SEND, cl->ceil_used);
		return;
	}
	htb_pay_charges(q, h);
	htb_activate_prios(h, cl, cl->busy);
	arm(h, cl);
}

static inline void
fetch_ahead(const struct row *row)
{
	const struct row_round *round = &row->now;

	/* Of a gap, nothing is fetched that there is. */
	if (likely(round->count > CLASS_AHEAD))
		class_prefetch(htb_class_of(row_round_at(round, CLASS_AHEAD)));
	if (likely(round->count > QUEUE_AHEAD)) {
		const struct htb_class *cl = row_round_at(round, QUEUE_AHEAD);

		if (likely(cl != NULL))
			leaf_prefetch_queue(htb_class_of(cl));
	}
}

/* Packets of a leaf leave at its own rate: the mode that it has by that. */
static inline enum htb_mode
charge_leaf(struct htb *h, struct htb_class *cl, const struct htb_config *config, uint32_t bytes, uint32_t packets)
{
	struct cost cost = cost_of(config, bytes);
	enum htb_mode mode = mode_of(pay(&cl->used, h->clock, config->depth, cost.rate),
		pay(&cl->ceil_used, h->clock, config->ceil_depth, cost.ceil));

	charge_above(h, cl, bytes, packets);
	return mode;
}

/* One turn of a leaf at its own rate, or a part of it: returns how many packets it gave. */
static inline unsigned int
serve_row(struct qdisc *q, struct htb *h, unsigned int prio, struct rte_mbuf **pkts, unsigned int n,
	struct leaf_sums *sums, uint64_t now)
{
	const struct row *row = &h->leaf_rows[prio];
	struct htb_class *cl = row_first(row);
	const struct htb_config *config = htb_config_of(h, cl);
	enum htb_mode mode;
	uint32_t bytes;

	fetch_ahead(row);
	if (cl->mode != HTB_CAN_SEND) {
		if (unlikely(!welcome(q, h, cl, prio)))
			return 0;
		n = 1;
	} else if (!all_at_once(h, cl, config, htb_class_of(cl)->leaf)) {
		n = 1;
	}
	unsigned int got = take(cl, pkts, n, &bytes, sums, now);

	if (unlikely(got == 0)) {
		park_if_busy(h, cl, now);
		return 0;
	}
	mode = charge_leaf(h, cl, config, bytes, got);
	bool ended = use_deficit(cl, config, bytes), in_row = cl->busy != 0;

	/* Be it that it is empty or that it has used up a bucket: which of them cannot be guessed. */
	cl->busy = htb_class_of(cl)->leaf->backlog_pkts == 0 ? 0 : cl->busy;
	if (in_row && (mode != HTB_CAN_SEND || cl->busy == 0))
		htb_row_remove_first(h, prio);
	if (mode != HTB_CAN_SEND)
		exhausted(q, h, cl, prio, mode);
	else if (ended && cl->busy != 0)
		htb_pass_turn(h, cl, prio);
	return got;
}

/* ---- who is due */

static inline bool
goes_to_row(uintptr_t who)
{
	return (who & HTB_WAIT_MASK) == HTB_WAIT_ROW;
}

/*
 * Leaves that go to their row unseen are not touched: they are fetched before their turn. Returns how many of the first
 * ones do, all to the same row.
 */
static inline unsigned int
wake_unseen(struct htb *h, const uintptr_t *due, unsigned int count)
{
	const uintptr_t alike = due[0] & HTB_WAIT_BITS;
	unsigned int prio = prio_of_wait(due[0]), n = 0;
	struct row_round *round = row_end(&h->leaf_rows[prio]);

	if (unlikely(round->count + count > ROW_PLACES))
		row_round_close_gaps(round);
	void **leaves = round->leaves;
	uint32_t next = round->first + round->count;

	do {
		leaves[(next + n) % ROW_PLACES] = htb_class_of_wait(due[n]);
	} while (++n < count && (due[n] & HTB_WAIT_BITS) == alike);
	round->count += n;
	htb_row_is_busy(h, prio);
	return n;
}

static __rte_noinline void
prefetch_others(const uintptr_t *due, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		if (!goes_to_row(due[i]))
			class_prefetch(htb_class_of(htb_class_of_wait(due[i])));
	}
}

/* The ends of waits at `now`. */
static void
wake(struct qdisc *q, struct htb *h, uint64_t now)
{
	uintptr_t due[DUE_BURST];
	unsigned int count;

	while ((count = wheel_pop(&h->wheel, now, due, DUE_BURST)) != 0) {
		bool fetched = false;

		for (unsigned int i = 0; i < count;) {
			if (likely(goes_to_row(due[i]))) {
				i += wake_unseen(h, due + i, count - i);
				continue;
			}
			if (!fetched)
				prefetch_others(due + i + 1, count - i - 1);
			fetched = true;
			if (i + MORE_AHEAD < count)
				rte_prefetch0(htb_class_of(htb_class_of_wait(due[i + MORE_AHEAD]))->more);
			htb_is_due(q, h, due[i++]);
		}
	}
}

/*
 * Brings the leaves nearer to the processor that will have the first turns when their waits are over at `now`: there
 * are no turns before theirs to do it in. In a long row there are, and what is fetched now would be gone again by then.
 */
static void
fetch_first(const struct htb *h, uint64_t now)
{
	uintptr_t who[CLASS_AHEAD];
	unsigned int count;

	if (now - h->now > LOOK_MAX_NS)
		return;
	if ((h->busy_levels & 1) != 0 && h->leaf_rows[__builtin_ctz(h->busy_rows[0])].now.count > CLASS_AHEAD)
		return;
	count = wheel_look(&h->wheel, h->now, now, who, RTE_DIM(who));
	for (unsigned int i = 0; i < count; i++)
		class_prefetch(htb_class_of(htb_class_of_wait(who[i])));
}

/*
 * It has turns enough for n packets. Who comes there now has his later, and may be looked for when the wheel's slot
 * that he is in is over, so that all of it is taken out together: a slot is 1.024 us.
 */
static inline bool
first_row_lasts(const struct htb *h, uint16_t n)
{
	return (h->busy_rows[0] & 1) != 0 && h->leaf_rows[0].now.count >= n;
}

uint16_t
htb_serve(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	struct htb *h = qdisc_priv(q);
	struct leaf_sums sums = { 0 };
	const unsigned int turns_max = h->adjusted != 0 ? 1 : HTB_BURST; /* until bills are paid */
	unsigned int turns = 0, got = 0;

	fetch_first(h, now);
	h->now = now;
	h->clock = htb_clock(h, now);
	uint64_t looked = first_row_lasts(h, n) ? wheel_slots_over(now) : now;

	wake(q, h, looked);
	while (got < n) {
		unsigned int level, prio;

		/* They had less than their number promised. */
		if (unlikely(looked != now && (h->busy_rows[0] & 1) == 0)) {
			looked = now;
			wake(q, h, now);
		}
		if ((h->busy_levels & 1) == 0)
			htb_pay_bills(q, h);
		if (h->busy_levels == 0)
			break;
		level = (unsigned int)__builtin_ctz(h->busy_levels);
		prio = (unsigned int)__builtin_ctz(h->busy_rows[level]);
		if (unlikely(level != 0)) {
			got += serve_borrower(q, h, level, prio, pkts + got, &sums, now);
			turns++;
		} else {
			/* Nobody comes to an earlier row meanwhile. */
			do {
				got += serve_row(q, h, prio, pkts + got, n - got, &sums, now);
				turns++;
			} while (got < n && turns < turns_max && !row_is_empty(&h->leaf_rows[prio]));
		}
		if (turns == turns_max) {
			htb_pay_bills(q, h);
			turns = 0;
		}
	}
	htb_pay_bills(q, h);
	qdisc_left_below(q, sums.packets, sums.bytes, now);
	return (uint16_t)got;
}

/* ---- passing */

/*
 * Nothing would keep a packet there, where nothing waits. Who could send again since it was last looked at is not told
 * from who cannot: its packet is queued, and sent.
 */
static inline bool
lets_pass(const struct class *c)
{
	const struct qdisc *leaf = c == NULL ? NULL : c->leaf;

	return likely(leaf != NULL && leaf->plain) && ((const struct fifo *)qdisc_priv(leaf))->limit != 0 &&
	       ((const struct htb_class *)class_priv(c))->mode == HTB_CAN_SEND;
}

/* The leaf's packet leaves as it came. */
static inline uint32_t
pass_one(struct qdisc *q, struct htb *h, const struct class *c, const struct rte_mbuf *m)
{
	struct htb_class *cl = class_priv(c);
	const struct htb_config *config = htb_config_of(h, cl);
	uint32_t bytes = pkt_frame_bytes(m);
	enum htb_mode mode = charge_leaf(h, cl, config, bytes, 1);

	c->leaf->sent_bytes += bytes;
	c->leaf->sent_packets++;
	use_deficit(cl, config, bytes);
	if (unlikely(mode != HTB_CAN_SEND))
		exhausted(q, h, cl, config->prio, mode);
	return bytes;
}

uint16_t
htb_pass(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	struct htb *h = qdisc_priv(q);
	struct class *found[SCHED_BURST];
	struct rte_mbuf *stay[SCHED_BURST];
	uint16_t passed = 0, staying = 0;
	uint64_t bytes = 0;

	if (h->adjusted != 0)
		return 0;
	leaf_find(q, pkts, n, found);
	h->now = now;
	h->clock = htb_clock(h, now);
	for (uint16_t i = 0; i < n; i++) {
		const struct class *c = tree_class_above(q, found[i]);

		if (likely(lets_pass(c))) {
			bytes += pass_one(q, h, c, pkts[i]);
			pkts[passed++] = pkts[i];
			if (passed % HTB_BURST == 0)
				htb_pay_bills(q, h);
		} else {
			stay[staying++] = pkts[i];
		}
	}
	memcpy(pkts + passed, stay, staying * sizeof(stay[0]));
	htb_pay_bills(q, h);
	q->sent_bytes += bytes;
	q->sent_packets += passed;
	return passed;
}
