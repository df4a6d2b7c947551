/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A table of iptables as the binary interface has it: rules of varying length one behind the other
 * (linux/netfilter_ipv4/ip_tables.h). It is taken apart for the packet filter, and kept for whoever reads the table
 * back: iptables changes rules by comparing these bytes.
 */
#ifndef WEIR_CONTROL_NETFILTER_BLOB_H
#define WEIR_CONTROL_NETFILTER_BLOB_H

#include <weir/netfilter.h>

#include <linux/netfilter_ipv4/ip_tables.h>

struct xt_blob {
	enum netfilter_table_id table;
	unsigned int order; /* the table that was loaded last has the highest */
	uint32_t hook_entry[NETFILTER_HOOKS], underflow[NETFILTER_HOOKS]; /* offsets */
	uint32_t rules, bytes;
	unsigned char entries[] __attribute__((aligned(8)));
};

/* The description of a blob: what netfilter_replace takes, and what it points to. */
struct xt_description {
	struct netfilter_table_spec spec;
	struct xt_memory *memory;
};

/*
 * What setsockopt(IPT_SO_SET_REPLACE) was given, checked in all that its bytes can be wrong in, with counters and what
 * is the kernel's own cleared. free() frees it. NULL with err filled: EINVAL where it contradicts itself, ENOENT for
 * what is not here, E2BIG.
 */
struct xt_blob *xt_blob_create(const struct ipt_replace *replace, size_t bytes, enum netfilter_table_id table,
	struct xt_description *description, struct error *err);
/* Of a table as it is at first: its chains are empty and accept. Never NULL. */
struct xt_blob *xt_blob_create_empty(enum netfilter_table_id table, struct xt_description *description);
void xt_description_release(struct xt_description *description);

/* The chain that a rule is in, and which one it is there, counted from 1. */
const char *xt_blob_chain(const struct xt_blob *blob, uint32_t rule, uint32_t *number);

/* Copies the rules to `to` (blob->bytes), with their counters. */
void xt_blob_copy(const struct xt_blob *blob, const struct netfilter_counter *counters, void *to);

#endif
