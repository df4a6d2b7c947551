/* SPDX-License-Identifier: BSD-3-Clause */
/* `weir show ports|drops|totals|workers|buffers|tables|neighbours`: what `ip -s` and `tc -s` have no words for. */
#include <arpa/inet.h>
#include <inttypes.h>

#include <weir/dataplane.h>
#include <weir/rib.h>

#include "control.h"
#include "netlink/netlink.h"
#include "table.h"

#define COLUMNS(list) list, sizeof(list) / sizeof((list)[0])

struct show {
	struct router *router;
	struct table table;
};

static struct show
show_start(void *context, const struct table_column *columns, size_t width)
{
	const struct control *control = context;
	struct show show = { .router = control->router };

	table_start(&show.table, columns, width);
	return show;
}

static const char *
port_name(const struct router *router, uint32_t ifindex, char number[16])
{
	const struct port *port = port_find(router, ifindex);

	snprintf(number, 16, "%u", ifindex);
	return port != NULL ? port->name : number;
}

/* ---- ports ----------------------------------------------------------------------------------- */

static int
add_port(void *arg, struct port *port)
{
	struct show *show = arg;
	struct port_counters sum;
	const char *state = "down";
	uint64_t drops = 0;

	port_counters_sum(port, &sum);
	for (unsigned int i = 0; i < DROP__COUNT; i++)
		drops += sum.sink.drops[i];
	if (port->flags & IFF_UP)
		state = port_has_carrier(port) ? "up" : "no-carrier";
	table_add(&show->table, "%s", port->name);
	table_add(&show->table, "%s", port->ops->kind);
	table_add(&show->table, "%s", state);
	table_add(&show->table, "%u", port->mtu);
	table_add(&show->table, "%u", port->owner);
	table_add(&show->table, "%" PRIu64, sum.rx_packets);
	table_add(&show->table, "%" PRIu64, sum.rx_bytes);
	table_add(&show->table, "%" PRIu64, sum.tx_packets);
	table_add(&show->table, "%" PRIu64, sum.tx_bytes);
	table_add(&show->table, "%" PRIu64, sum.generated);
	table_add(&show->table, "%" PRIu64, sum.delivered);
	table_add(&show->table, "%" PRIu64, drops);
	table_add(&show->table, "%" PRIu32, port_queued(port));
	table_add(&show->table, "%" PRIu64, port_waiting(port));
	return 0;
}

static int
show_ports(void *context, FILE *out, bool json, struct error *err)
{
	static const struct table_column columns[] = {
		{ "port", false },
		{ "kind", false },
		{ "state", false },
		{ "mtu", true },
		{ "owner", true },
		{ "rx_packets", true },
		{ "rx_bytes", true },
		{ "tx_packets", true },
		{ "tx_bytes", true },
		{ "generated", true },
		{ "delivered", true },
		{ "dropped", true },
		{ "queued", true },
		{ "waiting", true },
	};
	struct show show = show_start(context, COLUMNS(columns));

	port_walk(show.router, add_port, &show);
	table_finish(&show.table, out, json);
	return 0;
}

static const struct nl_report ports_report = { "ports", "ports with their counters and queues", show_ports };
NL_REGISTER_REPORT(ports_report)

/* ---- drops ----------------------------------------------------------------------------------- */

static void
add_drop(struct show *show, const char *port, enum drop_reason reason, uint64_t packets)
{
	if (packets == 0)
		return;
	table_add(&show->table, "%s", port);
	table_add(&show->table, "%s", drop_reason_name(reason));
	table_add(&show->table, "%" PRIu64, packets);
	table_add(&show->table, "%s", drop_reason_meaning(reason));
}

struct drops {
	struct show show;
	uint64_t seen[DROP__COUNT];
};

static int
add_port_drops(void *arg, struct port *port)
{
	struct drops *drops = arg;
	struct port_counters sum;

	port_counters_sum(port, &sum);
	for (unsigned int i = 0; i < DROP__COUNT; i++) {
		add_drop(&drops->show, port->name, i, sum.sink.drops[i]);
		drops->seen[i] += sum.sink.drops[i];
	}
	return 0;
}

static int
show_drops(void *context, FILE *out, bool json, struct error *err)
{
	static const struct table_column columns[] = {
		{ "port", false },
		{ "reason", false },
		{ "packets", true },
		{ "meaning", false },
	};
	struct drops drops = { .show = show_start(context, COLUMNS(columns)) };
	struct router_totals totals;

	/* The totals first: what is dropped in between must not look like the drops of a port that has gone. */
	router_totals(drops.show.router, &totals);
	port_walk(drops.show.router, add_port_drops, &drops);
	/* What ports that have been removed since had dropped. */
	for (unsigned int i = 0; i < DROP__COUNT; i++)
		if (totals.drops[i] > drops.seen[i])
			add_drop(&drops.show, "-", i, totals.drops[i] - drops.seen[i]);
	table_finish(&drops.show.table, out, json);
	return 0;
}

static const struct nl_report drops_report = { "drops", "packets that did not leave, by port and reason", show_drops };
NL_REGISTER_REPORT(drops_report)

/* ---- totals and buffers ---------------------------------------------------------------------- */

static int
show_totals(void *context, FILE *out, bool json, struct error *err)
{
	static const struct table_column columns[] = {
		{ "received", true },
		{ "generated", true },
		{ "sent", true },
		{ "delivered", true },
		{ "dropped", true },
		{ "queued", true },
	};
	struct show show = show_start(context, COLUMNS(columns));
	struct router_totals totals;

	router_totals(show.router, &totals);
	table_add(&show.table, "%" PRIu64, totals.received);
	table_add(&show.table, "%" PRIu64, totals.generated);
	table_add(&show.table, "%" PRIu64, totals.sent);
	table_add(&show.table, "%" PRIu64, totals.delivered);
	table_add(&show.table, "%" PRIu64, totals.dropped);
	table_add(&show.table, "%" PRIu64, totals.queued);
	table_finish(&show.table, out, json);
	return 0;
}

static const struct nl_report totals_report = { "totals", "received + generated = sent + delivered + dropped + queued",
	show_totals };
NL_REGISTER_REPORT(totals_report)

static int
show_buffers(void *context, FILE *out, bool json, struct error *err)
{
	static const struct table_column columns[] = { { "size", true }, { "free", true }, { "reserve", true } };
	struct show show = show_start(context, COLUMNS(columns));
	struct pool_info info;

	router_pool_info(show.router, &info);
	table_add(&show.table, "%u", info.size);
	table_add(&show.table, "%u", info.free);
	table_add(&show.table, "%u", info.reserve);
	table_finish(&show.table, out, json);
	return 0;
}

static const struct nl_report buffers_report = { "buffers", "the pool of packet buffers", show_buffers };
NL_REGISTER_REPORT(buffers_report)

/* ---- workers --------------------------------------------------------------------------------- */

/* What it does when there is nothing to do, and which ports keep it from sleeping until it is woken. */
static void
add_idling(struct show *show, const struct worker_info *info)
{
	const char *ports[16];
	unsigned int n = info->spins ? 0 : router_worker_naps_for(show->router, info->index, ports, 16);
	char list[16 * (IF_NAMESIZE + 1)] = "-";
	size_t length = 0;

	for (unsigned int i = 0; i < n; i++)
		length += (size_t)sprintf(list + length, "%s%s", i != 0 ? "," : "", ports[i]);
	table_add(&show->table, "%s", info->spins ? "spins" : n != 0 ? "naps" : "sleeps");
	table_add(&show->table, "%s", list);
}

static void
add_worker(struct show *show, unsigned int index)
{
	struct worker_info info;

	router_worker_info(show->router, index, &info);
	table_add(&show->table, "%u", info.index);
	table_add(&show->table, "%u", info.lcore);
	table_add(&show->table, "%u", info.ports_owned);
	table_add(&show->table, "%u", info.queues_polled);
	table_add(&show->table, "%" PRIu64, info.packets);
	if (info.packets != 0)
		table_add(&show->table, "%" PRIu64, info.busy_cycles / info.packets);
	else
		table_add(&show->table, "-");
	if (info.cycles != 0)
		table_add(&show->table, "%.1f", 100.0 * (double)info.busy_cycles / (double)info.cycles);
	else
		table_add(&show->table, "-");
	table_add(&show->table, "%" PRIu64, info.loops);
	table_add(&show->table, "%" PRIu64, info.busy_loops);
	table_add(&show->table, "%" PRIu64, info.sleeps);
	add_idling(show, &info);
	for (unsigned int i = 0; i < WORKER_STAGES; i++) {
		if (info.timed_packets != 0)
			table_add(&show->table, "%.1f", (double)info.timed_cycles[i] / (double)info.timed_packets);
		else
			table_add(&show->table, "-");
	}
}

static int
show_workers(void *context, FILE *out, bool json, struct error *err)
{
	static const struct table_column first[] = {
		{ "worker", true },
		{ "lcore", true },
		{ "ports", true },
		{ "queues", true },
		{ "packets", true },
		{ "cycles_per_packet", true },
		{ "busy_percent", true },
		{ "loops", true },
		{ "busy_loops", true },
		{ "sleeps", true },
		{ "idle", false },
		{ "naps_for", false },
	};
	struct table_column columns[sizeof(first) / sizeof(first[0]) + WORKER_STAGES];

	/* Then cycles a packet, stage by stage. */
	memcpy(columns, first, sizeof(first));
	for (unsigned int i = 0; i < WORKER_STAGES; i++)
		columns[sizeof(first) / sizeof(first[0]) + i] = (struct table_column){ worker_stage_name(i), true };
	struct show show = show_start(context, COLUMNS(columns));

	for (unsigned int i = 0; i < router_workers(show.router); i++)
		add_worker(&show, i);
	table_finish(&show.table, out, json);
	return 0;
}

static const struct nl_report workers_report = { "workers", "threads: what they own and how busy they are",
	show_workers };
NL_REGISTER_REPORT(workers_report)

/* ---- tables ---------------------------------------------------------------------------------- */

static int
add_table(void *arg, const struct rib_table_info *info)
{
	struct show *show = arg;

	table_add(&show->table, "%s", info->family == AF_INET ? "inet" : "inet6");
	table_add(&show->table, "%u", info->table);
	table_add(&show->table, "%" PRIu64, info->routes);
	table_add(&show->table, "%" PRIu64, info->route_bytes);
	table_add(&show->table, "%" PRIu64, info->lookup_bytes);
	return 0;
}

static int
show_tables(void *context, FILE *out, bool json, struct error *err)
{
	static const struct table_column columns[] = {
		{ "family", false },
		{ "table", true },
		{ "routes", true },
		{ "route_bytes", true },
		{ "lookup_bytes", true },
	};
	struct show show = show_start(context, COLUMNS(columns));

	rib_table_walk(router_rib(show.router), add_table, &show);
	table_finish(&show.table, out, json);
	return 0;
}

static const struct nl_report tables_report = { "tables", "routing tables and the memory they take", show_tables };
NL_REGISTER_REPORT(tables_report)

/* ---- neighbours ------------------------------------------------------------------------------ */

static const char *
state_name(uint8_t state)
{
	static const struct {
		uint8_t state;
		const char *name;
	} names[] = {
		{ NUD_INCOMPLETE, "incomplete" },
		{ NUD_REACHABLE, "reachable" },
		{ NUD_STALE, "stale" },
		{ NUD_DELAY, "delay" },
		{ NUD_PROBE, "probe" },
		{ NUD_FAILED, "failed" },
		{ NUD_NOARP, "noarp" },
		{ NUD_PERMANENT, "permanent" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].state == state)
			return names[i].name;
	return "none";
}

static int
add_neighbour(void *arg, struct neighbour *neighbour)
{
	struct show *show = arg;
	const uint8_t *mac = neighbour->lladdr;
	char address[INET6_ADDRSTRLEN] = "", number[16];

	inet_ntop(neighbour->family, neighbour->addr.bytes, address, sizeof(address));
	table_add(&show->table, "%s", address);
	table_add(&show->table, "%s", port_name(show->router, neighbour->ifindex, number));
	if (neighbour->ready)
		table_add(
			&show->table, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	else
		table_add(&show->table, "-");
	table_add(&show->table, "%s", state_name(neighbour->state));
	table_add(&show->table, "%u", neighbour->references);
	table_add(&show->table, "%u", neighbour->waiting);
	return 0;
}

static int
show_neighbours(void *context, FILE *out, bool json, struct error *err)
{
	static const struct table_column columns[] = {
		{ "address", false },
		{ "port", false },
		{ "lladdr", false },
		{ "state", false },
		{ "nexthops", true },
		{ "waiting", true },
	};
	struct show show = show_start(context, COLUMNS(columns));

	neighbour_walk(router_rib(show.router), 0, AF_UNSPEC, add_neighbour, &show);
	table_finish(&show.table, out, json);
	return 0;
}

static const struct nl_report neighbours_report = { "neighbours",
	"neighbours, the nexthops that use them and the packets that wait", show_neighbours };
NL_REGISTER_REPORT(neighbours_report)
