/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Building netlink messages in a buffer that grows, so that a handler never has to ask whether there is room.
 */
#include <stdlib.h>
#include <string.h>

#include "netlink/internal.h"

static void
reserve(struct nl_msgs *msgs, size_t bytes)
{
	size_t capacity = msgs->capacity != 0 ? msgs->capacity : 512;

	if (msgs->used + bytes <= msgs->capacity)
		return;
	while (capacity < msgs->used + bytes)
		capacity *= 2;
	msgs->data = realloc(msgs->data, capacity);
	if (msgs->data == NULL)
		abort();
	msgs->capacity = capacity;
}

/* Room for bytes, rounded up to netlink's alignment and zeroed. */
static void *
extend(struct nl_msgs *msgs, size_t bytes)
{
	size_t padded = NLMSG_ALIGN(bytes);
	void *room;

	reserve(msgs, padded);
	room = msgs->data + msgs->used;
	memset(room, 0, padded);
	msgs->used += padded;
	return room;
}

struct nl_msgs *
nl_msgs_create(void)
{
	struct nl_msgs *msgs = calloc(1, sizeof(*msgs));

	if (msgs == NULL)
		abort();
	msgs->start = NO_MESSAGE;
	return msgs;
}

void
nl_msgs_destroy(struct nl_msgs *msgs)
{
	if (msgs == NULL)
		return;
	free(msgs->data);
	free(msgs);
}

size_t
nl_msgs_bytes(const struct nl_msgs *msgs)
{
	return msgs->used;
}

static struct nlmsghdr *
open_message(struct nl_msgs *msgs)
{
	return (struct nlmsghdr *)(void *)(msgs->data + msgs->start);
}

void
nl_msg_begin(struct nl_msgs *msgs, uint16_t type, uint16_t flags, size_t header_bytes)
{
	struct nlmsghdr *header;

	if (msgs->start != NO_MESSAGE)
		abort(); /* the last one was not ended: a mistake of the caller's that would corrupt both */
	msgs->start = msgs->used;
	header = extend(msgs, sizeof(*header));
	header->nlmsg_type = type;
	header->nlmsg_flags = flags;
	extend(msgs, header_bytes);
	open_message(msgs)->nlmsg_len = (uint32_t)(sizeof(*header) + header_bytes);
}

void *
nl_msg_body(struct nl_msgs *msgs)
{
	return msgs->data + msgs->start + sizeof(struct nlmsghdr);
}

void
nl_msg_end(struct nl_msgs *msgs)
{
	struct nlmsghdr *header = open_message(msgs);
	size_t length = msgs->used - msgs->start;

	/* A body without attributes keeps its own length, which need not be a multiple of four. */
	if (length != NLMSG_ALIGN(header->nlmsg_len))
		header->nlmsg_len = (uint32_t)length;
	msgs->start = NO_MESSAGE;
}

void
nl_msg_cancel(struct nl_msgs *msgs)
{
	msgs->used = msgs->start;
	msgs->start = NO_MESSAGE;
}

void
nl_put(struct nl_msgs *msgs, uint16_t attr, const void *data, size_t bytes)
{
	struct nlattr *header;

	if (bytes > UINT16_MAX - sizeof(*header))
		return; /* it cannot be said in 16 bits of length */
	header = extend(msgs, sizeof(*header) + bytes);
	header->nla_type = attr;
	header->nla_len = (uint16_t)(sizeof(*header) + bytes);
	if (bytes != 0)
		memcpy(header + 1, data, bytes);
}

void
nl_put_u8(struct nl_msgs *msgs, uint16_t attr, uint8_t value)
{
	nl_put(msgs, attr, &value, sizeof(value));
}

void
nl_put_u16(struct nl_msgs *msgs, uint16_t attr, uint16_t value)
{
	nl_put(msgs, attr, &value, sizeof(value));
}

void
nl_put_u32(struct nl_msgs *msgs, uint16_t attr, uint32_t value)
{
	nl_put(msgs, attr, &value, sizeof(value));
}

void
nl_put_u64(struct nl_msgs *msgs, uint16_t attr, uint64_t value)
{
	nl_put(msgs, attr, &value, sizeof(value));
}

void
nl_put_string(struct nl_msgs *msgs, uint16_t attr, const char *string)
{
	nl_put(msgs, attr, string, strlen(string) + 1);
}

size_t
nl_nest_start(struct nl_msgs *msgs, uint16_t attr)
{
	size_t nest = msgs->used;

	nl_put(msgs, attr, NULL, 0);
	return nest;
}

void
nl_nest_end(struct nl_msgs *msgs, size_t nest)
{
	struct nlattr *header = (struct nlattr *)(void *)(msgs->data + nest);

	if (msgs->used - nest > UINT16_MAX)
		nl_nest_cancel(msgs, nest);
	else
		header->nla_len = (uint16_t)(msgs->used - nest);
}

void
nl_nest_cancel(struct nl_msgs *msgs, size_t nest)
{
	msgs->used = nest;
}

void
nl_msgs_address(struct nl_msgs *msgs, uint32_t sequence, uint32_t port, uint16_t flags)
{
	size_t at = 0;

	while (at < msgs->used) {
		struct nlmsghdr *header = (struct nlmsghdr *)(void *)(msgs->data + at);

		header->nlmsg_seq = sequence;
		header->nlmsg_pid = port;
		header->nlmsg_flags |= flags;
		at += NLMSG_ALIGN(header->nlmsg_len);
	}
}

void
nl_msgs_append(struct nl_msgs *msgs, const struct nl_msgs *more)
{
	if (more->used == 0)
		return;
	reserve(msgs, more->used);
	memcpy(msgs->data + msgs->used, more->data, more->used);
	msgs->used += more->used;
}
