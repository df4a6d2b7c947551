/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program that enters a network namespace (`ip -n NAME`, `ip netns exec NAME`, unshare -n) means that namespace's
 * kernel from then on, not the router, and so do the programs that it starts.
 */
#ifndef WEIR_SHIM_NAMESPACE_H
#define WEIR_SHIM_NAMESPACE_H

#include <stdbool.h>

/* Whether this process has left the network namespace that the router stands in for: the shim then stands aside. */
bool namespace_was_left(void);

/* Set for the programs that such a process starts; `weir` removes it. */
#define NAMESPACE_VARIABLE "WEIR_NAMESPACE"

#endif
