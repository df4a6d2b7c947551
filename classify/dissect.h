/* SPDX-License-Identifier: BSD-3-Clause */
/* The fields of a packet's headers, through VLAN tags and the extension headers of IPv6. */
#ifndef WEIR_CLASSIFY_DISSECT_H
#define WEIR_CLASSIFY_DISSECT_H

#include <weir/filter/flower.h>

/* in_port is not filled in. A header that the packet ends in leaves its fields, and those behind it, 0. */
void dissect(struct rte_mbuf *m, union flower_key *key);

#endif
