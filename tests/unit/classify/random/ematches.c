/* SPDX-License-Identifier: BSD-3-Clause */
/* Extended matches by tc-ematch(8). */
#include <string.h>

#include <arpa/inet.h>
#include <linux/if_ether.h>

#include "ematches.h"

/* ---- the reference ------------------------------------------------------------------------------ */

/* Far before the packet where there is no such layer. */
static int64_t
layer_at(uint8_t layer, const struct plain_packet *p)
{
	uint32_t first, end;

	if (layer == TCF_LAYER_LINK)
		return 0;
	if (layer == TCF_LAYER_NETWORK)
		return p->pkt.l3_off;
	/* Behind IPv4's header, also in a fragment that does not begin with the transport's. */
	if (p->pkt.protocol == htons(ETH_P_IP) && plain_read(p, p->pkt.l3_off, 1, &first) && first >> 4 == 4 &&
		(first & 15) >= 5 && plain_read(p, p->pkt.l3_off + (first & 15) * 4 - 4, 4, &end))
		return p->pkt.l3_off + (first & 15) * 4;
	return INT64_MIN / 2;
}

static bool
compare(uint64_t left, uint64_t right, uint8_t comparison)
{
	switch (comparison) {
	case TCF_EM_OPND_EQ:
		return left == right;
	case TCF_EM_OPND_GT:
		return left > right;
	default:
		return left < right;
	}
}

static bool
is_cmp(const struct ematch *m, const struct plain_packet *p)
{
	int64_t at = layer_at(m->cmp.layer, p) + m->cmp.offset;
	uint32_t value = 0, byte;

	for (int i = 0; i < m->cmp.bytes; i++) {
		int place = (m->cmp.flags & TCF_EM_CMP_TRANS) != 0 ? m->cmp.bytes - 1 - i : i;

		if (!plain_read(p, at + place, 1, &byte))
			return false;
		value = value << 8 | byte;
	}
	if (m->cmp.mask != 0)
		value &= m->cmp.mask;
	return compare(value, m->cmp.value, m->cmp.comparison);
}

static bool
is_nbyte(const struct plain_term *t, const struct plain_packet *p)
{
	int64_t at = layer_at(t->match.nbyte.layer, p) + t->match.nbyte.offset;
	uint32_t byte;

	for (unsigned int i = 0; i < t->match.nbyte.n; i++)
		if (!plain_read(p, at + i, 1, &byte) || byte != t->needle[i])
			return false;
	return true;
}

static bool
is_u32(const struct ematch *m, const struct plain_packet *p)
{
	uint32_t word;

	return plain_read(p, p->pkt.l3_off + m->u32.offset, 4, &word) &&
	       ((word ^ ntohl(m->u32.value)) & ntohl(m->u32.mask)) == 0;
}

/* PACKET_HOST, _BROADCAST, _MULTICAST, _OTHERHOST of packet(7). What leaves was never sent to all. */
static uint32_t
packet_type(const struct plain_packet *p)
{
	static const uint8_t all[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	if (p->ingress && (p->pkt.flags & PKT_OTHER_HOST) != 0)
		return 3;
	if (!p->ingress || (p->pkt.flags & PKT_MULTICAST) == 0)
		return 0;
	return p->length >= 6 && memcmp(p->bytes, all, 6) == 0 ? 1 : 2;
}

static bool
know(const struct ematch_operand *o, const struct plain_packet *p, uint64_t *value)
{
	const struct pkt *pkt = &p->pkt;
	bool own = (pkt->flags & (PKT_GENERATED | PKT_LOCAL)) != 0;

	switch (o->id) {
	case TCF_META_ID_VALUE:
		*value = o->value;
		return true;
	case TCF_META_ID_DEV:
		*value = p->ingress ? pkt->in_port : pkt->out_port;
		break;
	case TCF_META_ID_PRIORITY:
		*value = pkt->priority;
		break;
	case TCF_META_ID_PROTOCOL:
		*value = pkt->protocol;
		break;
	case TCF_META_ID_PKTTYPE:
		*value = packet_type(p);
		break;
	case TCF_META_ID_PKTLEN:
		*value = p->length - (p->ingress ? pkt->l3_off : 0);
		break;
	case TCF_META_ID_DATALEN:
		*value = 0;
		break;
	case TCF_META_ID_MACLEN:
		*value = own ? 0 : pkt->l3_off;
		break;
	case TCF_META_ID_NFMARK:
		*value = pkt->mark;
		break;
	case TCF_META_ID_TCINDEX:
		*value = pkt->tc_index;
		break;
	case TCF_META_ID_RTCLASSID:
		if (p->ingress)
			return false;
		*value = pkt->realm;
		break;
	case TCF_META_ID_RTIIF:
		*value = pkt->in_port;
		break;
	case TCF_META_ID_VLAN_TAG:
		if (pkt->vlan_tci == 0)
			return false;
		*value = pkt->vlan_tci;
		break;
	}
	*value >>= o->shift;
	if (o->mask != 0)
		*value &= o->mask;
	return true;
}

static bool
is_meta(const struct ematch *m, const struct plain_packet *p)
{
	uint64_t left, right;

	return know(&m->meta.left, p, &left) && know(&m->meta.right, p, &right) &&
	       compare(left, right, m->meta.comparison);
}

/* From the i-th term on: `a and b or c` is `a and (b or c)`. */
static bool
is_true(const struct random_ematches *m, unsigned int sequence, unsigned int i, const struct plain_packet *p)
{
	const struct plain_term *t = &m->sequences[sequence].terms[i];
	bool here;

	if (t->inside != 0)
		here = is_true(m, t->inside, 0, p);
	else if (t->match.kind == TCF_EM_CMP)
		here = is_cmp(&t->match, p);
	else if (t->match.kind == TCF_EM_NBYTE)
		here = is_nbyte(t, p);
	else if (t->match.kind == TCF_EM_U32)
		here = is_u32(&t->match, p);
	else
		here = is_meta(&t->match, p);
	if (t->invert)
		here = !here;
	if (t->join == AND)
		return here && is_true(m, sequence, i + 1, p);
	if (t->join == OR)
		return here || is_true(m, sequence, i + 1, p);
	return here;
}

bool
plain_ematches(const struct random_ematches *m, const struct plain_packet *p)
{
	return m->n == 0 || is_true(m, 0, 0, p);
}

/* ---- drawing ------------------------------------------------------------------------------------ */

static void
draw_cmp(struct ematch *m, const struct plain_packet *like)
{
	static const uint16_t places[][2] = { { TCF_LAYER_NETWORK, 9 }, { TCF_LAYER_NETWORK, 1 },
		{ TCF_LAYER_NETWORK, 2 }, { TCF_LAYER_NETWORK, 12 }, { TCF_LAYER_NETWORK, 16 },
		{ TCF_LAYER_NETWORK, 6 }, { TCF_LAYER_TRANSPORT, 0 }, { TCF_LAYER_TRANSPORT, 2 },
		{ TCF_LAYER_TRANSPORT, 12 }, { TCF_LAYER_LINK, 12 }, { TCF_LAYER_LINK, 4 } };
	static const uint32_t masks[] = { 0, 0, 0, 0xff, 0xfff0, 0xffffff00, 1 };
	static const uint8_t sizes[] = { 1, 2, 2, 4 };
	const uint16_t *place = places[below(11)];
	uint32_t byte;

	m->kind = TCF_EM_CMP;
	m->cmp.layer = (uint8_t)place[0];
	m->cmp.offset = one_in(12) ? (uint16_t)below(200) : place[1];
	m->cmp.bytes = sizes[below(4)];
	m->cmp.flags = one_in(5) ? TCF_EM_CMP_TRANS : 0;
	m->cmp.mask = masks[below(7)];
	m->cmp.comparison = one_in(2) ? TCF_EM_OPND_EQ : (uint8_t)below(3);
	for (int i = 0; i < m->cmp.bytes; i++) {
		bool last_first = (m->cmp.flags & TCF_EM_CMP_TRANS) != 0;

		plain_read(like, layer_at(m->cmp.layer, like) + m->cmp.offset + (last_first ? m->cmp.bytes - 1 - i : i),
			1, &byte);
		m->cmp.value = m->cmp.value << 8 | byte;
	}
	if (m->cmp.mask != 0)
		m->cmp.value &= m->cmp.mask;
	if (one_in(20))
		m->cmp.value = any_word();
}

static void
draw_nbyte(struct plain_term *t, const struct plain_packet *like)
{
	struct ematch *m = &t->match;
	uint32_t byte;

	m->kind = TCF_EM_NBYTE;
	m->nbyte.layer = (uint8_t)below(3);
	m->nbyte.offset = (uint16_t)(one_in(2) ? below(4) * 4 : below(40));
	m->nbyte.n = (uint16_t)(one_in(6) ? below(NEEDLE_MAX) : below(5));
	m->nbyte.bytes = t->needle;
	for (unsigned int i = 0; i < m->nbyte.n; i++) {
		plain_read(like, layer_at(m->nbyte.layer, like) + m->nbyte.offset + i, 1, &byte);
		t->needle[i] = (uint8_t)byte;
	}
	if (one_in(4) && m->nbyte.n != 0)
		t->needle[one_in(2) ? m->nbyte.n - 1u : below(m->nbyte.n)] ^= 1;
}

static void
draw_u32(struct ematch *m, const struct plain_packet *like)
{
	static const uint32_t masks[] = { UINT32_MAX, 0xff0000, 0xffff, 0xffffff00, 0 };
	uint32_t word, mask = masks[below(5)];

	m->kind = TCF_EM_U32;
	m->u32.offset = one_in(12) ? (int32_t)below(120) - 20 : (int32_t)below(8) * 4;
	m->u32.offset_mask = one_in(4) ? -1 : 0;
	plain_read(like, like->pkt.l3_off + m->u32.offset, 4, &word);
	m->u32.mask = htonl(mask);
	m->u32.value = htonl(one_in(8) ? word : word & mask);
}

static struct ematch_operand
draw_operand(void)
{
	static const uint16_t ids[] = { TCF_META_ID_DEV, TCF_META_ID_PRIORITY, TCF_META_ID_PROTOCOL,
		TCF_META_ID_PKTTYPE, TCF_META_ID_PKTLEN, TCF_META_ID_DATALEN, TCF_META_ID_MACLEN, TCF_META_ID_NFMARK,
		TCF_META_ID_NFMARK, TCF_META_ID_TCINDEX, TCF_META_ID_RTCLASSID, TCF_META_ID_RTIIF,
		TCF_META_ID_VLAN_TAG };
	static const uint32_t masks[] = { 0, 0, 0, 1, 6, 0xff00, 0xffff0000 };

	return (struct ematch_operand){ .id = ids[below(13)],
		.shift = (uint8_t)(one_in(4) ? below(one_in(8) ? 64 : 6) : 0),
		.mask = masks[below(7)] };
}

static void
draw_meta(struct ematch *m, const struct plain_packet *like)
{
	uint64_t value = 0;

	m->kind = TCF_EM_META;
	m->meta.left = draw_operand();
	m->meta.comparison = (uint8_t)below(3);
	m->meta.right = one_in(5) ? draw_operand() : (struct ematch_operand){ .id = TCF_META_ID_VALUE };
	if (m->meta.right.id != TCF_META_ID_VALUE)
		return;
	know(&m->meta.left, like, &value);
	m->meta.right.value = (uint32_t)value + below(4); /* about what is beside packets, too */
}

static void
draw_term(struct random_ematches *m, struct plain_term *t, const struct plain_packet *like)
{
	*t = (struct plain_term){ .invert = one_in(5) };
	switch (below(10)) {
	case 0:
	case 1:
	case 2:
	case 3:
		draw_cmp(&t->match, like);
		break;
	case 4:
		draw_nbyte(t, like);
		break;
	case 5:
	case 6:
		draw_u32(&t->match, like);
		break;
	case 7:
		if (m->n_sequences < SEQUENCES_MAX) {
			t->inside = m->n_sequences++;
			break;
		}
		/* fall through */
	default:
		draw_meta(&t->match, like);
	}
}

/* One sequence behind another: a container says where its own starts. */
static void
lay_out(struct random_ematches *m)
{
	static const uint16_t joins[] = { [LAST] = TCF_EM_REL_END, [AND] = TCF_EM_REL_AND, [OR] = TCF_EM_REL_OR };
	uint32_t starts[SEQUENCES_MAX];

	for (unsigned int s = 0, at = 0; s < m->n_sequences; at += m->sequences[s++].n)
		starts[s] = at;
	m->n = 0;
	for (unsigned int s = 0; s < m->n_sequences; s++)
		for (unsigned int i = 0; i < m->sequences[s].n; i++) {
			const struct plain_term *t = &m->sequences[s].terms[i];
			struct ematch *to = &m->list[m->n++];

			*to = t->match;
			if (t->inside != 0) {
				to->kind = TCF_EM_CONTAINER;
				to->first = starts[t->inside];
			}
			to->flags = joins[t->join] | (t->invert ? TCF_EM_INVERT : 0);
		}
}

void
random_ematches_draw(struct random_ematches *m, const struct plain_packet *like, unsigned int terms)
{
	m->n_sequences = terms != 0;
	for (unsigned int s = 0; s < m->n_sequences; s++) {
		unsigned int n = one_in(3) ? 1 : 1 + below(RTE_MIN(terms, (unsigned int)TERMS_MAX));

		m->sequences[s].n = n;
		for (unsigned int i = 0; i < n; i++) {
			draw_term(m, &m->sequences[s].terms[i], like);
			m->sequences[s].terms[i].join = i + 1 == n ? LAST : one_in(2) ? AND : OR;
		}
	}
	lay_out(m);
}
