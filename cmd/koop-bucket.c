/* SPDX-License-Identifier: MIT */

/* koop-bucket(1): buckets are made, removed, listed and looked at. */

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/fault.h"
#include "client/clientoptions.h"
#include "client/nodeclient.h"
#include "client/pipebucket.h"

#define OPERANDS_MAX 64

static struct clientoptions cluster;

static const struct cli_option options[] = {
	CLIENTOPTIONS_COMMIT_LOG(cluster),
	CLIENTOPTIONS_TCP_CONGESTION(cluster),
	CLIENTOPTIONS_TOPOLOGY(cluster),
	{ 0 },
};

static const struct cli cli = {
	.name = "koop-bucket",
	.operands = "make|remove BUCKET... | list | get|set BUCKET ...",
	.summary = "make, remove, list and set up buckets",
	.options = options,
	.operands_min = 1,
	.operands_max = OPERANDS_MAX,
	.wants_cluster = true,
};

static const struct verb {
	const char *name;
	int (*run)(struct nodeclient *nc, const char *bucket, int out,
	    struct error *err); /* NULL: list */
} verbs[] = {
	{ "make", pipebucket_make },
	{ "remove", pipebucket_remove },
	{ "list", NULL },
};

static const struct verb *
find_verb(const char *name)
{
	for (size_t i = 0; i < nitems(verbs); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

/* An answer that is a no does not keep the others from theirs. */
static bool
is_no(int rc)
{
	return rc == -ERRC_NOTFOUND || rc == -ERRC_MISMATCH ||
	    rc == -ERRC_DENIED;
}

static int
run(const struct verb *verb, char *names[], int count)
{
	struct nodeclient *nc = NULL;
	struct error err;
	int status = 0;
	int rc;

	rc = clientoptions_open(&nc, &cluster, &err);
	if (rc == 0 && verb->run == NULL)
		rc = pipebucket_list(nc, STDOUT_FILENO, &err);
	if (rc < 0)
		status = clientoptions_fail(&cli, &cluster, &err);
	for (int i = 0; i < count && rc == 0; i++) {
		rc = verb->run(nc, names[i], STDOUT_FILENO, &err);
		if (rc < 0) {
			(void)error_wrap(&err, "%s", names[i]);
			status = clientoptions_fail(&cli, &cluster, &err);
		}
		if (is_no(rc))
			rc = 0;
	}
	nodeclient_close(nc);
	return status;
}

/* get BUCKET [SETTING], set BUCKET SETTING VALUE. */
static int
settings(bool set, char *operand[], int count)
{
	struct nodeclient *nc = NULL;
	struct error err;
	int rc;

	if (set ? count != 3 : count < 1 || count > 2)
		return cli_usage(&cli, "want %s",
		    set ? "set BUCKET SETTING VALUE" : "get BUCKET [SETTING]");
	rc = pipebucket_check(operand[0], &err);
	if (rc == 0 && count > 1)
		rc = pipebucket_check_setting(operand[1],
		    set ? operand[2] : NULL, &err);
	if (rc < 0)
		return cli_usage(&cli, "%s", err.text);
	if (clientoptions_check(&cluster, &err) < 0)
		return cli_fail(&cli, &err);
	rc = clientoptions_open(&nc, &cluster, &err);
	if (rc == 0 && set)
		rc = pipebucket_set(nc, operand[0], operand[1], operand[2],
		    STDOUT_FILENO, &err);
	else if (rc == 0)
		rc = pipebucket_get(nc, operand[0],
		    count > 1 ? operand[1] : NULL, STDOUT_FILENO, &err);
	nodeclient_close(nc);
	return rc < 0 ? clientoptions_fail(&cli, &cluster, &err) :
			cli_finish(&cli);
}

int
main(int argc, char *argv[])
{
	const struct verb *verb;
	struct error err;
	int status, done, at;

	at = cli_parse(&cli, argc, argv);
	fault_setup();
	if (strcmp(argv[at], "get") == 0 || strcmp(argv[at], "set") == 0)
		return settings(argv[at][0] == 's', argv + at + 1,
		    argc - at - 1);
	verb = find_verb(argv[at++]);
	if (verb == NULL)
		return cli_usage(&cli,
		    "%s: want make, remove, list, get or set", argv[at - 1]);
	if (verb->run == NULL && at < argc)
		return cli_usage(&cli, "%s: unexpected operand", argv[at]);
	if (verb->run != NULL && at == argc)
		return cli_usage(&cli, "%s: which bucket?", verb->name);
	for (int i = at; i < argc; i++) {
		if (pipebucket_check(argv[i], &err) < 0)
			return cli_usage(&cli, "%s", err.text);
	}
	if (clientoptions_check(&cluster, &err) < 0)
		return cli_fail(&cli, &err);
	status = run(verb, argv + at, argc - at);
	done = cli_finish(&cli);
	return status != 0 ? status : done;
}
