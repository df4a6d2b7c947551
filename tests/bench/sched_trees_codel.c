/* SPDX-License-Identifier: BSD-3-Clause */
/* codel, fq_codel and drr, as bench-sched measures them. */
#include <weir/qdisc/drr.h>
#include <weir/qdisc/fq_codel.h>

#include "sched_loads.h"

#define LIMIT (1u << 17) /* packets; none that bites */

/* The backlog is 1.7 ms of the link's time: below the target, so each packet is judged and none dropped. */
void
load_codel(struct load *load)
{
	static const struct codel_conf conf = { .given = CODEL_LIMIT, .limit = LIMIT };

	*load = (struct load){ 0 };
	load_start(load);
	load_add_qdisc(load, TC_H_ROOT, 1, "codel", &conf);
}

void
load_fq_codel(struct load *load, unsigned int flows)
{
	struct fq_codel_conf conf = { .given = CODEL_LIMIT | FQ_CODEL_FLOWS | FQ_CODEL_MEMORY_LIMIT,
		.limit = LIMIT,
		.flows = flows,
		.memory_limit = UINT32_MAX };

	*load = (struct load){ 0 };
	load_start(load);
	load_add_qdisc(load, TC_H_ROOT, 1, "fq_codel", &conf);
}

static struct target
target_drr_class(const struct load *load, uint32_t i)
{
	return (struct target){ .leaf = sched_class_find(sched_root(load->tree), 1 << 16 | (i + 1))->slot };
}

void
load_drr(struct load *load, unsigned int classes)
{
	static const struct drr_class_conf conf = { .quantum = 1514, .has_quantum = true };
	struct error err = { 0 };

	*load = (struct load){ 0 };
	load_start(load);
	struct qdisc *q = load_add_qdisc(load, TC_H_ROOT, 1, "drr", NULL);

	for (uint32_t i = 0; i < classes; i++) {
		struct class_spec spec = { .classid = q->handle | (i + 1), .conf = &conf };

		require(sched_class_add(q, &spec, NULL, &err) == 0, err.msg);
	}
	load_aim_at_random(load, classes, target_drr_class);
}
