/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets on their way from one worker to another when the port that they name goes. No worker runs: the test is both. */
#include "router_world.h"

#include "dataplane/machine.h"

#define PACKETS 100 /* more than a burst */

static struct port *
add_dummy(struct router *router, uint32_t ifindex)
{
	const struct port_conf conf = { .name = "d0", .kind = "dummy", .ifindex = ifindex };
	struct port *port;
	struct error err;

	ok(port_add(router, &conf, &port, &err), &err);
	up(port);
	return port;
}

static void
hand_over(struct worker *giver, struct worker_machine *owner, const struct port *port, bool by_word)
{
	for (unsigned int i = 0; i < PACKETS; i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(giver->pool);

		assert_non_null(m);
		assert_non_null(rte_pktmbuf_append(m, 64));
		*pkt_of(m) = (struct pkt){ .stage = STAGE_OUTPUT, .out_port = (uint16_t)port->ifindex };
		assert_int_equal(
			worker_hand_over(giver, owner, &m, 1, by_word ? (uint16_t)port->ifindex : 0, false), 1);
	}
}

/* A new port that is asked for under the same number gets nothing that was for the old one. */
static void
packets_of_a_deleted_port_do_not_go_to_its_number(void **state)
{
	struct router *router = make_router(false, 2);
	struct port *port = add_dummy(router, 77);
	struct worker_machine *owner = router->workers[port->owner], *giver = router->workers[1 - port->owner];
	struct port_counters sum;
	struct error err;

	hand_over(&giver->w, owner, port, true);
	hand_over(&giver->w, owner, port, false);
	assert_int_equal(worker_holds(owner), 2 * PACKETS);
	ok(port_remove(port, &err), &err);
	port = add_dummy(router, 77);
	assert_int_equal(port->ifindex, 77);
	worker_take_up(owner);
	port_counters_sum(port, &sum);
	assert_int_equal(sum.tx_packets, 0);
	assert_int_equal(owner->orphans.sink.drops[DROP_PORT_DELETED], 2 * PACKETS);
	assert_int_equal(worker_holds(owner), 0);
	/* What comes after that is the new port's. */
	hand_over(&giver->w, owner, port, true);
	worker_take_up(owner);
	port_counters_sum(port, &sum);
	assert_int_equal(sum.tx_packets, PACKETS);
	assert_int_equal(router_destroy(router), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_of_a_deleted_port_do_not_go_to_its_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
