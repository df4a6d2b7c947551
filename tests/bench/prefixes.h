/* SPDX-License-Identifier: BSD-3-Clause */
/* Real IPv4 prefixes for the benchmarks, or as many synthetic ones with the same shares of lengths where the file is absent. */
#ifndef WEIR_BENCH_PREFIXES_H
#define WEIR_BENCH_PREFIXES_H

#include <stddef.h>
#include <stdint.h>

struct prefix4 {
	uint32_t addr; /* host order, host bits 0 */
	uint8_t length;
};

/* path: gzipped text, one prefix a line (IPv6 ones are passed over); NULL or unreadable: 900,000 synthetic ones. The caller frees *prefixes. */
size_t prefixes_load(const char *path, struct prefix4 **prefixes);

#endif
