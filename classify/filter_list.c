/* SPDX-License-Identifier: BSD-3-Clause */
#include "filter_list.h"

#include <stdlib.h>

static struct listed **
bucket(const struct filter_list *list, uint32_t handle)
{
	return &list->by_handle[((handle * 0x9e3779b1u) >> 8) & list->mask];
}

void *
filter_list_find(const struct filter_list *list, uint32_t handle)
{
	struct listed *filter = list->by_handle != NULL ? *bucket(list, handle) : NULL;

	while (filter != NULL && filter->handle != handle)
		filter = filter->same_hash;
	return filter;
}

static void
add_handle(struct filter_list *list, struct listed *filter)
{
	struct listed **chain = bucket(list, filter->handle);

	filter->same_hash = *chain;
	*chain = filter;
}

static void
drop_handle(struct filter_list *list, struct listed *filter)
{
	struct listed **at = bucket(list, filter->handle);

	while (*at != filter)
		at = &(*at)->same_hash;
	*at = filter->same_hash;
}

int
filter_list_reserve(struct filter_list *list, uint32_t *handle)
{
	if (list->by_handle == NULL || list->n > list->mask) {
		uint32_t size = list->by_handle != NULL ? 2 * (list->mask + 1) : 8;
		struct listed **fresh = calloc(size, sizeof(*fresh));

		if (fresh == NULL)
			return -ENOMEM;
		free(list->by_handle);
		list->by_handle = fresh;
		list->mask = size - 1;
		for (struct listed *filter = list->first; filter != NULL; filter = filter->next)
			add_handle(list, filter);
	}
	if (*handle != 0)
		return 0;
	if (list->lowest == 0)
		list->lowest = 1;
	while (filter_list_find(list, list->lowest) != NULL)
		list->lowest++;
	*handle = list->lowest;
	return 0;
}

/* Between two that stand beside each other; NULL: the list's end. */
static void
link_between(struct filter_list *list, struct listed *before, struct listed *filter, struct listed *next)
{
	filter->before = before;
	filter->next = next;
	if (before != NULL)
		before->next = filter;
	else
		list->first = filter;
	if (next != NULL)
		next->before = filter;
	else
		list->last = filter;
}

void
filter_list_add_first(struct filter_list *list, struct listed *filter)
{
	link_between(list, NULL, filter, list->first);
	add_handle(list, filter);
	list->n++;
}

void
filter_list_add_last(struct filter_list *list, struct listed *filter)
{
	link_between(list, list->last, filter, NULL);
	add_handle(list, filter);
	list->n++;
}

void
filter_list_add_sorted(struct filter_list *list, struct listed *filter)
{
	struct listed *before = list->last;

	while (before != NULL && before->handle > filter->handle)
		before = before->before;
	link_between(list, before, filter, before != NULL ? before->next : list->first);
	add_handle(list, filter);
	list->n++;
}

void
filter_list_replace(struct filter_list *list, struct listed *old, struct listed *fresh)
{
	drop_handle(list, old);
	link_between(list, old->before, fresh, old->next);
	add_handle(list, fresh);
}

void
filter_list_remove(struct filter_list *list, struct listed *filter)
{
	drop_handle(list, filter);
	if (filter->before != NULL)
		filter->before->next = filter->next;
	else
		list->first = filter->next;
	if (filter->next != NULL)
		filter->next->before = filter->before;
	else
		list->last = filter->before;
	if (filter->handle < list->lowest)
		list->lowest = filter->handle;
	list->n--;
}

int
filter_list_walk(
	const struct filter_list *list, int (*visit)(void *arg, uint32_t handle, const void *filter), void *arg)
{
	int rc = 0;

	for (const struct listed *filter = list->first; rc == 0 && filter != NULL; filter = filter->next)
		rc = visit(arg, filter->handle, filter);
	return rc;
}

void
filter_list_destroy(struct filter_list *list)
{
	free(list->by_handle);
	*list = (struct filter_list){ 0 };
}
