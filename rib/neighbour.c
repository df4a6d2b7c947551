/* SPDX-License-Identifier: BSD-3-Clause */
/* The neighbour table: chained hash buckets that workers read under RCU and add to under a short lock. */
#include "internal.h"

static uint32_t
bucket_of(uint32_t ifindex, uint8_t family, const struct ip_addr *addr)
{
	uint64_t mix = addr->halves[0] * UINT64_C(0x9e3779b97f4a7c15) ^ addr->halves[1] * UINT64_C(0xc2b2ae3d27d4eb4f) ^
		       ((uint64_t)ifindex << 8 | family) * UINT64_C(0x165667b19e3779f9);

	return (uint32_t)(mix >> 40 ^ mix >> 51) & (NEIGHBOUR_BUCKETS - 1);
}

struct neighbour *
neighbour_find(const struct rib *rib, uint32_t ifindex, uint8_t family, const struct ip_addr *addr)
{
	struct neighbour_item *const *bucket = &rib->neighbours.buckets[bucket_of(ifindex, family, addr)];

	for (struct neighbour_item *n = __atomic_load_n(bucket, __ATOMIC_ACQUIRE); n != NULL;
		n = __atomic_load_n(&n->next, __ATOMIC_ACQUIRE))
		if (n->neighbour.ifindex == ifindex && n->neighbour.family == family &&
			ip_addr_equal(&n->neighbour.addr, addr))
			return &n->neighbour;
	return NULL;
}

static struct neighbour_item *
take_item(struct neighbours *neighbours)
{
	struct neighbour_item *item = neighbours->free;

	if (item != NULL)
		neighbours->free = item->next;
	else if (neighbours->used < NEIGHBOURS_MAX)
		item = &neighbours->pool[neighbours->used++];
	return item;
}

struct neighbour *
neighbour_make(struct rib *rib, uint32_t ifindex, uint8_t family, const struct ip_addr *addr)
{
	struct neighbours *neighbours = &rib->neighbours;
	struct neighbour_item **bucket = &neighbours->buckets[bucket_of(ifindex, family, addr)], *item = NULL;
	struct neighbour *found = neighbour_find(rib, ifindex, family, addr);

	if (found != NULL)
		return found;
	rte_spinlock_lock(&neighbours->lock);
	found = neighbour_find(rib, ifindex, family, addr); /* another may have made it meanwhile */
	if (found == NULL)
		item = take_item(neighbours);
	if (item != NULL) {
		item->neighbour = (struct neighbour){
			.addr = *addr, .ifindex = ifindex, .family = family, .state = NUD_NONE, .timer_ns = UINT64_MAX
		};
		item->next = *bucket;
		__atomic_store_n(bucket, item, __ATOMIC_RELEASE);
		found = &item->neighbour;
	}
	rte_spinlock_unlock(&neighbours->lock);
	return found;
}

struct dead_neighbour {
	struct neighbours *neighbours;
	struct neighbour_item *item;
};

static void
free_item(void *arg)
{
	struct dead_neighbour *dead = arg;

	rte_spinlock_lock(&dead->neighbours->lock);
	dead->item->next = dead->neighbours->free;
	dead->neighbours->free = dead->item;
	rte_spinlock_unlock(&dead->neighbours->lock);
	free(dead);
}

int
neighbour_remove(struct rib *rib, struct neighbour *neighbour)
{
	struct neighbours *neighbours = &rib->neighbours;
	struct neighbour_item **link =
		&neighbours->buckets[bucket_of(neighbour->ifindex, neighbour->family, &neighbour->addr)];
	struct dead_neighbour *dead;

	if (neighbour->references != 0)
		return -EBUSY;
	rte_spinlock_lock(&neighbours->lock);
	while (*link != NULL && &(*link)->neighbour != neighbour)
		link = &(*link)->next;
	if (*link != NULL)
		__atomic_store_n(link, (*link)->next, __ATOMIC_RELEASE);
	rte_spinlock_unlock(&neighbours->lock);
	dead = rib_zalloc(sizeof(*dead));
	dead->neighbours = neighbours;
	dead->item = (struct neighbour_item *)((char *)neighbour - offsetof(struct neighbour_item, neighbour));
	rcu_defer(rib->rcu, free_item, dead);
	return 0;
}

int
neighbour_walk(const struct rib *rib, uint32_t ifindex, uint8_t family,
	int (*visit)(void *arg, struct neighbour *neighbour), void *arg)
{
	for (uint32_t i = 0; i < NEIGHBOUR_BUCKETS; i++) {
		for (struct neighbour_item *n = __atomic_load_n(&rib->neighbours.buckets[i], __ATOMIC_ACQUIRE), *next;
			n != NULL; n = next) {
			int status = 0;

			next = __atomic_load_n(&n->next, __ATOMIC_ACQUIRE); /* visit may remove n */
			if ((ifindex == 0 || n->neighbour.ifindex == ifindex) &&
				(family == AF_UNSPEC || n->neighbour.family == family))
				status = visit(arg, &n->neighbour);
			if (status != 0)
				return status;
		}
	}
	return 0;
}

static int
remove_one(void *arg, struct neighbour *neighbour)
{
	neighbour_remove(arg, neighbour);
	return 0;
}

void
neighbours_link_removed(struct rib *rib, uint32_t ifindex)
{
	/* Nexthops of the link's routes let go of theirs after a grace period. */
	rcu_flush(rib->rcu);
	neighbour_walk(rib, ifindex, AF_UNSPEC, remove_one, rib);
}

void
neighbours_destroy(struct rib *rib)
{
	free(rib->neighbours.pool);
}
