/* SPDX-License-Identifier: BSD-3-Clause */
/* skbedit: sets the packet's mark, its priority, whom it is for and its transmit queue; tc-skbedit(8). */
#include <netinet/in.h>

#include <rte_byteorder.h>

#include <weir/action/skbedit.h>

#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include "dissect.h"
#include "internal.h"

struct skbedit {
	struct skbedit_conf conf;
};

static int
skbedit_init(struct action *action, const void *conf, struct error *err)
{
	struct skbedit *s = action_priv(action);
	const struct skbedit_conf *c = conf;

	if (c->set == 0)
		return error_set(err, EINVAL,
			"skbedit: nothing to set; give 'mark', 'priority', 'queue_mapping', 'ptype' or "
			"'inheritdsfield'");
	if ((c->set & SKBEDIT_F_MASK) != 0 && (c->set & SKBEDIT_F_MARK) == 0)
		return error_set(err, EINVAL, "skbedit: a mask without a mark; give both, as in 'mark 1/0xff'");
	if ((c->set & SKBEDIT_F_TXQ_SKBHASH) != 0 && c->queue_mapping_max < c->queue_mapping)
		return error_set(err, EINVAL, "skbedit: queues from %u to %u; give the lower one first",
			c->queue_mapping, c->queue_mapping_max);
	int rc = action_check_verdict(action, c->action, err);

	if (rc != 0)
		return rc;
	s->conf = *c;
	if ((c->set & SKBEDIT_F_MASK) == 0)
		s->conf.mask = UINT32_MAX;
	return 0;
}

/*
 * inheritdsfield: the priority is the DS field (RFC 2474), its two ECN bits off. A packet that is neither IPv4 nor IPv6
 * keeps its own.
 */
static void
inherit_dsfield(struct pkt *p, struct rte_mbuf *m)
{
	uint8_t copy[2];
	const uint8_t *header = rte_pktmbuf_read(m, p->l3_off, sizeof(copy), copy);

	if (header == NULL)
		return;
	if (p->protocol == RTE_BE16(ETH_P_IP))
		p->priority = header[1] >> 2;
	else if (p->protocol == RTE_BE16(ETH_P_IPV6))
		p->priority = ((header[0] & 0x0f) << 4 | header[1] >> 4) >> 2;
}

/* For us, for all, or for another host: behind the ingress hook what is another's is dropped. */
static void
set_packet_type(struct rte_mbuf *m, uint16_t type)
{
	struct pkt *p = pkt_of(m);

	p->flags &= (uint16_t) ~(PKT_MULTICAST | PKT_OTHER_HOST | PKT_PLAIN);
	if (type == PACKET_BROADCAST || type == PACKET_MULTICAST)
		p->flags |= PKT_MULTICAST;
	else if (type == PACKET_OTHERHOST)
		p->flags |= PKT_OTHER_HOST;
}

static void
set_queue(const struct skbedit_conf *c, struct rte_mbuf *m)
{
	uint16_t queue = c->queue_mapping;
	union flower_key headers;

	if ((c->set & SKBEDIT_F_TXQ_SKBHASH) != 0) {
		uint64_t queues = c->queue_mapping_max - c->queue_mapping + 1u;

		dissect(m, &headers);
		queue += (uint16_t)(dissect_hash(&headers) * queues >> 32);
	}
	pkt_set_queue(m, queue);
}

static int32_t
skbedit_act(struct action *action, const struct classify_ctx *ctx, struct rte_mbuf *m, struct verdict *result)
{
	const struct skbedit_conf *c = &((const struct skbedit *)action_priv(action))->conf;
	struct pkt *p = pkt_of(m);

	if (c->set & SKBEDIT_F_PRIORITY)
		p->priority = c->priority;
	if (c->set & SKBEDIT_F_INHERITDSFIELD)
		inherit_dsfield(p, m);
	if (c->set & SKBEDIT_F_MARK)
		p->mark = (p->mark & ~c->mask) | (c->mark & c->mask);
	if (unlikely((c->set & SKBEDIT_F_PTYPE) != 0))
		set_packet_type(m, c->packet_type);
	if ((c->set & SKBEDIT_F_QUEUE_MAPPING) != 0)
		set_queue(c, m);
	return c->action;
}

static void
skbedit_get_conf(const struct action *action, void *conf)
{
	*(struct skbedit_conf *)conf = ((const struct skbedit *)action_priv(action))->conf;
}

static const struct action_ops skbedit_ops = {
	.kind = "skbedit",
	.size = sizeof(struct skbedit),
	.init = skbedit_init,
	.act = skbedit_act,
	.get_conf = skbedit_get_conf,
	.conf_size = sizeof(struct skbedit_conf),
};
ACTION_REGISTER(skbedit_ops)
