/* SPDX-License-Identifier: BSD-3-Clause */
/* hashlimit: a limit for each group; what is counted and forgotten when was compared with Linux 6.1. */
#include "netfilter_support.h"

#include <pthread.h>

#define SECOND UINT64_C(1000000000)
#define MS     UINT64_C(1000000)
#define START  (1000 * SECOND)

static struct netfilter *nf;
static struct error err;

static int
start(void **state)
{
	nf = netfilter_create(NULL, 4, 1);
	return nf != NULL ? 0 : -1;
}

static int
end(void **state)
{
	netfilter_destroy(nf);
	return 0;
}

/* Ten a second and five at once for each source, forgotten after ten seconds. */
static struct netfilter_hashlimit_conf
per_source(void)
{
	return (struct netfilter_hashlimit_conf){
		.name = "web",
		.fields = NETFILTER_HASHLIMIT_SRC,
		.src_prefix = 32,
		.dst_prefix = 32,
		.kind = NETFILTER_HASHLIMIT_PACKETS,
		.interval_ns = SECOND / 10,
		.burst = 5,
		.entries = 1000,
		.expire_ms = 10000,
		.collect_ms = 1000,
	};
}

/* Rules that drop what their match holds for: n of them, one behind the other. */
static int
load_in(enum netfilter_table_id table, const struct netfilter_hashlimit_conf *confs, uint32_t n)
{
	struct netfilter_rule_spec rules[4] = { 0 };
	struct netfilter_match_spec matches[4];

	for (uint32_t i = 0; i < n; i++) {
		matches[i] = (struct netfilter_match_spec){ "hashlimit", &confs[i] };
		rules[i] = (struct netfilter_rule_spec){
			.matches = &matches[i], .n_matches = 1, .target.verdict = NETFILTER_DROP
		};
	}
	return load_at(nf, table, NETFILTER_PREROUTING, rules, n, &err);
}

static void
load(const struct netfilter_hashlimit_conf *conf)
{
	assert_int_equal(load_in(NETFILTER_RAW, conf, 1), 0);
}

/* A datagram of 10.0.x.y, `length` bytes from its IP header on. */
static void
make(struct packet *p, uint16_t source, uint32_t length)
{
	packet_udp(p, 0);
	p->data[28] = (uint8_t)(source >> 8);
	p->data[29] = (uint8_t)source;
	p->mbuf.pkt_len = 14 + length;
}

/* Of n packets of a source at one time: how many are dropped? */
static unsigned int
drops_of(uint16_t source, unsigned int n, uint32_t length, uint64_t at)
{
	unsigned int dropped = 0;
	struct packet p;

	for (unsigned int i = 0; i < n; i++) {
		make(&p, source, length);
		dropped += !passes_at(nf, NETFILTER_PREROUTING, &p, START + at);
	}
	return dropped;
}

static void
each_group_has_a_bucket(void **state)
{
	struct netfilter_hashlimit_conf conf = per_source();

	load(&conf);
	assert_int_equal(drops_of(1, 20, 100, 0), 5);
	assert_int_equal(drops_of(2, 20, 100, 0), 5);
	assert_int_equal(drops_of(1, 20, 100, 350 * MS), 3);
	assert_int_equal(drops_of(1, 20, 100, 5000 * MS), 5);
	conf.above = true;
	netfilter_unload(nf, NETFILTER_RAW);
	load(&conf);
	assert_int_equal(drops_of(1, 20, 100, 0), 15);
}

static void
groups_are_what_the_fields_say(void **state)
{
	struct netfilter_hashlimit_conf conf = per_source();
	struct packet p;

	conf.src_prefix = 24;
	load(&conf);
	assert_int_equal(drops_of(0x101, 3, 100, 0) + drops_of(0x1ff, 3, 100, 0), 5);
	assert_int_equal(drops_of(0x201, 6, 100, 0), 5);
	conf.fields = NETFILTER_HASHLIMIT_DPORT;
	strcpy(conf.name, "ports");
	load(&conf);
	assert_int_equal(drops_of(1, 3, 100, 0) + drops_of(2, 3, 100, 0), 5);
	make(&p, 1, 100);
	p.data[37] = 54;
	assert_false(passes_at(nf, NETFILTER_PREROUTING, &p, START));
	/* Whoever cannot be asked for its ports is dropped; later fragments are a group of their own. */
	packet_ip(&p, IPPROTO_TCP, "ab", 2);
	assert_false(passes_at(nf, NETFILTER_PREROUTING, &p, START));
	for (int i = 0; i < 5; i++) {
		packet_fragment(&p, IPPROTO_UDP, 3);
		assert_false(passes_at(nf, NETFILTER_PREROUTING, &p, START));
	}
	assert_true(passes_at(nf, NETFILTER_PREROUTING, &p, START));
}

static void
rules_of_a_name_share(void **state)
{
	struct netfilter_hashlimit_conf confs[2] = { per_source(), per_source() };

	confs[1].burst = 7;
	assert_int_equal(load_in(NETFILTER_RAW, confs, 2), 0);
	assert_int_equal(load_in(NETFILTER_MANGLE, confs, 1), 0);
	assert_int_equal(drops_of(1, 20, 100, 0), 5);
	/* Each of the rules asked about the other 15, and none had a token left for them. */
	confs[1].above = true;
	assert_int_equal(load_in(NETFILTER_RAW, confs + 1, 1), 0);
	assert_int_equal(drops_of(1, 3, 100, 0), 3);
	/* The name stays as long as any table has it. */
	netfilter_unload(nf, NETFILTER_RAW);
	assert_int_equal(drops_of(1, 3, 100, 0), 0);
	netfilter_unload(nf, NETFILTER_MANGLE);
	confs[1].above = false;
	load(&confs[1]);
	assert_int_equal(drops_of(1, 20, 100, 0), 7);
}

static void
a_refused_table_leaves_the_name_as_it_was(void **state)
{
	struct netfilter_hashlimit_conf confs[2] = { per_source(), per_source() };

	load(&confs[0]);
	assert_int_equal(drops_of(1, 4, 100, 0), 4);
	confs[1].burst = 0;
	assert_int_equal(load_in(NETFILTER_RAW, confs, 2), -ERANGE);
	confs[1].entries = 0;
	assert_int_equal(load_in(NETFILTER_RAW, confs, 2), -ERANGE);
	confs[1].burst = 1;
	assert_int_equal(load_in(NETFILTER_RAW, confs, 2), -ENOMEM);
	assert_int_equal(drops_of(1, 4, 100, 0), 1);
}

/* A table for each name, until there are too many; names that are gone leave their room. */
static void
names_have_bounds(void **state)
{
	struct netfilter_hashlimit_conf confs[4] = { per_source(), per_source(), per_source(), per_source() };

	for (unsigned int i = 0; i < 4; i++) {
		confs[i].name[0] = (char)('a' + i);
		confs[i].entries = NETFILTER_HASHLIMIT_ENTRIES_MAX;
	}
	assert_int_equal(load_in(NETFILTER_RAW, confs, 4), 0);
	for (unsigned int i = 0; i < 4; i++)
		confs[i].name[1] = 'x';
	assert_int_equal(load_in(NETFILTER_MANGLE, confs, 4), 0);
	strcpy(confs[3].name, "more");
	assert_int_equal(load_in(NETFILTER_MANGLE, confs, 4), -ENOMEM);
	netfilter_unload(nf, NETFILTER_RAW);
	assert_int_equal(load_in(NETFILTER_MANGLE, confs, 4), 0);
	confs[0].entries++;
	strcpy(confs[0].name, "larger");
	assert_int_equal(load_in(NETFILTER_MANGLE, confs, 1), -ENOMEM);
}

/* A collection at START, and each second from then on. */
static void
a_group_is_forgotten_by_a_collection(void **state)
{
	struct netfilter_hashlimit_conf conf = per_source();

	conf.expire_ms = 1500;
	conf.interval_ns = 100 * SECOND;
	load(&conf);
	assert_int_equal(drops_of(1, 9, 100, 0), 5);
	assert_int_equal(drops_of(2, 1, 100, 900 * MS), 1);
	assert_int_equal(drops_of(1, 9, 100, 1600 * MS), 0); /* its time is up, but nobody has looked */
	assert_int_equal(drops_of(2, 9, 100, 2300 * MS), 4);
	assert_int_equal(drops_of(1, 9, 100, 3000 * MS), 0); /* until 3100 */
	assert_int_equal(drops_of(1, 9, 100, 5000 * MS), 5);
}

/* Clocks of workers differ by what a burst takes, or by how long the system let one wait. */
static void
a_worker_that_is_late_counts_all_the_same(void **state)
{
	struct netfilter_hashlimit_conf conf = per_source();

	conf.entries = 3;
	conf.expire_ms = conf.collect_ms = 1;
	load(&conf);
	for (unsigned int round = 0; round < 10; round++) {
		assert_int_equal(drops_of(1, 9, 100, (2 * round + 1) * SECOND), 5);
		assert_int_equal(drops_of(2, 9, 100, 2 * round * SECOND), 5);
	}
}

static void
a_full_table_drops(void **state)
{
	struct netfilter_hashlimit_conf conf = per_source();

	conf.entries = 300;
	conf.expire_ms = 2000;
	conf.above = true;
	load(&conf);
	for (uint16_t source = 1; source <= 300; source++)
		assert_int_equal(drops_of(source, 2, 100, 0), 0);
	assert_int_equal(drops_of(301, 2, 100, 0), 2);
	assert_int_equal(drops_of(300, 2, 100, 0), 0);
	assert_int_equal(drops_of(302, 1, 100, 1000 * MS), 1);
	for (uint16_t source = 1001; source <= 1299; source++)
		assert_int_equal(drops_of(source, 2, 100, 3000 * MS), 0);
}

/* Whatever is found by hashing is found again. */
static void
many_groups_are_told_apart(void **state)
{
	struct netfilter_hashlimit_conf conf = per_source();

	conf.entries = 60000;
	conf.burst = 1;
	conf.interval_ns = SECOND;
	load(&conf);
	for (unsigned int source = 0; source < 60000; source++)
		assert_int_equal(drops_of((uint16_t)source, 2, 100, 0), 1);
	for (unsigned int source = 0; source < 60000; source++)
		assert_int_equal(drops_of((uint16_t)source, 1, 100, 0), 0);
}

/* 10 kB a second as iptables writes it: 16 bytes cost 1/641 of what comes in a second. */
static void
bytes_come_by_the_second(void **state)
{
	struct netfilter_hashlimit_conf conf = per_source();

	conf.kind = NETFILTER_HASHLIMIT_BYTES;
	conf.chunk_cost = UINT32_MAX / 641;
	conf.burst = 0;
	conf.expire_ms = 60000;
	load(&conf);
	assert_int_equal(drops_of(1, 60, 1000, 0), 10);
	assert_int_equal(drops_of(1, 20, 1000, 500 * MS), 5);
	assert_int_equal(drops_of(2, 700, 15, 0), 641); /* counted by 16 bytes */
	/* A burst of three buckets more, for once. */
	netfilter_unload(nf, NETFILTER_RAW);
	conf.burst = 3;
	load(&conf);
	assert_int_equal(drops_of(1, 60, 1000, 0), 40);
	assert_int_equal(drops_of(1, 60, 1000, 3000 * MS), 10);
	assert_int_equal(drops_of(1, 60, 1000, 70000 * MS), 40);
	/* A packet of more than a second takes the second. */
	netfilter_unload(nf, NETFILTER_RAW);
	conf.burst = 0;
	conf.chunk_cost = UINT32_MAX / 63;
	load(&conf);
	assert_int_equal(drops_of(1, 3, 1500, 0), 1);
	assert_int_equal(drops_of(1, 3, 1500, 999 * MS), 0);
	assert_int_equal(drops_of(1, 3, 1500, 1000 * MS), 1);
}

/* What Linux 6.1 said to the same packets of `above 10/s burst 5 rate-match`. */
static void
rates_are_those_of_the_last_interval(void **state)
{
	struct netfilter_hashlimit_conf conf = per_source();

	conf.kind = NETFILTER_HASHLIMIT_RATE;
	conf.interval_ns = SECOND;
	conf.rate = 10;
	conf.allowance = 15;
	conf.above = true;
	load(&conf);
	assert_int_equal(drops_of(1, 15, 100, 0), 0);
	assert_int_equal(drops_of(1, 15, 100, 500 * MS), 15);
	assert_int_equal(drops_of(1, 4, 100, 1000 * MS), 4); /* 30 in the last second */
	assert_int_equal(drops_of(1, 15, 100, 2000 * MS), 0); /* 4 in the last */
	assert_int_equal(drops_of(1, 15, 100, 3500 * MS), 0); /* 15 in 1.5 s */
	assert_int_equal(drops_of(1, 1, 100, 4500 * MS), 1); /* 15 in 1 s */
	conf.counts_bytes = true;
	conf.rate = conf.allowance = 10240;
	strcpy(conf.name, "bytes");
	load(&conf);
	assert_int_equal(drops_of(1, 15, 1000, 0), 5);
}

enum { THREADS = 4, GROUPS = 2000, ROUNDS = 8 };

static void *
hammer(void *passed)
{
	for (unsigned int round = 0; round < ROUNDS; round++)
		for (uint16_t group = 0; group < GROUPS; group++) {
			struct packet p;

			make(&p, group, 100);
			*(unsigned int *)passed += !passes_at(nf, NETFILTER_PREROUTING, &p, START);
		}
	return NULL;
}

/* All workers together get what a group has; one that two make at once may cost a packet more. */
static void
workers_share_groups(void **state)
{
	struct netfilter_hashlimit_conf conf = per_source();
	unsigned int held[THREADS] = { 0 }, sum = 0;
	pthread_t threads[THREADS];

	conf.entries = 2 * GROUPS;
	load(&conf);
	for (unsigned int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hammer, &held[i]), 0);
	for (unsigned int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		sum += held[i];
	}
	assert_in_range(sum, GROUPS * 5, GROUPS * 5 + GROUPS / 10);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_group_has_a_bucket, start, end),
		cmocka_unit_test_setup_teardown(groups_are_what_the_fields_say, start, end),
		cmocka_unit_test_setup_teardown(rules_of_a_name_share, start, end),
		cmocka_unit_test_setup_teardown(a_refused_table_leaves_the_name_as_it_was, start, end),
		cmocka_unit_test_setup_teardown(names_have_bounds, start, end),
		cmocka_unit_test_setup_teardown(a_group_is_forgotten_by_a_collection, start, end),
		cmocka_unit_test_setup_teardown(a_worker_that_is_late_counts_all_the_same, start, end),
		cmocka_unit_test_setup_teardown(a_full_table_drops, start, end),
		cmocka_unit_test_setup_teardown(many_groups_are_told_apart, start, end),
		cmocka_unit_test_setup_teardown(bytes_come_by_the_second, start, end),
		cmocka_unit_test_setup_teardown(rates_are_those_of_the_last_interval, start, end),
		cmocka_unit_test_setup_teardown(workers_share_groups, start, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
