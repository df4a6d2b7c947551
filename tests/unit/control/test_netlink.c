/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The socket's server: messages, attributes, dispatch, and clients that do not behave. fake_router.c has the handlers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>
#include <arpa/inet.h>

#include "netlink/frames.h"
#include "netlink/netlink.h"

/* What nl_serve delivered, datagrams one after the other. */
struct replies {
	size_t bytes;
	size_t datagrams;
	char data[65536] __attribute__((aligned(8)));
};

static struct replies replies;
static char directory[] = "/tmp/weir-test-XXXXXX";
static char socket_path[64];
static struct event_base *base;
static struct nl_server *server;

static void
keep(void *arg, const void *datagram, size_t bytes)
{
	assert_true(replies.bytes + bytes <= sizeof(replies.data));
	memcpy(replies.data + replies.bytes, datagram, bytes);
	replies.bytes += bytes;
	replies.datagrams++;
}

static void
serve(const void *datagram, size_t bytes)
{
	memset(&replies, 0, sizeof(replies));
	nl_serve(server, datagram, bytes, keep, NULL);
}

/* The n-th message of the replies. */
static const struct nlmsghdr *
reply(size_t n)
{
	size_t at = 0;

	while (at < replies.bytes) {
		const struct nlmsghdr *header = (const struct nlmsghdr *)(const void *)(replies.data + at);

		if (n-- == 0)
			return header;
		at += NLMSG_ALIGN(header->nlmsg_len);
	}
	fail_msg("there are not that many replies");
	return NULL;
}

static int
error_of(const struct nlmsghdr *header)
{
	assert_true(header->nlmsg_type == NLMSG_ERROR || header->nlmsg_type == NLMSG_DONE);
	return *(const int *)mnl_nlmsg_get_payload(header);
}

/* The sentence of an extended acknowledgement; its offset is that of the first attribute. */
static const char *
sentence(const struct nlmsghdr *header, size_t offset)
{
	const struct nlattr *attr;

	assert_true((header->nlmsg_flags & NLM_F_ACK_TLVS) != 0);
	attr = (const struct nlattr *)(const void *)((const char *)header + NLMSG_HDRLEN + NLMSG_ALIGN(offset));
	assert_int_equal(attr->nla_type, NLMSGERR_ATTR_MSG);
	return (const char *)(attr + 1);
}

struct route_request {
	struct nlmsghdr header;
	struct rtmsg route;
	struct nlattr table_attr;
	uint32_t table;
	char padding[8];
};

static struct route_request
route_request(uint16_t type, uint16_t flags, uint32_t table)
{
	return (struct route_request){
		.header = {
			.nlmsg_len = offsetof(struct route_request, padding),
			.nlmsg_type = type,
			.nlmsg_flags = NLM_F_REQUEST | flags,
			.nlmsg_seq = 42,
		},
		.route = { .rtm_family = AF_INET, .rtm_table = RT_TABLE_MAIN },
		.table_attr = { .nla_len = 8, .nla_type = RTA_TABLE },
		.table = table,
	};
}

static void
acknowledges_in_the_header_alone(void **state)
{
	struct route_request request = route_request(RTM_NEWROUTE, NLM_F_ACK, RT_TABLE_MAIN);

	/* sizeof, as some programs send: the zeros behind the message are passed over */
	serve(&request, sizeof(request));
	assert_int_equal(replies.datagrams, 1);
	assert_int_equal(error_of(reply(0)), 0);
	assert_int_equal(reply(0)->nlmsg_seq, 42);
	assert_int_equal(reply(0)->nlmsg_flags, NLM_F_CAPPED);
	assert_int_equal(reply(0)->nlmsg_len, NLMSG_HDRLEN + sizeof(struct nlmsgerr));
	request.header.nlmsg_flags = NLM_F_REQUEST;
	serve(&request, sizeof(request));
	assert_int_equal(replies.datagrams, 0);
}

static void
refuses_with_a_sentence_and_the_request(void **state)
{
	struct route_request request = route_request(RTM_NEWROUTE, 0, 99);
	const struct nlmsgerr *body;

	serve(&request, request.header.nlmsg_len);
	assert_int_equal(error_of(reply(0)), -EINVAL);
	body = mnl_nlmsg_get_payload(reply(0));
	assert_memory_equal(&body->msg, &request, request.header.nlmsg_len);
	assert_string_equal(
		sentence(reply(0), 4 + request.header.nlmsg_len), "table 99 takes no routes; table main does");
}

static void
warns_where_it_succeeds_with_a_sentence(void **state)
{
	struct route_request request = route_request(RTM_NEWROUTE, NLM_F_ACK, 77);

	serve(&request, request.header.nlmsg_len);
	assert_int_equal(error_of(reply(0)), 0);
	assert_string_equal(sentence(reply(0), sizeof(struct nlmsgerr)), "table 77 was missing");
}

static void
echoes_the_notification(void **state)
{
	struct route_request request = route_request(RTM_NEWROUTE, NLM_F_ACK | NLM_F_ECHO, RT_TABLE_MAIN);

	serve(&request, request.header.nlmsg_len);
	assert_int_equal(reply(0)->nlmsg_type, RTM_NEWROUTE);
	assert_int_equal(reply(0)->nlmsg_seq, 42);
	assert_int_equal(error_of(reply(1)), 0);
}

static void
a_dump_ends_with_done(void **state)
{
	const struct {
		struct nlmsghdr header;
		struct ifinfomsg info;
	} request = { { sizeof(request), RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 7, 0 }, { 0 } };

	serve(&request, sizeof(request));
	assert_int_equal(replies.datagrams, 1);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(reply(i)->nlmsg_type, RTM_NEWLINK);
		assert_true((reply(i)->nlmsg_flags & NLM_F_MULTI) != 0);
		assert_int_equal(reply(i)->nlmsg_seq, 7);
	}
	assert_int_equal(reply(2)->nlmsg_type, NLMSG_DONE);
	assert_int_equal(error_of(reply(2)), 0);
}

static void
a_failed_dump_says_so_in_done(void **state)
{
	struct route_request request = route_request(RTM_GETROUTE, NLM_F_DUMP, 77);

	serve(&request, request.header.nlmsg_len);
	assert_int_equal(reply(0)->nlmsg_type, NLMSG_DONE);
	assert_int_equal(error_of(reply(0)), -ENOENT);
	assert_string_equal(sentence(reply(0), sizeof(int)), "ipv4: FIB table does not exist");
}

static void
expect_error(const void *request, size_t bytes, int code)
{
	serve(request, bytes);
	assert_int_equal(replies.datagrams, 1);
	assert_int_equal(error_of(reply(0)), -code);
}

static void
malformed_messages_are_refused(void **state)
{
	struct route_request request = route_request(RTM_NEWROUTE, 0, RT_TABLE_MAIN);

	request.header.nlmsg_len = NLMSG_HDRLEN + sizeof(struct rtmsg) - 1;
	expect_error(&request, request.header.nlmsg_len, EINVAL); /* family header cut off */
	request = route_request(RTM_NEWROUTE, 0, RT_TABLE_MAIN);
	expect_error(&request, request.header.nlmsg_len - 4u, EINVAL); /* datagram cut off */
	request.header.nlmsg_len = NLMSG_HDRLEN - 1;
	expect_error(&request, sizeof(request), EINVAL);
	request = route_request(RTM_NEWROUTE, 0, RT_TABLE_MAIN);
	request.table_attr.nla_len = 12;
	expect_error(&request, request.header.nlmsg_len, EINVAL); /* attribute beyond the message */
	request.table_attr.nla_len = 6;
	expect_error(&request, request.header.nlmsg_len, EINVAL); /* a 32-bit number in two bytes */
	request = route_request(RTM_NEWROUTE, 0, RT_TABLE_MAIN);
	request.header.nlmsg_type = 250;
	expect_error(&request, request.header.nlmsg_len, EOPNOTSUPP);
	request.header.nlmsg_type = RTM_GETROUTE; /* only its dump is served */
	expect_error(&request, request.header.nlmsg_len, EOPNOTSUPP);
	serve("short", 5);
	assert_int_equal(replies.datagrams, 0);
}

static void
messages_of_one_datagram_are_served_in_turn(void **state)
{
	struct route_request both[2] = { route_request(RTM_NEWROUTE, NLM_F_ACK, RT_TABLE_MAIN),
		route_request(RTM_NEWROUTE, NLM_F_ACK, 99) };

	both[0].header.nlmsg_len = sizeof(both[0]); /* zeros for attributes, too */
	serve(both, sizeof(both));
	assert_int_equal(replies.datagrams, 2);
	assert_int_equal(error_of(reply(0)), 0);
	assert_int_equal(error_of(reply(1)), -EINVAL);
}

static void
nests_have_their_length_and_can_be_taken_back(void **state)
{
	struct nl_msgs *msgs = nl_msgs_create();
	size_t outer, inner;
	char *big = calloc(1, 40000);

	nl_msg_begin(msgs, RTM_NEWLINK, 0, sizeof(struct ifinfomsg));
	outer = nl_nest_start(msgs, 1);
	nl_put_string(msgs, 2, "abc");
	inner = nl_nest_start(msgs, 3);
	nl_put_u8(msgs, 4, 5);
	nl_nest_cancel(msgs, inner);
	nl_nest_end(msgs, outer);
	nl_msg_end(msgs);
	assert_int_equal(nl_msgs_bytes(msgs), 16 + 16 + 4 + 8);
	/* More than a length of 16 bits can say: left out, not cut off. */
	nl_msg_begin(msgs, RTM_NEWLINK, 0, sizeof(struct ifinfomsg));
	outer = nl_nest_start(msgs, 1);
	nl_put(msgs, 2, big, 40000);
	nl_put(msgs, 2, big, 40000);
	nl_nest_end(msgs, outer);
	nl_msg_end(msgs);
	assert_int_equal(nl_msgs_bytes(msgs), 44 + 32);
	nl_msg_begin(msgs, RTM_NEWLINK, 0, 1);
	nl_msg_cancel(msgs);
	assert_int_equal(nl_msgs_bytes(msgs), 44 + 32);
	nl_msgs_destroy(msgs);
	free(big);
}

static void
strings_fit_or_are_refused(void **state)
{
	struct {
		struct nlattr attr;
		char text[8];
	} attribute = { { 4 + 3, 1 }, "htbXXXX" };
	const struct nlattr *table[2];
	struct error err;
	char text[4];

	/* without a NUL, as iproute2 sends kinds */
	assert_int_equal(nl_get_string(&attribute.attr, text, sizeof(text), "kind", &err), 0);
	assert_string_equal(text, "htb");
	attribute.attr.nla_len++;
	assert_int_equal(nl_get_string(&attribute.attr, text, sizeof(text), "kind", &err), -EINVAL);
	assert_string_equal(err.msg, "kind: at most 3 characters, 4 came");
	assert_int_equal(nl_get_string(NULL, text, sizeof(text), "kind", &err), 0);
	assert_string_equal(text, "");
	attribute.attr.nla_len = 3;
	assert_int_equal(nl_get_attrs(&attribute, 8, table, 1, &err), -EINVAL);
	assert_int_equal(nl_get_nest(NULL, table, 1, &err), 0);
	assert_null(table[1]);
}

static int
connect_client(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strcpy(address.sun_path, socket_path);
	assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void
run_loop(void)
{
	for (int i = 0; i < 4; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
}

/* A netlink client; gives its connection, and the descriptor of acknowledgements in *done. */
static int
greet(int *done, uint32_t cookie, struct frame_welcome *welcome)
{
	struct frame_hello hello = { { sizeof(hello), FRAME_HELLO, 0, 0, cookie }, NETLINK_ROUTE, 1234 };
	char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8)));
	struct iovec part = { welcome, sizeof(*welcome) };
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
	};
	int fd = connect_client();

	assert_int_equal(send(fd, &hello, sizeof(hello), 0), sizeof(hello));
	run_loop();
	assert_int_equal(recvmsg(fd, &message, 0), sizeof(*welcome));
	*done = -1;
	if (CMSG_FIRSTHDR(&message) != NULL)
		memcpy(done, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(*done));
	return fd;
}

static struct frame_done
ask(int fd, int done, const void *datagram, size_t bytes)
{
	struct frame_done answer = { .error = -1 };

	assert_int_equal(send(fd, datagram, bytes, 0), bytes);
	run_loop();
	assert_int_equal(recv(done, &answer, sizeof(answer), MSG_DONTWAIT), sizeof(answer));
	return answer;
}

static struct frame_done
bind_port(int fd, int done, uint32_t port, uint32_t groups)
{
	struct frame_bind frame = { { sizeof(frame), FRAME_BIND, 0, 0, FRAME_COOKIE + FRAME_VERSION }, port, groups };

	return ask(fd, done, &frame, sizeof(frame));
}

static void
ports_are_given_as_linux_gives_them(void **state)
{
	struct frame_welcome welcome;
	int done[3], fd[3];

	for (size_t i = 0; i < 3; i++)
		fd[i] = greet(&done[i], FRAME_COOKIE + FRAME_VERSION, &welcome);
	assert_int_equal(bind_port(fd[0], done[0], 0, 0).port, 1234);
	assert_true(bind_port(fd[1], done[1], 0, 0).port >= 0x80000000u);
	assert_int_equal(bind_port(fd[2], done[2], 1234, 0).error, EADDRINUSE);
	assert_int_equal(bind_port(fd[2], done[2], 77, 0).port, 77);
	for (size_t i = 0; i < 3; i++) {
		close(fd[i]);
		close(done[i]);
	}
	run_loop();
}

static void
another_version_is_told_so(void **state)
{
	struct frame_welcome welcome;
	int done, fd = greet(&done, FRAME_COOKIE + FRAME_VERSION + 1, &welcome);

	assert_int_equal(welcome.error, EPROTONOSUPPORT);
	assert_int_equal(welcome.header.nlmsg_pid, FRAME_COOKIE + FRAME_VERSION);
	assert_int_equal(done, -1);
	close(fd);
	run_loop();
}

/* A member of the group that does not read: the router goes on, and it is told that it missed something. */
static void
a_slow_listener_is_overrun(void **state)
{
	struct nl_msgs *news = nl_msgs_create();
	struct frame_welcome welcome;
	char buffer[4096] __attribute__((aligned(8)));
	const struct nlmsghdr *header = (const struct nlmsghdr *)(const void *)buffer;
	int done, fd = greet(&done, FRAME_COOKIE + FRAME_VERSION, &welcome);
	size_t received = 0, overruns = 0;

	assert_int_equal(bind_port(fd, done, 0, RTMGRP_IPV4_ROUTE).error, 0);
	nl_msg_begin(news, RTM_NEWROUTE, 0, sizeof(struct rtmsg));
	nl_put(news, RTA_DST, buffer, 1000);
	nl_msg_end(news);
	for (int i = 0; i < 5000; i++)
		nl_notify(server, RTNLGRP_IPV4_ROUTE, news, NULL);
	for (int i = 0; i < 5000; i++) {
		while (recv(fd, buffer, sizeof(buffer), 0) > 0) {
			received += header->nlmsg_type == RTM_NEWROUTE;
			overruns += header->nlmsg_type == FRAME_OVERRUN;
		}
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	assert_int_equal(overruns, 1);
	assert_in_range(received, 500, 2500); /* a megabyte or so of 5 */
	nl_notify(server, RTNLGRP_IPV4_ROUTE, news, NULL);
	assert_true(recv(fd, buffer, sizeof(buffer), 0) > 0);
	assert_int_equal(header->nlmsg_type, RTM_NEWROUTE);
	nl_msgs_destroy(news);
	close(fd);
	close(done);
	run_loop();
}

/* A client that asks for dumps and reads none of them: the second is refused, and nothing grows. */
static void
one_dump_at_a_time(void **state)
{
	struct route_request add = route_request(RTM_NEWROUTE, 0, RT_TABLE_MAIN);
	struct route_request list = route_request(RTM_GETROUTE, NLM_F_DUMP, RT_TABLE_MAIN);
	struct frame_welcome welcome;
	char buffer[8192] __attribute__((aligned(8)));
	const struct nlmsghdr *header = (const struct nlmsghdr *)(const void *)buffer;
	int done, fd = greet(&done, FRAME_COOKIE + FRAME_VERSION, &welcome);
	bool refused = false;
	size_t dones = 0;
	ssize_t bytes;

	for (int i = 0; i < 20000; i++)
		serve(&add, add.header.nlmsg_len);
	assert_int_equal(ask(fd, done, &list, list.header.nlmsg_len).error, 0);
	assert_int_equal(ask(fd, done, &list, list.header.nlmsg_len).error, 0);
	for (int i = 0; i < 2000; i++) {
		while ((bytes = recv(fd, buffer, sizeof(buffer), 0)) > 0) {
			assert_in_range(bytes, 1, 4096);
			refused |= header->nlmsg_type == NLMSG_ERROR && error_of(header) == -EBUSY;
			for (const struct nlmsghdr *m = header; bytes > 0;
				m = (const void *)((const char *)m + m->nlmsg_len)) {
				dones += m->nlmsg_type == NLMSG_DONE;
				bytes -= m->nlmsg_len;
			}
		}
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	assert_true(refused);
	assert_int_equal(dones, 1);
	close(fd);
	close(done);
	run_loop();
}

/* Whatever comes, the router lives and serves the next. The seed is fixed: what fails, fails again. */
static void
random_frames_harm_nobody(void **state)
{
	uint64_t random = 88172645463325252u;

	for (int i = 0; i < 3000; i++) {
		union {
			struct nlmsghdr header;
			char bytes[96];
		} frame;
		int fd = connect_client();

		for (int frames = 0; frames < 3; frames++) {
			size_t length;

			for (size_t j = 0; j < sizeof(frame.bytes); j++) {
				random ^= random << 13;
				random ^= random >> 7;
				random ^= random << 17;
				frame.bytes[j] = (char)random;
			}
			length = sizeof(frame.header) + random % (sizeof(frame) - sizeof(frame.header));
			frame.header.nlmsg_len = (uint32_t)length;
			frame.header.nlmsg_type = (uint16_t)(random >> 20) % 16;
			frame.header.nlmsg_pid = FRAME_COOKIE + FRAME_VERSION;
			frame.bytes[length - 1] = (random >> 30) % 2 == 0 ? '\0' : 'x';
			if (send(fd, &frame, length, MSG_NOSIGNAL) < 0)
				break;
			event_base_loop(base, EVLOOP_NONBLOCK);
		}
		close(fd);
		run_loop();
	}
	ports_are_given_as_linux_gives_them(state);
}

static void
a_dead_routers_socket_is_replaced_and_a_live_ones_is_not(void **state)
{
	struct nl_server_conf conf = { .path = socket_path, .base = base };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct nl_server *second;
	struct error err;
	struct stat status;
	char path[80];
	int fd;

	assert_int_equal(nl_server_create(&conf, &second, &err), -EADDRINUSE);
	assert_non_null(strstr(err.msg, "running"));
	assert_int_equal(stat(socket_path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0660);
	snprintf(path, sizeof(path), "%s/stale", directory);
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	conf.path = path;
	assert_int_equal(nl_server_create(&conf, &second, &err), 0);
	nl_server_destroy(second);
	assert_int_equal(access(path, F_OK), -1);
	conf.path = directory;
	assert_int_equal(nl_server_create(&conf, &second, &err), -EEXIST);
	conf.path = "/nonexistent/directory/socket";
	assert_int_equal(nl_server_create(&conf, &second, &err), -ENOENT);
}

static int
setup(void **state)
{
	struct nl_server_conf conf = { .path = socket_path };
	struct error err;

	if (mkdtemp(directory) == NULL)
		return -1;
	snprintf(socket_path, sizeof(socket_path), "%s/socket", directory);
	base = event_base_new();
	conf.base = base;
	return nl_server_create(&conf, &server, &err);
}

static int
teardown(void **state)
{
	nl_server_destroy(server);
	event_base_free(base);
	return rmdir(directory);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(acknowledges_in_the_header_alone),
		cmocka_unit_test(refuses_with_a_sentence_and_the_request),
		cmocka_unit_test(warns_where_it_succeeds_with_a_sentence),
		cmocka_unit_test(echoes_the_notification),
		cmocka_unit_test(a_dump_ends_with_done),
		cmocka_unit_test(a_failed_dump_says_so_in_done),
		cmocka_unit_test(malformed_messages_are_refused),
		cmocka_unit_test(messages_of_one_datagram_are_served_in_turn),
		cmocka_unit_test(nests_have_their_length_and_can_be_taken_back),
		cmocka_unit_test(strings_fit_or_are_refused),
		cmocka_unit_test(ports_are_given_as_linux_gives_them),
		cmocka_unit_test(another_version_is_told_so),
		cmocka_unit_test(a_slow_listener_is_overrun),
		cmocka_unit_test(one_dump_at_a_time),
		cmocka_unit_test(random_frames_harm_nobody),
		cmocka_unit_test(a_dead_routers_socket_is_replaced_and_a_live_ones_is_not),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
