/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hfsc's curves against what they stand for: where a class turns busy its curve becomes the lesser one, at each time,
 * of the curve that it had and of one that starts there (Stoica, Zhang and Ng 1997, equation 7). All curves that were
 * ever started are kept here, in floating point.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hfsc_curve.h"

#define STARTS 40
#define SEEDS  3000

static uint64_t state;

static uint32_t
draw(uint32_t below)
{
	state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(state >> 33) % below;
}

/* When a curve from (0, 0) reaches so many bytes, in ns. */
static double
time_of(const struct hfsc_curve_conf *conf, double bytes)
{
	double d_bytes = (double)conf->d_ns * (double)conf->m1_Bps / 1e9;

	if (conf->d_ns != 0 && bytes <= d_bytes)
		return bytes * 1e9 / (double)conf->m1_Bps;
	return conf->d_ns == 0 ? bytes * 1e9 / (double)conf->m2_Bps
			       : (double)conf->d_ns + (bytes - d_bytes) * 1e9 / (double)conf->m2_Bps;
}

struct reference {
	struct hfsc_curve_conf conf;
	double x[STARTS], y[STARTS];
	unsigned int starts;
};

/* The least curve reaches it when the last of all does. */
static double
reference_time(const struct reference *r, double bytes)
{
	double latest = 0;

	for (unsigned int i = 0; i < r->starts; i++) {
		double at = r->x[i] + time_of(&r->conf, bytes - r->y[i]);

		latest = at > latest ? at : latest;
	}
	return latest;
}

static void
check(const struct hfsc_line *curve, struct hfsc_bend *bend, const struct reference *r, uint64_t bytes)
{
	for (unsigned int i = 0; i < 10; i++) {
		uint64_t at = bytes + draw(1u << draw(24)), is = hfsc_curve_time(curve, bend, at);
		double should = reference_time(r, (double)at);

		/* The knee is at a whole byte. */
		if (fabs((double)is - should) > 3 + 1e9 / (double)r->conf.m2_Bps)
			fail_msg("%lu bytes at %lu ns instead of %.1f", at, is, should);
	}
}

/* Concave: a burst first. Convex curves are kept as the paper's implementation does, below the true one. */
static void
play(unsigned int seed)
{
	struct reference r = { .conf.m2_Bps = 1000 + draw(100000000) };
	uint64_t now = draw(1000000), bytes = 0;
	struct hfsc_line curve = { 0 };
	struct hfsc_bend storage = { 0 }, *bend = NULL;

	state = seed;
	if (draw(4) != 0) {
		r.conf.d_ns = 1000 + draw(50000000);
		r.conf.m1_Bps = r.conf.m2_Bps + draw(100000000) + 1;
		bend = &storage;
	}
	hfsc_curve_shape(&curve, &storage, &r.conf);
	hfsc_curve_start(&curve, bend, now, bytes);
	for (unsigned int i = 0; i < STARTS; i++) {
		r.x[i] = (double)now;
		r.y[i] = (double)bytes;
		r.starts++;
		check(&curve, bend, &r, bytes);
		/* It sends for a while, more or less than the curve says, and is idle. */
		bytes += draw(200000);
		now += draw(100000000);
		hfsc_curve_restart(&curve, bend, now, bytes);
	}
}

static void
a_restart_is_the_lesser_of_two_curves(void **state_)
{
	for (unsigned int seed = 1; seed <= SEEDS; seed++)
		play(seed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(a_restart_is_the_lesser_of_two_curves) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
