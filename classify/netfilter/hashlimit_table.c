/* SPDX-License-Identifier: BSD-3-Clause */
#include "hashlimit_table.h"

#include <stdlib.h>
#include <sys/mman.h>

#define WAYS          8 /* slots of a set */
#define MS_NS         UINT64_C(1000000)
#define SWEEP         1 /* sets that who adds a group looks through for what is over */
#define SWEEP_IN_NEED 8 /* where there is no room else */

/*
 * A slot's state: what it is, how often that has changed, and 32 bits of its group's hash. Who changes it first makes
 * it BUSY, and then alone has its entry; who reads the entry of one that is LIVE looks at the state once more.
 */
enum { FREE, BUSY, LIVE };
#define STATE_MASK 3u
#define STEP       4u /* one change more */

struct hashlimit_set {
	uint64_t states[WAYS];
} __rte_cache_aligned;

/* Where a group may stand. */
struct place_pair {
	uint32_t sets[2];
	uint32_t tag;
};

/* A slot that a worker has put a group into. */
struct taken {
	struct hashlimit_entry *entry; /* NULL: there was none that was free */
	uint64_t *state;
	uint64_t live; /* what the state was made */
};

/* ---- control ----------------------------------------------------------------------------------- */

static size_t
bytes_of(uint32_t sets)
{
	return sets * (sizeof(struct hashlimit_set) + WAYS * sizeof(struct hashlimit_entry));
}

static void
destroy(struct hashlimit_table *t)
{
	munmap(t->sets, bytes_of(t->set_mask + 1));
	free(t);
}

static struct hashlimit_table *
create(struct netfilter *nf, const struct netfilter_hashlimit_conf *conf)
{
	struct hashlimit_table *t = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*t));
	uint32_t sets = rte_align32pow2(RTE_MAX(2u, 2 * conf->entries / WAYS));
	/* Zero, and the system gives a page when it is first written to: most tables have few groups. */
	void *memory = mmap(NULL, bytes_of(sets), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (t == NULL || memory == MAP_FAILED) {
		free(t);
		if (memory != MAP_FAILED)
			munmap(memory, bytes_of(sets));
		return NULL;
	}
	memset(t, 0, sizeof(*t));
	t->conf = *conf;
	t->src_mask = conf->src_prefix != 0 ? rte_cpu_to_be_32(UINT32_MAX << (32 - conf->src_prefix)) : 0;
	t->dst_mask = conf->dst_prefix != 0 ? rte_cpu_to_be_32(UINT32_MAX << (32 - conf->dst_prefix)) : 0;
	t->expire_ns = conf->expire_ms * MS_NS;
	t->collect_ns = conf->collect_ms * MS_NS;
	t->seed = nf->seed;
	t->set_mask = sets - 1;
	t->sets = memory;
	t->entries = (struct hashlimit_entry *)(void *)(t->sets + sets);
	t->next = nf->hashlimits;
	nf->hashlimits = t;
	nf->hashlimit_entries += conf->entries;
	return t;
}

struct hashlimit_table *
hashlimit_table_take(struct netfilter *nf, const struct netfilter_hashlimit_conf *conf)
{
	struct hashlimit_table *t = nf->hashlimits;

	while (t != NULL && strcmp(t->conf.name, conf->name) != 0)
		t = t->next;
	if (t == NULL && conf->entries <= NETFILTER_HASHLIMIT_ENTRIES_ALL - nf->hashlimit_entries)
		t = create(nf, conf);
	if (t != NULL) {
		t->named++;
		t->held++;
	}
	return t;
}

void
hashlimit_table_retire(struct hashlimit_table *t, struct netfilter *nf)
{
	struct hashlimit_table **link = &nf->hashlimits;

	if (--t->named != 0)
		return;
	while (*link != t)
		link = &(*link)->next;
	*link = t->next;
	nf->hashlimit_entries -= t->conf.entries;
}

void
hashlimit_table_release(struct hashlimit_table *t)
{
	if (--t->held == 0)
		destroy(t);
}

/* ---- workers: time ----------------------------------------------------------------------------- */

/* When the last collection was. After a pause of several intervals their phase is as good as any. */
static uint64_t
last_collection(struct hashlimit_table *t, uint64_t now)
{
	uint64_t seen = load_relaxed(&t->state.collected), next = seen + t->collect_ns;

	if (likely(now < next))
		return seen;
	if (now - next >= t->collect_ns)
		next = now;
	__atomic_compare_exchange_n(&t->state.collected, &seen, next, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	return next;
}

static inline bool
is_over(const struct hashlimit_entry *entry, uint64_t collected)
{
	return load_relaxed(&entry->expires) <= collected;
}

/* ---- workers: slots ---------------------------------------------------------------------------- */

static struct place_pair
places_of(const struct hashlimit_table *t, const struct hashlimit_key *key)
{
	uint64_t h = hash_word_folded(t->seed, (uint64_t)key->src << 32 | key->dst);

	/* Digits of pi: else no ports would leave a hash of 0 as it is. */
	h = hash_word_folded(h ^ UINT64_C(0x243f6a8885a308d3), key->ports);

	uint32_t first = (uint32_t)h & t->set_mask, other = (uint32_t)(h >> 20) & t->set_mask;

	return (struct place_pair){ { first, other != first ? other : first ^ 1 }, (uint32_t)(h >> 32) };
}

static inline struct hashlimit_entry *
entry_of(const struct hashlimit_table *t, uint32_t set, uint32_t way)
{
	return &t->entries[(size_t)set * WAYS + way];
}

/* The entry's writers go by the state, which must have been read before it and must still be so behind it. */
static inline bool
is_still(const uint64_t *state, uint64_t seen)
{
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return load_relaxed(state) == seen;
}

static inline bool
same_key(const struct hashlimit_key *a, const struct hashlimit_key *b)
{
	return a->src == b->src && a->dst == b->dst && a->ports == b->ports;
}

static inline bool
change_state(uint64_t *state, uint64_t from, uint64_t to)
{
	return __atomic_compare_exchange_n(state, &from, to, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

/* Empties a slot whose group is over. */
static void
forget(struct hashlimit_table *t, uint64_t *state, uint64_t seen)
{
	if (change_state(state, seen, (seen & ~(uint64_t)STATE_MASK) + STEP + FREE))
		__atomic_sub_fetch(&t->state.used, 1, __ATOMIC_RELAXED);
}

/* Looks through n sets, other ones each time. */
static void
sweep(struct hashlimit_table *t, uint32_t n, uint64_t collected)
{
	uint32_t from = __atomic_fetch_add(&t->state.sweep, n, __ATOMIC_RELAXED);

	for (uint32_t i = 0; i < n; i++) {
		uint32_t set = (from + i) & t->set_mask;

		for (uint32_t way = 0; way < WAYS; way++) {
			uint64_t seen = load_acquire(&t->sets[set].states[way]);

			if ((seen & STATE_MASK) == LIVE && is_over(entry_of(t, set, way), collected))
				forget(t, &t->sets[set].states[way], seen);
		}
	}
}

/*
 * The group's entry; NULL: it has none, and *emptier is the set to put it into. Slots that are over are emptied. An
 * entry that is over at the very moment in which its last packet comes may be another group's by the time that a worker
 * counts the packet there: it costs that one a token.
 */
static struct hashlimit_entry *
look_up(struct hashlimit_table *t, const struct hashlimit_key *key, const struct place_pair *places, uint64_t collected,
	uint32_t *emptier)
{
	uint32_t live[2] = { 0 };

	for (uint32_t k = 0; k < 2; k++) {
		struct hashlimit_set *set = &t->sets[places->sets[k]];

		for (uint32_t way = 0; way < WAYS; way++) {
			struct hashlimit_entry *entry = entry_of(t, places->sets[k], way);
			uint64_t seen = load_acquire(&set->states[way]);

			if ((seen & STATE_MASK) == FREE)
				continue;
			live[k]++;
			if ((seen & STATE_MASK) == BUSY)
				continue;
			if (is_over(entry, collected)) {
				forget(t, &set->states[way], seen);
				live[k]--;
			} else if (seen >> 32 == places->tag && same_key(&entry->key, key) &&
				   is_still(&set->states[way], seen)) {
				return entry;
			}
		}
	}
	*emptier = places->sets[live[1] < live[0]];
	return NULL;
}

/* Puts a group into a slot of the set. */
static struct taken
occupy(struct hashlimit_table *t, const struct hashlimit_key *key, uint32_t set, uint32_t tag, uint64_t now)
{
	for (uint32_t way = 0; way < WAYS; way++) {
		uint64_t *state = &t->sets[set].states[way], seen = load_relaxed(state);
		uint64_t live = (uint64_t)tag << 32 | (uint32_t)(seen + STEP) | LIVE;
		struct hashlimit_entry *entry = entry_of(t, set, way);

		if ((seen & STATE_MASK) != FREE || !change_state(state, seen, seen | BUSY))
			continue;
		__atomic_thread_fence(__ATOMIC_RELEASE); /* BUSY is seen before what is written now */
		entry->key = *key;
		entry->left = t->conf.kind == NETFILTER_HASHLIMIT_BYTES ? (uint32_t)t->conf.burst : 0;
		entry->expires = now + t->expire_ns;
		entry->time = t->conf.kind == NETFILTER_HASHLIMIT_RATE ? now : 0;
		entry->count = 0;
		store_release(state, live);
		return (struct taken){ entry, state, live };
	}
	return (struct taken){ 0 };
}

/* Is there room for one group more? Then it is taken. */
static bool
reserve(struct hashlimit_table *t)
{
	if (__atomic_add_fetch(&t->state.used, 1, __ATOMIC_RELAXED) <= t->conf.entries)
		return true;
	__atomic_sub_fetch(&t->state.used, 1, __ATOMIC_RELAXED);
	return false;
}

static struct hashlimit_entry *
add(struct hashlimit_table *t, const struct hashlimit_key *key, const struct place_pair *places, uint32_t set,
	uint64_t now, uint64_t collected)
{
	struct hashlimit_entry *first;
	struct taken taken;

	sweep(t, SWEEP, collected);
	if (!reserve(t)) {
		sweep(t, SWEEP_IN_NEED, collected);
		if (!reserve(t))
			return NULL;
	}
	taken = occupy(t, key, set, places->tag, now);
	if (taken.entry == NULL)
		__atomic_sub_fetch(&t->state.used, 1, __ATOMIC_RELAXED);
	/*
	 * Another worker may have added the group meanwhile: the one that is found first stays. One that is ahead in
	 * time may even have found ours to be over, and have given the slot to another group.
	 */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	first = look_up(t, key, places, collected, &set);
	if (first == NULL)
		return taken.entry;
	if (taken.entry != NULL && first != taken.entry)
		forget(t, taken.state, taken.live);
	return first;
}

struct hashlimit_entry *
hashlimit_table_find(struct hashlimit_table *t, const struct hashlimit_key *key, uint64_t now)
{
	const struct place_pair places = places_of(t, key);
	/* Another worker may be ahead: what is added now is not over now. */
	uint64_t collected = RTE_MIN(last_collection(t, now), now);
	struct hashlimit_entry *entry;
	uint32_t set;

	entry = look_up(t, key, &places, collected, &set);
	if (entry == NULL)
		return add(t, key, &places, set, now, collected);
	__atomic_store_n(&entry->expires, now + t->expire_ns, __ATOMIC_RELAXED);
	return entry;
}
