/* SPDX-License-Identifier: BSD-3-Clause */
/* RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR: addresses on links. */
#include <linux/if_addr.h>

#include "codec.h"
#include "events.h"

/* Flags of ip-address(8) that mean something here, or ask for what is so anyway (no duplicate detection is done). */
enum { ADDRESS_FLAGS = IFA_F_NOPREFIXROUTE | IFA_F_PERMANENT | IFA_F_NODAD };

#define FOREVER UINT32_MAX

void
put_address(struct nl_msgs *msgs, const struct router *router, const struct rib_address *address, uint16_t type,
	uint16_t flags)
{
	/* Lifetimes are without end; when it was made is not kept, and ip does not show it. */
	const struct ifa_cacheinfo lifetimes = { .ifa_prefered = FOREVER, .ifa_valid = FOREVER };
	uint8_t family = address->family;
	uint32_t address_flags = address->flags | IFA_F_PERMANENT;
	const struct port *port = port_find(router, address->ifindex);
	struct ifaddrmsg *header;

	nl_msg_begin(msgs, type, flags, sizeof(*header));
	header = nl_msg_body(msgs);
	header->ifa_family = family;
	header->ifa_prefixlen = address->prefix_length;
	header->ifa_flags = (uint8_t)address_flags;
	header->ifa_scope = address->scope;
	header->ifa_index = address->ifindex;
	put_ip(msgs, IFA_ADDRESS, family, &address->peer);
	if (family == AF_INET || !ip_addr_equal(&address->peer, &address->local))
		put_ip(msgs, IFA_LOCAL, family, &address->local);
	if (!ip_addr_is_zero(&address->broadcast))
		put_ip(msgs, IFA_BROADCAST, family, &address->broadcast);
	if (family == AF_INET) /* IPv6 addresses have no label */
		nl_put_string(msgs, IFA_LABEL, address->label[0] != '\0' || port == NULL ? address->label : port->name);
	nl_put_u32(msgs, IFA_FLAGS, address_flags);
	if (address->metric != 0)
		nl_put_u32(msgs, IFA_RT_PRIORITY, address->metric);
	nl_put(msgs, IFA_CACHEINFO, &lifetimes, sizeof(lifetimes));
	nl_msg_end(msgs);
}

static int
parse_lifetime(const struct nlattr *attr, struct error *err)
{
	struct ifa_cacheinfo lifetimes;

	if (attr == NULL)
		return 0;
	if (mnl_attr_get_payload_len(attr) < sizeof(lifetimes))
		return error_set(err, EINVAL, "IFA_CACHEINFO is cut off");
	memcpy(&lifetimes, mnl_attr_get_payload(attr), sizeof(lifetimes));
	if (lifetimes.ifa_valid != FOREVER || lifetimes.ifa_prefered != FOREVER)
		return error_set(err, EOPNOTSUPP,
			"Addresses stay until they are deleted: leave out valid_lft and preferred_lft");
	return 0;
}

/* IFA_LOCAL and IFA_ADDRESS: either stands for both where only one is given. */
static int
parse_local(const struct nl_request *req, struct rib_address *address, struct error *err)
{
	const struct nlattr *local = req->attrs[IFA_LOCAL], *peer = req->attrs[IFA_ADDRESS];

	if (local == NULL && address->family == AF_INET6)
		local = peer;
	if (local == NULL)
		return error_set(err, EINVAL, "ipv4: Local address is not supplied");
	if (peer == NULL)
		peer = local;
	if (get_ip(local, address->family, &address->local, "The local address", err) < 0 ||
		get_ip(peer, address->family, &address->peer, "The peer's address", err) < 0)
		return -err->code;
	return 0;
}

static int
parse_address(const struct nl_request *req, struct rib_address *address, struct error *err)
{
	const struct ifaddrmsg *header = req->body;

	*address = (struct rib_address){ .ifindex = header->ifa_index,
		.family = header->ifa_family,
		.prefix_length = header->ifa_prefixlen,
		.scope = header->ifa_scope };
	if (check_family(header->ifa_family, err) < 0)
		return -err->code;
	if (header->ifa_prefixlen > ip_family_bits(header->ifa_family))
		return error_set(err, EINVAL, "A prefix of %u bits is too long: at most %u", header->ifa_prefixlen,
			ip_family_bits(header->ifa_family));
	if (nl_get_u32(req->attrs[IFA_FLAGS], header->ifa_flags, &address->flags, "IFA_FLAGS", err) < 0 ||
		nl_get_u32(req->attrs[IFA_RT_PRIORITY], 0, &address->metric, "IFA_RT_PRIORITY", err) < 0 ||
		parse_lifetime(req->attrs[IFA_CACHEINFO], err) < 0 || parse_local(req, address, err) < 0)
		return -err->code;
	if (address->flags & ~(uint32_t)(ADDRESS_FLAGS | IFA_F_SECONDARY))
		return error_set(err, EOPNOTSUPP, "Of an address's flags only noprefixroute and nodad are supported");
	address->flags = (address->flags & ADDRESS_FLAGS) | IFA_F_PERMANENT;
	if (req->attrs[IFA_BROADCAST] != NULL && get_ip(req->attrs[IFA_BROADCAST], address->family, &address->broadcast,
							 "The broadcast address", err) < 0)
		return -err->code;
	if (req->attrs[IFA_LABEL] != NULL &&
		nl_get_string(req->attrs[IFA_LABEL], address->label, sizeof(address->label), "IFA_LABEL", err) < 0)
		return -err->code;
	return 0;
}

static int
address_new_served(struct nl_request *req, struct error *err)
{
	bool replace = (req->header->nlmsg_flags & NLM_F_REPLACE) && !(req->header->nlmsg_flags & NLM_F_EXCL);
	struct rib_address address;

	if (parse_address(req, &address, err) < 0 ||
		link_lookup(control_of(req)->router, address.ifindex, NULL, err) == NULL)
		return -err->code;
	return rib_address_add(rib_of(req), &address, replace, err);
}

static int
address_new(struct nl_request *req, struct error *err)
{
	return events_caused_by(req, address_new_served, err);
}

/* What a delete names: each part that is given must agree. `ip addr del ADDR` without a length gives no prefix. */
struct address_match {
	const struct nl_request *req;
	uint8_t length;
	bool has_local, has_prefix;
	struct ip_addr local, prefix;
	char label[IF_NAMESIZE];
	bool found;
	struct rib_address address;
};

static int
match_address(void *arg, const struct rib_address *address)
{
	struct address_match *m = arg;
	struct ip_addr have = address->peer, want = m->prefix;

	if (m->has_local && !ip_addr_equal(&m->local, &address->local))
		return 0;
	if (m->label[0] != '\0' && address->label[0] != '\0' && strcmp(m->label, address->label) != 0)
		return 0;
	clear_host_bits(&have, address->prefix_length);
	clear_host_bits(&want, address->prefix_length);
	if (m->has_prefix && (m->length != address->prefix_length || !ip_addr_equal(&have, &want)))
		return 0;
	m->found = true;
	m->address = *address;
	return 1;
}

static int
address_delete_served(struct nl_request *req, struct error *err)
{
	const struct ifaddrmsg *header = req->body;
	struct address_match match = { .req = req, .length = header->ifa_prefixlen };
	const struct nlattr *local = req->attrs[IFA_LOCAL], *prefix = req->attrs[IFA_ADDRESS];

	if (check_family(header->ifa_family, err) < 0 ||
		(local != NULL && get_ip(local, header->ifa_family, &match.local, "The local address", err) < 0) ||
		(prefix != NULL && get_ip(prefix, header->ifa_family, &match.prefix, "The address", err) < 0) ||
		(req->attrs[IFA_LABEL] != NULL &&
			nl_get_string(req->attrs[IFA_LABEL], match.label, sizeof(match.label), "IFA_LABEL", err) < 0) ||
		link_lookup(control_of(req)->router, header->ifa_index, NULL, err) == NULL)
		return -err->code;
	match.has_local = local != NULL;
	match.has_prefix = prefix != NULL;
	if (match.has_prefix && header->ifa_prefixlen > ip_family_bits(header->ifa_family))
		return error_set(err, EINVAL, "A prefix of %u bits is too long", header->ifa_prefixlen);
	rib_address_walk(rib_of(req), header->ifa_index, header->ifa_family, match_address, &match);
	if (!match.found)
		return error_code(err, EADDRNOTAVAIL);
	return rib_address_remove(rib_of(req), &match.address, err);
}

static int
address_delete(struct nl_request *req, struct error *err)
{
	return events_caused_by(req, address_delete_served, err);
}

struct address_dump {
	struct nl_request *req;
	uint16_t flags;
};

static int
dump_address(void *arg, const struct rib_address *address)
{
	struct address_dump *dump = arg;

	put_address(dump->req->reply, control_of(dump->req)->router, address, RTM_NEWADDR, dump->flags);
	return 0;
}

static int
address_dump(struct nl_request *req, struct error *err)
{
	const struct ifaddrmsg *header = req->body;
	struct address_dump dump = { .req = req };
	uint32_t ifindex = req->strict ? header->ifa_index : 0;

	if (req->strict && (header->ifa_prefixlen != 0 || header->ifa_flags != 0 || header->ifa_scope != 0))
		return error_set(err, EINVAL, "ipv4: Invalid values in header for address dump request");
	if (ifindex != 0) {
		dump.flags = NLM_F_DUMP_FILTERED;
		if (link_lookup(control_of(req)->router, ifindex, NULL, err) == NULL)
			return -err->code;
	}
	return rib_address_walk(rib_of(req), ifindex, header->ifa_family, dump_address, &dump);
}

static const struct nl_handler address_handlers[] = {
	{ RTM_NEWADDR, sizeof(struct ifaddrmsg), IFA_MAX, NL_WRITE, address_new, NULL },
	{ RTM_DELADDR, sizeof(struct ifaddrmsg), IFA_MAX, NL_WRITE, address_delete, NULL },
	{ RTM_GETADDR, sizeof(struct ifaddrmsg), IFA_MAX, 0, NULL, address_dump },
};
NL_REGISTER(address_handlers)
