/* SPDX-License-Identifier: BSD-3-Clause */
#include <weir/filter/flow.h>

#include "one_chain.h"

/* Classes are those that Linux 6.1 gave to the same arithmetic. */

static struct flow_conf
map(unsigned int key)
{
	return (struct flow_conf){ .has = FLOW_HAS_KEYS | FLOW_HAS_MODE, .settings = { .keys = 1u << key } };
}

static int
add(uint32_t handle, const struct flow_conf *conf)
{
	return add_filter(chain, 1, "flow", handle, conf, CREATE, &err);
}

/* 10.0.0.1:1000 -> 10.0.0.2:53, mark 6, priority 3. */
static struct verdict
answer(void)
{
	struct packet p;

	packet_udp(&p, 6);
	p.pkt.priority = 3;
	p.pkt.realm = 9;
	return ask(chain, &p);
}

static uint32_t
class_by(struct flow_conf conf)
{
	uint32_t classid;

	assert_int_equal(add(1, &conf), 0);
	classid = answer().classid;
	assert_int_equal(delete_filter(chain, 1, "flow", 1, &err), 0);
	return classid;
}

static void
maps_each_key(void **state)
{
	assert_int_equal(class_by(map(FLOW_KEY_DST)), CLASSID(1, 3));
	assert_int_equal(class_by(map(FLOW_KEY_SRC)), CLASSID(1, 2));
	assert_int_equal(class_by(map(FLOW_KEY_PROTO)), CLASSID(1, 18));
	assert_int_equal(class_by(map(FLOW_KEY_PROTO_SRC)), CLASSID(1, 1001));
	assert_int_equal(class_by(map(FLOW_KEY_PROTO_DST)), CLASSID(1, 54));
	assert_int_equal(class_by(map(FLOW_KEY_IIF)), CLASSID(1, 3));
	assert_int_equal(class_by(map(FLOW_KEY_PRIORITY)), CLASSID(1, 4));
	assert_int_equal(class_by(map(FLOW_KEY_MARK)), CLASSID(1, 7));
	assert_int_equal(class_by(map(FLOW_KEY_RTCLASSID)), CLASSID(1, 10));
	assert_int_equal(class_by(map(FLOW_KEY_VLAN_TAG)), CLASSID(1, 1));
}

static void
reckons(void **state)
{
	struct flow_conf conf = map(FLOW_KEY_MARK);

	conf.has |= FLOW_HAS_MASK | FLOW_HAS_XOR | FLOW_HAS_RSHIFT | FLOW_HAS_ADDEND;
	conf.settings.mask = 0xc;
	conf.settings.rshift = 1;
	assert_int_equal(class_by(conf), CLASSID(1, 3));
	conf.settings.mask = 0xfffe;
	conf.settings.addend = 1;
	assert_int_equal(class_by(conf), CLASSID(1, 5));
	conf.settings.rshift = 0;
	conf.settings.addend = 0;
	conf.settings.xor = 2;
	assert_int_equal(class_by(conf), CLASSID(1, 5));
	conf = map(FLOW_KEY_DST);
	conf.has |= FLOW_HAS_ADDEND;
	conf.settings.addend = 0xf6000000; /* -10.0.0.0 */
	assert_int_equal(class_by(conf), CLASSID(1, 3));
	conf = map(FLOW_KEY_SRC);
	conf.has |= FLOW_HAS_DIVISOR;
	conf.settings.divisor = 7;
	assert_int_equal(class_by(conf), CLASSID(1, 1 + 0x0a000001 % 7));
	conf = map(FLOW_KEY_MARK);
	conf.has |= FLOW_HAS_BASECLASS;
	conf.settings.baseclass = 5; /* of the qdisc */
	assert_int_equal(class_by(conf), CLASSID(1, 11));
	conf.settings.baseclass = CLASSID(2, 0xfffd);
	assert_int_equal(class_by(conf), CLASSID(2, 3)); /* the qdisc stays */
}

static void
divides_as_the_processor_does(void **state)
{
	struct flow_conf conf = map(FLOW_KEY_SRC);

	conf.has |= FLOW_HAS_DIVISOR;
	for (uint32_t divisor = 1; divisor < 2000; divisor += 7) {
		struct packet p;

		conf.settings.divisor = divisor;
		assert_int_equal(add(1, &conf), 0);
		for (uint32_t i = 0; i < 200; i++) {
			uint32_t source = i * 2654435761u + divisor, word = htonl(source);

			packet_udp(&p, 0);
			memcpy(p.data + 26, &word, 4);
			assert_int_equal(ask(chain, &p).classid, CLASSID(1, 1 + source % divisor));
		}
		assert_int_equal(delete_filter(chain, 1, "flow", 1, &err), 0);
	}
}

static uint32_t
class_of_source(uint16_t port, uint64_t now)
{
	struct classify_ctx ctx = { .now = now };
	struct packet p;
	struct rte_mbuf *m = &p.mbuf;
	struct verdict v;

	packet_udp(&p, 0);
	p.data[34] = (uint8_t)(port >> 8);
	p.data[35] = (uint8_t)port;
	chain_classify(chain, &ctx, &m, 1, &v);
	return v.classid;
}

static void
spreads_by_a_hash(void **state)
{
	struct flow_conf conf = { .has = FLOW_HAS_KEYS | FLOW_HAS_MODE | FLOW_HAS_DIVISOR | FLOW_HAS_PERTURB,
		.settings = { .keys = 1u << FLOW_KEY_SRC | 1u << FLOW_KEY_PROTO_SRC,
			.mode = FLOW_MODE_HASH,
			.divisor = 8,
			.perturb_s = 10 } };
	unsigned int hits[9] = { 0 }, moved = 0;

	assert_int_equal(add(1, &conf), 0);
	for (uint16_t port = 0; port < 8000; port++) {
		uint32_t first = class_of_source(port, UINT64_C(1000000000));

		assert_in_range(first, CLASSID(1, 1), CLASSID(1, 8));
		hits[TC_H_MIN(first)]++;
		assert_int_equal(class_of_source(port, UINT64_C(10900000000)), first);
	}
	for (unsigned int i = 1; i <= 8; i++)
		assert_in_range(hits[i], 850, 1150); /* 1000; 30 is a standard deviation */
	for (uint16_t port = 0; port < 800; port++) {
		uint32_t later = class_of_source(port, UINT64_C(12000000000));

		moved += later != class_of_source(port, UINT64_C(23000000000) + port * UINT64_C(11000000000));
	}
	assert_in_range(moved, 600, 800); /* each time another seed: seven of eight */
}

static void
asks_filters_in_their_order(void **state)
{
	struct flow_conf first = map(FLOW_KEY_MARK), second = map(FLOW_KEY_PRIORITY);
	struct ematch tcp = { .kind = TCF_EM_CMP,
		.cmp = { .value = 6, .offset = 9, .layer = TCF_LAYER_NETWORK, .bytes = 1 } };
	struct action_spec on = GACT(TC_ACT_UNSPEC);

	assert_int_equal(add(9, &first), 0);
	assert_int_equal(add(2, &second), 0);
	assert_filters(chain, "1/0 1/9 1/2");
	assert_int_equal(answer().classid, CLASSID(1, 7));
	first.matches = &tcp;
	first.n_matches = 1;
	assert_int_equal(add_filter(chain, 1, "flow", 9, &first, CHANGE, &err), 0);
	assert_int_equal(answer().classid, CLASSID(1, 4));
	tcp.cmp.value = 17;
	assert_int_equal(add_filter(chain, 1, "flow", 9, &first, CHANGE, &err), 0);
	assert_int_equal(answer().classid, CLASSID(1, 7));
	first.actions = &on;
	first.n_actions = 1;
	assert_int_equal(add_filter(chain, 1, "flow", 9, &first, CHANGE, &err), 0);
	assert_int_equal(answer().classid, CLASSID(1, 4));
	assert_int_equal(delete_filter(chain, 1, "flow", 2, &err), 0);
	assert_int_equal(answer().action, TC_ACT_UNSPEC);
	assert_int_equal(delete_filter(chain, 1, "flow", 9, &err), 0);
	assert_filters(chain, "");
}

static void
changes_what_is_given(void **state)
{
	struct flow_conf conf = map(FLOW_KEY_MARK),
			 part = { .has = FLOW_HAS_BASECLASS, .settings.baseclass = CLASSID(1, 5) };
	struct flow_conf two = { .has = FLOW_HAS_KEYS, .settings.keys = 1u << FLOW_KEY_MARK | 1u << FLOW_KEY_SRC };

	conf.has |= FLOW_HAS_RSHIFT;
	conf.settings.rshift = 1;
	assert_int_equal(add(1, &conf), 0);
	assert_int_equal(add_filter(chain, 1, "flow", 1, &part, CHANGE, &err), 0);
	assert_int_equal(answer().classid, CLASSID(1, 8));
	assert_int_equal(add_filter(chain, 1, "flow", 1, &two, CHANGE, &err), -EINVAL);
	assert_int_equal(answer().classid, CLASSID(1, 8));
}

/* A hash's period goes with it: a map has none, nor has the hash that it becomes. */
static void
forgets_the_period_of_a_hash_that_becomes_a_map(void **state)
{
	struct flow_conf conf = { .has = FLOW_HAS_KEYS | FLOW_HAS_MODE | FLOW_HAS_PERTURB,
		.settings = { .keys = 1u << FLOW_KEY_SRC, .mode = FLOW_MODE_HASH, .perturb_s = 10 } };
	struct filter_spec spec = { .preference = 1, .protocol = htons(ETH_P_IP), .handle = 1 };
	struct filter_info info;

	for (unsigned int i = 0; i < 3; i++) {
		conf.settings.mode = i == 1 ? FLOW_MODE_MAP : FLOW_MODE_HASH;
		assert_int_equal(add_filter(chain, 1, "flow", 1, &conf, i == 0 ? CREATE : CHANGE, &err), 0);
		assert_int_equal(chain_filter_get(chain, &spec, &info, &err), 0);
		assert_int_equal(flow_get_settings(info.filter)->perturb_s, i == 0 ? 10 : 0);
		conf.has = FLOW_HAS_MODE;
	}
}

static void
refuses_what_makes_no_sense(void **state)
{
	struct flow_conf conf = map(FLOW_KEY_NFCT);

	assert_int_equal(add(1, &conf), -EOPNOTSUPP);
	conf = map(FLOW_KEY_SKUID);
	assert_int_equal(add(1, &conf), -EOPNOTSUPP);
	conf = map(FLOW_KEY_MAX + 1);
	assert_int_equal(add(1, &conf), -EINVAL);
	conf = map(FLOW_KEY_MARK);
	assert_int_equal(add(0, &conf), -EINVAL);
	conf.has |= FLOW_HAS_PERTURB;
	conf.settings.perturb_s = 5;
	assert_int_equal(add(1, &conf), -EINVAL);
	conf = map(FLOW_KEY_MARK);
	conf.has |= FLOW_HAS_RSHIFT;
	conf.settings.rshift = 32;
	assert_int_equal(add(1, &conf), -ERANGE);
	conf = (struct flow_conf){ .has = FLOW_HAS_DIVISOR, .settings.divisor = 4 };
	assert_int_equal(add(1, &conf), -EINVAL);
	assert_int_equal(add(1, NULL), -EINVAL);
	assert_filters(chain, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(maps_each_key, start, end),
		cmocka_unit_test_setup_teardown(reckons, start, end),
		cmocka_unit_test_setup_teardown(divides_as_the_processor_does, start, end),
		cmocka_unit_test_setup_teardown(spreads_by_a_hash, start, end),
		cmocka_unit_test_setup_teardown(asks_filters_in_their_order, start, end),
		cmocka_unit_test_setup_teardown(changes_what_is_given, start, end),
		cmocka_unit_test_setup_teardown(forgets_the_period_of_a_hash_that_becomes_a_map, start, end),
		cmocka_unit_test_setup_teardown(refuses_what_makes_no_sense, start, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
