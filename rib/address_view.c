/* SPDX-License-Identifier: BSD-3-Clause */
/* The addresses as workers see them: a snapshot that is made anew on every change. */
#include "internal.h"

struct seen_address {
	struct ip_addr local, peer;
	uint32_t ifindex;
	uint8_t family, prefix_length, scope;
	bool secondary;
};

struct address_view {
	struct rib_local_filter filter;
	uint32_t count, slot_mask;
	uint32_t *
		slots; /* by hash of local: one more than the index of an item, 0 where there is none; linear probing */
	struct seen_address items[]; /* by family and ifindex, in Linux's order within a link */
};

static inline uint32_t
address_slot(const struct address_view *view, const struct ip_addr *local)
{
	uint64_t mix =
		(local->halves[0] ^ local->halves[1] * UINT64_C(0xc2b2ae3d27d4eb4f)) * UINT64_C(0x9e3779b97f4a7c15);

	return (uint32_t)(mix >> 32) & view->slot_mask;
}

static void
address_insert(struct address_view *view, uint32_t item)
{
	uint32_t slot = address_slot(view, &view->items[item].local);

	while (view->slots[slot] != 0)
		slot = (slot + 1) & view->slot_mask;
	view->slots[slot] = item + 1;
}

void
addresses_publish(struct rib *rib)
{
	struct address_list *list = &rib->addresses;
	/* Mostly empty: nearly every packet asks for an address that is not here. */
	uint32_t slots = rte_align32pow2(list->count * 4 + 4);
	struct address_view *view =
		rib_zalloc(sizeof(*view) + list->count * sizeof(struct seen_address) + slots * sizeof(uint32_t));
	struct address_view *old = list->view;

	view->count = list->count;
	view->slot_mask = slots - 1;
	view->slots = (uint32_t *)&view->items[list->count];
	for (uint32_t i = 0; i < list->count; i++) {
		const struct rib_address *a = list->items[i];

		view->items[i] = (struct seen_address){ .local = a->local,
			.peer = a->peer,
			.ifindex = a->ifindex,
			.family = a->family,
			.prefix_length = a->prefix_length,
			.scope = a->scope,
			.secondary = (a->flags & IFA_F_SECONDARY) != 0 };
		address_insert(view, i);
		if (a->family == AF_INET)
			view->filter.bits[rib_local_hash(a->local.v4) / 64] |= UINT64_C(1)
									       << rib_local_hash(a->local.v4) % 64;
	}
	__atomic_store_n(&list->view, view, __ATOMIC_RELEASE);
	if (old != NULL)
		rcu_defer(rib->rcu, free, old);
}

const struct rib_local_filter *
rib_local_filter(const struct rib *rib)
{
	return &__atomic_load_n(&rib->addresses.view, __ATOMIC_ACQUIRE)->filter;
}

bool
rib_address_is_local(const struct rib *rib, uint32_t ifindex, uint8_t family, const struct ip_addr *addr)
{
	const struct address_view *view = __atomic_load_n(&rib->addresses.view, __ATOMIC_ACQUIRE);

	for (uint32_t slot = address_slot(view, addr); view->slots[slot] != 0; slot = (slot + 1) & view->slot_mask) {
		const struct seen_address *a = &view->items[view->slots[slot] - 1];

		if (ip_addr_equal(&a->local, addr) && a->family == family && (ifindex == 0 || a->ifindex == ifindex))
			return true;
	}
	return false;
}

static bool
comes_before(const struct seen_address *a, uint8_t family, uint32_t ifindex)
{
	return a->family != family ? a->family < family : a->ifindex < ifindex;
}

/*
 * A better source than the best so far? On the subnet of `to` before others, wide scope before narrow, then the
 * first.
 */
static bool
better(const struct seen_address *a, const struct seen_address *best, const struct ip_addr *to)
{
	bool near, best_near;

	if (best == NULL)
		return true;
	near = to != NULL && addr_in_prefix(to, &a->peer, a->prefix_length);
	best_near = to != NULL && addr_in_prefix(to, &best->peer, best->prefix_length);
	return near != best_near ? near : a->scope < best->scope;
}

/*
 * For a link without addresses (unnumbered): the router is known elsewhere by the first of another link's that is valid
 * beyond it.
 */
static const struct seen_address *
first_elsewhere(const struct address_view *view, uint8_t family)
{
	for (uint32_t i = 0; i < view->count; i++) {
		const struct seen_address *a = &view->items[i];

		if (a->family == family && !a->secondary && a->scope < RT_SCOPE_LINK)
			return a;
	}
	return NULL;
}

bool
rib_address_select(
	const struct rib *rib, uint32_t ifindex, uint8_t family, const struct ip_addr *to, struct ip_addr *source)
{
	const struct address_view *view = __atomic_load_n(&rib->addresses.view, __ATOMIC_ACQUIRE);
	const struct seen_address *best = NULL;
	uint32_t low = 0, high = view->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (comes_before(&view->items[middle], family, ifindex))
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < view->count; low++) {
		const struct seen_address *a = &view->items[low];

		if (a->family != family || a->ifindex != ifindex)
			break;
		if (!a->secondary && better(a, best, to))
			best = a;
	}
	if (best == NULL)
		best = first_elsewhere(view, family);
	if (best != NULL)
		*source = best->local;
	return best != NULL;
}
