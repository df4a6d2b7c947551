/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Codecs of classifiers (f_KIND.c) and actions (act_KIND.c): their netlink options to and from the conf structs in
 * include/weir/filter and include/weir/action. Each registers itself; filter.c and action.c know no kind.
 */
#ifndef WEIR_CONTROL_TC_CODEC_H
#define WEIR_CONTROL_TC_CODEC_H

#include <control.h>
#include <netlink/netlink.h>
#include <save.h>
#include <weir/action/gact.h>
#include <weir/action/skbedit.h>
#include <weir/classify.h>
#include <weir/filter/ematch.h>
#include <weir/filter/fw.h>
#include <weir/filter/u32.h>

/* ---- actions --------------------------------------------------------------------------------- */

#define ACTION_CONF_MAX 256 /* bytes; checked where a codec is registered */

/* What a list of actions was parsed into; the specs point into it. */
struct actions {
	const struct control *control; /* set before anything is parsed */
	bool has_estimator;
	struct tc_estimator estimator; /* a filter's, for all its actions that it makes */
	unsigned int n;
	struct action_spec specs[ACTIONS_MAX];
	char kinds[ACTIONS_MAX][16];
	union {
		uint8_t bytes[ACTION_CONF_MAX];
		uint64_t align;
	} confs[ACTIONS_MAX];
};

struct action_codec {
	const char *kind;
	size_t conf_size;
	/* TCA_ACT_OPTIONS into conf, zeroed; *given false where only an index was given. */
	int (*parse)(const struct nlattr *options, void *conf, uint32_t *index, bool *given, struct error *err);
	int (*check)(const struct control *control, const void *conf,
		struct error *err); /* of a conf that was given: what it names must be there; NULL: it names nothing */
	void (*put)(struct nl_msgs *msgs,
		const struct action *action); /* what stands in TCA_ACT_OPTIONS, but for the times */
	/* For `weir save`: the options, each with a blank before it, as words that tc reads back to this conf. */
	void (*save)(const struct save *save, const void *conf);
	uint16_t times_attr; /* TCA_KIND_TM */
	unsigned int
		per_message; /* so many at most in one message of a dump, of which tc reads 32 KiB; 0: as of others */
};

void action_codec_register(const struct action_codec *codec);

#define ACTION_CODEC_REGISTER(codec)                                                                                   \
	__attribute__((constructor)) static void action_codec_register_##codec(void)                                   \
	{                                                                                                              \
		action_codec_register(&(codec));                                                                       \
	}

/* struct tc_gen's fields, with which each kind's own struct begins: index, capab, action, refcnt, bindcnt. */
struct action_head {
	tc_gen;
};
struct action_head action_head_of(const struct action *action, int32_t verdict);

/* A nest of actions numbered from 1, as TCA_U32_ACT is; attr NULL: none. */
int actions_parse(const struct nlattr *attr, struct actions *actions, struct error *err);
void actions_put(struct nl_msgs *msgs, uint16_t attr, const struct action_list *list, uint64_t now);
/*
 * The action of old that is no list, TCA_U32_POLICE and the like: parsed behind actions_parse, whose actions it takes
 * the place of; attr NULL: none. Put in the filter's options, and its counters behind them.
 */
int bare_police_parse(const struct nlattr *attr, struct actions *actions, struct error *err);
void bare_police_put(struct nl_msgs *msgs, uint16_t attr, const struct action_list *list, uint64_t now);
void bare_police_put_stats(struct nl_msgs *msgs, const struct action_list *list, uint64_t now);

const char *verdict_word(int32_t action); /* NULL: a jump or goto chain */
void save_verdict(FILE *out, int32_t action); /* " WORD" */
void save_actions(const struct save *save, const struct action_list *list);
int save_own_actions(const struct save *save); /* those that no filter has made: before filters */

/* ---- filters --------------------------------------------------------------------------------- */

/* Where TCA_OPTIONS of a filter are parsed; the conf points into the rest. */
struct filter_options {
	const struct control *control;
	union {
		struct u32_conf u32;
		struct fw_conf fw;
		uint8_t bytes[256];
	} conf;
	uint32_t classid; /* the filter's target; 0: none */
	struct actions actions;
	struct u32_key keys[U32_KEYS_MAX];
	struct ematch matches[EMATCHES_MAX];
};

struct filter_codec {
	const char *kind;
	int (*parse)(const struct nlattr *nest, struct filter_options *options, struct error *err);
	void (*put)(
		struct nl_msgs *msgs, const struct control *control, const struct filter_info *info); /* TCA_OPTIONS */
	/*
	 * For `weir save`: handle, kind and options, each with a blank before it, as words that tc reads back; false:
	 * this one needs no line (a group, whose filters say all).
	 */
	bool (*save)(const struct save *save, const struct filter_info *info);
	/* TCA_OPTIONS and words of a chain's template; NULL: there are none of the kind. */
	void (*put_template)(struct nl_msgs *msgs, const struct control *control, const void *conf);
	void (*save_template)(const struct save *save, const void *conf);
	bool (*leads)(const struct filter_info *info); /* others lead to it, so it is saved before them; NULL: none */
	bool newest_first; /* a new filter comes before those of its group: they are saved in the order of their age */
};

void filter_codec_register(const struct filter_codec *codec);
const struct filter_codec *filter_codec_find(const char *kind);
void save_classid(FILE *out, const char *word, uint32_t classid); /* " WORD MAJOR:MINOR" */

#define FILTER_CODEC_REGISTER(codec)                                                                                   \
	__attribute__((constructor)) static void filter_codec_register_##codec(void)                                   \
	{                                                                                                              \
		filter_codec_register(&(codec));                                                                       \
	}

/* TCA_CLS_FLAGS_*: what leaves the filter to hardware, or makes no sense or not with the actions, is refused. */
int hardware_flags_check(const char *kind, uint32_t flags, const struct actions *actions, struct error *err);

/* `indev NAME`: the ifindex, 0 where attr is NULL. */
int indev_parse(const struct control *control, const struct nlattr *attr, uint32_t *ifindex, struct error *err);
void indev_put(struct nl_msgs *msgs, const struct control *control, uint16_t attr,
	uint32_t ifindex); /* nothing if it is 0 or gone */
void indev_save(const struct save *save, uint32_t ifindex); /* likewise: " indev NAME" */

#endif
