/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What tbf and htb do with offered load, beside what Linux was measured to do: ../shared/golden/behaviour.json by way
 * of shaping_table.py, on standard input. Which class a packet goes to is given; filters have their own tests.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <weir/qdisc/fifo.h>
#include <weir/qdisc/htb.h>
#include <weir/qdisc/sfq.h>
#include <weir/qdisc/tbf.h>

#include "support.h"

#define FLOWS_MAX  8
#define STAGGER_NS 137000 /* between the flows' starts */

struct flow {
	uint64_t rate_bps; /* 0: `burst` packets at once */
	uint64_t packets; /* what Linux let through in the window */
	int64_t delay_ns; /* their mean; -1: not compared */
	uint32_t bytes, burst, classid;
	uint64_t sent, received, delay_sum; /* sent in all; received in the window */
};

static struct {
	char name[64];
	uint64_t warm_ns, window_ns;
	struct flow flows[FLOWS_MAX];
	unsigned int flows_count;
} scenario;

static int failures;

static uint64_t
arrival_time(unsigned int i)
{
	const struct flow *flow = &scenario.flows[i];

	if (flow->burst != 0)
		return flow->sent < flow->burst ? i * STAGGER_NS : SCHED_NEVER;
	return i * STAGGER_NS +
	       (uint64_t)((unsigned __int128)flow->sent * flow->bytes * 8 * 1000000000 / flow->rate_bps);
}

static uint64_t
next_arrival(unsigned int *which)
{
	uint64_t earliest = SCHED_NEVER;

	for (unsigned int i = 0; i < scenario.flows_count; i++) {
		uint64_t at = arrival_time(i);

		if (at < scenario.warm_ns + scenario.window_ns && at < earliest) {
			earliest = at;
			*which = i;
		}
	}
	return earliest;
}

static void
depart(void)
{
	struct rte_mbuf *m;

	while (sched_dequeue(bed.tree, &m, 1, bed.now) == 1) {
		bed.sent++;
		if (bed.now >= scenario.warm_ns && bed.now < scenario.warm_ns + scenario.window_ns) {
			struct flow *flow = &scenario.flows[pkt_of(m)->realm];

			flow->received++;
			flow->delay_sum += bed.now - pkt_of(m)->time_ns;
		}
		rte_pktmbuf_free(m);
	}
}

/* 2 % or two packets; 2 % or a packet's time at the rate for delays. */
static void
compare(const struct flow *flow, unsigned int i)
{
	double wrong = (double)flow->received - (double)flow->packets;
	double delay = flow->received == 0 ? 0 : (double)flow->delay_sum / (double)flow->received;
	double delay_wrong = flow->delay_ns < 0 ? 0 : delay - (double)flow->delay_ns;
	double delay_slack = (double)flow->delay_ns * 0.02 + 2e6;

	printf("%-28s flow %u: %6" PRIu64 " packets, Linux %6" PRIu64 "; mean delay %9.3f ms, Linux %9.3f ms\n",
		scenario.name, i, flow->received, flow->packets, delay / 1e6, (double)flow->delay_ns / 1e6);
	if (wrong * wrong > 4.0 && wrong * wrong > (double)flow->packets * (double)flow->packets * 0.0004) {
		printf("  FAILED: packets differ by more than 2 %% and two packets\n");
		failures++;
	}
	if (delay_wrong > delay_slack || delay_wrong < -delay_slack) {
		printf("  FAILED: mean delays differ by more than 2 %% and 2 ms\n");
		failures++;
	}
}

static void
run_scenario(void)
{
	for (;;) {
		unsigned int which = 0;
		uint64_t arrival = next_arrival(&which), departure = sched_next_event(bed.tree, bed.now);

		if (arrival == SCHED_NEVER && departure >= scenario.warm_ns + scenario.window_ns)
			break;
		/* At equal times departures come before arrivals. */
		bed.now = departure <= arrival ? departure : arrival;
		if (departure > arrival) {
			struct flow *flow = &scenario.flows[which];

			offer_packet(packet(flow->bytes, which, flow->classid, 0));
			flow->sent++;
		}
		depart();
	}
	for (unsigned int i = 0; i < scenario.flows_count; i++)
		compare(&scenario.flows[i], i);
	take_all(SCHED_NEVER - 1);
	bed_end();
}

/* ---- the table's lines */

static void
add_htb_class(const char *line)
{
	struct htb_class_conf conf = { 0 };
	unsigned int parent, classid;

	if (sscanf(line, "class %x %x %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %u", &parent, &classid,
		    &conf.rate.Bps, &conf.ceil.Bps, &conf.burst_ns, &conf.cburst_ns, &conf.prio) != 7)
		fail_msg("cannot read '%s'", line);
	add_class(parent, classid, &conf);
}

static void
add_root(const char *line)
{
	struct tbf_conf tbf = { 0 };
	struct htb_conf htb = { .version = 3, .rate2quantum = 10 };

	if (sscanf(line, "tbf %" SCNu64 " %u %u", &tbf.rate.Bps, &tbf.burst_bytes, &tbf.limit_bytes) == 3)
		make_qdisc("tbf", &tbf);
	else if (sscanf(line, "htb %x", &htb.defcls) == 1)
		make_qdisc("htb", &htb);
	else
		fail_msg("cannot read '%s'", line);
}

static void
add_flow(const char *line)
{
	struct flow *flow = &scenario.flows[scenario.flows_count++];

	*flow = (struct flow){ 0 };
	if (scenario.flows_count > FLOWS_MAX ||
		sscanf(line, "flow %" SCNu64 " %u %u %x %" SCNu64 " %" SCNd64, &flow->rate_bps, &flow->bytes,
			&flow->burst, &flow->classid, &flow->packets, &flow->delay_ns) != 6)
		fail_msg("cannot read '%s'", line);
}

static void
matches_what_linux_did(void **state)
{
	char line[256];
	unsigned int scenarios = 0, warm_s, window_s, parent, handle;
	struct sfq_conf sfq = { .perturb_s = 10 };

	(void)state;
	while (fgets(line, sizeof(line), stdin) != NULL) {
		if (sscanf(line, "scenario %63s %u %u", scenario.name, &warm_s, &window_s) == 3) {
			scenario.warm_ns = SECONDS(warm_s);
			scenario.window_ns = SECONDS(window_s);
			scenario.flows_count = 0;
			scenarios++;
			bed_make();
		} else if (sscanf(line, "sfq %x %x", &parent, &handle) == 2) {
			add_qdisc(parent, handle, "sfq", &sfq);
		} else if (strncmp(line, "class", 5) == 0) {
			add_htb_class(line);
		} else if (strncmp(line, "flow", 4) == 0) {
			add_flow(line);
		} else if (strncmp(line, "run", 3) == 0) {
			run_scenario();
		} else {
			add_root(line);
		}
	}
	assert_true(scenarios > 5);
	assert_int_equal(failures, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(matches_what_linux_did) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
