/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pedit: writes into packets, 32 bits at a time; tc-pedit(8).
 *
 * A key names a place (from a header's start on, or as far behind it as a byte of the packet says), the bits there that
 * stay (mask) and what is written or added to the others. Nothing is written outside the packet: a key that would is an
 * overlimit, and those behind it are left out.
 */
#include <stdlib.h>

#include <weir/action/pedit.h>

#include "edit.h"

/* What is switched together: replaced as a whole. */
struct rules {
	struct pedit_conf conf;
	struct tc_pedit_key keys[];
};

struct pedit {
	struct rules *rules; /* published */
};

static int
pedit_init(struct action *action, const void *conf, struct error *err)
{
	struct pedit *priv = action_priv(action);
	const struct pedit_conf *c = conf;
	struct rules *rules, *old = priv->rules;
	int rc = action_check_verdict(action, c->action, err);

	if (rc != 0)
		return rc;
	if (c->n_keys == 0)
		return error_set(err, EINVAL, "act_pedit: Pedit requires keys to be passed");
	rules = malloc(sizeof(*rules) + c->n_keys * sizeof(rules->keys[0]));
	if (rules == NULL)
		return error_code(err, ENOMEM);
	rules->conf = *c;
	memcpy(rules->keys, c->keys, c->n_keys * sizeof(rules->keys[0]));
	rules->conf.keys = rules->keys;
	store_release(&priv->rules, rules);
	if (old != NULL)
		rcu_defer(action_rcu(action), free, old);
	return 0;
}

static void
pedit_destroy(struct action *action)
{
	free(((struct pedit *)action_priv(action))->rules);
}

/* Where the header starts; false: the packet has none. */
static bool
find_header(const struct pkt *p, enum pedit_header_type type, int64_t *start)
{
	switch (type) {
	case TCA_PEDIT_KEY_EX_HDR_TYPE_ETH:
		*start = 0;
		return p->l3_off != 0;
	case TCA_PEDIT_KEY_EX_HDR_TYPE_TCP:
	case TCA_PEDIT_KEY_EX_HDR_TYPE_UDP:
		*start = p->l4_off;
		return p->l4_off != 0;
	default:
		*start = p->l3_off;
		return true;
	}
}

/* Where the key's 32 bits lie; false: not in the packet, or at an offset that is no multiple of four. */
static bool
find_place(struct rte_mbuf *m, const struct tc_pedit_key *key, enum pedit_header_type type, int64_t *place)
{
	int64_t start, off = (int32_t)key->off;
	uint8_t shifts;

	if (!find_header(pkt_of(m), type, &start))
		return false;
	if (key->offmask != 0) {
		int64_t at = start + (int32_t)key->at;

		if (at < 0 || at >= m->pkt_len || !packet_read(m, (uint32_t)at, &shifts, 1))
			return false;
		off += key->shift < 32 ? (shifts & key->offmask) >> key->shift : 0;
	}
	*place = start + off;
	return (off & 3) == 0 && *place + 4 <= (int64_t)m->pkt_len;
}

static uint32_t
change_word(uint32_t word, const struct tc_pedit_key *key, enum pedit_cmd command)
{
	uint32_t value = key->val;

	/* In the order of the network, so that a sum carries from byte to byte as it should. */
	if (command == TCA_PEDIT_KEY_EX_CMD_ADD)
		value = rte_cpu_to_be_32(rte_be_to_cpu_32(word) + rte_be_to_cpu_32(value)) & ~key->mask;
	return (word & key->mask) ^ value;
}

static bool
apply(struct rte_mbuf *m, const struct tc_pedit_key *key, uint8_t kind)
{
	uint8_t before[4] = { 0 }, after[4], masks[4];
	uint32_t word, first;
	int64_t place;

	if (!find_place(m, key, pedit_header(kind), &place))
		return false;
	/* Bytes before the frame are none: a key may reach there if it lets them be. */
	first = place < 0 ? (uint32_t)RTE_MIN(-place, INT64_C(4)) : 0;
	memcpy(masks, &key->mask, sizeof(masks));
	for (uint32_t i = 0; i < first; i++)
		if (masks[i] != 0xff)
			return false;
	if (first == sizeof(before))
		return false;
	if (!packet_read(m, (uint32_t)(place + first), before + first, 4 - first))
		return false;
	memcpy(&word, before, sizeof(word));
	word = change_word(word, key, pedit_command(kind));
	memcpy(after, &word, sizeof(after));
	edit_write(m, (uint32_t)(place + first), after + first, 4 - first);
	return true;
}

static int32_t
pedit_act(struct action *action, const struct classify_ctx *ctx, struct rte_mbuf *m, struct verdict *result)
{
	const struct rules *rules = load_acquire(&((const struct pedit *)action_priv(action))->rules);

	for (unsigned int i = 0; i < rules->conf.n_keys; i++) {
		if (unlikely(!apply(m, &rules->keys[i], rules->conf.kinds[i]))) {
			counter_add(&action_stats_of(action, ctx->worker)->overlimits, 1);
			break;
		}
	}
	return rules->conf.action;
}

/* It has to meet each packet once. */
static bool
pedit_pure(const struct action *action)
{
	return false;
}

static void
pedit_get_conf(const struct action *action, void *conf)
{
	*(struct pedit_conf *)conf = ((const struct pedit *)action_priv(action))->rules->conf;
}

static const struct action_ops pedit_ops = {
	.kind = "pedit",
	.size = sizeof(struct pedit),
	.pure = pedit_pure,
	.init = pedit_init,
	.destroy = pedit_destroy,
	.act = pedit_act,
	.get_conf = pedit_get_conf,
	.conf_size = sizeof(struct pedit_conf),
};
ACTION_REGISTER(pedit_ops)
