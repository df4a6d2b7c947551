/* SPDX-License-Identifier: BSD-3-Clause */
/* Extended matches in messages, TCA_EMATCH_TREE_*, and in the words of tc. */
#ifndef WEIR_CONTROL_TC_EMATCH_H
#define WEIR_CONTROL_TC_EMATCH_H

#include <weir/filter/ematch.h>

#include "tc/codec.h"

/* attr NULL: none. What nbyte compares lies in the message. */
int ematches_parse(const struct nlattr *attr, struct ematch matches[EMATCHES_MAX], unsigned int *n, struct error *err);
void ematches_put(struct nl_msgs *msgs, uint16_t attr, const struct ematch *matches, unsigned int n);
void ematches_save(FILE *out, const struct ematch *matches, unsigned int n); /* " match 'EXPR'" */

#endif
