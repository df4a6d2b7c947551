/* SPDX-License-Identifier: BSD-3-Clause */
/* Tables: the full routes, in order, and the tries that answer for them. Once made, a table stays, as in Linux. */
#include "internal.h"

struct table *
table_find(const struct rib *rib, uint8_t family, uint32_t id)
{
	struct table *t = rib->tables.buckets[family_index(family)][id % TABLE_BUCKETS];

	while (t != NULL && t->id != id)
		t = t->next;
	return t;
}

/* Side by side: a thousand tables on a page each would cost lookups more in TLB misses than in anything else. */
static struct table *
new_table(struct tables *tables)
{
	struct table_block *block = tables->blocks;

	if (block == NULL || block->used == TABLES_IN_BLOCK) {
		block = rib_memory_check(aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*block)), sizeof(*block));
		memset(block, 0, sizeof(*block));
		block->next = tables->blocks;
		tables->blocks = block;
	}
	return &block->tables[block->used++];
}

struct table *
table_get(struct rib *rib, uint8_t family, uint32_t id)
{
	struct table **bucket = &rib->tables.buckets[family_index(family)][id % TABLE_BUCKETS];
	struct table *t = table_find(rib, family, id);

	if (t != NULL)
		return t;
	t = new_table(&rib->tables);
	t->id = id;
	t->family = family;
	t->sequence = rib->table_sequence++;
	t->next = *bucket;
	*bucket = t;
	return t;
}

/* The prefix's first entry with that tos. */
static const struct entry *
first_of_tos(const struct table *table, struct lpm_key key, uint8_t length, uint8_t tos)
{
	struct store_at at = store_lower(&table->store, key, length);

	for (const struct entry *e; (e = store_get(&table->store, at)), entry_is(e, key, length);
		at = store_next(&table->store, at))
		if (e->tos == tos)
			return e;
	return NULL;
}

/*
 * The longest prefix shorter than `length` that covers the key and has a route of that tos. In the store's order a
 * cover comes before
 * what it covers, so the entry before (key, longest) either is one or shows how long one can be at most.
 */
static const struct entry *
cover_of(const struct table *table, struct lpm_key key, uint8_t length, uint8_t tos)
{
	int longest = length - 1;

	while (longest >= 0) {
		struct store_at at =
			store_lower(&table->store, key_mask(key, (uint8_t)longest), (uint8_t)(longest + 1));
		const struct entry *e, *found;
		uint8_t common;

		if (!store_prev(&table->store, &at))
			return NULL;
		e = store_get(&table->store, at);
		common = key_common(e->key, key);
		if (common < e->length) {
			longest = common;
			continue;
		}
		found = first_of_tos(table, e->key, e->length, tos);
		if (found != NULL)
			return found;
		longest = e->length - 1;
	}
	return NULL;
}

static struct lpm *
lpm_of_tos(const struct table *table, uint8_t tos)
{
	if (tos == 0)
		return table->lpm;
	for (uint32_t i = 0; table->by_tos != NULL && i < table->by_tos->count; i++)
		if (table->by_tos->of[i].tos == tos)
			return table->by_tos->of[i].lpm;
	return NULL;
}

static struct lpm *
make_lpm(struct rib *rib, struct table *table, uint8_t tos)
{
	struct lpm *lpm = lpm_create(rib->rcu, table->family);
	struct tos_lpms *old = table->by_tos, *more;
	uint32_t count = old == NULL ? 0 : old->count;

	if (tos == 0) {
		__atomic_store_n(&table->lpm, lpm, __ATOMIC_RELEASE);
		return lpm;
	}
	more = rib_zalloc(sizeof(*more) + (count + 1) * sizeof(more->of[0]));
	if (count > 0)
		memcpy(more->of, old->of, count * sizeof(more->of[0]));
	more->of[count].tos = tos;
	more->of[count].lpm = lpm;
	more->count = count + 1;
	__atomic_store_n(&table->by_tos, more, __ATOMIC_RELEASE);
	if (old != NULL)
		rcu_defer(rib->rcu, free, old);
	return lpm;
}

static void
refresh_flat(struct rib *rib, struct table *table)
{
	struct flat *old = table->flat;

	__atomic_store_n(&table->flat, flat_create(&rib->tables.flats, &table->store), __ATOMIC_RELEASE);
	if (old != NULL)
		rcu_defer(rib->rcu, flat_free, old);
}

void
table_refresh(struct rib *rib, struct table *table, struct lpm_key key, uint8_t length, uint8_t tos)
{
	const struct entry *first = first_of_tos(table, key, length, tos), *cover;
	struct lpm *lpm = lpm_of_tos(table, tos);

	if (table->family == AF_INET && (table->flat != NULL || table->store.entries <= FLAT_ROUTES_MAX))
		refresh_flat(rib, table);
	if (first != NULL) {
		if (lpm == NULL)
			lpm = make_lpm(rib, table, tos);
		lpm_set_routes(lpm, (uint32_t)table->store.entries);
		lpm_set(lpm, key, length, first->info);
		return;
	}
	if (lpm == NULL)
		return;
	if (table->store.entries == 0 && tos == 0) { /* an empty table costs nothing, in memory and in lookups */
		__atomic_store_n(&table->lpm, NULL, __ATOMIC_RELEASE);
		lpm_destroy(lpm);
		return;
	}
	cover = cover_of(table, key, length, tos);
	lpm_set_routes(lpm, (uint32_t)table->store.entries);
	lpm_unset(lpm, key, length, cover == NULL ? 0 : lpm_value(cover->length, cover->info));
}

static void
table_free(struct rib *rib, struct table *table)
{
	if (table->lpm != NULL)
		lpm_destroy(table->lpm);
	for (uint32_t i = 0; table->by_tos != NULL && i < table->by_tos->count; i++)
		lpm_destroy(table->by_tos->of[i].lpm);
	for (struct store_at at = { 0, 0 }; store_get(&table->store, at) != NULL; at = store_next(&table->store, at))
		info_put(rib, store_get(&table->store, at)->info);
	free(table->by_tos);
	store_free(&table->store);
}

void
tables_destroy(struct rib *rib)
{
	for (struct table_block *block = rib->tables.blocks, *next; block != NULL; block = next) {
		next = block->next;
		for (uint32_t i = 0; i < block->used; i++)
			table_free(rib, &block->tables[i]);
		free(block);
	}
}

/* Does a hop of the entry's go through oif (0: any that is not dead)? Gives the first that does. */
static bool
has_hop(const struct info *info, uint32_t oif, uint16_t *hop)
{
	*hop = 0;
	if (info->hop_count == 0)
		return oif == 0;
	for (uint16_t i = 0; i < info->hop_count; i++) {
		if (info->hops[i].flags & RTNH_F_DEAD || (oif != 0 && info->hops[i].ifindex != oif))
			continue;
		*hop = i;
		return true;
	}
	return false;
}

/* Types that refuse are an answer whatever the device. */
static bool
type_refuses(uint8_t type)
{
	return type == RTN_BLACKHOLE || type == RTN_UNREACHABLE || type == RTN_PROHIBIT || type == RTN_THROW;
}

const struct entry *
table_search(const struct rib *rib, const struct table *table, struct lpm_key dst, uint8_t tos, uint32_t oif,
	uint8_t scope, uint16_t *hop)
{
	int longest = ip_family_bits(table->family);

	while (longest >= 0) {
		struct store_at at =
			store_lower(&table->store, key_mask(dst, (uint8_t)longest), (uint8_t)(longest + 1));
		const struct entry *e;
		uint8_t common, length;
		struct lpm_key key;

		if (!store_prev(&table->store, &at))
			return NULL;
		e = store_get(&table->store, at);
		common = key_common(e->key, dst);
		if (common < e->length) {
			longest = common;
			continue;
		}
		key = e->key;
		length = e->length;
		for (at = store_lower(&table->store, key, length);
			e = store_get(&table->store, at), entry_is(e, key, length);
			at = store_next(&table->store, at)) {
			const struct info *info = rib->infos.items[e->info];

			if ((e->tos != 0 && e->tos != tos) || info->scope < scope)
				continue;
			if (has_hop(info, type_refuses(info->type) ? 0 : oif, hop))
				return e;
		}
		longest = length - 1;
	}
	return NULL;
}

bool
rib_table_exists(const struct rib *rib, uint8_t family, uint32_t id)
{
	const struct table *t = family_known(family) ? table_find(rib, family, id) : NULL;

	return t != NULL && t->exists;
}

static int
visit_table(const struct rib *rib, const struct table *t, int (*visit)(void *arg, const struct rib_table_info *info),
	void *arg)
{
	struct rib_table_info info = { .family = t->family,
		.table = t->id,
		.routes = t->store.entries,
		.route_bytes = sizeof(*t) + store_bytes(&t->store),
		.lookup_bytes = t->lpm == NULL ? 0 : lpm_bytes(t->lpm) };

	if (t->flat != NULL)
		info.lookup_bytes += 2 * t->flat->size * sizeof(uint32_t);

	for (uint32_t i = 0; t->by_tos != NULL && i < t->by_tos->count; i++)
		info.lookup_bytes += lpm_bytes(t->by_tos->of[i].lpm);
	return visit(arg, &info);
}

int
rib_table_walk(const struct rib *rib, int (*visit)(void *arg, const struct rib_table_info *info), void *arg)
{
	for (unsigned int f = 0; f < 2; f++) {
		for (unsigned int b = 0; b < TABLE_BUCKETS; b++) {
			for (const struct table *t = rib->tables.buckets[f][b]; t != NULL; t = t->next) {
				int status = t->exists ? visit_table(rib, t, visit, arg) : 0;

				if (status != 0)
					return status;
			}
		}
	}
	return 0;
}
