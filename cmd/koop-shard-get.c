/* SPDX-License-Identifier: MIT */

/* koop-shard-get(1): a version of an object as a shard stream. */

#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/error.h"
#include "base/fault.h"
#include "base/progress.h"
#include "client/clientoptions.h"
#include "client/nodeclient.h"
#include "client/pipeget.h"
#include "commit/objectname.h"
#include "commit/versionid.h"

static struct clientoptions cluster;
static const char *range;
static const char *version_text;
static bool show_progress;
static bool quiet;
static bool force;

static const struct cli_option options[] = {
	{ 'f', "force", CLI_SWITCH, &force, NULL, "write even to a terminal", 0,
	    0, CLI_FLAG_ONLY, NULL },
	CLIENTOPTIONS_COMMIT_LOG(cluster),
	{ 0, "progress", CLI_SWITCH, &show_progress, NULL,
	    "show progress on standard error", 0, 0, CLI_FLAG_ONLY, NULL },
	{ 'q', "quiet", CLI_SWITCH, &quiet, NULL, "show no progress", 0, 0,
	    CLI_FLAG_ONLY, NULL },
	{ 0, "range", CLI_STRING, &range, "FIRST-LAST",
	    "only these bytes; FIRST- to the end, -N the last N", 0, 0,
	    CLI_FLAG_ONLY, NULL },
	CLIENTOPTIONS_TCP_CONGESTION(cluster),
	CLIENTOPTIONS_TOPOLOGY(cluster),
	{ 0, "version-id", CLI_STRING, &version_text, "ID",
	    "this version of the key, as koop-list --versions names it", 0, 0,
	    CLI_FLAG_ONLY, NULL },
	{ 0 },
};

static const struct cli cli = {
	.name = "koop-shard-get",
	.operands = "bucket/key >shards",
	.summary = "fetch an object as a stream of erasure-coded shards",
	.options = options,
	.operands_min = 1,
	.operands_max = 1,
	.wants_cluster = true,
};

static int
get(const char *operand, const struct versionid *version, struct error *err)
{
	struct nodeclient *nc = NULL;
	struct progress progress;
	struct bytes bucket, key;
	int rc;

	rc = objectname_split(bytes_str(operand), &bucket, &key, err);
	if (rc == 0)
		rc = clientoptions_open(&nc, &cluster, err);
	if (rc < 0)
		return rc;
	progress_start(&progress, "get", progress_choose(quiet, show_progress),
	    0);
	rc = pipeget_run(nc, STDOUT_FILENO, bucket, key, version, range,
	    &progress, err);
	progress_end(&progress);
	nodeclient_close(nc);
	return rc;
}

int
main(int argc, char *argv[])
{
	struct versionid version = { 0 };
	struct error err;
	int at;

	at = cli_parse(&cli, argc, argv);
	fault_setup();
	if (clientoptions_check(&cluster, &err) < 0)
		return cli_fail(&cli, &err);
	if (version_text != NULL &&
	    !versionid_parse(&version, bytes_str(version_text)))
		return cli_usage(&cli, "--version-id: no name of a version");
	if (range != NULL && !pipeget_range_valid(range))
		return cli_usage(&cli,
		    "--range %.40s: want FIRST-LAST, FIRST- or -N, counted "
		    "from 0",
		    range);
	if (!force)
		cli_refuse_tty(&cli, STDOUT_FILENO, "standard output");
	if (get(argv[at], version_text != NULL ? &version : NULL, &err) < 0)
		return clientoptions_fail(&cli, &cluster, &err);
	return cli_finish(&cli);
}
