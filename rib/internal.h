/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of rib/ share. Only the parts marked "readers" are looked at by workers. */
#ifndef WEIR_RIB_INTERNAL_H
#define WEIR_RIB_INTERNAL_H

#include <string.h>

#include <rte_spinlock.h>

#include <weir/rib.h>

#include "flat.h"
#include "lpm.h"
#include "memory.h"
#include "store.h"

/* A key is compared by words of 32 bits: a struct rib_key4 is 8 of them, a struct rib_key 14. */
#define RIB_KEY4_WORDS 8
#define RIB_KEY_WORDS  14

_Static_assert(sizeof(struct rib_key4) == RIB_KEY4_WORDS * 4 && sizeof(struct rib_key) == RIB_KEY_WORDS * 4, "no more");

#define PAGE_BITS  10
#define PAGE_ITEMS (1u << PAGE_BITS)
#define PAGE_MASK  (PAGE_ITEMS - 1)

/* ---- nexthops (nexthop.c) ---- */

#define NEXTHOP_SLOT_BITS 22 /* the rest of an index is the slot's generation, so that an old index is known */
#define NEXTHOP_PAGES     (1u << (NEXTHOP_SLOT_BITS - PAGE_BITS))

struct nexthop_slot {
	struct rib_nexthop hot;
	uint32_t index; /* the valid one; 0: free. readers */
	/* the writer's */
	uint32_t references;
	uint32_t route_mtu; /* 0: the link's */
	uint32_t next; /* slot, in its hash bucket or the free list */
	uint32_t hash;
};

/* What a nexthop is made from; equal content is shared. */
struct nexthop_spec {
	uint32_t ifindex, mtu;
	bool mtu_locked;
	uint8_t gateway_family;
	struct ip_addr gateway, prefsrc;
};

struct nexthops {
	struct nexthop_slot *pages[NEXTHOP_PAGES]; /* readers */
	uint32_t used, free; /* slots taken from the front; head of the free list */
	uint32_t *buckets;
	uint32_t bucket_count, count;
};

/* 0 if there are too many. */
uint32_t nexthop_get(struct rib *rib, const struct nexthop_spec *spec);
void nexthop_put(struct rib *rib, uint32_t index);
void nexthops_link_changed(struct rib *rib, const struct rib_link *link);
void nexthops_destroy(struct rib *rib);

/* ---- what routes share (info.c) ---- */

#define INFO_PAGES (1u << (LPM_NUMBER_BITS - PAGE_BITS))

/* One of several hops, chosen by a hash in its range (hash-threshold, RFC 2992). */
struct group_member {
	uint32_t upper; /* the last hash value that is this one's */
	uint32_t nexthop, realm;
};

struct group {
	uint16_t count;
	struct group_member members[];
};

/* What a lookup's number leads to. readers */
struct target {
	struct rib_result result; /* by the only hop or else the first; the prefix's length is the value's to say */
	const struct group *group; /* NULL: one hop */
};

_Static_assert(sizeof(struct target) == 32, "two targets a cache line");

struct info {
	uint32_t references, next, hash;
	uint32_t flags, metrics_set;
	uint8_t family, type, scope, protocol, prefsrc_set;
	uint16_t hop_count;
	struct ip_addr prefsrc;
	uint32_t *metrics; /* RIB_METRICS of them, NULL if none is set */
	uint32_t *nexthops; /* of the hops, in their order */
	struct rib_hop hops[];
};

struct infos {
	struct target *pages[INFO_PAGES]; /* readers */
	struct info **items; /* by number */
	uint32_t used, room, free_count, free_room;
	uint32_t *free; /* numbers */
	uint32_t *buckets;
	uint32_t bucket_count, count;
	uint32_t groups; /* targets with several hops. readers */
	uint32_t realms; /* infos of routes with a realm. readers */
	uint64_t bytes;
};

/* The number of the info with that content (hops resolved), with a reference more; 0 if there are too many. */
uint32_t info_get(struct rib *rib, const struct rib_route *route);
void info_put(struct rib *rib, uint32_t number);
/* Publishes the hops' changed state (RTNH_F_DEAD, RTNH_F_LINKDOWN). */
void info_publish(struct rib *rib, uint32_t number);
void infos_destroy(struct rib *rib);

static inline const struct target *
target_in(struct target *const *pages, uint32_t number)
{
	return &pages[number >> PAGE_BITS][number & PAGE_MASK];
}

static inline const struct target *
target_of(const struct infos *infos, uint32_t number)
{
	return target_in(infos->pages, number);
}

/* ---- tables (table.c) ---- */

/* Routes with a tos have a trie a tos: a lookup asks that and the one for any tos. readers */
struct tos_lpms {
	uint32_t count;
	struct {
		struct lpm *lpm;
		uint8_t tos;
	} of[];
};

struct table {
	struct flat *flat; /* the same as lpm, for few IPv4 routes; NULL: too many, or none. readers */
	struct lpm *lpm; /* tos 0; NULL: no such routes. readers */
	struct tos_lpms *by_tos; /* NULL: none. readers */
	struct store store;
	uint32_t id;
	uint8_t family;
	bool exists; /* else only a rule names it */
	uint32_t prefixes; /* in lpm */
	uint32_t sequence; /* order of creation */
	struct table *next; /* in its hash bucket */
} __rte_cache_aligned;

/* The flat form of a table, if that tells all. */
static inline const struct flat *
table_flat(const struct table *table)
{
	const struct flat *flat = __atomic_load_n(&table->flat, __ATOMIC_ACQUIRE);

	return __atomic_load_n(&table->by_tos, __ATOMIC_RELAXED) == NULL ? flat : NULL;
}

#define TABLE_BUCKETS 256 /* by the low byte of the number: Linux's order of dumping too */

#define TABLES_IN_BLOCK 31

struct table_block {
	struct table_block *next;
	uint32_t used;
	struct table tables[TABLES_IN_BLOCK];
};

struct tables {
	struct table *buckets[2][TABLE_BUCKETS]; /* newest first */
	struct table_block *blocks; /* where they are */
	struct flat_pool flats;
};

struct table *table_find(const struct rib *rib, uint8_t family, uint32_t id);
struct table *table_get(struct rib *rib, uint8_t family, uint32_t id);
/*
 * The trie's value for the prefix follows its first entry of that tos: call after any change of the prefix's
 * entries.
 */
void table_refresh(struct rib *rib, struct table *table, struct lpm_key key, uint8_t length, uint8_t tos);
void tables_destroy(struct rib *rib);

/* Control thread: the best route to dst through oif (0: any) whose scope is `scope` at least. NULL: none. */
const struct entry *table_search(const struct rib *rib, const struct table *table, struct lpm_key dst, uint8_t tos,
	uint32_t oif, uint8_t scope, uint16_t *hop);

/* ---- rules (rule.c, ruleset.c) ---- */

struct ruleset;
struct selectors;

/*
 * Which words of a key a rule compares, and how: rules of one shape are told apart by a hash of what is left of the
 * key.
 */
struct shape_words {
	uint32_t count;
	struct {
		uint32_t at, mask;
	} word[RIB_KEY_WORDS];
};

/* Rules that are in no shape's hash table. */
enum {
	SHAPE_NEVER = UINT32_MAX, /* matches nothing */
	SHAPE_ALL = UINT32_MAX - 1, /* matches all */
	SHAPE_OTHER = UINT32_MAX - 2, /* its selectors must be tried: inverted, or of port ranges only */
};

/* A rule, and what the compiler must know of it: made once, so that compiling is a matter of microseconds. */
struct rule_item {
	struct rib_rule *rule;
	const struct table *table; /* of a rule that looks one up */
	struct selectors *selectors;
	uint32_t hash; /* of its words, by shape */
	uint32_t shape; /* index in rules->shapes, or SHAPE_* */
};

struct rules {
	struct rule_item *list; /* by priority */
	uint32_t count, room;
	struct rule_shape {
		struct shape_words words;
		uint32_t members; /* 0: free */
	} * shapes;
	uint32_t shape_count;
	uint32_t walked_per_shape; /* rules, at most; set once */
	struct ruleset *compiled; /* readers */
};

/* ruleset.c */
void rule_item_make(struct rib *rib, struct rib_rule *rule, struct rule_item *item);
/*
 * The item is about to go or to be made anew. Readers may see its selectors until a grace period after the next
 * compilation.
 */
void rule_item_leave(struct rules *rules, const struct rule_item *item);
/* Publishes the list. */
void rules_compile(struct rib *rib, uint8_t family);
void ruleset_free(void *ruleset);

/* rule.c */
/* A link's name has come or gone: rules that name it change. */
void rules_link_changed(struct rib *rib);
void rules_destroy(struct rib *rib);
int rules_set_defaults(struct rib *rib, struct error *err);
/* The index of the first rule of that priority or, if there is none, of a greater one. */
uint32_t rules_at_priority(const struct rules *rules, uint32_t priority);
/* The tos that rules and routes are compared with. */
uint8_t lookup_tos(uint8_t family, uint8_t dsfield);

struct rule_answer {
	const struct rib_rule *rule;
	const struct table *table;
	const struct entry *entry;
	uint16_t hop;
};

/* Control thread: walks the rules as they are written. 0, or the errno of what refused it. */
int rules_search(const struct rib *rib, const struct rib_key *key, uint8_t scope, struct rule_answer *answer);

/* ---- addresses (address.c, address_view.c) ---- */

struct address_view;

struct address_list {
	struct rib_address **items; /* by ifindex, then in Linux's order */
	uint32_t count, room;
	struct address_view *view; /* readers */
};

void addresses_publish(struct rib *rib);
void addresses_destroy(struct rib *rib);
void addresses_link_up(struct rib *rib, const struct rib_link *link);
void addresses_link_down(struct rib *rib, const struct rib_link *link);
void addresses_link_removed(struct rib *rib, uint32_t ifindex);

/* ---- routes (route.c, route_check.c, route_dump.c, link.c) ---- */

/*
 * Checks the route and completes a copy of it (hops resolved, metrics clamped, host bits of IPv6 cleared). `hops`
 * has room for RIB_NEXTHOPS_MAX.
 */
int route_check(const struct rib *rib, const struct rib_route *given, struct rib_route *route, struct rib_hop *hops,
	struct error *err);
/* Fills *route from an entry; hops and metrics are borrowed from the info. */
void route_fill(const struct rib *rib, const struct table *table, const struct entry *entry, struct rib_route *route);
/* Deletes the routes for which `dead` says so, with events. */
void routes_delete_if(struct rib *rib,
	bool (*dead)(const struct rib *rib, const struct table *table, const struct entry *entry, const void *arg),
	const void *arg);
/* Adds without the defaults that a user's route gets. */
int route_put(struct rib *rib, const struct rib_route *route, uint16_t flags, struct error *err);
void route_erased(struct rib *rib, struct table *table, const struct entry *entry);

/* ---- neighbours (neighbour.c) ---- */

#define NEIGHBOUR_BUCKETS 8192

struct neighbour_item {
	struct neighbour neighbour;
	struct neighbour_item *next;
};

struct neighbours {
	struct neighbour_item *buckets[NEIGHBOUR_BUCKETS]; /* readers */
	struct neighbour_item *pool; /* NEIGHBOURS_MAX; untouched memory is never backed */
	struct neighbour_item *free;
	uint32_t used;
	rte_spinlock_t lock;
};

void neighbours_destroy(struct rib *rib);
void neighbours_link_removed(struct rib *rib, uint32_t ifindex);

struct rib {
	struct rcu *rcu;
	struct rib_events events;
	struct rib_link *links[RIB_LINKS_MAX];
	uint32_t link_limit; /* one more than the highest index */
	struct tables tables;
	struct infos infos;
	struct nexthops nexthops;
	struct rules rules[2];
	struct address_list addresses;
	struct neighbours neighbours;
	uint32_t table_sequence;
};

static inline unsigned int
family_index(uint8_t family)
{
	return family == AF_INET ? 0 : 1;
}

static inline bool
family_known(uint8_t family)
{
	return family == AF_INET || family == AF_INET6;
}

static inline bool
link_is_up(const struct rib *rib, uint32_t ifindex)
{
	const struct rib_link *link = rib_link_find(rib, ifindex);

	return link != NULL && link->flags & IFF_UP;
}

static inline struct ip_addr
key_addr(struct lpm_key key)
{
	return (struct ip_addr){ .halves = { rte_cpu_to_be_64(key.hi), rte_cpu_to_be_64(key.lo) } };
}

static inline bool
addr_in_prefix(const struct ip_addr *addr, const struct ip_addr *net, uint8_t length)
{
	return key_common(lpm_key(addr), lpm_key(net)) >= length;
}

static inline uint32_t
hash_bytes(uint32_t hash, const void *data, size_t bytes)
{
	const uint8_t *b = data;

	for (size_t i = 0; i < bytes; i++)
		hash = (hash ^ b[i]) * 16777619u; /* FNV-1a */
	return hash ^ hash >> 15;
}

#endif
