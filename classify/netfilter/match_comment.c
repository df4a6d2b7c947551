/* SPDX-License-Identifier: BSD-3-Clause */
/* comment: words for people; iptables-extensions(8). */
#include "netfilter.h"

static bool
comment_match(void *priv, struct packet *p)
{
	return true;
}

static bool
comment_select(const void *priv, struct key *mask, struct key *value)
{
	return true;
}

static const struct match_ops comment_ops = {
	.kind = "comment",
	.match = comment_match,
	.select = comment_select,
};
MATCH_REGISTER(comment_ops)
