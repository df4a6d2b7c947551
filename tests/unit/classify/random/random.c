/* SPDX-License-Identifier: BSD-3-Clause */
/* The reference's chains, and how they are kept beside those of the classifiers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support.h"

#include "random.h"

#define CHAINS    3 /* `goto chain` leads to 0, 1 and, never there, 2 */
#define QDISC     0x00010000u
#define AGAIN_MAX 16 /* times that a packet starts anew or is sent on, as on Linux */
#define TURNS     4 /* of a burst and changes, before the next chain is made */
#define BURST_MAX (2 * CLASSIFY_BURST + 10)
#define CHANGES   6

static struct {
	struct chain *chain;
	struct random_group groups[RANDOM_GROUPS_MAX];
	unsigned int n;
	uint64_t seed, now;
	uint64_t packets, decided; /* of all worlds */
	bool goes_round; /* verdicts that lead to another place: where there is more than one group */
} world;

#define differ(...) fail_msg("seed %llu: " __VA_ARGS__)
#define SEED        (unsigned long long)world.seed

/* ---- the reference ------------------------------------------------------------------------------ */

void
plain_decide(struct random_filter *f, struct plain_packet *p, struct plain_answer *answer)
{
	answer->classid = f->classid;
	answer->action = TC_ACT_OK;
	if (!f->acts)
		return;
	f->hits++;
	if (f->marks)
		p->pkt.mark = f->mark;
	answer->action = f->verdict;
}

void
plain_first_match(struct random_group *g, struct plain_packet *p, struct plain_answer *answer,
	bool (*matches)(const struct random_filter *f, const struct plain_packet *p))
{
	for (unsigned int i = 0; i < g->n; i++) {
		if (!matches(&g->filters[i], p))
			continue;
		plain_decide(&g->filters[i], p, answer);
		if (answer->action != TC_ACT_UNSPEC)
			return;
	}
}

static struct plain_answer
ask_chain(uint32_t index, struct plain_packet *p)
{
	const struct plain_answer nothing = { .action = TC_ACT_UNSPEC };

	for (unsigned int i = 0; i < world.n; i++) {
		struct random_group *g = &world.groups[i];
		struct plain_answer answer = nothing;

		if (g->chain != index || (g->protocol != htons(ETH_P_ALL) && g->protocol != p->pkt.protocol))
			continue;
		g->kind->ask(g, p, &answer);
		if (answer.action != TC_ACT_UNSPEC)
			return answer;
	}
	return nothing;
}

static struct plain_answer
reference(struct plain_packet *p)
{
	struct plain_answer answer = ask_chain(0, p);

	for (unsigned int again = 0;; again++) {
		if (answer.action != TC_ACT_RECLASSIFY && !TC_ACT_EXT_CMP(answer.action, TC_ACT_GOTO_CHAIN))
			break;
		if (again == AGAIN_MAX) {
			answer.action = TC_ACT_SHOT;
			break;
		}
		answer = ask_chain(answer.action == TC_ACT_RECLASSIFY ? 0 : answer.action & TC_ACT_EXT_VAL_MASK, p);
	}
	if (answer.action == TC_ACT_PIPE)
		answer.action = TC_ACT_OK;
	if (answer.action == TC_ACT_STOLEN)
		answer.action = TC_ACT_SHOT;
	return answer;
}

/* ---- filters ------------------------------------------------------------------------------------ */

/* A message about a filter of this group. */
static struct filter_spec
message(const struct random_group *g, uint32_t handle)
{
	return (struct filter_spec){ .chain = g->chain,
		.preference = g->preference,
		.protocol = g->protocol,
		.handle = handle,
		.kind = g->kind->name,
		.now = world.now };
}

static void
draw_actions(struct random_filter *f)
{
	static const int32_t ends[] = { TC_ACT_OK, TC_ACT_SHOT, TC_ACT_UNSPEC, TC_ACT_UNSPEC, TC_ACT_PIPE };

	f->acts = one_in(3);
	f->marks = f->acts && one_in(2);
	f->mark = below(6);
	f->verdict = ends[below(5)];
	if (world.goes_round && one_in(4))
		f->verdict = one_in(3) ? TC_ACT_RECLASSIFY : (int32_t)(TC_ACT_GOTO_CHAIN | below(CHAINS));
}

/* Sends the message; the errno that comes back is the one that the reference expects. */
static int
send_filter(struct random_group *g, struct random_filter *f, uint16_t flags, int expected)
{
	struct skbedit_conf skbedit = { .action = TC_ACT_PIPE, .set = SKBEDIT_F_MARK, .mark = f->mark };
	struct gact_conf gact = { .action = f->verdict };
	struct action_spec actions[2] = { { .kind = "skbedit", .conf = &skbedit }, { .kind = "gact", .conf = &gact } };
	struct filter_spec spec = message(g, f->handle);
	struct filter_info info = { .handle = f->handle };
	struct error err = { 0 };
	int rc;

	spec.conf = g->kind->conf(f, f->marks ? actions : actions + 1, f->acts ? 1 + f->marks : 0);
	rc = chain_filter_add(world.chain, &spec, flags, &info, &err);
	if (rc != -expected)
		differ("%s: adding or changing handle %x gave %d (%s), not %d", SEED, g->kind->name, f->handle, rc,
			rc != 0 ? err.msg : "", -expected);
	if (rc == 0)
		f->handle = info.handle;
	if (g->kind->by_handle)
		f->order = f->handle;
	return rc;
}

static void
put_in_order(struct random_group *g, const struct random_filter *f)
{
	unsigned int at = g->n++;

	for (; at > 0 && g->filters[at - 1].order > f->order; at--)
		g->filters[at] = g->filters[at - 1];
	g->filters[at] = *f;
}

static void
take_out(struct random_group *g, unsigned int at)
{
	free(g->filters[at].own);
	g->n--;
	memmove(&g->filters[at], &g->filters[at + 1], (g->n - at) * sizeof(g->filters[0]));
}

static void
draw(struct random_group *g, struct random_filter *f, const struct random_filter *old)
{
	struct plain_packet like;

	packets_like(&like);
	*f = (struct random_filter){ .order = ++g->serial, .classid = QDISC | (1 + below(0xfff)) };
	f->own = calloc(1, g->kind->own_size);
	if (old != NULL) {
		f->order = old->order;
		f->handle = old->handle;
	}
	draw_actions(f);
	g->kind->draw(g, f, old, &like);
}

static void
add(struct random_group *g)
{
	struct random_filter f;
	int expected;

	if (g->n == RTE_MIN(g->kind->filters_max, (unsigned int)RANDOM_FILTERS_MAX))
		return;
	draw(g, &f, NULL);
	expected = g->kind->settle != NULL ? g->kind->settle(g, &f, NULL) : 0;
	if (send_filter(g, &f, CREATE, expected) == 0)
		put_in_order(g, &f);
	else
		free(f.own);
}

/* Changes one, or replaces it, which is the same for Linux. */
static void
replace(struct random_group *g)
{
	unsigned int at = g->n != 0 ? below(g->n) : 0;
	struct random_filter f;
	int expected;

	if (g->n == 0 || g->filters[at].handle == 0)
		return; /* 0 names no filter */
	draw(g, &f, &g->filters[at]);
	expected = g->kind->settle != NULL ? g->kind->settle(g, &f, &g->filters[at]) : 0;
	if (send_filter(g, &f, one_in(2) ? REPLACE : CHANGE, expected) == 0) {
		take_out(g, at);
		put_in_order(g, &f);
	} else {
		free(f.own);
	}
}

static void delete (struct random_group *g)
{
	unsigned int at = g->n != 0 ? below(g->n) : 0;
	struct filter_spec spec;
	struct error err = { 0 };

	if (g->n < (g->kind->keeps_group ? 1 : 2) || g->filters[at].handle == 0)
		return; /* the last one takes its group along, and 0 names no filter */
	spec = message(g, g->filters[at].handle);
	if (chain_filter_delete(world.chain, &spec, NULL, NULL, &err) != 0)
		differ("%s: %x does not go: %s", SEED, g->kind->name, g->filters[at].handle, err.msg);
	take_out(g, at);
}

/* A group with its first filters, before those of a higher preference. */
static void
make_group(const struct random_kind *kind, uint32_t chain, uint32_t preference)
{
	static const uint16_t protocols[] = { ETH_P_ALL, ETH_P_ALL, ETH_P_IP, ETH_P_IPV6, ETH_P_ARP, ETH_P_8021Q };
	unsigned int at = world.n++;
	struct random_group *g;

	for (; at > 0 && world.groups[at - 1].preference > preference; at--)
		world.groups[at] = world.groups[at - 1];
	g = &world.groups[at];
	*g = (struct random_group){ .kind = kind,
		.chain = chain,
		.preference = preference,
		.protocol = htons(protocols[below(world.goes_round ? 6 : 2)]),
		.qdisc = QDISC };
	if (kind->start != NULL)
		kind->start(g);
	for (unsigned int i = one_in(3) ? 1 + below(3) : 1 + below(kind->filters_max), tries = 0;
		g->n < i && tries < 200; tries++)
		add(g);
	if (g->n == 0)
		differ("%s: none of 200 filters was taken", SEED, kind->name);
}

static void
change_some(void)
{
	for (unsigned int i = below(CHANGES + 1); i > 0; i--) {
		struct random_group *g = &world.groups[below(world.n)];

		switch (below(3)) {
		case 0:
			add(g);
			break;
		case 1:
			replace(g);
			break;
		default:
			delete (g);
		}
	}
}

/* ---- asking ------------------------------------------------------------------------------------- */

static bool
same_verdict(const struct verdict *found, const struct plain_answer *expected, struct plain_packet *p)
{
	if (found->action != expected->action)
		return false;
	if (expected->action != TC_ACT_OK)
		return true; /* nobody asks for its class */
	if (expected->check != NULL) {
		p->pkt = expected->pkt;
		return expected->check(expected->checked, p, found->classid);
	}
	return found->classid == expected->classid;
}

static void
show_packet(const struct plain_packet *p)
{
	fprintf(stderr, "protocol %04x l3 %u l4 %u mark %x realm %x tc_index %x in %u out %u ingress %d, %u bytes:",
		ntohs(p->pkt.protocol), p->pkt.l3_off, p->pkt.l4_off, p->pkt.mark, p->pkt.realm, p->pkt.tc_index,
		p->pkt.in_port, p->pkt.out_port, p->ingress, p->length);
	for (uint32_t i = 0; i < RTE_MIN(p->length, 120u); i++)
		fprintf(stderr, " %02x", p->bytes[i]);
	fputc('\n', stderr);
}

static void
show_filters(void)
{
	for (unsigned int i = 0; i < world.n; i++) {
		const struct random_group *g = &world.groups[i];

		fprintf(stderr, "chain %u pref %u protocol %04x %s\n", g->chain, g->preference, ntohs(g->protocol),
			g->kind->name);
		for (unsigned int j = 0; j < g->n; j++)
			fprintf(stderr, "\t%x class %x action %d\n", g->filters[j].handle, g->filters[j].classid,
				g->filters[j].acts ? g->filters[j].verdict : TC_ACT_OK);
	}
}

static void
compare(const struct random_packet *packet, const struct verdict *found)
{
	struct plain_packet p = packet->plain;
	struct plain_answer expected = reference(&p);

	uint32_t mark = p.pkt.mark;

	world.packets++;
	world.decided += expected.action != TC_ACT_UNSPEC;
	if (same_verdict(found, &expected, &p) && packet->segments[0].pkt.mark == mark)
		return;
	show_packet(&packet->plain);
	show_filters();
	differ("verdict %d class %x mark %x, and by the reference %d, %x, %x", SEED, found->action, found->classid,
		packet->segments[0].pkt.mark, expected.action, expected.classid, mark);
}

static void
ask_burst(void)
{
	static struct random_packet packets[BURST_MAX];
	struct rte_mbuf *pkts[BURST_MAX];
	struct verdict verdicts[BURST_MAX];
	unsigned int n = one_in(4) ? 1 + below(BURST_MAX) : 1 + below(CLASSIFY_BURST);
	struct classify_ctx ctx = { .now = world.now, .ingress = one_in(2) };

	for (unsigned int i = 0; i < n; i++) {
		random_packet_make(&packets[i], ctx.ingress, ctx.now);
		pkts[i] = &packets[i].segments[0].mbuf;
	}
	chain_classify(world.chain, &ctx, pkts, (uint16_t)n, verdicts);
	for (unsigned int i = 0; i < n; i++) {
		compare(&packets[i], &verdicts[i]);
		random_packet_free(&packets[i]);
	}
}

/* Have the filter's actions run as often as the reference's? */
static int
check_hits(void *arg, const struct filter_info *info)
{
	unsigned int *seen = arg;

	for (unsigned int i = 0; i < world.n; i++)
		for (unsigned int j = 0; info->filter != NULL && j < world.groups[i].n; j++) {
			const struct random_group *g = &world.groups[i];
			const struct random_filter *f = &g->filters[j];
			struct action_stats stats = { .packets = 0 };

			if (g->chain != info->chain || g->preference != info->preference || f->handle != info->handle)
				continue;
			++*seen;
			if (f->acts)
				action_stats_sum(action_list_at(g->kind->actions(info->filter), 0), &stats);
			if (stats.packets != f->hits)
				differ("%s %x: its actions ran %llu times, and by the reference %llu", SEED,
					g->kind->name, f->handle, (unsigned long long)stats.packets,
					(unsigned long long)f->hits);
		}
	return 0;
}

static void
check_all_hits(void)
{
	unsigned int seen = 0, expected = 0;

	for (unsigned int i = 0; i < world.n; i++)
		expected += world.groups[i].n;
	chain_walk(world.chain, check_hits, &seen);
	if (seen != expected)
		differ("%u filters are there, and by the reference %u", SEED, seen, expected);
}

static void
one_world(const struct random_kind *const *kinds, unsigned int n_kinds)
{
	packets_focus(n_kinds == 1 ? kinds[0]->protocol : 0);
	world.chain = chain_create(NULL);
	chain_set_handle(world.chain, QDISC);
	world.n = 0;
	world.goes_round = n_kinds > 1 || one_in(4);
	world.now = 1000000000;
	for (unsigned int i = n_kinds > 1 ? 2 + below(RANDOM_GROUPS_MAX - 1) : 1 + below(2) * world.goes_round; i > 0;
		i--)
		make_group(kinds[below(n_kinds)], (n_kinds > 1 || world.n != 0) && one_in(3), 10 * i);
	for (unsigned int turn = 0; turn < TURNS; turn++) {
		ask_burst();
		check_all_hits();
		change_some();
		world.now += below(4) * UINT64_C(1000000000);
	}
	chain_destroy(world.chain);
	for (unsigned int i = 0; i < world.n; i++)
		while (world.groups[i].n != 0)
			take_out(&world.groups[i], 0);
}

void
random_run(const struct random_kind *const *kinds, unsigned int n_kinds, uint64_t seed, uint32_t packets)
{
	world.packets = world.decided = 0;
	while (world.packets < packets) {
		world.seed = seed++;
		chance_seed(world.seed);
		one_world(kinds, n_kinds);
	}
	printf("%s: of %llu packets %llu decided\n", n_kinds > 1 ? "all kinds" : kinds[0]->name,
		(unsigned long long)world.packets, (unsigned long long)world.decided);
	/* Else the test would be one of little. */
	assert_in_range(world.decided, world.packets / 20, world.packets);
}
