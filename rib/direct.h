/* SPDX-License-Identifier: BSD-3-Clause */
/* For tests: the ways to read addresses and values that this processor can use, NULL at the end; the last is in use. */
#ifndef WEIR_RIB_DIRECT_H
#define WEIR_RIB_DIRECT_H

#include <weir/rib.h>

struct target;

struct direct_reader {
	const char *name;
	/*
	 * Destinations in host order to addrs, which has room for LPM_BURST; true if a source may be an address of this
	 * router.
	 */
	bool (*take_apart)(
		const struct rib_local_filter *filter, const struct rib_pair4 *pairs, uint16_t n, uint32_t *addrs);
	/* The targets' results of the first values, up to one that does not forward; returns how many. */
	uint16_t (*find_targets)(
		struct target *const *pages, const uint32_t *values, uint16_t n, const struct rib_result **answers);
};

const struct direct_reader *direct_reader(unsigned int i);

#endif
