/* SPDX-License-Identifier: MIT */
#ifndef KOOP_BASE_CLI_PARTS_H
#define KOOP_BASE_CLI_PARTS_H

/*
 * What the files of base/cli share: cli.c (the command line), cli_value.c
 * (text to value and back), cli_config.c (koop.conf), cli_reload.c (the same
 * once more), cli_help.c (everything that is printed).  Only they and their
 * test include this.
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

/* cli.c: of the last cli_parse(). */
const struct cli_origin *cli_origins(void);

/* cli_value.c */

/* Set the option's value, or fail with ERRC_USAGE and a message that begins
 * with what, which names where the text comes from.  The text is kept.  For a
 * switch it is yes or no, or NULL where the flag is enough. */
KOOP_MUST int cli_value_set(const struct cli_option *option, const char *what,
    const char *text, struct error *err);
/* The present value as --print-config shows it; false when there is none. */
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
/*
 * Read the file that was found once more; old is what it said before, and what
 * it says still if that fails.  Its text stays: values point into it.
 */
KOOP_MUST int cli_config_again(const struct cli *cli, struct cli_config *old,
    struct error *err);
/* Forget what was read since, of which nobody has a value. */
void cli_config_restore(const struct cli_config *old);
/* What a setting that is no list has to go by: the program's own entry, else
 * the shared one, else NULL.  config NULL: the one that was read last. */
const struct cli_entry *cli_config_find(const struct cli_config *config,
    const char *key);
/*
 * The text for an option of this type: paths are made absolute.  Fresh memory
 * when it differs; NULL when there is none left.
 */
KOOP_MUST const char *cli_config_resolve(enum cli_type type, const char *text);

/* cli_help.c */

void cli_help(const struct cli *cli);
void cli_dump_options(const struct cli *cli);
void cli_dump_operands(const struct cli *cli);
/* origin[i] is that of option i. */
void cli_print_config(const struct cli *cli, const struct cli_origin origin[]);

#endif
