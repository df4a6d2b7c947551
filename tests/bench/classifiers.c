/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Each classifier with 1 to 10,000 filters for as many values of a field. The last filter is hit by all packets (what a
 * list costs that is asked one by one); and each filter as often as any other, beside the same with 10 filters (what
 * memory costs).
 */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <rte_cycles.h>
#include <rte_ip.h>

#include <weir/filter/basic.h>
#include <weir/filter/flow.h>
#include <weir/filter/flower.h>
#include <weir/filter/fw.h>
#include <weir/filter/route.h>
#include <weir/filter/rsvp.h>
#include <weir/filter/tcindex.h>
#include <weir/filter/u32.h>

#include "classify.h"
#include "report.h"

#define BURST   32
#define PACKETS 128
#define LOOKUPS (1u << 16)
#define ROUNDS  15
#define FIRST   0x0a000001 /* the address of filter 0 */

struct bench {
	struct rte_mbuf *pkts[PACKETS];
	struct chain *chain;
	uint32_t n; /* filters */
	bool evenly;
	uint64_t random;
	uint32_t expected[BURST];
};

/* ---- filters ---- */

static void
add(struct chain *chain, const char *kind, uint32_t handle, const void *conf)
{
	struct filter_spec spec = { 1, htons(ETH_P_IP), handle, kind, conf, 0 };
	struct error err = { 0 };

	bench_require(chain_filter_add(chain, &spec, CHANGE_CREATE, NULL, &err) == 0, err.msg);
}

static void
add_fw(struct chain *chain, uint32_t i)
{
	add(chain, "fw", i + 1, &(struct fw_conf){ .has_classid = true, .classid = i + 1 });
}

/* Realms have 8 bits that tc gives them; those of both ends make enough. */
static void
add_route(struct chain *chain, uint32_t i)
{
	struct route_conf conf = { .has_to = true,
		.to = i % 200 + 1,
		.has_from = true,
		.from = i / 200 + 1,
		.has_classid = true,
		.classid = i + 1 };

	add(chain, "route", 0, &conf);
}

static void
add_tcindex(struct chain *chain, uint32_t i)
{
	add(chain, "tcindex", i + 1, &(struct tcindex_conf){ .has_classid = true, .classid = i + 1 });
}

static void
add_u32_in(struct chain *chain, uint32_t table, uint32_t i)
{
	struct u32_key key = { htonl(FIRST + i), 0xffffffff, 16, 0 };
	struct u32_conf conf = { .has_selector = true,
		.selector_flags = TC_U32_TERMINAL,
		.n_keys = 1,
		.keys = &key,
		.table = table,
		.has_classid = true,
		.classid = i + 1 };

	add(chain, "u32", 0, &conf);
}

static void
add_u32(struct chain *chain, uint32_t i)
{
	add_u32_in(chain, 0, i);
}

/* By the address's last byte. */
static void
add_u32_hash(struct chain *chain, uint32_t i)
{
	struct u32_conf link = { .has_selector = true,
		.has_link = true,
		.link = 0x00100000,
		.jump = { .hash_mask = htonl(0xff), .hash_offset = 16 } };

	if (i == 0) {
		add(chain, "u32", 0x00100000, &(struct u32_conf){ .divisor = 256 });
		add(chain, "u32", 0, &link);
	}
	add_u32_in(chain, 0x00100000 | ((FIRST + i) & 0xff) << 12, i);
}

static void
add_basic(struct chain *chain, uint32_t i)
{
	struct ematch match = { .kind = TCF_EM_U32, .u32 = { htonl(FIRST + i), 0xffffffff, 16, 0 } };

	add(chain, "basic", i + 1, &(struct basic_conf){ .classid = i + 1, .matches = &match, .n_matches = 1 });
}

static void
add_flower(struct chain *chain, uint32_t i)
{
	struct flower_conf conf = { .classid = i + 1 };

	conf.key.eth_type = htons(ETH_P_IP);
	conf.mask.eth_type = 0xffff;
	conf.key.destination[0] = htonl(FIRST + i);
	conf.mask.destination[0] = 0xffffffff;
	conf.key.ip_proto = 17;
	conf.mask.ip_proto = 0xff;
	add(chain, "flower", i + 1, &conf);
}

static void
add_rsvp(struct chain *chain, uint32_t i)
{
	struct rsvp_conf conf = { .has_classid = true,
		.classid = i + 1,
		.has_session = true,
		.session = { htonl(FIRST + i) },
		.pinfo = { .session = { htonl(53), htonl(0xffff), 0 }, .protocol = 17 } };

	add(chain, "rsvp", 0, &conf);
}

/* One is enough for any number of values. */
static void
add_flow(struct chain *chain, uint32_t i)
{
	struct flow_conf conf = { .has = FLOW_HAS_KEYS | FLOW_HAS_MODE | FLOW_HAS_ADDEND | FLOW_HAS_BASECLASS,
		.settings = { .keys = 1u << FLOW_KEY_DST, .addend = -(uint32_t)FIRST, .baseclass = 1 } };

	if (i == 0)
		add(chain, "flow", 1, &conf);
}

static const struct kind {
	const char *name, *work;
	void (*add)(struct chain *chain, uint32_t i);
	uint32_t most; /* filters */
	double must; /* cycles, of 10,000 hit evenly */
} kinds[] = {
	{ "fw", "fw filters", add_fw, 10000, 15 },
	{ "route", "route filters, to and from", add_route, 10000, 0 },
	{ "tcindex", "tcindex filters", add_tcindex, 10000, 15 },
	{ "u32", "u32 filters in one list", add_u32, 4000, 0 }, /* a list has at most 4,095 */
	{ "u32-hash", "u32 filters in 256 buckets", add_u32_hash, 10000, 0 },
	{ "basic", "basic filters, one u32 each", add_basic, 10000, 0 },
	{ "flower", "flower filters, dst_ip and ip_proto", add_flower, 10000, 0 },
	{ "rsvp", "rsvp filters, session with port", add_rsvp, 10000, 0 },
	{ "flow", "values of one flow filter's key", add_flow, 10000, 0 },
};

/* ---- packets ---- */

/* The packet is one that filter i takes, whatever its kind. */
static void
aim(struct rte_mbuf *m, uint32_t i)
{
	struct pkt *p = pkt_of(m);
	rte_be32_t destination = htonl(FIRST + i);

	p->mark = i + 1;
	p->tc_index = (uint16_t)(i + 1);
	p->realm = (i / 200 + 1) << 16 | (i % 200 + 1);
	memcpy(rte_pktmbuf_mtod_offset(m, uint8_t *, 30), &destination, sizeof(destination));
}

static void
make_packet(struct rte_mbuf *m)
{
	static const uint8_t frame[60] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17,
		0, 0, 192, 0, 2, 1, 0, 0, 0, 0, 0x03, 0xe8, 0, 53 };

	memcpy(rte_pktmbuf_mtod(m, void *), frame, sizeof(frame));
	m->data_len = sizeof(frame);
	m->pkt_len = sizeof(frame);
	*pkt_of(m) = (struct pkt){ .protocol = htons(ETH_P_IP), .l3_off = 14, .l4_off = 34, .in_port = 1 };
}

static uint32_t
next_filter(struct bench *b)
{
	b->random = b->random * 6364136223846793005u + 1442695040888963407u;
	return b->evenly ? (uint32_t)((b->random >> 33) % b->n) : b->n - 1;
}

static double
cycles(struct bench *b)
{
	struct classify_ctx ctx = { .now = 1 };
	struct verdict verdicts[BURST];
	uint64_t sum = 0;

	for (uint32_t i = 0; i < LOOKUPS; i += BURST) {
		struct rte_mbuf **pkts = &b->pkts[i % PACKETS];

		for (uint32_t k = 0; k < BURST; k++) {
			uint32_t filter = next_filter(b);

			aim(pkts[k], filter);
			b->expected[k] = filter + 1;
		}
		uint64_t start = rte_rdtsc();

		chain_classify(b->chain, &ctx, pkts, BURST, verdicts);
		sum += rte_rdtsc() - start;
		for (uint32_t k = 0; k < BURST; k++)
			bench_require(
				verdicts[k].classid == b->expected[k], "another class was found than the packet's");
	}
	return (double)sum / LOOKUPS;
}

/* ---- rows ---- */

static struct chain *
fill(const struct kind *kind, uint32_t n)
{
	struct chain *chain = chain_create(NULL);

	bench_require(chain != NULL, "out of memory");
	for (uint32_t i = 0; i < n; i++)
		kind->add(chain, i);
	return chain;
}

static void
measure_last(struct bench *b, const struct kind *kind, uint32_t n)
{
	char name[32], work[80];
	struct report_row row = { .name = name, .work = work, .unit = "cycles/packet" };
	double samples[ROUNDS];

	snprintf(name, sizeof(name), "%s-%u", kind->name, n);
	snprintf(work, sizeof(work), "classify by %u %s, the last hit", n, kind->work);
	if (n > kind->most || !report_wanted(name))
		return;
	b->chain = fill(kind, n);
	b->n = n;
	b->evenly = false;
	for (unsigned int i = 0; i < ROUNDS; i++)
		samples[i] = cycles(b);
	chain_destroy(b->chain);
	report_add(&row, samples, NULL, ROUNDS);
}

static void
measure_evenly(struct bench *b, const struct kind *kind)
{
	struct chain *few = fill(kind, 10), *many = fill(kind, kind->most);
	char name[32], work[80];
	struct report_row row = {
		.name = name, .work = work, .unit = "cycles/packet", .peer_name = "10 filters", .must = kind->must
	};
	double weir[ROUNDS], peer[ROUNDS];

	snprintf(name, sizeof(name), "%s-evenly", kind->name);
	snprintf(work, sizeof(work), "classify by %u %s, all hit", kind->most, kind->work);
	b->evenly = true;
	for (unsigned int i = 0; report_wanted(name) && i < ROUNDS; i++) {
		b->chain = many;
		b->n = kind->most;
		weir[i] = cycles(b);
		b->chain = few;
		b->n = 10;
		peer[i] = cycles(b);
	}
	chain_destroy(few);
	chain_destroy(many);
	if (report_wanted(name))
		report_add(&row, weir, peer, ROUNDS);
}

void
bench_classifiers(struct rte_mempool *pool)
{
	static const uint32_t sizes[] = { 1, 100, 1000, 10000 };
	struct bench b = { .random = 88172645463325252u };

	bench_require(rte_pktmbuf_alloc_bulk(pool, b.pkts, PACKETS) == 0, "out of buffers");
	for (unsigned int i = 0; i < PACKETS; i++)
		make_packet(b.pkts[i]);
	for (size_t k = 0; k < RTE_DIM(kinds); k++) {
		for (size_t i = 0; i < RTE_DIM(sizes); i++)
			measure_last(&b, &kinds[k], sizes[i]);
		measure_evenly(&b, &kinds[k]);
	}
	rte_pktmbuf_free_bulk(b.pkts, PACKETS);
}
