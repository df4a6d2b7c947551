/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A dump of classes that exist only while they hold packets: the owner copies them between two bursts, control walks
 * the copies.
 */
#include <stdlib.h>
#include <string.h>

#include <weir/sched.h>

#include "class_snapshot.h"
#include "tree.h"

struct snapshot {
	struct qdisc *q;
	uint8_t *classes;
	size_t stride;
	uint32_t max, count;
};

static void
take_snapshot(void *arg)
{
	struct snapshot *snapshot = arg;

	snapshot->count =
		snapshot->q->ops->classes->snapshot(snapshot->q, snapshot->classes, snapshot->stride, snapshot->max);
}

int
class_snapshot_walk(const struct qdisc *q, int (*visit)(void *arg, struct class *c), void *arg)
{
	const struct sched_host *host = &q->tree->host;
	struct snapshot snapshot = {
		.q = (struct qdisc *)(uintptr_t)q,
		.stride = RTE_ALIGN_CEIL(sizeof(struct class) + q->ops->classes->size, _Alignof(struct class)),
	};
	int rc = 0;

	/* Each holds a packet and has a minor of its own; what becomes busy meanwhile may be missing. */
	snapshot.max = q->ops->classes->snapshot_max != NULL
			       ? q->ops->classes->snapshot_max(q)
			       : RTE_MIN(__atomic_load_n(&q->backlog_pkts, __ATOMIC_RELAXED), UINT16_MAX + 1u);
	if (snapshot.max == 0)
		return 0;
	snapshot.classes = aligned_alloc(_Alignof(struct class), snapshot.max * snapshot.stride);
	if (snapshot.classes == NULL)
		return -ENOMEM;
	memset(snapshot.classes, 0, snapshot.max * snapshot.stride);
	if (host->run != NULL)
		host->run(host->host_arg, take_snapshot, &snapshot);
	else
		take_snapshot(&snapshot);
	for (uint32_t i = 0; i < snapshot.count && rc == 0; i++)
		rc = visit(arg, (struct class *)(void *)(snapshot.classes + i * snapshot.stride));
	free(snapshot.classes);
	return rc;
}
