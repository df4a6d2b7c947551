/* SPDX-License-Identifier: BSD-3-Clause */
#include <linux/if_packet.h>

#include "acting.h"

/* DS field 0xb8: EF. */
static const uint8_t frame[64] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0xb9, 0, 50 };

/* The packet after it. */
static struct pkt
edited(struct skbedit_conf conf, uint16_t flags)
{
	struct rte_mbuf *m = buffer_of(frame, sizeof(frame));
	struct pkt p;

	conf.action = TC_ACT_PIPE;
	pkt_of(m)->flags = flags;
	pkt_of(m)->mark = 0xff00;
	pkt_of(m)->priority = 3;
	assert_int_equal(act_by_one("skbedit", &conf), 0);
	assert_int_equal(verdict_of(m, true), TC_ACT_OK);
	p = *pkt_of(m);
	rte_pktmbuf_free(m);
	return p;
}

static void
sets_marks_and_priorities(void **state)
{
	struct pkt p =
		edited((struct skbedit_conf){ .set = SKBEDIT_F_MARK | SKBEDIT_F_MASK, .mark = 0x1234, .mask = 0xff },
			PKT_PLAIN);

	assert_int_equal(p.mark, 0xff34);
	assert_int_equal(p.priority, 3);
	assert_int_equal(p.flags, PKT_PLAIN); /* no byte of it was touched */
	p = edited(
		(struct skbedit_conf){ .set = SKBEDIT_F_MARK | SKBEDIT_F_PRIORITY, .mark = 7, .priority = 0x10002 }, 0);
	assert_int_equal(p.mark, 7);
	assert_int_equal(p.priority, 0x10002);
	p = edited((struct skbedit_conf){ .set = SKBEDIT_F_INHERITDSFIELD }, 0);
	assert_int_equal(p.priority, 0x2e);
	assert_int_equal(p.mark, 0xff00);
}

static void
says_whom_a_packet_is_for(void **state)
{
	static const struct {
		uint16_t type, flags;
	} types[] = {
		{ PACKET_HOST, 0 },
		{ PACKET_BROADCAST, PKT_MULTICAST },
		{ PACKET_MULTICAST, PKT_MULTICAST },
		{ PACKET_OTHERHOST, PKT_OTHER_HOST },
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct skbedit_conf conf = { .set = SKBEDIT_F_PTYPE, .packet_type = types[i].type };

		assert_int_equal(edited(conf, PKT_PLAIN).flags, types[i].flags);
		assert_int_equal(edited(conf, PKT_OTHER_HOST | PKT_GENERATED).flags, types[i].flags | PKT_GENERATED);
		assert_int_equal(edited(conf, PKT_MULTICAST).flags, types[i].flags);
	}
}

/* The queue that the action chooses for a packet of this source port. */
static uint16_t
chosen_queue(struct skbedit_conf conf, uint16_t port)
{
	uint8_t udp[64] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 50, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0,
		0, 1, 10, 0, 0, 2, (uint8_t)(port >> 8), (uint8_t)port, 0, 53 };
	struct rte_mbuf *m = buffer_of(udp, sizeof(udp));
	uint16_t queue;

	conf.action = TC_ACT_PIPE;
	assert_int_equal(act_by_one("skbedit", &conf), 0);
	assert_int_equal(verdict_of(m, true), TC_ACT_OK);
	assert_true((pkt_of(m)->flags & PKT_QUEUE) != 0);
	queue = pkt_queue(m);
	rte_pktmbuf_free(m);
	return queue;
}

static void
chooses_a_queue(void **state)
{
	const uint32_t by_hash = SKBEDIT_F_QUEUE_MAPPING | SKBEDIT_F_TXQ_SKBHASH;
	struct skbedit_conf conf = { .set = SKBEDIT_F_QUEUE_MAPPING, .queue_mapping = 65535 };
	unsigned int seen[4] = { 0 };

	assert_int_equal(chosen_queue(conf, 1000), 65535);
	assert_int_equal(edited((struct skbedit_conf){ .set = SKBEDIT_F_PRIORITY }, 0).flags & PKT_QUEUE, 0);
	/* Flows are spread, and each stays. */
	conf = (struct skbedit_conf){ .set = by_hash, .queue_mapping = 2, .queue_mapping_max = 5 };
	for (uint16_t port = 1000; port < 1400; port++) {
		uint16_t queue = chosen_queue(conf, port);

		assert_in_range(queue, 2, 5);
		assert_int_equal(chosen_queue(conf, port), queue);
		seen[queue - 2]++;
	}
	for (unsigned int i = 0; i < 4; i++)
		assert_in_range(seen[i], 60, 140);
	conf.queue_mapping_max = 1;
	conf.action = TC_ACT_PIPE;
	assert_int_equal(act_by_one("skbedit", &conf), -EINVAL);
}

static void
refuses_what_says_nothing(void **state)
{
	assert_int_equal(act_by_one("skbedit", &(struct skbedit_conf){ .action = TC_ACT_PIPE }), -EINVAL);
	assert_int_equal(
		act_by_one("skbedit", &(struct skbedit_conf){ .set = SKBEDIT_F_MASK | SKBEDIT_F_PRIORITY }), -EINVAL);
	assert_null(action_find("skbedit", 1));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(sets_marks_and_priorities, acting_setup, acting_teardown),
		cmocka_unit_test_setup_teardown(says_whom_a_packet_is_for, acting_setup, acting_teardown),
		cmocka_unit_test_setup_teardown(chooses_a_queue, acting_setup, acting_teardown),
		cmocka_unit_test_setup_teardown(refuses_what_says_nothing, acting_setup, acting_teardown),
	};

	return cmocka_run_group_tests(tests, acting_group_setup, NULL);
}
