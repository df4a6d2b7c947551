/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What routes have in common, kept once however many routes have it, and numbered: the number is what the tries give.
 * Each has
 * a target, the few bytes that a lookup reads.
 */
#include <string.h>

#include "internal.h"

static struct target *
target_at(const struct infos *infos, uint32_t number)
{
	return &infos->pages[number >> PAGE_BITS][number & PAGE_MASK];
}

/* The flags that a route is given with; the others tell how its hops do. */
#define HOP_GIVEN_FLAGS (RTNH_F_ONLINK | RTNH_F_PERVASIVE)

static uint32_t
content_hash(const struct rib_route *r)
{
	const uint32_t fixed[] = { r->flags, r->metrics_set, r->dst.family, r->type, r->scope, r->protocol,
		r->hop_count };
	uint32_t hash = hash_bytes(2166136261u, fixed, sizeof(fixed));

	hash = hash_bytes(hash, &r->prefsrc, sizeof(r->prefsrc));
	if (r->metrics_set != 0)
		hash = hash_bytes(hash, r->metrics, sizeof(r->metrics));
	for (uint16_t i = 0; i < r->hop_count; i++) {
		const struct rib_hop *hop = &r->hops[i];
		const uint32_t words[] = { hop->ifindex, hop->realm, hop->weight };

		hash = hash_bytes(hash, &hop->gateway, sizeof(hop->gateway));
		hash = hash_bytes(hash, words, sizeof(words));
	}
	return hash;
}

static bool
same_hop(const struct rib_hop *a, const struct rib_hop *b)
{
	return a->ifindex == b->ifindex && a->weight == b->weight && a->realm == b->realm &&
	       a->gateway_family == b->gateway_family && ip_addr_equal(&a->gateway, &b->gateway) &&
	       ((a->flags ^ b->flags) & HOP_GIVEN_FLAGS) == 0;
}

static bool
same_content(const struct info *info, const struct rib_route *r)
{
	if (info->flags != r->flags || info->metrics_set != r->metrics_set || info->family != r->dst.family ||
		info->type != r->type || info->scope != r->scope || info->protocol != r->protocol ||
		info->hop_count != r->hop_count || info->prefsrc_set != r->prefsrc_set ||
		!ip_addr_equal(&info->prefsrc, &r->prefsrc))
		return false;
	for (unsigned int i = 0; i < RIB_METRICS; i++)
		if (r->metrics_set >> i & 1 && info->metrics[i] != r->metrics[i])
			return false;
	for (uint16_t i = 0; i < r->hop_count; i++)
		if (!same_hop(&info->hops[i], &r->hops[i]))
			return false;
	return true;
}

static void
rehash(struct infos *infos)
{
	uint32_t count = infos->bucket_count == 0 ? 64 : infos->bucket_count * 4;
	uint32_t *buckets = rib_zalloc(count * sizeof(*buckets));

	for (uint32_t i = 0; i < infos->bucket_count; i++) {
		for (uint32_t number = infos->buckets[i], next; number != 0; number = next) {
			struct info *info = infos->items[number];

			next = info->next;
			info->next = buckets[info->hash & (count - 1)];
			buckets[info->hash & (count - 1)] = number;
		}
	}
	free(infos->buckets);
	infos->buckets = buckets;
	infos->bucket_count = count;
}

static uint32_t
take_number(struct infos *infos)
{
	if (infos->free_count > 0)
		return infos->free[--infos->free_count];
	if (infos->used == 0)
		infos->used = 1; /* 0: no route */
	if (infos->used > LPM_NUMBER_MAX)
		return 0;
	if (infos->used >= infos->room) {
		infos->room = infos->room == 0 ? 64 : infos->room + infos->room / 2;
		infos->items = rib_realloc(infos->items, infos->room * sizeof(*infos->items));
	}
	if (infos->pages[infos->used >> PAGE_BITS] == NULL)
		infos->pages[infos->used >> PAGE_BITS] = rib_zalloc(PAGE_ITEMS * sizeof(struct target));
	return infos->used++;
}

static size_t
info_bytes(uint16_t hop_count)
{
	return sizeof(struct info) + hop_count * (sizeof(struct rib_hop) + sizeof(uint32_t));
}

static struct info *
info_new(const struct rib_route *r)
{
	struct info *info = rib_zalloc(info_bytes(r->hop_count));

	info->flags = r->flags;
	info->metrics_set = r->metrics_set;
	info->family = r->dst.family;
	info->type = r->type;
	info->scope = r->scope;
	info->protocol = r->protocol;
	info->prefsrc_set = r->prefsrc_set;
	info->prefsrc = r->prefsrc;
	info->hop_count = r->hop_count;
	info->nexthops = (uint32_t *)&info->hops[r->hop_count];
	if (r->hop_count > 0)
		memcpy(info->hops, r->hops, r->hop_count * sizeof(*r->hops));
	if (r->metrics_set != 0) {
		info->metrics = rib_zalloc(sizeof(r->metrics));
		memcpy(info->metrics, r->metrics, sizeof(r->metrics));
	}
	return info;
}

static void
info_free(struct info *info)
{
	free(info->metrics);
	free(info);
}

/* Local, broadcast and multicast ones too: who sends to such an address needs the device. */
static bool
type_has_nexthop(uint8_t type)
{
	return type == RTN_UNICAST || type == RTN_LOCAL || type == RTN_BROADCAST || type == RTN_ANYCAST ||
	       type == RTN_MULTICAST;
}

static bool
make_nexthops(struct rib *rib, struct info *info)
{
	for (uint16_t i = 0; type_has_nexthop(info->type) && i < info->hop_count; i++) {
		const struct rib_hop *hop = &info->hops[i];
		struct nexthop_spec spec = { .ifindex = hop->ifindex,
			.gateway_family = hop->gateway_family,
			.gateway = hop->gateway,
			.prefsrc = info->prefsrc };

		if (info->metrics_set >> RTAX_MTU & 1) {
			spec.mtu = info->metrics[RTAX_MTU];
			spec.mtu_locked =
				info->metrics_set >> RTAX_LOCK & 1 && info->metrics[RTAX_LOCK] >> RTAX_MTU & 1;
		}
		info->nexthops[i] = nexthop_get(rib, &spec);
		if (info->nexthops[i] == RIB_NEXTHOP_NONE) {
			while (i-- > 0)
				nexthop_put(rib, info->nexthops[i]);
			return false;
		}
	}
	return true;
}

/* The live hops share the hash's range by weight; dead ones get none. NULL: none lives. */
static struct group *
make_group(const struct info *info)
{
	struct group *group = rib_zalloc(sizeof(*group) + info->hop_count * sizeof(group->members[0]));
	uint64_t total = 0, sum = 0;

	for (uint16_t i = 0; i < info->hop_count; i++)
		total += info->hops[i].flags & RTNH_F_DEAD ? 0 : info->hops[i].weight + 1u;
	for (uint16_t i = 0; i < info->hop_count; i++) {
		struct group_member *m = &group->members[group->count];

		if (info->hops[i].flags & RTNH_F_DEAD)
			continue;
		sum += info->hops[i].weight + 1u;
		*m = (struct group_member){ .nexthop = info->nexthops[i],
			.realm = info->hops[i].realm,
			.upper = (uint32_t)(((sum << 32) + total / 2) / total - 1) };
		group->count++;
	}
	if (group->count > 0)
		return group;
	free(group);
	return NULL;
}

void
info_publish(struct rib *rib, uint32_t number)
{
	const struct info *info = rib->infos.items[number];
	struct target *target = target_at(&rib->infos, number);
	const struct group *old = target->group, *group = info->hop_count > 1 ? make_group(info) : NULL;

	__atomic_store_n(&rib->infos.groups, rib->infos.groups + (group != NULL) - (old != NULL), __ATOMIC_RELAXED);
	__atomic_store_n(&target->group, group, __ATOMIC_RELEASE);
	if (old != NULL)
		rcu_defer(rib->rcu, free, (void *)(uintptr_t)old);
}

static bool
has_realm(const struct info *info)
{
	for (uint16_t i = 0; i < info->hop_count; i++)
		if (info->hops[i].realm != 0)
			return true;
	return false;
}

static void
count_realm(struct infos *infos, const struct info *info, uint32_t more)
{
	if (has_realm(info))
		__atomic_store_n(&infos->realms, infos->realms + more, __ATOMIC_RELAXED);
}

uint32_t
info_get(struct rib *rib, const struct rib_route *route)
{
	struct infos *infos = &rib->infos;
	uint32_t hash = content_hash(route), number;
	struct info *info;

	if (infos->count >= infos->bucket_count)
		rehash(infos);
	for (number = infos->buckets[hash & (infos->bucket_count - 1)]; number != 0;
		number = infos->items[number]->next) {
		if (infos->items[number]->hash == hash && same_content(infos->items[number], route)) {
			infos->items[number]->references++;
			return number;
		}
	}
	info = info_new(route);
	if (!make_nexthops(rib, info)) {
		info_free(info);
		return 0;
	}
	number = take_number(infos);
	if (number == 0) {
		for (uint16_t i = 0; i < info->hop_count; i++)
			nexthop_put(rib, info->nexthops[i]);
		info_free(info);
		return 0;
	}
	infos->items[number] = info;
	info->references = 1;
	info->hash = hash;
	info->next = infos->buckets[hash & (infos->bucket_count - 1)];
	infos->buckets[hash & (infos->bucket_count - 1)] = number;
	infos->count++;
	count_realm(infos, info, 1);
	infos->bytes += info_bytes(info->hop_count);
	const struct rib_nexthop *hop = info->hop_count > 0 ? rib_nexthop(rib, info->nexthops[0]) : NULL;

	/* All but the group stays as it is for the number's life. */
	*target_at(infos, number) = (struct target){
		.result = { .type = info->type,
			.scope = info->scope,
			.realm = info->hop_count > 0 ? info->hops[0].realm : 0,
			.nexthop = info->hop_count > 0 ? info->nexthops[0] : RIB_NEXTHOP_NONE,
			.forwards = info->type == RTN_UNICAST && info->hop_count == 1 && hop != NULL,
			.hop = hop },
	};
	info_publish(rib, number);
	return number;
}

struct dead_info {
	struct rib *rib;
	uint32_t number;
};

/* No reader can come from a trie to this number any more. */
static void
free_number(void *arg)
{
	struct dead_info *dead = arg;
	struct infos *infos = &dead->rib->infos;
	struct target *target = target_at(infos, dead->number);

	__atomic_store_n(&infos->groups, infos->groups - (target->group != NULL), __ATOMIC_RELAXED);
	free((void *)(uintptr_t)target->group);
	*target = (struct target){ 0 };
	if (infos->free_count == infos->free_room) {
		infos->free_room = infos->free_room == 0 ? 64 : infos->free_room * 2;
		infos->free = rib_realloc(infos->free, infos->free_room * sizeof(*infos->free));
	}
	infos->free[infos->free_count++] = dead->number;
	free(dead);
}

void
info_put(struct rib *rib, uint32_t number)
{
	struct infos *infos = &rib->infos;
	struct info *info = infos->items[number];
	struct dead_info *dead;
	uint32_t *link;

	if (--info->references > 0)
		return;
	link = &infos->buckets[info->hash & (infos->bucket_count - 1)];
	while (*link != number)
		link = &infos->items[*link]->next;
	*link = info->next;
	infos->count--;
	count_realm(infos, info, UINT32_MAX); /* one less */
	infos->bytes -= info_bytes(info->hop_count);
	infos->items[number] = NULL;
	for (uint16_t i = 0; i < info->hop_count; i++)
		nexthop_put(rib, info->nexthops[i]);
	info_free(info);
	dead = rib_zalloc(sizeof(*dead));
	*dead = (struct dead_info){ rib, number };
	rcu_defer(rib->rcu, free_number, dead);
}

void
infos_destroy(struct rib *rib)
{
	struct infos *infos = &rib->infos;

	for (uint32_t i = 0; i < INFO_PAGES; i++)
		free(infos->pages[i]);
	free(infos->items);
	free(infos->free);
	free(infos->buckets);
}
