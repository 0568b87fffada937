/* SPDX-License-Identifier: MIT */
#include "base/cli.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cli_parts.h"
#include "base/error.h"
#include "tap.h"
#include "tempdir.h"

static uint64_t cell, count, timeout_ms;
static const char *commit_log, *data_dir, *node, *level, *color, *store;
static struct cli_list nodes;
static bool force, quiet;

static const struct cli_option options[] = {
	{ 'c', "cell-size", CLI_SIZE, &cell, "SIZE",
	    "bytes of each shard in a stripe (default 64K)", 1, 1 << 24,
	    CLI_ENV_CONF, NULL },
	{ 'n', "count", CLI_NUMBER, &count, "N", "how many", 0, 32,
	    CLI_ENV_CONF, "COUNT" },
	{ 0, "timeout", CLI_DURATION, &timeout_ms, "TIME",
	    "how long, and a text that is so long that it needs a second line "
	    "in the help",
	    0, 60000, CLI_FLAG_ONLY, NULL },
	{ 'l', "commit-log", CLI_URL, &commit_log, "URL", "the commit log", 0,
	    0, CLI_ENV_CONF, NULL },
	{ 'd', "data-dir", CLI_DIR, &data_dir, "DIR", "where", 0, 0,
	    CLI_ENV_CONF, NULL },
	{ 0, "node", CLI_STRING, &node, "S/J", "which", 0, 0, CLI_ENV_CONF,
	    NULL },
	{ 0, "nodes", CLI_LIST, &nodes, "N", "which ones", 0, 0, CLI_ENV_CONF,
	    NULL },
	{ 0, "level", CLI_WORD, &level, "low|middle|high", "how much", 0, 0,
	    CLI_ENV_CONF, NULL },
	{ 0, "color", CLI_WORD, &color, "red|redder", "its color", 0, 0,
	    CLI_ENV_CONF, "LS_COLOR" },
	{ 0, "store", CLI_URL, &store, "file:PATH|etcd:HOST", "its store", 0, 0,
	    CLI_ENV_CONF, "STORE_URL" },
	{ 'q', "quiet", CLI_SWITCH, &quiet, NULL, "say nothing", 0, 0, CLI_CONF,
	    NULL },
	{ 'f', "force", CLI_SWITCH, &force, NULL, "do it", 0, 0, CLI_FLAG_ONLY,
	    NULL },
	{ 0 },
};

static const struct cli cli = {
	.name = "koop-node",
	.operands = "[bucket/key]",
	.summary = "does what a test wants",
	.options = options,
	.operands_max = 1,
};

static char folder[TEMPDIR_BYTES];
static char out[8192], err[8192];

static void
slurp(int fd, char to[static 8192])
{
	ssize_t n = pread(fd, to, 8191, 0);

	to[n > 0 ? n : 0] = '\0';
	close(fd);
}

static int
open_captured(const char *path)
{
	return open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
}

/* What the child prints when it comes through. */
static int
report(int argc, char *argv[])
{
	int first = cli_parse(&cli, argc, argv);

	printf("cell=%lu count=%lu timeout=%lu log=%s dir=%s node=%s force=%d",
	    cell, count, timeout_ms, commit_log ? commit_log : "-",
	    data_dir ? data_dir : "-", node ? node : "-", force);
	if (color != NULL)
		printf(" color=%s", color);
	if (store != NULL)
		printf(" store=%s", store);
	if (quiet)
		printf(" quiet");
	for (size_t i = 0; i < nodes.n; i++)
		printf(" +%s", nodes.item[i]);
	for (; first < argc; first++)
		printf(" [%s]", argv[first]);
	printf("\n");
	return cli_finish(&cli);
}

/* Run in a child, because cli_parse() exits: words are split at spaces,
 * environment is VAR=value words.  Fills out and err; returns the status. */
static int
run(const char *environment, const char *words)
{
	int captured[2] = { open_captured("../out"), open_captured("../err") };
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		char text[1024], vars[1024];
		char *argv[32] = { NULL };
		int argc = 0;

		snprintf(text, sizeof(text), "koop-node %s", words);
		snprintf(vars, sizeof(vars), "%s", environment);
		clearenv();
		for (char *p = strtok(vars, " "); p; p = strtok(NULL, " "))
			putenv(p);
		for (char *p = strtok(text, " "); p; p = strtok(NULL, " "))
			argv[argc++] = p;
		dup2(captured[0], STDOUT_FILENO);
		dup2(captured[1], STDERR_FILENO);
		_exit(report(argc, argv));
	}
	waitpid(pid, &status, 0);
	slurp(captured[0], out);
	slurp(captured[1], err);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	fchmod(fd, 0644);
	close(fd);
}

static void
flags_are_taken_in_every_form(void)
{
	CHECK(run("", "-c 4K -n3 --timeout=5s -f obj --node 1/2 -l mem:") == 0);
	CHECK_STR(out,
	    "cell=4096 count=3 timeout=5000 log=mem: dir=- node=1/2 "
	    "force=1 [obj]\n");
	CHECK_STR(err, "");
	CHECK(run("", "-- -f") == 0);
	CHECK(strstr(out, "force=0 [-f]") != NULL);
	CHECK(run("", "-") == 0);
	CHECK(strstr(out, "[-]") != NULL);
	CHECK(run("", "--nodes a --nodes b") == 0);
	CHECK(strstr(out, "+a +b") != NULL);
}

static void
mistakes_are_two_lines_and_64(void)
{
	static const char *const pairs[][2] = {
		{ "--no-such-option", "--no-such-option: no such option" },
		{ "--no-such=1", "--no-such: no such option" },
		{ "-Z", "-Z: no such option" },
		{ "-fZ", "-Z: no such option" },
		{ "-c", "--cell-size: needs a value: SIZE" },
		{ "--cell-size", "--cell-size: needs a value: SIZE" },
		{ "--config", "--config: needs a value" },
		{ "--force=1", "--force: takes no value" },
		{ "a b", "b: unexpected operand" },
		{ "-c 64Q",
		    "--cell-size: \"64Q\": want a size like 4096, 64K "
		    "or 1M, from 1 to 16M" },
		{ "-c 17M",
		    "--cell-size: \"17M\": want a size like 4096, 64K "
		    "or 1M, from 1 to 16M" },
		{ "-c 0",
		    "--cell-size: \"0\": want a size like 4096, 64K or "
		    "1M, from 1 to 16M" },
		{ "--cell-size=",
		    "--cell-size: \"\": want a size like 4096, "
		    "64K or 1M, from 1 to 16M" },
		{ "-n -1", "--count: \"-1\": want a number, from 0 to 32" },
		{ "--timeout 5",
		    "--timeout: \"5\": want a duration like "
		    "500ms, 10s or 5m, from 0s to 60s" },
		{ "--data-dir=", "--data-dir: is empty" },
		{ "--level mid", "--level: \"mid\": want low, middle or high" },
		{ "--level=", "--level: \"\": want low, middle or high" },
		{ "--level low|high",
		    "--level: \"low|high\": want low, middle or high" },
		{ "--color re", "--color: \"re\": want red or redder" },
		{ "--color redd", "--color: \"redd\": want red or redder" },
		{ "--color=", "--color: \"\": want red or redder" },
		{ "--store fil:x",
		    "--store: \"fil:x\": want file:PATH|etcd:HOST" },
		{ "--store file",
		    "--store: \"file\": want file:PATH|etcd:HOST" },
	};
	char want[256];

	for (size_t i = 0; i < nitems(pairs); i++) {
		CHECK(run("", pairs[i][0]) == 64);
		snprintf(want, sizeof(want),
		    "koop-node: %s\ntry koop-node --help\n", pairs[i][1]);
		CHECK_STR(err, want);
		CHECK_STR(out, "");
	}
}

static void
a_word_is_one_of_its_option(void)
{
	CHECK(run("", "--level high --print-config") == 0);
	CHECK(strstr(out, "level = high  # --level\n") != NULL);
	CHECK(run("KOOP_LEVEL=higher", "") == 78);
	CHECK_STR(err,
	    "koop-node: KOOP_LEVEL: \"higher\": want low, middle or high\n");
	CHECK(run("KOOP_LEVEL=middle", "--print-config") == 0);
	CHECK(strstr(out, "level = middle  # KOOP_LEVEL\n") != NULL);
	CHECK(cli_word_index("a|bc|d", "a") == 0);
	CHECK(cli_word_index("a|bc|d", "bc") == 1);
	CHECK(cli_word_index("a|bc|d", "d") == 2);
	CHECK(cli_word_index("a|bc|d", "b") == -1);
	CHECK(cli_word_index("a|bc|d", "") == -1);
}

static void
words_and_urls_are_those_that_are_listed(void)
{
	CHECK(run("", "--color redder --store etcd:1.2.3.4") == 0);
	CHECK(strstr(out, " color=redder store=etcd:1.2.3.4\n") != NULL);
	CHECK(run("", "--color red --store file:x") == 0);
	CHECK(strstr(out, " color=red store=file:x\n") != NULL);
}

static void
flag_beats_environment_beats_file_beats_other_software(void)
{
	write_file("koop.conf", "cell-size = 3\n[koop-node]\ncolor = red\n");
	CHECK(run("KOOP_CELL_SIZE=2", "-c 1") == 0);
	CHECK(strstr(out, "cell=1 ") != NULL);
	CHECK(run("KOOP_CELL_SIZE=2", "") == 0);
	CHECK(strstr(out, "cell=2 ") != NULL);
	CHECK(run("KOOP_CELL_SIZE=", "") == 0);
	CHECK(strstr(out, "cell=3 ") != NULL);
	CHECK(run("LS_COLOR=redder", "") == 0);
	CHECK(strstr(out, " color=red\n") != NULL);
	CHECK(run("LS_COLOR=blue", "") == 0);
	unlink("koop.conf");
	CHECK(run("LS_COLOR=redder", "") == 0);
	CHECK(strstr(out, "cell=0 ") != NULL);
	CHECK(strstr(out, " color=redder\n") != NULL);
}

static void
a_program_has_a_section_that_beats_what_is_shared(void)
{
	write_file("koop.conf",
	    "cell-size = 3\n"
	    "[koop-gw]\n"
	    "cell-size = 4\nthis = that\n"
	    "[ koop-node ] # ours\n"
	    "count = 7\nnode = 1/2\nquiet = yes\n");
	CHECK(run("", "") == 0);
	CHECK_STR(out,
	    "cell=3 count=7 timeout=0 log=- dir=- node=1/2 force=0 quiet\n");
	write_file("koop.conf",
	    "[koop-node]\ncell-size = 5\n[koop-gw]\nx = 1\n"
	    "[koop-node]\nquiet = no\n");
	CHECK(run("", "") == 0);
	CHECK_STR(out, "cell=5 count=0 timeout=0 log=- dir=- node=- force=0\n");
	write_file("koop.conf", "cell-size = 3\n[koop-node]\ncell-size = 5\n");
	CHECK(run("", "") == 0);
	CHECK(strstr(out, "cell=5 ") != NULL);
	unlink("koop.conf");
}

static void
only_what_may_come_from_outside_does(void)
{
	CHECK(run("KOOP_FORCE=1 KOOP_TIMEOUT=5s KOOP_COUNT=7 KOOP_QUIET=yes",
		  "") == 0);
	CHECK(strstr(out, "count=7 timeout=0 ") != NULL);
	CHECK(strstr(out, "force=0\n") != NULL);
	CHECK(run("COUNT=8", "") == 0);
	CHECK(strstr(out, "count=8 ") != NULL);
	CHECK(run("COUNT=8 KOOP_COUNT=9", "") == 0);
	CHECK(strstr(out, "count=9 ") != NULL);
}

static void
a_bad_environment_is_78(void)
{
	CHECK(run("KOOP_CELL_SIZE=64Q", "") == 78);
	CHECK(
	    strncmp(err, "koop-node: KOOP_CELL_SIZE: \"64Q\": want", 38) == 0);
	CHECK(run("KOOP_CONFIG=/no/such/file", "") == 78);
	CHECK_STR(err, "koop-node: /no/such/file: No such file or directory\n");
	CHECK(run("STORE_URL=redis://h", "") == 78);
	CHECK_STR(err,
	    "koop-node: STORE_URL: \"redis://h\": want file:PATH|etcd:HOST\n");
}

static void
comments_and_spaces_do_not_matter(void)
{
	write_file("koop.conf",
	    "# one\n\n  \t cell-size=7 # seven\r\n"
	    "\tcommit-log\t=\tmem:\t\n"
	    "gateway = anything of another program\n"
	    "\t[koop-node]\r\n"
	    "node = a#b\n#\n"
	    "nodes = a b\nnodes = c");
	CHECK(run("", "") == 0);
	CHECK_STR(out,
	    "cell=7 count=0 timeout=0 log=mem: dir=- node=a#b "
	    "force=0 +a b +c\n");
	unlink("koop.conf");
}

static void
a_bad_line_is_78_with_its_number(void)
{
	static const char *const pairs[][2] = {
		{ "\n\nno-such-key = 1\n",
		    ":3: no-such-key: no such key for all programs; one of a "
		    "single program stands below a line [koop-...]: "
		    "koop.conf(5)\n" },
		{ "node = 1/2\n",
		    ":1: node: not shared by all programs; it belongs below a "
		    "line [koop-node]\n" },
		{ "[koop-node]\nlisten = 1\n",
		    ":2: listen: no such key of [koop-node]; koop-node "
		    "--print-config lists them\n" },
		{ "[koop-node]\nforce = yes\n",
		    ":2: force: no such key of [koop-node]" },
		{ "[koop-node]\nquiet = true\n",
		    ":2: quiet: \"true\": want yes or no\n" },
		{ "[koop-nod]\n",
		    ":1: [koop-nod]: no such program; a section is named as "
		    "[koop-node] is\n" },
		{ "[koop-node\n", ":1: want \"[koop-program]\"\n" },
		{ "[\n", ":1: want \"[koop-program]\"\n" },
		{ "[]\n", ":1: []: no such program" },
		{ "[koop-gw]\nx\n", ":2: want \"key = value\"\n" },
		{ "[koop-gw]\nx =\n", ":2: x: has no value\n" },
		{ "[koop-node]\ncount = 1\n[koop-node]\ncount = 1\n",
		    ":4: count: given twice\n" },
		{ "cell-size 7\n", ":1: want \"key = value\"" },
		{ "cell-size =\n", ":1: cell-size: has no value" },
		{ "= 7\n", ":1: : no such key" },
		{ "cell-size = 1\ncell-size = 2\n",
		    ":2: cell-size: given "
		    "twice" },
		{ "cell-size = 64Q\n", ":1: cell-size: \"64Q\": want a size" },
		{ "Cell-Size = 1\n", ":1: Cell-Size: no such key" },
	};

	for (size_t i = 0; i < nitems(pairs); i++) {
		write_file("koop.conf", pairs[i][0]);
		CHECK(run("", "") == 78);
		CHECK(strstr(err, pairs[i][1]) != NULL);
	}
	unlink("koop.conf");
}

static void
hostile_files_are_refused(void)
{
	char text[] = "cell-size = 1\0\n";
	struct error e;

	CHECK(cli_config_parse(&cli, "f", text, sizeof(text) - 1, &e) ==
	    -ERRC_CONFIG);
	CHECK_STR(e.text, "f: has a NUL byte");
	for (int i = 0; i < 300; i++) {
		FILE *f = fopen("koop.conf", i == 0 ? "we" : "ae");

		if (i == 0)
			fputs("[koop-node]\n", f);
		fprintf(f, "nodes = %d\n", i);
		fclose(f);
	}
	CHECK(run("", "") == 78);
	CHECK(strstr(err, ":258: more than 256 lines") != NULL);
	CHECK(truncate("koop.conf", 65537) == 0);
	CHECK(run("", "") == 78);
	CHECK(strstr(err, "koop.conf: larger than 65536 bytes") != NULL);
	unlink("koop.conf");
}

static void
paths_are_relative_to_the_folder_of_the_file(void)
{
	char want[512];

	mkdir("koop-data", 0755);
	write_file("koop-data/koop.conf",
	    "commit-log = sqlite:commit.db\n"
	    "[koop-node]\ndata-dir = node-1.0\n");
	CHECK(run("", "") == 0);
	snprintf(want, sizeof(want),
	    "log=sqlite:%s/here/koop-data/commit.db "
	    "dir=%s/here/koop-data/node-1.0 ",
	    folder, folder);
	CHECK(strstr(out, want) != NULL);
	/* The nearer one wins. */
	write_file("koop.conf", "commit-log = sqlite:/abs/commit.db\n");
	CHECK(run("", "") == 0);
	CHECK(strstr(out, "log=sqlite:/abs/commit.db dir=- ") != NULL);
	/* Named ones win over both; the environment is not resolved. */
	CHECK(run("KOOP_DATA_DIR=here", "--config koop-data/koop.conf") == 0);
	CHECK(strstr(out, "/here/koop-data/commit.db dir=here ") != NULL);
	CHECK(run("KOOP_CONFIG=koop-data/koop.conf", "") == 0);
	CHECK(strstr(out, "/here/koop-data/commit.db") != NULL);
	unlink("koop.conf");
	unlink("koop-data/koop.conf");
	rmdir("koop-data");
}

static void
a_file_that_others_may_write_is_not_read_unless_named(void)
{
	write_file("koop.conf", "cell-size = 3\n");
	for (mode_t bit = 02; bit <= 020; bit *= 8) {
		chmod("koop.conf", 0644 | bit);
		CHECK(run("", "") == 78);
		CHECK(strstr(err, "others may write to it") != NULL);
		CHECK(run("", "--config koop.conf") == 0);
		CHECK(strstr(out, "cell=3 ") != NULL);
	}
	chmod("koop.conf", 0600);
	CHECK(run("", "") == 0);
	if (geteuid() == 0) {
		CHECK(chown("koop.conf", 12345, 12345) == 0);
		CHECK(run("", "") == 78);
		CHECK(strstr(err, "belongs to another user") != NULL);
	}
	unlink("koop.conf");
}

static void
help_fits_and_names_every_option(void)
{
	size_t column = 0;

	CHECK(run("", "--no-such --help") == 64);
	CHECK(run("", "-h") == 0);
	CHECK_STR(err, "");
	CHECK(
	    strncmp(out, "usage: koop-node [options] [bucket/key]\n", 40) == 0);
	for (const struct cli_option *o = options; o->name != NULL; o++)
		CHECK(strstr(out, o->name) != NULL);
	CHECK(strstr(out, "\n      --timeout TIME           how long") != NULL);
	for (const char *c = out; *c != '\0'; c++) {
		column = *c == '\n' ? 0 : column + 1;
		CHECK(column <= 80);
	}
}

static void
options_are_dumped_for_completions(void)
{
	const char *want = "c\tcell-size\tSIZE\tsize\tbytes of each shard in a "
			   "stripe (default 64K)\nn\tcount\tN\tnumber\thow "
			   "many\n\ttimeout\tTIME\tduration\thow long, and";

	CHECK(run("", "--dump-options") == 0);
	CHECK(strncmp(out, want, strlen(want)) == 0);
	CHECK(strstr(out, "\nf\tforce\t\tswitch\tdo it\n") != NULL);
	CHECK(strstr(out, "help\t") == NULL);
	CHECK(strstr(out, "\n\tlevel\tlow|middle|high\tword\thow much\n"));
	CHECK(run("", "--dump-operands") == 0);
	CHECK_STR(out, "[bucket/key]\n");
}

static void
print_config_says_where_each_value_is_from(void)
{
	char want[512];

	write_file("koop.conf", "[koop-node]\nnode = 1/2\n");
	CHECK(run("KOOP_COUNT=7 LS_COLOR=red", "--print-config -c 64K") == 0);
	snprintf(want, sizeof(want),
	    "cell-size = 64K  # --cell-size\n"
	    "count = 7  # KOOP_COUNT\n"
	    "# commit-log is not set\n"
	    "# data-dir is not set\n"
	    "node = 1/2  # %s/here/koop.conf:2\n"
	    "# nodes is not set\n"
	    "# level is not set\n"
	    "color = red  # LS_COLOR\n"
	    "# store is not set\n"
	    "quiet = no  # default\n",
	    folder);
	CHECK_STR(out, want);
	unlink("koop.conf");
}

/* A daemon: started with one koop.conf, and told to look at the next, and at
 * one more. */
static void
reload_child(const char *next, const char *then, int fd)
{
	static const char *const live[] = { "color", "count", NULL };
	char program[] = "koop-node", flag[] = "-c", size[] = "9";
	char *argv[] = { program, flag, size, NULL };
	struct cli_reload found;
	struct error e = { 0 };

	clearenv();
	setenv("COUNT", "8", 1);
	cli_parse(&cli, 3, argv);
	for (; next != NULL; next = then, then = NULL) {
		write_file("koop.conf", next);
		if (cli_reload(&cli, live, &found, &e) < 0)
			dprintf(fd, "%s|", e.text);
		else
			dprintf(fd, "%s|%s|", found.changed, found.pending);
	}
	dprintf(fd, " cell=%lu count=%lu color=%s node=%s", cell, count, color,
	    node);
	_exit(0);
}

static const char *
reload(const char *next, const char *then)
{
	int fd = open_captured("../out");
	pid_t pid;

	write_file("koop.conf",
	    "cell-size = 1\n[koop-node]\ncount = 5\ncolor = red\nnode = 1\n");
	pid = fork();
	if (pid == 0)
		reload_child(next, then, fd);
	waitpid(pid, NULL, 0);
	slurp(fd, out);
	unlink("koop.conf");
	return out;
}

static void
a_reload_takes_what_can_change_and_tells_of_the_rest(void)
{
	CHECK_STR(reload("cell-size = 1\n# more\n[koop-node]\ncount = 5\n"
			 "color = red\nnode = 1\n",
		      NULL),
	    "|| cell=9 count=5 color=red node=1");
	CHECK_STR(reload("cell-size = 2\n[koop-node]\ncount = 6\n"
			 "color = redder\n",
		      NULL),
	    "count 6 (was 5), color redder (was red)|node| cell=9 count=6 "
	    "color=redder node=1");
	CHECK_STR(reload("[koop-node]\ncount = 5\ncolor = red\nnode = 2\n",
		      NULL),
	    "|node| cell=9 count=5 color=red node=1");
	/* What is no longer in the file is what it is without it. */
	CHECK_STR(reload("[koop-node]\nnode = 1\ncolor = red\n", NULL),
	    "count 8 (was 5)|| cell=9 count=8 color=red node=1");
}

static void
a_reload_compares_with_what_is_in_force(void)
{
	CHECK_STR(reload("[koop-node]\ncount = 6\ncolor = redder\nnode = 2\n",
		      "[koop-node]\ncount = 6\ncolor = redder\nnode = 2\n"),
	    "count 6 (was 5), color redder (was red)|node||node| cell=9 "
	    "count=6 color=redder node=1");
	CHECK_STR(reload("[koop-node]\ncount = 6\ncolor = redder\nnode = 2\n",
		      "[koop-node]\ncount = 5\ncolor = redder\nnode = 1\n"),
	    "count 6 (was 5), color redder (was red)|node|count 5 (was 6)|| "
	    "cell=9 count=5 color=redder node=1");
}

static void
a_reload_of_a_bad_file_changes_nothing(void)
{
	reload("[koop-node]\ncount = 6\nno-such = 1\n", NULL);
	CHECK(strstr(out, "koop.conf:3: no-such: no such key of") != NULL);
	CHECK(strstr(out, "| cell=9 count=5 color=red node=1") != NULL);
	/* And the one after it is read as ever. */
	reload("[koop-node]\ncount = 7\ncolor = blue\nnode = 1\n",
	    "[koop-node]\ncount = 7\ncolor = red\nnode = 1\n");
	CHECK(strstr(out, "koop.conf:3: color: \"blue\": want") != NULL);
	CHECK(strstr(out, "|count 7 (was 5)|| cell=9 count=7 ") != NULL);
}

static void
a_reload_looks_again_at_who_may_write_the_file(void)
{
	int fd = open_captured("../out");
	pid_t pid;

	write_file("koop.conf", "[koop-node]\ncount = 5\n");
	pid = fork();
	if (pid == 0) {
		static const char *const live[] = { "count", NULL };
		char program[] = "koop-node";
		char *argv[] = { program, NULL };
		struct cli_reload found;
		struct error e = { 0 };

		clearenv();
		cli_parse(&cli, 1, argv);
		write_file("koop.conf", "[koop-node]\ncount = 6\n");
		chmod("koop.conf", 0666);
		if (cli_reload(&cli, live, &found, &e) < 0)
			dprintf(fd, "%lu %s", count, e.text);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	slurp(fd, out);
	CHECK(strncmp(out, "5 ", 2) == 0);
	CHECK(strstr(out, "others may write to it") != NULL);
	unlink("koop.conf");
}

/* How a message calls the count. */
static const char *
origin(const char *variable, const char *conf, int argc)
{
	int fd = open_captured("../out");
	pid_t pid;

	write_file("koop.conf", conf);
	pid = fork();
	if (pid == 0) {
		char program[] = "koop-node", flag[] = "-n", n[] = "1";
		char *argv[] = { program, flag, n, NULL };

		clearenv();
		if (variable != NULL)
			setenv(variable, "2", 1);
		cli_parse(&cli, argc, argv);
		dprintf(fd, "%s", cli_origin(&count, "--count"));
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	slurp(fd, out);
	unlink("koop.conf");
	return out;
}

static void
a_value_has_the_name_by_which_it_was_given(void)
{
	CHECK_STR(origin(NULL, "", 1), "--count");
	CHECK_STR(origin("KOOP_COUNT", "[koop-node]\ncount = 3\n", 3),
	    "--count");
	CHECK_STR(origin("KOOP_COUNT", "[koop-node]\ncount = 3\n", 1),
	    "KOOP_COUNT");
	CHECK_STR(origin("COUNT", "", 1), "COUNT");
	CHECK(strstr(origin("COUNT", "[koop-node]\ncount = 3\n", 1),
		  "/koop.conf:2: count") != NULL);
}

static void
a_default_that_could_not_be_given_is_none(void)
{
	CHECK(run("", "--print-config") == 0);
	CHECK(strstr(out, "# cell-size is not set\n") != NULL);
	CHECK(strstr(out, "count = 0  # default\n") != NULL);
}

static void
the_version_is_one_line(void)
{
	CHECK(run("", "--version") == 0);
	CHECK_STR(out, "koop " KOOP_VERSION "\n");
}

static void
a_message_does_not_drive_the_terminal(void)
{
	CHECK(run("", "--\033[2J") == 64);
	CHECK(strncmp(err, "koop-node: --?[2J: no such option\n", 34) == 0);
}

int
main(void)
{
	tempdir_make(folder);
	if (chdir(folder) == -1 || mkdir("here", 0755) == -1 ||
	    chdir("here") == -1)
		return 1;
	RUN(flags_are_taken_in_every_form);
	RUN(mistakes_are_two_lines_and_64);
	RUN(a_word_is_one_of_its_option);
	RUN(words_and_urls_are_those_that_are_listed);
	RUN(flag_beats_environment_beats_file_beats_other_software);
	RUN(a_program_has_a_section_that_beats_what_is_shared);
	RUN(only_what_may_come_from_outside_does);
	RUN(a_bad_environment_is_78);
	RUN(comments_and_spaces_do_not_matter);
	RUN(a_bad_line_is_78_with_its_number);
	RUN(hostile_files_are_refused);
	RUN(paths_are_relative_to_the_folder_of_the_file);
	RUN(a_file_that_others_may_write_is_not_read_unless_named);
	RUN(help_fits_and_names_every_option);
	RUN(options_are_dumped_for_completions);
	RUN(print_config_says_where_each_value_is_from);
	RUN(a_reload_takes_what_can_change_and_tells_of_the_rest);
	RUN(a_reload_compares_with_what_is_in_force);
	RUN(a_reload_of_a_bad_file_changes_nothing);
	RUN(a_reload_looks_again_at_who_may_write_the_file);
	RUN(a_value_has_the_name_by_which_it_was_given);
	RUN(a_default_that_could_not_be_given_is_none);
	RUN(the_version_is_one_line);
	RUN(a_message_does_not_drive_the_terminal);
	unlink("../out");
	unlink("../err");
	if (chdir("..") == 0)
		rmdir("work");
	rmdir(folder);
	return tap_done();
}
