/* SPDX-License-Identifier: MIT */

/* koop-up(1): a whole cluster on this machine, supervised. */

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cli.h"
#include "base/error.h"
#include "up/clusterup.h"
#include "up/control.h"
#include "up/status.h"

#define DAY_MS (24 * 3600 * 1000)
#define STATUS_MAX (1024 * 1024)

static struct clusterup_options opt = {
	.layout = {
		.dir = "koop-data",
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
	.cell_bytes = 64 * 1024,
	.inline_bytes = 8 * 1024,
	.replace_node = LAYOUT_UNSET,
	.timeout_ms = 60 * 1000,
};
static uint64_t stop_node = LAYOUT_UNSET, start_node = LAYOUT_UNSET;
static const char *wait_for;

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
};

static void
say(const char *line)
{
	printf("%s\n", line);
	fflush(stdout);
}

static int
print_status(const char *dir)
{
	struct buf out = buf_make(STATUS_MAX);
	enum status_level level = STATUS_FULL;
	struct error err;
	int rc;

	if (wait_for == NULL)
		rc = status_look(dir, &out, &level, &err);
	else if (strcmp(wait_for, "ready") == 0)
		rc = status_wait(dir, STATUS_READY, opt.timeout_ms, &out, &err);
	else
		rc = status_wait(dir, STATUS_FULL, opt.timeout_ms, &out, &err);
	if (out.n > 0)
		fwrite(out.p, 1, out.n, stdout);
	buf_fini(&out);
	if (rc < 0)
		return cli_fail(&cli, &err);
	return level == STATUS_BROKEN;
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
	/* Single quotes: all that a path can do to a shell is end them. */
	fputs("export KOOP_CONFIG='", stdout);
	for (const char *c = dir; *c != '\0'; c++)
		if (*c == '\'')
			fputs("'\\''", stdout);
		else
			putchar(*c);
	fputs("/koop.conf'\n", stdout);
	return cli_finish(&cli);
}

static int
operate(const char *word)
{
	char dir[LAYOUT_DIR_BYTES];
	struct error err;

	if (layout_resolve(dir, opt.layout.dir, false, &err) < 0)
		return cli_fail(&cli, &err);
	if (strcmp(word, "status") == 0) {
		int status = print_status(dir);
		int written = cli_finish(&cli);
		return written != 0 ? written : status;
	}
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

int
main(int argc, char *argv[])
{
	struct error err;
	int first = cli_parse(&cli, argc, argv);

	if (stop_node != LAYOUT_UNSET)
		return operate("stop");
	if (start_node != LAYOUT_UNSET)
		return operate("start");
	if (first < argc)
		return strcmp(argv[first], "stop") == 0 ||
			strcmp(argv[first], "start") == 0 ?
		    cli_usage(&cli, "%s: use --%s-node N", argv[first],
			argv[first]) :
		    operate(argv[first]);
	opt.say = say;
	opt.config = cli_config_file();
	if (clusterup_run(&opt, &err) < 0)
		return cli_fail(&cli, &err);
	if (opt.detach && !opt.quiet)
		print_status(opt.layout.dir);
	return cli_finish(&cli);
}
