/* SPDX-License-Identifier: BSD-3-Clause */
/* net.ipv4.* settings by their Linux names: tables that say where each lives, its bounds and its unit. */
#ifndef WEIR_CONTROL_ROUTE_SYSCTL_TABLE_H
#define WEIR_CONTROL_ROUTE_SYSCTL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct setting {
	const char *name;
	size_t offset; /* of an int in the structure that its directory belongs to */
	int min, max; /* as the file shows it */
	int unit; /* the int's value for 1 in the file: milliseconds in a second, ... */
	bool read_only;
};

struct settings {
	const struct setting *list;
	size_t count;
};

extern const struct settings router_table; /* net.ipv4.NAME: struct router_settings */
extern const struct settings conf_table; /* net.ipv4.conf.LINK.NAME: struct port_settings */
extern const struct settings neigh_table; /* net.ipv4.neigh.LINK.NAME: struct port_settings */
extern const struct settings host_table; /* net.ipv4.NAME of an end host: struct host_settings */

/*
 * What Linux has for its own TCP and its own reassembly. A router has neither; scripts set them all the same, so
 * they are kept within Linux's bounds and shown, and mean nothing.
 */
struct host_settings {
	int ip_no_pmtu_disc, ip_nonlocal_bind, ip_dynaddr, ip_early_demux;
	int ipfrag_high_thresh, ipfrag_low_thresh, ipfrag_time, ipfrag_max_dist;
	int icmp_ignore_bogus_error_responses, icmp_errors_use_inbound_ifaddr;
	int tcp_abort_on_overflow, tcp_dsack, tcp_ecn, tcp_fin_timeout, tcp_keepalive_intvl, tcp_keepalive_probes,
		tcp_keepalive_time;
	int tcp_max_orphans, tcp_max_syn_backlog, tcp_max_tw_buckets, tcp_mtu_probing, tcp_orphan_retries,
		tcp_reordering;
	int tcp_retrans_collapse, tcp_retries1, tcp_retries2, tcp_rfc1337, tcp_sack, tcp_stdurg, tcp_syn_retries;
	int tcp_synack_retries, tcp_syncookies, tcp_timestamps, tcp_tw_reuse, tcp_window_scaling;
};
extern struct host_settings host_settings;

/* NULL if the table has none of that name. */
const struct setting *setting_find(const struct settings *table, const char *name);
/*
 * An int as Linux reads it from a file: blanks, a sign, decimal, octal (0...) or hexadecimal (0x...); what follows a
 * blank is ignored.
 */
bool setting_parse(const char *text, int64_t *value);
int setting_get(const struct setting *setting, const void *structure);
void setting_put(const struct setting *setting, void *structure, int value);

#endif
