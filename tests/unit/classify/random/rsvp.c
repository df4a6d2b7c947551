/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The reference of rsvp and rsvp6: sessions and senders (RFC 2205 section 3.1, RFC 2207), in the order in which Linux
 * 5.10 was seen to keep them.
 */
#include <netinet/in.h>
#include <string.h>

#include <arpa/inet.h>
#include <linux/if_ether.h>

#include <weir/filter/rsvp.h>

#include "random.h"

#define ROUNDS_MAX 8

struct own {
	struct rsvp_conf conf;
	double session_rank, rank; /* the least is asked first; 0: none yet */
};

static const struct rsvp_conf *
conf_of(const struct random_filter *f)
{
	return &((const struct own *)f->own)->conf;
}

static bool
is6(const struct random_group *g)
{
	return strcmp(g->kind->name, "rsvp6") == 0;
}

/* A network header, and what is behind it. */
struct header {
	uint32_t source[4], destination[4], protocol, tunnelid;
	int64_t transport;
};

static bool
read_header(bool six, const struct plain_packet *p, int64_t at, struct header *h)
{
	uint32_t first, fragment, end;

	memset(h->source, 0, sizeof(h->source));
	memset(h->destination, 0, sizeof(h->destination));
	if (!plain_read(p, at, 1, &first) || !plain_read(p, at + (six ? 36 : 16), 4, &end))
		return false;
	if (six) {
		memcpy(h->source, p->bytes + at + 8, 16);
		memcpy(h->destination, p->bytes + at + 24, 16);
		h->protocol = p->bytes[at + 6];
		h->transport = at + 40;
		return true;
	}
	plain_read(p, at + 6, 2, &fragment);
	if ((first & 15) < 5 || (fragment & 0x3fff) != 0)
		return false;
	memcpy(h->source, p->bytes + at + 12, 4);
	memcpy(h->destination, p->bytes + at + 16, 4);
	h->protocol = p->bytes[at + 9];
	h->transport = at + (first & 15) * 4;
	return true;
}

/* ---- drawing ------------------------------------------------------------------------------------ */

static void
draw_port(struct rsvp_port *port, const struct header *h, const struct plain_packet *like, bool sender)
{
	static const uint32_t masks[] = { 0xffff0000, 0xffff, 0xff000000, 0xff00ff00, UINT32_MAX };
	uint32_t value = 0;

	*port = (struct rsvp_port){ .mask = 0 };
	if (one_in(3))
		return;
	port->mask = htonl(one_in(3) ? masks[below(5)] : sender ? 0xffff0000 : 0xffff);
	port->offset = one_in(8) ? (int32_t)below(40) - 20 : one_in(4) ? 4 : 0;
	plain_read(like, h->transport + port->offset, 4, &value);
	port->key = htonl(value); /* what is outside of the mask says nothing */
}

static void
draw_new(struct random_group *g, struct random_filter *f, const struct plain_packet *like)
{
	struct rsvp_conf *conf = &((struct own *)f->own)->conf;
	struct header h = { .protocol = 17 };
	bool six = is6(g);
	int64_t inner;

	if (!read_header(six, like, like->pkt.l3_off, &h) || one_in(10)) {
		h.destination[six ? 3 : 0] = htonl(0xc0000200 | below(4));
		h.protocol = below(2) != 0 ? 6 : 17;
	}
	/* A tunnel, or what is inside of one. */
	inner = h.transport + (h.protocol == IPPROTO_GRE ? 4 : 0);
	if (h.protocol == (six ? IPPROTO_IPV6 : IPPROTO_IPIP) || (!six && h.protocol == IPPROTO_GRE)) {
		conf->pinfo.tunnelhdr = (uint8_t)(inner - h.transport + (six ? 40 : 20));
		if (one_in(2) && read_header(six, like, inner, &h)) {
			conf->pinfo.tunnelhdr = 0;
			conf->pinfo.tunnelid = (uint8_t)(1 + below(2));
		}
	}
	if (one_in(12))
		conf->pinfo.tunnelhdr = (uint8_t)(16 + 4 * below(8));
	if (conf->pinfo.tunnelhdr != 0)
		f->classid = 1 + below(2); /* the tunnel's number */
	else if (one_in(8))
		conf->pinfo.tunnelid = (uint8_t)(1 + below(2));
	conf->has_session = true;
	memcpy(conf->session, h.destination, sizeof(conf->session));
	conf->pinfo.protocol = (uint8_t)h.protocol;
	draw_port(&conf->pinfo.session, &h, like, false);
	conf->has_sender = one_in(2);
	if (conf->has_sender)
		memcpy(conf->sender, h.source, sizeof(conf->sender));
	if (conf->has_sender || one_in(3))
		draw_port(&conf->pinfo.sender, &h, like, true);
	conf->has_classid = true;
	conf->classid = f->classid;
}

static void
draw(struct random_group *g, struct random_filter *f, const struct random_filter *old, const struct plain_packet *like)
{
	struct own *own = f->own;

	if (old == NULL) {
		draw_new(g, f, like);
		return;
	}
	/* A change is of class and actions. */
	*own = *(const struct own *)old->own;
	own->conf.has_classid = one_in(2) && own->conf.pinfo.tunnelhdr == 0;
	if (!own->conf.has_classid)
		f->classid = old->classid;
	own->conf.classid = f->classid;
}

static const void *
conf(struct random_filter *f, const struct action_spec *actions, unsigned int n)
{
	struct rsvp_conf *conf = &((struct own *)f->own)->conf;

	conf->actions = actions;
	conf->n_actions = n;
	return conf;
}

/* ---- sessions ----------------------------------------------------------------------------------- */

static bool
same_session(const struct rsvp_conf *a, const struct rsvp_conf *b)
{
	return memcmp(a->session, b->session, sizeof(a->session)) == 0 && a->pinfo.protocol == b->pinfo.protocol &&
	       a->pinfo.tunnelid == b->pinfo.tunnelid && a->pinfo.session.mask == b->pinfo.session.mask &&
	       a->pinfo.session.offset == b->pinfo.session.offset &&
	       ((a->pinfo.session.key ^ b->pinfo.session.key) & a->pinfo.session.mask) == 0;
}

static bool
port_is(const struct rsvp_port *port, const struct header *h, const struct plain_packet *p)
{
	uint32_t word;

	return port->mask == 0 ||
	       (plain_read(p, h->transport + port->offset, 4, &word) && ((htonl(word) ^ port->key) & port->mask) == 0);
}

static bool
is_session(const struct rsvp_conf *conf, const struct header *h, const struct plain_packet *p)
{
	return memcmp(conf->session, h->destination, sizeof(conf->session)) == 0 &&
	       conf->pinfo.protocol == h->protocol && conf->pinfo.tunnelid == h->tunnelid &&
	       port_is(&conf->pinfo.session, h, p);
}

/* Linux's hash of an address: a byte that its bytes make. */
static uint32_t
byte_of(const struct random_group *g, const uint32_t *address)
{
	const uint8_t *bytes = (const uint8_t *)&address[is6(g) ? 3 : 0];

	return bytes[0] ^ bytes[1] ^ bytes[2] ^ bytes[3];
}

static uint32_t
session_hash(const struct random_group *g, const struct rsvp_conf *conf)
{
	return byte_of(g, conf->session) ^ conf->pinfo.protocol ^ conf->pinfo.tunnelid;
}

static uint32_t
sender_hash(const struct random_group *g, const struct rsvp_conf *conf)
{
	uint32_t byte = byte_of(g, conf->sender);

	return conf->has_sender ? (byte ^ byte >> 4) & 15 : 16;
}

/*
 * A list has ranks. What comes goes before the first that has not all bits of its port's mask.
 */
struct place {
	double rank;
	uint32_t mask;
};

static double
rank_among(struct place *list, unsigned int n, uint32_t mask)
{
	double before = 0;

	for (unsigned int i = 1; i < n; i++)
		for (unsigned int j = i; j > 0 && list[j - 1].rank > list[j].rank; j--) {
			struct place swapped = list[j];

			list[j] = list[j - 1];
			list[j - 1] = swapped;
		}
	for (unsigned int i = 0; i < n; i++) {
		if ((list[i].mask & mask) != mask)
			return (before + list[i].rank) / 2;
		before = list[i].rank;
	}
	return before + 1;
}

static int
settle(struct random_group *g, struct random_filter *f, const struct random_filter *old)
{
	struct own *own = f->own;
	struct place sessions[RANDOM_FILTERS_MAX], senders[RANDOM_FILTERS_MAX];
	unsigned int n_sessions = 0, n_senders = 0;

	if (old != NULL)
		return 0; /* it keeps its places, which draw has copied */
	for (unsigned int i = 0; i < g->n; i++) {
		const struct own *other = g->filters[i].own;

		if (session_hash(g, &other->conf) == session_hash(g, &own->conf))
			sessions[n_sessions++] = (struct place){ other->session_rank, other->conf.pinfo.session.mask };
		if (!same_session(&other->conf, &own->conf))
			continue;
		own->session_rank = other->session_rank;
		if (sender_hash(g, &other->conf) == sender_hash(g, &own->conf))
			senders[n_senders++] = (struct place){ other->rank, other->conf.pinfo.sender.mask };
	}
	if (own->session_rank == 0)
		own->session_rank = rank_among(sessions, n_sessions, own->conf.pinfo.session.mask);
	own->rank = rank_among(senders, n_senders, own->conf.pinfo.sender.mask);
	return 0;
}

/* The session that comes first of those that the packet is in; NULL: none. */
static const struct own *
find_session(const struct random_group *g, const struct header *h, const struct plain_packet *p)
{
	const struct own *best = NULL;

	for (unsigned int i = 0; i < g->n; i++) {
		const struct own *own = g->filters[i].own;

		if (is_session(&own->conf, h, p) && (best == NULL || own->session_rank < best->session_rank))
			best = own;
	}
	return best;
}

/* The next filter of a session behind `rank`, of those with a sender or of those for any; NULL: none. */
static struct random_filter *
next_filter(struct random_group *g, const struct own *session, bool senders, double rank, const struct header *h,
	const struct plain_packet *p)
{
	struct random_filter *best = NULL;

	for (unsigned int i = 0; i < g->n; i++) {
		const struct own *own = g->filters[i].own;

		if (own->session_rank != session->session_rank || !same_session(&own->conf, &session->conf) ||
			own->conf.has_sender != senders || own->rank <= rank)
			continue;
		if ((senders && memcmp(own->conf.sender, h->source, sizeof(h->source)) != 0) ||
			!port_is(&own->conf.pinfo.sender, h, p))
			continue;
		if (best == NULL || own->rank < ((const struct own *)best->own)->rank)
			best = &g->filters[i];
	}
	return best;
}

/* The filter of the session that decides; those with the packet's sender go first. NULL: none. */
static struct random_filter *
ask_session(struct random_group *g, const struct own *session, const struct header *h, struct plain_packet *p,
	struct plain_answer *answer)
{
	for (int senders = 1; senders >= 0; senders--) {
		struct random_filter *f = next_filter(g, session, senders, 0, h, p);

		for (; f != NULL; f = next_filter(g, session, senders, ((const struct own *)f->own)->rank, h, p)) {
			plain_decide(f, p, answer);
			if (answer->action != TC_ACT_UNSPEC)
				return f;
		}
	}
	return NULL;
}

static void
ask(struct random_group *g, struct plain_packet *p, struct plain_answer *answer)
{
	const struct plain_answer nothing = *answer;
	struct header h = { .tunnelid = 0 };
	int64_t at = p->pkt.l3_off;

	if (p->pkt.protocol != htons(g->kind->protocol))
		return;
	for (unsigned int round = 0; round < ROUNDS_MAX && read_header(is6(g), p, at, &h); round++) {
		const struct own *session = find_session(g, &h, p);
		const struct random_filter *f = session != NULL ? ask_session(g, session, &h, p, answer) : NULL;

		if (f == NULL)
			break;
		/*
		 * A tunnel that lets the packet go on: its number says which sessions are asked about what is inside.
		 */
		if (conf_of(f)->pinfo.tunnelhdr == 0 || answer->action != TC_ACT_OK)
			return;
		h.tunnelid = f->classid;
		at = h.transport + conf_of(f)->pinfo.tunnelhdr - (is6(g) ? 40 : 20);
	}
	*answer = nothing;
}

#define KIND(kind, ethertype)                                                                                          \
	{                                                                                                              \
		.name = kind, .own_size = sizeof(struct own), .filters_max = RANDOM_FILTERS_MAX,                       \
		.protocol = ethertype, .draw = draw, .conf = conf, .settle = settle, .ask = ask,                       \
		.actions = rsvp_actions                                                                                \
	}
const struct random_kind random_rsvp = KIND("rsvp", ETH_P_IP), random_rsvp6 = KIND("rsvp6", ETH_P_IPV6);
