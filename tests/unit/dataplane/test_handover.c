/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets on their way from one worker to another: what is known of them, and what changes meanwhile. No worker runs:
 * the test is both.
 */
#include "router_world.h"

#include <weir/action/gact.h>
#include <weir/filter/matchall.h>

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
			worker_hand_over(giver, owner, &m, 1, by_word ? (uint16_t)port->ifindex : 0, STATE_SPARE), 1);
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

/* ---- struct pkt, where nobody is likely to read it --------------------------------------------------------------- */

#define FRAMES 32 /* a burst */
#define STALE  0xee /* what the last packet in a buffer has left of its struct pkt */

struct way {
	struct router *router;
	struct port *in, *out;
	struct worker_machine *giver, *owner;
	struct rte_mbuf *pkts[FRAMES]; /* the last that were received */
};

static struct port *
add_null(struct router *router, const char *name, const char *devargs, unsigned int worker, const char *addr)
{
	struct device_conf conf = { .devargs = devargs, .pin = 1 << worker };
	struct port *port = add_port(router, name, "device", &conf, 0);

	address(port, addr, 24);
	up(port);
	return port;
}

static struct way
make_way_by(const char *devargs, unsigned int worker)
{
	struct way way = { .router = make_router(false, 2) };
	struct error err;

	way.in = add_null(way.router, "eth0", "net_null0,no-rx=1", 0, "10.0.0.1");
	way.out = add_null(way.router, "eth1", devargs, worker, "10.0.1.1");
	way.giver = way.router->workers[0];
	way.owner = way.router->workers[worker];
	assert_int_equal(way.in->owner, 0);
	assert_int_equal(way.out->owner, worker);
	struct neighbour_spec spec = { .ifindex = way.out->ifindex,
		.family = AF_INET,
		.has_lladdr = true,
		.lladdr = { 2, 0, 0, 0, 0, 9 },
		.state = NUD_PERMANENT };
	struct rib_hop hop = { .gateway_family = AF_INET, .ifindex = way.out->ifindex };
	struct rib_route route = { .dst = { .family = AF_INET, .length = 8 },
		.table = RT_TABLE_MAIN,
		.type = RTN_UNICAST,
		.hop_count = 1,
		.hops = &hop };

	inet_pton(AF_INET, "10.0.1.9", &spec.addr.v4);
	inet_pton(AF_INET, "10.0.1.9", &hop.gateway.v4);
	inet_pton(AF_INET, "20.0.0.0", &route.dst.addr.v4);
	ok(router_neighbour_set(way.router, &spec, CHANGE_CREATE | CHANGE_REPLACE, &err), &err);
	ok(rib_route_add(router_rib(way.router), &route, CHANGE_CREATE, &err), &err);
	return way;
}

static struct way
make_way(void)
{
	return make_way_by("net_null1,no-rx=1", 1);
}

/* The giver receives so many packets with this TOS, from the i-th of a burst on. */
static void
receive_part(struct way *way, uint8_t tos, unsigned int first, uint16_t n)
{
	struct rte_mbuf *burst[FRAMES];

	for (unsigned int i = first; i < first + n; i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(way->giver->w.pool);
		uint8_t *frame;

		assert_non_null(m);
		memset(pkt_of(m), STALE, sizeof(struct pkt));
		frame = (uint8_t *)rte_pktmbuf_append(m, 100);
		if (frame == NULL)
			abort();
		make_frame(frame, 100, "10.0.0.2", "20.0.0.1", i);
		memcpy(frame, way->in->mac, 6);
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(frame + RTE_ETHER_HDR_LEN);
		ip->type_of_service = tos;
		ip->hdr_checksum = 0;
		ip->hdr_checksum = rte_ipv4_cksum(ip);
		way->pkts[i] = m;
	}
	memcpy(burst, way->pkts + first, n * sizeof(burst[0]));
	worker_received(way->giver, way->in, burst, n);
}

/* A whole burst. */
static void
receive(struct way *way, uint8_t tos)
{
	receive_part(way, tos, 0, FRAMES);
}

/* While they are on the way: has anybody filled it? */
static bool
filled(const struct way *way)
{
	uint8_t stale[offsetof(struct pkt, scratch)];
	unsigned int untouched = 0;

	memset(stale, STALE, sizeof(stale));
	for (unsigned int i = 0; i < FRAMES; i++)
		untouched += memcmp(pkt_of(way->pkts[i]), stale, sizeof(stale)) == 0;
	assert_true(untouched == 0 || untouched == FRAMES);
	return untouched == 0;
}

static uint64_t
sent_by(const struct port *port)
{
	struct port_counters sum;

	port_counters_sum(port, &sum);
	return sum.tx_packets;
}

/* The owner takes up the burst that is on the way, and sends what has come to wait. */
static void
take_up(struct way *way)
{
	assert_int_equal(worker_take_up(way->owner), FRAMES);
	lane_drain(way->owner, &port_machine(way->out)->first, way->owner->w.now);
	assert_int_equal(worker_holds(way->owner), 0);
}

/* What came before has told the giver, and the receiving path, that nobody reads it. */
static void
get_unread(struct way *way)
{
	uint64_t before = sent_by(way->out);

	for (unsigned int i = 0; i < 3; i++) {
		receive(way, 0);
		take_up(way);
	}
	assert_int_equal(sent_by(way->out), before + 3ull * FRAMES);
}

static void
end(struct way *way)
{
	balanced_totals(way->router);
	assert_int_equal(router_destroy(way->router), 0);
}

static void
nobody_fills_what_nobody_reads(void **state)
{
	struct way way = make_way();

	receive(&way, 0);
	assert_true(filled(&way)); /* the owner has said nothing yet */
	take_up(&way);
	get_unread(&way);
	receive(&way, 0x10);
	assert_false(filled(&way));
	assert_int_equal(worker_holds(way.owner), FRAMES);
	take_up(&way);
	assert_int_equal(sent_by(way.out), 5 * FRAMES);
	end(&way);
}

/* Whoever reads it after all finds what there would have been. */
static void
check_filled(const struct way *way, uint32_t priority)
{
	assert_true(filled(way));
	for (unsigned int i = 0; i < FRAMES; i++) {
		const struct pkt *p = pkt_of(way->pkts[i]);

		assert_int_equal(p->in_port, way->in->ifindex);
		assert_int_equal(p->out_port, way->out->ifindex);
		assert_int_equal(p->priority, priority);
		assert_int_equal(p->mark, 0);
		assert_int_equal(p->realm, 0);
		assert_int_equal(p->tc_index, 0);
		assert_int_equal(p->vlan_tci, 0);
		assert_int_equal(p->passes, 0);
		assert_int_equal(p->protocol, RTE_BE16(RTE_ETHER_TYPE_IPV4));
		assert_int_equal(p->l3_off, 14);
		assert_int_equal(p->l4_off, 34);
	}
}

static void
a_root_that_comes_while_they_are_on_the_way_reads_it(void **state)
{
	const struct qdisc_spec spec = { .parent = TC_H_ROOT, .handle = 1 << 16, .kind = "prio" };
	struct way way = make_way();
	struct error err;

	get_unread(&way);
	receive(&way, 0x10);
	assert_false(filled(&way));
	ok(sched_qdisc_add(way.out->tree, &spec, NULL, &err), &err);
	take_up(&way);
	check_filled(&way, 6);
	/* The next ones are filled at once: the owner has said that somebody reads it. */
	receive(&way, 0x08);
	check_filled(&way, 2);
	take_up(&way);
	ok(sched_qdisc_delete(sched_root(way.out->tree), &err), &err);
	get_unread(&way);
	receive(&way, 0);
	assert_false(filled(&way));
	take_up(&way);
	assert_int_equal(sent_by(way.out), 9 * FRAMES);
	end(&way);
}

/* The owner finds both in one burst from the ring: what the giver has said of some is not written over. */
static void
filled_ones_and_others_come_together(void **state)
{
	const struct qdisc_spec spec = { .parent = TC_H_ROOT, .handle = 1 << 16, .kind = "pfifo" };
	const unsigned int part = FRAMES / 4;
	struct rte_mbuf *sent[FRAMES];
	struct way way = make_way();
	struct error err;

	get_unread(&way);
	for (unsigned int i = 0; i < FRAMES; i += part) {
		way.giver->w.unread = i / part % 2 != 0;
		receive_part(&way, 0x10, i, part);
	}
	for (unsigned int i = 0; i < FRAMES; i++) {
		struct pkt *p = pkt_of(way.pkts[i]);

		/* What nobody but the giver knows; of the others it goes. */
		p->mark = 7;
		assert_int_equal(p->priority == 6, i / part % 2 == 0);
	}
	ok(sched_qdisc_add(way.out->tree, &spec, NULL, &err), &err);
	port_machine(way.out)->first.link_free_ns = UINT64_MAX;
	assert_int_equal(worker_take_up(way.owner), FRAMES);
	for (unsigned int i = 0; i < FRAMES; i++) {
		const struct pkt *p = pkt_of(way.pkts[i]);

		assert_int_equal(p->mark, i / part % 2 == 0 ? 7 : 0);
		assert_int_equal(p->priority, 6);
		assert_int_equal(p->in_port, way.in->ifindex);
	}
	assert_int_equal(sched_dequeue(way.out->tree, sent, FRAMES, way.owner->w.now), FRAMES);
	assert_memory_equal(sent, way.pkts, sizeof(sent));
	assert_int_equal(
		sched_enqueue(way.out->tree, &(struct classify_ctx){ .now = way.owner->w.now }, sent, FRAMES), FRAMES);
	port_machine(way.out)->first.link_free_ns = 0;
	assert_int_equal(lane_drain(way.owner, &port_machine(way.out)->first, way.owner->w.now), FRAMES);
	end(&way);
}

/* Whoever owned the port gives them on, filled. */
static void
an_owner_that_changes_while_they_are_on_the_way_fills_them(void **state)
{
	struct way way = make_way();

	get_unread(&way);
	receive(&way, 0x10);
	assert_false(filled(&way));
	port_change_owner(way.out, way.giver->w.index);
	assert_int_equal(worker_take_up(way.owner), FRAMES);
	check_filled(&way, 6);
	assert_int_equal(worker_holds(way.giver), FRAMES);
	assert_int_equal(worker_take_up(way.giver), FRAMES);
	assert_int_equal(sent_by(way.out), 4 * FRAMES);
	end(&way);
}

static void
a_queue_that_forms_while_they_are_on_the_way_reads_it(void **state)
{
	struct way way = make_way();
	struct lane *lane = &port_machine(way.out)->first;

	get_unread(&way);
	receive(&way, 0);
	assert_false(filled(&way));
	lane->link_free_ns = UINT64_MAX; /* it is busy for long */
	assert_int_equal(worker_take_up(way.owner), FRAMES);
	check_filled(&way, 0);
	receive(&way, 0x10);
	check_filled(&way, 6);
	assert_int_equal(worker_take_up(way.owner), FRAMES);
	assert_int_equal(sched_backlog(way.out->tree), 2 * FRAMES);
	lane->link_free_ns = 0;
	assert_int_equal(lane_drain(way.owner, lane, way.owner->w.now), 2 * FRAMES);
	get_unread(&way);
	end(&way);
}

static void
a_filter_on_the_way_out_reads_it(void **state)
{
	const struct gact_conf drop = { .action = TC_ACT_SHOT };
	const struct action_spec action = { .kind = "gact", .conf = &drop };
	const struct matchall_conf conf = { .actions = &action, .n_actions = 1 };
	const struct filter_spec spec = { .preference = 1,
		.protocol = RTE_BE16(RTE_ETHER_TYPE_IPV4),
		.handle = 1,
		.kind = "matchall",
		.conf = &conf };
	struct way way = make_way();
	struct error err;

	get_unread(&way);
	ok(port_set_hook(way.out, "clsact", &err), &err);
	ok(chain_filter_add(way.out->egress, &spec, CHANGE_CREATE, NULL, &err), &err);
	receive(&way, 0);
	assert_true(filled(&way));
	assert_int_equal(worker_holds(way.owner), 0);
	assert_int_equal(balanced_totals(way.router).drops[DROP_FILTER], FRAMES);
	end(&way);
}

static void
a_port_that_goes_while_they_are_on_the_way_drops_them(void **state)
{
	struct way way = make_way();
	struct router_totals t;
	struct error err;

	get_unread(&way);
	receive(&way, 0);
	assert_false(filled(&way));
	port_machine(way.out)->active = false;
	take_up(&way);
	port_machine(way.out)->active = true;
	t = balanced_totals(way.router);
	assert_int_equal(t.drops[DROP_PORT_DOWN], FRAMES);
	get_unread(&way);
	receive(&way, 0);
	assert_false(filled(&way));
	ok(port_remove(way.out, &err), &err);
	t = balanced_totals(way.router);
	assert_int_equal(t.dropped, 2 * FRAMES);
	assert_int_equal(worker_holds(way.owner), 0);
	end(&way);
}

/* Its root was deleted and nothing takes its place: what the device refuses is dropped, whoever reads it. */
static void
a_port_without_queue_holds_nothing(void **state)
{
	const struct qdisc_spec spec = { .parent = TC_H_ROOT, .handle = 1 << 16, .kind = "pfifo" };
	const unsigned int bursts = 1100 / FRAMES; /* the device's ring has room for 1023 packets */
	struct way way = make_way_by("net_ring0", 0);
	struct rte_mbuf *pkts[FRAMES];
	struct router_totals t;
	struct error err;
	uint16_t n;

	ok(sched_set_default_root(way.out->tree, NULL, &err), &err);
	ok(sched_qdisc_add(way.out->tree, &spec, NULL, &err), &err);
	receive(&way, 0);
	receive(&way, 0);
	ok(sched_qdisc_delete(sched_root(way.out->tree), &err), &err);
	assert_null(sched_root(way.out->tree));
	for (unsigned int i = 2; i < bursts; i++)
		receive(&way, 0);
	t = balanced_totals(way.router);
	assert_int_equal(t.sent, 1023);
	assert_int_equal(t.drops[DROP_QUEUE_FULL], bursts * FRAMES - 1023);
	assert_int_equal(t.queued, 0);
	while ((n = way.out->ops->receive(way.out, 0, pkts, FRAMES)) != 0)
		rte_pktmbuf_free_bulk(pkts, n);
	end(&way);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_of_a_deleted_port_do_not_go_to_its_number),
		cmocka_unit_test(nobody_fills_what_nobody_reads),
		cmocka_unit_test(a_root_that_comes_while_they_are_on_the_way_reads_it),
		cmocka_unit_test(filled_ones_and_others_come_together),
		cmocka_unit_test(an_owner_that_changes_while_they_are_on_the_way_fills_them),
		cmocka_unit_test(a_queue_that_forms_while_they_are_on_the_way_reads_it),
		cmocka_unit_test(a_filter_on_the_way_out_reads_it),
		cmocka_unit_test(a_port_that_goes_while_they_are_on_the_way_drops_them),
		cmocka_unit_test(a_port_without_queue_holds_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
