/* SPDX-License-Identifier: BSD-3-Clause */
/* What a worker may still read of a tree when control has taken a part of it away: one that reports quiescence once. */
#include <pthread.h>
#include <sched.h>

#include <weir/qdisc/htb.h>

#include "support.h"

#include "tree.h"

#define READER 0

static struct rcu *rcu;
static uint64_t token_before;

/* Between two bursts, when control has begun to wait; then it is in the next one for as long as the test goes on. */
static void *
quiesce_once(void *arg)
{
	while (__atomic_load_n(&rcu->qsbr->token, __ATOMIC_ACQUIRE) == token_before)
		sched_yield();
	rte_rcu_qsbr_quiescent(rcu->qsbr, READER);
	return NULL;
}

static void
make_tree(void)
{
	struct sched_host host = { .ifindex = 1, .mtu = 1500, .sink = &bed.sink, .now = bed_now, .seed = 1 };

	eal_start();
	host.rcu = rcu = rcu_create(1);
	assert_non_null(rcu);
	assert_int_equal(sched_tree_create(&host, &bed.tree, NULL), 0);
	rte_rcu_qsbr_thread_register(rcu->qsbr, READER);
}

static struct class *
class_at(uint32_t classid)
{
	return sched_class_find(sched_qdisc_find(bed.tree, classid & 0xffff0000), classid);
}

/*
 * A packet that has been held names a class below 2:, which goes. Who has read whose class that was goes on from there.
 */
static void
a_deleted_qdisc_stays_for_who_was_on_the_way_up(void **state)
{
	static const struct htb_conf htb = { .version = 3, .rate2quantum = 10 };
	static const struct htb_class_conf conf = {
		.rate.Bps = MBIT(1), .ceil.Bps = MBIT(1), .burst_ns = MS(1), .cburst_ns = MS(1), .quantum = 1500
	};
	const struct class *above;
	const struct qdisc *seen;
	struct qdisc *next;
	pthread_t reader;

	make_tree();
	make_qdisc("prio", NULL);
	above = class_at(CLASSID(1, 1));
	seen = add_qdisc(CLASSID(1, 1), CLASSID(2, 0), "htb", &htb);
	add_class(CLASSID(2, 0), CLASSID(2, 1), &conf);

	rte_rcu_qsbr_thread_online(rcu->qsbr, READER);
	token_before = rcu->qsbr->token;
	assert_int_equal(pthread_create(&reader, NULL, quiesce_once, NULL), 0);
	delete_qdisc(sched_qdisc_find(bed.tree, CLASSID(2, 0)));
	pthread_join(reader, NULL);
	/* What is made next does not take its place. */
	next = qdisc_create(bed.tree, class_at(CLASSID(1, 2)), "htb", &htb, NULL, 0, NULL);
	assert_ptr_not_equal(next, seen);
	assert_ptr_equal(seen->parent, above);
	qdisc_free(next);
	rte_rcu_qsbr_thread_offline(rcu->qsbr, READER);
	sched_tree_destroy(bed.tree, DROP_SHUTDOWN);
	rcu_destroy(rcu);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_deleted_qdisc_stays_for_who_was_on_the_way_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
