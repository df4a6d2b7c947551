/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The socket options of iptables-legacy go to the router; those of ip6tables, arptables and ebtables, which would
 * change the host's tables behind the back of a script that means the router, are refused.
 *
 * The options are in linux/netfilter_ipv4/ip_tables.h, linux/netfilter_ipv6/ip6_tables.h,
 * linux/netfilter_arp/arp_tables.h and linux/netfilter_bridge/ebtables.h. An option has no room for a sentence, so
 * what the router says of a refusal goes to stderr.
 */
#include "shim/host.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/netfilter_ipv4/ip_tables.h>

#include "shim/namespace.h"
#include "shim/netfilter.h"
#include "shim/router.h"
#include "shim/sockets.h"

enum {
	/* The first of each family's options, and how many there are. */
	IP4_BASE = IPT_BASE_CTL,
	IP6_BASE = 64, /* IP6T_SO_SET_REPLACE; 66 and 67 are IPV6_RECVTCLASS and IPV6_TCLASS */
	IP6_REVISIONS = 68, /* IP6T_SO_GET_REVISION_MATCH */
	ARP_BASE = 96,
	BRIDGE_BASE = 128,
	OPTIONS = 4,
	IP6_OPTIONS = 2,
};

static bool
is_in(int name, int base, int count)
{
	return name >= base && name < base + count;
}

bool
netfilter_has_option(int level, int name, bool set)
{
	if (level == IPPROTO_IPV6)
		return is_in(name, IP6_BASE, IP6_OPTIONS) || (!set && is_in(name, IP6_REVISIONS, IP6_OPTIONS));
	/* What others only read stays theirs: it harms nobody. */
	return level == IPPROTO_IP &&
	       (is_in(name, IP4_BASE, OPTIONS) ||
		       (set && (is_in(name, ARP_BASE, OPTIONS) || is_in(name, BRIDGE_BASE, OPTIONS))));
}

/* The sentence that came with a refusal; iptables tries some options twice. */
static void
say(const char *sentence)
{
	static char last[FRAME_IOCTL_MAX];
	size_t length = strlen(sentence);
	bool said = strcmp(sentence, last) == 0;

	if (sentence[0] == '\0')
		return;
	if (length < sizeof(last))
		memcpy(last, sentence, length + 1);
	router_complain(&said, "weir: %s", sentence);
}

static int
refuse_family(int level)
{
	say(level == IPPROTO_IPV6
			? "the router does not forward IPv6 yet, so there are no tables of ip6tables; nothing "
			  "was changed, here or on the host"
			: "the router has no tables of arptables and ebtables; nothing was changed, here or on the "
			  "host");
	return -ENOPROTOOPT;
}

/* A sealed memory file with the value, or -errno. */
static int
make_file(const void *value, size_t bytes)
{
	int fd = memfd_create("weir", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	ssize_t written;

	if (fd < 0)
		return -errno;
	written = HOST(write)(fd, value, bytes);
	if (written == (ssize_t)bytes &&
		HOST(fcntl)(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) == 0)
		return fd;
	HOST(close)(fd);
	return written < 0 ? -errno : -EIO;
}

/* Sends the frame with the file, if any (fd >= 0). 0 or -errno. */
static int
send_frame(int connection, const struct frame_sockopt *frame, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = { 0 };
	struct iovec part = { .iov_base = (void *)(uintptr_t)frame, .iov_len = frame->header.nlmsg_len };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	if (fd >= 0) {
		struct cmsghdr *rights;

		message.msg_control = control;
		message.msg_controllen = sizeof(control);
		rights = CMSG_FIRSTHDR(&message);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(rights), &fd, sizeof(fd));
	}
	return HOST(sendmsg)(connection, &message, MSG_NOSIGNAL) < 0 ? -ECONNREFUSED : 0;
}

/* Asks the router. The answer's value goes to *data, malloc'd, and its length to *data_bytes. 0 or -errno. */
static int
exchange(struct frame_sockopt *frame, int fd, char **data, size_t *data_bytes)
{
	struct router_answer answer;
	int connection = router_connect();
	int code;

	if (connection < 0)
		return connection;
	code = send_frame(connection, frame, fd);
	if (code == 0)
		code = router_receive(connection, &answer);
	HOST(close)(connection);
	if (code == 0 && answer.error != 0) {
		say(answer.text);
		code = -answer.error;
	}
	if (code != 0)
		return code;
	if (answer.fd >= 0) {
		*data = router_read_answer(&answer, data_bytes);
		return *data != NULL ? 0 : -errno;
	}
	*data = malloc(answer.bytes + 1);
	if (*data == NULL)
		return -ENOMEM;
	memcpy(*data, answer.text, answer.bytes);
	*data_bytes = answer.bytes;
	return 0;
}

/*
 * value's first head bytes go in the frame, or all of it in a file where it has more than a frame takes. 0 or -errno.
 */
static int
ask(int level, int name, bool set, const void *value, size_t bytes, char **data, size_t *data_bytes)
{
	union {
		struct frame_sockopt frame;
		char room[sizeof(struct frame_sockopt) + FRAME_IOCTL_MAX];
	} request = { .frame = { .level = level, .name = name, .set = set, .bytes = (uint32_t)bytes } };
	size_t most = set ? FRAME_IOCTL_MAX : FRAME_SOCKOPT_HEAD;
	size_t head = bytes < most ? bytes : most;
	int fd = -1, code;

	if (set && bytes > most) {
		head = 0;
		fd = make_file(value, bytes);
		if (fd < 0)
			return fd;
	}
	if (head != 0)
		memcpy(request.frame.value, value, head);
	request.frame.header.nlmsg_len = (uint32_t)(sizeof(request.frame) + head);
	request.frame.header.nlmsg_type = FRAME_SOCKOPT;
	request.frame.header.nlmsg_pid = FRAME_COOKIE + FRAME_VERSION;
	code = exchange(&request.frame, fd, data, data_bytes);
	if (fd >= 0)
		HOST(close)(fd);
	return code;
}

int
netfilter_set(int level, int name, const void *value, socklen_t bytes)
{
	struct ipt_replace replace;
	size_t data_bytes = 0;
	char *data = NULL;
	int code;

	if (level != IPPROTO_IP || !is_in(name, IP4_BASE, OPTIONS))
		return socket_result(refuse_family(level));
	code = ask(level, name, true, value, bytes, &data, &data_bytes);
	/* The counters of the rules that were replaced go where the program's pointer says. */
	if (code == 0 && name == IPT_SO_SET_REPLACE && bytes >= sizeof(replace)) {
		memcpy(&replace, value, sizeof(replace));
		if (data_bytes > replace.num_counters * sizeof(*replace.counters))
			code = -EPROTO;
		else if (data_bytes != 0)
			memcpy(replace.counters, data, data_bytes);
	}
	free(data);
	return socket_result(code);
}

int
netfilter_get(int level, int name, void *value, socklen_t *bytes)
{
	size_t data_bytes = 0;
	char *data = NULL;
	int code;

	if (level != IPPROTO_IP)
		return socket_result(refuse_family(level));
	code = ask(level, name, false, value, *bytes, &data, &data_bytes);
	if (code == 0 && data_bytes > *bytes)
		code = -EPROTO;
	if (code == 0) {
		memcpy(value, data, data_bytes);
		*bytes = (socklen_t)data_bytes;
	}
	free(data);
	return socket_result(code);
}

int
netfilter_stand_in(int type)
{
	return HOST(socket)(AF_UNIX, SOCK_DGRAM | (type & (SOCK_CLOEXEC | SOCK_NONBLOCK)), 0);
}

bool
netfilter_open_lock(const char *path, int flags, int *fd)
{
	char directory[PATH_MAX];
	char *slash;

	if (path == NULL || strcmp(path, "/run/xtables.lock") != 0 || getenv("XTABLES_LOCKFILE") != NULL ||
		namespace_was_left() || router_socket_path(directory, sizeof(directory)) != 0)
		return false;
	/* The directory of the socket: everybody who can reach the router can lock it, without a file to be made. */
	slash = strrchr(directory, '/');
	if (slash == NULL)
		memcpy(directory, ".", 2);
	else if (slash == directory)
		slash[1] = '\0';
	else
		*slash = '\0';
	*fd = HOST(open)(directory, O_RDONLY | O_DIRECTORY | (flags & O_CLOEXEC));
	if (*fd < 0) /* There is no router, as iptables will be told in a moment. */
		*fd = memfd_create("weir-xtables.lock", (flags & O_CLOEXEC) != 0 ? MFD_CLOEXEC : 0);
	return true;
}
