/* SPDX-License-Identifier: BSD-3-Clause */
#include "weird_options.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"

const char weird_usage[] =
	"usage: weird --port NAME=DEVARGS ... [OPTIONS]\n"
	"\n"
	"  --port NAME=DEVARGS   a port on a DPDK device: eth0=0000:01:00.0, eth1=net_af_packet0,iface=veth1,\n"
	"                        eth2=net_tap0,iface=tap2, ...; once for each port\n"
	"  --rate NAME=RATE      the port's link rate, where the device does not tell it: 100mbit\n"
	"  --queues NAME=RX,TX   the device's receive and transmit queues (1,1)\n"
	"  --pin NAME=WORKERS    the workers that may serve the port: 0,2\n"
	"  --config SCRIPT       a script of ip, tc, ... lines, run before the first packet\n"
	"  --socket PATH         the control socket (/run/weir/weir.sock for root, else $XDG_RUNTIME_DIR/weir.sock)\n"
	"  --workers N           threads that poll ports and run queues (1)\n"
	"  --poll busy|adaptive  whether an idle worker spins or sleeps (adaptive)\n"
	"  --buffers N           packet buffers (65536)\n"
	"  --hugepages           take memory from hugepages\n"
	"  --help, --version\n"
	"\n"
	"weir ip, weir tc, ... configure the running router; SIGTERM and SIGINT stop it.\n";

enum option_id {
	OPTION_PORT = 256,
	OPTION_RATE,
	OPTION_QUEUES,
	OPTION_PIN,
	OPTION_CONFIG,
	OPTION_SOCKET,
	OPTION_WORKERS,
	OPTION_POLL,
	OPTION_BUFFERS,
	OPTION_HUGEPAGES,
	OPTION_HELP,
	OPTION_VERSION,
};

static const struct option long_options[] = {
	{ "port", required_argument, NULL, OPTION_PORT },
	{ "rate", required_argument, NULL, OPTION_RATE },
	{ "queues", required_argument, NULL, OPTION_QUEUES },
	{ "pin", required_argument, NULL, OPTION_PIN },
	{ "config", required_argument, NULL, OPTION_CONFIG },
	{ "socket", required_argument, NULL, OPTION_SOCKET },
	{ "workers", required_argument, NULL, OPTION_WORKERS },
	{ "poll", required_argument, NULL, OPTION_POLL },
	{ "buffers", required_argument, NULL, OPTION_BUFFERS },
	{ "hugepages", no_argument, NULL, OPTION_HUGEPAGES },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ NULL, 0, NULL, 0 },
};

static struct port_option *
find_port(struct weird_options *options, const char *name)
{
	for (size_t i = 0; i < options->port_count; i++)
		if (strcmp(options->ports[i].name, name) == 0)
			return &options->ports[i];
	return NULL;
}

/* The port whose device is the one that devargs names: its name is what stands before the first comma. */
static const struct port_option *
find_device(const struct weird_options *options, const char *devargs)
{
	size_t length = strcspn(devargs, ",");

	for (size_t i = 0; i < options->port_count; i++) {
		const char *other = options->ports[i].device.devargs;

		if (strcspn(other, ",") == length && strncmp(other, devargs, length) == 0)
			return &options->ports[i];
	}
	return NULL;
}

static int
add_port(struct weird_options *options, const char *text, struct error *err)
{
	struct port_option port = { 0 };
	const struct port_option *other;
	const char *devargs;
	int code = option_port_name(text, port.name, sizeof(port.name), &devargs, err);

	if (code != 0)
		return code;
	if (devargs[0] == '\0')
		return error_set(err, EINVAL, "'%s' names no device, as %snet_af_packet0,iface=veth1 does", text, text);
	if (find_port(options, port.name) != NULL || strcmp(port.name, "lo") == 0)
		return error_set(err, EINVAL, "there is a port %s already", port.name);
	other = find_device(options, devargs);
	if (other != NULL)
		return error_set(err, EINVAL,
			"the device of %s is that of %s already; number another of its driver otherwise, as net_null0 "
			"and "
			"net_null1 are",
			port.name, other->name);
	if (options->port_count == WEIRD_PORTS_MAX)
		return error_set(err, EINVAL, "at most %d ports", WEIRD_PORTS_MAX);
	port.device.devargs = devargs;
	options->ports[options->port_count++] = port;
	return 0;
}

/* "RX,TX" */
static int
set_queues(struct port_option *port, const char *text, struct error *err)
{
	char pair[32];
	char *comma;
	uint64_t rx, tx;

	snprintf(pair, sizeof(pair), "%s", text);
	comma = strchr(pair, ',');
	if (comma == NULL)
		return error_set(err, EINVAL, "'%s' is not RX,TX: two numbers of queues", text);
	*comma = '\0';
	if (option_number(pair, 1, 1024, &rx, err) != 0 || option_number(comma + 1, 1, 1024, &tx, err) != 0)
		return -EINVAL;
	port->device.rx_queues = (uint16_t)rx;
	port->device.tx_queues = (uint16_t)tx;
	return 0;
}

/* "0,2": numbers of workers */
static int
set_pin(struct port_option *port, const char *text, uint64_t workers, struct error *err)
{
	char list[256];
	char *at = list, *word;
	uint64_t number;

	snprintf(list, sizeof(list), "%s", text);
	port->device.pin = 0;
	while ((word = strsep(&at, ",")) != NULL) {
		if (option_number(word, 0, workers - 1, &number, err) != 0)
			return error_set(err, EINVAL,
				"'%s' is not a list of workers: with --workers %u they are 0 to %u", text,
				(unsigned int)workers, (unsigned int)workers - 1);
		port->device.pin |= UINT64_C(1) << number;
	}
	return 0;
}

/* --rate, --queues and --pin: of a port that --port may name later on. */
static int
set_port(struct weird_options *options, int id, const char *text, struct error *err)
{
	char name[IF_NAMESIZE];
	const char *value;
	struct port_option *port;
	int code = option_port_name(text, name, sizeof(name), &value, err);

	if (code != 0)
		return code;
	port = find_port(options, name);
	if (port == NULL)
		return error_set(err, EINVAL, "there is no --port %s=...", name);
	if (id == OPTION_RATE)
		return option_rate(value, &port->rate_Bps, err);
	if (id == OPTION_QUEUES)
		return set_queues(port, value, err);
	return set_pin(port, value, options->router.workers, err);
}

static int
set_router(struct weird_options *options, int id, const char *text, struct error *err)
{
	uint64_t number;
	int code = 0;

	switch (id) {
	case OPTION_CONFIG:
		options->config = text;
		break;
	case OPTION_SOCKET:
		options->socket = text;
		break;
	case OPTION_WORKERS:
		code = option_number(text, 1, WORKERS_MAX - 1, &number, err);
		if (code == 0)
			options->router.workers = (unsigned int)number;
		break;
	case OPTION_BUFFERS:
		code = option_number(text, 1, UINT32_MAX, &number, err);
		if (code == 0)
			options->router.buffers = (unsigned int)number;
		break;
	case OPTION_POLL:
		if (strcmp(text, "busy") != 0 && strcmp(text, "adaptive") != 0)
			return error_set(err, EINVAL, "'%s' is neither busy nor adaptive", text);
		options->router.poll = strcmp(text, "busy") == 0 ? POLL_BUSY : POLL_ADAPTIVE;
		break;
	case OPTION_HUGEPAGES:
		options->router.hugepages = true;
		break;
	case OPTION_HELP:
		options->help = true;
		break;
	case OPTION_VERSION:
		options->version = true;
		break;
	}
	return code;
}

static bool
is_of_port(int id)
{
	return id == OPTION_RATE || id == OPTION_QUEUES || id == OPTION_PIN;
}

/* The sentence of a value that was refused, with the option it was given to. */
static int
blame(const char *option, struct error *err)
{
	struct error copy = *err;

	return error_set(err, copy.code, "--%s: %.200s", option, copy.msg);
}

/* Two passes: what is said of a port needs the ports, and --pin needs --workers. */
static int
parse_pass(int argc, char **argv, struct weird_options *options, bool of_ports, struct error *err)
{
	int id, index = 0, code = 0;

	optind = 0;
	opterr = 0;
	while (code == 0 && (id = getopt_long(argc, argv, ":", long_options, &index)) != -1) {
		if (id == ':')
			return error_set(err, EINVAL, "%s takes a value", argv[optind - 1]);
		if (id == '?' && optopt != 0 && optopt < OPTION_PORT)
			return error_set(err, EINVAL, "there is no option -%c", optopt);
		if (id == '?')
			return error_set(err, EINVAL, "there is no option %s", argv[optind - 1]);
		if (is_of_port(id) != of_ports)
			continue;
		if (id == OPTION_PORT)
			code = add_port(options, optarg, err);
		else
			code = of_ports ? set_port(options, id, optarg, err) : set_router(options, id, optarg, err);
		if (code != 0)
			blame(long_options[index].name, err);
	}
	return code;
}

int
weird_options_parse(int argc, char **argv, struct weird_options *options, struct error *err)
{
	int code;

	memset(options, 0, sizeof(*options));
	options->router.workers = 1;
	code = parse_pass(argc, argv, options, false, err);
	if (code == 0 && (options->help || options->version))
		return 0;
	if (code == 0)
		code = parse_pass(argc, argv, options, true, err);
	if (code == 0 && optind < argc)
		return error_set(err, EINVAL, "'%s' is no option; they all start with --", argv[optind]);
	if (code == 0 && options->port_count == 0)
		return error_set(err, EINVAL, "a router needs a port: --port eth0=net_af_packet0,iface=veth0, for one");
	return code;
}
