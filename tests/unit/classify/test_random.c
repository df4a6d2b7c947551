/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_random [KIND [SEED]]: random filters of each kind, and of all kinds in one list of chains, beside references of
 * theirs, over real captures (random/random.h). A difference says its seed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

#include "random/random.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

#ifdef SANITIZED
#define PACKETS 50000
#else
#define PACKETS 500000 /* of each kind */
#endif

static const struct random_kind *const kinds[] = { &random_basic, &random_flow, &random_flower, &random_fw,
	&random_matchall, &random_route, &random_rsvp, &random_rsvp6, &random_tcindex, &random_u32 };
static const char *wanted = "";
static uint64_t seed = 1;

static void
agrees_with_its_reference(void **state)
{
	for (size_t i = 0; i < RTE_DIM(kinds); i++)
		if (*wanted == '\0' || strcmp(wanted, kinds[i]->name) == 0)
			random_run(&kinds[i], 1, seed, PACKETS);
}

static void
agrees_where_all_kinds_are_in_one_list(void **state)
{
	if (*wanted == '\0' || strcmp(wanted, "all") == 0)
		random_run(kinds, RTE_DIM(kinds), seed, PACKETS);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_its_reference),
		cmocka_unit_test(agrees_where_all_kinds_are_in_one_list),
	};

	if (argc > 1)
		wanted = argv[1];
	if (argc > 2)
		seed = strtoull(argv[2], NULL, 0);
	if (!packets_load(CAPTURES))
		printf("no captures in " CAPTURES ": only packets that are made here\n");
	printf("seeds from %llu on\n", (unsigned long long)seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
