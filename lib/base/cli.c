/* SPDX-License-Identifier: MIT */
#include "base/cli.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cli_parts.h"
#include "base/error.h"

/* One run of cli_parse(). */
struct parse {
	const struct cli *cli;
	const char *config; /* --config */
	bool print_config;
};

size_t
cli_option_count(const struct cli *cli)
{
	size_t n = 0;

	while (cli->options[n].name != NULL)
		n++;
	assert(n <= CLI_OPTIONS_MAX);
	return n;
}

/* Messages hold names and answers from elsewhere: nothing in them may drive
 * the terminal. */
static void
print_message(const struct cli *cli, const char *text)
{
	fprintf(stderr, "%s: ", cli->name);
	for (; *text != '\0'; text++)
		putc((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text,
		    stderr);
	putc('\n', stderr);
}

int
cli_fail(const struct cli *cli, const struct error *err)
{
	assert(err->code != ERRC_OK); /* who failed must not exit 0 */
	print_message(cli, err->text);
	return error_exit_status(err->code);
}

int
cli_usage(const struct cli *cli, const char *fmt, ...)
{
	struct error err;
	va_list args;

	va_start(args, fmt);
	error_vset(&err, ERRC_USAGE, fmt, args);
	va_end(args);
	print_message(cli, err.text);
	fprintf(stderr, "try %s --help\n", cli->name);
	return error_exit_status(ERRC_USAGE);
}

int
cli_finish(const struct cli *cli)
{
	struct error err;

	/* fclose() may succeed after an earlier write has failed. */
	if (fflush(stdout) == EOF || ferror(stdout) != 0 ||
	    (fclose(stdout) == EOF && errno != EBADF)) {
		(void)error_errno(&err, ERRC_IO, "write");
		return cli_fail(cli, &err);
	}
	return 0;
}

void
cli_refuse_tty(const struct cli *cli, int fd, const char *what)
{
	bool force = false;

	if (!isatty(fd))
		return;
	for (const struct cli_option *o = cli->options; o->name != NULL; o++)
		force = force || strcmp(o->name, "force") == 0;
	exit(cli_usage(cli, "%s is a terminal; use a pipe or a file%s", what,
	    force ? ", or --force" : ""));
}

/*
 * A program started with one of the first three descriptors closed would get
 * it for the next file it opens, and then write its messages there.  These
 * stand-ins fail when they are used, as a closed descriptor does.
 */
static void
hold_descriptors(void)
{
	for (int fd = 0; fd <= STDERR_FILENO; fd++) {
		int flags;

		if (fcntl(fd, F_GETFD) != -1 || errno != EBADF)
			continue;
		flags = fd == STDIN_FILENO ? O_WRONLY : O_RDONLY;
		if (open("/dev/null", flags) != fd)
			_exit(error_exit_status(ERRC_IO));
	}
}

/* The long options and the letters, as getopt_long(3) wants them. */
static void
make_tables(const struct cli *cli, struct option longs[], char shorts[])
{
	static const struct option common[] = {
		{ "help", no_argument, NULL, CLI_ID_HELP },
		{ "version", no_argument, NULL, CLI_ID_VERSION },
		{ "dump-options", no_argument, NULL, CLI_ID_DUMP },
		{ "dump-operands", no_argument, NULL, CLI_ID_OPERANDS },
		{ "print-config", no_argument, NULL, CLI_ID_PRINT },
		{ "config", required_argument, NULL, CLI_ID_CONFIG },
		{ NULL, 0, NULL, 0 },
	};
	size_t n = cli_option_count(cli);
	size_t at = 0;

	shorts[at++] = ':';
	shorts[at++] = 'h';
	for (size_t i = 0; i < n; i++) {
		const struct cli_option *o = &cli->options[i];
		bool has_arg = o->type != CLI_SWITCH;

		/* Nothing in the environment may switch something on. */
		assert(has_arg || o->source != CLI_ENV_CONF);
		assert(o->env_alias == NULL || o->source == CLI_ENV_CONF);
		assert(has_arg == (o->argument != NULL));
		assert(o->letter != 'h' && o->min <= o->max);
		longs[i] = (struct option){ o->name,
			has_arg ? required_argument : no_argument, NULL,
			CLI_ID_FIRST + (int)i };
		if (o->letter == '\0')
			continue;
		shorts[at++] = o->letter;
		if (has_arg)
			shorts[at++] = ':';
	}
	assert(at <= 2 + 2 * n); /* take_flags() has room for so many */
	shorts[at] = '\0';
	memcpy(longs + n, common, sizeof(common));
}

static const struct cli_option *
option_of_id(const struct cli *cli, int id)
{
	if (id >= CLI_ID_FIRST) {
		assert((size_t)(id - CLI_ID_FIRST) < cli_option_count(cli));
		return &cli->options[id - CLI_ID_FIRST];
	}
	for (const struct cli_option *o = cli->options; o->name != NULL; o++)
		if (o->letter != '\0' && o->letter == id)
			return o;
	return NULL;
}

/* getopt_long() refused: say what and why. */
KOOP_NORETURN static void
refuse_option(const struct cli *cli, int id, const char *word)
{
	const struct cli_option *o = option_of_id(cli, optopt);

	if (id == ':' && optopt == CLI_ID_CONFIG)
		exit(cli_usage(cli, "--config: needs a value"));
	if (id == ':' && o != NULL)
		exit(cli_usage(cli, "--%s: needs a value: %s", o->name,
		    o->argument));
	if (optopt >= CLI_ID_HELP)
		exit(cli_usage(cli, "%.*s: takes no value",
		    (int)strcspn(word, "="), word));
	if (optopt != 0)
		exit(cli_usage(cli, "-%c: no such option", optopt));
	assert(id == '?');
	exit(cli_usage(cli, "%.*s: no such option", (int)strcspn(word, "="),
	    word));
}

static void
take_option(struct parse *p, int id)
{
	const struct cli_option *o = option_of_id(p->cli, id);
	char what[CLI_ENV_NAME_BYTES + 2];
	struct error err;

	assert(o != NULL);
	snprintf(what, sizeof(what), "--%s", o->name);
	if (cli_value_set(o, what, optarg, &err) < 0)
		exit(cli_usage(p->cli, "%s", err.text));
	cli_source_flag((size_t)(o - p->cli->options));
}

static void
take_flags(struct parse *p, int argc, char *argv[])
{
	struct option longs[CLI_OPTIONS_MAX + 7];
	char shorts[2 * CLI_OPTIONS_MAX + 4];
	int id;

	make_tables(p->cli, longs, shorts);
	optind = 0; /* glibc: forget an earlier parse */
	opterr = 0;
	while ((id = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		switch (id) {
		case 'h':
		case CLI_ID_HELP:
			cli_help(p->cli);
			exit(cli_finish(p->cli));
		case CLI_ID_VERSION:
			puts("koop " KOOP_VERSION);
			exit(cli_finish(p->cli));
		case CLI_ID_DUMP:
			cli_dump_options(p->cli);
			exit(cli_finish(p->cli));
		case CLI_ID_OPERANDS:
			cli_dump_operands(p->cli);
			exit(cli_finish(p->cli));
		case CLI_ID_PRINT:
			p->print_config = true;
			break;
		case CLI_ID_CONFIG:
			p->config = optarg;
			break;
		case '?':
		case ':':
			refuse_option(p->cli, id, argv[optind - 1]);
		default:
			take_option(p, id);
		}
	}
}

int
cli_parse(const struct cli *cli, int argc, char *argv[])
{
	struct parse p = { .cli = cli };
	struct error err;
	unsigned operands;

	assert(cli->operands_min <= cli->operands_max);
	hold_descriptors();
	cli_source_begin(cli);
	take_flags(&p, argc, argv);
	assert(optind <= argc);
	operands = (unsigned)(argc - optind);
	if (operands > cli->operands_max)
		exit(cli_usage(cli, "%s: unexpected operand",
		    argv[(unsigned)optind + cli->operands_max]));
	if (operands < cli->operands_min && !p.print_config)
		exit(cli_usage(cli, "missing operand: %s", cli->operands));
	if (cli_source_take(cli, p.config, operands, &err) < 0)
		exit(cli_fail(cli, &err));
	if (p.print_config) {
		cli_print_config(cli, cli_source_origins());
		exit(cli_finish(cli));
	}
	return optind;
}
