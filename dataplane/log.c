/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the packet filter's LOG wants said: copied by workers, so often as a token bucket of each allows, and written as
 * lines by the control thread, since writing takes longer than a packet may wait.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <syslog.h>

#include "machine.h"

#define LOG_INTERVAL_NS (NS_PER_SECOND / 1000) /* a thousand lines a second: what a person's disk stands */
#define LOG_BURST_NS    (LOGS_SIZE * LOG_INTERVAL_NS)
#define LINE_BYTES      2048

void
worker_log(struct worker *w, const struct netfilter_log *log)
{
	struct log_queue *q = &w->machine->logs;
	uint32_t tail = atomic_load_explicit(&q->tail, memory_order_relaxed);
	uint64_t full_at = RTE_MAX(q->full_at, w->now) + LOG_INTERVAL_NS;

	if (tail - atomic_load_explicit(&q->head, memory_order_acquire) == LOGS_SIZE ||
		full_at - w->now > LOG_BURST_NS) {
		atomic_fetch_add_explicit(&q->lost, 1, memory_order_relaxed);
		return;
	}
	q->full_at = full_at;
	q->logs[tail % LOGS_SIZE] = *log;
	atomic_store_explicit(&q->tail, tail + 1, memory_order_release);
	router_wake(w->router);
}

static void
write_line(const struct router *router, uint8_t level, const char *line)
{
	if (router->events.log != NULL)
		router->events.log(router->events.arg, level, line);
	else if (getenv("JOURNAL_STREAM") != NULL) /* systemd.exec(5): a level may be put before a line, sd-daemon(3) */
		fprintf(stderr, "<%u>%s\n", level, line);
	else
		fprintf(stderr, "%s\n", line);
}

static void
poll_worker(const struct router *router, struct log_queue *q)
{
	uint32_t head = atomic_load_explicit(&q->head, memory_order_relaxed);
	uint64_t lost = atomic_load_explicit(&q->lost, memory_order_relaxed);
	char line[LINE_BYTES];

	/* Of the lost ones it is told when there are others: a flood does not keep control busy. */
	if (head == atomic_load_explicit(&q->tail, memory_order_acquire))
		return;
	for (; head != atomic_load_explicit(&q->tail, memory_order_acquire); head++) {
		netfilter_log_line(&q->logs[head % LOGS_SIZE], line, sizeof(line));
		write_line(router, q->logs[head % LOGS_SIZE].level, line);
		atomic_store_explicit(&q->head, head + 1, memory_order_release);
	}
	if (lost == q->told)
		return;
	snprintf(line, sizeof(line), "LOG: %" PRIu64 " packets more, of which there is no line", lost - q->told);
	q->told = lost;
	write_line(router, LOG_WARNING, line);
}

void
log_poll(struct router *router)
{
	for (unsigned int i = 0; i < router->worker_count; i++)
		poll_worker(router, &router->workers[i]->logs);
}
