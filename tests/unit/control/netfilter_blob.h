/* SPDX-License-Identifier: BSD-3-Clause */
/* A table of iptables as a blob, written rule by rule, and read: what the tests of netfilter's codecs share. */
#ifndef WEIR_TEST_CONTROL_NETFILTER_BLOB_H
#define WEIR_TEST_CONTROL_NETFILTER_BLOB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h> /* before the kernel's headers of the same structs */

#include <cmocka.h>

#include <weir/netfilter.h>

#include <linux/netfilter.h>
#include <linux/netfilter_ipv4/ip_tables.h>

#include "netfilter/blob.h"
#include "netfilter/codec.h"

static unsigned char room[sizeof(struct ipt_replace) + 64 * 1024] __attribute__((aligned(8)));
static struct ipt_replace *const header = (struct ipt_replace *)(void *)room;
static unsigned char *const entries = room + sizeof(struct ipt_replace);

static uint32_t rule; /* offset of the one being written */
static struct xt_description description;
static struct error refusal;

static inline struct ipt_entry *
entry(uint32_t offset)
{
	return (struct ipt_entry *)(void *)(entries + offset);
}

static inline void
begin(const char *table, uint32_t hooks)
{
	memset(room, 0, sizeof(room));
	strcpy(header->name, table);
	header->valid_hooks = hooks;
}

static inline void
begin_rule(void)
{
	rule = header->size;
	entry(rule)->target_offset = entry(rule)->next_offset = sizeof(struct ipt_entry);
	header->num_entries++;
}

static inline void *
add_match(const char *name, uint8_t revision, size_t bytes)
{
	struct xt_entry_match *match = (void *)(entries + rule + entry(rule)->target_offset);

	match->u.user.match_size = (uint16_t)(sizeof(*match) + XT_ALIGN(bytes));
	match->u.user.revision = revision;
	strcpy(match->u.user.name, name);
	entry(rule)->target_offset = (uint16_t)(entry(rule)->target_offset + match->u.match_size);
	return match->data;
}

static inline void *
add_target(const char *name, uint8_t revision, size_t bytes)
{
	struct xt_entry_target *target = (void *)(entries + rule + entry(rule)->target_offset);

	target->u.user.target_size = (uint16_t)(sizeof(*target) + XT_ALIGN(bytes));
	target->u.user.revision = revision;
	strcpy(target->u.user.name, name);
	entry(rule)->next_offset = (uint16_t)(entry(rule)->target_offset + target->u.target_size);
	header->size += entry(rule)->next_offset;
	return target->data;
}

static inline void
add_verdict(int verdict)
{
	*(int *)add_target("", 0, sizeof(int)) = verdict;
}

enum { ACCEPT = -NF_ACCEPT - 1, DROP = -NF_DROP - 1 };

/* The policy of the chain at `hook`, whose first rule is at `first`. */
static inline void
end_chain(unsigned int hook, uint32_t first)
{
	begin_rule();
	add_verdict(ACCEPT);
	header->hook_entry[hook] = first;
	header->underflow[hook] = rule;
}

static inline uint32_t
add_head(const char *name)
{
	begin_rule();
	strcpy(add_target(XT_ERROR_TARGET, 0, XT_FUNCTION_MAXNAMELEN), name);
	return header->size;
}

static inline struct xt_blob *
read_blob(enum netfilter_table_id table)
{
	struct xt_blob *made;

	memset(&refusal, 0, sizeof(refusal));
	made = xt_blob_create(header, sizeof(*header) + header->size, table, &description, &refusal);
	if (made == NULL)
		assert_null(description.memory);
	return made;
}

/* The table raw with one rule in PREROUTING, between begin_raw and end_raw. */
static inline void
begin_raw(void)
{
	begin("raw", 1 << NF_INET_PRE_ROUTING | 1 << NF_INET_LOCAL_OUT);
	begin_rule();
}

static inline void
end_raw(void)
{
	end_chain(NF_INET_PRE_ROUTING, 0);
	end_chain(NF_INET_LOCAL_OUT, header->size);
	add_head(XT_ERROR_TARGET);
}

static inline void
release(struct xt_blob *made)
{
	xt_description_release(&description);
	free(made);
}

static inline const struct netfilter_rule_spec *
first_rule(void)
{
	return &description.spec.rules[0];
}

/* Why a rule with this match is refused. */
static inline int
match_refusal(const char *name, uint8_t revision, const void *data, size_t bytes)
{
	begin_raw();
	memcpy(add_match(name, revision, bytes), data, bytes);
	add_verdict(DROP);
	end_raw();
	assert_null(read_blob(NETFILTER_RAW));
	assert_true(strstr(refusal.msg, "table raw, chain PREROUTING, rule 1: ") == refusal.msg);
	return refusal.code;
}

/* And one with this target. */
static inline int
target_refusal(const char *name, uint8_t revision, const void *data, size_t bytes)
{
	begin_raw();
	memcpy(add_target(name, revision, bytes), data, bytes);
	end_raw();
	assert_null(read_blob(NETFILTER_RAW));
	return refusal.code;
}

#endif
