/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Nexthops by index, shared by content. Pages never move, so a worker may read a nexthop while others are made; an
 * index
 * carries its slot's generation, so that a packet which waited too long finds nothing instead of another's nexthop.
 */
#include <rte_branch_prediction.h>

#include "internal.h"

#define SLOT_MASK ((1u << NEXTHOP_SLOT_BITS) - 1)

static inline struct nexthop_slot *
slot_of(const struct nexthops *nexthops, uint32_t slot)
{
	return &nexthops->pages[slot >> PAGE_BITS][slot & PAGE_MASK];
}

const struct rib_nexthop *
rib_nexthop(const struct rib *rib, uint32_t index)
{
	const struct nexthop_slot *page =
		__atomic_load_n(&rib->nexthops.pages[(index & SLOT_MASK) >> PAGE_BITS], __ATOMIC_ACQUIRE);

	if (unlikely(index == RIB_NEXTHOP_NONE || page == NULL))
		return NULL;
	page += index & PAGE_MASK;
	return likely(__atomic_load_n(&page->index, __ATOMIC_ACQUIRE) == index) ? &page->hot : NULL;
}

static uint32_t
spec_hash(const struct nexthop_spec *spec)
{
	uint32_t hash = 2166136261u ^ spec->ifindex * 2654435761u ^ spec->mtu << 1 ^ spec->mtu_locked;

	hash = hash_bytes(hash, &spec->gateway, sizeof(spec->gateway));
	return hash_bytes(hash, &spec->prefsrc, sizeof(spec->prefsrc));
}

static bool
slot_is(const struct nexthop_slot *slot, const struct nexthop_spec *spec)
{
	return slot->hot.ifindex == spec->ifindex && slot->route_mtu == spec->mtu &&
	       slot->hot.mtu_locked == spec->mtu_locked && slot->hot.gateway_family == spec->gateway_family &&
	       ip_addr_equal(&slot->hot.gateway, &spec->gateway) && ip_addr_equal(&slot->hot.prefsrc, &spec->prefsrc);
}

static void
rehash(struct nexthops *nexthops)
{
	uint32_t count = nexthops->bucket_count == 0 ? 64 : nexthops->bucket_count * 4;
	uint32_t *buckets = rib_zalloc(count * sizeof(*buckets));

	for (uint32_t i = 0; i < nexthops->bucket_count; i++) {
		for (uint32_t slot = nexthops->buckets[i], next; slot != 0; slot = next) {
			struct nexthop_slot *s = slot_of(nexthops, slot);

			next = s->next;
			s->next = buckets[s->hash & (count - 1)];
			buckets[s->hash & (count - 1)] = slot;
		}
	}
	free(nexthops->buckets);
	nexthops->buckets = buckets;
	nexthops->bucket_count = count;
}

static uint32_t
take_slot(struct nexthops *nexthops)
{
	uint32_t slot = nexthops->free;

	if (slot != 0) {
		nexthops->free = slot_of(nexthops, slot)->next;
		return slot;
	}
	if (nexthops->used == 0)
		nexthops->used = 1; /* slot 0 is never one: RIB_NEXTHOP_NONE */
	if (nexthops->used > SLOT_MASK)
		return 0;
	if (nexthops->pages[nexthops->used >> PAGE_BITS] == NULL)
		__atomic_store_n(&nexthops->pages[nexthops->used >> PAGE_BITS],
			rib_zalloc(PAGE_ITEMS * sizeof(struct nexthop_slot)), __ATOMIC_RELEASE);
	return nexthops->used++;
}

static void
set_link_facts(const struct rib *rib, struct nexthop_slot *slot)
{
	const struct rib_link *link = rib_link_find(rib, slot->hot.ifindex);
	uint32_t mtu = link == NULL ? 0 : link->mtu;

	if (slot->route_mtu != 0 && (mtu == 0 || slot->route_mtu < mtu))
		mtu = slot->route_mtu;
	__atomic_store_n(&slot->hot.mtu, mtu, __ATOMIC_RELAXED);
	__atomic_store_n(
		&slot->hot.noarp, link != NULL && (link->flags & (IFF_NOARP | IFF_LOOPBACK)) != 0, __ATOMIC_RELAXED);
}

uint32_t
nexthop_get(struct rib *rib, const struct nexthop_spec *spec)
{
	struct nexthops *nexthops = &rib->nexthops;
	uint32_t hash = spec_hash(spec), slot, generation;
	struct nexthop_slot *s;

	if (nexthops->count >= nexthops->bucket_count)
		rehash(nexthops);
	for (slot = nexthops->buckets[hash & (nexthops->bucket_count - 1)]; slot != 0; slot = s->next) {
		s = slot_of(nexthops, slot);
		if (s->hash == hash && slot_is(s, spec)) {
			s->references++;
			return s->index;
		}
	}
	slot = take_slot(nexthops);
	if (slot == 0)
		return 0;
	s = slot_of(nexthops, slot);
	/* A free slot keeps its last generation where the hash was. */
	generation = s->hash;
	s->hot = (struct rib_nexthop){ .ifindex = spec->ifindex,
		.gateway_family = spec->gateway_family,
		.mtu_locked = spec->mtu_locked,
		.gateway = spec->gateway,
		.prefsrc = spec->prefsrc };
	s->route_mtu = spec->mtu;
	set_link_facts(rib, s);
	if (spec->gateway_family != AF_UNSPEC) {
		s->hot.neighbour = neighbour_make(rib, spec->ifindex, spec->gateway_family, &spec->gateway);
		if (s->hot.neighbour != NULL)
			s->hot.neighbour->references++;
	}
	s->references = 1;
	s->hash = hash;
	s->next = nexthops->buckets[hash & (nexthops->bucket_count - 1)];
	nexthops->buckets[hash & (nexthops->bucket_count - 1)] = slot;
	nexthops->count++;
	__atomic_store_n(&s->index, slot | generation << NEXTHOP_SLOT_BITS, __ATOMIC_RELEASE);
	return s->index;
}

struct dead_nexthop {
	struct rib *rib;
	uint32_t slot;
};

static void
free_slot(void *arg)
{
	struct dead_nexthop *dead = arg;
	struct nexthops *nexthops = &dead->rib->nexthops;
	struct nexthop_slot *s = slot_of(nexthops, dead->slot);

	s->hash = (s->index >> NEXTHOP_SLOT_BITS) + 1;
	__atomic_store_n(&s->index, 0, __ATOMIC_RELEASE);
	if (s->hot.neighbour != NULL)
		s->hot.neighbour->references--;
	s->next = nexthops->free;
	nexthops->free = dead->slot;
	free(dead);
}

void
nexthop_put(struct rib *rib, uint32_t index)
{
	struct nexthops *nexthops = &rib->nexthops;
	uint32_t slot = index & SLOT_MASK, *link;
	struct nexthop_slot *s;
	struct dead_nexthop *dead;

	if (index == RIB_NEXTHOP_NONE)
		return;
	s = slot_of(nexthops, slot);
	if (--s->references > 0)
		return;
	link = &nexthops->buckets[s->hash & (nexthops->bucket_count - 1)];
	while (*link != slot)
		link = &slot_of(nexthops, *link)->next;
	*link = s->next;
	nexthops->count--;
	dead = rib_zalloc(sizeof(*dead));
	*dead = (struct dead_nexthop){ rib, slot };
	rcu_defer(rib->rcu, free_slot, dead);
}

void
nexthops_link_changed(struct rib *rib, const struct rib_link *link)
{
	for (uint32_t slot = 1; slot < rib->nexthops.used; slot++) {
		struct nexthop_slot *s = slot_of(&rib->nexthops, slot);

		if (s->index != 0 && s->hot.ifindex == link->ifindex)
			set_link_facts(rib, s);
	}
}

void
nexthops_destroy(struct rib *rib)
{
	for (uint32_t i = 0; i < NEXTHOP_PAGES; i++)
		free(rib->nexthops.pages[i]);
	free(rib->nexthops.buckets);
}
