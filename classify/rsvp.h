/* SPDX-License-Identifier: BSD-3-Clause */
/* rsvp's sessions and filters: rsvp.c makes them, rsvp_classify.c asks them. */
#ifndef WEIR_CLASSIFY_RSVP_H
#define WEIR_CLASSIFY_RSVP_H

#include <string.h>

#include <weir/filter/rsvp.h>

#include "hash.h"
#include "internal.h"
#include "tuple_space.h"

#define SESSION_HASHES 256
#define SENDER_HASHES  16
#define ANY_SENDER     SENDER_HASHES

/* Control's place of a session or a filter among those of its hash. */
struct place {
	struct place *next;
	uint32_t mask; /* of its port */
	uint64_t *rank;
};

struct session {
	struct tuple tuple; /* by all that follows */
	uint32_t address[4];
	struct rsvp_port port; /* key under its mask */
	uint32_t serial;
	uint8_t protocol, tunnelid;
	bool has_senders;
	struct tuple *any; /* published: filters for any sender, in order */
	/* control's */
	struct place place;
	struct shape *shape;
	struct place *filters[SENDER_HASHES + 1];
	uint32_t n;
};

struct rsvp_filter {
	struct tuple tuple; /* by session and sender */
	struct session *session;
	uint32_t sender[4];
	struct rsvp_port port;
	uint8_t tunnelhdr;
	struct filter_target target;
	/* control's */
	struct place place;
	uint32_t handle;
	bool has_sender;
};

/* Of sessions: which word their port is in, and what of it. */
struct shape {
	struct tuple_shape sessions;
	uint32_t mask;
	int32_t offset;
};

struct rsvp {
	struct tuple_space sessions; /* of struct shape */
	struct tuple_shape senders;
	/* control's */
	struct place *by_hash[SESSION_HASHES];
	uint32_t n, impure;
	uint32_t next_serial, next_handle, next_tunnel;
};

static inline uint64_t
mix_address(uint64_t hash, const uint32_t *address)
{
	return hash_word(
		hash_word(hash, (uint64_t)address[0] << 32 | address[1]), (uint64_t)address[2] << 32 | address[3]);
}

static inline uint64_t
session_key(const uint32_t *address, uint32_t protocol, uint32_t tunnelid, rte_be32_t port)
{
	return mix_address((uint64_t)protocol << 40 | (uint64_t)tunnelid << 32 | port, address);
}

static inline uint64_t
sender_key(uint32_t session, const uint32_t *address)
{
	return mix_address(session, address);
}

static inline bool
is6(const struct filter_group *group)
{
	return group->ops->kind[4] == '6';
}

static inline bool
is_session(const struct session *s, const uint32_t *address, uint8_t protocol, uint8_t tunnelid, rte_be32_t port)
{
	return memcmp(s->address, address, sizeof(s->address)) == 0 && s->protocol == protocol &&
	       s->tunnelid == tunnelid && s->port.key == port;
}

void rsvp_classify(const struct filter_group *group, const struct classify_ctx *ctx, struct rte_mbuf **pkts, uint16_t n,
	struct verdict *results);

#endif
