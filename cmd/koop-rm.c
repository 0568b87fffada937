/* SPDX-License-Identifier: MIT */

/* koop-rm(1): objects are deleted, by name or by a list on stdin. */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/error.h"
#include "base/fault.h"
#include "client/clientoptions.h"
#include "client/nodeclient.h"
#include "client/piperm.h"

#define OPERANDS_MAX 64

static struct clientoptions cluster;
static bool force;
static bool null_ended;

static const struct cli_option options[] = {
	{ '0', "null", CLI_SWITCH, &null_ended, NULL,
	    "the list's names are ended by NUL", 0, 0, CLI_FLAG_ONLY, NULL },
	CLIENTOPTIONS_COMMIT_LOG(cluster),
	{ 'f', "force", CLI_SWITCH, &force, NULL,
	    "what is not there is no failure", 0, 0, CLI_FLAG_ONLY, NULL },
	CLIENTOPTIONS_TCP_CONGESTION(cluster),
	CLIENTOPTIONS_TOPOLOGY(cluster),
	{ 0 },
};

static const struct cli cli = {
	.name = "koop-rm",
	.operands = "[bucket/key ...] [<list]",
	.summary = "delete objects",
	.options = options,
	.operands_max = OPERANDS_MAX,
	.wants_cluster = true,
};

static void
complain(void *arg, const char *text)
{
	(void)arg;
	fprintf(stderr, "%s: %s\n", cli.name, text);
}

static int
remove_named(char *const names[], size_t count, struct error *err)
{
	struct piperm_options opt = {
		.null_ended = null_ended,
		.force = force,
		.complain = complain,
	};
	struct nodeclient *nc = NULL;
	int rc;

	/* A list is many commits; a name or two are not worth nine streams. */
	cluster.ack_streams = count == 0;
	rc = clientoptions_open(&nc, &cluster, err);
	if (rc < 0)
		return rc;
	if (count > 0)
		rc = piperm_names(nc, names, count, STDOUT_FILENO, &opt, err);
	else
		rc = piperm_list(nc, STDIN_FILENO, STDOUT_FILENO, &opt, err);
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
	if (at == argc && isatty(STDIN_FILENO))
		return cli_usage(&cli,
		    "give bucket/key, or a list on standard input");
	if (remove_named(argv + at, (size_t)(argc - at), &err) < 0)
		return clientoptions_fail(&cli, &cluster, &err);
	return cli_finish(&cli);
}
