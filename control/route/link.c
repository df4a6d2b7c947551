/* SPDX-License-Identifier: BSD-3-Clause */
/* RTM_NEWLINK, RTM_SETLINK, RTM_DELLINK: links are changed, made (dummy, veth, ...) and removed. */
#include <linux/veth.h>

#include "events.h"
#include "link_change.h"

/* A veth's other end, which gains or loses its carrier by this, is told of by the router's own event. */
static int
change_and_tell(struct port *port, const struct link_change *change, struct error *err)
{
	uint32_t flags_before = link_flags(port);
	int rc = link_change_apply(port, change, err);

	if (rc < 0)
		return rc;
	notify_link(port, flags_before ^ link_flags(port));
	if (change->what & CHANGE_NAME)
		notify_netconf(&port->settings, (int32_t)port->ifindex);
	return 0;
}

struct group_change {
	uint32_t group;
	const struct link_change *change;
	struct error *err;
};

static int
change_member(void *arg, struct port *port)
{
	struct group_change *c = arg;

	return port->group == c->group ? change_and_tell(port, c->change, c->err) : 0;
}

/* A kind's options are given when the link is made; what changes later has attributes of its own. */
static int
check_existing(const struct nl_request *req, struct error *err)
{
	const struct nlattr *info[IFLA_INFO_MAX + 1];

	if (req->header->nlmsg_flags & NLM_F_EXCL)
		return error_code(err, EEXIST);
	if (req->header->nlmsg_flags & NLM_F_REPLACE)
		return error_set(err, EOPNOTSUPP, "A link cannot be replaced; delete it and add it anew");
	if (nl_get_nest(req->attrs[IFLA_LINKINFO], info, IFLA_INFO_MAX, err) < 0)
		return -err->code;
	if (info[IFLA_INFO_DATA] != NULL || info[IFLA_INFO_SLAVE_KIND] != NULL)
		return error_set(
			err, EOPNOTSUPP, "A link's options are given when it is made; delete it and add it anew");
	return 0;
}

/* The lowest KIND0, KIND1, ... that is free, as for `ip link add type dummy`. */
static int
choose_name(struct router *router, const char *stem, const char *taken, char name[IF_NAMESIZE], struct error *err)
{
	for (unsigned int i = 0; i < RIB_LINKS_MAX; i++) {
		if (snprintf(name, IF_NAMESIZE, "%s%u", stem, i) >= IF_NAMESIZE)
			break;
		if (port_find_name(router, name) == NULL && (taken == NULL || strcmp(taken, name) != 0))
			return 0;
	}
	return error_set(err, ENFILE, "No name like %s0 is free; give one with 'name'", stem);
}

/* What a link message says of a link to be made: its port_conf and what is set when it is there. */
struct new_link {
	struct port_conf conf;
	struct link_change change; /* without what is in conf */
};

static int
parse_new(struct router *router, const struct ifinfomsg *info, const struct nlattr **attrs, const char *kind,
	const char *taken, struct new_link *link, struct error *err)
{
	struct link_change *change = &link->change;
	uint32_t tx_queues, rx_queues;
	char *pattern;

	if (link_change_parse(info, attrs, change, err) < 0 ||
		nl_get_u32(attrs[IFLA_NUM_TX_QUEUES], 1, &tx_queues, "IFLA_NUM_TX_QUEUES", err) < 0 ||
		nl_get_u32(attrs[IFLA_NUM_RX_QUEUES], 1, &rx_queues, "IFLA_NUM_RX_QUEUES", err) < 0)
		return -err->code;
	if (tx_queues != 1 || rx_queues != 1)
		return error_set(err, EOPNOTSUPP, "Links of kind %s have one transmit and one receive queue", kind);
	if (attrs[IFLA_LINK] != NULL)
		return error_set(err, EOPNOTSUPP, "Links of kind %s lie on no other link: leave out 'link'", kind);
	pattern = strstr(change->name, "%d");
	if (!(change->what & CHANGE_NAME) || (pattern != NULL && pattern[2] == '\0')) {
		char stem[IF_NAMESIZE];

		snprintf(stem, sizeof(stem), "%s", change->what & CHANGE_NAME ? change->name : kind);
		if (change->what & CHANGE_NAME)
			stem[pattern - change->name] = '\0';
		if (choose_name(router, stem, taken, change->name, err) < 0)
			return -err->code;
	} else if (strchr(change->name, '%') != NULL) {
		return error_set(err, EINVAL, "\"%s\" cannot be the name of a link", change->name);
	} else if (port_find_name(router, change->name) != NULL ||
		   (taken != NULL && strcmp(taken, change->name) == 0)) {
		return error_code(err, EEXIST);
	}
	if (info->ifi_index < 0)
		return error_set(err, EINVAL, "A link's index may not be negative");
	link->conf = (struct port_conf){ .name = change->name,
		.kind = kind,
		.mac = change->what & CHANGE_MAC ? change->mac : NULL,
		.mtu = change->what & CHANGE_MTU ? change->mtu : 0,
		.tx_queue_len = change->tx_queue_len,
		.tx_queue_len_set = (change->what & CHANGE_TX_QUEUE_LEN) != 0,
		.ifindex = (uint32_t)info->ifi_index };
	change->what &= ~(unsigned int)(CHANGE_NAME | CHANGE_MAC | CHANGE_MTU | CHANGE_TX_QUEUE_LEN);
	return 0;
}

/* VETH_INFO_PEER: a link message in an attribute. Without it the peer has a name and an address made up. */
static int
parse_peer(
	struct router *router, const struct nlattr *data, const char *taken, struct new_link *peer, struct error *err)
{
	const struct nlattr *info[VETH_INFO_MAX + 1], *attrs[IFLA_MAX + 1];
	struct ifinfomsg header = { 0 };

	if (nl_get_nest(data, info, VETH_INFO_MAX, err) < 0)
		return -err->code;
	memset(attrs, 0, sizeof(attrs));
	if (info[VETH_INFO_PEER] != NULL) {
		const uint8_t *bytes = mnl_attr_get_payload(info[VETH_INFO_PEER]);
		uint16_t n = mnl_attr_get_payload_len(info[VETH_INFO_PEER]);

		if (n < sizeof(header))
			return error_set(err, EINVAL, "veth: the peer's description is cut off");
		memcpy(&header, bytes, sizeof(header));
		if (nl_get_attrs(bytes + sizeof(header), n - sizeof(header), attrs, IFLA_MAX, err) < 0)
			return -err->code;
	}
	return parse_new(router, &header, attrs, "veth", taken, peer, err);
}

static bool
mtu_fits(const struct port *port, const struct port_conf *conf)
{
	return conf->mtu == 0 || port == NULL || port->mtu == conf->mtu;
}

/* Sets the rest on what was just made, and tells of it. */
static int
finish_new(struct port *port, const struct new_link *link, struct error *err)
{
	if (!mtu_fits(port, &link->conf))
		return error_set(err, EINVAL, "mtu is out of the device's range");
	return link_change_apply(port, &link->change, err);
}

static int
link_create(struct nl_request *req, struct error *err)
{
	struct router *router = control_of(req)->router;
	const struct nlattr *info[IFLA_INFO_MAX + 1];
	const struct port_ops *ops = NULL;
	struct new_link link, peer;
	struct veth_conf veth = { .peer = &peer.conf };
	struct port *port, *other = NULL;
	char kind[32] = "";
	int rc;

	if (nl_get_nest(req->attrs[IFLA_LINKINFO], info, IFLA_INFO_MAX, err) < 0 ||
		(info[IFLA_INFO_KIND] != NULL &&
			nl_get_string(info[IFLA_INFO_KIND], kind, sizeof(kind), "IFLA_INFO_KIND", err) < 0))
		return -err->code;
	if (kind[0] != '\0')
		ops = port_find_ops(kind);
	if (ops == NULL || !ops->is_virtual)
		return error_set(err, EOPNOTSUPP, "Unknown device type");
	if (parse_new(router, req->body, req->attrs, ops->kind, NULL, &link, err) < 0)
		return -err->code;
	if (strcmp(ops->kind, "veth") == 0) {
		if (parse_peer(router, info[IFLA_INFO_DATA], link.conf.name, &peer, err) < 0)
			return -err->code;
		link.conf.kind_conf = &veth;
	} else if (info[IFLA_INFO_DATA] != NULL && mnl_attr_get_payload_len(info[IFLA_INFO_DATA]) != 0) {
		return error_set(err, EOPNOTSUPP, "Links of kind %s take no options", ops->kind);
	}
	rc = port_add(router, &link.conf, &port, err);
	if (rc < 0)
		return rc;
	if (port->peer != 0)
		other = port_find(router, port->peer);
	rc = finish_new(port, &link, err);
	if (rc == 0 && other != NULL)
		rc = finish_new(other, &peer, err);
	if (rc < 0) {
		port_remove(port, NULL);
		return rc;
	}
	for (struct port *made = other != NULL ? other : port;; made = port) {
		notify_netconf(&made->settings, (int32_t)made->ifindex);
		notify_link(made, ~0u);
		if (made == port)
			return 0;
	}
}

/* The link that the message names: by index, else by name. NULL without an error: it names one that is not there. */
static int
find_named(struct nl_request *req, struct port **port, struct error *err)
{
	const struct ifinfomsg *info = req->body;
	const struct nlattr *by =
		req->attrs[IFLA_IFNAME] != NULL ? req->attrs[IFLA_IFNAME] : req->attrs[IFLA_ALT_IFNAME];
	char name[128] = "";

	*port = NULL;
	if (by != NULL && nl_get_string(by, name, sizeof(name), "IFLA_IFNAME", err) < 0)
		return -err->code;
	if (info->ifi_index < 0)
		return error_set(err, EINVAL, "A link's index may not be negative");
	if (info->ifi_index > 0)
		*port = port_find(control_of(req)->router, (uint32_t)info->ifi_index);
	else if (by != NULL && (req->header->nlmsg_flags & NLM_F_CREATE) != 0)
		*port = port_find_name(control_of(req)->router, name);
	else if (by != NULL)
		*port = port_summon(control_of(req)->router, name, &(struct error){ 0 });
	return 0;
}

static int
link_new_served(struct nl_request *req, struct error *err)
{
	const struct ifinfomsg *info = req->body;
	struct link_change change;
	struct port *port;

	if (find_named(req, &port, err) < 0)
		return -err->code;
	if (port != NULL) {
		if (check_existing(req, err) < 0 || link_change_parse(info, req->attrs, &change, err) < 0)
			return -err->code;
		/* The name that found the link is not a new one. */
		if (info->ifi_index == 0)
			change.what &= ~(unsigned int)CHANGE_NAME;
		return change_and_tell(port, &change, err);
	}
	if (!(req->header->nlmsg_flags & NLM_F_CREATE) || req->handler->type == RTM_SETLINK) {
		struct group_change members = { .change = &change, .err = err };

		if (info->ifi_index != 0 || req->attrs[IFLA_IFNAME] != NULL || req->attrs[IFLA_GROUP] == NULL)
			return error_code(err, ENODEV);
		if (link_change_parse(info, req->attrs, &change, err) < 0)
			return -err->code;
		members.group = change.group;
		change.what &= ~(unsigned int)CHANGE_GROUP;
		return port_walk(control_of(req)->router, change_member, &members);
	}
	return link_create(req, err);
}

static int
link_new(struct nl_request *req, struct error *err)
{
	return events_caused_by(req, link_new_served, err);
}

/* Removes it, and tells of it and of a veth's peer as they were. */
static int
remove_and_tell(struct port *port, struct error *err)
{
	struct port *both[2] = { port, port->peer != 0 ? port_find(port->router, port->peer) : NULL };
	struct nl_msgs *told[2] = { NULL, NULL };
	uint32_t ifindexes[2] = { 0, 0 };
	int rc;

	if (!port->ops->is_virtual)
		return error_set(
			err, EOPNOTSUPP, "%s is a port of the router: it cannot be deleted, only set down", port->name);
	for (unsigned int i = 0; i < 2; i++) {
		if (both[i] == NULL)
			continue;
		ifindexes[i] = both[i]->ifindex;
		told[i] = nl_msgs_create();
		put_link(told[i], both[i], RTM_DELLINK, 0, ~0u, 0);
	}
	rc = port_remove(port, err);
	for (unsigned int i = 0; i < 2; i++) {
		if (told[i] == NULL)
			continue;
		if (rc == 0) {
			notify_netconf_gone((int32_t)ifindexes[i]);
			notify_prepared(RTNLGRP_LINK, told[i]);
		} else {
			nl_msgs_destroy(told[i]);
		}
	}
	return rc;
}

struct group_members {
	uint32_t group;
	uint32_t found; /* ifindex of the first; 0: none */
	bool removable;
	bool any;
};

static int
find_member(void *arg, struct port *port)
{
	struct group_members *m = arg;

	if (port->group != m->group)
		return 0;
	if (!m->any)
		m->found = port->ifindex;
	m->any = true;
	m->removable = m->removable && port->ops->is_virtual;
	return 0;
}

static int
remove_group(struct router *router, uint32_t group, struct error *err)
{
	struct group_members members;

	if (group == 0)
		return error_set(err, EPERM, "The default group cannot be deleted");
	for (bool first = true;; first = false) {
		members = (struct group_members){ .group = group, .removable = true };
		port_walk(router, find_member, &members);
		if (!members.any)
			return first ? error_code(err, ENODEV) : 0;
		if (!members.removable)
			return error_set(err, EOPNOTSUPP,
				"Group %u has a port of the router in it, which cannot be deleted", group);
		if (remove_and_tell(port_find(router, members.found), err) < 0)
			return -err->code;
	}
}

static int
link_delete_served(struct nl_request *req, struct error *err)
{
	const struct ifinfomsg *info = req->body;
	struct port *port;
	uint32_t group;

	if (nl_get_u32(req->attrs[IFLA_GROUP], 0, &group, "IFLA_GROUP", err) < 0 || find_named(req, &port, err) < 0)
		return -err->code;
	if (port != NULL)
		return remove_and_tell(port, err);
	if (info->ifi_index != 0 || req->attrs[IFLA_IFNAME] != NULL || req->attrs[IFLA_ALT_IFNAME] != NULL)
		return error_code(err, ENODEV);
	if (req->attrs[IFLA_GROUP] == NULL)
		return error_set(err, EINVAL, "No link is named: give its index, its name or a group");
	return remove_group(control_of(req)->router, group, err);
}

static int
link_delete(struct nl_request *req, struct error *err)
{
	return events_caused_by(req, link_delete_served, err);
}

static const struct nl_handler link_handlers[] = {
	{ RTM_NEWLINK, sizeof(struct ifinfomsg), IFLA_MAX, NL_WRITE, link_new, NULL },
	{ RTM_SETLINK, sizeof(struct ifinfomsg), IFLA_MAX, NL_WRITE, link_new, NULL },
	{ RTM_DELLINK, sizeof(struct ifinfomsg), IFLA_MAX, NL_WRITE, link_delete, NULL },
};
NL_REGISTER(link_handlers)
