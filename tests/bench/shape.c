/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Classification by u32, and the whole way of a packet through classification and HTB.
 *
 * u32-classify-*: chain_classify alone, over bursts whose headers are in the cache, as they are behind the router's
 * own look at them; beside rte_acl with a rule for each filter, over the same packets, in turns. u32-htb-path:
 * 64-byte packets from receive to transmit through a live router: 10,000 filters in one hash table of 256 buckets,
 * which send each of 10,000 addresses to a leaf of an HTB of three levels, all leaves under their rates; beside the
 * ports and frames alone.
 */
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <rte_acl.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_malloc.h>

#include <weir/filter/u32.h>
#include <weir/qdisc/htb.h>

#include "null_router.h"
#include "report.h"

#define FILTERS    10000
#define BUCKETS    256
#define FRAMES     (1u << 18)
#define ROUNDS     25
#define MBUFS      128 /* of classification alone: as many as stay in the first cache */
#define LIST_MAX   4095 /* filters of a bucket */
#define HASH_TABLE 0x00200000 /* 2: */
#define FIRST_LEAF 0x100 /* minor */
#define INNER      100 /* classes between the root class and the leaves */

static const char *const names[] = { "u32-classify-256-buckets", "u32-classify-list-10000", "u32-classify-list-1000",
	"u32-classify-list-100", "u32-classify-list-1" };

/* Address i: its last byte chooses the bucket, so that there are 39 or 40 filters in each. */
static uint32_t
address_of(uint32_t i)
{
	return RTE_IPV4(11, 0, 0, 0) | i;
}

/* ---- filters ------------------------------------------------------------------------------------ */

static void
add(struct chain *chain, uint32_t preference, uint32_t handle, const struct u32_conf *conf)
{
	struct filter_spec spec = { preference, htons(ETH_P_IP), handle, "u32", conf, 0 };
	struct error err = { 0 };

	bench_check(chain_filter_add(chain, &spec, CHANGE_CREATE, NULL, &err), "filter", &err);
}

/* match ip dst ADDRESS/32 flowid 1:LEAF */
static void
add_match(struct chain *chain, uint32_t preference, uint32_t table, uint32_t i)
{
	struct u32_key key = { .value = htonl(address_of(i)), .mask = UINT32_MAX, .offset = 16 };
	struct u32_conf conf = {
		.has_selector = true,
		.selector_flags = TC_U32_TERMINAL,
		.n_keys = 1,
		.keys = &key,
		.table = table,
		.has_classid = true,
		.classid = 1 << 16 | (FIRST_LEAF + i),
	};

	add(chain, preference, 0, &conf);
}

static void
add_list(struct chain *chain, uint32_t filters)
{
	for (uint32_t i = 0; i < filters; i++)
		add_match(chain, 1 + i / LIST_MAX, 0, i);
}

/*
 * handle 2: u32 divisor 256; match ip dst 11.0.0.0/16 link 2: hashkey mask 0xff at 16; and ht 2:BUCKET: for each
 * filter.
 */
static void
add_buckets(struct chain *chain)
{
	struct u32_conf table = { .divisor = BUCKETS };
	struct u32_key key = { .value = htonl(address_of(0)), .mask = htonl(0xffff0000), .offset = 16 };
	struct u32_conf link = {
		.has_selector = true,
		.n_keys = 1,
		.keys = &key,
		.has_link = true,
		.link = HASH_TABLE,
		.jump = { .hash_mask = htonl(0xff), .hash_offset = 16 },
	};

	add(chain, 1, HASH_TABLE, &table);
	add(chain, 1, 0, &link);
	for (uint32_t i = 0; i < FILTERS; i++)
		add_match(chain, 1, HASH_TABLE | (i % BUCKETS) << 12, i);
}

/* ---- classification alone ----------------------------------------------------------------------- */

struct acl_rule_of_two {
	struct rte_acl_rule_data data;
	struct rte_acl_field field[2];
};

static struct rte_acl_ctx *
make_acl(uint32_t rules)
{
	/* rte_acl's first field is one byte; the next are read four at a time. */
	struct rte_acl_field_def defs[] = {
		{ RTE_ACL_FIELD_TYPE_BITMASK, 1, 0, 0, offsetof(struct rte_ipv4_hdr, next_proto_id) },
		{ RTE_ACL_FIELD_TYPE_MASK, 4, 1, 1, offsetof(struct rte_ipv4_hdr, dst_addr) },
	};
	struct rte_acl_param param = {
		.name = "bench", .socket_id = SOCKET_ID_ANY, .rule_size = RTE_ACL_RULE_SZ(2), .max_rule_num = rules
	};
	struct rte_acl_config config = { .num_categories = 1, .num_fields = 2 };
	struct rte_acl_ctx *acl = rte_acl_create(&param);

	bench_check(acl == NULL ? -ENOMEM : 0, "rte_acl", NULL);
	memcpy(config.defs, defs, sizeof(defs));
	for (uint32_t i = 0; i < rules; i++) {
		struct acl_rule_of_two rule = {
			.data = { .category_mask = 1, .priority = (int32_t)(rules - i), .userdata = i + 1 },
			.field[1] = { .value.u32 = address_of(i), .mask_range.u32 = 32 },
		};

		bench_check(rte_acl_add_rules(acl, (struct rte_acl_rule *)&rule, 1), "rte_acl_add_rules", NULL);
	}
	bench_check(rte_acl_build(acl, &config), "rte_acl_build", NULL);
	return acl;
}

struct bench {
	struct rte_mbuf *mbufs[MBUFS];
	struct chain *chain;
	struct rte_acl_ctx *acl;
	uint32_t filters;
	rte_be32_t *destinations; /* [FRAMES] */
	uint64_t sum; /* of the filters found, counted from 1 */
};

static struct rte_ipv4_hdr *
header_of(struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, sizeof(struct rte_ether_hdr));
}

static void
aim(const struct bench *b, uint32_t from, struct rte_mbuf **pkts)
{
	for (uint32_t i = 0; i < NULL_BURST; i++)
		header_of(pkts[i])->dst_addr = b->destinations[from + i];
}

static double
weir_cycles(struct bench *b)
{
	struct verdict verdicts[NULL_BURST];
	struct classify_ctx ctx = { .now = 1 };
	uint64_t start = rte_rdtsc();

	for (uint32_t i = 0; i < FRAMES; i += NULL_BURST) {
		struct rte_mbuf **pkts = &b->mbufs[i % MBUFS];

		aim(b, i, pkts);
		chain_classify(b->chain, &ctx, pkts, NULL_BURST, verdicts);
		for (uint32_t k = 0; k < NULL_BURST; k++)
			b->sum += (verdicts[k].classid & 0xffff) - FIRST_LEAF + 1;
	}
	return (double)(rte_rdtsc() - start) / FRAMES;
}

static double
acl_cycles(struct bench *b)
{
	const uint8_t *data[NULL_BURST];
	uint32_t results[NULL_BURST];
	uint64_t start = rte_rdtsc();

	for (uint32_t i = 0; i < FRAMES; i += NULL_BURST) {
		struct rte_mbuf **pkts = &b->mbufs[i % MBUFS];

		aim(b, i, pkts);
		for (uint32_t k = 0; k < NULL_BURST; k++)
			data[k] = (const uint8_t *)header_of(pkts[k]);
		rte_acl_classify(b->acl, data, results, NULL_BURST, 1);
		for (uint32_t k = 0; k < NULL_BURST; k++)
			b->sum += results[k];
	}
	return (double)(rte_rdtsc() - start) / FRAMES;
}

static int
add_matches(void *arg, const struct filter_info *info)
{
	struct u32_counts counts;

	if (info->filter != NULL && !u32_is_table(info->handle)) {
		u32_sum_counts(info->filter, &counts);
		*(uint64_t *)arg += counts.matches;
	}
	return 0;
}

/* Each packet found its filter, in both, and the counters say so. */
static void
check_work(struct bench *b)
{
	uint64_t expected = 0, matches = 0;

	for (uint32_t i = 0; i < FRAMES; i++)
		expected += ntohl(b->destinations[i]) - address_of(0) + 1;
	chain_walk(b->chain, add_matches, &matches);
	bench_check(b->sum != expected * 2 * ROUNDS, "filters found", NULL);
	bench_check(matches != (uint64_t)FRAMES * ROUNDS, "counters", NULL);
}

static void
aim_at_random(struct bench *b)
{
	uint64_t random = 88172645463325252ull;

	for (uint32_t i = 0; i < FRAMES; i++) {
		random = random * 6364136223846793005 + 1442695040888963407;
		b->destinations[i] = htonl(address_of((uint32_t)((random >> 33) % b->filters)));
	}
}

static void
report_classify(struct bench *b, unsigned int which)
{
	static const uint32_t sizes[] = { FILTERS, FILTERS, 1000, 100, 1 };
	char work[80];
	struct report_row row = { .name = names[which], .work = work, .unit = "cycles/packet", .peer_name = "rte_acl" };
	double weir[ROUNDS], acl[ROUNDS];

	if (!report_wanted(row.name))
		return;
	b->filters = sizes[which];
	b->sum = 0;
	b->chain = chain_create(NULL);
	b->acl = make_acl(b->filters);
	aim_at_random(b);
	if (which == 0)
		add_buckets(b->chain);
	else
		add_list(b->chain, b->filters);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		weir[i] = weir_cycles(b);
		acl[i] = acl_cycles(b);
	}
	check_work(b);
	snprintf(work, sizeof(work), "classify by %u u32 filters, %s", b->filters,
		which == 0 ? "hash of 256 buckets" : "a plain list");
	report_add(&row, weir, acl, ROUNDS);
	rte_acl_free(b->acl);
	chain_destroy(b->chain);
}

static void
classify_rows(void)
{
	struct rte_mempool *pool = rte_pktmbuf_pool_create(
		"classify", 2 * MBUFS, 0, sizeof(struct pkt), RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	struct bench b = { .destinations = calloc(FRAMES, sizeof(*b.destinations)) };

	bench_check(pool == NULL || b.destinations == NULL ? -ENOMEM : 0, "classify", NULL);
	bench_check(rte_pktmbuf_alloc_bulk(pool, b.mbufs, MBUFS), "mbufs", NULL);
	for (unsigned int i = 0; i < MBUFS; i++) {
		memset(rte_pktmbuf_append(b.mbufs[i], NULL_FRAME), 0, NULL_FRAME);
		*pkt_of(b.mbufs[i]) =
			(struct pkt){ .l3_off = sizeof(struct rte_ether_hdr), .protocol = htons(ETH_P_IP) };
	}
	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		report_classify(&b, i);
	free(b.destinations);
}

/* ---- the whole way ------------------------------------------------------------------------------ */

static void
add_class(struct qdisc *q, uint32_t parent, uint32_t minor, uint64_t Bps)
{
	struct htb_class_conf conf = {
		.rate.Bps = Bps, .ceil.Bps = Bps, .burst_ns = 100000000, .cburst_ns = 100000000, .quantum = 1514
	};
	struct class_spec spec = { .parentid = parent, .classid = 1 << 16 | minor, .conf = &conf };
	struct error err = { 0 };

	bench_check(sched_class_add(q, &spec, NULL, &err), "class", &err);
}

/* 1: htb, 1:1 the link, 1:2 ... a hundred below it, and a hundred leaves below each. */
static void
make_tree(struct port *out)
{
	struct htb_conf conf = { .version = 3, .rate2quantum = 10 };
	struct qdisc_spec root = { .parent = TC_H_ROOT, .handle = 1 << 16, .kind = "htb", .conf = &conf };
	const uint64_t leaf = 10000000; /* 80 mbit, of which an even share of 15 Mpps is a hundredth */
	struct error err = { 0 };
	struct qdisc *q;

	bench_check(sched_qdisc_add(out->tree, &root, &q, &err), "htb", &err);
	add_class(q, 1 << 16, 1, leaf * FILTERS);
	for (uint32_t i = 0; i < INNER; i++)
		add_class(q, 1 << 16 | 1, 2 + i, leaf * FILTERS / INNER);
	for (uint32_t i = 0; i < FILTERS; i++)
		add_class(q, 1 << 16 | (2 + i % INNER), FIRST_LEAF + i, leaf);
	struct chain *chain = sched_chain(out->tree, 1 << 16, &err);
	bench_check(chain == NULL ? -EINVAL : 0, "chain", &err);
	chain_set_handle(chain, 1 << 16);
	add_buckets(chain);
	sched_chain_changed(out->tree);
}

struct bare {
	uint16_t device;
	double cycles;
};

static void
run_bare(void *arg)
{
	struct bare *bare = arg;
	struct rte_mbuf *pkts[NULL_BURST];
	uint64_t done = 0, start = rte_rdtsc();

	while (done < FRAMES) {
		uint16_t n = null_frames_receive(pkts, NULL_BURST);

		done += rte_eth_tx_burst(bare->device, 0, pkts, n);
	}
	bare->cycles = (double)(rte_rdtsc() - start) / (double)done;
}

/* Each leaf sent what was for it. */
static void
check_leaves(const struct port *out, const uint32_t *destinations, unsigned int rounds)
{
	uint32_t *expected = calloc(FILTERS, sizeof(*expected));
	const struct qdisc *q = sched_root(out->tree);

	bench_check(expected == NULL ? -ENOMEM : 0, "check", NULL);
	for (uint32_t i = 0; i < FRAMES; i++)
		expected[destinations[i] - address_of(0)] += rounds;
	for (uint32_t i = 0; i < FILTERS; i++) {
		struct sched_stats stats = { 0 };

		class_get_stats(sched_class_find(q, 1 << 16 | (FIRST_LEAF + i)), &stats);
		bench_check(stats.packets != expected[i], "a leaf's packets", NULL);
	}
	free(expected);
}

static void
note_stages(const struct null_router *n)
{
	static const char *const stages[] = {
#define X(id, stage, meaning) stage,
		WORKER_STAGES_LIST(X)
#undef X
	};
	struct worker_info info;
	char text[300] = "";
	size_t length = 0;

	router_worker_info(n->router, 0, &info);
	for (unsigned int i = 0; i < WORKER_STAGES; i++) {
		double cycles = (double)info.timed_cycles[i] / (double)info.timed_packets;

		if (cycles >= 0.05)
			length += (size_t)snprintf(text + length, sizeof(text) - length, " %s %.1f", stages[i], cycles);
	}
	report_note("u32-htb-path by stage:%s", text);
}

static void
path_row(struct null_router *n)
{
	static const struct report_row row = { .name = "u32-htb-path",
		.work = "64 B, 10,000 u32 filters in 256 buckets, HTB of 10,000 leaves",
		.unit = "cycles/packet",
		.peer_name = "bare rx, frames, tx",
		.must = 240,
		.strive = 180 };
	uint32_t *destinations = calloc(FRAMES, sizeof(*destinations));
	double weir[ROUNDS], peer[ROUNDS];
	struct bare bare = { .device = n->device };
	uint64_t random = 2463534242;

	bench_check(destinations == NULL ? -ENOMEM : 0, "destinations", NULL);
	for (uint32_t i = 0; i < FRAMES; i++) {
		random = random * 6364136223846793005 + 1442695040888963407;
		destinations[i] = address_of((uint32_t)((random >> 33) % FILTERS));
	}
	struct null_frame *frames = null_frames(destinations, NULL, FRAMES);
	null_router_set_frames(frames, FRAMES);
	null_router_cycles(FRAMES);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		weir[i] = null_router_cycles(FRAMES);
		null_router_call(n, run_bare, &bare);
		peer[i] = bare.cycles;
	}
	check_leaves(n->out, destinations, 1 + ROUNDS);
	report_add(&row, weir, peer, ROUNDS);
	note_stages(n);
	free(destinations);
	rte_free(frames);
}

int
main(void)
{
	static const struct prefix4 everything = { .addr = RTE_IPV4(11, 0, 0, 0), .length = 8 };
	struct null_router n;

	setvbuf(stdout, NULL, _IOLBF, 0);
	null_router_create(&n, 1);
	classify_rows();
	if (!report_wanted("u32-htb-path"))
		return 0;
	null_router_add_routes(&n, &everything, 1);
	make_tree(n.out);
	null_router_start(&n);
	path_row(&n);
	null_router_destroy(&n, 0);
	return 0;
}
