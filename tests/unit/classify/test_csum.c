/* SPDX-License-Identifier: BSD-3-Clause */
#include <weir/action/csum.h>

#include "acting.h"
#include "sums.h"

static const uint8_t bytes[29] = { 3, 232, 0, 80, 0, 29, 0, 1, 0, 0, 0, 1, 0x50, 2, 1, 0, 9, 9, 0, 0, 'o', 'd', 'd',
	'b', 'y', 't', 'e', 's', '!' };

static int
csum(uint32_t sums)
{
	return act_by_one("csum", &(struct csum_conf){ .action = TC_ACT_PIPE, .sums = sums });
}

static const struct {
	uint8_t protocol;
	uint32_t flag;
} kinds[] = {
	{ IPPROTO_TCP, TCA_CSUM_UPDATE_FLAG_TCP },
	{ IPPROTO_UDP, TCA_CSUM_UPDATE_FLAG_UDP },
	{ IPPROTO_ICMP, TCA_CSUM_UPDATE_FLAG_ICMP },
	{ IPPROTO_IGMP, TCA_CSUM_UPDATE_FLAG_IGMP },
};

/* Whatever stood there, and only those that were asked for. */
static void
computes_what_was_asked_for(void **state)
{
	uint8_t frame[128], wrong[128];

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		uint16_t n = make_ip(frame, kinds[i].protocol, bytes, sizeof(bytes));
		struct rte_mbuf *m;

		memcpy(wrong, frame, n);
		wrong[24] ^= 0x55;
		wrong[34 + transport_sum_at(kinds[i].protocol)] ^= 0x55;
		m = buffer_of(wrong, n);
		assert_int_equal(csum(TCA_CSUM_UPDATE_FLAG_SCTP), 0);
		assert_int_equal(verdict_of(m, false), TC_ACT_OK);
		assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *), wrong, n);
		assert_int_equal(csum(TCA_CSUM_UPDATE_FLAG_IPV4HDR), 0);
		verdict_of(m, false);
		assert_true(ip_sum_right(rte_pktmbuf_mtod_offset(m, uint8_t *, 14)));
		assert_false(sums_right(rte_pktmbuf_mtod(m, uint8_t *)));
		assert_int_equal(csum(kinds[i].flag), 0);
		verdict_of(m, false);
		assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *), frame, n);
		rte_pktmbuf_free(m);
	}
}

static void
lets_fragments_and_udp_without_be(void **state)
{
	uint8_t frame[128];
	uint16_t n = make_ip(frame, IPPROTO_UDP, bytes, sizeof(bytes));
	struct rte_mbuf *m;

	frame[40] = frame[41] = 0;
	assert_int_equal(csum(TCA_CSUM_UPDATE_FLAG_UDP), 0);
	m = buffer_of(frame, n);
	verdict_of(m, false);
	assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *), frame, n);
	rte_pktmbuf_free(m);
	frame[40] = 1;
	frame[20] = 0x20; /* the first of some */
	m = buffer_of(frame, n);
	verdict_of(m, false);
	assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *), frame, n);
	rte_pktmbuf_free(m);
}

static void
knows_ipv6(void **state)
{
	/* 2001:db8::1 -> ::2, a hop-by-hop header of 8 bytes, then ICMPv6 echo; the sum is RFC 8200's by hand. */
	uint8_t frame[14 + 40 + 8 + 8] = { [12] = 0x86,
		0xdd,
		0x60,
		[19] = 16,
		0,
		64,
		[22] = 0x20,
		1,
		0x0d,
		0xb8,
		[37] = 1,
		[38] = 0x20,
		1,
		0x0d,
		0xb8,
		[53] = 2,
		[54] = 58,
		0,
		[62] = 128,
		0,
		0xee,
		0xee,
		0,
		1,
		0,
		2 };
	struct rte_mbuf *m = buffer_of(frame, sizeof(frame));
	const uint8_t *b = rte_pktmbuf_mtod(m, uint8_t *);

	pkt_of(m)->protocol = htons(ETH_P_IPV6);
	assert_int_equal(csum(TCA_CSUM_UPDATE_FLAG_ICMP), 0);
	assert_int_equal(verdict_of(m, false), TC_ACT_OK);
	assert_int_equal(sum_up(b + 62, 8, sum_up(b + 22, 32, 8 + 58)), 0xffff);
	assert_memory_equal(b, frame, 64);
	rte_pktmbuf_free(m);
}

/* RFC 9260, appendix A: the CRC32c, its bytes from the lowest on. */
static void
knows_sctp(void **state)
{
	static const uint8_t packet[12] = { '1', '2', '3', '4', '5', '6', '7', '8' };
	uint8_t frame[128];
	uint16_t n = make_ip(frame, IPPROTO_SCTP, packet, sizeof(packet));
	struct rte_mbuf *m;
	uint32_t crc = UINT32_MAX;

	memcpy(frame + 34, packet, sizeof(packet));
	m = buffer_of(frame, n);
	for (size_t i = 0; i < sizeof(packet); i++) /* bit by bit, as the polynomial 0x1edc6f41 has it, reflected */
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (((crc ^ (uint32_t)(packet[i] >> bit)) & 1) != 0 ? 0x82f63b78 : 0);
	crc = ~crc;
	assert_int_equal(csum(TCA_CSUM_UPDATE_FLAG_SCTP), 0);
	assert_int_equal(verdict_of(m, false), TC_ACT_OK);
	assert_memory_equal(rte_pktmbuf_mtod_offset(m, uint8_t *, 34 + 8), &crc, 4);
	rte_pktmbuf_free(m);
}

static void
drops_what_is_cut_off(void **state)
{
	uint8_t frame[128];
	struct rte_mbuf *m;

	make_ip(frame, IPPROTO_TCP, bytes, sizeof(bytes));
	assert_int_equal(csum(TCA_CSUM_UPDATE_FLAG_TCP), 0);
	for (uint16_t n = 20; n < 34 + sizeof(bytes); n++) {
		m = buffer_of(frame, n);
		assert_int_equal(verdict_of(m, false), TC_ACT_SHOT);
		rte_pktmbuf_free(m);
	}
	assert_int_equal(stats_of("csum").drops, 14 + sizeof(bytes));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(computes_what_was_asked_for, acting_setup, acting_teardown),
		cmocka_unit_test_setup_teardown(lets_fragments_and_udp_without_be, acting_setup, acting_teardown),
		cmocka_unit_test_setup_teardown(knows_ipv6, acting_setup, acting_teardown),
		cmocka_unit_test_setup_teardown(knows_sctp, acting_setup, acting_teardown),
		cmocka_unit_test_setup_teardown(drops_what_is_cut_off, acting_setup, acting_teardown),
	};

	return cmocka_run_group_tests(tests, acting_group_setup, NULL);
}
