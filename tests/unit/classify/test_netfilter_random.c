/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random tables against the naive walk, over real captures: the same verdict, mark, priority and bytes for each packet,
 * and the same counters in the end. Rules ask for what packets have, mostly a few shapes of questions, so that tables
 * are hashed, and rules of several shapes compete.
 */
#include "naive_netfilter.h"

#include "captures.h"

#include <stdlib.h>

#define TABLES       500
#define PACKETS      2500 /* through each: 1.25 million in all */
#define CHAINS       6 /* of the user's */
#define CHAIN_MAX    60 /* rules */
#define TABLE_MAX    ((CHAINS + NETFILTER_HOOKS) * (CHAIN_MAX + 1))
#define CAPTURED_MAX 20000
#define FRAME_MAX    1600
#define CONF_BYTES   1024

struct captured {
	uint16_t bytes;
	uint8_t frame[FRAME_MAX];
};

static struct captured *captured;
static uint32_t n_captured;

static uint64_t seed;

static uint32_t
below(uint32_t bound)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(((seed >> 32) * bound) >> 32);
}

/* ---- packets ------------------------------------------------------------------------------------ */

/* Keeps an IPv4 frame, cut to its datagram, its checksums made right. */
static void
keep(const uint8_t *frame, uint32_t bytes)
{
	struct captured *c = &captured[n_captured];
	struct naive_packet p;
	uint32_t total;

	if (n_captured == CAPTURED_MAX || bytes < 34 || frame[12] != 8 || frame[13] != 0 || frame[14] >> 4 != 4)
		return;
	total = naive_get16(frame + 16);
	if ((frame[14] & 15) < 5 || total < (frame[14] & 15) * 4u || 14 + total > bytes || 14 + total > FRAME_MAX)
		return;
	memcpy(p.frame, frame, 14 + total);
	p.bytes = 14 + total;
	naive_fix_ip_sum(&p);
	if (naive_ip(&p)[9] == IPPROTO_TCP && naive_offset(&p) == 0 && naive_length(&p) >= naive_header(&p) + 20)
		naive_fix_tcp_sum(&p);
	memcpy(c->frame, p.frame, p.bytes);
	c->bytes = (uint16_t)p.bytes;
	n_captured++;
}

/* What captures have little of: headers cut off, fragments that hide TCP's flags, SYNs without options. */
static void
load_odd(void)
{
	struct packet p;

	for (uint16_t bytes = 0; bytes < 24; bytes++) {
		static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_SCTP };

		for (unsigned int i = 0; i < sizeof(protocols); i++) {
			packet_ip(&p, protocols[i],
				"\0\x50\3\xe8"
				"abcdefgh\x80\x02klmnopqrst",
				bytes);
			keep(p.data, p.mbuf.data_len);
		}
	}
	for (uint16_t offset = 1; offset < 4; offset++) {
		packet_fragment(&p, IPPROTO_TCP, offset);
		keep(p.data, p.mbuf.data_len);
	}
	for (uint8_t options = 0; options <= 40; options += 4) {
		packet_tcp(&p, 80, 1000, 2,
			"\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1", options, 0);
		keep(p.data, p.mbuf.data_len);
		packet_tcp(&p, 80, 1000, 2,
			"\1\2\4\5\xb4\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1", options,
			0);
		keep(p.data, p.mbuf.data_len);
	}
}

static struct captured *
any(void)
{
	return &captured[below(n_captured)];
}

/* ---- tables ------------------------------------------------------------------------------------- */

struct random_table {
	struct netfilter_table_spec spec;
	struct netfilter_rule_spec rules[TABLE_MAX];
	struct netfilter_match_spec matches[TABLE_MAX][4];
	_Alignas(8) uint8_t confs[TABLE_MAX][5][CONF_BYTES];
	uint32_t shapes[3]; /* bits of what most rules of the table ask for */
	uint32_t axis; /* of what number they ask for ranges, if they do */
	enum netfilter_table_id table;
};

_Static_assert(sizeof(struct netfilter_u32_conf) > CONF_BYTES, "u32's are made by themselves");

static struct netfilter_u32_conf u32s[8];

enum {
	ASK_SRC = 1,
	ASK_DST = 2,
	ASK_PROTOCOL = 4,
	ASK_PORT = 8, /* with protocol */
	ASK_MARK = 16,
	ASK_IN = 32,
	ASK_NET = 64, /* src under a mask */
	ASK_TOS = 128,
	ASK_INVERTED = 256,
	ASK_MORE = 512, /* a match that is no matter of bits */
	ASK_RANGES = 1024, /* of the table's number */
};

static void *
add_match(struct random_table *t, uint32_t rule, const char *kind, const void *conf, size_t bytes)
{
	struct netfilter_rule_spec *r = &t->rules[rule];
	void *copy = t->confs[rule][r->n_matches];

	memcpy(copy, conf, bytes);
	t->matches[rule][r->n_matches] = (struct netfilter_match_spec){ kind, copy };
	r->matches = t->matches[rule];
	r->n_matches++;
	return copy;
}
#define ADD(kind, type, ...)                                                                                           \
	add_match(t, rule, kind, &(struct netfilter_##type##_conf){ __VA_ARGS__ },                                     \
		sizeof(struct netfilter_##type##_conf))

static struct netfilter_ports
ports_about(uint32_t port)
{
	uint32_t width = below(4) != 0 ? 0 : below(1000);

	return (struct netfilter_ports){ (uint16_t)(port > width ? port - width : 0),
		(uint16_t)(port + width > 65535 ? 65535 : port + width) };
}

static void
ask_transport(struct random_table *t, uint32_t rule, const struct captured *like)
{
	uint8_t protocol = t->rules[rule].selector.protocol;
	const uint8_t *transport = like->frame + 14 + (like->frame[14] & 15) * 4;
	struct netfilter_ports any_port = ANY_PORT, sport, dport;
	uint8_t invert = below(8) == 0 ? 1u << below(4) : 0;

	sport = below(3) == 0 ? ports_about(naive_get16(transport)) : any_port;
	dport = below(3) != 0 ? ports_about(naive_get16(transport + 2)) : any_port;
	if (protocol == IPPROTO_TCP) {
		static const uint8_t flags[] = { 0, 0, 0, 0x02, 0x12, 0x17 };
		uint8_t mask = flags[below(6)];

		ADD("tcp", tcp, sport, dport, mask, mask & transport[13], below(6) == 0 ? (uint8_t)below(9) : 0,
			invert);
	} else if (protocol == IPPROTO_UDP) {
		ADD("udp", udp, sport, dport, invert & 3);
	} else if (protocol == IPPROTO_ICMP) {
		ADD("icmp", icmp, below(4) != 0 ? transport[0] : 255, 0, below(3) != 0 ? 255 : transport[1],
			invert != 0);
	}
	if ((protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP) && below(5) == 0)
		ADD("multiport", multiport, (enum netfilter_multiport_side)below(3), (uint8_t)(1 + below(2)),
			invert != 0, { dport, ports_about(naive_get16(transport)) });
}

static void
ask_more(struct random_table *t, uint32_t rule, const struct captured *like)
{
	const uint8_t *ip = like->frame + 14;
	uint32_t length = like->bytes - 14u, src = naive_get16(ip + 12) << 16 | naive_get16(ip + 14);
	bool invert = below(5) == 0;

	switch (below(9)) {
	case 0:
		ADD("limit", limit, 100 + below(100000), 1 + below(5));
		break;
	case 1:
		ADD("statistic", statistic, NETFILTER_STATISTIC_NTH, .every = 1 + below(5), .count = below(2),
			.invert = invert);
		break;
	case 2:
		ADD("statistic", statistic, NETFILTER_STATISTIC_RANDOM, .probability = below(UINT32_C(1) << 31),
			.invert = invert);
		break;
	case 3:
		ADD("length", length, (uint16_t)(length - below(2) * below(length)), (uint16_t)length, invert);
		break;
	case 4:
		ADD("ttl", ttl, (enum netfilter_ttl_mode)below(4), ip[8]);
		break;
	case 5:
		ADD("dscp", dscp, ip[1] >> 2, invert);
		break;
	case 6:
		ADD("iprange", iprange, src - below(100), src + below(1000), .has_src = true, .not_src = invert);
		break;
	case 7:
		t->matches[rule][t->rules[rule].n_matches] = (struct netfilter_match_spec){ "u32", &u32s[below(8)] };
		t->rules[rule].matches = t->matches[rule];
		t->rules[rule].n_matches++;
		break;
	default:
		ADD("comment", mark, 0);
	}
}

/* Ranges about what the packet has, which overlap. */
static void
ask_ranges(struct random_table *t, uint32_t rule, const struct captured *like)
{
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP };
	const uint8_t *ip = like->frame + 14, *transport = ip + (ip[0] & 15) * 4;
	uint32_t src = naive_get16(ip + 12) << 16 | naive_get16(ip + 14),
		 dst = naive_get16(ip + 16) << 16 | naive_get16(ip + 18);
	struct netfilter_ports any_port = ANY_PORT, sport, dport;
	bool invert = below(20) == 0;

	sport = (struct netfilter_ports){ (uint16_t)below(naive_get16(transport) + 1),
		(uint16_t)naive_get16(transport) };
	dport = (struct netfilter_ports){ (uint16_t)naive_get16(transport + 2), UINT16_MAX };
	dport.max = (uint16_t)(dport.min + below(UINT16_MAX - dport.min + 1));
	if (t->axis < 3)
		t->rules[rule].selector.protocol = protocols[t->axis % 2];
	if (t->axis == 0)
		ADD("tcp", tcp, below(8) == 0 ? sport : any_port, dport, .invert = invert ? 2 : 0);
	else if (t->axis == 1)
		ADD("udp", udp, sport, any_port, invert);
	else if (t->axis == 2)
		ADD("multiport", multiport, (enum netfilter_multiport_side)below(2), 2, invert, { dport, sport });
	else if (t->axis == 3)
		ADD("length", length, (uint16_t)below(like->bytes), (uint16_t)(like->bytes + below(100)), invert);
	else
		ADD("iprange", iprange, src - below(src), src, dst, dst + below(~dst), below(4) != 0, below(4) == 0,
			invert, invert);
}

static void
ask_packet(struct random_table *t, uint32_t rule, uint32_t shape)
{
	const struct captured *like = any();
	const uint8_t *ip = like->frame + 14;
	struct netfilter_selector *s = &t->rules[rule].selector;

	if ((shape & (ASK_SRC | ASK_NET)) != 0) {
		s->src_mask = (shape & ASK_NET) != 0 ? htonl(UINT32_MAX << (8 * below(3))) : UINT32_MAX;
		memcpy(&s->src, ip + 12, 4);
		s->src &= s->src_mask;
	}
	if ((shape & ASK_DST) != 0) {
		s->dst_mask = UINT32_MAX;
		memcpy(&s->dst, ip + 16, 4);
	}
	if ((shape & ASK_IN) != 0) {
		sprintf(s->in, "eth%u", below(3));
		memset(s->in_mask, 255, below(4) == 0 ? 3 : 5);
		if (s->in_mask[4] == 0)
			memset(s->in + 3, 0, sizeof(s->in) - 3);
	}
	if ((shape & (ASK_PROTOCOL | ASK_PORT)) != 0)
		s->protocol = ip[9];
	s->fragment = below(40) == 0;
	if ((shape & ASK_INVERTED) != 0)
		s->invert = (uint8_t)(1u << below(7)) & 0x79; /* not by OUT, which no rule has, and TOS */
	if (s->in_mask[0] == 0)
		s->invert &= (uint8_t)~NETFILTER_NOT_IN;
	if ((shape & ASK_PORT) != 0)
		s->invert &= (uint8_t)~NETFILTER_NOT_PROTOCOL;
	if ((shape & ASK_MORE) != 0 && below(2) == 0)
		ask_more(t, rule, like);
	if ((shape & ASK_RANGES) != 0) {
		ask_ranges(t, rule, like);
		return;
	}
	if ((shape & ASK_PORT) != 0)
		ask_transport(t, rule, like);
	if ((shape & ASK_MARK) != 0)
		ADD("mark", mark, below(8), 7, below(8) == 0);
	if ((shape & ASK_TOS) != 0 && t->rules[rule].n_matches < 4)
		ADD("tos", tos, ip[1] & 0x1c, 0x1c);
	if ((shape & ASK_MORE) != 0 && t->rules[rule].n_matches < 4)
		ask_more(t, rule, like);
}

/* What a rule does with packets: chains jump only to later ones. */
static void
aim(struct random_table *t, uint32_t rule, const uint32_t *later, uint32_t n_later)
{
	struct netfilter_target_spec *target = &t->rules[rule].target;
	void *conf = t->confs[rule][4];
	uint32_t what = below(100);

	target->conf = conf;
	if (what < 25)
		return;
	if (what < 50) {
		target->verdict = what < 32 ? NETFILTER_ACCEPT : what < 40 ? NETFILTER_DROP : NETFILTER_RETURN;
		return;
	}
	if (what < 68) {
		if (n_later != 0)
			*target = (struct netfilter_target_spec){ what < 64 ? NETFILTER_JUMP : NETFILTER_GOTO,
				later[below(n_later)] };
		return;
	}
	target->verdict = NETFILTER_EXTENSION;
	if (what < 80) {
		target->kind = "MARK";
		*(struct netfilter_mark_target_conf *)conf = (struct netfilter_mark_target_conf){ below(8), below(8) };
	} else if (what < 84) {
		target->kind = "TOS";
		*(struct netfilter_tos_target_conf *)conf =
			(struct netfilter_tos_target_conf){ (uint8_t)(below(8) << 2), 0x1c };
	} else if (what < 88) {
		target->kind = "DSCP";
		*(struct netfilter_dscp_target_conf *)conf = (struct netfilter_dscp_target_conf){ (uint8_t)below(64) };
	} else if (what < 93) {
		target->kind = "TTL";
		*(struct netfilter_ttl_target_conf *)conf =
			(struct netfilter_ttl_target_conf){ (enum netfilter_ttl_target_mode)below(3),
				(uint8_t)(1 + below(255)) };
	} else {
		bool tcp = t->rules[rule].selector.protocol == IPPROTO_TCP &&
			   (t->rules[rule].selector.invert & NETFILTER_NOT_PROTOCOL) == 0;

		target->kind = "ECN";
		*(struct netfilter_ecn_conf *)conf = (struct netfilter_ecn_conf){ below(2) == 0, tcp && below(2) == 0,
			tcp && below(2) == 0, (uint8_t)below(4), below(2) == 0, below(2) == 0 };
	}
}

/* A rule that lowers or adds MSS options, for SYNs only, as it has to be. */
static void
clamp(struct random_table *t, uint32_t rule)
{
	struct netfilter_tcpmss_conf *conf = (struct netfilter_tcpmss_conf *)(void *)t->confs[rule][4];

	*conf = (struct netfilter_tcpmss_conf){ .mss = (uint16_t)below(2000) };
	t->rules[rule].selector.protocol = IPPROTO_TCP;
	ADD("tcp", tcp, ANY_PORT, ANY_PORT, 0x06, 0x02);
	t->rules[rule].target = (struct netfilter_target_spec){ NETFILTER_EXTENSION, 0, "TCPMSS", conf };
}

static void
make_rule(struct random_table *t, uint32_t rule, const uint32_t *later, uint32_t n_later)
{
	if (below(50) == 0) {
		clamp(t, rule);
		return;
	}
	ask_packet(t, rule, below(5) != 0 ? t->shapes[below(3)] : below(1024));
	aim(t, rule, later, n_later);
}

/* Chains from the last to the first, so that jumps know where they lead. */
static void
make_table(struct random_table *t)
{
	static const uint32_t shapes[] = { ASK_SRC, ASK_SRC | ASK_PORT, ASK_PORT, ASK_DST | ASK_PORT, ASK_MARK,
		ASK_NET | ASK_PROTOCOL, ASK_IN | ASK_DST, ASK_TOS, ASK_DST | ASK_INVERTED, ASK_PORT | ASK_MORE,
		ASK_RANGES, ASK_RANGES, ASK_RANGES | ASK_DST, ASK_RANGES | ASK_MARK };
	uint32_t sizes[CHAINS + NETFILTER_HOOKS], starts[CHAINS + NETFILTER_HOOKS], end = 0;

	memset(t, 0, sizeof(*t));
	t->spec = (struct netfilter_table_spec){ .table = NETFILTER_MANGLE, .rules = t->rules };
	t->axis = below(5);
	for (unsigned int i = 0; i < 3; i++)
		t->shapes[i] = shapes[below(sizeof(shapes) / sizeof(shapes[0]))];
	for (unsigned int i = 0; i < CHAINS + NETFILTER_HOOKS; i++) {
		sizes[i] = below(4) == 0 ? 0 : below(CHAIN_MAX);
		starts[i] = end;
		end += sizes[i] + 1;
	}
	t->spec.n_rules = end;
	for (unsigned int i = 0; i < CHAINS + NETFILTER_HOOKS; i++) {
		uint32_t later = RTE_MAX(i + 1, (uint32_t)NETFILTER_HOOKS), last = starts[i] + sizes[i];

		for (uint32_t k = 0; k < sizes[i]; k++)
			make_rule(t, starts[i] + k, starts + later, CHAINS + NETFILTER_HOOKS - later);
		t->rules[last].target.verdict = NETFILTER_RETURN;
		if (i >= NETFILTER_HOOKS)
			continue;
		t->rules[last].target.verdict = below(3) == 0 ? NETFILTER_DROP : NETFILTER_ACCEPT;
		t->spec.first[i] = starts[i];
		t->spec.policy[i] = last;
	}
}

/* ---- both ways ---------------------------------------------------------------------------------- */

struct long_packet {
	struct rte_mbuf mbuf;
	struct pkt pkt;
	uint8_t data[NAIVE_FRAME_MAX];
};

#if defined(__clang__)
#if __has_feature(address_sanitizer)
#define FENCED
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define FENCED
#endif
#ifdef FENCED
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(addr, size)   ((void)(addr), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(addr, size) ((void)(addr), (void)(size))
#endif

/*
 * With the address sanitizer nobody may touch a buffer behind the packet; but where one more option of four bytes fits.
 */
static void
fence(struct long_packet *p, bool room)
{
	uint32_t end = p->mbuf.data_len + (room ? 4u : 0);

	p->mbuf.buf_len = (uint16_t)end;
	ASAN_POISON_MEMORY_REGION(p->data + end, sizeof(p->data) - end);
}

static void
unfence(struct long_packet *p)
{
	ASAN_UNPOISON_MEMORY_REGION(p->data, sizeof(p->data));
}

/* The frame in one buffer, or in two. */
static void
lay_out(const struct naive_packet *p, struct long_packet *a, struct long_packet *b)
{
	uint32_t header = 14 + (p->frame[14] & 15) * 4u;
	uint32_t first = p->bytes > header && below(4) == 0 ? header + below(p->bytes - header) : p->bytes;

	unfence(a);
	unfence(b);
	memset(&a->mbuf, 0, sizeof(a->mbuf));
	a->mbuf.priv_size = sizeof(struct pkt);
	a->mbuf.buf_addr = a->data;
	b->mbuf = a->mbuf;
	b->mbuf.buf_addr = b->data;
	a->mbuf.data_len = (uint16_t)first;
	b->mbuf.data_len = (uint16_t)(p->bytes - first);
	a->mbuf.pkt_len = p->bytes;
	a->mbuf.nb_segs = first < p->bytes ? 2 : 1;
	a->mbuf.next = first < p->bytes ? &b->mbuf : NULL;
	memcpy(a->data, p->frame, first);
	memcpy(b->data, p->frame + first, p->bytes - first);
	fence(a, first == p->bytes);
	fence(b, true);
	a->pkt = (struct pkt){ .mark = p->mark, .priority = p->priority, .l3_off = 14, .in_port = 2 };
}

static void
assert_same(const struct naive_packet *p, const struct long_packet *a, const struct long_packet *b, unsigned int table,
	unsigned int number)
{
	uint16_t first = a->mbuf.data_len;

	if (a->pkt.mark != p->mark || a->pkt.priority != p->priority)
		fail_msg("table %u, packet %u: mark %u and priority %u, not %u and %u", table, number, a->pkt.mark,
			a->pkt.priority, p->mark, p->priority);
	if (a->mbuf.pkt_len != p->bytes || memcmp(a->data, p->frame, first) != 0 ||
		memcmp(b->data, p->frame + first, p->bytes - first) != 0)
		fail_msg("table %u, packet %u: its bytes are not the naive walk's", table, number);
}

static void
run(struct netfilter *nf, const struct random_table *t, struct naive_table *naive, unsigned int number,
	uint64_t *dropped)
{
	static const char *const names[] = { "eth0", "eth1", "eth2", "ppp0", "" };
	uint64_t chance = naive->random;
	struct long_packet a, b;

	for (unsigned int i = 0; i < PACKETS; i++) {
		const struct captured *from = any();
		struct naive_packet p = { .bytes = from->bytes, .mark = below(8) };
		enum netfilter_hook hook = (enum netfilter_hook)below(NETFILTER_HOOKS);
		struct rte_mbuf *m = &a.mbuf;
		struct netfilter_ctx ctx = { .hook = hook, .random = &chance };
		bool passes;

		memcpy(p.frame, from->frame, from->bytes);
		lay_out(&p, &a, &b);
		ctx.now = naive->now += below(1000000);
		ctx.in = naive->in = names[below(5)];
		ctx.out = naive->out = names[below(5)];
		passes = naive_passes(naive, hook, &p);
		*dropped += !passes;
		if ((netfilter_run(nf, &ctx, 1 << t->spec.table, &m, 1) != 0) != passes)
			fail_msg("table %u, packet %u: the naive walk %s it", number, i, passes ? "accepts" : "drops");
		assert_same(&p, &a, &b, number, i);
	}
	assert_int_equal(chance, naive->random);
	unfence(&a);
	unfence(&b);
}

static void
compiled_tables_do_what_the_naive_walk_does(void **state)
{
	struct random_table *t = calloc(1, sizeof(*t));
	struct naive_state(*states)[4] = calloc(TABLE_MAX, sizeof(*states));
	struct netfilter_counter *naive_counts = calloc(TABLE_MAX, sizeof(*naive_counts));
	struct netfilter_counter *counts = calloc(TABLE_MAX, sizeof(*counts));
	struct netfilter *nf = netfilter_create(NULL, 1, 1);
	uint64_t dropped = 0, hits = 0;

	for (unsigned int number = 1; number <= TABLES; number++) {
		struct naive_table naive = { .spec = &t->spec,
			.states = states,
			.counters = naive_counts,
			.random = number,
			.now = 1000000000 };
		struct error err = { 0 };

		seed = number;
		make_table(t);
		memset(states, 0, TABLE_MAX * sizeof(*states));
		memset(naive_counts, 0, TABLE_MAX * sizeof(*naive_counts));
		if (netfilter_replace(nf, &t->spec, NULL, &err) != 0)
			fail_msg("table %u: %s", number, err.msg);
		run(nf, t, &naive, number, &dropped);
		netfilter_counters(nf, NETFILTER_MANGLE, counts);
		for (uint32_t i = 0; i < t->spec.n_rules; i++) {
			if (counts[i].packets != naive_counts[i].packets || counts[i].bytes != naive_counts[i].bytes)
				fail_msg("table %u: rule %u has other counts", number, i);
			hits += counts[i].packets;
		}
	}
	print_message("tables by seeds 1 to %u, %u packets each of %u captured; %llu dropped, %llu rules hit\n", TABLES,
		PACKETS, n_captured, (unsigned long long)dropped, (unsigned long long)hits);
	assert_true(dropped > (uint64_t)TABLES * PACKETS / 10 && dropped < (uint64_t)TABLES * PACKETS * 9 / 10);
	netfilter_destroy(nf);
	free(counts);
	free(naive_counts);
	free(states);
	free(t);
}

/* A few programs: fields, jumps over headers, jumps out of packets. */
static void
make_u32s(void)
{
	for (unsigned int i = 0; i < 8; i++) {
		struct netfilter_u32_conf *c = &u32s[i];

		seed = 100 + i;
		c->n = (uint8_t)(1 + below(3));
		c->invert = below(3) == 0;
		for (unsigned int k = 0; k < c->n; k++) {
			struct netfilter_u32_test *test = &c->tests[k];

			test->n_values = (uint8_t)(1 + below(2));
			test->values[0].max = test->values[1].max = UINT32_MAX >> below(32);
			test->values[1].min = UINT32_MAX >> below(16);
			test->n_locations = (uint8_t)(1 + below(6));
			test->locations[0].number = below(24);
			for (unsigned int l = 1; l < test->n_locations; l++) {
				test->locations[l].op = (enum netfilter_u32_op)below(4);
				test->locations[l].number =
					test->locations[l].op == NETFILTER_U32_AND ? 0x3cu >> below(3) : below(34);
			}
		}
	}
}

static int
start(void **state)
{
	captured = calloc(CAPTURED_MAX, sizeof(*captured));
	load_odd();
	captures_each(CAPTURES, keep);
	captures_each(CAPTURES "/edge", keep);
	make_u32s();
	return 0;
}

static int
end(void **state)
{
	free(captured);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compiled_tables_do_what_the_naive_walk_does),
	};

	return cmocka_run_group_tests(tests, start, end);
}
