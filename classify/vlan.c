/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vlan: adds, removes and changes 802.1Q tags, and Ethernet headers; tc-vlan(8).
 *
 * A tag stands in the frame, behind the addresses, wherever the packet came from. One that is added is the outer one,
 * and what the packet is (its protocol) is then the tag's type, as filters behind the action see it on Linux.
 */
#include <linux/if_ether.h>

#include <rte_ether.h>

#include <weir/action/vlan.h>

#include "edit.h"

#define ADDRESSES (2 * RTE_ETHER_ADDR_LEN)
#define TAG_BYTES 4 /* type and TCI */
#define ID_MASK   0xfff

struct vlan {
	const struct vlan_conf *conf; /* published */
};

static int
vlan_init(struct action *action, const void *conf, struct error *err)
{
	struct vlan *vlan = action_priv(action);
	const struct vlan_conf *c = conf;
	int rc = action_check_verdict(action, c->action, err);

	if (rc != 0)
		return rc;
	if (c->what < TCA_VLAN_ACT_POP || c->what > TCA_VLAN_ACT_PUSH_ETH)
		return error_set(err, EINVAL, "vlan: %d is none of pop, push, modify, pop_eth and push_eth", c->what);
	if (c->id > ID_MASK)
		return error_set(err, ERANGE, "vlan: id %u; give 0 to %d", c->id, ID_MASK);
	if (c->protocol != RTE_BE16(ETH_P_8021Q) && c->protocol != RTE_BE16(ETH_P_8021AD))
		return error_set(err, EPROTONOSUPPORT, "vlan: protocol 0x%04x; 802.1Q or 802.1ad is wanted",
			rte_be_to_cpu_16(c->protocol));
	return action_publish_conf(action, (const void **)&vlan->conf, conf, err);
}

static void
vlan_destroy(struct action *action)
{
	action_free_conf(((const struct vlan *)action_priv(action))->conf);
}

static bool
is_tag(rte_be16_t type)
{
	return type == RTE_BE16(ETH_P_8021Q) || type == RTE_BE16(ETH_P_8021AD);
}

/* What stands behind a frame's addresses. */
struct tag {
	rte_be16_t type, tci;
};

/* False: no tag, or no Ethernet header. */
static bool
read_tag(struct rte_mbuf *m, struct tag *tag)
{
	return pkt_of(m)->l3_off >= RTE_ETHER_HDR_LEN && packet_read(m, ADDRESSES, tag, sizeof(*tag)) &&
	       is_tag(tag->type);
}

/* The frame's start moves by so many bytes: forwards, less than the first segment has; backwards, into the headroom. */
static bool
move_start(struct rte_mbuf *m, int32_t forwards)
{
	struct pkt *p = pkt_of(m);

	if (forwards < 0 && rte_pktmbuf_prepend(m, (uint16_t)-forwards) == NULL)
		return false;
	if (forwards > 0 && rte_pktmbuf_adj(m, (uint16_t)forwards) == NULL)
		return false;
	p->l3_off = (uint8_t)(p->l3_off - forwards);
	if (p->l4_off != 0)
		p->l4_off = (uint16_t)(p->l4_off - forwards);
	edit_mark_changed(m);
	return true;
}

/* Moves the addresses to the frame's new start. */
static bool
move_addresses(struct rte_mbuf *m, int32_t forwards)
{
	uint8_t addresses[ADDRESSES];

	if (m->data_len < ADDRESSES + TAG_BYTES)
		return false;
	memcpy(addresses, rte_pktmbuf_mtod(m, const uint8_t *), sizeof(addresses));
	if (!move_start(m, forwards))
		return false;
	memcpy(rte_pktmbuf_mtod(m, uint8_t *), addresses, sizeof(addresses));
	return true;
}

/* What the packet is for filters behind the action. */
static void
find_protocol(struct rte_mbuf *m)
{
	struct pkt *p = pkt_of(m);
	struct tag tag = { 0 };

	if (packet_read(m, ADDRESSES, &tag, sizeof(tag)))
		p->protocol = tag.type;
	p->vlan_tci = is_tag(tag.type) ? rte_be_to_cpu_16(tag.tci) : 0;
}

static bool
push(struct rte_mbuf *m, const struct vlan_conf *conf)
{
	struct tag tag = {
		.type = conf->protocol,
		.tci = rte_cpu_to_be_16((uint16_t)(conf->priority << 13 | conf->id)),
	};

	if (pkt_of(m)->l3_off < RTE_ETHER_HDR_LEN || pkt_of(m)->l3_off > UINT8_MAX - TAG_BYTES ||
		!move_addresses(m, -TAG_BYTES))
		return false;
	edit_write(m, ADDRESSES, &tag, sizeof(tag));
	find_protocol(m);
	return true;
}

static bool
pop(struct rte_mbuf *m)
{
	struct tag tag;

	if (!read_tag(m, &tag))
		return true;
	if (!move_addresses(m, TAG_BYTES))
		return false;
	find_protocol(m);
	return true;
}

static bool
modify(struct rte_mbuf *m, const struct vlan_conf *conf)
{
	struct tag tag;
	uint16_t tci;

	if (!read_tag(m, &tag))
		return true;
	tci = (uint16_t)((rte_be_to_cpu_16(tag.tci) & ~ID_MASK) | conf->id);
	if (conf->has_priority)
		tci = (uint16_t)((tci & 0x1fff) | conf->priority << 13);
	tag = (struct tag){ .type = conf->protocol, .tci = rte_cpu_to_be_16(tci) };
	edit_write(m, ADDRESSES, &tag, sizeof(tag));
	find_protocol(m);
	return true;
}

/* Only what stands directly in front of the network header: a tagged frame is refused, as on Linux. */
static bool
pop_ethernet(struct rte_mbuf *m)
{
	struct tag tag;

	return pkt_of(m)->l3_off == RTE_ETHER_HDR_LEN && !read_tag(m, &tag) && move_start(m, RTE_ETHER_HDR_LEN);
}

/* For a packet without one, as it comes from a port without link layer, or from pop_eth. */
static bool
push_ethernet(struct rte_mbuf *m, const struct vlan_conf *conf)
{
	struct rte_ether_hdr header = { .ether_type = pkt_of(m)->protocol };

	if (pkt_of(m)->l3_off != 0 || !move_start(m, -(int32_t)RTE_ETHER_HDR_LEN))
		return false;
	memcpy(&header.dst_addr, conf->dst_mac, sizeof(header.dst_addr));
	memcpy(&header.src_addr, conf->src_mac, sizeof(header.src_addr));
	edit_write(m, 0, &header, sizeof(header));
	return true;
}

static bool
change(struct rte_mbuf *m, const struct vlan_conf *conf)
{
	switch (conf->what) {
	case TCA_VLAN_ACT_POP:
		return pop(m);
	case TCA_VLAN_ACT_PUSH:
		return push(m, conf);
	case TCA_VLAN_ACT_MODIFY:
		return modify(m, conf);
	case TCA_VLAN_ACT_POP_ETH:
		return pop_ethernet(m);
	default:
		return push_ethernet(m, conf);
	}
}

static int32_t
vlan_act(struct action *action, const struct classify_ctx *ctx, struct rte_mbuf *m, struct verdict *result)
{
	const struct vlan_conf *conf = load_acquire(&((const struct vlan *)action_priv(action))->conf);

	if (likely(change(m, conf)))
		return conf->action;
	counter_add(&action_stats_of(action, ctx->worker)->drops, 1);
	return TC_ACT_SHOT;
}

static bool
vlan_pure(const struct action *action)
{
	return false;
}

static void
vlan_get_conf(const struct action *action, void *conf)
{
	*(struct vlan_conf *)conf = *((const struct vlan *)action_priv(action))->conf;
}

static const struct action_ops vlan_ops = {
	.kind = "vlan",
	.size = sizeof(struct vlan),
	.pure = vlan_pure,
	.init = vlan_init,
	.destroy = vlan_destroy,
	.act = vlan_act,
	.get_conf = vlan_get_conf,
	.conf_size = sizeof(struct vlan_conf),
};
ACTION_REGISTER(vlan_ops)
