/* SPDX-License-Identifier: BSD-3-Clause */
#include "internal.h"

int
rib_create(struct rcu *rcu, struct rib **result, struct error *err)
{
	struct rib *rib = calloc(1, sizeof(*rib));
	int status;

	if (rib == NULL)
		return error_set(err, ENOMEM, "Out of memory for the routing tables");
	rib->neighbours.pool = calloc(NEIGHBOURS_MAX, sizeof(*rib->neighbours.pool));
	if (rib->neighbours.pool == NULL) {
		free(rib);
		return error_set(err, ENOMEM, "Out of memory for the neighbour table");
	}
	rib->rcu = rcu;
	rte_spinlock_init(&rib->neighbours.lock);
	addresses_publish(rib);
	status = rules_set_defaults(rib, err);
	if (status != 0) {
		rib_destroy(rib);
		return status;
	}
	*result = rib;
	return 0;
}

void
rib_destroy(struct rib *rib)
{
	if (rib == NULL)
		return;
	rib->events = (struct rib_events){ 0 };
	rules_destroy(rib);
	tables_destroy(rib);
	addresses_destroy(rib);
	/* What waits for a grace period refers to the rib. */
	rcu_flush(rib->rcu);
	flat_pool_destroy(&rib->tables.flats);
	infos_destroy(rib);
	nexthops_destroy(rib);
	neighbours_destroy(rib);
	for (uint32_t i = 0; i < rib->link_limit; i++)
		free(rib->links[i]);
	free(rib);
}

void
rib_set_events(struct rib *rib, const struct rib_events *events)
{
	rib->events = events == NULL ? (struct rib_events){ 0 } : *events;
}
