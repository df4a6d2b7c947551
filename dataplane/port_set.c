/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What `ip link set` changes of a port, with all that follows from it: the device, the rib, the tree, the workers that
 * poll it.
 */
#include <string.h>

#include "port_internal.h"

/* ---- up, down, carrier ---- */

void
port_tell_rib(struct port *port)
{
	struct rib_link link = { .ifindex = port->ifindex, .flags = port->flags, .mtu = port->mtu };
	struct error ignored;

	memcpy(link.name, port->name, sizeof(link.name));
	rib_link_set(port->router->rib, &link, &ignored);
}

struct purge {
	struct worker_machine *wm;
	struct port_machine *pm;
	enum drop_reason reason;
};

static void
flush_waiting(void *arg)
{
	struct purge *purge = arg;

	path_port_flush(&purge->wm->w, &purge->pm->port, purge->reason);
}

static void
flush_all(void *arg)
{
	struct purge *purge = arg;

	flush_waiting(arg);
	lane_purge(&purge->pm->first, true, purge->reason);
}

static void
purge_other(struct lane *lane, void *arg)
{
	const struct purge *purge = arg;

	if (lane != &purge->pm->first)
		lane_purge(lane, true, purge->reason);
}

static void
kick(struct lane *lane, void *arg)
{
	lane_kick(lane);
}

static void
update_carrier(struct port *port)
{
	const uint32_t carrier_flags = IFF_RUNNING | IFF_LOWER_UP;
	bool up = (port->flags & IFF_UP) != 0;
	bool carrier = up && (port->ops->carrier == NULL || port->ops->carrier(port));
	struct router *router = port->router;

	if (carrier == ((port->flags & IFF_LOWER_UP) != 0))
		return;
	port->flags = carrier ? port->flags | carrier_flags : port->flags & ~carrier_flags;
	if (up && !carrier) {
		/* What is queued in the tree waits for the carrier; what waits for a neighbour would wait in vain. */
		struct purge purge = { router->workers[port->owner], port_machine(port), DROP_NO_CARRIER };

		worker_run(purge.wm, flush_waiting, &purge);
	} else {
		lanes_each(port_machine(port), kick, NULL);
	}
	port_tell_rib(port);
	if (router->events.link != NULL)
		router->events.link(router->events.arg, port);
}

/* A veth's carrier follows its peer. */
static void
update_peer(const struct port *port)
{
	struct port *peer = port->peer != 0 ? port_find(port->router, port->peer) : NULL;

	if (peer != NULL)
		update_carrier(peer);
}

void
port_poll_carrier(struct router *router)
{
	for (struct port_machine *pm = router->first_port; pm != NULL; pm = pm->next)
		if (pm->port.ops->carrier != NULL && (pm->port.flags & IFF_UP) != 0)
			update_carrier(&pm->port);
}

static void
start_polling(struct port_machine *pm)
{
	struct port *port = &pm->port;

	if (port->ops->receive == NULL || pm->polled)
		return;
	for (uint16_t queue = 0; queue < port->rx_queues; queue++) {
		struct worker_machine *wm = port_choose_worker(port->router, pm->pin, true);

		worker_poll_add(wm, port, queue);
	}
	pm->polled = true;
}

static void
stop_polling(struct port_machine *pm)
{
	for (unsigned int i = 0; pm->polled && i < pm->port.router->worker_count; i++)
		worker_poll_remove(pm->port.router->workers[i], &pm->port);
	pm->polled = false;
}

static void
set_active(void *arg)
{
	struct port_machine *pm = arg;

	pm->active = true;
	lane_kick(&pm->first);
}

static void
set_inactive(void *arg)
{
	((struct port_machine *)arg)->active = false;
}

static int
bring_up(struct port *port, struct error *err)
{
	struct port_machine *pm = port_machine(port);
	int rc = port->ops->start != NULL ? port->ops->start(port, err) : 0;

	if (rc != 0)
		return rc;
	if (port->ops->queues && !pm->default_root_set) {
		rc = sched_set_default_root(port->tree, lanes_default_root(pm), err);
		if (rc != 0) {
			if (port->ops->stop != NULL)
				port->ops->stop(port);
			return rc;
		}
		pm->default_root_set = true;
	}
	port->flags |= IFF_UP;
	if (port->ops->carrier == NULL || port->ops->carrier(port))
		port->flags |= IFF_RUNNING | IFF_LOWER_UP;
	port_tell_rib(port);
	worker_run(port->router->workers[port->owner], set_active, pm);
	start_polling(pm);
	return 0;
}

void
port_bring_down(struct port *port, enum drop_reason reason)
{
	struct port_machine *pm = port_machine(port);
	struct worker_machine *wm = port->router->workers[port->owner];

	if ((port->flags & IFF_UP) == 0)
		return;
	stop_polling(pm);
	port->flags &= ~(uint32_t)(IFF_UP | IFF_RUNNING | IFF_LOWER_UP);
	worker_run(wm, set_inactive, pm);
	/* From here on no worker takes it for up: what comes is dropped where it is routed. */
	rcu_synchronize(port->router->rcu);
	struct purge purge = { wm, pm, reason };
	worker_run(wm, flush_all, &purge);
	lanes_each(pm, purge_other, &purge);
	if (port->ops->stop != NULL)
		port->ops->stop(port);
	port_tell_rib(port);
}

int
port_set_flags(struct port *port, uint32_t flags, uint32_t mask, struct error *err)
{
	uint32_t settable =
		mask & (IFF_NOARP | IFF_PROMISC | IFF_ALLMULTI | IFF_MULTICAST | IFF_DYNAMIC | IFF_NOTRAILERS);
	if (port->bare)
		settable &= ~(uint32_t)IFF_NOARP; /* there is no link layer to ask */
	bool was_up = (port->flags & IFF_UP) != 0, up = (mask & IFF_UP) != 0 ? (flags & IFF_UP) != 0 : was_up;
	uint32_t before = port->flags;
	int rc = 0;

	port->flags = (port->flags & ~settable) | (flags & settable);
	if (up && !was_up)
		rc = bring_up(port, err);
	else if (!up && was_up)
		port_bring_down(port, DROP_PORT_DOWN);
	else if (port->flags != before)
		port_tell_rib(port);
	if (rc != 0) {
		port->flags = before;
		return rc;
	}
	if (((before ^ port->flags) & IFF_PROMISC) != 0)
		device_set_promiscuous(port);
	if (up != was_up)
		update_peer(port);
	return 0;
}

bool
port_has_carrier(const struct port *port)
{
	return (port->flags & IFF_LOWER_UP) != 0;
}

/* ---- mtu, mac, name, queue length ---- */

int
port_set_mtu(struct port *port, uint32_t mtu, struct error *err)
{
	struct port_machine *pm = port_machine(port);

	if (mtu > INT32_MAX)
		return error_set(err, EINVAL, "mtu %u: give at most %d", mtu, INT32_MAX);
	if (mtu < port->min_mtu)
		return error_set(err, EINVAL, "mtu less than device minimum");
	if (port->max_mtu != 0 && mtu > port->max_mtu)
		return error_set(err, EINVAL, "mtu greater than device maximum");
	if (mtu == port->mtu)
		return 0;
	int rc = port->ops->set_mtu != NULL ? port->ops->set_mtu(port, mtu, err) : 0;
	if (rc != 0)
		return rc;
	port->mtu = mtu;
	port_read_limits(pm);
	sched_set_mtu(port->tree, mtu);
	lanes_set_mtu(pm, mtu);
	port_tell_rib(port);
	return 0;
}

struct mac_change {
	struct port *port;
	const uint8_t *mac;
};

static void
write_mac(void *arg)
{
	struct mac_change *change = arg;

	memcpy(change->port->mac, change->mac, sizeof(change->port->mac));
}

int
port_set_mac(struct port *port, const uint8_t mac[6], struct error *err)
{
	static const uint8_t zero[6];

	if (port->ops->arphrd != ARPHRD_ETHER)
		return error_set(err, EOPNOTSUPP, "%s has no link-layer address to set", port->name);
	if ((mac[0] & 1) != 0 || memcmp(mac, zero, 6) == 0)
		return error_set(
			err, EADDRNOTAVAIL, "a port's own address is neither zero nor a group's (odd first byte)");
	int rc = port->ops->set_mac != NULL ? port->ops->set_mac(port, mac, err) : 0;
	if (rc != 0)
		return rc;
	worker_run(port->router->workers[port->owner], write_mac, &(struct mac_change){ port, mac });
	return 0;
}

int
port_set_name(struct port *port, const char *name, struct error *err)
{
	char full[IF_NAMESIZE];
	int rc = port_make_name(port->router, name, full, err);

	if (strcmp(port->name, name) == 0)
		return 0;
	if (port->ops->permanent)
		return error_set(err, EBUSY, "%s keeps its name", port->name);
	if (rc != 0)
		return rc;
	memcpy(port->name, full, sizeof(full));
	port_tell_rib(port);
	return 0;
}

int
port_set_tx_queue_len(struct port *port, uint32_t packets, struct error *err)
{
	if (packets > INT32_MAX)
		return error_set(err, ERANGE, "txqueuelen %u: give at most %d", packets, INT32_MAX);
	port->tx_queue_len = packets;
	sched_set_tx_queue_len(port->tree, packets);
	lanes_set_tx_queue_len(port_machine(port), packets);
	return 0;
}
