/* SPDX-License-Identifier: BSD-3-Clause */
#include "shim/host.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include <linux/nsfs.h>

#include "shim/namespace.h"

static bool left;
static bool known;

bool
namespace_was_left(void)
{
	if (!known) {
		left = getenv(NAMESPACE_VARIABLE) != NULL;
		known = true;
	}
	return left;
}

static void
leave(void)
{
	left = true;
	known = true;
	setenv(NAMESPACE_VARIABLE, "other", 1);
}

EXPORT int
setns(int fd, int type)
{
	/* Type 0 takes whatever namespace fd is of (ioctl_ns(2)). */
	bool network = type == CLONE_NEWNET || (type == 0 && HOST(ioctl)(fd, NS_GET_NSTYPE) == CLONE_NEWNET);
	int code = HOST(setns)(fd, type);

	if (code == 0 && network)
		leave();
	return code;
}

EXPORT int
unshare(int flags)
{
	int code = HOST(unshare)(flags);

	if (code == 0 && (flags & CLONE_NEWNET) != 0)
		leave();
	return code;
}
