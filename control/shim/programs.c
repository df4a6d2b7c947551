/* SPDX-License-Identifier: BSD-3-Clause */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shim/programs.h"

const char *
program_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

bool
program_is_one_of(const char *name, const char *const *names)
{
	for (; *names != NULL; names++)
		if (strcmp(name, *names) == 0)
			return true;
	return false;
}

bool
program_is_iptables(const char *path)
{
	static const char *const names[] = { "iptables", "iptables-save", "iptables-restore", "ip6tables",
		"ip6tables-save", "ip6tables-restore", NULL };

	return program_is_one_of(program_name(path), names);
}

bool
program_find_legacy(const char *path, char legacy[PATH_MAX])
{
	static const char nft[] = "xtables-nft-multi", multi[] = "xtables-legacy-multi";
	char *name;

	if (!program_is_iptables(path) || realpath(path, legacy) == NULL)
		return false;
	name = strrchr(legacy, '/') + 1;
	if (strcmp(name, nft) != 0 || (size_t)(name - legacy) + sizeof(multi) > PATH_MAX)
		return false;
	memcpy(name, multi, sizeof(multi));
	return access(legacy, X_OK) == 0;
}

/* Modules of what the router does itself, by how their names begin. */
static bool
is_network_module(const char *name)
{
	static const char *const starts[] = { "ip_tables", "iptable_", "ipt_", "ip6_tables", "ip6table_", "ip6t_",
		"x_tables", "xt_", "nf_", "nfnetlink", "ip_conntrack", "ip_nat", "sch_", "cls_", "act_", "em_", "ifb",
		"dummy", "veth", "8021q", "ip_gre", "ip6_gre", "ipip", "sit", "ip_tunnel", "tunnel4" };

	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
		if (strncmp(name, starts[i], strlen(starts[i])) == 0)
			return true;
	return false;
}

bool
program_loads_modules(const char *path, char *const arguments[])
{
	static const char *const names[] = { "modprobe", "insmod", "rmmod", NULL };
	unsigned int modules = 0;

	if (!program_is_one_of(program_name(path), names) || arguments == NULL || arguments[0] == NULL)
		return false;
	for (size_t i = 1; arguments[i] != NULL; i++) {
		if (arguments[i][0] == '-' || strchr(arguments[i], '=') != NULL)
			continue;
		if (!is_network_module(program_name(arguments[i])))
			return false;
		modules++;
	}
	return modules != 0;
}
