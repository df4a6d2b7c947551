/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of classify/ share among themselves. */
#ifndef WEIR_CLASSIFY_INTERNAL_H
#define WEIR_CLASSIFY_INTERNAL_H

#include <weir/classify.h>

/* What is read and written by different threads without a lock: one writer, plain word. */
#define load_relaxed(pointer)         __atomic_load_n(pointer, __ATOMIC_RELAXED)
#define load_acquire(pointer)         __atomic_load_n(pointer, __ATOMIC_ACQUIRE)
#define store_release(pointer, value) __atomic_store_n(pointer, value, __ATOMIC_RELEASE)

/* A counter of which this thread is the only writer: no locked instruction is needed. */
static inline void
counter_add(uint64_t *counter, uint64_t amount)
{
	__atomic_store_n(counter, *counter + amount, __ATOMIC_RELAXED);
}

/* A state for random_shift: not 0. Control thread. */
uint64_t classify_random(void);

/* Counts by class: how often it was bound. Open addressing; control thread only. */
struct class_uses {
	struct class_use {
		uint32_t classid, count; /* count 0: a free place, classid 0, or one that was used */
	} * slots;
	uint32_t size; /* a power of two, or 0 */
	uint32_t used; /* slots with a classid */
};

uint32_t class_uses_count(const struct class_uses *uses, uint32_t classid);
/*
 * A use that finds no memory is not counted: then the class may be deleted while a filter names it, which harms
 * nothing.
 */
void class_uses_add(struct class_uses *uses, uint32_t classid);
void class_uses_drop(struct class_uses *uses, uint32_t classid);
void class_uses_free(struct class_uses *uses);

/* A packet's length as classification counts it. */
static inline uint32_t
classify_bytes(const struct classify_ctx *ctx, struct rte_mbuf *m)
{
	return m->pkt_len - (ctx->ingress ? pkt_of(m)->l3_off : 0);
}

/* What a filter says of a packet that it matches. */
struct filter_target {
	uint32_t classid; /* 0: none */
	bool pure;
	struct action_list *actions; /* NULL: none */
};

int filter_target_init(struct filter_group *group, struct filter_target *target, uint32_t classid,
	const struct action_spec *actions, unsigned int n_actions, struct error *err);
/* No new packet comes here: the class and the actions are let go at once; a grace period later their memory. */
void filter_target_release(struct filter_group *group, struct filter_target *target);

static inline struct verdict
filter_target_answer(const struct filter_target *target, const struct classify_ctx *ctx, struct rte_mbuf *m)
{
	struct verdict answer = { .classid = target->classid };

	answer.action = action_list_run(target->actions, ctx, m, &answer);
	return answer;
}

/*
 * For actions whose conf is replaced as a whole while packets pass: *published gets a copy (of conf_size), and the old
 * one is freed when nobody reads it any more.
 */
int action_publish_conf(struct action *action, const void **published, const void *conf, struct error *err);
void action_free_conf(const void *conf); /* in destroy */

/* ---- chains ------------------------------------------------------------------------------------- */

struct filter_group {
	const struct filter_ops *ops;
	struct chain *chain;
	uint32_t index; /* of the chain in the chain that it is in: what `goto chain` names */
	uint32_t preference;
	uint16_t protocol;
	_Alignas(64) uint8_t priv[];
};

/* By chain, in the order in which chains were made, then by preference. */
struct group_list {
	uint32_t n;
	uint32_t first, end; /* chain 0's, where classification starts */
	struct filter_group *groups[];
};

/* What all chains of a qdisc and its classes have in common. */
struct chain_shared {
	uint32_t references; /* by chains */
	struct class_uses uses;
	void *u32_tables;
};

struct chain {
	struct group_list *groups; /* published; NULL: none */
	/* control's */
	struct rcu *rcu;
	struct chain_shared *shared;
	uint32_t handle, parent;
	uint64_t now; /* of the change in course */
	/* chains by the order in which they came: with filters, or asked for by name (`tc chain add`) */
	struct chain_index {
		uint32_t index;
		bool named;
		const struct filter_ops *template_ops; /* NULL: no template */
		void *template; /* a conf */
	} * indices;
	uint32_t n_indices;
};

#endif
