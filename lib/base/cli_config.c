/* SPDX-License-Identifier: MIT */

/*
 * koop.conf: "key = value" lines, and "[koop-node]" before those of one
 * program. A '#' at the start of a line or after a space begins a comment. What
 * is read lives as long as the program, because the values of options point
 * into it.
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

static const char *const shared_keys[] = {
#define X(key) key,
	CLI_SHARED_KEYS(X)
#undef X
};

static const char *const programs[] = {
#define X(name) name,
	CLI_PROGRAMS(X)
#undef X
};

/* Whose the lines are that are being read. */
enum section {
	SECTION_SHARED,
	SECTION_OWN,
	SECTION_OTHER, /* a program's that is not this one */
};

struct parser {
	const struct cli *cli;
	const char *path;
	unsigned line;
	enum section section;
};

/* Written by main(), before there are threads or for cli_reload(). */
static struct {
	char path[PATH_MAX];
	char folder[PATH_MAX];
	struct cli_config now, before;
	bool read;
	bool found; /* it lies here, and nobody has named it */
} config;

static bool
is_shared(const char *key)
{
	for (size_t i = 0; i < nitems(shared_keys); i++)
		if (strcmp(shared_keys[i], key) == 0)
			return true;
	return false;
}

static bool
is_program(const char *name)
{
	for (size_t i = 0; i < nitems(programs); i++)
		if (strcmp(programs[i], name) == 0)
			return true;
	return false;
}

static const struct cli_option *
option_of_key(const struct cli *cli, const char *key)
{
	for (const struct cli_option *o = cli->options; o->name != NULL; o++)
		if (o->source != CLI_FLAG_ONLY && strcmp(o->name, key) == 0)
			return o;
	return NULL;
}

static const struct cli_entry *
find_entry(const struct cli_config *in, const char *key, bool own)
{
	for (size_t i = 0; i < in->n; i++)
		if (in->entry[i].own == own &&
		    strcmp(in->entry[i].key, key) == 0)
			return &in->entry[i];
	return NULL;
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

/* "[koop-node]", trimmed. */
static int
parse_section(struct parser *p, char *s, struct error *err)
{
	size_t n = strlen(s);
	char *name;

	assert(s[0] == '[');
	if (s[n - 1] != ']')
		return error_set(err, ERRC_CONFIG,
		    "%s:%u: want \"[koop-program]\"", p->path, p->line);
	name = cli_config_trim(s + 1, s + n - 1);
	if (!is_program(name))
		return error_set(err, ERRC_CONFIG,
		    "%s:%u: [%.64s]: no such program; a section is named as "
		    "[koop-node] is",
		    p->path, p->line, name);
	p->section = strcmp(name, p->cli->name) == 0 ? SECTION_OWN :
						       SECTION_OTHER;
	return 0;
}

/* May the key stand where it does? */
static int
check_key(const struct parser *p, const char *key,
    const struct cli_option *option, struct error *err)
{
	if (p->section == SECTION_SHARED && !is_shared(key)) {
		if (option != NULL)
			return error_set(err, ERRC_CONFIG,
			    "%s:%u: %.64s: not shared by all programs; it "
			    "belongs below a line [%s]",
			    p->path, p->line, key, p->cli->name);
		return error_set(err, ERRC_CONFIG,
		    "%s:%u: %.64s: no such key for all programs; one of a "
		    "single program stands below a line [koop-...]: "
		    "koop.conf(5)",
		    p->path, p->line, key);
	}
	if (p->section == SECTION_OWN && option == NULL)
		return error_set(err, ERRC_CONFIG,
		    "%s:%u: %.64s: no such key of [%s]; %s --print-config "
		    "lists them",
		    p->path, p->line, key, p->cli->name, p->cli->name);
	return 0;
}

/* "key = value", trimmed. */
static int
parse_entry(const struct parser *p, char *s, struct error *err)
{
	const struct cli_option *option;
	bool own = p->section == SECTION_OWN;
	char *end = s + strlen(s);
	char *equals = strchr(s, '=');
	char *key, *value;
	int rc;

	if (equals == NULL)
		return error_set(err, ERRC_CONFIG,
		    "%s:%u: want \"key = value\"", p->path, p->line);
	key = cli_config_trim(s, equals);
	value = cli_config_trim(equals + 1, end);
	option = option_of_key(p->cli, key);
	rc = check_key(p, key, option, err);
	if (rc < 0)
		return rc;
	if (*value == '\0')
		return error_set(err, ERRC_CONFIG, "%s:%u: %s: has no value",
		    p->path, p->line, key);
	if (p->section == SECTION_OTHER)
		return 0;
	if (option != NULL && option->type != CLI_LIST &&
	    find_entry(&config.now, key, own) != NULL)
		return error_set(err, ERRC_CONFIG, "%s:%u: %s: given twice",
		    p->path, p->line, key);
	if (config.now.n == CLI_CONFIG_ENTRIES_MAX)
		return error_set(err, ERRC_CONFIG, "%s:%u: more than %d lines",
		    p->path, p->line, CLI_CONFIG_ENTRIES_MAX);
	config.now.entry[config.now.n++] = (struct cli_entry){ key, value,
		p->line, own };
	return 0;
}

static int
parse_line(struct parser *p, char *s, char *end, struct error *err)
{
	assert(p->line >= 1);
	end = find_comment(s, end);
	s = cli_config_trim(s, end);
	if (*s == '\0')
		return 0;
	return *s == '[' ? parse_section(p, s, err) : parse_entry(p, s, err);
}

int
cli_config_parse(const struct cli *cli, const char *path, char *text,
    size_t len, struct error *err)
{
	struct parser p = { .cli = cli, .path = path };
	char *s = text;

	assert(text[len] == '\0'); /* what follows reads to the NUL */
	config.now.n = 0;
	if (memchr(text, '\0', len) != NULL)
		return error_set(err, ERRC_CONFIG, "%s: has a NUL byte", path);
	while (*s != '\0') {
		char *end = s + strcspn(s, "\n");
		char *next = *end == '\0' ? end : end + 1;
		int rc;

		p.line++;
		rc = parse_line(&p, s, end, err);
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
cli_config_check_owner(const char *path, struct error *err)
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
	rc = io_read_file(&config.now.text, &len, path, CONFIG_BYTES_MAX, err);
	if (rc < 0) {
		if (err != NULL)
			err->code = ERRC_CONFIG;
		return -ERRC_CONFIG;
	}
	config.read = true;
	return cli_config_parse(cli, path, config.now.text, len, err);
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

		if (i == 1 && cli->makes_clusters)
			continue;
		if (access(usual[i], F_OK) == -1)
			continue;
		config.found = usual[i][0] != '/';
		rc = config.found ? cli_config_check_owner(usual[i], err) : 0;
		return rc < 0 ? rc : read_config(cli, usual[i], err);
	}
	return 0;
}

const struct cli_entry *
cli_config_entries(size_t *n)
{
	assert(config.now.n <= CLI_CONFIG_ENTRIES_MAX);
	*n = config.now.n;
	return config.now.entry;
}

int
cli_config_again(const struct cli *cli, struct error *err)
{
	size_t len = 0;
	int rc;

	assert(config.read); /* there is a file to read again */
	rc = config.found ? cli_config_check_owner(config.path, err) : 0;
	if (rc < 0)
		return rc;
	config.before = config.now;
	config.now = (struct cli_config){ .again = true };
	rc = io_read_file(&config.now.text, &len, config.path, CONFIG_BYTES_MAX,
	    err);
	if (rc == 0)
		rc = cli_config_parse(cli, config.path, config.now.text, len,
		    err);
	if (rc < 0)
		cli_config_settle(false);
	return rc;
}

static void
drop(struct cli_config *c)
{
	for (size_t i = 0; i < c->resolved_n; i++)
		free(c->resolved[i]);
	free(c->text);
}

void
cli_config_settle(bool keep)
{
	assert(config.now.again);
	if (!keep) {
		drop(&config.now);
		config.now = config.before;
	} else if (config.before.again) {
		drop(&config.before);
	}
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
	if (type == CLI_FILE &&
	    (strcmp(text, "-") == 0 || strcmp(text, "off") == 0))
		return text;
	if (path == NULL || path[0] == '/' || path[0] == '\0' || !config.read)
		return text;
	assert(config.folder[0] == '/'); /* or it would not be absolute */
	if (asprintf(&out, "%.*s%s/%s", (int)(path - text), text, config.folder,
		path) < 0)
		return NULL;
	assert(config.now.resolved_n < CLI_CONFIG_ENTRIES_MAX);
	config.now.resolved[config.now.resolved_n++] = out;
	return out;
}
