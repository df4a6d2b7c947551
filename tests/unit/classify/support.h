/* SPDX-License-Identifier: BSD-3-Clause */
/* A chain, packets that need no pool, and short ways to add filters and to ask. Frames are Ethernet + IPv4 + UDP. */
#ifndef WEIR_TEST_CLASSIFY_SUPPORT_H
#define WEIR_TEST_CLASSIFY_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/netlink.h>

#include <cmocka.h>

#include <weir/action/gact.h>
#include <weir/action/skbedit.h>
#include <weir/classify.h>
#include <weir/filter/fw.h>
#include <weir/filter/u32.h>

#define CREATE                (CHANGE_CREATE | CHANGE_EXCLUSIVE)
#define REPLACE               (CHANGE_CREATE | CHANGE_REPLACE)
#define CHANGE                0
#define CLASSID(major, minor) (((uint32_t)(major) << 16) | (minor))

/* A packet that lies in one piece of memory, as in a pool: mbuf, struct pkt, data. */
struct packet {
	struct rte_mbuf mbuf;
	struct pkt pkt;
	uint8_t data[256];
};

static inline void
packet_init(struct packet *p, const void *frame, uint16_t bytes)
{
	memset(p, 0, sizeof(*p));
	p->mbuf.priv_size = sizeof(struct pkt);
	p->mbuf.buf_addr = p->data;
	p->mbuf.data_len = bytes;
	p->mbuf.pkt_len = bytes;
	p->mbuf.nb_segs = 1;
	memcpy(p->data, frame, bytes);
	p->pkt.l3_off = 14;
	p->pkt.protocol = htons(ETH_P_IP);
	p->pkt.in_port = 2;
}

/* 10.0.0.1:1000 -> 10.0.0.2:53, 64 bytes on the wire. */
static inline void
packet_udp(struct packet *p, uint32_t mark)
{
	static const uint8_t frame[64] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0x10, 0, 50, 0, 0, 0, 0, 64,
		17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0x03, 0xe8, 0, 53, 0, 30 };

	packet_init(p, frame, sizeof(frame));
	p->pkt.mark = mark;
}

/* Moves what lies behind the first `first` bytes of a's data into b, its second segment. */
static inline void
packet_split(struct packet *a, struct packet *b, uint16_t first)
{
	packet_init(b, a->data + first, a->mbuf.data_len - first);
	memset(a->data + first, 0xee, sizeof(a->data) - first);
	a->mbuf.data_len = first;
	a->mbuf.next = &b->mbuf;
	a->mbuf.nb_segs = 2;
}

static inline struct verdict
ask(const struct chain *chain, struct packet *p)
{
	struct classify_ctx ctx = { .now = 1000000000 };
	struct rte_mbuf *m = &p->mbuf;
	struct verdict v;

	chain_classify(chain, &ctx, &m, 1, &v);
	return v;
}

/* The class of a packet with this mark; 0: none; UINT32_MAX: to be dropped. */
static inline uint32_t
class_of_mark(const struct chain *chain, uint32_t mark)
{
	struct packet p;
	struct verdict v;

	packet_udp(&p, mark);
	v = ask(chain, &p);
	if (v.action == TC_ACT_SHOT)
		return UINT32_MAX;
	assert_true(v.action == TC_ACT_OK || v.action == TC_ACT_UNSPEC);
	return v.action == TC_ACT_OK ? v.classid : 0;
}

static inline int
add_filter(struct chain *chain, uint32_t preference, const char *kind, uint32_t handle, const void *conf,
	uint16_t flags, struct error *err)
{
	struct filter_spec spec = { preference, htons(ETH_P_IP), handle, kind, conf, 500 };
	struct error unused;

	return chain_filter_add(chain, &spec, flags, NULL, err != NULL ? err : &unused);
}

static inline int
delete_filter(struct chain *chain, uint32_t preference, const char *kind, uint32_t handle, struct error *err)
{
	struct filter_spec spec = {
		.preference = preference, .protocol = handle != 0 ? htons(ETH_P_IP) : 0, .handle = handle, .kind = kind
	};

	return chain_filter_delete(chain, &spec, NULL, NULL, err);
}

static inline int
add_fw(struct chain *chain, uint32_t preference, uint32_t mark, uint32_t classid)
{
	return add_filter(chain, preference, "fw", mark, &(struct fw_conf){ .has_classid = true, .classid = classid },
		CREATE, NULL);
}

static inline int
add_fw_actions(struct chain *chain, uint32_t preference, uint32_t mark, uint32_t classid,
	const struct action_spec *actions, unsigned int n)
{
	struct fw_conf conf = { .has_classid = classid != 0, .classid = classid, .actions = actions, .n_actions = n };

	return add_filter(chain, preference, "fw", mark, &conf, CREATE, NULL);
}

#define GACT(verdict)                                                                                                  \
	{                                                                                                              \
		.kind = "gact", .conf = &(struct gact_conf)                                                            \
		{                                                                                                      \
			.action = (verdict)                                                                            \
		}                                                                                                      \
	}
#define SET_MARK(value, then)                                                                                          \
	{                                                                                                              \
		.kind = "skbedit", .conf = &(struct skbedit_conf)                                                      \
		{                                                                                                      \
			.action = (then), .set = SKBEDIT_F_MARK, .mark = (value)                                       \
		}                                                                                                      \
	}

/* How the classifiers hash words, one after another: for tests of what two of one hash are taken for. */
static inline uint64_t
mix_word(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 32;
}

/* Behind `first` the word that gives, from `start` on, the hash that `a` and then `b` give. */
static inline uint64_t
word_of_one_hash(uint64_t start, uint64_t a, uint64_t b, uint64_t first)
{
	return mix_word(start, a) ^ mix_word(start, first) ^ b;
}

/* Ethernet + IPv6 + UDP to port 80, flow label 0x12345, 62 bytes on the wire; addresses are 0. */
static inline void
packet_udp6(struct packet *p)
{
	static const uint8_t head[62] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x86, 0xdd, 0x60, 0x01, 0x23, 0x45, 0, 8,
		17, 64, [57] = 80 };

	packet_init(p, head, sizeof(head));
	p->pkt.protocol = htons(ETH_P_IPV6);
}

/* "pref/handle" of all that a dump would print, in its order. */
static inline int
append_name(void *arg, const struct filter_info *info)
{
	char *text = arg;

	sprintf(text + strlen(text), "%s%u/%x", text[0] != '\0' ? " " : "", info->preference, info->handle);
	return 0;
}

static inline void
assert_filters(const struct chain *chain, const char *expected)
{
	char text[1024] = "";

	chain_walk(chain, append_name, text);
	assert_string_equal(text, expected);
}

#define assert_refused(rc, err, errno_wanted, sentence)                                                                \
	do {                                                                                                           \
		assert_int_equal(rc, -(errno_wanted));                                                                 \
		assert_int_equal((err).code, errno_wanted);                                                            \
		assert_string_equal((err).msg, sentence);                                                              \
	} while (0)

#endif
