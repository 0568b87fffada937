/* SPDX-License-Identifier: MIT */
#ifndef KOOP_STORE_SHARDFILE_H
#define KOOP_STORE_SHARDFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/compiler.h"
#include "base/metric.h"
#include "base/random.h"

/*
 * Shard files on disk.  A file is made under its final name (O_EXCL) and is
 * a shard only once its END frame stands at its end: END is the commit mark.
 * A crash leaves a file without END, which the next upload replaces.
 *
 * An upload is written by one thread.  Its bytes are kept back until they
 * make a large write, then go out with one pwritev(2).  Frames are verified
 * as they come, and END never reaches a file in which anything was wrong;
 * finish syncs the file, then its directory, where
 * one fsync serves everyone who waits for the same directory.
 *
 * Errors of uploads, for the server:
 *      ERRC_CORRUPT      a frame is bad, or END is missing           400
 *      ERRC_MISMATCH     a shard with other bytes is here already    409
 *      ERRC_RETRY        the same shard is being uploaded right now  503
 *      ERRC_FULL         no space (ENOSPC, EDQUOT)                   507
 *      ERRC_IO           anything else                               500
 * A failed fsync ends the process (file_sync_failed).
 *
 * All functions may be called from any thread.
 */

struct clock;
struct error;
struct file_ops;
struct shardfile_upload;
struct shardfiles;

struct shardfile_options {
	const struct file_ops *ops;
	const struct clock *clock;
	bool no_sync; /* durability os: a power loss may take what was said */
};

/* dirfd stays the caller's and must outlive it. */
KOOP_MUST int shardfiles_open(struct shardfiles **out, int dirfd,
    const struct shardfile_options *options, struct error *err);
void shardfiles_close(struct shardfiles *files);

/* Begin an upload.  If the shard is here already, whole, the bytes that come
 * are compared with it instead of written. */
KOOP_MUST int shardfile_begin(struct shardfile_upload **out,
    struct shardfiles *files, struct reqid id, uint32_t shard,
    struct error *err);
/* The next bytes of the shard stream, cut anywhere. */
KOOP_MUST int shardfile_write(struct shardfile_upload *upload, const void *p,
    size_t n, struct error *err);
/* The stream has ended: 0 once it is durable, *existed if it was before.  The
 * upload is freed in any case; on failure the file is removed. */
KOOP_MUST int shardfile_finish(struct shardfile_upload *upload, bool *existed,
    struct error *err);
/* Give up: the file is removed, the upload freed.  NULL is fine. */
void shardfile_abort(struct shardfile_upload *upload);

/* Open a whole shard for reading; ERRC_NOTFOUND when there is none, or its
 * upload has not ended, or it has no END.  *fd is the caller's. */
KOOP_MUST int shardfile_open(struct shardfiles *files, struct reqid id,
    uint32_t shard, int *fd, uint64_t *bytes, struct error *err);
/* Is a whole shard here?  Looks at the name and END only. */
bool shardfile_exists(struct shardfiles *files, struct reqid id,
    uint32_t shard);
/* Remove; a file that is not there is no error. */
KOOP_MUST int shardfile_unlink(struct shardfiles *files, struct reqid id,
    uint32_t shard, struct error *err);
/* Bytes of an open shard, short only at its end; or -ERRC_IO. */
KOOP_MUST ssize_t shardfile_read(struct shardfiles *files, int fd, void *p,
    size_t n, uint64_t at, struct error *err);
/*
 * Move the shard that was opened as fd, and found bad, to quarantine/ID.J
 * (ID.J.2, ... when that is taken).  ERRC_MISMATCH when its name is another
 * file's by now, which is not touched; ERRC_NOTFOUND when it is nobody's;
 * ERRC_RETRY while the shard is being uploaded.
 */
KOOP_MUST int shardfile_quarantine(struct shardfiles *files, struct reqid id,
    uint32_t shard, int fd, struct error *err);
/* How many files lie in quarantine. */
KOOP_MUST int shardfile_quarantined(struct shardfiles *files, uint64_t *count,
    struct error *err);

/* All files of one fan-out directory, in no order; whole says END is there.
 * A nonzero return of fn stops and is returned.  Names that are no shard's
 * are quarantined and counted in *strange. */
struct shardfile_entry {
	struct reqid id;
	uint32_t shard;
	uint64_t bytes;
	bool whole, uploading;
};
typedef int shardfile_fn(void *arg, const struct shardfile_entry *entry);
KOOP_MUST int shardfile_scan(struct shardfiles *files, unsigned fanout,
    shardfile_fn *fn, void *arg, uint64_t *strange, struct error *err);

/* Uploads of a blob (any shard) open now, and how long ago (CLOCK_BOOTTIME)
 * the last byte came; false when there are none. */
bool shardfile_uploading(struct shardfiles *files, struct reqid id,
    uint64_t *idle_ms);
struct shardfile_counts {
	uint64_t uploads;                 /* open now */
	uint64_t upload_bytes;            /* written by them so far */
	uint64_t free_bytes, total_bytes; /* of the file system */
	/* Files that are no upload's: those that a scan of their folder met,
	 * and what came and went since; only once each folder was scanned. */
	bool counted;
	uint64_t files, file_bytes;
};
KOOP_MUST int shardfile_counts(struct shardfiles *files,
    struct shardfile_counts *out, struct error *err);

/* What the disk did since the start. */
struct shardfile_metrics {
	struct metric_histogram write; /* one call, of many cells or few */
	struct metric_histogram sync;  /* of a shard and its folder */
	_Atomic uint64_t written_bytes;
	_Atomic uint64_t errors; /* but a full disk is none */
};
const struct shardfile_metrics *shardfile_metrics(
    const struct shardfiles *files);

#endif
