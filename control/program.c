/* SPDX-License-Identifier: BSD-3-Clause */
#include "program.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <weir/dataplane.h>

int
program_fail(const struct error *err)
{
	fprintf(stderr, "%s: %s\n", program_invocation_short_name,
		err->msg[0] != '\0' ? err->msg : strerror(err->code));
	return EXIT_FAILED;
}

uint64_t
program_now(const struct control *control)
{
	return router_now(control->router);
}

int
program_add_port(struct control *control, const struct port_conf *conf, struct port **port, struct error *err)
{
	struct error reason = { 0 };
	int code = port_add(control->router, conf, port, &reason);

	if (code != 0)
		return error_set(err, -code, "port %s: %.200s", conf->name,
			reason.msg[0] != '\0' ? reason.msg : strerror(-code));
	return 0;
}
