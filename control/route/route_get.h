/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_CONTROL_ROUTE_GET_H
#define WEIR_CONTROL_ROUTE_GET_H

struct error;
struct nl_request;

/* RTM_GETROUTE for one destination: `ip route get`. */
int serve_route_get(struct nl_request *req, struct error *err);

#endif
