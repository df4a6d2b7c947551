/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ports that DPDK drives: a NIC by its PCI address, or net_af_packet, net_tap, net_pcap, net_null, net_ring by their
 * device arguments.
 *
 * Receive queues as configured; a transmit queue for each worker, the owner's the first, as far as there are (lane.c).
 * Nothing is left to the NIC that the path does itself: checksums, segmentation.
 */
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

#include "port_internal.h"

#define RX_DESCRIPTORS 1024
#define TX_DESCRIPTORS 1024
#define DEVARGS_MAX    512
#define QUEUES_MAX     64
#define FRAME_OVERHEAD (RTE_ETHER_HDR_LEN + 2 * 4) /* link header and two 802.1Q tags, bytes */

/* What can wake a worker when a queue has packets. */
struct rx_wake {
	int socket; /* that the driver reads; -1: none that we know */
	struct rte_epoll_event event; /* on it */
};

struct device {
	uint16_t id; /* of the ethdev */
	bool probed; /* by us: to be removed with the port */
	bool linearize; /* it takes no chained buffers */
	bool interrupts; /* it was asked to interrupt; without them it started not at all */
	bool arms; /* a queue interrupts only once after it was told to */
	unsigned int keeps; /* buffers at most that its driver does not return at the end */
	uint32_t max_frame;
	uint16_t rx_queues, tx_queues;
	const struct router *router;
	struct rte_mempool *reaches; /* by DMA; NULL: it has none */
	char driver[32]; /* the devargs' first word */
	char interface[IF_NAMESIZE]; /* the kernel's, behind iface=; empty: none */
	int socket; /* to ask for its flags; -1: none */
	struct rx_wake wakes[QUEUES_MAX];
};

/* ---- the kernel's interface behind a device ---- */

static void
find_interface(struct device *d, const char *devargs)
{
	const char *at = strstr(devargs, ",iface=");
	bool ours = strncmp(devargs, "net_af_packet", 13) == 0 || strncmp(devargs, "net_af_xdp", 10) == 0;

	d->socket = -1;
	if (at == NULL || !ours)
		return;
	at += strlen(",iface=");
	size_t length = strcspn(at, ",");
	if (length == 0 || length >= sizeof(d->interface))
		return;
	memcpy(d->interface, at, length);
	d->socket = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

/* Is it running? These drivers say that their link is up whatever happens to the interface. */
static bool
interface_running(const struct device *d)
{
	struct ifreq request = { 0 };

	if (d->socket < 0)
		return true;
	memcpy(request.ifr_name, d->interface, sizeof(request.ifr_name));
	return ioctl(d->socket, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_RUNNING) != 0;
}

/* ---- waking an idle worker ---- */

/* Virtual drivers that read sockets do not tell which. */
static void
find_sockets(struct device *d)
{
	int sockets[QUEUES_MAX];
	unsigned int n = packet_sockets_take(sockets, QUEUES_MAX);

	for (unsigned int i = 0; i < n; i++)
		d->wakes[i].socket = sockets[i];
}

static bool
is_virtual(const struct rte_eth_dev_info *info)
{
	return strcmp(rte_bus_name(rte_dev_bus(info->device)), "vdev") == 0;
}

/*
 * The descriptor that a virtual device has in the place of an interrupt: net_tap's is what it reads packets from. -1:
 * none.
 */
static int
virtual_descriptor(const struct device *d, uint16_t queue)
{
	struct rte_eth_dev_info info;

	if (rte_eth_dev_info_get(d->id, &info) != 0 || !is_virtual(&info))
		return -1;
	/* Who has none says so at length. */
	rte_log_set_level_pattern("lib.ethdev", RTE_LOG_CRIT);
	int fd = rte_eth_dev_rx_intr_ctl_q_get_fd(d->id, queue);
	rte_log_set_level_pattern("lib.ethdev", RTE_LOG_ERR);
	return fd;
}

static bool
watch_interrupt(struct device *d, uint16_t queue, int epoll_fd, bool on)
{
	if (!d->arms) {
		d->arms = rte_eth_dev_rx_intr_enable(d->id, queue) == 0;
		if (!d->arms)
			return false;
		rte_eth_dev_rx_intr_disable(d->id, queue);
	}
	return rte_eth_dev_rx_intr_ctl_q(d->id, queue, epoll_fd, on ? RTE_INTR_EVENT_ADD : RTE_INTR_EVENT_DEL, NULL) ==
	       0;
}

static bool
device_watch(struct port *port, uint16_t queue, int epoll_fd, bool on)
{
	struct device *d = port->priv;
	struct rx_wake *wake = &d->wakes[queue];

	if (wake->socket < 0)
		wake->socket = virtual_descriptor(d, queue);
	if (wake->socket < 0)
		return d->interrupts && watch_interrupt(d, queue, epoll_fd, on);
	wake->event.epdata.event = EPOLLIN;
	return rte_epoll_ctl(epoll_fd, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, wake->socket, &wake->event) == 0;
}

static void
device_interrupt(struct port *port, uint16_t queue, bool on)
{
	const struct device *d = port->priv;

	if (!d->arms)
		return;
	if (on)
		rte_eth_dev_rx_intr_enable(d->id, queue);
	else
		rte_eth_dev_rx_intr_disable(d->id, queue);
}

/* ---- being made ---- */

static int
probe(struct device *d, const char *devargs, struct error *err)
{
	char name[RTE_DEV_NAME_MAX_LEN];
	struct rte_dev_iterator iterator;
	uint16_t id = RTE_MAX_ETHPORTS;

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(devargs, ","), devargs);
	if (rte_eth_dev_get_port_by_name(name, &d->id) == 0) {
		if (rte_eth_dev_is_valid_port(d->id) && strchr(devargs, ',') == NULL)
			return 0;
		return error_set(err, EBUSY,
			"device %s is in use; number the next one of its driver otherwise, as in net_null1", name);
	}
	packet_sockets_take(NULL, 0);
	int rc = rte_dev_probe(devargs);
	find_sockets(d);
	if (rc != 0) /* -1 is not EPERM, but a driver's word for all that it has said of it in EAL's log */
		return error_set(err, rc == -ENOENT || rc == -EINVAL || rc == -1 ? ENODEV : -rc,
			"no device \"%s\": %s. Give a PCI address bound to a DPDK driver, or a driver with its "
			"arguments, as in "
			"net_af_packet0,iface=veth1",
			devargs, rc == -1 ? "its driver refused it" : strerror(-rc));
	d->probed = true;
	RTE_ETH_FOREACH_MATCHING_DEV(id, devargs, &iterator)
	{
		rte_eth_iterator_cleanup(&iterator);
		d->id = id;
		return 0;
	}
	if (rte_eth_dev_get_port_by_name(name, &d->id) == 0)
		return 0;
	return error_set(err, ENODEV, "\"%s\" is a device, but no Ethernet port", devargs);
}

static void
remove_device(struct device *d)
{
	struct rte_eth_dev_info info;
	struct rte_device *bus_device = NULL;

	if (rte_eth_dev_is_valid_port(d->id)) {
		if (rte_eth_dev_info_get(d->id, &info) == 0)
			bus_device = info.device;
		if (d->probed)
			rte_eth_dev_close(d->id);
		if (d->reaches != NULL)
			pool_tell_device(d->router, d->reaches, bus_device, false);
	}
	if (d->probed && bus_device != NULL)
		rte_dev_remove(bus_device);
	if (d->socket >= 0)
		close(d->socket);
	free(d);
}

/* net_af_xdp leaves to the kernel what it has given it to fill or to send. */
static bool
keeps_buffers(const struct device *d)
{
	return strncmp(d->driver, "net_af_xdp", 10) == 0;
}

static int
set_up_queues(const struct port *port, struct device *d, const struct rte_eth_dev_info *info, struct error *err)
{
	uint16_t rx = RX_DESCRIPTORS, tx = TX_DESCRIPTORS;
	int node = rte_eth_dev_socket_id(d->id);
	struct rte_mempool *pool = router_pool(port->router, node, err);

	if (pool == NULL)
		return -ENOMEM;
	unsigned int available = rte_mempool_avail_count(pool);
	int rc = 0;

	if (!is_virtual(info) && d->reaches == NULL) {
		rc = pool_tell_device(port->router, pool, info->device, true);
		if (rc != 0)
			return error_set(err, -rc, "%s cannot reach the buffers' memory: %s. Give --hugepages",
				port->name, strerror(-rc));
		d->reaches = pool;
	}
	rc = rte_eth_dev_adjust_nb_rx_tx_desc(d->id, &rx, &tx);

	for (uint16_t q = 0; rc == 0 && q < d->rx_queues; q++)
		rc = rte_eth_rx_queue_setup(d->id, q, rx, node, &info->default_rxconf, pool);
	for (uint16_t q = 0; rc == 0 && q < d->tx_queues; q++)
		rc = rte_eth_tx_queue_setup(d->id, q, tx, node, &info->default_txconf);
	if (rc != 0)
		return error_set(err, -rc, "cannot set up the queues of %s (%u receive, %u transmit): %s", port->name,
			d->rx_queues, d->tx_queues, strerror(-rc));
	find_sockets(d);
	if (keeps_buffers(d))
		d->keeps += available - rte_mempool_avail_count(pool) + d->tx_queues * tx;
	return 0;
}

static int
configure(struct port *port, struct device *d, struct error *err)
{
	struct rte_eth_dev_info info;
	struct rte_eth_conf conf = { 0 };
	int rc = rte_eth_dev_info_get(d->id, &info);

	if (rc != 0)
		return error_set(err, -rc, "cannot read what %s is able to do: %s", port->name, strerror(-rc));
	if (d->rx_queues > info.max_rx_queues || d->tx_queues > info.max_tx_queues)
		return error_set(err, EINVAL, "%s has %u receive and %u transmit queues; %u and %u are asked for",
			port->name, info.max_rx_queues, info.max_tx_queues, d->rx_queues, d->tx_queues);
	conf.rxmode.offloads = info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
	conf.txmode.offloads = info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	conf.rx_adv_conf.rss_conf.rss_hf =
		(RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP) & info.flow_type_rss_offloads;
	if (d->rx_queues > 1 && conf.rx_adv_conf.rss_conf.rss_hf != 0)
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	conf.intr_conf.rxq = d->interrupts;
	rc = rte_eth_dev_configure(d->id, d->rx_queues, d->tx_queues, &conf);
	if (rc != 0)
		return error_set(err, -rc, "cannot configure %s: %s", port->name, strerror(-rc));
	/* Drivers that copy out of chains themselves, as the virtual ones do, do not list the offload. */
	d->linearize = conf.txmode.offloads == 0 && !is_virtual(&info);
	d->max_frame = info.max_rx_pktlen != 0 ? info.max_rx_pktlen : UINT32_MAX;
	port->min_mtu = RTE_MAX(info.min_mtu, 68);
	port->max_mtu = info.max_mtu != 0 && info.max_mtu != UINT16_MAX ? info.max_mtu : 65535;
	return set_up_queues(port, d, &info, err);
}

static int
device_create(struct port *port, const void *conf, struct error *err)
{
	const struct device_conf *c = conf;
	struct device *d = calloc(1, sizeof(*d));
	struct rte_ether_addr mac;
	uint16_t mtu;

	if (d == NULL)
		return error_set(err, ENOMEM, "no memory for port %s", port->name);
	if (c == NULL || c->devargs == NULL || c->devargs[0] == '\0' || strlen(c->devargs) >= DEVARGS_MAX) {
		free(d);
		return error_set(err, EINVAL, "port %s: give DPDK's device arguments, as in net_af_packet0,iface=veth1",
			port->name);
	}
	d->id = RTE_MAX_ETHPORTS;
	d->router = port->router;
	d->rx_queues = c->rx_queues != 0 ? RTE_MIN(c->rx_queues, QUEUES_MAX) : 1;
	d->tx_queues = c->tx_queues != 0 ? RTE_MIN(c->tx_queues, QUEUES_MAX) : 1;
	d->interrupts = port->router->conf.poll == POLL_ADAPTIVE;
	for (unsigned int i = 0; i < QUEUES_MAX; i++)
		d->wakes[i].socket = -1;
	port_machine(port)->pin = c->pin;
	snprintf(d->driver, sizeof(d->driver), "%s", c->devargs);
	find_interface(d, c->devargs);
	port->priv = d;
	int rc = probe(d, c->devargs, err);
	if (rc == 0)
		rc = configure(port, d, err);
	if (rc != 0) {
		remove_device(d);
		return rc;
	}
	if (rte_eth_macaddr_get(d->id, &mac) == 0 && !rte_is_zero_ether_addr(&mac))
		memcpy(port->mac, mac.addr_bytes, sizeof(port->mac));
	if (rte_eth_dev_get_mtu(d->id, &mtu) == 0 && mtu != 0)
		port->mtu = mtu;
	port->rx_queues = d->rx_queues;
	port->tx_queues = d->tx_queues;
	return 0;
}

/* ---- up and down ---- */

static int
device_start(struct port *port, struct error *err)
{
	struct device *d = port->priv;
	int rc = rte_eth_dev_start(d->id);

	if (rc != 0 && d->interrupts) {
		/* Not every driver can interrupt for each queue, and some say so only here. */
		d->interrupts = false;
		rc = configure(port, d, err);
		if (rc != 0)
			return rc;
		rc = rte_eth_dev_start(d->id);
	}
	find_sockets(d);
	if (rc != 0)
		return error_set(err, -rc, "cannot start %s: %s", port->name, strerror(-rc));
	device_set_promiscuous(port);
	return 0;
}

static void
device_stop(struct port *port)
{
	struct device *d = port->priv;

	rte_eth_dev_stop(d->id);
}

/* A ring is memory, and what nobody fetched from it would be lost with it. */
static void
empty_ring(struct port *port, struct device *d)
{
	struct port_counters *c = &port->counters[port->owner];
	struct rte_mbuf *pkts[BURST];
	uint16_t n;

	if (!d->probed || strncmp(d->driver, "net_ring", 8) != 0 || rte_eth_dev_start(d->id) != 0)
		return;
	while ((n = rte_eth_rx_burst(d->id, 0, pkts, BURST)) != 0) {
		c->rx_packets += n;
		for (uint16_t i = 0; i < n; i++) {
			c->rx_bytes += pkts[i]->pkt_len;
			pkt_drop(&c->sink, pkts[i], DROP_SHUTDOWN);
		}
	}
	rte_eth_dev_stop(d->id);
}

static void
device_destroy(struct port *port)
{
	struct device *d = port->priv;

	empty_ring(port, d);
	port->router->kept_by_drivers += d->keeps;
	remove_device(d);
}

static int
device_set_mtu(struct port *port, uint32_t mtu, struct error *err)
{
	struct device *d = port->priv;
	int rc = rte_eth_dev_set_mtu(d->id, (uint16_t)mtu);

	if (rc == -EBUSY) {
		/* It takes a new MTU only while it is stopped. */
		bool up = (port->flags & IFF_UP) != 0;

		if (up)
			port_set_flags(port, 0, IFF_UP, NULL);
		rc = rte_eth_dev_set_mtu(d->id, (uint16_t)mtu);
		if (up)
			port_set_flags(port, IFF_UP, IFF_UP, NULL);
	}
	/* Drivers of memory know no MTU: any will do. */
	if (rc != 0 && rc != -ENOTSUP)
		return error_set(err, -rc, "%s does not take mtu %u: %s", port->name, mtu, strerror(-rc));
	return 0;
}

static int
device_set_mac(struct port *port, const uint8_t mac[6], struct error *err)
{
	struct device *d = port->priv;
	struct rte_ether_addr addr;

	memcpy(addr.addr_bytes, mac, sizeof(addr.addr_bytes));
	int rc = rte_eth_dev_default_mac_addr_set(d->id, &addr);
	if (rc != 0 && rc != -ENOTSUP)
		return error_set(err, -rc, "%s does not take this address: %s", port->name, strerror(-rc));
	return 0;
}

void
device_set_promiscuous(const struct port *port)
{
	struct device *d = port->priv;

	if (strcmp(port->ops->kind, "device") != 0)
		return;
	/* What cannot be promiscuous takes all or nothing anyway. */
	int rc = (port->flags & IFF_PROMISC) != 0 ? rte_eth_promiscuous_enable(d->id)
						  : rte_eth_promiscuous_disable(d->id);
	(void)rc;
}

static bool
device_carrier(struct port *port)
{
	struct device *d = port->priv;
	struct rte_eth_link link = { 0 };

	return rte_eth_link_get_nowait(d->id, &link) == 0 && link.link_status == RTE_ETH_LINK_UP &&
	       interface_running(d);
}

void
device_limits(const struct port *port, struct device_limits *limits)
{
	const struct device *d = port->priv;
	struct rte_eth_dev_info info;
	struct rte_eth_link link = { 0 };

	if (strcmp(port->ops->kind, "device") != 0)
		return;
	limits->rx_queues = d->rx_queues;
	limits->max_frame = port->mtu + FRAME_OVERHEAD;
	/* Virtual drivers make their speed up. */
	if (rte_eth_dev_info_get(d->id, &info) != 0 || is_virtual(&info))
		return;
	if (rte_eth_link_get_nowait(d->id, &link) == 0 && link.link_speed != RTE_ETH_SPEED_NUM_NONE &&
		link.link_speed != RTE_ETH_SPEED_NUM_UNKNOWN)
		limits->rate_Bps = link.link_speed * UINT64_C(125000);
}

/* ---- data path ---- */

static uint16_t
device_receive(struct port *port, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	const struct device *d = port->priv;

	return rte_eth_rx_burst(d->id, queue, pkts, n);
}

/* Chains for a device that takes none: joined where they fit one buffer, else dropped. Keeps the others in front. */
static uint16_t
join_chains(struct port *port, unsigned int worker, struct rte_mbuf **pkts, uint16_t n)
{
	struct port_counters *c = &port->counters[worker];
	uint16_t i = 0;

	while (i < n && (pkts[i]->nb_segs == 1 || rte_pktmbuf_linearize(pkts[i]) == 0))
		i++;
	if (i == 0 && n != 0) {
		/* Taken, and counted as dropped instead of sent. */
		c->tx_packets--;
		c->tx_bytes -= pkts[0]->pkt_len;
		pkt_drop(&c->sink, pkts[0], DROP_TX_FAILED);
		return UINT16_MAX;
	}
	return i;
}

static uint16_t
device_xmit(struct port *port, unsigned int worker, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	const struct device *d = port->priv;

	if (unlikely(d->linearize)) {
		n = join_chains(port, worker, pkts, n);
		if (n == UINT16_MAX)
			return 1;
	}
	return rte_eth_tx_burst(d->id, port_machine(port)->tx_queue[worker], pkts, n);
}

static const struct port_ops device_ops = {
	.kind = "device",
	.queues = true,
	.arphrd = ARPHRD_ETHER,
	.default_flags = IFF_BROADCAST | IFF_MULTICAST,
	.default_mtu = 1500,
	.create = device_create,
	.destroy = device_destroy,
	.start = device_start,
	.stop = device_stop,
	.set_mtu = device_set_mtu,
	.set_mac = device_set_mac,
	.receive = device_receive,
	.watch = device_watch,
	.interrupt = device_interrupt,
	.xmit = device_xmit,
	.carrier = device_carrier,
};
PORT_REGISTER(device_ops)
