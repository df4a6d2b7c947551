/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `weir save`: the running configuration as a script that --config takes. It is made of ordinary ip and tc lines and of
 * writes to /proc/sys/net, in an order in which each finds what it needs: settings, links, addresses, links up,
 * neighbours, routes, rules, disciplines. Numbers rather than names stand for tables and protocols, so that the script
 * means the same on another machine.
 */
#include <arpa/inet.h>
#include <ctype.h>

#include "control.h"
#include "netlink/netlink.h"
#include "save.h"
#include "tc/tc.h"

enum { DEFAULT_TX_QUEUE_LEN = 1000 };

const char *
save_ip(uint8_t family, const struct ip_addr *addr, char text[64])
{
	text[0] = '\0';
	inet_ntop(family, addr->bytes, text, 64);
	return text;
}

static void
print_mac(FILE *out, const uint8_t mac[6])
{
	fprintf(out, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

/* ---- links ----------------------------------------------------------------------------------- */

static void
print_new_link(const struct save *save, const struct port *port)
{
	fprintf(save->out, "name %s index %u address ", shell_word(port->name).text, port->ifindex);
	print_mac(save->out, port->mac);
}

static int
save_virtual_link(void *arg, struct port *port)
{
	const struct save *save = arg;
	const struct port *peer = port->peer != 0 ? port_find(save->router, port->peer) : NULL;

	/* A pair is one command, which makes the peer first: it is printed at its higher index. */
	if (!port->ops->is_virtual || (peer != NULL && peer->ifindex > port->ifindex))
		return 0;
	fputs("ip link add ", save->out);
	print_new_link(save, port);
	fprintf(save->out, " type %s", port->ops->kind);
	if (peer != NULL) {
		fputs(" peer ", save->out);
		print_new_link(save, peer);
	}
	putc('\n', save->out);
	return 0;
}

static int
save_link_settings(void *arg, struct port *port)
{
	const struct save *save = arg;
	FILE *out = save->out;
	const uint32_t flags = port->flags, usual = port->ops->default_flags;

	if (port->mtu != port->ops->default_mtu)
		fprintf(out, "ip link set dev %s mtu %u\n", shell_word(port->name).text, port->mtu);
	if (port->tx_queue_len != DEFAULT_TX_QUEUE_LEN)
		fprintf(out, "ip link set dev %s txqueuelen %u\n", shell_word(port->name).text, port->tx_queue_len);
	if (port->group != 0)
		fprintf(out, "ip link set dev %s group %u\n", shell_word(port->name).text, port->group);
	if (port->alias[0] != '\0') {
		char alias[4 * sizeof(port->alias)];

		shell_quote(alias, port->alias);
		fprintf(out, "ip link set dev %s alias %s\n", shell_word(port->name).text, alias);
	}
	if ((flags ^ usual) & IFF_NOARP)
		fprintf(out, "ip link set dev %s arp %s\n", shell_word(port->name).text,
			flags & IFF_NOARP ? "off" : "on");
	if ((flags ^ usual) & IFF_MULTICAST)
		fprintf(out, "ip link set dev %s multicast %s\n", shell_word(port->name).text,
			flags & IFF_MULTICAST ? "on" : "off");
	if (flags & IFF_PROMISC)
		fprintf(out, "ip link set dev %s promisc on\n", shell_word(port->name).text);
	if (flags & IFF_ALLMULTI)
		fprintf(out, "ip link set dev %s allmulticast on\n", shell_word(port->name).text);
	return 0;
}

/* The kind that the port, or each of its queues, has by default; NULL: something was configured, or nothing is. */
static const char *
default_kind(const struct port *port)
{
	const struct qdisc *root = sched_root(port->tree);

	if (root == NULL || root->handle != 0)
		return NULL;
	const char *of_queues = save_queue_kind(root);

	return of_queues != NULL ? of_queues : root->ops->kind;
}

struct link_states {
	const struct save *save;
	const char *kind; /* net.core.default_qdisc, as it is at this line of the script */
};

static void
save_default_qdisc(struct link_states *states, const char *kind)
{
	if (kind != NULL && strcmp(kind, states->kind) != 0) {
		tc_save_default_qdisc(states->save->out, kind);
		states->kind = kind;
	}
}

/* A link that was up before the default changed keeps what it got then. */
static int
save_link_state(void *arg, struct port *port)
{
	struct link_states *states = arg;
	const struct save *save = states->save;

	save_default_qdisc(states, default_kind(port));
	fprintf(save->out, "ip link set dev %s %s\n", shell_word(port->name).text,
		port->flags & IFF_UP ? "up" : "down");
	return 0;
}

/* ---- addresses and neighbours ---------------------------------------------------------------- */

/* lo's own addresses are there from the start. */
static bool
is_given(const struct save *save, const struct rib_address *address)
{
	const struct port *port = port_find(save->router, address->ifindex);

	if (port == NULL || !(port->flags & IFF_LOOPBACK))
		return false;
	if (address->family == AF_INET)
		return address->local.v4 == htonl(INADDR_LOOPBACK) && address->prefix_length == 8;
	return address->prefix_length == 128 && address->local.bytes[15] == 1;
}

static int
save_address(void *arg, const struct rib_address *address)
{
	const struct save *save = arg;
	struct shell_word name = save_port_name(save, address->ifindex), label = shell_word(address->label);
	char text[64];

	if (is_given(save, address))
		return 0;
	fprintf(save->out, "ip addr add %s", save_ip(address->family, &address->local, text));
	if (!ip_addr_equal(&address->local, &address->peer))
		fprintf(save->out, " peer %s", save_ip(address->family, &address->peer, text));
	fprintf(save->out, "/%u", address->prefix_length);
	if (!ip_addr_is_zero(&address->broadcast))
		fprintf(save->out, " broadcast %s", save_ip(address->family, &address->broadcast, text));
	fprintf(save->out, " scope %u dev %s", address->scope, name.text);
	if (label.text[0] != '\0' && strcmp(label.text, name.text) != 0)
		fprintf(save->out, " label %s", label.text);
	if (address->metric != 0)
		fprintf(save->out, " metric %u", address->metric);
	if (address->flags & IFA_F_NOPREFIXROUTE)
		fputs(" noprefixroute", save->out);
	putc('\n', save->out);
	return 0;
}

static int
save_neighbour(void *arg, struct neighbour *neighbour)
{
	const struct save *save = arg;
	char text[64];

	/* What was learnt is learnt again. */
	if (!(neighbour->state & NUD_PERMANENT))
		return 0;
	fprintf(save->out, "ip neigh replace %s lladdr ", save_ip(neighbour->family, &neighbour->addr, text));
	print_mac(save->out, neighbour->lladdr);
	fprintf(save->out, " nud permanent dev %s\n", save_port_name(save, neighbour->ifindex).text);
	return 0;
}

static int
save_print(void *context, FILE *out, bool json, struct error *err)
{
	struct control *control = context;
	struct save save = { .router = control->router, .out = out };
	struct link_states states = { &save, "pfifo_fast" };
	struct rib *rib = router_rib(control->router);

	if (json)
		return error_set(err, EOPNOTSUPP, "'save' prints a script; it has no JSON form");
	fputs("#!/bin/sh\n# Written by `weir save`. Ports are made by weird's --port; the rest is here.\n", out);
	port_walk(control->router, save_virtual_link, &save);
	save_settings(&save);
	port_walk(control->router, save_link_settings, &save);
	rib_address_walk(rib, 0, AF_UNSPEC, save_address, &save);
	save_bound_roots(&save);
	port_walk(control->router, save_link_state, &states);
	save_default_qdisc(&states, router_default_qdisc(control->router));
	neighbour_walk(rib, 0, AF_UNSPEC, save_neighbour, &save);
	save_routes(&save);
	save_rules(&save);
	return save_tc(&save, err);
}

static const struct nl_report save_report = { "save", "the running configuration as a script", save_print };
NL_REGISTER_REPORT(save_report)
