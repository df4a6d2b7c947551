/* SPDX-License-Identifier: BSD-3-Clause */
/* Packet filter tables: each target, and LOG's lines against those of Linux 6.1. */
#include "netfilter_support.h"

#include <linux/netfilter/nf_log.h>
#include <netinet/ip_icmp.h>

static struct netfilter *nf;
static struct error err;

static int
start(void **state)
{
	nf = netfilter_create(NULL, 1, 1);
	memset(&err, 0, sizeof(err));
	return nf != NULL ? 0 : -1;
}

static int
end(void **state)
{
	netfilter_destroy(nf);
	return 0;
}

/* What the router was asked to do. */
static struct host_calls {
	unsigned int rejects, logs;
	bool tcp_reset;
	uint8_t icmp_code;
	enum netfilter_hook hook;
	uint32_t mtu;
	struct netfilter_log log;
} calls;

static void
note_reject(void *arg, struct rte_mbuf *m, enum netfilter_hook hook, bool tcp_reset, uint8_t icmp_code)
{
	struct host_calls *c = arg;

	c->rejects++;
	c->hook = hook;
	c->tcp_reset = tcp_reset;
	c->icmp_code = icmp_code;
}

static uint32_t
tell_mtu(void *arg, const struct rte_mbuf *m)
{
	return ((struct host_calls *)arg)->mtu;
}

static void
note_log(void *arg, const struct netfilter_log *log)
{
	struct host_calls *c = arg;

	c->logs++;
	c->log = *log;
}

static const struct netfilter_host host = { note_reject, tell_mtu, note_log, &calls };

static struct netfilter_rule_spec
rule_of(uint8_t protocol, const char *kind, const void *conf)
{
	return (struct netfilter_rule_spec){ .selector.protocol = protocol,
		.target = { .verdict = NETFILTER_EXTENSION, .kind = kind, .conf = conf } };
}

static int
load(enum netfilter_table_id table, enum netfilter_hook hook, const struct netfilter_rule_spec *rule)
{
	memset(&calls, 0, sizeof(calls));
	return load_at(nf, table, hook, rule, 1, &err);
}

static bool
passes(enum netfilter_hook hook, struct packet *p)
{
	struct netfilter_ctx ctx = hook_ctx(hook, 1);
	struct rte_mbuf *m = &p->mbuf;

	ctx.host = &host;
	return netfilter_run(nf, &ctx, 7, &m, 1) == 1;
}

/* One rule with the target in mangle's FORWARD, which lets the packet go on. */
static void
apply(uint8_t protocol, const char *kind, const void *conf, struct packet *p)
{
	struct netfilter_rule_spec rule = rule_of(protocol, kind, conf);

	assert_int_equal(load(NETFILTER_MANGLE, NETFILTER_FORWARD, &rule), 0);
	assert_true(passes(NETFILTER_FORWARD, p));
	assert_sums(p);
}

static void
marks_and_priorities(void **state)
{
	struct packet p;

	packet_tcp(&p, 1, 2, 2, NULL, 0, 0);
	p.pkt.mark = 0xff;
	apply(0, "MARK", &(struct netfilter_mark_target_conf){ 0x12, UINT32_MAX }, &p);
	assert_int_equal(p.pkt.mark, 0x12);
	apply(0, "MARK", &(struct netfilter_mark_target_conf){ 0x01, 0x03 }, &p); /* --set-xmark value/mask */
	assert_int_equal(p.pkt.mark, 0x11);
	apply(0, "CLASSIFY", &(struct netfilter_classify_conf){ CLASSID(1, 0x20) }, &p);
	assert_int_equal(p.pkt.priority, CLASSID(1, 0x20));
	/* Neither is the header's: it is as plain as before. */
	assert_true((p.pkt.flags & PKT_PLAIN) != 0);
}

static void
a_mark_that_is_set_is_what_the_next_rule_sees(void **state)
{
	struct netfilter_mark_target_conf set = { 7, UINT32_MAX };
	struct netfilter_mark_conf seven = { .mark = 7, .mask = UINT32_MAX };
	const struct netfilter_match_spec match = { "mark", &seven };
	struct netfilter_rule_spec rules[20] = { 0 };
	struct packet p;

	/* As many rules as are hashed. */
	for (int i = 0; i < 20; i++)
		rules[i] = (struct netfilter_rule_spec){
			.matches = &match, .n_matches = 1, .target.verdict = NETFILTER_DROP
		};
	rules[10] = rule_of(0, "MARK", &set);
	assert_int_equal(load_at(nf, NETFILTER_MANGLE, NETFILTER_INPUT, rules, 20, &err), 0);
	packet_udp(&p, 0);
	assert_false(passes(NETFILTER_INPUT, &p));
	struct netfilter_counter counts[RULES_MAX];
	netfilter_counters(nf, NETFILTER_MANGLE, counts);
	assert_int_equal(counts[0].packets, 0);
	assert_int_equal(counts[11].packets, 1);
}

static void
header_fields(void **state)
{
	struct packet p;

	packet_tcp(&p, 1, 2, 2, NULL, 0, 5); /* TOS 0x10, TTL 64 */
	apply(0, "TOS", &(struct netfilter_tos_target_conf){ 0x08, 0xff }, &p);
	assert_int_equal(p.data[15], 0x08);
	assert_true((p.pkt.flags & PKT_PLAIN) == 0);
	apply(0, "TOS", &(struct netfilter_tos_target_conf){ 0x02, 0x03 }, &p);
	assert_int_equal(p.data[15], 0x0a);
	apply(0, "DSCP", &(struct netfilter_dscp_target_conf){ 46 }, &p);
	assert_int_equal(p.data[15], 46 << 2 | 2);
	apply(0, "ECN", &(struct netfilter_ecn_conf){ .set_ect = true, .ect = 1 }, &p);
	assert_int_equal(p.data[15], 46 << 2 | 1);
	apply(0, "TTL", &(struct netfilter_ttl_target_conf){ NETFILTER_TTL_INC, 250 }, &p);
	assert_int_equal(p.data[22], 255);
	apply(0, "TTL", &(struct netfilter_ttl_target_conf){ NETFILTER_TTL_DEC, 5 }, &p);
	assert_int_equal(p.data[22], 250);
	apply(0, "TTL", &(struct netfilter_ttl_target_conf){ NETFILTER_TTL_SET, 7 }, &p);
	assert_int_equal(p.data[22], 7);
	apply(0, "TTL", &(struct netfilter_ttl_target_conf){ NETFILTER_TTL_DEC, 9 }, &p);
	assert_int_equal(p.data[22], 0);
}

static void
ecn_bits_of_tcp(void **state)
{
	struct netfilter_ecn_conf remove = { .set_ece = true, .set_cwr = true }, wrong = { .set_ece = true };
	struct netfilter_rule_spec rule = rule_of(IPPROTO_UDP, "ECN", &wrong);
	struct packet p, rest;

	packet_tcp(&p, 1, 2, 0xc2, NULL, 0, 0);
	apply(IPPROTO_TCP, "ECN", &remove, &p);
	assert_int_equal(p.data[34 + 13], 0x02);
	/* In two buffers, the flags in the second. */
	packet_tcp(&p, 1, 2, 0xc2, NULL, 0, 3);
	packet_split(&p, &rest, 40);
	rule = rule_of(IPPROTO_TCP, "ECN", &remove);
	assert_int_equal(load(NETFILTER_MANGLE, NETFILTER_FORWARD, &rule), 0);
	assert_true(passes(NETFILTER_FORWARD, &p));
	assert_int_equal(rest.data[13 - 6], 0x02);
	memcpy(p.data + 40, rest.data, 17);
	assert_sums(&p);
	rule = rule_of(IPPROTO_UDP, "ECN", &wrong);
	assert_int_equal(load(NETFILTER_MANGLE, NETFILTER_FORWARD, &rule), -EINVAL);
}

/* ---- TCPMSS ------------------------------------------------------------------------------------------- */

static int
load_mss(const struct netfilter_tcpmss_conf *conf, uint8_t flags, enum netfilter_hook hook)
{
	struct netfilter_tcp_conf tcp = { ANY_PORT, ANY_PORT, .flags_mask = 0x06, .flags = flags };
	const struct netfilter_match_spec match = { "tcp", &tcp };
	struct netfilter_rule_spec rule = rule_of(IPPROTO_TCP, "TCPMSS", conf);

	rule.matches = &match;
	rule.n_matches = 1;
	return load(NETFILTER_MANGLE, hook, &rule);
}

static const uint8_t mss_1460[] = { 1, 2, 4, 0x05, 0xb4, 1, 1, 0 };

static uint16_t
mss_at(const struct packet *p, uint32_t at)
{
	return (uint16_t)(p->data[34 + at] << 8 | p->data[34 + at + 1]);
}

static void
an_mss_is_lowered_and_never_raised(void **state)
{
	struct packet p;

	assert_int_equal(load_mss(&(struct netfilter_tcpmss_conf){ .mss = 1000 }, 2, NETFILTER_PREROUTING), 0);
	packet_tcp(&p, 1, 2, 2, mss_1460, 8, 0);
	assert_true(passes(NETFILTER_PREROUTING, &p));
	assert_int_equal(mss_at(&p, 23), 1000); /* at an odd place */
	assert_sums(&p);
	assert_int_equal(load_mss(&(struct netfilter_tcpmss_conf){ .mss = 1300 }, 2, NETFILTER_PREROUTING), 0);
	assert_true(passes(NETFILTER_PREROUTING, &p));
	assert_int_equal(mss_at(&p, 23), 1000);
	/* What is no SYN has no such option to be changed. */
	packet_tcp(&p, 1, 2, 0x10, mss_1460, 8, 0);
	assert_true(passes(NETFILTER_PREROUTING, &p));
	assert_int_equal(mss_at(&p, 23), 1460);
}

static void
a_syn_without_the_option_gets_it(void **state)
{
	static const uint8_t others[] = { 4, 2, 1, 1 };
	struct packet p;

	assert_int_equal(load_mss(&(struct netfilter_tcpmss_conf){ .mss = 1000 }, 2, NETFILTER_PREROUTING), 0);
	packet_tcp(&p, 1, 2, 2, others, 4, 0);
	assert_true(passes(NETFILTER_PREROUTING, &p));
	assert_int_equal(p.mbuf.pkt_len, 14 + 20 + 28);
	assert_int_equal(mss_at(&p, 20), 0x0204);
	assert_int_equal(mss_at(&p, 22), 536);
	assert_memory_equal(p.data + 34 + 24, others, 4);
	assert_sums(&p);
	/* With data, or no room in the header: as it was. */
	packet_tcp(&p, 1, 2, 2, others, 4, 1);
	assert_true(passes(NETFILTER_PREROUTING, &p));
	assert_int_equal(p.mbuf.pkt_len, 14 + 20 + 25);
	packet_tcp(
		&p, 1, 2, 2, "\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1", 40, 0);
	assert_true(passes(NETFILTER_PREROUTING, &p));
	assert_int_equal(p.mbuf.pkt_len, 14 + 20 + 60);
	/* No room in the buffer. */
	packet_tcp(&p, 1, 2, 2, NULL, 0, 0);
	p.mbuf.buf_len = p.mbuf.data_len + 3;
	assert_true(passes(NETFILTER_PREROUTING, &p));
	assert_int_equal(p.mbuf.pkt_len, 14 + 40);
	assert_sums(&p);
}

static void
an_mss_is_clamped_to_the_path(void **state)
{
	struct netfilter_tcpmss_conf clamp = { .clamp = true };
	struct packet p;

	assert_int_equal(load_mss(&clamp, 2, NETFILTER_PREROUTING), -EINVAL);
	assert_int_equal(load_mss(&clamp, 0, NETFILTER_FORWARD), -EINVAL);
	assert_string_equal(err.msg, "rule 0: TCPMSS target: only works on TCP SYN packets; give -p tcp --syn");
	assert_int_equal(load_mss(&clamp, 2, NETFILTER_FORWARD), 0);
	calls.mtu = 1400;
	packet_tcp(&p, 1, 2, 2, mss_1460, 8, 0);
	assert_true(passes(NETFILTER_FORWARD, &p));
	assert_int_equal(mss_at(&p, 23), 1360);
	calls.mtu = 40;
	assert_false(passes(NETFILTER_FORWARD, &p));
	calls.mtu = 0; /* not known */
	assert_true(passes(NETFILTER_FORWARD, &p));
	assert_int_equal(mss_at(&p, 23), 1360);
}

/* ---- REJECT, LOG -------------------------------------------------------------------------------------- */

static void
reject_tells_and_drops(void **state)
{
	struct netfilter_reject_conf reset = { .tcp_reset = true }, port = { .icmp_code = ICMP_PORT_UNREACH };
	struct netfilter_rule_spec rule = rule_of(IPPROTO_TCP, "REJECT", &reset);
	struct packet p;

	assert_int_equal(load(NETFILTER_FILTER, NETFILTER_FORWARD, &rule), 0);
	packet_tcp(&p, 1, 2, 2, NULL, 0, 0);
	assert_false(passes(NETFILTER_FORWARD, &p));
	assert_int_equal(calls.rejects, 1);
	assert_true(calls.tcp_reset);
	packet_udp(&p, 0);
	assert_true(passes(NETFILTER_FORWARD, &p));
	rule = rule_of(0, "REJECT", &port);
	assert_int_equal(load(NETFILTER_FILTER, NETFILTER_INPUT, &rule), 0);
	assert_false(passes(NETFILTER_INPUT, &p));
	assert_int_equal(calls.icmp_code, 3);
	assert_int_equal(calls.hook, NETFILTER_INPUT);
	rule = rule_of(IPPROTO_UDP, "REJECT", &reset);
	assert_int_equal(load(NETFILTER_FILTER, NETFILTER_INPUT, &rule), -EINVAL);
}

/* The bytes of a datagram as hex digits, and the line that Linux wrote of it. */
static void
assert_line(uint8_t flags, const char *prefix, uint32_t mark, bool link, const char *hex, const char *expected)
{
	struct netfilter_log log = { .in = "ra",
		.out = "rb",
		.flags = flags,
		.mark = mark,
		.has_link = link,
		.link = { 0x4e, 0x9b, 0xc5, 0x79, 0xd5, 0x73, 0x56, 0xb7, 0x38, 0x19, 0xa2, 0xc5, 8, 0 } };
	char line[1024];
	unsigned int byte;

	strcpy(log.prefix, prefix);
	for (; sscanf(hex, " %2x", &byte) == 1; hex += 2) {
		log.packet[log.bytes++] = (uint8_t)byte;
		while (hex[2] == ' ')
			hex++;
	}
	log.length = log.bytes;
	netfilter_log_line(&log, line, sizeof(line));
	assert_string_equal(line, expected);
	/* Whatever is cut off, and however short the line may be. */
	for (; log.bytes > 0; log.bytes--)
		netfilter_log_line(&log, line, log.bytes);
}

#define LINK "IN=ra OUT=rb MAC=4e:9b:c5:79:d5:73:56:b7:38:19:a2:c5:08:00 "

static void
lines_are_those_of_linux(void **state)
{
	assert_line(0, "fwd: ", 0x1f, true, "45000054 2d904000 3f010000 0a010002 0a020002 08000000 00810001",
		"fwd: " LINK
		"SRC=10.1.0.2 DST=10.2.0.2 LEN=84 TOS=0x00 PREC=0x00 TTL=63 ID=11664 DF PROTO=ICMP TYPE=8 CODE=0 "
		"ID=129 SEQ=1 MARK=0x1f ");
	assert_line(NF_LOG_MACDECODE, "", 0, true, "45000054 2d904000 3f010000 0a010002 0a020002 08000000 00810001",
		"IN=ra OUT=rb MACSRC=56:b7:38:19:a2:c5 MACDST=4e:9b:c5:79:d5:73 MACPROTO=0800 SRC=10.1.0.2 "
		"DST=10.2.0.2 LEN=84 TOS=0x00 PREC=0x00 TTL=63 ID=11664 DF PROTO=ICMP TYPE=8 CODE=0 ID=129 SEQ=1 ");
	assert_line(NF_LOG_TCPSEQ | NF_LOG_TCPOPT, "fwd: ", 0x1f, true,
		"4500003c 37ae4000 3f060000 0a010002 0a020002 89120051 5d79aea3 00000000 a002faf0 00000000 "
		"020405B4 0402080A 4CEA1CA0 00000000 01030306",
		"fwd: " LINK
		"SRC=10.1.0.2 DST=10.2.0.2 LEN=60 TOS=0x00 PREC=0x00 TTL=63 ID=14254 DF PROTO=TCP SPT=35090 DPT=81 "
		"SEQ=1568255651 ACK=0 WINDOW=64240 RES=0x00 SYN URGP=0 OPT "
		"(020405B40402080A4CEA1CA00000000001030306) MARK=0x1f ");
	assert_line(0, "", 0, false,
		"45000028 00004000 3f060000 0a020002 0a010002 00518912 00000000 5d79aea4 50140000 00000000",
		"IN=ra OUT=rb SRC=10.2.0.2 DST=10.1.0.2 LEN=40 TOS=0x00 PREC=0x00 TTL=63 ID=0 DF PROTO=TCP SPT=81 "
		"DPT=35090 WINDOW=0 RES=0x00 ACK RST URGP=0 ");
	assert_line(0, "", 0, false, "450005dc 2d9420b9 3f010000 0a010002 0a020002 00000000 00000000",
		"IN=ra OUT=rb SRC=10.1.0.2 DST=10.2.0.2 LEN=1500 TOS=0x00 PREC=0x00 TTL=63 ID=11668 MF FRAG:185 "
		"PROTO=ICMP ");
	assert_line(0, "", 0x1f, false,
		"45c0003d f4ba0000 3f010000 0a020002 0a010002 03030000 00000000 "
		"45000021 18d74000 3f110000 0a010002 0a020002 aa3b1388 000d0000 68656c6c 6f",
		"IN=ra OUT=rb SRC=10.2.0.2 DST=10.1.0.2 LEN=61 TOS=0x00 PREC=0xC0 TTL=63 ID=62650 PROTO=ICMP TYPE=3 "
		"CODE=3 [SRC=10.1.0.2 DST=10.2.0.2 LEN=33 TOS=0x00 PREC=0x00 TTL=63 ID=6359 DF PROTO=UDP SPT=43579 "
		"DPT=5000 LEN=13 ] MARK=0x1f ");
	assert_line(0, "", 0, false, "45000022 02be4000 3f320000 0a010002 0a020002 00010002 61626364 65666768 696a",
		"IN=ra OUT=rb SRC=10.1.0.2 DST=10.2.0.2 LEN=34 TOS=0x00 PREC=0x00 TTL=63 ID=702 DF PROTO=ESP "
		"SPI=0x10002 ");
	assert_line(0, "", 0, false, "45000022 59bd4000 3f840000 0a010002 0a020002 00010002 61626364 65666768 696a",
		"IN=ra OUT=rb SRC=10.1.0.2 DST=10.2.0.2 LEN=34 TOS=0x00 PREC=0x00 TTL=63 ID=22973 DF PROTO=132 ");
	assert_line(0, "", 0, false, "45000022 2a214000 3f060000 0a010002 0a020002 00010002 61626364 65666768 696a",
		"IN=ra OUT=rb SRC=10.1.0.2 DST=10.2.0.2 LEN=34 TOS=0x00 PREC=0x00 TTL=63 ID=10785 DF PROTO=TCP "
		"INCOMPLETE [14 bytes] ");
	assert_line(0, "", 0, false, "4500001c 2e4e4000 3f010000 0a010002 0a020002 05010000 01020304",
		"IN=ra OUT=rb SRC=10.1.0.2 DST=10.2.0.2 LEN=28 TOS=0x00 PREC=0x00 TTL=63 ID=11854 DF PROTO=ICMP TYPE=5 "
		"CODE=1 INCOMPLETE [8 bytes] ");
	assert_line(NF_LOG_IPOPT, "", 0, false,
		"4f00007c 2d934000 3f010000 0a010002 0a020002 0107270C 0A010002 0A010001 00000000 00000000 00000000 "
		"00000000 00000000 00000000 00000000 08000000 00830001",
		"IN=ra OUT=rb SRC=10.1.0.2 DST=10.2.0.2 LEN=124 TOS=0x00 PREC=0x00 TTL=63 ID=11667 DF OPT "
		"(0107270C0A0100020A01000100000000000000000000000000000000000000000000000000000000) PROTO=ICMP TYPE=8 "
		"CODE=0 ID=131 SEQ=1 ");
}

static void
log_tells_what_it_saw(void **state)
{
	struct netfilter_log_conf conf = { .level = 6, .flags = NF_LOG_TCPSEQ, .prefix = "seen: " };
	struct netfilter_rule_spec rule = rule_of(0, "LOG", &conf);
	char line[512];
	struct packet p, rest;

	assert_int_equal(load(NETFILTER_FILTER, NETFILTER_FORWARD, &rule), 0);
	packet_udp(&p, 0x1f);
	packet_split(&p, &rest, 38);
	assert_true(passes(NETFILTER_FORWARD, &p));
	assert_int_equal(calls.logs, 1);
	assert_int_equal(calls.log.level, 6);
	netfilter_log_line(&calls.log, line, sizeof(line));
	assert_string_equal(line,
		"seen: IN=eth0 OUT=eth1 MAC=02:00:00:00:00:02:02:00:00:00:00:01:08:00 SRC=10.0.0.1 DST=10.0.0.2 LEN=50 "
		"TOS=0x10 PREC=0x00 TTL=64 ID=0 PROTO=UDP SPT=1000 DPT=53 LEN=30 MARK=0x1f ");
	/* Where there is no port that it came in by, there is no such header. */
	struct netfilter_ctx ctx = hook_ctx(NETFILTER_FORWARD, 1);
	struct rte_mbuf *m = &p.mbuf;
	ctx.host = &host;
	ctx.in = NULL;
	assert_int_equal(netfilter_run(nf, &ctx, 7, &m, 1), 1);
	assert_false(calls.log.has_link);
	conf.level = 8;
	assert_int_equal(load(NETFILTER_FILTER, NETFILTER_FORWARD, &rule), -EINVAL);
	conf.level = 4;
	memset(conf.prefix, 'x', sizeof(conf.prefix));
	assert_int_equal(load(NETFILTER_FILTER, NETFILTER_FORWARD, &rule), -EINVAL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(marks_and_priorities, start, end),
		cmocka_unit_test_setup_teardown(a_mark_that_is_set_is_what_the_next_rule_sees, start, end),
		cmocka_unit_test_setup_teardown(header_fields, start, end),
		cmocka_unit_test_setup_teardown(ecn_bits_of_tcp, start, end),
		cmocka_unit_test_setup_teardown(an_mss_is_lowered_and_never_raised, start, end),
		cmocka_unit_test_setup_teardown(a_syn_without_the_option_gets_it, start, end),
		cmocka_unit_test_setup_teardown(an_mss_is_clamped_to_the_path, start, end),
		cmocka_unit_test_setup_teardown(reject_tells_and_drops, start, end),
		cmocka_unit_test_setup_teardown(lines_are_those_of_linux, start, end),
		cmocka_unit_test_setup_teardown(log_tells_what_it_saw, start, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
