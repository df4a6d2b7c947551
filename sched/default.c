/* SPDX-License-Identifier: BSD-3-Clause */
/* Which kinds may stand at the root where nothing was configured (net.core.default_qdisc). */
#include "tree.h"

static uint64_t
no_time(void *host_arg)
{
	return 0;
}

/* Only an attempt tells: some kinds want options, and mq wants several queues. */
static int
try_kind(const char *kind, struct error *err)
{
	const struct sched_host host = { .mtu = 1500, .tx_queue_len = 1000, .now = no_time };
	struct sched_tree *tree;
	struct error why = { 0 };
	int rc = sched_tree_create(&host, &tree, err);

	if (rc != 0)
		return rc;
	rc = sched_set_default_root(tree, kind, &why);
	sched_tree_destroy(tree, DROP_SHUTDOWN);
	if (rc != 0)
		error_set(err, EINVAL, "%s cannot stand where nothing was configured: %.120s", kind, why.msg);
	return rc != 0 ? -EINVAL : 0;
}

int
sched_check_default(const char *kind, struct error *err)
{
	const struct qdisc_ops *ops = qdisc_find_ops(kind);
	int rc;

	if (ops == NULL)
		return error_set(err, ENOENT,
			"there is no discipline '%.30s'; the default is pfifo_fast, others are sfq and fq_codel", kind);
	if (ops->binds_port)
		return error_set(err, EINVAL, "%s is for links that were chosen: it cannot be the default", kind);
	rc = try_kind(kind, err);
	/* Nor could one of mq's queues be of it: what comes there may have been classified by the port's tree. */
	if (rc == 0 && ops->classes != NULL && ops->classes->classify != NULL)
		return error_set(
			err, EINVAL, "%s is about its classes, which somebody chooses: it cannot be the default", kind);
	return rc;
}

void
sched_set_next_default(struct sched_tree *tree, const char *kind)
{
	if (tree->default_root != NULL)
		tree->default_root = qdisc_find_ops(kind);
}
