/* SPDX-License-Identifier: MIT */

/* koop-up(1): a whole cluster on this machine, supervised. */

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cli.h"
#include "base/error.h"
#include "base/io.h"
#include "up/clusterup.h"
#include "up/control.h"
#include "up/status.h"

#define DAY_MS (24 * 3600 * 1000)
#define STATUS_MAX (1024 * 1024)

#define WATCH_S 1

static const char default_dir[] = "koop-data";

static struct clusterup_options opt = {
	.layout = {
		.dir = default_dir,
		.nodes = LAYOUT_UNSET,
		.data_shards = LAYOUT_UNSET,
		.parity_shards = LAYOUT_UNSET,
		.write_quorum = LAYOUT_UNSET,
		.partitions = LAYOUT_UNSET,
		.gateways = LAYOUT_UNSET,
		.port = LAYOUT_UNSET,
		.node_port = LAYOUT_UNSET,
	},
	.durability = "full",
	.cell_bytes = LAYOUT_UNSET,
	.inline_bytes = LAYOUT_UNSET,
	.replace_node = LAYOUT_UNSET,
	.timeout_ms = 60 * 1000,
};
static uint64_t stop_node = LAYOUT_UNSET, start_node = LAYOUT_UNSET;
static const char *wait_for, *topology, *commit_log;
static struct cli_list gateways;
static bool json, watch;

static const struct cli_option options[] = {
	{ 'd', "data", CLI_DIR, &opt.layout.dir, "DIR",
	    "the data folder (default ./koop-data)", 0, 0, CLI_ENV_CONF, NULL },
	{ 0, "nodes", CLI_NUMBER, &opt.layout.nodes, "N",
	    "nodes in all (default 9)", 1, 1024, CLI_ENV_CONF, NULL },
	{ 0, "data-shards", CLI_NUMBER, &opt.layout.data_shards, "N",
	    "data shards of an erasure set (default 6)", 1, 32, CLI_ENV_CONF,
	    NULL },
	{ 0, "parity-shards", CLI_NUMBER, &opt.layout.parity_shards, "N",
	    "parity shards of an erasure set (default 3)", 0, 31, CLI_ENV_CONF,
	    NULL },
	{ 0, "write-quorum", CLI_NUMBER, &opt.layout.write_quorum, "N",
	    "durable shards before an answer (default 7)", 1, 32, CLI_ENV_CONF,
	    NULL },
	{ 0, "partitions", CLI_NUMBER, &opt.layout.partitions, "N",
	    "partitions of the commit log (default 32)", 1, 4096, CLI_ENV_CONF,
	    NULL },
	{ 0, "gateways", CLI_NUMBER, &opt.layout.gateways, "N",
	    "S3 gateways (default 1)", 1, LAYOUT_GATEWAYS_MAX, CLI_ENV_CONF,
	    NULL },
	{ 0, "port", CLI_NUMBER, &opt.layout.port, "N",
	    "port of the first gateway (default 9001, 0: any)", 0, 65535,
	    CLI_ENV_CONF, NULL },
	{ 0, "node-port", CLI_NUMBER, &opt.layout.node_port, "N",
	    "port of the first node (default 8001, 0: any)", 0, 65535,
	    CLI_ENV_CONF, NULL },
	{ 0, "cell-size", CLI_SIZE, &opt.cell_bytes, "SIZE",
	    "bytes of a cell (default 64K)", 4096, 1 << 20, CLI_ENV_CONF,
	    NULL },
	{ 0, "inline-limit", CLI_SIZE, &opt.inline_bytes, "SIZE",
	    "largest object inside a record (default 8K)", 0, 64 * 1024,
	    CLI_ENV_CONF, NULL },
	{ 0, "reserve", CLI_SIZE, &opt.reserve, "SIZE",
	    "disk space of a node kept for records (see koop-node)", 1 << 20,
	    1ull << 50, CLI_ENV_CONF, NULL },
	{ 0, "durability", CLI_WORD, &opt.durability, "full|os",
	    "full (default), or os: no syncs, for tests", 0, 0, CLI_ENV_CONF,
	    NULL },
	{ 0, "positions", CLI_WORD, &opt.layout.positions, "page|streams",
	    "how positions are told (default page)", 0, 0, CLI_ENV_CONF, NULL },
	{ 0, "tcp-congestion", CLI_STRING, &opt.tcp_congestion, "NAME",
	    "TCP congestion control (default the system's)", 0, 0, CLI_ENV_CONF,
	    NULL },
	{ 0, "detach", CLI_SWITCH, &opt.detach, NULL,
	    "go into the background once it serves", 0, 0, 0, NULL },
	{ 0, "replace-node", CLI_NUMBER, &opt.replace_node, "N",
	    "give node N, whose folder is lost, a new one", 0, 1023, 0, NULL },
	{ 0, "stop-node", CLI_NUMBER, &stop_node, "N",
	    "stop node N of the running cluster", 0, 1023, 0, NULL },
	{ 0, "start-node", CLI_NUMBER, &start_node, "N", "start node N again",
	    0, 1023, 0, NULL },
	{ 0, "wait", CLI_WORD, &wait_for, "ready|full",
	    "status: wait until the cluster is that", 0, 0, 0, NULL },
	{ 0, "timeout", CLI_DURATION, &opt.timeout_ms, "TIME",
	    "how long to wait (default 60s)", 1, DAY_MS, 0, NULL },
	{ 0, "watch", CLI_SWITCH, &watch, NULL,
	    "status: show it again each second", 0, 0, 0, NULL },
	{ 0, "json", CLI_SWITCH, &json, NULL, "status: as a JSON object", 0, 0,
	    0, NULL },
	{ 't', "topology", CLI_URL, &topology, "file:PATH",
	    "status: of a cluster that others run", 0, 0, CLI_ENV_CONF, NULL },
	{ 'l', "commit-log", CLI_URL, &commit_log, "sqlite:PATH",
	    "status: likewise", 0, 0, CLI_ENV_CONF, NULL },
	{ 0, "gateway", CLI_LIST, &gateways, "URL",
	    "status: likewise; may be given again", 0, 0, CLI_ENV_CONF, NULL },
	{ 'q', "quiet", CLI_SWITCH, &opt.quiet, NULL,
	    "print the last line only", 0, 0, CLI_CONF, NULL },
	{ 0 },
};

static const struct cli cli = {
	.name = "koop-up",
	.operands = "[status|down|env]",
	.summary = "run a whole cluster on this machine",
	.options = options,
	.operands_max = 1,
	.makes_clusters = true,
	.wants_cluster = true,
};

static void
say(const char *line)
{
	printf("%s\n", line);
	fflush(stdout);
}

static void
warn(const char *line)
{
	fprintf(stderr, "koop-up: %s\n", line);
}

/* Between single quotes: all that a path can do to a shell is end them. */
static void
print_quoted(const char *path)
{
	for (const char *c = path; *c != '\0'; c++)
		if (*c == '\'')
			fputs("'\\''", stdout);
		else
			putchar(*c);
}

/* Does the shell find the programs of this folder by their names? */
static bool
is_in_path(const char *folder)
{
	const char *path = getenv("PATH");
	char program[PATH_MAX], found[PATH_MAX];

	for (; path != NULL && *path != '\0';
	     path += strcspn(path, ":"), path += *path == ':') {
		snprintf(program, sizeof(program), "%.*s/koop",
		    (int)strcspn(path, ":"), path);
		if (access(program, X_OK) == -1)
			continue;
		/* The first is the one that runs. */
		return realpath(program, found) != NULL &&
		    strncmp(found, folder, strlen(folder)) == 0 &&
		    strcmp(found + strlen(folder), "/koop") == 0;
	}
	return false;
}

/* For who sits at a terminal and has it for the first time: nothing that reads
 * our output needs it. */
static void
hints(const char *dir)
{
	char folder[PATH_MAX];

	if (isatty(STDOUT_FILENO) != 1)
		return;
	printf("\nNext, in %s:\n",
	    opt.detach ? "this terminal" : "another terminal");
	if (io_program_folder(folder, sizeof(folder)) && !is_in_path(folder)) {
		printf("  PATH='");
		print_quoted(folder);
		printf("':\"$PATH\"\n");
	}
	printf("  eval \"$(koop env --data '");
	print_quoted(dir);
	printf(
	    "')\"\n"
	    "                           the other programs find the cluster\n"
	    "  koop status              how it is\n"
	    "  koop bucket make films   a place for objects\n"
	    "  koop help tutorial       from here to a stored film\n"
	    "%s stops all of it.\n",
	    opt.detach ? "koop down" : "Ctrl-C");
	fflush(stdout);
}

static void
show(const struct status_view *view)
{
	struct buf out = buf_make(STATUS_MAX);

	if (json)
		status_view_json(view, &out);
	else if (view->count > 0)
		status_view_print(view, io_terminal_columns(STDOUT_FILENO),
		    &out);
	/* Home, and nothing below: the table stands still. */
	if (watch && isatty(STDOUT_FILENO))
		fputs("\033[H\033[J", stdout);
	if (out.n > 0)
		fwrite(out.p, 1, out.n, stdout);
	fflush(stdout);
	buf_fini(&out);
}

/* Again and again, until the terminal or the user has had enough. */
static int
watch_status(struct look *look, struct error *err)
{
	const struct timespec pause = { .tv_sec = WATCH_S };

	for (;;) {
		struct status_view view;
		int rc = status_look(look, &view, err);

		if (rc < 0)
			return rc;
		show(&view);
		if (ferror(stdout))
			return 0;
		nanosleep(&pause, NULL);
	}
}

static int
print_status(const struct status_where *where)
{
	struct status_view view = { 0 };
	struct look *look = NULL;
	struct error err;
	int rc = status_open(&look, where, &err);

	if (rc < 0)
		return cli_fail(&cli, &err);
	if (watch) {
		rc = watch_status(look, &err);
	} else if (wait_for != NULL) {
		rc = status_wait(look,
		    strcmp(wait_for, "full") == 0 ? STATUS_FULL : STATUS_READY,
		    opt.timeout_ms, &view, &err);
		show(&view);
	} else {
		rc = status_look(look, &view, &err);
		if (rc == 0)
			show(&view);
	}
	if (rc < 0)
		rc = cli_fail(&cli, &err);
	else if (wait_for == NULL)
		rc = status_view_level(&view) == STATUS_BROKEN;
	status_close(look);
	return rc;
}

/* Tell the running supervisor. */
static int
tell(const char *dir, const char *verb, uint64_t node)
{
	struct buf answer = buf_make(CONTROL_ANSWER_MAX);
	char request[CONTROL_LINE_MAX];
	struct error err;
	int rc;

	if (node == LAYOUT_UNSET)
		snprintf(request, sizeof(request), "%s", verb);
	else
		snprintf(request, sizeof(request), "%s %" PRIu64, verb, node);
	rc = control_ask(dir, request, &answer,
	    (int)KOOP_MIN(opt.timeout_ms, (uint64_t)DAY_MS), &err);
	buf_fini(&answer);
	return rc < 0 ? cli_fail(&cli, &err) : 0;
}

static int
print_env(const char *dir)
{
	char config[PATH_MAX + 16];
	struct error err;

	snprintf(config, sizeof(config), "%s/koop.conf", dir);
	if (access(config, F_OK) == -1) {
		(void)error_no_cluster(&err, "%s: %s", config, strerror(errno));
		return cli_fail(&cli, &err);
	}
	fputs("export KOOP_CONFIG='", stdout);
	print_quoted(dir);
	fputs("/koop.conf'\n", stdout);
	return cli_finish(&cli);
}

/*
 * The folder of the cluster that is spoken to: the one that was named, else
 * that of the koop.conf this shell is set to, else ./koop-data.
 */
static const char *
cluster_folder(char out[static PATH_MAX])
{
	const char *config = getenv("KOOP_CONFIG");
	char lock[PATH_MAX + 16];
	const char *slash;

	if (opt.layout.dir != default_dir || config == NULL)
		return opt.layout.dir;
	slash = strrchr(config, '/');
	if (slash == NULL)
		return opt.layout.dir;
	snprintf(out, PATH_MAX, "%.*s", (int)(slash - config), config);
	/* Written by koop up? */
	snprintf(lock, sizeof(lock), "%s/" LAYOUT_LOCK, out);
	return access(lock, F_OK) == 0 ? out : opt.layout.dir;
}

static int
operate_status(void)
{
	char path[PATH_MAX], dir[LAYOUT_DIR_BYTES];
	struct status_where where = {
		.topology = topology,
		.commit_log = commit_log,
		.gateway = gateways.item,
		.gateway_count = gateways.n,
	};
	const char *folder = cluster_folder(path);
	struct error err;
	int status, written;

	/* No cluster of koop up, and another is known: its programs are run by
	 * others. */
	if (opt.layout.dir != default_dir || access(folder, F_OK) == 0 ||
	    topology == NULL || commit_log == NULL) {
		if (layout_resolve(dir, folder, false, &err) < 0)
			return cli_fail(&cli, &err);
		where.dir = dir;
	}
	status = print_status(&where);
	written = cli_finish(&cli);
	return written != 0 ? written : status;
}

static int
operate(const char *word)
{
	char path[PATH_MAX], dir[LAYOUT_DIR_BYTES];
	struct error err;

	if (strcmp(word, "status") == 0)
		return operate_status();
	if (layout_resolve(dir, cluster_folder(path), false, &err) < 0)
		return cli_fail(&cli, &err);
	if (strcmp(word, "down") == 0)
		return tell(dir, "down", LAYOUT_UNSET);
	if (strcmp(word, "env") == 0)
		return print_env(dir);
	if (strcmp(word, "stop") == 0)
		return tell(dir, word, stop_node);
	if (strcmp(word, "start") == 0)
		return tell(dir, word, start_node);
	return cli_usage(&cli, "%s: neither status nor down nor env", word);
}

/* Neither the file nor the environment can ask for what is done but once. */
static bool
is_flag(const char *value, int argc, char *argv[])
{
	for (int i = 1; value != NULL && i < argc; i++)
		if (value >= argv[i] && value <= argv[i] + strlen(argv[i]))
			return true;
	return false;
}

/* With --replace-node a cluster that runs is told, another is started so.
 * True: it was told, and *status is the exit status. */
static bool
replace_running(int *status)
{
	char dir[LAYOUT_DIR_BYTES];
	struct buf answer = buf_make(CONTROL_ANSWER_MAX);
	struct error err;
	bool runs = layout_resolve(dir, opt.layout.dir, false, &err) == 0 &&
	    control_ask(dir, "status", &answer, 5000, &err) == 0;

	buf_fini(&answer);
	if (!runs)
		return false;
	*status = tell(dir, "replace", opt.replace_node);
	if (*status == 0 && !opt.quiet)
		printf("koop-up: node %" PRIu64 " has a new folder and "
		       "rebuilds its shards; koop status tells how far it is\n",
		    opt.replace_node);
	return true;
}

static int
start(int argc, char *argv[])
{
	char dir[LAYOUT_DIR_BYTES];
	struct error err;
	int status;

	if (watch || json || wait_for != NULL ||
	    is_flag(topology, argc, argv) || is_flag(commit_log, argc, argv))
		return cli_usage(&cli,
		    "--wait, --watch, --json, --topology "
		    "and --commit-log are for: koop status");
	if (opt.replace_node != LAYOUT_UNSET && replace_running(&status))
		return status != 0 ? status : cli_finish(&cli);
	opt.say = say;
	opt.warn = warn;
	opt.hints = hints;
	opt.config = cli_config_file();
	if (clusterup_run(&opt, &err) < 0)
		return cli_fail(&cli, &err);
	if (opt.detach && !opt.quiet &&
	    layout_resolve(dir, opt.layout.dir, false, &err) == 0) {
		print_status(&(struct status_where){ .dir = dir });
		hints(dir);
	}
	return cli_finish(&cli);
}

int
main(int argc, char *argv[])
{
	int first = cli_parse(&cli, argc, argv);

	if (stop_node != LAYOUT_UNSET)
		return operate("stop");
	if (start_node != LAYOUT_UNSET)
		return operate("start");
	if (first == argc)
		return start(argc, argv);
	if (strcmp(argv[first], "stop") == 0 ||
	    strcmp(argv[first], "start") == 0)
		return cli_usage(&cli, "%s: use --%s-node N", argv[first],
		    argv[first]);
	return operate(argv[first]);
}
