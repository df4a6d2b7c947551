/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Neighbours as `ip neigh` changes them, and the removal of those that nobody needs: asked for by the control thread,
 * carried out by the port's owner between two bursts.
 */
#include "path.h"

#define VALID     (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY)
#define CONNECTED (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE)

struct request {
	struct port *port;
	struct neighbour *neighbour;
	const struct neighbour_spec *spec;
	bool override;
	bool done;
	int result;
	struct error *err;
};

static void
apply(void *arg)
{
	struct request *r = arg;
	struct worker *w = worker_of(r->port);
	struct neighbour *n = r->neighbour;
	const struct neighbour_spec *spec = r->spec;
	bool known = (n->state & VALID) != 0;
	bool changes = spec->has_lladdr && (!known || memcmp(n->lladdr, spec->lladdr, 6) != 0);

	if ((spec->state & VALID) != 0 && !spec->has_lladdr && !known) {
		r->result = error_set(r->err, EINVAL,
			"No link layer address given: this state needs one, as in 'lladdr 02:00:00:00:00:01'");
		return;
	}
	if (changes && known && !r->override)
		return; /* as Linux: without replace, an address that is known stays */
	n->configured = 1;
	n->flags = spec->flags;
	n->protocol = spec->protocol;
	n->probes = 0;
	if (changes && (spec->state & VALID) != 0)
		neighbour_set_lladdr(n, spec->lladdr);
	neighbour_set_state(w, r->port, n, (uint8_t)spec->state);
	/* An address that nobody has confirmed is not to look confirmed. */
	if (changes && (spec->state & CONNECTED) == 0)
		n->confirmed_ns =
			w->now - RTE_MIN(w->now, 2 * (uint64_t)r->port->settings.base_reachable_time_ms * NS_PER_MS);
	worker_tell_neighbour(w, n, false);
}

static int
check(const struct neighbour_spec *spec, struct error *err)
{
	static const uint16_t states[] = { NUD_NONE, NUD_INCOMPLETE, NUD_REACHABLE, NUD_STALE, NUD_DELAY, NUD_PROBE,
		NUD_FAILED, NUD_NOARP, NUD_PERMANENT };

	if (spec->family != AF_INET && spec->family != AF_INET6)
		return error_set(err, EAFNOSUPPORT, "Neighbours are of family inet or inet6");
	if ((spec->flags & NTF_PROXY) != 0)
		return error_set(err, EOPNOTSUPP,
			"Proxy entries are not supported; the setting net.ipv4.conf.PORT.proxy_arp answers for all "
			"routed addresses");
	for (size_t i = 0; i < RTE_DIM(states); i++) {
		if (spec->state == states[i])
			return 0;
	}
	return error_set(err, EINVAL,
		"Invalid neighbour state 0x%x: give one, such as permanent, reachable, stale or noarp", spec->state);
}

int
router_neighbour_set(struct router *router, const struct neighbour_spec *spec, uint16_t flags, struct error *err)
{
	struct rib *rib = router_rib(router);
	struct request r = { .port = port_find(router, spec->ifindex), .spec = spec, .override = true, .err = err };
	struct neighbour *n;
	int result = check(spec, err);

	if (result != 0)
		return result;
	if (r.port == NULL)
		return error_code(err, ENODEV);
	n = neighbour_find(rib, spec->ifindex, spec->family, &spec->addr);
	/* One that a route made, or that was deleted, and of which nothing is known is not there for who looks. */
	if (n != NULL && n->state != NUD_NONE) {
		if ((flags & CHANGE_EXCLUSIVE) != 0)
			return error_code(err, EEXIST);
		r.override = (flags & CHANGE_REPLACE) != 0;
	} else if ((flags & CHANGE_CREATE) == 0) {
		return error_code(err, ENOENT);
	}
	if (n == NULL)
		n = neighbour_make(rib, spec->ifindex, spec->family, &spec->addr);
	if (n == NULL)
		return error_set(err, ENOBUFS, "The neighbour table is full (%u entries)", NEIGHBOURS_MAX);
	r.neighbour = n;
	port_run_at_owner(r.port, apply, &r);
	return r.result;
}

static void
forget(void *arg)
{
	struct request *r = arg;
	struct worker *w = worker_of(r->port);

	neighbour_set_state(w, r->port, r->neighbour, NUD_NONE);
	r->neighbour->configured = 0;
	r->done = true;
	if (r->spec != NULL)
		worker_tell_neighbour(w, r->neighbour, true);
}

/*
 * Packets may have begun to wait for it between `forget` and its removal from the table: they start over with its
 * successor. It is unlinked, but this thread, which frees it, has not gone on yet.
 */
static void
settle(void *arg)
{
	struct request *r = arg;
	struct worker *w = worker_of(r->port);

	neighbour_resubmit(w, r->port, r->neighbour);
}

/* One that nexthops point to stays, but nothing is known of it any more. */
static void
remove_forgotten(struct rib *rib, struct request *r)
{
	if (neighbour_remove(rib, r->neighbour) == 0)
		port_run_at_owner(r->port, settle, r);
}

int
router_neighbour_delete(struct router *router, const struct neighbour_spec *spec, struct error *err)
{
	struct rib *rib = router_rib(router);
	struct request r = { .port = port_find(router, spec->ifindex), .spec = spec };

	if (r.port == NULL)
		return error_code(err, ENODEV);
	r.neighbour = neighbour_find(rib, spec->ifindex, spec->family, &spec->addr);
	if (r.neighbour == NULL || r.neighbour->state == NUD_NONE)
		return error_code(err, ENOENT);
	port_run_at_owner(r.port, forget, &r);
	remove_forgotten(rib, &r);
	return 0;
}

static void
forget_unused(void *arg)
{
	struct request *r = arg;
	uint8_t state = r->neighbour->state;

	if (state == NUD_NONE)
		r->done = true;
	else if ((state == NUD_STALE || state == NUD_FAILED) && !r->neighbour->configured)
		forget(r);
}

bool
path_neighbour_collect(struct router *router, uint32_t ifindex, uint8_t family, const struct ip_addr *addr)
{
	struct rib *rib = router_rib(router);
	struct neighbour *n = neighbour_find(rib, ifindex, family, addr);
	struct request r = { .port = port_find(router, ifindex), .neighbour = n };

	if (n == NULL || r.port == NULL)
		return true;
	port_run_at_owner(r.port, forget_unused, &r);
	if (r.done)
		remove_forgotten(rib, &r);
	return r.done;
}
