/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From a datagram to handlers and back to replies, by the rules that rtnetlink(7) and netlink(7) give: which messages
 * are served, how a dump ends, what an acknowledgement holds. The details were compared with Linux.
 */
#include <stdlib.h>
#include <string.h>

#include "netlink/internal.h"

enum {
	RTM_TYPE_MIN = RTM_BASE,
	BODY_MAX = 256, /* no family header is longer */
};

/* rtnetlink numbers its requests by fours: new, delete, get, set. */
static bool
is_get(uint16_t type)
{
	return type >= RTM_TYPE_MIN && ((type - RTM_TYPE_MIN) & 3) == 2;
}

static void
put_message(struct nl_msgs *reply, const struct nl_client *client, const struct error *err)
{
	/* The header was written already: it knows only now that attributes follow. */
	if (!client->ext_ack || err->msg[0] == '\0')
		return;
	((struct nlmsghdr *)(void *)(reply->data + reply->start))->nlmsg_flags |= NLM_F_ACK_TLVS;
	nl_put_string(reply, NLMSGERR_ATTR_MSG, err->msg);
}

/*
 * NLMSG_ERROR: an acknowledgement where code is 0. A refusal returns the request in full, unless the client asked for
 * the header alone (NETLINK_CAP_ACK). request_bytes: what there is of it.
 */
static void
put_ack(struct nl_msgs *reply, const struct nl_client *client, const struct nlmsghdr *request, size_t request_bytes,
	int code, const struct error *err)
{
	bool whole = code != 0 && !client->cap_ack;
	size_t copied = whole ? request_bytes : sizeof(*request);
	struct nlmsgerr *body;

	nl_msg_begin(reply, NLMSG_ERROR, whole ? 0 : NLM_F_CAPPED, offsetof(struct nlmsgerr, msg) + copied);
	body = nl_msg_body(reply);
	body->error = -code;
	memcpy(&body->msg, request, copied);
	put_message(reply, client, err);
	nl_msg_end(reply);
}

/* The end of a dump; one that failed says so here. */
static void
put_done(struct nl_msgs *reply, const struct nl_client *client, int code, const struct error *err)
{
	nl_msg_begin(reply, NLMSG_DONE, NLM_F_MULTI, sizeof(int));
	*(int *)nl_msg_body(reply) = -code;
	if (code != 0)
		put_message(reply, client, err);
	nl_msg_end(reply);
}

/*
 * Checks what every message must have and fills req. `body` is room for a family header that came short: programs that
 * predate strict checking ask for dumps with a struct rtgenmsg alone.
 */
static int
prepare(struct nl_client *client, struct nl_request *req, bool dump, char body[BODY_MAX], struct error *err)
{
	const struct nl_handler *handler = req->handler;
	size_t bytes = req->header->nlmsg_len - sizeof(*req->header);
	size_t header_bytes = handler->header_bytes;
	const char *payload = (const char *)(req->header + 1);

	if (bytes >= header_bytes) {
		size_t offset = NLMSG_ALIGN(header_bytes);

		req->body = payload;
		return nl_parse_attrs(payload + offset, bytes > offset ? bytes - offset : 0, req->attrs,
			handler->attr_max, "the message", err);
	}
	if (!dump || client->strict || bytes == 0 || header_bytes > BODY_MAX)
		return error_set(err, EINVAL, "message of type %u: a header of %zu bytes is wanted, %zu came",
			req->header->nlmsg_type, header_bytes, bytes);
	memset(body, 0, BODY_MAX);
	memcpy(body, payload, bytes);
	req->body = body;
	memset(req->attrs, 0, sizeof(*req->attrs) * ((size_t)handler->attr_max + 1));
	return 0;
}

static int
check(const struct nl_client *client, const struct nl_handler *handler, uint16_t type, bool dump, struct error *err)
{
	if (handler == NULL)
		return error_set(err, EOPNOTSUPP, "netlink message type %u is not served by this router", type);
	if (dump ? handler->dump == NULL : handler->do_one == NULL)
		return error_set(err, EOPNOTSUPP, "netlink message type %u is served only %s a dump", type,
			dump ? "without asking for" : "as");
	if ((handler->flags & NL_WRITE) != 0 && !client->may_write)
		return nl_error_not_allowed(err);
	return 0;
}

/* Serves one whole message and puts the answer into reply. Returns true where the answer is a dump's. */
static bool
serve_message(struct nl_client *client, const struct nlmsghdr *header, struct nl_msgs *reply)
{
	const struct nl_handler *handler = nl_find_handler(header->nlmsg_type);
	bool dump = is_get(header->nlmsg_type) && (header->nlmsg_flags & NLM_F_DUMP) != 0;
	const struct nlattr *attrs[handler != NULL ? handler->attr_max + 1u : 1u];
	struct error err = { 0 };
	char body[BODY_MAX] __attribute__((aligned(8)));
	struct nl_request req = {
		.server = client->server,
		.client = client,
		.handler = handler,
		.context = client->server->context,
		.header = header,
		.attrs = attrs,
		.strict = client->strict,
		.reply = reply,
	};
	int code;

	code = check(client, handler, header->nlmsg_type, dump, &err);
	if (code == 0)
		code = prepare(client, &req, dump, body, &err);
	if (code == 0 && dump && client->dumping)
		code = error_set(&err, EBUSY, "the last dump on this socket has not been read to its end");
	if (code != 0) {
		put_ack(reply, client, header, header->nlmsg_len, -code, &err);
		return false;
	}
	code = dump ? handler->dump(&req, &err) : handler->do_one(&req, &err);
	if (code != 0)
		reply->used = 0; /* half an answer is none */
	reply->start = NO_MESSAGE;
	if (dump) {
		nl_msgs_address(reply, 0, 0, NLM_F_MULTI);
		put_done(reply, client, -code, &err);
	} else if (code != 0 || (header->nlmsg_flags & NLM_F_ACK) != 0) {
		/* What a handler that succeeds has to say is a warning; an error that it got over is not. */
		if (code == 0 && err.code != 0)
			err.msg[0] = '\0';
		put_ack(reply, client, header, header->nlmsg_len, -code, &err);
	}
	return dump;
}

static void
send_reply(struct nl_client *client, struct nl_msgs *reply, uint32_t sequence, bool dump)
{
	if (reply->used == 0)
		return;
	nl_msgs_address(reply, sequence, client->port, 0);
	nl_client_send(client, reply->data, reply->used, dump);
	reply->data = NULL;
	reply->used = 0;
	reply->capacity = 0;
}

/* A message that is not whole. Linux passes over it in silence, and its sender waits for ever. */
static void
refuse_cut(struct nl_client *client, const struct nlmsghdr *header, size_t bytes, struct nl_msgs *reply)
{
	struct error err;

	error_set(
		&err, EINVAL, "netlink message cut off: its header says %u bytes, %zu came", header->nlmsg_len, bytes);
	put_ack(reply, client, header, sizeof(*header), EINVAL, &err);
	send_reply(client, reply, header->nlmsg_seq, false);
}

void
nl_dispatch(struct nl_client *client, const void *datagram, size_t bytes)
{
	const char *at = datagram;
	struct nl_msgs *reply = nl_msgs_create();

	if (client->port == 0)
		nl_client_bind(client, 0);
	while (bytes >= sizeof(struct nlmsghdr)) {
		const struct nlmsghdr *header = (const struct nlmsghdr *)(const void *)at;
		size_t step = NLMSG_ALIGN((size_t)header->nlmsg_len);
		bool dump = false;

		if (header->nlmsg_len == 0)
			break; /* zeros behind the last message: padding */
		if (header->nlmsg_len < sizeof(*header) || header->nlmsg_len > bytes) {
			refuse_cut(client, header, bytes, reply);
			break;
		}
		if ((header->nlmsg_flags & NLM_F_REQUEST) != 0 && header->nlmsg_type >= NLMSG_MIN_TYPE)
			dump = serve_message(client, header, reply);
		else if ((header->nlmsg_flags & NLM_F_ACK) != 0)
			put_ack(reply, client, header, header->nlmsg_len, 0, &(struct error){ 0 });
		send_reply(client, reply, header->nlmsg_seq, dump);
		if (step >= bytes)
			break;
		at += step;
		bytes -= step;
	}
	nl_msgs_destroy(reply);
}

void
nl_serve(struct nl_server *server, const void *datagram, size_t bytes,
	void (*deliver)(void *arg, const void *datagram, size_t bytes), void *arg)
{
	/* As iproute2 sets its sockets up. */
	struct nl_client client = {
		.server = server,
		.fd = -1,
		.done_fd = -1,
		.port = 1,
		.may_write = true,
		.ext_ack = true,
		.strict = true,
		.deliver = deliver,
		.deliver_arg = arg,
	};
	void *aligned;

	if (bytes == 0)
		return;
	aligned = malloc(bytes);
	if (aligned == NULL)
		abort();
	memcpy(aligned, datagram, bytes);
	nl_dispatch(&client, aligned, bytes);
	free(aligned);
}
