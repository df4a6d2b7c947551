/* SPDX-License-Identifier: BSD-3-Clause */
/* u32: the hash tables of a qdisc and its classes: their numbers, and how they come and go (control thread). */
#include <stdlib.h>
#include <string.h>

#include "u32.h"

#define TABLE_ID_FIRST 0x800

/* A number for a table: the next one behind that of the last, as long as there are; 0 when all are in use. */
static uint32_t
take_id(struct u32_tables *tables)
{
	for (uint32_t i = 0; i < U32_TABLE_IDS; i++) {
		uint32_t offset = (tables->next_id + i) % U32_TABLE_IDS;

		if ((tables->taken[offset / 8] & 1 << offset % 8) != 0)
			continue;
		tables->next_id = (offset + 1) % U32_TABLE_IDS;
		return TABLE_ID_FIRST + offset;
	}
	return 0;
}

static void
mark_id(struct u32_tables *tables, uint32_t handle, bool taken)
{
	uint32_t offset = (handle >> 20) - TABLE_ID_FIRST;

	if (offset >= U32_TABLE_IDS)
		return;
	tables->taken[offset / 8] &= (uint8_t) ~(1 << offset % 8);
	tables->taken[offset / 8] |= (uint8_t)(taken << offset % 8);
}

struct u32_table *
u32_find_table(const struct u32 *u, uint32_t handle)
{
	struct u32_table *table = u->tables->newest;

	if (TC_U32_HTID(handle) == U32_ROOT_TABLE)
		return u->root;
	while (table != NULL && table->handle != TC_U32_HTID(handle))
		table = table->next;
	return table;
}

struct u32_table *
u32_table_make(struct u32_tables *tables, uint32_t handle, uint32_t divisor, struct error *err)
{
	struct u32_table *table;

	if (handle == 0)
		handle = take_id(tables) << 20;
	if (handle == 0) {
		error_set(err, ENOSPC,
			"cls_u32: all %d numbers for hash tables of this qdisc are in use; put filters under a "
			"preference that has one",
			U32_TABLE_IDS);
		return NULL;
	}
	table = calloc(1, sizeof(*table) + divisor * sizeof(table->lists[0]));
	if (table != NULL)
		table->buckets = calloc(divisor, sizeof(struct u32_bucket *));
	if (table == NULL || table->buckets == NULL) {
		free(table);
		error_code(err, ENOMEM);
		return NULL;
	}
	table->handle = handle;
	table->divisor = divisor;
	mark_id(tables, handle, true);
	table->next = tables->newest;
	tables->newest = table;
	return table;
}

static void
free_table(void *arg)
{
	struct u32_table *table = arg;

	free(table->buckets);
	free(table);
}

void
u32_bucket_release(struct u32_bucket *bucket)
{
	if (--bucket->references != 0)
		return;
	free(bucket->filters);
	free(bucket);
}

void
u32_filter_release(struct u32_filter *filter)
{
	if (--filter->references != 0)
		return;
	free(filter->keys);
	free(filter->past);
	free(filter);
}

void
u32_filter_retire(struct filter_group *group, struct u32_filter *filter)
{
	struct u32 *u = filter_group_priv(group);

	filter_group_unbind(group, filter->classid);
	action_list_release(filter->actions);
	if (filter->link != NULL)
		filter->link->links--;
	u->tables->filters--;
	u->tables->impure -= !filter->pure;
	u32_filter_release(filter);
}

void
u32_table_destroy(struct filter_group *group, struct u32_table *table)
{
	struct u32 *u = filter_group_priv(group);
	struct u32_table **at = &u->tables->newest;

	while (*at != table)
		at = &(*at)->next;
	*at = table->next;
	mark_id(u->tables, table->handle, false);
	for (uint32_t i = 0; i < table->divisor; i++) {
		struct u32_bucket *bucket = table->buckets[i];
		struct u32_list *list = table->lists[i];

		if (bucket == NULL)
			continue;
		store_release(&table->lists[i], NULL);
		if (list != NULL)
			rcu_defer(filter_group_rcu(group), u32_list_retire, list);
		for (uint32_t k = 0; k < bucket->n; k++)
			u32_filter_retire(group, bucket->filters[k]);
		bucket->n = 0;
		u32_bucket_release(bucket);
	}
	rcu_defer(filter_group_rcu(group), free_table, table);
}

void
u32_forget_links(struct u32_table *table)
{
	for (uint32_t i = 0; i < table->divisor; i++)
		for (uint32_t k = 0; table->buckets[i] != NULL && k < table->buckets[i]->n; k++)
			table->buckets[i]->filters[k]->link = NULL;
}

bool
u32_is_table_of(const struct u32 *u, const void *filter)
{
	const struct u32_table *table = u->tables->newest;

	while (table != NULL && table != filter)
		table = table->next;
	return table != NULL;
}
