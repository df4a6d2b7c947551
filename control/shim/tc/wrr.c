/* SPDX-License-Identifier: BSD-3-Clause */
/* wrr, which no tc knows; docs/disciplines/wrr.md. With -json it needs tc's writer. */
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <weir/qdisc/wrr.h>

#include "plugin.h"

/* tc's writer of JSON; absent in other programs, which never call what is here. */
extern bool is_json_context(void) __attribute__((weak));
extern struct json_writer *get_json_writer(void) __attribute__((weak));
extern void jsonw_string_field(struct json_writer *w, const char *name, const char *value) __attribute__((weak));
extern void jsonw_float_field(struct json_writer *w, const char *name, double value) __attribute__((weak));

static const char *const keys[] = { [WRR_IP] = "ip", [WRR_MAC] = "mac", [WRR_MASQ] = "masq" };

static void
explain(void)
{
	fputs("Usage: ... wrr [ dest | sour ] [ ip | mac | masq ] [ classes NUMBER ] [ quantum BYTES ]\n"
	      "               [ wmode1 0|1 ] [ wmode2 0|1 ] [ WEIGHT ]...\n"
	      "       ... class change ... wrr [ WEIGHT ]...\n"
	      "WEIGHT := { weight1 | weight2 } 0..1 | { weight1 | weight2 }{ .min | .max } 0..1 |\n"
	      "          { weight1 | weight2 }{ .decr | .incr } 0..1   less per byte, more per second\n"
	      "A word may also be joined to its value: wmode1=1\n",
		stderr);
}

/* ---- reading */

struct words {
	int argc;
	char **argv;
	char name[32]; /* of the last option */
};

/* The next option's name is NAME; its value, where it has one, is fetched by value_of. */
static bool
next_option(struct words *words, const char **joined)
{
	const char *equals;
	size_t length;

	if (words->argc <= 0)
		return false;
	equals = strchr(*words->argv, '=');
	*joined = equals != NULL ? equals + 1 : NULL;
	length = equals != NULL ? (size_t)(equals - *words->argv) : strlen(*words->argv);
	if (length >= sizeof(words->name))
		length = sizeof(words->name) - 1;
	memcpy(words->name, *words->argv, length);
	words->name[length] = '\0';
	words->argc--;
	words->argv++;
	return true;
}

static const char *
value_of(struct words *words, const char *joined)
{
	if (joined != NULL)
		return joined;
	if (words->argc <= 0) {
		fprintf(stderr, "wrr: \"%s\" needs a value\n", words->name);
		return NULL;
	}
	words->argc--;
	return *words->argv++;
}

static int
read_number(struct words *words, const char *joined, uint32_t most, uint32_t *number)
{
	const char *text = value_of(words, joined);
	unsigned long value;
	char *end;

	if (text == NULL)
		return -1;
	errno = 0;
	value = strtoul(text, &end, 0);
	if (errno != 0 || end == text || *end != '\0' || *text == '-' || value > most) {
		fprintf(stderr, "wrr: \"%s %s\": a whole number from 0 to %u is wanted\n", words->name, text, most);
		return -1;
	}
	*number = (uint32_t)value;
	return 0;
}

static int
read_fraction(struct words *words, const char *joined, uint64_t *fraction)
{
	const char *text = value_of(words, joined);
	double value;
	char *end;

	if (text == NULL)
		return -1;
	value = strtod(text, &end);
	if (end == text || *end != '\0' || !(value >= 0 && value <= 1)) {
		fprintf(stderr, "wrr: \"%s %s\": a number from 0 to 1 is wanted\n", words->name, text);
		return -1;
	}
	*fraction = (uint64_t)ldexp(value, 63);
	return 0;
}

/* 1: it is no weight; 0: it was read. */
static int
read_weight(struct words *words, const char *joined, struct wrr_weight *weights)
{
	struct {
		const char *suffix;
		uint32_t given;
		uint64_t *to;
	} parts[] = { { "", WRR_VALUE, NULL }, { ".min", WRR_MIN, NULL }, { ".max", WRR_MAX, NULL },
		{ ".decr", WRR_DECR, NULL }, { ".incr", WRR_INCR, NULL } };
	struct wrr_weight *weight;

	if (strncmp(words->name, "weight", 6) != 0 || (words->name[6] != '1' && words->name[6] != '2'))
		return 1;
	weight = &weights[words->name[6] - '1'];
	parts[0].to = &weight->value;
	parts[1].to = &weight->min;
	parts[2].to = &weight->max;
	parts[3].to = &weight->decr;
	parts[4].to = &weight->incr;
	for (unsigned int i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		if (strcmp(words->name + 7, parts[i].suffix) != 0)
			continue;
		weight->given |= parts[i].given;
		return read_fraction(words, joined, parts[i].to);
	}
	return 1;
}

static int
not_known(const struct words *words)
{
	if (strcmp(words->name, "help") != 0)
		fprintf(stderr, "What is \"%s\"?\n", words->name);
	explain();
	return -1;
}

/* The old form has the number of classes, and that of connections through a proxy, right behind the key. */
static int
read_old_numbers(struct words *words, struct wrr_conf *conf)
{
	uint32_t connections = 0;

	if (words->argc <= 0 || strspn(*words->argv, "0123456789") != strlen(*words->argv))
		return 0;
	conf->given |= WRR_CLASSES;
	if (read_number(words, NULL, WRR_CLASSES_MAX, &conf->classes) != 0)
		return -1;
	if (words->argc <= 0 || strspn(*words->argv, "0123456789") != strlen(*words->argv))
		return 0;
	if (read_number(words, NULL, UINT32_MAX, &connections) != 0)
		return -1;
	if (connections != 0) {
		fputs("wrr: connections through a proxy are not told apart; give 0\n", stderr);
		return -1;
	}
	return 0;
}

static int
read_option(struct words *words, const char *joined, struct wrr_conf *conf)
{
	uint32_t mode;
	int rc;

	if (strcmp(words->name, "dest") == 0 || strcmp(words->name, "sour") == 0) {
		conf->given |= WRR_DIRECTION;
		conf->direction = words->name[0] == 's' ? WRR_SOURCE : WRR_DESTINATION;
		return 0;
	}
	for (uint8_t key = 0; key < sizeof(keys) / sizeof(*keys); key++) {
		if (strcmp(words->name, keys[key]) != 0)
			continue;
		conf->given |= WRR_KEY;
		conf->key = key;
		return read_old_numbers(words, conf);
	}
	if (strcmp(words->name, "classes") == 0) {
		conf->given |= WRR_CLASSES;
		return read_number(words, joined, WRR_CLASSES_MAX, &conf->classes);
	}
	if (strcmp(words->name, "quantum") == 0) {
		conf->given |= WRR_QUANTUM;
		return read_number(words, joined, INT32_MAX, &conf->quantum);
	}
	if (strcmp(words->name, "wmode1") == 0 || strcmp(words->name, "wmode2") == 0) {
		unsigned int i = (unsigned int)(words->name[5] - '1');

		conf->given |= i == 0 ? WRR_MODE1 : WRR_MODE2;
		if (read_number(words, joined, 1, &mode) != 0)
			return -1;
		conf->modes[i] = (uint8_t)mode;
		return 0;
	}
	rc = read_weight(words, joined, conf->weights);
	return rc == 1 ? not_known(words) : rc;
}

/* ---- messages */

static int
put_options(struct nlmsghdr *n, uint16_t type, const void *data, uint16_t size)
{
	struct rtattr *nest = tc_nest(n, TCA_OPTIONS | NLA_F_NESTED);

	tc_put(n, type, data, size);
	tc_nest_end(n, nest);
	return 0;
}

static int
parse_qdisc(struct qdisc_util *qu, int argc, char **argv, struct nlmsghdr *n, const char *dev)
{
	struct words words = { .argc = argc, .argv = argv };
	struct wrr_conf conf = { 0 };
	const char *joined;

	(void)qu;
	(void)dev;
	while (next_option(&words, &joined)) {
		if (read_option(&words, joined, &conf) != 0)
			return -1;
	}
	return put_options(n, TCA_WRR_CONF, &conf, sizeof(conf));
}

static int
parse_class(struct qdisc_util *qu, int argc, char **argv, struct nlmsghdr *n, const char *dev)
{
	struct words words = { .argc = argc, .argv = argv };
	struct wrr_class_conf conf = { 0 };
	const char *joined;

	(void)qu;
	(void)dev;
	while (next_option(&words, &joined)) {
		int rc = read_weight(&words, joined, conf.weights);

		if (rc != 0)
			return rc == 1 ? not_known(&words) : rc;
	}
	return put_options(n, TCA_WRR_CLASS, &conf, sizeof(conf));
}

/* ---- printing */

static bool
as_json(void)
{
	return is_json_context != NULL && get_json_writer != NULL && jsonw_string_field != NULL &&
	       jsonw_float_field != NULL && is_json_context();
}

static void
print_word(FILE *f, const char *name, const char *value)
{
	if (as_json())
		jsonw_string_field(get_json_writer(), name, value);
	else
		fprintf(f, "%s%s%s ", name, *name == '\0' ? "" : " ", value);
}

static void
print_number(FILE *f, const char *name, double value)
{
	if (as_json())
		jsonw_float_field(get_json_writer(), name, value);
	else
		fprintf(f, "%s %g ", name, value);
}

static void
print_weights(FILE *f, const struct wrr_weight *weights)
{
	static const char *const names[WRR_WEIGHTS][5] = {
		{ "weight1", "weight1.min", "weight1.max", "weight1.decr", "weight1.incr" },
		{ "weight2", "weight2.min", "weight2.max", "weight2.decr", "weight2.incr" },
	};

	for (unsigned int i = 0; i < WRR_WEIGHTS; i++) {
		const struct wrr_weight *weight = &weights[i];

		print_number(f, names[i][0], ldexp((double)weight->value, -63));
		if (weight->min > 1)
			print_number(f, names[i][1], ldexp((double)weight->min, -63));
		if (weight->max != WRR_ONE)
			print_number(f, names[i][2], ldexp((double)weight->max, -63));
		if (weight->decr != 0)
			print_number(f, names[i][3], ldexp((double)weight->decr, -63));
		if (weight->incr != 0)
			print_number(f, names[i][4], ldexp((double)weight->incr, -63));
	}
}

/* The attribute in the nest, copied; false: there is none. */
static bool
get_option(struct rtattr *options, uint16_t type, void *to, size_t size)
{
	struct rtattr *attr = tc_find(options, type, size);

	if (attr == NULL)
		return false;
	memcpy(to, RTA_DATA(attr), size);
	return true;
}

static int
print_qdisc(struct qdisc_util *qu, FILE *f, struct rtattr *options)
{
	struct wrr_conf conf;

	(void)qu;
	if (!get_option(options, TCA_WRR_CONF, &conf, sizeof(conf)))
		return 0;
	if (as_json()) {
		print_word(f, "direction", conf.direction == WRR_SOURCE ? "sour" : "dest");
		print_word(f, "key", keys[conf.key <= WRR_MASQ ? conf.key : WRR_IP]);
	} else {
		print_word(f, "", conf.direction == WRR_SOURCE ? "sour" : "dest");
		print_word(f, "", keys[conf.key <= WRR_MASQ ? conf.key : WRR_IP]);
	}
	print_number(f, "classes", conf.classes);
	print_number(f, "quantum", conf.quantum);
	print_number(f, "wmode1", conf.modes[0]);
	print_number(f, "wmode2", conf.modes[1]);
	print_weights(f, conf.weights);
	return 0;
}

static int
print_class(struct qdisc_util *qu, FILE *f, struct rtattr *options)
{
	struct wrr_class_conf conf;
	char host[INET6_ADDRSTRLEN] = "none";

	(void)qu;
	if (!get_option(options, TCA_WRR_CLASS, &conf, sizeof(conf)))
		return 0;
	if (conf.length == 4)
		inet_ntop(AF_INET, conf.address, host, sizeof(host));
	else if (conf.length == 16)
		inet_ntop(AF_INET6, conf.address, host, sizeof(host));
	else if (conf.length == 6)
		snprintf(host, sizeof(host), "%02x:%02x:%02x:%02x:%02x:%02x", conf.address[0], conf.address[1],
			conf.address[2], conf.address[3], conf.address[4], conf.address[5]);
	print_word(f, "host", host);
	print_weights(f, conf.weights);
	return 0;
}

PLUGIN struct qdisc_util wrr_qdisc_util = {
	.id = "wrr",
	.parse_qopt = parse_qdisc,
	.print_qopt = print_qdisc,
	.parse_copt = parse_class,
	.print_copt = print_class,
};
