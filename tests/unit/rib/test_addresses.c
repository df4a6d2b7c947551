/* SPDX-License-Identifier: BSD-3-Clause */
/* Addresses and the routes that come and go with them, as Linux 6.1 listed them after the same commands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ip.h"

static int
set_up(void **state)
{
	struct rib *rib;
	struct error err;

	assert_int_equal(rib_create(NULL, &rib, &err), 0);
	ip_script(rib, "link lo 1 up loopback mtu 65536\n"
		       "link eth0 3 down\n"
		       "link eth1 4 down\n"
		       "address add 127.0.0.1/8 scope 254 dev 1\n");
	*state = rib;
	return 0;
}

static int
tear_down(void **state)
{
	rib_destroy(*state);
	return 0;
}

static void
a_link_that_is_down_has_but_its_local_routes(void **state)
{
	ip_script(*state, "address add 10.0.0.1/8 dev 3\n");
	assert_string_equal(ip_routes(*state, AF_INET, 0),
		"local 10.0.0.1 dev eth0 table local proto kernel scope host src 10.0.0.1\n"
		"local 127.0.0.0/8 dev lo table local proto kernel scope host src 127.0.0.1\n"
		"local 127.0.0.1 dev lo table local proto kernel scope host src 127.0.0.1\n"
		"broadcast 127.255.255.255 dev lo table local proto kernel scope link src 127.0.0.1\n");
	ip_script(*state, "link eth0 3 up\n"
			  "address add 10.0.0.1/8 brd + dev 3\n"
			  "! EEXIST\n"
			  "address add 10.0.0.1/16 dev 3\n");
	assert_string_equal(ip_routes(*state, AF_INET, 0),
		"10.0.0.0/16 dev eth0 proto kernel scope link src 10.0.0.1\n"
		"10.0.0.0/8 dev eth0 proto kernel scope link src 10.0.0.1\n"
		"local 10.0.0.1 dev eth0 table local proto kernel scope host src 10.0.0.1\n"
		"broadcast 10.0.255.255 dev eth0 table local proto kernel scope link src 10.0.0.1\n"
		"broadcast 10.255.255.255 dev eth0 table local proto kernel scope link src 10.0.0.1\n"
		"local 127.0.0.0/8 dev lo table local proto kernel scope host src 127.0.0.1\n"
		"local 127.0.0.1 dev lo table local proto kernel scope host src 127.0.0.1\n"
		"broadcast 127.255.255.255 dev lo table local proto kernel scope link src 127.0.0.1\n");
}

static const char many_addresses[] = "link eth0 3 up\n"
				     "address add 10.0.0.1/16 dev 3\n"
				     "address add 10.0.0.1/8 brd + dev 3\n"
				     "address add 10.0.0.2/8 dev 3\n"
				     "address add 10.0.0.3/8 brd 10.9.9.9 dev 3\n"
				     "address add 10.0.1.1/24 scope 253 dev 3\n"
				     "address add 10.0.1.2/24 noprefixroute dev 3\n"
				     "! EINVAL\n"
				     "address add 10.0.2.2/24 noprefixroute brd + dev 3\n"
				     "address add 10.3.0.1/31 brd + dev 3\n"
				     "address add 10.4.0.1/32 brd + dev 3\n"
				     "address add 10.5.0.1 peer 10.6.0.1 dev 3\n"
				     "address add 10.5.0.2 peer 10.6.1.1/24 dev 3\n"
				     "address add 10.7.0.1/30 brd + metric 50 dev 3\n"
				     "address add 10.8.0.1/0 dev 3\n"
				     "address add 10.0.0.1/24 dev 4\n"
				     "address add 127.0.0.5/8 scope 254 dev 1\n"
				     "address add 5.5.5.5/32 dev 1\n"
				     "address add 6.6.6.6/24 brd + dev 1\n";

static const char local_while_up[] = "local 5.5.5.5 dev lo proto kernel scope host src 5.5.5.5\n"
				     "local 6.6.6.0/24 dev lo proto kernel scope host src 6.6.6.6\n"
				     "local 6.6.6.6 dev lo proto kernel scope host src 6.6.6.6\n"
				     "broadcast 6.6.6.255 dev lo proto kernel scope link src 6.6.6.6\n"
				     "local 10.0.0.1 dev eth0 proto kernel scope host src 10.0.0.1\n"
				     "local 10.0.0.1 dev eth1 proto kernel scope host src 10.0.0.1\n"
				     "local 10.0.0.2 dev eth0 proto kernel scope host src 10.0.0.1\n"
				     "local 10.0.0.3 dev eth0 proto kernel scope host src 10.0.0.1\n"
				     "local 10.0.1.1 dev eth0 proto kernel scope host src 10.0.1.1\n"
				     "broadcast 10.0.1.255 dev eth0 proto kernel scope link src 10.0.1.1\n"
				     "local 10.0.2.2 dev eth0 proto kernel scope host src 10.0.2.2\n"
				     "broadcast 10.0.2.255 dev eth0 proto kernel scope link src 10.0.2.2\n"
				     "broadcast 10.0.255.255 dev eth0 proto kernel scope link src 10.0.0.1\n"
				     "local 10.3.0.1 dev eth0 proto kernel scope host src 10.3.0.1\n"
				     "local 10.4.0.1 dev eth0 proto kernel scope host src 10.4.0.1\n"
				     "local 10.5.0.1 dev eth0 proto kernel scope host src 10.5.0.1\n"
				     "local 10.5.0.2 dev eth0 proto kernel scope host src 10.5.0.2\n"
				     "broadcast 10.6.1.255 dev eth0 proto kernel scope link src 10.5.0.2\n"
				     "local 10.7.0.1 dev eth0 proto kernel scope host src 10.7.0.1\n"
				     "broadcast 10.7.0.3 dev eth0 proto kernel scope link src 10.7.0.1\n"
				     "local 10.8.0.1 dev eth0 proto kernel scope host src 10.8.0.1\n"
				     "broadcast 10.9.9.9 dev eth0 proto kernel scope link src 10.0.0.1\n"
				     "broadcast 10.255.255.255 dev eth0 proto kernel scope link src 10.0.0.1\n"
				     "local 127.0.0.0/8 dev lo proto kernel scope host src 127.0.0.1\n"
				     "local 127.0.0.1 dev lo proto kernel scope host src 127.0.0.1\n"
				     "local 127.0.0.5 dev lo proto kernel scope host src 127.0.0.1\n"
				     "broadcast 127.255.255.255 dev lo proto kernel scope link src 127.0.0.1\n";

static const char main_while_up[] = "10.0.0.0/16 dev eth0 proto kernel scope link src 10.0.0.1\n"
				    "10.0.0.0/8 dev eth0 proto kernel scope link src 10.0.0.1\n"
				    "10.0.1.0/24 dev eth0 proto kernel scope link src 10.0.1.1\n"
				    "10.3.0.0/31 dev eth0 proto kernel scope link src 10.3.0.1\n"
				    "10.6.0.1 dev eth0 proto kernel scope link src 10.5.0.1\n"
				    "10.6.1.0/24 dev eth0 proto kernel scope link src 10.5.0.2\n"
				    "10.7.0.0/30 dev eth0 proto kernel scope link src 10.7.0.1 metric 50\n";

static void
every_kind_of_address_has_linuxs_routes(void **state)
{
	ip_script(*state, many_addresses);
	assert_string_equal(ip_addresses(*state, AF_INET), "1: 127.0.0.1/8\n"
							   "1: 5.5.5.5/32\n"
							   "1: 6.6.6.6/24 brd 6.6.6.255\n"
							   "1: 127.0.0.5/8 secondary\n"
							   "3: 10.0.1.1/24\n"
							   "3: 10.0.0.1/16\n"
							   "3: 10.0.0.1/8 brd 10.255.255.255\n"
							   "3: 10.0.2.2/24 brd 10.0.2.255\n"
							   "3: 10.3.0.1/31\n"
							   "3: 10.4.0.1/32\n"
							   "3: 10.5.0.1 peer 10.6.0.1/32\n"
							   "3: 10.5.0.2 peer 10.6.1.1/24\n"
							   "3: 10.7.0.1/30 brd 10.7.0.3\n"
							   "3: 10.8.0.1/0\n"
							   "3: 10.0.0.2/8 secondary\n"
							   "3: 10.0.0.3/8 brd 10.9.9.9 secondary\n"
							   "4: 10.0.0.1/24\n");
	assert_string_equal(ip_routes(*state, AF_INET, RT_TABLE_LOCAL), local_while_up);
	assert_string_equal(ip_routes(*state, AF_INET, RT_TABLE_MAIN), main_while_up);
}

static void
down_and_up_again_restores_all(void **state)
{
	ip_script(*state, many_addresses);
	ip_script(*state, "route add default via 10.3.0.0\nlink eth0 3 down\n");
	assert_string_equal(ip_routes(*state, AF_INET, RT_TABLE_MAIN), "");
	assert_null(strstr(ip_routes(*state, AF_INET, RT_TABLE_LOCAL), "broadcast 10."));
	assert_non_null(strstr(ip_routes(*state, AF_INET, RT_TABLE_LOCAL), "local 10.8.0.1 dev eth0"));
	ip_script(*state, "link eth0 3 up\n");
	assert_string_equal(ip_routes(*state, AF_INET, RT_TABLE_LOCAL), local_while_up);
	assert_string_equal(ip_routes(*state, AF_INET, RT_TABLE_MAIN), main_while_up);
}

static void
a_primary_takes_its_secondaries_along(void **state)
{
	ip_script(*state, many_addresses);
	ip_script(*state, "address del 10.0.0.1/8 dev 3\n"
			  "address del 10.0.0.1 dev 4\n"
			  "address del 10.5.0.2 dev 3\n"
			  "address del 10.5.0.2/24 dev 3\n"
			  "! EADDRNOTAVAIL\n");
	assert_string_equal(ip_routes(*state, AF_INET, RT_TABLE_MAIN),
		"10.0.0.0/16 dev eth0 proto kernel scope link src 10.0.0.1\n"
		"10.0.1.0/24 dev eth0 proto kernel scope link src 10.0.1.1\n"
		"10.3.0.0/31 dev eth0 proto kernel scope link src 10.3.0.1\n"
		"10.6.0.1 dev eth0 proto kernel scope link src 10.5.0.1\n"
		"10.7.0.0/30 dev eth0 proto kernel scope link src 10.7.0.1 metric 50\n");
	assert_null(strstr(ip_addresses(*state, AF_INET), "10.0.0.3"));
	assert_non_null(strstr(ip_routes(*state, AF_INET, RT_TABLE_LOCAL), "local 10.0.0.1 dev eth0"));
	assert_null(strstr(ip_routes(*state, AF_INET, RT_TABLE_LOCAL), "local 10.0.0.1 dev eth1"));
	assert_null(strstr(ip_routes(*state, AF_INET, RT_TABLE_LOCAL), "10.0.0.2"));
	assert_null(strstr(ip_routes(*state, AF_INET, RT_TABLE_LOCAL), "10.9.9.9"));
}

static void
an_address_takes_the_routes_it_was_the_source_of(void **state)
{
	ip_script(*state, many_addresses);
	ip_script(*state, "address add 10.7.0.9/30 dev 3\n"
			  "route add 50.0.0.0/8 via 10.7.0.2 src 10.7.0.1\n"
			  "route add 51.0.0.0/8 via 10.7.0.10 src 10.7.0.1\n"
			  "route add 52.0.0.0/8 via 10.7.0.10\n"
			  "address del 10.7.0.1/30 dev 3\n");
	assert_null(strstr(ip_routes(*state, AF_INET, RT_TABLE_MAIN), "50.0.0.0"));
	assert_null(strstr(ip_routes(*state, AF_INET, RT_TABLE_MAIN), "51.0.0.0"));
	assert_non_null(strstr(ip_routes(*state, AF_INET, RT_TABLE_MAIN), "52.0.0.0"));
}

static void
odd_addresses_are_taken_as_linux_takes_them(void **state)
{
	ip_script(*state, "link eth0 3 up\n"
			  "address add 0.0.0.0/8 dev 3\n"
			  "address add 224.0.0.1/8 dev 3\n"
			  "address add 255.255.255.255/8 dev 3\n"
			  "address add 11.0.0.1/8 dev 99\n"
			  "! ENODEV\n"
			  "address del 10.9.9.9/8 dev 3\n"
			  "! EADDRNOTAVAIL\n");
	assert_string_equal(ip_routes(*state, AF_INET, RT_TABLE_MAIN), "");
	assert_string_equal(ip_routes(*state, AF_INET, RT_TABLE_LOCAL),
		"local 127.0.0.0/8 dev lo proto kernel scope host src 127.0.0.1\n"
		"local 127.0.0.1 dev lo proto kernel scope host src 127.0.0.1\n"
		"broadcast 127.255.255.255 dev lo proto kernel scope link src 127.0.0.1\n"
		"local 224.0.0.1 dev eth0 proto kernel scope host src 224.0.0.1\n"
		"local 255.255.255.255 dev eth0 proto kernel scope host src 255.255.255.255\n");
}

static void
replace_changes_the_connected_routes_metric(void **state)
{
	ip_script(*state, "link eth0 3 up\naddress add 10.7.0.1/30 metric 50 dev 3\naddress replace 10.7.0.1/30 metric "
			  "60 dev 3\n");
	assert_string_equal(ip_routes(*state, AF_INET, RT_TABLE_MAIN),
		"10.7.0.0/30 dev eth0 proto kernel scope link src 10.7.0.1 metric 60\n");
	ip_script(*state, "address replace 10.7.0.1/30 dev 3\n");
	assert_string_equal(ip_routes(*state, AF_INET, RT_TABLE_MAIN),
		"10.7.0.0/30 dev eth0 proto kernel scope link src 10.7.0.1\n");
}

static void
sources_are_selected_near_the_destination(void **state)
{
	struct ip_addr to, source;
	uint8_t family;

	ip_script(*state, many_addresses);
	to = ip_parse("10.7.0.2", &family);
	assert_true(rib_address_select(*state, 3, AF_INET, &to, &source));
	/* The first whose subnet holds it, as Linux goes, not the one with the longest prefix. */
	assert_true(ip_addr_equal(&source, &(struct ip_addr){ .bytes = { 10, 0, 0, 1 } }));
	to = ip_parse("8.8.8.8", &family);
	assert_true(rib_address_select(*state, 1, AF_INET, &to, &source));
	assert_true(ip_addr_equal(&source, &(struct ip_addr){ .bytes = { 5, 5, 5, 5 } }));
	/* A link without addresses borrows the first that is known elsewhere, in order of links. */
	assert_true(rib_address_select(*state, 2, AF_INET, NULL, &source));
	assert_true(ip_addr_equal(&source, &(struct ip_addr){ .bytes = { 5, 5, 5, 5 } }));
	assert_false(rib_address_select(*state, 3, AF_INET6, NULL, &source));
	assert_true(rib_address_is_local(*state, 0, AF_INET, &(struct ip_addr){ .bytes = { 10, 0, 0, 3 } }));
	assert_true(rib_address_is_local(*state, 4, AF_INET, &(struct ip_addr){ .bytes = { 10, 0, 0, 1 } }));
	assert_false(rib_address_is_local(*state, 4, AF_INET, &(struct ip_addr){ .bytes = { 10, 0, 0, 3 } }));
	assert_false(rib_address_is_local(*state, 0, AF_INET, &(struct ip_addr){ .bytes = { 10, 0, 0, 4 } }));
}

static void
a_link_goes_with_all_that_is_its(void **state)
{
	struct ip_addr gateway = { .bytes = { 10, 0, 0, 9 } };

	ip_script(*state, many_addresses);
	ip_script(*state, "route add default via 10.0.0.9\n");
	assert_non_null(neighbour_find(*state, 3, AF_INET, &gateway));
	ip_script(*state, "link del 3\nlink del 4\n");
	assert_string_equal(ip_routes(*state, AF_INET, RT_TABLE_MAIN), "");
	assert_null(strstr(ip_routes(*state, AF_INET, RT_TABLE_LOCAL), "dev eth"));
	assert_null(neighbour_find(*state, 3, AF_INET, &gateway));
	assert_null(rib_link_find(*state, 3));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_link_that_is_down_has_but_its_local_routes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(every_kind_of_address_has_linuxs_routes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(down_and_up_again_restores_all, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_primary_takes_its_secondaries_along, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_address_takes_the_routes_it_was_the_source_of, set_up, tear_down),
		cmocka_unit_test_setup_teardown(odd_addresses_are_taken_as_linux_takes_them, set_up, tear_down),
		cmocka_unit_test_setup_teardown(replace_changes_the_connected_routes_metric, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sources_are_selected_near_the_destination, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_link_goes_with_all_that_is_its, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
