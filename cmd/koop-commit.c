/* SPDX-License-Identifier: MIT */

/* koop-commit(1): receipts on stdin, one record in the commit log. */

#include <ctype.h>
#include <jansson.h>
#include <stdbool.h>
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

#define META_BYTES_MAX 2048
#define META_NAME_MAX 255

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

/* A value goes into a header of every answer: printable, no line ends. */
static bool
header_text(const char *value)
{
	for (; *value != '\0'; value++) {
		if ((unsigned char)*value < ' ' || *value == 0x7f)
			return false;
	}
	return true;
}

/* A name that may stand in a header's name. */
static bool
header_name(const char *name, size_t n)
{
	if (n == 0 || n > META_NAME_MAX)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!isalnum((unsigned char)name[i]) &&
		    strchr("!#$%&'*+-.^_`|~", name[i]) == NULL)
			return false;
	}
	return true;
}

static int
add_meta(json_t *object, const char *item, size_t *bytes, struct error *err)
{
	const char *equal = strchr(item, '=');
	char name[META_NAME_MAX + 1];
	size_t n = equal != NULL ? (size_t)(equal - item) : 0;

	if (equal == NULL || !header_name(item, n) || !header_text(equal + 1))
		return error_set(err, ERRC_USAGE, "--meta %s: want NAME=VALUE",
		    item);
	*bytes += n + strlen(equal + 1);
	if (*bytes > META_BYTES_MAX)
		return error_set(err, ERRC_USAGE,
		    "--meta: more than %d bytes together", META_BYTES_MAX);
	for (size_t i = 0; i <= n; i++)
		name[i] = (char)tolower((unsigned char)item[i]);
	name[n] = '\0';
	if (json_object_get(object, name) != NULL)
		return error_set(err, ERRC_USAGE, "--meta %s: given twice",
		    name);
	if (json_object_set_new(object, name, json_string(equal + 1)) < 0)
		return error_set(err, ERRC_USAGE,
		    "--meta %s: the value is not UTF-8", name);
	return 0;
}

/* The JSON that a record has for headers and user metadata. */
static int
make_json(char **headers_text, char **meta_text, struct error *err)
{
	json_t *headers = json_object();
	json_t *user = json_object();
	size_t bytes = 0;
	int rc = 0;

	if (content_type != NULL &&
	    (!header_text(content_type) ||
		json_object_set_new(headers, "Content-Type",
		    json_string(content_type)) < 0))
		rc = error_set(err, ERRC_USAGE,
		    "--content-type: not a media type: %s", content_type);
	for (size_t i = 0; i < meta.n && rc == 0; i++)
		rc = add_meta(user, meta.item[i], &bytes, err);
	if (rc == 0) {
		*headers_text = json_dumps(headers, JSON_COMPACT);
		*meta_text = json_dumps(user, JSON_COMPACT);
		if (*headers_text == NULL || *meta_text == NULL)
			rc = error_set(err, ERRC_NOMEM, "out of memory");
	}
	json_decref(headers);
	json_decref(user);
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
