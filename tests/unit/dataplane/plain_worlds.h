/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fast way of plain packets (PKT_PLAIN) is the full way, only faster: worlds that are told the same and get the
 * same frames must send the same frames by the same ports, know the same of them, and count the same. They differ in
 * the way that packets take:
 *
 *	AS_IS		plain packets by the fast way
 *	FULL		every packet comes with the mark of a tag that the device stripped, of VLAN 0 and priority 0:
 *			that tag says nothing, but a packet that has it is never plain
 *	ONE_FULL	one packet of each burst has that mark: the others are plain, but looked at a second time
 *	HOOKED		through an ingress hook that lets everything pass and sets nothing
 *	UNREAD		as if nobody were likely to read struct pkt, which the next stop then refuses, or not
 */
#ifndef WEIR_TEST_DATAPLANE_PLAIN_WORLDS_H
#define WEIR_TEST_DATAPLANE_PLAIN_WORLDS_H

#include "eal.h"
#include "world.h"

#define BURST_MOST 90 /* frames: more than the path takes at once */
#define STRANGER   IP(172, 16, 0, 1) /* an address of the router, now and then */

enum { AS_IS, FULL, ONE_FULL, HOOKED, UNREAD, WAYS };

struct worlds {
	struct router *r[WAYS];
	uint32_t table_rules[NETFILTER_TABLES]; /* of the packet filter tables that are loaded; 0: it is not */
	uint64_t fast; /* packets that left AS_IS by the fast way */
	uint64_t unread; /* and that left UNREAD without struct pkt */
};

struct arrival {
	struct frame whole; /* what the buffer holds: if it is longer than `bytes`, the rest is no part of the frame */
	uint16_t bytes, segment;
	uint32_t mark;
};

/* cmocka's, for struct worlds. */
int plain_setup(void **state);
int plain_teardown(void **state);

void mend_checksum(struct frame *f);
/* Chooses the datagram's identification so that this is its checksum. */
void want_checksum(struct frame *f, uint16_t checksum);

/* What goes to port 9 gets a mark and a priority, what goes to port 10 is dropped. */
void hook(struct router *r);
/* No ingress hooks but that of HOOKED. */
void unhook(struct worlds *worlds);
void set_mtu(struct router *r, uint32_t ifindex, uint32_t mtu);
void set_stranger(struct router *r, bool there);

/* All ways have done the same, and what left is right: its checksum, its length. Forgets it. */
void compare_all(struct worlds *worlds);
/* The packet number `chosen` is the one of ONE_FULL. `fresh`: from outside; else out of a veth's other end. */
void play_burst(struct worlds *worlds, uint32_t ifindex, const struct arrival *arrivals, uint16_t n, uint32_t chosen,
	bool fresh);

#endif
