/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which readers are used here, and that of IPv4's trie which suits any processor: a burst descends level by level, each
 * lookup's next line on its way while the others are looked at.
 */
#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_prefetch.h>

#include "lpm_internal.h"

/* The address behind its first `depth` bits. */
static __rte_always_inline uint32_t
window(const uint32_t *addrs, uint32_t i, uint32_t depth)
{
	return (uint32_t)((uint64_t)addrs[i] << RTE_MIN(depth, 32u));
}

/*
 * Lookups on their way. What a lookup comes to next, and whether it ends there, nobody can foretell: so nothing
 * branches on it. A lookup that has ended reads its own entry again.
 */
struct descent {
	lpm_entry entry[LPM_BURST]; /* that each has come to; runs 0: its value */
	const uint32_t *place[LPM_BURST]; /* of the next: an entry, or a value, which is the upper half of one ... */
	uint8_t shift[LPM_BURST]; /* ... by so many bits: 0, or 32 */
	uint8_t active[LPM_BURST]; /* those that go on */
};

/* Asks for what the upper bits of `next` name in the lookup's entry. */
static __rte_always_inline void
ask(struct descent *d, const uint64_t *arena, uint32_t i, uint32_t next)
{
	uint32_t runs = lpm_entry_runs(d->entry[i]), base = lpm_entry_base(d->entry[i]);
	uint32_t slot = next >> (32 - LPM_SLOT_BITS), deeper = (base & LPM_ENTRIES) != 0 || runs == 0;
	uint32_t run = (uint32_t)__builtin_popcount(runs << (LPM_SLOTS - 1 - slot)) - 1;
	const uint32_t *place = lpm_words(arena, base) + (run << deeper);

	d->place[i] = runs == 0 ? (const uint32_t *)&d->entry[i] : place;
	d->shift[i] = (uint8_t)(32 * (1 - deeper));
	rte_prefetch0(d->place[i]);
}

/* True if it goes on. 8 bytes are loaded where 4 are meant, too. */
static __rte_always_inline bool
take(struct descent *d, uint32_t i)
{
	d->entry[i] = __atomic_load_n((const lpm_entry *)d->place[i], __ATOMIC_ACQUIRE) << d->shift[i];
	return lpm_entry_runs(d->entry[i]) != 0;
}

static __rte_always_inline void
look_up(const struct lpm *lpm, const uint32_t *addrs, uint16_t n, uint32_t *values)
{
	const struct lpm_view *view = __atomic_load_n(&lpm->view, __ATOMIC_ACQUIRE);
	uint32_t depth = view->root_bits, fallback = __atomic_load_n(&lpm->fallback, __ATOMIC_RELAXED);
	uint16_t count = 0, left;
	struct descent d;

	for (uint16_t i = 0; i < n; i++)
		rte_prefetch0(&view->root[window(addrs, i, 0) >> (32 - depth)]);
	for (uint16_t i = 0; i < n; i++) {
		d.entry[i] = __atomic_load_n(&view->root[window(addrs, i, 0) >> (32 - depth)], __ATOMIC_ACQUIRE);
		ask(&d, view->arena, i, window(addrs, i, depth));
	}
	for (uint16_t i = 0; i < n; i++) { /* where most end */
		d.active[count] = (uint8_t)i;
		count += take(&d, i);
	}
	depth += LPM_SLOT_BITS;
	for (uint16_t k = 0; k < count; k++)
		ask(&d, view->arena, d.active[k], window(addrs, d.active[k], depth));
	for (; count > 0; count = left) {
		left = 0;
		depth += LPM_SLOT_BITS;
		for (uint16_t k = 0; k < count; k++) {
			uint8_t i = d.active[k];

			d.active[left] = i;
			left += take(&d, i);
			ask(&d, view->arena, i, window(addrs, i, depth));
		}
	}
	for (uint16_t i = 0; i < n; i++) {
		uint32_t value = lpm_entry_base(d.entry[i]);

		values[i] = value != 0 ? value : fallback;
	}
}

static void
look_up_scalar(const struct lpm *lpm, const uint32_t *addrs, uint16_t n, uint32_t *values)
{
	look_up(lpm, addrs, n, values);
}

static const struct lpm_reader scalar = { "scalar", lpm_lookup_v6_scalar, look_up_scalar };

#ifdef __x86_64__

/* The same with shifts by a register in one step. */
__attribute__((target("bmi,bmi2"))) static void
look_up_bmi2(const struct lpm *lpm, const uint32_t *addrs, uint16_t n, uint32_t *values)
{
	look_up(lpm, addrs, n, values);
}

static const struct lpm_reader avx2 = { "AVX2", lpm_lookup_v6_avx2, look_up_bmi2 };
static const struct lpm_reader avx512 = { "AVX-512", lpm_lookup_v6_avx512, lpm_lookup_v4_avx512 };

static bool
avx2_usable(void)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
	       __builtin_cpu_supports("popcnt");
}

static bool
avx512_usable(void)
{
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
	       __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vpopcntdq");
}

#endif

#define READERS 3

static const struct lpm_reader *readers[READERS + 1] = { &scalar };
static const struct lpm_reader *best = &scalar;

/* The processor does not change: found once, before any thread. */
__attribute__((constructor)) static void
choose_reader(void)
{
#ifdef __x86_64__
	unsigned int count = 1;

	__builtin_cpu_init();
	if (avx2_usable())
		readers[count++] = &avx2;
	if (avx512_usable())
		readers[count++] = &avx512;
	best = readers[count - 1];
#endif
}

const struct lpm_reader *
lpm_reader(unsigned int i)
{
	return readers[i];
}

const struct lpm_reader *
lpm_best_reader(void)
{
	return best;
}

void
lpm_lookup_v6(const struct lpm *lpm, const struct lpm_key *keys, uint16_t n, uint32_t *values)
{
	best->lookup_v6(lpm, keys, n, values);
}

void
lpm_lookup_v4(const struct lpm *lpm, const uint32_t *addrs, uint16_t n, uint32_t *values)
{
	best->lookup_v4(lpm, addrs, n, values);
}

const uint64_t *
lpm_root_v4(const struct lpm *lpm, uint32_t *shift)
{
	const struct lpm_view *view = __atomic_load_n(&lpm->view, __ATOMIC_ACQUIRE);

	*shift = 32 - view->root_bits;
	return view->root;
}
