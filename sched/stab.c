/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Size tables: what a packet of n bytes costs on a link whose framing the frame does not show (tc-stab(8)).
 *
 * The man page's formula: the length plus overhead, at least mpu (which user space has built into the table), looked up
 * in steps of 2^cell_log bytes; the entry, shifted left by size_log, is the packet's size. Above the table's end, which
 * tc's tsize and mtu give, whole tables are added up. Without a table (linklayer ethernet) only the overhead counts.
 */
#include <weir/sched.h>

uint32_t
sched_stab_bytes(const struct sched_stab *stab, uint32_t bytes)
{
	const struct tc_sizespec *spec = &stab->spec;
	int64_t size = (int64_t)bytes + spec->overhead;

	if (spec->tsize != 0) {
		int64_t slot = size + spec->cell_align;

		slot = slot < 0 ? 0 : slot >> spec->cell_log;
		if (slot < spec->tsize) {
			size = stab->data[slot];
		} else {
			/* Not the data path's common case: a packet longer than the table was made for. */
			size = (int64_t)stab->data[spec->tsize - 1] * (slot / spec->tsize) +
			       stab->data[slot % spec->tsize];
		}
		/* No overhead, and no table, is too great to be shifted. */
		size = size > UINT32_MAX >> spec->size_log ? UINT32_MAX : size << spec->size_log;
	}
	return size < 1 ? 1 : size > UINT32_MAX ? UINT32_MAX : (uint32_t)size;
}
