/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Extended matches: a nest of TCA_EMATCH_TREE_HDR, how many there are, and TCA_EMATCH_TREE_LIST, one attribute for
 * each. A match is struct tcf_ematch_hdr and behind it a struct of its kind; linux/pkt_cls.h and linux/tc_ematch/ have
 * them.
 */
#include "tc/ematch.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#include <linux/tc_ematch/tc_em_nbyte.h>

static const char *const meta_words[] = {
	[TCF_META_ID_RANDOM] = "random",
	[TCF_META_ID_DEV] = "dev",
	[TCF_META_ID_PRIORITY] = "priority",
	[TCF_META_ID_PROTOCOL] = "protocol",
	[TCF_META_ID_PKTTYPE] = "pkt_type",
	[TCF_META_ID_PKTLEN] = "pkt_len",
	[TCF_META_ID_DATALEN] = "data_len",
	[TCF_META_ID_MACLEN] = "mac_len",
	[TCF_META_ID_NFMARK] = "nf_mark",
	[TCF_META_ID_TCINDEX] = "tc_index",
	[TCF_META_ID_RTCLASSID] = "rt_classid",
	[TCF_META_ID_RTIIF] = "rt_iif",
	[TCF_META_ID_VLAN_TAG] = "vlan",
};

/* ---- reading ---- */

/* What stands behind a match's head. */
struct payload {
	const uint8_t *bytes;
	uint32_t n;
};

static int
take(const struct payload *payload, void *to, uint32_t n, const char *what, struct error *err)
{
	if (payload->n < n)
		return error_set(err, EINVAL, "%s: %u bytes, %u are its least", what, payload->n, n);
	memcpy(to, payload->bytes, n);
	return 0;
}

static int
parse_cmp(const struct payload *payload, struct ematch *match, struct error *err)
{
	struct tcf_em_cmp cmp = { 0 };
	int rc = take(payload, &cmp, sizeof(cmp), "cmp", err);

	match->cmp.value = cmp.val;
	match->cmp.mask = cmp.mask;
	match->cmp.offset = cmp.off;
	match->cmp.layer = cmp.layer;
	match->cmp.bytes = cmp.align;
	match->cmp.flags = cmp.flags;
	match->cmp.comparison = cmp.opnd;
	return rc;
}

static int
parse_nbyte(const struct payload *payload, struct ematch *match, struct error *err)
{
	struct tcf_em_nbyte nbyte = { 0 };
	int rc = take(payload, &nbyte, sizeof(nbyte), "nbyte", err);

	if (rc != 0)
		return rc;
	if (payload->n < sizeof(nbyte) + nbyte.len)
		return error_set(err, EINVAL, "nbyte: %u bytes are announced, %zu there are", nbyte.len,
			payload->n - sizeof(nbyte));
	match->nbyte.bytes = payload->bytes + sizeof(nbyte);
	match->nbyte.n = nbyte.len;
	match->nbyte.offset = nbyte.off;
	match->nbyte.layer = nbyte.layer;
	return 0;
}

static int
parse_u32(const struct payload *payload, struct ematch *match, struct error *err)
{
	struct tc_u32_key key = { 0 };
	int rc = take(payload, &key, sizeof(key), "u32", err);

	match->u32 = (struct u32_key){ key.val, key.mask, key.off, key.offmask };
	return rc;
}

/* A number: 4 bytes or 8. */
static int
parse_meta_value(const struct nlattr *attr, struct ematch_operand *operand, struct error *err)
{
	uint64_t wide = 0;

	if (attr == NULL)
		return error_set(err, EINVAL, "meta: the number to compare with is missing");
	if (mnl_attr_get_payload_len(attr) != 8)
		return nl_get_u32(attr, 0, &operand->value, "number of meta", err);
	memcpy(&wide, mnl_attr_get_payload(attr), sizeof(wide));
	if (wide > UINT32_MAX)
		return error_set(err, EINVAL, "meta: a number of more than 32 bits");
	operand->value = (uint32_t)wide;
	return 0;
}

static int
parse_operand(
	const struct tcf_meta_val *value, const struct nlattr *attr, struct ematch_operand *operand, struct error *err)
{
	operand->id = TCF_META_ID(value->kind);
	operand->shift = value->shift;
	if (TCF_META_TYPE(value->kind) != TCF_META_TYPE_INT)
		return error_set(err, EINVAL,
			"meta: only numbers are compared; of a device it is the index, as in 'meta(dev eq 3)'");
	if (operand->id == TCF_META_ID_VALUE)
		return parse_meta_value(attr, operand, err);
	return nl_get_u32(attr, 0, &operand->mask, "mask of meta", err);
}

static int
parse_meta(const struct payload *payload, struct ematch *match, struct error *err)
{
	const struct nlattr *tb[TCA_EM_META_MAX + 1];
	struct tcf_meta_hdr head;
	int rc = nl_get_attrs(payload->bytes, payload->n, tb, TCA_EM_META_MAX, err);

	if (rc != 0)
		return rc;
	if (tb[TCA_EM_META_HDR] == NULL || mnl_attr_get_payload_len(tb[TCA_EM_META_HDR]) < sizeof(head))
		return error_set(err, EINVAL, "meta: what is to be compared is missing");
	memcpy(&head, mnl_attr_get_payload(tb[TCA_EM_META_HDR]), sizeof(head));
	match->meta.comparison = head.left.op;
	rc = parse_operand(&head.left, tb[TCA_EM_META_LVALUE], &match->meta.left, err);
	return rc != 0 ? rc : parse_operand(&head.right, tb[TCA_EM_META_RVALUE], &match->meta.right, err);
}

static int
parse_kind(const struct payload *payload, struct ematch *match, struct error *err)
{
	static const char *const others[] = { [TCF_EM_TEXT] = "text",
		[TCF_EM_VLAN] = "vlan",
		[TCF_EM_CANID] = "canid",
		[TCF_EM_IPSET] = "ipset",
		[TCF_EM_IPT] = "ipt" };

	if (match->kind != TCF_EM_CONTAINER && (match->flags & TCF_EM_SIMPLE) != 0)
		return error_code(err, EINVAL);
	switch (match->kind) {
	case TCF_EM_CONTAINER:
		return take(payload, &match->first, sizeof(match->first), "parentheses", err);
	case TCF_EM_CMP:
		return parse_cmp(payload, match, err);
	case TCF_EM_NBYTE:
		return parse_nbyte(payload, match, err);
	case TCF_EM_U32:
		return parse_u32(payload, match, err);
	case TCF_EM_META:
		return parse_meta(payload, match, err);
	}
	if (match->kind <= TCF_EM_MAX)
		return error_set(err, ENOENT, "there is no ematch '%s' here; cmp, u32, nbyte and meta there are",
			others[match->kind]);
	return error_set(err, ENOENT, "ematch %u is not known; cmp, u32, nbyte and meta there are", match->kind);
}

static int
parse_one(const struct nlattr *attr, struct ematch *match, struct error *err)
{
	uint32_t bytes = mnl_attr_get_payload_len(attr);
	const uint8_t *start = mnl_attr_get_payload(attr);
	struct tcf_ematch_hdr head;
	struct payload payload;

	if (bytes < sizeof(head))
		return error_set(err, EINVAL, "a match of %u bytes, %zu are its least", bytes, sizeof(head));
	memcpy(&head, start, sizeof(head));
	payload = (struct payload){ start + sizeof(head), bytes - sizeof(head) };
	memset(match, 0, sizeof(*match));
	match->kind = head.kind;
	match->id = head.matchid;
	match->flags = head.flags;
	return parse_kind(&payload, match, err);
}

int
ematches_parse(const struct nlattr *attr, struct ematch matches[EMATCHES_MAX], unsigned int *n, struct error *err)
{
	const struct nlattr *tb[TCA_EMATCH_TREE_MAX + 1], *one = NULL;
	struct tcf_ematch_tree_hdr head;
	int rc = nl_get_nest(attr, tb, TCA_EMATCH_TREE_MAX, err);

	*n = 0;
	if (rc != 0 || attr == NULL)
		return rc;
	if (tb[TCA_EMATCH_TREE_HDR] == NULL || mnl_attr_get_payload_len(tb[TCA_EMATCH_TREE_HDR]) < sizeof(head) ||
		tb[TCA_EMATCH_TREE_LIST] == NULL)
		return error_set(err, EINVAL, "matches without their number, or without a list of them");
	memcpy(&head, mnl_attr_get_payload(tb[TCA_EMATCH_TREE_HDR]), sizeof(head));
	while ((one = nl_next_in(tb[TCA_EMATCH_TREE_LIST], one)) != NULL) {
		if (*n == EMATCHES_MAX)
			return error_set(
				err, EINVAL, "more than %u matches in one filter, parentheses counted", EMATCHES_MAX);
		if (mnl_attr_get_type(one) != *n + 1)
			return error_set(err, EINVAL, "match %u comes as number %u", *n + 1, mnl_attr_get_type(one));
		if ((rc = parse_one(one, &matches[*n], err)) != 0)
			return rc;
		++*n;
	}
	if (*n != head.nmatches)
		return error_set(err, EINVAL, "%u matches are announced, %u there are", head.nmatches, *n);
	return 0;
}

/* ---- writing ---- */

#define MATCH_BYTES 4200 /* of the longest: nbyte, whose length has 12 bits */

static size_t
add(uint8_t *to, size_t at, const void *bytes, size_t n)
{
	memcpy(to + at, bytes, n);
	return at + n;
}

static size_t
add_attr(uint8_t *to, size_t at, uint16_t type, const void *bytes, uint16_t n)
{
	struct nlattr attr = { .nla_len = (uint16_t)(sizeof(attr) + n), .nla_type = type };

	at = add(to, at, &attr, sizeof(attr));
	return add(to, at, bytes, n); /* all that is put here is a multiple of 4 long */
}

static uint16_t
kind_of(const struct ematch_operand *operand)
{
	return (uint16_t)(TCF_META_TYPE_INT << 12 | operand->id);
}

static size_t
add_operand(uint8_t *to, size_t at, uint16_t type, const struct ematch_operand *operand)
{
	return add_attr(to, at, type, operand->id == TCF_META_ID_VALUE ? &operand->value : &operand->mask, 4);
}

static size_t
add_meta(uint8_t *to, size_t at, const struct ematch *match)
{
	const struct ematch_operand *left = &match->meta.left, *right = &match->meta.right;
	struct tcf_meta_hdr head = { .left = { kind_of(left), left->shift, match->meta.comparison },
		.right = { kind_of(right), right->shift, 0 } };

	at = add_attr(to, at, TCA_EM_META_HDR, &head, sizeof(head));
	at = add_operand(to, at, TCA_EM_META_LVALUE, left);
	return add_operand(to, at, TCA_EM_META_RVALUE, right);
}

static size_t
add_payload(uint8_t *to, size_t at, const struct ematch *match)
{
	struct tcf_em_cmp cmp = { match->cmp.value, match->cmp.mask, match->cmp.offset, match->cmp.bytes & 15,
		match->cmp.flags & 15, match->cmp.layer & 15, match->cmp.comparison & 15 };
	struct tcf_em_nbyte nbyte = { match->nbyte.offset, match->nbyte.n & 0xfff, match->nbyte.layer & 15 };
	struct tc_u32_key key = { match->u32.mask, match->u32.value, match->u32.offset, match->u32.offset_mask };

	switch (match->kind) {
	case TCF_EM_CONTAINER:
		return add(to, at, &match->first, sizeof(match->first));
	case TCF_EM_CMP:
		return add(to, at, &cmp, sizeof(cmp));
	case TCF_EM_NBYTE:
		at = add(to, at, &nbyte, sizeof(nbyte));
		return add(to, at, match->nbyte.bytes, match->nbyte.n);
	case TCF_EM_U32:
		return add(to, at, &key, sizeof(key));
	default:
		return add_meta(to, at, match);
	}
}

void
ematches_put(struct nl_msgs *msgs, uint16_t attr, const struct ematch *matches, unsigned int n)
{
	struct tcf_ematch_tree_hdr head = { .nmatches = (uint16_t)n };
	uint8_t bytes[MATCH_BYTES];
	size_t nest, list;

	if (n == 0)
		return;
	nest = nl_nest_start(msgs, attr);
	nl_put(msgs, TCA_EMATCH_TREE_HDR, &head, sizeof(head));
	list = nl_nest_start(msgs, TCA_EMATCH_TREE_LIST);
	for (unsigned int i = 0; i < n; i++) {
		struct tcf_ematch_hdr match = {
			.matchid = matches[i].id, .kind = matches[i].kind, .flags = matches[i].flags
		};
		size_t at = add(bytes, 0, &match, sizeof(match));

		nl_put(msgs, (uint16_t)(i + 1), bytes, add_payload(bytes, at, &matches[i]));
	}
	nl_nest_end(msgs, list);
	nl_nest_end(msgs, nest);
}

/* ---- words ---- */

static const char *
comparison_word(uint8_t comparison)
{
	return comparison == TCF_EM_OPND_EQ ? "eq" : comparison == TCF_EM_OPND_GT ? "gt" : "lt";
}

static void
save_operand(FILE *out, const struct ematch_operand *operand)
{
	if (operand->id == TCF_META_ID_VALUE) {
		fprintf(out, "%u", operand->value);
		return;
	}
	fputs(meta_words[operand->id], out);
	if (operand->shift != 0)
		fprintf(out, " shift %u", operand->shift);
	if (operand->mask != 0)
		fprintf(out, " mask 0x%x", operand->mask);
}

static void
save_match(FILE *out, const struct ematch *match)
{
	switch (match->kind) {
	case TCF_EM_CMP:
		fprintf(out, "cmp(u%u at %u layer %u", 8 * match->cmp.bytes, match->cmp.offset, match->cmp.layer);
		if (match->cmp.mask != 0)
			fprintf(out, " mask 0x%x", match->cmp.mask);
		fprintf(out, "%s %s %u)", (match->cmp.flags & TCF_EM_CMP_TRANS) != 0 ? " trans" : "",
			comparison_word(match->cmp.comparison), match->cmp.value);
		break;
	case TCF_EM_NBYTE:
		fputs("nbyte(\"", out);
		for (unsigned int i = 0; i < match->nbyte.n; i++)
			fprintf(out, isalnum(match->nbyte.bytes[i]) ? "%c" : "\\x%02x", match->nbyte.bytes[i]);
		fprintf(out, "\" at %u layer %u)", match->nbyte.offset, match->nbyte.layer);
		break;
	case TCF_EM_U32:
		fprintf(out, "u32(u32 0x%08x 0x%08x at %s%d)", ntohl(match->u32.value), ntohl(match->u32.mask),
			match->u32.offset_mask != 0 ? "nexthdr+" : "", match->u32.offset);
		break;
	default:
		fputs("meta(", out);
		save_operand(out, &match->meta.left);
		fprintf(out, " %s ", comparison_word(match->meta.comparison));
		save_operand(out, &match->meta.right);
		fputc(')', out);
	}
}

static void
save_sequence(FILE *out, const struct ematch *matches, unsigned int n, unsigned int first)
{
	for (unsigned int i = first; i < n; i++) {
		if ((matches[i].flags & TCF_EM_INVERT) != 0)
			fputs("not ", out);
		if (matches[i].kind == TCF_EM_CONTAINER) {
			fputc('(', out);
			save_sequence(out, matches, n, matches[i].first);
			fputc(')', out);
		} else {
			save_match(out, &matches[i]);
		}
		if ((matches[i].flags & TCF_EM_REL_MASK) == TCF_EM_REL_END)
			return;
		if (i + 1 < n)
			fputs((matches[i].flags & TCF_EM_REL_AND) != 0 ? " and " : " or ", out);
	}
}

void
ematches_save(FILE *out, const struct ematch *matches, unsigned int n)
{
	if (n == 0)
		return;
	fputs(" match '", out);
	save_sequence(out, matches, n, 0);
	fputc('\'', out);
}
