/* SPDX-License-Identifier: MIT */
#include "store/shardfile.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/nowait.h"
#include "store/shardfile_in.h"

/*
 * One upload.  The durable steps, and what a crash after each leaves:
 *
 *      create     an empty file: no END, the next upload replaces it
 *      write ...  a file without END, likewise
 *      write END  a whole file, perhaps not on disk: nobody was told
 *      fdatasync  a whole file whose name may be lost: nobody was told
 *      fsync dir  the shard is durable: now 200 may be said
 */

#define KEEP_BYTES (256u << 10) /* a write is as large as that */
#define KEEP_FIRST (16u << 10)
#define BEGIN_BYTES (1u << 20)

static int
io_failed(const struct shardfile_upload *u, const char *what, struct error *err)
{
	char name[SHARDPATH_NAME_MAX + 1];
	bool full = errno == ENOSPC || errno == EDQUOT;

	if (!full)
		atomic_fetch_add(&u->files->metrics.errors, 1);
	shardpath_name(name, u->id, u->shard);
	return error_errno(err, full ? ERRC_FULL : ERRC_IO, "shard %s: %s",
	    name, what);
}

bool
shardfile_enter(struct shardfile_upload *u)
{
	struct shardfiles *f = u->files;
	const struct shardfile_upload *other;

	assert(u->files != NULL);
	assert(u->next == NULL);
	pthread_mutex_lock(&f->lock);
	for (other = f->uploads; other != NULL; other = other->next)
		if (other->shard == u->shard && reqid_equal(other->id, u->id))
			break;
	if (other == NULL) {
		u->next = f->uploads;
		f->uploads = u;
	}
	pthread_mutex_unlock(&f->lock);
	return other == NULL;
}

void
shardfile_leave(struct shardfile_upload *u)
{
	struct shardfile_upload **at;

	pthread_mutex_lock(&u->files->lock);
	for (at = &u->files->uploads; *at != u; at = &(*at)->next)
		assert(*at != NULL);
	*at = u->next;
	pthread_mutex_unlock(&u->files->lock);
}

static int
create(struct shardfile_upload *u)
{
	char name[SHARDPATH_NAME_MAX + 1];

	if (FAULT(STORE_CREATE)) {
		errno = EIO;
		return -1;
	}
	shardpath_name(name, u->id, u->shard);
	return u->files->ops->openat(shardfile_dirfd(u->files, u->id), name,
	    O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
}

/*
 * The name is taken: by a whole shard, or by what a crash left.  Only a file
 * that was read, and has no END, may go.  One that cannot be opened (too many
 * files are open) stays; one that cannot be read is quarantined.
 */
static int
reuse(struct shardfile_upload *u, struct error *err)
{
	char name[SHARDPATH_NAME_MAX + 1];
	uint64_t bytes;
	int rc;

	assert(u->fd == -1);
	shardpath_name(name, u->id, u->shard);
	u->fd = u->files->ops->openat(shardfile_dirfd(u->files, u->id), name,
	    O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0);
	if (u->fd == -1 && errno != ENOENT && errno != ELOOP)
		return io_failed(u, "open", err);
	rc = u->fd == -1 ?
	    0 :
	    shardfile_has_end(u->files, u->fd, u->id, u->shard, &bytes);
	if (rc > 0) {
		u->existed = true;
		return 0;
	}
	if (u->fd != -1)
		close(u->fd);
	u->fd = -1;
	rc = rc < 0 ? shardfile_move_away(u->files,
			  shardfile_dirfd(u->files, u->id), name, err) :
		      shardfile_unlink(u->files, u->id, u->shard, err);
	if (rc < 0 && rc != -ERRC_NOTFOUND)
		return rc;
	u->fd = create(u);
	return u->fd == -1 ? io_failed(u, "create", err) : 0;
}

int
shardfile_begin(struct shardfile_upload **out, struct shardfiles *files,
    struct reqid id, uint32_t shard, struct error *err)
{
	struct shardfile_upload *u = calloc(1, sizeof(*u));
	int rc = 0;

	nowait_touch("a shard file");
	if (u == NULL)
		return error_set(err, ERRC_NOMEM, "shard: out of memory");
	assert(shard < 32);
	u->files = files;
	u->id = id;
	u->shard = shard;
	u->last_ms = clock_boot_ms(files->clock);
	frame_verifier_init(&u->verifier, id, (uint8_t)shard);
	if (!shardfile_enter(u)) {
		free(u);
		return error_set(err, ERRC_RETRY,
		    "the same shard is being uploaded");
	}
	u->fd = create(u);
	if (u->fd == -1 && errno == EEXIST)
		rc = reuse(u, err);
	else if (u->fd == -1)
		rc = io_failed(u, "create", err);
	if (rc < 0) {
		shardfile_leave(u);
		free(u);
		return rc;
	}
	*out = u;
	return 0;
}

/*
 * Let the disk work while the rest still comes, so that the sync at the end
 * has little left to wait for.  Advice only: it neither waits nor takes an
 * error away from that sync.
 */
static void
begin_writing(struct shardfile_upload *u)
{
	assert(u->begun <= u->at);
	if (u->files->no_sync || u->at - u->begun < BEGIN_BYTES)
		return;
	(void)sync_file_range(u->fd, (off_t)u->begun, (off_t)(u->at - u->begun),
	    SYNC_FILE_RANGE_WRITE);
	u->begun = u->at;
}

static void
note_written(struct shardfile_upload *u, uint64_t bytes, uint64_t began_us)
{
	struct shardfile_metrics *metrics = &u->files->metrics;

	assert(bytes > 0);
	metric_observe(&metrics->write,
	    clock_mono_us(u->files->clock) - began_us);
	atomic_fetch_add(&metrics->written_bytes, bytes);
}

/* Write what was kept back and then p, in as few calls as may be. */
static int
flush(struct shardfile_upload *u, const uint8_t *p, size_t n, struct error *err)
{
	assert(!u->existed);
	assert(u->kept_bytes <= u->kept_room);
	/* struct iovec has no const, though a write only reads. */
	const union {
		const uint8_t *given;
		void *p;
	} writable = { .given = p };
	struct iovec iov[2] = {
		{ .iov_base = u->kept, .iov_len = u->kept_bytes },
		{ .iov_base = writable.p, .iov_len = n },
	};
	struct iovec *at = iov;
	uint64_t began_us = clock_mono_us(u->files->clock);
	uint64_t from = u->at;

	while (at < iov + 2) {
		ssize_t done;

		if (at->iov_len == 0) {
			at++;
			continue;
		}
		if (FAULT(STORE_WRITE)) {
			errno = EIO;
			return io_failed(u, "write", err);
		}
		done = u->files->ops->pwritev(u->fd, at, (int)(iov + 2 - at),
		    (off_t)u->at);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return io_failed(u, "write", err);
		u->at += (uint64_t)done;
		for (; at < iov + 2 && (size_t)done >= at->iov_len; at++) {
			done -= (ssize_t)at->iov_len;
			at->iov_len = 0;
		}
		if (at < iov + 2) {
			at->iov_base = (uint8_t *)at->iov_base + done;
			at->iov_len -= (size_t)done;
		}
	}
	u->kept_bytes = 0;
	if (u->at > from)
		note_written(u, u->at - from, began_us);
	begin_writing(u);
	return 0;
}

/* Small shards need little memory, large ones get large writes. */
static int
keep(struct shardfile_upload *u, const uint8_t *p, size_t n, struct error *err)
{
	size_t need = u->kept_bytes + n;

	assert(u->kept_bytes <= u->kept_room);
	if (need > KEEP_BYTES)
		return flush(u, p, n, err);
	if (need > u->kept_room) {
		size_t room = KOOP_MAX(u->kept_room, KEEP_FIRST);
		uint8_t *grown;

		while (room < need)
			room *= 2;
		grown = realloc(u->kept, room);
		if (grown == NULL)
			return error_set(err, ERRC_NOMEM,
			    "shard: out of memory");
		u->kept = grown;
		u->kept_room = room;
	}
	memcpy(u->kept + u->kept_bytes, p, n);
	u->kept_bytes = need;
	return 0;
}

int
shardfile_write(struct shardfile_upload *u, const void *p, size_t n,
    struct error *err)
{
	int rc;

	nowait_touch("a shard file");
	if (u->failed)
		return error_set(err, ERRC_IO, "shard: failed before");
	if (n == 0)
		return 0;
	u->failed = true;
	rc = frame_verifier_feed(&u->verifier, p, n, err);
	if (rc < 0)
		return rc;
	if (u->existed) {
		rc = shardfile_compare(u->files, u->fd, p, n, u->at, err);
		u->at += n;
	} else {
		rc = keep(u, p, n, err);
	}
	if (rc < 0)
		return rc;
	u->failed = false;
	atomic_fetch_add(&u->total, n);
	u->last_ms = clock_boot_ms(u->files->clock);
	return 0;
}

static void
sync_dir(struct shardfiles *f, struct reqid id)
{
	struct shardfile_dir *d = &f->dir[shardpath_fanout(id)];
	uint64_t mine;

	pthread_mutex_lock(&d->lock);
	mine = ++d->asked;
	while (d->synced < mine) {
		uint64_t all = d->asked;

		if (d->syncing) {
			pthread_cond_wait(&d->done, &d->lock);
			continue;
		}
		d->syncing = true;
		pthread_mutex_unlock(&d->lock);
		if (FAULT(STORE_DIRSYNC) || f->ops->fsync(d->fd) == -1)
			file_sync_failed("directory of shards");
		pthread_mutex_lock(&d->lock);
		d->syncing = false;
		d->synced = all;
		pthread_cond_broadcast(&d->done);
	}
	assert(d->synced >= mine);
	assert(d->synced <= d->asked);
	pthread_mutex_unlock(&d->lock);
}

/* Also for a shard that was here: who wrote it may have died before this. */
static void
sync_all(struct shardfile_upload *u)
{
	uint64_t began_us;

	assert(u->fd != -1);
	if (u->files->no_sync)
		return;
	began_us = clock_mono_us(u->files->clock);
	if (FAULT(STORE_FSYNC) || u->files->ops->fdatasync(u->fd) == -1)
		file_sync_failed("shard");
	sync_dir(u->files, u->id);
	metric_observe(&u->files->metrics.sync,
	    clock_mono_us(u->files->clock) - began_us);
}

/* Whoever opens it next asks for its END: so does this, before it is told. */
static int
read_back(struct shardfile_upload *u, struct error *err)
{
	char name[SHARDPATH_NAME_MAX + 1];
	uint64_t bytes;
	int rc = shardfile_has_end(u->files, u->fd, u->id, u->shard, &bytes);

	if (rc == 1 && bytes == u->at)
		return 0;
	shardpath_name(name, u->id, u->shard);
	return error_set(err, ERRC_IO,
	    "shard %s: it does not read back as it was written", name);
}

static int
finish(struct shardfile_upload *u, struct error *err)
{
	int rc;

	if (u->failed)
		return error_set(err, ERRC_IO, "shard: failed before");
	rc = frame_verifier_finish(&u->verifier, err);
	if (rc < 0)
		return rc;
	if (!u->existed) {
		rc = flush(u, NULL, 0, err);
		if (rc < 0)
			return rc;
		assert(u->at == u->total);
	}
	rc = read_back(u, err);
	if (rc == 0)
		sync_all(u);
	return rc;
}

/* The table is left last: until then the file is not looked at as a shard. */
static void
release(struct shardfile_upload *u, bool remove)
{
	if (u->fd != -1)
		close(u->fd);
	/* A file that stays has no END, so it does no harm. */
	if (remove && !u->existed &&
	    shardfile_remove(u->files, u->id, u->shard, NULL) < 0)
		u->failed = true;
	shardfile_leave(u);
	free(u->kept);
	free(u);
}

int
shardfile_finish(struct shardfile_upload *u, bool *existed, struct error *err)
{
	int rc = finish(u, err);

	nowait_touch("a shard file");
	if (rc == 0)
		*existed = u->existed;
	if (rc == 0 && !u->existed)
		shardfile_account(u->files, u->id, 1, u->at);
	release(u, rc < 0);
	return rc;
}

void
shardfile_abort(struct shardfile_upload *u)
{
	if (u == NULL)
		return;
	nowait_touch("a shard file");
	release(u, true);
}

bool
shardfile_is_written(struct shardfiles *f, struct reqid id, uint32_t shard)
{
	const struct shardfile_upload *u;

	assert(shard < 32);
	pthread_mutex_lock(&f->lock);
	for (u = f->uploads; u != NULL; u = u->next)
		if (u->shard == shard && !u->existed && reqid_equal(u->id, id))
			break;
	pthread_mutex_unlock(&f->lock);
	return u != NULL;
}

bool
shardfile_uploading(struct shardfiles *f, struct reqid id, uint64_t *idle_ms)
{
	uint64_t now = clock_boot_ms(f->clock);
	uint64_t idle = UINT64_MAX;
	const struct shardfile_upload *u;

	pthread_mutex_lock(&f->lock);
	for (u = f->uploads; u != NULL; u = u->next)
		if (reqid_equal(u->id, id)) {
			uint64_t last = u->last_ms;

			idle = KOOP_MIN(idle, now > last ? now - last : 0);
		}
	pthread_mutex_unlock(&f->lock);
	if (idle == UINT64_MAX)
		return false;
	*idle_ms = idle;
	return true;
}

void
shardfile_count_uploads(struct shardfiles *f, struct shardfile_counts *counts)
{
	pthread_mutex_lock(&f->lock);
	for (const struct shardfile_upload *u = f->uploads; u != NULL;
	     u = u->next) {
		counts->uploads++;
		counts->upload_bytes += u->total;
	}
	pthread_mutex_unlock(&f->lock);
}
