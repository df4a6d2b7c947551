/* SPDX-License-Identifier: BSD-3-Clause */
/* rsvp and rsvp6 for a tc that does not know them; docs/classifiers/rsvp.md. */
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <weir/filter/rsvp_ports.h>

#include "plugin.h"

enum { RSVP_CLASSID = 1, RSVP_DST, RSVP_SRC, RSVP_PINFO, RSVP_POLICE, RSVP_ACT };

static const char usage[] =
	"Usage: ... rsvp ipproto PROTOCOL session DST[/PORT | GPI ] [ sender SRC[/PORT | GPI ] ]\n"
	"                [ classid CLASSID ] [ tunnelid ID ] [ tunnel ID skip NUMBER ]\n"
	"                [ action ACTION_SPEC ] [ police POLICE_SPEC ]\n"
	"GPI := { flowlabel NUMBER | spi/ah SPI | spi/esp SPI | u{8|16|32} NUMBER mask MASK at OFFSET }\n";

#define FLOWLABEL_AT (-40) /* from the transport header: the first word of IPv6's */

/* What the words say, before it is put. */
struct request {
	struct tc_words words;
	bool v6;
	struct rsvp_pinfo pinfo;
	struct nlmsghdr *n;
};

static int
read_protocol(struct request *r)
{
	const char *name = tc_next(&r->words);
	const struct protoent *known = name != NULL ? getprotobyname(name) : NULL;
	struct tc_words again = { r->words.kind, 1, (char **)(uintptr_t)&name };
	uint32_t number;

	if (known != NULL)
		number = (uint32_t)known->p_proto;
	else if (name == NULL || tc_number(&again, "ipproto", UINT8_MAX, &number) != 0)
		return -1;
	r->pinfo.protocol = (uint8_t)number;
	return 0;
}

/* `u32 N mask M at OFFSET`: a word; u16 and u8 lie somewhere in one. */
static int
read_bits(struct request *r, const char *word, struct rsvp_port *port)
{
	unsigned int bits = (unsigned int)atoi(word + 1), lowest;
	uint32_t most = bits == 32 ? UINT32_MAX : (UINT32_C(1) << bits) - 1, key, mask;
	const char *next = NULL, *text;
	long offset = 0;
	char *end;

	if (tc_number(&r->words, word, most, &key) != 0 || (next = tc_next(&r->words)) == NULL ||
		strcmp(next, "mask") != 0 || tc_number(&r->words, "mask", most, &mask) != 0 ||
		(next = tc_next(&r->words)) == NULL || strcmp(next, "at") != 0 || (text = tc_next(&r->words)) == NULL)
		return tc_unknown(next != NULL ? next : word, usage);
	offset = strtol(text, &end, 0);
	if (end == text || *end != '\0' || offset < -0x10000 || offset > 0x10000 || (bits == 32 && offset % 4 != 0) ||
		(bits == 16 && offset % 2 != 0)) {
		fprintf(stderr, "%s: \"at %s\": an offset that %u bits can lie at is wanted\n", r->words.kind, text,
			bits);
		return -1;
	}
	lowest = 32 - bits - 8 * (unsigned int)(offset & 3);
	*port = (struct rsvp_port){ htonl(key << lowest), htonl(mask << lowest), (int32_t)(offset & ~3L) };
	return 0;
}

/* A generalized port, if the next word starts one. */
static int
read_gpi(struct request *r, struct rsvp_port *port)
{
	static const struct {
		const char *word;
		uint32_t most;
		int32_t offset;
	} fields[] = { { "flowlabel", 0xfffff, FLOWLABEL_AT }, { "spi/esp", UINT32_MAX, 0 },
		{ "spi/ah", UINT32_MAX, 4 } };
	const char *word = r->words.argc > 0 ? r->words.argv[0] : "";
	uint32_t number;

	if (strcmp(word, "u8") == 0 || strcmp(word, "u16") == 0 || strcmp(word, "u32") == 0) {
		tc_next(&r->words);
		return read_bits(r, word, port);
	}
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		if (strcmp(word, fields[i].word) == 0) {
			tc_next(&r->words);
			if (tc_number(&r->words, word, fields[i].most, &number) != 0)
				return -1;
			*port = (struct rsvp_port){ htonl(number), htonl(fields[i].most), fields[i].offset };
		}
	return 0;
}

/* The session's port lies in the lower half of the transport header's first word, the sender's in the upper. */
static int
read_end(struct request *r, const char *word, bool sender)
{
	struct rsvp_port *port = sender ? &r->pinfo.sender : &r->pinfo.session;
	const char *text = tc_next(&r->words);
	uint8_t address[16];
	char host[64] = "";
	char *slash;

	if (text != NULL)
		snprintf(host, sizeof(host), "%s", text);
	slash = strchr(host, '/');
	if (slash != NULL)
		*slash = '\0';
	if (inet_pton(r->v6 ? AF_INET6 : AF_INET, host, address) != 1) {
		fprintf(stderr, "Illegal \"%s\"\n", word);
		return -1;
	}
	tc_put(r->n, sender ? RSVP_SRC : RSVP_DST, address, r->v6 ? 16 : 4);
	if (slash != NULL) {
		char *number = slash + 1;
		struct tc_words one = { r->words.kind, 1, &number };
		uint32_t value;

		if (tc_number(&one, word, UINT16_MAX, &value) != 0)
			return -1;
		*port = (struct rsvp_port){ htonl(sender ? value << 16 : value), htonl(sender ? 0xffff0000 : 0xffff),
			0 };
	}
	return read_gpi(r, port);
}

static int
read_tunnel(struct request *r)
{
	uint32_t number, skip;
	const char *word;

	if (tc_number(&r->words, "tunnel", UINT8_MAX, &number) != 0)
		return -1;
	word = tc_next(&r->words);
	if (word == NULL || strcmp(word, "skip") != 0)
		return tc_unknown(word != NULL ? word : "tunnel", usage);
	if (tc_number(&r->words, "skip", UINT8_MAX, &skip) != 0)
		return -1;
	r->pinfo.tunnelhdr = (uint8_t)skip;
	tc_put(r->n, RSVP_CLASSID, &number, sizeof(number));
	return 0;
}

static int
read_option(struct request *r, const char *word)
{
	uint32_t number;

	if (strcmp(word, "ipproto") == 0)
		return read_protocol(r);
	if (strcmp(word, "session") == 0 || strcmp(word, "sender") == 0)
		return read_end(r, word, word[2] == 'n');
	if (strcmp(word, "tunnel") == 0)
		return read_tunnel(r);
	if (strcmp(word, "tunnelid") == 0) {
		if (tc_number(&r->words, word, UINT8_MAX, &number) != 0)
			return -1;
		r->pinfo.tunnelid = (uint8_t)number;
		return 0;
	}
	if (strcmp(word, "classid") == 0 || strcmp(word, "flowid") == 0) {
		if (tc_classid(&r->words, word, &number) != 0)
			return -1;
		tc_put(r->n, RSVP_CLASSID, &number, sizeof(number));
		return 0;
	}
	if (strcmp(word, "action") == 0)
		return tc_actions(&r->words, word, RSVP_ACT, r->n);
	if (strcmp(word, "police") == 0)
		return tc_actions(&r->words, word, RSVP_POLICE, r->n);
	return tc_unknown(word, usage);
}

static int
parse(struct filter_util *fu, char *handle, int argc, char **argv, struct nlmsghdr *n)
{
	struct request r = { .words = { fu->id, argc, argv }, .v6 = strcmp(fu->id, "rsvp6") == 0, .n = n };
	struct tcmsg *tcm = NLMSG_DATA(n);
	struct rtattr *nest;
	const char *word;

	if (handle != NULL) {
		struct tc_words one = { fu->id, 1, &handle };

		if (tc_number(&one, "handle", UINT32_MAX, &tcm->tcm_handle) != 0)
			return -1;
	}
	if (argc == 0)
		return 0;
	nest = tc_nest(n, TCA_OPTIONS);
	while ((word = tc_next(&r.words)) != NULL)
		if (read_option(&r, word) != 0)
			return -1;
	tc_put(n, RSVP_PINFO, &r.pinfo, sizeof(r.pinfo));
	tc_nest_end(n, nest);
	return 0;
}

/* ---- printing ---- */

static void
print_port(FILE *f, const struct rsvp_port *port, bool sender, bool v6)
{
	uint32_t key = ntohl(port->key), mask = ntohl(port->mask);

	if (mask == 0)
		fputc(' ', f);
	else if (port->offset == 0 && mask == (sender ? 0xffff0000 : 0xffff))
		fprintf(f, "/%u ", sender ? key >> 16 : key);
	else if (v6 && port->offset == FLOWLABEL_AT && mask == 0xfffff)
		fprintf(f, " flowlabel 0x%05x ", key);
	else if (mask == UINT32_MAX && (port->offset == 0 || port->offset == 4))
		fprintf(f, " spi/%s 0x%08x ", port->offset == 0 ? "esp" : "ah", key);
	else
		fprintf(f, " u32 0x%08x mask %08x at %d ", key, mask, port->offset);
}

static void
print_end(FILE *f, const char *word, struct rtattr *attr, const struct rsvp_port *port, bool v6)
{
	char text[INET6_ADDRSTRLEN];

	if (attr == NULL)
		return;
	inet_ntop(v6 ? AF_INET6 : AF_INET, RTA_DATA(attr), text, sizeof(text));
	fprintf(f, "%s %s", word, text);
	print_port(f, port, word[2] == 'n', v6);
}

static void
print_protocol(FILE *f, uint8_t protocol)
{
	const struct protoent *known = protocol != 0 ? getprotobynumber(protocol) : NULL;

	if (known != NULL)
		fprintf(f, "ipproto %s ", known->p_name);
	else if (protocol != 0)
		fprintf(f, "ipproto ipproto-%u ", protocol);
}

static int
print(struct filter_util *fu, FILE *f, struct rtattr *options, uint32_t handle)
{
	bool v6 = strcmp(fu->id, "rsvp6") == 0;
	struct rtattr *classid = tc_find(options, RSVP_CLASSID, 4),
		      *pinfo = tc_find(options, RSVP_PINFO, sizeof(struct rsvp_pinfo));
	struct rsvp_pinfo p = { 0 };

	if (options == NULL)
		return 0;
	if (pinfo != NULL)
		memcpy(&p, RTA_DATA(pinfo), sizeof(p));
	fprintf(f, "fh 0x%08x ", handle);
	if (classid != NULL && p.tunnelhdr != 0)
		fprintf(f, "tunnel %u skip %u ", tc_u32(classid), p.tunnelhdr);
	else if (classid != NULL)
		tc_print_classid(f, "flowid", tc_u32(classid));
	print_end(f, "session", tc_find(options, RSVP_DST, v6 ? 16 : 4), &p.session, v6);
	print_protocol(f, p.protocol);
	if (p.tunnelid != 0)
		fprintf(f, "tunnelid %u ", p.tunnelid);
	print_end(f, "sender ", tc_find(options, RSVP_SRC, v6 ? 16 : 4), &p.sender, v6);
	tc_print_actions(f, tc_find(options, RSVP_ACT, 0));
	tc_print_bare_police(f, tc_find(options, RSVP_POLICE, 0));
	return 0;
}

PLUGIN struct filter_util rsvp_filter_util = { .id = "rsvp", .parse_fopt = parse, .print_fopt = print };
PLUGIN struct filter_util rsvp6_filter_util = { .id = "rsvp6", .parse_fopt = parse, .print_fopt = print };
