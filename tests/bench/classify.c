/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Classifiers by themselves: chain_classify over bursts whose packets are in the first cache, as they are behind the
 * router's own look at them. tcindex: 10,000 filters; beside rte_hash over the same keys, in turns.
 */
#include <stdlib.h>

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <rte_cycles.h>
#include <rte_hash.h>
#include <rte_jhash.h>

#include <weir/filter/tcindex.h>

#include "classify.h"
#include "eal_bench.h"
#include "report.h"

#define FILTERS   10000
#define BURST     32
#define PACKETS   128 /* as many as stay in the first cache */
#define LOOKUPS   (1u << 18)
#define ROUNDS    25
#define MEGABYTES 256

struct bench {
	struct rte_mbuf *pkts[PACKETS];
	struct chain *chain;
	struct rte_hash *hash;
	uint16_t *keys; /* [LOOKUPS] */
	uint64_t sum; /* of the classes found */
};

void
bench_require(int ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "bench-classify: %s\n", what);
		exit(1);
	}
}

static void
aim(const struct bench *b, uint32_t from, struct rte_mbuf **pkts)
{
	for (uint32_t i = 0; i < BURST; i++)
		pkt_of(pkts[i])->tc_index = b->keys[from + i];
}

static double
weir_cycles(struct bench *b)
{
	struct verdict verdicts[BURST];
	struct classify_ctx ctx = { .now = 1 };
	uint64_t cycles = 0;

	for (uint32_t i = 0; i < LOOKUPS; i += BURST) {
		struct rte_mbuf **pkts = &b->pkts[i % PACKETS];

		aim(b, i, pkts);
		uint64_t start = rte_rdtsc();

		chain_classify(b->chain, &ctx, pkts, BURST, verdicts);
		cycles += rte_rdtsc() - start;
		for (uint32_t k = 0; k < BURST; k++)
			b->sum += verdicts[k].classid;
	}
	return (double)cycles / LOOKUPS;
}

static double
hash_cycles(struct bench *b)
{
	const void *keys[BURST];
	int32_t positions[BURST];
	uint64_t cycles = 0;

	for (uint32_t i = 0; i < LOOKUPS; i += BURST) {
		struct rte_mbuf **pkts = &b->pkts[i % PACKETS];

		aim(b, i, pkts);
		uint64_t start = rte_rdtsc();

		for (uint32_t k = 0; k < BURST; k++)
			keys[k] = &pkt_of(pkts[k])->tc_index;
		rte_hash_lookup_bulk(b->hash, keys, BURST, positions);
		cycles += rte_rdtsc() - start;
		for (uint32_t k = 0; k < BURST; k++)
			bench_require(positions[k] >= 0, "rte_hash has not found a key");
	}
	return (double)cycles / LOOKUPS;
}

/* Keys are spread over all 16 bits. */
static uint16_t
key_of(uint32_t i)
{
	return (uint16_t)(i * 40503u);
}

static void
fill(struct bench *b)
{
	struct rte_hash_parameters parameters = { .name = "tcindex",
		.entries = 2 * FILTERS,
		.key_len = sizeof(uint16_t),
		.hash_func = rte_jhash,
		.socket_id = SOCKET_ID_ANY };
	uint64_t random = 88172645463325252u;

	b->chain = chain_create(NULL);
	b->hash = rte_hash_create(&parameters);
	b->keys = calloc(LOOKUPS, sizeof(*b->keys));
	bench_require(b->chain != NULL && b->hash != NULL && b->keys != NULL, "out of memory");
	for (uint32_t i = 0; i < FILTERS; i++) {
		struct tcindex_conf conf = { .has_classid = true, .classid = 1 << 16 | (i + 1) };
		struct filter_spec spec = { 1, htons(ETH_P_IP), key_of(i), "tcindex", &conf, 0 };
		uint16_t key = key_of(i);
		struct error err = { 0 };

		bench_require(chain_filter_add(b->chain, &spec, CHANGE_CREATE, NULL, &err) == 0, err.msg);
		bench_require(rte_hash_add_key(b->hash, &key) >= 0, "rte_hash_add_key");
	}
	for (uint32_t i = 0; i < LOOKUPS; i++) {
		random = random * 6364136223846793005 + 1442695040888963407;
		b->keys[i] = key_of((uint32_t)((random >> 33) % FILTERS));
	}
}

/* Each packet found the filter of its key. */
static void
check_work(const struct bench *b)
{
	uint16_t classes[UINT16_MAX + 1] = { 0 };
	uint64_t expected = 0;

	for (uint32_t i = 0; i < FILTERS; i++)
		classes[key_of(i)] = (uint16_t)(i + 1);
	for (uint32_t i = 0; i < LOOKUPS; i++)
		expected += 1 << 16 | classes[b->keys[i]];
	bench_require(b->sum == expected * ROUNDS, "other classes were found than the keys'");
}

static void
bench_tcindex(struct rte_mempool *pool)
{
	static const struct report_row row = { .name = "tcindex-classify",
		.work = "classify by 10,000 tcindex filters",
		.unit = "cycles/packet",
		.peer_name = "rte_hash",
		.must = 15 };
	double weir[ROUNDS], hash[ROUNDS];
	struct bench b = { 0 };

	if (!report_wanted(row.name))
		return;
	bench_require(rte_pktmbuf_alloc_bulk(pool, b.pkts, PACKETS) == 0, "out of buffers");
	for (unsigned int i = 0; i < PACKETS; i++)
		*pkt_of(b.pkts[i]) = (struct pkt){ .protocol = htons(ETH_P_IP) };
	fill(&b);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		weir[i] = weir_cycles(&b);
		hash[i] = hash_cycles(&b);
	}
	check_work(&b);
	report_add(&row, weir, hash, ROUNDS);
}

int
main(void)
{
	struct rte_mempool *pool;

	eal_bench_start(MEGABYTES);
	pool = eal_bench_pool("bench", 4 * PACKETS);
	bench_tcindex(pool);
	bench_classifiers(pool);
	bench_netfilter(pool);
	return 0;
}
