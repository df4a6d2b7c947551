/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Extended matches: what `match` of basic and flow filters says; tc-ematch(8). They come as a list, in which each match
 * names its relation to the next one; what stands in parentheses is a sequence further down the list, and a container
 * in the place of the parentheses says where it starts. A sequence binds to the right, as tc's grammar has it:
 * `a and b or c` is `a and (b or c)`.
 */
#ifndef WEIR_FILTER_EMATCH_H
#define WEIR_FILTER_EMATCH_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/pkt_cls.h>
#include <linux/tc_ematch/tc_em_cmp.h>
#include <linux/tc_ematch/tc_em_meta.h>

#include <weir/filter/u32.h>

#define EMATCHES_MAX 128 /* of one filter, parentheses counted */

/* One side of `meta`: something that is known of the packet or, with TCF_META_ID_VALUE, a number. */
struct ematch_operand {
	uint16_t id; /* TCF_META_ID_* */
	uint8_t shift; /* to the right, before the mask */
	uint32_t mask; /* 0: all bits */
	uint32_t value;
};

struct ematch {
	uint16_t kind; /* TCF_EM_CONTAINER, _CMP, _NBYTE, _U32, _META */
	uint16_t id; /* the sender's: dumps repeat it */
	uint16_t flags; /* TCF_EM_REL_* to the next one, TCF_EM_INVERT */
	union {
		uint32_t first; /* container: the place in the list of what it contains, behind its own */
		struct {
			uint32_t value, mask; /* mask 0: all bits */
			uint16_t offset; /* from the layer's start, bytes */
			uint8_t layer; /* TCF_LAYER_* */
			uint8_t bytes; /* TCF_EM_ALIGN_*: of the value, big-endian */
			uint8_t flags; /* TCF_EM_CMP_TRANS: little-endian instead */
			uint8_t comparison; /* TCF_EM_OPND_* */
		} cmp;
		struct {
			const uint8_t *bytes;
			uint16_t n, offset;
			uint8_t layer;
		} nbyte;
		struct u32_key u32; /* nexthdr+ counts from the network header, too: there are no links here */
		struct {
			struct ematch_operand left, right;
			uint8_t comparison; /* TCF_EM_OPND_* */
		} meta;
	};
};

#endif
