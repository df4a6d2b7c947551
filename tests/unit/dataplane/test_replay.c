/* SPDX-License-Identifier: BSD-3-Clause */
#include "router_world.h"

#include <weir/qdisc/fifo.h>
#include <weir/qdisc/tbf.h>

#define START 1700000000123456789ull
#define MS    1000000ull

static char directory[] = "weir-test-replay-XXXXXX";

static const char *
file(const char *name)
{
	static char paths[8][256];
	static unsigned int next;
	char *path = paths[next++ % 8];

	snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
	return path;
}

struct world {
	struct router *router;
	struct port *in, *out;
};

static struct world
make_world(const char *capture, uint64_t rate_Bps)
{
	struct world w = { .router = make_router(true, 1) };

	w.in = add_port(w.router, "eth0", "capture", &(struct capture_conf){ .in = capture }, 0);
	w.out = add_port(w.router, "eth1", "capture", NULL, rate_Bps);
	address(w.in, "10.0.0.1", 24);
	address(w.out, "10.0.1.1", 24);
	up(w.in);
	up(w.out);
	return w;
}

static int
run_into(struct world *w, const char *out_dir, struct error *err)
{
	return replay_run(w->router, &(struct replay_conf){ .out_dir = out_dir, .packets = true }, err);
}

static void
run(struct world *w)
{
	struct error err;

	ok(run_into(w, file("out"), &err), &err);
}

static void
forwards_at_the_time_of_arrival(void **state)
{
	const char *in = file("plain.pcap");
	struct writer c = open_capture(in, DLT_EN10MB);

	for (uint32_t i = 0; i < 100; i++)
		udp_record(c, START + i * 7 * MS, 100 + i, "10.0.1.9", i);
	fclose(c.file);
	struct world w = make_world(in, 0);
	run(&w);
	struct router_totals t = balanced_totals(w.router);
	assert_int_equal(t.received, 100);
	assert_int_equal(t.sent, 100);
	struct sent *s = read_capture(file("out/eth1.pcap"));
	assert_int_equal(s->count, 100);
	for (uint32_t i = 0; i < 100; i++) {
		assert_int_equal(s->number[i], i);
		assert_int_equal(s->bytes[i], 100 + i);
		assert_int_equal(s->ns[i], START + i * 7 * MS);
	}
	assert_int_equal(access(file("out/eth0.pcap"), F_OK), -1); /* it sent nothing */
	assert_int_equal(router_destroy(w.router), 0);
	free(s);
}

static void
the_link_sends_one_after_the_other(void **state)
{
	const char *in = file("rate.pcap");
	struct writer c = open_capture(in, DLT_EN10MB);

	for (uint32_t i = 0; i < 300; i++)
		udp_record(c, START, 1000, "10.0.1.9", i);
	fclose(c.file);
	struct world w = make_world(in, 300000); /* 1000 bytes take 3,333,333 1/3 ns */
	run(&w);
	struct sent *s = read_capture(file("out/eth1.pcap"));
	assert_int_equal(s->count, 300);
	for (uint64_t i = 0; i < 300; i++) {
		assert_int_equal(s->number[i], i);
		assert_in_range(s->ns[i], START + i * 10000000 / 3, START + i * 10000000 / 3 + 1);
	}
	balanced_totals(w.router);
	assert_int_equal(router_destroy(w.router), 0);
	free(s);
}

static void
years_cost_no_time_and_shaping_is_exact(void **state)
{
	const uint64_t year = 31557600ull * 1000000000;
	const char *in = file("years.pcap");
	struct writer c = open_capture(in, DLT_EN10MB);
	struct tbf_conf tbf = { .rate.Bps = 125000, .burst_bytes = 1000, .limit_bytes = 1000000 };
	struct error err;

	for (uint32_t i = 0; i < 10; i++)
		udp_record(c, START + (i / 5) * 30 * year, 1000, "10.0.1.9", i);
	fclose(c.file);
	struct world w = make_world(in, 0);
	ok(sched_qdisc_add(w.out->tree,
		   &(struct qdisc_spec){ .parent = TC_H_ROOT, .handle = 0x10000, .kind = "tbf", .conf = &tbf }, NULL,
		   &err),
		&err);
	run(&w);
	struct sent *s = read_capture(file("out/eth1.pcap"));
	assert_int_equal(s->count, 10);
	for (uint64_t i = 0; i < 5; i++)
		assert_in_range(s->ns[i], START + i * 8 * MS, START + i * 8 * MS + 100);
	assert_int_equal(router_destroy(w.router), 0);
	free(s);
}

static void
a_full_queue_is_counted_by_name(void **state)
{
	const char *in = file("full.pcap");
	struct writer c = open_capture(in, DLT_EN10MB);
	struct error err;

	for (uint32_t i = 0; i < 50; i++)
		udp_record(c, START, 1000, "10.0.1.9", i);
	fclose(c.file);
	struct world w = make_world(in, 1000000);
	ok(sched_qdisc_add(w.out->tree,
		   &(struct qdisc_spec){ .parent = TC_H_ROOT,
			   .handle = 0x10000,
			   .kind = "pfifo",
			   .conf = &(struct fifo_conf){ .limit = 10 } },
		   NULL, &err),
		&err);
	run(&w);
	struct router_totals t = balanced_totals(w.router);
	/* 32 come in one burst: ten are queued, one of them leaves, the next burst finds one place. */
	assert_int_equal(t.sent, 11);
	assert_int_equal(t.drops[DROP_QUEUE_FULL], 39);
	assert_int_equal(t.dropped, 39);
	assert_int_equal(router_destroy(w.router), 0);
}

static void
backwards_timestamps_are_clamped_and_counted(void **state)
{
	static const int64_t at_ms[] = { 10, 5, 20, 0, 30 };
	const char *in = file("back.pcap");
	struct writer c = open_capture(in, DLT_EN10MB);

	for (uint32_t i = 0; i < 5; i++)
		udp_record(c, START + (uint64_t)at_ms[i] * MS, 100, "10.0.1.9", i);
	fclose(c.file);
	struct world w = make_world(in, 0);
	run(&w);
	struct sent *s = read_capture(file("out/eth1.pcap"));
	static const uint64_t expected_ms[] = { 10, 10, 20, 20, 30 };
	assert_int_equal(s->count, 5);
	for (uint32_t i = 0; i < 5; i++)
		assert_int_equal(s->ns[i], START + expected_ms[i] * MS);
	char report[8192];
	FILE *f = fopen(file("out/report.json"), "r");
	report[fread(report, 1, sizeof(report) - 1, f)] = '\0';
	fclose(f);
	assert_non_null(strstr(report, "\"timestamps_clamped\": 2"));
	assert_int_equal(router_destroy(w.router), 0);
	free(s);
}

static void
bad_records_are_received_and_dropped(void **state)
{
	const char *in = file("bad.pcap");
	struct writer c = open_capture(in, DLT_EN10MB);
	static uint8_t huge[200000];
	uint8_t frame[200];

	udp_record(c, START, 100, "10.0.1.9", 0);
	make_frame(frame, 100, "10.0.0.2", "10.0.1.9", 1);
	record(c, START + 1, 60, 100, frame); /* cut off by the snap length */
	record(c, START + 2, 0, 0, frame);
	record(c, START + 3, 200000, 200000, huge);
	record(c, START + 4, 0, 1500, frame);
	udp_record(c, START + 5, 9000, "10.0.1.9", 5); /* several buffers */
	udp_record(c, START + 6, 100, "10.0.1.9", 6);
	fputs("half a rec", c.file);
	fclose(c.file);
	struct world w = make_world(in, 0);
	run(&w);
	struct router_totals t = balanced_totals(w.router);
	assert_int_equal(t.received, 7);
	assert_int_equal(t.drops[DROP_CAPTURE_MALFORMED], 3);
	assert_int_equal(t.drops[DROP_FRAME_MALFORMED], 1);
	assert_true(t.sent >= 2);
	assert_int_equal(router_destroy(w.router), 0);
}

static int
add_capture(struct router *router, const char *path, struct error *err)
{
	const struct capture_conf capture = { .in = path };

	return port_add(
		router, &(struct port_conf){ .name = "eth0", .kind = "capture", .kind_conf = &capture }, NULL, err);
}

static void
what_is_no_ethernet_capture_is_refused(void **state)
{
	struct router *router = make_router(true, 1);
	struct error err;
	const char *path = file("x");

	assert_int_equal(add_capture(router, path, &err), -ENOENT);
	fclose(fopen(path, "w"));
	assert_int_equal(add_capture(router, path, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "empty"));
	FILE *f = fopen(path, "w");
	fputs("this is a letter to my mother, not a capture", f);
	fclose(f);
	assert_int_equal(add_capture(router, path, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "not a pcap"));
	fclose(open_capture(path, 101).file);
	assert_int_equal(add_capture(router, path, &err), -EPROTONOSUPPORT);
	assert_non_null(strstr(err.msg, "RAW"));
	assert_null(port_find_name(router, "eth0"));
	assert_int_equal(router_destroy(router), 0);
}

static void
it_does_not_write_over_its_input(void **state)
{
	const char *in = file("same/eth1.pcap");
	struct error err;

	char command[300];
	snprintf(command, sizeof(command), "mkdir -p %s/same", directory);
	assert_int_equal(system(command), 0);
	struct writer c = open_capture(in, DLT_EN10MB);
	udp_record(c, START, 100, "10.0.1.9", 0);
	fclose(c.file);
	struct world w = make_world(in, 0);
	assert_int_equal(run_into(&w, file("same"), &err), -EINVAL);
	assert_non_null(strstr(err.msg, "is read by this replay"));
	struct sent *s = read_capture(in);
	assert_int_equal(s->count, 1);
	free(s);
	assert_int_equal(router_destroy(w.router), 0);
}

static int
change_limit(void *arg, const char *path)
{
	struct world *w = arg;
	struct error err;

	assert_string_equal(path, "the script");
	assert_int_equal(sched_backlog(w->out->tree), 40);
	return sched_qdisc_change(sched_root(w->out->tree), &(struct fifo_conf){ .limit = 5 }, &err);
}

static void
a_script_runs_at_its_time_and_loses_nothing(void **state)
{
	const char *in = file("script.pcap");
	struct writer c = open_capture(in, DLT_EN10MB);
	struct error err;

	for (uint32_t i = 0; i < 50; i++)
		udp_record(c, START, 1000, "10.0.1.9", i);
	fclose(c.file);
	struct world w = make_world(in, 1000000); /* 1 ms each */
	ok(sched_qdisc_add(w.out->tree,
		   &(struct qdisc_spec){ .parent = TC_H_ROOT,
			   .handle = 0x10000,
			   .kind = "pfifo",
			   .conf = &(struct fifo_conf){ .limit = 100 } },
		   NULL, &err),
		&err);
	const struct replay_script script = { .at_ns = 9 * MS + MS / 2, .path = "the script" };
	struct replay_conf conf = { .scripts = &script, .script_count = 1, .run_script = change_limit, .arg = &w };
	ok(replay_run(w.router, &conf, &err), &err);
	assert_int_equal(balanced_totals(w.router).sent, 50);
	assert_int_equal(router_destroy(w.router), 0);
}

static void
same_input_same_bytes(void **state)
{
	const char *in = file("same.pcap");
	struct writer c = open_capture(in, DLT_EN10MB);
	char command[700];

	for (uint32_t i = 0; i < 500; i++)
		udp_record(c, START + i * 300000, 60 + i * 2, i % 7 == 0 ? "10.0.9.9" : "10.0.1.9", i);
	fclose(c.file);
	for (int i = 0; i < 2; i++) {
		struct world w = make_world(in, 300000);
		struct error err;

		ok(run_into(&w, file(i == 0 ? "first" : "second"), &err), &err);
		balanced_totals(w.router);
		assert_int_equal(router_destroy(w.router), 0);
	}
	snprintf(command, sizeof(command), "diff -r %s/first %s/second && test -s %s/first/packets.csv", directory,
		directory, directory);
	assert_int_equal(system(command), 0);
}

static int
make_directory(void **state)
{
	return mkdtemp(directory) == NULL;
}

static int
remove_directory(void **state)
{
	char command[100];

	snprintf(command, sizeof(command), "rm -rf %s", directory);
	return system(command);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forwards_at_the_time_of_arrival),
		cmocka_unit_test(the_link_sends_one_after_the_other),
		cmocka_unit_test(years_cost_no_time_and_shaping_is_exact),
		cmocka_unit_test(a_full_queue_is_counted_by_name),
		cmocka_unit_test(backwards_timestamps_are_clamped_and_counted),
		cmocka_unit_test(bad_records_are_received_and_dropped),
		cmocka_unit_test(what_is_no_ethernet_capture_is_refused),
		cmocka_unit_test(it_does_not_write_over_its_input),
		cmocka_unit_test(a_script_runs_at_its_time_and_loses_nothing),
		cmocka_unit_test(same_input_same_bytes),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
