/* SPDX-License-Identifier: BSD-3-Clause */
/* Extended matches: what a list of them means, and the asking. */
#include <stdlib.h>

#include <linux/if_packet.h>

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>

#include <weir/random.h>

#include "ematch.h"
#include "read.h"

/* ---- asking ---- */

#define NOWHERE INT32_MIN /* before the packet, whatever the offset */

/* Behind IPv4's header in a fragment, too, that does not begin with the transport's: as on Linux. */
static int64_t
transport_start(struct rte_mbuf *m)
{
	const struct pkt *p = pkt_of(m);
	struct rte_ipv4_hdr ip;

	if (likely(p->l4_off != 0))
		return p->l4_off;
	if (p->protocol != rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4) || !packet_read(m, p->l3_off, &ip, sizeof(ip)) ||
		ip.version != 4 || ip.ihl < 5 || p->l3_off + rte_ipv4_hdr_len(&ip) > m->pkt_len)
		return NOWHERE;
	return p->l3_off + rte_ipv4_hdr_len(&ip);
}

static int64_t
layer_start(uint8_t layer, struct rte_mbuf *m)
{
	switch (layer) {
	case TCF_LAYER_LINK:
		return 0;
	case TCF_LAYER_NETWORK:
		return pkt_of(m)->l3_off;
	default:
		return transport_start(m);
	}
}

/* As packet(7) names them: what arrived by broadcast is not forwarded, so that it leaves as HOST. */
static uint32_t
packet_type(const struct classify_ctx *ctx, struct rte_mbuf *m)
{
	static const uint8_t all[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	uint16_t flags = ctx->ingress ? pkt_of(m)->flags : 0;
	uint8_t destination[6];

	if ((flags & PKT_OTHER_HOST) != 0)
		return PACKET_OTHERHOST;
	if ((flags & PKT_MULTICAST) == 0)
		return PACKET_HOST;
	return packet_read(m, 0, destination, 6) && memcmp(destination, all, 6) == 0 ? PACKET_BROADCAST
										     : PACKET_MULTICAST;
}

static bool
read_meta(const struct ematch_field *field, const struct classify_ctx *ctx, struct rte_mbuf *m,
	struct ematch_program *program, uint32_t *value)
{
	const struct pkt *p = pkt_of(m);
	uint32_t v = 0;

	switch (field->meta) {
	case TCF_META_ID_RANDOM:
		v = (uint32_t)(random_shift_shared(&program->random) >> 32);
		break;
	case TCF_META_ID_DEV:
		v = ctx->ingress ? p->in_port : p->out_port;
		break;
	case TCF_META_ID_PRIORITY:
		v = p->priority;
		break;
	case TCF_META_ID_PROTOCOL:
		v = p->protocol; /* in the order of the network, as Linux: IP is 8 */
		break;
	case TCF_META_ID_PKTTYPE:
		v = packet_type(ctx, m);
		break;
	case TCF_META_ID_PKTLEN:
		v = classify_bytes(ctx, m);
		break;
	case TCF_META_ID_MACLEN:
		v = (p->flags & (PKT_GENERATED | PKT_LOCAL)) != 0 ? 0 : p->l3_off;
		break;
	case TCF_META_ID_NFMARK:
		v = p->mark;
		break;
	case TCF_META_ID_TCINDEX:
		v = p->tc_index;
		break;
	case TCF_META_ID_RTCLASSID:
		if (ctx->ingress)
			return false; /* not routed yet */
		v = p->realm;
		break;
	case TCF_META_ID_RTIIF:
		v = p->in_port;
		break;
	case TCF_META_ID_VLAN_TAG:
		if (p->vlan_tci == 0)
			return false;
		v = p->vlan_tci;
		break;
	}
	*value = (uint32_t)((uint64_t)v >> field->shift) & field->mask;
	return true;
}

bool
ematch_read(const struct ematch_field *field, const struct classify_ctx *ctx, struct rte_mbuf *m,
	struct ematch_program *program, uint32_t *value)
{
	int64_t at = layer_start(field->layer, m) + field->offset;
	union {
		uint8_t byte;
		rte_be16_t half;
		rte_be32_t word;
	} raw;

	switch (field->bytes) {
	case 1:
		if (!packet_read(m, at, &raw.byte, 1))
			return false;
		*value = raw.byte & field->mask;
		return true;
	case 2:
		if (!packet_read(m, at, &raw.half, 2))
			return false;
		*value =
			(uint32_t)(field->swap ? rte_le_to_cpu_16(raw.half) : rte_be_to_cpu_16(raw.half)) & field->mask;
		return true;
	case 4:
		if (!packet_read(m, at, &raw.word, 4))
			return false;
		*value = (field->swap ? rte_le_to_cpu_32(raw.word) : rte_be_to_cpu_32(raw.word)) & field->mask;
		return true;
	default:
		return read_meta(field, ctx, m, program, value);
	}
}

static bool
bytes_equal(const struct ematch_step *step, struct rte_mbuf *m)
{
	int64_t at = layer_start(step->field.layer, m) + step->field.offset;
	uint8_t some[64];

	for (uint32_t done = 0; done < step->n; done += sizeof(some)) {
		uint32_t n = RTE_MIN(step->n - done, (uint32_t)sizeof(some));

		if (!packet_read(m, at + done, some, n) || memcmp(some, step->bytes + done, n) != 0)
			return false;
	}
	return true;
}

static bool
test(const struct ematch_step *step, const struct classify_ctx *ctx, struct rte_mbuf *m, struct ematch_program *program)
{
	uint32_t left, right = step->value;

	if (step->test == EMATCH_BYTES)
		return bytes_equal(step, m);
	if (!ematch_read(&step->field, ctx, m, program, &left))
		return false;
	if (step->against_field && !ematch_read(&step->right, ctx, m, program, &right))
		return false;
	return step->test == EMATCH_EQUAL ? left == right : step->test == EMATCH_GREATER ? left > right : left < right;
}

bool
ematch_run(struct ematch_program *program, const struct classify_ctx *ctx, struct rte_mbuf *m)
{
	uint32_t at = program->n_steps != 0 ? 0 : EMATCH_YES;

	while (at < EMATCH_NO)
		at = program->steps[at].next[test(&program->steps[at], ctx, m, program)];
	return at == EMATCH_YES;
}

/* ---- compiling ---- */

static bool
is_last(const struct ematch *matches, unsigned int n, unsigned int i)
{
	return (matches[i].flags & TCF_EM_REL_MASK) == TCF_EM_REL_END || i + 1 == n;
}

static int
check_meta(const struct ematch_operand *operand, bool left, struct error *err)
{
	switch (operand->id) {
	case TCF_META_ID_VALUE:
		if (left)
			return error_set(err, EINVAL,
				"meta: a number stands on the left; what is known of the packet "
				"belongs there, as in 'meta(nf_mark eq 6)'");
		return 0;
	case TCF_META_ID_RANDOM:
	case TCF_META_ID_DEV:
	case TCF_META_ID_PRIORITY:
	case TCF_META_ID_PROTOCOL:
	case TCF_META_ID_PKTTYPE:
	case TCF_META_ID_PKTLEN:
	case TCF_META_ID_DATALEN:
	case TCF_META_ID_MACLEN:
	case TCF_META_ID_NFMARK:
	case TCF_META_ID_TCINDEX:
	case TCF_META_ID_RTCLASSID:
	case TCF_META_ID_RTIIF:
	case TCF_META_ID_VLAN_TAG:
		break;
	case TCF_META_ID_LOADAVG_0:
	case TCF_META_ID_LOADAVG_1:
	case TCF_META_ID_LOADAVG_2:
		return error_set(err, EOPNOTSUPP, "meta: a router's load average says nothing; loadavg is not there");
	case TCF_META_ID_RXHASH:
		return error_set(err, EOPNOTSUPP, "meta: rxhash is not there");
	default:
		return error_set(err, EOPNOTSUPP,
			"meta: identifier %u; what is known of sockets (sk_...) a router does not have", operand->id);
	}
	if (operand->shift > 63)
		return error_set(err, EINVAL, "meta: a shift of %u; at most 63", operand->shift);
	return 0;
}

static int
check_match(const struct ematch *match, unsigned int place, unsigned int n, struct error *err)
{
	int rc = 0;

	if (!TCF_EM_REL_VALID(match->flags))
		return error_set(err, EINVAL, "match %u: neither and nor or", place + 1);
	switch (match->kind) {
	case TCF_EM_CONTAINER:
		if (match->first >= n || match->first <= place)
			return error_set(err, EINVAL,
				"match %u: its parentheses start at %u; that must be behind it, and %u there are",
				place + 1, match->first + 1, n);
		break;
	case TCF_EM_CMP:
		if (match->cmp.layer > TCF_LAYER_MAX || match->cmp.comparison > TCF_EM_OPND_LT ||
			(match->cmp.bytes != 1 && match->cmp.bytes != 2 && match->cmp.bytes != 4))
			return error_set(err, EINVAL,
				"cmp: layer %u, %u bytes, comparison %u; 0 to 2, 1 or 2 or 4, and 0 to 2 there are",
				match->cmp.layer, match->cmp.bytes, match->cmp.comparison);
		break;
	case TCF_EM_NBYTE:
		if (match->nbyte.layer > TCF_LAYER_MAX)
			return error_set(err, EINVAL, "nbyte: layer %u; 0, 1 and 2 there are", match->nbyte.layer);
		break;
	case TCF_EM_META:
		if (match->meta.comparison > TCF_EM_OPND_LT)
			return error_set(
				err, EINVAL, "meta: comparison %u; eq, gt and lt there are", match->meta.comparison);
		rc = check_meta(&match->meta.left, true, err);
		if (rc == 0)
			rc = check_meta(&match->meta.right, false, err);
		break;
	}
	return rc;
}

/* Tests in the sequence that starts at `first`, parentheses unfolded; more than `limit`: limit + 1. */
static unsigned int
count_steps(const struct ematch *matches, unsigned int n, unsigned int first, unsigned int limit)
{
	unsigned int count = 0;

	for (unsigned int i = first; count <= limit; i++) {
		count += matches[i].kind == TCF_EM_CONTAINER ? count_steps(matches, n, matches[i].first, limit - count)
							     : 1;
		if (is_last(matches, n, i))
			break;
	}
	return RTE_MIN(count, limit + 1);
}

static struct ematch_field
meta_field(const struct ematch_operand *operand)
{
	return (struct ematch_field){
		.meta = operand->id, .shift = operand->shift, .mask = operand->mask != 0 ? operand->mask : UINT32_MAX
	};
}

static enum ematch_test
test_of(uint8_t comparison)
{
	return comparison == TCF_EM_OPND_EQ   ? EMATCH_EQUAL
	       : comparison == TCF_EM_OPND_GT ? EMATCH_GREATER
					      : EMATCH_LESS;
}

static struct ematch_step
step_of(const struct ematch *match)
{
	struct ematch_step step;

	memset(&step, 0, sizeof(step));
	switch (match->kind) {
	case TCF_EM_CMP:
		step.field = (struct ematch_field){ .bytes = match->cmp.bytes,
			.layer = match->cmp.layer,
			.swap = (match->cmp.flags & TCF_EM_CMP_TRANS) != 0,
			.offset = match->cmp.offset,
			.mask = match->cmp.mask != 0 ? match->cmp.mask : UINT32_MAX };
		step.test = test_of(match->cmp.comparison);
		step.value = match->cmp.value;
		break;
	case TCF_EM_NBYTE:
		step.field = (struct ematch_field){ .layer = match->nbyte.layer, .offset = match->nbyte.offset };
		step.test = EMATCH_BYTES;
		step.n = match->nbyte.n;
		step.bytes = match->nbyte.bytes;
		break;
	case TCF_EM_U32:
		step.field = (struct ematch_field){ .bytes = 4,
			.layer = TCF_LAYER_NETWORK,
			.offset = match->u32.offset,
			.mask = rte_be_to_cpu_32(match->u32.mask) };
		step.value = rte_be_to_cpu_32(match->u32.value & match->u32.mask);
		break;
	default:
		step.field = meta_field(&match->meta.left);
		step.test = test_of(match->meta.comparison);
		step.against_field = match->meta.right.id != TCF_META_ID_VALUE;
		if (step.against_field)
			step.right = meta_field(&match->meta.right);
		else
			step.value = match->meta.right.value;
	}
	return step;
}

/* The sequence from `first` on is laid down from `at` on; what is true goes on at `yes`, what is false at `no`. */
static uint32_t
lay(struct ematch_program *p, unsigned int first, uint32_t at, uint16_t no, uint16_t yes)
{
	const struct ematch *matches = p->matches;

	for (unsigned int i = first;; i++) {
		bool last = is_last(matches, p->n_matches, i);
		bool inside = matches[i].kind == TCF_EM_CONTAINER;
		uint32_t size = inside ? count_steps(matches, p->n_matches, matches[i].first, EMATCHES_MAX) : 1;
		bool and = (matches[i].flags & TCF_EM_REL_AND) != 0;
		uint16_t behind = (uint16_t)(at + size);
		uint16_t next[2] = { last || and? no : behind, last || !and? yes : behind };
		bool invert = (matches[i].flags & TCF_EM_INVERT) != 0;

		if (inside) {
			lay(p, matches[i].first, at, next[invert], next[!invert]);
		} else {
			p->steps[at] = step_of(&matches[i]);
			p->steps[at].next[0] = next[invert];
			p->steps[at].next[1] = next[!invert];
		}
		at += size;
		if (last)
			return at;
	}
}

static bool
is_exact(const struct ematch_step *step)
{
	return step->test == EMATCH_EQUAL && !step->against_field && step->field.meta != TCF_META_ID_RANDOM;
}

/* From the first step on, as long as there is one way only that does not end at no. */
static void
find_fields(struct ematch_program *p)
{
	for (uint32_t at = 0; at < p->n_steps && p->n_fields < EMATCH_FIELDS_MAX;) {
		const struct ematch_step *step = &p->steps[at];

		if (step->next[0] != EMATCH_NO && step->next[1] != EMATCH_NO)
			break;
		if (step->next[0] == EMATCH_NO && is_exact(step)) {
			p->fields[p->n_fields] = step->field;
			p->values[p->n_fields++] = step->value;
		}
		at = step->next[step->next[0] == EMATCH_NO];
	}
}

static bool
draws(const struct ematch_step *step)
{
	return step->test != EMATCH_BYTES && (step->field.meta == TCF_META_ID_RANDOM ||
						     (step->against_field && step->right.meta == TCF_META_ID_RANDOM));
}

/* A copy, and the bytes of nbyte behind it. */
static struct ematch *
copy_matches(const struct ematch *matches, unsigned int n)
{
	size_t bytes = n * sizeof(*matches);
	struct ematch *copy;
	uint8_t *needles;

	for (unsigned int i = 0; i < n; i++)
		bytes += matches[i].kind == TCF_EM_NBYTE ? matches[i].nbyte.n : 0;
	copy = malloc(bytes + 1);
	if (copy == NULL)
		return NULL;
	needles = (uint8_t *)(copy + n);
	for (unsigned int i = 0; i < n; i++) {
		copy[i] = matches[i];
		if (matches[i].kind != TCF_EM_NBYTE)
			continue;
		copy[i].nbyte.bytes = memcpy(needles, matches[i].nbyte.bytes, matches[i].nbyte.n);
		needles += matches[i].nbyte.n;
	}
	return copy;
}

int
ematch_compile(const struct ematch *matches, unsigned int n, struct ematch_program **program, struct error *err)
{
	unsigned int steps;
	int rc;

	if (n > EMATCHES_MAX)
		return error_set(err, EINVAL, "%u matches in one filter, at most %d are possible", n, EMATCHES_MAX);
	for (unsigned int i = 0; i < n; i++)
		if ((rc = check_match(&matches[i], i, n, err)) != 0)
			return rc;
	steps = n != 0 ? count_steps(matches, n, 0, EMATCHES_MAX) : 0;
	if (steps > EMATCHES_MAX)
		return error_set(err, EINVAL, "more than %u matches, parentheses unfolded", EMATCHES_MAX);
	struct ematch_program *p = calloc(1, sizeof(*p) + steps * sizeof(p->steps[0]));

	if (p == NULL)
		return error_code(err, ENOMEM);
	p->matches = copy_matches(matches, n);
	if (p->matches == NULL) {
		free(p);
		return error_code(err, ENOMEM);
	}
	p->n_matches = n;
	p->n_steps = steps;
	p->random = classify_random();
	p->pure = true;
	if (n != 0)
		lay(p, 0, 0, EMATCH_NO, EMATCH_YES);
	find_fields(p);
	for (unsigned int i = 0; i < steps; i++)
		p->pure &= !draws(&p->steps[i]);
	*program = p;
	return 0;
}

void
ematch_free(void *program)
{
	struct ematch_program *p = program;

	free(p->matches);
	free(p);
}
