/* SPDX-License-Identifier: BSD-3-Clause */
#include <weir/action/nat.h>

#include "acting.h"
#include "sums.h"

static const uint8_t tcp[24] = { 3, 232, 0, 80, 0, 0, 0, 1, 0, 0, 0, 1, 0x60, 2, 1, 0, 0, 0, 0, 0, 2, 4, 5, 180 };
static const uint8_t udp[13] = { 3, 232, 0, 53, 0, 13, 0, 0, 'h', 'e', 'l', 'l', 'o' };

static int
nat(bool egress, const char *old, uint32_t mask, const char *new)
{
	struct nat_conf conf = { .action = TC_ACT_OK, .flags = egress ? TCA_NAT_FLAG_EGRESS : 0, .mask = htonl(mask) };

	inet_pton(AF_INET, old, &conf.old_addr);
	inet_pton(AF_INET, new, &conf.new_addr);
	return act_by_one("nat", &conf);
}

static void
assert_address(const struct rte_mbuf *m, uint32_t at, const char *expected)
{
	char text[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, rte_pktmbuf_mtod_offset(m, const uint8_t *, at), text, sizeof(text));
	assert_string_equal(text, expected);
}

static void
keeps_checksums_right(void **state)
{
	static const struct {
		uint8_t protocol;
		const uint8_t *bytes;
		uint16_t n;
	} packets[] = {
		{ IPPROTO_TCP, tcp, sizeof(tcp) },
		{ IPPROTO_UDP, udp, sizeof(udp) },
	};
	uint8_t frame[128];

	for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++)
		for (unsigned int to = 0; to < 256; to++) {
			struct rte_mbuf *m =
				buffer_of(frame, make_ip(frame, packets[i].protocol, packets[i].bytes, packets[i].n));
			char new[32];

			snprintf(new, sizeof(new), "%u.255.%u.%u", to, 255 - to, to);
			assert_int_equal(nat(to % 2 == 0, to % 2 == 0 ? "10.0.0.1" : "10.0.0.2", UINT32_MAX, new), 0);
			assert_int_equal(verdict_of(m, to % 3 == 0), TC_ACT_OK);
			assert_address(m, to % 2 == 0 ? 26 : 30, new);
			assert_true(sums_right(rte_pktmbuf_mtod(m, uint8_t *)));
			rte_pktmbuf_free(m);
		}
}

static void
maps_networks_and_leaves_others_alone(void **state)
{
	uint8_t frame[128];
	uint16_t n = make_ip(frame, IPPROTO_TCP, tcp, sizeof(tcp));
	struct rte_mbuf *m = buffer_of(frame, n);

	assert_int_equal(nat(false, "10.0.0.0", 0xffffff00, "192.168.7.0"), 0);
	verdict_of(m, true);
	assert_address(m, 26, "10.0.0.1");
	assert_address(m, 30, "192.168.7.2");
	memcpy(frame, rte_pktmbuf_mtod(m, uint8_t *), n);
	verdict_of(m, true); /* its destination is another one by now */
	assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *), frame, n);
	pkt_of(m)->protocol = htons(ETH_P_ARP);
	assert_int_equal(nat(false, "0.0.0.0", 0, "1.2.3.4"), 0);
	assert_int_equal(verdict_of(m, true), TC_ACT_OK);
	assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *), frame, n);
	rte_pktmbuf_free(m);
}

static void
lets_udp_without_checksum_be(void **state)
{
	uint8_t frame[128];
	uint16_t n = make_ip(frame, IPPROTO_UDP, udp, sizeof(udp));
	struct rte_mbuf *m;

	frame[40] = frame[41] = 0;
	m = buffer_of(frame, n);
	assert_int_equal(nat(true, "10.0.0.1", UINT32_MAX, "1.2.3.4"), 0);
	verdict_of(m, false);
	assert_address(m, 26, "1.2.3.4");
	assert_memory_equal(rte_pktmbuf_mtod_offset(m, uint8_t *, 40), "\0\0", 2);
	assert_true(ip_sum_right(rte_pktmbuf_mtod_offset(m, uint8_t *, 14)));
	rte_pktmbuf_free(m);
}

/* An error about a packet that was translated on its way there: what it quotes is translated back. */
static void
translates_what_errors_quote(void **state)
{
	uint8_t quoted[128], error[8 + 28] = { 3, 3 }, frame[128];
	uint16_t n;
	struct rte_mbuf *m;

	make_ip(quoted, IPPROTO_UDP, udp, sizeof(udp));
	memcpy(error + 8, quoted + 14, 28);
	n = make_ip(frame, IPPROTO_ICMP, error, sizeof(error));
	m = buffer_of(frame, n);
	/* Egress: the error's source is not the one, but the quoted destination is. */
	assert_int_equal(nat(true, "10.0.0.2", UINT32_MAX, "192.0.2.99"), 0);
	verdict_of(m, false);
	assert_address(m, 26, "10.0.0.1");
	assert_address(m, 14 + 20 + 8 + 16, "192.0.2.99");
	assert_true(ip_sum_right(rte_pktmbuf_mtod_offset(m, uint8_t *, 42)));
	assert_true(sums_right(rte_pktmbuf_mtod(m, uint8_t *)));
	rte_pktmbuf_free(m);
	/* An echo quotes nothing. */
	error[0] = 8;
	n = make_ip(frame, IPPROTO_ICMP, error, sizeof(error));
	m = buffer_of(frame, n);
	verdict_of(m, false);
	assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *), frame, n);
	rte_pktmbuf_free(m);
}

static void
knows_fragments(void **state)
{
	uint8_t frame[128];
	uint16_t n = make_ip(frame, IPPROTO_TCP, tcp, sizeof(tcp));
	struct rte_mbuf *m;

	frame[21] = 9; /* a later one: its bytes are no header */
	put_sum(frame + 24, sum_up((memset(frame + 24, 0, 2), frame + 14), 20, 0));
	m = buffer_of(frame, n);
	assert_int_equal(nat(false, "10.0.0.2", UINT32_MAX, "1.2.3.4"), 0);
	verdict_of(m, true);
	assert_address(m, 30, "1.2.3.4");
	assert_true(ip_sum_right(rte_pktmbuf_mtod_offset(m, uint8_t *, 14)));
	assert_memory_equal(rte_pktmbuf_mtod_offset(m, uint8_t *, 34), frame + 34, n - 34u);
	rte_pktmbuf_free(m);
}

static void
drops_what_is_cut_off(void **state)
{
	uint8_t frame[128];

	make_ip(frame, IPPROTO_TCP, tcp, sizeof(tcp));
	assert_int_equal(nat(false, "10.0.0.2", UINT32_MAX, "1.2.3.4"), 0);
	for (uint16_t n = 20; n < 54; n++) {
		struct rte_mbuf *m = buffer_of(frame, n);

		assert_int_equal(verdict_of(m, true), TC_ACT_SHOT);
		assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *), frame, n);
		rte_pktmbuf_free(m);
	}
	assert_int_equal(stats_of("nat").drops, 34);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(keeps_checksums_right, acting_setup, acting_teardown),
		cmocka_unit_test_setup_teardown(maps_networks_and_leaves_others_alone, acting_setup, acting_teardown),
		cmocka_unit_test_setup_teardown(lets_udp_without_checksum_be, acting_setup, acting_teardown),
		cmocka_unit_test_setup_teardown(translates_what_errors_quote, acting_setup, acting_teardown),
		cmocka_unit_test_setup_teardown(knows_fragments, acting_setup, acting_teardown),
		cmocka_unit_test_setup_teardown(drops_what_is_cut_off, acting_setup, acting_teardown),
	};

	return cmocka_run_group_tests(tests, acting_group_setup, NULL);
}
