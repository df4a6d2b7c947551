/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What both families share: the root, the arena (lpm_arena.c), the parts of an update (lpm.c); and the layout of IPv4's
 * trie, for its writer (lpm_trie.c, lpm_trie_pack.c) and its readers (lpm_lookup.c, lpm_avx512.c).
 */
#ifndef WEIR_RIB_LPM_INTERNAL_H
#define WEIR_RIB_LPM_INTERNAL_H

#include "lpm.h"

/*
 * An entry of 8 bytes stands for 32 slots, the next five bits of the address. Bit i of its runs says that slot i
 * differs from the one before; what the runs of equal slots hold lies together at `base`, so the bits up to a slot,
 * counted, are its place. Where all slots are equal runs is 0, and base is the value itself.
 *
 *   root: 2^k entries
 *   +------+------+----            +---+---+---+---+---+----
 *   | runs | base | ...   base --> |   |   |   |   |   | ...          2 bytes each: all are short values (LPM_SHORT)
 *   +------+------+----            +---+---+---+---+---+----
 *                                  +-------+------+-------+----
 *                      or base --> | value | link | value | ...     4 bytes each: values, and links to what goes on
 *                                  +-------+------+-------+----
 *                                              |     +------+------+-------+-------+----
 *                                              +---> | runs | base | value | value | ...    an entry, then its base
 *                                                    +------+------+-------+-------+----
 */
#define LPM_SLOT_BITS 5
#define LPM_SLOTS     (1u << LPM_SLOT_BITS)

/* In a base: that short values lie there. The rest of it is the place in the arena, in halves of a word, 2 bytes. */
#define LPM_SHORT 0x40000000u
#define LPM_PLACE 0x3fffffffu

/* Instead of a value, which has 31 bits: the rest is the unit of the arena in which an entry is. */
#define LPM_LINK 0x80000000u

/* A short value: a length below 32 in its upper bits, and a number below 2048, as most are. */
#define LPM_SHORT_NUMBER_BITS 11
#define LPM_SHORT_LENGTHS     (0x1fu << LPM_NUMBER_BITS)
#define LPM_SHORT_NUMBERS     ((1u << LPM_SHORT_NUMBER_BITS) - 1)
#define LPM_SHORT_SHIFT       (LPM_NUMBER_BITS - LPM_SHORT_NUMBER_BITS)

static inline bool
lpm_value_fits_short(uint32_t value)
{
	return (value & ~(LPM_SHORT_LENGTHS | LPM_SHORT_NUMBERS)) == 0;
}

static inline uint16_t
lpm_short_make(uint32_t value)
{
	return (uint16_t)((value & LPM_SHORT_LENGTHS) >> LPM_SHORT_SHIFT | (value & LPM_SHORT_NUMBERS));
}

static inline uint32_t
lpm_short_value(uint32_t value)
{
	return (value << LPM_SHORT_SHIFT & LPM_SHORT_LENGTHS) | (value & LPM_SHORT_NUMBERS);
}

/* Blocks of the arena are of units; the trie's are of 8 bytes, the size of an entry. */
#define LPM_UNIT        8
#define LPM_UNIT_PLACES (LPM_UNIT / sizeof(uint16_t))
#define LPM_BLOCK_MAX   LPM_SLOTS /* units */

/* One 64-bit word, so that it changes at once: runs in the lower half, base in the upper. */
typedef uint64_t lpm_entry;

static inline lpm_entry
lpm_entry_make(uint32_t runs, uint32_t base)
{
	return (uint64_t)base << 32 | runs;
}

static inline uint32_t
lpm_entry_runs(lpm_entry entry)
{
	return (uint32_t)entry;
}

static inline uint32_t
lpm_entry_base(lpm_entry entry)
{
	return (uint32_t)(entry >> 32);
}

/* How many runs it has. */
static inline uint32_t
lpm_entry_count(lpm_entry entry)
{
	return (uint32_t)__builtin_popcount(lpm_entry_runs(entry)) + 1;
}

/* Where in the arena the block at its base is, and how many units it has. */
static inline uint32_t
lpm_entry_offset(lpm_entry entry)
{
	return (lpm_entry_base(entry) & LPM_PLACE) / LPM_UNIT_PLACES;
}

static inline uint32_t
lpm_entry_units(lpm_entry entry)
{
	uint32_t count = lpm_entry_count(entry);

	return lpm_entry_base(entry) & LPM_SHORT ? (count + 3) / 4 : (count + 1) / 2;
}

/* What readers start from, swapped whole when the arena or the root moves. */
struct lpm_view {
	uint64_t *arena;
	lpm_entry *root; /* 1 << root_bits */
	uint32_t root_bits; /* k */
	uint32_t height; /* IPv6: of the trees below the root */
	uint32_t arena_units, unit_bytes; /* the arena's size */
};

struct lpm_limbo {
	uint64_t token; /* of the grace period after which the block is free; valid once its update is done */
	uint32_t offset, units;
};

struct lpm {
	struct lpm_view *view; /* published */
	uint32_t fallback; /* value of the /0, read where the trie has 0: so a new default route costs one store */
	/* the writer's */
	struct rcu *rcu;
	uint8_t family;
	uint32_t routes;
	uint32_t changes; /* since the trie was packed */
	uint32_t used_units; /* the arena's taken front */
	uint32_t free_units; /* of that, in the free lists and in limbo */
	uint32_t free_heads[LPM_BLOCK_MAX + 1]; /* by size: first free block, linked through its first word; 0: none */
	struct lpm_limbo *limbo; /* ring of blocks that readers may still see */
	uint32_t limbo_size, limbo_head, limbo_count;
	uint32_t limbo_pending; /* the last of them, released by the update under way */
};

/* The 32 bits of the address from `depth` on; those past its end are 0. */
static inline uint32_t
lpm_window(struct lpm_key key, uint32_t depth)
{
	if (depth >= 64)
		return depth >= 128 ? 0 : (uint32_t)(key.lo << (depth - 64) >> 32);
	return (uint32_t)((key.hi << depth | (depth == 0 ? 0 : key.lo >> (64 - depth))) >> 32);
}

/* A prefix that comes or goes. */
struct lpm_change {
	struct lpm *lpm;
	struct lpm_key key;
	uint32_t value; /* what to put */
	uint8_t length;
	bool removing; /* value is the cover's */
};

/* Whether it changes slots that hold this value. */
static inline bool
lpm_change_applies(const struct lpm_change *c, uint32_t value)
{
	if (value == c->value)
		return false;
	if (c->removing)
		return value != 0 && lpm_value_length(value) == c->length;
	return lpm_value_length(value) <= c->length;
}

/* Which of the 2^bits parts behind `depth` the prefix covers or lies in: the first, and how many less one. */
static inline uint32_t
lpm_change_range(const struct lpm_change *c, uint32_t depth, uint32_t bits, uint32_t *first)
{
	*first = 0;
	if (c->length <= depth)
		return UINT32_MAX >> (32 - bits);
	*first = lpm_window(c->key, depth) >> (32 - bits);
	return c->length >= depth + bits ? 0 : UINT32_MAX >> (32 - (depth + bits - c->length));
}

/* Each writes below the root what changes, and stores the root's entries. */
void lpm_trie_change(const struct lpm_change *c);
void lpm_tree_change(const struct lpm_change *c);
/* Writes all anew, in the order of the addresses and without holes, under a root of another size. */
void lpm_trie_pack(struct lpm *lpm, uint32_t root_bits);
void lpm_tree_pack(struct lpm *lpm, uint32_t root_bits, uint32_t least_height);

/* Readers of one kind of processor; they answer alike. */
struct lpm_reader {
	const char *name;
	void (*lookup_v6)(const struct lpm *lpm, const struct lpm_key *keys, uint16_t n, uint32_t *values);
	void (*lookup_v4)(const struct lpm *lpm, const uint32_t *addrs, uint16_t n, uint32_t *values);
};

/* The i-th that runs here, plainest first; NULL behind the last. */
const struct lpm_reader *lpm_reader(unsigned int i);
/* The one in use. */
const struct lpm_reader *lpm_best_reader(void);
void lpm_lookup_v6_scalar(const struct lpm *lpm, const struct lpm_key *keys, uint16_t n, uint32_t *values);
void lpm_lookup_v6_avx2(const struct lpm *lpm, const struct lpm_key *keys, uint16_t n, uint32_t *values);
void lpm_lookup_v6_avx512(const struct lpm *lpm, const struct lpm_key *keys, uint16_t n, uint32_t *values);
void lpm_lookup_v4_avx512(const struct lpm *lpm, const uint32_t *addrs, uint16_t n, uint32_t *values);

/* lpm_arena.c */
void *lpm_map(size_t bytes);
void lpm_unmap(void *memory, size_t bytes);
/* No routes, with room for `units` of `unit_bytes`, as lpm's first view. */
void lpm_view_new(struct lpm *lpm, uint32_t root_bits, uint32_t unit_bytes, uint32_t units);
void lpm_view_free(void *view);
/* Publishes a view, and retires the one before. */
void lpm_publish(struct lpm *lpm, struct lpm_view *view);
/* The same with a whole new table: what was free or in limbo goes with the old arena. */
void lpm_replace(struct lpm *lpm, const struct lpm *by);
/* Gives an offset in units; may publish a larger arena. */
uint32_t lpm_alloc(struct lpm *lpm, uint32_t units);
/* Readers may see the block until the update is done (lpm_update_done) and a grace period has passed. */
void lpm_release(struct lpm *lpm, uint32_t offset, uint32_t units);
void lpm_update_done(struct lpm *lpm);

/* lpm_trie_pack.c: what each slot is, as an entry: a value, or one that goes on. */
void lpm_entry_read(const uint64_t *arena, lpm_entry entry, lpm_entry slots[LPM_SLOTS]);
/* linked: in front of what is at its base the entry itself lies, as it is not one of the root's. */
lpm_entry lpm_entry_write(struct lpm *lpm, const lpm_entry slots[LPM_SLOTS], bool linked);
void lpm_entry_release(struct lpm *lpm, lpm_entry entry, bool linked);

#endif
