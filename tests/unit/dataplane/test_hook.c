/* SPDX-License-Identifier: BSD-3-Clause */
/* The qdiscs ingress and clsact of a whole router: what they count, drop and leave behind in packets that pass. */
#include <linux/pkt_cls.h>

#include <weir/action/gact.h>
#include <weir/action/skbedit.h>
#include <weir/filter/fw.h>
#include <weir/filter/tcindex.h>
#include <weir/filter/u32.h>
#include <weir/qdisc/prio.h>

#include "router_world.h"

#define START      1000000000000000000ull
#define COUNT      200
#define GAP_NS     10000000
#define PER_SECOND 100
#define BYTES      200

static const char path[] = "weir-test-hook.pcap";

struct world {
	struct router *router;
	struct port *in, *out;
};

/* COUNT packets from eth0 to a dummy whose root is prio with 16 bands. */
static int
setup(void **state)
{
	static const struct prio_conf bands = { .bands = 16 };
	static const struct qdisc_spec prio = {
		.parent = TC_H_ROOT, .handle = 1 << 16, .kind = "prio", .conf = &bands
	};
	struct world *world = calloc(1, sizeof(*world));
	struct writer c = open_capture(path, DLT_EN10MB);
	struct error err;

	assert_non_null(world);
	for (uint32_t i = 0; i < COUNT; i++)
		udp_record(c, START + i * GAP_NS, BYTES, "10.9.0.9", i);
	fclose(c.file);
	world->router = make_router(true, 1);
	world->in = add_port(world->router, "eth0", "capture", &(struct capture_conf){ .in = path }, 0);
	world->out = add_port(world->router, "d0", "dummy", NULL, 0);
	address(world->in, "10.0.0.1", 24);
	address(world->out, "10.9.0.1", 24);
	up(world->in);
	up(world->out);
	ok(sched_qdisc_add(world->out->tree, &prio, NULL, &err), &err);
	*state = world;
	return 0;
}

static int
teardown(void **state)
{
	struct world *world = *state;
	unsigned int lost = router_destroy(world->router);

	unlink(path);
	free(world);
	return lost == 0 ? 0 : -1;
}

static void
hook(struct port *port, const char *kind)
{
	struct error err = { 0 };

	ok(port_set_hook(port, kind, &err), &err);
}

static void
add(struct chain *chain, const char *kind, uint32_t handle, const void *conf)
{
	struct filter_spec spec = {
		.preference = 1, .protocol = RTE_BE16(RTE_ETHER_TYPE_IPV4), .handle = handle, .kind = kind, .conf = conf
	};
	struct error err = { 0 };

	ok(chain_filter_add(chain, &spec, CHANGE_CREATE, NULL, &err), &err);
}

/* match u32 0 0 flowid CLASSID action ... */
static void
match_all(struct chain *chain, uint32_t classid, const struct action_spec *action)
{
	struct u32_key key = { 0 };
	struct u32_conf conf = { .has_selector = true,
		.selector_flags = TC_U32_TERMINAL,
		.n_keys = 1,
		.keys = &key,
		.has_classid = true,
		.classid = classid,
		.actions = action,
		.n_actions = action != NULL };

	add(chain, "u32", 0, &conf);
}

static void
take_class_from_tc_index(struct port *port)
{
	struct tcindex_conf conf = { .has_mask = true, .mask = 0xff };
	struct error err = { 0 };

	add(sched_chain(port->tree, 1 << 16, &err), "tcindex", 0, &conf);
	sched_chain_changed(port->tree);
}

static void
run(struct world *world)
{
	struct replay_conf conf = { 0 };
	struct error err;

	ok(replay_run(world->router, &conf, &err), &err);
	assert_int_equal(balanced_totals(world->router).received, COUNT);
}

static uint64_t
sent_by(const struct port *port, uint32_t minor)
{
	struct sched_stats stats;

	class_get_stats(sched_class_find(sched_root(port->tree), 1 << 16 | minor), &stats);
	return stats.packets;
}

static uint64_t
dropped(const struct world *world)
{
	struct router_totals t;

	router_totals(world->router, &t);
	return t.drops[DROP_FILTER];
}

static void
assert_counts(const struct port *port, uint64_t packets, uint64_t bytes, uint64_t drops)
{
	struct sched_stats stats;

	port_hook_stats(port, &stats);
	assert_int_equal(stats.packets, packets);
	assert_int_equal(stats.bytes, bytes);
	assert_int_equal(stats.drops, drops);
}

static void
counts_nothing_without_filters(void **state)
{
	struct world *world = *state;

	hook(world->in, "clsact");
	hook(world->out, "clsact");
	run(world);
	assert_counts(world->in, 0, 0, 0);
	assert_counts(world->out, 0, 0, 0);
	assert_int_equal(sent_by(world->out, 1), COUNT);
}

/* tc_index is the minor of the class that an ingress filter names: here a tcindex filter of the tree goes by it. */
static void
ingress_leaves_the_class_in_tc_index(void **state)
{
	struct world *world = *state;

	hook(world->in, "ingress");
	match_all(world->in->ingress, 0x70005, NULL);
	take_class_from_tc_index(world->out);
	run(world);
	assert_counts(world->in, COUNT, COUNT * (BYTES - 14), 0); /* from the network header on */
	assert_int_equal(sent_by(world->out, 5), COUNT);
}

static void
ingress_drops_and_counts_what_it_drops(void **state)
{
	struct gact_conf drop = { .action = TC_ACT_SHOT };
	struct world *world = *state;

	hook(world->in, "clsact");
	match_all(world->in->ingress, 0, &(struct action_spec){ .kind = "gact", .conf = &drop });
	run(world);
	assert_counts(world->in, COUNT, COUNT * (BYTES - 14), COUNT);
	assert_int_equal(dropped(world), COUNT);
	assert_int_equal(sent_by(world->out, 1), 0);
}

static void
egress_drops_before_the_tree(void **state)
{
	struct gact_conf drop = { .action = TC_ACT_SHOT };
	struct world *world = *state;
	struct sched_stats stats;

	hook(world->out, "clsact");
	match_all(world->out->egress, 0, &(struct action_spec){ .kind = "gact", .conf = &drop });
	run(world);
	assert_counts(world->out, COUNT, COUNT * BYTES, COUNT);
	assert_int_equal(dropped(world), COUNT);
	qdisc_get_stats(sched_root(world->out->tree), &stats);
	assert_int_equal(stats.packets + stats.drops, 0);
}

static void
egress_marks_are_seen_by_the_tree(void **state)
{
	struct skbedit_conf priority = { .set = SKBEDIT_F_PRIORITY, .action = TC_ACT_OK, .priority = 0x10003 };
	struct world *world = *state;

	hook(world->out, "clsact");
	match_all(world->out->egress, 7, &(struct action_spec){ .kind = "skbedit", .conf = &priority });
	run(world);
	assert_counts(world->out, COUNT, COUNT * BYTES, 0);
	assert_int_equal(sent_by(world->out, 3), COUNT);
}

static void
egress_sets_tc_index_too(void **state)
{
	struct world *world = *state;

	hook(world->out, "clsact");
	match_all(world->out->egress, 7, NULL);
	take_class_from_tc_index(world->out);
	run(world);
	assert_int_equal(sent_by(world->out, 7), COUNT);
}

static void
averages_what_it_sees(void **state)
{
	const struct tc_estimator quarter = { .interval = -2, .ewma_log = 1 }, bad = { .interval = 9, .ewma_log = 1 };
	struct gact_conf pass = { .action = TC_ACT_OK };
	struct world *world = *state;
	struct error err;

	hook(world->in, "ingress");
	assert_false(port_hook_rate(world->in).set);
	assert_int_equal(port_estimate_hook(world->in, &bad, &err), -EINVAL);
	assert_null(port_hook_estimator(world->in));
	ok(port_estimate_hook(world->in, &quarter, &err), &err);
	match_all(world->in->ingress, 0, &(struct action_spec){ .kind = "gact", .conf = &pass });
	run(world);
	struct sched_rate rate = port_hook_rate(world->in);
	/* After n quarters of a second it is within 2^-n. */
	assert_true(rate.set);
	assert_in_range(rate.pps, PER_SECOND * 9 / 10, PER_SECOND);
	assert_in_range(rate.Bps, rate.pps * (BYTES - 14), (rate.pps + 1) * (BYTES - 14));
	/* Another one goes on from there. */
	ok(port_estimate_hook(world->in, &quarter, &err), &err);
	assert_int_equal(port_hook_rate(world->in).pps, rate.pps);
	assert_counts(world->in, COUNT, COUNT * (BYTES - 14), 0);
}

/* A hook sees only what passes it, and the counts of an earlier one are gone. */
static void
there_is_one_hook_qdisc_at_a_time(void **state)
{
	struct world *world = *state;
	struct error err;

	assert_int_equal(port_set_hook(world->in, NULL, &err), -ENOENT);
	hook(world->in, "ingress");
	assert_string_equal(port_hook_kind(world->in), "ingress");
	assert_null(world->in->egress);
	assert_int_equal(port_set_hook(world->in, "clsact", &err), -EEXIST);
	match_all(world->in->ingress, 5, NULL);
	run(world);
	assert_counts(world->in, COUNT, COUNT * (BYTES - 14), 0);
	hook(world->in, NULL);
	assert_null(port_hook_kind(world->in));
	assert_null(world->in->ingress);
	hook(world->in, "clsact");
	assert_counts(world->in, 0, 0, 0);
	assert_true(chain_empty(world->in->ingress));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(counts_nothing_without_filters, setup, teardown),
		cmocka_unit_test_setup_teardown(ingress_leaves_the_class_in_tc_index, setup, teardown),
		cmocka_unit_test_setup_teardown(ingress_drops_and_counts_what_it_drops, setup, teardown),
		cmocka_unit_test_setup_teardown(egress_drops_before_the_tree, setup, teardown),
		cmocka_unit_test_setup_teardown(egress_marks_are_seen_by_the_tree, setup, teardown),
		cmocka_unit_test_setup_teardown(egress_sets_tc_index_too, setup, teardown),
		cmocka_unit_test_setup_teardown(averages_what_it_sees, setup, teardown),
		cmocka_unit_test_setup_teardown(there_is_one_hook_qdisc_at_a_time, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
