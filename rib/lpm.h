/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Longest prefix match: a root indexed by the address's first bits, that grows with the table from 4 bits to 20 (as in
 * "DXR", M. Zec, L. Rizzo, M. Mikuc, CCR 2012), and below it what suits the family's addresses.
 *
 * IPv4 is dense: five bits a step. An entry stands for 32 slots and keeps 2 or 4 bytes for every run of equal slots
 * (the counting of "Poptrie", H. Asai and Y. Ohara, SIGCOMM 2015). Ten routes take about a kilobyte; a million eight
 * megabytes, where a lookup mostly reads two cache lines.
 *
 * IPv6 is sparse: search trees over the ends of runs, one cache line a node (lpm_tree.h).
 *
 * One writer; readers are lock-free under RCU. What readers can see is changed by single words only: an update writes
 * anew what changes, stores the word that leads to it, and reuses the old after a grace period.
 */
#ifndef WEIR_RIB_LPM_H
#define WEIR_RIB_LPM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/address.h>
#include <weir/rcu.h>

/* A value as it is stored: the prefix's length and the caller's number. 0: no route. */
#define LPM_NUMBER_BITS 23
#define LPM_NUMBER_MAX  ((1u << LPM_NUMBER_BITS) - 1)

static inline uint32_t
lpm_value(uint8_t length, uint32_t number)
{
	return (uint32_t)length << LPM_NUMBER_BITS | number;
}

static inline uint8_t
lpm_value_length(uint32_t value)
{
	return (uint8_t)(value >> LPM_NUMBER_BITS);
}

static inline uint32_t
lpm_value_number(uint32_t value)
{
	return value & LPM_NUMBER_MAX;
}

/* An address as a number, its first bit on top. IPv4 is the upper half of hi; lo is 0. */
struct lpm_key {
	uint64_t hi, lo;
};

static inline struct lpm_key
lpm_key(const struct ip_addr *addr)
{
	return (struct lpm_key){ rte_be_to_cpu_64(addr->halves[0]), rte_be_to_cpu_64(addr->halves[1]) };
}

struct lpm;

/* family: AF_INET or AF_INET6. */
struct lpm *lpm_create(struct rcu *rcu, uint8_t family);
/* The caller has unpublished it; readers may still be in it: freed after a grace period. */
void lpm_destroy(struct lpm *lpm);

/* The prefix's number is now `number` (1..LPM_NUMBER_MAX), whether it had one before or not. Host bits are 0. */
void lpm_set(struct lpm *lpm, struct lpm_key key, uint8_t length, uint32_t number);
/* Takes the prefix out; cover is the value (lpm_value) of the longest shorter prefix that covers it, 0: none. */
void lpm_unset(struct lpm *lpm, struct lpm_key key, uint8_t length, uint32_t cover);

/* How many prefixes there are: the next update fits the root to it. */
void lpm_set_routes(struct lpm *lpm, uint32_t routes);

/* Burst lookups, any thread under RCU: values[i] is keys[i]'s value, or 0. n at most LPM_BURST. */
#define LPM_BURST 64
void lpm_lookup_v6(const struct lpm *lpm, const struct lpm_key *keys, uint16_t n, uint32_t *values);
/* Addresses in host order. */
void lpm_lookup_v4(const struct lpm *lpm, const uint32_t *addrs, uint16_t n, uint32_t *values);

/* Where a lookup of an IPv4 address in host order begins to read: the element address >> *shift of this. */
const uint64_t *lpm_root_v4(const struct lpm *lpm, uint32_t *shift);

size_t lpm_bytes(const struct lpm *lpm);

#endif
