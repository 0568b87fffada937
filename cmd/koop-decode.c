/* SPDX-License-Identifier: MIT */

/* koop-decode(1): shard stream on stdin, or shard files; object on stdout. */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cli.h"
#include "base/error.h"
#include "base/fault.h"
#include "base/io.h"
#include "base/progress.h"
#include "shard/decode.h"
#include "shard/decode_check.h"
#include "shard/headertext.h"
#include "shard/outfile.h"

static const char *headers_file;
static const char *output;
static bool check;
static bool list;
static bool show_progress;
static bool quiet;
static bool force;

static const struct cli_option options[] = {
	{ 0, "check", CLI_SWITCH, &check, NULL,
	    "verify all shards, write nothing, tell each one's state", 0, 0,
	    CLI_FLAG_ONLY, NULL },
	{ 'f', "force", CLI_SWITCH, &force, NULL, "read even from a terminal",
	    0, 0, CLI_FLAG_ONLY, NULL },
	{ 0, "headers", CLI_FILE, &headers_file, "FILE",
	    "write what the stream says of the object: NAME: VALUE", 0, 0,
	    CLI_FLAG_ONLY, NULL },
	{ 0, "list", CLI_SWITCH, &list, NULL,
	    "tell which shards of which object these are", 0, 0, CLI_FLAG_ONLY,
	    NULL },
	{ 'o', "output", CLI_FILE, &output, "FILE",
	    "write FILE, once all of it is right", 0, 0, CLI_FLAG_ONLY, NULL },
	{ 0, "progress", CLI_SWITCH, &show_progress, NULL,
	    "show progress on standard error", 0, 0, CLI_FLAG_ONLY, NULL },
	{ 'q', "quiet", CLI_SWITCH, &quiet, NULL,
	    "no progress, nothing about shards that were rebuilt", 0, 0,
	    CLI_FLAG_ONLY, NULL },
	{ 0 },
};

static const struct cli cli = {
	.name = "koop-decode",
	.operands = "[shard-file...] <shards >object",
	.summary = "decode a stream of shards, or shard files, to the object",
	.options = options,
	.operands_max = DECODE_FILES_MAX,
};

static void
warn(void *arg, const char *text)
{
	if (quiet)
		return;
	progress_hide(arg);
	fprintf(stderr, "%s: %s\n", cli.name, text);
}

static int
decode(char *const path[], size_t count, int out, struct buf *headers,
    struct error *err)
{
	struct progress progress;
	struct decode_options opt = { .progress = &progress,
		.headers = headers,
		.warn = warn,
		.arg = &progress };
	bool stream = count == 0 || (count == 1 && strcmp(path[0], "-") == 0);
	int rc;

	progress_start(&progress, check ? "check" : "decode",
	    progress_choose(quiet, show_progress), 0);
	if (check)
		rc = decode_check(path, stream ? 0 : count, STDIN_FILENO, out,
		    &opt, err);
	else if (list)
		rc = decode_list(path, stream ? 0 : count, STDIN_FILENO, out,
		    &opt, err);
	else if (stream)
		rc = decode_stream(STDIN_FILENO, out, &opt, err);
	else
		rc = decode_files(path, count, out, &opt, err);
	progress_end(&progress);
	return rc;
}

/* The object, and its headers, into files or to standard output: both appear
 * when both are right. */
static int
decode_into(char *const path[], size_t count, struct error *err)
{
	struct buf headers = buf_make(HEADERTEXT_MAX);
	struct outfile file[2] = { 0 };
	int out = STDOUT_FILENO;
	size_t files = 0;
	int rc = 0;

	if (output != NULL && strcmp(output, "-") != 0) {
		rc = outfile_open(&file[files], output, err);
		out = file[files++].fd;
	}
	if (rc == 0 && headers_file != NULL)
		rc = outfile_open(&file[files++], headers_file, err);
	if (rc == 0)
		rc = decode(path, count, out,
		    headers_file != NULL ? &headers : NULL, err);
	if (rc == 0 && headers_file != NULL)
		rc = io_write_full(file[files - 1].fd, headers.p, headers.n,
		    err);
	if (rc == 0)
		rc = outfile_publish(file, files, err);
	for (size_t i = 0; i < files; i++)
		outfile_close(&file[i]);
	buf_fini(&headers);
	return rc;
}

int
main(int argc, char *argv[])
{
	int first = cli_parse(&cli, argc, argv);
	size_t count = (size_t)(argc - first);
	struct error err;

	fault_setup();
	if (check + list + (output != NULL) > 1 ||
	    ((check || list) && headers_file != NULL))
		return cli_usage(&cli,
		    "--check, --list and --output: want one of them");
	if (count == 0 && !force)
		cli_refuse_tty(&cli, STDIN_FILENO, "standard input");
	if (decode_into(argv + first, count, &err) < 0)
		return cli_fail(&cli, &err);
	return cli_finish(&cli);
}
