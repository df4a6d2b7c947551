/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where a tree's classes stand: side by side, in blocks of classes of one size. A class's slot (pkt.leaf) says which
 * block it is in and at which place, so that its address is computed. To look it up instead would cost each packet one
 * more line that is not near the processor, where there are many classes.
 *
 *   slot: block 20 bits | place 12 bits
 *
 *   blocks: | memory stride ... | memory stride ... |
 *               |
 *               +-> room, class | room, class | ...
 *
 * A block may be one qdisc's: whose class a slot is, is then asked of the block, which is near, and not of the class.
 *
 * Control makes and frees classes; others may look up meanwhile those whose slots they have. Blocks go when the tree
 * does.
 */
#ifndef WEIR_SCHED_CLASS_BLOCKS_H
#define WEIR_SCHED_CLASS_BLOCKS_H

#include <stddef.h>
#include <stdint.h>

#include <weir/rcu.h>

#define CLASS_PLACE_BITS 12
#define CLASS_PLACES     (1u << CLASS_PLACE_BITS)

struct qdisc;

struct class_block {
	uint8_t *memory;
	const struct qdisc *owner; /* whose classes all of its are; NULL: of several */
	uint32_t stride; /* bytes from one class to the next, with the room before each */
	/* control's */
	uint32_t used; /* places that have ever been in use */
	uint32_t taken; /* places in use */
	uint32_t bytes; /* of memory */
	uint32_t free; /* one that is free again: the next such stands at its start; CLASS_PLACES: none */
};

struct class_blocks {
	uint32_t count, size;
	struct class_block blocks[];
};

int class_blocks_create(struct class_blocks **made);
void class_blocks_destroy(struct class_blocks *all);
/*
 * A place of `bytes` in a block of that owner, zeroed; its slot. NULL: out of memory. *all may be another one then, and
 * the old one goes by rcu.
 */
void *
class_blocks_get(struct class_blocks **all, size_t bytes, const struct qdisc *owner, uint32_t *slot, struct rcu *rcu);
void class_blocks_put(struct class_blocks *all, uint32_t slot);

/* The slot must have been in use. */
static inline uint8_t *
class_blocks_at(const struct class_blocks *all, uint32_t slot)
{
	const struct class_block *block = &all->blocks[slot >> CLASS_PLACE_BITS];

	return block->memory + (size_t)block->stride * (slot % CLASS_PLACES);
}

#endif
