/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packet filter tables by themselves: netfilter_run over bursts of UDP packets, what is behind the router's own look at
 * them; beside DPDK's rte_acl over the same rules as five-tuples, in turns. rte_acl says which rule it is; tables also
 * count packets and bytes, and change what they are told to.
 */
#include <stdlib.h>

#include <netinet/in.h>

#include <rte_acl.h>
#include <rte_cycles.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include <weir/netfilter.h>
#include <weir/netfilter/matches.h>

#include "classify.h"
#include "eal_bench.h"
#include "report.h"

#define BURST   32
#define PACKETS 128 /* as many as stay in the first cache */
#define LOOKUPS (1u << 17)
#define ROUNDS  15
#define RULES   1000
#define DATA    (RTE_ETHER_HDR_LEN + offsetof(struct rte_ipv4_hdr, next_proto_id)) /* where rte_acl's keys start */

/* As they stand in a packet from its protocol on. */
enum { ACL_PROTOCOL, ACL_SRC, ACL_DST, ACL_SPORT, ACL_DPORT, ACL_FIELDS };
RTE_ACL_RULE_DEF(acl_rule, ACL_FIELDS);

enum rules { LAST, EVENLY, RANGES }; /* exact rules, the last or any of them hit; ranges of ports, the last hit */

struct bench {
	uint32_t n;
	enum rules rules;
	struct netfilter *nf;
	struct rte_acl_ctx *acl;
	struct rte_mbuf *pkts[PACKETS];
	const uint8_t *data[PACKETS];
	uint64_t passed, found;
};

static uint16_t
port_of(uint32_t i)
{
	return (uint16_t)(1000 + 8 * i);
}

/* ---- the rules --------------------------------------------------------------------------------------------------- */

static void
make_table(struct bench *b)
{
	struct netfilter_rule_spec *rules = calloc(b->n + 3, sizeof(*rules));
	struct netfilter_match_spec *matches = calloc(b->n + 1, sizeof(*matches));
	struct netfilter_udp_conf *udps = calloc(b->n + 1, sizeof(*udps));
	struct netfilter_table_spec spec = { .table = NETFILTER_FILTER, .rules = rules, .n_rules = b->n + 3 };
	struct error err = { 0 };

	bench_require(rules != NULL && matches != NULL && udps != NULL, "out of memory");
	for (uint32_t i = 0; i < b->n; i++) {
		udps[i].sport = (struct netfilter_ports){ 0, UINT16_MAX };
		udps[i].dport =
			(struct netfilter_ports){ port_of(i), (uint16_t)(port_of(i) + (b->rules == RANGES ? 5 : 0)) };
		matches[i] = (struct netfilter_match_spec){ "udp", &udps[i] };
		rules[i] = (struct netfilter_rule_spec){ .selector = { .src = RTE_BE32(0x0a000001),
								 .src_mask = UINT32_MAX,
								 .dst = RTE_BE32(0x0a000002),
								 .dst_mask = UINT32_MAX,
								 .protocol = IPPROTO_UDP },
			.matches = &matches[i],
			.n_matches = 1,
			.target.verdict = NETFILTER_ACCEPT };
	}
	for (uint32_t i = b->n; i < b->n + 3; i++)
		rules[i].target.verdict = b->n != 0 && i == b->n ? NETFILTER_DROP : NETFILTER_ACCEPT;
	spec.policy[NETFILTER_FORWARD] = b->n;
	spec.first[NETFILTER_INPUT] = spec.policy[NETFILTER_INPUT] = b->n + 1;
	spec.first[NETFILTER_OUTPUT] = spec.policy[NETFILTER_OUTPUT] = b->n + 2;
	b->nf = netfilter_create(NULL, 1, 1);
	bench_require(b->nf != NULL && netfilter_replace(b->nf, &spec, NULL, &err) == 0, err.msg);
	free(udps);
	free(matches);
	free(rules);
}

static void
make_acl(struct bench *b)
{
	static const uint32_t offset[ACL_FIELDS] = { 0, 3, 7, 11, 13 }; /* from next_proto_id on */
	static const uint8_t type[ACL_FIELDS] = { RTE_ACL_FIELD_TYPE_BITMASK, RTE_ACL_FIELD_TYPE_MASK,
		RTE_ACL_FIELD_TYPE_MASK, RTE_ACL_FIELD_TYPE_RANGE, RTE_ACL_FIELD_TYPE_RANGE };
	static const uint8_t size[ACL_FIELDS] = { 1, 4, 4, 2, 2 }, input[ACL_FIELDS] = { 0, 1, 2, 3, 3 };
	struct rte_acl_param param = { .name = "bench",
		.socket_id = SOCKET_ID_ANY,
		.rule_size = RTE_ACL_RULE_SZ(ACL_FIELDS),
		.max_rule_num = RULES };
	struct rte_acl_config config = { .num_categories = 1, .num_fields = ACL_FIELDS };

	for (unsigned int i = 0; i < ACL_FIELDS; i++)
		config.defs[i] = (struct rte_acl_field_def){ type[i], size[i], (uint8_t)i, input[i], offset[i] };
	b->acl = rte_acl_create(&param);
	bench_require(b->acl != NULL, "rte_acl_create");
	for (uint32_t i = 0; i < b->n; i++) {
		struct acl_rule rule = {
			.data = { .category_mask = 1, .priority = (int32_t)(RULES - i), .userdata = i + 1 }
		};

		rule.field[ACL_PROTOCOL].value.u8 = IPPROTO_UDP;
		rule.field[ACL_PROTOCOL].mask_range.u8 = UINT8_MAX;
		rule.field[ACL_SRC].value.u32 = 0x0a000001;
		rule.field[ACL_SRC].mask_range.u32 = 32;
		rule.field[ACL_DST].value.u32 = 0x0a000002;
		rule.field[ACL_DST].mask_range.u32 = 32;
		rule.field[ACL_SPORT].mask_range.u16 = UINT16_MAX;
		rule.field[ACL_DPORT].value.u16 = port_of(i);
		rule.field[ACL_DPORT].mask_range.u16 = (uint16_t)(port_of(i) + (b->rules == RANGES ? 5 : 0));
		bench_require(
			rte_acl_add_rules(b->acl, (const struct rte_acl_rule *)&rule, 1) == 0, "rte_acl_add_rules");
	}
	bench_require(rte_acl_build(b->acl, &config) == 0, "rte_acl_build");
}

/* ---- the packets ------------------------------------------------------------------------------------------------- */

struct frame {
	struct rte_ether_hdr ether;
	struct rte_ipv4_hdr ip;
	struct rte_udp_hdr udp;
} __attribute__((packed, aligned(2)));

static void
aim(struct bench *b)
{
	for (uint32_t i = 0; i < PACKETS; i++) {
		uint32_t rule = b->n == 0 ? 0 : b->rules == EVENLY ? i * 7919 % b->n : b->n - 1;
		struct rte_mbuf *m = b->pkts[i];
		struct frame *f = rte_pktmbuf_mtod(m, struct frame *);

		m->data_len = 64;
		m->pkt_len = 64;
		memset(f, 0, 64);
		f->ip = (struct rte_ipv4_hdr){ .version_ihl = RTE_IPV4_VHL_DEF,
			.total_length = RTE_BE16(50),
			.time_to_live = 64,
			.next_proto_id = IPPROTO_UDP,
			.src_addr = RTE_BE32(0x0a000001),
			.dst_addr = RTE_BE32(0x0a000002) };
		f->udp.src_port = rte_cpu_to_be_16((uint16_t)(i + 1));
		f->udp.dst_port = rte_cpu_to_be_16(port_of(rule));
		*pkt_of(m) =
			(struct pkt){ .l3_off = RTE_ETHER_HDR_LEN, .l4_off = 34, .flags = PKT_PLAIN, .in_port = 2 };
		b->data[i] = (const uint8_t *)f + DATA;
	}
}

static double
weir_cycles(struct bench *b)
{
	struct netfilter_ctx ctx = { .hook = NETFILTER_FORWARD, .now = 1, .in = "eth0", .out = "eth1" };
	uint64_t cycles = 0;

	for (uint32_t i = 0; i < LOOKUPS; i += BURST) {
		uint64_t start = rte_rdtsc();
		uint64_t passed = netfilter_run(b->nf, &ctx, 1 << NETFILTER_FILTER, &b->pkts[i % PACKETS], BURST);

		cycles += rte_rdtsc() - start;
		b->passed += (uint64_t)__builtin_popcountll(passed);
	}
	return (double)cycles / LOOKUPS;
}

static double
acl_cycles(struct bench *b)
{
	uint32_t results[BURST];
	uint64_t cycles = 0;

	for (uint32_t i = 0; i < LOOKUPS; i += BURST) {
		uint64_t start = rte_rdtsc();

		rte_acl_classify(b->acl, &b->data[i % PACKETS], results, BURST, 1);
		cycles += rte_rdtsc() - start;
		for (uint32_t k = 0; k < BURST; k++)
			b->found += results[k] != 0;
	}
	return (double)cycles / LOOKUPS;
}

static void
measure(struct bench *b, const struct report_row *row, uint32_t n, enum rules rules)
{
	double weir[ROUNDS], acl[ROUNDS];

	if (!report_wanted(row->name))
		return;
	b->n = n;
	b->rules = rules;
	b->passed = b->found = 0;
	make_table(b);
	if (row->peer_name != NULL)
		make_acl(b);
	aim(b);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		weir[i] = weir_cycles(b);
		if (row->peer_name != NULL)
			acl[i] = acl_cycles(b);
	}
	bench_require(b->passed == (uint64_t)ROUNDS * LOOKUPS, "packets have not hit their rule");
	bench_require(row->peer_name == NULL || b->found == b->passed, "rte_acl has not found a rule");
	report_add(row, weir, row->peer_name != NULL ? acl : NULL, ROUNDS);
	netfilter_destroy(b->nf);
	rte_acl_free(row->peer_name != NULL ? b->acl : NULL);
}

void
bench_netfilter(struct rte_mempool *pool)
{
	static const char *const unit = "cycles/packet", *const peer = "rte_acl";
	struct bench b = { 0 };

	bench_require(rte_pktmbuf_alloc_bulk(pool, b.pkts, PACKETS) == 0, "out of buffers");
	measure(&b, &(struct report_row){ "netfilter-0", "ask a chain without rules", unit, NULL, 0, 0 }, 0, LAST);
	measure(&b, &(struct report_row){ "netfilter-10", "ask 10 iptables rules, the last hit", unit, peer, 0, 0 }, 10,
		LAST);
	measure(&b, &(struct report_row){ "netfilter-100", "ask 100 iptables rules, the last hit", unit, peer, 0, 0 },
		100, LAST);
	measure(&b,
		&(struct report_row){ "netfilter-1000", "ask 1,000 iptables rules, the last hit", unit, peer, 0, 0 },
		RULES, LAST);
	measure(&b, &(struct report_row){ "netfilter-1000-any", "ask 1,000 iptables rules, any hit", unit, peer, 0, 0 },
		RULES, EVENLY);
	measure(&b,
		&(struct report_row){
			"netfilter-ranges", "ask 1,000 iptables rules of port ranges, the last hit", unit, peer, 0, 0 },
		RULES, RANGES);
	rte_pktmbuf_free_bulk(b.pkts, PACKETS);
}
