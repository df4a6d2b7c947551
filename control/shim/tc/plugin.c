/* SPDX-License-Identifier: BSD-3-Clause */
#include "plugin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>

#define MESSAGE_MAX 16384

/* tc's, of which only these are used; absent in other programs. */
extern int parse_action(int *argc, char ***argv, int attr, struct nlmsghdr *n) __attribute__((weak));
extern int parse_police(int *argc, char ***argv, int attr, struct nlmsghdr *n) __attribute__((weak));
extern int tc_print_action(FILE *f, const struct rtattr *list, unsigned short count) __attribute__((weak));
extern int tc_print_police(FILE *f, struct rtattr *police) __attribute__((weak));

const char *
tc_next(struct tc_words *words)
{
	if (words->argc <= 0)
		return NULL;
	words->argc--;
	return *words->argv++;
}

int
tc_number(struct tc_words *words, const char *option, uint32_t most, uint32_t *number)
{
	const char *text = tc_next(words);
	unsigned long value;
	char *end;

	if (text == NULL) {
		fprintf(stderr, "%s: \"%s\" needs a value\n", words->kind, option);
		return -1;
	}
	errno = 0;
	value = strtoul(text, &end, 0);
	if (errno != 0 || end == text || *end != '\0' || *text == '-' || value > most) {
		fprintf(stderr, "%s: \"%s %s\": a whole number from 0 to %u is wanted\n", words->kind, option, text,
			most);
		return -1;
	}
	*number = (uint32_t)value;
	return 0;
}

int
tc_classid(struct tc_words *words, const char *option, uint32_t *classid)
{
	const char *text = tc_next(words);
	unsigned int major = 0, minor = 0;
	int end = 0;

	if (text == NULL ||
		(sscanf(text, "%x:%x%n", &major, &minor, &end) != 2 && sscanf(text, ":%x%n", &minor, &end) != 1 &&
			(sscanf(text, "%x:%n", &major, &end) != 1 || end == 0)) ||
		text[end] != '\0' || major > 0xffff || minor > 0xffff) {
		fprintf(stderr, "%s: \"%s %s\": a class is wanted, as in 1:10\n", words->kind, option,
			text != NULL ? text : "");
		return -1;
	}
	*classid = major << 16 | minor;
	return 0;
}

int
tc_unknown(const char *word, const char *usage)
{
	if (strcmp(word, "help") != 0)
		fprintf(stderr, "What is \"%s\"?\n", word);
	fputs(usage, stderr);
	return -1;
}

int
tc_actions(struct tc_words *words, const char *word, uint16_t attr, struct nlmsghdr *n)
{
	int (*read)(int *, char ***, int, struct nlmsghdr *) =
		strcmp(word, "police") == 0 ? parse_police : parse_action;

	if (read == NULL) {
		fprintf(stderr, "%s: this tc has no reader of \"%s\"\n", words->kind, word);
		return -1;
	}
	return read(&words->argc, &words->argv, attr, n);
}

/* ---- messages ---- */

struct rtattr *
tc_nest(struct nlmsghdr *n, uint16_t attr)
{
	struct rtattr *nest = (struct rtattr *)(void *)((char *)n + NLMSG_ALIGN(n->nlmsg_len));

	tc_put(n, attr, NULL, 0);
	return nest;
}

void
tc_nest_end(struct nlmsghdr *n, struct rtattr *nest)
{
	nest->rta_len = (unsigned short)((char *)n + NLMSG_ALIGN(n->nlmsg_len) - (char *)nest);
}

void
tc_put(struct nlmsghdr *n, uint16_t attr, const void *data, uint16_t bytes)
{
	struct rtattr *put = (struct rtattr *)(void *)((char *)n + NLMSG_ALIGN(n->nlmsg_len));

	if (NLMSG_ALIGN(n->nlmsg_len) + RTA_SPACE(bytes) > MESSAGE_MAX)
		return; /* words that make such a message do not fit on a command line */
	put->rta_type = attr;
	put->rta_len = (unsigned short)RTA_LENGTH(bytes);
	if (bytes != 0)
		memcpy(RTA_DATA(put), data, bytes);
	n->nlmsg_len = (uint32_t)(NLMSG_ALIGN(n->nlmsg_len) + RTA_SPACE(bytes));
}

struct rtattr *
tc_find(struct rtattr *nest, uint16_t attr, size_t bytes)
{
	struct rtattr *at;
	int left;

	if (nest == NULL)
		return NULL;
	left = (int)RTA_PAYLOAD(nest);
	for (at = RTA_DATA(nest); RTA_OK(at, left); at = RTA_NEXT(at, left))
		if ((at->rta_type & NLA_TYPE_MASK) == attr && RTA_PAYLOAD(at) >= bytes)
			return at;
	return NULL;
}

uint32_t
tc_u32(struct rtattr *attr)
{
	uint32_t value;

	memcpy(&value, RTA_DATA(attr), sizeof(value));
	return value;
}

void
tc_print_classid(FILE *f, const char *word, uint32_t classid)
{
	if (classid >> 16 != 0)
		fprintf(f, "%s %x:%x ", word, classid >> 16, classid & 0xffff);
	else
		fprintf(f, "%s :%x ", word, classid);
}

void
tc_print_actions(FILE *f, struct rtattr *list)
{
	if (list != NULL && tc_print_action != NULL)
		tc_print_action(f, list, 0);
}

void
tc_print_bare_police(FILE *f, struct rtattr *police)
{
	if (police != NULL && tc_print_police != NULL)
		tc_print_police(f, police);
}
