/* SPDX-License-Identifier: BSD-3-Clause */
/* Settings that differ from those the router started with, as writes to /proc/sys/net. */
#include "route/sysctl_table.h"
#include "save.h"
#include "tc/tc.h"

/* A process has one router. */
static struct {
	struct router_settings router;
	struct port_settings all, preset;
	struct host_settings host;
} baseline;

void
save_settings_baseline(struct router *router)
{
	baseline.router = *router_settings(router);
	baseline.all = *router_settings_all(router);
	baseline.preset = *router_settings_default(router);
	baseline.host = host_settings;
}

/* before2: a second structure that must agree as well (NULL: none). */
static void
save_table(const struct save *save, const struct settings *table, const char *directory, const void *now,
	const void *before, const void *before2)
{
	for (size_t i = 0; i < table->count; i++) {
		const struct setting *s = &table->list[i];
		int value = setting_get(s, now);

		/* base_reachable_time and retrans_time say in coarse units what their _ms twins say. */
		if (s->read_only || s->unit != 1)
			continue;
		if (value != setting_get(s, before) || (before2 != NULL && value != setting_get(s, before2)))
			fprintf(save->out, "echo %d > /proc/sys/net/ipv4/%s%s\n", value, directory, s->name);
	}
}

static int
save_port_settings(void *arg, struct port *port)
{
	const struct save *save = arg;
	const struct port_settings *preset = router_settings_default(save->router);
	char directory[sizeof(struct shell_word) + 8];

	/* A link takes what is preset when it is made; whether that was before or after a change is not known. */
	snprintf(directory, sizeof(directory), "conf/%s/", shell_word(port->name).text);
	save_table(save, &conf_table, directory, &port->settings, &baseline.preset, preset);
	snprintf(directory, sizeof(directory), "neigh/%s/", shell_word(port->name).text);
	save_table(save, &neigh_table, directory, &port->settings, &baseline.preset, preset);
	return 0;
}

void
save_settings(const struct save *save)
{
	const struct port_settings *preset = router_settings_default(save->router);

	save_table(save, &router_table, "", router_settings(save->router), &baseline.router, NULL);
	save_table(save, &host_table, "", &host_settings, &baseline.host, NULL);
	save_table(save, &conf_table, "conf/all/", router_settings_all(save->router), &baseline.all, NULL);
	save_table(save, &conf_table, "conf/default/", preset, &baseline.preset, NULL);
	save_table(save, &neigh_table, "neigh/default/", preset, &baseline.preset, NULL);
	tc_save_settings(save->out);
	port_walk(save->router, save_port_settings, (void *)(uintptr_t)save);
}
