/* SPDX-License-Identifier: BSD-3-Clause */
/* A rate in the words of the person who typed it: as tc prints rates, for sentences. */
#ifndef WEIR_RATE_TEXT_H
#define WEIR_RATE_TEXT_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>

struct rate_text {
	char text[32];
};

/* 10Mbit, 1536Kbit, 8bit: the greatest unit of which it is a whole number, or more than a thousand. */
static inline struct rate_text
rate_text(uint64_t Bps)
{
	static const char *const units[] = { "bit", "Kbit", "Mbit", "Gbit", "Tbit" };
	uint64_t number = Bps > UINT64_MAX / 8 ? UINT64_MAX : 8 * Bps;
	struct rate_text text;
	unsigned int unit = 0;

	for (; unit < 4 && number >= 1000 && (number % 1000 == 0 || number >= 1000000); unit++)
		number /= 1000;
	snprintf(text.text, sizeof(text.text), "%" PRIu64 "%s", number, units[unit]);
	return text;
}

#endif
