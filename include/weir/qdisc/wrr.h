/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wrr: weighted round robin by host. These are also what its options hold on the wire (TCA_WRR_*): tc has no codec for
 * it but ours, control/shim/q_wrr.c, which needs nothing else from here.
 */
#ifndef WEIR_QDISC_WRR_H
#define WEIR_QDISC_WRR_H

#include <stdint.h>

#define WRR_CLASSES_MAX     65535u
#define WRR_CLASSES_DEFAULT 255u
#define WRR_WEIGHTS         2
#define WRR_ADDRESS_MAX     16

/* Weights and what they change by are fractions of 2^63. */
#define WRR_ONE (UINT64_C(1) << 63)

enum {
	TCA_WRR_UNSPEC,
	TCA_WRR_CONF, /* struct wrr_conf, of the qdisc */
	TCA_WRR_CLASS, /* struct wrr_class_conf */
	TCA_WRR_LAST = TCA_WRR_CLASS,
};

enum wrr_direction { WRR_DESTINATION, WRR_SOURCE };
enum wrr_key { WRR_IP, WRR_MAC, WRR_MASQ };

/* wrr_weight.given; get_conf gives all. */
enum { WRR_VALUE = 1, WRR_MIN = 2, WRR_MAX = 4, WRR_DECR = 8, WRR_INCR = 16 };

struct wrr_weight {
	uint64_t value; /* above 0, at most 1 */
	uint64_t min, max; /* what use may change it between */
	uint64_t decr; /* less, with each byte that is sent */
	uint64_t incr; /* more, with each second */
	uint32_t given;
	uint32_t unused;
};

/* wrr_conf.given */
enum { WRR_DIRECTION = 1, WRR_KEY = 2, WRR_CLASSES = 4, WRR_QUANTUM = 8, WRR_MODE1 = 16, WRR_MODE2 = 32 };

struct wrr_conf {
	uint32_t given;
	uint32_t classes; /* hosts that are told apart */
	uint32_t quantum; /* bytes of a turn at weight 1 */
	uint8_t direction, key; /* enum wrr_direction, wrr_key */
	uint8_t modes[WRR_WEIGHTS]; /* 1: the weight changes with use; 0: it stays */
	struct wrr_weight weights[WRR_WEIGHTS]; /* what a host starts with */
};

/* value is that of now. */
struct wrr_class_conf {
	uint8_t address[WRR_ADDRESS_MAX]; /* get_conf only; whose it is */
	uint32_t length; /* of the address: 4, 16, 6 (MAC), 0: what has none */
	uint32_t unused;
	struct wrr_weight weights[WRR_WEIGHTS];
};

#endif
