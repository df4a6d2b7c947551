/* SPDX-License-Identifier: BSD-3-Clause */
#include "replay_options.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"

const char replay_usage[] =
	"usage: weir replay --port NAME[,in=FILE][,out=FILE][,rate=RATE][,mtu=N] ... [OPTION ...]\n"
	"\n"
	"Feeds captures to the router at their own timestamps, in virtual time, and shows what became of the packets.\n"
	"\n"
	"  --port NAME[,...]      a port: in= its pcap or pcapng capture, out= where to write what it sends (else "
	"DIR/NAME.pcap),\n"
	"                         rate= its link's (10mbit; else it is never the bottleneck), mtu= its MTU (1500)\n"
	"  --config SCRIPT        a shell script of ip, tc, ... lines, run before the first packet; the ports are up "
	"by then\n"
	"  --at SECONDS SCRIPT    the same, run so many seconds after the first packet's timestamp\n"
	"  --out DIR              write DIR/NAME.pcap for each port that sent, and DIR/report.json\n"
	"  --packets              write DIR/packets.csv, too: a line for each packet\n"
	"  --json                 print the report instead of the table\n"
	"  --seed N               of all that is random (1)\n"
	"  --help                 this text\n"
	"\n"
	"It needs no root, no hugepages and no NIC; the same input and seed give the same bytes.\n";

static int
set_file(const struct replay_port *port, const char *part, const char *value, const char **file, struct error *err)
{
	if (*file != NULL)
		return error_set(err, EINVAL, "--port %s: %s= is given twice; a port has one", port->name, part);
	*file = value;
	return 0;
}

static int
parse_port_part(struct replay_port *port, char *part, struct error *err)
{
	char *value = strchr(part, '=');
	struct error reason = { 0 };
	uint64_t number;
	int code;

	if (value == NULL || value[1] == '\0')
		return error_set(
			err, EINVAL, "--port %s: '%s' is not KEY=VALUE with in, out, rate or mtu", port->name, part);
	*value++ = '\0';
	if (strcmp(part, "in") == 0)
		return set_file(port, part, value, &port->capture.in, err);
	if (strcmp(part, "out") == 0)
		return set_file(port, part, value, &port->capture.out, err);
	if (strcmp(part, "rate") == 0) {
		code = option_rate(value, &port->rate_Bps, &reason);
	} else if (strcmp(part, "mtu") == 0) {
		code = option_number(value, 68, 65535, &number, &reason);
		port->mtu = code == 0 ? (uint32_t)number : 0;
	} else {
		code = error_set(&reason, EINVAL, "there is no '%s='; give in=, out=, rate= or mtu=", part);
	}
	return code == 0 ? 0 : error_set(err, -code, "--port %s: %.200s", port->name, reason.msg);
}

static int
parse_port(struct replay_options *options, char *text, struct error *err)
{
	struct replay_port *port = &options->ports[options->port_count];
	char *rest = text, *name = strsep(&rest, ",");

	if (options->port_count == REPLAY_PORTS_MAX)
		return error_set(err, EINVAL, "at most %d ports", REPLAY_PORTS_MAX);
	if (name[0] == '\0' || strlen(name) >= sizeof(port->name) || strchr(name, '=') != NULL)
		return error_set(err, EINVAL,
			"--port: '%s' is not a port's name; give 1 to %zu characters, as in eth0,in=a.pcap", name,
			sizeof(port->name) - 1);
	strcpy(port->name, name);
	for (size_t i = 0; i < options->port_count; i++)
		if (strcmp(options->ports[i].name, name) == 0)
			return error_set(err, EINVAL, "--port %s is given twice", name);
	while (rest != NULL) {
		int code = parse_port_part(port, strsep(&rest, ","), err);

		if (code != 0)
			return code;
	}
	options->port_count++;
	return 0;
}

/* Seconds with up to nine digits behind the point, exactly. */
static int
parse_seconds(const char *text, uint64_t *ns, struct error *err)
{
	uint64_t value = 0, unit = 1000000000;
	const char *c = text;

	for (; isdigit((unsigned char)*c) && value < 10000000000; c++)
		value = value * 10 + (uint64_t)(*c - '0');
	if (c == text || value > 9999999999)
		return error_set(err, EINVAL, "--at %s: give seconds since the first packet, as in 1.5", text);
	value *= unit;
	if (*c == '.')
		for (c++; isdigit((unsigned char)*c); c++) {
			unit /= 10;
			value += unit * (uint64_t)(*c - '0');
		}
	if (*c != '\0')
		return error_set(err, EINVAL, "--at %s: give seconds since the first packet, as in 1.5", text);
	*ns = value;
	return 0;
}

/* Sorted by time; scripts of the same time stay in the order of the command line. */
static int
add_script(struct replay_options *options, const char *seconds, const char *path, struct error *err)
{
	struct replay_script script = { .path = path };
	size_t i = options->script_count;
	int code = parse_seconds(seconds, &script.at_ns, err);

	if (code != 0)
		return code;
	if (i == REPLAY_SCRIPTS_MAX)
		return error_set(err, EINVAL, "at most %d scripts", REPLAY_SCRIPTS_MAX);
	for (; i > 0 && options->scripts[i - 1].at_ns > script.at_ns; i--)
		options->scripts[i] = options->scripts[i - 1];
	options->scripts[i] = script;
	options->script_count++;
	return 0;
}

struct arguments {
	int argc;
	char **argv;
	int next;
	const char *option; /* the one in turn, without its value */
	char *inline_value; /* behind '='; NULL: none */
};

static char *
take_value(struct arguments *a)
{
	char *value = a->inline_value;

	if (value == NULL && a->next < a->argc)
		value = a->argv[a->next++];
	a->inline_value = NULL;
	return value;
}

static int
parse_with_value(struct arguments *a, struct replay_options *options, struct error *err)
{
	char *value = take_value(a);
	struct error reason = { 0 };

	if (value == NULL || value[0] == '\0')
		return error_set(err, EINVAL, "%s needs a value", a->option);
	if (strcmp(a->option, "--port") == 0)
		return parse_port(options, value, err);
	if (strcmp(a->option, "--seed") == 0)
		return option_number(value, 0, UINT64_MAX, &options->seed, &reason) == 0
			       ? 0
			       : error_set(err, EINVAL, "--seed: %.200s", reason.msg);
	if (strcmp(a->option, "--at") == 0) {
		const char *path = take_value(a);

		if (path == NULL)
			return error_set(err, EINVAL, "--at needs two values: SECONDS SCRIPT");
		return add_script(options, value, path, err);
	}
	const char **one = strcmp(a->option, "--config") == 0 ? &options->config : &options->out_dir;
	if (*one != NULL)
		return error_set(err, EINVAL, "%s is given twice", a->option);
	*one = value;
	return 0;
}

static int
parse_option(struct arguments *a, struct replay_options *options, struct error *err)
{
	static const char *const with_value[] = { "--port", "--config", "--at", "--out", "--seed" };
	struct {
		const char *name;
		bool *set;
	} const switches[] = {
		{ "--packets", &options->packets },
		{ "--json", &options->json },
		{ "--help", &options->help },
		{ "-h", &options->help },
	};

	for (size_t i = 0; i < sizeof(with_value) / sizeof(with_value[0]); i++)
		if (strcmp(a->option, with_value[i]) == 0)
			return parse_with_value(a, options, err);
	for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++)
		if (strcmp(a->option, switches[i].name) == 0) {
			if (a->inline_value != NULL)
				return error_set(err, EINVAL, "%s takes no value", a->option);
			*switches[i].set = true;
			return 0;
		}
	return error_set(err, EINVAL, "there is no option '%s'", a->option);
}

int
replay_options_parse(int argc, char **argv, struct replay_options *options, struct error *err)
{
	struct arguments a = { .argc = argc, .argv = argv, .next = 1 };

	memset(options, 0, sizeof(*options));
	options->seed = 1;
	while (a.next < argc && !options->help) {
		char *text = argv[a.next++];

		if (text[0] != '-')
			return error_set(err, EINVAL, "'%s' belongs to no option", text);
		a.option = text;
		a.inline_value = strchr(text, '=');
		if (a.inline_value != NULL)
			*a.inline_value++ = '\0';
		int code = parse_option(&a, options, err);
		if (code != 0)
			return code;
	}
	if (options->help)
		return 0;
	if (options->port_count == 0)
		return error_set(err, EINVAL, "give at least one --port NAME,in=FILE");
	if (options->packets && options->out_dir == NULL)
		return error_set(err, EINVAL, "--packets writes DIR/packets.csv: give --out DIR, too");
	return 0;
}
