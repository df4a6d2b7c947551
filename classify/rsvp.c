/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rsvp, rsvp6: a packet belongs to the session of its destination, its protocol and, where the session says so, its
 * destination's port; within the session to a filter by its sender. The session is found first, and once it is found
 * no other is asked, as on Linux 5.10: of two sessions with one destination that with more bits of a port goes first.
 *
 * Sessions whose ports lie in the same bits are of one shape, and one probe finds them (tuple_space.h). Another finds
 * the filters of a session for a sender; those for any sender are a list.
 *
 * A filter with a tunnelhdr sends the packet round again, with the header inside and the tunnel's number. A handle has
 * Linux's form: a counter, and below it what Linux's hash tables would have made of sender and destination, which is
 * the order of dumps, too.
 */
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>

#include "rsvp.h"

#define TUNNELS_MAX 255

/* ---- the order of Linux ---- */

static struct session *
session_at(struct place *place)
{
	return (struct session *)((char *)place - offsetof(struct session, place));
}

static struct rsvp_filter *
filter_at(struct place *place)
{
	return (struct rsvp_filter *)((char *)place - offsetof(struct rsvp_filter, place));
}

/* IPv4's one word, or the last of IPv6's. */
static uint32_t
fold(const uint32_t *address, bool is6)
{
	uint32_t word = address[is6 ? 3 : 0];

	word ^= word >> 16;
	return (word ^ word >> 8) & 0xff;
}

static uint32_t
session_hash(const struct session *session, bool is6)
{
	return fold(session->address, is6) ^ session->protocol ^ session->tunnelid;
}

static uint32_t
sender_hash(const struct rsvp_filter *filter, bool is6)
{
	uint32_t byte = fold(filter->sender, is6);

	return filter->has_sender ? (byte ^ byte >> 4) & 0xf : ANY_SENDER;
}

/* Ranks as far apart as can be. */
static void
spread(struct place *list)
{
	uint64_t n = 1, i = 0;

	for (const struct place *p = list; p != NULL; p = p->next)
		n++;
	for (struct place *p = list; p != NULL; p = p->next)
		__atomic_store_n(p->rank, UINT64_MAX / n * ++i, __ATOMIC_RELAXED);
}

/*
 * Behind those that have all its mask's bits. Ranks are given from below, for what comes after is put behind it mostly.
 */
static void
put_in_order(struct place **list, struct place *fresh)
{
	struct place **at = list, *before = NULL;
	uint64_t low, high;

	while (*at != NULL && ((*at)->mask & fresh->mask) == fresh->mask) {
		before = *at;
		at = &before->next;
	}
	low = before != NULL ? *before->rank : 0;
	high = *at != NULL ? *(*at)->rank : UINT64_MAX;
	fresh->next = *at;
	*at = fresh;
	if (high - low >= 4096)
		*fresh->rank = low + (high - low) / 2048;
	else
		spread(*list);
}

static void
take_out_of_order(struct place **at, struct place *gone)
{
	while (*at != gone)
		at = &(*at)->next;
	*at = gone->next;
}

/* ---- sessions ---- */

static struct shape *
shape_for(struct filter_group *group, const struct rsvp_port *port)
{
	struct rsvp *rsvp = filter_group_priv(group);
	const struct tuple_shapes *shapes = rsvp->sessions.shapes;
	struct shape *shape;

	for (uint32_t i = 0; shapes != NULL && i < shapes->n; i++) {
		shape = (struct shape *)shapes->shapes[i];
		if (shape->mask == port->mask && shape->offset == port->offset)
			return shape;
	}
	shape = calloc(1, sizeof(*shape));
	if (shape == NULL)
		return NULL;
	shape->mask = port->mask;
	shape->offset = port->offset;
	if (tuple_space_add(filter_group_rcu(group), &rsvp->sessions, &shape->sessions) != 0) {
		free(shape);
		return NULL;
	}
	return shape;
}

static struct session *
find_session(const struct shape *shape, const struct rsvp_conf *conf)
{
	const struct rsvp_pinfo *pinfo = &conf->pinfo;
	rte_be32_t port = pinfo->session.key & pinfo->session.mask;
	struct tuple *tuple =
		tuple_find(&shape->sessions, session_key(conf->session, pinfo->protocol, pinfo->tunnelid, port));

	while (tuple != NULL &&
		!is_session((struct session *)tuple, conf->session, pinfo->protocol, pinfo->tunnelid, port))
		tuple = tuple->next;
	return (struct session *)tuple;
}

/* The session goes if it has no filter any more. */
static void
drop_session_if_empty(struct filter_group *group, struct session *session)
{
	struct rsvp *rsvp = filter_group_priv(group);
	struct rcu *rcu = filter_group_rcu(group);

	if (session->n != 0 || tuple_remove(rcu, &session->shape->sessions, &session->tuple) != 0)
		return; /* without memory it stays, and says nothing */
	take_out_of_order(&rsvp->by_hash[session_hash(session, is6(group))], &session->place);
	tuple_space_drop_if_empty(rcu, &rsvp->sessions, &session->shape->sessions);
	rcu_defer(rcu, free, session);
}

/* The one that is there, or a new one; NULL: memory is out. */
static struct session *
session_for(struct filter_group *group, const struct rsvp_conf *conf)
{
	struct rsvp *rsvp = filter_group_priv(group);
	const struct rsvp_pinfo *pinfo = &conf->pinfo;
	struct shape *shape = shape_for(group, &pinfo->session);
	struct session *session = shape != NULL ? find_session(shape, conf) : NULL;
	struct place **list;

	if (shape == NULL || session != NULL)
		return session;
	session = calloc(1, sizeof(*session));
	if (session == NULL)
		return NULL;
	memcpy(session->address, conf->session, sizeof(session->address));
	session->port = pinfo->session;
	session->port.key &= session->port.mask;
	session->protocol = pinfo->protocol;
	session->tunnelid = pinfo->tunnelid;
	session->serial = rsvp->next_serial++;
	session->shape = shape;
	session->place = (struct place){ .mask = session->port.mask, .rank = &session->tuple.rank };
	session->tuple.keyed.key =
		session_key(session->address, session->protocol, session->tunnelid, session->port.key);
	list = &rsvp->by_hash[session_hash(session, is6(group))];
	put_in_order(list, &session->place);
	if (tuple_put(filter_group_rcu(group), &shape->sessions, &session->tuple) != 0) {
		take_out_of_order(list, &session->place);
		tuple_space_drop_if_empty(filter_group_rcu(group), &rsvp->sessions, &shape->sessions);
		free(session);
		return NULL;
	}
	return session;
}

/* ---- filters ---- */

static struct place **
list_of(const struct filter_group *group, const struct rsvp_filter *filter)
{
	return &filter->session->filters[sender_hash(filter, is6(group))];
}

/* In a session's list for any sender, by rank. */
static void
put_for_any(struct session *session, struct rsvp_filter *filter)
{
	struct tuple **at = &session->any;

	while (*at != NULL && (*at)->rank < filter->tuple.rank)
		at = &(*at)->next;
	filter->tuple.next = *at;
	store_release(at, &filter->tuple);
}

static int
publish(struct filter_group *group, struct rsvp_filter *filter)
{
	struct rsvp *rsvp = filter_group_priv(group);

	if (!filter->has_sender) {
		put_for_any(filter->session, filter);
		return 0;
	}
	if (tuple_put(filter_group_rcu(group), &rsvp->senders, &filter->tuple) != 0)
		return -ENOMEM;
	__atomic_store_n(&filter->session->has_senders, true, __ATOMIC_RELAXED);
	return 0;
}

static int
hide(struct filter_group *group, struct rsvp_filter *filter)
{
	struct rsvp *rsvp = filter_group_priv(group);
	struct tuple **at = &filter->session->any;

	if (filter->has_sender)
		return tuple_remove(filter_group_rcu(group), &rsvp->senders, &filter->tuple);
	while (*at != &filter->tuple)
		at = &(*at)->next;
	store_release(at, filter->tuple.next);
	return 0;
}

static void
retire(struct filter_group *group, struct rsvp_filter *filter)
{
	filter_target_release(group, &filter->target);
	rcu_defer(filter_group_rcu(group), free, filter);
}

static void *
rsvp_find(const struct filter_group *group, uint32_t handle)
{
	const struct rsvp *rsvp = filter_group_priv(group);
	uint32_t sender = handle >> 8 & 0xff;

	if (sender > ANY_SENDER)
		return NULL;
	for (struct place *s = rsvp->by_hash[handle & 0xff]; s != NULL; s = s->next)
		for (struct place *f = session_at(s)->filters[sender]; f != NULL; f = f->next)
			if (filter_at(f)->handle == handle)
				return filter_at(f);
	return NULL;
}

/* A number for a tunnel that has none yet; 0: all are taken. */
static uint32_t
choose_tunnel(struct rsvp *rsvp)
{
	bool taken[TUNNELS_MAX + 1] = { false };

	for (unsigned int h = 0; h < SESSION_HASHES; h++)
		for (struct place *s = rsvp->by_hash[h]; s != NULL; s = s->next)
			for (unsigned int i = 0; i <= ANY_SENDER; i++)
				for (struct place *f = session_at(s)->filters[i]; f != NULL; f = f->next)
					if (filter_at(f)->tunnelhdr != 0)
						taken[filter_at(f)->target.classid & 0xff] = true;
	for (unsigned int tries = 0; tries < TUNNELS_MAX; tries++) {
		rsvp->next_tunnel = rsvp->next_tunnel % TUNNELS_MAX + 1;
		if (!taken[rsvp->next_tunnel])
			return rsvp->next_tunnel;
	}
	return 0;
}

static int
check(struct rsvp *rsvp, const struct rsvp_conf *conf, uint32_t *classid, struct error *err)
{
	if (!conf->has_session)
		return error_set(err, EINVAL,
			"rsvp: the session is missing: give its destination, as in 'ipproto udp session 192.0.2.1/80'");
	*classid = conf->has_classid ? conf->classid : 0;
	if (conf->pinfo.tunnelhdr == 0)
		return 0;
	if (*classid > TUNNELS_MAX)
		return error_set(err, EINVAL,
			"rsvp: tunnel %u: the number of a tunnel is at most %d, and such a filter has no class",
			*classid, TUNNELS_MAX);
	if (*classid == 0)
		*classid = choose_tunnel(rsvp);
	return *classid != 0 ? 0 : error_set(err, ENOSPC, "rsvp: all %d numbers of tunnels are taken", TUNNELS_MAX);
}

static uint32_t
choose_handle(struct filter_group *group, const struct rsvp_filter *filter)
{
	struct rsvp *rsvp = filter_group_priv(group);
	uint32_t low = sender_hash(filter, is6(group)) << 8 | session_hash(filter->session, is6(group));
	uint32_t handle;

	do {
		rsvp->next_handle = rsvp->next_handle % UINT16_MAX + 1;
		handle = rsvp->next_handle << 16 | low;
	} while (rsvp_find(group, handle) != NULL);
	return handle;
}

static int
add(struct filter_group *group, const struct rsvp_conf *conf, struct rsvp_filter **made, struct error *err)
{
	struct rsvp *rsvp = filter_group_priv(group);
	struct rsvp_filter *filter;
	struct session *session;
	uint32_t classid;
	int rc = check(rsvp, conf, &classid, err);

	if (rc != 0)
		return rc;
	if (rsvp->n >= UINT16_MAX)
		return error_set(err, ENOSPC, "rsvp: %u filters have this preference; take another one", rsvp->n);
	filter = calloc(1, sizeof(*filter));
	if (filter == NULL)
		return error_code(err, ENOMEM);
	rc = filter_target_init(group, &filter->target, classid, conf->actions, conf->n_actions, err);
	if (rc != 0) {
		free(filter);
		return rc;
	}
	session = session_for(group, conf);
	if (session == NULL) {
		retire(group, filter);
		return error_code(err, ENOMEM);
	}
	filter->session = session;
	filter->has_sender = conf->has_sender;
	memcpy(filter->sender, conf->sender, sizeof(filter->sender));
	filter->port = conf->pinfo.sender;
	filter->port.key &= filter->port.mask;
	filter->tunnelhdr = conf->pinfo.tunnelhdr;
	filter->tuple.keyed.key = sender_key(session->serial, filter->sender);
	filter->place = (struct place){ .mask = filter->port.mask, .rank = &filter->tuple.rank };
	put_in_order(list_of(group, filter), &filter->place);
	if (publish(group, filter) != 0) {
		take_out_of_order(list_of(group, filter), &filter->place);
		drop_session_if_empty(group, session);
		retire(group, filter);
		return error_code(err, ENOMEM);
	}
	filter->handle = choose_handle(group, filter);
	session->n++;
	rsvp->n++;
	rsvp->impure += !filter->target.pure;
	*made = filter;
	return 0;
}

/* A change is of the class and the actions; what is looked for stays, whatever it says, as on Linux. */
static int
replace(struct filter_group *group, struct rsvp_filter *old, const struct rsvp_conf *conf, struct rsvp_filter **made,
	struct error *err)
{
	struct rsvp *rsvp = filter_group_priv(group);
	uint32_t classid = conf->has_classid ? conf->classid : old->target.classid;
	struct rsvp_filter *filter;
	struct place **at;
	int rc;

	if (old->tunnelhdr != 0 && (classid == 0 || classid > TUNNELS_MAX))
		return error_set(err, EINVAL, "rsvp: the number of a tunnel is 1 to %d", TUNNELS_MAX);
	filter = malloc(sizeof(*filter));
	if (filter == NULL)
		return error_code(err, ENOMEM);
	*filter = *old;
	filter->place.rank = &filter->tuple.rank;
	rc = filter_target_init(group, &filter->target, classid, conf->actions, conf->n_actions, err);
	if (rc != 0) {
		free(filter);
		return rc;
	}
	/* The new one is of the old one's key and rank: it takes its slot or goes before it, which needs no memory. */
	publish(group, filter);
	hide(group, old);
	for (at = list_of(group, old); *at != &old->place; at = &(*at)->next)
		;
	*at = &filter->place; /* its next is the old one's */
	rsvp->impure += !filter->target.pure;
	rsvp->impure -= !old->target.pure;
	retire(group, old);
	*made = filter;
	return 0;
}

static int
rsvp_change(
	struct filter_group *group, void *existing, uint32_t *handle, const void *conf, void **made, struct error *err)
{
	struct rsvp_filter *filter = NULL;
	int rc;

	if (conf == NULL)
		return *handle != 0 ? error_code(err, EINVAL) : 0; /* `rsvp` alone: nothing is made but the group */
	if (existing == NULL && *handle != 0)
		return error_set(err, EINVAL, "rsvp: handles are chosen here: leave 'handle 0x%x' out", *handle);
	rc = existing != NULL ? replace(group, existing, conf, &filter, err) : add(group, conf, &filter, err);
	if (rc == 0) {
		*handle = filter->handle;
		*made = filter;
	}
	return rc;
}

static int
rsvp_remove(struct filter_group *group, void *going, bool *last, struct error *err)
{
	struct rsvp *rsvp = filter_group_priv(group);
	struct rsvp_filter *filter = going;

	*last = rsvp->n == 1;
	if (*last)
		return 0; /* it goes with its group */
	if (hide(group, filter) != 0)
		return error_code(err, ENOMEM);
	take_out_of_order(list_of(group, filter), &filter->place);
	filter->session->n--;
	rsvp->n--;
	rsvp->impure -= !filter->target.pure;
	drop_session_if_empty(group, filter->session);
	retire(group, filter);
	return 0;
}

static void
free_session(struct filter_group *group, struct session *session)
{
	struct place *next;

	for (unsigned int i = 0; i <= ANY_SENDER; i++)
		for (struct place *f = session->filters[i]; f != NULL; f = next) {
			next = f->next;
			retire(group, filter_at(f));
		}
	rcu_defer(filter_group_rcu(group), free, session);
}

static void
rsvp_destroy(struct filter_group *group)
{
	struct rsvp *rsvp = filter_group_priv(group);
	struct place *next;

	for (unsigned int h = 0; h < SESSION_HASHES; h++)
		for (struct place *s = rsvp->by_hash[h]; s != NULL; s = next) {
			next = s->next;
			free_session(group, session_at(s));
		}
	tuple_space_destroy(filter_group_rcu(group), &rsvp->sessions);
	if (rsvp->senders.tuples.slots != NULL)
		rcu_defer(filter_group_rcu(group), free, rsvp->senders.tuples.slots);
}

static int
rsvp_walk(const struct filter_group *group, int (*visit)(void *arg, uint32_t handle, const void *filter), void *arg)
{
	const struct rsvp *rsvp = filter_group_priv(group);
	int rc = 0;

	for (unsigned int h = 0; h < SESSION_HASHES; h++)
		for (struct place *s = rsvp->by_hash[h]; s != NULL; s = s->next)
			for (unsigned int i = 0; i <= ANY_SENDER; i++)
				for (struct place *f = session_at(s)->filters[i]; rc == 0 && f != NULL; f = f->next)
					rc = visit(arg, filter_at(f)->handle, filter_at(f));
	return rc;
}

static bool
rsvp_pure(const struct filter_group *group)
{
	return ((const struct rsvp *)filter_group_priv(group))->impure == 0;
}

void
rsvp_get_conf(const void *filter, struct rsvp_conf *conf)
{
	const struct rsvp_filter *f = filter;
	const struct session *s = f->session;

	*conf = (struct rsvp_conf){
		.has_classid = f->target.classid != 0,
		.classid = f->target.classid,
		.has_session = true,
		.has_sender = f->has_sender,
		.pinfo = { s->port, f->port, s->protocol, s->tunnelid, f->tunnelhdr, 0 },
	};
	memcpy(conf->session, s->address, sizeof(conf->session));
	memcpy(conf->sender, f->sender, sizeof(conf->sender));
}

const struct action_list *
rsvp_actions(const void *filter)
{
	return ((const struct rsvp_filter *)filter)->target.actions;
}

static const struct filter_ops rsvp_ops = {
	.kind = "rsvp",
	.size = sizeof(struct rsvp),
	.destroy = rsvp_destroy,
	.change = rsvp_change,
	.remove = rsvp_remove,
	.find = rsvp_find,
	.walk = rsvp_walk,
	.classify = rsvp_classify,
	.pure = rsvp_pure,
};
FILTER_REGISTER(rsvp_ops)

static const struct filter_ops rsvp6_ops = {
	.kind = "rsvp6",
	.size = sizeof(struct rsvp),
	.destroy = rsvp_destroy,
	.change = rsvp_change,
	.remove = rsvp_remove,
	.find = rsvp_find,
	.walk = rsvp_walk,
	.classify = rsvp_classify,
	.pure = rsvp_pure,
};
FILTER_REGISTER(rsvp6_ops)
