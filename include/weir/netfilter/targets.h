/* SPDX-License-Identifier: BSD-3-Clause */
/* What the packet filter's targets are told; iptables-extensions(8). Standard verdicts are in weir/netfilter.h. */
#ifndef WEIR_NETFILTER_TARGETS_H
#define WEIR_NETFILTER_TARGETS_H

#include <stdbool.h>
#include <stdint.h>

/* "MARK" (revision 2) */
struct netfilter_mark_target_conf {
	uint32_t mark, mask; /* mark = (mark & ~mask) ^ this */
};

/* "REJECT": in filter */
struct netfilter_reject_conf {
	bool tcp_reset; /* for rules with protocol 6 */
	uint8_t icmp_code; /* else: the code of the ICMP destination unreachable: ICMP_PORT_UNREACH ... */
};

/* "TOS" (revision 1): in mangle */
struct netfilter_tos_target_conf {
	uint8_t value, mask; /* tos = (tos & ~mask) ^ value */
};

/* "DSCP": in mangle */
struct netfilter_dscp_target_conf {
	uint8_t dscp; /* 0..63 */
};

/* "ECN": in mangle; what is not set stays */
struct netfilter_ecn_conf {
	bool set_ect, set_ece, set_cwr;
	uint8_t ect; /* the two lower bits of the TOS byte */
	bool ece, cwr; /* bits of TCP's header: for rules with protocol 6 */
};

/* "TCPMSS": for rules with protocol 6 that match SYN segments only */
struct netfilter_tcpmss_conf {
	bool clamp; /* to the path's MTU: at FORWARD, OUTPUT, POSTROUTING */
	uint16_t mss; /* else: this, or what the segment has if that is less */
};

/* "CLASSIFY": at FORWARD, OUTPUT, POSTROUTING */
struct netfilter_classify_conf {
	uint32_t priority; /* major:minor */
};

/* "TTL": in mangle; numbered as IPT_TTL_* */
enum netfilter_ttl_target_mode { NETFILTER_TTL_SET, NETFILTER_TTL_INC, NETFILTER_TTL_DEC };
struct netfilter_ttl_target_conf {
	enum netfilter_ttl_target_mode mode;
	uint8_t ttl; /* INC, DEC: not 0 */
};

/* "LOG"; flags are linux/netfilter/nf_log.h's NF_LOG_* */
struct netfilter_log_conf {
	uint8_t level; /* as syslog(3)'s, 0..7 */
	uint8_t flags;
	char prefix[30]; /* ends with a NUL */
};

#endif
