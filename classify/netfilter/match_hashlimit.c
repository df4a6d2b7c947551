/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hashlimit: as often, or as many bytes, as a limit for each group of packets allows, for all workers together;
 * iptables-extensions(8).
 */
#include <inttypes.h>

#include "bucket.h"
#include "hashlimit_table.h"

#define SECOND_NS   UINT64_C(1000000000)
#define CHUNK_SHIFT 4 /* XT_HASHLIMIT_BYTE_SHIFT */
#define DEPTH_MAX   (UINT64_C(1) << 62) /* ns */

struct hashlimit {
	struct hashlimit_table *table; /* NULL: init refused */
	bool above;
};

static int
hashlimit_init(void *priv, const void *conf, const struct place *place, struct error *err)
{
	const struct netfilter_hashlimit_conf *c = conf;
	struct hashlimit *h = priv;

	if (c->kind == NETFILTER_HASHLIMIT_PACKETS && (c->burst == 0 || c->interval_ns > DEPTH_MAX / c->burst))
		return error_set(err, ERANGE,
			"rule %u: hashlimit match: a burst of %" PRIu64 " at a packet in %" PRIu64
			" s: give a burst from 1 to %" PRIu64,
			place->rule, c->burst, c->interval_ns / SECOND_NS, DEPTH_MAX / RTE_MAX(c->interval_ns, 1u));
	if (c->entries == 0 || c->entries > NETFILTER_HASHLIMIT_ENTRIES_MAX)
		return error_set(err, ENOMEM, "rule %u: hashlimit match: a table of %u entries; 1 to %u can be",
			place->rule, c->entries, NETFILTER_HASHLIMIT_ENTRIES_MAX);
	h->above = c->above;
	h->table = hashlimit_table_take(place->netfilter, c);
	if (h->table == NULL)
		return error_set(err, ENOMEM,
			"rule %u: hashlimit match: no memory for a table of %u entries; all together may have %u",
			place->rule, c->entries, NETFILTER_HASHLIMIT_ENTRIES_ALL);
	return 0;
}

static void
hashlimit_retire(void *priv, struct netfilter *netfilter)
{
	const struct hashlimit *h = priv;

	if (h->table != NULL)
		hashlimit_table_retire(h->table, netfilter);
}

static void
hashlimit_destroy(void *priv)
{
	const struct hashlimit *h = priv;

	if (h->table != NULL)
		hashlimit_table_release(h->table);
}

/* ---- limits ------------------------------------------------------------------------------------ */

/* What is spent on top is spent for good: Linux gives it back only when the group is forgotten. */
static bool
take_extra(struct hashlimit_entry *entry)
{
	uint32_t left = load_relaxed(&entry->left);

	do
		if (left == 0)
			return false;
	while (!__atomic_compare_exchange_n(&entry->left, &left, left - 1, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return true;
}

/* A bucket of a second's bytes; a packet that is larger than that takes it whole. */
static bool
take_bytes(const struct hashlimit_table *t, struct hashlimit_entry *entry, uint32_t bytes, uint64_t now)
{
	unsigned __int128 chunks = (bytes >> CHUNK_SHIFT) + 1;
	uint64_t cost = (uint64_t)(chunks * t->conf.chunk_cost * SECOND_NS >> 32);

	cost = RTE_MIN(cost, SECOND_NS);
	if (bucket_spend(&entry->time, cost, SECOND_NS, now))
		return true;
	if (!take_extra(entry))
		return false;
	__atomic_store_n(&entry->time, now + cost, __ATOMIC_RELAXED);
	return true;
}

/* Is the packet within what its interval allows? */
static bool
count_rate(const struct hashlimit_table *t, struct hashlimit_entry *entry, uint32_t amount, uint64_t now)
{
	const struct netfilter_hashlimit_conf *c = &t->conf;
	uint64_t began = load_relaxed(&entry->time);

	/* One worker begins the next interval; what others count meanwhile is of either. */
	if (now >= began + c->interval_ns &&
		__atomic_compare_exchange_n(&entry->time, &began, now, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
		unsigned __int128 counted = __atomic_exchange_n(&entry->count, 0, __ATOMIC_RELAXED);
		unsigned __int128 allowed = c->rate;

		__atomic_store_n(&entry->left, counted * c->interval_ns > allowed * (now - began), __ATOMIC_RELAXED);
	}
	return __atomic_add_fetch(&entry->count, amount, __ATOMIC_RELAXED) <= c->allowance &&
	       load_relaxed(&entry->left) == 0;
}

/* ---- packets ----------------------------------------------------------------------------------- */

/* The ports, or what Linux takes for them: the index of an IPsec association. false: they are cut off. */
static bool
read_ports(const struct packet *p, uint32_t *ports)
{
	*ports = 0;
	if (p->later)
		return true;
	switch (p->key.f.protocol) {
	case IPPROTO_AH:
		return packet_read_transport(p, 4, ports, sizeof(*ports));
	case IPPROTO_ESP:
		return packet_read_transport(p, 0, ports, sizeof(*ports));
	default:
		break;
	}
	if (!protocol_has_ports(p->key.f.protocol))
		return true;
	return packet_read_transport(p, 0, ports, sizeof(*ports));
}

static const uint32_t sport_mask = RTE_BE32(0xffff0000), dport_mask = RTE_BE32(0x0000ffff);

static bool
make_key(const struct hashlimit_table *t, const struct packet *p, struct hashlimit_key *key)
{
	uint8_t fields = t->conf.fields;

	*key = (struct hashlimit_key){ 0 };
	if ((fields & NETFILTER_HASHLIMIT_SRC) != 0)
		key->src = p->key.f.src & t->src_mask;
	if ((fields & NETFILTER_HASHLIMIT_DST) != 0)
		key->dst = p->key.f.dst & t->dst_mask;
	if ((fields & (NETFILTER_HASHLIMIT_SPORT | NETFILTER_HASHLIMIT_DPORT)) == 0)
		return true;
	if (!read_ports(p, &key->ports))
		return false;
	if ((fields & NETFILTER_HASHLIMIT_SPORT) == 0)
		key->ports &= dport_mask;
	if ((fields & NETFILTER_HASHLIMIT_DPORT) == 0)
		key->ports &= sport_mask;
	return true;
}

static bool
is_below(const struct hashlimit_table *t, struct hashlimit_entry *entry, uint32_t length, uint64_t now)
{
	switch (t->conf.kind) {
	case NETFILTER_HASHLIMIT_BYTES:
		return take_bytes(t, entry, length, now);
	case NETFILTER_HASHLIMIT_RATE:
		return count_rate(t, entry, t->conf.counts_bytes ? length : 1, now);
	default:
		return bucket_spend(&entry->time, t->conf.interval_ns, t->conf.interval_ns * t->conf.burst, now);
	}
}

static bool
hashlimit_match(void *priv, struct packet *p)
{
	const struct hashlimit *h = priv;
	struct hashlimit_entry *entry = NULL;
	struct hashlimit_key key;
	uint64_t now = p->ctx->now;

	if (make_key(h->table, p, &key))
		entry = hashlimit_table_find(h->table, &key, now);
	if (entry == NULL) {
		p->hopeless = true;
		return false;
	}
	return is_below(h->table, entry, p->key.f.length, now) != h->above;
}

static const struct match_ops hashlimit_ops = {
	.kind = "hashlimit",
	.size = sizeof(struct hashlimit),
	.stateful = true,
	.init = hashlimit_init,
	.retire = hashlimit_retire,
	.destroy = hashlimit_destroy,
	.match = hashlimit_match,
};
MATCH_REGISTER(hashlimit_ops)
