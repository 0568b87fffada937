/* SPDX-License-Identifier: MIT */

/*
 * koop.conf: "key = value" lines.  A '#' at the start of a line or after a
 * space begins a comment.  What is read lives as long as the program, because
 * the values of options point into it.
 */

#include "base/cli_parts.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cli_keys.h"
#include "base/error.h"
#include "base/io.h"

#define CONFIG_BYTES_MAX (64 * 1024)
#define CONFIG_ENTRIES_MAX 256

static const char *const known_keys[] = {
#define X(key) key,
	KOOP_CONF_KEYS(X)
#undef X
};

/* Written once by main(), before there are threads. */
static struct {
	char path[PATH_MAX];
	char folder[PATH_MAX];
	char *text;
	struct cli_entry entry[CONFIG_ENTRIES_MAX];
	size_t n;
	bool read;
} config;

bool
cli_config_known(const char *key)
{
	for (size_t i = 0; i < nitems(known_keys); i++)
		if (strcmp(known_keys[i], key) == 0)
			return true;
	return false;
}

static const struct cli_option *
option_of_key(const struct cli *cli, const char *key)
{
	for (const struct cli_option *o = cli->options; o->name != NULL; o++)
		if ((o->source & CLI_CONF) != 0 && strcmp(o->name, key) == 0)
			return o;
	return NULL;
}

static bool
entry_exists(const char *key)
{
	assert(config.n <= CONFIG_ENTRIES_MAX);
	for (size_t i = 0; i < config.n; i++)
		if (strcmp(config.entry[i].key, key) == 0)
			return true;
	return false;
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Without the spaces around it; ends in place. */
static char *
cli_config_trim(char *s, char *end)
{
	assert(s <= end);
	while (s < end && is_space(*s))
		s++;
	while (end > s && is_space(end[-1]))
		end--;
	*end = '\0';
	return s;
}

/* Where the comment begins, or the end. */
static char *
find_comment(char *s, char *end)
{
	assert(s <= end);
	for (char *c = s; c < end; c++)
		if (*c == '#' && (c == s || is_space(c[-1])))
			return c;
	return end;
}

static int
parse_line(const struct cli *cli, const char *path, unsigned line, char *s,
    char *end, struct error *err)
{
	const struct cli_option *option;
	char *equals, *key, *value;

	assert(line >= 1);
	end = find_comment(s, end);
	s = cli_config_trim(s, end);
	if (*s == '\0')
		return 0;
	end = s + strlen(s);
	equals = strchr(s, '=');
	if (equals == NULL)
		return error_set(err, ERRC_CONFIG,
		    "%s:%u: want \"key = value\"", path, line);
	key = cli_config_trim(s, equals);
	value = cli_config_trim(equals + 1, end);
	option = option_of_key(cli, key);
	if (option == NULL && !cli_config_known(key))
		return error_set(err, ERRC_CONFIG,
		    "%s:%u: %.64s: no such key; koop.conf(5) lists them", path,
		    line, key);
	if (*value == '\0')
		return error_set(err, ERRC_CONFIG, "%s:%u: %s: has no value",
		    path, line, key);
	if (option != NULL && option->type != CLI_LIST && entry_exists(key))
		return error_set(err, ERRC_CONFIG, "%s:%u: %s: given twice",
		    path, line, key);
	if (config.n == CONFIG_ENTRIES_MAX)
		return error_set(err, ERRC_CONFIG, "%s:%u: more than %d lines",
		    path, line, CONFIG_ENTRIES_MAX);
	config.entry[config.n++] = (struct cli_entry){ key, value, line };
	return 0;
}

int
cli_config_parse(const struct cli *cli, const char *path, char *text,
    size_t len, struct error *err)
{
	char *s = text;
	unsigned line = 0;

	assert(text[len] == '\0'); /* what follows reads to the NUL */
	config.n = 0;
	if (memchr(text, '\0', len) != NULL)
		return error_set(err, ERRC_CONFIG, "%s: has a NUL byte", path);
	while (*s != '\0') {
		char *end = s + strcspn(s, "\n");
		char *next = *end == '\0' ? end : end + 1;
		int rc;

		line++;
		rc = parse_line(cli, path, line, s, end, err);
		if (rc < 0)
			return rc;
		s = next;
	}
	return 0;
}

/*
 * Nobody else may decide what a command does: a file that is read only
 * because it lies in the current folder must be the caller's or root's.
 */
static int
check_owner(const char *path, struct error *err)
{
	struct stat st;

	if (stat(path, &st) == -1)
		return error_errno(err, ERRC_CONFIG, "%s", path);
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return error_set(err, ERRC_CONFIG,
		    "%s: belongs to another user; to use it all the same, "
		    "name it: --config %s",
		    path, path);
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return error_set(err, ERRC_CONFIG,
		    "%s: others may write to it; chmod go-w it, or name it: "
		    "--config %s",
		    path, path);
	return 0;
}

static int
set_path(const char *path, struct error *err)
{
	char *slash;

	if (realpath(path, config.path) == NULL)
		return error_errno(err, ERRC_CONFIG, "%s", path);
	snprintf(config.folder, sizeof(config.folder), "%s", config.path);
	slash = strrchr(config.folder, '/');
	assert(config.path[0] == '/' && slash != NULL);
	slash[slash == config.folder] = '\0';
	return 0;
}

static int
read_config(const struct cli *cli, const char *path, struct error *err)
{
	size_t len = 0;
	int rc = set_path(path, err);

	/* Values point into the text: a second one would leave them behind. */
	assert(!config.read);
	if (rc < 0)
		return rc;
	rc = io_read_file(&config.text, &len, path, CONFIG_BYTES_MAX, err);
	if (rc < 0) {
		if (err != NULL)
			err->code = ERRC_CONFIG;
		return -ERRC_CONFIG;
	}
	config.read = true;
	return cli_config_parse(cli, path, config.text, len, err);
}

int
cli_config_read(const struct cli *cli, const char *named, struct error *err)
{
	static const char *const usual[] = { "koop.conf", "koop-data/koop.conf",
		"/etc/koop.conf" };

	if (named != NULL)
		return read_config(cli, named, err);
	for (size_t i = 0; i < nitems(usual); i++) {
		int rc;

		if (access(usual[i], F_OK) == -1)
			continue;
		rc = usual[i][0] == '/' ? 0 : check_owner(usual[i], err);
		return rc < 0 ? rc : read_config(cli, usual[i], err);
	}
	return 0;
}

const struct cli_entry *
cli_config_entries(size_t *n)
{
	assert(config.n <= CONFIG_ENTRIES_MAX);
	*n = config.n;
	return config.entry;
}

const char *
cli_config_file(void)
{
	assert(!config.read || config.path[0] == '/');
	return config.read ? config.path : NULL;
}

/* Where the path begins in a URL of a kind that has one. */
static const char *
path_of_url(const char *text)
{
	static const char *const schemes[] = { "file:", "sqlite:" };

	for (size_t i = 0; i < nitems(schemes); i++)
		if (strncmp(text, schemes[i], strlen(schemes[i])) == 0)
			return text + strlen(schemes[i]);
	return NULL;
}

const char *
cli_config_resolve(enum cli_type type, const char *text)
{
	const char *path = text;
	char *out = NULL;

	if (type == CLI_URL)
		path = path_of_url(text);
	else if (type != CLI_FILE && type != CLI_DIR)
		return text;
	if (path == NULL || path[0] == '/' || path[0] == '\0' || !config.read)
		return text;
	assert(config.folder[0] == '/'); /* or it would not be absolute */
	if (asprintf(&out, "%.*s%s/%s", (int)(path - text), text, config.folder,
		path) < 0)
		return NULL;
	return out;
}
