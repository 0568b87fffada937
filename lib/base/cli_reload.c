/* SPDX-License-Identifier: MIT */

/* koop.conf once more, for a daemon that was sent SIGHUP. */

#include "base/cli_parts.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

#define NOTE_BYTES 512

static bool
is_live(const char *const live[], const char *name)
{
	for (size_t i = 0; live[i] != NULL; i++)
		if (strcmp(live[i], name) == 0)
			return true;
	return false;
}

static bool
same_text(const struct cli_entry *a, const struct cli_entry *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return strcmp(a->value, b->value) == 0;
}

/* A value in a place of its own. */
static int
try_value(const struct cli_option *o, const struct cli_entry *entry,
    struct error *err)
{
	union {
		bool yes;
		uint64_t number;
		const char *text;
	} scratch;
	struct cli_option trial = *o;
	char where[NOTE_BYTES];

	/* Words and numbers: nothing that is relative to a folder. */
	assert(o->type <= CLI_WORD);
	trial.value = &scratch;
	snprintf(where, sizeof(where), "%.400s:%u: %s", cli_config_file(),
	    entry->line, o->name);
	return cli_value_set(&trial, where, entry->value, err);
}

/* What was tried before. */
static void
take_value(const struct cli_option *o, const struct cli_entry *entry)
{
	int rc = cli_value_set(o, o->name, entry->value, NULL);

	assert(rc == 0);
}

static void
tell(const struct cli_option *o, const struct cli_entry *now, bool live,
    cli_note *note, void *ctx)
{
	char text[NOTE_BYTES];

	snprintf(text, sizeof(text), "%s%s%.300s%s", o->name,
	    now != NULL ? " = " : " is no longer set",
	    now != NULL ? now->value : "",
	    live ? "" : ": takes effect at the next start");
	note(ctx, text);
}

/* Is the file what this setting has come from, or may come from? */
static bool
is_for_file(const struct cli_option *o, const struct cli_origin *origin)
{
	return o->source != CLI_FLAG_ONLY && o->type != CLI_LIST &&
	    origin->from != CLI_FROM_FLAG && origin->from != CLI_FROM_ENV;
}

/* All values first: a bad one leaves everything as it was. */
static int
try_all(const struct cli *cli, const char *const live[],
    const struct cli_origin *origin, struct error *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && cli->options[i].name != NULL; i++) {
		const struct cli_option *o = &cli->options[i];
		const struct cli_entry *now = cli_config_find(NULL, o->name);

		if (now != NULL && is_for_file(o, &origin[i]) &&
		    is_live(live, o->name))
			rc = try_value(o, now, err);
	}
	return rc;
}

int
cli_reload(const struct cli *cli, const char *const live[], cli_note *note,
    void *ctx, struct error *err)
{
	const struct cli_origin *origin;
	struct cli_config old;
	int rc;

	if (cli_config_file() == NULL)
		return 0;
	origin = cli_origins();
	rc = cli_config_again(cli, &old, err);
	if (rc < 0)
		return rc;
	rc = try_all(cli, live, origin, err);
	if (rc < 0) {
		cli_config_restore(&old);
		return rc;
	}
	for (size_t i = 0; cli->options[i].name != NULL; i++) {
		const struct cli_option *o = &cli->options[i];
		const struct cli_entry *was = cli_config_find(&old, o->name);
		const struct cli_entry *now = cli_config_find(NULL, o->name);
		bool taken = now != NULL && is_live(live, o->name);

		if (!is_for_file(o, &origin[i]) || same_text(was, now))
			continue;
		if (taken)
			take_value(o, now);
		tell(o, now, taken, note, ctx);
	}
	return 0;
}
