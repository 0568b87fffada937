/* SPDX-License-Identifier: MIT */

/* koop-commit(1): receipts on stdin, one record in the commit log. */

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/error.h"
#include "base/fault.h"
#include "client/clientoptions.h"
#include "client/nodeclient.h"
#include "client/pipecommit.h"
#include "commit/objectmeta.h"

static struct clientoptions cluster;
static const char *content_type;
static struct cli_list meta;

static const struct cli_option options[] = {
	{ 0, "content-type", CLI_STRING, &content_type, "TYPE",
	    "media type to serve the object with", 0, 0, CLI_FLAG_ONLY, NULL },
	CLIENTOPTIONS_COMMIT_LOG(cluster),
	{ 0, "meta", CLI_LIST, &meta, "NAME=VALUE",
	    "user metadata; may be given again", 0, 0, CLI_FLAG_ONLY, NULL },
	CLIENTOPTIONS_TCP_CONGESTION(cluster),
	CLIENTOPTIONS_TOPOLOGY(cluster),
	{ 0 },
};

static const struct cli cli = {
	.name = "koop-commit",
	.operands = "<receipts >commit",
	.summary = "make an object exist, once its shards are durable",
	.options = options,
};

static int
add_meta(struct objectmeta *m, const char *item, struct error *err)
{
	const char *equal = strchr(item, '=');

	if (equal == NULL)
		return error_set(err, ERRC_USAGE, "--meta %s: want NAME=VALUE",
		    item);
	switch (objectmeta_user(m, item, (size_t)(equal - item), equal + 1)) {
	case OBJECTMETA_OK:
		return 0;
	case OBJECTMETA_TWICE:
		return error_set(err, ERRC_USAGE, "--meta %s: given twice",
		    item);
	case OBJECTMETA_LARGE:
		return error_set(err, ERRC_USAGE,
		    "--meta: more than %d bytes together", OBJECTMETA_USER_MAX);
	case OBJECTMETA_NOMEM:
		return error_set(err, ERRC_NOMEM, "out of memory");
	default:
		return error_set(err, ERRC_USAGE,
		    "--meta %s: want NAME=VALUE, the name a word and the value "
		    "UTF-8 without control characters",
		    item);
	}
}

/* The JSON that a record has for headers and user metadata. */
static int
make_json(char **headers, char **user, struct error *err)
{
	struct objectmeta m;
	int rc = 0;

	if (!objectmeta_init(&m))
		rc = error_set(err, ERRC_NOMEM, "out of memory");
	if (rc == 0 && content_type != NULL &&
	    objectmeta_header(&m, "Content-Type", content_type) !=
		OBJECTMETA_OK)
		rc = error_set(err, ERRC_USAGE,
		    "--content-type: not a media type: %s", content_type);
	for (size_t i = 0; i < meta.n && rc == 0; i++)
		rc = add_meta(&m, meta.item[i], err);
	if (rc == 0 && !objectmeta_print(&m, headers, user))
		rc = error_set(err, ERRC_NOMEM, "out of memory");
	objectmeta_fini(&m);
	return rc;
}

static int
commit(struct error *err)
{
	struct nodeclient *nc = NULL;
	char *headers = NULL;
	char *user = NULL;
	int rc;

	rc = make_json(&headers, &user, err);
	if (rc == 0)
		rc = clientoptions_open(&nc, &cluster, err);
	if (rc == 0)
		rc = pipecommit_run(nc, STDIN_FILENO, STDOUT_FILENO,
		    &(struct pipecommit_options){ headers, user }, err);
	nodeclient_close(nc);
	free(headers);
	free(user);
	return rc;
}

int
main(int argc, char *argv[])
{
	struct error err;

	cli_parse(&cli, argc, argv);
	fault_setup();
	if (!clientoptions_given(&cluster))
		return cli_usage(&cli, CLIENTOPTIONS_MISSING);
	cli_refuse_tty(&cli, STDIN_FILENO, "standard input");
	if (commit(&err) < 0)
		return cli_fail(&cli, &err);
	return cli_finish(&cli);
}
