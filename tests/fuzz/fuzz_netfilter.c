/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bytes as iptables' blobs (IPT_SO_SET_REPLACE), into a router's tables. What is taken must read back in the same
 * bytes that would be taken again; what is refused must leave the table as it was. A router serves ROUTER_LIFE inputs,
 * so that tables take the place of others.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <weir/dataplane.h>

#include <linux/netfilter_ipv4/ip_tables.h>

#include <control.h>
#include <netlink/netlink.h>

#define ROUTER_LIFE 512

static struct control control;
static unsigned int served;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
make_router(void)
{
	struct router_conf conf = { .workers = 1, .replay = true, .buffers = 1024 };
	struct error err = { 0 };

	if (router_create(&conf, &control.router, &err) != 0) {
		fprintf(stderr, "fuzz_netfilter: %s\n", err.msg);
		abort();
	}
}

static int
serve(int name, bool set, const void *value, size_t bytes, size_t room, struct nl_answer *answer)
{
	struct nl_sockopt option = { .value = value, .bytes = bytes, .room = room };
	struct error err = { 0 };
	int code = nl_find_sockopt(IPPROTO_IP, name, set)->serve(&control, &option, answer, &err);

	if (code != 0 && (code != -err.code || err.msg[0] == '\0'))
		abort(); /* refused without a word */
	return code;
}

/* The table's rules as they are read, with `info` of them. NULL: there is no such table. The caller frees them. */
static struct ipt_get_entries *
read_table(const char *table, struct ipt_getinfo *info)
{
	struct ipt_get_entries ask;
	struct nl_answer answer = { 0 };

	memset(info, 0, sizeof(*info));
	memcpy(info->name, table, sizeof(info->name));
	if (serve(IPT_SO_GET_INFO, false, info, sizeof(*info), sizeof(*info), &answer) != 0)
		return NULL;
	memcpy(info, answer.data, sizeof(*info));
	free(answer.data);
	memset(&ask, 0, sizeof(ask));
	memcpy(ask.name, table, sizeof(ask.name));
	ask.size = info->size;
	answer = (struct nl_answer){ 0 };
	if (serve(IPT_SO_GET_ENTRIES, false, &ask, sizeof(ask), sizeof(ask) + ask.size, &answer) != 0 ||
		answer.bytes != sizeof(ask) + ask.size)
		abort();
	return answer.data;
}

static int
replace_table(struct ipt_replace *replace, size_t bytes, uint32_t rules)
{
	struct nl_answer counters = { 0 };
	int code;

	replace->num_counters = rules;
	code = serve(IPT_SO_SET_REPLACE, true, replace, bytes, bytes, &counters);
	if (code == 0 && counters.bytes != rules * sizeof(struct xt_counters))
		abort();
	free(counters.data);
	return code;
}

/* A table as it was read, as if a program put it back. */
static void
put_back(const struct ipt_getinfo *info, const struct ipt_get_entries *entries)
{
	size_t bytes = sizeof(struct ipt_replace) + info->size;
	struct ipt_replace *replace = calloc(1, bytes);

	memcpy(replace->name, info->name, sizeof(replace->name));
	memcpy(replace->hook_entry, info->hook_entry, sizeof(info->hook_entry));
	memcpy(replace->underflow, info->underflow, sizeof(info->underflow));
	replace->valid_hooks = info->valid_hooks;
	replace->num_entries = info->num_entries;
	replace->size = info->size;
	memcpy(replace->entries, entries->entrytable, info->size);
	if (replace_table(replace, bytes, info->num_entries) != 0)
		abort();
	free(replace);
}

static void
compare(const struct ipt_getinfo *a, const struct ipt_get_entries *a_rules, const char *table)
{
	struct ipt_getinfo b;
	struct ipt_get_entries *b_rules = read_table(table, &b);

	if (b_rules == NULL || memcmp(a, &b, sizeof(b)) != 0 ||
		memcmp(a_rules, b_rules, sizeof(*b_rules) + b.size) != 0)
		abort();
	free(b_rules);
}

static void
try_blob(struct ipt_replace *replace, size_t bytes)
{
	struct ipt_getinfo before, after;
	struct ipt_get_entries *rules = read_table(replace->name, &before);

	if (rules == NULL)
		return;
	if (replace_table(replace, bytes, before.num_entries) != 0) {
		compare(&before, rules, replace->name);
		free(rules);
		return;
	}
	free(rules);
	rules = read_table(replace->name, &after);
	put_back(&after, rules);
	compare(&after, rules, replace->name);
	free(rules);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ipt_replace *replace;

	if (size < sizeof(*replace))
		return 0;
	if (control.router == NULL)
		make_router();
	replace = malloc(size);
	memcpy(replace, data, size);
	try_blob(replace, size);
	free(replace);
	if (++served % ROUTER_LIFE == 0) {
		router_destroy(control.router);
		control.router = NULL;
	}
	return 0;
}
