/* SPDX-License-Identifier: BSD-3-Clause */
/* The tables of a router: loaded, replaced and counted by the control thread. */
#include <stdlib.h>

#include "netfilter.h"

struct netfilter *
netfilter_create(struct rcu *rcu, unsigned int workers, uint64_t seed)
{
	struct netfilter *nf = calloc(1, sizeof(*nf));

	if (nf == NULL)
		return NULL;
	nf->rcu = rcu;
	nf->workers = workers;
	nf->seed = seed;
	return nf;
}

static void
free_later(void *table)
{
	free_table(table);
}

void
netfilter_destroy(struct netfilter *nf)
{
	if (nf == NULL)
		return;
	for (unsigned int i = 0; i < NETFILTER_TABLES; i++)
		netfilter_unload(nf, (enum netfilter_table_id)i);
	rcu_flush(nf->rcu);
	free(nf);
}

const uint32_t *
netfilter_active(const struct netfilter *nf)
{
	return &nf->active;
}

static int
make_counters(struct table *t, const struct netfilter_table_spec *spec, unsigned int workers, struct error *err)
{
	size_t bytes = RTE_ALIGN_CEIL(spec->n_rules * sizeof(struct netfilter_counter), RTE_CACHE_LINE_SIZE);

	t->workers = workers;
	t->counters = calloc(workers + 1, sizeof(*t->counters));
	if (t->counters == NULL)
		return error_code(err, ENOMEM);
	for (unsigned int i = 0; i <= workers; i++) {
		t->counters[i] = aligned_alloc(RTE_CACHE_LINE_SIZE, bytes);
		if (t->counters[i] == NULL)
			return error_code(err, ENOMEM);
		memset(t->counters[i], 0, bytes);
	}
	for (uint32_t i = 0; i < spec->n_rules; i++)
		t->counters[workers][i] = spec->rules[i].counter;
	return 0;
}

static void
publish(struct netfilter *nf, enum netfilter_table_id id, struct table *table)
{
	uint32_t active = 0;

	store_release(&nf->tables[id], table);
	for (unsigned int i = 0; i < NETFILTER_TABLES; i++)
		if (nf->tables[i] != NULL)
			active |= netfilter_table_hooks((enum netfilter_table_id)i);
	__atomic_store_n(&nf->active, active, __ATOMIC_RELAXED);
}

static void
sum_counters(const struct table *t, struct netfilter_counter *sums)
{
	memset(sums, 0, t->n_rules * sizeof(*sums));
	for (unsigned int w = 0; w <= t->workers; w++)
		for (uint32_t i = 0; i < t->n_rules; i++) {
			sums[i].packets += load_relaxed(&t->counters[w][i].packets);
			sums[i].bytes += load_relaxed(&t->counters[w][i].bytes);
		}
}

int
netfilter_replace(
	struct netfilter *nf, const struct netfilter_table_spec *spec, struct netfilter_counter *old, struct error *err)
{
	struct table *t, *before;
	int rc;

	if (spec->table >= NETFILTER_TABLES)
		return error_set(err, ENOENT, "there is no such table: one of raw, mangle, filter is wanted");
	if (spec->n_rules == 0 || spec->n_rules > NETFILTER_RULES_MAX)
		return error_set(err, spec->n_rules == 0 ? EINVAL : E2BIG, "%u rules: a table has 1 to %u",
			spec->n_rules, NETFILTER_RULES_MAX);
	rc = compile_table(nf, spec, &t, err);
	if (rc != 0)
		return rc;
	rc = make_counters(t, spec, nf->workers, err);
	if (rc != 0) {
		retire_table(t, nf);
		free_table(t);
		return rc;
	}
	t->origin = spec->origin;
	before = nf->tables[spec->table];
	publish(nf, spec->table, t);
	if (before == NULL)
		return 0;
	retire_table(before, nf);
	if (old != NULL) {
		rcu_synchronize(nf->rcu);
		sum_counters(before, old);
	}
	rcu_defer(nf->rcu, free_later, before);
	return 0;
}

void
netfilter_unload(struct netfilter *nf, enum netfilter_table_id id)
{
	struct table *before = nf->tables[id];

	if (before == NULL)
		return;
	publish(nf, id, NULL);
	retire_table(before, nf);
	rcu_defer(nf->rcu, free_later, before);
}

bool
netfilter_is_loaded(const struct netfilter *nf, enum netfilter_table_id id)
{
	return nf->tables[id] != NULL;
}

void *
netfilter_origin(const struct netfilter *nf, enum netfilter_table_id id)
{
	return nf->tables[id] != NULL ? nf->tables[id]->origin : NULL;
}

void
netfilter_counters(const struct netfilter *nf, enum netfilter_table_id id, struct netfilter_counter *sums)
{
	if (nf->tables[id] != NULL)
		sum_counters(nf->tables[id], sums);
}

void
netfilter_add_counters(struct netfilter *nf, enum netfilter_table_id id, const struct netfilter_counter *add)
{
	struct table *t = nf->tables[id];

	for (uint32_t i = 0; t != NULL && i < t->n_rules; i++) {
		t->counters[t->workers][i].packets += add[i].packets;
		t->counters[t->workers][i].bytes += add[i].bytes;
	}
}
