/* SPDX-License-Identifier: BSD-3-Clause */
/* How many filters of a chain name a class as their target. */
#include <stdlib.h>

#include "internal.h"

static struct class_use *
find(const struct class_uses *uses, uint32_t classid)
{
	uint32_t slot = classid * 0x9e3779b1U;

	for (slot &= uses->size - 1; uses->slots[slot].classid != 0; slot = (slot + 1) & (uses->size - 1))
		if (uses->slots[slot].classid == classid)
			break;
	return &uses->slots[slot];
}

static bool
grow(struct class_uses *uses)
{
	struct class_uses wider = { .size = uses->size != 0 ? 2 * uses->size : 16 };

	wider.slots = calloc(wider.size, sizeof(*wider.slots));
	if (wider.slots == NULL)
		return false;
	for (uint32_t i = 0; i < uses->size; i++) {
		if (uses->slots[i].count == 0)
			continue;
		*find(&wider, uses->slots[i].classid) = uses->slots[i];
		wider.used++;
	}
	free(uses->slots);
	*uses = wider;
	return true;
}

uint32_t
class_uses_count(const struct class_uses *uses, uint32_t classid)
{
	return uses->size != 0 && classid != 0 ? find(uses, classid)->count : 0;
}

void
class_uses_add(struct class_uses *uses, uint32_t classid)
{
	if (classid == 0)
		return;
	if (2 * uses->used >= uses->size && !grow(uses))
		return;

	struct class_use *use = find(uses, classid);

	if (use->classid == 0) {
		use->classid = classid;
		uses->used++;
	}
	use->count++;
}

void
class_uses_drop(struct class_uses *uses, uint32_t classid)
{
	if (class_uses_count(uses, classid) > 0)
		find(uses, classid)->count--;
}

void
class_uses_free(struct class_uses *uses)
{
	free(uses->slots);
	*uses = (struct class_uses){ 0 };
}
