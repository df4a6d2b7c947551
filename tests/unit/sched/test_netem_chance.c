/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * netem: what is random, held against the distributions that were asked for. The seed is the bed's, so that a test says
 * the same each time; bounds are those of the test statistic at one in a thousand or less.
 */
#include <stdlib.h>

#include "support_netem.h"

#define N 30000 /* packets at a time */

static double delays_s[N]; /* by number */

/* N packets at time 0; each leaves when its delay is over. */
static void
measure_delays(struct netem_conf conf)
{
	bed_make();
	make_netem(conf);
	offer_n(N, 64);
	take_all(SCHED_NEVER - 1);
	assert_int_equal(bed.taken_count, N);
	for (uint32_t i = 0; i < N; i++)
		delays_s[bed.taken[i].id] = (double)bed.taken[i].time_ns / 1e9;
	bed_end();
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Kolmogorov and Smirnov's: the greatest distance between what was seen and the distribution function. */
static double
distance_from(double (*distribution)(double))
{
	double most = 0;

	qsort(delays_s, N, sizeof(delays_s[0]), by_value);
	for (uint32_t i = 0; i < N; i++) {
		double f = distribution(delays_s[i]);

		most = fmax(most, fmax(fabs(f - (double)i / N), fabs(f - (double)(i + 1) / N)));
	}
	return most;
}

#define KS_LIMIT (1.95 / sqrt(N)) /* 1 in 1000 */

static double
uniform(double s)
{
	return fmin(fmax((s - 0.008) / 0.004, 0), 1);
}

static void
jitter_is_uniform_without_a_table(void **state)
{
	measure_delays((struct netem_conf){ .latency_ns = MS(10), .jitter_ns = MS(2) });
	assert_true(distance_from(uniform) < KS_LIMIT);
	/* The test would see a jitter that is off by a twentieth. */
	measure_delays((struct netem_conf){ .latency_ns = MS(10), .jitter_ns = 2100000 });
	assert_true(distance_from(uniform) > KS_LIMIT);
}

#define TABLE 4096

static double
normal(double s)
{
	return 0.5 * erfc(-(s - 0.100) / 0.010 / sqrt(2));
}

/* A Pareto distribution of shape 3, moved and scaled to a mean of 0 and a deviation of 1. */
static double
standard_pareto(double x)
{
	const double mean = 1.5, deviation = sqrt(0.75);
	double value = x * deviation + mean;

	return value < 1 ? 0 : 1 - pow(value, -3);
}

static double
pareto(double s)
{
	return standard_pareto((s - 0.100) / 0.010);
}

static double
standard_normal(double x)
{
	return 0.5 * erfc(-x / sqrt(2));
}

/* As tc's tables are made: the distribution's quantiles. Those that do not fit in 16 bits are cut off. */
static void
fill_table(int16_t *values, double (*distribution)(double))
{
	for (unsigned int i = 0; i < TABLE; i++) {
		double low = -4, high = 4;

		while (high - low > 1e-6) {
			double middle = (low + high) / 2;

			*(distribution(middle) < (i + 0.5) / TABLE ? &low : &high) = middle;
		}
		values[i] = (int16_t)fmin(fmax(rint(low * 8192), INT16_MIN), INT16_MAX);
	}
}

static void
delays_follow_the_table(void **state)
{
	static int16_t values[TABLE];
	struct netem_conf conf = { .latency_ns = MS(100),
		.jitter_ns = MS(10),
		.has_delay_table = true,
		.delay_table = { .values = values, .size = TABLE } };

	/* The table has steps of 1 / 4096. */
	fill_table(values, standard_normal);
	measure_delays(conf);
	assert_true(distance_from(normal) < KS_LIMIT + 1.0 / TABLE);
	fill_table(values, standard_pareto);
	measure_delays(conf);
	/* Its tail is beyond 4 deviations, where the table ends. */
	assert_true(distance_from(pareto) < KS_LIMIT + 1.0 / TABLE + 1 - standard_pareto(32767 / 8192.0));
	assert_true(distance_from(normal) > KS_LIMIT);
}

/* Of x with itself, one later. */
static double
autocorrelation(void)
{
	double mean = 0, own = 0, next = 0;

	for (uint32_t i = 0; i < N; i++)
		mean += delays_s[i] / N;
	for (uint32_t i = 0; i + 1 < N; i++) {
		own += (delays_s[i] - mean) * (delays_s[i] - mean);
		next += (delays_s[i] - mean) * (delays_s[i + 1] - mean);
	}
	return next / own;
}

static double
variance(void)
{
	double mean = 0, sum = 0;

	for (uint32_t i = 0; i < N; i++)
		mean += delays_s[i] / N;
	for (uint32_t i = 0; i < N; i++)
		sum += (delays_s[i] - mean) * (delays_s[i] - mean);
	return sum / N;
}

/*
 * x' = r x + (1 - r) u: an autoregressive series, whose correlation is r, and whose variance that of u times
 * (1 - r) / (1 + r).
 */
static void
delays_are_as_correlated_as_asked(void **state)
{
	static const double correlations[] = { 0, 0.25, 0.5, 0.9 };
	double width = 0.004;

	for (size_t i = 0; i < RTE_DIM(correlations); i++) {
		double r = correlations[i], expected = width * width / 12 * (1 - r) / (1 + r);

		measure_delays((struct netem_conf){ .latency_ns = MS(10),
			.jitter_ns = MS(2),
			.has_correlations = true,
			.delay_correlation = PERCENT(r * 100) });
		/* Deviation of the estimate: sqrt((1 - r^2) / N). */
		assert_true(fabs(autocorrelation() - r) < 3.3 * sqrt((1 - r * r) / N) + 1e-4);
		assert_true(fabs(variance() / expected - 1) < 0.1);
	}
}

/* ---- losses */

static bool received[N];

static uint32_t
measure_losses(struct netem_conf conf)
{
	uint32_t lost = 0;

	bed_make();
	make_netem(conf);
	offer_n(N, 64);
	take_all(SCHED_NEVER - 1);
	memset(received, 0, sizeof(received));
	for (uint32_t i = 0; i < bed.taken_count; i++)
		received[bed.taken[i].id] = true;
	for (uint32_t i = 0; i < N; i++)
		lost += !received[i];
	assert_int_equal(bed.sink.drops[DROP_EMULATED_LOSS], lost);
	bed_end();
	return lost;
}

/* Losses that follow each other at once. */
static double
mean_burst(void)
{
	uint32_t lost = 0, bursts = 0;

	for (uint32_t i = 0; i < N; i++) {
		lost += !received[i];
		bursts += !received[i] && (i == 0 || received[i - 1]);
	}
	return (double)lost / bursts;
}

static void
assert_share(uint32_t count, double p)
{
	if (fabs(count - N * p) > 3.3 * sqrt(N * p * (1 - p)))
		fail_msg("%u of %u, not %.4f of them", count, N, p);
}

static void
losses_are_as_many_as_asked(void **state)
{
	static const double percents[] = { 0.1, 1, 10, 50, 99 };

	for (size_t i = 0; i < RTE_DIM(percents); i++)
		assert_share(measure_losses((struct netem_conf){ .loss = { .probability = PERCENT(percents[i]) } }),
			percents[i] / 100);
	assert_int_equal(measure_losses((struct netem_conf){ .loss = { .probability = UINT32_MAX } }), N);
	assert_int_equal(measure_losses((struct netem_conf){ .loss = { .probability = 0 } }), 0);
}

/* Bounds of what depends on what went before are wider: by the mean length of a good and a bad period together. */
static void
assert_chain(struct netem_conf conf, double loss, double burst)
{
	double lost = measure_losses(conf), deviation = sqrt(N * loss * (1 - loss) * 2 * burst);

	if (fabs(lost - N * loss) > 3.3 * deviation)
		fail_msg("%.0f of %u were lost, not %.4f of them", lost, N, loss);
	if (fabs(mean_burst() / burst - 1) > 3.3 / sqrt(N * loss / burst))
		fail_msg("bursts are of %.3f packets, not %.3f", mean_burst(), burst);
}

/* Bad p / (p + r) of the time; a bad period lasts 1 / r packets. */
static void
gilbert_elliot_losses_have_the_chains_stationary_values(void **state)
{
	static const struct {
		double p, r, h, k1;
	} cases[] = { { 0.01, 0.1, 0, 0 }, { 0.05, 0.5, 0, 0 }, { 0.02, 0.2, 0.5, 0 }, { 0.02, 0.2, 0.3, 0.01 } };

	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		double p = cases[i].p, r = cases[i].r, h = cases[i].h, k1 = cases[i].k1;
		double bad = p / (p + r), loss = bad * (1 - h) + (1 - bad) * k1;
		/* A loss is followed by another one: by the state in which it was, and the step from there. */
		double follows =
			(bad * (1 - h) * ((1 - r) * (1 - h) + r * k1) + (1 - bad) * k1 * ((1 - p) * k1 + p * (1 - h))) /
			loss;

		assert_chain((struct netem_conf){ .loss_model = NETEM_LOSS_GILBERT_ELLIOT,
				     .gilbert_elliot = { .p = PERCENT(p * 100),
					     .r = PERCENT(r * 100),
					     .h = PERCENT(h * 100),
					     .k1 = PERCENT(k1 * 100) } },
			loss, 1 / (1 - follows));
	}
}

/*
 * What comes into a state goes out of it: s4 = p14 s1, s3 p31 = p13 s1, s2 p23 = p32 s3, and all are 1 together. A
 * burst begins with a step from 1 to 3 or 4, or from 2 to 3.
 */
static void
four_state_losses_have_the_chains_stationary_values(void **state)
{
	static const struct {
		double p13, p31, p32, p23, p14;
	} cases[] = { { 0.01, 0.2, 0, 1, 0 }, { 0.02, 0.1, 0.3, 0.25, 0 }, { 0.01, 0.15, 0.35, 0.4, 0.03 },
		{ 0.02, 0.1, 0.3, 0.8, 0 } };

	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		double s3 = cases[i].p13 / cases[i].p31, s4 = cases[i].p14, s2 = s3 * cases[i].p32 / cases[i].p23;
		double sum = 1 + s2 + s3 + s4, loss = (s3 + s4) / sum;
		double begins = (cases[i].p13 + cases[i].p14 + s2 * cases[i].p23) / sum;

		assert_chain((struct netem_conf){ .loss_model = NETEM_LOSS_STATES,
				     .states = { .p13 = PERCENT(cases[i].p13 * 100),
					     .p31 = PERCENT(cases[i].p31 * 100),
					     .p32 = PERCENT(cases[i].p32 * 100),
					     .p23 = PERCENT(cases[i].p23 * 100),
					     .p14 = PERCENT(cases[i].p14 * 100) } },
			loss, loss / begins);
	}
}

static void
marks_where_hosts_speak_ecn_instead_of_losing(void **state)
{
	struct netem_conf conf = { .limit = 100, .loss = { .probability = UINT32_MAX }, .has_ecn = true, .ecn = true };
	struct rte_mbuf *m, *got;

	bed_make();
	make_netem(conf);
	m = packet(100, 1, 0, 0);
	rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, 14)->type_of_service = 2;
	offer_packet(m);
	offer(100); /* does not speak it */
	assert_int_equal(bed_dropped(), 1);
	assert_int_equal(sched_dequeue(bed.tree, &got, 1, 0), 1);
	assert_int_equal(rte_pktmbuf_mtod_offset(got, struct rte_ipv4_hdr *, 14)->type_of_service, 3);
	rte_pktmbuf_free(got);
	bed.sent++;
	bed_end();
}

/* ---- copies, bits, order */

static void
copies_are_made_and_counted(void **state)
{
	uint32_t twice = 0;

	bed_make();
	make_netem((struct netem_conf){ .latency_ns = MS(1), .duplicate = { .probability = PERCENT(5) } });
	for (uint32_t i = 0; i < 3; i++) {
		offer_n(N / 3, 64);
		take_all(SCHED_NEVER - 1);
		for (uint32_t k = 1; k < bed.taken_count; k++)
			twice += bed.taken[k].id == bed.taken[k - 1].id;
	}
	assert_int_equal(twice, bed.sink.generated);
	assert_int_equal(bed.sent, N + twice);
	assert_share(twice, 0.05);
	bed_end();
}

/*
 * Each packet is doubled, each with chances of its own to be lost: where the packet is, one goes on in its place and no
 * copy is made; else the copy may be lost.
 */
static void
copies_are_lost_by_themselves(void **state)
{
	uint32_t numbers = 0, lost;

	bed_make();
	make_netem((struct netem_conf){ .latency_ns = MS(1),
		.duplicate = { .probability = UINT32_MAX },
		.loss = { .probability = PERCENT(20) } });
	for (uint32_t i = 0; i < 3; i++) {
		offer_n(N / 3, 64);
		take_all(SCHED_NEVER - 1);
		for (uint32_t k = 0; k < bed.taken_count; k++)
			numbers += k == 0 || bed.taken[k].id != bed.taken[k - 1].id;
	}
	lost = (uint32_t)sched_root(bed.tree)->drops[DROP_EMULATED_LOSS];
	assert_share(bed.sink.generated, 0.8);
	assert_share(lost, 0.8 * 0.2);
	assert_int_equal(bed.sent, N + bed.sink.generated - lost);
	assert_int_equal(numbers, N); /* none of them all is gone */
	bed_end();
	/* All are lost, and all are doubled: neither. */
	bed_make();
	make_netem((struct netem_conf){ .latency_ns = MS(1),
		.duplicate = { .probability = UINT32_MAX },
		.loss = { .probability = UINT32_MAX } });
	offer_n(100, 64);
	take_all(SCHED_NEVER - 1);
	assert_int_equal(bed.taken_count, 100);
	assert_int_equal(bed.sink.generated, 0);
	bed_end();
}

static void
one_bit_of_a_corrupted_packet_is_another_one(void **state)
{
	const uint32_t bytes = 512;
	uint32_t corrupted = 0, by_place[32] = { 0 }, by_bit[8] = { 0 };
	double chi_squared = 0;

	bed_make();
	make_netem((struct netem_conf){ .has_corrupt = true, .corrupt = { .probability = PERCENT(20) } });
	for (uint32_t i = 0; i < N; i++) {
		struct rte_mbuf *m = packet(bytes, 1, 0, 0), *got;
		uint8_t *data, before[512];

		data = rte_pktmbuf_mtod(m, uint8_t *);
		memset(data + 64, 0x5a, bytes - 64);
		memcpy(before, data, bytes);
		offer_packet(m);
		assert_int_equal(sched_dequeue(bed.tree, &got, 1, 0), 1);
		unsigned int bits = 0;

		for (uint32_t k = 0; k < bytes; k++) {
			if (before[k] != data[k]) {
				by_place[k / 16]++;
				by_bit[__builtin_ctz((unsigned int)(before[k] ^ data[k]))]++;
			}
			bits += (unsigned int)__builtin_popcount(before[k] ^ data[k]);
		}
		assert_in_range(bits, 0, 1);
		corrupted += bits;
		rte_pktmbuf_free(got);
		bed.sent++;
	}
	assert_share(corrupted, 0.2);
	/* Anywhere: 32 places of 16 bytes, 31 degrees of freedom, 1 in 1000. */
	for (unsigned int i = 0; i < 32; i++)
		chi_squared += pow(by_place[i] - corrupted / 32.0, 2) / (corrupted / 32.0);
	assert_true(chi_squared < 61.1);
	/* Any bit of a byte: 7 degrees of freedom. */
	chi_squared = 0;
	for (unsigned int i = 0; i < 8; i++)
		chi_squared += pow(by_bit[i] - corrupted / 8.0, 2) / (corrupted / 8.0);
	assert_true(chi_squared < 24.3);
	bed_end();
}

/* A frame in three buffers of 64 bytes: each packet has one bit changed, and each byte has its turn. */
static void
frames_in_several_buffers_are_corrupted_anywhere(void **state)
{
	bool changed[3 * 64] = { false };
	unsigned int places = 0;

	bed_make();
	make_netem((struct netem_conf){ .has_corrupt = true, .corrupt = { .probability = PERCENT(100) } });
	for (uint32_t i = 0; i < 5000; i++) {
		struct rte_mbuf *m = packet(64, 1, 0, 0), *got;
		uint8_t before[64];
		unsigned int bits = 0;

		memcpy(before, rte_pktmbuf_mtod(m, void *), sizeof(before));
		for (unsigned int s = 1; s < 3; s++) {
			struct rte_mbuf *segment = rte_pktmbuf_alloc(m->pool);

			memcpy(rte_pktmbuf_append(segment, sizeof(before)), before, sizeof(before));
			assert_int_equal(rte_pktmbuf_chain(m, segment), 0);
		}
		offer_packet(m);
		assert_int_equal(sched_dequeue(bed.tree, &got, 1, 0), 1);
		for (const struct rte_mbuf *segment = got; segment != NULL; segment = segment->next) {
			for (unsigned int k = 0; k < sizeof(before); k++) {
				uint8_t differs = before[k] ^ rte_pktmbuf_mtod(segment, uint8_t *)[k];

				bits += (unsigned int)__builtin_popcount(differs);
				changed[(segment == got ? 0 : segment->next != NULL ? 64 : 128) + k] |= differs != 0;
			}
		}
		assert_int_equal(bits, 1);
		rte_pktmbuf_free(got);
		bed.sent++;
	}
	for (unsigned int k = 0; k < RTE_DIM(changed); k++)
		places += changed[k];
	assert_int_equal(places, RTE_DIM(changed));
	bed_end();
}

static void
the_asked_share_of_packets_overtakes(void **state)
{
	uint32_t early = 0;

	measure_delays((struct netem_conf){
		.latency_ns = MS(10), .gap = 1, .has_reorder = true, .reorder = { .probability = PERCENT(25) } });
	for (uint32_t i = 0; i < N; i++)
		early += delays_s[i] == 0;
	assert_share(early, 0.25);
}

static void
the_same_seed_gives_the_same_network(void **state)
{
	static double first[N];
	struct netem_conf conf = { .latency_ns = MS(10), .jitter_ns = MS(5) };

	measure_delays(conf);
	memcpy(first, delays_s, sizeof(first));
	measure_delays(conf);
	assert_memory_equal(first, delays_s, sizeof(first));
}

/* A seed of its own: the same delays whatever else the tree draws, and again when it is given again. */
static void
a_seed_of_its_own_starts_the_same_series(void **state)
{
	static double first[N];
	struct netem_conf conf = { .limit = 2 * N,
		.jitter_ns = MS(5),
		.latency_ns = MS(10),
		.has_seed = true,
		.seed = 7 },
			  more = { .limit = 2 * N, .jitter_ns = MS(5), .latency_ns = MS(10) };
	struct qdisc *q;

	measure_delays(conf);
	memcpy(first, delays_s, sizeof(first));
	conf.seed = 8;
	measure_delays(conf);
	assert_memory_not_equal(first, delays_s, sizeof(first));
	bed_make();
	q = make_netem(conf);
	offer_n(100, 64);
	take_all(SCHED_NEVER - 1);
	conf.seed = 7;
	change_qdisc(q, &conf);
	change_qdisc(q, &more); /* which does not name it */
	for (uint32_t i = 0; i < N; i++) {
		uint64_t start = bed.now;

		qdisc_random(q); /* as others in the tree do */
		offer_packet(packet(64, 1, 0, 0));
		assert_int_equal(take_all(SCHED_NEVER - 1), 1);
		assert_true(fabs((double)(bed.now - start) / 1e9 - first[i]) < 1e-9);
	}
	bed_end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jitter_is_uniform_without_a_table),
		cmocka_unit_test(delays_follow_the_table),
		cmocka_unit_test(delays_are_as_correlated_as_asked),
		cmocka_unit_test(losses_are_as_many_as_asked),
		cmocka_unit_test(gilbert_elliot_losses_have_the_chains_stationary_values),
		cmocka_unit_test(four_state_losses_have_the_chains_stationary_values),
		cmocka_unit_test(marks_where_hosts_speak_ecn_instead_of_losing),
		cmocka_unit_test(copies_are_made_and_counted),
		cmocka_unit_test(copies_are_lost_by_themselves),
		cmocka_unit_test(one_bit_of_a_corrupted_packet_is_another_one),
		cmocka_unit_test(frames_in_several_buffers_are_corrupted_anywhere),
		cmocka_unit_test(the_asked_share_of_packets_overtakes),
		cmocka_unit_test(the_same_seed_gives_the_same_network),
		cmocka_unit_test(a_seed_of_its_own_starts_the_same_series),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
