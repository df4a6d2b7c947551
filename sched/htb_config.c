/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HTB: what classes are configured to. A thousand customers have five tariffs between them, so classes that are
 * configured alike share what that comes to.
 */
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

#include "htb.h"

#define QUANTUM_MIN 1000 /* bytes: what rate / r2q is kept within, tc-htb(8) */
#define QUANTUM_MAX 200000

#define BURST_MIN_NS UINT64_C(1000000)

int
htb_check_class_conf(const struct htb_class_conf *conf, struct error *err)
{
	if (conf == NULL)
		return error_set(err, EINVAL, "htb: a class needs a rate");
	if (conf->rate.Bps == 0)
		return error_set(
			err, EINVAL, "htb: a rate of 0 would never send anything; give one, as in 'rate 1mbit'");
	if (conf->ceil.Bps == 0)
		return error_set(
			err, EINVAL, "htb: a ceil of 0 would never send anything; leave it out for ceil = rate");
	if (conf->ceil.Bps < conf->rate.Bps)
		error_warn(err, "htb: the class will never reach its rate, as its ceil is below it");
	return 0;
}

/*
 * A bucket holds what was configured, and never less than a full frame, which a class must be able to send, nor than
 * what it earns in a millisecond: who comes that late, for want of the processor or of the link, still sends all that
 * is due.
 */
static int64_t
bucket_depth(const struct qdisc *q, const struct rate *rate, uint64_t burst_ns)
{
	int64_t frame = rate_cost(rate, qdisc_mtu(q) + 14);
	int64_t depth = tokens_from_ns(RTE_MAX(burst_ns, BURST_MIN_NS));

	return depth > frame ? depth : frame;
}

static uint32_t
quantum_of(const struct htb *h, const struct htb_class_conf *conf)
{
	uint64_t quantum = conf->quantum;

	if (quantum == 0) {
		quantum = conf->rate.Bps / h->conf.rate2quantum;
		quantum = RTE_MAX(quantum, (uint64_t)QUANTUM_MIN);
		quantum = RTE_MIN(quantum, (uint64_t)QUANTUM_MAX);
	}
	return (uint32_t)RTE_MIN(quantum, (uint64_t)INT32_MAX / 2);
}

/* Padding is 0, so that equal ones are equal byte by byte. */
static void
make_config(struct htb_config *config, const struct htb *h, const struct qdisc *q, const struct htb_class_conf *conf)
{
	memset(config, 0, sizeof(*config));
	rate_init(&config->rate, &conf->rate);
	rate_init(&config->ceil, &conf->ceil);
	config->one_rate = rates_equal(&config->rate, &config->ceil);
	config->depth = bucket_depth(q, &config->rate, conf->burst_ns);
	config->ceil_depth = bucket_depth(q, &config->ceil, conf->cburst_ns);
	config->prio = (uint8_t)RTE_MIN(conf->prio, (uint32_t)HTB_PRIOS - 1);
	config->quantum = quantum_of(h, conf);
}

/* ---- shared */

#define CONFIG_SAID offsetof(struct htb_config, next) /* bytes in which two may differ */

int
htb_configs_create(struct htb *h)
{
	/* Not the arena's: of these, only the pages that are touched are to be memory. */
	h->configs_memory = calloc(HTB_CONFIGS + 1, sizeof(struct htb_config));
	h->configs = RTE_PTR_ALIGN_CEIL(h->configs_memory, sizeof(struct htb_config));
	h->configs_used = 1;
	return h->configs_memory == NULL ? -ENOMEM : 0;
}

void
htb_configs_destroy(struct htb *h)
{
	free(h->configs_memory);
	h->configs = NULL;
}

/* FNV-1a (Fowler, Noll and Vo), word by word. */
static uint16_t *
bucket_of(struct htb *h, const struct htb_config *config)
{
	uint32_t words[CONFIG_SAID / sizeof(uint32_t)], hash = 2166136261u;

	memcpy(words, config, sizeof(words));
	for (unsigned int i = 0; i < RTE_DIM(words); i++)
		hash = (hash ^ words[i]) * 16777619u;
	return &h->config_buckets[(hash ^ hash >> 16) % HTB_CONFIG_BUCKETS];
}

static uint16_t
free_place(struct htb *h)
{
	uint16_t place = h->config_free;

	if (place != 0)
		h->config_free = h->configs[place].next;
	else if (h->configs_used < HTB_CONFIGS)
		place = (uint16_t)h->configs_used++;
	return place;
}

uint16_t
htb_config_get(struct htb *h, const struct qdisc *q, const struct htb_class_conf *conf)
{
	struct htb_config wanted;

	make_config(&wanted, h, q, conf);
	uint16_t *bucket = bucket_of(h, &wanted), place = *bucket;

	while (place != 0 && memcmp(&h->configs[place], &wanted, CONFIG_SAID) != 0)
		place = h->configs[place].next;
	if (place == 0) {
		place = free_place(h);
		if (place == 0)
			return 0;
		wanted.next = *bucket;
		memcpy(&h->configs[place], &wanted, sizeof(wanted));
		*bucket = place;
	}
	h->configs[place].users++;
	return place;
}

void
htb_config_put(struct htb *h, uint16_t place)
{
	struct htb_config *config;

	/* When all of htb goes, its classes are the last. */
	if (place == 0 || h->configs == NULL)
		return;
	config = &h->configs[place];
	if (--config->users != 0)
		return;
	for (uint16_t *link = bucket_of(h, config);; link = &h->configs[*link].next) {
		if (*link == place) {
			*link = config->next;
			break;
		}
	}
	config->next = h->config_free;
	h->config_free = place;
}
