/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which readers are used here, and that of IPv4's trie which suits any processor: each lookup's next line is on its way
 * while the others of the burst are looked at.
 */
#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_prefetch.h>

#include "lpm_internal.h"

/* Where the word is, value or link, that an entry has for a slot. By masks, as nobody can foretell what it is. */
struct place {
	const void *at;
	uint32_t base; /* if all slots are equal, the word itself */
};

static __rte_always_inline void
find_place(struct place *place, const uint64_t *arena, lpm_entry entry, uint32_t window)
{
	uint32_t runs = lpm_entry_runs(entry), base = lpm_entry_base(entry), slot = window >> (32 - LPM_SLOT_BITS);
	uint32_t run = (uint32_t)__builtin_popcount(runs << (LPM_SLOTS - 1 - slot));
	const uint16_t *at = (const uint16_t *)arena + (base & LPM_PLACE) + (run << !(base & LPM_SHORT));

	place->base = base;
	place->at = runs == 0 ? (const void *)&place->base : at;
}

static __rte_always_inline uint32_t
word_at(const struct place *place)
{
	uint32_t is_short = -(uint32_t)((place->base & LPM_SHORT) != 0), word;

	memcpy(&word, place->at, sizeof(word));
	return (word & (LPM_SHORT_NUMBERS | ~is_short)) | (word << LPM_SHORT_SHIFT & LPM_SHORT_LENGTHS & is_short);
}

/* The few that do not end in the block of the root's entry. */
static uint32_t
descend(const uint64_t *arena, uint32_t word, uint32_t window)
{
	struct place place;

	while (word & LPM_LINK) {
		window <<= LPM_SLOT_BITS;
		find_place(&place, arena, arena[word & ~LPM_LINK], window);
		word = word_at(&place);
	}
	return word;
}

static __rte_always_inline void
look_up(const struct lpm *lpm, const uint32_t *addrs, uint16_t n, uint32_t *values)
{
	const struct lpm_view *view = __atomic_load_n(&lpm->view, __ATOMIC_ACQUIRE);
	uint32_t bits = view->root_bits, fallback = __atomic_load_n(&lpm->fallback, __ATOMIC_RELAXED);
	struct place places[LPM_BURST];

	for (uint16_t i = 0; i < n; i++)
		rte_prefetch0(&view->root[addrs[i] >> (32 - bits)]);
	for (uint16_t i = 0; i < n; i++) {
		lpm_entry entry = __atomic_load_n(&view->root[addrs[i] >> (32 - bits)], __ATOMIC_ACQUIRE);

		find_place(&places[i], view->arena, entry, addrs[i] << bits);
		rte_prefetch0(places[i].at);
	}
	for (uint16_t i = 0; i < n; i++) {
		uint32_t word = word_at(&places[i]);

		if (unlikely(word & LPM_LINK))
			word = descend(view->arena, word, addrs[i] << bits);
		values[i] = word | (fallback & -(uint32_t)(word == 0));
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
