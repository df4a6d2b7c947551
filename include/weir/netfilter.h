/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packet filter tables: iptables' raw, mangle and filter for IPv4; iptables(8), iptables-extensions(8).
 *
 * A table is described by control as one array of rules, the way of the legacy binary interface
 * (linux/netfilter_ipv4/ip_tables.h): chains lie one behind the other, a packet that a rule does not decide goes on
 * with the next index, and a jump names the index of the first rule of a chain. The description is checked, compiled
 * and published under RCU; it may be freed then. Rule i keeps its index: counters are asked for by it.
 *
 *      control                                             dataplane (workers)
 *      netfilter_replace(nf, spec) -- compiles --> table --+--> netfilter_run(nf, ctx, pkts, n) at each hook
 *      netfilter_counters(nf, table) <--- sums, by index --+
 */
#ifndef WEIR_NETFILTER_H
#define WEIR_NETFILTER_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/error.h>
#include <weir/packet.h>
#include <weir/rcu.h>

/* In the order in which they are asked where several have chains at a hook. */
enum netfilter_table_id { NETFILTER_RAW, NETFILTER_MANGLE, NETFILTER_FILTER, NETFILTER_TABLES };

/* Numbered as linux/netfilter.h's NF_INET_*. */
enum netfilter_hook {
	NETFILTER_PREROUTING,
	NETFILTER_INPUT,
	NETFILTER_FORWARD,
	NETFILTER_OUTPUT,
	NETFILTER_POSTROUTING,
	NETFILTER_HOOKS
};

/* "raw", "mangle", "filter" */
const char *netfilter_table_name(enum netfilter_table_id table);
/* At which hooks it has chains: bit 1 << hook. */
uint32_t netfilter_table_hooks(enum netfilter_table_id table);
/* "PREROUTING" and so on */
const char *netfilter_hook_name(enum netfilter_hook hook);

/* ---- a table's description ---------------------------------------------------------------------- */

/* selector.invert: that part must not match (the bits of IPT_INV_*) */
enum {
	NETFILTER_NOT_IN = 1 << 0,
	NETFILTER_NOT_OUT = 1 << 1,
	NETFILTER_NOT_TOS = 1 << 2, /* unused, as on Linux */
	NETFILTER_NOT_SRC = 1 << 3,
	NETFILTER_NOT_DST = 1 << 4,
	NETFILTER_NOT_FRAGMENT = 1 << 5,
	NETFILTER_NOT_PROTOCOL = 1 << 6,
};

/* What every rule may ask of a packet; all zero: any packet. */
struct netfilter_selector {
	rte_be32_t src, src_mask, dst, dst_mask;
	/*
	 * Names of ports and which bits of them count, as the blob has them: "eth0" with 5 bytes of 0xff is eth0,
	 * "eth+" is "eth" with 3 bytes of 0xff, an empty mask any. Bytes that the mask leaves out are ignored.
	 */
	char in[IF_NAMESIZE], out[IF_NAMESIZE];
	uint8_t in_mask[IF_NAMESIZE], out_mask[IF_NAMESIZE];
	uint8_t protocol; /* 0: any */
	bool fragment; /* -f: second and further fragments only */
	uint8_t invert; /* NETFILTER_NOT_* */
};

struct netfilter_match_spec {
	const char *kind; /* "tcp": see weir/netfilter/matches.h */
	const void *conf; /* struct netfilter_KIND_conf */
};

/* What becomes of a packet that a rule matches. */
enum netfilter_verdict {
	NETFILTER_CONTINUE, /* no target: it is counted and goes on with the next rule */
	NETFILTER_ACCEPT,
	NETFILTER_DROP,
	NETFILTER_RETURN, /* to the rule after the jump that led here; in a built-in chain: its policy */
	NETFILTER_JUMP, /* to `rule`, and back by RETURN */
	NETFILTER_GOTO, /* to `rule`; RETURN goes to where the chain that said goto would return to */
	NETFILTER_EXTENSION, /* a target by kind, which gives the verdict itself */
	/* the head of a user's chain (ERROR target), jumped over: no packet comes here; name in `kind` or NULL */
	NETFILTER_ERROR,
};

struct netfilter_target_spec {
	enum netfilter_verdict verdict;
	uint32_t rule; /* JUMP, GOTO: an index */
	const char *kind; /* EXTENSION: "MARK": see weir/netfilter/targets.h */
	const void *conf; /* EXTENSION: struct netfilter_KIND_conf of targets.h */
};

struct netfilter_counter {
	uint64_t packets, bytes; /* bytes from the IP header on */
};

struct netfilter_rule_spec {
	struct netfilter_selector selector;
	const struct netfilter_match_spec *matches; /* asked in order */
	uint32_t n_matches;
	struct netfilter_target_spec target;
	struct netfilter_counter counter; /* what it starts with */
};

struct netfilter_table_spec {
	enum netfilter_table_id table;
	const struct netfilter_rule_spec *rules;
	uint32_t n_rules;
	/* Of the hooks of netfilter_table_hooks: index of the first rule of the built-in chain, and of its policy. */
	uint32_t first[NETFILTER_HOOKS], policy[NETFILTER_HOOKS];
	/*
	 * Control's own form of the table (malloc'd): kept with it and freed when it goes. Not taken where it is
	 * refused.
	 */
	void *origin;
};

#define NETFILTER_RULES_MAX (1u << 20)
#define NETFILTER_DEPTH_MAX 128 /* jumps within jumps */

/* ---- what control/ uses ------------------------------------------------------------------------- */

/* The tables of a router; none is loaded at first. */
struct netfilter;

/* NULL: memory is out. `workers` have counters of their own. The seed is that of hashes. */
struct netfilter *netfilter_create(struct rcu *rcu, unsigned int workers, uint64_t seed);
void netfilter_destroy(struct netfilter *nf);

/*
 * Checks, compiles and publishes. Errors as Linux, with a sentence that names the rule (from 1 on, as `iptables -L
 * --line-numbers` cannot: by index in the array) and the kind: ENOENT (unknown match or target), EINVAL (a target in a
 * table or at a hook where it may not stand, a match without its protocol, a bad value), ELOOP (chains that jump in a
 * circle or too deep), E2BIG, ENOMEM. Nothing has changed then. `old`, if not NULL, has room for the rules that the
 * table had, and gets their last counts: exact, no packet is counted there any more.
 */
int netfilter_replace(struct netfilter *nf, const struct netfilter_table_spec *spec, struct netfilter_counter *old,
	struct error *err);
/* The table is as if it had never been loaded. */
void netfilter_unload(struct netfilter *nf, enum netfilter_table_id table);
bool netfilter_is_loaded(const struct netfilter *nf, enum netfilter_table_id table);
/* The `origin` that it was described with. NULL: not loaded, or it had none. */
void *netfilter_origin(const struct netfilter *nf, enum netfilter_table_id table);
/* Fills sums, one for each of the rules that it was described with. */
void netfilter_counters(const struct netfilter *nf, enum netfilter_table_id table, struct netfilter_counter *sums);
/* Adds to rule i what add[i] says (modulo 2^64): IPT_SO_SET_ADD_COUNTERS. */
void netfilter_add_counters(struct netfilter *nf, enum netfilter_table_id table, const struct netfilter_counter *add);

/* ---- what dataplane/ uses ----------------------------------------------------------------------- */

/* What LOG saw of a packet: 14 bytes of link header, and from the IP header on what its line may speak of. */
#define NETFILTER_LOG_BYTES 156 /* an ICMP error, and the two headers that it quotes */
struct netfilter_log {
	char in[IF_NAMESIZE], out[IF_NAMESIZE];
	char prefix[30];
	uint8_t level; /* as syslog(3)'s */
	uint8_t flags; /* NF_LOG_* */
	bool has_link;
	uint8_t link[14];
	uint16_t bytes; /* of packet */
	uint16_t length; /* the packet's from its IP header on */
	uint32_t mark;
	uint8_t packet[NETFILTER_LOG_BYTES];
};
/* The line that Linux would log; control thread. */
void netfilter_log_line(const struct netfilter_log *log, char *line, size_t size);

/* What extensions ask of the router that runs them; each may be NULL in tests: then nothing is done. */
struct netfilter_host {
	/* Tells the sender: a TCP reset, or an ICMP destination unreachable with this code. m stays the caller's. */
	void (*reject)(void *arg, struct rte_mbuf *m, enum netfilter_hook hook, bool tcp_reset, uint8_t icmp_code);
	/* The least MTU of the way to m's destination and of the way back to its source; 0: not known. */
	uint32_t (*path_mtu)(void *arg, const struct rte_mbuf *m);
	/* Something for the log: copied or lost, never waited for. */
	void (*log)(void *arg, const struct netfilter_log *log);
	void *arg;
};

/* Where and when packets are asked about. Names are those of ports: 16 bytes, padded with zeros; NULL: no such port. */
struct netfilter_ctx {
	enum netfilter_hook hook;
	unsigned int worker; /* index: picks the worker's own counters */
	uint64_t now;
	uint64_t *random; /* state of the worker's generator: random_shift */
	const char *in, *out;
	const struct netfilter_host *host;
};

/* Has any loaded table a chain at the hook? One load. */
static inline bool
netfilter_is_active(const uint32_t *active, enum netfilter_hook hook)
{
	return (__atomic_load_n(active, __ATOMIC_RELAXED) & 1u << hook) != 0;
}
/* The word that netfilter_is_active reads; it stays where it is as long as nf does. */
const uint32_t *netfilter_active(const struct netfilter *nf);

#define NETFILTER_BURST 64

/*
 * Asks the tables `tables` (bits 1 << id) that have a chain at the hook, in order, about n packets, at most
 * NETFILTER_BURST: IPv4, header checked, struct pkt filled. Bit i of the answer: pkts[i] may go on; the others are the
 * caller's to drop. Headers, marks and priorities may have been changed; what was PKT_PLAIN and has a changed header is
 * so no longer.
 */
uint64_t netfilter_run(const struct netfilter *nf, const struct netfilter_ctx *ctx, uint32_t tables,
	struct rte_mbuf **pkts, uint16_t n);

#endif
