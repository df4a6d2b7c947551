/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Command-line values that weird and weir-replay have in common. Each returns 0 or -EINVAL with a sentence for the
 * user.
 */
#ifndef WEIR_CONTROL_OPTIONS_H
#define WEIR_CONTROL_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#include <weir/error.h>

/*
 * A rate as tc(8) has it: 10mbit, 1.5gbit, 5kbps, 100kibit, a bare number of bits per second. Gives bytes per second,
 * not 0.
 */
int option_rate(const char *text, uint64_t *rate_Bps, struct error *err);
/* A whole number of at least `least` and at most `most`. */
int option_number(const char *text, uint64_t least, uint64_t most, uint64_t *number, struct error *err);
/*
 * Cuts "NAME=VALUE" at its first '='. NAME becomes the name of a port (an interface name as Linux has it: 1 to 15
 * characters, no slash, colon or space); *value points behind the '='.
 */
int option_port_name(const char *text, char *name, size_t size, const char **value, struct error *err);

#endif
