/* SPDX-License-Identifier: BSD-3-Clause */
/* Addresses, and the routes that Linux makes for them (ip-address(8); RFC 3021 for /31). */
#include <linux/if_addr.h>

#include "internal.h"

#define PRIORITY_V6_PREFIX 256 /* Linux's metric of an IPv6 connected route */

/* At most: local, given broadcast, connected prefix, the subnet's broadcast; IPv6: local, own, peer. */
#define ADDRESS_ROUTES 4

struct address_routes {
	struct rib_route routes[ADDRESS_ROUTES];
	struct rib_hop hop;
	uint32_t count;
};

static struct rib_route *
more(struct address_routes *r, const struct rib_address *a, uint8_t type, struct ip_addr dst, uint8_t length)
{
	struct rib_route *route = &r->routes[r->count++];

	*route = (struct rib_route){
		.dst = { .family = a->family, .length = length, .addr = dst },
		.table = type == RTN_UNICAST ? RT_TABLE_MAIN : RT_TABLE_LOCAL,
		.protocol = RTPROT_KERNEL,
		.scope = type == RTN_LOCAL ? RT_SCOPE_HOST : RT_SCOPE_LINK,
		.type = type,
		.hop_count = 1,
		.hops = &r->hop,
	};
	return route;
}

static bool
same_subnet(const struct rib_address *a, const struct rib_address *b)
{
	return a->ifindex == b->ifindex && a->family == b->family && a->prefix_length == b->prefix_length &&
	       addr_in_prefix(&a->peer, &b->peer, a->prefix_length);
}

static const struct rib_address *
primary_of(const struct rib *rib, const struct rib_address *a)
{
	if (!(a->flags & IFA_F_SECONDARY))
		return a;
	for (uint32_t i = 0; i < rib->addresses.count; i++) {
		const struct rib_address *other = rib->addresses.items[i];

		if (!(other->flags & IFA_F_SECONDARY) && same_subnet(a, other))
			return other;
	}
	return a;
}

static void
routes_v4(const struct rib *rib, const struct rib_address *a, bool up, struct address_routes *r)
{
	const struct rib_link *link = rib_link_find(rib, a->ifindex);
	bool loopback = link != NULL && link->flags & IFF_LOOPBACK;
	uint32_t mask = a->prefix_length == 0 ? 0 : UINT32_MAX << (32 - a->prefix_length);
	uint32_t net = rte_be_to_cpu_32(a->peer.v4) & mask;

	more(r, a, RTN_LOCAL, a->local, 32);
	if (up && a->broadcast.v4 != 0 && a->broadcast.v4 != UINT32_MAX)
		more(r, a, RTN_BROADCAST, a->broadcast, 32);
	/* A secondary's subnet is its primary's; 0/8 is nobody's; a /32 of the address itself adds nothing. */
	if (up && !(a->flags & IFA_F_SECONDARY) && net >> 24 != 0 &&
		(a->prefix_length < 32 || !ip_addr_equal(&a->local, &a->peer))) {
		uint32_t broadcast = net | ~mask;

		if (!(a->flags & IFA_F_NOPREFIXROUTE))
			more(r, a, loopback ? RTN_LOCAL : RTN_UNICAST, ip_addr_v4(rte_cpu_to_be_32(net)),
				a->prefix_length)
				->priority = a->metric;
		if (a->prefix_length < 31 && a->broadcast.v4 != rte_cpu_to_be_32(broadcast))
			more(r, a, RTN_BROADCAST, ip_addr_v4(rte_cpu_to_be_32(broadcast)), 32);
	}
	for (uint32_t i = 0; i < r->count; i++) {
		r->routes[i].prefsrc_set = 1;
		r->routes[i].prefsrc = primary_of(rib, a)->local;
	}
}

static void
routes_v6(const struct rib *rib, const struct rib_address *a, bool up, struct address_routes *r)
{
	const struct rib_link *link = rib_link_find(rib, a->ifindex);
	bool loopback = link != NULL && link->flags & IFF_LOOPBACK, peer = !ip_addr_equal(&a->local, &a->peer);

	more(r, a, RTN_LOCAL, a->local, 128);
	if (up && !loopback && !(a->flags & IFA_F_NOPREFIXROUTE)) {
		struct ip_addr net = key_addr(key_mask(lpm_key(&a->local), peer ? 128 : a->prefix_length));
		uint32_t metric = a->metric != 0 ? a->metric : PRIORITY_V6_PREFIX;

		more(r, a, RTN_UNICAST, net, peer ? 128 : a->prefix_length)->priority = metric;
		if (peer)
			more(r, a, RTN_UNICAST, key_addr(key_mask(lpm_key(&a->peer), a->prefix_length)),
				a->prefix_length)
				->priority = metric;
	}
	for (uint32_t i = 0; i < r->count; i++)
		r->routes[i].scope = RT_SCOPE_UNIVERSE;
}

static void
routes_of(const struct rib *rib, const struct rib_address *a, bool up, struct address_routes *r)
{
	r->count = 0;
	r->hop = (struct rib_hop){ .ifindex = a->ifindex };
	if (a->family == AF_INET)
		routes_v4(rib, a, up, r);
	else
		routes_v6(rib, a, up, r);
}

static void
add_routes(struct rib *rib, const struct rib_address *a, bool up)
{
	struct address_routes r;

	routes_of(rib, a, up, &r);
	/* A route that is there already, or whose source may not be one, is no reason to refuse the address. */
	for (uint32_t i = 0; i < r.count; i++)
		route_put(rib, &r.routes[i], CHANGE_CREATE | CHANGE_APPEND, NULL);
}

static bool
makes_route(const struct rib *rib, const struct rib_address *a, const struct rib_route *route)
{
	struct address_routes r;

	routes_of(rib, a, true, &r);
	for (uint32_t i = 0; i < r.count; i++)
		if (r.routes[i].type == route->type && r.routes[i].dst.length == route->dst.length &&
			ip_addr_equal(&r.routes[i].dst.addr, &route->dst.addr))
			return true;
	return false;
}

struct gone_source {
	uint8_t family;
	struct ip_addr addr;
};

static bool
has_source(const struct rib *rib, const struct table *table, const struct entry *entry, const void *arg)
{
	const struct info *info = rib->infos.items[entry->info];
	const struct gone_source *gone = arg;

	return info->prefsrc_set && info->family == gone->family && ip_addr_equal(&info->prefsrc, &gone->addr);
}

/*
 * Deletes the routes that were made for the address, which is no longer in the list, but those that another one on
 * the link makes too.
 */
static void
remove_routes(struct rib *rib, const struct rib_address *a)
{
	struct gone_source gone = { a->family, a->local };
	struct address_routes r;

	routes_of(rib, a, true, &r);
	for (uint32_t i = r.count; i-- > 0;) {
		bool needed = false;

		for (uint32_t k = 0; k < rib->addresses.count && !needed; k++)
			needed = rib->addresses.items[k]->ifindex == a->ifindex &&
				 rib->addresses.items[k]->family == a->family &&
				 makes_route(rib, rib->addresses.items[k], &r.routes[i]);
		r.routes[i].prefsrc_set = 0;
		if (!needed)
			rib_route_delete(rib, &r.routes[i], NULL);
	}
	if (!rib_address_is_local(rib, 0, a->family, &a->local))
		routes_delete_if(rib, has_source, &gone);
}

static bool
list_before(const struct rib_address *a, const struct rib_address *b)
{
	return a->family != b->family ? a->family < b->family : a->ifindex < b->ifindex;
}

/*
 * Linux's order within a link. IPv4: primaries from narrow scope to wide, each behind its equals, then secondaries.
 * IPv6: from wide scope to narrow, each before its equals.
 */
static uint32_t
list_place(const struct address_list *list, const struct rib_address *a)
{
	uint32_t i = 0;

	while (i < list->count && list_before(list->items[i], a))
		i++;
	for (; i < list->count && !list_before(a, list->items[i]); i++) {
		const struct rib_address *other = list->items[i];

		if (a->family == AF_INET6 && other->scope >= a->scope)
			break;
		if (a->family == AF_INET && !(a->flags & IFA_F_SECONDARY) &&
			(other->flags & IFA_F_SECONDARY || other->scope < a->scope))
			break;
	}
	return i;
}

static struct rib_address *
list_insert(struct address_list *list, const struct rib_address *a)
{
	uint32_t i = list_place(list, a);

	if (list->count == list->room) {
		list->room = list->room == 0 ? 8 : list->room * 2;
		list->items = rib_realloc(list->items, list->room * sizeof(*list->items));
	}
	memmove(&list->items[i + 1], &list->items[i], (list->count - i) * sizeof(*list->items));
	list->count++;
	list->items[i] = rib_zalloc(sizeof(*a));
	*list->items[i] = *a;
	return list->items[i];
}

/* Takes items[i] out, with its routes, and tells. */
static void
list_remove(struct rib *rib, uint32_t i)
{
	struct address_list *list = &rib->addresses;
	struct rib_address *a = list->items[i];

	list->count--;
	memmove(&list->items[i], &list->items[i + 1], (list->count - i) * sizeof(*list->items));
	addresses_publish(rib);
	remove_routes(rib, a);
	if (rib->events.address != NULL)
		rib->events.address(rib->events.arg, false, a);
	free(a);
}

static int
change_address(struct rib *rib, struct rib_address *old, const struct rib_address *new)
{
	struct address_routes r;

	routes_of(rib, old, true, &r);
	if (old->metric != new->metric) {
		for (uint32_t i = 0; i < r.count; i++)
			if (r.routes[i].table == RT_TABLE_MAIN || r.routes[i].dst.length < ip_family_bits(old->family))
				rib_route_delete(rib, &r.routes[i], NULL);
		old->metric = new->metric;
		add_routes(rib, old, link_is_up(rib, old->ifindex));
	}
	old->flags = (old->flags & IFA_F_SECONDARY) | (new->flags & ~(uint32_t)IFA_F_SECONDARY);
	if (rib->events.address != NULL)
		rib->events.address(rib->events.arg, true, old);
	return 0;
}

static int
check_address(const struct rib *rib, const struct rib_address *a, struct error *err)
{
	if (!family_known(a->family))
		return error_set(err, EAFNOSUPPORT, "Addresses are of IPv4 or IPv6, not of family %u", a->family);
	if (a->prefix_length > ip_family_bits(a->family))
		return error_set(err, EINVAL, "Invalid prefix length %u: an address has %u bits", a->prefix_length,
			ip_family_bits(a->family));
	if (rib_link_find(rib, a->ifindex) == NULL)
		return error_code(err, ENODEV);
	if (a->family == AF_INET6 && (ip_addr_is_zero(&a->local) || a->local.bytes[0] == 0xff))
		return error_set(err, EADDRNOTAVAIL, "A link's address can be neither :: nor multicast");
	return 0;
}

int
rib_address_add(struct rib *rib, const struct rib_address *given, bool replace, struct error *err)
{
	struct rib_address a = *given, *stored;
	int status = check_address(rib, given, err);

	if (status != 0)
		return status;
	if (a.family == AF_INET && a.local.v4 == 0)
		return 0; /* Linux takes it and does nothing */
	if (ip_addr_is_zero(&a.peer))
		a.peer = a.local;
	a.flags &= ~(uint32_t)IFA_F_SECONDARY;
	for (uint32_t i = 0; i < rib->addresses.count; i++) {
		struct rib_address *other = rib->addresses.items[i];

		if (other->ifindex != a.ifindex || other->family != a.family)
			continue;
		if (ip_addr_equal(&other->local, &a.local) && (a.family == AF_INET6 || same_subnet(other, &a)))
			return replace ? change_address(rib, other, &a) : error_code(err, EEXIST);
		if (a.family == AF_INET6 || !same_subnet(other, &a))
			continue;
		if (other->scope != a.scope)
			return error_code(err, EINVAL);
		a.flags |= IFA_F_SECONDARY;
	}
	stored = list_insert(&rib->addresses, &a);
	addresses_publish(rib);
	add_routes(rib, stored, link_is_up(rib, a.ifindex));
	if (rib->events.address != NULL)
		rib->events.address(rib->events.arg, true, stored);
	return 0;
}

static bool
address_matches(const struct rib_address *a, const struct rib_address *match)
{
	if (a->ifindex != match->ifindex || a->family != match->family || !ip_addr_equal(&a->local, &match->local))
		return false;
	if (match->label[0] != '\0' && a->label[0] != '\0' && strncmp(a->label, match->label, sizeof(a->label)) != 0)
		return false;
	/* Without a peer only the address itself was named (`ip addr del 10.0.0.1 dev eth0`). */
	return ip_addr_is_zero(&match->peer) ||
	       (a->prefix_length == match->prefix_length && addr_in_prefix(&a->peer, &match->peer, a->prefix_length));
}

int
rib_address_remove(struct rib *rib, const struct rib_address *match, struct error *err)
{
	struct address_list *list = &rib->addresses;
	struct rib_address primary;

	if (rib_link_find(rib, match->ifindex) == NULL)
		return error_code(err, ENODEV);
	for (uint32_t i = 0; i < list->count; i++) {
		if (!address_matches(list->items[i], match))
			continue;
		primary = *list->items[i];
		for (uint32_t k = list->count;
			primary.family == AF_INET && !(primary.flags & IFA_F_SECONDARY) && k-- > i + 1;)
			if (list->items[k]->flags & IFA_F_SECONDARY && same_subnet(list->items[k], &primary))
				list_remove(rib, k);
		list_remove(rib, i);
		return 0;
	}
	return error_code(err, EADDRNOTAVAIL);
}

int
rib_address_walk(const struct rib *rib, uint32_t ifindex, uint8_t family,
	int (*visit)(void *arg, const struct rib_address *address), void *arg)
{
	for (uint32_t i = 0; i < rib->addresses.count; i++) {
		const struct rib_address *a = rib->addresses.items[i];
		int status;

		if ((ifindex != 0 && a->ifindex != ifindex) || (family != AF_UNSPEC && a->family != family))
			continue;
		status = visit(arg, a);
		if (status != 0)
			return status;
	}
	return 0;
}

void
addresses_link_up(struct rib *rib, const struct rib_link *link)
{
	for (uint32_t i = 0; i < rib->addresses.count; i++)
		if (rib->addresses.items[i]->ifindex == link->ifindex)
			add_routes(rib, rib->addresses.items[i], true);
}

/* IPv4 addresses stay when their link goes down, IPv6 ones do not (keep_addr_on_down is 0). */
void
addresses_link_down(struct rib *rib, const struct rib_link *link)
{
	for (uint32_t i = rib->addresses.count; i-- > 0;)
		if (rib->addresses.items[i]->ifindex == link->ifindex && rib->addresses.items[i]->family == AF_INET6 &&
			!(link->flags & IFF_LOOPBACK))
			list_remove(rib, i);
}

void
addresses_link_removed(struct rib *rib, uint32_t ifindex)
{
	for (uint32_t i = rib->addresses.count; i-- > 0;)
		if (rib->addresses.items[i]->ifindex == ifindex)
			list_remove(rib, i);
}

void
addresses_destroy(struct rib *rib)
{
	for (uint32_t i = 0; i < rib->addresses.count; i++)
		free(rib->addresses.items[i]);
	free(rib->addresses.items);
	free(rib->addresses.view);
}
