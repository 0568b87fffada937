/* SPDX-License-Identifier: MIT */

/* koop-commit(1): receipts on stdin, one record in the commit log. */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cli.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/fault.h"
#include "client/clientoptions.h"
#include "client/nodeclient.h"
#include "client/pipecommit.h"
#include "shard/headeroption.h"
#include "shard/headertext.h"

#define ETAG_MAX 64

static struct clientoptions cluster;
static const char *content_type;
static struct cli_list header;
static const char *if_match;
static const char *if_none_match;
static struct cli_list meta;

static const struct cli_option options[] = {
	{ 0, "content-type", CLI_STRING, &content_type, "TYPE",
	    "media type to serve the object with", 0, 0, CLI_FLAG_ONLY, NULL },
	CLIENTOPTIONS_COMMIT_LOG(cluster),
	{ 0, "header", CLI_LIST, &header, "NAME:VALUE",
	    "serve it with this header, or with those of @FILE", 0, 0,
	    CLI_FLAG_ONLY, NULL },
	{ 0, "if-match", CLI_STRING, &if_match, "ETAG",
	    "only if the object of that name has this ETag", 0, 0,
	    CLI_FLAG_ONLY, NULL },
	{ 0, "if-none-match", CLI_STRING, &if_none_match, "'*'",
	    "only if there is no object of that name", 0, 0, CLI_FLAG_ONLY,
	    NULL },
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
	.wants_cluster = true,
};

/* What --content-type, --meta and --header give, checked before anything is
 * read. */
struct given {
	struct buf headers;
	struct buf without;
};

static int
add_meta(struct given *given, const char *item, struct error *err)
{
	const char *equal = strchr(item, '=');
	char name[HEADERTEXT_NAME_MAX + 1];
	int n;

	if (equal == NULL)
		return error_set(err, ERRC_USAGE, "--meta %s: want NAME=VALUE",
		    item);
	n = snprintf(name, sizeof(name), HEADERTEXT_USER "%.*s",
	    (int)KOOP_MIN((size_t)(equal - item), sizeof(name)), item);
	if (n < 0 || (size_t)n >= sizeof(name))
		return error_set(err, ERRC_USAGE,
		    "--meta %.40s...: a name of more than %zu bytes", item,
		    sizeof(name) - sizeof(HEADERTEXT_USER));
	if (headertext_add(&given->headers, bytes_str(name),
		bytes_str(equal + 1), err) < 0)
		return error_wrap(err, "--meta");
	return 0;
}

static int
take_given(struct given *given, struct error *err)
{
	int rc = 0;

	if (content_type != NULL)
		rc = headertext_add(&given->headers, bytes_str("Content-Type"),
		    bytes_str(content_type), err);
	if (rc < 0)
		return error_wrap(err, "--content-type");
	for (size_t i = 0; i < meta.n && rc == 0; i++)
		rc = add_meta(given, meta.item[i], err);
	for (size_t i = 0; i < header.n && rc == 0; i++)
		rc = headeroption_add(&given->headers, &given->without,
		    header.item[i], err);
	return rc;
}

/* Two quotes around an ETag are HTTP's. */
static int
take_conditions(struct pipecommit_options *o, struct error *err)
{
	struct bytes etag = if_match != NULL ? bytes_str(if_match) : BYTES_NONE;

	if (if_none_match != NULL && strcmp(if_none_match, "*") != 0)
		return error_set(err, ERRC_USAGE,
		    "--if-none-match %s: want '*': no object of that name",
		    if_none_match);
	o->if_none_match = if_none_match != NULL;
	if (if_match == NULL)
		return 0;
	if (o->if_none_match)
		return error_set(err, ERRC_USAGE,
		    "--if-match and --if-none-match: want one of them");
	if (etag.n >= 2 && etag.p[0] == '"' && etag.p[etag.n - 1] == '"')
		etag = bytes_of(etag.p + 1, etag.n - 2);
	for (size_t i = 0; i < etag.n; i++)
		if (strchr("0123456789abcdef-", etag.p[i]) == NULL ||
		    etag.p[i] == '\0')
			etag.n = 0;
	if (etag.n == 0 || etag.n > ETAG_MAX)
		return error_set(err, ERRC_USAGE,
		    "--if-match %s: want an ETag, as koop-stat tells it",
		    if_match);
	o->if_match = etag;
	return 0;
}

static int
commit(struct error *err)
{
	struct given given = { buf_make(HEADERTEXT_MAX),
		buf_make(HEADERTEXT_MAX) };
	struct pipecommit_options opt = { .if_match = BYTES_NONE };
	struct nodeclient *nc = NULL;
	int rc;

	rc = take_given(&given, err);
	if (rc == 0)
		rc = take_conditions(&opt, err);
	opt.headers = buf_bytes(&given.headers);
	opt.without = buf_bytes(&given.without);
	if (rc == 0)
		rc = clientoptions_open(&nc, &cluster, err);
	if (rc == 0)
		rc = pipecommit_run(nc, STDIN_FILENO, STDOUT_FILENO, &opt, err);
	nodeclient_close(nc);
	buf_fini(&given.headers);
	buf_fini(&given.without);
	return rc;
}

int
main(int argc, char *argv[])
{
	struct error err;

	cli_parse(&cli, argc, argv);
	fault_setup();
	if (clientoptions_check(&cluster, &err) < 0)
		return cli_fail(&cli, &err);
	cli_refuse_tty(&cli, STDIN_FILENO, "standard input");
	if (commit(&err) < 0)
		return clientoptions_fail(&cli, &cluster, &err);
	return cli_finish(&cli);
}
