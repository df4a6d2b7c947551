/* SPDX-License-Identifier: BSD-3-Clause */
/* Notifications: what `ip monitor` and routing daemons are told of changes, whoever made them. */
#ifndef WEIR_CONTROL_ROUTE_EVENTS_H
#define WEIR_CONTROL_ROUTE_EVENTS_H

#include <stdint.h>

struct control;
struct error;
struct nl_request;
struct port;
struct port_settings;

/* Subscribes to the rib's and the router's events and sends them to the server's clients. Once, when both are made. */
void route_events_start(struct control *control);
/* Before the router or the server goes. */
void route_events_stop(void);

/* Runs a request that changes something: the notifications that it leads to name it as their cause. */
int
events_caused_by(struct nl_request *req, int (*serve)(struct nl_request *req, struct error *err), struct error *err);

/* The rib tells of routes, rules and addresses by itself; these are for what it does not know of. */
void notify_link(const struct port *port, uint32_t change);
void notify_netconf(const struct port_settings *settings, int32_t ifindex);
void notify_netconf_gone(int32_t ifindex);
/* A message that was made while what it tells of still existed. Takes msgs. */
struct nl_msgs;
void notify_prepared(uint32_t group, struct nl_msgs *msgs);

#endif
