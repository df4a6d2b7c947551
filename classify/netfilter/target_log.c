/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * LOG: a line for the log about the packet; iptables-extensions(8). Its bytes are copied, the line is written by the
 * control thread.
 */
#include <rte_ether.h>

#include "netfilter.h"

struct log {
	struct netfilter_log_conf conf;
};

static int
log_init(void *priv, const void *conf, const struct place *place, struct error *err)
{
	struct log *log = priv;

	log->conf = *(const struct netfilter_log_conf *)conf;
	if (log->conf.level > 7)
		return error_set(err, EINVAL, "rule %u: LOG target: level %u: 0 to 7", place->rule, log->conf.level);
	if (memchr(log->conf.prefix, '\0', sizeof(log->conf.prefix)) == NULL)
		return error_set(err, EINVAL, "rule %u: LOG target: a prefix of more than %zu characters", place->rule,
			sizeof(log->conf.prefix) - 1);
	return 0;
}

static void
describe(const struct netfilter_log_conf *c, const struct packet *p, struct netfilter_log *log)
{
	const struct pkt *pkt = pkt_of(p->m);
	const void *bytes;

	memcpy(log->in, p->key.f.in, sizeof(log->in));
	memcpy(log->out, p->key.f.out, sizeof(log->out));
	memcpy(log->prefix, c->prefix, sizeof(log->prefix));
	log->level = c->level;
	log->flags = c->flags;
	log->mark = p->key.f.mark;
	log->length = p->key.f.length;
	log->has_link = p->ctx->in != NULL && pkt->in_port != 0 && pkt->l3_off >= RTE_ETHER_HDR_LEN;
	if (log->has_link)
		memcpy(log->link, rte_pktmbuf_mtod(p->m, const uint8_t *), sizeof(log->link));
	log->bytes = RTE_MIN(log->length, (uint16_t)sizeof(log->packet));
	bytes = rte_pktmbuf_read(p->m, pkt->l3_off, log->bytes, log->packet);
	if (bytes != log->packet)
		memcpy(log->packet, bytes, log->bytes);
}

static enum netfilter_verdict
log_act(void *priv, struct packet *p)
{
	const struct netfilter_host *host = p->ctx->host;
	struct netfilter_log log;

	if (host == NULL || host->log == NULL)
		return NETFILTER_CONTINUE;
	describe(&((const struct log *)priv)->conf, p, &log);
	host->log(host->arg, &log);
	return NETFILTER_CONTINUE;
}

static const struct target_ops log_ops = {
	.kind = "LOG",
	.size = sizeof(struct log),
	.init = log_init,
	.act = log_act,
};
TARGET_REGISTER(log_ops)
