/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What htb's rules give each leaf, worked out by hand for random classes that always have packets: each its own rate;
 * then what each class above has left of its rate, the lowest first, prio by prio, among the leaves below it of a prio
 * by quantum, nobody above its ceil. Each seed is printed; SEED=n in the environment plays that one only.
 */
#include <inttypes.h>
#include <math.h>

#include <weir/qdisc/htb.h>

#include "seeds.h"
#include "support.h"

#define SEEDS        60
#define LEAVES_MAX   8
#define AGENCIES_MAX 8
#define PRIOS        3
#define WARM_UP_S    30 /* buckets of the ceils are empty by then */
#define MEASURED_S   20
#define QUANTUM_MORE 3000
/* As much as all others send in their turns: a ceil's bucket that overflows in the meantime is less than the ceil. */
#define CBURST_BYTES (LEAVES_MAX * (1514 + QUANTUM_MORE))
#define BACKLOG      8
#define DEPTH_MAX    3 /* of agencies below the root class */
#define LEAF_MINOR   0x10

struct leaf {
	struct htb_class_conf conf;
	unsigned int parent; /* an agency */
	uint32_t bytes; /* of its packets */
	double should; /* bytes a second */
	uint64_t got;
};

/* A class with children: the first is the root class, and each stands behind its parent. */
struct agency {
	uint64_t Bps;
	uint64_t spare_Bps; /* that its children's rates leave of it */
	unsigned int parent, depth, children;
};

static struct leaf leaves[LEAVES_MAX];
static unsigned int leaf_count;
static struct agency agencies[AGENCIES_MAX];
static unsigned int agency_count;

/* ---- what the rules say */

/* What its ceil leaves to it, or nothing to speak of. */
static double
room_of(const struct leaf *leaf)
{
	double room = (double)leaf->conf.ceil.Bps - leaf->should;

	return room > 1e-6 ? room : 0;
}

static bool
shares(const struct leaf *leaf, unsigned int lender, uint32_t prio)
{
	unsigned int above = leaf->parent;

	while (above > lender)
		above = agencies[above].parent;
	return above == lender && leaf->conf.prio == prio && room_of(leaf) != 0;
}

/* Gives `spare` to the lender's leaves of a prio, by quantum; returns what their ceils leave of it. */
static double
share(double spare, unsigned int lender, uint32_t prio)
{
	while (spare > 1e-6) {
		double quanta = 0, part = spare;

		for (unsigned int i = 0; i < leaf_count; i++) {
			if (shares(&leaves[i], lender, prio))
				quanta += leaves[i].conf.quantum;
		}
		if (quanta == 0)
			break;
		/* As much as the first one to reach its ceil allows. */
		for (unsigned int i = 0; i < leaf_count; i++) {
			if (shares(&leaves[i], lender, prio))
				part = fmin(part, room_of(&leaves[i]) * quanta / leaves[i].conf.quantum);
		}
		for (unsigned int i = 0; i < leaf_count; i++) {
			if (shares(&leaves[i], lender, prio))
				leaves[i].should += part * leaves[i].conf.quantum / quanta;
		}
		spare -= part;
	}
	return spare;
}

static void
share_all(void)
{
	for (unsigned int lender = agency_count; lender-- > 0;) {
		double spare = (double)agencies[lender].spare_Bps;

		for (uint32_t prio = 0; prio < PRIOS; prio++)
			spare = share(spare, lender, prio);
	}
}

/* ---- the tree */

static void
make_root(uint64_t Bps)
{
	const struct htb_conf conf = { .version = 3, .rate2quantum = 10 };
	struct htb_class_conf root = { .burst_ns = MS(2), .cburst_ns = MS(2) };

	root.rate.Bps = root.ceil.Bps = Bps;
	agencies[0] = (struct agency){ .Bps = Bps, .spare_Bps = Bps };
	agency_count = 1;
	leaf_count = 0;
	make_qdisc("htb", &conf);
	add_class(0, CLASSID(1, 1), &root);
}

/* One that is never over its ceil: it may get what the root class has, and more at once than the leaves' turns take. */
static void
add_agency(unsigned int parent, uint64_t rate)
{
	uint64_t ceil = agencies[0].Bps;
	struct htb_class_conf conf = { .rate.Bps = rate,
		.ceil.Bps = ceil,
		.burst_ns = 6000 * UINT64_C(1000000000) / rate,
		.cburst_ns = 2 * CBURST_BYTES * UINT64_C(1000000000) / ceil };

	agencies[parent].children++;
	agencies[parent].spare_Bps -= rate;
	agencies[agency_count] = (struct agency){
		.Bps = rate, .spare_Bps = rate, .parent = parent, .depth = agencies[parent].depth + 1
	};
	add_class(CLASSID(1, 1 + parent), CLASSID(1, 1 + agency_count), &conf);
	agency_count++;
}

/* The leaf's packets, rate, ceil, prio and quantum are said. */
static void
add_leaf(unsigned int parent, const struct leaf *said)
{
	struct leaf *leaf = &leaves[leaf_count];

	*leaf = *said;
	leaf->parent = parent;
	leaf->should = (double)leaf->conf.rate.Bps;
	leaf->conf.burst_ns = 1600 * UINT64_C(1000000000) / leaf->conf.rate.Bps;
	leaf->conf.cburst_ns = CBURST_BYTES * UINT64_C(1000000000) / leaf->conf.ceil.Bps;
	agencies[parent].children++;
	agencies[parent].spare_Bps -= leaf->conf.rate.Bps;
	add_class(CLASSID(1, 1 + parent), CLASSID(1, LEAF_MINOR + leaf_count), &leaf->conf);
	leaf_count++;
}

static void
draw_leaf(unsigned int parent, uint64_t rate, uint64_t ceil)
{
	struct leaf leaf = { .bytes = 64 + draw(1451), .conf = { .rate.Bps = rate, .ceil.Bps = ceil } };

	leaf.conf.prio = draw(PRIOS);
	leaf.conf.quantum = 1514 + draw(QUANTUM_MORE);
	add_leaf(parent, &leaf);
}

/* All below the root class, some with a ceil that they reach. */
static void
make_siblings(void)
{
	unsigned int count = 2 + draw(LEAVES_MAX - 1);

	make_root(200000 + draw(800000));
	while (leaf_count < count) {
		uint64_t link_Bps = agencies[0].Bps;
		uint64_t rate = 1000 + draw((uint32_t)(link_Bps / count) - 1000);

		draw_leaf(0, rate, draw(3) == 0 ? RTE_MIN(rate + draw((uint32_t)link_Bps / 2), link_Bps) : link_Bps);
	}
}

/* Of what the agency has not given away yet. */
static uint64_t
draw_rate(unsigned int parent)
{
	uint32_t part = (uint32_t)agencies[parent].spare_Bps / 8;

	return part + draw(part);
}

/* Agencies below agencies, which lend what they have and borrow more. */
static void
make_agencies(void)
{
	unsigned int count = 3 + draw(AGENCIES_MAX - 2);

	make_root(200000 + draw(800000));
	while (agency_count < count) {
		unsigned int parent = draw(agency_count);

		if (agencies[parent].depth < DEPTH_MAX && agencies[parent].spare_Bps > 20000)
			add_agency(parent, draw_rate(parent));
	}
	for (unsigned int i = 1; i < agency_count; i++) {
		if (agencies[i].children == 0)
			draw_leaf(i, draw_rate(i), agencies[0].Bps);
	}
	while (leaf_count < LEAVES_MAX) {
		unsigned int parent = 1 + draw(agency_count - 1);

		draw_leaf(parent, draw_rate(parent), agencies[0].Bps);
	}
}

/* What Linux 5.10 gave in 60 s to leaves of agencies that only pass on what the root class lends. */
static const struct {
	uint32_t agency, quantum, bytes; /* of packets */
	uint64_t got;
} on_linux[] = {
	{ 1, 3870, 949, 8620716 },
	{ 1, 2857, 445, 6379965 },
	{ 1, 3305, 1123, 7370249 },
	{ 1, 2866, 323, 6396692 },
	{ 2, 2207, 227, 4939747 },
	{ 2, 2965, 1003, 6615788 },
	{ 2, 3717, 524, 8281820 },
	{ 2, 2118, 342, 4744908 },
};

#define ON_LINUX_S 60.009

static void
make_tree_of_linux(void)
{
	make_root(889000);
	add_agency(0, 4000);
	add_agency(0, 4000);
	for (size_t i = 0; i < RTE_DIM(on_linux); i++) {
		struct leaf leaf = { .bytes = on_linux[i].bytes,
			.conf = { .rate.Bps = 1000, .ceil.Bps = 889000, .quantum = on_linux[i].quantum } };

		add_leaf(on_linux[i].agency, &leaf);
	}
}

/* ---- what they get */

static void
run_until(uint64_t until)
{
	while (bed.now < until) {
		uint64_t next;

		for (unsigned int i = 0; i < leaf_count; i++) {
			const struct class *c = sched_class_find(sched_root(bed.tree), CLASSID(1, LEAF_MINOR + i));

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
play(void (*make_tree)(void))
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
play_siblings(void)
{
	play(make_siblings);
}

static void
play_agencies(void)
{
	play(make_agencies);
}

static void
siblings_get_what_the_rules_say(void **state)
{
	play_seeds(SEEDS, play_siblings);
}

static void
leaves_of_agencies_get_what_the_rules_say(void **state)
{
	play_seeds(SEEDS, play_agencies);
}

static void
leaves_of_agencies_that_pass_on_get_what_linux_gives(void **state)
{
	bool right = true;

	play(make_tree_of_linux);
	for (unsigned int i = 0; i < leaf_count; i++) {
		leaves[i].should = (double)on_linux[i].got / ON_LINUX_S;
		right &= got_its_share(i);
	}
	assert_true(right);
}

/* Two that send their next packet when the one before is out, so that one of them always waits, and one with many. */
static void
who_stays_is_not_passed_over_by_who_comes_again(void **state)
{
	enum { PACKETS = 3000, BYTES = 1500 };
	const struct htb_class_conf conf = {
		.rate.Bps = MBIT(10), .ceil.Bps = MBIT(10), .burst_ns = MS(60), .cburst_ns = MS(60), .quantum = BYTES
	};
	uint32_t sent[4] = { 0 };

	bed_make();
	make_qdisc("htb", &(struct htb_conf){ .version = 3, .rate2quantum = 10 });
	for (uint32_t minor = 1; minor <= 3; minor++) {
		add_class(0, CLASSID(1, minor), &conf);
		for (unsigned int n = minor == 1 ? 4 : 1; n > 0; n--)
			offer_packet(packet(BYTES, minor, CLASSID(1, minor), 0));
	}
	for (unsigned int i = 0; i < PACKETS; i++) {
		uint32_t minor;

		assert_int_equal(take(1, bed.now + BYTES * UINT64_C(1000000000) / MBIT(10)), 1);
		minor = bed.taken[0].flow;
		sent[minor]++;
		offer_packet(packet(BYTES, minor, CLASSID(1, minor), 0));
	}
	for (uint32_t minor = 1; minor <= 3; minor++)
		assert_in_range(sent[minor], PACKETS / 3 - 3, PACKETS / 3 + 3);
	bed_end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(siblings_get_what_the_rules_say),
		cmocka_unit_test(leaves_of_agencies_get_what_the_rules_say),
		cmocka_unit_test(leaves_of_agencies_that_pass_on_get_what_linux_gives),
		cmocka_unit_test(who_stays_is_not_passed_over_by_who_comes_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
