/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who gets how much of a slow link, beside what Linux was measured to do: ../shared/golden/behaviour.json by way of
 * behaviour_table.py, on standard input. The link is an ideal token bucket, so that only the discipline is tested.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <weir/qdisc/fifo.h>
#include <weir/qdisc/sfq.h>

#include "support.h"

#define FLOWS_MAX  8
#define STAGGER_NS 137000 /* between the flows' starts */

struct flow {
	uint64_t rate_bps, packets, delay_ns;
	uint32_t bytes, tos;
	uint64_t sent, received, delay_sum; /* sent in all; received in the window */
};

struct scenario {
	char name[64], kind[32];
	uint32_t limit;
	uint64_t rate_bps, burst_bytes, warm_ns, window_ns, dropped;
	struct flow flows[FLOWS_MAX];
	unsigned int flows_count;
};

/* Types of service as Linux maps them to priorities: ip(7), tc-prio(8). */
static uint32_t
priority_of(uint32_t tos)
{
	return tos == 0x10 ? 6 : tos == 0x08 ? 2 : 0;
}

static uint64_t
arrival_time(const struct scenario *s, unsigned int i)
{
	const struct flow *flow = &s->flows[i];

	return i * STAGGER_NS +
	       (uint64_t)((unsigned __int128)flow->sent * flow->bytes * 8 * 1000000000 / flow->rate_bps);
}

/* The next flow to send, and when; SCHED_NEVER when the traffic is over. */
static uint64_t
next_arrival(const struct scenario *s, unsigned int *flow)
{
	uint64_t earliest = SCHED_NEVER;

	for (unsigned int i = 0; i < s->flows_count; i++) {
		uint64_t at = arrival_time(s, i);

		if (at < s->warm_ns + s->window_ns && at < earliest) {
			earliest = at;
			*flow = i;
		}
	}
	return earliest;
}

static void
depart(struct scenario *s, uint64_t now)
{
	struct rte_mbuf *m;

	assert_int_equal(sched_dequeue(bed.tree, &m, 1, now), 1);
	bed.sent++;
	if (now >= s->warm_ns && now < s->warm_ns + s->window_ns) {
		struct flow *flow = &s->flows[pkt_of(m)->realm];

		flow->received++;
		flow->delay_sum += now - pkt_of(m)->time_ns;
	}
	rte_pktmbuf_free(m);
}

/* Returns what was dropped in the window. The bucket counts bits times 10^9, so that nothing is rounded. */
static uint64_t
run(struct scenario *s)
{
	const unsigned __int128 unit = 8000000000ull;
	unsigned __int128 tokens = s->burst_bytes * unit, full = tokens;
	uint64_t clock = 0, dropped_before = UINT64_MAX;

	for (;;) {
		unsigned int flow = 0;
		uint64_t arrival = next_arrival(s, &flow), departure = SCHED_NEVER;
		struct rte_mbuf *first = sched_backlog(bed.tree) == 0 ? NULL : qdisc_peek(sched_root(bed.tree), clock);

		if (first != NULL) {
			unsigned __int128 need = first->pkt_len * unit;

			departure = clock +
				    (tokens >= need ? 0 : (uint64_t)((need - tokens + s->rate_bps - 1) / s->rate_bps));
		}
		bed.now = RTE_MIN(arrival, departure);
		if (bed.now >= s->warm_ns && dropped_before == UINT64_MAX)
			dropped_before = bed_dropped();
		if (bed.now == SCHED_NEVER || bed.now >= s->warm_ns + s->window_ns)
			return bed_dropped() - dropped_before;
		tokens = RTE_MIN(full, tokens + (unsigned __int128)(bed.now - clock) * s->rate_bps);
		clock = bed.now;
		if (departure <= arrival) {
			tokens -= first->pkt_len * unit;
			depart(s, clock);
		} else {
			s->flows[flow].sent++;
			offer_packet(packet(s->flows[flow].bytes, flow, priority_of(s->flows[flow].tos), 0));
		}
	}
}

/* 2 %, or two packets. */
static bool
near(uint64_t got, uint64_t expected)
{
	uint64_t difference = got > expected ? got - expected : expected - got;

	return difference <= 2 || difference * 50 <= expected;
}

static unsigned int
judge(const struct scenario *s, uint64_t dropped)
{
	unsigned int wrong = !near(dropped, s->dropped);

	printf("%-26s dropped %" PRIu64 " (Linux %" PRIu64 ")%s\n", s->name, dropped, s->dropped,
		wrong ? "  <-- WRONG" : "");
	for (unsigned int i = 0; i < s->flows_count; i++) {
		const struct flow *flow = &s->flows[i];
		uint64_t delay = flow->received == 0 ? 0 : flow->delay_sum / flow->received;
		uint64_t packet_ns = flow->bytes * UINT64_C(8000000000) / s->rate_bps,
			 apart = delay > flow->delay_ns ? delay - flow->delay_ns : flow->delay_ns - delay;
		/* Delays within 2 % or two packets' time on the link. */
		bool good =
			near(flow->received, flow->packets) && (apart <= 2 * packet_ns || apart * 50 <= flow->delay_ns);

		printf("  flow %u: %" PRIu64 " packets (%" PRIu64 "), delay %.3f ms (%.3f)%s\n", i, flow->received,
			flow->packets, (double)delay / 1e6, (double)flow->delay_ns / 1e6, good ? "" : "  <-- WRONG");
		wrong += !good;
	}
	return wrong;
}

static unsigned int
play(struct scenario *s)
{
	struct sfq_conf sfq = { .perturb_s = 10 };
	struct fifo_conf fifo = { .limit = s->limit };
	uint64_t dropped;

	bed_make();
	make_qdisc(s->kind, strcmp(s->kind, "sfq") == 0 ? (void *)&sfq : s->limit != 0 ? &fifo : NULL);
	dropped = run(s);
	bed_end();
	return judge(s, dropped);
}

static bool
read_flow(const char *line, struct scenario *s)
{
	struct flow *flow = &s->flows[s->flows_count];

	if (s->flows_count == FLOWS_MAX || sscanf(line, "flow %" SCNu64 " %u %u %" SCNu64 " %" SCNu64, &flow->rate_bps,
						   &flow->bytes, &flow->tos, &flow->packets, &flow->delay_ns) != 5)
		return false;
	s->flows_count++;
	return true;
}

static bool
read_scenario(const char *line, struct scenario *s)
{
	*s = (struct scenario){ 0 };
	if (sscanf(line, "scenario %63s %31s %u %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64, s->name,
		    s->kind, &s->limit, &s->rate_bps, &s->burst_bytes, &s->warm_ns, &s->window_ns, &s->dropped) != 8)
		return false;
	s->warm_ns *= 1000000000;
	s->window_ns *= 1000000000;
	return true;
}

static unsigned int wrong, played;

static void
shares_are_those_of_linux(void **state)
{
	struct scenario s = { 0 };
	char line[256];

	while (fgets(line, sizeof(line), stdin) != NULL) {
		if (strncmp(line, "flow ", 5) == 0) {
			assert_true(read_flow(line, &s));
			continue;
		}
		if (s.flows_count != 0) {
			wrong += play(&s);
			played++;
		}
		assert_true(read_scenario(line, &s));
	}
	if (s.flows_count != 0) {
		wrong += play(&s);
		played++;
	}
	assert_int_not_equal(played, 0);
	assert_int_equal(wrong, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(shares_are_those_of_linux) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
