/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Filters, actions and size tables as messages say them, against a router with one dummy port: what is taken comes back
 * the same, the rest is refused in words.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <event2/event.h>
#include <linux/if_ether.h>
#include <linux/tc_act/tc_gact.h>

#include <control.h>
#include <netlink/netlink.h>
#include <weir/dataplane.h>

#define PARENT 0x10000 /* 1: */

static struct event_base *base;
static struct control control;
static struct port *port;
static _Alignas(8) uint8_t request_bytes[8192], answer[65536];
static size_t answer_bytes;
static struct nlmsghdr *request;

static uint64_t
control_now(const struct control *c)
{
	return router_now(c->router);
}

static int
start(void **state)
{
	struct router_conf conf = { .workers = 1, .replay = true, .buffers = 1024 };
	struct qdisc_spec prio = { .parent = TC_H_ROOT, .handle = PARENT, .kind = "prio" };
	struct error err = { 0 };

	base = event_base_new();
	control = (struct control){ .base = base, .now = control_now };
	if (router_create(&conf, &control.router, &err) != 0 ||
		port_add(control.router, &(struct port_conf){ .name = "d0", .kind = "dummy" }, &port, &err) != 0 ||
		port_set_flags(port, IFF_UP, IFF_UP, &err) != 0 ||
		sched_qdisc_add(port->tree, &prio, NULL, &err) != 0 ||
		nl_server_create(
			&(struct nl_server_conf){ .base = base, .context = &control }, &control.server, &err) != 0) {
		fprintf(stderr, "%s\n", err.msg);
		return -1;
	}
	return 0;
}

static int
end(void **state)
{
	nl_server_destroy(control.server);
	event_base_free(base);
	return router_destroy(control.router) == 0 ? 0 : -1;
}

static int
clear(void **state)
{
	struct filter_spec all = { 0 };
	struct error err;

	if (port->ingress != NULL)
		port_set_hook(port, NULL, &err);
	return chain_filter_delete(sched_chain(port->tree, PARENT, &err), &all, NULL, NULL, &err);
}

static void
begin(uint16_t type, uint16_t flags, uint32_t preference, uint32_t handle, const char *kind)
{
	struct tcmsg *tcm;

	memset(request_bytes, 0, sizeof(request_bytes));
	request = mnl_nlmsg_put_header(request_bytes);
	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	tcm = mnl_nlmsg_put_extra_header(request, sizeof(*tcm));
	tcm->tcm_ifindex = (int)port->ifindex;
	tcm->tcm_parent = PARENT;
	tcm->tcm_handle = handle;
	tcm->tcm_info = preference != 0 ? TC_H_MAKE(preference << 16, htons(ETH_P_IP)) : 0;
	if (kind != NULL)
		mnl_attr_put_strz(request, TCA_KIND, kind);
}

static struct tcmsg *
request_tcm(void)
{
	return mnl_nlmsg_get_payload(request);
}

static void
deliver(void *arg, const void *datagram, size_t bytes)
{
	assert_true(answer_bytes + bytes <= sizeof(answer));
	memcpy(answer + answer_bytes, datagram, bytes);
	answer_bytes += bytes;
}

/* The errno of the answer's error message; 0 for an acknowledgement. */
static int
serve(void)
{
	const struct nlmsghdr *h = (const struct nlmsghdr *)answer;
	int left, code = -1;

	answer_bytes = 0;
	nl_serve(control.server, request_bytes, request->nlmsg_len, deliver, NULL);
	left = (int)answer_bytes;
	for (; mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left))
		if (h->nlmsg_type == NLMSG_ERROR || h->nlmsg_type == NLMSG_DONE)
			code = -*(const int *)mnl_nlmsg_get_payload(h);
	return code;
}

/* The n-th message of the answer. */
static const struct nlmsghdr *
answered(unsigned int n)
{
	const struct nlmsghdr *h = (const struct nlmsghdr *)answer;
	int left = (int)answer_bytes;

	while (n-- > 0)
		h = mnl_nlmsg_next(h, &left);
	assert_true(mnl_nlmsg_ok(h, left));
	return h;
}

static void
find_options(const struct nlmsghdr *h, const struct nlattr **tb, uint16_t max)
{
	const struct nlattr *outer[TCA_MAX + 1];

	assert_int_equal(h->nlmsg_type, RTM_NEWTFILTER);
	assert_int_equal(nl_get_attrs((const uint8_t *)mnl_nlmsg_get_payload(h) + sizeof(struct tcmsg),
				 mnl_nlmsg_get_payload_len(h) - sizeof(struct tcmsg), outer, TCA_MAX, NULL),
		0);
	assert_int_equal(nl_get_nest(outer[TCA_OPTIONS], tb, max, NULL), 0);
}

static void
put_selector(uint8_t n_keys, unsigned int keys_sent)
{
	uint8_t bytes[sizeof(struct tc_u32_sel) + 4 * sizeof(struct tc_u32_key)] = { 0 };
	struct tc_u32_sel selector = { .flags = TC_U32_TERMINAL, .nkeys = n_keys };

	memcpy(bytes, &selector, sizeof(selector));
	for (unsigned int i = 0; i < keys_sent; i++) {
		struct tc_u32_key key = {
			.mask = htonl(0xffff), .val = htonl(i), .off = 20, .offmask = i == 0 ? -1 : 0
		};

		memcpy(bytes + sizeof(selector) + i * sizeof(key), &key, sizeof(key));
	}
	mnl_attr_put(request, TCA_U32_SEL, sizeof(selector) + keys_sent * sizeof(struct tc_u32_key), bytes);
}

static void
put_gact(uint16_t order, int32_t verdict, uint32_t index)
{
	struct tc_gact parms = { .action = verdict, .index = index };
	struct nlattr *one = mnl_attr_nest_start(request, order), *options;

	mnl_attr_put_strz(request, TCA_ACT_KIND, "gact");
	options = mnl_attr_nest_start(request, TCA_ACT_OPTIONS);
	mnl_attr_put(request, TCA_GACT_PARMS, sizeof(parms), &parms);
	mnl_attr_nest_end(request, options);
	mnl_attr_nest_end(request, one);
}

static int
add_u32(uint32_t preference, uint16_t attr, uint32_t value)
{
	struct nlattr *nest;

	begin(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, preference, 0, "u32");
	nest = mnl_attr_nest_start(request, TCA_OPTIONS);
	put_selector(2, 2);
	mnl_attr_put_u32(request, attr, value);
	mnl_attr_nest_end(request, nest);
	return serve();
}

static void
gives_a_u32_filter_back_as_it_came(void **state)
{
	const struct nlattr *tb[TCA_U32_MAX + 1], *actions[3];
	struct tc_u32_mark mark = { 5, 0xff, 0 }, got_mark;
	struct nlattr *nest, *list;
	struct tc_u32_key key;

	begin(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, 7, 0, "u32");
	nest = mnl_attr_nest_start(request, TCA_OPTIONS);
	mnl_attr_put_u32(request, TCA_U32_CLASSID, 0x10002);
	mnl_attr_put(request, TCA_U32_MARK, sizeof(mark), &mark);
	mnl_attr_put_strz(request, TCA_U32_INDEV, "d0");
	put_selector(2, 2);
	list = mnl_attr_nest_start(request, TCA_U32_ACT);
	put_gact(1, TC_ACT_PIPE, 0);
	put_gact(2, TC_ACT_OK, 0);
	mnl_attr_nest_end(request, list);
	mnl_attr_nest_end(request, nest);
	assert_int_equal(serve(), 0);

	begin(RTM_GETTFILTER, 0, 7, 0x80000800, "u32");
	assert_int_equal(serve(), 0);
	find_options(answered(0), tb, TCA_U32_MAX);
	assert_int_equal(mnl_attr_get_u32(tb[TCA_U32_CLASSID]), 0x10002);
	assert_int_equal(mnl_attr_get_u32(tb[TCA_U32_HASH]), 0x80000000);
	assert_int_equal(mnl_attr_get_u32(tb[TCA_U32_FLAGS]), TCA_CLS_FLAGS_NOT_IN_HW);
	assert_string_equal(mnl_attr_get_str(tb[TCA_U32_INDEV]), "d0");
	memcpy(&got_mark, mnl_attr_get_payload(tb[TCA_U32_MARK]), sizeof(got_mark));
	assert_int_equal(got_mark.mask, 0xff);
	assert_int_equal(mnl_attr_get_payload_len(tb[TCA_U32_SEL]), sizeof(struct tc_u32_sel) + 2 * sizeof(key));
	memcpy(&key, (const uint8_t *)mnl_attr_get_payload(tb[TCA_U32_SEL]) + sizeof(struct tc_u32_sel), sizeof(key));
	assert_int_equal(key.offmask, -1);
	assert_int_equal(key.off, 20);
	assert_int_equal(mnl_attr_get_payload_len(tb[TCA_U32_PCNT]), 4 * sizeof(uint64_t));
	assert_int_equal(nl_get_nest(tb[TCA_U32_ACT], actions, 2, NULL), 0);
	assert_non_null(actions[1]);
	assert_non_null(actions[2]);
}

static void
lists_groups_with_their_filters(void **state)
{
	const uint32_t handles[] = { 0, 0x80100000, 0x80100800, 0, 0x80000000, 0x80000800 };

	assert_int_equal(add_u32(7, TCA_U32_CLASSID, 0x10001), 0);
	assert_int_equal(add_u32(3, TCA_U32_CLASSID, 0x10001), 0);
	begin(RTM_GETTFILTER, NLM_F_DUMP, 0, 0, NULL);
	serve();
	for (unsigned int i = 0; i < 6; i++) {
		const struct tcmsg *tcm = mnl_nlmsg_get_payload(answered(i));

		assert_int_equal(tcm->tcm_handle, handles[i]);
		assert_int_equal(tcm->tcm_info >> 16, i < 3 ? 3 : 7);
		assert_int_equal(tcm->tcm_parent, PARENT);
	}
	assert_int_equal(answered(6)->nlmsg_type, NLMSG_DONE);
	begin(RTM_GETTFILTER, NLM_F_DUMP, 7, 0, NULL);
	serve();
	assert_int_equal(answered(3)->nlmsg_type, NLMSG_DONE);
	begin(RTM_GETTFILTER, NLM_F_DUMP, 0, 0, NULL);
	request_tcm()->tcm_parent = 0x90000; /* Linux lists nothing, and finds no fault */
	serve();
	assert_int_equal(answered(0)->nlmsg_type, NLMSG_DONE);
}

static int
add_selector(uint8_t n_keys, unsigned int keys_sent)
{
	struct nlattr *nest;

	begin(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, 5, 0, "u32");
	nest = mnl_attr_nest_start(request, TCA_OPTIONS);
	put_selector(n_keys, keys_sent);
	mnl_attr_nest_end(request, nest);
	return serve();
}

static void
refuses_what_is_malformed_or_not_offered(void **state)
{
	struct nlattr *nest;

	assert_int_equal(add_selector(3, 2), EINVAL);
	assert_int_equal(add_selector(255, 4), EINVAL);
	assert_int_equal(add_u32(5, TCA_U32_DIVISOR, 0), EINVAL);
	assert_int_equal(add_u32(5, TCA_U32_DIVISOR, 3), EINVAL);
	assert_int_equal(add_u32(5, TCA_U32_DIVISOR, 512), EINVAL);
	assert_int_equal(add_u32(5, TCA_U32_LINK, 0x200000), EINVAL);
	assert_int_equal(add_u32(5, TCA_U32_LINK, 0x201000), EINVAL);
	assert_int_equal(add_u32(5, TCA_U32_POLICE, 0), EINVAL);
	assert_int_equal(add_u32(5, TCA_U32_FLAGS, TCA_CLS_FLAGS_SKIP_SW), EOPNOTSUPP);
	begin(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, 5, 0, "u32");
	nest = mnl_attr_nest_start(request, TCA_OPTIONS);
	mnl_attr_put(request, TCA_U32_SEL, 7, "shorter");
	mnl_attr_nest_end(request, nest);
	assert_int_equal(serve(), EINVAL);
	begin(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, 5, 0, "nosuch");
	assert_int_equal(serve(), ENOENT);
	begin(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, 5, 0, "u32");
	request_tcm()->tcm_ifindex = 77;
	assert_int_equal(serve(), ENODEV);
	begin(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, 5, 0, "u32");
	request_tcm()->tcm_parent = 0x90000;
	assert_int_equal(serve(), EINVAL);
	begin(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, 5, 0, "u32");
	mnl_attr_put_u32(request, TCA_CHAIN, 0x10000000);
	assert_int_equal(serve(), EINVAL);
	assert_true(chain_empty(sched_chain(port->tree, PARENT, NULL)));
}

static void
has_an_ingress_hook_only_with_its_qdisc(void **state)
{
	struct error err;

	begin(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, 5, 0, "u32");
	request_tcm()->tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS);
	assert_int_equal(serve(), EINVAL);
	assert_int_equal(port_set_hook(port, "ingress", &err), 0);
	begin(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, 5, 0, "u32");
	request_tcm()->tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS);
	assert_int_equal(serve(), 0);
	assert_false(chain_empty(port->ingress));
	begin(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, 5, 0, "u32");
	request_tcm()->tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS);
	assert_int_equal(serve(), EOPNOTSUPP);
}

static void
begin_actions(uint16_t type, uint16_t flags, uint32_t index, int32_t verdict)
{
	struct nlattr *tab, *one;

	memset(request_bytes, 0, sizeof(request_bytes));
	request = mnl_nlmsg_put_header(request_bytes);
	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	mnl_nlmsg_put_extra_header(request, sizeof(struct tcamsg));
	tab = mnl_attr_nest_start(request, TCA_ACT_TAB);
	if (type == RTM_NEWACTION) {
		put_gact(1, verdict, index);
	} else {
		one = mnl_attr_nest_start(request, 1);
		mnl_attr_put_strz(request, TCA_ACT_KIND, "gact");
		mnl_attr_put_u32(request, TCA_ACT_INDEX, index);
		mnl_attr_nest_end(request, one);
	}
	mnl_attr_nest_end(request, tab);
}

static int
serve_action(uint16_t type, uint16_t flags, uint32_t index, int32_t verdict)
{
	begin_actions(type, flags, index, verdict);
	return serve();
}

static void
keeps_actions_by_themselves(void **state)
{
	assert_int_equal(serve_action(RTM_NEWACTION, NLM_F_CREATE | NLM_F_EXCL, 15, TC_ACT_OK), 0);
	assert_int_equal(serve_action(RTM_NEWACTION, NLM_F_CREATE | NLM_F_EXCL, 15, TC_ACT_OK), EEXIST);
	assert_int_equal(serve_action(RTM_NEWACTION, NLM_F_CREATE | NLM_F_REPLACE, 15, TC_ACT_SHOT), 0);
	assert_int_equal(serve_action(RTM_NEWACTION, NLM_F_CREATE | NLM_F_EXCL, 16, 99), EINVAL);
	assert_int_equal(serve_action(RTM_GETACTION, 0, 15, 0), 0);
	assert_int_equal(answered(0)->nlmsg_type, RTM_NEWACTION);
	assert_int_equal(serve_action(RTM_GETACTION, 0, 16, 0), ENOENT);
	assert_int_equal(serve_action(RTM_DELACTION, 0, 16, 0), ENOENT);
	assert_int_equal(serve_action(RTM_DELACTION, 0, 15, 0), 0);
	assert_int_equal(serve_action(RTM_NEWACTION, NLM_F_CREATE | NLM_F_EXCL, 20, TC_ACT_OK), 0);
	assert_int_equal(serve_action(RTM_NEWACTION, NLM_F_CREATE | NLM_F_EXCL, 21, TC_ACT_OK), 0);
	assert_int_equal(serve_action(RTM_DELACTION, NLM_F_ROOT, 0, 0), 0);
	assert_null(action_find("gact", 20));
	assert_null(action_find("gact", 21));
}

static int
serve_stab(uint8_t cell_log, uint8_t size_log, uint16_t announced, size_t sent)
{
	const struct tc_sizespec spec = { .cell_log = cell_log, .size_log = size_log, .tsize = announced };
	const uint16_t data[4] = { 1, 2, 3, 4 };
	struct nlattr *nest;

	begin(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, 0, 0x50000, "pfifo");
	request_tcm()->tcm_parent = PARENT | 1;
	nest = mnl_attr_nest_start(request, TCA_STAB);
	mnl_attr_put(request, TCA_STAB_BASE, sizeof(spec), &spec);
	if (sent != 0)
		mnl_attr_put(request, TCA_STAB_DATA, sent * sizeof(data[0]), data);
	mnl_attr_nest_end(request, nest);
	return serve();
}

/* What Linux 6.1 answered. */
static void
bounds_size_tables_as_linux_does(void **state)
{
	static const struct {
		uint8_t cell_log, size_log;
		uint16_t announced, sent;
		int code;
	} cases[] = {
		{ 30, 30, 4, 4, 0 },
		{ 31, 0, 4, 4, EINVAL },
		{ 0, 31, 4, 4, EINVAL },
		{ 255, 0, 0, 0, EINVAL },
		{ 0, 0, 0, 0, 0 },
		{ 0, 0, 0, 4, 0 },
		{ 0, 0, 4, 3, EINVAL },
		{ 0, 0, 3, 4, EINVAL },
		{ 0, 0, 4, 0, EINVAL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(serve_stab(cases[i].cell_log, cases[i].size_log, cases[i].announced, cases[i].sent),
			cases[i].code);
	begin(RTM_DELQDISC, 0, 0, 0x50000, NULL);
	request_tcm()->tcm_parent = PARENT | 1;
	assert_int_equal(serve(), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(gives_a_u32_filter_back_as_it_came, clear),
		cmocka_unit_test_teardown(lists_groups_with_their_filters, clear),
		cmocka_unit_test_teardown(refuses_what_is_malformed_or_not_offered, clear),
		cmocka_unit_test_teardown(has_an_ingress_hook_only_with_its_qdisc, clear),
		cmocka_unit_test_teardown(keeps_actions_by_themselves, clear),
		cmocka_unit_test(bounds_size_tables_as_linux_does),
	};

	return cmocka_run_group_tests(tests, start, end);
}
