/* SPDX-License-Identifier: BSD-3-Clause */
/* Adding and deleting routes, with the meanings that Linux gives to CHANGE_CREATE, EXCL, REPLACE and APPEND. */
#include <string.h>

#include "internal.h"

#define PRIORITY_V6_USER 1024 /* what Linux gives to an IPv6 route without a metric */

static void
tell(const struct rib *rib, const struct table *table, const struct entry *entry, bool added, bool replaced)
{
	struct rib_route route;

	if (rib->events.route == NULL)
		return;
	route_fill(rib, table, entry, &route);
	rib->events.route(rib->events.arg, added, replaced, &route);
}

void
route_erased(struct rib *rib, struct table *table, const struct entry *entry)
{
	table_refresh(rib, table, entry->key, entry->length, entry->tos);
	tell(rib, table, entry, false, false);
	info_put(rib, entry->info);
}

static void
insert(struct rib *rib, struct table *table, struct store_at at, const struct entry *entry)
{
	store_insert(&table->store, at, entry);
	table->exists = true;
	table_refresh(rib, table, entry->key, entry->length, entry->tos);
	tell(rib, table, entry, true, false);
}

static void
exchange(struct rib *rib, struct table *table, struct store_at at, uint32_t info)
{
	struct entry *entry = store_get(&table->store, at);
	uint32_t old = entry->info;

	entry->info = info;
	table_refresh(rib, table, entry->key, entry->length, entry->tos);
	tell(rib, table, entry, true, true);
	info_put(rib, old);
}

/* Where the alternatives of one prefix, tos and metric are, and whether one is just the new route. */
struct place {
	struct store_at first, end;
	bool found, same, same_is_first;
};

static struct place
find_place(const struct table *table, const struct entry *new)
{
	struct place p = { .first = store_lower(&table->store, new->key, new->length) };
	const struct entry *e;

	while (e = store_get(&table->store, p.first),
		entry_is(e, new->key, new->length) &&
			(e->tos > new->tos || (e->tos == new->tos && e->priority < new->priority)))
		p.first = store_next(&table->store, p.first);
	for (p.end = p.first; e = store_get(&table->store, p.end),
	    entry_is(e, new->key, new->length) && e->tos == new->tos && e->priority == new->priority;
		p.end = store_next(&table->store, p.end)) {
		if (e->info == new->info) {
			p.same = true;
			p.same_is_first = !p.found;
		}
		p.found = true;
	}
	return p;
}

/*
 * An IPv6 route of the same prefix and metric through another gateway becomes one more hop of the first, as in
 * Linux.
 */
static int
join_hops(struct rib *rib, struct table *table, struct store_at at, const struct rib_route *route, struct error *err)
{
	struct rib_route joined;
	struct rib_hop hops[RIB_NEXTHOPS_MAX];
	uint32_t info;

	route_fill(rib, table, store_get(&table->store, at), &joined);
	if (joined.hop_count + route->hop_count > RIB_NEXTHOPS_MAX)
		return error_set(err, EINVAL, "Too many nexthops: a route has at most %u", RIB_NEXTHOPS_MAX);
	for (uint16_t i = 0; i < joined.hop_count; i++)
		for (uint16_t k = 0; k < route->hop_count; k++)
			if (joined.hops[i].ifindex == route->hops[k].ifindex &&
				ip_addr_equal(&joined.hops[i].gateway, &route->hops[k].gateway))
				return error_code(err, EEXIST);
	memcpy(hops, joined.hops, joined.hop_count * sizeof(*hops));
	memcpy(&hops[joined.hop_count], route->hops, route->hop_count * sizeof(*hops));
	joined.hop_count += route->hop_count;
	joined.hops = hops;
	joined.flags &= ~(uint32_t)(RTNH_F_DEAD | RTNH_F_LINKDOWN | RTNH_F_ONLINK);
	info = info_get(rib, &joined);
	if (info == 0)
		return error_set(err, ENOBUFS, "Too many different routes");
	exchange(rib, table, at, info);
	return 0;
}

static bool
may_join(const struct rib *rib, const struct entry *entry, const struct rib_route *route)
{
	const struct info *info = rib->infos.items[entry->info];

	return route->dst.family == AF_INET6 && info->type == RTN_UNICAST && route->type == RTN_UNICAST &&
	       route->hop_count > 0 && info->hop_count > 0 && info->hops[0].gateway_family != AF_UNSPEC &&
	       route->hops[0].gateway_family != AF_UNSPEC;
}

static int
place_route(struct rib *rib, struct table *table, const struct rib_route *route, const struct entry *entry,
	uint16_t flags, struct error *err)
{
	struct place p = find_place(table, entry);

	if (p.found && flags & CHANGE_EXCLUSIVE)
		return error_code(err, EEXIST);
	if (p.found && flags & CHANGE_REPLACE) {
		if (p.same_is_first)
			info_put(rib, entry->info);
		else if (p.same)
			return error_code(err, EEXIST);
		else
			exchange(rib, table, p.first, entry->info);
		return 0;
	}
	if (p.same)
		return error_code(err, EEXIST);
	if (!(flags & CHANGE_CREATE)) {
		if (route->dst.family == AF_INET6 && flags & CHANGE_REPLACE)
			return error_set(err, ENOENT, "Can not replace route - no match found");
		return error_code(err, ENOENT);
	}
	if (p.found && may_join(rib, store_get(&table->store, p.first), route)) {
		int status = join_hops(rib, table, p.first, route, err);

		if (status == 0)
			info_put(rib, entry->info);
		return status;
	}
	insert(rib, table, flags & CHANGE_APPEND || route->dst.family == AF_INET6 ? p.end : p.first, entry);
	return 0;
}

int
route_put(struct rib *rib, const struct rib_route *given, uint16_t flags, struct error *err)
{
	struct rib_hop hops[RIB_NEXTHOPS_MAX];
	struct rib_route route;
	struct entry entry;
	int status = route_check(rib, given, &route, hops, err);

	if (status != 0)
		return status;
	entry = (struct entry){ .key = lpm_key(&route.dst.addr),
		.length = route.dst.length,
		.tos = route.tos,
		.priority = route.priority,
		.info = info_get(rib, &route) };
	if (entry.info == 0)
		return error_set(err, ENOBUFS, "Too many different routes or nexthops");
	status = place_route(rib, table_get(rib, route.dst.family, route.table), &route, &entry, flags, err);
	if (status != 0)
		info_put(rib, entry.info);
	return status;
}

int
rib_route_add(struct rib *rib, const struct rib_route *given, uint16_t flags, struct error *err)
{
	struct rib_route route = *given;

	if (route.dst.family == AF_INET6 && route.priority == 0)
		route.priority = PRIORITY_V6_USER;
	return route_put(rib, &route, flags, err);
}

static bool
hop_matches(const struct rib_hop *hop, const struct rib_hop *given)
{
	if (given->ifindex != 0 && given->ifindex != hop->ifindex)
		return false;
	if (given->gateway_family != AF_UNSPEC && !ip_addr_is_zero(&given->gateway) &&
		(given->gateway_family != hop->gateway_family || !ip_addr_equal(&given->gateway, &hop->gateway)))
		return false;
	/* Linux looks at the realm only where a device or a gateway is given too. */
	return given->realm == 0 || (given->ifindex == 0 && given->gateway_family == AF_UNSPEC) ||
	       given->realm == hop->realm;
}

/* One hop is looked for among all of an IPv6 route's; IPv4 compares them one by one. */
static bool
hops_match(const struct info *info, const struct rib_route *match)
{
	if (match->hop_count == 0)
		return true;
	if (info->family == AF_INET6 && match->hop_count == 1) {
		for (uint16_t i = 0; i < info->hop_count; i++)
			if (hop_matches(&info->hops[i], &match->hops[0]))
				return true;
		return false;
	}
	/* IPv4: one hop given is compared with the first; several must be all, in their order. */
	if (match->hop_count == 1)
		return info->hop_count > 0 && hop_matches(&info->hops[0], &match->hops[0]);
	if (match->hop_count != info->hop_count)
		return false;
	for (uint16_t i = 0; i < match->hop_count; i++)
		if (!hop_matches(&info->hops[i], &match->hops[i]) ||
			(match->hop_count > 1 && match->hops[i].weight != 0 &&
				match->hops[i].weight != info->hops[i].weight))
			return false;
	return true;
}

static bool
entry_matches(const struct rib *rib, const struct entry *entry, const struct rib_route *match)
{
	const struct info *info = rib->infos.items[entry->info];

	if (entry->tos != match->tos || (match->priority != 0 && match->priority != entry->priority))
		return false;
	if ((match->type != RTN_UNSPEC && match->type != info->type) ||
		(match->protocol != RTPROT_UNSPEC && match->protocol != info->protocol))
		return false;
	if (match->dst.family == AF_INET && match->scope != RT_SCOPE_NOWHERE && match->scope != info->scope)
		return false;
	if (match->prefsrc_set && (!info->prefsrc_set || !ip_addr_equal(&match->prefsrc, &info->prefsrc)))
		return false;
	for (unsigned int i = 1; i < RIB_METRICS; i++)
		if (match->metrics_set >> i & 1 && (info->metrics == NULL || info->metrics[i] != match->metrics[i]))
			return false;
	return hops_match(info, match);
}

/* Takes one hop out of an IPv6 route of several; false if it has but that. */
static bool
remove_hop(struct rib *rib, struct table *table, struct store_at at, const struct rib_route *match)
{
	const struct entry *entry = store_get(&table->store, at);
	struct rib_hop hops[RIB_NEXTHOPS_MAX];
	struct rib_route route;
	uint16_t count = 0;
	bool removed = false;
	uint32_t info;

	route_fill(rib, table, entry, &route);
	if (route.dst.family != AF_INET6 || match->hop_count != 1 || route.hop_count < 2)
		return false;
	for (uint16_t i = 0; i < route.hop_count; i++) {
		if (!removed && hop_matches(&route.hops[i], &match->hops[0]))
			removed = true;
		else
			hops[count++] = route.hops[i];
	}
	route.hops = hops;
	route.hop_count = count;
	route.flags &= ~(uint32_t)(RTNH_F_DEAD | RTNH_F_LINKDOWN | RTNH_F_ONLINK);
	info = info_get(rib, &route);
	if (info == 0)
		return false;
	exchange(rib, table, at, info);
	return true;
}

int
rib_route_delete(struct rib *rib, const struct rib_route *match, struct error *err)
{
	uint32_t id = match->table == RT_TABLE_UNSPEC ? RT_TABLE_MAIN : match->table;
	struct lpm_key key = lpm_key(&match->dst.addr);
	struct table *table;
	struct store_at at;
	struct entry erased;
	const struct entry *e;

	if (!family_known(match->dst.family))
		return error_set(
			err, EAFNOSUPPORT, "Routes are of IPv4 or IPv6, not of address family %u", match->dst.family);
	if (match->dst.length > ip_family_bits(match->dst.family))
		return error_set(err, EINVAL, "Invalid prefix length");
	if (match->dst.family == AF_INET && key_compare(key, key_mask(key, match->dst.length)) != 0)
		return error_set(err, EINVAL, "Invalid prefix for given prefix length");
	key = key_mask(key, match->dst.length);
	table = table_find(rib, match->dst.family, id);
	if (table == NULL || !table->exists)
		return error_set(err, ESRCH, "FIB table does not exist");
	for (at = store_lower(&table->store, key, match->dst.length);
		e = store_get(&table->store, at), entry_is(e, key, match->dst.length);
		at = store_next(&table->store, at)) {
		if (!entry_matches(rib, e, match))
			continue;
		if (remove_hop(rib, table, at, match))
			return 0;
		erased = *e;
		store_erase(&table->store, at);
		route_erased(rib, table, &erased);
		return 0;
	}
	return error_code(err, ESRCH);
}

static void
delete_from_table(struct rib *rib, struct table *table,
	bool (*dead)(const struct rib *rib, const struct table *table, const struct entry *entry, const void *arg),
	const void *arg)
{
	struct store_at at = { 0, 0 };
	const struct entry *e;

	while ((e = store_get(&table->store, at)) != NULL) {
		struct entry erased = *e;

		if (!dead(rib, table, e, arg)) {
			at = store_next(&table->store, at);
			continue;
		}
		at = store_erase(&table->store, at);
		route_erased(rib, table, &erased);
	}
}

void
routes_delete_if(struct rib *rib,
	bool (*dead)(const struct rib *rib, const struct table *table, const struct entry *entry, const void *arg),
	const void *arg)
{
	for (unsigned int f = 0; f < 2; f++)
		for (unsigned int b = 0; b < TABLE_BUCKETS; b++)
			for (struct table *t = rib->tables.buckets[f][b]; t != NULL; t = t->next)
				delete_from_table(rib, t, dead, arg);
}
