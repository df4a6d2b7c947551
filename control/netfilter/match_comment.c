/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include <linux/netfilter/xt_comment.h>

#include "netfilter/codec.h"

static int
comment_decode(const void *data, void *conf, struct error *err)
{
	const struct xt_comment_info *info = data;

	if (memchr(info->comment, '\0', sizeof(info->comment)) == NULL)
		return error_set(err, EINVAL, "match comment: the text does not end");
	return 0;
}

static const struct xt_codec comment_codec = {
	.side = XT_MATCH,
	.name = "comment",
	.revision = 0,
	.bytes = sizeof(struct xt_comment_info),
	.own_bytes = sizeof(struct xt_comment_info),
	.decode = comment_decode,
};
XT_REGISTER(comment_codec)
