/* SPDX-License-Identifier: BSD-3-Clause */
/* Routes as they are shown: filled in from what is stored, and in Linux's order. */
#include <string.h>

#include "internal.h"

void
route_fill(const struct rib *rib, const struct table *table, const struct entry *entry, struct rib_route *route)
{
	const struct info *info = rib->infos.items[entry->info];

	*route = (struct rib_route){
		.dst = { .family = table->family, .length = entry->length, .addr = key_addr(entry->key) },
		.table = table->id,
		.tos = entry->tos,
		.protocol = info->protocol,
		.scope = info->scope,
		.type = info->type,
		.flags = info->flags,
		.priority = entry->priority,
		.prefsrc_set = info->prefsrc_set,
		.prefsrc = info->prefsrc,
		.metrics_set = info->metrics_set,
		.hop_count = info->hop_count,
		.hops = info->hops,
	};
	if (info->metrics != NULL)
		memcpy(route->metrics, info->metrics, sizeof(route->metrics));
	if (info->hop_count == 1)
		route->flags |= info->hops[0].flags;
}

struct walk {
	const struct rib *rib;
	const struct table *table;
	const struct rib_route_filter *filter;
	int (*visit)(void *arg, const struct rib_route *route);
	void *arg;
};

static bool
through_link(const struct rib_route *route, uint32_t ifindex)
{
	for (uint16_t i = 0; i < route->hop_count; i++)
		if (route->hops[i].ifindex == ifindex)
			return true;
	return false;
}

static int
show(const struct walk *w, const struct entry *entry)
{
	const struct rib_route_filter *f = w->filter;
	struct rib_route route;

	route_fill(w->rib, w->table, entry, &route);
	if (f != NULL &&
		((f->protocol != 0 && f->protocol != route.protocol) || (f->type != 0 && f->type != route.type) ||
			(f->ifindex != 0 && !through_link(&route, f->ifindex))))
		return 0;
	return w->visit(w->arg, &route);
}

/* All alternatives of the prefix that begins at `at`. */
static int
show_prefix(const struct walk *w, struct store_at at)
{
	const struct entry *first = store_get(&w->table->store, at), *e;

	for (; e = store_get(&w->table->store, at), entry_is(e, first->key, first->length);
		at = store_next(&w->table->store, at)) {
		int status = show(w, e);

		if (status != 0)
			return status;
	}
	return 0;
}

/* Prefixes that wait until those that come before them were shown: one of each length at most. */
struct pending {
	struct store_at at[129];
	uint32_t count;
};

static int
show_last(const struct walk *w, struct pending *pending)
{
	return show_prefix(w, pending->at[--pending->count]);
}

/*
 * The store has a prefix before those within it. Linux shows, for IPv4, ascending addresses and of one address the
 * longest prefix
 * first; for IPv6 what lies within a prefix before the prefix itself. Either way a prefix waits: until another
 * address comes, or
 * until one outside of it comes.
 */
static int
walk_table(const struct walk *w)
{
	const struct store *store = &w->table->store;
	struct pending pending = { .count = 0 };
	struct store_at at = { 0, 0 };
	const struct entry *e;
	int status = 0;

	while (status == 0 && (e = store_get(store, at)) != NULL) {
		while (status == 0 && pending.count > 0) {
			const struct entry *last = store_get(store, pending.at[pending.count - 1]);

			if (w->table->family == AF_INET ? key_compare(last->key, e->key) == 0
							: key_common(last->key, e->key) >= last->length)
				break;
			status = show_last(w, &pending);
		}
		pending.at[pending.count++] = at;
		for (const struct entry *first = e; entry_is(store_get(store, at), first->key, first->length);)
			at = store_next(store, at);
	}
	while (status == 0 && pending.count > 0)
		status = show_last(w, &pending);
	return status;
}

static int
walk_family(struct walk *w, uint8_t family)
{
	uint32_t id = w->filter == NULL ? RT_TABLE_UNSPEC : w->filter->table;

	for (unsigned int b = 0; b < TABLE_BUCKETS; b++) {
		for (const struct table *t = w->rib->tables.buckets[family_index(family)][b]; t != NULL; t = t->next) {
			int status;

			if (id != RT_TABLE_UNSPEC && t->id != id)
				continue;
			w->table = t;
			status = walk_table(w);
			if (status != 0)
				return status;
		}
	}
	return 0;
}

int
rib_route_walk(const struct rib *rib, const struct rib_route_filter *filter,
	int (*visit)(void *arg, const struct rib_route *route), void *arg)
{
	struct walk w = { .rib = rib, .filter = filter, .visit = visit, .arg = arg };
	uint8_t family = filter == NULL ? AF_UNSPEC : filter->family;
	int status = 0;

	if (family == AF_UNSPEC || family == AF_INET)
		status = walk_family(&w, AF_INET);
	if (status == 0 && (family == AF_UNSPEC || family == AF_INET6))
		status = walk_family(&w, AF_INET6);
	return status;
}
