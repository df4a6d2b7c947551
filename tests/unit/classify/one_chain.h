/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What most tests of classifiers stand on: a chain of qdisc 1:, made and destroyed around each; no action of it is
 * left.
 */
#ifndef WEIR_TEST_CLASSIFY_ONE_CHAIN_H
#define WEIR_TEST_CLASSIFY_ONE_CHAIN_H

#include "support.h"

static struct chain *chain;
static struct error err;

static inline int
start(void **state)
{
	chain = chain_create(NULL);
	if (chain == NULL)
		return -1;
	chain_set_handle(chain, CLASSID(1, 0));
	return 0;
}

static inline int
end(void **state)
{
	chain_destroy(chain);
	return action_find("gact", 1) != NULL || action_find("skbedit", 1) != NULL ? -1 : 0;
}

#endif
