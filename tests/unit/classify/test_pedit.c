/* SPDX-License-Identifier: BSD-3-Clause */
#include <weir/action/pedit.h>

#include "acting.h"

/* 10.0.0.1:1000 -> 10.0.0.2:53, and a payload: 64 bytes, its last 16-bit word behind the last whole word of IP. */
static const uint8_t frame[64] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0x10, 0, 50, 0, 0, 0, 0, 64, 17, 0,
	0, 10, 0, 0, 1, 10, 0, 0, 2, 0x03, 0xe8, 0, 255, 0, 30 };

static struct tc_pedit_key
set(int32_t off, uint32_t value, uint32_t mask)
{
	return (struct tc_pedit_key){ .off = (uint32_t)off, .val = htonl(value), .mask = htonl(mask) };
}

static int
pedit(const struct tc_pedit_key *keys, uint8_t n, const uint8_t *kinds)
{
	struct pedit_conf conf = { .action = TC_ACT_PIPE, .n_keys = n, .keys = keys, .extended = kinds != NULL };

	if (kinds != NULL)
		memcpy(conf.kinds, kinds, n);
	return act_by_one("pedit", &conf);
}

/* The packet after one key. */
static struct rte_mbuf *
edited(struct tc_pedit_key key, uint8_t kind, bool ingress)
{
	struct rte_mbuf *m = buffer_of(frame, sizeof(frame));

	assert_int_equal(pedit(&key, 1, &kind), 0);
	assert_int_equal(verdict_of(m, ingress), TC_ACT_OK);
	return m;
}

static void
assert_bytes(struct rte_mbuf *m, uint32_t at, uint32_t expected)
{
	uint32_t word;

	memcpy(&word, rte_pktmbuf_mtod_offset(m, uint8_t *, at), sizeof(word));
	assert_int_equal(ntohl(word), expected);
}

static void
writes_under_its_mask(void **state)
{
	struct rte_mbuf *m = edited(set(8, 0x05000000, 0x00ffffff), 0, true);

	assert_bytes(m, 22, 0x05110000);
	assert_int_equal(pkt_of(m)->flags, 0); /* no longer plain */
	assert_int_equal(stats_of("pedit").overlimits, 0);
	rte_pktmbuf_free(m);
	m = edited(set(12, 0xffffffff, 0xffffffff), 0, false); /* inverts */
	assert_bytes(m, 26, 0xf5fffffe);
	rte_pktmbuf_free(m);
}

static void
finds_headers(void **state)
{
	struct rte_mbuf *m = edited(set(4, 0x00000909, 0xffff0000), TCA_PEDIT_KEY_EX_HDR_TYPE_ETH, true);

	assert_bytes(m, 4, 0x00020909);
	rte_pktmbuf_free(m);
	m = edited(set(0, 0x00500000, 0x0000ffff), TCA_PEDIT_KEY_EX_HDR_TYPE_UDP, true);
	assert_bytes(m, 34, 0x005000ff);
	rte_pktmbuf_free(m);
	/* A packet whose transport is not known. */
	m = buffer_of(frame, sizeof(frame));
	pkt_of(m)->l4_off = 0;
	verdict_of(m, true);
	assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *), frame, sizeof(frame));
	assert_int_equal(stats_of("pedit").overlimits, 1);
	rte_pktmbuf_free(m);
}

/* A sum carries from the field's low byte to its high one, and no further. */
static void
adds_within_the_field(void **state)
{
	uint8_t add = TCA_PEDIT_KEY_EX_HDR_TYPE_UDP | TCA_PEDIT_KEY_EX_CMD_ADD << 4;
	struct rte_mbuf *m = edited(set(0, 1, 0xffff0000), add, true);

	assert_bytes(m, 34, 0x03e80100);
	rte_pktmbuf_free(m);
	add = TCA_PEDIT_KEY_EX_CMD_ADD << 4;
	m = edited(set(8, 0xff000000, 0x00ffffff), add, true); /* a TTL of one less */
	assert_bytes(m, 22, 0x3f110000);
	rte_pktmbuf_free(m);
}

static void
goes_as_far_as_a_byte_says(void **state)
{
	struct tc_pedit_key key = set(0, 0x00070000, 0xff00ffff);
	struct rte_mbuf *m;

	key.at = 0; /* IHL, in words */
	key.offmask = 0x0f;
	key.shift = 0;
	m = edited(key, 0, true); /* 5 bytes on: no multiple of four */
	assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *), frame, sizeof(frame));
	assert_int_equal(stats_of("pedit").overlimits, 1);
	rte_pktmbuf_free(m);
	key.at = 8;
	key.offmask = 0x50; /* of 0x40: 64, by 2: 16 */
	key.shift = 2;
	m = edited(key, 0, true);
	assert_bytes(m, 30, 0x0a070002);
	rte_pktmbuf_free(m);
	key.at = 400;
	m = edited(key, 0, true);
	assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *), frame, sizeof(frame));
	rte_pktmbuf_free(m);
}

/* Not a byte outside is touched, and keys behind one that fails are left out. */
static void
never_leaves_the_packet(void **state)
{
	static const struct {
		int32_t off;
		uint32_t mask;
		bool fits;
	} places[] = {
		{ 44, 0, true },
		{ 48, 0, false },
		{ 52, 0, false },
		{ 1 << 20, 0, false },
		{ INT32_MAX & ~3, 0, false },
		{ -12, 0, true },
		{ -16, 0xffff0000, true },
		{ -16, 0x00ff0000, false },
		{ -20, 0, false },
		{ -1024, 0, false },
		{ INT32_MIN, 0, false },
		{ 2, 0, false },
	};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		struct tc_pedit_key keys[] = { set(places[i].off, 0x00001111, places[i].mask), set(8, 0, 0) };
		struct rte_mbuf *m = buffer_of(frame, sizeof(frame));
		uint8_t *bytes = rte_pktmbuf_mtod(m, uint8_t *);

		memset(bytes - 20, 0xa5, 20);
		memset(bytes + sizeof(frame), 0xa5, 20);
		assert_int_equal(pedit(keys, 2, NULL), 0);
		assert_int_equal(verdict_of(m, true), TC_ACT_OK);
		assert_int_equal(stats_of("pedit").overlimits, places[i].fits ? 0 : 1);
		assert_int_equal(memcmp(bytes, frame, sizeof(frame)) == 0, !places[i].fits);
		for (int k = 1; k <= 20; k++) {
			assert_int_equal(bytes[-k], 0xa5);
			assert_int_equal(bytes[sizeof(frame) + k - 1], 0xa5);
		}
		rte_pktmbuf_free(m);
	}
}

static void
writes_across_buffers(void **state)
{
	struct rte_mbuf *m = buffer_of(frame, 25), *rest = rte_pktmbuf_alloc(acting_pool);
	struct tc_pedit_key key = set(8, 0x11223344, 0);

	memcpy(rte_pktmbuf_append(rest, sizeof(frame) - 25), frame + 25, sizeof(frame) - 25);
	assert_int_equal(rte_pktmbuf_chain(m, rest), 0);
	assert_int_equal(pedit(&key, 1, NULL), 0);
	assert_int_equal(verdict_of(m, true), TC_ACT_OK);
	assert_int_equal(rte_pktmbuf_mtod(m, uint8_t *)[24], 0x33);
	assert_int_equal(rte_pktmbuf_mtod(rest, uint8_t *)[0], 0x44);
	assert_int_equal(rte_pktmbuf_mtod(rest, uint8_t *)[1], 10);
	rte_pktmbuf_free(m);
}

static void
keeps_its_keys_and_refuses_none(void **state)
{
	struct tc_pedit_key keys[2] = { set(0, 1, 2), set(4, 3, 4) };
	struct pedit_conf conf;

	assert_int_equal(pedit(keys, 2, NULL), 0);
	memset(keys, 0, sizeof(keys));
	action_ops_of(action_find("pedit", 1))->get_conf(action_find("pedit", 1), &conf);
	assert_int_equal(conf.n_keys, 2);
	assert_int_equal(conf.keys[1].val, htonl(3));
	assert_refused(pedit(keys, 0, NULL), err, EINVAL, "act_pedit: Pedit requires keys to be passed");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(writes_under_its_mask, acting_setup, acting_teardown),
		cmocka_unit_test_setup_teardown(finds_headers, acting_setup, acting_teardown),
		cmocka_unit_test_setup_teardown(adds_within_the_field, acting_setup, acting_teardown),
		cmocka_unit_test_setup_teardown(goes_as_far_as_a_byte_says, acting_setup, acting_teardown),
		cmocka_unit_test_setup_teardown(never_leaves_the_packet, acting_setup, acting_teardown),
		cmocka_unit_test_setup_teardown(writes_across_buffers, acting_setup, acting_teardown),
		cmocka_unit_test_setup_teardown(keeps_its_keys_and_refuses_none, acting_setup, acting_teardown),
	};

	return cmocka_run_group_tests(tests, acting_group_setup, NULL);
}
