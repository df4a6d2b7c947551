/* SPDX-License-Identifier: BSD-3-Clause */
/* dsmark for a tc that does not know it; docs/disciplines/dsmark.md. Newer headers do not have its attributes. */
#include <string.h>

#include "plugin.h"

enum { DSMARK_INDICES = 1, DSMARK_DEFAULT_INDEX, DSMARK_SET_TC_INDEX, DSMARK_MASK, DSMARK_VALUE };

static const char usage[] = "Usage: dsmark indices INDICES [ default_index DEFAULT_INDEX ] [ set_tc_index ]\n";
static const char class_usage[] = "Usage: ... dsmark [ mask MASK ] [ value VALUE ]\n";

static int
parse_qdisc(struct qdisc_util *qu, int argc, char **argv, struct nlmsghdr *n, const char *dev)
{
	struct tc_words words = { "dsmark", argc, argv };
	struct rtattr *nest = tc_nest(n, TCA_OPTIONS);
	bool has_indices = false;
	uint32_t number = 0;
	const char *word;
	uint16_t half;

	(void)qu;
	(void)dev;
	while ((word = tc_next(&words)) != NULL) {
		bool indices = strcmp(word, "indices") == 0;

		if (strcmp(word, "set_tc_index") == 0) {
			tc_put(n, DSMARK_SET_TC_INDEX, NULL, 0);
			continue;
		}
		if (!indices && strcmp(word, "default_index") != 0)
			return tc_unknown(word, usage);
		if (tc_number(&words, word, UINT16_MAX, &number) != 0)
			return -1;
		half = (uint16_t)number;
		tc_put(n, indices ? DSMARK_INDICES : DSMARK_DEFAULT_INDEX, &half, sizeof(half));
		has_indices |= indices;
	}
	if (!has_indices) {
		fprintf(stderr, "dsmark: \"indices\" is missing: how many classes there are, a power of two\n%s",
			usage);
		return -1;
	}
	tc_nest_end(n, nest);
	return 0;
}

static int
parse_class(struct qdisc_util *qu, int argc, char **argv, struct nlmsghdr *n, const char *dev)
{
	struct tc_words words = { "dsmark", argc, argv };
	struct rtattr *nest = tc_nest(n, TCA_OPTIONS);
	uint32_t number = 0;
	const char *word;
	uint8_t byte;

	(void)qu;
	(void)dev;
	while ((word = tc_next(&words)) != NULL) {
		bool mask = strcmp(word, "mask") == 0;

		if (!mask && strcmp(word, "value") != 0)
			return tc_unknown(word, class_usage);
		if (tc_number(&words, word, UINT8_MAX, &number) != 0)
			return -1;
		byte = (uint8_t)number;
		tc_put(n, mask ? DSMARK_MASK : DSMARK_VALUE, &byte, sizeof(byte));
	}
	tc_nest_end(n, nest);
	return 0;
}

static void
print_half(FILE *f, struct rtattr *options, uint16_t attr, const char *word)
{
	struct rtattr *found = tc_find(options, attr, sizeof(uint16_t));
	uint16_t value;

	if (found == NULL)
		return;
	memcpy(&value, RTA_DATA(found), sizeof(value));
	fprintf(f, "%s 0x%04x ", word, value);
}

static void
print_byte(FILE *f, struct rtattr *options, uint16_t attr, const char *word)
{
	struct rtattr *found = tc_find(options, attr, 1);

	if (found != NULL)
		fprintf(f, "%s 0x%02x ", word, *(const uint8_t *)RTA_DATA(found));
}

static int
print(struct qdisc_util *qu, FILE *f, struct rtattr *options)
{
	(void)qu;
	print_byte(f, options, DSMARK_MASK, "mask");
	print_byte(f, options, DSMARK_VALUE, "value");
	print_half(f, options, DSMARK_INDICES, "indices");
	print_half(f, options, DSMARK_DEFAULT_INDEX, "default_index");
	if (tc_find(options, DSMARK_SET_TC_INDEX, 0) != NULL)
		fputs("set_tc_index ", f);
	return 0;
}

PLUGIN struct qdisc_util dsmark_qdisc_util = {
	.id = "dsmark", .parse_qopt = parse_qdisc, .print_qopt = print, .parse_copt = parse_class, .print_copt = print
};
