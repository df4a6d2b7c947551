/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * /proc/sys/net: settings as files, for sysctl(8) and `echo 1 > ...`. What a write sets off besides (ip_forward sets
 * every link's forwarding; a default is passed on to links that still have it) is Linux's.
 */
#include <ctype.h>
#include <linux/netconf.h>

#include "codec.h"
#include "events.h"
#include "file_tree.h"
#include "sysctl_table.h"

#define ROOT "/proc/sys/net"

/* A path taken apart: ipv4/NAME, ipv4/conf/LINK/NAME, ipv4/neigh/LINK/NAME, and the directories above. */
static bool
split(const char *path, struct file_path *out)
{
	return file_path_split(path, ROOT, FILE_TREE_DEPTH, out) &&
	       (out->parts == 0 || strcmp(out->part[0], "ipv4") == 0);
}

/* ---- which setting a path means -------------------------------------------------------------- */

struct sysctl {
	const struct setting *setting;
	void *structure;
	struct port_settings *settings; /* of conf/ and neigh/, else NULL */
	int32_t which; /* NETCONFA_IFINDEX_ALL, NETCONFA_IFINDEX_DEFAULT or a link's index */
};

/* The settings of conf/NAME and neigh/NAME; `all` has no neigh. */
static struct port_settings *
find_settings(struct router *router, const char *name, bool has_all, int32_t *which)
{
	struct port *port;

	if (strcmp(name, "all") == 0 && has_all) {
		*which = NETCONFA_IFINDEX_ALL;
		return router_settings_all(router);
	}
	if (strcmp(name, "default") == 0) {
		*which = NETCONFA_IFINDEX_DEFAULT;
		return router_settings_default(router);
	}
	port = port_find_name(router, name);
	if (port == NULL)
		return NULL;
	*which = (int32_t)port->ifindex;
	return &port->settings;
}

static bool
find_sysctl(struct router *router, const struct file_path *path, struct sysctl *found)
{
	*found = (struct sysctl){ 0 };
	if (path->parts == 2) {
		found->setting = setting_find(&router_table, path->part[1]);
		found->structure = router_settings(router);
		if (found->setting == NULL) {
			found->setting = setting_find(&host_table, path->part[1]);
			found->structure = &host_settings;
		}
	} else if (path->parts == 4) {
		bool conf = strcmp(path->part[1], "conf") == 0;

		if (!conf && strcmp(path->part[1], "neigh") != 0)
			return false;
		found->settings = find_settings(router, path->part[2], conf, &found->which);
		if (found->settings == NULL)
			return false;
		found->structure = found->settings;
		found->setting = setting_find(conf ? &conf_table : &neigh_table, path->part[3]);
	}
	return found->setting != NULL;
}

/* /proc/sys/net/ipv4/route/flush: `ip route flush cache` writes there. */
static bool
is_route_flush(const struct file_path *path)
{
	return path->parts == 3 && strcmp(path->part[1], "route") == 0 && strcmp(path->part[2], "flush") == 0;
}

static int
sysctl_read(void *context, const char *path, char *buffer, size_t size, struct error *err)
{
	const struct control *control = context;
	struct file_path parts;
	struct sysctl found;

	if (!split(path, &parts))
		return error_code(err, ENOENT);
	if (is_route_flush(&parts))
		return error_code(err, EACCES);
	if (!find_sysctl(control->router, &parts, &found))
		return error_code(err, ENOENT);
	return snprintf(buffer, size, "%d\n", setting_get(found.setting, found.structure));
}

/* ---- writing --------------------------------------------------------------------------------- */

struct spread {
	const struct setting *setting;
	struct rib *rib;
	bool only_inherited; /* only links that still have `before`, and no IPv4 address if it is conf's */
	bool conf;
	int before, value;
};

static int
stop_at_first(void *arg, const struct rib_address *address)
{
	return 1;
}

static int
spread_to_port(void *arg, struct port *port)
{
	const struct spread *s = arg;

	if (s->only_inherited) {
		/* With its first address a link's settings become its own. */
		if (setting_get(s->setting, &port->settings) != s->before ||
			(s->conf && rib_address_walk(s->rib, port->ifindex, AF_INET, stop_at_first, NULL) != 0))
			return 0;
	}
	if (setting_get(s->setting, &port->settings) == s->value)
		return 0;
	setting_put(s->setting, &port->settings, s->value);
	if (s->conf)
		notify_netconf(&port->settings, (int32_t)port->ifindex);
	return 0;
}

static void
set_forwarding_everywhere(struct router *router, int value)
{
	const struct setting *forwarding = setting_find(&conf_table, "forwarding");
	struct spread spread = { .setting = forwarding, .rib = router_rib(router), .conf = true, .value = value };

	__atomic_store_n(&router_settings(router)->ip_forward, value, __ATOMIC_RELAXED);
	setting_put(forwarding, router_settings_all(router), value);
	setting_put(forwarding, router_settings_default(router), value);
	notify_netconf(router_settings_all(router), NETCONFA_IFINDEX_ALL);
	notify_netconf(router_settings_default(router), NETCONFA_IFINDEX_DEFAULT);
	port_walk(router, spread_to_port, &spread);
}

static void
set_and_spread(struct router *router, const struct sysctl *s, bool conf, int value)
{
	int before = setting_get(s->setting, s->structure);

	setting_put(s->setting, s->structure, value);
	if (s->settings == NULL || before == value)
		return;
	if (conf)
		notify_netconf(s->settings, s->which);
	if (s->which == NETCONFA_IFINDEX_DEFAULT && strcmp(s->setting->name, "forwarding") != 0) {
		struct spread spread = { .setting = s->setting,
			.rib = router_rib(router),
			.only_inherited = true,
			.conf = conf,
			.before = before,
			.value = value };

		port_walk(router, spread_to_port, &spread);
	}
}

static int
sysctl_write(void *context, const char *path, const char *text, struct error *err)
{
	struct control *control = context;
	struct file_path parts;
	struct sysctl found;
	int64_t value;

	if (!split(path, &parts))
		return error_code(err, ENOENT);
	if (is_route_flush(&parts))
		return 0; /* there is no cache */
	if (!find_sysctl(control->router, &parts, &found))
		return error_code(err, ENOENT);
	if (found.setting->read_only)
		return error_set(err, EACCES, "it is for reading only");
	if (!setting_parse(text, &value))
		return error_set(err, EINVAL, "a number is wanted, such as 1");
	if (value < found.setting->min || value > found.setting->max)
		return error_set(
			err, EINVAL, "%s takes a number from %d to %d", path, found.setting->min, found.setting->max);
	if (strcmp(found.setting->name, "ip_forward") == 0 ||
		(strcmp(found.setting->name, "forwarding") == 0 && found.which == NETCONFA_IFINDEX_ALL)) {
		if (setting_get(found.setting, found.structure) != (int)value)
			set_forwarding_everywhere(control->router, (int)value);
		return 0;
	}
	set_and_spread(control->router, &found, parts.parts == 4 && strcmp(parts.part[1], "conf") == 0, (int)value);
	return 0;
}

/* ---- listing --------------------------------------------------------------------------------- */

static void
list_table(const struct settings *table, const struct file_listing *l)
{
	for (size_t i = 0; i < table->count; i++)
		l->entry(l->arg, table->list[i].name, false);
}

static int
list_ipv4(struct router *router, const struct file_path *parts, const struct file_listing *l)
{
	bool conf = parts->parts > 1 && strcmp(parts->part[1], "conf") == 0;
	bool neigh = parts->parts > 1 && strcmp(parts->part[1], "neigh") == 0;
	int32_t which;

	if (parts->parts == 1) {
		l->entry(l->arg, "conf", true);
		list_table(&host_table, l);
		list_table(&router_table, l);
		l->entry(l->arg, "neigh", true);
		l->entry(l->arg, "route", true);
		return 0;
	}
	if (parts->parts == 2 && (conf || neigh)) {
		if (conf)
			l->entry(l->arg, "all", true);
		l->entry(l->arg, "default", true);
		return file_list_links(router, l);
	}
	if (parts->parts == 2 && strcmp(parts->part[1], "route") == 0) {
		l->entry(l->arg, "flush", false);
		return 0;
	}
	if (parts->parts == 3 && (conf || neigh) && find_settings(router, parts->part[2], conf, &which) != NULL) {
		list_table(conf ? &conf_table : &neigh_table, l);
		return 0;
	}
	return -ENOENT;
}

static int
sysctl_list(void *context, const char *path, void (*entry)(void *arg, const char *name, bool is_dir), void *arg)
{
	struct control *control = context;
	const struct file_listing listing = { entry, arg };
	struct file_path parts;
	struct sysctl found;

	if (!split(path, &parts))
		return -ENOENT;
	if (parts.parts == 0) {
		entry(arg, "core", true); /* control/tc/default_qdisc.c's */
		entry(arg, "ipv4", true);
		entry(arg, "weir", true); /* control/tc/settings.c's */
		return 0;
	}
	if (is_route_flush(&parts) || find_sysctl(control->router, &parts, &found))
		return -ENOTDIR;
	return list_ipv4(control->router, &parts, &listing);
}

static const struct nl_file_provider sysctl_files = {
	.prefix = ROOT "/",
	.read = sysctl_read,
	.write = sysctl_write,
	.list = sysctl_list,
};
NL_REGISTER_FILES(sysctl_files)
