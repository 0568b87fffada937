/* SPDX-License-Identifier: MIT */

/* koop-shard-put(1): shard stream on stdin, to the nodes; receipts. */

#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/error.h"
#include "base/fault.h"
#include "base/progress.h"
#include "client/clientoptions.h"
#include "client/nodeclient.h"
#include "client/pipeput.h"
#include "commit/objectname.h"

static struct clientoptions cluster;
static bool new_id;
static bool show_progress;
static bool quiet;
static bool force;

static const struct cli_option options[] = {
	{ 'f', "force", CLI_SWITCH, &force, NULL, "read even from a terminal",
	    0, 0, CLI_FLAG_ONLY, NULL },
	CLIENTOPTIONS_COMMIT_LOG(cluster),
	{ 0, "new-id", CLI_SWITCH, &new_id, NULL,
	    "give the object a new id (a stream over 24 h old)", 0, 0,
	    CLI_FLAG_ONLY, NULL },
	{ 0, "progress", CLI_SWITCH, &show_progress, NULL,
	    "show progress on standard error", 0, 0, CLI_FLAG_ONLY, NULL },
	{ 'q', "quiet", CLI_SWITCH, &quiet, NULL, "show no progress", 0, 0,
	    CLI_FLAG_ONLY, NULL },
	CLIENTOPTIONS_TCP_CONGESTION(cluster),
	CLIENTOPTIONS_TOPOLOGY(cluster),
	{ 0 },
};

static const struct cli cli = {
	.name = "koop-shard-put",
	.operands = "bucket/key <shards >receipts",
	.summary = "store the shards of an object on their nodes",
	.options = options,
	.operands_min = 1,
	.operands_max = 1,
	.wants_cluster = true,
};

static int
put(const char *operand, struct error *err)
{
	struct progress progress;
	struct pipeput_options opt = {
		.new_id = new_id,
		.progress = &progress,
	};
	struct nodeclient *nc = NULL;
	int rc;

	rc = objectname_split(bytes_str(operand), &opt.bucket, &opt.key, err);
	if (rc == 0)
		rc = clientoptions_open(&nc, &cluster, err);
	if (rc < 0)
		return rc;
	progress_start(&progress, "put", progress_choose(quiet, show_progress),
	    0);
	rc = pipeput_run(nc, STDIN_FILENO, STDOUT_FILENO, &opt, err);
	progress_end(&progress);
	nodeclient_close(nc);
	return rc;
}

int
main(int argc, char *argv[])
{
	struct error err;
	int at;

	at = cli_parse(&cli, argc, argv);
	fault_setup();
	if (clientoptions_check(&cluster, &err) < 0)
		return cli_fail(&cli, &err);
	if (!force)
		cli_refuse_tty(&cli, STDIN_FILENO, "standard input");
	if (put(argv[at], &err) < 0)
		return clientoptions_fail(&cli, &cluster, &err);
	return cli_finish(&cli);
}
