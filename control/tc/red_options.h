/* SPDX-License-Identifier: BSD-3-Clause */
/* What red and gred share of their options: tc tells an average by logarithms and a table. */
#ifndef WEIR_CONTROL_RED_OPTIONS_H
#define WEIR_CONTROL_RED_OPTIONS_H

#include <stdio.h>

#include <netlink/netlink.h>
#include <weir/qdisc/red.h>

#define RED_STAB_SIZE 256 /* entries of a byte each */

/* The table of idle times, into params->idle_decay; params->scell_log must be set. */
int red_stab_parse(const struct nlattr *stab, struct red_params *params, struct error *err);
/* max_p by the old way to tell it: (max - min) / 2^plog. */
uint32_t red_max_p_from_plog(const struct red_params *params, uint8_t plog);
/* For save: the words from which tc finds these parameters again. */
void red_save_params(FILE *out, const struct red_params *params);

#endif
