/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The routing information base: rules, tables, nexthops, addresses and neighbours. "Where does it go?"
 *
 * The control thread is the only writer. Workers read by rib_lookup, rib_nexthop and neighbour_find, without locks,
 * between two RCU quiescent states. The module knows no device: what it must know of one (its index, whether it is up,
 * its MTU) it is told by rib_link_*. Behaviour is Linux's (ip-route(8), ip-rule(8), ip-address(8)); both families
 * everywhere.
 */
#ifndef WEIR_RIB_H
#define WEIR_RIB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/fib_rules.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <rte_prefetch.h>

#include <weir/address.h>
#include <weir/change.h>
#include <weir/error.h>
#include <weir/rcu.h>

struct rte_mbuf;
struct rib;
struct rib_route;
struct rib_rule;
struct rib_address;

/* What happened, for notifications; called in the control thread, after the change. Any member may be NULL. */
struct rib_events {
	void (*route)(void *arg, bool added, bool replaced, const struct rib_route *route);
	void (*rule)(void *arg, bool added, const struct rib_rule *rule);
	void (*address)(void *arg, bool added, const struct rib_address *address);
	void *arg;
};

/* rcu NULL: no concurrent readers. */
int rib_create(struct rcu *rcu, struct rib **rib, struct error *err);
void rib_destroy(struct rib *rib);
void rib_set_events(struct rib *rib, const struct rib_events *events);

/* ---- links ------------------------------------------------------------------------------------------------------- */

struct rib_link {
	uint32_t ifindex; /* below RIB_LINKS_MAX */
	char name[IF_NAMESIZE]; /* for messages */
	uint32_t flags; /* IFF_UP, IFF_RUNNING (carrier), IFF_LOOPBACK, IFF_NOARP, IFF_BROADCAST, IFF_POINTOPOINT */
	uint32_t mtu;
};

#define RIB_LINKS_MAX 65536

/*
 * Makes the link known or changes what is known of it. As in Linux: going down (IFF_UP cleared) removes the routes
 * through it but those of the local table's addresses, and its nexthops of multipath routes are marked dead; coming up
 * again restores the connected routes of its addresses and revives the nexthops; losing carrier marks them linkdown.
 * Events tell of each route.
 */
int rib_link_set(struct rib *rib, const struct rib_link *link, struct error *err);
void rib_link_remove(struct rib *rib, uint32_t ifindex); /* with its addresses, routes and neighbours */
const struct rib_link *rib_link_find(const struct rib *rib, uint32_t ifindex);

/* ---- addresses --------------------------------------------------------------------------------------------------- */

struct rib_address {
	uint32_t ifindex;
	uint8_t family;
	uint8_t prefix_length;
	uint8_t scope; /* RT_SCOPE_* */
	uint32_t flags; /* IFA_F_*: IFA_F_PERMANENT, IFA_F_SECONDARY (computed), IFA_F_NOPREFIXROUTE */
	uint32_t metric; /* of the connected route, 0: none */
	struct ip_addr local;
	struct ip_addr peer; /* IFA_ADDRESS: the peer on point-to-point, else equal to local */
	struct ip_addr broadcast; /* zero: none */
	char label[IF_NAMESIZE]; /* empty: the link's name */
};

/*
 * Adds the address and the routes that Linux makes for it: local /32 and broadcast in table local, the connected prefix
 * in main while the link is up. EEXIST if it is there. Removing a primary removes its secondaries with it
 * (promote_secondaries off).
 */
int rib_address_add(struct rib *rib, const struct rib_address *address, bool replace, struct error *err);
int rib_address_remove(struct rib *rib, const struct rib_address *address, struct error *err); /* EADDRNOTAVAIL */
/* In Linux's order of printing: per link in order of ifindex. Returns what visit returned if not 0. ifindex 0: all. */
int rib_address_walk(const struct rib *rib, uint32_t ifindex, uint8_t family,
	int (*visit)(void *arg, const struct rib_address *address), void *arg);
/*
 * The source address that Linux would choose on that link towards `to` (NULL: any): where the link has none, the first
 * of another that is valid beyond its own link. false: there is none either. Any thread, under RCU.
 */
bool rib_address_select(
	const struct rib *rib, uint32_t ifindex, uint8_t family, const struct ip_addr *to, struct ip_addr *source);
/* Is it one of this router's addresses (on ifindex, or 0: on any)? Any thread, under RCU. */
bool rib_address_is_local(const struct rib *rib, uint32_t ifindex, uint8_t family, const struct ip_addr *addr);
/*
 * What tells most IPv4 addresses from this router's at a glance: a bit for each hash that an address of the router has.
 * Good until the reader's next quiescent state.
 */
struct rib_local_filter {
	uint64_t bits[32];
};
const struct rib_local_filter *rib_local_filter(const struct rib *rib);

#define RIB_LOCAL_FACTOR 2654435761u /* by the golden ratio */
#define RIB_LOCAL_SHIFT  21

static inline uint32_t
rib_local_hash(rte_be32_t addr) /* multiplicative; 11 bits */
{
	return addr * RIB_LOCAL_FACTOR >> RIB_LOCAL_SHIFT;
}

/* False: certainly none of this router's. True: ask rib_address_is_local. */
static inline bool
rib_may_be_local(const struct rib_local_filter *filter, rte_be32_t addr)
{
	uint32_t hash = rib_local_hash(addr);

	return (filter->bits[hash / 64] >> hash % 64 & 1) != 0;
}

/* ---- routes ------------------------------------------------------------------------------------------------------ */

#define RIB_NEXTHOPS_MAX 64 /* of one multipath route */

struct rib_hop {
	uint8_t gateway_family; /* AF_UNSPEC: on link. An IPv4 route may have an IPv6 gateway (`via inet6`) */
	struct ip_addr gateway;
	uint32_t ifindex; /* 0: to be found from the gateway */
	uint8_t weight; /* as ip prints it: 1..256 is 0..255 here (rtnh_hops) */
	uint8_t flags; /* RTNH_F_ONLINK is taken; RTNH_F_DEAD, RTNH_F_LINKDOWN are reported */
	uint32_t realm; /* RTA_FLOW: to in the low 16 bits, from in the high */
};

#define RIB_METRICS (RTAX_MAX + 1)

struct rib_route {
	struct ip_prefix dst;
	uint32_t table; /* RT_TABLE_MAIN, ... */
	uint8_t tos;
	uint8_t protocol; /* RTPROT_* */
	uint8_t scope; /* RT_SCOPE_*; RT_SCOPE_NOWHERE in a delete: any */
	uint8_t type; /* RTN_UNICAST, LOCAL, BROADCAST, BLACKHOLE, UNREACHABLE, PROHIBIT, THROW, ... */
	uint32_t flags; /* RTM_F_* , RTNH_F_* of the only hop */
	uint32_t priority; /* metric */
	uint8_t prefsrc_set;
	struct ip_addr prefsrc;
	uint32_t metrics_set; /* bit RTAX_n: metrics[n] was given */
	uint32_t metrics[RIB_METRICS]; /* by RTAX_*; RTAX_LOCK is a bit mask */
	uint16_t hop_count; /* 0 for the types that need none, 1 usually */
	const struct rib_hop *hops; /* borrowed: the rib copies */
};

/* Flags: CHANGE_* (weir/change.h). Linux's errors and their texts:
 * "Nexthop has invalid gateway", "Nexthop device is not up" (ENETDOWN), EEXIST, ESRCH, ENETUNREACH, EINVAL... */
int rib_route_add(struct rib *rib, const struct rib_route *route, uint16_t flags, struct error *err);
/* Deletes the first that matches what is given (fib semantics of RTM_DELROUTE); ESRCH. */
int rib_route_delete(struct rib *rib, const struct rib_route *match, struct error *err);

struct rib_route_filter {
	uint8_t family; /* AF_UNSPEC: all */
	uint32_t table; /* RT_TABLE_UNSPEC: all */
	uint32_t ifindex; /* 0: all */
	uint8_t protocol, type; /* 0: all */
};

/* In Linux's dump order (table, then prefix, tos, metric). The route given to visit is valid during the call. */
int rib_route_walk(const struct rib *rib, const struct rib_route_filter *filter,
	int (*visit)(void *arg, const struct rib_route *route), void *arg);
bool rib_table_exists(const struct rib *rib, uint8_t family, uint32_t table);
/* Bytes that the table's routes and its lookup structure take; for `weir show tables`. */
struct rib_table_info {
	uint8_t family;
	uint32_t table;
	uint64_t routes;
	uint64_t route_bytes; /* the full routes */
	uint64_t lookup_bytes; /* the LPM */
};
int rib_table_walk(const struct rib *rib, int (*visit)(void *arg, const struct rib_table_info *info), void *arg);

/* ---- rules ------------------------------------------------------------------------------------------------------- */

struct rib_rule {
	uint8_t family;
	/* FR_ACT_TO_TBL, FR_ACT_BLACKHOLE, FR_ACT_UNREACHABLE, FR_ACT_PROHIBIT, FR_ACT_GOTO, FR_ACT_NOP */
	uint8_t action;
	bool invert; /* `not` */
	uint8_t tos;
	uint8_t protocol; /* FRA_PROTOCOL: who made it */
	uint32_t priority;
	bool priority_set; /* else: one less than that of the second rule, or 0, as in Linux; in a delete: any */
	uint32_t table;
	uint32_t go_to; /* FRA_GOTO: priority */
	struct ip_prefix src, dst; /* length 0: any; host bits are kept, shown and ignored, as in Linux */
	uint32_t mark, mark_mask; /* mask 0: any (a mark given without a mask has all ones: the codec's to fill in) */
	uint32_t realm; /* FRA_FLOW */
	char iif[IF_NAMESIZE],
		oif[IF_NAMESIZE]; /* empty: any; a name without a link is "detached" and matches nothing */
	uint8_t ip_protocol; /* 0: any */
	uint16_t sport_low, sport_high, dport_low, dport_high; /* host order; 0, 0: any */
	int32_t suppress_prefix_length; /* -1: none */
	/*
	 * uid_low..uid_high (FRA_UID_RANGE): what is forwarded is root's, as in Linux, so only a range with 0 matches
	 */
	bool uid_set;
	uint32_t uid_low, uid_high;
	/* reported by rib_rule_walk: FIB_RULE_IIF_DETACHED, FIB_RULE_OIF_DETACHED, FIB_RULE_UNRESOLVED */
	uint32_t flags;
};

int rib_rule_add(struct rib *rib, const struct rib_rule *rule, uint16_t flags,
	struct error *err); /* EEXIST with CHANGE_EXCLUSIVE */
/*
 * Deletes the first that has all that is given: action 0 (FR_ACT_UNSPEC), table 0, length 0 and the like match any.
 * ENOENT.
 */
int rib_rule_delete(struct rib *rib, const struct rib_rule *match, struct error *err);
int
rib_rule_walk(const struct rib *rib, uint8_t family, int (*visit)(void *arg, const struct rib_rule *rule), void *arg);

/* ---- lookup (any worker, under RCU) ------------------------------------------------------------------------------ */

struct rib_key {
	struct ip_addr dst, src; /* network order */
	uint32_t mark;
	uint32_t iif; /* ifindex; the loopback's (1) for what the router itself sends */
	uint32_t oif; /* 0: any */
	uint32_t flow_hash; /* chooses among multipath hops */
	uint8_t family;
	uint8_t dsfield;
	uint8_t ip_protocol;
	uint16_t sport, dport; /* host order; 0 where there are none */
};

/* The same for IPv4, in half a cache line: what the forwarding path asks with. */
struct rib_key4 {
	rte_be32_t src, dst;
	uint32_t mark;
	uint32_t iif; /* ifindex; the loopback's (1) for what the router itself sends */
	uint32_t oif; /* 0: any */
	rte_be16_t sport, dport; /* 0 where there are none */
	uint8_t dsfield;
	uint8_t ip_protocol;
	uint16_t unused;
	uint32_t flow_hash; /* chooses among multipath hops */
};

#define RIB_NEXTHOP_NONE 0 /* index 0 is never a nexthop */

struct rib_result {
	const struct rib_nexthop *hop; /* of that index, good until the reader's next quiescent state; NULL: none */
	uint32_t nexthop; /* index for rib_nexthop; RIB_NEXTHOP_NONE for types that have none */
	uint32_t realm; /* to (low 16) and, from the rule or the source, from (high 16) */
	uint8_t type; /* RTN_*; RTN_UNSPEC: no route */
	uint8_t scope;
	uint8_t prefix_length; /* of the route found */
	bool by_rule; /* a rule's action says so, no route */
	bool forwards; /* RTN_UNICAST by a hop that is there */
};

/* Answers a burst. keys and results are arrays of n. */
void rib_lookup(const struct rib *rib, const struct rib_key *keys, uint16_t n, struct rib_result *results);
void rib_lookup4(const struct rib *rib, const struct rib_key4 *keys, uint16_t n, struct rib_result *results);
/*
 * The fast one: answers[i] is where the result is, good until the reader's next quiescent state, but for prefix_length,
 * which is not told. Most are in the rib; own[i] is room for one that is the packet's alone.
 */
void rib_find4(const struct rib *rib, const struct rib_key4 *keys, uint16_t n, const struct rib_result **answers,
	struct rib_result *own);
/*
 * What a lookup reads first of a large table is not in the second-level cache: who knows an address early has it come
 * meanwhile. Good until the reader's next quiescent state.
 */
struct rib_ahead {
	const uint64_t *first; /* where there is no large table for whatever comes, something else of one element */
	uint32_t shift; /* up to 32 */
	bool direct; /* rib_find_direct is worth asking */
};
struct rib_ahead rib_look_ahead(const struct rib *rib);

/* dst: in host order. */
static inline void
rib_fetch4(const struct rib_ahead *ahead, uint32_t dst)
{
	rte_prefetch0(&ahead->first[(uint64_t)dst >> ahead->shift]);
}

/* Is there any route with a realm? Then a packet's source has one, too: that of the route back to it. */
bool rib_has_realms(const struct rib *rib);

/*
 * The short way, where rules that take everything lead to a table that has one answer for each: then nothing but the
 * destination matters.
 */
#define RIB_DIRECT_MAX 64 /* packets */

struct rib_pair4 { /* as they stand in a header */
	rte_be32_t src, dst;
};

/*
 * At most RIB_DIRECT_MAX; answers as rib_find4's. False: it is not so simple, and rib_find4 knows. *from_here: a source
 * may be an address of this router (rib_may_be_local).
 */
bool rib_find_direct(const struct rib *rib, const struct rib_pair4 *pairs, uint16_t n,
	const struct rib_result **answers, bool *from_here);

/* Is flow_hash of interest? False: no route has several hops. */
bool rib_has_multipath(const struct rib *rib);

/*
 * The route behind a lookup, for `ip route get`: control thread only. table and rule as Linux reports them.
 * -ENETUNREACH, -EACCES, ... by type.
 */
int rib_route_get(const struct rib *rib, const struct rib_key *key, struct rib_route *route, struct rib_hop *hop,
	struct error *err);

/* What a worker needs to forward by a hop: read-only, half a cache line of hot data. */
struct rib_nexthop {
	uint32_t ifindex;
	uint32_t mtu; /* of the route or else of the link; the least of both */
	uint8_t gateway_family; /* AF_UNSPEC: on link, the neighbour is the destination itself */
	bool mtu_locked;
	bool noarp; /* the link has no neighbours: the frame goes as it is */
	struct neighbour *neighbour; /* of the gateway, made with the nexthop; NULL on link */
	struct ip_addr gateway;
	struct ip_addr prefsrc; /* zero: by rib_address_select */
};

/* NULL if the index is of a nexthop that has gone (the packet waited too long): no_route. */
const struct rib_nexthop *rib_nexthop(const struct rib *rib, uint32_t index);

/* ---- neighbours -------------------------------------------------------------------------------------------------- */

/*
 * A neighbour's rewrite is published for workers: 14 bytes {destination MAC, source MAC (the port's)} that the fast
 * path stores in front of the IP header when `ready` is set. Everything else belongs to the worker that owns the egress
 * port (dataplane/neighbour.c runs the state machine of RFC 4861 7.3 / arp(7)); control reads it for dumps, and changes
 * it by a message to the owner.
 */
enum {
	NEIGHBOUR_UNRESOLVED = 0, /* packets go to the owner and wait */
	NEIGHBOUR_READY = 1, /* reachable, delay, probe, permanent, noarp */
	NEIGHBOUR_STALE = 2, /* lladdr is known, but the owner wants to see the next packet */
};

struct neighbour {
	/* hot: read by any worker */
	struct ip_addr addr;
	uint8_t family; /* this, ready and lladdr are one aligned word: written and read at once */
	uint8_t ready; /* NEIGHBOUR_*: is lladdr valid */
	uint8_t lladdr[6];
	uint32_t ifindex;
	uint32_t timer_slot; /* in the owner's heap of timers; 0: no timer runs */
	uint64_t used_ns; /* by the owner */
	/* cold: the owner's */
	uint8_t state; /* NUD_* */
	uint8_t flags; /* NTF_* */
	uint8_t probes;
	uint8_t protocol; /* RTPROT_*: who made it */
	uint8_t configured; /* by `ip neigh`: replay leaves it as it was said */
	uint16_t references; /* nexthops that point here */
	uint16_t waiting; /* packets in queue */
	uint64_t confirmed_ns, updated_ns;
	uint64_t timer_ns; /* when the state machine wants to run again; UINT64_MAX: never */
	struct rte_mbuf *queue_head, *queue_tail; /* first and last that wait, linked as dataplane/neighbour.c does */
};

#define NEIGHBOURS_MAX 16384

/* Finds under RCU, any worker; NULL if there is none. */
struct neighbour *neighbour_find(const struct rib *rib, uint32_t ifindex, uint8_t family, const struct ip_addr *addr);
/*
 * Finds or makes one in state NUD_NONE. Any thread (workers make them on first use: short spinlock, not on the fast
 * path); NULL: table full.
 */
struct neighbour *neighbour_make(struct rib *rib, uint32_t ifindex, uint8_t family, const struct ip_addr *addr);
/*
 * Control thread: unlinks it; freed after a grace period. -EBUSY while nexthops refer to it (then set its state to
 * NUD_FAILED instead) .
 */
int neighbour_remove(struct rib *rib, struct neighbour *neighbour);
/* Control thread; any order. */
int neighbour_walk(const struct rib *rib, uint32_t ifindex, uint8_t family,
	int (*visit)(void *arg, struct neighbour *neighbour), void *arg);

#endif
