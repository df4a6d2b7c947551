/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Everything in a blob comes from a program that need not be iptables: sizes and offsets are checked before anything is
 * read by them, and nothing of it is kept that was not understood.
 */
#include "netfilter/blob.h"

#include <linux/netfilter.h>
#include <stdlib.h>
#include <string.h>

#include "netfilter/codec.h"
#include "netfilter/kinds.h"

/* What a description points to, in pieces. */
struct xt_memory {
	struct xt_memory *next;
	unsigned char bytes[] __attribute__((aligned(16)));
};

struct reader {
	struct xt_blob *blob;
	uint32_t *offsets; /* of the rules */
	struct netfilter_rule_spec *rules;
	struct xt_description *description;
};

static void *
allocate(struct xt_description *description, size_t bytes)
{
	struct xt_memory *memory = calloc(1, sizeof(*memory) + bytes);

	if (memory == NULL)
		abort();
	memory->next = description->memory;
	description->memory = memory;
	return memory->bytes;
}

void
xt_description_release(struct xt_description *description)
{
	while (description->memory != NULL) {
		struct xt_memory *memory = description->memory;

		description->memory = memory->next;
		free(memory);
	}
}

static struct ipt_entry *
entry_at(const struct xt_blob *blob, uint32_t offset)
{
	return (struct ipt_entry *)(void *)((uintptr_t)blob->entries + offset);
}

static const struct xt_entry_target *
target_of(const struct ipt_entry *entry)
{
	return (const struct xt_entry_target *)(const void *)((const char *)entry + entry->target_offset);
}

static bool
is_error(const struct xt_entry_target *target)
{
	return strcmp(target->u.user.name, XT_ERROR_TARGET) == 0;
}

/* ---- where rules are ------------------------------------------------------------------------- */

static int
lie(const struct xt_blob *blob, uint32_t offset, const char *what, struct error *err)
{
	return error_set(err, EINVAL, "table %s: the rule at byte %u of %u %s", netfilter_table_name(blob->table),
		offset, blob->bytes, what);
}

/* The sizes that the entry at offset gives of itself and its parts. */
static int
check_entry(const struct xt_blob *blob, uint32_t offset, struct error *err)
{
	const size_t least = sizeof(struct ipt_entry), target_least = sizeof(struct xt_entry_target);
	const struct ipt_entry *entry = entry_at(blob, offset);
	uint32_t left = blob->bytes - offset;
	uint32_t at = least;

	if (left < least + target_least)
		return lie(blob, offset, "is cut off", err);
	if (entry->next_offset > left || entry->next_offset < least + target_least || entry->next_offset % 8 != 0)
		return lie(blob, offset, "has a wrong length", err);
	if (entry->target_offset < least || entry->target_offset > entry->next_offset - target_least ||
		entry->target_offset % 8 != 0)
		return lie(blob, offset, "has its target outside", err);
	while (at < entry->target_offset) {
		const struct xt_entry_match *match =
			(const struct xt_entry_match *)(const void *)((const char *)entry + at);

		if (entry->target_offset - at < sizeof(*match) || match->u.match_size < sizeof(*match) ||
			match->u.match_size > entry->target_offset - at || match->u.match_size % 8 != 0)
			return lie(blob, offset, "has a match of a wrong length", err);
		if (memchr(match->u.user.name, '\0', sizeof(match->u.user.name)) == NULL)
			return lie(blob, offset, "has a match whose name does not end", err);
		at += match->u.match_size;
	}
	if (target_of(entry)->u.target_size != entry->next_offset - entry->target_offset)
		return lie(blob, offset, "has a target of a wrong length", err);
	if (memchr(target_of(entry)->u.user.name, '\0', sizeof(target_of(entry)->u.user.name)) == NULL)
		return lie(blob, offset, "has a target whose name does not end", err);
	return 0;
}

/* Fills offsets. */
static int
find_rules(struct reader *reader, struct error *err)
{
	const struct xt_blob *blob = reader->blob;
	uint32_t offset = 0, found = 0;

	while (offset < blob->bytes) {
		int code = check_entry(blob, offset, err);

		if (code != 0)
			return code;
		if (found == blob->rules)
			return lie(blob, offset, "is one more than was announced", err);
		reader->offsets[found++] = offset;
		offset += entry_at(blob, offset)->next_offset;
	}
	if (found != blob->rules)
		return error_set(err, EINVAL, "table %s: %u rules were announced, and %u came",
			netfilter_table_name(blob->table), blob->rules, found);
	/* iptables ends a table so; what falls off the last chain stops there. */
	if (!is_error(target_of(entry_at(blob, reader->offsets[found - 1]))))
		return lie(blob, reader->offsets[found - 1], "is the last, and not the one that ends a table", err);
	return 0;
}

/* The rule that begins at offset, or UINT32_MAX. */
static uint32_t
rule_at(const struct reader *reader, uint32_t offset)
{
	uint32_t from = 0, to = reader->blob->rules;

	while (from < to) {
		uint32_t middle = from + (to - from) / 2;

		if (reader->offsets[middle] == offset)
			return middle;
		if (reader->offsets[middle] < offset)
			from = middle + 1;
		else
			to = middle;
	}
	return UINT32_MAX;
}

/* ---- what a rule says ------------------------------------------------------------------------ */

const char *
xt_blob_chain(const struct xt_blob *blob, uint32_t rule, uint32_t *number)
{
	const char *chain = "?";
	uint32_t offset = 0, first = 0;

	for (uint32_t i = 0; i <= rule && i < blob->rules; i++) {
		const struct ipt_entry *entry = entry_at(blob, offset);
		const struct xt_entry_target *target = target_of(entry);

		if (is_error(target)) {
			chain = (const char *)target->data;
			first = i + 1;
		}
		for (unsigned int hook = 0; hook < NETFILTER_HOOKS; hook++)
			if ((netfilter_table_hooks(blob->table) & 1u << hook) != 0 &&
				blob->hook_entry[hook] == offset) {
				chain = netfilter_hook_name((enum netfilter_hook)hook);
				first = i;
			}
		offset += entry->next_offset;
	}
	*number = rule - first + 1;
	return chain;
}

/* Puts the rule's place in front of what was wrong with it. */
static int
in_rule(const struct reader *reader, uint32_t rule, struct error *err)
{
	char wrong[sizeof(err->msg)];
	uint32_t number;
	const char *chain = xt_blob_chain(reader->blob, rule, &number);

	memcpy(wrong, err->msg, sizeof(wrong));
	return error_set(err, err->code, "table %s, chain %.29s, rule %u: %.150s",
		netfilter_table_name(reader->blob->table), chain, number, wrong);
}

static int
decode_selector(const struct ipt_ip *ip, struct netfilter_selector *selector, struct error *err)
{
	if (ip->flags & ~IPT_F_MASK || ip->invflags & ~IPT_INV_MASK || ip->proto > UINT8_MAX)
		return error_set(
			err, EINVAL, "unknown flags 0x%x or 0x%x, or a protocol above 255", ip->flags, ip->invflags);
	selector->src = ip->src.s_addr;
	selector->src_mask = ip->smsk.s_addr;
	selector->dst = ip->dst.s_addr;
	selector->dst_mask = ip->dmsk.s_addr;
	memcpy(selector->in, ip->iniface, sizeof(selector->in));
	memcpy(selector->out, ip->outiface, sizeof(selector->out));
	memcpy(selector->in_mask, ip->iniface_mask, sizeof(selector->in_mask));
	memcpy(selector->out_mask, ip->outiface_mask, sizeof(selector->out_mask));
	selector->protocol = (uint8_t)ip->proto;
	selector->fragment = (ip->flags & IPT_F_FRAG) != 0;
	selector->invert = ip->invflags; /* the same bits */
	return 0;
}

/*
 * A match or a target by name: its kind, and its conf in the description's memory. data has `bytes` bytes; those of
 * them that are not the program's are cleared.
 */
static int
decode_kind(struct reader *reader, enum xt_side side, const char *name, uint8_t revision, unsigned char *data,
	size_t bytes, const char **kind, const void **conf, struct error *err)
{
	const struct xt_codec *codec = xt_find(side, name, revision);
	const char *what = side == XT_MATCH ? "match" : "target";

	if (codec == NULL && xt_has_name(side, name))
		return error_set(err, ENOENT, "%s %s has no revision %u here", what, name, revision);
	if (codec == NULL)
		return xt_refuse_kind(side, name, err);
	if (bytes != XT_ALIGN(codec->bytes))
		return error_set(
			err, EINVAL, "%s %s has %zu bytes, not %zu", what, name, bytes, (size_t)XT_ALIGN(codec->bytes));
	memset(data + codec->own_bytes, 0, bytes - codec->own_bytes);
	*kind = codec->name;
	*conf = codec->conf_bytes != 0 ? allocate(reader->description, codec->conf_bytes) : NULL;
	return codec->decode(data, (void *)(uintptr_t)*conf, err);
}

static int
decode_matches(struct reader *reader, struct ipt_entry *entry, struct netfilter_rule_spec *rule, struct error *err)
{
	struct netfilter_match_spec *specs = NULL;
	struct xt_entry_match *match;

	xt_ematch_foreach(match, entry) rule->n_matches++;
	if (rule->n_matches != 0)
		specs = allocate(reader->description, rule->n_matches * sizeof(*specs));
	rule->matches = specs;
	xt_ematch_foreach(match, entry)
	{
		int code = decode_kind(reader, XT_MATCH, match->u.user.name, match->u.user.revision, match->data,
			match->u.match_size - sizeof(*match), &specs->kind, &specs->conf, err);

		if (code != 0)
			return code;
		specs++;
	}
	return 0;
}

/* A verdict, or the place of a rule to go on with. */
static int
decode_standard(const struct reader *reader, uint32_t offset, struct netfilter_target_spec *to, struct error *err)
{
	const struct ipt_entry *entry = entry_at(reader->blob, offset);
	const struct xt_standard_target *standard = (const struct xt_standard_target *)(const void *)target_of(entry);
	int verdict = standard->verdict;

	switch (verdict) {
	case -NF_ACCEPT - 1:
		to->verdict = NETFILTER_ACCEPT;
		return 0;
	case -NF_DROP - 1:
		to->verdict = NETFILTER_DROP;
		return 0;
	case XT_RETURN:
		to->verdict = NETFILTER_RETURN;
		return 0;
	case -NF_QUEUE - 1:
		return xt_refuse_kind(XT_TARGET, "QUEUE", err);
	default:
		break;
	}
	to->rule = verdict >= 0 ? rule_at(reader, (uint32_t)verdict) : UINT32_MAX;
	if (to->rule == UINT32_MAX)
		return error_set(err, EINVAL, "a verdict of %d, where no rule begins", verdict);
	if ((uint32_t)verdict == offset + entry->next_offset)
		to->verdict = NETFILTER_CONTINUE;
	else
		to->verdict = (entry->ip.flags & IPT_F_GOTO) != 0 ? NETFILTER_GOTO : NETFILTER_JUMP;
	return 0;
}

static int
decode_target(struct reader *reader, uint32_t offset, struct netfilter_target_spec *to, struct error *err)
{
	struct ipt_entry *entry = entry_at(reader->blob, offset);
	struct xt_entry_target *target = (struct xt_entry_target *)(uintptr_t)target_of(entry);
	const char *name = target->u.user.name;
	const struct xt_error_target *head = (const struct xt_error_target *)(const void *)target;

	if (name[0] == '\0' || is_error(target)) {
		size_t bytes = name[0] == '\0' ? XT_ALIGN(sizeof(struct xt_standard_target)) : XT_ALIGN(sizeof(*head));

		if (target->u.target_size != bytes || target->u.user.revision != 0)
			return error_set(err, EINVAL, "target %s has %u bytes, not %zu",
				name[0] != '\0' ? name : "of a verdict", target->u.target_size, bytes);
	}
	if (name[0] == '\0')
		return decode_standard(reader, offset, to, err);
	if (is_error(target)) {
		if (memchr(head->errorname, '\0', sizeof(head->errorname)) == NULL)
			return error_set(err, EINVAL, "the name of a chain does not end");
		to->verdict = NETFILTER_ERROR;
		to->kind = head->errorname;
		return 0;
	}
	to->verdict = NETFILTER_EXTENSION;
	return decode_kind(reader, XT_TARGET, name, target->u.user.revision, target->data,
		target->u.target_size - sizeof(*target), &to->kind, &to->conf, err);
}

static int
decode_rule(struct reader *reader, uint32_t index, struct error *err)
{
	struct netfilter_rule_spec *rule = &reader->rules[index];
	uint32_t offset = reader->offsets[index];
	struct ipt_entry *entry = entry_at(reader->blob, offset);
	int code = decode_selector(&entry->ip, &rule->selector, err);

	if (code == 0)
		code = decode_matches(reader, entry, rule, err);
	if (code == 0)
		code = decode_target(reader, offset, &rule->target, err);
	/* Counts start at 0: iptables adds what it took over when it has been told what that was. */
	entry->counters = (struct xt_counters){ 0 };
	entry->comefrom = 0;
	return code == 0 ? 0 : in_rule(reader, index, err);
}

/* ---- chains ---------------------------------------------------------------------------------- */

static bool
is_policy(const struct reader *reader, uint32_t index)
{
	static const struct ipt_ip any;
	const struct netfilter_rule_spec *rule = &reader->rules[index];

	return memcmp(&entry_at(reader->blob, reader->offsets[index])->ip, &any, sizeof(any)) == 0 &&
	       rule->n_matches == 0 &&
	       (rule->target.verdict == NETFILTER_ACCEPT || rule->target.verdict == NETFILTER_DROP);
}

static int
find_chains(const struct reader *reader, struct netfilter_table_spec *spec, struct error *err)
{
	const struct xt_blob *blob = reader->blob;

	for (unsigned int hook = 0; hook < NETFILTER_HOOKS; hook++) {
		uint32_t first, policy;

		if ((netfilter_table_hooks(blob->table) & 1u << hook) == 0)
			continue;
		first = rule_at(reader, blob->hook_entry[hook]);
		policy = rule_at(reader, blob->underflow[hook]);
		if (first == UINT32_MAX || policy == UINT32_MAX || first > policy || !is_policy(reader, policy))
			return error_set(err, EINVAL,
				"table %s: chain %s is said to be from byte %u to its policy at %u, where it is not",
				netfilter_table_name(blob->table), netfilter_hook_name((enum netfilter_hook)hook),
				blob->hook_entry[hook], blob->underflow[hook]);
		spec->first[hook] = first;
		spec->policy[hook] = policy;
	}
	return 0;
}

/* ---- from one end to the other --------------------------------------------------------------- */

static int
describe(struct xt_blob *blob, struct xt_description *description, struct error *err)
{
	struct reader reader = { .blob = blob, .description = description };
	int code;

	reader.offsets = allocate(description, blob->rules * sizeof(*reader.offsets));
	code = find_rules(&reader, err);
	if (code != 0)
		return code;
	reader.rules = allocate(description, blob->rules * sizeof(*reader.rules));
	for (uint32_t i = 0; i < blob->rules && code == 0; i++)
		code = decode_rule(&reader, i, err);
	if (code != 0)
		return code;
	description->spec.table = blob->table;
	description->spec.rules = reader.rules;
	description->spec.n_rules = blob->rules;
	return find_chains(&reader, &description->spec, err);
}

static struct xt_blob *
make_blob(enum netfilter_table_id table, uint32_t bytes, uint32_t rules)
{
	static unsigned int order;
	struct xt_blob *blob = calloc(1, sizeof(*blob) + bytes);

	if (blob == NULL)
		abort();
	blob->table = table;
	blob->order = ++order;
	blob->bytes = bytes;
	blob->rules = rules;
	return blob;
}

struct xt_blob *
xt_blob_create(const struct ipt_replace *replace, size_t bytes, enum netfilter_table_id table,
	struct xt_description *description, struct error *err)
{
	const char *name = netfilter_table_name(table);
	struct xt_blob *blob;

	*description = (struct xt_description){ 0 };
	if (replace->valid_hooks != netfilter_table_hooks(table)) {
		error_set(err, EINVAL, "table %s has chains at the hooks 0x%x, not 0x%x", name,
			netfilter_table_hooks(table), replace->valid_hooks);
		return NULL;
	}
	if (bytes < sizeof(*replace) || replace->size != bytes - sizeof(*replace)) {
		error_set(err, EINVAL, "table %s is said to have %u bytes, and %zu came", name, replace->size,
			bytes - sizeof(*replace));
		return NULL;
	}
	if (replace->num_entries == 0 || replace->num_entries > replace->size / sizeof(struct ipt_entry)) {
		error_set(err, EINVAL, "table %s cannot have %u rules in %u bytes", name, replace->num_entries,
			replace->size);
		return NULL;
	}
	if (replace->num_entries > NETFILTER_RULES_MAX) {
		error_set(err, E2BIG, "table %s has %u rules; %u are the most", name, replace->num_entries,
			NETFILTER_RULES_MAX);
		return NULL;
	}
	blob = make_blob(table, replace->size, replace->num_entries);
	memcpy(blob->entries, replace->entries, replace->size);
	memcpy(blob->hook_entry, replace->hook_entry, sizeof(blob->hook_entry));
	memcpy(blob->underflow, replace->underflow, sizeof(blob->underflow));
	if (describe(blob, description, err) == 0)
		return blob;
	xt_description_release(description);
	free(blob);
	return NULL;
}

/* A rule for all packets, with this target. Returns its bytes. */
static uint32_t
put_rule(unsigned char *to, const void *target, size_t bytes)
{
	struct ipt_entry *entry = (struct ipt_entry *)(void *)to;

	entry->target_offset = sizeof(*entry);
	entry->next_offset = (uint16_t)(sizeof(*entry) + bytes);
	memcpy(to + sizeof(*entry), target, bytes);
	return entry->next_offset;
}

struct xt_blob *
xt_blob_create_empty(enum netfilter_table_id table, struct xt_description *description)
{
	const struct xt_standard_target policy = {
		.target.u.user.target_size = sizeof(policy),
		.verdict = -NF_ACCEPT - 1,
	};
	const struct xt_error_target end = {
		.target.u.user = { .target_size = sizeof(end), .name = XT_ERROR_TARGET },
		.errorname = XT_ERROR_TARGET,
	};
	const uint32_t hooks = netfilter_table_hooks(table), chains = (uint32_t)__builtin_popcount(hooks);
	const size_t bytes =
		chains * (sizeof(struct ipt_entry) + sizeof(policy)) + sizeof(struct ipt_entry) + sizeof(end);
	struct xt_blob *blob = make_blob(table, (uint32_t)bytes, chains + 1);
	uint32_t offset = 0;

	for (unsigned int hook = 0; hook < NETFILTER_HOOKS; hook++)
		if ((hooks & 1u << hook) != 0) {
			blob->hook_entry[hook] = blob->underflow[hook] = offset;
			offset += put_rule(blob->entries + offset, &policy, sizeof(policy));
		}
	put_rule(blob->entries + offset, &end, sizeof(end));
	*description = (struct xt_description){ 0 };
	if (describe(blob, description, NULL) != 0)
		abort();
	return blob;
}

_Static_assert(sizeof(struct xt_standard_target) == XT_ALIGN(sizeof(struct xt_standard_target)) &&
		       sizeof(struct xt_error_target) == XT_ALIGN(sizeof(struct xt_error_target)),
	"targets follow each other without gaps");

void
xt_blob_copy(const struct xt_blob *blob, const struct netfilter_counter *counters, void *to)
{
	uint32_t offset = 0;

	memcpy(to, blob->entries, blob->bytes);
	for (uint32_t i = 0; i < blob->rules; i++) {
		struct ipt_entry *entry = (struct ipt_entry *)(void *)((char *)to + offset);

		entry->counters = (struct xt_counters){ .pcnt = counters[i].packets, .bcnt = counters[i].bytes };
		offset += entry->next_offset;
	}
}
