/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A contest: of those who are in it, the one with the least key. A tree of winners (Knuth, The Art of Computer
 * Programming, vol. 3, 5.4.1), in which each node has the lesser of the two below it:
 *
 *   node:            1: a                 the winner; of a larger tree only the part in use is written
 *               2: a      3: d
 *             4: a  5: b  6: c  7: d      places 0 to 3: node = size + place
 *
 * A new key is put in its place, and what is above it is written anew, level by level: which nodes that takes is known
 * before any of them is read, and nothing depends on how a comparison ends. So there is no miss behind a miss and no
 * branch to guess, as there are in a heap, whoever's key it is, and who leaves costs no more than who comes.
 *
 * Where many come who are exactly as early as the winner, as those who were held back and do not make up for it, these
 * need no tree: they are tied, and stand in a list beside it, of which the last one wins. All who are in the tree are
 * as late or later. Who leaves the list leaves its place empty.
 *
 * A node is one word, so that they are half as many lines as a heap's: the key, less a base, in 48 bits, and whose it
 * is, a number, in the others. Keys are nanoseconds, and wrap around; who is more than two days ahead stands where the
 * last are. The greatest word wins, and 0 is nobody. Memory is its owner's.
 */
#ifndef WEIR_SCHED_CONTEST_H
#define WEIR_SCHED_CONTEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_branch_prediction.h>
#include <rte_prefetch.h>

#define CONTEST_NUMBER_BITS 16
#define CONTEST_NUMBER_MAX  65535u
#define CONTEST_RANGE       ((UINT64_C(1) << 48) - 1)
#define CONTEST_BEHIND      (UINT64_C(1) << 46) /* as much before the first key that came there is room for */
#define CONTEST_STEP        (UINT64_C(1) << 44) /* the base moves by no less: all words are written then */

struct contest {
	void *first; /* the winner; NULL: nobody is in it */
	uint64_t first_key; /* of one who has a place */
	/* zeroed: 2 * size, then the items by number, then the tied; NULL: there is no room */
	uint64_t *words;
	uint64_t base;
	uint32_t size; /* places: a power of two, 65,536 at most */
	uint16_t count; /* of those who are in it */
	uint16_t standing; /* in the tree */
	uint16_t used; /* numbers given since the tree was empty */
	uint16_t free; /* 1 + one that was given back since, whose item has its place, and the next one; 0: none */
	uint16_t tied; /* places of the tied: the last one is the winner's */
	uint16_t coming; /* contest_come: not in the tree yet */
	uint8_t height; /* of the part in use: it has 2^height places */
};

/* Bytes of memory for so many places. */
static inline size_t
contest_bytes(uint32_t size)
{
	return 4 * sizeof(uint64_t) * size;
}

static inline bool
contest_empty(const struct contest *t)
{
	return t->first == NULL;
}

static inline uintptr_t *
contest_items(const struct contest *t)
{
	return (uintptr_t *)t->words + 2 * (size_t)t->size;
}

static inline uintptr_t *
contest_tied(const struct contest *t)
{
	return (uintptr_t *)t->words + 3 * (size_t)t->size;
}

static inline void *
contest_item(const struct contest *t, uint64_t word)
{
	return (void *)contest_items(t)[word & CONTEST_NUMBER_MAX];
}

/* The node of the tree's winner. */
static inline uint32_t
contest_top(const struct contest *t)
{
	return t->size >> t->height;
}

static inline uint64_t
contest_word(const struct contest *t, uint16_t number, uint64_t key)
{
	uint64_t after = key - t->base;

	if (unlikely(after >= CONTEST_RANGE))
		after = (int64_t)after < 0 ? 0 : CONTEST_RANGE - 1;
	return (CONTEST_RANGE - after) << CONTEST_NUMBER_BITS | number;
}

/* The last one leaves the tree. */
static inline void
contest_clear(struct contest *t, uint16_t place)
{
	for (uint32_t node = t->size + place, top = contest_top(t); node >= top; node /= 2)
		t->words[node] = 0;
	t->used = t->free = 0;
	t->height = 0;
}

/* Nobody is tied: the tree's winner, whose word that is, is the winner. */
static inline void
contest_name_first(struct contest *t, uint64_t word)
{
	t->first = contest_item(t, word);
	t->first_key = t->base + (CONTEST_RANGE - (word >> CONTEST_NUMBER_BITS));
}

static inline void
contest_put(struct contest *t, uint16_t place, uint64_t word)
{
	uint64_t *words = t->words;
	size_t node = (size_t)t->size + place;

	words[node] = word;
	for (unsigned int levels = t->height; levels != 0; levels--) {
		uint64_t other = words[node ^ 1];

		word = word > other ? word : other;
		node /= 2;
		words[node] = word;
	}
	if (t->tied == 0)
		contest_name_first(t, word);
}

/* The base moves on with the winner: all words with it, which leaves their order as it is. */
static __attribute__((noinline)) void
contest_move_base(struct contest *t)
{
	uint64_t by = t->first_key - CONTEST_BEHIND - t->base;

	if ((int64_t)by < (int64_t)CONTEST_STEP)
		return;
	t->base += by;
	for (uint32_t i = 1; i < 2 * t->size; i++) {
		if (t->words[i] != 0)
			t->words[i] += by << CONTEST_NUMBER_BITS;
	}
}

/* Of who is there. */
static inline uint16_t
contest_number(const struct contest *t, uint16_t place)
{
	return (uint16_t)t->words[t->size + place];
}

/* The key of who has that place is another one. */
static inline void
contest_change(struct contest *t, uint16_t place, uint64_t key)
{
	if (unlikely(key - t->base > CONTEST_RANGE / 2))
		contest_move_base(t);
	contest_put(t, place, contest_word(t, contest_number(t, place), key));
}

/* Bytes with the order of their bits turned round. */
#define REVERSED_2(n) (n), (n) + 128, (n) + 64, (n) + 192
#define REVERSED_4(n) REVERSED_2(n), REVERSED_2((n) + 32), REVERSED_2((n) + 16), REVERSED_2((n) + 48)
#define REVERSED_6(n) REVERSED_4(n), REVERSED_4((n) + 8), REVERSED_4((n) + 4), REVERSED_4((n) + 12)
static const uint8_t contest_reversed[256] = { REVERSED_6(0), REVERSED_6(2), REVERSED_6(1), REVERSED_6(3) };
#undef REVERSED_2
#undef REVERSED_4
#undef REVERSED_6

/*
 * The place of a number. Of equal keys the greatest number wins, and those who come one after another mostly win so,
 * too: they are put far apart, so that who is first in a part of the tree (contest_soon) is not just the next winner.
 * 2^n to 2^(n+1) - 1 are in the half that the tree grows by, in the order of their bits read backwards.
 */
static inline uint16_t
contest_place_of(uint32_t number)
{
	unsigned int bits = 31 - (unsigned int)__builtin_clz(number | 1); /* below the highest one */
	uint32_t half = 1u << bits, reversed = number & ~half;

	reversed = (uint32_t)contest_reversed[reversed & 255] << 8 | contest_reversed[reversed >> 8 & 255];
	return (uint16_t)((number & half) | reversed >> (16 - bits));
}

/* The winner's, of one in which nobody is tied. */
static inline uint16_t
contest_first_place(const struct contest *t)
{
	return contest_place_of(t->words[contest_top(t)] & CONTEST_NUMBER_MAX);
}

static inline bool
contest_is_taken(const struct contest *t, uint16_t place)
{
	return t->words[t->size + place] != 0;
}

/* A number for one who comes to the tree, and its place. */
static inline uint16_t
contest_give_number(struct contest *t, void *item, uint16_t *place)
{
	uintptr_t *items = contest_items(t);
	uint16_t number;

	if (t->free != 0) {
		number = (uint16_t)(t->free - 1);
		*place = (uint16_t)(items[number] >> CONTEST_NUMBER_BITS);
		t->free = (uint16_t)items[number];
	} else {
		number = t->used++;
		*place = contest_place_of(number);
		t->height += number == 1u << t->height;
	}
	items[number] = (uintptr_t)item;
	return number;
}

/* The word of one who comes to the tree. */
static inline uint64_t
contest_come_in(struct contest *t, uint64_t key, void *item, uint16_t *place)
{
	if (t->standing++ == 0)
		t->base = (t->tied != 0 ? t->first_key : key) - CONTEST_BEHIND;
	else if (unlikely(key - t->base > CONTEST_RANGE / 2))
		contest_move_base(t);
	return contest_word(t, contest_give_number(t, item, place), key);
}

/* One who is counted already gets a place in the tree. */
static inline uint16_t
contest_place(struct contest *t, uint64_t key, void *item)
{
	uint16_t place;
	uint64_t word = contest_come_in(t, key, item, &place);

	contest_put(t, place, word);
	return place;
}

/* There must be room. Returns his place, which stays his until he leaves. */
static inline uint16_t
contest_enter(struct contest *t, uint64_t key, void *item)
{
	t->count++;
	return contest_place(t, key, item);
}

/* Of an empty one, for those who do not ask for his key while he is the only one: he gets no place. */
static inline void
contest_enter_alone(struct contest *t, void *item)
{
	t->first = item;
	t->count = 1;
}

/* He who is alone gets a place, the first of the tied, as others are to come, none of them before him. */
static inline uint16_t
contest_place_alone(struct contest *t, uint64_t key)
{
	contest_tied(t)[0] = (uintptr_t)t->first;
	t->first_key = key;
	t->tied = 1;
	return 0;
}

/* Is there room among the tied for one more, of which it is not known where he goes? Else he may enter the tree. */
static inline bool
contest_may_come(const struct contest *t)
{
	return (uint32_t)t->tied + t->coming < t->size - 1;
}

/*
 * One of several who come together, none before the winner, of whom there must be one. True: he has the winner's key,
 * and a place among the tied. Else he is written down, from the end of their places on (contest_coming), and gets
 * one in the tree when all are there: until then, but for more who come, nobody but the winner may be asked for. Which
 * it is cannot be guessed, so that no branch depends on it.
 */
static inline bool
contest_come(struct contest *t, uint64_t key, void *item, uint16_t *place)
{
	uintptr_t *tied = contest_tied(t);
	bool equal = key == t->first_key;

	*place = t->tied;
	tied[t->tied] = tied[t->size - 1 - t->coming] = (uintptr_t)item;
	t->first = equal ? item : t->first;
	t->tied += equal;
	t->coming += !equal;
	t->count++;
	return equal;
}

static inline void *
contest_coming(const struct contest *t, unsigned int i)
{
	return (void *)contest_tied(t)[t->size - 1 - i];
}

/* As contest_place, but what is above his place is written when all have theirs: contest_settle. */
static inline uint16_t
contest_place_unsettled(struct contest *t, uint64_t key, void *item)
{
	uint8_t height = t->height;
	uint16_t place;
	uint64_t word = contest_come_in(t, key, item, &place);

	if (unlikely(t->height != height))
		contest_put(t, place, word); /* the winner is one level further up */
	else
		t->words[t->size + place] = word;
	return place;
}

/* All of the part in use: cheaper than path by path where many of its places are new. */
static inline void
contest_settle(struct contest *t)
{
	uint64_t *words = t->words;
	size_t from = t->size / 2;

	for (size_t nodes = (UINT64_C(1) << t->height) / 2; nodes != 0; nodes /= 2, from /= 2) {
		for (size_t node = from; node < from + nodes; node++) {
			uint64_t left = words[2 * node], right = words[2 * node + 1];

			words[node] = left > right ? left : right;
		}
	}
	if (t->tied == 0)
		contest_name_first(t, words[contest_top(t)]);
}

/* The only one leaves, wherever he is. */
static inline void
contest_leave_last(struct contest *t, uint16_t place)
{
	if (t->standing != 0)
		contest_clear(t, place);
	t->first = NULL;
	t->count = t->standing = t->tied = 0;
}

/* Out of the tree. */
static inline void
contest_leave(struct contest *t, uint16_t place)
{
	uint16_t number;

	if (t->count == 1) {
		contest_leave_last(t, place);
		return;
	}
	t->count--;
	if (--t->standing == 0) {
		contest_clear(t, place);
		return;
	}
	number = contest_number(t, place);
	contest_put(t, place, 0);
	contest_items(t)[number] = (uintptr_t)place << CONTEST_NUMBER_BITS | t->free;
	t->free = (uint16_t)(number + 1);
}

/* Of the tied: not the last one of all. */
static inline void
contest_leave_tied(struct contest *t, uint16_t place)
{
	uintptr_t *tied = contest_tied(t);

	t->count--;
	tied[place] = 0;
	while (t->tied != 0 && tied[t->tied - 1] == 0)
		t->tied--;
	if (t->tied != 0)
		t->first = (void *)tied[t->tied - 1];
	else
		contest_name_first(t, t->words[contest_top(t)]);
}

/* Fetches what a new key at that place will touch of the lower levels, where each place has lines of its own. */
static inline void
contest_prefetch(const struct contest *t, uint16_t place)
{
	uint32_t node = t->size + place;

	rte_prefetch0(&t->words[node]);
	rte_prefetch0(&t->words[node / 2]);
	rte_prefetch0(&t->words[node / 4]);
}

/* The first of the 64th part of all in which `place` is: he will win before long. NULL: nobody is there. */
static inline void *
contest_soon(const struct contest *t, uint16_t place)
{
	unsigned int up = t->height < 6 ? 0 : t->height - 6u;
	uint64_t word = t->words[(t->size + place) >> up];

	return word == 0 ? NULL : contest_item(t, word);
}

/* To more places: `fresh` has the memory; the old one's is left in it. Nobody's place changes. */
static inline void
contest_enlarge(struct contest *t, struct contest *fresh)
{
	struct contest old = *t;

	t->words = fresh->words;
	t->size = fresh->size;
	for (uint32_t number = 0; number < old.used; number++) {
		uint16_t place = contest_place_of(number);

		contest_items(t)[number] = contest_items(&old)[number];
		contest_put(t, place, old.words[old.size + place]);
	}
	for (uint32_t place = 0; place < old.tied; place++)
		contest_tied(t)[place] = contest_tied(&old)[place];
	*fresh = (struct contest){ .words = old.words, .size = old.size };
}

#endif
