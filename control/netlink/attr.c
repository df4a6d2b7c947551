/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Checked access to attributes. A longer value than asked for is taken by its first bytes, as Linux does.
 */
#include <string.h>

#include "netlink/internal.h"

static size_t
payload_bytes(const struct nlattr *attr)
{
	return attr->nla_len - sizeof(*attr);
}

static int
get_number(const struct nlattr *attr, void *value, size_t bytes, const char *what, struct error *err)
{
	if (payload_bytes(attr) < bytes)
		return error_set(
			err, EINVAL, "%s: a number of %zu bytes is wanted, %zu came", what, bytes, payload_bytes(attr));
	memcpy(value, attr + 1, bytes);
	return 0;
}

int
nl_get_u8(const struct nlattr *attr, uint8_t otherwise, uint8_t *value, const char *what, struct error *err)
{
	*value = otherwise;
	return attr != NULL ? get_number(attr, value, sizeof(*value), what, err) : 0;
}

int
nl_get_u16(const struct nlattr *attr, uint16_t otherwise, uint16_t *value, const char *what, struct error *err)
{
	*value = otherwise;
	return attr != NULL ? get_number(attr, value, sizeof(*value), what, err) : 0;
}

int
nl_get_u32(const struct nlattr *attr, uint32_t otherwise, uint32_t *value, const char *what, struct error *err)
{
	*value = otherwise;
	return attr != NULL ? get_number(attr, value, sizeof(*value), what, err) : 0;
}

int
nl_get_u64(const struct nlattr *attr, uint64_t otherwise, uint64_t *value, const char *what, struct error *err)
{
	*value = otherwise;
	return attr != NULL ? get_number(attr, value, sizeof(*value), what, err) : 0;
}

int
nl_get_string(const struct nlattr *attr, char *string, size_t size, const char *what, struct error *err)
{
	size_t length;

	string[0] = '\0';
	if (attr == NULL)
		return 0;
	length = strnlen((const char *)(attr + 1), payload_bytes(attr));
	if (length >= size)
		return error_set(err, EINVAL, "%s: at most %zu characters, %zu came", what, size - 1, length);
	memcpy(string, attr + 1, length);
	string[length] = '\0';
	return 0;
}

int
nl_parse_attrs(const void *data, size_t bytes, const struct nlattr **table, uint16_t attr_max, const char *where,
	struct error *err)
{
	const char *at = data;

	memset(table, 0, sizeof(*table) * ((size_t)attr_max + 1));
	while (bytes >= sizeof(struct nlattr)) {
		const struct nlattr *attr = (const struct nlattr *)(const void *)at;
		uint16_t type = attr->nla_type & NLA_TYPE_MASK;
		size_t step = NLA_ALIGN(attr->nla_len);

		if (attr->nla_len == 0)
			break; /* zeros behind the last attribute: padding */
		if (attr->nla_len < sizeof(*attr) || attr->nla_len > bytes)
			return error_set(err, EINVAL, "attribute %u of %s says it is %u bytes long, where %zu are left",
				type, where, attr->nla_len, bytes);
		if (type <= attr_max)
			table[type] = attr;
		if (step >= bytes)
			break;
		at += step;
		bytes -= step;
	}
	return 0;
}

int
nl_get_attrs(const void *data, size_t bytes, const struct nlattr **table, uint16_t attr_max, struct error *err)
{
	return nl_parse_attrs(data, bytes, table, attr_max, "the options", err);
}

int
nl_get_nest(const struct nlattr *attr, const struct nlattr **table, uint16_t attr_max, struct error *err)
{
	char where[32];

	if (attr == NULL) {
		memset(table, 0, sizeof(*table) * ((size_t)attr_max + 1));
		return 0;
	}
	snprintf(where, sizeof(where), "nested attribute %u", attr->nla_type & NLA_TYPE_MASK);
	return nl_parse_attrs(attr + 1, payload_bytes(attr), table, attr_max, where, err);
}

const struct nlattr *
nl_next_in(const struct nlattr *nest, const struct nlattr *before)
{
	const struct nlattr *next = before == NULL ? mnl_attr_get_payload(nest) : mnl_attr_next(before);
	const uint8_t *end = (const uint8_t *)nest + nest->nla_len;

	return mnl_attr_ok(next, (int)(end - (const uint8_t *)next)) ? next : NULL;
}
