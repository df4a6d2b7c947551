/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which line of a script was it? Shells do not say. So the arguments of the command that failed are compared with the
 * words of each line: a word without `$`, backquote or pattern must be among the arguments, in order; one with them may
 * have become anything. The line with the most words found is it. This takes no part in running the script, so nothing
 * can go wrong there.
 */
#include "client/find_line.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	WORDS_MAX = 128,
};

struct words {
	size_t count;
	const char *word[WORDS_MAX];
};

static const char *
base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

static bool
is_expanded(const char *word)
{
	return strpbrk(word, "$`*?[") != NULL;
}

static bool
is_number(const char *word)
{
	return word[strspn(word, "0123456789")] == '\0';
}

/*
 * Cuts line into words, in place: quotes and backslashes taken off, each of ; | & ( ) a word ";" that ends a command.
 */
static void
split(char *line, struct words *words)
{
	char *out = line;
	char quote = '\0';
	bool within = false;

	words->count = 0;
	for (char *at = line; *at != '\0' && words->count < WORDS_MAX - 1; at++) {
		bool space = quote == '\0' && strchr(" \t\n", *at) != NULL;
		bool end = quote == '\0' && strchr(";|&()<>", *at) != NULL;

		if (quote == '\0' && *at == '#' && !within)
			break;
		if (space || end) {
			if (within)
				*out++ = '\0';
			/* the 2 of 2>/dev/null */
			if (within && (*at == '<' || *at == '>') && is_number(words->word[words->count - 1]))
				words->count--;
			within = false;
			if (end)
				words->word[words->count++] = ";";
			continue;
		}
		if (!within)
			words->word[words->count++] = out;
		within = true;
		if (quote == '\0' && (*at == '\'' || *at == '"'))
			quote = *at;
		else if (*at == quote)
			quote = '\0';
		else if (*at == '\\' && at[1] != '\0' && quote != '\'')
			*out++ = *++at;
		else
			*out++ = *at;
	}
	if (within)
		*out = '\0';
}

/* How many words of the command that starts at words[from] are among the arguments; 0: it is another command. */
static int
score_command(const struct words *words, size_t from, const struct words *arguments)
{
	bool expanded = is_expanded(words->word[from]);
	size_t at = 1;
	int score = 1;

	if (!expanded && strcmp(base_name(words->word[from]), base_name(arguments->word[0])) != 0)
		return 0;
	for (size_t i = from + 1; i < words->count && strcmp(words->word[i], ";") != 0; i++) {
		size_t found = at;

		if (is_expanded(words->word[i])) {
			expanded = true;
			continue;
		}
		while (found < arguments->count && strcmp(arguments->word[found], words->word[i]) != 0)
			found++;
		if (found == arguments->count || (found != at && !expanded))
			return 0;
		at = found + 1;
		score += 2;
	}
	return expanded || at == arguments->count ? score : 0;
}

static int
score_line(char *line, const struct words *arguments)
{
	struct words words;
	int best = 0;

	split(line, &words);
	for (size_t i = 0; i < words.count; i++) {
		int score = strcmp(words.word[i], ";") != 0 ? score_command(&words, i, arguments) : 0;

		if (score > best)
			best = score;
	}
	return best;
}

static void
split_arguments(const char *command, size_t bytes, struct words *arguments)
{
	const char *end = command + bytes;

	arguments->count = 0;
	while (command < end && arguments->count < WORDS_MAX &&
		memchr(command, '\0', (size_t)(end - command)) != NULL) {
		arguments->word[arguments->count++] = command;
		command += strlen(command) + 1;
	}
}

/* A line with those that a backslash at its end joins to it; the lines are counted in *number. NULL at the end. */
static char *
read_line(FILE *file, int *number)
{
	char *line = NULL, *part = NULL;
	size_t length = 0, room = 0;
	ssize_t bytes;

	while ((bytes = getline(&part, &room, file)) > 0) {
		char *longer = realloc(line, length + (size_t)bytes + 1);

		if (longer == NULL)
			abort();
		line = longer;
		memcpy(line + length, part, (size_t)bytes + 1);
		length += (size_t)bytes;
		(*number)++;
		if (length < 2 || line[length - 2] != '\\' || line[length - 1] != '\n')
			break;
		length -= 2;
		line[length] = '\0';
	}
	free(part);
	return line;
}

int
find_line(const char *path, const char *command, size_t bytes)
{
	FILE *file = fopen(path, "re");
	struct words arguments;
	int number = 0, first = 1, best = 0, best_line = 0;
	char *line;

	split_arguments(command, bytes, &arguments);
	if (file == NULL || arguments.count == 0) {
		if (file != NULL)
			fclose(file);
		return 0;
	}
	while ((line = read_line(file, &number)) != NULL) {
		int score = score_line(line, &arguments);

		if (score > best) {
			best = score;
			best_line = first;
		} else if (score == best && score > 0) {
			best_line = 0;
		}
		first = number + 1;
		free(line);
	}
	fclose(file);
	return best_line;
}
