/* SPDX-License-Identifier: BSD-3-Clause */
/* RTM_NEWNEIGH, RTM_DELNEIGH, RTM_GETNEIGH: the neighbour table (ARP's, and NDP's), ip-neighbour(8). */
#include <netinet/in.h>

#include "codec.h"
#include "events.h"

#define NS_PER_TICK UINT64_C(10000000) /* USER_HZ is 100 */

static uint32_t
ticks_since(uint64_t now, uint64_t then)
{
	uint64_t ticks = now > then ? (now - then) / NS_PER_TICK : 0;

	return ticks < UINT32_MAX ? (uint32_t)ticks : UINT32_MAX;
}

void
put_neighbour(struct nl_msgs *msgs, const struct router *router, const struct neighbour *neighbour, uint16_t type,
	uint16_t flags)
{
	uint64_t now = router_now(router);
	const struct nda_cacheinfo ages = { .ndm_confirmed = ticks_since(now, neighbour->confirmed_ns),
		.ndm_used = ticks_since(now, neighbour->used_ns),
		.ndm_updated = ticks_since(now, neighbour->updated_ns),
		.ndm_refcnt = neighbour->references };
	struct ndmsg *header;

	nl_msg_begin(msgs, type, flags, sizeof(*header));
	header = nl_msg_body(msgs);
	header->ndm_family = neighbour->family;
	header->ndm_ifindex = (int)neighbour->ifindex;
	header->ndm_state = neighbour->state;
	header->ndm_flags = neighbour->flags;
	header->ndm_type = RTN_UNICAST;
	put_ip(msgs, NDA_DST, neighbour->family, &neighbour->addr);
	if (neighbour->ready)
		nl_put(msgs, NDA_LLADDR, neighbour->lladdr, sizeof(neighbour->lladdr));
	nl_put_u32(msgs, NDA_PROBES, neighbour->probes);
	nl_put(msgs, NDA_CACHEINFO, &ages, sizeof(ages));
	if (neighbour->protocol != 0)
		nl_put_u8(msgs, NDA_PROTOCOL, neighbour->protocol);
	nl_msg_end(msgs);
}

static int
parse_neighbour(const struct nl_request *req, struct neighbour_spec *spec, struct error *err)
{
	const struct ndmsg *header = req->body;
	const struct nlattr *dst = req->attrs[NDA_DST], *lladdr = req->attrs[NDA_LLADDR];
	uint32_t more_flags;

	*spec = (struct neighbour_spec){ .ifindex = (uint32_t)header->ndm_ifindex,
		.family = header->ndm_family,
		.state = header->ndm_state,
		.flags = header->ndm_flags };
	if (header->ndm_family == AF_BRIDGE)
		return error_set(err, EOPNOTSUPP, "Bridges are not supported: there is no forwarding database");
	if (check_family(header->ndm_family, err) < 0)
		return -err->code;
	if (header->ndm_flags & NTF_PROXY)
		return error_set(err, EOPNOTSUPP,
			"Single proxy entries are not supported; set net.ipv4.conf.NAME.proxy_arp for the link");
	if (dst == NULL)
		return error_set(err, EINVAL, "Network address not specified");
	if (get_ip(dst, header->ndm_family, &spec->addr, "The neighbour's address", err) < 0)
		return error_set(err, EINVAL, "Invalid network address");
	if (nl_get_u8(req->attrs[NDA_PROTOCOL], 0, &spec->protocol, "NDA_PROTOCOL", err) < 0 ||
		nl_get_u32(req->attrs[NDA_FLAGS_EXT], 0, &more_flags, "NDA_FLAGS_EXT", err) < 0)
		return -err->code;
	if (more_flags != 0)
		return error_set(
			err, EOPNOTSUPP, "Neighbours that the router keeps probing (managed) are not supported");
	if (header->ndm_ifindex <= 0)
		return error_set(err, EINVAL, "A neighbour is on a link: give 'dev'");
	if (link_lookup(control_of(req)->router, spec->ifindex, NULL, err) == NULL)
		return -err->code;
	if (lladdr != NULL) {
		if (mnl_attr_get_payload_len(lladdr) != sizeof(spec->lladdr))
			return error_set(err, EINVAL, "Invalid link address");
		memcpy(spec->lladdr, mnl_attr_get_payload(lladdr), sizeof(spec->lladdr));
		spec->has_lladdr = true;
	}
	return 0;
}

static int
neighbour_new_served(struct nl_request *req, struct error *err)
{
	struct neighbour_spec spec;

	if (parse_neighbour(req, &spec, err) < 0)
		return -err->code;
	return router_neighbour_set(control_of(req)->router, &spec, nl_change(req), err);
}

static int
neighbour_new(struct nl_request *req, struct error *err)
{
	return events_caused_by(req, neighbour_new_served, err);
}

static int
neighbour_delete_served(struct nl_request *req, struct error *err)
{
	struct neighbour_spec spec;

	if (parse_neighbour(req, &spec, err) < 0)
		return -err->code;
	return router_neighbour_delete(control_of(req)->router, &spec, err);
}

static int
neighbour_delete(struct nl_request *req, struct error *err)
{
	return events_caused_by(req, neighbour_delete_served, err);
}

static int
neighbour_get(struct nl_request *req, struct error *err)
{
	struct neighbour_spec spec;
	const struct neighbour *neighbour;

	if (parse_neighbour(req, &spec, err) < 0)
		return -err->code;
	neighbour = neighbour_find(rib_of(req), spec.ifindex, spec.family, &spec.addr);
	if (neighbour == NULL)
		return error_set(err, ENOENT, "Neighbour entry not found");
	put_neighbour(req->reply, control_of(req)->router, neighbour, RTM_NEWNEIGH, 0);
	return 0;
}

struct neighbour_dump {
	struct nl_request *req;
	uint16_t flags;
};

static int
dump_neighbour(void *arg, struct neighbour *neighbour)
{
	struct neighbour_dump *dump = arg;

	/*
	 * A place kept for a nexthop's gateway, of which nothing is known and which nobody asked for: Linux would not
	 * have it yet.
	 */
	if (neighbour->state == NUD_NONE)
		return 0;
	put_neighbour(dump->req->reply, control_of(dump->req)->router, neighbour, RTM_NEWNEIGH, dump->flags);
	return 0;
}

static int
neighbour_dump(struct nl_request *req, struct error *err)
{
	const struct ndmsg *header = req->body;
	struct neighbour_dump dump = { .req = req };
	uint32_t ifindex, master;

	if (nl_get_u32(req->attrs[NDA_IFINDEX], 0, &ifindex, "NDA_IFINDEX", err) < 0 ||
		nl_get_u32(req->attrs[NDA_MASTER], 0, &master, "NDA_MASTER", err) < 0)
		return -err->code;
	/* Proxies, bridges' tables and bridges' ports: there are none. */
	if ((header->ndm_flags & NTF_PROXY) || master != 0 ||
		(header->ndm_family != AF_UNSPEC && header->ndm_family != AF_INET && header->ndm_family != AF_INET6))
		return 0;
	if (ifindex != 0)
		dump.flags = NLM_F_DUMP_FILTERED;
	return neighbour_walk(rib_of(req), ifindex, header->ndm_family, dump_neighbour, &dump);
}

static const struct nl_handler neighbour_handlers[] = {
	{ RTM_NEWNEIGH, sizeof(struct ndmsg), NDA_MAX, NL_WRITE, neighbour_new, NULL },
	{ RTM_DELNEIGH, sizeof(struct ndmsg), NDA_MAX, NL_WRITE, neighbour_delete, NULL },
	{ RTM_GETNEIGH, sizeof(struct ndmsg), NDA_MAX, 0, neighbour_get, neighbour_dump },
};
NL_REGISTER(neighbour_handlers)
