/* SPDX-License-Identifier: MIT */

/* koop-stat(1): what there is to know of objects and buckets. */

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cli.h"
#include "base/error.h"
#include "base/fault.h"
#include "base/io.h"
#include "client/clientoptions.h"
#include "client/nodeclient.h"
#include "client/pipestat.h"
#include "commit/objectname.h"
#include "commit/versionid.h"

#define OPERANDS_MAX 64
#define LINE_BYTES (256u << 10)

static struct clientoptions cluster;
static const char *version_text;
static struct versionid version;

static const struct cli_option options[] = {
	CLIENTOPTIONS_COMMIT_LOG(cluster),
	CLIENTOPTIONS_TCP_CONGESTION(cluster),
	CLIENTOPTIONS_TOPOLOGY(cluster),
	{ 0, "version-id", CLI_STRING, &version_text, "ID",
	    "this version of the key, as koop-list --versions names it", 0, 0,
	    CLI_FLAG_ONLY, NULL },
	{ 0 },
};

static const struct cli cli = {
	.name = "koop-stat",
	.operands = "bucket[/key] ...",
	.summary = "print what there is to know of an object or a bucket",
	.options = options,
	.operands_min = 1,
	.operands_max = OPERANDS_MAX,
	.wants_cluster = true,
};

static int
stat_one(struct nodeclient *nc, const char *operand, struct buf *line,
    struct error *err)
{
	struct bytes bucket, key;
	int rc;

	buf_clear(line);
	rc = objectname_prefix(bytes_str(operand), &bucket, &key, err);
	if (rc == 0 && key.n > 0)
		rc = pipestat_object(nc, bucket, key,
		    version_text != NULL ? &version : NULL, line, err);
	else if (rc == 0)
		rc = pipestat_bucket(nc, bucket, line, err);
	if (rc < 0)
		return error_wrap(err, "%s", operand);
	return io_write_full(STDOUT_FILENO, line->p, line->n, err);
}

/* All of them; what is not there is said, and is 1 at the end. */
static int
stat_all(char *operands[], int count)
{
	struct buf line = buf_make(LINE_BYTES);
	struct nodeclient *nc = NULL;
	struct error err;
	int status = 0;
	int rc;

	rc = clientoptions_open(&nc, &cluster, &err);
	if (rc < 0)
		status = clientoptions_fail(&cli, &cluster, &err);
	for (int i = 0; i < count && rc == 0; i++) {
		rc = stat_one(nc, operands[i], &line, &err);
		if (rc < 0)
			status = clientoptions_fail(&cli, &cluster, &err);
		if (rc == -ERRC_NOTFOUND)
			rc = 0;
	}
	nodeclient_close(nc);
	buf_fini(&line);
	return status;
}

int
main(int argc, char *argv[])
{
	struct bytes bucket, key;
	struct error err;
	int status, done, at;

	at = cli_parse(&cli, argc, argv);
	fault_setup();
	if (clientoptions_check(&cluster, &err) < 0)
		return cli_fail(&cli, &err);
	if (version_text != NULL &&
	    !versionid_parse(&version, bytes_str(version_text)))
		return cli_usage(&cli, "--version-id: no name of a version");
	for (int i = at; i < argc; i++) {
		if (objectname_prefix(bytes_str(argv[i]), &bucket, &key, &err) <
		    0)
			return cli_usage(&cli, "%s", err.text);
		if (version_text != NULL && key.n == 0)
			return cli_usage(&cli,
			    "--version-id: a bucket has no versions");
	}
	status = stat_all(argv + at, argc - at);
	done = cli_finish(&cli);
	return status != 0 ? status : done;
}
