/* SPDX-License-Identifier: BSD-3-Clause */
/* For tests: the ways to take addresses apart that this processor can use, NULL at the end; the last is in use. */
#ifndef WEIR_RIB_DIRECT_H
#define WEIR_RIB_DIRECT_H

#include <weir/rib.h>

struct direct_reader {
	const char *name;
	/*
	 * Destinations in host order to addrs, which has room for LPM_BURST; true if a source may be an address of this
	 * router.
	 */
	bool (*take_apart)(
		const struct rib_local_filter *filter, const struct rib_pair4 *pairs, uint16_t n, uint32_t *addrs);
};

const struct direct_reader *direct_reader(unsigned int i);

#endif
