/* SPDX-License-Identifier: MIT */

/* koop-locate(1): where the shards of objects are. */

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cli.h"
#include "base/error.h"
#include "base/fault.h"
#include "base/io.h"
#include "client/clientoptions.h"
#include "client/namelist.h"
#include "client/nodeclient.h"
#include "client/pipelocate.h"
#include "cluster/topology_source.h"
#include "commit/objectname.h"
#include "commit/versionid.h"

/* Of one object: 10,000 parts of 32 shards, with names that are all escapes. */
#define LINES_BYTES (2048u << 20)

static struct clientoptions cluster;
static bool null_ended;
static bool placement_only;
static bool verify;
static const char *version_text;

static const struct cli_option options[] = {
	{ '0', "null", CLI_SWITCH, &null_ended, NULL,
	    "names on standard input, ended by NUL", 0, 0, CLI_FLAG_ONLY,
	    NULL },
	CLIENTOPTIONS_COMMIT_LOG(cluster),
	{ 0, "placement", CLI_SWITCH, &placement_only, NULL,
	    "where they would belong: no node is asked", 0, 0, CLI_FLAG_ONLY,
	    NULL },
	CLIENTOPTIONS_TCP_CONGESTION(cluster),
	CLIENTOPTIONS_TOPOLOGY(cluster),
	{ 0, "verify", CLI_SWITCH, &verify, NULL,
	    "ask each node whether it has its shard", 0, 0, CLI_FLAG_ONLY,
	    NULL },
	{ 0, "version-id", CLI_STRING, &version_text, "ID",
	    "this version of the key, as koop-list --versions names it", 0, 0,
	    CLI_FLAG_ONLY, NULL },
	{ 0 },
};

static const struct cli cli = {
	.name = "koop-locate",
	.operands = "bucket/key ... | - | -0",
	.summary = "print where the shards of an object are",
	.options = options,
	.operands_max = UINT_MAX,
	.wants_cluster = true,
};

struct locate {
	struct nodeclient *nc;           /* or, for --placement, */
	const struct topology *topology; /* this alone */
	const struct versionid *version;
	struct pipelocate_tally tally;
	struct buf lines;
	bool missing;
	struct error *err;
};

/* One name.  What is not there is said, and the others are still located. */
static int
locate_name(void *arg, struct bytes name, const struct versionid *version)
{
	struct locate *l = arg;
	struct bytes bucket, key;
	int rc = objectname_split(name, &bucket, &key, l->err);

	buf_clear(&l->lines);
	if (rc == 0 && l->nc == NULL)
		pipelocate_placement(l->topology, bucket, key, &l->lines);
	else if (rc == 0)
		rc = pipelocate_object(l->nc, bucket, key,
		    version != NULL ? version : l->version, verify, &l->tally,
		    &l->lines, l->err);
	if (rc == -ERRC_NOTFOUND) {
		l->missing = true;
		(void)cli_fail(&cli, l->err);
		return 0;
	}
	if (rc < 0)
		return rc;
	return io_write_full(STDOUT_FILENO, l->lines.p, l->lines.n, l->err);
}

static int
locate_all(struct locate *l, char *const names[], int count)
{
	const struct namelist_taker taker = { .name = locate_name, .arg = l };
	int rc = 0;

	if (count == 0)
		return namelist_read(STDIN_FILENO, null_ended, &taker, l->err);
	for (int i = 0; i < count && rc == 0; i++)
		rc = strcmp(names[i], "-") == 0 ?
		    namelist_read(STDIN_FILENO, null_ended, &taker, l->err) :
		    locate_name(l, bytes_str(names[i]), NULL);
	return rc;
}

/* All that was asked could be answered: was the answer a good one? */
static int
locate_verdict(const struct locate *l, struct error *err)
{
	if (l->tally.lacking > 0)
		return error_set(err, ERRC_NOTFOUND,
		    "absent or damaged: %llu; nodes repair what they are told "
		    "of, and koop verify reads every byte",
		    (unsigned long long)l->tally.lacking);
	if (l->tally.down > 0)
		return error_set(err, ERRC_UNAVAILABLE,
		    "not known, because their nodes are down: %llu (koop "
		    "status)",
		    (unsigned long long)l->tally.down);
	return 0;
}

static int
locate(char *const names[], int count, const struct versionid *version)
{
	struct topology_source *source = NULL;
	struct topology_snapshot *snapshot = NULL;
	struct error err = { 0 };
	struct locate l = {
		.version = version,
		.lines = buf_make(LINES_BYTES),
		.err = &err,
	};
	int rc, status = 0;

	if (placement_only) {
		rc = topology_source_open(&source, cluster.topology, &err);
		if (rc == 0) {
			snapshot = topology_source_get(source);
			l.topology = topology_snapshot_topology(snapshot);
		}
	} else {
		rc = clientoptions_open(&l.nc, &cluster, &err);
	}
	if (rc == 0)
		rc = locate_all(&l, names, count);
	if (rc == 0)
		rc = locate_verdict(&l, &err);
	if (rc < 0)
		status = clientoptions_fail(&cli, &cluster, &err);
	else if (l.missing)
		status = error_exit_status(ERRC_NOTFOUND);
	buf_fini(&l.lines);
	nodeclient_close(l.nc);
	if (snapshot != NULL)
		topology_snapshot_drop(snapshot);
	topology_source_close(source);
	return status;
}

/* Before anything is printed: are all of them names? */
static int
check_operands(char *const names[], int count)
{
	struct bytes bucket, key;
	struct error err;

	if (count == 0 && (!null_ended || isatty(STDIN_FILENO)))
		return cli_usage(&cli,
		    "give bucket/key, or - for a list on standard input");
	for (int i = 0; i < count; i++)
		if (strcmp(names[i], "-") != 0 &&
		    objectname_split(bytes_str(names[i]), &bucket, &key, &err) <
			0)
			return cli_usage(&cli, "%s", err.text);
	if (placement_only && (verify || version_text != NULL))
		return cli_usage(&cli,
		    "--placement asks no node: it goes with neither --verify "
		    "nor --version-id");
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
	if ((placement_only ? clientoptions_check_url(cluster.topology, &err) :
			      clientoptions_check(&cluster, &err)) < 0)
		return cli_fail(&cli, &err);
	if (version_text != NULL &&
	    !versionid_parse(&version, bytes_str(version_text)))
		return cli_usage(&cli, "--version-id: no name of a version");
	status = locate(argv + at, argc - at,
	    version_text != NULL ? &version : NULL);
	done = cli_finish(&cli);
	return status != 0 ? status : done;
}
