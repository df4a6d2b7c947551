/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bytes as a capture file, replayed through a small router. Whatever they are, the replay ends or refuses, every packet
 * is accounted for, and all buffers come back.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <arpa/inet.h>

#include <weir/dataplane.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct router *router;

static void
must(int rc, const struct error *err)
{
	if (rc == 0)
		return;
	fprintf(stderr, "fuzz_replay: %s\n", err->msg);
	abort();
}

static void
bring_up(struct port *port, const char *address)
{
	struct rib_address a = {
		.ifindex = port->ifindex, .family = AF_INET, .prefix_length = 8, .flags = IFA_F_PERMANENT
	};
	struct error err = { 0 };

	a.local.v4 = a.peer.v4 = inet_addr(address);
	must(port_set_flags(port, IFF_UP, IFF_UP, &err), &err);
	must(rib_address_add(router_rib(router), &a, false, &err), &err);
}

static void
replay(const char *path, const char *folder)
{
	struct capture_conf in = { .in = path }, out = { 0 };
	struct error err = { 0 };
	struct router_totals t;
	struct port *port;

	must(router_create(&(struct router_conf){ .workers = 1, .replay = true, .buffers = 1024 }, &router, &err),
		&err);
	if (port_add(router, &(struct port_conf){ .name = "in", .kind = "capture", .kind_conf = &in }, &port, &err) ==
		0) {
		bring_up(port, "10.0.0.1");
		must(port_add(router,
			     &(struct port_conf){
				     .name = "out", .kind = "capture", .rate_Bps = 100000, .kind_conf = &out },
			     &port, &err),
			&err);
		bring_up(port, "192.0.0.1");
		(void)replay_run(router, &(struct replay_conf){ .out_dir = folder }, &err);
		router_totals(router, &t);
		if (t.received + t.generated != t.sent + t.delivered + t.dropped + t.queued)
			abort();
	}
	if (router_destroy(router) != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char folder[] = "/tmp/fuzz-replay-XXXXXX";
	static bool made;
	char path[64];
	int fd = memfd_create("capture", 0);

	if (!made && mkdtemp(folder) == NULL)
		abort();
	made = true;
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	replay(path, folder);
	close(fd);
	return 0;
}
