/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A replay's port: receives what one pcap or pcapng file holds, and writes what it sends to another, nanosecond pcap.
 *
 * Files come from anywhere: whatever is wrong with one is said once, and what could be read of it is replayed and
 * accounted for.
 */
#include <inttypes.h>
#include <net/if_arp.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <rte_ether.h>

#include "replay.h"

#define FRAME_MAX   (65535 + RTE_ETHER_HDR_LEN + 2 * 4) /* an IP packet of full length, with two 802.1Q tags */
#define SNAPLEN     262144 /* libpcap's own limit */
#define MTU_MAX     65535
#define SECONDS_MAX (UINT64_MAX / NS_PER_SECOND - 1)

struct capture {
	char *in, *out; /* paths; NULL: none */
	pcap_t *reader;
	const struct pcap_pkthdr *header; /* of the packet that comes next; NULL: none */
	const uint8_t *data;
	uint64_t next_ns, last_ns;
	uint64_t packets;
	char complaint[PCAP_ERRBUF_SIZE + 64];
	pcap_t *format;
	pcap_dumper_t *writer;
	char *written; /* path of the file written */
};

bool
port_is_capture(const struct port *port)
{
	return strcmp(port->ops->kind, "capture") == 0;
}

/* ---- reading ---- */

static uint64_t
header_ns(const struct pcap_pkthdr *header, bool *sane)
{
	/* With nanosecond precision asked for, libpcap gives nanoseconds in tv_usec. */
	uint64_t seconds = (uint64_t)header->ts.tv_sec, ns = (uint64_t)header->ts.tv_usec;

	*sane = header->ts.tv_sec >= 0 && seconds < SECONDS_MAX && ns < NS_PER_SECOND;
	return *sane ? seconds * NS_PER_SECOND + ns : 0;
}

/* Reads the packet that comes next. A timestamp from before its predecessor's becomes that one's. */
static void
advance(struct port *port)
{
	struct capture *c = port->priv;
	struct replay *replay = port->router->replay;
	struct pcap_pkthdr *header;
	bool sane;

	c->header = NULL;
	if (c->reader == NULL)
		return;
	int rc = pcap_next_ex(c->reader, &header, &c->data);
	if (rc == PCAP_ERROR)
		snprintf(c->complaint, sizeof(c->complaint), "after %" PRIu64 " packets: %s", c->packets,
			pcap_geterr(c->reader));
	if (rc != 1)
		return;
	c->header = header;
	c->next_ns = header_ns(header, &sane);
	if (!sane || c->next_ns < c->last_ns) {
		c->next_ns = c->last_ns;
		replay->timestamps_clamped++;
	}
	c->last_ns = c->next_ns;
	c->packets++;
}

bool
capture_peek(struct port *port, uint64_t *at_ns)
{
	struct capture *c = port->priv;

	*at_ns = c->next_ns;
	return c->header != NULL;
}

/* One that never becomes a buffer: received and dropped. */
static void
lose(struct port *port, const struct pcap_pkthdr *header, enum drop_reason reason)
{
	struct port_counters *c = &port->counters[0];

	c->rx_packets++;
	c->rx_bytes += header->caplen;
	c->sink.drops[reason]++;
	replay_arrived(port->router->replay, port, NULL, header->len, reason);
}

/* The frame in a buffer, or in as many as it takes. NULL: there are none. */
static struct rte_mbuf *
copy_frame(struct rte_mempool *pool, const uint8_t *data, uint32_t bytes)
{
	struct rte_mbuf *first = rte_pktmbuf_alloc(pool), *last = first;

	if (first == NULL)
		return NULL;
	for (uint32_t done = 0;;) {
		uint32_t part = RTE_MIN(bytes - done, (uint32_t)rte_pktmbuf_tailroom(last));

		memcpy(rte_pktmbuf_mtod(last, void *), data + done, part);
		last->data_len = part;
		done += part;
		if (done == bytes)
			break;
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
		if (m == NULL) {
			rte_pktmbuf_free(first);
			return NULL;
		}
		last->next = m;
		last = m;
		first->nb_segs++;
	}
	first->pkt_len = bytes;
	memset(pkt_of(first), 0, sizeof(struct pkt));
	return first;
}

uint16_t
capture_take(struct port *port, uint64_t at_ns, struct rte_mbuf **pkts, uint16_t n)
{
	struct capture *c = port->priv;
	struct router *router = port->router;
	uint16_t got = 0;

	for (uint16_t i = 0; i < n && c->header != NULL && c->next_ns == at_ns; i++) {
		const struct pcap_pkthdr *header = c->header;

		if (header->caplen != header->len || header->caplen > FRAME_MAX) {
			lose(port, header, DROP_CAPTURE_MALFORMED);
		} else if ((pkts[got] = copy_frame(router->pool, c->data, header->caplen)) == NULL) {
			lose(port, header, DROP_NO_BUFFER);
		} else {
			replay_arrived(router->replay, port, pkts[got], header->len, 0);
			got++;
		}
		advance(port);
	}
	return got;
}

const char *
capture_complaint(const struct port *port)
{
	const struct capture *c = port->priv;

	return c->complaint[0] != '\0' ? c->complaint : NULL;
}

/* It begins as RFC 1952 says. */
static bool
is_gzipped(const char *path)
{
	FILE *file = fopen(path, "rb");
	bool found = file != NULL && getc(file) == 0x1f && getc(file) == 0x8b;

	if (file != NULL)
		fclose(file);
	return found;
}

static int
open_input(struct port *port, struct error *err)
{
	struct capture *c = port->priv;
	char why[PCAP_ERRBUF_SIZE];
	struct stat st;

	if (stat(c->in, &st) != 0)
		return error_set(err, errno, "%s: %s", c->in, strerror(errno));
	if (S_ISREG(st.st_mode) && st.st_size == 0)
		return error_set(
			err, EINVAL, "%s: the file is empty; a capture has a header even without packets", c->in);
	if (S_ISREG(st.st_mode) && is_gzipped(c->in))
		return error_set(err, EINVAL, "%s: a compressed capture must be unpacked first, by gzip -d", c->in);
	c->reader = pcap_open_offline_with_tstamp_precision(c->in, PCAP_TSTAMP_PRECISION_NANO, why);
	if (c->reader == NULL)
		return error_set(err, EINVAL, "%s: not a pcap or pcapng capture (%s)", c->in, why);
	int type = pcap_datalink(c->reader);
	if (type != DLT_EN10MB) {
		const char *name = pcap_datalink_val_to_name(type);

		return error_set(err, EPROTONOSUPPORT,
			"%s: its link type is %s (%d); a port takes Ethernet captures (EN10MB) only", c->in,
			name != NULL ? name : "unknown", type);
	}
	advance(port);
	return 0;
}

/* ---- writing ---- */

static bool
same_file(const char *a, const char *b)
{
	struct stat x, y;

	return stat(a, &x) == 0 && stat(b, &y) == 0 && S_ISREG(x.st_mode) && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

/* Would writing `path` destroy what is still being read? */
static bool
is_an_input(const struct router *router, const char *path)
{
	for (struct port_machine *pm = router->first_port; pm != NULL; pm = pm->next) {
		const struct capture *c = pm->port.priv;

		if (port_is_capture(&pm->port) && c->in != NULL && same_file(c->in, path))
			return true;
	}
	return false;
}

static char *
output_path(const struct port *port)
{
	const struct capture *c = port->priv;
	const char *dir = port->router->replay->out_dir;
	char *path = NULL;

	if (c->out != NULL)
		return strdup(c->out);
	return dir != NULL && asprintf(&path, "%s/%s.pcap", dir, port->name) >= 0 ? path : NULL;
}

static void
open_output(struct port *port)
{
	struct capture *c = port->priv;
	struct error *err = &port->router->replay->error;
	char *path = output_path(port);

	if (path == NULL)
		return;
	if (is_an_input(port->router, path)) {
		error_set(err, EINVAL, "%s is read by this replay; write somewhere else", path);
		free(path);
		return;
	}
	c->format = pcap_open_dead_with_tstamp_precision(DLT_EN10MB, SNAPLEN, PCAP_TSTAMP_PRECISION_NANO);
	c->writer = c->format != NULL ? pcap_dump_open(c->format, path) : NULL;
	if (c->writer == NULL)
		error_set(err, EIO, "cannot write %s", c->format != NULL ? pcap_geterr(c->format) : path);
	free(c->written);
	c->written = path;
}

static void
write_frame(struct capture *c, struct rte_mbuf *m, uint64_t at_ns)
{
	uint8_t joined[SNAPLEN];
	struct pcap_pkthdr header = {
		.ts = { .tv_sec = (time_t)(at_ns / NS_PER_SECOND), .tv_usec = (suseconds_t)(at_ns % NS_PER_SECOND) },
		.caplen = m->pkt_len,
		.len = m->pkt_len,
	};

	if (header.caplen > SNAPLEN)
		header.caplen = SNAPLEN;
	const uint8_t *data = rte_pktmbuf_read(m, 0, header.caplen, joined);
	pcap_dump((uint8_t *)c->writer, &header, data);
}

static uint16_t
capture_xmit(struct port *port, unsigned int worker, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	struct capture *c = port->priv;
	struct replay *replay = port->router->replay;

	if (c->writer == NULL && replay->error.code == 0)
		open_output(port);
	for (uint16_t i = 0; i < n; i++)
		if (c->writer != NULL)
			write_frame(c, pkts[i], replay_absolute(replay, now));
	rte_pktmbuf_free_bulk(pkts, n);
	return n;
}

int
capture_close(struct port *port, struct error *err)
{
	struct capture *c = port->priv;

	if (c->writer == NULL)
		return 0;
	FILE *file = pcap_dump_file(c->writer);
	bool whole = pcap_dump_flush(c->writer) == 0 && ferror(file) == 0;
	int code = errno;
	pcap_dump_close(c->writer);
	c->writer = NULL;
	return whole ? 0 : error_set(err, code != 0 ? code : EIO, "cannot write %s: %s", c->written, strerror(code));
}

const char *
capture_output(const struct port *port)
{
	const struct capture *c = port->priv;

	return c->written;
}

/* ---- its life ---- */

static void
capture_destroy(struct port *port)
{
	struct capture *c = port->priv;

	if (c->reader != NULL)
		pcap_close(c->reader);
	if (c->writer != NULL)
		pcap_dump_close(c->writer);
	if (c->format != NULL)
		pcap_close(c->format);
	free(c->in);
	free(c->out);
	free(c->written);
	free(c);
}

static int
capture_create(struct port *port, const void *conf, struct error *err)
{
	const struct capture_conf *given = conf;
	struct capture *c;

	if (!port->router->conf.replay)
		return error_set(
			err, EOPNOTSUPP, "a capture is a port of a replay; a live port is net_pcap0,rx_pcap=FILE");
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return error_set(err, ENOMEM, "no memory for port %s", port->name);
	port->priv = c;
	port->max_mtu = MTU_MAX;
	if (given != NULL && given->in != NULL)
		c->in = strdup(given->in);
	if (given != NULL && given->out != NULL)
		c->out = strdup(given->out);
	int rc = c->in != NULL ? open_input(port, err) : 0;
	if (rc != 0)
		capture_destroy(port);
	return rc;
}

static const struct port_ops capture_ops = {
	.kind = "capture",
	.queues = true,
	.arphrd = ARPHRD_ETHER,
	.default_flags = IFF_BROADCAST | IFF_MULTICAST,
	.default_mtu = 1500,
	.create = capture_create,
	.destroy = capture_destroy,
	.xmit = capture_xmit,
};
PORT_REGISTER(capture_ops)
