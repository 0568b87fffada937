/* SPDX-License-Identifier: MIT */
#ifndef KOOP_BASE_CLI_PARTS_H
#define KOOP_BASE_CLI_PARTS_H

/*
 * What the files of base/cli share: cli.c (the command line), cli_value.c
 * (text to value and back), cli_config.c (koop.conf), cli_source.c (which of
 * flag, variables, file and default gives a value, at first and once more),
 * cli_help.c (everything that is printed).  Only they and their test include
 * this.
 */

#include "base/cli.h"

struct error;

#define CLI_OPTIONS_MAX 64

/* The options that every program has, as getopt_long(3) returns them; an
 * option of the table is CLI_ID_FIRST + its index. */
enum cli_id {
	CLI_ID_HELP = 256,
	CLI_ID_VERSION,
	CLI_ID_DUMP,
	CLI_ID_OPERANDS,
	CLI_ID_PRINT,
	CLI_ID_CONFIG,
	CLI_ID_FIRST,
};

size_t cli_option_count(const struct cli *cli);

/* Where the value of an option comes from. */
enum cli_from {
	CLI_FROM_DEFAULT,
	CLI_FROM_FLAG,
	CLI_FROM_ENV,
	CLI_FROM_CONF,
	CLI_FROM_ALIAS
};

struct cli_origin {
	enum cli_from from;
	unsigned line; /* of koop.conf */
};

/* "KOOP_" and the longest option name there may be. */
#define CLI_ENV_NAME_BYTES 64

/* The value of an option of any type. */
union cli_any {
	bool on;
	uint64_t number;
	const char *text;
	struct cli_list list;
};

/* cli_source.c */

/* Before the flags are taken: remember what the values are by default. */
void cli_source_begin(const struct cli *cli);
/* A flag gave the value of that option. */
void cli_source_flag(size_t index);
/* Variables and file for what no flag gave; named is --config, and operands is
 * how many there are.  Every failure is ERRC_CONFIG, but for no cluster. */
KOOP_MUST int cli_source_take(const struct cli *cli, const char *named,
    unsigned operands, struct error *err);
/* Where the values came from; [i] is that of option i. */
const struct cli_origin *cli_source_origins(void);

/* cli_value.c */

/* Set the option's value, or fail with ERRC_USAGE and a message that begins
 * with what, which names where the text comes from.  The text is kept.  For a
 * switch it is yes or no, or NULL where the flag is enough. */
KOOP_MUST int cli_value_set(const struct cli_option *option, const char *what,
    const char *text, struct error *err);
size_t cli_value_size(enum cli_type type);
/* The present value as --print-config shows it; false when there is none, or
 * one that could not be given. */
bool cli_value_print(const struct cli_option *option, char *out, size_t room);
const char *cli_type_name(enum cli_type type);
/* "cell-size" to "KOOP_CELL_SIZE". */
void cli_env_name(char out[static CLI_ENV_NAME_BYTES], const char *option);

/* cli_config.c */

struct cli_entry {
	const char *key;
	const char *value;
	unsigned line;
	bool own; /* of the program's section, not shared */
};

#define CLI_CONFIG_ENTRIES_MAX 256
struct cli_config {
	char *text; /* the entries point into it */
	struct cli_entry entry[CLI_CONFIG_ENTRIES_MAX];
	size_t n;
	char *resolved[CLI_CONFIG_ENTRIES_MAX]; /* paths made absolute */
	size_t resolved_n;
	bool again; /* not the first that was read */
};

/* Read koop.conf: the named one, or the first of the usual ones, or none.
 * Every failure is ERRC_CONFIG. */
KOOP_MUST int cli_config_read(const struct cli *cli, const char *named,
    struct error *err);
/* Parse text (modified and kept) in place of a file; path is for messages. */
KOOP_MUST int cli_config_parse(const struct cli *cli, const char *path,
    char *text, size_t len, struct error *err);
/* What is shared and what is this program's, in their order. */
const struct cli_entry *cli_config_entries(size_t *n);
/* Read the file that was found once more.  After a failure the entries are
 * those of before. */
KOOP_MUST int cli_config_again(const struct cli *cli, struct error *err);
/* After a success of that: go by what was read, and free what was before, but
 * for the first text, which values point into for good; or go back to it. */
void cli_config_settle(bool keep);
/*
 * The text for an option of this type: paths are made absolute.  It lives as
 * long as the entries; NULL when there is no memory left.  Once an entry.
 */
KOOP_MUST const char *cli_config_resolve(enum cli_type type, const char *text);

/* cli_help.c */

void cli_help(const struct cli *cli);
void cli_dump_options(const struct cli *cli);
void cli_dump_operands(const struct cli *cli);
/* origin[i] is that of option i. */
void cli_print_config(const struct cli *cli, const struct cli_origin origin[]);

#endif
