/* SPDX-License-Identifier: MIT */

/*
 * Which of flag, KOOP_ variable, koop.conf, foreign variable and default gives
 * an option its value, and which of them did.
 */

#include "base/cli_parts.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

/* Longer paths in messages are cut. */
#define WHERE_BYTES 600
#define VALUE_BYTES 1024

/* Written by main() before there are threads; afterwards only read, but for
 * cli_reload(), which touches what no other thread looks at. */
static struct {
	const struct cli *cli;
	struct cli_origin origin[CLI_OPTIONS_MAX];
	union cli_any initial[CLI_OPTIONS_MAX]; /* the defaults */
	char *name[CLI_OPTIONS_MAX];            /* for cli_origin() */
} source;

void
cli_source_begin(const struct cli *cli)
{
	size_t n = cli_option_count(cli);

	memset(source.origin, 0, sizeof(source.origin));
	source.cli = cli;
	for (size_t i = 0; i < n; i++)
		memcpy(&source.initial[i], cli->options[i].value,
		    cli_value_size(cli->options[i].type));
}

void
cli_source_flag(size_t index)
{
	assert(source.cli != NULL && index < cli_option_count(source.cli));
	source.origin[index].from = CLI_FROM_FLAG;
}

const struct cli_origin *
cli_source_origins(void)
{
	assert(source.cli != NULL);
	return source.origin;
}

/* An empty variable is one that is not set. */
static const char *
get_env(const char *name)
{
	const char *text = name != NULL ? getenv(name) : NULL;

	return text != NULL && text[0] != '\0' ? text : NULL;
}

/* The words of a list in one variable. */
static int
set_words(const struct cli_option *o, const char *name, const char *text,
    struct error *err)
{
	char *words = strdup(text);
	char *rest = words;
	char *word;
	bool kept = false;
	int rc = 0;

	assert(o->type == CLI_LIST);
	if (words == NULL)
		return error_set(err, ERRC_NOMEM, "%s: out of memory", name);
	while (rc == 0 && (word = strsep(&rest, " ")) != NULL) {
		if (word[0] == '\0')
			continue;
		rc = cli_value_set(o, name, word, err);
		kept = true;
	}
	if (!kept)
		free(words);
	/* Otherwise the list points into it. */
	return rc; /* NOLINT(clang-analyzer-unix.Malloc) */
}

/* Take the value from that variable, if it is set. */
static int
take_variable(const struct cli_option *o, const char *name, enum cli_from from,
    struct cli_origin *origin, struct error *err)
{
	const char *text = get_env(name);
	int rc;

	assert(origin->from == CLI_FROM_DEFAULT);
	if (text == NULL)
		return 0;
	if (o->type == CLI_LIST)
		rc = set_words(o, name, text, err);
	else
		rc = cli_value_set(o, name, text, err);
	origin->from = from;
	return rc;
}

/* Does the program's own section have the key?  Then the shared part, which
 * comes before it, is not asked. */
static bool
has_own(const struct cli_entry *entries, size_t n, const char *key)
{
	for (size_t i = 0; i < n; i++)
		if (entries[i].own && strcmp(entries[i].key, key) == 0)
			return true;
	return false;
}

/* Every entry of koop.conf for one option; several only for a list. */
static int
take_entries(const struct cli_option *o, struct cli_origin *origin,
    struct error *err)
{
	size_t n = 0;
	const struct cli_entry *entries = cli_config_entries(&n);
	bool own = has_own(entries, n, o->name);

	for (size_t i = 0; i < n; i++) {
		char what[WHERE_BYTES];
		const char *text;
		int rc;

		if (entries[i].own != own ||
		    strcmp(entries[i].key, o->name) != 0)
			continue;
		assert(entries[i].line >= 1);
		snprintf(what, sizeof(what), "%.500s:%u: %s", cli_config_file(),
		    entries[i].line, o->name);
		text = cli_config_resolve(o->type, entries[i].value);
		if (text == NULL)
			return error_set(err, ERRC_NOMEM, "%s: out of memory",
			    what);
		rc = cli_value_set(o, what, text, err);
		if (rc < 0)
			return rc;
		if (origin->from == CLI_FROM_DEFAULT)
			*origin = (struct cli_origin){ CLI_FROM_CONF,
				entries[i].line };
	}
	return 0;
}

/* The value of an option that no flag gives, from the first that has one. */
static int
take_first(const struct cli_option *o, struct cli_origin *origin,
    struct error *err)
{
	char name[CLI_ENV_NAME_BYTES];
	int rc = 0;

	assert(origin->from == CLI_FROM_DEFAULT);
	cli_env_name(name, o->name);
	if (o->source == CLI_ENV_CONF)
		rc = take_variable(o, name, CLI_FROM_ENV, origin, err);
	if (rc == 0 && origin->from == CLI_FROM_DEFAULT &&
	    o->source != CLI_FLAG_ONLY)
		rc = take_entries(o, origin, err);
	if (rc == 0 && origin->from == CLI_FROM_DEFAULT)
		rc = take_variable(o, o->env_alias, CLI_FROM_ALIAS, origin,
		    err);
	return rc;
}

/* The name that messages give to what came from elsewhere than a flag. */
static char *
make_name(const struct cli_option *o, const struct cli_origin *origin)
{
	char env[CLI_ENV_NAME_BYTES];
	char *out = NULL;
	int n = 0;

	cli_env_name(env, o->name);
	if (origin->from == CLI_FROM_CONF)
		n = asprintf(&out, "%.500s:%u: %s", cli_config_file(),
		    origin->line, o->name);
	else if (origin->from == CLI_FROM_ENV)
		out = strdup(env);
	else if (origin->from == CLI_FROM_ALIAS)
		out = strdup(o->env_alias);
	return n >= 0 ? out : NULL;
}

static bool
is_gone(const char *path)
{
	return path != NULL && access(path, F_OK) == -1 && errno == ENOENT;
}

int
cli_source_take(const struct cli *cli, const char *named, unsigned operands,
    struct error *err)
{
	size_t n = cli_option_count(cli);
	bool wanted = named != NULL;
	bool makes = cli->makes_clusters && operands == 0;

	assert(cli == source.cli);
	for (size_t i = 0; i < n; i++)
		wanted = wanted || cli->options[i].source != CLI_FLAG_ONLY;
	if (!wanted)
		return 0;
	if (named == NULL && !makes) {
		named = get_env("KOOP_CONFIG");
		/* That of a cluster that is gone keeps nobody from others. */
		if (cli->makes_clusters && is_gone(named))
			named = NULL;
	}
	if (cli_config_read(cli, named, err) < 0)
		return cli->wants_cluster && !makes && is_gone(named) ?
		    error_no_cluster(err, "%s: %s", named, strerror(ENOENT)) :
		    -ERRC_CONFIG;
	for (size_t i = 0; i < n; i++) {
		struct cli_origin *origin = &source.origin[i];

		if (origin->from != CLI_FROM_DEFAULT)
			continue;
		if (take_first(&cli->options[i], origin, err) < 0) {
			err->code = ERRC_CONFIG;
			return -ERRC_CONFIG;
		}
		source.name[i] = make_name(&cli->options[i], origin);
	}
	return 0;
}

const char *
cli_origin(const void *value, const char *flag)
{
	size_t n = source.cli != NULL ? cli_option_count(source.cli) : 0;

	assert(value != NULL && flag != NULL);
	for (size_t i = 0; i < n; i++)
		if (source.cli->options[i].value == value &&
		    source.name[i] != NULL)
			return source.name[i];
	return flag;
}

/* One option in a reading of koop.conf that may yet fail. */
struct again {
	union cli_any value;
	struct cli_origin origin;
	bool live, differs;
	char was[VALUE_BYTES], now[VALUE_BYTES];
};

static bool
is_live(const char *const live[], const char *name)
{
	for (; *live != NULL; live++)
		if (strcmp(*live, name) == 0)
			return true;
	return false;
}

static int
look_again(const struct cli *cli, size_t i, struct again *a, struct error *err)
{
	struct cli_option o = cli->options[i];
	int rc;

	assert(source.origin[i].from != CLI_FROM_FLAG);
	if (!cli_value_print(&o, a->was, sizeof(a->was)))
		snprintf(a->was, sizeof(a->was), "not set");
	a->value = source.initial[i];
	o.value = &a->value;
	rc = take_first(&o, &a->origin, err);
	if (rc < 0)
		return rc;
	if (!cli_value_print(&o, a->now, sizeof(a->now)))
		snprintf(a->now, sizeof(a->now), "not set");
	a->differs = strcmp(a->was, a->now) != 0;
	return 0;
}

static void add_words(char *out, size_t room, const char *fmt, ...)
    KOOP_PRINTF(3, 4);

static void
add_words(char *out, size_t room, const char *fmt, ...)
{
	size_t n = strlen(out);
	va_list args;

	assert(n < room);
	if (n > 0)
		n += (size_t)snprintf(out + n, room - n, ", ");
	if (n >= room)
		return;
	va_start(args, fmt);
	vsnprintf(out + n, room - n, fmt, args);
	va_end(args);
}

static void
tell(const struct cli_option *o, const struct again *a, struct cli_reload *out)
{
	assert(a->differs);
	if (a->live)
		add_words(out->changed, sizeof(out->changed), "%s %s (was %s)",
		    o->name, a->now, a->was);
	else
		add_words(out->pending, sizeof(out->pending), "%s", o->name);
}

/* Every live value is set anew, also one that is the same: it may be a text
 * in what was read before, which is freed now. */
static void
settle(const struct cli *cli, struct again again[], struct cli_reload *out)
{
	size_t n = cli_option_count(cli);

	for (size_t i = 0; i < n; i++) {
		const struct cli_option *o = &cli->options[i];

		if (again[i].differs)
			tell(o, &again[i], out);
		if (!again[i].live)
			continue;
		memcpy(o->value, &again[i].value, cli_value_size(o->type));
		source.origin[i] = again[i].origin;
		free(source.name[i]);
		source.name[i] = make_name(o, &again[i].origin);
	}
	cli_config_settle(true);
}

int
cli_reload(const struct cli *cli, const char *const live[],
    struct cli_reload *out, struct error *err)
{
	struct again *again;
	size_t n;
	int rc = 0;

	assert(cli == source.cli);
	*out = (struct cli_reload){ .file = cli_config_file() };
	if (out->file == NULL)
		return 0; /* what was not there at the start is not sought */
	n = cli_option_count(cli);
	again = calloc(CLI_OPTIONS_MAX, sizeof(*again));
	if (again == NULL)
		return error_set(err, ERRC_NOMEM, "out of memory");
	rc = cli_config_again(cli, err);
	if (rc < 0)
		goto out;
	for (size_t i = 0; rc == 0 && i < n; i++) {
		/* A flag and the environment stay what they are. */
		if (source.origin[i].from == CLI_FROM_FLAG ||
		    source.origin[i].from == CLI_FROM_ENV ||
		    cli->options[i].source == CLI_FLAG_ONLY)
			continue;
		again[i].live = is_live(live, cli->options[i].name);
		rc = look_again(cli, i, &again[i], err);
	}
	if (rc == 0)
		settle(cli, again, out);
	else
		cli_config_settle(false);
out:
	free(again);
	return rc;
}
