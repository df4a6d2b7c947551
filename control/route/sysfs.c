/* SPDX-License-Identifier: BSD-3-Clause */
/* /sys/class/net: links as files, which scripts and monitoring read (sysfs-class-net in the kernel's ABI documents). */
#include <ctype.h>

#include "events.h"
#include "file_tree.h"
#include "link_change.h"
#include "sysctl_table.h"

#define ROOT "/sys/class/net"

enum { BITS_PER_BYTE = 8, MBIT = 1000000 };

/* LINK, FILE or "statistics", FILE */
static bool
split(const char *path, struct file_path *out)
{
	return file_path_split(path, ROOT, 3, out);
}

/* ---- a link's attributes --------------------------------------------------------------------- */

typedef int (*print_fn)(const struct port *port, char *buffer, size_t size);

static int
print_mac(const uint8_t mac[6], char *buffer, size_t size)
{
	return snprintf(
		buffer, size, "%02x:%02x:%02x:%02x:%02x:%02x\n", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static int
print_address(const struct port *port, char *buffer, size_t size)
{
	return print_mac(port->mac, buffer, size);
}

static int
print_broadcast(const struct port *port, char *buffer, size_t size)
{
	return print_mac(port->broadcast_mac, buffer, size);
}

static int
print_carrier(const struct port *port, char *buffer, size_t size)
{
	/* A link that is down cannot tell. */
	return port->flags & IFF_UP ? snprintf(buffer, size, "%d\n", port_has_carrier(port)) : -EINVAL;
}

static int
print_flags(const struct port *port, char *buffer, size_t size)
{
	/* The configured ones only: what the carrier says is in operstate. */
	return snprintf(buffer, size, "0x%x\n", port->flags & 0xffff & ~(uint32_t)IFF_RUNNING);
}

static int
print_operstate(const struct port *port, char *buffer, size_t size)
{
	static const char *const names[] = { "unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant",
		"up" };

	return snprintf(buffer, size, "%s\n", names[link_operstate(port)]);
}

static int
print_speed(const struct port *port, char *buffer, size_t size)
{
	/* Mbit/s; a link whose rate is not known has none. */
	if (port->rate_Bps == 0)
		return -EINVAL;
	return snprintf(buffer, size, "%llu\n", (unsigned long long)(port->rate_Bps * BITS_PER_BYTE / MBIT));
}

static int
print_alias(const struct port *port, char *buffer, size_t size)
{
	return port->alias[0] != '\0' ? snprintf(buffer, size, "%s\n", port->alias) : 0;
}

static int
print_mtu(const struct port *port, char *buffer, size_t size)
{
	return snprintf(buffer, size, "%u\n", port->mtu);
}

static int
print_queue_len(const struct port *port, char *buffer, size_t size)
{
	return snprintf(buffer, size, "%u\n", port->tx_queue_len);
}

static int
print_ifindex(const struct port *port, char *buffer, size_t size)
{
	return snprintf(buffer, size, "%u\n", port->ifindex);
}

static int
print_iflink(const struct port *port, char *buffer, size_t size)
{
	return snprintf(buffer, size, "%u\n", port->peer != 0 ? port->peer : port->ifindex);
}

static int
print_group(const struct port *port, char *buffer, size_t size)
{
	return snprintf(buffer, size, "%u\n", port->group);
}

static int
print_type(const struct port *port, char *buffer, size_t size)
{
	return snprintf(buffer, size, "%u\n", port->ops->arphrd);
}

static int
print_address_length(const struct port *port, char *buffer, size_t size)
{
	return snprintf(buffer, size, "%zu\n", sizeof(port->mac));
}

static int
print_uevent(const struct port *port, char *buffer, size_t size)
{
	return snprintf(buffer, size, "INTERFACE=%s\nIFINDEX=%u\n", port->name, port->ifindex);
}

static const struct {
	const char *name;
	print_fn print;
	unsigned int change; /* CHANGE_* that a write makes, 0: read-only */
} attributes[] = {
	{ "addr_len", print_address_length, 0 },
	{ "address", print_address, 0 },
	{ "broadcast", print_broadcast, 0 },
	{ "carrier", print_carrier, 0 },
	{ "flags", print_flags, 0 },
	{ "ifalias", print_alias, CHANGE_ALIAS },
	{ "ifindex", print_ifindex, 0 },
	{ "iflink", print_iflink, 0 },
	{ "mtu", print_mtu, CHANGE_MTU },
	{ "netdev_group", print_group, CHANGE_GROUP },
	{ "operstate", print_operstate, 0 },
	{ "speed", print_speed, 0 },
	{ "tx_queue_len", print_queue_len, CHANGE_TX_QUEUE_LEN },
	{ "type", print_type, 0 },
	{ "uevent", print_uevent, 0 },
};

#define COUNTER(name)                                                                                                  \
	{                                                                                                              \
#name, offsetof(struct rtnl_link_stats64, name)                                                        \
	}

static const struct {
	const char *name;
	size_t offset;
} statistics[] = {
	COUNTER(collisions),
	COUNTER(multicast),
	COUNTER(rx_bytes),
	COUNTER(rx_compressed),
	COUNTER(rx_crc_errors),
	COUNTER(rx_dropped),
	COUNTER(rx_errors),
	COUNTER(rx_fifo_errors),
	COUNTER(rx_frame_errors),
	COUNTER(rx_length_errors),
	COUNTER(rx_missed_errors),
	COUNTER(rx_nohandler),
	COUNTER(rx_over_errors),
	COUNTER(rx_packets),
	COUNTER(tx_aborted_errors),
	COUNTER(tx_bytes),
	COUNTER(tx_carrier_errors),
	COUNTER(tx_compressed),
	COUNTER(tx_dropped),
	COUNTER(tx_errors),
	COUNTER(tx_fifo_errors),
	COUNTER(tx_heartbeat_errors),
	COUNTER(tx_packets),
	COUNTER(tx_window_errors),
};

enum {
	ATTRIBUTES = sizeof(attributes) / sizeof(attributes[0]),
	STATISTICS = sizeof(statistics) / sizeof(statistics[0]),
};

static int
read_statistic(const struct port *port, const char *name, char *buffer, size_t size, struct error *err)
{
	struct rtnl_link_stats64 stats;
	uint64_t value;

	for (unsigned int i = 0; i < STATISTICS; i++) {
		if (strcmp(statistics[i].name, name) != 0)
			continue;
		link_stats(port, &stats);
		memcpy(&value, (const char *)&stats + statistics[i].offset, sizeof(value));
		return snprintf(buffer, size, "%llu\n", (unsigned long long)value);
	}
	return error_code(err, ENOENT);
}

static int
sysfs_read(void *context, const char *path, char *buffer, size_t size, struct error *err)
{
	const struct control *control = context;
	const struct port *port;
	struct file_path parts;
	int rc;

	if (!split(path, &parts) || parts.parts < 2)
		return error_code(err, ENOENT);
	port = port_find_name(control->router, parts.part[0]);
	if (port == NULL)
		return error_code(err, ENOENT);
	if (parts.parts == 3)
		return strcmp(parts.part[1], "statistics") == 0 ? read_statistic(port, parts.part[2], buffer, size, err)
								: error_code(err, ENOENT);
	for (unsigned int i = 0; i < ATTRIBUTES; i++) {
		if (strcmp(attributes[i].name, parts.part[1]) != 0)
			continue;
		rc = attributes[i].print(port, buffer, size);
		return rc < 0 ? error_code(err, -rc) : rc;
	}
	return error_code(err, ENOENT);
}

static int
write_attribute(struct port *port, unsigned int what, const char *text, struct error *err)
{
	struct link_change change = { .what = what };
	int64_t value = 0;

	if (what == CHANGE_ALIAS) {
		snprintf(change.alias, sizeof(change.alias), "%.*s", (int)strcspn(text, "\n"), text);
	} else if (!setting_parse(text, &value) || value < 0 || value > INT32_MAX) {
		return error_set(err, EINVAL, "A number from 0 to %d is wanted", INT32_MAX);
	}
	change.mtu = change.group = change.tx_queue_len = (uint32_t)value;
	if (link_change_apply(port, &change, err) < 0)
		return -err->code;
	notify_link(port, 0);
	return 0;
}

static int
sysfs_write(void *context, const char *path, const char *text, struct error *err)
{
	struct control *control = context;
	struct file_path parts;
	struct port *port;

	if (!split(path, &parts) || parts.parts < 2)
		return error_code(err, ENOENT);
	port = port_find_name(control->router, parts.part[0]);
	if (port == NULL)
		return error_code(err, ENOENT);
	for (unsigned int i = 0; parts.parts == 2 && i < ATTRIBUTES; i++)
		if (strcmp(attributes[i].name, parts.part[1]) == 0 && attributes[i].change != 0)
			return write_attribute(port, attributes[i].change, text, err);
	return error_code(err, EACCES);
}

static int
sysfs_list(void *context, const char *path, void (*entry)(void *arg, const char *name, bool is_dir), void *arg)
{
	const struct control *control = context;
	const struct file_listing listing = { entry, arg };
	struct file_path parts;

	if (!split(path, &parts))
		return -ENOENT;
	if (parts.parts == 0)
		return file_list_links(control->router, &listing);
	if (port_find_name(control->router, parts.part[0]) == NULL)
		return -ENOENT;
	if (parts.parts == 1) {
		for (unsigned int i = 0; i < ATTRIBUTES; i++)
			entry(arg, attributes[i].name, false);
		entry(arg, "statistics", true);
		return 0;
	}
	if (parts.parts == 2 && strcmp(parts.part[1], "statistics") == 0) {
		for (unsigned int i = 0; i < STATISTICS; i++)
			entry(arg, statistics[i].name, false);
		return 0;
	}
	return -ENOTDIR;
}

static const struct nl_file_provider sysfs_files = {
	.prefix = ROOT "/",
	.read = sysfs_read,
	.write = sysfs_write,
	.list = sysfs_list,
};
NL_REGISTER_FILES(sysfs_files)
