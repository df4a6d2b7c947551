/* SPDX-License-Identifier: BSD-3-Clause */
/* The options of pedit, TCA_PEDIT_*: keys, and in the extended form a header and a command for each. */
#include <arpa/inet.h>
#include <string.h>

#include <weir/action/pedit.h>

#include "tc/codec.h"
#include "tc/qdisc_codec.h"

/* struct tc_pedit_sel without its keys, and without what pads it at its end. */
#define SELECTOR_BYTES offsetof(struct tc_pedit_sel, keys)

/* Header and command of each key, in their order. */
static int
parse_kinds(const struct nlattr *nest, struct pedit_conf *conf, struct error *err)
{
	const uint8_t *end = (const uint8_t *)mnl_attr_get_payload(nest) + mnl_attr_get_payload_len(nest);
	const struct nlattr *attr = mnl_attr_get_payload(nest);
	unsigned int n = 0;

	for (; mnl_attr_ok(attr, (int)(end - (const uint8_t *)attr)); attr = mnl_attr_next(attr)) {
		const struct nlattr *tb[TCA_PEDIT_KEY_EX_MAX + 1];
		uint16_t header, command;
		int rc;

		if (mnl_attr_get_type(attr) != TCA_PEDIT_KEY_EX || n == conf->n_keys)
			return error_set(err, EINVAL, "pedit: %u keys, and more headers than these", conf->n_keys);
		if ((rc = nl_get_nest(attr, tb, TCA_PEDIT_KEY_EX_MAX, err)) != 0)
			return rc;
		if (tb[TCA_PEDIT_KEY_EX_HTYPE] == NULL || tb[TCA_PEDIT_KEY_EX_CMD] == NULL)
			return error_set(err, EINVAL, "pedit: key %u has no header or no command", n);
		if ((rc = nl_get_u16(tb[TCA_PEDIT_KEY_EX_HTYPE], 0, &header, "header of a key", err)) != 0 ||
			(rc = nl_get_u16(tb[TCA_PEDIT_KEY_EX_CMD], 0, &command, "command of a key", err)) != 0)
			return rc;
		if (header > TCA_PEDIT_HDR_TYPE_MAX || command > TCA_PEDIT_CMD_MAX)
			return error_set(err, EINVAL, "pedit: key %u: header %u, command %u; at most %d and %d", n,
				header, command, TCA_PEDIT_HDR_TYPE_MAX, TCA_PEDIT_CMD_MAX);
		conf->kinds[n++] = (uint8_t)(header | command << 4);
	}
	if (n != conf->n_keys)
		return error_set(err, EINVAL, "pedit: %u keys, and headers of %u", conf->n_keys, n);
	return 0;
}

/* The keys stay in the message, which is there until the conf has been taken over. */
static int
pedit_parse(const struct nlattr *options, void *to, uint32_t *index, bool *given, struct error *err)
{
	const struct nlattr *tb[TCA_PEDIT_MAX + 1], *selector;
	struct pedit_conf *conf = to;
	struct tc_pedit_sel parms;
	const uint8_t *payload;
	int rc = nl_get_nest(options, tb, TCA_PEDIT_MAX, err);

	if (rc != 0)
		return rc;
	selector = tb[TCA_PEDIT_PARMS] != NULL ? tb[TCA_PEDIT_PARMS] : tb[TCA_PEDIT_PARMS_EX];
	if (selector == NULL)
		return error_set(err, EINVAL,
			"act_pedit: Missing required TCA_PEDIT_PARMS or TCA_PEDIT_PARMS_EX pedit attribute");
	if ((rc = struct_parse(selector, &parms, SELECTOR_BYTES, "pedit", err)) != 0)
		return rc;
	payload = mnl_attr_get_payload(selector);
	if (parms.nkeys == 0)
		return error_set(err, EINVAL, "act_pedit: Pedit requires keys to be passed");
	if (parms.nkeys > PEDIT_KEYS_MAX)
		return error_set(err, EINVAL, "pedit: %u keys; at most %d", parms.nkeys, PEDIT_KEYS_MAX);
	if (mnl_attr_get_payload_len(selector) < SELECTOR_BYTES + parms.nkeys * sizeof(struct tc_pedit_key))
		return error_set(
			err, EINVAL, "Length of TCA_PEDIT_PARMS or TCA_PEDIT_PARMS_EX pedit attribute is invalid");
	conf->action = parms.action;
	conf->selector_flags = parms.flags;
	conf->n_keys = parms.nkeys;
	conf->keys = (const struct tc_pedit_key *)(const void *)(payload + SELECTOR_BYTES);
	conf->extended = tb[TCA_PEDIT_KEYS_EX] != NULL;
	*index = parms.index;
	*given = true;
	return conf->extended ? parse_kinds(tb[TCA_PEDIT_KEYS_EX], conf, err) : 0;
}

static void
put_kinds(struct nl_msgs *msgs, const struct pedit_conf *conf)
{
	size_t nest = nl_nest_start(msgs, TCA_PEDIT_KEYS_EX);

	for (unsigned int i = 0; i < conf->n_keys; i++) {
		size_t key = nl_nest_start(msgs, TCA_PEDIT_KEY_EX);
		uint16_t header = pedit_header(conf->kinds[i]), command = pedit_command(conf->kinds[i]);

		nl_put(msgs, TCA_PEDIT_KEY_EX_HTYPE, &header, sizeof(header));
		nl_put(msgs, TCA_PEDIT_KEY_EX_CMD, &command, sizeof(command));
		nl_nest_end(msgs, key);
	}
	nl_nest_end(msgs, nest);
}

static void
pedit_put(struct nl_msgs *msgs, const struct action *action)
{
	union {
		struct tc_pedit_sel sel;
		uint8_t bytes[SELECTOR_BYTES + PEDIT_KEYS_MAX * sizeof(struct tc_pedit_key)];
	} parms = { .bytes = { 0 } };
	struct action_head head;
	struct pedit_conf conf;
	size_t keys_bytes;

	action_ops_of(action)->get_conf(action, &conf);
	head = action_head_of(action, conf.action);
	parms.sel.index = head.index;
	parms.sel.action = head.action;
	parms.sel.refcnt = head.refcnt;
	parms.sel.bindcnt = head.bindcnt;
	parms.sel.nkeys = conf.n_keys;
	parms.sel.flags = conf.selector_flags;
	keys_bytes = conf.n_keys * sizeof(struct tc_pedit_key);
	memcpy(parms.bytes + SELECTOR_BYTES, conf.keys, keys_bytes);
	if (conf.extended)
		put_kinds(msgs, &conf);
	nl_put(msgs, conf.extended ? TCA_PEDIT_PARMS_EX : TCA_PEDIT_PARMS, &parms, SELECTOR_BYTES + keys_bytes);
}

/* ---- saving: in tc's words a key is a field of a header, and some fields are several keys ------------------------ */

/* What tc calls the bytes of a header. */
static const struct field {
	enum pedit_header_type header;
	const char *words;
	int32_t off;
	uint32_t bytes;
	enum { NUMBER, IPV4, IPV6, MAC } form;
} fields[] = {
	{ TCA_PEDIT_KEY_EX_HDR_TYPE_ETH, "eth dst", 0, 6, MAC },
	{ TCA_PEDIT_KEY_EX_HDR_TYPE_ETH, "eth src", 6, 6, MAC },
	{ TCA_PEDIT_KEY_EX_HDR_TYPE_ETH, "eth type", 12, 2, NUMBER },
	{ TCA_PEDIT_KEY_EX_HDR_TYPE_IP4, "ip ihl", 0, 1, NUMBER },
	{ TCA_PEDIT_KEY_EX_HDR_TYPE_IP4, "ip tos", 1, 1, NUMBER },
	{ TCA_PEDIT_KEY_EX_HDR_TYPE_IP4, "ip df", 6, 1, NUMBER },
	{ TCA_PEDIT_KEY_EX_HDR_TYPE_IP4, "ip ttl", 8, 1, NUMBER },
	{ TCA_PEDIT_KEY_EX_HDR_TYPE_IP4, "ip protocol", 9, 1, NUMBER },
	{ TCA_PEDIT_KEY_EX_HDR_TYPE_IP4, "ip src", 12, 4, IPV4 },
	{ TCA_PEDIT_KEY_EX_HDR_TYPE_IP4, "ip dst", 16, 4, IPV4 },
	{ TCA_PEDIT_KEY_EX_HDR_TYPE_IP6, "ip6 payload_len", 4, 2, NUMBER },
	{ TCA_PEDIT_KEY_EX_HDR_TYPE_IP6, "ip6 nexthdr", 6, 1, NUMBER },
	{ TCA_PEDIT_KEY_EX_HDR_TYPE_IP6, "ip6 hoplimit", 7, 1, NUMBER },
	{ TCA_PEDIT_KEY_EX_HDR_TYPE_IP6, "ip6 src", 8, 16, IPV6 },
	{ TCA_PEDIT_KEY_EX_HDR_TYPE_IP6, "ip6 dst", 24, 16, IPV6 },
	{ TCA_PEDIT_KEY_EX_HDR_TYPE_TCP, "tcp sport", 0, 2, NUMBER },
	{ TCA_PEDIT_KEY_EX_HDR_TYPE_TCP, "tcp dport", 2, 2, NUMBER },
	{ TCA_PEDIT_KEY_EX_HDR_TYPE_TCP, "tcp flags", 13, 1, NUMBER },
	{ TCA_PEDIT_KEY_EX_HDR_TYPE_UDP, "udp sport", 0, 2, NUMBER },
	{ TCA_PEDIT_KEY_EX_HDR_TYPE_UDP, "udp dport", 2, 2, NUMBER },
};

#define FIELD_BYTES_MAX 16

/*
 * The bytes of a field as the keys from the first one on write them, and how many keys these are; 0: they are others.
 */
static unsigned int
read_field(const struct field *field, const struct pedit_conf *conf, unsigned int first,
	uint8_t values[FIELD_BYTES_MAX], uint8_t masks[FIELD_BYTES_MAX])
{
	int32_t start = field->off & ~3, end = field->off + (int32_t)field->bytes;
	unsigned int n = (unsigned int)(end - start + 3) / 4;

	for (unsigned int i = 0; i < n; i++) {
		const struct tc_pedit_key *key = &conf->keys[first + i];
		uint8_t value[4], mask[4];

		if (first + i >= conf->n_keys || conf->kinds[first + i] != conf->kinds[first] ||
			pedit_header(conf->kinds[first]) != field->header || key->offmask != 0 ||
			(int32_t)key->off != start + 4 * (int32_t)i)
			return 0;
		memcpy(value, &key->val, sizeof(value));
		memcpy(mask, &key->mask, sizeof(mask));
		for (int32_t byte = 0; byte < 4; byte++) {
			int32_t at = start + 4 * (int32_t)i + byte - field->off;

			if (at >= 0 && at < (int32_t)field->bytes) {
				values[at] = value[byte];
				masks[at] = mask[byte];
			} else if (mask[byte] != 0xff || value[byte] != 0) {
				return 0;
			}
		}
	}
	return n;
}

static uint32_t
number(const uint8_t *bytes, uint32_t n)
{
	uint32_t value = 0;

	for (uint32_t i = 0; i < n; i++)
		value = value << 8 | bytes[i];
	return value;
}

/* An address is written whole, a number by the bits that do not stay. false: tc has no words for it. */
static bool
save_field(FILE *out, const struct field *field, enum pedit_cmd command, const uint8_t *values, const uint8_t *masks)
{
	const char *word = command == TCA_PEDIT_KEY_EX_CMD_ADD ? "add" : "set";
	char text[INET6_ADDRSTRLEN];

	if (field->form == NUMBER) {
		fprintf(out, " munge %s %s 0x%x retain 0x%x", field->words, word, number(values, field->bytes),
			~number(masks, field->bytes) & (uint32_t)((UINT64_C(1) << 8 * field->bytes) - 1));
		return true;
	}
	for (uint32_t i = 0; i < field->bytes; i++)
		if (masks[i] != 0)
			return false;
	if (command == TCA_PEDIT_KEY_EX_CMD_ADD)
		return false;
	if (field->form == MAC)
		snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", values[0], values[1], values[2],
			values[3], values[4], values[5]);
	else
		inet_ntop(field->form == IPV4 ? AF_INET : AF_INET6, values, text, sizeof(text));
	fprintf(out, " munge %s set %s", field->words, text);
	return true;
}

/* A word behind the network header; with what stands in tc's words for an IP header it does the same. */
static void
save_word(FILE *out, const struct tc_pedit_key *key, enum pedit_cmd command)
{
	fprintf(out, " munge offset %d u32", (int32_t)key->off);
	if (key->offmask != 0)
		fprintf(out, " at %d %x %u", (int32_t)key->at, key->offmask, key->shift);
	fprintf(out, " %s 0x%x retain 0x%x", command == TCA_PEDIT_KEY_EX_CMD_ADD ? "add" : "set", ntohl(key->val),
		~ntohl(key->mask));
}

static void
pedit_save(const struct save *save, const void *conf)
{
	const struct pedit_conf *c = conf;
	uint8_t values[FIELD_BYTES_MAX], masks[FIELD_BYTES_MAX];
	unsigned int n;

	if (c->extended)
		fputs(" ex", save->out);
	for (unsigned int i = 0; i < c->n_keys; i += n) {
		enum pedit_cmd command = pedit_command(c->kinds[i]);

		n = 0;
		for (size_t k = 0; n == 0 && k < sizeof(fields) / sizeof(fields[0]); k++) {
			n = read_field(&fields[k], c, i, values, masks);
			if (n != 0 && !save_field(save->out, &fields[k], command, values, masks))
				n = 0;
		}
		if (n == 0) {
			save_word(save->out, &c->keys[i], command);
			n = 1;
		}
	}
	save_verdict(save->out, c->action);
}

static const struct action_codec pedit_codec = {
	.kind = "pedit",
	.conf_size = sizeof(struct pedit_conf),
	.parse = pedit_parse,
	.put = pedit_put,
	.save = pedit_save,
	.times_attr = TCA_PEDIT_TM,
	.per_message = 4, /* of PEDIT_KEYS_MAX extended keys */
};
ACTION_CODEC_REGISTER(pedit_codec)
