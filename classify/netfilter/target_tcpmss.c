/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TCPMSS: the maximum segment size that a SYN announces (RFC 9293 section 3.7.1), lowered, never raised;
 * iptables-extensions(8). A SYN without that option gets it, since its absence means 536, unless it carries data or has
 * no room for it.
 */
#include "netfilter.h"

#define OPTION_NOP      1
#define OPTION_MSS      2
#define OPTION_MSS_SIZE 4
#define TCP_HEADER      20
#define TCP_HEADER_MAX  60
#define HEADERS         40 /* IPv4's and TCP's without options, which an MSS leaves to the MTU */
#define MSS_DEFAULT     536
#define TCP_SYN         0x02

struct tcpmss {
	struct netfilter_tcpmss_conf conf;
};

static bool
wants_syn(const struct netfilter_rule_spec *spec)
{
	for (uint32_t i = 0; i < spec->n_matches; i++)
		if (strcmp(spec->matches[i].kind, "tcp") == 0) {
			const struct netfilter_tcp_conf *c = spec->matches[i].conf;

			if ((c->flags & TCP_SYN) != 0 && (c->invert & NETFILTER_TCP_NOT_FLAGS) == 0)
				return true;
		}
	return false;
}

static int
tcpmss_init(void *priv, const void *conf, const struct place *place, struct error *err)
{
	const uint32_t hooks = 1 << NETFILTER_FORWARD | 1 << NETFILTER_OUTPUT | 1 << NETFILTER_POSTROUTING;
	struct tcpmss *tcpmss = priv;

	tcpmss->conf = *(const struct netfilter_tcpmss_conf *)conf;
	if (tcpmss->conf.clamp && (place->hooks & ~hooks) != 0)
		return error_set(err, EINVAL,
			"rule %u: TCPMSS target: path-MTU clamping only supported in FORWARD, OUTPUT and POSTROUTING "
			"hooks",
			place->rule);
	if (!wants_syn(place->spec))
		return error_set(err, EINVAL,
			"rule %u: TCPMSS target: only works on TCP SYN packets; give -p tcp --syn", place->rule);
	return 0;
}

/* What it is to be at most; 0: not known. false: the path is too narrow for TCP. */
static bool
find_limit(const struct netfilter_tcpmss_conf *c, struct packet *p, uint16_t *limit)
{
	const struct netfilter_host *host = p->ctx->host;
	uint32_t mtu;

	*limit = c->mss;
	if (!c->clamp)
		return true;
	mtu = host != NULL && host->path_mtu != NULL ? host->path_mtu(host->arg, p->m) : 0;
	*limit = (uint16_t)RTE_MIN(mtu > HEADERS ? mtu - HEADERS : 0, (uint32_t)UINT16_MAX);
	return mtu == 0 || mtu > HEADERS;
}

/* Where the option lies behind the header's first 20 bytes; false: it is not there. */
static bool
find_option(const uint8_t *options, uint32_t bytes, uint32_t *at)
{
	for (uint32_t i = 0; i + OPTION_MSS_SIZE <= bytes;) {
		if (options[i] == OPTION_MSS && options[i + 1] == OPTION_MSS_SIZE) {
			*at = i;
			return true;
		}
		i += options[i] <= OPTION_NOP || options[i + 1] == 0 ? 1 : options[i + 1];
	}
	return false;
}

/* Puts the option before the others; there is no data behind them. */
static void
add_option(struct packet *p, const uint8_t *options, uint32_t bytes, uint16_t limit)
{
	uint16_t mss = RTE_MIN(limit, (uint16_t)MSS_DEFAULT);
	uint8_t all[TCP_HEADER_MAX] = { OPTION_MSS, OPTION_MSS_SIZE, (uint8_t)(mss >> 8), (uint8_t)mss };
	uint8_t offset = (uint8_t)(p->transport[12] + (1 << 4)); /* the header's length in words: one more */

	memcpy(all + OPTION_MSS_SIZE, options, bytes);
	if (!packet_extend_tcp(p, OPTION_MSS_SIZE))
		return;
	packet_write_tcp(p, 12, &offset, 1);
	packet_write_tcp(p, TCP_HEADER, all, bytes + OPTION_MSS_SIZE);
}

static enum netfilter_verdict
tcpmss_act(void *priv, struct packet *p)
{
	const struct netfilter_tcpmss_conf *c = &((const struct tcpmss *)priv)->conf;
	uint8_t options[TCP_HEADER_MAX - TCP_HEADER];
	uint32_t header, bytes, at;
	uint16_t limit;

	if (p->later)
		return NETFILTER_CONTINUE;
	if (p->transport == NULL || p->transport_bytes < TCP_HEADER)
		return NETFILTER_DROP;
	header = (uint32_t)(p->transport[12] >> 4) * 4;
	bytes = header - TCP_HEADER;
	if (header < TCP_HEADER || p->transport_bytes < header || !find_limit(c, p, &limit))
		return NETFILTER_DROP;
	if (limit == 0 && c->clamp)
		return NETFILTER_CONTINUE;
	packet_read_transport(p, TCP_HEADER, options, bytes);
	if (find_option(options, bytes, &at)) {
		uint8_t mss[2] = { (uint8_t)(limit >> 8), (uint8_t)limit };

		if ((options[at + 2] << 8 | options[at + 3]) > limit)
			packet_write_tcp(p, TCP_HEADER + at + 2, mss, sizeof(mss));
	} else if (p->transport_bytes == header && header + OPTION_MSS_SIZE <= TCP_HEADER_MAX) {
		add_option(p, options, bytes, limit);
	}
	return NETFILTER_CONTINUE;
}

static const struct target_ops tcpmss_ops = {
	.kind = "TCPMSS",
	.size = sizeof(struct tcpmss),
	.protocols = { IPPROTO_TCP },
	.init = tcpmss_init,
	.act = tcpmss_act,
};
TARGET_REGISTER(tcpmss_ops)
