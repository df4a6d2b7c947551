/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A small `ip` for tests: commands as one types them, straight into the rib, and its contents as `ip route show`
 * prints them.
 * So a test reads like a transcript, and can be held against one of real Linux.
 */
#ifndef WEIR_TEST_RIB_IP_H
#define WEIR_TEST_RIB_IP_H

#include <weir/rib.h>

/* What a command answered: the errno and the sentence, if any. */
struct ip_answer {
	int code;
	char msg[240];
};

/*
 * link NAME INDEX up|down [loopback] [noarp] [nocarrier] [mtu N] | link del INDEX
 * address add|replace|del ADDR/LEN [peer ADDR] [brd ADDR|+] [scope N] [metric N] [noprefixroute] dev INDEX
 * route add|append|prepend|change|replace|del [TYPE] PREFIX [via ADDR] [dev INDEX] [src ADDR] [metric N] [tos N]
 * [table N]
 *	[proto N] [scope N] [mtu N] [realm N] [onlink] [nexthop [via ADDR] [dev INDEX] [weight N]]...
 * rule add|del [not] [from P] [to P] [fwmark N] [mask N] [tos N] [iif NAME] [oif NAME] [ipproto N] [sport A B] [dport
 * A B] [pref N] [table N]
 *	[goto N] [suppress N] [realms N] [blackhole|unreachable|prohibit|nop]
 */
struct ip_answer ip_command(struct rib *rib, const char *line);

/* `ip route show table N`, in one static buffer; "" if empty. table 0: all of the family, with `table N`. */
const char *ip_routes(const struct rib *rib, uint8_t family, uint32_t table);
const char *ip_rules(const struct rib *rib, uint8_t family);
const char *ip_addresses(const struct rib *rib, uint8_t family);
/* `ip route get`: what rib_lookup and rib_route_get both say; "differ: ..." if they do not agree. */
const char *ip_get(const struct rib *rib, const char *dst, const char *src, uint8_t tos, uint32_t mark);

struct ip_addr ip_parse(const char *text, uint8_t *family);

/*
 * Runs lines of commands; each may be followed by a line `! ERRNO text` that says what it must answer. Fails the
 * test otherwise.
 */
void ip_script(struct rib *rib, const char *script);

#endif
