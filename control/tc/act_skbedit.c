/* SPDX-License-Identifier: BSD-3-Clause */
/* The options of skbedit, TCA_SKBEDIT_*. */
#include <string.h>

#include <linux/if_packet.h>

#include "tc/codec.h"

static int
parse_flags(const struct nlattr *attr, struct skbedit_conf *conf, struct error *err)
{
	const uint64_t known = SKBEDIT_F_INHERITDSFIELD | SKBEDIT_F_TXQ_SKBHASH;
	uint64_t flags;
	int rc = nl_get_u64(attr, 0, &flags, "skbedit flags", err);

	if (rc != 0)
		return rc;
	if ((flags & ~known) != 0)
		return error_set(err, EINVAL, "skbedit: flags 0x%llx; 'inheritdsfield' and the queues' hash are known",
			(unsigned long long)flags);
	conf->set |= (uint32_t)flags;
	return 0;
}

/* One queue, or from one to another by the flow's hash. */
static int
parse_queues(const struct nlattr *const *tb, struct skbedit_conf *conf, struct error *err)
{
	int rc = nl_get_u16(tb[TCA_SKBEDIT_QUEUE_MAPPING], 0, &conf->queue_mapping, "queue_mapping", err);

	if (rc != 0 || (conf->set & SKBEDIT_F_TXQ_SKBHASH) == 0)
		return rc;
	if (tb[TCA_SKBEDIT_QUEUE_MAPPING] == NULL || tb[TCA_SKBEDIT_QUEUE_MAPPING_MAX] == NULL)
		return error_set(err, EINVAL, "skbedit: queues by hash take a first and a last one");
	return nl_get_u16(
		tb[TCA_SKBEDIT_QUEUE_MAPPING_MAX], 0, &conf->queue_mapping_max, "the last queue_mapping", err);
}

static int
skbedit_parse(const struct nlattr *options, void *to, uint32_t *index, bool *given, struct error *err)
{
	const struct nlattr *tb[TCA_SKBEDIT_MAX + 1];
	struct skbedit_conf *conf = to;
	struct tc_skbedit parms;
	int rc = nl_get_nest(options, tb, TCA_SKBEDIT_MAX, err);

	if (rc != 0)
		return rc;
	if (tb[TCA_SKBEDIT_PARMS] == NULL || mnl_attr_get_payload_len(tb[TCA_SKBEDIT_PARMS]) < sizeof(parms))
		return error_set(err, EINVAL, "skbedit: its parameters are missing or too short");
	memcpy(&parms, mnl_attr_get_payload(tb[TCA_SKBEDIT_PARMS]), sizeof(parms));
	if ((rc = nl_get_u32(tb[TCA_SKBEDIT_PRIORITY], 0, &conf->priority, "priority", err)) != 0 ||
		(rc = nl_get_u32(tb[TCA_SKBEDIT_MARK], 0, &conf->mark, "mark", err)) != 0 ||
		(rc = nl_get_u32(tb[TCA_SKBEDIT_MASK], UINT32_MAX, &conf->mask, "mask of the mark", err)) != 0 ||
		(rc = nl_get_u16(tb[TCA_SKBEDIT_PTYPE], 0, &conf->packet_type, "ptype", err)) != 0 ||
		(rc = parse_flags(tb[TCA_SKBEDIT_FLAGS], conf, err)) != 0 || (rc = parse_queues(tb, conf, err)) != 0)
		return rc;
	if (conf->packet_type > PACKET_OTHERHOST)
		return error_set(err, EINVAL, "skbedit: ptype %u; host, broadcast, multicast or otherhost is wanted",
			conf->packet_type);
	conf->set |= (tb[TCA_SKBEDIT_PRIORITY] != NULL ? SKBEDIT_F_PRIORITY : 0) |
		     (tb[TCA_SKBEDIT_QUEUE_MAPPING] != NULL ? SKBEDIT_F_QUEUE_MAPPING : 0) |
		     (tb[TCA_SKBEDIT_MARK] != NULL ? SKBEDIT_F_MARK : 0) |
		     (tb[TCA_SKBEDIT_MASK] != NULL ? SKBEDIT_F_MASK : 0) |
		     (tb[TCA_SKBEDIT_PTYPE] != NULL ? SKBEDIT_F_PTYPE : 0);
	conf->action = parms.action;
	*index = parms.index;
	*given = conf->set != 0;
	return 0;
}

static void
skbedit_put(struct nl_msgs *msgs, const struct action *action)
{
	struct action_head head;
	struct skbedit_conf conf;

	action_ops_of(action)->get_conf(action, &conf);
	head = action_head_of(action, conf.action);
	nl_put(msgs, TCA_SKBEDIT_PARMS, &head, sizeof(head));
	if (conf.set & SKBEDIT_F_PRIORITY)
		nl_put_u32(msgs, TCA_SKBEDIT_PRIORITY, conf.priority);
	if (conf.set & SKBEDIT_F_QUEUE_MAPPING)
		nl_put_u16(msgs, TCA_SKBEDIT_QUEUE_MAPPING, conf.queue_mapping);
	if (conf.set & SKBEDIT_F_MARK)
		nl_put_u32(msgs, TCA_SKBEDIT_MARK, conf.mark);
	if (conf.set & SKBEDIT_F_PTYPE)
		nl_put_u16(msgs, TCA_SKBEDIT_PTYPE, conf.packet_type);
	if (conf.set & SKBEDIT_F_MASK)
		nl_put_u32(msgs, TCA_SKBEDIT_MASK, conf.mask);
	if (conf.set & (SKBEDIT_F_INHERITDSFIELD | SKBEDIT_F_TXQ_SKBHASH))
		nl_put_u64(msgs, TCA_SKBEDIT_FLAGS, conf.set & (SKBEDIT_F_INHERITDSFIELD | SKBEDIT_F_TXQ_SKBHASH));
	if (conf.set & SKBEDIT_F_TXQ_SKBHASH)
		nl_put_u16(msgs, TCA_SKBEDIT_QUEUE_MAPPING_MAX, conf.queue_mapping_max);
}

static void
skbedit_save(const struct save *save, const void *conf)
{
	FILE *out = save->out;
	static const char *const types[] = {
		[PACKET_HOST] = "host",
		[PACKET_BROADCAST] = "broadcast",
		[PACKET_MULTICAST] = "multicast",
		[PACKET_OTHERHOST] = "otherhost",
	};
	const struct skbedit_conf *c = conf;

	/* As later versions of tc than 6.1 write it: only they can have said it. */
	if (c->set & SKBEDIT_F_TXQ_SKBHASH)
		fprintf(out, " queue_mapping skbhash %u %u", c->queue_mapping, c->queue_mapping_max);
	else if (c->set & SKBEDIT_F_QUEUE_MAPPING)
		fprintf(out, " queue_mapping %u", c->queue_mapping);
	if (c->set & SKBEDIT_F_PRIORITY)
		fprintf(out, " priority %x:%x", TC_H_MAJ(c->priority) >> 16, TC_H_MIN(c->priority));
	if (c->set & SKBEDIT_F_MARK)
		fprintf(out, " mark 0x%x", c->mark);
	if (c->set & SKBEDIT_F_MASK)
		fprintf(out, "/0x%x", c->mask);
	if (c->set & SKBEDIT_F_PTYPE)
		fprintf(out, " ptype %s", types[c->packet_type]);
	if (c->set & SKBEDIT_F_INHERITDSFIELD)
		fputs(" inheritdsfield", out);
	save_verdict(out, c->action);
}

static const struct action_codec skbedit_codec = {
	.kind = "skbedit",
	.conf_size = sizeof(struct skbedit_conf),
	.parse = skbedit_parse,
	.put = skbedit_put,
	.save = skbedit_save,
	.times_attr = TCA_SKBEDIT_TM,
};
ACTION_CODEC_REGISTER(skbedit_codec)
