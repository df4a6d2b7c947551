/* SPDX-License-Identifier: BSD-3-Clause */
/* `weir save`: its parts, each of which prints shell lines for what it looks after. */
#ifndef WEIR_CONTROL_SAVE_H
#define WEIR_CONTROL_SAVE_H

#include <stdio.h>
#include <string.h>

#include <weir/dataplane.h>

struct save {
	struct router *router;
	FILE *out;
	const struct tc_estimator **estimator; /* gets that of the actions of a filter's line; NULL: no filter's line */
	bool *gone; /* gets true where the line names a port that is no more; NULL: it is not asked */
};

/* What ends a line, printed apart, for it may name a port that is no more: a script would fail by it. */
struct save_part {
	struct save save;
	bool gone;
	char *text;
	size_t bytes;
};

/* false: memory is out. */
static inline bool
save_part_start(struct save_part *part, const struct save *save)
{
	*part = (struct save_part){ .save = *save };
	part->save.gone = &part->gone;
	part->save.out = open_memstream(&part->text, &part->bytes);
	return part->save.out != NULL;
}

/* What its line begins with. The text is then free's. */
static inline const char *
save_part_end(struct save_part *part)
{
	fclose(part->save.out);
	return part->gone ? "# its port is gone: " : "";
}

/*
 * Settings that differ from what the router started with: save_settings_baseline is called then, before any
 * configuration.
 */
void save_settings_baseline(struct router *router);
void save_settings(const struct save *save);
void save_routes(const struct save *save);
void save_rules(const struct save *save);
void save_bound_roots(const struct save *save); /* those without which another link cannot go up: before link states */
int save_tc(const struct save *save, struct error *err); /* other qdiscs, classes, filters */
/* Of mq's queues: what net.core.default_qdisc was when it was made; NULL: q is no mq. */
const char *save_queue_kind(const struct qdisc *q);

const char *save_ip(uint8_t family, const struct ip_addr *addr, char text[64]);

/* As the shell takes a word as it is. `to` has room for 4 bytes a character, 2 and the end. */
static inline void
shell_quote(char *to, const char *text)
{
	*to++ = '\'';
	for (; *text != '\0'; text++) {
		if (*text == '\'')
			to = stpcpy(to, "'\\''");
		else
			*to++ = *text;
	}
	strcpy(to, "'");
}

/* The name of a port, or what is as long: quoted where the shell would see more in it than a word. */
struct shell_word {
	char text[4 * IF_NAMESIZE];
};

static inline struct shell_word
shell_word(const char *name)
{
	struct shell_word word = { 0 };

	if (name[strcspn(name, "!\"#$&'()*;<>?[\\]^`{|}~")] == '\0')
		snprintf(word.text, sizeof(word.text), "%s", name);
	else
		shell_quote(word.text, name);
	return word;
}

static inline struct shell_word
save_port_name(const struct save *save, uint32_t ifindex)
{
	const struct port *port = port_find(save->router, ifindex);

	if (port == NULL && save->gone != NULL)
		*save->gone = true;
	return port != NULL ? shell_word(port->name) : (struct shell_word){ "*" };
}

#endif
