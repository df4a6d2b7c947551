/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What htb's rules give each leaf, worked out by hand for random classes that all borrow from one parent and always have
 * packets: each its own rate; then what is left of the parent's, prio by prio, among those of a prio by quantum, nobody
 * above its ceil. Each seed is printed; SEED=n in the environment plays that one only.
 */
#include <inttypes.h>
#include <math.h>

#include <weir/qdisc/htb.h>

#include "seeds.h"
#include "support.h"

#define SEEDS        60
#define LEAVES_MAX   8
#define PRIOS        3
#define WARM_UP_S    30 /* buckets of the ceils are empty by then */
#define MEASURED_S   20
#define QUANTUM_MORE 3000
/* As much as all others send in their turns: a ceil's bucket that overflows in the meantime is less than the ceil. */
#define CBURST_BYTES (LEAVES_MAX * (1514 + QUANTUM_MORE))
#define BACKLOG      8

struct leaf {
	struct htb_class_conf conf;
	uint32_t bytes; /* of its packets */
	double should; /* bytes a second */
	uint64_t got;
};

static struct leaf leaves[LEAVES_MAX];
static unsigned int leaf_count;
static uint64_t parent_Bps;

/* ---- what the rules say */

/* What its ceil leaves to it, or nothing to speak of. */
static double
room_of(const struct leaf *leaf)
{
	double room = (double)leaf->conf.ceil.Bps - leaf->should;

	return room > 1e-6 ? room : 0;
}

static bool
shares(const struct leaf *leaf, uint32_t prio)
{
	return leaf->conf.prio == prio && room_of(leaf) != 0;
}

/* Gives `spare` to the leaves of a prio, by quantum; returns what their ceils leave of it. */
static double
share(double spare, uint32_t prio)
{
	while (spare > 1e-6) {
		double quanta = 0, part = spare;

		for (unsigned int i = 0; i < leaf_count; i++) {
			if (shares(&leaves[i], prio))
				quanta += leaves[i].conf.quantum;
		}
		if (quanta == 0)
			break;
		/* As much as the first one to reach its ceil allows. */
		for (unsigned int i = 0; i < leaf_count; i++) {
			if (shares(&leaves[i], prio))
				part = fmin(part, room_of(&leaves[i]) * quanta / leaves[i].conf.quantum);
		}
		for (unsigned int i = 0; i < leaf_count; i++) {
			if (shares(&leaves[i], prio))
				leaves[i].should += part * leaves[i].conf.quantum / quanta;
		}
		spare -= part;
	}
	return spare;
}

static void
share_all(void)
{
	double spare = (double)parent_Bps;

	for (unsigned int i = 0; i < leaf_count; i++)
		spare -= leaves[i].should;
	for (uint32_t prio = 0; prio < PRIOS; prio++)
		spare = share(spare, prio);
}

/* ---- the tree */

static void
draw_leaf(struct leaf *leaf)
{
	uint64_t rate = 1000 + draw((uint32_t)(parent_Bps / leaf_count) - 1000);
	uint64_t ceil = draw(3) == 0 ? RTE_MIN(rate + draw((uint32_t)parent_Bps / 2), parent_Bps) : parent_Bps;

	*leaf = (struct leaf){ .bytes = 64 + draw(1451), .should = (double)rate };
	leaf->conf = (struct htb_class_conf){ .rate.Bps = rate,
		.ceil.Bps = ceil,
		.burst_ns = 1600 * UINT64_C(1000000000) / rate,
		.cburst_ns = CBURST_BYTES * UINT64_C(1000000000) / ceil,
		.prio = draw(PRIOS),
		.quantum = 1514 + draw(QUANTUM_MORE) };
}

static void
make_tree(void)
{
	const struct htb_conf conf = { .version = 3, .rate2quantum = 10 };
	struct htb_class_conf parent = { .burst_ns = MS(2), .cburst_ns = MS(2) };

	parent.rate.Bps = parent.ceil.Bps = parent_Bps = 200000 + draw(800000);
	leaf_count = 2 + draw(LEAVES_MAX - 1);
	make_qdisc("htb", &conf);
	add_class(0, CLASSID(1, 1), &parent);
	for (unsigned int i = 0; i < leaf_count; i++) {
		draw_leaf(&leaves[i]);
		add_class(CLASSID(1, 1), CLASSID(1, 0x10 + i), &leaves[i].conf);
	}
}

/* ---- what they get */

static void
run_until(uint64_t until)
{
	while (bed.now < until) {
		uint64_t next;

		for (unsigned int i = 0; i < leaf_count; i++) {
			const struct class *c = sched_class_find(sched_root(bed.tree), CLASSID(1, 0x10 + i));

			while (c->leaf->backlog_pkts < BACKLOG)
				offer_packet(packet(leaves[i].bytes, i, c->classid, 0));
		}
		bed.taken_count = 0;
		if (take_more(1) == 1) {
			leaves[bed.taken[0].flow].got += bed.taken[0].bytes;
			continue;
		}
		next = sched_next_event(bed.tree, bed.now);
		assert_true(next > bed.now && next != SCHED_NEVER);
		bed.now = next;
	}
}

/* Within 0.1 % and a quantum. */
static bool
got_its_share(unsigned int i)
{
	const struct leaf *leaf = &leaves[i];
	double should = leaf->should * MEASURED_S, off = (double)leaf->got - should;

	if (fabs(off) <= should / 1000 + leaf->conf.quantum)
		return true;
	print_message("leaf %u (rate %" PRIu64 " ceil %" PRIu64 " prio %u quantum %u, packets of %u): %" PRIu64
		      " bytes, should be %.0f (%+.2f %%)\n",
		i, leaf->conf.rate.Bps, leaf->conf.ceil.Bps, leaf->conf.prio, leaf->conf.quantum, leaf->bytes,
		leaf->got, should, 100 * off / should);
	return false;
}

static void
play(void)
{
	bool right = true;

	bed_make();
	make_tree();
	share_all();
	run_until(SECONDS(WARM_UP_S));
	for (unsigned int i = 0; i < leaf_count; i++)
		leaves[i].got = 0;
	run_until(SECONDS(WARM_UP_S + MEASURED_S));
	for (unsigned int i = 0; i < leaf_count; i++)
		right &= got_its_share(i);
	assert_true(right);
	take_all(SCHED_NEVER - 1);
	bed_end();
}

static void
leaves_get_what_the_rules_say(void **state)
{
	play_seeds(SEEDS, play);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(leaves_get_what_the_rules_say) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
