/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names, bounds and defaults are those of Linux 6.1 (ip-sysctl.rst, arp(7), icmp(7), tcp(7)), compared with its files.
 */
#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <weir/dataplane.h>

#include "sysctl_table.h"

enum {
	MILLISECONDS_PER_SECOND = 1000,
	MILLISECONDS_PER_TICK = 10, /* USER_HZ is 100 */
};

#define ROUTER(name, min, max)                                                                                         \
	{                                                                                                              \
#name, offsetof(struct router_settings, name), min, max, 1, false                                      \
	}

static const struct setting router_list[] = {
	ROUTER(ip_forward, INT_MIN, INT_MAX),
	ROUTER(ip_default_ttl, 1, 255),
	ROUTER(icmp_echo_ignore_all, 0, 1),
	ROUTER(icmp_echo_ignore_broadcasts, 0, 1),
	ROUTER(icmp_ratelimit, 0, INT_MAX),
	ROUTER(icmp_ratemask, INT_MIN, INT_MAX),
	ROUTER(icmp_msgs_per_sec, 0, INT_MAX),
	ROUTER(icmp_msgs_burst, 0, INT_MAX),
	ROUTER(ip_forward_use_pmtu, 0, 255),
	ROUTER(fib_multipath_hash_policy, 0, 1),
};

#define CONF(name)                                                                                                     \
	{                                                                                                              \
#name, offsetof(struct port_settings, name), INT_MIN, INT_MAX, 1, false                                \
	}

static const struct setting conf_list[] = {
	CONF(accept_local),
	CONF(accept_redirects),
	CONF(accept_source_route),
	CONF(arp_accept),
	CONF(arp_announce),
	CONF(arp_filter),
	CONF(arp_ignore),
	CONF(bootp_relay),
	CONF(drop_unicast_in_l2_multicast),
	CONF(forwarding),
	CONF(log_martians),
	{ "mc_forwarding", offsetof(struct port_settings, mc_forwarding), 0, 1, 1, true },
	CONF(promote_secondaries),
	CONF(proxy_arp),
	CONF(route_localnet),
	CONF(rp_filter),
	CONF(secure_redirects),
	CONF(send_redirects),
	CONF(shared_media),
	CONF(src_valid_mark),
};

#define NEIGH(name, member, unit)                                                                                      \
	{                                                                                                              \
		name, offsetof(struct port_settings, member), 0, INT_MAX / (unit), unit, false                         \
	}

static const struct setting neigh_list[] = {
	NEIGH("anycast_delay", anycast_delay, 1),
	NEIGH("app_solicit", app_solicit, 1),
	NEIGH("base_reachable_time", base_reachable_time_ms, MILLISECONDS_PER_SECOND),
	NEIGH("base_reachable_time_ms", base_reachable_time_ms, 1),
	NEIGH("delay_first_probe_time", delay_first_probe_time, 1),
	NEIGH("gc_stale_time", gc_stale_time, 1),
	NEIGH("locktime", locktime, 1),
	NEIGH("mcast_solicit", mcast_solicit, 1),
	NEIGH("proxy_delay", proxy_delay, 1),
	NEIGH("proxy_qlen", proxy_qlen, 1),
	NEIGH("retrans_time", retrans_time_ms, MILLISECONDS_PER_TICK),
	NEIGH("retrans_time_ms", retrans_time_ms, 1),
	NEIGH("ucast_solicit", ucast_solicit, 1),
	NEIGH("unres_qlen", unres_qlen, 1),
};

#define HOST(name, min, max)                                                                                           \
	{                                                                                                              \
#name, offsetof(struct host_settings, name), min, max, 1, false                                        \
	}

static const struct setting host_list[] = {
	HOST(icmp_errors_use_inbound_ifaddr, 0, 1),
	HOST(icmp_ignore_bogus_error_responses, 0, 1),
	HOST(ip_dynaddr, 0, 255),
	HOST(ip_early_demux, 0, 255),
	HOST(ip_no_pmtu_disc, 0, 255),
	HOST(ip_nonlocal_bind, 0, 255),
	HOST(ipfrag_high_thresh, 0, INT_MAX),
	HOST(ipfrag_low_thresh, 0, INT_MAX),
	HOST(ipfrag_max_dist, 0, INT_MAX),
	HOST(ipfrag_time, 0, INT_MAX),
	HOST(tcp_abort_on_overflow, 0, 255),
	HOST(tcp_dsack, 0, 255),
	HOST(tcp_ecn, 0, 2),
	HOST(tcp_fin_timeout, 0, INT_MAX),
	HOST(tcp_keepalive_intvl, 0, INT_MAX),
	HOST(tcp_keepalive_probes, 0, 255),
	HOST(tcp_keepalive_time, 0, INT_MAX),
	HOST(tcp_max_orphans, 0, INT_MAX),
	HOST(tcp_max_syn_backlog, 0, INT_MAX),
	HOST(tcp_max_tw_buckets, 0, INT_MAX),
	HOST(tcp_mtu_probing, 0, 255),
	HOST(tcp_orphan_retries, 0, 255),
	HOST(tcp_reordering, 0, INT_MAX),
	HOST(tcp_retrans_collapse, 0, 255),
	HOST(tcp_retries1, 0, 255),
	HOST(tcp_retries2, 0, 255),
	HOST(tcp_rfc1337, 0, 255),
	HOST(tcp_sack, 0, 255),
	HOST(tcp_stdurg, 0, 255),
	HOST(tcp_syn_retries, 1, 127),
	HOST(tcp_synack_retries, 0, 255),
	HOST(tcp_syncookies, 0, 2),
	HOST(tcp_timestamps, 0, 2),
	HOST(tcp_tw_reuse, 0, 2),
	HOST(tcp_window_scaling, 0, 255),
};

struct host_settings host_settings = {
	.icmp_ignore_bogus_error_responses = 1,
	.ip_early_demux = 1,
	.ipfrag_high_thresh = 4194304,
	.ipfrag_low_thresh = 3145728,
	.ipfrag_max_dist = 64,
	.ipfrag_time = 30,
	.tcp_dsack = 1,
	.tcp_ecn = 2,
	.tcp_fin_timeout = 60,
	.tcp_keepalive_intvl = 75,
	.tcp_keepalive_probes = 9,
	.tcp_keepalive_time = 7200,
	.tcp_max_orphans = 4096,
	.tcp_max_syn_backlog = 128,
	.tcp_max_tw_buckets = 4096,
	.tcp_reordering = 3,
	.tcp_retrans_collapse = 1,
	.tcp_retries1 = 3,
	.tcp_retries2 = 15,
	.tcp_sack = 1,
	.tcp_syn_retries = 6,
	.tcp_synack_retries = 5,
	.tcp_syncookies = 1,
	.tcp_timestamps = 1,
	.tcp_tw_reuse = 2,
	.tcp_window_scaling = 1,
};

#define TABLE(list)                                                                                                    \
	{                                                                                                              \
		list, sizeof(list) / sizeof((list)[0])                                                                 \
	}

const struct settings router_table = TABLE(router_list);
const struct settings conf_table = TABLE(conf_list);
const struct settings neigh_table = TABLE(neigh_list);
const struct settings host_table = TABLE(host_list);

const struct setting *
setting_find(const struct settings *table, const char *name)
{
	for (size_t i = 0; i < table->count; i++)
		if (strcmp(table->list[i].name, name) == 0)
			return &table->list[i];
	return NULL;
}

bool
setting_parse(const char *text, int64_t *value)
{
	char *end;

	while (isspace((unsigned char)*text))
		text++;
	if (!isdigit((unsigned char)text[*text == '-']))
		return false;
	errno = 0;
	*value = strtoll(text, &end, 0);
	return errno == 0 && (*end == '\0' || isspace((unsigned char)*end));
}

static int *
setting_int(const struct setting *setting, void *structure)
{
	return (int *)(void *)((char *)structure + setting->offset);
}

int
setting_get(const struct setting *setting, const void *structure)
{
	return *setting_int(setting, (void *)(uintptr_t)structure) / setting->unit;
}

void
setting_put(const struct setting *setting, void *structure, int value)
{
	/* Workers read it as they go. */
	__atomic_store_n(setting_int(setting, structure), value * setting->unit, __ATOMIC_RELAXED);
}
