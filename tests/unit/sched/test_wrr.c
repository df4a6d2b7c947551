/* SPDX-License-Identifier: BSD-3-Clause */
/* wrr: a class for each host, shares by weight, weights that change with use, and classes that come and go. */
#include <math.h>

#include <weir/action/gact.h>
#include <weir/qdisc/netem.h>
#include <weir/qdisc/prio.h>
#include <weir/qdisc/tbf.h>
#include <weir/qdisc/wrr.h>

#include "support.h"
#include "wrr.h"

#define LINK MBIT(10)

static uint64_t
fraction(double value)
{
	return (uint64_t)ldexp(value, 63);
}

static struct qdisc *
make_wrr(struct wrr_conf conf)
{
	return make_qdisc("wrr", &conf);
}

/* From 10.0.0.`host` to 10.0.1.`host`, and so by MAC. */
static struct rte_mbuf *
from_host(uint32_t host, uint32_t bytes)
{
	struct rte_mbuf *m = packet(bytes, host, 0, 0);
	struct rte_ether_hdr *ether = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(ether + 1);

	ip->src_addr = rte_cpu_to_be_32(0x0a000000 + host);
	ip->dst_addr = rte_cpu_to_be_32(0x0a000100 + host);
	ether->src_addr.addr_bytes[5] = (uint8_t)host;
	ether->dst_addr.addr_bytes[4] = (uint8_t)host;
	return m;
}

static struct rte_mbuf *
from_ipv6_host(uint8_t host)
{
	struct rte_mbuf *m = packet(100, host, 0, 0);
	struct rte_ipv6_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv6_hdr *, 14);
	uint8_t *bytes = (uint8_t *)ip;

	memset(ip, 0, sizeof(*ip));
	bytes[8] = 0x20;
	bytes[23] = host;
	bytes[39] = host;
	pkt_of(m)->protocol = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV6);
	return m;
}

/* The classes that have hosts, as a dump lists them. */
static struct listing {
	unsigned int count;
	struct class *of[300];
} listing;

static int
list_class(void *arg, struct class *c)
{
	if (c->qdisc->ops->classes->is_listed(c))
		listing.of[listing.count++] = c;
	return 0;
}

static void
list_classes(void)
{
	listing.count = 0;
	sched_class_walk(sched_root(bed.tree), list_class, NULL);
}

static struct wrr_class_conf
conf_of(const struct class *c)
{
	struct wrr_class_conf conf;

	c->qdisc->ops->classes->get_conf(c, &conf);
	return conf;
}

/* The class of 10.0.1.`host`; NULL: it has none. */
static struct class *
class_of_host(uint32_t host)
{
	list_classes();
	for (unsigned int i = 0; i < listing.count; i++) {
		struct wrr_class_conf conf = conf_of(listing.of[i]);

		if (conf.length == 4 && conf.address[3] == host && conf.address[2] == 1)
			return listing.of[i];
	}
	return NULL;
}

static double
weight_of(uint32_t host, unsigned int i)
{
	return ldexp((double)conf_of(class_of_host(host)).weights[i].value, -63);
}

static uint64_t
bytes_of(uint32_t host)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < bed.taken_count; i++)
		sum += bed.taken[i].flow == host ? bed.taken[i].bytes : 0;
	return sum;
}

/* Each of these hosts has something to send all the time, on a link of 10 mbit. */
static void
run_backlogged(uint32_t hosts, uint32_t bytes, uint64_t duration)
{
	uint64_t until = bed.now + duration;

	bed.taken_count = 0;
	while (bed.now < until) {
		for (uint32_t host = 1; host <= hosts; host++) {
			const struct class *c = class_of_host(host);

			for (uint32_t n = c == NULL ? 0 : c->leaf->backlog_pkts; n < 4; n++)
				offer_packet(from_host(host, bytes));
		}
		assert_int_equal(take_more(1), 1);
		bed.now += bed.taken[bed.taken_count - 1].bytes * UINT64_C(1000000000) / LINK;
	}
}

static void
set_weight(uint32_t host, double weight)
{
	struct wrr_class_conf conf = { .weights = { { .given = WRR_VALUE, .value = fraction(weight) } } };

	change_class(class_of_host(host), &conf);
}

/* ---- hosts */

static unsigned int
classes_of(struct wrr_conf conf, struct rte_mbuf *(*make)(unsigned int i), unsigned int n)
{
	unsigned int count;

	bed_make();
	make_wrr(conf);
	for (unsigned int i = 0; i < n; i++)
		offer_packet(make(i));
	list_classes();
	count = listing.count;
	take_all(0);
	bed_end();
	return count;
}

static struct rte_mbuf *
three_hosts_in_turn(unsigned int i)
{
	return from_host(1 + i % 3, 100);
}

static struct rte_mbuf *
two_ipv6_hosts(unsigned int i)
{
	return from_ipv6_host((uint8_t)(1 + i % 2));
}

static struct rte_mbuf *
without_address(unsigned int i)
{
	struct rte_mbuf *m = from_host(i, 100);

	pkt_of(m)->protocol = rte_cpu_to_be_16(RTE_ETHER_TYPE_ARP);
	return m;
}

static void
gives_each_host_a_class(void **state)
{
	for (uint8_t direction = WRR_DESTINATION; direction <= WRR_SOURCE; direction++) {
		for (uint8_t key = WRR_IP; key <= WRR_MASQ; key++) {
			struct wrr_conf conf = { .direction = direction, .key = key };

			assert_int_equal(classes_of(conf, three_hosts_in_turn, 20), 3);
		}
		assert_int_equal(classes_of((struct wrr_conf){ .direction = direction }, two_ipv6_hosts, 9), 2);
		assert_int_equal(classes_of((struct wrr_conf){ .direction = direction }, without_address, 9), 1);
	}
}

/* Three classes: the fourth host has that of who was idle for longest, with fresh weights and counters. */
static void
classes_come_and_go_with_hosts(void **state)
{
	struct sched_stats stats;
	struct class *first;

	bed_make();
	make_wrr((struct wrr_conf){ .given = WRR_CLASSES, .classes = 3 });
	for (uint32_t host = 1; host <= 3; host++)
		offer_packet(from_host(host, 500));
	take_all(0);
	set_weight(1, 0.25);
	first = class_of_host(1);
	offer_packet(from_host(1, 500)); /* now 2 is idle for longest */
	take_all(0);
	offer_packet(from_host(4, 500));
	assert_null(class_of_host(2));
	assert_non_null(class_of_host(3));
	assert_ptr_equal(class_of_host(1), first);
	assert_true(weight_of(1, 0) == 0.25 && weight_of(4, 0) == 1);
	take_all(0);
	class_get_stats(class_of_host(4), &stats);
	assert_int_equal(stats.packets, 1);
	assert_int_equal(stats.bytes, 500);
	/* All are busy: the fifth shares a class, and nobody loses his. */
	for (uint32_t host = 1; host <= 5; host += host == 1 ? 2 : 1)
		offer_packet(from_host(host, 500));
	assert_non_null(class_of_host(1));
	assert_non_null(class_of_host(3));
	assert_non_null(class_of_host(4));
	assert_null(class_of_host(5));
	take_all(0);
	assert_int_equal(bed.taken_count, 4);
	bed_end();
}

/* ---- shares */

static void
shares_by_weight(void **state)
{
	static const double weights[] = { 1, 0.5, 0.25, 0.001 };
	double sum = 1.751, all = 0;

	bed_make();
	make_wrr((struct wrr_conf){ 0 });
	for (uint32_t host = 1; host <= 4; host++)
		offer_packet(from_host(host, 1000));
	for (uint32_t host = 1; host <= 4; host++)
		set_weight(host, weights[host - 1]);
	run_backlogged(4, 1000, SECONDS(20));
	for (uint32_t host = 1; host <= 4; host++)
		all += (double)bytes_of(host);
	for (uint32_t host = 1; host <= 4; host++) {
		double share = (double)bytes_of(host) / all, should = weights[host - 1] / sum;

		if (fabs(share - should) > 0.001)
			fail_msg("host %u has %g of the link instead of %g", host, share, should);
	}
	/* Little weights alone: the link is theirs. */
	set_weight(1, 1e-6);
	set_weight(2, 2e-6);
	run_backlogged(2, 1000, SECONDS(20));
	assert_true(fabs((double)bytes_of(2) / (double)bytes_of(1) - 2) < 0.02);
	bed_end();
}

/* How many have had a turn, or a part of it, since the last call: what they may send is not what it was. */
static uint32_t
turns_since(int64_t deficits[])
{
	const struct wrr *w = qdisc_priv(sched_root(bed.tree));
	uint32_t count = 0;

	for (uint32_t place = 1; place <= w->conf.classes; place++) {
		int64_t deficit = wrr_class_at(w, place)->deficit;

		count += deficit != deficits[place];
		deficits[place] = deficit;
	}
	return count;
}

/*
 * Two hundred hosts of a five hundredth and forty of next to nothing beside one of weight 1: they have their shares to
 * a packet, and do not all take a turn, in which they could send nothing, for each packet of the great one.
 */
static void
little_weights_take_no_turns_in_vain(void **state)
{
	enum { LITTLE = 200, LEAST = 40, GREAT = LITTLE + LEAST + 1, PACKETS = 7000 };
	int64_t deficits[WRR_CLASSES_DEFAULT + 1] = { 0 };
	uint64_t turns = 0;

	bed_make();
	make_wrr((struct wrr_conf){ 0 });
	for (uint32_t host = 1; host <= GREAT; host++)
		offer_packet(from_host(host, 1000));
	for (uint32_t host = 1; host < GREAT; host++)
		set_weight(host, host <= LITTLE ? 0.002 : 1e-9);
	assert_int_equal(take_more(GREAT), GREAT); /* what each was given when it came, by its weight of then */
	for (uint32_t host = 1; host <= GREAT; host++) {
		for (unsigned int i = 0; i < 3; i++)
			offer_packet(from_host(host, 1000));
	}
	bed.taken_count = 0;
	for (unsigned int i = 0; i < PACKETS; i++) {
		assert_int_equal(take_more(1), 1);
		turns += turns_since(deficits);
		offer_packet(from_host(bed.taken[i].flow, 1000));
	}
	for (uint32_t host = 1; host < GREAT; host++) {
		double should = host <= LITTLE ? 0.002 * PACKETS / (1 + 0.002 * LITTLE) : 0;

		if (fabs((double)bytes_of(host) / 1000 - should) > 1.5)
			fail_msg("host %u had %g packets instead of %g", host, (double)bytes_of(host) / 1000, should);
	}
	if (turns > 2 * PACKETS)
		fail_msg("%g turns a packet", (double)turns / PACKETS);
	bed_end();
}

/*
 * Two who send their next packet when the one before is out: one of them always waits when the other comes again. Who
 * has little weight has his share beside them, too.
 */
static void
a_round_ends_though_some_come_again(void **state)
{
	enum { PACKETS = 4000 };
	const double should = PACKETS * 0.01 / 2.01;

	bed_make();
	make_wrr((struct wrr_conf){ .given = WRR_QUANTUM, .quantum = 1000 });
	for (uint32_t host = 1; host <= 3; host++)
		offer_packet(from_host(host, 1000));
	set_weight(3, 0.01);
	assert_int_equal(take_more(3), 3);
	for (uint32_t host = 1; host <= 3; host++)
		offer_packet(from_host(host, 1000));
	offer_packet(from_host(3, 1000));
	bed.taken_count = 0;
	for (unsigned int i = 0; i < PACKETS; i++) {
		assert_int_equal(take_more(1), 1);
		offer_packet(from_host(bed.taken[i].flow, 1000));
	}
	if (fabs((double)bytes_of(3) / 1000 - should) > 1.5)
		fail_msg("host 3 had %g packets instead of %g", (double)bytes_of(3) / 1000, should);
	bed_end();
}

/* How long a turn takes to be paid for is another matter when the quantum is another one. */
static void
who_rests_is_looked_at_again_when_the_quantum_changes(void **state)
{
	struct qdisc *q;

	bed_make();
	q = make_wrr((struct wrr_conf){ .given = WRR_QUANTUM, .quantum = 1 });
	for (unsigned int i = 0; i < 90; i++)
		offer_packet(from_host(1 + i % 3, 1000));
	assert_int_equal(take_more(10), 10); /* one of them for a thousand rounds, and the others' turns come now */
	change_qdisc(q, &(struct wrr_conf){ .given = WRR_QUANTUM, .quantum = 1000 });
	bed.taken_count = 0;
	assert_int_equal(take_more(30), 30);
	for (uint32_t host = 1; host <= 3; host++)
		assert_in_range(bytes_of(host), 9000, 11000);
	bed_end();
}

/* A burst takes no more of anyone than his turns: each has a quantum of three packets, and much more waits. */
static void
a_burst_goes_round(void **state)
{
	bed_make();
	make_wrr((struct wrr_conf){ .given = WRR_QUANTUM, .quantum = 3000 });
	for (unsigned int i = 0; i < 60; i++)
		offer_packet(from_host(1 + i % 3, 1000));
	bed.taken_count = 0;
	assert_int_equal(take_more(30), 30);
	for (unsigned int i = 0; i < 30; i++)
		assert_int_equal(bed.taken[i].flow, 1 + i / 3 % 3);
	take_all(0);
	assert_int_equal(bed.taken_count, 30);
	bed_end();
}

/* ---- use */

/* value = max(min, value - decr bytes), value = min(max, value + incr seconds) */
static void
weights_fall_with_bytes_and_rise_with_time(void **state)
{
	const double decr = 1e-6, incr = 0.01, least = 0.2, most = 0.9;
	double weight = 0.9;
	struct wrr_conf conf = { .given = WRR_MODE1,
		.modes = { 1, 0 },
		.weights = { { .given = WRR_VALUE | WRR_MIN | WRR_MAX | WRR_DECR | WRR_INCR,
				     .value = fraction(weight),
				     .min = fraction(least),
				     .max = fraction(most),
				     .decr = fraction(decr),
				     .incr = fraction(incr) },
			/* Mode 0: it stays, whatever its decr and incr are. */
			{ .given = WRR_VALUE | WRR_DECR | WRR_INCR,
				.value = fraction(0.5),
				.decr = fraction(decr),
				.incr = fraction(incr) } } };
	uint64_t seed = 3;

	bed_make();
	make_wrr(conf);
	offer_packet(from_host(1, 100));
	take_all(0);
	weight -= decr * 100;
	for (unsigned int i = 0; i < 3000; i++) {
		uint64_t gap = seed % 3000000;
		uint32_t bytes = 64 + (uint32_t)(seed >> 40) % 1400;

		seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
		/* Long pauses now and then, so that both bounds are reached. */
		gap = i % 1000 == 999 ? SECONDS(200) : i < 500 ? gap : gap / 10;
		weight = fmin(most, weight + incr * (double)gap / 1e9);
		bed.now += gap;
		offer_packet(from_host(1, bytes));
		take(1, bed.now);
		weight = fmax(least, weight - decr * bytes);
		if (fabs(weight_of(1, 0) - weight) > 1e-9)
			fail_msg("packet %u: weight %.12g instead of %.12g", i, weight_of(1, 0), weight);
		assert_true(weight_of(1, 1) == 0.5);
	}
	/* What a dump tells is that of now. */
	bed.now += SECONDS(10);
	offer_packet(from_host(2, 100));
	assert_true(fabs(weight_of(1, 0) - fmin(most, weight + 0.1)) < 1e-9);
	bed_end();
}

/* Who has transferred much has less of the link than who comes now, until both have. */
static void
the_newcomer_goes_before_who_had_much(void **state)
{
	struct wrr_conf conf = { .given = WRR_MODE1,
		.modes = { 1, 0 },
		.weights = { { .given = WRR_MIN | WRR_DECR, .min = fraction(0.1), .decr = fraction(1e-7) } } };

	bed_make();
	make_wrr(conf);
	run_backlogged(1, 1000, SECONDS(12));
	assert_true(weight_of(1, 0) == ldexp((double)fraction(0.1), -63));
	run_backlogged(2, 1000, SECONDS(1));
	assert_true((double)bytes_of(2) / (double)bytes_of(1) > 8);
	run_backlogged(2, 1000, SECONDS(12));
	run_backlogged(2, 1000, SECONDS(1));
	assert_true(fabs((double)bytes_of(2) / (double)bytes_of(1) - 1) < 0.02);
	bed_end();
}

/* ---- below and around it */

/* A packet's class is known before a classful leaf is asked for its own. */
static void
any_qdisc_may_stand_below(void **state)
{
	static const struct prio_conf two_bands = { .bands = 2, .priomap = { 1, 1, 1, 1, 1, 1, 0 } };
	struct tbf_conf tbf = { .rate.Bps = KBIT(80), .limit_bytes = 100000, .burst_bytes = 1000 };
	struct rte_mbuf *urgent;

	bed_make();
	make_wrr((struct wrr_conf){ .given = WRR_CLASSES, .classes = 2 });
	offer_packet(from_host(1, 1000)); /* 0 */
	offer_packet(from_host(2, 1000)); /* 1 */
	take_all(0);
	add_qdisc(class_of_host(1)->classid, CLASSID(5, 0), "prio", &two_bands);
	add_qdisc(class_of_host(2)->classid, CLASSID(6, 0), "tbf", &tbf);
	offer_packet(from_host(1, 1000)); /* 2 */
	urgent = from_host(1, 1000); /* 3 */
	pkt_of(urgent)->priority = 6;
	offer_packet(urgent);
	for (unsigned int i = 0; i < 2; i++)
		offer_packet(from_host(2, 1000)); /* 4 and 5 */
	take_all(SECONDS(1));
	assert_int_equal(bed.taken_count, 4);
	assert_int_equal(bed.taken[3].id, 5);
	assert_true(bed.taken[3].time_ns >= MS(100) && bed.taken[3].time_ns < MS(101));
	for (uint32_t i = 0, seen = 0; i < 3; i++) {
		if (bed.taken[i].id == 2 || bed.taken[i].id == 3)
			assert_int_equal(bed.taken[i].id, 3 - seen++);
	}
	bed_end();
}

/* Host 1's packet waits in netem while its class becomes another's: the class that it gets then has a filter below. */
static void
a_filter_below_a_class_chosen_late_is_obeyed(void **state)
{
	struct action_spec drop = { .kind = "gact", .conf = &(struct gact_conf){ .action = TC_ACT_SHOT } };
	struct fw_conf shoots = { .actions = &drop, .n_actions = 1 };
	struct qdisc *below;

	bed_make();
	make_qdisc("netem", &(struct netem_conf){ .latency_ns = MS(20), .limit = 10 });
	add_qdisc(CLASSID(1, 1), CLASSID(2, 0), "wrr", &(struct wrr_conf){ .given = WRR_CLASSES, .classes = 2 });
	below = add_qdisc(CLASSID(2, 2), CLASSID(3, 0), "prio", NULL);
	add_filter(CLASSID(3, 0), "fw", 7, &shoots);
	for (uint32_t host = 1; host <= 3; host++) {
		struct rte_mbuf *m = from_host(host, 100);

		pkt_of(m)->mark = host == 1 ? 7 : 0;
		bed.now = MS(host);
		assert_int_equal(offer_packet(m), 1);
	}
	take_all(MS(100));
	assert_order(1, 2);
	assert_int_equal(bed.sink.drops[DROP_FILTER], 1);
	assert_int_equal(below->drops[DROP_FILTER], 1);
	bed_end();
}

static void
changes_lose_nothing(void **state)
{
	struct wrr_conf conf = { .given = WRR_MODE1 | WRR_QUANTUM, .modes = { 1, 0 }, .quantum = 500 };
	struct qdisc *q;

	bed_make();
	q = make_wrr((struct wrr_conf){ .given = WRR_CLASSES, .classes = 4 });
	for (uint32_t i = 0; i < 60; i++)
		offer_packet(from_host(1 + i % 6, 700)); /* four have a class, two share */
	change_qdisc(q, &conf);
	assert_int_equal(sched_backlog(bed.tree), 60);
	add_qdisc(TC_H_ROOT, CLASSID(2, 0), "wrr", &conf);
	assert_int_equal(sched_backlog(bed.tree), 60);
	delete_qdisc(sched_root(bed.tree));
	add_qdisc(TC_H_ROOT, CLASSID(3, 0), "wrr", NULL);
	offer_packet(from_host(9, 700));
	assert_int_equal(take_all(SECONDS(1)), 61);
	bed_end();
}

static void
says_what_is_wrong(void **state)
{
	static const struct {
		struct wrr_conf conf;
		const char *says;
	} wrong[] = {
		{ { .given = WRR_CLASSES, .classes = 0 }, "1 to 65535" },
		{ { .given = WRR_CLASSES, .classes = 65536 }, "1 to 65535" },
		{ { .given = WRR_QUANTUM, .quantum = 0 }, "quantum of 0" },
		{ { .key = 3 }, "ip, mac or masq" },
		{ { .modes = { 0, 2 } }, "wmode" },
		{ { .weights = { { .given = WRR_MIN, .min = 0 } } }, "weight1.min is above 0" },
		{ { .weights = { { 0 }, { .given = WRR_MAX, .max = WRR_ONE + 1 } } }, "weight2.max" },
		{ { .weights = { { .given = WRR_VALUE, .value = WRR_ONE + 1 } } }, "weight1 is not within" },
	};
	struct wrr_conf other = { .given = WRR_KEY, .key = WRR_MAC };
	struct error err;

	bed_make();
	for (unsigned int i = 0; i < RTE_DIM(wrong); i++) {
		struct qdisc_spec spec = {
			.parent = TC_H_ROOT, .handle = CLASSID(1, 0), .kind = "wrr", .conf = &wrong[i].conf
		};

		err = (struct error){ 0 };
		assert_int_equal(sched_qdisc_add(bed.tree, &spec, NULL, &err), -EINVAL);
		if (strstr(err.msg, wrong[i].says) == NULL)
			fail_msg("says '%s' instead of something with '%s'", err.msg, wrong[i].says);
	}
	make_wrr((struct wrr_conf){ 0 });
	assert_int_equal(sched_qdisc_change(sched_root(bed.tree), &other, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "stays"));
	bed_end();
}

/* A weight so small that nothing is left of it in a turn's bytes: turns grow to a kilobyte all the same. */
static void
turns_of_next_to_nothing_are_made_longer(void **state)
{
	struct turn_scale scale = { 0 };

	for (unsigned int turn = 0; turn < 2 * TURN_KILOBYTE; turn++)
		turn_scale_used(&scale, 1, false);
	assert_int_equal(scale.boost, TURN_KILOBYTE);
	assert_true(turn_length(&scale, 0) == 1024 << 16);
	assert_true(turn_length(&scale, 1) == 1024 << 16);
}

/* Turns that were made longer for weights of next to nothing are short again when weights have risen meanwhile. */
static void
long_turns_end_when_weights_rise(void **state)
{
	const double least = 0x1p-50;

	(void)state;
	bed_make();
	make_wrr((struct wrr_conf){ 0 });
	for (uint32_t i = 0; i < 200; i++)
		offer_packet(from_host(1 + i % 2, 1000));
	set_weight(1, least);
	set_weight(2, least);
	assert_int_equal(take_more(20), 20);
	set_weight(1, 1);
	set_weight(2, 1);
	assert_int_equal(take_more(10), 10); /* what is left of a long turn */
	bed.taken_count = 0;
	assert_int_equal(take_more(100), 100);
	assert_true(bytes_of(1) >= 40000 && bytes_of(2) >= 40000);
	bed_end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(turns_of_next_to_nothing_are_made_longer),
		cmocka_unit_test(long_turns_end_when_weights_rise),
		cmocka_unit_test(gives_each_host_a_class),
		cmocka_unit_test(classes_come_and_go_with_hosts),
		cmocka_unit_test(shares_by_weight),
		cmocka_unit_test(little_weights_take_no_turns_in_vain),
		cmocka_unit_test(a_round_ends_though_some_come_again),
		cmocka_unit_test(who_rests_is_looked_at_again_when_the_quantum_changes),
		cmocka_unit_test(a_burst_goes_round),
		cmocka_unit_test(weights_fall_with_bytes_and_rise_with_time),
		cmocka_unit_test(the_newcomer_goes_before_who_had_much),
		cmocka_unit_test(any_qdisc_may_stand_below),
		cmocka_unit_test(a_filter_below_a_class_chosen_late_is_obeyed),
		cmocka_unit_test(changes_lose_nothing),
		cmocka_unit_test(says_what_is_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
