/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * u32 from the fuzzer's bytes: hash tables, links, filters, packets in one segment or two. The compiled matcher must
 * agree with the naive one, verdicts and counters, also when filters come, change and go, and read nothing that is
 * not the packet's.
 */
#include "classify/random_u32.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *data;
	size_t left;
};

/* Each choice takes a byte; when there are no more, it is the first that there is. */
static uint32_t
below(void *arg, uint32_t bound)
{
	struct input *in = arg;

	if (bound == 0 || in->left == 0)
		return 0;
	in->left--;
	return *in->data++ % bound;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct chance chance = { below, &in };

	if (random_u32_round(&chance) != NULL)
		abort();
	return 0;
}
