/* SPDX-License-Identifier: MIT */

/* Text to the value of an option, and back. */

#include "base/cli_parts.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/number.h"

/* Big enough for "18446744073709551615" and a unit. */
#define NUMBER_TEXT 32

static void
print_size(char out[static NUMBER_TEXT], uint64_t v)
{
	static const char suffixes[] = "KMGT";
	int i = -1;

	while (i < 3 && v != 0 && v % 1024 == 0) {
		v /= 1024;
		i++;
	}
	if (i < 0)
		snprintf(out, NUMBER_TEXT, "%" PRIu64, v);
	else
		snprintf(out, NUMBER_TEXT, "%" PRIu64 "%c", v, suffixes[i]);
}

static void
print_duration(char out[static NUMBER_TEXT], uint64_t ms)
{
	if (ms % 1000 != 0)
		snprintf(out, NUMBER_TEXT, "%" PRIu64 "ms", ms);
	else
		snprintf(out, NUMBER_TEXT, "%" PRIu64 "s", ms / 1000);
}

static void
print_number(char out[static NUMBER_TEXT], enum cli_type type, uint64_t v)
{
	if (type == CLI_SIZE)
		print_size(out, v);
	else if (type == CLI_DURATION)
		print_duration(out, v);
	else
		snprintf(out, NUMBER_TEXT, "%" PRIu64, v);
}

static int
set_number(const struct cli_option *option, const char *what, const char *text,
    struct error *err)
{
	static const char *const wants[] = {
		[CLI_NUMBER] = "a number",
		[CLI_SIZE] = "a size like 4096, 64K or 1M",
		[CLI_DURATION] = "a duration like 500ms, 10s or 5m",
	};
	char min[NUMBER_TEXT], max[NUMBER_TEXT];
	size_t len = strlen(text);
	uint64_t v = 0;
	bool ok;

	assert(option->min <= option->max);
	if (option->type == CLI_SIZE)
		ok = number_parse_size(&v, text, len, option->min, option->max);
	else if (option->type == CLI_DURATION)
		ok = number_parse_duration(&v, text, len, option->min,
		    option->max);
	else
		ok = number_parse(&v, text, len, option->min, option->max);
	if (!ok) {
		print_number(min, option->type, option->min);
		print_number(max, option->type, option->max);
		return error_set(err, ERRC_USAGE,
		    "%s: \"%.64s\": want %s, from %s to %s", what, text,
		    wants[option->type], min, max);
	}
	assert(v >= option->min && v <= option->max);
	*(uint64_t *)option->value = v;
	return 0;
}

int
cli_word_index(const char *words, const char *text)
{
	size_t len = strlen(text);

	assert(words[0] != '\0');
	for (int i = 0;; i++) {
		size_t n = strcspn(words, "|");

		if (n == len && memcmp(words, text, n) == 0)
			return i;
		if (words[n] == '\0')
			return -1;
		words += n + 1;
	}
}

/* "a|b|c" as people say it: "a, b or c". */
static void
value_say_words(char *out, size_t room, const char *words)
{
	size_t at = 0;

	for (; *words != '\0' && at + 5 < room; words++) {
		if (*words != '|') {
			out[at++] = *words;
			continue;
		}
		at += (size_t)snprintf(out + at, room - at, "%s",
		    strchr(words + 1, '|') != NULL ? ", " : " or ");
	}
	assert(*words == '\0' && at < room);
	out[at] = '\0';
}

static int
set_word(const struct cli_option *option, const char *what, const char *text,
    struct error *err)
{
	char words[128];

	if (cli_word_index(option->argument, text) < 0) {
		value_say_words(words, sizeof(words), option->argument);
		return error_set(err, ERRC_USAGE, "%s: \"%.64s\": want %s",
		    what, text, words);
	}
	*(const char **)option->value = text;
	return 0;
}

static int
set_switch(const struct cli_option *option, const char *what, const char *text,
    struct error *err)
{
	if (text != NULL && strcmp(text, "yes") != 0 && strcmp(text, "no") != 0)
		return error_set(err, ERRC_USAGE,
		    "%s: \"%.64s\": want yes or no", what, text);
	*(bool *)option->value = text == NULL || text[0] == 'y';
	return 0;
}

/* Does text begin with a scheme of "file:PATH|etcd:HOST"? */
static bool
has_scheme(const char *forms, const char *text)
{
	for (const char *at = forms;; at++) {
		size_t n = strcspn(at, ":") + 1;

		assert(at[n - 1] == ':');
		if (strncmp(at, text, n) == 0)
			return true;
		at += strcspn(at, "|");
		if (*at == '\0')
			return false;
	}
}

static int
set_text(const struct cli_option *option, const char *what, const char *text,
    struct error *err)
{
	if (option->type != CLI_STRING && text[0] == '\0')
		return error_set(err, ERRC_USAGE, "%s: is empty", what);
	if (option->type == CLI_URL && strchr(option->argument, ':') != NULL &&
	    !has_scheme(option->argument, text))
		return error_set(err, ERRC_USAGE, "%s: \"%.64s\": want %s",
		    what, text, option->argument);
	*(const char **)option->value = text;
	return 0;
}

int
cli_value_set(const struct cli_option *option, const char *what,
    const char *text, struct error *err)
{
	struct cli_list *list;

	switch (option->type) {
	case CLI_SWITCH:
		return set_switch(option, what, text, err);
	case CLI_NUMBER:
	case CLI_SIZE:
	case CLI_DURATION:
		return set_number(option, what, text, err);
	case CLI_LIST:
		list = option->value;
		assert(list->n <= CLI_LIST_MAX);
		if (list->n == CLI_LIST_MAX)
			return error_set(err, ERRC_USAGE,
			    "%s: given more than %d times", what, CLI_LIST_MAX);
		list->item[list->n++] = text;
		return 0;
	case CLI_WORD:
		return set_word(option, what, text, err);
	case CLI_STRING:
	case CLI_FILE:
	case CLI_DIR:
	case CLI_URL:
		break;
	}
	return set_text(option, what, text, err);
}

static bool
print_list(const struct cli_list *list, char *out, size_t room)
{
	size_t at = 0;

	assert(list->n <= CLI_LIST_MAX && room > 0);
	out[0] = '\0';
	for (size_t i = 0; i < list->n && at < room; i++) {
		int n = snprintf(out + at, room - at, "%s%s", i == 0 ? "" : " ",
		    list->item[i]);

		if (n < 0)
			break;
		at += (size_t)n;
	}
	return list->n > 0;
}

size_t
cli_value_size(enum cli_type type)
{
	switch (type) {
	case CLI_SWITCH:
		return sizeof(bool);
	case CLI_NUMBER:
	case CLI_SIZE:
	case CLI_DURATION:
		return sizeof(uint64_t);
	case CLI_LIST:
		return sizeof(struct cli_list);
	case CLI_STRING:
	case CLI_WORD:
	case CLI_FILE:
	case CLI_DIR:
	case CLI_URL:
		break;
	}
	return sizeof(const char *);
}

bool
cli_value_print(const struct cli_option *option, char *out, size_t room)
{
	char number[NUMBER_TEXT];
	const char *text;
	uint64_t v;

	assert(room > NUMBER_TEXT);
	switch (option->type) {
	case CLI_SWITCH:
		snprintf(out, room, "%s",
		    *(bool *)option->value ? "yes" : "no");
		return true;
	case CLI_NUMBER:
	case CLI_SIZE:
	case CLI_DURATION:
		v = *(uint64_t *)option->value;
		print_number(number, option->type, v);
		snprintf(out, room, "%s", number);
		/* What could not be given stands for nothing given. */
		return v >= option->min && v <= option->max;
	case CLI_LIST:
		return print_list(option->value, out, room);
	case CLI_STRING:
	case CLI_WORD:
	case CLI_FILE:
	case CLI_DIR:
	case CLI_URL:
		break;
	}
	text = *(const char **)option->value;
	snprintf(out, room, "%s", text != NULL ? text : "");
	return text != NULL;
}

const char *
cli_type_name(enum cli_type type)
{
	static const char *const names[] = {
		[CLI_SWITCH] = "switch",
		[CLI_NUMBER] = "number",
		[CLI_SIZE] = "size",
		[CLI_DURATION] = "duration",
		[CLI_STRING] = "string",
		[CLI_WORD] = "word",
		[CLI_LIST] = "list",
		[CLI_FILE] = "file",
		[CLI_DIR] = "dir",
		[CLI_URL] = "url",
	};

	assert((size_t)type < nitems(names));
	return names[type];
}

void
cli_env_name(char out[static CLI_ENV_NAME_BYTES], const char *option)
{
	size_t n = (size_t)snprintf(out, CLI_ENV_NAME_BYTES, "KOOP_%s", option);

	assert(n < CLI_ENV_NAME_BYTES);
	for (char *c = out; *c != '\0'; c++) {
		if (*c == '-')
			*c = '_';
		else if (*c >= 'a' && *c <= 'z')
			*c = (char)(*c - 'a' + 'A');
	}
}
