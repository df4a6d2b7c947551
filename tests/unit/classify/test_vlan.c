/* SPDX-License-Identifier: BSD-3-Clause */
#include <weir/action/vlan.h>

#include "acting.h"

static const uint8_t plain[64] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 50 };
static const uint8_t tagged[68] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x81, 0, 0x60, 5, 8, 0, 0x45, 0, 0, 50 };

static int
vlan(struct vlan_conf conf)
{
	if (conf.protocol == 0)
		conf.protocol = htons(ETH_P_8021Q);
	conf.action = TC_ACT_PIPE;
	return act_by_one("vlan", &conf);
}

/* As parsing leaves it: the network header behind the tag, the tag's type for a protocol. */
static struct rte_mbuf *
tagged_packet(void)
{
	struct rte_mbuf *m = buffer_of(tagged, sizeof(tagged));

	*pkt_of(m) = (struct pkt){
		.in_port = 2, .l3_off = 18, .l4_off = 38, .protocol = htons(ETH_P_8021Q), .vlan_tci = 0x6005
	};
	return m;
}

static void
assert_packet(struct rte_mbuf *m, const void *bytes, uint32_t n, uint8_t l3_off, uint16_t protocol, uint16_t tci)
{
	assert_int_equal(m->pkt_len, n);
	assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *), bytes, n);
	assert_int_equal(pkt_of(m)->l3_off, l3_off);
	assert_int_equal(pkt_of(m)->l4_off, l3_off + 20);
	assert_int_equal(pkt_of(m)->protocol, htons(protocol));
	assert_int_equal(pkt_of(m)->vlan_tci, tci);
	assert_int_equal(pkt_of(m)->flags & PKT_PLAIN, 0);
}

static void
pushes(void **state)
{
	struct rte_mbuf *m = buffer_of(plain, sizeof(plain));

	assert_int_equal(
		vlan((struct vlan_conf){ .what = TCA_VLAN_ACT_PUSH, .id = 5, .priority = 3, .has_priority = true }), 0);
	assert_int_equal(verdict_of(m, false), TC_ACT_OK);
	assert_packet(m, tagged, sizeof(tagged), 18, ETH_P_8021Q, 0x6005);
	/* A second one is the outer one. */
	assert_int_equal(
		vlan((struct vlan_conf){ .what = TCA_VLAN_ACT_PUSH, .id = 0x123, .protocol = htons(ETH_P_8021AD) }), 0);
	assert_int_equal(verdict_of(m, false), TC_ACT_OK);
	assert_memory_equal(rte_pktmbuf_mtod_offset(m, uint8_t *, 12), "\x88\xa8\x01\x23\x81\x00\x60\x05\x08\x00", 10);
	assert_int_equal(pkt_of(m)->l3_off, 22);
	rte_pktmbuf_free(m);
}

static void
pops_what_is_there(void **state)
{
	struct rte_mbuf *m = tagged_packet();

	assert_int_equal(vlan((struct vlan_conf){ .what = TCA_VLAN_ACT_POP }), 0);
	assert_int_equal(verdict_of(m, true), TC_ACT_OK);
	assert_packet(m, plain, sizeof(plain), 14, ETH_P_IP, 0);
	assert_int_equal(verdict_of(m, true), TC_ACT_OK); /* no tag: nothing to do */
	assert_packet(m, plain, sizeof(plain), 14, ETH_P_IP, 0);
	rte_pktmbuf_free(m);
}

static void
modifies_id_and_if_told_priority(void **state)
{
	struct rte_mbuf *m = tagged_packet();

	assert_int_equal(vlan((struct vlan_conf){ .what = TCA_VLAN_ACT_MODIFY, .id = 9 }), 0);
	verdict_of(m, true);
	assert_int_equal(pkt_of(m)->vlan_tci, 0x6009);
	assert_int_equal(
		vlan((struct vlan_conf){ .what = TCA_VLAN_ACT_MODIFY, .id = 9, .priority = 1, .has_priority = true }),
		0);
	verdict_of(m, true);
	assert_memory_equal(rte_pktmbuf_mtod_offset(m, uint8_t *, 12), "\x81\x00\x20\x09\x08\x00", 6);
	rte_pktmbuf_free(m);
	m = buffer_of(plain, sizeof(plain));
	verdict_of(m, true);
	assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *), plain, sizeof(plain));
	rte_pktmbuf_free(m);
}

static void
takes_and_gives_ethernet_headers(void **state)
{
	struct rte_mbuf *m = buffer_of(plain, sizeof(plain));

	assert_int_equal(vlan((struct vlan_conf){ .what = TCA_VLAN_ACT_POP_ETH }), 0);
	assert_int_equal(verdict_of(m, false), TC_ACT_OK);
	assert_packet(m, plain + 14, sizeof(plain) - 14, 0, ETH_P_IP, 0);
	assert_int_equal(verdict_of(m, false), TC_ACT_SHOT); /* none left */
	assert_int_equal(stats_of("vlan").drops, 1);
	assert_int_equal(vlan((struct vlan_conf){ .what = TCA_VLAN_ACT_PUSH_ETH,
				 .dst_mac = { 2, 0, 0, 0, 0, 2 },
				 .src_mac = { 2, 0, 0, 0, 0, 1 } }),
		0);
	assert_int_equal(verdict_of(m, false), TC_ACT_OK);
	assert_packet(m, plain, sizeof(plain), 14, ETH_P_IP, 0);
	rte_pktmbuf_free(m);
	m = tagged_packet();
	assert_int_equal(verdict_of(m, false), TC_ACT_SHOT);
	rte_pktmbuf_free(m);
}

static void
drops_what_has_no_room(void **state)
{
	struct rte_mbuf *m = buffer_of(plain, sizeof(plain));

	assert_non_null(rte_pktmbuf_prepend(m, rte_pktmbuf_headroom(m)));
	assert_int_equal(vlan((struct vlan_conf){ .what = TCA_VLAN_ACT_PUSH, .id = 5 }), 0);
	assert_int_equal(verdict_of(m, false), TC_ACT_SHOT);
	rte_pktmbuf_free(m);
}

static void
refuses(void **state)
{
	assert_int_equal(vlan((struct vlan_conf){ .what = 0 }), -EINVAL);
	assert_int_equal(vlan((struct vlan_conf){ .what = 6 }), -EINVAL);
	assert_refused(vlan((struct vlan_conf){ .what = TCA_VLAN_ACT_PUSH, .id = 4096 }), err, ERANGE,
		"vlan: id 4096; give 0 to 4095");
	assert_refused(vlan((struct vlan_conf){ .what = TCA_VLAN_ACT_PUSH, .protocol = htons(0x1234) }), err,
		EPROTONOSUPPORT, "vlan: protocol 0x1234; 802.1Q or 802.1ad is wanted");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(pushes, acting_setup, acting_teardown),
		cmocka_unit_test_setup_teardown(pops_what_is_there, acting_setup, acting_teardown),
		cmocka_unit_test_setup_teardown(modifies_id_and_if_told_priority, acting_setup, acting_teardown),
		cmocka_unit_test_setup_teardown(takes_and_gives_ethernet_headers, acting_setup, acting_teardown),
		cmocka_unit_test_setup_teardown(drops_what_has_no_room, acting_setup, acting_teardown),
		cmocka_unit_test_setup_teardown(refuses, acting_setup, acting_teardown),
	};

	return cmocka_run_group_tests(tests, acting_group_setup, NULL);
}
