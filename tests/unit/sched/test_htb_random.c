/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random htb hierarchies under random traffic while classes are added, deleted and changed: nothing is lost, no leaf
 * sends more than its ceil allows, nor the root where the assured rates fit in it, and each flow stays in order. Each
 * seed is printed; SEED=n in the environment plays that one only.
 */
#include <weir/qdisc/htb.h>

#include "seeds.h"
#include "support.h"

#define SEEDS    40
#define STEPS    1500
#define MINORS   24 /* classes are 1:1, the root class, to 1:18 */
#define ROOT_BPS UINT64_C(2000000)

/* How far a class is above its ceil: bytes x 1e9 less ceil x time, and the least that it has been. */
struct watch {
	__int128 excess, least;
	uint64_t since_ns, ceil_Bps, allowed_bytes;
	uint32_t last_id; /* of the packets that named it */
};

static struct watch watches[MINORS + 1];

static void
watch_from_now(uint32_t minor, const struct htb_class_conf *conf)
{
	struct watch *w = &watches[minor];
	/* What is used is never less than a millisecond's. */
	uint64_t burst_ns = conf->cburst_ns > MS(1) ? conf->cburst_ns : MS(1);
	uint64_t burst = (uint64_t)((unsigned __int128)burst_ns * conf->ceil.Bps / 1000000000) + 1;

	w->excess = w->least = 0;
	w->since_ns = bed.now;
	w->ceil_Bps = conf->ceil.Bps;
	w->allowed_bytes = (burst > 1514 ? burst : 1514) + 1514;
}

static void
count(uint32_t minor, uint32_t bytes)
{
	struct watch *w = &watches[minor];

	w->excess -= (__int128)(bed.now - w->since_ns) * w->ceil_Bps;
	w->since_ns = bed.now;
	w->least = w->excess < w->least ? w->excess : w->least;
	w->excess += (__int128)bytes * 1000000000;
	if (w->excess - w->least > (__int128)w->allowed_bytes * 1000000000)
		fail_msg("class 1:%x is above its ceil at %lu ns", minor, (unsigned long)bed.now);
}

/* The rates of all others together stay below the root's, so that borrowing, not overcommitment, is what is tested. */
static struct htb_class_conf
random_conf(void)
{
	uint64_t rate = 1000 + draw((uint32_t)(ROOT_BPS / MINORS) - 1000);

	return (struct htb_class_conf){ .rate.Bps = rate,
		.ceil.Bps = rate + draw(2) * draw(3000000),
		.burst_ns = draw(3) * draw(20000000),
		.cburst_ns = draw(3) * draw(20000000),
		.prio = draw(8),
		.quantum = draw(2) ? 1 + draw(5000) : 0 };
}

static struct class *
class_at(uint32_t minor)
{
	return sched_class_find(sched_root(bed.tree), CLASSID(1, minor));
}

static void
add_somewhere(void)
{
	uint32_t minor = 2 + draw(MINORS - 1);
	struct htb_class_conf conf = random_conf();
	struct class *parent = class_at(1 + draw(MINORS));
	struct class_spec spec = { .parentid = parent == NULL ? CLASSID(1, 1) : parent->classid,
		.classid = CLASSID(1, minor),
		.conf = &conf };
	struct error err = { 0 };

	if (class_at(minor) != NULL)
		return;
	/* Only a tree that would be too deep is refused. */
	if (sched_class_add(sched_root(bed.tree), &spec, NULL, &err) != 0)
		assert_int_equal(err.code, EINVAL);
	else
		watch_from_now(minor, &conf);
	/* A parent that was a leaf has other packets moved out of it; nothing is watched of inner classes. */
}

static void
delete_somewhere(void)
{
	struct class *c = class_at(2 + draw(MINORS - 1));
	struct error err = { 0 };

	if (c != NULL && sched_class_delete(c, &err) != 0)
		assert_int_equal(err.code, EBUSY);
}

static void
change_somewhere(void)
{
	uint32_t minor = 2 + draw(MINORS - 1);
	struct htb_class_conf conf = random_conf();

	if (class_at(minor) != NULL) {
		change_class(class_at(minor), &conf);
		watch_from_now(minor, &conf);
	}
}

static void
left(void *arg, const struct qdisc *q, struct rte_mbuf *m, uint64_t now)
{
	(void)arg;
	(void)now;
	if (q->parent != NULL)
		count(TC_H_MIN(q->parent->classid), m->pkt_len);
	else if (pkt_of(m)->leaf != PKT_LEAF_NONE)
		count(1, m->pkt_len);
}

static void
queued(void *arg, const struct qdisc *q, struct rte_mbuf *m, uint64_t now)
{
	(void)arg;
	(void)q;
	(void)m;
	(void)now;
}

static void
dropped(void *arg, const struct qdisc *q, struct rte_mbuf *m, enum drop_reason reason)
{
	(void)arg;
	(void)q;
	(void)m;
	(void)reason;
}

static const struct sched_observer observer = { .queued = queued, .left = left, .dropped = dropped };

static void
check_order(void)
{
	for (uint32_t i = 0; i < bed.taken_count; i++) {
		struct watch *w = &watches[bed.taken[i].flow];

		assert_true(w->last_id == UINT32_MAX || w->last_id < bed.taken[i].id);
		w->last_id = bed.taken[i].id;
	}
	bed.taken_count = 0;
}

static void
step(void)
{
	uint64_t next = sched_next_event(bed.tree, bed.now);

	switch (draw(20)) {
	case 0:
		add_somewhere();
		break;
	case 1:
		delete_somewhere();
		break;
	case 2:
		change_somewhere();
		break;
	case 3:
	case 4:
	case 5:
	case 6:
		for (uint32_t n = draw(60); n > 0; n--) {
			uint32_t minor = 1 + draw(MINORS);

			offer_packet(packet(64 + draw(1451), minor, CLASSID(1, minor), 0));
		}
		break;
	case 7:
		bed.now += draw(50000000);
		break;
	default:
		take_more(1 + draw(40));
		if (next != SCHED_NEVER && next > bed.now)
			bed.now = next;
	}
}

static void
play(void)
{
	struct htb_conf conf = { .version = 3, .rate2quantum = 10 };
	struct htb_class_conf root = {
		.rate.Bps = ROOT_BPS, .ceil.Bps = ROOT_BPS, .burst_ns = 1000000, .cburst_ns = 1000000
	};

	bed_make_observed(&observer);
	for (uint32_t i = 0; i <= MINORS; i++)
		watches[i].last_id = UINT32_MAX;
	make_qdisc("htb", &conf);
	add_class(0, CLASSID(1, 1), &root);
	watch_from_now(1, &root);
	/* Other classes' own rates come on top of what the root lends at a time: each may have a bucket full. */
	watches[1].allowed_bytes += MINORS * 10 * 1514;
	for (unsigned int i = 0; i < STEPS; i++) {
		step();
		assert_nothing_lost();
		check_order();
	}
	take_all(SCHED_NEVER - 1);
	check_order();
	assert_int_equal(sched_backlog(bed.tree), 0);
	bed_end();
}

static void
random_hierarchies_keep_the_promises(void **state)
{
	(void)state;
	play_seeds(SEEDS, play);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(random_hierarchies_keep_the_promises) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
