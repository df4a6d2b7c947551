/* SPDX-License-Identifier: BSD-3-Clause */
/* pedit: writes into packets; tc-pedit(8). */
#ifndef WEIR_ACTION_PEDIT_H
#define WEIR_ACTION_PEDIT_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/pkt_cls.h>
#include <linux/tc_act/tc_pedit.h>

#define PEDIT_KEYS_MAX 128 /* as many as tc makes */

struct pedit_conf {
	int32_t action; /* what is done next, TC_ACT_* */
	uint8_t selector_flags; /* kept for dumps */
	bool extended; /* its keys came with headers and commands */
	uint8_t n_keys; /* 1..PEDIT_KEYS_MAX */
	uint8_t kinds[PEDIT_KEYS_MAX]; /* of each key: enum pedit_header_type, and enum pedit_cmd << 4 */
	/* mask and val as they lie in packets. In init: kept as copies; in get_conf: the action's own. */
	const struct tc_pedit_key *keys;
};

static inline enum pedit_header_type
pedit_header(uint8_t kind)
{
	return (enum pedit_header_type)(kind & 15);
}

static inline enum pedit_cmd
pedit_command(uint8_t kind)
{
	return (enum pedit_cmd)(kind >> 4);
}

#endif
