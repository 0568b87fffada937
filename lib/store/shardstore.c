/* SPDX-License-Identifier: MIT */
#include "store/shardstore.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "store/shardfile.h"
#include "store/shardmeta.h"

#define PATH_BYTES_MAX 4096

struct shardstore {
	struct superblock superblock;
	int dirfd, lockfd;
	struct shardfiles *files;
	struct shardmeta *meta;
};

static int
open_meta(struct shardstore *s, const struct shardstore_options *options,
    struct error *err)
{
	struct shardmeta_options meta = {
		.clock = options->clock,
		.no_sync = options->durability_os,
		.readers = options->readers,
		.oplog_max_bytes = options->oplog_max_bytes,
	};
	struct buf path = buf_make(PATH_BYTES_MAX);
	int rc;

	assert(s->files != NULL);
	buf_printf(&path, "%s/meta.db", options->dir);
	rc = buf_failed(&path) ?
	    error_set(err, ERRC_USAGE, "data directory: path too long") :
	    shardmeta_open(&s->meta, buf_cstr(&path), &meta, err);
	buf_fini(&path);
	return rc;
}

/* The lock comes first, so that nobody else writes what is opened here. */
int
shardstore_open(struct shardstore **out,
    const struct shardstore_options *options, struct error *err)
{
	struct shardfile_options files = {
		.ops = options->ops != NULL ? options->ops : &file_system,
		.clock = options->clock != NULL ? options->clock :
						  &clock_system,
		.no_sync = options->durability_os,
	};
	struct shardstore *s = calloc(1, sizeof(*s));
	int rc;

	if (s == NULL)
		return error_set(err, ERRC_NOMEM, "store: out of memory");
	s->dirfd = -1;
	s->lockfd = -1;
	rc = superblock_open(&s->superblock, &s->dirfd, &s->lockfd,
	    options->dir, &options->want, files.ops, err);
	if (rc == 0)
		rc = shardfiles_open(&s->files, s->dirfd, &files, err);
	if (rc == 0)
		rc = open_meta(s, options, err);
	if (rc < 0) {
		shardstore_close(s);
		return rc;
	}
	*out = s;
	return 0;
}

void
shardstore_close(struct shardstore *s)
{
	if (s == NULL)
		return;
	shardmeta_close(s->meta);
	shardfiles_close(s->files);
	superblock_fini(&s->superblock);
	if (s->dirfd != -1)
		close(s->dirfd);
	if (s->lockfd != -1)
		close(s->lockfd);
	free(s);
}

const struct superblock *
shardstore_superblock(const struct shardstore *s)
{
	assert(s->dirfd != -1);
	return &s->superblock;
}

struct shardfiles *
shardstore_files(struct shardstore *s)
{
	assert(s->files != NULL);
	return s->files;
}

struct shardmeta *
shardstore_meta(struct shardstore *s)
{
	assert(s->meta != NULL);
	return s->meta;
}
