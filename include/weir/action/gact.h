/* SPDX-License-Identifier: BSD-3-Clause */
/* gact: a plain verdict, if wanted one packet in so many gets another. */
#ifndef WEIR_ACTION_GACT_H
#define WEIR_ACTION_GACT_H

#include <stdint.h>

#include <linux/tc_act/tc_gact.h>

struct gact_conf {
	int32_t action; /* TC_ACT_OK, SHOT, RECLASSIFY, PIPE, UNSPEC (continue), TRAP or TC_ACT_JUMP | n */
	/* PGACT_NONE, PGACT_NETRAND (one packet in `every` by chance), PGACT_DETERM (each `every`th) */
	uint16_t random_type;
	uint16_t every; /* packets; 1 where 0 was asked for */
	int32_t random_action;
};

#endif
