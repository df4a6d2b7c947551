/* SPDX-License-Identifier: BSD-3-Clause */
/* route: which of several filters decides was seen on Linux; which handle a filter has, too. */
#include "one_chain.h"

#include <weir/filter/route.h>

#define ANY UINT32_MAX

static struct route_conf
conf_of(uint32_t to, uint32_t from, uint32_t fromif, uint32_t classid)
{
	return (struct route_conf){ .has_to = to != ANY,
		.to = to,
		.has_from = from != ANY,
		.from = from,
		.has_fromif = fromif != ANY,
		.fromif = fromif,
		.has_classid = classid != 0,
		.classid = classid };
}

static int
add(uint32_t to, uint32_t from, uint32_t fromif, uint32_t classid)
{
	struct route_conf conf = conf_of(to, from, fromif, classid);

	return add_filter(chain, 1, "route", 0, &conf, CREATE, &err);
}

static uint32_t
class_of(uint16_t to, uint16_t from, uint16_t in_port)
{
	struct packet p;

	packet_udp(&p, 0);
	p.pkt.realm = (uint32_t)from << 16 | to;
	p.pkt.in_port = in_port;
	return ask(chain, &p).classid;
}

static void
the_closest_filter_decides(void **state)
{
	assert_int_equal(add(ANY, ANY, ANY, 9), 0);
	assert_int_equal(class_of(5, 3, 2), 9);
	assert_int_equal(add(ANY, ANY, 2, 8), 0);
	assert_int_equal(class_of(5, 3, 2), 8);
	assert_int_equal(add(ANY, 3, ANY, 7), 0);
	assert_int_equal(class_of(5, 3, 2), 7);
	assert_int_equal(add(5, ANY, ANY, 6), 0);
	assert_int_equal(class_of(5, 3, 2), 6);
	assert_int_equal(add(5, ANY, 2, 5), 0);
	assert_int_equal(class_of(5, 3, 2), 5);
	assert_int_equal(add(5, 3, ANY, 4), 0);
	assert_int_equal(class_of(5, 3, 2), 4);
	/* Others are not touched by it. */
	assert_int_equal(class_of(5, 4, 2), 5);
	assert_int_equal(class_of(5, 4, 1), 6);
	assert_int_equal(class_of(6, 3, 2), 7);
	assert_int_equal(class_of(6, 4, 2), 8);
	assert_int_equal(class_of(6, 4, 1), 9);
	assert_int_equal(class_of(0, 0, 0), 9);
}

static int
append_handle(void *arg, const struct filter_info *info)
{
	uint32_t **at = arg;

	if (info->filter != NULL)
		*(*at)++ = info->handle;
	return 0;
}

static void
handles_say_what_is_compared(void **state)
{
	uint32_t handles[8] = { 0 }, *at = handles;

	assert_int_equal(add(ANY, 2, ANY, 1), 0);
	assert_int_equal(add(12, ANY, 4, 1), 0);
	assert_int_equal(add(11, 2, ANY, 1), 0);
	assert_int_equal(add(10, ANY, ANY, 1), 0);
	chain_walk(chain, append_handle, &at);
	assert_int_equal(at - handles, 4);
	assert_int_equal(handles[0], 0xffff000a);
	assert_int_equal(handles[1], 0x0002000b);
	assert_int_equal(handles[2], 0x8004000c);
	assert_int_equal(handles[3], 0x00028000);
	assert_int_equal(delete_filter(chain, 1, "route", 0x0002000b, &err), 0);
	assert_int_equal(delete_filter(chain, 1, "route", 0x0002000b, &err), -ENOENT);
	assert_int_equal(class_of(11, 2, 0), 1);
	assert_int_equal(class_of(11, 3, 0), 0);
}

static void
a_change_may_move_it(void **state)
{
	struct route_conf to9 = conf_of(9, ANY, ANY, 0), to7 = conf_of(7, ANY, ANY, 3);

	assert_int_equal(add(6, ANY, ANY, 2), 0);
	assert_int_equal(add(7, ANY, ANY, 3), 0);
	assert_int_equal(add(7, ANY, ANY, 4), -EEXIST);
	/* The class stays if none is given. */
	assert_int_equal(add_filter(chain, 1, "route", 0xffff0006, &to9, CHANGE, &err), 0);
	assert_int_equal(class_of(6, 0, 0), 0);
	assert_int_equal(class_of(9, 0, 0), 2);
	assert_int_equal(add_filter(chain, 1, "route", 0xffff0009, &to7, CHANGE, &err), -EEXIST);
	assert_int_equal(class_of(9, 0, 0), 2);
	assert_int_equal(class_of(7, 0, 0), 3);
}

static void
refuses_what_makes_no_sense(void **state)
{
	struct route_conf to8 = conf_of(8, ANY, ANY, 1);

	assert_int_equal(add_filter(chain, 1, "route", 0, NULL, CREATE, &err), -EINVAL);
	assert_int_equal(add(256, ANY, ANY, 1), -EINVAL);
	assert_int_equal(add(ANY, 256, ANY, 1), -EINVAL);
	assert_int_equal(add(ANY, ANY, 0x8000, 1), -EINVAL);
	assert_int_equal(add(1, 2, 3, 1), -EINVAL);
	assert_int_equal(add_filter(chain, 1, "route", 5, &to8, CREATE, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "0xffff0008"));
	assert_true(chain_empty(chain));
}

static void
continue_asks_the_next_closest(void **state)
{
	struct action_spec go_on[] = { GACT(TC_ACT_UNSPEC) };
	struct route_conf conf = conf_of(5, ANY, ANY, 1);

	conf.actions = go_on;
	conf.n_actions = 1;
	assert_int_equal(add_filter(chain, 1, "route", 0, &conf, CREATE, &err), 0);
	assert_int_equal(class_of(5, 0, 0), 0);
	assert_int_equal(add(ANY, ANY, ANY, 2), 0);
	assert_int_equal(class_of(5, 0, 0), 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_closest_filter_decides, start, end),
		cmocka_unit_test_setup_teardown(handles_say_what_is_compared, start, end),
		cmocka_unit_test_setup_teardown(a_change_may_move_it, start, end),
		cmocka_unit_test_setup_teardown(refuses_what_makes_no_sense, start, end),
		cmocka_unit_test_setup_teardown(continue_asks_the_next_closest, start, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
