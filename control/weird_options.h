/* SPDX-License-Identifier: BSD-3-Clause */
/* weird's command line. */
#ifndef WEIR_CONTROL_WEIRD_OPTIONS_H
#define WEIR_CONTROL_WEIRD_OPTIONS_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/dataplane.h>
#include <weir/error.h>

enum {
	WEIRD_PORTS_MAX = 64,
};

struct port_option {
	char name[IF_NAMESIZE];
	struct device_conf device;
	uint64_t rate_Bps; /* 0: the device's */
};

struct weird_options {
	struct router_conf router;
	struct port_option ports[WEIRD_PORTS_MAX];
	size_t port_count;
	const char *socket; /* NULL: the default */
	const char *config; /* NULL: none */
	bool help, version; /* print that, and nothing else */
};

/* 0, or -EINVAL with a sentence. What it points to is argv's. */
int weird_options_parse(int argc, char **argv, struct weird_options *options, struct error *err);

extern const char weird_usage[];

#endif
