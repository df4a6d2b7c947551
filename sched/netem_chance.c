/* SPDX-License-Identifier: BSD-3-Clause */
/* netem: what chance decides of a packet. */
#include <rte_branch_prediction.h>

#include <weir/packet.h>

#include "netem.h"
#include "tree.h"

#define TABLE_SHIFT 13 /* a table's values are in units of the jitter / 8192 */

uint64_t
netem_random(struct qdisc *q)
{
	struct netem *n = qdisc_priv(q);

	return n->conf.has_seed ? random_next(&n->random) : qdisc_random(q);
}

static inline uint32_t
draw_plain(struct qdisc *q)
{
	return (uint32_t)(netem_random(q) >> 32);
}

/*
 * tc-netem(8)'s correlation: the share `correlation` of each number is the number before, the rest is new: an
 * autoregressive series of first order. Its numbers are nearer to their mean the more they depend on each other.
 */
static uint32_t
draw_number(struct qdisc *q, uint32_t correlation, struct netem_draw *draw)
{
	uint32_t fresh = draw_plain(q);

	if (correlation == 0)
		return fresh;
	draw->last =
		(uint32_t)((fresh * ((UINT64_C(1) << 32) - correlation) + (uint64_t)draw->last * correlation) >> 32);
	return draw->last;
}

/* p may be a sum. */
static inline bool
is_below(uint32_t drawn, uint64_t p)
{
	return drawn < p || p >= UINT32_MAX;
}

bool
netem_happens(struct qdisc *q, const struct netem_chance *chance, struct netem_draw *draw)
{
	return chance->probability != 0 && is_below(draw_number(q, chance->correlation, draw), chance->probability);
}

/* Each state's number is that of Salsano, Ludovici and Ordine, less one. */
enum {
	STATE_GOOD, /* received, between bursts */
	STATE_GOOD_IN_BURST,
	STATE_LOST_IN_BURST,
	STATE_LOST_ALONE,
};

/*
 * "Definition of a general and intuitive loss model for packet networks", 2009: from the state before to this packet's.
 */
static bool
lost_by_states(struct qdisc *q, struct netem *n)
{
	const struct netem_states *p = &n->conf.states;
	uint32_t drawn = draw_plain(q);

	switch (n->state) {
	case STATE_GOOD:
		if (is_below(drawn, p->p14))
			n->state = STATE_LOST_ALONE;
		else if (is_below(drawn, (uint64_t)p->p14 + p->p13))
			n->state = STATE_LOST_IN_BURST;
		break;
	case STATE_GOOD_IN_BURST:
		if (is_below(drawn, p->p23))
			n->state = STATE_LOST_IN_BURST;
		break;
	case STATE_LOST_IN_BURST:
		if (is_below(drawn, p->p32))
			n->state = STATE_GOOD_IN_BURST;
		else if (is_below(drawn, (uint64_t)p->p32 + p->p31))
			n->state = STATE_GOOD;
		break;
	default: /* one loss alone */
		n->state = STATE_GOOD;
	}
	return n->state == STATE_LOST_IN_BURST || n->state == STATE_LOST_ALONE;
}

/* Gilbert 1960, Elliott 1963: two states, each with a loss of its own. */
static bool
lost_by_gilbert_elliot(struct qdisc *q, struct netem *n)
{
	const struct netem_gilbert_elliot *p = &n->conf.gilbert_elliot;
	bool bad = n->state != STATE_GOOD;
	uint32_t drawn = draw_plain(q), loss = draw_plain(q);

	if (is_below(drawn, bad ? p->r : p->p))
		n->state = bad ? STATE_GOOD : STATE_LOST_IN_BURST;
	return bad ? !is_below(loss, p->h) : is_below(loss, p->k1);
}

bool
netem_loses(struct qdisc *q, struct netem *n)
{
	if (n->conf.loss_model == NETEM_LOSS_RANDOM)
		return netem_happens(q, &n->conf.loss, &n->loss_draw);
	return n->conf.loss_model == NETEM_LOSS_STATES ? lost_by_states(q, n) : lost_by_gilbert_elliot(q, n);
}

uint64_t
netem_random_time(struct qdisc *q, uint64_t mean_ns, uint64_t jitter_ns, uint32_t correlation,
	const struct netem_table *table, struct netem_draw *draw)
{
	uint64_t drawn;
	int64_t deviation;

	if (jitter_ns == 0)
		return mean_ns;
	drawn = draw_number(q, correlation, draw);
	/* By the high bits of what was drawn, which are those that are correlated. */
	if (table->size == 0)
		deviation = (int64_t)((unsigned __int128)drawn * 2 * jitter_ns >> 32) - (int64_t)jitter_ns;
	else
		deviation = (int64_t)((__int128)table->values[drawn * table->size >> 32] * (__int128)jitter_ns >>
				      TABLE_SHIFT);
	if (deviation < 0 && (uint64_t)-deviation > mean_ns)
		return 0;
	return mean_ns + (uint64_t)deviation;
}

void
netem_corrupt(struct qdisc *q, struct rte_mbuf *m)
{
	uint64_t bit = (uint64_t)draw_plain(q) * m->pkt_len * 8 >> 32;
	uint32_t byte = (uint32_t)(bit / 8);
	struct rte_mbuf *segment = m;

	while (byte >= segment->data_len && segment->next != NULL) {
		byte -= segment->data_len;
		segment = segment->next;
	}
	if (byte >= segment->data_len)
		return;
	*rte_pktmbuf_mtod_offset(segment, uint8_t *, byte) ^= (uint8_t)(1u << bit % 8);
	pkt_of(m)->flags &= ~PKT_PLAIN;
}
