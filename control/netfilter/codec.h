/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A match or target of iptables, from its bytes in a blob to the conf that the packet filter is given. A kind is one
 * file here, one in classify/netfilter/, and registers itself.
 */
#ifndef WEIR_CONTROL_NETFILTER_CODEC_H
#define WEIR_CONTROL_NETFILTER_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/error.h>

enum xt_side { XT_MATCH, XT_TARGET };

struct xt_codec {
	enum xt_side side;
	const char *name; /* "tcp"; the kind of weir/netfilter/matches.h or targets.h, too */
	uint8_t revision; /* one that Linux 6.1 has: iptables asks for it by name and number */
	size_t bytes; /* of its data in the blob, before alignment */
	/* the program's part of them, at the start; what follows is the kernel's and comes back as 0 */
	size_t own_bytes;
	size_t conf_bytes; /* 0: it needs no conf */
	/* conf is zeroed. What the values mean together with the rule they are in is the packet filter's to check. */
	int (*decode)(const void *data, void *conf, struct error *err);
};

void xt_register(const struct xt_codec *codec);
/* NULL where there is no such kind in that revision. */
const struct xt_codec *xt_find(enum xt_side side, const char *name, uint8_t revision);
bool xt_has_name(enum xt_side side, const char *name);
/* In order of names. */
void xt_each(enum xt_side side, void (*each)(void *arg, const struct xt_codec *codec), void *arg);

#define XT_REGISTER(codec)                                                                                             \
	__attribute__((constructor)) static void xt_register_##codec(void)                                             \
	{                                                                                                              \
		xt_register(&(codec));                                                                                 \
	}

#endif
