/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cbq for a tc that does not know it; docs/disciplines/cbq.md. The words are tc-cbq(8)'s, the times that are computed
 * from maxburst and minburst those of Floyd's "Notes on Class-Based Queueing: Setting Parameters", 1996; what tc 6.1
 * sends and prints was observed. Rate tables are left out: the router computes times from the rate.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <linux/pkt_sched.h>

#include "plugin.h"
#include "tc/ticks.h"

#define DEFAULT_EWMA 5
#define DEFAULT_MTU  2047 /* of a class without `allot`: what its cells are to hold */
#define PRIOS        8
#define MINIDLE_NONE 0x7fffffff

/* tc's; absent in other programs, which never call what is here. */
extern int show_details __attribute__((weak)); /* -d */
extern bool is_json_context(void) __attribute__((weak));

static const char usage[] = "Usage: ... cbq bandwidth BPS avpkt BYTES [ mpu BYTES ]\n"
			    "               [ cell BYTES ] [ ewma LOG ]\n";
static const char class_usage[] = "Usage: ... cbq	bandwidth BPS rate BPS maxburst PKTS [ avpkt BYTES ]\n"
				  "		[ minburst PKTS ] [ bounded ] [ isolated ]\n"
				  "		[ allot BYTES ] [ mpu BYTES ] [ weight RATE ]\n"
				  "		[ prio NUMBER ] [ cell BYTES ] [ ewma LOG ]\n"
				  "		[ split CLASSID ] [ defmap MASK/CHANGE ]\n"
				  "		[ overhead BYTES ] [ linklayer TYPE ]\n";

struct request {
	struct tc_words words;
	bool of_class;
	struct tc_ratespec rate;
	uint32_t bandwidth; /* bytes per second; 0: not given */
	uint32_t cell; /* bytes; 0: not given */
	uint32_t maxburst, minburst; /* packets */
	struct tc_cbq_lssopt lss; /* .change says what was given */
	struct tc_cbq_wrropt turns;
	bool has_turns, has_split;
	struct tc_cbq_fopt split;
};

static int
illegal(const char *word)
{
	fprintf(stderr, "Illegal \"%s\"\n", word);
	return -1;
}

/* ---- numbers with units, tc(8) */

struct unit {
	const char *name;
	double factor;
};

static int
read_scaled(struct request *r, const char *word, const struct unit *units, size_t count, uint32_t *value)
{
	const char *text = tc_next(&r->words);
	double number;
	char *end;

	if (text == NULL) {
		fprintf(stderr, "cbq: \"%s\" needs a value\n", word);
		return -1;
	}
	number = strtod(text, &end);
	if (end == text || !(number >= 0))
		return illegal(word);
	for (size_t i = 0; i < count; i++)
		if (strcasecmp(end, units[i].name) == 0) {
			number *= units[i].factor;
			if (number >= (double)UINT32_MAX + 1)
				return illegal(word);
			*value = (uint32_t)number;
			return 0;
		}
	return illegal(word);
}

/* Bytes per second. */
static int
read_rate(struct request *r, const char *word, uint32_t *rate)
{
	static const struct unit units[] = { { "", 1. / 8 }, { "bit", 1. / 8 }, { "kbit", 1e3 / 8 },
		{ "mbit", 1e6 / 8 }, { "gbit", 1e9 / 8 }, { "tbit", 1e12 / 8 }, { "kibit", 0x1p10 / 8 },
		{ "mibit", 0x1p20 / 8 }, { "gibit", 0x1p30 / 8 }, { "tibit", 0x1p40 / 8 }, { "bps", 1 },
		{ "kbps", 1e3 }, { "mbps", 1e6 }, { "gbps", 1e9 }, { "tbps", 1e12 }, { "kibps", 0x1p10 },
		{ "mibps", 0x1p20 }, { "gibps", 0x1p30 }, { "tibps", 0x1p40 } };

	return read_scaled(r, word, units, sizeof(units) / sizeof(*units), rate);
}

/* Bytes; a weight, too, is read as a size: 1Mbit is 131072. */
static int
read_size(struct request *r, const char *word, uint32_t *size)
{
	static const struct unit units[] = { { "", 1 }, { "b", 1 }, { "k", 0x1p10 }, { "kb", 0x1p10 }, { "m", 0x1p20 },
		{ "mb", 0x1p20 }, { "g", 0x1p30 }, { "gb", 0x1p30 }, { "kbit", 0x1p10 / 8 }, { "mbit", 0x1p20 / 8 },
		{ "gbit", 0x1p30 / 8 } };

	return read_scaled(r, word, units, sizeof(units) / sizeof(*units), size);
}

/* ---- words */

static int
read_ewma(struct request *r, const char *word)
{
	uint32_t number;

	if (tc_number(&r->words, word, 31, &number) != 0)
		return -1;
	r->lss.ewma_log = (uint8_t)number;
	r->lss.change |= TCF_CBQ_LSS_EWMA;
	return 0;
}

static int
read_linklayer(struct request *r, const char *word)
{
	const char *text = tc_next(&r->words);

	if (text == NULL)
		return illegal(word);
	if (strcmp(text, "ethernet") == 0)
		r->rate.linklayer = TC_LINKLAYER_ETHERNET;
	else if (strcmp(text, "atm") == 0 || strcmp(text, "adsl") == 0)
		r->rate.linklayer = TC_LINKLAYER_ATM;
	else
		return illegal(word);
	return 0;
}

/* What is said of the qdisc and of a class; 1: the word is none of them. */
static int
read_common(struct request *r, const char *word)
{
	uint32_t number;

	if (strcmp(word, "bandwidth") == 0)
		return read_rate(r, word, r->of_class ? &r->bandwidth : &r->rate.rate);
	if (strcmp(word, "rate") == 0)
		return read_rate(r, word, &r->rate.rate);
	if (strcmp(word, "avpkt") == 0) {
		r->lss.change |= TCF_CBQ_LSS_AVPKT;
		return read_size(r, word, &r->lss.avpkt);
	}
	if (strcmp(word, "allot") == 0)
		return read_size(r, word, &r->turns.allot);
	if (strcmp(word, "ewma") == 0)
		return read_ewma(r, word);
	if (strcmp(word, "cell") == 0) {
		if (read_size(r, word, &r->cell) != 0)
			return -1;
		if (r->cell != 0 && (r->cell & (r->cell - 1)) == 0)
			return 0;
		fputs("cell must be 2^n\n", stderr);
		return -1;
	}
	if (strcmp(word, "mpu") == 0) {
		if (read_size(r, word, &number) != 0)
			return -1;
		if (number > UINT16_MAX)
			return illegal(word);
		r->rate.mpu = (uint16_t)number;
		return 0;
	}
	if (strcmp(word, "overhead") == 0) {
		if (tc_number(&r->words, word, UINT16_MAX, &number) != 0)
			return -1;
		r->rate.overhead = (uint16_t)number;
		return 0;
	}
	return strcmp(word, "linklayer") == 0 ? read_linklayer(r, word) : 1;
}

static void
set_flag(struct request *r, uint8_t flag, bool on)
{
	r->lss.flags = (uint8_t)(on ? r->lss.flags | flag : r->lss.flags & ~flag);
	r->lss.change |= TCF_CBQ_LSS_FLAGS;
}

/* MASK[/CHANGE], hexadecimal: of the bits in CHANGE, which this class takes. */
static int
read_defmap(struct request *r)
{
	const char *text = tc_next(&r->words);
	char *end;

	r->has_split = true;
	if (text != NULL) {
		r->split.defmap = (uint32_t)strtoul(text, &end, 16);
		r->split.defchange = UINT32_MAX;
		if (end != text && *end == '/') {
			text = end + 1;
			r->split.defchange = (uint32_t)strtoul(text, &end, 16);
		}
		if (end != text && *end == '\0')
			return 0;
	}
	fputs("Invalid defmap, should be MASK32[/MASK]\n", stderr);
	return -1;
}

static int
read_prio(struct request *r, const char *word)
{
	uint32_t number;

	if (tc_number(&r->words, word, UINT32_MAX, &number) != 0)
		return -1;
	if (number > PRIOS) {
		fputs("\"prio\" must be number in the range 1...8\n", stderr);
		return -1;
	}
	r->turns.priority = (uint8_t)number;
	r->has_turns = true;
	return 0;
}

/* As read_common. */
static int
read_of_class(struct request *r, const char *word)
{
	if (strcmp(word, "bounded") == 0 || strcmp(word, "borrow") == 0) {
		set_flag(r, TCF_CBQ_LSS_BOUNDED, word[2] == 'u');
		return 0;
	}
	if (strcmp(word, "isolated") == 0 || strcmp(word, "sharing") == 0) {
		set_flag(r, TCF_CBQ_LSS_ISOLATED, word[0] == 'i');
		return 0;
	}
	if (strcmp(word, "maxburst") == 0) {
		r->lss.change |= TCF_CBQ_LSS_MAXIDLE;
		return tc_number(&r->words, word, UINT32_MAX, &r->maxburst);
	}
	if (strcmp(word, "minburst") == 0) {
		r->lss.change |= TCF_CBQ_LSS_OFFTIME;
		return tc_number(&r->words, word, UINT32_MAX, &r->minburst);
	}
	if (strcmp(word, "minidle") == 0) {
		r->lss.change |= TCF_CBQ_LSS_MINIDLE;
		return tc_number(&r->words, word, UINT32_MAX, &r->lss.minidle);
	}
	if (strcmp(word, "prio") == 0)
		return read_prio(r, word);
	if (strcmp(word, "weight") == 0) {
		r->has_turns = true;
		return read_size(r, word, &r->turns.weight);
	}
	if (strcmp(word, "split") == 0) {
		r->has_split = true;
		return tc_classid(&r->words, word, &r->split.split);
	}
	return strcmp(word, "defmap") == 0 ? read_defmap(r) : 1;
}

static int
read_words(struct request *r)
{
	const char *word;

	while ((word = tc_next(&r->words)) != NULL) {
		int rc = read_common(r, word);

		if (rc == 1 && r->of_class)
			rc = read_of_class(r, word);
		if (rc != 0)
			return rc == 1 ? tc_unknown(word, r->of_class ? class_usage : usage) : -1;
	}
	return 0;
}

/* ---- what follows from them */

/*
 * Whole microseconds are what tc computes in, give or take a rounding error. What is below none or endless (an average
 * of the last packet alone, or of more packets than a double can tell) is none; what does not fit is the most.
 */
static uint32_t
ticks_of(double us)
{
	uint64_t ticks;

	if (!isfinite(us) || us < 0)
		return 0;
	if (us >= (double)UINT32_MAX)
		return UINT32_MAX;
	ticks = ((uint64_t)(us + 1e-6) * 1000) >> TICK_SHIFT;
	return ticks < UINT32_MAX ? (uint32_t)ticks : UINT32_MAX;
}

/* A preloaded library does without libm. */
static double
power(double base, uint32_t n)
{
	double product = 1;

	for (; n != 0; n >>= 1) {
		product *= n & 1 ? base : 1;
		base *= base;
	}
	return product;
}

static double
microseconds(const struct request *r, uint32_t bytes_per_s)
{
	return r->lss.avpkt * 1e6 / bytes_per_s;
}

/* After so long idle maxburst packets may follow each other at the link's rate; scaled as avgidle is. */
static uint32_t
maxidle_for(const struct request *r, uint32_t link, uint32_t rate)
{
	double weight = ldexp(1, -r->lss.ewma_log), packet = microseconds(r, link), g = power(1 - weight, r->maxburst);
	double idle = r->maxburst != 0 ? (microseconds(r, rate) - packet) * (1 - g) / g : 0;

	return ticks_of((idle > packet * weight ? idle : packet * weight) / weight);
}

/* The wait before minburst packets at once. A minburst of 1 is taken as tc takes it: the least that counts. */
static uint32_t
offtime_for(const struct request *r)
{
	double weight = ldexp(1, -r->lss.ewma_log), gap = microseconds(r, r->rate.rate) - microseconds(r, r->bandwidth);
	double g = power(1 - weight, r->minburst > 1 ? r->minburst - 1 : r->minburst), time = gap * (1 - g) / g;

	return ticks_of(r->minburst > 1 ? gap + time / weight : time);
}

static uint8_t
cell_log_for(const struct request *r, uint32_t mtu)
{
	uint8_t cell_log = 0;

	if (r->cell != 0)
		while (1U << cell_log < r->cell)
			cell_log++;
	else
		while (mtu >> cell_log > UINT8_MAX)
			cell_log++;
	return cell_log;
}

static int
refuse(const char *why)
{
	fprintf(stderr, "CBQ: %s\n", why);
	return -1;
}

static uint32_t
least_allot(const struct request *r)
{
	return (uint32_t)(r->lss.avpkt * UINT64_C(3) / 2);
}

static void
put_rate(struct request *r, uint32_t mtu, struct nlmsghdr *n)
{
	r->rate.cell_align = -1;
	r->rate.cell_log = cell_log_for(r, mtu);
	tc_put(n, TCA_CBQ_RATE, &r->rate, sizeof(r->rate));
}

static int
parse_qdisc(struct qdisc_util *qu, int argc, char **argv, struct nlmsghdr *n, const char *dev)
{
	struct request r = {
		.words = { "cbq", argc, argv }, .lss.ewma_log = DEFAULT_EWMA, .rate.linklayer = TC_LINKLAYER_ETHERNET
	};
	struct rtattr *nest;
	uint32_t least;

	(void)qu;
	(void)dev;
	if (read_words(&r) != 0)
		return -1;
	if (r.rate.rate == 0)
		return refuse("bandwidth is required parameter.");
	if (r.lss.avpkt == 0)
		return refuse("\"avpkt\" is required.");
	least = least_allot(&r);
	r.lss.maxidle = maxidle_for(&r, r.rate.rate, r.rate.rate);
	r.lss.change = TCF_CBQ_LSS_EWMA | TCF_CBQ_LSS_MAXIDLE | TCF_CBQ_LSS_AVPKT;
	nest = tc_nest(n, TCA_OPTIONS);
	put_rate(&r, r.turns.allot > least ? r.turns.allot : least, n);
	tc_put(n, TCA_CBQ_LSSOPT, &r.lss, sizeof(r.lss));
	tc_nest_end(n, nest);
	return 0;
}

static int
compute_link_sharing(struct request *r)
{
	if ((r->lss.change & (TCF_CBQ_LSS_MAXIDLE | TCF_CBQ_LSS_OFFTIME)) != 0) {
		if (r->lss.avpkt == 0)
			return refuse("avpkt is required for max/minburst.");
		if (r->bandwidth == 0 || r->rate.rate == 0)
			return refuse("bandwidth&rate are required for max/minburst.");
	}
	if ((r->lss.change & (TCF_CBQ_LSS_MAXIDLE | TCF_CBQ_LSS_OFFTIME | TCF_CBQ_LSS_MINIDLE)) != 0)
		r->lss.change |= TCF_CBQ_LSS_EWMA;
	if ((r->lss.change & TCF_CBQ_LSS_MAXIDLE) != 0)
		r->lss.maxidle = maxidle_for(r, r->bandwidth, r->rate.rate);
	if ((r->lss.change & TCF_CBQ_LSS_OFFTIME) != 0)
		r->lss.offtime = offtime_for(r);
	r->lss.minidle <<= r->lss.ewma_log;
	if (r->lss.change != 0)
		r->lss.change |= TCF_CBQ_LSS_FLAGS;
	return 0;
}

/* A new class has turns; where no weight is given it is the rate, unless the class comes last. */
static int
compute_turns(struct request *r, bool added)
{
	if (added) {
		r->has_turns = true;
		if (r->turns.priority == 0)
			r->turns.priority = PRIOS;
	}
	if (!r->has_turns)
		return 0;
	if (r->turns.weight == 0)
		r->turns.weight = r->turns.priority == PRIOS ? 1 : r->rate.rate;
	if (r->rate.rate != 0 && r->turns.allot < least_allot(r))
		r->turns.allot = least_allot(r);
	if (r->turns.allot == 0)
		return refuse("\"allot\" is required to set WRR parameters.");
	return 0;
}

static int
parse_class(struct qdisc_util *qu, int argc, char **argv, struct nlmsghdr *n, const char *dev)
{
	struct request r = { .words = { "cbq", argc, argv },
		.of_class = true,
		.lss.ewma_log = DEFAULT_EWMA,
		.rate.linklayer = TC_LINKLAYER_ETHERNET };
	struct rtattr *nest;
	uint32_t mtu;

	(void)qu;
	(void)dev;
	if (read_words(&r) != 0)
		return -1;
	mtu = r.turns.allot != 0 ? r.turns.allot : DEFAULT_MTU;
	if (compute_link_sharing(&r) != 0 || compute_turns(&r, (n->nlmsg_flags & NLM_F_EXCL) != 0) != 0)
		return -1;
	nest = tc_nest(n, TCA_OPTIONS);
	if (r.lss.change != 0)
		tc_put(n, TCA_CBQ_LSSOPT, &r.lss, sizeof(r.lss));
	if (r.has_turns)
		tc_put(n, TCA_CBQ_WRROPT, &r.turns, sizeof(r.turns));
	if (r.has_split)
		tc_put(n, TCA_CBQ_FOPT, &r.split, sizeof(r.split));
	if (r.rate.rate != 0)
		put_rate(&r, mtu, n);
	tc_nest_end(n, nest);
	return 0;
}

/* ---- printing */

/* In the largest unit that keeps all digits, or six at least. tc has no JSON of cbq and leaves rates out there. */
static void
print_rate(FILE *f, const char *word, uint32_t bytes_per_s)
{
	static const char *const units[] = { "", "K", "M", "G", "T" };
	uint64_t bits = (uint64_t)bytes_per_s * 8;
	unsigned int unit = 0;

	if (is_json_context != NULL && is_json_context())
		return;
	while (unit < 4 && bits >= 1000 && (bits % 1000 == 0 || bits >= 1000000)) {
		bits /= 1000;
		unit++;
	}
	fprintf(f, "%s %llu%sbit ", word, (unsigned long long)bits, units[unit]);
}

static void
print_ticks(FILE *f, const char *word, uint32_t ticks)
{
	uint64_t us = ns_from_ticks(ticks) / 1000;

	if (us >= 1000000)
		fprintf(f, "%s %.3gs ", word, (double)us / 1e6);
	else if (us >= 1000)
		fprintf(f, "%s %.3gms ", word, (double)us / 1e3);
	else
		fprintf(f, "%s %uus ", word, (unsigned int)us);
}

static void
print_ratespec(FILE *f, const struct tc_ratespec *spec, bool details)
{
	static const char *const names[] = { "unspec", "ethernet", "atm" };
	unsigned int linklayer = spec->linklayer & TC_LINKLAYER_MASK;

	print_rate(f, "rate", spec->rate);
	if (details || linklayer == TC_LINKLAYER_ATM)
		fprintf(f, "linklayer %s ", linklayer <= TC_LINKLAYER_ATM ? names[linklayer] : "unknown");
	if (!details)
		return;
	fprintf(f, "cell %ub ", 1u << (spec->cell_log & 31));
	if (spec->mpu != 0)
		fprintf(f, "mpu %ub ", spec->mpu);
	if (spec->overhead != 0)
		fprintf(f, "overhead %ub ", spec->overhead);
}

static void
print_turns(FILE *f, const struct tc_cbq_wrropt *turns, bool details)
{
	if (turns->priority == PRIOS)
		fputs("prio no-transmit", f);
	else
		fprintf(f, "prio %u", turns->priority);
	if (!details)
		return;
	fprintf(f, "/%u ", turns->cpriority);
	if (turns->weight != 1)
		print_rate(f, "weight", turns->weight);
	if (turns->allot != 0)
		fprintf(f, "allot %ub ", turns->allot);
}

static void
print_link_sharing(FILE *f, const struct tc_cbq_lssopt *lss)
{
	unsigned int shift = lss->ewma_log & 31;

	fprintf(f, "\nlevel %u ewma %u avpkt %ub ", lss->level, lss->ewma_log, lss->avpkt);
	if (lss->maxidle != 0)
		print_ticks(f, "maxidle", lss->maxidle >> shift);
	if (lss->minidle != MINIDLE_NONE)
		print_ticks(f, "minidle", lss->minidle >> shift);
	if (lss->offtime != 0)
		print_ticks(f, "offtime", lss->offtime);
}

static void
print_split(FILE *f, const struct tc_cbq_fopt *split)
{
	if (split->split == TC_H_ROOT)
		fputs("\nsplit root ", f);
	else if (split->split == TC_H_UNSPEC)
		fputs("\nsplit none ", f);
	else if (TC_H_MIN(split->split) == 0)
		fprintf(f, "\nsplit %x: ", split->split >> 16);
	else {
		fputc('\n', f);
		tc_print_classid(f, "split", split->split);
	}
	if (split->defmap != 0)
		fprintf(f, "defmap %08x", split->defmap);
}

/* The attribute's bytes, copied to where they are aligned; false: it is not there. */
static bool
fetch(struct rtattr *options, uint16_t attr, void *to, size_t bytes)
{
	struct rtattr *found = tc_find(options, attr, bytes);

	if (found != NULL)
		memcpy(to, RTA_DATA(found), bytes);
	return found != NULL;
}

static int
print(struct qdisc_util *qu, FILE *f, struct rtattr *options)
{
	bool details = &show_details != NULL && show_details != 0, has_lss;
	struct tc_ratespec rate;
	struct tc_cbq_lssopt lss;
	struct tc_cbq_wrropt turns;
	struct tc_cbq_fopt split;

	(void)qu;
	if (options == NULL)
		return 0;
	has_lss = fetch(options, TCA_CBQ_LSSOPT, &lss, sizeof(lss));
	if (fetch(options, TCA_CBQ_RATE, &rate, sizeof(rate)))
		print_ratespec(f, &rate, details);
	if (has_lss && (lss.flags & (TCF_CBQ_LSS_BOUNDED | TCF_CBQ_LSS_ISOLATED)) != 0)
		fprintf(f, "(%s%s%s) ", (lss.flags & TCF_CBQ_LSS_BOUNDED) != 0 ? "bounded" : "",
			(lss.flags & 3) == 3 ? "," : "", (lss.flags & TCF_CBQ_LSS_ISOLATED) != 0 ? "isolated" : "");
	if (fetch(options, TCA_CBQ_WRROPT, &turns, sizeof(turns)))
		print_turns(f, &turns, details);
	if (has_lss && details)
		print_link_sharing(f, &lss);
	if (details && fetch(options, TCA_CBQ_FOPT, &split, sizeof(split)))
		print_split(f, &split);
	return 0;
}

static int
print_xstats(struct qdisc_util *qu, FILE *f, struct rtattr *xstats)
{
	struct tc_cbq_xstats x;

	(void)qu;
	if (xstats == NULL || RTA_PAYLOAD(xstats) < sizeof(x))
		return 0;
	memcpy(&x, RTA_DATA(xstats), sizeof(x));
	fprintf(f, "  borrowed %u overactions %u avgidle %g undertime %g", x.borrows, x.overactions, (double)x.avgidle,
		(double)x.undertime);
	return 0;
}

PLUGIN struct qdisc_util cbq_qdisc_util = { .id = "cbq",
	.parse_qopt = parse_qdisc,
	.print_qopt = print,
	.print_xstats = print_xstats,
	.parse_copt = parse_class,
	.print_copt = print };
