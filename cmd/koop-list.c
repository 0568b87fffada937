/* SPDX-License-Identifier: MIT */

/* koop-list(1): the objects of a bucket, a line each. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cli.h"
#include "base/error.h"
#include "base/fault.h"
#include "client/clientoptions.h"
#include "client/nodeclient.h"
#include "client/pipelist.h"
#include "commit/objectname.h"
#include "commit/versionid.h"

#define LAST_BYTES (2 * OBJECTNAME_KEY_MAX)

static struct clientoptions cluster;
static const char *after;
static const char *delimiter;
static bool lines;
static uint64_t limit = UINT64_MAX;
static bool null_ended;
static bool versions;
static const char *after_version;

static const struct cli_option options[] = {
	{ '0', "null", CLI_SWITCH, &null_ended, NULL,
	    "print names only, each ended by NUL", 0, 0, CLI_FLAG_ONLY, NULL },
	{ 0, "after", CLI_STRING, &after, "NAME",
	    "begin behind that bucket/key, to go on with a list", 0, 0,
	    CLI_FLAG_ONLY, NULL },
	{ 0, "after-version", CLI_STRING, &after_version, "ID",
	    "begin behind that version of the key of --after", 0, 0,
	    CLI_FLAG_ONLY, NULL },
	CLIENTOPTIONS_COMMIT_LOG(cluster),
	{ 0, "delimiter", CLI_STRING, &delimiter, "TEXT",
	    "names up to TEXT behind the prefix are one line", 0, 0,
	    CLI_FLAG_ONLY, NULL },
	{ 0, "limit", CLI_NUMBER, &limit, "N", "stop after N lines", 1,
	    INT64_MAX, CLI_FLAG_ONLY, NULL },
	{ 0, "lines", CLI_SWITCH, &lines, NULL, "print names only, a line each",
	    0, 0, CLI_FLAG_ONLY, NULL },
	CLIENTOPTIONS_TCP_CONGESTION(cluster),
	CLIENTOPTIONS_TOPOLOGY(cluster),
	{ 0, "versions", CLI_SWITCH, &versions, NULL,
	    "list all versions and delete markers, newest first", 0, 0,
	    CLI_FLAG_ONLY, NULL },
	{ 0 },
};

static const struct cli cli = {
	.name = "koop-list",
	.operands = "bucket[/prefix]",
	.summary = "list the objects of a bucket",
	.options = options,
	.operands_min = 1,
	.operands_max = 1,
	.wants_cluster = true,
};

static int
list(const struct pipelist_options *opt, struct error *err)
{
	struct buf last = buf_make(LAST_BYTES);
	struct nodeclient *nc = NULL;
	int rc;

	rc = clientoptions_open(&nc, &cluster, err);
	if (rc == 0)
		rc = pipelist_run(nc, STDOUT_FILENO, opt, &last, err);
	/* Half a list can be gone on with. */
	if (rc < 0 && last.n > 0)
		fprintf(stderr,
		    "%s: the list ended early; --after '%s' goes on\n",
		    cli.name, buf_cstr(&last));
	nodeclient_close(nc);
	buf_fini(&last);
	return rc;
}

int
main(int argc, char *argv[])
{
	struct pipelist_options opt = { .form = PIPELIST_JSON };
	struct bytes bucket;
	struct error err;
	int at;

	at = cli_parse(&cli, argc, argv);
	fault_setup();
	if (clientoptions_check(&cluster, &err) < 0)
		return cli_fail(&cli, &err);
	if (objectname_prefix(bytes_str(argv[at]), &opt.bucket, &opt.prefix,
		&err) < 0)
		return cli_usage(&cli, "%s", err.text);
	if (after != NULL) {
		if (objectname_split(bytes_str(after), &bucket, &opt.after,
			&err) < 0)
			return cli_usage(&cli, "--after: %s", err.text);
		if (!bytes_equal(bucket, opt.bucket))
			return cli_usage(&cli, "--after %s: of another bucket",
			    after);
	}
	if (after_version != NULL) {
		struct versionid id;

		if (!versions || after == NULL)
			return cli_usage(&cli,
			    "--after-version: needs --versions and --after");
		opt.after_version = bytes_str(after_version);
		if (!versionid_parse(&id, opt.after_version))
			return cli_usage(&cli, "--after-version %s: no version",
			    after_version);
	}
	opt.versions = versions;
	if (delimiter != NULL)
		opt.delimiter = bytes_str(delimiter);
	opt.limit = limit;
	if (lines)
		opt.form = PIPELIST_LINES;
	if (null_ended)
		opt.form = PIPELIST_NUL;
	if (list(&opt, &err) < 0)
		return clientoptions_fail(&cli, &cluster, &err);
	return cli_finish(&cli);
}
