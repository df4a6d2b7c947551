/* SPDX-License-Identifier: BSD-3-Clause */
/* Which packets are one flow: priorities, filters, the hash of the headers, and a new hash now and then. */
#include "flow_hash.h"
#include "support_sfq.h"

/* ---- classification */

static void
a_priority_may_name_the_bucket(void **state)
{
	struct qdisc *q;

	bed_make();
	q = make_sfq(NULL);
	assert_int_equal(bucket_for(q, packet(100, 1, 0x10003, 0)), 3);
	assert_int_equal(bucket_for(q, packet(100, 1, 0x10400, 0)), 0x400);
	/* Beyond the buckets or another qdisc's: by hash. */
	uint32_t hashed = bucket_for(q, packet(100, 1, 0, 0));

	assert_int_equal(bucket_for(q, packet(100, 1, 0x10401, 0)), hashed);
	assert_int_equal(bucket_for(q, packet(100, 1, 0x10000, 0)), hashed);
	assert_int_equal(bucket_for(q, packet(100, 1, 0x110003, 0)), hashed);
	bed_end();
}

static void
filters_name_buckets_and_what_none_names_is_dropped(void **state)
{
	struct qdisc *q;

	bed_make();
	q = make_sfq(NULL);
	add_fw(q->handle, 1, 0x10005);
	add_fw(q->handle, 2, 0x12000); /* beyond the buckets */
	add_fw(q->handle, 3, 0x10400);
	add_fw(q->handle, 4, 0x770005); /* only the minor counts */
	add_fw_verdict(q->handle, 5, 0x10006, TC_ACT_SHOT);
	add_fw_verdict(q->handle, 6, 0x10007, TC_ACT_OK);
	add_fw_verdict(q->handle, 7, 0x10008, TC_ACT_UNSPEC);
	assert_int_equal(bucket_for(q, packet(100, 1, 0, 1)), 5);
	assert_int_equal(bucket_for(q, packet(100, 1, 0, 2)), 0);
	assert_int_equal(bucket_for(q, packet(100, 1, 0, 3)), 0x400);
	assert_int_equal(bucket_for(q, packet(100, 1, 0, 4)), 5);
	assert_int_equal(bucket_for(q, packet(100, 1, 0, 5)), 0);
	assert_int_equal(bucket_for(q, packet(100, 1, 0, 6)), 7);
	assert_int_equal(bucket_for(q, packet(100, 1, 0, 7)), 0);
	assert_int_equal(bucket_for(q, packet(100, 1, 0, 99)), 0);
	assert_int_equal(bucket_for(q, packet(100, 1, 0x10003, 5)), 3); /* a priority comes first */
	assert_int_equal(bed.sink.drops[DROP_FILTER], 1);
	assert_int_equal(bed.sink.drops[DROP_UNCLASSIFIED], 3);
	bed_end();
}

/* ---- the hash */

static void
the_hash_tells_flows_apart_and_keeps_fragments_together(void **state)
{
	struct rte_mbuf *m;
	struct qdisc *q;
	uint32_t first, different = 0;

	bed_make();
	q = make_sfq(&(struct sfq_conf){ .divisor = 65536 });
	first = bucket_for(q, packet(100, 1, 0, 0));
	assert_int_equal(bucket_for(q, packet(900, 1, 3, 7)), first); /* length, priority and mark are not the flow */
	for (uint32_t port = 2; port < 100; port++)
		different += bucket_for(q, packet(100, port, 0, 0)) != first;
	assert_true(different >= 96);
	for (uint32_t host = 0; host < 16; host++) {
		m = packet(100, 1, 0, 0);
		ipv4_of(m)->dst_addr = rte_cpu_to_be_32(0x0a000100 + host);
		different += bucket_for(q, m) != first;
	}
	m = packet(100, 1, 0, 0);
	ipv4_of(m)->next_proto_id = 6;
	different += bucket_for(q, m) != first;
	assert_true(different >= 96 + 15);

	/*
	 * A first fragment, though its ports can be seen, and a later one, whose payload must not be taken for ports.
	 */
	m = packet(100, 1, 0, 0);
	ipv4_of(m)->fragment_offset = rte_cpu_to_be_16(RTE_IPV4_HDR_MF_FLAG);
	first = bucket_for(q, m);
	m = packet(100, 2, 0, 0);
	ipv4_of(m)->fragment_offset = rte_cpu_to_be_16(185);
	pkt_of(m)->l4_off = 0;
	assert_int_equal(bucket_for(q, m), first);
	bed_end();
}

#define SPREAD_FLOWS   10000
#define SPREAD_BUCKETS 65536

/* Buckets that flows fall into, whose addresses and ports count up by these steps, by 16 bits of the hash. */
static uint32_t
buckets_of(uint32_t key, uint32_t host_step, uint32_t port_step, unsigned int shift)
{
	static bool taken[SPREAD_BUCKETS];
	struct rte_mbuf *m = packet(100, 1, 0, 0);
	struct rte_udp_hdr *udp = rte_pktmbuf_mtod_offset(m, struct rte_udp_hdr *, pkt_of(m)->l4_off);
	uint32_t count = 0;

	memset(taken, 0, sizeof(taken));
	for (uint32_t flow = 0; flow < SPREAD_FLOWS; flow++) {
		bool *bucket;

		ipv4_of(m)->dst_addr = rte_cpu_to_be_32(0x0a000000 + flow * host_step);
		udp->src_port = rte_cpu_to_be_16((uint16_t)(flow * port_step));
		bucket = &taken[flow_hash(m, key) >> shift & (SPREAD_BUCKETS - 1)];
		count += !*bucket;
		*bucket = true;
	}
	rte_pktmbuf_free(m);
	return count;
}

/* n balls thrown at m bins at random leave m * (1 - exp(-n / m)) of them busy: 9274, give or take 25. */
static void
the_hash_spreads_flows_that_count_up(void **state)
{
	static const uint32_t keys[] = { 0, 1, 0x80000000, UINT32_MAX, 0x12345678 };

	bed_make();
	for (unsigned int i = 0; i < RTE_DIM(keys); i++) {
		for (unsigned int shift = 0; shift <= 16; shift += 16) {
			assert_in_range(buckets_of(keys[i], 1, 0, shift), 9150, 9400);
			assert_in_range(buckets_of(keys[i], 0, 1, shift), 9150, 9400);
			assert_in_range(buckets_of(keys[i], 1, 1, shift), 9150, 9400);
			assert_in_range(buckets_of(keys[i], 256, 0, shift), 9150, 9400);
			assert_in_range(buckets_of(keys[i], 1 << 16, 3, shift), 9150, 9400);
		}
	}
	bed_end();
}

/* Turns an IPv4 test packet into IPv6 with a chain of extension headers given as bytes before UDP. */
static struct rte_mbuf *
ipv6_packet(uint16_t port, uint8_t next, const uint8_t *extensions, uint16_t length)
{
	struct rte_mbuf *m = packet(200, port, 0, 0);
	struct rte_ipv6_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv6_hdr *, sizeof(struct rte_ether_hdr));
	uint8_t *behind = (uint8_t *)(ip + 1);

	memset(ip, 0, 150);
	ip->vtc_flow = rte_cpu_to_be_32(6u << 28);
	ip->proto = next;
	ip->src_addr[15] = 1;
	ip->dst_addr[15] = 2;
	memcpy(behind, extensions, length);
	behind[length] = (uint8_t)(port >> 8);
	behind[length + 1] = (uint8_t)port;
	behind[length + 3] = 9;
	pkt_of(m)->protocol = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV6);
	pkt_of(m)->flags |= PKT_IPV6;
	pkt_of(m)->l4_off = 0; /* whatever the parser said: the headers are walked */
	return m;
}

static void
the_hash_reads_ipv6_behind_its_extension_headers(void **state)
{
	static const uint8_t options[8] = { 17 }, fragment[8] = { 17, 0, 0, 1 };
	struct qdisc *q;
	uint32_t plain, hashed;

	bed_make();
	q = make_sfq(&(struct sfq_conf){ .divisor = 65536 });
	plain = bucket_for(q, ipv6_packet(1, 17, options, 0));
	assert_int_not_equal(bucket_for(q, ipv6_packet(2, 17, options, 0)), plain);
	assert_int_equal(bucket_for(q, ipv6_packet(1, 0, options, 8)), plain);
	assert_int_equal(bucket_for(q, ipv6_packet(1, 60, options, 8)), plain);
	hashed = bucket_for(q, ipv6_packet(1, 44, fragment, 8));
	assert_int_equal(bucket_for(q, ipv6_packet(2, 44, fragment, 8)), hashed);
	assert_int_not_equal(hashed, plain);
	bed_end();
}

/* ---- headers in headers */

/*
 * Packets written as strings, a letter a header: 4 and 6 are IP, F a fragment's IPv4, L IPv6 with a label, g GRE, k
 * with a key, s with a checksum and a sequence number, r with a route, e Ethernet, u UDP, U UDP-Lite, t SCTP, i ICMP, p
 * ESP, a AH, x something else. A * behind a header is where the n-th packet has n: an address, port, SPI, key, label or
 * id.
 */
static uint16_t
ethertype_of(char next)
{
	return next == '6' || next == 'L' ? RTE_ETHER_TYPE_IPV6
	       : next == 'e'              ? RTE_ETHER_TYPE_TEB
					  : RTE_ETHER_TYPE_IPV4;
}

static uint8_t
protocol_of(char next)
{
	static const char letters[] = "4F6LgksruUtipax";
	static const uint8_t protocols[] = { 4, 4, 41, 41, 47, 47, 47, 47, 17, 136, 132, 1, 50, 51, 200 };

	return protocols[strchr(letters, next) - letters];
}

static uint8_t *
put16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
	return at + 2;
}

/* One header; n is 0 if it is not the one that differs. */
static uint8_t *
put_header(uint8_t *at, char header, char next, uint8_t n)
{
	static const uint16_t gre_flags[] = { ['g'] = 0, ['k'] = 0x2000, ['s'] = 0x9000, ['r'] = 0x4000 };

	switch (header) {
	case '4':
	case 'F':
		at[0] = 0x45;
		at[6] = header == 'F' ? 0x20 : 0;
		at[9] = protocol_of(next);
		at[12] = 10;
		at[15] = n;
		at[19] = 1;
		return at + 20;
	case '6':
	case 'L':
		at[0] = 0x60;
		at[3] = header == 'L' ? 1 + n : 0;
		at[6] = protocol_of(next);
		at[23] = header == 'L' ? 0 : n;
		at[39] = 1;
		return at + 40;
	case 'e':
		put16(at + 12, ethertype_of(next));
		return at + 14;
	case 'g':
	case 'k':
	case 's':
	case 'r':
		at = put16(put16(at, gre_flags[(uint8_t)header]), ethertype_of(next));
		at[3] = n;
		return at + (header == 'g' ? 0 : header == 'k' ? 4 : 8);
	case 'a':
		at[7] = n;
		return at + 12;
	case 'p':
		at[3] = n;
		return at + 8;
	case 'i':
		at[0] = 8;
		at[5] = n;
		return at + 8;
	default:
		put16(put16(at, 1000 + n), 9);
		return at + 8;
	}
}

static struct rte_mbuf *
layers(const char *plan, uint8_t n)
{
	struct rte_mbuf *m = packet(300, 1, 0, 0);
	uint8_t *at = rte_pktmbuf_mtod(m, uint8_t *), *start = at;

	memset(at, 0, 300);
	at = put_header(at, 'e', plan[0], 0);
	pkt_of(m)->protocol = rte_cpu_to_be_16(ethertype_of(plan[0]));
	pkt_of(m)->l4_off = plan[0] == '4' ? 34 : 0;
	for (; *plan != '\0'; plan += 1 + (plan[1] == '*'))
		at = put_header(at, plan[0], plan[1] == '*' ? plan[2] : plan[1], plan[1] == '*' ? n : 0);
	assert_true(at - start <= 300);
	return m;
}

/* Of 16 packets that differ in one place, Linux 6.1 made 16 flows (but for a collision) or one. */
static void
the_hash_sees_what_linux_sees(void **state)
{
	static const struct {
		const char *plan;
		bool apart;
	} cases[] = { { "4u*", true }, { "4U*", true }, { "4t*", true }, { "4p*", true }, { "4a*", true },
		{ "4i*", false }, { "4x*", false }, { "Fu*", false }, { "44u*", true }, { "44*u", true },
		{ "4*4u", false }, { "4Fu*", false }, { "444u*", true }, { "46u*", true }, { "4gu*", false },
		{ "4g4u*", true }, { "4*g4u", false }, { "4k*4u", true }, { "4k4u*", true }, { "4s4u*", true },
		{ "4r4u*", false }, { "4g6u*", true }, { "4ge4u*", true }, { "6u*", true }, { "L*u", true },
		{ "Lu*", false }, { "66u*", true }, { "64u*", true }, { "6i*", false } };

	bed_make();
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		unsigned int distinct = 0;
		uint32_t hashes[16];

		for (uint8_t n = 0; n < 16; n++) {
			struct rte_mbuf *m = layers(cases[i].plan, n);
			unsigned int before = 0;

			hashes[n] = flow_hash(m, 12345);
			while (hashes[before] != hashes[n])
				before++;
			distinct += before == n;
			rte_pktmbuf_free(m);
		}
		if (distinct != (cases[i].apart ? 16 : 1))
			fail_msg("%s: %u flows", cases[i].plan, distinct);
	}
	bed_end();
}

/* Cut anywhere, and under a sanitizer: nothing behind the end is read. */
static void
what_is_cut_off_in_a_tunnel_is_hashed_as_far_as_it_goes(void **state)
{
	static const char *const plans[] = { "4g4u", "4k6u", "4s4u", "4ge4u", "4444444444u", "66u", "46i" };

	bed_make();
	for (size_t i = 0; i < RTE_DIM(plans); i++) {
		for (uint16_t length = 0; length < 260; length++) {
			struct rte_mbuf *m = layers(plans[i], 0);
			char *copy = malloc(length + 1), *address = m->buf_addr;

			memcpy(copy, rte_pktmbuf_mtod(m, char *), length);
			m->buf_addr = copy - m->data_off;
			m->data_len = length;
			flow_hash(m, 1);
			m->buf_addr = address;
			free(copy);
			rte_pktmbuf_free(m);
		}
	}
	bed_end();
}

static void
what_is_not_ip_or_too_short_has_a_bucket_too(void **state)
{
	struct rte_mbuf *m;
	struct qdisc *q;
	uint32_t first;

	bed_make();
	q = make_sfq(&(struct sfq_conf){ .divisor = 65536 });
	m = packet(64, 1, 0, 0);
	pkt_of(m)->protocol = rte_cpu_to_be_16(RTE_ETHER_TYPE_ARP);
	first = bucket_for(q, m);
	m = packet(64, 1, 0, 0);
	pkt_of(m)->protocol = rte_cpu_to_be_16(RTE_ETHER_TYPE_ARP);
	rte_pktmbuf_mtod(m, uint8_t *)[11] = 1; /* another sender */
	assert_int_not_equal(bucket_for(q, m), first);
	for (uint16_t length = 0; length < 60; length++) { /* under a sanitizer: nothing behind the end is read */
		for (unsigned int version = 4; version <= 6; version += 2) {
			m = version == 4 ? packet(64, 1, 0, 0) : ipv6_packet(1, 0, (const uint8_t[8]){ 17 }, 8);
			m->data_len = length;
			m->pkt_len = length;
			assert_int_not_equal(bucket_for(q, m), 0);
		}
	}
	bed_end();
}

/* ---- perturbation */

static void
a_new_hash_comes_when_it_is_due_and_keeps_each_flow_in_order(void **state)
{
	struct qdisc *q;
	uint32_t before[64], count;

	bed_make();
	q = make_sfq(&(struct sfq_conf){ .perturb_s = 1, .divisor = 16, .limit = 1000 });
	for (uint32_t i = 0; i < 10; i++) {
		for (uint32_t flow = 0; flow < 8; flow++)
			offer_packet(packet(500, flow, 0, 0));
	}
	assert_int_equal(sched_backlog(bed.tree), 80);
	dump(q);
	count = buckets_count;
	memcpy(before, buckets, sizeof(before));
	take(8, SECONDS(1) - 1);
	dump(q);
	assert_int_equal(buckets_count, count);
	assert_memory_equal(before, buckets, count * sizeof(before[0]));
	bed.taken_count = 0;
	bed.now = SECONDS(1);
	take_more(1);
	dump(q);
	assert_int_equal(buckets_packets, 71); /* nothing is lost, whatever fell together */
	assert_true(buckets_count != count || memcmp(before, buckets, count * sizeof(before[0])) != 0);
	for (unsigned int second = 2; second < 10; second++) {
		bed.now = SECONDS(second);
		take_more(1);
		for (uint32_t flow = 0; flow < 8; flow++)
			offer_packet(packet(500, flow, 0, 0));
	}
	take_more(UINT32_MAX);
	assert_int_equal(bed.taken_count, 72 + 64);
	assert_flows_in_order();
	bed_end();
}

static void
years_between_two_packets_cost_one_new_hash(void **state)
{
	struct qdisc *q;
	uint32_t bucket, changed = 0;

	bed_make();
	q = make_sfq(&(struct sfq_conf){ .perturb_s = 1, .divisor = 65536 });
	bucket = bucket_for(q, packet(500, 1, 0, 0));
	bed.now = SECONDS(1000000000ull) + 5;
	changed += bucket_for(q, packet(500, 1, 0, 0)) != bucket;
	bucket = bucket_for(q, packet(500, 1, 0, 0));
	bed.now = SECONDS(1000000001ull) - 1;
	assert_int_equal(bucket_for(q, packet(500, 1, 0, 0)), bucket); /* in step with the first second */
	bed.now = SECONDS(1000000001ull);
	changed += bucket_for(q, packet(500, 1, 0, 0)) != bucket;
	assert_int_equal(changed, 2);
	bed_end();
}

static void
filters_and_priorities_keep_their_buckets_through_a_new_hash(void **state)
{
	struct qdisc *q;

	bed_make();
	q = make_sfq(&(struct sfq_conf){ .perturb_s = 1 });
	arrive("e3");
	bed.now = SECONDS(1);
	assert_leaves_n(1, "e0");
	dump(q);
	assert_int_equal(buckets_count, 1);
	assert_int_equal(buckets[0], 0x10005);
	assert_leaves("e1 e2");
	add_fw(q->handle, 1, 0x10007);
	offer_packet(packet(100, 1, 0, 1));
	offer_packet(packet(100, 1, 0, 1));
	bed.now = SECONDS(2);
	take_more(1);
	dump(q);
	assert_int_equal(buckets[0], 0x10007);
	take_more(1);
	bed_end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_priority_may_name_the_bucket),
		cmocka_unit_test(filters_name_buckets_and_what_none_names_is_dropped),
		cmocka_unit_test(the_hash_tells_flows_apart_and_keeps_fragments_together),
		cmocka_unit_test(the_hash_spreads_flows_that_count_up),
		cmocka_unit_test(the_hash_reads_ipv6_behind_its_extension_headers),
		cmocka_unit_test(the_hash_sees_what_linux_sees),
		cmocka_unit_test(what_is_cut_off_in_a_tunnel_is_hashed_as_far_as_it_goes),
		cmocka_unit_test(what_is_not_ip_or_too_short_has_a_bucket_too),
		cmocka_unit_test(a_new_hash_comes_when_it_is_due_and_keeps_each_flow_in_order),
		cmocka_unit_test(years_between_two_packets_cost_one_new_hash),
		cmocka_unit_test(filters_and_priorities_keep_their_buckets_through_a_new_hash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
