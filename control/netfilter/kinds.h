/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_CONTROL_NETFILTER_KINDS_H
#define WEIR_CONTROL_NETFILTER_KINDS_H

#include "netfilter/codec.h"

/* Says that there is no such match or target, and where it is known why: ENOENT. */
int xt_refuse_kind(enum xt_side side, const char *name, struct error *err);

#endif
