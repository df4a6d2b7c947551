/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The virtual-time engine: one worker, whose clock jumps from event to event. At one time, first what may leave leaves,
 * port by port, then scripts run, then timers, then what arrived with that timestamp comes in.
 */
#include <stdlib.h>
#include <string.h>

#include "replay.h"

#define ARRIVALS 32 /* packets of one time that come in together; what is due leaves between two such bursts */
#define FRUITLESS_MAX                                                                                                  \
	64 /* promises of a tree that were not kept, each time asked twice as late: then it is left alone */

#define PROGRESS_STEPS 4096

struct engine {
	struct router *router;
	struct worker_machine *wm;
	const struct replay_conf *conf;
	size_t next_script;
	struct port **inputs; /* captures with in=, in order of the command line */
	unsigned int input_count;
};

static void
set_now(struct engine *e, uint64_t now)
{
	e->router->virtual_now = now;
	e->wm->w.now = now;
}

/* ---- what comes next ---- */

static uint64_t
next_arrival(const struct engine *e)
{
	uint64_t earliest = SCHED_NEVER, at;

	for (unsigned int i = 0; i < e->input_count; i++)
		if (capture_peek(e->inputs[i], &at) && at < earliest)
			earliest = at;
	return earliest == SCHED_NEVER ? SCHED_NEVER : CLOCK_START + (earliest - e->router->replay->epoch_ns);
}

static uint64_t
next_script(const struct engine *e)
{
	return e->next_script < e->conf->script_count ? CLOCK_START + e->conf->scripts[e->next_script].at_ns
						      : SCHED_NEVER;
}

static uint64_t
next_departure(const struct engine *e)
{
	uint64_t earliest = SCHED_NEVER;

	for (unsigned int i = 0; i < e->wm->busy_count; i++)
		earliest = RTE_MIN(earliest, lane_next_event(e->wm->busy[i], e->router->virtual_now));
	return earliest;
}

static bool
anything_waits(const struct engine *e)
{
	for (struct port_machine *pm = e->router->first_port; pm != NULL; pm = pm->next)
		if (path_port_waiting(&pm->port) != 0)
			return true;
	return false;
}

/* SCHED_NEVER: all is done. Timers that hold no packet do not keep the replay going. */
static uint64_t
next_event(const struct engine *e)
{
	uint64_t next = next_departure(e);

	if (worker_holds(e->wm) != 0)
		return e->router->virtual_now;
	next = RTE_MIN(next, next_script(e));
	next = RTE_MIN(next, next_arrival(e));
	if (e->wm->timers_ns < next && (next != SCHED_NEVER || anything_waits(e)))
		next = e->wm->timers_ns;
	return next;
}

/* ---- what happens ---- */

/* Ports in order of the command line, which is that of their indexes; the list is short and nearly sorted. */
static void
sort_busy(struct worker_machine *wm)
{
	for (unsigned int i = 1; i < wm->busy_count; i++) {
		struct lane *lane = wm->busy[i];
		unsigned int j = i;

		for (; j > 0 && wm->busy[j - 1]->pm->port.ifindex > lane->pm->port.ifindex; j--)
			wm->busy[j] = wm->busy[j - 1];
		wm->busy[j] = lane;
	}
}

static void
drop_idle(struct worker_machine *wm)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < wm->busy_count; i++) {
		struct lane *lane = wm->busy[i];

		lane->busy = !lane_idle(lane);
		if (lane->busy)
			wm->busy[kept++] = lane;
	}
	wm->busy_count = kept;
}

/* A tree that promises a packet for now, and gives none, is asked later and later, and not for ever. */
static void
distrust(struct lane *lane, uint64_t now)
{
	if (lane_next_event(lane, now) > now)
		return;
	lane->next_ns = lane->fruitless >= FRUITLESS_MAX - 1 ? SCHED_NEVER
							     : now + (UINT64_C(1) << RTE_MIN(lane->fruitless, 40u));
	lane->fruitless++;
}

static unsigned int
drain(struct engine *e, uint64_t now)
{
	unsigned int total = 0;

	sort_busy(e->wm);
	for (unsigned int i = 0; i < e->wm->busy_count; i++) {
		struct lane *lane = e->wm->busy[i];
		unsigned int of_port = 0, sent;

		while ((sent = lane_drain(e->wm, lane, now)) != 0)
			of_port += sent;
		if (of_port != 0)
			lane->fruitless = 0;
		distrust(lane, now);
		total += of_port;
	}
	drop_idle(e->wm);
	return total;
}

static unsigned int
departures(struct engine *e, uint64_t now)
{
	unsigned int total = 0, did;

	do {
		did = drain(e, now) + worker_take_up(e->wm);
		total += did;
	} while (did != 0);
	return total;
}

static int
run_scripts(struct engine *e, uint64_t now, struct error *err)
{
	while (next_script(e) <= now) {
		const char *path = e->conf->scripts[e->next_script++].path;
		int rc = e->conf->run_script(e->conf->arg, path);

		if (rc != 0)
			return error_set(err, ECANCELED, "the script %s failed with status %d", path, rc);
		/* What it configured may let packets leave that could not before. */
		for (struct port_machine *pm = e->router->first_port; pm != NULL; pm = pm->next)
			pm->first.fruitless = 0;
	}
	return 0;
}

static bool
arrivals(struct engine *e, uint64_t now)
{
	uint64_t at_ns = replay_absolute(e->router->replay, now), head;
	struct rte_mbuf *pkts[ARRIVALS];

	for (unsigned int i = 0; i < e->input_count; i++) {
		struct port *port = e->inputs[i];

		if (!capture_peek(port, &head) || head != at_ns)
			continue;
		uint16_t n = capture_take(port, at_ns, pkts, ARRIVALS);
		if (n == 0)
			return true;
		if ((port->flags & IFF_UP) != 0) {
			worker_received(e->wm, port, pkts, n);
			return true;
		}
		struct port_counters *c = &port->counters[0];
		for (uint16_t j = 0; j < n; j++) {
			c->rx_packets++;
			c->rx_bytes += pkts[j]->pkt_len;
			pkt_drop(&c->sink, pkts[j], DROP_PORT_DOWN);
		}
		return true;
	}
	return false;
}

static int
step(struct engine *e, uint64_t now, struct error *err)
{
	set_now(e, now);
	worker_watch_buffers(e->wm);
	bool worked = departures(e, now) != 0;
	int rc = run_scripts(e, now, err);
	if (rc != 0)
		return rc;
	worker_timers(e->wm, worked);
	worked = arrivals(e, now);
	worker_take_up(e->wm);
	/* What came in may wait for a neighbour now, whose timer is not known here yet. */
	if (worked) {
		e->wm->timers_asked_ns = now;
		e->wm->timers_ns = path_timers(&e->wm->w);
	}
	if (e->wm->timers_ns <= now)
		e->wm->timers_ns = now + 1;
	if (atomic_load(&e->router->wake_pending))
		router_poll(e->router);
	if (e->router->replay->error.code != 0) {
		*err = e->router->replay->error;
		return -err->code;
	}
	return 0;
}

/* ---- from beginning to end ---- */

static int
find_inputs(struct engine *e, struct error *err)
{
	uint64_t at, epoch = SCHED_NEVER;
	unsigned int n = 0;

	for (struct port_machine *pm = e->router->first_port; pm != NULL; pm = pm->next)
		n++;
	e->inputs = calloc(n, sizeof(struct port *));
	if (e->inputs == NULL)
		return error_set(err, ENOMEM, "no memory for %u ports", n);
	for (struct port_machine *pm = e->router->first_port; pm != NULL; pm = pm->next) {
		if (!port_is_capture(&pm->port))
			continue;
		e->inputs[e->input_count++] = &pm->port;
		if (capture_peek(&pm->port, &at) && at < epoch)
			epoch = at;
	}
	e->router->replay->epoch_ns = epoch == SCHED_NEVER ? 0 : epoch;
	return 0;
}

static int
check_scripts(const struct replay_conf *conf, struct error *err)
{
	for (size_t i = 1; i < conf->script_count; i++)
		if (conf->scripts[i].at_ns < conf->scripts[i - 1].at_ns)
			return error_set(err, EINVAL, "the scripts are not in order of their times");
	return 0;
}

/* false: it is to end. */
static bool
report_progress(const struct engine *e)
{
	uint64_t packets = 0;

	if (e->conf->progress == NULL)
		return true;
	for (unsigned int i = 0; i < e->input_count; i++)
		packets += e->inputs[i]->counters[0].rx_packets;
	return !e->conf->progress(e->conf->arg, e->router->virtual_now - CLOCK_START, packets);
}

static int
run_engine(struct engine *e, struct error *err)
{
	uint64_t next, steps = 0;
	int rc = 0;

	while (rc == 0 && (next = next_event(e)) != SCHED_NEVER) {
		rc = step(e, RTE_MAX(next, e->router->virtual_now), err);
		if (++steps % PROGRESS_STEPS == 0 && rc == 0 && !report_progress(e))
			rc = error_set(err, ECANCELED, "the replay was interrupted");
	}
	e->router->replay->end_ns = e->router->virtual_now;
	return rc;
}

static int
close_outputs(struct engine *e, struct error *err)
{
	int rc = 0;

	for (unsigned int i = 0; i < e->input_count; i++) {
		int closed = capture_close(e->inputs[i], rc == 0 ? err : NULL);

		rc = rc == 0 ? closed : rc;
		if (capture_complaint(e->inputs[i]) != NULL)
			fprintf(stderr, "weir: the capture of %s ends %s\n", e->inputs[i]->name,
				capture_complaint(e->inputs[i]));
	}
	return rc;
}

int
replay_run(struct router *router, const struct replay_conf *conf, struct error *err)
{
	struct engine e = { .router = router, .conf = conf };
	struct replay *replay = router->replay;
	struct error own;

	if (err == NULL)
		err = &own;
	if (replay == NULL || replay->ran)
		return error_set(err, EINVAL, "this router is not, or no longer, to be replayed");
	e.wm = router->workers[0];
	replay->ran = true;
	replay->keep_records = conf->packets;
	int rc = check_scripts(conf, err);
	if (rc == 0 && conf->out_dir != NULL)
		rc = replay_prepare_directory(replay, conf->out_dir, err);
	if (rc == 0)
		rc = find_inputs(&e, err);
	if (rc == 0) {
		rc = run_engine(&e, err);
		int closed = close_outputs(&e, rc == 0 ? err : NULL);

		rc = rc == 0 ? closed : rc;
	}
	if (rc == 0) {
		replay_close_books(replay);
		rc = conf->out_dir != NULL ? replay_write_files(replay, conf->packets, err) : 0;
	}
	free(e.inputs);
	return rc;
}
