/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <linux/pkt_cls.h>
#include <net/ethernet.h>

#include <weir/action/gact.h>
#include <weir/action/skbedit.h>
#include <weir/filter/u32.h>

#include "plain_worlds.h"

void
mend_checksum(struct frame *f)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(f->data + RTE_ETHER_HDR_LEN);

	ip->hdr_checksum = 0;
	ip->hdr_checksum = (uint16_t)~rte_raw_cksum(ip, rte_ipv4_hdr_len(ip));
}

void
want_checksum(struct frame *f, uint16_t checksum)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(f->data + RTE_ETHER_HDR_LEN);
	uint32_t rest;

	ip->packet_id = 0;
	ip->hdr_checksum = rte_cpu_to_be_16(checksum);
	rest = rte_raw_cksum(ip, rte_ipv4_hdr_len(ip));
	ip->packet_id = (uint16_t)~rest;
}

/* ---- the worlds -------------------------------------------------------------------------------------------------- */

static void
filter(struct router *r, uint32_t preference, struct u32_key key, const char *kind, const void *conf)
{
	struct action_spec action = { .kind = kind, .conf = conf };
	struct u32_conf u32 = { .has_selector = true,
		.selector_flags = TC_U32_TERMINAL,
		.n_keys = 1,
		.keys = &key,
		.actions = &action,
		.n_actions = 1 };
	struct filter_spec spec = {
		.preference = preference, .protocol = rte_cpu_to_be_16(ETHERTYPE_IP), .kind = "u32", .conf = &u32
	};
	struct error err = { 0 };

	if (r->ports[ETH0].ingress == NULL)
		r->ports[ETH0].ingress = chain_create(NULL);
	if (chain_filter_add(r->ports[ETH0].ingress, &spec, CHANGE_CREATE | CHANGE_EXCLUSIVE, NULL, &err) != 0)
		fail_msg("%s", err.msg);
}

static void
let_all_pass(struct router *r)
{
	filter(r, 9, (struct u32_key){ 0 }, "gact", &(struct gact_conf){ .action = TC_ACT_OK });
}

void
hook(struct router *r)
{
	struct u32_key port9 = { .value = RTE_BE32(9), .mask = RTE_BE32(0xffff), .offset = 20 };
	struct u32_key port10 = { .value = RTE_BE32(10), .mask = RTE_BE32(0xffff), .offset = 20 };
	struct skbedit_conf mark = { .set = SKBEDIT_F_MARK | SKBEDIT_F_PRIORITY,
		.action = TC_ACT_OK,
		.mark = 2,
		.mask = UINT32_MAX,
		.priority = 0x10003 };

	filter(r, 1, port9, "skbedit", &mark);
	filter(r, 2, port10, "gact", &(struct gact_conf){ .action = TC_ACT_SHOT });
}

static void
drop_hooks(struct worlds *worlds)
{
	for (int way = 0; way < WAYS; way++) {
		chain_destroy(worlds->r[way]->ports[ETH0].ingress);
		worlds->r[way]->ports[ETH0].ingress = NULL;
	}
}

void
unhook(struct worlds *worlds)
{
	drop_hooks(worlds);
	let_all_pass(worlds->r[HOOKED]);
}

int
plain_setup(void **state)
{
	struct worlds *worlds = calloc(1, sizeof(*worlds));

	assert_non_null(worlds);
	for (int way = 0; way < WAYS; way++)
		worlds->r[way] = world_make(false);
	let_all_pass(worlds->r[HOOKED]);
	*state = worlds;
	return 0;
}

/* They share a pool, which each finds full when it ends: all must have given back what they hold. */
int
plain_teardown(void **state)
{
	struct worlds *worlds = *state;

	drop_hooks(worlds);
	for (int way = 0; way < WAYS; way++) {
		struct router *r = worlds->r[way];

		for (uint32_t i = 1; i < PORTS; i++)
			path_port_flush(&r->worker, &r->ports[i], DROP_PORT_DELETED);
		path_reassembly_flush(&r->worker, NULL, DROP_SHUTDOWN);
		world_forget_sent(r);
	}
	for (int way = 0; way < WAYS; way++)
		world_free(worlds->r[way]);
	free(worlds);
	return 0;
}

void
set_mtu(struct router *r, uint32_t ifindex, uint32_t mtu)
{
	struct rib_link link = *rib_link_find(r->rib, ifindex);

	link.mtu = r->ports[ifindex].mtu = mtu;
	assert_int_equal(rib_link_set(r->rib, &link, NULL), 0);
}

void
set_stranger(struct router *r, bool there)
{
	struct rib_address a = { .ifindex = DUM0, .family = AF_INET, .prefix_length = 32, .flags = IFA_F_PERMANENT };

	a.local = a.peer = ip_addr_v4(RTE_BE32(STRANGER));
	if (there)
		rib_address_add(r->rib, &a, false, NULL);
	else
		rib_address_remove(r->rib, &a, NULL);
}

/* ---- the comparison ---------------------------------------------------------------------------------------------- */

static void
compare_pkt(struct rte_mbuf *first, struct rte_mbuf *second)
{
	struct pkt a = *pkt_of(first), b = *pkt_of(second);

	a.flags &= ~PKT_PLAIN;
	b.flags &= ~PKT_PLAIN;
	assert_int_equal(a.priority, b.priority);
	assert_int_equal(a.vlan_tci, b.vlan_tci);
	assert_int_equal(a.l4_off, b.l4_off);
	a.stage = b.stage; /* says something only while a packet waits to resume */
	assert_memory_equal(&a, &b, offsetof(struct pkt, scratch));
}

static void
compare_sent(struct router *a, struct router *b)
{
	assert_int_equal(a->sent_count, b->sent_count);
	for (unsigned int i = 0; i < a->sent_count; i++) {
		uint32_t ifindex = a->sent[i].ifindex, bytes, other;
		const uint8_t *frame = sent_frame(a, i, ifindex, &bytes), *same = sent_frame(b, i, ifindex, &other);

		assert_int_equal(bytes, other);
		assert_memory_equal(frame, same, bytes);
		assert_int_equal(a->sent[i].m->ol_flags, b->sent[i].m->ol_flags);
		if (!b->sent[i].unread)
			compare_pkt(a->sent[i].m, b->sent[i].m);
	}
}

static int
compare_neighbour(void *arg, struct neighbour *n)
{
	struct neighbour *other = neighbour_find(arg, n->ifindex, n->family, &n->addr);

	assert_non_null(other);
	assert_memory_equal(&n->family, &other->family, 8);
	assert_int_equal(n->used_ns, other->used_ns);
	assert_int_equal(n->state, other->state);
	assert_int_equal(n->waiting, other->waiting);
	assert_int_equal(n->timer_ns, other->timer_ns);
	return 0;
}

static void
compare_tables(const struct router *a, const struct router *b, const uint32_t *rules)
{
	for (unsigned int table = 0; table < NETFILTER_TABLES; table++) {
		uint32_t n = rules[table];
		struct netfilter_counter *first = calloc(2 * n + 1, sizeof(*first)), *second = first + n;

		assert_non_null(first);
		if (n != 0) {
			netfilter_counters(a->netfilter, table, first);
			netfilter_counters(b->netfilter, table, second);
			assert_memory_equal(first, second, n * sizeof(*first));
		}
		free(first);
	}
}

static void
compare(struct router *a, struct router *b, const uint32_t *table_rules)
{
	for (uint32_t i = 1; i < PORTS; i++)
		for (int reason = 0; reason < DROP__COUNT; reason++)
			if (a->counters[i][0].sink.drops[reason] != b->counters[i][0].sink.drops[reason])
				fail_msg("port %u: %s", i, drop_reason_name((enum drop_reason)reason));
	assert_memory_equal(a->counters, b->counters, sizeof(a->counters));
	assert_int_equal(a->told, b->told);
	assert_int_equal(a->told_removed, b->told_removed);
	assert_int_equal(a->handed_over, b->handed_over);
	assert_int_equal(a->worker.icmp_tokens, b->worker.icmp_tokens);
	assert_int_equal(a->worker.random, b->worker.random);
	neighbour_walk(a->rib, 0, AF_INET, compare_neighbour, b->rib);
	compare_tables(a, b, table_rules);
	compare_sent(a, b);
}

void
compare_all(struct worlds *worlds)
{
	for (int way = AS_IS + 1; way < WAYS; way++)
		compare(worlds->r[AS_IS], worlds->r[way], worlds->table_rules);
	for (unsigned int i = 0; i < worlds->r[AS_IS]->sent_count; i++) {
		const struct sent *sent = &worlds->r[AS_IS]->sent[i];
		const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(sent->m, const struct rte_ether_hdr *);

		if (eth->ether_type == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4))
			sent_ip(worlds->r[AS_IS], i, sent->ifindex);
		worlds->fast += (pkt_of(sent->m)->flags & PKT_PLAIN) != 0;
		worlds->unread += worlds->r[UNREAD]->sent[i].unread;
	}
	for (unsigned int i = 0; i < worlds->r[FULL]->sent_count; i++)
		assert_int_equal(pkt_of(worlds->r[FULL]->sent[i].m)->flags & PKT_PLAIN, 0);
	for (int way = 0; way < WAYS; way++)
		world_forget_sent(worlds->r[way]);
}

/* ---- a burst ----------------------------------------------------------------------------------------------------- */

static void
take_full_way(struct rte_mbuf *m)
{
	m->ol_flags |= RTE_MBUF_F_RX_VLAN_STRIPPED;
	m->vlan_tci = 0;
}

static struct rte_mbuf *
arrive(struct router *r, uint32_t ifindex, const struct arrival *a)
{
	struct rte_mbuf *m = world_arrive(r, ifindex, a->whole.data, a->bytes, a->segment);

	m->ol_flags |= RTE_MBUF_F_RX_RSS_HASH; /* of its arrival: nobody is to take it for what to do when it leaves */
	if (m->nb_segs == 1 && a->bytes < a->whole.bytes)
		memcpy(rte_pktmbuf_mtod_offset(m, uint8_t *, a->bytes), a->whole.data + a->bytes,
			a->whole.bytes - a->bytes);
	return m;
}

/* As if they came out of the other end of a veth, with the marks that they got before. */
static void
resume(struct router *r, struct rte_mbuf **pkts, const struct arrival *arrivals, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		struct pkt *p = pkt_of(pkts[i]);

		p->stage = STAGE_RECEIVE;
		p->passes = 1;
		p->mark = arrivals[i].mark;
		p->tc_index = (uint16_t)arrivals[i].mark;
	}
	path_resume(&r->worker, pkts, n);
}

void
play_burst(struct worlds *worlds, uint32_t ifindex, const struct arrival *arrivals, uint16_t n, uint32_t chosen,
	bool fresh)
{
	for (int way = 0; way < WAYS; way++) {
		struct router *r = worlds->r[way];
		struct rte_mbuf *pkts[BURST_MOST];

		for (uint16_t i = 0; i < n; i++) {
			pkts[i] = arrive(r, ifindex, &arrivals[i]);
			if (way == FULL || (way == ONE_FULL && i == chosen))
				take_full_way(pkts[i]);
		}
		r->worker.unread = way == UNREAD;
		r->takes_unread = chosen % 3 != 0;
		if (fresh)
			path_receive(&r->worker, &r->ports[ifindex], pkts, n);
		else
			resume(r, pkts, arrivals, n);
		world_check(r);
	}
	compare_all(worlds);
}
