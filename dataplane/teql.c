/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * teql0: a link without link layer over several ports, those whose root qdisc is teql0 (LARTC HOWTO, "Loadsharing over
 * multiple interfaces").
 *
 *	routed to teql0 --> teql0's tree --> the next port, in turn, that can send now
 *
 * A packet leaves the tree when a port is free for it, so that ports of different speed each carry what they can. It is
 * sent past the port's own queue, which is empty then: what is routed to the port itself goes first. On each port the
 * next hop must answer ARP; while one does not, the others do its work. All of it runs at one worker, which owns teql0
 * and its ports.
 */
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>

#include "machine.h"

#define TEQL_NAME         "teql0"
#define TEQL_TX_QUEUE_LEN 100
#define TEQL_PORTS_MAX    64
#define TEQL_PASSES_MAX   8 /* through virtual ports: as the path's */

#ifndef ARPHRD_VOID
#define ARPHRD_VOID 0xffff
#endif

struct teql {
	struct port_machine *ports[TEQL_PORTS_MAX]; /* by ifindex */
	unsigned int count;
	unsigned int next; /* whose turn it is */
	/* the packet whose turn it is waits for a port that is busy until then, though another is free */
	uint64_t retry_ns;
};

static bool
is_teql_root(const struct port *port)
{
	const struct qdisc *root = sched_root(port->tree);

	return root != NULL && strcmp(root->ops->kind, TEQL_NAME) == 0;
}

/* ---- data path ---- */

/* When the port could take a packet of teql0's; SCHED_NEVER: it is down. */
static uint64_t
free_at(const struct port_machine *pm, uint64_t now)
{
	const struct lane *lane = &pm->first;

	if (!lane_can_send(lane))
		return SCHED_NEVER;
	/* What waits in the port's own queue, or what its device refused, goes first. */
	if (!lane_idle(lane))
		return RTE_MAX(lane_free_at(lane), now + 1);
	return lane_free_at(lane);
}

/* Without a port that is up at once: then what is sent is dropped. */
static uint64_t
teql_room_at(struct port *port, uint64_t now)
{
	const struct teql *t = port->priv;
	uint64_t earliest = SCHED_NEVER;

	for (unsigned int i = 0; i < t->count && earliest > now; i++) {
		uint64_t at = free_at(t->ports[i], now);

		earliest = RTE_MIN(earliest, at);
	}
	return earliest == SCHED_NEVER ? now : RTE_MAX(earliest, t->retry_ns);
}

enum outcome { SENT, BUSY, NOBODY };

/* To the first port from the one whose turn it is that is free and knows the neighbour. */
static enum outcome
send_one(struct port *port, struct worker_machine *wm, struct rte_mbuf *m, uint64_t now)
{
	struct teql *t = port->priv;
	struct port_machine *unresolved = NULL;
	uint64_t busy_until = SCHED_NEVER;

	t->retry_ns = 0;
	for (unsigned int i = 0; i < t->count; i++) {
		unsigned int at = (t->next + i) % t->count;
		struct port_machine *pm = t->ports[at];
		uint64_t free_ns = free_at(pm, now);

		if (free_ns > now) {
			busy_until = RTE_MIN(busy_until, free_ns);
		} else if (path_write_below(&wm->w, &pm->port, m)) {
			t->next = (at + 1) % t->count;
			lane_send(wm, &pm->first, m, sched_backlog(port->tree) != 0, now);
			return SENT;
		} else if (unresolved == NULL) {
			unresolved = pm;
		}
	}
	if (busy_until != SCHED_NEVER) {
		t->retry_ns = busy_until;
		return BUSY;
	}
	if (unresolved == NULL)
		return NOBODY;
	path_wait_below(&wm->w, &unresolved->port, m);
	return SENT;
}

static uint16_t
teql_xmit(struct port *port, unsigned int worker, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	struct worker_machine *wm = port->router->workers[worker];
	struct port_counters *c = &port->counters[worker];
	uint16_t i;

	for (i = 0; i < n; i++) {
		enum drop_reason reason = DROP_NO_PORT;
		enum outcome outcome = NOBODY;

		if (pkt_of(pkts[i])->passes++ >= TEQL_PASSES_MAX)
			reason = DROP_LOOP;
		else
			outcome = send_one(port, wm, pkts[i], now);
		if (outcome == BUSY) {
			pkt_of(pkts[i])->passes--;
			break;
		}
		if (outcome == NOBODY) {
			/* Taken, and counted as dropped instead of sent. */
			c->tx_packets--;
			c->tx_bytes -= pkts[i]->pkt_len;
			pkt_drop(&c->sink, pkts[i], reason);
		}
	}
	return i;
}

/* ---- control ---- */

static int
teql_create(struct port *port, const void *conf, struct error *err)
{
	port->priv = calloc(1, sizeof(struct teql));
	if (port->priv == NULL)
		return error_set(err, ENOMEM, "no memory for %s", port->name);
	return 0;
}

static void
teql_destroy(struct port *port)
{
	free(port->priv);
}

/* It has the least MTU of its ports, and broadcasts if they all do. */
static int
teql_start(struct port *port, struct error *err)
{
	const struct teql *t = port->priv;
	uint32_t mtu = UINT32_MAX, common = IFF_BROADCAST;

	if (t->count == 0) /* Linux says no more, and scripts' transcripts show it */
		return error_code(err, EUNATCH);
	for (unsigned int i = 0; i < t->count; i++) {
		mtu = RTE_MIN(mtu, t->ports[i]->port.mtu);
		common &= t->ports[i]->port.flags;
	}
	port->flags = (port->flags & ~(uint32_t)IFF_BROADCAST) | common;
	return port_set_mtu(port, RTE_MIN(mtu, port->mtu), err);
}

static int
teql_set_mtu(struct port *port, uint32_t mtu, struct error *err)
{
	const struct teql *t = port->priv;

	for (unsigned int i = 0; i < t->count; i++)
		if (mtu > t->ports[i]->port.mtu)
			return error_set(err, EINVAL, "%s cannot carry %u bytes: its port %s takes %u", port->name, mtu,
				t->ports[i]->port.name, t->ports[i]->port.mtu);
	return 0;
}

/* Owner: the ports whose root is teql0 now. */
static void
find_ports(struct port *teql)
{
	struct teql *t = teql->priv;

	t->count = 0;
	for (struct port_machine *pm = teql->router->first_port; pm != NULL && t->count < TEQL_PORTS_MAX; pm = pm->next)
		if (is_teql_root(&pm->port))
			t->ports[t->count++] = pm;
	if (t->next >= t->count)
		t->next = 0;
}

void
teql_root_changed(struct port *port)
{
	struct port *teql = port_find_name(port->router, TEQL_NAME);

	if (teql != NULL && strcmp(teql->ops->kind, "teql") == 0)
		find_ports(teql);
}

static int
check_ability(const struct port *port, const struct port *teql, struct error *err)
{
	if ((teql->flags & IFF_BROADCAST) != 0 && (port->flags & IFF_BROADCAST) == 0)
		return error_set(err, EINVAL, "%s broadcasts, and %s cannot", teql->name, port->name);
	if (port->mtu < teql->mtu)
		return error_set(
			err, EINVAL, "%s carries %u bytes, %s only %u", teql->name, teql->mtu, port->name, port->mtu);
	return 0;
}

/* One worker runs teql0 and its ports: that of the first of them. */
static int
share_owner(struct port *teql, const struct port *port, struct error *err)
{
	const struct teql *t = teql->priv;

	if (teql->owner == port->owner)
		return 0;
	if (t->count == 0 && (teql->flags & IFF_UP) == 0) {
		port_change_owner(teql, port->owner);
		return 0;
	}
	return error_set(err, EOPNOTSUPP,
		"%s is worker %u's and %s worker %u's; one must have all of them: start weird with --pin %s=%u",
		teql->name, teql->owner, port->name, port->owner, port->name, teql->owner);
}

int
teql_bind(struct port *port, struct error *err)
{
	struct port *teql;
	int rc = 0;

	if (port->ops->bare)
		return error_code(err, ELOOP);
	if (port->ops->arphrd != ARPHRD_ETHER)
		return error_set(err, EINVAL, "%s has no neighbours to share a load among", port->name);
	teql = port_summon(port->router, TEQL_NAME, err);
	if (teql == NULL)
		return -err->code;
	if ((teql->flags & IFF_UP) != 0)
		rc = check_ability(port, teql, err);
	return rc != 0 ? rc : share_owner(teql, port, err);
}

static const struct port_ops teql_ops = {
	.kind = "teql",
	.stacked = true,
	.bare = true,
	.queues = true,
	.arphrd = ARPHRD_VOID,
	.default_flags = IFF_NOARP,
	.default_mtu = 1500,
	.summoned_as = (const char *const[]){ TEQL_NAME, NULL },
	.permanent = true,
	.default_tx_queue_len = TEQL_TX_QUEUE_LEN,
	.create = teql_create,
	.destroy = teql_destroy,
	.start = teql_start,
	.set_mtu = teql_set_mtu,
	.xmit = teql_xmit,
	.room_at = teql_room_at,
};
PORT_REGISTER(teql_ops)
