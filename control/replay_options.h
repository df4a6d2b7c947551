/* SPDX-License-Identifier: BSD-3-Clause */
/* weir-replay's command line. */
#ifndef WEIR_CONTROL_REPLAY_OPTIONS_H
#define WEIR_CONTROL_REPLAY_OPTIONS_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/dataplane.h>
#include <weir/error.h>

enum {
	REPLAY_PORTS_MAX = 256,
	REPLAY_SCRIPTS_MAX = 256,
};

struct replay_port {
	char name[IF_NAMESIZE];
	struct capture_conf capture;
	uint64_t rate_Bps; /* 0: never the bottleneck */
	uint32_t mtu; /* 0: 1500 */
};

struct replay_options {
	struct replay_port ports[REPLAY_PORTS_MAX];
	size_t port_count;
	struct replay_script scripts[REPLAY_SCRIPTS_MAX]; /* sorted by time */
	size_t script_count;
	const char *config, *out_dir; /* NULL: none */
	bool packets, json, help;
	uint64_t seed;
};

/* 0, or -EINVAL with a sentence. Cuts argv's strings; what it points to is theirs. */
int replay_options_parse(int argc, char **argv, struct replay_options *options, struct error *err);

extern const char replay_usage[];

#endif
