/* SPDX-License-Identifier: BSD-3-Clause */
/* ECN: the bits of explicit congestion notification in IPv4's and TCP's headers (RFC 3168); iptables-extensions(8). */
#include "netfilter.h"

#define ECN_BITS 3
#define TCP_ECE  0x40
#define TCP_CWR  0x80

struct ecn {
	struct netfilter_ecn_conf conf;
};

static int
ecn_init(void *priv, const void *conf, const struct place *place, struct error *err)
{
	struct ecn *ecn = priv;
	const struct netfilter_selector *s = &place->spec->selector;

	ecn->conf = *(const struct netfilter_ecn_conf *)conf;
	if (ecn->conf.ect > ECN_BITS)
		return error_set(
			err, EINVAL, "rule %u: ECN target: a codepoint of %u: 0 to 3", place->rule, ecn->conf.ect);
	if ((ecn->conf.set_ece || ecn->conf.set_cwr) &&
		(s->protocol != IPPROTO_TCP || (s->invert & NETFILTER_NOT_PROTOCOL) != 0))
		return error_set(err, EINVAL, "rule %u: ECN target: cannot use operation on non-tcp rule; give -p tcp",
			place->rule);
	return 0;
}

static void
set_tcp_bits(const struct netfilter_ecn_conf *c, struct packet *p)
{
	uint8_t flags, wanted;

	if (!packet_read_transport(p, 13, &flags, 1) || p->transport_bytes < 20)
		return;
	wanted = flags;
	if (c->set_ece)
		wanted = (uint8_t)((wanted & ~TCP_ECE) | (c->ece ? TCP_ECE : 0));
	if (c->set_cwr)
		wanted = (uint8_t)((wanted & ~TCP_CWR) | (c->cwr ? TCP_CWR : 0));
	if (wanted != flags)
		packet_write_tcp(p, 13, &wanted, 1);
}

/* What is cut off before its flags is let go, unlike on Linux, which drops it. */
static enum netfilter_verdict
ecn_act(void *priv, struct packet *p)
{
	const struct netfilter_ecn_conf *c = &((const struct ecn *)priv)->conf;

	if (c->set_ect)
		packet_set_tos(p, (uint8_t)((p->key.f.tos & ~ECN_BITS) | c->ect));
	if ((c->set_ece || c->set_cwr) && !p->later)
		set_tcp_bits(c, p);
	return NETFILTER_CONTINUE;
}

static const struct target_ops ecn_ops = {
	.kind = "ECN",
	.size = sizeof(struct ecn),
	.tables = 1 << NETFILTER_MANGLE,
	.init = ecn_init,
	.act = ecn_act,
};
TARGET_REGISTER(ecn_ops)
