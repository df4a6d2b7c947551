/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_SCHED_CLASS_SNAPSHOT_H
#define WEIR_SCHED_CLASS_SNAPSHOT_H

#include <weir/sched.h>

/*
 * sched_class_walk for a discipline that has class_ops.snapshot: visits copies, which are valid during the visit only.
 */
int class_snapshot_walk(const struct qdisc *q, int (*visit)(void *arg, struct class *c), void *arg);

#endif
