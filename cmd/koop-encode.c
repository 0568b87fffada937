/* SPDX-License-Identifier: MIT */

/* koop-encode(1): object on stdin, shard stream on stdout. */

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cli.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fault.h"
#include "base/progress.h"
#include "base/random.h"
#include "codec/stripe.h"
#include "shard/encode.h"
#include "shard/headeroption.h"
#include "shard/headertext.h"

static uint64_t data_shards = 6;
static uint64_t parity_shards = 3;
static uint64_t cell_bytes = 64 * 1024;
static struct cli_list header;
static const char *request_id;
static const char *split;
static bool no_md5;
static bool show_progress;
static bool quiet;
static bool force;

static const struct cli_option options[] = {
	{ 'c', "cell-size", CLI_SIZE, &cell_bytes, "SIZE",
	    "bytes of each shard in a stripe (default 64K)", STRIPE_CELL_MIN,
	    STRIPE_CELL_MAX, CLI_ENV_CONF, NULL },
	{ 'f', "force", CLI_SWITCH, &force, NULL, "write even to a terminal", 0,
	    0, CLI_FLAG_ONLY, NULL },
	{ 0, "header", CLI_LIST, &header, "NAME:VALUE",
	    "serve it with this header, or with those of @FILE", 0, 0,
	    CLI_FLAG_ONLY, NULL },
	{ 'k', "data-shards", CLI_NUMBER, &data_shards, "N",
	    "data shards in a stripe (default 6)", 1, STRIPE_SHARDS_MAX,
	    CLI_ENV_CONF, NULL },
	{ 'm', "parity-shards", CLI_NUMBER, &parity_shards, "N",
	    "parity shards in a stripe (default 3)", 0, STRIPE_SHARDS_MAX - 1,
	    CLI_ENV_CONF, NULL },
	{ 0, "no-md5", CLI_SWITCH, &no_md5, NULL,
	    "leave MD5 out: faster, but koop-commit refuses", 0, 0,
	    CLI_FLAG_ONLY, NULL },
	{ 0, "progress", CLI_SWITCH, &show_progress, NULL,
	    "show progress on standard error", 0, 0, CLI_FLAG_ONLY, NULL },
	{ 'q', "quiet", CLI_SWITCH, &quiet, NULL, "show no progress", 0, 0,
	    CLI_FLAG_ONLY, NULL },
	{ 0, "request-id", CLI_STRING, &request_id, "ID",
	    "the object's id, 32 hex digits (default a new one)", 0, 0,
	    CLI_FLAG_ONLY, NULL },
	{ 0, "split", CLI_STRING, &split, "PATTERN",
	    "write one file a shard: %d is its number", 0, 0, CLI_FLAG_ONLY,
	    NULL },
	{ 0 },
};

static const struct cli cli = {
	.name = "koop-encode",
	.operands = "<object >shards",
	.summary = "encode an object into a stream of erasure-coded shards",
	.options = options,
};

int
main(int argc, char *argv[])
{
	struct buf headers = buf_make(HEADERTEXT_MAX);
	struct encode_options opt = { 0 };
	struct progress progress;
	struct error err;
	int rc;

	cli_parse(&cli, argc, argv);
	fault_setup();
	for (size_t i = 0; i < header.n; i++)
		if (headeroption_add(&headers, NULL, header.item[i], &err) < 0)
			return cli_fail(&cli, &err);
	if (split != NULL && header.n > 0)
		return cli_usage(&cli,
		    "--split and --header: only a stream holds headers");
	opt.headers = buf_bytes(&headers);
	opt.geometry = (struct geometry){ (uint32_t)data_shards,
		(uint32_t)parity_shards, (uint32_t)cell_bytes };
	opt.no_md5 = no_md5;
	opt.progress = &progress;
	if (request_id == NULL)
		opt.id = reqid_new(&clock_system, &random_system);
	else if (!reqid_parse(&opt.id, request_id, strlen(request_id)))
		return cli_usage(&cli,
		    "--request-id: want a UUIDv7 of 32 lower-case hex digits");
	if (split == NULL && !force)
		cli_refuse_tty(&cli, STDOUT_FILENO, "standard output");

	progress_start(&progress, "encode",
	    progress_choose(quiet, show_progress), 0);
	if (split != NULL)
		rc = encode_split(STDIN_FILENO, split, &opt, &err);
	else
		rc = encode_stream(STDIN_FILENO, STDOUT_FILENO, &opt, &err);
	progress_end(&progress);
	buf_fini(&headers);
	return rc < 0 ? cli_fail(&cli, &err) : cli_finish(&cli);
}
