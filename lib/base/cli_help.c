/* SPDX-License-Identifier: MIT */

/* What the standard options print. */

#include "base/cli_parts.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define LINE_COLUMNS 80
#define HELP_COLUMN_MAX 32

static void
option_text(char *out, size_t room, char letter, const char *name,
    const char *argument)
{
	char flag[8] = "    ";

	if (letter != '\0')
		snprintf(flag, sizeof(flag), "-%c, ", letter);
	snprintf(out, room, "  %s--%s%s%s", flag, name,
	    argument != NULL ? " " : "", argument != NULL ? argument : "");
}

/* Text in the columns from column on, broken between words. */
static void
print_wrapped(const char *text, int column)
{
	int room = LINE_COLUMNS - 1 - column;

	assert(column >= 0 && column <= HELP_COLUMN_MAX);
	while ((int)strlen(text) > room) {
		int n = room;

		while (n > 0 && text[n] != ' ')
			n--;
		if (n == 0)
			n = room;
		assert(n >= 1 && n <= room);
		printf("%.*s\n%*s", n, text, column, "");
		text += n + (text[n] == ' ');
	}
	puts(text);
}

static void
print_option(char letter, const char *name, const char *argument,
    const char *help, int column)
{
	char text[128];

	option_text(text, sizeof(text), letter, name, argument);
	if ((int)strlen(text) + 2 > column)
		printf("%s\n%*s", text, column, "");
	else
		printf("%-*s", column, text);
	print_wrapped(help, column);
}

/* Two columns after the longest option that is not too long. */
static int
help_column(const struct cli *cli)
{
	int column = (int)strlen("      --print-config") + 2;
	char text[128];

	for (const struct cli_option *o = cli->options; o->name != NULL; o++) {
		int n;

		option_text(text, sizeof(text), o->letter, o->name,
		    o->argument);
		n = (int)strlen(text) + 2;
		if (n > column && n <= HELP_COLUMN_MAX)
			column = n;
	}
	assert(column <= HELP_COLUMN_MAX);
	return column;
}

void
cli_help(const struct cli *cli)
{
	int column = help_column(cli);
	bool conf = false;

	printf("usage: %s [options]%s%s\n", cli->name,
	    cli->operands[0] != '\0' ? " " : "", cli->operands);
	print_wrapped(cli->summary, 0);
	putchar('\n');
	for (const struct cli_option *o = cli->options; o->name != NULL; o++) {
		print_option(o->letter, o->name, o->argument, o->help, column);
		conf = conf || o->source != CLI_FLAG_ONLY;
	}
	if (conf) {
		print_option('\0', "config", "FILE", "read this koop.conf(5)",
		    column);
		print_option('\0', "print-config", NULL,
		    "print each setting and where it came from", column);
	}
	print_option('h', "help", NULL, "print this and exit", column);
	print_option('\0', "version", NULL, "print the version and exit",
	    column);
}

void
cli_dump_options(const struct cli *cli)
{
	for (const struct cli_option *o = cli->options; o->name != NULL; o++) {
		if (o->letter != '\0')
			putchar(o->letter);
		printf("\t%s\t%s\t%s\t%s\n", o->name,
		    o->argument != NULL ? o->argument : "",
		    cli_type_name(o->type), o->help);
	}
}

void
cli_dump_operands(const struct cli *cli)
{
	puts(cli->operands);
}

static void
print_origin(const struct cli_option *o, const struct cli_origin *origin)
{
	char name[CLI_ENV_NAME_BYTES];

	switch (origin->from) {
	case CLI_FROM_DEFAULT:
		printf("default");
		break;
	case CLI_FROM_FLAG:
		printf("--%s", o->name);
		break;
	case CLI_FROM_ENV:
		assert(o->source == CLI_ENV_CONF);
		cli_env_name(name, o->name);
		printf("%s", name);
		break;
	case CLI_FROM_ALIAS:
		assert(o->env_alias != NULL);
		printf("%s", o->env_alias);
		break;
	case CLI_FROM_CONF:
		assert(o->source != CLI_FLAG_ONLY && origin->line >= 1);
		printf("%s:%u", cli_config_file(), origin->line);
		break;
	}
}

void
cli_print_config(const struct cli *cli, const struct cli_origin origin[])
{
	char text[8192];

	for (size_t i = 0; cli->options[i].name != NULL; i++) {
		const struct cli_option *o = &cli->options[i];

		if (o->source == CLI_FLAG_ONLY)
			continue;
		if (!cli_value_print(o, text, sizeof(text))) {
			printf("# %s is not set\n", o->name);
			continue;
		}
		printf("%s = %s  # ", o->name, text);
		print_origin(o, &origin[i]);
		putchar('\n');
	}
}
