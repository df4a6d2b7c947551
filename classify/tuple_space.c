/* SPDX-License-Identifier: BSD-3-Clause */
#include "tuple_space.h"

#include <stdlib.h>

/* Publishes the shapes that there are with `added` behind them, or without `gone`. */
static int
publish(struct rcu *rcu, struct tuple_space *space, struct tuple_shape *added, const struct tuple_shape *gone)
{
	struct tuple_shapes *old = space->shapes, *fresh = NULL;
	uint32_t n = (old != NULL ? old->n : 0) + (added != NULL) - (gone != NULL);

	if (n != 0) {
		fresh = malloc(sizeof(*fresh) + n * sizeof(fresh->shapes[0]));
		if (fresh == NULL)
			return -ENOMEM;
		fresh->n = 0;
		for (uint32_t i = 0; old != NULL && i < old->n; i++)
			if (old->shapes[i] != gone)
				fresh->shapes[fresh->n++] = old->shapes[i];
		if (added != NULL)
			fresh->shapes[fresh->n++] = added;
	}
	store_release(&space->shapes, fresh);
	if (old != NULL)
		rcu_defer(rcu, free, old);
	return 0;
}

int
tuple_space_add(struct rcu *rcu, struct tuple_space *space, struct tuple_shape *shape)
{
	shape->least_rank = UINT64_MAX;
	return publish(rcu, space, shape, NULL);
}

static void
free_shape(struct rcu *rcu, struct tuple_shape *shape)
{
	if (shape->tuples.slots != NULL)
		rcu_defer(rcu, free, shape->tuples.slots);
	rcu_defer(rcu, free, shape);
}

void
tuple_space_drop_if_empty(struct rcu *rcu, struct tuple_space *space, struct tuple_shape *shape)
{
	if (shape->n == 0 && publish(rcu, space, NULL, shape) == 0)
		free_shape(rcu, shape);
}

void
tuple_space_destroy(struct rcu *rcu, struct tuple_space *space)
{
	struct tuple_shapes *shapes = space->shapes;

	if (shapes == NULL)
		return;
	for (uint32_t i = 0; i < shapes->n; i++)
		free_shape(rcu, shapes->shapes[i]);
	rcu_defer(rcu, free, shapes);
}

int
tuple_put(struct rcu *rcu, struct tuple_shape *shape, struct tuple *tuple)
{
	struct tuple *before = NULL, *at = tuple_find(shape, tuple->keyed.key);

	if (tuple->rank < shape->least_rank)
		__atomic_store_n(&shape->least_rank, tuple->rank, __ATOMIC_RELAXED);
	while (at != NULL && at->rank < tuple->rank) {
		before = at;
		at = at->next;
	}
	tuple->next = at;
	if (before != NULL)
		store_release(&before->next, tuple);
	else if (key_table_put(rcu, &shape->tuples, &tuple->keyed) != 0)
		return -ENOMEM;
	shape->n++;
	return 0;
}

int
tuple_remove(struct rcu *rcu, struct tuple_shape *shape, struct tuple *tuple)
{
	struct tuple *before = tuple_find(shape, tuple->keyed.key);
	int rc = 0;

	if (before == tuple) {
		rc = tuple->next != NULL ? key_table_put(rcu, &shape->tuples, &tuple->next->keyed)
					 : key_table_remove(rcu, &shape->tuples, &tuple->keyed);
	} else {
		while (before->next != tuple)
			before = before->next;
		store_release(&before->next, tuple->next);
	}
	shape->n -= rc == 0;
	return rc;
}
