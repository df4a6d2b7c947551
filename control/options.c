/* SPDX-License-Identifier: BSD-3-Clause */
#include "options.h"

#include <ctype.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* tc(8), RATES: powers of 1000, or of 1024 with an i; "bit" counts bits, "bps" bytes. */
static bool
unit_bits(const char *unit, double *bits)
{
	static const char prefixes[] = "kmgt";
	const char *prefix = *unit != '\0' ? strchr(prefixes, tolower((unsigned char)*unit)) : NULL;
	double scale = 1;

	if (prefix != NULL) {
		bool binary = tolower((unsigned char)unit[1]) == 'i';

		for (const char *p = prefixes; p <= prefix; p++)
			scale *= binary ? 1024 : 1000;
		unit += binary ? 2 : 1;
	}
	if (strcasecmp(unit, "bit") == 0 || (*unit == '\0' && prefix == NULL))
		*bits = scale;
	else if (strcasecmp(unit, "bps") == 0)
		*bits = scale * 8;
	else
		return false;
	return true;
}

int
option_rate(const char *text, uint64_t *rate_Bps, struct error *err)
{
	double number, unit;
	char *end = NULL;

	/* strtod would take "inf", "nan" and "0x10", too. */
	number = isdigit((unsigned char)text[0]) || text[0] == '.' ? strtod(text, &end) : -1;
	if (number < 0 || tolower((unsigned char)text[1]) == 'x' || end == text || !unit_bits(end, &unit))
		return error_set(err, EINVAL, "'%s' is not a rate; give one as tc does: 10mbit, 1gbit, 5kbps", text);
	number = number * unit / 8;
	if (number < 1)
		return error_set(err, EINVAL, "rate '%s': a link sends a byte (8bit) a second at least", text);
	if (number >= 0x1p63)
		return error_set(err, EINVAL, "rate '%s' is beyond what a link can be", text);
	*rate_Bps = (uint64_t)number;
	return 0;
}

int
option_number(const char *text, uint64_t least, uint64_t most, uint64_t *number, struct error *err)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)text[0]) || *end != '\0' || errno != 0 || value < least || value > most)
		return error_set(err, EINVAL, "'%s' is not a number from %" PRIu64 " to %" PRIu64, text, least, most);
	*number = value;
	return 0;
}

int
option_port_name(const char *text, char *name, size_t size, const char **value, struct error *err)
{
	const char *equals = strchr(text, '=');
	size_t length = equals != NULL ? (size_t)(equals - text) : strlen(text);

	if (equals == NULL || length == 0)
		return error_set(err, EINVAL, "'%s' is not NAME=VALUE", text);
	if (length >= size || length >= IFNAMSIZ)
		return error_set(err, EINVAL, "'%.*s' is too long for a port's name: at most %d characters",
			(int)length, text, IFNAMSIZ - 1);
	memcpy(name, text, length);
	name[length] = '\0';
	if (strpbrk(name, "/: \t\n") != NULL || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return error_set(
			err, EINVAL, "'%s' is no name for a port: it may not hold a slash, a colon or a space", name);
	*value = equals + 1;
	return 0;
}
