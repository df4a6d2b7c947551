/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pfifo_fast: three FIFOs by priority, each of the port's queue length, and always the first that holds something is
 * served. The default root (tc-pfifo_fast(8)).
 *
 * It has no options, and ignores those that a client sends, as Linux does. The limit is the port's: a change of
 * txqueuelen counts from the next arrival on, and what is queued stays queued (Linux throws it away).
 */
#include <string.h>

#include <weir/qdisc/prio.h>
#include <weir/sched.h>

#include "pkt_queue.h"

#define PFIFO_FAST_BANDS 3

/* Priority -> band, as tc-pfifo_fast(8) tabulates it for the TOS values. */
static const uint8_t band_of_priority[TC_PRIO_MAX + 1] = { 1, 2, 2, 2, 1, 2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1 };

struct pfifo_fast {
	struct pkt_queue bands[PFIFO_FAST_BANDS];
};

static uint16_t
pfifo_fast_enqueue(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	struct pfifo_fast *f = qdisc_priv(q);
	uint32_t limit = qdisc_moving(q) ? UINT32_MAX : qdisc_tx_queue_len(q);
	uint64_t bytes = 0;
	uint16_t queued = 0;

	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		struct pkt_queue *band = &f->bands[band_of_priority[pkt_of(m)->priority & TC_PRIO_MAX]];

		if (unlikely(band->count >= limit)) {
			qdisc_drop(q, m, DROP_QUEUE_FULL);
			continue;
		}
		uint32_t counted = qdisc_count_bytes(q, m);

		if (unlikely(!pkt_queue_push(band, m, counted))) {
			qdisc_drop(q, m, DROP_NO_BUFFER);
			continue;
		}
		bytes += counted;
		pkts[queued++] = m;
	}
	qdisc_queued_burst(q, pkts, queued, bytes);
	return queued;
}

static uint16_t
pfifo_fast_dequeue(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	struct pfifo_fast *f = qdisc_priv(q);
	uint64_t bytes = 0;
	uint16_t got = 0;

	for (unsigned int band = 0; band < PFIFO_FAST_BANDS && got < n; band++)
		got += pkt_queue_pop_burst(&f->bands[band], pkts + got, n - got, &bytes);
	qdisc_left_burst(q, pkts, got, bytes, now);
	return got;
}

static struct rte_mbuf *
pfifo_fast_peek(struct qdisc *q, uint64_t now)
{
	const struct pfifo_fast *f = qdisc_priv(q);

	for (unsigned int band = 0; band < PFIFO_FAST_BANDS; band++) {
		const struct pkt_entry *first = pkt_queue_first(&f->bands[band]);

		if (first != NULL)
			return first->m;
	}
	return NULL;
}

static uint16_t
pfifo_fast_flush(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n)
{
	struct pfifo_fast *f = qdisc_priv(q);
	uint16_t got = 0;

	for (unsigned int band = 0; band < PFIFO_FAST_BANDS; band++)
		got += pkt_queue_flush(&f->bands[band], q, pkts + got, n - got);
	return got;
}

static uint64_t
pfifo_fast_next_event(const struct qdisc *q, uint64_t now)
{
	return q->backlog_pkts != 0 ? now : SCHED_NEVER;
}

static int
pfifo_fast_init(struct qdisc *q, const void *conf, uint64_t now, struct error *err)
{
	struct pfifo_fast *f = qdisc_priv(q);

	for (unsigned int band = 0; band < PFIFO_FAST_BANDS; band++)
		pkt_queue_init(&f->bands[band], q);
	return 0;
}

static void
pfifo_fast_get_conf(const struct qdisc *q, void *conf)
{
	struct prio_conf *c = conf;

	*c = (struct prio_conf){ .bands = PFIFO_FAST_BANDS };
	memcpy(c->priomap, band_of_priority, sizeof(c->priomap));
}

static const struct qdisc_ops pfifo_fast_ops = {
	.kind = "pfifo_fast",
	.size = sizeof(struct pfifo_fast),
	.conf_size = sizeof(struct prio_conf),
	.init = pfifo_fast_init,
	.enqueue = pfifo_fast_enqueue,
	.dequeue = pfifo_fast_dequeue,
	.peek = pfifo_fast_peek,
	.flush = pfifo_fast_flush,
	.next_event = pfifo_fast_next_event,
	.get_conf = pfifo_fast_get_conf,
	.bypass = true,
};
QDISC_REGISTER(pfifo_fast_ops)
