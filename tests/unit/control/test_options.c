/* SPDX-License-Identifier: BSD-3-Clause */
/* weird's command line: what it means, and what is said of a wrong one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "options.h"
#include "weird_options.h"

static struct weird_options options;
static struct error err;

static int
parse(const char *line)
{
	static char copy[512];
	char *argv[32] = { (char *)(uintptr_t) "weird" };
	int argc = 1;
	char *at = copy;

	snprintf(copy, sizeof(copy), "%s", line);
	while (at != NULL && argc < 31)
		argv[argc++] = strsep(&at, " ");
	memset(&err, 0, sizeof(err));
	return weird_options_parse(argc, argv, &options, &err);
}

static void
refused(const char *line, const char *because)
{
	assert_int_equal(parse(line), -EINVAL);
	if (strstr(err.msg, because) == NULL)
		fail_msg("'%s' gives '%s', which lacks '%s'", line, err.msg, because);
}

static void
rates_are_those_of_tc(void **state)
{
	static const struct {
		const char *text;
		uint64_t rate_Bps;
	} good[] = {
		{ "10mbit", 1250000 },
		{ "1gbit", 125000000 },
		{ "5kbps", 5000 },
		{ "1.5Mbit", 187500 },
		{ "8000", 1000 },
		{ "8bit", 1 },
		{ "8kibit", 1024 },
		{ "1mibps", 1048576 },
		{ "400gbit", UINT64_C(50000000000) },
		{ "1tbit", UINT64_C(125000000000) },
		{ "3bps", 3 },
	};
	static const char *const bad[] = { "", "mbit", "-1mbit", "0", "0mbit", "7bit", "10mbits", "inf", "nan", "0x10",
		"1 mbit", "1e30gbit", "10k" };
	uint64_t rate_Bps;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(option_rate(good[i].text, &rate_Bps, &err), 0);
		assert_int_equal(rate_Bps, good[i].rate_Bps);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (option_rate(bad[i], &rate_Bps, &err) != -EINVAL)
			fail_msg("'%s' was taken for a rate", bad[i]);
}

static void
options_may_come_in_any_order(void **state)
{
	assert_int_equal(
		parse("--rate a=10mbit --pin b=0,2 --queues a=2,3 --port a=net_null0 --workers 3 --port b=0000:01:00.0 "
		      "--poll busy --config x.sh --socket /tmp/s --buffers 5000 --hugepages"),
		0);
	assert_int_equal(options.port_count, 2);
	assert_string_equal(options.ports[0].name, "a");
	assert_string_equal(options.ports[0].device.devargs, "net_null0");
	assert_int_equal(options.ports[0].rate_Bps, 1250000);
	assert_int_equal(options.ports[0].device.rx_queues, 2);
	assert_int_equal(options.ports[0].device.tx_queues, 3);
	assert_int_equal(options.ports[1].device.pin, 5);
	assert_string_equal(options.ports[1].device.devargs, "0000:01:00.0");
	assert_int_equal(options.router.workers, 3);
	assert_int_equal(options.router.poll, POLL_BUSY);
	assert_int_equal(options.router.buffers, 5000);
	assert_true(options.router.hugepages);
	assert_string_equal(options.config, "x.sh");
	assert_string_equal(options.socket, "/tmp/s");
	assert_int_equal(parse("--port a=net_af_packet0,iface=veth1"), 0);
	assert_string_equal(options.ports[0].device.devargs, "net_af_packet0,iface=veth1");
	assert_int_equal(options.router.poll, POLL_ADAPTIVE);
}

static void
a_wrong_command_line_is_explained(void **state)
{
	refused("--workers 1", "a router needs a port");
	refused("--port", "--port takes a value");
	refused("--frob", "there is no option --frob");
	refused("-x", "there is no option -x");
	refused("--port a=net_null0 stray", "'stray' is no option");
	refused("--port a", "--port: 'a' is not NAME=VALUE");
	refused("--port a=", "names no device");
	refused("--port =net_null0", "is not NAME=VALUE");
	refused("--port sixteencharacter=net_null0", "too long");
	refused("--port a/b=net_null0", "may not hold a slash");
	refused("--port a=net_null0 --port a=net_null1", "there is a port a already");
	refused("--port lo=net_null0", "there is a port lo already");
	refused("--port a=net_null0 --port b=net_null0,size=64", "the device of b is that of a already");
	refused("--port a=net_null0 --rate b=1mbit", "there is no --port b=");
	refused("--port a=net_null0 --rate a=0", "--rate: rate '0'");
	refused("--port a=net_null0 --queues a=2", "not RX,TX");
	refused("--port a=net_null0 --queues a=0,1", "not a number from 1");
	refused("--port a=net_null0 --pin a=1", "they are 0 to 0");
	refused("--port a=net_null0 --workers 0", "--workers: '0' is not a number from 1 to 63");
	refused("--port a=net_null0 --workers 4294967297", "not a number");
	refused("--port a=net_null0 --poll lazy", "neither busy nor adaptive");
	refused("--port a=net_null0 --buffers many", "not a number");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rates_are_those_of_tc),
		cmocka_unit_test(options_may_come_in_any_order),
		cmocka_unit_test(a_wrong_command_line_is_explained),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
