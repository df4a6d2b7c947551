/* SPDX-License-Identifier: BSD-3-Clause */
#include "netfilter/codec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CODECS_MAX = 128 };

static const struct xt_codec *codecs[CODECS_MAX]; /* in order of names */
static size_t codec_count;

void
xt_register(const struct xt_codec *codec)
{
	size_t at = codec_count;

	if (codec_count == CODECS_MAX || xt_find(codec->side, codec->name, codec->revision) != NULL) {
		fprintf(stderr, "weir: iptables' %s cannot be registered: it is there already, or there are too many\n",
			codec->name);
		abort();
	}
	for (; at > 0 && strcmp(codecs[at - 1]->name, codec->name) > 0; at--)
		codecs[at] = codecs[at - 1];
	codecs[at] = codec;
	codec_count++;
}

const struct xt_codec *
xt_find(enum xt_side side, const char *name, uint8_t revision)
{
	for (size_t i = 0; i < codec_count; i++)
		if (codecs[i]->side == side && codecs[i]->revision == revision && strcmp(codecs[i]->name, name) == 0)
			return codecs[i];
	return NULL;
}

bool
xt_has_name(enum xt_side side, const char *name)
{
	for (size_t i = 0; i < codec_count; i++)
		if (codecs[i]->side == side && strcmp(codecs[i]->name, name) == 0)
			return true;
	return false;
}

void
xt_each(enum xt_side side, void (*each)(void *arg, const struct xt_codec *codec), void *arg)
{
	for (size_t i = 0; i < codec_count; i++)
		if (codecs[i]->side == side)
			each(arg, codecs[i]);
}
