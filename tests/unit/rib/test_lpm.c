/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * LPM against a model that tries all prefixes, for both families, under churn that grows and shrinks its root, by every
 * reader there is.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <lpm_internal.h>
#include <store.h>

static uint64_t seed;

static uint64_t
draw(void)
{
	seed ^= seed << 13; /* xorshift64, G. Marsaglia 2003 */
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed * UINT64_C(0x2545f4914f6cdd1d);
}

/* Most fit short values of IPv4's tables; some only just, and some only just do not. */
static uint32_t
some_number(void)
{
	uint32_t random = (uint32_t)draw();

	if (random % 8 != 0)
		return 1 + random / 8 % 50;
	return random / 8 % 16 == 0 ? LPM_NUMBER_MAX : LPM_SHORT_NUMBERS - 3 + random / 8 % 8;
}

struct model_prefix {
	struct lpm_key key;
	uint8_t length;
	uint32_t number;
};

struct model {
	struct model_prefix *prefixes;
	uint32_t count;
};

static uint32_t
model_find(const struct model *m, struct lpm_key key, int longest)
{
	const struct model_prefix *best = NULL;

	for (uint32_t i = 0; i < m->count; i++) {
		const struct model_prefix *p = &m->prefixes[i];

		if (p->length <= longest && key_common(p->key, key) >= p->length &&
			(best == NULL || p->length > best->length))
			best = p;
	}
	return best == NULL ? 0 : lpm_value(best->length, best->number);
}

/* Addresses that share long fronts, so that prefixes nest; every length comes up. */
static struct lpm_key
some_key(uint8_t family)
{
	static const uint64_t fronts[] = { 0, UINT64_MAX, UINT64_C(0x20010db800000000), UINT64_C(0x0a0a000000000000) };
	struct lpm_key key = { fronts[draw() & 3], draw() & 1 ? draw() : 0 };
	unsigned int keep = draw() % (family == AF_INET ? 24 : 64);

	key.hi = keep == 0 ? draw() : (key.hi & ~(UINT64_MAX >> keep)) | (draw() >> keep);
	if (family == AF_INET)
		key = (struct lpm_key){ key.hi & UINT64_C(0xffffffff00000000), 0 };
	return key;
}

static void
check(const struct lpm *lpm, const struct model *m, uint8_t family)
{
	struct lpm_key keys[LPM_BURST];
	uint32_t addrs[LPM_BURST], values[LPM_BURST];

	for (unsigned int i = 0; i < LPM_BURST; i++) {
		keys[i] = some_key(family);
		/* Half of them at the edges of prefixes, where mistakes are. */
		if (m->count > 0 && i & 1) {
			const struct model_prefix *p = &m->prefixes[draw() % m->count];

			keys[i] = p->key;
			if (i & 2 && p->length < 64)
				keys[i].hi |= UINT64_MAX >> p->length;
			if (family == AF_INET)
				keys[i].hi &= UINT64_C(0xffffffff00000000);
		}
		addrs[i] = (uint32_t)(keys[i].hi >> 32);
	}
	for (unsigned int r = 0; lpm_reader(r) != NULL; r++) {
		uint16_t n = (uint16_t)(1 + draw() % LPM_BURST);

		memset(values, 0xff, sizeof(values));
		if (family == AF_INET)
			lpm_reader(r)->lookup_v4(lpm, addrs, n, values);
		else
			lpm_reader(r)->lookup_v6(lpm, keys, n, values);
		for (unsigned int i = 0; i < LPM_BURST; i++) {
			uint32_t expected = i < n ? model_find(m, keys[i], 128) : UINT32_MAX;

			assert_int_equal(values[i], expected);
		}
	}
}

static void
set_some(struct lpm *lpm, struct model *m, uint8_t family)
{
	struct model_prefix p = { .length = (uint8_t)(draw() % (ip_family_bits(family) + 1u)),
		.number = some_number() };
	uint32_t i = 0;

	p.key = key_mask(some_key(family), p.length);
	while (i < m->count && (m->prefixes[i].length != p.length || key_compare(m->prefixes[i].key, p.key) != 0))
		i++;
	if (i == m->count)
		m->count++;
	m->prefixes[i] = p;
	lpm_set_routes(lpm, m->count);
	lpm_set(lpm, p.key, p.length, p.number);
}

static void
unset_some(struct lpm *lpm, struct model *m)
{
	uint32_t i = (uint32_t)(draw() % m->count);
	struct model_prefix p = m->prefixes[i];

	m->prefixes[i] = m->prefixes[--m->count];
	lpm_set_routes(lpm, m->count);
	lpm_unset(lpm, p.key, p.length, model_find(m, p.key, (int)p.length - 1));
}

static void
churn(uint8_t family, uint32_t most, unsigned int waves)
{
	struct lpm *lpm = lpm_create(NULL, family);
	struct model m = { .prefixes = calloc(most, sizeof(struct model_prefix)) };
	size_t empty = lpm_bytes(lpm);

	for (unsigned int wave = 0; wave < waves; wave++) {
		for (uint32_t i = 0; i < most * 2 && m.count < most; i++) {
			set_some(lpm, &m, family);
			if (draw() % 4 == 0)
				unset_some(lpm, &m);
			if (draw() % 64 == 0)
				check(lpm, &m, family);
		}
		while (m.count > 0) {
			unset_some(lpm, &m);
			if (draw() % 64 == 0)
				check(lpm, &m, family);
		}
		check(lpm, &m, family);
		if (family == AF_INET) /* nothing is left but the unit that no block begins with */
			assert_int_equal(lpm->used_units - lpm->free_units, 1);
	}
	assert_in_range(lpm_bytes(lpm), empty / 2, empty + (512u << 10));
	free(m.prefixes);
	lpm_destroy(lpm);
}

static void
ipv4_agrees_with_the_model(void **state)
{
	churn(AF_INET, 20, 40);
	churn(AF_INET, 300, 4);
	churn(AF_INET, 2500, 1);
}

static void
ipv6_agrees_with_the_model(void **state)
{
	churn(AF_INET6, 20, 40);
	churn(AF_INET6, 300, 4);
	churn(AF_INET6, 2500, 1);
}

/*
 * A model for many prefixes of 9 to 24 bits: 2^24 cells would be slow to fill, so only those of 10.0.0.0/8 to
 * 13.0.0.0/8.
 */
#define CELLS (1u << 18)

static uint8_t (*owned)[CELLS]; /* [length]: number of the prefix that covers the cell */

static uint32_t
cell_value(uint32_t cell, int longest)
{
	for (int length = longest; length > 8; length--)
		if (owned[length][cell] != 0)
			return lpm_value((uint8_t)length, owned[length][cell]);
	return 0;
}

static void
big_tables_agree_while_they_grow_and_shrink(void **state)
{
	struct lpm *lpm = lpm_create(NULL, AF_INET);
	uint32_t routes = 0;

	owned = calloc(25, sizeof(*owned));
	assert_non_null(owned);
	for (uint32_t i = 0; i < 600000; i++) {
		uint8_t length = (uint8_t)(24 - __builtin_ctz((unsigned int)draw() | 1u << 15)),
			number = 1 + draw() % 200;
		uint32_t span = 1u << (24 - length), first = (uint32_t)(draw() % CELLS) & ~(span - 1);
		struct lpm_key key = { (uint64_t)((10u << 24) + (first << 8)) << 32, 0 };
		bool growing = i < 400000;

		if (owned[length][first] == 0) {
			if (!growing)
				continue;
			routes++;
		}
		memset(&owned[length][first], growing ? number : 0, span);
		routes -= !growing;
		lpm_set_routes(lpm, routes);
		if (growing)
			lpm_set(lpm, key, length, number);
		else
			lpm_unset(lpm, key, length, cell_value(first, length - 1));
		if (i % 50000 == 0)
			for (uint32_t cell = 0; cell < CELLS; cell += 1 + draw() % 16) {
				uint32_t addr = (10u << 24) + (cell << 8) + (uint32_t)(draw() & 255), value;

				lpm_lookup_v4(lpm, &addr, 1, &value);
				assert_int_equal(value, cell_value(cell, 24));
			}
	}
	for (uint32_t cell = 0; cell < CELLS; cell++) {
		uint32_t addr = (10u << 24) + (cell << 8), value;

		lpm_lookup_v4(lpm, &addr, 1, &value);
		assert_int_equal(value, cell_value(cell, 24));
	}
	print_message("%u routes at the end in %zu bytes\n", routes, lpm_bytes(lpm));
	free(owned);
	lpm_destroy(lpm);
}

/*
 * ---- tables of many thousands, against a binary trie
 * -----------------------------------------------------------------
 */

struct bit_node {
	uint32_t child[2]; /* 0: none */
	uint32_t number; /* 0: no prefix ends here */
};

struct bit_trie {
	struct bit_node *nodes;
	uint32_t count, room;
};

static inline uint32_t
bit_of(struct lpm_key key, uint32_t i)
{
	return (uint32_t)(i < 64 ? key.hi >> (63 - i) : key.lo >> (127 - i)) & 1;
}

/* The node of the prefix, made if it is not there. */
static uint32_t
bit_trie_node(struct bit_trie *t, struct lpm_key key, uint8_t length)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < length; i++) {
		uint32_t next = t->nodes[at].child[bit_of(key, i)];

		if (next == 0) {
			assert_true(t->count < t->room);
			next = t->nodes[at].child[bit_of(key, i)] = t->count++;
		}
		at = next;
	}
	return at;
}

/* The value of the longest prefix, no longer than `longest`. */
static uint32_t
bit_trie_find(const struct bit_trie *t, struct lpm_key key, uint32_t longest)
{
	uint32_t value = 0, at = 0;

	for (uint32_t i = 0;; i++) {
		if (t->nodes[at].number != 0)
			value = lpm_value((uint8_t)i, t->nodes[at].number);
		if (i == longest || (at = t->nodes[at].child[bit_of(key, i)]) == 0)
			return value;
	}
}

static void
compare_readers(
	const struct lpm *lpm, const struct bit_trie *t, uint8_t family, const struct lpm_key *prefixes, uint32_t n)
{
	struct lpm_key keys[LPM_BURST];
	uint32_t addrs[LPM_BURST], values[LPM_BURST], bits = ip_family_bits(family);

	for (uint32_t i = 0; i < LPM_BURST; i++) {
		keys[i] = prefixes[draw() % n];
		keys[i].hi ^= draw() % 4 == 0 ? 0 : draw() >> (8 + draw() % 56);
		keys[i].lo ^= draw() % 2 == 0 ? 0 : draw() >> draw() % 64;
		if (family == AF_INET)
			keys[i] = (struct lpm_key){ keys[i].hi & UINT64_C(0xffffffff00000000), 0 };
		addrs[i] = (uint32_t)(keys[i].hi >> 32);
	}
	for (unsigned int r = 0; lpm_reader(r) != NULL; r++) {
		if (family == AF_INET)
			lpm_reader(r)->lookup_v4(lpm, addrs, LPM_BURST, values);
		else
			lpm_reader(r)->lookup_v6(lpm, keys, LPM_BURST, values);
		for (uint32_t i = 0; i < LPM_BURST; i++)
			assert_int_equal(values[i], bit_trie_find(t, keys[i], bits));
	}
}

typedef uint8_t draw_prefix(uint8_t family, const struct lpm_key *others, uint32_t n, struct lpm_key *key);

/* As the Internet's: many in few places. Gives the length. */
static uint8_t
internet_prefix(uint8_t family, const struct lpm_key *others, uint32_t n, struct lpm_key *key)
{
	uint32_t longest = family == AF_INET ? 24 : 48;

	*key = (struct lpm_key){ draw(), 0 };
	if (n > 0 && draw() % 8 != 0) /* near one that is there */
		key->hi = others[draw() % n].hi ^ (key->hi >> (12 + draw() % 32));
	return (uint8_t)(draw() % 4 ? longest - draw() % 3 : draw() % 64 ? 8 + draw() % 17 : longest + draw() % 9);
}

/* The subscribers of one provider: /64s and hosts in a /48, and now and then a prefix that covers many of them. */
static uint8_t
corner_prefix(uint8_t family, const struct lpm_key *others, uint32_t n, struct lpm_key *key)
{
	*key = (struct lpm_key){ UINT64_C(0x20010db800010000) | draw() % 65536, draw() };
	if (draw() % 256 == 0)
		return (uint8_t)(40 + draw() % 24);
	return draw() % 4 == 0 ? 128 : 64;
}

/* Grows to `most` prefixes and shrinks to none; compared all the way. */
static void
grow_and_shrink(uint8_t family, uint32_t most, draw_prefix *draw_one)
{
	struct bit_trie t = { .count = 1, .room = most * 96 };
	struct lpm_key *keys = calloc(most, sizeof(*keys));
	uint8_t *lengths = calloc(most, 1);
	struct lpm *lpm = lpm_create(NULL, family);
	size_t empty = lpm_bytes(lpm);
	uint32_t routes = 0;

	t.nodes = calloc(t.room, sizeof(*t.nodes));
	assert_true(keys != NULL && lengths != NULL && t.nodes != NULL);
	for (uint32_t i = 0; i < most; i++) {
		uint32_t node, number = some_number();

		lengths[i] = draw_one(family, keys, i, &keys[i]);
		keys[i] = key_mask(keys[i], lengths[i]);
		node = bit_trie_node(&t, keys[i], lengths[i]);
		routes += t.nodes[node].number == 0;
		t.nodes[node].number = number;
		lpm_set_routes(lpm, routes);
		lpm_set(lpm, keys[i], lengths[i], number);
		if (i % 1024 == 0)
			compare_readers(lpm, &t, family, keys, i + 1);
	}
	print_message("%u routes in %zu bytes\n", routes, lpm_bytes(lpm));
	for (uint32_t i = 0; i < most; i++) {
		uint32_t node = bit_trie_node(&t, keys[i], lengths[i]);

		if (i % 1024 == 0)
			compare_readers(lpm, &t, family, keys, most);
		if (t.nodes[node].number == 0)
			continue;
		t.nodes[node].number = 0;
		lpm_set_routes(lpm, --routes);
		lpm_unset(lpm, keys[i], lengths[i], bit_trie_find(&t, keys[i], lengths[i]));
	}
	compare_readers(lpm, &t, family, keys, most);
	assert_in_range(lpm_bytes(lpm), empty / 2, empty + (512u << 10));
	lpm_destroy(lpm);
	free(t.nodes);
	free(keys);
	free(lengths);
}

static void
internets_agree_with_a_binary_trie(void **state)
{
	grow_and_shrink(AF_INET, 150000, internet_prefix);
	grow_and_shrink(AF_INET6, 60000, internet_prefix);
}

static void
a_crowded_corner_agrees_with_a_binary_trie(void **state)
{
	grow_and_shrink(AF_INET6, 40000, corner_prefix);
}

/*
 * ---- readers while the table changes
 * ------------------------------------------------------------------------------------
 */

struct watch {
	struct lpm *lpm;
	struct rcu *rcu;
	uint8_t family;
	uint64_t lookups, wrong;
	bool done;
};

#define WATCHED_BITS 24
#define COVER_NUMBER 7

/* 2^24 places for prefixes: the /24s of IPv4; the /56s of 2001:db8::/32, which take two trees. */
static struct lpm_key
watched_key(uint8_t family, uint32_t place)
{
	return (struct lpm_key){
		family == AF_INET ? (uint64_t)place << 40 : UINT64_C(0x20010db800000000) | (uint64_t)place << 8, 0
	};
}

static uint8_t
watched_length(uint8_t family)
{
	return family == AF_INET ? WATCHED_BITS : 32 + WATCHED_BITS;
}

/* Half of them are too great for a short value of IPv4's: blocks turn long and short again below the readers. */
static uint32_t
watched_number(uint32_t place)
{
	return LPM_SHORT_NUMBERS - 499 + place % 1000;
}

static uint8_t
cover_length(uint8_t family)
{
	return watched_length(family) - WATCHED_BITS + 1;
}

/*
 * Every place lies in one of two covers, which stay, and its own prefix comes and goes: nothing else may be the answer.
 */
static void *
watch(void *arg)
{
	struct watch *w = arg;
	unsigned int readers = 0;
	uint64_t random = 1;

	while (lpm_reader(readers) != NULL)
		readers++;
	rte_rcu_qsbr_thread_register(w->rcu->qsbr, 0);
	rte_rcu_qsbr_thread_online(w->rcu->qsbr, 0);
	while (!__atomic_load_n(&w->done, __ATOMIC_RELAXED)) {
		uint32_t places[LPM_BURST], addrs[LPM_BURST], values[LPM_BURST];
		struct lpm_key keys[LPM_BURST];
		const struct lpm_reader *reader;

		for (uint32_t i = 0; i < LPM_BURST; i++) {
			places[i] = (uint32_t)((random = random * 6364136223846793005u + 1442695040888963407u) >> 40);
			keys[i] = watched_key(w->family, places[i]);
			addrs[i] = (uint32_t)(keys[i].hi >> 32);
		}
		reader = lpm_reader((unsigned int)(random >> 32) % readers);
		if (w->family == AF_INET)
			reader->lookup_v4(w->lpm, addrs, LPM_BURST, values);
		else
			reader->lookup_v6(w->lpm, keys, LPM_BURST, values);
		for (uint32_t i = 0; i < LPM_BURST; i++)
			w->wrong += values[i] != lpm_value(cover_length(w->family), COVER_NUMBER) &&
				    values[i] != lpm_value(watched_length(w->family), watched_number(places[i]));
		w->lookups += LPM_BURST;
		rte_rcu_qsbr_quiescent(w->rcu->qsbr, 0);
	}
	rte_rcu_qsbr_thread_offline(w->rcu->qsbr, 0);
	return NULL;
}

static void
watch_changes(uint8_t family)
{
	struct watch w = { .rcu = rcu_create(1), .family = family };
	uint32_t routes = 2, most = 80000;
	uint8_t length = watched_length(family);
	pthread_t thread;

	w.lpm = lpm_create(w.rcu, family);
	lpm_set(w.lpm, watched_key(family, 0), cover_length(family), COVER_NUMBER);
	lpm_set(w.lpm, watched_key(family, 1u << (WATCHED_BITS - 1)), cover_length(family), COVER_NUMBER);
	assert_int_equal(pthread_create(&thread, NULL, watch, &w), 0);
	for (unsigned int wave = 0; wave < 2; wave++) {
		for (uint32_t i = 0; i < 2 * most; i++) {
			uint32_t place = (i % most) * 2654435761u >> (32 - WATCHED_BITS);

			lpm_set_routes(w.lpm, i < most ? ++routes : --routes);
			if (i < most)
				lpm_set(w.lpm, watched_key(family, place), length, watched_number(place));
			else
				lpm_unset(w.lpm, watched_key(family, place), length,
					lpm_value(cover_length(family), COVER_NUMBER));
		}
	}
	__atomic_store_n(&w.done, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	print_message("%llu lookups\n", (unsigned long long)w.lookups);
	assert_int_equal(w.wrong, 0);
	assert_true(w.lookups > 10000);
	lpm_destroy(w.lpm);
	rcu_destroy(w.rcu);
}

static void
readers_see_a_route_or_its_cover_while_routes_come_and_go(void **state)
{
	watch_changes(AF_INET);
	watch_changes(AF_INET6);
}

static void
store_keeps_order_and_finds_what_it_holds(void **state)
{
	struct store store = { 0 };
	uint32_t held = 0;

	for (unsigned int i = 0; i < 60000; i++) {
		struct entry e = { .key.hi = draw() % 5000 << 32, .length = 16 + draw() % 4 };
		struct store_at at = store_lower(&store, e.key, e.length);
		bool found = entry_is(store_get(&store, at), e.key, e.length);

		if (found && draw() % 2 == 0) {
			store_erase(&store, at);
			held--;
		} else if (!found && i < 30000) {
			store_insert(&store, at, &e);
			held++;
		}
	}
	const struct entry *last = NULL;
	struct store_at at = { 0, 0 };
	uint32_t seen = 0;

	for (const struct entry *e; (e = store_get(&store, at)) != NULL; at = store_next(&store, at), seen++) {
		if (last != NULL)
			assert_true(key_compare(last->key, e->key) < 0 ||
				    (key_compare(last->key, e->key) == 0 && last->length < e->length));
		last = e;
	}
	assert_int_equal(seen, held);
	assert_int_equal(store.entries, held);
	assert_true(held > 1000);
	while (store_prev(&store, &at))
		seen--;
	assert_int_equal(seen, 0);
	store_free(&store);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ipv4_agrees_with_the_model),
		cmocka_unit_test(ipv6_agrees_with_the_model),
		cmocka_unit_test(big_tables_agree_while_they_grow_and_shrink),
		cmocka_unit_test(internets_agree_with_a_binary_trie),
		cmocka_unit_test(a_crowded_corner_agrees_with_a_binary_trie),
		cmocka_unit_test(readers_see_a_route_or_its_cover_while_routes_come_and_go),
		cmocka_unit_test(store_keeps_order_and_finds_what_it_holds),
	};
	const char *given = getenv("SEED");

	seed = given != NULL ? strtoull(given, NULL, 0) : UINT64_C(0x9e3779b97f4a7c15);
	print_message("SEED=%#llx\n", (unsigned long long)seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
