/* SPDX-License-Identifier: BSD-3-Clause */
#include "prefixes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>

/* An address as a number, its first bit on top; IPv4 is the upper half of hi. */
struct bits {
	uint64_t hi, lo;
};

struct item {
	struct bits bits;
	uint8_t length;
};

/* The table while it is made: distinct items, found by an open hash of their places (0: free). */
struct maker {
	uint8_t family;
	struct item *items;
	uint32_t *hash;
	size_t count, most;
	uint64_t random;
};

#define ALONE       64 /* one of so many is drawn without regard to the others */
#define BESIDE_BITS 4

#define HASH_SIZE (1u << 22) /* a power of two, several times the prefixes there are */

/* Shares of lengths, in thousandths: a full table's of 2022. */
static const struct share {
	uint8_t length;
	uint16_t thousandths;
} shares4[] = { { 24, 596 }, { 22, 120 }, { 23, 107 }, { 21, 56 }, { 20, 47 }, { 19, 28 }, { 18, 15 }, { 16, 15 },
	{ 17, 9 }, { 15, 2 }, { 14, 2 }, { 32, 1 }, { 13, 1 }, { 12, 1 } },
  shares6[] = { { 48, 478 }, { 32, 141 }, { 44, 90 }, { 40, 84 }, { 36, 38 }, { 29, 28 }, { 47, 20 }, { 46, 19 },
	  { 33, 18 }, { 34, 17 }, { 42, 15 }, { 38, 10 }, { 45, 10 }, { 39, 9 }, { 35, 7 }, { 43, 6 }, { 37, 5 },
	  { 30, 4 }, { 64, 1 } };

static void *
take(size_t n, size_t size)
{
	void *memory = calloc(n, size);

	if (memory == NULL) {
		fprintf(stderr, "bench: no memory for %zu prefixes\n", n);
		exit(1);
	}
	return memory;
}

static uint64_t
draw(uint64_t *random)
{
	*random ^= *random << 13; /* xorshift64*, G. Marsaglia 2003, S. Vigna 2016 */
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return *random * UINT64_C(0x2545f4914f6cdd1d);
}

/* The bits behind the first `length`. */
static struct bits
host_mask(uint8_t family, uint8_t length)
{
	struct bits all = { UINT64_MAX, family == AF_INET ? 0 : UINT64_MAX };

	if (family == AF_INET)
		all.hi = UINT64_C(0xffffffff00000000);
	return (struct bits){ length >= 64 ? 0 : all.hi & UINT64_MAX >> length, length <= 64 ? all.lo
										: length >= 128
											? 0
											: UINT64_MAX >> (length - 64) };
}

static void
add(struct maker *m, struct bits bits, uint8_t length)
{
	struct bits host = host_mask(m->family, length);
	uint32_t place;

	bits = (struct bits){ bits.hi & ~host.hi, bits.lo & ~host.lo };
	place = (uint32_t)(((bits.hi * 31 + bits.lo) * 131 + length) * UINT64_C(0x9e3779b97f4a7c15) >> 42);
	if (length == 0 || m->count == m->most)
		return;
	for (; m->hash[place] != 0; place = (place + 1) % HASH_SIZE) {
		const struct item *item = &m->items[m->hash[place] - 1];

		if (item->bits.hi == bits.hi && item->bits.lo == bits.lo && item->length == length)
			return;
	}
	m->items[m->count++] = (struct item){ bits, length };
	m->hash[place] = (uint32_t)m->count;
}

static void
read_prefixes(struct maker *m, FILE *in)
{
	char line[128];

	while (fgets(line, sizeof(line), in) != NULL) {
		char *slash = strchr(line, '/');
		uint64_t addr[2] = { 0 };

		if (slash == NULL)
			continue;
		*slash = '\0';
		if (inet_pton(m->family, line, addr) == 1)
			add(m, (struct bits){ rte_be_to_cpu_64(addr[0]), rte_be_to_cpu_64(addr[1]) },
				(uint8_t)atoi(slash + 1));
	}
}

static bool
read_file(struct maker *m, const char *path)
{
	char command[512];
	FILE *in;

	if (path == NULL || snprintf(command, sizeof(command), "gzip -dc '%s'", path) >= (int)sizeof(command) ||
		(in = popen(command, "r")) == NULL)
		return false;
	read_prefixes(m, in);
	pclose(in);
	return m->count > 0;
}

/*
 * Somewhere in what the registries hand out: 1.0.0.0 to 223.255.255.255 but 127.0.0.0/8; for IPv6 the /12s of the five
 * registries.
 */
static struct bits
anywhere(struct maker *m)
{
	static const uint64_t registries[] = { UINT64_C(0x2400) << 48, UINT64_C(0x2600) << 48, UINT64_C(0x2800) << 48,
		UINT64_C(0x2a00) << 48, UINT64_C(0x2c00) << 48 };

	if (m->family == AF_INET) {
		uint64_t addr = (UINT64_C(1) << 24) + draw(&m->random) % (UINT64_C(222) << 24);

		return (struct bits){ (addr >= UINT64_C(127) << 24 ? addr + (1 << 24) : addr) << 32, 0 };
	}
	return (struct bits){ registries[draw(&m->random) % 5] | draw(&m->random) >> 12, draw(&m->random) };
}

/*
 * As in a full table, half of the prefixes lie in shorter ones and most of the others beside each other: in a block of
 * 1 << BESIDE_BITS of their size.
 */
static void
make_prefixes(struct maker *m)
{
	const struct share *shares = m->family == AF_INET ? shares4 : shares6;

	while (m->count < m->most) {
		uint32_t left = (uint32_t)(draw(&m->random) >> 32) % 1000, s = 0;

		while (left >= shares[s].thousandths)
			left -= shares[s++].thousandths;
		struct bits bits = anywhere(m), host;

		if (m->count > 0 && draw(&m->random) % ALONE != 0) {
			const struct item *other = &m->items[draw(&m->random) % m->count];
			bool beside = draw(&m->random) % 2 == 0;

			host = host_mask(m->family, other->length - (beside ? RTE_MIN(other->length, BESIDE_BITS) : 0));
			bits = (struct bits){ (other->bits.hi & ~host.hi) | (bits.hi & host.hi),
				(other->bits.lo & ~host.lo) | (bits.lo & host.lo) };
		}
		add(m, bits, shares[s].length);
	}
}

/*
 * The length of one drawn prefix is that of a more-specific of another, shorter one: so the table's shares stay what
 * they are.
 */
static void
fill_up(struct maker *m)
{
	size_t real = m->count;

	while (m->count < m->most) {
		uint8_t length = m->items[draw(&m->random) % real].length;
		const struct item *cover = &m->items[draw(&m->random) % real];
		struct bits host = host_mask(m->family, cover->length);

		if (cover->length < length)
			add(m,
				(struct bits){ cover->bits.hi | (draw(&m->random) & host.hi),
					cover->bits.lo | (draw(&m->random) & host.lo) },
				length);
	}
}

static int
compare(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	if (x->bits.hi != y->bits.hi)
		return x->bits.hi < y->bits.hi ? -1 : 1;
	if (x->bits.lo != y->bits.lo)
		return x->bits.lo < y->bits.lo ? -1 : 1;
	return (int)x->length - (int)y->length;
}

static struct item *
make(uint8_t family, size_t most, const char *path)
{
	struct maker m = { .family = family, .most = most, .random = UINT64_C(0x9e3779b97f4a7c15) };

	m.items = take(most, sizeof(*m.items));
	m.hash = take(HASH_SIZE, sizeof(*m.hash));
	if (path == NULL)
		path = getenv("BENCH_PREFIXES");
	if (!read_file(&m, path)) {
		fprintf(stderr, "bench: no prefixes in %s: synthetic ones instead\n",
			path != NULL ? path : "BENCH_PREFIXES, which is not set");
		make_prefixes(&m);
	}
	fill_up(&m);
	qsort(m.items, m.count, sizeof(*m.items), compare);
	free(m.hash);
	return m.items;
}

size_t
prefixes_load(const char *path, struct prefix4 **prefixes)
{
	struct item *items = make(AF_INET, PREFIXES_IPV4, path);

	*prefixes = take(PREFIXES_IPV4, sizeof(**prefixes));
	for (size_t i = 0; i < PREFIXES_IPV4; i++)
		(*prefixes)[i] = (struct prefix4){ (uint32_t)(items[i].bits.hi >> 32), items[i].length };
	free(items);
	return PREFIXES_IPV4;
}

static struct ip_addr
to_addr(struct bits bits)
{
	return (struct ip_addr){ .halves = { rte_cpu_to_be_64(bits.hi), rte_cpu_to_be_64(bits.lo) } };
}

size_t
prefixes_load6(const char *path, struct ip_prefix **prefixes)
{
	struct item *items = make(AF_INET6, PREFIXES_IPV6, path);

	*prefixes = take(PREFIXES_IPV6, sizeof(**prefixes));
	for (size_t i = 0; i < PREFIXES_IPV6; i++)
		(*prefixes)[i] = (struct ip_prefix){ AF_INET6, items[i].length, to_addr(items[i].bits) };
	free(items);
	return PREFIXES_IPV6;
}

/*
 * ---- traffic
 * -----------------------------------------------------------------------------------------------------------
 */

/* Sums of the first 1, 2, ... terms of the harmonic series: where a uniform number falls among them is a rank. */
static double *
zipf_sums(size_t count)
{
	double *sums = take(count, sizeof(*sums)), sum = 0;

	for (size_t i = 0; i < count; i++)
		sums[i] = sum += 1.0 / (double)(i + 1);
	return sums;
}

static size_t
zipf_rank(const double *sums, size_t count, uint64_t random)
{
	double x = (double)(random >> 11) * 0x1p-53 * sums[count - 1];
	size_t low = 0, high = count - 1;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (sums[middle] < x)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Which of the prefixes: sums are zipf_sums, NULL for uniform. The multiplier is a prime, so no two ranks meet. */
static size_t
choose(const double *sums, size_t count, uint64_t random)
{
	return sums == NULL ? random % count : zipf_rank(sums, count, random) * UINT64_C(2654435761) % count;
}

void
traffic4(enum traffic kind, const struct prefix4 *prefixes, size_t count, uint32_t *addrs, size_t n, uint64_t seed)
{
	double *sums = kind == TRAFFIC_ZIPF ? zipf_sums(count) : NULL;
	uint64_t random = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15);

	for (size_t i = 0; i < n; i++) {
		uint32_t bits = (uint32_t)(draw(&random) >> 32);
		const struct prefix4 *p = kind == TRAFFIC_ALL ? NULL : &prefixes[choose(sums, count, draw(&random))];

		addrs[i] = p == NULL ? bits : p->length == 32 ? p->addr : p->addr | bits >> p->length;
	}
	free(sums);
}

void
traffic6(enum traffic kind, const struct ip_prefix *prefixes, size_t count, struct ip_addr *addrs, size_t n,
	uint64_t seed)
{
	double *sums = kind == TRAFFIC_ZIPF ? zipf_sums(count) : NULL;
	uint64_t random = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15);

	for (size_t i = 0; i < n; i++) {
		struct bits bits = { draw(&random), draw(&random) };
		const struct ip_prefix *p = kind == TRAFFIC_ALL ? NULL : &prefixes[choose(sums, count, draw(&random))];
		struct bits host = host_mask(AF_INET6, p == NULL ? 0 : p->length);

		addrs[i] = to_addr((struct bits){ bits.hi & host.hi, bits.lo & host.lo });
		if (p != NULL) {
			addrs[i].halves[0] |= p->addr.halves[0];
			addrs[i].halves[1] |= p->addr.halves[1];
		}
	}
	free(sums);
}
