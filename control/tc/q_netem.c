/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * netem: struct tc_netem_qopt, and behind it in the same attribute TCA_NETEM_*. Times are in ticks, and in ns in an
 * attribute of their own, which then holds. Distributions are tables that tc has read from a file; nobody tells their
 * names.
 */
#include <glob.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <weir/qdisc/netem.h>

#include "tc/qdisc_codec.h"
#include "tc/ticks.h"

#define PRNG_SEED       14 /* TCA_NETEM_PRNG_SEED, of Linux 6.6 and its tc; headers that are older lack it */
#define NETEM_ATTRS_MAX (TCA_NETEM_MAX > PRNG_SEED ? TCA_NETEM_MAX : PRNG_SEED)

static int
parse_chance(const struct nlattr *attr, bool *given, struct netem_chance *chance, const char *what, struct error *err)
{
	struct tc_netem_corrupt wire; /* tc_netem_reorder is the same */
	int rc;

	*given = attr != NULL;
	if (attr == NULL)
		return 0;
	if ((rc = struct_parse(attr, &wire, sizeof(wire), what, err)) != 0)
		return rc;
	*chance = (struct netem_chance){ .probability = wire.probability, .correlation = wire.correlation };
	return 0;
}

static int
parse_loss(const struct nlattr *attr, struct netem_conf *c, struct error *err)
{
	const struct nlattr *tb[NETEM_LOSS_MAX + 1];
	struct tc_netem_gimodel states;
	struct tc_netem_gemodel ge;
	int rc = nl_get_nest(attr, tb, NETEM_LOSS_MAX, err);

	if (rc != 0)
		return rc;
	if (tb[NETEM_LOSS_GI] != NULL) {
		if ((rc = struct_parse(tb[NETEM_LOSS_GI], &states, sizeof(states), "netem loss state", err)) != 0)
			return rc;
		c->loss_model = NETEM_LOSS_STATES;
		c->states = (struct netem_states){
			.p13 = states.p13, .p31 = states.p31, .p32 = states.p32, .p14 = states.p14, .p23 = states.p23
		};
	} else if (tb[NETEM_LOSS_GE] != NULL) {
		if ((rc = struct_parse(tb[NETEM_LOSS_GE], &ge, sizeof(ge), "netem loss gemodel", err)) != 0)
			return rc;
		c->loss_model = NETEM_LOSS_GILBERT_ELLIOT;
		c->gilbert_elliot = (struct netem_gilbert_elliot){ .p = ge.p, .r = ge.r, .h = ge.h, .k1 = ge.k1 };
	}
	return 0;
}

static int
parse_rate(const struct nlattr *const *tb, struct netem_conf *c, struct error *err)
{
	struct tc_netem_rate wire;
	int rc;

	c->has_rate = tb[TCA_NETEM_RATE] != NULL;
	if (!c->has_rate)
		return 0;
	if ((rc = struct_parse(tb[TCA_NETEM_RATE], &wire, sizeof(wire), "netem rate", err)) != 0)
		return rc;
	c->rate = (struct netem_rate){ .packet_overhead = wire.packet_overhead,
		.cell_size = wire.cell_size,
		.cell_overhead = wire.cell_overhead };
	return nl_get_u64(tb[TCA_NETEM_RATE64], wire.rate, &c->rate.Bps, "netem rate", err);
}

/* Negative times, which tc does not send, count as none. */
static uint64_t
time_of(int64_t ns)
{
	return ns < 0 ? 0 : (uint64_t)ns;
}

static int
parse_slot(const struct nlattr *attr, struct netem_conf *c, struct error *err)
{
	struct tc_netem_slot wire;
	int rc;

	c->has_slot = attr != NULL;
	if (attr == NULL)
		return 0;
	if ((rc = struct_parse(attr, &wire, sizeof(wire), "netem slot", err)) != 0)
		return rc;
	c->slot = (struct netem_slot){ .min_ns = time_of(wire.min_delay),
		.max_ns = time_of(wire.max_delay),
		.mean_ns = time_of(wire.dist_delay),
		.jitter_ns = time_of(wire.dist_jitter),
		.packets = wire.max_packets,
		.bytes = wire.max_bytes };
	return 0;
}

static void
parse_table(const struct nlattr *attr, bool *given, struct netem_table *table)
{
	*given = attr != NULL;
	if (attr != NULL)
		*table = (struct netem_table){ .values = (const int16_t *)(const void *)(attr + 1),
			.size = (uint32_t)((attr->nla_len - sizeof(*attr)) / sizeof(int16_t)) };
}

static int
parse_delay(const struct nlattr *const *tb, const struct tc_netem_qopt *opt, struct netem_conf *c, struct error *err)
{
	struct tc_netem_corr corr = { 0 };
	uint64_t latency, jitter;
	int rc;

	if (tb[TCA_NETEM_CORR] != NULL &&
		(rc = struct_parse(tb[TCA_NETEM_CORR], &corr, sizeof(corr), "netem correlation", err)) != 0)
		return rc;
	c->has_correlations = tb[TCA_NETEM_CORR] != NULL;
	c->delay_correlation = corr.delay_corr;
	c->loss.correlation = corr.loss_corr;
	c->duplicate.correlation = corr.dup_corr;
	if ((rc = nl_get_u64(tb[TCA_NETEM_LATENCY64], ns_from_ticks(opt->latency), &latency, "netem delay", err)) !=
			0 ||
		(rc = nl_get_u64(tb[TCA_NETEM_JITTER64], ns_from_ticks(opt->jitter), &jitter, "netem jitter", err)) !=
			0)
		return rc;
	c->latency_ns = time_of((int64_t)latency);
	c->jitter_ns = time_of((int64_t)jitter);
	return 0;
}

static int
netem_parse(const struct nlattr *options, void *conf, struct error *err)
{
	const struct nlattr *tb[NETEM_ATTRS_MAX + 1];
	struct netem_conf *c = conf;
	struct tc_netem_qopt opt;
	uint32_t ecn;
	int rc;

	if ((rc = struct_parse(options, &opt, sizeof(opt), "netem", err)) != 0)
		return rc;
	if ((rc = nl_get_attrs((const uint8_t *)(options + 1) + sizeof(opt),
		     options->nla_len - sizeof(*options) - sizeof(opt), tb, NETEM_ATTRS_MAX, err)) != 0)
		return rc;
	c->limit = opt.limit;
	c->gap = opt.gap;
	c->loss.probability = opt.loss;
	c->duplicate.probability = opt.duplicate;
	c->has_ecn = tb[TCA_NETEM_ECN] != NULL;
	if ((rc = nl_get_u32(tb[TCA_NETEM_ECN], 0, &ecn, "netem ecn", err)) != 0)
		return rc;
	c->ecn = ecn != 0;
	c->has_seed = tb[PRNG_SEED] != NULL;
	if ((rc = nl_get_u64(tb[PRNG_SEED], 0, &c->seed, "netem seed", err)) != 0)
		return rc;
	if ((rc = parse_delay(tb, &opt, c, err)) != 0 || (rc = parse_loss(tb[TCA_NETEM_LOSS], c, err)) != 0 ||
		(rc = parse_rate(tb, c, err)) != 0 || (rc = parse_slot(tb[TCA_NETEM_SLOT], c, err)) != 0 ||
		(rc = parse_chance(tb[TCA_NETEM_REORDER], &c->has_reorder, &c->reorder, "netem reorder", err)) != 0)
		return rc;
	parse_table(tb[TCA_NETEM_DELAY_DIST], &c->has_delay_table, &c->delay_table);
	parse_table(tb[TCA_NETEM_SLOT_DIST], &c->has_slot_table, &c->slot_table);
	return parse_chance(tb[TCA_NETEM_CORRUPT], &c->has_corrupt, &c->corrupt, "netem corrupt", err);
}

/* ---- out */

static void
put_loss(struct nl_msgs *msgs, const struct netem_conf *c)
{
	const struct netem_states *s = &c->states;
	const struct netem_gilbert_elliot *ge = &c->gilbert_elliot;
	struct tc_netem_gimodel states = { .p13 = s->p13, .p31 = s->p31, .p32 = s->p32, .p14 = s->p14, .p23 = s->p23 };
	struct tc_netem_gemodel gemodel = { .p = ge->p, .r = ge->r, .h = ge->h, .k1 = ge->k1 };
	size_t nest;

	if (c->loss_model == NETEM_LOSS_RANDOM)
		return;
	nest = nl_nest_start(msgs, TCA_NETEM_LOSS);
	if (c->loss_model == NETEM_LOSS_STATES)
		nl_put(msgs, NETEM_LOSS_GI, &states, sizeof(states));
	else
		nl_put(msgs, NETEM_LOSS_GE, &gemodel, sizeof(gemodel));
	nl_nest_end(msgs, nest);
}

static void
put_rate(struct nl_msgs *msgs, const struct netem_rate *rate)
{
	struct tc_netem_rate wire = { .rate = rate->Bps > UINT32_MAX ? UINT32_MAX : (uint32_t)rate->Bps,
		.packet_overhead = rate->packet_overhead,
		.cell_size = rate->cell_size,
		.cell_overhead = rate->cell_overhead };

	if (rate->Bps > UINT32_MAX)
		nl_put_u64(msgs, TCA_NETEM_RATE64, rate->Bps);
	nl_put(msgs, TCA_NETEM_RATE, &wire, sizeof(wire));
}

static void
put_slot(struct nl_msgs *msgs, const struct netem_slot *slot)
{
	struct tc_netem_slot wire = { .min_delay = (int64_t)slot->min_ns,
		.max_delay = (int64_t)slot->max_ns,
		.max_packets = slot->packets,
		.max_bytes = slot->bytes,
		.dist_delay = (int64_t)slot->mean_ns,
		.dist_jitter = (int64_t)slot->jitter_ns };

	if (slot->max_ns != 0 || slot->jitter_ns != 0)
		nl_put(msgs, TCA_NETEM_SLOT, &wire, sizeof(wire));
}

/* An attribute that begins with a struct and goes on with attributes. */
static size_t
start_with(struct nl_msgs *msgs, uint16_t attr, const void *data, size_t bytes)
{
	size_t nest = nl_nest_start(msgs, attr);

	nl_nest_cancel(msgs, nest);
	nl_put(msgs, attr, data, bytes);
	return nest;
}

static void
netem_put(struct nl_msgs *msgs, const void *conf)
{
	const struct netem_conf *c = conf;
	struct tc_netem_qopt opt = { .latency = ticks_from_ns(c->latency_ns),
		.limit = c->limit,
		.loss = c->loss.probability,
		.gap = c->gap,
		.duplicate = c->duplicate.probability,
		.jitter = ticks_from_ns(c->jitter_ns) };
	struct tc_netem_corr corr = { .delay_corr = c->delay_correlation,
		.loss_corr = c->loss.correlation,
		.dup_corr = c->duplicate.correlation };
	struct tc_netem_reorder reorder = { .probability = c->reorder.probability,
		.correlation = c->reorder.correlation };
	struct tc_netem_corrupt corrupt = { .probability = c->corrupt.probability,
		.correlation = c->corrupt.correlation };
	size_t nest = start_with(msgs, TCA_OPTIONS, &opt, sizeof(opt));

	nl_put_u64(msgs, TCA_NETEM_LATENCY64, c->latency_ns);
	nl_put_u64(msgs, TCA_NETEM_JITTER64, c->jitter_ns);
	nl_put(msgs, TCA_NETEM_CORR, &corr, sizeof(corr));
	nl_put(msgs, TCA_NETEM_REORDER, &reorder, sizeof(reorder));
	nl_put(msgs, TCA_NETEM_CORRUPT, &corrupt, sizeof(corrupt));
	put_rate(msgs, &c->rate);
	if (c->ecn)
		nl_put_u32(msgs, TCA_NETEM_ECN, 1);
	put_loss(msgs, c);
	put_slot(msgs, &c->slot);
	if (c->has_seed)
		nl_put_u64(msgs, PRNG_SEED, c->seed);
	nl_nest_end(msgs, nest);
}

/* ---- save */

/* Where tc looks for its tables. */
#define TABLES "/usr/lib/*/tc/*.dist", "/usr/lib/tc/*.dist", "/usr/lib64/tc/*.dist", "/usr/share/tc/*.dist"

/* As tc reads it: numbers, with comments from # to the line's end. */
static bool
table_is_in_file(const struct netem_table *table, const char *path)
{
	FILE *file = fopen(path, "re");
	char line[256];
	uint32_t count = 0;
	bool same = file != NULL;

	while (same && fgets(line, sizeof(line), file) != NULL) {
		char *at = line, *end;

		for (; line[0] != '#'; at = end) {
			long value = strtol(at, &end, 0);

			if (end == at)
				break;
			same = same && count < table->size && table->values[count] == value;
			count++;
		}
	}
	if (file != NULL)
		fclose(file);
	return same && count == table->size;
}

/* The name of the file that holds the table. One that is nowhere gets a name that tc will not find, and say so. */
static void
save_table(FILE *out, const struct netem_table *table)
{
	static const char *const patterns[] = { TABLES };
	char name[64] = "unknown-table";
	glob_t found = { 0 };

	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
		glob(patterns[i], i == 0 ? 0 : GLOB_APPEND, NULL, &found);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		const char *base = strrchr(found.gl_pathv[i], '/') + 1;

		if (table_is_in_file(table, found.gl_pathv[i])) {
			snprintf(name, sizeof(name), "%.*s", (int)(strlen(base) - strlen(".dist")), base);
			break;
		}
	}
	globfree(&found);
	fprintf(out, " distribution %s", name);
}

/* With as many digits as tell all 2^32 from each other. */
static void
save_percent(FILE *out, uint32_t share)
{
	fprintf(out, " %.10f%%", (double)share * 100 / UINT32_MAX);
}

static void
save_chance(FILE *out, const char *word, uint32_t probability, uint32_t correlation)
{
	if (probability == 0)
		return;
	fprintf(out, " %s", word);
	save_percent(out, probability);
	if (correlation != 0)
		save_percent(out, correlation);
}

static void
save_loss(FILE *out, const struct netem_conf *c)
{
	const struct netem_states *s = &c->states;
	const struct netem_gilbert_elliot *ge = &c->gilbert_elliot;
	const uint32_t states[] = { s->p13, s->p31, s->p32, s->p23, s->p14 };
	const uint32_t two[] = { ge->p, ge->r, UINT32_MAX - ge->h, ge->k1 };

	if (c->loss_model == NETEM_LOSS_RANDOM) {
		save_chance(out, "loss random", c->loss.probability, c->loss.correlation);
	} else if (c->loss_model == NETEM_LOSS_STATES) {
		fputs(" loss state", out);
		for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
			save_percent(out, states[i]);
	} else {
		fputs(" loss gemodel", out);
		for (size_t i = 0; i < sizeof(two) / sizeof(two[0]); i++)
			save_percent(out, two[i]);
	}
}

static void
save_slot(FILE *out, const struct netem_conf *c)
{
	const struct netem_slot *slot = &c->slot;

	if (slot->jitter_ns != 0) {
		fputs(" slot", out);
		save_table(out, &c->slot_table);
		fprintf(out, " %" PRIu64 "ns %" PRIu64 "ns", slot->mean_ns, slot->jitter_ns);
	} else if (slot->max_ns != 0) {
		fprintf(out, " slot %" PRIu64 "ns %" PRIu64 "ns", slot->min_ns, slot->max_ns);
	} else {
		return;
	}
	if (slot->packets != 0)
		fprintf(out, " packets %d", slot->packets);
	if (slot->bytes != 0)
		fprintf(out, " bytes %d", slot->bytes);
}

static void
netem_save(FILE *out, const void *conf)
{
	const struct netem_conf *c = conf;

	fprintf(out, " limit %u", c->limit);
	if (c->latency_ns != 0 || c->jitter_ns != 0) {
		/* tc takes no ns here. */
		fprintf(out, " delay %" PRIu64 ".%03uus %" PRIu64 ".%03uus", c->latency_ns / 1000,
			(unsigned int)(c->latency_ns % 1000), c->jitter_ns / 1000, (unsigned int)(c->jitter_ns % 1000));
		if (c->delay_correlation != 0)
			save_percent(out, c->delay_correlation);
		if (c->delay_table.size != 0 && c->jitter_ns != 0)
			save_table(out, &c->delay_table);
	}
	save_loss(out, c);
	if (c->ecn)
		fputs(" ecn", out);
	save_chance(out, "duplicate", c->duplicate.probability, c->duplicate.correlation);
	save_chance(out, "corrupt", c->corrupt.probability, c->corrupt.correlation);
	/* Without a gap it is not in use. */
	if (c->gap != 0) {
		save_chance(out, "reorder", c->reorder.probability, c->reorder.correlation);
		fprintf(out, " gap %u", c->gap);
	}
	if (c->rate.Bps != 0)
		fprintf(out, " rate %" PRIu64 "bps %d %u %d", c->rate.Bps, c->rate.packet_overhead, c->rate.cell_size,
			c->rate.cell_overhead);
	save_slot(out, c);
	if (c->has_seed)
		fprintf(out, " seed %" PRIu64, c->seed);
}

static const struct class_codec netem_class_codec = { .silent = true };
static const struct qdisc_codec netem_codec = {
	.kind = "netem",
	.parse = netem_parse,
	.put = netem_put,
	.save = netem_save,
	.classes = &netem_class_codec,
};
QDISC_CODEC_REGISTER(netem_codec)
