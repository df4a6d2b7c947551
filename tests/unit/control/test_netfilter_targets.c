/* SPDX-License-Identifier: BSD-3-Clause */
/* Targets of iptables: what the packet filter is told of each. */
#include "netfilter_blob.h"

#include <weir/netfilter/targets.h>

#include <linux/icmp.h>
#include <linux/netfilter/xt_CLASSIFY.h>
#include <linux/netfilter/xt_LOG.h>
#include <linux/netfilter/xt_TCPMSS.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter_ipv4/ipt_ECN.h>
#include <linux/netfilter_ipv4/ipt_REJECT.h>
#include <linux/netfilter_ipv4/ipt_TTL.h>

static const void *
conf_of_target(const char *name, uint8_t revision, const void *data, size_t bytes, struct xt_blob **made)
{
	begin_raw();
	memcpy(add_target(name, revision, bytes), data, bytes);
	end_raw();
	*made = read_blob(NETFILTER_RAW);
	if (*made == NULL)
		fail_msg("%s", refusal.msg);
	assert_int_equal(first_rule()->target.verdict, NETFILTER_EXTENSION);
	assert_string_equal(first_rule()->target.kind, name);
	return first_rule()->target.conf;
}

static void
targets_that_change_headers(void **state)
{
	const struct xt_tos_target_info tos = { .tos_value = 0x10, .tos_mask = 0x3f };
	struct xt_DSCP_info dscp = { .dscp = 0x2e };
	struct ipt_ECN_info ecn = {
		.operation = IPT_ECN_OP_SET_ECE | IPT_ECN_OP_SET_IP, .ip_ect = 2, .proto.tcp.ece = 1
	};
	struct ipt_TTL_info ttl = { .mode = IPT_TTL_DEC, .ttl = 2 };
	struct xt_tcpmss_info mss = { .mss = 1400 };
	struct xt_blob *made;
	const struct netfilter_tos_target_conf *t = conf_of_target("TOS", 1, &tos, sizeof(tos), &made);
	const struct netfilter_dscp_target_conf *d;
	const struct netfilter_ttl_target_conf *l;
	const struct netfilter_tcpmss_conf *m;
	const struct netfilter_ecn_conf *e;

	assert_true(t->value == 0x10 && t->mask == 0x3f);
	release(made);
	d = conf_of_target("DSCP", 0, &dscp, sizeof(dscp), &made);
	assert_int_equal(d->dscp, 0x2e);
	release(made);
	dscp.dscp = 0x40;
	assert_int_equal(target_refusal("DSCP", 0, &dscp, sizeof(dscp)), EDOM);
	e = conf_of_target("ECN", 0, &ecn, sizeof(ecn), &made);
	assert_true(e->set_ect && e->ect == 2 && e->set_ece && e->ece && !e->set_cwr);
	release(made);
	ecn.ip_ect = 4;
	assert_int_equal(target_refusal("ECN", 0, &ecn, sizeof(ecn)), EINVAL);
	ecn.ip_ect = 0;
	ecn.operation = 2;
	assert_int_equal(target_refusal("ECN", 0, &ecn, sizeof(ecn)), EINVAL);
	l = conf_of_target("TTL", 0, &ttl, sizeof(ttl), &made);
	assert_true(l->mode == NETFILTER_TTL_DEC && l->ttl == 2);
	release(made);
	ttl.ttl = 0;
	assert_int_equal(target_refusal("TTL", 0, &ttl, sizeof(ttl)), EINVAL);
	ttl.mode = 3;
	assert_int_equal(target_refusal("TTL", 0, &ttl, sizeof(ttl)), EINVAL);
	m = conf_of_target("TCPMSS", 0, &mss, sizeof(mss), &made);
	assert_true(!m->clamp && m->mss == 1400);
	release(made);
	mss.mss = XT_TCPMSS_CLAMP_PMTU;
	m = conf_of_target("TCPMSS", 0, &mss, sizeof(mss), &made);
	assert_true(m->clamp);
	release(made);
}

static void
targets_that_mark_answer_and_tell(void **state)
{
	const struct xt_mark_tginfo2 mark = { .mark = 1, .mask = 0xf };
	const struct xt_classify_target_info classify = { .priority = 0x10010 };
	struct ipt_reject_info reject = { .with = IPT_ICMP_ADMIN_PROHIBITED };
	struct xt_log_info log = { .level = 4, .logflags = XT_LOG_TCPSEQ, .prefix = "dropped: " };
	struct xt_blob *made;
	const struct netfilter_mark_target_conf *m = conf_of_target("MARK", 2, &mark, sizeof(mark), &made);
	const struct netfilter_classify_conf *c;
	const struct netfilter_reject_conf *r;
	const struct netfilter_log_conf *l;

	assert_true(m->mark == 1 && m->mask == 0xf);
	release(made);
	c = conf_of_target("CLASSIFY", 0, &classify, sizeof(classify), &made);
	assert_int_equal(c->priority, 0x10010);
	release(made);
	r = conf_of_target("REJECT", 0, &reject, sizeof(reject), &made);
	assert_true(!r->tcp_reset && r->icmp_code == ICMP_PKT_FILTERED);
	release(made);
	reject.with = IPT_TCP_RESET;
	r = conf_of_target("REJECT", 0, &reject, sizeof(reject), &made);
	assert_true(r->tcp_reset);
	release(made);
	reject.with = IPT_ICMP_ECHOREPLY;
	assert_int_equal(target_refusal("REJECT", 0, &reject, sizeof(reject)), EINVAL);
	reject.with = 9;
	assert_int_equal(target_refusal("REJECT", 0, &reject, sizeof(reject)), EINVAL);
	l = conf_of_target("LOG", 0, &log, sizeof(log), &made);
	assert_true(l->level == 4 && l->flags == XT_LOG_TCPSEQ && strcmp(l->prefix, "dropped: ") == 0);
	release(made);
	log.level = 8;
	assert_int_equal(target_refusal("LOG", 0, &log, sizeof(log)), EINVAL);
	log.level = 0;
	memset(log.prefix, 'x', sizeof(log.prefix));
	assert_int_equal(target_refusal("LOG", 0, &log, sizeof(log)), EINVAL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(targets_that_change_headers),
		cmocka_unit_test(targets_that_mark_answer_and_tell),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
