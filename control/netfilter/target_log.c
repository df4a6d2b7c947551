/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>
#include <syslog.h>

#include <linux/netfilter/xt_LOG.h>

#include <weir/netfilter/targets.h>

#include "netfilter/codec.h"

static int
log_decode(const void *data, void *conf, struct error *err)
{
	const struct xt_log_info *info = data;
	struct netfilter_log_conf *c = conf;

	if (info->level > LOG_DEBUG)
		return error_set(
			err, EINVAL, "target LOG: there is no level %u; there are 0 (emerg) to 7 (debug)", info->level);
	if (memchr(info->prefix, '\0', sizeof(info->prefix)) == NULL)
		return error_set(err, EINVAL, "target LOG: the prefix does not end");
	c->level = info->level;
	c->flags = info->logflags;
	memcpy(c->prefix, info->prefix, sizeof(c->prefix));
	return 0;
}

static const struct xt_codec log_codec = {
	.side = XT_TARGET,
	.name = "LOG",
	.revision = 0,
	.bytes = sizeof(struct xt_log_info),
	.own_bytes = sizeof(struct xt_log_info),
	.conf_bytes = sizeof(struct netfilter_log_conf),
	.decode = log_decode,
};
XT_REGISTER(log_codec)
