/* SPDX-License-Identifier: BSD-3-Clause */
/* Every kind under every protocol that a filter may be for: it is asked about packets of that protocol alone. */
#include <weir/filter/basic.h>
#include <weir/filter/flow.h>
#include <weir/filter/flower.h>
#include <weir/filter/matchall.h>
#include <weir/filter/route.h>
#include <weir/filter/tcindex.h>

#include "support.h"

#define MARK 7

static const uint16_t protocols[] = { ETH_P_IP, ETH_P_IPV6, ETH_P_ARP, ETH_P_8021Q, ETH_P_8021AD, 0x1234 };

/* One filter of each kind that takes every packet it is asked about. */
static const struct fw_conf fw = { .has_classid = true, .classid = 1 };
static const struct route_conf route = { .has_to = true, .to = 3, .has_classid = true, .classid = 1 };
static const struct tcindex_conf tcindex = { .has_classid = true, .classid = 1 };
static const struct matchall_conf matchall = { .classid = 1 };
static const struct basic_conf basic = { .classid = 1 };
static const struct flower_conf flower = { .classid = 1 };
static const struct flow_conf flow = { .has = FLOW_HAS_KEYS | FLOW_HAS_MODE, .settings.keys = 1u << FLOW_KEY_PRIORITY };
static const struct u32_key any = { 0, 0, 0, 0 };
static const struct u32_conf u32 = { .has_selector = true,
	.selector_flags = TC_U32_TERMINAL,
	.n_keys = 1,
	.keys = &any,
	.has_classid = true,
	.classid = 1 };

static const struct {
	const char *name;
	uint32_t handle;
	const void *conf;
} kinds[] = { { "fw", MARK, &fw }, { "route", 0, &route }, { "tcindex", 5, &tcindex }, { "matchall", 0, &matchall },
	{ "basic", 0, &basic }, { "flower", 0, &flower }, { "flow", 1, &flow }, { "u32", 0, &u32 } };

static void
add_for(struct chain *chain, size_t kind, uint16_t protocol)
{
	struct filter_spec spec = { 1, htons(protocol), kinds[kind].handle, kinds[kind].name, kinds[kind].conf, 500 };
	struct error err = { 0 };

	if (chain_filter_add(chain, &spec, CREATE, NULL, &err) != 0)
		fail_msg("%s: %s", kinds[kind].name, err.msg);
}

static bool
takes(struct chain *chain, uint16_t protocol)
{
	struct packet p;

	packet_udp(&p, MARK);
	p.pkt.protocol = htons(protocol);
	p.pkt.realm = 3;
	p.pkt.tc_index = 5;
	return ask(chain, &p).action == TC_ACT_OK;
}

static void
asks_about_its_protocol_alone(void **state)
{
	for (size_t kind = 0; kind < RTE_DIM(kinds); kind++)
		for (size_t own = 0; own < RTE_DIM(protocols); own++) {
			struct chain *chain = chain_create(NULL);

			assert_non_null(chain);
			add_for(chain, kind, protocols[own]);
			for (size_t i = 0; i < RTE_DIM(protocols); i++)
				assert_int_equal(takes(chain, protocols[i]), i == own);
			chain_destroy(chain);
		}
}

static void
asks_about_all(void **state)
{
	for (size_t kind = 0; kind < RTE_DIM(kinds); kind++) {
		struct chain *chain = chain_create(NULL);

		assert_non_null(chain);
		add_for(chain, kind, ETH_P_ALL);
		for (size_t i = 0; i < RTE_DIM(protocols); i++)
			assert_true(takes(chain, protocols[i]));
		chain_destroy(chain);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asks_about_its_protocol_alone),
		cmocka_unit_test(asks_about_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
