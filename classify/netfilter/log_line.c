/* SPDX-License-Identifier: BSD-3-Clause */
/* A packet in a line, as Linux's LOG target writes it: seen in the logs of Linux 6.1. */
#include <arpa/inet.h>
#include <netinet/ip_icmp.h>

#include <linux/netfilter/nf_log.h>

#include "netfilter.h"

struct line {
	char *at, *end;
	const struct netfilter_log *log;
};

__attribute__((format(printf, 2, 3))) static void
add(struct line *line, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line->at, (size_t)(line->end - line->at), format, args);
	va_end(args);
	line->at += RTE_MIN(n, (int)(line->end - line->at) - 1);
}

static void
add_hex(struct line *line, const uint8_t *bytes, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		add(line, "%02X", bytes[i]);
}

static uint32_t
word_at(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static uint32_t
half_at(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 8 | bytes[1];
}

/* `bytes` of the header are there; the datagram has `length` from there on. false: less than `wanted` is there. */
static bool
complete(struct line *line, uint32_t bytes, uint32_t length, uint32_t wanted)
{
	if (bytes >= wanted)
		return true;
	add(line, "INCOMPLETE [%u bytes] ", length);
	return false;
}

static void
add_tcp(struct line *line, const uint8_t *tcp, uint32_t bytes, uint32_t length)
{
	static const char *const flags[] = { "FIN", "SYN", "RST", "PSH", "ACK", "URG" };
	static const uint8_t order[] = { 5, 4, 3, 2, 1, 0 };
	uint32_t header;

	if (!complete(line, bytes, length, 20))
		return;
	add(line, "SPT=%u DPT=%u ", half_at(tcp), half_at(tcp + 2));
	if ((line->log->flags & NF_LOG_TCPSEQ) != 0)
		add(line, "SEQ=%u ACK=%u ", word_at(tcp + 4), word_at(tcp + 8));
	add(line, "WINDOW=%u RES=0x%02x ", half_at(tcp + 14), (half_at(tcp + 12) & 0x0fc0) >> 6 & 0x3c);
	if ((tcp[13] & 0x80) != 0)
		add(line, "CWR ");
	if ((tcp[13] & 0x40) != 0)
		add(line, "ECE ");
	for (unsigned int i = 0; i < RTE_DIM(order); i++)
		if ((tcp[13] & 1 << order[i]) != 0)
			add(line, "%s ", flags[order[i]]);
	add(line, "URGP=%u ", half_at(tcp + 18));
	header = (uint32_t)(tcp[12] >> 4) * 4;
	if ((line->log->flags & NF_LOG_TCPOPT) != 0 && header > 20 && header <= bytes) {
		add(line, "OPT (");
		add_hex(line, tcp + 20, header - 20);
		add(line, ") ");
	}
}

static void add_datagram(struct line *line, const uint8_t *ip, uint32_t bytes, uint32_t length, bool quoted);

/* How many bytes a message of that type has at least; 0: not known. */
static uint32_t
icmp_bytes(uint8_t type)
{
	switch (type) {
	case ICMP_ECHOREPLY:
	case ICMP_ECHO:
		return 8;
	case ICMP_DEST_UNREACH:
	case ICMP_SOURCE_QUENCH:
	case ICMP_REDIRECT:
	case ICMP_TIME_EXCEEDED:
	case ICMP_PARAMETERPROB:
		return 8 + 20;
	case ICMP_TIMESTAMP:
	case ICMP_TIMESTAMPREPLY:
		return 20;
	case ICMP_ADDRESS:
	case ICMP_ADDRESSREPLY:
		return 12;
	default:
		return 4;
	}
}

static void
add_icmp(struct line *line, const uint8_t *icmp, uint32_t bytes, uint32_t length, bool quoted)
{
	char gateway[INET_ADDRSTRLEN];

	if (!complete(line, bytes, length, 4))
		return;
	add(line, "TYPE=%u CODE=%u ", icmp[0], icmp[1]);
	if (!complete(line, bytes, length, icmp_bytes(icmp[0])))
		return;
	switch (icmp[0]) {
	case ICMP_ECHOREPLY:
	case ICMP_ECHO:
		add(line, "ID=%u SEQ=%u ", half_at(icmp + 4), half_at(icmp + 6));
		break;
	case ICMP_PARAMETERPROB:
		add(line, "PARAMETER=%u ", icmp[4]);
		break;
	case ICMP_REDIRECT:
		add(line, "GATEWAY=%s ", inet_ntop(AF_INET, icmp + 4, gateway, sizeof(gateway)));
		break;
	default:
		break;
	}
	if (quoted || icmp_bytes(icmp[0]) != 8 + 20)
		return;
	add(line, "[");
	add_datagram(line, icmp + 8, bytes - 8, length - 8, true);
	add(line, "] ");
	if (icmp[0] == ICMP_DEST_UNREACH && icmp[1] == ICMP_FRAG_NEEDED)
		add(line, "MTU=%u ", half_at(icmp + 6));
}

static void
add_transport(struct line *line, uint8_t protocol, const uint8_t *header, uint32_t bytes, uint32_t length, bool later,
	bool quoted)
{
	const char *name = protocol == IPPROTO_TCP       ? "TCP"
			   : protocol == IPPROTO_UDP     ? "UDP"
			   : protocol == IPPROTO_UDPLITE ? "UDPLITE"
			   : protocol == IPPROTO_ICMP    ? "ICMP"
			   : protocol == IPPROTO_ESP     ? "ESP"
			   : protocol == IPPROTO_AH      ? "AH"
							 : NULL;

	if (name == NULL) {
		add(line, "PROTO=%u ", protocol);
		return;
	}
	add(line, "PROTO=%s ", name);
	if (later)
		return;
	if (protocol == IPPROTO_TCP)
		add_tcp(line, header, bytes, length);
	else if (protocol == IPPROTO_ICMP)
		add_icmp(line, header, bytes, length, quoted);
	else if (protocol == IPPROTO_ESP && complete(line, bytes, length, 8))
		add(line, "SPI=0x%x ", word_at(header));
	else if (protocol == IPPROTO_AH && complete(line, bytes, length, 12))
		add(line, "SPI=0x%x ", word_at(header + 4));
	else if ((protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE) && complete(line, bytes, length, 8))
		add(line, "SPT=%u DPT=%u LEN=%u ", half_at(header), half_at(header + 2), half_at(header + 4));
}

static void
add_datagram(struct line *line, const uint8_t *ip, uint32_t bytes, uint32_t length, bool quoted)
{
	char src[INET_ADDRSTRLEN], dst[INET_ADDRSTRLEN];
	uint32_t header, fragment;

	if (!complete(line, bytes, length, 20))
		return;
	header = (uint32_t)(ip[0] & 15) * 4;
	fragment = half_at(ip + 6);
	add(line, "SRC=%s DST=%s ", inet_ntop(AF_INET, ip + 12, src, sizeof(src)),
		inet_ntop(AF_INET, ip + 16, dst, sizeof(dst)));
	add(line, "LEN=%u TOS=0x%02X PREC=0x%02X TTL=%u ID=%u ", half_at(ip + 2), ip[1] & 0x1e, ip[1] & 0xe0, ip[8],
		half_at(ip + 4));
	if ((fragment & 0x8000) != 0)
		add(line, "CE ");
	if ((fragment & 0x4000) != 0)
		add(line, "DF ");
	if ((fragment & 0x2000) != 0)
		add(line, "MF ");
	if ((fragment & 0x1fff) != 0)
		add(line, "FRAG:%u ", fragment & 0x1fff);
	if ((line->log->flags & NF_LOG_IPOPT) != 0 && header > 20 && header <= bytes) {
		add(line, "OPT (");
		add_hex(line, ip + 20, header - 20);
		add(line, ") ");
	}
	header = header < 20 ? 20 : RTE_MIN(header, bytes);
	add_transport(line, ip[9], ip + header, bytes - header, length - header, (fragment & 0x1fff) != 0, quoted);
}

static void
add_link(struct line *line, const struct netfilter_log *log)
{
	const uint8_t *b = log->link;

	if ((log->flags & NF_LOG_MACDECODE) != 0) {
		add(line, "MACSRC=%02x:%02x:%02x:%02x:%02x:%02x MACDST=%02x:%02x:%02x:%02x:%02x:%02x MACPROTO=%04x ",
			b[6], b[7], b[8], b[9], b[10], b[11], b[0], b[1], b[2], b[3], b[4], b[5], half_at(b + 12));
		return;
	}
	add(line, "MAC=");
	for (unsigned int i = 0; i < sizeof(log->link); i++)
		add(line, "%02x%c", b[i], i + 1 < sizeof(log->link) ? ':' : ' ');
}

void
netfilter_log_line(const struct netfilter_log *log, char *text, size_t size)
{
	struct line line = { text, text + size, log };

	add(&line, "%sIN=%.*s OUT=%.*s ", log->prefix, IF_NAMESIZE, log->in, IF_NAMESIZE, log->out);
	if (log->has_link)
		add_link(&line, log);
	add_datagram(&line, log->packet, log->bytes, log->length, false);
	if (log->mark != 0)
		add(&line, "MARK=0x%x ", log->mark);
}
