/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * u32: a small language to reach and compare any four bytes of a packet; iptables-extensions(8). A test that would read
 * beyond the packet does not hold, whatever it compares with.
 */
#include "netfilter.h"

struct u32 {
	struct netfilter_u32_conf conf;
};

static int
u32_init(void *priv, const void *conf, const struct place *place, struct error *err)
{
	struct u32 *u32 = priv;

	u32->conf = *(const struct netfilter_u32_conf *)conf;
	if (u32->conf.n == 0 || u32->conf.n > NETFILTER_U32_MAX + 1)
		return error_set(err, EINVAL, "rule %u: u32 match: %u tests: give 1 to %d", place->rule, u32->conf.n,
			NETFILTER_U32_MAX + 1);
	for (unsigned int i = 0; i < u32->conf.n; i++) {
		const struct netfilter_u32_test *test = &u32->conf.tests[i];

		if (test->n_locations == 0 || test->n_locations > NETFILTER_U32_MAX + 1 || test->n_values == 0 ||
			test->n_values > NETFILTER_U32_MAX + 1)
			return error_set(err, EINVAL,
				"rule %u: u32 match: test %u has %u steps and %u ranges: give 1 to %d of each",
				place->rule, i + 1, test->n_locations, test->n_values, NETFILTER_U32_MAX + 1);
	}
	return 0;
}

/* The word at an offset from the IP header on, in host order. */
static bool
read_word(const struct packet *p, uint64_t at, uint32_t *word)
{
	rte_be32_t found;

	if (!packet_read(p->m, (int64_t)(pkt_of(p->m)->l3_off + at), &found, sizeof(found)))
		return false;
	*word = rte_be_to_cpu_32(found);
	return true;
}

static bool
reach(const struct packet *p, const struct netfilter_u32_test *test, uint32_t *word)
{
	uint64_t base = 0;

	if (!read_word(p, test->locations[0].number, word))
		return false;
	for (unsigned int i = 1; i < test->n_locations; i++) {
		uint32_t number = test->locations[i].number;

		switch (test->locations[i].op) {
		case NETFILTER_U32_AND:
			*word &= number;
			break;
		case NETFILTER_U32_LEFT:
			*word = number < 32 ? *word << number : 0;
			break;
		case NETFILTER_U32_RIGHT:
			*word = number < 32 ? *word >> number : 0;
			break;
		case NETFILTER_U32_AT:
			base += *word;
			if (!read_word(p, base + number, word))
				return false;
			break;
		}
	}
	return true;
}

static bool
holds(const struct packet *p, const struct netfilter_u32_test *test)
{
	uint32_t word;

	if (!reach(p, test, &word))
		return false;
	for (unsigned int i = 0; i < test->n_values; i++)
		if (word >= test->values[i].min && word <= test->values[i].max)
			return true;
	return false;
}

static bool
u32_match(void *priv, struct packet *p)
{
	const struct netfilter_u32_conf *c = &((const struct u32 *)priv)->conf;

	for (unsigned int i = 0; i < c->n; i++)
		if (!holds(p, &c->tests[i]))
			return c->invert;
	return !c->invert;
}

static const struct match_ops u32_ops = {
	.kind = "u32",
	.size = sizeof(struct u32),
	.init = u32_init,
	.match = u32_match,
};
MATCH_REGISTER(u32_ops)
