/* SPDX-License-Identifier: BSD-3-Clause */
/* What port.c (a port's life) and port_set.c (its changes) share. */
#ifndef WEIR_DATAPLANE_PORT_INTERNAL_H
#define WEIR_DATAPLANE_PORT_INTERNAL_H

#include <net/if_arp.h>

#include "machine.h"

void port_tell_rib(struct port *port);
/* What is queued or waits is dropped with `reason`. */
void port_bring_down(struct port *port, enum drop_reason reason);
/* The worker with the least to do among those that `pin` allows: the fewest queues to poll, or ports to own. */
struct worker_machine *port_choose_worker(const struct router *router, uint64_t pin, bool to_poll);
/* Checks a name, or makes one from a pattern (`dummy%d`), and sees that it is free. */
int port_make_name(const struct router *router, const char *name, char full[IF_NAMESIZE], struct error *err);
/* Reads from the kind what the link can do: rate and longest frame. */
void port_read_limits(struct port_machine *pm);

#endif
