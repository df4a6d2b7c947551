/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The router as control sees it: ports, workers, settings, counters, and the two ways to run it: live and replay.
 *
 * The control thread owns all configuration and calls everything in this header; workers never do. A change that the
 * data path must not see half done is executed by the worker that owns the port, between two bursts, while the caller
 * waits.
 */
#ifndef WEIR_DATAPLANE_H
#define WEIR_DATAPLANE_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <weir/classify.h>
#include <weir/change.h>
#include <weir/error.h>
#include <weir/packet.h>
#include <weir/rib.h>
#include <weir/sched.h>

struct netfilter;
struct router;
struct port;

/* ---- the router -------------------------------------------------------------------------------------------------- */

enum poll_mode { POLL_ADAPTIVE, POLL_BUSY };

struct router_conf {
	unsigned int workers; /* 1..WORKERS_MAX - 1 */
	enum poll_mode poll;
	unsigned int buffers; /* mbufs on each NUMA node in use; 0: a number that suits the ports */
	bool hugepages;
	bool replay; /* one thread, virtual time */
	uint64_t seed; /* of all that is random */
};

/* Starts DPDK (once in a process) and makes the router with its loopback port (ifindex 1). */
int router_create(const struct router_conf *conf, struct router **router, struct error *err);
/* Live: launches the workers. Ports may be added before and after. */
int router_start(struct router *router, struct error *err);
/*
 * Stops the workers, counts what is still queued as DROP_SHUTDOWN, frees everything. Buffers that did not come back are
 * reported on stderr: returns how many.
 */
unsigned int router_destroy(struct router *router);

struct rib *router_rib(struct router *router);
struct rcu *router_rcu(struct router *router);
/* Its packet filter tables; weir/netfilter.h. */
struct netfilter *router_netfilter(struct router *router);
uint64_t router_now(const struct router *router); /* ns: the TSC's live, virtual in replay */

/*
 * What workers have to say, gathered when router_poll is called: the router's event fd becomes readable when there is
 * something.
 */
struct router_events {
	void (*neighbour)(void *arg, uint32_t ifindex, uint8_t family, const struct ip_addr *addr,
		bool removed); /* changed its state */
	void (*link)(void *arg, struct port *port); /* carrier */
	/* A packet filter's LOG: the packet as a line, without its end; level as syslog(3)'s. NULL: on stderr. */
	void (*log)(void *arg, uint8_t level, const char *line);
	void *arg;
};
void router_set_events(struct router *router, const struct router_events *events);
int router_event_fd(const struct router *router);
void router_poll(struct router *router);

/* Settings with their Linux names (net.ipv4.*), plain ints that workers read as they go. */
struct router_settings {
	/*
	 * 1 in weir; what counts for a packet is `forwarding` of the port it came in by, which who sets this sets as
	 * well
	 */
	int ip_forward;
	int ip_default_ttl; /* 64 */
	int icmp_echo_ignore_all, icmp_echo_ignore_broadcasts; /* 0, 1 */
	int icmp_ratelimit, icmp_ratemask; /* ms, 1000; 6168 */
	int icmp_msgs_per_sec, icmp_msgs_burst; /* 1000, 50 */
	int ip_forward_use_pmtu; /* 0 */
	int fib_multipath_hash_policy; /* 0: layer 3, 1: layer 4 */
};
struct port_settings { /* net.ipv4.conf.NAME.*; the pseudo-ports `all` and `default` have one each */
	int forwarding, rp_filter, accept_source_route, log_martians, send_redirects, accept_redirects,
		secure_redirects, shared_media, proxy_arp, arp_ignore, arp_announce, arp_filter, arp_accept,
		bootp_relay, mc_forwarding, src_valid_mark, route_localnet, accept_local, drop_unicast_in_l2_multicast,
		promote_secondaries;
	/* net.ipv4.neigh.NAME.* */
	int mcast_solicit, ucast_solicit, app_solicit, retrans_time_ms, base_reachable_time_ms, delay_first_probe_time,
		gc_stale_time, unres_qlen, locktime, proxy_delay, proxy_qlen, anycast_delay;
};
struct router_settings *router_settings(struct router *router);
struct port_settings *router_settings_all(struct router *router);
struct port_settings *router_settings_default(struct router *router);
/*
 * net.core.default_qdisc: the kind that links have at the root from their first up on, and when what stands there is
 * deleted; with several transmit queues it is mq there, and this the kind of each queue. Linux's errors (ENOENT).
 */
const char *router_default_qdisc(const struct router *router);
int router_set_default_qdisc(struct router *router, const char *kind, struct error *err);

/* ---- ports ------------------------------------------------------------------------------------------------------- */

struct port_counters { /* one per worker and port; that worker is the only writer */
	uint64_t rx_packets, rx_bytes, rx_multicast;
	uint64_t tx_packets, tx_bytes;
	uint64_t generated; /* made here and routed to this port, extra fragments and copies included */
	uint64_t delivered; /* arrived on this port and consumed by the router itself */
	uint64_t bypassed; /* sent without passing the empty root qdisc's queue */
	/*
	 * a gauge: for a neighbour on this port, or for the rest of the datagram of which a fragment arrived on
	 * it
	 */
	uint64_t waiting;
	struct pkt_sink sink; /* drops by reason */
} __attribute__((aligned(64)));

struct port {
	/* read by workers */
	uint32_t ifindex;
	/*
	 * IFF_UP, IFF_RUNNING and IFF_LOWER_UP (carrier), IFF_NOARP, IFF_LOOPBACK, IFF_BROADCAST,
	 * IFF_MULTICAST, IFF_PROMISC
	 */
	uint32_t flags;
	uint32_t mtu;
	uint8_t mac[6];
	uint16_t owner; /* worker that runs its tree */
	const struct port_ops *ops;
	struct router *router;
	struct sched_tree *tree; /* its root qdisc and all below; never NULL */
	struct chain *ingress; /* of received packets; NULL: no ingress or clsact qdisc */
	struct chain *egress; /* of packets to be sent; NULL: no clsact qdisc */
	struct port_hook *hook; /* whose chains these are; NULL: none */
	struct port_counters *counters; /* [workers] */
	struct port_settings settings;
	bool bare; /* of the kind: no link layer */
	void *priv; /* of the kind */
	/* control's */
	char name[IF_NAMESIZE];
	char alias[256];
	uint8_t broadcast_mac[6];
	uint32_t tx_queue_len;
	uint32_t min_mtu, max_mtu;
	uint32_t peer; /* ifindex of a veth's other end, 0: none */
	uint32_t group;
	uint32_t tx_queues, rx_queues;
	bool was_hooked; /* has had an ingress or clsact qdisc: Linux answers otherwise then */
	/* has been up: its default root, or none (noqueue), is in place; before that Linux calls it noop */
	bool activated;
	uint64_t rate_Bps; /* the link's, 0: not known, never the bottleneck */
};

/*
 * A kind of port. Devices and captures are ports as dummy and veth are; a kind registers itself by PORT_REGISTER, and
 * control/route/link.c finds it by its name in IFLA_INFO_KIND.
 */
struct port_ops {
	const char *kind; /* "device", "capture", "loopback", "dummy", "veth" */
	bool is_virtual; /* `ip link add type KIND` may make it and `ip link del` remove it */
	bool reenters; /* what it sends comes back as received elsewhere in this router (loopback, veth) */
	/* its packets come from other ports of this router and go on there, where alone totals count them */
	bool stacked;
	bool bare; /* no link layer: what it is given starts with the network header */
	bool queues; /* has a default root qdisc (pfifo_fast); else noqueue: what is sent goes straight to xmit */
	uint16_t arphrd; /* ARPHRD_ETHER, ARPHRD_LOOPBACK */
	uint32_t default_flags, default_mtu;
	bool any_mtu; /* Linux bounds it not */
	uint32_t default_tx_queue_len; /* 0: 1000 */
	const char *const
		*summoned_as; /* names, NULL behind the last: there when somebody first names them; NULL: none */
	bool permanent; /* keeps its name and is never removed */
	int (*create)(struct port *port, const void *conf, struct error *err); /* conf is of the kind, below */
	void (*destroy)(struct port *port);
	int (*start)(struct port *port, struct error *err); /* IFF_UP was set */
	void (*stop)(struct port *port);
	int (*set_mtu)(struct port *port, uint32_t mtu, struct error *err); /* NULL: nothing to do */
	int (*set_mac)(struct port *port, const uint8_t mac[6], struct error *err);
	uint16_t (*receive)(
		struct port *port, uint16_t queue, struct rte_mbuf **pkts, uint16_t n); /* NULL: not polled */
	/*
	 * Has a queue with packets wake the worker that sleeps on epoll_fd (to be used by rte_epoll_ctl and the like),
	 * or no more. Control thread, while the port is started. false, NULL: it cannot; an idle worker then looks at
	 * it every 50 us.
	 */
	bool (*watch)(struct port *port, uint16_t queue, int epoll_fd, bool on);
	/* The worker is about to sleep, or awake again: the queue is to interrupt, or not. NULL: nothing to do. */
	void (*interrupt)(struct port *port, uint16_t queue, bool on);
	/*
	 * Sends or consumes the first of pkts, returns how many it took. `worker` is the calling worker's index. Those
	 * not taken are offered again.
	 */
	uint16_t (*xmit)(struct port *port, unsigned int worker, struct rte_mbuf **pkts, uint16_t n, uint64_t now);
	/* When xmit could take a packet: until then none leaves the port's tree. Its worker. NULL: always. */
	uint64_t (*room_at)(struct port *port, uint64_t now);
	bool (*carrier)(struct port *port); /* NULL: always */
};

void port_register(const struct port_ops *ops);
const struct port_ops *port_find_ops(const char *kind);

#define PORT_REGISTER(ops)                                                                                             \
	__attribute__((constructor)) static void port_register_##ops(void)                                             \
	{                                                                                                              \
		port_register(&(ops));                                                                                 \
	}

struct port_conf {
	const char *name;
	const char *kind;
	const uint8_t *mac; /* NULL: the device's, or made up (locally administered, from the seed in replay) */
	uint32_t mtu; /* 0: the kind's */
	uint32_t tx_queue_len; /* 0 and !tx_queue_len_set: 1000 */
	bool tx_queue_len_set;
	uint32_t ifindex; /* 0: the next free one */
	uint64_t rate_Bps; /* of the link; 0: the device's */
	const void *kind_conf;
};
struct device_conf {
	const char *devargs; /* as DPDK takes them: net_af_packet0,iface=veth1 */
	uint16_t rx_queues, tx_queues; /* 0: 1 */
	uint64_t pin; /* workers that may poll it, bit mask; 0: any */
};
struct capture_conf {
	const char *in, *out; /* files; NULL: none. `out` is opened when the first packet leaves */
	uint8_t snap; /* reserved, 0 */
};
struct veth_conf {
	const struct port_conf *peer; /* made with it */
};

int port_add(struct router *router, const struct port_conf *conf, struct port **port, struct error *err);
int port_remove(struct port *port,
	struct error *err); /* a veth's peer goes with it; what was queued is dropped as port_deleted */
struct port *port_find(const struct router *router, uint32_t ifindex);
struct port *port_find_name(const struct router *router, const char *name);
/* The same, and a port that is there as soon as somebody names it is made then. NULL: no such port (ENODEV). */
struct port *port_summon(struct router *router, const char *name, struct error *err);
/* In order of ifindex. */
int port_walk(const struct router *router, int (*visit)(void *arg, struct port *port), void *arg);

/* Each does all that follows from it: the device, the rib (rib_link_set), the tree (default root, MTU). */
int port_set_flags(
	struct port *port, uint32_t flags, uint32_t mask, struct error *err); /* IFF_UP, IFF_NOARP, IFF_PROMISC, ... */
int port_set_mtu(struct port *port, uint32_t mtu, struct error *err);
int port_set_mac(struct port *port, const uint8_t mac[6], struct error *err);
int port_set_name(struct port *port, const char *name,
	struct error *err); /* EBUSY? Linux allows it also while up since 6.1: see there */
int port_set_tx_queue_len(struct port *port, uint32_t packets, struct error *err);
/* The qdisc ffff:, "ingress" or "clsact", with empty chains; NULL: it goes, and its filters with it. */
int port_set_hook(struct port *port, const char *kind, struct error *err);
const char *port_hook_kind(const struct port *port); /* NULL: none */
void port_hook_stats(const struct port *port, struct sched_stats *stats);
/* tc's `est` of that qdisc, which is there: another one takes the place of the first and goes on from its averages. */
int port_estimate_hook(struct port *port, const struct tc_estimator *spec, struct error *err);
const struct tc_estimator *port_hook_estimator(const struct port *port); /* NULL: none */
struct sched_rate port_hook_rate(const struct port *port);
bool port_has_carrier(const struct port *port);
void port_counters_sum(const struct port *port, struct port_counters *sum);
/* Packets that its disciplines hold. */
uint32_t port_queued(const struct port *port);
/* Packets that wait for a neighbour on this port, in its rings and in tx. */
uint64_t port_waiting(const struct port *port);

/* Has fn(arg) run by the port's owner between two bursts, and waits (sched_host.run uses it). */
void port_run_at_owner(struct port *port, void (*fn)(void *arg), void *arg);

/* ---- neighbours -------------------------------------------------------------------------------------------------- */

struct neighbour_spec {
	uint32_t ifindex;
	uint8_t family;
	struct ip_addr addr;
	bool has_lladdr;
	uint8_t lladdr[6];
	uint16_t state; /* NUD_* */
	uint8_t flags; /* NTF_* */
	uint8_t protocol;
};
/* flags: CHANGE_CREATE, EXCLUSIVE, REPLACE (weir/change.h). Linux's errors (ENOENT, EEXIST, EINVAL). */
int router_neighbour_set(struct router *router, const struct neighbour_spec *spec, uint16_t flags, struct error *err);
int router_neighbour_delete(struct router *router, const struct neighbour_spec *spec, struct error *err);

/* ---- accounting -------------------------------------------------------------------------------------------------- */

struct router_totals {
	uint64_t received, generated, sent, delivered, dropped,
		queued; /* received + generated = sent + delivered + dropped + queued */
	uint64_t drops[DROP__COUNT];
};
/*
 * Exact in replay and while the workers are stopped; on a live router the six figures are read one after another. Ports
 * that were removed are included.
 */
void router_totals(struct router *router, struct router_totals *totals);

/* What a worker does in a loop, as `weir show workers` names it. */
#define WORKER_STAGES_LIST(X)                                                                                          \
	X(RECEIVE, "rx", "taking packets from devices")                                                                \
	X(PARSE, "parse", "headers checked, struct pkt filled")                                                        \
	X(INGRESS, "ingress", "filters at the ingress hook")                                                           \
	X(ROUTE, "route", "rules and tables asked")                                                                    \
	X(FORWARD, "forward", "what routes say carried out, link headers written; ARP, ICMP and the like")             \
	X(CLASSIFY, "classify", "filters of the egress tree")                                                          \
	X(HANDOVER, "handover", "to and from other workers and virtual ports")                                         \
	X(ENQUEUE, "enqueue", "into the trees")                                                                        \
	X(DEQUEUE, "dequeue", "out of the trees")                                                                      \
	X(TRANSMIT, "tx", "given to devices")                                                                          \
	X(OTHER, "other", "timers, commands, the loop itself")

enum worker_stage {
#define X(id, name, meaning) STAGE_OF_##id,
	WORKER_STAGES_LIST(X)
#undef X
		WORKER_STAGES
};

static inline const char *
worker_stage_name(enum worker_stage stage)
{
	static const char *const names[WORKER_STAGES] = {
#define X(id, name, meaning) name,
		WORKER_STAGES_LIST(X)
#undef X
	};
	return names[stage];
}

struct worker_info {
	unsigned int index, lcore;
	uint64_t loops, busy_loops, packets, sleeps;
	uint64_t cycles, busy_cycles;
	/* Of one busy loop in 64: its packets, and its cycles by stage. */
	uint64_t timed_packets, timed_cycles[WORKER_STAGES];
	uint32_t ports_owned, queues_polled;
	uint32_t queues_napping; /* of those polled: they cannot wake it, so that it looks every 50 us */
	bool spins; /* --poll busy: it never sleeps */
};
unsigned int router_workers(const struct router *router);
void router_worker_info(const struct router *router, unsigned int index, struct worker_info *info);
/* Names of the ports, at most n, whose queues cannot wake it; returns how many. */
unsigned int
router_worker_naps_for(const struct router *router, unsigned int index, const char **names, unsigned int n);

struct pool_info { /* of all pools together; there is one on each NUMA node that has a worker or a port */
	uint32_t pools, size, free, reserve;
};
void router_pool_info(const struct router *router, struct pool_info *info);

/* ---- replay ------------------------------------------------------------------------------------------------------ */

struct replay_script {
	uint64_t at_ns; /* since the first packet's timestamp... of virtual time, which starts with the first packet */
	const char *path;
};
struct replay_conf {
	const char *out_dir; /* made if missing; an earlier run's files in it are replaced or removed */
	bool packets; /* write packets.csv */
	const struct replay_script *scripts; /* sorted by time */
	size_t script_count;
	/* Runs a script to its end while serving the control socket; non-zero ends the replay with that status. */
	int (*run_script)(void *arg, const char *path);
	/*
	 * Called now and then, with the virtual time since the start and the packets received; true: stop (ECANCELED).
	 * NULL: not.
	 */
	bool (*progress)(void *arg, uint64_t elapsed_ns, uint64_t packets);
	void *arg;
};
/*
 * Runs the router, made with replay = true and its capture ports added and configured, until all is drained. Writes the
 * captures and report.json.
 */
int replay_run(struct router *router, const struct replay_conf *conf, struct error *err);
/* After the run: report.json, and the same for people, a line for each qdisc and class. */
void replay_write_report(struct router *router, FILE *to);
void replay_print_summary(struct router *router, FILE *to);

#endif
