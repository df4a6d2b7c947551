/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a replay sees: each packet's way (packets.csv) and each queue's books (report.json), by the hooks that the
 * scheduler and the drop counters offer. A queue is known by port, handle and kind, since the qdisc itself may be
 * replaced while the replay runs.
 */
#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>

#include "replay.h"

static void *
grow(void *array, size_t count, size_t bytes)
{
	array = realloc(array, count * bytes);
	if (array == NULL) {
		fprintf(stderr, "weir: out of memory\n");
		abort();
	}
	return array;
}

/* ---- queues ---- */

static uint32_t
hash_slot(const struct watched_port *wp, uint32_t handle, bool is_class)
{
	uint32_t hash = (handle ^ (is_class ? 0x5bd1e995u : 0)) * 0x9e3779b1u;

	return (hash >> 8) & (wp->index_size - 1);
}

static void
index_queue(struct watched_port *wp, uint32_t number)
{
	const struct watched_queue *queue = &wp->queues[number];
	uint32_t slot = hash_slot(wp, queue->handle, queue->is_class);

	while (wp->index[slot] != 0)
		slot = (slot + 1) & (wp->index_size - 1);
	wp->index[slot] = number + 1;
}

static uint32_t
add_queue(struct watched_port *wp, uint32_t handle, bool is_class, const char *kind)
{
	if (wp->queue_count == wp->queue_size) {
		wp->queue_size = wp->queue_size == 0 ? 16 : wp->queue_size * 2;
		wp->queues = grow(wp->queues, wp->queue_size, sizeof(*wp->queues));
		free(wp->index);
		wp->index_size = wp->queue_size * 4;
		wp->index = grow(NULL, wp->index_size, sizeof(*wp->index));
		memset(wp->index, 0, wp->index_size * sizeof(*wp->index));
		for (uint32_t i = 0; i < wp->queue_count; i++)
			index_queue(wp, i);
	}
	wp->queues[wp->queue_count] = (struct watched_queue){ .kind = kind, .handle = handle, .is_class = is_class };
	index_queue(wp, wp->queue_count);
	return wp->queue_count++;
}

/* Number + 1; a kind's name is compared by address: it is its ops'. */
static uint32_t
find_queue(struct watched_port *wp, uint32_t handle, bool is_class, const char *kind)
{
	if (wp->index_size == 0)
		return 0;
	for (uint32_t slot = hash_slot(wp, handle, is_class); wp->index[slot] != 0;
		slot = (slot + 1) & (wp->index_size - 1)) {
		const struct watched_queue *queue = &wp->queues[wp->index[slot] - 1];

		if (queue->handle == handle && queue->is_class == is_class && queue->kind == kind)
			return wp->index[slot];
	}
	return 0;
}

static uint32_t queue_of_class(struct watched_port *wp, const struct class *c);

/* A leaf that its class made by itself has no handle, and no books but the class's. */
static uint32_t
queue_of_qdisc(struct watched_port *wp, const struct qdisc *q)
{
	if (q->handle == 0 && q->parent != NULL)
		return queue_of_class(wp, q->parent);
	uint32_t number = find_queue(wp, q->handle, false, q->ops->kind);
	if (number == 0)
		number = add_queue(wp, q->handle, false, q->ops->kind) + 1;
	uint32_t above = q->parent != NULL ? queue_of_class(wp, q->parent) : 0;
	wp->queues[number - 1].above = above;
	return number;
}

static uint32_t
queue_of_class(struct watched_port *wp, const struct class *c)
{
	uint32_t number = find_queue(wp, c->classid, true, c->qdisc->ops->kind);

	if (number == 0)
		number = add_queue(wp, c->classid, true, c->qdisc->ops->kind) + 1;
	uint32_t above = c->parent != NULL ? queue_of_class(wp, c->parent) : queue_of_qdisc(wp, c->qdisc);
	wp->queues[number - 1].above = above;
	return number;
}

static void
end_period(struct watched_queue *queue, uint64_t now)
{
	/* What leaves in an instant has no rate. */
	if (now > queue->busy_since_ns) {
		queue->busy_ns += now - queue->busy_since_ns;
		queue->busy_bytes += queue->period_bytes;
	}
	queue->period_bytes = 0;
}

static void
take_from_backlog(struct watched_queue *queue, uint64_t now)
{
	if (queue->backlog != 0 && --queue->backlog == 0)
		end_period(queue, now);
}

/* m is taken out of all queues from `number` up that it was counted in. */
static void
uncount(struct watched_port *wp, uint32_t number, uint64_t now)
{
	for (; number != 0; number = wp->queues[number - 1].above)
		take_from_backlog(&wp->queues[number - 1], now);
}

/* The class whose leaf the queue is; where it is the root, its handle. */
static uint32_t
class_at(const struct watched_port *wp, uint32_t number)
{
	const struct watched_queue *queue = &wp->queues[number - 1];

	return queue->is_class || queue->above == 0 ? queue->handle : wp->queues[queue->above - 1].handle;
}

static void
observe_queued(void *arg, const struct qdisc *q, struct rte_mbuf *m, uint64_t now)
{
	struct watched_port *wp = arg;
	struct packet_tag *tag = packet_tag(wp->replay, m);
	uint32_t leaf = queue_of_qdisc(wp, q);
	bool moved = tag->queue != 0;

	if (moved)
		uncount(wp, tag->queue, now);
	tag->queue = leaf;
	if (tag->record != 0)
		wp->replay->records[tag->record - 1].class_handle = class_at(wp, leaf);
	for (uint32_t number = leaf; number != 0; number = wp->queues[number - 1].above) {
		struct watched_queue *queue = &wp->queues[number - 1];

		if (!moved) {
			queue->offered_packets++;
			queue->offered_bytes += pkt_queued_bytes(m);
		}
		if (queue->backlog++ == 0)
			queue->busy_since_ns = now;
	}
}

static void
count_left(struct watched_queue *queue, uint32_t bytes, uint64_t delay, uint64_t now)
{
	queue->packets++;
	queue->bytes += bytes;
	delays_add(&queue->delays, delay);
	/* The packet that ends the period is sent when it is over. */
	if (queue->backlog > 1)
		queue->period_bytes += bytes;
	take_from_backlog(queue, now);
}

/* Called for each level: the qdisc itself and the classes between it and the next qdisc. */
static void
observe_left(void *arg, const struct qdisc *q, struct rte_mbuf *m, uint64_t now)
{
	struct watched_port *wp = arg;
	struct packet_tag *tag = packet_tag(wp->replay, m);
	uint32_t number = queue_of_qdisc(wp, q);
	uint32_t next = q->parent != NULL ? queue_of_qdisc(wp, q->parent->qdisc) : 0;
	uint64_t enqueued = pkt_of(m)->time_ns;

	for (; number != 0 && number != next; number = wp->queues[number - 1].above)
		count_left(&wp->queues[number - 1], pkt_queued_bytes(m), now - enqueued, now);
	tag->queue = next;
}

static void
observe_dropped(void *arg, const struct qdisc *q, struct rte_mbuf *m, enum drop_reason reason)
{
	struct watched_port *wp = arg;
	struct packet_tag *tag = packet_tag(wp->replay, m);
	uint32_t leaf = queue_of_qdisc(wp, q);
	bool was_queued = tag->queue != 0;

	if (was_queued)
		uncount(wp, tag->queue, wp->replay->router->virtual_now);
	tag->queue = 0;
	if (tag->record != 0)
		wp->replay->records[tag->record - 1].class_handle = class_at(wp, leaf);
	for (uint32_t number = leaf; number != 0; number = wp->queues[number - 1].above) {
		struct watched_queue *queue = &wp->queues[number - 1];

		queue->drops[reason]++;
		if (!was_queued) {
			queue->offered_packets++;
			queue->offered_bytes += pkt_bytes(q, m);
		}
	}
}

/* ---- packets ---- */

static struct packet_record *
begin_record(struct replay *replay, uint16_t in_port, uint64_t arrival_ns, uint32_t length)
{
	if (replay->record_count == replay->record_size) {
		replay->record_size = replay->record_size == 0 ? 4096 : replay->record_size * 2;
		replay->records = grow(replay->records, replay->record_size, sizeof(*replay->records));
	}
	struct packet_record *record = &replay->records[replay->record_count++];
	*record = (struct packet_record){ .arrival_ns = arrival_ns, .length = length, .in_port = in_port };
	return record;
}

/* The packet's line; one that was made here, or is a copy of one whose line is written already, gets its own. */
static struct packet_record *
record_of(struct replay *replay, struct rte_mbuf *m)
{
	struct packet_tag *tag = packet_tag(replay, m);

	if (tag->record != 0 && replay->records[tag->record - 1].state == RECORD_WAITS)
		return &replay->records[tag->record - 1];
	uint32_t class_handle = tag->record != 0 ? replay->records[tag->record - 1].class_handle : 0;
	struct packet_record *record = begin_record(replay, 0, pkt_of(m)->time_ns, m->pkt_len);
	record->class_handle = class_handle;
	return record;
}

void
replay_arrived(
	struct replay *replay, const struct port *port, struct rte_mbuf *m, uint32_t length, enum drop_reason reason)
{
	if (m != NULL)
		*packet_tag(replay, m) = (struct packet_tag){ 0 };
	if (!replay->keep_records)
		return;
	struct packet_record *record = begin_record(replay, port->ifindex, replay->router->virtual_now, length);
	if (m != NULL) {
		packet_tag(replay, m)->record = replay->record_count;
	} else {
		record->state = RECORD_DROPPED;
		record->reason = reason;
	}
}

void
replay_made(struct replay *replay, struct rte_mbuf *m)
{
	*packet_tag(replay, m) = (struct packet_tag){ 0 };
	if (!replay->keep_records)
		return;
	/*
	 * Its line is begun now, for the class it may be queued in; one that is never sent nor dropped is not written.
	 */
	begin_record(replay, 0, replay->router->virtual_now, 0);
	packet_tag(replay, m)->record = replay->record_count;
}

void
replay_sent(struct replay *replay, const struct port *port, struct rte_mbuf *m, uint64_t now)
{
	if (!replay->keep_records)
		return;
	struct packet_record *record = record_of(replay, m);
	record->state = RECORD_SENT;
	record->departure_ns = now;
	record->out_port = port->ifindex;
	if (record->in_port == 0)
		record->length = m->pkt_len;
}

static void
sink_dropped(void *arg, struct rte_mbuf *m, enum drop_reason reason)
{
	struct replay *replay = arg;
	struct packet_tag *tag = packet_tag(replay, m);

	if (replay->keep_records) {
		struct packet_record *record = record_of(replay, m);

		record->state = RECORD_DROPPED;
		record->reason = reason;
		record->out_port = pkt_of(m)->out_port;
		if (record->in_port == 0)
			record->length = m->pkt_len;
	}
	if (tag->queue == 0)
		return;
	/* Taken out of a tree by its port, which went down. */
	for (struct watched_port *wp = replay->ports; wp != NULL; wp = wp->next)
		if (wp->ifindex == pkt_of(m)->out_port)
			uncount(wp, tag->queue, replay->router->virtual_now);
	tag->queue = 0;
}

static void
sink_delivered(void *arg, struct rte_mbuf *m)
{
	struct replay *replay = arg;

	if (replay->keep_records)
		record_of(replay, m)->state = RECORD_DELIVERED;
}

/* ---- its life ---- */

int
replay_create(struct router *router, struct error *err)
{
	static const struct rte_mbuf_dynfield field = {
		.name = "weir_packet_tag",
		.size = sizeof(struct packet_tag),
		.align = alignof(struct packet_tag),
	};
	struct replay *replay = calloc(1, sizeof(*replay));

	if (replay == NULL)
		return error_set(err, ENOMEM, "no memory for the replay");
	replay->router = router;
	replay->tag_offset = rte_mbuf_dynfield_register(&field);
	if (replay->tag_offset < 0) {
		free(replay);
		return error_set(
			err, rte_errno, "no room in the buffers for a replay's marks: %s", rte_strerror(rte_errno));
	}
	router->replay = replay;
	return 0;
}

void
replay_destroy(struct replay *replay)
{
	if (replay == NULL)
		return;
	while (replay->ports != NULL) {
		struct watched_port *wp = replay->ports;

		replay->ports = wp->next;
		for (uint32_t i = 0; i < wp->queue_count; i++)
			delays_free(&wp->queues[i].delays);
		free(wp->queues);
		free(wp->index);
		free(wp);
	}
	free(replay->records);
	free(replay);
}

static void
watch_sink(struct replay *replay, struct pkt_sink *sink)
{
	sink->observe = sink_dropped;
	sink->delivered = sink_delivered;
	sink->observe_arg = replay;
}

const struct sched_observer *
replay_watch_port(struct replay *replay, struct port *port)
{
	struct watched_port *wp = calloc(1, sizeof(*wp));
	struct watched_port **link = &replay->ports;

	if (wp == NULL)
		return NULL;
	wp->replay = replay;
	wp->ifindex = port->ifindex;
	memcpy(wp->name, port->name, sizeof(wp->name));
	wp->observer = (struct sched_observer){
		.queued = observe_queued,
		.left = observe_left,
		.dropped = observe_dropped,
		.arg = wp,
	};
	while (*link != NULL)
		link = &(*link)->next;
	*link = wp;
	watch_sink(replay, &port->counters[0].sink);
	watch_sink(replay, &replay->router->workers[0]->orphans.sink);
	return &wp->observer;
}

/* ---- the end ---- */

static int
read_class(void *arg, struct class *c)
{
	struct watched_port *wp = arg;
	struct sched_stats stats;

	uint32_t number = queue_of_class(wp, c); /* may move wp->queues */

	class_get_stats(c, &stats);
	wp->queues[number - 1].overlimits = stats.overlimits;
	return 0;
}

static int
read_qdisc(void *arg, struct qdisc *q)
{
	struct watched_port *wp = arg;
	struct sched_stats stats;

	if (q->handle == 0 && q->parent != NULL)
		return 0;
	uint32_t number = queue_of_qdisc(wp, q);
	qdisc_get_stats(q, &stats);
	wp->queues[number - 1].overlimits = stats.overlimits;
	return q->ops->classes != NULL ? sched_class_walk(q, read_class, wp) : 0;
}

void
replay_close_books(struct replay *replay)
{
	for (struct watched_port *wp = replay->ports; wp != NULL; wp = wp->next) {
		struct port *port = port_find(replay->router, wp->ifindex);

		for (uint32_t i = 0; i < wp->queue_count; i++)
			if (wp->queues[i].backlog != 0)
				end_period(&wp->queues[i], replay->end_ns);
		if (port != NULL)
			sched_qdisc_walk(port->tree, read_qdisc, wp);
	}
}
