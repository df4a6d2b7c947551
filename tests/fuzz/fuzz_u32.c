/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * u32 programs and packets from the fuzzer's bytes, in one segment or two: the real matcher must agree with the naive one, verdict and
 * counters, and read nothing that is not the packet's.
 *
 * Input: the number of filters; each one's flags, keys, mark; then where the network header and the second segment start, the
 * mark, and the frame.
 */
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/netlink.h>

#include <weir/classify.h>

#include "classify/naive_u32.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FILTERS_MAX 8
#define KEYS_MAX    3

struct input {
	const uint8_t *data;
	size_t left;
};

static uint64_t
take(struct input *in, size_t bytes)
{
	uint64_t value = 0;

	for (size_t i = 0; i < bytes && in->left > 0; i++, in->data++, in->left--)
		value = value << 8 | *in->data;
	return value;
}

/* The segments' data lie in blocks of their own size, so that a byte too far is seen. */
struct segment {
	struct rte_mbuf mbuf;
	struct pkt pkt;
};

static void
fill_segment(struct segment *s, const uint8_t *bytes, size_t n)
{
	memset(s, 0, sizeof(*s));
	s->mbuf.priv_size = sizeof(struct pkt);
	s->mbuf.nb_segs = 1;
	s->mbuf.data_len = (uint16_t)n;
	s->mbuf.pkt_len = (uint32_t)n;
	s->mbuf.buf_addr = malloc(n + (n == 0));
	if (n != 0)
		memcpy(s->mbuf.buf_addr, bytes, n);
}

static void
take_filter(struct input *in, struct u32_conf *conf, struct u32_key *keys, uint32_t classid)
{
	uint8_t flags = (uint8_t)take(in, 1);

	*conf = (struct u32_conf){
		.has_selector = true,
		.selector_flags = flags & 1 ? TC_U32_TERMINAL : 0,
		.n_keys = (flags >> 1) % (KEYS_MAX + 1),
		.keys = keys,
		.has_mark = (flags & 8) != 0,
		.in_port = flags >> 4 & 1,
		.has_classid = true,
		.classid = classid,
	};
	for (unsigned int k = 0; k < conf->n_keys; k++)
		keys[k] = (struct u32_key){
			.value = (rte_be32_t)take(in, 4),
			.mask = (rte_be32_t)take(in, 4),
			.offset = flags & 32 ? (int32_t)take(in, 4) : (int8_t)take(in, 1),
			.offset_mask = flags & 64 ? -1 : 0,
		};
	if (conf->has_mark) {
		conf->mark_value = (uint32_t)take(in, 1);
		conf->mark_mask = (uint32_t)take(in, 1);
	}
}

struct check {
	const struct u32_counts *expected;
	unsigned int n;
};

static int
check_counts(void *arg, const struct filter_info *info)
{
	struct check *check = arg;
	struct u32_counts counts;

	if (info->filter == NULL || u32_is_table(info->handle))
		return 0;
	u32_sum_counts(info->filter, &counts);
	if (memcmp(&counts, &check->expected[check->n++], sizeof(counts)) != 0)
		abort();
	return 0;
}

static void
compare(const struct chain *chain, const struct u32_conf *filters, unsigned int n, struct input *in)
{
	struct u32_counts expected[FILTERS_MAX] = { 0 };
	struct classify_ctx ctx = { 0 };
	uint8_t l3_off = (uint8_t)take(in, 1), split = (uint8_t)take(in, 1), mark = (uint8_t)take(in, 1);
	size_t bytes = RTE_MIN(in->left, (size_t)2048), first = split < bytes ? split : bytes;
	struct naive_packet plain = { in->data, (uint32_t)bytes, l3_off, mark, 1 };
	struct segment head, tail;
	struct rte_mbuf *m = &head.mbuf;
	struct verdict verdict;
	int decided;

	fill_segment(&head, in->data, first);
	fill_segment(&tail, in->data + first, bytes - first);
	if (first < bytes) {
		head.mbuf.next = &tail.mbuf;
		head.mbuf.nb_segs = 2;
		head.mbuf.pkt_len = (uint32_t)bytes;
	}
	head.pkt.l3_off = l3_off;
	head.pkt.mark = mark;
	head.pkt.in_port = 1;
	head.pkt.protocol = htons(ETH_P_IP);
	decided = naive_decide(filters, n, &plain, expected);
	chain_classify(chain, &ctx, &m, 1, &verdict);
	if (verdict.action != (decided >= 0 ? TC_ACT_OK : TC_ACT_UNSPEC) || verdict.classid != (uint32_t)(1 + decided))
		abort();
	chain_walk(chain, check_counts, &(struct check){ expected, 0 });
	free(head.mbuf.buf_addr);
	free(tail.mbuf.buf_addr);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct u32_key keys[FILTERS_MAX][KEYS_MAX];
	struct u32_conf filters[FILTERS_MAX];
	unsigned int n = take(&in, 1) % (FILTERS_MAX + 1);
	struct chain *chain = chain_create(NULL);

	for (unsigned int i = 0; i < n; i++) {
		struct filter_spec spec = { 1, htons(ETH_P_ALL), 0, "u32", &filters[i], 0 };
		struct error err;

		take_filter(&in, &filters[i], keys[i], 1 + i);
		if (chain_filter_add(chain, &spec, CHANGE_CREATE | CHANGE_EXCLUSIVE, NULL, &err) != 0)
			abort();
	}
	compare(chain, filters, n, &in);
	chain_destroy(chain);
	return 0;
}
