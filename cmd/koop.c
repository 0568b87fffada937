/* SPDX-License-Identifier: MIT */

/* koop(1): run a program of the house by its short name. */

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/io.h"

#define NAME_BYTES 41 /* of a program or a page; longer ones there are not */
#define LINE_BYTES 256
#define FOLDER_BYTES (PATH_MAX + 32)
#define PAGE_BYTES (FOLDER_BYTES + NAME_MAX + 2)

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
	{ "verify", "read every shard and tell what is damaged" },
	{ "log", "print and follow the commit log" },
	{ "locate", "tell where an object's shards are" },
	{ "topology", "check, show and make topologies" },
	{ "node", "the storage node daemon" },
	{ "gw", "the S3 gateway daemon" },
	{ "help", "show the manual of a program, or another page" },
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

/* How many letters differ, are missing or too many; both are short. */
static unsigned
distance(const char *a, const char *b)
{
	unsigned row[NAME_BYTES];
	size_t n = strlen(b);

	assert(n < NAME_BYTES);
	for (unsigned i = 0; i <= n; i++)
		row[i] = i;
	for (; *a != '\0'; a++) {
		unsigned corner = row[0]++;

		for (size_t i = 1; i <= n; i++) {
			unsigned both = corner + (*a != b[i - 1]);

			corner = row[i];
			row[i] = KOOP_MIN(both,
			    KOOP_MIN(row[i - 1], row[i]) + 1);
		}
	}
	return row[n];
}

/* Exit 64, naming the program that was perhaps meant. */
static int
no_such(const char *name, const char *what)
{
	const char *best = NULL;
	unsigned least = 3;

	if (strncmp(name, "koop-", 5) == 0 && program_exists(name + 5))
		best = name + 5;
	for (size_t i = 0; best == NULL && i < nitems(programs); i++) {
		size_t n = strlen(name);

		if (n >= 3 && strncmp(programs[i].name, name, n) == 0)
			best = programs[i].name;
	}
	for (size_t i = 0; least > 0 && i < nitems(programs); i++) {
		unsigned d = strlen(name) < NAME_BYTES ?
		    distance(name, programs[i].name) :
		    least;

		/* Half of a short word is another word. */
		if (d < least && 2 * d < strlen(programs[i].name)) {
			least = d;
			best = programs[i].name;
		}
	}
	if (best != NULL)
		return cli_usage(&cli, "%s: no such %s; did you mean %s?", name,
		    what, best);
	return cli_usage(&cli, "%s: no such %s", name, what);
}

/* koop-up does three more things, named by its operand. */
static bool
is_word_of_up(const char *name)
{
	return strcmp(name, "status") == 0 || strcmp(name, "down") == 0 ||
	    strcmp(name, "env") == 0;
}

static void
print_programs(void)
{
	puts("usage: koop PROGRAM [ARGUMENT...]\n");
	for (size_t i = 0; i < nitems(programs); i++)
		printf("  %-10s  %s\n", programs[i].name, programs[i].summary);
}

static int
list_programs(void)
{
	print_programs();
	puts("\nkoop help PROGRAM shows its manual, koop help koop-tutorial a "
	     "first walk,\nkoop help lists all pages, koop --version prints "
	     "the version.");
	return cli_finish(&cli);
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
	if (io_program_folder(folder, sizeof(folder))) {
		snprintf(path, sizeof(path), "%s/%s", folder, full);
		execv(path, argv);
	}
	execvp(full, argv);
	(void)error_errno(&err, ERRC_NOINPUT, "%s", full);
	return cli_fail(&cli, &err);
}

/*
 * The folder of the pages of a section: in the tree that this program was
 * built in, build/VARIANT/bin/koop, or beside where it was installed.
 */
static bool
page_folder(char section, bool in_tree, char out[static FOLDER_BYTES])
{
	char folder[PATH_MAX];

	assert(section >= '1' && section <= '8');
	if (!io_program_folder(folder, sizeof(folder)))
		return false;
	if (in_tree)
		snprintf(out, FOLDER_BYTES, "%s/../../../man", folder);
	else
		snprintf(out, FOLDER_BYTES, "%s/../share/man/man%c", folder,
		    section);
	return true;
}

/* Is there a page of just that name?  Its path, if so. */
static bool
page_at(const char *full, char section, char out[static PAGE_BYTES])
{
	static const char *const ends[] = { "", ".gz" };
	char folder[FOLDER_BYTES];

	for (int place = 0; place < 4; place++) {
		if (!page_folder(section, place < 2, folder))
			return false;
		snprintf(out, PAGE_BYTES, "%s/%.*s.%c%s", folder, NAME_BYTES,
		    full, section, ends[place % 2]);
		if (access(out, R_OK) == 0)
			return true;
	}
	return false;
}

/*
 * The page that a name means: encode is koop-encode(1), conf koop.conf(5),
 * koop-gw koop-gw(8); programs come before formats of their name, unless a
 * section is asked for.
 */
static bool
page_find(const char *name, char section, char out[static PAGE_BYTES])
{
	static const char *const begins[] = { "", "koop-", "koop." };
	const char one[] = { section, '\0' };
	const char *sections = section != '\0' ? one : "1875";
	char full[2 * NAME_BYTES];

	for (size_t i = 0; i < nitems(begins); i++) {
		snprintf(full, sizeof(full), "%s%.*s", begins[i], NAME_BYTES,
		    name);
		/* Nobody else's pages. */
		if (strncmp(full, "koop", 4) != 0)
			continue;
		for (const char *s = sections; *s != '\0'; s++)
			if (page_at(full, *s, out))
				return true;
	}
	return false;
}

/* What the page says that it is about; "" when it does not. */
static void
page_about(const char *path, char out[static LINE_BYTES])
{
	FILE *file = fopen(path, "re");
	char line[LINE_BYTES];

	out[0] = '\0';
	if (file == NULL)
		return;
	for (int i = 0; i < 20 && fgets(line, sizeof(line), file); i++) {
		if (strncmp(line, ".Nd ", 4) != 0)
			continue;
		line[strcspn(line, "\n")] = '\0';
		memcpy(out, line + 4, strlen(line + 4) + 1);
		break;
	}
	fclose(file);
}

/*
 * The name under which help() finds the page in that file, or NULL when it is
 * no page of ours in this section; the file's name is cut.  topology.5 and
 * koop.7 keep their section, without which they would be a program's.
 */
static const char *
page_name(char *file, char section)
{
	const char end[] = { '.', section, '\0' };
	char *dot = strstr(file, end);
	char *name = file;

	if (strncmp(file, "koop", 4) != 0 || dot == NULL ||
	    (dot[2] != '\0' && strcmp(dot + 2, ".gz") != 0))
		return NULL;
	dot[2] = '\0';
	if (dot == file + 4)
		return name;
	name += file[4] == '-' || file[4] == '.' ? 5 : 0;
	*dot = '\0';
	if (program_exists(name))
		*dot = '.';
	assert(name <= dot);
	return name;
}

/* List the pages of a section. */
static void
list_pages(char section)
{
	struct dirent **entries = NULL;
	char folder[FOLDER_BYTES];
	int n = -1;

	if (page_folder(section, true, folder))
		n = scandir(folder, &entries, NULL, alphasort);
	if (n < 0 && page_folder(section, false, folder))
		n = scandir(folder, &entries, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		char path[PAGE_BYTES];
		char about[LINE_BYTES];
		const char *name;

		snprintf(path, sizeof(path), "%s/%s", folder,
		    entries[i]->d_name);
		name = page_name(entries[i]->d_name, section);
		if (name != NULL) {
			page_about(path, about);
			printf("  %-10s  %s\n", name, about);
		}
		free(entries[i]);
	}
	free(entries);
}

static int
list_all(void)
{
	print_programs();
	puts("\npages:\n");
	list_pages('7');
	list_pages('5');
	puts("\nkoop help NAME shows the manual of a program, or a page.");
	return cli_finish(&cli);
}

/*
 * koop help NAME: the manual.  NAME.5 is that of a section, as is a section
 * before it.  Without man(1), a program's --help.
 */
static int
help(const char *text, char section)
{
	char path[PAGE_BYTES];
	char name[NAME_BYTES];
	char dashes[] = "--help";
	char *argv[] = { NULL, dashes, NULL };
	struct error err;
	size_t n = strlen(text);

	if (n == 0 || n >= sizeof(name) || strchr(text, '/') != NULL)
		return no_such(text, "page");
	memcpy(name, text, n + 1);
	if (n > 2 && name[n - 2] == '.' && strchr("1578", name[n - 1])) {
		section = name[n - 1];
		name[n - 2] = '\0';
	}
	if (is_word_of_up(name))
		memcpy(name, "up", 3);
	if (strcmp(name, "help") == 0)
		memcpy(name, "koop", 5);
	fflush(stdout);
	if (page_find(name, section, path)) {
		execlp("man", "man", "-l", path, (char *)NULL);
		execlp("mandoc", "mandoc", "-a", path, (char *)NULL);
	}
	if (section == '\0' && strcmp(name, "koop") == 0)
		return list_programs();
	if (section == '\0' && program_exists(name))
		return exec_program(name, argv);
	if (!page_find(name, section, path))
		return no_such(text, "page");
	(void)error_set(&err, ERRC_NOINPUT,
	    "%s: there is neither man nor mandoc to show it with", path);
	return cli_fail(&cli, &err);
}

/* help [[SECTION] NAME] */
static int
help_words(int argc, char *argv[])
{
	bool two = argc > 1 && strlen(argv[0]) == 1 &&
	    strchr("1578", argv[0][0]) != NULL;

	if (argc == 0)
		return list_all();
	if (argc > 1 + two)
		return cli_usage(&cli, "%s: unexpected operand", argv[1 + two]);
	return help(argv[two], two ? argv[0][0] : '\0');
}

int
main(int argc, char *argv[])
{
	const char *name;

	if (argc < 2)
		return list_programs();
	name = argv[1];
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		return list_programs();
	if (name[0] == '-') {
		cli_parse(&cli, argc, argv);
		return list_programs();
	}
	if (strcmp(name, "help") == 0)
		return help_words(argc - 2, argv + 2);
	if (is_word_of_up(name)) {
		/* argv[1] stays: it is koop-up's operand. */
		return exec_program("up", argv);
	}
	if (!program_exists(name))
		return no_such(name, "program");
	return exec_program(name, argv + 1);
}
