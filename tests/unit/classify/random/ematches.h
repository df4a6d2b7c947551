/* SPDX-License-Identifier: BSD-3-Clause */
/* Extended matches as a person writes them, and as messages have them. */
#ifndef WEIR_TEST_CLASSIFY_EMATCHES_H
#define WEIR_TEST_CLASSIFY_EMATCHES_H

#include <weir/filter/ematch.h>

#include "random.h"

#define SEQUENCES_MAX 6
#define TERMS_MAX     5
#define NEEDLE_MAX    80

/* `not`, what is asked, and what joins it to the next one. */
struct plain_term {
	bool invert;
	enum { LAST, AND, OR } join;
	uint32_t inside; /* the sequence that stands in parentheses; 0: none, `match` is asked */
	struct ematch match;
	uint8_t needle[NEEDLE_MAX]; /* of nbyte */
};

/* The first one is the whole, the others are in parentheses somewhere. */
struct random_ematches {
	struct {
		unsigned int n;
		struct plain_term terms[TERMS_MAX];
	} sequences[SEQUENCES_MAX];
	unsigned int n_sequences;
	struct ematch list[SEQUENCES_MAX * TERMS_MAX]; /* as the message has them */
	unsigned int n;
};

/* `terms` 0: none, which every packet matches; else up to so many in a sequence. */
void random_ematches_draw(struct random_ematches *m, const struct plain_packet *like, unsigned int terms);
bool plain_ematches(const struct random_ematches *m, const struct plain_packet *p);

#endif
