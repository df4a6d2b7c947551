/* SPDX-License-Identifier: BSD-3-Clause */
/* A table of few rules, packets of any kind, and short ways to ask. */
#ifndef WEIR_TEST_CLASSIFY_NETFILTER_SUPPORT_H
#define WEIR_TEST_CLASSIFY_NETFILTER_SUPPORT_H

#include <netinet/in.h>

#include <rte_ip.h>

#include <weir/netfilter.h>
#include <weir/netfilter/matches.h>
#include <weir/netfilter/targets.h>

#include "support.h"

#define IP(a, b, c, d) htonl((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))
#define ANY_PORT                                                                                                       \
	{                                                                                                              \
		0, 65535                                                                                               \
	}
#define MATCHES(...)                                                                                                   \
	(const struct netfilter_match_spec[])                                                                          \
	{                                                                                                              \
		__VA_ARGS__                                                                                            \
	}
#define MATCH(name, ...)                                                                                               \
	{                                                                                                              \
		name, &(__VA_ARGS__)                                                                                   \
	}

static uint64_t random_state = 1;

/* What a hook has: rules, and the policy behind them. */
static inline struct netfilter_ctx
hook_ctx(enum netfilter_hook hook, uint64_t now)
{
	return (struct netfilter_ctx){ .hook = hook, .now = now, .random = &random_state, .in = "eth0", .out = "eth1" };
}

#define RULES_MAX 64

/*
 * Rules at one hook of a table, all other chains empty: rule 0 on are the given, then the hook's policy (accept), then
 * the policies of the other hooks, then what was given as further chains. Jumps name indices of the whole.
 */
struct ruleset {
	struct netfilter_rule_spec rules[RULES_MAX];
	struct netfilter_table_spec spec;
};

static inline void
ruleset_make(struct ruleset *set, enum netfilter_table_id table, enum netfilter_hook hook,
	const struct netfilter_rule_spec *rules, uint32_t n, const struct netfilter_rule_spec *chains,
	uint32_t n_chains)
{
	uint32_t at = n;

	memset(set, 0, sizeof(*set));
	set->spec = (struct netfilter_table_spec){ .table = table, .rules = set->rules };
	for (uint32_t i = 0; i < n; i++)
		set->rules[i] = rules[i];
	for (unsigned int h = 0; h < NETFILTER_HOOKS; h++) {
		if ((netfilter_table_hooks(table) & 1u << h) == 0)
			continue;
		set->spec.first[h] = h == hook ? 0 : at;
		if (h == hook) {
			set->spec.policy[h] = n;
			set->rules[n].target.verdict = NETFILTER_ACCEPT;
			at += at == n;
			continue;
		}
		at += at == n;
		set->spec.first[h] = set->spec.policy[h] = at;
		set->rules[at++].target.verdict = NETFILTER_ACCEPT;
	}
	if (n_chains != 0)
		memcpy(set->rules + at, chains, n_chains * sizeof(*chains));
	set->spec.n_rules = at + n_chains;
}

/* How many rules ruleset_make puts behind the given ones: the index of the first further chain is n plus that. */
static inline uint32_t
ruleset_policies(enum netfilter_table_id table)
{
	return (uint32_t)__builtin_popcount(netfilter_table_hooks(table));
}

static inline int
load_at(struct netfilter *nf, enum netfilter_table_id table, enum netfilter_hook hook,
	const struct netfilter_rule_spec *rules, uint32_t n, struct error *err)
{
	struct ruleset set;

	ruleset_make(&set, table, hook, rules, n, NULL, 0);
	return netfilter_replace(nf, &set.spec, NULL, err);
}

/* May the packet go on? */
static inline bool
passes_at(struct netfilter *nf, enum netfilter_hook hook, struct packet *p, uint64_t now)
{
	struct netfilter_ctx ctx = hook_ctx(hook, now);
	struct rte_mbuf *m = &p->mbuf;

	return netfilter_run(nf, &ctx, 7, &m, 1) == 1;
}

/* ---- packets ------------------------------------------------------------------------------------ */

static inline uint16_t
sum_of(const void *bytes, size_t n, uint32_t sum)
{
	const uint8_t *b = bytes;

	for (size_t i = 0; i < n; i++)
		sum += (uint32_t)b[i] << (i % 2 == 0 ? 8 : 0);
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* Sum of the transport and its pseudo-header: 0xffff where the checksum is right. */
static inline uint16_t
transport_sum(const uint8_t *ip)
{
	uint32_t header = (ip[0] & 15) * 4u, bytes = ((uint32_t)ip[2] << 8 | ip[3]) - header;

	return sum_of(ip + header, bytes, (uint32_t)sum_of(ip + 12, 8, 0) + ip[9] + bytes);
}

/* An IPv4 datagram of 10.0.0.1 to 10.0.0.2 with this behind its header, TOS 0x10 and TTL 64. */
static inline void
packet_ip(struct packet *p, uint8_t protocol, const void *transport, uint16_t bytes)
{
	uint8_t frame[256] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0x10, 0, 0, 0, 7, 0, 0, 64, protocol, 0,
		0, 10, 0, 0, 1, 10, 0, 0, 2 };
	uint16_t length = (uint16_t)(20 + bytes), sum;

	frame[16] = (uint8_t)(length >> 8);
	frame[17] = (uint8_t)length;
	sum = (uint16_t)~sum_of(frame + 14, 20, 0);
	frame[24] = (uint8_t)(sum >> 8);
	frame[25] = (uint8_t)sum;
	memcpy(frame + 34, transport, bytes);
	packet_init(p, frame, (uint16_t)(34 + bytes));
	p->mbuf.buf_len = sizeof(p->data);
	p->pkt.flags = PKT_PLAIN;
	p->pkt.l4_off = 34;
}

/* A TCP segment, its checksum right: options and data are what follows its first 20 bytes. */
static inline void
packet_tcp(struct packet *p, uint16_t sport, uint16_t dport, uint8_t flags, const void *options, uint8_t option_bytes,
	uint16_t data_bytes)
{
	uint8_t tcp[200] = { (uint8_t)(sport >> 8), (uint8_t)sport, (uint8_t)(dport >> 8), (uint8_t)dport, 1, 2, 3, 4,
		5, 6, 7, 8, (uint8_t)((20 + option_bytes) / 4 << 4), flags, 0x12, 0x34 };
	uint16_t sum;

	if (option_bytes != 0)
		memcpy(tcp + 20, options, option_bytes);
	memset(tcp + 20 + option_bytes, 0x5a, data_bytes);
	packet_ip(p, IPPROTO_TCP, tcp, (uint16_t)(20 + option_bytes + data_bytes));
	sum = (uint16_t)~transport_sum(p->data + 14);
	p->data[34 + 16] = (uint8_t)(sum >> 8);
	p->data[34 + 17] = (uint8_t)sum;
}

/* A later fragment at so many units of 8 bytes. */
static inline void
packet_fragment(struct packet *p, uint8_t protocol, uint16_t offset)
{
	packet_ip(p, protocol, "fragmentfragmentfragment", 24);
	p->data[20] = (uint8_t)(offset >> 8);
	p->data[21] = (uint8_t)offset;
	p->pkt.l4_off = 0;
}

/* Are the checksums of the IPv4 header and, if it is TCP's, the transport right? */
static inline void
assert_sums(const struct packet *p)
{
	const uint8_t *ip = p->data + p->mbuf.data_off + p->pkt.l3_off;

	assert_int_equal(sum_of(ip, (ip[0] & 15) * 4u, 0), 0xffff);
	if (ip[9] == IPPROTO_TCP)
		assert_int_equal(transport_sum(ip), 0xffff);
}

#endif
