/* SPDX-License-Identifier: MIT */

/* koop-verify(1): are all shards of objects there and good? */

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cli.h"
#include "base/error.h"
#include "base/fault.h"
#include "base/io.h"
#include "base/progress.h"
#include "client/clientoptions.h"
#include "client/nodeclient.h"
#include "client/pipeverify.h"
#include "commit/objectname.h"
#include "commit/versionid.h"

#define END_BYTES 1024

static struct clientoptions cluster;
static uint64_t jobs = 4;
static bool json;
static bool prefixes;
static bool quiet;
static bool show_progress;
static const char *version_text;
static bool versions;

static const struct cli_option options[] = {
	CLIENTOPTIONS_COMMIT_LOG(cluster),
	{ 'j', "jobs", CLI_NUMBER, &jobs, "N",
	    "objects that are read at a time (default 4)", 1,
	    PIPEVERIFY_JOBS_MAX, CLI_FLAG_ONLY, NULL },
	{ 0, "json", CLI_SWITCH, &json, NULL, "lines of JSON", 0, 0,
	    CLI_FLAG_ONLY, NULL },
	{ 0, "prefix", CLI_SWITCH, &prefixes, NULL,
	    "each operand is the beginning of names", 0, 0, CLI_FLAG_ONLY,
	    NULL },
	{ 0, "progress", CLI_SWITCH, &show_progress, NULL,
	    "show progress on standard error", 0, 0, CLI_FLAG_ONLY, NULL },
	{ 'q', "quiet", CLI_SWITCH, &quiet, NULL, "no progress", 0, 0,
	    CLI_FLAG_ONLY, NULL },
	CLIENTOPTIONS_TCP_CONGESTION(cluster),
	CLIENTOPTIONS_TOPOLOGY(cluster),
	{ 0, "version-id", CLI_STRING, &version_text, "ID",
	    "this version of the key, as koop-list --versions names it", 0, 0,
	    CLI_FLAG_ONLY, NULL },
	{ 0, "versions", CLI_SWITCH, &versions, NULL,
	    "of a bucket or beginning, older versions, too", 0, 0,
	    CLI_FLAG_ONLY, NULL },
	{ 0 },
};

static const struct cli cli = {
	.name = "koop-verify",
	.operands = "bucket[/key] ...",
	.summary = "read every shard of objects and tell what is damaged",
	.options = options,
	.operands_min = 1,
	.operands_max = UINT_MAX,
	.wants_cluster = true,
};

/* Nothing of a progress line is left beside it. */
static int
print_line(void *arg, struct bytes line, struct error *err)
{
	progress_hide(arg);
	return io_write_full(STDOUT_FILENO, line.p, line.n, err);
}

static void
complain(void *arg, const char *text)
{
	progress_hide(arg);
	fprintf(stderr, "%s: %s\n", cli.name, text);
}

/* "bucket", "bucket/" and "bucket/folder/" are all that begins so. */
static bool
is_prefix(struct bytes name, struct bytes key)
{
	return prefixes || key.n == 0 || name.p[name.n - 1] == '/';
}

static int
verify_operand(struct pipeverify *v, const char *operand,
    const struct versionid *version, struct error *err)
{
	struct bytes name = bytes_str(operand), bucket, key;
	int rc = objectname_prefix(name, &bucket, &key, err);

	if (rc < 0)
		return rc;
	if (!is_prefix(name, key))
		return pipeverify_object(v, bucket, key, version, err);
	rc = pipeverify_prefix(v, bucket, key, err);
	return rc < 0 ? error_wrap(err, "%s", operand) : 0;
}

/* What the status says, in words; the worst first. */
static int
verdict(const struct pipeverify_totals *totals, struct error *err)
{
	const uint64_t *n = totals->objects;

	if (n[VERIFYOBJECT_LOST] > 0)
		return error_set(err, ERRC_UNAVAILABLE,
		    "objects that cannot be read any more: %llu; others that "
		    "are damaged: %llu",
		    (unsigned long long)n[VERIFYOBJECT_LOST],
		    (unsigned long long)n[VERIFYOBJECT_DAMAGED]);
	if (n[VERIFYOBJECT_DAMAGED] + n[VERIFYOBJECT_MENDED] > 0)
		return error_set(err, ERRC_CORRUPT,
		    "objects that are damaged and can be read: %llu; others "
		    "that were, and have been repaired: %llu",
		    (unsigned long long)n[VERIFYOBJECT_DAMAGED],
		    (unsigned long long)n[VERIFYOBJECT_MENDED]);
	if (n[VERIFYOBJECT_UNCHECKED] + totals->failed > 0)
		return error_set(err, ERRC_RETRY,
		    "objects that could not be looked at whole: %llu; again, "
		    "when all nodes are up (koop status)",
		    (unsigned long long)(n[VERIFYOBJECT_UNCHECKED] +
			totals->failed));
	return 0;
}

static int
verify_all(struct pipeverify *v, char *const names[], int count,
    const struct versionid *version, struct progress *progress,
    struct error *err)
{
	struct pipeverify_totals totals = { 0 };
	struct buf end = buf_make(END_BYTES);
	bool missing = false;
	int rc = 0;

	for (int i = 0; i < count && rc == 0; i++) {
		rc = verify_operand(v, names[i], version, err);
		if (rc == -ERRC_NOTFOUND) {
			missing = true;
			(void)cli_fail(&cli, err);
			rc = 0;
		}
	}
	if (rc == 0)
		rc = pipeverify_wait(v, &totals, err);
	if (rc == 0) {
		pipeverify_print_totals(&totals, json, &end);
		rc = print_line(progress, buf_bytes(&end), err);
	}
	buf_fini(&end);
	if (rc == 0)
		rc = verdict(&totals, err);
	if (rc == 0 && (missing || totals.missing > 0))
		rc = error_set(err, ERRC_NOTFOUND, "not all of them exist");
	return rc;
}

static int
verify(char *const names[], int count, const struct versionid *version)
{
	struct progress progress;
	struct pipeverify_options with = {
		.jobs = (uint32_t)jobs,
		.json = json,
		.versions = versions,
		.progress = &progress,
		.line = print_line,
		.complain = complain,
		.arg = &progress,
	};
	struct nodeclient *nc = NULL;
	struct pipeverify *v = NULL;
	struct error err;
	int rc;

	/* Few lines come: a terminal shows both. */
	progress_start(&progress, "verify",
	    progress_choose(quiet, show_progress || isatty(STDERR_FILENO)), 0);
	rc = clientoptions_open(&nc, &cluster, &err);
	if (rc == 0)
		rc = pipeverify_open(&v, nc, &with, &err);
	if (rc == 0)
		rc = verify_all(v, names, count, version, &progress, &err);
	pipeverify_close(v);
	nodeclient_close(nc);
	progress_end(&progress);
	return rc < 0 ? clientoptions_fail(&cli, &cluster, &err) : 0;
}

static int
check_operands(char *const names[], int count)
{
	struct bytes bucket, key;
	struct error err;

	for (int i = 0; i < count; i++) {
		struct bytes name = bytes_str(names[i]);

		if (objectname_prefix(name, &bucket, &key, &err) < 0)
			return cli_usage(&cli, "%s", err.text);
		if (version_text != NULL && is_prefix(name, key))
			return cli_usage(&cli,
			    "--version-id: %.64s is no single key", names[i]);
	}
	return 0;
}

int
main(int argc, char *argv[])
{
	struct versionid version;
	struct error err;
	int at = cli_parse(&cli, argc, argv);
	int status, done;

	fault_setup();
	status = check_operands(argv + at, argc - at);
	if (status != 0)
		return status;
	if (clientoptions_check(&cluster, &err) < 0)
		return cli_fail(&cli, &err);
	if (version_text != NULL &&
	    !versionid_parse(&version, bytes_str(version_text)))
		return cli_usage(&cli, "--version-id: no name of a version");
	status = verify(argv + at, argc - at,
	    version_text != NULL ? &version : NULL);
	done = cli_finish(&cli);
	return status != 0 ? status : done;
}
