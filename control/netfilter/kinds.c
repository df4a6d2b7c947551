/* SPDX-License-Identifier: BSD-3-Clause */
/* What iptables knows and the router does not, with the reason where there is one. */
#include "netfilter/kinds.h"

#include <string.h>

struct reason {
	const char *name;
	const char *why;
};

static const char tracking[] = "comes with connection tracking, which the router does not have yet";
static const char local[] = "asks about the host's own sockets, which the router does not see";

static const struct reason absent_matches[] = {
	{ "conntrack", tracking },
	{ "state", tracking },
	{ "connbytes", tracking },
	{ "connlabel", tracking },
	{ "connlimit", tracking },
	{ "connmark", tracking },
	{ "helper", tracking },
	{ "owner", local },
	{ "socket", local },
	{ "physdev", "is about bridges, which the router does not have" },
};

static const struct reason absent_targets[] = {
	{ "CONNMARK", tracking },
	{ "CONNSECMARK", tracking },
	{ "CT", tracking },
	{ "DNAT", tracking },
	{ "MASQUERADE", tracking },
	{ "NETMAP", tracking },
	{ "REDIRECT", tracking },
	{ "SNAT", tracking },
	{ "QUEUE", "hands packets to a program: the router keeps its packets to itself" },
	{ "NFQUEUE", "hands packets to a program: the router keeps its packets to itself" },
};

static const char *
reason_of(const struct reason *reasons, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(reasons[i].name, name) == 0)
			return reasons[i].why;
	return NULL;
}

int
xt_refuse_kind(enum xt_side side, const char *name, struct error *err)
{
	const char *what = side == XT_MATCH ? "match" : "target";
	const char *why = side == XT_MATCH
				  ? reason_of(absent_matches, sizeof(absent_matches) / sizeof(*absent_matches), name)
				  : reason_of(absent_targets, sizeof(absent_targets) / sizeof(*absent_targets), name);

	if (why != NULL)
		return error_set(err, ENOENT, "%s %s %s", what, name, why);
	return error_set(err, ENOENT, "the router has no %s %s; /proc/net/ip_tables_%s lists those it has", what, name,
		side == XT_MATCH ? "matches" : "targets");
}
