/* SPDX-License-Identifier: BSD-3-Clause */
#include "key_table.h"

#include <stdlib.h>

/* Publishes slots for n filters with what there is, but for `without`. */
static int
publish(struct rcu *rcu, struct key_table *table, uint32_t n, const struct keyed *without)
{
	struct key_slots *old = table->slots, *fresh;
	uint32_t count = 4;

	while (count < 2 * n)
		count *= 2;
	fresh = calloc(1, sizeof(*fresh) + count * sizeof(fresh->slots[0]));
	if (fresh == NULL)
		return -ENOMEM;
	fresh->mask = count - 1;
	for (uint32_t i = 0; old != NULL && i <= old->mask; i++)
		if (old->slots[i] != NULL && old->slots[i] != without)
			fresh->slots[key_slot(fresh, old->slots[i]->key)] = old->slots[i];
	store_release(&table->slots, fresh);
	if (old != NULL)
		rcu_defer(rcu, free, old);
	return 0;
}

int
key_table_put(struct rcu *rcu, struct key_table *table, struct keyed *filter)
{
	bool added = key_table_find(table, filter->key) == NULL;

	if (added && (table->slots == NULL || 2 * (table->n + 1) > table->slots->mask + 1) &&
		publish(rcu, table, table->n + 1, NULL) != 0)
		return -ENOMEM;
	store_release(&table->slots->slots[key_slot(table->slots, filter->key)], filter);
	table->n += added;
	return 0;
}

int
key_table_remove(struct rcu *rcu, struct key_table *table, const struct keyed *filter)
{
	int rc = publish(rcu, table, table->n - 1, filter);

	if (rc == 0)
		table->n--;
	return rc;
}

static int
compare_keys(const void *a, const void *b)
{
	uint64_t left = (*(const struct keyed *const *)a)->key, right = (*(const struct keyed *const *)b)->key;

	return (left > right) - (left < right);
}

struct keyed **
key_table_sorted(const struct key_table *table)
{
	struct keyed **sorted = table->n != 0 ? malloc(table->n * sizeof(struct keyed *)) : NULL;
	uint32_t n = 0;

	if (sorted == NULL)
		return NULL;
	for (uint32_t i = 0; i <= table->slots->mask; i++)
		if (table->slots->slots[i] != NULL)
			sorted[n++] = table->slots->slots[i];
	qsort(sorted, n, sizeof(struct keyed *), compare_keys);
	return sorted;
}

void
key_table_destroy(struct rcu *rcu, struct key_table *table, void (*gone)(void *arg, struct keyed *filter), void *arg)
{
	struct key_slots *old = table->slots;

	if (old == NULL)
		return;
	for (uint32_t i = 0; i <= old->mask; i++)
		if (old->slots[i] != NULL)
			gone(arg, old->slots[i]);
	rcu_defer(rcu, free, old);
}
