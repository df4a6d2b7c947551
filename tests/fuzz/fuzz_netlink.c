/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bytes as netlink datagrams from a client with full rights, into a router with a few links. A router serves
 * ROUTER_LIFE inputs, so that messages meet what earlier ones made, and is then replaced, so that it does not only
 * grow.
 */
#include <stdlib.h>

#include <event2/event.h>

#include <control.h>
#include <netlink/netlink.h>
#include <weir/dataplane.h>

#define ROUTER_LIFE 512

static struct event_base *base;
static struct control control;
static unsigned int served;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
ignore(void *arg, const void *datagram, size_t bytes)
{
}

static uint64_t
control_now(const struct control *c)
{
	return router_now(c->router);
}

static void
must(int rc, const struct error *err)
{
	if (rc == 0)
		return;
	fprintf(stderr, "fuzz_netlink: %s\n", err->msg);
	abort();
}

static void
make_router(void)
{
	struct port_conf peer = { .name = "v1", .kind = "veth" };
	struct veth_conf veth = { .peer = &peer };
	struct port *port;
	struct error err = { 0 };

	must(router_create(
		     &(struct router_conf){ .workers = 1, .replay = true, .buffers = 2048 }, &control.router, &err),
		&err);
	must(port_add(control.router, &(struct port_conf){ .name = "d0", .kind = "dummy" }, &port, &err), &err);
	must(port_set_flags(port, IFF_UP, IFF_UP, &err), &err);
	must(port_add(control.router, &(struct port_conf){ .name = "v0", .kind = "veth", .kind_conf = &veth }, &port,
		     &err),
		&err);
	must(port_set_flags(port, IFF_UP, IFF_UP, &err), &err);
	control.base = base;
	control.now = control_now;
	must(nl_server_create(&(struct nl_server_conf){ .base = base, .context = &control }, &control.server, &err),
		&err);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (base == NULL)
		base = event_base_new();
	if (control.router == NULL)
		make_router();
	nl_serve(control.server, data, size, ignore, NULL);
	if (++served % ROUTER_LIFE == 0) {
		nl_server_destroy(control.server);
		if (router_destroy(control.router) != 0)
			abort(); /* buffers did not come back */
		control.router = NULL;
	}
	return 0;
}
