/* SPDX-License-Identifier: BSD-3-Clause */
/* /proc/net/ip_tables_names, which iptables-save reads, and the lists of matches and targets beside it. */
#include <string.h>

#include <weir/dataplane.h>
#include <weir/netfilter.h>

#include "control.h"
#include "netfilter/blob.h"
#include "netfilter/codec.h"
#include "netlink/netlink.h"

static void
print_codec(void *arg, const struct xt_codec *codec)
{
	fprintf(arg, "%s\n", codec->name);
}

static unsigned int
order_of(const struct netfilter *nf, enum netfilter_table_id table)
{
	const struct xt_blob *blob = netfilter_origin(nf, table);

	return blob != NULL ? blob->order : 0;
}

/* The table that was loaded last comes first, as on Linux. */
static void
print_tables(const struct netfilter *nf, FILE *out)
{
	unsigned int before = UINT32_MAX;

	for (unsigned int n = 0; n < NETFILTER_TABLES; n++) {
		unsigned int best = 0, order;

		for (unsigned int table = 0; table < NETFILTER_TABLES; table++) {
			order = order_of(nf, (enum netfilter_table_id)table);
			if (order < before && order > best)
				best = order;
		}
		for (unsigned int table = 0; best != 0 && table < NETFILTER_TABLES; table++)
			if (order_of(nf, (enum netfilter_table_id)table) == best)
				fprintf(out, "%s\n", netfilter_table_name((enum netfilter_table_id)table));
		before = best;
	}
}

static int
read_names(void *context, const char *path, char *buffer, size_t size, struct error *err)
{
	const struct control *control = context;
	FILE *out = fmemopen(buffer, size, "w");
	long bytes;

	if (out == NULL)
		return error_code(err, errno);
	if (strcmp(path, "/proc/net/ip_tables_matches") == 0)
		xt_each(XT_MATCH, print_codec, out);
	else if (strcmp(path, "/proc/net/ip_tables_targets") == 0)
		xt_each(XT_TARGET, print_codec, out);
	else if (strcmp(path, "/proc/net/ip_tables_names") == 0)
		print_tables(router_netfilter(control->router), out);
	bytes = ftell(out);
	fclose(out);
	return (int)bytes;
}

static const struct nl_file_provider matches_file = { .prefix = "/proc/net/ip_tables_matches", .read = read_names };
static const struct nl_file_provider targets_file = { .prefix = "/proc/net/ip_tables_targets", .read = read_names };
static const struct nl_file_provider names_file = { .prefix = "/proc/net/ip_tables_names", .read = read_names };
NL_REGISTER_FILES(matches_file)
NL_REGISTER_FILES(targets_file)
NL_REGISTER_FILES(names_file)
