/* SPDX-License-Identifier: BSD-3-Clause */
/* tcindex for a tc that does not know it; docs/classifiers/README.md. */
#include <stdlib.h>
#include <string.h>

#include <linux/pkt_cls.h>

#include "plugin.h"

static const char usage[] =
	"Usage: ... tcindex [ hash SIZE ] [ mask MASK ] [ shift SHIFT ] [ pass_on | fall_through ]\n"
	"                   [ classid CLASSID ] [ action ACTION_SPEC ] [ police POLICE_SPEC ]\n";

static int
read_number(struct tc_words *words, const char *word, uint16_t attr, uint32_t most, struct nlmsghdr *n)
{
	uint32_t number;

	if (tc_number(words, word, most, &number) != 0)
		return -1;
	if (attr == TCA_TCINDEX_MASK)
		tc_put(n, attr, &(uint16_t){ (uint16_t)number }, sizeof(uint16_t));
	else
		tc_put(n, attr, &number, sizeof(number));
	return 0;
}

static int
read_option(struct tc_words *words, const char *word, struct nlmsghdr *n)
{
	uint32_t classid;

	if (strcmp(word, "hash") == 0)
		return read_number(words, word, TCA_TCINDEX_HASH, 0x10000, n);
	if (strcmp(word, "mask") == 0)
		return read_number(words, word, TCA_TCINDEX_MASK, UINT16_MAX, n);
	if (strcmp(word, "shift") == 0)
		return read_number(words, word, TCA_TCINDEX_SHIFT, 16, n);
	if (strcmp(word, "pass_on") == 0 || strcmp(word, "fall_through") == 0) {
		tc_put(n, TCA_TCINDEX_FALL_THROUGH, &(uint32_t){ word[0] == 'f' }, sizeof(uint32_t));
		return 0;
	}
	if (strcmp(word, "classid") == 0 || strcmp(word, "flowid") == 0) {
		if (tc_classid(words, word, &classid) != 0)
			return -1;
		tc_put(n, TCA_TCINDEX_CLASSID, &classid, sizeof(classid));
		return 0;
	}
	if (strcmp(word, "action") == 0)
		return tc_actions(words, word, TCA_TCINDEX_ACT, n);
	if (strcmp(word, "police") == 0)
		return tc_actions(words, word, TCA_TCINDEX_POLICE, n);
	return tc_unknown(word, usage);
}

static int
parse(struct filter_util *fu, char *handle, int argc, char **argv, struct nlmsghdr *n)
{
	struct tc_words words = { "tcindex", argc, argv };
	struct tcmsg *tcm = NLMSG_DATA(n);
	struct rtattr *nest;
	const char *word;

	(void)fu;
	if (handle != NULL) {
		struct tc_words one = { "tcindex", 1, &handle };

		if (tc_number(&one, "handle", UINT16_MAX, &tcm->tcm_handle) != 0)
			return -1;
	}
	if (argc == 0)
		return 0;
	nest = tc_nest(n, TCA_OPTIONS);
	while ((word = tc_next(&words)) != NULL)
		if (read_option(&words, word, n) != 0)
			return -1;
	tc_nest_end(n, nest);
	return 0;
}

static int
print(struct filter_util *fu, FILE *f, struct rtattr *options, uint32_t handle)
{
	struct rtattr *classid = tc_find(options, TCA_TCINDEX_CLASSID, 4),
		      *actions = tc_find(options, TCA_TCINDEX_ACT, 0);

	(void)fu;
	if (options == NULL)
		return 0;
	if (handle != UINT32_MAX)
		fprintf(f, "handle 0x%04x ", handle);
	if (classid != NULL)
		tc_print_classid(f, "classid", tc_u32(classid));
	if (actions != NULL)
		fputc('\n', f);
	tc_print_actions(f, actions);
	return 0;
}

PLUGIN struct filter_util tcindex_filter_util = { .id = "tcindex", .parse_fopt = parse, .print_fopt = print };
