/* SPDX-License-Identifier: BSD-3-Clause */
/* The kinds of matches and targets there are, and names of tables and hooks. */
#include <stdlib.h>

#include "netfilter.h"

#define KINDS_MAX 64

static const struct match_ops *matches[KINDS_MAX];
static const struct target_ops *targets[KINDS_MAX];

void
match_register(const struct match_ops *ops)
{
	for (unsigned int i = 0; i < KINDS_MAX; i++)
		if (matches[i] == NULL) {
			matches[i] = ops;
			return;
		}
	abort();
}

void
target_register(const struct target_ops *ops)
{
	for (unsigned int i = 0; i < KINDS_MAX; i++)
		if (targets[i] == NULL) {
			targets[i] = ops;
			return;
		}
	abort();
}

const struct match_ops *
match_find(const char *kind)
{
	for (unsigned int i = 0; i < KINDS_MAX && matches[i] != NULL; i++)
		if (strcmp(matches[i]->kind, kind) == 0)
			return matches[i];
	return NULL;
}

const struct target_ops *
target_find(const char *kind)
{
	for (unsigned int i = 0; i < KINDS_MAX && targets[i] != NULL; i++)
		if (strcmp(targets[i]->kind, kind) == 0)
			return targets[i];
	return NULL;
}

const char *
netfilter_table_name(enum netfilter_table_id table)
{
	static const char *const names[NETFILTER_TABLES] = { "raw", "mangle", "filter" };

	return names[table];
}

uint32_t
netfilter_table_hooks(enum netfilter_table_id table)
{
	static const uint32_t hooks[NETFILTER_TABLES] = {
		[NETFILTER_RAW] = 1 << NETFILTER_PREROUTING | 1 << NETFILTER_OUTPUT,
		[NETFILTER_MANGLE] = (1 << NETFILTER_HOOKS) - 1,
		[NETFILTER_FILTER] = 1 << NETFILTER_INPUT | 1 << NETFILTER_FORWARD | 1 << NETFILTER_OUTPUT,
	};

	return hooks[table];
}

const char *
netfilter_hook_name(enum netfilter_hook hook)
{
	static const char *const names[NETFILTER_HOOKS] = { "PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING" };

	return names[hook];
}
