/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * police: what may pass is counted against the definition of a token bucket, and kept to by several workers together.
 */
#include "one_chain.h"

#include <pthread.h>
#include <sched.h>

#include <weir/action/police.h>

#define MS 1000000

static int
police(const struct police_conf *conf)
{
	struct action_spec spec[] = { { .kind = "police", .conf = conf } };

	return add_fw_actions(chain, 1, 1, 1, spec, 1);
}

/* 8 mbit: 64 bytes take 64 us. */
static struct police_conf
mbit8(uint64_t burst_bytes)
{
	return (struct police_conf){
		.exceed = TC_ACT_SHOT, .rate.Bps = 1000000, .burst_ns = burst_bytes * 1000, .mtu = 2040
	};
}

/* Does a packet of 64 bytes pass at that time? */
static bool
passes_at(unsigned int worker, uint64_t now)
{
	struct classify_ctx ctx = { .now = 500 + now, .worker = worker };
	struct packet p;
	struct verdict v;
	struct rte_mbuf *m = &p.mbuf;

	packet_udp(&p, 1);
	chain_classify(chain, &ctx, &m, 1, &v);
	assert_true(v.action == TC_ACT_SHOT || v.action == TC_ACT_OK);
	return v.action == TC_ACT_OK;
}

static bool
passes(uint64_t now)
{
	return passes_at(0, now);
}

/* The definition: tokens grow at the rate up to the burst; a packet passes if they cover it. In bytes times 1e9. */
static void
passes_what_a_bucket_holds(void **state)
{
	struct police_conf conf = mbit8(1000);
	uint64_t now = 0, last = 0, tokens = 1000 * UINT64_C(1000000000), passed = 0;
	uint32_t random = 1;

	assert_int_equal(police(&conf), 0);
	for (int i = 0; i < 100000; i++) {
		random = random * 1664525 + 1013904223;
		/* 64 us is the rate, 48 on the mean: a third is too much. Times that are no multiple of anything. */
		now += random % 96001;
		tokens += (now - last) * 1000000;
		if (tokens > 1000 * UINT64_C(1000000000))
			tokens = 1000 * UINT64_C(1000000000);
		last = now;
		bool expected = tokens >= 64 * UINT64_C(1000000000);
		/* Within the rounding of one packet, 1/256 ns, either answer is right; these times have whole ns. */
		assert_int_equal(passes(now), expected);
		tokens -= expected ? 64 * UINT64_C(1000000000) : 0;
		passed += expected;
	}
	assert_in_range(passed, now / 64000 - 1, now / 64000 + 16);
}

/* Of three times as much what passes is the rate's, within 0.1 %: 64 bytes at a time, a bucket of ten. */
static void
is_exact_at_every_rate(void **state)
{
	static const uint64_t rates[] = { 1000, 7000, 125000, 15432100, 125000000, 1250000000,
		5000000000 }; /* bytes/s */
	const unsigned int packets = 20000;

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		double packet_ns = 64e9 / (double)rates[i];
		struct police_conf conf = mbit8(0);
		unsigned int passed = 0;

		conf.rate.Bps = rates[i];
		conf.burst_ns = (uint64_t)(10 * packet_ns);
		assert_int_equal(police(&conf), 0);
		for (unsigned int n = 0; n < 3 * packets; n++)
			passed += passes((uint64_t)(n * packet_ns / 3));
		assert_in_range(passed, packets * 0.999 + 9, packets * 1.001 + 11);
		assert_int_equal(chain_filter_delete(chain, &(struct filter_spec){ 0 }, NULL, NULL, &err), 0);
	}
}

static void
a_peak_rate_holds_back_a_full_bucket(void **state)
{
	struct police_conf conf = mbit8(100000);

	conf.peak.Bps = 2000000;
	conf.mtu = 128;
	assert_int_equal(police(&conf), 0);
	/* Two fit the peak's bucket; then one each 32 us. */
	assert_true(passes(0));
	assert_true(passes(0));
	assert_false(passes(0));
	assert_false(passes(31999));
	assert_true(passes(32000));
	assert_false(passes(32000));
}

/* What the rate refuses must not be taken from the peak's bucket. */
static void
a_refused_packet_costs_nothing(void **state)
{
	struct police_conf conf = mbit8(64);

	conf.peak.Bps = 2000000;
	conf.mtu = 64;
	assert_int_equal(police(&conf), 0);
	assert_true(passes(0));
	for (int i = 0; i < 100; i++)
		assert_false(passes(33000));
	assert_true(passes(64000));
}

static void
a_packet_above_the_mtu_exceeds(void **state)
{
	struct police_conf conf = mbit8(10000);

	conf.mtu = 63;
	assert_int_equal(police(&conf), 0);
	assert_false(passes(0));
}

static void
counts_packets_if_asked(void **state)
{
	struct police_conf conf = {
		.exceed = TC_ACT_SHOT, .packets_per_s = 1000, .packet_burst_ns = 3 * MS, .mtu = UINT32_MAX
	};

	assert_int_equal(police(&conf), 0);
	for (int i = 0; i < 3; i++)
		assert_true(passes(0));
	assert_false(passes(0));
	assert_false(passes(MS - 1));
	assert_true(passes(MS));
	assert_false(passes(MS));
}

static void
answers_as_asked_and_counts(void **state)
{
	struct police_conf conf = mbit8(64);
	struct action_stats stats;
	struct gact_conf drop = { .action = TC_ACT_SHOT };
	struct action_spec list[] = { { .kind = "police", .conf = &conf }, { .kind = "gact", .conf = &drop } };

	/* What exceeds goes on to the next action, what conforms is classified. */
	conf.exceed = TC_ACT_PIPE;
	conf.conform = TC_ACT_OK;
	assert_int_equal(add_fw_actions(chain, 1, 1, 1, list, 2), 0);
	assert_false(chain_pure(chain));
	assert_true(passes(0));
	assert_false(passes(0));
	action_stats_sum(action_find("police", 1), &stats);
	assert_int_equal(stats.packets, 2);
	assert_int_equal(stats.overlimits, 1);
	assert_int_equal(stats.drops, 0);
	action_stats_sum(action_find("gact", 1), &stats);
	assert_int_equal(stats.drops, 1);
}

/* What becomes of a packet to which police says this. 9 is the class of the filter that is asked next. */
static int64_t
outcome_of(int32_t verdict, bool *went_on)
{
	*went_on = verdict == TC_ACT_PIPE;
	switch (verdict) {
	case TC_ACT_UNSPEC:
		return 9;
	case TC_ACT_OK:
	case TC_ACT_PIPE:
		return 1;
	default:
		return -1; /* dropped */
	}
}

static void
does_what_is_asked_in_every_combination(void **state)
{
	static const int32_t verdicts[] = { TC_ACT_UNSPEC, TC_ACT_OK, TC_ACT_SHOT, TC_ACT_PIPE, TC_ACT_STOLEN,
		TC_ACT_TRAP, TC_ACT_RECLASSIFY };

	for (size_t c = 0; c < RTE_DIM(verdicts); c++)
		for (size_t e = 0; e < RTE_DIM(verdicts); e++) {
			struct police_conf conf = mbit8(64); /* one packet */
			struct action_spec specs[] = { { .kind = "police", .conf = &conf }, SET_MARK(77, TC_ACT_OK) };

			conf.conform = verdicts[c];
			conf.exceed = verdicts[e];
			assert_int_equal(add_fw_actions(chain, 1, 1, 1, specs, 2), 0);
			assert_int_equal(add_fw(chain, 2, 1, 9), 0);
			for (unsigned int packet = 0; packet < 2; packet++) {
				/* Who is to be asked again meets the policer again, with what is left of the bucket. */
				int32_t said =
					packet == 0 && verdicts[c] != TC_ACT_RECLASSIFY ? verdicts[c] : verdicts[e];
				bool went_on;
				int64_t expected = outcome_of(said, &went_on);
				struct packet p;
				struct verdict v;

				packet_udp(&p, 1);
				v = ask(chain, &p);
				assert_int_equal(v.action == TC_ACT_OK ? (int64_t)v.classid : -1, expected);
				assert_int_equal(p.pkt.mark == 77, went_on);
			}
			assert_int_equal(delete_filter(chain, 1, "fw", 0, &err), 0);
			assert_int_equal(delete_filter(chain, 2, "fw", 0, &err), 0);
		}
}

static void
a_change_starts_with_a_full_bucket(void **state)
{
	struct police_conf conf = mbit8(64), faster = mbit8(128);
	struct action_spec spec = { .kind = "police", .index = 1, .conf = &faster };

	assert_int_equal(police(&conf), 0);
	assert_true(passes(0));
	assert_false(passes(0));
	assert_int_equal(action_add(NULL, &spec, REPLACE, 500, NULL, &err), 0);
	assert_true(passes(0));
	assert_true(passes(0));
	assert_false(passes(0));
}

static void
refuses_what_makes_no_sense(void **state)
{
	struct police_conf both = mbit8(64), peak = { .peak.Bps = 1000, .mtu = 64 }, verdict = mbit8(64);

	both.packets_per_s = 1;
	verdict.conform = 99;
	assert_int_equal(police(&both), -EINVAL);
	assert_int_equal(police(&peak), -EINVAL);
	assert_int_equal(police(&verdict), -EINVAL);
	assert_null(action_find("police", 1));
}

/* ---- average rates */

static int
police_average(uint64_t Bps, const struct tc_estimator *estimator)
{
	struct police_conf conf = {
		.exceed = TC_ACT_SHOT, .mtu = UINT32_MAX, .average_Bps = Bps, .has_average_rate = true
	};
	struct action_spec spec = { .kind = "police", .conf = &conf, .estimator = estimator };

	return add_fw_actions(chain, 1, 1, 1, &spec, 1);
}

/*
 * The definition: each 250 ms a sample of what has come to two workers, with a quarter's weight; with pauses of many
 * intervals.
 */
static void
judges_by_the_average_of_what_arrives(void **state)
{
	static const struct tc_estimator quarter = { .interval = -2, .ewma_log = 2 };
	uint64_t now = 0, sampled = 0, bytes = 0, passed = 0;
	struct chain *single = chain;
	struct rcu *rcu = rcu_create(2);
	uint32_t random = 1;
	double average = 0;

	chain = chain_create(rcu);
	assert_int_equal(police_average(16000, &quarter), 0);
	for (uint64_t i = 0; i < 20000; i++) {
		random = random * 1664525 + 1013904223;
		/* 4 ms are the rate, 1 to 8 the mean; now and then nothing comes for up to four seconds. */
		now += random % ((1 + i / 1000 % 8) * 2 * MS);
		if (i % 1000 == 999)
			now += random;
		for (; sampled + 250 * MS <= now; sampled += 250 * MS) {
			average += ((double)bytes * 4 - average) / 4;
			bytes = 0;
		}
		bool expected = (uint64_t)average < 16000;

		assert_int_equal(passes_at(i % 2, now), expected);
		assert_in_range(action_rate(action_find("police", 1), 500 + now).Bps,
			(uint64_t)average - (average >= 1), (uint64_t)average + 1);
		bytes += 64;
		passed += expected;
	}
	assert_in_range(passed, 4000, 16000);
	chain_destroy(chain);
	rcu_destroy(rcu);
	chain = single;
}

/* 512 bytes in the first second, at half the weight. Linux 6.1, too, lets no more pass once the average is the rate. */
static void
the_average_itself_is_too_much(void **state)
{
	static const struct tc_estimator half = { .interval = 0, .ewma_log = 1 };

	for (uint64_t above = 0; above < 2; above++) {
		assert_int_equal(police_average(256 + above, &half), 0);
		for (int i = 0; i < 8; i++)
			assert_true(passes(i));
		assert_int_equal(passes(1100 * UINT64_C(1000000)), above);
		assert_int_equal(delete_filter(chain, 1, "fw", 0, &err), 0);
	}
}

static void
an_average_rate_needs_an_estimator(void **state)
{
	static const struct tc_estimator wrong = { .interval = 0, .ewma_log = 0 },
					 half = { .interval = 0, .ewma_log = 1 };
	struct police_conf faster = {
		.exceed = TC_ACT_SHOT, .mtu = UINT32_MAX, .average_Bps = 1000000, .has_average_rate = true
	};
	struct police_conf both = mbit8(64);
	struct action_spec spec = { .kind = "police", .conf = &both, .estimator = &half };

	both.average_Bps = 1000;
	both.has_average_rate = true;
	assert_int_equal(police_average(1000, NULL), -EINVAL);
	assert_int_equal(police_average(0, NULL), -EINVAL);
	assert_int_equal(police_average(1000, &wrong), -EINVAL);
	assert_int_equal(add_fw_actions(chain, 1, 1, 1, &spec, 1), -EINVAL);
	assert_null(action_find("police", 1));
	/* Changed, it keeps the estimator that it has, and its average. */
	assert_int_equal(police_average(1, &half), 0);
	assert_true(passes(0));
	assert_false(passes(1000 * UINT64_C(1000000)));
	spec = (struct action_spec){ .kind = "police", .index = 1, .conf = &faster };
	assert_int_equal(action_add(NULL, &spec, REPLACE, 500, NULL, &err), 0);
	assert_true(passes(1000 * UINT64_C(1000000)));
	assert_int_equal(action_rate(action_find("police", 1), 0).Bps, 32);
	assert_int_equal(action_estimator(action_find("police", 1))->ewma_log, 1);
}

/* ---- several workers */

#define THREADS 2
#define ASKED   200000

static void *
ask_often(void *arg)
{
	uint64_t *passed = arg;

	for (uint64_t i = 0; i < ASKED; i++)
		*passed += passes(i * 100);
	return NULL;
}

/* Together they may not get more than the bucket and the rate give, nor lose what it gives. */
static void
workers_share_one_bucket(void **state)
{
	struct police_conf conf = mbit8(6400);
	pthread_t threads[THREADS];
	uint64_t passed[THREADS] = { 0 }, most = 100 + ASKED * 100 / 64000;

	assert_int_equal(police(&conf), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask_often, &passed[i]), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_in_range(passed[0] + passed[1], most - 1, most);
}

#define ROUNDS 20000
#define EACH   10 /* packets of each worker in a round, which is an interval */

struct sampler {
	unsigned int worker;
	uint64_t *arrived; /* at any meeting, by both */
	bool wrong;
};

/* Waiting busily, for they are to go on within nanoseconds of each other. */
static void
meet(uint64_t *arrived, uint64_t meeting)
{
	__atomic_fetch_add(arrived, 1, __ATOMIC_ACQ_REL);
	for (unsigned int i = 1; __atomic_load_n(arrived, __ATOMIC_ACQUIRE) < meeting * THREADS; i++)
		if (i % 4096 == 0)
			sched_yield();
}

/*
 * Both find the sample due at once. What one of them counts meanwhile may be in it or in the next one: a packet at half
 * the weight, 128 bytes a second, is all that the average may be off.
 */
static void *
sample_together(void *arg)
{
	struct sampler *s = arg;
	double average = 0;

	for (uint64_t round = 0; round < ROUNDS; round++) {
		uint64_t now = round * 250 * MS;

		meet(s->arrived, 2 * round + 1);
		passes_at(s->worker, now);
		meet(s->arrived, 2 * round + 2);
		double off = (double)action_rate(action_find("police", 1), 500 + now).Bps - average;

		s->wrong |= off < -129 || off > 129;
		for (int i = 1; i < EACH; i++)
			passes_at(s->worker, now + (uint64_t)i);
		average += (THREADS * EACH * 64 * 4 - average) / 2;
	}
	return NULL;
}

static void
workers_take_each_sample_once(void **state)
{
	static const struct tc_estimator half = { .interval = -2, .ewma_log = 1 };
	struct chain *single = chain;
	struct rcu *rcu = rcu_create(THREADS);
	struct sampler samplers[THREADS];
	pthread_t threads[THREADS];
	uint64_t arrived = 0;

	chain = chain_create(rcu);
	assert_int_equal(police_average(UINT32_MAX, &half), 0);
	for (unsigned int i = 0; i < THREADS; i++) {
		samplers[i] = (struct sampler){ .worker = i, .arrived = &arrived };
		assert_int_equal(pthread_create(&threads[i], NULL, sample_together, &samplers[i]), 0);
	}
	for (unsigned int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_false(samplers[i].wrong);
	}
	chain_destroy(chain);
	rcu_destroy(rcu);
	chain = single;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(passes_what_a_bucket_holds, start, end),
		cmocka_unit_test_setup_teardown(is_exact_at_every_rate, start, end),
		cmocka_unit_test_setup_teardown(a_peak_rate_holds_back_a_full_bucket, start, end),
		cmocka_unit_test_setup_teardown(a_refused_packet_costs_nothing, start, end),
		cmocka_unit_test_setup_teardown(a_packet_above_the_mtu_exceeds, start, end),
		cmocka_unit_test_setup_teardown(counts_packets_if_asked, start, end),
		cmocka_unit_test_setup_teardown(answers_as_asked_and_counts, start, end),
		cmocka_unit_test_setup_teardown(does_what_is_asked_in_every_combination, start, end),
		cmocka_unit_test_setup_teardown(a_change_starts_with_a_full_bucket, start, end),
		cmocka_unit_test_setup_teardown(refuses_what_makes_no_sense, start, end),
		cmocka_unit_test_setup_teardown(judges_by_the_average_of_what_arrives, start, end),
		cmocka_unit_test_setup_teardown(the_average_itself_is_too_much, start, end),
		cmocka_unit_test_setup_teardown(an_average_rate_needs_an_estimator, start, end),
		cmocka_unit_test_setup_teardown(workers_share_one_bucket, start, end),
		cmocka_unit_test_setup_teardown(workers_take_each_sample_once, start, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
