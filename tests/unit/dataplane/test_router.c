/* SPDX-License-Identifier: BSD-3-Clause */
#include "router_world.h"

#include <net/if.h>

static struct router *
make(void **state)
{
	*state = make_router(true, 1);
	return *state;
}

static void
it_starts_with_a_loopback_and_linux_settings(void **state)
{
	struct router *router = make(state);
	struct port *lo = port_find(router, 1);

	assert_non_null(lo);
	assert_string_equal(lo->name, "lo");
	assert_int_equal(lo->mtu, 65536);
	assert_true((lo->flags & IFF_LOOPBACK) != 0 && (lo->flags & IFF_UP) == 0);
	assert_int_equal(router_settings(router)->ip_forward, 1);
	assert_int_equal(router_settings(router)->ip_default_ttl, 64);
	assert_int_equal(router_settings_default(router)->rp_filter, 0);
	assert_int_equal(lo->settings.send_redirects, 1);
	assert_int_equal(port_remove(lo, NULL), -EOPNOTSUPP);
	assert_int_equal(router_destroy(router), 0);
}

static void
bad_configurations_are_refused(void **state)
{
	struct router *router;
	struct error err;

	assert_int_equal(router_create(&(struct router_conf){ .workers = 0, .replay = true }, &router, &err), -EINVAL);
	assert_int_equal(router_create(&(struct router_conf){ .workers = 64, .replay = true }, &router, &err), -EINVAL);
	assert_int_equal(
		router_create(&(struct router_conf){ .workers = 1, .buffers = 3, .replay = true }, &router, &err),
		-EINVAL);
	assert_non_null(strstr(err.msg, "1024"));
}

static int
add(struct router *router, const char *name, const char *kind, struct error *err)
{
	return port_add(router, &(struct port_conf){ .name = name, .kind = kind }, NULL, err);
}

static void
names_are_checked_and_made_up(void **state)
{
	struct router *router = make(state);
	struct error err;

	assert_int_equal(add(router, "a/b", "dummy", &err), -EINVAL);
	assert_int_equal(add(router, "sixteenletters00", "dummy", &err), -EINVAL);
	assert_int_equal(add(router, "", "dummy", &err), -EINVAL);
	assert_int_equal(add(router, "..", "dummy", &err), -EINVAL);
	assert_int_equal(add(router, "d", "nokind", &err), -EOPNOTSUPP);
	assert_int_equal(add(router, "d0", "dummy", &err), 0);
	assert_int_equal(add(router, "d0", "dummy", &err), -EEXIST);
	assert_int_equal(add(router, "d%d", "dummy", &err), 0);
	assert_int_equal(add(router, NULL, "dummy", &err), 0);
	assert_int_equal(port_find_name(router, "d0")->ifindex, 2);
	assert_non_null(port_find_name(router, "d1"));
	assert_non_null(port_find_name(router, "dummy0"));
	assert_int_equal(port_set_name(port_find_name(router, "d1"), "d0", &err), -EEXIST);
	assert_int_equal(port_set_name(port_find_name(router, "d1"), "x", &err), 0);
	assert_non_null(port_find_name(router, "x"));
	assert_int_equal(port_remove(port_find_name(router, "x"), &err), 0);
	assert_null(port_find_name(router, "x"));
	assert_int_equal(router_destroy(router), 0);
}

static void
the_default_root_comes_with_the_first_up(void **state)
{
	struct router *router = make(state);
	struct port *eth0 = add_port(router, "eth0", "capture", NULL, 0),
		    *dummy = add_port(router, "d0", "dummy", NULL, 0);

	assert_null(sched_root(eth0->tree));
	up(eth0);
	up(dummy);
	assert_string_equal(sched_root(eth0->tree)->ops->kind, "pfifo_fast");
	assert_null(sched_root(dummy->tree));
	assert_true(port_has_carrier(eth0));
	assert_int_equal(router_destroy(router), 0);
}

static void
the_default_kind_is_asked_when_a_root_is_due(void **state)
{
	struct router *router = make(state);
	struct port *before = add_port(router, "eth0", "capture", NULL, 0),
		    *after = add_port(router, "eth1", "capture", NULL, 0),
		    *dummy = add_port(router, "d0", "dummy", NULL, 0);
	struct error err;

	up(before);
	assert_int_equal(router_set_default_qdisc(router, "nosuch", &err), -ENOENT);
	assert_string_equal(router_default_qdisc(router), "pfifo_fast");
	assert_int_equal(router_set_default_qdisc(router, "fq_codel", &err), 0);
	assert_string_equal(router_default_qdisc(router), "fq_codel");
	up(after);
	up(dummy);
	assert_string_equal(sched_root(before->tree)->ops->kind, "pfifo_fast");
	assert_string_equal(sched_root(after->tree)->ops->kind, "fq_codel");
	assert_null(sched_root(dummy->tree));
	assert_int_equal(router_destroy(router), 0);
}

static void
changes_reach_the_rib_and_bad_ones_do_not(void **state)
{
	static const uint8_t group[6] = { 1, 2, 3, 4, 5, 6 }, good[6] = { 2, 2, 3, 4, 5, 6 };
	struct router *router = make(state);
	struct port *eth0 = add_port(router, "eth0", "capture", NULL, 0);
	struct error err;

	assert_int_equal(port_set_mtu(eth0, 67, &err), -EINVAL);
	assert_int_equal(port_set_mtu(eth0, 65536, &err), -EINVAL);
	assert_int_equal(port_set_mtu(eth0, 9000, &err), 0);
	assert_int_equal(rib_link_find(router_rib(router), eth0->ifindex)->mtu, 9000);
	assert_int_equal(port_set_mac(eth0, group, &err), -EADDRNOTAVAIL);
	assert_int_equal(port_set_mac(eth0, good, &err), 0);
	assert_memory_equal(eth0->mac, good, 6);
	assert_int_equal(port_set_hook(eth0, NULL, &err), -ENOENT);
	assert_int_equal(port_set_hook(eth0, "ingress", &err), 0);
	assert_int_equal(port_set_hook(eth0, "ingress", &err), -EEXIST);
	up(eth0);
	assert_true((rib_link_find(router_rib(router), eth0->ifindex)->flags & (IFF_UP | IFF_RUNNING)) ==
		    (IFF_UP | IFF_RUNNING));
	assert_int_equal(port_set_flags(eth0, 0, IFF_UP, &err), 0);
	assert_true((rib_link_find(router_rib(router), eth0->ifindex)->flags & (IFF_UP | IFF_RUNNING)) == 0);
	assert_int_equal(router_destroy(router), 0);
}

static void
a_device_that_is_not_there_is_refused(void **state)
{
	struct router *router = make(state);
	struct error err;
	static const char *const bad[] = { "net_nosuch0", "0000:ff:1f.6", "" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const struct device_conf device = { .devargs = bad[i] };
		const struct port_conf conf = { .name = "eth9", .kind = "device", .kind_conf = &device };
		int rc = port_add(router, &conf, NULL, &err);

		if (rc == 0)
			fail_msg("\"%s\" was taken", bad[i]);
		assert_true(err.msg[0] != '\0');
		assert_null(port_find_name(router, "eth9"));
	}
	assert_int_equal(router_destroy(router), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_starts_with_a_loopback_and_linux_settings),
		cmocka_unit_test(bad_configurations_are_refused),
		cmocka_unit_test(names_are_checked_and_made_up),
		cmocka_unit_test(the_default_root_comes_with_the_first_up),
		cmocka_unit_test(the_default_kind_is_asked_when_a_root_is_due),
		cmocka_unit_test(changes_reach_the_rib_and_bad_ones_do_not),
		cmocka_unit_test(a_device_that_is_not_there_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
