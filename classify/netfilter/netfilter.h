/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of classify/netfilter/ share: kinds of matches and targets, a packet as rules see it, and a table as
 * it is compiled.
 */
#ifndef WEIR_CLASSIFY_NETFILTER_H
#define WEIR_CLASSIFY_NETFILTER_H

#include <netinet/in.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_ip.h>

#include <weir/netfilter.h>
#include <weir/netfilter/matches.h>
#include <weir/netfilter/targets.h>
#include <weir/random.h>

#include "../hash.h"
#include "../internal.h"
#include "../read.h"

/* ---- packets ------------------------------------------------------------------------------------ */

/*
 * All that a rule may ask for by equality, bit by bit: a rule is a mask and a value of this, and what else it asks.
 * Whether a field is there at all is said by `has`, which who asks for the field asks for, too.
 */
struct key_fields {
	rte_be32_t src, dst;
	rte_be16_t sport, dport; /* of TCP, UDP, UDP-Lite, SCTP, DCCP; else 0 */
	uint8_t protocol;
	uint8_t has; /* KEY_HAS_* */
	uint8_t first, second; /* TCP: its flags; ICMP: type and code; else 0 */
	uint32_t mark;
	uint8_t tos, ttl;
	uint16_t length; /* of the datagram, host order */
	char in[IF_NAMESIZE], out[IF_NAMESIZE];
};

enum {
	KEY_HAS_TRANSPORT = 1 << 0, /* no later fragment, and the transport's header is whole */
	KEY_LATER_FRAGMENT = 1 << 1,
};

#define KEY_WORDS (sizeof(struct key_fields) / sizeof(uint64_t))

struct key {
	union {
		struct key_fields f;
		uint64_t words[KEY_WORDS];
	};
};

_Static_assert(sizeof(struct key_fields) == 7 * sizeof(uint64_t), "no hole in it");

/* Numbers of a packet of which rules ask for ranges. */
enum axis { AXIS_NONE, AXIS_SPORT, AXIS_DPORT, AXIS_LENGTH, AXIS_SRC, AXIS_DST, AXES };

/* Both ends included, host order. */
struct range {
	uint32_t min, max;
};

#define RANGES_MAX NETFILTER_MULTIPORT_MAX /* of one rule */

static inline uint32_t
key_axis(const struct key *key, enum axis axis)
{
	switch (axis) {
	case AXIS_SPORT:
		return rte_be_to_cpu_16(key->f.sport);
	case AXIS_DPORT:
		return rte_be_to_cpu_16(key->f.dport);
	case AXIS_LENGTH:
		return key->f.length;
	case AXIS_SRC:
		return rte_be_to_cpu_32(key->f.src);
	default:
		return rte_be_to_cpu_32(key->f.dst);
	}
}

/* A range, or all but it, as ranges; returns how many: 0 to 2. */
static inline uint32_t
range_list(struct range range, uint32_t last, bool inverted, struct range *ranges)
{
	uint32_t n = 0;

	if (!inverted) {
		ranges[0] = range;
		return range.min <= range.max;
	}
	if (range.min > 0)
		ranges[n++] = (struct range){ 0, range.min - 1 };
	if (range.max < last)
		ranges[n++] = (struct range){ range.max + 1, last };
	return n;
}

#define TRANSPORT_MAX 20 /* bytes of the transport's header that are at hand */

struct packet {
	struct key key;
	const struct netfilter_ctx *ctx;
	struct rte_mbuf *m;
	struct rte_ipv4_hdr *ip;
	const uint8_t *transport; /* where it starts, or a copy */
	uint32_t transport_off; /* of the frame; meaningless for a later fragment */
	uint32_t transport_bytes; /* of the datagram behind its IP header */
	bool later; /* a later fragment: `transport` is none */
	/*
	 * Its transport header, or TCP's options, are cut off, or it is a fragment made to split TCP's header (RFC
	 * 1858): matches that want these drop the packet, so that rules must be asked one by one.
	 */
	bool odd;
	bool hopeless; /* a match could not ask it: the packet is to be dropped, whatever rules say */
	bool changed; /* a target has changed what the key has, and the key with it */
	uint8_t copy[TRANSPORT_MAX];
};

/* Does its header begin with ports? */
bool protocol_has_ports(uint8_t protocol);
/* Fills all but the key's names, which are the same for all of a burst. */
void packet_view(struct packet *p, const struct netfilter_ctx *ctx, struct rte_mbuf *m);
/* Copies n bytes from `at` on (of the datagram's transport); false: there are not so many. */
bool packet_read_transport(const struct packet *p, uint32_t at, void *bytes, uint32_t n);

/* ---- changes to packets: packet_change.c; all keep checksums right --------------------------------- */

/* Who changes a header says so: the packet is checked anew where that matters. */
void packet_header_changed(struct packet *p);
void packet_set_tos(struct packet *p, uint8_t tos);
void packet_set_ttl(struct packet *p, uint8_t ttl);
void packet_set_mark(struct packet *p, uint32_t mark);
/* Writes n bytes, at most 64, of TCP's header or data from `at` on, which are there and do not hold its checksum. */
void packet_write_tcp(struct packet *p, uint32_t at, const void *bytes, uint32_t n);
/*
 * Makes the datagram longer by n bytes, an even number, behind its end, which are zero; the transport's checksum is
 * told of its length. false: no room.
 */
bool packet_extend_tcp(struct packet *p, uint16_t n);

/* ---- kinds --------------------------------------------------------------------------------------- */

/* Where an extension stands, for its check. */
struct place {
	enum netfilter_table_id table;
	uint32_t hooks; /* from which packets may come to it: bits 1 << hook; 0: none does */
	uint32_t rule;
	const struct netfilter_rule_spec *spec;
	struct netfilter *netfilter;
};

/* What an extension's protocol may be; 0 ends. Rules with it must have the selector, not inverted. */
#define PROTOCOLS_MAX 6

struct match_ops {
	const char *kind;
	size_t size; /* of its private state */
	uint8_t protocols[PROTOCOLS_MAX]; /* all 0: any */
	uint32_t hooks; /* where it may stand; 0: everywhere */
	/*
	 * It counts or draws lots: it is to be asked when and only when all before it said yes. A match without state
	 * may be asked at any time, or not at all if its key says the same.
	 */
	bool stateful;
	/* Fills priv, which is zero. NULL: conf is not looked at. */
	int (*init)(void *priv, const void *conf, const struct place *place, struct error *err);
	bool (*match)(void *priv, struct packet *p);
	/*
	 * For who shares something with other rules, by name; NULL: nobody. Control thread; also where init refused.
	 * retire: workers may still come to it for a while, but the name no longer counts it; destroy: it goes.
	 */
	void (*retire)(void *priv, struct netfilter *netfilter);
	void (*destroy)(void *priv);
	/*
	 * What of it is a matter of bits of the key: mask and value, which are zero, get it. true: that is all of it.
	 * NULL: nothing. Not asked of packets that are `odd`.
	 */
	bool (*select)(const void *priv, struct key *mask, struct key *value);
	/*
	 * Ranges of a number of the packet outside of which it does not hold; what else it asks is asked by calling it.
	 * Returns how many, at most RANGES_MAX; AXIS_NONE: it has none such. NULL: never.
	 */
	uint32_t (*ranges)(const void *priv, enum axis *axis, struct range *ranges);
};

struct target_ops {
	const char *kind;
	size_t size;
	uint8_t protocols[PROTOCOLS_MAX];
	uint32_t tables; /* where it may stand: bits 1 << table; 0: everywhere */
	uint32_t hooks;
	int (*init)(void *priv, const void *conf, const struct place *place, struct error *err);
	enum netfilter_verdict (*act)(void *priv, struct packet *p); /* CONTINUE, ACCEPT or DROP */
};

void match_register(const struct match_ops *ops);
void target_register(const struct target_ops *ops);
const struct match_ops *match_find(const char *kind);
const struct target_ops *target_find(const char *kind);

#define MATCH_REGISTER(ops)                                                                                            \
	__attribute__((constructor)) static void match_register_##ops(void)                                            \
	{                                                                                                              \
		match_register(&(ops));                                                                                \
	}
#define TARGET_REGISTER(ops)                                                                                           \
	__attribute__((constructor)) static void target_register_##ops(void)                                           \
	{                                                                                                              \
		target_register(&(ops));                                                                               \
	}

/* A number below 2^32 from the worker's generator. */
static inline uint32_t
random32(const struct netfilter_ctx *ctx)
{
	return (uint32_t)(random_shift(ctx->random) >> 32);
}

/* ---- a table ------------------------------------------------------------------------------------- */

/* One word of a key that is compared. */
struct compare {
	uint64_t mask, value;
	uint32_t word;
};

/* A match that is called. */
struct call {
	bool (*match)(void *priv, struct packet *p);
	void *priv;
};

struct list { /* a part of one of the table's arrays */
	uint32_t at, n;
};

struct rule {
	struct list compares; /* all that is a matter of bits */
	struct list calls; /* what is left then */
	enum netfilter_verdict verdict;
	uint32_t target_rule; /* JUMP, GOTO */
	enum netfilter_verdict (*act)(void *priv, struct packet *p); /* EXTENSION */
	void *priv;
	uint32_t segment;
	/* The same rule, asked in the order in which it is written: its selector, then each match. */
	struct list plain_compares, plain_calls;
};

/* A key with its rules, ascending; `at` in the table's `lists`, ended by RULE_NONE. */
struct slot {
	uint32_t hash, at; /* at SLOT_FREE: none */
};

/*
 * What a slot's `at` leads to: the words of the key, each as two, the lower half first; then a list: how many rules,
 * the rules, RULE_NONE. Or, where many rules ask for ranges of one number, LIST_SPLIT and how many intervals, the axis,
 * where each interval begins, and where the list of each interval is, of the first kind: of the rules that may match
 * there.
 */
#define RULE_NONE  UINT32_MAX
#define LIST_SPLIT (1u << 31)
#define SLOT_FREE  UINT32_MAX

/* The rules of a segment that ask for the same bits: found by their values. */
struct probe {
	struct list masks; /* in the table's compares; values are not looked at */
	uint32_t lowest, highest; /* rules */
	uint32_t slot_mask; /* slots less one, a power of two */
	uint32_t slots; /* in the table's `slots` */
	/*
	 * Bits that the hashes of its keys name, by their upper bits, in the table's `filters`: few packets that no
	 * rule of it is for find theirs set.
	 */
	uint32_t filter, filter_shift;
};

#define FILTER_BITS_A_SLOT 32

#define PROBES_MAX 16

/*
 * Rules that a packet goes through from one that jumps, hooks and returns may lead to, until the next such one: it is
 * searched as a whole. Packets that no rule of it decides go on with the next segment.
 */
struct segment {
	uint32_t first, end;
	uint32_t n_probes; /* 0: rules are asked one by one */
	uint32_t probes; /* in the table's `probes` */
	struct list loose; /* in the table's `lists`: rules that are in no probe, ascending, and RULE_NONE */
};

struct hook_chain {
	bool present;
	bool only_policy; /* its first rule is its policy, and accepts */
	bool hashed; /* all rules in front of its policy are in probes of one segment */
	uint32_t first, policy;
};

/* A match that retires. */
struct sharer {
	const struct match_ops *ops;
	void *priv;
};

struct table {
	enum netfilter_table_id id;
	uint32_t n_rules;
	struct rule *rules;
	struct compare *compares;
	struct call *calls;
	struct segment *segments;
	struct probe *probes;
	struct slot *slots;
	uint64_t *filters;
	uint32_t *lists;
	struct hook_chain hooks[NETFILTER_HOOKS];
	unsigned int workers;
	/* [workers + 1][n_rules]: each worker's, the last control's; each a run of cache lines of its own */
	struct netfilter_counter **counters;
	/* control's: what is to be freed */
	void **privs;
	uint32_t n_privs;
	struct sharer *sharers;
	uint32_t n_sharers;
	void *origin;
};

struct netfilter {
	struct table *tables[NETFILTER_TABLES]; /* published; NULL: not loaded */
	uint32_t active; /* hooks at which any has a chain */
	struct rcu *rcu;
	unsigned int workers;
	uint64_t seed;
	struct hashlimit_table *hashlimits; /* those that rules name */
	uint32_t hashlimit_entries; /* their entries at most */
};

/* flow.c: of which hooks packets come to each rule (bits), hooks[spec->n_rules]. ELOOP, EINVAL. */
int check_flow(const struct netfilter_table_spec *spec, uint32_t *hooks, struct error *err);
/* Does it match every packet? */
bool rule_is_unconditional(const struct netfilter_rule_spec *spec);
/* Does no packet come to the rule behind it? */
bool rule_is_final(const struct netfilter_rule_spec *spec);

/* compile.c: all of a table but its counters; -errno, and nothing is left behind. */
int
compile_table(struct netfilter *nf, const struct netfilter_table_spec *spec, struct table **made, struct error *err);
/* Workers are told of it no longer: what it shares by name is others' alone. */
void retire_table(struct table *table, struct netfilter *nf);
void free_table(struct table *table);

/* The masked words of a key, and their hash, for who fills slots and who asks them. */
static inline uint32_t
key_hash(const struct key *key, const struct compare *masks, uint32_t n, uint64_t masked[KEY_WORDS])
{
	uint64_t h = UINT64_C(0x243f6a8885a308d3); /* digits of pi */

	for (uint32_t i = 0; i < n; i++) {
		masked[i] = key->words[masks[i].word] & masks[i].mask;
		h = hash_word_folded(h, masked[i]);
	}
	return (uint32_t)h;
}

#endif
