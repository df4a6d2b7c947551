/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How often ICMP errors may be sent: icmp(7)'s icmp_ratelimit and icmp_ratemask per destination, icmp_msgs_per_sec and
 * icmp_msgs_burst for all (of a worker), and an exponential back-off for redirects. Destinations are kept in a small
 * table by hash; one that another takes the place of starts afresh.
 */
#include <netinet/ip_icmp.h>

#include "path.h"

#define PEERS               1024 /* a power of two */
#define PEER_BURST          6 /* messages to one destination after a silence */
#define REDIRECT_MAX        9 /* redirects that a host is sent before it is given up */
#define REDIRECT_FIRST_NS   (20 * NS_PER_MS) /* doubled with each */
#define REDIRECT_SILENCE_NS (20480 * NS_PER_MS) /* after which it is tried again */

struct icmp_peer {
	rte_be32_t address;
	uint32_t redirects;
	uint64_t tokens_ns, stamp_ns;
	uint64_t redirect_ns; /* the last one */
};

struct icmp_peer *
icmp_peers_create(void)
{
	return calloc(PEERS, sizeof(struct icmp_peer));
}

static struct icmp_peer *
find_peer(struct worker *w, rte_be32_t address, uint64_t full)
{
	struct icmp_peer *peer = &w->path->peers[flow_hash_addresses(address, 0) % PEERS];

	if (peer->address != address)
		*peer = (struct icmp_peer){ .address = address, .tokens_ns = full, .stamp_ns = w->now };
	return peer;
}

static bool
allowed_to_peer(struct worker *w, rte_be32_t to)
{
	int limit = w->settings->icmp_ratelimit;
	uint64_t cost = limit > 0 ? (uint64_t)limit * NS_PER_MS : 0;
	struct icmp_peer *peer = find_peer(w, to, PEER_BURST * cost);

	peer->tokens_ns = RTE_MIN(peer->tokens_ns + (w->now - peer->stamp_ns), PEER_BURST * cost);
	peer->stamp_ns = w->now;
	if (peer->tokens_ns < cost)
		return false;
	peer->tokens_ns -= cost;
	return true;
}

/* A bucket of messages, kept in billionths of one so that no division is needed. */
static bool
allowed_to_all(struct worker *w)
{
	uint64_t rate = w->settings->icmp_msgs_per_sec > 0 ? (uint64_t)w->settings->icmp_msgs_per_sec : 0;
	uint64_t burst =
		(w->settings->icmp_msgs_burst > 0 ? (uint64_t)w->settings->icmp_msgs_burst : 0) * NS_PER_SECOND;
	uint64_t passed = RTE_MIN(w->now - w->icmp_stamp_ns, NS_PER_SECOND); /* within 64 bits */

	w->icmp_tokens = RTE_MIN(w->icmp_tokens + passed * rate, burst);
	w->icmp_stamp_ns = w->now;
	if (w->icmp_tokens < NS_PER_SECOND)
		return false;
	w->icmp_tokens -= NS_PER_SECOND;
	return true;
}

bool
icmp_allowed(struct worker *w, rte_be32_t to, uint8_t type, uint8_t code)
{
	/* Path MTU discovery must not be starved. */
	if (type >= 32 || (w->settings->icmp_ratemask & 1 << type) == 0 ||
		(type == ICMP_DEST_UNREACH && code == ICMP_FRAG_NEEDED))
		return true;
	return allowed_to_all(w) && allowed_to_peer(w, to);
}

bool
icmp_redirect_allowed(struct worker *w, rte_be32_t to)
{
	struct icmp_peer *peer = find_peer(w, to, (uint64_t)w->settings->icmp_ratelimit * NS_PER_MS * PEER_BURST);

	if (peer->redirects != 0 && w->now - peer->redirect_ns >= REDIRECT_SILENCE_NS)
		peer->redirects = 0;
	if (peer->redirects >= REDIRECT_MAX) {
		peer->redirect_ns = w->now; /* it still does not listen: the silence starts anew */
		return false;
	}
	if (peer->redirects != 0 && w->now - peer->redirect_ns < REDIRECT_FIRST_NS << peer->redirects)
		return false;
	peer->redirects++;
	peer->redirect_ns = w->now;
	return icmp_allowed(w, to, ICMP_REDIRECT, ICMP_REDIR_HOST);
}
