/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The socket options of iptables-legacy: reading a table, its whole replacement, and counters. They are in
 * linux/netfilter_ipv4/ip_tables.h; what they answer, and with which errno they refuse, was compared with Linux 6.1.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <weir/dataplane.h>
#include <weir/netfilter.h>

#include "control.h"
#include "netfilter/blob.h"
#include "netfilter/codec.h"
#include "netlink/netlink.h"

/* ---- tables ---------------------------------------------------------------------------------- */

static int
find_table(const char name[XT_TABLE_MAXNAMELEN], enum netfilter_table_id *table, struct error *err)
{
	for (unsigned int i = 0; i < NETFILTER_TABLES; i++) {
		*table = (enum netfilter_table_id)i;
		if (strncmp(name, netfilter_table_name(*table), XT_TABLE_MAXNAMELEN) == 0)
			return 0;
	}
	if (strncmp(name, "nat", XT_TABLE_MAXNAMELEN) == 0)
		return error_set(err, ENOENT,
			"table nat comes with connection tracking, which the router does not have yet; filter, mangle "
			"and raw are there");
	return error_set(err, ENOENT, "there is no table %.31s; the router has filter, mangle and raw", name);
}

/* The packet filter knows rules by their indices; people by their chains. */
static void
name_rule(const struct xt_blob *blob, struct error *err)
{
	char wrong[sizeof(err->msg)];
	unsigned int rule, number;
	const char *chain;
	int at = 0;

	if (sscanf(err->msg, "rule %u: %n", &rule, &at) != 1 || at == 0)
		return;
	chain = xt_blob_chain(blob, rule, &number);
	snprintf(wrong, sizeof(wrong), "%s", err->msg + at);
	error_set(err, err->code, "table %s, chain %.29s, rule %u: %.150s", netfilter_table_name(blob->table), chain,
		number, wrong);
}

/* Counters that the table had go to old, if not NULL. Takes the blob. */
static int
replace(struct netfilter *nf, struct xt_blob *blob, struct xt_description *description, struct netfilter_counter *old,
	struct error *err)
{
	int code;

	description->spec.origin = blob;
	code = netfilter_replace(nf, &description->spec, old, err);
	xt_description_release(description);
	if (code != 0) {
		name_rule(blob, err);
		free(blob);
	}
	return code;
}

/* The table's bytes. One that nobody has asked for yet is made then, as Linux loads its module. NULL: refused. */
static const struct xt_blob *
table_blob(struct netfilter *nf, const char name[XT_TABLE_MAXNAMELEN], struct error *err)
{
	struct xt_description description;
	enum netfilter_table_id table;
	struct xt_blob *blob;

	if (find_table(name, &table, err) != 0)
		return NULL;
	if (!netfilter_is_loaded(nf, table)) {
		blob = xt_blob_create_empty(table, &description);
		if (replace(nf, blob, &description, NULL, err) != 0)
			return NULL;
	}
	return netfilter_origin(nf, table);
}

static struct netfilter *
tables_of(void *context)
{
	const struct control *control = context;

	return router_netfilter(control->router);
}

static int
wrong_length(const struct nl_sockopt *option, size_t bytes, struct error *err)
{
	return error_set(err, EINVAL, "the option has %zu bytes, not %zu", option->room, bytes);
}

static void
answer_with(struct nl_answer *answer, size_t bytes)
{
	answer->data = calloc(1, bytes != 0 ? bytes : 1);
	answer->bytes = bytes;
	if (answer->data == NULL)
		abort();
}

/* ---- reading --------------------------------------------------------------------------------- */

static int
get_info(void *context, const struct nl_sockopt *option, struct nl_answer *answer, struct error *err)
{
	const struct ipt_getinfo *asked = option->value;
	const struct xt_blob *blob;
	struct ipt_getinfo *info;

	if (option->room != sizeof(*asked) || option->bytes < sizeof(*asked))
		return wrong_length(option, sizeof(*asked), err);
	blob = table_blob(tables_of(context), asked->name, err);
	if (blob == NULL)
		return -err->code;
	answer_with(answer, sizeof(*info));
	info = answer->data;
	strncpy(info->name, netfilter_table_name(blob->table), sizeof(info->name) - 1);
	info->valid_hooks = netfilter_table_hooks(blob->table);
	memcpy(info->hook_entry, blob->hook_entry, sizeof(info->hook_entry));
	memcpy(info->underflow, blob->underflow, sizeof(info->underflow));
	info->num_entries = blob->rules;
	info->size = blob->bytes;
	return 0;
}

static struct netfilter_counter *
read_counters(const struct netfilter *nf, const struct xt_blob *blob)
{
	struct netfilter_counter *counters = calloc(blob->rules, sizeof(*counters));

	if (counters == NULL)
		abort();
	netfilter_counters(nf, blob->table, counters);
	return counters;
}

static int
get_entries(void *context, const struct nl_sockopt *option, struct nl_answer *answer, struct error *err)
{
	const struct ipt_get_entries *asked = option->value;
	struct netfilter *nf = tables_of(context);
	struct netfilter_counter *counters;
	struct ipt_get_entries *entries;
	const struct xt_blob *blob;

	if (option->bytes < sizeof(*asked) || option->room != sizeof(*asked) + asked->size)
		return wrong_length(option, sizeof(*asked), err);
	blob = table_blob(nf, asked->name, err);
	if (blob == NULL)
		return -err->code;
	if (asked->size != blob->bytes)
		return error_set(err, EAGAIN, "table %s has %u bytes, not %u: somebody else has changed it",
			netfilter_table_name(blob->table), blob->bytes, asked->size);
	answer_with(answer, sizeof(*entries) + blob->bytes);
	entries = answer->data;
	strncpy(entries->name, netfilter_table_name(blob->table), sizeof(entries->name) - 1);
	entries->size = blob->bytes;
	counters = read_counters(nf, blob);
	xt_blob_copy(blob, counters, entries->entrytable);
	free(counters);
	return 0;
}

/* ENOENT for an unknown name and EPROTONOSUPPORT for an unknown revision lead iptables to the right one. */
static int
get_revision(enum xt_side side, const struct nl_sockopt *option, struct nl_answer *answer, struct error *err)
{
	struct xt_get_revision asked;

	if (option->room != sizeof(asked) || option->bytes < sizeof(asked))
		return wrong_length(option, sizeof(asked), err);
	memcpy(&asked, option->value, sizeof(asked));
	asked.name[sizeof(asked.name) - 1] = '\0';
	if (!xt_has_name(side, asked.name))
		return error_code(err, ENOENT);
	if (xt_find(side, asked.name, asked.revision) == NULL)
		return error_code(err, EPROTONOSUPPORT);
	answer_with(answer, sizeof(asked));
	memcpy(answer->data, &asked, sizeof(asked));
	return 0;
}

static int
get_match_revision(void *context, const struct nl_sockopt *option, struct nl_answer *answer, struct error *err)
{
	return get_revision(XT_MATCH, option, answer, err);
}

static int
get_target_revision(void *context, const struct nl_sockopt *option, struct nl_answer *answer, struct error *err)
{
	return get_revision(XT_TARGET, option, answer, err);
}

/* ---- changing -------------------------------------------------------------------------------- */

/* struct netfilter_counter and struct xt_counters are the same two numbers. */
_Static_assert(sizeof(struct netfilter_counter) == sizeof(struct xt_counters) &&
		       offsetof(struct netfilter_counter, bytes) == offsetof(struct xt_counters, bcnt),
	"counters are copied as they are");

static int
set_replace(void *context, const struct nl_sockopt *option, struct nl_answer *answer, struct error *err)
{
	const struct ipt_replace *asked = option->value;
	struct netfilter *nf = tables_of(context);
	struct xt_description description;
	const struct xt_blob *before;
	struct xt_blob *blob;

	if (option->bytes < sizeof(*asked))
		return wrong_length(option, sizeof(*asked), err);
	before = table_blob(nf, asked->name, err);
	if (before == NULL)
		return -err->code;
	blob = xt_blob_create(asked, option->bytes, before->table, &description, err);
	if (blob == NULL)
		return -err->code;
	if (asked->num_counters != before->rules) {
		xt_description_release(&description);
		free(blob);
		return error_set(err, EAGAIN, "table %s has %u rules, not %u: somebody else has changed it",
			netfilter_table_name(before->table), before->rules, asked->num_counters);
	}
	blob->order = before->order;
	answer_with(answer, before->rules * sizeof(struct xt_counters));
	return replace(nf, blob, &description, answer->data, err);
}

static int
set_add_counters(void *context, const struct nl_sockopt *option, struct nl_answer *answer, struct error *err)
{
	const struct xt_counters_info *asked = option->value;
	struct netfilter *nf = tables_of(context);
	const struct xt_blob *blob;

	if (option->bytes < sizeof(*asked) ||
		(option->bytes - sizeof(*asked)) / sizeof(asked->counters[0]) != asked->num_counters ||
		(option->bytes - sizeof(*asked)) % sizeof(asked->counters[0]) != 0)
		return error_set(err, EINVAL, "the counters do not have the length that is said");
	blob = table_blob(nf, asked->name, err);
	if (blob == NULL)
		return -err->code;
	if (asked->num_counters != blob->rules)
		return error_set(err, EINVAL, "table %s has %u rules, and %u counters came",
			netfilter_table_name(blob->table), blob->rules, asked->num_counters);
	netfilter_add_counters(nf, blob->table, (const struct netfilter_counter *)(const void *)asked->counters);
	return 0;
}

static const struct nl_sockopt_handler iptables_options[] = {
	{ IPPROTO_IP, IPT_SO_GET_INFO, false, 0, get_info },
	{ IPPROTO_IP, IPT_SO_GET_ENTRIES, false, 0, get_entries },
	{ IPPROTO_IP, IPT_SO_GET_REVISION_MATCH, false, 0, get_match_revision },
	{ IPPROTO_IP, IPT_SO_GET_REVISION_TARGET, false, 0, get_target_revision },
	{ IPPROTO_IP, IPT_SO_SET_REPLACE, true, NL_WRITE, set_replace },
	{ IPPROTO_IP, IPT_SO_SET_ADD_COUNTERS, true, NL_WRITE, set_add_counters },
};
NL_REGISTER_SOCKOPTS(iptables_options)
