/* SPDX-License-Identifier: BSD-3-Clause */
/* Which flow a packet belongs to, as a keyed 32-bit hash: for disciplines that keep a queue per flow. */
#ifndef WEIR_SCHED_FLOW_HASH_H
#define WEIR_SCHED_FLOW_HASH_H

#include <stdint.h>

#include <rte_mbuf.h>

/*
 * Hashes addresses, protocol and, where every packet of the flow shows them, ports (TCP, UDP, SCTP, DCCP) or the SPI (ESP, AH). Fragments
 * are hashed without ports, all alike, so that a datagram's pieces stay in order. What is not IP is hashed by its MAC addresses
 * and ethertype. `key` is secret and may be replaced at any time: without it collisions cannot be found (McKenney 1990, section 4).
 */
uint32_t flow_hash(struct rte_mbuf *m, uint32_t key);

#endif
