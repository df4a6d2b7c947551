/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>

#include "prefixes.h"

#define SYNTHETIC 900000

static size_t
read_prefixes(FILE *in, struct prefix4 **prefixes)
{
	size_t count = 0, room = 1 << 20;
	char line[128];

	*prefixes = malloc(room * sizeof(**prefixes));
	while (*prefixes != NULL && fgets(line, sizeof(line), in) != NULL) {
		char *slash = strchr(line, '/');
		struct in_addr addr;

		if (slash == NULL || strchr(line, ':') != NULL)
			continue;
		*slash = '\0';
		if (inet_pton(AF_INET, line, &addr) != 1)
			continue;
		if (count == room)
			*prefixes = realloc(*prefixes, (room *= 2) * sizeof(**prefixes));
		if (*prefixes == NULL)
			break;
		(*prefixes)[count++] = (struct prefix4){ ntohl(addr.s_addr), (uint8_t)atoi(slash + 1) };
	}
	return *prefixes == NULL ? 0 : count;
}

/* Shares by length of a full Internet table, roughly: 60 % are /24, the rest thins out towards /8. */
static size_t
make_prefixes(struct prefix4 **prefixes)
{
	static const struct {
		uint8_t length;
		uint8_t percent;
	} shares[] = { { 24, 60 }, { 23, 10 }, { 22, 12 }, { 21, 5 }, { 20, 5 }, { 19, 3 }, { 18, 2 }, { 17, 1 },
		{ 16, 2 } };
	uint64_t random = 362436069362436069ull;

	*prefixes = malloc(SYNTHETIC * sizeof(**prefixes));
	if (*prefixes == NULL)
		return 0;
	for (size_t i = 0; i < SYNTHETIC; i++) {
		unsigned int s = 0, left;

		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		left = (unsigned int)(random >> 32) % 100;
		while (left >= shares[s].percent)
			left -= shares[s++].percent;
		/* Unicast addresses only. */
		uint32_t addr = 0x01000000u + (uint32_t)(random % 0xde000000u);
		(*prefixes)[i] = (struct prefix4){ addr & ~(UINT32_MAX >> shares[s].length), shares[s].length };
	}
	return SYNTHETIC;
}

size_t
prefixes_load(const char *path, struct prefix4 **prefixes)
{
	char command[512];
	size_t count = 0;
	FILE *in;

	*prefixes = NULL;
	if (path != NULL && snprintf(command, sizeof(command), "gzip -dc '%s'", path) < (int)sizeof(command) &&
		(in = popen(command, "r")) != NULL) {
		count = read_prefixes(in, prefixes);
		pclose(in);
	}
	if (count != 0)
		return count;
	fprintf(stderr, "no prefixes in %s: %u synthetic ones instead\n", path != NULL ? path : "a file", SYNTHETIC);
	free(*prefixes);
	return make_prefixes(prefixes);
}
