/* SPDX-License-Identifier: MIT */

/* koop(1): run a program of the house by its short name. */

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/compiler.h"
#include "base/error.h"

/* Every program with its line in the list; koop(7) has the same table. */
static const struct program {
	const char *name;
	const char *summary;
} programs[] = {
	{ "up", "run a whole cluster on this machine" },
	{ "status", "say how the cluster of koop up is" },
	{ "down", "stop the cluster of koop up" },
	{ "env", "print the environment for the cluster of koop up" },
	{ "encode", "an object into a stream of erasure-coded shards" },
	{ "decode", "a stream of shards into the object" },
	{ "shard-put", "store a stream of shards on the nodes" },
	{ "shard-get", "fetch a stream of shards from the nodes" },
	{ "commit", "make a stored object exist" },
	{ "bucket", "make, remove, list and set up buckets" },
	{ "list", "list the objects of a bucket" },
	{ "stat", "tell what there is to know of an object or a bucket" },
	{ "rm", "delete objects" },
	{ "log", "print and follow the commit log" },
	{ "locate", "tell where an object's shards are" },
	{ "topology", "check, show and make topologies" },
	{ "node", "the storage node daemon" },
	{ "gw", "the S3 gateway daemon" },
	{ "help", "show the manual of a program" },
};

static const struct cli_option options[] = {
	{ 0 },
};

static const struct cli cli = {
	.name = "koop",
	.operands = "PROGRAM [ARGUMENT...]",
	.summary = "run a program of Koop; without one, list them",
	.options = options,
	.operands_max = 0,
};

static bool
program_exists(const char *name)
{
	for (size_t i = 0; i < nitems(programs); i++)
		if (strcmp(programs[i].name, name) == 0)
			return true;
	return false;
}

/* koop-up does three more things, named by its operand. */
static bool
is_word_of_up(const char *name)
{
	return strcmp(name, "status") == 0 || strcmp(name, "down") == 0 ||
	    strcmp(name, "env") == 0;
}

static int
list_programs(void)
{
	puts("usage: koop PROGRAM [ARGUMENT...]\n");
	for (size_t i = 0; i < nitems(programs); i++)
		printf("  %-10s  %s\n", programs[i].name, programs[i].summary);
	puts("\nkoop help PROGRAM shows its manual, koop help koop-tutorial a "
	     "first walk.");
	return cli_finish(&cli);
}

/* The folder of this program, so that a tree that is not installed works. */
static bool
own_folder(char out[static PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - 1);
	char *slash;

	if (n <= 0)
		return false;
	out[n] = '\0';
	slash = strrchr(out, '/');
	if (slash == NULL)
		return false;
	*slash = '\0';
	return true;
}

/*
 * argv[0] is the program's short name and becomes its full one.  Comes back
 * only with a failure.
 */
static int
exec_program(const char *name, char *argv[])
{
	char folder[PATH_MAX];
	char path[PATH_MAX + NAME_MAX];
	char full[NAME_MAX];
	struct error err;

	snprintf(full, sizeof(full), "koop-%s", name);
	argv[0] = full;
	if (own_folder(folder)) {
		snprintf(path, sizeof(path), "%s/%s", folder, full);
		execv(path, argv);
	}
	execvp(full, argv);
	(void)error_errno(&err, ERRC_NOINPUT, "%s", full);
	return cli_fail(&cli, &err);
}

/* A page of the tree this program was built in: build/VARIANT/bin/koop. */
static bool
page_in_tree(const char *name, char out[static PATH_MAX + 64])
{
	char folder[PATH_MAX];

	if (!own_folder(folder))
		return false;
	for (const char *section = "1785"; *section != '\0'; section++) {
		snprintf(out, PATH_MAX + 64, "%s/../../../man/%.40s.%c", folder,
		    name, *section);
		if (access(out, R_OK) == 0)
			return true;
	}
	return false;
}

static bool
page_exists(const char *name)
{
	char path[PATH_MAX + 64];
	char folder[PATH_MAX];

	if (!own_folder(folder))
		return false;
	for (const char *section = "1785"; *section != '\0'; section++) {
		snprintf(path, sizeof(path), "%s/../share/man/man%c/%.40s.%c",
		    folder, *section, name, *section);
		if (access(path, R_OK) == 0)
			return true;
	}
	return false;
}

/* koop help NAME: the manual; without one, or without man(1), --help. */
static int
help(const char *name)
{
	char path[PATH_MAX + 64];
	char full[64];
	char dashes[] = "--help";
	char *argv[] = { NULL, dashes, NULL };

	if (strchr(name, '/') != NULL || strlen(name) > 40)
		return cli_usage(&cli, "%s: no such program", name);
	if (is_word_of_up(name))
		name = "up";
	if (strcmp(name, "help") == 0)
		name = "koop";
	snprintf(full, sizeof(full), "%s%s",
	    program_exists(name) ? "koop-" : "", name);
	fflush(stdout);
	if (page_in_tree(full, path)) {
		execlp("man", "man", "-l", path, (char *)NULL);
		execlp("mandoc", "mandoc", "-a", path, (char *)NULL);
	} else if (page_exists(full)) {
		execlp("man", "man", full, (char *)NULL);
	}
	if (strcmp(full, "koop") == 0)
		return list_programs();
	if (strncmp(full, "koop-", 5) == 0 && program_exists(full + 5))
		return exec_program(full + 5, argv);
	return cli_usage(&cli, "%s: no such program", name);
}

int
main(int argc, char *argv[])
{
	const char *name;

	if (argc < 2)
		return list_programs();
	name = argv[1];
	if (name[0] == '-') {
		cli_parse(&cli, argc, argv);
		return list_programs();
	}
	if (strcmp(name, "help") == 0) {
		if (argc > 3)
			return cli_usage(&cli, "%s: unexpected operand",
			    argv[3]);
		return argc == 3 ? help(argv[2]) : list_programs();
	}
	if (is_word_of_up(name)) {
		/* argv[1] stays: it is koop-up's operand. */
		return exec_program("up", argv);
	}
	if (!program_exists(name))
		return cli_usage(&cli, "%s: no such program", name);
	return exec_program(name, argv + 1);
}
