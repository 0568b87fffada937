/* SPDX-License-Identifier: MIT */

/* The node's disk as one: opened, held, closed, opened again. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "store/metaquery.h"
#include "store/shardfile.h"
#include "store/shardmeta.h"
#include "store/shardstore.h"
#include "tap.h"
#include "tempdir.h"

static char root[TEMPDIR_BYTES];
static char dir[64];

static struct shardstore_options
options_for(enum superblock_mode mode)
{
	struct shardstore_options options = {
		.dir = dir,
		.want = {
			.cluster = "0123456789abcdef0123456789abcdef",
			.set = 2,
			.index = 5,
			.mode = mode,
		},
	};

	return options;
}

static void
a_store_is_made_once_and_opened_again(void)
{
	struct shardstore_options options = options_for(SUPERBLOCK_OPEN);
	struct partition_row row = {
		.partition = 4,
		.generation = 1,
		.applied = 1,
	};
	struct shardstore *store = NULL;
	struct shardstore *second = NULL;
	struct metaquery *read;
	struct error err;

	(void)snprintf(dir, sizeof(dir), "%s/node", root);
	CHECK(shardstore_open(&store, &options, &err) == -ERRC_CONFIG);
	options.want.mode = SUPERBLOCK_INIT;
	CHECK(shardstore_open(&store, &options, &err) == 0);
	REQUIRE(store != NULL);
	CHECK(shardstore_superblock(store)->index == 5);
	CHECK(shardstore_open(&second, &options, &err) == -ERRC_CONFIG);
	CHECK(strstr(err.text, "in use") != NULL);
	CHECK(shardmeta_begin(shardstore_meta(store), &err) == 0);
	CHECK(shardmeta_add_partition(shardstore_meta(store), &row, &err) == 0);
	CHECK(shardmeta_commit(shardstore_meta(store), &err) == 0);
	CHECK(!shardfile_exists(shardstore_files(store),
	    (struct reqid){ { 0 } }, 0));
	shardstore_close(store);

	options.want.mode = SUPERBLOCK_OPEN;
	CHECK(shardstore_open(&store, &options, &err) == 0);
	CHECK(metaquery_begin(&read, shardstore_meta(store), &err) == 0);
	CHECK(
	    metaquery_partition(read, 4, &row, &err) == 0 && row.applied == 1);
	CHECK(metaquery_partition(read, 5, &row, &err) == -ERRC_NOTFOUND);
	metaquery_end(read);
	shardstore_close(store);
}

int
main(void)
{

	tempdir_make(root);
	RUN(a_store_is_made_once_and_opened_again);
	return tap_done();
}
