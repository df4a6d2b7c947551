/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What tc needs to know of kinds that it does not know (wrr), or no longer: iproute2 6.6 left cbq, dsmark, tcindex and
 * rsvp out. tc finds the options of a kind by a symbol, KIND_qdisc_util or KIND_filter_util: among its own first, in a
 * library of its directory, or else among all that is loaded; and this library is. So these yield to a tc that knows
 * the kind.
 * (TC_LIB_DIR could name another directory, but then netem's tables and other people's libraries would not be found.)
 *
 * The interface is tc's as it was observed of iproute2 6.1: of its own q_atm.so, of what tc exports, and of what lies
 * there. Nothing of tc is needed but, where they are there, its readers and writers of actions and whether -d or -j was
 * said.
 */
#ifndef WEIR_CONTROL_SHIM_TC_PLUGIN_H
#define WEIR_CONTROL_SHIM_TC_PLUGIN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

struct qdisc_util {
	struct qdisc_util *next;
	const char *id;
	int (*parse_qopt)(struct qdisc_util *qu, int argc, char **argv, struct nlmsghdr *n, const char *dev);
	int (*print_qopt)(struct qdisc_util *qu, FILE *f, struct rtattr *options);
	int (*print_xstats)(struct qdisc_util *qu, FILE *f, struct rtattr *xstats);
	int (*parse_copt)(struct qdisc_util *qu, int argc, char **argv, struct nlmsghdr *n, const char *dev);
	int (*print_copt)(struct qdisc_util *qu, FILE *f, struct rtattr *options);
	int (*has_block)(struct qdisc_util *qu, struct rtattr *options, uint32_t block, bool *has);
};

struct filter_util {
	struct filter_util *next;
	char id[16];
	int (*parse_fopt)(struct filter_util *fu, char *handle, int argc, char **argv, struct nlmsghdr *n);
	int (*print_fopt)(struct filter_util *fu, FILE *f, struct rtattr *options, uint32_t handle);
};

#define PLUGIN __attribute__((visibility("default")))

/* The words of a command; each function takes what it reads. */
struct tc_words {
	const char *kind; /* for messages */
	int argc;
	char **argv;
};

/* NULL: there is none any more. */
const char *tc_next(struct tc_words *words);
/* The value of the option that was read last; -1 and a message where there is none, or it is no number up to `most`. */
int tc_number(struct tc_words *words, const char *option, uint32_t most, uint32_t *number);
int tc_classid(struct tc_words *words, const char *option, uint32_t *classid); /* X:Y, X: or :Y, hexadecimal */
int tc_unknown(const char *word, const char *usage); /* says so; -1 */
/* What follows `action` or `police`; tc's own reader. */
int tc_actions(struct tc_words *words, const char *word, uint16_t attr, struct nlmsghdr *n);

/* A nest, to be closed; attributes in a message of tc's, whose buffer is at least 16 kB. */
struct rtattr *tc_nest(struct nlmsghdr *n, uint16_t attr);
void tc_nest_end(struct nlmsghdr *n, struct rtattr *nest);
void tc_put(struct nlmsghdr *n, uint16_t attr, const void *data, uint16_t bytes);

/* The attribute in a nest; NULL: none of at least so many bytes. */
struct rtattr *tc_find(struct rtattr *nest, uint16_t attr, size_t bytes);
uint32_t tc_u32(struct rtattr *attr);
void tc_print_classid(FILE *f, const char *word, uint32_t classid); /* "WORD X:Y " */
/* NULL: nothing. tc's own writers. */
void tc_print_actions(FILE *f, struct rtattr *list);
void tc_print_bare_police(FILE *f, struct rtattr *police);

#endif
