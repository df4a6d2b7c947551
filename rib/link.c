/* SPDX-License-Identifier: BSD-3-Clause */
/* What becomes of routes when a link goes up or down, loses its carrier, or goes away. */
#include "internal.h"

const struct rib_link *
rib_link_find(const struct rib *rib, uint32_t ifindex)
{
	return ifindex < RIB_LINKS_MAX ? rib->links[ifindex] : NULL;
}

/* Routes to the router's own addresses hold whatever their link does. */
static bool
heeds_link(const struct info *info)
{
	return info->family == AF_INET6 || info->scope != RT_SCOPE_HOST;
}

/* Sets and clears flags on all hops through the link. */
static void
flag_hops(struct rib *rib, uint32_t ifindex, uint8_t set, uint8_t clear)
{
	for (uint32_t number = 1; number < rib->infos.used; number++) {
		struct info *info = rib->infos.items[number];
		bool changed = false;

		if (info == NULL || !heeds_link(info))
			continue;
		for (uint16_t i = 0; i < info->hop_count; i++) {
			uint8_t flags = (uint8_t)((info->hops[i].flags | set) & ~clear);

			if (info->hops[i].ifindex != ifindex || info->hops[i].flags == flags)
				continue;
			info->hops[i].flags = flags;
			changed = true;
		}
		if (changed)
			info_publish(rib, number);
	}
}

static bool
all_hops_dead(const struct rib *rib, const struct table *table, const struct entry *entry, const void *arg)
{
	const struct info *info = rib->infos.items[entry->info];

	for (uint16_t i = 0; i < info->hop_count; i++)
		if (!(info->hops[i].flags & RTNH_F_DEAD))
			return false;
	return info->hop_count > 0;
}

static void
link_went_down(struct rib *rib, const struct rib_link *link)
{
	addresses_link_down(rib, link);
	flag_hops(rib, link->ifindex, RTNH_F_DEAD | RTNH_F_LINKDOWN, 0);
	routes_delete_if(rib, all_hops_dead, NULL);
}

static void
link_carrier(struct rib *rib, const struct rib_link *link)
{
	if (link->flags & IFF_RUNNING)
		flag_hops(rib, link->ifindex, 0, RTNH_F_LINKDOWN);
	else
		flag_hops(rib, link->ifindex, RTNH_F_LINKDOWN, 0);
}

int
rib_link_set(struct rib *rib, const struct rib_link *given, struct error *err)
{
	struct rib_link *link, before = { 0 };
	uint32_t changed;

	if (given->ifindex == 0 || given->ifindex >= RIB_LINKS_MAX)
		return error_set(
			err, EINVAL, "Link index %u: from 1 to %u are possible", given->ifindex, RIB_LINKS_MAX - 1);
	link = rib->links[given->ifindex];
	if (link == NULL)
		link = rib->links[given->ifindex] = rib_zalloc(sizeof(*link));
	else
		before = *link;
	*link = *given;
	if (given->ifindex >= rib->link_limit)
		rib->link_limit = given->ifindex + 1;
	changed = before.flags ^ link->flags;
	if (strncmp(before.name, link->name, sizeof(link->name)) != 0)
		rules_link_changed(rib);
	if (before.mtu != link->mtu || changed & (IFF_NOARP | IFF_LOOPBACK))
		nexthops_link_changed(rib, link);
	if (changed & IFF_UP && !(link->flags & IFF_UP)) {
		link_went_down(rib, link);
	} else if (changed & IFF_UP) {
		flag_hops(rib, link->ifindex, 0, RTNH_F_DEAD);
		link_carrier(rib, link);
		addresses_link_up(rib, link);
	} else if (changed & IFF_RUNNING) {
		link_carrier(rib, link);
	}
	return 0;
}

static bool
goes_through(const struct rib *rib, const struct table *table, const struct entry *entry, const void *arg)
{
	const struct info *info = rib->infos.items[entry->info];
	const uint32_t *ifindex = arg;

	for (uint16_t i = 0; i < info->hop_count; i++)
		if (info->hops[i].ifindex == *ifindex)
			return true;
	return false;
}

void
rib_link_remove(struct rib *rib, uint32_t ifindex)
{
	struct rib_link *link = ifindex < RIB_LINKS_MAX ? rib->links[ifindex] : NULL;

	if (link == NULL)
		return;
	if (link->flags & IFF_UP) {
		link->flags &= ~(uint32_t)(IFF_UP | IFF_RUNNING);
		link_went_down(rib, link);
	}
	addresses_link_removed(rib, ifindex);
	/* Multipath routes go whole: their other hops are for whoever manages them to bring back. */
	routes_delete_if(rib, goes_through, &ifindex);
	rib->links[ifindex] = NULL;
	free(link);
	rules_link_changed(rib);
	neighbours_link_removed(rib, ifindex);
}
