/* SPDX-License-Identifier: MIT */
#ifndef KOOP_BASE_CLI_H
#define KOOP_BASE_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

/*
 * The command line of every program: one option table yields parsing, help,
 * environment, configuration keys, --dump-options (from which completions
 * are made) and --print-config.  This and main() are the only code that
 * exits or prints.
 *
 * Precedence: flag > environment (KOOP_ and the long name in capitals) >
 * koop.conf > a variable of other software (env_alias) > the value that the
 * variable already has.
 *
 * koop.conf is --config, KOOP_CONFIG, ./koop.conf, ./koop-data/koop.conf,
 * /etc/koop.conf; one in the current folder is refused unless it is owned by
 * the caller or root and not writable by others.  A relative path in it, alone
 * or in a URL (file:, sqlite:), is relative to its folder.  A program without
 * a setting reads it only when --config names it.
 *
 * Every setting of a program is a key of its section, and a key of that section
 * which is none is refused.  What stands before the first section is shared
 * (base/cli_keys.h) and gives way to the section.
 *
 * --help, --version, --config, --print-config, --dump-options and
 * --dump-operands need no entry in the table.
 */

struct error;

enum cli_type {
	CLI_SWITCH,   /* bool */
	CLI_NUMBER,   /* uint64_t, decimal */
	CLI_SIZE,     /* uint64_t, K M G T */
	CLI_DURATION, /* uint64_t, milliseconds */
	CLI_STRING,   /* const char * */
	CLI_WORD,     /* const char *, one of those in argument: "a|b" */
	CLI_LIST,     /* struct cli_list; given again, or words in KOOP_... */
	CLI_FILE,     /* const char *, completes file names; - and off, too */
	CLI_DIR,      /* const char *, completes directories */
	CLI_URL,      /* const char *, as one of "scheme:PATH|..." if argument
	               * has a colon */
};

#define CLI_LIST_MAX 64
struct cli_list {
	const char *item[CLI_LIST_MAX];
	size_t n;
};

/* Where an option may be set besides the command line. */
enum cli_source {
	CLI_FLAG_ONLY = 0, /* what is to be done this time */
	CLI_CONF,          /* long-name = value in koop.conf: yes or no */
	CLI_ENV_CONF,      /* and KOOP_LONG_NAME: any setting but a switch */
};

struct cli_option {
	char letter; /* 0 for none */
	const char *name;
	enum cli_type type;
	void *value;
	const char *argument; /* "SIZE", "on|off", NULL for a switch */
	const char *help;     /* one line, with the default */
	uint64_t min, max;    /* numbers, sizes, durations */
	enum cli_source source;
	const char *env_alias; /* a variable of other software */
};

struct cli {
	const char *name; /* "koop-encode" */
	/* "[bucket/key]": for people, and for completions, which know the names
	 * bucket, key, BUCKET and file, and take other small words as such. */
	const char *operands;
	const char *summary;
	const struct cli_option *options; /* ended by one without a name */
	unsigned operands_min, operands_max;
	/* Without an operand the program makes a cluster: what names one that
	 * is there (KOOP_CONFIG, koop-data/koop.conf) is not about it. */
	bool makes_clusters;
	/* It needs one that is there: without the koop.conf that was named it
	 * has no cluster. */
	bool wants_cluster;
};

/* The absolute path of the koop.conf that cli_parse() has read, or NULL. */
const char *cli_config_file(void);

/*
 * Parse.  Handles --help, --version, --dump-..., --print-config (exit 0)
 * and every mistake (two lines on standard error, exit 64; a bad environment
 * or koop.conf exits 78).  Returns the index in argv of the first operand;
 * operands are argv[result..argc) (options may stand between them: argv is
 * permuted).
 */
int cli_parse(const struct cli *cli, int argc, char *argv[]);

/* Which of the words "a|b|c" text is, from 0; -1 for none. */
int cli_word_index(const char *words, const char *text);

/*
 * For messages about a value that cli_parse() could not judge: the name by
 * which it was given, "KOOP_LISTEN" or "/etc/koop.conf:7: listen"; when a flag
 * or nothing gave it, flag ("--listen").  value is that of the option table.
 */
const char *cli_origin(const void *value, const char *flag);

/* What cli_reload() found, in words for one line of a log. */
struct cli_reload {
	const char *file;  /* that was read, or NULL */
	char changed[512]; /* "log-level debug (was info), ...", or empty */
	char pending[512]; /* "listen, region": need a restart; or empty */
};

/*
 * Read koop.conf once more (SIGHUP), by the thread that called cli_parse().
 * Settings whose names are in live (ended by NULL) take the value that it gives
 * now, or without one their default; those that are in force and differ from
 * what it says are pending.  A mistake in it is ERRC_CONFIG, and what was read
 * before stands.  What flags and environment say stays.  Without a koop.conf
 * nothing happens.  No other thread may look at values of live settings.
 */
KOOP_MUST int cli_reload(const struct cli *cli, const char *const live[],
    struct cli_reload *out, struct error *err);

/* Exit 64 when fd is a terminal; the message says how to go on. */
void cli_refuse_tty(const struct cli *cli, int fd, const char *what);

/* Print "name: message" and return the exit status. */
int cli_fail(const struct cli *cli, const struct error *err);
int cli_usage(const struct cli *cli, const char *fmt, ...) KOOP_PRINTF(2, 3);
/* Flush and close standard output; a command's last act.  Returns the exit
 * status: 0, or that of a failed write (74). */
int cli_finish(const struct cli *cli);

#endif
