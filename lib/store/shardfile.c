/* SPDX-License-Identifier: MIT */
#include "store/shardfile.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/nowait.h"
#include "store/shardfile_in.h"
#include "store/shardpath.h"

/* The directories, the names in them, and whole shards in them. */

static int
open_dirs(struct shardfiles *f, struct error *err)
{
	char name[16];

	assert(f->dirfd >= 0);
	f->quarantine = openat(f->dirfd, "quarantine",
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->quarantine == -1)
		return error_errno(err, ERRC_IO, "open quarantine");
	for (unsigned i = 0; i < SHARDPATH_FANOUT; i++) {
		shardpath_dir(name, i);
		f->dir[i].fd = openat(f->dirfd, name,
		    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (f->dir[i].fd == -1)
			return error_errno(err, ERRC_IO, "open %s", name);
	}
	return 0;
}

int
shardfiles_open(struct shardfiles **out, int dirfd,
    const struct shardfile_options *options, struct error *err)
{
	struct shardfiles *f = calloc(1, sizeof(*f));
	int rc;

	assert(options->ops != NULL);
	assert(options->clock != NULL);
	if (f == NULL)
		return error_set(err, ERRC_NOMEM, "shards: out of memory");
	f->dirfd = dirfd;
	f->ops = options->ops;
	f->clock = options->clock;
	f->no_sync = options->no_sync;
	f->quarantine = -1;
	pthread_mutex_init(&f->lock, NULL);
	for (unsigned i = 0; i < SHARDPATH_FANOUT; i++) {
		f->dir[i].fd = -1;
		pthread_mutex_init(&f->dir[i].lock, NULL);
		pthread_cond_init(&f->dir[i].done, NULL);
	}
	rc = open_dirs(f, err);
	if (rc < 0) {
		shardfiles_close(f);
		return rc;
	}
	*out = f;
	return 0;
}

void
shardfiles_close(struct shardfiles *f)
{
	if (f == NULL)
		return;
	assert(f->uploads == NULL);
	for (unsigned i = 0; i < SHARDPATH_FANOUT; i++) {
		if (f->dir[i].fd != -1)
			close(f->dir[i].fd);
		pthread_mutex_destroy(&f->dir[i].lock);
		pthread_cond_destroy(&f->dir[i].done);
	}
	if (f->quarantine != -1)
		close(f->quarantine);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

int
shardfile_dirfd(struct shardfiles *f, struct reqid id)
{
	return f->dir[shardpath_fanout(id)].fd;
}

static ssize_t
pread_full(const struct file_ops *ops, int fd, uint8_t *p, size_t n, off_t at)
{
	size_t done = 0;

	assert(n > 0);
	assert(at >= 0);
	while (done < n) {
		ssize_t got = ops->pread(fd, p + done, n - done,
		    at + (off_t)done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		done += (size_t)got;
	}
	return (ssize_t)done;
}

ssize_t
shardfile_read(struct shardfiles *f, int fd, void *p, size_t n, uint64_t at,
    struct error *err)
{
	ssize_t got;

	assert(fd >= 0);
	nowait_touch("a shard file");
	got = pread_full(f->ops, fd, p, n, (off_t)at);
	if (got >= 0)
		return got;
	atomic_fetch_add(&f->metrics.errors, 1);
	return error_errno(err, ERRC_IO, "read shard");
}

int
shardfile_compare(struct shardfiles *f, int fd, const uint8_t *p, size_t n,
    uint64_t at, struct error *err)
{
	uint8_t here[16384];

	assert(fd >= 0);
	while (n > 0) {
		size_t piece = KOOP_MIN(n, sizeof(here));
		ssize_t got = pread_full(f->ops, fd, here, piece, (off_t)at);

		if (got < 0)
			return error_errno(err, ERRC_IO, "read shard");
		if ((size_t)got != piece || memcmp(here, p, piece) != 0)
			return error_set(err, ERRC_MISMATCH,
			    "a shard with other bytes is here already");
		p += piece;
		n -= piece;
		at += piece;
	}
	return 0;
}

/* END is the commit mark.  Its header's CRC covers the request id, so that
 * of another shard, or a tail that was cut, does not pass. */
int
shardfile_has_end(struct shardfiles *f, int fd, struct reqid id, uint32_t shard,
    uint64_t *bytes)
{
	uint8_t end[FRAME_END_BYTES];
	struct blob_totals totals;
	struct stat st;
	uint8_t whose;
	ssize_t got;

	assert(fd >= 0);
	if (fstat(fd, &st) == -1)
		return -ERRC_IO;
	if (!S_ISREG(st.st_mode) ||
	    st.st_size < FRAME_BEGIN_BYTES + FRAME_END_BYTES)
		return 0;
	got = pread_full(f->ops, fd, end, sizeof(end),
	    st.st_size - FRAME_END_BYTES);
	if (got < 0)
		return -ERRC_IO;
	if (got != sizeof(end) ||
	    frame_end_decode(&totals, &whose, end, &id, NULL) < 0 ||
	    whose != shard)
		return 0;
	*bytes = (uint64_t)st.st_size;
	return 1;
}

int
shardfile_open(struct shardfiles *f, struct reqid id, uint32_t shard, int *fd,
    uint64_t *bytes, struct error *err)
{
	char name[SHARDPATH_NAME_MAX + 1];
	int opened;

	assert(shard < 32);
	nowait_touch("a shard file");
	shardpath_name(name, id, shard);
	if (shardfile_is_written(f, id, shard))
		return error_set(err, ERRC_NOTFOUND,
		    "shard %s: its upload has not ended", name);
	opened = f->ops->openat(shardfile_dirfd(f, id), name,
	    O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0);
	if (opened == -1 && errno == ENOENT)
		return error_set(err, ERRC_NOTFOUND, "shard %s: not here",
		    name);
	if (opened == -1)
		return error_errno(err, ERRC_IO, "shard %s: open", name);
	if (shardfile_has_end(f, opened, id, shard, bytes) <= 0) {
		close(opened);
		return error_set(err, ERRC_NOTFOUND, "shard %s: has no END",
		    name);
	}
	*fd = opened;
	return 0;
}

bool
shardfile_exists(struct shardfiles *f, struct reqid id, uint32_t shard)
{
	uint64_t bytes;
	int fd;

	if (shardfile_open(f, id, shard, &fd, &bytes, NULL) < 0)
		return false;
	close(fd);
	return true;
}

void
shardfile_account(struct shardfiles *f, struct reqid id, int count,
    uint64_t bytes)
{
	struct shardfile_dir *d = &f->dir[shardpath_fanout(id)];

	assert(count == 1 || count == -1);
	assert(bytes <= INT64_MAX);
	atomic_fetch_add(&d->files, count);
	atomic_fetch_add(&d->bytes, count * (int64_t)bytes);
}

int
shardfile_unlink(struct shardfiles *f, struct reqid id, uint32_t shard,
    struct error *err)
{
	char name[SHARDPATH_NAME_MAX + 1];
	struct stat st;
	int rc;

	assert(shard < 32);
	nowait_touch("a shard file");
	shardpath_name(name, id, shard);
	if (fstatat(shardfile_dirfd(f, id), name, &st, AT_SYMLINK_NOFOLLOW) ==
	    -1)
		st.st_size = -1;
	rc = shardfile_remove(f, id, shard, err);
	if (rc == 0 && st.st_size >= 0)
		shardfile_account(f, id, -1, (uint64_t)st.st_size);
	return rc;
}

int
shardfile_remove(struct shardfiles *f, struct reqid id, uint32_t shard,
    struct error *err)
{
	char name[SHARDPATH_NAME_MAX + 1];

	assert(shard < 32);
	shardpath_name(name, id, shard);
	if (f->ops->unlinkat(shardfile_dirfd(f, id), name, 0) == -1 &&
	    errno != ENOENT)
		return error_errno(err, ERRC_IO, "shard %s: unlink", name);
	return 0;
}

/* A name that is free there: NAME, NAME.2, NAME.3 and so on. */
static int
quarantine_name(struct shardfiles *f, const char *name, char *out, size_t room,
    struct error *err)
{
	assert(room > SHARDPATH_NAME_MAX);
	for (unsigned i = 1; i <= 1000; i++) {
		int n = i == 1 ? snprintf(out, room, "%s", name) :
				 snprintf(out, room, "%s.%u", name, i);

		if (n < 0 || (size_t)n >= room)
			break;
		if (faccessat(f->quarantine, out, F_OK, AT_SYMLINK_NOFOLLOW) ==
			-1 &&
		    errno == ENOENT)
			return 0;
	}
	return error_set(err, ERRC_CANTCREATE, "quarantine/%s: no free name",
	    name);
}

int
shardfile_move_away(struct shardfiles *f, int dirfd, const char *name,
    struct error *err)
{
	char free_name[NAME_MAX + 1];
	int rc = quarantine_name(f, name, free_name, sizeof(free_name), err);

	assert(name[0] != '.');
	if (rc < 0)
		return rc;
	if (f->ops->renameat(dirfd, name, f->quarantine, free_name) == -1) {
		if (errno == ENOENT)
			return error_set(err, ERRC_NOTFOUND,
			    "shard %s: not here", name);
		return error_errno(err, ERRC_IO, "quarantine %s", name);
	}
	if (!f->no_sync && f->ops->fsync(f->quarantine) == -1)
		file_sync_failed("quarantine");
	return 0;
}

/* Is the name still that of the file which was opened? */
static int
is_same_file(struct shardfiles *f, struct reqid id, const char *name, int fd,
    uint64_t *bytes, struct error *err)
{
	struct stat opened, named;

	if (fstat(fd, &opened) == -1)
		return error_errno(err, ERRC_IO, "shard %s: fstat", name);
	if (fstatat(shardfile_dirfd(f, id), name, &named,
		AT_SYMLINK_NOFOLLOW) == -1)
		return errno == ENOENT ?
		    error_set(err, ERRC_NOTFOUND, "shard %s: not here", name) :
		    error_errno(err, ERRC_IO, "shard %s: stat", name);
	if (opened.st_dev != named.st_dev || opened.st_ino != named.st_ino)
		return error_set(err, ERRC_MISMATCH,
		    "shard %s: another file has its name by now", name);
	*bytes = (uint64_t)opened.st_size;
	return 0;
}

/*
 * What was found bad is a file, what is renamed is a name: between the two a
 * repair may have put a good shard there, which must stay.  The table of
 * uploads keeps repairs away while the two are compared.
 */
int
shardfile_quarantine(struct shardfiles *f, struct reqid id, uint32_t shard,
    int fd, struct error *err)
{
	struct shardfile_upload claim = {
		.files = f,
		.id = id,
		.shard = shard,
		.fd = -1,
		.existed = true,
	};
	char name[SHARDPATH_NAME_MAX + 1];
	uint64_t bytes;
	int rc;

	assert(fd >= 0);
	nowait_touch("a shard file");
	claim.last_ms = clock_boot_ms(f->clock);
	if (!shardfile_enter(&claim))
		return error_set(err, ERRC_RETRY, "it is being uploaded");
	shardpath_name(name, id, shard);
	rc = is_same_file(f, id, name, fd, &bytes, err);
	if (rc == 0)
		rc = shardfile_move_away(f, shardfile_dirfd(f, id), name, err);
	if (rc == 0)
		shardfile_account(f, id, -1, bytes);
	shardfile_leave(&claim);
	return rc;
}

static DIR *
list_dir(int dirfd)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);

	if (dir == NULL && fd != -1)
		close(fd);
	return dir;
}

int
shardfile_quarantined(struct shardfiles *f, uint64_t *count, struct error *err)
{
	DIR *dir = list_dir(f->quarantine);
	const struct dirent *entry;

	nowait_touch("quarantine");
	if (dir == NULL)
		return error_errno(err, ERRC_IO, "quarantine");
	*count = 0;
	while ((entry = readdir(dir)) != NULL)
		*count += entry->d_name[0] != '.';
	closedir(dir);
	return 0;
}

/* Fill in an entry; false when the file has gone meanwhile. */
static bool
look(struct shardfiles *f, int dirfd, const char *name,
    struct shardfile_entry *entry)
{
	struct stat st;
	int fd;

	assert(dirfd >= 0);
	entry->uploading = shardfile_is_written(f, entry->id, entry->shard);
	fd = f->ops->openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0);
	if (fd == -1)
		return false;
	entry->whole = !entry->uploading &&
	    shardfile_has_end(f, fd, entry->id, entry->shard, &entry->bytes) >
		0;
	if (!entry->whole && fstat(fd, &st) == 0)
		entry->bytes = (uint64_t)st.st_size;
	close(fd);
	return true;
}

/* What the scan of a folder counts. */
struct scanned {
	int64_t files, bytes;
};

static int
scan_name(struct shardfiles *f, unsigned fanout, const char *name,
    shardfile_fn *fn, void *arg, bool *stranger, struct scanned *scanned)
{
	struct shardfile_entry entry = { 0 };

	*stranger = !shardpath_parse(&entry.id, &entry.shard, name) ||
	    shardpath_fanout(entry.id) != fanout;
	if (*stranger)
		return 0;
	if (!look(f, f->dir[fanout].fd, name, &entry))
		return 0;
	if (!entry.uploading) {
		assert(entry.bytes <= INT64_MAX);
		scanned->files++;
		scanned->bytes += (int64_t)entry.bytes;
	}
	return fn(arg, &entry);
}

/* What came and went while the folder was read stays counted on top: a file
 * that the scan met as well is one too many until the next. */
static void
keep_scanned(struct shardfile_dir *d, const struct scanned *before,
    const struct scanned *scanned)
{
	assert(scanned->files >= 0 && scanned->bytes >= 0);
	atomic_fetch_add(&d->files, scanned->files - before->files);
	atomic_fetch_add(&d->bytes, scanned->bytes - before->bytes);
	atomic_store(&d->counted, true);
}

int
shardfile_scan(struct shardfiles *f, unsigned fanout, shardfile_fn *fn,
    void *arg, uint64_t *strange, struct error *err)
{
	struct shardfile_dir *d = &f->dir[fanout % SHARDPATH_FANOUT];
	struct scanned before = { atomic_load(&d->files),
		atomic_load(&d->bytes) };
	struct scanned scanned = { 0 };
	DIR *dir = list_dir(d->fd);
	const struct dirent *name;
	int rc = 0;

	assert(fanout < SHARDPATH_FANOUT);
	nowait_touch("a folder of shards");
	if (dir == NULL)
		return error_errno(err, ERRC_IO, "scan shards/%02x", fanout);
	while (rc == 0 && (name = readdir(dir)) != NULL) {
		bool stranger = false;

		if (strcmp(name->d_name, ".") == 0 ||
		    strcmp(name->d_name, "..") == 0)
			continue;
		rc = scan_name(f, fanout, name->d_name, fn, arg, &stranger,
		    &scanned);
		if (stranger) {
			(*strange)++;
			rc = shardfile_move_away(f, d->fd, name->d_name, err);
		}
	}
	closedir(dir);
	if (rc == 0)
		keep_scanned(d, &before, &scanned);
	return rc;
}

static void
count_files(struct shardfiles *f, struct shardfile_counts *counts)
{
	int64_t files = 0;
	int64_t bytes = 0;

	counts->counted = true;
	for (size_t i = 0; i < SHARDPATH_FANOUT; i++) {
		counts->counted &= atomic_load(&f->dir[i].counted);
		files += atomic_load(&f->dir[i].files);
		bytes += atomic_load(&f->dir[i].bytes);
	}
	/* Below nothing for the moment between a file and its count. */
	counts->files = (uint64_t)KOOP_MAX(files, 0);
	counts->file_bytes = (uint64_t)KOOP_MAX(bytes, 0);
}

const struct shardfile_metrics *
shardfile_metrics(const struct shardfiles *f)
{
	return &f->metrics;
}

int
shardfile_counts(struct shardfiles *f, struct shardfile_counts *out,
    struct error *err)
{
	struct shardfile_counts counts = { 0 };
	struct statvfs fs;

	nowait_touch("the file system");
	if (fstatvfs(f->dirfd, &fs) == -1)
		return error_errno(err, ERRC_IO, "data directory");
	counts.free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	counts.total_bytes = (uint64_t)fs.f_blocks * fs.f_frsize;
	shardfile_count_uploads(f, &counts);
	count_files(f, &counts);
	*out = counts;
	return 0;
}
