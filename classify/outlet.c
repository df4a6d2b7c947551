/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets that actions send to other ports: what of it needs no port and no worker. */
#include "internal.h"

static bool
is_open(const struct classify_ctx *ctx, uint32_t ifindex)
{
	return ctx->outlet != NULL && ctx->outlet->open(ctx, ifindex);
}

static void
address(const struct classify_ctx *ctx, struct pkt *p, uint32_t ifindex, bool to_ingress)
{
	const uint16_t earlier = PKT_TO_INGRESS | PKT_FROM_INGRESS;

	p->in_port = (uint16_t)ctx->ifindex;
	p->out_port = (uint16_t)ifindex;
	p->flags = (p->flags & ~earlier) | PKT_REDIRECTED | (to_ingress ? PKT_TO_INGRESS : 0) |
		   (ctx->ingress ? PKT_FROM_INGRESS : 0);
}

/* Its bytes are its own: who changes them later leaves m's alone. */
static struct rte_mbuf *
copy_of(const struct classify_ctx *ctx, struct rte_mbuf *m)
{
	struct rte_mbuf *copy = rte_pktmbuf_copy(m, m->pool, 0, UINT32_MAX);

	if (copy == NULL)
		return NULL;
	*pkt_of(copy) = *pkt_of(m);
	pkt_of(copy)->flags |= PKT_GENERATED;
	ctx->sink->generated++;
	return copy;
}

bool
classify_mirror(const struct classify_ctx *ctx, struct rte_mbuf *m, uint32_t ifindex, bool to_ingress)
{
	struct rte_mbuf *copy = is_open(ctx, ifindex) ? copy_of(ctx, m) : NULL;

	if (copy == NULL)
		return false;
	address(ctx, pkt_of(copy), ifindex, to_ingress);
	ctx->outlet->send(ctx, copy);
	return true;
}

bool
classify_redirect(const struct classify_ctx *ctx, struct rte_mbuf *m, uint32_t ifindex, bool to_ingress)
{
	if (!is_open(ctx, ifindex))
		return false;
	address(ctx, pkt_of(m), ifindex, to_ingress);
	pkt_of(m)->flags |= PKT_STOLEN;
	return true;
}

bool
classify_shot(const struct classify_ctx *ctx, struct rte_mbuf *m)
{
	if (likely((pkt_of(m)->flags & PKT_STOLEN) == 0))
		return false;
	pkt_of(m)->flags &= ~PKT_STOLEN;
	ctx->outlet->send(ctx, m);
	return true;
}
