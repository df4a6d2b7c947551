/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A discipline's codec: its netlink options to and from its config structs (include/weir/qdisc/KIND.h). One file a
 * kind, q_KIND.c, which registers itself; qdisc.c and class.c know no kind.
 */
#ifndef WEIR_CONTROL_QDISC_CODEC_H
#define WEIR_CONTROL_QDISC_CODEC_H

#include <stdio.h>

#include <netlink/netlink.h>
#include <weir/rate.h>
#include <weir/sched.h>

struct sched_stats;

struct class_codec {
	/* TCA_OPTIONS of a class (NULL: absent) into the kind's class conf, which is zeroed. */
	int (*parse)(const struct nlattr *options, void *conf, struct error *err);
	void (*put)(struct nl_msgs *msgs, const void *conf); /* TCA_OPTIONS; NULL: none */
	/* As qdisc_codec's; NULL: the classes come with the qdisc and are not saved. */
	void (*save)(FILE *out, const void *conf);
	void (*put_xstats)(struct nl_msgs *msgs, uint16_t attr, const void *xstats);
	size_t xstats_size; /* of the kind's struct; 0: none */
	bool top_is_root; /* classes right under the qdisc name TC_H_ROOT as their parent, not the qdisc */
	bool silent; /* shows no statistics of its own */
	bool queue_only; /* of its statistics only what is queued: it counts nothing that it has sent */
};

struct qdisc_codec {
	const char *kind;
	/*
	 * TCA_OPTIONS (never NULL: absent options give conf NULL to the discipline) into conf, zeroed, of
	 * ops->conf_size bytes.
	 */
	int (*parse)(const struct nlattr *options, void *conf, struct error *err);
	void (*put)(struct nl_msgs *msgs, const void *conf); /* TCA_OPTIONS */
	/*
	 * For `weir save`: the options, each with a blank before it, as words that tc reads back to this conf; NULL:
	 * the kind takes none.
	 */
	void (*save)(FILE *out, const void *conf);
	/*
	 * What it takes more than one line to say: whole lines, each of which starts with `change`, the words of a
	 * `tc qdisc change` up to the kind. NULL: nothing.
	 */
	void (*save_more)(FILE *out, const char *change, const void *conf);
	void (*put_xstats)(struct nl_msgs *msgs, uint16_t attr, const void *xstats);
	size_t xstats_size;
	const struct class_codec *classes; /* NULL: a class is shown by its handle alone */
	bool one_reference; /* at the root, too: Linux counts two of other kinds (tc prints no refcnt then) */
};

void qdisc_codec_register(const struct qdisc_codec *codec);
const struct qdisc_codec *qdisc_codec_find(const char *kind);

#define QDISC_CODEC_REGISTER(codec)                                                                                    \
	__attribute__((constructor)) static void qdisc_codec_register_##codec(void)                                    \
	{                                                                                                              \
		qdisc_codec_register(&(codec));                                                                        \
	}

/* The config structs and xstats of any kind fit in this; checked where they are used. */
#define TC_CONF_MAX 2048

union tc_conf {
	uint8_t bytes[TC_CONF_MAX];
	uint64_t align;
};

/* struct tc_ratespec and the 64-bit attribute that stands in for it from 2^32 bytes per second on. */
int rate_parse(const struct tc_ratespec *spec, const struct nlattr *rate64, struct rate_conf *rate, struct error *err);
void rate_put(const struct rate_conf *rate, struct tc_ratespec *spec);

/* For save: " WORD RATE", and the overhead, mpu and link layer of a rate where they differ from none. */
void save_rate(FILE *out, const char *word, const struct rate_conf *rate);
void save_packet_size(FILE *out, const struct rate_conf *rate);
/* For save: a bucket's size from its time at the rate; to the next byte, as tc rounds down when it reads it. */
uint64_t save_bucket_bytes(uint64_t ns, uint64_t Bps);

/*
 * The struct at the start of an attribute, copied; EINVAL if it is shorter. What is longer is ignored, as Linux does.
 */
int struct_parse(const struct nlattr *attr, void *to, size_t size, const char *what, struct error *err);

#endif
